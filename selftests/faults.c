// SPDX-License-Identifier: GPL-2.0
/*
 * Allocations and copies from and to user memory that fail. Each test makes one
 * operation again and again, and has another one of its allocations and copies
 * fail each time, the first one first, until there is none left to fail. Whatever
 * fails: a call is denied or fails but is not executed unchecked, nothing is left
 * behind, and the error is the one that the contract names.
 *
 * That needs a kernel that fails on demand, as that of "make debug-test" does.
 */
#include <dirent.h>
#include <elf.h>
#include <pthread.h>

#include "counters.h"
#include "kselftest_harness.h"
#include "supervise.h"

/* A kernel that looks at everything it does is slow. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	1200

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define DEBUGFS		"/sys/kernel/debug/"
#define CALLS		DEBUGFS EA_MODULE "/calls"
#define KMEMLEAK	DEBUGFS "kmemleak"
#define SLABS		"/sys/kernel/slab/"
#define KPROBES		DEBUGFS "kprobes/list"
#define JIT_HARDEN	"/proc/sys/net/core/bpf_jit_harden"
#define RCU_EXPEDITED	"/sys/kernel/rcu_expedited"

/* No call here returns it of its own accord. */
#define DENIED		EDOTDOT

/* ---- Faults. ---- */

enum fault { SLAB, PAGES, COPY, NOTHING };

/* What debugfs calls them. */
static const char *const faults[] = { "failslab", "fail_page_alloc", "fail_usercopy" };

static const char *setting(enum fault fault, const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", faults[fault], name);
	return path;
}

/* Writes 1 to a file of all slab caches but those of what looks for mistakes. */
static bool tell_slabs(const char *file)
{
	DIR *slabs = opendir(SLABS);
	struct dirent *slab;
	char path[512];
	bool exempt;

	while (slabs && (slab = readdir(slabs))) {
		exempt = strstr(slab->d_name, "kmemleak") || strstr(slab->d_name, "debug_objects");
		snprintf(path, sizeof(path), SLABS "%s/%s", slab->d_name, file);
		if (!exempt)
			write_file(path, "1", 0);
	}
	return slabs && !closedir(slabs);
}

/*
 * Has every allocation be one that may fail, and none be reported: the log is for what
 * goes wrong.
 */
static bool prepare_faults(void)
{
	enum fault fault;

	for (fault = SLAB; fault < NOTHING; fault++)
		if (!write_file(setting(fault, "verbose"), "0", 0))
			return false;
	return tell_slabs("failslab") && write_file(setting(SLAB, "cache-filter"), "Y", 0) &&
	       write_file(setting(SLAB, "ignore-gfp-wait"), "N", 0) &&
	       write_file(setting(PAGES, "ignore-gfp-wait"), "N", 0) &&
	       write_file(setting(PAGES, "ignore-gfp-highmem"), "N", 0) &&
	       write_file(setting(PAGES, "min-order"), "0", 0) &&
	       access(FAIL_NTH, W_OK) == 0;
}

/*
 * How often each may happen is counted down when it does, and decides about nothing here. So
 * it tells which one has.
 */
static bool has_happened(enum fault fault)
{
	int fd = open(setting(fault, "times"), O_RDONLY | O_CLOEXEC);
	char times = '1';
	bool read_it = read(fd, &times, 1) == 1;

	close(fd);
	return read_it && times == '0';
}

/* Has the thread's @n-th allocation or copy from now on fail, and no other. */
static int arm(unsigned int n)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", n), fd;
	enum fault fault;

	for (fault = SLAB; fault < NOTHING; fault++)
		if (!write_file(setting(fault, "times"), "1", 0))
			_exit(100);
	fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	if (pwrite(fd, text, length, 0) != length)
		_exit(100);
	return fd;
}

/*
 * What has failed since arm() has opened @fd. To read that takes a copy, and so does writing,
 * one of which may be the one: that is nothing.
 */
static enum fault disarm(int fd)
{
	enum fault fault = SLAB;
	char left;

