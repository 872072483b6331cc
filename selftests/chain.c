// SPDX-License-Identifier: GPL-2.0
/*
 * Several filters on one call: ordinary and extended ones mixed, inherited,
 * spread by TSYNC, run again for a tracer. One pass over the chain has one copy
 * of the struct, and the next pass has another.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/user.h>

#include "counters.h"
#include "kselftest_harness.h"

/* No call here returns them of its own accord. */
#define DENIED		EDOTDOT
#define DENIED_2	ENAVAIL

/* An absolute path is EXDEV with RESOLVE_BENEATH, which is our good value. */
#define ROOT		"/"

#define RESOLVE		SECCOMP_EA_LO(struct open_how, resolve)

/* Denies the openat2 that may go anywhere. */
#define ONLY_RESOLVING(error) PROG(					\
	LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,				\
	LD(RESOLVE), JEQ(0, 0, 1), DENY(error), ALLOW)

static long open_with(__u64 resolve)
{
	const struct open_how how = { .resolve = resolve };
	long ret = sys_openat2(AT_FDCWD, ROOT, &how, sizeof(how));

	if (ret >= 0) {
		close(ret);
		return 0;
	}
	return ret;
}

/* ---- One copy for all filters of a pass. ---- */

FIXTURE(copies)
{
	struct open_how *how;
	pthread_t rewriter;
};

/* Four filters: two of them deny one value of a word, two of them the other. */
FIXTURE_VARIANT(copies)
{
	size_t size;
	/* The word that is rewritten, and what shows it to either pair. */
	unsigned int word, shown[2];
	/* Its values, and what either pair does not let through. */
	__u64 values[2];
	unsigned int denied[2];
};

FIXTURE_VARIANT_ADD(copies, word) {
	.size = sizeof(struct open_how), .word = 2, .shown = { RESOLVE, RESOLVE },
	.values = { RESOLVE_BENEATH, RESOLVE_IN_ROOT },
	.denied = { RESOLVE_BENEATH, RESOLVE_IN_ROOT },
};

/* The info words belong to the copy like the words of the struct. */
FIXTURE_VARIANT_ADD(copies, tail) {
	.size = sizeof(struct open_how) + 8, .word = 3,
	.shown = { SECCOMP_EA_TAIL, SECCOMP_EA_BASE + sizeof(struct open_how) },
	.values = { 0, 1 }, .denied = { sizeof(struct open_how) + 1, 0 },
};

static struct {
	volatile __u64 *word;
	__u64 values[2];
	volatile bool started, stop;
} rewriting;

static void *rewriter(void *arg)
{
	(void)arg;
	pin(1);
	rewriting.started = true;
	while (!rewriting.stop) {
		*rewriting.word = rewriting.values[0];
		__sync_synchronize();
		*rewriting.word = rewriting.values[1];
		__sync_synchronize();
	}
	return NULL;
}

FIXTURE_SETUP(copies)
{
	self->how = aligned_alloc(PAGE, PAGE);
	ASSERT_NE(NULL, self->how);
	memset(self->how, 0, PAGE);
	rewriting.word = (__u64 *)self->how + variant->word;
	memcpy(rewriting.values, variant->values, sizeof(rewriting.values));
	*rewriting.word = variant->values[0];
	ASSERT_EQ(0, pthread_create(&self->rewriter, NULL, rewriter, NULL));
	while (!rewriting.started)
		sched_yield();
	pin(0);
	ASSERT_EQ(0, no_new_privs());
}

FIXTURE_TEARDOWN(copies)
{
	rewriting.stop = true;
	pthread_join(self->rewriter, NULL);
}

/*
 * A filter that fetched a copy of its own would meet the other value now and
 * then, and with four of them one call in sixteen would be denied by none.
 */
