// SPDX-License-Identifier: GPL-2.0
/*
 * The i386 ABI: through int $0x80 from a 64-bit program, whose arguments' upper
 * halves may hold anything, and once more the other tests as 32-bit programs.
 */
#include <limits.h>

#include "kselftest_harness.h"
#include "situations.h"

#define I386_OPENAT2	437
#define I386_CLONE3	435

/* Where 32-bit pointers can point, with room for an arena behind its guards. */
#define LOW		((char *)0x50000000)
/* The second page of an arena here is past what they can point to. */
#define LAST		((char *)0xfffff000)

/* What is in the upper halves, where no i386 call looks. */
static __u64 garbage;

/*
 * @sixth, if not 0, asks the reader. The child of a clone3(2), on the stack of
 * its parent, exits without using it.
 */
static long int80(unsigned int nr, __u64 a, __u64 b, __u64 c, __u64 d, __u64 fifth, __u64 sixth)
{
	register __u64 r12 asm("r12") = sixth | garbage;
	long ret;

	asm volatile("lea -128(%%rsp), %%rsp\n\t"	/* the red zone */
		     "push %%rbp\n\t"
		     "mov %[sixth], %%rbp\n\t"
		     "int $0x80\n\t"
		     "test %%rax, %%rax\n\t"
		     "jnz 1f\n\t"
		     "test %%ebp, %%ebp\n\t"
		     "jnz 1f\n\t"
		     "xor %%edi, %%edi\n\t"
		     "mov %[exit], %%eax\n\t"
		     "syscall\n"
		     "1:\n\t"
		     "pop %%rbp\n\t"
		     "lea 128(%%rsp), %%rsp"
		     : "=a" (ret)
		     : "a" (nr | garbage), "b" (a | garbage), "c" (b | garbage), "d" (c | garbage),
		       "S" (d | garbage), "D" (fifth | garbage), [sixth] "r" (r12),
		       [exit] "i" (__NR_exit)
		     : "r8", "r9", "r10", "r11", "memory", "cc");
	return (int)ret;
}

static char *root_path;

static long openat2_make(void *how, size_t size, long fifth, long sixth)
{
	long ret = int80(I386_OPENAT2, (unsigned int)AT_FDCWD, (uintptr_t)root_path,
			 (uintptr_t)how, size, fifth, sixth);

	if (ret > 0) {
		close(ret);
		ret = 0;
	}
	return ret;
}

static long clone3_make(void *args, size_t size, long fifth, long sixth)
{
	long ret = int80(I386_CLONE3, (uintptr_t)args, size, 0, 0, fifth, sixth);

	if (ret <= 0)
		return ret;
	while (waitpid(ret, NULL, __WALL) < 0 && errno == EINTR)
		;
	return 1;
}

static const struct open_how hows[] = {
	{ .flags = O_PATH | O_DIRECTORY },
	{ .flags = O_PATH, .resolve = 1ULL << 32 },
	{ .flags = 0x8786858483828180, .mode = 0x8f8e8d8c8b8a8988, .resolve = 0x9796959493929190 },
};

static const size_t openat2_sizes[] = {
	0, 8, 23, 24, 25, 28, 32, 40, PAGE, PAGE + 1, INT_MAX, 1U << 31, UINT_MAX - 7, UINT_MAX,
};

static const struct call openat2_call = {
	.nr = I386_OPENAT2,
	.narrow = true,
	.known = sizeof(struct open_how),
	.make = openat2_make,
	.sizes = openat2_sizes,
	.nr_sizes = ARRAY_SIZE(openat2_sizes),
	.heads = hows,
	.nr_heads = ARRAY_SIZE(hows),
};

/* Children that share their parent's memory are created fast. */
#define QUICK	(CLONE_VM | CLONE_VFORK)

static const struct clone_args args[] = {
	{ .flags = QUICK, .exit_signal = SIGCHLD },
	{ .flags = QUICK, .exit_signal = SIGCHLD, .set_tid = 8, .set_tid_size = 1 },
	{ .flags = QUICK | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = 1ULL << 31 },
};

static const size_t clone3_sizes[] = {
	0, 63, 64, 65, 80, 87, 88, 89, 96, 104, PAGE, PAGE + 1, UINT_MAX,
};

static const struct call clone3_call = {
	.nr = I386_CLONE3,
	.narrow = true,
	.known = sizeof(struct clone_args),
	.make = clone3_make,
	.sizes = clone3_sizes,
	.nr_sizes = ARRAY_SIZE(clone3_sizes),
	.heads = args,
	.nr_heads = ARRAY_SIZE(args),
};

FIXTURE(int80) {};

FIXTURE_VARIANT(int80)
{
	__u64 garbage;
	char *arena;
};

FIXTURE_VARIANT_ADD(int80, clean) { 0, LOW };
/* The verdict must not depend on, nor fetch with, what the call does not see. */
FIXTURE_VARIANT_ADD(int80, upper_halves) { 0xdeadbeefULL << 32, LOW };
/* A struct may begin where i386 can point, and end where it cannot. */
FIXTURE_VARIANT_ADD(int80, across_4_gigabytes) { 0, LAST };

FIXTURE_SETUP(int80)
{
	stay_on_one_cpu();
	ASSERT_EQ(0, ea_load());
	ASSERT_TRUE(make_arena(variant->arena));
	root_path = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, root_path);
	*root_path = '/';
	garbage = variant->garbage;
}

FIXTURE_TEARDOWN(int80) {}

TEST_F_TIMEOUT(int80, openat2_same_results, 60)
{
	EXPECT_EQ(0, compare_results(&openat2_call));
}

TEST_F_TIMEOUT(int80, openat2_seen, 60)
{
	EXPECT_EQ(0, compare_seen(&openat2_call));
}

