// SPDX-License-Identifier: GPL-2.0
/*
 * The module's parameter on_change: a struct that is another one in memory by the
 * time its call is served from the copy is counted, told of in the log, or the end of
 * the process, as asked. Never is one that is not.
 */
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "counters.h"
#include "situations.h"
#include "supervise.h"
#include "withhold.h"

/* How long to wait for what has to happen, in milliseconds. */
#define PATIENCE	20000

/* No call here returns it of its own accord. */
#define DENIED		EDOTDOT

/* In the unused argument of calls that are handed to the supervisor. */
#define MEDDLE		0x5a

/* Where 32-bit pointers can point, with room for an arena behind its guards. */
#define LOW		((char *)0x50000000)

#define FIFO		ROOM "/fifo"
#define NEW_FILE	ROOM "/new"

/* ---- The module. ---- */

static bool reload(const char *parameters)
{
	return !ea_unload_unused() && !ea_load_with(parameters);
}

static long changed(void)
{
	return count_of("changed");
}

/* ---- What tests have in common. ---- */

#define THREADS		4

static struct shared {
	struct open_how how;
	volatile long ret;
	volatile bool ran;
	struct clone_args args;
	/* One for each thread. */
	struct open_how hows[THREADS];
} *shared;

/* An absolute path is not beneath: EXDEV by the good struct, a file by the other one. */
static const struct open_how good = { .flags = O_PATH, .resolve = RESOLVE_BENEATH };

static long open_root(const struct open_how *how)
{
	const long ret = sys_openat2(AT_FDCWD, "/", how, sizeof(*how));

	if (ret >= 0)
		close(ret);
	return ret < 0 ? ret : 0;
}

static const struct sock_fprog notify_openat2 = PROG(
	LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
	LD(SECCOMP_EA_LO(struct open_how, resolve)), RET(SECCOMP_RET_USER_NOTIF));

static bool receive(int listener, struct seccomp_notif *notif)
{
	return notif_waits(listener, PATIENCE) && !notif_receive(listener, notif);
}

/* Runs @fn, whose one notified call is by a struct that is changed, or not. The exit status. */
static int run_supervised(int (*fn)(void *arg), void *arg, bool change)
{
	struct seccomp_notif notif;
	struct supervised child;

	shared->how = good;
	if (supervise(&child, &notify_openat2, 0, fn, arg) || !receive(child.listener, &notif))
		return -1000;
	if (change)
		shared->how.resolve = 0;
	if (notif_continue(child.listener, notif.id))
		return -1001;
	close(child.listener);
	return exit_status(child.pid);
}

static int open_shared(void *arg)
{
	(void)arg;
	shared->ret = open_root(&shared->how);
	return 0;
}

FIXTURE(change)
{
	int log;
};

FIXTURE_SETUP(change)
{
	self->log = log_open();
	ASSERT_LE(0, self->log);
	ASSERT_TRUE(prepare_calls());
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
}

FIXTURE_TEARDOWN(change)
{
	EXPECT_TRUE(reload(""));
}

#define TOLD	"was changed after its filters saw it"

/* ---- The parameter. ---- */

TEST_F(change, values)
{
	static const char * const wrong[] = {
		"on_change=4", "on_change=-1", "on_change=x", "on_change=", "on_change",
		"on_change=1x", "on_change=4294967297",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		ASSERT_EQ(0, ea_unload_unused());
		EXPECT_EQ(-EINVAL, ea_load_with(wrong[i])) TH_LOG("%s", wrong[i]);
		EXPECT_FALSE(ea_loaded());
		EXPECT_NE(0, access(EA_DEVICE, F_OK));
		EXPECT_NE(0, access("/sys/kernel/debug/seccomp_ea", F_OK));
	}
	/* Nothing that was left undone is in the way. */
	EXPECT_EQ(0, ea_load_with("on_change=3"));
	EXPECT_EQ(0, access(EA_DEVICE, F_OK));
}

TEST_F(change, off)
{
	static const char * const off[] = { "", "on_change=0" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(off); i++) {
		ASSERT_TRUE(reload(off[i]));
		EXPECT_EQ(0, run_supervised(open_shared, NULL, true));
		EXPECT_EQ(-EXDEV, shared->ret);
		EXPECT_EQ(0, changed());
	}
	EXPECT_FALSE(log_has(self->log, TOLD));
}

/* Nor is anything told of or done about what is only counted. */
TEST_F(change, counted)
{
	ASSERT_TRUE(reload("on_change=1"));
	EXPECT_EQ(0, run_supervised(open_shared, NULL, false));
	EXPECT_EQ(-EXDEV, shared->ret);
	EXPECT_EQ(0, changed());
	EXPECT_EQ(0, run_supervised(open_shared, NULL, true));
	EXPECT_EQ(-EXDEV, shared->ret);
	EXPECT_EQ(1, changed());
	EXPECT_FALSE(log_has(self->log, TOLD));
}

/* ---- Changes of all calls. ---- */

