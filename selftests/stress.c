// SPDX-License-Identifier: GPL-2.0
/*
 * Threads, processes, memory and CPUs that come and go under filters that look at
 * structs. Each call has the result that it should have, and in the end nothing is
 * left. What patches kernel text meanwhile is in stress_text.c.
 *
 * Each test goes on for a few seconds, or for as long as ea_stress= says.
 */
#include "kselftest_harness.h"
#include "storm.h"
#include "withhold.h"

#define CPU_ONLINE	"/sys/devices/system/cpu/cpu1/online"

#define OOM_SCORE	"/proc/self/oom_score_adj"
#define OOM_DUMP	"/proc/sys/vm/oom_dump_tasks"

#define CROWDS		4

FIXTURE(stress)
{
	pid_t crowds[CROWDS];
};

FIXTURE_SETUP(stress)
{
	storm_begin(_metadata);
}

FIXTURE_TEARDOWN(stress)
{
	write_file(CPU_ONLINE, "1", 0);
	storm_end(_metadata);
}

static void start_crowds(struct __test_metadata *_metadata, pid_t *crowds)
{
	int i;

	for (i = 0; i < CROWDS; i++) {
		crowds[i] = storm_start(i ? crowd : race, CGROUP_ROOMY);
		ASSERT_LT(0, crowds[i]);
	}
}

/* ---- Threads. ---- */

TEST_F_TIMEOUT(stress, threads, STORM_TIMEOUT)
{
	start_crowds(_metadata, self->crowds);
	storm_wait(&storm->threads, 200);
	storm_stop(_metadata, self->crowds, CROWDS);
	EXPECT_LE(200, storm->threads);
	EXPECT_LT(0, storm->raced);
	TH_LOG("%ld threads, %ld filters", storm->threads, storm->filters);
	expect_calm(_metadata);
}

/* ---- Processes. ---- */

static char *storm_argv(void)
{
	static char number[16];

	snprintf(number, sizeof(number), "%d", storm_fd);
	return number;
}

static void *execute(void *arg)
{
	char *argv[] = { "stress", "storm", storm_argv(), NULL };

	(void)arg;
	execv("/proc/self/exe", argv);
	return NULL;
}

static void ask_few(void)
{
	struct asker asker;
	int i;

	if (!asker_init(&asker))
		_exit(7);
	for (i = 0; i < 4; i++)
		ask(&asker);
	asker_exit(&asker);
}

/* What a program does that was executed in the middle of a storm, under its filters. */
static int executed(int fd)
{
	if (!storm_attach(fd))
		return 1;
	STORM_ADD(execs);
	ask_few();
	return 0;
}

/* One that executes a program from its only thread, from another one, or not at all. */
static void forked(unsigned int how)
{
	pthread_t thread;

	ask_few();
	if (how % 4 == 0) {
		execute(NULL);
		_exit(8);
	} else if (how % 4 == 1) {
		if (pthread_create(&thread, NULL, execute, NULL))
			_exit(9);
		pthread_join(thread, NULL);
		_exit(10);
	}
	_exit(0);
}

/* Has some children at a time, of which it kills some. */
static void fork_many(void)
{
	/* No stack: the child goes on with a copy of ours, as after fork(2). */
	const struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t pids[6];
	bool killed[6];
	unsigned int i, n = 0;
	int status;

	judge_or_exit();
	while (!storm->stop) {
		for (i = 0; i < ARRAY_SIZE(pids); i++, n++) {
			pids[i] = n % 3 ? fork() : sys_clone3(&args, sizeof(args));
			if (pids[i] == 0)
				forked(n / 2);
			if (pids[i] < 0)
				_exit(11);
			STORM_ADD(forks);
		}
		ask_few();
		for (i = 0; i < ARRAY_SIZE(pids); i++, n += 5) {
			killed[i] = n % 8 == 0;
			if (killed[i]) {
				kill(pids[i], SIGKILL);
				STORM_ADD(kills);
			}
		}
		for (i = 0; i < ARRAY_SIZE(pids); i++) {
			status = exit_status(pids[i]);
			if (status && !(killed[i] && status == -SIGKILL))
				storm_wrong(-2, 0, status);
		}
	}
	_exit(0);
}

