// SPDX-License-Identifier: GPL-2.0

mod asm;
mod corpus;
mod oracle;
mod pass;
mod program;
mod serve;
mod table;
mod verify;
mod verify_properties;

use crate::{
    cbpf::Insn,
    table::Rows,
    verify::{verify, Inspected, Refusal, Scratch},
};

/// Verifies a filter for a kernel that has all system calls.
fn judge(prog: &[Insn]) -> Result<Inspected, Refusal> {
    let all = Rows::from_bits(u32::MAX);
    verify(prog, all, &mut vec![Scratch::UNREACHED; prog.len()])
}
