// SPDX-License-Identifier: GPL-2.0
/*
 * Tracers: who changes a call after filters have seen it, by its registers or by its
 * memory, changes what is fetched and judged again, and the call runs what was
 * judged last. And who suspends filters gets no copy of what they saw. chain.c has the
 * short version of that.
 */
#include <pthread.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "situations.h"
#include "tracee.h"
#include "withhold.h"

/* ---- Changed at the stop of a filter. ---- */

FIXTURE(chain)
{
	struct tracee tracee;
	struct order order;
};

FIXTURE_VARIANT(chain)
{
	long (*install)(void);
};

FIXTURE_VARIANT_ADD(chain, ordinary) { .install = install_chain_ordinary };
FIXTURE_VARIANT_ADD(chain, extended) { .install = install_chain_extended };

FIXTURE_SETUP(chain)
{
	/* One of both always waits for the other. */
	stay_on_one_cpu();
	make_shared();
	ASSERT_TRUE(tracee_start(&self->tracee, variant->install));
	ASSERT_LE(0, self->tracee.listener);
	shared->how[0].resolve = RESOLVE_BENEATH;
	self->order = open_order(0, FOR_TRACER);
}

FIXTURE_TEARDOWN(chain)
{
	tracee_end(&self->tracee);
}

/* Has the tracee stop for the order, to be changed. */
static bool stop_for_tracer(struct tracee *t, const struct order *order)
{
	unsigned long data = 0;

	give(t, order);
	return next_stop(t) == SECCOMP_STOP &&
	       ptrace(PTRACE_GETEVENTMSG, t->pid, NULL, &data) == 0 && data == TRACE_DATA;
}

/* A change of memory, by what tracers have for that. */
static bool change_by_poke(struct tracee *t, __u64 *to, __u64 value)
{
	return ptrace(PTRACE_POKEDATA, t->pid, to, value) == 0;
}

static bool change_by_writev(struct tracee *t, __u64 *to, __u64 value)
{
	const struct iovec local = { &value, sizeof(value) }, remote = { to, sizeof(value) };

	return process_vm_writev(t->pid, &local, 1, &remote, 1, 0) == sizeof(value);
}

static bool change_pointer(struct tracee *t, __u64 *to, __u64 value)
{
	struct user_regs_struct regs = get_regs(t);

	(void)to;
	shared->how[1].resolve = value;
	regs.rdx = ADDRESS(&shared->how[1]);
	set_regs(t, &regs);
	return true;
}

static bool change_nothing(struct tracee *t, __u64 *to, __u64 value)
{
	(void)t;
	(void)to;
	(void)value;
	return true;
}

static const struct way {
	const char *name;
	bool (*change)(struct tracee *t, __u64 *to, __u64 value);
} ways[] = {
	{ "PTRACE_POKEDATA", change_by_poke },
	{ "process_vm_writev", change_by_writev },
	{ "pointer", change_pointer },
	{ "nothing", change_nothing },
};

/*
 * The tracer puts the second of three structs in the place of the first, and the
 * supervisor, who is asked by the second pass, the third in the place of that. The
 * second is what is judged, what is pinned and what is executed.
 */
static long change_twice(struct __test_metadata *_metadata, struct tracee *t,
			 const struct way *way, long first, long second)
{
	const struct order order = open_order(0, FOR_TRACER);
	struct user_regs_struct regs;
	struct seccomp_notif notif;

	shared->how[0].resolve = first;
	ASSERT_TRUE(stop_for_tracer(t, &order));
	EXPECT_EQ(first, pinned_resolve(t->pid));
	ASSERT_TRUE(way->change(t, (__u64 *)&shared->how[0].resolve, second));
	/* What was judged is what was judged, until it is judged again. */
	EXPECT_EQ(first, pinned_resolve(t->pid));
	regs = get_regs(t);
	regs.r9 = FOR_LISTENER;
	set_regs(t, &regs);
	ASSERT_TRUE(resume(t));
	if (second) {
		ASSERT_EQ(0, notif_receive(t->listener, &notif));
		EXPECT_EQ(second, pinned_resolve(t->pid));
		/* What is forbidden would open the file. */
		shared->how[0].resolve = 0;
		shared->how[1].resolve = 0;
		ASSERT_EQ(0, notif_continue(t->listener, notif.id));
	}
	return result(t);
}

