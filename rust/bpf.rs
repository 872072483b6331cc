// SPDX-License-Identifier: GPL-2.0

//! BPF programs, as seccomp owns them.

use crate::{
    bindings,
    cbpf,
    ebpf, //
};
use core::{
    mem::{
        offset_of,
        size_of, //
    },
    ptr::{
        self,
        NonNull, //
    },
    slice,
};
use kernel::{
    bindings::{
        bpf_insn,
        bpf_prog,
        sock_filter, //
    },
    error::to_result,
    prelude::*, //
};

const _: () = assert!(size_of::<cbpf::Insn>() == size_of::<sock_filter>());
const _: () = assert!(size_of::<ebpf::Insn>() == size_of::<bpf_insn>());

/// A program that was made from a classic one and that nobody runs yet.
///
/// It is destroyed when it is dropped.
///
/// # Invariants
///
/// Points to a program that `bpf_prog_create_from_user()` made with `save_orig` set, or
/// [`Program::extend`] of such a one, and owns it.
pub(crate) struct Program(NonNull<bpf_prog>);

impl Program {
    /// # Safety
    ///
    /// The type invariant must hold.
    pub(crate) unsafe fn from_raw(prog: NonNull<bpf_prog>) -> Program {
        // INVARIANT: By the safety requirement.
        Program(prog)
    }

    /// Gives up ownership.
    pub(crate) fn into_raw(self) -> *mut bpf_prog {
        let prog = self.0.as_ptr();

        core::mem::forget(self);
        prog
    }

    /// The address of the program: what identifies it as long as it lives.
    pub(crate) fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }

    /// The filter as the user gave it.
    pub(crate) fn classic(&self) -> &[cbpf::Insn] {
        // SAFETY: By the type invariant the program is valid and keeps the original filter, whose
        // instructions do not change. `cbpf::Insn` has the layout of `struct sock_filter`.
        unsafe {
            let original = (*self.0.as_ptr())
                .orig_prog
                .cast::<bindings::sock_fprog_kern>();

            slice::from_raw_parts((*original).filter.cast(), usize::from((*original).len))
        }
    }

    /// Makes the program that consists of `prologue` and, right after it, this one, and that this
    /// one's filter goes over to. [`ENOMEM`], or what `bpf_prog_select_runtime()` says. May sleep.
    ///
    /// Follows `bpf_migrate_filter()` in `net/core/filter.c`.
    pub(crate) fn extend(self, prologue: &[ebpf::Insn]) -> Result<Program> {
        let old = self.0.as_ptr();
        // SAFETY: By the type invariant.
        let body_len = unsafe { (*old).len } as usize;
        let len = prologue.len() + body_len;
        let size = size_of::<bpf_prog>()
            .max(offset_of!(bpf_prog, __bindgen_anon_2) + len * size_of::<bpf_insn>());

        // SAFETY: Process context.
        let new = unsafe { bindings::bpf_prog_alloc(u32::try_from(size)?, 0) };
        if new.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: Both programs are valid, the new one has room for `len` instructions, and nobody
        // else knows it. The old one may be read-only by now, and is just read.
        let (new, error) = unsafe {
            let insns = (&raw mut (*new).__bindgen_anon_2).cast::<ebpf::Insn>();

            ptr::copy_nonoverlapping(prologue.as_ptr(), insns, prologue.len());
            ptr::copy_nonoverlapping(
                (&raw const (*old).__bindgen_anon_2).cast::<ebpf::Insn>(),
                insns.add(prologue.len()),
                body_len,
            );
            (*new).len = len as u32;
            (*new).orig_prog = (*old).orig_prog;
            (*(*new).aux).stack_depth = (*(*old).aux).stack_depth;

            let mut error = 0;
            (bindings::bpf_prog_select_runtime(new, &mut error), error)
        };

        // A program that was blinded for the JIT is wrong in the interpreter: both use the same
        // auxiliary register.
        // SAFETY: Both programs are valid.
        let lost_jit = unsafe { (*old).jited() != 0 && (*new).jited() == 0 };
        let result = to_result(error).and(if lost_jit { Err(ENOMEM) } else { Ok(()) });

        if let Err(error) = result {
            // SAFETY: Nobody runs the new program. The filter still belongs to the old one, and
            // bpf_prog_free() does not touch it.
            unsafe { bindings::bpf_prog_free(new) };
            return Err(error);
        }
        // SAFETY: Nobody runs the old program, and the new one has its filter.
        unsafe { bindings::bpf_prog_free(self.into_raw()) };
        // INVARIANT: This is the extension of a program that satisfied the invariant.
        NonNull::new(new).map(Program).ok_or(ENOMEM)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::bpf_prog_destroy(self.0.as_ptr()) };
    }
}

/// The signature of what judges and rewrites a classic program (`bpf_aux_classic_check_t`).
pub(crate) type Check = unsafe extern "C" fn(*mut sock_filter, c_uint) -> c_int;

/// seccomp's own check: `seccomp_check_filter()` in `kernel/seccomp.c`.
///
/// # Invariants
///
/// Is that function, which only looks at the instructions that it is given, each by itself.
#[derive(Clone, Copy)]
pub(crate) struct KernelCheck(Check);

impl KernelCheck {
    /// # Safety
    ///
    /// The type invariant must hold.
    pub(crate) unsafe fn new(check: Check) -> KernelCheck {
        // INVARIANT: By the safety requirement.
        KernelCheck(check)
    }

    /// Judges the instructions and rewrites them to what `bpf_convert_filter()` expects.
    pub(crate) fn run(self, insns: &mut [cbpf::Insn]) -> Result {
        // SAFETY: By the type invariant; `cbpf::Insn` has the layout of `struct sock_filter`.
        to_result(unsafe { self.0(insns.as_mut_ptr().cast(), insns.len() as c_uint) })
    }
}
