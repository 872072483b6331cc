// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/seccomp_ea: what a supervisor reads is what the filters judged, whoever
 * may read a thread's memory may read that too and nobody else, and none of it
 * depends on what becomes of the thread meanwhile.
 */
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <linux/ptrace.h>

#include "kselftest_harness.h"
#include "contract.h"
#include "counters.h"
#include "supervise.h"
#include "withhold.h"

#ifdef __x86_64__
#define OWN_ARCH	AUDIT_ARCH_X86_64
#else
#define OWN_ARCH	AUDIT_ARCH_I386
#endif

/* No call here returns it of its own accord. */
#define ANSWERED	EDOTDOT

/* Notifies openat2, having looked at its struct, and getppid, which has none. */
#define NOTIFYING PROG(							\
	LD_NR, JEQ(__NR_openat2, 2, 0), JEQ(__NR_getppid, 2, 0), ALLOW,	\
	LD(SECCOMP_EA_BASE), RET(SECCOMP_RET_USER_NOTIF))

/* Looks at the struct of openat2, and allows all. */
#define LOOKING PROG(LD_NR, JEQ(__NR_openat2, 0, 1), LD(SECCOMP_EA_BASE), ALLOW)

/* A device on which the ioctl's argument is said to have @size bytes. */
static long read_sized(int device, size_t size, void *argument)
{
	return SYSCALL(__NR_ioctl, device, _IOC(_IOC_READ | _IOC_WRITE, 0xea, 0, size), argument);
}

/* Whether @pid sleeps in system call @nr, or comes to. */
static bool comes_to_sleep_in(pid_t pid, long nr)
{
	char path[64], line[256];
	int i;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	for (i = 0; i < 10000; i++) {
		FILE *f = fopen(path, "re");
		bool is_there = f && fgets(line, sizeof(line), f) && atol(line) == nr &&
				line[0] != 'r';

		if (f)
			fclose(f);
		if (is_there)
			return true;
		nap();
	}
	return false;
}

/* ---- Structs that tell whose they are. ---- */

/*
 * A struct for openat2 is the same value in each word. The value has the thread
 * that made the call in it, and a number that only grows, and the size of the struct
 * follows from it. Such a call fails after it has read the struct: with E2BIG, or
 * EINVAL for its flags.
 */
#define VALUE_MARK	0xeaULL
#define VALUE(tid, n)	(VALUE_MARK << 56 | (__u64)(tid) << 24 | (n))
#define VALUE_TID(value)	((pid_t)((value) >> 24))
#define VALUE_N(value)	((value) & 0xffffff)

static size_t value_size(__u64 value)
{
	return 8 * (3 + VALUE_N(value) * 37 % 510);
}

/* Makes a call with such a struct in the page at @words. */
static long open_value(__u64 *words, __u64 value)
{
	size_t size = value_size(value), i;

	for (i = 0; i < size / sizeof(value); i++)
		words[i] = value;
	return sys_openat2(AT_FDCWD, "/", words, size);
}

/* What is read of it, with a buffer of a page. */
struct copy {
	struct seccomp_ea_pinned pinned;
	__u64 words[PAGE / 8];
};

static long read_copy(int device, pid_t pid, struct copy *copy)
{
	memset(copy->words, GARBAGE, sizeof(copy->words));
	return read_pinned(device, pid, &copy->pinned, copy->words, sizeof(copy->words));
}

/* Whether it is all of one struct of that thread. */
static bool is_copy_of(const struct copy *copy, pid_t tid)
{
	const struct seccomp_ea_pinned *pinned = &copy->pinned;
	__u64 value = copy->words[0];
	size_t size = value_size(value), i;
	bool ok;

	ok = value >> 56 == VALUE_MARK && VALUE_TID(value) == tid &&
	     pinned->size == size && pinned->tail == size && pinned->error == 0 &&
	     pinned->nr == __NR_openat2 && pinned->arch == OWN_ARCH;
	for (i = 0; ok && i < PAGE / sizeof(value); i++)
		ok = copy->words[i] == (i < size / sizeof(value) ? value : 0);
	if (!ok)
		printf("# of %d: %#llx ... %#llx in word %zu, size %u, tail %u, error %u, nr %u\n",
		       tid, value, i ? copy->words[i - 1] : 0, i ? i - 1 : 0, pinned->size,
		       pinned->tail, pinned->error, pinned->nr);
	return ok;
}

/* ---- All calls. ---- */

/* In the unused argument of calls that are handed to the supervisor. */
#define INSPECT	0x5a

/* What becomes of the memory before it is read. */
enum fate { KEPT, REWRITTEN, UNMAPPED, FATES };

static struct {
	int listener, device;
	char *elsewhere;
	const struct situation *situation;
	enum fate fate;
	long wrong;
} inspection;

static void compare_pinned(pid_t pid, const struct situation *s)
{
	static char bytes[PAGE], nothing[PAGE];
	struct seen expected = situation_expected(s);
	struct seccomp_ea_pinned pinned;
	long ret;

	memset(bytes, GARBAGE, sizeof(bytes));
	ret = read_pinned(inspection.device, pid, &pinned, bytes, sizeof(bytes));
	if (ret == 0 && pinned.size == expected.size && pinned.tail == expected.tail &&
	    pinned.error == expected.error && pinned.nr == s->call->nr[abi] &&
	    pinned.arch == (abi == X86_64 ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_I386) &&
	    !memcmp(bytes, expected.error ? nothing : image, PAGE))
		return;
	if (++inspection.wrong > 10)
		return;
	printf("# %ld: nr %u, arch %#x, size %u, tail %u, error %u\n", ret, pinned.nr, pinned.arch,
	       pinned.size, pinned.tail, pinned.error);
	seen_print("expected:", &expected);
	situation_print(s);
}

static void *inspect(void *arg)
{
	struct seccomp_notif notif;

	(void)arg;
	for (;;) {
		if (notif_receive(inspection.listener, &notif))
			continue;
		if (inspection.fate == REWRITTEN)
			memset(arena, 0x3c, ARENA);
		if (inspection.fate == UNMAPPED &&
		    mremap(arena, ARENA, ARENA, MREMAP_MAYMOVE | MREMAP_FIXED,
			   inspection.elsewhere) == MAP_FAILED)
			abort();
		compare_pinned(notif.pid, inspection.situation);
		if (inspection.fate == UNMAPPED &&
		    mremap(inspection.elsewhere, ARENA, ARENA, MREMAP_MAYMOVE | MREMAP_FIXED,
			   arena) == MAP_FAILED)
			abort();
		notif_answer(inspection.listener, notif.id, -ANSWERED);
	}
	return NULL;
}

static void situation_inspect(struct situation *s, size_t i, void *arg)
{
	(void)arg;
	inspection.situation = s;
	inspection.fate = i % FATES;
	s->args[s->call->unused] = INSPECT;
	situation_enter(s);
	/* No call, and so no child. */
	if (raw_call(s->call->nr[abi], s->args, false) != -ANSWERED)
		inspection.wrong++;
}

static int compare_all_pinned(const struct call *call)
{
	const unsigned int unused = offsetof(struct seccomp_data, args[call->unused]);
	struct sock_filter insns[2 * NR_CALLS + 32];
	struct sock_fprog prog = { .filter = insns };
	pthread_t inspector;
	size_t nr;

	prog.len = select_calls(insns, call, false, unused);
	insns[prog.len++] = (struct sock_filter)JEQ(INSPECT, 1, 0);
	insns[prog.len++] = (struct sock_filter)ALLOW;
	insns[prog.len++] = (struct sock_filter)LD(SECCOMP_EA_BASE);
	insns[prog.len++] = (struct sock_filter)RET(SECCOMP_RET_USER_NOTIF);
	inspection.listener = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	inspection.device = ea_device();
	inspection.elsewhere = mmap(NULL, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (inspection.listener < 0 || inspection.device < 0 ||
	    inspection.elsewhere == MAP_FAILED ||
	    pthread_create(&inspector, NULL, inspect, NULL))
		return -1;
	nr = visit_situations(call, true, situation_inspect, NULL);
	printf("# %s: %zu structs read, %ld wrong\n", call->name, nr, inspection.wrong);
	return inspection.wrong != 0;
}

FIXTURE(calls) {};

FIXTURE_VARIANT(calls)
{
	enum abi abi;
	/* Where 32-bit pointers can point. */
	char *arena;
};

#ifdef __x86_64__
FIXTURE_VARIANT_ADD(calls, x86_64) { X86_64, NULL };
#endif
FIXTURE_VARIANT_ADD(calls, i386) { I386, (char *)0x50000000 };

FIXTURE_SETUP(calls)
{
	stay_on_one_cpu();
	ASSERT_EQ(0, ea_load());
	ASSERT_TRUE(prepare_calls());
	ASSERT_TRUE(make_arena(variant->arena));
	brief = true;
	abi = variant->abi;
}

FIXTURE_TEARDOWN(calls) {}

TEST_F(calls, as_judged)
{
	EXPECT_EQ(0, test_each_call(compare_all_pinned));
}

/* ---- Buffer and argument. ---- */

/* A struct whose bytes are all different, and of no round size. */
#define BYTES	101

static char bytes[PAGE];

static int open_bytes(void *arg)
{
	(void)arg;
	return sys_openat2(AT_FDCWD, "/", bytes, BYTES) != -ANSWERED;
}

FIXTURE(pinned)
{
	int device;
	struct supervised child;
	struct seccomp_notif notif;
	/* Two pages, and none after them. */
	char *memory, *hole;
	struct seccomp_ea_pinned *pinned;
};

FIXTURE_SETUP(pinned)
{
	const struct sock_fprog prog = NOTIFYING;
	int i;

	stay_on_one_cpu();
	ASSERT_EQ(0, ea_load());
	self->device = ea_device();
	ASSERT_LE(0, self->device);
	for (i = 0; i < BYTES; i++)
		bytes[i] = 1 + i;
	ASSERT_EQ(0, supervise(&self->child, &prog, 0, open_bytes, NULL));
	ASSERT_EQ(0, notif_receive(self->child.listener, &self->notif));
	ASSERT_EQ(self->child.pid, (pid_t)self->notif.pid);

	self->memory = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	ASSERT_TRUE(self->memory != MAP_FAILED);
	self->hole = self->memory + 2 * PAGE;
	ASSERT_EQ(0, munmap(self->hole, PAGE));
	self->pinned = malloc(sizeof(*self->pinned));
	ASSERT_TRUE(self->pinned != NULL);
}

FIXTURE_TEARDOWN(pinned)
{
	EXPECT_EQ(0, notif_answer(self->child.listener, self->notif.id, -ANSWERED));
	EXPECT_EQ(0, exit_status(self->child.pid));
}

/* A request as such, for an argument at any address. */
static struct seccomp_ea_pinned request(pid_t pid, void *buffer, size_t size)
{
	return (struct seccomp_ea_pinned) {
		.pid = pid, .buffer = (uintptr_t)buffer, .buffer_size = size,
	};
}

/* Whether the argument has the answer of the child above. */
static bool is_answer(const struct seccomp_ea_pinned *pinned)
{
	return pinned->nr == __NR_openat2 && pinned->arch == OWN_ARCH && pinned->size == BYTES &&
	       pinned->tail == BYTES && pinned->error == 0;
}

static bool is_untouched(const char *from, const char *to)
{
	while (from < to && *from == (char)GARBAGE)
		from++;
	return from == to;
}

/* Whether so much of a buffer was written as there is, with the struct and zeros. */
TEST_F(pinned, buffer)
{
	static const unsigned int sizes[] = {
		0, 1, 2, 3, 4, 7, 8, 24, 64, BYTES - 1, BYTES, BYTES + 1, BYTES + 3, 128, 1000,
		PAGE - 1, PAGE,
	};
	struct seccomp_ea_pinned asked;
	size_t i, shift;
	char *buffer;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (shift = 0; shift < 9; shift++) {
			buffer = self->memory + shift;
			memset(self->memory, GARBAGE, 2 * PAGE);
			asked = request(self->child.pid, buffer, sizes[i]);
			ASSERT_EQ(0, read_pinned(self->device, self->child.pid, self->pinned,
						 buffer, sizes[i]));
			EXPECT_TRUE(is_answer(self->pinned));
			EXPECT_EQ(0, memcmp(&asked, self->pinned,
					    offsetof(struct seccomp_ea_pinned, nr)));
			EXPECT_EQ(0, memcmp(buffer, bytes, sizes[i])) TH_LOG("%u", sizes[i]);
			EXPECT_TRUE(is_untouched(self->memory, buffer));
			EXPECT_TRUE(is_untouched(buffer + sizes[i], self->hole)) {
				TH_LOG("written past %u", sizes[i]);
			}
		}
		/* Where it ends nothing need be, and where it is nothing need be yet. */
		buffer = self->hole - sizes[i];
		madvise(self->memory, 2 * PAGE, MADV_DONTNEED);
		EXPECT_EQ(0, read_pinned(self->device, self->child.pid, self->pinned, buffer,
					 sizes[i]));
		EXPECT_EQ(0, memcmp(buffer, bytes, sizes[i]));
	}
}