TEST_F(chain, second_copy_runs)
{
	const struct known_result *first, *second, *end;
	const struct way *way;

	ASSERT_TRUE(seize(&self->tracee, TRACE_OPTIONS));
	end = known_results + ARRAY_SIZE(known_results);
	for (way = ways; way < ways + ARRAY_SIZE(ways); way++) {
		for (first = known_results + 1; first < end; first++) {
			for (second = known_results; second < end; second++) {
				if (way->change == change_nothing && first != second)
					continue;
				EXPECT_EQ(second->resolve ? second->ret : -DENIED,
					  change_twice(_metadata, &self->tracee, way,
						       first->resolve, second->resolve))
					TH_LOG("%s", way->name);
			}
		}
	}
}

/* What the tracer does to the registers, and what then happens. */
static const struct reg_case {
	const char *name;
	/* The call as it is made. */
	enum abi abi;
	unsigned int nr;
	/* What is changed of it, unless it is 0. */
	long new_nr, size;
	/* What is in the structs by then. */
	__u64 resolve, tail, clone_flags;
	unsigned int policy;
	long ret;
} reg_cases[] = {
#define OPEN		.nr = __NR_openat2
#define ASK		.nr = __NR_getppid
#define ASK_I386	.abi = I386, .nr = 64 /* getppid */
	{ "size, a tail of zeroes", OPEN, .resolve = RESOLVE_BENEATH, .size = 32, .ret = -EXDEV },
	{ "size, a tail", OPEN, .resolve = RESOLVE_BENEATH, .tail = 1, .size = 32,
	  .ret = -DENIED_2 },
	{ "size, forbidden and a tail", OPEN, .tail = 1, .size = 32, .ret = -DENIED_2 },
	{ "size, without what is forbidden", OPEN, .resolve = RESOLVE_BENEATH, .size = 16,
	  .ret = -DENIED },
	{ "size, nothing but what is good", OPEN, .resolve = RESOLVE_BENEATH, .size = 23,
	  .ret = -EINVAL },
	{ "size, too large", OPEN, .resolve = RESOLVE_BENEATH, .size = PAGE + 8, .ret = -DENIED },
	{ "skipped", OPEN, .resolve = RESOLVE_BENEATH, .new_nr = -1, .ret = -ENOTUNIQ },
	{ "to one without a struct", OPEN, .new_nr = __NR_getuid, .ret = 0 },
	{ "to a restart", OPEN, .new_nr = __NR_restart_syscall, .ret = -EINTR },
	{ "to another struct", OPEN, .new_nr = __NR_clone3, .clone_flags = CLONE_THREAD,
	  .ret = -EINVAL },
	{ "to another forbidden struct", OPEN, .resolve = RESOLVE_BENEATH, .new_nr = __NR_clone3,
	  .clone_flags = CLONE_THREAD | CLONE_NEWUSER, .ret = -DENIED },
	{ "from one without, to a forbidden struct", ASK, .new_nr = __NR_openat2, .ret = -DENIED },
	{ "from one without, to a good struct", ASK, .resolve = RESOLVE_IN_ROOT,
	  .new_nr = __NR_openat2, .ret = -ENOENT },
	{ "i386, to a forbidden struct", ASK_I386, .new_nr = 437, .ret = -DENIED },
	{ "i386, to a good struct", ASK_I386, .resolve = RESOLVE_BENEATH, .new_nr = 437,
	  .ret = -EXDEV },
	{ "i386, to a forbidden number of i386", ASK_I386, .policy = 77, .new_nr = 351,
	  .ret = -DENIED },
	{ "i386, to a good number of i386", ASK_I386, .policy = 78, .new_nr = 351, .ret = -EINVAL },
};

