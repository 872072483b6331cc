// SPDX-License-Identifier: GPL-2.0
/*
 * What system calls cost under filters, with the module and without it, and whether
 * that is as cheap as it is meant to be.
 *
 *	bench			a test: what targets need, in instructions
 *	bench measure		everything, in instructions
 *	bench clock		what a supervisor costs, in time, on any number of CPUs
 *	bench trace FILTER	makes calls for the emulator to write down
 *
 * Each figure and each target is a line of JSON.
 */
#include "counters.h"
#include "workload.h"

/* ---- Figures. ---- */

/* What else there is on the machine. */
enum state {
	/* The kernel as it is. */
	ABSENT,
	/* The module, which nobody uses but what is measured. */
	LOADED,
	/* The module, and somebody else who uses it. */
	USED,
	/* The kernel again, the module having come and gone. */
	UNLOADED,
	STATES,
};

static const char *const state_names[] = { "absent", "loaded", "used", "unloaded" };

static struct figure {
	enum state state;
	/* A call of "workloads", or something else. */
	const char *what;
	enum filter filter;
	/* How many filters, instructions or threads. */
	int n;
	double value;
} figures[500];

static unsigned int nr_figures;

/* As a test, which is not to take long: only what targets need is measured. */
static bool guarding;

static struct figure *figure_of(enum state state, const char *what, enum filter filter, int n)
{
	unsigned int i;

	for (i = 0; i < nr_figures; i++) {
		struct figure *f = &figures[i];

		if (f->state == state && !strcmp(f->what, what) && f->filter == filter && f->n == n)
			return f;
	}
	return NULL;
}

/* A key of an object of JSON. */
static void print_text(const char *key, const char *text)
{
	printf("\"%s\": \"%s\", ", key, text);
}

/* Figures are what they are printed as: differences beyond that are none. */
static void report(enum state state, const char *what, enum filter filter, int n, double value,
		   const char *unit)
{
	value = value < 100 ? value : (uint64_t)(10 * value + 0.5) / 10.0;
	must(nr_figures < ARRAY_SIZE(figures), "too many figures");
	figures[nr_figures++] = (struct figure){ state, what, filter, n, value };
	printf(guarding ? "# {" : "{");
	print_text("state", state_names[state]);
	print_text("what", what);
	print_text("filter", filter_names[filter]);
	print_text("unit", unit);
	printf("\"n\": %d, \"value\": %.*f}\n", n, value < 100 ? 3 : 1, value);
	fflush(stdout);
}

/* ---- Targets. ---- */

#define CROWD		"openat2+close in a crowd"
#define BEFORE_CALL	"memory of a thread that has made no call"
#define AFTER_CALL	"memory of a thread that has made a call"
#define AFTER_EXIT	"memory of a thread that is no more"

enum bound { AT_MOST, AT_LEAST };

/*
 * Ratios of two figures. "n" is that of both, unless there is another one of the base.
 * Where there is no base, as its state says, it is a figure.
 */
#define NO_BASE	STATES

