// SPDX-License-Identifier: GPL-2.0

//! The reference: what Documentation/filters.rst and Documentation/calls.rst promise, and what the
//! kernel takes for a filter. Nothing in here knows the module.

use crate::subject::Classic;

/// `AUDIT_ARCH_*`.
pub const ARCHS: [u32; 2] = [0xc000_003e, 0x4000_0003];

/// `__X32_SYSCALL_BIT`.
pub const X32: u32 = 1 << 30;

/// Where the struct starts for a filter, and the info words.
pub const STRUCT: u32 = 64;
pub const INFO: u32 = STRUCT + 4096;

pub const EINVAL: u32 = 22;
pub const EFAULT: u32 = 14;
pub const E2BIG: u32 = 7;

/// The largest struct.
pub const PAGE: usize = 4096;

/// Where a call has the size of its struct.
pub enum Size {
    Argument(usize),
    Field { offset: u64, zero: u64 },
}

/// A system call that has a struct.
pub struct Call {
    /// On x86-64 and on i386.
    pub numbers: [u32; 2],
    pub pointer: usize,
    pub size: Size,
    /// The size of the first version, the least that the call accepts.
    pub first: u64,
    /// It also copies an array that a field of the struct points to.
    pub array: bool,
}

const fn passed(number: u32, pointer: usize, size: usize, first: u64) -> Call {
    Call {
        numbers: [number, number],
        pointer,
        size: Size::Argument(size),
        first,
        array: false,
    }
}

const fn inside(numbers: [u32; 2], pointer: usize, offset: u64, zero: u64, first: u64) -> Call {
    Call {
        numbers,
        pointer,
        size: Size::Field { offset, zero },
        first,
        array: false,
    }
}

pub static CALLS: [Call; 13] = [
    Call {
        array: true,
        ..passed(435, 0, 1, 64)
    },
    passed(437, 2, 3, 24),
    passed(442, 3, 4, 32),
    passed(467, 3, 4, 32),
    passed(444, 0, 1, 8),
    passed(463, 4, 5, 16),
    passed(464, 4, 5, 16),
    passed(469, 2, 3, 24),
    inside([314, 351], 1, 0, 48, 48),
    inside([298, 336], 0, 4, 64, 64),
    inside([457, 457], 0, 0, 0, 24),
    inside([458, 458], 0, 0, 0, 24),
    inside([470, 470], 0, 0, 0, 32),
];

/// The call with this number.
pub fn find(i386: bool, number: u32) -> Option<usize> {
    CALLS
        .iter()
        .position(|call| call.numbers[usize::from(i386)] == number)
}

/// A second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    K(u32),
    X,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alu {
    Add,
    Sub,
    Mul,
    Div,
    Or,
    And,
    Lsh,
    Rsh,
    Xor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    Equal,
    Greater,
    GreaterOrEqual,
    AnyBit,
}

/// An instruction that the kernel takes in a filter. Jumps have the index that they lead to. `x` is
/// for those that exist for A and for X.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Load(u32),
    Immediate { x: bool, k: u32 },
    Length { x: bool },
    Recall { x: bool, slot: usize },
    Store { x: bool, slot: usize },
    Tax,
    Txa,
    Alu(Alu, Operand),
    Negate,
    Jump(usize),
    Branch(Test, Operand, [usize; 2]),
    ReturnK(u32),
    ReturnA,
}

impl Test {
    pub fn holds(self, a: u32, b: u32) -> bool {
        match self {
            Test::Equal => a == b,
            Test::Greater => a > b,
            Test::GreaterOrEqual => a >= b,
            Test::AnyBit => a & b != 0,
        }
    }
}

/// Reads a filter as `bpf_check_classic()` and `seccomp_check_filter()` do. [`None`] if they refuse it,
/// for another reason than a load past `struct seccomp_data`.
pub fn parse(prog: &[Classic]) -> Option<Vec<Op>> {
    let ops = (0..prog.len())
        .map(|index| parse_one(prog, index))
        .collect::<Option<Vec<Op>>>()?;

    matches!(ops.last()?, Op::ReturnK(_) | Op::ReturnA).then_some(())?;
    is_written_first(&ops).then_some(ops)
}

