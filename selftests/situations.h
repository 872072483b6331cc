/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The situations that a struct can be passed in: where it lies, how large it is
 * said to be, what is in it, whether its memory is there or has to be brought in,
 * and what else may be wrong with the call. Every call of calls.h is made in them
 *
 * - to compare what it does (compare_results()): without the module, with it, and
 *   under filters that allow everything, each and every result and byte written must
 *   be the same;
 * - to compare what a filter sees with the contract (contract.h);
 * - to see that the call does what it does with what the filter saw (swap.c).
 *
 * Includers have included kselftest_harness.h.
 */
#ifndef SELFTESTS_SITUATIONS_H
#define SELFTESTS_SITUATIONS_H

#include <limits.h>
#include <sys/mman.h>

#include "calls.h"

/* The memory that structs lie in: so many pages, and nothing before and after. */
#define ARENA	(2 * PAGE)

/* What the arena is filled with before a struct is put there. */
#define GARBAGE	0xa5

/*
 * The arena, and a second mapping of its first page right below the top of the
 * user's addresses, if the program has such.
 */
static char *arena, *top;

/*
 * Fewer situations, for ABIs under which the same code of the kernel runs again, and
 * for slow kernels.
 */
static bool brief = sizeof(long) < 8;

/* An address is base + delta + first * call::first, and so on. */
static const struct place {
	const char *name;
	enum {
		START,		/* of the arena */
		END,		/* of the arena */
		TOP,		/* of the user's addresses */
		ABSOLUTE,	/* 0 */
		FLUSH,		/* the struct ends where the arena does */
	} base;
	long delta;
	int first, known, field;
	/* Among the few for what matters less. */
	bool key;
} places[] = {
	{ "at a page's start", START, .key = true },
	{ "misaligned by 1", START, .delta = 1 },
	{ "misaligned by 4", START, .delta = 4 },
	{ "across two pages, 4 in the first", START, .delta = PAGE - 4 },
	{ "across two pages, 12 in the first", START, .delta = PAGE - 12, .key = true },
	{ "across two pages, 91 in the first", START, .delta = PAGE - 91 },
	{ "across two pages, the tail in the second", START, .delta = PAGE, .known = -1 },
	{ "across two pages in its size", START, .delta = PAGE - 2, .field = -1 },
	/* The tail is checked from the end of what the kernel knows. */
	{ "ends where memory ends", FLUSH, .key = true },
	{ "1 byte before unmapped memory", END, .delta = -1 },
	{ "4 bytes before unmapped memory", END, .delta = -4 },
	{ "8 bytes before unmapped memory", END, .delta = -8 },
	{ "23 bytes before unmapped memory", END, .delta = -23 },
	{ "91 bytes before unmapped memory", END, .delta = -91 },
	{ "its first version before unmapped memory", END, .first = -1 },
	{ "what is known before unmapped memory", END, .known = -1 },
	{ "that and 4 before unmapped memory", END, .delta = -4, .known = -1 },
	{ "that and 8 before unmapped memory", END, .delta = -8, .known = -1 },
	{ "that and 16 before unmapped memory", END, .delta = -16, .known = -1, .key = true },
	{ "half of its size before unmapped memory", END, .delta = -2, .field = -1 },
	{ "its size the last word before unmapped memory", END, .delta = -4, .field = -1, .key = true },
	/* The head faults, but the tail is looked at before it. */
	{ "its first byte unmapped", START, .delta = -1 },
	{ "its first 8 bytes unmapped", START, .delta = -8, .key = true },
	{ "its first 24 bytes unmapped", START, .delta = -24 },
	{ "its size the first word of memory", START, .field = -1 },
	{ "half of its size unmapped", START, .delta = -2, .field = -1 },
	{ "unmapped up to its size", START, .delta = -4, .field = -1 },
	{ "its first version unmapped", START, .first = -1 },
	{ "what is known unmapped", START, .known = -1, .key = true },
	{ "that and 4 bytes unmapped", START, .delta = -4, .known = -1 },
	{ "that and 8 bytes unmapped", START, .delta = -8, .known = -1 },
	{ "that and 16 bytes unmapped", START, .delta = -16, .known = -1 },
	/* A range that leaves the user's addresses fails before it is looked at. */
	{ "8 bytes below the top", TOP, .delta = -8 },
	{ "what is known below the top", TOP, .known = -1 },
	{ "that and 8 bytes below the top", TOP, .delta = -8, .known = -1 },
	{ "NULL", ABSOLUTE, .delta = 0, .key = true },
	{ "near NULL", ABSOLUTE, .delta = 8 },
	{ "unmapped", END, .delta = 0, .key = true },
	{ "address -1", ABSOLUTE, .delta = -1 },
	{ "address -8", ABSOLUTE, .delta = -8 },
	{ "address -4096", ABSOLUTE, .delta = -4096 },
#ifdef __x86_64__
	{ "a kernel address", ABSOLUTE, .delta = 0xffff888000001000, .key = true },
	{ "the kernel's text", ABSOLUTE, .delta = 0xffffffff81000000 },
	/* The interrupt table is always here, and readable (CPU_ENTRY_AREA_RO_IDT). */
	{ "the kernel's interrupt table", ABSOLUTE, .delta = 0xfffffe0000000000 },
	{ "a non-canonical address", ABSOLUTE, .delta = 0x8000000000000000 },
	{ "the first non-canonical address", ABSOLUTE, .delta = 0x0000800000000000 },
#endif
};

