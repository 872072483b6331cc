// SPDX-License-Identifier: GPL-2.0
/*
 * SECCOMP_RET_USER_NOTIF in all its forms, with supervisors that read the struct
 * through the device: what they read belongs to the notification that they have,
 * and a call that they let continue runs on it, whatever is in memory by then.
 *
 * Most calls make a file without a name. Its permissions are those of the struct
 * that was executed, and a register that openat2 does not look at tells the
 * supervisor of what the caller has meant.
 */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "counters.h"
#include "situations.h"
#include "supervise.h"

/* How long to wait for what has to happen, in milliseconds. */
#define PATIENCE	20000

/* No call here returns it of its own accord. */
#define DENIED		EDOTDOT

/* Permissions by which filters decide: these two are not notified. */
#define ALLOWED		02000
#define REFUSED		04000

/* What is put into memory that nobody must look at any more. */
#define EVIL		01777

#define MODE		SECCOMP_EA_LO(struct open_how, mode)

/* Hands openat2 to the supervisor. */
static const struct sock_fprog notify_openat2 = PROG(
	LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
	LD(MODE), JSET(ALLOWED, 2, 0), JSET(REFUSED, 2, 0),
	RET(SECCOMP_RET_USER_NOTIF), ALLOW, DENY(DENIED));

/* Looks at openat2, and lets it pass. */
static const struct sock_fprog look_at_openat2 = PROG(
	LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
	LD(MODE), JEQ(EVIL, 0, 1), DENY(DENIED), ALLOW);

/* What a supervisor and those that it supervises share. */
static struct shared {
	/* The struct of who has no other. */
	struct open_how how;
	struct mnt_id_req req;
	/* For the two to do in turns. */
	volatile int stage;
	volatile int handled;
	unsigned int modes[8];
	volatile long ret[8], handler_ret[8];
	unsigned int handler_mode;
	int signal_flags;
} *shared;

static void make_how(struct open_how *how, unsigned int mode)
{
	*how = (struct open_how) { .flags = O_TMPFILE | O_RDWR, .mode = mode };
}

/* The permissions of the file that the call has made, or an error. */
static long make_file(const struct open_how *how, unsigned int meant)
{
	long ret = SYSCALL(__NR_openat2, AT_FDCWD, ".", how, sizeof(*how), meant);
	struct stat st;

	if (ret < 0)
		return ret;
	if (fstat(ret, &st))
		return -errno;
	close(ret);
	return st.st_mode & 07777;
}

/* Makes a file by the struct that is shared. */
static long make_shared(unsigned int mode)
{
	make_how(&shared->how, mode);
	return make_file(&shared->how, mode);
}

static void await(int stage)
{
	while (shared->stage < stage)
		nap();
}

static bool awaited(const volatile int *what, int value)
{
	int i;

	for (i = 0; i < PATIENCE && *what < value; i++)
		nap();
	return *what >= value;
}

/* Whether the thread comes to be in a state, by its letter in /proc. */
static bool comes_to_be(pid_t pid, char state)
{
	char path[64], now;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (i = 0; i < PATIENCE; i++, nap()) {
		FILE *f = fopen(path, "re");
		bool read = f && fscanf(f, "%*d (%*[^)]) %c", &now) == 1;

		if (f)
			fclose(f);
		if (read && now == state)
			return true;
	}
	return false;
}

/* Caches may take a moment to be freed. */
static bool caches_return_to(long value)
{
	int i;

	for (i = 0; i < PATIENCE && count_of("caches") != value; i++)
		nap();
	return count_of("caches") == value;
}

/* ---- Supervisors. ---- */

static int device;

/* Receives a notification; none is left of a call that a signal has interrupted. */
static bool receive(int listener, struct seccomp_notif *notif)
{
	int i;

	for (i = 0; i < PATIENCE; i++) {
		if (!notif_waits(listener, PATIENCE))
			return false;
		if (!notif_receive(listener, notif))
			return true;
	}
	return false;
}

static bool put_memory(pid_t pid, __u64 address, const void *bytes, size_t length)
{
	const struct iovec local = { (void *)bytes, length };
	const struct iovec remote = { (void *)(uintptr_t)address, length };

	return process_vm_writev(pid, &local, 1, &remote, 1, 0) == (ssize_t)length;
}

/* The permissions in the struct that is pinned for a notification, or an error. */
static long pinned_mode(const struct seccomp_notif *notif)
{
	struct seccomp_ea_pinned pinned;
	struct open_how how;
	long ret = read_pinned(device, notif->pid, &pinned, &how, sizeof(how));

	if (ret)
		return ret;
	if (pinned.nr != __NR_openat2 || pinned.arch != AUDIT_ARCH_X86_64 ||
	    pinned.size != sizeof(how) || pinned.error || how.flags != (O_TMPFILE | O_RDWR) ||
	    how.resolve || pinned.pid != notif->pid)
		return -EBADMSG;
	/* The last byte that is not zero is one of the permissions, if these are not. */
	if (pinned.tail != (how.mode > 0377 ? 10 : how.mode ? 9 : 3))
		return -EBADMSG;
	return how.mode;
}

/*
 * A supervisor that reads every struct, puts another one into the memory of the
 * caller, reads again, and has the call continue. It ends when there is nobody left
 * to be supervised.
 */
struct supervisor {
	int listener;
	volatile int continued, wrong;
	/* What was wrong first. */
	const char *volatile complaint;
	/* A thread that notified, for whoever wants to know more of it. */
	volatile pid_t pid;
	pthread_t thread;
};

static const char *serve_one(const struct supervisor *s, const struct seccomp_notif *notif)
{
	struct open_how evil;

	make_how(&evil, EVIL);
	if (notif->data.nr != __NR_openat2)
		return "another call";
	if (pinned_mode(notif) != (long)notif->data.args[4])
		return "another struct";
	if (!put_memory(notif->pid, notif->data.args[2], &evil, sizeof(evil)))
		return "memory not written";
	if (pinned_mode(notif) != (long)notif->data.args[4])
		return "another struct after it was written";
	if (notif_continue(s->listener, notif->id))
		return "not continued";
	return NULL;
}

static void *supervisor_thread(void *arg)
{
	struct supervisor *s = arg;

	for (;;) {
		struct pollfd wait = { .fd = s->listener, .events = POLLIN };
		struct seccomp_notif notif;
		const char *complaint;

		if (poll(&wait, 1, -1) == 1 && !(wait.revents & POLLIN))
			break;
		if (notif_receive(s->listener, &notif))
			continue;
		s->pid = notif.pid;
		complaint = serve_one(s, &notif);
		s->continued++;
		if (!complaint)
			continue;
		if (!s->wrong++)
			s->complaint = complaint;
		notif_continue(s->listener, notif.id);
	}
	close(s->listener);
	return NULL;
}

static bool supervisor_start(struct supervisor *s, int listener)
{
	*s = (struct supervisor) { .listener = listener };
	return !pthread_create(&s->thread, NULL, supervisor_thread, s);
}

/* Whether it had exactly so many calls, and all of them as they should be. */
static bool supervisor_was_right(const struct supervisor *s, int calls)
{
	if (s->wrong || s->continued != calls)
		printf("# %d of %d calls, %d wrong: %s\n", s->continued, calls, s->wrong,
		       s->complaint ?: "none");
	return !s->wrong && s->continued == calls;
}

static bool supervisor_end(struct supervisor *s, int calls)
{
	pthread_join(s->thread, NULL);
	return supervisor_was_right(s, calls);
}

