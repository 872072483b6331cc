// SPDX-License-Identifier: GPL-2.0

//! The tests that hold for every table, run with the largest one that there can be: as many rows as
//! fit, numbers as far apart as can be told apart, and numbers that mean one call here and another
//! there.

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
use table::Rows;
use verify::{verify, Inspected, Refusal, Scratch};

/// Verifies a filter for a kernel that has all system calls.
fn judge(prog: &[Insn]) -> Result<Inspected, Refusal> {
    let all = Rows::from_bits(u32::MAX);
    verify(prog, all, &mut vec![Scratch::UNREACHED; prog.len()])
}

/// The part of the real table that verification and program building use.
mod table {
    pub(crate) use crate::real_table::{Abi, Rows};

    pub(crate) struct Call {
        pub(crate) name: &'static str,
        pub(crate) nr: [u32; 2],
    }

    pub(crate) static CALLS: [Call; 32] = {
        const CALL: Call = Call {
            name: "",
            nr: [0, 0],
        };
        let mut calls = [CALL; 32];
        let mut row = 0;
        while row < 32 {
            let number = x86_64(row);
            let other = match row % 4 {
                0 => number,
                1 => number + 1,
                _ => x86_64(row ^ 1),
            };
            calls[row as usize].nr = [number, other];
            row += 1;
        }
        calls
    };

    const fn x86_64(row: u32) -> u32 {
        298 + row * 255 / 31
    }

    pub(crate) fn find(abi: Abi, nr: u32) -> Option<&'static Call> {
        CALLS.iter().find(|call| call.nr[abi as usize] == nr)
    }
}
