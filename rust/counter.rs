// SPDX-License-Identifier: GPL-2.0

//! Counters of what the module has done and of what there is, for people to look at.
//!
//! Each CPU has its own, so that counting costs nothing that CPUs share. Any context.

use crate::bindings;
use core::fmt;

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum Counter {
    /// Filters that inspect structs, alive.
    Filters,
    /// Caches, alive.
    Caches,
    /// Structs that were copied from user memory.
    Fetches,
    /// Copies of system calls that were answered from a cache.
    Served,
    /// Copies of system calls that were answered with a fault.
    Faults,
    /// System calls denied because there was no memory for their struct.
    DeniedNoMemory,
    /// System calls denied because their filter, or their call, was not one that the module knows.
    DeniedUnknown,
    /// Filters refused by verification.
    Refused,
    /// System calls whose struct was changed after their filters saw it, as far as that is looked for.
    Changed,
}

impl Counter {
    pub(crate) const ALL: [Counter; bindings::SECCOMP_EA_COUNTERS as usize] = [
        Counter::Filters,
        Counter::Caches,
        Counter::Fetches,
        Counter::Served,
        Counter::Faults,
        Counter::DeniedNoMemory,
        Counter::DeniedUnknown,
        Counter::Refused,
        Counter::Changed,
    ];

    /// Counts one more.
    pub(crate) fn increment(self) {
        self.add(1);
    }

    /// Counts one less.
    pub(crate) fn decrement(self) {
        self.add(-1);
    }

    /// As `this_cpu_add()`, which is a macro.
    #[inline(always)]
    fn add(self, difference: isize) {
        // SAFETY: Every counter has its place, see `ALL`.
        let counter = unsafe { &raw mut bindings::seccomp_ea_counters.count[self as usize] };

        // SAFETY: One instruction that changes the counter of the CPU which executes it.
        unsafe {
            kernel::asm!(
                "addq {}, %gs:({})";
                in(reg) difference,
                in(reg) counter,
                options(nostack),
            )
        };
    }

    /// The sum over all CPUs. It may miss what happens meanwhile.
    fn value(self) -> usize {
        // SAFETY: As above.
        unsafe { bindings::seccomp_ea_counted(self as u32) }
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Counter::Filters => "filters",
            Counter::Caches => "caches",
            Counter::Fetches => "fetches",
            Counter::Served => "served",
            Counter::Faults => "faults",
            Counter::DeniedNoMemory => "denied_no_memory",
            Counter::DeniedUnknown => "denied_unknown",
            Counter::Refused => "refused",
            Counter::Changed => "changed",
        };

        write!(f, "{name} {}", self.value())
    }
}
