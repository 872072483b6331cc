// SPDX-License-Identifier: GPL-2.0

//! What filters really do: an interpreter that takes every way a filter can take.

use crate::{
    cbpf::{self, Insn},
    layout,
    table::Abi,
};
use std::collections::{BTreeSet, HashSet};

/// A value, or [`None`] if it comes from what a caller passes and can be anything.
type Value = Option<u32>;

/// Where a filter is, and what it has in its registers and memory.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) pc: usize,
    a: Value,
    x: Value,
    memory: [Value; cbpf::MEMORY_WORDS],
}

impl State {
    pub(super) const ENTRY: Self = Self {
        pc: 0,
        a: Some(0),
        x: Some(0),
        memory: [None; cbpf::MEMORY_WORDS],
    };
}

/// The indices of the EA loads that `prog` can come to with the system call `nr` of `abi`.
pub(super) fn loads_reached(prog: &[Insn], abi: Abi, nr: u32) -> BTreeSet<usize> {
    let mut loads = BTreeSet::new();
    let mut seen = HashSet::new();
    let mut todo = vec![State::ENTRY];
    while let Some(state) = todo.pop() {
        let Some(insn) = prog.get(state.pc) else {
            continue;
        };
        if seen.insert(state.clone()) {
            if insn.is_ea_load() {
                loads.insert(state.pc);
            }
            step(insn, state, abi, nr, &mut todo);
        }
    }
    loads
}

/// Adds to `todo` what can come after `insn`.
pub(super) fn step(insn: &Insn, mut state: State, abi: Abi, nr: u32, todo: &mut Vec<State>) {
    let k = insn.k;
    let from_x = insn.code & cbpf::SRC_X != 0;
    let operand = if from_x { state.x } else { Some(k) };
    let both = state.a.zip(operand);
    state.pc += 1;

    match insn.code {
        cbpf::RET_K | cbpf::RET_A => return,
        cbpf::JA => state.pc += k as usize,
        cbpf::LD_IMM => state.a = Some(k),
        cbpf::LDX_IMM => state.x = Some(k),
        cbpf::LD_LEN => state.a = Some(layout::DATA_SIZE),
        cbpf::LDX_LEN => state.x = Some(layout::DATA_SIZE),
        cbpf::LD_ABS => {
            state.a = match k {
                0 => Some(nr),
                4 => Some(abi.arch()),
                _ => None,
            }
        }
        cbpf::LD_MEM => state.a = state.memory[k as usize],
        cbpf::LDX_MEM => state.x = state.memory[k as usize],
        cbpf::ST => state.memory[k as usize] = state.a,
        cbpf::STX => state.memory[k as usize] = state.x,
        cbpf::TAX => state.x = state.a,
        cbpf::TXA => state.a = state.x,
        cbpf::NEG => state.a = state.a.map(u32::wrapping_neg),
        code => {
            let jump = |taken| match taken {
                Some(true) => vec![insn.jt],
                Some(false) => vec![insn.jf],
                None => vec![insn.jt, insn.jf],
            };
            let distances = match code & !cbpf::SRC_X {
                cbpf::JEQ => jump(both.map(|(a, b)| a == b)),
                cbpf::JGT => jump(both.map(|(a, b)| a > b)),
                cbpf::JGE => jump(both.map(|(a, b)| a >= b)),
                cbpf::JSET => jump(both.map(|(a, b)| a & b != 0)),
                op => {
                    if op == cbpf::DIV && operand == Some(0) {
                        return;
                    }
                    state.a = both.map(|(a, b)| match op {
                        cbpf::ADD => a.wrapping_add(b),
                        cbpf::SUB => a.wrapping_sub(b),
                        cbpf::MUL => a.wrapping_mul(b),
                        cbpf::DIV => a / b,
                        cbpf::OR => a | b,
                        cbpf::AND => a & b,
                        // As the processor and the kernel's interpreter do it.
                        cbpf::LSH => a << (b & 31),
                        cbpf::RSH => a >> (b & 31),
                        cbpf::XOR => a ^ b,
                        _ => panic!("no such instruction: {code:#x}"),
                    });
                    vec![0]
                }
            };
            todo.extend(distances.into_iter().map(|distance| {
                let mut state = state.clone();
                state.pc += usize::from(distance);
                state
            }));
            return;
        }
    }
    todo.push(state);
}