/* Another thread is handed the marked calls, meddles with memory, and lets them continue. */
static struct {
	volatile int listener;
	const struct situation *volatile situation;
	void (*volatile meddle)(const struct situation *s);
} supervisor;

static void *meddle(void *arg)
{
	struct seccomp_notif notif;

	(void)arg;
	while (!supervisor.listener)
		nap();
	for (;;) {
		if (notif_receive(supervisor.listener, &notif))
			continue;
		if (supervisor.meddle)
			supervisor.meddle(supervisor.situation);
		notif_continue(supervisor.listener, notif.id);
	}
	return NULL;
}

static bool install_meddler(const struct call *call)
{
	struct sock_filter insns[2 * NR_CALLS + 32];
	struct sock_fprog prog = { .filter = insns };
	pthread_t thread;

	prog.len = select_calls(insns, call, false, offsetof(struct seccomp_data, args[call->unused]));
	insns[prog.len++] = (struct sock_filter)JEQ(MEDDLE, 1, 0);
	insns[prog.len++] = (struct sock_filter)ALLOW;
	insns[prog.len++] = (struct sock_filter)LD(SECCOMP_EA_BASE);
	insns[prog.len++] = (struct sock_filter)RET(SECCOMP_RET_USER_NOTIF);
	/* Threads are made by one of the calls. */
	if (pthread_create(&thread, NULL, meddle, NULL))
		return false;
	supervisor.listener = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	return supervisor.listener > 0;
}

static void protect(bool first, bool second)
{
	mprotect(arena, PAGE, first ? PROT_READ | PROT_WRITE : PROT_NONE);
	mprotect(arena + PAGE, PAGE, second ? PROT_READ | PROT_WRITE : PROT_NONE);
}

/* What is done to the struct, which lies on both pages of the arena. */

static void first_bit(const struct situation *s)
{
	s->ptr[0] ^= 1;
}

static void last_bit(const struct situation *s)
{
	s->ptr[s->length - 1] ^= 0x80;
}

static void last_known(const struct situation *s)
{
	s->ptr[(s->length < s->call->known ? s->length : s->call->known) - 1] ^= 0x10;
}

static void size_word(const struct situation *s)
{
	s->ptr[s->call->field + 1] ^= 1;
}

static void other_mapping(const struct situation *s)
{
	top[s->ptr - arena + 3] ^= 1;
}

static void same_bytes(const struct situation *s)
{
	char bytes[PAGE];

	memcpy(bytes, s->ptr, s->length);
	memset(s->ptr, 0xff, s->length);
	memcpy(s->ptr, bytes, s->length);
}

static void around(const struct situation *s)
{
	s->ptr[-1] ^= 0xff;
	s->ptr[s->length] ^= 0xff;
}

static void dropped(const struct situation *s)
{
	(void)s;
	madvise(arena, ARENA, MADV_DONTNEED);
}

static void changed_and_dropped(const struct situation *s)
{
	memset(s->ptr, 0xff, s->length);
	dropped(s);
}

static void dropped_and_back(const struct situation *s)
{
	dropped(s);
	same_bytes(s);
}

static void all_gone(const struct situation *s)
{
	memset(s->ptr, 0xff, s->length);
	protect(false, false);
}

static void first_gone(const struct situation *s)
{
	s->ptr[0] ^= 1;
	protect(false, true);
}

static void first_gone_last_bit(const struct situation *s)
{
	last_bit(s);
	protect(false, true);
}

static void second_gone(const struct situation *s)
{
	last_bit(s);
	protect(true, false);
}

static void second_gone_first_bit(const struct situation *s)
{
	first_bit(s);
	protect(true, false);
}

static void all_there(const struct situation *s)
{
	(void)s;
	protect(true, true);
}

static const struct meddling {
	const char *name;
	void (*meddle)(const struct situation *s);
	/* Which pages cannot be read by the filter. */
	bool no_first, no_second;
	bool change;
} meddlings[] = {
	{ .name = "nothing" },
	{ .name = "first bit", .meddle = first_bit, .change = true },
	{ .name = "last bit", .meddle = last_bit, .change = true },
	{ .name = "last byte that is known", .meddle = last_known, .change = true },
	{ .name = "size", .meddle = size_word, .change = true },
	{ .name = "by another mapping", .meddle = other_mapping, .change = true },
	{ .name = "changed and changed back", .meddle = same_bytes },
	{ .name = "bytes around it", .meddle = around },
	{ .name = "memory dropped", .meddle = dropped },
	{ .name = "changed and memory dropped", .meddle = changed_and_dropped },
	{ .name = "memory dropped and brought back", .meddle = dropped_and_back },
	{ .name = "changed and gone", .meddle = all_gone },
	{ .name = "first page changed and gone", .meddle = first_gone },
	{ .name = "first page gone, second changed", .meddle = first_gone_last_bit, .change = true },
	{ .name = "second page changed and gone", .meddle = second_gone },
	{ .name = "second page gone, first changed", .meddle = second_gone_first_bit, .change = true },
	{ .name = "unreadable as before", .no_first = true, .no_second = true },
	{ .name = "first page unreadable as before", .no_first = true },
	{ .name = "second page unreadable as before", .no_second = true },
	{ .name = "unreadable before", .meddle = all_there, .no_first = true, .no_second = true, .change = true },
	{ .name = "first page unreadable before", .meddle = all_there, .no_first = true, .change = true },
	{ .name = "second page unreadable before", .meddle = all_there, .no_second = true, .change = true },
};

