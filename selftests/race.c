// SPDX-License-Identifier: GPL-2.0
/*
 * A thread rewrites the struct, as fast as it can, while another one calls.
 * The filter lets one value through and no other, so whatever ran with the
 * other value got past it.
 *
 * Each variant picks its values so that the return value tells them apart: the
 * good value runs into one particular error soon after the kernel has copied
 * the struct, the bad one into a success or another error.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "common.h"
#include "kselftest_harness.h"

/* A file that exists, and one that only a call that got through creates. */
#define FILE_THERE	"/tmp/race.there"
#define FILE_MISSING	"/tmp/race.missing"

/* No call returns it of its own accord. */
#define DENIED		EDOTDOT

/* What the control takes at the most, in calls and in seconds. */
#define CONTROL_CALLS	50000
#define CONTROL_SECONDS	20
/* So many make a race that was won, and no accident. */
#define CONTROL_ENOUGH	10

/* Most of a test's seconds are spent waiting for a turn on a busy machine. */
#define TIMEOUT		180

/* The struct, larger than any that the kernel knows. */
struct arguments {
	__u64 words[16];
};

static struct arguments *args;
static volatile bool rewriting, stop;

FIXTURE(race)
{
	pthread_t rewriter;
};

FIXTURE_VARIANT(race)
{
	int nr;
	const char *path;
	struct arguments args;
	size_t size;
	/* The word that is rewritten, and whether it is past the known struct. */
	unsigned int word;
	bool tail;
	__u64 good, bad;
	/* What the call with the good value returns. */
	int error;
	int calls;
};

#define HOW_FLAGS	0
#define HOW_MODE	1
#define HOW_RESOLVE	2

#define OPENAT2(name, path_, field, flags, mode, resolve, good_, bad_, error_)	\
	FIXTURE_VARIANT_ADD(race, name) {				\
		.nr = __NR_openat2, .path = path_,			\
		.args.words = { flags, mode, resolve },			\
		.size = sizeof(struct open_how), .word = field,		\
		.good = good_, .bad = bad_,				\
		.error = error_, .calls = 200000,			\
	}

/* Creates a file. */
OPENAT2(openat2_flags, FILE_MISSING, HOW_FLAGS, 0, 0, 0, O_RDWR, O_RDWR | O_CREAT, ENOENT);
/* The high word alone: a flag that no kernel knows is EINVAL when it runs. */
OPENAT2(openat2_flags_high, FILE_MISSING, HOW_FLAGS, 0, 0, 0, 0, 1ULL << 62, ENOENT);
/* A mode that runs is EINVAL when it is none, and EEXIST when it is one. */
OPENAT2(openat2_mode, FILE_THERE, HOW_MODE, O_CREAT | O_EXCL, 0, 0, 0600, 0200600, EEXIST);
/* Leaves the directory in which it has to stay. */
OPENAT2(openat2_resolve, FILE_THERE, HOW_RESOLVE, 0, 0, 0, RESOLVE_BENEATH, 0, EXDEV);

/* A tail that runs is E2BIG unless it is zero. */
FIXTURE_VARIANT_ADD(race, openat2_tail) {
	.nr = __NR_openat2, .path = FILE_MISSING,
	.size = sizeof(struct open_how) + 8, .word = 3, .tail = true,
	.good = 0, .bad = 0x80, .error = ENOENT, .calls = 200000,
};

#define ARGS_FLAGS		0
#define ARGS_EXIT_SIGNAL	4
#define ARGS_SET_TID		8
#define ARGS_SET_TID_SIZE	9

/* Creates a user namespace. A thread of its own sort alone is EINVAL. */
FIXTURE_VARIANT_ADD(race, clone3_flags) {
	.nr = __NR_clone3, .size = sizeof(struct clone_args), .word = ARGS_FLAGS,
	.good = CLONE_THREAD, .bad = CLONE_NEWUSER, .error = EINVAL, .calls = 250000,
};

/* Has the kernel read an array that is not there, which is EFAULT. */
FIXTURE_VARIANT_ADD(race, clone3_set_tid_size) {
	.nr = __NR_clone3, .args.words = { [ARGS_SET_TID] = -4096ULL },
	.size = sizeof(struct clone_args), .word = ARGS_SET_TID_SIZE,
	.good = 0, .bad = 1, .error = EINVAL, .calls = 250000,
};

/* The other way round: the bad size is none that the kernel takes. */
FIXTURE_VARIANT_ADD(race, clone3_set_tid_size_large) {
	.nr = __NR_clone3, .args.words = { [ARGS_SET_TID] = -4096ULL },
	.size = sizeof(struct clone_args), .word = ARGS_SET_TID_SIZE,
	.good = 1, .bad = 33, .error = EFAULT, .calls = 250000,
};

FIXTURE_VARIANT_ADD(race, clone3_tail) {
	.nr = __NR_clone3, .args.words = { [ARGS_FLAGS] = CLONE_THREAD },
	.size = sizeof(struct clone_args) + 8, .word = 11, .tail = true,
	.good = 0, .bad = 0x80, .error = EINVAL, .calls = 250000,
};

struct rewriting {
	volatile __u64 *word;
	__u64 good, bad;
};

static void *rewriter(void *arg)
{
	const struct rewriting r = *(struct rewriting *)arg;

	pin(1);
	rewriting = true;
	/* Without the barriers one value is seen far less often than the other. */
	while (!stop) {
		*r.word = r.bad;
		__sync_synchronize();
		*r.word = r.good;
		__sync_synchronize();
	}
	return NULL;
}