TEST_F(chain, registers)
{
	struct tracee *t = &self->tracee;
	const struct reg_case *c;
	struct user_regs_struct regs;
	size_t i;

	ASSERT_TRUE(seize(t, TRACE_OPTIONS));
	for (c = reg_cases; c < reg_cases + ARRAY_SIZE(reg_cases); c++) {
		memset(shared, 0, sizeof(*shared));
		for (i = 0; i < 4; i++)
			shared->how[i].resolve = RESOLVE_BENEATH;
		/* What the thread has cached before is another copy. */
		self->order = open_order(2, 0);
		ASSERT_EQ(-EXDEV, order_result(t, &self->order));

		self->order = open_order(0, FOR_TRACER);
		self->order.abi = c->abi;
		self->order.nr = c->nr;
		ASSERT_TRUE(stop_for_tracer(t, &self->order));
		EXPECT_EQ(c->nr == __NR_openat2 ? RESOLVE_BENEATH : -ENOENT, pinned_resolve(t->pid))
			TH_LOG("%s", c->name);
		shared->how[0].resolve = c->resolve;
		shared->how[1].flags = c->tail;
		shared->clone.flags = c->clone_flags;
		shared->sched = (struct sched_attr) {
			.size = sizeof(struct sched_attr), .sched_policy = c->policy,
		};

		regs = get_regs(t);
		if (c->size)
			regs.r10 = c->size;
		if (c->new_nr) {
			regs.orig_rax = c->new_nr;
			/* What a call that is skipped returns. */
			regs.rax = -ENOTUNIQ;
		}
		if (c->new_nr == __NR_clone3) {
			regs.rdi = ADDRESS(&shared->clone);
			regs.rsi = sizeof(shared->clone);
		}
		if (c->new_nr == 351) {
			regs.rbx = 0;
			regs.rcx = ADDRESS(&shared->sched);
			regs.rdx = 0;
		}
		set_regs(t, &regs);
		ASSERT_TRUE(resume(t));
		EXPECT_EQ(c->ret, result(t)) TH_LOG("%s", c->name);
	}
}

/* ---- A tracer that is not there, or not any more. ---- */

TEST_F(chain, no_tracer)
{
	struct tracee *t = &self->tracee;

	EXPECT_EQ(-ENOSYS, order_result(t, &self->order));
	/* One that did not ask for these stops is none. */
	ASSERT_TRUE(seize(t, PTRACE_O_TRACESYSGOOD));
	EXPECT_EQ(-ENOSYS, order_result(t, &self->order));
	shared->how[0].resolve = 0;
	EXPECT_EQ(-DENIED, order_result(t, &self->order));
}

enum departure {
	DETACHES, EXITS, IS_KILLED, EXITS_AND_KILLS,
};

/* Runs as a process of its own: traces the next call up to its stop, and leaves. */
static int trace_and_leave(struct tracee *t, enum departure leave, __u64 resolve, int ready)
{
	unsigned long options = TRACE_OPTIONS;
	struct user_regs_struct regs;
	bool ok;

	if (leave == EXITS_AND_KILLS)
		options |= PTRACE_O_EXITKILL;
	ok = seize(t, options) && write(ready, "s", 1) == 1 && next_stop(t) == SECCOMP_STOP;
	shared->how[0].resolve = resolve;
	regs = get_regs(t);
	regs.r9 = FOR_LISTENER;
	set_regs(t, &regs);
	if (leave == DETACHES)
		ok = ok && ptrace(PTRACE_DETACH, t->pid, NULL, NULL) == 0;
	if (write(ready, "d", 1) != 1 || !ok)
		_exit(1);
	while (leave == IS_KILLED)
		pause();
	_exit(0);
}

/*
 * The kernel lets a call go on whose tracer goes away, as if the tracer had wanted
 * that. It is judged again like any other.
 */
