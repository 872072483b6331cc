/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The situations that a struct can be passed in: where it lies, how large it is
 * said to be, what is in it, and whether its memory is there or has to be
 * brought in. openat2.c, clone3.c and i386.c run a system call in all of them
 *
 * - to compare what it returns: without the module, with it, and under filters
 *   that allow everything, each and every result must be the same;
 * - to see what a filter gets to see, and compare that with the contract.
 *
 * Includers have included kselftest_harness.h.
 */
#ifndef SELFTESTS_SITUATIONS_H
#define SELFTESTS_SITUATIONS_H

#include <sys/mman.h>

#include "common.h"

/* The memory that structs lie in: so many pages, and nothing before and after. */
#define ARENA	(2 * PAGE)

/* What the arena is filled with before a struct is put there. */
#define GARBAGE	0xa5

/*
 * The arena, and a second mapping of its first page right below the top of the
 * user's addresses, if the program has such.
 */
static char *arena, *top;

struct place {
	const char *name;
	enum {
		START,		/* of the arena, plus delta */
		END,		/* of the arena, plus delta */
		TOP,		/* of the user's addresses, plus delta */
		ABSOLUTE,	/* delta itself */
		FLUSH,		/* the struct ends where the arena does */
	} base;
	long delta;
};

static const struct place places[] = {
	{ "at a page's start", START, 0 },
	{ "misaligned by 1", START, 1 },
	{ "misaligned by 2", START, 2 },
	{ "misaligned by 4", START, 4 },
	{ "across two pages, 4 in the first", START, PAGE - 4 },
	{ "across two pages, 12 in the first", START, PAGE - 12 },
	{ "across two pages, 24 in the first", START, PAGE - 24 },
	{ "across two pages, 64 in the first", START, PAGE - 64 },
	{ "across two pages, 91 in the first", START, PAGE - 91 },
	/* The tail is checked from the end of what the kernel knows. */
	{ "ends where memory ends", FLUSH, 0 },
	{ "1 byte before unmapped memory", END, -1 },
	{ "4 bytes before unmapped memory", END, -4 },
	{ "8 bytes before unmapped memory", END, -8 },
	{ "23 bytes before unmapped memory", END, -23 },
	{ "24 bytes before unmapped memory", END, -24 },
	{ "28 bytes before unmapped memory", END, -28 },
	{ "32 bytes before unmapped memory", END, -32 },
	{ "40 bytes before unmapped memory", END, -40 },
	{ "64 bytes before unmapped memory", END, -64 },
	{ "80 bytes before unmapped memory", END, -80 },
	{ "88 bytes before unmapped memory", END, -88 },
	{ "91 bytes before unmapped memory", END, -91 },
	{ "96 bytes before unmapped memory", END, -96 },
	{ "104 bytes before unmapped memory", END, -104 },
	/* The head faults, but the tail is looked at before it. */
	{ "its first byte unmapped", START, -1 },
	{ "its first 8 bytes unmapped", START, -8 },
	{ "its first 24 bytes unmapped", START, -24 },
	{ "its first 28 bytes unmapped", START, -28 },
	{ "its first 32 bytes unmapped", START, -32 },
	{ "its first 88 bytes unmapped", START, -88 },
	{ "its first 96 bytes unmapped", START, -96 },
	{ "its first 104 bytes unmapped", START, -104 },
	/* A range that leaves the user's addresses fails before it is looked at. */
	{ "8 bytes below the top", TOP, -8 },
	{ "32 bytes below the top", TOP, -32 },
	{ "40 bytes below the top", TOP, -40 },
	{ "96 bytes below the top", TOP, -96 },
	{ "104 bytes below the top", TOP, -104 },
	{ "NULL", ABSOLUTE, 0 },
	{ "near NULL", ABSOLUTE, 8 },
	{ "unmapped", END, 0 },
	{ "address -1", ABSOLUTE, -1 },
	{ "address -8", ABSOLUTE, -8 },
	{ "address -4096", ABSOLUTE, -4096 },
#ifdef __x86_64__
	{ "a kernel address", ABSOLUTE, 0xffff888000001000 },
	{ "the kernel's text", ABSOLUTE, 0xffffffff81000000 },
	{ "a non-canonical address", ABSOLUTE, 0x8000000000000000 },
	{ "the first non-canonical address", ABSOLUTE, 0x0000800000000000 },
#endif
};

