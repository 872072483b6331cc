// SPDX-License-Identifier: GPL-2.0
/*
 * Supervisors that read the pinned copy and let the call continue: the race that they
 * win, and the one that those lose who read memory; and the sample, on programs that do
 * all that it has to decide about.
 */
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/ptrace.h>

#include <linux/mount.h>
#include <linux/ptrace.h>

#include "kselftest_harness.h"
#include "supervise.h"

/* Most of a test's seconds are spent waiting for a turn on a busy machine. */
#define TIMEOUT		1200

/* How often who is beaten is beaten until it is enough. */
#define ENOUGH		20

/* ---- A call that is raced against. ---- */

enum outcome { PASSED, DENIED, THROUGH, OTHER, NR_OUTCOMES };

/*
 * A thread rewrites a field of the struct, as fast as it can, while another one calls.
 * The policy is about one bit of it. What the call does tells with which value it ran.
 */
struct race {
	/* In memory that it has to itself, for the thread that rewrites it. */
	union {
		struct open_how how;
		struct clone_args args;
		char page[PAGE];
	};
	size_t field;
	__u64 good, bad;
	/* The number of the call, and which of its arguments is the struct. */
	int nr, argument;
	enum outcome (*call)(const struct race *race);
	/* So many calls, unless enough get through before. */
	int calls, enough;
	int outcomes[NR_OUTCOMES];
	volatile bool stop;
};

/* To stay beneath a directory is not the way to the root. */
static enum outcome call_openat2(const struct race *race)
{
	long ret = sys_openat2(AT_FDCWD, "/", &race->how, sizeof(race->how));

	if (ret >= 0) {
		close(ret);
		return THROUGH;
	}
	return ret == -EXDEV ? PASSED : ret == -EPERM ? DENIED : OTHER;
}

/* The first process of a pid namespace knows that it is the first. */
static enum outcome call_clone3(const struct race *race)
{
	long ret = sys_clone3(&race->args, sizeof(race->args));

	if (ret == 0)
		_exit(getpid() == 1 ? THROUGH : PASSED);
	if (ret < 0)
		return ret == -EPERM ? DENIED : OTHER;
	return exit_status(ret);
}

static const struct race race_openat2 = {
	.how.flags = O_PATH,
	.field = offsetof(struct open_how, resolve),
	.good = RESOLVE_BENEATH,
	.bad = 0,
	.nr = __NR_openat2,
	.argument = 2,
	.call = call_openat2,
	.calls = 200000,
	.enough = 1,
};

static const struct race race_clone3 = {
	.args.exit_signal = SIGCHLD,
	.field = offsetof(struct clone_args, flags),
	.good = 0,
	.bad = CLONE_NEWPID,
	.nr = __NR_clone3,
	.argument = 0,
	.call = call_clone3,
	.calls = 20000,
	.enough = 1,
};

/* In memory that caller and supervisor share. */
static struct race *new_race(const struct race *like)
{
	struct race *race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (race == MAP_FAILED)
		return NULL;
	*race = *like;
	race->calls = rounds(race->calls);
	return race;
}

static volatile __u64 *field_of(void *struct_, const struct race *race)
{
	return (volatile __u64 *)((char *)struct_ + race->field);
}

static void *rewrite(void *arg)
{
	struct race *race = arg;
	volatile __u64 *field = field_of(race, race);

	pin(1);
	/* Without the barriers one value is seen far less often than the other. */
	while (!race->stop) {
		*field = race->bad;
		__sync_synchronize();
		*field = race->good;
		__sync_synchronize();
	}
	return NULL;
}

/* Caller and supervisor take turns on one CPU, the other one is for the rewriting. */
static int run_race(void *arg)
{
	struct race *race = arg;
	pthread_t rewriter;
	int i;

	pin(0);
	if (pthread_create(&rewriter, NULL, rewrite, race))
		return 1;
	for (i = 0; i < race->calls && race->outcomes[THROUGH] < race->enough; i++)
		race->outcomes[race->call(race)]++;
	race->stop = true;
	pthread_join(rewriter, NULL);
	return 0;
}

/* ---- Supervisors of the race. ---- */