TEST_F(copies, filters_agree)
{
	const int calls = rounds(100000);
	int denied[2] = {}, through = 0, i;
	long ret;

	for (i = 0; i < 4; i++) {
		const struct sock_fprog prog = PROG(
			LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
			LD(variant->shown[i % 2]), JEQ(variant->denied[i % 2], 0, 1),
			DENY(i % 2 ? DENIED_2 : DENIED), ALLOW);

		ASSERT_EQ(0, install_seccomp(0, &prog));
	}
	for (i = 0; i < calls; i++) {
		ret = sys_openat2(AT_FDCWD, ROOT, self->how, variant->size);
		if (ret >= 0)
			close(ret);
		if (ret == -DENIED)
			denied[0]++;
		else if (ret == -DENIED_2)
			denied[1]++;
		else
			through++;
	}
	EXPECT_EQ(0, through);
	TH_LOG("%d calls: %d and %d denied, %d got through", i, denied[0], denied[1], through);

	/* Filters that met one value only have not been raced against. */
	EXPECT_LT(i / 1000, denied[0]);
	EXPECT_LT(i / 1000, denied[1]);
}

/* ---- Precedence. ---- */

/* What may become of a call, from the highest precedence to the lowest. */
static const unsigned int actions[] = {
	SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
	SECCOMP_RET_ERRNO, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_TRACE,
	SECCOMP_RET_LOG, SECCOMP_RET_ALLOW,
};

#define ACTIONS		((int)ARRAY_SIZE(actions))

/* What is seen of them. No errno is above 1000. */
enum {
	SEEN_NOTHING, SEEN_KILLED_THREAD = 1000, SEEN_TRAP, SEEN_NOTIF,
};

/* Two filters, the older one first, and which of them read the struct. */
struct pair {
	unsigned int action[2];
	bool extended[2];
	volatile long seen;
};

static struct pair *pair;
static volatile int listener = -1;

static void on_sigsys(int sig)
{
	(void)sig;
	pair->seen = SEEN_TRAP;
}

static long install_action(int i, unsigned int flags)
{
	/* The older and the newer error differ: of equals, the newer one wins. */
	const unsigned int data = pair->action[i] == SECCOMP_RET_ERRNO ? DENIED + i : 0;
	const struct sock_fprog ordinary = PROG(
		LD_NR, JEQ(__NR_openat2, 0, 1), RET(pair->action[i] | data), ALLOW);
	const struct sock_fprog extended = PROG(
		LD_NR, JEQ(__NR_openat2, 0, 3),
		LD(RESOLVE), JEQ(RESOLVE_BENEATH, 0, 1), RET(pair->action[i] | data), ALLOW);

	return install_seccomp(flags, pair->extended[i] ? &extended : &ordinary);
}

static void *call_under_pair(void *arg)
{
	int listening = -1, i;
	long ret;

	(void)arg;
	/* A chain has one listener. It goes to the filter that will be heard. */
	for (i = 0; i < 2; i++)
		if (pair->action[i] == SECCOMP_RET_USER_NOTIF)
			listening = i;
	for (i = 0; i < 2; i++) {
		ret = install_action(i, i == listening ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0);
		if (ret < 0)
			_exit(1);
		if (i == listening)
			listener = ret;
	}
	ret = open_with(RESOLVE_BENEATH);
	if (pair->seen == SEEN_NOTHING)
		pair->seen = ret;
	return NULL;
}

static int run_pair(void *arg)
{
	const struct rlimit no_core = {};
	pthread_t thread;

	(void)arg;
	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGSYS, on_sigsys);
	no_new_privs();
	if (pthread_create(&thread, NULL, call_under_pair, NULL))
		return 1;
	while (pthread_tryjoin_np(thread, NULL)) {
		struct pollfd poll_listener = { .fd = listener, .events = POLLIN };
		struct seccomp_notif notif = {};
		struct seccomp_notif_resp resp = { .error = -ENOTUNIQ };

		if (poll(&poll_listener, 1, 1) <= 0)
			continue;
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notif))
			continue;
		resp.id = notif.id;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	}
	if (pair->seen == SEEN_NOTHING)
		pair->seen = SEEN_KILLED_THREAD;
	else if (pair->seen == -ENOTUNIQ)
		pair->seen = SEEN_NOTIF;
	return 0;
}

