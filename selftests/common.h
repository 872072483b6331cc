/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests share. All functions that stand for a system call return what
 * the kernel returned: a result, or a negated errno.
 */
#ifndef SELFTESTS_COMMON_H
#define SELFTESTS_COMMON_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/seccomp_ea.h>

#define EA_MODULE	"seccomp_ea"
#define EA_MODULE_FILE	"/seccomp_ea.ko"

#define PAGE	4096

#define CGROUPS		"/sys/fs/cgroup"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#endif

/* ---- System calls, raw. ---- */

static inline long kernel_result(long result)
{
	return result == -1 ? -errno : result;
}

#define SYSCALL(...)	kernel_result(syscall(__VA_ARGS__))

static inline long sys_openat2(int dfd, const char *path, const void *how, size_t size)
{
	return SYSCALL(__NR_openat2, dfd, path, how, size);
}

/* With no stack in @args the child continues here, as after fork(2). */
static inline long sys_clone3(const void *args, size_t size)
{
	return SYSCALL(__NR_clone3, args, size);
}

static inline long sys_seccomp(unsigned int op, unsigned int flags, const void *args)
{
	return SYSCALL(__NR_seccomp, op, flags, args);
}

/* Writes @text to a file that takes all of it at once, as those of the kernel do. */
static inline bool write_file(const char *path, const char *text, int flags)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* The number in a file, after @key if there is one; or -1. */
static inline long read_number(const char *path, const char *key)
{
	char line[128], format[64];
	FILE *f = fopen(path, "re");
	long number = -1;

	snprintf(format, sizeof(format), "%s %%ld", key);
	while (f && fgets(line, sizeof(line), f) && sscanf(line, format, &number) != 1)
		;
	if (f)
		fclose(f);
	return number;
}

/* A millisecond, for what can only be polled. */
static inline void nap(void)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	nanosleep(&moment, NULL);
}

/*
 * Where the kernel checks itself, everything takes several times as long. Whoever
 * boots it says how long on its command line, which becomes the environment.
 */
static inline int slowness(void)
{
	const char *slow = getenv("ea_slow");
	const int times = slow ? atoi(slow) : 1;

	return times > 1 ? times : 1;
}

/* How often something is tried that only shows itself now and then. */
static inline int rounds(int times)
{
	return (times + slowness() - 1) / slowness();
}

/* ---- The module. ---- */

/* What it keeps for a thread: two pages, and what KASAN puts around them. */
static inline long cache_cost(void)
{
	const long cost = read_number("/proc/slabinfo", "kmalloc-cg-8k %*d %*d");

	return cost > 0 ? cost : 2 * PAGE;
}

static inline bool ea_loaded(void)
{
	return access("/sys/module/" EA_MODULE, F_OK) == 0;
}

static inline long ea_load_with(const char *parameters)
{
	int fd = open(EA_MODULE_FILE, O_RDONLY | O_CLOEXEC);
	long ret = fd < 0 ? -errno : SYSCALL(__NR_finit_module, fd, parameters, 0);

	if (fd >= 0)
		close(fd);
	return ret;
}

static inline long ea_load(void)
{
	return ea_loaded() ? 0 : ea_load_with("");
}

/* -EAGAIN as long as somebody uses the module. */
static inline long ea_unload(void)
{
	if (!ea_loaded())
		return 0;
	return SYSCALL(__NR_delete_module, EA_MODULE, O_NONBLOCK);
}

/* Unloads the module as soon as nobody uses it. Frees may take a moment. */
static inline long ea_unload_unused(void)
{
	long ret = -EAGAIN;
	int i;

	for (i = 0; i < 10000 && ret == -EAGAIN; i++) {
		ret = ea_unload();
		if (ret)
			nap();
	}
	return ret;
}

/* ---- Filters. ---- */

#define LD(offset)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define LD_NR		LD(offsetof(struct seccomp_data, nr))
#define LD_ARCH		LD(offsetof(struct seccomp_data, arch))
/* The low word of a system call argument. */
#define LD_ARG(n)	LD(offsetof(struct seccomp_data, args) + 8 * (n))
#define JEQ(k, t, f)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (t), (f))
#define JGT(k, t, f)	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (k), (t), (f))
#define JGE(k, t, f)	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (k), (t), (f))
#define JSET(k, t, f)	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (k), (t), (f))
#define JA(k)		BPF_STMT(BPF_JMP | BPF_JA, (k))
#define RET(k)		BPF_STMT(BPF_RET | BPF_K, (k))
#define ALLOW		RET(SECCOMP_RET_ALLOW)
#define DENY(error)	RET(SECCOMP_RET_ERRNO | (error))

/* A struct sock_fprog of the instructions given. */
#define PROG(...) {							\
	.len = sizeof((struct sock_filter[]) { __VA_ARGS__ }) /		\
	       sizeof(struct sock_filter),				\
	.filter = (struct sock_filter[]) { __VA_ARGS__ },		\
}

static inline long install_seccomp(unsigned int flags, const struct sock_fprog *prog)
{
	return sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, prog);
}

static inline long install_prctl(const struct sock_fprog *prog)
{
	return kernel_result(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, prog));
}

static inline long no_new_privs(void)
{
	return kernel_result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* ---- Children. ---- */

/* A machine of one CPU stays on that, and races by preemption. */
static inline void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/*
 * Children that only ever run while their parent waits are several times faster
 * on one CPU, above all where CPUs are emulated.
 */
static inline void stay_on_one_cpu(void)
{
	pin(0);
}

/* Waits for a child; its signal, negated, if it was ended by one. */
static inline int exit_status(pid_t pid)
{
	int status;

	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, __WALL) != pid) {
		if (errno != EINTR)
			return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/*
 * Runs @fn in a child, so that the filters that it installs die with it.
 * Returns its exit status, or its signal negated.
 */
static inline int in_child(int (*fn)(void *arg), void *arg)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid == 0) {
		int status = fn(arg);

		fflush(NULL);
		_exit(status);
	}
	return exit_status(pid);
}

/* ---- The kernel's log. ---- */

/* Opens the log so that only later records are seen. */
static inline int log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* Whether a record that was not read yet has @text in it. */
static inline bool log_has(int fd, const char *text)
{
	char record[8192];
	ssize_t len;

	/* -EPIPE: records were overwritten before they could be read. */
	while ((len = read(fd, record, sizeof(record) - 1)) > 0 || (len < 0 && errno == EPIPE)) {
		if (len < 0)
			continue;
		record[len] = '\0';
		if (strstr(record, text))
			return true;
	}
	return false;
}

#endif /* SELFTESTS_COMMON_H */
