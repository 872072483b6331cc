// SPDX-License-Identifier: GPL-2.0
/*
 * Prints filters that libseccomp makes: an allow list in the manner of container runtimes, and a
 * deny list in the manner of service managers.
 *
 * cc libseccomp.c -lseccomp && ./a.out allow 2
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What container runtimes do not allow, or allow only with some arguments. */
static const char *const special[] = {
	"acct", "add_key", "bpf", "clone", "clone3", "create_module", "delete_module",
	"finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms",
	"get_mempolicy", "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup",
	"ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie",
	"mbind", "mount", "mount_setattr", "move_mount", "move_pages", "nfsservctl",
	"open_by_handle_at", "open_tree", "perf_event_open", "personality", "pivot_root",
	"process_vm_readv", "process_vm_writev", "ptrace", "query_module", "quotactl",
	"quotactl_fd", "reboot", "request_key", "set_mempolicy", "setdomainname", "sethostname",
	"setns", "settimeofday", "socket", "stime", "swapoff", "swapon", "syslog", "umount",
	"umount2", "unshare", "uselib", "userfaultfd", "ustat", "vm86", "vm86old",
};

static int is_special(const char *name)
{
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (!strcmp(name, special[i]))
			return 1;
	return 0;
}

static void rule(scmp_filter_ctx ctx, uint32_t action, const char *name, int count,
		 struct scmp_arg_cmp arg)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr != __NR_SCMP_ERROR)
		seccomp_rule_add(ctx, action, nr, count, arg);
}

static void allow_list(scmp_filter_ctx ctx)
{
	static const uint64_t personalities[] = { 0, 8, 0x20000, 0x20008, 0xffffffff };
	struct scmp_arg_cmp none = {};

	for (int nr = 0; nr < 470; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);

		if (name && !is_special(name))
			rule(ctx, SCMP_ACT_ALLOW, name, 0, none);
		free(name);
	}
	for (size_t i = 0; i < sizeof(personalities) / sizeof(personalities[0]); i++)
		rule(ctx, SCMP_ACT_ALLOW, "personality", 1,
		     SCMP_A0(SCMP_CMP_EQ, personalities[i]));
	rule(ctx, SCMP_ACT_ALLOW, "socket", 1, SCMP_A0(SCMP_CMP_NE, AF_VSOCK));
	rule(ctx, SCMP_ACT_ALLOW, "clone", 1, SCMP_A0(SCMP_CMP_MASKED_EQ, 0x7e020000, 0));
	rule(ctx, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, none);
}

static void deny_list(scmp_filter_ctx ctx)
{
	struct scmp_arg_cmp none = {};

	rule(ctx, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, none);
	rule(ctx, SCMP_ACT_ERRNO(ENOSYS), "openat2", 0, none);
	rule(ctx, SCMP_ACT_ERRNO(EPERM), "unshare", 1,
	     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
	rule(ctx, SCMP_ACT_ERRNO(EPERM), "clone", 1,
	     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
	rule(ctx, SCMP_ACT_ERRNO(EPERM), "setns", 1, SCMP_A1(SCMP_CMP_EQ, 0));
	rule(ctx, SCMP_ACT_ERRNO(EPERM), "ioctl", 1, SCMP_A1(SCMP_CMP_EQ, TIOCSTI));
	rule(ctx, SCMP_ACT_ERRNO(EPERM), "keyctl", 0, none);
	rule(ctx, SCMP_ACT_ERRNO(EPERM), "bpf", 0, none);
}

int main(int argc, char **argv)
{
	int allow = argc > 1 && !strcmp(argv[1], "allow");
	scmp_filter_ctx ctx = seccomp_init(allow ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW);
	struct sock_filter insn;
	FILE *file = tmpfile();

	seccomp_arch_add(ctx, SCMP_ARCH_X86);
	seccomp_arch_add(ctx, SCMP_ARCH_X32);
	if (argc > 2)
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, atoi(argv[2]));
	if (allow)
		allow_list(ctx);
	else
		deny_list(ctx);

	if (!ctx || !file || seccomp_export_bpf(ctx, fileno(file)))
		return 1;
	rewind(file);
	while (fread(&insn, sizeof(insn), 1, file) == 1)
		printf("0x%02x %u %u 0x%x\n", insn.code, insn.jt, insn.jf, insn.k);
	return 0;
}
