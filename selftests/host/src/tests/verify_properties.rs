// SPDX-License-Identifier: GPL-2.0

//! Random filters, judged by the verification and run by the oracle.

use super::{judge, oracle};
use crate::{
    cbpf::{self, Insn},
    layout,
    table::{self, Abi, Rows, CALLS},
    verify::{verify, Inspected, Reason, Refusal, Scratch},
};
use proptest::{prelude::*, sample::select};
use std::{collections::BTreeSet, ops::RangeInclusive};

/// The numbers that the verification tells apart; it keeps ranges of those below and above.
fn window() -> RangeInclusive<u32> {
    let first = CALLS.iter().flat_map(|call| call.nr).min().unwrap();
    first..=first + 255
}

/// The bit that is set in the numbers of x32.
const X32_BIT: u32 = 0x4000_0000;

/// Numbers of calls in the table and their neighbours.
fn near_table() -> impl Strategy<Value = u32> {
    let numbers: BTreeSet<u32> = CALLS
        .iter()
        .flat_map(|call| call.nr)
        .flat_map(|number| number - 2..=number + 2)
        .collect();
    select(numbers.into_iter().collect::<Vec<_>>())
}

/// Constants to compare a number with.
fn constant() -> BoxedStrategy<u32> {
    let edges = vec![
        0,
        1,
        *window().start(),
        *window().end(),
        window().end() + 1,
        X32_BIT - 1,
        X32_BIT,
        0x7fff_ffff,
        0x8000_0000,
        u32::MAX - 1,
        u32::MAX,
        Abi::X86_64.arch(),
        Abi::I386.arch(),
        layout::DATA_SIZE,
    ];
    prop_oneof![
        6 => near_table(),
        2 => select(edges),
        1 => near_table().prop_map(|number| number | X32_BIT),
        1 => 0..1024u32,
        1 => any::<u32>(),
    ]
    .boxed()
}

/// The same for filters that look at nothing outside the window but whether it is outside.
fn near_window() -> BoxedStrategy<u32> {
    let first = *window().start();
    prop_oneof![
        6 => first..first + 5,
        1 => first..=first + 256,
        1 => Just(X32_BIT),
    ]
    .boxed()
}

/// The same for bits.
fn near_x32() -> BoxedStrategy<u32> {
    select(vec![X32_BIT, u32::MAX]).boxed()
}

/// Masks: low bits, which tell the numbers in the table apart, and the bit of x32.
fn mask() -> BoxedStrategy<u32> {
    prop_oneof![
        4 => (0..9u32).prop_map(|bit| 1 << bit),
        2 => 0..16u32,
        1 => Just(X32_BIT),
        1 => Just(!X32_BIT),
        1 => Just(u32::MAX),
        1 => any::<u32>(),
    ]
    .boxed()
}

