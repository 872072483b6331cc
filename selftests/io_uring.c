// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring opens files without a system call that seccomp sees, and so past all
 * filters of openat2. It has filters of its own (IORING_REGISTER_BPF_FILTER), which
 * see the same struct: with both, and the same policy in them, an open is judged
 * wherever it comes from. Documentation/io_uring.rst is about that.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/io_uring.h>
#include <linux/io_uring/bpf_filter.h>
#include <linux/xattr.h>

#include "common.h"
#include "kselftest_harness.h"

/* What seccomp answers. No call here returns it of its own accord; io_uring says EACCES. */
#define DENIED		EDOTDOT

/* ---- A ring, by hand. ---- */

#define ENTRIES		8

struct ring {
	int fd;
	struct io_uring_params params;
	/* Both queues, and the entries of the one that we write. */
	void *queues;
	size_t size;
	struct io_uring_sqe *entries;
};

static long ring_open(struct ring *ring, unsigned int flags)
{
	struct io_uring_params *p = &ring->params;
	size_t sq, cq;

	memset(ring, 0, sizeof(*ring));
	p->flags = flags;
	ring->fd = SYSCALL(__NR_io_uring_setup, ENTRIES, p);
	if (ring->fd < 0)
		return ring->fd;
	sq = p->sq_off.array + p->sq_entries * sizeof(__u32);
	cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	ring->size = sq > cq ? sq : cq;
	ring->queues = mmap(NULL, ring->size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			    IORING_OFF_SQ_RING);
	ring->entries = mmap(NULL, p->sq_entries * sizeof(struct io_uring_sqe),
			     PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQES);
	if (!(p->features & IORING_FEAT_SINGLE_MMAP) || ring->queues == MAP_FAILED ||
	    ring->entries == MAP_FAILED)
		return -ENOMEM;
	return 0;
}

static void ring_close(struct ring *ring)
{
	munmap(ring->queues, ring->size);
	munmap(ring->entries, ring->params.sq_entries * sizeof(struct io_uring_sqe));
	close(ring->fd);
}

static volatile __u32 *ring_word(struct ring *ring, __u32 offset)
{
	return ring->queues + offset;
}