FIXTURE(race)
{
	struct race *race;
	int device;
	struct supervised child;
	/* What the supervisor has decided. */
	int outcomes[NR_OUTCOMES];
	/* How often the memory was not what the copy was. */
	int differed;
};

FIXTURE_VARIANT(race)
{
	const struct race *race;
};

FIXTURE_VARIANT_ADD(race, openat2) { &race_openat2 };
FIXTURE_VARIANT_ADD(race, clone3) { &race_clone3 };

FIXTURE_SETUP(race)
{
	ASSERT_EQ(0, ea_load());
	self->device = ea_device();
	ASSERT_LE(0, self->device);
	self->race = new_race(variant->race);
	ASSERT_NE(NULL, self->race);
}

FIXTURE_TEARDOWN(race) {}

/* How supervisors get the struct of a call. They return 0 if they did. */
typedef long (*look_fn)(FIXTURE_DATA(race) *self, const struct seccomp_notif *notif, void *buffer);

/* What is pinned, which is not what the memory has at this moment. */
static long look_at_copy(FIXTURE_DATA(race) *self, const struct seccomp_notif *notif, void *buffer)
{
	struct seccomp_ea_pinned pinned;
	long ret = read_pinned(self->device, notif->pid, &pinned, buffer, PAGE);

	if (*field_of(self->race, self->race) != *field_of(buffer, self->race))
		self->differed++;
	return ret ?: pinned.error;
}

