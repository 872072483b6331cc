// SPDX-License-Identifier: GPL-2.0
/*
 * Which filters are accepted and which are refused: by the module, by the
 * kernel without it, through seccomp(2) and through prctl(2).
 */
#include "kselftest_harness.h"
#include "common.h"

enum verdict {
	ORDINARY,	/* reads no struct: accepted, module or not */
	EXTENDED,	/* reads a struct: accepted with the module only */
	REFUSED,	/* EINVAL, module or not */
};

struct program {
	const char *name;
	enum verdict verdict;
	struct sock_fprog prog;
};

#define CLONE3		__NR_clone3
#define OPENAT2		__NR_openat2
#define BETWEEN		436	/* close_range(2), which has no struct */
#define X32		0x40000000

#define EA		LD(SECCOMP_EA_BASE)

#define LDX_IMM(k)	BPF_STMT(BPF_LDX | BPF_IMM, (k))
#define LDX_MEM(slot)	BPF_STMT(BPF_LDX | BPF_MEM, (slot))
#define LD_IMM(k)	BPF_STMT(BPF_LD | BPF_IMM, (k))
#define LD_MEM(slot)	BPF_STMT(BPF_LD | BPF_MEM, (slot))
#define ST(slot)	BPF_STMT(BPF_ST, (slot))
#define STX(slot)	BPF_STMT(BPF_STX, (slot))
#define TAX		BPF_STMT(BPF_MISC | BPF_TAX, 0)
#define TXA		BPF_STMT(BPF_MISC | BPF_TXA, 0)
#define ALU(op, k)	BPF_STMT(BPF_ALU | (op) | BPF_K, (k))
#define JEQ_X(t, f)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, (t), (f))
#define JGT_X(t, f)	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, (t), (f))
#define JGE_X(t, f)	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_X, 0, (t), (f))

/* Loads one word where nr is known, so that nothing but @offset decides. */
#define AT(name, verdict, offset)					\
	{ name, verdict, PROG(LD_NR, JEQ(OPENAT2, 0, 1), LD(offset), ALLOW) }

/* Loads with another instruction where nr is known. */
#define BY(name, code)							\
	{ name, REFUSED, PROG(LD_NR, JEQ(OPENAT2, 0, 1), BPF_STMT(code, SECCOMP_EA_BASE), ALLOW) }

/* Has an instruction of another kind beside a good load, which must not excuse it. */
#define BESIDE(name, verdict, ...)					\
	{ name, verdict, PROG(LD_NR, JEQ(OPENAT2, 0, 2), EA, __VA_ARGS__, ALLOW) }

/* Loads where nr is @nr. */
#define FOR(name, verdict, nr)						\
	{ name, verdict, PROG(LD_NR, JEQ(nr, 0, 1), EA, ALLOW) }

