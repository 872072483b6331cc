// SPDX-License-Identifier: GPL-2.0
/* Offsets for stubs.S. This file is compiled to assembly only. */

#include <linux/kbuild.h>
#include <linux/sched.h>

#include "nodes.h"

int main(void)
{
	OFFSET(TASK_seccomp_mode, task_struct, seccomp.mode);
	OFFSET(NODES_buckets, seccomp_ea_nodes, buckets);
	OFFSET(NODES_mask, seccomp_ea_nodes, mask);
	OFFSET(NODES_factor, seccomp_ea_nodes, factor);
	DEFINE(NODES_HASH_SHIFT, SECCOMP_EA_HASH_SHIFT);
	return 0;
}