/* Submits one request and waits for what comes of it. */
static long ring_run(struct ring *ring, const struct io_uring_sqe *request)
{
	const struct io_sqring_offsets *sq = &ring->params.sq_off;
	const struct io_cqring_offsets *cq = &ring->params.cq_off;
	const struct io_uring_cqe *completions = ring->queues + cq->cqes;
	__u32 tail = *ring_word(ring, sq->tail), head = *ring_word(ring, cq->head);
	__u32 slot = tail & *ring_word(ring, sq->ring_mask);
	long ret;

	ring->entries[slot] = *request;
	ring_word(ring, sq->array)[slot] = slot;
	__atomic_store_n(ring_word(ring, sq->tail), tail + 1, __ATOMIC_RELEASE);
	ret = SYSCALL(__NR_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	if (ret != 1)
		return ret < 0 ? ret : -EIO;
	if (__atomic_load_n(ring_word(ring, cq->tail), __ATOMIC_ACQUIRE) == head)
		return -EIO;
	ret = completions[head & *ring_word(ring, cq->ring_mask)].res;
	__atomic_store_n(ring_word(ring, cq->head), head + 1, __ATOMIC_RELEASE);
	return ret;
}

static long ring_register(int ring, unsigned int op, const void *arg, unsigned int nr)
{
	return SYSCALL(__NR_io_uring_register, ring, op, arg, nr);
}

/* ---- An open, by either way. 0 if there is a file then. ---- */

static long closed(long fd)
{
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static long open_by_call(const char *path, const struct open_how *how)
{
	return closed(sys_openat2(AT_FDCWD, path, how, sizeof(*how)));
}

static long open_by_ring_flags(struct ring *ring, const char *path, const void *how, size_t size,
			       unsigned int flags)
{
	const struct io_uring_sqe request = {
		.opcode = IORING_OP_OPENAT2,
		.flags = flags,
		.fd = AT_FDCWD,
		.addr = (uintptr_t)path,
		.len = size,
		.addr2 = (uintptr_t)how,
	};

	return closed(ring_run(ring, &request));
}

static long open_by_ring(struct ring *ring, const char *path, const struct open_how *how)
{
	return open_by_ring_flags(ring, path, how, sizeof(*how), 0);
}

/* openat, which has its flags in the request itself. */
static long openat_by_ring(struct ring *ring, const char *path, unsigned int flags,
			   unsigned int mode)
{
	const struct io_uring_sqe request = {
		.opcode = IORING_OP_OPENAT,
		.fd = AT_FDCWD,
		.addr = (uintptr_t)path,
		.len = mode,
		.open_flags = flags,
	};

	return closed(ring_run(ring, &request));
}

/* ---- The policy, in both forms. ---- */

/*
 * Only beneath a directory, and no new files with set-user-ID or set-group-ID. @load
 * has the offset of a field's low or high word.
 */
#define POLICY(lo, hi, forbidden, allowed)				\
	LD(hi(resolve)), JEQ(0, 0, 7),					\
	LD(lo(resolve)), JSET(RESOLVE_BENEATH | RESOLVE_IN_ROOT, 0, 5),	\
	LD(lo(flags)), JSET(O_CREAT | O_TMPFILE, 0, 2),			\
	LD(lo(mode)), JSET(S_ISUID | S_ISGID, 1, 0),			\
	allowed, forbidden

#define SECCOMP_LO(field)	SECCOMP_EA_LO(struct open_how, field)
#define SECCOMP_HI(field)	SECCOMP_EA_HI(struct open_how, field)
#define RING_LO(field)		offsetof(struct io_uring_bpf_ctx, open.field)
#define RING_HI(field)		(RING_LO(field) + 4)

static long install_policy(void)
{
	const struct sock_fprog prog = PROG(
		LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 1, 0), DENY(DENIED),
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		/* What is past the fields that this filter knows is zero. */
		LD(SECCOMP_EA_TAIL), JGT(sizeof(struct open_how), 0, 1), DENY(DENIED),
		POLICY(SECCOMP_LO, SECCOMP_HI, DENY(DENIED), ALLOW));

	return install_seccomp(0, &prog);
}

/* On a ring, or with -1 on all rings that this thread will make. */
static long register_filter(int ring, unsigned int opcode, unsigned int flags,
			    const struct sock_fprog *prog, size_t data)
{
	const struct io_uring_bpf arg = {
		.cmd_type = IO_URING_BPF_CMD_FILTER,
		.filter = {
			.opcode = opcode,
			.flags = flags,
			.filter_len = prog->len,
			.pdu_size = data,
			.filter_ptr = (uintptr_t)prog->filter,
		},
	};

	return ring_register(ring, IORING_REGISTER_BPF_FILTER, &arg, 1);
}

#define OPEN_DATA	sizeof(((struct io_uring_bpf_ctx *)NULL)->open)

static long register_policy(int ring, unsigned int flags)
{
	const struct sock_fprog prog = PROG(POLICY(RING_LO, RING_HI, RET(0), RET(1)));
	long ret = register_filter(ring, IORING_OP_OPENAT2, flags, &prog, OPEN_DATA);

	/* openat resolves as it likes, so this denies it. */
	return ret ?: register_filter(ring, IORING_OP_OPENAT, flags, &prog, OPEN_DATA);
}

/* Paths relative to the working directory, or not. */
#define INSIDE		"io_uring.file"
#define OUTSIDE		"/proc"

/*
 * What is opened, what comes of it if nobody minds, and what the policy has to say.
 */
static const struct open_case {
	const char *name, *path;
	struct open_how how;
	long ret;
	bool denied;
} open_cases[] = {
	{ "anywhere", OUTSIDE, { O_RDONLY, 0, 0 }, 0, true },
	{ "a new file anywhere", "/tmp/" INSIDE, { O_CREAT | O_WRONLY, 0644, 0 }, 0, true },
	{ "without symlinks", OUTSIDE, { O_RDONLY, 0, RESOLVE_NO_SYMLINKS }, 0, true },
	{ "beneath", INSIDE, { O_RDONLY, 0, RESOLVE_BENEATH }, 0, false },
	{ "not beneath", OUTSIDE, { O_RDONLY, 0, RESOLVE_BENEATH }, -EXDEV, false },
	{ "in a root", "/" INSIDE, { O_RDONLY, 0, RESOLVE_IN_ROOT }, 0, false },
	{ "a new file", INSIDE, { O_CREAT | O_WRONLY, 0755, RESOLVE_BENEATH }, 0, false },
	{ "a new setuid file", INSIDE, { O_CREAT | O_WRONLY, 04755, RESOLVE_BENEATH }, 0, true },
	{ "a new setgid file", INSIDE, { O_CREAT | O_WRONLY, 02755, RESOLVE_BENEATH }, 0, true },
	{ "a nameless setuid file", ".", { O_TMPFILE | O_WRONLY, 04700, RESOLVE_IN_ROOT }, 0,
	  true },
	{ "a nameless file", ".", { O_TMPFILE | O_WRONLY, 0700, RESOLVE_IN_ROOT }, 0, false },
	{ "a bit of tomorrow", INSIDE, { O_RDONLY, 0, RESOLVE_BENEATH | 1ULL << 40 }, -EINVAL,
	  true },
	{ "a flag of tomorrow", INSIDE, { O_RDONLY | 1ULL << 40, 0, RESOLVE_BENEATH }, -EINVAL,
	  false },
};

FIXTURE(uring)
{
	struct ring ring;
};

FIXTURE_SETUP(uring)
{
	/* This is for root to say, and then to take back. */
	write_file("/proc/sys/kernel/io_uring_disabled", "0", 0);
	if (ring_open(&self->ring, 0) == -ENOSYS)
		SKIP(return, "this kernel has no io_uring");
	ASSERT_LE(0, self->ring.fd);
	close(open(INSIDE, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	ASSERT_EQ(0, no_new_privs());
}

FIXTURE_TEARDOWN(uring)
{
	unlink(INSIDE);
}

#define NO_FILTERS	"io_uring of this kernel has no filters"

/* Asks a ring that does not matter. */
static bool has_filters(void)
{
	const struct sock_fprog all = PROG(RET(1));
	struct ring ring;
	long ret = ring_open(&ring, 0);

	if (ret)
		return false;
	ret = register_filter(ring.fd, IORING_OP_NOP, 0, &all, 0);
	ring_close(&ring);
	return ret != -EINVAL;
}

/* ---- Without filters of its own. ---- */

/* The control: what seccomp denies, io_uring does. */
TEST_F(uring, passes_seccomp_by)
{
	const struct open_case *c;
	int denied = 0;

	ASSERT_EQ(0, install_policy());
	for (c = open_cases; c < open_cases + ARRAY_SIZE(open_cases); c++) {
		EXPECT_EQ(c->denied ? -DENIED : c->ret, open_by_call(c->path, &c->how))
			TH_LOG("%s", c->name);
		EXPECT_EQ(c->ret, open_by_ring(&self->ring, c->path, &c->how))
			TH_LOG("%s", c->name);
		denied += c->denied;
	}
	EXPECT_LT(0, denied);
}

/* So who knows no filters of io_uring has to do without it. */
TEST_F(uring, denied_as_a_whole)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_io_uring_setup, 1, 0), ALLOW, DENY(DENIED));
	const struct open_case *c = &open_cases[0];
	struct ring ring;

	ASSERT_EQ(0, install_seccomp(0, &prog));
	ASSERT_EQ(0, install_policy());
	EXPECT_EQ(-DENIED, ring_open(&ring, 0));
	/* Too late for a ring that is there. */
	EXPECT_EQ(0, open_by_ring(&self->ring, c->path, &c->how));
}

