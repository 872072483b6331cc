// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading, and what may go on meanwhile: filters that live,
 * processes that call or sleep in the middle of a call, probes and tracers on
 * the instructions that the module changes.
 */
#include <elf.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "common.h"
#include "kselftest_harness.h"
#include "supervise.h"
#include "withhold.h"

/* No call here returns it of its own accord. */
#define DENIED		EDOTDOT

/* What a probe on a site makes of loading and unloading, in the log's words. */
#define LOG_REFUSED	"there is a kprobe at "
#define LOG_WAITING	"waiting until the kprobes on its call sites are removed"
#define LOG_FILTERS	"waiting until the last filter"
#define LOG_DEVICE	"waiting until nobody has its device open"
#define LOG_INSTALL	"waiting until no filter is being installed"

#define TRACING		"/sys/kernel/tracing/"
#define CGROUP		CGROUPS "/seccomp_ea"

#define CYCLES		200
#define EXECS		10000

/* ---- Calls whose results are known. ---- */

/* EXDEV with RESOLVE_BENEATH. */
static long open_with(__u64 resolve)
{
	const struct open_how how = { .resolve = resolve };
	long ret = sys_openat2(AT_FDCWD, "/", &how, sizeof(how));

	if (ret >= 0) {
		close(ret);
		return 0;
	}
	return ret;
}

/* EINVAL soon after the copy, for a thread of its own sort alone. */
static long clone_with(__u64 flags)
{
	const struct clone_args args = { .flags = flags };
	long ret = sys_clone3(&args, sizeof(args));

	if (ret == 0)
		_exit(0);
	if (ret > 0)
		waitpid(ret, NULL, __WALL);
	return ret;
}

#define EXTENDED PROG(							\
	LD_NR, JEQ(__NR_openat2, 2, 0), JEQ(__NR_clone3, 3, 0), ALLOW,	\
	LD(SECCOMP_EA_LO(struct open_how, resolve)), JEQ(0, 2, 3),	\
	LD(SECCOMP_EA_LO(struct clone_args, flags)),			\
	JEQ(CLONE_NEWUSER, 0, 1), DENY(DENIED), ALLOW)

#define ORDINARY PROG(LD_NR, JEQ(__NR_getppid, 0, 1), DENY(DENIED), ALLOW)

/* What is wrong under the filter above, as a set of bits. */
static int wrong_filtered(void)
{
	return (open_with(0) != -DENIED) | (open_with(RESOLVE_BENEATH) != -EXDEV) << 1 |
	       (clone_with(CLONE_NEWUSER) != -DENIED) << 2 |
	       (clone_with(CLONE_THREAD) != -EINVAL) << 3;
}

/* And without any filter. */
static int wrong_unfiltered(void)
{
	const __u64 tail[4] = { 0, 0, 0, 1 };
	const struct open_how how = { .resolve = RESOLVE_BENEATH };

	return (open_with(RESOLVE_BENEATH) != -EXDEV) |
	       (clone_with(CLONE_THREAD) != -EINVAL) << 1 |
	       (sys_openat2(AT_FDCWD, "/", tail, sizeof(tail)) != -E2BIG) << 2 |
	       (sys_openat2(AT_FDCWD, "/", NULL, sizeof(how)) != -EFAULT) << 3 |
	       (sys_clone3(NULL, CLONE_ARGS_SIZE_VER0) != -EFAULT) << 4;
}

static int run_extended(void *arg)
{
	const struct sock_fprog prog = EXTENDED;

	(void)arg;
	return no_new_privs() || install_seccomp(0, &prog) ? 0x80 : wrong_filtered();
}

/* ---- Whether a call executes the copy. ---- */

/*
 * The memory of the call that is notified, and what the supervisor makes of it.
 * It changes memory between the fetch and the call's own copy, so there is no
 * chance in this: what the call returns tells what it executed.
 */
static struct handed_off {
	int listener;
	__u64 *word, bad;
} handed_off;

static void *change_and_continue(void *arg)
{
	struct handed_off *h = arg;
	struct seccomp_notif req;
	struct seccomp_notif_resp resp;

	for (;;) {
		memset(&req, 0, sizeof(req));
		while (__atomic_load_n(&h->listener, __ATOMIC_SEQ_CST) < 0)
			nap();
		if (ioctl(h->listener, SECCOMP_IOCTL_NOTIF_RECV, &req))
			return NULL;
		*h->word = h->bad;
		resp = (struct seccomp_notif_resp) {
			.id = req.id,
			.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
		};
		ioctl(h->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	}
}

/* Returns, as a set of bits, which calls did not execute the copy. */
static int run_handed_off(void *arg)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_openat2, 2, 0), JEQ(__NR_clone3, 1, 0), ALLOW,
		LD(SECCOMP_EA_LO(struct clone_args, flags)), RET(SECCOMP_RET_USER_NOTIF));
	struct {
		struct open_how how;
		__u64 tail;
	} open = { .how.resolve = RESOLVE_BENEATH };
	struct clone_args clone = { .flags = CLONE_THREAD, .exit_signal = SIGCHLD };
	struct handed_off *h = &handed_off;
	pthread_t supervisor;
	int wrong = 0;
	long ret;

	(void)arg;
	h->listener = -1;
	if (no_new_privs() || pthread_create(&supervisor, NULL, change_and_continue, h))
		return 0x80;
	ret = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	if (ret < 0)
		return 0x81;

	h->word = &open.how.resolve;
	__atomic_store_n(&h->listener, ret, __ATOMIC_SEQ_CST);
	wrong |= sys_openat2(AT_FDCWD, "/", &open.how, sizeof(open.how)) != -EXDEV;
	open.how.resolve = RESOLVE_BENEATH;
	h->word = &open.tail;
	h->bad = 1;
	wrong |= (sys_openat2(AT_FDCWD, "/", &open, sizeof(open)) != -EXDEV) << 1;
	h->word = (__u64 *)&clone.flags;
	h->bad = 0;
	ret = sys_clone3(&clone, sizeof(clone));
	if (ret == 0)
		_exit(0);
	return wrong | (ret != -EINVAL) << 2;
}

