// SPDX-License-Identifier: GPL-2.0

//! Filters that are accepted and filters that are refused, one by one.

use super::{asm::asm, judge};
use crate::{
    cbpf::Insn,
    table::{self, Abi, Rows},
    verify::{verify, Inspected, Reason, Refusal, Scratch},
};

/// The verdict in short: `64:clone3 32:openat2` for the calls inspected on each ABI, or the
/// instruction at fault and why.
pub(super) fn verdict(prog: &[Insn]) -> String {
    let (index, reason) = match judge(prog) {
        Ok(inspected) => return describe(&inspected),
        Err(Refusal { index, reason }) => (index, reason),
    };
    match reason {
        Reason::Unaligned(_) => format!("{index} unaligned"),
        Reason::OutOfRange(_) => format!("{index} out of range"),
        Reason::NoStruct(abi, number) => format!("{index} {}:{number}", bits(abi)),
        Reason::Absent(row) => format!("{index} no {}", table::CALLS[row].name),
        Reason::Malformed => format!("{index} malformed"),
    }
}

fn describe(inspected: &Inspected) -> String {
    let mut calls = Vec::new();
    for abi in Abi::ALL {
        for (row, call) in table::CALLS.iter().enumerate() {
            if inspected.contains(abi, row) {
                calls.push(format!("{}:{}", bits(abi), call.name));
            }
        }
    }
    calls.join(" ")
}

fn bits(abi: Abi) -> u32 {
    match abi {
        Abi::X86_64 => 64,
        Abi::I386 => 32,
    }
}

fn check(cases: &[(&str, &str, &str)]) {
    for (name, source, expected) in cases {
        assert_eq!(verdict(&asm(source)), *expected, "{name}: {source}");
    }
}

const BOTH_CLONE3: &str = "64:clone3 32:clone3";
const BOTH_OPENAT2: &str = "64:openat2 32:openat2";
const ALL: &str = "64:clone3 64:openat2 32:clone3 32:openat2";

#[test]
fn offsets() {
    let cases = [
        ("[60]", ""),
        ("[61]", ""), // The kernel's own check refuses these three.
        ("[62]", ""),
        ("[63]", ""),
        ("[64]", BOTH_OPENAT2),
        ("[65]", "2 unaligned"),
        ("[66]", "2 unaligned"),
        ("[67]", "2 unaligned"),
        ("[68]", BOTH_OPENAT2),
        ("[4156]", BOTH_OPENAT2),
        ("[4157]", "2 unaligned"),
        ("[4159]", "2 unaligned"),
        ("[4160]", BOTH_OPENAT2),
        ("[4161]", "2 unaligned"),
        ("[4162]", "2 unaligned"),
        ("[4164]", BOTH_OPENAT2),
        ("[4166]", "2 unaligned"),
        ("[4168]", BOTH_OPENAT2),
        ("[4171]", "2 unaligned"),
        ("[4172]", "2 out of range"),
        ("[4176]", "2 out of range"),
        ("[8192]", "2 out of range"),
        ("[65536]", "2 out of range"),
        ("[0x10040]", "2 out of range"),
        ("[0x7ffffffc]", "2 out of range"),
        ("[0xfffff000]", "2 out of range"),
        ("[0xfffffff0]", "2 out of range"),
        ("[0xffffffff]", "2 unaligned"),
    ];
    for (offset, expected) in cases {
        let source = format!("ld nr; jeq 437 -> else out; ld {offset}; out: ret allow");
        assert_eq!(verdict(&asm(&source)), expected, "{offset}");
        // Where no way leads to it, only the offset counts.
        let source = format!("ld #0; jeq 1 -> else out; ld {offset}; out: ret allow");
        let expected = if expected == BOTH_OPENAT2 {
            ""
        } else {
            expected
        };
        assert_eq!(verdict(&asm(&source)), expected, "{offset}, never reached");
    }
}

