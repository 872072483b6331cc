// SPDX-License-Identifier: GPL-2.0

//! The pass rule, against a thread whose passes are known.

use crate::pass::Pass;
use proptest::prelude::*;

/// A system call, as `(arch, nr)`.
type Call = (u32, u32);

const CALLS: [Call; 3] = [(0xc000_003e, 435), (0xc000_003e, 437), (0x4000_0003, 437)];

/// What happens to a thread.
#[derive(Clone, Debug)]
enum Event {
    /// A filter is attached that inspects the calls whose bits are set. Meanwhile so many others
    /// are attached elsewhere.
    Attach { calls: u8, elsewhere: u64 },
    /// A system call is made: all filters judge it, the newest first. `again` if a tracer has them
    /// judge it once more.
    Call { call: usize, again: bool },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0..8u8, 0..3u64).prop_map(|(calls, elsewhere)| Event::Attach { calls, elsewhere }),
        5 => (0..CALLS.len(), any::<bool>()).prop_map(|(call, again)| Event::Call { call, again }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// The first filter of every pass fetches, and no other one does.
    #[test]
    fn one_fetch_for_a_pass(events in prop::collection::vec(event(), 1..60)) {
        let mut chain: Vec<(u64, u8)> = Vec::new();
        let mut last = 0;
        let mut pass: Option<Pass> = None;
        for event in events {
            let (call, times) = match event {
                Event::Attach { calls, elsewhere } => {
                    last += 1 + elsewhere;
                    chain.push((last, calls));
                    continue;
                }
                Event::Call { call, again } => (call, 1 + u32::from(again)),
            };
            let (arch, nr) = CALLS[call];
            for _ in 0..times {
                let mut fetched = false;
                let inspecting = chain.iter().rev().filter(|(_, calls)| (calls >> call) & 1 != 0);
                for &(number, _) in inspecting {
                    let next = pass.and_then(|pass| pass.next(arch, nr, number));
                    prop_assert_eq!(next.is_none(), !fetched);
                    fetched = true;
                    pass = next.or(Some(Pass::begin(arch, nr, number)));
                }
                if fetched {
                    for (index, (arch, nr)) in CALLS.into_iter().enumerate() {
                        let covers = pass.is_some_and(|pass| pass.covers(arch, nr));
                        prop_assert_eq!(covers, index == call);
                    }
                }
            }
        }
    }
}

/// Why numbers are given when a filter is attached: given when it is made, a younger filter below an
/// older one judges the struct of the call before.
#[test]
fn numbers_must_fall_along_the_chain() {
    let (arch, nr) = CALLS[0];
    let (upper, lower) = (1, 2);
    let pass = Pass::begin(arch, nr, upper);
    assert_eq!(pass.next(arch, nr, lower), None);
    let pass = Pass::begin(arch, nr, lower);
    assert!(pass.next(arch, nr, upper).is_some());
}

/// A pass goes down the chain only. Filters above the one that has looked last begin another.
#[test]
fn a_pass_does_not_go_back() {
    let (arch, nr) = CALLS[0];
    let pass = Pass::begin(arch, nr, 5).next(arch, nr, 3).unwrap();
    assert_eq!(pass.next(arch, nr, 4), None);
    assert_eq!(pass.next(arch, nr, 3), None);
    assert!(pass.next(arch, nr, 2).is_some());
}