TEST_F_TIMEOUT(stress, forks_and_execs, STORM_TIMEOUT)
{
	int i;

	for (i = 0; i < CROWDS; i++) {
		self->crowds[i] = storm_start(fork_many, CGROUP_ROOMY);
		ASSERT_LT(0, self->crowds[i]);
	}
	storm_wait(&storm->execs, 50);
	storm_stop(_metadata, self->crowds, CROWDS);
	EXPECT_LT(100, storm->forks);
	EXPECT_LE(50, storm->execs);
	EXPECT_LT(0, storm->kills);
	TH_LOG("%ld forks, %ld execs, %ld killed", storm->forks, storm->execs, storm->kills);
	expect_calm(_metadata);
}

/* ---- TSYNC. ---- */

#define SYNCED		64
#define SYNCERS		2
#define SYNC_ASKERS	4

/* Who has begun to install a filter for all threads, and who has installed it. */
static volatile bool syncing[SYNCED], synced[SYNCED];
static volatile bool sync_over;

/* All threads get a filter that denies one value of a word that the kernel wants zero. */
static void *sync_filters(void *arg)
{
	long i;

	for (i = (long)arg; i < SYNCED; i += SYNCERS) {
		const struct sock_fprog prog = PROG(
			LD_NR, JEQ(__NR_openat2, 0, 3),
			LD(SECCOMP_EA_HI(struct open_how, mode)), JEQ(i + 1, 0, 1),
			DENY(ANSWERS + i), ALLOW);

		syncing[i] = true;
		__sync_synchronize();
		if (install_seccomp(SECCOMP_FILTER_FLAG_TSYNC, &prog))
			storm_wrong(-3, 0, -1);
		__sync_synchronize();
		synced[i] = true;
		STORM_ADD(syncs);
		/* Each chain is in use for a while. */
		nap();
	}
	return NULL;
}

/* A filter is in force from when it was installed at the latest, and not before it was begun. */
static void *ask_synced(void *arg)
{
	struct asker asker;
	int i;

	(void)arg;
	if (!asker_init(&asker))
		return NULL;
	while (!sync_over) {
		const __u32 value = random_below(&asker, SYNCED);
		const struct open_how how = { .mode = (value + 1ULL) << 32 };
		const bool must = synced[value];
		bool may;
		long ret;

		__sync_synchronize();
		ret = sys_openat2(AT_FDCWD, "/", &how, sizeof(how));
		__sync_synchronize();
		may = syncing[value];
		STORM_ADD(calls);
		if (ret == -(long)(ANSWERS + value) && may)
			STORM_ADD(denied);
		else if (ret != -EINVAL || must)
			storm_wrong(-4, must, ret);
		for (i = 0; i < 4; i++)
			ask(&asker);
	}
	asker_exit(&asker);
	return NULL;
}

static void sync_once(void)
{
	pthread_t syncers[SYNCERS], askers[SYNC_ASKERS];
	long i;

	judge_or_exit();
	for (i = 0; i < SYNC_ASKERS; i++)
		if (pthread_create(&askers[i], NULL, ask_synced, NULL))
			_exit(12);
	for (i = 0; i < SYNCERS; i++)
		if (pthread_create(&syncers[i], NULL, sync_filters, (void *)i))
			_exit(13);
	for (i = 0; i < SYNCERS; i++)
		pthread_join(syncers[i], NULL);
	sync_over = true;
	for (i = 0; i < SYNC_ASKERS; i++)
		pthread_join(askers[i], NULL);
	_exit(0);
}

