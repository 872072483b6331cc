// SPDX-License-Identifier: GPL-2.0

//! What an extended program's prologue asks for: the context with the struct.

use crate::{
    cache,
    counter::Counter,
    fetch,
    filter::Filter,
    layout::Data,
    pass::Pass,
    table::{
        self,
        Abi, //
    },
    task::FilterContext, //
};

/// Returns the address of the context that the filter is to judge, or [`None`] if there is none, so
/// that the system call has to be denied. May sleep.
pub(crate) fn inspect(context: &mut FilterContext, data: &Data, filter: &Filter) -> Option<usize> {
    let known = || {
        let abi = Abi::from_arch(data.arch)?;

        Some((filter.number()?, abi, table::find(abi, data.nr)?))
    };
    let Some((number, abi, call)) = known() else {
        Counter::DeniedUnknown.increment();
        return None;
    };

    let judged = cache::with_any(context, |context, cache| {
        let same = cache
            .state
            .pass
            .and_then(|pass| pass.next(data.arch, data.nr, number));

        if same.is_none() {
            fetch::fetch(context, cache, data, abi, call);
            Counter::Fetches.increment();
        }
        cache.state.pass = same.or(Some(Pass::begin(data.arch, data.nr, number)));
        cache.context()
    });

    judged
        .inspect_err(|_| Counter::DeniedNoMemory.increment())
        .ok()
}
