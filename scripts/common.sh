# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # variables are for those that source this
#
# What every script here shares: where things are, how a step is shown, and
# how a command is run inside the build root. Sourced, never run.

set -euo pipefail

die()
{
	echo "error: $*" >&2
	exit 1
}

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/seccomp-ea
mkdir -p "$CACHE/log" "$CACHE/resolved"
CACHE=$(cd "$CACHE" && pwd -P)
JOBS=$(nproc)

# What make was given, if anything.
KVER=${KVER:-}
DEBUG_KERNEL=${DEBUG_KERNEL:-}
case $DEBUG_KERNEL in
'') ;;
y) DEBUG_CONFIG=debug DEBUG_FRAGMENTS=(qemu/debug.config) ;;
kcsan | clang) DEBUG_CONFIG=$DEBUG_KERNEL DEBUG_FRAGMENTS=(qemu/{debug,"$DEBUG_KERNEL"}.config) ;;
*) die "DEBUG_KERNEL=$DEBUG_KERNEL is not y, kcsan or clang" ;;
esac
[ -z "${KDIR:-}" ] || [ -d "$KDIR" ] || die "KDIR=$KDIR is not a directory"
KDIR=${KDIR:+$(cd "$KDIR" && pwd -P)}

case $TOP$CACHE in
*[[:space:]]*) die "kbuild cannot work below a path with spaces: $TOP, $CACHE" ;;
esac

# A short hash of some files' text: the key of what is made from them.
key_of()
{
	cat "$@" | sha256sum | cut -c1-8
}

# Paths follow from what they depend on, so a change there starts afresh
# beside the old copy and a finished one is recognised by being there.
BASE_ROOT=$CACHE/root-$(key_of "$TOP"/scripts/{packages,packages-data,root})
ROOT=$BASE_ROOT
[ -z "$DEBUG_KERNEL" ] || ROOT=$CACHE/root-debug-$(
	key_of "$TOP"/scripts/{packages,packages-data,packages-debug,root})

# What cargo builds: for the host, from the same sources as the module.
HOST_CRATES=(selftests/host scripts/eafilter)
CRATES=$CACHE/crates-$(cd "$TOP" && key_of "${HOST_CRATES[@]/%//Cargo.lock}")

# What KVER= (or its absence) was found to mean; see scripts/choose-kernel.
RESOLVED=$CACHE/resolved/${KVER:-newest}-$(key_of "$TOP/scripts/choose-kernel")

# Sets what follows from the choice of the kernel: its version, tree, image and
# modules, and where the products of a build for it go. Fails when it is not
# chosen yet. A kernel that is not packaged has to have built in what tests want.
load_kernel()
{
	local version
	MODULES=
	if [ -n "${KDIR:-}" ]; then
		TREE=$KDIR
		IMAGE=$KDIR/arch/x86/boot/bzImage
		KERNEL_VERSION=$(cat "$KDIR/include/config/kernel.release") || return
	else
		[ -f "$RESOLVED" ] || return 1
		version=$(sed -n 's/^VERSION=//p' "$RESOLVED")
		if [ -n "$DEBUG_KERNEL" ]; then
			KERNEL_VERSION=${version%%-*}-$DEBUG_CONFIG
			KERNEL_DIR=$CACHE/kernel-${KERNEL_VERSION}_$version-$(
				key_of "$TOP/scripts/kernel-debug" "${DEBUG_FRAGMENTS[@]/#/$TOP/}" \
					"$TOP/scripts/packages-debug")
			IMAGE=$KERNEL_DIR/tree/arch/x86/boot/bzImage
		else
			KERNEL_VERSION=$(sed -n 's/^KVER=//p' "$RESOLVED")
			KERNEL_DIR=$CACHE/kernel-${KERNEL_VERSION}_$version-$(
				key_of "$TOP/scripts/kernel" "$TOP/scripts/packages")
			IMAGE=$KERNEL_DIR/vmlinuz
			MODULES=$KERNEL_DIR/modules
		fi
		TREE=$KERNEL_DIR/tree
	fi
	OUT=$TOP/build/$KERNEL_VERSION
}

# Without privileges, a user namespace with the user's subordinate ids has to do.
NAMESPACE=(--mount --propagation private)
[ "$(id -u)" = 0 ] || NAMESPACE+=(--map-root-user --map-auto)

# in_tree ROOT COMMAND...: run the command in a root directory, as root there.
# The checkout, the cache and a developer's own kernel appear at their own
# paths, so that a path means the same inside and outside. rustc and bindgen
# need /proc. The mounts live in a namespace of their own and go with it. The
# root itself is one of them, or this could not be done once more inside.
in_tree()
{
	local root=$1
	shift
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare "${NAMESPACE[@]}" bash -ec '
		root=$1 dir=$2 binds=$3
		shift 3
		mount --bind "$root" "$root"
		mount --rbind /proc "$root/proc"
		mount --rbind /dev "$root/dev"
		for bind in $binds; do
			mkdir -p "$root$bind"
			mount --bind "$bind" "$root$bind"
		done
		exec chroot "$root" /usr/bin/env -i LC_ALL=C.UTF-8 HOME=/root \
			TERM="${TERM:-dumb}" PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			sh -c "cd \"\$0\" && exec \"\$@\"" "$dir" "$@"
	' bash "$root" "$PWD" "$CACHE $TOP $KDIR" "$@"
}

