// SPDX-License-Identifier: GPL-2.0

//! Decides whether a filter may load from the struct of a system call.
//!
//! A load of the struct, or of an info word, is fine when every way to it has established that the
//! system call is one that has a struct. This is a dataflow analysis in the manner of the kernel's
//! own `check_load_and_stores()` in `net/core/filter.c`: classic BPF only jumps forward, so one
//! pass in program order sees every way to an instruction before the instruction itself.
//!
//! It runs once for each ABI, with `arch` as a known constant, and keeps for each instruction the
//! numbers that the system call can still have there, and what the registers and the scratch memory
//! hold as far as it is a constant or made of the number. Where ways merge, the numbers are united
//! and values that differ become unknown; so it may refuse a filter that is fine, and never accepts
//! one that is not.

use crate::{
    cbpf::{
        self,
        Insn, //
    },
    layout::{
        self,
        Load, //
    },
    table::{
        self,
        Abi,
        Rows, //
    }, //
};
use core::fmt;

/// Checks that all loads of `prog` go to words that exist.
pub(crate) fn check_offsets(prog: &[Insn]) -> Result<(), Refusal> {
    for (index, insn) in prog.iter().enumerate() {
        check_offset(insn).map_err(|reason| Refusal { index, reason })?;
    }
    Ok(())
}

/// Checks all loads of `prog` that go past `struct seccomp_data`.
///
/// `prog` has passed the kernel's `bpf_check_classic()`; if it has not, it is refused, or judged as
/// far as it can run. `available` are the system calls that the kernel has. `scratch` is memory for the
/// analysis, as long as `prog`; its contents do not matter. Takes time proportional to the length of
/// `prog`.
pub(crate) fn verify(
    prog: &[Insn],
    available: Rows,
    scratch: &mut [Scratch],
) -> Result<Inspected, Refusal> {
    check_offsets(prog)?;

    let mut inspected = Inspected::NONE;
    for abi in Abi::ALL {
        inspected.rows[abi as usize] = verify_abi(prog, available, scratch, abi)?;
    }
    Ok(inspected)
}

/// The system calls whose struct a filter reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inspected {
    /// For each ABI the rows of [`table::CALLS`].
    rows: [Rows; Abi::ALL.len()],
}

impl Inspected {
    const NONE: Self = Self {
        rows: [Rows::NONE; Abi::ALL.len()],
    };

    /// Whether the filter never reads a struct.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Whether the filter reads the struct of the call in this row of [`table::CALLS`].
    pub(crate) fn contains(&self, abi: Abi, row: usize) -> bool {
        self.rows[abi as usize].contains(row)
    }
}

/// Why a filter is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The instruction that is at fault, counted from zero.
    pub(crate) index: usize,
    /// What is wrong with it.
    pub(crate) reason: Reason,
}

/// What is wrong with an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The offset of a load is not a multiple of four.
    Unaligned(u32),
    /// The offset of a load is past the last info word.
    OutOfRange(u32),
    /// The load can be reached with this system call, which has no struct.
    NoStruct(Abi, u32),
    /// The load can be reached with the system call in this row of [`table::CALLS`], which the kernel
    /// does not have.
    Absent(usize),
    /// Not an instruction of a seccomp filter, or its jump or memory slot does not exist.
    Malformed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unaligned(offset) => write!(f, "the offset {offset} is not a multiple of 4"),
            Self::OutOfRange(offset) => {
                write!(
                    f,
                    "the offset {offset} is past the last word of a filter's data"
                )
            }
            Self::NoStruct(abi, number) => {
                let (abi, number) = match abi {
                    // Numbers of x32 are those of x86-64 with a bit set, and better known without.
                    Abi::X86_64 if number >> 30 == 1 => ("x32", number ^ X32_BIT),
                    Abi::X86_64 => ("x86-64", number),
                    Abi::I386 => ("i386", number),
                };
                write!(
                    f,
                    "the load of the struct can be reached with a system call that has none \
                     ({abi} number {number})"
                )
            }
            Self::Absent(row) => {
                let name = table::CALLS.get(row).map_or("", |call| call.name);
                write!(
                    f,
                    "the load of the struct can be reached with {name}, which this kernel does not \
                     have"
                )
            }
            Self::Malformed => write!(f, "the kernel does not take this instruction in a filter"),
        }
    }
}