/* ---- The supervised. ---- */

#define ROUNDS		40

/* Makes calls by structs of its own, one after the other at the same place. */
static int call_often(unsigned int first)
{
	struct open_how how;
	int wrong = 0, i;

	for (i = 0; i < ROUNDS; i++) {
		const unsigned int mode = (first + i) & 0777;
		long ret;

		make_how(&how, mode);
		ret = make_file(&how, mode);
		/* The supervisor has been there, and it made no difference. */
		if (ret == mode && ((volatile struct open_how *)&how)->mode == EVIL)
			continue;
		if (!wrong++)
			printf("# round %d of %#o: %#lo, %#llo in memory\n", i, first, ret, how.mode);
	}
	return wrong;
}

static void *call_often_thread(void *arg)
{
	return (void *)(long)call_often((long)arg);
}

#define THREADS		2

/* Two threads and a child, which have the filter of who called. */
static int call_often_all(void *arg)
{
	const long first = (long)arg;
	pthread_t threads[THREADS];
	int wrong = 0, i;
	void *result;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(call_often(first) != 0);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, call_often_thread, (void *)(first + 256 * (i + 1))))
			return 1;
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		wrong += result != NULL;
	}
	return wrong + (exit_status(pid) != 0);
}

/* The calls of the above. */
#define CALLS_ALL	((THREADS + 1) * ROUNDS)

static long caches;

static void set_up(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, ea_load());
	umask(0);
	device = ea_device();
	ASSERT_LE(0, device);
	caches = count_of("caches");
	ASSERT_LE(0, caches);
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	/* Whoever loses its parent is waited for here. */
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
}

FIXTURE(notify) {};

FIXTURE_SETUP(notify)
{
	set_up(_metadata);
}

FIXTURE_TEARDOWN(notify)
{
	/* Nobody is left, and so are none of their structs. */
	EXPECT_TRUE(caches_return_to(caches));
}

/* ---- Who rewrites the struct. ---- */

static int open_parent(void *arg)
{
	const struct open_how *how = arg;
	int i;

	for (i = 0; i < 2; i++) {
		long ret = SYSCALL(__NR_openat2, AT_FDCWD, "..", how, sizeof(*how));

		shared->ret[i] = ret < 0 ? ret : 0;
	}
	return 0;
}

/* By a mapping of their own, by the other's addresses, and by the other's file in /proc. */
static bool rewrite_shared(pid_t pid, struct open_how *at, const struct open_how *how)
{
	(void)pid;
	*at = *how;
	return true;
}

static bool rewrite_remote(pid_t pid, struct open_how *at, const struct open_how *how)
{
	return put_memory(pid, (uintptr_t)at, how, sizeof(*how));
}

static bool rewrite_file(pid_t pid, struct open_how *at, const struct open_how *how)
{
	char path[64];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = pwrite(fd, how, sizeof(*how), (uintptr_t)at) == sizeof(*how);
	close(fd);
	return ok;
}

/* What the call did tells: ".." is not beneath. */
TEST_F(notify, rewritten_by_others)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(SECCOMP_EA_LO(struct open_how, resolve)), RET(SECCOMP_RET_USER_NOTIF));
	const struct open_how beneath = { .flags = O_PATH, .resolve = RESOLVE_BENEATH };
	const struct open_how anywhere = { .flags = O_PATH };
	bool (*const rewrites[])(pid_t, struct open_how *, const struct open_how *) = {
		rewrite_shared, rewrite_remote, rewrite_file,
	};
	struct seccomp_ea_pinned pinned;
	struct seccomp_notif notif;
	struct supervised child;
	struct open_how how;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(rewrites); i++) {
		shared->how = beneath;
		ASSERT_EQ(0, supervise(&child, &prog, 0, open_parent, &shared->how));
		/* The second call is given the struct that the first one has not had. */
		for (j = 0; j < 2; j++) {
			const struct open_how *first = j ? &anywhere : &beneath;
			const struct open_how *then = j ? &beneath : &anywhere;

			ASSERT_TRUE(receive(child.listener, &notif));
			EXPECT_EQ(child.pid, (pid_t)notif.pid);
			ASSERT_EQ(0, memcmp(&shared->how, first, sizeof(how)));
			ASSERT_EQ(0, read_pinned(device, notif.pid, &pinned, &how, sizeof(how)));
			EXPECT_EQ(0, memcmp(&how, first, sizeof(how)));
			ASSERT_TRUE(rewrites[i](notif.pid, &shared->how, then));
			ASSERT_EQ(0, memcmp(&shared->how, then, sizeof(how)));
			ASSERT_EQ(0, read_pinned(device, notif.pid, &pinned, &how, sizeof(how)));
			EXPECT_EQ(0, memcmp(&how, first, sizeof(how)));
			EXPECT_EQ(0, notif_continue(child.listener, notif.id));
		}
		EXPECT_EQ(0, exit_status(child.pid));
		EXPECT_EQ(-EXDEV, shared->ret[0]);
		EXPECT_EQ(0, shared->ret[1]);
		close(child.listener);
	}
}

/* What a thread of the process can do to the page of a struct. */
static void page_rewrite(struct open_how *how)
{
	how->mode = EVIL;
}

static void page_drop(struct open_how *how)
{
	madvise(how, PAGE, MADV_DONTNEED);
}

static void page_protect(struct open_how *how)
{
	mprotect(how, PAGE, PROT_NONE);
}

static void page_unmap(struct open_how *how)
{
	munmap(how, PAGE);
}

static void page_replace(struct open_how *how)
{
	mmap(how, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	make_how(how, EVIL);
}

static void (*const page_actions[])(struct open_how *) = {
	page_rewrite, page_drop, page_protect, page_unmap, page_replace,
};

static struct open_how *page_of_struct;

static void *act_on_pages(void *arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(page_actions); i++) {
		await(2 * i + 1);
		page_actions[i](page_of_struct);
		shared->stage++;
	}
	return NULL;
}

static int call_while_acted_on(void *arg)
{
	pthread_t thread;
	size_t i;

	(void)arg;
	if (pthread_create(&thread, NULL, act_on_pages, NULL))
		return 1;
	for (i = 0; i < ARRAY_SIZE(page_actions); i++) {
		page_of_struct = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		make_how(page_of_struct, 0100 + i);
		shared->ret[i] = make_file(page_of_struct, 0100 + i);
	}
	return pthread_join(thread, NULL);
}

TEST_F(notify, rewritten_by_a_sibling)
{
	struct seccomp_notif notif;
	struct supervised child;
	size_t i;

	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, call_while_acted_on, NULL));
	for (i = 0; i < ARRAY_SIZE(page_actions); i++) {
		ASSERT_TRUE(receive(child.listener, &notif));
		EXPECT_EQ(0100 + (long)i, pinned_mode(&notif));
		shared->stage++;
		ASSERT_TRUE(awaited(&shared->stage, 2 * i + 2));
		EXPECT_EQ(0100 + (long)i, pinned_mode(&notif));
		EXPECT_EQ(0, notif_continue(child.listener, notif.id));
	}
	EXPECT_EQ(0, exit_status(child.pid));
	for (i = 0; i < ARRAY_SIZE(page_actions); i++)
		EXPECT_EQ(0100 + (long)i, shared->ret[i]);
}

/* ---- A tree of processes. ---- */

#define SIBLINGS	4

