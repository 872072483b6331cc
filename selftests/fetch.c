// SPDX-License-Identifier: GPL-2.0
/*
 * How the struct is fetched: a filter that has to wait for the caller's memory
 * must hold up nobody else, and one for which there is no memory must neither
 * let the call through nor have anybody killed.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <linux/futex.h>

#include "common.h"
#include "kselftest_harness.h"
#include "withhold.h"

/* No call here returns it of its own accord. */
#define DENIED		EDOTDOT

/*
 * The word that decides is the first one of each struct: the flags, or the size
 * and the policy. The good ones are EINVAL soon after the copy, before the call
 * needs any memory.
 */
#define GOOD_OPENAT2	(1ULL << 62)
#define GOOD_CLONE3	CLONE_THREAD
#define BAD_FLAGS	CLONE_NEWUSER

/* A realtime policy has no priority of zero. */
#define SCHED_WORD(policy)	(SCHED_ATTR_SIZE_VER0 | (__u64)(policy) << 32)
#define GOOD_SCHED	SCHED_WORD(SCHED_FIFO)
#define BAD_SCHED	SCHED_WORD(SCHED_RR)

#define CPU_ONLINE	"/sys/devices/system/cpu/cpu1/online"

static long call(int nr, const void *args)
{
	if (nr == __NR_openat2)
		return sys_openat2(AT_FDCWD, "/", args, sizeof(struct open_how));
	if (nr == __NR_sched_setattr)
		return SYSCALL(nr, 0, args, 0);
	return sys_clone3(args, sizeof(struct clone_args));
}

static long install_filter(int nr, __u64 bad)
{
	const struct sock_fprog prog = PROG(
		LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 1, 0), ALLOW, LD_NR, JEQ(nr, 1, 0), ALLOW,
		LD(SECCOMP_EA_BASE), JEQ((__u32)bad, 0, 3),
		LD(SECCOMP_EA_BASE + 4), JEQ(bad >> 32, 0, 1), DENY(DENIED), ALLOW);

	return no_new_privs() ?: install_seccomp(0, &prog);
}

/* ---- Memory that userfaultfd withholds. ---- */

/* The page after one that is there. */
static struct uffd {
	int fd;
	char *page;
} uffd;

static bool uffd_open(void)
{
	uffd.page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (uffd.page == MAP_FAILED)
		return false;
	uffd.page += PAGE;
	uffd.fd = withhold(uffd.page, PAGE);
	return uffd.fd >= 0;
}

/* The rest of a struct that begins with @word and of which @present bytes are there. */
static void uffd_release(__u64 word, unsigned int present)
{
	static char content[PAGE];
	struct uffdio_copy copy = {
		.dst = (unsigned long)uffd.page, .src = (unsigned long)content, .len = PAGE,
	};

	memcpy(content, (char *)&word + present, sizeof(word) - present);
	ioctl(uffd.fd, UFFDIO_COPY, &copy);
}

struct sleeper {
	int nr;
	/* What is denied, if it is filtered. */
	bool filtered;
	__u64 bad;
	/* How much of the struct is there from the start, and with what. */
	unsigned int present;
	__u64 word;
	volatile pid_t tid;
	long ret;
};

static void *sleeper(void *arg)
{
	struct sleeper *s = arg;

	pin(1);
	s->tid = gettid();
	if (s->filtered && install_filter(s->nr, s->bad))
		return NULL;
	memcpy(uffd.page - s->present, &s->word, s->present);
	s->ret = call(s->nr, uffd.page - s->present);
	if (s->ret == 0)
		_exit(0);
	return NULL;
}

static void *move_away(void *arg)
{
	const struct sleeper *s = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(s->tid, sizeof(set), &set);
	return NULL;
}