	if (pread(fd, &left, 1, 0) <= 0)
		left = '1';
	while (pwrite(fd, "0", 1, 0) != 1)
		;
	close(fd);
	if (left != '0')
		return NOTHING;
	while (fault < NOTHING && !has_happened(fault))
		fault++;
	return fault;
}

/* Whether @ret is what has to become of a call that a fault makes fail. */
static bool is_due_to(enum fault fault, long ret)
{
	return fault == COPY ? ret == -EFAULT : fault != NOTHING && ret == -ENOMEM;
}

/* ---- Rounds. ---- */

/* What a round came to, as an exit status. */
enum outcome {
	/* Something failed, and all was right. */
	FAULTED,
	/* The operation was over before anything could fail, and all was right. */
	OVER,
	WRONG,
};

/* What is gone through in rounds. */
struct path {
	const char *name;
	/* A round, in a child of its own. Returns its outcome. */
	int (*run)(void *operation);
	const void *operation;
	/* The set of those faults that have to make it fail: else nothing is shown. */
	unsigned int needed;
	/* Where to begin, and how many to go on by each time: 1, if nothing is said. */
	unsigned int first, stride;
};

#define SET(fault)	(1 << (fault))

/* All rounds of a path, in memory that children share: faults, and those with an effect. */
static struct tally {
	unsigned int faults[NOTHING], failed[NOTHING], effective;
} *tally;

/* The allocation or copy that is to fail in this round, and the last one of the path that did. */
static unsigned int position, last;

/* A round goes on when something is wrong, but has gone wrong. */
static bool gone_wrong;

static void check(bool ok, const char *what, long ret, int line)
{
	if (ok)
		return;
	printf("# line %d: not %s: %ld\n", line, what, ret);
	gone_wrong = true;
}

#define CHECK(condition, ret)	check(condition, #condition, ret, __LINE__)

static int outcome(enum fault fault, long ret)
{
	if (gone_wrong)
		return WRONG;
	if (fault == NOTHING)
		return OVER;
	tally->faults[fault]++;
	if (ret == -ENOMEM || ret == -EFAULT) {
		tally->failed[fault]++;
		tally->effective |= SET(fault);
	}
	return FAULTED;
}

/* Whether there are as many filters and caches as there were. */
static bool is_counted(long filters, long caches)
{
	int i;

	for (i = 0; i < 2000; i++) {
		if (count_of("filters") == filters && count_of("caches") == caches)
			return true;
		nap();
	}
	return false;
}

/*
 * How many rounds of a path went wrong.
 *
 * How many allocations and copies there are differs, as the kernel's own caches run empty every
 * now and then, and one may be missed for that. So most paths are gone through twice, and more
 * often to show what is needed; each time until they were over before the fault three times.
 */
static int each_position(const struct path *path)
{
	const long filters = count_of("filters"), caches = count_of("caches");
	const int passes = path->stride ? 1 : 2;
	int wrong = 0, pass, over, status;
	enum fault fault;

	last = 0;
	memset(tally, 0, sizeof(*tally));
	for (pass = 0; pass < passes || (pass < 10 && path->needed & ~tally->effective); pass++) {
		position = path->first ?: 1;
		for (over = 0; over < 3 && wrong < 10; position += path->stride ?: 1) {
			status = in_child(path->run, (void *)path->operation);
			over = status == OVER ? over + 1 : 0;
			if (status == FAULTED && position > last)
				last = position;
			if (status != FAULTED && status != OVER) {
				printf("# %s: position %u: %d\n", path->name, position, status);
				wrong++;
			}
			if (!is_counted(filters, caches)) {
				printf("# %s: position %u: %ld filters, %ld caches\n", path->name,
				       position, count_of("filters"), count_of("caches"));
				return wrong + 1;
			}
		}
	}
	printf("# %s: up to position %u, failed by", path->name, last);
	for (fault = SLAB; fault < NOTHING; fault++)
		printf(" %s %u/%u", faults[fault], tally->failed[fault], tally->faults[fault]);
	printf(", %d wrong\n", wrong);
	return wrong + !!(path->needed & ~tally->effective);
}

/* ---- Calls that are inspected. ---- */

