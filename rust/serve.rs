// SPDX-License-Identifier: GPL-2.0

//! What the system call is answered when it copies its EA struct.
//!
//! After `copy_struct_from_user()` (`include/linux/uaccess.h`): a struct that is larger than the
//! kernel's has its tail checked for zeroes first, word by word and ending at the first word that
//! is not zero (`check_zeroed_user()`, -E2BIG or -EFAULT); the head is copied after that (-EFAULT).
//! The answers here are such that the order of errors stays the same when a part of the struct
//! could not be read.
//!
//! Before all that, some calls read the size of the struct from the struct itself (`get_user()`).

use crate::layout::EA_SIZE;

/// The size of a user page: the unit in which memory can be missing.
const USER_PAGE: u64 = 4096;

/// Which of the at most two user pages of a struct could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// The page that the struct begins in.
    pub(crate) low: bool,
    /// The page after it.
    pub(crate) high: bool,
}

impl Faults {
    /// Whether any part of the struct could not be read.
    pub(crate) fn any(self) -> bool {
        self.low || self.high
    }
}

/// The word of a struct that holds its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SizeWord {
    /// Its offset in the struct.
    pub(crate) offset: usize,
    /// What was in it; [`None`] if it could not be read.
    pub(crate) value: Option<u32>,
}

impl SizeWord {
    /// Puts the word, if there is one, into its place in the struct, as far as that has room for it.
    #[cold]
    fn put(self, bytes: &mut [u8]) {
        let word = bytes.iter_mut().skip(self.offset);

        if let Some(value) = self.value {
            word.zip(value.to_ne_bytes())
                .for_each(|(to, from)| *to = from);
        }
    }
}

/// A struct as it was fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The user address of the struct.
    pub(crate) start: u64,
    /// Where the size was, if that is a part of the struct.
    pub(crate) size: Option<SizeWord>,
    /// The size in bytes that the caller passed; 0 if it could not be read.
    pub(crate) claimed: u64,
    /// How many of those bytes there are for a filter to see: all, or none of more than a page, which
    /// callers of `copy_struct_from_user()` refuse.
    pub(crate) length: usize,
    /// How many of them the call may copy: all, or none if it must refuse the size.
    pub(crate) valid: usize,
    /// Where in the struct the second user page begins; `length` if there is none.
    pub(crate) boundary: usize,
    /// What could not be read.
    pub(crate) faults: Faults,
    /// One past the last byte that is not zero, among those that could be read.
    pub(crate) tail: usize,
}

/// The answer to `_copy_from_user()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copy {
    /// The copy is not one of the struct: it takes its usual way.
    Other,
    /// It is served from the cached struct, beginning at this offset.
    Serve(usize),
    /// It fails as if nothing could be read.
    Fault,
}

/// The answer to `get_user()` of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Value(u32),
    Fault,
}

/// The answer to `check_zeroed_user()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zeroed {
    Zero,
    NonZero,
    Fault,
}

impl Fetched {
    /// A struct of `claimed` bytes at `start`, of which nothing but the size was read yet. The call
    /// refuses less than `smallest` bytes before it copies.
    pub(crate) fn new(start: u64, size: Option<SizeWord>, claimed: u64, smallest: u64) -> Fetched {
        let length = match claimed <= u64::from(EA_SIZE) {
            true => claimed as usize,
            false => 0,
        };

        Fetched {
            start,
            size,
            claimed,
            length,
            valid: if claimed < smallest { 0 } else { length },
            boundary: length.min((USER_PAGE - start % USER_PAGE) as usize),
            ..Fetched::default()
        }
    }

    /// Puts the struct in order once it was read, into `bytes`, as far as that was possible: what
    /// faulted has no bytes that count, and of a struct that faulted none are left.
    ///
    /// The size was read once, and what it says is what was copied. By now it may be another one.
    pub(crate) fn finish(&mut self, bytes: &mut [u8], faults: Faults) {
        self.faults = faults;
        if faults.any() {
            self.forget(bytes);
        }
        if let Some(size) = self.size {
            size.put(bytes);
        }
        self.tail = used(bytes);
        if self.is_fault() {
            bytes.fill(0);
        }
    }

    /// Clears what could not be read, whatever there is.
    #[cold]
    fn forget(&self, bytes: &mut [u8]) {
        let (low, high) = bytes.split_at_mut(self.boundary.min(bytes.len()));

        if self.faults.low {
            low.fill(0);
        }
        if self.faults.high {
            high.fill(0);
        }
    }

    /// Whether there is no struct to see, because the caller said that it is larger than a page.
    pub(crate) fn is_too_large(&self) -> bool {
        self.claimed > u64::from(EA_SIZE)
    }

    /// Whether there is no struct to see, because it or its size could not be read.
    pub(crate) fn is_fault(&self) -> bool {
        self.faults.any() || self.size.is_some_and(|size| size.value.is_none())
    }

    /// Returns the offset in the struct of a user range, or [`None`] if the range is not wholly within
    /// the part of the struct that the call may copy.
    fn offset(&self, from: u64, len: usize) -> Option<usize> {
        let offset = usize::try_from(from.wrapping_sub(self.start)).ok()?;

        (offset.checked_add(len)? <= self.valid).then_some(offset)
    }

    /// Answers a copy of `len` bytes at the user address `from`.
    ///
    /// With `copies_array`, copies that cannot be the struct take their usual way: those that start
    /// elsewhere, and those that are longer than what the caller passed.
    pub(crate) fn copy(&self, from: u64, len: usize, copies_array: bool) -> Copy {
        if copies_array && (from != self.start || len as u64 > self.claimed) {
            return Copy::Other;
        }
        match self.offset(from, len) {
            Some(offset) if !self.faults.any() => Copy::Serve(offset),
            _ => Copy::Fault,
        }
    }

    /// Answers a read of the size, a 32-bit word at the user address `from`.
    pub(crate) fn word(&self, from: u64) -> Word {
        match self.size {
            Some(SizeWord {
                offset,
                value: Some(value),
            }) if from == self.start.wrapping_add(offset as u64) => Word::Value(value),
            _ => Word::Fault,
        }
    }

    /// Answers whether `len` bytes at the user address `from` are all zero.
    ///
    /// `page` is the cached struct.
    pub(crate) fn zeroed(&self, from: u64, len: usize, page: &[u8]) -> Zeroed {
        let Some(offset) = self.offset(from, len) else {
            return Zeroed::Fault;
        };

        if !self.faults.any() {
            return match page.get(offset..offset + len) {
                Some(bytes) if used(bytes) == 0 => Zeroed::Zero,
                Some(_) => Zeroed::NonZero,
                None => Zeroed::Fault,
            };
        }

        // The bytes that could be read are gone, but `tail` is enough: the range ends where the
        // struct ends, and of a tail of zeroes the copy of the head would tell the fault.
        let starts_in_fault = if offset < self.boundary {
            self.faults.low
        } else {
            self.faults.high
        };
        if !starts_in_fault && offset < self.tail {
            Zeroed::NonZero
        } else {
            Zeroed::Fault
        }
    }
}

/// One past the last byte that is not zero.
fn used(bytes: &[u8]) -> usize {
    let mut rest = bytes;

    // A word at a time, as most structs end with zeroes.
    while let Some((before, &word)) = rest.split_last_chunk() {
        let word = u64::from_le_bytes(word);

        if word != 0 {
            return rest.len() - word.leading_zeros() as usize / 8;
        }
        rest = before;
    }
    rest.iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1)
}
