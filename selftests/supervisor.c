// SPDX-License-Identifier: GPL-2.0
/*
 * A sample of a supervisor, to be read and copied:
 *
 *	supervisor COMMAND [ARGUMENT...]
 *
 * runs a command that may have threads and children as it likes, but no new namespaces.
 * Every clone3(2) is notified to this process, which reads the struct that the call is
 * going to execute on, decides, and says so on stderr:
 *
 *	supervisor: 71 clone3(VM|VFORK|CLEAR_SIGHAND): continues, a process
 *	supervisor: 72 clone3(NEWUSER): EPERM, a new namespace
 *
 * It goes on for as long as there is anybody under the filter. Its exit status is that of
 * the command as a shell tells it, or 2 without the module, or 125 if it fails otherwise.
 *
 * This is one rule of a sandbox and not the whole. In particular the command must not be
 * able to trace the supervisor, as processes of the same user are.
 */
#include <errno.h>
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/seccomp_ea.h>

#define DEVICE		"/dev/seccomp_ea"

#define NO_MODULE	2
#define TROUBLE		125
#define NOT_RUN		126
#define NOT_FOUND	127

/* ---- The filter, and the command under it. ---- */

/* All new namespaces. CLONE_EMPTY_MNTNS is in the high word, which only clone3(2) has. */
#define NEW_NAMESPACES							\
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |	\
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME |	\
	 CLONE_EMPTY_MNTNS)

#define X32_BIT		0x40000000

#define LOAD(offset)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define RETURN(action)	BPF_STMT(BPF_RET | BPF_K, action)
#define IF(is, value, then, otherwise)					\
	BPF_JUMP(BPF_JMP | BPF_##is | BPF_K, (__u32)(value), then, otherwise)

/* With the number of the call loaded: EPERM for call @nr with any of @flags in argument @n. */
#define DENY_FLAGS(nr, n, flags)					\
	IF(JEQ, nr, 0, 4),						\
	LOAD(offsetof(struct seccomp_data, args[n])),			\
	IF(JSET, flags, 0, 1),						\
	RETURN(SECCOMP_RET_ERRNO | EPERM),				\
	RETURN(SECCOMP_RET_ALLOW)

static const struct sock_filter filter[] = {
	/* On other ABIs the calls have other numbers. Debian has x32, but switched off. */
	LOAD(offsetof(struct seccomp_data, arch)),
	IF(JEQ, AUDIT_ARCH_X86_64, 1, 0),
	RETURN(SECCOMP_RET_KILL_PROCESS),
	LOAD(offsetof(struct seccomp_data, nr)),
	IF(JGE, X32_BIT, 0, 1),
	RETURN(SECCOMP_RET_ERRNO | ENOSYS),

	/*
	 * This one load from the struct is what pins it: because of it the struct is
	 * copied before the filter runs, and the call executes on that copy. Which word
	 * is loaded does not matter. The trap is that the filter would notify just the same
	 * without the load, but pin nothing: whatever a supervisor sees of the struct
	 * then, another thread can change before the call reads it.
	 */
	IF(JEQ, __NR_clone3, 0, 2),
	LOAD(SECCOMP_EA_LO(struct clone_args, flags)),
	RETURN(SECCOMP_RET_USER_NOTIF),

	/* Other ways to namespaces have their flags in registers: a filter can do that alone. */
	DENY_FLAGS(__NR_clone, 0, NEW_NAMESPACES & ~CSIGNAL),
	DENY_FLAGS(__NR_unshare, 0, NEW_NAMESPACES | UNSHARE_EMPTY_MNTNS),
	DENY_FLAGS(__NR_open_tree, 2, OPEN_TREE_NAMESPACE),
	DENY_FLAGS(__NR_open_tree_attr, 2, OPEN_TREE_NAMESPACE),
	DENY_FLAGS(__NR_fsmount, 1, FSMOUNT_NAMESPACE),
	IF(JEQ, __NR_setns, 0, 1),
	RETURN(SECCOMP_RET_ERRNO | EPERM),
	RETURN(SECCOMP_RET_ALLOW),
};

/*
 * WAIT_KILLABLE_RECV: once a notification has been received, only a fatal signal ends the
 * wait for its answer. Without it any signal does, and after its handler the call fails
 * with EINTR, or is made and judged anew. That is as safe, but clone3(2) has no EINTR
 * otherwise, and who gets many signals, as programs in Go do, may wait for long.
 */
#define FILTER_FLAGS	(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)

/* In the child: installs the filter, has the parent take the listener, and runs the command. */
static void run(char **command, int parent)
{
	struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(*filter),
		.filter = (struct sock_filter *)filter,
	};
	int listener;
	char taken;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err(TROUBLE, "no_new_privs");
	listener = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, FILTER_FLAGS, &program);
	if (listener < 0)
		err(TROUBLE, "seccomp");
	if (write(parent, &listener, sizeof(listener)) != sizeof(listener) ||
	    read(parent, &taken, 1) != 1)
		errx(TROUBLE, "the supervisor is gone");
	/* The listener is closed on exec: the command must not answer itself. */
	execvp(*command, command);
	err(errno == ENOENT ? NOT_FOUND : NOT_RUN, "%s", *command);
}