static void *take_offline(void *arg)
{
	(void)arg;
	write_file(CPU_ONLINE, "0", 0);
	return NULL;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

FIXTURE(withheld)
{
	struct sleeper s;
};

FIXTURE_VARIANT(withheld)
{
	int nr;
	__u64 good, bad;
	unsigned int present;
};

FIXTURE_VARIANT_ADD(withheld, openat2) {
	.nr = __NR_openat2, .good = GOOD_OPENAT2, .bad = BAD_FLAGS,
};

FIXTURE_VARIANT_ADD(withheld, clone3) {
	.nr = __NR_clone3, .good = GOOD_CLONE3, .bad = BAD_FLAGS,
};

FIXTURE_VARIANT_ADD(withheld, sched_setattr) {
	.nr = __NR_sched_setattr, .good = GOOD_SCHED, .bad = BAD_SCHED,
};

/* The size is there, what it is the size of is not. */
FIXTURE_VARIANT_ADD(withheld, sched_setattr_rest) {
	.nr = __NR_sched_setattr, .good = GOOD_SCHED, .bad = BAD_SCHED,
	.present = offsetof(struct sched_attr, sched_policy),
};

FIXTURE_SETUP(withheld)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two CPUs");
	pin(0);
	self->s = (struct sleeper) {
		.nr = variant->nr, .bad = variant->bad, .present = variant->present,
	};
}

FIXTURE_TEARDOWN(withheld)
{
	write_file(CPU_ONLINE, "1", 0);
}

/*
 * How long @act takes while a thread on CPU 1 waits for its struct, which then
 * begins with @word. It is let go after ten seconds at the latest, so that what
 * would hang is seen to be slow.
 */
static long disturb(struct __test_metadata *_metadata, void *(*act)(void *),
		    struct sleeper *s, __u64 word)
{
	struct timespec deadline;
	pthread_t thread, actor;
	long started, took;

	ASSERT_TRUE(uffd_open());
	s->ret = 1;
	s->word = word;
	ASSERT_EQ(0, pthread_create(&thread, NULL, sleeper, s));
	ASSERT_TRUE(is_waited_for(uffd.fd, 10000));

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 10;
	started = now_ms();
	ASSERT_EQ(0, pthread_create(&actor, NULL, act, s));
	if (pthread_timedjoin_np(actor, NULL, &deadline)) {
		uffd_release(word, s->present);
		pthread_join(actor, NULL);
	} else {
		uffd_release(word, s->present);
	}
	took = now_ms() - started;
	ASSERT_EQ(0, pthread_join(thread, NULL));
	close(uffd.fd);
	munmap(uffd.page - PAGE, 2 * PAGE);
	return took;
}

/* The kernel runs filters with migration disabled, but may not sleep so. */
TEST_F(withheld, sched_setaffinity)
{
	struct sleeper *s = &self->s;
	long unfiltered, filtered;

	unfiltered = disturb(_metadata, move_away, s, variant->good);
	EXPECT_EQ(-EINVAL, s->ret);
	s->filtered = true;
	filtered = disturb(_metadata, move_away, s, variant->good);
	EXPECT_EQ(-EINVAL, s->ret);
	TH_LOG("%ld ms without a filter, %ld ms with one", unfiltered, filtered);
	EXPECT_GT(unfiltered + 2000, filtered);
}

TEST_F(withheld, cpu_offline)
{
	struct sleeper *s = &self->s;
	long unfiltered, filtered;

	unfiltered = disturb(_metadata, take_offline, s, variant->good);
	EXPECT_EQ(-EINVAL, s->ret);
	ASSERT_TRUE(write_file(CPU_ONLINE, "1", 0));
	s->filtered = true;
	filtered = disturb(_metadata, take_offline, s, variant->good);
	EXPECT_EQ(-EINVAL, s->ret);
	ASSERT_TRUE(write_file(CPU_ONLINE, "1", 0));
	TH_LOG("%ld ms without a filter, %ld ms with one", unfiltered, filtered);
	EXPECT_GT(unfiltered + 2000, filtered);
}

