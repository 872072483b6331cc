// SPDX-License-Identifier: GPL-2.0
/*
 * A thread rewrites the struct, as fast as it can, while another one calls.
 * The filter lets one value through and no other, so whatever ran with the
 * other value got past it.
 *
 * Each variant picks its values so that the return value tells them apart: the
 * good value runs into one particular error soon after the kernel has copied
 * the struct, the bad one into a success or another error.
 *
 * A new system call needs a line that says how it is called, and variants.
 */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include <linux/fs.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/nsfs.h>
#include <linux/perf_event.h>
#include <linux/xattr.h>

#include "common.h"
#include "kselftest_harness.h"

/* A file that exists, and one that only a call that got through creates. */
#define FILE_THERE	"/tmp/race.there"
#define FILE_MISSING	"/tmp/race.missing"

/* An attribute of the first one, of four bytes. */
#define ATTRIBUTE	"user.race"

/* No call returns it of its own accord. */
#define DENIED		EDOTDOT

/* What the control takes at the most, in calls and in seconds. */
#define CONTROL_CALLS	50000
#define CONTROL_SECONDS	20
/* So many make a race that was won, and no accident. */
#define CONTROL_ENOUGH	10

/*
 * On a busy machine the two threads may run in turns for a while, and then only
 * a call in some ten thousands meets a change. There are more calls until so
 * many have, or so many seconds have passed.
 */
#define RACED_ENOUGH	20000
#define RACED_SECONDS	5
#define RACED_AT_LEAST	50

/* Most of a test's seconds are spent waiting for a turn on a busy machine. */
#define TIMEOUT		300

/* What a variant begins with, and the rest of the page is zero. */
union arguments {
	struct clone_args clone_args;
	struct open_how open_how;
	struct mount_attr mount_attr;
	struct landlock_ruleset_attr ruleset;
	struct xattr_args xattr;
	struct file_attr file_attr;
	struct sched_attr sched_attr;
	struct perf_event_attr perf;
	struct mnt_id_req mnt_id_req;
	struct ns_id_req ns_id_req;
};

static _Alignas(PAGE) char page[PAGE];
/* For what calls write; none of those here gets so far. */
static char buffer[PAGE];
static volatile bool rewriting, stop;
/* How often the memory has changed, in a page of its own. */
static _Alignas(PAGE) volatile unsigned long changes;

/* A system call that reads a struct at the start of @page. */
struct target {
	int nr;
	long arguments[6];
	/* What it has made if it succeeds. */
	enum { NOTHING, DESCRIPTOR, PROCESS } makes;
};

#define STRUCT		((long)page)
#define TARGET(nr_, makes_, ...)					\
	.target = { .nr = nr_, .makes = makes_, .arguments = { __VA_ARGS__ } }

/* A process, a descriptor and a mount that are not there. */
#define NO_PROCESS	INT_MAX
#define NO_FD		INT_MAX
#define NO_MOUNT	(-2ULL)

/* How each is called, with a struct of this size. */
#define CLONE3_SIZE(size)						\
	TARGET(__NR_clone3, PROCESS, STRUCT, size)
#define OPENAT2_SIZE(path, size)					\
	TARGET(__NR_openat2, DESCRIPTOR, AT_FDCWD, (long)(path), STRUCT, size)
#define MOUNT_SETATTR_SIZE(size)					\
	TARGET(__NR_mount_setattr, NOTHING, AT_FDCWD, (long)FILE_MISSING, 0, STRUCT, size)
#define OPEN_TREE_ATTR_SIZE(size)					\
	TARGET(__NR_open_tree_attr, DESCRIPTOR, AT_FDCWD, (long)FILE_THERE, 0, STRUCT, size)
#define LANDLOCK_SIZE(size)						\
	TARGET(__NR_landlock_create_ruleset, DESCRIPTOR, STRUCT, size, 0)
#define SETXATTRAT_SIZE(size)						\
	TARGET(__NR_setxattrat, NOTHING, AT_FDCWD, (long)FILE_MISSING, 0,	\
	       (long)ATTRIBUTE, STRUCT, size)
#define GETXATTRAT_SIZE(size)						\
	TARGET(__NR_getxattrat, NOTHING, AT_FDCWD, (long)FILE_THERE, 0,	\
	       (long)ATTRIBUTE, STRUCT, size)
#define FILE_SETATTR_SIZE(size)						\
	TARGET(__NR_file_setattr, NOTHING, AT_FDCWD, (long)FILE_THERE, STRUCT, size, 0)

