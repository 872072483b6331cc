// SPDX-License-Identifier: GPL-2.0

//! A machine for extended programs: what the kernel converts a filter into, and an interpreter of
//! eBPF that checks every access.

use crate::{
    contract::{Alu, Op, Operand, Test, STRUCT},
    subject::{self, Extended, DATA_WORDS},
};

pub const HELPER: i32 = -0x1234_5678;
pub const RECORD: u64 = 0xffff_8880_dead_beef;

const DATA: u64 = 0xffff_c900_0000_1000;
const CACHE: u64 = 0xffff_8881_2345_6fc0;
const STACK: u64 = 0xffff_c900_0000_8000;
const POISON: u64 = 0x5555_5555_5555_5555;

// The registers that the kernel gives to the parts of a classic program.
const A: u8 = 0;
const ARGUMENT: u8 = 1;
const TMP: u8 = 2;
const CONTEXT: u8 = 6;
const X: u8 = 7;
const FRAME: u8 = 10;

/// The codes of jumps on 64 bits, without the source.
const JUMP: u8 = 0x05;
const JNE: u8 = 0x55;
const EXIT: u8 = 0x95;

fn insn(code: u8, dst: u8, src: u8, off: i16, imm: u32) -> Extended {
    Extended {
        code,
        dst,
        src,
        off,
        imm: imm as i32,
    }
}

/// Adds to `code` what `bpf_convert_filter()` makes of a filter whose loads were rewritten, but for
/// conditional jumps, which it can do without a second jump at times.
pub fn convert(ops: &[Op], code: &mut Vec<Extended>) {
    let mut starts = Vec::with_capacity(ops.len());
    let mut jumps = Vec::new();

    code.push(insn(0xac, A, A, 0, 0));
    code.push(insn(0xac, X, X, 0, 0));
    code.push(insn(0xbf, CONTEXT, ARGUMENT, 0, 0));
    for &op in ops {
        starts.push(code.len());
        let register = |x| if x { X } else { A };
        let frame = |slot: usize| -4 * (slot as i16 + 1);
        match op {
            Op::Load(k) => {
                let off = subject::load(k).unwrap_or(k as i16);
                code.push(insn(0x61, A, CONTEXT, off, 0));
            }
            Op::Immediate { x, k } => code.push(insn(0xb4, register(x), 0, 0, k)),
            Op::Length { x } => code.push(insn(0xb4, register(x), 0, 0, STRUCT)),
            Op::Recall { x, slot } => code.push(insn(0x61, register(x), FRAME, frame(slot), 0)),
            Op::Store { x, slot } => code.push(insn(0x63, FRAME, register(x), frame(slot), 0)),
            Op::Tax => code.push(insn(0xbf, X, A, 0, 0)),
            Op::Txa => code.push(insn(0xbf, A, X, 0, 0)),
            Op::Negate => code.push(insn(0x84, A, 0, 0, 0)),
            Op::Alu(alu, operand) => {
                let operation = match alu {
                    Alu::Add => 0x04,
                    Alu::Sub => 0x14,
                    Alu::Mul => 0x24,
                    Alu::Div => 0x34,
                    Alu::Or => 0x44,
                    Alu::And => 0x54,
                    Alu::Lsh => 0x64,
                    Alu::Rsh => 0x74,
                    Alu::Xor => 0xa4,
                };
                match operand {
                    Operand::K(k) => code.push(insn(operation, A, 0, 0, k)),
                    Operand::X => {
                        if alu == Alu::Div {
                            code.push(insn(0xbc, X, X, 0, 0));
                            code.push(insn(JNE, X, 0, 2, 0));
                            code.push(insn(0xac, A, A, 0, 0));
                            code.push(insn(EXIT, 0, 0, 0, 0));
                        }
                        code.push(insn(operation | 8, A, X, 0, 0));
                    }
                }
            }
            Op::Jump(to) => {
                jumps.push((code.len(), to));
                code.push(insn(JUMP, 0, 0, 0, 0));
            }
            Op::Branch(test, operand, to) => {
                let comparison = match test {
                    Test::Equal => 0x15,
                    Test::Greater => 0x25,
                    Test::GreaterOrEqual => 0x35,
                    Test::AnyBit => 0x45,
                };
                jumps.push((code.len(), to[0]));
                match operand {
                    Operand::K(k) if k >> 31 != 0 => {
                        code.push(insn(0xb4, TMP, 0, 0, k));
                        jumps.last_mut().unwrap().0 += 1;
                        code.push(insn(comparison | 8, A, TMP, 0, 0));
                    }
                    Operand::K(k) => code.push(insn(comparison, A, 0, 0, k)),
                    Operand::X => code.push(insn(comparison | 8, A, X, 0, 0)),
                }
                jumps.push((code.len(), to[1]));
                code.push(insn(JUMP, 0, 0, 0, 0));
            }
            Op::ReturnK(k) => {
                code.push(insn(0xb4, A, 0, 0, k));
                code.push(insn(EXIT, 0, 0, 0, 0));
            }
            Op::ReturnA => code.push(insn(EXIT, 0, 0, 0, 0)),
        }
    }
    for (from, to) in jumps {
        code[from].off = i16::try_from(starts[to] - from - 1).unwrap();
    }
}