TEST_F_TIMEOUT(int80, clone3_same_results, 60)
{
	EXPECT_EQ(0, compare_results(&clone3_call));
}

TEST_F_TIMEOUT(int80, clone3_seen, 60)
{
	EXPECT_EQ(0, compare_seen(&clone3_call));
}

/* ---- Both ABIs under one filter. ---- */

#define DENIED		3000
#define DENIED_I386	3001

/* Denies structs with a resolve, on each ABI with another errno. */
static const struct sock_fprog by_arch = PROG(
	LD_NR,
	JEQ(I386_OPENAT2, 0, 5),
	LD(SECCOMP_EA_LO(struct open_how, resolve)),
	JEQ(0, 3, 0),
	LD_ARCH,
	JEQ(AUDIT_ARCH_I386, 2, 0),
	DENY(DENIED),
	ALLOW,
	DENY(DENIED_I386)
);

/* Reads the struct on x86-64 only. */
static const struct sock_fprog only_64 = PROG(
	LD_ARCH,
	JEQ(AUDIT_ARCH_X86_64, 0, 4),
	LD_NR,
	JEQ(__NR_openat2, 0, 2),
	LD(SECCOMP_EA_LO(struct open_how, resolve)),
	JEQ(0, 0, 1),
	ALLOW,
	DENY(DENIED)
);

/* Reads the struct on i386 only. */
static const struct sock_fprog only_32 = PROG(
	LD_ARCH,
	JEQ(AUDIT_ARCH_I386, 0, 4),
	LD_NR,
	JEQ(I386_OPENAT2, 0, 2),
	LD(SECCOMP_EA_LO(struct open_how, resolve)),
	JEQ(0, 0, 1),
	ALLOW,
	DENY(DENIED)
);

static long openat2_64(const struct open_how *how)
{
	long ret = sys_openat2(AT_FDCWD, "/", how, sizeof(*how));

	if (ret > 0) {
		close(ret);
		ret = 0;
	}
	return ret;
}

static long openat2_32(const struct open_how *how)
{
	return openat2_make((void *)how, sizeof(*how), 0, 0);
}

FIXTURE(arch)
{
	/* One with a resolve, one without, both where i386 can point. */
	struct open_how *with, *without;
};

FIXTURE_SETUP(arch)
{
	ASSERT_EQ(0, ea_load());
	root_path = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, root_path);
	*root_path = '/';
	self->with = (struct open_how *)(root_path + 64);
	self->without = (struct open_how *)(root_path + 128);
	*self->with = (struct open_how) { .flags = O_PATH, .resolve = RESOLVE_NO_SYMLINKS };
	*self->without = (struct open_how) { .flags = O_PATH };
	EXPECT_EQ(0, openat2_64(self->with));
	EXPECT_EQ(0, openat2_32(self->with));
}

FIXTURE_TEARDOWN(arch) {}

/* The prologue's arch, and a pass that ends where the ABI changes. */
TEST_F(arch, each_its_own)
{
	int i;

	ASSERT_EQ(0, install_seccomp(0, &by_arch));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-DENIED, openat2_64(self->with));
		EXPECT_EQ(0, openat2_32(self->without));
		EXPECT_EQ(-DENIED_I386, openat2_32(self->with));
		EXPECT_EQ(0, openat2_64(self->without));
	}
}

TEST_F(arch, x86_64_only)
{
	ASSERT_EQ(0, install_seccomp(0, &only_64));
	EXPECT_EQ(-DENIED, openat2_64(self->with));
	EXPECT_EQ(0, openat2_64(self->without));
	EXPECT_EQ(0, openat2_32(self->with));
	EXPECT_EQ(0, openat2_32(self->without));
}

TEST_F(arch, i386_only)
{
	ASSERT_EQ(0, install_seccomp(0, &only_32));
	EXPECT_EQ(-DENIED, openat2_32(self->with));
	EXPECT_EQ(0, openat2_32(self->without));
	EXPECT_EQ(0, openat2_64(self->with));
	EXPECT_EQ(0, openat2_64(self->without));
}

/*
 * The older filter looks next after the newer one, but at another call: it must
 * not be given the struct of the call before.
 */
TEST_F(arch, pass_ends)
{
	ASSERT_EQ(0, install_seccomp(0, &only_32));
	ASSERT_EQ(0, install_seccomp(0, &only_64));
	EXPECT_EQ(0, openat2_64(self->without));
	EXPECT_EQ(-DENIED, openat2_32(self->with));
	EXPECT_EQ(-DENIED, openat2_64(self->with));
	EXPECT_EQ(0, openat2_32(self->without));
}

/* ---- 32-bit programs. ---- */

/* Runs the 32-bit build of a test, which lies beside this one. Its report becomes comments. */
static int run_32(const char *name)
{
	char path[PATH_MAX], line[512];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 64);
	FILE *report;
	int status;

	if (len < 0)
		return -errno;
	path[len] = '\0';
	sprintf(strrchr(path, '/') + 1, "%s.32 2>&1", name);
	fflush(NULL);
	report = popen(path, "re");
	if (!report)
		return -errno;
	while (fgets(line, sizeof(line), report))
		printf("#   %s", line);
	status = pclose(report);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

FIXTURE(programs) {};

FIXTURE_SETUP(programs) {}

FIXTURE_TEARDOWN(programs) {}

TEST_F_TIMEOUT(programs, openat2, 180)
{
	EXPECT_EQ(0, run_32("openat2"));
}

TEST_F_TIMEOUT(programs, clone3, 180)
{
	EXPECT_EQ(0, run_32("clone3"));
}

TEST_F_TIMEOUT(programs, realuse, 60)
{
	EXPECT_EQ(0, run_32("realuse"));
}

TEST_HARNESS_MAIN
