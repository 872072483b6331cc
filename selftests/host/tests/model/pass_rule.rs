// SPDX-License-Identifier: GPL-2.0

//! The pass rule: two threads attach filters to themselves and to each other, and one of them makes
//! system calls, with a tracer that changes them and an attacker who rewrites the struct.
//!
//! A cache belongs to one thread, and so the calls of one are enough.

use crate::{
    pass::Pass,
    search::{explore, Broken, Model},
};
use std::hash::{Hash, Hasher};

/// System calls, as `(arch, nr)`: the second differs from the first in `nr`, the third in `arch`.
const CALLS: [(u32, u32); 3] = [(0xc000_003e, 435), (0xc000_003e, 437), (0x4000_0003, 435)];

/// Which of [`CALLS`] a filter may inspect, as bits.
const INSPECTED: [u8; 3] = [0b001, 0b111, 0b010];

/// The thread that makes the calls, and the one that only attaches filters.
const CALLER: usize = 0;
const THREADS: usize = 2;

const FILTERS: usize = 4;

/// When a filter gets its number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbered {
    /// As `filter::attach()` does it.
    AtAttach,
    AtCreation,
}

/// Which numbers are of the same pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// As [`Pass::next`] does it.
    Smaller,
    SmallerOrSame,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Filter {
    number: u64,
    inspects: u8,
}

/// The copy in the cache.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Copy {
    value: bool,
    /// Whether it was fetched in the pass that runs now or ran last.
    of_this_pass: bool,
}

/// The system call that the thread is in.
#[derive(Clone, PartialEq, Eq, Hash)]
struct InCall {
    call: usize,
    /// The filters that this pass has yet to run, the next one last: `seccomp_run_filters()` looks
    /// at the head of the chain once.
    left: Vec<Filter>,
    /// What the filters of this pass judged.
    judged: Option<bool>,
    /// The tracer had its say.
    traced: bool,
}

/// What the cache knows of the pass.
#[derive(Clone, PartialEq, Eq, Default)]
struct Known(Option<Pass>);

impl Hash for Known {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        // The kernel has no use for a hash of the rest.
        self.0.is_some().hash(hasher);
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct State {
    /// The chain of each thread, the newest last.
    chains: [Vec<Filter>; THREADS],
    /// What each thread created and did not attach yet.
    pending: [Option<Filter>; THREADS],
    created: usize,
    /// The number that was given last.
    last: u64,
    /// What is in user memory.
    memory: bool,
    pass: Known,
    copy: Option<Copy>,
    call: Option<InCall>,
}

#[derive(Debug)]
#[allow(dead_code)] // They are read in what is printed.
enum Step {
    /// `filter::Reservation::register()`.
    Register { thread: usize, inspects: u8 },
    /// `filter::attach()`.
    Attach { thread: usize, tsync: bool },
    /// Somebody writes to user memory.
    Write,
    /// The thread enters a system call.
    Enter { call: usize },
    /// `inspect::inspect()`, or the filter does not ask.
    Inspect,
    /// A filter said so, and the tracer makes it this call.
    Trace { call: usize },
    /// A filter said so.
    Deny,
    /// `handoff::copy()`.
    Copy,
}

struct Threads {
    numbered: Numbered,
    rule: Rule,
}

impl Threads {
    fn next(&self, pass: Pass, (arch, nr): (u32, u32), number: u64) -> Option<Pass> {
        pass.next(arch, nr, number).or_else(|| {
            (self.rule == Rule::SmallerOrSame && pass == Pass::begin(arch, nr, number))
                .then_some(pass)
        })
    }

    fn register(&self, state: &mut State, thread: usize, inspects: u8) {
        let number = match self.numbered {
            Numbered::AtAttach => 0,
            Numbered::AtCreation => {
                state.last += 1;
                state.last
            }
        };

        state.created += 1;
        state.pending[thread] = Some(Filter { number, inspects });
    }

    fn attach(&self, state: &mut State, thread: usize, tsync: bool) {
        let Some(mut filter) = state.pending[thread].take() else {
            return;
        };

        if self.numbered == Numbered::AtAttach {
            state.last += 1;
            filter.number = state.last;
        }
        state.chains[thread].push(filter);
        if tsync {
            state.chains = [(); THREADS].map(|()| state.chains[thread].clone());
        }
    }

    /// One filter runs.
    fn inspect(&self, state: &mut State) -> Result<(), String> {
        let Some(call) = state.call.as_mut() else {
            return Ok(());
        };
        let Some(filter) = call.left.pop() else {
            return Ok(());
        };
        let numbers @ (arch, nr) = CALLS[call.call];

        if filter.inspects & (1 << call.call) == 0 {
            return Ok(());
        }

        let same = state
            .pass
            .0
            .and_then(|pass| self.next(pass, numbers, filter.number));
        if same.is_none() {
            if call.judged.is_some() {
                return Err("all filters of a pass judge one fetch".into());
            }
            state.copy = Some(Copy {
                value: state.memory,
                of_this_pass: true,
            });
        }
        state.pass.0 = same.or(Some(Pass::begin(arch, nr, filter.number)));

        match state.copy {
            Some(copy) if copy.of_this_pass => {
                if call.judged.is_some_and(|judged| judged != copy.value) {
                    return Err("all filters of a pass judge the same".into());
                }
                call.judged = Some(copy.value);
                Ok(())
            }
            _ => Err("no filter judges a fetch of an earlier pass".into()),
        }
    }