/* ---- The kernel's text. ---- */

/* Functions that have call sites of the module, and what these call. */
static struct symbol {
	const char *name;
	unsigned long start, end;
	/* The text, without the module. */
	unsigned char *text;
} symbols[] = {
	{ .name = "__x64_sys_openat2" }, { .name = "__ia32_sys_openat2" },
	{ .name = "__se_sys_openat2" }, { .name = "__do_sys_openat2" },
	{ .name = "copy_clone_args_from_user" }, { .name = "__x64_sys_clone3" },
	{ .name = "__se_sys_clone3" }, { .name = "__do_sys_clone3" }, { .name = "do_seccomp" },
	{ .name = "seccomp_set_mode_filter" }, { .name = "prctl_set_seccomp" },
	{ .name = "__put_seccomp_filter" }, { .name = "seccomp_filter_release" },
	{ .name = "seccomp_notify_release" }, { .name = "do_exit" },
	{ .name = "_copy_from_user" }, { .name = "check_zeroed_user" },
	{ .name = "bpf_prog_create_from_user" },
};

/*
 * Probed sites: one for each thing that the module does, in the first of the functions
 * that has it. That depends on what the compiler inlines.
 */
static const struct {
	const char *functions[4], *target;
} sites[] = {
	{ { "__x64_sys_openat2", "__se_sys_openat2", "__do_sys_openat2" }, "_copy_from_user" },
	{ { "__x64_sys_openat2", "__se_sys_openat2", "__do_sys_openat2" }, "check_zeroed_user" },
	{ { "copy_clone_args_from_user", "__x64_sys_clone3", "__se_sys_clone3",
	    "__do_sys_clone3" }, "_copy_from_user" },
	{ { "do_seccomp", "seccomp_set_mode_filter" }, "bpf_prog_create_from_user" },
	{ { "do_exit" }, "seccomp_filter_release" },
};

static struct symbol *find_symbol(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(symbols); i++)
		if (strcmp(symbols[i].name, name) == 0)
			return &symbols[i];
	return NULL;
}

/* The kernel lists its own symbols in the order of their addresses. */
static void find_symbols(void)
{
	struct symbol *symbol, *open = NULL;
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512], name[256];
	unsigned long address;

	while (f && fgets(line, sizeof(line), f)) {
		if (strchr(line, '[') || sscanf(line, "%lx %*c %255s", &address, name) != 2)
			continue;
		if (open && address > open->start) {
			open->end = address;
			open = NULL;
		}
		symbol = find_symbol(name);
		if (symbol && !symbol->start) {
			symbol->start = address;
			open = symbol;
		}
	}
	if (f)
		fclose(f);
}

/* Reads kernel memory. */
static bool read_kernel(unsigned long address, void *to, size_t length)
{
	int fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	bool ok = false;
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	int i;

	if (pread(fd, &header, sizeof(header), 0) == sizeof(header)) {
		for (i = 0; i < header.e_phnum && !ok; i++) {
			if (pread(fd, &segment, sizeof(segment),
				  header.e_phoff + i * sizeof(segment)) != sizeof(segment))
				break;
			if (segment.p_type != PT_LOAD || address < segment.p_vaddr ||
			    address + length > segment.p_vaddr + segment.p_memsz)
				continue;
			ok = pread(fd, to, length,
				   address - segment.p_vaddr + segment.p_offset) == (ssize_t)length;
		}
	}
	close(fd);
	return ok;
}

/* Reads the text of all functions, as it is without the module. */
static bool read_texts(void)
{
	struct symbol *s;
	bool ok = true;

	for (s = symbols; s < symbols + ARRAY_SIZE(symbols); s++) {
		if (!s->start)
			continue;
		s->text = malloc(s->end - s->start);
		ok &= s->text && read_kernel(s->start, s->text, s->end - s->start);
	}
	return ok;
}

/* How many functions are not as they are without the module. */
static int changed_texts(void)
{
	const struct symbol *s;
	unsigned char *text;
	int changed = 0;

	for (s = symbols; s < symbols + ARRAY_SIZE(symbols); s++) {
		if (!s->start)
			continue;
		text = malloc(s->end - s->start);
		if (!read_kernel(s->start, text, s->end - s->start) ||
		    memcmp(text, s->text, s->end - s->start))
			changed++;
		free(text);
	}
	return changed;
}

/* The offset of the call of one function by another, or -1. */
static long find_site(const struct symbol *function, const struct symbol *target)
{
	unsigned long to;
	long offset;
	int rel;

	if (!function->start || !target->start)
		return -1;
	for (offset = 0; offset + 5 <= (long)(function->end - function->start); offset++) {
		if (function->text[offset] != 0xe8)
			continue;
		memcpy(&rel, function->text + offset + 1, sizeof(rel));
		to = function->start + offset + 5 + rel;
		/* Calls that are counted go through the padding in front of a function. */
		if (to <= target->start && to + 16 >= target->start)
			return offset;
	}
	return -1;
}

static bool probe_add(unsigned int site)
{
	const struct symbol *target = find_symbol(sites[site].target), *function = NULL;
	long offset = -1;
	char text[128];
	int i;

	for (i = 0; offset < 0 && i < 4 && sites[site].functions[i]; i++) {
		function = find_symbol(sites[site].functions[i]);
		offset = find_site(function, target);
	}
	snprintf(text, sizeof(text), "p:ea/site%u %s+%ld\n", site, function->name, offset);
	return offset >= 0 && write_file(TRACING "kprobe_events", text, O_APPEND);
}

