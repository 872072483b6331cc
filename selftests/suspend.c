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

static bool make_shared(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	return shared != MAP_FAILED;
}

FIXTURE_SETUP(suspend)
{
	ASSERT_TRUE(make_shared());
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

#define NOTIFIED PROG(							\
	LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,				\
	LD(SECCOMP_EA_LO(struct open_how, flags)), RET(SECCOMP_RET_USER_NOTIF))

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
	const struct sock_fprog prog = NOTIFIED;
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

static int seize_as_user(void *pid)
{
	return setresuid(65534, 65534, 65534) ? 1 :
	       -kernel_result(ptrace(PTRACE_SEIZE, *(pid_t *)pid, 0, PTRACE_O_SUSPEND_SECCOMP));
}

/* Who may not suspend it changes nothing: the call that was judged runs, and on the copy. */
TEST(not_permitted)
{
	const struct sock_fprog prog = NOTIFIED;
	struct supervised child;
	struct seccomp_notif notif;

	ASSERT_EQ(0, ea_load());
	ASSERT_TRUE(make_shared());
	shared->how = (struct open_how) { .flags = O_PATH, .resolve = RESOLVE_BENEATH };
	ASSERT_EQ(0, supervise(&child, &prog, 0, open_twice, NULL));
	ASSERT_EQ(0, notif_receive(child.listener, &notif));
	EXPECT_EQ(EPERM, in_child(seize_as_user, &child.pid));
	shared->how.resolve = 0;
	EXPECT_EQ(0, notif_continue(child.listener, notif.id));
	ASSERT_EQ(0, notif_receive(child.listener, &notif));
	EXPECT_EQ(-EXDEV, shared->ret[0]);
	kill(child.pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, exit_status(child.pid));
	close(child.listener);
}

static int open_when_traced(__u32 action)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(SECCOMP_EA_LO(struct open_how, flags)), RET(action));

	if (no_new_privs() || install_seccomp(0, &prog))
		return 1;
	while (!shared->go)
		nap();
	return open_twice(NULL);
}

/* A child that waits, seized, until it may go. */
static pid_t open_seized(struct __test_metadata *_metadata, __u32 action, long options)
{
	pid_t pid;

	ASSERT_EQ(0, ea_load());
	ASSERT_TRUE(make_shared());
	shared->how.flags = O_PATH;
	pid = fork();
	ASSERT_LE(0, pid);
	if (pid == 0)
		_exit(open_when_traced(action));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, pid, 0, options));
	return pid;
}

/*
 * The kernel runs the filters again after that stop although seccomp is suspended.
 * What they fetch is in doubt then: if the call had a pass, so had the next, which is
 * without filters.
 */
TEST(at_its_seccomp_stop)
{
	const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
	int status;
	pid_t pid;

	pid = open_seized(_metadata, SECCOMP_RET_TRACE, options);
	shared->go = true;
	ASSERT_EQ(pid, waitpid(pid, &status, __WALL));
	ASSERT_EQ(SIGTRAP | PTRACE_EVENT_SECCOMP << 8, status >> 8);
	ASSERT_EQ(0, ptrace(PTRACE_SETOPTIONS, pid, 0, options | PTRACE_O_SUSPEND_SECCOMP));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, pid, 0, 0));
	EXPECT_TRUE(reaches(1));
	EXPECT_EQ(-EFAULT, shared->ret[0]);
	EXPECT_LT(0, shared->ret[1]);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, exit_status(pid));
}

/* Who is stopped when a call is over gets nothing of it in the next, not even a fault. */
TEST(at_the_end_of_a_call)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
	struct __ptrace_syscall_info info = {};
	__u64 nr = 0;
	int status;
	pid_t pid;

	pid = open_seized(_metadata, SECCOMP_RET_ALLOW, options);
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, pid, 0, 0));
	ASSERT_EQ(pid, waitpid(pid, &status, __WALL));
	shared->go = true;
	while (nr != __NR_openat2 || info.op != PTRACE_SYSCALL_INFO_EXIT) {
		ASSERT_EQ(0, ptrace(PTRACE_SYSCALL, pid, 0, 0));
		ASSERT_EQ(pid, waitpid(pid, &status, __WALL));
		ASSERT_TRUE(WIFSTOPPED(status));
		ASSERT_LT(0, ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info));
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
			nr = info.entry.nr;
	}
	shared->how.resolve = RESOLVE_BENEATH;
	ASSERT_EQ(0, ptrace(PTRACE_SETOPTIONS, pid, 0, options | PTRACE_O_SUSPEND_SECCOMP));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, pid, 0, 0));
	EXPECT_TRUE(reaches(1));
	EXPECT_LT(0, shared->ret[0]);
	EXPECT_EQ(-EXDEV, shared->ret[1]);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, exit_status(pid));
}

TEST_HARNESS_MAIN
