// SPDX-License-Identifier: GPL-2.0

//! What the bytes of an input mean: a filter, and choices for the calls that it is to judge.

use crate::{
    contract::{ARCHS, CALLS, INFO, STRUCT, X32},
    subject::Classic,
};

/// The most parts that a filter is made of, each of a few instructions.
const PARTS: u8 = 64;

/// The bytes of an input, and random ones behind their end.
pub struct Source<'a> {
    bytes: &'a [u8],
    state: u64,
}

impl<'a> Source<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, state: 0 }
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((&byte, rest)) => {
                self.bytes = rest;
                byte
            }
            None => (self.random() >> 32) as u8,
        }
    }

    pub fn word(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The number of a call that has a struct.
    fn number(&mut self) -> u32 {
        let byte = usize::from(self.byte());
        CALLS[byte % CALLS.len()].numbers[byte >> 7]
    }

    /// A constant as filters have them.
    fn constant(&mut self) -> u32 {
        const EDGES: [u32; 12] = [
            0,
            1,
            2,
            u32::MAX,
            i32::MAX as u32,
            1 << 31,
            X32 - 1,
            !X32,
            0xffff,
            297,
            553,
            554,
        ];

        match self.byte() % 16 {
            0..=4 => self.number(),
            5 => self.number() + 1,
            6 => self.number() - 1,
            7 => self.number() | X32,
            8 => ARCHS[self.below(2)],
            9 => self.byte().into(),
            10 => 1 << (self.byte() & 31),
            11 => !(1 << (self.byte() & 31)),
            12 => (1 << (self.byte() & 31)) - 1,
            13 => EDGES[self.below(EDGES.len())],
            14 => self.byte() as u32 * 4,
            _ => self.word(),
        }
    }
}

/// A filter, and what it is judged for.
pub struct Filter {
    pub prog: Vec<Classic>,
    /// The calls that the kernel has, a bit for each row.
    pub available: u32,
    /// How much longer the scratch memory is than the filter.
    pub spare: isize,
}

/// Reads a filter from the head of an input.
pub fn filter(source: &mut Source<'_>) -> Filter {
    let flags = source.byte();
    let available = match flags & 3 {
        0 => u32::from(source.byte()) << 8 | u32::from(source.byte()),
        _ => u32::MAX,
    };
    let spare = match flags >> 2 & 7 {
        0 => isize::from(source.byte()) - 128,
        _ => 0,
    };
    source.state = source.byte().into();
    let parts = source.byte() % PARTS;
    let kind = flags >> 5;

    let mut prog = Vec::new();
    if kind >= 4 {
        guard(source, &mut prog);
    }
    for _ in 0..parts {
        if source.is_empty() {
            break;
        }
        match kind {
            0 => prog.push(raw(source)),
            _ => part(source, &mut prog),
        }
    }
    if kind != 0 {
        close(source, &mut prog);
    }
    Filter {
        prog,
        available,
        spare,
    }
}

