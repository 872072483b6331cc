// SPDX-License-Identifier: GPL-2.0
/*
 * What a user without privileges can make of it all: the longest filters, as many
 * as there may be, as many threads as there may be, and no memory for any of it.
 * He is charged for it, it takes a bounded time, and he is told when it is too much.
 */
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "common.h"
#include "counters.h"

/* No call here returns it of its own accord. */
#define DENIED		EDOTDOT

#define NOBODY		65534

/* What the filters of a thread may come to, in instructions of eBPF and four more for each. */
#define MAX_INSNS_PER_PATH	32768
#define PENALTY		4

#define CGROUP		CGROUPS "/abuser"

#define JIT_ENABLE	"/proc/sys/net/core/bpf_jit_enable"
#define JIT_HARDEN	"/proc/sys/net/core/bpf_jit_harden"
#define JIT_LIMIT	"/proc/sys/net/core/bpf_jit_limit"

static bool write_number(const char *path, long number, int flags)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", number);
	return write_file(path, text, flags);
}

static bool become_nobody(void)
{
	return !setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY) &&
	       !setresuid(NOBODY, NOBODY, NOBODY) && !no_new_privs();
}

/* CPU time: what others do on a busy machine is not counted. */
static long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- Filters. ---- */

/*
 * A filter with instructions of one kind in the middle. It judges openat2(2) by a
 * word of the struct, or, as an ordinary one of the same length, by the size.
 */
static const struct kind {
	const char *name;
	/* In front of the comparison of nr, not behind it. */
	bool first;
	/* Taken in turn; loads of an ordinary filter are loads of nr. */
	struct sock_filter insns[2];
} kinds[] = {
	/* The most that one instruction becomes: five of eBPF, seven with constants hidden. */
	{ "divisions", false, {
		BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
	} },
	/* Two jumps and a constant each. */
	{ "comparisons", false, { JEQ(-5, 1, 1), JGT(-9, 1, 1) } },
	{ "constants", false, {
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 0x12345678),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 0x9abcdef0),
	} },
	{ "loads", false, { LD(SECCOMP_EA_BASE + SECCOMP_EA_MAX - 4), LD(SECCOMP_EA_TAIL) } },
	/* What verification has the most to do with: sets of numbers that split and merge. */
	{ "bits of the number", true, { LD_NR, JSET(0x5a5, 0, 0) } },
};

static const struct sock_filter head[] = {
	LD_NR, JEQ(__NR_openat2, 2, 0), JA(0), ALLOW,
	BPF_STMT(BPF_LDX | BPF_IMM, 1), LD_ARG(3),
}, tail[] = {
	LD(SECCOMP_EA_LO(struct open_how, mode)), JEQ(0, 1, 0), DENY(DENIED), ALLOW,
}, ordinary_tail[] = {
	LD_ARG(3), JEQ(sizeof(struct open_how), 1, 0), DENY(DENIED), ALLOW,
};

static struct sock_fprog make_filter(const struct kind *kind, unsigned short len, bool extended,
				     struct sock_filter *insns)
{
	const unsigned int middle = len - ARRAY_SIZE(head) - ARRAY_SIZE(tail);
	const unsigned int start = kind->first ? 0 : ARRAY_SIZE(head);
	unsigned int i;

	memcpy(insns + (kind->first ? middle : 0), head, sizeof(head));
	/* The way of all other calls leads across all of it, as far as a jump can. */
	if (!kind->first)
		insns[2].k = len - 4;
	for (i = 0; i < middle; i++) {
		insns[start + i] = kind->insns[i % 2];
		if (!extended && insns[start + i].k >= SECCOMP_EA_BASE &&
		    BPF_CLASS(insns[start + i].code) == BPF_LD)
			insns[start + i] = (struct sock_filter)LD_NR;
	}
	memcpy(insns + len - ARRAY_SIZE(tail), extended ? tail : ordinary_tail, sizeof(tail));
	return (struct sock_fprog){ .len = len, .filter = insns };
}