TEST_F(chain, tracer_leaves)
{
	struct tracee *t = &self->tracee;
	struct seccomp_notif notif;
	enum departure leave;
	int ready[2], bad;
	pid_t tracer;
	char got;

	for (leave = DETACHES; leave <= EXITS_AND_KILLS; leave++) {
		for (bad = 1; bad >= 0; bad--) {
			shared->how[0].resolve = RESOLVE_BENEATH;
			ASSERT_EQ(0, pipe(ready));
			tracer = fork();
			ASSERT_LE(0, tracer);
			if (tracer == 0)
				trace_and_leave(t, leave, bad ? 0 : RESOLVE_IN_ROOT, ready[1]);
			ASSERT_EQ(1, read(ready[0], &got, 1));
			give(t, &self->order);
			ASSERT_EQ(1, read(ready[0], &got, 1));
			if (leave == IS_KILLED)
				kill(tracer, SIGKILL);
			EXPECT_EQ(leave == IS_KILLED ? -SIGKILL : 0, exit_status(tracer));
			close(ready[0]);
			close(ready[1]);
			if (leave == EXITS_AND_KILLS) {
				EXPECT_EQ(-ESRCH, result(t));
				return;
			}
			if (!bad) {
				/* The end of a tracer wakes its tracee, which may start over. */
				ASSERT_TRUE(wait_asleep_in(t->pid, __NR_openat2));
				ASSERT_EQ(0, notif_receive(t->listener, &notif));
				EXPECT_EQ(RESOLVE_IN_ROOT, pinned_resolve(t->pid));
				shared->how[0].resolve = 0;
				ASSERT_EQ(0, notif_continue(t->listener, notif.id));
			}
			EXPECT_EQ(bad ? -DENIED : -ENOENT, result(t)) TH_LOG("%d", leave);
		}
	}
}

/* ---- Stops at the entry and at the exit of calls. ---- */

FIXTURE(calls_traced)
{
	struct tracee tracee;
	struct order order;
};

FIXTURE_SETUP(calls_traced)
{
	stay_on_one_cpu();
	make_shared();
	ASSERT_TRUE(tracee_start(&self->tracee, install_chain_ordinary));
	shared->how[0].resolve = RESOLVE_BENEATH;
	self->order = open_order(0, 0);
	ASSERT_TRUE(seize(&self->tracee, TRACE_OPTIONS));
}

FIXTURE_TEARDOWN(calls_traced)
{
	tracee_end(&self->tracee);
}

static bool until_exit(struct tracee *t, long nr)
{
	return until_call(t, nr, PTRACE_SYSCALL_INFO_EXIT);
}

/* Has the tracee begin with the order and stop where it enters the call. */
static bool stop_at_entry(struct tracee *t, const struct order *order)
{
	if (!interrupt(t))
		return false;
	give(t, order);
	return until_call(t, order->nr, PTRACE_SYSCALL_INFO_ENTRY);
}

/*
 * Filters see what the entry stop leaves behind, and the tracer may have its say
 * once more at their own stop.
 */
TEST_F(calls_traced, entry_and_seccomp_stop)
{
	struct tracee *t = &self->tracee;
	size_t i;

	self->order = open_order(0, FOR_TRACER);
	for (i = 0; i < ARRAY_SIZE(known_results); i++) {
		const struct known_result *to = &known_results[i];

		shared->how[0].resolve = RESOLVE_BENEATH;
		ASSERT_TRUE(stop_at_entry(t, &self->order));
		/* It is not judged yet. */
		shared->how[0].resolve = RESOLVE_NO_MAGICLINKS;
		ASSERT_EQ(0, ptrace(PTRACE_SYSCALL, t->pid, NULL, NULL));
		ASSERT_EQ(SECCOMP_STOP, next_stop(t));
		EXPECT_EQ(RESOLVE_NO_MAGICLINKS, pinned_resolve(t->pid));
		shared->how[0].resolve = to->resolve;
		ASSERT_TRUE(until_exit(t, __NR_openat2));
		ASSERT_TRUE(resume(t));
		EXPECT_EQ(to->resolve ? to->ret : -DENIED, result(t)) TH_LOG("%zu", i);
	}
}

/* An exit stop comes too late to change the call. */
TEST_F(calls_traced, exit_stop)
{
	struct tracee *t = &self->tracee;
	struct user_regs_struct regs;
	size_t i;

	for (i = 0; i < 4; i++) {
		shared->how[0].resolve = i % 2 ? 0 : RESOLVE_BENEATH;
		ASSERT_TRUE(stop_at_entry(t, &self->order));
		ASSERT_TRUE(until_exit(t, __NR_openat2));
		regs = get_regs(t);
		EXPECT_EQ(i % 2 ? -DENIED : -EXDEV, (long)regs.rax);
		regs.rax = -ENOTUNIQ;
		regs.orig_rax = i < 2 ? __NR_clone3 : __NR_openat2;
		set_regs(t, &regs);
		shared->how[0].resolve = RESOLVE_IN_ROOT;
		ASSERT_TRUE(resume(t));
		EXPECT_EQ(-ENOTUNIQ, result(t));
		/* Nothing of it is left. */
		EXPECT_EQ(-ENOENT, order_result(t, &self->order));
		shared->how[0].resolve = 0;
		EXPECT_EQ(-DENIED, order_result(t, &self->order));
	}
}