/* Or root has it so for everybody. */
TEST_F(uring, disabled_for_all)
{
	struct ring ring;

	ASSERT_TRUE(write_file("/proc/sys/kernel/io_uring_disabled", "2", 0));
	EXPECT_EQ(-EPERM, ring_open(&ring, 0));
	ASSERT_TRUE(write_file("/proc/sys/kernel/io_uring_disabled", "0", 0));
}

/*
 * Restrictions are older than filters, and choose operations as a whole. Whoever
 * hands a ring to somebody else can leave out those that open files.
 */
TEST_F(uring, restricted)
{
	const struct io_uring_restriction only_nop[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP },
	};
	const struct io_uring_sqe nop = { .opcode = IORING_OP_NOP };
	struct ring ring;

	EXPECT_EQ(-EBADFD, ring_register(self->ring.fd, IORING_REGISTER_RESTRICTIONS, only_nop, 1));
	ASSERT_EQ(0, ring_open(&ring, IORING_SETUP_R_DISABLED));
	ASSERT_EQ(0, ring_register(ring.fd, IORING_REGISTER_RESTRICTIONS, only_nop, 1));
	ASSERT_EQ(0, ring_register(ring.fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0));
	EXPECT_EQ(0, ring_run(&ring, &nop));
	/* The good one as well. */
	EXPECT_EQ(-EACCES, open_by_ring(&ring, OUTSIDE, &open_cases[0].how));
	EXPECT_EQ(-EACCES, open_by_ring(&ring, INSIDE, &open_cases[3].how));
	/* There is no way back, but a new ring is a new ring. */
	EXPECT_EQ(-EBADFD, ring_register(ring.fd, IORING_REGISTER_RESTRICTIONS, only_nop, 1));
	EXPECT_EQ(0, open_by_ring(&self->ring, OUTSIDE, &open_cases[0].how));
}

