// SPDX-License-Identifier: GPL-2.0
/*
 * What the module tells in debugfs: the calls that it covers with the sites of
 * their hand-off, and its counters. Whoever reads that is in nobody's way.
 */
#include <linux/mount.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "common.h"
#include "kselftest_harness.h"
#include "calls.h"
#include "withhold.h"

#define DIRECTORY	"/sys/kernel/debug/seccomp_ea"
#define FILE_CALLS	DIRECTORY "/calls"
#define FILE_COUNTERS	DIRECTORY "/counters"

#define CGROUP		CGROUPS "/seccomp_ea"

/* No call here returns it of its own accord. */
#define DENIED		EDOTDOT

/* More than either file has. */
#define TEXT		16384

/* The length of what was read, or a negated errno. */
static long read_text(const char *path, char *text)
{
	long length = 0, ret;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while ((ret = SYSCALL(__NR_read, fd, text + length, TEXT - 1 - length)) > 0)
		length += ret;
	close(fd);
	text[length] = '\0';
	return ret ?: length;
}

/* ---- The calls. ---- */

static struct symbol {
	unsigned long address;
	char name[128];
} *symbols;
static size_t symbols_count;

/* The functions of the kernel. */
static bool read_symbols(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512], type;

	while (f && fgets(line, sizeof(line), f)) {
		struct symbol *symbol;

		if (symbols_count % 4096 == 0)
			symbols = realloc(symbols, (symbols_count + 4096) * sizeof(*symbols));
		if (!symbols)
			return false;
		symbol = &symbols[symbols_count];
		if (sscanf(line, "%lx %c %127s", &symbol->address, &type, symbol->name) == 3 &&
		    strchr("tTW", type))
			symbols_count++;
	}
	if (f)
		fclose(f);
	return symbols_count;
}

/* Whether there is a function of that name that is longer than the offset. */
static bool is_in_function(const char *name, unsigned long offset)
{
	unsigned long start = 0, end = -1UL;
	size_t i;

	for (i = 0; i < symbols_count && !start; i++)
		if (!strcmp(symbols[i].name, name))
			start = symbols[i].address;
	for (i = 0; i < symbols_count; i++)
		if (symbols[i].address > start && symbols[i].address < end)
			end = symbols[i].address;
	return start && start + offset < end;
}

/* Each call that the kernel has is covered, with sites in functions that it has. */
TEST(sites)
{
	char text[TEXT], expected[256], *line, *rest = text;
	struct utsname kernel;
	unsigned int i;

	ASSERT_EQ(0, uname(&kernel));
	ASSERT_TRUE(read_symbols());
	ASSERT_LT(0, read_text(FILE_CALLS, text));
	for (i = 0; i < NR_CALLS; i++) {
		const struct call *call = &calls[i];
		/* The struct is copied and its tail checked, and the size in it is read before. */
		const int at_least = call->size == INSIDE ? 3 : 2;
		int sites = 0, length;
		char *site;

		line = strsep(&rest, "\n");
		ASSERT_NE(NULL, line);
		length = snprintf(expected, sizeof(expected), "%s %s %u %u ", call->name,
				  call->structure + strlen("struct "), call->nr[X86_64],
				  call->nr[I386]);
		EXPECT_EQ(0, strncmp(expected, line, length)) TH_LOG("%s", line);

		if (!call_exists(call)) {
			EXPECT_STREQ("absent", line + length);
			EXPECT_EQ(NULL, strstr(kernel.release, "+deb")) {
				TH_LOG("no %s in a kernel of Debian's", call->name);
			}
			continue;
		}
		for (line += length; (site = strsep(&line, " ")); sites++) {
			unsigned long offset = 0;
			char name[256];

			EXPECT_TRUE(sscanf(site, "%255[^+]+0x%lx", name, &offset) == 2 &&
				    is_in_function(name, offset)) {
				TH_LOG("%s: %s", call->name, site);
			}
		}
		EXPECT_LE(at_least, sites) TH_LOG("%s", call->name);
	}
	/* And no others. */
	EXPECT_STREQ("", rest);
}

/* ---- The counters. ---- */

