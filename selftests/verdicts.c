// SPDX-License-Identifier: GPL-2.0
/*
 * Random filters judge random structs: what becomes of the real system call is compared
 * with what a small interpreter, written after Documentation/filters.rst and nothing
 * else, says. It is done with the JIT compiler of the kernel, without it, and with
 * its constants blinded.
 *
 * SEED=number in the environment repeats a run, and CHAIN=number with it only the filters
 * that are named in a report.
 */
#include <sys/random.h>
#include <sys/resource.h>

#include "kselftest_harness.h"
#include "situations.h"

/* Each of the tests makes hundreds of thousands of calls. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	900

/* In each of the three modes, together more than 10^6. */
#define CALLS		335000
/* That many with each chain of filters. */
#define CALLS_PER_CHAIN	700
/* A call that kills needs a process of its own. */
#define KILLS_PER_CHAIN	2

#define MAX_FILTERS	3
#define MAX_INSNS	4096
#define MAX_UNITS	320
#define MAX_ROWS	3
#define NR_VALUES	24

/* Errors from here on are a filter's: no call has such. */
#define FIRST_DENIED	200
#define LAST_DENIED	4095

/* Below 4 GB, for calls of i386. */
#define ARENA_ADDRESS	((char *)0x10000000)

/* The arguments of calls that do nothing, whatever is in the struct. */
static const struct harmless {
	unsigned int nr;
	long args[NR_ARGS];
} harmless[] = {
	{ 435, { } },	/* see write_struct() */
	{ 437, { AT_FDCWD, BAD_ADDRESS } },
	{ 442, { AT_FDCWD, BAD_ADDRESS } },
	{ 467, { AT_FDCWD, BAD_ADDRESS } },
	{ 444, { } },
	{ 463, { 0, BAD_ADDRESS, 0, BAD_ADDRESS } },
	{ 464, { 0, BAD_ADDRESS, 0, BAD_ADDRESS } },
	{ 469, { AT_FDCWD, BAD_ADDRESS } },
	{ 314, { NO_PID } },
	{ 298, { 0, NO_PID, -1, NO_FD } },
	{ 457, { 0, BAD_ADDRESS, sizeof(out) } },
	{ 458, { 0, BAD_ADDRESS, 16 } },
	{ 470, { 0, BAD_ADDRESS, 16 } },
};

struct filter {
	unsigned int len;
	struct sock_filter insns[MAX_INSNS];
};

/* What a filter sees of a call. */
struct view {
	struct seccomp_data data;
	__u32 words[SECCOMP_EA_MAX / sizeof(__u32)];
	__u32 size, tail, error;
};

/* All of a run, shared with the children that make the calls. */
static struct run {
	const char *mode;
	__u64 seed, state;
	unsigned long chain;
	/* The instruction pointer of a system call, by enum abi. */
	unsigned long ip[2];

	const struct call *rows[MAX_ROWS];
	unsigned int nr_rows;
	/* Words that are in structs, and in filters to compare them with. */
	__u32 values[NR_VALUES];
	/* In the order in which they are installed. */
	struct filter filters[MAX_FILTERS];
	unsigned int nr_filters;

	/* The call that is made. */
	const struct call *call;
	enum abi abi;
	long args[NR_ARGS];
	/* In the upper halves of registers of i386: filters see it, calls do not. */
	__u64 upper;
	struct view view;
	__u32 verdict;
	unsigned long index;

	unsigned long calls, denied, allowed, killed, failures;
} *run;

/* ---- Random numbers. ---- */

