/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a filter sees of a struct, in all situations of situations.h, and that it
 * decides by what it sees.
 *
 * Includers have included kselftest_harness.h.
 */
#ifndef SELFTESTS_CONTRACT_H
#define SELFTESTS_CONTRACT_H

#include "situations.h"

/* ---- What filters see. ---- */

/*
 * The reader is one filter that reveals every word of the struct and the info
 * words, a byte at a time: the unused argument of the call under test has the
 * offset of the word and a shift, and the call gets the byte as its error (0 is a
 * success). 0 in the argument allows the call.
 *
 * There is one word more, a digest of the start of the struct, the end of its page
 * and the info words, because to read all of them takes long.
 */
#define READ_DIGEST	SECCOMP_EA_END
#define DIGEST_START	(SECCOMP_EA_BASE + 4 * 160)
#define DIGEST_END	(SECCOMP_EA_SIZE - 4 * 16)

#define SHIFT_BITS	13
#define QUESTION(offset, shift)	((shift) << SHIFT_BITS | (offset))

static inline bool in_digest(unsigned int offset)
{
	return offset < DIGEST_START || offset >= DIGEST_END;
}

static inline __u32 add_to_digest(__u32 so_far, __u32 word)
{
	return so_far * 31 + word;
}

static inline long install_reader(const struct call *call)
{
	static const struct sock_filter start[] = {
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, SHIFT_BITS),
		BPF_STMT(BPF_ST, 0),
		BPF_STMT(BPF_MISC | BPF_TXA, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (1 << SHIFT_BITS) - 1),
		JEQ(0, 0, 1),
		ALLOW,
		JEQ(READ_DIGEST, 1, 0),
	}, add[] = {
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 31),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		LD(0),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
	}, end[] = {
		BPF_STMT(BPF_LDX | BPF_MEM, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff),
		BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	static struct sock_filter insns[BPF_MAXINSNS];
	struct sock_fprog prog = { .filter = insns };
	struct sock_filter *insn = insns, *jump;
	unsigned int i, k;

	insn += select_calls(insn, call, false, offsetof(struct seccomp_data, args[call->unused]));
	for (i = 0; i < ARRAY_SIZE(start); i++)
		*insn++ = start[i];

	/* To the words, or on with the digest. */
	jump = insn++;
	*insn++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0);
	for (k = SECCOMP_EA_BASE; k < SECCOMP_EA_END; k += 4) {
		if (!in_digest(k))
			continue;
		for (i = 0; i < ARRAY_SIZE(add); i++)
			*insn++ = add[i];
		insn[-2].k = k;
	}
	for (i = 0; i < ARRAY_SIZE(end); i++)
		*insn++ = end[i];
	*jump = (struct sock_filter)JA(insn - jump - 1);

	for (k = SECCOMP_EA_BASE; k < SECCOMP_EA_END; k += 4) {
		*insn++ = (struct sock_filter)JEQ(k, 0, 2);
		*insn++ = (struct sock_filter)LD(k);
		*insn++ = (struct sock_filter)JA(3 * (SECCOMP_EA_END - 4 - k) / 4 + 1);
	}
	*insn++ = (struct sock_filter)ALLOW;
	for (i = 0; i < ARRAY_SIZE(end); i++)
		*insn++ = end[i];
	prog.len = insn - insns;
	return install_seccomp(0, &prog);
}

/* The word at @offset that the reader sees; -1, which is no word, if it did not answer. */
static inline __s64 read_word(const struct situation *s, unsigned int offset)
{
	__s64 word = 0;
	unsigned int shift;
	long args[NR_ARGS], ret;

	memcpy(args, s->args, sizeof(args));
	for (shift = 0; shift < 32; shift += 8) {
		args[s->call->unused] = QUESTION(offset, shift);
		/* No call, and so no child: it may well be answered with 0. */
		ret = raw_call(s->call->nr[abi], args, false);
		if (ret > 0 || ret < -0xff)
			return -1;
		word |= (__s64)-ret << shift;
	}
	return word;
}

struct seen {
	__s64 size, tail, error, digest;
};

/* What the contract says; after situation_enter(). */
static inline struct seen situation_expected(const struct situation *s)
{
	struct seen seen = { };
	__u32 digest = 0, word;
	size_t k;

	if (s->call->size == INSIDE && !is_mapped(s, s->call->field, sizeof(__u32))) {
		seen.error = EFAULT;
	} else {
		seen.size = s->size > UINT_MAX ? UINT_MAX : s->size;
		if (s->call->size == INSIDE && !s->size)
			seen.size = s->call->zero;
		if (seen.size > SECCOMP_EA_MAX)
			seen.error = E2BIG;
		else if (!is_mapped(s, 0, s->length))
			seen.error = EFAULT;
	}
	for (k = s->length; k && !seen.error && !seen.tail; k--) {
		if (image[k - 1])
			seen.tail = k;
	}

	for (k = 0; k < SECCOMP_EA_MAX; k += sizeof(word)) {
		if (!in_digest(SECCOMP_EA_BASE + k))
			continue;
		memcpy(&word, image + k, sizeof(word));
		digest = add_to_digest(digest, seen.error ? 0 : word);
	}
	digest = add_to_digest(digest, seen.size);
	digest = add_to_digest(digest, seen.tail);
	seen.digest = add_to_digest(digest, seen.error);
	return seen;
}

