// SPDX-License-Identifier: GPL-2.0

//! Compiled filters against the profiles that they were made of: random profiles, judged for random
//! calls by an evaluator that knows nothing of the compiler, and by the reference of the contract
//! that the module itself is tested against.

#![forbid(unsafe_code)]

#[allow(dead_code, clippy::precedence)]
#[path = "../../../../selftests/host/tests/fuzz/contract.rs"]
mod contract;
/// What the reference takes from the module's tests.
mod subject {
    /// An instruction of classic BPF.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Classic {
        pub code: u16,
        pub jt: u8,
        pub jf: u8,
        pub k: u32,
    }
}

#[path = "../docker/mod.rs"]
mod docker;
mod evaluate;
mod generate;
mod libseccomp;
mod program;
mod programs;

use generate::{Call, Fallback, Profile};
use program::Compiled;
use proptest::prelude::*;

const PAGE: &str = include_str!("../../../../Documentation/eafilter.rst");

/// As many calls are made under each filter.
const CALLS: usize = 100;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Compares all verdicts on the calls.
fn compare(profile: &Profile, fallback: Fallback, calls: &[Call]) -> Result<(), TestCaseError> {
    compare_with(profile, &[], fallback, calls)
}

/// The same for a profile with overlays.
fn compare_with(
    profile: &Profile,
    overlays: &[Profile],
    fallback: Fallback,
    calls: &[Call],
) -> Result<(), TestCaseError> {
    let compiled = program::compile_with(&profile.json(), overlays, fallback);
    let profile = overlays.iter().fold(profile.clone(), evaluate::replace);
    let ops = match compiled {
        Compiled::Filter(ops) => ops,
        // Which ones are refused is for other tests.
        Compiled::Contradiction => return Err(TestCaseError::reject("contradiction")),
    };
    for call in calls {
        let seen = call.seen(&profile.calls());
        let got = contract::run(&ops, |k| seen.word(k));
        let wanted = evaluate::verdict(&profile, fallback, &seen);
        prop_assert_eq!(got, wanted, "{:?} under {:?}", seen, profile);
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(20))]

    #[test]
    fn verdicts_of_long_filters(
        profile in generate::long_profile(),
        calls in prop::collection::vec(generate::call(), 10 * CALLS),
    ) {
        compare(&profile, Fallback::Refuse, &calls)?;
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn verdicts(
        profile in generate::profile(true),
        calls in prop::collection::vec(generate::call(), CALLS),
    ) {
        compare(&profile, Fallback::Refuse, &calls)?;
    }

    #[test]
    fn verdicts_without_the_module(
        profile in generate::profile(true),
        fallback in generate::fallback(),
        calls in prop::collection::vec(generate::call(), CALLS),
    ) {
        compare(&profile, fallback, &calls)?;
    }

    #[test]
    fn verdicts_with_overlays(
        profile in generate::profile(true),
        overlays in prop::collection::vec(generate::profile(true), 1..3),
        calls in prop::collection::vec(generate::call(), CALLS),
    ) {
        compare_with(&profile, &overlays, Fallback::Refuse, &calls)?;
    }

    #[test]
    fn programs(program in programs::program(), nr in 600..700u32, args in any::<[u64; 6]>()) {
        programs::compare(&program, nr, &args)?;
    }
}

#[test]
fn libseccomp_agrees() {
    libseccomp::agrees(400);
}

#[test]
fn libseccomp_agrees_on_docker() {
    let length = libseccomp::agrees_on(&docker::text());
    let claim = format!("libseccomp 2.6 needs {length} instructions for the first one");
    assert!(PAGE.contains(&claim), "it is not true any more: {claim}");
}