/* The root of a tree looks at the calls itself, and each of its children has a listener. */
static int run_siblings(void *arg)
{
	struct supervisor supervisors[SIBLINGS];
	struct supervised children[SIBLINGS];
	int wrong = 0;
	long i;

	(void)arg;
	if (no_new_privs() || install_seccomp(0, &look_at_openat2))
		return 1;
	for (i = 0; i < SIBLINGS; i++)
		if (supervise(&children[i], &notify_openat2, 0, call_often_all, (void *)(100 * i)) ||
		    !supervisor_start(&supervisors[i], children[i].listener))
			return 2;
	for (i = 0; i < SIBLINGS; i++)
		wrong += exit_status(children[i].pid) != 0;
	for (i = 0; i < SIBLINGS; i++)
		wrong += !supervisor_end(&supervisors[i], CALLS_ALL);
	return wrong;
}

TEST_F(notify, siblings_with_listeners)
{
	EXPECT_EQ(0, in_child(run_siblings, NULL));
}

/* Children of a supervised process, with filters of their own above its. */
static int call_below(void *arg)
{
	const struct sock_fprog refuse = PROG(
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(MODE), JEQ(0777, 0, 1), DENY(DENIED), ALLOW);
	struct open_how how;

	(void)arg;
	/* A chain has one listener. */
	if (install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &notify_openat2) != -EBUSY)
		return 101;
	if (install_seccomp(0, &look_at_openat2) || install_seccomp(0, &refuse))
		return 102;
	/* The supervisor is not asked what a filter refuses. */
	make_how(&how, 0777);
	if (make_file(&how, 0777) != -DENIED || how.mode != 0777)
		return 103;
	return call_often(0200);
}

static int call_with_children(void *arg)
{
	int status = 0, i;
	pid_t pids[3];

	(void)arg;
	for (i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(call_below(NULL));
	}
	status = call_often(0100);
	for (i = 0; i < 3; i++)
		status = exit_status(pids[i]) ?: status;
	return status;
}

TEST_F(notify, children_with_filters)
{
	struct supervisor supervisor;
	struct supervised child;

	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, call_with_children, NULL));
	ASSERT_TRUE(supervisor_start(&supervisor, child.listener));
	EXPECT_EQ(0, exit_status(child.pid));
	EXPECT_TRUE(supervisor_end(&supervisor, 4 * ROUNDS));
}

#define ORPHANS		3

/* Who has installed the filter is gone before anybody calls. */
static int leave_orphans(void *arg)
{
	long i;

	(void)arg;
	for (i = 0; i < ORPHANS; i++) {
		if (fork() == 0) {
			await(1);
			shared->ret[i] = call_often(100 * i);
			_exit(0);
		}
	}
	return 0;
}

TEST_F(notify, installer_is_gone)
{
	struct supervisor supervisor;
	struct supervised child;
	int i;

	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, leave_orphans, NULL));
	ASSERT_TRUE(supervisor_start(&supervisor, child.listener));
	ASSERT_EQ(0, exit_status(child.pid));
	for (i = 0; i < ORPHANS; i++)
		shared->ret[i] = 1;
	shared->stage = 1;
	EXPECT_TRUE(supervisor_end(&supervisor, ORPHANS * ROUNDS));
	while (wait(NULL) > 0)
		;
	for (i = 0; i < ORPHANS; i++)
		EXPECT_EQ(0, shared->ret[i]);
}

/* ---- TSYNC. ---- */

static void *call_when_synced(void *arg)
{
	await(1);
	return call_often_thread(arg);
}

#define SYNCED		4

/* All threads get the listener's filter, and what is above it; the supervisor is one of them. */
static int run_synced(void *arg)
{
	pthread_t threads[SYNCED];
	struct supervisor supervisor;
	int wrong = 0;
	void *result;
	long i, listener;

	(void)arg;
	if (no_new_privs() || install_seccomp(0, &look_at_openat2))
		return 1;
	for (i = 0; i < SYNCED; i++)
		if (pthread_create(&threads[i], NULL, call_when_synced, (void *)(100 * i)))
			return 2;
	listener = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
				   SECCOMP_FILTER_FLAG_TSYNC_ESRCH, &notify_openat2);
	if (listener < 0 || install_seccomp(SECCOMP_FILTER_FLAG_TSYNC, &look_at_openat2) ||
	    !supervisor_start(&supervisor, listener))
		return 3;
	shared->stage = 1;
	for (i = 0; i < SYNCED; i++) {
		pthread_join(threads[i], &result);
		wrong += result != NULL;
	}
	return wrong + !supervisor_was_right(&supervisor, SYNCED * ROUNDS);
}

TEST_F(notify, tsync)
{
	EXPECT_EQ(0, in_child(run_synced, NULL));
}

/* ---- Signals. ---- */

/* The handler makes a call of its own, by a struct of its own. */
static void on_signal(int sig)
{
	static struct open_how hows[8];
	const int depth = shared->handled;

	(void)sig;
	make_how(&hows[depth], shared->handler_mode + depth);
	shared->handled++;
	shared->handler_ret[depth] = make_file(&hows[depth], shared->handler_mode + depth);
	shared->stage = 1;
}

static int be_interrupted(void *arg)
{
	const struct sigaction action = {
		.sa_handler = on_signal,
		.sa_flags = shared->signal_flags,
	};

	(void)arg;
	sigaction(SIGUSR1, &action, NULL);
	shared->ret[0] = make_shared(shared->modes[0]);
	/* A call after it finds nothing of what was. */
	shared->ret[1] = make_shared(shared->modes[1]);
	return 0;
}

/* What becomes of the calls of a handler, by the permissions that they ask for. */
static long fate(unsigned int mode)
{
	return mode & REFUSED ? -DENIED : (long)mode;
}

FIXTURE(signals) {};

FIXTURE_VARIANT(signals)
{
	/* Whether the supervisor has the notification when the signal comes. */
	bool received;
	bool killable;
	bool restart;
};

FIXTURE_VARIANT_ADD(signals, waiting) { };
FIXTURE_VARIANT_ADD(signals, waiting_restart) { .restart = true };
FIXTURE_VARIANT_ADD(signals, received) { .received = true };
FIXTURE_VARIANT_ADD(signals, received_restart) { .received = true, .restart = true };
FIXTURE_VARIANT_ADD(signals, killable_waiting) { .killable = true };
FIXTURE_VARIANT_ADD(signals, killable_waiting_restart) { .killable = true, .restart = true };
FIXTURE_VARIANT_ADD(signals, killable_received) { .killable = true, .received = true };
FIXTURE_VARIANT_ADD(signals, killable_received_restart) {
	.killable = true, .received = true, .restart = true,
};

FIXTURE_SETUP(signals)
{
	set_up(_metadata);
}

FIXTURE_TEARDOWN(signals)
{
	EXPECT_TRUE(caches_return_to(caches));
}

/* Has a call continue by the struct with these permissions, while there are others in memory. */
static void expect_call(struct __test_metadata *_metadata, const struct supervised *child,
			unsigned int mode)
{
	struct seccomp_notif notif;
	struct open_how evil;

	ASSERT_TRUE(receive(child->listener, &notif));
	EXPECT_EQ(child->pid, (pid_t)notif.pid);
	EXPECT_EQ(mode, pinned_mode(&notif));
	make_how(&evil, EVIL);
	EXPECT_TRUE(put_memory(notif.pid, notif.data.args[2], &evil, sizeof(evil)));
	EXPECT_EQ(mode, pinned_mode(&notif));
	EXPECT_EQ(0, notif_continue(child->listener, notif.id));
}

