// SPDX-License-Identifier: GPL-2.0
/*
 * The i386 ABI: through int $0x80 from a 64-bit program, whose arguments' upper
 * halves may hold anything, and once more the other tests as 32-bit programs.
 */
#include "kselftest_harness.h"
#include "contract.h"

/* Where 32-bit pointers can point, with room for an arena behind its guards. */
#define LOW		((char *)0x50000000)
/* The second page of an arena here is past what they can point to. */
#define LAST		((char *)0xfffff000)

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
	ASSERT_TRUE(prepare_calls());
	ASSERT_TRUE(make_arena(variant->arena));
	ASSERT_EQ((uintptr_t)out, (unsigned int)(uintptr_t)out);
	abi = I386;
	brief = true;
	garbage = variant->garbage;
}

FIXTURE_TEARDOWN(int80) {}

TEST_F_TIMEOUT(int80, same_results, 400)
{
	EXPECT_EQ(0, compare_results());
}

TEST_F_TIMEOUT(int80, seen, 400)
{
	EXPECT_EQ(0, test_each_call(compare_seen));
}

TEST_F_TIMEOUT(int80, every_word_decides, 400)
{
	EXPECT_EQ(0, test_each_call(compare_decisions));
}

/* ---- Both ABIs under one filter. ---- */

#define I386_SCHED_SETATTR	351

#define DENIED		3000
#define DENIED_I386	3001

/* Denies structs with a resolve, on each ABI with another errno. */
static const struct sock_fprog by_arch = PROG(
	LD_NR,
	JEQ(__NR_openat2, 0, 5),
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
	JEQ(__NR_openat2, 0, 2),
	LD(SECCOMP_EA_LO(struct open_how, resolve)),
	JEQ(0, 0, 1),
	ALLOW,
	DENY(DENIED)
);

static long openat2(enum abi by, const struct open_how *how)
{
	const long args[NR_ARGS] = { AT_FDCWD, (long)"/", (long)how, sizeof(*how) };

	abi = by;
	return make_call(&calls[1], args);
}

FIXTURE(arch)
{
	/* One with a resolve, one without. The program is static, so i386 can point there. */
	const struct open_how *with, *without;
};

FIXTURE_SETUP(arch)
{
	static const struct open_how with = { .flags = O_PATH, .resolve = RESOLVE_NO_SYMLINKS };
	static const struct open_how without = { .flags = O_PATH };

	ASSERT_EQ(0, ea_load());
	ASSERT_STREQ("openat2", calls[1].name);
	self->with = &with;
	self->without = &without;
	EXPECT_EQ(1, openat2(X86_64, self->with));
	EXPECT_EQ(1, openat2(I386, self->with));
}

FIXTURE_TEARDOWN(arch) {}

/* The prologue's arch, and a pass that ends where the ABI changes. */
TEST_F(arch, each_its_own)
{
	int i;

	ASSERT_EQ(0, install_seccomp(0, &by_arch));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-DENIED, openat2(X86_64, self->with));
		EXPECT_EQ(1, openat2(I386, self->without));
		EXPECT_EQ(-DENIED_I386, openat2(I386, self->with));
		EXPECT_EQ(1, openat2(X86_64, self->without));
	}
}

TEST_F(arch, x86_64_only)
{
	ASSERT_EQ(0, install_seccomp(0, &only_64));
	EXPECT_EQ(-DENIED, openat2(X86_64, self->with));
	EXPECT_EQ(1, openat2(X86_64, self->without));
	EXPECT_EQ(1, openat2(I386, self->with));
	EXPECT_EQ(1, openat2(I386, self->without));
}

TEST_F(arch, i386_only)
{
	ASSERT_EQ(0, install_seccomp(0, &only_32));
	EXPECT_EQ(-DENIED, openat2(I386, self->with));
	EXPECT_EQ(1, openat2(I386, self->without));
	EXPECT_EQ(1, openat2(X86_64, self->with));
	EXPECT_EQ(1, openat2(X86_64, self->without));
}

/*
 * The older filter looks next after the newer one, but at another call: it must
 * not be given the struct of the call before.
 */
TEST_F(arch, pass_ends)
{
	ASSERT_EQ(0, install_seccomp(0, &only_32));
	ASSERT_EQ(0, install_seccomp(0, &only_64));
	EXPECT_EQ(1, openat2(X86_64, self->without));
	EXPECT_EQ(-DENIED, openat2(I386, self->with));
	EXPECT_EQ(-DENIED, openat2(X86_64, self->with));
	EXPECT_EQ(1, openat2(I386, self->without));
}

/* On x86-64, the number of sched_setattr(2) on i386 is one of another call, without a struct. */
TEST_F(arch, numbers_differ)
{
	const struct sock_fprog by_number = PROG(
		LD_NR,
		JEQ(I386_SCHED_SETATTR, 0, 1),
		LD(SECCOMP_EA_BASE),
		ALLOW
	);
	const struct sock_fprog by_arch_too = PROG(
		LD_ARCH,
		JEQ(AUDIT_ARCH_I386, 0, 3),
		LD_NR,
		JEQ(I386_SCHED_SETATTR, 0, 1),
		LD(SECCOMP_EA_BASE),
		ALLOW
	);

	EXPECT_EQ(-EINVAL, install_seccomp(0, &by_number));
	EXPECT_EQ(0, install_seccomp(0, &by_arch_too));
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

TEST_F_TIMEOUT(programs, calls, 400)
{
	EXPECT_EQ(0, run_32("calls"));
}

TEST_F_TIMEOUT(programs, clone3, 400)
{
	EXPECT_EQ(0, run_32("clone3"));
}

TEST_F_TIMEOUT(programs, realuse, 400)
{
	EXPECT_EQ(0, run_32("realuse"));
}

TEST_F_TIMEOUT(programs, device, 400)
{
	EXPECT_EQ(0, run_32("device"));
}

TEST_HARNESS_MAIN