/* On the first page is more than any of them needs for its size. */
#define ON_FIRST_PAGE	12

static const struct place across = { "across two pages", START, .delta = PAGE - ON_FIRST_PAGE };

static bool makes_sense(const struct meddling *meddling, const struct situation *s)
{
	const bool second = meddling->meddle == second_gone ||
			    meddling->meddle == first_gone_last_bit ||
			    (meddling->no_second && !meddling->no_first);

	if (second && s->size <= ON_FIRST_PAGE)
		return false;
	if (meddling->meddle == size_word)
		return s->call->size == INSIDE;
	return meddling->meddle != other_mapping || top;
}

/* What is given to the call, with or without the mark. */
static long call_once(struct situation *s, const struct meddling *meddling, bool marked)
{
	long ret;

	supervisor.situation = s;
	supervisor.meddle = meddling->meddle;
	if (s->call->reset)
		s->call->reset();
	situation_complete(s);
	if (marked)
		s->args[s->call->unused] = MEDDLE;
	situation_enter(s);
	protect(!meddling->no_first, !meddling->no_second);
	ret = make_call(s->call, s->args);
	protect(true, true);
	return ret;
}

static int compare_changes(const struct call *call)
{
	const size_t sizes[] = { call->first, call->known, call->known + 8, PAGE };
	long expected[ARRAY_SIZE(sizes)][ARRAY_SIZE(meddlings)];
	struct situation s = { .call = call, .context = call->contexts, .place = &across };
	int wrong = 0, calls = 0, changes = 0;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (j = 0; j < ARRAY_SIZE(meddlings); j++) {
			s.size = sizes[i];
			expected[i][j] = call_once(&s, &meddlings[j], false);
		}
	}
	if (!install_meddler(call))
		return 1;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (j = 0; j < ARRAY_SIZE(meddlings); j++) {
			const struct meddling *meddling = &meddlings[j];
			const long before = changed();
			long ret, difference;

			s.size = sizes[i];
			if (!makes_sense(meddling, &s))
				continue;
			ret = call_once(&s, meddling, true);
			difference = changed() - before;
			calls++;
			changes += meddling->change;
			if (ret == expected[i][j] && difference == meddling->change)
				continue;
			if (++wrong <= 10)
				printf("# %s, size %zu, %s: %ld, not %ld, %ld changes, not %d\n",
				       call->name, sizes[i], meddling->name, ret, expected[i][j],
				       difference, meddling->change);
		}
	}
	printf("# %s: %d calls, %d changes, %d wrong\n", call->name, calls, changes, wrong);
	return wrong;
}

TEST_F(change, of_all_calls)
{
	stay_on_one_cpu();
	ASSERT_TRUE(reload("on_change=1"));
	ASSERT_TRUE(make_arena(NULL));
	EXPECT_EQ(0, test_each_call(compare_changes));
}

TEST_F(change, of_all_calls_of_i386)
{
	stay_on_one_cpu();
	ASSERT_TRUE(reload("on_change=1"));
	ASSERT_TRUE(make_arena(LOW));
	abi = I386;
	EXPECT_EQ(0, test_each_call(compare_changes));
}

/* A call that refuses the size is not served, but the size in a struct is. */
static int compare_sizes(const struct call *call)
{
	const size_t sizes[] = { 0, call->first - 4, PAGE + 8, UINT_MAX };
	const struct meddling meddlings_[] = {
		{ .name = "nothing" },
		{ .name = "size", .meddle = size_word },
		{ .name = "first bit", .meddle = first_bit },
	};
	struct situation s = { .call = call, .context = call->contexts, .place = &across };
	int wrong = 0;
	size_t i, j;

	if (!install_meddler(call))
		return 1;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (j = 0; j < ARRAY_SIZE(meddlings_); j++) {
			const bool inside = call->size == INSIDE;
			const bool at_size = j == 1 || (j == 2 && !call->field);
			const long before = changed();
			/* A size of 0 may be that of a struct. */
			const bool seen = at_size || (j == 2 && (sizes[i] == call->first - 4 ||
								 (!sizes[i] && call->zero)));
			const bool change = inside && j && seen;

			if (j == 1 && !inside)
				continue;
			s.size = sizes[i];
			call_once(&s, &meddlings_[j], true);
			if (changed() - before == change)
				continue;
			printf("# %s, size %zu, %s: %ld changes, not %d\n", call->name, sizes[i],
			       meddlings_[j].name, changed() - before, change);
			wrong++;
		}
	}
	return wrong;
}

