// SPDX-License-Identifier: GPL-2.0

//! The prologue of extended programs, run by a small interpreter of eBPF.

use super::judge;
use crate::{
    cbpf,
    ebpf::Insn,
    layout,
    program::{prologue, MAX},
    table::{Abi, CALLS},
    verify::Inspected,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

const HELPER: i32 = -0x1234_5678;
const RECORD: u64 = 0xffff_8880_dead_beef;
const DATA: u64 = 0xffff_c900_0000_1000;
const CACHE: u64 = 0xffff_8881_2345_6fc0;

/// Where a prologue ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// In the body, with this context; `true` if the helper was called.
    Body(u64, bool),
    /// By returning this.
    Return(u64),
}

/// Runs a prologue; returns where it ends, and after how many instructions.
fn run(code: &[Insn], arch: u32, nr: u32, answer: u64) -> (End, usize) {
    const POISON: u64 = 0x5555_5555_5555_5555;
    let mut regs = [POISON; 11];
    regs[1] = DATA;
    let mut called = false;
    let (mut pc, mut count) = (0, 0);
    while pc < code.len() {
        let insn = code[pc];
        let (dst, src) = (usize::from(insn.regs & 15), usize::from(insn.regs >> 4));
        let low = regs[dst] as u32;
        let imm = insn.imm as u32;
        count += 1;
        pc += 1;
        let jump = match insn.code {
            0x61 => {
                assert_eq!(regs[src], DATA);
                regs[dst] = u64::from(match insn.off {
                    0 => nr,
                    4 => arch,
                    off => panic!("load of {off}"),
                });
                false
            }
            0x18 => {
                assert_eq!((code[pc].code, code[pc].regs, code[pc].off), (0, 0, 0));
                regs[dst] = u64::from(imm) | (u64::from(code[pc].imm as u32) << 32);
                pc += 1;
                false
            }
            0x85 => {
                assert_eq!(insn.imm, HELPER);
                assert_eq!((regs[1], regs[2]), (DATA, RECORD));
                regs[1..6].fill(POISON);
                regs[0] = answer;
                called = true;
                false
            }
            0xb4 => {
                regs[dst] = u64::from(imm);
                false
            }
            0xbf => {
                regs[dst] = regs[src];
                false
            }
            0x95 => return (End::Return(regs[0]), count),
            0x05 => true,
            0x16 => low == imm,
            0x26 => low > imm,
            0x56 => low != imm,
            0xa6 => low < imm,
            0x55 => regs[dst] != insn.imm as u64,
            code => panic!("instruction {code:#x}"),
        };
        if jump {
            assert!(insn.off >= 0, "jump back");
            pc += insn.off as usize;
        }
    }
    assert_eq!(pc, code.len(), "jump past the body's first instruction");
    (End::Body(regs[1], called), count)
}

/// What a filter inspects that reads the struct of these calls: a bit for each row, for each ABI.
fn inspecting(rows: [u32; 2]) -> Inspected {
    let insn = |code, jt, jf, k| cbpf::Insn { code, jt, jf, k };
    let mut prog = Vec::new();
    for abi in Abi::ALL {
        let numbers: Vec<u32> = (0..CALLS.len())
            .filter(|row| (rows[abi as usize] >> row) & 1 != 0)
            .map(|row| CALLS[row].nr[abi as usize])
            .collect();
        let count = numbers.len() as u8;
        prog.push(insn(cbpf::LD_ABS, 0, 0, cbpf::DATA_ARCH));
        prog.push(insn(cbpf::JEQ, 0, count + 3, abi.arch()));
        prog.push(insn(cbpf::LD_ABS, 0, 0, cbpf::DATA_NR));
        for (number, left) in numbers.into_iter().zip((0..count).rev()) {
            prog.push(insn(cbpf::JEQ, left + 1, 0, number));
        }
        prog.push(insn(cbpf::RET_K, 0, 0, 0));
        prog.push(insn(cbpf::LD_ABS, 0, 0, layout::DATA_SIZE));
    }
    prog.push(insn(cbpf::RET_K, 0, 0, 0));
    judge(&prog).unwrap()
}

