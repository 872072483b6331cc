// SPDX-License-Identifier: GPL-2.0
/*
 * The table of caches, by the address of the task.
 *
 * It has one size, so that the stubs can look into it, too (stubs.S): where a bucket
 * is empty no task of its hash has a cache.
 */

#include <linux/cache.h>
#include <linux/kmemleak.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "bindings_helper.h"
#include "nodes.h"

struct seccomp_ea_nodes seccomp_ea_nodes __ro_after_init;

/* Several buckets share a lock. */
static spinlock_t locks[256];

/* In bytes, see stubs.S. */
static unsigned long offset_of_bucket(unsigned long task)
{
	return (task * seccomp_ea_nodes.factor >> SECCOMP_EA_HASH_SHIFT) & seccomp_ea_nodes.mask;
}

static struct hlist_head *bucket_of(unsigned long task)
{
	return (void *)seccomp_ea_nodes.buckets + offset_of_bucket(task);
}

static spinlock_t *lock_of(unsigned long task)
{
	return &locks[offset_of_bucket(task) / sizeof(struct hlist_head) % ARRAY_SIZE(locks)];
}

/*
 * Makes a bucket for every 128 KiB of memory, and some more to have a power of two: as many
 * as there are threads at most, unless the kernel is told otherwise (set_max_threads() in
 * kernel/fork.c). From 128 GiB on it is a million. May sleep. -ENOMEM.
 */
int seccomp_ea_nodes_init(void)
{
	size_t count = clamp(roundup_pow_of_two(totalram_pages() / 32), SZ_1K, SZ_1M);
	unsigned int i;

	/* Zeroes are empty lists. */
	seccomp_ea_nodes.buckets = kvcalloc(count, sizeof(struct hlist_head), GFP_KERNEL);
	if (!seccomp_ea_nodes.buckets)
		return -ENOMEM;
	/* kmemleak looks for pointers in what can be written. */
	kmemleak_not_leak(seccomp_ea_nodes.buckets);
	seccomp_ea_nodes.mask = (count - 1) * sizeof(struct hlist_head);
	/* The time that a look-up takes is not to tell where tasks are. */
	seccomp_ea_nodes.factor = get_random_u64() | 1;
	for (i = 0; i < ARRAY_SIZE(locks); i++)
		spin_lock_init(&locks[i]);
	return 0;
}

void seccomp_ea_nodes_destroy(void)
{
	kvfree(seccomp_ea_nodes.buckets);
}

/* The caller is within an RCU read-side critical section. */
struct seccomp_ea_node *seccomp_ea_nodes_find(unsigned long task)
{
	struct seccomp_ea_node *node;

	hlist_for_each_entry_rcu(node, bucket_of(task), list)
		if (node->task == task)
			return node;
	return NULL;
}

/* The node of the current task, which only that task removes. */
struct seccomp_ea_node *seccomp_ea_nodes_find_current(void)
{
	/* Others that are passed by may be freed as soon as this is over. */
	guard(preempt)();
	return seccomp_ea_nodes_find((unsigned long)current);
}

void seccomp_ea_nodes_insert(struct seccomp_ea_node *node)
{
	guard(spinlock)(lock_of(node->task));
	hlist_add_head_rcu(&node->list, bucket_of(node->task));
}

void seccomp_ea_nodes_remove(struct seccomp_ea_node *node)
{
	guard(spinlock)(lock_of(node->task));
	hlist_del_rcu(&node->list);
}