TEST_F(change, of_sizes_that_are_refused)
{
	stay_on_one_cpu();
	ASSERT_TRUE(reload("on_change=1"));
	ASSERT_TRUE(make_arena(NULL));
	EXPECT_EQ(0, test_each_call(compare_sizes));
}

/* ---- What is no change. ---- */

/* All situations, and nobody changes anything. */
static int count_unchanged(const struct call *call)
{
	const size_t situations = visit_situations(call, false, situation_skip, NULL);
	struct result *results = calloc(situations, sizeof(*results));
	struct sock_filter insns[2 * NR_CALLS + 32];
	struct sock_fprog prog = { .filter = insns };
	const struct task task = { .call = call };
	long before = changed(), served = count_of("served");

	prog.len = select_calls(insns, call, false, SECCOMP_EA_BASE);
	insns[prog.len++] = (struct sock_filter)ALLOW;
	if (!results || install_seccomp(0, &prog))
		return 1;
	situations_run(&task, results);
	become(false);
	served = count_of("served") - served;
	printf("# %s: %zu situations, %ld copies, %ld changes\n", call->name, situations, served,
	       changed() - before);
	return changed() != before || served < (long)situations / 20;
}

FIXTURE(unchanged) {};

FIXTURE_VARIANT(unchanged)
{
	const char *parameters;
	enum abi abi;
	bool brief;
};

FIXTURE_VARIANT_ADD(unchanged, counting) { "on_change=1", X86_64, false };
FIXTURE_VARIANT_ADD(unchanged, counting_i386) { "on_change=1", I386, true };
/* A false alarm would be the end of it. */
FIXTURE_VARIANT_ADD(unchanged, killing) { "on_change=3", X86_64, true };
FIXTURE_VARIANT_ADD(unchanged, killing_i386) { "on_change=3", I386, true };

FIXTURE_SETUP(unchanged)
{
	stay_on_one_cpu();
	ASSERT_TRUE(reload(variant->parameters));
	ASSERT_TRUE(prepare_calls());
	ASSERT_TRUE(make_arena(variant->abi == I386 ? LOW : NULL));
	abi = variant->abi;
	brief = variant->brief || slowness() > 1;
}

FIXTURE_TEARDOWN(unchanged)
{
	EXPECT_TRUE(reload(""));
}

TEST_F(unchanged, in_all_situations)
{
	EXPECT_EQ(0, test_each_call(count_unchanged));
	EXPECT_EQ(0, changed());
}

/* A call that is not served has nothing to compare. */
TEST_F(change, of_a_denied_call)
{
	const long answers[] = { -EPERM, 0 };
	struct seccomp_notif notif;
	struct supervised child;
	size_t i;

	ASSERT_TRUE(reload("on_change=3"));
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		shared->how = good;
		ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, open_shared, NULL));
		ASSERT_TRUE(receive(child.listener, &notif));
		shared->how.resolve = 0;
		EXPECT_EQ(0, notif_answer(child.listener, notif.id, answers[i]));
		EXPECT_EQ(0, exit_status(child.pid));
		EXPECT_EQ(answers[i], shared->ret);
		close(child.listener);
	}
	EXPECT_EQ(0, changed());
}

static int open_fifo(void *arg)
{
	(void)arg;
	shared->ret = sys_openat2(AT_FDCWD, FIFO, &shared->how, sizeof(shared->how));
	return shared->ret < 0;
}

/* The call sleeps after it has had its struct. */
TEST_F(change, after_the_call_was_served)
{
	struct seccomp_notif notif;
	struct supervised child;
	long served;
	int i, fd;

	ASSERT_TRUE(reload("on_change=3"));
	ASSERT_EQ(0, mkfifo(FIFO, 0600));
	shared->how = (struct open_how) { .flags = O_RDONLY };
	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, open_fifo, NULL));
	ASSERT_TRUE(receive(child.listener, &notif));
	served = count_of("served");
	EXPECT_EQ(0, notif_continue(child.listener, notif.id));
	for (i = 0; i < PATIENCE && count_of("served") == served; i++)
		nap();
	shared->how.flags = O_RDWR;
	fd = open(FIFO, O_WRONLY | O_CLOEXEC);
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, exit_status(child.pid));
	EXPECT_EQ(served + 1, count_of("served"));
	EXPECT_EQ(0, changed());
	close(fd);
	close(child.listener);
}

static int be_traced(void *arg)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(SECCOMP_EA_LO(struct open_how, resolve)), RET(SECCOMP_RET_TRACE));

	(void)arg;
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	if (install_seccomp(0, &prog))
		return 1;
	return open_shared(NULL);
}