#define CLONE3			CLONE3_SIZE(sizeof(struct clone_args))
#define OPENAT2(path)		OPENAT2_SIZE(path, sizeof(struct open_how))
#define MOUNT_SETATTR		MOUNT_SETATTR_SIZE(sizeof(struct mount_attr))
#define OPEN_TREE_ATTR		OPEN_TREE_ATTR_SIZE(sizeof(struct mount_attr))
#define LANDLOCK		LANDLOCK_SIZE(sizeof(struct landlock_ruleset_attr))
#define SETXATTRAT		SETXATTRAT_SIZE(sizeof(struct xattr_args))
#define GETXATTRAT		GETXATTRAT_SIZE(sizeof(struct xattr_args))
#define FILE_SETATTR		FILE_SETATTR_SIZE(sizeof(struct file_attr))

/* These have their size in the struct. */
#define SCHED_SETATTR(pid, size_)					\
	TARGET(__NR_sched_setattr, NOTHING, pid, STRUCT, 0),		\
	.args.sched_attr.size = size_
#define PERF_EVENT_OPEN(pid, size_)					\
	TARGET(__NR_perf_event_open, DESCRIPTOR, STRUCT, pid, -1, -1, 0),	\
	.args.perf.size = size_
#define STATMOUNT(size_)						\
	TARGET(__NR_statmount, NOTHING, STRUCT, (long)buffer, sizeof(struct statmount), 0), \
	.args.mnt_id_req.size = size_
#define LISTMOUNT(size_)						\
	TARGET(__NR_listmount, NOTHING, STRUCT, (long)buffer, 1, 0),	\
	.args.mnt_id_req.size = size_
#define LISTNS(size_)							\
	TARGET(__NR_listns, NOTHING, STRUCT, (long)buffer, 0, 0),	\
	.args.ns_id_req.size = size_

/* Calls once. */
static long make(const struct target *target)
{
	const long *a = target->arguments;
	long ret = SYSCALL(target->nr, a[0], a[1], a[2], a[3], a[4], a[5]);

	/* What got through is undone, so that it can get through again. */
	switch (target->makes) {
	case NOTHING:
		break;
	case DESCRIPTOR:
		if (ret >= 0) {
			close(ret);
			unlink(FILE_MISSING);
		}
		break;
	case PROCESS:
		if (ret == 0)
			_exit(0);
		if (ret > 0)
			waitpid(ret, NULL, __WALL);
		break;
	}
	return ret;
}

FIXTURE(race)
{
	pthread_t rewriter;
};

FIXTURE_VARIANT(race)
{
	struct target target;
	union arguments args;
	/* A byte past the struct that is not zero, if there is one. */
	unsigned int not_zero;
	/* The field that is rewritten. */
	unsigned int offset, bytes;
	/* What the filter compares. */
	enum {
		/* That field. */
		VALUE,
		/* The end of the bytes that are not zero, which the field is past. */
		TAIL,
		/* The size, which the field is. */
		SIZE,
	} judged;
	__u64 good, bad;
	/* What the call with the good value returns. */
	long result;
	int calls;
};

#define RACE(name)	FIXTURE_VARIANT_ADD(race, name)
#define FIELD(type, member)						\
	.offset = offsetof(type, member), .bytes = sizeof(((type *)0)->member)
#define VALUES(good_, bad_, result_)					\
	.judged = VALUE, .good = good_, .bad = bad_, .result = result_, .calls = 200000
#define SIZES(good_, bad_, result_)					\
	.judged = SIZE, .good = good_, .bad = bad_, .result = result_, .calls = 200000
/* A word past the struct, which is E2BIG unless it is zero. */
#define TAILS(type, result_)						\
	.judged = TAIL, .offset = sizeof(type), .bytes = 8,		\
	.good = 0, .bad = 0x80, .result = result_, .calls = 200000

/* Creates a file. */
RACE(openat2_flags) {
	OPENAT2(FILE_MISSING), FIELD(struct open_how, flags),
	VALUES(O_RDWR, O_RDWR | O_CREAT, -ENOENT),
};

/* The high word alone: a flag that no kernel knows is EINVAL when it runs. */
RACE(openat2_flags_high) {
	OPENAT2(FILE_MISSING), FIELD(struct open_how, flags),
	VALUES(0, 1ULL << 62, -ENOENT),
};

/* A mode that runs is EINVAL when it is none, and EEXIST when it is one. */
RACE(openat2_mode) {
	OPENAT2(FILE_THERE), FIELD(struct open_how, mode), .args.open_how.flags = O_CREAT | O_EXCL,
	VALUES(0600, 0200600, -EEXIST),
};

/* Leaves the directory in which it has to stay. */
RACE(openat2_resolve) {
	OPENAT2(FILE_THERE), FIELD(struct open_how, resolve), VALUES(RESOLVE_BENEATH, 0, -EXDEV),
};

