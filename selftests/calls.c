// SPDX-License-Identifier: GPL-2.0
/*
 * All calls of calls.h in all situations of situations.h: whoever is allowed to
 * make them notices nothing else, filters see what the contract says, and every
 * word of every struct decides.
 */
#include "kselftest_harness.h"
#include "contract.h"

FIXTURE(calls) {};

FIXTURE_SETUP(calls)
{
	stay_on_one_cpu();
	ASSERT_EQ(0, ea_load());
	ASSERT_TRUE(prepare_calls());
	ASSERT_TRUE(make_arena(NULL));
	brief = slowness() > 1;
}

FIXTURE_TEARDOWN(calls) {}

/* Whether the next line of the module's table is about @call, or there is none if it is NULL. */
static bool is_next_row(FILE *table, const struct call *call)
{
	char line[4096], row[256];

	if (!table || !fgets(line, sizeof(line), table))
		return table && !call;
	if (call)
		snprintf(row, sizeof(row), "%s %s %u %u ", call->name,
			 call->structure + strlen("struct "), call->nr[X86_64], call->nr[I386]);
	return call && !strncmp(row, line, strlen(row));
}

/* The tests have the rows that the module has, no more and no less. */
TEST_F(calls, table)
{
	FILE *table = fopen("/sys/kernel/debug/seccomp_ea/calls", "re");
	size_t i;

	for (i = 0; i < NR_CALLS; i++)
		EXPECT_TRUE(is_next_row(table, &calls[i])) TH_LOG("row %zu", i);
	EXPECT_TRUE(is_next_row(table, NULL));
}

/* Whether a filter of its struct is installed if there is such a call, and refused if not. */
static int is_judged_by_existence(void *arg)
{
	const struct call *call = arg;
	const struct sock_fprog prog = PROG(
		LD_ARCH, JEQ(AUDIT_ARCH_X86_64, 1, 0), ALLOW,
		LD_NR, JEQ(call->nr[X86_64], 1, 0), ALLOW,
		LD(SECCOMP_EA_BASE), ALLOW);

	return install_seccomp(0, &prog) == (call_exists(call) ? 0 : -EINVAL);
}

/* A filter that names a call which this kernel does not have would be blind. */
TEST_F(calls, absent_are_refused)
{
	size_t i;

	for (i = 0; i < NR_CALLS; i++)
		EXPECT_EQ(1, in_child(is_judged_by_existence, (void *)&calls[i]))
			TH_LOG("row %zu", i);
}

/* The hand-off: faults and sizes come out at the call's own checks, in their order. */
TEST_F_TIMEOUT(calls, same_results, 600)
{
	EXPECT_EQ(0, compare_results());
}

/* The fetch: what is copied, what is cleared, and the info words. */
TEST_F_TIMEOUT(calls, seen, 400)
{
	EXPECT_EQ(0, test_each_call(compare_seen));
}

TEST_F_TIMEOUT(calls, every_word, 400)
{
	EXPECT_EQ(0, test_each_call(compare_words));
}

TEST_F_TIMEOUT(calls, every_word_decides, 400)
{
	EXPECT_EQ(0, test_each_call(compare_decisions));
}

/* The words are where the macros of the UAPI header say. */
_Static_assert(SECCOMP_EA_LO(struct open_how, resolve) == SECCOMP_EA_BASE + 16, "low word");
_Static_assert(SECCOMP_EA_HI(struct open_how, resolve) == SECCOMP_EA_BASE + 20, "high word");
_Static_assert(SECCOMP_EA_LO(struct xattr_args, size) == SECCOMP_EA_BASE + 8, "only word");

TEST_HARNESS_MAIN