static bool probe_enable(unsigned int site, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), TRACING "events/ea/site%u/enable", site);
	return write_file(path, value, 0);
}

static bool probe_remove(unsigned int site)
{
	char text[64];

	snprintf(text, sizeof(text), "-:ea/site%u\n", site);
	return write_file(TRACING "kprobe_events", text, O_APPEND);
}

/* ---- Unloading is refused, or not. ---- */

/* What the test and its children share. */
static struct shared {
	volatile int ready, listener;
	volatile pid_t pid;
} *shared;

static void ready_and_wait(void)
{
	shared->pid = getpid();
	shared->ready = 1;
	for (;;)
		pause();
}

static void keep_in_process(void)
{
	if (run_extended(NULL))
		_exit(1);
	ready_and_wait();
}

/* Who installed the filter does not matter, who has it does. */
static void keep_in_grandchild(void)
{
	if (run_extended(NULL))
		_exit(1);
	if (fork() == 0)
		ready_and_wait();
	_exit(0);
}

static void *filtered_thread(void *arg)
{
	(void)arg;
	keep_in_process();
	return NULL;
}

static void keep_in_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, filtered_thread, NULL))
		_exit(1);
	for (;;)
		pause();
}

/* Starts a child, and returns it when it, or what it left, is ready. */
static pid_t start_child(void (*run)(void))
{
	pid_t pid;
	int i;

	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return -1;
	pid = fork();
	if (pid == 0) {
		run();
		_exit(1);
	}
	for (i = 0; i < 10000 && !shared->ready; i++)
		nap();
	return shared->ready ? pid : -1;
}

FIXTURE(keeper)
{
};

FIXTURE_VARIANT(keeper)
{
	void (*keep)(void);
};

FIXTURE_VARIANT_ADD(keeper, process) { .keep = keep_in_process };
FIXTURE_VARIANT_ADD(keeper, grandchild) { .keep = keep_in_grandchild };
FIXTURE_VARIANT_ADD(keeper, thread) { .keep = keep_in_thread };

FIXTURE_SETUP(keeper)
{
	ASSERT_EQ(0, ea_load());
}

FIXTURE_TEARDOWN(keeper)
{
	EXPECT_EQ(0, ea_load());
}

/* As long as a filter lives nobody takes the hand-off away from it. */
TEST_F(keeper, refuses_unload)
{
	pid_t pid = start_child(variant->keep);
	int i;

	ASSERT_LT(0, pid);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(-EAGAIN, ea_unload());
		nap();
	}
	kill(shared->pid, SIGKILL);
	exit_status(pid);
	EXPECT_EQ(0, ea_unload_unused());
	EXPECT_EQ(0, wrong_unfiltered());
}

FIXTURE(module)
{
};

FIXTURE_SETUP(module)
{
	ASSERT_EQ(0, ea_load());
}

FIXTURE_TEARDOWN(module)
{
	EXPECT_EQ(0, ea_load());
}

static void listen_and_wait(void)
{
	const struct sock_fprog prog = EXTENDED;

	no_new_privs();
	shared->listener = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	ready_and_wait();
}

/* A listener holds its filter, long after the last thread that had it. */
TEST_F(module, listener_refuses_unload)
{
	pid_t pid = start_child(listen_and_wait);
	int pidfd, listener;

	ASSERT_LT(0, pid);
	pidfd = syscall(__NR_pidfd_open, pid, 0);
	listener = syscall(__NR_pidfd_getfd, pidfd, shared->listener, 0);
	ASSERT_LE(0, listener);
	kill(pid, SIGKILL);
	exit_status(pid);
	EXPECT_EQ(-EAGAIN, ea_unload());
	close(listener);
	EXPECT_EQ(0, ea_unload_unused());
}

/* Filters go with the thread, not with what is left for its parent to read. */
TEST_F(module, zombie_does_not)
{
	pid_t pid = start_child(keep_in_process);
	siginfo_t info;

	ASSERT_LT(0, pid);
	kill(pid, SIGKILL);
	ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(0, ea_unload_unused());
	exit_status(pid);
}

/* What was not installed holds nothing. */
TEST_F(module, failed_installs)
{
	const struct sock_fprog prog = EXTENDED;
	const struct sock_fprog refused = PROG(LD(SECCOMP_EA_BASE), ALLOW);
	const struct sock_fprog empty = {};
	struct rlimit limit;

	ASSERT_EQ(0, no_new_privs());
	EXPECT_EQ(-EINVAL, install_seccomp(0, &refused));
	EXPECT_EQ(-EINVAL, install_seccomp(0, &empty));
	EXPECT_EQ(-EFAULT, install_seccomp(0, NULL));
	EXPECT_EQ(-EINVAL, install_seccomp(1 << 30, &prog));

	/* The program is made already when there is no descriptor for the listener. */
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 0;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-EMFILE, install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog));
	limit.rlim_cur = limit.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));

	EXPECT_EQ(0, ea_unload_unused());
	EXPECT_EQ(-EINVAL, install_seccomp(0, &prog));
}

static void *diverge(void *arg)
{
	const struct sock_fprog prog = ORDINARY;

	(void)arg;
	no_new_privs();
	install_seccomp(0, &prog);
	ready_and_wait();
	return NULL;
}

static void fail_tsync(void)
{
	const struct sock_fprog prog = EXTENDED;
	pthread_t thread;

	pthread_create(&thread, NULL, diverge, NULL);
	while (!shared->ready)
		nap();
	no_new_privs();
	shared->listener = install_seccomp(SECCOMP_FILTER_FLAG_TSYNC, &prog) > 0;
	shared->ready = 2;
	for (;;)
		pause();
}

