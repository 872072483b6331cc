// SPDX-License-Identifier: GPL-2.0

//! Installing a filter: rewrite its EA loads, verify it, extend its program.

use crate::{
    bpf::{
        KernelCheck,
        Program, //
    },
    cbpf::{
        self,
        Insn, //
    },
    counter::Counter,
    ebpf,
    filter::{
        Filter,
        Reservation, //
    },
    hooks,
    layout::{
        self,
        Load, //
    },
    program,
    table::Rows,
    task,
    verify::{
        self,
        verify,
        Inspected,
        Refusal,
        Scratch, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        ordering::{
            Acquire,
            Release, //
        },
        Atomic, //
    }, //
};

/// The system calls for which everything is in place that an extended program needs, as
/// [`Rows::bits`].
static AVAILABLE: Atomic<u32> = Atomic::new(0);

/// Lets filters that read the structs of these system calls be installed from now on. Until then the
/// kernel refuses them.
pub(crate) fn open(available: Rows) {
    AVAILABLE.store(available.bits(), Release);
}

fn available() -> Rows {
    Rows::from_bits(AVAILABLE.load(Acquire))
}

/// Judges each instruction of a classic program in the place of `seccomp_check_filter()`, and rewrites
/// the program so that `bpf_convert_filter()` understands it. [`EINVAL`].
///
/// Whether its loads may be reached, [`extend()`] decides.
pub(crate) fn check(kernel: KernelCheck, program: &mut [Insn]) -> Result {
    if !program.iter().any(Insn::is_ea_load) || available() == Rows::NONE {
        return kernel.run(program);
    }

    // The kernel would refuse these as well, but not say why.
    verify::check_offsets(program).map_err(refuse)?;
    for insn in program {
        match layout::load(insn.k) {
            Load::Ea(offset) if insn.is_ea_load() => {
                // As the kernel's check does for its own loads. The operand becomes the offset from
                // the context, which is negative for info words.
                insn.code = cbpf::LDX_ABS;
                insn.k = i32::from(offset) as u32;
            }
            // The kernel's check judges each instruction by itself.
            _ => kernel.run(core::slice::from_mut(insn))?,
        }
    }
    Ok(())
}

/// Finds out which system calls' structs a program reads, or refuses it. [`EINVAL`], [`ENOMEM`].
fn inspected(program: &[Insn]) -> Result<Inspected> {
    let mut scratch = KVVec::from_elem(
        Scratch::UNREACHED,
        program.len(),
        GFP_KERNEL_ACCOUNT | __GFP_NOWARN,
    )?;

    verify(program, available(), &mut scratch).map_err(refuse)
}

/// Says why a filter is refused.
fn refuse(refusal: Refusal) -> Error {
    Counter::Refused.increment();
    if task::may_log() {
        pr_info!(
            "filter refused at instruction {}: {} (PID {})\n",
            refusal.index,
            core::format_args!("{}", refusal.reason),
            task::current_pid(),
        );
    }
    EINVAL
}

/// Turns the program that the kernel made of a filter into an extended one, if the filter reads
/// structs. The kernel's check has passed it; nobody has it yet but the caller. May sleep.
///
/// [`ENOMEM`]; or [`EINVAL`] if it may not read them and, as if the module was not there, while that is
/// being unloaded. The program is destroyed then.
pub(crate) fn extend(program: Program) -> Result<Program> {
    if !program.classic().iter().any(Insn::is_ea_load) {
        return Ok(program);
    }

    let inspected = inspected(program.classic())?;
    let filter = Filter::new(task::current()).map_err(|error| match error {
        ENODEV => EINVAL,
        error => error,
    })?;
    let reservation = Reservation::new()?;
    let mut prologue = [ebpf::Insn::NONE; program::MAX];
    let length = program::prologue(
        &inspected,
        hooks::inspect_helper()?,
        &raw const *filter as u64,
        &mut prologue,
    );
    let extended = program.extend(&prologue[..length])?;

    reservation.register(extended.address(), filter);
    Ok(extended)
}
