// SPDX-License-Identifier: GPL-2.0

//! What the kernel itself asks of a filter (`bpf_check_classic()` in `net/core/filter.c`,
//! `seccomp_check_filter()` in `kernel/seccomp.c`), but for loads past `struct seccomp_data`.

use crate::{
    assemble::MAX,
    cbpf::{self, Insn},
    layout,
};
use std::fmt;

/// The part of a code that all jumps share.
const CLASS: u16 = 7;

/// What is wrong with an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    UnknownCode(u16),
    Unaligned(u32),
    /// A jump behind the last instruction.
    Jump(u64),
    DivisionByZero,
    Shift(u32),
    NoSlot(u32),
    /// A slot is read that is not written on each way there.
    Unwritten(u32),
    /// The last one does not return.
    NoReturn,
    TooLong(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Fault::UnknownCode(code) => {
                write!(f, "seccomp has no instruction with the code {code:#04x}")
            }
            Fault::Unaligned(k) => write!(f, "the offset {k} is not a multiple of 4"),
            Fault::Jump(target) => write!(f, "the jump leads to {target}, behind the filter"),
            Fault::DivisionByZero => write!(f, "the division is by zero"),
            Fault::Shift(k) => write!(f, "the shift is by {k} bits, of 32"),
            Fault::NoSlot(k) => write!(f, "scratch memory has slots 0 to 15, and not {k}"),
            Fault::Unwritten(k) => write!(
                f,
                "the slot {k} of scratch memory is read, and not written on each way there"
            ),
            Fault::NoReturn => write!(f, "the last instruction is no return"),
            Fault::TooLong(length) => {
                write!(f, "the filter has {length} instructions, more than {MAX}")
            }
        }
    }
}

/// The first fault, and the instruction that has it.
pub(crate) fn check(program: &[Insn]) -> Result<(), (usize, Fault)> {
    if program.len() > MAX {
        return Err((MAX, Fault::TooLong(program.len())));
    }
    for index in 0..program.len() {
        check_one(program, index).map_err(|fault| (index, fault))?;
    }
    match program.last() {
        Some(last) if matches!(last.code, cbpf::RET_K | cbpf::RET_A) => check_slots(program),
        _ => Err((program.len().saturating_sub(1), Fault::NoReturn)),
    }
}

fn check_one(program: &[Insn], index: usize) -> Result<(), Fault> {
    let Insn { code, jt, jf, k } = program[index];
    let jump = |distance: u32| {
        let target = index as u64 + 1 + u64::from(distance);
        if target < program.len() as u64 {
            Ok(())
        } else {
            Err(Fault::Jump(target))
        }
    };
    match code {
        cbpf::LD_ABS if k < layout::DATA_SIZE && k % 4 != 0 => Err(Fault::Unaligned(k)),
        cbpf::LD_ABS
        | cbpf::LD_IMM
        | cbpf::LDX_IMM
        | cbpf::LD_LEN
        | cbpf::LDX_LEN
        | cbpf::TAX
        | cbpf::TXA
        | cbpf::NEG
        | cbpf::RET_K
        | cbpf::RET_A => Ok(()),
        cbpf::LD_MEM | cbpf::LDX_MEM | cbpf::ST | cbpf::STX => {
            if (k as usize) < cbpf::MEMORY_WORDS {
                Ok(())
            } else {
                Err(Fault::NoSlot(k))
            }
        }
        cbpf::JA => jump(k),
        cbpf::DIV if k == 0 => Err(Fault::DivisionByZero),
        cbpf::LSH | cbpf::RSH if k >= u32::BITS => Err(Fault::Shift(k)),
        _ => match code & !cbpf::SRC_X {
            cbpf::JEQ | cbpf::JGT | cbpf::JGE | cbpf::JSET => {
                jump(jt.into()).and_then(|()| jump(jf.into()))
            }
            cbpf::ADD
            | cbpf::SUB
            | cbpf::MUL
            | cbpf::DIV
            | cbpf::OR
            | cbpf::AND
            | cbpf::LSH
            | cbpf::RSH
            | cbpf::XOR => Ok(()),
            _ => Err(Fault::UnknownCode(code)),
        },
    }
}

/// Whether scratch memory is read only where each way has written it.
fn check_slots(program: &[Insn]) -> Result<(), (usize, Fault)> {
    // For each instruction the slots that are written on all ways to it. None leads to the first
    // but the start, and what nothing leads to is as good as written.
    let mut written = vec![u16::MAX; program.len()];
    written[0] = 0;
    for (index, &Insn { code, jt, jf, k }) in program.iter().enumerate() {
        let mut here = written[index];
        let (mut next, mut other) = (0, 0);
        match code {
            cbpf::LD_MEM | cbpf::LDX_MEM if (here >> k) & 1 == 0 => {
                return Err((index, Fault::Unwritten(k)));
            }
            cbpf::ST | cbpf::STX => here |= 1 << k,
            cbpf::RET_K | cbpf::RET_A => continue,
            cbpf::JA => (next, other) = (k, k),
            _ if code & CLASS == cbpf::JA => (next, other) = (jt.into(), jf.into()),
            _ => {}
        }
        written[index + 1 + next as usize] &= here;
        written[index + 1 + other as usize] &= here;
    }
    Ok(())
}