fn parse_one(prog: &[Classic], index: usize) -> Option<Op> {
    let Classic { code, jt, jf, k } = prog[index];
    let operand = if code & 8 == 0 {
        Operand::K(k)
    } else {
        Operand::X
    };
    let target = |distance: u64| {
        let target = index as u64 + 1 + distance;
        (target < prog.len() as u64).then_some(target as usize)
    };
    let slot = || (k < 16).then_some(k as usize);
    let is_x = code & 7 == 1 || code & 7 == 3;

    Some(match code {
        0x20 if k < STRUCT && k % 4 != 0 => return None,
        0x20 => Op::Load(k),
        0x00 | 0x01 => Op::Immediate { x: is_x, k },
        0x80 | 0x81 => Op::Length { x: is_x },
        0x60 | 0x61 => Op::Recall {
            x: is_x,
            slot: slot()?,
        },
        0x02 | 0x03 => Op::Store {
            x: is_x,
            slot: slot()?,
        },
        0x07 => Op::Tax,
        0x87 => Op::Txa,
        0x84 => Op::Negate,
        0x05 => Op::Jump(target(k.into())?),
        0x06 => Op::ReturnK(k),
        0x16 => Op::ReturnA,
        _ if code > 0xff => return None,
        _ if code & 7 == 5 => {
            let test = match code & 0xf0 {
                0x10 => Test::Equal,
                0x20 => Test::Greater,
                0x30 => Test::GreaterOrEqual,
                0x40 => Test::AnyBit,
                _ => return None,
            };
            Op::Branch(test, operand, [target(jt.into())?, target(jf.into())?])
        }
        _ if code & 7 == 4 => {
            let alu = match code & 0xf0 {
                0x00 => Alu::Add,
                0x10 => Alu::Sub,
                0x20 => Alu::Mul,
                0x30 if operand == Operand::K(0) => return None,
                0x30 => Alu::Div,
                0x40 => Alu::Or,
                0x50 => Alu::And,
                0x60 | 0x70 if operand != Operand::X && k >= 32 => return None,
                0x60 => Alu::Lsh,
                0x70 => Alu::Rsh,
                0xa0 => Alu::Xor,
                _ => return None,
            };
            Op::Alu(alu, operand)
        }
        _ => return None,
    })
}

/// Whether scratch memory is only read where all ways have written it.
fn is_written_first(ops: &[Op]) -> bool {
    let mut written = vec![u16::MAX; ops.len()];
    let mut here = 0;

    for (index, &op) in ops.iter().enumerate() {
        here &= written[index];
        match op {
            Op::Store { slot, .. } => here |= 1 << slot,
            Op::Recall { slot, .. } if here >> slot & 1 == 0 => return false,
            Op::Jump(to) => {
                written[to] &= here;
                here = u16::MAX;
            }
            Op::Branch(_, _, to) => {
                written[to[0]] &= here;
                written[to[1]] &= here;
                here = u16::MAX;
            }
            _ => {}
        }
    }
    true
}

/// Arithmetic as the processor does it, which takes a shift modulo 32. A division by zero has none.
pub fn compute(alu: Alu, a: u32, b: u32) -> Option<u32> {
    Some(match alu {
        Alu::Add => a.wrapping_add(b),
        Alu::Sub => a.wrapping_sub(b),
        Alu::Mul => a.wrapping_mul(b),
        Alu::Div => a.checked_div(b)?,
        Alu::Or => a | b,
        Alu::And => a & b,
        Alu::Lsh => a << (b & 31),
        Alu::Rsh => a >> (b & 31),
        Alu::Xor => a ^ b,
    })
}

/// The verdict of a filter; `load` has the words.
pub fn run(ops: &[Op], load: impl Fn(u32) -> u32) -> u32 {
    let (mut a, mut x, mut memory) = (0u32, 0, [0; 16]);
    let mut index = 0;

    loop {
        let value = |operand| match operand {
            Operand::K(k) => k,
            Operand::X => x,
        };
        let mut next = index + 1;
        match ops[index] {
            Op::Load(k) => a = load(k),
            Op::Immediate { x: false, k } => a = k,
            Op::Immediate { x: true, k } => x = k,
            Op::Length { x: false } => a = STRUCT,
            Op::Length { x: true } => x = STRUCT,
            Op::Recall { x: false, slot } => a = memory[slot],
            Op::Recall { x: true, slot } => x = memory[slot],
            Op::Store { x: false, slot } => memory[slot] = a,
            Op::Store { x: true, slot } => memory[slot] = x,
            Op::Tax => x = a,
            Op::Txa => a = x,
            Op::Alu(alu, operand) => match compute(alu, a, value(operand)) {
                Some(result) => a = result,
                None => return 0,
            },
            Op::Negate => a = a.wrapping_neg(),
            Op::Jump(to) => next = to,
            Op::Branch(test, operand, to) => {
                next = to[usize::from(!test.holds(a, value(operand)))];
            }
            Op::ReturnK(k) => return k,
            Op::ReturnA => return a,
        }
        index = next;
    }
}

/// User memory: two pages, each of which may be missing.
pub struct Memory {
    pub base: u64,
    pub mapped: [bool; 2],
    pub bytes: Box<[u8; 2 * PAGE]>,
    /// No user memory can be from here on.
    pub limit: u64,
}

impl Memory {
    pub fn is_user_range(&self, from: u64, len: usize) -> bool {
        from.checked_add(len as u64)
            .is_some_and(|end| end <= self.limit)
    }

    /// Reads all or nothing.
    pub fn read(&self, from: u64, len: usize) -> Option<&[u8]> {
        if len == 0 {
            return Some(&[]);
        }
        self.is_user_range(from, len).then_some(())?;
        let offset = usize::try_from(from.checked_sub(self.base)?).ok()?;
        let end = offset.checked_add(len).filter(|&end| end <= 2 * PAGE)?;
        (offset / PAGE..=(end - 1) / PAGE)
            .all(|page| self.mapped[page])
            .then(|| &self.bytes[offset..end])
    }

