// SPDX-License-Identifier: GPL-2.0

//! The current task, as far as seccomp is concerned.

use crate::bindings;
use kernel::{
    fmt,
    prelude::*,
    str::BStr,
    task::Task,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// The address of the current task: what identifies it as long as it lives.
pub(crate) fn current() -> usize {
    Task::current_raw() as usize
}

/// The system call that the current task is in, as `(arch, nr)`. A kernel thread is in none, but
/// does not come here either.
pub(crate) fn system_call() -> (u32, u32) {
    // SAFETY: Only reads the current task's thread info and saved registers.
    let call = unsafe { bindings::seccomp_ea_current_system_call() };

    (call.arch, call.nr)
}

/// The system call that another task is in, or, once it is back in user mode, was in last.
///
/// # Safety
///
/// The task must have a stack.
pub(crate) unsafe fn system_call_of(task: &Task) -> (u32, u32) {
    // SAFETY: By the safety requirement. The registers are read while they may be written.
    let call = unsafe { bindings::seccomp_ea_system_call_of(task.as_ptr()) };

    (call.arch, call.nr)
}

/// A number that changes whenever the task executes a program (`setup_new_exec()` in `fs/exec.c`).
pub(crate) fn exec_id(task: &Task) -> u64 {
    // SAFETY: The task is valid. It changes the number at any time.
    unsafe { (&raw const (*task.as_ptr()).self_exec_id).read_volatile() }
}

/// Whether a tracer lets the current task's system calls run without their filters
/// (`PTRACE_O_SUSPEND_SECCOMP`; `__secure_computing()` in `kernel/seccomp.c`).
pub(crate) fn seccomp_suspended() -> bool {
    // SAFETY: The current task is valid. Its tracer sets and clears the option at any time.
    let ptrace = unsafe { (&raw const (*Task::current_raw()).ptrace).read_volatile() };

    ptrace & kernel::bindings::PT_SUSPEND_SECCOMP != 0
}

/// The arguments of the system call that the current task is in.
pub(crate) fn system_call_arguments() -> [usize; 6] {
    let mut arguments = [0; 6];

    // SAFETY: There is room for six, and the current task has saved registers.
    unsafe { bindings::seccomp_ea_current_arguments(arguments.as_mut_ptr()) };
    arguments
}

/// Has the current task make no system call any more: the next one kills it, as it does if a
/// filter wanted the task dead (`SECCOMP_MODE_DEAD` in `kernel/seccomp.c`).
pub(crate) fn forbid_system_calls() {
    const SECCOMP_MODE_DEAD: c_int = kernel::bindings::SECCOMP_MODE_FILTER as c_int + 1;

    // SAFETY: The current task is valid. It has filters, so that nobody else sets the mode.
    unsafe { (&raw mut (*Task::current_raw()).seccomp.mode).write_volatile(SECCOMP_MODE_DEAD) };
}

/// Whether the current task has, or had, seccomp filters. The mode may also be strict, or that of a
/// task which a filter killed.
pub(crate) fn is_in_seccomp_mode() -> bool {
    // SAFETY: The current task is valid. Another thread may set the mode, never clear it.
    let mode = unsafe { (&raw const (*Task::current_raw()).seccomp.mode).read_volatile() };

    mode != kernel::bindings::SECCOMP_MODE_DISABLED as c_int
}

/// The number of the current task, for the log.
pub(crate) fn current_pid() -> i32 {
    kernel::current!().pid()
}

/// Whether `lock` is the siglock of the current task.
pub(crate) fn is_siglock(lock: *const kernel::bindings::spinlock_t) -> bool {
    // SAFETY: The current task is valid and, as it runs, has signal handlers.
    lock == unsafe { &raw const (*(*Task::current_raw()).sighand).siglock }
}

/// Waits until something is so that can only be polled, and says what for if it is not so at once. May
/// sleep.
pub(crate) fn wait(is_so: impl Fn() -> bool, what: impl fmt::Display) {
    if is_so() {
        return;
    }
    pr_warn!("waiting until {}\n", what);
    while !is_so() {
        fsleep(Delta::from_millis(20));
    }
}

/// Runs something with the interrupts of this CPU disabled.
pub(crate) fn without_interrupts<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: Any context.
    let flags = unsafe { bindings::seccomp_ea_irq_save() };
    let result = f();
    // SAFETY: This undoes the line above.
    unsafe { bindings::seccomp_ea_irq_restore(flags) };

    result
}

/// Whether a message that a user can cause may be printed now.
pub(crate) fn may_log() -> bool {
    // SAFETY: Any context.
    unsafe { bindings::seccomp_ea_may_log() }
}

/// The same for messages about changed structs.
pub(crate) fn may_log_change() -> bool {
    // SAFETY: Any context.
    unsafe { bindings::seccomp_ea_may_log_change() }
}

/// The name of a thread, for the log.
pub(crate) struct Comm([u8; kernel::bindings::TASK_COMM_LEN as usize]);

impl Comm {
    /// The name of the current thread. Any context.
    pub(crate) fn current() -> Comm {
        let mut name = Comm([0; _]);

        // SAFETY: The buffer has the size of a name.
        unsafe { bindings::seccomp_ea_current_comm(name.0.as_mut_ptr()) };
        name
    }
}

impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.0.iter().position(|&byte| byte == 0);

        // What is not printable is escaped.
        fmt::Display::fmt(BStr::from_bytes(&self.0[..length.unwrap_or(0)]), f)
    }
}

/// The context of a running filter.
///
/// # Invariants
///
/// The current task runs a seccomp filter: it is in process context, may sleep, and has migration
/// disabled once (`bpf_prog_run_pin_on_cpu()` in `include/linux/filter.h`).
pub(crate) struct FilterContext(());

impl FilterContext {
    /// # Safety
    ///
    /// The type invariant must hold as long as the value lives.
    pub(crate) unsafe fn new() -> FilterContext {
        // INVARIANT: By the safety requirement.
        FilterContext(())
    }

    /// Runs something that may sleep for as long as a user wants.
    ///
    /// Migration is enabled meanwhile: a task that sleeps without blocks `sched_setaffinity()` and
    /// CPU hotplug. The filter itself keeps nothing that belongs to a CPU.
    pub(crate) fn sleep<R>(&mut self, f: impl FnOnce() -> R) -> R {
        // SAFETY: By the type invariant migration is disabled once.
        unsafe { kernel::bindings::migrate_enable() };
        let result = f();
        // SAFETY: Process context. This undoes the line above.
        unsafe { kernel::bindings::migrate_disable() };

        result
    }
}
