// SPDX-License-Identifier: GPL-2.0

//! Filters of libraries and programs, with a load of the struct put into the right branch, and into
//! wrong ones. See `corpus/README`.

use super::{
    asm::asm,
    judge,
    oracle::{self, State},
};
use crate::{
    cbpf::{self, Insn},
    layout,
    table::{Abi, CALLS},
    verify::Reason,
};
use std::collections::BTreeSet;

const LIBSECCOMP: &str = include_str!("../../corpus/libseccomp.txt");
const SYSTEMD: &str = include_str!("../../corpus/systemd.txt");
const CHROMIUM: &str = include_str!("../../corpus/chromium.txt");

/// A filter and its name.
type Named = (String, Vec<Insn>);

fn parse(corpus: &str) -> Vec<Named> {
    let mut filters: Vec<Named> = Vec::new();
    for line in corpus.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            filters.push((name.into(), Vec::new()));
            continue;
        }
        let number = |word: &str| match word.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).unwrap(),
            None => word.parse().unwrap(),
        };
        let [code, jt, jf, k]: [u32; 4] = line
            .split_whitespace()
            .map(number)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        filters.last_mut().unwrap().1.push(Insn {
            code: code as u16,
            jt: jt as u8,
            jf: jf as u8,
            k,
        });
    }
    filters
}

/// The way from the instruction at one index to that at another.
type Edge = (usize, usize);

/// An instruction that does not care where it lies: it names what comes next by their identities.
struct Node {
    insn: Insn,
    next: [usize; 2],
}

/// A filter that instructions can be put into.
struct Graph {
    nodes: Vec<Node>,
    /// The identities of the nodes, in the order in which they are written.
    order: Vec<usize>,
}

fn is_conditional(insn: &Insn) -> bool {
    matches!(
        insn.code & !cbpf::SRC_X,
        cbpf::JEQ | cbpf::JGT | cbpf::JGE | cbpf::JSET
    )
}

fn is_return(insn: &Insn) -> bool {
    matches!(insn.code, cbpf::RET_K | cbpf::RET_A)
}

/// The indices that come after the instruction at `index`.
fn successors(prog: &[Insn], index: usize) -> [usize; 2] {
    let insn = prog[index];
    let after = |distance: usize| index + 1 + distance;
    match insn.code {
        cbpf::JA => [after(insn.k as usize); 2],
        _ if is_conditional(&insn) => [after(insn.jt.into()), after(insn.jf.into())],
        _ => [after(0); 2],
    }
}

impl Graph {
    fn new(prog: &[Insn]) -> Self {
        let nodes = (0..prog.len())
            .map(|index| Node {
                insn: prog[index],
                next: successors(prog, index),
            })
            .collect();
        Self {
            nodes,
            order: (0..prog.len()).collect(),
        }
    }

    /// Adds `block` in front of `target`. The last instruction of the block goes on to the target,
    /// as do jumps of its own to one past its end.
    ///
    /// Returns the identity of its first instruction.
    fn add(&mut self, block: &[Insn], target: usize) -> usize {
        let first = self.nodes.len();
        for index in 0..block.len() {
            let next = successors(block, index).map(|next| match next < block.len() {
                true => first + next,
                false => target,
            });
            self.nodes.push(Node {
                insn: block[index],
                next,
            });
        }
        let at = self.order.iter().position(|&id| id == target).unwrap();
        self.order.splice(at..at, first..self.nodes.len());
        first
    }

    /// Leads the edge to `to` instead.
    fn lead(&mut self, edge: Edge, to: usize) {
        for next in &mut self.nodes[edge.0].next {
            if *next == edge.1 {
                *next = to;
            }
        }
    }

    /// Leads every edge to `from` to `to` instead, except those out of `to` and behind it.
    fn lead_all(&mut self, from: usize, to: usize) {
        for node in &mut self.nodes[..to] {
            for next in &mut node.next {
                if *next == from {
                    *next = to;
                }
            }
        }
    }