fn insn(code: u16, k: u32) -> Classic {
    Classic {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Any instruction.
fn raw(source: &mut Source<'_>) -> Classic {
    let code = source.byte().into();
    Classic {
        code: if code == 0xff {
            source.word() as u16
        } else {
            code
        },
        jt: source.byte(),
        jf: source.byte(),
        k: source.constant(),
    }
}

/// Lets only some calls with a struct get at what follows.
fn guard(source: &mut Source<'_>, prog: &mut Vec<Classic>) {
    let choice = source.byte();
    let count = 1 + (choice & 3);

    if choice & 0x0c != 0 {
        prog.push(insn(0x20, 4));
        prog.push(Classic {
            jf: count + 1,
            ..insn(0x15, ARCHS[usize::from(choice >> 7)])
        });
    }
    prog.push(insn(0x20, 0));
    for left in (0..count).rev() {
        prog.push(Classic {
            jt: left + 1,
            ..insn(0x15, source.number())
        });
    }
    prog.push(insn(0x06, 0x7fff_0000));
}

/// Adds a few instructions that belong together; often just one.
fn part(source: &mut Source<'_>, prog: &mut Vec<Classic>) {
    const ARITHMETIC: [u16; 9] = [0x04, 0x14, 0x24, 0x34, 0x44, 0x54, 0x64, 0x74, 0xa4];
    let kind = source.byte();
    let x = u16::from(kind >> 7);
    // Few are used often, so that they meet.
    let slot = |source: &mut Source<'_>| match source.byte() {
        byte @ 0..=191 => u32::from(byte & 1),
        byte => u32::from(byte & 15),
    };
    let skip = |code, k, source: &mut Source<'_>| Classic {
        jf: distance(source),
        ..insn(code, k)
    };
    let number = insn(0x20, 0);
    let arch = insn(0x20, 4);

    match kind % 40 {
        0..=2 => prog.push(number),
        3 => prog.push(arch),
        4 => prog.push(insn(0x20, 4 * (2 + source.below(14) as u32))),
        5..=6 => prog.push(insn(0x20, STRUCT + 4 * u32::from(source.byte() & 31))),
        7 => prog.push(insn(0x20, INFO + 4 * (source.below(4) as u32 % 3))),
        8 => prog.push(insn(0x20, STRUCT + (source.word() % 4096 & !3))),
        9 => prog.push(insn(x, source.constant())),
        10 => prog.push(insn(0x80 | x, 0)),
        11 => prog.push(insn(2 + x, slot(source))),
        12 => prog.push(insn(0x60 + x, slot(source))),
        13 => prog.push(insn(0x07 | x << 7, 0)),
        14 => prog.push(insn(
            ARITHMETIC[source.below(9)] | x << 3,
            source.constant(),
        )),
        15 => prog.push(insn(0x54, source.constant())),
        16 => prog.push(insn(if x == 0 { 0x84 } else { 0x87 }, 0)),
        17 => prog.push(insn(0x05, u32::from(source.byte() & 15))),
        18..=21 => {
            let code = [0x15, 0x25, 0x35, 0x45][usize::from(kind & 3)] | x << 3;
            prog.push(Classic {
                code,
                k: source.constant(),
                jt: distance(source),
                jf: distance(source),
            });
        }
        22 => prog.push(insn(0x06, source.constant())),
        23 => prog.push(insn(0x16, 0)),
        // A comparison with the number of a call, and all that follows skipped for others.
        24..=26 => {
            let k = source.number();
            prog.extend([number, skip(0x15, k, source)]);
        }
        // The same for one ABI only.
        27..=28 => {
            let jf = distance(source);
            prog.push(arch);
            prog.push(Classic {
                jf: jf.saturating_add(2),
                ..insn(0x15, ARCHS[usize::from(x)])
            });
            prog.push(number);
            prog.push(Classic {
                jf,
                ..insn(0x15, source.number())
            });
        }
        // A range of numbers.
        29 => {
            let jump = distance(source);
            prog.push(number);
            prog.push(Classic {
                jf: jump.saturating_add(1),
                ..insn(0x35, source.constant())
            });
            prog.push(Classic {
                jt: jump,
                ..insn(0x25, source.constant())
            });
        }
        // What makes jumps longer.
        30 => prog.extend([insn(0x07, 0)].repeat(1 + source.below(16))),
        31 => prog.push(insn(0x20, source.constant())),
        // Two ways that meet again, with other values.
        32..=33 => {
            let k = source.constant();
            prog.extend([insn(0x20, 16), skip(0x15 + 0x30 * x, k, source)]);
        }
        34 => prog.extend([number, insn(0x02, slot(source))]),
        35 => prog.extend([insn(x, source.number()), insn(0x02 + x, slot(source))]),
        36 => {
            let k = source.number();
            prog.extend([insn(0x60, slot(source)), skip(0x15, k, source)]);
        }
        37 => {
            let k = source.number();
            prog.extend([insn(0x87, 0), skip(0x15, k, source)]);
        }
        38 => prog.extend([number, insn(0x07, 0)]),
        _ => {
            let k = source.constant();
            prog.extend([
                insn(1 - x, k),
                skip(0x1d + 0x10 * (k as u16 & 3), 0, source),
            ]);
        }
    }
}

/// Short ones are what leads anywhere.
fn distance(source: &mut Source<'_>) -> u8 {
    match source.byte() {
        byte @ 0..=191 => byte % 12,
        byte => byte - 192,
    }
}

/// Makes a filter that the kernel takes of what was put together, and that loads from the struct.
fn close(source: &mut Source<'_>, prog: &mut Vec<Classic>) {
    let is_load = |insn: &Classic| insn.code == 0x20 && insn.k >= STRUCT;
    let is_return = |insn: &Classic| matches!(insn.code, 0x06 | 0x16);
    if !prog.iter().any(is_load) {
        prog.push(insn(0x20, STRUCT + 4 * u32::from(source.byte() & 31)));
    }
    if !prog.last().is_some_and(is_return) {
        prog.push(match source.byte() & 1 {
            0 => insn(0x16, 0),
            _ => insn(0x06, 0x7fff_0000),
        });
    }

    let last = prog.len() - 1;
    let mut written = vec![u16::MAX; prog.len()];
    let mut here = 0;
    for (index, insn) in prog.iter_mut().enumerate() {
        let most = (last - index).saturating_sub(1);
        here &= written[index];
        match insn.code {
            0x05 => {
                insn.k = insn.k.min(most as u32);
                written[index + 1 + insn.k as usize] &= here;
                here = u16::MAX;
            }
            code if code & 7 == 5 => {
                for distance in [&mut insn.jt, &mut insn.jf] {
                    *distance = (*distance).min(most.min(255) as u8);
                    written[index + 1 + usize::from(*distance)] &= here;
                }
                here = u16::MAX;
            }
            0x60 | 0x61 if here >> insn.k & 1 == 0 => {
                // Nothing is there yet to be loaded.
                insn.code -= 0x60 - 2;
                here |= 1 << insn.k;
            }
            0x02 | 0x03 => here |= 1 << insn.k,
            0x34 => insn.k = insn.k.max(1),
            0x64 | 0x74 => insn.k &= 31,
            0x20 if insn.k < STRUCT => insn.k &= !3,
            _ => {}
        }
    }
}
