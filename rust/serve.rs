// SPDX-License-Identifier: GPL-2.0

//! What the system call is answered when it copies its EA struct.
//!
//! After `copy_struct_from_user()` (`include/linux/uaccess.h`): a struct that is larger than the
//! kernel's has its tail checked for zeroes first, word by word and ending at the first word that
//! is not zero (`check_zeroed_user()`, -E2BIG or -EFAULT); the head is copied after that (-EFAULT).
//! The answers here are such that the order of errors stays the same when a part of the struct
//! could not be read.

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

/// A struct as it was fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The user address of the struct.
    pub(crate) start: u64,
    /// The size in bytes that the caller passed.
    pub(crate) claimed: u64,
    /// How many of those bytes the call may copy: all, or none if it must refuse the size.
    pub(crate) valid: usize,
    /// Where in the struct the second user page begins; `valid` if there is none.
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

/// The answer to `check_zeroed_user()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zeroed {
    Zero,
    NonZero,
    Fault,
}

impl Fetched {
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

    /// Answers whether `len` bytes at the user address `from` are all zero.
    ///
    /// `page` is the cached struct.
    pub(crate) fn zeroed(&self, from: u64, len: usize, page: &[u8]) -> Zeroed {
        let Some(offset) = self.offset(from, len) else {
            return Zeroed::Fault;
        };

        if !self.faults.any() {
            return match page.get(offset..offset + len) {
                Some(bytes) if bytes.iter().all(|&byte| byte == 0) => Zeroed::Zero,
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