RACE(openat2_tail) {
	OPENAT2_SIZE(FILE_MISSING, sizeof(struct open_how) + 8), TAILS(struct open_how, -ENOENT),
};

/* Creates a user namespace. A thread of its own sort alone is EINVAL. */
RACE(clone3_flags) {
	CLONE3, FIELD(struct clone_args, flags), VALUES(CLONE_THREAD, CLONE_NEWUSER, -EINVAL),
};

/* Has the kernel read an array that is not there, which is EFAULT. */
RACE(clone3_set_tid_size) {
	CLONE3, FIELD(struct clone_args, set_tid_size), .args.clone_args.set_tid = -4096ULL,
	VALUES(0, 1, -EINVAL),
};

/* The other way round: the bad size is none that the kernel takes. */
RACE(clone3_set_tid_size_large) {
	CLONE3, FIELD(struct clone_args, set_tid_size), .args.clone_args.set_tid = -4096ULL,
	VALUES(1, 33, -EFAULT),
};

RACE(clone3_tail) {
	CLONE3_SIZE(sizeof(struct clone_args) + 8), TAILS(struct clone_args, -EINVAL),
	.args.clone_args.flags = CLONE_THREAD,
};

/* To change nothing needs no mount; to change something looks for it. */
RACE(mount_setattr_attr_set) {
	MOUNT_SETATTR, FIELD(struct mount_attr, attr_set), VALUES(0, MOUNT_ATTR_RDONLY, 0),
};

RACE(mount_setattr_attr_clr_high) {
	MOUNT_SETATTR, FIELD(struct mount_attr, attr_clr), VALUES(0, 1ULL << 62, 0),
};

/* More than one sort of propagation at once is none. */
RACE(mount_setattr_propagation) {
	MOUNT_SETATTR, FIELD(struct mount_attr, propagation),
	VALUES(1 << 18 /* MS_PRIVATE */, 3 << 18, -ENOENT),
};

/* No descriptor is that large, and this one is closed. */
RACE(mount_setattr_userns_fd) {
	MOUNT_SETATTR, FIELD(struct mount_attr, userns_fd),
	.args.mount_attr.attr_set = MOUNT_ATTR_IDMAP, VALUES(1ULL << 32, NO_FD, -EINVAL),
};

RACE(mount_setattr_tail) {
	MOUNT_SETATTR_SIZE(sizeof(struct mount_attr) + 8), TAILS(struct mount_attr, 0),
};

/* A file is no mount to change, and can be opened unchanged. */
RACE(open_tree_attr_attr_set) {
	OPEN_TREE_ATTR, FIELD(struct mount_attr, attr_set),
	VALUES(MOUNT_ATTR_RDONLY, 0, -EINVAL),
};

RACE(open_tree_attr_userns_fd) {
	OPEN_TREE_ATTR, FIELD(struct mount_attr, userns_fd),
	.args.mount_attr.attr_set = MOUNT_ATTR_IDMAP, VALUES(1ULL << 32, NO_FD, -EINVAL),
};

RACE(open_tree_attr_tail) {
	OPEN_TREE_ATTR_SIZE(sizeof(struct mount_attr) + 8), TAILS(struct mount_attr, -EINVAL),
	.args.mount_attr.attr_set = MOUNT_ATTR_RDONLY,
};

/* Creates a ruleset, which must handle something. */
RACE(landlock_create_ruleset_fs) {
	LANDLOCK, FIELD(struct landlock_ruleset_attr, handled_access_fs), VALUES(0, 1, -ENOMSG),
};

RACE(landlock_create_ruleset_scoped_high) {
	LANDLOCK, FIELD(struct landlock_ruleset_attr, scoped), VALUES(0, 1ULL << 62, -ENOMSG),
};

RACE(landlock_create_ruleset_tail) {
	LANDLOCK_SIZE(sizeof(struct landlock_ruleset_attr) + 8),
	TAILS(struct landlock_ruleset_attr, -ENOMSG),
};

RACE(setxattrat_flags) {
	SETXATTRAT, FIELD(struct xattr_args, flags), VALUES(0, 0x80, -ENOENT),
};

/* No attribute is that large. */
RACE(setxattrat_size) {
	SETXATTRAT, FIELD(struct xattr_args, size), VALUES(0, XATTR_SIZE_MAX + 1, -ENOENT),
};

/* The value is copied before the file is looked for. */
RACE(setxattrat_value) {
	SETXATTRAT, FIELD(struct xattr_args, value), .args.xattr.size = 1,
	VALUES((long)buffer, -4096ULL, -ENOENT),
};

