// SPDX-License-Identifier: GPL-2.0
/*
 * The filters that people want to write: what sandboxes ask of clone3(2) and of
 * openat2(2), with the C library and the kernel as they are.
 */
#include <pthread.h>
#include <spawn.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "common.h"

#define LO(field)	LD(SECCOMP_EA_LO(struct clone_args, field))
#define HI(field)	LD(SECCOMP_EA_HI(struct clone_args, field))
#define HOW_LO(field)	LD(SECCOMP_EA_LO(struct open_how, field))

/* All that create a namespace: in the low word, and in the high one. */
#define NAMESPACES_LO							\
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |	\
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)
#define NAMESPACES_HI	(CLONE_EMPTY_MNTNS >> 32)

_Static_assert(NAMESPACES_LO == 0x7e020080 && NAMESPACES_HI == 0x20, "the flags of namespaces");

/* Container runtimes: no new namespaces, and nothing that the filter does not know. */
static const struct sock_fprog deny_namespaces = PROG(
	LD_NR,
	JEQ(__NR_clone3, 0, 6),
	LO(flags),
	JSET(NAMESPACES_LO, 5, 0),
	HI(flags),
	JSET(NAMESPACES_HI, 3, 0),
	LD(SECCOMP_EA_TAIL),
	JGT(sizeof(struct clone_args), 1, 0),
	ALLOW,
	DENY(EPERM)
);

/* What glibc gives a thread. */
#define THREAD_FLAGS							\
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM |		\
	 CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS |			\
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

_Static_assert(THREAD_FLAGS == 0x3d0f00, "the flags of a thread");

/* Browsers: threads, exactly. */
static const struct sock_fprog allow_threads = PROG(
	LD_NR,
	JEQ(__NR_clone3, 0, 4),
	LO(flags),
	JEQ(THREAD_FLAGS, 0, 3),
	HI(flags),
	JEQ(0, 0, 1),
	ALLOW,
	DENY(EPERM)
);

/*
 * Makes clone(2) and vfork(2) fail. The C library falls back on them only where
 * clone3(2) gives ENOSYS, so what still works, works by clone3(2).
 */
static const struct sock_fprog deny_clone = PROG(
	LD_NR,
	JEQ(__NR_clone, 2, 0),
	JEQ(__NR_fork, 1, 0),
	JEQ(__NR_vfork, 0, 1),
	DENY(EPERM),
	ALLOW
);

static void *add_one(void *number)
{
	*(int *)number += 1;
	return number;
}

/* Returns 0 or a negated errno. */
static int try_threads(void)
{
	pthread_t threads[4];
	int number[4] = { 0, 1, 2, 3 }, i, ret;
	void *result;

	for (i = 0; i < 4; i++) {
		ret = pthread_create(&threads[i], NULL, add_one, &number[i]);
		if (ret)
			return -ret;
	}
	for (i = 0; i < 4; i++) {
		if (pthread_join(threads[i], &result) || result != &number[i])
			return -ESRCH;
		if (number[i] != i + 1)
			return -EDOM;
	}
	return 0;
}

/* Returns 0 or a negated errno. */
static int try_spawn(void)
{
	char *argv[] = { "true", NULL };
	int ret, status;
	pid_t pid;

	ret = posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ);
	if (ret)
		return -ret;
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -ECHILD;
}

static int try_fork(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(7);
	if (pid < 0)
		return -errno;
	return waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7 ? 0 : -ECHILD;
}

static int try_vfork(void)
{
	pid_t pid = vfork();
	int status;

	if (pid == 0)
		_exit(7);
	if (pid < 0)
		return -errno;
	return waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7 ? 0 : -ECHILD;
}

