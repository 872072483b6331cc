// SPDX-License-Identifier: GPL-2.0

//! What the kernel calls: the functions that call sites are redirected to, and the BPF helper.
//!
//! Those that end in a jump to the real function are in `stubs.S`, which calls the functions here
//! first. Everything here does nothing but to make safe types of what the kernel passes.

use crate::{
    bindings,
    bpf::{
        Check,
        KernelCheck,
        Program, //
    },
    cache,
    callsite::{
        self,
        Redirection, //
    },
    cbpf,
    filter::{
        self,
        Filter, //
    },
    handoff::{
        self,
        Answer, //
    },
    inspect,
    install,
    layout::Data,
    serve::{
        Word,
        Zeroed, //
    },
    suspend,
    task::{
        self,
        FilterContext, //
    }, //
};
use core::{
    mem,
    ptr::NonNull,
    slice, //
};
use kernel::{
    bindings::{
        bpf_prog,
        sock_filter,
        sock_fprog,
        spinlock_t,
        task_struct, //
    },
    prelude::*,
    sync::atomic::{
        ordering::{
            Acquire,
            Relaxed,
            Release, //
        },
        Atomic, //
    }, //
};

extern "C" {
    fn seccomp_ea_copy_from_user();
    fn seccomp_ea_check_zeroed_user();
    fn seccomp_ea_get_user_4();
    fn seccomp_ea_bpf_prog_destroy();
    fn seccomp_ea_filter_release();
    fn seccomp_ea_filter_release_jump();
}

/// The hand-off of a copy.
pub(crate) fn copy_from_user() -> Redirection {
    // SAFETY: The stub has the signature of the original, and either answers as it would or jumps to
    // it. `seccomp_ea_serve_copy()` does not sleep.
    unsafe {
        Redirection::new(
            "_copy_from_user",
            kernel::bindings::_copy_from_user as usize,
            seccomp_ea_copy_from_user as usize,
        )
    }
}

/// The hand-off of the check of a struct's tail.
pub(crate) fn check_zeroed_user() -> Redirection {
    // SAFETY: As for `copy_from_user()`.
    unsafe {
        Redirection::new(
            "check_zeroed_user",
            kernel::bindings::check_zeroed_user as usize,
            seccomp_ea_check_zeroed_user as usize,
        )
    }
}

/// The hand-off of a size that is a part of the struct.
pub(crate) fn get_user_4() -> Redirection {
    // SAFETY: As for `copy_from_user()`; the stub keeps the registers that the original keeps.
    unsafe {
        Redirection::new(
            "__get_user_4",
            kernel::bindings::__get_user_4 as usize,
            seccomp_ea_get_user_4 as usize,
        )
    }
}

/// The installation of a filter.
pub(crate) fn create_program() -> Redirection {
    // SAFETY: The replacement has the signature of the original, calls it, and fails like it.
    unsafe {
        Redirection::new(
            "bpf_prog_create_from_user",
            bindings::bpf_prog_create_from_user as usize,
            create_from_user as usize,
        )
    }
}

/// The lock that a filter is attached under.
pub(crate) fn siglock() -> Redirection {
    // SAFETY: The replacement has the signature of the original and calls it first.
    unsafe {
        Redirection::new(
            "_raw_spin_lock_irq",
            bindings::_raw_spin_lock_irq as usize,
            lock_siglock as usize,
        )
    }
}

/// The permission that a tracer asks for before it suspends seccomp.
pub(crate) fn capable() -> Redirection {
    // SAFETY: The replacement has the signature of the original and calls it first.
    unsafe {
        Redirection::new(
            "capable",
            kernel::bindings::capable as usize,
            may_suspend as usize,
        )
    }
}

/// The end of a filter.
pub(crate) fn destroy_program() -> Redirection {
    // SAFETY: The stub has the signature of the original and jumps to it at the end.
    // `seccomp_ea_filter_gone()` may be called in atomic context.
    unsafe {
        Redirection::new(
            "bpf_prog_destroy",
            bindings::bpf_prog_destroy as usize,
            seccomp_ea_bpf_prog_destroy as usize,
        )
    }
}

