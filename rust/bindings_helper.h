/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module needs of the kernel's headers beyond the kernel crate, and
 * the C functions that it has for inline functions and macros (helpers.c).
 */
#ifndef _SECCOMP_EA_BINDINGS_HELPER_H
#define _SECCOMP_EA_BINDINGS_HELPER_H

#include <linux/dcache.h>
#include <linux/filter.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/percpu.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/seccomp_ea.h>
#include <linux/spinlock.h>

/* The structs of the system calls. */
#include <uapi/linux/landlock.h>
#include <uapi/linux/mount.h>
#include <uapi/linux/perf_event.h>
#include <uapi/linux/sched/types.h>

/* bindgen evaluates constants, not macros with sizeof in them. */
static const size_t SECCOMP_EA_SYMBOL_LEN __maybe_unused = KSYM_SYMBOL_LEN;
static const u32 SECCOMP_EA_READ_PINNED __maybe_unused = SECCOMP_EA_IOCTL_READ_PINNED;

/* What the table of caches knows of one: its place there, and its key. */
struct seccomp_ea_node {
	struct hlist_node list;
	unsigned long task;
};

/* A system call as filters tell it from others. */
struct seccomp_ea_system_call {
	u32 arch;
	u32 nr;
};

/* How many counters there are (counter.rs). */
#define SECCOMP_EA_COUNTERS	9

struct seccomp_ea_counters {
	long count[SECCOMP_EA_COUNTERS];
};

DECLARE_PER_CPU(struct seccomp_ea_counters, seccomp_ea_counters);
unsigned long seccomp_ea_counted(unsigned int counter);

struct dentry *seccomp_ea_debugfs_file(const char *directory, const char *name);
unsigned int seccomp_ea_dentry_references(const struct dentry *dentry);

bool seccomp_ea_may_log(void);
bool seccomp_ea_may_log_change(void);
bool seccomp_ea_module_get(void);
void seccomp_ea_module_put(void);
int seccomp_ea_notifier_from_errno(int error);
unsigned long seccomp_ea_irq_save(void);
void seccomp_ea_irq_restore(unsigned long flags);
struct seccomp_ea_system_call seccomp_ea_current_system_call(void);
void seccomp_ea_current_arguments(unsigned long args[6]);
void seccomp_ea_current_comm(char name[TASK_COMM_LEN]);
struct seccomp_ea_system_call seccomp_ea_system_call_of(struct task_struct *task);
struct task_struct *seccomp_ea_find_task(pid_t pid);
int seccomp_ea_copy_struct_from_user(void *to, size_t ksize,
				     const void __user *from, size_t usize);
bool seccomp_ea_read_present(void *to, const void __user *from, size_t size);
bool seccomp_ea_access_ok(const void __user *from, size_t size);
void *seccomp_ea_zalloc(size_t size);

/* Functions that are not exported (stubs.S). */
struct mm_struct *seccomp_ea_mm_access(struct task_struct *task,
				       unsigned int mode);
int seccomp_ea_force_sig_seccomp(int syscall, int reason, bool force_coredump);

int seccomp_ea_nodes_init(void);
void seccomp_ea_nodes_destroy(void);
struct seccomp_ea_node *seccomp_ea_nodes_find(unsigned long task);
struct seccomp_ea_node *seccomp_ea_nodes_find_current(void);
void seccomp_ea_nodes_insert(struct seccomp_ea_node *node);
void seccomp_ea_nodes_remove(struct seccomp_ea_node *node);

#endif /* _SECCOMP_EA_BINDINGS_HELPER_H */