RACE(setxattrat_tail) {
	SETXATTRAT_SIZE(sizeof(struct xattr_args) + 8), TAILS(struct xattr_args, -ENOENT),
};

RACE(getxattrat_flags) {
	GETXATTRAT, FIELD(struct xattr_args, flags), VALUES(0, 1, 4),
};

/* How large the attribute is, or that it is larger. */
RACE(getxattrat_size) {
	GETXATTRAT, FIELD(struct xattr_args, size), VALUES(0, 1, 4),
};

RACE(getxattrat_tail) {
	GETXATTRAT_SIZE(sizeof(struct xattr_args) + 8), TAILS(struct xattr_args, 4),
};

RACE(file_setattr_xflags_high) {
	FILE_SETATTR, FIELD(struct file_attr, fa_xflags), VALUES(0, 1ULL << 62, 0),
};

/* Files here have no project. */
RACE(file_setattr_projid) {
	FILE_SETATTR, FIELD(struct file_attr, fa_projid), VALUES(0, 1, 0),
};

RACE(file_setattr_tail) {
	FILE_SETATTR_SIZE(sizeof(struct file_attr) + 8), TAILS(struct file_attr, 0),
};

/* A realtime policy has no priority of zero; this thread has the other policy. */
RACE(sched_setattr_policy) {
	SCHED_SETATTR(0, sizeof(struct sched_attr)), FIELD(struct sched_attr, sched_policy),
	VALUES(SCHED_FIFO, SCHED_OTHER, -EINVAL),
};

RACE(sched_setattr_flags_high) {
	SCHED_SETATTR(0, sizeof(struct sched_attr)), FIELD(struct sched_attr, sched_flags),
	VALUES(1ULL << 62, 0, -EINVAL),
};

RACE(sched_setattr_priority) {
	SCHED_SETATTR(0, sizeof(struct sched_attr)), FIELD(struct sched_attr, sched_priority),
	VALUES(1, 0, -EINVAL),
};

RACE(sched_setattr_tail) {
	SCHED_SETATTR(NO_PROCESS, sizeof(struct sched_attr) + 8), TAILS(struct sched_attr, -ESRCH),
};

/* Without a size there are no utilisation clamps. */
RACE(sched_setattr_size_zero) {
	SCHED_SETATTR(NO_PROCESS, 0), FIELD(struct sched_attr, size),
	.args.sched_attr.sched_flags = SCHED_FLAG_UTIL_CLAMP,
	VALUES(0, SCHED_ATTR_SIZE_VER1, -EINVAL),
};

RACE(sched_setattr_size_small) {
	SCHED_SETATTR(NO_PROCESS, 0), FIELD(struct sched_attr, size),
	SIZES(SCHED_ATTR_SIZE_VER0 - 1, SCHED_ATTR_SIZE_VER0, -E2BIG),
};

RACE(sched_setattr_size_large) {
	SCHED_SETATTR(NO_PROCESS, 0), FIELD(struct sched_attr, size),
	SIZES(PAGE + 8, SCHED_ATTR_SIZE_VER1, -E2BIG),
};

/* What is past the smaller size is not zero: with the larger one it is E2BIG. */
RACE(sched_setattr_size_tail) {
	SCHED_SETATTR(NO_PROCESS, 0), FIELD(struct sched_attr, size),
	.not_zero = sizeof(struct sched_attr),
	SIZES(sizeof(struct sched_attr), sizeof(struct sched_attr) + 8, -ESRCH),
};

/* Creates an event, of a sort that costs nothing. */
RACE(perf_event_open_type) {
	PERF_EVENT_OPEN(0, sizeof(struct perf_event_attr)), FIELD(struct perf_event_attr, type),
	.args.perf.config = PERF_COUNT_SW_DUMMY, VALUES(INT_MAX, PERF_TYPE_SOFTWARE, -ENOENT),
};

RACE(perf_event_open_config) {
	PERF_EVENT_OPEN(0, sizeof(struct perf_event_attr)), FIELD(struct perf_event_attr, config),
	.args.perf.type = PERF_TYPE_SOFTWARE, VALUES(INT_MAX, PERF_COUNT_SW_DUMMY, -ENOENT),
};

RACE(perf_event_open_sample_type_high) {
	PERF_EVENT_OPEN(NO_PROCESS, sizeof(struct perf_event_attr)),
	FIELD(struct perf_event_attr, sample_type), VALUES(0, 1ULL << 62, -ESRCH),
};

RACE(perf_event_open_tail) {
	PERF_EVENT_OPEN(NO_PROCESS, sizeof(struct perf_event_attr) + 8),
	TAILS(struct perf_event_attr, -ESRCH),
};

