/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions that redirected call sites call.
 *
 * Each has the signature of the function that it stands for. Whenever that
 * function is wanted after all it is jumped to, not called: no frame of the module
 * is ever on the stack of a copy that sleeps, and so unloading does not have to
 * wait for it.
 */

#include <linux/annotate.h>
#include <linux/linkage.h>

#include <asm/asm.h>
#include <asm/percpu.h>

#include "offsets.h"

	.text

/*
 * Go to @real unless the current task may have a cache: not if it is in no seccomp
 * mode, nor if its bucket of the table of caches is empty (nodes.c). Only @reg and the
 * flags change.
 */
.macro UNLESS_CACHED reg:req, real:req
	movq	PER_CPU_VAR(current_task), \reg
	cmpl	$0, TASK_seccomp_mode(\reg)
	je	\real
	imulq	seccomp_ea_nodes + NODES_factor(%rip), \reg
	shrq	$NODES_HASH_SHIFT, \reg
	andq	seccomp_ea_nodes + NODES_mask(%rip), \reg
	addq	seccomp_ea_nodes + NODES_buckets(%rip), \reg
	cmpq	$0, (\reg)
	je	\real
.endm

/*
 * Hand-off: ask @serve, which has the arguments of @real, for an answer. It is -1
 * where the copy is to take its usual way.
 */
.macro HANDOFF name:req, serve:req, real:req
SYM_FUNC_START(\name)
	ANNOTATE_NOENDBR
	UNLESS_CACHED %rax, \real

	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	call	\serve
	popq	%rdx
	popq	%rsi
	popq	%rdi
	cmpq	$-1, %rax
	je	\real
	RET
SYM_FUNC_END(\name)
.endm

HANDOFF seccomp_ea_copy_from_user, seccomp_ea_serve_copy, _copy_from_user
HANDOFF seccomp_ea_check_zeroed_user, seccomp_ea_serve_zeroed, check_zeroed_user

/*
 * The same for __get_user_4(), which is called from inline assembly: the address
 * is in rax, the result comes in eax and the word in rdx, and all other registers
 * stay as they are (arch/x86/lib/getuser.S). The answer is a word, or negative.
 */
SYM_FUNC_START(seccomp_ea_get_user_4)
	ANNOTATE_NOENDBR
	UNLESS_CACHED %rdx, __get_user_4

	pushq	%rdi
	pushq	%rsi
	pushq	%rcx
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%rax
	movq	%rax, %rdi
	call	seccomp_ea_serve_word
	movq	%rax, %rdx
	popq	%rax
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rcx
	popq	%rsi
	popq	%rdi
	cmpq	$-1, %rdx
	je	__get_user_4
	xorl	%eax, %eax
	testq	%rdx, %rdx
	jns	.Lgot_user_4
	movq	%rdx, %rax
	xorl	%edx, %edx
.Lgot_user_4:
	RET
SYM_FUNC_END(seccomp_ea_get_user_4)

/* void bpf_prog_destroy(struct bpf_prog *fp) */
SYM_FUNC_START(seccomp_ea_bpf_prog_destroy)
	ANNOTATE_NOENDBR
	pushq	%rdi
	call	seccomp_ea_filter_gone
	popq	%rdi
	jmp	bpf_prog_destroy
SYM_FUNC_END(seccomp_ea_bpf_prog_destroy)

/*
 * void seccomp_filter_release(struct task_struct *tsk)
 *
 * The real function is not exported. The jump is pointed to it when the module is
 * loaded, as a static call's would be; until then it leads to a trap.
 */
SYM_FUNC_START(seccomp_ea_filter_release)
	ANNOTATE_NOENDBR
	pushq	%rdi
	call	seccomp_ea_thread_exit
	popq	%rdi
SYM_INNER_LABEL(seccomp_ea_filter_release_jump, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	.byte	0xe9
	.long	seccomp_ea_trap - . - 4
SYM_FUNC_END(seccomp_ea_filter_release)

/* Functions that are not exported, linked in the same way. */
.macro UNEXPORTED name:req
SYM_FUNC_START(seccomp_ea_\name)
	ANNOTATE_NOENDBR
	.byte	0xe9
	.long	seccomp_ea_trap - . - 4
SYM_FUNC_END(seccomp_ea_\name)
.endm

UNEXPORTED mm_access
UNEXPORTED force_sig_seccomp

SYM_FUNC_START(seccomp_ea_trap)
	ud2
SYM_FUNC_END(seccomp_ea_trap)
