// SPDX-License-Identifier: GPL-2.0
/*
 * clone3(2): what filters see of struct clone_args, that every word of it
 * decides, and that whoever is allowed to call it notices nothing else. Its
 * set_tid is an array behind a pointer in the struct, which filters do not see
 * and which must arrive all the same.
 */
#include <limits.h>

#include "kselftest_harness.h"
#include "situations.h"

/* How children are created, fast: with no memory of their own. */
#define QUICK	(CLONE_VM | CLONE_VFORK)

/*
 * clone3(2) whose child, on the stack of its parent, exits without using it. A
 * sixth argument asks the reader, which may well answer 0.
 */
static long raw_clone3(const void *args, size_t size, long fifth, long sixth)
{
#ifdef __x86_64__
	register long r8 asm("r8") = fifth;
	register long r9 asm("r9") = sixth;
	long ret;

	asm volatile("syscall\n\t"
		     "test %%rax, %%rax\n\t"
		     "jnz 1f\n\t"
		     "test %%r9, %%r9\n\t"
		     "jnz 1f\n\t"
		     "xor %%edi, %%edi\n\t"
		     "mov %[exit], %%eax\n\t"
		     "syscall\n"
		     "1:"
		     : "=a" (ret)
		     : "a" (__NR_clone3), "D" (args), "S" (size), "r" (r8), "r" (r9),
		       [exit] "i" (__NR_exit)
		     : "rcx", "r11", "memory", "cc");
#else
	long ret = __NR_clone3;

	asm volatile("push %%ebp\n\t"
		     "mov %[sixth], %%ebp\n\t"
		     "int $0x80\n\t"
		     "test %%eax, %%eax\n\t"
		     "jnz 1f\n\t"
		     "test %%ebp, %%ebp\n\t"
		     "jnz 1f\n\t"
		     "xor %%ebx, %%ebx\n\t"
		     "mov %[exit], %%eax\n\t"
		     "int $0x80\n"
		     "1:\n\t"
		     "pop %%ebp"
		     : "+a" (ret)
		     : "b" (args), "c" (size), "D" (fifth), [sixth] "d" (sixth),
		       [exit] "i" (__NR_exit)
		     : "memory", "cc");
#endif
	return ret;
}

/* The call under test. Returns 2 if the child's pid is @pid, else 1. */
static long clone_child(const void *args, size_t size, pid_t pid, long fifth, long sixth)
{
	long ret = raw_clone3(args, size, fifth, sixth);

	if (ret <= 0)
		return ret;
	while (waitpid(ret, NULL, __WALL) < 0 && errno == EINTR)
		;
	return ret == pid ? 2 : 1;
}

static long make(void *args, size_t size, long fifth, long sixth)
{
	return clone_child(args, size, 0, fifth, sixth);
}

static const struct clone_args heads[] = {
	{ .flags = QUICK, .exit_signal = SIGCHLD },
	/* Refused by the call, each for another field, low and high. */
	{ .flags = QUICK | CLONE_FS | 1ULL << 40, .exit_signal = SIGCHLD },
	{ .flags = QUICK | CLONE_THREAD, .exit_signal = SIGCHLD },
	{ .flags = QUICK | CLONE_PIDFD, .pidfd = 8, .exit_signal = SIGCHLD },
	{ .flags = QUICK | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = 9999 },
	{ .flags = QUICK | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = 1ULL << 31 },
	{ .flags = QUICK, .exit_signal = SIGCHLD | 1ULL << 32 },
	{ .flags = QUICK, .exit_signal = SIGCHLD, .stack_size = 1 },
	{ .flags = QUICK, .exit_signal = SIGCHLD, .set_tid_size = 1 },
	{ .flags = QUICK, .exit_signal = SIGCHLD, .set_tid = 8, .set_tid_size = 1 },
	/* No word is like another, and none is zero. */
	{ 0x8786858483828180, 0x8f8e8d8c8b8a8988, 0x9796959493929190, 0x9f9e9d9c9b9a9998,
	  0xa7a6a5a4a3a2a1a0, 0xafaeadacabaaa9a8, 0xb7b6b5b4b3b2b1b0, 0xbfbebdbcbbbab9b8,
	  0xc7c6c5c4c3c2c1c0, 0xcfcecdcccbcac9c8, 0xd7d6d5d4d3d2d1d0 },
};

static const size_t sizes[] = {
	0, 1, 8, 56, 63,
	CLONE_ARGS_SIZE_VER0, 65, 68, 72, 79,
	CLONE_ARGS_SIZE_VER1, 81, 84, 87,
	CLONE_ARGS_SIZE_VER2, 89, 92, 96, 104, 120, 200, PAGE - 8, PAGE,
	PAGE + 1, PAGE + 8, 2 * PAGE, INT_MAX, 1U << 31, UINT_MAX,
	(size_t)(1ULL << 32), (size_t)((1ULL << 32) + CLONE_ARGS_SIZE_VER0), SIZE_MAX - 7, SIZE_MAX,
};