/* Creates a child that exits at once. Returns an errno. */
static int try_clone3(const void *args, size_t size)
{
	pid_t self = getpid();
	long ret = sys_clone3(args, size);

	/* In a namespace of its own the child may have any pid but not ours. */
	if (ret == 0 || getpid() != self)
		_exit(0);
	if (ret < 0)
		return ret;
	return waitpid(ret, NULL, __WALL) == ret ? 0 : -ECHILD;
}

static int try_flags(__u64 flags)
{
	struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD };

	return try_clone3(&args, sizeof(args));
}

static const __u64 namespaces[] = {
	CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID,
	CLONE_NEWNET, CLONE_NEWTIME, CLONE_EMPTY_MNTNS,
	CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS,
	CLONE_CLEAR_SIGHAND | CLONE_NEWUTS,
	CLONE_CLEAR_SIGHAND | CLONE_EMPTY_MNTNS,
};

/* The control of the next one: the kernel itself allows all of these. */
TEST(namespaces_unfiltered)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(namespaces); i++) {
		EXPECT_EQ(0, try_flags(namespaces[i])) {
			TH_LOG("flags %#llx", namespaces[i]);
		}
	}
}

TEST(no_namespaces)
{
	size_t i;

	ASSERT_EQ(0, ea_load());
	ASSERT_EQ(0, install_seccomp(0, &deny_namespaces));
	for (i = 0; i < ARRAY_SIZE(namespaces); i++) {
		EXPECT_EQ(-EPERM, try_flags(namespaces[i])) {
			TH_LOG("flags %#llx", namespaces[i]);
		}
	}
	EXPECT_EQ(0, try_flags(0));
	EXPECT_EQ(0, try_flags(CLONE_CLEAR_SIGHAND));
	EXPECT_EQ(0, try_fork());
	EXPECT_EQ(0, try_vfork());
	EXPECT_EQ(0, try_spawn());
	EXPECT_EQ(0, try_threads());
}

/* An unprivileged user, for whom a user namespace is the door to all others. */
TEST(no_namespaces_for_users)
{
	ASSERT_EQ(0, ea_load());
	ASSERT_EQ(0, setresuid(65534, 65534, 65534));
	EXPECT_EQ(0, try_flags(CLONE_NEWUSER | CLONE_NEWNET));
	ASSERT_EQ(0, no_new_privs());
	ASSERT_EQ(0, install_prctl(&deny_namespaces));
	EXPECT_EQ(-EPERM, try_flags(CLONE_NEWUSER | CLONE_NEWNET));
	EXPECT_EQ(0, try_threads());
}

/* The C library's threads and spawned processes do come by clone3(2). */
TEST(library_uses_clone3)
{
	ASSERT_EQ(0, ea_load());
	ASSERT_EQ(0, install_seccomp(0, &deny_namespaces));
	ASSERT_EQ(0, install_seccomp(0, &deny_clone));
	EXPECT_EQ(0, try_threads());
	EXPECT_EQ(0, try_spawn());
	EXPECT_EQ(-EPERM, try_fork());
	EXPECT_EQ(-EPERM, try_vfork());
}

/* A flag more or a flag less than those of a thread is too much. */
TEST(threads_only)
{
	struct clone_args args = { .flags = THREAD_FLAGS };
	int bit;

	ASSERT_EQ(0, ea_load());
	ASSERT_EQ(0, install_seccomp(0, &deny_clone));
	EXPECT_EQ(0, try_spawn());
	ASSERT_EQ(0, install_seccomp(0, &allow_threads));
	EXPECT_EQ(0, try_threads());
	EXPECT_EQ(-EPERM, try_spawn());
	EXPECT_EQ(-EPERM, try_flags(0));
	for (bit = 0; bit < 64; bit++) {
		args.flags = THREAD_FLAGS ^ 1ULL << bit;
		EXPECT_EQ(-EPERM, try_clone3(&args, sizeof(args)));
	}
	/* Too short for the call, but not for the filter. */
	args.flags = THREAD_FLAGS;
	EXPECT_EQ(-EINVAL, try_clone3(&args, CLONE_ARGS_SIZE_VER0 - 8));
}