/* What is wrong under such a filter, as a set of bits. */
static int wrong_verdicts(bool extended)
{
	/* EINVAL soon after the copy, for a flag that the kernel does not know. */
	struct {
		struct open_how how;
		__u64 tail;
	} open = { .how.flags = 1ULL << 62 };
	int wrong;

	wrong = sys_openat2(AT_FDCWD, "/", &open.how, sizeof(open.how)) != -EINVAL;
	open.how.mode = extended;
	wrong |= (sys_openat2(AT_FDCWD, "/", &open.how, sizeof(open) - 8 * extended) != -DENIED) << 1;
	wrong |= (getppid() <= 0) << 2;
	return wrong;
}

static struct sock_filter insns[BPF_MAXINSNS + 1];

/* What the abuser and the test share. */
static struct shared {
	long ret, wrong, refused, us, filters;
	/* How far the abuser is, and how far he may go. */
	volatile int stage, told;
} *shared;

static void share(void)
{
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void await(int stage)
{
	shared->stage = stage;
	while (shared->told < stage)
		nap();
}

static bool reaches(int stage)
{
	int i;

	for (i = 0; i < 60000 && shared->stage < stage; i++)
		nap();
	return shared->stage >= stage;
}

static pid_t start(struct __test_metadata *_metadata, int (*fn)(void *arg), void *arg)
{
	pid_t pid;

	shared->stage = 0;
	shared->told = 0;
	pid = fork();
	ASSERT_LE(0, pid);
	if (pid == 0)
		_exit(fn(arg));
	return pid;
}

struct installation {
	struct sock_fprog prog;
	bool extended;
};

/* Installs one filter, and tells how that went and how long it took. */
static int install_once(void *arg)
{
	const struct installation *i = arg;
	long started;

	if (!become_nobody())
		return 1;
	started = now_us();
	shared->ret = install_seccomp(0, &i->prog);
	shared->us = now_us() - started;
	shared->wrong = shared->ret ? 0 : wrong_verdicts(i->extended);
	return 0;
}

FIXTURE(jit)
{
	long enable, harden, limit;
};

FIXTURE_VARIANT(jit)
{
	long enable, harden;
};

FIXTURE_VARIANT_ADD(jit, on) { .enable = 1 };
FIXTURE_VARIANT_ADD(jit, off) { };
/* Root's filters are not hardened by this. */
FIXTURE_VARIANT_ADD(jit, hardened) { .enable = 1, .harden = 1 };

FIXTURE_SETUP(jit)
{
	ASSERT_EQ(0, ea_load());
	share();
	self->enable = read_number(JIT_ENABLE, "");
	self->harden = read_number(JIT_HARDEN, "");
	self->limit = read_number(JIT_LIMIT, "");
	ASSERT_LT(0, self->limit);
	ASSERT_TRUE(write_number(JIT_ENABLE, variant->enable, 0));
	ASSERT_TRUE(write_number(JIT_HARDEN, variant->harden, 0));
}

FIXTURE_TEARDOWN(jit)
{
	write_number(JIT_ENABLE, self->enable, 0);
	write_number(JIT_HARDEN, self->harden, 0);
	write_number(JIT_LIMIT, self->limit, 0);
}

static long install_time(struct __test_metadata *_metadata, const struct kind *kind, bool extended)
{
	struct installation i = {
		.prog = make_filter(kind, BPF_MAXINSNS, extended, insns),
		.extended = extended,
	};

	EXPECT_EQ(0, in_child(install_once, &i));
	EXPECT_EQ(0, shared->ret) TH_LOG("%s", kind->name);
	EXPECT_EQ(0, shared->wrong) TH_LOG("%s", kind->name);
	return shared->us;
}

/*
 * The longest filters that there are: accepted where ordinary ones are, right in
 * their verdicts, and installed in a time that is bounded as the kernel's own is.
 * It is measured again if it was too long, for emulated CPUs have to wait for others.
 */
TEST_F_TIMEOUT(jit, longest, 1500)
{
	long ordinary, extended;
	unsigned int i;
	int tries;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (tries = 0; tries < 5; tries++) {
			ordinary = install_time(_metadata, &kinds[i], false);
			extended = install_time(_metadata, &kinds[i], true);
			if (extended < 20 * ordinary + 200000)
				break;
		}
		EXPECT_GT(5, tries);
		TH_LOG("%s: %ld us, %ld us if it is an ordinary filter", kinds[i].name, extended,
		       ordinary);
	}
	EXPECT_EQ(0, count_of("filters"));
}