/* Nor what TSYNC could not give to a thread with filters of its own. */
TEST_F(module, failed_tsync)
{
	pid_t pid = start_child(fail_tsync);
	int i;

	ASSERT_LT(0, pid);
	for (i = 0; i < 10000 && shared->ready < 2; i++)
		nap();
	EXPECT_EQ(1, shared->listener);
	EXPECT_EQ(0, ea_unload_unused());
	kill(pid, SIGKILL);
	exit_status(pid);
}

static void *unload_forced(void *arg)
{
	*(long *)arg = SYSCALL(__NR_delete_module, EA_MODULE, O_NONBLOCK | O_TRUNC);
	return NULL;
}

/* Who forces the module out waits for the filters, and is told so. */
TEST_F(module, forced_unload_waits)
{
	const struct sock_fprog prog = EXTENDED;
	pid_t pid = start_child(keep_in_process);
	int log = log_open(), i;
	pthread_t thread;
	long ret = 1;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, pthread_create(&thread, NULL, unload_forced, &ret));
	for (i = 0; i < 10000 && !log_has(log, LOG_FILTERS); i++)
		nap();
	EXPECT_GT(10000, i);
	EXPECT_EQ(1, ret);
	/* The one that lives is served, and there is no new one. */
	ASSERT_EQ(0, no_new_privs());
	EXPECT_EQ(-EINVAL, install_seccomp(0, &prog));
	kill(pid, SIGKILL);
	exit_status(pid);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, wrong_unfiltered());
	close(log);
}

/* And for the device, whose last user still runs the module's code. */
TEST_F(module, forced_unload_waits_for_device)
{
	struct seccomp_ea_pinned pinned;
	int log = log_open(), i, device;
	pthread_t thread;
	long ret = 1;

	device = ea_device();
	ASSERT_LE(0, device);
	ASSERT_EQ(0, pthread_create(&thread, NULL, unload_forced, &ret));
	for (i = 0; i < 10000 && !log_has(log, LOG_DEVICE); i++)
		nap();
	EXPECT_GT(10000, i);
	EXPECT_EQ(1, ret);
	EXPECT_EQ(-ENOENT, ea_device());
	EXPECT_EQ(-ENOENT, read_pinned(device, getpid(), &pinned, NULL, 0));
	close(device);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, ret);
	close(log);
}

/* ---- Threads that have not slept since a call was redirected, or put back. ---- */

/* One system call that takes a second or more, and never sleeps. */
static struct long_call {
	pthread_t thread;
	struct iovec iov[IOV_MAX];
	int count;
	volatile bool begun, ended;
} long_call;

static void *call_for_long(void *arg)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	(void)arg;
	long_call.begun = true;
	readv(zero, long_call.iov, long_call.count);
	long_call.ended = true;
	close(zero);
	return NULL;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static bool long_call_begin(int count)
{
	size_t size = 1 << 20;
	void *to = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int i;

	if (to == MAP_FAILED)
		return false;
	for (i = 0; i < count; i++)
		long_call.iov[i] = (struct iovec) { to, size };
	long_call.count = count;
	long_call.begun = long_call.ended = false;
	if (pthread_create(&long_call.thread, NULL, call_for_long, NULL))
		return false;
	while (!long_call.begun)
		nap();
	return true;
}

/*
 * Such a thread may have lost its processor in a stub of the module, or on the
 * way to a function that is counted only at its start. Nobody can tell, so that
 * unloading waits for it: after installing was put back, and after the rest was.
 */
TEST_F(module, unload_waits_for_who_has_not_slept)
{
	pid_t pid = start_child(keep_in_process);
	int log = log_open(), i, count = 16;
	pthread_t thread;
	double before;
	long ret = 1;

	ASSERT_LT(0, pid);
	/* How much makes two seconds here. */
	before = seconds();
	ASSERT_TRUE(long_call_begin(count));
	ASSERT_EQ(0, pthread_join(long_call.thread, NULL));
	count *= 2 / (seconds() - before);
	ASSERT_LT(0, count);
	count = count < IOV_MAX ? count : IOV_MAX;

	ASSERT_TRUE(long_call_begin(count));
	ASSERT_EQ(0, pthread_create(&thread, NULL, unload_forced, &ret));
	for (i = 0; i < 10000 && !log_has(log, LOG_FILTERS); i++)
		nap();
	EXPECT_GT(10000, i);
	EXPECT_TRUE(long_call.ended);
	ASSERT_EQ(0, pthread_join(long_call.thread, NULL));

	ASSERT_TRUE(long_call_begin(count));
	kill(pid, SIGKILL);
	exit_status(pid);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, ret);
	EXPECT_TRUE(long_call.ended);
	ASSERT_EQ(0, pthread_join(long_call.thread, NULL));
	TH_LOG("calls of %d MiB", count);
	close(log);
}

/* ---- The kernel's text, and probes on it. ---- */

TEST_F(module, text_is_put_back)
{
	ASSERT_EQ(0, ea_unload_unused());
	ASSERT_TRUE(read_texts());
	EXPECT_EQ(0, changed_texts());
	ASSERT_EQ(0, ea_load());
	/* Or else the comparison shows nothing. */
	EXPECT_LT(3, changed_texts());
	EXPECT_EQ(0, in_child(run_extended, NULL));
	EXPECT_EQ(0, ea_unload_unused());
	EXPECT_EQ(0, changed_texts());
}

/*
 * A probe that was there first has kept the call as it was. Once armed it would
 * call the real function, and the filter would be judged by one copy and the
 * call by another. So the module does not load, and leaves nothing behind.
 */