/*
 * A signal either interrupts a waiting call, so that its notification is gone and a
 * restart is another one with what is in memory then, or it waits for the call to end.
 */
static void signal_once(struct __test_metadata *_metadata, bool received, bool killable,
			bool restart, unsigned int handlers)
{
	const bool interrupted = !(killable && received);
	struct seccomp_notif notif = {};
	struct supervised child;

	memset(shared, 0, sizeof(*shared));
	shared->signal_flags = restart ? SA_RESTART : 0;
	shared->handler_mode = handlers;
	shared->modes[0] = 0100;
	shared->modes[1] = 0200;
	ASSERT_EQ(0, supervise(&child, &notify_openat2,
			       killable ? SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0,
			       be_interrupted, NULL));
	ASSERT_TRUE(notif_waits(child.listener, PATIENCE));
	if (received) {
		ASSERT_TRUE(receive(child.listener, &notif));
		EXPECT_EQ(0100, pinned_mode(&notif));
	}
	shared->how.mode = 0300;
	ASSERT_EQ(0, kill(child.pid, SIGUSR1));

	if (!interrupted) {
		/* It has noticed the signal, and waits on for nothing less than death. */
		ASSERT_TRUE(comes_to_be(child.pid, 'D'));
		EXPECT_EQ(0, shared->handled);
		EXPECT_TRUE(notif_is_valid(child.listener, notif.id));
		EXPECT_EQ(0100, pinned_mode(&notif));
		EXPECT_EQ(0, notif_continue(child.listener, notif.id));
	}
	ASSERT_TRUE(awaited(&shared->handled, 1));
	if (!(handlers & (ALLOWED | REFUSED)))
		expect_call(_metadata, &child, handlers);
	ASSERT_TRUE(awaited(&shared->stage, 1));
	EXPECT_EQ(fate(handlers), shared->handler_ret[0]);

	if (interrupted && received) {
		EXPECT_FALSE(notif_is_valid(child.listener, notif.id));
		EXPECT_EQ(-ENOENT, notif_continue(child.listener, notif.id));
	}
	if (interrupted && restart) {
		struct seccomp_notif again;

		/* The restart may wait to be received by now, or will any moment. */
		ASSERT_TRUE(receive(child.listener, &again));
		EXPECT_NE(notif.id, again.id);
		EXPECT_EQ(0300, pinned_mode(&again));
		shared->how.mode = 0400;
		EXPECT_EQ(0, notif_continue(child.listener, again.id));
	}
	expect_call(_metadata, &child, 0200);
	EXPECT_EQ(0, exit_status(child.pid));
	EXPECT_EQ(!interrupted ? 0100 : restart ? 0300 : -EINTR, shared->ret[0]);
	EXPECT_EQ(0200, shared->ret[1]);
	EXPECT_EQ(1, shared->handled);
	close(child.listener);
}

TEST_F(signals, handler_is_notified)
{
	signal_once(_metadata, variant->received, variant->killable, variant->restart, 0500);
}

TEST_F(signals, handler_is_allowed)
{
	signal_once(_metadata, variant->received, variant->killable, variant->restart,
		    ALLOWED | 0500);
}

TEST_F(signals, handler_is_refused)
{
	signal_once(_metadata, variant->received, variant->killable, variant->restart,
		    REFUSED | 0500);
}

/* With it received or not, killable or not: death does not wait. */
TEST_F(signals, death)
{
	struct seccomp_ea_pinned pinned;
	struct seccomp_notif notif = {};
	struct supervised child;

	ASSERT_EQ(0, supervise(&child, &notify_openat2,
			       variant->killable ? SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0,
			       be_interrupted, NULL));
	ASSERT_TRUE(notif_waits(child.listener, PATIENCE));
	if (variant->received) {
		ASSERT_TRUE(receive(child.listener, &notif));
		EXPECT_EQ(0, pinned_mode(&notif));
	}
	/* No handler is there for this one. */
	ASSERT_EQ(0, kill(child.pid, variant->restart ? SIGTERM : SIGKILL));
	EXPECT_EQ(variant->restart ? -SIGTERM : -SIGKILL, exit_status(child.pid));
	EXPECT_EQ(-ENOENT, notif_continue(child.listener, notif.id));
	EXPECT_FALSE(notif_is_valid(child.listener, notif.id));
	EXPECT_EQ(-ESRCH, read_pinned(device, child.pid, &pinned, NULL, 0));
	EXPECT_FALSE(notif_waits(child.listener, 0));
}

/* Without a handler the call is restarted anyway. */
TEST_F(notify, stopped)
{
	struct seccomp_notif notif, again;
	struct supervised child;
	int status;

	shared->modes[0] = 0100;
	shared->modes[1] = 0200;
	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, be_interrupted, NULL));
	ASSERT_TRUE(receive(child.listener, &notif));
	EXPECT_EQ(0100, pinned_mode(&notif));
	ASSERT_EQ(0, kill(child.pid, SIGSTOP));
	ASSERT_EQ(child.pid, waitpid(child.pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_FALSE(notif_is_valid(child.listener, notif.id));
	shared->how.mode = 0300;
	ASSERT_EQ(0, kill(child.pid, SIGCONT));
	ASSERT_TRUE(receive(child.listener, &again));
	EXPECT_NE(notif.id, again.id);
	EXPECT_EQ(0300, pinned_mode(&again));
	shared->how.mode = EVIL;
	EXPECT_EQ(-ENOENT, notif_continue(child.listener, notif.id));
	EXPECT_EQ(0, notif_continue(child.listener, again.id));
	expect_call(_metadata, &child, 0200);
	EXPECT_EQ(0, exit_status(child.pid));
	EXPECT_EQ(0300, shared->ret[0]);
	EXPECT_EQ(0200, shared->ret[1]);
}

#define DEPTH	4

/* Each handler's call is interrupted by the next signal, and all are restarted. */
TEST_F(notify, nested_handlers)
{
	struct seccomp_notif notif;
	struct supervised child;
	int i;

	shared->signal_flags = SA_RESTART | SA_NODEFER;
	shared->handler_mode = 0500;
	shared->modes[0] = 0100;
	shared->modes[1] = 0200;
	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, be_interrupted, NULL));
	for (i = 0; i < DEPTH; i++) {
		ASSERT_TRUE(receive(child.listener, &notif));
		EXPECT_EQ(i ? 0500 + i - 1 : 0100, pinned_mode(&notif));
		ASSERT_EQ(0, kill(child.pid, SIGUSR1));
		ASSERT_TRUE(awaited(&shared->handled, i + 1));
		EXPECT_EQ(-ENOENT, notif_continue(child.listener, notif.id));
	}
	shared->how.mode = 0300;
	while (i--)
		expect_call(_metadata, &child, 0500 + i);
	expect_call(_metadata, &child, 0300);
	expect_call(_metadata, &child, 0200);
	EXPECT_EQ(0, exit_status(child.pid));
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(0500 + i, shared->handler_ret[i]);
	EXPECT_EQ(0300, shared->ret[0]);
	EXPECT_EQ(0200, shared->ret[1]);
}

/* ---- Answers. ---- */

/* Calls by one struct after the other, all at the same address. */
static int call_in_turn(void *arg)
{
	const long calls = (long)arg;
	long i;

	for (i = 0; i < calls; i++)
		shared->ret[i] = make_shared(shared->modes[i]);
	return 0;
}

/* A file whose permissions are not those of any struct. */
#define GIVEN		0123