static const struct target {
	const char *name;
	enum bound bound;
	double limit;
	/*
	 * Where the test fails instead, if the limit is out of reach (see performance.rst), or
	 * close: what a thread takes differs by 0.2 % from boot to boot.
	 */
	double reached;
	const char *what;
	int n;
	enum state state;
	enum filter filter;
	enum state base_state;
	enum filter base_filter;
	int base_n;
} targets[] = {
#define STRUCT(what, n, limit, reached)					\
	{ "the struct / ordinary filters", AT_MOST, limit, reached, what, n,	\
	  LOADED, EXTENDED, ABSENT, ORDINARY, 0 }
	STRUCT("openat2+close", 1, 1.04, 1.105),
	STRUCT("openat2+close", 3, 1.05, 1.13),
	STRUCT("clone3 thread", 1, 1.01, 1.012),

	STRUCT("close", 1, 1.005, 0),
	{ "the struct / ordinary filters", AT_MOST, 1.005, 1.009, "close", 1,
	  LOADED, EXTENDED_NOSY, ABSENT, ORDINARY_NOSY, 0 },

	/* Those who have no filter that looks at structs. */
#define OTHER(what, n, filter, limit, reached)					\
	{ "others, the module being loaded", AT_MOST, limit, reached, what, n,	\
	  LOADED, filter, ABSENT, filter, 0 },					\
	{ "others, the module being in use", AT_MOST, limit, reached, what, n,	\
	  USED, filter, ABSENT, filter, 0 }
	OTHER("openat2+close", 0, BARE, 1.003, 0),
	OTHER("openat2+close", 1, ORDINARY, 1.003, 0),
	OTHER("clone3 thread", 0, BARE, 1.003, 1.005),
	OTHER("clone3 thread", 1, ORDINARY, 1.003, 1.005),
	OTHER("statmount", 0, BARE, 1.003, 0),
	OTHER("statmount", 1, ORDINARY, 1.003, 1.006),
	OTHER("sched_setattr", 0, BARE, 1.003, 0),
	OTHER("sched_setattr", 1, ORDINARY, 1.003, 1.006),
	OTHER("close", 0, BARE, 1.000, 0),
	OTHER("close", 1, ORDINARY, 1.000, 0),
	OTHER("close", 1, ORDINARY_NOSY, 1.000, 0),

	{ "a supervisor / the struct", AT_LEAST, 3.9, 0, "openat2+close", 1,
	  ABSENT, NOTIFY_READ, LOADED, EXTENDED, 0 },
	{ "a supervisor / the struct", AT_LEAST, 3.9, 3.4, "openat2+close", 1,
	  ABSENT, NOTIFY, LOADED, EXTENDED, 0 },
	/* This one in time, by the clock. */
	{ "a supervisor / the struct", AT_LEAST, 20, 0, "openat2+close", 1,
	  LOADED, NOTIFY, LOADED, EXTENDED, 0 },

	{ "10,000 threads / 1", AT_MOST, 1.02, 0, CROWD, 10000,
	  USED, EXTENDED, USED, EXTENDED, 1 },
#define MEMORY(what, limit)							\
	{ "bytes", AT_MOST, limit, 0, what, 10000, USED, EXTENDED, NO_BASE, BARE, 0 }
	MEMORY(BEFORE_CALL, 0),
	MEMORY(AFTER_CALL, 8192),
	MEMORY(AFTER_EXIT, 0),

#define INSTALL(what, n)							\
	{ "the struct / ordinary filters", AT_MOST, 3, 0, "install " what, n,	\
	  LOADED, EXTENDED, ABSENT, ORDINARY, 0 }
	INSTALL("list", 10),
	INSTALL("list", 500),
	INSTALL("list", 4096),
	INSTALL("tree", 500),
	INSTALL("tree", 4096),
	INSTALL("loads", 4096),
	INSTALL("bits", 4096),
};

/* Whether there are figures to compare; then @ratio is that of the two. */
static bool ratio_of(const struct target *t, double *ratio)
{
	const struct figure *figure = figure_of(t->state, t->what, t->filter, t->n);
	const struct figure *base = figure_of(t->base_state, t->what, t->base_filter,
					      t->base_n ? t->base_n : t->n);

	if (!figure || (!base && t->base_state != NO_BASE))
		return false;
	*ratio = base ? figure->value / base->value : figure->value;
	return true;
}

static bool is_within(double limit, enum bound bound, double ratio)
{
	return bound == AT_MOST ? ratio <= limit : ratio >= limit;
}

static const char *name_of(enum bound bound)
{
	return bound == AT_MOST ? "at most" : "at least";
}

static void report_targets(void)
{
	double ratio;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		const struct target *t = &targets[i];

		if (!ratio_of(t, &ratio))
			continue;
		printf("{");
		print_text("target", t->name);
		print_text("what", t->what);
		print_text("filter", filter_names[t->filter]);
		print_text("bound", name_of(t->bound));
		printf("\"n\": %d, \"limit\": %.3f, \"ratio\": %.5f, \"met\": %s}\n", t->n, t->limit,
		       ratio, is_within(t->limit, t->bound, ratio) ? "true" : "false");
	}
}