enum counter {
	FILTERS,
	CACHES,
	FETCHES,
	SERVED,
	FAULTS,
	DENIED_NO_MEMORY,
	DENIED_UNKNOWN,
	REFUSED,
	CHANGED,
	COUNTERS,
};

static const char * const names[COUNTERS] = {
	"filters", "caches", "fetches", "served", "faults", "denied_no_memory", "denied_unknown",
	"refused", "changed",
};

static const char *name_of(int counter)
{
	return counter < COUNTERS ? names[counter] : "";
}

struct counters {
	long value[COUNTERS];
};

/* Whether the text is all counters, in order, and nothing else. */
static bool parse(const char *text, struct counters *counters)
{
	char name[64];
	int i, length;

	for (i = 0; i < COUNTERS; i++, text += length)
		if (sscanf(text, "%63s %ld%n", name, &counters->value[i], &length) != 2 ||
		    strcmp(name, names[i]) || text[length++] != '\n')
			return false;
	return !*text;
}

static bool count(struct counters *counters)
{
	char text[TEXT];

	return read_text(FILE_COUNTERS, text) > 0 && parse(text, counters);
}

static long count_of(enum counter counter)
{
	struct counters counters;

	return count(&counters) ? counters.value[counter] : -1;
}

/* What is freed after its last user is gone may take a moment to be. */
static bool returns_to(enum counter counter, long value)
{
	int i;

	for (i = 0; i < 5000 && count_of(counter) != value; i++)
		nap();
	return count_of(counter) == value;
}

/* EINVAL after the copy, for a flag that the kernel does not know. */
static long open_once(void *how, size_t size)
{
	return sys_openat2(AT_FDCWD, "/", how, size);
}

static struct open_how unknown = { .flags = 1ULL << 62 };

#define INSPECT		PROG(						\
	LD_NR, JEQ(__NR_openat2, 3, 0), JEQ(__NR_statmount, 2, 0),	\
	JEQ(__NR_listmount, 1, 0), ALLOW,				\
	LD(SECCOMP_EA_BASE + 4), JEQ(DENIED, 0, 1), DENY(DENIED), ALLOW)

static long install_inspecting(void)
{
	const struct sock_fprog prog = INSPECT;

	return install_seccomp(0, &prog);
}

/* What the steps of a child make of the counters: the differences that are expected. */
#define EXPECT_COUNTED(before, ...)					\
do {									\
	const struct counters __expected = { .value = { __VA_ARGS__ } };	\
	struct counters __now;						\
	int __i;							\
									\
	ASSERT_TRUE(count(&__now));					\
	for (__i = 0; __i < COUNTERS; __i++)				\
		EXPECT_EQ(__expected.value[__i],			\
			  __now.value[__i] - (before).value[__i])	\
			TH_LOG("%s", name_of(__i));			\
	(before) = __now;						\
} while (0)

/* A process of its own, as its filters stay with it. */
TEST(filters)
{
	const struct sock_fprog ordinary = PROG(LD_NR, JEQ(__NR_getppid, 0, 1), DENY(DENIED), ALLOW);
	const long filters = count_of(FILTERS), caches = count_of(CACHES);
	struct counters c;
	pid_t pid;

	ASSERT_LE(0, filters);
	pid = fork();
	ASSERT_LE(0, pid);
	if (pid == 0) {
		ASSERT_EQ(0, no_new_privs());
		ASSERT_TRUE(count(&c));
		ASSERT_EQ(0, install_seccomp(0, &ordinary));
		EXPECT_COUNTED(c, 0);
		ASSERT_EQ(0, install_inspecting());
		EXPECT_COUNTED(c, [FILTERS] = 1);
		ASSERT_EQ(0, install_inspecting());
		EXPECT_COUNTED(c, [FILTERS] = 1);

		/* One cache for a thread, one fetch for all its filters. */
		EXPECT_EQ(-EINVAL, open_once(&unknown, sizeof(unknown)));
		EXPECT_COUNTED(c, [CACHES] = 1, [FETCHES] = 1, [SERVED] = 1);
		EXPECT_EQ(-EINVAL, open_once(&unknown, sizeof(unknown)));
		EXPECT_COUNTED(c, [FETCHES] = 1, [SERVED] = 1);

		/* A child has the filters of its parent, and a cache of its own. */
		pid = fork();
		ASSERT_LE(0, pid);
		if (pid == 0) {
			open_once(&unknown, sizeof(unknown));
			_exit(count_of(CACHES) - c.value[CACHES]);
		}
		EXPECT_EQ(1, exit_status(pid));
		EXPECT_TRUE(returns_to(CACHES, c.value[CACHES]));
		_exit(_metadata->exit_code);
	}
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_TRUE(returns_to(FILTERS, filters));
	EXPECT_TRUE(returns_to(CACHES, caches));
}