TEST_F(pinned, bad_buffer)
{
	char *read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct {
		char *buffer;
		__u32 size;
		int error;
	} table[] = {
		{ NULL, 0, 0 },
		{ (char *)8, 0, 0 },
		{ self->hole, 0, 0 },
		{ NULL, 1, EFAULT },
		{ NULL, PAGE, EFAULT },
		{ self->hole, 1, EFAULT },
		{ self->hole - 1, 2, EFAULT },
		{ self->hole - BYTES, BYTES + 1, EFAULT },
		{ self->hole - BYTES + 1, BYTES, EFAULT },
		{ self->hole - PAGE + 1, PAGE, EFAULT },
		{ (char *)-4096, 8, EFAULT },
		{ (char *)-8, 64, EFAULT },
#ifdef __x86_64__
		{ (char *)0xffff888000001000, 8, EFAULT },
		{ (char *)0x8000000000000000, 8, EFAULT },
		{ (char *)0x00007ffffffff000, 8, EFAULT },
#endif
		{ read_only, 8, EFAULT },
		{ read_only, PAGE, EFAULT },
		{ self->memory, PAGE + 1, EINVAL },
		{ self->memory, PAGE + 8, EINVAL },
		{ self->memory, 1U << 31, EINVAL },
		{ self->memory, 0xffffffff, EINVAL },
		{ NULL, PAGE + 1, EINVAL },
	};
	size_t i;

	ASSERT_TRUE(read_only != MAP_FAILED);
	for (i = 0; i < ARRAY_SIZE(table); i++)
		EXPECT_EQ(-table[i].error,
			  read_pinned(self->device, self->child.pid, self->pinned,
				      table[i].buffer, table[i].size)) TH_LOG("row %zu", i);
	/* An address is one of 64 bits, also for callers who have none such. */
	*self->pinned = request(self->child.pid, NULL, 8);
	self->pinned->buffer = 1ULL << 63 | (uintptr_t)self->memory;
	EXPECT_EQ(-EFAULT, read_sized(self->device, sizeof(*self->pinned), self->pinned));
	self->pinned->buffer = HIGH << 24 | (uintptr_t)self->memory;
	EXPECT_EQ(-EFAULT, read_sized(self->device, sizeof(*self->pinned), self->pinned));
}

/* What the argument says in place of the answer is of no account. */
TEST_F(pinned, answer_is_written)
{
	memset(self->pinned, 0xff, sizeof(*self->pinned));
	self->pinned->pid = self->child.pid;
	self->pinned->flags = 0;
	self->pinned->buffer = (uintptr_t)self->memory;
	self->pinned->buffer_size = PAGE;
	EXPECT_EQ(0, read_sized(self->device, sizeof(*self->pinned), self->pinned));
	EXPECT_TRUE(is_answer(self->pinned));
	EXPECT_EQ(0, memcmp(self->memory, bytes, PAGE));
}

TEST_F(pinned, argument_size)
{
	const size_t known = sizeof(*self->pinned);
	static const size_t larger[] = { 1, 4, 8, 40, 4096 - 40, 8192, (1 << 14) - 1 - 40 };
	/* Reaches over what an ioctl's number can say. */
	char *argument = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
	const struct seccomp_ea_pinned asked = request(self->child.pid, self->memory, PAGE);
	size_t size, i, shift;
	char *end;

	ASSERT_TRUE(argument != MAP_FAILED);
	ASSERT_EQ(0, munmap(argument + 4 * PAGE, PAGE));
	ASSERT_EQ(SECCOMP_EA_PINNED_SIZE_VER0, known);

	for (size = 0; size < known; size++) {
		memcpy(argument, &asked, known);
		EXPECT_EQ(-EINVAL, read_sized(self->device, size, argument)) TH_LOG("%zu", size);
		EXPECT_EQ(0, memcmp(argument, &asked, known));
	}
	/* It need not be aligned, and nothing need be behind it. */
	end = argument + 4 * PAGE;
	for (shift = 0; shift < 9; shift++) {
		memset(argument, GARBAGE, 4 * PAGE);
		memcpy(end - known - shift, &asked, known);
		EXPECT_EQ(0, read_sized(self->device, known, end - known - shift));
		EXPECT_TRUE(is_answer((void *)(end - known - shift)));
		EXPECT_TRUE(is_untouched(argument, end - known - shift));
		EXPECT_TRUE(is_untouched(end - shift, end));
	}
	for (i = 0; i < ARRAY_SIZE(larger); i++) {
		memset(argument, GARBAGE, 4 * PAGE);
		memcpy(argument, &asked, known);
		memset(argument + known, 0, larger[i]);
		EXPECT_EQ(0, read_sized(self->device, known + larger[i], argument)) {
			TH_LOG("%zu", larger[i]);
		}
		EXPECT_TRUE(is_answer((void *)argument));
		for (size = 0; size < larger[i]; size++)
			ASSERT_EQ(0, argument[known + size]);
		EXPECT_TRUE(is_untouched(argument + known + larger[i], end));

		/* The last byte and the first decide as any other. */
		memcpy(argument, &asked, known);
		argument[known + larger[i] - 1] = 1;
		EXPECT_EQ(-E2BIG, read_sized(self->device, known + larger[i], argument));
		argument[known + larger[i] - 1] = 0;
		argument[known] = 0x80;
		EXPECT_EQ(-E2BIG, read_sized(self->device, known + larger[i], argument));
		EXPECT_EQ(0, memcmp(argument, &asked, known));
	}
}

TEST_F(pinned, bad_argument)
{
	const size_t known = sizeof(*self->pinned);
	const struct seccomp_ea_pinned asked = request(self->child.pid, self->memory, PAGE);
	char *page = self->hole - PAGE;
	unsigned int bit;
	size_t there;

	EXPECT_EQ(-EFAULT, read_sized(self->device, known, NULL));
	EXPECT_EQ(-EFAULT, read_sized(self->device, known, self->hole));
	EXPECT_EQ(-EFAULT, read_sized(self->device, known, (void *)-4096));
	EXPECT_EQ(-EFAULT, read_sized(self->device, known, (void *)-8));
#ifdef __x86_64__
	EXPECT_EQ(-EFAULT, read_sized(self->device, known, (void *)0xffff888000001000));
#endif
	for (there = 0; there < known; there++) {
		memcpy(self->hole - there, &asked, there);
		EXPECT_EQ(-EFAULT, read_sized(self->device, known, self->hole - there));
	}
	/* The kernel's size is there, not all of the caller's. */
	memcpy(self->hole - known, &asked, known);
	EXPECT_EQ(-EFAULT, read_sized(self->device, known + 8, self->hole - known));

	for (bit = 0; bit < 32; bit++) {
		*self->pinned = asked;
		self->pinned->flags = 1U << bit;
		EXPECT_EQ(-EINVAL, read_sized(self->device, known, self->pinned));
	}
	memcpy(page, &asked, known);
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, read_sized(self->device, known, page));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, read_sized(self->device, known, page));
}

