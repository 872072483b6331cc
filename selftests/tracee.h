/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A tracee that makes the calls that it is told to, one by one, with structs in
 * memory that it shares with its tracer; and what tracers do.
 *
 * Includers have included kselftest_harness.h.
 */
#ifndef SELFTESTS_TRACEE_H
#define SELFTESTS_TRACEE_H

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include <linux/ptrace.h>

#include "calls.h"
#include "supervise.h"

/* No call here returns them of its own accord. */
#define DENIED		EDOTDOT
#define DENIED_2	ENAVAIL

#define RESOLVE		SECCOMP_EA_LO(struct open_how, resolve)

/* Cast so that the longer of the two is the type of either. */
#define ADDRESS(p)	((long)(uintptr_t)(p))

/*
 * A path for which every value of resolve has a result of its own, so that it shows
 * which struct was executed.
 */
#define MAGIC_LINK	"/proc/self/exe"

static const struct known_result {
	long resolve, ret;
} known_results[] = {
	{ 0, 0 },
	{ RESOLVE_BENEATH, -EXDEV },
	/* The root is the working directory, which has no such file. */
	{ RESOLVE_IN_ROOT, -ENOENT },
	{ RESOLVE_NO_MAGICLINKS, -ELOOP },
};

/* ---- The tracee. ---- */

/* What tracer and tracee share. It lies where i386 calls reach it. */
static struct shared {
	struct open_how how[4];
	struct clone_args clone;
	struct sched_attr sched;
	/* What the signal handler leaves in the place of how[0], and its own calls before. */
	struct open_how next;
	bool nested;
	long nested_got[2];
	volatile unsigned int handled;
	/* What came of the calls of a race, and whether it is over. */
	unsigned int denied, judged, through;
	volatile bool started, stop;
} *shared;

/* The page after it is for the structs of all kinds of calls. */
static char *any_struct;

static inline void make_shared(void)
{
	void *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	shared = memory;
	any_struct = memory + PAGE;
}

struct order {
	enum abi abi;
	unsigned int nr;
	long args[NR_ARGS];
	/* Instead of a call, its result being the answer. */
	long (*fn)(void);
};

struct tracee {
	pid_t pid;
	int orders, results;
	/* What the filters of the tracee returned when they were installed. */
	long installed;
	/* A copy of the listener, should that be one. */
	int listener;
};

/*
 * Not inlined, as a tracer changes registers that the compiler takes for unchanged:
 * nothing here needs them after the call.
 */
static __attribute__((__noipa__, __unused__)) long make_ordered(const struct order *order)
{
	long ret;

	abi = order->abi;
	ret = raw_call(order->nr, order->args, order->nr == __NR_clone3);
	/* What is left in the register of the mark would mark calls to come. */
	asm volatile("xor %%r9d, %%r9d" : : : "r9", "cc");
	return ret;
}

static inline void follow_orders(int orders, int results)
{
	struct order order;
	long ret;

	while (read(orders, &order, sizeof(order)) == sizeof(order)) {
		if (order.fn) {
			ret = order.fn();
		} else {
			ret = make_ordered(&order);
			if (ret > 0 && order.nr == __NR_openat2) {
				close(ret);
				ret = 0;
			}
		}
		if (write(results, &ret, sizeof(ret)) != sizeof(ret))
			break;
	}
	_exit(0);
}

/* Forks a tracee and has it install its filters. Nobody traces it yet. */
static inline bool tracee_start(struct tracee *t, long (*install)(void))
{
	int orders[2], results[2], pidfd;

	if (pipe2(orders, O_CLOEXEC) || pipe2(results, O_CLOEXEC))
		return false;
	fflush(NULL);
	t->pid = fork();
	if (t->pid == 0) {
		sigset_t children;
		long ret;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Who is traced would stop for each. */
		sigemptyset(&children);
		sigaddset(&children, SIGCHLD);
		sigprocmask(SIG_BLOCK, &children, NULL);
		close(orders[1]);
		close(results[0]);
		ret = no_new_privs();
		if (!ret && install)
			ret = install();
		if (write(results[1], &ret, sizeof(ret)) == sizeof(ret))
			follow_orders(orders[0], results[1]);
		_exit(1);
	}
	close(orders[0]);
	close(results[1]);
	t->orders = orders[1];
	t->results = results[0];
	t->listener = -1;
	if (t->pid < 0 || read(t->results, &t->installed, sizeof(long)) != sizeof(long))
		return false;
	if (t->installed > 0) {
		pidfd = SYSCALL(__NR_pidfd_open, t->pid, 0);
		t->listener = SYSCALL(__NR_pidfd_getfd, pidfd, t->installed, 0);
		close(pidfd);
	}
	return t->installed >= 0;
}

