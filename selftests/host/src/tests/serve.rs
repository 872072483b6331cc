// SPDX-License-Identifier: GPL-2.0

//! What a system call gets from the cache, against what it would get from user memory.

use crate::serve::{Copy, Faults, Fetched, Zeroed};
use proptest::{prelude::*, sample::select};

const PAGE: usize = 4096;
const E2BIG: i32 = 7;
const EFAULT: i32 = 14;

/// Two pages of user memory, and a third that is never there.
#[derive(Clone, Debug)]
struct Memory {
    /// The address of the first page.
    base: u64,
    mapped: [bool; 2],
    bytes: Vec<u8>,
    /// No user memory can be from here on.
    limit: u64,
}

impl Memory {
    fn byte(&self, address: u64) -> Option<u8> {
        let offset = usize::try_from(address.wrapping_sub(self.base)).ok()?;
        self.mapped.get(offset / PAGE)?.then(|| self.bytes[offset])
    }

    /// `access_ok()`, and what every access to user memory starts with.
    fn is_user_range(&self, address: u64, len: usize) -> bool {
        address
            .checked_add(len as u64)
            .is_some_and(|end| end <= self.limit)
    }

    fn read(&self, address: u64, len: usize) -> Option<Vec<u8>> {
        if !self.is_user_range(address, len) {
            return None;
        }
        (0..len as u64)
            .map(|offset| self.byte(address.wrapping_add(offset)))
            .collect()
    }
}

/// The two functions that a system call reads its struct by.
trait User {
    fn copy_from_user(&self, from: u64, len: usize) -> Option<Vec<u8>>;
    /// `Some(true)` if all is zero, [`None`] for a fault.
    fn check_zeroed_user(&self, from: u64, len: usize) -> Option<bool>;
}

/// As the kernel does it, `lib/usercopy.c`: in aligned words up to the first that is not zero.
impl User for Memory {
    fn copy_from_user(&self, from: u64, len: usize) -> Option<Vec<u8>> {
        self.read(from, len)
    }

    fn check_zeroed_user(&self, from: u64, len: usize) -> Option<bool> {
        let end = from.wrapping_add(len as u64);
        let mut word = from & !7;
        if !self.is_user_range(word, len + (from - word) as usize) {
            return None;
        }
        while word < end {
            let bytes = self.read(word, 8)?;
            let counts = |address: u64| address >= from && address < end;
            if (word..)
                .zip(bytes)
                .any(|(address, byte)| counts(address) && byte != 0)
            {
                return Some(false);
            }
            word += 8;
        }
        Some(true)
    }
}

/// The cache in between.
struct Cache {
    fetched: Fetched,
    page: Vec<u8>,
}

impl Cache {
    /// Fetches a struct from memory as `fetch.rs` does.
    fn fetch(memory: &Memory, start: u64, claimed: usize, smallest: usize) -> Self {
        let boundary = claimed.min(PAGE - start as usize % PAGE);
        let second = start.wrapping_add(boundary as u64);
        let low = memory.read(start, boundary);
        let high = memory.read(second, claimed - boundary);
        let outside = !memory.is_user_range(start, claimed);
        let faults = Faults {
            low: outside || low.is_none(),
            high: outside || high.is_none(),
        };
        let mut page = low.unwrap_or(vec![0; boundary]);
        page.extend(high.unwrap_or(vec![0; claimed - boundary]));
        page.resize(PAGE, 0);
        let tail = page
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        if faults.any() {
            page.fill(0);
        }
        Self {
            fetched: Fetched {
                start,
                claimed: claimed as u64,
                valid: if claimed < smallest { 0 } else { claimed },
                boundary,
                faults,
                tail,
            },
            page,
        }
    }
}

impl User for Cache {
    fn copy_from_user(&self, from: u64, len: usize) -> Option<Vec<u8>> {
        match self.fetched.copy(from, len, false) {
            Copy::Serve(offset) => Some(self.page[offset..offset + len].to_vec()),
            Copy::Fault => None,
            Copy::Other => panic!("not served"),
        }
    }

    fn check_zeroed_user(&self, from: u64, len: usize) -> Option<bool> {
        match self.fetched.zeroed(from, len, &self.page) {
            Zeroed::Zero => Some(true),
            Zeroed::NonZero => Some(false),
            Zeroed::Fault => None,
        }
    }
}