/* A thread can restrict all rings that it will have; that has no way round. */
TEST_F(uring, restricted_for_thread)
{
	struct {
		struct io_uring_task_restriction task;
		struct io_uring_restriction only_nop;
	} arg = {
		.task.nr_res = 1,
		.only_nop = { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP },
	};
	const struct io_uring_sqe nop = { .opcode = IORING_OP_NOP };
	struct ring ring;
	long ret;

	ret = ring_register(-1, IORING_REGISTER_RESTRICTIONS, &arg, 1);
	if (ret == -EINVAL)
		SKIP(return, "io_uring of this kernel has no restrictions of threads");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(-EPERM, ring_register(-1, IORING_REGISTER_RESTRICTIONS, &arg, 1));
	ASSERT_EQ(0, ring_open(&ring, 0));
	EXPECT_EQ(0, ring_run(&ring, &nop));
	EXPECT_EQ(-EACCES, open_by_ring(&ring, INSIDE, &open_cases[3].how));
	EXPECT_EQ(0, open_by_ring(&self->ring, INSIDE, &open_cases[3].how));
}

/* ---- With them. ---- */

static int count_wrong(struct ring *ring, bool both)
{
	const struct open_case *c;
	int wrong = 0;
	long ret;

	for (c = open_cases; c < open_cases + ARRAY_SIZE(open_cases); c++) {
		ret = both ? open_by_call(c->path, &c->how) : c->denied ? -DENIED : c->ret;
		if (ret != (c->denied ? -DENIED : c->ret)) {
			printf("# %s by openat2: %ld\n", c->name, ret);
			wrong++;
		}
		ret = open_by_ring(ring, c->path, &c->how);
		/* io_uring reads the struct, and judges it, before it looks at its flags. */
		if (ret != (c->denied ? -EACCES : c->ret)) {
			printf("# %s by io_uring: %ld\n", c->name, ret);
			wrong++;
		}
	}
	return wrong;
}