static __u64 scramble(__u64 z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static __u64 random64(void)
{
	run->state += 0x9e3779b97f4a7c15;
	return scramble(run->state);
}

static unsigned int below(unsigned int limit)
{
	return (random64() >> 32) % limit;
}

static bool one_in(unsigned int n)
{
	return below(n) == 0;
}

static __u32 random_value(void)
{
	switch (below(8)) {
	case 0:
		return random64();
	case 1:
		return below(256);
	case 2:
		return 1U << below(32);
	default:
		return run->values[below(NR_VALUES)];
	}
}

/* ---- The reference: what filters.rst says of a filter. ---- */

/* The word at the offset @k of what a filter sees. */
static __u32 load(const struct view *view, __u32 k)
{
	switch (k) {
	case SECCOMP_EA_SIZE:
		return view->size;
	case SECCOMP_EA_TAIL:
		return view->tail;
	case SECCOMP_EA_ERROR:
		return view->error;
	}
	if (k >= SECCOMP_EA_BASE)
		return view->words[(k - SECCOMP_EA_BASE) / sizeof(__u32)];
	return ((const __u32 *)&view->data)[k / sizeof(__u32)];
}

static bool compare(__u16 code, __u32 a, __u32 operand)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == operand;
	case BPF_JGT:
		return a > operand;
	case BPF_JGE:
		return a >= operand;
	case BPF_JSET:
		return a & operand;
	}
	abort();
}

/* A division by zero has been seen to. The processor takes a shift modulo 32. */
static __u32 compute(__u16 code, __u32 a, __u32 operand)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + operand;
	case BPF_SUB:
		return a - operand;
	case BPF_MUL:
		return a * operand;
	case BPF_DIV:
		return a / operand;
	case BPF_AND:
		return a & operand;
	case BPF_OR:
		return a | operand;
	case BPF_XOR:
		return a ^ operand;
	case BPF_LSH:
		return a << (operand & 31);
	case BPF_RSH:
		return a >> (operand & 31);
	case BPF_NEG:
		return -a;
	}
	abort();
}

static __u32 interpret(const struct filter *filter, const struct view *view)
{
	const struct sock_filter *insn = filter->insns;
	__u32 a = 0, x = 0, memory[BPF_MEMWORDS] = { };

	for (;; insn++) {
		__u32 operand = BPF_SRC(insn->code) == BPF_X ? x : insn->k;

		switch (BPF_CLASS(insn->code)) {
		case BPF_LD:
		case BPF_LDX: {
			bool to_a = BPF_CLASS(insn->code) == BPF_LD;
			__u32 *to = to_a ? &a : &x;

			switch (BPF_MODE(insn->code)) {
			case BPF_ABS:
				*to = load(view, insn->k);
				break;
			case BPF_IMM:
				*to = insn->k;
				break;
			case BPF_MEM:
				*to = memory[insn->k];
				break;
			case BPF_LEN:
				*to = sizeof(struct seccomp_data);
				break;
			}
			break;
		}
		case BPF_ST:
			memory[insn->k] = a;
			break;
		case BPF_STX:
			memory[insn->k] = x;
			break;
		case BPF_ALU:
			if (BPF_OP(insn->code) == BPF_DIV && !operand)
				return SECCOMP_RET_KILL_THREAD;
			a = compute(insn->code, a, operand);
			break;
		case BPF_JMP:
			if (BPF_OP(insn->code) == BPF_JA)
				insn += insn->k;
			else
				insn += compare(insn->code, a, operand) ? insn->jt : insn->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(insn->code) == BPF_A ? a : insn->k;
		case BPF_MISC:
			if (BPF_MISCOP(insn->code) == BPF_TAX)
				x = a;
			else
				a = x;
			break;
		}
	}
}

/* Of all filters, the newest first: the action that is lowest, and the first that has it. */
static __u32 judge(void)
{
	__u32 verdict = SECCOMP_RET_ALLOW, one;
	unsigned int i;

	for (i = run->nr_filters; i--; ) {
		one = interpret(&run->filters[i], &run->view);
		if ((__s32)(one & SECCOMP_RET_ACTION_FULL) <
		    (__s32)(verdict & SECCOMP_RET_ACTION_FULL))
			verdict = one;
	}
	return verdict;
}

/* Whether a call with that result was judged so. */
static bool is_judged(__u32 verdict, long ret)
{
	__u32 error = verdict & SECCOMP_RET_DATA;

	switch (verdict & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ERRNO:
		return ret == -(long)(error < LAST_DENIED ? error : LAST_DENIED);
	case SECCOMP_RET_TRACE:
		/* There is no tracer. */
		return ret == -ENOSYS;
	case SECCOMP_RET_ALLOW:
		return ret > -FIRST_DENIED && ret != -ENOSYS;
	}
	return false;
}

