/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is measured: system calls, the filters that look at them, and processes
 * that make these calls under those filters.
 */
#ifndef SELFTESTS_WORKLOAD_H
#define SELFTESTS_WORKLOAD_H

#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <linux/mount.h>
#include <linux/sched/types.h>
#include <linux/stat.h>

#include "measure.h"
#include "supervise.h"

/* The shortest way to a file: what filters add has the most weight there. */
#define OPENED		"/"

/* ---- The calls. ---- */

/* No more instructions than a call needs: what is measured is the kernel's. */
static inline long raw(long nr, long a, long b, long c, long d)
{
	register long r10 asm("r10") = d;
	long ret;

	asm volatile("syscall" : "=a" (ret) : "a" (nr), "D" (a), "S" (b), "d" (c), "r" (r10)
		     : "rcx", "r11", "memory");
	return ret;
}

static inline void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench: %s: %m\n", what);
		_exit(1);
	}
}

static void close_nothing(void)
{
	raw(__NR_close, -1, 0, 0, 0);
}

static void open_and_close(void)
{
	static const struct open_how how = { .flags = O_RDONLY };
	long fd = raw(__NR_openat2, AT_FDCWD, (long)OPENED, (long)&how, sizeof(how));

	must(fd >= 0, "openat2");
	raw(__NR_close, fd, 0, 0, 0);
}

static void *no_work(void *arg)
{
	return arg;
}

static void create_thread(void)
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, no_work, NULL) == 0, "pthread_create");
	pthread_join(thread, NULL);
}

static void create_process(void)
{
	static const struct clone_args args = { .exit_signal = SIGCHLD };
	long pid = raw(__NR_clone3, (long)&args, sizeof(args), 0, 0);

	if (pid == 0)
		raw(__NR_exit_group, 0, 0, 0, 0);
	must(pid > 0, "clone3");
	must(raw(__NR_wait4, pid, 0, __WALL, 0) == pid, "wait4");
}

static uint64_t root_mount;

static void ask_of_mount(void)
{
	static char buffer[1024];
	const struct mnt_id_req request = {
		.size = sizeof(request),
		.mnt_id = root_mount,
		.param = STATMOUNT_MNT_BASIC,
	};

	must(raw(__NR_statmount, (long)&request, (long)buffer, sizeof(buffer), 0) == 0, "statmount");
}

static void set_scheduling(void)
{
	static struct sched_attr attr = { .size = sizeof(attr) };

	must(raw(__NR_sched_setattr, 0, (long)&attr, 0, 0) == 0, "sched_setattr");
}

static int turn_there[2], turn_back[2];

/* The other one of two that take turns, under the filters of the first. */
static void start_partner(void)
{
	char turn;
	pid_t pid;

	must(pipe(turn_there) == 0 && pipe(turn_back) == 0, "pipe");
	pid = fork();
	must(pid >= 0, "fork");
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		raw(__NR_read, turn_there[0], (long)&turn, 1, 0);
		open_and_close();
		raw(__NR_write, turn_back[1], (long)&turn, 1, 0);
	}
}

static void take_turns(void)
{
	char turn = 0;

	if (!turn_there[0])
		start_partner();
	open_and_close();
	raw(__NR_write, turn_there[1], (long)&turn, 1, 0);
	raw(__NR_read, turn_back[0], (long)&turn, 1, 0);
}

