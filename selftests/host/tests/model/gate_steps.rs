// SPDX-License-Identifier: GPL-2.0

//! The gate: a thread that writes now and then and is released at the end, and readers, in all
//! interleavings of what they do to memory.
//!
//! Where a thread is depends on nothing but what its steps found so far. So that is its state: to
//! go on, it is run from the start, is given what it found, takes one step and is stopped at the next.

use crate::{
    gate::Gate,
    search::{explore, Model},
    sync::atomic::{
        ordering::{Acquire, Release},
        Atomic,
    },
};
use std::{
    cell::{Cell, RefCell},
    panic::{catch_unwind, resume_unwind, AssertUnwindSafe},
};

struct Run {
    found: Vec<u32>,
    /// How much of that was given.
    given: usize,
    /// Whether it took its step.
    stepped: bool,
    /// How much had been given when it began to wait.
    waiting: Option<usize>,
}

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// Why a run is stopped.
struct Stopped;

/// Called for whatever may be seen by others.
pub(crate) fn step(f: impl FnOnce() -> u32) -> u32 {
    let known = RUN.with_borrow_mut(|run| {
        let Some(run) = run else {
            return Ok(None);
        };
        let known = run.found.get(run.given).copied();

        if known.is_none() && run.stepped {
            return Err(Stopped);
        }
        run.given += 1;
        run.stepped |= known.is_none();
        Ok(known)
    });

    match known {
        Ok(Some(found)) => found,
        Ok(None) => {
            let found = f();

            RUN.with_borrow_mut(|run| {
                if let Some(run) = run {
                    run.found.push(found);
                }
            });
            found
        }
        Err(stopped) => resume_unwind(Box::new(stopped)),
    }
}

/// Called where the gate waits for others. Nothing that the thread knows is then different from the
/// last time that it waited there: it forgets what it found since.
pub(crate) fn relax() {
    let is_over = RUN.with_borrow_mut(|run| {
        let run = run.as_mut().expect("only what is interleaved waits");

        match run.waiting {
            Some(given) if run.stepped => {
                run.found.truncate(given);
                true
            }
            _ => {
                run.waiting = Some(run.given);
                false
            }
        }
    });

    if is_over {
        resume_unwind(Box::new(Stopped));
    }
}

/// Called before something that may wait.
fn begin() {
    RUN.with_borrow_mut(|run| {
        if let Some(run) = run {
            run.waiting = None;
        }
    });
}

/// What the thread and its readers see.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Memory {
    gate: u32,
    pinned: [u32; 2],
    is_released: bool,
    /// The thread waits for a reader that knows.
    is_awaited: bool,
}

/// What the gate's word says, see `gate.rs`.
const OPEN: u32 = 1;
const BUSY: u32 = 2;
const CLOSING: u32 = 3;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Progress {
    /// What its steps found so far.
    At(Vec<u32>),
    Ended,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    memory: Memory,
    threads: Vec<Progress>,
}

trait Gatelike {
    fn close(&self);
    fn open(&self);
    fn enter<R>(&self, f: impl FnOnce() -> R) -> Option<R>;
    fn word(&self) -> &Cell<u32>;
}

impl Gatelike for Gate {
    fn close(&self) {
        Gate::close(self);
    }

    fn open(&self) {
        Gate::open(self);
    }

    fn enter<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        Gate::enter(self, f)
    }

    fn word(&self) -> &Cell<u32> {
        // SAFETY: Both it and the stand-in for `Atomic` are transparent.
        unsafe { &*(&raw const *self).cast() }
    }
}

/// A gate that lets readers in when it is open, and does not know when they are.
#[repr(transparent)]
struct WithoutBusy(Atomic<u32>);

impl Gatelike for WithoutBusy {
    fn close(&self) {
        self.0.store(0, Release);
    }

    fn open(&self) {
        self.0.store(1, Release);
    }

    fn enter<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        (self.0.load(Acquire) == 1).then(f)
    }

    fn word(&self) -> &Cell<u32> {
        // SAFETY: As above.
        unsafe { &*(&raw const *self).cast() }
    }
}

struct Gates<G> {
    gate: G,
    readers: usize,
    /// How often each reader comes.
    reads: usize,
    /// How often the thread writes.
    writes: u32,
    pinned: [Cell<u32>; 2],
    is_released: Cell<bool>,
    broken: Cell<Option<&'static str>>,
    /// Whether the thread ever waited for a reader that knew.
    was_awaited: Cell<bool>,
}

