// SPDX-License-Identifier: GPL-2.0

//! What a system call gets from the cache, against what it would get from user memory.

use crate::{
    serve::{Copy, Faults, Fetched, SizeWord, Word, Zeroed},
    table::{Call, Size, CALLS},
};
use proptest::{prelude::*, sample::select};

const PAGE: usize = 4096;
const E2BIG: i32 = 7;
const EFAULT: i32 = 14;
const EINVAL: i32 = 22;

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

    fn read(&self, address: u64, len: usize) -> Option<Vec<u8>> {
        if !is_user_range(address, len, self.limit) {
            return None;
        }
        (0..len as u64)
            .map(|offset| self.byte(address.wrapping_add(offset)))
            .collect()
    }

    fn read_word(&self, address: u64) -> Option<u32> {
        let bytes = self.read(address, 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().unwrap()))
    }

    /// The same with another word at `address`, which is in the two pages.
    fn with_word(&self, address: u64, word: u32) -> Self {
        let mut memory = self.clone();
        let offset = (address - self.base) as usize;
        memory.bytes[offset..offset + 4].copy_from_slice(&word.to_ne_bytes());
        memory
    }
}

/// `access_ok()`, and what every access to user memory starts with.
fn is_user_range(address: u64, len: usize, limit: u64) -> bool {
    address
        .checked_add(len as u64)
        .is_some_and(|end| end <= limit)
}

/// The functions that a system call reads its struct by.
trait User {
    fn get_user(&self, from: u64) -> Option<u32>;
    fn copy_from_user(&self, from: u64, len: usize) -> Option<Vec<u8>>;
    /// `Some(true)` if all is zero, [`None`] for a fault.
    fn check_zeroed_user(&self, from: u64, len: usize) -> Option<bool>;
}

/// As the kernel does it, `lib/usercopy.c`: in aligned words up to the first that is not zero.
impl User for Memory {
    fn get_user(&self, from: u64) -> Option<u32> {
        self.read_word(from)
    }

    fn copy_from_user(&self, from: u64, len: usize) -> Option<Vec<u8>> {
        self.read(from, len)
    }

