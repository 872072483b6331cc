// SPDX-License-Identifier: GPL-2.0

//! The entries of the module that take what an attacker chooses, for `tests/fuzz`: in plain types,
//! so that nothing of the module gets into what it is compared with.

use crate::{
    cbpf, ebpf, layout, pass, program, serve,
    table::{self, Abi, Rows},
    verify,
};
use alloc::{vec, vec::Vec};
use core::{fmt::Write, mem::offset_of};

/// An instruction of classic BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classic {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

/// An instruction of eBPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    pub code: u8,
    pub dst: u8,
    pub src: u8,
    pub off: i16,
    pub imm: i32,
}

/// Why a filter is refused. Numbers are of x86-64 or of i386.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Unaligned,
    OutOfRange,
    NoStruct { i386: bool, number: u32 },
    Absent { row: usize },
    Malformed,
}

/// What a filter inspects.
#[derive(Debug)]
pub struct Inspected(verify::Inspected);

const ABIS: [Abi; 2] = [Abi::X86_64, Abi::I386];

/// Judges a filter for a kernel that has the calls in these rows of the table, a bit for each.
/// `spare` is what there is more of scratch memory than there are instructions.
pub fn verify(
    prog: &[Classic],
    available: u32,
    spare: isize,
    message: &mut dyn Write,
) -> Result<Inspected, (usize, Reason)> {
    let insns: Vec<cbpf::Insn> = prog
        .iter()
        .map(|&Classic { code, jt, jf, k }| cbpf::Insn { code, jt, jf, k })
        .collect();
    let mut scratch = vec![verify::Scratch::UNREACHED; insns.len().saturating_add_signed(spare)];

    match verify::verify(&insns, Rows::from_bits(available), &mut scratch) {
        Ok(inspected) => Ok(Inspected(inspected)),
        Err(refusal) => {
            write!(message, "{}", refusal.reason).unwrap();
            let reason = match refusal.reason {
                verify::Reason::Unaligned(_) => Reason::Unaligned,
                verify::Reason::OutOfRange(_) => Reason::OutOfRange,
                verify::Reason::NoStruct(abi, number) => Reason::NoStruct {
                    i386: abi == Abi::I386,
                    number,
                },
                verify::Reason::Absent(row) => Reason::Absent { row },
                verify::Reason::Malformed => Reason::Malformed,
            };
            Err((refusal.index, reason))
        }
    }
}

impl Inspected {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rows of the table, a bit for each, for x86-64 or i386.
    pub fn rows(&self, i386: bool) -> u32 {
        let mut rows = Rows::NONE;
        for row in 0..table::CALLS.len() {
            if self.0.contains(ABIS[usize::from(i386)], row) {
                rows.insert(row);
            }
        }
        rows.bits()
    }
}

/// The prologue of a filter that inspects these calls.
pub fn prologue(inspected: &Inspected, helper: i32, record: u64) -> Vec<Extended> {
    let mut out = [ebpf::Insn::NONE; program::MAX];
    let length = program::prologue(&inspected.0, helper, record, &mut out);

    out[..length]
        .iter()
        .map(
            |&ebpf::Insn {
                 code,
                 regs,
                 off,
                 imm,
             }| Extended {
                code,
                dst: regs & 15,
                src: regs >> 4,
                off,
                imm,
            },
        )
        .collect()
}

/// What becomes of a load at the offset `k` when a filter is installed: [`None`] if the kernel judges
/// it, or the distance from the context.
pub fn load(k: u32) -> Option<i16> {
    match layout::load(k) {
        layout::Load::Data => None,
        layout::Load::Ea(offset) => Some(offset),
        layout::Load::Invalid => panic!("a load of {k} was accepted"),
    }
}

/// The words of `struct seccomp_data`.
pub const DATA_WORDS: usize = layout::DATA_SIZE as usize / 4;

/// The info words (size, tail, error) as they lie in front of the context, the last one right in
/// front of it.
pub fn info(words: [u32; 3]) -> [u32; size_of::<layout::Info>() / 4] {
    let mut info = [0; size_of::<layout::Info>() / 4];

    info[offset_of!(layout::Info, size) / 4] = words[0];
    info[offset_of!(layout::Info, tail) / 4] = words[1];
    info[offset_of!(layout::Info, error) / 4] = words[2];
    info
}

/// How many rows the table has.
pub const ROWS: usize = table::CALLS.len();