/* What is in the struct past what this kernel knows. */
static const char *const tails[] = {
	"zeros",
	"a non-zero byte first",
	"a non-zero byte in the second word",
	"a non-zero byte last",
	"non-zero bytes",
};

/* A system call with a struct. */
struct call {
	/* As seccomp_data has it. */
	unsigned int nr;
	/* It takes the lower halves of its arguments only. */
	bool narrow;
	/* The size of the struct as this kernel knows it. */
	size_t known;
	/*
	 * Makes the call, with a fifth and a sixth argument for filters to look
	 * at. Must return the same result in the same situation: no numbers of
	 * new files or processes.
	 */
	long (*make)(void *ptr, size_t size, long fifth, long sixth);
	const size_t *sizes;
	unsigned int nr_sizes;
	/* What is in the struct up to @known, one after the other. */
	const void *heads;
	unsigned int nr_heads;
};

struct situation {
	const struct call *call;
	const struct place *place;
	size_t size;
	const char *head;
	unsigned int tail;
	/* The memory is not mapped until it is touched. */
	bool absent;
	char *ptr;
};

static inline size_t nr_situations(const struct call *call)
{
	return ARRAY_SIZE(places) * call->nr_sizes * call->nr_heads * ARRAY_SIZE(tails) * 2;
}

static inline struct situation situation(const struct call *call, size_t i)
{
	struct situation s = { .call = call };

	s.absent = i % 2;
	i /= 2;
	s.tail = i % ARRAY_SIZE(tails);
	i /= ARRAY_SIZE(tails);
	s.head = (const char *)call->heads + i % call->nr_heads * call->known;
	i /= call->nr_heads;
	s.size = call->sizes[i % call->nr_sizes];
	i /= call->nr_sizes;
	s.place = &places[i];

	switch (s.place->base) {
	case START:
		s.ptr = arena + s.place->delta;
		break;
	case END:
		s.ptr = arena + ARENA + s.place->delta;
		break;
	case TOP:
		s.ptr = top + PAGE + s.place->delta;
		break;
	case ABSOLUTE:
		s.ptr = (char *)s.place->delta;
		break;
	case FLUSH:
		s.ptr = arena + ARENA - s.size;
		break;
	}
	if (call->narrow) {
		s.ptr = (char *)((uintptr_t)s.ptr & 0xffffffff);
		s.size &= 0xffffffff;
	}
	return s;
}

static inline void situation_print(const struct situation *s)
{
	size_t head = (s->head - (const char *)s->call->heads) / s->call->known;

	printf("# in the situation: %s (%p), size %zu (%#zx), content %zu, past it %s, memory %s\n",
	       s->place->name, (void *)s->ptr, s->size, s->size, head, tails[s->tail],
	       s->absent ? "absent" : "present");
}

/* Whether it adds nothing to what the others test. */
static inline bool situation_is_void(const struct situation *s)
{
	if (s->place->base == TOP && !top)
		return true;
	if (s->place->base == FLUSH && s->size > ARENA)
		return true;
	/* What is behind the head concerns all heads alike. */
	if ((s->tail || s->absent) && s->head != s->call->heads)
		return true;
	return s->tail && (s->size <= s->call->known || s->size > PAGE);
}

/* The byte at @offset of the struct. */
static inline unsigned char situation_byte(const struct situation *s, size_t offset)
{
	size_t known = s->call->known;

	if (offset < known)
		return s->head[offset];
	switch (s->tail) {
	case 1:
		return offset == known ? 0x80 : 0;
	case 2:
		return offset == known + 9 ? 1 : 0;
	case 3:
		return offset == s->size - 1 ? 1 : 0;
	case 4:
		return 0xff;
	default:
		return 0;
	}
}