static const struct program programs[] = {
	/* The offset: what is seccomp_data's, what is ours, and what nobody's. */
	AT("the last word of seccomp_data", ORDINARY, 60),
	AT("61", REFUSED, 61),
	AT("62", REFUSED, 62),
	AT("63", REFUSED, 63),
	AT("the first word of the struct", EXTENDED, 64),
	AT("65", REFUSED, 65),
	AT("66", REFUSED, 66),
	AT("67", REFUSED, 67),
	AT("the second word of the struct", EXTENDED, 68),
	AT("the last word of open_how", EXTENDED, SECCOMP_EA_HI(struct open_how, resolve)),
	AT("a word past open_how", EXTENDED, SECCOMP_EA_BASE + sizeof(struct open_how)),
	AT("the last word of the page", EXTENDED, 4156),
	AT("across the end of the page by 3", REFUSED, 4157),
	AT("across the end of the page by 2", REFUSED, 4158),
	AT("across the end of the page by 1", REFUSED, 4159),
	AT("size", EXTENDED, SECCOMP_EA_SIZE),
	AT("size + 1", REFUSED, SECCOMP_EA_SIZE + 1),
	AT("between size and tail", REFUSED, SECCOMP_EA_SIZE + 2),
	AT("size + 3", REFUSED, SECCOMP_EA_SIZE + 3),
	AT("tail", EXTENDED, SECCOMP_EA_TAIL),
	AT("between tail and error", REFUSED, SECCOMP_EA_TAIL + 2),
	AT("error", EXTENDED, SECCOMP_EA_ERROR),
	AT("across the end of error", REFUSED, SECCOMP_EA_ERROR + 2),
	AT("past error", REFUSED, SECCOMP_EA_END),
	AT("seccomp_data behind the info words", REFUSED, SECCOMP_EA_END + 4),
	AT("a page further", REFUSED, SECCOMP_EA_BASE + 2 * SECCOMP_EA_MAX),
	/* Offsets that a signed or a 16-bit comparison would take for small ones. */
	AT("the greatest 16-bit offset", REFUSED, 0x7ffc),
	AT("-4 in 16 bits", REFUSED, 0xfffc),
	AT("64 in 16 bits", REFUSED, 0x10000 + SECCOMP_EA_BASE),
	AT("the greatest signed offset", REFUSED, 0x7fffffff),
	AT("the greatest aligned one", REFUSED, 0x7ffffffc),
	AT("64 and the sign bit", REFUSED, 0x80000000 + SECCOMP_EA_BASE),
	AT("-1", REFUSED, -1),
	AT("-4", REFUSED, -4),
	AT("-16, in the info words' place", REFUSED, -16),
	AT("SKF_AD_OFF", REFUSED, SKF_AD_OFF),
	AT("SKF_AD_OFF + SKF_AD_CPU", REFUSED, SKF_AD_OFF + SKF_AD_CPU),
	AT("SKF_NET_OFF", REFUSED, SKF_NET_OFF),
	AT("SKF_LL_OFF", REFUSED, SKF_LL_OFF),

	/* The opcode: nothing but a word by absolute offset. */
	BY("half word", BPF_LD | BPF_H | BPF_ABS),
	BY("byte", BPF_LD | BPF_B | BPF_ABS),
	BY("indirect", BPF_LD | BPF_W | BPF_IND),
	BY("the kernel's own LDX|W|ABS", BPF_LDX | BPF_W | BPF_ABS),
	BY("LDX|B|MSH", BPF_LDX | BPF_B | BPF_MSH),
	BESIDE("a half word", REFUSED, BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 64)),
	BESIDE("a half word of seccomp_data", REFUSED, BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0)),
	BESIDE("an indirect word", REFUSED, BPF_STMT(BPF_LD | BPF_W | BPF_IND, 64)),
	BESIDE("the kernel's own LDX|W|ABS", REFUSED, BPF_STMT(BPF_LDX | BPF_W | BPF_ABS, 64)),
	BESIDE("an unaligned word of seccomp_data", REFUSED, LD(2)),
	BESIDE("an operation that is no filter's", REFUSED, ALU(BPF_MOD, 3)),
	BESIDE("a division by zero", REFUSED, ALU(BPF_DIV, 0)),
	BESIDE("a shift by 32", REFUSED, ALU(BPF_LSH, 32)),
	BESIDE("a slot past the memory", REFUSED, ST(16)),
	BESIDE("memory that was never written", REFUSED, LD_MEM(0)),
	BESIDE("a jump past the end", REFUSED, JA(1)),
	BESIDE("the length of seccomp_data", EXTENDED, BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0)),
	{ "no return at the end", REFUSED, PROG(LD_NR, JEQ(OPENAT2, 0, 1), EA) },
	{ "BPF_LEN is that of seccomp_data", ORDINARY,
	  PROG(BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), JEQ(64, 1, 0), DENY(EPERM), ALLOW) },

	/* The number: those in the table, and their neighbours and look-alikes. */
	FOR("clone3", EXTENDED, CLONE3),
	FOR("pidfd_open", REFUSED, 434),
	FOR("close_range", REFUSED, BETWEEN),
	FOR("pidfd_getfd", REFUSED, 438),
	FOR("clone", REFUSED, __NR_clone),
	FOR("number 0", REFUSED, 0),
	FOR("number -1", REFUSED, -1),
	FOR("number -437", REFUSED, -OPENAT2),
	FOR("437 in 16 bits", REFUSED, 0x10000 + OPENAT2),
	FOR("clone3 of x32", REFUSED, X32 | CLONE3),
	FOR("openat2 of x32", REFUSED, X32 | OPENAT2),
	{ "an info word of close_range", REFUSED,
	  PROG(LD_NR, JEQ(BETWEEN, 0, 1), LD(SECCOMP_EA_SIZE), ALLOW) },

	/* The flow: on each way to the load nr must be known. */
	{ "nothing known", REFUSED, PROG(EA, ALLOW) },
	{ "an info word, nothing known", REFUSED, PROG(LD(SECCOMP_EA_ERROR), ALLOW) },
	{ "nr loaded, not compared", REFUSED, PROG(LD_NR, EA, ALLOW) },
	{ "nr compared too late", REFUSED, PROG(EA, LD_NR, JEQ(OPENAT2, 0, 1), ALLOW, ALLOW) },
	{ "the branch where it differs", REFUSED, PROG(LD_NR, JEQ(OPENAT2, 1, 0), EA, ALLOW) },
	{ "both branches", REFUSED, PROG(LD_NR, JEQ(OPENAT2, 0, 0), EA, ALLOW) },
	{ "all others return before", EXTENDED,
	  PROG(LD_NR, JEQ(OPENAT2, 1, 0), ALLOW, EA, ALLOW) },
	{ "two calls merge", EXTENDED,
	  PROG(LD_NR, JEQ(CLONE3, 1, 0), JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "two calls and a stranger merge", REFUSED,
	  PROG(LD_NR, JEQ(CLONE3, 2, 0), JEQ(BETWEEN, 1, 0), JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "the stranger returns before the merge", EXTENDED,
	  PROG(LD_NR, JEQ(BETWEEN, 0, 1), ALLOW, JEQ(CLONE3, 1, 0), JEQ(OPENAT2, 0, 1),
	       EA, ALLOW) },
	{ "a long jump to the load", EXTENDED,
	  PROG(LD_NR, JEQ(OPENAT2, 0, 1), JA(1), ALLOW, EA, ALLOW) },
	{ "a long jump from elsewhere to the load", REFUSED,
	  PROG(LD_NR, JEQ(OPENAT2, 0, 1), JA(1), JA(0), EA, ALLOW) },
	{ "known, then A is overwritten", EXTENDED,
	  PROG(LD_NR, JEQ(OPENAT2, 0, 2), LD_ARG(0), EA, ALLOW) },
	{ "a branch on something else in between", EXTENDED,
	  PROG(LD_NR, JEQ(OPENAT2, 0, 3), LD_ARG(3), JGT(24, 0, 0), EA, ALLOW) },
	{ "two calls, two branches", EXTENDED,
	  PROG(LD_NR, JEQ(CLONE3, 0, 2), EA, ALLOW, JEQ(OPENAT2, 0, 1), LD(SECCOMP_EA_TAIL),
	       ALLOW) },
	{ "two calls, one branch too many", REFUSED,
	  PROG(LD_NR, JEQ(CLONE3, 0, 2), EA, ALLOW, JEQ(OPENAT2, 0, 1), EA, EA, ALLOW) },
	{ "dead code behind a return", EXTENDED, PROG(ALLOW, EA, ALLOW) },
	{ "dead code with an offset of nobody's", REFUSED, PROG(ALLOW, LD(4172), ALLOW) },
	{ "dead code, unaligned", REFUSED, PROG(ALLOW, LD(65), ALLOW) },
	{ "an argument that looks like nr", REFUSED,
	  PROG(LD_NR, LD_ARG(0), JEQ(OPENAT2, 0, 1), EA, ALLOW) },

	/* Ranges: exact at both ends. */
	{ "435 <= nr <= 435", EXTENDED,
	  PROG(LD_NR, JGE(CLONE3, 0, 2), JGT(CLONE3, 1, 0), EA, ALLOW) },
	{ "434 < nr < 436", EXTENDED, PROG(LD_NR, JGT(434, 0, 2), JGE(436, 1, 0), EA, ALLOW) },
	{ "the same, upper end first", EXTENDED,
	  PROG(LD_NR, JGE(436, 2, 0), JGT(434, 0, 1), EA, ALLOW) },
	{ "435 <= nr <= 437", REFUSED,
	  PROG(LD_NR, JGE(CLONE3, 0, 2), JGT(OPENAT2, 1, 0), EA, ALLOW) },
	{ "435 <= nr <= 437 without 436", EXTENDED,
	  PROG(LD_NR, JGE(CLONE3, 0, 3), JGT(OPENAT2, 2, 0), JEQ(BETWEEN, 1, 0), EA, ALLOW) },
	{ "434 <= nr <= 435", REFUSED,
	  PROG(LD_NR, JGE(434, 0, 2), JGT(CLONE3, 1, 0), EA, ALLOW) },
	{ "434 <= nr <= 435 without 434", EXTENDED,
	  PROG(LD_NR, JGE(434, 0, 3), JGT(CLONE3, 2, 0), JEQ(434, 1, 0), EA, ALLOW) },
	{ "437 <= nr <= 438", REFUSED,
	  PROG(LD_NR, JGE(OPENAT2, 0, 2), JGT(438, 1, 0), EA, ALLOW) },
	{ "437 <= nr", REFUSED, PROG(LD_NR, JGE(OPENAT2, 0, 1), EA, ALLOW) },
	{ "nr <= 435", REFUSED, PROG(LD_NR, JGT(CLONE3, 1, 0), EA, ALLOW) },
	{ "435 < nr < 437", REFUSED,
	  PROG(LD_NR, JGT(CLONE3, 0, 2), JGE(OPENAT2, 1, 0), EA, ALLOW) },
	{ "437 < nr < 437, which is dead code", EXTENDED,
	  PROG(LD_NR, JGT(OPENAT2, 0, 2), JGE(OPENAT2, 1, 0), EA, ALLOW) },
	{ "a binary search, as libseccomp makes it", EXTENDED,
	  PROG(LD_NR, JGT(BETWEEN, 0, 4), JGT(438, 5, 0), JEQ(438, 4, 0), EA, ALLOW,
	       JGE(CLONE3, 0, 1), JEQ(CLONE3, 1, 0), ALLOW, EA, ALLOW) },

	/* Bits of the number. */
	{ "x32 sorted out by its bit", EXTENDED,
	  PROG(LD_NR, JSET(X32, 2, 0), JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "bits of 437 alone", REFUSED, PROG(LD_NR, JSET(OPENAT2, 0, 1), EA, ALLOW) },
	{ "436 or 437, odd", EXTENDED,
	  PROG(LD_NR, JGE(BETWEEN, 0, 3), JGT(OPENAT2, 2, 0), JSET(1, 0, 1), EA, ALLOW) },
	{ "436 or 437, even", REFUSED,
	  PROG(LD_NR, JGE(BETWEEN, 0, 3), JGT(OPENAT2, 2, 0), JSET(1, 1, 0), EA, ALLOW) },
	{ "435 to 437, odd", EXTENDED,
	  PROG(LD_NR, JGE(CLONE3, 0, 3), JGT(OPENAT2, 2, 0), JSET(1, 0, 1), EA, ALLOW) },
	{ "nr without the x32 bit", REFUSED,
	  PROG(LD_NR, ALU(BPF_AND, ~X32), JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "the low byte of nr", REFUSED,
	  PROG(LD_NR, ALU(BPF_AND, 0xff), JEQ(OPENAT2 & 0xff, 0, 1), EA, ALLOW) },

	/* Arithmetic: each of these lets another number through as well. */
	{ "half of nr", REFUSED,
	  PROG(LD_NR, ALU(BPF_RSH, 1), JEQ(OPENAT2 / 2, 0, 1), EA, ALLOW) },
	{ "twice nr, which may overflow", REFUSED,
	  PROG(LD_NR, ALU(BPF_LSH, 1), JEQ(OPENAT2 * 2, 0, 1), EA, ALLOW) },
	{ "nr - 1", REFUSED, PROG(LD_NR, ALU(BPF_SUB, 1), JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "nr | 1", REFUSED, PROG(LD_NR, ALU(BPF_OR, 1), JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "-nr", REFUSED,
	  PROG(LD_NR, BPF_STMT(BPF_ALU | BPF_NEG, 0), JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "nr ^ nr", REFUSED,
	  PROG(LD_NR, TAX, BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0), JEQ(0, 0, 1), EA, ALLOW) },
	{ "nr / argument", REFUSED,
	  PROG(LD_ARG(0), TAX, LD_NR, BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
	       JEQ(OPENAT2, 0, 1), EA, ALLOW) },

	/* The number in X and in the scratch memory. */
	{ "nr kept in X", EXTENDED,
	  PROG(LD_NR, TAX, LD_ARG(0), TXA, JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "something else in X", REFUSED,
	  PROG(LD_ARG(0), TAX, LD_NR, TXA, JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "compared with a constant in X", EXTENDED,
	  PROG(LDX_IMM(OPENAT2), LD_NR, JEQ_X(0, 1), EA, ALLOW) },
	{ "compared with an argument in X", REFUSED,
	  PROG(LD_ARG(0), TAX, LD_NR, JEQ_X(0, 1), EA, ALLOW) },
	{ "compared with itself", REFUSED, PROG(LD_NR, TAX, JEQ_X(0, 1), EA, ALLOW) },
	{ "ordered against itself", REFUSED, PROG(LD_NR, TAX, JGT_X(1, 0), EA, ALLOW) },
	{ "nr kept in memory", EXTENDED,
	  PROG(LD_NR, ST(15), LD_ARG(0), LD_MEM(15), JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "nr through memory to X", EXTENDED,
	  PROG(LD_NR, ST(0), LD_ARG(0), LDX_MEM(0), TXA, JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "X through memory", EXTENDED,
	  PROG(LD_NR, TAX, STX(7), LD_ARG(0), LD_MEM(7), JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "memory overwritten", REFUSED,
	  PROG(LD_NR, ST(0), LD_ARG(0), ST(0), LD_MEM(0), JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "the neighbour's memory", REFUSED,
	  PROG(LD_NR, ST(0), LD_ARG(0), ST(1), LD_MEM(1), JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "memory that holds nr on one way only", REFUSED,
	  PROG(LD_NR, ST(0), LD_ARG(0), JEQ(0, 0, 1), ST(0), LD_MEM(0), JEQ(OPENAT2, 0, 1),
	       EA, ALLOW) },
	{ "memory that was never written", REFUSED,
	  PROG(LD_MEM(0), JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "A holds nr on one way only", REFUSED,
	  PROG(LD_ARG(0), JEQ(0, 0, 1), LD_NR, JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "A holds a constant on one way only", REFUSED,
	  PROG(LD_NR, ST(0), LD_ARG(0), JEQ(0, 0, 2), LDX_IMM(OPENAT2), JA(1),
	       LDX_IMM(BETWEEN), LD_MEM(0), JEQ_X(0, 1), EA, ALLOW) },

	/* Constants: a branch that is never taken is dead code, and only that. */
	{ "A is 0 at the start", REFUSED, PROG(JEQ(0, 0, 1), EA, ALLOW) },
	{ "A is not 1 at the start", EXTENDED, PROG(JEQ(1, 0, 1), EA, ALLOW) },
	{ "X is 0 at the start", REFUSED, PROG(LD_NR, TXA, JEQ(0, 0, 1), EA, ALLOW) },
	{ "5 >= 5", REFUSED, PROG(LD_IMM(5), JGE(5, 0, 1), EA, ALLOW) },
	{ "5 > 5", EXTENDED, PROG(LD_IMM(5), JGT(5, 0, 1), EA, ALLOW) },
	{ "6 & 2", REFUSED, PROG(LD_IMM(6), JSET(2, 0, 1), EA, ALLOW) },
	{ "5 & 2", EXTENDED, PROG(LD_IMM(5), JSET(2, 0, 1), EA, ALLOW) },
	{ "a constant compared with nr", EXTENDED,
	  PROG(LD_NR, TAX, LD_IMM(OPENAT2), JEQ_X(0, 1), EA, ALLOW) },
	{ "435 > nr, or else 436 > nr", EXTENDED,
	  PROG(LD_NR, TAX, LD_IMM(435), JGT_X(3, 0), LD_IMM(436), JGT_X(0, 1), EA, ALLOW) },
	{ "435 > nr, or else 437 > nr", REFUSED,
	  PROG(LD_NR, TAX, LD_IMM(435), JGT_X(3, 0), LD_IMM(437), JGT_X(0, 1), EA, ALLOW) },
	{ "434 >= nr, or else 435 >= nr", EXTENDED,
	  PROG(LD_NR, TAX, LD_IMM(434), JGE_X(3, 0), LD_IMM(435), JGE_X(0, 1), EA, ALLOW) },
	{ "434 >= nr, or else 436 >= nr", REFUSED,
	  PROG(LD_NR, TAX, LD_IMM(434), JGE_X(3, 0), LD_IMM(436), JGE_X(0, 1), EA, ALLOW) },
	{ "400 + 37", EXTENDED,
	  PROG(LD_IMM(400), ALU(BPF_ADD, 37), TAX, LD_NR, JEQ_X(0, 1), EA, ALLOW) },
	{ "400 + 36", REFUSED,
	  PROG(LD_IMM(400), ALU(BPF_ADD, 36), TAX, LD_NR, JEQ_X(0, 1), EA, ALLOW) },

	/* The ABI: these two calls have the same number on both. */
	{ "arch is x86-64", EXTENDED,
	  PROG(LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 0, 3), LD_NR, JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "arch is i386", EXTENDED,
	  PROG(LD_ARCH, JEQ(AUDIT_ARCH_I386, 0, 3), LD_NR, JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "arch compared last", EXTENDED,
	  PROG(LD_NR, JEQ(OPENAT2, 0, 3), LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 0, 1), EA, ALLOW) },
	{ "arch is x86-64, nr unknown", REFUSED,
	  PROG(LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 0, 1), EA, ALLOW) },
	{ "arch is i386, nr unknown", REFUSED,
	  PROG(LD_ARCH, JEQ(AUDIT_ARCH_I386, 0, 1), EA, ALLOW) },
	{ "nr known on one ABI only", REFUSED,
	  PROG(LD_ARCH, JEQ(AUDIT_ARCH_I386, 2, 0), LD_NR, JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "nr known on the other ABI only", REFUSED,
	  PROG(LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 2, 0), LD_NR, JEQ(OPENAT2, 0, 1), EA, ALLOW) },
	{ "another call on each ABI", EXTENDED,
	  PROG(LD_ARCH, JEQ(AUDIT_ARCH_I386, 3, 0), LD_NR, JEQ(OPENAT2, 3, 0), ALLOW,
	       LD_NR, JEQ(CLONE3, 0, 1), EA, ALLOW) },
	{ "an ABI that x86 has not, which is dead code", EXTENDED,
	  PROG(LD_ARCH, JEQ(AUDIT_ARCH_AARCH64, 0, 1), EA, ALLOW) },
	{ "every ABI but one that x86 has not", REFUSED,
	  PROG(LD_ARCH, JEQ(AUDIT_ARCH_AARCH64, 1, 0), EA, ALLOW) },
};

/* Ways to install a filter, each from another kind of caller. */
static long by_root(const struct sock_fprog *prog)
{
	return install_seccomp(0, prog);
}

static long drop_privileges(void)
{
	return SYSCALL(__NR_setresuid, 65534, 65534, 65534);
}

static long by_user(const struct sock_fprog *prog)
{
	long ret = drop_privileges() ?: no_new_privs();

	return ret ?: install_prctl(prog);
}

static const struct {
	const char *name;
	long (*install)(const struct sock_fprog *prog);
} ways[] = {
	{ "seccomp(2) as root", by_root },
	{ "prctl(2) as a user", by_user },
};

/* How many filters this process has; -1 if that cannot be told. */
static int filters(void)
{
	char line[128];
	int count = -1;
	FILE *status = fopen("/proc/self/status", "re");

	if (!status)
		return -1;
	while (fgets(line, sizeof(line), status))
		sscanf(line, "Seccomp_filters: %d", &count);
	fclose(status);
	return count;
}

struct attempt {
	long (*install)(const struct sock_fprog *prog);
	const struct sock_fprog *prog;
};

#define HALF_DONE	255

/* Returns 0 or an errno; HALF_DONE if the process has not the filters that it should. */
static int attempt(void *arg)
{
	const struct attempt *attempt = arg;
	long ret = attempt->install(attempt->prog);

	if (filters() != !ret)
		return HALF_DONE;
	return -ret;
}

static int try(long (*install)(const struct sock_fprog *prog), const struct sock_fprog *prog)
{
	return in_child(attempt, &(struct attempt){ install, prog });
}

static void try_all(struct __test_metadata *_metadata, bool module)
{
	size_t i, way;

	stay_on_one_cpu();
	for (i = 0; i < ARRAY_SIZE(programs); i++) {
		const struct program *program = &programs[i];
		int expected = program->verdict == ORDINARY ? 0 :
			       program->verdict == EXTENDED && module ? 0 : EINVAL;

		for (way = 0; way < ARRAY_SIZE(ways); way++) {
			EXPECT_EQ(expected, try(ways[way].install, &program->prog)) {
				TH_LOG("\"%s\" by %s", program->name, ways[way].name);
			}
		}
	}
}

/*
 * First, before the many refusals below exhaust the rate limit of the log. The
 * guard is the verifier's report: the instruction, counted from 0, and errno.
 */
TEST(refusal_is_explained)
{
	const struct {
		const char *line;
		struct sock_fprog prog;
	} refusals[] = {
		{ EA_MODULE ": filter refused at instruction 0: ", PROG(EA, ALLOW) },
		{ EA_MODULE ": filter refused at instruction 3: ",
		  PROG(LD_NR, JEQ(OPENAT2, 0, 2), EA, LD(65), ALLOW) },
		{ EA_MODULE ": filter refused at instruction 5: ",
		  PROG(LD_NR, JEQ(OPENAT2, 0, 1), EA, LD_NR, JEQ(BETWEEN, 0, 1), EA, ALLOW) },
	};
	size_t i;
	int log;

	ASSERT_EQ(0, ea_load());
	log = log_open();
	ASSERT_LE(0, log);
	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		int tries = 0;
		bool found;

		/* Somebody else may have used up the rate limit's five seconds. */
		do {
			EXPECT_EQ(EINVAL, try(by_root, &refusals[i].prog));
			found = log_has(log, refusals[i].line);
		} while (!found && ++tries < 8 && sleep(1) == 0);
		EXPECT_TRUE(found) {
			TH_LOG("no \"%s\" in the log", refusals[i].line);
		}
	}
	close(log);
}

/* Ten times in five seconds, or who tries again and again could fill the log. */
TEST(explanations_are_limited)
{
	const struct sock_fprog prog = PROG(EA, ALLOW);
	const time_t start = time(NULL);
	int log, i, lines = 0;

	ASSERT_EQ(0, ea_load());
	log = log_open();
	ASSERT_LE(0, log);
	for (i = 0; i < 60; i++)
		ASSERT_EQ(EINVAL, try(by_root, &prog));
	while (log_has(log, EA_MODULE ": filter refused"))
		lines++;
	EXPECT_GE(10 * ((time(NULL) - start) / 5 + 2), lines);
	close(log);
}

TEST(with_module)
{
	ASSERT_EQ(0, ea_load());
	try_all(_metadata, true);
}

/* Without the module the kernel alone judges, and refuses all that is extended. */
TEST(without_module)
{
	ASSERT_EQ(0, ea_unload());
	try_all(_metadata, false);
	ASSERT_EQ(0, ea_load());
}

/* Fills @insns with a filter of @len instructions, all but five of them @insn. */
static struct sock_fprog long_program(struct sock_filter *insns, unsigned short len,
				      struct sock_filter insn)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		insns[i] = insn;
	insns[0] = (struct sock_filter)LDX_IMM(3);
	insns[1] = (struct sock_filter)LD_NR;
	insns[2] = (struct sock_filter)JEQ(OPENAT2, 1, 0);
	insns[3] = (struct sock_filter)JA(len - 5);
	insns[len - 1] = (struct sock_filter)ALLOW;
	return (struct sock_fprog){ .len = len, .filter = insns };
}

/* Installs a filter and runs it on a call that has a struct and on others. */
static int install_and_run(void *arg)
{
	struct open_how how = { .flags = O_PATH };
	long ret = install_seccomp(0, arg);

	if (ret < 0)
		return -ret;
	ret = sys_openat2(AT_FDCWD, "/", &how, sizeof(how));
	if (ret < 0)
		return 100;
	return close(ret) || getppid() < 0 ? 101 : 0;
}

/*
 * The longest programs, of instructions that become one of eBPF and of such
 * that become four: the extended program's jumps have to reach over all.
 */
TEST(longest)
{
	static const struct sock_filter kinds[] = {
		EA,
		BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
		JEQ(0x12345678, 0, 0),
	};
	struct sock_filter insns[BPF_MAXINSNS + 1];
	struct sock_fprog prog;
	size_t i;

	ASSERT_EQ(0, ea_load());
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		prog = long_program(insns, BPF_MAXINSNS, kinds[i]);
		insns[4] = (struct sock_filter)EA;
		EXPECT_EQ(0, in_child(install_and_run, &prog));

		/* A number that is compared last is known too late. */
		insns[BPF_MAXINSNS - 2] = (struct sock_filter)EA;
		insns[3] = (struct sock_filter)JA(BPF_MAXINSNS - 6);
		EXPECT_EQ(EINVAL, in_child(install_and_run, &prog));

		prog = long_program(insns, BPF_MAXINSNS + 1, kinds[i]);
		EXPECT_EQ(EINVAL, in_child(install_and_run, &prog));
	}
	prog.len = 0;
	EXPECT_EQ(EINVAL, in_child(install_and_run, &prog));
}

/* Installs @arg until it is too much; returns the errno of the last attempt. */
static int install_many(void *arg)
{
	long ret;
	int i;

	for (i = 0; i < 100; i++) {
		ret = install_seccomp(0, arg);
		if (ret)
			return -ret;
	}
	return 0;
}

/* The kernel bounds the sum of a thread's filters: extended ones count as well. */
TEST(too_many)
{
	struct sock_filter insns[BPF_MAXINSNS];
	struct sock_fprog prog = long_program(insns, BPF_MAXINSNS,
					      (struct sock_filter)EA);

	ASSERT_EQ(0, ea_load());
	EXPECT_EQ(ENOMEM, in_child(install_many, &prog));
}

static const struct sock_fprog good = PROG(LD_NR, JEQ(OPENAT2, 0, 1), EA, ALLOW);
static const struct sock_fprog bad = PROG(LD_NR, JEQ(BETWEEN, 0, 1), EA, ALLOW);

struct flagged {
	unsigned int flags;
	bool listener;
	long error;
};

/* Returns 0 if the bad program leaves nothing behind and the good one what it should. */
static int install_flagged(void *arg)
{
	const struct flagged *flagged = arg;
	int next = dup(0);
	long expected;

	close(next);
	expected = flagged->listener ? next : flagged->error;
	if (install_seccomp(flagged->flags, &bad) != -EINVAL)
		return 1;
	if (fcntl(next, F_GETFD) != -1 || filters() != 0)
		return 2;
	if (install_seccomp(flagged->flags, &good) != expected)
		return 3;
	return filters() != !flagged->error;
}

/*
 * Flags are the kernel's business, and a refused program must not leave a
 * listener behind.
 */
TEST(flags)
{
	static struct flagged cases[] = {
		{ SECCOMP_FILTER_FLAG_LOG, false, 0 },
		{ SECCOMP_FILTER_FLAG_SPEC_ALLOW, false, 0 },
		{ SECCOMP_FILTER_FLAG_TSYNC, false, 0 },
		{ SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
		  SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW, false, 0 },
		{ SECCOMP_FILTER_FLAG_NEW_LISTENER, true, 0 },
		{ SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
		  true, 0 },
		{ SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
		  SECCOMP_FILTER_FLAG_TSYNC_ESRCH, true, 0 },
		{ SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC, false, -EINVAL },
		{ 1U << 31, false, -EINVAL },
	};
	size_t i;

	ASSERT_EQ(0, ea_load());
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(0, in_child(install_flagged, &cases[i])) {
			TH_LOG("flags %#x", cases[i].flags);
		}
	}
}

static long by_user_who_may_gain(const struct sock_fprog *prog)
{
	long ret = drop_privileges();

	return ret ?: install_seccomp(0, prog);
}

/* The kernel's own checks come first: what they refuse never gets to the module. */
TEST(no_privileges)
{
	ASSERT_EQ(0, ea_load());
	EXPECT_EQ(EACCES, try(by_user_who_may_gain, &good));
	EXPECT_EQ(EACCES, try(by_user_who_may_gain, &bad));
}

/* A program that cannot be read is the kernel's error, not the verifier's. */
TEST(unreadable)
{
	struct sock_fprog prog = { .len = 4 };
	char *pages;

	ASSERT_EQ(0, ea_load());
	EXPECT_EQ(EFAULT, try(by_root, NULL));
	/* No program is no program, whatever its length. */
	EXPECT_EQ(EINVAL, try(by_root, &prog));
	prog.filter = (void *)8;
	EXPECT_EQ(EFAULT, try(by_root, &prog));
	prog.filter = (void *)(-1UL << 20);
	EXPECT_EQ(EFAULT, try(by_root, &prog));

	pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, pages);
	munmap(pages + PAGE, PAGE);
	prog.filter = (void *)(pages + PAGE - 3 * sizeof(struct sock_filter));
	EXPECT_EQ(EFAULT, try(by_root, &prog));
}

TEST_HARNESS_MAIN