/// `__X32_SYSCALL_BIT`.
const X32_BIT: u32 = 1 << 30;

/// What is known in front of an instruction, on all the ways to it that have been seen.
///
/// The scratch memory of [`verify()`] is a slice of these.
#[derive(Clone, Copy)]
pub(crate) struct Scratch {
    /// None if no way leads to the instruction; then nothing else counts.
    numbers: Numbers,
    values: Values,
}

// A filter of BPF_MAXINSNS instructions takes that many of these.
const _: () = assert!(size_of::<Scratch>() <= 256);

impl Scratch {
    /// An instruction that no way leads to.
    pub(crate) const UNREACHED: Self = Self {
        numbers: Numbers::NONE,
        values: Values {
            a: Value::Unknown,
            x: Value::Unknown,
            memory: [Value::Unknown; cbpf::MEMORY_WORDS],
        },
    };

    /// The first instruction: any system call, A and X are zero.
    const ENTRY: Self = Self {
        numbers: Numbers::ALL,
        values: Values {
            a: Value::Constant(0),
            x: Value::Constant(0),
            ..Self::UNREACHED.values
        },
    };

    /// Adds the knowledge of another way to the same instruction.
    fn join(&mut self, numbers: &Numbers, values: &Values) {
        if numbers.is_none() {
            return;
        }
        if self.numbers.is_none() {
            self.numbers = *numbers;
            self.values = *values;
            return;
        }
        self.numbers.unite(numbers);
        self.values.join(values);
    }
}

/// What the registers and the scratch memory hold.
#[derive(Clone, Copy)]
struct Values {
    a: Value,
    x: Value,
    memory: [Value; cbpf::MEMORY_WORDS],
}

impl Values {
    fn join(&mut self, other: &Self) {
        self.a.join(other.a);
        self.x.join(other.x);
        for (value, other) in self.memory.iter_mut().zip(other.memory) {
            value.join(other);
        }
    }

    fn slot(&mut self, k: u32) -> Result<&mut Value, Reason> {
        self.memory.get_mut(k as usize).ok_or(Reason::Malformed)
    }
}

/// What is known of a 32-bit value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Unknown,
    Constant(u32),
    /// The bits of `mask` of the system call's number.
    Number {
        mask: u32,
    },
}

impl Value {
    fn join(&mut self, other: Self) {
        if *self != other {
            *self = Self::Unknown;
        }
    }

    fn number(mask: u32) -> Self {
        match mask {
            0 => Self::Constant(0),
            mask => Self::Number { mask },
        }
    }

    /// The result of the arithmetic operation `op` (with the source bit cleared).
    fn arithmetic(op: u16, a: Self, b: Self) -> Self {
        match (a, b) {
            (Self::Constant(a), Self::Constant(b)) => {
                fold(op, a, b).map_or(Self::Unknown, Self::Constant)
            }
            (Self::Number { mask }, Self::Constant(bits))
            | (Self::Constant(bits), Self::Number { mask })
                if op == cbpf::AND =>
            {
                Self::number(mask & bits)
            }
            _ => Self::Unknown,
        }
    }
}

/// The result of the arithmetic operation `op` on constants, if it has one.
///
/// A division by zero ends a filter. A shift by 32 or more is refused by the kernel where it can see
/// it, and where it cannot the processor takes it for another: nothing is concluded from it.
fn fold(op: u16, a: u32, b: u32) -> Option<u32> {
    match op {
        cbpf::ADD => Some(a.wrapping_add(b)),
        cbpf::SUB => Some(a.wrapping_sub(b)),
        cbpf::MUL => Some(a.wrapping_mul(b)),
        cbpf::DIV => a.checked_div(b),
        cbpf::OR => Some(a | b),
        cbpf::AND => Some(a & b),
        cbpf::LSH => a.checked_shl(b),
        cbpf::RSH => a.checked_shr(b),
        cbpf::XOR => Some(a ^ b),
        _ => None,
    }
}

