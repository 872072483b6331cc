// SPDX-License-Identifier: GPL-2.0

//! What earlier tests tell of a word.

use crate::decision::{Comparison, Test};
use std::collections::BTreeSet;

/// Bits of a word that were compared with a value: their mask, and the value.
pub(crate) type Compared = (u32, u32);

/// The values that a word can still have: those from `min` to `max` with some bits known, but for
/// some.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fact {
    min: u32,
    max: u32,
    zeros: u32,
    ones: u32,
    not: BTreeSet<Compared>,
}

impl Fact {
    pub(crate) const NOTHING: Fact = Fact {
        min: 0,
        max: u32::MAX,
        zeros: 0,
        ones: 0,
        not: BTreeSet::new(),
    };

    /// How a test of the word comes out, if that is known.
    pub(crate) fn outcome(&self, test: Test) -> Option<bool> {
        let Test {
            mask, comparison, ..
        } = test;
        let known = if self.min == self.max {
            u32::MAX
        } else {
            self.zeros | self.ones
        };
        if mask & !known == 0 {
            let value = if self.min == self.max {
                self.min & mask
            } else {
                self.ones & mask
            };
            return Some(match comparison {
                Comparison::Equal(k) => value == k,
                Comparison::GreaterOrEqual(k) => value >= k,
                Comparison::AnyBit => value != 0,
            });
        }
        match comparison {
            Comparison::Equal(k) if mask & (k & self.zeros | !k & self.ones) != 0 => Some(false),
            Comparison::Equal(k) if self.not.contains(&(mask, k)) => Some(false),
            Comparison::AnyBit if mask & self.ones != 0 => Some(true),
            Comparison::AnyBit if self.not.contains(&(mask, 0)) => Some(true),
            _ if mask != u32::MAX => None,
            Comparison::Equal(k) => (k < self.min || k > self.max).then_some(false),
            Comparison::GreaterOrEqual(k) if self.min >= k => Some(true),
            Comparison::GreaterOrEqual(k) if self.max < k => Some(false),
            _ => None,
        }
    }

    /// What is known once a test of the word has come out so.
    pub(crate) fn assume(&self, test: Test, outcome: bool) -> Fact {
        let mut fact = self.clone();
        let mask = test.mask;
        match (test.comparison, outcome) {
            (Comparison::Equal(k), true) => {
                fact.ones |= k;
                fact.zeros |= mask & !k;
                if mask == u32::MAX {
                    fact.min = k;
                    fact.max = k;
                }
            }
            (Comparison::Equal(k), false) => {
                fact.not.insert((mask, k));
            }
            (Comparison::GreaterOrEqual(k), true) if mask == u32::MAX => fact.min = fact.min.max(k),
            (Comparison::GreaterOrEqual(k), false) if mask == u32::MAX => {
                fact.max = fact.max.min(k.saturating_sub(1));
            }
            (Comparison::AnyBit, true) if mask.is_power_of_two() => fact.ones |= mask,
            (Comparison::AnyBit, true) => {
                fact.not.insert((mask, 0));
            }
            (Comparison::AnyBit, false) => fact.zeros |= mask,
            _ => {}
        }
        // An outcome that cannot be leaves nothing, and then nothing matters.
        while fact.min < fact.max && fact.not.contains(&(u32::MAX, fact.min)) {
            fact.min += 1;
        }
        while fact.min < fact.max && fact.not.contains(&(u32::MAX, fact.max)) {
            fact.max -= 1;
        }
        fact
    }

    /// Without the values that it is known not to have, but for those that matter.
    pub(crate) fn about(&self, matters: impl Fn(Compared) -> bool) -> Fact {
        let not = self.not.iter().copied();
        Fact {
            not: not.filter(|&value| matters(value)).collect(),
            ..self.clone()
        }
    }
}
