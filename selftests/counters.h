/* SPDX-License-Identifier: GPL-2.0 */
/* The module's counters, for tests of something else. */
#ifndef SELFTESTS_COUNTERS_H
#define SELFTESTS_COUNTERS_H

#include "common.h"

/* What a counter says, or -1 if there is none of that name. */
static inline long count_of(const char *counter)
{
	return read_number("/sys/kernel/debug/seccomp_ea/counters", counter);
}

#endif /* SELFTESTS_COUNTERS_H */