/* A size is delta + first * call::first, and so on. */
static const struct extent {
	long delta;
	int first, known;
	bool key;
} extents[] = {
	{ .delta = 0, .key = true },
	{ .delta = 1 },
	{ .delta = 3 },
	{ .delta = 4 },
	{ .delta = 7 },
	{ .delta = 8 },
	{ .first = 1, .delta = -8, .key = true },
	{ .first = 1, .delta = -4 },
	{ .first = 1, .delta = -1 },
	{ .first = 1, .key = true },
	{ .first = 1, .delta = 1 },
	{ .first = 1, .delta = 4 },
	{ .first = 1, .delta = 8 },
	{ .first = 1, .delta = 16 },
	{ .known = 1, .delta = -8 },
	{ .known = 1, .delta = -1 },
	{ .known = 1, .key = true },
	{ .known = 1, .delta = 1 },
	{ .known = 1, .delta = 3 },
	{ .known = 1, .delta = 4 },
	{ .known = 1, .delta = 7 },
	{ .known = 1, .delta = 8, .key = true },
	{ .known = 1, .delta = 9 },
	{ .known = 1, .delta = 16 },
	{ .known = 1, .delta = 40 },
	{ .delta = PAGE / 2 },
	{ .delta = PAGE - 8 },
	{ .delta = PAGE - 1 },
	{ .delta = PAGE, .key = true },
	{ .delta = PAGE + 1 },
	{ .delta = PAGE + 8, .key = true },
	{ .delta = 2 * PAGE },
	{ .delta = INT_MAX },
	{ .delta = INT_MIN },
	{ .delta = UINT_MAX, .key = true },
#ifdef __x86_64__
	{ .delta = HIGH },
	{ .delta = HIGH, .first = 1, .key = true },
	{ .delta = -PAGE },
	{ .delta = -8 },
	{ .delta = -1 },
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

struct situation {
	const struct call *call;
	const struct context *context;
	const struct place *place;
	/* As the caller says. */
	size_t size;
	/* The index of one of the heads of the call, or their number: no byte is like another. */
	size_t head;
	size_t tail;
	/* The memory is not mapped until it is touched. */
	bool absent;
	/* The bytes that the caller means; 0 if that is more than there can be. */
	size_t length;
	char *ptr;
	long args[NR_ARGS];
};

static inline void situation_print(const struct situation *s)
{
	printf("# %s, context %zu, %s (%p), size %zu (%#zx), content %zu, past it %s%s\n",
	       s->call->name, (size_t)(s->context - s->call->contexts), s->place->name,
	       (void *)s->ptr, s->size, s->size, s->head, tails[s->tail],
	       s->absent ? ", memory absent" : "");
}

/* Fills in what follows from the rest. */
static inline void situation_complete(struct situation *s)
{
	const struct call *call = s->call;
	const struct place *place = s->place;
	long address = place->delta;
	size_t claimed = s->size;

	if (call->size == INSIDE && !claimed)
		claimed = call->zero;
	s->length = claimed <= PAGE ? claimed : 0;

	address += place->first * (long)call->first + place->known * (long)call->known +
		   place->field * (long)call->field;
	switch (place->base) {
	case START:
		s->ptr = arena + address;
		break;
	case END:
		s->ptr = arena + ARENA + address;
		break;
	case TOP:
		s->ptr = top + PAGE + address;
		break;
	case ABSOLUTE:
		s->ptr = (char *)address;
		break;
	case FLUSH:
		s->ptr = arena + ARENA - claimed;
		break;
	}
	if (abi == I386)
		s->ptr = (char *)((uintptr_t)s->ptr & 0xffffffff);

	memcpy(s->args, s->context->args, sizeof(s->args));
	s->args[call->pointer] = (long)s->ptr;
	if (call->size != INSIDE)
		s->args[call->size] = s->size;
}

/* The sizes for @call, each of them once. */
static inline size_t make_sizes(const struct call *call, size_t *sizes, bool *key)
{
	size_t i, j, nr = 0;

	for (i = 0; i < ARRAY_SIZE(extents); i++) {
		const struct extent *extent = &extents[i];

		sizes[nr] = extent->delta + extent->first * call->first +
			    extent->known * call->known;
		if (call->size == INSIDE || abi == I386)
			sizes[nr] &= 0xffffffff;
		for (j = 0; sizes[j] != sizes[nr]; j++)
			;
		key[j] = extent->key || (j < nr && key[j]);
		nr += j == nr;
	}
	return nr;
}

/*
 * Calls @fn for every situation of @call, with consecutive numbers.
 *
 * Not everything is combined with everything: places, sizes, tails and absent
 * memory are, in the first context and with one of the heads. Other contexts and
 * heads are to show which check comes first, and which bytes the call had: for that
 * some places and sizes do, and no more than one tail that is not zero.
 */
static inline size_t visit_situations(const struct call *call, bool seen,
				      void (*fn)(struct situation *s, size_t i, void *arg),
				      void *arg)
{
	/* A filter sees the same in every context. */
	size_t nr_contexts = seen ? 1 : call->nr_contexts, nr_heads = call->nr_heads + 1;
	size_t main_head = seen ? call->nr_heads : 0;
	size_t sizes[ARRAY_SIZE(extents)], nr_sizes, n, i = 0;
	bool key[ARRAY_SIZE(extents)];

	nr_sizes = make_sizes(call, sizes, key);
	for (n = 0; n < nr_contexts * nr_heads * ARRAY_SIZE(places) * nr_sizes; n++) {
		size_t size = n % nr_sizes;
		size_t place = n / nr_sizes % ARRAY_SIZE(places);
		size_t head = n / nr_sizes / ARRAY_SIZE(places) % nr_heads;
		size_t context = n / nr_sizes / ARRAY_SIZE(places) / nr_heads;
		struct situation s = {
			.call = call,
			.context = &call->contexts[context],
			.place = &places[place],
			.size = sizes[size],
			.head = head,
		};
		bool is_main = head == main_head && !s.context->slow;
		bool has_tail = s.size > call->known && s.size <= PAGE;

		if (s.place->base == TOP && !top)
			continue;
		if (s.place->base == FLUSH && s.size > ARENA)
			continue;
		if (!s.place->key && (!is_main || (brief && context)))
			continue;
		if (!key[size] && (context || !is_main || brief))
			continue;
		if (brief && !is_main && place)
			continue;
		for (s.tail = 0; s.tail < ARRAY_SIZE(tails); s.tail++) {
			if (s.tail > 1 && (context || brief))
				continue;
			if (s.tail && (!has_tail || !is_main))
				continue;
			for (s.absent = false; ; s.absent = true) {
				situation_complete(&s);
				fn(&s, i++, arg);
				if (s.absent || context || !is_main)
					break;
			}
		}
	}
	return i;
}

static inline void situation_skip(struct situation *s, size_t i, void *arg)
{
	(void)s;
	(void)i;
	(void)arg;
}

/* The bytes that the caller means, and zeros. */
static char image[PAGE];

static inline void situation_image(const struct situation *s)
{
	size_t known = s->call->known, length = s->length, i;
	__u32 word = s->size;

	memset(image, 0, sizeof(image));
	for (i = 0; s->head == s->call->nr_heads && i < known; i++)
		image[i] = 1 + i % 251;
	if (s->head < s->call->nr_heads)
		memcpy(image, (const char *)s->call->heads + s->head * known, known);
	if (length > known) {
		switch (s->tail) {
		case 1:
			image[known] = 0x80;
			break;
		case 2:
			if (length > known + 9)
				image[known + 9] = 1;
			break;
		case 3:
			image[length - 1] = 1;
			break;
		case 4:
			memset(image + known, 0xff, length - known);
			break;
		}
	}
	if (s->call->size == INSIDE)
		memcpy(image + s->call->field, &word, sizeof(word));
	memset(image + length, 0, sizeof(image) - length);
}

/* Whether memory is at all of the bytes of the struct from @offset. */
static inline bool is_mapped(const struct situation *s, size_t offset, size_t length)
{
	bool at_top = s->place->base == TOP;
	size_t start = s->ptr + offset - (at_top ? top : arena);
	size_t limit = at_top ? PAGE : ARENA;

	return !length || (start < limit && length <= limit - start);
}

/* Writes what there is memory for. */
static inline void write_mapped(const struct situation *s, size_t offset, const void *bytes,
				size_t length)
{
	size_t i;

	if (is_mapped(s, offset, length)) {
		char *start = s->place->base == TOP ? top : arena;

		memcpy(arena + (s->ptr + offset - start), bytes, length);
		return;
	}
	for (i = 0; i < length; i++) {
		if (is_mapped(s, offset + i, 1))
			write_mapped(s, offset + i, (const char *)bytes + i, 1);
	}
}

static inline void situation_enter(const struct situation *s)
{
	__u32 word = s->size;

	situation_image(s);
	memset(arena, GARBAGE, ARENA);
	write_mapped(s, 0, image, s->length);
	if (s->call->size == INSIDE)
		write_mapped(s, s->call->field, &word, sizeof(word));
	if (s->absent) {
		/* What was written stays in the file. */
		madvise(arena, ARENA, MADV_DONTNEED);
		if (top)
			madvise(top, PAGE, MADV_DONTNEED);
	}
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

/* ---- Filters of calls. ---- */

/*
 * Writes instructions that allow all calls but @call, after which A is loaded from
 * @offset. All but those of the table if @call is NULL; with @others, all but those
 * of the table and @call. Returns their number.
 *
 * Numbers are compared with those of their ABI only. Some of i386 are other calls of
 * x86-64, at which no filter may load from a struct.
 */
static inline size_t select_calls(struct sock_filter *insns, const struct call *call, bool others,
				  unsigned int offset)
{
	static const unsigned int archs[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386 };
	size_t i, j, end, nr = 0;

	for (i = 0; i < ARRAY_SIZE(archs); i++) {
		size_t arch = nr + 1, first = nr + 3;

		insns[nr++] = (struct sock_filter)LD_ARCH;
		insns[nr++] = (struct sock_filter)JEQ(archs[i], 0, 0);
		insns[nr++] = (struct sock_filter)LD_NR;
		for (j = 0; j < NR_CALLS; j++) {
			if ((!call || (call == &calls[j]) != others) && call_exists(&calls[j]))
				insns[nr++] = (struct sock_filter)JEQ(calls[j].nr[i], 0, 0);
		}
		end = nr;
		insns[nr++] = (struct sock_filter)ALLOW;
		for (j = first; j < end; j++)
			insns[j].jt = end - j;
		insns[nr++] = (struct sock_filter)LD(offset);
		if (i == 0) {
			/* Over the same for the other ABI. */
			insns[nr] = (struct sock_filter)JA(nr - arch + 1);
			nr++;
			end = nr;
		}
		insns[arch].jf = end - arch - 1;
	}
	return nr;
}

/* ---- What calls do. ---- */

struct result {
	long ret;
	/* A digest of all that was written. */
	__u64 written;
};

/* What is to be the same everywhere. */
struct task {
	const char *name;
	void (*run)(const struct task *task, struct result *results);
	void (*print)(const struct task *task, size_t i);
	const struct call *call;
	size_t nr_results;
	/* The outcome; -1 if it did not run. */
	long differences;
};

/* Environments in which every result is that of a kernel that knows no module. */
static const struct environment {
	const char *name;
	bool module;
	/* An offset that filters load from, of the calls that are selected so. */
	struct selection {
		enum { NONE, ALL, THIS, OTHERS } calls;
		unsigned int offset;
	} filters[2];
} environments[] = {
	{ "without the module", false, { } },
	{ "without the module, ordinary filter", false, { { ALL, 0 } } },
	{ "with the module, no filter", true, { } },
	{ "ordinary filter", true, { { ALL, 0 } } },
	{ "filter that sees structs", true, { { ALL, SECCOMP_EA_BASE } } },
	{ "two of them", true, { { ALL, SECCOMP_EA_TAIL }, { ALL, SECCOMP_EA_ERROR } } },
	{ "filter of this call", true, { { THIS, SECCOMP_EA_SIZE } } },
	{ "filter of the other calls", true, { { OTHERS, SECCOMP_EA_SIZE } } },
};

/* Installs the filters of an environment. */
static inline long environment_enter(const struct environment *environment, const struct call *call)
{
	struct sock_filter insns[2 * (NR_CALLS + 6) + 1];
	struct sock_fprog prog = { .filter = insns };
	long ret = 0;
	size_t i;

	for (i = 0; !ret && i < ARRAY_SIZE(environment->filters); i++) {
		const struct selection *filter = &environment->filters[i];

		if (filter->calls == NONE)
			continue;
		prog.len = select_calls(insns, filter->calls == ALL ? NULL : call,
					filter->calls == OTHERS, filter->offset);
		insns[prog.len++] = (struct sock_filter)ALLOW;
		ret = install_seccomp(0, &prog);
	}
	return ret;
}

/* Runs @task in @environment, in a child, as filters stay. */
static inline bool task_run(const struct task *task, const struct environment *environment,
			    struct result *results)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		long ret = environment_enter(environment, task->call);

		if (ret) {
			printf("# no filter: error %ld\n", -ret);
			fflush(NULL);
			_exit(1);
		}
		task->run(task, results);
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, __WALL) == pid && !status;
}

