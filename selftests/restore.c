// SPDX-License-Identifier: GPL-2.0
/*
 * Filters that are dumped by ptrace and installed elsewhere, as CRIU does: they are
 * what they were, and so are their verdicts.
 */
#include "kselftest_harness.h"
#include "tracee.h"

/* ---- Dumped and installed elsewhere, as by CRIU. ---- */

#define MAX_DUMPED	8

struct dump {
	unsigned int count;
	struct {
		struct sock_filter insns[128];
		unsigned int len;
		__u64 flags;
	} filters[MAX_DUMPED];
};

/* Dumps all filters of a tracee, the oldest one first, as ptrace numbers them. */
static long dump_filters(struct tracee *t, struct dump *dump)
{
	long ret;

	memset(dump, 0, sizeof(*dump));
	for (;;) {
		unsigned int i = dump->count;
		struct seccomp_metadata metadata = { .filter_off = i };

		ret = kernel_result(ptrace(PTRACE_SECCOMP_GET_FILTER, t->pid, i, NULL));
		if (ret == -ENOENT)
			return 0;
		if (ret < 0)
			return ret;
		if (i == MAX_DUMPED || ret > (long)ARRAY_SIZE(dump->filters[i].insns))
			return -E2BIG;
		dump->filters[i].len = ret;
		ret = kernel_result(ptrace(PTRACE_SECCOMP_GET_FILTER, t->pid, i,
					   dump->filters[i].insns));
		if (ret != dump->filters[i].len)
			return ret;
		ret = kernel_result(ptrace(PTRACE_SECCOMP_GET_METADATA, t->pid, sizeof(metadata),
					   &metadata));
		if (ret < 0)
			return ret;
		dump->filters[i].flags = metadata.flags;
		dump->count++;
	}
}

/* CRIU seizes the thread with its filters suspended, so that it can work with it. */
static long dump_tracee(struct tracee *t, struct dump *dump)
{
	long ret = seize(t, PTRACE_O_SUSPEND_SECCOMP) && interrupt(t) ? 0 : -ESRCH;

	if (!ret)
		ret = dump_filters(t, dump);
	ptrace(PTRACE_DETACH, t->pid, NULL, NULL);
	return ret;
}

/* What the tracee is to install: a dump, or the first time the filters themselves. */
static const struct dump *dumped;
static bool by_prctl;

static long install_dumped(void)
{
	unsigned int i;
	long ret = 0;

	for (i = 0; i < dumped->count && !ret; i++) {
		const struct sock_fprog prog = {
			.len = dumped->filters[i].len,
			.filter = (struct sock_filter *)dumped->filters[i].insns,
		};

		ret = by_prctl ? install_prctl(&prog) :
				 install_seccomp(dumped->filters[i].flags, &prog);
	}
	return ret;
}

/* Selects the calls of the table, by x86-64; the instructions after it are for them. */
static unsigned int select_all(struct sock_filter *insns)
{
	unsigned int len = 0, i;

	insns[len++] = (struct sock_filter)LD_ARCH;
	insns[len++] = (struct sock_filter)JEQ(AUDIT_ARCH_X86_64, 0, 1 + NR_CALLS);
	insns[len++] = (struct sock_filter)LD_NR;
	for (i = 0; i < NR_CALLS; i++) {
		/* What the kernel does not have no filter may name. */
		if (call_exists(&calls[i]))
			insns[len++] = (struct sock_filter)JEQ(calls[i].nr[X86_64], 0, 0);
	}
	insns[1].jf = len - 2;
	for (i = 3; i < len; i++)
		insns[i].jt = len - i;
	insns[len++] = (struct sock_filter)ALLOW;
	return len;
}

/* A chain of ordinary and of extended filters, with and without flags. */
static void make_chain(struct dump *chain)
{
	const struct sock_filter ordinary[] = {
		LD_NR, JEQ(__NR_getppid, 0, 1), DENY(DENIED), ALLOW,
	};
	const struct sock_filter on_tail[] = {
		LD(SECCOMP_EA_TAIL), JGT(40, 0, 1), DENY(DENIED), ALLOW,
	};
	const struct sock_filter on_registers[] = {
		LD_NR, JEQ(__NR_openat2, 0, 3), LD_ARG(3), JGT(PAGE, 0, 1), DENY(DENIED_2), ALLOW,
	};
	/* A bit of the sum of words, by way of X and of scratch memory. */
	const struct sock_filter on_words[] = {
		LD(SECCOMP_EA_BASE), BPF_STMT(BPF_ST, 3),
		LD(SECCOMP_EA_BASE + 16), BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_MEM, 3), BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0), LD(SECCOMP_EA_BASE + 8),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		JSET(1, 0, 1), DENY(DENIED_2), ALLOW,
	};
	const struct sock_filter on_error[] = {
		LD(SECCOMP_EA_ERROR), JEQ(0, 1, 0), DENY(ENOTUNIQ),
		LD(SECCOMP_EA_SIZE), JEQ(0, 0, 1), DENY(EL2HLT), ALLOW,
	};
	const struct {
		const struct sock_filter *insns;
		unsigned int len;
		bool extended;
		__u64 flags;
	} filters[] = {
		{ ordinary, ARRAY_SIZE(ordinary), false, SECCOMP_FILTER_FLAG_LOG },
		{ on_tail, ARRAY_SIZE(on_tail), true, 0 },
		{ on_registers, ARRAY_SIZE(on_registers), false, 0 },
		{ on_words, ARRAY_SIZE(on_words), true, SECCOMP_FILTER_FLAG_LOG },
		{ on_error, ARRAY_SIZE(on_error), true, 0 },
	};
	unsigned int i;

	memset(chain, 0, sizeof(*chain));
	chain->count = ARRAY_SIZE(filters);
	for (i = 0; i < chain->count; i++) {
		struct sock_filter *insns = chain->filters[i].insns;
		unsigned int len = filters[i].extended ? select_all(insns) : 0;

		memcpy(insns + len, filters[i].insns, filters[i].len * sizeof(*insns));
		chain->filters[i].len = len + filters[i].len;
		chain->filters[i].flags = filters[i].flags;
	}
}