/* What is seen of an action; @newer tells the two errors apart. */
static long outcome(unsigned int action, bool newer)
{
	switch (action) {
	case SECCOMP_RET_KILL_THREAD:
		return SEEN_KILLED_THREAD;
	case SECCOMP_RET_TRAP:
		return SEEN_TRAP;
	case SECCOMP_RET_ERRNO:
		return -(DENIED + newer);
	case SECCOMP_RET_USER_NOTIF:
		return SEEN_NOTIF;
	case SECCOMP_RET_TRACE:
		/* There is no tracer. */
		return -ENOSYS;
	default:
		return -EXDEV;
	}
}

FIXTURE(precedence)
{
};

FIXTURE_SETUP(precedence)
{
}

FIXTURE_TEARDOWN(precedence)
{
}

FIXTURE_VARIANT(precedence)
{
	bool extended[2];
};

/* The control: what the kernel does with its own filters. */
FIXTURE_VARIANT_ADD(precedence, ordinary) { .extended = { false, false } };
FIXTURE_VARIANT_ADD(precedence, older_extended) { .extended = { true, false } };
FIXTURE_VARIANT_ADD(precedence, newer_extended) { .extended = { false, true } };
FIXTURE_VARIANT_ADD(precedence, both_extended) { .extended = { true, true } };

TEST_F(precedence, as_ever)
{
	int older, newer, winner, status;

	pair = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, pair);
	for (older = 0; older < ACTIONS; older++) {
		for (newer = 0; newer < ACTIONS; newer++) {
			*pair = (struct pair) {
				.action = { actions[older], actions[newer] },
				.extended = { variant->extended[0], variant->extended[1] },
				.seen = SEEN_NOTHING,
			};
			status = in_child(run_pair, NULL);
			winner = older < newer ? older : newer;
			if (actions[winner] == SECCOMP_RET_KILL_PROCESS) {
				EXPECT_EQ(-SIGSYS, status)
					TH_LOG("older %d, newer %d", older, newer);
				continue;
			}
			EXPECT_EQ(0, status)
				TH_LOG("older %d, newer %d", older, newer);
			EXPECT_EQ(outcome(actions[winner], newer <= older), pair->seen)
				TH_LOG("older %d, newer %d", older, newer);
		}
	}
}

/* ---- Listeners. ---- */

struct continued {
	volatile int listener;
	struct open_how *how;
};

/* Has the call go on, with another struct in memory than the one that was judged. */
static void *change_and_continue(void *arg)
{
	struct seccomp_notif_resp resp = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	struct seccomp_notif notif = {};
	struct continued *c = arg;

	while (c->listener < 0)
		sched_yield();
	if (ioctl(c->listener, SECCOMP_IOCTL_NOTIF_RECV, &notif))
		return NULL;
	c->how->resolve = 0;
	resp.id = notif.id;
	ioctl(c->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	return NULL;
}

/* The call that a listener lets continue runs the copy, however long that took. */
TEST(continued)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(RESOLVE), JEQ(0, 0, 1), DENY(DENIED), RET(SECCOMP_RET_USER_NOTIF));
	struct open_how how = { .resolve = RESOLVE_BENEATH };
	struct continued c = { .listener = -1, .how = &how };
	pthread_t thread;
	long ret;

	ASSERT_EQ(0, no_new_privs());
	ASSERT_EQ(0, pthread_create(&thread, NULL, change_and_continue, &c));
	ret = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	ASSERT_LE(0, ret);
	c.listener = ret;
	EXPECT_EQ(-EXDEV, sys_openat2(AT_FDCWD, ROOT, &how, sizeof(how)));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	/* And the next call is another one. */
	EXPECT_EQ(0U, how.resolve);
	EXPECT_EQ(-DENIED, sys_openat2(AT_FDCWD, ROOT, &how, sizeof(how)));
}

/* ---- Inheritance. ---- */

/* What is wrong with the filters that this thread has, as a set of bits. */
static int probe(void)
{
	return (open_with(0) != -DENIED) | (open_with(RESOLVE_BENEATH) != -EXDEV) << 1 |
	       (open_with(0) != -DENIED) << 2;
}

