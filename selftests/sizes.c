// SPDX-License-Identifier: GPL-2.0
/*
 * Structs that carry their own size, and functions of the kernel that copy the
 * structs of more than one call: what was judged for the one must not be served
 * to the other.
 */
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/mount.h>
#include <linux/perf_event.h>
#include <linux/xattr.h>

#include "common.h"
#include "kselftest_harness.h"

/* No call here returns it of its own accord. */
#define DENIED		EDOTDOT

/* A process that is not there. */
#define NO_PROCESS	INT_MAX

/* A page with a struct at its start. */
static char *page;

static long install_inspecting(int nr, __u32 action)
{
	const struct sock_fprog prog = PROG(
		LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 1, 0), ALLOW, LD_NR, JEQ(nr, 1, 0), ALLOW,
		LD(SECCOMP_EA_TAIL), RET(action));

	return no_new_privs() ?: install_seccomp(0, &prog);
}

static bool map_page(void)
{
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return page != MAP_FAILED;
}

/* ---- The size that the kernel writes back. ---- */

static long set_scheduler(void)
{
	return SYSCALL(__NR_sched_setattr, NO_PROCESS, page, 0);
}

static long open_event(void)
{
	return SYSCALL(__NR_perf_event_open, page, NO_PROCESS, -1, -1, 0);
}

FIXTURE(write_back)
{
};

FIXTURE_VARIANT(write_back)
{
	int nr;
	long (*call)(void);
	/* Where the size is, the first size, and the kernel's. */
	unsigned int offset, smallest, known;
};

FIXTURE_VARIANT_ADD(write_back, sched_setattr) {
	.nr = __NR_sched_setattr, .call = set_scheduler,
	.offset = offsetof(struct sched_attr, size),
	.smallest = SCHED_ATTR_SIZE_VER0, .known = sizeof(struct sched_attr),
};

FIXTURE_VARIANT_ADD(write_back, perf_event_open) {
	.nr = __NR_perf_event_open, .call = open_event,
	.offset = offsetof(struct perf_event_attr, size),
	.smallest = PERF_ATTR_SIZE_VER0, .known = sizeof(struct perf_event_attr),
};

FIXTURE_SETUP(write_back)
{
	ASSERT_TRUE(map_page());
	ASSERT_EQ(0, install_inspecting(variant->nr, SECCOMP_RET_ALLOW));
}

FIXTURE_TEARDOWN(write_back)
{
}

/* The result with a size of @size, and the size that is there then. */
static long with_size(const FIXTURE_VARIANT(write_back) *variant, __u32 size, __u32 *after)
{
	__u32 *word = (__u32 *)(page + variant->offset);
	long ret;

	*word = size;
	ret = variant->call();
	*after = *word;
	return ret;
}

/* Though the call reads none of the memory, it writes to it. */
TEST_F(write_back, size)
{
	__u32 after;

	EXPECT_EQ(-E2BIG, with_size(variant, 1, &after));
	EXPECT_EQ(variant->known, after);
	EXPECT_EQ(-E2BIG, with_size(variant, variant->smallest - 1, &after));
	EXPECT_EQ(variant->known, after);
	EXPECT_EQ(-E2BIG, with_size(variant, PAGE + 1, &after));
	EXPECT_EQ(variant->known, after);
	EXPECT_EQ(-E2BIG, with_size(variant, UINT_MAX, &after));
	EXPECT_EQ(variant->known, after);

	page[variant->known] = 1;
	EXPECT_EQ(-E2BIG, with_size(variant, variant->known + 1, &after));
	EXPECT_EQ(variant->known, after);
	EXPECT_EQ(-ESRCH, with_size(variant, variant->known, &after));
	EXPECT_EQ(variant->known, after);
	page[variant->known] = 0;
}

