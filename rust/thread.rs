// SPDX-License-Identifier: GPL-2.0

//! Another thread, as a supervisor names it.

use crate::{
    bindings,
    unexported, //
};
use core::ptr::NonNull;
use kernel::{
    mm::MmWithUser,
    prelude::*,
    sync::aref::ARef,
    task::Task, //
};

/// A thread. It may have died.
pub(crate) struct Thread(ARef<Task>);

/// The memory of a thread, which the current task may read.
pub(crate) struct Memory(ARef<MmWithUser>);

impl Thread {
    /// Finds a thread by its number in the pid namespace of the current task.
    pub(crate) fn find(pid: u32) -> Option<Thread> {
        let pid = i32::try_from(pid).ok()?;
        // SAFETY: Any number will do.
        let task = NonNull::new(unsafe { bindings::seccomp_ea_find_task(pid) })?;

        // SAFETY: It is a reference, which the caller gets; `Task` has the layout of
        // `struct task_struct`.
        Some(Thread(unsafe { ARef::from_raw(task.cast()) }))
    }

    pub(crate) fn task(&self) -> &Task {
        &self.0
    }

    /// The thread's memory. May sleep.
    ///
    /// The errors of `process_vm_readv(2)` (`process_vm_rw_core()` in `mm/process_vm_access.c`): [`EPERM`]
    /// if the current task may not read it, [`ESRCH`] if there is none, [`EINTR`] if the current task is
    /// killed.
    pub(crate) fn memory(&self) -> Result<Memory> {
        match unexported::mm_access(&self.0, bindings::PTRACE_MODE_ATTACH_REALCREDS) {
            Err(EACCES) => Err(EPERM),
            result => result.map(Memory),
        }
    }

    /// Whether this is the thread's memory still. Once it executed another program, or is about to end,
    /// it is not, and never will be again.
    pub(crate) fn uses(&self, memory: &Memory) -> bool {
        // SAFETY: The task is valid. It sets the pointer at any time.
        let mm = unsafe { (&raw const (*self.0.as_ptr()).mm).read_volatile() };

        mm == memory.0.as_raw()
    }
}