/*
 * No memory for the image of a program, as the kernel limits all of them together:
 * an ordinary filter is interpreted then. An extended one is as well, or refused if
 * there was memory for the program that it is made of; it is never wrong.
 */
TEST_F(jit, image_limit)
{
	struct installation i = {
		.prog = make_filter(&kinds[0], BPF_MAXINSNS / 4, true, insns),
		.extended = true,
	};
	long limit, accepted = 0, refused = 0;

	for (limit = 1; limit < 1 << 17; limit += 1 << 13) {
		ASSERT_TRUE(write_number(JIT_LIMIT, limit, 0));
		ASSERT_EQ(0, in_child(install_once, &i));
		EXPECT_EQ(0, shared->wrong);
		if (shared->ret == -ENOMEM)
			refused++;
		else
			EXPECT_EQ(0, shared->ret);
		accepted += !shared->ret;
	}
	EXPECT_LT(1, accepted);
	EXPECT_EQ(variant->enable, refused > 0);
	TH_LOG("%ld accepted, %ld refused", accepted, refused);
	EXPECT_EQ(0, count_of("filters"));
}

/* ---- As many as there may be. ---- */

FIXTURE(many)
{
	long enable, harden;
};

/* What the length of an ordinary filter is reckoned by. */
FIXTURE_SETUP(many)
{
	ASSERT_EQ(0, ea_load());
	share();
	self->enable = read_number(JIT_ENABLE, "");
	self->harden = read_number(JIT_HARDEN, "");
	ASSERT_TRUE(write_number(JIT_ENABLE, 1, 0));
	ASSERT_TRUE(write_number(JIT_HARDEN, 0, 0));
	write_file(CGROUPS "/cgroup.subtree_control", "+memory +pids", 0);
	mkdir(CGROUP, 0755);
	ASSERT_LE(0, read_number(CGROUP "/memory.current", ""));
}

FIXTURE_TEARDOWN(many)
{
	int i;

	write_number(JIT_ENABLE, self->enable, 0);
	write_number(JIT_HARDEN, self->harden, 0);
	write_file(CGROUP "/cgroup.kill", "1", 0);
	for (i = 0; i < 1000 && rmdir(CGROUP) && errno == EBUSY; i++)
		nap();
}

/* What one filter of the sort below becomes, and what the module puts in front of it. */
#define CONVERTED	(3 + 1 + 1 + 1 + 1 + 2 + 2)
#define PROLOGUE	9

static const struct sock_fprog small_ordinary = PROG(
	LD_NR, JEQ(__NR_openat2, 0, 3),
	LD_ARG(3), JEQ(sizeof(struct open_how), 1, 0), DENY(DENIED), ALLOW);
static const struct sock_fprog small_extended = PROG(
	LD_NR, JEQ(__NR_openat2, 0, 3),
	LD(SECCOMP_EA_LO(struct open_how, mode)), JEQ(0, 1, 0), DENY(DENIED), ALLOW);

/*
 * The memory of objects that the cgroup is charged with, to the byte: once the
 * kernel has added it up, which it does every two seconds.
 */
static long charged_slab(void)
{
	sleep(3);
	return read_number(CGROUP "/memory.stat", "slab_unreclaimable");
}

/* Stays in the cgroup until it is told to end. */
static int install_until_refused(void *arg)
{
	const bool extended = *(bool *)arg;
	const struct sock_fprog *prog = extended ? &small_extended : &small_ordinary;
	long started;

	if (!write_file(CGROUP "/cgroup.procs", "0", 0) || !become_nobody())
		return 1;
	shared->filters = 0;
	await(1);
	while (!(shared->ret = install_seccomp(0, prog)))
		shared->filters++;
	started = now_us();
	shared->wrong = wrong_verdicts(extended);
	shared->us = now_us() - started;
	await(2);
	return 0;
}