/* All fail with EINVAL soon after they have copied their struct, with either word. */
static const struct subject {
	const char *name;
	int nr;
	size_t size;
	/* A size in the struct, or 0. */
	__u32 inside;
	/* The word that decides, in the first page or in the second one. */
	size_t offset;
	__u32 good, bad;
} subjects[] = {
	{ "openat2", __NR_openat2, sizeof(struct open_how), 0,
	  offsetof(struct open_how, resolve), 1 << 28, 1 << 29 },
	{ "clone3", __NR_clone3, sizeof(struct clone_args), 0,
	  offsetof(struct clone_args, flags), CLONE_THREAD, CLONE_SIGHAND },
	{ "sched_setattr", __NR_sched_setattr, SCHED_ATTR_SIZE_VER0, SCHED_ATTR_SIZE_VER0,
	  4, SCHED_FIFO, SCHED_RR },
};

static const struct subject *const opening = &subjects[0];
static const struct subject *const cloning = &subjects[1];

/*
 * Two pages of a file, so that what is in them can be absent and come back, the second one
 * first, so that none comes with the other. A struct across them is copied in two parts.
 */
static char *arena;

#define HERE	(arena + PAGE - 8)

static bool make_arena(void)
{
	int fd = memfd_create("faults", MFD_CLOEXEC), i;
	char *page;

	arena = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || ftruncate(fd, 2 * PAGE) || arena == MAP_FAILED)
		return false;
	for (i = 0; i < 2; i++) {
		page = mmap(arena + i * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			    fd, (1 - i) * PAGE);
		if (page == MAP_FAILED)
			return false;
	}
	close(fd);
	return true;
}

static void put_struct(const struct subject *subject, __u32 word)
{
	memset(arena, 0, 2 * PAGE);
	memcpy(HERE, &subject->inside, sizeof(subject->inside));
	memcpy(HERE + subject->offset, &word, sizeof(word));
}

static long call(const struct subject *subject)
{
	if (subject == opening)
		return sys_openat2(AT_FDCWD, "/", HERE, subject->size);
	if (subject == cloning)
		return sys_clone3(HERE, subject->size);
	return SYSCALL(subject->nr, 0, HERE, 0);
}

static long call_with(const struct subject *subject, __u32 word)
{
	put_struct(subject, word);
	return call(subject);
}

/*
 * Does @action if the word is bad. It is divided by one because that goes wrong where a
 * program that was made for the JIT and hardened is interpreted.
 */
#define FILTER(subject, action) PROG(						\
	LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 1, 0), ALLOW,				\
	LD_NR, JEQ((subject)->nr, 1, 0), ALLOW,					\
	LD(SECCOMP_EA_BASE + (subject)->offset),				\
	BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 1),					\
	JEQ((subject)->bad, 0, 1), RET(action), ALLOW)

static long install_denial(const struct subject *subject)
{
	const struct sock_fprog prog = FILTER(subject, SECCOMP_RET_ERRNO | DENIED);

	return no_new_privs() ?: install_seccomp(0, &prog);
}

FIXTURE(faults) {};

FIXTURE_SETUP(faults)
{
	if (!prepare_faults())
		SKIP(return, "the kernel does not fail on demand");
	/* What waits for others is faster so, and what is counted for a CPU repeats. */
	stay_on_one_cpu();
	ASSERT_EQ(0, ea_load());
	ASSERT_TRUE(make_arena());
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, tally);
}

FIXTURE_TEARDOWN(faults)
{
	EXPECT_EQ(0, count_of("denied_unknown"));
}

/* ---- Fetches. ---- */

static const char *const verdicts[] = { "allowed", "denied", "rewritten" };

struct fetch {
	const struct subject *subject;
	/* What becomes of the call, of those above. */
	enum { PASSED, STOPPED, REWRITTEN } verdict;
	/* The thread has a cache already. */
	bool later;
	/* The struct has to be waited for. */
	bool absent;
};

static volatile int listener = -1;

/* Puts zeroes in the struct, with which the call would succeed. */
static void *rewrite_and_continue(void *subject)
{
	struct seccomp_notif notif;

	for (;;) {
		if (notif_receive(listener, &notif)) {
			nap();
			continue;
		}
		put_struct(subject, 0);
		notif_continue(listener, notif.id);
	}
	return NULL;
}

