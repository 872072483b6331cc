// SPDX-License-Identifier: GPL-2.0

//! Tracers that suspend seccomp: `PTRACE_O_SUSPEND_SECCOMP`.
//!
//! As long as it is set no filter of the thread runs (`__secure_computing()` in `kernel/seccomp.c`), so
//! that a call finds the copy of an earlier one in the cache, which it must not be served. Nor must
//! a call that was judged before be served from memory. Whether the option is set when the struct is
//! copied tells neither: tracers come and go while a call sleeps.
//!
//! What tells is when it is set. The kernel asks for `CAP_SYS_ADMIN` right before
//! (`check_ptrace_options()` in `kernel/ptrace.c`), and so the module learns of it. What filters that
//! had begun before have fetched since, the fetch itself marks.

use crate::{
    cache,
    task,
    thread::Thread, //
};
use kernel::uapi::PTRACE_SEIZE;

/// Notes down that the current task, in ptrace(2), is about to suspend the seccomp of a thread: one
/// that it has stopped before (`PTRACE_SETOPTIONS`), or one that it seizes wherever that is.
pub(crate) fn announce() {
    let [request, pid, ..] = task::system_call_arguments();

    if let Some(thread) = Thread::find(pid as u32) {
        cache::suspend(thread.task(), request as u32 == PTRACE_SEIZE);
    }
}