/* Where @address, as a part of the struct, can be written; NULL if it cannot. */
static inline char *in_arena(const struct situation *s, char *address)
{
	char *start = s->place->base == TOP ? top : arena;
	size_t offset = address - start;

	return offset < (s->place->base == TOP ? PAGE : ARENA) ? arena + offset : NULL;
}

static inline void situation_enter(const struct situation *s)
{
	size_t offset;

	memset(arena, GARBAGE, ARENA);
	/* What is larger than a page is not looked at. */
	for (offset = 0; offset < s->size && s->size <= PAGE; offset++) {
		char *byte = in_arena(s, s->ptr + offset);

		if (byte)
			*byte = situation_byte(s, offset);
	}
	if (s->absent) {
		/* What was written stays in the file. */
		madvise(arena, ARENA, MADV_DONTNEED);
		if (top)
			madvise(top, PAGE, MADV_DONTNEED);
	}
}

/* ---- What the call returns. ---- */

#define VOID_RESULT	4096

static inline void run_all(const struct call *call, long *results)
{
	size_t i;

	for (i = 0; i < nr_situations(call); i++) {
		struct situation s = situation(call, i);

		results[i] = VOID_RESULT;
		if (situation_is_void(&s))
			continue;
		situation_enter(&s);
		results[i] = call->make(s.ptr, s.size, 0, 0);
	}
}

/* ---- What a filter sees. ---- */

struct seen {
	__u32 size, tail, error, digest;
};

static inline struct seen situation_expected(const struct situation *s)
{
	struct seen seen = { .size = s->size > 0xffffffff ? 0xffffffff : s->size };
	size_t offset, end;
	__u32 word;

	if (s->size > SECCOMP_EA_MAX)
		seen.error = E2BIG;
	for (offset = 0; !seen.error && offset < s->size; offset++) {
		if (!in_arena(s, s->ptr + offset))
			seen.error = EFAULT;
		else if (situation_byte(s, offset))
			seen.tail = offset + 1;
	}
	if (seen.error)
		seen.tail = 0;

	end = seen.tail;
	for (offset = 0; offset < SECCOMP_EA_MAX; offset += 4) {
		if (!in_digest(SECCOMP_EA_BASE + offset))
			continue;
		word = offset + 0 < end ? situation_byte(s, offset + 0) : 0;
		word |= offset + 1 < end ? situation_byte(s, offset + 1) << 8 : 0;
		word |= offset + 2 < end ? situation_byte(s, offset + 2) << 16 : 0;
		word |= offset + 3 < end ? (__u32)situation_byte(s, offset + 3) << 24 : 0;
		seen.digest = digest(seen.digest, word);
	}
	return seen;
}

static inline long situation_call(void *situation, long fifth, long sixth)
{
	struct situation *s = situation;

	return s->call->make(s->ptr, s->size, fifth, sixth);
}

static inline struct seen situation_seen(struct situation *s)
{
	struct seen seen;

	seen.size = read_word(situation_call, s, SECCOMP_EA_SIZE);
	seen.tail = read_word(situation_call, s, SECCOMP_EA_TAIL);
	seen.error = read_word(situation_call, s, SECCOMP_EA_ERROR);
	seen.digest = read_word(situation_call, s, READ_DIGEST);
	return seen;
}

static inline void seen_print(const char *what, const struct seen *seen)
{
	printf("# %s size %u, tail %u, error %u, digest %#x\n", what,
	       seen->size, seen->tail, seen->error, seen->digest);
}

/* ---- The arena. ---- */

#ifdef __x86_64__
/* Maps @file right below the top, wherever that is; NULL if it cannot be. */
static inline char *map_top(int file)
{
	static const int bits[] = { 56, 47 };	/* five levels of page tables, or four */
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		char *address = (char *)(1UL << bits[i]) - 2 * PAGE;
		char *page = mmap(address, PAGE, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0);

		if (page == address)
			return page;
		if (page != MAP_FAILED)
			munmap(page, PAGE);
	}
	return NULL;
}
#endif