static const struct call clone3_call = {
	.nr = __NR_clone3,
	.known = sizeof(struct clone_args),
	.make = make,
	.sizes = sizes,
	.nr_sizes = ARRAY_SIZE(sizes),
	.heads = heads,
	.nr_heads = ARRAY_SIZE(heads),
};

FIXTURE(clone3) {};

FIXTURE_SETUP(clone3)
{
	stay_on_one_cpu();
	ASSERT_EQ(0, ea_load());
	ASSERT_TRUE(make_arena(NULL));
}

FIXTURE_TEARDOWN(clone3) {}

/* The hand-off: faults and sizes come out at the call's own checks, in their order. */
TEST_F_TIMEOUT(clone3, same_results, 120)
{
	EXPECT_EQ(0, compare_results(&clone3_call));
}

/* The fetch: what is copied, what is cleared, and the info words. */
TEST_F_TIMEOUT(clone3, seen, 120)
{
	EXPECT_EQ(0, compare_seen(&clone3_call));
}

/* Every word of every field decides, for and against, and no other word does. */
TEST_F(clone3, every_word_decides)
{
	static const struct clone_args args = { .flags = QUICK, .exit_signal = SIGCHLD };
	static const unsigned int offsets[] = {
		SECCOMP_EA_LO(struct clone_args, flags),
		SECCOMP_EA_HI(struct clone_args, flags),
		SECCOMP_EA_LO(struct clone_args, pidfd),
		SECCOMP_EA_HI(struct clone_args, pidfd),
		SECCOMP_EA_LO(struct clone_args, child_tid),
		SECCOMP_EA_HI(struct clone_args, child_tid),
		SECCOMP_EA_LO(struct clone_args, parent_tid),
		SECCOMP_EA_HI(struct clone_args, parent_tid),
		SECCOMP_EA_LO(struct clone_args, exit_signal),
		SECCOMP_EA_HI(struct clone_args, exit_signal),
		SECCOMP_EA_LO(struct clone_args, stack),
		SECCOMP_EA_HI(struct clone_args, stack),
		SECCOMP_EA_LO(struct clone_args, stack_size),
		SECCOMP_EA_HI(struct clone_args, stack_size),
		SECCOMP_EA_LO(struct clone_args, tls),
		SECCOMP_EA_HI(struct clone_args, tls),
		SECCOMP_EA_LO(struct clone_args, set_tid),
		SECCOMP_EA_HI(struct clone_args, set_tid),
		SECCOMP_EA_LO(struct clone_args, set_tid_size),
		SECCOMP_EA_HI(struct clone_args, set_tid_size),
		SECCOMP_EA_LO(struct clone_args, cgroup),
		SECCOMP_EA_HI(struct clone_args, cgroup),
	};

	EXPECT_EQ(0, compare_decisions(&clone3_call, &args, offsets));
}

/* ---- set_tid. ---- */

/* Where set_tid points to. */
static const struct {
	const char *name;
	enum {
		ELSEWHERE,	/* an array of its own */
		STRUCT,		/* the struct, plus delta */
		STRUCT_END,	/* the struct's end, plus delta */
		ARENA_END,	/* the arena's end, plus delta */
		NOWHERE,	/* delta itself */
	} base;
	long delta;
} arrays[] = {
	{ "an array", ELSEWHERE, 0 },
	{ "a misaligned array", ELSEWHERE, 1 },
	{ "an array with a pid of 0 first", ELSEWHERE, 3 * sizeof(pid_t) },
	{ "an array with a pid of 1 first", ELSEWHERE, 4 * sizeof(pid_t) },
	{ "NULL", NOWHERE, 0 },
	{ "near NULL", NOWHERE, 8 },
	{ "a high address", NOWHERE, -4096 },
	/* Only what starts at the struct might be mistaken for it. */
	{ "the struct", STRUCT, 0 },
	{ "4 before the struct", STRUCT, -4 },
	{ "8 before the struct", STRUCT, -8 },
	{ "1 into the struct", STRUCT, 1 },
	{ "pidfd", STRUCT, offsetof(struct clone_args, pidfd) },
	{ "the high word of pidfd", STRUCT, offsetof(struct clone_args, pidfd) + 4 },
	{ "the high word of tls", STRUCT, offsetof(struct clone_args, tls) + 4 },
	{ "itself", STRUCT, offsetof(struct clone_args, set_tid) },
	{ "cgroup", STRUCT, offsetof(struct clone_args, cgroup) },
	{ "the struct's last word", STRUCT_END, -4 },
	{ "2 before the struct's end", STRUCT_END, -2 },
	{ "the struct's end", STRUCT_END, 0 },
	{ "the last 4 bytes of memory", ARENA_END, -4 },
	{ "the last 6 bytes of memory", ARENA_END, -6 },
	{ "unmapped memory", ARENA_END, 0 },
};