/// `copy_struct_from_user()` of `include/linux/uaccess.h`.
fn copy_struct(user: &impl User, ksize: usize, from: u64, usize: usize) -> Result<Vec<u8>, i32> {
    let size = ksize.min(usize);
    if usize > ksize {
        match user.check_zeroed_user(from.wrapping_add(size as u64), usize - ksize) {
            None => return Err(EFAULT),
            Some(false) => return Err(E2BIG),
            Some(true) => {}
        }
    }
    let mut bytes = user.copy_from_user(from, size).ok_or(EFAULT)?;
    bytes.resize(ksize, 0);
    Ok(bytes)
}

/// Where structs lie: at, before and across the end of the first page.
fn position() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 1..200usize,
        1 => 0..PAGE,
    ]
    .prop_map(|before_the_end| PAGE - before_the_end)
}

fn memory() -> impl Strategy<Value = Memory> {
    // Mostly zeroes, so that tails are zero often enough.
    let byte = prop_oneof![60 => Just(0u8), 1 => any::<u8>()];
    let filled = prop::collection::vec(byte, 2 * PAGE);
    let sparse = prop::collection::vec((PAGE - 200..PAGE + 200, any::<u8>()), 0..4);
    let sparse = sparse.prop_map(|bytes| {
        let mut memory = vec![0; 2 * PAGE];
        for (index, byte) in bytes {
            memory[index] = byte;
        }
        memory
    });
    // The last one lets addresses wrap around behind the page that is never there.
    let base = select(vec![
        0x7fff_0000_0000,
        0xffff_f000,
        0u64.wrapping_sub(3 * PAGE as u64),
    ]);
    let pages = prop_oneof![1 => 1..3u64, 2 => Just(3)];
    let bytes = prop_oneof![1 => filled, 4 => sparse];
    (base, any::<[bool; 2]>(), bytes, pages).prop_map(|(base, mapped, bytes, pages)| Memory {
        base,
        mapped,
        bytes,
        limit: base.saturating_add(pages * PAGE as u64),
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// A struct comes out of the cache as it would have come out of memory, errors included.
    #[test]
    fn same_as_from_memory(
        memory in memory(),
        position in position(),
        ksize in select(vec![24usize, 32, 64, 80, 88, 136]),
        usize in prop_oneof![6 => 24..300usize, 1 => 24..=PAGE],
    ) {
        let from = memory.base + position as u64;
        let cache = Cache::fetch(&memory, from, usize, 24);
        prop_assert_eq!(
            copy_struct(&cache, ksize, from, usize),
            copy_struct(&memory, ksize, from, usize)
        );
    }

    /// Copies are answered from the struct, with a fault, or, where there is another array, not at
    /// all; and never with bytes that the caller did not claim.
    #[test]
    fn any_copy(
        memory in memory(),
        position in position(),
        claimed in 0..200usize,
        offset in prop_oneof![4 => -8..200i64, 1 => any::<i64>()],
        len in prop_oneof![4 => 0..200usize, 1 => any::<usize>()],
        copies_array: bool,
    ) {
        let start = memory.base + position as u64;
        let from = start.wrapping_add(offset as u64);
        let cache = Cache::fetch(&memory, start, claimed, 24);
        let fits = offset >= 0 && len as u128 + offset as u128 <= claimed as u128;
        // Only what starts at the struct and is not longer can be a copy of it.
        let other = copies_array && (offset != 0 || len > claimed);
        let served = fits && claimed >= 24 && !cache.fetched.faults.any();
        let expected = match (other, served) {
            (true, _) => Copy::Other,
            (false, true) => Copy::Serve(offset as usize),
            (false, false) => Copy::Fault,
        };
        prop_assert_eq!(cache.fetched.copy(from, len, copies_array), expected);
        // Bytes that are not the struct's are never called zero.
        let zeroed = cache.fetched.zeroed(from, len, &cache.page);
        prop_assert!(fits || zeroed == Zeroed::Fault);
    }

    /// Nothing makes it panic.
    #[test]
    fn never_panics(
        start: u64,
        claimed: u64,
        valid: usize,
        boundary: usize,
        low: bool,
        high: bool,
        tail: usize,
        from: u64,
        len: usize,
        copies_array: bool,
    ) {
        let faults = Faults { low, high };
        let fetched = Fetched { start, claimed, valid, boundary, faults, tail };
        for from in [from, start] {
            let _ = fetched.copy(from, len, copies_array);
            let _ = fetched.zeroed(from, len, &[0; PAGE]);
        }
    }
}