    fn check_zeroed_user(&self, from: u64, len: usize) -> Option<bool> {
        let end = from.wrapping_add(len as u64);
        let mut word = from & !7;
        if !is_user_range(word, len + (from - word) as usize, self.limit) {
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
    limit: u64,
}

impl Cache {
    /// Fetches a struct from memory as `fetch.rs` does. `passed` is the size in the arguments, if
    /// it is there.
    fn fetch(memory: &Memory, start: u64, size: Size, passed: u64, smallest: u64) -> Self {
        Self::fetch_changing(memory, memory, start, size, passed, smallest)
    }

    /// The same from memory that is another one once the size in the struct was read.
    fn fetch_changing(
        before: &Memory,
        memory: &Memory,
        start: u64,
        size: Size,
        passed: u64,
        smallest: u64,
    ) -> Self {
        let (size, claimed) = match size {
            Size::Argument(_) => (None, passed),
            Size::Field { offset, zero } => {
                let value = before.read_word(start.wrapping_add(offset as u64));
                let claimed = match value {
                    Some(0) => zero,
                    value => value.unwrap_or(0).into(),
                };
                (Some(SizeWord { offset, value }), claimed)
            }
        };
        let mut fetched = Fetched::new(start, size, claimed, smallest);
        let Fetched {
            boundary, length, ..
        } = fetched;
        let low = memory.read(start, boundary);
        let high = memory.read(start.wrapping_add(boundary as u64), length - boundary);
        let faults = Faults {
            low: low.is_none(),
            high: high.is_none(),
        };
        // A copy that faults may have written some bytes.
        let mut page = low.unwrap_or(vec![0xcc; boundary]);
        page.extend(high.unwrap_or(vec![0xcc; length - boundary]));
        fetched.finish(&mut page, faults);
        page.resize(PAGE, 0);
        Self {
            fetched,
            page,
            limit: memory.limit,
        }
    }

    /// The same for a size of `claimed` bytes in the arguments.
    fn of(memory: &Memory, start: u64, claimed: usize) -> Self {
        Self::fetch(memory, start, Size::Argument(1), claimed as u64, 24)
    }
}

impl User for Cache {
    fn get_user(&self, from: u64) -> Option<u32> {
        match self.fetched.word(from) {
            Word::Value(value) => Some(value),
            Word::Fault => None,
        }
    }

    fn copy_from_user(&self, from: u64, len: usize) -> Option<Vec<u8>> {
        match self.fetched.copy(from, len, false) {
            Copy::Serve(offset) => Some(self.page[offset..offset + len].to_vec()),
            Copy::Fault => None,
            Copy::Other => panic!("not served"),
        }
    }

    fn check_zeroed_user(&self, from: u64, len: usize) -> Option<bool> {
        // As `handoff.rs` does.
        if !is_user_range(from, len, self.limit) {
            return None;
        }
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

/// What a system call does to get at its struct, of which the kernel knows `ksize` bytes.
fn copy_argument(
    user: &impl User,
    call: &Call,
    ksize: usize,
    from: u64,
    passed: u64,
) -> Result<Vec<u8>, i32> {
    let usize = match call.size {
        Size::Argument(_) => passed,
        Size::Field { offset, zero } => {
            let address = from.wrapping_add(offset as u64);
            match user.get_user(address).ok_or(EFAULT)? {
                0 => zero,
                size => size.into(),
            }
        }
    };
    if usize > PAGE as u64 {
        return Err(E2BIG);
    }
    if usize < call.smallest {
        return Err(EINVAL);
    }
    copy_struct(user, ksize, from, usize as usize)
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

/// What callers say that the size is.
fn size() -> impl Strategy<Value = u32> {
    let page = PAGE as u32;
    prop_oneof![
        6 => 8..300u32,
        1 => 0..=page,
        1 => Just(0),
        1 => page - 8..page + 8,
        1 => any::<u32>(),
    ]
}

/// A struct that is there, of `size` bytes, which it says at `offset`.
fn sized(offset: usize, zero: u64, size: u32) -> Cache {
    let memory = Memory {
        base: 0x1000,
        mapped: [true; 2],
        bytes: vec![1; 2 * PAGE],
        limit: u64::MAX,
    };
    let memory = memory.with_word(0x1000 + offset as u64, size);
    Cache::fetch(&memory, 0x1000, Size::Field { offset, zero }, 0, 48)
}

#[test]
fn sizes_in_the_struct() {
    // The size, what it means, how much of it there is to see, and how much to copy.
    for (size, claimed, length, valid) in [
        (0, 56, 56, 56),
        (1, 1, 1, 0),
        (47, 47, 47, 0),
        (48, 48, 48, 48),
        (4096, 4096, 4096, 4096),
        (4097, 4097, 0, 0),
        (u32::MAX, u32::MAX.into(), 0, 0),
    ] {
        let Cache { fetched, .. } = sized(4, 56, size);
        let sizes = (fetched.claimed, fetched.length, fetched.valid);
        assert_eq!(sizes, (claimed, length, valid), "{size}");
        assert_eq!(fetched.word(0x1004), Word::Value(size));
        assert_eq!(fetched.word(0x1000), Word::Fault);
        let copy = |len| fetched.copy(0x1000, len, false);
        assert_eq!(copy(valid), Copy::Serve(0), "{size}");
        assert_eq!(copy(valid + 1), Copy::Fault, "{size}");
    }
    // Where zero is no size of its own, it is too small.
    let Cache { fetched, .. } = sized(0, 0, 0);
    assert_eq!((fetched.claimed, fetched.valid), (0, 0));
    assert_eq!(fetched.copy(0x1000, 24, false), Copy::Fault);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// A struct comes out of the cache as it would have come out of memory, errors included,
    /// whichever call it is for and wherever its size is.
    #[test]
    fn same_as_from_memory(
        memory in memory(),
        position in position(),
        size in size(),
        newer in 0..12usize,
    ) {
        for call in &CALLS {
            let from = memory.base + position as u64;
            let memory = match call.size {
                Size::Argument(_) => memory.clone(),
                Size::Field { offset, .. } => memory.with_word(from + offset as u64, size),
            };
            let ksize = call.smallest as usize + 8 * newer;
            let cache = Cache::fetch(&memory, from, call.size, size.into(), call.smallest);
            prop_assert_eq!(
                copy_argument(&cache, call, ksize, from, size.into()),
                copy_argument(&memory, call, ksize, from, size.into()),
                "{}", call.name
            );
        }
    }

    /// A size that is rewritten while the struct is fetched is the one that was there first, for
    /// the call as well.
    #[test]
    fn size_changes_meanwhile(
        memory in memory(),
        position in position(),
        sizes in (size(), size()),
        newer in 0..12usize,
    ) {
        for call in &CALLS {
            let Size::Field { offset, .. } = call.size else {
                continue;
            };
            let from = memory.base + position as u64;
            let before = memory.with_word(from + offset as u64, sizes.0);
            let after = memory.with_word(from + offset as u64, sizes.1);
            let ksize = call.smallest as usize + 8 * newer;
            let cache =
                Cache::fetch_changing(&before, &after, from, call.size, 0, call.smallest);
            prop_assert_eq!(
                copy_argument(&cache, call, ksize, from, 0),
                copy_argument(&before, call, ksize, from, 0),
                "{}", call.name
            );
        }
    }

    /// What a filter is told of the struct is what became of it.
    #[test]
    fn errors_of_the_struct(memory in memory(), position in position(), size in size()) {
        for call in &CALLS {
            let from = memory.base + position as u64;
            let (memory, claimed) = match call.size {
                Size::Argument(_) => (memory.clone(), Some(size.into())),
                Size::Field { offset, zero } => {
                    let address = from + offset as u64;
                    let memory = memory.with_word(address, size);
                    let claimed = memory.read_word(address).map(|size| match size {
                        0 => zero,
                        size => size.into(),
                    });
                    (memory, claimed)
                }
            };
            let Cache { fetched, page, .. } =
                Cache::fetch(&memory, from, call.size, size.into(), call.smallest);
            let bytes = claimed
                .filter(|&claimed| claimed <= PAGE as u64)
                .and_then(|claimed| memory.read(from, claimed as usize));
            prop_assert_eq!(fetched.claimed, claimed.unwrap_or(0));
            prop_assert_eq!(fetched.is_too_large(), claimed > Some(PAGE as u64));
            prop_assert_eq!(fetched.is_fault(), bytes.is_none() && !fetched.is_too_large());
            let mut expected = bytes.unwrap_or_default();
            expected.resize(PAGE, 0);
            prop_assert_eq!(page, expected);
        }
    }

    /// The size is answered where it is and nowhere else.
    #[test]
    fn any_word(
        memory in memory(),
        position in position(),
        offset in select(vec![0usize, 4]),
        at in prop_oneof![-16..16i64, any::<i64>()],
    ) {
        let start = memory.base + position as u64;
        let size = Size::Field { offset, zero: 48 };
        let cache = Cache::fetch(&memory, start, size, 0, 24);
        let expected = match memory.read_word(start + offset as u64) {
            Some(value) if at == offset as i64 => Word::Value(value),
            _ => Word::Fault,
        };
        let from = start.wrapping_add(at as u64);
        prop_assert_eq!(cache.fetched.word(from), expected);
        prop_assert_eq!(Cache::of(&memory, start, 64).fetched.word(from), Word::Fault);
    }

    /// Copies are answered from the struct, with a fault, or, where there is another array, not at
    /// all; and never with bytes that the caller did not claim.
    #[test]
    fn any_copy(
        memory in memory(),
        position in position(),
        claimed in 0..200usize,
        offset in prop_oneof![4 => -8..200i64, 2 => Just(0), 1 => any::<i64>()],
        len in prop_oneof![4 => 0..200usize, 1 => any::<usize>()],
        copies_array: bool,
    ) {
        let start = memory.base + position as u64;
        let from = start.wrapping_add(offset as u64);
        let cache = Cache::of(&memory, start, claimed);
        // Of a size that the call refuses nothing may be copied.
        let valid = if claimed < 24 { 0 } else { claimed };
        let fits = offset >= 0 && len as u128 + offset as u128 <= valid as u128;
        // Only what starts at the struct and is not longer can be a copy of it.
        let other = copies_array && (offset != 0 || len > claimed);
        let served = fits && !cache.fetched.faults.any();
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
        length: usize,
        valid: usize,
        boundary: usize,
        low: bool,
        high: bool,
        tail: usize,
        word in any::<Option<(usize, Option<u32>)>>(),
        from: u64,
        len: usize,
        copies_array: bool,
    ) {
        let faults = Faults { low, high };
        let size = word.map(|(offset, value)| SizeWord { offset, value });
        let any = Fetched { start, size, claimed, length, valid, boundary, faults, tail };
        for fetched in [any, Fetched::new(start, size, claimed, tail as u64)] {
            for from in [from, start] {
                let _ = fetched.copy(from, len, copies_array);
                let _ = fetched.zeroed(from, len, &[0; PAGE]);
                let _ = fetched.word(from);
            }
        }
    }
}