/* What a tracer has put there is fetched and judged again, and no change since. */
TEST_F(change, by_a_tracer)
{
	int status;
	pid_t pid;

	ASSERT_TRUE(reload("on_change=3"));
	shared->how = (struct open_how) { .flags = O_PATH };
	pid = fork();
	ASSERT_LE(0, pid);
	if (pid == 0)
		_exit(be_traced(NULL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, pid, 0, 0));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(SIGTRAP | PTRACE_EVENT_SECCOMP << 8, status >> 8);
	shared->how = good;
	ASSERT_EQ(0, ptrace(PTRACE_CONT, pid, 0, 0));
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(-EXDEV, shared->ret);
	EXPECT_EQ(0, changed());
}

static int withheld = -1;

/* Takes away the page of the struct, and does not give it back. */
static void *withhold_page(void *page)
{
	struct seccomp_notif notif;

	while (!supervisor.listener)
		nap();
	if (receive(supervisor.listener, &notif)) {
		withheld = withhold(page, PAGE);
		madvise(page, PAGE, MADV_DONTNEED);
		notif_continue(supervisor.listener, notif.id);
	}
	return NULL;
}

static int call_withheld(void *arg)
{
	struct open_how *how = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;
	long ret;

	(void)arg;
	*how = good;
	if (pthread_create(&thread, NULL, withhold_page, how))
		return 1;
	supervisor.listener = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &notify_openat2);
	ret = open_root(how);
	pthread_join(thread, NULL);
	if (withheld < 0 || is_waited_for(withheld, 0))
		return 2;
	return ret != -EXDEV;
}

/* Nobody is made to wait for memory that a user withholds. */
TEST_F(change, of_withheld_memory)
{
	ASSERT_TRUE(reload("on_change=1"));
	EXPECT_EQ(0, in_child(call_withheld, NULL));
	EXPECT_EQ(0, changed());
}

/* ---- The log. ---- */

#define LINES	64

/* What a log says of changes, from where it was opened up to now. */
struct told {
	int lines;
	char line[LINES][256];
};

static void read_told(int log, struct told *told)
{
	char record[8192];
	ssize_t length;

	told->lines = 0;
	while ((length = read(log, record, sizeof(record) - 1)) > 0 ||
	       (length < 0 && errno == EPIPE)) {
		const char *line;

		if (length < 0)
			continue;
		record[length] = '\0';
		line = strchr(record, ';');
		if (line && strstr(line, TOLD) && told->lines < LINES)
			snprintf(told->line[told->lines++], sizeof(told->line[0]), "%.*s",
				 (int)strcspn(line + 1, "\n"), line + 1);
	}
}

static int lines_told(int log)
{
	struct told told;

	read_told(log, &told);
	return told.lines;
}

/* How many of the lines are about a thread. */
static int times_told(const struct told *told, pid_t pid)
{
	char name[32];
	int times = 0, i;

	snprintf(name, sizeof(name), "(PID %d,", pid);
	for (i = 0; i < told->lines; i++)
		times += strstr(told->line[i], name) != NULL;
	return times;
}

#define CALLS		100

static void *open_often(void *arg)
{
	struct open_how *how = arg;
	long wrong = 0, i;

	for (i = 0; i < CALLS; i++) {
		*how = good;
		wrong += open_root(how) != -EXDEV;
	}
	return (void *)wrong;
}

/* Threads with a struct each. */
static int open_in_threads(void *arg)
{
	pthread_t threads[THREADS];
	long wrong = 0, i;
	void *result;

	(void)arg;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, open_often, &shared->hows[i]))
			return 100;
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		wrong += (long)result;
	}
	return wrong != 0;
}

/*
 * Changes of some of the calls, and only the first two threads': as many are counted,
 * and each of the two is told of once. Returns the number of changes that were missed.
 */
static long meddle_with_threads(struct __test_metadata *_metadata, pid_t *tids)
{
	const long before = changed();
	struct supervised child;
	unsigned int random = 1;
	long changes = 0;
	int calls = 0;

	memset(tids, 0, THREADS * sizeof(*tids));
	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, open_in_threads, NULL));
	for (calls = 0; calls < THREADS * CALLS; calls++) {
		struct open_how *how;
		struct seccomp_notif notif;

		ASSERT_TRUE(receive(child.listener, &notif));
		/* The child has the mapping of its parent. */
		how = (struct open_how *)(uintptr_t)notif.data.args[2];
		tids[how - shared->hows] = notif.pid;
		random = random * 1103515245 + 12345;
		if (how - shared->hows < 2 && random >> 16 & 1) {
			how->resolve = 0;
			changes++;
		}
		EXPECT_EQ(0, notif_continue(child.listener, notif.id));
	}
	EXPECT_EQ(0, exit_status(child.pid));
	EXPECT_LT(CALLS / 2, changes);
	close(child.listener);
	return changed() - before - changes;
}

TEST_F(change, of_some_calls)
{
	pid_t tids[THREADS];

	ASSERT_TRUE(reload("on_change=1"));
	EXPECT_EQ(0, meddle_with_threads(_metadata, tids));
	EXPECT_EQ(0, lines_told(self->log));
}