/* Without the orders it ends by itself, unless it is held. */
static inline int tracee_end(struct tracee *t)
{
	kill(t->pid, SIGKILL);
	close(t->orders);
	close(t->results);
	if (t->listener >= 0)
		close(t->listener);
	return exit_status(t->pid);
}

static inline void give(struct tracee *t, const struct order *order)
{
	if (write(t->orders, order, sizeof(*order)) != sizeof(*order))
		abort();
}

/* What came of the order, or -ESRCH if the tracee died of it. */
static inline long result(struct tracee *t)
{
	long ret;

	return read(t->results, &ret, sizeof(ret)) == sizeof(ret) ? ret : -ESRCH;
}

static inline long order_result(struct tracee *t, const struct order *order)
{
	give(t, order);
	return result(t);
}

#define FN(function)	(struct order) { .fn = (function) }

/* openat2 of the struct how[@i], with @mark in an argument that it does not have. */
static inline struct order open_order(int i, long mark)
{
	return (struct order) {
		.nr = __NR_openat2,
		.args = { AT_FDCWD, ADDRESS(MAGIC_LINK), ADDRESS(&shared->how[i]),
			  sizeof(struct open_how), 0, mark },
	};
}

/* ---- Any call of the table, with its struct in any_struct. ---- */

static const struct call *any_call;

static inline long any_arg(unsigned int i)
{
	if (i == any_call->pointer)
		return ADDRESS(any_struct);
	return i == any_call->size ? (long)any_call->known : any_call->contexts->args[i];
}

static inline void put(const void *head)
{
	const __u32 size = any_call->known;

	memcpy(any_struct, head, any_call->known);
	if (any_call->size == INSIDE)
		memcpy(any_struct + any_call->field, &size, sizeof(size));
}

/* ---- The tracer. ---- */

#define SECCOMP_STOP	(SIGTRAP | PTRACE_EVENT_SECCOMP << 8)
#define SYSCALL_STOP	(SIGTRAP | 0x80)
#define TRACE_OPTIONS	(PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD)

static inline bool seize(struct tracee *t, unsigned long options)
{
	return ptrace(PTRACE_SEIZE, t->pid, NULL, options) == 0;
}

/* What the tracee stopped for, or -1 if it is no more. */
static inline int next_stop(struct tracee *t)
{
	int status;

	if (waitpid(t->pid, &status, __WALL) != t->pid || !WIFSTOPPED(status))
		return -1;
	return status >> 8;
}

static inline bool resume(struct tracee *t)
{
	return ptrace(PTRACE_CONT, t->pid, NULL, NULL) == 0;
}

/* Stops the tracee wherever it is. */
static inline bool interrupt(struct tracee *t)
{
	return ptrace(PTRACE_INTERRUPT, t->pid, NULL, NULL) == 0 &&
	       next_stop(t) == (SIGTRAP | PTRACE_EVENT_STOP << 8);
}

static inline bool set_options(struct tracee *t, unsigned long options)
{
	return interrupt(t) && ptrace(PTRACE_SETOPTIONS, t->pid, NULL, options) == 0 && resume(t);
}

static inline struct user_regs_struct get_regs(struct tracee *t)
{
	struct user_regs_struct regs = {};

	ptrace(PTRACE_GETREGS, t->pid, NULL, &regs);
	return regs;
}

static inline void set_regs(struct tracee *t, const struct user_regs_struct *regs)
{
	ptrace(PTRACE_SETREGS, t->pid, NULL, regs);
}

/* Lets a stopped tracee go on to where it enters (or leaves) the call @nr. */
static inline bool until_call(struct tracee *t, long nr, int op)
{
	struct ptrace_syscall_info info;
	int stop;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, t->pid, NULL, NULL))
			return false;
		stop = next_stop(t);
		if (stop < 0)
			return false;
		if (stop != SYSCALL_STOP)
			continue;
		ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof(info), &info);
		if (info.op == op && (long)get_regs(t).orig_rax == nr)
			return true;
	}
}

