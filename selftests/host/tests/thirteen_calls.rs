// SPDX-License-Identifier: GPL-2.0

//! The tests that hold for every table, run with a longer one than the module has today: with calls
//! that have another number on each ABI, a number that means one call here and another there, and
//! numbers far apart.

#![forbid(unsafe_code)]
#![allow(dead_code)]

#[path = "../../../rust/cbpf.rs"]
mod cbpf;
#[path = "../../../rust/ebpf.rs"]
mod ebpf;
#[path = "../../../rust/layout.rs"]
mod layout;
#[path = "../../../rust/program.rs"]
mod program;
#[path = "../../../rust/table.rs"]
mod real_table;
#[path = "../../../rust/verify.rs"]
mod verify;

#[path = "../src/tests/oracle.rs"]
mod oracle;
#[path = "../src/tests/program.rs"]
mod program_tests;
#[path = "../src/tests/verify_properties.rs"]
mod verify_properties;

use cbpf::Insn;
use verify::{Inspected, Refusal, Scratch};

/// Verifies a filter.
fn judge(prog: &[Insn]) -> Result<Inspected, Refusal> {
    verify::verify(prog, &mut vec![Scratch::UNREACHED; prog.len()])
}

/// The part of the real table that verification and program building use.
mod table {
    pub(crate) use crate::real_table::Abi;

    pub(crate) struct Call {
        pub(crate) nr: [u32; 2],
    }

    pub(crate) static CALLS: [Call; 13] = [
        Call { nr: [298, 336] },
        Call { nr: [314, 351] },
        Call { nr: [336, 435] },
        Call { nr: [435, 298] },
        Call { nr: [437, 437] },
        Call { nr: [442, 442] },
        Call { nr: [444, 444] },
        Call { nr: [457, 457] },
        Call { nr: [458, 458] },
        Call { nr: [463, 463] },
        Call { nr: [464, 464] },
        Call { nr: [467, 467] },
        Call { nr: [553, 553] },
    ];

    pub(crate) fn find(abi: Abi, nr: u32) -> Option<&'static Call> {
        CALLS.iter().find(|call| call.nr[abi as usize] == nr)
    }
}