TEST_F(module, probe_first_stops_load)
{
	unsigned int site;
	int log;

	ASSERT_EQ(0, ea_unload_unused());
	ASSERT_TRUE(read_texts());
	for (site = 0; site < ARRAY_SIZE(sites); site++) {
		log = log_open();
		ASSERT_TRUE(probe_add(site)) TH_LOG("site %u", site);
		EXPECT_EQ(-EBUSY, ea_load()) TH_LOG("site %u", site);
		EXPECT_TRUE(log_has(log, LOG_REFUSED)) TH_LOG("site %u", site);
		EXPECT_EQ(0, changed_texts());
		EXPECT_EQ(0, wrong_unfiltered());

		/* Nor with the probe at work. */
		EXPECT_TRUE(probe_enable(site, "1"));
		EXPECT_EQ(-EBUSY, ea_load()) TH_LOG("site %u", site);
		EXPECT_TRUE(probe_enable(site, "0"));
		EXPECT_TRUE(probe_remove(site));
		EXPECT_EQ(0, changed_texts());
		close(log);
	}
	EXPECT_EQ(0, ea_load());
	EXPECT_EQ(0, in_child(run_extended, NULL));
}

static void *unload_waiting(void *arg)
{
	*(long *)arg = ea_unload();
	return NULL;
}

/*
 * A probe that came later has kept the call of the module. It works with the
 * module, and must be gone before the module is.
 */
TEST_F(module, probe_later_delays_unload)
{
	unsigned int site;
	pthread_t thread;
	long ret;
	int log, i;

	ASSERT_EQ(0, ea_unload_unused());
	ASSERT_TRUE(read_texts());
	for (site = 0; site < ARRAY_SIZE(sites); site++) {
		ASSERT_EQ(0, ea_load());
		log = log_open();
		ASSERT_TRUE(probe_add(site)) TH_LOG("site %u", site);
		ASSERT_TRUE(probe_enable(site, "1"));
		EXPECT_EQ(0, in_child(run_extended, NULL)) TH_LOG("site %u", site);
		/* The probe has not brought back the call that was there before. */
		EXPECT_EQ(0, in_child(run_handed_off, NULL)) TH_LOG("site %u", site);

		ret = 1;
		ASSERT_EQ(0, pthread_create(&thread, NULL, unload_waiting, &ret));
		for (i = 0; i < 10000 && !log_has(log, LOG_WAITING); i++)
			nap();
		EXPECT_GT(10000, i) TH_LOG("site %u", site);
		EXPECT_EQ(1, ret);
		EXPECT_EQ(0, wrong_unfiltered());

		EXPECT_TRUE(probe_enable(site, "0"));
		EXPECT_TRUE(probe_remove(site));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(0, ret);
		EXPECT_EQ(0, changed_texts()) TH_LOG("site %u", site);
		close(log);
	}
}

/* ---- Others who look at the same functions. ---- */

/* Whose starts are traced and probed, as far as the kernel lets them be. */
static const char *const entries[] = {
	"__x64_sys_openat2", "__x64_sys_clone3", "copy_clone_args_from_user", "_copy_from_user",
	"check_zeroed_user", "do_seccomp", "bpf_prog_create_from_user", "do_exit",
	"seccomp_filter_release",
};

/* Nothing is different with the module loaded, in use and unloaded again. */
static int wrong_reloaded(void)
{
	return in_child(run_extended, NULL) || wrong_unfiltered() || ea_unload_unused() ||
	       wrong_unfiltered() || ea_load() || in_child(run_extended, NULL);
}

TEST_F(module, ftrace)
{
	int traced = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(entries); i++)
		traced += write_file(TRACING "set_ftrace_filter", entries[i], O_APPEND);
	ASSERT_LT(4, traced);
	ASSERT_TRUE(write_file(TRACING "current_tracer", "function", 0));
	EXPECT_EQ(0, wrong_reloaded());
	EXPECT_TRUE(write_file(TRACING "events/syscalls/enable", "1", 0));
	EXPECT_EQ(0, wrong_reloaded());
	EXPECT_TRUE(write_file(TRACING "events/syscalls/enable", "0", 0));
	EXPECT_TRUE(write_file(TRACING "current_tracer", "nop", 0));
	write_file(TRACING "set_ftrace_filter", "", O_TRUNC);
	EXPECT_EQ(0, wrong_reloaded());
}

/* Probes at the functions' starts, which are no call sites, and a profiler. */
TEST_F(module, perf)
{
	const struct perf_event_attr profiler = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(profiler),
		.config = PERF_COUNT_SW_CPU_CLOCK, .sample_period = 1000000,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_CALLCHAIN,
	};
	struct perf_event_attr probe = { .size = sizeof(probe), .sample_period = 1 };
	int fds[ARRAY_SIZE(entries) + 1], n = 0, i;

	probe.type = read_number("/sys/bus/event_source/devices/kprobe/type", "");
	for (i = 0; i < (int)ARRAY_SIZE(entries); i++) {
		probe.kprobe_func = (unsigned long)entries[i];
		fds[n] = SYSCALL(__NR_perf_event_open, &probe, -1, 0, -1, 0);
		n += fds[n] >= 0;
	}
	ASSERT_LT(4, n);
	fds[n] = SYSCALL(__NR_perf_event_open, &profiler, -1, 0, -1, 0);
	ASSERT_LE(0, fds[n]);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, wrong_unfiltered());
	EXPECT_EQ(0, wrong_reloaded());
	for (i = 0; i <= n; i++)
		close(fds[i]);
	EXPECT_EQ(0, wrong_reloaded());
}

/* ---- Compilers. ---- */