/* Whether the tracee sleeps in the call @nr. */
static inline bool is_asleep_in(pid_t pid, long nr)
{
	char path[64], text[128];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	/* A thread that runs has no number. */
	return strchr(text, ' ') && strtol(text, NULL, 10) == nr;
}

static inline bool wait_asleep_in(pid_t pid, long nr)
{
	int i;

	for (i = 0; i < 10000; i++) {
		if (is_asleep_in(pid, nr))
			return true;
		nap();
	}
	return false;
}

/* ---- Filters: a chain with a tracer in its middle. ---- */

/* In the sixth argument: asks for the tracer, and for the supervisor. */
#define FOR_TRACER	0x7ace
#define FOR_LISTENER	0x7acf
#define TRACE_DATA	0x1234

/* Forbids one value of a word of each of these calls. */
static inline long install_forbid(void)
{
	const struct sock_fprog forbid = PROG(
		LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 0, 4),
		LD_NR, JEQ(__NR_openat2, 6, 0), JEQ(__NR_clone3, 7, 0), ALLOW,
		JEQ(AUDIT_ARCH_I386, 0, 9),
		LD_NR, JEQ(437 /* openat2 */, 1, 0), JEQ(351 /* sched_setattr */, 4, 6),
		LD(RESOLVE), JEQ(0, 5, 4),
		LD(SECCOMP_EA_LO(struct clone_args, flags)), JSET(CLONE_NEWUSER, 3, 2),
		LD(SECCOMP_EA_LO(struct sched_attr, sched_policy)), JEQ(77, 1, 0),
		ALLOW, DENY(DENIED));

	return install_seccomp(0, &forbid);
}

static inline long install_trace(void)
{
	const struct sock_fprog trace = PROG(
		LD_ARG(5), JEQ(FOR_TRACER, 0, 1), RET(SECCOMP_RET_TRACE | TRACE_DATA), ALLOW);

	return install_seccomp(0, &trace);
}

/* The same by a filter that looks into the struct where there is one. */
static inline long install_trace_extended(void)
{
	const struct sock_fprog trace = PROG(
		LD_NR, JEQ(__NR_openat2, 0, 2), LD(RESOLVE), JEQ(0xffffffff, 3, 0),
		LD_ARG(5), JEQ(FOR_TRACER, 0, 1), RET(SECCOMP_RET_TRACE | TRACE_DATA), ALLOW);

	return install_seccomp(0, &trace);
}

static inline long install_notify(void)
{
	const struct sock_fprog notify = PROG(
		LD_ARG(5), JEQ(FOR_LISTENER, 0, 1), RET(SECCOMP_RET_USER_NOTIF), ALLOW);

	return install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &notify);
}

static inline long install_no_tail(void)
{
	const struct sock_fprog no_tail = PROG(
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(SECCOMP_EA_TAIL), JGT(sizeof(struct open_how), 0, 1), DENY(DENIED_2), ALLOW);

	return install_seccomp(0, &no_tail);
}

static inline long install_chain(bool extended)
{
	long listener, ret;

	ret = install_forbid();
	if (ret)
		return ret;
	listener = install_notify();
	if (listener < 0)
		return listener;
	ret = extended ? install_trace_extended() : install_trace();
	return ret ?: install_no_tail() ?: listener;
}

static inline long install_chain_ordinary(void)
{
	return install_chain(false);
}

static inline long install_chain_extended(void)
{
	return install_chain(true);
}

/* The field of the struct that thread @pid was judged by, should that be an open_how. */
static inline long pinned_resolve(pid_t pid)
{
	struct seccomp_ea_pinned pinned;
	struct open_how how = {};
	int device = ea_device();
	long ret;

	if (device < 0)
		return device;
	ret = read_pinned(device, pid, &pinned, &how, sizeof(how));
	close(device);
	if (!ret && pinned.nr != __NR_openat2)
		return -ENOTRECOVERABLE;
	return ret ?: (long)how.resolve;
}

#endif /* SELFTESTS_TRACEE_H */
