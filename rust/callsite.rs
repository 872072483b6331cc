// SPDX-License-Identifier: GPL-2.0

//! Call instructions of the kernel that lead to a function of the module.
//!
//! `arch_static_call_transform()` (`arch/x86/kernel/static_call.c`) patches a direct call under
//! `text_mutex`, with the protocol of every static call. It reports nothing and calls BUG() where
//! it does not find a call, so that the bytes are read before and after.

use crate::{
    symbol::read_text,
    task, //
};
use core::ptr;
use kernel::prelude::*;

/// The length of `E8 rel32` and `E9 rel32`.
pub(crate) const INSN_LENGTH: usize = 5;

/// The length of the longest instruction that is decoded.
const LONGEST: usize = 6;

const CALL: u8 = 0xe8;
const JMP: u8 = 0xe9;
const JMP_SHORT: u8 = 0xeb;
/// The first byte of `0F 8x rel32`.
const JCC: u8 = 0x0f;
const INT3: u8 = 0xcc;

/// How control is transferred.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Call,
    /// A jump, conditional or not.
    Jump,
    /// One of them that a kprobe hides. It replaces the first byte only, as a probe is optimised to
    /// more than that just where there is no call (`can_boost()` in
    /// `arch/x86/kernel/kprobes/core.c`).
    Breakpoint,
}

/// A direct transfer of control, as found in text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub(crate) kind: Kind,
    pub(crate) target: usize,
}

impl Transfer {
    /// Decodes the instruction whose first bytes are `bytes` and which lies at `address`.
    fn decode(bytes: &[u8], address: usize) -> Option<Transfer> {
        let (kind, length, displacement) = match *bytes {
            [CALL, a, b, c, d, ..] => (Kind::Call, 5, i32::from_le_bytes([a, b, c, d])),
            [JMP, a, b, c, d, ..] => (Kind::Jump, 5, i32::from_le_bytes([a, b, c, d])),
            [JCC, 0x80..=0x8f, a, b, c, d, ..] => (Kind::Jump, 6, i32::from_le_bytes([a, b, c, d])),
            // Between neighbours.
            [JMP_SHORT | 0x70..=0x7f, a, ..] => (Kind::Jump, 2, i32::from(a as i8)),
            _ => return None,
        };

        Some(Transfer {
            kind,
            target: address
                .wrapping_add(length)
                .wrapping_add_signed(displacement as isize),
        })
    }

    /// What the instruction at `address` can be, with a breakpoint on it or without.
    pub(crate) fn candidates(bytes: &[u8], address: usize) -> impl Iterator<Item = Transfer> {
        let hidden = |opcode| {
            let mut whole = [0; LONGEST];

            for (to, from) in whole.iter_mut().zip(bytes) {
                *to = *from;
            }
            whole[0] = opcode;
            Transfer::decode(&whole, address).map(|transfer| Transfer {
                kind: Kind::Breakpoint,
                ..transfer
            })
        };
        let candidates = match bytes {
            [INT3, ..] => [CALL, JCC, JMP_SHORT].map(hidden),
            _ => [Transfer::decode(bytes, address), None, None],
        };

        candidates.into_iter().flatten()
    }

    /// Whether this is a call of the function `start`.
    pub(crate) fn calls(&self, start: usize) -> bool {
        self.kind == Kind::Call && self.leads_to(start)
    }

    /// Whether control gets to the function `start`, directly or through the padding in front of it,
    /// where call depth tracking has its thunks (`arch/x86/kernel/callthunks.c`).
    pub(crate) fn leads_to(&self, start: usize) -> bool {
        start.checked_sub(self.target).is_some_and(|distance| {
            distance <= kernel::bindings::CONFIG_FUNCTION_PADDING_BYTES as usize
        })
    }
}

/// A function of the module that may stand in for one of the kernel.
///
/// # Invariants
///
/// `replacement` may be called by whatever calls `original` directly: it has its signature and calling
/// convention, does what the caller relies on, and may run in every context that `original` is called
/// from.
#[derive(Clone, Copy)]
pub(crate) struct Redirection {
    /// The name of `original`, for the log.
    pub(crate) name: &'static str,
    pub(crate) original: usize,
    replacement: usize,
}

