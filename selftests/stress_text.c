// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel text that is patched under calls with filters that look at structs: the
 * module comes and goes, and others trace and probe the functions that it changes.
 * For what stress.c does, text stays as it is.
 *
 * Each test goes on for a few seconds, or for as long as ea_stress= says.
 */
#include <linux/perf_event.h>

#include "kselftest_harness.h"
#include "storm.h"

#define TRACING		"/sys/kernel/tracing/"
#define FILE_CALLS	"/sys/kernel/debug/seccomp_ea/calls"

FIXTURE(stress)
{
	pid_t pids[4];
};

FIXTURE_SETUP(stress)
{
	storm_begin(_metadata);
}

FIXTURE_TEARDOWN(stress)
{
	write_file(TRACING "current_tracer", "nop", 0);
	write_file(TRACING "events/enable", "0", 0);
	write_file(TRACING "kprobe_events", "", O_TRUNC);
	storm_end(_metadata);
}

static void start(struct __test_metadata *_metadata, pid_t *pid, void (*run)(void))
{
	*pid = storm_start(run, CGROUP_ROOMY);
	ASSERT_LT(0, *pid);
}

/* ---- The module comes and goes. ---- */

/* The kernel has these for itself. */
static void ask_unfiltered(void)
{
	struct open_how how = { .mode = ANSWERS };
	long ret = sys_openat2(AT_FDCWD, "/", &how, sizeof(how));

	if (ret != -EINVAL)
		storm_wrong(-1, -EINVAL, ret);
	how = (struct open_how){ .resolve = RESOLVE_BENEATH };
	ret = sys_openat2(AT_FDCWD, "/", &how, sizeof(how));
	if (ret != -EXDEV)
		storm_wrong(-2, -EXDEV, ret);
	STORM_ADD(calls);
}

static void bystand(void)
{
	while (!storm->stop) {
		ask_unfiltered();
		/* Unloading waits until every task has slept or is seen in user space. */
		nap();
	}
	_exit(0);
}

/* A process whose filter lives for some calls of two threads, if it is to be had. */
static void visit_once(void)
{
	const struct sock_fprog prog = JUDGE;
	pthread_t thread;
	long ret;

	no_new_privs();
	ret = install_seccomp(0, &prog);
	if (ret == -EINVAL) {
		STORM_ADD(refused);
		ask_unfiltered();
		_exit(0);
	} else if (ret) {
		storm_wrong(-3, 0, ret);
		_exit(0);
	}
	STORM_ADD(filters);
	if (pthread_create(&thread, NULL, ask_some, NULL))
		_exit(7);
	ask_some(NULL);
	pthread_join(thread, NULL);
	_exit(0);
}

static void visit(void)
{
	pid_t pid;

	while (!storm->stop) {
		pid = fork();
		if (pid == 0)
			visit_once();
		STORM_ADD(forks);
		if (exit_status(pid))
			_exit(8);
		/* Filters that follow each other closely would never let it go. */
		nap();
	}
	_exit(0);
}

TEST_F_TIMEOUT(stress, reloads, STORM_TIMEOUT)
{
	const long since = now_ms();
	long cycles, busy = 0, installed, ret = -EAGAIN;
	int i;

	start(_metadata, &self->pids[0], bystand);
	for (i = 1; i < 3; i++)
		start(_metadata, &self->pids[i], visit);
	for (cycles = 0; storm_lasts(since, cycles, 5); cycles++) {
		for (i = 0; i < 60000 && (ret = ea_unload()) == -EAGAIN; i++) {
			busy++;
			nap();
		}
		ASSERT_EQ(0, ret);
		nap_ms(cycles % 8 * 4);
		ASSERT_EQ(0, ea_load());
		/* Loaded, it is used before it is unloaded again. */
		installed = storm->filters;
		for (i = 0; i < 1000 && storm->filters <= installed + cycles % 8; i++)
			nap();
	}
	storm_stop(_metadata, self->pids, 3);
	EXPECT_LE(5, cycles);
	EXPECT_LT(0, storm->filters);
	EXPECT_LT(0, storm->refused);
	TH_LOG("%ld reloads, %ld while in use; %ld processes, %ld with a filter, %ld without",
	       cycles, busy, storm->forks, storm->filters, storm->refused);
	expect_calm(_metadata);
}

/* ---- Others who look at the same functions. ---- */

/* Whose starts are traced and probed, as far as the kernel lets them be. */
static const char *const entries[] = {
	"__x64_sys_openat2", "__x64_sys_clone3", "__x64_sys_sched_setattr",
	"copy_clone_args_from_user", "_copy_from_user", "check_zeroed_user", "do_seccomp",
	"__seccomp_filter", "do_exit", "seccomp_filter_release",
};