/// The end of a thread. `original` is the address of `seccomp_filter_release()`.
///
/// Fails with [`ENOEXEC`] if the stub's jump could not be pointed there. May sleep.
pub(crate) fn filter_release(original: usize) -> Result<Redirection> {
    // SAFETY: The label is that of the jump at the end of the stub, whose caller meant to call
    // the original.
    unsafe { callsite::link_jump(seccomp_ea_filter_release_jump as usize, original)? };

    // SAFETY: The stub has the signature of the original and jumps to it at the end.
    Ok(unsafe {
        Redirection::new(
            "seccomp_filter_release",
            original,
            seccomp_ea_filter_release as usize,
        )
    })
}

/// The stubs' sign that the real function is wanted.
const USUAL: i64 = -1;

/// Called by the stub for `_copy_from_user()`: returns the number of bytes that could not be copied,
/// or [`USUAL`].
///
/// # Safety
///
/// `to` must be valid for writes of `length` bytes.
#[no_mangle]
unsafe extern "C" fn seccomp_ea_serve_copy(to: *mut u8, from: u64, length: usize) -> i64 {
    let answer = handoff::copy(from, length, |bytes| {
        // SAFETY: By the safety requirement; there are `length` bytes, and they lie in a cache.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    });

    match answer {
        Answer::Usual => USUAL,
        Answer::Done => 0,
        Answer::Fault => {
            // As _inline_copy_from_user() does with what it could not read.
            // SAFETY: By the safety requirement.
            unsafe { to.write_bytes(0, length) };
            length as i64
        }
    }
}

/// Called by the stub for `check_zeroed_user()`: returns what that does, or [`USUAL`].
#[no_mangle]
extern "C" fn seccomp_ea_serve_zeroed(from: u64, length: usize) -> i64 {
    match handoff::zeroed(from, length) {
        None => USUAL,
        Some(Zeroed::Zero) => 1,
        Some(Zeroed::NonZero) => 0,
        Some(Zeroed::Fault) => i64::from(EFAULT.to_errno()),
    }
}

/// Called by the stub for `__get_user_4()`: returns the word, a negative error, or [`USUAL`].
#[no_mangle]
extern "C" fn seccomp_ea_serve_word(from: u64) -> i64 {
    match handoff::word(from) {
        None => USUAL,
        Some(Word::Value(value)) => i64::from(value),
        Some(Word::Fault) => i64::from(EFAULT.to_errno()),
    }
}

/// Called by the stub for `bpf_prog_destroy()`, possibly in atomic context.
#[no_mangle]
extern "C" fn seccomp_ea_filter_gone(program: *mut bpf_prog) {
    filter::forget(program as usize);
}

/// Called by the stub for `seccomp_filter_release()`, in `do_exit()` of the current thread. Must not
/// sleep: the module may be unloaded as soon as the thread's filters are gone.
#[no_mangle]
extern "C" fn seccomp_ea_thread_exit(_task: *mut task_struct) {
    if task::is_in_seccomp_mode() {
        cache::release();
    }
}

/// Stands in for `_raw_spin_lock_irq()` in `do_seccomp()`, where it takes the siglock.
///
/// # Safety
///
/// As for `_raw_spin_lock_irq()`.
unsafe extern "C" fn lock_siglock(lock: *mut spinlock_t) {
    // SAFETY: What the caller passed, for what it wanted.
    unsafe { bindings::_raw_spin_lock_irq(lock.cast()) };

    // What is numbered under another lock has no place in the order.
    if task::is_siglock(lock) {
        filter::attach(task::current());
    }
}

/// Stands in for `capable()` in ptrace(2), where it is asked for `PTRACE_O_SUSPEND_SECCOMP`.
extern "C" fn may_suspend(capability: c_int) -> bool {
    // SAFETY: Process context.
    let may = unsafe { kernel::bindings::capable(capability) };

    if may {
        suspend::announce();
    }
    may
}

/// How many threads are in [`create_from_user`], where they may sleep.
static INSTALLERS: Atomic<usize> = Atomic::new(0);

/// `seccomp_check_filter()`, once a filter was installed. `do_seccomp()` passes no other function.
static KERNEL_CHECK: Atomic<usize> = Atomic::new(0);

/// Whether no thread installs a filter right now.
pub(crate) fn is_none_installing() -> bool {
    INSTALLERS.load(Acquire) == 0
}

/// Stands in for `bpf_prog_create_from_user()` in `do_seccomp()`. May sleep.
///
/// # Safety
///
/// As for `bpf_prog_create_from_user()`; `kernel_check` must be `seccomp_check_filter()`.
unsafe extern "C" fn create_from_user(
    program: *mut *mut bpf_prog,
    filter: *mut sock_fprog,
    kernel_check: Option<Check>,
    _save_orig: bool,
) -> c_int {
    INSTALLERS.fetch_add(1, Acquire);
    KERNEL_CHECK.store(kernel_check.map_or(0, |check| check as usize), Relaxed);
    // SAFETY: What the caller passed, with a check that stands in for its own. The original filter
    // is wanted in any case, to see whether it reads structs.
    let mut result =
        unsafe { bindings::bpf_prog_create_from_user(program, filter, Some(check), true) };

    if result == 0 {
        // SAFETY: On success `*program` is a program that the caller is going to own.
        let made = NonNull::new(unsafe { *program }).map(|made| unsafe { Program::from_raw(made) });

        match made.ok_or(EINVAL).and_then(install::extend) {
            // SAFETY: The caller passed a place for the result.
            Ok(extended) => unsafe { *program = extended.into_raw() },
            Err(error) => result = error.to_errno(),
        }
    }
    INSTALLERS.fetch_sub(1, Release);
    result
}

/// Stands in for `seccomp_check_filter()`.
///
/// # Safety
///
/// `filter` must point to `length` instructions that nobody else uses.
unsafe extern "C" fn check(filter: *mut sock_filter, length: c_uint) -> c_int {
    let address = KERNEL_CHECK.load(Relaxed);
    if address == 0 {
        return EINVAL.to_errno();
    }
    // SAFETY: `create_from_user()` stored what the caller passed as `seccomp_check_filter()`.
    let kernel = unsafe { KernelCheck::new(mem::transmute::<usize, Check>(address)) };
    // SAFETY: By the safety requirement; `cbpf::Insn` has the layout of `struct sock_filter`.
    let program =
        unsafe { slice::from_raw_parts_mut(filter.cast::<cbpf::Insn>(), length as usize) };

    match install::check(kernel, program) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// The operand of a BPF call to the module's helper: its distance from `__bpf_call_base()`.
///
/// [`EINVAL`] if it is too far away, which does not happen: modules lie within two gigabytes of the
/// kernel's text.
pub(crate) fn inspect_helper() -> Result<i32> {
    let distance = (inspect_for_prologue as usize).wrapping_sub(bindings::__bpf_call_base as usize);

    i32::try_from(distance as isize).map_err(|_| EINVAL)
}

/// The helper that an extended program's prologue calls. Has the signature of `__bpf_call_base()`.
///
/// Returns the address of the context that the body is to run on, or 0 to deny the system call.
///
/// # Safety
///
/// Must be called by the prologue of a program that seccomp runs. `data` must be the address of the
/// `struct seccomp_data` that seccomp passed to it, and `filter` that of the program's [`Filter`].
unsafe extern "C" fn inspect_for_prologue(data: u64, filter: u64, _: u64, _: u64, _: u64) -> u64 {
    // SAFETY: seccomp runs programs as the invariant says.
    let mut context = unsafe { FilterContext::new() };
    // SAFETY: By the safety requirement; `Data` has the layout of `struct seccomp_data`.
    let data = unsafe { &*(data as *const Data) };
    // SAFETY: By the safety requirement. The record lives until the program is destroyed.
    let filter = unsafe { &*(filter as *const Filter) };

    inspect::inspect(&mut context, data, filter).map_or(0, |context| context as u64)
}