    /// The call copies its struct, and is over.
    fn copy(&self, state: &mut State) -> Result<(), String> {
        let Some(call) = state.call.take() else {
            return Ok(());
        };
        let (arch, nr) = CALLS[call.call];
        let is_served = state.pass.0.is_some_and(|pass| pass.covers(arch, nr));

        match (call.judged, state.copy) {
            (None, _) if is_served => Err("a call that was not judged is served nothing".into()),
            (Some(_), _) if !is_served => Err("a call that was judged is served".into()),
            (Some(judged), Some(copy)) if !copy.of_this_pass || copy.value != judged => {
                Err("what is served is what the last pass judged".into())
            }
            _ => Ok(()),
        }
    }
}

/// All filters are to run: for a call that is new, or once more.
fn run_filters(state: &mut State, call: usize, traced: bool) {
    if let Some(copy) = state.copy.as_mut() {
        copy.of_this_pass = false;
    }
    state.call = Some(InCall {
        call,
        left: state.chains[CALLER].clone(),
        judged: None,
        traced,
    });
}

impl Model for Threads {
    type State = State;
    type Step = String;

    fn start(&self) -> State {
        State::default()
    }

    fn steps(&self, state: &State) -> Vec<(String, Result<State, String>)> {
        let mut steps = Vec::new();
        let mut add = |step: Step, change: &dyn Fn(&mut State) -> Result<(), String>| {
            let mut next = state.clone();
            let result = change(&mut next);

            steps.push((format!("{step:?}"), result.map(|()| next)));
        };

        for thread in 0..THREADS {
            // A thread in a system call of its own installs nothing.
            if thread == CALLER && state.call.is_some() {
                continue;
            }
            if state.pending[thread].is_none() {
                for inspects in INSPECTED {
                    if state.created < FILTERS {
                        add(Step::Register { thread, inspects }, &|state| {
                            self.register(state, thread, inspects);
                            Ok(())
                        });
                    }
                }
                continue;
            }
            for tsync in [false, true] {
                // `seccomp_can_sync_threads()`: the other chain is the end of this one.
                if !tsync || state.chains[thread].starts_with(&state.chains[1 - thread]) {
                    add(Step::Attach { thread, tsync }, &|state| {
                        self.attach(state, thread, tsync);
                        Ok(())
                    });
                }
            }
        }

        add(Step::Write, &|state| {
            state.memory ^= true;
            Ok(())
        });

        match &state.call {
            None if state.pending[CALLER].is_none() => {
                for call in 0..CALLS.len() {
                    add(Step::Enter { call }, &|state| {
                        run_filters(state, call, false);
                        Ok(())
                    });
                }
            }
            None => {}
            Some(call) if !call.left.is_empty() => add(Step::Inspect, &|state| self.inspect(state)),
            Some(call) => {
                add(Step::Copy, &|state| self.copy(state));
                add(Step::Deny, &|state| {
                    state.call = None;
                    Ok(())
                });
                if !call.traced {
                    for call in 0..CALLS.len() {
                        add(Step::Trace { call }, &|state| {
                            run_filters(state, call, true);
                            Ok(())
                        });
                    }
                }
            }
        }
        steps
    }
}

fn expect_broken(model: Threads, what: &str) -> Broken {
    let Err(broken) = explore(&model) else {
        panic!("{what}: nothing was found");
    };

    println!("{what}: {}: {}", broken.promise, broken.way.join(", "));
    broken
}

#[test]
fn pass_rule_holds() {
    let explored = explore(&Threads {
        numbered: Numbered::AtAttach,
        rule: Rule::Smaller,
    })
    .unwrap_or_else(|broken| panic!("{broken:#?}"));

    println!("pass rule: {explored:?}");
    assert!(explored.states > 100_000);
}

/// The bypass that was reproduced: TSYNC attaches a younger filter below an older one.
#[test]
fn numbers_at_creation_do_not_hold() {
    let broken = expect_broken(
        Threads {
            numbered: Numbered::AtCreation,
            rule: Rule::Smaller,
        },
        "numbers given at creation",
    );

    assert!(broken.way.iter().any(|step| step.contains("tsync: true")));
}

#[test]
fn the_same_number_is_another_pass() {
    expect_broken(
        Threads {
            numbered: Numbered::AtAttach,
            rule: Rule::SmallerOrSame,
        },
        "the same number in the same pass",
    );
}
