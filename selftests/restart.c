// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that signals and tracers have made again: what they find is fetched and
 * judged anew. Calls that go on keep their copy, whatever is called meanwhile.
 */
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "tracee.h"

/* ---- Calls that are interrupted. ---- */

#define FIFO	"restart.fifo"

/* Makes calls of its own, if asked to, and leaves another struct for the call. */
static void on_signal(int sig)
{
	(void)sig;
	if (shared->nested) {
		shared->nested_got[0] = sys_openat2(AT_FDCWD, MAGIC_LINK, &shared->how[2],
						    sizeof(struct open_how));
		shared->nested_got[1] = sys_openat2(AT_FDCWD, MAGIC_LINK, &shared->how[3],
						    sizeof(struct open_how));
	}
	shared->how[0] = shared->next;
	shared->handled++;
}

static long handle(int flags)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGUSR1, &action, NULL);
	return install_chain_ordinary();
}

static long handle_and_restart(void)
{
	return handle(SA_RESTART);
}

static long handle_only(void)
{
	return handle(0);
}

FIXTURE(interrupted)
{
	struct tracee tracee;
	struct order order;
};

FIXTURE_SETUP(interrupted)
{
	stay_on_one_cpu();
	make_shared();
	unlink(FIFO);
	ASSERT_EQ(0, mkfifo(FIFO, 0600));
	/* Nobody writes, so this sleeps in the middle of the call, with its copy. */
	shared->how[0] = (struct open_how) { .resolve = RESOLVE_BENEATH };
	shared->how[2] = (struct open_how) { .resolve = 0 };
	shared->how[3] = (struct open_how) { .resolve = RESOLVE_IN_ROOT };
	self->order = open_order(0, 0);
	self->order.args[1] = ADDRESS(FIFO);
}

FIXTURE_TEARDOWN(interrupted)
{
	tracee_end(&self->tracee);
	unlink(FIFO);
}

/* Starts the call, and waits until it sleeps. */
static bool sleep_in_call(struct tracee *t, const struct order *order, long (*install)(void))
{
	if (!tracee_start(t, install))
		return false;
	give(t, order);
	return wait_asleep_in(t->pid, __NR_openat2);
}

