// SPDX-License-Identifier: GPL-2.0

//! Makes a program of a decision.
//!
//! Decisions become operations that know what the accumulator holds, so that a word is loaded only
//! where it is not there yet, and equal operations become one. They are written from the last to the
//! first: what an operation leads to is there when it is written.

use crate::{
    cbpf::{self, Insn},
    decision::{Comparison, Decision, Graph, Id},
};
use std::collections::HashMap;

/// The longest filter, `BPF_MAXINSNS`.
pub(crate) const MAX: usize = 4096;

/// What the accumulator holds: the bits in a mask of a word.
type Accumulator = Option<(u32, u32)>;

/// An operation, with the indices of those that come after it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Load {
        word: u32,
        next: usize,
    },
    And {
        mask: u32,
        next: usize,
    },
    Jump {
        code: u16,
        k: u32,
        yes: usize,
        no: usize,
    },
    Return(u32),
}

/// The operations of a decision.
struct Lowering<'a> {
    graph: &'a Graph,
    operations: Vec<Operation>,
    indices: HashMap<Operation, usize>,
    done: HashMap<(Id, Accumulator), usize>,
}

impl Lowering<'_> {
    fn new(graph: &Graph) -> Lowering<'_> {
        Lowering {
            graph,
            operations: Vec::new(),
            indices: HashMap::new(),
            done: HashMap::new(),
        }
    }

    fn lower(&mut self, id: Id, accumulator: Accumulator) -> usize {
        let (test, yes, no) = match self.graph.get(id) {
            Decision::Action(action) => return self.add(Operation::Return(action.0)),
            Decision::Test { test, yes, no } => (test, yes, no),
        };
        if let Some(&done) = self.done.get(&(id, accumulator)) {
            return done;
        }
        let (code, k, mask) = match test.comparison {
            Comparison::Equal(k) => (cbpf::JEQ, k, test.mask),
            Comparison::GreaterOrEqual(k) => (cbpf::JGE, k, test.mask),
            Comparison::AnyBit => (cbpf::JSET, test.mask, u32::MAX),
        };
        let wanted = Some((test.word, mask));
        let whole = Some((test.word, u32::MAX));
        let index = if accumulator == wanted {
            let yes = self.lower(yes, wanted);
            let no = self.lower(no, wanted);
            self.add(Operation::Jump { code, k, yes, no })
        } else if accumulator == whole {
            let next = self.lower(id, wanted);
            self.add(Operation::And { mask, next })
        } else {
            let next = self.lower(id, whole);
            let word = test.word;
            self.add(Operation::Load { word, next })
        };
        self.done.insert((id, accumulator), index);
        index
    }

    fn add(&mut self, operation: Operation) -> usize {
        let next = self.operations.len();
        let index = *self.indices.entry(operation).or_insert(next);
        if index == next {
            self.operations.push(operation);
        }
        index
    }
}

/// Which of the two ways out of a jump is written first, and so is farther away.
#[derive(Clone, Copy)]
enum First {
    Yes,
    No,
}

/// A program from its end.
struct Writer<'a> {
    operations: &'a [Operation],
    first: First,
    /// For each operation the one that has to lie in front of it.
    leader: Vec<Option<usize>>,
    /// Where each operation is, counted from the end, and the nearest place that does the same.
    written: Vec<Option<Place>>,
    reversed: Vec<Insn>,
}

#[derive(Clone, Copy)]
struct Place {
    home: usize,
    nearest: usize,
}