/* A filter that looks at the tail is safe from what it does not know, and only from that. */
TEST(tail)
{
	union {
		struct clone_args known;
		char bytes[4096];
	} args = { .known.exit_signal = SIGCHLD };

	ASSERT_EQ(0, ea_load());
	/* The control: without the filter the kernel's own check answers. */
	EXPECT_EQ(0, try_clone3(&args, sizeof(args)));
	args.bytes[sizeof(struct clone_args)] = 1;
	EXPECT_EQ(-E2BIG, try_clone3(&args, sizeof(args)));

	ASSERT_EQ(0, install_seccomp(0, &deny_namespaces));
	EXPECT_EQ(-EPERM, try_clone3(&args, sizeof(args)));
	EXPECT_EQ(-EPERM, try_clone3(&args, sizeof(struct clone_args) + 1));
	/* What the caller does not pass does not count. */
	EXPECT_EQ(0, try_clone3(&args, sizeof(struct clone_args)));
	EXPECT_EQ(0, try_clone3(&args, CLONE_ARGS_SIZE_VER0));
	args.bytes[sizeof(struct clone_args)] = 0;
	EXPECT_EQ(0, try_clone3(&args, sizeof(args)));
	args.bytes[sizeof(args) - 1] = 1;
	EXPECT_EQ(-EPERM, try_clone3(&args, sizeof(args)));
	/* No struct is nothing to object to; the call has its own word on it. */
	EXPECT_EQ(-E2BIG, try_clone3(&args, sizeof(args) + 1));
	EXPECT_EQ(-EFAULT, try_clone3(NULL, sizeof(struct clone_args)));
}

/* ---- openat2(2). ---- */

struct opened {
	struct open_how how;
	const char *path;
	int error;
	/* Of what was created. */
	mode_t mode;
};

static void try_open(struct __test_metadata *_metadata, const struct opened *opened)
{
	long fd = sys_openat2(AT_FDCWD, opened->path, &opened->how, sizeof(opened->how));
	struct stat stat;

	EXPECT_EQ(opened->error, fd < 0 ? fd : 0) {
		TH_LOG("%s, flags %#llo, mode %#llo, resolve %#llx", opened->path,
		       opened->how.flags, opened->how.mode, opened->how.resolve);
	}
	if (fd < 0)
		return;
	if (opened->mode) {
		EXPECT_EQ(0, fstat(fd, &stat));
		EXPECT_EQ(opened->mode, stat.st_mode & 07777);
	}
	close(fd);
	if (opened->how.flags & O_CREAT)
		unlink(opened->path);
}

/* systemd's RestrictSUIDSGID=, which today has to answer ENOSYS to openat2(2). */
static const struct sock_fprog deny_suid_sgid = PROG(
	LD_NR,
	JEQ(__NR_openat2, 0, 5),
	HOW_LO(flags),
	JSET(O_CREAT | __O_TMPFILE, 0, 3),
	HOW_LO(mode),
	JSET(S_ISUID | S_ISGID, 0, 1),
	DENY(EPERM),
	ALLOW
);