static int file_to_give(void)
{
	struct open_how how;

	make_how(&how, GIVEN);
	return sys_openat2(AT_FDCWD, ".", &how, sizeof(how));
}

static long give(int listener, __u64 id, int file, unsigned int flags, int as)
{
	struct seccomp_notif_addfd addfd = {
		.id = id,
		.flags = flags | (as ? SECCOMP_ADDFD_FLAG_SETFD : 0),
		.srcfd = file,
		.newfd = as,
	};

	return kernel_result(ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd));
}

/* The permissions of a file that the process has open. */
static long file_of(pid_t pid, int fd)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	return stat(path, &st) ? -errno : (long)st.st_mode & 07777;
}

static void expect_given(struct __test_metadata *_metadata, const struct supervised *child,
			 unsigned int mode, unsigned int flags, int as, bool continued)
{
	const int file = file_to_give();
	struct seccomp_notif notif;
	long fd;

	ASSERT_LE(0, file);
	ASSERT_TRUE(receive(child->listener, &notif));
	EXPECT_EQ(mode, pinned_mode(&notif));
	shared->how.mode = EVIL;
	fd = give(child->listener, notif.id, file, flags, as);
	EXPECT_LT(0, fd);
	if (as)
		EXPECT_EQ(as, fd);
	close(file);
	if (flags & SECCOMP_ADDFD_FLAG_SEND)
		return;
	EXPECT_EQ(GIVEN, file_of(child->pid, fd));
	EXPECT_EQ(mode, pinned_mode(&notif));
	EXPECT_EQ(0, continued ? notif_continue(child->listener, notif.id) :
				 notif_answer(child->listener, notif.id, fd));
}

/* A file in the place of the one that was asked for, or beside it. */
TEST_F(notify, addfd)
{
	struct supervised child;
	long i;

	for (i = 0; i < 6; i++)
		shared->modes[i] = 0100 + i;
	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, call_in_turn, (void *)6));
	expect_given(_metadata, &child, 0100, 0, 0, false);
	expect_given(_metadata, &child, 0101, 0, 77, true);
	expect_given(_metadata, &child, 0102, SECCOMP_ADDFD_FLAG_SEND, 0, false);
	expect_call(_metadata, &child, 0103);
	expect_given(_metadata, &child, 0104, SECCOMP_ADDFD_FLAG_SEND, 78, false);
	expect_call(_metadata, &child, 0105);
	EXPECT_EQ(0, exit_status(child.pid));
	EXPECT_EQ(GIVEN, shared->ret[0]);
	EXPECT_EQ(0101, shared->ret[1]);
	EXPECT_EQ(GIVEN, shared->ret[2]);
	EXPECT_EQ(0103, shared->ret[3]);
	EXPECT_EQ(GIVEN, shared->ret[4]);
	EXPECT_EQ(0105, shared->ret[5]);
}

/* Many files, among them some that cannot be given, and the copy stays. */
TEST_F(notify, addfd_many)
{
	const int file = file_to_give();
	struct seccomp_notif notif;
	struct supervised child;
	int i;

	shared->modes[0] = 0100;
	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, call_in_turn, (void *)1));
	ASSERT_TRUE(receive(child.listener, &notif));
	make_how(&shared->how, EVIL);
	for (i = 0; i < 50; i++) {
		EXPECT_LT(0, give(child.listener, notif.id, file, 0, 100 + i));
		EXPECT_EQ(-EBADF, give(child.listener, notif.id, file, 0, 1 << 30));
		EXPECT_EQ(0100, pinned_mode(&notif));
	}
	/* An answer that fails is none. */
	EXPECT_EQ(-EBADF, give(child.listener, notif.id, file, SECCOMP_ADDFD_FLAG_SEND, 1 << 30));
	EXPECT_TRUE(notif_is_valid(child.listener, notif.id));
	EXPECT_EQ(0100, pinned_mode(&notif));
	EXPECT_EQ(0, notif_continue(child.listener, notif.id));
	EXPECT_EQ(0, exit_status(child.pid));
	EXPECT_EQ(0100, shared->ret[0]);
}

/* Whatever the answer was, the next call is another one. */
TEST_F(notify, answers)
{
	const long answers[] = { -EACCES, 12345, -1, -4095 };
	struct seccomp_notif notif;
	struct supervised child;
	size_t i;

	for (i = 0; i < 8; i++)
		shared->modes[i] = 0100 + i;
	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, call_in_turn, (void *)8));
	for (i = 0; i < 8; i++) {
		if (i % 2) {
			expect_call(_metadata, &child, 0100 + i);
			continue;
		}
		ASSERT_TRUE(receive(child.listener, &notif));
		EXPECT_EQ(0100 + (long)i, pinned_mode(&notif));
		shared->how.mode = EVIL;
		EXPECT_EQ(0, notif_answer(child.listener, notif.id, answers[i / 2]));
		/* One answer is all that there is. */
		EXPECT_GT(0, notif_continue(child.listener, notif.id));
	}
	EXPECT_EQ(0, exit_status(child.pid));
	for (i = 0; i < 8; i++) {
		/* The number that is not an error is no file of the caller's. */
		const long answer = answers[i / 2] < 0 ? answers[i / 2] : -EBADF;

		EXPECT_EQ(i % 2 ? 0100 + (long)i : answer, shared->ret[i]);
	}
}

/* ---- What is left over. ---- */

#define NOBODYS_MOUNT	(1ULL << 40)

/* Looks at statmount only. Both calls copy their struct by the same function of the kernel. */
static const struct sock_fprog notify_statmount = PROG(
	LD_NR, JEQ(__NR_statmount, 1, 0), ALLOW,
	LD(SECCOMP_EA_LO(struct mnt_id_req, param)), JEQ(DENIED, 0, 1), DENY(DENIED),
	RET(SECCOMP_RET_USER_NOTIF));

static void do_nothing(int sig)
{
	(void)sig;
	shared->handled++;
}

/* A judged call, and one that is not judged, by another struct at the same address. */
static int call_not_judged(void *arg)
{
	const struct sigaction action = { .sa_handler = do_nothing };
	const long calls = (long)arg;
	long i;

	sigaction(SIGUSR1, &action, NULL);
	for (i = 0; i < calls; i++) {
		shared->req = (struct mnt_id_req) {
			.size = MNT_ID_REQ_SIZE_VER0, .mnt_id = NOBODYS_MOUNT,
			.param = i ? 0 : DENIED,
		};
		shared->ret[i] = SYSCALL(__NR_statmount, &shared->req, out, sizeof(out), 0);
		shared->req = (struct mnt_id_req) {
			.size = MNT_ID_REQ_SIZE_VER0, .mnt_id = LSMT_ROOT,
		};
		shared->handler_ret[i] = SYSCALL(__NR_listmount, &shared->req, out, 1, 0);
	}
	return 0;
}