/* A size that the call takes stays what it is, also one of zero. */
TEST_F(write_back, nothing)
{
	__u32 after;

	EXPECT_EQ(-ESRCH, with_size(variant, 0, &after));
	EXPECT_EQ(0U, after);
	EXPECT_EQ(-ESRCH, with_size(variant, variant->smallest, &after));
	EXPECT_EQ(variant->smallest, after);
	EXPECT_EQ(-ESRCH, with_size(variant, variant->known + 8, &after));
	EXPECT_EQ(variant->known + 8, after);
	EXPECT_EQ(-ESRCH, with_size(variant, PAGE, &after));
	EXPECT_EQ((__u32)PAGE, after);
}

/* Where it cannot be written, the error is the same. */
TEST_F(write_back, read_only)
{
	__u32 after;

	with_size(variant, 0, &after);
	page[variant->offset] = 1;
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_EQ(-E2BIG, variant->call());
	EXPECT_EQ(1, page[variant->offset]);
}

/* ---- perf's ioctl, which copies the struct where perf_event_open does. ---- */

FIXTURE(modify)
{
	int event;
};

FIXTURE_SETUP(modify)
{
	struct perf_event_attr *attr;

	ASSERT_TRUE(map_page());
	attr = (void *)page;
	*attr = (struct perf_event_attr) {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(*attr), .config = PERF_COUNT_SW_DUMMY,
	};
	self->event = SYSCALL(__NR_perf_event_open, page, 0, -1, -1, 0);
	if (self->event == -ENOSYS)
		SKIP(return, "the kernel does not have the call");
	ASSERT_LE(0, self->event);
}

FIXTURE_TEARDOWN(modify)
{
	if (self->event >= 0)
		close(self->event);
}

static long modify(int event)
{
	return kernel_result(ioctl(event, PERF_EVENT_IOC_MODIFY_ATTRIBUTES, page));
}

/*
 * An event of this type has nothing to modify, and one of another is EINVAL: so
 * the results tell of which memory the ioctl knows.
 */
static void expect_memory(struct __test_metadata *_metadata, int event)
{
	struct perf_event_attr *attr = (void *)page;
	const struct perf_event_attr good = *attr;

	EXPECT_EQ(-EOPNOTSUPP, modify(event));
	attr->type = PERF_TYPE_BREAKPOINT;
	EXPECT_EQ(-EINVAL, modify(event));
	*attr = good;
	attr->size = 1;
	EXPECT_EQ(-E2BIG, modify(event));
	EXPECT_EQ(sizeof(*attr), attr->size);
	attr->size = sizeof(*attr) + 8;
	page[sizeof(*attr)] = 1;
	EXPECT_EQ(-E2BIG, modify(event));
	page[sizeof(*attr)] = 0;
	*attr = good;
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, modify(event));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
}

TEST_F(modify, after_allowed)
{
	long ret;

	ASSERT_EQ(0, install_inspecting(__NR_perf_event_open, SECCOMP_RET_ALLOW));
	ret = SYSCALL(__NR_perf_event_open, page, 0, -1, -1, 0);
	ASSERT_LE(0, ret);
	expect_memory(_metadata, self->event);
	expect_memory(_metadata, ret);
}

TEST_F(modify, after_denied)
{
	ASSERT_EQ(0, install_inspecting(__NR_perf_event_open, SECCOMP_RET_ERRNO | DENIED));
	ASSERT_EQ(-DENIED, SYSCALL(__NR_perf_event_open, page, 0, -1, -1, 0));
	expect_memory(_metadata, self->event);
}

/* Nor does a struct that could not be read keep one from being read. */
TEST_F(modify, after_fault)
{
	ASSERT_EQ(0, install_inspecting(__NR_perf_event_open, SECCOMP_RET_ALLOW));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_NONE));
	ASSERT_EQ(-EFAULT, SYSCALL(__NR_perf_event_open, page, 0, -1, -1, 0));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	expect_memory(_metadata, self->event);
}

/* ---- Calls that share the function that copies. ---- */