#[test]
fn numbers_compared() {
    check(&[
        ("no load", "ret allow", ""),
        ("nothing compared", "ld ea+0; ret allow", "0 64:299"),
        (
            "info word, nothing compared",
            "ld size; ret allow",
            "0 64:299",
        ),
        (
            "number only loaded",
            "ld nr; ld ea+0; ret allow",
            "1 64:299",
        ),
        (
            "equal",
            "ld nr; jeq 435 -> else out; ld ea+0; out: ret allow",
            BOTH_CLONE3,
        ),
        (
            "equal, the wrong branch",
            "ld nr; jeq 435 -> out; ld ea+0; out: ret allow",
            "2 64:299",
        ),
        (
            "equal, both branches",
            "ld nr; jeq 435 ->; ld ea+0; ret allow",
            "2 64:299",
        ),
        (
            "a call without a struct",
            "ld nr; jeq 436 -> else out; ld ea+0; out: ret allow",
            "2 64:436",
        ),
        (
            "a call below the table",
            "ld nr; jeq 0 -> else out; ld ea+0; out: ret allow",
            "2 64:0",
        ),
        (
            "a call above the table",
            "ld nr; jeq 100000 -> else out; ld ea+0; out: ret allow",
            "2 64:100000",
        ),
        (
            "one of two",
            "ld nr; jeq 435 -> load; jeq 437 -> else out; load: ld ea+0; out: ret allow",
            ALL,
        ),
        (
            "one of three, one without a struct",
            "ld nr; jeq 435 -> load; jeq 436 -> load; jeq 437 -> else out
             load: ld ea+0; out: ret allow",
            "4 64:436",
        ),
        (
            "each in its branch",
            "ld nr; jeq 435 -> else no; ld ea+0; ret allow
             no: jeq 437 -> else out; ld ea+8; out: ret allow",
            ALL,
        ),
        (
            "second load after the first",
            "ld nr; jeq 437 -> else out; ld ea+0; jeq 5 -> else out; ld ea+16; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "a number compared with a loaded word",
            "ld nr; jeq 437 -> else out; ld ea+0; tax; ld nr; jeq x -> else out; ld ea+4
             out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "a loaded word is no number",
            "ld arg; jeq 437 -> else out; ld ea+0; out: ret allow",
            "2 64:299",
        ),
        (
            "after a merge of right and wrong",
            "ld nr; jeq 437 -> load; ld arg; jeq 0 -> else out; load: ld ea+0; out: ret allow",
            "4 64:299",
        ),
        (
            "after a merge of right and right",
            "ld nr; jeq 437 -> else out; ld arg; jeq 1 -> a else b
             a: ld arg; b: ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "number established again after a merge",
            "ld nr; jeq 437 -> a else b; a: ld arg; b: ld nr; jeq 437 -> else out; ld ea+0
             out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "contradiction",
            "ld nr; jeq 1 -> else out; jeq 437 -> else out; ld ea+0; out: ret allow",
            "",
        ),
        (
            "through ja",
            "ld nr; jeq 437 -> yes; ja out; yes: ja load; ld arg; load: ld ea+0
             out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "ja past the check",
            "ja load; ld nr; jeq 437 -> else out; load: ld ea+0; out: ret allow",
            "3 64:299",
        ),
        ("dead code", "ret allow; ld ea+0; ret allow", ""),
        (
            "division by zero ends",
            "ldx #0; div x; ld ea+0; ret allow",
            "",
        ),
    ]);
}