/* Each copy, check and size that a call asks for is an answer. */
TEST(answers)
{
	struct mnt_id_req req = { .size = sizeof(req), .mnt_id = 1 };
	struct {
		struct open_how how;
		__u64 tail;
	} longer = { .how = unknown };
	struct counters c;
	int i;

	ASSERT_EQ(0, no_new_privs());
	ASSERT_EQ(0, install_inspecting());
	open_once(&unknown, sizeof(unknown));
	ASSERT_TRUE(count(&c));

	for (i = 0; i < 100; i++)
		open_once(&unknown, sizeof(unknown));
	EXPECT_COUNTED(c, [FETCHES] = 100, [SERVED] = 100);

	/* The tail as well. */
	EXPECT_EQ(-EINVAL, open_once(&longer, sizeof(longer)));
	EXPECT_COUNTED(c, [FETCHES] = 1, [SERVED] = 2);
	longer.tail = 1;
	EXPECT_EQ(-E2BIG, open_once(&longer, sizeof(longer)));
	EXPECT_COUNTED(c, [FETCHES] = 1, [SERVED] = 1);

	/* The size as well. */
	EXPECT_EQ(-EINVAL, SYSCALL(__NR_statmount, &req, NULL, 0, 0));
	EXPECT_COUNTED(c, [FETCHES] = 1, [SERVED] = 2);
	req.size = 1;
	EXPECT_EQ(-EINVAL, SYSCALL(__NR_statmount, &req, NULL, 0, 0));
	EXPECT_COUNTED(c, [FETCHES] = 1, [SERVED] = 1);

	/* What was not there is not there. */
	EXPECT_EQ(-EFAULT, open_once(NULL, sizeof(unknown)));
	EXPECT_COUNTED(c, [FETCHES] = 1, [FAULTS] = 1);
	EXPECT_EQ(-EFAULT, SYSCALL(__NR_statmount, NULL, NULL, 0, 0));
	EXPECT_COUNTED(c, [FETCHES] = 1, [FAULTS] = 1);

	/* A call that does not come to a copy asks for none, nor does a denied one. */
	EXPECT_EQ(-EINVAL, open_once(&unknown, 1));
	EXPECT_COUNTED(c, [FETCHES] = 1);
	unknown.flags = (__u64)DENIED << 32;
	EXPECT_EQ(-DENIED, open_once(&unknown, sizeof(unknown)));
	EXPECT_COUNTED(c, [FETCHES] = 1);

	/* Other calls are no business of the module's. */
	close(-1);
	EXPECT_COUNTED(c, 0);
}

/* Refused by the module, that is; what the kernel refuses of its own is not counted. */
TEST(refused)
{
	const struct sock_fprog blind = PROG(LD(SECCOMP_EA_BASE), RET(SECCOMP_RET_ALLOW));
	const struct sock_fprog invalid = PROG(LD(1), ALLOW);
	struct counters c;

	ASSERT_EQ(0, no_new_privs());
	ASSERT_TRUE(count(&c));
	EXPECT_EQ(-EINVAL, install_seccomp(0, &blind));
	EXPECT_COUNTED(c, [REFUSED] = 1);
	EXPECT_EQ(-EINVAL, install_prctl(&blind));
	EXPECT_COUNTED(c, [REFUSED] = 1);
	EXPECT_EQ(-EINVAL, install_seccomp(0, &invalid));
	EXPECT_COUNTED(c, 0);
}

/* ---- No memory. ---- */

/* More than the pages that each CPU has charged in reserve are enough for. */
#define THREADS		256

static pthread_barrier_t barrier;
static long results[THREADS];

static void *starve(void *arg)
{
	/* What comes later is done once before, so that it needs nothing new. */
	close(-1);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	results[(long)arg] = open_once(&unknown, sizeof(unknown));
	pthread_barrier_wait(&barrier);
	return NULL;
}