TEST_F(change, is_told_once_a_thread)
{
	pid_t tids[THREADS];
	struct told told;

	ASSERT_TRUE(reload("on_change=2"));
	EXPECT_EQ(0, meddle_with_threads(_metadata, tids));
	read_told(self->log, &told);
	EXPECT_EQ(1, times_told(&told, tids[0]));
	EXPECT_EQ(1, times_told(&told, tids[1]));
	EXPECT_EQ(2, told.lines);
}

static int open_in_namespace(void *arg)
{
	pid_t pid;

	if (unshare(CLONE_NEWPID))
		return 1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NAME, arg);
		_exit(getpid() != 1 || open_shared(NULL));
	}
	return exit_status(pid);
}

/* By the pid that the reader of the log knows. */
/* Ten times in five seconds, however many threads there are. */
TEST_F(change, is_told_within_limits)
{
	const time_t start = time(NULL);
	int i;

	ASSERT_TRUE(reload("on_change=2"));
	for (i = 0; i < 60; i++)
		ASSERT_EQ(0, run_supervised(open_shared, NULL, true));
	EXPECT_EQ(60, changed());
	EXPECT_GE(10 * ((time(NULL) - start) / 5 + 2), lines_told(self->log));
}

TEST_F(change, is_told_by_pid)
{
	struct seccomp_notif notif;
	struct supervised child;
	struct told told;
	char line[256];

	ASSERT_TRUE(reload("on_change=2"));
	shared->how = good;
	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, open_in_namespace, "a name"));
	ASSERT_TRUE(receive(child.listener, &notif));
	shared->how.resolve = 0;
	EXPECT_EQ(0, notif_continue(child.listener, notif.id));
	EXPECT_EQ(0, exit_status(child.pid));
	snprintf(line, sizeof(line), "seccomp_ea: the struct of openat2 " TOLD " (PID %d, a name)",
		 notif.pid);
	read_told(self->log, &told);
	ASSERT_EQ(1, told.lines);
	EXPECT_STREQ(line, told.line[0]);
	close(child.listener);
}

/* ---- The end. ---- */

static void on_sigsys(int sig)
{
	(void)sig;
	_exit(1);
}

/* What could keep a signal away. A blocked one that is forced is not handled either. */
enum defence { HANDLED, BLOCKED, IGNORED, DEFENCES };

static void defend(enum defence defence)
{
	sigset_t set;

	signal(SIGSYS, defence == IGNORED ? SIG_IGN : on_sigsys);
	sigfillset(&set);
	if (defence == BLOCKED)
		sigprocmask(SIG_BLOCK, &set, NULL);
}

static int open_defended(void *arg)
{
	defend((long)arg);
	open_shared(NULL);
	shared->ran = true;
	return 2;
}

TEST_F(change, kills)
{
	long i;

	ASSERT_TRUE(reload("on_change=3"));
	EXPECT_EQ(-SIGSYS, run_supervised(open_shared, NULL, true));
	EXPECT_EQ(1, changed());
	for (i = 0; i < DEFENCES; i++) {
		/* Who changes nothing is left alone. */
		EXPECT_EQ(2, run_supervised(open_defended, (void *)i, false));
		EXPECT_EQ(-EXDEV, shared->ret);
		EXPECT_TRUE(shared->ran);
		shared->ran = false;
		EXPECT_EQ(i + 1, changed());
		EXPECT_EQ(-SIGSYS, run_supervised(open_defended, (void *)i, true));
		EXPECT_FALSE(shared->ran);
		EXPECT_EQ(i + 2, changed());
	}
	EXPECT_EQ(1 + DEFENCES, lines_told(self->log));
}

static void *sleep_defended(void *arg)
{
	(void)arg;
	defend(BLOCKED);
	for (;;)
		pause();
	return NULL;
}

static void *open_in_thread(void *arg)
{
	open_defended(arg);
	return NULL;
}

static int open_among_threads(void *arg)
{
	pthread_t threads[THREADS];
	int i;

	(void)arg;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, i ? sleep_defended : open_in_thread, NULL))
			return 3;
	sleep_defended(NULL);
	return 4;
}

TEST_F(change, kills_all_threads)
{
	ASSERT_TRUE(reload("on_change=3"));
	EXPECT_EQ(-SIGSYS, run_supervised(open_among_threads, NULL, true));
	EXPECT_FALSE(shared->ran);
	EXPECT_EQ(1, changed());
}

static int open_as_init(void *arg)
{
	pid_t pid;

	(void)arg;
	if (unshare(CLONE_NEWPID))
		return 1;
	pid = fork();
	if (pid == 0)
		_exit(open_defended(NULL));
	return exit_status(pid) == -SIGSYS ? 7 : 8;
}

/* The first process of a namespace survives most signals. */
TEST_F(change, kills_init)
{
	ASSERT_TRUE(reload("on_change=3"));
	EXPECT_EQ(7, run_supervised(open_as_init, NULL, true));
	EXPECT_FALSE(shared->ran);
}