# The way out of a root directory is this machine's, with the authorities that
# it trusts.
lend_network()
{
	local file
	for file in /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt; do
		[ ! -f $file ] || cp $file "$1$file"
	done
}

in_root()
{
	in_tree "$ROOT" "$@"
}

# The commits that are not published yet, the newest first, or else the last few.
unpublished()
{
	local upstream commits=
	upstream=$(git -C "$TOP" rev-parse -q --verify '@{upstream}' || true)
	[ -z "$upstream" ] || commits=$(git -C "$TOP" rev-list --no-merges "$upstream..HEAD")
	echo "${commits:-$(git -C "$TOP" rev-list --no-merges -15 HEAD)}"
}

# What only one command needs is unpacked beside the build root, with all that it
# depends on and the root does not have. beside PACKAGE says where.
beside()
{
	echo "$CACHE/$1-${ROOT##*-}"
}

download_beside()
{
	local dir
	dir=$(beside "$1").new
	rm -rf "$dir"
	mkdir -p "$dir/debs/partial"
	lend_network "$ROOT"
	in_root apt-get update
	in_root apt-get -y -o APT::Status-Fd=3 -o Dir::Cache::archives="$dir/debs" --download-only install "$1"
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_root sh -ec 'for deb in "$0"/debs/*.deb; do dpkg-deb --extract "$deb" "$0"; done' "$dir"
	rm -rf "$dir/debs"
	mv "$dir" "${dir%.new}"
}

need_beside()
{
	[ -d "$(beside "$1")" ] || step "$CACHE/log/$1" "download $1" download_beside "$1"
}

# host_cargo DIRECTORY COMMAND ARGUMENT...: cargo for one of HOST_CRATES, which lie
# two levels below the checkout.
host_cargo()
{
	local directory=$1 command=$2
	shift 2
	in_root env CARGO_HOME="$CRATES" CARGO_TARGET_DIR="${directory%/*/*}/build/host" \
		cargo "$command" --offline --locked --manifest-path "$directory/Cargo.toml" "$@"
}

# kernel_make ARGUMENT...: make in the kernel tree, with the tools it was made
# with: those of the build root, or a developer's own (CC=, LLVM= and the like
# come through make).
kernel_make()
{
	if [ -n "${KDIR:-}" ]; then
		make -C "$TREE" -j"$JOBS" "$@"
	elif [ -n "$DEBUG_KERNEL" ]; then
		in_root make -C "$TREE" -j"$JOBS" LLVM=-19 "$@"
	else
		in_root make -C "$TREE" -j"$JOBS" CC=x86_64-linux-gnu-gcc-14 HOSTCC=gcc-14 "$@"
	fi
}

# with_lock FILE COMMAND...: one run at a time; says so when it has to wait.
with_lock()
{
	local file=$1
	shift
	exec 9>"$file"
	if ! flock -n 9; then
		echo "  waiting for another run that holds $file"
		flock 9
	fi
	"$@"
	exec 9>&-
}

# The percentage that a step has reached: the last one written to its
# descriptor 3 (apt writes "dlstatus:1:12.5:..."), or else how many of its
# $STEP_TOTAL marks its log has.
percent()
{
	local last
	last=$(tail -n1 "$1.percent" 2>/dev/null | sed -n 's/^\([a-z]*:[^:]*:\)\{0,1\}\([0-9]\{1,3\}\)\([.:].*\)\{0,1\}$/\2/p')
	if [ -z "$last" ] && [ -n "${STEP_MARK:-}" ]; then
		last=$(($(grep -cE "$STEP_MARK" "$1") * 100 / STEP_TOTAL))
		[ "$last" -lt 100 ] || last=99
	fi
	echo "$last"
}

bar()
{
	local full='####################' none='....................' n=$(($1 / 5))
	echo "[${full:0:n}${none:n}] $1%"
}

# Shows on a terminal how a process gets on, until it ends.
watch()
{
	local label=$1 pid=$2 log=$3 start=$SECONDS reached
	[ -t 1 ] || return 0
	while kill -0 "$pid" 2>/dev/null; do
		reached=$(percent "$log")
		printf '\r\033[K  %-34s %5d s  %s' "$label" $((SECONDS - start)) \
			"${reached:+$(bar "$reached")}"
		sleep 0.2
	done
	printf '\r\033[K'
}

# step LOG LABEL COMMAND...: run a command with its output in the log, showing
# one line; the last lines of the log and where it is when the command fails.
step()
{
	local log=$1 label=$2 status=0 began tenths
	shift 2
	mkdir -p "$(dirname "$log")"
	: >"$log.percent"
	began=$(date +%s%N)
	"$@" >"$log" 2>&1 3>"$log.percent" </dev/null &
	watch "$label" $! "$log"
	wait $! || status=$?
	rm -f "$log.percent"
	tenths=$((($(date +%s%N) - began) / 100000000))
	printf '  %-34s %3d.%d s%s\n' "$label" $((tenths / 10)) $((tenths % 10)) \
		"$([ $status = 0 ] || echo '  FAILED')"
	[ $status = 0 ] && return
	tail -n 30 "$log" | sed 's/^/    | /'
	echo "  Full log: $log"
	exit 1
}