/* What those do who have no copy. */
static long look_at_memory(FIXTURE_DATA(race) *self, const struct seccomp_notif *notif,
			   void *buffer)
{
	const size_t size = self->race->field + sizeof(__u64);
	char path[64];
	ssize_t got;
	int fd;

	sprintf(path, "/proc/%d/mem", notif->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = pread(fd, buffer, size, notif->data.args[self->race->argument]);
	close(fd);
	return got != (ssize_t)size;
}

/* Runs the race with a supervisor of this kind. Returns 0, or a negated errno. */
static long supervise_race(FIXTURE_DATA(race) *self, bool pinned, look_fn look)
{
	struct race *race = self->race;
	const struct sock_fprog by_register = PROG(
		LD_NR, JEQ(race->nr, 0, 1), RET(SECCOMP_RET_USER_NOTIF), ALLOW);
	const struct sock_fprog by_struct = PROG(
		LD_NR, JEQ(race->nr, 0, 2), LD(SECCOMP_EA_BASE), RET(SECCOMP_RET_USER_NOTIF), ALLOW);
	static _Alignas(PAGE) char buffer[PAGE];
	struct seccomp_notif notif;
	long ret;

	ret = supervise(&self->child, pinned ? &by_struct : &by_register, 0, run_race, race);
	if (ret)
		return ret;
	pin(0);
	ioctl(self->child.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
	      SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);

	while ((ret = notif_receive(self->child.listener, &notif)) == 0) {
		enum outcome outcome = PASSED;

		if (look(self, &notif, buffer) ||
		    (*field_of(buffer, race) & (race->good ^ race->bad)) != race->good)
			outcome = DENIED;
		ret = outcome == PASSED ? notif_continue(self->child.listener, notif.id) :
					  notif_answer(self->child.listener, notif.id, -EPERM);
		if (ret)
			break;
		/* The rewriting thread is made by clone3, too. */
		if (notif.data.args[race->argument] == (uintptr_t)race)
			self->outcomes[outcome]++;
	}
	/* Nobody is left who could be supervised. */
	return ret == -ENOENT ? exit_status(self->child.pid) : ret;
}

#define LOG_OUTCOMES(race)						\
	TH_LOG("%d passed, %d denied, %d got through, %d others",	\
	       (race)->outcomes[PASSED], (race)->outcomes[DENIED],	\
	       (race)->outcomes[THROUGH], (race)->outcomes[OTHER])

TEST_F_TIMEOUT(race, copy_wins, TIMEOUT)
{
	const struct race *race = self->race;

	ASSERT_EQ(0, supervise_race(self, true, look_at_copy));
	LOG_OUTCOMES(race);
	TH_LOG("the memory differed from the copy %d times", self->differed);
	EXPECT_EQ(0, race->outcomes[THROUGH]);
	EXPECT_EQ(0, race->outcomes[OTHER]);
	EXPECT_EQ(self->outcomes[PASSED], race->outcomes[PASSED]);
	EXPECT_EQ(self->outcomes[DENIED], race->outcomes[DENIED]);
	EXPECT_EQ(race->calls, race->outcomes[PASSED] + race->outcomes[DENIED]);

	/* There was a race, and both values have been seen. */
	EXPECT_LT(race->calls / 1000, race->outcomes[PASSED]);
	EXPECT_LT(race->calls / 1000, race->outcomes[DENIED]);
	EXPECT_LT(race->calls / 1000, self->differed);
}

/* The control: who looks at memory is beaten, and soon. */
TEST_F_TIMEOUT(race, memory_is_beaten, TIMEOUT)
{
	self->race->enough = ENOUGH;
	ASSERT_EQ(0, supervise_race(self, false, look_at_memory));
	LOG_OUTCOMES(self->race);
	EXPECT_EQ(ENOUGH, self->race->outcomes[THROUGH]);
}

/* And that does not change if there is a copy and nobody looks at it. */
TEST_F_TIMEOUT(race, memory_beside_copy_is_beaten, TIMEOUT)
{
	self->race->enough = ENOUGH;
	ASSERT_EQ(0, supervise_race(self, true, look_at_memory));
	LOG_OUTCOMES(self->race);
	EXPECT_EQ(ENOUGH, self->race->outcomes[THROUGH]);
}

/* ---- What pins. ---- */

static const struct clone_args plain = { .exit_signal = SIGCHLD };

/* Makes a process that ends at once. Returns 0, or a negated errno. */
static long make_process(const void *args, size_t size)
{
	long ret = sys_clone3(args, size);

	if (ret == 0)
		_exit(0);
	return ret < 0 ? ret : exit_status(ret);
}

static int make_plain(void *unused)
{
	(void)unused;
	return make_process(&plain, sizeof(plain)) != 0;
}

/* Returns what the device says of a clone3 that a filter notifies. */
static long pinned_by(const struct sock_fprog *prog, struct seccomp_ea_pinned *pinned,
		      struct clone_args *args)
{
	const int device = ea_device();
	struct supervised child;
	struct seccomp_notif notif;
	long ret, pinned_ret;

	if (device < 0)
		return device;
	ret = supervise(&child, prog, 0, make_plain, NULL);
	if (!ret)
		ret = notif_receive(child.listener, &notif);
	if (ret)
		return ret;
	pinned_ret = read_pinned(device, notif.pid, pinned, args, sizeof(*args));
	ret = notif_continue(child.listener, notif.id);
	close(child.listener);
	close(device);
	return exit_status(child.pid) ? -ECHILD : ret ?: pinned_ret;
}

TEST(no_load_pins_nothing)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_clone3, 0, 1), RET(SECCOMP_RET_USER_NOTIF), ALLOW);
	struct seccomp_ea_pinned pinned;
	struct clone_args args;

	ASSERT_EQ(0, ea_load());
	EXPECT_EQ(-ENOENT, pinned_by(&prog, &pinned, &args));
}

TEST(one_load_pins)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_clone3, 0, 2), LD(SECCOMP_EA_LO(struct clone_args, flags)),
		RET(SECCOMP_RET_USER_NOTIF), ALLOW);
	struct seccomp_ea_pinned pinned;
	struct clone_args args;

	ASSERT_EQ(0, ea_load());
	ASSERT_EQ(0, pinned_by(&prog, &pinned, &args));
	EXPECT_EQ(0, memcmp(&plain, &args, sizeof(args)));
	EXPECT_EQ((__u32)__NR_clone3, pinned.nr);
	EXPECT_EQ((__u32)AUDIT_ARCH_X86_64, pinned.arch);
	EXPECT_EQ(sizeof(plain), pinned.size);
	EXPECT_EQ(offsetof(struct clone_args, exit_signal) + 1, pinned.tail);
	EXPECT_EQ(0U, pinned.error);
}

/* ---- What the sample's commands do. ---- */

/* The name of this program, by which the sample runs it. */
static char program[PATH_MAX];

static void *nothing(void *arg)
{
	return arg;
}

static int make_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL);
}