/// A comparison of a value with a constant, as the conditional jumps do it.
#[derive(Clone, Copy)]
enum Test {
    Equal(u32),
    Greater(u32),
    GreaterOrEqual(u32),
    AnyBitOf(u32),
}

impl Test {
    /// The same with the operands exchanged, and the outcome that then means the jump is taken.
    fn exchanged(self) -> (Self, bool) {
        match self {
            Self::Greater(k) => (Self::GreaterOrEqual(k), false),
            Self::GreaterOrEqual(k) => (Self::Greater(k), false),
            Self::Equal(_) | Self::AnyBitOf(_) => (self, true),
        }
    }

    fn holds(self, value: u32) -> bool {
        match self {
            Self::Equal(k) => value == k,
            Self::Greater(k) => value > k,
            Self::GreaterOrEqual(k) => value >= k,
            Self::AnyBitOf(k) => value & k != 0,
        }
    }

    /// For which of the numbers `n` from `first` to `first + 63` the test of `n & mask` holds: a bit
    /// for each.
    fn holds_in(self, mask: u32, first: u32) -> u64 {
        let from = |k: u32| u64::MAX.checked_shl(k.saturating_sub(first)).unwrap_or(0);
        let above = |k: u32| k.checked_add(1).map_or(0, from);
        match self {
            // Nearly all tests of filters are of these kinds, and they need no loop.
            Self::Equal(k) if mask == u32::MAX => from(k) & !above(k),
            Self::Greater(k) if mask == u32::MAX => above(k),
            Self::GreaterOrEqual(k) if mask == u32::MAX => from(k),
            _ => (0..u64::BITS)
                .filter(|&bit| self.holds(first.wrapping_add(bit) & mask))
                .fold(0, |bits, bit| bits | (1 << bit)),
        }
    }
}

/// How many numbers of system calls are told apart.
const WINDOW: u32 = 256;

/// The first of them: the lowest number in the table.
const WINDOW_FIRST: u32 = table_bounds().0;

/// The last of them.
const WINDOW_LAST: u32 = WINDOW_FIRST + (WINDOW - 1);

const _: () = assert!(table_bounds().1 <= WINDOW_LAST && WINDOW_LAST < X32_BIT - 1);

/// The lowest and the highest number in the table.
const fn table_bounds() -> (u32, u32) {
    let (mut first, mut last) = (u32::MAX, 0);
    let mut row = 0;
    while row < table::CALLS.len() {
        let mut abi = 0;
        while abi < Abi::ALL.len() {
            let number = table::CALLS[row].nr[abi];
            if number < first {
                first = number;
            }
            if number > last {
                last = number;
            }
            abi += 1;
        }
        row += 1;
    }
    (first, last)
}

/// One bit for each number in the window.
type Window = [u64; WINDOW as usize / 64];

/// The numbers in the table, for each ABI.
const WITH_STRUCT: [Window; Abi::ALL.len()] = {
    let mut windows = [[0; WINDOW as usize / 64]; Abi::ALL.len()];
    let mut row = 0;
    while row < table::CALLS.len() {
        let mut abi = 0;
        while abi < Abi::ALL.len() {
            let index = table::CALLS[row].nr[abi] - WINDOW_FIRST;
            windows[abi][index as usize / 64] |= 1 << (index % 64);
            abi += 1;
        }
        row += 1;
    }
    windows
};

/// A set of numbers of system calls: exact within the window; outside of it the ranges that hold
/// them.
///
/// Ranges do there, since what matters is only whether the filter has ruled all of them out. They
/// are parted at x32's bit and at the sign, where filters test single bits.
#[derive(Clone, Copy)]
struct Numbers {
    window: Window,
    outside: [Range; 4],
}

impl Numbers {
    const NONE: Self = Self {
        window: [0; WINDOW as usize / 64],
        outside: [Range::NONE; 4],
    };

