// SPDX-License-Identifier: GPL-2.0

//! The pass rule: which filters of a thread judge one and the same copy.
//!
//! seccomp runs all filters of a thread for a system call, newest first
//! (`seccomp_run_filters()` in `kernel/seccomp.c`): a *filter pass*. It runs them again for the same
//! call after a tracer had its say. All filters of a pass must see one copy, and the next pass
//! must not see it any more, but nothing tells a filter where a pass starts.
//!
//! Numbers do. Each extended filter gets one when it is attached, under the siglock, from a counter
//! that only rises, so that they fall strictly along every chain. Whether a filter asks for the struct
//! depends on nothing but arch and nr, a pass always runs to the end of the chain, and nothing is
//! ever taken out of a chain. So among the filters that ask for a call's struct the first of the next
//! pass has a number that is at least that of the last one before it.

/// The filter pass that a cached copy belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    arch: u32,
    nr: u32,
    /// The number of the filter that looked last.
    last: u64,
}

impl Pass {
    /// Starts a pass with the filter `number`.
    pub(crate) const fn begin(arch: u32, nr: u32, number: u64) -> Pass {
        Pass {
            arch,
            nr,
            last: number,
        }
    }

    /// Returns the pass with the filter `number` added to it, or [`None`] if that filter belongs to
    /// another pass, whose copy must be fetched anew.
    pub(crate) fn next(self, arch: u32, nr: u32, number: u64) -> Option<Pass> {
        (self.covers(arch, nr) && number < self.last).then_some(Pass {
            last: number,
            ..self
        })
    }

    /// Whether this pass judged the system call `nr`.
    pub(crate) fn covers(self, arch: u32, nr: u32) -> bool {
        self.arch == arch && self.nr == nr
    }
}