/* Nothing but one ioctl, which is one by its type, number and direction. */
TEST_F(pinned, other_operations)
{
	const unsigned int known = sizeof(*self->pinned);
	const unsigned int commands[] = {
		0, 1, 0xffffffff,
		_IOC(_IOC_READ | _IOC_WRITE, 0xea, 1, known),
		_IOC(_IOC_READ | _IOC_WRITE, 0xea, 0xff, known),
		_IOC(_IOC_READ | _IOC_WRITE, 0xeb, 0, known),
		_IOC(_IOC_READ | _IOC_WRITE, 0, 0, known),
		_IOC(_IOC_READ, 0xea, 0, known),
		_IOC(_IOC_WRITE, 0xea, 0, known),
		_IOC(_IOC_NONE, 0xea, 0, known),
		_IOC(_IOC_NONE, 0xea, 0, 0),
		SECCOMP_IOCTL_NOTIF_RECV,
	};
	const struct seccomp_ea_pinned asked = request(self->child.pid, self->memory, PAGE);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		*self->pinned = asked;
		EXPECT_EQ(-ENOTTY, SYSCALL(__NR_ioctl, self->device, commands[i], self->pinned)) {
			TH_LOG("%#x", commands[i]);
		}
		EXPECT_EQ(0, memcmp(self->pinned, &asked, known));
	}
	EXPECT_EQ(-EINVAL, SYSCALL(__NR_read, self->device, self->memory, 1));
	EXPECT_EQ(-EINVAL, SYSCALL(__NR_write, self->device, self->memory, 1));
	EXPECT_TRUE(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->device, 0) == MAP_FAILED);
}

/* Any way to have it open will do, and any descriptor of it. */
TEST_F(pinned, open_modes)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		fd = open(EA_DEVICE, modes[i] | O_CLOEXEC);
		EXPECT_LE(0, fd);
		EXPECT_EQ(0, read_pinned(fd, self->child.pid, self->pinned, self->memory, PAGE));
		EXPECT_TRUE(is_answer(self->pinned));
		close(fd);
	}
	fd = dup(self->device);
	EXPECT_EQ(0, read_pinned(fd, self->child.pid, self->pinned, self->memory, PAGE));
	close(fd);
}

/* Argument, thread, permission, copy, and only then the memory for the answer. */
TEST_F(pinned, order_of_errors)
{
	struct {
		struct seccomp_ea_pinned pinned;
		__u64 more;
	} argument;
	const struct {
		size_t size;
		__u64 more;
		__u32 flags, buffer_size;
		bool bad_pid, never_inspected, bad_buffer;
		int error;
	} table[] = {
		{ 39, 1, 1, PAGE + 1, true, false, true, EINVAL },
		{ 48, 1, 1, PAGE + 1, true, false, true, E2BIG },
		{ 48, 0, 1, PAGE, true, false, true, EINVAL },
		{ 40, 1, 0, PAGE + 1, true, false, true, EINVAL },
		{ 40, 1, 0, PAGE, true, false, true, ESRCH },
		{ 48, 0, 0, 0, true, false, false, ESRCH },
		{ 40, 0, 0, PAGE, false, true, true, ENOENT },
		{ 40, 0, 0, PAGE, false, false, true, EFAULT },
		{ 40, 0, 0, PAGE, false, false, false, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		pid_t pid = table[i].bad_pid ? NO_PID :
			    table[i].never_inspected ? getpid() : self->child.pid;

		argument.pinned = request(pid, table[i].bad_buffer ? self->hole : self->memory,
					  table[i].buffer_size);
		argument.pinned.flags = table[i].flags;
		argument.more = table[i].more;
		memset(self->memory, GARBAGE, PAGE);
		EXPECT_EQ(-table[i].error, read_sized(self->device, table[i].size, &argument)) {
			TH_LOG("row %u", i);
		}
		if (table[i].error) {
			EXPECT_TRUE(is_untouched(self->memory, self->memory + PAGE));
			EXPECT_EQ((__u32)0, argument.pinned.nr);
		}
	}
	/* Too small an argument is not even looked at; one that is there in part is not parsed. */
	EXPECT_EQ(-EINVAL, read_sized(self->device, 39, self->hole));
	argument.pinned = request(NO_PID, NULL, PAGE + 1);
	argument.pinned.flags = 1;
	memcpy(self->hole - 39, &argument, 39);
	EXPECT_EQ(-EFAULT, read_sized(self->device, 40, self->hole - 39));
}

/* ---- Memory that is not there yet. ---- */

struct slow_reader {
	int device;
	pid_t pid;
	struct seccomp_ea_pinned pinned;
	char *buffer;
	long ret;
};

static void *read_slowly(void *arg)
{
	struct slow_reader *reader = arg;

	reader->ret = read_pinned(reader->device, reader->pid, &reader->pinned, reader->buffer,
				  PAGE);
	return NULL;
}

static bool provide_zeros(int uffd, void *page)
{
	struct uffdio_zeropage zeros = { .range = { (uintptr_t)page, PAGE } };

	return ioctl(uffd, UFFDIO_ZEROPAGE, &zeros) == 0;
}

/*
 * A supervisor may take its time to accept the answer: others read, and the thread
 * goes on and dies, and the answer is still the one. So does the device stay.
 */
TEST_F(pinned, slow_reader)
{
	struct slow_reader reader = { .device = ea_device(), .pid = self->child.pid };
	struct supervised other;
	const struct sock_fprog prog = NOTIFYING;
	struct seccomp_notif notif;
	pthread_t thread;
	int uffd, i;

	reader.buffer = self->memory;
	uffd = withhold(self->memory, PAGE);
	ASSERT_LE(0, uffd);
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_slowly, &reader));
	ASSERT_TRUE(is_waited_for(uffd, -1));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, read_pinned(self->device, self->child.pid, self->pinned,
					 self->memory + PAGE, PAGE));
	EXPECT_TRUE(is_answer(self->pinned));
	EXPECT_EQ(0, notif_answer(self->child.listener, self->notif.id, -ANSWERED));
	EXPECT_EQ(0, exit_status(self->child.pid));
	EXPECT_EQ(-ESRCH, read_pinned(self->device, self->child.pid, self->pinned, NULL, 0));

	/* Nor are others kept from what needs the module's attention, such as a new thread. */
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, supervise(&other, &prog, 0, open_bytes, NULL));
		ASSERT_EQ(0, notif_receive(other.listener, &notif));
		EXPECT_EQ(0, read_pinned(self->device, other.pid, self->pinned,
					 self->memory + PAGE, PAGE));
		if (i == 9)
			break;
		EXPECT_EQ(0, notif_answer(other.listener, notif.id, -ANSWERED));
		EXPECT_EQ(0, exit_status(other.pid));
		close(other.listener);
	}
	/* Both descriptors are closed, and somebody is still in there. */
	close(reader.device);
	close(self->device);
	EXPECT_EQ(-EAGAIN, ea_unload());

	ASSERT_TRUE(provide_zeros(uffd, self->memory));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, reader.ret);
	EXPECT_TRUE(is_answer(&reader.pinned));
	EXPECT_EQ(0, memcmp(reader.buffer, bytes, PAGE));

	/* For the teardown. */
	self->child = other;
	self->notif = notif;
}

/* ---- When nothing is pinned. ---- */

FIXTURE(none)
{
	int device;
	struct supervised child;
	struct seccomp_notif notif;
	struct copy copy;
};

FIXTURE_SETUP(none)
{
	stay_on_one_cpu();
	ASSERT_EQ(0, ea_load());
	self->device = ea_device();
	ASSERT_LE(0, self->device);
}

FIXTURE_TEARDOWN(none) {}

static __u64 words[PAGE / 8];

static int open_value_once(void *arg)
{
	(void)arg;
	return open_value(words, VALUE(gettid(), 7)) != -ANSWERED;
}

static int sleep_on(void *arg)
{
	(void)arg;
	while (SYSCALL(__NR_pause))
		;
	return 1;
}

static void *open_value_in_thread(void *arg)
{
	return (void *)(long)open_value_once(arg);
}

TEST_F(none, never_inspected)
{
	pid_t pid;

	EXPECT_EQ(-ENOENT, read_copy(self->device, getpid(), &self->copy));
	pid = fork();
	ASSERT_LE(0, pid);
	if (pid == 0)
		sleep_on(NULL);
	EXPECT_EQ(-ENOENT, read_copy(self->device, pid, &self->copy));
	ASSERT_TRUE(comes_to_sleep_in(pid, __NR_pause));
	EXPECT_EQ(-ENOENT, read_copy(self->device, pid, &self->copy));
	kill(pid, SIGKILL);
	exit_status(pid);
}

/* A filter that notifies without a look at the struct pins nothing. */
TEST_F(none, ordinary_filter)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_openat2, 0, 1), RET(SECCOMP_RET_USER_NOTIF), ALLOW);

	ASSERT_EQ(0, supervise(&self->child, &prog, 0, open_value_once, NULL));
	ASSERT_EQ(0, notif_receive(self->child.listener, &self->notif));
	EXPECT_EQ(-ENOENT, read_copy(self->device, self->child.pid, &self->copy));
	ASSERT_EQ(0, notif_answer(self->child.listener, self->notif.id, -ANSWERED));
	EXPECT_EQ(0, exit_status(self->child.pid));
}

/* One of several filters that looks is enough, whichever it is. */
TEST_F(none, one_of_two_looks)
{
	const struct sock_fprog ordinary = PROG(
		LD_NR, JEQ(__NR_openat2, 0, 1), RET(SECCOMP_RET_USER_NOTIF), ALLOW);
	const struct sock_fprog looking = LOOKING;
	int first;

	for (first = 0; first < 2; first++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (pid == 0) {
			/* The child inherits this one, if any, and the other one is newer. */
			long bad = first ? no_new_privs() ?: install_seccomp(0, &looking) : 0;

			bad = bad ?: supervise(&self->child, &ordinary, 0, open_value_once, NULL) ?:
			      notif_receive(self->child.listener, &self->notif);
			bad = bad ?: read_copy(self->device, self->child.pid, &self->copy) !=
				     (first ? 0 : -ENOENT);
			bad = bad ?: notif_answer(self->child.listener, self->notif.id, -ANSWERED);
			_exit(bad || exit_status(self->child.pid));
		}
		EXPECT_EQ(0, exit_status(pid));
	}
}

static int open_then_other_calls(void *arg)
{
	int i;

	for (i = 1; i < 4; i++) {
		open_value(words, VALUE(gettid(), i));
		SYSCALL(__NR_getppid);
	}
	return sleep_on(arg);
}