    const ALL: Self = Self {
        window: [u64::MAX; WINDOW as usize / 64],
        outside: [
            match WINDOW_FIRST.checked_sub(1) {
                Some(last) => Range { first: 0, last },
                None => Range::NONE,
            },
            Range {
                first: WINDOW_LAST + 1,
                last: X32_BIT - 1,
            },
            Range {
                first: X32_BIT,
                last: i32::MAX as u32,
            },
            Range {
                first: 1 << 31,
                last: u32::MAX,
            },
        ],
    };

    fn is_none(&self) -> bool {
        self.window.iter().all(|&word| word == 0) && self.outside.iter().all(Range::is_none)
    }

    /// Whether `number`, which is in the window, is in the set.
    fn contains(&self, number: u32) -> bool {
        let index = number.wrapping_sub(WINDOW_FIRST);
        match self.window.get(index as usize / 64) {
            Some(word) => (word >> (index % 64)) & 1 != 0,
            None => false,
        }
    }

    fn unite(&mut self, other: &Self) {
        for (word, other) in self.window.iter_mut().zip(other.window) {
            *word |= other;
        }
        for (range, other) in self.outside.iter_mut().zip(other.outside) {
            range.unite(other);
        }
    }

    /// What is left once a test of `value` has come out as `outcome`: none if it cannot.
    fn assume(&self, value: Value, test: Test, outcome: bool) -> Self {
        match value {
            Value::Constant(value) if test.holds(value) != outcome => Self::NONE,
            Value::Number { mask } => {
                let mut left = *self;
                left.narrow(mask, test, outcome);
                left
            }
            Value::Constant(_) | Value::Unknown => *self,
        }
    }

    /// Keeps the numbers `n` for which `test` of `n & mask` comes out as `outcome`.
    fn narrow(&mut self, mask: u32, test: Test, outcome: bool) {
        let mut first = WINDOW_FIRST;
        for word in &mut self.window {
            let holds = test.holds_in(mask, first);
            *word &= if outcome { holds } else { !holds };
            first = first.wrapping_add(u64::BITS);
        }
        for range in &mut self.outside {
            range.narrow(mask, test, outcome);
        }
    }

    /// A number in the set for which the table has no row, if there is one.
    fn without_struct(&self, abi: Abi) -> Option<u32> {
        let mut first = WINDOW_FIRST;
        for (word, with_struct) in self.window.iter().zip(&WITH_STRUCT[abi as usize]) {
            let left = word & !with_struct;
            if left != 0 {
                return Some(first.wrapping_add(left.trailing_zeros()));
            }
            first = first.wrapping_add(u64::BITS);
        }
        self.outside.iter().find_map(Range::any)
    }

    /// The rows of the table whose number is in the set.
    fn rows(&self, abi: Abi) -> impl Iterator<Item = usize> + '_ {
        table::CALLS
            .iter()
            .enumerate()
            .filter(move |(_, call)| self.contains(call.nr[abi as usize]))
            .map(|(row, _)| row)
    }
}

/// The numbers from `first` to `last`; none if `first > last`.
#[derive(Clone, Copy)]
struct Range {
    first: u32,
    last: u32,
}

impl Range {
    const NONE: Self = Self { first: 1, last: 0 };

    fn is_none(&self) -> bool {
        self.first > self.last
    }

    fn any(&self) -> Option<u32> {
        (!self.is_none()).then_some(self.first)
    }

    fn unite(&mut self, other: Self) {
        if self.is_none() {
            *self = other;
        } else if !other.is_none() {
            self.first = self.first.min(other.first);
            self.last = self.last.max(other.last);
        }
    }