TEST_F(notify, nothing_is_left_over)
{
	const int file = file_to_give();
	struct seccomp_notif notif;
	struct supervised child;
	int i;

	ASSERT_EQ(0, supervise(&child, &notify_statmount, 0, call_not_judged, (void *)7));
	/* The first one is denied without a notification. */
	for (i = 1; i < 7; i++) {
		struct seccomp_ea_pinned pinned;
		struct mnt_id_req req;

		ASSERT_TRUE(receive(child.listener, &notif));
		ASSERT_EQ(0, read_pinned(device, notif.pid, &pinned, &req, sizeof(req)));
		EXPECT_EQ((__u32)__NR_statmount, pinned.nr);
		EXPECT_EQ(NOBODYS_MOUNT, req.mnt_id);
		switch (i) {
		case 1:
			EXPECT_EQ(0, notif_answer(child.listener, notif.id, -EACCES));
			break;
		case 2:
			EXPECT_EQ(0, notif_answer(child.listener, notif.id, 0));
			break;
		case 3:
			EXPECT_LE(0, give(child.listener, notif.id, file,
					  SECCOMP_ADDFD_FLAG_SEND, 0));
			break;
		case 4:
			EXPECT_EQ(0, notif_continue(child.listener, notif.id));
			break;
		case 5:
			EXPECT_EQ(0, kill(child.pid, SIGUSR1));
			break;
		case 6:
			/* Nobody is there to answer any more. */
			close(child.listener);
			break;
		}
	}
	EXPECT_EQ(0, exit_status(child.pid));
	EXPECT_EQ(-DENIED, shared->ret[0]);
	EXPECT_EQ(-EACCES, shared->ret[1]);
	EXPECT_EQ(0, shared->ret[2]);
	EXPECT_LE(0, shared->ret[3]);
	EXPECT_EQ(-ENOENT, shared->ret[4]);
	EXPECT_EQ(-EINTR, shared->ret[5]);
	EXPECT_EQ(-ENOSYS, shared->ret[6]);
	for (i = 0; i < 7; i++)
		EXPECT_EQ(1, shared->handler_ret[i]) TH_LOG("call %d", i);
}

/* ---- Supervisors that die. ---- */

/* A supervisor that has the only listener, and does not get to an answer. */
static pid_t fork_supervisor(int listener, int steps)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct seccomp_notif notif;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (steps > 0 && (!receive(listener, &notif) || pinned_mode(&notif) != 0100))
			_exit(1);
		if (steps > 1 && give(listener, notif.id, file_to_give(), 0, 77) != 77)
			_exit(2);
		shared->stage = 1;
		for (;;)
			pause();
	}
	return pid;
}

static int outlive_supervisor(void *arg)
{
	const int file = (long)arg;
	long ret;

	shared->ret[0] = make_shared(0100);
	shared->ret[1] = make_shared(0200);
	shared->ret[2] = make_shared(ALLOWED | 0300);
	/* A chain without anybody who listens may have a listener again. */
	ret = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &notify_openat2);
	if (ret < 0 || dup2(ret, file) != file || close(ret))
		return 1;
	shared->stage = 2;
	await(3);
	close(file);
	shared->ret[3] = make_shared(0400);
	return 0;
}

static void outlive(struct __test_metadata *_metadata, int steps)
{
	struct seccomp_notif notif;
	struct supervised child;
	int pidfd;
	pid_t pid;

	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, outlive_supervisor, (void *)99));
	ASSERT_TRUE(notif_waits(child.listener, PATIENCE));
	pid = fork_supervisor(child.listener, steps);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(awaited(&shared->stage, 1));
	make_how(&shared->how, EVIL);
	close(child.listener);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, exit_status(pid));

	ASSERT_TRUE(awaited(&shared->stage, 2));
	EXPECT_EQ(-ENOSYS, shared->ret[0]);
	EXPECT_EQ(-ENOSYS, shared->ret[1]);
	EXPECT_EQ(ALLOWED | 0300, shared->ret[2]);

	/* Nothing of before is waiting for the new supervisor. */
	pidfd = SYSCALL(__NR_pidfd_open, child.pid, 0);
	child.listener = SYSCALL(__NR_pidfd_getfd, pidfd, 99, 0);
	ASSERT_LE(0, child.listener);
	close(pidfd);
	EXPECT_FALSE(notif_waits(child.listener, 10));
	shared->stage = 3;
	ASSERT_TRUE(receive(child.listener, &notif));
	EXPECT_EQ(0400, pinned_mode(&notif));
	make_how(&shared->how, EVIL);
	EXPECT_EQ(0, notif_continue(child.listener, notif.id));
	EXPECT_EQ(0, exit_status(child.pid));
	EXPECT_EQ(0400, shared->ret[3]);
}

TEST_F(notify, supervisor_dies_before_it_receives)
{
	outlive(_metadata, 0);
}

TEST_F(notify, supervisor_dies_before_it_answers)
{
	outlive(_metadata, 1);
}

TEST_F(notify, supervisor_dies_after_addfd)
{
	outlive(_metadata, 2);
}

/* ---- Callers that die. ---- */

static void *call_shared(void *arg)
{
	(void)arg;
	make_shared(0100);
	return NULL;
}

static int exit_while_waiting(void *arg)
{
	pthread_t thread;

	(void)arg;
	if (pthread_create(&thread, NULL, call_shared, NULL))
		return 1;
	await(1);
	return 7;
}

TEST_F(notify, caller_exits)
{
	struct seccomp_ea_pinned pinned;
	struct seccomp_notif notif;
	struct supervised child;

	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, exit_while_waiting, NULL));
	ASSERT_TRUE(receive(child.listener, &notif));
	EXPECT_NE(child.pid, (pid_t)notif.pid);
	EXPECT_EQ(0100, pinned_mode(&notif));
	EXPECT_EQ(caches + 1, count_of("caches"));
	shared->stage = 1;
	EXPECT_EQ(7, exit_status(child.pid));
	EXPECT_EQ(-ENOENT, notif_continue(child.listener, notif.id));
	EXPECT_EQ(-ESRCH, read_pinned(device, notif.pid, &pinned, NULL, 0));
	EXPECT_TRUE(caches_return_to(caches));
}

/* In the environment of what is executed: where a struct is shared with its supervisor. */
#define EXECUTED	"NOTIFY_EXECUTED"

__attribute__((constructor)) static void executed(void)
{
	if (getenv(EXECUTED)) {
		struct open_how how;

		umask(0);
		make_how(&how, 0200);
		_exit(make_file(&how, 0200) == 0200 && how.mode == EVIL ? 8 : 9);
	}
}

static void *execute(void *arg)
{
	char *const argv[] = { "notify", NULL }, *const envp[] = { EXECUTED "=1", NULL };

	(void)arg;
	await(1);
	execve("/proc/self/exe", argv, envp);
	return NULL;
}

static int execute_while_waiting(void *arg)
{
	pthread_t thread;

	(void)arg;
	if (pthread_create(&thread, NULL, execute, NULL))
		return 1;
	make_shared(0100);
	return 2;
}

/* A thread that executes takes the place, and the pid, of the one that waits. */
TEST_F(notify, caller_executes)
{
	struct seccomp_notif notif;
	struct supervised child;

	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, execute_while_waiting, NULL));
	ASSERT_TRUE(receive(child.listener, &notif));
	EXPECT_EQ(child.pid, (pid_t)notif.pid);
	EXPECT_EQ(0100, pinned_mode(&notif));
	shared->stage = 1;
	expect_call(_metadata, &child, 0200);
	EXPECT_EQ(-ENOENT, notif_continue(child.listener, notif.id));
	EXPECT_EQ(8, exit_status(child.pid));
}

/* ---- Several at once. ---- */

#define CROWD	24

static struct {
	struct open_how how[CROWD];
	long ret[CROWD];
} *crowd;

static void *call_in_crowd(void *arg)
{
	const long i = (long)arg;

	crowd->ret[i] = make_file(&crowd->how[i], i);
	return NULL;
}