/* Without a size there are no sorts of branches, and to sample none is EINVAL. */
RACE(perf_event_open_size_zero) {
	PERF_EVENT_OPEN(NO_PROCESS, 0), FIELD(struct perf_event_attr, size),
	.args.perf.sample_type = PERF_SAMPLE_BRANCH_STACK,
	.args.perf.branch_sample_type = PERF_SAMPLE_BRANCH_ANY,
	VALUES(0, PERF_ATTR_SIZE_VER2, -EINVAL),
};

RACE(perf_event_open_size_small) {
	PERF_EVENT_OPEN(NO_PROCESS, 0), FIELD(struct perf_event_attr, size),
	SIZES(PERF_ATTR_SIZE_VER0 - 1, PERF_ATTR_SIZE_VER0, -E2BIG),
};

RACE(perf_event_open_size_large) {
	PERF_EVENT_OPEN(NO_PROCESS, 0), FIELD(struct perf_event_attr, size),
	SIZES(PAGE + 8, PERF_ATTR_SIZE_VER0, -E2BIG),
};

RACE(perf_event_open_size_tail) {
	PERF_EVENT_OPEN(NO_PROCESS, 0), FIELD(struct perf_event_attr, size),
	.not_zero = sizeof(struct perf_event_attr),
	SIZES(sizeof(struct perf_event_attr), sizeof(struct perf_event_attr) + 8, -ESRCH),
};

/* One is the number of no mount. */
RACE(statmount_mnt_id) {
	STATMOUNT(sizeof(struct mnt_id_req)), FIELD(struct mnt_id_req, mnt_id),
	VALUES(NO_MOUNT, 1, -ENOENT),
};

/* Strings need more room than there is. */
RACE(statmount_param) {
	STATMOUNT(sizeof(struct mnt_id_req)), FIELD(struct mnt_id_req, param),
	.args.mnt_id_req.mnt_id = NO_MOUNT, VALUES(0, STATMOUNT_MNT_POINT, -ENOENT),
};

RACE(statmount_mnt_ns_fd) {
	STATMOUNT(sizeof(struct mnt_id_req)), FIELD(struct mnt_id_req, mnt_ns_fd),
	.args.mnt_id_req.mnt_id = NO_MOUNT, VALUES(NO_FD, 0, -EBADF),
};

RACE(statmount_tail) {
	STATMOUNT(sizeof(struct mnt_id_req) + 8), TAILS(struct mnt_id_req, -ENOENT),
	.args.mnt_id_req.mnt_id = NO_MOUNT,
};

RACE(statmount_size_zero) {
	STATMOUNT(0), FIELD(struct mnt_id_req, size), .args.mnt_id_req.mnt_id = NO_MOUNT,
	SIZES(0, MNT_ID_REQ_SIZE_VER0, -EINVAL),
};

RACE(statmount_size_small) {
	STATMOUNT(0), FIELD(struct mnt_id_req, size), .args.mnt_id_req.mnt_id = NO_MOUNT,
	SIZES(MNT_ID_REQ_SIZE_VER0 - 1, MNT_ID_REQ_SIZE_VER0, -EINVAL),
};

RACE(statmount_size_large) {
	STATMOUNT(0), FIELD(struct mnt_id_req, size), .args.mnt_id_req.mnt_id = NO_MOUNT,
	SIZES(PAGE + 8, MNT_ID_REQ_SIZE_VER0, -E2BIG),
};

/* With the larger size it names a namespace, of which there is none. */
RACE(statmount_size_version) {
	STATMOUNT(0), FIELD(struct mnt_id_req, size), .args.mnt_id_req.mnt_id = NO_MOUNT,
	.args.mnt_id_req.mnt_ns_fd = NO_FD, .args.mnt_id_req.mnt_ns_id = 1,
	SIZES(MNT_ID_REQ_SIZE_VER0, MNT_ID_REQ_SIZE_VER1, -EBADF),
};

RACE(statmount_size_tail) {
	STATMOUNT(0), FIELD(struct mnt_id_req, size), .args.mnt_id_req.mnt_id = NO_MOUNT,
	.not_zero = sizeof(struct mnt_id_req),
	SIZES(sizeof(struct mnt_id_req), sizeof(struct mnt_id_req) + 8, -ENOENT),
};

RACE(listmount_mnt_id) {
	LISTMOUNT(sizeof(struct mnt_id_req)), FIELD(struct mnt_id_req, mnt_id),
	VALUES(NO_MOUNT, 1, -ENOENT),
};

RACE(listmount_param) {
	LISTMOUNT(sizeof(struct mnt_id_req)), FIELD(struct mnt_id_req, param),
	.args.mnt_id_req.mnt_id = NO_MOUNT, VALUES(0, 1, -ENOENT),
};

