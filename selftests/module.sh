# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=busybox
#
# Sourced by the tests that are scripts: the module, in the guest.

loaded()
{
	[ -d /sys/module/seccomp_ea ]
}

# The filters of processes that were just killed may take a moment to go.
unload()
{
	local i=0
	while loaded && ! rmmod seccomp_ea 2>/dev/null; do
		[ $((i += 1)) -lt 50 ] || return 1
		sleep 0.1
	done
}

load()
{
	loaded || insmod /seccomp_ea.ko
}