TEST(denied_no_memory)
{
	pthread_t threads[THREADS];
	pthread_attr_t attr;
	struct counters c;
	int limit, refused = 0;
	long i;

	write_file(CGROUPS "/cgroup.subtree_control", "+memory", 0);
	mkdir(CGROUP, 0755);
	ASSERT_TRUE(write_file(CGROUP "/cgroup.procs", "0", 0));
	ASSERT_EQ(0, no_new_privs());
	ASSERT_EQ(0, install_inspecting());
	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, THREADS + 1));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], &attr, starve, (void *)i));
	pthread_barrier_wait(&barrier);
	ASSERT_TRUE(count(&c));

	/*
	 * Nonblocking, the kernel does not kill until the limit is kept. This process
	 * has it as well: to open the file once more would need memory.
	 */
	limit = open(CGROUP "/memory.max", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, limit);
	ASSERT_EQ(1, write(limit, "0", 1));
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	ASSERT_EQ(3, pwrite(limit, "max", 3, 0));
	close(limit);
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		refused += results[i] == -ENOMEM;
	}
	EXPECT_LT(0, refused);
	EXPECT_EQ(refused, count_of(DENIED_NO_MEMORY) - c.value[DENIED_NO_MEMORY]);
	EXPECT_EQ(THREADS - refused, count_of(SERVED) - c.value[SERVED]);

	ASSERT_TRUE(write_file(CGROUPS "/cgroup.procs", "0", 0));
	rmdir(CGROUP);
}

/* ---- Readers and callers at once. ---- */

static volatile bool stop;
static volatile unsigned long made;

static void *caller(void *arg)
{
	(void)arg;
	while (!stop) {
		if (open_once(&unknown, sizeof(unknown)) != -EINVAL)
			break;
		__sync_fetch_and_add(&made, 1);
	}
	return NULL;
}

/* What is read meanwhile is whole, rises, and is exact in the end. */
TEST(read_while_calling)
{
	struct counters before, last, now;
	pthread_t threads[2];
	unsigned int i;
	int reads = 0;

	ASSERT_EQ(0, no_new_privs());
	ASSERT_EQ(0, install_inspecting());
	ASSERT_TRUE(count(&before));
	last = before;
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, caller, NULL));
	for (; reads < rounds(2000) || made < (unsigned long)rounds(20000); reads++) {
		ASSERT_TRUE(count(&now));
		ASSERT_LE(last.value[FETCHES], now.value[FETCHES]);
		ASSERT_LE(last.value[SERVED], now.value[SERVED]);
		ASSERT_EQ(before.value[FILTERS], now.value[FILTERS]);
		last = now;
	}
	stop = true;
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	TH_LOG("%d reads, %lu calls", reads, made);
	EXPECT_EQ((long)made, count_of(FETCHES) - before.value[FETCHES]);
	EXPECT_EQ((long)made, count_of(SERVED) - before.value[SERVED]);
	EXPECT_EQ(0, count_of(FAULTS) - before.value[FAULTS]);
}

struct slow {
	int file, uffd;
	char *page;
	long ret;
};

static void *read_slowly(void *arg)
{
	struct slow *slow = arg;

	slow->ret = SYSCALL(__NR_read, slow->file, slow->page, PAGE);
	return NULL;
}

/* A reader that sleeps in the middle of a read holds up nobody. */
TEST(slow_reader)
{
	static const char * const files[] = { FILE_CALLS, FILE_COUNTERS };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		struct uffdio_zeropage zero = { .range.len = PAGE };
		struct slow slow = { .file = open(files[i], O_RDONLY | O_CLOEXEC) };
		struct counters c;
		pthread_t thread;
		pid_t pid;

		ASSERT_LE(0, slow.file);
		slow.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, slow.page);
		slow.uffd = withhold(slow.page, PAGE);
		ASSERT_LE(0, slow.uffd);
		ASSERT_EQ(0, pthread_create(&thread, NULL, read_slowly, &slow));
		ASSERT_TRUE(is_waited_for(slow.uffd, -1));

		/* Filters come and go, threads get caches and give them back, others read. */
		pid = fork();
		ASSERT_LE(0, pid);
		if (pid == 0)
			_exit(no_new_privs() || install_inspecting() ||
			      open_once(&unknown, sizeof(unknown)) != -EINVAL || !count(&c));
		EXPECT_EQ(0, exit_status(pid));

		zero.range.start = (unsigned long)slow.page;
		ASSERT_EQ(0, ioctl(slow.uffd, UFFDIO_ZEROPAGE, &zero));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_LT(0, slow.ret);
		close(slow.uffd);
		close(slow.file);
	}
}