static const struct workload {
	const char *name;
	void (*once)(void);
	/* How many are a batch; see BATCHES. */
	int batch;
	/* The call that filters look at, which argument points to its struct, and a word there. */
	unsigned int nr, pointer, ea_word;
	/* Whether it is measured with somebody who answers for it, too. */
	bool is_supervised;
} workloads[] = {
	{
		"openat2+close", open_and_close, 32,
		__NR_openat2, 2, SECCOMP_EA_LO(struct open_how, flags), true,
	}, {
		"clone3 thread", create_thread, 8,
		__NR_clone3, 0, SECCOMP_EA_LO(struct clone_args, flags), true,
	}, {
		"clone3 process", create_process, 2,
		__NR_clone3, 0, SECCOMP_EA_LO(struct clone_args, flags), true,
	}, {
		"statmount", ask_of_mount, 64,
		__NR_statmount, 0, SECCOMP_EA_LO(struct mnt_id_req, param), true,
	}, {
		"sched_setattr", set_scheduling, 64,
		__NR_sched_setattr, 1, SECCOMP_EA_LO(struct sched_attr, sched_policy), true,
	}, {
		"close", close_nothing, 256,
		__NR_openat2, 2, SECCOMP_EA_LO(struct open_how, flags), false,
	}, {
		/* A call each of two processes, and the switches between them. */
		"openat2+close, in turns", take_turns, 16,
		__NR_openat2, 2, SECCOMP_EA_LO(struct open_how, flags), false,
	},
};

/* Has the calls ready that need to know something. */
static void prepare_calls(void)
{
	struct statx root;

	must(statx(AT_FDCWD, "/", 0, STATX_MNT_ID_UNIQUE, &root) == 0, "statx");
	root_mount = root.stx_mnt_id;
}

/* ---- The filters. ---- */

enum filter {
	/* None at all. */
	BARE,
	/* Looks at a word of the arguments, or of the struct. */
	ORDINARY,
	EXTENDED,
	/*
	 * The same, but they look at an argument of every other call as well, so that
	 * the kernel cannot know beforehand that it is allowed.
	 */
	ORDINARY_NOSY,
	EXTENDED_NOSY,
	/*
	 * Ask a supervisor, who says that the call may continue: without a look at it, the
	 * same being woken on the same CPU, or having read its struct, as one does who
	 * wants to judge it.
	 */
	NOTIFY,
	NOTIFY_SYNC,
	NOTIFY_READ,
	/* Ask a tracer. */
	TRACE,
};

static const char *const filter_names[] = {
	[BARE] = "none",
	[ORDINARY] = "ordinary",
	[EXTENDED] = "extended",
	[ORDINARY_NOSY] = "ordinary, looking at all",
	[EXTENDED_NOSY] = "extended, looking at all",
	[NOTIFY] = "notify",
	[NOTIFY_SYNC] = "notify, synchronous",
	[NOTIFY_READ] = "notify, reading",
	[TRACE] = "trace",
};

/* A bit that is zero in every word that is looked at. */
#define NEVER_SET	0x80000000

/* The ordinary filter and the extended one differ in what they load only. */
static long install(const struct workload *workload, enum filter filter)
{
	const bool extended = filter == EXTENDED || filter == EXTENDED_NOSY;
	/* The high word of the pointer, or one of what it points to. */
	const unsigned int word = extended ? workload->ea_word :
		offsetof(struct seccomp_data, args[workload->pointer]) + 4;
	const struct sock_fprog plain = PROG(
		LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 0, 5),
		LD_NR, JEQ(workload->nr, 0, 2),
		LD(word), JSET(NEVER_SET, 1, 0),
		ALLOW, DENY(EPERM));
	const struct sock_fprog nosy = PROG(
		LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 0, 7),
		LD_NR, JEQ(workload->nr, 2, 0),
		LD_ARG(0), JEQ(0x5ea, 3, 2),
		LD(word), JSET(NEVER_SET, 1, 0),
		ALLOW, DENY(EPERM));

	return install_seccomp(0, filter == ORDINARY || filter == EXTENDED ? &plain : &nosy);
}

/* ---- Processes that make the calls. ---- */

struct worker {
	/* Whom to kill; if it has a child, that dies with it. */
	pid_t pid;
	int go, result;
};

struct job {
	const struct workload *workload;
	enum filter filter;
	int depth, batch;
	/* Its ends of the worker's pipes. */
	int go, result;
};

