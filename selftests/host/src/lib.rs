// SPDX-License-Identifier: GPL-2.0

//! The parts of the module that need no kernel, compiled for the host to be tested there.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
// Some of it is only used by the rest of the module.
#![allow(dead_code)]

extern crate alloc;

#[path = "../../../rust/cbpf.rs"]
mod cbpf;
#[path = "../../../rust/ebpf.rs"]
mod ebpf;
#[path = "../../../rust/layout.rs"]
mod layout;
#[path = "../../../rust/pass.rs"]
mod pass;
#[path = "../../../rust/program.rs"]
mod program;
#[path = "../../../rust/serve.rs"]
mod serve;
#[path = "../../../rust/table.rs"]
mod table;
#[path = "../../../rust/verify.rs"]
mod verify;

pub mod subject;

#[cfg(test)]
mod tests;