static int act_threads(void)
{
	int i, bad = 0;

	for (i = 0; i < 3; i++)
		bad |= make_thread();
	return bad;
}

static int act_processes(void)
{
	char *argv[] = { program, "exit", NULL };
	pid_t pid;

	/* By clone(2). */
	pid = fork();
	if (pid == 0)
		_exit(7);
	if (exit_status(pid) != 7)
		return 1;
	if (posix_spawn(&pid, program, NULL, NULL, argv, environ) || exit_status(pid) != 7)
		return 2;
	return make_plain(NULL) ? 3 : 0;
}

static const __u64 namespaces[] = {
	CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID,
	CLONE_NEWNET, CLONE_NEWTIME, CLONE_EMPTY_MNTNS,
	CLONE_NEWUSER | CLONE_NEWNS, CLONE_NEWTIME | CLONE_CLEAR_SIGHAND,
};

/* Exits with the number of those that are not permitted. */
static int act_namespaces(void)
{
	int denied = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(namespaces); i++) {
		struct clone_args args = plain;

		args.flags = namespaces[i];
		denied += make_process(&args, sizeof(args)) == -EPERM;
	}
	return denied;
}

#define NO_FD		INT_MAX
#define ROOT		(long)"/"

/* Other ways to a namespace, and what is not one. */
static const struct {
	bool namespace;
	long nr, args[5];
} others[] = {
	{ true, __NR_clone, { CLONE_NEWNS | SIGCHLD } },
	{ true, __NR_clone, { CLONE_NEWCGROUP | SIGCHLD } },
	{ true, __NR_clone, { CLONE_NEWUTS | SIGCHLD } },
	{ true, __NR_clone, { CLONE_NEWIPC | SIGCHLD } },
	{ true, __NR_clone, { CLONE_NEWUSER | SIGCHLD } },
	{ true, __NR_clone, { CLONE_NEWPID | SIGCHLD } },
	{ true, __NR_clone, { CLONE_NEWNET | SIGCHLD } },
	{ true, __NR_unshare, { CLONE_NEWNS } },
	{ true, __NR_unshare, { CLONE_NEWCGROUP } },
	{ true, __NR_unshare, { CLONE_NEWUTS } },
	{ true, __NR_unshare, { CLONE_NEWIPC } },
	{ true, __NR_unshare, { CLONE_NEWUSER } },
	{ true, __NR_unshare, { CLONE_NEWPID } },
	{ true, __NR_unshare, { CLONE_NEWNET } },
	{ true, __NR_unshare, { CLONE_NEWTIME } },
	{ true, __NR_unshare, { UNSHARE_EMPTY_MNTNS } },
	{ true, __NR_setns, { NO_FD } },
	{ true, __NR_open_tree, { AT_FDCWD, ROOT, OPEN_TREE_NAMESPACE } },
	{ true, __NR_open_tree_attr, { AT_FDCWD, ROOT, OPEN_TREE_NAMESPACE } },
	{ true, __NR_fsmount, { NO_FD, FSMOUNT_NAMESPACE } },
	/* A signal of 128 is none, and no namespace either. */
	{ false, __NR_clone, { CLONE_NEWTIME } },
	{ false, __NR_clone, { SIGCHLD } },
	{ false, __NR_unshare, { CLONE_FILES | CLONE_FS } },
	{ false, __NR_open_tree, { AT_FDCWD, ROOT, OPEN_TREE_CLONE } },
	{ false, __NR_open_tree_attr, { AT_FDCWD, ROOT, OPEN_TREE_CLONE } },
	{ false, __NR_fsmount, { NO_FD } },
};

/* The same of these, each by a process of its own, for some cannot be undone. */
static int act_others(void)
{
	int denied = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		const long *a = others[i].args;
		pid_t pid = fork();

		if (pid == 0) {
			/* What is made by it returns with 0 from the same call. */
			_exit(SYSCALL(others[i].nr, a[0], a[1], a[2], a[3], a[4]) == -EPERM);
		}
		denied += exit_status(pid) == 1;
	}
	return denied;
}

