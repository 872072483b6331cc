// SPDX-License-Identifier: GPL-2.0
/* Offsets for stubs.S. This file is compiled to assembly only. */

#include <linux/kbuild.h>
#include <linux/sched.h>

int main(void)
{
	OFFSET(TASK_seccomp_mode, task_struct, seccomp.mode);
	return 0;
}