static int run_fetch(void *operation)
{
	const struct fetch *fetch = operation;
	const struct subject *subject = fetch->subject;
	const struct sock_fprog prog = FILTER(subject, SECCOMP_RET_USER_NOTIF);
	const long if_bad = fetch->verdict == REWRITTEN ? -EINVAL : -DENIED;
	const long usual = fetch->verdict == PASSED ? -EINVAL : if_bad;
	enum fault fault;
	pthread_t thread;
	long ret;
	int fd;

	CHECK(call_with(subject, subject->bad) == -EINVAL, 0);
	if (fetch->verdict == REWRITTEN) {
		CHECK(!pthread_create(&thread, NULL, rewrite_and_continue, (void *)subject), 0);
		CHECK(no_new_privs() == 0, 0);
		listener = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
		CHECK(listener >= 0, listener);
	} else {
		CHECK(install_denial(subject) == 0, 0);
	}

	if (fetch->later)
		CHECK(call_with(subject, subject->good) == -EINVAL, 0);
	put_struct(subject, fetch->verdict == PASSED ? subject->good : subject->bad);
	if (fetch->absent) {
		madvise(arena, PAGE, MADV_DONTNEED);
		madvise(arena + PAGE, PAGE, MADV_DONTNEED);
	}
	fd = arm(position);
	ret = call(subject);
	fault = disarm(fd);
	/*
	 * Memory is needed once, for the cache. A struct cannot be read if there is no memory for
	 * the page fault either; one that is there is copied without anything that can fail.
	 */
	CHECK(ret == usual || (ret == -ENOMEM && fault < COPY && !fetch->later) ||
	      (ret == -EFAULT && fault < NOTHING && fetch->absent), ret);

	/* It has left nothing behind that the next call is judged by. */
	CHECK(call_with(subject, subject->bad) == if_bad, 0);
	CHECK(call_with(subject, subject->good) == -EINVAL, 0);
	CHECK(call_with(subject, subject->bad) == if_bad, 0);
	return outcome(fault, ret);
}

static int each_fetch(bool later)
{
	struct fetch fetch = { .later = later };
	unsigned int i, wrong = 0;
	char name[128];

	for (i = 0; i < 6 * ARRAY_SIZE(subjects); i++) {
		fetch.subject = &subjects[i / 6];
		fetch.absent = i / 3 % 2;
		fetch.verdict = i % 3;
		snprintf(name, sizeof(name), "%s call of %s, %s, %s", later ? "later" : "first",
			 fetch.subject->name, fetch.absent ? "absent" : "present",
			 verdicts[fetch.verdict]);
		wrong += each_position(&(struct path) {
			.name = name, .run = run_fetch, .operation = &fetch,
			.needed = !later << SLAB | fetch.absent << COPY,
		});
	}
	return wrong;
}

TEST_F(faults, first_call)
{
	EXPECT_EQ(0, each_fetch(false));
}

TEST_F(faults, later_call)
{
	EXPECT_EQ(0, each_fetch(true));
}

/* ---- Installation. ---- */

struct install {
	bool by_prctl;
	unsigned int flags;
	/* There is one already. */
	bool second;
	/* It reads the struct of calls that have none. */
	bool refused;
};

/* Another thread, which makes a call when it is its turn. */
static pthread_barrier_t turns;
static long result_of_other;

static void *be_other(void *subject)
{
	for (;;) {
		pthread_barrier_wait(&turns);
		result_of_other = call(subject);
		pthread_barrier_wait(&turns);
	}
	return NULL;
}

static long call_by_other(void)
{
	pthread_barrier_wait(&turns);
	pthread_barrier_wait(&turns);
	return result_of_other;
}