static const struct {
	size_t size;
	/* A byte that is not zero, if there is one. */
	size_t not_zero;
	__u64 flags;
	/* With the sample as without it. */
	long result;
} sizes[] = {
	{ CLONE_ARGS_SIZE_VER0, 0, 0, 0 },
	{ sizeof(struct clone_args) + 8, 0, 0, 0 },
	{ PAGE, 0, 0, 0 },
	{ sizeof(struct clone_args) + 8, sizeof(struct clone_args), 0, -E2BIG },
	{ PAGE, PAGE - 1, 0, -E2BIG },
	{ PAGE + 8, 0, 0, -E2BIG },
	{ CLONE_ARGS_SIZE_VER0 - 8, 0, 0, -EINVAL },
	{ sizeof(struct clone_args), 0, CLONE_EMPTY_MNTNS << 1, -EINVAL },
	{ sizeof(struct clone_args), 0, 1ULL << 63 | CLONE_THREAD, -EINVAL },
	{ sizeof(struct clone_args), 0, SIGCHLD, -EINVAL },
};

/* Exits with the number of those that are not as expected. */
static int act_sizes(void)
{
	static _Alignas(PAGE) char page[2 * PAGE];
	int bad = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct clone_args args = plain;

		args.flags = sizes[i].flags;
		memset(page, 0, sizeof(page));
		memcpy(page, &args, sizeof(args));
		if (sizes[i].not_zero)
			page[sizes[i].not_zero] = 1;
		bad += make_process(page, sizes[i].size) != sizes[i].result;
	}
	bad += make_process(NULL, sizeof(plain)) != -EFAULT;
	return bad;
}

static int act_exit(void)
{
	return 7;
}

static int act_signal(void)
{
	return raise(SIGTERM);
}

/* Goes on in a child that makes its calls when the command itself has ended. */
static int act_orphan(void)
{
	const struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	const pid_t command = getpid();
	int i;

	if (fork() == 0) {
		while (getppid() == command)
			nap();
		/* Time enough for a supervisor that ends too early. */
		for (i = 0; i < 100; i++)
			nap();
		make_thread();
		make_process(&args, sizeof(args));
	}
	return 7;
}

/* Ends its supervisor, and says what becomes of its next call. */
static int act_abandoned(void)
{
	const pid_t supervisor = getppid();

	kill(supervisor, SIGKILL);
	while (getppid() == supervisor)
		nap();
	dprintf(STDERR_FILENO, "%s\n", strerrorname_np(-make_process(&plain, sizeof(plain))));
	return 0;
}

/* getpid(2) of i386. */
static int act_i386(void)
{
	long ret;

	asm volatile("int $0x80" : "=a" (ret) : "a" (20) : "memory");
	return ret != getpid();
}

/* Says who it is, and makes calls until it is killed. */
static int act_victim(void)
{
	dprintf(STDERR_FILENO, "%d\n", getpid());
	while (!make_process(&plain, sizeof(plain)))
		;
	return 1;
}

static volatile sig_atomic_t signalled;

static void on_signal(int signal)
{
	signalled = signal;
}

/* Says who it is, and makes a call during which it is sent a signal. */
static int act_signalled(void)
{
	const struct sigaction action = { .sa_handler = on_signal };

	dprintf(STDERR_FILENO, "%d\n", getpid());
	return sigaction(SIGUSR1, &action, NULL) || make_process(&plain, sizeof(plain)) ||
	       !signalled;
}

/* So many calls with a supervisor that writes about each. */
#define SAMPLE_CALLS	2000

static int act_race(void)
{
	struct race *race = new_race(&race_clone3);

	if (!race)
		return 1;
	race->calls = rounds(SAMPLE_CALLS);
	if (run_race(race))
		return 1;
	dprintf(STDERR_FILENO, "outcomes: %d %d %d %d\n", race->outcomes[PASSED],
		race->outcomes[DENIED], race->outcomes[THROUGH], race->outcomes[OTHER]);
	return 0;
}

static const struct {
	const char *name;
	int (*act)(void);
} acts[] = {
	{ "threads", act_threads },
	{ "processes", act_processes },
	{ "namespaces", act_namespaces },
	{ "others", act_others },
	{ "sizes", act_sizes },
	{ "exit", act_exit },
	{ "signal", act_signal },
	{ "orphan", act_orphan },
	{ "abandoned", act_abandoned },
	{ "i386", act_i386 },
	{ "victim", act_victim },
	{ "signalled", act_signalled },
	{ "race", act_race },
};