/* What was pinned is gone in the next call, however that is noticed. */
TEST_F(none, in_another_call)
{
	const struct sock_fprog prog = NOTIFYING;
	int i;

	ASSERT_EQ(0, supervise(&self->child, &prog, 0, open_then_other_calls, NULL));
	for (i = 1; i < 4; i++) {
		ASSERT_EQ(0, notif_receive(self->child.listener, &self->notif));
		EXPECT_EQ(0, read_copy(self->device, self->child.pid, &self->copy));
		EXPECT_TRUE(is_copy_of(&self->copy, self->child.pid));
		EXPECT_EQ(VALUE(self->child.pid, i), self->copy.words[0]);
		/* A denied call leaves as little behind as one that runs. */
		EXPECT_EQ(0, i % 2 ? notif_answer(self->child.listener, self->notif.id, -ANSWERED) :
				     notif_continue(self->child.listener, self->notif.id));

		ASSERT_EQ(0, notif_receive(self->child.listener, &self->notif));
		EXPECT_EQ(__NR_getppid, self->notif.data.nr);
		EXPECT_EQ(-ENOENT, read_copy(self->device, self->child.pid, &self->copy));
		EXPECT_EQ(0, notif_continue(self->child.listener, self->notif.id));
	}
	ASSERT_TRUE(comes_to_sleep_in(self->child.pid, __NR_pause));
	EXPECT_EQ(-ENOENT, read_copy(self->device, self->child.pid, &self->copy));
	kill(self->child.pid, SIGKILL);
	exit_status(self->child.pid);
}

#ifdef __x86_64__
static int open_by_both_abis(void *arg)
{
	long ret;

	open_value(words, VALUE(gettid(), 1));
	/* The number of openat2 is the same for i386. */
	asm volatile("int $0x80" : "=a" (ret) :
		     "a" (__NR_openat2), "b" (AT_FDCWD), "c" (NULL), "d" (NULL), "S" (0) :
		     "memory");
	return sleep_on(arg);
}

/* Nor has a call of the other ABI a copy only because its number is the same. */
TEST_F(none, in_a_call_of_another_abi)
{
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(__NR_openat2, 1, 0), ALLOW,
		LD_ARCH, JEQ(AUDIT_ARCH_I386, 1, 0),
		LD(SECCOMP_EA_BASE), RET(SECCOMP_RET_USER_NOTIF));
	int i;

	ASSERT_EQ(0, supervise(&self->child, &prog, 0, open_by_both_abis, NULL));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, notif_receive(self->child.listener, &self->notif));
		EXPECT_EQ(__NR_openat2, self->notif.data.nr);
		EXPECT_EQ(i ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64, self->notif.data.arch);
		EXPECT_EQ(i ? -ENOENT : 0,
			  read_copy(self->device, self->child.pid, &self->copy));
		EXPECT_EQ(0, notif_answer(self->child.listener, self->notif.id, -ANSWERED));
	}
	kill(self->child.pid, SIGKILL);
	exit_status(self->child.pid);
}
#endif

#define FIFO	"/tmp/device.fifo"

/* With a struct of the size that tells it from those of other values. */
static int open_fifo(void *arg)
{
	static struct open_how how;

	(void)arg;
	return sys_openat2(AT_FDCWD, FIFO, &how, sizeof(how)) < 0;
}

/* As long as the call runs there is a copy, also if nobody was notified. */
TEST_F(none, while_the_call_runs)
{
	const struct sock_fprog notifying = NOTIFYING, looking = LOOKING;
	int notified, writer;
	pid_t pid;

	unlink(FIFO);
	ASSERT_EQ(0, mkfifo(FIFO, 0600));
	for (notified = 0; notified < 2; notified++) {
		if (notified) {
			ASSERT_EQ(0, supervise(&self->child, &notifying, 0, open_fifo, NULL));
			pid = self->child.pid;
			ASSERT_EQ(0, notif_receive(self->child.listener, &self->notif));
			ASSERT_EQ(0, notif_continue(self->child.listener, self->notif.id));
			/* A notification is a sleep in the call as well. */
			while (notif_is_valid(self->child.listener, self->notif.id))
				nap();
		} else {
			pid = fork();
			ASSERT_LE(0, pid);
			if (pid == 0)
				_exit(no_new_privs() || install_seccomp(0, &looking) ||
				      open_fifo(NULL));
		}
		ASSERT_TRUE(comes_to_sleep_in(pid, __NR_openat2));
		EXPECT_EQ(0, read_copy(self->device, pid, &self->copy));
		EXPECT_EQ(sizeof(struct open_how), self->copy.pinned.size);
		EXPECT_EQ((__u32)0, self->copy.pinned.tail);
		EXPECT_EQ((__u32)__NR_openat2, self->copy.pinned.nr);
		writer = open(FIFO, O_WRONLY | O_CLOEXEC);
		EXPECT_LE(0, writer);
		EXPECT_EQ(0, exit_status(pid));
		close(writer);
	}
	unlink(FIFO);
}

/* What waits for the memory of its caller. */
struct sleeping_fetch {
	unsigned int nr;
	volatile pid_t tid;
	volatile int listener;
	/* Where the struct of the first call is, and that of the second one. */
	__u64 *structs[2];
	long ret[2];
};

/* Of any call: flags of openat2, and the size of statmount. */
#define STRUCT_SIZE	24

static void *fetch_and_sleep(void *arg)
{
	struct sleeping_fetch *s = arg;
	const struct sock_fprog prog = PROG(
		LD_NR, JEQ(s->nr, 1, 0), ALLOW, LD(SECCOMP_EA_BASE), RET(SECCOMP_RET_USER_NOTIF));
	int i;

	s->tid = gettid();
	s->listener = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	for (i = 0; i < 2 && s->listener >= 0; i++) {
		if (s->nr == __NR_openat2)
			s->ret[i] = sys_openat2(AT_FDCWD, "/", s->structs[i], STRUCT_SIZE);
		else
			s->ret[i] = SYSCALL(s->nr, s->structs[i], NULL, 0, 0);
	}
	return NULL;
}

static void fill_struct(__u64 *struct_, __u64 value)
{
	struct_[0] = STRUCT_SIZE;
	struct_[1] = struct_[2] = value;
}

static bool has_struct(const struct copy *copy, __u64 value)
{
	return copy->pinned.size == STRUCT_SIZE && copy->words[0] == STRUCT_SIZE &&
	       copy->words[1] == value && copy->words[2] == value && !copy->words[3];
}

FIXTURE(fetch)
{
	int device, uffd;
	struct seccomp_notif notif;
	struct copy copy;
	struct sleeping_fetch s;
	pthread_t thread;
};

/* How much of a struct is there, and the rest is withheld. */
FIXTURE_VARIANT(fetch)
{
	unsigned int nr;
	size_t present;
};

FIXTURE_VARIANT_ADD(fetch, openat2) { __NR_openat2, 0 };
FIXTURE_VARIANT_ADD(fetch, openat2_in_part) { __NR_openat2, 8 };
/* The size is read before the rest. */
FIXTURE_VARIANT_ADD(fetch, size) { 457 /* statmount */, 0 };
FIXTURE_VARIANT_ADD(fetch, past_the_size) { 457, 8 };

FIXTURE_SETUP(fetch)
{
	char *memory;

	stay_on_one_cpu();
	ASSERT_EQ(0, ea_load());
	self->device = ea_device();
	ASSERT_LE(0, self->device);
	memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(memory != MAP_FAILED);
	self->uffd = withhold(memory + PAGE, PAGE);
	ASSERT_LE(0, self->uffd);
	self->s.nr = variant->nr;
	self->s.listener = -1;
	self->s.structs[0] = (__u64 *)memory;
	self->s.structs[1] = (__u64 *)(memory + PAGE - variant->present);
	if (variant->present)
		self->s.structs[1][0] = STRUCT_SIZE;
}

FIXTURE_TEARDOWN(fetch) {}

/* Before it is fetched there is nothing, and above all not the struct of before. */
TEST_F(fetch, sleeps)
{
	static __u64 content[PAGE / 8 + 1];
	struct uffdio_copy provided = {
		.dst = (uintptr_t)self->s.structs[0] + PAGE,
		.src = (uintptr_t)content + variant->present,
		.len = PAGE,
	};
	struct sleeping_fetch *s = &self->s;
	int i;

	fill_struct(s->structs[0], 1);
	ASSERT_EQ(0, no_new_privs());
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, fetch_and_sleep, s));
	while (s->listener < 0)
		nap();
	ASSERT_EQ(0, notif_receive(s->listener, &self->notif));
	EXPECT_EQ(s->tid, (pid_t)self->notif.pid);
	EXPECT_EQ(0, read_copy(self->device, s->tid, &self->copy));
	EXPECT_TRUE(has_struct(&self->copy, 1));
	ASSERT_EQ(0, notif_answer(s->listener, self->notif.id, -ANSWERED));

	ASSERT_TRUE(is_waited_for(self->uffd, -1));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(-ENOENT, read_copy(self->device, s->tid, &self->copy));

	fill_struct(content, 2);
	ASSERT_EQ(0, ioctl(self->uffd, UFFDIO_COPY, &provided));
	ASSERT_EQ(0, notif_receive(s->listener, &self->notif));
	EXPECT_EQ(0, read_copy(self->device, s->tid, &self->copy));
	EXPECT_TRUE(has_struct(&self->copy, 2));
	ASSERT_EQ(0, notif_answer(s->listener, self->notif.id, -ANSWERED));
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	EXPECT_EQ(-ANSWERED, s->ret[0]);
	EXPECT_EQ(-ANSWERED, s->ret[1]);
}

/* ---- Programs that follow each other. ---- */

/* A program of its own, see main(), which sleeps. */
static int execute_sleeper(void *arg)
{
	char *argv[] = { "device", "sleep", NULL };

	open_value_once(arg);
	execv("/proc/self/exe", argv);
	return 1;
}

