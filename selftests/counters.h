/* SPDX-License-Identifier: GPL-2.0 */
/* The module's counters, for tests of something else. */
#ifndef SELFTESTS_COUNTERS_H
#define SELFTESTS_COUNTERS_H

#include "common.h"

/* What a counter says, or -1 if there is none of that name. */
static inline long count_of(const char *counter)
{
	FILE *f = fopen("/sys/kernel/debug/seccomp_ea/counters", "re");
	long value, found = -1;
	char name[64];

	while (f && fscanf(f, "%63s %ld", name, &value) == 2)
		if (!strcmp(name, counter))
			found = value;
	if (f)
		fclose(f);
	return found;
}

#endif /* SELFTESTS_COUNTERS_H */