/* ---- The sample. ---- */

FIXTURE(sample)
{
	pid_t pid;
	/* Where it writes to, and its command. */
	FILE *says;
	/* All of that, without the names of processes. */
	char *said;
	/* What it does before it becomes the sample. */
	void (*before)(void);
};

FIXTURE_SETUP(sample)
{
	ASSERT_EQ(0, ea_load());
}

FIXTURE_TEARDOWN(sample)
{
	free(self->said);
}

/* Has the sample, which lies beside this program, run a command. */
static bool start(FIXTURE_DATA(sample) *self, const char *command, const char *act)
{
	char sample[PATH_MAX + 16];
	int pipes[2];

	sprintf(sample, "%.*ssupervisor", (int)(strrchr(program, '/') + 1 - program), program);
	if (pipe2(pipes, O_CLOEXEC))
		return false;
	fflush(NULL);
	self->pid = fork();
	if (self->pid == 0) {
		/* It and the command take turns. */
		stay_on_one_cpu();
		if (self->before)
			self->before();
		dup2(pipes[1], STDERR_FILENO);
		execl(sample, "supervisor", command, act, NULL);
		_exit(1);
	}
	close(pipes[1]);
	self->says = fdopen(pipes[0], "re");
	return self->pid > 0 && self->says;
}

/* Returns the exit status of the sample, or its signal negated. */
static int finish(FIXTURE_DATA(sample) *self)
{
	size_t line_size = 0, said_size;
	FILE *said = open_memstream(&self->said, &said_size);
	char *line = NULL;
	unsigned int pid;
	int skip;

	while (getline(&line, &line_size, self->says) > 0) {
		if (sscanf(line, "supervisor: %u %n", &pid, &skip) < 1)
			skip = 0;
		fputs(line + skip, said);
	}
	free(line);
	fclose(said);
	fclose(self->says);
	return exit_status(self->pid);
}

static int run(FIXTURE_DATA(sample) *self, const char *act)
{
	return start(self, program, act) ? finish(self) : -1;
}

#define THREAD								\
	"clone3(VM|FS|FILES|SIGHAND|THREAD|SYSVSEM|SETTLS|PARENT_SETTID|CHILD_CLEARTID): "	\
	"continues, a thread\n"

TEST_F(sample, threads)
{
	EXPECT_EQ(0, run(self, "threads"));
	EXPECT_STREQ(THREAD THREAD THREAD, self->said);
}

TEST_F(sample, processes)
{
	EXPECT_EQ(0, run(self, "processes"));
	EXPECT_STREQ("clone3(VM|VFORK|CLEAR_SIGHAND): continues, a process\n"
		     "clone3(): continues, a process\n", self->said);
}

TEST_F(sample, namespaces)
{
	/* Root may do all that, if nothing forbids it. */
	EXPECT_EQ(0, act_namespaces());
	EXPECT_EQ((int)ARRAY_SIZE(namespaces), run(self, "namespaces"));
	EXPECT_STREQ("clone3(NEWNS): EPERM, a new namespace\n"
		     "clone3(NEWCGROUP): EPERM, a new namespace\n"
		     "clone3(NEWUTS): EPERM, a new namespace\n"
		     "clone3(NEWIPC): EPERM, a new namespace\n"
		     "clone3(NEWUSER): EPERM, a new namespace\n"
		     "clone3(NEWPID): EPERM, a new namespace\n"
		     "clone3(NEWNET): EPERM, a new namespace\n"
		     "clone3(NEWTIME): EPERM, a new namespace\n"
		     "clone3(EMPTY_MNTNS): EPERM, a new namespace\n"
		     "clone3(NEWNS|NEWUSER): EPERM, a new namespace\n"
		     "clone3(CLEAR_SIGHAND|NEWTIME): EPERM, a new namespace\n", self->said);
}

TEST_F(sample, other_calls)
{
	int namespaces = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++)
		namespaces += others[i].namespace;
	EXPECT_EQ(0, act_others());
	EXPECT_EQ(namespaces, run(self, "others"));
	EXPECT_STREQ("", self->said);
}