    /// Writes the filter. Jumps that got too far for eight bits become a jump to a `ja`.
    fn write(&self) -> Vec<Insn> {
        let mut lengths = vec![1; self.order.len()];
        loop {
            let mut position = vec![0; self.nodes.len()];
            let mut end = 0;
            for (&id, length) in self.order.iter().zip(&lengths) {
                position[id] = end;
                end += length;
            }
            let mut prog = Vec::new();
            let mut wanted = Vec::new();
            for (&id, &length) in self.order.iter().zip(&lengths) {
                let start = prog.len();
                self.write_node(id, length, &position, &mut prog);
                wanted.push((prog.len() - start).max(length));
            }
            if wanted == lengths {
                return prog;
            }
            lengths = wanted;
        }
    }

    fn write_node(&self, id: usize, length: usize, position: &[usize], prog: &mut Vec<Insn>) {
        let Node { insn, next } = &self.nodes[id];
        let at = position[id];
        // Distances may be nonsense while lengths are not settled.
        let distance = |from: usize, to: usize| position[to].saturating_sub(from + 1);
        let jump = |from, to| Insn {
            code: cbpf::JA,
            jt: 0,
            jf: 0,
            k: distance(from, to) as u32,
        };
        if is_return(insn) {
            prog.push(*insn);
        } else if is_conditional(insn) {
            let [jt, jf] = next.map(|to| u8::try_from(distance(at, to)));
            match (jt, jf) {
                (Ok(jt), Ok(jf)) if length == 1 => prog.push(Insn { jt, jf, ..*insn }),
                _ => {
                    prog.push(Insn {
                        jt: 0,
                        jf: 1,
                        ..*insn
                    });
                    prog.push(jump(at + 1, next[0]));
                    prog.push(jump(at + 2, next[1]));
                }
            }
        } else if insn.code == cbpf::JA {
            prog.push(jump(at, next[0]));
        } else {
            prog.push(*insn);
            if length > 1 || distance(at, next[0]) != 0 {
                prog.push(jump(at + 1, next[0]));
            }
        }
    }
}

/// The edges out of conditional jumps that a system call takes, as long as only its number and ABI
/// decide; each with the offset of the word that was loaded last.
fn edges(prog: &[Insn], abi: Abi, nr: u32) -> Vec<(Edge, u32)> {
    let mut edges = Vec::new();
    let mut word = None;
    let mut state = State::ENTRY;
    loop {
        let (index, insn) = (state.pc, &prog[state.pc]);
        let mut next = Vec::new();
        oracle::step(insn, state, abi, nr, &mut next);
        match (next.pop(), next.pop()) {
            (Some(only), None) => state = only,
            _ => return edges,
        }
        match (insn.code, word) {
            (cbpf::LD_ABS, _) => word = Some(insn.k),
            (_, Some(word)) if is_conditional(insn) => edges.push(((index, state.pc), word)),
            _ => {}
        }
    }
}

/// Numbers of system calls that filters could tell apart.
fn numbers() -> impl Iterator<Item = u32> {
    (0..1024)
        .chain(0x4000_0000..0x4000_0400)
        .chain([1 << 31, u32::MAX])
}

/// The few of them that the oracle tries with a finished filter.
fn samples() -> BTreeSet<u32> {
    let few = [
        0,
        1,
        56,
        59,
        272,
        319,
        1023,
        0x4000_01b3,
        0x4000_01b5,
        u32::MAX,
    ];
    let table = CALLS.iter().flat_map(|call| call.nr);
    table.flat_map(|nr| nr - 1..=nr + 1).chain(few).collect()
}

/// What the oracle says of a filter: `true` in place of the number where a call without a struct
/// comes to a load.
fn truth(prog: &[Insn]) -> (BTreeSet<(usize, usize)>, bool) {
    let mut inspected = BTreeSet::new();
    let mut wrong = false;
    for abi in Abi::ALL {
        for number in samples() {
            if oracle::loads_reached(prog, abi, number).is_empty() {
                continue;
            }
            match CALLS
                .iter()
                .position(|call| call.nr[abi as usize] == number)
            {
                Some(row) => {
                    inspected.insert((abi as usize, row));
                }
                None => wrong = true,
            }
        }
    }
    (inspected, wrong)
}

