// SPDX-License-Identifier: GPL-2.0

//! A gate between the thread that writes something now and then and those who want to read it.
//!
//! The thread may sleep while it writes, for as long as a user wants; readers do not wait for that, they
//! go away. Readers come one at a time and leave at once, and for these the thread waits.

use kernel::{
    processor::cpu_relax,
    sync::atomic::{
        ordering::{
            Acquire,
            Release, //
        },
        Atomic, //
    }, //
};

/// The thread writes, or has not written yet. Memory of zeroes is a closed gate.
const CLOSED: u32 = 0;
const OPEN: u32 = 1;
/// A reader is in there.
const BUSY: u32 = 2;

/// See the file.
#[repr(transparent)]
pub(crate) struct Gate(Atomic<u32>);

impl Gate {
    /// Closes the gate for readers, and waits until none is left. For the thread.
    pub(crate) fn close(&self) {
        while self.0.cmpxchg(OPEN, CLOSED, Acquire) == Err(BUSY) {
            cpu_relax();
        }
    }

    /// Opens the gate, and has readers see all that was written.
    pub(crate) fn open(&self) {
        self.0.store(OPEN, Release);
    }

    /// Calls `f` in the gate, or returns [`None`] if it is closed. For readers.
    ///
    /// The caller has interrupts disabled, and `f` does not sleep: others wait for it.
    pub(crate) fn enter<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        loop {
            match self.0.cmpxchg(OPEN, BUSY, Acquire) {
                Ok(_) => break,
                Err(BUSY) => cpu_relax(),
                Err(_) => return None,
            }
        }

        let result = f();

        self.open();
        Some(result)
    }
}
