// SPDX-License-Identifier: GPL-2.0

mod asm;
mod corpus;
mod oracle;
mod pass;
mod program;
mod serve;
mod verify;
mod verify_properties;

use crate::{
    cbpf::Insn,
    verify::{Inspected, Refusal, Scratch},
};

/// Verifies a filter.
fn judge(prog: &[Insn]) -> Result<Inspected, Refusal> {
    crate::verify::verify(prog, &mut vec![Scratch::UNREACHED; prog.len()])
}