static bool is_wanted(enum state state, const char *what, enum filter filter, int n)
{
	size_t i;

	for (i = 0; guarding && i < ARRAY_SIZE(targets); i++) {
		const struct target *t = &targets[i];

		if (!strcmp(t->what, what) &&
		    ((t->state == state && t->filter == filter && t->n == n) ||
		     (t->base_state == state && t->base_filter == filter &&
		      (t->base_n ? t->base_n : t->n) == n)))
			return true;
	}
	return !guarding;
}

/* ---- Calls. ---- */

static const struct workload *workload_of(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(workloads); i++) {
		if (!strcmp(workloads[i].name, name))
			return &workloads[i];
	}
	abort();
}

/* The number of a process decides how far the kernel searches for the next one. */
#define LAST_PID	"/proc/sys/kernel/ns_last_pid"
#define ANY_PID		"10000"

/* What a call takes once rounds agree. */
static double settled(const struct workload *workload, enum filter filter, int depth)
{
	struct worker worker = start_worker(workload, filter, depth, workload->batch);
	double before = 0, now = 0;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		must(write_file(LAST_PID, ANY_PID, 0), LAST_PID);
		before = now;
		now = worker_round(&worker);
		if (round && agree(before, now))
			break;
	}
	must(round < ROUNDS, "rounds that agree");
	stop_worker(&worker);
	return (before + now) / 2;
}

static void measure(enum state state, const struct workload *workload, enum filter filter, int depth)
{
	if (is_wanted(state, workload->name, filter, depth))
		report(state, workload->name, filter, depth, settled(workload, filter, depth),
		       "instructions");
}

static void measure_call(enum state state, const struct workload *workload)
{
	static const int depths[] = { 1, 3, 10 };
	enum filter filter;
	size_t i;

	measure(state, workload, BARE, 0);
	for (i = 0; i < ARRAY_SIZE(depths); i++) {
		/* Others have one filter, if any. */
		if (depths[i] == 1 || state == ABSENT || state == LOADED)
			measure(state, workload, ORDINARY, depths[i]);
		if (state == LOADED)
			measure(state, workload, EXTENDED, depths[i]);
	}
	if (workload->once == close_nothing) {
		measure(state, workload, ORDINARY_NOSY, 1);
		if (state == LOADED)
			measure(state, workload, EXTENDED_NOSY, 1);
	}
	/* Those that ask somebody need no module. */
	for (filter = NOTIFY; state == ABSENT && workload->is_supervised && filter <= TRACE; filter++)
		measure(state, workload, filter, 1);
}

static void measure_calls(enum state state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(workloads); i++)
		measure_call(state, &workloads[i]);
}

/* ---- Installation. ---- */

static struct sock_filter insns[BPF_MAXINSNS];
static unsigned int nr_insns;

static void emit(struct sock_filter insn)
{
	must(nr_insns < ARRAY_SIZE(insns), "too long a filter");
	insns[nr_insns++] = insn;
}

/* What an ordinary filter loads: the high word of the third argument. */
#define ARGUMENT	(offsetof(struct seccomp_data, args[2]) + 4)

#define EMIT(insn)	emit((struct sock_filter)insn)

/* What is done with a call: of openat2, one word is loaded or another. */
#define INSPECTION	5

static void emit_inspection(unsigned int nr, unsigned int word)
{
	EMIT(JEQ(nr, 0, 2));
	EMIT(LD(word));
	EMIT(JSET(NEVER_SET, 1, 0));
	EMIT(ALLOW);
	EMIT(DENY(EPERM));
}

static void emit_head(void)
{
	EMIT(LD_ARCH);
	EMIT(JEQ(AUDIT_ARCH_X86_64, 1, 0));
	EMIT(DENY(EPERM));
	EMIT(LD_NR);
}

/* One number after the other, as the first filters of container runtimes. */
static void emit_list(unsigned int length, unsigned int word)
{
	unsigned int nr = 1000;

	emit_head();
	while (nr_insns + 2 + INSPECTION <= length) {
		EMIT(JEQ(nr++, 0, 1));
		EMIT(DENY(EPERM));
	}
	if (nr_insns + INSPECTION < length)
		EMIT(LD_NR);
	emit_inspection(__NR_openat2, word);
}