fn insn(code: u16, k: u32) -> Insn {
    Insn {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

fn ea_load() -> impl Strategy<Value = Insn> {
    (0..1027u32).prop_map(|word| insn(cbpf::LD_ABS, layout::DATA_SIZE + 4 * word))
}

fn conditional(
    code: impl Strategy<Value = u16>,
    k: impl Strategy<Value = u32>,
) -> impl Strategy<Value = Insn> {
    // Distances are made valid by `close()`.
    (code, k, 0..6u8, 0..6u8).prop_map(|(code, k, jt, jf)| Insn { code, jt, jf, k })
}

fn comparison() -> impl Strategy<Value = u16> {
    select(vec![cbpf::JEQ, cbpf::JGT, cbpf::JGE])
}

/// Any instruction that a filter may have.
fn any_insn() -> impl Strategy<Value = Insn> {
    let source = || select(vec![0, cbpf::SRC_X]);
    let slot = || prop_oneof![3 => 0..3u32, 1 => 0..16u32];
    let arithmetic = select(vec![
        cbpf::ADD,
        cbpf::SUB,
        cbpf::MUL,
        cbpf::DIV,
        cbpf::OR,
        cbpf::AND,
        cbpf::XOR,
    ]);
    prop_oneof![
        6 => Just(insn(cbpf::LD_ABS, cbpf::DATA_NR)),
        2 => Just(insn(cbpf::LD_ABS, cbpf::DATA_ARCH)),
        1 => Just(insn(cbpf::LD_ABS, 16)),
        4 => ea_load(),
        8 => (comparison(), source()).prop_flat_map(|(code, x)| {
            conditional(Just(code | x), constant())
        }),
        3 => source().prop_flat_map(|x| conditional(Just(cbpf::JSET | x), mask())),
        1 => (0..4u32).prop_map(|k| insn(cbpf::JA, k)),
        2 => (arithmetic, source(), constant())
            .prop_map(|(code, x, k)| insn(code | x, k.max(1))),
        1 => mask().prop_map(|k| insn(cbpf::AND, k)),
        1 => (select(vec![cbpf::LSH, cbpf::RSH]), source(), 0..32u32)
            .prop_map(|(code, x, k)| insn(code | x, k)),
        2 => (select(vec![cbpf::ST, cbpf::STX, cbpf::LD_MEM, cbpf::LDX_MEM]), slot())
            .prop_map(|(code, k)| insn(code, k)),
        2 => (select(vec![cbpf::LD_IMM, cbpf::LDX_IMM]), constant())
            .prop_map(|(code, k)| insn(code, k)),
        2 => select(vec![cbpf::TAX, cbpf::TXA, cbpf::NEG, cbpf::LD_LEN, cbpf::LDX_LEN])
            .prop_map(|code| insn(code, 0)),
        1 => Just(insn(cbpf::RET_K, 0)),
    ]
}

/// One of the small groups of instructions that the filters of libraries are made of: load a word
/// and test it at once, on its own or masked, or by way of X or memory.
fn group(k: BoxedStrategy<u32>, mask: BoxedStrategy<u32>) -> impl Strategy<Value = Vec<Insn>> {
    let load = |word| insn(cbpf::LD_ABS, word);
    let nr = load(cbpf::DATA_NR);
    let test = conditional(comparison(), k.clone()).boxed();
    let test_x = conditional(comparison(), Just(0))
        .prop_map(|jump| Insn {
            code: jump.code | cbpf::SRC_X,
            ..jump
        })
        .boxed();
    let abi = select(vec![Abi::X86_64.arch(), Abi::I386.arch()]);

    let plain = test.clone().prop_map(move |test| vec![nr, test]);
    let through_x = test.clone().prop_map(move |test| {
        let [tax, txa] = [cbpf::TAX, cbpf::TXA].map(|code| insn(code, 0));
        vec![nr, tax, load(16), txa, test]
    });
    let through_memory = (test, 0..16u32).prop_map(move |(test, slot)| {
        let [store, again] = [cbpf::ST, cbpf::LD_MEM].map(|code| insn(code, slot));
        vec![nr, store, load(16), again, test]
    });
    let with_x = (k.clone(), test_x.clone())
        .prop_map(move |(k, test)| vec![insn(cbpf::LDX_IMM, k), nr, test]);
    let exchanged = (k.clone(), test_x)
        .prop_map(move |(k, test)| vec![nr, insn(cbpf::TAX, 0), insn(cbpf::LD_IMM, k), test]);
    let bits = conditional(Just(cbpf::JSET), mask.clone()).prop_map(move |test| vec![nr, test]);
    let masked =
        (mask, k, conditional(Just(cbpf::JEQ), Just(0))).prop_map(move |(mask, k, test)| {
            let k = k & mask;
            vec![nr, insn(cbpf::AND, mask), Insn { k, ..test }]
        });
    let arch =
        conditional(Just(cbpf::JEQ), abi).prop_map(move |test| vec![load(cbpf::DATA_ARCH), test]);
    let argument = conditional(comparison(), constant()).prop_map(move |test| vec![load(16), test]);

    prop_oneof![
        6 => plain,
        1 => through_x,
        1 => through_memory,
        1 => with_x,
        1 => exchanged,
        2 => bits,
        1 => masked,
        1 => arch,
        1 => argument,
        1 => (0..4u32).prop_map(|k| vec![insn(cbpf::JA, k)]),
        4 => ea_load().prop_map(|load| vec![load]),
        1 => Just(vec![insn(cbpf::RET_K, 0)]),
    ]
}

/// Makes a filter: jumps are kept within it, and it ends by returning.
fn close(mut prog: Vec<Insn>) -> Vec<Insn> {
    prog.push(insn(cbpf::RET_K, 0));
    let len = prog.len();
    for (index, insn) in prog.iter_mut().enumerate() {
        let most = len - 2 - index.min(len - 2);
        insn.jt = insn.jt.min(most.min(255) as u8);
        insn.jf = insn.jf.min(most.min(255) as u8);
        if insn.code == cbpf::JA {
            insn.k = insn.k.min(most as u32);
        }
    }
    prog
}

/// The same, with distances counted in groups, so that no jump goes into the middle of one.
fn close_groups(groups: Vec<Vec<Insn>>) -> Vec<Insn> {
    let mut starts = vec![0];
    for group in &groups {
        starts.push(starts[starts.len() - 1] + group.len());
    }
    let mut prog = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let distance =
            |skip: usize| starts[(index + 1 + skip).min(groups.len())] - starts[index + 1];
        let mut group = group.clone();
        let last = group.last_mut().unwrap();
        last.jt = distance(last.jt.into()) as u8;
        last.jf = distance(last.jf.into()) as u8;
        if last.code == cbpf::JA {
            last.k = distance(last.k as usize) as u32;
        }
        prog.extend(group);
    }
    close(prog)
}

fn soup() -> impl Strategy<Value = Vec<Insn>> {
    prop::collection::vec(any_insn(), 1..24).prop_map(close)
}

/// Groups that load, keep, and test, but not in this order: values of all kinds meet. What comes of
/// it decides about the one load at the end.
fn shuffled() -> impl Strategy<Value = Vec<Insn>> {
    let word = select(vec![cbpf::DATA_NR, cbpf::DATA_NR, cbpf::DATA_ARCH, 16]);
    let load = word.prop_map(|word| insn(cbpf::LD_ABS, word));
    let keep = prop_oneof![
        2 => Just(insn(cbpf::TAX, 0)),
        2 => (0..2u32).prop_map(|slot| insn(cbpf::ST, slot)),
        1 => (0..2u32).prop_map(|slot| insn(cbpf::STX, slot)),
    ];
    let recall = prop_oneof![
        2 => Just(insn(cbpf::TXA, 0)),
        2 => (0..2u32).prop_map(|slot| insn(cbpf::LD_MEM, slot)),
        1 => (0..2u32).prop_map(|slot| insn(cbpf::LDX_MEM, slot)),
    ]
    .boxed();
    let group = prop_oneof![
        3 => (load, keep).prop_map(|(load, keep)| vec![load, keep]),
        1 => recall.clone().prop_map(|recall| vec![recall]),
        3 => conditional(comparison(), near_table()).prop_map(|test| vec![test]),
    ];
    let row = (0..CALLS.len(), 0..2usize).prop_map(|(row, abi)| CALLS[row].nr[abi]);
    (prop::collection::vec(group, 1..8), recall, row, ea_load()).prop_map(
        |(mut groups, recall, number, load)| {
            let test = Insn {
                jf: 1,
                ..insn(cbpf::JEQ, number)
            };
            groups.extend([vec![recall], vec![test], vec![load]]);
            close_groups(groups)
        },
    )
}

fn grouped(k: BoxedStrategy<u32>, mask: BoxedStrategy<u32>) -> impl Strategy<Value = Vec<Insn>> {
    prop::collection::vec(group(k, mask), 1..14).prop_map(close_groups)
}

/// The lowest number from `first` to `last` whose bits in `mask` are `pattern`, found bit by bit.
fn with_pattern(first: u32, last: u32, mask: u32, pattern: u32) -> Option<u32> {
    fn search(
        prefix: u32,
        bit: u32,
        first: u32,
        last: u32,
        mask: u32,
        pattern: u32,
    ) -> Option<u32> {
        let rest = if bit == 32 { u32::MAX } else { (1 << bit) - 1 };
        if prefix | rest < first || prefix > last {
            return None;
        }
        let Some(next) = bit.checked_sub(1) else {
            return Some(prefix);
        };
        [0, 1 << next].into_iter().find_map(|choice| {
            let fits = (mask >> next) & 1 == 0 || pattern & (1 << next) == choice;
            fits.then(|| search(prefix | choice, next, first, last, mask, pattern))?
        })
    }
    search(0, 32, first, last, mask, pattern)
}

/// Numbers such that every other number is treated by `prog` like one of them, if all that it does
/// with numbers is to compare them, or some bits of them, with constants.
///
/// Returns fewer if the masks have so many bits that there would be too many.
fn representatives(prog: &[Insn]) -> BTreeSet<u32> {
    let mut edges = BTreeSet::from([0, *window().start(), window().end() + 1]);
    let mut masks = 0;
    for insn in prog {
        let is_mask = insn.code == cbpf::AND || insn.code == cbpf::JSET;
        if is_mask && insn.k != u32::MAX {
            masks |= insn.k;
        }
        edges.extend([insn.k, insn.k.saturating_add(1)]);
        edges.extend([insn.k | X32_BIT, (insn.k | X32_BIT).saturating_add(1)]);
    }
    edges.extend(
        CALLS
            .iter()
            .flat_map(|call| call.nr)
            .flat_map(|nr| [nr, nr + 1]),
    );

    let mut numbers: BTreeSet<u32> = window().collect();
    let firsts: Vec<u32> = edges.into_iter().collect();
    let lasts = firsts.iter().skip(1).map(|next| next - 1).chain([u32::MAX]);
    for (&first, last) in firsts.iter().zip(lasts) {
        numbers.extend([first, last]);
        let mut pattern = masks;
        for _ in 0..64 {
            numbers.extend(with_pattern(first, last, masks, pattern));
            if pattern == 0 {
                break;
            }
            pattern = (pattern - 1) & masks;
        }
    }
    numbers
}

/// What the oracle says of a filter: the loads that calls without a struct can come to, and the
/// calls with a struct that can come to a load.
struct Truth {
    wrong: Vec<(usize, Abi, u32)>,
    inspected: BTreeSet<(usize, usize)>,
}

fn truth(prog: &[Insn]) -> Truth {
    let mut truth = Truth {
        wrong: Vec::new(),
        inspected: BTreeSet::new(),
    };
    let numbers = representatives(prog);
    for abi in Abi::ALL {
        for &number in &numbers {
            let loads = oracle::loads_reached(prog, abi, number);
            if loads.is_empty() {
                continue;
            }
            match CALLS
                .iter()
                .position(|call| call.nr[abi as usize] == number)
            {
                Some(row) => {
                    truth.inspected.insert((abi as usize, row));
                }
                None => truth
                    .wrong
                    .extend(loads.into_iter().map(|load| (load, abi, number))),
            }
        }
    }
    truth
}

/// The rows that the verification found to be inspected, if it accepts `prog`.
fn inspected(prog: &[Insn]) -> Result<BTreeSet<(usize, usize)>, Refusal> {
    let inspected = judge(prog)?;
    Ok(Abi::ALL
        .into_iter()
        .flat_map(|abi| (0..CALLS.len()).map(move |row| (abi, row)))
        .filter(|&(abi, row)| inspected.contains(abi, row))
        .map(|(abi, row)| (abi as usize, row))
        .collect())
}

/// Whether the call that a refusal names can really come to the load that it names.
fn is_true(prog: &[Insn], refusal: Refusal) -> bool {
    match refusal.reason {
        Reason::NoStruct(abi, number) => {
            table::find(abi, number).is_none()
                && oracle::loads_reached(prog, abi, number).contains(&refusal.index)
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000,
        failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the filter does, no call without a struct comes to a load.
    #[test]
    fn sound(prog in prop_oneof![soup(), shuffled()]) {
        if let Ok(inspected) = inspected(&prog) {
            let truth = truth(&prog);
            prop_assert!(truth.wrong.is_empty(), "{:?}", truth.wrong);
            prop_assert!(inspected.is_superset(&truth.inspected));
        }
    }

    /// Where words are tested right after they are loaded, nothing is lost within the window: the
    /// calls inspected are exactly those that come to a load, and a refusal names one that does.
    #[test]
    fn exact_in_the_window(prog in grouped(constant(), mask())) {
        match inspected(&prog) {
            Ok(inspected) => {
                let truth = truth(&prog);
                prop_assert!(truth.wrong.is_empty(), "{:?}", truth.wrong);
                prop_assert_eq!(inspected, truth.inspected);
            }
            Err(refusal) => {
                if let Reason::NoStruct(_, number) = refusal.reason {
                    prop_assert!(!window().contains(&number) || is_true(&prog, refusal), "{:?}", refusal);
                }
            }
        }
    }

    /// And with comparisons only in or next to the window and of x32's bit, nothing is lost at all.
    #[test]
    fn exact(prog in grouped(near_window(), near_x32())) {
        let truth = truth(&prog);
        match inspected(&prog) {
            Ok(inspected) => {
                prop_assert!(truth.wrong.is_empty(), "{:?}", truth.wrong);
                prop_assert_eq!(inspected, truth.inspected);
            }
            Err(refusal) => {
                prop_assert!(is_true(&prog, refusal), "{:?}", refusal);
                prop_assert!(!truth.wrong.is_empty());
            }
        }
    }

    /// A kernel that lacks calls refuses what reads their structs, and that only.
    #[test]
    fn absent_calls(prog in grouped(constant(), mask()), available: u32) {
        let available = Rows::from_bits(available);
        let verdict = verify(&prog, available, &mut vec![Scratch::UNREACHED; prog.len()]);
        match (judge(&prog), verdict) {
            (Ok(all), Ok(inspected)) => {
                prop_assert_eq!(all, inspected);
                let lacks = |row| !available.contains(row);
                let reads = |row| Abi::ALL.iter().any(|&abi| all.contains(abi, row));
                prop_assert_eq!((0..CALLS.len()).find(|&row| lacks(row) && reads(row)), None);
            }
            (Ok(_), Err(Refusal { index, reason: Reason::Absent(row) })) => {
                let reaches = |abi: Abi| {
                    oracle::loads_reached(&prog, abi, CALLS[row].nr[abi as usize]).contains(&index)
                };
                prop_assert!(!available.contains(row));
                prop_assert!(Abi::ALL.into_iter().any(reaches));
            }
            (Err(_), Err(_)) => {}
            verdicts => prop_assert!(false, "{:?}", verdicts),
        }
    }

    /// Outside of the window a range is as narrow as tests make it, for whatever bits they are of.
    #[test]
    fn ranges_are_narrow(
        first in any::<u32>(),
        length in 0..2000u32,
        mask in mask(),
        k in any::<u32>(),
        jump in select(vec![cbpf::JEQ, cbpf::JSET]),
        outcome: bool,
    ) {
        // Within one of the ranges that the numbers outside are kept in.
        let floor = first & 0xc000_0000;
        let floor = if floor == 0 { window().end() + 1 } else { floor };
        let first = first.max(floor);
        let last = first.saturating_add(length).min(first | 0x3fff_ffff);
        // A value that some number has.
        let k = if k % 4 == 0 { k } else { (first + k % (last - first + 1)) & mask };

        let holds = |number: u32| match jump {
            cbpf::JEQ => number & mask == k,
            _ => number & mask & k != 0,
        };
        let mut left = (first..=last).filter(|&number| holds(number) == outcome);
        let lowest = left.next();
        let highest = left.next_back().or(lowest);

        // Tests the number, and then loads if it compares so.
        let judge_with = |code, bound, jt, jf| {
            let test = |code, jt, jf, k| Insn { code, jt, jf, k };
            let nr = insn(cbpf::LD_ABS, cbpf::DATA_NR);
            judge(&[
                nr,
                test(cbpf::JGE, 0, 8, first),
                test(cbpf::JGT, 7, 0, last),
                insn(cbpf::AND, mask),
                test(jump, u8::from(!outcome) * 5, u8::from(outcome) * 5, k),
                nr,
                test(code, jt, jf, bound),
                insn(cbpf::LD_ABS, layout::DATA_SIZE),
                insn(cbpf::RET_K, 0),
                insn(cbpf::RET_K, 1),
                insn(cbpf::RET_K, 2),
            ])
        };
        let unreached = |verdict: Result<Inspected, Refusal>| {
            verdict.is_ok_and(|inspected| inspected.is_empty())
        };
        match lowest.zip(highest) {
            None => prop_assert!(unreached(judge_with(cbpf::JGE, 0, 0, 0))),
            Some((lowest, highest)) => {
                let wrong = |number| {
                    let abi = Abi::X86_64;
                    Err(Refusal { index: 7, reason: Reason::NoStruct(abi, number) })
                };
                prop_assert!(unreached(judge_with(cbpf::JGE, lowest, 1, 0)));
                prop_assert_eq!(judge_with(cbpf::JGT, lowest, 1, 0), wrong(lowest));
                prop_assert!(unreached(judge_with(cbpf::JGT, highest, 0, 1)));
                prop_assert_eq!(judge_with(cbpf::JGE, highest, 0, 1), wrong(highest));
            }
        }
    }

    /// Nothing that is thrown at it makes it panic, as that would be a BUG in the kernel.
    #[test]
    fn never_panics(
        insns in prop::collection::vec((any::<u16>(), any::<u8>(), any::<u8>(), any::<u32>()), 0..40),
        known in prop::collection::vec(any_insn(), 0..40),
        scratch in 0..80usize,
        available: u32,
    ) {
        let available = Rows::from_bits(available);
        let raw = insns.into_iter().map(|(code, jt, jf, k)| Insn { code: code & 0xff, jt, jf, k });
        let prog: Vec<Insn> = known.iter().copied().chain(raw).collect();
        let _ = verify(&prog, available, &mut vec![Scratch::UNREACHED; scratch]);
        let _ = verify(&known, available, &mut vec![Scratch::UNREACHED; scratch]);
    }
}