impl Redirection {
    /// # Safety
    ///
    /// The type invariant must hold.
    pub(crate) const unsafe fn new(
        name: &'static str,
        original: usize,
        replacement: usize,
    ) -> Redirection {
        // INVARIANT: By the safety requirement.
        Redirection {
            name,
            original,
            replacement,
        }
    }
}

/// A call instruction of the kernel that calls a function of the module.
///
/// # Invariants
///
/// - There is a direct call at `address`, which led to `redirection.original` and leads to
///   `redirection.replacement` since.
/// - `original` holds the bytes that were there before.
pub(crate) struct CallSite {
    address: usize,
    redirection: Redirection,
    original: [u8; INSN_LENGTH],
}

impl CallSite {
    /// Redirects the call at `address`. May sleep.
    ///
    /// Fails with [`ENOEXEC`] if there is no direct call to the original function at `address`, or if
    /// it was not patched. The call is as it was then.
    pub(crate) fn redirect(address: usize, redirection: Redirection) -> Result<CallSite> {
        let original = read_call(address)?;
        let leads_there = Transfer::decode(&original, address)
            .is_some_and(|transfer| transfer.calls(redirection.original));

        if !leads_there {
            return Err(ENOEXEC);
        }

        // SAFETY: There is a call at `address` whose caller, by the invariant of `redirection`, may
        // call the replacement instead.
        unsafe { patch(address, redirection.replacement, false) };

        // INVARIANT: The call was just seen, and is looked at again here. If it is not as it should
        // be, dropping the site takes care of it.
        let site = CallSite {
            address,
            redirection,
            original,
        };
        match site.is_ours() {
            true => Ok(site),
            false => Err(ENOEXEC),
        }
    }

    /// Whether the instruction still calls the module. A breakpoint on it hides the call.
    fn is_ours(&self) -> bool {
        read_call(self.address).is_ok_and(|bytes| {
            Transfer::decode(&bytes, self.address)
                .is_some_and(|transfer| transfer.calls(self.redirection.replacement))
        })
    }

    /// Restores the original call. Does nothing if the instruction is not ours; `drop` tells.
    fn restore(&self) {
        if self.is_ours() {
            // SAFETY: By the type invariant the call at `address` led to the original function.
            unsafe { patch(self.address, self.redirection.original, false) };
        }
    }
}

impl Drop for CallSite {
    fn drop(&mut self) {
        task::wait(
            || {
                self.restore();
                read_call(self.address).is_ok_and(|bytes| bytes == self.original)
            },
            fmt!(
                "the call to {} at {:#x} is as the module left it",
                self.redirection.name,
                self.address,
            ),
        );
    }
}

/// Points the jump of a stub to the function that it stands for, or ends with.
///
/// # Safety
///
/// `jump` must be the address of a direct jump of five bytes in a function of the module, and
/// whatever gets there must be allowed to go to `target`.
pub(crate) unsafe fn link_jump(jump: usize, target: usize) -> Result {
    let decode = || Transfer::decode(&read_call(jump).ok()?, jump);

    if decode().is_none_or(|transfer| transfer.kind != Kind::Jump) {
        return Err(ENOEXEC);
    }
    // SAFETY: By the safety requirement.
    unsafe { patch(jump, target, true) };
    match decode() {
        Some(transfer) if transfer.kind == Kind::Jump && transfer.leads_to(target) => Ok(()),
        _ => Err(ENOEXEC),
    }
}

fn read_call(address: usize) -> Result<[u8; INSN_LENGTH]> {
    let mut bytes = [0; INSN_LENGTH];

    read_text(address, &mut bytes)?;
    Ok(bytes)
}

/// Points a direct call, or a direct jump if `tail`, to `target`. Takes `text_mutex`, may sleep.
///
/// # Safety
///
/// There must be such an instruction at `address`, and it must be allowed to lead to `target`.
unsafe fn patch(address: usize, target: usize, tail: bool) {
    // SAFETY: By the safety requirement. Without a trampoline only the site is patched.
    unsafe {
        kernel::bindings::arch_static_call_transform(
            address as *mut c_void,
            ptr::null_mut(),
            target as *mut c_void,
            tail,
        )
    };
}

/// Waits until no task runs code any more that it got to through a call that led to the module: also
/// not one that was preempted there. May sleep.
pub(crate) fn synchronize() {
    // SAFETY: Process context.
    unsafe { kernel::bindings::synchronize_rcu_tasks() };
}