/// The row of the table for a system call, with all that the fetch goes by.
#[derive(Clone, Copy)]
pub struct Call {
    pub row: usize,
    call: &'static table::Call,
    abi: Abi,
}

pub fn find(arch: u32, nr: u32) -> Option<Call> {
    let abi = Abi::from_arch(arch)?;
    let call = table::find(abi, nr)?;
    let row = table::CALLS
        .iter()
        .position(|other| core::ptr::eq(other, call))?;

    Some(Call { row, call, abi })
}

/// A struct that was fetched, into a page, and what filters are told of it: size, tail and error.
pub struct Fetched {
    fetched: serve::Fetched,
    copies_array: bool,
    pub info: [u32; 3],
}

/// An answer from the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    Done(T),
    Fault,
    /// It takes its usual way to user memory.
    Usual,
}

impl Fetched {
    /// Does what `rust/fetch.rs` does. `read` reads user memory at an address, all or nothing.
    pub fn fetch(
        call: Call,
        args: &[u64; 6],
        page: &mut [u8; layout::EA_SIZE as usize],
        mut read: impl FnMut(u64, &mut [u8]) -> bool,
    ) -> Self {
        let argument = |index: usize| call.abi.argument(args[index]);
        let start = argument(call.call.pointer);
        let (size, claimed) = match call.call.size {
            table::Size::Argument(index) => (None, argument(index)),
            table::Size::Field { offset, zero } => {
                let mut word = [0; 4];
                let value = read(start.wrapping_add(offset as u64), &mut word)
                    .then(|| u32::from_ne_bytes(word));
                let claimed = match value {
                    Some(0) => zero,
                    value => value.unwrap_or(0).into(),
                };
                (Some(serve::SizeWord { offset, value }), claimed)
            }
        };
        let mut fetched = serve::Fetched::new(start, size, claimed, call.call.smallest);
        let bytes = &mut page[..fetched.length];
        let (low, high) = bytes.split_at_mut(fetched.boundary);
        let mut faults = |from, to: &mut [u8]| !to.is_empty() && !read(from, to);
        let faults = serve::Faults {
            low: faults(start, low),
            high: faults(start.wrapping_add(low.len() as u64), high),
        };

        fetched.finish(bytes, faults);
        let error = match fetched {
            _ if fetched.is_too_large() => 7,
            _ if fetched.is_fault() => 14,
            _ => 0,
        };
        let tail = if error == 0 { fetched.tail as u32 } else { 0 };
        Self {
            fetched,
            copies_array: call.call.copies_array,
            info: [claimed.try_into().unwrap_or(u32::MAX), tail, error],
        }
    }

    /// `get_user()` of 32 bits.
    pub fn word(&self, from: u64) -> Answer<u32> {
        match self.fetched.word(from) {
            serve::Word::Value(value) => Answer::Done(value),
            serve::Word::Fault => Answer::Fault,
        }
    }

    /// `_copy_from_user()`: the offset in the page.
    pub fn copy(&self, from: u64, len: usize) -> Answer<usize> {
        match self.fetched.copy(from, len, self.copies_array) {
            serve::Copy::Other => Answer::Usual,
            serve::Copy::Serve(offset) => Answer::Done(offset),
            serve::Copy::Fault => Answer::Fault,
        }
    }

    /// `check_zeroed_user()` of a range that is one of user space.
    pub fn zeroed(&self, from: u64, len: usize, page: &[u8]) -> Answer<bool> {
        match self.fetched.zeroed(from, len, page) {
            serve::Zeroed::Zero => Answer::Done(true),
            serve::Zeroed::NonZero => Answer::Done(false),
            serve::Zeroed::Fault => Answer::Fault,
        }
    }
}

/// The filter pass that a copy belongs to.
#[derive(Clone, Copy)]
pub struct Pass(pass::Pass);

impl Pass {
    /// The filter `number` asks for the struct. Tells whether it has to be fetched.
    pub fn ask(pass: &mut Option<Pass>, arch: u32, nr: u32, number: u64) -> bool {
        let same = pass.and_then(|pass| pass.0.next(arch, nr, number));

        *pass = Some(Pass(
            same.unwrap_or_else(|| pass::Pass::begin(arch, nr, number)),
        ));
        same.is_none()
    }

    pub fn covers(self, arch: u32, nr: u32) -> bool {
        self.0.covers(arch, nr)
    }
}