/* The call ends as soon as somebody writes. */
static bool write_fifo(void)
{
	int fd = open(FIFO, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	close(fd);
	return fd >= 0;
}

static bool wait_handled(unsigned int times)
{
	int i;

	for (i = 0; i < 10000 && shared->handled < times; i++)
		nap();
	return shared->handled == times;
}

/* The control: a call that goes on has its copy, whatever becomes of the struct. */
TEST_F(interrupted, not_at_all)
{

	ASSERT_TRUE(sleep_in_call(&self->tracee, &self->order, handle_and_restart));
	shared->how[0].resolve = 0;
	EXPECT_EQ(RESOLVE_BENEATH, pinned_resolve(self->tracee.pid));
	ASSERT_TRUE(write_fifo());
	EXPECT_EQ(0, result(&self->tracee));
}

TEST_F(interrupted, and_not_restarted)
{
	shared->next.resolve = 0;
	ASSERT_TRUE(sleep_in_call(&self->tracee, &self->order, handle_only));
	kill(self->tracee.pid, SIGUSR1);
	EXPECT_EQ(-EINTR, result(&self->tracee));
	EXPECT_EQ(-DENIED, order_result(&self->tracee, &self->order));
}

/* What the handler leaves behind is judged, and it is what runs. */
TEST_F(interrupted, and_denied)
{
	shared->next.resolve = 0;
	ASSERT_TRUE(sleep_in_call(&self->tracee, &self->order, handle_and_restart));
	kill(self->tracee.pid, SIGUSR1);
	EXPECT_EQ(-DENIED, result(&self->tracee));
}

TEST_F(interrupted, and_allowed)
{
	shared->next = (struct open_how) { .flags = O_DIRECTORY, .resolve = RESOLVE_BENEATH };
	ASSERT_TRUE(sleep_in_call(&self->tracee, &self->order, handle_and_restart));
	kill(self->tracee.pid, SIGUSR1);
	EXPECT_EQ(-ENOTDIR, result(&self->tracee));
}

/* Every time; and a struct that stays good has the call sleep on. */
TEST_F(interrupted, again_and_again)
{
	unsigned int i;

	shared->next.resolve = RESOLVE_BENEATH;
	ASSERT_TRUE(sleep_in_call(&self->tracee, &self->order, handle_and_restart));
	for (i = 1; i <= 20; i++) {
		kill(self->tracee.pid, SIGUSR1);
		ASSERT_TRUE(wait_handled(i));
		ASSERT_TRUE(wait_asleep_in(self->tracee.pid, __NR_openat2));
	}
	shared->next.resolve = 0;
	kill(self->tracee.pid, SIGUSR1);
	EXPECT_EQ(-DENIED, result(&self->tracee));
}

/* Calls of the handler, one denied and one not, are not taken for that of the thread. */
TEST_F(interrupted, with_calls_in_between)
{

	shared->nested = true;
	shared->next.resolve = RESOLVE_BENEATH;
	ASSERT_TRUE(sleep_in_call(&self->tracee, &self->order, handle_and_restart));
	kill(self->tracee.pid, SIGUSR1);
	ASSERT_TRUE(wait_handled(1));
	EXPECT_EQ(-DENIED, shared->nested_got[0]);
	EXPECT_EQ(-ENOENT, shared->nested_got[1]);
	ASSERT_TRUE(wait_asleep_in(self->tracee.pid, __NR_openat2));
	EXPECT_EQ(RESOLVE_BENEATH, pinned_resolve(self->tracee.pid));
	shared->next.resolve = 0;
	kill(self->tracee.pid, SIGUSR1);
	EXPECT_EQ(-DENIED, result(&self->tracee));
}

/*
 * So it is while a supervisor thinks: the notification is gone with the signal, and
 * the call that is made again has another one, and another copy.
 */
TEST_F(interrupted, while_notified)
{
	struct tracee *t = &self->tracee;
	struct seccomp_notif first, second;
	int bad;

	ASSERT_TRUE(tracee_start(t, handle_and_restart));
	shared->nested = true;
	for (bad = 0; bad < 2; bad++) {
		self->order = open_order(0, FOR_LISTENER);
		shared->how[0].resolve = RESOLVE_BENEATH;
		shared->next.resolve = bad ? 0 : RESOLVE_NO_MAGICLINKS;
		shared->nested_got[0] = 1;
		shared->nested_got[1] = 1;
		give(t, &self->order);
		ASSERT_EQ(0, notif_receive(t->listener, &first));
		EXPECT_EQ(RESOLVE_BENEATH, pinned_resolve(t->pid));
		kill(t->pid, SIGUSR1);
		ASSERT_TRUE(wait_handled(bad + 1));
		EXPECT_EQ(-DENIED, shared->nested_got[0]);
		EXPECT_EQ(-ENOENT, shared->nested_got[1]);
		EXPECT_EQ(-ENOENT, notif_continue(t->listener, first.id));
		if (!bad) {
			ASSERT_EQ(0, notif_receive(t->listener, &second));
			EXPECT_EQ(RESOLVE_NO_MAGICLINKS, pinned_resolve(t->pid));
			shared->how[0].resolve = 0;
			ASSERT_EQ(0, notif_continue(t->listener, second.id));
		}
		EXPECT_EQ(bad ? -DENIED : -ELOOP, result(t));
	}
}

#define INTERRUPT_STOP	(SIGTRAP | PTRACE_EVENT_STOP << 8)

/* Stops the sleeping call for the tracer, at a signal or without one. */
static bool stop_in_call(struct tracee *t, const struct order *order, int stop,
			 struct user_regs_struct *regs)
{
	if (!sleep_in_call(t, order, handle_and_restart) || !seize(t, TRACE_OPTIONS))
		return false;
	if (stop == SIGUSR1)
		kill(t->pid, SIGUSR1);
	else
		ptrace(PTRACE_INTERRUPT, t->pid, NULL, NULL);
	if (next_stop(t) != stop)
		return false;
	*regs = get_regs(t);
	return regs->orig_rax == __NR_openat2 && (long)regs->rax == -512 /* ERESTARTSYS */;
}

/* A mere stop makes the call start over, too. */
TEST_F(interrupted, by_tracer)
{
	struct user_regs_struct regs;

	ASSERT_TRUE(stop_in_call(&self->tracee, &self->order, INTERRUPT_STOP, &regs));
	shared->how[0].resolve = 0;
	ASSERT_TRUE(resume(&self->tracee));
	EXPECT_EQ(-DENIED, result(&self->tracee));
}

/* At the stop for a signal, which the tracer does not pass on, it makes it another call. */
TEST_F(interrupted, by_tracer_into_another_call)
{
	struct user_regs_struct regs;

	ASSERT_TRUE(stop_in_call(&self->tracee, &self->order, SIGUSR1, &regs));
	shared->clone.flags = CLONE_THREAD | CLONE_NEWUSER;
	regs.orig_rax = __NR_clone3;
	regs.rdi = ADDRESS(&shared->clone);
	regs.rsi = sizeof(shared->clone);
	set_regs(&self->tracee, &regs);
	ASSERT_TRUE(resume(&self->tracee));
	EXPECT_EQ(-DENIED, result(&self->tracee));
	EXPECT_EQ(0U, shared->handled);
}

TEST_F(interrupted, by_tracer_into_another_struct)
{
	struct user_regs_struct regs;

	ASSERT_TRUE(stop_in_call(&self->tracee, &self->order, SIGUSR1, &regs));
	shared->how[1] = (struct open_how) { .flags = O_DIRECTORY, .resolve = RESOLVE_BENEATH };
	regs.rdx = ADDRESS(&shared->how[1]);
	set_regs(&self->tracee, &regs);
	ASSERT_TRUE(resume(&self->tracee));
	EXPECT_EQ(-ENOTDIR, result(&self->tracee));
}

/*
 * restart_syscall has no struct. No call that has one is restarted that way, but a
 * tracer can pretend that it was.
 */
TEST_F(interrupted, by_tracer_into_restart_syscall)
{
	struct user_regs_struct regs;

	ASSERT_TRUE(stop_in_call(&self->tracee, &self->order, INTERRUPT_STOP, &regs));
	regs.rax = -516 /* ERESTART_RESTARTBLOCK */;
	set_regs(&self->tracee, &regs);
	shared->how[0].resolve = 0;
	ASSERT_TRUE(resume(&self->tracee));
	EXPECT_EQ(-EINTR, result(&self->tracee));
	EXPECT_EQ(-DENIED, order_result(&self->tracee, &self->order));
}

/* A real one, in between of inspected calls. */
TEST_F(interrupted, sleep)
{
	static const struct timespec moment = { .tv_nsec = 200000000 };
	struct tracee *t = &self->tracee;
	const struct order sleep = { .nr = __NR_nanosleep, .args = { ADDRESS(&moment), 0 } };
	int i;

	ASSERT_TRUE(tracee_start(t, handle_and_restart));
	ASSERT_TRUE(seize(t, TRACE_OPTIONS));
	self->order = open_order(0, 0);
	EXPECT_EQ(-EXDEV, order_result(t, &self->order));
	give(t, &sleep);
	for (i = 0; i < 5; i++) {
		ASSERT_TRUE(wait_asleep_in(t->pid, i ? __NR_restart_syscall : __NR_nanosleep));
		EXPECT_EQ(-ENOENT, pinned_resolve(t->pid));
		ASSERT_TRUE(interrupt(t));
		ASSERT_TRUE(resume(t));
	}
	EXPECT_EQ(0, result(t));
	shared->how[0].resolve = 0;
	EXPECT_EQ(-DENIED, order_result(t, &self->order));
}

/* ---- What a handler returns to. ---- */

static struct open_how returned_to;

/* Has sigreturn make the call that was just made again, with what is another struct by now. */
static void on_return(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	returned_to.resolve = 0;
	regs[REG_RIP] -= 2;
	regs[REG_RAX] = __NR_openat2;
	regs[REG_RDI] = AT_FDCWD;
	regs[REG_RSI] = ADDRESS(MAGIC_LINK);
	regs[REG_RDX] = ADDRESS(&returned_to);
	regs[REG_R10] = sizeof(returned_to);
}

static __attribute__((__noipa__)) long signal_oneself(void)
{
	const long args[NR_ARGS] = { getpid(), SIGUSR1 };

	return raw_call(__NR_kill, args, false);
}

TEST(returned_from_signal)
{
	const struct sigaction action = { .sa_sigaction = on_return, .sa_flags = SA_SIGINFO };
	int i;

	ASSERT_EQ(0, no_new_privs());
	ASSERT_EQ(0, install_forbid());
	sigaction(SIGUSR1, &action, NULL);
	for (i = 0; i < 10; i++) {
		returned_to.resolve = RESOLVE_BENEATH;
		EXPECT_EQ(-EXDEV, sys_openat2(AT_FDCWD, MAGIC_LINK, &returned_to,
					      sizeof(returned_to)));
		EXPECT_EQ(-DENIED, signal_oneself());
	}
}

TEST_HARNESS_MAIN
