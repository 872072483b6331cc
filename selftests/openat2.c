// SPDX-License-Identifier: GPL-2.0
/*
 * openat2(2): what filters see of struct open_how, that every word of it
 * decides, and that whoever is allowed to call it notices nothing else.
 */
#include <limits.h>

#include "kselftest_harness.h"
#include "situations.h"

/* The call under test; the reader asks by arguments that openat2(2) has not. */
static long make(void *how, size_t size, long fifth, long sixth)
{
	long ret = SYSCALL(__NR_openat2, AT_FDCWD, "/", how, size, fifth, sixth);

	if (ret > 0) {
		close(ret);
		ret = 0;
	}
	return ret;
}

static const struct open_how heads[] = {
	{ .flags = O_PATH | O_DIRECTORY },
	{ .flags = O_PATH, .resolve = RESOLVE_NO_SYMLINKS },
	/* Refused after the copy, each for another field, low and high. */
	{ .flags = O_RDONLY, .mode = 0600 },
	{ .flags = 1ULL << 63 },
	{ .flags = O_PATH, .mode = 1ULL << 32 },
	{ .flags = O_PATH, .resolve = 1ULL << 32 },
	{ .flags = O_PATH, .resolve = RESOLVE_BENEATH },
	{ .flags = O_RDWR },
	/* No word is like another, and none is zero. */
	{ .flags = 0x8786858483828180, .mode = 0x8f8e8d8c8b8a8988, .resolve = 0x9796959493929190 },
};

/* The size of the first published struct. */
#define VER0	24

static const size_t sizes[] = {
	0, 1, 8, 16, 20, 23,
	VER0, 25, 27, 28, 31, 32, 33, 36, 40, 48, 64, 100, PAGE / 2, PAGE - 8,
	PAGE - 1, PAGE, PAGE + 1, PAGE + 8, 2 * PAGE, INT_MAX, 1U << 31, UINT_MAX,
	(size_t)(1ULL << 32), (size_t)((1ULL << 32) + VER0),
	SIZE_MAX - PAGE, SIZE_MAX - 7, SIZE_MAX,
};

static const struct call openat2_call = {
	.nr = __NR_openat2,
	.known = sizeof(struct open_how),
	.make = make,
	.sizes = sizes,
	.nr_sizes = ARRAY_SIZE(sizes),
	.heads = heads,
	.nr_heads = ARRAY_SIZE(heads),
};

FIXTURE(openat2) {};

FIXTURE_SETUP(openat2)
{
	stay_on_one_cpu();
	ASSERT_EQ(0, ea_load());
	ASSERT_TRUE(make_arena(NULL));
}

FIXTURE_TEARDOWN(openat2) {}

/* The hand-off: faults and sizes come out at the call's own checks, in their order. */
TEST_F_TIMEOUT(openat2, same_results, 120)
{
	EXPECT_EQ(0, compare_results(&openat2_call));
}

/* The fetch: what is copied, what is cleared, and the info words. */
TEST_F_TIMEOUT(openat2, seen, 120)
{
	EXPECT_EQ(0, compare_seen(&openat2_call));
}

static long read_call(void *how, long fifth, long sixth)
{
	return make(how, sizeof(struct open_how), fifth, sixth);
}

static long read_page(void *page, long fifth, long sixth)
{
	return make(page, PAGE, fifth, sixth);
}

/*
 * Every word of the page, one by one: each at its offset, and none left from the
 * struct before, which may have been longer.
 */
TEST_F(openat2, every_word)
{
	struct open_how *how = (struct open_how *)arena;
	__u32 *words = (__u32 *)arena;
	unsigned int i;

	for (i = 0; i < PAGE / 4; i++)
		words[i] = 0x01020304 * (i + 1);
	ASSERT_EQ(0, install_reader(__NR_openat2));
	for (i = 0; i < PAGE / 4; i++)
		EXPECT_EQ(words[i], read_word(read_page, arena, SECCOMP_EA_BASE + 4 * i));
	EXPECT_EQ(PAGE, read_word(read_page, arena, SECCOMP_EA_TAIL));

	for (i = 0; i < PAGE / 4; i++) {
		__u32 expected = i < sizeof(*how) / 4 ? words[i] : 0;

		EXPECT_EQ(expected, read_word(read_call, how, SECCOMP_EA_BASE + 4 * i));
	}
	EXPECT_EQ((__s64)sizeof(*how), read_word(read_call, how, SECCOMP_EA_SIZE));
	EXPECT_EQ((__s64)sizeof(*how), read_word(read_call, how, SECCOMP_EA_TAIL));
}

/* Every word of every field decides, for and against, and no other word does. */
TEST_F(openat2, every_word_decides)
{
	static const struct open_how how = { .flags = O_PATH };
	static const unsigned int offsets[] = {
		SECCOMP_EA_LO(struct open_how, flags), SECCOMP_EA_HI(struct open_how, flags),
		SECCOMP_EA_LO(struct open_how, mode), SECCOMP_EA_HI(struct open_how, mode),
		SECCOMP_EA_LO(struct open_how, resolve), SECCOMP_EA_HI(struct open_how, resolve),
	};

	EXPECT_EQ(0, compare_decisions(&openat2_call, &how, offsets));
}

TEST_HARNESS_MAIN