static int call_by_threads(void *arg)
{
	pthread_t threads[CROWD];
	long i;

	(void)arg;
	for (i = 0; i < CROWD; i++)
		if (pthread_create(&threads[i], NULL, call_in_crowd, (void *)i))
			return 1;
	for (i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static int be_in_crowd(void *arg)
{
	call_in_crowd(arg);
	return 0;
}

/* Processes that share all of their memory. */
static int call_by_processes(void *arg)
{
	static char stacks[CROWD][4 * PAGE];
	pid_t pids[CROWD];
	int status = 0;
	long i;

	(void)arg;
	for (i = 0; i < CROWD; i++)
		pids[i] = clone(be_in_crowd, stacks[i + 1], CLONE_VM | SIGCHLD, (void *)i);
	for (i = 0; i < CROWD; i++)
		status |= exit_status(pids[i]);
	return status;
}

FIXTURE(crowd) {};

FIXTURE_VARIANT(crowd)
{
	int (*run)(void *arg);
	/* In which order they are answered: steps through them. */
	int step;
};

FIXTURE_VARIANT_ADD(crowd, threads) { call_by_threads, CROWD - 1 };
FIXTURE_VARIANT_ADD(crowd, threads_mixed) { call_by_threads, 7 };
FIXTURE_VARIANT_ADD(crowd, processes) { call_by_processes, CROWD - 1 };

FIXTURE_SETUP(crowd)
{
	set_up(_metadata);
	crowd = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, crowd);
}

FIXTURE_TEARDOWN(crowd)
{
	EXPECT_TRUE(caches_return_to(caches));
}

/* All wait at the same time, with the struct of another one in memory. */
TEST_F(crowd, answered_in_another_order)
{
	struct seccomp_notif notifs[CROWD];
	struct supervised child;
	int i, at;

	for (i = 0; i < CROWD; i++)
		make_how(&crowd->how[i], i);
	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, variant->run, NULL));
	for (i = 0; i < CROWD; i++)
		ASSERT_TRUE(receive(child.listener, &notifs[i]));
	for (i = 0; i < CROWD; i++)
		make_how(&crowd->how[i], (i + 1) % CROWD);
	EXPECT_EQ(caches + CROWD, count_of("caches"));
	for (i = 0, at = 0; i < CROWD; i++, at = (at + variant->step) % CROWD) {
		EXPECT_EQ((long)notifs[at].data.args[4], pinned_mode(&notifs[at]));
		EXPECT_EQ(0, notif_continue(child.listener, notifs[at].id));
	}
	EXPECT_EQ(0, exit_status(child.pid));
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(i, crowd->ret[i]);
}

/* clone3 as well; a filter that looks at both calls. */
static const struct sock_fprog notify_both = PROG(
	LD_NR, JEQ(__NR_openat2, 2, 0), JEQ(__NR_clone3, 1, 0), ALLOW,
	LD(SECCOMP_EA_BASE), RET(SECCOMP_RET_USER_NOTIF));

static int call_below_vfork(void *arg)
{
	const struct clone_args args = { .flags = CLONE_VFORK, .exit_signal = SIGCHLD };
	pid_t pid;

	(void)arg;
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0)
		_exit(make_shared(0100) != 0100);
	if (exit_status(pid))
		return 1;
	pid = vfork();
	if (pid == 0)
		_exit(make_shared(0200) != 0200);
	return exit_status(pid) ? 2 : 0;
}

/* The parent is in clone3 as long as its child runs, and has the struct of that. */
TEST_F(notify, vfork)
{
	struct seccomp_notif parent, notif;
	struct seccomp_ea_pinned pinned;
	struct supervised child;
	struct clone_args args;

	ASSERT_EQ(0, supervise(&child, &notify_both, 0, call_below_vfork, NULL));
	ASSERT_TRUE(receive(child.listener, &parent));
	EXPECT_EQ(child.pid, (pid_t)parent.pid);
	ASSERT_EQ(0, read_pinned(device, parent.pid, &pinned, &args, sizeof(args)));
	EXPECT_EQ((__u32)__NR_clone3, pinned.nr);
	EXPECT_EQ((__u64)CLONE_VFORK, args.flags);
	EXPECT_EQ(sizeof(args), pinned.size);
	EXPECT_EQ(0, notif_continue(child.listener, parent.id));

	ASSERT_TRUE(receive(child.listener, &notif));
	EXPECT_NE(parent.pid, notif.pid);
	EXPECT_EQ(0100, pinned_mode(&notif));
	make_how(&shared->how, EVIL);
	EXPECT_EQ(0100, pinned_mode(&notif));
	EXPECT_EQ(0, read_pinned(device, parent.pid, &pinned, &args, sizeof(args)));
	EXPECT_EQ((__u32)__NR_clone3, pinned.nr);
	EXPECT_EQ((__u64)CLONE_VFORK, args.flags);
	EXPECT_EQ(0, notif_continue(child.listener, notif.id));

	ASSERT_TRUE(receive(child.listener, &notif));
	EXPECT_NE(child.pid, (pid_t)notif.pid);
	EXPECT_EQ(0200, pinned_mode(&notif));
	make_how(&shared->how, EVIL);
	EXPECT_EQ(0, notif_continue(child.listener, notif.id));
	EXPECT_EQ(0, exit_status(child.pid));
}

/* The supervisor is woken, and wakes, without a turn of anybody else. */
TEST_F(notify, sync_wake_up)
{
	struct supervisor supervisor;
	struct supervised child;

	stay_on_one_cpu();
	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, call_often_all, NULL));
	ASSERT_EQ(0, ioctl(child.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
			   SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP));
	ASSERT_TRUE(supervisor_start(&supervisor, child.listener));
	EXPECT_EQ(0, exit_status(child.pid));
	EXPECT_TRUE(supervisor_end(&supervisor, CALLS_ALL));
}

/* ---- Containers. ---- */

#define USER	1000

/* Becomes root of new namespaces, and whoever it forks is the first process there. */
static int enter_container(void)
{
	const uid_t uid = geteuid(), gid = getegid();
	char map[64];

	if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) ||
	    !write_file("/proc/self/setgroups", "deny", 0))
		return 1;
	snprintf(map, sizeof(map), "0 %d 1", uid);
	if (!write_file("/proc/self/uid_map", map, 0))
		return 2;
	snprintf(map, sizeof(map), "0 %d 1", gid);
	if (!write_file("/proc/self/gid_map", map, 0))
		return 3;
	return 0;
}

/* Runs @fn in as many namespaces inside one another, as the first process of the last. */
static int in_containers(int depth, int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid;

	if (!depth)
		return fn(arg);
	status = enter_container();
	if (status)
		return 100 + status;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		/* /proc is for its own pids. */
		status = SYSCALL(__NR_mount, "proc", "/proc", "proc", 0, NULL) ? 110 : 0;
		status = status ?: in_containers(depth - 1, fn, arg);
		fflush(NULL);
		_exit(status);
	}
	return exit_status(pid);
}

struct inside {
	int depth;
	int (*fn)(void *arg);
	void *arg;
};

static int go_inside(void *arg)
{
	const struct inside *inside = arg;

	return in_containers(inside->depth, inside->fn, inside->arg);
}

static int call_inside(void *arg)
{
	return getpid() == 1 ? call_often_all(arg) : 120;
}

/* How many namespaces know the process by a pid. */
static int pids_of(pid_t pid)
{
	char path[64], line[256];
	int pids = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *rest = line, *word = strsep(&rest, "\t");

		if (strcmp(word, "NSpid:"))
			continue;
		while (strsep(&rest, "\t"))
			pids++;
	}
	if (f)
		fclose(f);
	return pids;
}

