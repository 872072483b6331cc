// SPDX-License-Identifier: GPL-2.0

//! An assembler for filters, so that tests can be read.
//!
//! ```text
//! ld nr                       offsets by name: nr, arch, arg, ea+BYTES, size, tail, error, or [K]
//! jeq 437 -> load else out    a jump not given goes to the next line
//! jgt x -> out                X in place of a constant
//! load: ld ea+0
//! out: ret 0x7fff0000
//! ```

use crate::{
    cbpf::{self, Insn},
    layout,
};
use std::collections::HashMap;

/// Assembles a filter, one instruction or `;` apart.
pub(super) fn asm(source: &str) -> Vec<Insn> {
    let mut labels = HashMap::new();
    let mut lines = Vec::new();
    for line in source.split(['\n', ';']).map(str::trim) {
        let mut line = line;
        while let Some((label, rest)) = line.split_once(':') {
            labels.insert(label.trim(), lines.len());
            line = rest.trim();
        }
        if !line.is_empty() {
            lines.push(line);
        }
    }
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| instruction(line, |label| labels[label] - index - 1))
        .collect()
}

fn instruction(line: &str, distance: impl Fn(&str) -> usize) -> Insn {
    let (operation, operand) = line.split_once(' ').unwrap_or((line, ""));
    let op = |code, k| Insn {
        code,
        jt: 0,
        jf: 0,
        k,
    };
    let with_source = |code, operand: &str| match operand {
        "x" => op(code | cbpf::SRC_X, 0),
        k => op(code, number(k)),
    };
    let jump = |code| {
        let (operand, targets) = operand.split_once("->").unwrap_or((operand, ""));
        let (jt, jf) = targets.split_once("else").unwrap_or((targets, ""));
        let distance = |label: &str| match label.trim() {
            "" => 0,
            label => u8::try_from(distance(label)).unwrap(),
        };
        Insn {
            jt: distance(jt),
            jf: distance(jf),
            ..with_source(code, operand.trim())
        }
    };
    let slot = || operand.strip_prefix("M").map(number);

    match operation {
        "ld" => match (operand, operand.strip_prefix('#'), slot()) {
            ("len", _, _) => op(cbpf::LD_LEN, 0),
            (_, Some(k), _) => op(cbpf::LD_IMM, number(k)),
            (_, _, Some(k)) => op(cbpf::LD_MEM, k),
            _ => op(cbpf::LD_ABS, offset(operand)),
        },
        "ldx" => match (operand, operand.strip_prefix('#'), slot()) {
            ("len", _, _) => op(cbpf::LDX_LEN, 0),
            (_, Some(k), _) => op(cbpf::LDX_IMM, number(k)),
            _ => op(cbpf::LDX_MEM, slot().unwrap()),
        },
        "st" => op(cbpf::ST, slot().unwrap()),
        "stx" => op(cbpf::STX, slot().unwrap()),
        "tax" => op(cbpf::TAX, 0),
        "txa" => op(cbpf::TXA, 0),
        "add" => with_source(cbpf::ADD, operand),
        "sub" => with_source(cbpf::SUB, operand),
        "mul" => with_source(cbpf::MUL, operand),
        "div" => with_source(cbpf::DIV, operand),
        "or" => with_source(cbpf::OR, operand),
        "and" => with_source(cbpf::AND, operand),
        "lsh" => with_source(cbpf::LSH, operand),
        "rsh" => with_source(cbpf::RSH, operand),
        "xor" => with_source(cbpf::XOR, operand),
        "neg" => op(cbpf::NEG, 0),
        "ja" => op(cbpf::JA, distance(operand).try_into().unwrap()),
        "jeq" => jump(cbpf::JEQ),
        "jgt" => jump(cbpf::JGT),
        "jge" => jump(cbpf::JGE),
        "jset" => jump(cbpf::JSET),
        "ret" if operand == "a" => op(cbpf::RET_A, 0),
        "ret" => op(cbpf::RET_K, number(operand)),
        _ => panic!("{line}: no such instruction"),
    }
}

fn offset(operand: &str) -> u32 {
    match operand {
        "nr" => cbpf::DATA_NR,
        "arch" => cbpf::DATA_ARCH,
        "arg" => 16,
        "size" => layout::SIZE,
        "tail" => layout::TAIL,
        "error" => layout::ERROR,
        _ => match operand.strip_prefix("ea+") {
            Some(bytes) => layout::DATA_SIZE + number(bytes),
            None => number(operand.trim_matches(['[', ']'])),
        },
    }
}

fn number(text: &str) -> u32 {
    let text = text.trim_matches(['[', ']']);
    match (text, text.strip_prefix("0x")) {
        ("x86-64", _) => 0xc000_003e,
        ("i386", _) => 0x4000_0003,
        ("x32", _) => 0x4000_0000,
        ("allow", _) => 0x7fff_0000,
        ("kill", _) => 0x8000_0000,
        (_, Some(digits)) => u32::from_str_radix(digits, 16).unwrap(),
        (digits, None) => digits.parse().unwrap(),
    }
}
