/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SECCOMP_EA_NODES_H
#define _SECCOMP_EA_NODES_H

#include <linux/types.h>

/*
 * Makes an offset of a bucket out of a product: its bits from 32 on say which, and hang
 * on all lower bits of both factors.
 */
#define SECCOMP_EA_HASH_SHIFT	(32 - 3)

/* The table of caches, as far as the stubs see it, made when the module is loaded. */
struct seccomp_ea_nodes {
	struct hlist_head *buckets;
	/* Of the offset of a bucket, in bytes. */
	unsigned long mask;
	/* Odd, and of this boot's own. */
	unsigned long factor;
};

extern struct seccomp_ea_nodes seccomp_ea_nodes;

#endif /* _SECCOMP_EA_NODES_H */