static void *probe_in_thread(void *arg)
{
	*(int *)arg = probe();
	return NULL;
}

static void *exec_probe(void *arg)
{
	char *argv[] = { "chain", "probe", NULL };

	(void)arg;
	execv("/proc/self/exe", argv);
	_exit(127);
}

FIXTURE(inherit)
{
};

FIXTURE_SETUP(inherit)
{
	const struct sock_fprog prog = ONLY_RESOLVING(DENIED);

	ASSERT_EQ(0, no_new_privs());
	ASSERT_EQ(0, install_seccomp(0, &prog));
	/* What this thread has cached is not the business of its children. */
	ASSERT_EQ(0, probe());
	ASSERT_EQ(-EXDEV, open_with(RESOLVE_BENEATH));
}

FIXTURE_TEARDOWN(inherit)
{
}

TEST_F(inherit, fork)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(probe());
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, probe());
}

TEST_F(inherit, vfork)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(probe());
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, probe());
}

TEST_F(inherit, clone3)
{
	const struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t pid = sys_clone3(&args, sizeof(args));

	if (pid == 0)
		_exit(probe());
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, probe());
}

TEST_F(inherit, thread)
{
	pthread_t thread;
	int wrong = -1;

	ASSERT_EQ(0, pthread_create(&thread, NULL, probe_in_thread, &wrong));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, probe());
}

TEST_F(inherit, exec)
{
	pid_t pid = fork();

	if (pid == 0)
		exec_probe(NULL);
	EXPECT_EQ(0, exit_status(pid));
}

/* The thread that called exec takes over the leader's identity. */
TEST_F(inherit, exec_from_thread)
{
	pid_t pid = fork();
	pthread_t thread;

	if (pid == 0) {
		pthread_create(&thread, NULL, exec_probe, NULL);
		pthread_join(thread, NULL);
		_exit(126);
	}
	EXPECT_EQ(0, exit_status(pid));
}

/* A filter of the child's own comes on top, and stays with the child. */
TEST_F(inherit, and_add)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(RESOLVE), JEQ(RESOLVE_BENEATH, 0, 1), DENY(DENIED_2), ALLOW);
	pid_t pid = fork();

	if (pid == 0) {
		if (install_prctl(&prog) || open_with(0) != -DENIED ||
		    open_with(RESOLVE_BENEATH) != -DENIED_2 || open_with(RESOLVE_IN_ROOT))
			_exit(1);
		_exit(0);
	}
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, probe());
}

/* Different filters mind different calls, which must not disturb each other. */
TEST(calls_alternate)
{
	const struct sock_fprog of_both = PROG(
		LD_NR, JEQ(__NR_openat2, 2, 0), JEQ(__NR_clone3, 3, 0), ALLOW,
		LD(RESOLVE), JEQ(0, 2, 3),
		LD(SECCOMP_EA_LO(struct clone_args, flags)), JSET(CLONE_NEWUSER, 0, 1),
		DENY(DENIED), ALLOW);
	const struct sock_fprog of_clone3 = PROG(
		LD_NR, JEQ(__NR_clone3, 1, 0), ALLOW,
		LD(SECCOMP_EA_LO(struct clone_args, flags)), JSET(CLONE_NEWNS, 0, 1),
		DENY(DENIED_2), ALLOW);
	const struct sock_fprog ordinary = PROG(
		LD_NR, JEQ(__NR_clone3, 0, 0), ALLOW);
	/* A thread of its own sort alone: EINVAL soon after the copy. */
	struct clone_args args = { .flags = CLONE_THREAD };
	int i;

	ASSERT_EQ(0, no_new_privs());
	ASSERT_EQ(0, install_seccomp(0, &of_both));
	ASSERT_EQ(0, install_seccomp(0, &ordinary));
	ASSERT_EQ(0, install_prctl(&of_clone3));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, probe());
		args.flags = i % 2 ? CLONE_NEWUSER : CLONE_NEWNS;
		ASSERT_EQ(i % 2 ? -DENIED : -DENIED_2, sys_clone3(&args, sizeof(args)));
		args.flags = CLONE_THREAD;
		ASSERT_EQ(-EINVAL, sys_clone3(&args, sizeof(args)));
	}
}

