/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Many who make inspected calls at once, each of which has a result that is known
 * in advance, while a test does something to them or to the machine.
 *
 * How long a test of these goes on is said by ea_stress= on the kernel's command
 * line, in seconds: the kernel hands it on to init as a variable of its
 * environment, and init to us.
 *
 * Includers have included kselftest_harness.h.
 */
#ifndef SELFTESTS_STORM_H
#define SELFTESTS_STORM_H

#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common.h"
#include "counters.h"

#define STORM_SECONDS	3

/* A busy machine needs longer for what a test wants to have happened, but not longer than that. */
#define STORM_PATIENCE	120

/* The harness ends a test that takes longer than that, whatever is asked of it. */
#define STORM_TIMEOUT	3000

/* What all of a storm is charged to, and the part of it that is short of memory. */
#define STORM_CGROUP	CGROUPS "/storm"
#define CGROUP_ROOMY	STORM_CGROUP "/roomy"
#define CGROUP_TIGHT	STORM_CGROUP "/tight"
#define CGROUP_FULL	STORM_CGROUP "/full"

/* How many bytes may be left of what all are charged: some caches that are to be freed. */
#define CHARGE_LEFT	(256 * 1024)

/* What the processes of a storm share, and programs that they execute. */
struct storm {
	volatile bool stop;
	/* Calls and installations for which there may be no memory. */
	volatile bool short_of_memory;
	long calls, denied, no_memory, raced;
	long threads, forks, execs, kills, filters, syncs, hoards, sleepers, refused;
	/* How many results were wrong, and the first that was. */
	long wrong;
	struct {
		int question;
		long expected, result;
	} first;
};

static struct storm *storm;
static int storm_fd;

#define STORM_ADD(what)	((void)__atomic_fetch_add(&storm->what, 1, __ATOMIC_RELAXED))

static inline bool storm_attach(int fd)
{
	storm_fd = fd;
	storm = mmap(NULL, sizeof(*storm), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return storm != MAP_FAILED;
}

/* Not closed by execve(2). */
static inline bool storm_create(void)
{
	int fd = memfd_create("storm", 0);

	return fd >= 0 && !ftruncate(fd, sizeof(*storm)) && storm_attach(fd);
}

static inline long storm_seconds(void)
{
	const char *seconds = getenv("ea_stress");

	return seconds && atol(seconds) > 0 ? atol(seconds) : STORM_SECONDS;
}

static inline long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void nap_ms(unsigned int ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static inline void storm_wrong(int question, long expected, long result)
{
	if (__atomic_fetch_add(&storm->wrong, 1, __ATOMIC_SEQ_CST))
		return;
	storm->first.question = question;
	storm->first.expected = expected;
	storm->first.result = result;
}

/* ---- Questions: calls of which it is known what they return. ---- */

/*
 * One word of each struct is an error that the filter returns, if it is one that
 * no call returns of its own accord. So the struct of another call gives itself
 * away, and a call that is not judged returns one that is of its own accord.
 */
#define ANSWERS		256

#define JUDGE PROG(							\
	LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 1, 0), ALLOW,			\
	LD_NR, JEQ(__NR_openat2, 3, 0), JEQ(__NR_clone3, 4, 0),		\
	JEQ(__NR_sched_setattr, 5, 0), ALLOW,				\
	LD(SECCOMP_EA_LO(struct open_how, mode)), JA(3),		\
	LD(SECCOMP_EA_LO(struct clone_args, exit_signal)), JA(1),	\
	LD(SECCOMP_EA_BASE + offsetof(struct sched_attr, sched_policy)),	\
	JGE(ANSWERS, 1, 0), ALLOW,					\
	BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),		\
	BPF_STMT(BPF_RET | BPF_A, 0))

