// SPDX-License-Identifier: GPL-2.0

//! The fetch: the one copy of the EA struct from user memory.

use crate::{
    cache::Cache,
    layout::{
        Info,
        EA_SIZE, //
    },
    serve::{
        Faults,
        Fetched, //
    },
    table::{
        Abi,
        Call, //
    },
    task::FilterContext,
    user, //
};
use kernel::prelude::*;

/// The size of a user page: the unit in which memory can be missing.
const USER_PAGE: u64 = 4096;

/// Fetches the struct of the system call that `cache.data` describes into the cache. May sleep.
///
/// It never fails: what could not be read is noted down, and the system call's own copy gets to
/// know. The filter sees a struct of zeroes then.
pub(crate) fn fetch(context: &mut FilterContext, cache: &mut Cache, abi: Abi, call: &'static Call) {
    let start = abi.argument(cache.data.args[call.pointer]);
    let claimed = abi.argument(cache.data.args[call.size]);
    // Callers of copy_struct_from_user() refuse more than a page.
    let fits = claimed <= u64::from(EA_SIZE);
    let length = if fits { claimed as usize } else { 0 };
    let boundary = length.min((USER_PAGE - start % USER_PAGE) as usize);

    let (low, rest) = cache.page.split_at_mut(boundary);
    let (high, unused) = rest.split_at_mut(length - boundary);
    let faults = Faults {
        low: !user::read(context, start, low),
        high: !user::read(context, start.wrapping_add(boundary as u64), high),
    };

    // What lies past the struct may hold a longer one of before.
    let dirty = cache.state.dirty.saturating_sub(length);
    unused[..dirty].fill(0);

    // A page that faulted has no bytes that count.
    if faults.low {
        low.fill(0);
    }
    if faults.high {
        high.fill(0);
    }
    let tail = tail(&cache.page[..length]);
    if faults.any() {
        cache.page[..tail].fill(0);
    }

    let error = if !fits {
        E2BIG.to_errno()
    } else if faults.any() {
        EFAULT.to_errno()
    } else {
        0
    };
    cache.info = Info {
        size: claimed.try_into().unwrap_or(u32::MAX),
        tail: if error == 0 { tail as u32 } else { 0 },
        error: error.unsigned_abs(),
        ..Info::default()
    };
    cache.state.call = Some(call);
    cache.state.dirty = if faults.any() { 0 } else { tail };
    cache.state.fetched = Fetched {
        start,
        claimed,
        // The call refuses less than the first version of its struct before it copies.
        valid: if claimed < call.smallest { 0 } else { length },
        boundary,
        faults,
        tail,
    };
}

/// One past the last byte that is not zero.
fn tail(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1)
}