/* The tracer has the call made again, with what has become of the struct. */
TEST_F(calls_traced, made_again)
{
	struct tracee *t = &self->tracee;
	struct user_regs_struct regs;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known_results); i++) {
		const struct known_result *to = &known_results[i];

		shared->how[0].resolve = RESOLVE_BENEATH;
		ASSERT_TRUE(stop_at_entry(t, &self->order));
		ASSERT_TRUE(until_exit(t, __NR_openat2));
		regs = get_regs(t);
		EXPECT_EQ(-EXDEV, (long)regs.rax);
		/* Back to the instruction, and its number into its register. */
		regs.rip -= 2;
		regs.rax = __NR_openat2;
		set_regs(t, &regs);
		shared->how[0].resolve = to->resolve;
		ASSERT_TRUE(resume(t));
		EXPECT_EQ(to->resolve ? to->ret : -DENIED, result(t)) TH_LOG("%zu", i);
	}
}

/* A call that a tracer emulates is not judged, and does not run. */
TEST_F(calls_traced, emulated)
{
	struct tracee *t = &self->tracee;
	struct user_regs_struct regs;
	size_t i;

	for (i = 0; i < 4; i++) {
		/* One that was let through before, or denied. */
		shared->how[0].resolve = i % 2 ? 0 : RESOLVE_BENEATH;
		EXPECT_EQ(i % 2 ? -DENIED : -EXDEV, order_result(t, &self->order));

		ASSERT_TRUE(interrupt(t));
		give(t, &self->order);
		/* All calls are emulated now: the read of the order is made anew and let go on. */
		ASSERT_TRUE(until_exit(t, __NR_read));
		shared->how[0].resolve = i % 2 ? RESOLVE_BENEATH : 0;
		ASSERT_EQ(0, ptrace(PTRACE_SYSEMU, t->pid, NULL, NULL));
		ASSERT_EQ(SYSCALL_STOP, next_stop(t));
		regs = get_regs(t);
		EXPECT_EQ(__NR_openat2, (long)regs.orig_rax);
		EXPECT_EQ(-ENOSYS, (long)regs.rax);
		regs.rax = -ENOTUNIQ;
		set_regs(t, &regs);
		ASSERT_TRUE(resume(t));
		EXPECT_EQ(-ENOTUNIQ, result(t));
		EXPECT_EQ(i % 2 ? -EXDEV : -DENIED, order_result(t, &self->order));
	}
}

/* ---- System calls that are dispatched to the user. ---- */

static volatile char selector = SYSCALL_DISPATCH_FILTER_ALLOW;
static struct open_how dispatched;
static volatile long in_handler;

/* Makes the call that was kept from the kernel, with another struct in its place. */
static void on_dispatch(int sig)
{
	(void)sig;
	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	dispatched.resolve = 0;
	in_handler = sys_openat2(AT_FDCWD, MAGIC_LINK, &dispatched, sizeof(dispatched));
	dispatched.resolve = RESOLVE_IN_ROOT;
}

TEST(user_dispatch)
{
	long ret;
	int i;

	ASSERT_EQ(0, no_new_privs());
	ASSERT_EQ(0, install_forbid());
	signal(SIGSYS, on_dispatch);
	ASSERT_EQ(0, prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector));
	for (i = 0; i < 10; i++) {
		/* A copy that was let through, or one that was denied, is there already. */
		dispatched.resolve = i % 2 ? RESOLVE_BENEATH : 0;
		EXPECT_EQ(i % 2 ? -EXDEV : -DENIED,
			  sys_openat2(AT_FDCWD, MAGIC_LINK, &dispatched, sizeof(dispatched)));
		in_handler = 1;
		dispatched.resolve = RESOLVE_BENEATH;
		selector = SYSCALL_DISPATCH_FILTER_BLOCK;
		ret = sys_openat2(AT_FDCWD, MAGIC_LINK, &dispatched, sizeof(dispatched));
		/* The registers are as if the call had not been made. */
		EXPECT_EQ(__NR_openat2, ret);
		EXPECT_EQ(-DENIED, in_handler);
		/* And the next one takes what the handler has left. */
		EXPECT_EQ(-ENOENT,
			  sys_openat2(AT_FDCWD, MAGIC_LINK, &dispatched, sizeof(dispatched)));
	}
}