TEST_F(uring, both_filters)
{
	const struct open_how setuid = { O_CREAT | O_WRONLY, 04755, RESOLVE_BENEATH };
	const struct open_how good = { O_RDONLY, 0, RESOLVE_BENEATH };
	struct { struct open_how how; __u64 more; } large = { .how = good };
	struct ring ring;

	if (!has_filters())
		SKIP(return, NO_FILTERS);
	ASSERT_EQ(0, register_policy(-1, 0));
	ASSERT_EQ(0, install_policy());
	ASSERT_EQ(0, ring_open(&ring, 0));
	EXPECT_EQ(0, count_wrong(&ring, true));

	/* What is put aside for a worker is judged before. */
	EXPECT_EQ(-EACCES, open_by_ring_flags(&ring, INSIDE, &setuid, sizeof(setuid), IOSQE_ASYNC));
	EXPECT_EQ(0, open_by_ring_flags(&ring, INSIDE, &good, sizeof(good), IOSQE_ASYNC));

	/* io_uring knows no tail; what it does not know is refused by the kernel itself. */
	EXPECT_EQ(0, open_by_ring_flags(&ring, INSIDE, &large, sizeof(large), 0));
	large.more = 1;
	EXPECT_EQ(-E2BIG, open_by_ring_flags(&ring, INSIDE, &large, sizeof(large), 0));
	EXPECT_EQ(-DENIED, sys_openat2(AT_FDCWD, INSIDE, &large, sizeof(large)));

	/* The same for openat. A filter of openat2 alone would leave that open. */
	EXPECT_EQ(-EACCES, openat_by_ring(&ring, OUTSIDE, O_RDONLY, 0));
	EXPECT_EQ(-EACCES, openat_by_ring(&ring, INSIDE, O_RDONLY, 0));
	/* As would seccomp's. */
	EXPECT_EQ(0, closed(SYSCALL(__NR_openat, AT_FDCWD, OUTSIDE, O_RDONLY)));
}

/* A filter of one ring says nothing about others. */
TEST_F(uring, filter_of_a_ring)
{
	const struct open_how any = { O_RDONLY, 0, 0 };
	struct ring ring;

	if (!has_filters())
		SKIP(return, NO_FILTERS);
	EXPECT_EQ(0, open_by_ring(&self->ring, OUTSIDE, &any));
	ASSERT_EQ(0, register_policy(self->ring.fd, 0));
	EXPECT_EQ(0, count_wrong(&self->ring, false));
	ASSERT_EQ(0, ring_open(&ring, 0));
	EXPECT_EQ(0, open_by_ring(&ring, OUTSIDE, &any));
}

/* One filter, and all for which there is none is denied. */
TEST_F(uring, deny_the_rest)
{
	const struct open_how good = { O_RDONLY, 0, RESOLVE_BENEATH };
	const struct io_uring_sqe nop = { .opcode = IORING_OP_NOP };

	if (!has_filters())
		SKIP(return, NO_FILTERS);
	ASSERT_EQ(0, register_policy(self->ring.fd, IO_URING_BPF_FILTER_DENY_REST));
	EXPECT_EQ(-EACCES, ring_run(&self->ring, &nop));
	EXPECT_EQ(0, open_by_ring(&self->ring, INSIDE, &good));
	EXPECT_EQ(-EACCES, openat_by_ring(&self->ring, INSIDE, O_RDONLY, 0));
}

/* A filter can insist on all data that there is, so that none grows beside it. */
TEST_F(uring, size_of_data)
{
	const struct sock_fprog all = PROG(RET(1));
	const unsigned int strict = IO_URING_BPF_FILTER_SZ_STRICT;
	const int ring = self->ring.fd;

	if (!has_filters())
		SKIP(return, NO_FILTERS);
	EXPECT_EQ(0, register_filter(ring, IORING_OP_OPENAT2, strict, &all, OPEN_DATA));
	EXPECT_EQ(-EMSGSIZE, register_filter(ring, IORING_OP_OPENAT2, strict, &all, OPEN_DATA - 8));
	EXPECT_EQ(-EMSGSIZE, register_filter(ring, IORING_OP_OPENAT2, 0, &all, OPEN_DATA + 8));
	EXPECT_EQ(0, register_filter(ring, IORING_OP_OPENAT2, 0, &all, OPEN_DATA - 8));
}

/*
 * What setxattrat does with a struct io_uring has as an operation without one, of
 * which a filter sees that it is that.
 */