/* ---- TSYNC, and the order in which filters are attached. ---- */

struct synced {
	pthread_barrier_t barrier;
	int before, after;
};

static void *synced_thread(void *arg)
{
	struct synced *s = arg;

	s->before = open_with(0);
	pthread_barrier_wait(&s->barrier);
	pthread_barrier_wait(&s->barrier);
	s->after = probe();
	return NULL;
}

TEST(tsync)
{
	const struct sock_fprog prog = ONLY_RESOLVING(DENIED);
	struct synced s = { .before = -1, .after = -1 };
	pthread_t thread;

	ASSERT_EQ(0, no_new_privs());
	pthread_barrier_init(&s.barrier, NULL, 2);
	ASSERT_EQ(0, pthread_create(&thread, NULL, synced_thread, &s));
	pthread_barrier_wait(&s.barrier);
	ASSERT_EQ(0, install_seccomp(SECCOMP_FILTER_FLAG_TSYNC, &prog));
	pthread_barrier_wait(&s.barrier);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, s.before);
	EXPECT_EQ(0, s.after);
	EXPECT_EQ(0, probe());
}

/* A call that both filters answer, each in its own way: the upper one is heard. */
#define ASK		__NR_getppid
#define UPPER		EL2HLT
#define LOWER		EL3RST

struct order {
	pthread_barrier_t barrier;
	volatile pid_t tid;
	long upper, ask;
	int wrong[2];
};

/*
 * Installs the filter that is to be the upper one, which judges, with a
 * listener that nobody needs: the descriptor for it is what holds it up.
 */
static void *upper_thread(void *arg)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(ASK, 0, 1), DENY(UPPER),
		JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(RESOLVE), JEQ(0, 0, 1), DENY(DENIED), ALLOW);
	struct order *o = arg;
	int i;

	o->tid = gettid();
	pthread_barrier_wait(&o->barrier);
	o->upper = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	pthread_barrier_wait(&o->barrier);
	o->ask = SYSCALL(ASK);
	/* Twice: what the first round leaves behind must not serve the second. */
	for (i = 0; i < 2; i++)
		o->wrong[i] = probe();
	return NULL;
}

/* Whether the thread whose stack this is waits for its table to grow. */
static bool is_held(int stack)
{
	char text[PAGE];
	ssize_t len = pread(stack, text, sizeof(text) - 1, 0);

	if (len <= 0)
		return false;
	text[len] = '\0';
	return strstr(text, "seccomp") && strstr(text, "rcu");
}

static unsigned int fd_table_size(void)
{
	unsigned int size = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "FDSize: %u", &size);
	if (f)
		fclose(f);
	return size;
}

enum {
	ORDER_RIGHT, ORDER_WRONG, ORDER_MISSED, ORDER_BROKEN,
};

/*
 * A descriptor table that is full and shared has to wait for RCU before it
 * grows. This thread sleeps until it sees the other one wait there, with its
 * filter created and not attached. Being the more urgent one on their only CPU,
 * it then attaches its own filter to both before the other can go on.
 */
