/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Supervisors for the tests: a child whose filter notifies its parent, and what
 * the parent does with a notification. Functions return what the kernel
 * returned: a result, or a negated errno.
 */
#ifndef SELFTESTS_SUPERVISE_H
#define SELFTESTS_SUPERVISE_H

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "common.h"

#define EA_DEVICE	"/dev/seccomp_ea"

/* ---- The device. ---- */

static inline int ea_device(void)
{
	return kernel_result(open(EA_DEVICE, O_RDWR | O_CLOEXEC));
}

/* Reads the struct that thread @pid was judged by into @size bytes of @buffer. */
static inline long read_pinned(int device, pid_t pid, struct seccomp_ea_pinned *pinned,
			       void *buffer, size_t size)
{
	*pinned = (struct seccomp_ea_pinned) {
		.pid = pid,
		.buffer = (uintptr_t)buffer,
		.buffer_size = size,
	};
	return kernel_result(ioctl(device, SECCOMP_EA_IOCTL_READ_PINNED, pinned));
}

/* ---- Notifications. ---- */

static inline long notif_receive(int listener, struct seccomp_notif *notif)
{
	memset(notif, 0, sizeof(*notif));
	return kernel_result(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, notif));
}

/* Whether a notification arrives within so many milliseconds. */
static inline bool notif_waits(int listener, int milliseconds)
{
	struct pollfd poll_ = { .fd = listener, .events = POLLIN };

	return poll(&poll_, 1, milliseconds) == 1 && poll_.revents & POLLIN;
}

static inline long notif_continue(int listener, __u64 id)
{
	struct seccomp_notif_resp response = {
		.id = id,
		.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
	};

	return kernel_result(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response));
}

/* Has the call return @result, or fail with a negative one. */
static inline long notif_answer(int listener, __u64 id, long result)
{
	struct seccomp_notif_resp response = {
		.id = id,
		.error = result < 0 ? result : 0,
		.val = result < 0 ? 0 : result,
	};

	return kernel_result(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response));
}

static inline bool notif_is_valid(int listener, __u64 id)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* ---- A supervised child. ---- */

struct supervised {
	pid_t pid;
	int listener;
};

/*
 * Forks a child that installs @prog with a listener, and @flags, and then runs @fn;
 * what that returns is its exit status. The filter must let the calls go by that a
 * child makes until then: read, write, exit.
 */
static inline long supervise(struct supervised *child, const struct sock_fprog *prog,
			     unsigned int flags, int (*fn)(void *arg), void *arg)
{
	int there[2], back[2];
	long ret;

	if (pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	child->pid = fork();
	if (child->pid == 0) {
		char go;
		int status;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ret = no_new_privs();
		if (!ret)
			ret = install_seccomp(flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, prog);
		if (write(there[1], &ret, sizeof(ret)) != sizeof(ret) || ret < 0 ||
		    read(back[0], &go, 1) != 1)
			_exit(127);
		/* Notifications end when nobody has the listener any more. */
		close(ret);
		status = fn(arg);
		fflush(NULL);
		_exit(status);
	}
	close(there[1]);
	close(back[0]);
	if (child->pid < 0)
		ret = -errno;
	else if (read(there[0], &ret, sizeof(ret)) != sizeof(ret))
		ret = -EIO;
	if (ret >= 0) {
		int pidfd = SYSCALL(__NR_pidfd_open, child->pid, 0);

		ret = child->listener = SYSCALL(__NR_pidfd_getfd, pidfd, ret, 0);
		close(pidfd);
	}
	if (ret >= 0 && write(back[1], "", 1) == 1)
		ret = 0;
	close(there[0]);
	close(back[1]);
	return ret;
}

#endif /* SELFTESTS_SUPERVISE_H */
