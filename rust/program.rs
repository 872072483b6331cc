// SPDX-License-Identifier: GPL-2.0

//! Builds the prologue of an extended program.
//!
//! An extended program is this prologue and the body right behind it, the program into which the
//! kernel converted the filter. For a system call whose struct the filter reads, the prologue calls
//! the module, which fetches the struct, and hands the context that it gets on to the body. For all
//! others the body runs on the kernel's own `struct seccomp_data`.

use crate::{
    cbpf,
    ebpf::{
        Cmp,
        Insn,
        Reg, //
    },
    table::{
        self,
        Abi, //
    },
    verify::Inspected, //
};

/// `SECCOMP_RET_ERRNO | ENOMEM`: what a filter returns when there is no memory for the struct.
const DENY: u32 = 0x0005_0000 | 12;

/// The length of what [`Writer::fetch()`] writes.
const FETCH: usize = 7;

/// The most instructions that a prologue can have: three that sort out most numbers, three about
/// `arch`, and one for each row and ABI.
pub(crate) const MAX: usize = 3 + 3 + Abi::ALL.len() * table::CALLS.len() + FETCH;

// All jumps stay within the prologue.
const _: () = assert!(MAX < i16::MAX as usize);

/// Writes the prologue to the start of `out` and returns its length in instructions; none are
/// needed if the filter never reads a struct.
///
/// `helper` is the address of the module's helper, less that of `__bpf_call_base`. It is called
/// with the context and `record`, and returns another context or NULL.
pub(crate) fn prologue(
    inspected: &Inspected,
    helper: i32,
    record: u64,
    out: &mut [Insn; MAX],
) -> usize {
    if inspected.is_empty() {
        return 0;
    }

    // A first round finds out how far the jumps go, as in bpf_convert_filter().
    let mut writer = Writer::new(out, 0);
    writer.dispatch(inspected);
    let fetch = writer.len;

    let mut writer = Writer::new(out, fetch);
    writer.dispatch(inspected);
    writer.fetch(helper, record);
    writer.len
}

/// Where the prologue is written to.
///
/// The program is entered with the context in R1. It stays there until the body, which starts by
/// moving it to another register and clearing those that it counts on; so R0 and R2 are free.
struct Writer<'a> {
    out: &'a mut [Insn; MAX],
    len: usize,
    /// The index at which the fetch starts.
    fetch: usize,
    /// The index at which the body starts.
    body: usize,
}

impl<'a> Writer<'a> {
    fn new(out: &'a mut [Insn; MAX], fetch: usize) -> Self {
        Self {
            out,
            len: 0,
            fetch,
            body: fetch.wrapping_add(FETCH),
        }
    }

    fn push(&mut self, insn: Insn) {
        if let Some(slot) = self.out.get_mut(self.len) {
            *slot = insn;
            self.len = self.len.wrapping_add(1);
        }
    }

    /// The distance from the next instruction to be written to the one at the index `target`.
    fn distance(&self, target: usize) -> i16 {
        target.wrapping_sub(self.len).wrapping_sub(1) as i16
    }

    fn jump_if(&mut self, reg: Reg, cmp: Cmp, value: u32, target: usize) {
        let off = self.distance(target);
        self.push(Insn::jump32_if(reg, cmp, value, off));
    }

