// SPDX-License-Identifier: GPL-2.0
/*
 * What the module is good for, in a table: the same sandboxes on the same kernel,
 * first without it and then with it. Exits with 0 if all is as promised.
 */
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "common.h"

/* How many calls try to slip through while another thread rewrites their struct. */
#define RACES	10000

/* What happened, in words, and more that the processes of a row share. */
static struct shared {
	char words[64];
	atomic_int listener;
	atomic_bool done;
	atomic_int escaped;
} *shared;

static int say(bool promised, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(shared->words, sizeof(shared->words), format, args);
	va_end(args);
	return !promised;
}

static const char *error_name(long error)
{
	return strerrorname_np(error < 0 ? -error : error) ?: "an error";
}

/* ---- The filters. ---- */

static const struct sock_fprog no_clone3 = PROG(
	LD_NR,
	JEQ(__NR_clone3, 0, 1),
	DENY(ENOSYS),
	ALLOW
);

static const struct sock_fprog no_clone = PROG(
	LD_NR,
	JEQ(__NR_clone, 0, 1),
	DENY(EPERM),
	ALLOW
);

static const struct sock_fprog no_namespaces = PROG(
	LD_NR,
	JEQ(__NR_clone3, 0, 4),
	LD(SECCOMP_EA_LO(struct clone_args, flags)),
	JSET(0x7e020080, 3, 0),
	LD(SECCOMP_EA_HI(struct clone_args, flags)),
	JSET(CLONE_EMPTY_MNTNS >> 32, 1, 0),
	ALLOW,
	DENY(EPERM)
);

static const struct sock_fprog no_setuid_files = PROG(
	LD_NR,
	JEQ(__NR_openat2, 0, 5),
	LD(SECCOMP_EA_LO(struct open_how, flags)),
	JSET(O_CREAT | __O_TMPFILE, 0, 3),
	LD(SECCOMP_EA_LO(struct open_how, mode)),
	JSET(S_ISUID | S_ISGID, 0, 1),
	DENY(EPERM),
	ALLOW
);

static const struct sock_fprog beneath = PROG(
	LD_NR,
	JEQ(__NR_openat2, 0, 3),
	LD(SECCOMP_EA_LO(struct open_how, resolve)),
	JSET(RESOLVE_BENEATH, 1, 0),
	DENY(EPERM),
	ALLOW
);

static const struct sock_fprog ask_supervisor = PROG(
	LD_NR,
	JEQ(__NR_openat2, 0, 1),
	RET(SECCOMP_RET_USER_NOTIF),
	ALLOW
);

/* ---- The calls. ---- */

static int install_refused(void)
{
	long ret = install_seccomp(0, &no_namespaces);

	return say(ret == -EINVAL, ret ? "refused (%s)" : "accepted", error_name(ret));
}

static int clone3_refused(void)
{
	long ret;

	if (install_seccomp(0, &no_clone3))
		return say(false, "no filter");
	ret = sys_clone3(NULL, 0);
	return say(ret == -ENOSYS, "%s: nobody may use it", error_name(ret));
}

static int clone_namespace(bool allowed)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	char mine[64] = "", its[64] = "";
	int status;
	long ret;

	readlink("/proc/self/ns/user", mine, sizeof(mine) - 1);
	ret = sys_clone3(&args, sizeof(args));
	if (ret == 0) {
		readlink("/proc/self/ns/user", its, sizeof(its) - 1);
		_exit(!strcmp(mine, its));
	}
	if (ret < 0)
		return say(!allowed && ret == -EPERM, "%s", error_name(ret));
	if (waitpid(ret, &status, 0) != ret || status)
		return say(false, "a process, but no namespace");
	return say(allowed, "a new user namespace");
}

static int namespace_unfiltered(void)
{
	return clone_namespace(true);
}

static int namespace_filtered(void)
{
	if (install_seccomp(0, &no_namespaces))
		return say(false, "no filter");
	return clone_namespace(false);
}

static void *thread(void *count)
{
	atomic_fetch_add((atomic_int *)count, 1);
	return NULL;
}

/* No other way to a thread is left than clone3(2). */
static int threads_filtered(void)
{
	pthread_t threads[4];
	atomic_int count = 0;
	int i, ret;

	if (install_seccomp(0, &no_namespaces) || install_seccomp(0, &no_clone))
		return say(false, "no filter");
	for (i = 0; i < 4; i++) {
		ret = pthread_create(&threads[i], NULL, thread, &count);
		if (ret)
			return say(false, "%s", error_name(ret));
	}
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return say(count == 4, "%d threads run", count);
}

static int create(mode_t mode, bool allowed)
{
	struct open_how how = { .flags = O_CREAT | O_EXCL | O_WRONLY, .mode = mode };
	struct stat stat;
	long fd;

	umask(0);
	unlink("/tmp/demo");
	fd = sys_openat2(AT_FDCWD, "/tmp/demo", &how, sizeof(how));
	unlink("/tmp/demo");
	if (fd < 0)
		return say(!allowed && fd == -EPERM, "%s", error_name(fd));
	if (fstat(fd, &stat))
		return say(false, "%s", error_name(errno));
	return say(allowed, stat.st_mode & S_ISUID ? "a setuid file" : "a file");
}

static int setuid_unfiltered(void)
{
	return create(04755, true);
}

static int setuid_filtered(void)
{
	if (install_seccomp(0, &no_setuid_files))
		return say(false, "no filter");
	return create(04755, false);
}

static int file_filtered(void)
{
	if (install_seccomp(0, &no_setuid_files))
		return say(false, "no filter");
	return create(0755, true);
}