static bool readable(const char *start, size_t length)
{
	size_t offset = (uintptr_t)start - (uintptr_t)arena;

	return !length || (offset < ARENA && length <= ARENA - offset);
}

/* An argument as the call knows it. */
static __u64 argument(unsigned int index)
{
	return run->abi == I386 ? (__u32)run->args[index] : run->args[index];
}

/* What the contract says that filters see of the call with these arguments. */
static void see(const struct call *call)
{
	struct view *view = &run->view;
	const char *start;
	__u64 size = 0;
	size_t i;

	memset(view, 0, sizeof(*view));
	view->data.nr = call->nr[run->abi];
	view->data.arch = run->abi == I386 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
	view->data.instruction_pointer = run->ip[run->abi];
	for (i = 0; i < NR_ARGS; i++)
		view->data.args[i] = argument(i) | run->upper;

	start = (const char *)(uintptr_t)argument(call->pointer);
	if (call->size != INSIDE) {
		size = argument(call->size);
	} else if (readable(start + call->field, sizeof(__u32))) {
		size = *(const __u32 *)(start + call->field);
		size = size ?: call->zero;
	} else {
		view->error = EFAULT;
		return;
	}
	view->size = size > UINT_MAX ? UINT_MAX : size;
	if (size > SECCOMP_EA_MAX) {
		view->error = E2BIG;
		return;
	}
	if (!readable(start, size)) {
		view->error = EFAULT;
		return;
	}
	memcpy(view->words, start, size);
	while (size && !start[size - 1])
		size--;
	view->tail = size;
}

/* ---- Filters. ---- */

/*
 * The body of a filter is made of units, a few instructions each, and jumps lead from
 * one to a later one. So no jump gets between a mask and what it is for.
 */
static struct generator {
	struct filter *filter;
	/* The units that the jumps lead to, by instruction; 0, where none does, if there is none. */
	unsigned short targets[MAX_INSNS][2];
	unsigned int start[MAX_UNITS + 1];
	/* The scratch memory that is written on all ways to a unit. */
	__u16 written[MAX_UNITS + 1];
	__u16 written_here;
	unsigned int unit, nr_units;
} gen;

static struct sock_filter *emit(__u16 code, __u32 k)
{
	struct sock_filter *insn = &gen.filter->insns[gen.filter->len++];

	if (gen.filter->len > MAX_INSNS)
		abort();
	*insn = (struct sock_filter)BPF_STMT(code, k);
	memset(gen.targets[gen.filter->len - 1], 0, sizeof(gen.targets[0]));
	return insn;
}

static void emit_jump(__u16 code, __u32 k, __u8 jt, __u8 jf)
{
	struct sock_filter *insn = emit(code, k);

	insn->jt = jt;
	insn->jf = jf;
}

static unsigned int later_unit(void)
{
	unsigned int left = gen.nr_units - gen.unit, to;

	to = gen.unit + 1 + below(left < 10 ? left : 10);
	gen.written[to] &= gen.written_here;
	return to;
}

/* Where structs end, and everywhere. */
static __u32 random_offset(void)
{
	const struct call *call = run->rows[below(run->nr_rows)];

	switch (below(16)) {
	case 0 ... 1:
		return 4 * below(sizeof(struct seccomp_data) / 4);
	case 2 ... 3:
		return SECCOMP_EA_SIZE + 4 * below(3);
	case 4:
		return SECCOMP_EA_BASE + 4 * below(SECCOMP_EA_MAX / 4);
	case 5:
		return SECCOMP_EA_SIZE - 4 - 4 * below(8);
	case 6 ... 7:
		return SECCOMP_EA_BASE + call->known + 4 * below(8);
	default:
		return SECCOMP_EA_BASE + 4 * below(call->known / 4);
	}
}

static void emit_load(void)
{
	emit(BPF_LD | BPF_W | BPF_ABS, random_offset());
}