#define JIT_ENABLE	"/proc/sys/net/core/bpf_jit_enable"
#define JIT_HARDEN	"/proc/sys/net/core/bpf_jit_harden"

FIXTURE(jit)
{
	char enable[2], harden[2];
};

FIXTURE_VARIANT(jit)
{
	const char *enable, *harden;
};

FIXTURE_VARIANT_ADD(jit, on) { "1", "0" };
FIXTURE_VARIANT_ADD(jit, off) { "0", "0" };
FIXTURE_VARIANT_ADD(jit, hardened) { "1", "2" };

FIXTURE_SETUP(jit)
{
	self->enable[0] = '0' + read_number(JIT_ENABLE, "");
	self->harden[0] = '0' + read_number(JIT_HARDEN, "");
	ASSERT_EQ(0, ea_load());
	ASSERT_TRUE(write_file(JIT_ENABLE, variant->enable, 0));
	ASSERT_TRUE(write_file(JIT_HARDEN, variant->harden, 0));
}

FIXTURE_TEARDOWN(jit)
{
	write_file(JIT_ENABLE, self->enable, 0);
	write_file(JIT_HARDEN, self->harden, 0);
}

/* The same in C as in the filter below. */
static unsigned int compute(__u64 flags, __u64 mode, __u64 resolve)
{
	unsigned int a = mode, x, m;

	m = a ^ 0xdeadbeef;
	x = a | 1;
	a = flags;
	a /= x;
	a += m;
	a *= 0x01000193;
	a -= (unsigned int)(resolve >> 32);
	a = a & 0x10 ? a << 3 : a >> 1;
	if (a > 0x12345)
		a = -a;
	return a & 0x7ff;
}

/* Arithmetic, constants to be blinded, scratch memory: one result for all. */
TEST_F(jit, same_results)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(SECCOMP_EA_LO(struct open_how, mode)),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 0xdeadbeef),
		BPF_STMT(BPF_ST, 7),
		BPF_STMT(BPF_MISC | BPF_TXA, 0),
		BPF_STMT(BPF_ALU | BPF_OR | BPF_K, 1),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		LD(SECCOMP_EA_LO(struct open_how, flags)),
		BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
		BPF_STMT(BPF_LDX | BPF_MEM, 7),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 0x01000193),
		BPF_STMT(BPF_ST, 15),
		LD(SECCOMP_EA_HI(struct open_how, resolve)),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_MEM, 15),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
		JSET(0x10, 0, 2), BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 3), JA(1),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 1),
		JGT(0x12345, 0, 1), BPF_STMT(BPF_ALU | BPF_NEG, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x7ff),
		BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_A, 0));
	struct open_how how;
	__u64 random = 1;
	int i;

	ASSERT_EQ(0, no_new_privs());
	ASSERT_EQ(0, install_seccomp(0, &prog));
	for (i = 0; i < 2000; i++) {
		__u64 *word;

		for (word = (__u64 *)&how; word < (__u64 *)(&how + 1); word++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			*word = random ^ random >> 29;
		}
		ASSERT_EQ(-(long)compute(how.flags, how.mode, how.resolve),
			  sys_openat2(AT_FDCWD, "/", &how, sizeof(how)));
	}
}

/* All words of it: the extended program has a stack as large as the one it comes from. */
TEST_F(jit, scratch_memory)
{
	static const struct sock_filter start[] = {
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		LD(SECCOMP_EA_LO(struct open_how, resolve)),
	};
	struct sock_filter insns[ARRAY_SIZE(start) + 5 * BPF_MEMWORDS + 1], *insn = insns;
	const struct sock_fprog prog = { .len = ARRAY_SIZE(insns), .filter = insns };
	unsigned int i;

	memcpy(insns, start, sizeof(start));
	insn += ARRAY_SIZE(start);
	for (i = 0; i < BPF_MEMWORDS; i++) {
		*insn++ = (struct sock_filter)BPF_STMT(BPF_ST, i);
		*insn++ = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1);
	}
	for (i = 0; i < BPF_MEMWORDS; i++) {
		*insn++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_MEM, i);
		*insn++ = (struct sock_filter)JEQ(RESOLVE_BENEATH + i, 1, 0);
		*insn++ = (struct sock_filter)DENY(DENIED);
	}
	*insn = (struct sock_filter)ALLOW;

	ASSERT_EQ(0, no_new_privs());
	ASSERT_EQ(0, install_seccomp(0, &prog));
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(-EXDEV, open_with(RESOLVE_BENEATH));
}

TEST_F(jit, decides)
{
	EXPECT_EQ(0, in_child(run_extended, NULL));
}

/* ---- The filter dump. ---- */

