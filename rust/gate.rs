// SPDX-License-Identifier: GPL-2.0

//! A gate between the thread that writes something now and then and those who want to read it.
//!
//! The thread may sleep while it writes, for as long as a user wants; readers do not wait for that, they
//! go away. Readers come one at a time and leave at once. For one of them the thread waits, and
//! no other gets in meanwhile.

use crate::task;
use kernel::{
    processor::cpu_relax,
    sync::atomic::{
        ordering::{
            Acquire,
            Relaxed,
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
/// A reader is in there, and closes the gate when it leaves.
const CLOSING: u32 = 3;

/// See the file.
#[repr(transparent)]
pub(crate) struct Gate(Atomic<u32>);

impl Gate {
    /// Closes the gate for readers, and waits until none is left. For the thread.
    #[inline]
    pub(crate) fn close(&self) {
        if self.0.cmpxchg(OPEN, CLOSED, Acquire).is_err() {
            self.close_slowly();
        }
    }

    #[cold]
    fn close_slowly(&self) {
        while self.0.load(Acquire) != CLOSED {
            if self.0.cmpxchg(OPEN, CLOSED, Acquire).is_ok() {
                return;
            }
            let _ = self.0.cmpxchg(BUSY, CLOSING, Relaxed);
            cpu_relax();
        }
    }

    /// Opens the gate, and has readers see all that was written. For the thread, which has closed it.
    pub(crate) fn open(&self) {
        self.0.store(OPEN, Release);
    }

    /// Calls `f` in the gate, with interrupts disabled, or returns [`None`] if it is closed. For
    /// readers. `f` does not sleep: others wait for it.
    pub(crate) fn enter<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        let mut f = Some(f);

        loop {
            let entered = task::without_interrupts(|| {
                self.0.cmpxchg(OPEN, BUSY, Acquire)?;

                let result = f.take().map(|f| f());

                if self.0.cmpxchg(BUSY, OPEN, Release).is_err() {
                    self.0.store(CLOSED, Release);
                }
                Ok(result)
            });

            match entered {
                Ok(result) => return result,
                Err(BUSY) => cpu_relax(),
                Err(_) => return None,
            }
        }
    }
}