static int held_up(void *arg)
{
	const struct sched_param urgent = { .sched_priority = 1 };
	const struct timespec moment = { .tv_nsec = 200000 };
	const struct sock_fprog lower = PROG(
		LD_NR, JEQ(ASK, 0, 1), DENY(LOWER),
		JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(RESOLVE), JEQ(0, 0, 0), ALLOW);
	const bool hold = *(bool *)arg;
	struct order o = { .upper = -1 };
	unsigned int size, i;
	pthread_t thread;
	char path[64];
	int stack, fd;

	no_new_privs();
	pin(0);
	pthread_barrier_init(&o.barrier, NULL, 2);
	if (pthread_create(&thread, NULL, upper_thread, &o))
		return ORDER_BROKEN;
	while (!o.tid)
		sched_yield();
	snprintf(path, sizeof(path), "/proc/self/task/%d/stack", o.tid);
	stack = open(path, O_RDONLY);
	if (stack < 0)
		return ORDER_BROKEN;

	if (hold) {
		size = fd_table_size();
		do
			fd = dup(stack);
		while (fd >= 0 && fd + 1 < (int)size);
		if (sched_setscheduler(0, SCHED_FIFO, &urgent))
			return ORDER_BROKEN;
		pthread_barrier_wait(&o.barrier);
		for (i = 0; i < 1000 && !is_held(stack); i++)
			nanosleep(&moment, NULL);
		if (i == 1000)
			return ORDER_MISSED;
	}
	if (install_seccomp(SECCOMP_FILTER_FLAG_TSYNC, &lower))
		return ORDER_BROKEN;
	if (!hold)
		pthread_barrier_wait(&o.barrier);
	pthread_barrier_wait(&o.barrier);
	pthread_join(thread, NULL);
	if (o.upper < 0)
		return ORDER_BROKEN;
	if (o.ask != -UPPER)
		return ORDER_MISSED;
	return o.wrong[0] || o.wrong[1] ? ORDER_WRONG : ORDER_RIGHT;
}

/* The control: attached in the order in which they were created. */
TEST(attached_in_order)
{
	bool hold = false;

	EXPECT_EQ(ORDER_RIGHT, in_child(held_up, &hold));
}

/*
 * Created first and attached last. Numbers that were given at creation would
 * make the upper filter judge what the lower one fetched for the call before.
 */
TEST(created_before_attached_after)
{
	bool hold = true;
	int status, tries;

	for (tries = 1; tries <= 20; tries++) {
		status = in_child(held_up, &hold);
		if (status != ORDER_MISSED)
			break;
	}
	EXPECT_EQ(ORDER_RIGHT, status);
	TH_LOG("%d tries", tries);
}

/* ---- A filter that comes to nothing. ---- */

#define JIT_ENABLE	"/proc/sys/net/core/bpf_jit_enable"

static pthread_barrier_t turn;

static void *fail_and_attach(void *arg)
{
	const struct sock_fprog looking = ONLY_RESOLVING(DENIED);
	const struct sock_fprog ordinary = PROG(ALLOW);

	/* It is all made when there is no descriptor for the listener. */
	*(long *)arg = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &looking);
	pthread_barrier_wait(&turn);
	pthread_barrier_wait(&turn);
	install_seccomp(0, &ordinary);
	pthread_barrier_wait(&turn);
	return NULL;
}

/* How often the struct of a call is fetched for two filters of one thread. */
static int fetched_by_two(void *arg)
{
	const struct sock_fprog looking = ONLY_RESOLVING(DENIED);
	struct rlimit limit;
	pthread_t thread;
	long failed = 0, before;

	(void)arg;
	pthread_barrier_init(&turn, NULL, 2);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 0;
	if (no_new_privs() || setrlimit(RLIMIT_NOFILE, &limit) ||
	    pthread_create(&thread, NULL, fail_and_attach, &failed))
		return -1;
	pthread_barrier_wait(&turn);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	/* Programs are freed a moment later. */
	nap();
	if (failed != -EMFILE || install_seccomp(0, &looking) || install_seccomp(0, &looking))
		return -1;
	pthread_barrier_wait(&turn);
	pthread_barrier_wait(&turn);
	before = count_of("fetches");
	return open_with(RESOLVE_BENEATH) == -EXDEV ? count_of("fetches") - before : -1;
}

/*
 * What another thread failed to install is forgotten. Its memory may have become
 * one of the two filters, and that must not be numbered by what the other thread
 * attaches next: the two would see two copies. Without a compiler memory comes
 * back at once.
 */