/// What the module's helper does.
#[derive(Clone, Copy)]
pub enum Helper<'a> {
    /// It is not called.
    None,
    NoMemory,
    /// It answers with a context of the same data, info words in front of it, and a page behind it.
    Fetched([u32; 4], &'a [u8]),
}

/// What a program runs on.
pub struct Machine<'a> {
    pub data: [u32; DATA_WORDS],
    pub helper: Helper<'a>,
}

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct End {
    pub verdict: u32,
    pub called: bool,
}

impl Machine<'_> {
    pub fn run(&self, code: &[Extended]) -> End {
        let mut registers = [POISON; 11];
        let mut stack: [Option<u32>; 16] = [None; 16];
        let mut called = false;
        let mut next = 0;

        registers[usize::from(ARGUMENT)] = DATA;
        registers[usize::from(FRAME)] = STACK;
        loop {
            let Extended {
                code: operation,
                dst,
                src,
                off,
                imm,
            } = code[next];
            let (dst, src) = (usize::from(dst), usize::from(src));
            let low = registers[dst] as u32;
            let small = match operation & 8 {
                0 => imm as u32,
                _ => registers[src] as u32,
            };
            next += 1;

            let jump = match operation {
                0x61 => {
                    let address = registers[src].wrapping_add_signed(off.into());
                    registers[dst] = self.load(address, &stack).into();
                    false
                }
                0x63 => {
                    let address = registers[dst].wrapping_add_signed(off.into());
                    stack[slot(address).expect("a store to something else")] =
                        Some(registers[src] as u32);
                    false
                }
                0x18 => {
                    let second = code[next];
                    assert_eq!(
                        (second.code, second.dst, second.src, second.off),
                        (0, 0, 0, 0)
                    );
                    assert_eq!((src, off), (0, 0));
                    registers[dst] = u64::from(imm as u32) | u64::from(second.imm as u32) << 32;
                    next += 1;
                    false
                }
                0x85 => {
                    assert!(!called, "a second call");
                    assert_eq!(imm, HELPER);
                    assert_eq!((registers[1], registers[2]), (DATA, RECORD));
                    registers[..6].fill(POISON);
                    called = true;
                    registers[0] = match self.helper {
                        Helper::None => panic!("a struct is fetched that is not read"),
                        Helper::NoMemory => 0,
                        Helper::Fetched(..) => CACHE,
                    };
                    false
                }
                0xbf => {
                    registers[dst] = registers[src];
                    false
                }
                EXIT => {
                    assert_eq!(registers[0] >> 32, 0, "a verdict of more than 32 bits");
                    return End {
                        verdict: registers[0] as u32,
                        called,
                    };
                }
                JUMP => true,
                _ if operation & 7 == 5 => {
                    let other = match operation & 8 {
                        0 => imm as u64,
                        _ => registers[src],
                    };
                    compare(operation & 0xf0, registers[dst], other)
                }
                _ if operation & 7 == 6 => compare(operation & 0xf0, low.into(), small.into()),
                _ if operation & 7 == 4 => {
                    registers[dst] = u64::from(match operation & 0xf0 {
                        0x00 => low.wrapping_add(small),
                        0x10 => low.wrapping_sub(small),
                        0x20 => low.wrapping_mul(small),
                        0x30 => low.checked_div(small).unwrap_or(0),
                        0x40 => low | small,
                        0x50 => low & small,
                        0x60 => low << (small & 31),
                        0x70 => low >> (small & 31),
                        0x80 => low.wrapping_neg(),
                        0xa0 => low ^ small,
                        0xb0 => small,
                        _ => panic!("no such instruction: {operation:#x}"),
                    });
                    false
                }
                _ => panic!("no such instruction: {operation:#x}"),
            };
            if jump {
                next += usize::try_from(off).expect("a jump back");
            }
        }
    }

    fn load(&self, address: u64, stack: &[Option<u32>; 16]) -> u32 {
        if let Some(slot) = slot(address) {
            return stack[slot].expect("a load of what was never stored");
        }
        assert_eq!(address % 4, 0, "misaligned");
        let words = |from: u64| usize::try_from(address.wrapping_sub(from) / 4).unwrap();
        if let Some(word) = self.data.get(words(DATA)) {
            return *word;
        }
        let Helper::Fetched(info, page) = self.helper else {
            panic!("a load of what is not there");
        };
        let word = words(CACHE - 16);
        if let Some(word) = info.get(word) {
            return *word;
        }
        if let Some(word) = self.data.get(word - info.len()) {
            return *word;
        }
        let start = 4 * (word - info.len() - DATA_WORDS);
        let bytes = page.get(start..start + 4).expect("a load from nowhere");
        u32::from_ne_bytes(bytes.try_into().unwrap())
    }
}

fn slot(address: u64) -> Option<usize> {
    let depth = STACK.wrapping_sub(address);
    (depth % 4 == 0 && (4..=64).contains(&depth)).then_some(depth as usize / 4 - 1)
}

fn compare(operation: u8, a: u64, b: u64) -> bool {
    match operation {
        0x10 => a == b,
        0x20 => a > b,
        0x30 => a >= b,
        0x40 => a & b != 0,
        0x50 => a != b,
        0xa0 => a < b,
        0xb0 => a <= b,
        _ => panic!("no such comparison: {operation:#x}"),
    }
}