/* A search for one of @leaves numbers from @nr on, as libseccomp's when it optimizes. */
static void emit_node(unsigned int nr, unsigned int leaves, unsigned int word)
{
	unsigned int jump;

	if (leaves == 1) {
		emit_inspection(nr, nr == __NR_openat2 ? word : ARGUMENT);
		return;
	}
	EMIT(JGE(nr + leaves / 2, 0, 1));
	jump = nr_insns;
	EMIT(JA(0));
	emit_node(nr, leaves / 2, word);
	insns[jump].k = nr_insns - jump - 1;
	emit_node(nr + leaves / 2, leaves - leaves / 2, word);
}

#define NODE	2

static void emit_tree(unsigned int length, unsigned int word)
{
	unsigned int leaves;

	emit_head();
	leaves = (length - nr_insns + NODE) / (INSPECTION + NODE);
	while (nr_insns + leaves * (INSPECTION + NODE) - NODE < length)
		EMIT(LD_NR);
	/* As many on one side of openat2 as on the other, but numbers are not negative. */
	emit_node(__NR_openat2 < leaves / 2 ? 0 : __NR_openat2 - leaves / 2, leaves, word);
}

/* Every other instruction is a load of the word. */
static void emit_loads(unsigned int length, unsigned int word)
{
	emit_head();
	EMIT(JEQ(__NR_openat2, 1, 0));
	EMIT(ALLOW);
	while (nr_insns + 2 + 1 <= length) {
		EMIT(LD(word));
		EMIT(JSET(NEVER_SET, 0, 0));
	}
	while (nr_insns < length)
		EMIT(ALLOW);
}

/* What is known of the number splits and merges; the worst for verification. */
static void emit_bits(unsigned int length, unsigned int word)
{
	emit_head();
	while (nr_insns + 2 + INSPECTION <= length) {
		EMIT(LD_NR);
		EMIT(JSET(0x5a5, 0, 0));
	}
	if (nr_insns + INSPECTION < length)
		EMIT(LD_NR);
	emit_inspection(__NR_openat2, word);
}

static const struct shape {
	const char *name;
	void (*emit)(unsigned int length, unsigned int word);
} shapes[] = {
	{ "install list", emit_list },
	{ "install tree", emit_tree },
	{ "install loads", emit_loads },
	{ "install bits", emit_bits },
};

/* How long that took, as those say who did it. */
static double *installed;

/* A process of its own installs each, so that they do not add up. */
static double install_ticks(void)
{
	const struct sock_fprog prog = { .len = nr_insns, .filter = insns };
	uint64_t start;
	pid_t pid;

	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		must(no_new_privs() == 0, "no_new_privs");
		start = ticks();
		must(install_seccomp(0, &prog) == 0, "install");
		*installed = ticks() - start;
		_exit(0);
	}
	must(exit_status(pid) == 0, "install");
	return *installed;
}

/* The longest ones take long, and differ the least. */
#define INSTALLATIONS(length)	((length) < BPF_MAXINSNS ? 8 : 4)

static void measure_install(enum state state, const struct shape *shape, enum filter filter,
			    unsigned int length)
{
	const int n = INSTALLATIONS(length);
	double each[n];
	int i;

	if (!is_wanted(state, shape->name, filter, length))
		return;
	nr_insns = 0;
	shape->emit(length, filter == EXTENDED ? SECCOMP_EA_LO(struct open_how, flags) : ARGUMENT);
	must(nr_insns == length, "too short a filter");
	for (i = 0; i < n; i++)
		each[i] = install_ticks();
	report(state, shape->name, filter, length, mean_of_middle_half(each, n), "instructions");
}

static void measure_installs(enum state state)
{
	static const unsigned int lengths[] = { 10, 500, 4096 };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		for (j = 0; j < ARRAY_SIZE(lengths); j++) {
			measure_install(state, &shapes[i], ORDINARY, lengths[j]);
			if (state == LOADED)
				measure_install(state, &shapes[i], EXTENDED, lengths[j]);
		}
	}
}

/* ---- Many threads. ---- */

/* Threads under an extended filter, in a process of their own, and what it waits for. */
struct crowd {
	pthread_barrier_t barrier;
	int threads;
	pid_t pid;
};