TEST(of_another_that_failed)
{
	char enable[2] = "";
	int fd = open(JIT_ENABLE, O_RDONLY), i;

	ASSERT_EQ(1, read(fd, enable, 1));
	close(fd);
	ASSERT_EQ(0, ea_load());
	ASSERT_TRUE(write_file(JIT_ENABLE, "0", 0));
	for (i = 0; i < 20; i++)
		EXPECT_EQ(1, in_child(fetched_by_two, NULL));
	EXPECT_TRUE(write_file(JIT_ENABLE, enable, 0));
}

/* ---- Tracers. ---- */

/* What a tracer changes, at a seccomp stop or at the stop before it. */
enum change {
	CHANGE_NOTHING, CHANGE_MEMORY, CHANGE_POINTER, CHANGE_SIZE, CHANGE_NR,
};

FIXTURE(tracer)
{
	/* Shared with the tracee: two structs and what it got. */
	struct traced {
		struct open_how how[2];
		__u64 tail;
		long ret;
	} *shared;
};

FIXTURE_SETUP(tracer)
{
	self->shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
}

FIXTURE_TEARDOWN(tracer)
{
}

FIXTURE_VARIANT(tracer)
{
	bool trace_is_newer, at_entry;
};

FIXTURE_VARIANT_ADD(tracer, newer) { .trace_is_newer = true };
FIXTURE_VARIANT_ADD(tracer, older) { .trace_is_newer = false };
FIXTURE_VARIANT_ADD(tracer, entry) { .at_entry = true };

static const struct trace_case {
	const char *name;
	enum change change;
	/* The struct as it is called with, and as it is made. */
	__u64 before, after;
	long ret;
} trace_cases[] = {
	{ "nothing", CHANGE_NOTHING, RESOLVE_BENEATH, 0, -EXDEV },
	{ "memory, to a bad one", CHANGE_MEMORY, RESOLVE_BENEATH, 0, -DENIED },
	{ "memory, to a good one", CHANGE_MEMORY, RESOLVE_BENEATH, RESOLVE_IN_ROOT, 0 },
	{ "pointer, to a bad one", CHANGE_POINTER, RESOLVE_BENEATH, 0, -DENIED },
	{ "pointer, to a good one", CHANGE_POINTER, RESOLVE_BENEATH, RESOLVE_IN_ROOT, 0 },
	/* A struct that grows shows its tail. */
	{ "size, with a tail", CHANGE_SIZE, RESOLVE_BENEATH, 0, -DENIED_2 },
	{ "number, to a bad one", CHANGE_NR, 0, 0, -DENIED },
	{ "number, to a good one", CHANGE_NR, RESOLVE_BENEATH, 0, -EXDEV },
};

static void install_traced(bool trace_is_newer)
{
	const struct sock_fprog extended = PROG(
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(RESOLVE), JEQ(0, 0, 1), DENY(DENIED),
		LD(SECCOMP_EA_TAIL), JGT(sizeof(struct open_how), 0, 1), DENY(DENIED_2), ALLOW);
	const struct sock_fprog trace = PROG(
		LD_NR, JEQ(__NR_openat2, 1, 0), JEQ(ASK, 0, 1), RET(SECCOMP_RET_TRACE), ALLOW);

	if ((!trace_is_newer && install_seccomp(0, &trace)) || install_seccomp(0, &extended) ||
	    (trace_is_newer && install_seccomp(0, &trace)))
		_exit(1);
}

static pid_t start_tracee(struct traced *shared, const struct trace_case *c, bool trace_is_newer)
{
	pid_t pid = fork();
	long ret;

	if (pid)
		return pid;
	no_new_privs();
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	install_traced(trace_is_newer);
	raise(SIGSTOP);
	/* A number that is changed finds the arguments of its call in place. */
	ret = SYSCALL(c->change == CHANGE_NR ? ASK : __NR_openat2, AT_FDCWD, ROOT,
		      &shared->how[0], sizeof(struct open_how));
	shared->ret = ret > 0 ? 0 : ret;
	_exit(0);
}

