/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that a user withholds with userfaultfd for as long as he likes. */
#ifndef SELFTESTS_WITHHOLD_H
#define SELFTESTS_WITHHOLD_H

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

/* Withholds what is missing of @length bytes at @start. The descriptor, or -1. */
static inline int withhold(void *start, size_t length)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (unsigned long)start, length },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || (!ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &reg)))
		return fd;
	close(fd);
	return -1;
}

/* Waits until somebody sleeps for memory that is withheld. */
static inline bool is_waited_for(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct uffd_msg msg;

	return poll(&p, 1, timeout_ms) == 1 && read(fd, &msg, sizeof(msg)) == sizeof(msg) &&
	       msg.event == UFFD_EVENT_PAGEFAULT;
}

#endif /* SELFTESTS_WITHHOLD_H */