TEST_F(none, after_exec)
{
	const struct sock_fprog prog = NOTIFYING;

	ASSERT_EQ(0, supervise(&self->child, &prog, 0, execute_sleeper, NULL));
	ASSERT_EQ(0, notif_receive(self->child.listener, &self->notif));
	EXPECT_EQ(0, read_copy(self->device, self->child.pid, &self->copy));
	ASSERT_EQ(0, notif_answer(self->child.listener, self->notif.id, -ANSWERED));
	ASSERT_TRUE(comes_to_sleep_in(self->child.pid, __NR_pause));
	EXPECT_EQ(-ENOENT, read_copy(self->device, self->child.pid, &self->copy));
	kill(self->child.pid, SIGKILL);
	exit_status(self->child.pid);
}

/* A program of its own that makes calls, too, traced from the start. */
static int execute_traced(void *arg)
{
	const struct sock_fprog prog = LOOKING;
	char *argv[] = { "device", "calls", NULL };

	if (no_new_privs() || install_seccomp(0, &prog))
		return 1;
	open_value_once(arg);
	SYSCALL(__NR_ptrace, PTRACE_TRACEME, 0, 0, 0);
	execv("/proc/self/exe", argv);
	return 1;
}

/*
 * A call has its number before it has its struct: a tracer that stops it between the two
 * must not be given what the program before passed, which may not have been his to read.
 */
TEST_F(none, after_exec_before_the_fetch)
{
	struct ptrace_syscall_info info = {};
	pid_t pid = fork();
	int status, i;

	ASSERT_LE(0, pid);
	if (pid == 0)
		_exit(execute_traced(NULL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, SYSCALL(__NR_ptrace, PTRACE_SETOPTIONS, pid, 0,
			     PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
	for (i = 0; i < 1000 && !(info.op == PTRACE_SYSCALL_INFO_ENTRY &&
				  info.entry.nr == __NR_openat2); i++) {
		ASSERT_EQ(0, SYSCALL(__NR_ptrace, PTRACE_SYSCALL, pid, 0, 0));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSTOPPED(status));
		ASSERT_LT(0, SYSCALL(__NR_ptrace, PTRACE_GET_SYSCALL_INFO, pid, sizeof(info),
				     &info));
	}
	EXPECT_EQ(-ENOENT, read_copy(self->device, pid, &self->copy));
	/* At its end it was fetched. */
	ASSERT_EQ(0, SYSCALL(__NR_ptrace, PTRACE_SYSCALL, pid, 0, 0));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, read_copy(self->device, pid, &self->copy));
	EXPECT_TRUE(is_copy_of(&self->copy, pid));
	EXPECT_EQ(VALUE(pid, 7), self->copy.words[0]);
	kill(pid, SIGKILL);
	exit_status(pid);
}

/* A child has its parent's filters, not its copy. */
static int open_and_fork(void *arg)
{
	pid_t pid;

	open_value_once(arg);
	pid = fork();
	if (pid == 0)
		return open_value_once(arg);
	return exit_status(pid);
}

TEST_F(none, of_a_child)
{
	const struct sock_fprog prog = NOTIFYING;
	pid_t child;

	ASSERT_EQ(0, supervise(&self->child, &prog, 0, open_and_fork, NULL));
	ASSERT_EQ(0, notif_receive(self->child.listener, &self->notif));
	ASSERT_EQ(0, notif_answer(self->child.listener, self->notif.id, -ANSWERED));
	ASSERT_EQ(0, notif_receive(self->child.listener, &self->notif));
	child = self->notif.pid;
	EXPECT_NE(self->child.pid, child);
	EXPECT_EQ(0, read_copy(self->device, child, &self->copy));
	EXPECT_TRUE(is_copy_of(&self->copy, child));
	/* The parent waits for it. */
	EXPECT_EQ(-ENOENT, read_copy(self->device, self->child.pid, &self->copy));
	ASSERT_EQ(0, notif_answer(self->child.listener, self->notif.id, -ANSWERED));
	EXPECT_EQ(0, exit_status(self->child.pid));
}

static int open_in_thread_alone(void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, open_value_in_thread, arg))
		return 1;
	SYSCALL(__NR_exit, 0);
	return 1;
}

/* ---- Who may read. ---- */

#define USER	1001
#define OTHER	1002
#define YAMA	"/proc/sys/kernel/yama/ptrace_scope"

/* What process_vm_readv(2) reads of others; programs are static, so it is there. */
static __u64 public = 0x5ea;

static long read_memory(pid_t pid)
{
	__u64 word = 0;
	struct iovec local = { &word, sizeof(word) }, remote = { &public, sizeof(public) };
	long ret = SYSCALL(__NR_process_vm_readv, pid, &local, 1, &remote, 1, 0);

	return ret < 0 ? ret : word == public ? 0 : -EIO;
}

/* The outcome of reading both ways, and with a device opened by root and one by the reader. */
struct outcome {
	long memory, by_root, by_self;
	bool content;
};

static void read_both(int device, pid_t pid, pid_t tid, struct outcome *outcome)
{
	struct copy copy;
	int own = ea_device();

	outcome->memory = read_memory(pid);
	outcome->by_self = read_copy(own, pid, &copy);
	close(own);
	outcome->by_root = read_copy(device, pid, &copy);
	outcome->content = outcome->by_root || is_copy_of(&copy, tid);
}

static bool set_ids(uid_t real, uid_t effective, uid_t saved, gid_t gid)
{
	return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
	       setresuid(real, effective, saved) == 0;
}

/* A process is not dumpable after a change of its ids, as if it knew secrets. */
static bool be_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

static bool target_root(void)
{
	return true;
}

static bool target_user(void)
{
	return set_ids(USER, USER, USER, USER) && be_dumpable();
}

static bool target_other(void)
{
	return set_ids(OTHER, OTHER, OTHER, OTHER) && be_dumpable();
}

static bool target_changed(void)
{
	return set_ids(USER, USER, USER, USER);
}

static bool target_secretive(void)
{
	return target_user() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

static bool target_secretive_root(void)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

static bool target_real_only(void)
{
	return set_ids(USER, OTHER, OTHER, USER) && be_dumpable();
}

static bool target_saved_other(void)
{
	return set_ids(USER, USER, OTHER, USER) && be_dumpable();
}

static bool target_other_group(void)
{
	return set_ids(USER, USER, USER, OTHER) && be_dumpable();
}

static bool target_capable(void)
{
	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && target_user();
}

static bool target_consenting(void)
{
	return target_user() && prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0) == 0;
}

static bool target_userns(void)
{
	return target_user() && unshare(CLONE_NEWUSER) == 0 && be_dumpable();
}

/* Goes on in a child, whose namespace it is. */
static bool go_on_in_child(void)
{
	pid_t pid = fork();

	if (pid > 0)
		_exit(exit_status(pid));
	return pid == 0;
}

static bool target_pidns(void)
{
	return unshare(CLONE_NEWPID) == 0 && go_on_in_child();
}

static bool enter_namespace(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && setns(fd, 0) == 0;
}

/* Supervisors return what they call the target, or -1 if they cannot become what they should. */
static pid_t reader_root(pid_t target)
{
	return target;
}

static pid_t reader_user(pid_t target)
{
	return set_ids(USER, USER, USER, USER) ? target : -1;
}

static pid_t reader_other(pid_t target)
{
	return set_ids(OTHER, OTHER, OTHER, OTHER) ? target : -1;
}

/* It is the real user who counts, as for process_vm_readv(2). */
static pid_t reader_real_only(pid_t target)
{
	return set_ids(USER, OTHER, OTHER, USER) ? target : -1;
}

static pid_t reader_effective_only(pid_t target)
{
	return set_ids(OTHER, USER, OTHER, USER) ? target : -1;
}

static pid_t reader_effective_root(pid_t target)
{
	return set_ids(USER, 0, 0, USER) ? target : -1;
}

static pid_t reader_dropped(pid_t target)
{
	return set_ids(0, USER, 0, 0) ? target : -1;
}

static pid_t reader_userns(pid_t target)
{
	return set_ids(USER, USER, USER, USER) && unshare(CLONE_NEWUSER) == 0 ? target : -1;
}

static pid_t reader_userns_of_root(pid_t target)
{
	return unshare(CLONE_NEWUSER) == 0 ? target : -1;
}

static pid_t reader_same_userns(pid_t target)
{
	return set_ids(USER, USER, USER, USER) && enter_namespace(target, "user") ? target : -1;
}

static pid_t reader_same_pidns(pid_t target)
{
	return enter_namespace(target, "pid") && go_on_in_child() ? 1 : -1;
}

static pid_t reader_same_pidns_outer(pid_t target)
{
	return enter_namespace(target, "pid") && go_on_in_child() ? target : -1;
}

static pid_t reader_other_pidns(pid_t target)
{
	return unshare(CLONE_NEWPID) == 0 && go_on_in_child() ? target : -1;
}

/* The number exists there and here, for different processes: here it is the reader itself. */
static pid_t reader_other_pidns_itself(pid_t target)
{
	(void)target;
	return unshare(CLONE_NEWPID) == 0 && go_on_in_child() ? getpid() : -1;
}

static pid_t reader_landlocked(pid_t target)
{
	const struct landlock_ruleset_attr attr = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE,
	};
	int fd = syscall(__NR_landlock_create_ruleset, &attr, sizeof(attr), 0);

	return fd >= 0 && syscall(__NR_landlock_restrict_self, fd, 0) == 0 ? target : -1;
}

