# SPDX-License-Identifier: GPL-2.0
#
# The kernel's log without the data races that the module has no part in: those
# of the kernel itself are many, and no concern of ours. The module has a part in
# one if it made an access, or called what made it: not if it has allocated memory
# and the kernel had to look for some, nor if whoever calls these functions has the
# race: a sample of perf counts up and down how often the task that it interrupts has
# disabled page faults, and mm_access() looks at flags of a task that sets others. And
# without its complaint that it has no memory for a list of its own while a module
# goes away, which is the doing of the test faults.

function flush_report(i)
{
	for (i = 0; i < lines && (ours && !anyones || !report); i++)
		print line[i]
	report = ours = anyones = lines = 0
}

/^\[ *[0-9.]+\] ====================/ {
	inside = !inside
	if (inside)
		flush_report()
}

inside {
	line[lines++] = $0
	report = report || /BUG: KCSAN: /
	anyones = anyones || /BUG: KCSAN: .* (perf_callchain_user|mm_access)( |$)/
	frames = / bytes by (task|interrupt) / ? 0 : frames + 1
	ours = ours || (frames <= 3 && /\[seccomp_ea\]/)
	next
}

lines {
	line[lines++] = $0
	flush_report()
	next
}

/ WARNING: .* at fprobe_module_callback\+.* faults\/[0-9]+$/ { next }

{ print }

END { flush_report() }