/* A tracer that lets no signal through. */
static int open_while_traced(void *arg)
{
	int status, stops = 0;
	pid_t pid;

	(void)arg;
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(open_defended(NULL));
	}
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		stops++;
		ptrace(PTRACE_CONT, pid, 0, 0);
	}
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS && stops == 1 ? 7 : 8;
}

/* A tracer that takes the signal away, just before it is delivered. */
static int open_while_masked(void *arg)
{
	static const __u64 all = ~0ULL;
	struct user_regs_struct regs;
	int status, stops = 0;
	char text[PAGE] = "";
	ssize_t len = 0;
	pid_t pid;
	int fd, i;

	(void)arg;
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		open_shared(NULL);
		shared->ran = true;
		/* Its next system call would end it, and have the kernel complain. */
		for (;;)
			__asm__ volatile("pause");
	}
	while (stops < 2 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		ptrace(PTRACE_GETREGS, pid, 0, &regs);
		if (WSTOPSIG(status) == SIGTRAP && regs.orig_rax == __NR_openat2 && ++stops == 2)
			break;
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
	}
	if (ptrace(PTRACE_SETSIGMASK, pid, sizeof(all), &all) || ptrace(PTRACE_CONT, pid, 0, 0))
		return 8;
	for (i = 0; i < 20000 && !shared->ran; i++)
		nap();
	snprintf(text, sizeof(text), "/proc/%d/status", pid);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	kill(pid, SIGKILL);
	exit_status(pid);
	/* SECCOMP_MODE_DEAD of kernel/seccomp.c */
	return strstr(text, "\nSeccomp:\t3\n") ? 7 : 9;
}

/* It cannot keep the thread going: that makes no system call any more. */
TEST_F(change, kills_the_masked)
{
	ASSERT_TRUE(reload("on_change=3"));
	EXPECT_EQ(7, run_supervised(open_while_masked, NULL, true));
	EXPECT_TRUE(shared->ran);
	EXPECT_EQ(-EFAULT, shared->ret);
}

TEST_F(change, kills_the_traced)
{
	ASSERT_TRUE(reload("on_change=3"));
	EXPECT_EQ(7, run_supervised(open_while_traced, NULL, true));
	EXPECT_FALSE(shared->ran);
}

/* The status of a process that is killed as filters kill: by the module, or by a filter. */
static int status_of_killed(struct __test_metadata *_metadata, bool by_filter)
{
	const struct sock_fprog kill = PROG(
		LD_NR, JEQ(__NR_openat2, 0, 1), RET(SECCOMP_RET_KILL_PROCESS), ALLOW);
	struct seccomp_notif notif;
	struct supervised child;
	int status = 0;

	shared->how = good;
	if (by_filter) {
		child.pid = fork();
		if (child.pid == 0) {
			install_seccomp(0, &kill);
			_exit(open_shared(NULL));
		}
	} else {
		ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, open_shared, NULL));
		ASSERT_TRUE(receive(child.listener, &notif));
		shared->how.resolve = 0;
		EXPECT_EQ(0, notif_continue(child.listener, notif.id));
		close(child.listener);
	}
	EXPECT_EQ(child.pid, waitpid(child.pid, &status, 0));
	return status;
}

/* It leaves as much behind. */
TEST_F(change, dumps_core)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	int by_filter, by_module;

	ASSERT_TRUE(reload("on_change=3"));
	ASSERT_EQ(0, setrlimit(RLIMIT_CORE, &unlimited));
	ASSERT_EQ(0, chdir(ROOM));
	by_filter = status_of_killed(_metadata, true);
	EXPECT_TRUE(WCOREDUMP(by_filter));
	by_module = status_of_killed(_metadata, false);
	EXPECT_EQ(by_filter, by_module);
	ASSERT_EQ(0, chdir("/tmp"));
}

static void first_word(const struct situation *s)
{
	memset(s->ptr, 0, 8);
}

/* Every call is the last one, and does nothing. */
static int be_killed(const struct call *call)
{
	const struct meddling meddling = { .name = "first word", .meddle = first_word };
	struct situation s = {
		.call = call, .context = call->contexts, .place = &across, .size = call->known,
	};
	__u64 effect = 0;
	int status;
	pid_t pid;

	if (call->reset)
		call->reset();
	if (call->effect)
		effect = call->effect();
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		defend(HANDLED);
		if (install_meddler(call))
			call_once(&s, &meddling, true);
		_exit(1);
	}
	status = exit_status(pid);
	/* The struct itself would have made a difference, but for calls that make it elsewhere. */
	if (call->effect && (call->effect() != effect ||
			     (call_once(&s, &meddling, false), call->effect() == effect)))
		status = 1000;
	return status != -SIGSYS;
}

FIXTURE(killed) {};

FIXTURE_VARIANT(killed)
{
	enum abi abi;
};