/*
 * In the parent: takes the listener from the child, or returns -1 if that has failed. It
 * needs the same permission that it needs to read the child's structs later.
 */
static int take_listener(pid_t pid, int child)
{
	int number, pidfd, listener;

	if (read(child, &number, sizeof(number)) != sizeof(number))
		return -1;
	pidfd = syscall(__NR_pidfd_open, pid, 0);
	listener = syscall(__NR_pidfd_getfd, pidfd, number, 0);
	if (listener < 0)
		err(TROUBLE, "the listener");
	close(pidfd);
	if (write(child, "", 1) != 1)
		err(TROUBLE, "the child");
	return listener;
}

/* ---- Decisions. ---- */

/* All flags of clone3(2) that this program knows. */
static const struct {
	__u64 bit;
	const char *name;
} flags[] = {
#define FLAG(name)	{ CLONE_##name, #name }
	FLAG(VM), FLAG(FS), FLAG(FILES), FLAG(SIGHAND), FLAG(PIDFD), FLAG(PTRACE),
	FLAG(VFORK), FLAG(PARENT), FLAG(THREAD), FLAG(SYSVSEM), FLAG(SETTLS),
	FLAG(PARENT_SETTID), FLAG(CHILD_CLEARTID), FLAG(CHILD_SETTID), FLAG(UNTRACED),
	FLAG(IO), FLAG(CLEAR_SIGHAND), FLAG(INTO_CGROUP), FLAG(AUTOREAP), FLAG(NNP),
	FLAG(PIDFD_AUTOKILL),
	FLAG(NEWNS), FLAG(NEWCGROUP), FLAG(NEWUTS), FLAG(NEWIPC), FLAG(NEWUSER),
	FLAG(NEWPID), FLAG(NEWNET), FLAG(NEWTIME), FLAG(EMPTY_MNTNS),
};

/* Large enough for all names at once. */
#define NAMES_SIZE	512

/* Spells @value in names, and what has none as a number. */
static void spell(__u64 value, char *text)
{
	int len = 0;
	size_t i;

	*text = '\0';
	for (i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (!(value & flags[i].bit))
			continue;
		value &= ~flags[i].bit;
		len += snprintf(text + len, NAMES_SIZE - len, "%s%s", len ? "|" : "",
				flags[i].name);
	}
	if (value)
		snprintf(text + len, NAMES_SIZE - len, "%s%#llx", len ? "|" : "", value);
}

static bool all_known(__u64 value)
{
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		value &= ~flags[i].bit;
	return !value;
}