static void emit_memory(void)
{
	unsigned int slot = below(BPF_MEMWORDS);

	if (!gen.written_here || one_in(3)) {
		emit(one_in(2) ? BPF_ST : BPF_STX, slot);
		gen.written_here |= 1U << slot;
		return;
	}
	while (!(gen.written_here & 1U << slot))
		slot = (slot + 1) % BPF_MEMWORDS;
	emit((one_in(2) ? BPF_LD : BPF_LDX) | BPF_MEM, slot);
}

static void emit_arithmetic(void)
{
	static const __u16 ops[] = {
		BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND, BPF_OR, BPF_XOR, BPF_LSH, BPF_RSH,
		BPF_NEG,
	};
	__u16 op = ops[below(ARRAY_SIZE(ops))];
	bool shift = op == BPF_LSH || op == BPF_RSH;
	__u32 k = shift ? below(32) : random_value();

	if (op == BPF_NEG) {
		emit(BPF_ALU | BPF_NEG, 0);
		return;
	}
	if (op == BPF_DIV)
		k += !k;
	if (one_in(2)) {
		emit(BPF_ALU | op | BPF_K, k);
		return;
	}
	/* What is in X as it comes is often zero, and a filter that always kills tells little. */
	if (op == BPF_DIV && !one_in(4))
		emit(BPF_LDX | BPF_IMM, k);
	emit(BPF_ALU | op | BPF_X, 0);
}

static __u16 random_comparison(void)
{
	static const __u16 ops[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };

	return BPF_JMP | ops[below(ARRAY_SIZE(ops))] | (one_in(4) ? BPF_X : BPF_K);
}

static void emit_return(void)
{
	switch (below(8)) {
	case 0:
		emit(BPF_RET | BPF_K, SECCOMP_RET_ERRNO |
		     (FIRST_DENIED + below(LAST_DENIED + 1 - FIRST_DENIED)));
		break;
	case 1:
		/* More than any error. */
		emit(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (LAST_DENIED + below(0xf000)));
		break;
	case 2:
		emit(BPF_RET | BPF_K, SECCOMP_RET_TRACE | below(0x10000));
		break;
	case 3 ... 4:
		emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
		break;
	default:
		/* A and X, and nearly all that they were made of. */
		emit(BPF_ALU | BPF_ADD | BPF_X, 0);
		emit(BPF_MISC | BPF_TAX, 0);
		emit(BPF_ALU | BPF_RSH | BPF_K, 11 + below(11));
		emit(BPF_ALU | BPF_XOR | BPF_X, 0);
		emit(BPF_ALU | BPF_AND | BPF_K, 0x7ff);
		emit(BPF_ALU | BPF_ADD | BPF_K, SECCOMP_RET_ERRNO | 0x400);
		emit(BPF_RET | BPF_A, 0);
		break;
	}
}

static void emit_unit(void)
{
	unsigned int jump;

	switch (below(20)) {
	case 0:
		emit((one_in(2) ? BPF_LD : BPF_LDX) | BPF_W | BPF_LEN, 0);
		return;
	case 1:
		emit((one_in(2) ? BPF_LD : BPF_LDX) | BPF_IMM, random_value());
		return;
	case 2 ... 3:
		emit(BPF_MISC | (one_in(2) ? BPF_TAX : BPF_TXA), 0);
		return;
	case 4 ... 5:
		emit_memory();
		return;
	case 6 ... 9:
		emit_arithmetic();
		return;
	case 10 ... 12:
		emit_load();
		emit(BPF_ALU | BPF_ADD | BPF_X, 0);
		emit(BPF_MISC | BPF_TAX, 0);
		return;
	case 13 ... 14:
		emit_load();
		return;
	case 15:
		jump = gen.filter->len;
		emit(BPF_JMP | BPF_JA, 0);
		gen.targets[jump][0] = later_unit();
		break;
	case 16:
		/* On with the next unit, or the end. */
		if (one_in(2))
			emit_load();
		jump = gen.filter->len;
		emit(random_comparison(), random_value());
		gen.written[gen.unit + 1] &= gen.written_here;
		emit_return();
		gen.filter->insns[jump].jf = gen.filter->len - jump - 1;
		break;
	default:
		if (one_in(2))
			emit_load();
		jump = gen.filter->len;
		emit(random_comparison(), random_value());
		gen.targets[jump][0] = later_unit();
		gen.targets[jump][1] = later_unit();
		break;
	}
	/* The next unit is not reached from here but by a jump. */
	gen.written_here = 0xffff;
}

