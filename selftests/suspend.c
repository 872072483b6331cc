// SPDX-License-Identifier: GPL-2.0
/*
 * Tracers that suspend seccomp (PTRACE_O_SUSPEND_SECCOMP) at the worst of times: a
 * copy that an earlier call has left behind is neither served nor shown, and a
 * call that was judged does not fall back to memory. What trace.c has of this is
 * about calls that copy at once.
 */
#include <pthread.h>
#include <sys/ptrace.h>

#include <linux/mount.h>

#include "kselftest_harness.h"
#include "supervise.h"
#include "withhold.h"

/* No call here returns it of its own accord. */
#define DENIED		EDOTDOT

/* Not a flag of a mount: EINVAL. */
#define NO_FLAG		0x80000000

static struct shared {
	struct mount_attr attr;
	struct open_how how;
	volatile int stage;
	volatile bool go;
	volatile long ret[2], tracer;
} *shared;

/* The path of the second call, on a page that is withheld. */
static char *path;

static bool reaches(int stage)
{
	int i;

	for (i = 0; i < 20000 && shared->stage < stage; i++)
		nap();
	return shared->stage >= stage;
}

static void *give_path(void *arg)
{
	static const char page[PAGE] = "/tmp";
	struct uffdio_copy copy = {
		.dst = (uintptr_t)path,
		.src = (uintptr_t)page,
		.len = PAGE,
	};
	const int uffd = (long)arg;

	if (is_waited_for(uffd, 20000))
		shared->stage = 3;
	while (!shared->go)
		nap();
	ioctl(uffd, UFFDIO_COPY, &copy);
	return NULL;
}

static long open_tree(const char *where)
{
	return SYSCALL(__NR_open_tree_attr, AT_FDCWD, where, 0, &shared->attr,
		       sizeof(shared->attr));
}

/* Makes a call that is judged, and then one that is not: open_tree_attr looks up the path first. */
static int call_twice(__u64 first)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_open_tree_attr, 1, 0), ALLOW,
		LD(SECCOMP_EA_LO(struct mount_attr, attr_set)), JEQ(NO_FLAG, 0, 1),
		DENY(DENIED), ALLOW);
	pthread_t thread;
	long uffd;

	path = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uffd = withhold(path, PAGE);
	if (uffd < 0 || pthread_create(&thread, NULL, give_path, (void *)uffd) ||
	    no_new_privs() || install_seccomp(0, &prog))
		return 1;
	shared->attr.attr_set = first;
	shared->ret[0] = open_tree("/tmp");
	shared->stage = 1;
	if (!reaches(2))
		return 2;
	shared->attr.attr_set = NO_FLAG - first;
	shared->ret[1] = open_tree(path);
	return 0;
}

enum how { SEIZE, STOP };

/* Suspends the seccomp of @pid, in one go or when it is stopped, until it is killed. */
static void trace(pid_t pid, enum how how)
{
	int status;

	shared->tracer = how == SEIZE ?
		kernel_result(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_SUSPEND_SECCOMP)) :
		kernel_result(ptrace(PTRACE_SEIZE, pid, 0, 0)) ?:
		kernel_result(ptrace(PTRACE_INTERRUPT, pid, 0, 0)) ?:
		(waitpid(pid, &status, __WALL) == pid ? 0 : -ECHILD) ?:
		kernel_result(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_SUSPEND_SECCOMP)) ?:
		kernel_result(ptrace(PTRACE_CONT, pid, 0, 0));
	shared->stage = 2;
	for (;;)
		pause();
}

FIXTURE(suspend)
{
	int device;
};

FIXTURE_SETUP(suspend)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	self->device = ea_device();
	ASSERT_LE(0, self->device);
}

FIXTURE_TEARDOWN(suspend)
{
	close(self->device);
}

FIXTURE_VARIANT(suspend)
{
	enum how how;
	/* The tracer ends while the second call sleeps, or stays. */
	bool dies;
};