TEST_F(uring, attributes)
{
	const struct sock_fprog deny = PROG(
		LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 1, 0), DENY(DENIED),
		LD_NR, JEQ(463 /* setxattrat */, 1, 0), ALLOW,
		LD(SECCOMP_EA_LO(struct xattr_args, size)), JEQ(0, 1, 0), DENY(DENIED), ALLOW);
	const struct sock_fprog none = PROG(RET(0));
	const struct xattr_args args = { .value = (uintptr_t)"value", .size = 5 };
	const struct io_uring_sqe request = {
		.opcode = IORING_OP_SETXATTR,
		.addr = (uintptr_t)"user.name",
		.addr2 = args.value,
		.addr3 = (uintptr_t)INSIDE,
		.len = args.size,
	};

	ASSERT_EQ(0, install_seccomp(0, &deny));
	EXPECT_EQ(-DENIED, SYSCALL(463, AT_FDCWD, INSIDE, 0, "user.name", &args, sizeof(args)));
	EXPECT_EQ(0, ring_run(&self->ring, &request));
	if (!has_filters())
		SKIP(return, NO_FILTERS);
	EXPECT_EQ(-EMSGSIZE, register_filter(self->ring.fd, IORING_OP_SETXATTR, 0, &none, 8));
	ASSERT_EQ(0, register_filter(self->ring.fd, IORING_OP_SETXATTR, 0, &none, 0));
	EXPECT_EQ(-EACCES, ring_run(&self->ring, &request));
}

/* Filters add up: one that allows everything takes nothing back. */
TEST_F(uring, filters_add_up)
{
	const struct sock_fprog all = PROG(RET(1)), none = PROG(RET(0));
	struct ring ring;

	if (!has_filters())
		SKIP(return, NO_FILTERS);
	ASSERT_EQ(0, register_policy(-1, 0));
	ASSERT_EQ(0, register_filter(-1, IORING_OP_OPENAT2, 0, &all, OPEN_DATA));
	ASSERT_EQ(0, ring_open(&ring, 0));
	ASSERT_EQ(0, register_filter(ring.fd, IORING_OP_OPENAT2, 0, &all, OPEN_DATA));
	EXPECT_EQ(0, count_wrong(&ring, false));
	ASSERT_EQ(0, register_filter(ring.fd, IORING_OP_OPENAT2, 0, &none, OPEN_DATA));
	EXPECT_EQ(-EACCES, open_by_ring(&ring, INSIDE, &open_cases[3].how));
}

/* ---- Who has the filters of a thread. ---- */

/* What a ring of this thread's own does with an open that the policy forbids. */
static long try_new_ring(void)
{
	const struct open_how any = { O_RDONLY, 0, 0 };
	struct ring ring;
	long ret = ring_open(&ring, 0);

	if (!ret) {
		ret = open_by_ring(&ring, OUTSIDE, &any);
		ring_close(&ring);
	}
	return ret;
}

struct sibling {
	pthread_barrier_t barrier;
	long before, after;
};

static void *sibling(void *arg)
{
	struct sibling *s = arg;

	s->before = try_new_ring();
	pthread_barrier_wait(&s->barrier);
	pthread_barrier_wait(&s->barrier);
	s->after = try_new_ring();
	return NULL;
}

static void *child_thread(void *arg)
{
	*(long *)arg = try_new_ring();
	return NULL;
}

TEST_F(uring, inheritance)
{
	const struct open_how any = { O_RDONLY, 0, 0 };
	char *argv[] = { "io_uring", "try", NULL };
	struct sibling s = { .before = 1, .after = 1 };
	pthread_t older, younger;
	long got = 1;
	pid_t pid;

	if (!has_filters())
		SKIP(return, NO_FILTERS);
	pthread_barrier_init(&s.barrier, NULL, 2);
	ASSERT_EQ(0, pthread_create(&older, NULL, sibling, &s));
	pthread_barrier_wait(&s.barrier);
	ASSERT_EQ(0, register_policy(-1, 0));
	EXPECT_EQ(-EACCES, try_new_ring());

	/* What is created after it has it, and keeps it when it executes something else. */
	ASSERT_EQ(0, pthread_create(&younger, NULL, child_thread, &got));
	ASSERT_EQ(0, pthread_join(younger, NULL));
	EXPECT_EQ(-EACCES, got);
	pid = fork();
	if (pid == 0)
		_exit(-try_new_ring());
	EXPECT_EQ(EACCES, exit_status(pid));
	pid = fork();
	if (pid == 0) {
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	EXPECT_EQ(EACCES, exit_status(pid));

	/* What was there before it has not: there is nothing like TSYNC. */
	pthread_barrier_wait(&s.barrier);
	ASSERT_EQ(0, pthread_join(older, NULL));
	EXPECT_EQ(0, s.before);
	EXPECT_EQ(0, s.after);
	/* Nor has a ring of before, which is no matter of who uses it. */
	EXPECT_EQ(0, open_by_ring(&self->ring, OUTSIDE, &any));
}

/* The kernel does not let rings be sent, so that a process has only those of its ancestors. */
TEST_F(uring, rings_are_not_sent)
{
	char data = 0, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { &data, 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int sockets[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets));
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &self->ring.fd, sizeof(int));
	EXPECT_EQ(-EINVAL, kernel_result(sendmsg(sockets[0], &message, 0)));
}