/* The supervisor outside knows the threads of all of them by pids of its own. */
TEST_F(notify, containers_supervised_from_outside)
{
	struct supervisor supervisor;
	struct supervised child;
	struct inside inside;
	int depth;

	for (depth = 1; depth <= 3; depth++) {
		inside = (struct inside) { depth, call_inside, NULL };
		ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, go_inside, &inside));
		ASSERT_TRUE(supervisor_start(&supervisor, child.listener));
		EXPECT_EQ(0, exit_status(child.pid));
		EXPECT_TRUE(supervisor_end(&supervisor, CALLS_ALL));
	}
}

/* With a notification that waits there is somebody to look at. */
static int call_once_inside(void *arg)
{
	(void)arg;
	return make_shared(0100) != 0100;
}

TEST_F(notify, pids_of_containers)
{
	struct inside inside = { 2, call_once_inside, NULL };
	struct seccomp_notif notif;
	struct supervised child;

	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, go_inside, &inside));
	ASSERT_TRUE(receive(child.listener, &notif));
	EXPECT_NE(child.pid, (pid_t)notif.pid);
	EXPECT_EQ(3, pids_of(notif.pid));
	EXPECT_EQ(0100, pinned_mode(&notif));
	make_how(&shared->how, EVIL);
	EXPECT_EQ(0100, pinned_mode(&notif));
	EXPECT_EQ(0, notif_continue(child.listener, notif.id));
	EXPECT_EQ(0, exit_status(child.pid));
}

/* A supervisor in a container, of processes there, and in containers inside of that. */
static int supervise_inside(void *arg)
{
	struct inside inside = { (long)arg, call_often_all, NULL };
	struct supervisor supervisor;
	struct supervised child;
	int status;

	device = ea_device();
	if (device < 0)
		return 130;
	if (supervise(&child, &notify_openat2, 0, go_inside, &inside) || child.pid > 9 ||
	    !supervisor_start(&supervisor, child.listener))
		return 131;
	status = exit_status(child.pid);
	return supervisor_end(&supervisor, CALLS_ALL) ? status : 132;
}

static int run_container(void *arg)
{
	return in_containers(1, supervise_inside, arg);
}

static int run_container_as_user(void *arg)
{
	if (setresgid(USER, USER, USER) || setresuid(USER, USER, USER) ||
	    prctl(PR_SET_DUMPABLE, 1))
		return 140;
	return run_container(arg);
}

TEST_F(notify, containers_with_supervisors)
{
	long depth;

	for (depth = 0; depth < 3; depth++) {
		EXPECT_EQ(0, in_child(run_container, (void *)depth));
		/* The device is his who may open it. */
		EXPECT_EQ(130, in_child(run_container_as_user, (void *)depth));
		ASSERT_EQ(0, chmod(EA_DEVICE, 0666));
		EXPECT_EQ(0, in_child(run_container_as_user, (void *)depth));
		ASSERT_EQ(0, chmod(EA_DEVICE, 0600));
	}
}

/* A listener that was handed to where the caller has no pid. */
static int receive_elsewhere(void *arg)
{
	const int listener = (long)arg;
	struct seccomp_ea_pinned pinned;
	struct seccomp_notif notif;

	if (!receive(listener, &notif) || notif.pid)
		return 150;
	if (read_pinned(device, notif.pid, &pinned, NULL, 0) != -ESRCH)
		return 151;
	make_how(&shared->how, EVIL);
	return notif_continue(listener, notif.id) ? 152 : 0;
}

static int run_elsewhere(void *arg)
{
	return in_containers(1, receive_elsewhere, arg);
}

TEST_F(notify, supervised_from_another_container)
{
	struct supervised child;

	ASSERT_EQ(0, supervise(&child, &notify_openat2, 0, call_once_inside, NULL));
	EXPECT_EQ(0, in_child(run_elsewhere, (void *)(long)child.listener));
	EXPECT_EQ(0, exit_status(child.pid));
}

/* ---- All calls. ---- */

/* In the unused argument of calls that are looked at; to reset something may be the same call. */
#define LOOK		0x5a

/* What the supervisor of one call found, a thread of the same process. */
static struct {
	volatile int listener, wrong;
	struct situation *volatile situation;
} all;

static bool is_pinned(const struct situation *s, const struct seccomp_notif *notif)
{
	static char buffer[PAGE];
	struct seccomp_ea_pinned pinned;
	const size_t known = s->call->known;

	if (read_pinned(device, notif->pid, &pinned, buffer, sizeof(buffer)))
		return false;
	return pinned.nr == s->call->nr[abi] && pinned.size == s->size && !pinned.error &&
	       pinned.arch == (abi == I386 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64) &&
	       pinned.tail <= known && !memcmp(buffer, image, sizeof(buffer));
}

static void *supervise_call(void *arg)
{
	struct seccomp_notif notif;

	(void)arg;
	while (!all.listener)
		nap();
	while (receive(all.listener, &notif)) {
		struct situation *s = all.situation;

		if (notif.data.args[s->call->unused] == LOOK) {
			all.wrong += !is_pinned(s, &notif);
			/* No call is content with this. */
			memset(s->ptr, 0xff, s->length);
			all.wrong += !is_pinned(s, &notif);
		}
		notif_continue(all.listener, notif.id);
	}
	return NULL;
}

static long call_with(struct situation *s)
{
	all.situation = s;
	if (s->call->reset)
		s->call->reset();
	situation_complete(s);
	s->args[s->call->unused] = LOOK;
	situation_enter(s);
	return make_call(s->call, s->args);
}

/* Every valid and invalid struct of a call: read, overwritten, and executed as it was. */
static int call_supervised(const struct call *call)
{
	struct sock_filter insns[2 * NR_CALLS + 32];
	struct sock_fprog prog = { .filter = insns };
	struct situation s = {
		.call = call,
		.context = call->contexts,
		.place = &places[0],
		.size = call->known,
	};
	long expected[64];
	pthread_t supervisor;
	int wrong = 0;

	for (s.head = 0; s.head < call->nr_heads; s.head++)
		expected[s.head] = call_with(&s);
	prog.len = select_calls(insns, call, false, SECCOMP_EA_BASE);
	insns[prog.len++] = (struct sock_filter)RET(SECCOMP_RET_USER_NOTIF);
	/* Threads are made by one of the calls. */
	if (pthread_create(&supervisor, NULL, supervise_call, NULL))
		return 1;
	all.listener = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	if (all.listener < 0)
		return 1;
	for (s.head = 0; s.head < call->nr_heads; s.head++)
		wrong += call_with(&s) != expected[s.head];
	if (wrong || all.wrong)
		printf("# %s: %d of %zu results, %d reads\n", call->name, wrong, s.head, all.wrong);
	return wrong + all.wrong;
}

TEST_F(notify, all_calls)
{
	stay_on_one_cpu();
	ASSERT_TRUE(prepare_calls());
	ASSERT_TRUE(make_arena(NULL));
	EXPECT_EQ(0, test_each_call(call_supervised));
}

TEST_F(notify, all_calls_of_i386)
{
	stay_on_one_cpu();
	ASSERT_TRUE(prepare_calls());
	ASSERT_TRUE(make_arena((char *)0x50000000));
	abi = I386;
	EXPECT_EQ(0, test_each_call(call_supervised));
}

TEST_HARNESS_MAIN
