// SPDX-License-Identifier: GPL-2.0

//! Decisions about a call: tests of words of the filter's data that lead to actions.
//!
//! They form a graph without cycles in which nothing is there twice.

use crate::action::Action;
use std::collections::HashMap;

/// A decision in a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(u32);

/// A test of the bits in `mask` of the word at the offset `word`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Test {
    pub(crate) word: u32,
    pub(crate) mask: u32,
    pub(crate) comparison: Comparison,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Comparison {
    Equal(u32),
    GreaterOrEqual(u32),
    /// Any of the bits in the mask is set.
    AnyBit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Decision {
    Action(Action),
    Test { test: Test, yes: Id, no: Id },
}

#[derive(Debug, Default)]
pub(crate) struct Graph {
    decisions: Vec<Decision>,
    ids: HashMap<Decision, Id>,
}

impl Test {
    pub(crate) fn equal(word: u32, mask: u32, value: u32) -> Test {
        Test {
            word,
            mask,
            comparison: Comparison::Equal(value),
        }
    }

    pub(crate) fn at_least(word: u32, mask: u32, value: u32) -> Test {
        Test {
            word,
            mask,
            comparison: Comparison::GreaterOrEqual(value),
        }
    }

    fn any_bit(word: u32, mask: u32) -> Test {
        Test {
            word,
            mask,
            comparison: Comparison::AnyBit,
        }
    }
}

impl Graph {
    pub(crate) fn get(&self, id: Id) -> Decision {
        self.decisions[id.0 as usize]
    }

    /// Whether it is one, and no action.
    pub(crate) fn is_test(&self, id: Id) -> bool {
        matches!(self.get(id), Decision::Test { .. })
    }

    pub(crate) fn action(&mut self, action: Action) -> Id {
        self.add(Decision::Action(action))
    }

    /// A decision that goes on to `yes` or to `no`. It need not be this very test.
    pub(crate) fn test(&mut self, test: Test, yes: Id, no: Id) -> Id {
        if yes == no {
            return yes;
        }
        let Test {
            word,
            mask,
            comparison,
        } = test;
        match comparison {
            Comparison::Equal(value) if value & !mask != 0 => no,
            Comparison::Equal(_) if mask == 0 => yes,
            Comparison::Equal(0) if mask != u32::MAX => {
                self.test(Test::any_bit(word, mask), no, yes)
            }
            Comparison::Equal(_) if mask.is_power_of_two() => {
                self.test(Test::any_bit(word, mask), yes, no)
            }
            Comparison::GreaterOrEqual(0) => yes,
            Comparison::GreaterOrEqual(value) if value > mask => no,
            Comparison::AnyBit => self.test_bits(word, mask, yes, no),
            _ => self.add(Decision::Test { test, yes, no }),
        }
    }

    /// One test does for two of any bits of the same word, one after the other.
    fn test_bits(&mut self, word: u32, mask: u32, yes: Id, no: Id) -> Id {
        let (mask, no) = match self.get(no) {
            Decision::Test {
                test:
                    Test {
                        word: other,
                        mask: more,
                        comparison: Comparison::AnyBit,
                    },
                yes: target,
                no: rest,
            } if other == word && target == yes => (mask | more, rest),
            _ => (mask, no),
        };
        self.add(Decision::Test {
            test: Test::any_bit(word, mask),
            yes,
            no,
        })
    }

    fn add(&mut self, decision: Decision) -> Id {
        let next = Id(self.decisions.len() as u32);
        let id = *self.ids.entry(decision).or_insert(next);
        if id == next {
            self.decisions.push(decision);
        }
        id
    }

    /// All decisions that `id` can lead to, itself among them; up to `limit` of them.
    pub(crate) fn reachable(&self, id: Id, limit: usize) -> Vec<Id> {
        let mut seen = vec![false; self.decisions.len()];
        let mut found = vec![id];
        let mut next = 0;

        seen[id.0 as usize] = true;
        while let Some(&id) = found.get(next) {
            if found.len() > limit {
                break;
            }
            if let Decision::Test { yes, no, .. } = self.get(id) {
                for id in [yes, no] {
                    if !std::mem::replace(&mut seen[id.0 as usize], true) {
                        found.push(id);
                    }
                }
            }
            next += 1;
        }
        found
    }
}
