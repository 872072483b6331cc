// SPDX-License-Identifier: GPL-2.0

//! Tests of parts that cannot be seen from outside.

use crate::{
    architecture::Architecture,
    call::Call,
    cbpf::{self, Insn},
    check,
    decision::{Comparison, Decision, Graph, Id},
    explain, field, machine,
    residue::{residue, OPAQUE},
    simplify::{simplify, Memory},
    syscall,
    table::{Abi, Size, CALLS},
    tree,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::collections::BTreeMap;

/// Filters of programs of Debian 13, see `selftests/host/corpus/README`.
const CORPUS: [&str; 3] = [
    include_str!("../../../selftests/host/corpus/libseccomp.txt"),
    include_str!("../../../selftests/host/corpus/systemd.txt"),
    include_str!("../../../selftests/host/corpus/chromium.txt"),
];

fn corpus() -> Vec<Vec<Insn>> {
    let mut filters: Vec<Vec<Insn>> = Vec::new();
    for line in CORPUS.iter().flat_map(|text| text.lines()) {
        if line.starts_with('#') {
            filters.push(Vec::new());
            continue;
        }
        let number = |word: &str| match word.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).unwrap(),
            None => word.parse().unwrap(),
        };
        let words: Vec<u32> = line.split_whitespace().map(number).collect();
        filters.last_mut().unwrap().push(Insn {
            code: words[0] as u16,
            jt: words[1] as u8,
            jf: words[2] as u8,
            k: words[3],
        });
    }
    filters
}