/* What arrives late is judged like what was there. */
TEST_F(withheld, is_judged)
{
	struct sleeper *s = &self->s;

	s->filtered = true;
	disturb(_metadata, move_away, s, variant->bad);
	EXPECT_EQ(-DENIED, s->ret);
	disturb(_metadata, move_away, s, variant->good);
	EXPECT_EQ(-EINVAL, s->ret);
}

/* A process that waits for its struct can be killed. */
TEST_F(withheld, can_be_killed)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (pid == 0) {
		pthread_t thread;

		self->s.filtered = true;
		self->s.word = variant->good;
		if (!uffd_open() || pthread_create(&thread, NULL, sleeper, &self->s) || !is_waited_for(uffd.fd, 10000))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- Memory that the cgroup does not have. ---- */

#define CGROUP		CGROUPS "/seccomp_ea"

/*
 * Each CPU keeps some charged pages in reserve, of which the first threads live
 * when there is no more to be had. These are twice as many as could.
 */
#define THREADS_SHORT	256
#define THREADS_MANY	1000

/* What the cgroup's reserves and all that is not ours may come to. */
#define SLACK		(1024 * 1024L)

static long charged(void)
{
	return read_number(CGROUP "/memory.current", "");
}

/* What the process with the threads and the one that watches it share. */
struct starved {
	int nr;
	__u64 flags;
	int threads;
	/* Whether a filter ends the threads. */
	bool killed;
	/* How far the threads may go, and how many have got there. */
	int stage, arrived[4];
	/* The results of the threads' calls, by stage. */
	long ret[4][THREADS_MANY];
};

static struct starved *starved;

static void await_stage(int stage)
{
	int now;

	while ((now = __atomic_load_n(&starved->stage, __ATOMIC_SEQ_CST)) < stage)
		syscall(__NR_futex, &starved->stage, FUTEX_WAIT, now, NULL);
}

static void *starved_thread(void *arg)
{
	struct clone_args args = { .flags = starved->flags };
	const int i = (long)arg;
	int stage;

	/* Everything that comes later is done once, so that it needs nothing new. */
	close(-1);
	for (stage = 0; stage < 4; stage++) {
		await_stage(stage);
		if (stage)
			starved->ret[stage][i] = call(starved->nr, &args);
		__sync_fetch_and_add(&starved->arrived[stage], 1);
	}
	if (starved->killed)
		syscall(__NR_getppid);
	return NULL;
}

static void run_starved(void)
{
	const struct sock_fprog end = PROG(
		LD_NR, JEQ(__NR_getppid, 0, 1), RET(SECCOMP_RET_KILL_THREAD), ALLOW);
	pthread_t threads[THREADS_MANY];
	pthread_attr_t attr;
	long i;

	if (!write_file(CGROUP "/cgroup.procs", "0", 0) || install_filter(starved->nr, BAD_FLAGS) ||
	    install_seccomp(0, &end))
		_exit(1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (i = 0; i < starved->threads; i++)
		if (pthread_create(&threads[i], &attr, starved_thread, (void *)i))
			_exit(2);
	for (i = 0; i < starved->threads; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

/* Lets all threads do what is next, and waits until they have. */
static bool next_stage(int stage)
{
	int i;

	__atomic_store_n(&starved->stage, stage, __ATOMIC_SEQ_CST);
	syscall(__NR_futex, &starved->stage, FUTEX_WAKE, THREADS_MANY);
	for (i = 0; i < 20000 && starved->arrived[stage] < starved->threads; i++)
		nap();
	return starved->arrived[stage] == starved->threads;
}

static int count(int stage, long ret)
{
	int n = 0, i;

	for (i = 0; i < starved->threads; i++)
		n += starved->ret[stage][i] == ret;
	return n;
}

FIXTURE(starved)
{
	pid_t pid;
};

FIXTURE_VARIANT(starved)
{
	int nr;
	__u64 good;
};

FIXTURE_VARIANT_ADD(starved, openat2) { .nr = __NR_openat2, .good = GOOD_OPENAT2 };
FIXTURE_VARIANT_ADD(starved, clone3) { .nr = __NR_clone3, .good = GOOD_CLONE3 };

FIXTURE_SETUP(starved)
{
	write_file(CGROUPS "/cgroup.subtree_control", "+memory", 0);
	mkdir(CGROUP, 0755);
	ASSERT_LE(0, charged());
	starved = mmap(NULL, sizeof(*starved), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, starved);
	starved->nr = variant->nr;
	starved->flags = variant->good;
}

FIXTURE_TEARDOWN(starved)
{
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
	}
	rmdir(CGROUP);
}

/*
 * A thread without a cache and without memory for one is told so, and nothing
 * else happens to it or to anybody. With memory, its next call is a call.
 */
TEST_F(starved, enomem)
{
	const long killed = read_number(CGROUP "/memory.events", "oom_kill");
	int refused;

	starved->threads = THREADS_SHORT;
	self->pid = fork();
	ASSERT_LE(0, self->pid);
	if (self->pid == 0)
		run_starved();
	ASSERT_TRUE(next_stage(0));

	/* Nonblocking, the kernel does not kill until the limit is kept. */
	ASSERT_TRUE(write_file(CGROUP "/memory.max", "0", O_NONBLOCK));
	ASSERT_TRUE(next_stage(1));
	refused = count(1, -ENOMEM);
	EXPECT_LT(0, refused);
	EXPECT_EQ(THREADS_SHORT - refused, count(1, -EINVAL));
	TH_LOG("%d of %d refused", refused, THREADS_SHORT);

	ASSERT_TRUE(write_file(CGROUP "/memory.max", "max", 0));
	ASSERT_TRUE(next_stage(2));
	EXPECT_EQ(THREADS_SHORT, count(2, -EINVAL));
	EXPECT_EQ(killed, read_number(CGROUP "/memory.events", "oom_kill"));
}

static void expect_accounted(struct __test_metadata *_metadata, FIXTURE_DATA(starved) *self)
{
	const long caches = THREADS_MANY * cache_cost();
	long none, all, again, left;
	int status, i;

	starved->threads = THREADS_MANY;
	self->pid = fork();
	ASSERT_LE(0, self->pid);
	if (self->pid == 0)
		run_starved();
	ASSERT_TRUE(next_stage(0));
	none = charged();
	ASSERT_TRUE(next_stage(1));
	all = charged();
	ASSERT_TRUE(next_stage(2));
	again = charged();
	EXPECT_EQ(THREADS_MANY, count(1, -EINVAL));
	EXPECT_EQ(THREADS_MANY, count(2, -EINVAL));
	EXPECT_LT(caches - SLACK, all - none);
	EXPECT_GT(caches + SLACK, all - none);
	EXPECT_GT(SLACK, again - all);

	ASSERT_TRUE(next_stage(3));
	ASSERT_EQ(self->pid, waitpid(self->pid, &status, 0));
	EXPECT_EQ(0, status);
	/* Threads are freed after a grace period, and their pages later yet. */
	left = charged();
	for (i = 0; i < 5000 && left >= caches / 2; i++) {
		nap();
		left = charged();
	}
	EXPECT_GT(caches / 2, left);
	TH_LOG("%ld KiB for %d threads, %ld KiB left", (all - none) / 1024, THREADS_MANY,
	       left / 1024);
}

/* Caches are charged to who has them, once each, and given back. */
TEST_F(starved, accounted)
{
	expect_accounted(_metadata, self);
}

/* Also by a thread that a filter kills: it is not in filter mode any more when it exits. */
TEST_F(starved, accounted_when_killed)
{
	starved->killed = true;
	expect_accounted(_metadata, self);
}

TEST_HARNESS_MAIN
