// SPDX-License-Identifier: GPL-2.0

//! Says what a filter does with the calls that have structs.

use crate::{
    architecture::Architecture,
    cbpf::Insn,
    decision::{Decision, Graph, Id},
    field::{self, Struct},
    residue::residue,
    simplify::{simplify, Memory},
    syscall,
    table::CALLS,
    wording,
};
use std::fmt::Write;

/// No more lines than this are written of one call.
const LINES: usize = 200;

/// What the filter, which the kernel and the module take, does with each call, where `wanted` is
/// empty or has its name.
pub(crate) fn explain(program: &[Insn], wanted: &[String]) -> String {
    let mut text = String::new();
    for call in &CALLS {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == call.name) {
            continue;
        }
        // ABIs with the same answer are told together.
        let mut answers: Vec<(Vec<String>, String)> = Vec::new();
        for architecture in Architecture::ALL {
            let Some(nr) = syscall::nr(architecture, call.name) else {
                continue;
            };
            let structure = architecture
                .abi()
                .and_then(|_| field::structure(call.structure));
            let answer = answer(program, architecture.arch(), nr, structure);
            let name = architecture.to_string();
            match answers.iter_mut().find(|(_, other)| *other == answer) {
                Some((names, _)) => names.push(name),
                None => answers.push((vec![name], answer)),
            }
        }
        for (names, answer) in answers {
            let _ = writeln!(text, "{} ({})\n{answer}", call.name, names.join(", "));
        }
    }
    text
}

fn answer(program: &[Insn], arch: u32, nr: u32, structure: Option<&Struct>) -> String {
    let mut residue = residue(program, arch, nr);
    let Some(entry) = residue.entry else {
        return "  too much to tell: see disasm\n".into();
    };
    let entry = simplify(&mut residue.graph, entry, Memory::Long).unwrap_or(entry);
    let mut lines = Vec::new();
    describe(&residue.graph, entry, structure, 1, &mut lines);
    if lines.len() > LINES {
        lines.truncate(LINES);
        lines.push("  and more: see disasm".into());
    }
    lines.join("\n") + "\n"
}

/// Writes a decision as conditions that end in an action, one after the other, and others in
/// blocks.
fn describe(
    graph: &Graph,
    mut id: Id,
    structure: Option<&Struct>,
    depth: usize,
    lines: &mut Vec<String>,
) {
    let indent = "  ".repeat(depth);
    loop {
        let (test, yes, no) = match graph.get(id) {
            Decision::Action(action) => {
                lines.push(format!("{indent}{action}"));
                return;
            }
            Decision::Test { test, yes, no } => (test, yes, no),
        };
        let (outcome, branch, rest) = match (graph.get(yes), graph.get(no)) {
            (Decision::Action(_), _) => (true, yes, no),
            (_, Decision::Action(_)) => (false, no, yes),
            _ => (true, yes, no),
        };
        let condition = wording::test(test, outcome, structure);
        match graph.get(branch) {
            Decision::Action(action) => {
                lines.push(format!("{indent}{action} if {condition}"));
            }
            Decision::Test { .. } => {
                lines.push(format!("{indent}if {condition}"));
                describe(graph, branch, structure, depth + 1, lines);
            }
        }
        if lines.len() > LINES {
            return;
        }
        id = rest;
    }
}
