/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of the system calls with a struct. It is the one place to add a call
 * to: calls.c and i386.c test every row in all situations of situations.h.
 *
 * Includers have included kselftest_harness.h.
 */
#ifndef SELFTESTS_CALLS_H
#define SELFTESTS_CALLS_H

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <linux/fs.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/nsfs.h>
#include <linux/perf_event.h>
#include <linux/xattr.h>

#include "common.h"

#define NR_ARGS		6

/* For call::size: there is no such argument, the struct has its size inside. */
#define INSIDE		NR_ARGS

/* The arguments of a call, and who makes it. Those that are the struct and its size are filled in. */
struct context {
	long args[NR_ARGS];
	/* A user without any privileges. */
	bool nobody;
	/* Success takes long, so it is not tried in every situation. */
	bool slow;
};

struct call {
	const char *name, *structure;
	/* By enum abi. */
	unsigned int nr[2];
	/* The indices of the arguments that are the pointer to the struct, and its size. */
	unsigned int pointer, size;
	/* If the size is inside: where, and the size that a size of 0 means. */
	size_t field, zero;
	/* An argument that makes no difference to the call: it asks filters of ours. */
	unsigned int unused;
	/* Sizes of the first published struct, and of the one that this kernel knows. */
	size_t first, known;
	/* The first one is for the situations where memory and size matter. */
	const struct context *contexts;
	size_t nr_contexts;
	/*
	 * Contents of the struct up to @known. They differ from the first one, which is
	 * valid, in fields that the call refuses, so that it shows which bytes it had.
	 */
	void *heads;
	size_t nr_heads;
	/* What a result above 0 is. */
	enum { VALUE, DESCRIPTOR, CHILD } returns;
	/* Undoes what earlier calls did. */
	void (*reset)(void);
	/* A digest of what a successful call has changed. */
	__u64 (*effect)(void);
};

#define ARGS(...)	.args = { __VA_ARGS__ }

#define CONTEXTS(...)							\
	.contexts = (const struct context[]) { __VA_ARGS__ },		\
	.nr_contexts = ARRAY_SIZE(((const struct context[]) { __VA_ARGS__ }))

#define HEADS(type, ...)						\
	.structure = #type,						\
	.known = sizeof(type),						\
	.heads = (type[]) { __VA_ARGS__ },				\
	.nr_heads = ARRAY_SIZE(((type[]) { __VA_ARGS__ }))

/* ---- What the calls work on. ---- */

#define ROOM		"/tmp/calls"	/* a mount with two mounts in it */
#define MOUNT		ROOM "/mount"	/* one of them */
#define OTHER_MOUNT	ROOM "/other"
#define FILE_NAME	ROOM "/file"
#define XATTR		"user.name"
#define BAD_ADDRESS		(-4096)		/* a bad address */
#define NO_FD		9999
#define NO_PID		99999999

/* Where calls write to. The program is static, so it is below 4 GB. */
static __u64 out[128];

/* Stand in contents for what is known at run time only. */
#define OUT_ADDRESS	0xe0e0e0e0e0e0e0e0
#define TEXT_ADDRESS	0xe1e1e1e1e1e1e1e1
#define PIDS_ADDRESS	0xe2e2e2e2e2e2e2e2
#define ROOM_ID		0xe3e3e3e3e3e3e3e3
#define MOUNT_ID	0xe4e4e4e4e4e4e4e4
#define HIGH		(1ULL << 32)

/* A pid that is free. */
static const pid_t pids[] = { 20490 };
static const char text[] = "value";

/* How children are created, fast: with no memory of their own. */
#define QUICK		(CLONE_VM | CLONE_VFORK)

#define STATMOUNT_MASK							\
	(STATMOUNT_SB_BASIC | STATMOUNT_MNT_BASIC | STATMOUNT_MNT_POINT | STATMOUNT_FS_TYPE)