    /// Draws both ends in to the next numbers `n` for which `test` of `n & mask` comes out as
    /// `outcome`.
    fn narrow(&mut self, mask: u32, test: Test, outcome: bool) {
        if self.is_none() {
            return;
        }
        let Self { first, last } = *self;
        let ends = match (test, outcome) {
            (Test::Equal(k), true) => (next_equal(first, mask, k), last_equal(last, mask, k)),
            (Test::Equal(k), false) => (next_other(first, mask, k), last_other(last, mask, k)),
            (Test::AnyBitOf(k), true) => (
                next_other(first, mask & k, 0),
                last_other(last, mask & k, 0),
            ),
            (Test::AnyBitOf(k), false) => (
                next_equal(first, mask & k, 0),
                last_equal(last, mask & k, 0),
            ),
            // Some bits of the number in an order: no filter does this, so nothing is concluded.
            _ if mask != u32::MAX => (Some(first), Some(last)),
            (Test::Greater(k), true) => (k.checked_add(1).map(|k| first.max(k)), Some(last)),
            (Test::Greater(k), false) => (Some(first), Some(last.min(k))),
            (Test::GreaterOrEqual(k), true) => (Some(first.max(k)), Some(last)),
            (Test::GreaterOrEqual(k), false) => {
                (Some(first), k.checked_sub(1).map(|k| last.min(k)))
            }
        };
        *self = match ends {
            (Some(first), Some(last)) if first <= last => Self { first, last },
            _ => Self::NONE,
        };
    }
}

/// The lowest `n >= from` with `n & mask == value`.
fn next_equal(from: u32, mask: u32, value: u32) -> Option<u32> {
    if value & !mask != 0 {
        return None;
    }
    if from & mask == value {
        return Some(from);
    }
    // A greater number has the high bits of `from` down to one that is clear in `from` and set in
    // it; below that bit it is free. The lower the bit, the lower the number. What `value` has above
    // the bit, `from` has as well.
    (0..u32::BITS).find_map(|shift| {
        let bit = 1 << shift;
        let low = bit - 1;
        let high = !(bit | low);
        let fits = from & bit == 0
            && from & mask & high == value & high
            && (mask & bit == 0 || value & bit != 0);
        fits.then_some((from & high) | bit | value)
    })
}

/// The lowest `n >= from` with `n & mask != value`.
fn next_other(from: u32, mask: u32, value: u32) -> Option<u32> {
    if from & mask != value {
        return Some(from);
    }
    if mask == 0 {
        return None;
    }
    // The masked bits first change when counting carries into the lowest of them.
    let low = (1 << mask.trailing_zeros()) - 1;
    (from | low).checked_add(1)
}

/// The highest `n <= to` with `n & mask == value`: [`next_equal()`] for the complements.
fn last_equal(to: u32, mask: u32, value: u32) -> Option<u32> {
    next_equal(!to, mask, value ^ mask).map(|n| !n)
}

/// The highest `n <= to` with `n & mask != value`: [`next_other()`] for the complements.
fn last_other(to: u32, mask: u32, value: u32) -> Option<u32> {
    next_other(!to, mask, value ^ mask).map(|n| !n)
}

/// Whether a load goes to a word that exists.
fn check_offset(insn: &Insn) -> Result<(), Reason> {
    if !insn.is_ea_load() {
        Ok(())
    } else if insn.k % 4 != 0 {
        Err(Reason::Unaligned(insn.k))
    } else if layout::load(insn.k) == Load::Invalid {
        Err(Reason::OutOfRange(insn.k))
    } else {
        Ok(())
    }
}

/// Analyses `prog` for one ABI; returns the rows of the table whose structs it reads.
fn verify_abi(
    prog: &[Insn],
    available: Rows,
    scratch: &mut [Scratch],
    abi: Abi,
) -> Result<Rows, Refusal> {
    for state in &mut *scratch {
        state.numbers = Numbers::NONE;
    }
    if let Some(entry) = scratch.first_mut() {
        *entry = Scratch::ENTRY;
    }

    let mut inspected = Rows::NONE;
    for (index, insn) in prog.iter().enumerate() {
        let refuse = |reason| Refusal { index, reason };
        let (here, rest) = scratch
            .get_mut(index..)
            .and_then(<[Scratch]>::split_first_mut)
            .ok_or(refuse(Reason::Malformed))?;
        if here.numbers.is_none() {
            continue;
        }
        if insn.is_ea_load() {
            if let Some(number) = here.numbers.without_struct(abi) {
                return Err(refuse(Reason::NoStruct(abi, number)));
            }
            for row in here.numbers.rows(abi) {
                if !available.contains(row) {
                    return Err(refuse(Reason::Absent(row)));
                }
                inspected.insert(row);
            }
        }
        step(insn, here, rest, abi).map_err(refuse)?;
    }
    Ok(inspected)
}

