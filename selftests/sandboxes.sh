#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs Debian's sandboxes, a shell, and programs in Python and Rust under filters that
# eafilter has compiled, without the module and with it. They live in a root directory
# of their own (qemu/sandbox-root), as they would elsewhere.
#
# shellcheck shell=busybox

. "$(dirname "$0")/module.sh"

ROOT=/debian
SANDBOXES="bwrap minijail0 eafilter"
out=$(mktemp)
trap 'rm -f "$out"; umount "$ROOT/dev" "$ROOT/proc" "$ROOT/tmp" "$ROOT"' EXIT

# Only what is mounted can become the root.
mount --bind "$ROOT" "$ROOT"
mount -t devtmpfs devtmpfs "$ROOT/dev"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs tmpfs "$ROOT/tmp"
cp -r "$(dirname "$0")/sandboxes.d" "$ROOT/ea"

# inside COMMAND...: leaves what it says in $out. After a mere chroot nobody could make
# user namespaces.
# shellcheck disable=SC2016 # expanded by the inner shell
inside()
{
	unshare -m sh -ec 'cd "$0"; mount --move . /; exec chroot . /usr/bin/env -i "$@"' \
		"$ROOT" PATH=/ea:/usr/bin HOME=/tmp "$@" >"$out" 2>&1
}

# under SANDBOX FILTER COMMAND... If it is strict, a thread that is not made by clone3 is the
# end of its process.
strict=
under()
{
	local sandbox=$1 filter=/ea/$2.bpf
	shift 2
	case $sandbox in
	bwrap)
		# shellcheck disable=SC2016 # expanded by the inner shell
		set -- sh -c 'filter=$0 && exec bwrap --bind / / --dev-bind /dev /dev --proc /proc \
			--unshare-all --seccomp 9 "$@" 9<"$filter"' "$filter" "$@"
		;;
	minijail0)
		set -- minijail0 -n --seccomp-bpf-binary "$filter" -- "$@"
		;;
	eafilter)
		set -- eafilter run "$filter" -- "$@"
		;;
	esac
	[ -z "$strict" ] || set -- eafilter run /ea/threads-by-clone3.bpf -- "$@"
	inside "$@"
}

# A shell that runs both programs. The Python one comes last, as it may be killed.
probe()
{
	# shellcheck disable=SC2016 # expanded by the inner shell
	under "$@" /usr/bin/sh -c 'echo "shell: $((6 * 7))"; probe; python3 /ea/probe.py'
}

number=0 status=0
# ok WHAT COMMAND...
ok()
{
	local what=$1
	shift
	number=$((number + 1))
	if "$@"; then
		echo "ok $number $what"
	else
		status=1
		echo "not ok $number $what"
		sed 's/^/# /' "$out"
	fi
}

# shellcheck disable=SC2317 # called by ok, as silent is
said()
{
	grep -qxF "$1" "$out"
}

# shellcheck disable=SC2317
silent()
{
	! grep -qF "$1" "$out"
}

# says WHAT LINE...: what a sandbox and a filter let programs do.
says()
{
	local what=$1 line
	shift
	for line in "$@"; do
		ok "$what: $line" said "$line"
	done
}

echo "KTAP version 1"
unload || { echo "Bail out! The module is in use."; exit 1; }

inside sh -c 'probe; python3 /ea/probe.py'
says "without a filter" "rust, a namespace by clone3: done" "python, a namespace by clone3: done"
for sandbox in $SANDBOXES; do
	probe "$sandbox" no-namespaces
	ok "$sandbox without the module: the filter is refused" grep -qE "EINVAL|Invalid argument" "$out"
	ok "$sandbox without the module: nothing runs" silent "shell"
	probe "$sandbox" no-namespaces-allow
	says "$sandbox without the module, filter that lets clone3 pass" \
		"rust, a namespace by clone3: done" "python, a namespace by clone3: done"
	probe "$sandbox" no-namespaces-plain
	says "$sandbox without the module, other filter" "shell: 42" \
		"rust, threads: 4 done" "rust, a namespace by clone3: Function not implemented" \
		"python, threads: 4 done" "python, a namespace by clone3: Function not implemented"
done
inside eafilter run /ea/no-namespaces.bpf -- true
ok "eafilter without the module: it says so" grep -qF "the module seccomp_ea is not loaded" "$out"
strict=yes
probe eafilter no-namespaces-plain
ok "threads that are not made by clone3 are noticed" silent "threads: 4 done"
says "threads that are not made by clone3 are noticed" "shell: 42"

load || { echo "Bail out! The module cannot be loaded."; exit 1; }
for sandbox in $SANDBOXES; do
	for filter in no-namespaces docker-clone3 systemd-restrict-namespaces; do
		probe "$sandbox" "$filter"
		says "$sandbox, $filter" "shell: 42" \
			"rust, threads: 4 done" "rust, a command: done" \
			"rust, a process by clone3: done" \
			"rust, a namespace by clone3: Operation not permitted" \
			"python, threads: 4 done" "python, a command: done" \
			"python, a process by clone3: done" \
			"python, a namespace by clone3: Operation not permitted"
	done
done

strict=
probe bwrap docker-default
says "bwrap, docker-default" "shell: 42" "python, threads: 4 done" \
	"python, a process by clone3: Function not implemented"
inside python3 /ea/probe.py files
says "without a filter" "python, openat2 of a set-user-ID file: done" "python, chmod to set-user-ID: done"
under bwrap systemd-restrict-suid-sgid python3 /ea/probe.py files
says "bwrap, systemd-restrict-suid-sgid" "python, openat2 of a file: done" \
	"python, openat2 of a set-user-ID file: Operation not permitted" \
	"python, chmod to set-user-ID: Operation not permitted"

echo "1..$number"
exit $status
