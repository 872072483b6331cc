// SPDX-License-Identifier: GPL-2.0

//! Writes, checks and tries seccomp filters that look at the structs of system calls.

#![forbid(unsafe_code)]

// What the module itself goes by. Some of it is only used there.
#[allow(dead_code)]
#[path = "../../../rust/cbpf.rs"]
mod cbpf;
#[allow(dead_code)]
#[path = "../../../rust/layout.rs"]
mod layout;
#[allow(dead_code)]
#[path = "../../../rust/table.rs"]
mod table;
#[allow(dead_code)]
#[path = "../../../rust/verify.rs"]
mod verify;

mod action;
mod architecture;
mod assemble;
mod call;
mod check;
mod cli;
mod compile;
mod condition;
mod decision;
mod disasm;
mod explain;
mod fact;
mod field;
mod filter;
mod handover;
mod json;
mod machine;
mod manual;
mod output;
mod policy;
mod problem;
mod profile;
mod residue;
mod run;
mod sim;
mod simplify;
mod source;
mod strict;
mod syscall;
mod tree;
mod uapi;
mod wellformed;
mod wording;

#[cfg(test)]
mod tests;

pub use cli::main;
