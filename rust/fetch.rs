// SPDX-License-Identifier: GPL-2.0

//! The fetch: the one copy of the EA struct from user memory.

use crate::{
    cache::Own,
    layout::{
        Data,
        Info, //
    },
    serve::{
        Faults,
        Fetched,
        SizeWord, //
    },
    table::{
        Abi,
        Call,
        Size, //
    },
    task::{
        self,
        FilterContext, //
    },
    user, //
};
use kernel::prelude::*;

/// Fetches the struct of the system call that `data` describes into the cache. May sleep.
///
/// It never fails: what could not be read is noted down, and the system call's own copy gets to
/// know. The filter sees a struct of zeroes then.
pub(crate) fn fetch(
    context: &mut FilterContext,
    cache: &mut Own<'_>,
    data: &Data,
    abi: Abi,
    call: &'static Call,
) {
    // What is there now is not for this call.
    let (state, mut pinned) = cache.rewrite();
    let argument = |index: usize| abi.argument(data.args[index]);
    let start = argument(call.pointer);
    let (size, claimed) = match call.size {
        Size::Argument(index) => (None, argument(index)),
        Size::Field { offset, zero } => {
            let value = read_word(context, start.wrapping_add(offset as u64));
            let claimed = match value {
                Some(0) => zero,
                value => value.unwrap_or(0).into(),
            };

            (Some(SizeWord { offset, value }), claimed)
        }
    };
    let fetched = &mut state.fetched;

    *fetched = Fetched::new(start, size, claimed, call.smallest);

    let (bytes, unused) = pinned.page.split_at_mut(fetched.length);
    let (low, high) = bytes.split_at_mut(fetched.boundary);
    let faults = Faults {
        low: !user::read(context, start, low),
        high: !user::read(context, start.wrapping_add(low.len() as u64), high),
    };
    // What lies past the struct may hold a longer one of before.
    let dirty = state.dirty.saturating_sub(bytes.len());

    unused[..dirty].fill(0);
    fetched.finish(bytes, faults);

    let error = if fetched.is_too_large() {
        E2BIG.to_errno()
    } else if fetched.is_fault() {
        EFAULT.to_errno()
    } else {
        0
    };
    pinned.info = Info {
        size: claimed.try_into().unwrap_or(u32::MAX),
        tail: if error == 0 { fetched.tail as u32 } else { 0 },
        error: error.unsigned_abs(),
        ..Info::default()
    };
    pinned.data = *data;
    pinned.exec_id = task::exec_id(kernel::current!());
    state.call = Some(call);
    state.dirty = if error == 0 { fetched.tail } else { 0 };
    state.changed = false;
}

/// Reads the size of a struct that has it inside.
fn read_word(context: &mut FilterContext, from: u64) -> Option<u32> {
    let mut word = [0; 4];

    user::read(context, from, &mut word).then(|| u32::from_ne_bytes(word))
}