static void emit_body(void)
{
	struct sock_filter *insns = gen.filter->insns;
	unsigned int first = gen.filter->len, i;
	/* No unit is longer than 9, and there may be more bodies. */
	unsigned int most = (MAX_INSNS - first) / 16;

	gen.nr_units = 1 + below(one_in(4) ? MAX_UNITS : 40);
	if (gen.nr_units > most)
		gen.nr_units = most;
	memset(gen.written, 0xff, sizeof(gen.written));
	gen.written_here = 0;
	for (gen.unit = 0; gen.unit < gen.nr_units; gen.unit++) {
		gen.start[gen.unit] = gen.filter->len;
		gen.written_here &= gen.written[gen.unit];
		emit_unit();
	}
	gen.start[gen.unit] = gen.filter->len;
	emit_return();

	for (i = first; i < gen.filter->len; i++) {
		const unsigned short *to = gen.targets[i];

		if (!to[0])
			continue;
		if (BPF_OP(insns[i].code) == BPF_JA) {
			insns[i].k = gen.start[to[0]] - i - 1;
		} else {
			insns[i].jt = gen.start[to[0]] - i - 1;
			insns[i].jf = gen.start[to[1]] - i - 1;
		}
	}
}

/* Compares the number of the system call, which is in A, and goes on behind a jump to patch. */
static unsigned int emit_is_number(__u32 nr)
{
	switch (below(4)) {
	case 0:
		emit(BPF_LDX | BPF_IMM, nr);
		emit_jump(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1);
		break;
	case 1:
		emit_jump(BPF_JMP | BPF_JGE | BPF_K, nr, 0, 2);
		emit_jump(BPF_JMP | BPF_JGT | BPF_K, nr, 1, 0);
		break;
	case 2:
		emit(BPF_ST, 3);
		emit(BPF_LD | BPF_MEM, 3);
		emit_jump(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1);
		break;
	default:
		emit_jump(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1);
		break;
	}
	emit(BPF_JMP | BPF_JA, 0);
	return gen.filter->len - 1;
}

/* Some of the calls on some ABIs have a body, one for each or one for all; others are allowed. */
static void generate_filter(struct filter *filter)
{
	static const __u32 archs[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386 };
	unsigned int jumps[2 * MAX_ROWS], nr_jumps = 0, which = 1 + below(3), a, i, over;
	bool shared = one_in(2);

	gen.filter = filter;
	filter->len = 0;
	for (a = 0; a < ARRAY_SIZE(archs); a++) {
		if (!(which & 1U << a))
			continue;
		emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
		emit_jump(BPF_JMP | BPF_JEQ | BPF_K, archs[a], 1, 0);
		over = filter->len;
		emit(BPF_JMP | BPF_JA, 0);
		emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
		for (i = 0; i < run->nr_rows; i++) {
			if (!one_in(4))
				jumps[nr_jumps++] = emit_is_number(run->rows[i]->nr[a]);
		}
		emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
		filter->insns[over].k = filter->len - over - 1;
	}
	emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

	for (i = 0; i < nr_jumps; i++) {
		if (i && shared) {
			filter->insns[jumps[i]].k = filter->insns[jumps[0]].k + jumps[0] - jumps[i];
			continue;
		}
		filter->insns[jumps[i]].k = filter->len - jumps[i] - 1;
		emit_body();
	}
}

static void generate_chain(void)
{
	static const __u32 common[] = {
		0, 0, 0, 1, 2, 0x80, 0xff, 0x7fffffff, 0x80000000, 0xffffffff, PAGE, EFAULT, E2BIG,
	};
	unsigned int i;

	run->nr_rows = 0;
	for (i = 1 + below(MAX_ROWS); run->nr_rows < i; ) {
		const struct call *call = &calls[below(NR_CALLS)];

		if (call_exists(call))
			run->rows[run->nr_rows++] = call;
	}
	for (i = 0; i < NR_VALUES; i++)
		run->values[i] = i < ARRAY_SIZE(common) ? common[i] : (__u32)random64();
	for (i = 0; i < run->nr_rows; i++) {
		run->values[NR_VALUES - 2 * i - 1] = run->rows[i]->first;
		run->values[NR_VALUES - 2 * i - 2] = run->rows[i]->known;
	}
	run->nr_filters = 1 + below(MAX_FILTERS);
	for (i = 0; i < run->nr_filters; i++)
		generate_filter(&run->filters[i]);
}