enum question {
	OPENAT2_DENIED,
	CLONE3_DENIED,
	SCHED_SETATTR_DENIED,
	OPENAT2_FLAGS,
	OPENAT2_TAIL,
	OPENAT2_FAULT,
	CLONE3_FLAGS,
	SCHED_SETATTR_NOBODY,
	/* From here on the call itself needs memory. */
	OPENAT2_BENEATH,
	OPENAT2_OPENED,
	QUESTIONS,
};

/* No process has that number. */
#define NO_PROCESS	INT_MAX

/* Who asks: a sequence of random numbers, and two pages to put structs into. */
struct asker {
	__u32 random;
	char *pages;
};

static inline __u32 random_below(struct asker *asker, __u32 limit)
{
	asker->random = asker->random * 1664525 + 1013904223;
	return (asker->random >> 8) % limit;
}

/* Shared memory keeps its contents while a page of it is not mapped. */
static inline bool asker_init(struct asker *asker)
{
	asker->random = gettid() * 2654435761u + now_ms();
	asker->pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	return asker->pages != MAP_FAILED;
}

static inline void asker_exit(struct asker *asker)
{
	munmap(asker->pages, 2 * PAGE);
}

/* Asks one question, anywhere on the two pages, and judges the answer. */
static inline void ask(struct asker *asker)
{
	const enum question question = random_below(asker, storm->short_of_memory ?
						    OPENAT2_BENEATH : QUESTIONS);
	const long answer = ANSWERS + random_below(asker, 3000);
	union {
		struct open_how how;
		struct clone_args args;
		struct sched_attr attr;
		__u64 words[16];
	} s = { };
	size_t size = sizeof(s.how);
	int nr = __NR_openat2;
	long expected = 0, ret;
	char *place;

	switch (question) {
	case OPENAT2_DENIED:
		s.how.mode = answer;
		expected = -answer;
		break;
	case CLONE3_DENIED:
		nr = __NR_clone3;
		size = sizeof(s.args);
		s.args.exit_signal = answer;
		expected = -answer;
		break;
	case SCHED_SETATTR_DENIED:
		nr = __NR_sched_setattr;
		s.attr.size = SCHED_ATTR_SIZE_VER1;
		s.attr.sched_policy = answer;
		expected = -answer;
		break;
	case OPENAT2_FLAGS:
		s.how.flags = 1ULL << 62;
		expected = -EINVAL;
		break;
	case OPENAT2_TAIL:
		size = sizeof(s.how) + 8;
		s.words[3] = 1;
		expected = -E2BIG;
		break;
	case OPENAT2_FAULT:
		expected = -EFAULT;
		break;
	case CLONE3_FLAGS:
		nr = __NR_clone3;
		size = sizeof(s.args);
		s.args.flags = CLONE_THREAD;
		expected = -EINVAL;
		break;
	case SCHED_SETATTR_NOBODY:
		nr = __NR_sched_setattr;
		s.attr.size = SCHED_ATTR_SIZE_VER1;
		expected = -ESRCH;
		break;
	case OPENAT2_BENEATH:
		s.how.resolve = RESOLVE_BENEATH;
		expected = -EXDEV;
		break;
	default:
		s.how.flags = O_PATH | O_CLOEXEC;
		break;
	}

	place = asker->pages + 8 * random_below(asker, (2 * PAGE - sizeof(s)) / 8);
	memcpy(place, &s, sizeof(s));
	/* The struct is there, but has to be waited for. */
	if (!storm->short_of_memory && !random_below(asker, 8))
		madvise(asker->pages, 2 * PAGE, MADV_DONTNEED);
	if (question == OPENAT2_FAULT)
		place = NULL;

	if (nr == __NR_openat2)
		ret = sys_openat2(AT_FDCWD, "/", place, size);
	else if (nr == __NR_clone3)
		ret = sys_clone3(place, size);
	else
		ret = SYSCALL(nr, NO_PROCESS, place, 0);
	if (nr == __NR_clone3 && ret == 0)
		_exit(1);

	STORM_ADD(calls);
	if (ret == -ENOMEM && storm->short_of_memory)
		STORM_ADD(no_memory);
	else if (question == OPENAT2_OPENED ? ret < 0 : ret != expected)
		storm_wrong(question, expected, ret);
	else if (ret <= -ANSWERS)
		STORM_ADD(denied);
	if (nr == __NR_openat2 && ret >= 0)
		close(ret);
}