TEST(restrict_suid_sgid)
{
	static const struct opened table[] = {
		{ { O_CREAT | O_WRONLY, 0755, 0 }, "/tmp/suid", 0, 0755 },
		{ { O_CREAT | O_WRONLY, 01755, 0 }, "/tmp/suid", 0, 01755 },
		{ { O_CREAT | O_WRONLY, 04755, 0 }, "/tmp/suid", -EPERM, 0 },
		{ { O_CREAT | O_WRONLY, 02755, 0 }, "/tmp/suid", -EPERM, 0 },
		{ { O_CREAT | O_WRONLY, 06000, 0 }, "/tmp/suid", -EPERM, 0 },
		{ { O_TMPFILE | O_WRONLY, 0755, 0 }, "/tmp", 0, 0755 },
		{ { O_TMPFILE | O_WRONLY, 04755, 0 }, "/tmp", -EPERM, 0 },
		{ { O_TMPFILE | O_WRONLY, 02755, 0 }, "/tmp", -EPERM, 0 },
		/* The kernel's own: no mode without a creation, no other bits in it. */
		{ { O_RDONLY, 04755, 0 }, "/tmp", -EINVAL, 0 },
		{ { O_CREAT | O_WRONLY, 010755, 0 }, "/tmp/suid", -EINVAL, 0 },
		{ { O_RDONLY, 0, 0 }, "/tmp", 0, 0 },
		{ { O_RDONLY, 0, RESOLVE_IN_ROOT }, "/", 0, 0 },
	};
	static const struct opened control[] = {
		{ { O_CREAT | O_WRONLY, 06755, 0 }, "/tmp/suid", 0, 06755 },
		{ { O_TMPFILE | O_WRONLY, 06755, 0 }, "/tmp", 0, 06755 },
	};
	size_t i;

	umask(0);
	ASSERT_EQ(0, ea_load());
	for (i = 0; i < ARRAY_SIZE(control); i++)
		try_open(_metadata, &control[i]);
	ASSERT_EQ(0, install_seccomp(0, &deny_suid_sgid));
	for (i = 0; i < ARRAY_SIZE(table); i++)
		try_open(_metadata, &table[i]);
}

/* A library that opens files beneath a directory only. */
static const struct sock_fprog allow_beneath = PROG(
	LD_NR,
	JEQ(__NR_openat2, 0, 3),
	HOW_LO(resolve),
	JSET(RESOLVE_BENEATH | RESOLVE_IN_ROOT, 1, 0),
	DENY(EPERM),
	ALLOW
);

TEST(beneath_only)
{
	static const struct opened table[] = {
		{ { O_PATH, 0, 0 }, ".", -EPERM, 0 },
		{ { O_PATH, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV }, ".", -EPERM, 0 },
		{ { O_PATH, 0, (__u64)RESOLVE_BENEATH << 32 }, ".", -EPERM, 0 },
		{ { O_PATH, 0, RESOLVE_BENEATH }, ".", 0, 0 },
		{ { O_PATH, 0, RESOLVE_IN_ROOT }, ".", 0, 0 },
		{ { O_PATH, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS }, ".", 0, 0 },
		/* The kernel's own. */
		{ { O_PATH, 0, RESOLVE_BENEATH }, "..", -EXDEV, 0 },
		{ { O_PATH, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT }, ".", -EINVAL, 0 },
	};
	size_t i;

	ASSERT_EQ(0, ea_load());
	ASSERT_EQ(0, chdir("/tmp"));
	ASSERT_EQ(0, install_seccomp(0, &allow_beneath));
	for (i = 0; i < ARRAY_SIZE(table); i++)
		try_open(_metadata, &table[i]);
}

/*
 * The older filter looks next after the newer one, but at another call: it must
 * not be given the struct of the call before.
 */
TEST(two_calls)
{
	static const struct opened beneath = { { O_PATH, 0, RESOLVE_BENEATH }, ".", 0, 0 };
	static const struct opened above = { { O_PATH, 0, 0 }, ".", -EPERM, 0 };

	ASSERT_EQ(0, ea_load());
	ASSERT_EQ(0, install_seccomp(0, &deny_namespaces));
	ASSERT_EQ(0, install_seccomp(0, &allow_beneath));
	try_open(_metadata, &beneath);
	EXPECT_EQ(-EPERM, try_flags(CLONE_NEWUTS));
	try_open(_metadata, &above);
	EXPECT_EQ(0, try_flags(0));
	EXPECT_EQ(-EPERM, try_flags(CLONE_NEWUTS));
	try_open(_metadata, &beneath);
}

TEST_HARNESS_MAIN