TEST_F(sample, sizes)
{
	EXPECT_EQ(0, act_sizes());
	EXPECT_EQ(0, run(self, "sizes"));
	EXPECT_STREQ("clone3(): continues, a process\n"
		     "clone3(): continues, a process\n"
		     "clone3(): continues, a process\n"
		     "clone3(): E2BIG, a newer struct\n"
		     "clone3(): E2BIG, a newer struct\n"
		     "clone3(): continues, to fail by itself\n"
		     "clone3(): continues, a process\n"
		     "clone3(0x4000000000): EINVAL, a newer flag\n"
		     "clone3(THREAD|0x8000000000000000): EINVAL, a newer flag\n"
		     "clone3(0x11): EINVAL, a newer flag\n"
		     "clone3(): continues, to fail by itself\n", self->said);
}

TEST_F(sample, exit_status)
{
	EXPECT_EQ(7, run(self, "exit"));
	EXPECT_STREQ("", self->said);
}

TEST_F(sample, exit_status_of_signal)
{
	EXPECT_EQ(128 + SIGTERM, run(self, "signal"));
}

TEST_F(sample, exit_status_not_found)
{
	ASSERT_TRUE(start(self, "/nowhere", NULL));
	EXPECT_EQ(127, finish(self));
	EXPECT_STREQ("supervisor: /nowhere: No such file or directory\n", self->said);
}

TEST_F(sample, exit_status_not_run)
{
	ASSERT_TRUE(start(self, "/dev/null", NULL));
	EXPECT_EQ(126, finish(self));
	EXPECT_STREQ("supervisor: /dev/null: Permission denied\n", self->said);
}

TEST_F(sample, descendants)
{
	EXPECT_EQ(7, run(self, "orphan"));
	EXPECT_STREQ(THREAD "clone3(NEWUSER): EPERM, a new namespace\n", self->said);
}

TEST_F(sample, other_abi)
{
	EXPECT_EQ(0, act_i386());
	EXPECT_EQ(128 + SIGSYS, run(self, "i386"));
}

TEST_F(sample, killed_itself)
{
	EXPECT_EQ(-SIGKILL, run(self, "abandoned"));
	EXPECT_STREQ("ENOSYS\n", self->said);
}

TEST_F(sample, no_module)
{
	ASSERT_EQ(0, ea_unload_unused());
	EXPECT_EQ(2, run(self, "exit"));
	EXPECT_NE(NULL, strstr(self->said, "load the module"));
	EXPECT_EQ(0, ea_load());
}

/* A device that answers nothing. */
static void hide_device(void)
{
	if (unshare(CLONE_NEWNS) || mount("/dev/null", EA_DEVICE, NULL, MS_BIND, NULL))
		_exit(1);
}

TEST_F(sample, nothing_to_look_at)
{
	self->before = hide_device;
	EXPECT_EQ(1, run(self, "threads"));
	EXPECT_STREQ("clone3(): EPERM, Inappropriate ioctl for device\n"
		     "clone3(): EPERM, Inappropriate ioctl for device\n"
		     "clone3(): EPERM, Inappropriate ioctl for device\n", self->said);
}

/* ---- What may come between the sample and its command. ---- */

static void be_traced(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
}

/* Lets a process that has stopped on exec run until it is about to make this ioctl. */
static bool stop_before(pid_t pid, unsigned int request)
{
	struct __ptrace_syscall_info info;
	int status, signal = 0;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
		return false;
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, 0, signal) || waitpid(pid, &status, 0) != pid ||
		    !WIFSTOPPED(status))
			return false;
		signal = WSTOPSIG(status);
		if (signal != (SIGTRAP | 0x80))
			continue;
		signal = 0;
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
		    info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == __NR_ioctl &&
		    (unsigned int)info.entry.args[1] == request)
			return true;
	}
}

/* Stops the sample at an ioctl. Returns its command, which has said who it is, or -1. */
static pid_t start_stopped(FIXTURE_DATA(sample) *self, const char *act, unsigned int request)
{
	pid_t command;

	self->before = be_traced;
	if (!start(self, program, act) || !stop_before(self->pid, request) ||
	    fscanf(self->says, "%d%*c", &command) != 1)
		return -1;
	return command;
}

