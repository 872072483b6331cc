// SPDX-License-Identifier: GPL-2.0

//! Runs filters.

use crate::{
    action::Action,
    cbpf::{self, Insn},
    layout,
};

/// What comes of arithmetic; nothing of a division by zero.
pub(crate) fn compute(operation: u16, a: u32, b: u32) -> Option<u32> {
    Some(match operation {
        cbpf::ADD => a.wrapping_add(b),
        cbpf::SUB => a.wrapping_sub(b),
        cbpf::MUL => a.wrapping_mul(b),
        cbpf::DIV => a.checked_div(b)?,
        cbpf::OR => a | b,
        cbpf::AND => a & b,
        // As processors do it.
        cbpf::LSH => a.wrapping_shl(b),
        cbpf::RSH => a.wrapping_shr(b),
        cbpf::XOR => a ^ b,
        _ => return None,
    })
}

/// What a filter that the kernel takes answers; `load` has the words.
pub(crate) fn run(program: &[Insn], load: impl Fn(u32) -> u32) -> Action {
    let (mut a, mut x, mut memory) = (0, 0, [0; cbpf::MEMORY_WORDS]);
    let mut index = 0;

    loop {
        let Insn { code, jt, jf, k } = program[index];
        let operand = if code & cbpf::SRC_X == 0 { k } else { x };
        let mut skip = 0;
        match code {
            cbpf::RET_K => return Action(k),
            cbpf::RET_A => return Action(a),
            cbpf::JA => skip = k as usize,
            cbpf::LD_ABS => a = load(k),
            cbpf::LD_IMM => a = k,
            cbpf::LDX_IMM => x = k,
            cbpf::LD_LEN => a = layout::DATA_SIZE,
            cbpf::LDX_LEN => x = layout::DATA_SIZE,
            cbpf::LD_MEM => a = memory[k as usize],
            cbpf::LDX_MEM => x = memory[k as usize],
            cbpf::ST => memory[k as usize] = a,
            cbpf::STX => memory[k as usize] = x,
            cbpf::TAX => x = a,
            cbpf::TXA => a = x,
            cbpf::NEG => a = a.wrapping_neg(),
            _ => match code & !cbpf::SRC_X {
                cbpf::JEQ => skip = if a == operand { jt } else { jf }.into(),
                cbpf::JGT => skip = if a > operand { jt } else { jf }.into(),
                cbpf::JGE => skip = if a >= operand { jt } else { jf }.into(),
                cbpf::JSET => skip = if a & operand != 0 { jt } else { jf }.into(),
                operation => match compute(operation, a, operand) {
                    Some(result) => a = result,
                    None => return Action(0),
                },
            },
        }
        index += 1 + skip;
    }
}
