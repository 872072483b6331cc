// SPDX-License-Identifier: GPL-2.0

//! The search for a system call by its number.
//!
//! It is as flat as it can be without more tests than one for each number that is not decided like
//! the rest: so many has a list, which is what libseccomp writes.

use crate::{
    cbpf,
    decision::{Graph, Id, Test},
};
/// Numbers that are decided alike.
#[derive(Clone, Copy)]
struct Range {
    first: u32,
    last: u32,
    decision: Id,
}

/// A decision by number: `calls` has the first and the last number of ranges in their order, and
/// what lies between them gets `rest`.
pub(crate) fn search(
    graph: &mut Graph,
    calls: impl IntoIterator<Item = (u32, u32, Id)>,
    rest: Id,
) -> Id {
    let mut ranges: Vec<Range> = Vec::new();
    let mut add = |first, last, decision| match ranges.last_mut() {
        Some(range) if range.decision == decision => range.last = last,
        _ => ranges.push(Range {
            first,
            last,
            decision,
        }),
    };
    let (mut next, mut most) = (Some(0), 0);
    for (first, last, decision) in calls {
        if let Some(next) = next.filter(|&next| next < first) {
            add(next, first - 1, rest);
        }
        add(first, last, decision);
        most += match decision {
            _ if decision == rest => 0,
            _ if first == last => 1,
            _ => 2,
        };
        next = last.checked_add(1);
    }
    if let Some(next) = next {
        add(next, u32::MAX, rest);
    }
    decide(graph, &ranges, most)
}

/// How to decide about neighbouring ranges.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Plan {
    /// The number of tests, and how many of them are made one after the other at most.
    tests: usize,
    depth: usize,
    step: Step,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// All that is not decided like this range are single numbers, which are tried by themselves.
    Try(usize),
    /// The ranges from this one on are parted from those before it.
    Split(usize),
}

/// Plans for neighbouring ranges.
struct Plans {
    count: usize,
    /// By the first range and the last, one row after the other.
    plans: Vec<Plan>,
}

/// The first limit of how many numbers are tried one after the other.
const FEW: usize = 3;

impl Plans {
    /// Plans of the fewest tests, and of these the flattest.
    fn new(ranges: &[Range], limit: usize) -> Plans {
        let count = ranges.len();
        let none = Plan {
            tests: 0,
            depth: 0,
            step: Step::Try(0),
        };
        let mut plans = Plans {
            count,
            plans: vec![none; count * count],
        };
        for length in 2..=count {
            for start in 0..=count - length {
                let end = start + length;
                let tries = Plan::of_tries(&ranges[start..end], limit);
                let splits = (start + 1..end).map(|middle| {
                    let (low, high) = (plans.get(start, middle), plans.get(middle, end));
                    Plan {
                        tests: low.tests + high.tests + 1,
                        depth: low.depth.max(high.depth) + 1,
                        step: Step::Split(middle),
                    }
                });
                if let Some(plan) = tries.into_iter().chain(splits).min() {
                    plans.plans[start * count + end - 1] = plan;
                }
            }
        }
        plans
    }

    /// The plan for the ranges from `start` to the one in front of `end`.
    fn get(&self, start: usize, end: usize) -> Plan {
        self.plans[start * self.count + end - 1]
    }

    fn follow(&self, graph: &mut Graph, ranges: &[Range], start: usize, end: usize) -> Id {
        match self.get(start, end).step {
            Step::Try(rest) => {
                let rest = ranges[start + rest].decision;
                let others = ranges[start..end].iter().rev();
                let others = others.filter(|range| range.decision != rest);
                others.fold(rest, |no, range| {
                    let test = Test::equal(cbpf::DATA_NR, u32::MAX, range.first);
                    graph.test(test, range.decision, no)
                })
            }
            Step::Split(middle) => {
                let low = self.follow(graph, ranges, start, middle);
                let high = self.follow(graph, ranges, middle, end);
                let first = ranges[middle].first;
                let test = Test::at_least(cbpf::DATA_NR, u32::MAX, first);
                graph.test(test, high, low)
            }
        }
    }
}

impl Plan {
    /// A plan to try single numbers one after the other, `limit` of them at most.
    fn of_tries(ranges: &[Range], limit: usize) -> Option<Plan> {
        // Neighbours are decided differently.
        if ranges.len() / 2 > limit {
            return None;
        }
        let is_single = |range: &Range| range.first == range.last;
        let rest = ranges
            .iter()
            .position(|range| !is_single(range))
            .unwrap_or(0);
        let others = ranges
            .iter()
            .filter(|range| range.decision != ranges[rest].decision);
        let tests = others.clone().count();
        (tests <= limit && others.into_iter().all(is_single)).then_some(Plan {
            tests,
            depth: tests,
            step: Step::Try(rest),
        })
    }
}

fn decide(graph: &mut Graph, ranges: &[Range], most: usize) -> Id {
    let mut limit = FEW;
    let plans = loop {
        let plans = Plans::new(ranges, limit);
        if plans.get(0, ranges.len()).tests <= most || limit >= ranges.len() {
            break plans;
        }
        limit *= 2;
    };
    plans.follow(graph, ranges, 0, ranges.len())
}