/* How much more memory of objects each filter takes than none at all. */
static long fill(struct __test_metadata *_metadata, bool extended)
{
	long before, after;
	pid_t pid;

	/* One that nothing was charged to yet. */
	rmdir(CGROUP);
	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	pid = start(_metadata, install_until_refused, &extended);
	ASSERT_TRUE(reaches(1));
	before = charged_slab();
	shared->told = 1;
	ASSERT_TRUE(reaches(2));
	after = charged_slab();
	if (extended)
		EXPECT_EQ(shared->filters, count_of("filters"));
	shared->told = 2;
	EXPECT_EQ(0, exit_status(pid));
	/* The thread has made a call and so has a cache. */
	return (after - before - extended * cache_cost()) / shared->filters;
}

/*
 * The kernel bounds the sum of a thread's filters, and takes what the module adds
 * to them into account. For each, the abuser is charged with what the module keeps.
 */
TEST_F(many, filters)
{
	/*
	 * What the module keeps: a record of 16 bytes and a node in a tree of 40, of which
	 * the allocator makes 64. The kernel charges a pointer more for each.
	 */
	const long kept = 16 + 64;
	long ordinary, extended, us;

	ordinary = fill(_metadata, false);
	EXPECT_EQ(-ENOMEM, shared->ret);
	EXPECT_EQ(0, shared->wrong);
	EXPECT_EQ((MAX_INSNS_PER_PATH + PENALTY) / (CONVERTED + PENALTY), shared->filters);
	us = shared->us;

	extended = fill(_metadata, true);
	EXPECT_EQ(-ENOMEM, shared->ret);
	EXPECT_EQ(0, shared->wrong);
	EXPECT_EQ((MAX_INSNS_PER_PATH + PENALTY) / (PROLOGUE + CONVERTED + PENALTY),
		  shared->filters);
	TH_LOG("%ld filters, %ld bytes each, %ld if they are ordinary; three calls take %ld us and %ld us",
	       shared->filters, extended, ordinary, shared->us, us);
	EXPECT_LT(kept, extended - ordinary);
	EXPECT_GT(1024, extended - ordinary);
	EXPECT_GT(20 * us + 200000, shared->us);
	EXPECT_EQ(0, count_of("filters"));
}

/* ---- Threads. ---- */

#define PIDS		300
#define THREADS		(PIDS - 1)

static pthread_barrier_t barrier;
static struct open_how hows[THREADS];
static long results[THREADS];

