// SPDX-License-Identifier: GPL-2.0

//! Classic BPF as seccomp filters use it.
//!
//! The instruction is `struct sock_filter` of `include/uapi/linux/filter.h`; the opcodes are those
//! that `seccomp_check_filter()` in `kernel/seccomp.c` accepts. They are spelled out as whole
//! codes, because that is how a filter is matched.

use crate::layout;

/// One instruction, with the layout of `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Insn {
    /// The operation: one of the constants below.
    pub(crate) code: u16,
    /// Instructions to skip when a conditional jump is taken.
    pub(crate) jt: u8,
    /// Instructions to skip when a conditional jump is not taken.
    pub(crate) jf: u8,
    /// The operand: a constant, an offset into the data, a memory slot or a distance.
    pub(crate) k: u32,
}

const _: () = assert!(size_of::<Insn>() == 8);

impl Insn {
    /// Whether this loads a word past `struct seccomp_data`, which only an extended filter does.
    pub(crate) const fn is_ea_load(&self) -> bool {
        self.code == LD_ABS && self.k >= layout::DATA_SIZE
    }
}

/// Offset of `seccomp_data::nr`.
pub(crate) const DATA_NR: u32 = 0;
/// Offset of `seccomp_data::arch`.
pub(crate) const DATA_ARCH: u32 = 4;

/// Number of words of scratch memory, `BPF_MEMWORDS`.
pub(crate) const MEMORY_WORDS: usize = 16;

// Operation classes, sources and sizes are folded into the codes: `A` is the accumulator, `X` the
// index register, `K` the operand, `M[]` the scratch memory.

/// `A = K`.
pub(crate) const LD_IMM: u16 = 0x00;
/// `X = K`.
pub(crate) const LDX_IMM: u16 = 0x01;
/// `A =` the 32-bit word at offset `K` of the data.
pub(crate) const LD_ABS: u16 = 0x20;
/// The same, as `seccomp_check_filter()` rewrites it for `bpf_convert_filter()`: from the context.
pub(crate) const LDX_ABS: u16 = 0x21;
/// `A = M[K]`.
pub(crate) const LD_MEM: u16 = 0x60;
/// `X = M[K]`.
pub(crate) const LDX_MEM: u16 = 0x61;
/// `A =` the length of the data.
pub(crate) const LD_LEN: u16 = 0x80;
/// `X =` the length of the data.
pub(crate) const LDX_LEN: u16 = 0x81;
/// `M[K] = A`.
pub(crate) const ST: u16 = 0x02;
/// `M[K] = X`.
pub(crate) const STX: u16 = 0x03;
/// `X = A`.
pub(crate) const TAX: u16 = 0x07;
/// `A = X`.
pub(crate) const TXA: u16 = 0x87;

/// Source bit of arithmetic and conditional jumps: the second operand is `X`, not `K`.
pub(crate) const SRC_X: u16 = 0x08;

/// `A += K`.
pub(crate) const ADD: u16 = 0x04;
/// `A -= K`.
pub(crate) const SUB: u16 = 0x14;
/// `A *= K`.
pub(crate) const MUL: u16 = 0x24;
/// `A /= K`.
pub(crate) const DIV: u16 = 0x34;
/// `A |= K`.
pub(crate) const OR: u16 = 0x44;
/// `A &= K`.
pub(crate) const AND: u16 = 0x54;
/// `A <<= K`.
pub(crate) const LSH: u16 = 0x64;
/// `A >>= K`.
pub(crate) const RSH: u16 = 0x74;
/// `A = -A`.
pub(crate) const NEG: u16 = 0x84;
/// `A ^= K`.
pub(crate) const XOR: u16 = 0xa4;

/// Skip `K` instructions.
pub(crate) const JA: u16 = 0x05;
/// Jump if `A == K`.
pub(crate) const JEQ: u16 = 0x15;
/// Jump if `A > K`, unsigned.
pub(crate) const JGT: u16 = 0x25;
/// Jump if `A >= K`, unsigned.
pub(crate) const JGE: u16 = 0x35;
/// Jump if `A & K` is not zero.
pub(crate) const JSET: u16 = 0x45;

/// Return `K`.
pub(crate) const RET_K: u16 = 0x06;
/// Return `A`.
pub(crate) const RET_A: u16 = 0x16;