static inline void seen_print(const char *what, const struct seen *seen)
{
	printf("# %s size %lld, tail %lld, error %lld, digest %#llx\n", what,
	       seen->size, seen->tail, seen->error, seen->digest);
}

static inline void situation_compare_seen(struct situation *s, size_t i, void *differences)
{
	struct seen expected, seen;

	(void)i;
	situation_enter(s);
	expected = situation_expected(s);
	seen.digest = read_word(s, READ_DIGEST);
	if (seen.digest == expected.digest || ++*(long *)differences > 10)
		return;
	seen.size = read_word(s, SECCOMP_EA_SIZE);
	seen.tail = read_word(s, SECCOMP_EA_TAIL);
	seen.error = read_word(s, SECCOMP_EA_ERROR);
	seen_print("seen:    ", &seen);
	seen_print("expected:", &expected);
	situation_print(s);
}

/* Whether a filter of @call sees in every situation what the contract says. Leaves it behind. */
static inline int compare_seen(const struct call *call)
{
	long differences = 0;
	size_t nr;

	if (install_reader(call))
		return -1;
	nr = visit_situations(call, true, situation_compare_seen, &differences);
	printf("# %s: seen in %zu situations, %ld differences\n", call->name, nr, differences);
	return differences != 0;
}

/* A situation in which nothing is wrong but the size, perhaps. */
static inline struct situation plain_situation(const struct call *call, size_t size, size_t head)
{
	struct situation s = {
		.call = call,
		.context = call->contexts,
		.place = places,
		.size = size,
		.head = head,
	};

	situation_complete(&s);
	return s;
}

/*
 * Compares every word of the page one by one: each at its offset, and none left from
 * the struct before, which may have been longer. Leaves a filter behind.
 */
static inline int compare_words(const struct call *call)
{
	const size_t lengths[] = { PAGE, call->known };
	__u32 *words = (__u32 *)arena, expected;
	unsigned int i, j, wrong = 0;

	if (install_reader(call))
		return -1;
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct situation s = plain_situation(call, lengths[i], call->nr_heads);

		situation_enter(&s);
		for (j = 0; j < PAGE / 4; j++) {
			if (call->size != INSIDE || j != call->field / 4)
				words[j] = 0x01020304 * (j + 1);
		}
		for (j = 0; j < PAGE / 4; j++) {
			expected = 4 * j < lengths[i] ? words[j] : 0;
			if (read_word(&s, SECCOMP_EA_BASE + 4 * j) == expected)
				continue;
			printf("# %s: word %u of %zu bytes is wrong\n", call->name, j, lengths[i]);
			wrong++;
		}
		wrong += read_word(&s, SECCOMP_EA_SIZE) != (__s64)lengths[i];
		wrong += read_word(&s, SECCOMP_EA_TAIL) != (__s64)lengths[i];
		wrong += read_word(&s, SECCOMP_EA_ERROR) != 0;
	}
	return wrong;
}

/* ---- What filters decide. ---- */

#define WORD_DENIED	3000
#define WORD_VALUE	0xc0ffee42
#define MAX_WORDS	48

/* Decisions are asked for by the unused argument: one on each word, for and against ... */
#define DECISION(word, deny_equal)	(2 * (word) + 1 + (deny_equal))
/* ... and one on each info word. */
#define DECISION_SIZE	(2 * MAX_WORDS + 1)
#define DECISION_TAIL	(DECISION_SIZE + 1)
#define DECISION_ERROR	(DECISION_SIZE + 2)
#define NR_INFOS	3

/* What @word is compared with. A size has to be one. */
static inline __u32 decisive(const struct call *call, size_t word)
{
	if (call->size == INSIDE && word == call->field / 4)
		return call->known + 8;
	return WORD_VALUE;
}