RACE(listmount_tail) {
	LISTMOUNT(sizeof(struct mnt_id_req) + 8), TAILS(struct mnt_id_req, -ENOENT),
	.args.mnt_id_req.mnt_id = NO_MOUNT,
};

RACE(listmount_size_zero) {
	LISTMOUNT(0), FIELD(struct mnt_id_req, size), .args.mnt_id_req.mnt_id = NO_MOUNT,
	SIZES(0, MNT_ID_REQ_SIZE_VER0, -EINVAL),
};

RACE(listmount_size_small) {
	LISTMOUNT(0), FIELD(struct mnt_id_req, size), .args.mnt_id_req.mnt_id = NO_MOUNT,
	SIZES(MNT_ID_REQ_SIZE_VER0 - 1, MNT_ID_REQ_SIZE_VER0, -EINVAL),
};

RACE(listmount_size_large) {
	LISTMOUNT(0), FIELD(struct mnt_id_req, size), .args.mnt_id_req.mnt_id = NO_MOUNT,
	SIZES(PAGE + 8, MNT_ID_REQ_SIZE_VER0, -E2BIG),
};

RACE(listmount_size_tail) {
	LISTMOUNT(0), FIELD(struct mnt_id_req, size), .args.mnt_id_req.mnt_id = NO_MOUNT,
	.not_zero = sizeof(struct mnt_id_req),
	SIZES(sizeof(struct mnt_id_req), sizeof(struct mnt_id_req) + 8, -ENOENT),
};

/* No namespace is of that sort. */
RACE(listns_ns_type) {
	LISTNS(sizeof(struct ns_id_req)), FIELD(struct ns_id_req, ns_type),
	VALUES(CLONE_NEWNS, 1, 0),
};

/* Nor is there one of that number. */
RACE(listns_user_ns_id) {
	LISTNS(sizeof(struct ns_id_req)), FIELD(struct ns_id_req, user_ns_id),
	VALUES(-2ULL, 0, -EINVAL),
};

RACE(listns_tail) {
	LISTNS(sizeof(struct ns_id_req) + 8), TAILS(struct ns_id_req, 0),
};

RACE(listns_size_zero) {
	LISTNS(0), FIELD(struct ns_id_req, size), SIZES(0, NS_ID_REQ_SIZE_VER0, -EINVAL),
};

RACE(listns_size_small) {
	LISTNS(0), FIELD(struct ns_id_req, size),
	SIZES(NS_ID_REQ_SIZE_VER0 - 1, NS_ID_REQ_SIZE_VER0, -EINVAL),
};

RACE(listns_size_large) {
	LISTNS(0), FIELD(struct ns_id_req, size), SIZES(PAGE + 8, NS_ID_REQ_SIZE_VER0, -E2BIG),
};

RACE(listns_size_tail) {
	LISTNS(0), FIELD(struct ns_id_req, size), .not_zero = sizeof(struct ns_id_req),
	SIZES(sizeof(struct ns_id_req), sizeof(struct ns_id_req) + 8, 0),
};

static void store(const FIXTURE_VARIANT(race) *variant, __u64 value)
{
	if (variant->bytes == sizeof(__u32))
		*(volatile __u32 *)(page + variant->offset) = value;
	else
		*(volatile __u64 *)(page + variant->offset) = value;
}

static void *rewriter(void *arg)
{
	const FIXTURE_VARIANT(race) *variant = arg;

	pin(1);
	rewriting = true;
	/* Without the barriers one value is seen far less often than the other. */
	while (!stop) {
		store(variant, variant->bad);
		__sync_synchronize();
		store(variant, variant->good);
		__sync_synchronize();
		changes++;
	}
	return NULL;
}

static long call(const FIXTURE_VARIANT(race) *variant)
{
	/* The kernel writes the size that it knows where it finds one too large. */
	if (variant->judged == TAIL)
		memcpy(page, &variant->args, sizeof(__u64));
	return make(&variant->target);
}

FIXTURE_SETUP(race)
{
	long ret;

	close(open(FILE_THERE, O_CREAT | O_RDWR, 0600));
	SYSCALL(__NR_setxattr, FILE_THERE, ATTRIBUTE, "four", 4, 0);
	unlink(FILE_MISSING);
	memcpy(page, &variant->args, sizeof(variant->args));
	if (variant->not_zero)
		page[variant->not_zero] = 1;

	/* What the results tell apart, they have to. */
	store(variant, variant->good);
	ret = call(variant);
	if (ret == -ENOSYS || ret == -EOPNOTSUPP)
		SKIP(return, "the kernel does not have the call");
	ASSERT_EQ(variant->result, ret);
	store(variant, variant->bad);
	ASSERT_NE(variant->result, call(variant));

	ASSERT_EQ(0, pthread_create(&self->rewriter, NULL, rewriter, (void *)variant));
	while (!rewriting)
		sched_yield();
	pin(0);
	ASSERT_EQ(0, no_new_privs());
}