/* ---- A struct that another thread rewrites. ---- */

struct raced {
	struct open_how how;
	volatile unsigned long changes;
	volatile bool stop;
};

static inline void *rewrite(void *arg)
{
	struct raced *raced = arg;
	volatile __u64 *mode = (volatile __u64 *)&raced->how.mode;

	while (!raced->stop) {
		*mode = ANSWERS;
		__sync_synchronize();
		*mode = 0;
		__sync_synchronize();
		raced->changes++;
	}
	return NULL;
}

/* A filter that saw one mode and a call that executes the other make EINVAL. */
static inline void ask_raced(struct raced *raced)
{
	const unsigned long before = raced->changes;
	long ret = sys_openat2(AT_FDCWD, "/", &raced->how, sizeof(raced->how));

	STORM_ADD(calls);
	if (ret == -ANSWERS)
		STORM_ADD(denied);
	else if (ret != -EXDEV && !(ret == -ENOMEM && storm->short_of_memory))
		storm_wrong(QUESTIONS, -EXDEV, ret);
	if (raced->changes != before)
		STORM_ADD(raced);
}

/* ---- Processes. ---- */

static inline void judge_or_exit(void)
{
	const struct sock_fprog prog = JUDGE;
	long ret;

	if (no_new_privs())
		_exit(2);
	while ((ret = install_seccomp(0, &prog))) {
		if (ret != -ENOMEM || !storm->short_of_memory)
			_exit(2);
		nap();
	}
	STORM_ADD(filters);
}

static inline void *ask_some(void *arg)
{
	struct asker asker;
	int i;

	if (!asker_init(&asker))
		return NULL;
	/* Some threads bring a filter of their own. */
	if (arg) {
		const struct sock_fprog prog = JUDGE;

		if (!install_seccomp(0, &prog))
			STORM_ADD(filters);
		else if (!storm->short_of_memory)
			storm_wrong(-1, 0, -1);
	}
	for (i = 0; i < 16 && !storm->stop; i++)
		ask(&asker);
	asker_exit(&asker);
	return NULL;
}

/* Threads that come and go. */
static inline void crowd(void)
{
	pthread_t threads[8];
	long i, n;

	judge_or_exit();
	while (!storm->stop) {
		for (n = 0; n < (long)ARRAY_SIZE(threads); n++) {
			if (pthread_create(&threads[n], NULL, ask_some, (void *)(long)(n % 4 == 0)))
				_exit(3);
			STORM_ADD(threads);
		}
		for (i = 0; i < n; i++)
			pthread_join(threads[i], NULL);
	}
	_exit(0);
}

/* One thread that is raced against all the time. */
static inline void race(void)
{
	struct raced raced = { .how.resolve = RESOLVE_BENEATH };
	pthread_t rewriter;

	judge_or_exit();
	if (pthread_create(&rewriter, NULL, rewrite, &raced))
		_exit(4);
	while (!storm->stop)
		ask_raced(&raced);
	raced.stop = true;
	pthread_join(rewriter, NULL);
	_exit(0);
}

/*
 * Starts a process of the storm, which ends with us, in a cgroup below that of the
 * storm.
 */
static inline pid_t storm_start(void (*run)(void), const char *cgroup)
{
	const pid_t parent = getpid();
	char path[128];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || !write_file(path, "0", 0))
			_exit(5);
		run();
		_exit(6);
	}
	return pid;
}

/* ---- Before and after. ---- */