/// Checks the prologue for these inspected calls, with every number that could matter.
fn check(rows: [u32; 2]) {
    let inspected = inspecting(rows);
    let mut code = [Insn::NONE; MAX];
    let len = prologue(&inspected, HELPER, RECORD, &mut code);
    let code = &code[..len];

    let numbers = Abi::ALL.map(|abi| {
        (0..CALLS.len())
            .filter(|row| (rows[abi as usize] >> row) & 1 != 0)
            .map(|row| CALLS[row].nr[abi as usize])
            .collect::<BTreeSet<u32>>()
    });
    let all: BTreeSet<u32> = numbers.iter().flatten().copied().collect();
    let (Some(&first), Some(&last)) = (all.first(), all.last()) else {
        assert_eq!(len, 0);
        return;
    };
    let loads_arch = code.iter().any(|insn| insn.code == 0x61 && insn.off == 4);
    assert_eq!(loads_arch, numbers[0] != numbers[1]);

    let far = [0, 1, 0x4000_0000 | first, 1 << 31, u32::MAX - 1, u32::MAX];
    for number in (first.saturating_sub(20)..last + 20).chain(far) {
        for abi in Abi::ALL {
            let run = |answer| run(code, abi.arch(), number, answer);
            if numbers[abi as usize].contains(&number) {
                assert_eq!(run(CACHE).0, End::Body(CACHE, true));
                // SECCOMP_RET_ERRNO | ENOMEM.
                assert_eq!(run(0).0, End::Return(0x0005_000c));
                continue;
            }
            let (end, count) = run(CACHE);
            assert_eq!(end, End::Body(DATA, false), "{abi:?} {number}");
            if number < first {
                assert_eq!(count, 2);
            } else if number > last {
                assert!(count <= 3);
            }
        }
    }
}

#[test]
fn one_call() {
    for row in 0..CALLS.len() {
        for rows in [[1 << row, 1 << row], [1 << row, 0], [0, 1 << row]] {
            check(rows);
        }
    }
}

/// The rows of the table, a bit for each.
const ALL: u32 = u32::MAX >> (32 - CALLS.len());

#[test]
fn none_and_all() {
    for rows in [[0, 0], [ALL, ALL], [ALL, 0], [0, ALL]] {
        check(rows);
    }
}

/// What is the number of a call on one ABI only is none on the other.
#[test]
fn numbers_of_one_abi() {
    let mut tried = 0;
    for (row, call) in CALLS.iter().enumerate() {
        let [x86_64, i386] = call.nr;
        if x86_64 == i386 {
            continue;
        }
        let mut code = [Insn::NONE; MAX];
        let len = prologue(&inspecting([1 << row; 2]), HELPER, RECORD, &mut code);
        let end = |abi: Abi, number| run(&code[..len], abi.arch(), number, CACHE).0;
        assert_eq!(end(Abi::X86_64, x86_64), End::Body(CACHE, true));
        assert_eq!(end(Abi::I386, i386), End::Body(CACHE, true));
        assert_eq!(end(Abi::X86_64, i386), End::Body(DATA, false));
        assert_eq!(end(Abi::I386, x86_64), End::Body(DATA, false));
        tried += 1;
    }
    assert!(tried > 0);
}

/// A number for which nothing is to be done costs no more than this, whatever is inspected.
#[test]
fn smallest_prologue() {
    let row = CALLS
        .iter()
        .position(|call| call.nr[0] == call.nr[1])
        .unwrap();
    let mut code = [Insn::NONE; MAX];
    let len = prologue(&inspecting([1 << row; 2]), HELPER, RECORD, &mut code);
    assert_eq!(len, 9);
    let number = CALLS[row].nr[0];
    for other in [number - 1, number + 1] {
        assert_eq!(run(&code[..len], Abi::X86_64.arch(), other, 0).1, 2);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_calls(x86_64: u32, i386: u32, mask: u32) {
        check([x86_64 & ALL, i386 & ALL]);
        check([x86_64 & mask & ALL; 2]);
    }
}