/* The program's own data is where 32-bit addresses reach. */
static long open_32(const struct open_how *how)
{
#ifdef __x86_64__
	long ret;

	asm volatile("int $0x80"
		     : "=a" (ret)
		     : "a" (__NR_openat2), "b" (AT_FDCWD), "c" (""), "d" (how), "S" (sizeof(*how))
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
#else
	return sys_openat2(AT_FDCWD, "", how, sizeof(*how));
#endif
}

/* Every other one calls as a 32-bit program does. */
static void *call_twice(void *arg)
{
	const long i = (long)arg;
	struct open_how *how = &hows[i];
	int round;

	/* What comes later is done once before, so that it needs nothing new. */
	results[i] = close(-1);
	how->flags = 1ULL << 62;
	how->mode = i / 2 % 2;
	for (round = 0; round < 2; round++) {
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		results[i] = i % 2 ? open_32(how) : sys_openat2(AT_FDCWD, "", how, sizeof(*how));
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void *do_nothing(void *arg)
{
	return arg;
}

/* Has all threads make their call as soon as the test says so. */
static void call_when_told(int stage)
{
	long i;

	pthread_barrier_wait(&barrier);
	await(stage);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	shared->wrong = 0;
	shared->refused = 0;
	for (i = 0; i < THREADS; i++) {
		if (results[i] == -ENOMEM)
			shared->refused++;
		else if (results[i] != (hows[i].mode ? -DENIED : -EINVAL))
			shared->wrong++;
	}
	await(stage + 1);
	pthread_barrier_wait(&barrier);
}

static int start_threads(void *arg)
{
	pthread_t threads[THREADS], one_more;
	pthread_attr_t attr;
	long i;

	(void)arg;

	if (!write_file(CGROUP "/cgroup.procs", "0", 0) || !become_nobody() ||
	    install_seccomp(0, &small_extended))
		return 1;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], &attr, call_twice, (void *)i))
			return 2;
	shared->ret = pthread_create(&one_more, &attr, do_nothing, NULL);
	call_when_told(1);
	call_when_told(3);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static pid_t threads_before_call(struct __test_metadata *_metadata)
{
	pid_t pid;

	ASSERT_TRUE(write_number(CGROUP "/pids.max", PIDS, 0));
	pid = start(_metadata, start_threads, NULL);
	ASSERT_TRUE(reaches(1));
	/* That was as many as there may be. */
	EXPECT_EQ(EAGAIN, shared->ret);
	return pid;
}

/* As many threads as there may be: each has one cache, is charged for it, and gives it back. */
TEST_F(many, threads)
{
	const pid_t pid = threads_before_call(_metadata);
	const long cache = cache_cost();
	long none = charged_slab(), all, again, left;
	int i;

	EXPECT_EQ(0, count_of("caches"));
	shared->told = 1;
	ASSERT_TRUE(reaches(2));
	all = charged_slab();
	EXPECT_EQ(0, shared->wrong);
	EXPECT_EQ(0, shared->refused);
	EXPECT_EQ(THREADS, count_of("caches"));
	shared->told = 3;
	ASSERT_TRUE(reaches(4));
	again = charged_slab();
	EXPECT_EQ(0, shared->wrong);
	EXPECT_EQ(THREADS, count_of("caches"));
	shared->told = 4;
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, count_of("caches"));

	/* Threads are freed after a grace period, and their caches later yet. */
	for (i = 0; i < 5; i++) {
		left = charged_slab();
		if (left < all / 4)
			break;
	}
	TH_LOG("%ld KiB for %d threads, %ld KiB later, %ld KiB left", (all - none) / 1024, THREADS,
	       (again - none) / 1024, left / 1024);
	EXPECT_LT(THREADS * (cache - 512), all - none);
	EXPECT_GT(THREADS * (cache + 1024), all - none);
	EXPECT_GT(THREADS * (cache + 1024), again - none);
	EXPECT_GT(all / 4, left);
}

/* Threads without memory for a cache are told so, and nobody is killed for it. */
TEST_F(many, threads_without_memory)
{
	const pid_t pid = threads_before_call(_metadata);
	const long limit = read_number(CGROUP "/memory.current", "") + 16 * cache_cost();

	/* Nonblocking, the kernel does not kill until the limit is kept. */
	ASSERT_TRUE(write_number(CGROUP "/memory.max", limit, O_NONBLOCK));
	shared->told = 1;
	ASSERT_TRUE(reaches(2));
	EXPECT_EQ(0, shared->wrong);
	EXPECT_LT(0, shared->refused);
	EXPECT_LE(shared->refused, count_of("denied_no_memory"));
	EXPECT_GE(limit, read_number(CGROUP "/memory.current", ""));
	TH_LOG("%ld of %d refused", shared->refused, THREADS);

	ASSERT_TRUE(write_file(CGROUP "/memory.max", "max", 0));
	shared->told = 3;
	ASSERT_TRUE(reaches(4));
	EXPECT_EQ(0, shared->wrong);
	EXPECT_EQ(0, shared->refused);
	shared->told = 4;
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, read_number(CGROUP "/memory.events", "oom_kill"));
	EXPECT_EQ(0, count_of("caches"));
}

/* ---- No memory for filters. ---- */

struct starved {
	struct sock_fprog prog;
	/* Who must not be killed is told. */
	bool spared;
};

static int install_starved(void *arg)
{
	const struct starved *s = arg;

	if (!write_file(CGROUP "/cgroup.procs", "0", 0) ||
	    (s->spared && !write_file("/proc/self/oom_score_adj", "-1000", 0)) ||
	    !become_nobody() || install_seccomp(0, &small_extended) || mlockall(MCL_CURRENT))
		return 1;
	/* All that comes later is done once before. */
	shared->wrong = wrong_verdicts(true);
	shared->filters = 0;
	await(1);
	while (!(shared->ret = install_seccomp(0, &s->prog)))
		shared->filters++;
	await(2);
	shared->wrong |= wrong_verdicts(true);
	return 0;
}