/* A module that has counted nothing yet, no processes, and no charges. */
static inline void storm_begin(struct __test_metadata *_metadata)
{
	static const char * const cgroups[] = {
		STORM_CGROUP, CGROUP_ROOMY, CGROUP_TIGHT, CGROUP_FULL,
	};
	unsigned int i;

	ASSERT_EQ(0, ea_unload_unused());
	ASSERT_EQ(0, ea_load());
	write_file(CGROUPS "/cgroup.subtree_control", "+memory", 0);
	for (i = 0; i < ARRAY_SIZE(cgroups); i++)
		mkdir(cgroups[i], 0755);
	ASSERT_TRUE(write_file(STORM_CGROUP "/cgroup.subtree_control", "+memory", 0));
	ASSERT_TRUE(storm_create());
}

/* Ends what is left of the storm, should the test have ended early. */
static inline void storm_end(struct __test_metadata *_metadata)
{
	int i;

	write_file(STORM_CGROUP "/cgroup.kill", "1", 0);
	while (waitpid(-1, NULL, 0) > 0)
		;
	for (i = 0; i < 1000 && rmdir(CGROUP_ROOMY) && errno == EBUSY; i++)
		nap();
	rmdir(CGROUP_TIGHT);
	rmdir(CGROUP_FULL);
	rmdir(STORM_CGROUP);
	EXPECT_EQ(0, ea_load());
}

/* Whether the storm goes on: for its time, and until there was enough of what it is about. */
static inline bool storm_lasts(long since, long count, long enough)
{
	const long ms = now_ms() - since;

	return ms < storm_seconds() * 1000 ||
	       (count < enough && ms < (storm_seconds() + STORM_PATIENCE * slowness()) * 1000);
}

static inline void storm_wait(const long *count, long enough)
{
	const long since = now_ms();

	while (storm_lasts(since, *(volatile const long *)count, enough))
		nap_ms(10);
}

/* Waits for processes to end of their own accord. */
static inline void storm_stop(struct __test_metadata *_metadata, const pid_t *pids, int n)
{
	int i;

	storm->stop = true;
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, exit_status(pids[i])) TH_LOG("process %d", i);
}

/*
 * What the processes of the storm are charged for objects and programs. The kernel leaves
 * other charges behind, some bytes for each process, with the module and without.
 */
static inline long storm_charged(void)
{
	return read_number(STORM_CGROUP "/memory.stat", "slab_unreclaimable") +
	       read_number(STORM_CGROUP "/memory.stat", "vmalloc");
}

/* Nothing was wrong, and nothing is left, once all processes have ended. */
static inline void expect_calm(struct __test_metadata *_metadata)
{
	int i;

	EXPECT_LT(0, storm->calls);
	EXPECT_LT(0, storm->denied);
	EXPECT_EQ(0, storm->wrong) {
		TH_LOG("the first was question %d: %ld instead of %ld", storm->first.question,
		       storm->first.result, storm->first.expected);
	}
	TH_LOG("%ld calls, %ld denied, %ld raced, %ld without memory", storm->calls,
	       storm->denied, storm->raced, storm->no_memory);

	/* Frees may take a moment, and a grace period. */
	for (i = 0; i < 10000 && (count_of("filters") || count_of("caches")); i++)
		nap();
	EXPECT_EQ(0, count_of("filters"));
	EXPECT_EQ(0, count_of("caches"));
	EXPECT_EQ(0, count_of("denied_unknown"));
	EXPECT_LE(storm->no_memory, count_of("denied_no_memory"));
	EXPECT_LT(0, count_of("served"));
	for (i = 0; i < 100 && storm_charged() > CHARGE_LEFT; i++)
		nap_ms(100);
	EXPECT_GE(CHARGE_LEFT, storm_charged());
	EXPECT_EQ(0, ea_unload_unused());
	EXPECT_EQ(0, ea_load());
}

#endif /* SELFTESTS_STORM_H */