FIXTURE_TEARDOWN(race)
{
	stop = true;
	if (self->rewriter)
		pthread_join(self->rewriter, NULL);
	unlink(FILE_THERE);
	unlink(FILE_MISSING);
}

/* What concerns one call; a number may be another one on i386. */
#define ONLY(nr)							\
	LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 1, 0), ALLOW, LD_NR, JEQ(nr, 1, 0), ALLOW

/* A filter that allows the call with the good value, and denies it with any other. */
static long install_judge(const FIXTURE_VARIANT(race) *variant)
{
	const unsigned int offset = SECCOMP_EA_BASE + variant->offset;
	const __u32 low = variant->good, high = variant->good >> 32;
	const struct sock_fprog of_word = PROG(
		ONLY(variant->target.nr),
		LD(offset), JEQ(low, 1, 0), DENY(DENIED), ALLOW);
	const struct sock_fprog of_words = PROG(
		ONLY(variant->target.nr),
		LD(offset), JEQ(low, 0, 3), LD(offset + 4), JEQ(high, 0, 1), ALLOW,
		DENY(DENIED));
	const struct sock_fprog of_tail = PROG(
		ONLY(variant->target.nr),
		LD(SECCOMP_EA_TAIL), JGT(variant->offset, 1, 0), ALLOW,
		DENY(DENIED));
	const struct sock_fprog of_size = PROG(
		ONLY(variant->target.nr),
		LD(SECCOMP_EA_SIZE), JEQ(low, 1, 0), DENY(DENIED), ALLOW);

	switch (variant->judged) {
	case TAIL:
		return install_seccomp(0, &of_tail);
	case SIZE:
		return install_seccomp(0, &of_size);
	case VALUE:
		break;
	}
	return install_seccomp(0, variant->bytes == sizeof(__u32) ? &of_word : &of_words);
}

/* Whether there have to be more calls after so many, of which some were raced against. */
static bool more(int raced, int calls, time_t deadline)
{
	return raced < RACED_ENOUGH && (calls % 1000 || time(NULL) < deadline);
}

/* One copy for the filter and the call: nothing gets through. */
TEST_F_TIMEOUT(race, none_through, TIMEOUT)
{
	const time_t deadline = time(NULL) + RACED_SECONDS;
	const int calls = rounds(variant->calls);
	int denied = 0, passed = 0, through = 0, raced = 0, i;
	unsigned long before;
	long ret, first = 0;

	ASSERT_EQ(0, install_judge(variant));
	for (i = 0; i < calls || more(raced, i, deadline); i++) {
		before = changes;
		ret = call(variant);
		raced += changes != before;
		if (ret == -DENIED)
			denied++;
		else if (ret == variant->result)
			passed++;
		else if (!through++)
			first = ret;
	}
	EXPECT_EQ(0, through) TH_LOG("the first returned %ld", first);
	TH_LOG("%d calls, %d raced: %d passed, %d denied, %d got through", i, raced, passed, denied,
	       through);

	/* A filter that saw one value only has not been raced against. */
	EXPECT_LT(RACED_AT_LEAST, raced);
	EXPECT_LT(calls / 1000, passed);
	EXPECT_LT(calls / 1000, denied);
}

struct supervisor {
	volatile int listener;
	int mem;
	off_t address;
	unsigned int bytes;
	__u64 good;
};

/*
 * The supervisor that people write without the module: it reads the struct
 * from the memory of the caller, and has the kernel continue.
 */
static void *supervise(void *arg)
{
	const struct supervisor *s = arg;

	pin(0);
	while (s->listener < 0)
		sched_yield();
	for (;;) {
		struct seccomp_notif_resp resp = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
		struct seccomp_notif notif = {};
		__u64 value = 0;

		if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, &notif))
			return NULL;
		resp.id = notif.id;
		if (pread(s->mem, &value, s->bytes, s->address) != s->bytes || value != s->good) {
			resp.flags = 0;
			resp.error = -DENIED;
		}
		ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	}
}

/*
 * The control: the same calls, the same values, and a supervisor who loses. A
 * race test on a machine that shows no race proves nothing.
 */