/* ---- The race. ---- */

/* The struct that one thread passes and another rewrites. */
static struct open_how racing = { .flags = O_PATH };

static void *rewrite(void *unused)
{
	while (!shared->done)
		__atomic_fetch_xor(&racing.resolve, RESOLVE_BENEATH, __ATOMIC_RELAXED);
	return unused;
}

/* Nothing above this directory may be opened: "/" can only be by a call that escapes. */
static void escape(void)
{
	int i;

	for (i = 0; i < RACES; i++) {
		long fd = sys_openat2(AT_FDCWD, "/", &racing, sizeof(racing));

		if (fd >= 0) {
			shared->escaped++;
			close(fd);
		}
	}
}

/* Allows a call if its struct, as it is right now, is fine. */
static void supervise(pid_t pid, int listener)
{
	struct seccomp_notif request;
	struct seccomp_notif_resp response;
	char path[64];
	__u64 resolve;
	int memory;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	memory = open(path, O_RDONLY);
	for (;;) {
		memset(&request, 0, sizeof(request));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request))
			break;
		response = (struct seccomp_notif_resp){ .id = request.id, .error = -EPERM };
		if (pread(memory, &resolve, sizeof(resolve), request.data.args[2] +
			  offsetof(struct open_how, resolve)) == sizeof(resolve) &&
		    resolve & RESOLVE_BENEATH) {
			response.error = 0;
			response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		}
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
	close(memory);
	close(listener);
}

/* Runs in the process that is to be confined. Returns 0, or a negated errno. */
static int race(const struct sock_fprog *prog, unsigned int flags)
{
	pthread_t rewriter;
	long ret;

	if (pthread_create(&rewriter, NULL, rewrite, NULL))
		return -EAGAIN;
	ret = install_seccomp(flags, prog);
	shared->listener = ret;
	if (ret >= 0)
		escape();
	shared->done = true;
	pthread_join(rewriter, NULL);
	return ret < 0 ? ret : 0;
}

static int race_supervised(void)
{
	pid_t pid = fork();
	int status;
	long ret;

	if (pid == 0)
		_exit(race(&ask_supervisor, SECCOMP_FILTER_FLAG_NEW_LISTENER));
	while (!shared->listener)
		usleep(1000);
	ret = SYSCALL(__NR_pidfd_open, pid, 0);
	if (ret >= 0)
		ret = SYSCALL(__NR_pidfd_getfd, ret, shared->listener, 0);
	if (ret >= 0)
		supervise(pid, ret);
	else
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || status)
		return say(false, "it did not run");
	return say(shared->escaped > 0, "%d escaped", shared->escaped);
}

static int race_filtered(void)
{
	if (race(&beneath, 0))
		return say(false, "no filter");
	return say(shared->escaped == 0, "%d escaped", shared->escaped);
}

/* ---- The table. ---- */

#define RACES_OF(x)	STRING_OF(x) " racing openat2 calls"
#define STRING_OF(x)	#x

struct row {
	const char *filter, *call;
	int (*run)(void);
};

static const struct row without[] = {
	{ "clone3 without new namespaces", "to install it", install_refused },
	{ "no clone3, as runtimes do", "clone3", clone3_refused },
	{ "none", "clone3(CLONE_NEWUSER)", namespace_unfiltered },
	{ "none", "openat2(O_CREAT, 04755)", setuid_unfiltered },
	{ "a supervisor reads openat2's flags", RACES_OF(RACES), race_supervised },
};

static const struct row with[] = {
	{ "clone3 without new namespaces", "pthread_create", threads_filtered },
	{ "", "clone3(CLONE_NEWUSER)", namespace_filtered },
	{ "openat2 without setuid files", "openat2(O_CREAT, 0755)", file_filtered },
	{ "", "openat2(O_CREAT, 04755)", setuid_filtered },
	{ "openat2 beneath a directory only", RACES_OF(RACES), race_filtered },
};

static int run_row(void *row)
{
	return ((const struct row *)row)->run();
}

/* Returns the number of rows that are not as promised. */
static int show(const char *title, const struct row *rows, size_t nr_rows)
{
	int wrong = 0;
	size_t i;

	printf("\n  %s\n\n", title);
	printf("    %-36s %-27s %s\n", "filter", "call", "what happened");
	printf("    %-36s %-27s %s\n", "-----------------------------------",
	       "--------------------------", "-------------------------");
	for (i = 0; i < nr_rows; i++) {
		int ret;

		memset(shared, 0, sizeof(*shared));
		printf("    %-36s %-27s ", rows[i].filter, rows[i].call);
		ret = in_child(run_row, (void *)&rows[i]);
		printf("%s%s\n", shared->words, ret ? " (NOT AS PROMISED)" : "");
		fflush(stdout);
		wrong += ret != 0;
	}
	return wrong;
}

int main(void)
{
	char title[256];
	struct utsname kernel;
	int wrong;
	long ret;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || uname(&kernel))
		return 1;

	ret = ea_unload();
	if (ret) {
		printf("The module cannot be unloaded: %s\n", error_name(ret));
		return 1;
	}
	snprintf(title, sizeof(title), "Linux %s as it is", kernel.release);
	wrong = show(title, without, ARRAY_SIZE(without));

	ret = ea_load();
	if (ret) {
		printf("\nThe module cannot be loaded: %s\n", error_name(ret));
		return 1;
	}
	wrong += show("The same kernel with the module", with, ARRAY_SIZE(with));

	if (wrong)
		printf("\n  %d of these are not as promised.\n\n", wrong);
	else
		printf("\n  All as promised.\n\n");
	return wrong != 0;
}