fn accepted(prog: &[Insn]) -> Option<BTreeSet<(usize, usize)>> {
    match judge(prog) {
        Ok(inspected) => Some(
            Abi::ALL
                .into_iter()
                .flat_map(|abi| (0..CALLS.len()).map(move |row| (abi, row)))
                .filter(|&(abi, row)| inspected.contains(abi, row))
                .map(|(abi, row)| (abi as usize, row))
                .collect(),
        ),
        Err(refusal) => {
            // Whatever else is wrong with a filter is no business of these tests.
            assert!(matches!(refusal.reason, Reason::NoStruct(..)));
            None
        }
    }
}

/// Inspects the flags: what a test adds to filters. Ends with `word` in A, as it was before.
fn inspection(word: u32) -> Vec<Insn> {
    asm(&format!(
        "ld ea+0; jset 0x7e020080 -> no else low; no: ret 0x50001
         low: ld ea+4; jset 0x20 -> no_high else out; no_high: ret 0x50001
         out: ld [{word}]"
    ))
}

/// The same for one number only, told by a range, as in a binary search.
fn inspection_of(number: u32, word: u32) -> Vec<Insn> {
    let mut block = asm("ld nr; jge 0; jge 0");
    block[1].k = number + 1;
    block[2].k = number;
    let rest = inspection(word);
    block[1].jt = rest.len() as u8;
    block[2].jf = rest.len() as u8 - 1;
    block.extend(rest);
    block
}

/// Puts loads into `prog`, for the call in `row`. Returns whether the filter itself already has a
/// branch for this call alone.
fn check(name: &str, prog: &[Insn], abi: Abi, row: usize) -> bool {
    let number = CALLS[row].nr[abi as usize];
    let Some(&(edge, word)) = edges(prog, abi, number).last() else {
        return false;
    };
    let also: BTreeSet<(usize, u32)> = Abi::ALL
        .into_iter()
        .flat_map(|abi| numbers().map(move |number| (abi, number)))
        .filter(|&(abi, number)| {
            edges(prog, abi, number)
                .iter()
                .any(|(other, _)| *other == edge)
        })
        .map(|(abi, number)| (abi as usize, number))
        .collect();
    let alone = also.iter().all(|&(_, other)| other == number);

    // In the right branch.
    let mut graph = Graph::new(prog);
    let block = match alone {
        true => inspection(word),
        false => inspection_of(number, word),
    };
    let first = graph.add(&block, edge.1);
    graph.lead(edge, first);
    let right = graph.write();
    let (inspected, wrong) = truth(&right);
    assert!(!wrong && inspected.contains(&(abi as usize, row)), "{name}");
    assert_eq!(accepted(&right), Some(inspected), "{name}");

    // In the same branch, which others take as well.
    if !alone {
        let mut graph = Graph::new(prog);
        let first = graph.add(&inspection(word), edge.1);
        graph.lead(edge, first);
        assert_eq!(accepted(&graph.write()), None, "{name}");
    }

    // Where the branches have met.
    let mut graph = Graph::new(prog);
    let first = graph.add(&inspection(word), edge.1);
    graph.lead_all(edge.1, first);
    let merged = graph.write();
    let (inspected, wrong) = truth(&merged);
    let expected = (!wrong).then_some(inspected);
    assert_eq!(accepted(&merged), expected, "{name}");

    // At the top.
    let mut graph = Graph::new(prog);
    graph.add(&inspection(layout::DATA_SIZE), 0);
    assert_eq!(accepted(&graph.write()), None, "{name}");
    alone
}

/// Checks all filters of a corpus; returns how often one has a branch for a call alone.
fn check_all(corpus: &str) -> usize {
    let mut alone = 0;
    for (name, prog) in parse(corpus) {
        assert_eq!(accepted(&prog), Some(BTreeSet::new()), "{name}");
        assert_eq!(Graph::new(&prog).write(), prog, "{name}");
        for abi in Abi::ALL {
            for row in 0..CALLS.len() {
                alone += usize::from(check(&name, &prog, abi, row));
            }
        }
    }
    alone
}

#[test]
fn libseccomp() {
    assert!(check_all(LIBSECCOMP) > 0);
}

#[test]
fn systemd() {
    assert!(check_all(SYSTEMD) > 0);
}

#[test]
fn chromium() {
    // Its compiler makes one branch of all neighbours that are treated alike.
    check_all(CHROMIUM);
}