/* Makes an arena at @address, or anywhere and one at the top if that is NULL. */
static inline bool make_arena(char *address)
{
	int file = memfd_create("arena", MFD_CLOEXEC);
	char *guards;

	if (file < 0 || ftruncate(file, ARENA))
		return false;
	/* Nobody else must be given the memory around it. */
	guards = mmap(address ? address - PAGE : NULL, ARENA + 2 * PAGE, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | (address ? MAP_FIXED_NOREPLACE : 0), -1, 0);
	if (guards == MAP_FAILED)
		return false;
	arena = mmap(guards + PAGE, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
#ifdef __x86_64__
	if (!address) {
		top = map_top(file);
		if (!top)
			return false;
	}
#endif
	close(file);
	return arena != MAP_FAILED;
}

/* ---- The tests. ---- */

/* Environments in which every result is that of a kernel that knows no module. */
static const struct environment {
	const char *name;
	bool module;
	struct sock_fprog filters[2];
} environments[] = {
	{ "without the module", false, { } },
	{ "without the module, ordinary filter", false, { PROG(LD_NR, JEQ(435, 0, 0), ALLOW) } },
	{ "with the module, no filter", true, { } },
	{ "ordinary filter", true, { PROG(LD_NR, JEQ(435, 0, 0), ALLOW) } },
	{ "extended filter", true, {
		PROG(LD_NR, JEQ(435, 1, 0), JEQ(437, 0, 1), LD(SECCOMP_EA_BASE), ALLOW) } },
	{ "two extended filters", true, {
		PROG(LD_NR, JEQ(435, 1, 0), JEQ(437, 0, 1), LD(SECCOMP_EA_TAIL), ALLOW),
		PROG(LD_NR, JEQ(435, 1, 0), JEQ(437, 0, 1), LD(SECCOMP_EA_ERROR), ALLOW) } },
	{ "extended filter of clone3", true, {
		PROG(LD_NR, JEQ(435, 0, 1), LD(SECCOMP_EA_BASE), ALLOW) } },
	{ "extended filter of openat2", true, {
		PROG(LD_NR, JEQ(437, 0, 1), LD(SECCOMP_EA_BASE), ALLOW) } },
};

/* Puts this process into an environment. */
static inline long environment_enter(const struct environment *environment)
{
	size_t i;
	long ret;

	ret = environment->module ? ea_load() : ea_unload();
	for (i = 0; !ret && i < ARRAY_SIZE(environment->filters); i++) {
		if (environment->filters[i].len)
			ret = install_seccomp(0, &environment->filters[i]);
	}
	return ret;
}

/*
 * Runs @run in every environment, each time in a child. Its results, in the
 * shared @results, are those of the first environment or reported by @print.
 * Returns the number of differences; -1 if the tests did not run.
 */
static inline long compare_environments(void (*run)(void *arg, long *results),
					void (*print)(void *arg, size_t i), void *arg,
					size_t nr_results)
{
	size_t bytes = nr_results * sizeof(long), i, e;
	long differences = 0, *first, *results;

	results = mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED)
		return -1;
	first = results + nr_results;

	for (e = 0; e < ARRAY_SIZE(environments); e++) {
		int status;
		pid_t pid;

		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			long ret = environment_enter(&environments[e]);

			if (ret) {
				printf("# %s: error %ld\n", environments[e].name, -ret);
				fflush(NULL);
				_exit(1);
			}
			run(arg, results);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, __WALL) != pid || status) {
			printf("# %s: did not run\n", environments[e].name);
			differences = -1;
			break;
		}
		if (e == 0)
			memcpy(first, results, bytes);
		for (i = 0; i < nr_results; i++) {
			if (results[i] == first[i])
				continue;
			/* The first ones tell enough. */
			if (++differences > 20)
				continue;
			printf("# %s: %ld, not %ld\n", environments[e].name, results[i], first[i]);
			print(arg, i);
		}
	}
	if (ea_load())
		differences = -1;
	munmap(results, 2 * bytes);
	return differences;
}

static inline void situations_run(void *call, long *results)
{
	run_all(call, results);
}

static inline void situations_print(void *call, size_t i)
{
	struct situation s = situation(call, i);

	situation_print(&s);
}

