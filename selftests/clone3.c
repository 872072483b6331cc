// SPDX-License-Identifier: GPL-2.0
/*
 * clone3(2) has an array behind a pointer in its struct, set_tid, which filters do
 * not see and which must arrive all the same. The rest is in calls.c.
 */
#include "kselftest_harness.h"
#include "situations.h"

static const struct call *const clone3 = &calls[0];

FIXTURE(clone3) {};

FIXTURE_SETUP(clone3)
{
	stay_on_one_cpu();
	ASSERT_EQ(0, ea_load());
	ASSERT_TRUE(make_arena(NULL));
	ASSERT_STREQ("clone3", clone3->name);
}

FIXTURE_TEARDOWN(clone3) {}

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

static void set_tid_print(const struct task *task, size_t i)
{
	struct set_tid s = set_tid(i);

	(void)task;
	printf("# set_tid: %s, set_tid_size: %llu, size: %zu%s\n", arrays[s.array].name,
	       array_sizes[s.array_size], struct_sizes[s.struct_size],
	       s.flush ? ", where memory ends" : "");
}

/* Returns 2 if the child's pid is the first one of the array, else 1. */
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
	long ret;

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

	ret = raw_call(clone3->nr[abi], (long[NR_ARGS]) { (long)ptr, size }, true);
	if (ret <= 0)
		return ret;
	while (waitpid(ret, NULL, __WALL) < 0 && errno == EINTR)
		;
	return ret == first ? 2 : 1;
}

static void set_tid_run(const struct task *task, struct result *results)
{
	size_t i;

	(void)task;
	for (i = 0; i < NR_SET_TID; i++) {
		struct set_tid s = set_tid(i);

		/* The first struct had no set_tid, so all its arrays are alike. */
		if (struct_sizes[s.struct_size] > CLONE_ARGS_SIZE_VER0 || s.array_size == 1)
			results[i].ret = set_tid_run_one(&s);
	}
}

static int set_tid_compare(void *unused)
{
	struct task task = {
		.name = "set_tid",
		.run = set_tid_run,
		.print = set_tid_print,
		.call = clone3,
		.nr_results = NR_SET_TID,
	};

	(void)unused;
	compare_environments(&task, 1);
	return task.differences != 0;
}

/*
 * The second copy of the call is none of ours and must see the caller's memory;
 * two levels of pid namespaces give arrays of two a meaning.
 */
TEST_F_TIMEOUT(clone3, set_tid, 400)
{
	ASSERT_EQ(0, unshare(CLONE_NEWPID));
	EXPECT_EQ(0, in_child(set_tid_compare, NULL));
}

TEST_HARNESS_MAIN