static inline __u64 sched_effect(void)
{
	struct sched_attr attr = {};
	const __u32 *words = (const __u32 *)&attr;
	__u64 digest = 0;
	size_t i;

	SYSCALL(__NR_sched_getattr, 0, &attr, sizeof(attr), 0);
	for (i = 0; i < sizeof(attr) / sizeof(*words); i++)
		digest = digest * 31 + words[i];
	return digest;
}

static inline __u64 mount_effect(void)
{
	struct statvfs mount = {};

	statvfs(MOUNT, &mount);
	return mount.f_flag;
}

static inline void mount_reset(void)
{
	const struct mount_attr attr = { .attr_clr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };

	SYSCALL(__NR_mount_setattr, AT_FDCWD, MOUNT, 0, &attr, sizeof(attr));
}

static inline void xattr_reset(void)
{
	SYSCALL(__NR_setxattr, FILE_NAME, XATTR, text, sizeof(text), 0);
}

static inline __u64 xattr_effect(void)
{
	char value[256] = "";

	return SYSCALL(__NR_getxattr, FILE_NAME, XATTR, value, sizeof(value)) + (value[0] << 16);
}

static inline void file_reset(void)
{
	const struct file_attr attr = {};

	SYSCALL(469 /* file_setattr */, AT_FDCWD, FILE_NAME, &attr, sizeof(attr), 0);
}

static inline __u64 file_effect(void)
{
	struct file_attr attr = {};

	SYSCALL(468 /* file_getattr */, AT_FDCWD, FILE_NAME, &attr, sizeof(attr), 0);
	return attr.fa_xflags;
}

/* ---- The table. ---- */