static void *one_of_many(void *arg)
{
	struct crowd *crowd = arg;

	pthread_barrier_wait(&crowd->barrier);
	/* Meanwhile it is looked at what threads cost that have made no call. */
	pthread_barrier_wait(&crowd->barrier);
	open_and_close();
	pthread_barrier_wait(&crowd->barrier);
	for (;;)
		pause();
	return NULL;
}

static void be_many(struct crowd *crowd)
{
	pthread_attr_t attr;
	pthread_t thread;
	int i;

	must(no_new_privs() == 0, "no_new_privs");
	must(install(workload_of("openat2+close"), EXTENDED) == 0, "install");
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN);
	pthread_attr_setguardsize(&attr, 0);
	for (i = 1; i < crowd->threads; i++)
		must(pthread_create(&thread, &attr, one_of_many, crowd) == 0, "pthread_create");
	one_of_many(crowd);
}

static struct crowd *start_crowd(int threads)
{
	struct crowd *crowd = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				   -1, 0);
	pthread_barrierattr_t attr;
	pid_t pid;

	must(crowd != MAP_FAILED, "mmap");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&crowd->barrier, &attr, threads + 1);
	crowd->threads = threads;
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		be_many(crowd);
	}
	crowd->pid = pid;
	pthread_barrier_wait(&crowd->barrier);
	return crowd;
}

static void stop_crowd(struct crowd *crowd)
{
	kill(crowd->pid, SIGKILL);
	exit_status(crowd->pid);
	munmap(crowd, PAGE);
}

/*
 * What the kernel has handed out of the objects that caches are. It also counts what
 * it keeps at hand for each CPU, and what waits for a grace period there, until it is
 * told to shrink; the latter is kept at hand thereafter.
 */
static double cache_memory(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		sleep(5);
		must(write_file("/sys/kernel/slab/kmalloc-cg-8k/shrink", "1", 0), "shrink");
	}
	return (double)read_number("/proc/slabinfo", "kmalloc-cg-8k") * 2 * PAGE;
}

/* Others who have caches, their memory, and what a call costs meanwhile. */
static void measure_crowd(int threads)
{
	const struct workload *workload = workload_of("openat2+close");
	double before, without, with, after;
	struct crowd *crowd;

	if (!is_wanted(USED, CROWD, EXTENDED, threads))
		return;
	before = cache_memory();
	crowd = start_crowd(threads);
	without = cache_memory();
	pthread_barrier_wait(&crowd->barrier);
	pthread_barrier_wait(&crowd->barrier);
	with = cache_memory();
	report(USED, CROWD, ORDINARY, threads, settled(workload, ORDINARY, 1), "instructions");
	report(USED, CROWD, EXTENDED, threads, settled(workload, EXTENDED, 1), "instructions");
	stop_crowd(crowd);
	after = cache_memory();
	report(USED, BEFORE_CALL, EXTENDED, threads, (without - before) / threads, "bytes");
	report(USED, AFTER_CALL, EXTENDED, threads, (with - without) / threads, "bytes");
	report(USED, AFTER_EXIT, EXTENDED, threads, (after - before) / threads, "bytes");
}

static void measure_crowds(void)
{
	static const int sizes[] = { 1, 100, 1000, 10000 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		measure_crowd(sizes[i]);
}

/* ---- Everything. ---- */

static void measure_states(void)
{
	struct worker bystander;

	must(ea_unload() == 0, "unload");
	measure_calls(ABSENT);
	measure_installs(ABSENT);
	must(ea_load() == 0, "load");
	measure_calls(LOADED);
	measure_installs(LOADED);
	bystander = start_worker(workload_of("openat2+close"), EXTENDED, 1, 1);
	worker_round(&bystander);
	measure_calls(USED);
	stop_worker(&bystander);
	measure_crowds();
	must(ea_unload_unused() == 0, "unload");
	measure_calls(UNLOADED);
}

static int measure_all(void)
{
	measure_states();
	report_targets();
	return 0;
}

/* ---- The test. ---- */

static int guard(void)
{
	int failed = 0, n = 0;
	double ratio;
	size_t i;

	guarding = true;
	printf("TAP version 13\n");
	measure_states();
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		const struct target *t = &targets[i];
		double limit;
		bool good;

		if (!ratio_of(t, &ratio))
			continue;
		limit = t->reached ?: t->limit;
		good = is_within(limit, t->bound, ratio);
		failed += !good;
		if (!good)
			printf("# %s:%d: %.4f is not %s %.3f\n", __FILE__, __LINE__, ratio,
			       name_of(t->bound), limit);
		printf("%sok %d %s: %s, %s, %d\n", good ? "" : "not ", ++n, t->what, t->name,
		       filter_names[t->filter], t->n);
	}
	printf("1..%d\n", n);
	return failed ? 1 : 0;
}