impl Writer<'_> {
    fn new(operations: &[Operation], first: First) -> Writer<'_> {
        let mut leader = vec![None; operations.len()];
        for (index, operation) in operations.iter().enumerate() {
            if let Operation::Load { next, .. } | Operation::And { next, .. } = *operation {
                leader[next] = Some(index);
            }
        }
        Writer {
            operations,
            first,
            leader,
            written: vec![None; operations.len()],
            reversed: Vec::new(),
        }
    }

    fn write(&mut self, index: usize) {
        if self.written[index].is_some() {
            return;
        }
        match self.operations[index] {
            Operation::Return(k) => self.push(cbpf::RET_K, 0, 0, k),
            Operation::Load { word, next } => {
                self.write(next);
                if self.written[index].is_some() {
                    return;
                }
                self.continue_with(next);
                self.push(cbpf::LD_ABS, 0, 0, word);
            }
            Operation::And { mask, next } => {
                self.write(next);
                if self.written[index].is_some() {
                    return;
                }
                self.continue_with(next);
                self.push(cbpf::AND, 0, 0, mask);
            }
            Operation::Jump { yes, no, .. } => {
                let (far, near) = match self.first {
                    First::Yes => (yes, no),
                    First::No => (no, yes),
                };
                self.write(far);
                self.write(near);
                self.jump(index);
            }
        }
        let last = self.reversed.len() - 1;
        self.written[index] = Some(Place {
            home: last,
            nearest: last,
        });
        if let Some(leader) = self.leader[index] {
            self.write(leader);
        }
    }

    /// Sees to it that what is written next goes on with an operation.
    fn continue_with(&mut self, next: usize) {
        if self.place(next).nearest + 1 == self.reversed.len() {
            return;
        }
        match self.operations[next] {
            Operation::Jump { .. } => self.jump(next),
            _ => self.jump_far(next),
        }
    }

    /// Writes a conditional jump.
    fn jump(&mut self, index: usize) {
        let Operation::Jump { code, k, yes, no } = self.operations[index] else {
            unreachable!("only jumps are jumps");
        };
        loop {
            let distance = |target: usize| self.reversed.len() - 1 - self.place(target).nearest;
            match (u8::try_from(distance(yes)), u8::try_from(distance(no))) {
                (Ok(jt), Ok(jf)) => return self.push(code, jt, jf, k),
                (Err(_), _) => self.bring_near(yes),
                (_, Err(_)) => self.bring_near(no),
            }
        }
    }

    /// Writes something that does the same as an operation far away.
    fn bring_near(&mut self, target: usize) {
        match self.operations[target] {
            Operation::Return(k) => self.push(cbpf::RET_K, 0, 0, k),
            _ => self.jump_far(target),
        }
        let nearest = self.reversed.len() - 1;
        if let Some(place) = &mut self.written[target] {
            place.nearest = nearest;
        }
    }

    fn jump_far(&mut self, target: usize) {
        let distance = self.reversed.len() - 1 - self.place(target).home;
        self.push(cbpf::JA, 0, 0, distance as u32);
    }

    fn place(&self, index: usize) -> Place {
        self.written[index].expect("what comes later is written first")
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) {
        self.reversed.push(Insn { code, jt, jf, k });
    }
}

/// The number of operations of some decisions; more than any filter has if there is too much to
/// follow.
pub(crate) fn length(graph: &Graph, ids: &[Id]) -> usize {
    let mut lowering = Lowering::new(graph);
    for &id in ids {
        if graph.reachable(id, MAX).len() > MAX {
            return usize::MAX;
        }
        lowering.lower(id, None);
    }
    lowering.operations.len()
}

/// The shortest program that is found for a decision; [`None`] if it would be too long for a filter.
pub(crate) fn assemble(graph: &Graph, id: Id) -> Option<Vec<Insn>> {
    if graph.reachable(id, MAX).len() > MAX {
        return None;
    }
    let mut lowering = Lowering::new(graph);
    let entry = lowering.lower(id, None);
    let programs = [First::Yes, First::No].map(|first| {
        let mut writer = Writer::new(&lowering.operations, first);
        writer.write(entry);
        writer.reversed.reverse();
        writer.reversed
    });
    programs
        .into_iter()
        .min_by_key(Vec::len)
        .filter(|program| program.len() <= MAX)
}
