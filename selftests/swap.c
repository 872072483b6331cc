// SPDX-License-Identifier: GPL-2.0
/*
 * What race.c leaves to luck, without luck: the struct is rewritten after the
 * filter has seen it, and before the call reads it. Filters of all calls of calls.h
 * hand them to a supervisor, which puts another struct into the memory of the caller
 * and lets them continue. Every call has to do what it does with the first struct,
 * its size and its faults included.
 */
#include <pthread.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "situations.h"
#include "withhold.h"

/* In the unused argument of calls that are handed to the supervisor. */
#define SWAP	0x5a

/* What the memory of the caller looks like. */
struct moment {
	struct situation struct_;
	/* Which pages of the arena can be accessed. */
	bool first, second;
};

#define MAX_MOMENTS	(2 * ARRAY_SIZE(extents) + 32)

/* So that both pages of the arena matter. */
static const struct place across = { "across two pages", START, .delta = PAGE - 12 };

static struct moment moments[MAX_MOMENTS];
static size_t nr_moments;

static void add_moment(const struct call *call, size_t size, size_t head, size_t tail, bool first,
		       bool second)
{
	struct moment *moment = &moments[nr_moments++];

	*moment = (struct moment) {
		.struct_ = {
			.call = call,
			.context = call->contexts,
			.place = &across,
			.size = size,
			.head = head,
			.tail = tail,
		},
		.first = first,
		.second = second,
	};
	situation_complete(&moment->struct_);
}

static void make_moments(const struct call *call)
{
	size_t sizes[ARRAY_SIZE(extents)], i;
	bool key[ARRAY_SIZE(extents)];

	nr_moments = 0;
	for (i = 0; i <= call->nr_heads; i++)
		add_moment(call, call->known, i, 0, true, true);
	add_moment(call, call->known, 0, 0, false, true);
	add_moment(call, call->known, 0, 0, true, false);
	add_moment(call, call->known + 8, 0, 1, true, true);
	/* A size that is an argument is safe in its register. */
	if (call->size != INSIDE)
		return;
	for (i = make_sizes(call, sizes, key); i--;) {
		if (key[i] && sizes[i] != call->known)
			add_moment(call, sizes[i], 0, 0, true, true);
	}
	add_moment(call, PAGE, 0, 3, true, true);
	add_moment(call, PAGE, 0, 4, true, false);
}

static void protect(bool first, bool second)
{
	mprotect(arena, PAGE, first ? PROT_READ | PROT_WRITE : PROT_NONE);
	mprotect(arena + PAGE, PAGE, second ? PROT_READ | PROT_WRITE : PROT_NONE);
}

static void moment_enter(const struct moment *moment)
{
	protect(true, true);
	situation_enter(&moment->struct_);
	protect(moment->first, moment->second);
}

/* The struct that the supervisor puts in the place of the one that it finds. */
static const struct moment *volatile next;