static int run_install(void *operation)
{
	const struct install *install = operation;
	const bool together = install->flags & SECCOMP_FILTER_FLAG_TSYNC;
	const struct sock_fprog prog = FILTER(opening, SECCOMP_RET_ERRNO | DENIED);
	const struct sock_fprog first = FILTER(cloning, SECCOMP_RET_ERRNO | DENIED);
	enum fault fault;
	bool installed;
	pthread_t thread;
	int fd;
	long ret;

	CHECK(no_new_privs() == 0, 0);
	CHECK(!pthread_barrier_init(&turns, NULL, 2), 0);
	CHECK(!pthread_create(&thread, NULL, be_other, (void *)opening), 0);
	if (install->second)
		CHECK(install_seccomp(0, &first) == 0, 0);
	put_struct(opening, opening->bad);
	CHECK(call_by_other() == -EINVAL, 0);
	if (install->refused)
		prog.filter[5] = (struct sock_filter)JA(0);
	fd = arm(position);
	ret = install->by_prctl ? install_prctl(&prog) : install_seccomp(install->flags, &prog);
	fault = disarm(fd);
	installed = ret >= 0;
	CHECK(installed ? !install->refused : (install->refused && ret == -EINVAL) ||
					      is_due_to(fault, ret), ret);

	/* Installed where it should be, or nowhere. */
	CHECK(call(opening) == (installed ? -DENIED : -EINVAL), ret);
	CHECK(call_by_other() == (installed && together ? -DENIED : -EINVAL), ret);
	prog.filter[5] = (struct sock_filter)ALLOW;
	if (!installed) {
		CHECK(install_seccomp(install->flags & SECCOMP_FILTER_FLAG_TSYNC, &prog) == 0, 0);
		CHECK(call(opening) == -DENIED, 0);
		CHECK(call_by_other() == (together ? -DENIED : -EINVAL), 0);
	}
	CHECK(call_with(opening, opening->good) == -EINVAL, ret);
	if (install->second)
		CHECK(call_with(cloning, cloning->bad) == -DENIED, ret);
	return outcome(fault, ret);
}

/*
 * The page allocator is not needed: unless KASAN wants pages as well, it is asked for those
 * of vmalloc() only, which tries again.
 */
static int each_install(const char *name, struct install install)
{
	return each_position(&(struct path) {
		.name = name, .run = run_install, .operation = &install,
		.needed = SET(SLAB) | SET(COPY),
	});
}

TEST_F(faults, install)
{
	EXPECT_EQ(0, each_install("seccomp", (struct install) {}));
	EXPECT_EQ(0, each_install("prctl", (struct install) { .by_prctl = true }));
	EXPECT_EQ(0, each_install("listener", (struct install) {
		.flags = SECCOMP_FILTER_FLAG_NEW_LISTENER,
	}));
	EXPECT_EQ(0, each_install("tsync", (struct install) {
		.flags = SECCOMP_FILTER_FLAG_TSYNC,
	}));
	EXPECT_EQ(0, each_install("second", (struct install) { .second = true }));
	EXPECT_EQ(0, each_install("refused", (struct install) { .refused = true }));
}

/* A program that the JIT was to get must not be interpreted. */
TEST_F(faults, install_hardened)
{
	ASSERT_TRUE(write_file(JIT_HARDEN, "2", 0));
	EXPECT_EQ(0, each_install("hardened", (struct install) {}));
	ASSERT_TRUE(write_file(JIT_HARDEN, "0", 0));
}

/* ---- New threads, and the end of them. ---- */

/* Clones by the call that is inspected, or by another. */
static int run_clone(void *operation)
{
	const struct subject *subject = operation;
	const struct clone_args args = { .exit_signal = SIGCHLD };
	enum fault fault;
	int fd;
	long ret;

	CHECK(install_denial(subject) == 0, 0);
	CHECK(call_with(subject, subject->good) == -EINVAL, 0);
	put_struct(subject, subject->bad);
	fd = arm(position);
	if (subject == cloning)
		ret = sys_clone3(&args, sizeof(args));
	else
		ret = SYSCALL(__NR_clone, SIGCHLD, 0, 0, 0, 0);
	if (ret == 0)
		_exit(call(subject) != -DENIED);
	fault = disarm(fd);
	CHECK(ret > 0 || is_due_to(fault, ret), ret);
	if (ret > 0)
		CHECK(exit_status(ret) == 0, ret);
	CHECK(call(subject) == -DENIED, 0);
	return outcome(fault, ret);
}