    /// Writes the part that ends up at the fetch for the system calls in `inspected`, and at the
    /// body for all others. It must depend on nothing but nr and arch: the pass rule relies on it.
    fn dispatch(&mut self, inspected: &Inspected) {
        let (first, last) = bounds(inspected);
        self.push(Insn::load_word(Reg::R0, Reg::R1, cbpf::DATA_NR as i16));
        if first == last {
            self.jump_if(Reg::R0, Cmp::Ne, first, self.body);
        } else {
            self.jump_if(Reg::R0, Cmp::Lt, first, self.body);
            self.jump_if(Reg::R0, Cmp::Gt, last, self.body);
        }

        // `arch` decides only about numbers that are inspected on one ABI and not on the other.
        let [x86_64, i386] = Abi::ALL.map(|abi| only(inspected, abi).count());
        if x86_64 == 0 && i386 == 0 {
            if first != last {
                self.tests(both(inspected));
                self.or_body();
            }
            return;
        }
        self.tests(both(inspected));
        self.push(Insn::load_word(Reg::R2, Reg::R1, cbpf::DATA_ARCH as i16));
        if x86_64 != 0 && i386 != 0 {
            // There are but two ABIs, so what is not the one is the other. Its tests come behind
            // those of the first and one jump.
            let other = self.len.wrapping_add(x86_64).wrapping_add(2);
            self.jump_if(Reg::R2, Cmp::Ne, Abi::X86_64.arch(), other);
            self.tests(only(inspected, Abi::X86_64));
            self.push(Insn::jump(self.distance(self.body)));
            self.tests(only(inspected, Abi::I386));
            self.or_body();
        } else {
            let abi = if i386 == 0 { Abi::X86_64 } else { Abi::I386 };
            self.jump_if(Reg::R2, Cmp::Ne, abi.arch(), self.body);
            if first != last {
                self.tests(only(inspected, abi));
                self.or_body();
            }
        }
    }

    /// Goes on at the fetch if the system call has one of these numbers.
    fn tests(&mut self, numbers: impl Iterator<Item = u32>) {
        for number in numbers {
            self.jump_if(Reg::R0, Cmp::Eq, number, self.fetch);
        }
    }

    /// Goes on at the body if the last test fails. The fetch comes next, so the test is reversed.
    fn or_body(&mut self) {
        if let Some(last) = self.len.checked_sub(1) {
            if let Some(&Insn { imm, .. }) = self.out.get(last) {
                self.len = last;
                self.jump_if(Reg::R0, Cmp::Ne, imm as u32, self.body);
            }
        }
    }

    /// Writes the part that replaces the context by the one with the struct.
    fn fetch(&mut self, helper: i32, record: u64) {
        let [low, high] = Insn::load_imm64(Reg::R2, record);
        self.push(low);
        self.push(high);
        self.push(Insn::call(helper));
        self.push(Insn::jump64_if(Reg::R0, Cmp::Ne, 0, 2));
        self.push(Insn::move_imm32(Reg::R0, DENY));
        self.push(Insn::exit());
        self.push(Insn::move64(Reg::R1, Reg::R0));
    }
}

/// The numbers of the inspected system calls of `abi`.
fn numbers(inspected: &Inspected, abi: Abi) -> impl Iterator<Item = u32> + '_ {
    table::CALLS
        .iter()
        .enumerate()
        .filter(move |&(row, _)| inspected.contains(abi, row))
        .map(move |(_, call)| call.nr[abi as usize])
}

/// The numbers that are inspected on both ABIs.
fn both(inspected: &Inspected) -> impl Iterator<Item = u32> + '_ {
    numbers(inspected, Abi::X86_64)
        .filter(|&number| numbers(inspected, Abi::I386).any(|other| other == number))
}

/// The numbers that are inspected on `abi`, but not on the other one.
fn only(inspected: &Inspected, abi: Abi) -> impl Iterator<Item = u32> + '_ {
    let other = match abi {
        Abi::X86_64 => Abi::I386,
        Abi::I386 => Abi::X86_64,
    };
    numbers(inspected, abi)
        .filter(move |&number| numbers(inspected, other).all(|other| other != number))
}

/// The lowest and the highest number that is inspected on any ABI.
fn bounds(inspected: &Inspected) -> (u32, u32) {
    numbers(inspected, Abi::X86_64)
        .chain(numbers(inspected, Abi::I386))
        .fold((u32::MAX, 0), |(first, last), number| {
            (first.min(number), last.max(number))
        })
}