/* One filter for all decisions, each of which compares one word. */
static inline long install_decisions(const struct call *call)
{
	const struct sock_filter info_decisions[] = {
		JEQ(DECISION_SIZE, 0, 3),
		LD(SECCOMP_EA_SIZE),
		JGT(call->known, 7, 0),
		ALLOW,
		JEQ(DECISION_TAIL, 0, 3),
		LD(SECCOMP_EA_TAIL),
		JGT(call->known, 3, 0),
		ALLOW,
		JEQ(DECISION_ERROR, 0, 2),
		LD(SECCOMP_EA_ERROR),
		JEQ(0, 0, 1),
		ALLOW,
		DENY(WORD_DENIED),
	};
	struct sock_filter insns[2 * NR_CALLS + 12 * MAX_WORDS + 64], *insn = insns;
	struct sock_fprog prog = { .filter = insns };
	size_t word, words = call->known / sizeof(__u32);
	int deny_equal;

	insn += select_calls(insn, call, false, offsetof(struct seccomp_data, args[call->unused]));
	for (word = 0; word < words; word++) {
		for (deny_equal = 0; deny_equal < 2; deny_equal++) {
			const struct sock_filter decision[] = {
				JEQ(DECISION(word, deny_equal), 0, 4),
				LD(SECCOMP_EA_BASE + 4 * word),
				JEQ(decisive(call, word), deny_equal, !deny_equal),
				ALLOW,
				DENY(WORD_DENIED),
			};

			memcpy(insn, decision, sizeof(decision));
			insn += ARRAY_SIZE(decision);
		}
	}
	memcpy(insn, info_decisions, sizeof(info_decisions));
	insn += ARRAY_SIZE(info_decisions);
	prog.len = insn - insns;
	return install_seccomp(0, &prog);
}

/* What becomes of @call with @word of its struct set, if @decision is asked for. */
static inline long decide(const struct call *call, size_t word, unsigned int decision)
{
	struct situation s = plain_situation(call, call->known, 0);
	__u32 value = decisive(call, word);

	situation_enter(&s);
	memset(arena + call->known, 0, PAGE - call->known);
	memcpy(arena + sizeof(value) * word, &value, sizeof(value));
	s.args[call->unused] = decision;
	return make_call(call, s.args);
}

/* Situations for the info words, and which of them reports it. */
static const struct info {
	const char *name;
	struct extent size;
	size_t tail;
	bool unmapped;
	/* By the order of DECISION_SIZE and so on. */
	bool denied[NR_INFOS];
} infos[] = {
	{ "as known", { .known = 1 }, 0, false, { false, false, false } },
	{ "larger by zeros", { .known = 1, .delta = 8 }, 0, false, { true, false, false } },
	{ "larger", { .known = 1, .delta = 8 }, 1, false, { true, true, false } },
	{ "a page, of zeros", { .delta = PAGE }, 0, false, { true, false, false } },
	{ "a page, its last byte not zero", { .delta = PAGE }, 3, false, { true, true, false } },
	{ "more than a page", { .delta = PAGE + 8 }, 0, false, { true, false, true } },
	{ "unmapped", { .known = 1 }, 0, true, { false, false, true } },
};

static inline long decide_info(const struct call *call, const struct info *info,
			       unsigned int decision)
{
	size_t size = info->size.delta + info->size.known * call->known;
	struct situation s = plain_situation(call, size, 0);

	s.tail = info->tail;
	situation_enter(&s);
	if (info->unmapped)
		s.args[call->pointer] = (long)arena + ARENA;
	s.args[call->unused] = decision;
	return make_call(call, s.args);
}

/*
 * Sets every word of the struct, one after the other, and has a filter compare
 * each word: only the one that was set may decide, for and against. Likewise for
 * the info words. Returns the number of wrong decisions; -1 if the filter was
 * refused. Leaves a filter behind.
 */
static inline int compare_decisions(const struct call *call)
{
	size_t words = call->known / sizeof(__u32), i;
	long allowed[MAX_WORDS], allowed_infos[ARRAY_SIZE(infos)];
	int wrong = 0;

	for (i = 0; i < words; i++)
		allowed[i] = decide(call, i, 0);
	for (i = 0; i < ARRAY_SIZE(infos); i++)
		allowed_infos[i] = decide_info(call, &infos[i], 0);
	if (install_decisions(call))
		return -1;

	for (i = 0; i < words * words * 2; i++) {
		size_t set = i / 2 / words, tested = i / 2 % words;
		bool deny_equal = i % 2;
		long ret = decide(call, set, DECISION(tested, deny_equal));
		long expected = (set == tested) == deny_equal ? -WORD_DENIED : allowed[set];

		if (ret == expected)
			continue;
		printf("# %s: %ld, not %ld: word %zu set, %s word %zu denied\n", call->name, ret,
		       expected, set, deny_equal ? "equal" : "other", tested);
		wrong++;
	}

	for (i = 0; i < ARRAY_SIZE(infos) * NR_INFOS; i++) {
		const struct info *info = &infos[i / NR_INFOS];
		size_t tested = i % NR_INFOS;
		long ret = decide_info(call, info, DECISION_SIZE + tested);
		long expected = info->denied[tested] ? -WORD_DENIED : allowed_infos[i / NR_INFOS];

		if (ret == expected)
			continue;
		printf("# %s: %ld, not %ld: %s, info word %zu tested\n", call->name, ret, expected,
		       info->name, tested);
		wrong++;
	}
	return wrong;
}

#endif /* SELFTESTS_CONTRACT_H */