static void *supervise(void *listener)
{
	struct seccomp_notif_resp response;
	struct seccomp_notif request;

	for (;;) {
		memset(&request, 0, sizeof(request));
		if (ioctl((long)listener, SECCOMP_IOCTL_NOTIF_RECV, &request))
			continue;
		moment_enter(next);
		response = (struct seccomp_notif_resp) {
			.id = request.id,
			.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
		};
		ioctl((long)listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
	return NULL;
}

static long install_supervised(const struct call *call)
{
	struct sock_filter insns[2 * NR_CALLS + 32];
	struct sock_fprog prog = { .filter = insns };

	prog.len = select_calls(insns, call, false, offsetof(struct seccomp_data, args[call->unused]));
	insns[prog.len++] = (struct sock_filter)JEQ(SWAP, 1, 0);
	insns[prog.len++] = (struct sock_filter)ALLOW;
	insns[prog.len++] = (struct sock_filter)LD(SECCOMP_EA_BASE);
	insns[prog.len++] = (struct sock_filter)RET(SECCOMP_RET_USER_NOTIF);
	return install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
}

/* What the call did, except for what it wrote to the struct. */
struct deed {
	long ret;
	__u64 digest;
	/* The kernel's size was written to the struct's. */
	bool corrected;
};

/* Makes the call with the struct of @moment, for the supervisor to swap it for @other. */
static struct deed moment_run(const struct moment *moment, const struct moment *other)
{
	const struct situation *last = &(other ?: moment)->struct_;
	const struct call *call = moment->struct_.call;
	size_t field = call->field;
	long args[NR_ARGS];
	struct deed deed;
	__u32 size;

	memcpy(args, moment->struct_.args, sizeof(args));
	if (other)
		args[call->unused] = SWAP;
	if (call->reset)
		call->reset();
	memset(out, GARBAGE, sizeof(out));
	next = other;
	moment_enter(moment);
	deed.ret = make_call(call, args);
	deed.digest = deed.ret >= 0 && call->effect ? call->effect() : 0;
	digest_bytes(&deed.digest, out, sizeof(out));
	protect(true, true);
	memcpy(&size, last->ptr + field, sizeof(size));
	deed.corrected = call->size == INSIDE && size != last->size;
	if (deed.corrected && size != call->known)
		deed.ret = -ENOTRECOVERABLE;
	return deed;
}

static int compare_swapped(const struct call *call)
{
	struct deed expected[MAX_MOMENTS];
	pthread_t supervisor;
	size_t i;
	long listener;
	int wrong = 0;

	make_moments(call);
	for (i = 0; i < nr_moments; i++)
		expected[i] = moment_run(&moments[i], NULL);
	listener = install_supervised(call);
	if (listener < 0 || pthread_create(&supervisor, NULL, supervise, (void *)listener))
		return -1;
	for (i = 0; i < nr_moments * nr_moments; i++) {
		const struct moment *before = &moments[i / nr_moments];
		const struct moment *after = &moments[i % nr_moments];
		const struct deed *right = &expected[i / nr_moments];
		struct deed deed = moment_run(before, after);

		/* A size can be corrected where there is memory, and if it is not right already. */
		if (deed.ret == right->ret && deed.digest == right->digest &&
		    (deed.corrected == right->corrected || !before->first || !after->first ||
		     after->struct_.size == call->known))
			continue;
		if (++wrong > 10)
			continue;
		printf("# %ld, not %ld%s, by the first one of these, pages %d%d and %d%d\n",
		       deed.ret, right->ret, deed.digest != right->digest ? ", written differs" : "",
		       before->first, before->second, after->first, after->second);
		situation_print(&before->struct_);
		situation_print(&after->struct_);
	}
	printf("# %s: %zu structs swapped for each other, %d wrong\n", call->name, nr_moments, wrong);
	return wrong;
}

/* ---- While it is fetched. ---- */

static const struct place before_size = { "before its size, another page", START, .delta = PAGE, .field = -1 };

struct withheld {
	int uffd;
	/* How much of the struct. */
	size_t length;
};

/* Provides the memory that is withheld, but not before the size is another one. */
static void *provide(void *arg)
{
	const struct withheld *withheld = arg;
	static char content[PAGE];
	struct uffdio_copy copy = {
		.dst = (uintptr_t)arena,
		.src = (uintptr_t)content,
		.len = PAGE,
	};
	const __u32 size = PAGE;

	if (is_waited_for(withheld->uffd, -1)) {
		memcpy(arena + PAGE, &size, sizeof(size));
		memcpy(content + PAGE - withheld->length, image, withheld->length);
		ioctl(withheld->uffd, UFFDIO_COPY, &copy);
	}
	return NULL;
}

/*
 * Where the size is not the first word, a struct can be such that its size is read,
 * and then the rest from a page that is not there yet. The size in the struct that
 * the filter sees must be the one that was read, not what it became meanwhile.
 */
static int compare_size_word(const struct call *call)
{
	struct sock_filter insns[2 * NR_CALLS + 32];
	struct sock_fprog prog = { .filter = insns };
	struct situation s = {
		.call = call,
		.context = call->contexts,
		.place = &before_size,
		.size = call->known,
	};
	struct withheld withheld = { .length = call->field };
	pthread_t provider;
	long allowed, ret;

	if (call->size != INSIDE || !call->field)
		return 0;
	situation_complete(&s);
	situation_enter(&s);
	allowed = make_call(call, s.args);

	prog.len = select_calls(insns, call, false, SECCOMP_EA_BASE + call->field);
	insns[prog.len++] = (struct sock_filter)JEQ(call->known, 1, 0);
	insns[prog.len++] = (struct sock_filter)DENY(ENOTRECOVERABLE);
	insns[prog.len++] = (struct sock_filter)ALLOW;

	withheld.uffd = withhold(arena, PAGE);
	if (withheld.uffd < 0 || madvise(arena, PAGE, MADV_REMOVE) ||
	    pthread_create(&provider, NULL, provide, &withheld) || install_seccomp(0, &prog))
		return -1;
	ret = make_call(call, s.args);
	pthread_join(provider, NULL);
	if (ret != allowed)
		printf("# %s: %ld, not %ld\n", call->name, ret, allowed);
	return ret != allowed;
}

FIXTURE(swap) {};

FIXTURE_SETUP(swap)
{
	/* The caller waits while the supervisor runs. */
	stay_on_one_cpu();
	ASSERT_EQ(0, ea_load());
	ASSERT_TRUE(prepare_calls());
	ASSERT_TRUE(make_arena(NULL));
}

FIXTURE_TEARDOWN(swap) {}

TEST_F_TIMEOUT(swap, seen_is_executed, 400)
{
	EXPECT_EQ(0, test_each_call(compare_swapped));
}

TEST_F_TIMEOUT(swap, size_is_what_was_read, 400)
{
	EXPECT_EQ(0, test_each_call(compare_size_word));
}

TEST_HARNESS_MAIN