static void change(struct traced *shared, const struct trace_case *c, pid_t pid)
{
	struct user_regs_struct regs;

	ptrace(PTRACE_GETREGS, pid, NULL, &regs);
	switch (c->change) {
	case CHANGE_NOTHING:
		break;
	case CHANGE_MEMORY:
		shared->how[0].resolve = c->after;
		break;
	case CHANGE_POINTER:
		regs.rdx = (unsigned long)&shared->how[1];
		break;
	case CHANGE_SIZE:
		regs.r10 = sizeof(shared->how);
		break;
	case CHANGE_NR:
		regs.orig_rax = __NR_openat2;
		break;
	}
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
}

/*
 * A filter's verdict holds for what runs, so a change at a seccomp stop is
 * judged again, on a new copy. A change at the entry stop comes before.
 */
TEST_F(tracer, change_is_judged)
{
	const int event = SIGTRAP | PTRACE_EVENT_SECCOMP << 8;
	const int request = variant->at_entry ? PTRACE_SYSCALL : PTRACE_CONT;
	const struct trace_case *c;
	unsigned int i;
	int status;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(trace_cases); i++) {
		c = &trace_cases[i];
		*self->shared = (struct traced) {
			.how[0].resolve = c->before, .how[1].resolve = c->after, .ret = 1,
		};
		/* To the first struct the second is a tail. */
		if (c->change == CHANGE_SIZE)
			self->shared->how[1].flags = 1;

		pid = start_tracee(self->shared, c, variant->trace_is_newer);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
		ASSERT_EQ(0, ptrace(PTRACE_SETOPTIONS, pid, NULL,
				    PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL |
				    PTRACE_O_TRACESYSGOOD));
		ASSERT_EQ(0, ptrace(request, pid, NULL, NULL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSTOPPED(status));
		ASSERT_EQ(variant->at_entry ? SIGTRAP | 0x80 : event, status >> 8)
			TH_LOG("%s", c->name);
		change(self->shared, c, pid);
		do {
			ASSERT_EQ(0, ptrace(PTRACE_CONT, pid, NULL, NULL));
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
		} while (WIFSTOPPED(status));
		EXPECT_EQ(c->ret, self->shared->ret) TH_LOG("%s", c->name);
	}
}

/*
 * With seccomp suspended there is no pass, and the copy of the last one, be it
 * one that let the call through or one that denied it, serves nobody.
 */
TEST(suspended)
{
	const struct sock_fprog prog = ONLY_RESOLVING(DENIED);
	struct {
		long before, during, after;
	} *got;
	__u64 before;
	int status, denied;
	pid_t pid;

	got = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, got);
	for (denied = 0; denied < 2; denied++) {
		before = denied ? 0 : RESOLVE_BENEATH;
		got->before = got->during = got->after = 1;
		pid = fork();
		ASSERT_LE(0, pid);
		if (pid == 0) {
			no_new_privs();
			if (install_seccomp(0, &prog) || ptrace(PTRACE_TRACEME, 0, NULL, NULL))
				_exit(1);
			got->before = open_with(before);
			raise(SIGSTOP);
			/* Served from the copy it would be EXDEV, or open a file. */
			got->during = open_with(denied ? RESOLVE_BENEATH : 0);
			raise(SIGSTOP);
			got->after = open_with(0);
			_exit(0);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSTOPPED(status));
		ASSERT_EQ(0, ptrace(PTRACE_SETOPTIONS, pid, NULL,
				    PTRACE_O_SUSPEND_SECCOMP | PTRACE_O_EXITKILL));
		ASSERT_EQ(0, ptrace(PTRACE_CONT, pid, NULL, NULL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSTOPPED(status));
		ASSERT_EQ(0, ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL));
		ASSERT_EQ(0, ptrace(PTRACE_CONT, pid, NULL, NULL));
		ASSERT_EQ(0, exit_status(pid));
		EXPECT_EQ(denied ? -DENIED : -EXDEV, got->before);
		EXPECT_EQ(denied ? -EXDEV : 0, got->during);
		EXPECT_EQ(-DENIED, got->after);
	}
}

int main(int argc, char **argv)
{
	/* As what the tests of inheritance execute. */
	if (argc == 2 && strcmp(argv[1], "probe") == 0)
		return probe();
	return test_harness_run(argc, argv);
}