/// The action that a decision leads to; [`None`] if it asks for what nobody can know.
fn follow(graph: &Graph, mut id: Id, word: impl Fn(u32) -> u32) -> Option<u32> {
    loop {
        let (test, yes, no) = match graph.get(id) {
            Decision::Action(action) => return Some(action.0),
            Decision::Test { test, .. } if test.word >= OPAQUE => return None,
            Decision::Test { test, yes, no } => (test, yes, no),
        };
        let value = word(test.word) & test.mask;
        let holds = match test.comparison {
            Comparison::Equal(k) => value == k,
            Comparison::GreaterOrEqual(k) => value >= k,
            Comparison::AnyBit => value != 0,
        };
        id = if holds { yes } else { no };
    }
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

/// The table of the module and those of the kernel's headers are about the same calls.
#[test]
fn tables_agree() {
    for call in &CALLS {
        for abi in Abi::ALL {
            let architecture = Architecture::of(abi.arch(), 0).unwrap();
            assert_eq!(
                syscall::nr(architecture, call.name),
                Some(call.nr[abi as usize])
            );
            assert_eq!(
                syscall::name(architecture, call.nr[abi as usize]),
                Some(call.name)
            );
        }
        let structure = field::structure(call.structure).unwrap();
        assert!(u64::from(structure.size) >= call.smallest);
        if let Size::Field { offset, .. } = call.size {
            let size = structure.field("size").unwrap();
            assert_eq!((size.first as usize, size.width), (8 * offset, 32));
        }
    }
    assert_eq!(syscall::nr(Architecture::X32, "read"), Some(0x4000_0000));
    assert_eq!(syscall::nr(Architecture::X32, "ioctl"), Some(0x4000_0202));
    assert_eq!(syscall::nr(Architecture::I386, "mmap2"), Some(192));
    assert_eq!(syscall::nr(Architecture::X86_64, "mmap2"), None);
}

/// What a filter sees of calls that are given as text.
#[test]
fn calls_are_seen() {
    const SIZE: u32 = 4160;
    const TAIL: u32 = 4164;
    const ERROR: u32 = 4168;
    for (text, words) in [
        ("read", &[(0, 0), (4, 0xc000_003e), (16, 0)][..]),
        ("i386:read", &[(0, 3), (4, 0x4000_0003)]),
        ("x32:ioctl", &[(0, 0x4000_0202), (4, 0xc000_003e)]),
        (
            "600 args[0]=-1 args[5]=0x100000002",
            &[(0, 600), (16, u32::MAX), (56, 2), (60, 1)],
        ),
        (
            "clone3 flags=0x2000000001",
            &[
                (64, 1),
                (68, 0x20),
                (24, 88),
                (SIZE, 88),
                (TAIL, 5),
                (ERROR, 0),
            ],
        ),
        // What is not passed is not seen.
        (
            "clone3 cgroup=1 args[1]=80",
            &[(144, 0), (SIZE, 80), (TAIL, 0)],
        ),
        (
            "clone3 cgroup=1 args[1]=84",
            &[(144, 1), (SIZE, 84), (TAIL, 81)],
        ),
        (
            "clone3 at[88]=256 args[1]=96",
            &[(152, 256), (SIZE, 96), (TAIL, 90)],
        ),
        (
            "clone3 flags=1 args[1]=4097",
            &[(64, 0), (SIZE, 4097), (TAIL, 0), (ERROR, 7)],
        ),
        (
            "clone3 args[1]=0x100000001",
            &[(SIZE, u32::MAX), (ERROR, 7)],
        ),
        (
            "i386:clone3 flags=1 args[1]=0x100000058",
            &[(64, 1), (SIZE, 88), (ERROR, 0)],
        ),
        (
            "clone3 flags=1 error=EFAULT",
            &[(64, 0), (SIZE, 88), (TAIL, 0), (ERROR, 14)],
        ),
        (
            "sched_setattr sched_nice=-1",
            &[(64, 56), (80, u32::MAX), (SIZE, 56), (TAIL, 20)],
        ),
        (
            "sched_setattr size=0 sched_nice=1",
            &[(64, 0), (80, 1), (SIZE, 48)],
        ),
        ("statmount size=0 param=1", &[(64, 0), (80, 0), (SIZE, 0)]),
        ("statmount error=EFAULT", &[(64, 0), (SIZE, 0), (ERROR, 14)]),
        ("listns size=5000", &[(64, 0), (SIZE, 5000), (ERROR, 7)]),
        (
            "perf_event_open precise_ip=3 disabled=1",
            &[(104, 0x18001), (SIZE, 144)],
        ),
        ("perf_event_open sample_max_stack=0b11|4", &[(172, 7)]),
    ] {
        let call = Call::parse(text).unwrap();
        for &(k, value) in words {
            assert_eq!(call.word(k), value, "{k} of {text}");
        }
    }
}

/// What is said of a filter once the call is known is what the filter does.
#[test]
fn residues_decide_alike() {
    for program in corpus() {
        assert!(check::check(&program, &[]).is_ok());
        for architecture in Architecture::ALL {
            for number in [0, 1, 16, 41, 56, 135, 272, 308, 435, 437] {
                let (arch, nr) = (architecture.arch(), architecture.nr(number));
                let mut residue = residue(&program, arch, nr);
                let entry = residue.entry.unwrap();
                let simple = simplify(&mut residue.graph, entry, Memory::Long).unwrap();
                // Values that the filter asks for are likely.
                let asked: Vec<u32> = program.iter().map(|insn| insn.k).collect();
                let words = prop::collection::vec(
                    (
                        any::<prop::sample::Index>(),
                        prop::sample::select(vec![0, 1, u32::MAX]),
                    ),
                    12,
                );
                let test = runner(20).run(&words, |words| {
                    let word = |k: u32| match k {
                        cbpf::DATA_NR => nr,
                        cbpf::DATA_ARCH => arch,
                        8 | 12 => 0,
                        _ => {
                            let (index, more) = words[(k as usize - 16) / 4];
                            asked[index.index(asked.len())].wrapping_add(more)
                        }
                    };
                    let action = machine::run(&program, word).0;
                    for id in [entry, simple] {
                        let followed = follow(&residue.graph, id, word);
                        prop_assert!(followed.is_none_or(|followed| followed == action));
                    }
                    Ok(())
                });
                test.unwrap();
            }
        }
        assert!(!explain::explain(&program, &[]).is_empty());
    }
}

/// The same for what no compiler writes. A test of what is computed of a word is not followed.
#[test]
fn residues_follow_registers() {
    const OTHER: (u16, u8, u8, u32) = (cbpf::RET_K, 0, 0, 0x5_0001);
    const ALLOW: (u16, u8, u8, u32) = (cbpf::RET_K, 0, 0, 0x7fff_0000);
    const LOAD: (u16, u8, u8, u32) = (cbpf::LD_ABS, 0, 0, 16);
    let insn = |code, k| (code, 0, 0, k);
    let jump = |code, k| (code, 0, 1, k);
    let with_x = |code| code | cbpf::SRC_X;
    for (body, is_followed) in [
        (
            vec![
                LOAD,
                insn(cbpf::AND, 0xff),
                insn(cbpf::AND, 0xf0f),
                jump(cbpf::JEQ, 5),
            ],
            true,
        ),
        (
            vec![LOAD, insn(cbpf::AND, 0xff), jump(cbpf::JSET, 0xf01)],
            true,
        ),
        (
            vec![LOAD, insn(cbpf::AND, 0xff), jump(cbpf::JSET, 0xf00)],
            true,
        ),
        (
            vec![
                insn(cbpf::LDX_IMM, 0xf0),
                LOAD,
                insn(with_x(cbpf::AND), 0),
                jump(cbpf::JGT, 0x30),
            ],
            true,
        ),
        (
            vec![
                LOAD,
                insn(cbpf::TAX, 0),
                insn(cbpf::LD_IMM, 6),
                insn(with_x(cbpf::AND), 0),
                jump(cbpf::JEQ, 4),
            ],
            true,
        ),
        (
            vec![
                LOAD,
                insn(cbpf::ST, 3),
                insn(cbpf::LD_IMM, 9),
                insn(cbpf::LDX_MEM, 3),
                insn(cbpf::TXA, 0),
                jump(cbpf::JGE, 7),
            ],
            true,
        ),
        (vec![LOAD, jump(cbpf::JGT, u32::MAX)], true),
        (
            vec![
                insn(cbpf::LD_IMM, 3),
                insn(cbpf::NEG, 0),
                jump(cbpf::JEQ, 0xffff_fffd),
            ],
            true,
        ),
        (
            vec![
                insn(cbpf::LD_LEN, 0),
                insn(cbpf::SUB, 60),
                jump(cbpf::JEQ, 4),
            ],
            true,
        ),
        (
            vec![
                insn(cbpf::LDX_IMM, 0),
                LOAD,
                insn(with_x(cbpf::DIV), 0),
                jump(cbpf::JEQ, 4),
            ],
            true,
        ),
        (vec![LOAD, insn(cbpf::ADD, 1), jump(cbpf::JEQ, 4)], false),
        (
            vec![LOAD, insn(cbpf::TAX, 0), jump(with_x(cbpf::JEQ), 0)],
            false,
        ),
    ] {
        let program: Vec<Insn> = body
            .into_iter()
            .chain([ALLOW, OTHER])
            .map(|(code, jt, jf, k)| Insn { code, jt, jf, k })
            .collect();
        check::check(&program, &[]).unwrap();
        let residue = residue(&program, Architecture::X86_64.arch(), 0);
        for value in (0..0x1200).chain([0x30_0000, u32::MAX]) {
            let word = |k| if k == 16 { value } else { 0 };
            let followed = follow(&residue.graph, residue.entry.unwrap(), word);
            let action = machine::run(&program, word).0;
            assert_eq!(
                followed,
                is_followed.then_some(action),
                "{value:#x}: {program:?}"
            );
        }
    }
}

/// Each number comes to the decision that it has.
#[test]
fn searches_find() {
    let calls = prop::collection::btree_map(0..60u32, 0..4u16, 0..30);
    runner(2000)
        .run(&(calls, any::<bool>()), |(calls, ends)| {
            let mut graph = Graph::default();
            let mut action = |number| graph.action(crate::action::Action::errno(number));
            let rest = action(9);
            let mut wanted: BTreeMap<u32, u32> = (0..70).map(|nr| (nr, 0x5_0009)).collect();
            let mut ranges = Vec::new();
            for (&nr, &number) in &calls {
                ranges.push((nr, nr, action(number)));
                wanted.insert(nr, 0x5_0000 | u32::from(number));
            }
            if ends {
                ranges.push((100, u32::MAX, action(8)));
            }
            wanted.insert(u32::MAX, if ends { 0x5_0008 } else { 0x5_0009 });
            let most = calls.len() + 2 * usize::from(ends);
            let entry = tree::search(&mut graph, ranges, rest);
            for (nr, action) in wanted {
                prop_assert_eq!(follow(&graph, entry, |_| nr), Some(action));
            }
            let tests = graph.reachable(entry, usize::MAX);
            let tests = tests.iter().filter(|&&id| graph.is_test(id)).count();
            prop_assert!(tests <= most, "{} tests, not {}", tests, most);
            Ok(())
        })
        .unwrap();
}
