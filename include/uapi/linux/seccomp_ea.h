/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_SECCOMP_EA_H
#define _UAPI_LINUX_SECCOMP_EA_H

/*
 * Deep argument inspection for seccomp filters.
 *
 * clone3(2), openat2(2) and their like take an extensible argument (EA): a
 * pointer to a struct and the size that the caller knows of it. With the
 * seccomp_ea module loaded, a filter given to seccomp(2) or to
 * prctl(PR_SET_SECCOMP) may read that struct. It is copied from the caller's
 * memory once; the filter judges the copy, and the system call executes on
 * the very same copy.
 *
 * A filter loads from it as from struct seccomp_data, by BPF_LD|BPF_W|BPF_ABS
 * with a 4-aligned constant offset:
 *
 *      0 ..   63   struct seccomp_data, as ever
 *     64 .. 4159   the struct of the call, one page at most. Words (and bytes
 *                  of a word) at and past the size that the caller passed are
 *                  zero. All are zero when the struct could not be read.
 *   4160 .. 4171   three info words about the struct, see below
 *
 * Every load at 64 and above must be one that is only reached for a system
 * call that has such a struct: on each path to it the filter must have
 * compared seccomp_data.nr, and seccomp_data.arch too where the same number
 * means another call on another ABI. A filter that breaks this rule, or loads
 * from any other offset, is refused with EINVAL; the kernel log says at which
 * instruction and why. So is every such filter without the module.
 *
 * A filter that wants no clone3 with new namespaces (CLONE_NEW*, and of the
 * high word CLONE_EMPTY_MNTNS):
 *
 *	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
 *	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 0, 5),
 *	BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
 *		 SECCOMP_EA_LO(struct clone_args, flags)),
 *	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x7e020080, 2, 0),
 *	BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
 *		 SECCOMP_EA_HI(struct clone_args, flags)),
 *	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x20, 0, 1),
 *	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
 *	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
 */

#include <linux/ioctl.h>
#include <linux/types.h>

#if !defined(__x86_64__) && !defined(__i386__)
#error "seccomp_ea knows the system calls of x86 only"
#endif

/* The struct starts where struct seccomp_data ends. */
#define SECCOMP_EA_BASE		64

/* No call takes a struct of more than a page. */
#define SECCOMP_EA_MAX		4096

/*
 * The size that the caller passed. A size that does not fit reads as
 * 0xffffffff. It is what the caller claims: it may be too small or too large
 * for the call, which will then fail by itself.
 */
#define SECCOMP_EA_SIZE		(SECCOMP_EA_BASE + SECCOMP_EA_MAX)

/*
 * One past the last byte of the struct that is not zero; 0 when there is none.
 * A filter that knows the struct up to and including some field lets larger
 * structs through safely as long as this does not exceed that field's end:
 *
 *	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SECCOMP_EA_TAIL),
 *	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, sizeof(struct open_how), 0, 1),
 *	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | E2BIG),
 */
#define SECCOMP_EA_TAIL		(SECCOMP_EA_SIZE + 4)

/*
 * 0 when the struct was read; EFAULT when its memory could not be, E2BIG when
 * it is larger than SECCOMP_EA_MAX. With an error every word of the struct and
 * the tail are zero, and the call, if allowed, fails as it would unfiltered.
 */
#define SECCOMP_EA_ERROR	(SECCOMP_EA_SIZE + 8)

/* The first offset that is not a filter's to read. */
#define SECCOMP_EA_END		(SECCOMP_EA_SIZE + 12)

/* Offset of @field of @type plus @word, a compile error unless @ok. */
#define __SECCOMP_EA_WORD(type, field, word, ok)			\
	(SECCOMP_EA_BASE + __builtin_offsetof(type, field) + (word) +	\
	 0 * sizeof(char[(ok) ? 1 : -1]))

#define __SECCOMP_EA_SIZEOF(type, field)	sizeof(((type *)0)->field)

