// SPDX-License-Identifier: GPL-2.0

//! Leaves out the tests whose outcome follows from earlier ones.

use crate::{
    assemble,
    decision::{Comparison, Decision, Graph, Id},
    fact::{Compared, Fact},
};
use std::collections::{BTreeMap, HashMap};

/// More decisions than this are left as they are.
const LIMIT: usize = 2 * assemble::MAX;

/// With as many, it is also tried whether it matters how a test comes out.
const FEW: usize = 300;

/// Decisions may come to differ by the way that leads to them; not more than this.
const WORK: usize = 4 * LIMIT;

/// What is remembered of the tests that were made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// All of them. The same decision may have to be there for each way that leads to it.
    Long,
    /// Those of the value that is tested now, of one word or of two.
    Short,
}

type Facts = BTreeMap<u32, Fact>;

struct Simplifier<'a> {
    graph: &'a mut Graph,
    memory: Memory,
    is_small: bool,
    done: HashMap<(Id, Facts), Id>,
    /// For each word the first decision that tests it, and the first for each value. A decision leads
    /// to ones that were there before it.
    words: HashMap<u32, Id>,
    values: HashMap<(u32, Compared), Id>,
}

/// A decision like this one without tests whose outcome is known; or [`None`] if there is too much
/// to do.
pub(crate) fn simplify(graph: &mut Graph, id: Id, memory: Memory) -> Option<Id> {
    let mut reachable = graph.reachable(id, LIMIT);
    if reachable.len() > LIMIT {
        return None;
    }
    let mut simplifier = Simplifier {
        memory,
        is_small: reachable.len() <= FEW,
        done: HashMap::new(),
        words: HashMap::new(),
        values: HashMap::new(),
        graph,
    };
    reachable.sort_unstable();
    for id in reachable {
        if let Decision::Test { test, .. } = simplifier.graph.get(id) {
            simplifier.words.entry(test.word).or_insert(id);
            let value = match test.comparison {
                Comparison::Equal(value) => value,
                Comparison::AnyBit => 0,
                Comparison::GreaterOrEqual(_) => continue,
            };
            let key = (test.word, (test.mask, value));
            simplifier.values.entry(key).or_insert(id);
        }
    }
    simplifier.simplify(id, &Facts::new())
}

impl Simplifier<'_> {
    fn simplify(&mut self, id: Id, facts: &Facts) -> Option<Id> {
        let Decision::Test { test, yes, no } = self.graph.get(id) else {
            return Some(id);
        };
        let mut facts = self.relevant(id, facts);
        if self.memory == Memory::Short {
            facts.retain(|word, _| word / 8 == test.word / 8);
        }
        let key = (id, facts);
        if let Some(&done) = self.done.get(&key) {
            return Some(done);
        }
        if self.done.len() > WORK {
            return None;
        }
        let facts = &key.1;
        let fact = facts.get(&test.word).cloned().unwrap_or(Fact::NOTHING);
        let simple = match fact.outcome(test) {
            Some(true) => self.simplify(yes, facts)?,
            Some(false) => self.simplify(no, facts)?,
            None => {
                let with = |outcome| {
                    let mut facts = facts.clone();
                    facts.insert(test.word, fact.assume(test, outcome));
                    facts
                };
                let (with_yes, with_no) = (with(true), with(false));
                let simple_yes = self.simplify(yes, &with_yes)?;
                let simple_no = self.simplify(no, &with_no)?;
                // It does not matter how the test comes out, if one way decides like the other.
                if self.is_small && self.simplify(no, &with_yes)? == simple_yes {
                    self.simplify(no, facts)?
                } else if self.is_small && self.simplify(yes, &with_no)? == simple_no {
                    self.simplify(yes, facts)?
                } else {
                    self.graph.test(test, simple_yes, simple_no)
                }
            }
        };
        self.done.insert(key, simple);
        Some(simple)
    }

    /// What can matter for a decision, and for those that it leads to.
    fn relevant(&self, id: Id, facts: &Facts) -> Facts {
        let is_ahead = |first: Option<&Id>| first.is_some_and(|&first| first <= id);
        facts
            .iter()
            .filter(|(word, _)| is_ahead(self.words.get(word)))
            .map(|(&word, fact)| {
                let about = fact.about(|value| is_ahead(self.values.get(&(word, value))));
                (word, about)
            })
            .filter(|(_, fact)| *fact != Fact::NOTHING)
            .collect()
    }
}