/// Runs `insn` in `state` and hands the results on to `rest`, the instructions behind it.
fn step(insn: &Insn, state: &mut Scratch, rest: &mut [Scratch], abi: Abi) -> Result<(), Reason> {
    let Scratch { numbers, values } = state;
    let k = insn.k;
    let operand = match insn.code & cbpf::SRC_X {
        0 => Value::Constant(k),
        _ => values.x,
    };

    match insn.code {
        cbpf::RET_K | cbpf::RET_A => return Ok(()),
        cbpf::JA => return flow(rest, k, numbers, values),
        cbpf::LD_IMM => values.a = Value::Constant(k),
        cbpf::LDX_IMM => values.x = Value::Constant(k),
        cbpf::LD_LEN => values.a = Value::Constant(layout::DATA_SIZE),
        cbpf::LDX_LEN => values.x = Value::Constant(layout::DATA_SIZE),
        cbpf::LD_ABS => {
            values.a = match k {
                cbpf::DATA_NR => Value::number(u32::MAX),
                cbpf::DATA_ARCH => Value::Constant(abi.arch()),
                _ => Value::Unknown,
            }
        }
        cbpf::LD_MEM => values.a = *values.slot(k)?,
        cbpf::LDX_MEM => values.x = *values.slot(k)?,
        cbpf::ST => *values.slot(k)? = values.a,
        cbpf::STX => *values.slot(k)? = values.x,
        cbpf::TAX => values.x = values.a,
        cbpf::TXA => values.a = values.x,
        cbpf::NEG => values.a = Value::arithmetic(cbpf::SUB, Value::Constant(0), values.a),
        code => match code & !cbpf::SRC_X {
            cbpf::JEQ => return branch(Test::Equal, insn, numbers, values, operand, rest),
            cbpf::JGT => return branch(Test::Greater, insn, numbers, values, operand, rest),
            cbpf::JGE => return branch(Test::GreaterOrEqual, insn, numbers, values, operand, rest),
            cbpf::JSET => return branch(Test::AnyBitOf, insn, numbers, values, operand, rest),
            op @ (cbpf::ADD
            | cbpf::SUB
            | cbpf::MUL
            | cbpf::DIV
            | cbpf::OR
            | cbpf::AND
            | cbpf::LSH
            | cbpf::RSH
            | cbpf::XOR) => {
                if op == cbpf::DIV {
                    // Behind a division the divisor is not zero: the filter would have ended.
                    *numbers = numbers.assume(operand, Test::Equal(0), false);
                }
                values.a = Value::arithmetic(op, values.a, operand);
            }
            _ => return Err(Reason::Malformed),
        },
    }
    flow(rest, 0, numbers, values)
}

/// Runs the conditional jump `insn`, which makes a `test` of A with `operand`.
fn branch(
    test: fn(u32) -> Test,
    insn: &Insn,
    numbers: &Numbers,
    values: &Values,
    operand: Value,
    rest: &mut [Scratch],
) -> Result<(), Reason> {
    let (value, test, taken) = match (values.a, operand) {
        (value, Value::Constant(k)) => (value, test(k), true),
        (Value::Constant(k), value) => {
            let (test, taken) = test(k).exchanged();
            (value, test, taken)
        }
        // Without a constant nothing is learned.
        _ => (Value::Unknown, test(0), true),
    };
    let left = |outcome| numbers.assume(value, test, outcome);

    flow(rest, insn.jt.into(), &left(taken), values)?;
    flow(rest, insn.jf.into(), &left(!taken), values)
}

/// Hands on what is known to the instruction that is `distance` behind the first of `rest`.
fn flow(
    rest: &mut [Scratch],
    distance: u32,
    numbers: &Numbers,
    values: &Values,
) -> Result<(), Reason> {
    let target = rest.get_mut(distance as usize).ok_or(Reason::Malformed)?;
    target.join(numbers, values);
    Ok(())
}