static const struct call calls[] = {
	{
		.name = "clone3",
		.nr = { 435, 435 },
		.pointer = 0,
		.size = 1,
		.unused = 5,
		.first = CLONE_ARGS_SIZE_VER0,
		.returns = CHILD,
		CONTEXTS({ }, { .nobody = true }),
		HEADS(struct clone_args,
			{ .flags = QUICK, .exit_signal = SIGCHLD },
			{ .flags = QUICK | CLONE_FS | 1ULL << 40, .exit_signal = SIGCHLD },
			{ .flags = QUICK | CLONE_THREAD, .exit_signal = SIGCHLD },
			{ .flags = QUICK | CLONE_PIDFD, .pidfd = 8, .exit_signal = SIGCHLD },
			{ .flags = QUICK | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD,
			  .cgroup = NO_FD },
			{ .flags = QUICK | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD,
			  .cgroup = 1ULL << 31 },
			{ .flags = QUICK, .exit_signal = SIGCHLD | HIGH },
			{ .flags = QUICK, .exit_signal = SIGCHLD, .stack_size = 1 },
			{ .flags = QUICK, .exit_signal = SIGCHLD, .set_tid_size = 1 },
			{ .flags = QUICK, .exit_signal = SIGCHLD, .set_tid = 8, .set_tid_size = 1 },
			{ .flags = QUICK, .exit_signal = SIGCHLD, .set_tid = PIDS_ADDRESS,
			  .set_tid_size = 1 }),
	}, {
		.name = "openat2",
		.nr = { 437, 437 },
		.pointer = 2,
		.size = 3,
		.unused = 5,
		.first = 24,
		.returns = DESCRIPTOR,
		CONTEXTS({ ARGS(AT_FDCWD, (long)"/") },
			 { ARGS(AT_FDCWD, BAD_ADDRESS) },
			 { ARGS(AT_FDCWD, (long)ROOM "/nothing") },
			 { ARGS(AT_FDCWD, (long)FILE_NAME), .nobody = true }),
		HEADS(struct open_how,
			{ .flags = O_PATH | O_DIRECTORY },
			{ .flags = O_PATH, .resolve = RESOLVE_NO_SYMLINKS },
			{ .flags = O_RDONLY, .mode = 0600 },
			{ .flags = 1ULL << 63 },
			{ .flags = O_PATH, .mode = HIGH },
			{ .flags = O_PATH, .resolve = HIGH },
			{ .flags = O_PATH, .resolve = RESOLVE_BENEATH },
			{ .flags = O_RDWR }),
	}, {
		.name = "mount_setattr",
		.nr = { 442, 442 },
		.pointer = 3,
		.size = 4,
		.unused = 5,
		.first = MOUNT_ATTR_SIZE_VER0,
		CONTEXTS({ ARGS(AT_FDCWD, (long)MOUNT) },
			 { ARGS(AT_FDCWD, (long)MOUNT, 1) },
			 { ARGS(AT_FDCWD, (long)ROOM "/nothing") },
			 { ARGS(AT_FDCWD, (long)FILE_NAME) },
			 { ARGS(AT_FDCWD, (long)MOUNT), .nobody = true }),
		HEADS(struct mount_attr,
			{ .attr_set = MOUNT_ATTR_NOSUID },
			{ .attr_set = MOUNT_ATTR_NODEV, .attr_clr = MOUNT_ATTR_NOSUID },
			{ .attr_clr = MOUNT_ATTR_NODEV, .propagation = 1 << 18 /* MS_PRIVATE */ },
			{ .attr_set = 1 << 30 },
			{ .attr_set = HIGH },
			{ .attr_set = MOUNT_ATTR_NOATIME },
			{ .attr_clr = 1 << 30 },
			{ .attr_clr = HIGH },
			{ .propagation = 3 << 18 },
			{ .propagation = HIGH },
			{ .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = NO_FD },
			{ .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = HIGH }),
		.reset = mount_reset,
		.effect = mount_effect,
	}, {
		.name = "open_tree_attr",
		.nr = { 467, 467 },
		.pointer = 3,
		.size = 4,
		.unused = 5,
		.first = MOUNT_ATTR_SIZE_VER0,
		.returns = DESCRIPTOR,
		CONTEXTS({ ARGS(AT_FDCWD, (long)MOUNT, OPEN_TREE_CLOEXEC) },
			 { ARGS(AT_FDCWD, (long)MOUNT, 2) },
			 { ARGS(AT_FDCWD, (long)ROOM "/nothing") },
			 { ARGS(AT_FDCWD, (long)MOUNT, OPEN_TREE_CLONE), .slow = true },
			 { ARGS(AT_FDCWD, (long)MOUNT), .nobody = true }),
		HEADS(struct mount_attr,
			{ .attr_set = MOUNT_ATTR_NOSUID },
			{ .attr_set = MOUNT_ATTR_NODEV, .attr_clr = MOUNT_ATTR_NOSUID },
			{ .attr_set = 1 << 30 },
			{ .attr_set = HIGH },
			{ .attr_clr = 1 << 30 },
			{ .attr_clr = HIGH },
			{ .propagation = 3 << 18 },
			{ .propagation = HIGH },
			{ .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = NO_FD },
			{ .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = HIGH }),
		.reset = mount_reset,
		.effect = mount_effect,
	}, {
		.name = "landlock_create_ruleset",
		.nr = { 444, 444 },
		.pointer = 0,
		.size = 1,
		.unused = 5,
		.first = offsetof(struct landlock_ruleset_attr, handled_access_net),
		.returns = DESCRIPTOR,
		CONTEXTS({ },
			 { ARGS(0, 0, LANDLOCK_CREATE_RULESET_VERSION) },
			 { ARGS(0, 0, 1 << 30) },
			 { .nobody = true }),
		HEADS(struct landlock_ruleset_attr,
			{ .handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE },
			{ .handled_access_net = LANDLOCK_ACCESS_NET_BIND_TCP },
			{ .scoped = LANDLOCK_SCOPE_SIGNAL },
			{ },
			{ .handled_access_fs = 1 << 30 },
			{ .handled_access_fs = HIGH },
			{ .handled_access_fs = 1, .handled_access_net = 1 << 30 },
			{ .handled_access_fs = 1, .handled_access_net = HIGH },
			{ .handled_access_fs = 1, .scoped = 1 << 30 },
			{ .handled_access_fs = 1, .scoped = HIGH },
			{ .handled_access_fs = 1, .quiet_access_fs = 2 },
			{ .handled_access_fs = 1, .quiet_access_net = HIGH },
			{ .handled_access_fs = 1, .quiet_scoped = 1 }),
	}, {
		.name = "setxattrat",
		.nr = { 463, 463 },
		.pointer = 4,
		.size = 5,
		.unused = 0,	/* the path is absolute */
		.first = 16,
		CONTEXTS({ ARGS(0, (long)FILE_NAME, 0, (long)XATTR) },
			 { ARGS(0, (long)FILE_NAME, 1, (long)XATTR) },
			 { ARGS(0, (long)FILE_NAME, 0, BAD_ADDRESS) },
			 { ARGS(0, (long)ROOM "/nothing", 0, (long)XATTR) },
			 { ARGS(0, (long)FILE_NAME, 0, (long)XATTR), .nobody = true }),
		HEADS(struct xattr_args,
			{ .value = TEXT_ADDRESS, .size = 3 },
			{ .value = TEXT_ADDRESS, .size = 5, .flags = 2 /* XATTR_REPLACE */ },
			{ .value = TEXT_ADDRESS, .size = 5, .flags = 1 /* XATTR_CREATE */ },
			{ .value = TEXT_ADDRESS, .size = 5, .flags = 1 << 31 },
			{ .value = TEXT_ADDRESS, .size = 1 << 30 },
			{ .value = 8, .size = 5 },
			{ .value = HIGH << 31, .size = 5 }),
		.reset = xattr_reset,
		.effect = xattr_effect,
	}, {
		.name = "getxattrat",
		.nr = { 464, 464 },
		.pointer = 4,
		.size = 5,
		.unused = 0,
		.first = 16,
		CONTEXTS({ ARGS(0, (long)FILE_NAME, 0, (long)XATTR) },
			 { ARGS(0, (long)FILE_NAME, 1, (long)XATTR) },
			 { ARGS(0, (long)FILE_NAME, 0, BAD_ADDRESS) },
			 { ARGS(0, (long)ROOM "/nothing", 0, (long)XATTR) },
			 { ARGS(0, (long)FILE_NAME, 0, (long)XATTR), .nobody = true }),
		HEADS(struct xattr_args,
			{ .value = OUT_ADDRESS, .size = sizeof(out) },
			{ .value = OUT_ADDRESS, .size = 1 },
			{ .value = OUT_ADDRESS },
			{ .value = OUT_ADDRESS, .size = sizeof(out), .flags = 1 << 31 },
			{ .value = 8, .size = sizeof(out) },
			{ .value = HIGH << 31, .size = sizeof(out) }),
		.reset = xattr_reset,
	}, {
		.name = "file_setattr",
		.nr = { 469, 469 },
		.pointer = 2,
		.size = 3,
		.unused = 5,
		.first = FILE_ATTR_SIZE_VER0,
		CONTEXTS({ ARGS(AT_FDCWD, (long)FILE_NAME) },
			 { ARGS(AT_FDCWD, (long)FILE_NAME, 0, 0, 1) },
			 { ARGS(AT_FDCWD, BAD_ADDRESS) },
			 { ARGS(AT_FDCWD, (long)ROOM "/nothing") },
			 { ARGS(AT_FDCWD, (long)FILE_NAME), .nobody = true }),
		HEADS(struct file_attr,
			{ .fa_xflags = FS_XFLAG_NODUMP },
			{ .fa_xflags = FS_XFLAG_NOATIME },
			{ .fa_xflags = FS_XFLAG_REALTIME },
			{ .fa_xflags = 1 << 30 },
			{ .fa_xflags = HIGH },
			{ .fa_extsize = PAGE },
			{ .fa_projid = 7 },
			{ .fa_cowextsize = PAGE },
			{ .fa_nextents = 1 }),
		.reset = file_reset,
		.effect = file_effect,
	}, {
		.name = "sched_setattr",
		.nr = { 314, 351 },
		.pointer = 1,
		.size = INSIDE,
		.field = offsetof(struct sched_attr, size),
		.zero = SCHED_ATTR_SIZE_VER0,
		.unused = 5,
		.first = SCHED_ATTR_SIZE_VER0,
		CONTEXTS({ },
			 { ARGS(0, 0, 1) },
			 { ARGS(-1) },
			 { ARGS(NO_PID) },
			 { .nobody = true }),
		HEADS(struct sched_attr,
			{ .sched_policy = SCHED_OTHER, .sched_nice = 1 },
			{ .sched_policy = SCHED_BATCH, .sched_nice = 2 },
			{ .sched_policy = SCHED_OTHER, .sched_runtime = 700000 },
			{ .sched_policy = 77 },
			{ .sched_policy = 1U << 31 },
			{ .sched_flags = 1 << 30 },
			{ .sched_flags = HIGH },
			{ .sched_priority = 1 },
			{ .sched_policy = SCHED_FIFO },
			/* The limits of the fields of a deadline. */
			{ .sched_policy = SCHED_DEADLINE, .sched_runtime = 8, .sched_deadline = 9 },
			{ .sched_policy = SCHED_DEADLINE, .sched_runtime = 1 << 20,
			  .sched_deadline = 1ULL << 63, .sched_period = 1ULL << 21 },
			{ .sched_policy = SCHED_DEADLINE, .sched_runtime = 1 << 20,
			  .sched_deadline = 1 << 21, .sched_period = 1ULL << 63 },
			{ .sched_flags = SCHED_FLAG_UTIL_CLAMP_MIN, .sched_util_min = 9999 },
			{ .sched_flags = SCHED_FLAG_UTIL_CLAMP_MAX, .sched_util_max = 9999 }),
		.effect = sched_effect,
	}, {
		.name = "perf_event_open",
		.nr = { 298, 336 },
		.pointer = 0,
		.size = INSIDE,
		.field = offsetof(struct perf_event_attr, size),
		.zero = PERF_ATTR_SIZE_VER0,
		.unused = 5,
		.first = PERF_ATTR_SIZE_VER0,
		.returns = DESCRIPTOR,
		/* Mostly it fails for its group or pid, which it looks at after the struct. */
		CONTEXTS({ ARGS(0, 0, -1, NO_FD) },
			 { ARGS(0, 0, -1, -1, 1 << 30) },
			 { ARGS(0, NO_PID, -1, -1) },
			 { ARGS(0, 0, -1, -1, PERF_FLAG_FD_CLOEXEC), .slow = true },
			 { ARGS(0, 0, -1, NO_FD), .nobody = true }),
		HEADS(struct perf_event_attr,
			{ .type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_DUMMY },
			{ .type = PERF_TYPE_SOFTWARE, .config = 1 << 30 },
			{ .type = PERF_TYPE_SOFTWARE, .config = HIGH },
			{ .type = 1 << 30 },
			{ .type = PERF_TYPE_SOFTWARE, .sample_period = 1ULL << 63 },
			{ .type = PERF_TYPE_SOFTWARE, .sample_type = 1 << 30 },
			{ .type = PERF_TYPE_SOFTWARE, .sample_type = HIGH },
			{ .type = PERF_TYPE_SOFTWARE, .read_format = 1 << 30 },
			{ .type = PERF_TYPE_SOFTWARE, .read_format = HIGH },
			{ .type = PERF_TYPE_SOFTWARE, .__reserved_1 = 1 },
			{ .type = PERF_TYPE_SOFTWARE, .remove_on_exec = 1, .enable_on_exec = 1 },
			{ .type = PERF_TYPE_SOFTWARE, .inherit_thread = 1 },
			{ .type = PERF_TYPE_SOFTWARE, .sample_type = PERF_SAMPLE_BRANCH_STACK,
			  .branch_sample_type = HIGH },
			{ .type = PERF_TYPE_SOFTWARE, .sample_type = PERF_SAMPLE_REGS_USER,
			  .sample_regs_user = 1ULL << 63 },
			{ .type = PERF_TYPE_SOFTWARE, .sample_type = PERF_SAMPLE_STACK_USER,
			  .sample_stack_user = 1 },
			{ .type = PERF_TYPE_SOFTWARE, .use_clockid = 1, .clockid = 99 },
			{ .type = PERF_TYPE_SOFTWARE, .sample_type = PERF_SAMPLE_REGS_INTR,
			  .sample_regs_intr = 1ULL << 63 },
			{ .type = PERF_TYPE_SOFTWARE, .__reserved_2 = 1 },
			{ .type = PERF_TYPE_SOFTWARE, .__reserved_3 = 1 }),
	}, {
		.name = "statmount",
		.nr = { 457, 457 },
		.pointer = 0,
		.size = INSIDE,
		.field = offsetof(struct mnt_id_req, size),
		.unused = 5,
		.first = MNT_ID_REQ_SIZE_VER0,
		CONTEXTS({ ARGS(0, (long)out, sizeof(out)) },
			 { ARGS(0, (long)out, sizeof(out), 1 << 30) },
			 { ARGS(0, (long)out, sizeof(out), STATMOUNT_BY_FD) },
			 { ARGS(0, (long)out, 100) },
			 { ARGS(0, BAD_ADDRESS, sizeof(out)) },
			 { ARGS(0, (long)out, sizeof(out)), .nobody = true }),
		HEADS(struct mnt_id_req,
			{ .mnt_id = MOUNT_ID, .param = STATMOUNT_MASK },
			{ .mnt_id = MOUNT_ID, .param = STATMOUNT_SB_BASIC },
			{ .mnt_id = ROOM_ID, .param = STATMOUNT_MASK },
			{ .mnt_id = MOUNT_ID, .param = HIGH },
			{ .mnt_id = HIGH, .param = STATMOUNT_MASK },
			{ .mnt_id = 1ULL << 63, .param = STATMOUNT_MASK },
			{ .mnt_ns_fd = NO_FD, .mnt_id = MOUNT_ID, .param = STATMOUNT_MASK },
			{ .mnt_fd = NO_FD },
			{ .mnt_id = MOUNT_ID, .mnt_ns_id = 1 },
			{ .mnt_id = MOUNT_ID, .mnt_ns_id = HIGH << 20 }),
	}, {
		.name = "listmount",
		.nr = { 458, 458 },
		.pointer = 0,
		.size = INSIDE,
		.field = offsetof(struct mnt_id_req, size),
		.unused = 5,
		.first = MNT_ID_REQ_SIZE_VER0,
		CONTEXTS({ ARGS(0, (long)out, 16) },
			 { ARGS(0, (long)out, 16, LISTMOUNT_REVERSE) },
			 { ARGS(0, (long)out, 16, 1 << 30) },
			 { ARGS(0, (long)out, 1000001) },
			 { ARGS(0, (long)out, 1) },
			 { ARGS(0, BAD_ADDRESS, 16) },
			 { ARGS(0, (long)out, 16), .nobody = true }),
		HEADS(struct mnt_id_req,
			{ .mnt_id = ROOM_ID },
			{ .mnt_id = ROOM_ID, .param = MOUNT_ID },
			{ .mnt_id = LSMT_ROOT },
			{ .mnt_id = HIGH },
			{ .mnt_id = 1ULL << 63 },
			{ .mnt_id = ROOM_ID, .param = HIGH << 31 },
			{ .mnt_ns_fd = NO_FD, .mnt_id = ROOM_ID },
			{ .mnt_id = ROOM_ID, .mnt_ns_id = 1 },
			{ .mnt_id = ROOM_ID, .mnt_ns_id = HIGH << 20 }),
	}, {
		.name = "listns",
		.nr = { 470, 470 },
		.pointer = 0,
		.size = INSIDE,
		.field = offsetof(struct ns_id_req, size),
		.unused = 5,
		.first = NS_ID_REQ_SIZE_VER0,
		CONTEXTS({ ARGS(0, (long)out, 16) },
			 { ARGS(0, (long)out, 16, 1) },
			 { ARGS(0, (long)out, 1000001) },
			 { ARGS(0, (long)out, 1) },
			 { ARGS(0, BAD_ADDRESS, 16) },
			 { ARGS(0, (long)out, 16), .nobody = true }),
		HEADS(struct ns_id_req,
			{ .ns_type = CLONE_NEWUTS },
			{ .ns_type = CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER },
			{ },
			{ .spare = 1 },
			{ .ns_type = 1 },
			{ .ns_type = CLONE_NEWUTS, .spare2 = 1 },
			{ .ns_type = CLONE_NEWUTS, .ns_id = HIGH },
			{ .ns_type = CLONE_NEWUTS, .user_ns_id = LISTNS_CURRENT_USER },
			{ .ns_type = CLONE_NEWUTS, .user_ns_id = 1 << 30 },
			{ .ns_type = CLONE_NEWUTS, .user_ns_id = HIGH << 20 }),
	},
};