static int each_clone(const char *name, const struct subject *subject)
{
	return each_position(&(struct path) {
		.name = name, .run = run_clone, .operation = subject,
		.needed = SET(SLAB) | SET(PAGES),
	});
}

TEST_F(faults, fork)
{
	EXPECT_EQ(0, each_clone("clone", opening));
	EXPECT_EQ(0, each_clone("clone3", cloning));
}

static int run_exit(void *operation)
{
	enum fault fault;
	siginfo_t info;
	char path[64];
	pid_t pid;

	pid = fork();
	CHECK(pid >= 0, pid);
	if (pid == 0) {
		if (install_denial(operation) || call_with(operation, opening->good) != -EINVAL)
			_exit(1);
		arm(position);
		_exit(0);
	}
	/* One that has ended still tells, until it is waited for. */
	CHECK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT) == 0, errno);
	snprintf(path, sizeof(path), "/proc/%d/fail-nth", pid);
	fault = disarm(open(path, O_RDWR | O_CLOEXEC));
	CHECK(exit_status(pid) == 0, 0);
	return outcome(fault, 0);
}

TEST_F(faults, exit)
{
	EXPECT_EQ(0, each_position(&(struct path) {
		.name = "exit", .run = run_exit, .operation = opening,
	}));
}

/* ---- The device, and debugfs. ---- */

static int call_bad(void *arg)
{
	return call_with(arg, opening->bad) != -EINVAL;
}

static int run_open(void *operation)
{
	int fd = arm(position), device = ea_device();
	enum fault fault = disarm(fd);

	(void)operation;
	CHECK(device >= 0 || is_due_to(fault, device), device);
	return outcome(fault, device);
}

static int run_read_pinned(void *operation)
{
	const struct supervised *child = operation;
	struct seccomp_ea_pinned pinned;
	int device = ea_device(), fd;
	__u32 words[64] = {};
	enum fault fault;
	long ret;

	CHECK(device >= 0, device);
	fd = arm(position);
	ret = read_pinned(device, child->pid, &pinned, words, sizeof(words));
	fault = disarm(fd);
	CHECK(ret == 0 || is_due_to(fault, ret), ret);
	if (ret)
		CHECK(read_pinned(device, child->pid, &pinned, words, sizeof(words)) == 0, ret);
	CHECK(pinned.size == opening->size, pinned.size);
	CHECK(words[opening->offset / sizeof(*words)] == opening->bad, 0);
	return outcome(fault, ret);
}

TEST_F(faults, device)
{
	const struct sock_fprog prog = FILTER(opening, SECCOMP_RET_USER_NOTIF);
	struct supervised child = {};
	struct seccomp_notif notif;

	ASSERT_EQ(0, supervise(&child, &prog, 0, call_bad, (void *)opening));
	ASSERT_EQ(0, notif_receive(child.listener, &notif));
	EXPECT_EQ(0, each_position(&(struct path) {
		.name = "open", .run = run_open, .needed = SET(SLAB),
	}));
	EXPECT_EQ(0, each_position(&(struct path) {
		.name = "READ_PINNED", .run = run_read_pinned, .operation = &child,
		.needed = SET(SLAB) | SET(COPY),
	}));
	EXPECT_EQ(0, notif_continue(child.listener, notif.id));
	EXPECT_EQ(0, exit_status(child.pid));
}

/* Reads all of a file, or what there is before an error. */
static long read_all(const char *path, char *text, size_t size)
{
	int fd = kernel_result(open(path, O_RDONLY | O_CLOEXEC));
	long ret = fd, length = 0;

	while (fd >= 0 && length < (long)size - 1) {
		ret = kernel_result(read(fd, text + length, size - 1 - length));
		if (ret <= 0)
			break;
		length += ret;
	}
	if (fd >= 0)
		close(fd);
	text[length] = '\0';
	return ret < 0 ? ret : length;
}

static char calls[65536], calls_now[65536];