FIXTURE_VARIANT_ADD(killed, x86_64) { X86_64 };
FIXTURE_VARIANT_ADD(killed, i386) { I386 };

FIXTURE_SETUP(killed)
{
	stay_on_one_cpu();
	ASSERT_TRUE(reload("on_change=3"));
	ASSERT_TRUE(prepare_calls());
	ASSERT_TRUE(make_arena(variant->abi == I386 ? LOW : NULL));
	abi = variant->abi;
}

FIXTURE_TEARDOWN(killed)
{
	EXPECT_TRUE(reload(""));
}

TEST_F(killed, by_any_call)
{
	EXPECT_EQ(0, test_each_call(be_killed));
}

static int create_file(void *arg)
{
	(void)arg;
	return sys_openat2(AT_FDCWD, NEW_FILE, &shared->how, sizeof(shared->how)) < 0;
}

static int create_child(void *arg)
{
	pid_t pid;

	(void)arg;
	shared->args = (struct clone_args) { .exit_signal = SIGCHLD };
	pid = sys_clone3(&shared->args, sizeof(shared->args));
	if (pid == 0) {
		shared->ran = true;
		_exit(0);
	}
	return exit_status(pid);
}

static const struct sock_fprog notify_both = PROG(
	LD_NR, JEQ(__NR_openat2, 2, 0), JEQ(__NR_clone3, 1, 0), ALLOW,
	LD(SECCOMP_EA_BASE), RET(SECCOMP_RET_USER_NOTIF));

/* No file is made, and no child. */
TEST_F(change, has_no_effect)
{
	struct seccomp_notif notif;
	struct supervised child;
	int killing;

	for (killing = 0; killing < 2; killing++) {
		ASSERT_TRUE(reload(killing ? "on_change=3" : "on_change=2"));
		shared->how = (struct open_how) { .flags = O_CREAT | O_RDWR, .mode = 0600 };
		ASSERT_EQ(0, supervise(&child, &notify_both, 0, create_file, NULL));
		ASSERT_TRUE(receive(child.listener, &notif));
		shared->how.mode = 0644;
		EXPECT_EQ(0, notif_continue(child.listener, notif.id));
		EXPECT_EQ(killing ? -SIGSYS : 0, exit_status(child.pid));
		EXPECT_EQ(killing ? -1 : 0, access(NEW_FILE, F_OK));
		unlink(NEW_FILE);
		close(child.listener);

		shared->ran = false;
		ASSERT_EQ(0, supervise(&child, &notify_both, 0, create_child, NULL));
		ASSERT_TRUE(receive(child.listener, &notif));
		shared->args.flags = CLONE_NEWUTS;
		EXPECT_EQ(0, notif_continue(child.listener, notif.id));
		EXPECT_EQ(killing ? -SIGSYS : 0, exit_status(child.pid));
		EXPECT_EQ(!killing, shared->ran);
		close(child.listener);
	}
}

/* ---- A race. ---- */

#define RACED_CALLS	100000
#define RACED_ENOUGH	20

static void *flip(void *arg)
{
	volatile struct open_how *how = arg;

	pin(1);
	for (;;) {
		how->resolve = RESOLVE_BENEATH;
		__sync_synchronize();
		how->resolve = 0;
		__sync_synchronize();
	}
	return NULL;
}

/* Calls by a struct that another thread changes all the time: none gets past the filter. */
static int race(void *arg)
{
	const struct sock_fprog only_beneath = PROG(
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(SECCOMP_EA_LO(struct open_how, resolve)),
		JEQ(RESOLVE_BENEATH, 1, 0), DENY(DENIED), ALLOW);
	int denied = 0, allowed = 0, through = 0, i;
	const int calls = rounds(RACED_CALLS);
	const long before = changed();
	pthread_t thread;

	shared->how = good;
	if (pthread_create(&thread, NULL, flip, &shared->how))
		return 1;
	pin(0);
	if (install_seccomp(0, &only_beneath))
		return 2;
	for (i = 0; i < calls; i++) {
		const long ret = open_root(&shared->how);

		if (ret == -DENIED)
			denied++;
		else if (ret == -EXDEV)
			allowed++;
		else
			through++;
		if (i % 1000 == 999 && changed() - before >= (arg ? RACED_ENOUGH : INT_MAX))
			break;
	}
	printf("# %d calls: %d denied, %d allowed, %d got through, %ld changed\n", i, denied,
	       allowed, through, changed() - before);
	return through ? 3 : changed() - before > allowed ? 4 : changed() == before ? 5 : 0;
}

TEST_F(change, by_a_race)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_TRUE(reload("on_change=1"));
	EXPECT_EQ(0, in_child(race, "until there are enough"));
	/* Who races does not live long. */
	ASSERT_TRUE(reload("on_change=3"));
	EXPECT_EQ(-SIGSYS, in_child(race, NULL));
	EXPECT_EQ(1, changed());
	EXPECT_EQ(1, lines_told(self->log));
}

TEST_HARNESS_MAIN