/* The number of situations in which not every environment has the same result. */
static inline long compare_results(const struct call *call)
{
	return compare_environments(situations_run, situations_print, (void *)call,
				    nr_situations(call));
}

/*
 * The number of situations in which a filter sees something else than what the
 * contract says; -1 if the tests did not run. Leaves a filter behind.
 */
static inline long compare_seen(const struct call *call)
{
	long differences = 0;
	size_t i;

	if (ea_load() || install_reader(call->nr))
		return -1;
	for (i = 0; i < nr_situations(call); i++) {
		struct situation s = situation(call, i);
		struct seen expected, seen;

		if (situation_is_void(&s))
			continue;
		situation_enter(&s);
		expected = situation_expected(&s);
		seen = situation_seen(&s);
		if (!memcmp(&seen, &expected, sizeof(seen)))
			continue;
		if (++differences > 20)
			continue;
		seen_print("seen:    ", &seen);
		seen_print("expected:", &expected);
		situation_print(&s);
	}
	return differences;
}

/* ---- What a filter decides. ---- */

#define WORD_DENIED	3000
#define WORD_VALUE	0xc0ffee42
#define MAX_WORDS	32

/* The decision on @word is asked for by the fifth argument. */
#define DECISION(word, deny_equal)	(2 * (word) + 1 + (deny_equal))

/* One filter for all decisions, each of which compares one word of the struct. */
static inline long install_decisions(const struct call *call, const unsigned int *offsets)
{
	struct sock_filter insns[3 + 12 * MAX_WORDS + 1], *insn = insns;
	struct sock_fprog prog = { .filter = insns };
	size_t word, words = call->known / sizeof(__u32);
	int deny_equal;

	*insn++ = (struct sock_filter)LD_NR;
	*insn++ = (struct sock_filter)JEQ(call->nr, 1, 0);
	*insn++ = (struct sock_filter)ALLOW;
	for (word = 0; word < words; word++) {
		for (deny_equal = 0; deny_equal < 2; deny_equal++) {
			const struct sock_filter decision[] = {
				LD_ARG(4),
				JEQ(DECISION(word, deny_equal), 0, 4),
				LD(offsets[word]),
				JEQ(WORD_VALUE, deny_equal, !deny_equal),
				ALLOW,
				DENY(WORD_DENIED),
			};

			memcpy(insn, decision, sizeof(decision));
			insn += ARRAY_SIZE(decision);
		}
	}
	*insn++ = (struct sock_filter)ALLOW;
	prog.len = insn - insns;
	return install_seccomp(0, &prog);
}

/*
 * Sets every word of the struct, one after the other, and has a filter compare
 * each word: only the one that was set may decide, for and against. @offsets are
 * the words' offsets as the filter spells them. Returns the number of wrong
 * decisions; -1 if the filter was refused. Leaves a filter behind.
 */
static inline long compare_decisions(const struct call *call, const void *contents,
				     const unsigned int *offsets)
{
	size_t words = call->known / sizeof(__u32), set, tested;
	long allowed[MAX_WORDS], wrong = 0;
	int pass, deny_equal;

	for (pass = 0; pass < 2; pass++) {
		for (set = 0; set < words; set++) {
			memcpy(arena, contents, call->known);
			((__u32 *)arena)[set] = WORD_VALUE;
			if (pass == 0) {
				allowed[set] = call->make(arena, call->known, 0, 0);
				continue;
			}
			for (tested = 0; tested < words; tested++) {
				for (deny_equal = 0; deny_equal < 2; deny_equal++) {
					long ret = call->make(arena, call->known,
							      DECISION(tested, deny_equal), 0);
					long expected = allowed[set];

					if ((set == tested) == deny_equal)
						expected = -WORD_DENIED;
					if (ret == expected)
						continue;
					printf("# %ld, not %ld: word %zu set, %s word %zu denied\n",
					       ret, expected, set,
					       deny_equal ? "equal" : "other", tested);
					wrong++;
				}
			}
		}
		if (pass == 0 && install_decisions(call, offsets))
			return -1;
	}
	return wrong;
}

#endif /* SELFTESTS_SITUATIONS_H */