TEST_F(module, dump)
{
	/* The oldest one first, which is the order of the dump. */
	const struct sock_fprog progs[] = {
		EXTENDED, ORDINARY,
		PROG(LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		     LD(SECCOMP_EA_TAIL), JGT(sizeof(struct open_how), 2, 0),
		     LD(SECCOMP_EA_ERROR), JEQ(EFAULT, 0, 1), ALLOW,
		     LD(SECCOMP_EA_BASE + SECCOMP_EA_MAX - 4), BPF_STMT(BPF_RET | BPF_K, 7)),
	};
	struct sock_filter insns[BPF_MAXINSNS];
	unsigned int i;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (pid == 0) {
		no_new_privs();
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		for (i = 0; i < ARRAY_SIZE(progs); i++)
			if (install_seccomp(0, &progs[i]))
				_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	for (i = 0; i < ARRAY_SIZE(progs); i++) {
		ASSERT_EQ(progs[i].len, SYSCALL(__NR_ptrace, PTRACE_SECCOMP_GET_FILTER, pid, i,
						insns));
		EXPECT_EQ(0, memcmp(insns, progs[i].filter, progs[i].len * sizeof(*insns)));
	}
	kill(pid, SIGKILL);
	exit_status(pid);
}

/* ---- Execs. ---- */

static void *exec_again(void *arg)
{
	char count[16];
	char *argv[] = { "lifetime", "exec", count, NULL };

	snprintf(count, sizeof(count), "%d", *(int *)arg - 1);
	if (open_with(0) != -DENIED)
		_exit(2);
	execv("/proc/self/exe", argv);
	_exit(127);
}

/* Both threads get a cache before the one that is not the leader executes. */
static int exec_many(int count)
{
	pthread_t thread;

	if (open_with(0) != -DENIED)
		return 1;
	if (!count) {
		raise(SIGSTOP);
		return 0;
	}
	if (pthread_create(&thread, NULL, exec_again, &count))
		return 3;
	pthread_join(thread, NULL);
	return 4;
}

FIXTURE(execs)
{
};

FIXTURE_SETUP(execs)
{
	ASSERT_EQ(0, ea_load());
	write_file(CGROUPS "/cgroup.subtree_control", "+memory", 0);
	mkdir(CGROUP, 0755);
	ASSERT_LE(0, read_number(CGROUP "/memory.current", ""));
}

FIXTURE_TEARDOWN(execs)
{
	rmdir(CGROUP);
}

/*
 * The thread that executes becomes the leader: it gets another thread's id and
 * start time, and keeps its cache. The old leader's is given back.
 */
TEST_F_TIMEOUT(execs, leave_no_cache, 300)
{
	const struct sock_fprog prog = EXTENDED;
	int count = rounds(EXECS) / 2, status, cpu;
	long charged;
	pid_t pids[2];

	/* Two chains of them, one on each CPU. */
	for (cpu = 0; cpu < 2; cpu++) {
		pids[cpu] = fork();
		ASSERT_LE(0, pids[cpu]);
		if (pids[cpu] == 0) {
			pin(cpu);
			if (!write_file(CGROUP "/cgroup.procs", "0", 0) || no_new_privs() ||
			    install_seccomp(0, &prog))
				_exit(5);
			exec_again(&count);
		}
	}
	for (cpu = 0; cpu < 2; cpu++) {
		ASSERT_EQ(pids[cpu], waitpid(pids[cpu], &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status)) TH_LOG("%d", WEXITSTATUS(status));
	}
	charged = read_number(CGROUP "/memory.current", "");
	/* A cache left for each would be 80 MiB. */
	EXPECT_GT(16 * 1024 * 1024, charged);
	TH_LOG("%ld KiB after %d", charged / 1024, 2 * count);
	for (cpu = 0; cpu < 2; cpu++) {
		kill(pids[cpu], SIGKILL);
		exit_status(pids[cpu]);
	}
	EXPECT_EQ(0, ea_unload_unused());
}

/* ---- Under load. ---- */

/* A page that userfaultfd withholds, with two structs for calls that fail and two filters. */
static int uffd;
static char *page;

#define HOW		((struct open_how *)page)
#define ARGS		((struct clone_args *)(page + PAGE / 2))
#define FILTER		((struct sock_filter *)(page + PAGE / 4))
#define LOOKING		((struct sock_filter *)(page + 3 * PAGE / 4))

static bool uffd_open(void)
{
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return false;
	uffd = withhold(page, PAGE);
	return uffd >= 0;
}

static void uffd_release(void)
{
	static union {
		char bytes[PAGE];
		__u64 words[PAGE / 8];
	} content;
	struct uffdio_copy copy = {
		.dst = (unsigned long)page, .src = (unsigned long)&content, .len = PAGE,
	};
	const struct sock_fprog extended = EXTENDED;

	((struct open_how *)content.bytes)->resolve = RESOLVE_BENEATH;
	((struct clone_args *)(content.bytes + PAGE / 2))->flags = CLONE_THREAD;
	*(struct sock_filter *)(content.bytes + PAGE / 4) = (struct sock_filter)ALLOW;
	memcpy(content.bytes + 3 * PAGE / 4, extended.filter,
	       extended.len * sizeof(*extended.filter));
	ioctl(uffd, UFFDIO_COPY, &copy);
}

static long call_sleeping(bool clone)
{
	if (clone)
		return sys_clone3(ARGS, sizeof(*ARGS)) == -EINVAL ? 0 : 1;
	return sys_openat2(AT_FDCWD, "/", HOW, sizeof(*HOW)) == -EXDEV ? 0 : 1;
}

static void *sleep_filtered(void *arg)
{
	const struct sock_fprog prog = EXTENDED;
	long *ret = arg;

	if (no_new_privs() || install_seccomp(0, &prog))
		return NULL;
	*ret = call_sleeping(false);
	return NULL;
}

struct installing {
	struct sock_fprog prog;
	long ret;
};

static void *install_sleeping(void *arg)
{
	struct installing *installing = arg;

	installing->ret = no_new_privs() ?: install_seccomp(0, &installing->prog);
	return NULL;
}

/* The filter is on the page that is withheld until the module is being unloaded. */
static long install_unloading(struct __test_metadata *_metadata, struct sock_fprog prog)
{
	struct installing installing = { .prog = prog, .ret = 1 };
	pthread_t installer, unloader;
	long unloaded = 1;
	int log, i;

	ASSERT_EQ(0, pthread_create(&installer, NULL, install_sleeping, &installing));
	ASSERT_TRUE(is_waited_for(uffd, 10000));
	log = log_open();
	ASSERT_EQ(0, pthread_create(&unloader, NULL, unload_waiting, &unloaded));
	for (i = 0; i < 10000 && !log_has(log, LOG_INSTALL); i++)
		nap();
	EXPECT_GT(10000, i);
	EXPECT_EQ(1, unloaded);
	uffd_release();
	ASSERT_EQ(0, pthread_join(installer, NULL));
	ASSERT_EQ(0, pthread_join(unloader, NULL));
	EXPECT_EQ(0, unloaded);
	close(log);
	return installing.ret;
}

/* There is none yet, but who installs one is on the way through the module. */
TEST_F(module, sleeping_in_install)
{
	ASSERT_TRUE(uffd_open());
	EXPECT_EQ(0, install_unloading(_metadata, (struct sock_fprog) {
		.len = 1, .filter = FILTER,
	}));
}

/* It is too late for one that reads structs, which is refused as without the module. */
TEST_F(module, sleeping_in_install_of_extended)
{
	struct sock_fprog prog = EXTENDED;

	ASSERT_TRUE(uffd_open());
	prog.filter = LOOKING;
	EXPECT_EQ(-EINVAL, install_unloading(_metadata, prog));
}

/* In the fetch of a filter there is a filter. */
TEST_F(module, sleeping_in_fetch)
{
	pthread_t thread;
	long ret = 1;
	int i;

	ASSERT_TRUE(uffd_open());
	ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_filtered, &ret));
	ASSERT_TRUE(is_waited_for(uffd, 10000));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(-EAGAIN, ea_unload());
		nap();
	}
	uffd_release();
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, ea_unload_unused());
}

