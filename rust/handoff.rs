// SPDX-License-Identifier: GPL-2.0

//! The hand-off: the system call's own copy of its struct is answered from the cache.

use crate::{
    cache::{
        self,
        Own,
        Standing, //
    },
    change,
    counter::Counter,
    serve::{
        Copy,
        Word,
        Zeroed, //
    },
    table::Call,
    task,
    user, //
};

/// Calls `f` with the cache and the row of the system call that the current thread is in, if a filter
/// pass judged a copy of its struct. The answer is `fault` where it is not to have any.
///
/// The call is the one of the thread's registers, not the one that a site is known for: some copy
/// functions serve several calls, and a pass that ended in a denial leaves its copy behind.
fn with_judged<R>(fault: R, f: impl FnOnce(&Own<'_>, &'static Call) -> R) -> Option<R> {
    cache::with_current(|cache| {
        let (arch, nr) = task::system_call();
        let call = cache.state.call?;
        let judged = cache.state.pass.is_some_and(|pass| pass.covers(arch, nr));

        if !judged {
            return None;
        }
        match cache.standing() {
            Standing::Judged if change::is_fatal(cache, call) => Some(fault),
            Standing::Judged => Some(f(cache, call)),
            Standing::LeftBehind => None,
            Standing::Unknown => {
                // Neither from the copy, nor from memory. The next call is not in doubt any more.
                cache.state.pass = None;
                Some(fault)
            }
        }
    })
    .flatten()
}

/// Counts an answer from the cache.
fn count(is_fault: bool) {
    match is_fault {
        true => Counter::Faults.increment(),
        false => Counter::Served.increment(),
    }
}

/// What becomes of a copy of `length` bytes from user memory.
pub(crate) enum Answer {
    /// It takes its usual way.
    Usual,
    /// Nothing could be read.
    Fault,
    /// It was written, all of it.
    Done,
}

/// Answers `_copy_from_user()` of `length` bytes at `from`; `write` gets the bytes if there are any.
/// Atomic context.
pub(crate) fn copy(from: u64, length: usize, write: impl FnOnce(&[u8])) -> Answer {
    with_judged(Answer::Fault, |cache, call| {
        let bytes = match cache.state.fetched.copy(from, length, call.copies_array) {
            Copy::Other => return Answer::Usual,
            Copy::Fault => None,
            Copy::Serve(offset) => cache.pinned().page.get(offset..offset + length),
        };

        count(bytes.is_none());
        bytes.map_or(Answer::Fault, |bytes| {
            write(bytes);
            Answer::Done
        })
    })
    .unwrap_or(Answer::Usual)
}

/// Answers `check_zeroed_user()`, or [`None`] if the check takes its usual way. Atomic context.
///
/// Before that reads anything it asks whether the whole range lies in user space; a struct may begin
/// there and end elsewhere.
pub(crate) fn zeroed(from: u64, length: usize) -> Option<Zeroed> {
    with_judged(Zeroed::Fault, |cache, _| {
        let zeroed = match user::is_user_range(from, length) {
            true => cache
                .state
                .fetched
                .zeroed(from, length, &cache.pinned().page),
            false => Zeroed::Fault,
        };

        count(zeroed == Zeroed::Fault);
        zeroed
    })
}

/// Answers `get_user()` of the 32-bit word at `from`, or [`None`] if that takes its usual way. Atomic
/// context.
pub(crate) fn word(from: u64) -> Option<Word> {
    with_judged(Word::Fault, |cache, _| {
        let word = cache.state.fetched.word(from);

        count(word == Word::Fault);
        word
    })
}