/* As seccomp's, they are for those who cannot gain privileges thereby. */
static int register_as_nobody(void *arg)
{
	const struct sock_fprog none = PROG(RET(0));

	(void)arg;
	if (setresuid(65534, 65534, 65534))
		return 1;
	return -register_filter(-1, IORING_OP_OPENAT2, 0, &none, OPEN_DATA);
}

TEST_F(uring, needs_no_new_privs)
{
	const struct open_how any = { O_RDONLY, 0, 0 };

	if (!has_filters())
		SKIP(return, NO_FILTERS);
	EXPECT_EQ(0, in_child(register_as_nobody, NULL));
	EXPECT_EQ(0, open_by_ring(&self->ring, OUTSIDE, &any));
}

TEST(needs_privileges_else)
{
	write_file("/proc/sys/kernel/io_uring_disabled", "0", 0);
	if (!has_filters())
		SKIP(return, NO_FILTERS);
	EXPECT_EQ(EACCES, in_child(register_as_nobody, NULL));
}

/* ---- The same race as everywhere. ---- */

#define RACED_REQUESTS	100000

static struct {
	volatile struct open_how how;
	volatile bool started, stop;
} raced;

static void *rewrite(void *arg)
{
	(void)arg;
	pin(1);
	raced.started = true;
	while (!raced.stop) {
		raced.how.resolve = RESOLVE_BENEATH;
		__sync_synchronize();
		raced.how.resolve = 0;
		__sync_synchronize();
	}
	return NULL;
}

/*
 * The absolute path is EXDEV with RESOLVE_BENEATH and opened without. Each request is
 * one that io_uring copies once: it judges its copy and runs that.
 */
TEST_F_TIMEOUT(uring, race, 120)
{
	static const unsigned int flags[] = { 0, IOSQE_ASYNC };
	int good, denied, through, other, i;
	pthread_t thread;
	struct ring ring;
	unsigned int j;
	long ret;

	if (!has_filters())
		SKIP(return, NO_FILTERS);
	ASSERT_EQ(0, register_policy(-1, 0));
	ASSERT_EQ(0, ring_open(&ring, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, rewrite, NULL));
	while (!raced.started)
		sched_yield();
	for (j = 0; j < ARRAY_SIZE(flags); j++) {
		const int requests = rounds(RACED_REQUESTS) / (j ? 8 : 1);

		good = denied = through = other = 0;
		for (i = 0; i < requests; i++) {
			ret = open_by_ring_flags(&ring, OUTSIDE, (void *)&raced.how,
						 sizeof(raced.how), flags[j]);
			good += ret == -EXDEV;
			denied += ret == -EACCES;
			through += ret == 0;
		}
		other = i - good - denied - through;
		TH_LOG("%d requests%s: %d judged, %d denied, %d through", i,
		       j ? " for workers" : "", good, denied, through);
		EXPECT_EQ(0, through);
		EXPECT_EQ(0, other);
		EXPECT_LT(0, good);
		EXPECT_LT(0, denied);
	}
	raced.stop = true;
	ASSERT_EQ(0, pthread_join(thread, NULL));
}

int main(int argc, char **argv)
{
	/* What the test of inheritance executes. */
	if (argc == 2 && strcmp(argv[1], "try") == 0)
		return -try_new_ring();
	return test_harness_run(argc, argv);
}
