// SPDX-License-Identifier: GPL-2.0

//! Random programs: whether the kernel takes them, and how they end.

use crate::{contract, generate::ACTIONS, subject::Classic};
use proptest::{prelude::*, sample};
use std::{fs, process::Command};

/// Codes that seccomp takes, and some that it does not.
fn code() -> impl Strategy<Value = u16> {
    prop_oneof![
        8 => sample::select(vec![
            0x20, 0x00, 0x01, 0x80, 0x81, 0x60, 0x61, 0x02, 0x03, 0x07, 0x87, 0x84, 0x05, 0x15, 0x1d,
            0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44,
            0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0xa4, 0xac,
        ]),
        1 => sample::select(vec![0x28, 0x30, 0x94, 0xb1, 0x1020, 0x8c, 0x16]),
    ]
}

fn insn() -> impl Strategy<Value = Classic> {
    let k = prop_oneof![
        4 => 0..4u32,
        2 => (0..16u32).prop_map(|word| 4 * word),
        1 => 0..40u32,
        1 => any::<u32>(),
    ];
    (code(), 0..4u8, 0..4u8, k).prop_map(|(code, jt, jf, k)| Classic {
        code,
        jt,
        jf,
        // What is not loaded here are structs, and what is returned are actions with names.
        k: match code {
            0x20 => k % 64,
            0x05 => k % 8,
            0x16 => ACTIONS[0].2,
            _ => k,
        },
    })
}

/// A program that ends in returns, of which A chooses one.
pub fn program() -> impl Strategy<Value = Vec<Classic>> {
    prop::collection::vec(insn(), 1..16).prop_map(|mut insns| {
        let mut push = |code, jf, k| {
            insns.push(Classic { code, jt: 0, jf, k });
        };
        push(0x54, 0, 7);
        for (index, (_, _, action)) in ACTIONS.into_iter().enumerate() {
            push(0x15, 1, index as u32);
            push(0x06, 0, action);
        }
        push(0x06, 0, 0);
        insns
    })
}

/// What `sim` calls an action.
fn name(action: u32) -> &'static str {
    match action {
        0 => "KILL_THREAD",
        0x7fff_0000 => "ALLOW",
        0x0005_0001 => "ERRNO(EPERM)",
        0x0005_0026 => "ERRNO(ENOSYS)",
        0x8000_0000 => "KILL_PROCESS",
        0x7ffc_0000 => "LOG",
        0x7ff0_0007 => "TRACE(7)",
        _ => panic!("{action:#x}: nobody returns this"),
    }
}

/// Compares the program with the reference, for the call `nr` with these arguments.
pub fn compare(program: &[Classic], nr: u32, args: &[u64; 6]) -> Result<(), TestCaseError> {
    let mut bytes = Vec::new();
    for &Classic { code, jt, jf, k } in program {
        bytes.extend(code.to_ne_bytes());
        bytes.extend([jt, jf]);
        bytes.extend(k.to_ne_bytes());
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();

    // RET_A is in here as a code that no filter of ours has: it could return anything.
    let returns_a = program.iter().any(|insn| insn.code == 0x16);
    let ops = contract::parse(program).filter(|_| !returns_a);
    let mut call = format!("{nr}");
    for (index, value) in args.iter().enumerate() {
        call += &format!(" args[{index}]={value}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_eafilter"))
        .arg("sim")
        .arg(file.path())
        .arg(&call)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    match ops {
        Some(ops) => {
            let action = contract::run(&ops, |k| match k {
                0 => nr,
                4 => contract::ARCHS[0],
                8 | 12 => 0,
                _ => (args[(k as usize - 16) / 8] >> (k % 8 * 8)) as u32,
            });
            prop_assert_eq!(said, format!("{call}: {}\n", name(action)));
        }
        None if returns_a => {}
        None => prop_assert_eq!(output.status.code(), Some(2)),
    }
    Ok(())
}