static void sync_again_and_again(void)
{
	pid_t pid;

	do {
		pid = fork();
		if (pid == 0)
			sync_once();
		if (exit_status(pid))
			_exit(14);
	} while (!storm->stop);
	_exit(0);
}

TEST_F_TIMEOUT(stress, tsync, STORM_TIMEOUT)
{
	int i;

	for (i = 0; i < 2; i++) {
		self->crowds[i] = storm_start(sync_again_and_again, CGROUP_ROOMY);
		ASSERT_LT(0, self->crowds[i]);
	}
	storm_wait(&storm->syncs, 2 * SYNCED);
	storm_stop(_metadata, self->crowds, 2);
	EXPECT_LE(2 * SYNCED, storm->syncs);
	TH_LOG("%ld filters for all threads", storm->syncs);
	expect_calm(_metadata);
}

/* ---- Memory that the cgroup does not have. ---- */

#define HOARDS		2

/* More than there can be caches in the reserves that each CPU has charged already. */
#define HOARDERS	160

static void *hoard_cache(void *arg)
{
	pthread_barrier_t *barrier = arg;
	struct asker asker = { .random = gettid() * 2654435761u };
	char pages[2 * PAGE];

	asker.pages = pages;
	memset(pages, 0, sizeof(pages));
	pthread_barrier_wait(barrier);
	ask(&asker);
	/* Who has no cache yet tries again. */
	pthread_barrier_wait(barrier);
	ask(&asker);
	return NULL;
}

/* Has caches of many threads at once, as far as there is memory for them. */
static void hoard(void)
{
	pthread_t threads[HOARDERS];
	pthread_barrier_t barrier;
	pthread_attr_t attr;
	long i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	judge_or_exit();
	while (!storm->stop) {
		pthread_barrier_init(&barrier, NULL, HOARDERS + 1);
		for (i = 0; i < HOARDERS; i++) {
			while (pthread_create(&threads[i], &attr, hoard_cache, &barrier)) {
				STORM_ADD(refused);
				nap();
			}
			STORM_ADD(threads);
		}
		STORM_ADD(hoards);
		nap_ms(20);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		for (i = 0; i < HOARDERS; i++)
			pthread_join(threads[i], NULL);
	}
	_exit(0);
}

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

/*
 * What else allocates. Nothing in its cgroup can be killed, so it is told that
 * there is no memory, and the kernel's log as well, so not too often.
 */