#define NR_CALLS	ARRAY_SIZE(calls)

/* ---- To make a call. ---- */

/* The ABI that calls are made in, and the index into call::nr. */
static enum abi { X86_64, I386 } abi = sizeof(long) == 8 ? X86_64 : I386;

#ifdef __x86_64__
/* What is in the upper halves of registers, where no i386 call looks. */
static __u64 garbage;
#endif

/*
 * Makes a system call. With @child, its child, on the stack of its parent, exits
 * without using it.
 */
static inline long raw_call(unsigned int nr, const long *args, bool child)
{
#ifdef __x86_64__
	long ret;

	if (abi == X86_64) {
		register long r10 asm("r10") = args[3];
		register long r8 asm("r8") = args[4];
		register long r9 asm("r9") = args[5];
		register long r12 asm("r12") = child;

		asm volatile("syscall\n\t"
			     "test %%rax, %%rax\n\t"
			     "jnz 1f\n\t"
			     "test %%r12, %%r12\n\t"
			     "jz 1f\n\t"
			     "xor %%edi, %%edi\n\t"
			     "mov %[exit], %%eax\n\t"
			     "syscall\n"
			     "1:"
			     : "=a" (ret)
			     : "a" (nr), "D" (args[0]), "S" (args[1]), "d" (args[2]), "r" (r10),
			       "r" (r8), "r" (r9), "r" (r12), [exit] "i" (__NR_exit)
			     : "rcx", "r11", "memory", "cc");
	} else {
		register long r12 asm("r12") = child;
		register long r13 asm("r13") = (unsigned int)args[5] | garbage;

		asm volatile("lea -128(%%rsp), %%rsp\n\t"	/* the red zone */
			     "push %%rbp\n\t"
			     "mov %%r13, %%rbp\n\t"
			     "int $0x80\n\t"
			     "test %%rax, %%rax\n\t"
			     "jnz 1f\n\t"
			     "test %%r12, %%r12\n\t"
			     "jz 1f\n\t"
			     "xor %%edi, %%edi\n\t"
			     "mov %[exit], %%eax\n\t"
			     "syscall\n"
			     "1:\n\t"
			     "pop %%rbp\n\t"
			     "lea 128(%%rsp), %%rsp"
			     : "=a" (ret)
			     : "a" (nr | garbage), "b" ((unsigned int)args[0] | garbage),
			       "c" ((unsigned int)args[1] | garbage),
			       "d" ((unsigned int)args[2] | garbage),
			       "S" ((unsigned int)args[3] | garbage),
			       "D" ((unsigned int)args[4] | garbage),
			       "r" (r12), "r" (r13), [exit] "i" (__NR_exit)
			     : "r8", "r9", "r10", "r11", "memory", "cc");
		ret = (int)ret;
	}
	return ret;
#else
	const long registers[] = {
		nr, args[0], args[1], args[2], args[3], args[4], args[5], child,
	};
	long ret;

	asm volatile("push %%ebp\n\t"
		     "push %%eax\n\t"
		     "mov 4(%%eax), %%ebx\n\t"
		     "mov 8(%%eax), %%ecx\n\t"
		     "mov 12(%%eax), %%edx\n\t"
		     "mov 16(%%eax), %%esi\n\t"
		     "mov 20(%%eax), %%edi\n\t"
		     "mov 24(%%eax), %%ebp\n\t"
		     "mov (%%eax), %%eax\n\t"
		     "int $0x80\n\t"
		     "pop %%edx\n\t"
		     "test %%eax, %%eax\n\t"
		     "jnz 1f\n\t"
		     "cmpl $0, 28(%%edx)\n\t"
		     "je 1f\n\t"
		     "xor %%ebx, %%ebx\n\t"
		     "mov %[exit], %%eax\n\t"
		     "int $0x80\n"
		     "1:\n\t"
		     "pop %%ebp"
		     : "=a" (ret)
		     : "a" (registers), [exit] "i" (__NR_exit)
		     : "ebx", "ecx", "edx", "esi", "edi", "memory", "cc");
	return ret;
#endif
}