#[test]
fn ranges() {
    check(&[
        (
            "exactly one by > and >=",
            "ld nr; jgt 436 -> else out; jge 438 -> out; ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "exactly one by >= and >",
            "ld nr; jge 437 -> else out; jgt 437 -> out; ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "a range with a hole",
            "ld nr; jge 435 -> else out; jgt 437 -> out; jeq 436 -> out; ld ea+0
             out: ret allow",
            ALL,
        ),
        (
            "a range with the hole left in",
            "ld nr; jge 435 -> else out; jgt 437 -> out; ld ea+0; out: ret allow",
            "3 64:436",
        ),
        (
            "a range too low",
            "ld nr; jge 434 -> else out; jgt 435 -> out; ld ea+0; out: ret allow",
            "3 64:434",
        ),
        (
            "a range too high",
            "ld nr; jge 437 -> else out; jgt 438 -> out; ld ea+0; out: ret allow",
            "3 64:438",
        ),
        (
            "open above",
            "ld nr; jge 435 -> else out; jeq 436 -> out; ld ea+0; out: ret allow",
            "3 64:438",
        ),
        (
            "open below",
            "ld nr; jgt 437 -> out; jeq 436 -> out; ld ea+0; out: ret allow",
            "3 64:299",
        ),
        (
            "a binary search",
            "ld nr; jge 436 -> high; jge 435 -> load else out
             high: jge 437 -> else out; jge 438 -> out; load: ld ea+0; out: ret allow",
            ALL,
        ),
        (
            "nothing is greater than the greatest",
            "ld nr; jgt 0xffffffff -> else out; ld ea+0; out: ret allow",
            "",
        ),
        (
            "nothing is less than zero",
            "ld nr; jge 0 -> out; ld ea+0; out: ret allow",
            "",
        ),
        (
            "compared as unsigned",
            "ld nr; jge 435 -> else out; jgt 0x7fffffff -> out; jgt 435 -> out; ld ea+0
             out: ret allow",
            BOTH_CLONE3,
        ),
        (
            "a number that would be negative",
            "ld nr; jgt 0x7fffffff -> else out; ld ea+0; out: ret allow",
            "2 64:2147483648",
        ),
    ]);
}

#[test]
fn bits_tested() {
    check(&[
        // 435 = 0x1b3, 437 = 0x1b5.
        (
            "told apart by one bit",
            "ld nr; jge 435 -> else out; jgt 437 -> out; jset 1 -> else out; ld ea+0
             out: ret allow",
            ALL,
        ),
        (
            "told apart by another bit",
            "ld nr; jge 435 -> else out; jgt 437 -> out; jset 4 -> else out; jset 1 -> else out
             ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "a bit that is clear",
            "ld nr; jge 435 -> else out; jgt 437 -> out; jset 4 -> out; ld ea+0
             out: ret allow",
            BOTH_CLONE3,
        ),
        (
            "no bit at all",
            "ld nr; jset 0 -> else out; ld ea+0; out: ret allow",
            "",
        ),
        (
            "masked",
            "ld nr; jge 435 -> else out; jgt 437 -> out; and 6; jeq 4 -> else out
             ld nr; jset 1 -> else out; ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "masked with everything",
            "ld nr; and 0xffffffff; jeq 437 -> else out; ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "masked by X",
            "ldx #0xfff; ld nr; and x; jeq 437 -> else out; ld nr; jge 4096 -> out; ld ea+0
             out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "masked so that others look the same",
            "ld nr; and 0xfff; jeq 437 -> else out; ld ea+0; out: ret allow",
            "3 64:4533",
        ),
        (
            "masked, and compared as if that were the number",
            "ld nr; and 0x7fffffff; jge 437 -> else out; jgt 437 -> out; ld ea+0; out: ret allow",
            "4 64:0",
        ),
        (
            "one of two far numbers that meet",
            "ld nr; jeq 65536 -> meet; jeq 131072 -> else out; meet: jeq 65536 -> out; ld ea+0
             out: ret allow",
            "4 64:65537",
        ),
        (
            "masked with nothing",
            "ld nr; and 0; jeq 0 -> out; ld ea+0; out: ret allow",
            "",
        ),
    ]);
}

