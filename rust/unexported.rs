// SPDX-License-Identifier: GPL-2.0

//! Functions of the kernel that are not exported.
//!
//! For each there is a stub that consists of a jump, which is pointed to it when the module is loaded
//! and leads to a trap until then. A direct jump, other than a call by a pointer, needs nothing of the
//! function that a kernel with indirect branch tracking may have taken away.

use crate::{
    bindings,
    callsite,
    symbol::Symbols,
    task, //
};
use core::{
    ffi::CStr,
    ptr::NonNull, //
};
use kernel::{
    error::from_err_ptr,
    mm::MmWithUser,
    prelude::*,
    sync::aref::ARef,
    task::Task, //
};

const MM_ACCESS: &CStr = c"mm_access";
const FORCE_SIG_SECCOMP: &CStr = c"force_sig_seccomp";

/// What [`link`] has to find.
pub(crate) const NAMES: &[&CStr] = &[MM_ACCESS, FORCE_SIG_SECCOMP];

/// Points the stubs to the functions. May sleep.
///
/// [`ENOENT`] if there is no such function, [`ENOEXEC`] if a stub is not as it should be.
///
/// # Safety
///
/// Nobody may call another function of this file until this one has succeeded.
pub(crate) unsafe fn link(symbols: &Symbols) -> Result {
    let stubs = [
        (MM_ACCESS, bindings::seccomp_ea_mm_access as usize),
        (
            FORCE_SIG_SECCOMP,
            bindings::seccomp_ea_force_sig_seccomp as usize,
        ),
    ];

    for (name, stub) in stubs {
        let function = symbols.get(name)?;

        // SAFETY: The stub is a jump, has the signature of the function, and nobody uses it yet.
        unsafe { callsite::link_jump(stub, function.start)? };
    }
    Ok(())
}

/// The memory of a task, if the current task may access it with `mode`, which is one of
/// `PTRACE_MODE_*` (`mm_access()` in `kernel/fork.c`). May sleep.
///
/// [`EACCES`] if it may not, [`ESRCH`] if the task has none, [`EINTR`] if the current task is killed.
pub(crate) fn mm_access(task: &Task, mode: u32) -> Result<ARef<MmWithUser>> {
    // SAFETY: The task is valid, and so is the stub, see `link()`.
    let mm = from_err_ptr(unsafe { bindings::seccomp_ea_mm_access(task.as_ptr(), mode) })?;
    let mm = NonNull::new(mm).ok_or(ESRCH)?;

    // SAFETY: It is a reference on a user of the memory, which the caller gets; `MmWithUser` has the
    // layout of `struct mm_struct`.
    Ok(unsafe { ARef::from_raw(mm.cast()) })
}

/// Ends the current process as `SECCOMP_RET_KILL_PROCESS` does (`__seccomp_filter()` in
/// `kernel/seccomp.c`), by a SIGSYS that it cannot catch when it is about to return to user mode.
/// Should a tracer take the signal away, the next system call ends the thread. Any context but NMI.
pub(crate) fn kill_current(nr: u32) {
    task::forbid_system_calls();
    // SAFETY: The current task is in a system call; the stub is valid, see `link()`.
    unsafe { bindings::seccomp_ea_force_sig_seccomp(nr as c_int, 0, true) };
}