    pub fn read_word(&self, from: u64) -> Option<u32> {
        Some(u32::from_ne_bytes(self.read(from, 4)?.try_into().unwrap()))
    }
}

/// What a filter sees of a call that has a struct.
pub struct View<'a> {
    /// The struct as far as the caller passed it.
    pub bytes: &'a [u8],
    /// What the caller says, and as much of that as fits.
    pub passed: u64,
    pub size: u32,
    pub tail: u32,
    pub error: u32,
}

/// The arguments as the call knows them.
pub fn argument(i386: bool, args: &[u64; 6], index: usize) -> u64 {
    match i386 {
        true => args[index] & 0xffff_ffff,
        false => args[index],
    }
}

/// What is seen of a call with these arguments. The bytes are those in memory, all but the word of
/// the size if that is a part of the struct and memory has changed since.
pub fn view<'a>(call: &Call, i386: bool, args: &[u64; 6], memory: &'a Memory) -> View<'a> {
    let start = argument(i386, args, call.pointer);
    let none = |size: u64, error| View {
        bytes: &[],
        passed: size,
        size: size.try_into().unwrap_or(u32::MAX),
        tail: 0,
        error,
    };
    let size = match call.size {
        Size::Argument(index) => argument(i386, args, index),
        Size::Field { offset, zero } => match memory.read_word(start.wrapping_add(offset)) {
            None => return none(0, EFAULT),
            Some(0) => zero,
            Some(size) => size.into(),
        },
    };

    if size > PAGE as u64 {
        return none(size, E2BIG);
    }
    match memory.read(start, size as usize) {
        None => none(size, EFAULT),
        Some(bytes) => View {
            bytes,
            tail: bytes
                .iter()
                .rposition(|&byte| byte != 0)
                .map_or(0, |last| last as u32 + 1),
            ..none(size, 0)
        },
    }
}

impl View<'_> {
    /// The word at an offset of 64 or more.
    pub fn word(&self, k: u32) -> u32 {
        match k.checked_sub(INFO) {
            Some(0) => return self.size,
            Some(4) => return self.tail,
            Some(8) => return self.error,
            Some(_) => panic!("no such word"),
            None => {}
        }
        let mut word = [0; 4];
        let bytes = self
            .bytes
            .get((k - STRUCT) as usize..)
            .unwrap_or_default()
            .iter();
        word.iter_mut()
            .zip(bytes)
            .for_each(|(to, &from)| *to = from);
        u32::from_ne_bytes(word)
    }
}

/// The functions that a call reads its struct by.
pub trait User {
    fn get_user(&self, from: u64) -> Option<u32>;
    fn copy_from_user(&self, from: u64, len: usize) -> Option<&[u8]>;
    /// [`None`] for a fault.
    fn check_zeroed_user(&self, from: u64, len: usize) -> Option<bool>;
}

impl User for Memory {
    fn get_user(&self, from: u64) -> Option<u32> {
        self.read_word(from)
    }

    fn copy_from_user(&self, from: u64, len: usize) -> Option<&[u8]> {
        self.read(from, len)
    }

    /// In aligned words, up to the first that is not zero.
    fn check_zeroed_user(&self, from: u64, len: usize) -> Option<bool> {
        let end = from.wrapping_add(len as u64);
        let mut word = from & !7;

        self.is_user_range(word, len + (from - word) as usize)
            .then_some(())?;
        while word < end {
            let bytes = self.read(word, 8)?;
            let first = from.saturating_sub(word) as usize;
            let last = (end - word).min(8) as usize;
            if bytes[first..last].iter().any(|&byte| byte != 0) {
                return Some(false);
            }
            word += 8;
        }
        Some(true)
    }
}

/// What a call of a kernel that knows `known` bytes of the struct gets of it, or its error.
pub fn copy_struct<'a>(
    user: &'a dyn User,
    call: &Call,
    i386: bool,
    args: &[u64; 6],
    known: usize,
) -> Result<&'a [u8], u32> {
    let start = argument(i386, args, call.pointer);
    let size = match call.size {
        Size::Argument(index) => argument(i386, args, index),
        Size::Field { offset, zero } => {
            match user.get_user(start.wrapping_add(offset)).ok_or(EFAULT)? {
                0 => zero,
                size => size.into(),
            }
        }
    };

    if size > PAGE as u64 {
        return Err(E2BIG);
    }
    if size < call.first {
        return Err(EINVAL);
    }
    let size = size as usize;
    let head = known.min(size);
    if size > known
        && !user
            .check_zeroed_user(start.wrapping_add(known as u64), size - known)
            .ok_or(EFAULT)?
    {
        return Err(E2BIG);
    }
    user.copy_from_user(start, head).ok_or(EFAULT)
}