impl<G: Gatelike> Gates<G> {
    fn new(readers: usize, reads: usize, writes: u32) -> Gates<G> {
        Gates {
            // SAFETY: A closed gate is memory of zeroes.
            gate: unsafe { std::mem::zeroed() },
            readers,
            reads,
            writes,
            pinned: Default::default(),
            is_released: Cell::new(false),
            broken: Cell::new(None),
            was_awaited: Cell::new(false),
        }
    }

    /// The thread: `Own::rewrite()` and the end of `Rewrite`, at last `release()`.
    fn thread(&self) {
        for value in 1..=self.writes {
            begin();
            self.gate.close();
            for word in &self.pinned {
                step(|| word.replace(value));
            }
            self.gate.open();
        }
        begin();
        self.gate.close();
        step(|| self.is_released.replace(true).into());
    }

    /// A reader: `with_pinned()`.
    fn reader(&self) {
        let read = |word: &Cell<u32>| {
            step(|| {
                if self.is_released.get() {
                    self.broken.set(Some("nothing is read after release"));
                }
                word.get()
            })
        };

        for _ in 0..self.reads {
            begin();
            let read = self
                .gate
                .enter(|| (read(&self.pinned[0]), read(&self.pinned[1])));

            if read.is_some_and(|(first, second)| first != second) {
                self.broken.set(Some("no read is torn"));
            }
            if read.is_some_and(|(first, _)| first == 0) {
                self.broken
                    .set(Some("nothing is read before it is written"));
            }
        }
    }

    fn take_step(&self, state: &State, index: usize) -> Option<Result<State, String>> {
        let Progress::At(found) = &state.threads[index] else {
            return None;
        };

        self.gate.word().set(state.memory.gate);
        self.pinned[0].set(state.memory.pinned[0]);
        self.pinned[1].set(state.memory.pinned[1]);
        self.is_released.set(state.memory.is_released);
        RUN.set(Some(Run {
            found: found.clone(),
            given: 0,
            stepped: false,
            waiting: None,
        }));

        let result = catch_unwind(AssertUnwindSafe(|| match index {
            0 => self.thread(),
            _ => self.reader(),
        }));
        let run = RUN.take()?;
        let mut next = state.clone();

        let (before, gate) = (state.memory.gate, self.gate.word().get());
        // The thread itself opens the gate when it has waited and written.
        let is_awaited = gate == CLOSING
            || state.memory.is_awaited && !(index == 0 && before != OPEN && gate == OPEN);

        if state.memory.is_awaited && (before, gate) == (OPEN, BUSY) {
            self.broken.set(Some("the thread waits for one reader"));
        }
        if is_awaited {
            self.was_awaited.set(true);
        }
        next.memory = Memory {
            is_awaited,
            gate,
            pinned: [self.pinned[0].get(), self.pinned[1].get()],
            is_released: self.is_released.get(),
        };
        next.threads[index] = match result {
            Ok(()) => Progress::Ended,
            Err(reason) if reason.is::<Stopped>() => Progress::At(run.found),
            Err(reason) => resume_unwind(reason),
        };
        Some(match self.broken.take() {
            None => Ok(next),
            Some(promise) => Err(promise.into()),
        })
    }
}

impl<G: Gatelike> Model for Gates<G> {
    type State = State;
    type Step = String;

    fn start(&self) -> State {
        State {
            memory: Memory::default(),
            threads: vec![Progress::At(Vec::new()); 1 + self.readers],
        }
    }

    fn steps(&self, state: &State) -> Vec<(String, Result<State, String>)> {
        (0..=self.readers)
            .filter_map(|index| {
                let name = match index {
                    0 => "thread".into(),
                    _ => format!("reader {index}"),
                };

                Some((name, self.take_step(state, index)?))
            })
            .collect()
    }
}

/// It also ends: nobody waits for ever, unless somebody else never gets to run.
#[test]
fn gate_holds() {
    for (readers, reads, writes) in [(1, 3, 3), (2, 2, 2), (3, 1, 2)] {
        let gates = Gates::<Gate>::new(readers, reads, writes);
        let explored = explore(&gates).unwrap_or_else(|broken| panic!("{broken:#?}"));

        println!("gate, {readers} readers {reads} times, {writes} writes: {explored:?}");
        assert_eq!(explored.endless, 0);
        assert!(explored.states > 1000);
        assert!(gates.was_awaited.get());
    }
}

#[test]
fn without_busy_reads_are_torn() {
    let gates = Gates::<WithoutBusy>::new(1, 1, 2);
    let broken = explore(&gates).expect_err("nothing was found");

    println!(
        "a gate without BUSY: {}: {}",
        broken.promise,
        broken.way.join(", "),
    );
    assert_eq!(broken.promise, "no read is torn");
}
