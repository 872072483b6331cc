#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the kernel's own tests without the module and with it, and compares the
# results test by test. Speaks KTAP itself: a test is ok if the module makes no
# difference to it.
#
# shellcheck shell=busybox

. "$(dirname "$0")/module.sh"

programs=$(dirname "$0")/upstream.d
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# This one races with a timer, module or not, and has more than one try.
RACING=global.user_notification_wait_killable_after_reply
TRIES=6

# Makes "ok NAME" or "not ok NAME" of result lines: without numbers, and without
# process ids, which differ from one run to the next.
strip()
{
	sed -nE 's/^(ok|not ok) [0-9]+ +(- )?/\1 /; T; s/\[[0-9]+\] //g; p' "$1"
}

# retry PROGRAM RESULTS: runs the test that races once more, alone, if it failed.
retry()
{
	local try=1
	while grep -qx "not ok $RACING" "$2" && [ $((try += 1)) -le $TRIES ]; do
		echo "# $RACING: try $try"
		"$programs/$1" -r "$RACING" >"$2.log" 2>&1 && sed -i "s/^not ok $RACING\$/ok $RACING/" "$2"
	done
}

# run SIDE: leaves the results of all programs in a directory of that name.
run()
{
	local program file
	for program in $list; do
		file=$results/$1/$program
		mkdir -p "$(dirname "$file")"
		"$programs/$program" >"$file.log" 2>&1
		strip "$file.log" >"$file"
		retry "$program" "$file"
		echo "# $1 the module: $program: $(grep -c '^ok' "$file") of $(grep -c . "$file") ok"
	done
}

# What one program said in both runs, side by side.
compare()
{
	awk -v program="$1" -v number="$number" '
		NR == FNR { without[FNR] = $0; next }
		{ with[FNR] = $0 }
		END {
			lines = NR - FNR > FNR ? NR - FNR : FNR
			for (i = 1; i <= lines; i++) {
				same = without[i] == with[i]
				name = i in without ? without[i] : with[i]
				sub(/^(not )?ok /, "", name)
				# An explanation would be a directive.
				sub(/ *#.*/, "", name)
				printf "%s %d %s: %s\n", same ? "ok" : "not ok", number + i, program, name
				if (!same)
					printf "# without: %s\n# with: %s\n", without[i], with[i]
			}
		}' "$results/without/$1" "$results/with/$1"
}

# The tests of idmapped mounts make a file system and mount it, for which a
# packaged kernel has modules. Where they are not there, nor is that built in,
# these tests fail on both sides.
if [ -f /modules/order ]; then
	while read -r module; do
		insmod "/modules/$module.ko"
	done </modules/order
fi

list=$(cd "$programs" && find . -type f | sed 's,^\./,,' | sort)
status=0

echo "KTAP version 1"
unload || { echo "Bail out! The module is in use."; exit 1; }
run without
load || { echo "Bail out! The module cannot be loaded."; exit 1; }
run with

number=0
for program in $list; do
	compare "$program" >"$results/compared"
	cat "$results/compared"
	grep -q '^not ok' "$results/compared" && status=1
	lines=$(grep -c '^\(not \)\?ok' "$results/compared")
	# A program that said nothing is not one that passed.
	if [ "$lines" = 0 ]; then
		lines=1 status=1
		echo "not ok $((number + 1)) $program: no results"
	fi
	number=$((number + lines))
done
echo "1..$number"
exit $status