#define __SECCOMP_EA_ALIGNED(type, field)				\
	(__builtin_offsetof(type, field) % 4 == 0)

/*
 * SECCOMP_EA_LO - offset of a field of four bytes, or of the low word of one
 * of eight: SECCOMP_EA_LO(struct clone_args, flags)
 */
#define SECCOMP_EA_LO(type, field)					\
	__SECCOMP_EA_WORD(type, field, 0,				\
			  __SECCOMP_EA_ALIGNED(type, field) &&		\
			  (__SECCOMP_EA_SIZEOF(type, field) == 4 ||	\
			   __SECCOMP_EA_SIZEOF(type, field) == 8))

/*
 * SECCOMP_EA_HI - offset of the high word of a field of eight bytes. A filter
 * that compares only the low word of a field says nothing about the high one.
 */
#define SECCOMP_EA_HI(type, field)					\
	__SECCOMP_EA_WORD(type, field, 4,				\
			  __SECCOMP_EA_ALIGNED(type, field) &&		\
			  __SECCOMP_EA_SIZEOF(type, field) == 8)

/*
 * What a thread was judged by, for whoever supervises it.
 *
 * A supervisor behind SECCOMP_RET_USER_NOTIF that looks at a struct in the memory
 * of the thread sees what another thread may have put there since. Here it gets the
 * copy that the filters judged, and on which the system call is going to execute:
 * SECCOMP_USER_NOTIF_FLAG_CONTINUE is safe after that. There is a copy as soon as
 * one of the thread's filters loads from the struct for this system call; a filter
 * that does not pins nothing.
 *
 * A copy that was read between the receipt of a notification and an answer to it
 * that was accepted is the copy of that notification.
 *
 * A tracer at SECCOMP_RET_TRACE gets what was judged so far. The filters run again
 * after it, on another copy, so that they, and not the tracer, decide what executes.
 */
struct seccomp_ea_pinned {
	/* What is asked for. */
	__u32 pid;		/* thread, as in struct seccomp_notif */
	__u32 flags;		/* 0 */
	__u64 buffer;		/* memory for the struct */
	__u32 buffer_size;	/* in bytes, SECCOMP_EA_MAX at most; may be 0 */
	/* The answer. */
	__u32 nr;		/* of the system call that the struct was passed to */
	__u32 arch;		/* AUDIT_ARCH_*, for which nr is one */
	__u32 size;		/* what a filter loads from SECCOMP_EA_SIZE, */
	__u32 tail;		/* from SECCOMP_EA_TAIL */
	__u32 error;		/* and from SECCOMP_EA_ERROR */
};

#define SECCOMP_EA_PINNED_SIZE_VER0	40

/*
 * An ioctl of /dev/seccomp_ea. All of the buffer is written: what lies past the
 * struct is zero, as it would be for the kernel, and so is all of it with an
 * error. Of a struct that is larger than the buffer the rest is left out; the
 * tail tells whether anything is in there.
 *
 * The argument is extensible by its size, which the number of the ioctl has in
 * it. Errors:
 *
 *   EINVAL  unknown flags, a buffer of more than SECCOMP_EA_MAX, or an argument
 *           of less than SECCOMP_EA_PINNED_SIZE_VER0
 *   E2BIG   the argument is larger than the kernel's, and not zero there
 *   EFAULT  the argument or the buffer could not be accessed
 *   ESRCH   the caller's pid namespace has no such thread, or it has no memory
 *   EPERM   the caller may not read the thread's memory (process_vm_readv(2))
 *   ENOENT  nothing is pinned: no filter inspects the call that the thread is in
 *   ENOMEM  no memory for a copy of the struct
 *   EINTR   the caller is being killed
 */
#define SECCOMP_EA_IOCTL_READ_PINNED	_IOWR(0xea, 0, struct seccomp_ea_pinned)

#endif /* _UAPI_LINUX_SECCOMP_EA_H */
