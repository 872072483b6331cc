// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions and macros of the kernel that Rust cannot call and the
 * kernel crate does not wrap.
 */

#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <linux/pid.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <asm/syscall.h>

#include "bindings_helper.h"

/* Whether a message that a user can cause may be printed now. Any context. */
bool seccomp_ea_may_log(void)
{
	static DEFINE_RATELIMIT_STATE(state, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);

	return __ratelimit(&state);
}

/* The same for messages about changed structs. */
bool seccomp_ea_may_log_change(void)
{
	static DEFINE_RATELIMIT_STATE(state, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);

	return __ratelimit(&state);
}

bool seccomp_ea_module_get(void)
{
	return try_module_get(THIS_MODULE);
}

void seccomp_ea_module_put(void)
{
	module_put(THIS_MODULE);
}

int seccomp_ea_notifier_from_errno(int error)
{
	return notifier_from_errno(error);
}

unsigned long seccomp_ea_irq_save(void)
{
	unsigned long flags;

	local_irq_save(flags);
	return flags;
}

void seccomp_ea_irq_restore(unsigned long flags)
{
	local_irq_restore(flags);
}

struct seccomp_ea_system_call seccomp_ea_current_system_call(void)
{
	return (struct seccomp_ea_system_call) {
		.arch = syscall_get_arch(current),
		.nr = syscall_get_nr(current, current_pt_regs()),
	};
}

void seccomp_ea_current_arguments(unsigned long args[6])
{
	syscall_get_arguments(current, current_pt_regs(), args);
}

void seccomp_ea_current_comm(char name[TASK_COMM_LEN])
{
	strscpy_pad(name, current->comm, TASK_COMM_LEN);
}

/* The system call of another task, which must have a stack. */
struct seccomp_ea_system_call seccomp_ea_system_call_of(struct task_struct *task)
{
	struct seccomp_ea_system_call call;

	/* The task may enter or leave one meanwhile. */
	call.arch = data_race(syscall_get_arch(task));
	/* As above. */
	call.nr = data_race(syscall_get_nr(task, task_pt_regs(task)));
	return call;
}

/* A reference on a thread of the caller's pid namespace, or NULL. */
struct task_struct *seccomp_ea_find_task(pid_t pid)
{
	guard(rcu)();
	return get_pid_task(find_vpid(pid), PIDTYPE_PID);
}

/* May sleep. */
int seccomp_ea_copy_struct_from_user(void *to, size_t ksize,
				     const void __user *from, size_t usize)
{
	return copy_struct_from_user(to, ksize, from, usize);
}

/*
 * Reads user memory that is there. For a few words this is less work than
 * copy_from_user_nofault(), which also looks where they go. Process context, which may
 * be atomic.
 */
bool seccomp_ea_read_present(void *to, const void __user *from, size_t size)
{
	size_t offset = 0;

	guard(pagefault)();
	if (should_fail_usercopy())
		return false;
	scoped_user_read_access_size(from, size, fault) {
		for (; size - offset >= sizeof(u64); offset += sizeof(u64))
			unsafe_get_user(*(u64 *)(to + offset), (const u64 __user *)(from + offset),
					fault);
		for (; offset < size; offset++)
			unsafe_get_user(*(u8 *)(to + offset), (const u8 __user *)(from + offset),
					fault);
	}
	return true;
fault:
	return false;
}

bool seccomp_ea_access_ok(const void __user *from, size_t size)
{
	return access_ok(from, size);
}

/*
 * Zeroed memory, charged to the caller's memory cgroup. Rather than to have the
 * OOM killer end something, the allocation fails. May sleep.
 */
void *seccomp_ea_zalloc(size_t size)
{
	return kzalloc(size, GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL |
			     __GFP_NOWARN);
}

/* A reference on a file in a directory at the root of debugfs, or NULL. */
struct dentry *seccomp_ea_debugfs_file(const char *directory, const char *name)
{
	struct dentry *parent, *file;

	parent = debugfs_lookup(directory, NULL);
	if (IS_ERR_OR_NULL(parent))
		return NULL;
	file = debugfs_lookup(name, parent);
	dput(parent);
	return file;
}

unsigned int seccomp_ea_dentry_references(const struct dentry *dentry)
{
	return d_count(dentry);
}

DEFINE_PER_CPU(struct seccomp_ea_counters, seccomp_ea_counters);

/*
 * What was counted on all CPUs. What one has counted up and another one down
 * meanwhile may be seen by half.
 */
unsigned long seccomp_ea_counted(unsigned int counter)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(seccomp_ea_counters.count[counter], cpu));
	return max(sum, 0L);
}
