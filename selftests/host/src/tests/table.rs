// SPDX-License-Identifier: GPL-2.0

//! The table itself: what everything that it drives takes for granted.

use crate::table::{find, Abi, Rows, Size, CALLS};
use std::collections::BTreeSet;

#[test]
fn numbers() {
    for abi in Abi::ALL {
        let numbers: BTreeSet<u32> = CALLS.iter().map(|call| call.nr[abi as usize]).collect();
        assert_eq!(numbers.len(), CALLS.len(), "{abi:?}: a number twice");
        for call in &CALLS {
            let found = find(abi, call.nr[abi as usize]);
            assert_eq!(found.map(|found| found.name), Some(call.name));
        }
    }
    let all = || CALLS.iter().flat_map(|call| call.nr);
    // The verification tells so many apart, see `WINDOW` there.
    assert!(all().max().unwrap() - all().min().unwrap() < 256);
    // System calls have the same number everywhere since 5.1.
    for call in &CALLS {
        assert!(
            call.nr[0] == call.nr[1] || call.nr[0] < 424,
            "{}",
            call.name
        );
    }
}

/// What is a call on one ABI is none on the other, and what is no ABI has none.
#[test]
fn abis() {
    for (abi, arch) in [(Abi::X86_64, 0xc000_003e), (Abi::I386, 0x4000_0003)] {
        assert_eq!(abi.arch(), arch);
        assert_eq!(Abi::from_arch(arch), Some(abi));
    }
    for arch in [0, 0x3e, 0x4000_003e, 0x8000_003e, 0xc000_0003, 0xc000_00b7] {
        assert_eq!(Abi::from_arch(arch), None, "{arch:#x}");
    }
    // sched_setattr(2).
    assert!(find(Abi::X86_64, 314).is_some() && find(Abi::X86_64, 351).is_none());
    assert!(find(Abi::I386, 351).is_some() && find(Abi::I386, 314).is_none());
}

#[test]
fn arguments() {
    for value in [0, 1, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, u64::MAX] {
        assert_eq!(Abi::X86_64.argument(value), value);
        assert_eq!(Abi::I386.argument(value), u64::from(value as u32));
    }
}

#[test]
fn sizes() {
    for call in &CALLS {
        assert!(call.pointer < 6, "{}", call.name);
        assert!((8..=4096).contains(&call.smallest), "{}", call.name);
        assert_eq!(call.smallest % 8, 0, "{}", call.name);
        match call.size {
            Size::Argument(index) => {
                assert!(index < 6 && index != call.pointer, "{}", call.name);
            }
            Size::Field { offset, zero } => {
                assert_eq!(offset % 4, 0, "{}", call.name);
                assert!(offset as u64 + 4 <= call.smallest, "{}", call.name);
                assert!(zero == 0 || zero == call.smallest, "{}", call.name);
            }
        }
    }
}

#[test]
fn functions() {
    let names: BTreeSet<&str> = CALLS.iter().map(|call| call.name).collect();
    assert_eq!(names.len(), CALLS.len(), "a name twice");
    for call in &CALLS {
        let [x86_64, i386] = call.functions.entry.map(|name| name.to_str().unwrap());
        assert_eq!(x86_64.strip_prefix("__x64_sys_"), Some(call.name));
        assert_eq!(i386.strip_prefix("__ia32_sys_"), Some(call.name));
    }
}

/// Calls that share a struct agree on it.
#[test]
fn structs() {
    for call in &CALLS {
        for other in CALLS
            .iter()
            .filter(|other| other.structure == call.structure)
        {
            assert_eq!(other.smallest, call.smallest, "{}", call.structure);
            let field = |size| match size {
                Size::Argument(_) => None,
                Size::Field { offset, zero } => Some((offset, zero)),
            };
            assert_eq!(field(other.size), field(call.size), "{}", call.structure);
        }
    }
}

#[test]
fn sets_of_rows() {
    let mut rows = Rows::NONE;
    for row in [0, 12, 31] {
        assert!(!rows.contains(row));
        rows.insert(row);
        assert!(rows.contains(row) && !rows.contains(row + 1));
    }
    assert_eq!(rows, Rows::from_bits(rows.bits()));
    assert_eq!(rows.bits(), 1 | 1 << 12 | 1 << 31);
    rows.insert(32);
    assert!(!rows.contains(32));
    assert_eq!(rows.bits(), 1 | 1 << 12 | 1 << 31);
}
