// SPDX-License-Identifier: GPL-2.0

//! Evidence of an attack: the struct in user memory is not any more what the filters saw.
//!
//! The system call does not care, as it executes on the copy. But nobody rewrites the struct of a
//! call that is under way who does not hope for the opposite.

use crate::{
    cache::Own,
    counter::Counter,
    serve::SizeWord,
    table::Call,
    task,
    unexported,
    user, //
};
use core::borrow::Borrow;
use kernel::{
    prelude::*,
    sync::atomic::{
        ordering::Relaxed,
        Atomic, //
    }, //
};

// What is done about it, in addition to what the numbers below do.
const IGNORE: u32 = 0;
const COUNT: u32 = 1;
const LOG: u32 = 2;
const KILL: u32 = 3;

/// One of the constants above.
static REACTION: Atomic<u32> = Atomic::new(IGNORE);

/// Chooses the reaction. [`EINVAL`] if there is no such.
///
/// The kernel crate before 7.3 has references for the values of parameters.
pub(crate) fn react_by(reaction: impl Borrow<u32>) -> Result {
    let reaction = *reaction.borrow();

    if reaction > KILL {
        pr_err!("there is no on_change={}\n", reaction);
        return Err(EINVAL);
    }
    REACTION.store(reaction, Relaxed);
    Ok(())
}

/// Looks for a change before a copy is answered, and tells whether the system call is to fail and the
/// process to end. Atomic context.
#[inline]
pub(crate) fn is_fatal(cache: &mut Own<'_>, call: &Call) -> bool {
    let reaction = REACTION.load(Relaxed);

    reaction >= COUNT && react(reaction, cache, call)
}

/// What is left of [`is_fatal()`] where anybody cares.
#[cold]
fn react(reaction: u32, cache: &mut Own<'_>, call: &Call) -> bool {
    // A call copies more than once, but it is one change.
    if !cache.state.changed && is_changed(cache) {
        cache.state.changed = true;
        Counter::Changed.increment();
        if reaction >= LOG && !cache.state.told && task::may_log_change() {
            cache.state.told = true;
            pr_warn!(
                "the struct of {} was changed after its filters saw it (PID {}, {})\n",
                call.name,
                task::current_pid(),
                task::Comm::current(),
            );
        }
        if reaction >= KILL {
            unexported::kill_current(cache.pinned().data.nr);
        }
    }
    cache.state.changed && reaction >= KILL
}

/// Whether what was fetched is not what there is now. Memory that is not there now tells nothing, but
/// what could not be read and now can tells enough.
fn is_changed(cache: &Own<'_>) -> bool {
    let fetched = &cache.state.fetched;

    if fetched.is_fault() {
        return match fetched.size {
            // Nothing but the size was looked at.
            Some(SizeWord {
                offset,
                value: None,
            }) => user::is_present(fetched.start.wrapping_add(offset as u64), 4),
            _ => user::is_present(fetched.start, fetched.length),
        };
    }

    // The size is also there without the struct: 0, or too large.
    let size_differs = fetched.size.is_some_and(|size| {
        let from = fetched.start.wrapping_add(size.offset as u64);

        size.value
            .is_some_and(|value| user::differs(from, &value.to_ne_bytes()))
    });

    size_differs || user::differs(fetched.start, &cache.pinned().page[..fetched.length])
}