#[test]
fn x32() {
    check(&[
        (
            "an x32 number",
            "ld nr; jeq 0x400001b5 -> else out; ld ea+0; out: ret allow",
            "2 64:1073742261",
        ),
        (
            "the bit cleared before the number is compared",
            "ld nr; and 0xbfffffff; jeq 437 -> else out; ld ea+0; out: ret allow",
            "3 64:1073742261",
        ),
        (
            "the bit refused first",
            "ld nr; jset 0x40000000 -> out; and 0xbfffffff; jeq 437 -> else out; ld ea+0
             out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "the bit refused last",
            "ld nr; and 0xbfffffff; jeq 437 -> else out; ld nr; jset 0x40000000 -> out; ld ea+0
             out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "the whole range refused",
            "ld nr; jge 0x40000000 -> out; jeq 437 -> else out; ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
    ]);
    let refusal = Reason::NoStruct(Abi::X86_64, 0x4000_01b5);
    assert!(refusal.to_string().ends_with("(x32 number 437)"));
}

#[test]
fn arch() {
    check(&[
        (
            "x86-64 only",
            "ld arch; jeq x86-64 -> else out; ld nr; jeq 437 -> else out; ld ea+0
             out: ret allow",
            "64:openat2",
        ),
        (
            "i386 only",
            "ld arch; jeq i386 -> else out; ld nr; jeq 437 -> else out; ld ea+0; out: ret allow",
            "32:openat2",
        ),
        (
            "arch compared after the number",
            "ld nr; jeq 437 -> else out; ld arch; jeq i386 -> out; ld ea+0; out: ret allow",
            "64:openat2",
        ),
        (
            "another machine",
            "ld arch; jeq 0xc00000b7 -> else out; ld ea+0; out: ret allow",
            "",
        ),
        (
            "number established on one ABI only",
            "ld arch; jeq x86-64 -> else load; ld nr; jeq 437 -> else out; load: ld ea+0
             out: ret allow",
            "4 32:298",
        ),
        (
            "a call for each ABI",
            "ld arch; jeq x86-64 -> else other; ld nr; jeq 437 -> load else out
             other: ld nr; jeq 435 -> else out; load: ld ea+0; out: ret allow",
            "64:openat2 32:clone3",
        ),
        (
            "arch in place of the number",
            "ld arch; jeq 437 -> else out; ld ea+0; out: ret allow",
            "",
        ),
        (
            "arch above a bound",
            "ld arch; jgt 0x7fffffff -> else out; ld nr; jeq 437 -> else out; ld ea+0
             out: ret allow",
            "64:openat2",
        ),
        (
            "arch by a bit",
            "ld arch; jset 0x80000000 -> out; ld nr; jeq 437 -> else out; ld ea+0
             out: ret allow",
            "32:openat2",
        ),
    ]);
}

/// sched_setattr is 314 on x86-64 and 351 on i386, perf_event_open 298 and 336.
#[test]
fn numbers_of_one_abi() {
    for (abi, number, expected) in [
        ("x86-64", 314, "64:sched_setattr"),
        ("x86-64", 351, "4 64:351"),
        ("x86-64", 298, "64:perf_event_open"),
        ("x86-64", 336, "4 64:336"),
        ("i386", 314, "4 32:314"),
        ("i386", 351, "32:sched_setattr"),
        ("i386", 298, "4 32:298"),
        ("i386", 336, "32:perf_event_open"),
    ] {
        let source = format!(
            "ld arch; jeq {abi} -> else out; ld nr; jeq {number} -> else out; ld ea+0
             out: ret allow"
        );
        assert_eq!(verdict(&asm(&source)), expected, "{source}");
    }
    check(&[
        (
            "the number alone, which is one of i386 too",
            "ld nr; jeq 314 -> else out; ld ea+0; out: ret allow",
            "2 32:314",
        ),
        (
            "the number alone, which is one of x86-64 too",
            "ld nr; jeq 351 -> else out; ld ea+0; out: ret allow",
            "2 64:351",
        ),
        (
            "the other ABI killed first",
            "ld arch; jeq i386 -> out; ld nr; jeq 298 -> else out; ld ea+0; out: ret allow",
            "64:perf_event_open",
        ),
        (
            "the number of each ABI",
            "ld arch; jeq x86-64 -> else other; ld nr; jeq 314 -> load else out
             other: ld nr; jeq 351 -> else out; load: ld ea+0; out: ret allow",
            "64:sched_setattr 32:sched_setattr",
        ),
        (
            "the numbers confused",
            "ld arch; jeq i386 -> else other; ld nr; jeq 314 -> load else out
             other: ld nr; jeq 351 -> else out; load: ld ea+0; out: ret allow",
            "6 64:351",
        ),
        (
            "both numbers on both ABIs",
            "ld nr; jeq 298 -> load; jeq 336 -> else out; load: ld ea+0; out: ret allow",
            "3 64:336",
        ),
    ]);
}

/// Every call by its numbers, on its ABI, and next to them.
#[test]
fn every_row() {
    for abi in Abi::ALL {
        for call in &table::CALLS {
            let number = call.nr[abi as usize];
            let other = (number..)
                .find(|&number| table::find(abi, number).is_none())
                .unwrap();
            let expected = [
                (number, format!("{}:{}", bits(abi), call.name)),
                (other, format!("4 {}:{other}", bits(abi))),
            ];
            for (number, expected) in expected {
                let source = format!(
                    "ld arch; jeq {} -> else out; ld nr; jeq {number} -> else out; ld ea+0
                     out: ret allow",
                    abi.arch()
                );
                assert_eq!(verdict(&asm(&source)), expected, "{source}");
            }
        }
    }
}

#[test]
fn calls_that_the_kernel_lacks() {
    let row = |name| table::CALLS.iter().position(|call| call.name == name);
    let (openat2, clone3) = (row("openat2").unwrap(), row("clone3").unwrap());
    let only = |row| {
        let mut rows = Rows::NONE;
        rows.insert(row);
        rows
    };
    let judge_with = |source: &str, available| {
        let prog = asm(source);
        verify(&prog, available, &mut vec![Scratch::UNREACHED; prog.len()])
    };
    let absent = |index, row| {
        let reason = Reason::Absent(row);
        Err(Refusal { index, reason })
    };

    let one = "ld nr; jeq 437 -> else out; ld ea+0; out: ret allow";
    let inspected = judge_with(one, only(openat2)).unwrap();
    assert_eq!(describe(&inspected), BOTH_OPENAT2);
    assert_eq!(judge_with(one, only(clone3)), absent(2, openat2));
    assert_eq!(judge_with(one, Rows::NONE), absent(2, openat2));

    let two = "ld nr; jeq 437 -> load; jeq 435 -> else out; load: ld size; out: ret allow";
    assert_eq!(judge_with(two, only(openat2)), absent(3, clone3));
    assert_eq!(judge_with(two, only(clone3)), absent(3, openat2));

    // Naming the call is fine where its struct is not read, or where nothing leads to the load.
    for fine in [
        "ld nr; jeq 437 -> else out; ret kill; out: ret allow",
        "ld nr; jeq 437 -> else out; ja out; ld ea+0; out: ret allow",
    ] {
        assert!(judge_with(fine, Rows::NONE).unwrap().is_empty(), "{fine}");
    }
}

#[test]
fn registers_and_memory() {
    check(&[
        (
            "A and X are zero at first",
            "jeq 0 -> else load; jeq x -> out; load: ld ea+0; out: ret allow",
            "",
        ),
        (
            "number kept in X",
            "ld nr; tax; ld arg; txa; jeq 437 -> else out; ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "number kept in memory",
            "ld nr; st M3; ld arg; st M4; ld M3; jeq 437 -> else out; ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "number kept in memory over a load",
            "ld nr; st M15; jeq 437 -> a; jeq 435 -> else out; a: ld ea+0; ld M15
             jeq 435 -> else out; ld ea+4; out: ret allow",
            ALL,
        ),
        (
            "memory overwritten",
            "ld nr; st M3; ld arg; st M3; ld M3; jeq 437 -> else out; ld ea+0; out: ret allow",
            "6 64:299",
        ),
        (
            "memory of different contents merged",
            "ld arg; st M0; jeq 0 -> a; ld nr; st M0; a: ld M0; jeq 437 -> else out; ld ea+0
             out: ret allow",
            "7 64:299",
        ),
        (
            "memory of different contents merged, the other way round",
            "ld nr; st M0; jeq 0 -> a; ld arg; st M0; a: ld M0; jeq 437 -> else out; ld ea+0
             out: ret allow",
            "7 64:299",
        ),
        (
            "A of different contents merged",
            "ld nr; jeq 0 -> a; ld arg; a: jeq 437 -> else out; ld ea+0; out: ret allow",
            "4 64:299",
        ),
        (
            "X of different contents merged",
            "ld nr; tax; jeq 0 -> a; ld arg; tax; a: txa; jeq 437 -> else out; ld ea+0
             out: ret allow",
            "7 64:299",
        ),
        (
            "memory of the same contents merged",
            "ld nr; st M0; ld arg; jeq 0 -> a; ld nr; st M0; a: ld M0; jeq 437 -> else out
             ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "through X and memory",
            "ld nr; tax; stx M7; ldx M7; txa; jeq 437 -> else out; ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "compared with X",
            "ldx #437; ld nr; jeq x -> else out; ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "X compared with the constant in A",
            "ld nr; tax; ld #437; jgt x -> out; jge x -> else out; ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "compared with a computed constant",
            "ld #400; add 37; tax; ld nr; jeq x -> else out; ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "every operation on constants",
            "ld #6; mul 73; sub 1; xor 6; or 1; and 0xffff; lsh 4; rsh 4; div 1; neg; neg; tax
             ld nr; jeq x -> else out; ld ea+0; out: ret allow",
            BOTH_CLONE3,
        ),
        (
            "shifted far and back",
            "ld #437; lsh 20; rsh 20; tax; ld nr; jeq x -> else out; ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "compared with the length",
            "ld len; add 373; tax; ld nr; jeq x -> else out; ld ea+0; out: ret allow",
            BOTH_OPENAT2,
        ),
        (
            "compared with the length in X",
            "ldx len; ld nr; jeq x -> else out; ld ea+0; out: ret allow",
            "3 64:64",
        ),
        (
            "compared with an argument",
            "ld arg; tax; ld nr; jeq x -> else out; ld ea+0; out: ret allow",
            "4 64:299",
        ),
        (
            "number changed",
            "ld nr; add 1; jeq 438 -> else out; ld ea+0; out: ret allow",
            "3 64:299",
        ),
        (
            "shifted by too much",
            "ldx #32; ld #1; lsh x; jeq 1 -> out; ld ea+0; out: ret allow",
            "4 64:299",
        ),
    ]);
}

#[test]
fn malformed() {
    check(&[
        ("no return", "ld nr", "0 malformed"),
        ("memory slot 16", "st M16; ret allow", "0 malformed"),
        ("memory slot 16", "ld M16; ret allow", "0 malformed"),
    ]);
    let insn = |code, jt, jf, k| Insn { code, jt, jf, k };
    let ret = insn(0x06, 0, 0, 0);
    for (what, bad) in [
        ("jump past the end", insn(0x05, 0, 0, 1)),
        ("jump by the most", insn(0x05, 0, 0, u32::MAX)),
        ("conditional jump past the end", insn(0x15, 0, 1, 0)),
        ("modulo", insn(0x94, 0, 0, 1)),
        ("half word", insn(0x28, 0, 0, 0)),
        ("indirect", insn(0x40, 0, 0, 0)),
        ("a bit too many", insn(0x120, 0, 0, 64)),
        ("eBPF", insn(0x85, 0, 0, 0)),
    ] {
        assert_eq!(verdict(&[bad, ret]), "0 malformed", "{what}");
    }
    assert_eq!(verdict(&[]), "");
    let too_short = verify(&[ret], Rows::NONE, &mut []).unwrap_err();
    assert_eq!((too_short.index, too_short.reason), (0, Reason::Malformed));
}

#[test]
fn scratch_contents_do_not_matter() {
    let all = Rows::from_bits(u32::MAX);
    let mut scratch = vec![Scratch::UNREACHED; 8];
    let fine = asm("ld nr; jeq 437 -> else out; ld ea+0; out: ret allow");
    let bad = asm("ld ea+0; ret allow");
    for _ in 0..2 {
        assert!(verify(&fine, all, &mut scratch).is_ok());
        assert!(verify(&bad, all, &mut scratch).is_err());
    }
}

#[test]
fn reasons_in_words() {
    for (reason, words) in [
        (Reason::Unaligned(65), "65 is not a multiple of 4"),
        (Reason::OutOfRange(4172), "4172 is past the last word"),
        (Reason::NoStruct(Abi::X86_64, 436), "(x86-64 number 436)"),
        (Reason::NoStruct(Abi::I386, 436), "(i386 number 436)"),
        (
            Reason::NoStruct(Abi::I386, 1 << 30),
            "(i386 number 1073741824)",
        ),
        (
            Reason::Absent(0),
            "reached with clone3, which this kernel does not have",
        ),
        (Reason::Malformed, "the kernel does not take"),
    ] {
        assert!(reason.to_string().contains(words), "{reason}");
    }
}