/* ---- Seccomp suspended. ---- */

/* Two structs of the call with different results. */
static struct {
	const void *head;
	long ret;
} versions[2];

/* Where the versions differ, as the offset of a word. */
static size_t difference;

static long make_any(void)
{
	long args[NR_ARGS];
	unsigned int i;

	for (i = 0; i < NR_ARGS; i++)
		args[i] = any_arg(i);
	return make_call(any_call, args);
}

static long order_version(struct tracee *t, int i)
{
	put(versions[i].head);
	return order_result(t, &FN(make_any));
}

/* Lets the first version of the struct through and denies the second. */
static long install_for_any(void)
{
	const struct sock_fprog prog = PROG(
		LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 0, 2),
		LD_NR, JEQ(any_call->nr[X86_64], 1, 0), ALLOW,
		LD(SECCOMP_EA_BASE + difference),
		JEQ(*(__u32 *)(versions[1].head + difference), 0, 1), DENY(DENIED), ALLOW);

	return install_seccomp(0, &prog);
}

/* Finds two versions in the table, and a tracee that has no filters tells what they do. */
static bool find_versions(const struct call *call)
{
	struct tracee t;
	const char *head = call->heads;
	size_t i;

	any_call = call;
	versions[0].head = head;
	if (!tracee_start(&t, NULL))
		return false;
	versions[0].ret = order_version(&t, 0);
	for (i = 1; i < call->nr_heads; i++) {
		versions[1].head = head + i * call->known;
		versions[1].ret = order_version(&t, 1);
		if (versions[1].ret != versions[0].ret)
			break;
	}
	tracee_end(&t);
	for (difference = 0; difference < call->known; difference += 4) {
		if (memcmp(versions[0].head + difference, versions[1].head + difference, 4))
			break;
	}
	return i < call->nr_heads && difference < call->known;
}

/* What is expected, and else a line about it. */
static int is_not(long expected, long got, const char *when)
{
	if (got == expected)
		return 0;
	printf("# %s, %s: %ld, not %ld\n", any_call->name, when, got, expected);
	return 1;
}

static int judged(struct tracee *t, int last)
{
	int wrong = 0, i;

	/* Both, and the copy of @last stays. */
	for (i = 0; i < 2; i++) {
		int version = i ? last : !last;

		wrong += is_not(version ? -DENIED : versions[0].ret, order_version(t, version),
				"judged");
	}
	return wrong;
}

static int unjudged(struct tracee *t, int first)
{
	int wrong = 0, i;

	for (i = 0; i < 3; i++) {
		int version = (first + i) % 2;

		wrong += is_not(versions[version].ret, order_version(t, version), "suspended");
	}
	return wrong;
}

static int alternate_suspended(const struct call *call)
{
	struct tracee t;
	int wrong, i;

	if (!find_versions(call) || !tracee_start(&t, install_for_any) || !seize(&t, 0))
		return -1;
	wrong = judged(&t, 0);
	for (i = 0; i < 16; i++) {
		/* After one that was let through, and after one that was denied. */
		if (!set_options(&t, PTRACE_O_SUSPEND_SECCOMP))
			return -1;
		wrong += unjudged(&t, (i / 2) % 2);
		if (!set_options(&t, 0))
			return -1;
		wrong += judged(&t, i % 2);
	}
	tracee_end(&t);
	printf("# %s: %ld and %ld, %d wrong\n", call->name, versions[0].ret, versions[1].ret,
	       wrong);
	return wrong;
}