static const struct relation {
	const char *name;
	bool (*target)(void);
	pid_t (*reader)(pid_t target);
	int error;
	/* Yama's scope; kernels without Yama skip all but 0. */
	int scope;
} relations[] = {
	{ "root, root", target_root, reader_root, 0, 0 },
	{ "root, a user", target_user, reader_root, 0, 0 },
	{ "root, one who changed", target_changed, reader_root, 0, 0 },
	{ "root, one who is not dumpable", target_secretive, reader_root, 0, 0 },
	{ "root, root who is not dumpable", target_secretive_root, reader_root, 0, 0 },
	{ "a user, himself", target_user, reader_user, 0, 0 },
	{ "a user, root", target_root, reader_user, EPERM, 0 },
	{ "a user, another", target_other, reader_user, EPERM, 0 },
	{ "another, the user", target_user, reader_other, EPERM, 0 },
	{ "a user, who is not dumpable", target_secretive, reader_user, EPERM, 0 },
	{ "a user, who became it", target_changed, reader_user, EPERM, 0 },
	{ "a user, who is it really", target_real_only, reader_user, EPERM, 0 },
	{ "a user, who was another", target_saved_other, reader_user, EPERM, 0 },
	{ "a user, in another group", target_other_group, reader_user, EPERM, 0 },
	{ "a user, with capabilities", target_capable, reader_user, EPERM, 0 },
	{ "a user really, the user", target_user, reader_real_only, 0, 0 },
	{ "a user by effect, the user", target_user, reader_effective_only, EPERM, 0 },
	{ "a user really, the effective one", target_other, reader_real_only, EPERM, 0 },
	{ "root by effect, another", target_other, reader_effective_root, 0, 0 },
	{ "root who dropped it, a user", target_user, reader_dropped, EPERM, 0 },
	{ "root who dropped it, root", target_root, reader_dropped, 0, 0 },

	{ "a user, his user namespace", target_userns, reader_user, 0, 0 },
	{ "another, that", target_userns, reader_other, EPERM, 0 },
	{ "root, that", target_userns, reader_root, 0, 0 },
	{ "root in there, that", target_userns, reader_same_userns, 0, 0 },
	{ "root of a sibling, that", target_userns, reader_userns, EPERM, 0 },
	{ "root in a user namespace, outside", target_user, reader_userns, EPERM, 0 },
	{ "root in a user namespace, root outside", target_root, reader_userns_of_root, EPERM, 0 },

	{ "root, another pid namespace", target_pidns, reader_root, 0, 0 },
	{ "root in there, that", target_pidns, reader_same_pidns, 0, 0 },
	{ "root in there, by the pid outside", target_pidns, reader_same_pidns_outer, ESRCH, 0 },
	{ "root in a pid namespace, outside", target_root, reader_other_pidns, ESRCH, 0 },
	{ "root in a pid namespace, itself", target_root, reader_other_pidns_itself, ENOENT, 0 },

	{ "a user, himself, restricted", target_user, reader_user, EPERM, 1 },
	{ "a user, himself, by consent", target_consenting, reader_user, 0, 1 },
	{ "another, by consent", target_consenting, reader_other, EPERM, 1 },
	{ "root, a user, restricted", target_user, reader_root, 0, 1 },
	{ "a user, himself, for root only", target_consenting, reader_user, EPERM, 2 },
	{ "root, a user, for root only", target_user, reader_root, 0, 2 },
	{ "root in a Landlock domain, outside", target_root, reader_landlocked, EPERM, 0 },
};

static int be_target(void *arg)
{
	const struct relation *relation = arg;

	if (!relation->target())
		return 2;
	return open_value_once(NULL);
}

/* Sets Yama's scope, and returns what it was; -1 if there is no Yama. */
static int set_scope(int scope)
{
	char was[8] = "", text_[8];
	int fd = open(YAMA, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	snprintf(text_, sizeof(text_), "%d", scope);
	if (read(fd, was, sizeof(was) - 1) <= 0 || !write_file(YAMA, text_, 0))
		abort();
	close(fd);
	return atoi(was);
}

FIXTURE(access)
{
	int device;
	struct supervised child;
	struct seccomp_notif notif;
	/* Shared, as is the device. */
	struct outcome *outcome;
	int scope;
};

FIXTURE_SETUP(access)
{
	stay_on_one_cpu();
	ASSERT_EQ(0, ea_load());
	/* Whom to let in is for root to say. */
	ASSERT_EQ(0, chmod(EA_DEVICE, 0666));
	self->device = ea_device();
	ASSERT_LE(0, self->device);
	self->outcome = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(self->outcome != MAP_FAILED);
	self->scope = set_scope(0);
}

FIXTURE_TEARDOWN(access)
{
	if (self->scope >= 0)
		set_scope(self->scope);
	chmod(EA_DEVICE, 0600);
}

/* Reads by somebody else; false if he is not to be had. */
static bool read_as(const struct relation *relation, int device, pid_t pid, struct outcome *outcome)
{
	pid_t reader = fork();

	if (reader == 0) {
		/* What a target calls itself is not what others call it. */
		pid_t tid = relation->target == target_pidns ? 1 : pid;
		pid_t by = relation->reader(pid);

		if (by < 0)
			_exit(1);
		read_both(device, by, tid, outcome);
		_exit(0);
	}
	return exit_status(reader) == 0;
}

TEST_F(access, like_process_vm_readv)
{
	const struct sock_fprog prog = NOTIFYING;
	unsigned int i, compared = 0;

	for (i = 0; i < ARRAY_SIZE(relations); i++) {
		const struct relation *relation = &relations[i];
		struct outcome *outcome = self->outcome;

		if (self->scope < 0 && relation->scope)
			continue;
		set_scope(relation->scope);
		ASSERT_EQ(0, supervise(&self->child, &prog, 0, be_target, (void *)relation));
		ASSERT_TRUE(notif_waits(self->child.listener, 60000)) {
			TH_LOG("%s: no target", relation->name);
		}
		ASSERT_EQ(0, notif_receive(self->child.listener, &self->notif));
		if (!read_as(relation, self->device, self->notif.pid, outcome)) {
			EXPECT_TRUE(relation->reader == reader_landlocked) {
				TH_LOG("%s: no reader", relation->name);
			}
		} else {
			EXPECT_EQ(-relation->error, outcome->by_root) TH_LOG("%s", relation->name);
			EXPECT_EQ(outcome->by_root, outcome->by_self) TH_LOG("%s", relation->name);
			/* That there is nothing is for those to know who may read. */
			EXPECT_EQ(outcome->by_root == -ENOENT ? 0 : outcome->by_root,
				  outcome->memory) TH_LOG("%s", relation->name);
			EXPECT_TRUE(outcome->content);
			compared++;
		}
		EXPECT_EQ(0, notif_answer(self->child.listener, self->notif.id, -ANSWERED));
		EXPECT_EQ(0, exit_status(self->child.pid)) TH_LOG("%s", relation->name);
		close(self->child.listener);
	}
	TH_LOG("%u of %zu relations", compared, ARRAY_SIZE(relations));
}

/* Who may not read a thread does not learn whether anything is pinned, either. */
TEST_F(access, before_nothing)
{
	const struct relation relation = { "", target_other, reader_user, EPERM, 0 };
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (pid == 0)
		sleep_on(NULL);
	ASSERT_TRUE(read_as(&relation, self->device, pid, self->outcome));
	EXPECT_EQ(-EPERM, self->outcome->memory);
	EXPECT_EQ(-EPERM, self->outcome->by_root);
	EXPECT_EQ(-EPERM, self->outcome->by_self);
	kill(pid, SIGKILL);
	exit_status(pid);
}

TEST_F(access, pids)
{
	const int pids[] = { 0, -1, -2, INT_MIN, INT_MAX, NO_PID, 1 << 22, 2 /* kthreadd */ };
	struct outcome outcome;
	siginfo_t info;
	unsigned int i;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		read_both(self->device, pids[i], 0, &outcome);
		EXPECT_EQ(-ESRCH, outcome.by_root) TH_LOG("%d", pids[i]);
		EXPECT_EQ(-ESRCH, outcome.memory) TH_LOG("%d", pids[i]);
	}
	pid = fork();
	ASSERT_LE(0, pid);
	if (pid == 0)
		_exit(0);
	ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	for (i = 0; i < 2; i++) {
		/* A zombie, and then nothing. */
		read_both(self->device, pid, 0, &outcome);
		EXPECT_EQ(-ESRCH, outcome.by_root);
		EXPECT_EQ(-ESRCH, outcome.memory);
		exit_status(pid);
	}
	read_both(self->device, getpid(), 0, &outcome);
	EXPECT_EQ(-ENOENT, outcome.by_root);
	EXPECT_EQ(0, outcome.memory);
}

/* A thread is read by its own id, also where the leader is gone. */
TEST_F(access, thread_without_leader)
{
	const struct sock_fprog prog = NOTIFYING;
	struct outcome outcome;

	ASSERT_EQ(0, supervise(&self->child, &prog, 0, open_in_thread_alone, NULL));
	ASSERT_EQ(0, notif_receive(self->child.listener, &self->notif));
	EXPECT_NE(self->child.pid, (pid_t)self->notif.pid);
	read_both(self->device, self->notif.pid, self->notif.pid, &outcome);
	EXPECT_EQ(0, outcome.by_root);
	EXPECT_EQ(0, outcome.memory);
	EXPECT_TRUE(outcome.content);
	/* The leader is to exit first. */
	for (outcome.memory = 0; !outcome.memory; nap())
		read_both(self->device, self->child.pid, self->child.pid, &outcome);
	EXPECT_EQ(-ESRCH, outcome.memory);
	read_both(self->device, self->child.pid, self->child.pid, &outcome);
	EXPECT_EQ(-ESRCH, outcome.by_root);
	ASSERT_EQ(0, notif_answer(self->child.listener, self->notif.id, -ANSWERED));
	EXPECT_EQ(0, exit_status(self->child.pid));
}

/* Threads of one process need no permission to read each other. */
static int read_own_thread(void *arg)
{
	const struct sock_fprog prog = NOTIFYING;
	struct seccomp_notif notif;
	struct copy copy;
	pthread_t thread;
	int device, listener;

	(void)arg;
	if (!set_ids(USER, USER, USER, USER) || no_new_privs())
		return 1;
	device = ea_device();
	listener = install_seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	if (pthread_create(&thread, NULL, open_value_in_thread, NULL) ||
	    notif_receive(listener, &notif) || read_copy(device, notif.pid, &copy))
		return 2;
	return !is_copy_of(&copy, notif.pid) || (pid_t)notif.pid == getpid();
}

TEST_F(access, own_thread)
{
	EXPECT_EQ(0, in_child(read_own_thread, NULL));
}

/* It is root's until root says otherwise. */
static int open_as_user(void *arg)
{
	(void)arg;
	return set_ids(USER, USER, USER, USER) ? -ea_device() : 1;
}

