// SPDX-License-Identifier: GPL-2.0

//! What is left of a filter once the system call is known: the decision that it makes about the
//! call's arguments and struct.

use crate::{
    action::Action,
    cbpf::{self, Insn},
    decision::{Graph, Id, Test},
    layout, machine,
};
use std::collections::{BTreeSet, HashMap};

/// As many tests are followed.
const WORK: usize = 1 << 13;

/// A test whose operands are no words of the data: this, and the index of the instruction, in place
/// of the offset of a word.
pub(crate) const OPAQUE: u32 = 1 << 31;

/// What a register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Value {
    Constant(u32),
    /// The bits in `mask` of the word at this offset.
    Word {
        offset: u32,
        mask: u32,
    },
    Unknown,
}

/// Where a filter is, and what it has there.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    index: usize,
    a: Value,
    x: Value,
    memory: [Value; cbpf::MEMORY_WORDS],
}

impl State {
    /// The state behind a jump.
    fn after(mut self, distance: u8) -> Self {
        self.index += 1 + usize::from(distance);
        self
    }
}

/// What a filter does with a call.
pub(crate) struct Residue {
    pub(crate) graph: Graph,
    /// The decision, unless it would be too much to follow all ways.
    pub(crate) entry: Option<Id>,
    /// The instructions that the call can come to.
    pub(crate) reached: BTreeSet<usize>,
}

struct Walk<'a> {
    program: &'a [Insn],
    arch: u32,
    nr: u32,
    residue: Residue,
    done: HashMap<State, Id>,
    tests: usize,
}

/// Follows a filter that the kernel takes.
pub(crate) fn residue(program: &[Insn], arch: u32, nr: u32) -> Residue {
    let mut walk = Walk {
        program,
        arch,
        nr,
        residue: Residue {
            graph: Graph::default(),
            entry: None,
            reached: BTreeSet::new(),
        },
        done: HashMap::new(),
        tests: 0,
    };
    walk.residue.entry = walk.follow(State {
        index: 0,
        a: Value::Constant(0),
        x: Value::Constant(0),
        memory: [Value::Unknown; cbpf::MEMORY_WORDS],
    });
    walk.residue
}

impl Walk<'_> {
    fn follow(&mut self, start: State) -> Option<Id> {
        let mut state = start;
        loop {
            let Insn { code, jt, jf, k } = self.program[state.index];
            self.residue.reached.insert(state.index);
            match code {
                cbpf::RET_K => return Some(self.residue.graph.action(Action(k))),
                cbpf::RET_A => {
                    return match state.a {
                        Value::Constant(action) => Some(self.residue.graph.action(Action(action))),
                        _ => None,
                    }
                }
                cbpf::JA => state.index += k as usize,
                _ if matches!(
                    code & !cbpf::SRC_X,
                    cbpf::JEQ | cbpf::JGT | cbpf::JGE | cbpf::JSET
                ) =>
                {
                    match self.test(&state) {
                        Outcome::Known(true) => state.index += usize::from(jt),
                        Outcome::Known(false) => state.index += usize::from(jf),
                        Outcome::Test(test, taken) => {
                            if let Some(&done) = self.done.get(&state) {
                                return Some(done);
                            }
                            self.tests += 1;
                            if self.tests > WORK {
                                return None;
                            }
                            let yes = self.follow(state.after(jt));
                            let no = self.follow(state.after(jf));
                            let (yes, no) = if taken { (yes?, no?) } else { (no?, yes?) };
                            let id = self.residue.graph.test(test, yes, no);
                            self.done.insert(state, id);
                            return Some(id);
                        }
                    }
                }
                _ => {
                    if !self.step(&mut state) {
                        return Some(self.residue.graph.action(Action(0)));
                    }
                }
            }
            state.index += 1;
        }
    }

    /// Runs an instruction that does not jump. Returns whether the filter goes on.
    fn step(&self, state: &mut State) -> bool {
        let Insn { code, k, .. } = self.program[state.index];
        let operand = match code & cbpf::SRC_X {
            0 => Value::Constant(k),
            _ => state.x,
        };
        let slot = k as usize;
        match code {
            cbpf::LD_ABS => {
                state.a = match k {
                    cbpf::DATA_NR => Value::Constant(self.nr),
                    cbpf::DATA_ARCH => Value::Constant(self.arch),
                    offset => Value::Word {
                        offset,
                        mask: u32::MAX,
                    },
                }
            }
            cbpf::LD_IMM => state.a = Value::Constant(k),
            cbpf::LDX_IMM => state.x = Value::Constant(k),
            cbpf::LD_LEN => state.a = Value::Constant(layout::DATA_SIZE),
            cbpf::LDX_LEN => state.x = Value::Constant(layout::DATA_SIZE),
            cbpf::LD_MEM => state.a = state.memory[slot],
            cbpf::LDX_MEM => state.x = state.memory[slot],
            cbpf::ST => state.memory[slot] = state.a,
            cbpf::STX => state.memory[slot] = state.x,
            cbpf::TAX => state.x = state.a,
            cbpf::TXA => state.a = state.x,
            _ => {
                let (operation, a, operand) = match code {
                    cbpf::NEG => (cbpf::SUB, Value::Constant(0), state.a),
                    _ => (code & !cbpf::SRC_X, state.a, operand),
                };
                state.a = match (operation, a, operand) {
                    (_, Value::Constant(a), Value::Constant(b)) => {
                        match machine::compute(operation, a, b) {
                            Some(result) => Value::Constant(result),
                            None => return false,
                        }
                    }
                    (cbpf::DIV, _, Value::Constant(0)) => return false,
                    (cbpf::AND, Value::Word { offset, mask }, Value::Constant(k))
                    | (cbpf::AND, Value::Constant(k), Value::Word { offset, mask }) => {
                        Value::Word {
                            offset,
                            mask: mask & k,
                        }
                    }
                    _ => Value::Unknown,
                };
            }
        }
        true
    }

    fn test(&self, state: &State) -> Outcome {
        let Insn { code, k, .. } = self.program[state.index];
        let operand = match code & cbpf::SRC_X {
            0 => Value::Constant(k),
            _ => state.x,
        };
        let code = code & !cbpf::SRC_X;
        let (offset, mask, k) = match (state.a, operand) {
            (Value::Constant(a), Value::Constant(b)) => {
                return Outcome::Known(match code {
                    cbpf::JEQ => a == b,
                    cbpf::JGT => a > b,
                    cbpf::JGE => a >= b,
                    _ => a & b != 0,
                })
            }
            (Value::Word { offset, mask }, Value::Constant(k)) => (offset, mask, k),
            _ => {
                let test = Test::equal(OPAQUE | state.index as u32, u32::MAX, 1);
                return Outcome::Test(test, true);
            }
        };
        match code {
            cbpf::JEQ => Outcome::Test(Test::equal(offset, mask, k), true),
            cbpf::JGE => Outcome::Test(Test::at_least(offset, mask, k), true),
            cbpf::JGT => match k.checked_add(1) {
                Some(k) => Outcome::Test(Test::at_least(offset, mask, k), true),
                None => Outcome::Known(false),
            },
            _ if mask & k == 0 => Outcome::Known(false),
            _ => Outcome::Test(Test::equal(offset, mask & k, 0), false),
        }
    }
}

enum Outcome {
    Known(bool),
    /// A test, and how it comes out when the jump is taken.
    Test(Test, bool),
}