/* Runs as a process of its own. */
static void suspend(struct tracee *t, int ready)
{
	if (!seize(t, PTRACE_O_SUSPEND_SECCOMP) || write(ready, "s", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static pid_t start_suspending(struct tracee *t)
{
	int ready[2];
	pid_t tracer;
	char got;

	if (pipe(ready))
		return -1;
	tracer = fork();
	if (tracer == 0)
		suspend(t, ready[1]);
	close(ready[1]);
	if (read(ready[0], &got, 1) != 1)
		tracer = -1;
	close(ready[0]);
	return tracer;
}

static void end_tracer(pid_t tracer)
{
	kill(tracer, SIGKILL);
	exit_status(tracer);
}

/* With its tracer a thread loses the suspension. */
static int suspending_tracer_dies(const struct call *call)
{
	struct tracee t;
	int wrong, i;
	pid_t tracer;

	if (!find_versions(call) || !tracee_start(&t, install_for_any))
		return -1;
	wrong = judged(&t, 0);
	for (i = 0; i < 4; i++) {
		tracer = start_suspending(&t);
		if (tracer < 0)
			return -1;
		wrong += unjudged(&t, i % 2);
		end_tracer(tracer);
		wrong += judged(&t, i / 2);
	}
	tracee_end(&t);
	return wrong;
}

static long withhold_any(void)
{
	return withhold(any_struct, PAGE);
}

/*
 * The same between the two steps of a call that has the size of its struct inside:
 * it began without its filters, so what they saw before is nothing to it.
 */
static int suspending_tracer_dies_between(const struct call *call)
{
	static char content[PAGE];
	struct uffdio_copy copy = {
		.dst = ADDRESS(any_struct), .src = ADDRESS(content), .len = PAGE,
	};
	int wrong = 0, last, uffd, pidfd;
	struct tracee t;
	pid_t tracer;
	long fd;

	if (call->size != INSIDE)
		return 0;
	for (last = 0; last < 2; last++) {
		if (!find_versions(call) || !tracee_start(&t, install_for_any))
			return -1;
		/* The struct that was judged last, and the other one. */
		wrong += judged(&t, last);
		put(versions[!last].head);
		memcpy(content, any_struct, PAGE);

		fd = order_result(&t, &FN(withhold_any));
		pidfd = SYSCALL(__NR_pidfd_open, t.pid, 0);
		uffd = SYSCALL(__NR_pidfd_getfd, pidfd, fd, 0);
		tracer = start_suspending(&t);
		if (uffd < 0 || tracer < 0 || madvise(any_struct, PAGE, MADV_REMOVE))
			return -1;
		give(&t, &FN(make_any));
		if (!is_waited_for(uffd, 10000))
			return -1;
		end_tracer(tracer);
		if (ioctl(uffd, UFFDIO_COPY, &copy))
			return -1;
		wrong += is_not(versions[!last].ret, result(&t), "suspended up to its size");
		close(uffd);
		close(pidfd);
		tracee_end(&t);
	}
	return wrong;
}

FIXTURE(suspended) {};

FIXTURE_SETUP(suspended)
{
	stay_on_one_cpu();
	make_shared();
	ASSERT_TRUE(prepare_calls());
}

FIXTURE_TEARDOWN(suspended) {}

TEST_F(suspended, alternately)
{
	EXPECT_EQ(0, test_each_call(alternate_suspended));
}

TEST_F(suspended, tracer_dies)
{
	EXPECT_EQ(0, test_each_call(suspending_tracer_dies));
}

TEST_F(suspended, tracer_dies_between)
{
	EXPECT_EQ(0, test_each_call(suspending_tracer_dies_between));
}

/* ---- A tracer of thousands of calls, and a thread that rewrites the struct. ---- */

FIXTURE(race)
{
	struct tracee tracee;
	pthread_t rewriter;
};

/* How a tracer comes to let a call go on, or not. */
enum decision {
	LETS_ALL_GO_ON, BY_MEMORY, BY_PINNED_COPY,
};

FIXTURE_VARIANT(race)
{
	long (*install)(void);
	enum decision by;
	/* So many stops there are to be, or so many calls that get through. */
	unsigned int stops, through;
};

static long install_trace_and_forbid(void)
{
	return install_trace() ?: install_forbid();
}

/* Looks at the struct, so that it is pinned, and at no more. */
static long install_trace_and_pin(void)
{
	const struct sock_fprog pin_struct = PROG(
		LD_NR, JEQ(__NR_openat2, 0, 1), LD(RESOLVE), ALLOW);

	return install_trace() ?: install_seccomp(0, &pin_struct);
}

FIXTURE_VARIANT_ADD(race, filter_decides) {
	.install = install_trace_and_forbid, .by = LETS_ALL_GO_ON, .stops = 5000,
};

/* The control: a tracer that reads memory is told what the call will not see. */
FIXTURE_VARIANT_ADD(race, tracer_reads_memory) {
	.install = install_trace, .by = BY_MEMORY, .through = 10,
};

/* Nor does the copy help a tracer to decide: after its stop there is another one. */
FIXTURE_VARIANT_ADD(race, tracer_reads_copy) {
	.install = install_trace_and_pin, .by = BY_PINNED_COPY, .through = 10,
};

static void *rewrite(void *arg)
{
	(void)arg;
	pin(1);
	shared->started = true;
	while (!shared->stop) {
		*(volatile __u64 *)&shared->how[0].resolve = RESOLVE_BENEATH;
		__sync_synchronize();
		*(volatile __u64 *)&shared->how[0].resolve = 0;
		__sync_synchronize();
	}
	return NULL;
}

static long race_in_tracee(void)
{
	const struct order order = open_order(0, FOR_TRACER);
	long ret;

	while (!shared->stop) {
		ret = make_ordered(&order);
		if (ret == -EXDEV) {
			shared->judged++;
		} else if (ret == -DENIED) {
			shared->denied++;
		} else {
			shared->through++;
			if (ret >= 0)
				close(ret);
		}
	}
	/* Not all calls make the tracer stop. This does, after the last one. */
	raise(SIGSTOP);
	return 0;
}

FIXTURE_SETUP(race)
{
	make_shared();
	pin(0);
	ASSERT_TRUE(tracee_start(&self->tracee, variant->install));
	ASSERT_EQ(0, pthread_create(&self->rewriter, NULL, rewrite, NULL));
	while (!shared->started)
		sched_yield();
}

FIXTURE_TEARDOWN(race)
{
	shared->stop = true;
	pthread_join(self->rewriter, NULL);
	tracee_end(&self->tracee);
}

static bool is_bad(struct tracee *t, enum decision by, int device)
{
	struct seccomp_ea_pinned pinned;
	struct open_how how = {};
	const struct iovec local = { &how, sizeof(how) };
	const struct iovec remote = { &shared->how[0], sizeof(how) };

	if (by == LETS_ALL_GO_ON)
		return false;
	if (by == BY_MEMORY)
		process_vm_readv(t->pid, &local, 1, &remote, 1, 0);
	else
		read_pinned(device, t->pid, &pinned, &how, sizeof(how));
	return how.resolve == 0;
}

/* A slow machine may have other things to do than to be raced on: it has so many seconds. */
#define SECONDS		30

TEST_F_TIMEOUT(race, traced, 4 * SECONDS)
{
	const time_t end = time(NULL) + SECONDS;
	struct tracee *t = &self->tracee;
	struct user_regs_struct regs;
	unsigned int stops;
	int device = -1, stop;

	if (variant->by == BY_PINNED_COPY) {
		device = ea_device();
		ASSERT_LE(0, device);
	}
	ASSERT_TRUE(seize(t, TRACE_OPTIONS));
	give(t, &FN(race_in_tracee));
	for (stops = 0; (stop = next_stop(t)) == SECCOMP_STOP; stops++) {
		if (is_bad(t, variant->by, device)) {
			regs = get_regs(t);
			regs.orig_rax = -1;
			regs.rax = -DENIED;
			set_regs(t, &regs);
		}
		if (time(NULL) >= end || (variant->through ? shared->through >= variant->through :
							     stops >= variant->stops))
			shared->stop = true;
		ASSERT_TRUE(resume(t));
	}
	ASSERT_EQ(SIGSTOP, stop);
	ASSERT_TRUE(resume(t));
	EXPECT_EQ(0, result(t));
	TH_LOG("%u stops: %u judged, %u denied, %u through", stops, shared->judged,
	       shared->denied, shared->through);
	EXPECT_EQ(variant->through > 0, shared->through > 0);
	/* A race in which one value alone was met was none. */
	EXPECT_LT(0U, shared->judged);
	EXPECT_LT(0U, shared->denied);
}

TEST_HARNESS_MAIN
