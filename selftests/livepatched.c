// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel with livepatches: its functions may have been replaced, copies of
 * structs included. The mark of one stays until the next boot, so this test has
 * to be the last.
 */
#include "common.h"
#include "kselftest_harness.h"

/* TAINT_LIVEPATCH */
#define LIVEPATCHED	"32768"

TEST(module_is_refused)
{
	int log;

	ASSERT_EQ(0, ea_unload());
	ASSERT_EQ(0, ea_load());
	ASSERT_EQ(0, ea_unload());
	ASSERT_TRUE(write_file("/proc/sys/kernel/tainted", LIVEPATCHED, 0));
	log = log_open();
	EXPECT_EQ(-EBUSY, ea_load());
	EXPECT_TRUE(log_has(log, "the kernel is livepatched"));
	EXPECT_FALSE(ea_loaded());
	close(log);
}

TEST_HARNESS_MAIN