/* ---- Unloading. ---- */

/* Whether the module is there for as long as a second, though somebody unloads it. */
static bool stays_loaded(void)
{
	int i;

	for (i = 0; i < 1000 && ea_loaded(); i++)
		nap();
	return ea_loaded();
}

FIXTURE(unloading)
{
};

FIXTURE_SETUP(unloading)
{
	ASSERT_EQ(0, ea_load());
}

FIXTURE_TEARDOWN(unloading)
{
	EXPECT_EQ(0, ea_load());
}

TEST_F(unloading, directory)
{
	struct counters c;
	struct stat st;

	ASSERT_EQ(0, stat(FILE_CALLS, &st));
	EXPECT_EQ(0U, st.st_mode & 0222);
	ASSERT_EQ(0, ea_unload_unused());
	EXPECT_EQ(-1, access(DIRECTORY, F_OK));
	EXPECT_EQ(ENOENT, errno);

	/* What comes back counts from zero. */
	ASSERT_EQ(0, ea_load());
	ASSERT_TRUE(count(&c));
	EXPECT_EQ(0, c.value[FILTERS] | c.value[CACHES] | c.value[FETCHES] | c.value[SERVED] |
		     c.value[FAULTS] | c.value[DENIED_NO_MEMORY] | c.value[DENIED_UNKNOWN] |
		     c.value[REFUSED]);
}

/* Whoever has a file open keeps it, and it may tell nothing any more. */
TEST_F(unloading, open_file)
{
	const int calls_file = open(FILE_CALLS, O_RDONLY | O_CLOEXEC);
	const int counters_file = open(FILE_COUNTERS, O_RDONLY | O_CLOEXEC);
	char text[TEXT];
	pid_t pid;
	int i;

	ASSERT_LE(0, calls_file);
	ASSERT_LE(0, counters_file);
	ASSERT_EQ(8, read(counters_file, text, 8));
	pid = fork();
	ASSERT_LE(0, pid);
	if (pid == 0) {
		close(calls_file);
		close(counters_file);
		_exit(ea_unload_unused() != 0);
	}
	for (i = 0; i < 10000 && !access(DIRECTORY, F_OK); i++)
		nap();
	EXPECT_EQ(-1, access(DIRECTORY, F_OK));
	EXPECT_GE(0, read(counters_file, text, sizeof(text)));
	EXPECT_GE(0, read(calls_file, text, sizeof(text)));
	/* To close them is to look at what is the module's, so it is there until then. */
	EXPECT_TRUE(stays_loaded());
	EXPECT_EQ(0, close(calls_file));
	EXPECT_TRUE(stays_loaded());
	EXPECT_EQ(0, close(counters_file));
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_FALSE(ea_loaded());
}

/* 1 if what a file said was neither all nor nothing. */
static int read_on(void *arg)
{
	char text[TEXT];
	struct counters c;
	long ret;

	(void)arg;
	for (;;) {
		ret = read_text(FILE_COUNTERS, text);
		if (ret > 0 && !parse(text, &c))
			return 1;
		ret = read_text(FILE_CALLS, text);
		if (ret > 0 && text[ret - 1] != '\n')
			return 1;
	}
}

TEST_F(unloading, while_read)
{
	pid_t readers[2];
	unsigned int i;
	int status;

	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		readers[i] = fork();
		ASSERT_LE(0, readers[i]);
		if (readers[i] == 0)
			_exit(read_on(NULL));
	}
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, ea_unload_unused());
		EXPECT_EQ(0, ea_load());
	}
	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		EXPECT_EQ(0, waitpid(readers[i], &status, WNOHANG));
		kill(readers[i], SIGKILL);
		waitpid(readers[i], &status, 0);
	}
}

TEST_HARNESS_MAIN
