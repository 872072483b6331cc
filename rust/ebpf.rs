// SPDX-License-Identifier: GPL-2.0

//! The few eBPF instructions that an extended program is made of.
//!
//! Codes are those of `include/uapi/linux/bpf.h` and `include/uapi/linux/bpf_common.h`.

/// One instruction, with the layout of `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Insn {
    /// The operation.
    pub(crate) code: u8,
    /// The destination register in the low half, the source register in the high half.
    pub(crate) regs: u8,
    /// The offset of a load, or the instructions to skip by a jump.
    pub(crate) off: i16,
    /// The constant operand.
    pub(crate) imm: i32,
}

const _: () = assert!(size_of::<Insn>() == 8);

/// A register.
#[derive(Clone, Copy)]
pub(crate) enum Reg {
    /// The value that a function or the program returns. Classic BPF's A.
    R0 = 0,
    /// The first argument; the context on entry.
    R1 = 1,
    /// The second argument.
    R2 = 2,
}

/// The comparisons of jumps; the values are the operation bits of the code.
#[derive(Clone, Copy)]
pub(crate) enum Cmp {
    /// Equal.
    Eq = 0x10,
    /// Greater, unsigned.
    Gt = 0x20,
    /// Not equal.
    Ne = 0x50,
    /// Less, unsigned.
    Lt = 0xa0,
}

const BPF_LD_IMM64: u8 = 0x18;
const BPF_LDX_MEM_W: u8 = 0x61;
const BPF_MOV32_K: u8 = 0xb4;
const BPF_MOV64_X: u8 = 0xbf;
const BPF_JMP_JA: u8 = 0x05;
const BPF_JMP_K: u8 = 0x05;
const BPF_JMP32_K: u8 = 0x06;
const BPF_JMP_CALL: u8 = 0x85;
const BPF_JMP_EXIT: u8 = 0x95;

impl Insn {
    const fn new(code: u8, dst: Reg, src: Reg, off: i16, imm: i32) -> Self {
        Self {
            code,
            regs: ((src as u8) << 4) | dst as u8,
            off,
            imm,
        }
    }

    /// What no program contains: filler for instructions to be.
    pub(crate) const NONE: Self = Self::new(0, Reg::R0, Reg::R0, 0, 0);

    /// `dst = *(u32 *)(src + off)`.
    pub(crate) const fn load_word(dst: Reg, src: Reg, off: i16) -> Self {
        Self::new(BPF_LDX_MEM_W, dst, src, off, 0)
    }

    /// `dst = value`, which takes two instructions.
    pub(crate) const fn load_imm64(dst: Reg, value: u64) -> [Self; 2] {
        [
            Self::new(BPF_LD_IMM64, dst, Reg::R0, 0, value as i32),
            Self::new(0, Reg::R0, Reg::R0, 0, (value >> 32) as i32),
        ]
    }

    /// `dst = value`, the upper half cleared.
    pub(crate) const fn move_imm32(dst: Reg, value: u32) -> Self {
        Self::new(BPF_MOV32_K, dst, Reg::R0, 0, value as i32)
    }

    /// `dst = src`, all 64 bits.
    pub(crate) const fn move64(dst: Reg, src: Reg) -> Self {
        Self::new(BPF_MOV64_X, dst, src, 0, 0)
    }

    /// Skips `off` instructions.
    pub(crate) const fn jump(off: i16) -> Self {
        Self::new(BPF_JMP_JA, Reg::R0, Reg::R0, off, 0)
    }

    /// Skips `off` instructions if the low half of `dst` compares so with `value`.
    pub(crate) const fn jump32_if(dst: Reg, cmp: Cmp, value: u32, off: i16) -> Self {
        Self::new(BPF_JMP32_K | cmp as u8, dst, Reg::R0, off, value as i32)
    }

    /// Skips `off` instructions if all of `dst` compares so with `value`, sign-extended.
    pub(crate) const fn jump64_if(dst: Reg, cmp: Cmp, value: i32, off: i16) -> Self {
        Self::new(BPF_JMP_K | cmp as u8, dst, Reg::R0, off, value)
    }

    /// Calls the function at `__bpf_call_base + offset`.
    pub(crate) const fn call(offset: i32) -> Self {
        Self::new(BPF_JMP_CALL, Reg::R0, Reg::R0, 0, offset)
    }

    /// Returns from the program.
    pub(crate) const fn exit() -> Self {
        Self::new(BPF_JMP_EXIT, Reg::R0, Reg::R0, 0, 0)
    }
}