/* ---- Structs. ---- */

static __u64 random_size(const struct call *call)
{
	switch (below(14)) {
	case 0:
		return 0;
	case 1:
		return below(call->first);
	case 2 ... 3:
		return call->first;
	case 4 ... 5:
		return call->known;
	case 6 ... 7:
		return call->known + below(20);
	case 8:
		return below(300);
	case 9:
		return below(PAGE);
	case 10:
		return PAGE;
	case 11:
		return PAGE - below(16);
	case 12:
		return PAGE + 1 + below(64);
	default:
		return one_in(2) ? random64() : HIGH + call->known;
	}
}

/* Where a struct of @size may lie: often at the edges of pages and of what can be read. */
static char *random_place(__u64 size)
{
	switch (below(14)) {
	case 0 ... 4:
		return arena + 8 * below(64);
	case 5:
		return arena + below(PAGE);
	case 6 ... 7:
		return arena + PAGE - below(96);
	case 8 ... 9:
		return arena + ARENA - (size <= ARENA ? size : 64);
	case 10:
		return arena + ARENA - below(128);
	case 11:
		return arena - 1 - below(64);
	case 12:
		return one_in(2) ? NULL : (char *)(intptr_t)BAD_ADDRESS;
	default:
		return arena;
	}
}

/* As far as there is memory. */
static void fill(char *start, char byte, __u64 length)
{
	char *end = arena + ARENA;

	if (start < arena)
		start = arena;
	if (start < end)
		memset(start, byte, length < (__u64)(end - start) ? length : (__u64)(end - start));
}

static void put(char *to, const void *bytes, size_t length)
{
	if (readable(to, length))
		memcpy(to, bytes, length);
}

static void write_struct(const struct call *call, char *start, __u64 size)
{
	unsigned int span = size < 16 ? 16 : size > PAGE ? 64 : size, i;
	__u32 word;

	switch (below(16)) {
	case 0 ... 5:
		fill(start, 0, size);
		break;
	case 6:
		fill(start, below(256), size);
		break;
	case 7 ... 9:
		/* No more than the kernel knows. */
		fill(start + call->known, 0, size);
		break;
	}
	for (i = below(12); i; i--) {
		word = random_value();
		put(start + 4 * below(span / 4), &word, sizeof(word));
	}
	if (one_in(4)) {
		word = below(256);
		put(start + below(span), &word, 1);
	}
	/* No child may come of it, which such a signal takes care of. */
	if (call->returns == CHILD) {
		word = random64() | 0x100;
		put(start + offsetof(struct clone_args, exit_signal), &word, sizeof(word));
	}
	if (call->size == INSIDE) {
		word = size;
		put(start + call->field, &word, sizeof(word));
	}
}

static void generate_call(void)
{
	const struct call *call = run->rows[below(run->nr_rows)];
	__u64 size = random_size(call);
	char *start = random_place(size);
	size_t i;

	for (i = 0; harmless[i].nr != call->nr[X86_64]; i++)
		;
	run->call = call;
	run->abi = one_in(3) ? I386 : X86_64;
	run->upper = run->abi == I386 && one_in(2) ? random64() << 32 : 0;
	memcpy(run->args, harmless[i].args, sizeof(run->args));
	run->args[call->unused] = one_in(2) ? (__u64)random_value() : random64();
	run->args[call->pointer] = (long)start;
	if (call->size != INSIDE)
		run->args[call->size] = size;
	write_struct(call, start, size);
	see(call);
}

/* ---- Calls. ---- */

/* All are made by one instruction for each ABI. */
static __attribute__((noipa)) long enter_kernel(unsigned int nr, const long *args, bool child)
{
	return raw_call(nr, args, child);
}