FIXTURE_VARIANT_ADD(suspend, seized) { .how = SEIZE };
FIXTURE_VARIANT_ADD(suspend, stopped) { .how = STOP };
FIXTURE_VARIANT_ADD(suspend, seized_for_a_while) { .how = SEIZE, .dies = true };
FIXTURE_VARIANT_ADD(suspend, stopped_for_a_while) { .how = STOP, .dies = true };

/* Also when the one before was denied: its struct must run even less. */
TEST_F(suspend, nothing_is_left_over)
{
	struct seccomp_ea_pinned pinned;
	pid_t pid, tracer;
	int i;

	for (i = 0; i < 2; i++) {
		memset(shared, 0, sizeof(*shared));
		pid = fork();
		ASSERT_LE(0, pid);
		if (pid == 0)
			_exit(call_twice(i ? NO_FLAG : 0));
		ASSERT_TRUE(reaches(1));
		tracer = fork();
		ASSERT_LE(0, tracer);
		if (tracer == 0)
			trace(pid, variant->how);
		ASSERT_TRUE(reaches(3));
		EXPECT_EQ(0, shared->tracer);
		EXPECT_EQ(-ENOENT, read_pinned(self->device, pid, &pinned, NULL, 0));
		if (variant->dies) {
			kill(tracer, SIGKILL);
			exit_status(tracer);
		}
		shared->go = true;
		if (variant->dies) {
			EXPECT_EQ(0, exit_status(pid));
		} else {
			for (int j = 0; j < 20000 && !shared->ret[1]; j++)
				nap();
			kill(tracer, SIGKILL);
			exit_status(tracer);
			kill(pid, SIGKILL);
			exit_status(pid);
		}
		if (i) {
			EXPECT_EQ(-DENIED, shared->ret[0]);
			EXPECT_LT(0, shared->ret[1]);
		} else {
			EXPECT_LT(0, shared->ret[0]);
			EXPECT_EQ(-EINVAL, shared->ret[1]);
		}
	}
}

static int open_twice(void *arg)
{
	(void)arg;
	shared->ret[0] = sys_openat2(AT_FDCWD, "/", &shared->how, sizeof(shared->how));
	shared->ret[1] = sys_openat2(AT_FDCWD, "/", &shared->how, sizeof(shared->how));
	shared->stage = 1;
	for (;;)
		pause();
}

/*
 * Who waits in a call can only be seized. Nobody can tell then whether the filters of
 * the call that is under way have run; it gets neither memory, which they did not
 * see, nor a copy that may be of an earlier one. The next call is without filters.
 */
TEST_F(suspend, in_a_call)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(SECCOMP_EA_LO(struct open_how, flags)), RET(SECCOMP_RET_USER_NOTIF));
	struct seccomp_ea_pinned pinned;
	struct seccomp_notif notif;
	struct supervised child;
	struct open_how seen;

	if (variant->how == STOP || variant->dies)
		return;
	shared->how = (struct open_how) { .flags = O_PATH, .resolve = RESOLVE_BENEATH };
	ASSERT_EQ(0, supervise(&child, &prog, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, open_twice,
			       NULL));
	ASSERT_TRUE(notif_waits(child.listener, 20000));
	ASSERT_EQ(0, notif_receive(child.listener, &notif));
	EXPECT_EQ(0, read_pinned(self->device, notif.pid, &pinned, &seen, sizeof(seen)));
	EXPECT_EQ(RESOLVE_BENEATH, seen.resolve);
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, child.pid, 0, PTRACE_O_SUSPEND_SECCOMP));
	shared->how.resolve = 0;
	EXPECT_EQ(-ENOENT, read_pinned(self->device, notif.pid, &pinned, NULL, 0));
	EXPECT_EQ(0, notif_continue(child.listener, notif.id));
	EXPECT_TRUE(reaches(1));
	EXPECT_EQ(-EFAULT, shared->ret[0]);
	EXPECT_LT(0, shared->ret[1]);
	kill(child.pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, exit_status(child.pid));
	close(child.listener);
}

TEST_HARNESS_MAIN
