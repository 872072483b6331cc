// SPDX-License-Identifier: GPL-2.0

//! Shows a filter instruction by instruction.

use crate::{
    action::Action,
    architecture::{Architecture, X32_BIT},
    cbpf::{self, Insn},
    field,
    residue::residue,
    syscall,
    table::{Abi, CALLS},
    wellformed, wording,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// A listing of a filter, which may be one that no kernel takes, but is not empty.
pub(crate) fn disasm(program: &[Insn]) -> String {
    let width = (program.len() - 1).to_string().len();
    // What is not well formed cannot be followed.
    let loads = match wellformed::check(program) {
        Ok(()) => loads(program),
        Err(_) => BTreeMap::new(),
    };
    let known = known(program);
    let mut text = String::new();
    for (index, insn) in program.iter().enumerate() {
        let mut line = format!("{index:width$}: {}", instruction(index, insn));
        let remark = match (loads.get(&index), insn.code) {
            (Some(calls), _) => about_load(insn.k, calls),
            (None, cbpf::LD_ABS) => wording::word(insn.k, None),
            (None, cbpf::RET_K) => Action(insn.k).to_string(),
            (None, cbpf::JEQ) => constant(insn.k, known[index]),
            (None, cbpf::JGE) if insn.k == X32_BIT => "x32 and above".into(),
            _ => String::new(),
        };
        if !remark.is_empty() {
            line = format!("{line:36} ; {remark}");
        }
        // Writing to a string does not fail.
        let _ = writeln!(text, "{line}");
    }
    text
}

/// The rows of the table whose calls come to each load of a struct.
fn loads(program: &[Insn]) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut loads: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for abi in Abi::ALL {
        for (row, call) in CALLS.iter().enumerate() {
            for index in residue(program, abi.arch(), call.nr[abi as usize]).reached {
                if program[index].is_ea_load() {
                    loads.entry(index).or_default().insert(row);
                }
            }
        }
    }
    loads
}

/// What is loaded, by which calls.
fn about_load(k: u32, calls: &BTreeSet<usize>) -> String {
    let words: BTreeSet<String> = calls
        .iter()
        .map(|&row| wording::word(k, field::structure(CALLS[row].structure)))
        .collect();
    let words: Vec<String> = words.into_iter().collect();
    let names: Vec<&str> = calls.iter().map(|&row| CALLS[row].name).collect();
    format!("{}: {}", names.join(", "), words.join(" or "))
}

/// What is known in front of an instruction.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The offset of the word that A holds.
    word: Option<u32>,
    /// The ABIs of the module's table that come here, a bit for each.
    abis: u8,
}

/// The name of what a word is compared with.
fn constant(k: u32, known: Known) -> String {
    let abis = Abi::ALL
        .into_iter()
        .filter(|&abi| known.abis & (1 << abi as u8) != 0);
    let name = |abi: Abi| syscall::name(Architecture::of(abi.arch(), k)?, k);
    match known.word {
        Some(cbpf::DATA_ARCH) => Abi::from_arch(k)
            .and_then(|abi| Architecture::of(abi.arch(), 0))
            .map_or(String::new(), |architecture| architecture.to_string()),
        Some(cbpf::DATA_NR) => {
            let names: BTreeSet<&str> = abis.filter_map(name).collect();
            names.into_iter().collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    }
}

/// What is known in front of each instruction.
fn known(program: &[Insn]) -> Vec<Known> {
    let mut all: Vec<Option<Known>> = vec![None; program.len()];
    all[0] = Some(Known {
        word: None,
        abis: Abi::ALL.iter().map(|&abi| 1 << abi as u8).sum(),
    });
    for (index, insn) in program.iter().enumerate() {
        let Some(here) = all[index] else {
            continue;
        };
        let mut flow = |distance: usize, known: Known| {
            if let Some(target) = all.get_mut(index + 1 + distance) {
                *target = Some(target.map_or(known, |other| Known {
                    word: other.word.filter(|&word| known.word == Some(word)),
                    abis: other.abis | known.abis,
                }));
            }
        };
        match insn.code {
            cbpf::RET_K | cbpf::RET_A => {}
            cbpf::JA => flow(insn.k as usize, here),
            code if is_conditional(code) => {
                let tested = match Abi::from_arch(insn.k) {
                    Some(abi) if code == cbpf::JEQ && here.word == Some(cbpf::DATA_ARCH) => {
                        1 << abi as u8
                    }
                    _ => 0,
                };
                let with = |abis| Known { abis, ..here };
                let abis = here.abis;
                flow(
                    insn.jt.into(),
                    with(if tested == 0 { abis } else { tested }),
                );
                flow(insn.jf.into(), with(abis & !tested));
            }
            cbpf::LD_ABS => flow(
                0,
                Known {
                    word: Some(insn.k),
                    ..here
                },
            ),
            cbpf::ST | cbpf::STX | cbpf::TAX | cbpf::LDX_IMM | cbpf::LDX_LEN | cbpf::LDX_MEM => {
                flow(0, here);
            }
            _ => flow(0, Known { word: None, ..here }),
        }
    }
    all.into_iter().map(Option::unwrap_or_default).collect()
}

fn is_conditional(code: u16) -> bool {
    matches!(
        code & !cbpf::SRC_X,
        cbpf::JEQ | cbpf::JGT | cbpf::JGE | cbpf::JSET
    )
}

/// An instruction in the manner of the kernel's `bpf_asm`, with absolute targets of jumps.
fn instruction(index: usize, insn: &Insn) -> String {
    let Insn { code, jt, jf, k } = *insn;
    let operand = match code & cbpf::SRC_X {
        0 => format!("#{k:#x}"),
        _ => "x".into(),
    };
    let target = |distance: usize| index + 1 + distance;
    let arithmetic = |name: &str| format!("{name} {operand}");
    match code {
        cbpf::LD_ABS => format!("ld [{k}]"),
        cbpf::LD_IMM => format!("ld #{k:#x}"),
        cbpf::LDX_IMM => format!("ldx #{k:#x}"),
        cbpf::LD_LEN => "ld len".into(),
        cbpf::LDX_LEN => "ldx len".into(),
        cbpf::LD_MEM => format!("ld M[{k}]"),
        cbpf::LDX_MEM => format!("ldx M[{k}]"),
        cbpf::ST => format!("st M[{k}]"),
        cbpf::STX => format!("stx M[{k}]"),
        cbpf::TAX => "tax".into(),
        cbpf::TXA => "txa".into(),
        cbpf::NEG => "neg".into(),
        cbpf::JA => format!("ja {}", target(k as usize)),
        cbpf::RET_K => format!("ret #{k:#x}"),
        cbpf::RET_A => "ret a".into(),
        _ => match code & !cbpf::SRC_X {
            cbpf::ADD => arithmetic("add"),
            cbpf::SUB => arithmetic("sub"),
            cbpf::MUL => arithmetic("mul"),
            cbpf::DIV => arithmetic("div"),
            cbpf::OR => arithmetic("or"),
            cbpf::AND => arithmetic("and"),
            cbpf::LSH => arithmetic("lsh"),
            cbpf::RSH => arithmetic("rsh"),
            cbpf::XOR => arithmetic("xor"),
            other => {
                let name = match other {
                    cbpf::JEQ => "jeq",
                    cbpf::JGT => "jgt",
                    cbpf::JGE => "jge",
                    cbpf::JSET => "jset",
                    _ => return format!("code {code:#06x} {jt} {jf} {k:#x}"),
                };
                let (jt, jf) = (target(jt.into()), target(jf.into()));
                format!("{name} {operand}, {jt}, {jf}")
            }
        },
    }
}
