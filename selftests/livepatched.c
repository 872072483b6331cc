// SPDX-License-Identifier: GPL-2.0
/*
 * Livepatches: they replace functions, and the copies of structs in them with
 * others that nobody serves. The mark of one stays until the next boot, so this
 * test has to be the last.
 */
#include "common.h"
#include "kselftest_harness.h"

/* One of the kernel's own; it says so in /proc/cmdline. */
#define LIVEPATCH	"test_klp_livepatch"
#define LIVEPATCH_FILE	"/selftests/" LIVEPATCH ".ko"
#define LIVEPATCH_SAYS	"this has been live patched"

static long load_livepatch(void)
{
	int fd = open(LIVEPATCH_FILE, O_RDONLY | O_CLOEXEC);
	long ret = SYSCALL(__NR_finit_module, fd, "", 0);

	close(fd);
	return ret;
}

static bool is_livepatched(void)
{
	char line[256] = "";
	FILE *f = fopen("/proc/cmdline", "re");

	if (f) {
		fgets(line, sizeof(line), f);
		fclose(f);
	}
	return strstr(line, LIVEPATCH_SAYS);
}

/*
 * What is loaded first stays: the module does not let a livepatch in, and the
 * other way round, once it was unloaded for it.
 */
TEST(either_module_or_livepatch)
{
	int log = log_open();

	if (access(LIVEPATCH_FILE, R_OK))
		SKIP(return, "this kernel has no livepatches");
	ASSERT_EQ(0, ea_load());
	EXPECT_EQ(-EBUSY, load_livepatch());
	EXPECT_TRUE(log_has(log, LIVEPATCH " is a livepatch, refused"));
	EXPECT_FALSE(is_livepatched());

	ASSERT_EQ(0, ea_unload());
	EXPECT_EQ(0, load_livepatch());
	EXPECT_TRUE(is_livepatched());
	EXPECT_EQ(-EBUSY, ea_load());
	EXPECT_TRUE(log_has(log, "the kernel is livepatched"));
	EXPECT_FALSE(ea_loaded());
	close(log);
}

TEST_HARNESS_MAIN