static bool kill_and_wait(pid_t pid)
{
	struct pollfd exited = { .fd = SYSCALL(__NR_pidfd_open, pid, 0), .events = POLLIN };

	return !kill(pid, SIGKILL) && poll(&exited, 1, 10000) == 1;
}

TEST_F(sample, gone_before_received)
{
	const pid_t command = start_stopped(self, "victim", SECCOMP_IOCTL_NOTIF_RECV);

	ASSERT_LT(0, command);
	ASSERT_TRUE(kill_and_wait(command));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->pid, 0, 0));
	EXPECT_EQ(128 + SIGKILL, finish(self));
	EXPECT_STREQ("", self->said);
}

TEST_F(sample, gone_before_read)
{
	const pid_t command = start_stopped(self, "victim", SECCOMP_EA_IOCTL_READ_PINNED);

	ASSERT_LT(0, command);
	ASSERT_TRUE(kill_and_wait(command));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->pid, 0, 0));
	EXPECT_EQ(128 + SIGKILL, finish(self));
	EXPECT_STREQ("clone3(): EPERM, No such process, but it is gone\n", self->said);
}

TEST_F(sample, gone_before_answered)
{
	const pid_t command = start_stopped(self, "victim", SECCOMP_IOCTL_NOTIF_SEND);

	ASSERT_LT(0, command);
	ASSERT_TRUE(kill_and_wait(command));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->pid, 0, 0));
	EXPECT_EQ(128 + SIGKILL, finish(self));
	EXPECT_STREQ("clone3(): continues, a process, but it is gone\n", self->said);
}

/*
 * A signal does not end the wait for an answer. clone3(2) itself is made anew then, as ever
 * when there is a signal to be handled first.
 */
TEST_F(sample, signal_waits)
{
	const pid_t command = start_stopped(self, "signalled", SECCOMP_EA_IOCTL_READ_PINNED);
	int i;

	ASSERT_LT(0, command);
	ASSERT_EQ(0, kill(command, SIGUSR1));
	for (i = 0; i < 100; i++)
		nap();
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->pid, 0, 0));
	EXPECT_EQ(0, finish(self));
	EXPECT_STREQ("clone3(): continues, a process\n"
		     "clone3(): continues, a process\n", self->said);
}

/* ---- The sample in the race. ---- */

static int lines_with(const char *text, const char *word)
{
	int lines = 0;

	while ((text = strstr(text, word))) {
		lines++;
		text++;
	}
	return lines;
}

TEST_F_TIMEOUT(sample, race, TIMEOUT)
{
	const int calls = rounds(SAMPLE_CALLS);
	struct race race = {};
	const char *outcomes;
	int found;

	ASSERT_EQ(0, run(self, "race"));
	outcomes = strstr(self->said, "outcomes: ");
	ASSERT_NE(NULL, outcomes);
	found = sscanf(outcomes, "outcomes: %d %d %d %d", &race.outcomes[PASSED],
		       &race.outcomes[DENIED], &race.outcomes[THROUGH], &race.outcomes[OTHER]);
	ASSERT_EQ(NR_OUTCOMES, found);
	LOG_OUTCOMES(&race);
	EXPECT_EQ(0, race.outcomes[THROUGH]);
	EXPECT_EQ(0, race.outcomes[OTHER]);
	EXPECT_LT(calls / 1000, race.outcomes[PASSED]);
	EXPECT_LT(calls / 1000, race.outcomes[DENIED]);
	EXPECT_EQ(calls, race.outcomes[PASSED] + race.outcomes[DENIED]);
	EXPECT_EQ(1, lines_with(self->said, "): continues, a thread\n"));
	EXPECT_EQ(race.outcomes[PASSED], lines_with(self->said, "): continues, a process\n"));
	EXPECT_EQ(race.outcomes[DENIED], lines_with(self->said, "): EPERM, a new namespace\n"));
}

int main(int argc, char **argv)
{
	size_t i;

	if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		return 1;
	for (i = 0; i < ARRAY_SIZE(acts); i++) {
		if (argc == 2 && !strcmp(argv[1], acts[i].name))
			return acts[i].act();
	}
	return test_harness_run(argc, argv);
}