/* How it ends: with the error of the last installation, or by the OOM killer. */
static void starve(struct __test_metadata *_metadata, struct starved *s, long bytes)
{
	long killed = read_number(CGROUP "/memory.events", "oom_kill"), limit;
	siginfo_t info = { };
	int status;
	pid_t pid;

	shared->ret = 0;
	ASSERT_TRUE(write_file(CGROUP "/memory.max", "max", 0));
	pid = start(_metadata, install_starved, s);
	ASSERT_TRUE(reaches(1));
	limit = read_number(CGROUP "/memory.current", "") + bytes;
	ASSERT_TRUE(write_number(CGROUP "/memory.max", limit, O_NONBLOCK));
	shared->told = 1;
	while (shared->stage < 2 && !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       !info.si_pid)
		nap();
	EXPECT_GE(limit, read_number(CGROUP "/memory.current", ""));
	ASSERT_TRUE(write_file(CGROUP "/memory.max", "max", 0));
	shared->told = 2;
	status = exit_status(pid);
	killed = read_number(CGROUP "/memory.events", "oom_kill") - killed;
	EXPECT_EQ(s->spared ? 0 : 1, killed);
	EXPECT_EQ(s->spared ? 0 : -SIGKILL, status);
	EXPECT_EQ(0, shared->wrong);
	EXPECT_EQ(0, count_of("filters"));
}

TEST_F(many, filters_without_memory)
{
	struct starved s = { .prog = small_extended, .spared = true };
	long bytes, refused = 0, accepted = 0;

	starve(_metadata, &s, 1024 * 1024);
	EXPECT_EQ(-ENOMEM, shared->ret);
	EXPECT_LT(0, shared->filters);
	EXPECT_GT(1024, shared->filters);
	TH_LOG("%ld filters in a megabyte", shared->filters);

	/* Of the longest, which takes the most to verify: at each allocation in turn. */
	s.prog = make_filter(&kinds[3], BPF_MAXINSNS, true, insns);
	for (bytes = 0; bytes < 2 * 1024 * 1024; bytes += 128 * 1024) {
		starve(_metadata, &s, bytes);
		EXPECT_EQ(-ENOMEM, shared->ret);
		refused += !shared->filters;
		accepted += shared->filters > 0;
	}
	TH_LOG("the longest: %ld limits too tight for one, %ld not", refused, accepted);
	EXPECT_LT(0, refused);
	EXPECT_LT(0, accepted);

	/* Who may be killed is, as for an ordinary filter. */
	s.prog = small_extended;
	s.spared = false;
	starve(_metadata, &s, 1024 * 1024);
}

/* ---- What is refused. ---- */

static int refused_as_ordinary(void *arg)
{
	struct sock_fprog prog;
	int kind, wrong = 0;

	(void)arg;
	if (!become_nobody())
		return 1;
	for (kind = 0; kind < 2; kind++) {
		prog = make_filter(&kinds[3], BPF_MAXINSNS, kind, insns);
		prog.len = BPF_MAXINSNS + 1;
		wrong |= install_seccomp(0, &prog) != -EINVAL;
		prog.len = 0;
		wrong |= (install_seccomp(0, &prog) != -EINVAL) << 1;
		/* Cut off, it has no return at its end. */
		prog.len = BPF_MAXINSNS - 1;
		insns[prog.len - 1] = (struct sock_filter)LD_NR;
		wrong |= (install_seccomp(0, &prog) != -EINVAL) << 2;
		insns[prog.len - 1] = (struct sock_filter)JA(-1);
		wrong |= (install_seccomp(0, &prog) != -EINVAL) << 3;
	}
	return wrong;
}

/* What the kernel refuses of an ordinary filter it refuses of an extended one, with that error. */
TEST_F(many, invalid_filters)
{
	const long refused = count_of("refused");

	EXPECT_EQ(0, in_child(refused_as_ordinary, NULL));
	/* None of it came as far as the verification. */
	EXPECT_EQ(refused, count_of("refused"));
}

TEST_HARNESS_MAIN