static void install_without_memory(void)
{
	static __u64 stack[2048];
	const struct sock_fprog judge = JUDGE;
	struct asker asker;
	pid_t pid;
	long ret;

	judge_or_exit();
	if (!asker_init(&asker) || !write_file(OOM_SCORE, "-1000", 0))
		_exit(15);
	/* A page that is not there would have to be waited for. */
	mlockall(MCL_CURRENT | MCL_FUTURE);
	ask(&asker);
	while (!storm->stop) {
		switch (storm->refused % 3) {
		case 0:
			ret = install_seccomp(0, &judge);
			break;
		case 1:
			ret = install_seccomp(SECCOMP_FILTER_FLAG_TSYNC, &judge);
			break;
		default:
			ret = install_prctl(&judge);
		}
		if (ret == 0)
			STORM_ADD(filters);
		else if (ret == -ENOMEM)
			STORM_ADD(refused);
		else
			storm_wrong(-5, -ENOMEM, ret);
		/* The filters that there are judge as ever. */
		ask(&asker);
		/* One that shares our memory, for to copy a page of it we would have to wait. */
		pid = clone(do_nothing, stack + ARRAY_SIZE(stack),
			    CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
		if (pid > 0)
			exit_status(pid);
		else if (errno == ENOMEM || errno == EAGAIN)
			STORM_ADD(forks);
		nap_ms(250);
	}
	_exit(0);
}

/* The kernel does not kill until the limit is kept. */
static bool limit_without_killing(const char *cgroup, long bytes)
{
	char path[128], limit[24];

	snprintf(path, sizeof(path), "%s/memory.max", cgroup);
	snprintf(limit, sizeof(limit), "%ld", bytes);
	return write_file(path, limit, O_NONBLOCK);
}

/* What cannot be killed. */
TEST_F_TIMEOUT(stress, memory_limit_refuses, STORM_TIMEOUT)
{
	long forks;
	int i;

	storm->short_of_memory = true;
	ASSERT_TRUE(write_file(OOM_DUMP, "0", 0));
	self->crowds[0] = storm_start(install_without_memory, CGROUP_FULL);
	ASSERT_LT(0, self->crowds[0]);
	for (i = 0; i < 10000 && !storm->calls; i++)
		nap();
	ASSERT_TRUE(limit_without_killing(CGROUP_FULL, 0));
	storm_wait(&storm->refused, 4);
	/* A child that waits for memory that it needs to exit does not end. */
	ASSERT_TRUE(write_file(CGROUP_FULL "/memory.max", "max", 0));
	forks = storm->forks;
	storm_stop(_metadata, self->crowds, 1);
	EXPECT_LE(4, storm->refused);
	EXPECT_LT(0, forks);
	EXPECT_LT(0, read_number(CGROUP_FULL "/memory.events", "oom"));
	EXPECT_EQ(0, read_number(CGROUP_FULL "/memory.events", "oom_kill"));
	TH_LOG("%ld installations and %ld forks refused, %ld filters", storm->refused, forks,
	       storm->filters);
	expect_calm(_metadata);
}

/* And what is killed by the first page that it cannot do without. */
TEST_F_TIMEOUT(stress, memory_limit, STORM_TIMEOUT)
{
	const long since = now_ms();
	long killed = 0, turns, then, missed;
	pid_t hoards[HOARDS] = { };
	int i, status;

	storm->short_of_memory = true;
	ASSERT_TRUE(write_file(OOM_DUMP, "0", 0));
	for (turns = 0; storm_lasts(since, storm->no_memory, 1); turns++) {
		for (i = 0; i < HOARDS; i++) {
			if (!hoards[i])
				hoards[i] = storm_start(hoard, CGROUP_TIGHT);
			ASSERT_LT(0, hoards[i]);
		}
		/* At any time, or when all threads of one are about to make a call. */
		missed = storm->hoards;
		then = now_ms() + (turns % 2 ? 1000 : turns % 16 * 10);
		while (storm->hoards == missed && now_ms() < then)
			nap();
		ASSERT_TRUE(limit_without_killing(CGROUP_TIGHT, turns % 4 ? 0 :
			    read_number(CGROUP_TIGHT "/memory.current", "") + 16 * PAGE));
		missed = storm->no_memory;
		then = now_ms() + 100;
		while (storm->no_memory == missed && now_ms() < then)
			nap();
		nap_ms(turns % 3 * 10);
		ASSERT_TRUE(write_file(CGROUP_TIGHT "/memory.max", "max", 0));
		for (i = 0; i < HOARDS; i++) {
			if (waitpid(hoards[i], &status, WNOHANG) != hoards[i])
				continue;
			EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
			hoards[i] = 0;
			killed++;
		}
	}
	storm->stop = true;
	for (i = 0; i < HOARDS; i++) {
		if (!hoards[i])
			continue;
		status = exit_status(hoards[i]);
		EXPECT_TRUE(status == 0 || status == -SIGKILL) TH_LOG("%d", status);
		killed += status != 0;
	}
	EXPECT_LT(0, storm->no_memory);
	EXPECT_LE(killed, read_number(CGROUP_TIGHT "/memory.events", "oom_kill"));
	TH_LOG("%ld times a limit for %ld threads: %ld forks refused, %ld processes killed",
	       turns, storm->threads, storm->refused, killed);
	expect_calm(_metadata);
}

/* ---- CPUs. ---- */

TEST_F_TIMEOUT(stress, cpu_hotplug, STORM_TIMEOUT)
{
	const long since = now_ms();
	long cycles = 0;

	if (access(CPU_ONLINE, W_OK))
		SKIP(return, "the second CPU cannot be taken offline");
	start_crowds(_metadata, self->crowds);
	while (storm_lasts(since, cycles, 3)) {
		ASSERT_TRUE(write_file(CPU_ONLINE, "0", 0));
		EXPECT_EQ(1, sysconf(_SC_NPROCESSORS_ONLN));
		nap_ms(cycles % 4 * 20);
		ASSERT_TRUE(write_file(CPU_ONLINE, "1", 0));
		EXPECT_EQ(2, sysconf(_SC_NPROCESSORS_ONLN));
		nap_ms(cycles % 5 * 20);
		cycles++;
	}
	storm_stop(_metadata, self->crowds, CROWDS);
	EXPECT_LE(3, cycles);
	EXPECT_LT(0, storm->threads);
	TH_LOG("%ld times offline and online, %ld threads", cycles, storm->threads);
	expect_calm(_metadata);
}

/* ---- The OOM killer. ---- */

/* A struct that never comes: who waits for it is killed there. */
static void *wait_for_struct(void *arg)
{
	STORM_ADD(sleepers);
	sys_openat2(AT_FDCWD, "/", arg, sizeof(struct open_how));
	return NULL;
}

static void *ask_on_and_on(void *arg)
{
	struct asker asker;

	(void)arg;
	if (!asker_init(&asker))
		return NULL;
	STORM_ADD(threads);
	for (;;)
		ask(&asker);
}

/*
 * Eats memory until it is killed, while its threads call and one of them sleeps. As
 * the others eat as well there may be no memory for all of these.
 */
static void eat(void)
{
	char *withheld = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
	pthread_t thread;
	int i;

	judge_or_exit();
	if (withheld != MAP_FAILED && withhold(withheld, PAGE) >= 0)
		pthread_create(&thread, NULL, wait_for_struct, withheld);
	for (i = 0; i < 6; i++)
		pthread_create(&thread, NULL, ask_on_and_on, NULL);
	for (;;) {
		char *eaten = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (eaten != MAP_FAILED)
			memset(eaten, 1, 64 * PAGE);
		if (storm->stop)
			_exit(0);
		nap();
	}
}

TEST_F_TIMEOUT(stress, oom_kills, STORM_TIMEOUT)
{
	const long since = now_ms();
	long killed, ended = 0;
	pid_t eaters[2];
	int i;

	storm->short_of_memory = true;
	ASSERT_TRUE(write_file(OOM_DUMP, "0", 0));
	ASSERT_TRUE(write_file(CGROUP_TIGHT "/memory.max", "24M", 0));
	while (storm_lasts(since, ended, 6)) {
		/* All of the group at once, or one of it. */
		ASSERT_TRUE(write_file(CGROUP_TIGHT "/memory.oom.group", ended % 4 ? "0" : "1",
				       0));
		for (i = 0; i < 2; i++) {
			eaters[i] = storm_start(eat, CGROUP_TIGHT);
			ASSERT_LT(0, eaters[i]);
		}
		for (i = 0; i < 2; i++) {
			EXPECT_EQ(-SIGKILL, exit_status(eaters[i]));
			ended++;
		}
	}
	killed = read_number(CGROUP_TIGHT "/memory.events", "oom_kill");
	/* It counts a process twice that dies with its group. */
	EXPECT_LE(6, ended);
	EXPECT_LE(ended, killed);
	EXPECT_LT(0, storm->threads);
	EXPECT_LT(0, storm->sleepers);
	TH_LOG("%ld killed, with %ld threads that called and %ld that slept", killed,
	       storm->threads, storm->sleepers);
	expect_calm(_metadata);
}

int main(int argc, char **argv)
{
	/* As what is executed in the middle of a storm. */
	if (argc == 3 && strcmp(argv[1], "storm") == 0)
		return executed(atoi(argv[2]));
	return test_harness_run(argc, argv);
}