struct struct_call {
	int nr;
	/* The index of the argument that points to the struct. */
	int pointer;
	long arguments[6];
};

static long make(const struct struct_call *call)
{
	long a[6];

	memcpy(a, call->arguments, sizeof(a));
	a[call->pointer] = (long)page;
	return SYSCALL(call->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

FIXTURE(shared)
{
};

/* No result: any that is not negative will do. */
#define SUCCESS		LONG_MAX

/*
 * One call is judged, the other has no filter. Both get to see either struct at
 * the same address: one that both refuse, and one that gives another result.
 */
FIXTURE_VARIANT(shared)
{
	struct struct_call judged, other;
	__u64 refused[4], accepted[4];
	long refusal, result;
};

static __u64 mounts[1];

#define MOUNT_SETATTR	{ __NR_mount_setattr, 3, { AT_FDCWD, (long)"/tmp", 0, 0, 32 } }
#define OPEN_TREE_ATTR	{ __NR_open_tree_attr, 3, { AT_FDCWD, (long)"/tmp/.", 0, 0, 32 } }
/* An attribute that no kernel knows. */
#define MOUNT_ATTRS	.refused = { 1ULL << 62 }, .refusal = -EINVAL

#define STATMOUNT	{ __NR_statmount, 0, { 0, 0, 0, 0 } }
#define LISTMOUNT	{ __NR_listmount, 0, { 0, (long)mounts, 1, 0 } }
/* A mount that cannot be. */
#define MOUNT_IDS	.refused = { 32, 1 }, .refusal = -EINVAL

FIXTURE_VARIANT_ADD(shared, mount_setattr_open_tree_attr) {
	.judged = MOUNT_SETATTR, .other = OPEN_TREE_ATTR, MOUNT_ATTRS,
	.accepted = { 0 }, .result = SUCCESS,
};

FIXTURE_VARIANT_ADD(shared, open_tree_attr_mount_setattr) {
	.judged = OPEN_TREE_ATTR, .other = MOUNT_SETATTR, MOUNT_ATTRS,
	.accepted = { 0 }, .result = 0,
};

FIXTURE_VARIANT_ADD(shared, statmount_listmount) {
	.judged = STATMOUNT, .other = LISTMOUNT, MOUNT_IDS,
	.accepted = { 32, LSMT_ROOT }, .result = SUCCESS,
};

FIXTURE_VARIANT_ADD(shared, listmount_statmount) {
	.judged = LISTMOUNT, .other = STATMOUNT, MOUNT_IDS,
	.accepted = { 32, -2ULL }, .result = -ENOENT,
};

FIXTURE_SETUP(shared)
{
	ASSERT_TRUE(map_page());
}

FIXTURE_TEARDOWN(shared)
{
}

static void expect_not_served(struct __test_metadata *_metadata,
			      const FIXTURE_VARIANT(shared) *variant, __u32 action,
			      long judgement)
{
	long ret;

	ASSERT_EQ(0, install_inspecting(variant->judged.nr, action));
	memcpy(page, variant->refused, sizeof(variant->refused));
	ASSERT_EQ(judgement, make(&variant->judged));
	memcpy(page, variant->accepted, sizeof(variant->accepted));
	ret = make(&variant->other);
	EXPECT_TRUE(variant->result == SUCCESS ? ret >= 0 : ret == variant->result) {
		TH_LOG("returned %ld", ret);
	}

	/* And the other way round. */
	make(&variant->judged);
	memcpy(page, variant->refused, sizeof(variant->refused));
	EXPECT_EQ(variant->refusal, make(&variant->other));
	make(&variant->judged);
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, make(&variant->other));
}

TEST_F(shared, after_allowed)
{
	expect_not_served(_metadata, variant, SECCOMP_RET_ALLOW, variant->refusal);
}

TEST_F(shared, after_denied)
{
	expect_not_served(_metadata, variant, SECCOMP_RET_ERRNO | DENIED, -DENIED);
}

TEST_HARNESS_MAIN