static inline void task_compare(struct task *task, const struct environment *environment,
				const struct result *results, const struct result *first)
{
	size_t i;

	for (i = 0; i < task->nr_results; i++) {
		if (results[i].ret == first[i].ret && results[i].written == first[i].written)
			continue;
		/* The first ones tell enough. */
		if (++task->differences > 10)
			continue;
		printf("# %s: %ld, not %ld%s\n", environment->name, results[i].ret, first[i].ret,
		       results[i].written != first[i].written ? ", written differs" : "");
		task->print(task, i);
	}
}

/* Compares the results of all @tasks in all environments with those in the first. */
static inline void compare_environments(struct task *tasks, size_t nr_tasks)
{
	const struct environment *environment;
	struct result *results, *first, *result;
	size_t nr_results = 0, i, e;

	for (i = 0; i < nr_tasks; i++)
		nr_results += tasks[i].nr_results;
	results = mmap(NULL, 2 * nr_results * sizeof(*results), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	first = results + nr_results;
	for (i = 0; i < nr_tasks; i++)
		tasks[i].differences = results == MAP_FAILED ? -1 : 0;

	for (e = 0; results != MAP_FAILED && e < ARRAY_SIZE(environments); e++) {
		size_t offset = 0;

		environment = &environments[e];
		if (environment->module ? ea_load() : ea_unload_unused()) {
			printf("# %s: there is none\n", environment->name);
			tasks[0].differences = -1;
			break;
		}
		for (i = 0; i < nr_tasks; offset += tasks[i++].nr_results) {
			result = (e ? results : first) + offset;
			if (tasks[i].differences < 0)
				continue;
			if (!task_run(&tasks[i], environment, result)) {
				printf("# %s: %s did not run\n", environment->name, tasks[i].name);
				tasks[i].differences = -1;
			} else if (e) {
				task_compare(&tasks[i], environment, result, first + offset);
			}
		}
	}
	ea_load();
	if (results != MAP_FAILED)
		munmap(results, 2 * nr_results * sizeof(*results));
}

static inline void digest_bytes(__u64 *digest, const void *bytes, size_t length)
{
	const __u64 *words = bytes;
	size_t i;

	for (i = 0; i < length / sizeof(*words); i++)
		*digest = *digest * 31 + words[i];
}

/* Becomes a user without privileges, and root again. */
static inline void become(bool nobody)
{
	if ((geteuid() != 0) != nobody && seteuid(nobody ? 65534 : 0))
		abort();
}

static inline void situation_run(struct situation *s, size_t i, void *arg)
{
	struct result *result = (struct result *)arg + i;

	become(s->context->nobody);
	situation_enter(s);
	memset(out, GARBAGE, sizeof(out));
	result->ret = make_call(s->call, s->args);
	result->written = result->ret >= 0 && s->call->effect ? s->call->effect() : 0;
	digest_bytes(&result->written, arena, ARENA);
	digest_bytes(&result->written, out, sizeof(out));
}

static inline void situations_run(const struct task *task, struct result *results)
{
	if (task->call->reset)
		task->call->reset();
	visit_situations(task->call, false, situation_run, results);
}

static inline void situation_print_one(struct situation *s, size_t i, void *arg)
{
	if (i == *(size_t *)arg)
		situation_print(s);
}

static inline void situations_print(const struct task *task, size_t i)
{
	visit_situations(task->call, false, situation_print_one, &i);
}

/*
 * Compares what every call does in every situation. Returns the number of calls
 * for which not every environment is the same.
 */
static inline int compare_results(void)
{
	struct task tasks[NR_CALLS];
	size_t nr_tasks = 0, i;
	int wrong = 0;

	for (i = 0; i < NR_CALLS; i++) {
		if (!call_exists(&calls[i])) {
			printf("# %s: this kernel has none\n", calls[i].name);
			continue;
		}
		tasks[nr_tasks++] = (struct task) {
			.name = calls[i].name,
			.run = situations_run,
			.print = situations_print,
			.call = &calls[i],
			.nr_results = visit_situations(&calls[i], false, situation_skip, NULL),
		};
	}
	compare_environments(tasks, nr_tasks);
	for (i = 0; i < nr_tasks; i++) {
		printf("# %s: %zu situations in %zu environments, %ld differences\n", tasks[i].name,
		       tasks[i].nr_results, ARRAY_SIZE(environments), tasks[i].differences);
		wrong += tasks[i].differences != 0;
	}
	return wrong;
}

/* ---- The tests of one call. ---- */

/*
 * Runs @test with every call of this kernel, each in a child, as filters stay.
 * Returns the number of those for which it does not return 0.
 */
static inline int test_each_call(int (*test)(const struct call *call))
{
	int wrong = 0, status;
	pid_t pid;
	size_t i;

	for (i = 0; i < NR_CALLS; i++) {
		if (!call_exists(&calls[i]))
			continue;
		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			status = test(&calls[i]);
			fflush(NULL);
			_exit(status != 0);
		}
		if (pid < 0 || waitpid(pid, &status, __WALL) != pid || status) {
			printf("# %s: failed, status %#x\n", calls[i].name, status);
			wrong++;
		}
	}
	return wrong;
}

#endif /* SELFTESTS_SITUATIONS_H */