/* ---- Time. ---- */

/*
 * All at once, and in turns, so that what slows down the machine for a while slows
 * down all. A round is compared with the one of a call without a filter, and is
 * short, so that it is about the same machine still.
 */
#define CLOCK_ROUNDS	15

static void clock_call(const struct workload *workload)
{
	static const enum filter filters[] = {
		BARE, ORDINARY, EXTENDED, NOTIFY, NOTIFY_SYNC, NOTIFY_READ, TRACE,
	};
	double ratios[ARRAY_SIZE(filters)][CLOCK_ROUNDS], bare = 0, each;
	struct worker workers[ARRAY_SIZE(filters)];
	size_t i;
	int round;

	for (i = 0; i < ARRAY_SIZE(filters); i++)
		workers[i] = start_worker(workload, filters[i], 1, (workload->batch + 3) / 4);
	for (round = 0; round < CLOCK_ROUNDS; round++) {
		for (i = 0; i < ARRAY_SIZE(filters); i++) {
			each = worker_round(&workers[i]);
			if (filters[i] == BARE)
				bare = each;
			ratios[i][round] = each / bare;
		}
	}
	for (i = 0; i < ARRAY_SIZE(filters); i++) {
		stop_worker(&workers[i]);
		report(LOADED, workload->name, filters[i], filters[i] != BARE,
		       median(ratios[i], CLOCK_ROUNDS), "times the bare call");
	}
}

static int clock_all(void)
{
	size_t i;

	must(ea_load() == 0, "load");
	for (i = 0; i < ARRAY_SIZE(workloads); i++) {
		if (workloads[i].is_supervised)
			clock_call(&workloads[i]);
	}
	report_targets();
	return 0;
}

/* ---- Calls that the emulator writes down, instruction by instruction. ---- */

/* Where a call begins and ends, for whoever reads what was written down. */
extern const char trace_begins[], trace_ends[];

#define TRACE_MARK(name)	asm volatile(".globl " name "\n" name ": nop" : : : "memory")

static int be_traced(const char *name)
{
	const struct workload *workload = workload_of("openat2+close");
	char go;
	int i;

	must(no_new_privs() == 0, "no_new_privs");
	for (i = 0; i < (int)ARRAY_SIZE(filter_names); i++) {
		if (i != BARE && !strcmp(filter_names[i], name))
			must(install(workload, i) == 0, "install");
	}
	measure_round(workload->once, workload->batch);
	printf("%lx trace_begins\n%lx trace_ends\n", (long)trace_begins, (long)trace_ends);
	printf("#ea trace %s\n", name);
	fflush(stdout);
	must(read(STDIN_FILENO, &go, 1) == 1, "read");
	for (i = 0; i < 3; i++) {
		TRACE_MARK("trace_begins");
		workload->once();
		TRACE_MARK("trace_ends");
	}
	printf("#ea traced %s\n", name);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "guard";

	prepare_calls();
	installed = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(installed != MAP_FAILED, "mmap");
	if (!strcmp(mode, "clock"))
		return clock_all();
	if (!ticks_are_instructions()) {
		fprintf(stderr, "bench: the time stamp counter does not count instructions\n");
		return 1;
	}
	stay_on_one_cpu();
	/* A fork copies what there is: have all memory there at once. */
	must(mlockall(MCL_CURRENT) == 0 && munlockall() == 0, "mlockall");
	/* The boot has left work behind. Time that nobody needs costs nothing here. */
	sleep(30);
	if (!strcmp(mode, "measure"))
		return measure_all();
	if (!strcmp(mode, "guard"))
		return guard();
	if (!strcmp(mode, "trace") && argc == 3)
		return be_traced(argv[2]);
	fprintf(stderr, "usage: bench [measure | clock | trace FILTER]\n");
	return 2;
}