TEST_F(access, root_only)
{
	struct stat st;

	close(self->device);
	ASSERT_EQ(0, ea_unload_unused());
	EXPECT_EQ(-1, stat(EA_DEVICE, &st));
	ASSERT_EQ(0, ea_load());
	ASSERT_EQ(0, stat(EA_DEVICE, &st));
	EXPECT_EQ((mode_t)(S_IFCHR | 0600), st.st_mode);
	EXPECT_EQ((uid_t)0, st.st_uid);
	EXPECT_EQ(EACCES, in_child(open_as_user, NULL));
}

/* ---- What becomes of threads. ---- */

#define READERS	2

/* What the readers of a test share, and those who make calls. */
struct board {
	/* Those to be read, as many as there are. */
	volatile pid_t tids[2];
	volatile bool stop;
	/* That were made, by callers of the board. */
	volatile long calls;
};

/* A value that is not for everybody. */
#define SECRET		(1ULL << 23)
#define IS_SECRET(value)	((value) & SECRET)
#define OPENLY(value)	((value) & ~SECRET)

/* The plain ones of i386 are of 16 bits, and not every kernel has them. */
#ifdef __NR_setresuid32
#define NR_SETRESUID	__NR_setresuid32
#define NR_SETRESGID	__NR_setresgid32
#else
#define NR_SETRESUID	__NR_setresuid
#define NR_SETRESGID	__NR_setresgid
#endif

struct reader {
	struct board *board;
	int cpu;
	/* Has no privileges. */
	bool is_user;
	pthread_t thread;
	/* How many reads ended how, and how many different structs there were. */
	volatile long ok, enoent, esrch, eperm, different, wrong;
};

/* Reads all that is on the board, again and again. */
static void *keep_reading(void *arg)
{
	struct reader *reader = arg;
	struct board *board = reader->board;
	__u64 last[ARRAY_SIZE(board->tids)] = {};
	int device = ea_device();
	struct copy copy;
	unsigned int i;

	pin(reader->cpu);
	/* Only this thread, unlike by the library's functions. */
	if (reader->is_user && (SYSCALL(NR_SETRESGID, USER, USER, USER) ||
				SYSCALL(NR_SETRESUID, USER, USER, USER)))
		reader->wrong++;
	for (i = 0; !board->stop; i = (i + 1) % ARRAY_SIZE(board->tids)) {
		pid_t tid = board->tids[i];

		if (!tid)
			continue;
		switch (read_copy(device, tid, &copy)) {
		case 0:
			reader->ok++;
			/* Copies only ever get newer. */
			if (!is_copy_of(&copy, tid) ||
			    (VALUE_TID(last[i]) == tid &&
			     OPENLY(copy.words[0]) < OPENLY(last[i])) ||
			    (reader->is_user && IS_SECRET(copy.words[0])))
				reader->wrong++;
			reader->different += copy.words[0] != last[i];
			last[i] = copy.words[0];
			break;
		case -ENOENT:
			reader->enoent++;
			break;
		case -ESRCH:
			reader->esrch++;
			break;
		case -EPERM:
			reader->eperm++;
			reader->wrong += !reader->is_user;
			break;
		default:
			reader->wrong++;
		}
	}
	close(device);
	return NULL;
}

FIXTURE(life)
{
	struct board *board;
	struct reader readers[READERS];
	/* The sum of them all. */
	struct reader sum;
};

FIXTURE_SETUP(life)
{
	int i;

	ASSERT_EQ(0, ea_load());
	self->board = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(self->board != MAP_FAILED);
	for (i = 0; i < READERS; i++) {
		self->readers[i].board = self->board;
		self->readers[i].cpu = 1;
	}
}

FIXTURE_TEARDOWN(life) {}

static bool start_readers(struct reader *readers)
{
	int i;

	for (i = 0; i < READERS; i++)
		if (pthread_create(&readers[i].thread, NULL, keep_reading, &readers[i]))
			return false;
	return true;
}

static void stop_readers(struct reader *readers, struct reader *sum)
{
	int i;

	readers->board->stop = true;
	for (i = 0; i < READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		sum->ok += readers[i].ok;
		sum->enoent += readers[i].enoent;
		sum->esrch += readers[i].esrch;
		sum->eperm += readers[i].eperm;
		sum->different += readers[i].different;
		sum->wrong += readers[i].wrong;
	}
	printf("# %ld reads of %ld different copies, %ld ENOENT, %ld ESRCH, %ld EPERM, %ld wrong\n",
	       sum->ok, sum->different, sum->enoent, sum->esrch, sum->eperm, sum->wrong);
}

struct caller {
	struct board *board;
	int i;
};

static void *keep_calling(void *arg)
{
	const struct caller *caller = arg;
	struct board *board = caller->board;
	const pid_t tid = gettid();
	__u64 struct_[PAGE / 8];
	unsigned int n;

	board->tids[caller->i] = tid;
	for (n = 1; !board->stop; n++) {
		open_value(struct_, VALUE(tid, n % SECRET));
		__atomic_add_fetch(&board->calls, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/*
 * Two threads on one CPU, whose structs follow each other as fast as they can, are read
 * from there and from the other CPU: each read is of one struct.
 */
TEST_F(life, no_copy_is_torn)
{
	const struct sock_fprog prog = LOOKING;
	pid_t pid = fork();
	time_t end = time(NULL) + 8;
	int i;

	ASSERT_LE(0, pid);
	if (pid == 0) {
		struct caller callers[ARRAY_SIZE(self->board->tids)];
		pthread_t threads[ARRAY_SIZE(callers)];

		pin(1);
		if (no_new_privs() || install_seccomp(0, &prog))
			_exit(1);
		for (i = 0; i < (int)ARRAY_SIZE(callers); i++) {
			callers[i] = (struct caller) { .board = self->board, .i = i };
			if (pthread_create(&threads[i], NULL, keep_calling, &callers[i]))
				_exit(1);
		}
		for (i = 0; i < (int)ARRAY_SIZE(callers); i++)
			pthread_join(threads[i], NULL);
		_exit(0);
	}
	self->readers[0].cpu = 0;
	ASSERT_TRUE(start_readers(self->readers));
	while (time(NULL) < end)
		nap();
	stop_readers(self->readers, &self->sum);
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, self->sum.wrong);
	/* Or else nothing was tried. */
	EXPECT_LT(rounds(300), self->sum.different);
	EXPECT_LT(rounds(1000), self->sum.ok);
	EXPECT_LT(5000, self->board->calls);
	TH_LOG("%ld calls", self->board->calls);
}

/* Those that are to be killed in their notification say so in the first argument. */
#define KILL_ME	12345

static void *open_value_and_exit(void *arg)
{
	__u64 struct_[PAGE / 8];

	(void)arg;
	open_value(struct_, VALUE(gettid(), 1));
	return NULL;
}

#define MORTALS	400

/* A thread that exits, and a process that is killed, in turn. */
static int have_mortals(void *arg)
{
	struct open_how *how = (void *)words;
	pthread_t thread;
	int i;

	(void)arg;
	for (i = 0; i < MORTALS; i++) {
		if (i % 2) {
			if (pthread_create(&thread, NULL, open_value_and_exit, NULL))
				return 1;
			pthread_join(thread, NULL);
		} else {
			pid_t pid = fork();

			if (pid == 0) {
				__u64 value = VALUE(getpid(), 0);
				size_t k;

				for (k = 0; k < value_size(value) / 8; k++)
					words[k] = value;
				sys_openat2(KILL_ME, "/", how, value_size(value));
				_exit(1);
			}
			if (exit_status(pid) != -SIGKILL)
				return 1;
		}
	}
	return 0;
}

TEST_F(life, threads_die_while_read)
{
	const struct sock_fprog prog = NOTIFYING;
	struct supervised child;
	struct seccomp_notif notif;
	struct copy copy;
	int device = ea_device(), i;

	/* All but the readers. */
	pin(0);
	ASSERT_EQ(0, supervise(&child, &prog, 0, have_mortals, NULL));
	ASSERT_TRUE(start_readers(self->readers));
	for (i = 0; i < MORTALS; i++) {
		ASSERT_EQ(0, notif_receive(child.listener, &notif));
		self->board->tids[i % ARRAY_SIZE(self->board->tids)] = notif.pid;
		ASSERT_EQ(0, read_copy(device, notif.pid, &copy));
		EXPECT_TRUE(is_copy_of(&copy, notif.pid));
		/* Now and then for long enough that others surely read as well. */
		if (i % 2 == 0)
			nap();
		EXPECT_EQ(0, (int)notif.data.args[0] == KILL_ME ? kill(notif.pid, SIGKILL) :
			     notif_answer(child.listener, notif.id, -ANSWERED));
	}
	EXPECT_EQ(0, exit_status(child.pid));
	stop_readers(self->readers, &self->sum);
	EXPECT_EQ(0, self->sum.wrong);
	EXPECT_LT(MORTALS / 10, self->sum.different);
	EXPECT_LT(MORTALS, self->sum.ok);
	EXPECT_LT(100, self->sum.esrch);
}

/* ---- Programs that execute themselves. ---- */

#define EXECS		120
#define CALLS_BETWEEN	4000

/*
 * Two files of the same program. Who may not read the file of a program may not read its memory:
 * what it passes while it is executed from there is secret.
 */
static const char * const files[] = { "/tmp/device.public", "/tmp/device.secret" };

static bool is_secret(int left)
{
	return left % 2;
}

static bool make_files(void)
{
	struct stat st;
	int i;

	for (i = 0; i < 2; i++) {
		int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		int to = open(files[i], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

		if (from < 0 || to < 0 || fstat(from, &st) ||
		    sendfile(to, from, NULL, st.st_size) != st.st_size ||
		    fchmod(to, i ? 0711 : 0755))
			return false;
		close(from);
		close(to);
	}
	return true;
}

static void execute_next(int left)
{
	char text_[16];
	char *argv[] = { "device", "execute", text_, NULL };

	snprintf(text_, sizeof(text_), "%d", left);
	execv(files[is_secret(left)], argv);
	_exit(1);
}

/* The calls of an incarnation, and the next one. */
static void *call_and_execute(void *arg)
{
	const int left = *(int *)arg, calls = rounds(CALLS_BETWEEN);
	const __u64 first = VALUE(gettid(), (is_secret(left) ? SECRET : 0) |
				  (EXECS - left) * calls);
	__u64 struct_[PAGE / 8];
	int n;

	for (n = 0; n < calls; n++)
		open_value(struct_, first + n);
	if (!left)
		_exit(0);
	execute_next(left - 1);
	return NULL;
}

/* Now and then it is a thread that is not the leader, and gets the leader's id. */
static int execute_on(int left)
{
	pthread_t thread;

	if (left % 4 != 1)
		call_and_execute(&left);
	if (!pthread_create(&thread, NULL, call_and_execute, &left))
		pthread_join(thread, NULL);
	return 1;
}

/* Whoever reads has a program's struct only if he may read the program. */
TEST_F(life, exec_while_read)
{
	const struct sock_fprog prog = LOOKING;
	int scope = set_scope(0);
	pid_t pid;

	ASSERT_TRUE(make_files());
	pid = fork();
	ASSERT_LE(0, pid);
	if (pid == 0) {
		pin(0);
		if (!no_new_privs() && !install_seccomp(0, &prog) &&
		    set_ids(USER, USER, USER, USER))
			execute_next(EXECS);
		_exit(1);
	}
	self->board->tids[0] = pid;
	self->readers[0].is_user = true;
	ASSERT_TRUE(start_readers(self->readers));
	EXPECT_EQ(0, exit_status(pid));
	stop_readers(self->readers, &self->sum);
	EXPECT_EQ(0, self->sum.wrong);
	EXPECT_LT(50, self->sum.different);
	EXPECT_LT(100, self->sum.enoent);
	/* Who has no privileges had to do with both. */
	EXPECT_LT(10, self->readers[0].ok);
	EXPECT_LT(100, self->readers[0].eperm);
	TH_LOG("%ld reads and %ld ENOENT by a user", self->readers[0].ok, self->readers[0].enoent);
	if (scope >= 0)
		set_scope(scope);
}

/* ---- The same pid again. ---- */

/* Arranges for the next process to get this pid, if nobody comes between. */
static bool next_pid(pid_t pid)
{
	char text_[16];

	snprintf(text_, sizeof(text_), "%d", pid - 1);
	return write_file("/proc/sys/kernel/ns_last_pid", text_, 0);
}

TEST_F(life, pid_is_reused)
{
	const struct sock_fprog prog = NOTIFYING;
	struct seccomp_notif notif;
	struct supervised child;
	int device = ea_device(), i, again = 0;
	struct copy copy;
	pid_t pid;

	ASSERT_EQ(0, supervise(&child, &prog, 0, open_value_once, NULL));
	ASSERT_EQ(0, notif_receive(child.listener, &notif));
	pid = child.pid;
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, read_copy(device, pid, &copy));
		EXPECT_TRUE(is_copy_of(&copy, pid));
		kill(pid, SIGKILL);
		EXPECT_EQ(-SIGKILL, exit_status(pid));
		EXPECT_EQ(-ESRCH, read_copy(device, pid, &copy));
		close(child.listener);

		/* First one that makes no such call, and then one that does. */
		ASSERT_TRUE(next_pid(pid));
		child.pid = fork();
		ASSERT_LE(0, child.pid);
		if (child.pid == 0)
			sleep_on(NULL);
		EXPECT_EQ(-ENOENT, read_copy(device, child.pid, &copy));
		again += child.pid == pid;
		kill(child.pid, SIGKILL);
		exit_status(child.pid);

		ASSERT_TRUE(next_pid(pid));
		ASSERT_EQ(0, supervise(&child, &prog, 0, open_value_once, NULL));
		/* As yet it may have made no call, but it has no other's copy. */
		EXPECT_TRUE(read_copy(device, child.pid, &copy) == -ENOENT ||
			    is_copy_of(&copy, child.pid));
		ASSERT_EQ(0, notif_receive(child.listener, &notif));
		again += child.pid == pid;
		pid = child.pid;
	}
	kill(pid, SIGKILL);
	exit_status(pid);
	EXPECT_LT(i, again);
}

/* ---- A thousand threads. ---- */

#define THREADS	1000

/* Its number, and the id of its thread, make a struct like no other. */
static void *open_numbered(void *arg)
{
	__u64 struct_[PAGE / 8];

	return (void *)(long)(open_value(struct_, VALUE(gettid(), (long)arg)) != -ANSWERED);
}

static int open_in_threads(void *arg)
{
	static pthread_t threads[THREADS];
	pthread_attr_t attr;
	void *bad;
	long i;

	(void)arg;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], &attr, open_numbered, (void *)i))
			return 1;
	for (i = 0; i < THREADS; i++)
		if (pthread_join(threads[i], &bad) || bad)
			return 2;
	return 0;
}