TEST_F_TIMEOUT(race, supervisor_is_beaten, TIMEOUT)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(variant->target.nr, 0, 1), RET(SECCOMP_RET_USER_NOTIF), ALLOW);
	struct supervisor s = {
		.listener = -1,
		.address = (off_t)page + variant->offset,
		.bytes = variant->bytes,
		.good = variant->good,
	};
	const time_t deadline = time(NULL) + CONTROL_SECONDS;
	int through = 0, i;
	pthread_t thread;
	long ret;

	s.mem = open("/proc/self/mem", O_RDONLY);
	ASSERT_LE(0, s.mem);
	ASSERT_EQ(0, pthread_create(&thread, NULL, supervise, &s));
	ret = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	ASSERT_LE(0, ret);
	s.listener = ret;

	for (i = 0; i < CONTROL_CALLS && through < CONTROL_ENOUGH; i++) {
		ret = call(variant);
		if (ret != -DENIED && ret != variant->result)
			through++;
		if (time(NULL) > deadline)
			break;
	}
	EXPECT_LT(0, through);
	TH_LOG("%d calls: %d got past the supervisor", i, through);
}

/* A page that comes and goes, with a struct in it that must never run. */
FIXTURE(vanishing)
{
	pthread_t remapper;
};

FIXTURE_VARIANT(vanishing)
{
	struct target target;
	union arguments args;
};

FIXTURE_VARIANT_ADD(vanishing, openat2) { OPENAT2(FILE_THERE) };
FIXTURE_VARIANT_ADD(vanishing, clone3) { CLONE3, .args.clone_args.flags = CLONE_THREAD };
FIXTURE_VARIANT_ADD(vanishing, setxattrat) { SETXATTRAT };
/* Here the size and the rest are read one after the other. */
FIXTURE_VARIANT_ADD(vanishing, sched_setattr) {
	SCHED_SETATTR(NO_PROCESS, sizeof(struct sched_attr)),
};

FIXTURE_VARIANT_ADD(vanishing, statmount) {
	STATMOUNT(sizeof(struct mnt_id_req)), .args.mnt_id_req.mnt_id = NO_MOUNT,
};

static void *remapper(void *arg)
{
	int fd = *(int *)arg;

	volatile unsigned int spin;
	unsigned int i;

	pin(1);
	rewriting = true;
	/* For different times, so that no rhythm hides one state from the caller. */
	for (i = 0; !stop; i++) {
		munmap(page, PAGE);
		changes++;
		for (spin = i % 257; spin; spin--)
			;
		mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
		     fd, 0);
		changes++;
		for (spin = i % 263 * 16; spin; spin--)
			;
	}
	return NULL;
}

FIXTURE_SETUP(vanishing)
{
	static int fd;

	fd = memfd_create("struct", 0);
	ASSERT_EQ(0, ftruncate(fd, PAGE));
	ASSERT_EQ(STRUCT, (long)mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				     fd, 0));
	memcpy(page, &variant->args, sizeof(variant->args));

	ASSERT_EQ(0, pthread_create(&self->remapper, NULL, remapper, &fd));
	while (!rewriting)
		sched_yield();
	pin(0);
	ASSERT_EQ(0, no_new_privs());
}

FIXTURE_TEARDOWN(vanishing)
{
	stop = true;
	pthread_join(self->remapper, NULL);
}

/*
 * A struct that the filter could not read faults in the call as well, though
 * its page has come back meanwhile: the outcome is cached, not only the data.
 */
TEST_F_TIMEOUT(vanishing, fault_stays, TIMEOUT)
{
	const struct sock_fprog prog = PROG(
		ONLY(variant->target.nr),
		LD(SECCOMP_EA_ERROR), JEQ(EFAULT, 1, 0), DENY(DENIED), ALLOW);
	/* A page changes far less often than a word. */
	const time_t deadline = time(NULL) + 4 * RACED_SECONDS;
	const int often = 50, calls = rounds(50000);
	int denied = 0, faulted = 0, through = 0, raced = 0, i;
	unsigned long before;
	long ret;

	ASSERT_EQ(0, install_seccomp(0, &prog));
	/* On a busy machine it takes longer until both states were met. */
	for (i = 0; i < calls || more(raced, i, deadline) ||
	     (i < 2000000 && (denied < often || faulted < often)); i++) {
		before = changes;
		ret = make(&variant->target);
		raced += changes != before;
		if (ret == -DENIED)
			denied++;
		else if (ret == -EFAULT)
			faulted++;
		else
			through++;
	}
	EXPECT_EQ(0, through);
	TH_LOG("%d calls, %d raced: %d faulted, %d denied, %d got through", i, raced, faulted,
	       denied, through);

	EXPECT_LE(often, faulted);
	EXPECT_LE(often, denied);
}

TEST_HARNESS_MAIN