/* Measures a round whenever it is told to. */
static int work(void *arg)
{
	const struct job *job = arg;
	double each;
	char go;

	/* Memory is touched, and caches are made, before anything is measured. */
	measure_round(job->workload->once, job->batch);
	while (read(job->go, &go, 1) == 1) {
		each = measure_round(job->workload->once, job->batch);
		must(write(job->result, &each, sizeof(each)) == sizeof(each), "write");
	}
	return 0;
}

static int work_under_filters(void *arg)
{
	const struct job *job = arg;
	int i;

	must(no_new_privs() == 0, "no_new_privs");
	for (i = 0; job->filter != BARE && i < job->depth; i++)
		must(install(job->workload, job->filter) == 0, "install");
	return work(arg);
}

static int work_notifying(struct job *job)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(job->workload->nr, 0, 1), RET(SECCOMP_RET_USER_NOTIF), ALLOW);
	struct supervised child = {};
	struct seccomp_notif notif;
	/* No struct here is shorter. */
	uint64_t copy[3];
	struct iovec to = { copy, sizeof(copy) };

	must(supervise(&child, &prog, 0, work, job) == 0, "supervise");
	if (job->filter == NOTIFY_SYNC)
		must(ioctl(child.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
			   SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) == 0, "SET_FLAGS");
	while (notif_receive(child.listener, &notif) == 0) {
		if (job->filter == NOTIFY_READ) {
			struct iovec from = {
				(void *)(uintptr_t)notif.data.args[job->workload->pointer], sizeof(copy),
			};

			must(process_vm_readv(notif.pid, &to, 1, &from, 1, 0) == sizeof(copy), "read");
			must(notif_is_valid(child.listener, notif.id), "ID_VALID");
		}
		notif_continue(child.listener, notif.id);
	}
	return 0;
}

static int work_traced(struct job *job)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(job->workload->nr, 0, 1), RET(SECCOMP_RET_TRACE), ALLOW);
	int status, begin[2];
	pid_t pid;
	char go;

	must(pipe(begin) == 0, "pipe");
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		must(read(begin[0], &go, 1) == 1, "read");
		must(no_new_privs() == 0 && install_seccomp(0, &prog) == 0, "install");
		_exit(work(job));
	}
	must(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL) == 0, "ptrace");
	must(write(begin[1], "", 1) == 1, "write");
	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, pid, 0, status >> 16 ? 0 : WSTOPSIG(status));
	return 0;
}

static struct worker start_worker(const struct workload *workload, enum filter filter, int depth,
				  int batch)
{
	struct job job = { workload, filter, depth, batch, -1, -1 };
	int there[2], back[2];
	struct worker worker;

	must(pipe2(there, O_CLOEXEC) == 0 && pipe2(back, O_CLOEXEC) == 0, "pipe");
	fflush(NULL);
	worker.pid = fork();
	must(worker.pid >= 0, "fork");
	if (worker.pid == 0) {
		close(there[1]);
		close(back[0]);
		job.go = there[0];
		job.result = back[1];
		if (filter == NOTIFY || filter == NOTIFY_SYNC || filter == NOTIFY_READ)
			_exit(work_notifying(&job));
		else if (filter == TRACE)
			_exit(work_traced(&job));
		_exit(work_under_filters(&job));
	}
	close(there[0]);
	close(back[1]);
	worker.go = there[1];
	worker.result = back[0];
	return worker;
}

static double worker_round(struct worker *worker)
{
	double each;

	must(write(worker->go, "", 1) == 1, "write");
	must(read(worker->result, &each, sizeof(each)) == sizeof(each), "read");
	return each;
}

static void stop_worker(struct worker *worker)
{
	kill(worker->pid, SIGKILL);
	exit_status(worker->pid);
	close(worker->go);
	close(worker->result);
}

#endif /* SELFTESTS_WORKLOAD_H */