FIXTURE_SETUP(race)
{
	static struct rewriting r;

	args = aligned_alloc(PAGE, PAGE);
	ASSERT_NE(NULL, args);
	*args = variant->args;
	close(open(FILE_THERE, O_CREAT | O_RDWR, 0600));
	unlink(FILE_MISSING);

	r = (struct rewriting) { &args->words[variant->word], variant->good, variant->bad };
	*r.word = r.good;
	ASSERT_EQ(0, pthread_create(&self->rewriter, NULL, rewriter, &r));
	while (!rewriting)
		sched_yield();
	pin(0);
	ASSERT_EQ(0, no_new_privs());
}

FIXTURE_TEARDOWN(race)
{
	stop = true;
	pthread_join(self->rewriter, NULL);
	unlink(FILE_THERE);
	unlink(FILE_MISSING);
}

/* Calls once. What got through is undone, so that it can get through again. */
static long call(const FIXTURE_VARIANT(race) *variant)
{
	long ret;

	if (variant->nr == __NR_openat2) {
		ret = sys_openat2(AT_FDCWD, variant->path, args, variant->size);
		if (ret >= 0) {
			close(ret);
			unlink(FILE_MISSING);
		}
		return ret;
	}

	ret = sys_clone3(args, variant->size);
	if (ret == 0)
		_exit(0);
	if (ret > 0)
		waitpid(ret, NULL, __WALL);
	return ret;
}

/* One copy for the filter and the call: nothing gets through. */
TEST_F_TIMEOUT(race, none_through, TIMEOUT)
{
	const unsigned int offset = SECCOMP_EA_BASE + 8 * variant->word;
	const struct sock_fprog of_word = PROG(
		LD_NR, JEQ(variant->nr, 1, 0), ALLOW,
		LD(offset), JEQ((__u32)variant->good, 0, 3),
		LD(offset + 4), JEQ((__u32)(variant->good >> 32), 0, 1), ALLOW,
		DENY(DENIED));
	const struct sock_fprog of_tail = PROG(
		LD_NR, JEQ(variant->nr, 1, 0), ALLOW,
		LD(SECCOMP_EA_TAIL), JGT(offset - SECCOMP_EA_BASE, 1, 0), ALLOW,
		DENY(DENIED));
	int denied = 0, passed = 0, through = 0, i;
	long ret, first = 0;

	ASSERT_EQ(0, install_seccomp(0, variant->tail ? &of_tail : &of_word));
	for (i = 0; i < variant->calls; i++) {
		ret = call(variant);
		if (ret == -DENIED)
			denied++;
		else if (ret == -variant->error)
			passed++;
		else if (!through++)
			first = ret;
	}
	EXPECT_EQ(0, through) TH_LOG("the first returned %ld", first);
	TH_LOG("%d calls: %d passed, %d denied, %d got through", i, passed, denied, through);

	/* A filter that saw one value only has not been raced against. */
	EXPECT_LT(variant->calls / 1000, passed);
	EXPECT_LT(variant->calls / 1000, denied);
}

struct supervisor {
	volatile int listener;
	int mem;
	off_t address;
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
		__u64 word;

		if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, &notif))
			return NULL;
		resp.id = notif.id;
		if (pread(s->mem, &word, sizeof(word), s->address) != sizeof(word) ||
		    word != s->good) {
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
		LD_NR, JEQ(variant->nr, 0, 1), RET(SECCOMP_RET_USER_NOTIF), ALLOW);
	struct supervisor s = { .listener = -1, .good = variant->good };
	const time_t deadline = time(NULL) + CONTROL_SECONDS;
	int through = 0, i;
	pthread_t thread;
	long ret;

	s.address = (off_t)&args->words[variant->word];
	s.mem = open("/proc/self/mem", O_RDONLY);
	ASSERT_LE(0, s.mem);
	ASSERT_EQ(0, pthread_create(&thread, NULL, supervise, &s));
	ret = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	ASSERT_LE(0, ret);
	s.listener = ret;

	for (i = 0; i < CONTROL_CALLS && through < CONTROL_ENOUGH; i++) {
		ret = call(variant);
		if (ret != -DENIED && ret != -variant->error)
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
	int nr;
	struct arguments args;
	size_t size;
};

FIXTURE_VARIANT_ADD(vanishing, openat2) {
	.nr = __NR_openat2, .size = sizeof(struct open_how),
};

FIXTURE_VARIANT_ADD(vanishing, clone3) {
	.nr = __NR_clone3, .size = sizeof(struct clone_args),
	.args.words = { [ARGS_FLAGS] = CLONE_THREAD },
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
		munmap(args, PAGE);
		for (spin = i % 257; spin; spin--)
			;
		mmap(args, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
		     fd, 0);
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
	args = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, args);
	*args = variant->args;

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
		LD_NR, JEQ(variant->nr, 1, 0), ALLOW,
		LD(SECCOMP_EA_ERROR), JEQ(EFAULT, 1, 0), DENY(DENIED), ALLOW);
	const int often = 50;
	int denied = 0, faulted = 0, through = 0, i;
	long ret;

	ASSERT_EQ(0, install_seccomp(0, &prog));
	/* On a busy machine it takes longer until both states were met. */
	for (i = 0; i < 50000 || (i < 2000000 && (denied < often || faulted < often)); i++) {
		if (variant->nr == __NR_openat2)
			ret = sys_openat2(AT_FDCWD, FILE_THERE, args, variant->size);
		else
			ret = sys_clone3(args, variant->size);
		if (ret == -DENIED)
			denied++;
		else if (ret == -EFAULT)
			faulted++;
		else
			through++;
	}
	EXPECT_EQ(0, through);
	TH_LOG("%d calls: %d faulted, %d denied, %d got through", i, faulted, denied, through);

	EXPECT_LE(often, faulted);
	EXPECT_LE(often, denied);
}

TEST_HARNESS_MAIN