static struct load {
	volatile bool stop;
	volatile long wrong, calls[4], installed, refused, slept;
} *load;

/* Two processes without filters, whose calls must be what they always are. */
static void bystand(int i)
{
	while (!load->stop) {
		if (wrong_unfiltered())
			load->wrong++;
		if (load->calls[i]++ % 64)
			continue;
		if (clone_with(0) <= 0)
			load->wrong++;
		/* Unloading waits until every task has slept or is seen in user space. */
		nap();
	}
}

static int run_ordinary(void *arg)
{
	const struct sock_fprog prog = ORDINARY;

	(void)arg;
	return no_new_privs() || install_seccomp(0, &prog) || wrong_unfiltered() ||
	       SYSCALL(__NR_getppid) != -DENIED;
}

static int run_extended_or_refused(void *arg)
{
	const struct sock_fprog prog = EXTENDED;
	long ret;

	(void)arg;
	no_new_privs();
	ret = install_seccomp(0, &prog);
	if (ret == -EINVAL) {
		load->refused++;
		return wrong_unfiltered();
	}
	load->installed++;
	return ret || wrong_filtered();
}

/* One that installs ordinary filters, and one whose filters read structs. */
static void install(int i)
{
	while (!load->stop) {
		if (in_child(i % 2 ? run_ordinary : run_extended_or_refused, NULL))
			load->wrong++;
		load->calls[i]++;
		/* Filters that follow each other closely would never let it go. */
		nap();
	}
}

/* Sleeps in the copies of calls, one after the other. */
static void *bystand_sleeping(void *arg)
{
	bool clone = false;

	(void)arg;
	while (!load->stop) {
		madvise(page, PAGE, MADV_DONTNEED);
		if (call_sleeping(clone))
			load->wrong++;
		load->slept++;
		clone = !clone;
	}
	return NULL;
}

/*
 * Every load and every unload happens under four processes that call as fast as
 * they can, and under a thread that sleeps in the middle of a copy: in the real
 * one, that is, to which a redirected call has jumped.
 */
TEST_F_TIMEOUT(module, reloaded_under_load, 1500)
{
	const int cycles = rounds(CYCLES);
	pid_t pids[4];
	pthread_t thread;
	long refused = 0, installed, ret;
	int i, tries;

	load = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, load);
	for (i = 0; i < 4; i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (pids[i] == 0) {
			/* They take all that loading and unloading leave. */
			nice(19);
			if (i < 2)
				bystand(i);
			else
				install(i);
			_exit(0);
		}
	}
	ASSERT_TRUE(uffd_open());
	ASSERT_EQ(0, pthread_create(&thread, NULL, bystand_sleeping, NULL));

	for (i = 0; i < cycles; i++) {
		ASSERT_TRUE(is_waited_for(uffd, 10000));
		do {
			ret = ea_unload();
			if (ret == -EAGAIN) {
				refused++;
				sched_yield();
			}
		} while (ret == -EAGAIN);
		ASSERT_EQ(0, ret);
		uffd_release();

		ASSERT_TRUE(is_waited_for(uffd, 10000));
		ASSERT_EQ(0, ea_load());
		uffd_release();
		/* Loaded, it is used before it is unloaded again. */
		installed = load->installed;
		for (tries = 0; tries < 1000 && load->installed == installed; tries++)
			nap();
	}

	load->stop = true;
	while (pthread_tryjoin_np(thread, NULL))
		if (is_waited_for(uffd, 10))
			uffd_release();
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, exit_status(pids[i]));
	EXPECT_EQ(0, load->wrong);
	for (i = 0; i < 4; i++)
		EXPECT_LT(cycles, load->calls[i]);
	EXPECT_LT(cycles / 2, load->installed);
	EXPECT_LE(2 * cycles, load->slept);
	TH_LOG("%d reloads, %ld refused, under %ld, %ld, %ld and %ld rounds", cycles, refused,
	       load->calls[0], load->calls[1], load->calls[2], load->calls[3]);
	TH_LOG("%ld extended filters installed, %ld refused", load->installed, load->refused);
}

int main(int argc, char **argv)
{
	/* As what the test of execs executes. */
	if (argc == 3 && strcmp(argv[1], "exec") == 0)
		return exec_many(atoi(argv[2]));
	find_symbols();
	return test_harness_run(argc, argv);
}