/* The policy: 0 to let the call continue, or the error for it, negated; and why. */
static int decide(const struct seccomp_ea_pinned *pinned, const struct clone_args *args,
		  const char **why)
{
	/*
	 * There was no struct to read. That holds for the call as well, whatever is in its
	 * memory by now: it fails by itself, with the error that it always had.
	 */
	if (pinned->error) {
		*why = "to fail by itself";
		return 0;
	}
	/*
	 * What this program does not know may be anything, a new sort of namespace too. It
	 * answers as a kernel of its own age does, which programs are prepared for.
	 */
	if (pinned->tail > sizeof(*args)) {
		*why = "a newer struct";
		return -E2BIG;
	}
	if (!all_known(args->flags)) {
		*why = "a newer flag";
		return -EINVAL;
	}
	if (args->flags & NEW_NAMESPACES) {
		*why = "a new namespace";
		return -EPERM;
	}
	*why = args->flags & CLONE_THREAD ? "a thread" : "a process";
	return 0;
}

/* ---- The supervisor. ---- */

/*
 * Receives a notification, reads the struct, and answers. This order leaves no gap: a
 * thread that waits for an answer stays in its call, and its copy with it, so what is read
 * in between is the copy of this call. If the thread has stopped waiting, it may be the
 * copy of another call; but then the answer is refused, and nothing comes of it.
 */
static void answer(int listener, int device)
{
	struct clone_args args = {};
	struct seccomp_ea_pinned pinned = {
		.buffer = (uintptr_t)&args,
		.buffer_size = sizeof(args),
	};
	struct seccomp_notif call = {};
	struct seccomp_notif_resp response = {};
	const char *why, *gone = "";
	char names[NAMES_SIZE];
	int error;

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call)) {
		/* The thread was killed or interrupted meanwhile, or this process was. */
		if (errno == ENOENT || errno == EINTR)
			return;
		err(TROUBLE, "receiving a notification");
	}

	pinned.pid = call.pid;
	if (!ioctl(device, SECCOMP_EA_IOCTL_READ_PINNED, &pinned)) {
		error = decide(&pinned, &args, &why);
	} else {
		/* Whatever the reason is, what cannot be judged must not get through. */
		why = strerror(errno);
		error = -EPERM;
	}

	response.id = call.id;
	response.error = error;
	response.flags = error ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	while (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response)) {
		if (errno == ENOENT) {
			gone = ", but it is gone";
			break;
		}
		if (errno != EINTR)
			err(TROUBLE, "answering a notification");
	}

	spell(args.flags, names);
	fprintf(stderr, "supervisor: %u clone3(%s): %s, %s%s\n", call.pid, names,
		error ? strerrorname_np(-error) : "continues", why, gone);
}

/*
 * Until nobody is under the filter any more, which may be long after the command itself
 * has ended. If this process ends before that, calls that would be notified fail
 * with ENOSYS: nothing gets through then either.
 */
static void serve(int listener, int device)
{
	struct pollfd event = { .fd = listener, .events = POLLIN };

	do {
		event.revents = 0;
		if (poll(&event, 1, -1) < 0 && errno != EINTR)
			err(TROUBLE, "waiting for notifications");
		if (event.revents & POLLIN)
			answer(listener, device);
	} while (!(event.revents & POLLHUP));
}

int main(int argc, char **argv)
{
	int device, listener, status, sockets[2];
	pid_t pid;

	if (argc < 2)
		errx(TROUBLE, "usage: supervisor COMMAND [ARGUMENT...]");
	device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0 && errno == ENOENT)
		errx(NO_MODULE, "there is no " DEVICE ": load the module, by insmod seccomp_ea.ko");
	if (device < 0)
		err(TROUBLE, DEVICE);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		err(TROUBLE, "socketpair");

	pid = fork();
	if (pid < 0)
		err(TROUBLE, "fork");
	if (pid == 0) {
		close(sockets[0]);
		run(argv + 1, sockets[1]);
	}
	close(sockets[1]);

	/* These come from the terminal, for the command. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);

	listener = take_listener(pid, sockets[0]);
	if (listener >= 0)
		serve(listener, device);
	if (waitpid(pid, &status, 0) != pid)
		err(TROUBLE, "waiting for the command");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