static int run_debugfs(void *operation)
{
	enum fault fault;
	long ret;
	int fd;

	(void)operation;
	/* No memory for the page of a buffer is a fault, too, but no news. */
	memset(calls_now, 0, sizeof(calls_now));
	fd = arm(position);
	ret = read_all(CALLS, calls_now, sizeof(calls_now));
	fault = disarm(fd);
	CHECK(ret > 0 || is_due_to(fault, ret), ret);
	if (ret > 0)
		CHECK(strcmp(calls, calls_now) == 0, ret);
	return outcome(fault, ret);
}

TEST_F(faults, debugfs)
{
	ASSERT_LT(0, read_all(CALLS, calls, sizeof(calls)));
	EXPECT_EQ(0, each_position(&(struct path) {
		.name = "debugfs", .run = run_debugfs, .needed = SET(SLAB) | SET(COPY),
	}));
}

/* ---- Loading and unloading. ---- */

/* A word of the kernel's text that the module changes, at an offset in /proc/kcore. */
static struct word {
	off_t offset;
	uint64_t usual, redirected;
} words[1024];

static unsigned int nr_words;
static int kcore = -1;

/* Where the kernel's text is. */
static bool find_text(unsigned long *start, unsigned long *end)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512], name[256];
	unsigned long address;

	*start = *end = 0;
	while (f && !*end && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx %*c %255s", &address, name) != 2)
			continue;
		if (strcmp(name, "_stext") == 0)
			*start = address;
		else if (strcmp(name, "_etext") == 0)
			*end = address;
	}
	if (f)
		fclose(f);
	return *start && *end;
}

/* Notes down which words are others when the module is loaded, and leaves it loaded. */
static bool find_words(void)
{
	uint64_t *usual, *redirected;
	unsigned long start, end;
	Elf64_Phdr segment = {};
	Elf64_Ehdr header;
	size_t length, i;
	off_t offset;
	bool ok;

	kcore = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	if (!find_text(&start, &end) || pread(kcore, &header, sizeof(header), 0) != sizeof(header))
		return false;
	for (offset = header.e_phoff; start < segment.p_vaddr ||
	     end > segment.p_vaddr + segment.p_memsz; offset += sizeof(segment))
		if (pread(kcore, &segment, sizeof(segment), offset) != sizeof(segment))
			return false;

	offset = segment.p_offset + (start - segment.p_vaddr);
	length = (end - start) / sizeof(*usual) * sizeof(*usual);
	usual = malloc(length);
	redirected = malloc(length);
	ok = usual && redirected && pread(kcore, usual, length, offset) == (ssize_t)length &&
	     ea_load() == 0 && pread(kcore, redirected, length, offset) == (ssize_t)length;
	for (i = 0; ok && i < length / sizeof(*usual); i++) {
		if (usual[i] == redirected[i])
			continue;
		ok = nr_words < ARRAY_SIZE(words);
		if (ok)
			words[nr_words++] = (struct word) {
				offset + i * sizeof(*usual), usual[i], redirected[i]
			};
	}
	free(usual);
	free(redirected);
	return ok;
}

/* How many of them are as when the module is loaded; -1 if one is neither so nor as without. */
static int redirected_words(void)
{
	unsigned int i, redirected = 0;
	uint64_t word;

	for (i = 0; i < nr_words; i++) {
		if (pread(kcore, &word, sizeof(word), words[i].offset) != sizeof(word) ||
		    (word != words[i].usual && word != words[i].redirected))
			return -1;
		redirected += word == words[i].redirected;
	}
	return redirected;
}

static unsigned int probes;

static unsigned int nr_probes(void)
{
	FILE *f = fopen(KPROBES, "re");
	unsigned int n = 0;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		n++;
	if (f)
		fclose(f);
	return n;
}

static void check_absent(long ret)
{
	CHECK(!ea_loaded(), ret);
	CHECK(redirected_words() == 0, ret);
	CHECK(nr_probes() == probes, ret);
	CHECK(access(EA_DEVICE, F_OK) && access(DEBUGFS EA_MODULE, F_OK), ret);
	CHECK(install_denial(opening) == -EINVAL, ret);
}

