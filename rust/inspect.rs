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
    let Some(number) = filter.number() else {
        return unknown();
    };
    let judged = cache::with_any(context, |context, cache| {
        let pass = cache.state.pass;
        let same = pass.and_then(|pass| pass.next(data.arch, data.nr, number));

        cache.state.pass = match same {
            Some(_) => same,
            None => {
                let abi = Abi::from_arch(data.arch)?;

                fetch::fetch(context, cache, data, abi, table::find(abi, data.nr)?);
                Counter::Fetches.increment();
                Some(Pass::begin(data.arch, data.nr, number))
            }
        };
        Some(cache.context())
    });

    match judged {
        Ok(context) => context.or_else(unknown),
        Err(_) => {
            Counter::DeniedNoMemory.increment();
            None
        }
    }
}

/// Denies what can only be a mistake of the module's: verification let no other calls pass.
#[cold]
fn unknown() -> Option<usize> {
    Counter::DeniedUnknown.increment();
    None
}