/* How often what was armed has been hit. */
struct hits {
	long traced, probed, counted;
};

static void trace(struct hits *hits)
{
	unsigned int i;
	FILE *f;
	int c;

	write_file(TRACING "set_ftrace_filter", "", O_TRUNC);
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		write_file(TRACING "set_ftrace_filter", entries[i], O_APPEND);
	write_file(TRACING "current_tracer", "function", 0);
	write_file(TRACING "events/syscalls/sys_enter_openat2/enable", "1", 0);
	nap_ms(50);
	write_file(TRACING "events/syscalls/sys_enter_openat2/enable", "0", 0);
	write_file(TRACING "tracing_on", "0", 0);
	f = fopen(TRACING "trace", "re");
	for (i = 0; f && i < 1000 && (c = fgetc(f)) != EOF;)
		i += c == '\n';
	/* The first lines are the names of its columns. */
	hits->traced += i > 20;
	if (f)
		fclose(f);
	write_file(TRACING "current_tracer", "nop", 0);
	write_file(TRACING "trace", "", O_TRUNC);
	write_file(TRACING "tracing_on", "1", 0);
}

/* Probes on starts of functions, and on the calls in them that the module has redirected. */
static void probe(struct hits *hits)
{
	char line[1024], text[256], *rest, *site;
	FILE *f = fopen(FILE_CALLS, "re");
	unsigned int i, n = 0;
	long count;

	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		snprintf(text, sizeof(text), "p:storm/entry%u %s\n", i, entries[i]);
		write_file(TRACING "kprobe_events", text, O_APPEND);
	}
	while (f && fgets(line, sizeof(line), f)) {
		rest = strtok(line, "\n");
		while ((site = strsep(&rest, " "))) {
			if (!strstr(site, "+0x"))
				continue;
			snprintf(text, sizeof(text), "p:storm/site%u %s\n", n++, site);
			write_file(TRACING "kprobe_events", text, O_APPEND);
		}
	}
	if (f)
		fclose(f);
	write_file(TRACING "events/storm/enable", "1", 0);
	nap_ms(50);
	write_file(TRACING "events/storm/enable", "0", 0);
	f = fopen(TRACING "kprobe_profile", "re");
	while (f && fgets(line, sizeof(line), f))
		/* Only those on calls tell that the calls are still ours. */
		if (sscanf(line, " site%*u %ld", &count) == 1)
			hits->probed += count;
	if (f)
		fclose(f);
	write_file(TRACING "kprobe_events", "", O_TRUNC);
}

static void profile(struct hits *hits)
{
	struct perf_event_attr sampler = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(sampler),
		.config = PERF_COUNT_SW_CPU_CLOCK, .sample_period = 1000000,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_CALLCHAIN,
	};
	struct perf_event_attr probe = { .size = sizeof(probe), .sample_period = 1 };
	int fds[2 * (ARRAY_SIZE(entries) + 1)], n = 0, cpu;
	unsigned int i;
	__u64 count;

	probe.type = read_number("/sys/bus/event_source/devices/kprobe/type", "");
	for (cpu = 0; cpu < 2; cpu++) {
		for (i = 0; i < ARRAY_SIZE(entries); i++) {
			probe.kprobe_func = (unsigned long)entries[i];
			fds[n] = SYSCALL(__NR_perf_event_open, &probe, -1, cpu, -1, 0);
			n += fds[n] >= 0;
		}
		fds[n] = SYSCALL(__NR_perf_event_open, &sampler, -1, cpu, -1, 0);
		n += fds[n] >= 0;
	}
	nap_ms(50);
	while (n--) {
		if (read(fds[n], &count, sizeof(count)) == sizeof(count))
			hits->counted += count > 0;
		close(fds[n]);
	}
}

TEST_F_TIMEOUT(stress, tracers, STORM_TIMEOUT)
{
	const long since = now_ms();
	struct hits hits = { };
	long cycles;
	int i;

	for (i = 0; i < 3; i++)
		start(_metadata, &self->pids[i], i ? crowd : race);
	for (cycles = 0; storm_lasts(since, cycles, 2); cycles++) {
		trace(&hits);
		probe(&hits);
		profile(&hits);
	}
	storm_stop(_metadata, self->pids, 3);
	EXPECT_LE(2, cycles);
	EXPECT_LT(0, hits.traced);
	EXPECT_LT(0, hits.probed);
	EXPECT_LT(0, hits.counted);
	TH_LOG("%ld cycles under %ld threads: %ld with a trace, %ld hits on call sites, %ld perf events",
	       cycles, storm->threads, hits.traced, hits.probed, hits.counted);
	expect_calm(_metadata);
}

TEST_HARNESS_MAIN