static void note_ip(int nr, siginfo_t *info, void *context)
{
	(void)nr;
	(void)context;
	run->ip[abi] = (unsigned long)info->si_call_addr;
}

/* Asks the kernel where that instruction is. */
static int learn_ip(void *arg)
{
	const struct sigaction action = { .sa_sigaction = note_ip, .sa_flags = SA_SIGINFO };
	const struct sock_fprog prog = PROG(LD_NR, JEQ(__NR_openat2, 0, 1), RET(SECCOMP_RET_TRAP),
					    ALLOW);
	const long none[NR_ARGS] = { };

	(void)arg;
	if (sigaction(SIGSYS, &action, NULL) || install_seccomp(0, &prog))
		return 1;
	for (abi = X86_64; abi <= I386; abi++)
		enter_kernel(__NR_openat2, none, false);
	return 0;
}

static void report(const char *what, long ret)
{
	const struct view *view = &run->view;
	unsigned int i, j;

	if (++run->failures > 3)
		return;
	printf("# SEED=%#llx CHAIN=%lu (%s), call %lu: %s %ld, verdict %#x\n", run->seed,
	       run->chain, run->mode, run->index, what, ret, run->verdict);
	if (run->call) {
		printf("# %s, arch %#x, ip %#llx, args", run->call->name, view->data.arch,
		       view->data.instruction_pointer);
		for (i = 0; i < NR_ARGS; i++)
			printf(" %#llx", view->data.args[i]);
		printf("\n# seen: size %u, tail %u, error %u, words", view->size, view->tail,
		       view->error);
		for (i = 0; i < ARRAY_SIZE(view->words); i++) {
			if (view->words[i])
				printf(" [%u]=%#x", 4 * i, view->words[i]);
		}
		printf("\n");
	}
	for (i = 0; i < run->nr_filters; i++) {
		printf("# filter %u, alone %#x:", i,
		       run->call ? interpret(&run->filters[i], view) : 0);
		for (j = 0; j < run->filters[i].len; j++) {
			const struct sock_filter *insn = &run->filters[i].insns[j];

			printf("%s{ %#x, %u, %u, %#x },", j % 6 ? " " : "\n#  ", insn->code,
			       insn->jt, insn->jf, insn->k);
		}
		printf("\n");
	}
	fflush(stdout);
}

static int call_killed(void *arg)
{
	(void)arg;
	enter_kernel(run->call->nr[run->abi], run->args, run->call->returns == CHILD);
	return 0;
}

static void make_random_call(unsigned int *kills)
{
	long ret;

	generate_call();
	run->verdict = judge();
	abi = run->abi;
	garbage = run->upper;
	if (run->verdict == SECCOMP_RET_KILL_THREAD) {
		if (!*kills)
			return;
		--*kills;
		ret = in_child(call_killed, NULL);
		run->killed++;
		if (ret != -SIGSYS)
			report("not killed, status", ret);
	} else {
		ret = enter_kernel(run->call->nr[abi], run->args, run->call->returns == CHILD);
		if (ret > 0 && run->call->returns == DESCRIPTOR)
			close(ret);
		if (ret > 0 && run->call->returns == CHILD)
			waitpid(ret, NULL, __WALL);
		if (run->verdict == SECCOMP_RET_ALLOW)
			run->allowed++;
		else
			run->denied++;
		if (!is_judged(run->verdict, ret))
			report("returned", ret);
	}
	run->calls++;
}

static int run_chain(void *arg)
{
	const struct rlimit no_core = { };
	unsigned int kills = KILLS_PER_CHAIN, i;

	(void)arg;
	setrlimit(RLIMIT_CORE, &no_core);
	run->call = NULL;
	for (i = 0; i < run->nr_filters; i++) {
		const struct sock_fprog prog = {
			.len = run->filters[i].len, .filter = run->filters[i].insns,
		};
		long ret = install_seccomp(0, &prog);

		if (ret) {
			run->index = i;
			report("filter refused", ret);
			return 1;
		}
	}
	for (run->index = 0; run->index < CALLS_PER_CHAIN; run->index++)
		make_random_call(&kills);
	return 0;
}