#define MAX_VERDICTS	1024

/* What every call does with each of its structs, and with sizes and addresses that are bad. */
static struct verdicts {
	int count, denied;
	long ret[MAX_VERDICTS];
} *verdicts;

static void note_verdict(long ret)
{
	if (verdicts->count < MAX_VERDICTS)
		verdicts->ret[verdicts->count++] = ret;
	verdicts->denied += ret == -DENIED || ret == -DENIED_2 || ret == -ENOTUNIQ ||
			    ret == -EL2HLT;
}

static long judge_all(void)
{
	static const long sizes[] = { 0, 8, PAGE, PAGE + 8 };
	const struct call *call;
	size_t i;

	note_verdict(SYSCALL(__NR_getppid) > 0 ? 0 : -errno);
	for (call = calls; call < calls + NR_CALLS; call++) {
		long args[NR_ARGS];
		__u32 size;

		if (!call_exists(call))
			continue;
		any_call = call;
		for (i = 0; i < NR_ARGS; i++)
			args[i] = any_arg(i);
		for (i = 0; i < call->nr_heads + ARRAY_SIZE(sizes); i++) {
			memset(any_struct, 0, PAGE);
			put(call->heads + (i < call->nr_heads ? i : 0) * call->known);
			if (i >= call->nr_heads) {
				size = sizes[i - call->nr_heads];
				if (call->size == INSIDE)
					memcpy(any_struct + call->field, &size, sizeof(size));
				else
					args[call->size] = size;
			}
			if (call->reset)
				call->reset();
			note_verdict(make_call(call, args));
		}
		args[call->pointer] = 8;
		note_verdict(make_call(call, args));
	}
	return 0;
}

/* Has a new process install a chain, try all calls, and be dumped. */
static long try_chain(const struct dump *chain, struct verdicts *out, struct dump *dump)
{
	struct tracee t;
	long ret;

	dumped = chain;
	memset(verdicts, 0, sizeof(*verdicts));
	if (!tracee_start(&t, install_dumped)) {
		tracee_end(&t);
		return t.installed;
	}
	ret = order_result(&t, &FN(judge_all));
	if (!ret)
		ret = dump_tracee(&t, dump);
	*out = *verdicts;
	tracee_end(&t);
	return ret;
}

FIXTURE(dumped)
{
	struct dump chain, first, second;
	struct verdicts before, after;
};

FIXTURE_SETUP(dumped)
{
	stay_on_one_cpu();
	make_shared();
	verdicts = mmap(NULL, sizeof(*verdicts), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, verdicts);
	ASSERT_TRUE(prepare_calls());
	make_chain(&self->chain);
	ASSERT_EQ(0, try_chain(&self->chain, &self->before, &self->first));
	/* A dump is what was installed. */
	ASSERT_EQ(0, memcmp(&self->chain, &self->first, sizeof(self->chain)));
	/* A table in which nothing or everything is denied has not shown much. */
	ASSERT_LT(100, self->before.count);
	ASSERT_GT(MAX_VERDICTS, self->before.count);
	ASSERT_LT(20, self->before.denied);
	ASSERT_LT(20, self->before.count - self->before.denied);
}

FIXTURE_TEARDOWN(dumped) {}

TEST_F(dumped, and_installed)
{
	ASSERT_EQ(0, try_chain(&self->first, &self->after, &self->second));
	EXPECT_EQ(0, memcmp(&self->before, &self->after, sizeof(self->before)));
	EXPECT_EQ(0, memcmp(&self->first, &self->second, sizeof(self->first)));
	TH_LOG("%d verdicts, %d denied", self->after.count, self->after.denied);
}

TEST_F(dumped, and_installed_by_prctl)
{
	unsigned int i;

	by_prctl = true;
	ASSERT_EQ(0, try_chain(&self->first, &self->after, &self->second));
	EXPECT_EQ(0, memcmp(&self->before, &self->after, sizeof(self->before)));
	/* It has no flags. */
	for (i = 0; i < self->first.count; i++)
		self->first.filters[i].flags = 0;
	EXPECT_EQ(0, memcmp(&self->first, &self->second, sizeof(self->first)));
}

/* The order of filters in a chain matters: the verdicts do not agree by accident. */
TEST_F(dumped, and_installed_in_another_order)
{
	unsigned int i;

	self->second = self->first;
	for (i = 0; i < self->first.count; i++)
		self->first.filters[i] = self->second.filters[self->first.count - 1 - i];
	ASSERT_EQ(0, try_chain(&self->first, &self->after, &self->second));
	EXPECT_NE(0, memcmp(&self->before, &self->after, sizeof(self->before)));
	EXPECT_EQ(self->before.denied, self->after.denied);
}

/* A dump outlives the module. Without it there is nobody to install it. */
TEST_F(dumped, and_installed_after_reload)
{
	ASSERT_EQ(0, ea_unload_unused());
	EXPECT_EQ(-EINVAL, try_chain(&self->first, &self->after, &self->second));
	ASSERT_EQ(0, ea_load());
	ASSERT_EQ(0, try_chain(&self->first, &self->after, &self->second));
	EXPECT_EQ(0, memcmp(&self->before, &self->after, sizeof(self->before)));
	EXPECT_EQ(0, memcmp(&self->first, &self->second, sizeof(self->first)));
}

TEST_HARNESS_MAIN