TEST_F(life, thousand_threads)
{
	static struct seccomp_notif notifs[THREADS];
	static bool seen[THREADS];
	const struct sock_fprog prog = NOTIFYING;
	long caches = count_of("caches"), pinned;
	struct supervised child;
	int device = ea_device(), i, round;
	struct copy copy;

	ASSERT_LE(0, caches);
	stay_on_one_cpu();
	ASSERT_EQ(0, supervise(&child, &prog, 0, open_in_threads, NULL));
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, notif_receive(child.listener, &notifs[i]));
	pinned = count_of("caches");
	EXPECT_EQ(caches + THREADS, pinned);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < THREADS; i++) {
			/* There and back. */
			pid_t tid = notifs[round ? THREADS - 1 - i : i].pid;

			ASSERT_EQ(0, read_copy(device, tid, &copy));
			ASSERT_TRUE(is_copy_of(&copy, tid));
			ASSERT_TRUE(VALUE_N(copy.words[0]) < THREADS);
			seen[VALUE_N(copy.words[0])] = true;
		}
	}
	for (i = 0; i < THREADS; i++)
		EXPECT_TRUE(seen[i]);
	for (i = 0; i < THREADS; i++)
		EXPECT_EQ(0, notif_answer(child.listener, notifs[i].id, -ANSWERED));
	EXPECT_EQ(0, exit_status(child.pid));
	for (i = 0; i < 10000 && count_of("caches") != caches; i++)
		nap();
	EXPECT_EQ(caches, count_of("caches"));
}

/* ---- The module. ---- */

FIXTURE(module)
{
	struct copy copy;
};

FIXTURE_SETUP(module)
{
	pin(0);
	ASSERT_EQ(0, ea_load());
}

FIXTURE_TEARDOWN(module)
{
	EXPECT_EQ(0, ea_load());
}

TEST_F(module, stays_while_open)
{
	int device = ea_device(), again;

	ASSERT_LE(0, device);
	EXPECT_EQ(-EAGAIN, ea_unload());
	EXPECT_EQ(-ENOENT, read_copy(device, getpid(), &self->copy));
	again = dup(device);
	close(device);
	EXPECT_EQ(-EAGAIN, ea_unload());
	EXPECT_EQ(-ENOENT, read_copy(again, getpid(), &self->copy));
	close(again);
	EXPECT_EQ(0, ea_unload_unused());
	EXPECT_EQ(-ENOENT, ea_device());
	EXPECT_EQ(0, ea_load());
	device = ea_device();
	EXPECT_LE(0, device);
	EXPECT_EQ(-ENOENT, read_copy(device, getpid(), &self->copy));
	close(device);
}

/* A node of its number that somebody else made leads to nothing once the module is gone. */
TEST_F(module, stale_node)
{
	const char *node = "/tmp/device.node";
	struct stat st;
	int fd;

	ASSERT_EQ(0, stat(EA_DEVICE, &st));
	unlink(node);
	ASSERT_EQ(0, mknod(node, S_IFCHR | 0600, st.st_rdev));
	fd = open(node, O_RDWR | O_CLOEXEC);
	EXPECT_LE(0, fd);
	EXPECT_EQ(-ENOENT, read_copy(fd, getpid(), &self->copy));
	EXPECT_EQ(-EAGAIN, ea_unload());
	close(fd);
	EXPECT_EQ(0, ea_unload_unused());
	EXPECT_EQ(-1, open(node, O_RDWR | O_CLOEXEC));
	EXPECT_EQ(ENODEV, errno);
	unlink(node);
}

#define CYCLES	20

struct opener {
	volatile bool *stop;
	volatile long opened;
	long absent, wrong;
};

static void *open_and_read(void *arg)
{
	struct opener *opener = arg;
	struct copy copy;

	pin(1);
	while (!*opener->stop) {
		int device = ea_device();

		if (device < 0) {
			opener->absent++;
			/* The node, or already what is behind it. */
			opener->wrong += device != -ENOENT && device != -ENXIO && device != -ENODEV;
			nap();
			continue;
		}
		opener->wrong += read_copy(device, getpid(), &copy) != -ENOENT;
		close(device);
		opener->opened++;
	}
	return NULL;
}

TEST_F(module, open_against_unload)
{
	static volatile bool stop;
	struct opener openers[2] = { { .stop = &stop }, { .stop = &stop } };
	pthread_t threads[2];
	long busy = 0, ret;
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, open_and_read, &openers[i]));
	for (i = 0; i < CYCLES; i++) {
		const long opened = openers[0].opened;

		while (openers[0].opened == opened)
			sched_yield();
		while ((ret = ea_unload()) == -EAGAIN)
			busy++;
		EXPECT_EQ(0, ret);
		EXPECT_EQ(0, ea_load());
	}
	stop = true;
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
		EXPECT_EQ(0, openers[i].wrong);
		EXPECT_LT(CYCLES, openers[i].opened);
		EXPECT_LT(CYCLES, openers[i].absent);
		TH_LOG("%ld times open, %ld times absent, unloads refused %ld times",
		       openers[i].opened, openers[i].absent, busy);
	}
}

int main(int argc, char **argv)
{
	/* As what tests execute. */
	if (argc == 2 && strcmp(argv[1], "sleep") == 0)
		return sleep_on(NULL);
	if (argc == 2 && strcmp(argv[1], "calls") == 0)
		return open_value_once(NULL);
	if (argc == 3 && strcmp(argv[1], "execute") == 0)
		return execute_on(atoi(argv[2]));
#ifndef __x86_64__
	/* The i386 test runs this, and what is left out here knows no ABI. */
	char *args[] = { "device", "-F", "life", "-F", "module", NULL };

	argc = ARRAY_SIZE(args) - 1;
	argv = args;
#endif
	return test_harness_run(argc, argv);
}