/* Calls under one chain of filters, which are the same for the same seed. */
static void test_chain(unsigned long chain)
{
	int status;

	run->chain = chain;
	run->state = scramble(run->seed ^ scramble(chain + 1));
	generate_chain();
	memset(arena, 0, ARENA);
	status = in_child(run_chain, NULL);
	/* It says why itself, but not that it was killed. */
	if (status < 0)
		report("ended by signal", -status);
}

/* ---- The modes of the kernel's compiler. ---- */

#define JIT_ENABLE	"/proc/sys/net/core/bpf_jit_enable"
#define JIT_HARDEN	"/proc/sys/net/core/bpf_jit_harden"

static char read_setting(const char *path)
{
	char setting = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, &setting, 1) != 1)
		setting = 0;
	if (fd >= 0)
		close(fd);
	return setting;
}

static bool set(const char *path, char setting)
{
	const char text[] = { setting, '\0' };

	return write_file(path, text, 0) && read_setting(path) == setting;
}

FIXTURE(verdicts)
{
	char enable, harden;
};

FIXTURE_VARIANT(verdicts)
{
	const char *name;
	char enable, harden;
};

FIXTURE_VARIANT_ADD(verdicts, compiled) { .name = "compiled", .enable = '1', .harden = '0' };
FIXTURE_VARIANT_ADD(verdicts, interpreted) { .name = "interpreted", .enable = '0', .harden = '0' };
FIXTURE_VARIANT_ADD(verdicts, hardened) { .name = "hardened", .enable = '1', .harden = '2' };

FIXTURE_SETUP(verdicts)
{
	const char *seed = getenv("SEED");
	size_t i, j;

	self->enable = read_setting(JIT_ENABLE);
	self->harden = read_setting(JIT_HARDEN);
	ASSERT_NE(0, self->enable);
	ASSERT_NE(0, self->harden);

	stay_on_one_cpu();
	ASSERT_TRUE(make_arena(ARENA_ADDRESS));
	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, run);
	run->mode = variant->name;
	if (seed)
		run->seed = strtoull(seed, NULL, 0);
	else
		ASSERT_EQ((ssize_t)sizeof(run->seed), getrandom(&run->seed, sizeof(run->seed), 0));
	ASSERT_EQ(0, in_child(learn_ip, NULL));
	ASSERT_NE(0UL, run->ip[X86_64]);
	ASSERT_NE(0UL, run->ip[I386]);
	for (i = 0; i < NR_CALLS; i++) {
		for (j = 0; j < ARRAY_SIZE(harmless) && harmless[j].nr != calls[i].nr[X86_64]; j++)
			;
		ASSERT_NE(ARRAY_SIZE(harmless), j) {
			TH_LOG("no harmless arguments for %s", calls[i].name);
		}
	}

	if (!set(JIT_ENABLE, variant->enable))
		SKIP(return, "this kernel does not run filters without its compiler");
	ASSERT_TRUE(set(JIT_HARDEN, variant->harden));
}

/* By the parent, whatever became of the test. */
FIXTURE_TEARDOWN_PARENT(verdicts)
{
	EXPECT_TRUE(set(JIT_ENABLE, self->enable));
	EXPECT_TRUE(set(JIT_HARDEN, self->harden));
}

TEST_F(verdicts, agree)
{
	const char *only = getenv("CHAIN");
	struct timespec start, end;
	unsigned long chain;
	double seconds;

	TH_LOG("SEED=%#llx", run->seed);
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (only)
		test_chain(strtoul(only, NULL, 0));
	/* Hardly any chain kills, but one has to. */
	for (chain = 0; !only && !run->failures &&
			(run->calls < (unsigned long)rounds(CALLS) || !run->killed); chain++)
		test_chain(chain);
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9;
	TH_LOG("%s: %lu calls (%lu denied, %lu allowed, %lu killed), %lu chains, %.1f s, %.0f calls/s",
	       run->mode, run->calls, run->denied, run->allowed, run->killed, chain, seconds,
	       run->calls / seconds);
	EXPECT_EQ(0UL, run->failures);
}

TEST_HARNESS_MAIN