/* Makes @call. A result is the same in the same situation: no numbers of new files or processes. */
static inline long make_call(const struct call *call, const long *args)
{
	long ret = raw_call(call->nr[abi], args, call->returns == CHILD);

	if (ret <= 0 || call->returns == VALUE)
		return ret;
	if (call->returns == DESCRIPTOR)
		close(ret);
	else
		while (waitpid(ret, NULL, __WALL) < 0 && errno == EINTR)
			;
	return 1;
}

/* Whether this kernel has the call. */
static inline bool call_exists(const struct call *call)
{
	static const long none[NR_ARGS];

	return raw_call(call->nr[abi], none, false) != -ENOSYS;
}

/* ---- To prepare calls. ---- */

static inline __u64 mount_id(const char *path)
{
	struct statx st;

	if (statx(AT_FDCWD, path, 0, 0x4000 /* STATX_MNT_ID_UNIQUE */, &st))
		return 0;
	return st.stx_mnt_id;
}

static inline bool make_mount(const char *path)
{
	return mkdir(path, 0755) == 0 &&
	       SYSCALL(__NR_mount, "none", path, "tmpfs", 0, "") == 0 && chmod(path, 0755) == 0;
}

/* Makes all that calls work on, in a mount namespace of this process. */
static inline bool prepare_calls(void)
{
	struct { __u64 from, to; } values[] = {
		{ OUT_ADDRESS, (uintptr_t)out },
		{ TEXT_ADDRESS, (uintptr_t)text },
		{ PIDS_ADDRESS, (uintptr_t)pids },
		{ ROOM_ID, 0 },
		{ MOUNT_ID, 0 },
	};
	size_t i, j, k;
	int fd;

	if (unshare(CLONE_NEWNS) || (mkdir(ROOM, 0755) && errno != EEXIST) ||
	    SYSCALL(__NR_mount, "none", ROOM, "tmpfs", 0, "mode=755") ||
	    !make_mount(MOUNT) || !make_mount(OTHER_MOUNT))
		return false;
	fd = open(FILE_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	close(fd);
	xattr_reset();

	values[3].to = mount_id(ROOM);
	values[4].to = mount_id(MOUNT);
	for (i = 0; i < NR_CALLS; i++) {
		__u64 *words = calls[i].heads;

		for (j = 0; j < calls[i].nr_heads * calls[i].known / sizeof(*words); j++) {
			for (k = 0; k < ARRAY_SIZE(values); k++) {
				if (words[j] == values[k].from)
					words[j] = values[k].to;
			}
		}
	}
	return values[3].to && values[4].to;
}

#endif /* SELFTESTS_CALLS_H */
