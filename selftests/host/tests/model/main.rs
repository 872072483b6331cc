// SPDX-License-Identifier: GPL-2.0

//! The pass rule, the gate and the life of a cache, as models that are checked exhaustively.
//!
//! What happens in the models is what the module's files do, which are compiled here as they are, on a
//! kernel that has just what they use (`stand_in.rs`). Time is a sequence of steps, of one
//! thread at a time: what processors reorder is not covered.

#![allow(dead_code, non_camel_case_types)]

extern crate self as kernel;

#[path = "../../../../rust/cache.rs"]
mod cache;
#[path = "../../../../rust/fetch.rs"]
mod fetch;
#[path = "../../../../rust/gate.rs"]
mod gate;
#[path = "../../../../rust/handoff.rs"]
mod handoff;
#[path = "../../../../rust/inspect.rs"]
mod inspect;
#[path = "../../../../rust/layout.rs"]
mod layout;
#[path = "../../../../rust/pass.rs"]
mod pass;
#[path = "../../../../rust/serve.rs"]
mod serve;
#[path = "../../../../rust/suspend.rs"]
mod suspend;
#[path = "../../../../rust/table.rs"]
mod table;

mod stand_in;
use cache_life::hooks;
use stand_in::{
    bindings, change, counter, error, filter, prelude, processor, sync, task, thread, types, uapi,
    user,
};

mod cache_life;
mod gate_steps;
mod pass_rule;
mod search;