/* For a child. What the kernel shows of the module may be missing, as it makes do without. */
static int check_present(void *unused)
{
	long ret = read_all(CALLS, calls_now, sizeof(calls_now));

	(void)unused;
	CHECK(ret == -ENOENT || !*calls || strcmp(calls, calls_now) == 0, ret);
	CHECK(redirected_words() == (int)nr_words, 0);
	CHECK(install_denial(opening) == 0, 0);
	CHECK(call_with(opening, opening->bad) == -DENIED, 0);
	return gone_wrong;
}

/* A load either fails, and nothing is left of it, or all is in place. */
static int run_load(void *operation)
{
	int fd = arm(position);
	long ret = ea_load_with("");
	enum fault fault = disarm(fd);

	(void)operation;
	CHECK(ret == 0 || is_due_to(fault, ret), ret);
	if (ret == 0) {
		CHECK(in_child(check_present, NULL) == 0, ret);
		CHECK(ea_unload_unused() == 0, ret);
	}
	check_absent(ret);
	return outcome(fault, ret);
}

/* Unloading succeeds, or is refused before it begins. */
static int run_unload(void *operation)
{
	enum fault fault;
	int fd;
	long ret;

	(void)operation;
	CHECK(ea_load_with("") == 0, 0);
	fd = arm(position);
	ret = SYSCALL(__NR_delete_module, EA_MODULE, O_NONBLOCK);
	fault = disarm(fd);
	CHECK(ret == 0 || is_due_to(fault, ret), ret);
	if (ret) {
		CHECK(in_child(check_present, NULL) == 0, ret);
		CHECK(ea_unload_unused() == 0, ret);
	}
	check_absent(ret);
	return outcome(fault, ret);
}

/*
 * Loading takes long and thousands of allocations, most of them alike. One of so many is
 * tried, but each of the last ones, when all is redirected already.
 */
#define LOAD_STRIDE	19
#define LOAD_LAST	60

TEST_F(faults, load)
{
	/* Most of the time goes by in waiting for grace periods. */
	write_file(RCU_EXPEDITED, "1", 0);
	ASSERT_LT(0, read_all(CALLS, calls, sizeof(calls)));
	ASSERT_EQ(0, ea_unload_unused());
	probes = nr_probes();
	ASSERT_TRUE(find_words());
	ASSERT_LT(10, redirected_words());
	EXPECT_LT(probes, nr_probes());
	ASSERT_EQ(0, ea_unload_unused());
	ASSERT_EQ(0, redirected_words());

	EXPECT_EQ(0, each_position(&(struct path) {
		.name = "load", .run = run_load, .needed = SET(SLAB), .stride = LOAD_STRIDE,
	}));
	ASSERT_LT(LOAD_LAST, (int)last);
	EXPECT_EQ(0, each_position(&(struct path) {
		.name = "end of load", .run = run_load, .needed = SET(SLAB),
		.first = last - LOAD_LAST, .stride = 1,
	}));
	EXPECT_EQ(0, each_position(&(struct path) {
		.name = "unload", .run = run_unload, .stride = 1,
	}));
	EXPECT_EQ(0, ea_load());
	write_file(RCU_EXPEDITED, "0", 0);
}

/* ---- What is never freed. ---- */

/* Whether a frame is the module's, one that is loaded or one that was. */
static bool is_suspect(const char *frame)
{
	return strstr(frame, EA_MODULE) || strstr(frame, "do_init_module") ||
	       strstr(frame, " 0xffffffff");
}

TEST_F(faults, leaks)
{
	char line[512];
	int i, suspects = 0;
	FILE *f;

	if (access(KMEMLEAK, F_OK))
		SKIP(return, "the kernel does not look for leaks");
	/*
	 * What a slab cache has ready for a CPU has pointers to what it has given away. They are
	 * overwritten if it is given up, and filled again by one that allocates.
	 */
	tell_slabs("shrink");
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, in_child(check_present, NULL));
	/* What is young is not taken for a leak, and each scan may miss what moves. */
	sleep(6);
	for (i = 0; i < 2; i++)
		ASSERT_TRUE(write_file(KMEMLEAK, "scan", 0));
	f = fopen(KMEMLEAK, "re");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f)) {
		suspects += is_suspect(line);
		printf("# %s", line);
	}
	fclose(f);
	EXPECT_EQ(0, suspects);
}

TEST_HARNESS_MAIN
