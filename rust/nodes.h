/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SECCOMP_EA_NODES_H
#define _SECCOMP_EA_NODES_H

#include <linux/types.h>

/* Makes an offset of a bucket out of a hash, of which the upper half is mixed best. */
#define SECCOMP_EA_HASH_SHIFT	(32 - 3)

/* The table of caches, as far as the stubs see it. */
struct seccomp_ea_nodes {
	struct hlist_head *buckets;
	/* Of the offset of a bucket, in bytes. */
	unsigned long mask;
};

#endif /* _SECCOMP_EA_NODES_H */