static const unsigned long long array_sizes[] = {
	0, 1, 2, 3, 16, 22, 23, 31, 32, 33, 64, 1ULL << 31, 1ULL << 32, (1ULL << 32) + 1, -1,
};

static const size_t struct_sizes[] = {
	CLONE_ARGS_SIZE_VER0, CLONE_ARGS_SIZE_VER1, CLONE_ARGS_SIZE_VER2, 96, 128,
};

struct set_tid {
	unsigned int array, array_size, struct_size;
	bool flush;
};

static struct set_tid set_tid(size_t i)
{
	struct set_tid s;

	s.flush = i % 2;
	i /= 2;
	s.struct_size = i % ARRAY_SIZE(struct_sizes);
	i /= ARRAY_SIZE(struct_sizes);
	s.array_size = i % ARRAY_SIZE(array_sizes);
	s.array = i / ARRAY_SIZE(array_sizes);
	return s;
}

#define NR_SET_TID							\
	(ARRAY_SIZE(arrays) * ARRAY_SIZE(array_sizes) * ARRAY_SIZE(struct_sizes) * 2)

static void set_tid_print(void *unused, size_t i)
{
	struct set_tid s = set_tid(i);

	(void)unused;
	printf("# set_tid: %s, set_tid_size: %llu, size: %zu%s\n", arrays[s.array].name,
	       array_sizes[s.array_size], struct_sizes[s.struct_size],
	       s.flush ? ", where memory ends" : "");
}

static long set_tid_run_one(const struct set_tid *s)
{
	/* Fields that are not used hold free pids, in case they are taken for the array. */
	struct clone_args args = {
		.flags = QUICK,
		.pidfd = 20480 | 20481ULL << 32,
		.child_tid = 20482 | 20483ULL << 32,
		.parent_tid = 20484 | 20485ULL << 32,
		.exit_signal = SIGCHLD,
		.tls = 20486 | 20487ULL << 32,
		.cgroup = 20488 | 20489ULL << 32,
		.set_tid_size = array_sizes[s->array_size],
	};
	static const pid_t elsewhere[] = { 20490, 20491, 20492, 0, 1, 1 };
	size_t size = struct_sizes[s->struct_size];
	char *ptr = s->flush ? arena + ARENA - size : arena + 64;
	pid_t first = 0;
	char *array;

	memset(arena, 0, ARENA);
	memcpy(arena + PAGE, elsewhere, sizeof(elsewhere));

	switch (arrays[s->array].base) {
	case ELSEWHERE:
		array = arena + PAGE;
		break;
	case STRUCT:
		array = ptr;
		break;
	case STRUCT_END:
		array = ptr + size;
		break;
	case ARENA_END:
		array = arena + ARENA;
		break;
	default:
		array = NULL;
	}
	array += arrays[s->array].delta;
	args.set_tid = (uintptr_t)array;
	memcpy(ptr, &args, size < sizeof(args) ? size : sizeof(args));
	if (array >= arena && array <= arena + ARENA - sizeof(first))
		memcpy(&first, array, sizeof(first));
	return clone_child(ptr, size, first, 0, 0);
}

static void set_tid_run(void *unused, long *results)
{
	size_t i;

	(void)unused;
	for (i = 0; i < NR_SET_TID; i++) {
		struct set_tid s = set_tid(i);

		/* The first struct had no set_tid, so all its arrays are alike. */
		results[i] = VOID_RESULT;
		if (struct_sizes[s.struct_size] > CLONE_ARGS_SIZE_VER0 || s.array_size == 1)
			results[i] = set_tid_run_one(&s);
	}
}

static int set_tid_compare(void *unused)
{
	(void)unused;
	return compare_environments(set_tid_run, set_tid_print, NULL, NR_SET_TID) != 0;
}

/*
 * The second copy of the call is none of ours and must see the caller's memory;
 * two levels of pid namespaces give arrays of two a meaning.
 */
TEST_F_TIMEOUT(clone3, set_tid, 60)
{
	ASSERT_EQ(0, unshare(CLONE_NEWPID));
	EXPECT_EQ(0, in_child(set_tid_compare, NULL));
}

TEST_HARNESS_MAIN
