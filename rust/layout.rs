// SPDX-License-Identifier: GPL-2.0

//! What a filter sees, and where it lies in the memory of the cache.
//!
//! The first half is the contract with user space (`include/uapi/linux/seccomp_ea.h`), the second
//! is private. All numbers are bytes, and all words that a filter loads are native `u32`.

/// The size of `struct seccomp_data`, and so the offset of the EA struct for a filter.
pub(crate) const DATA_SIZE: u32 = 64;

/// The room for the EA struct: one page, the most that `copy_struct_from_user()` callers accept.
pub(crate) const EA_SIZE: u32 = 4096;

/// The first offset past the EA struct: the info words start here.
const INFO: u32 = DATA_SIZE + EA_SIZE;

/// Offset of the info word `size`: the size that the caller passed, saturating at `u32::MAX`.
pub(crate) const SIZE: u32 = INFO;
/// Offset of the info word `tail`: one past the last byte of the struct that is not zero.
pub(crate) const TAIL: u32 = INFO + 4;
/// Offset of the info word `error`: 0, or `EFAULT` or `E2BIG` when there was no struct to read.
pub(crate) const ERROR: u32 = INFO + 8;

/// What a filter sees of the system call: `struct seccomp_data`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Data {
    /// The number as a filter compares it; negative ones are large.
    pub(crate) nr: u32,
    /// `AUDIT_ARCH_*`.
    pub(crate) arch: u32,
    pub(crate) instruction_pointer: u64,
    pub(crate) args: [u64; 6],
}

const _: () = assert!(core::mem::size_of::<Data>() == DATA_SIZE as usize);

/// The info words, in the order of their offsets. They lie right below `struct seccomp_data`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) size: u32,
    pub(crate) tail: u32,
    pub(crate) error: u32,
    /// Keeps `struct seccomp_data` behind this one aligned to eight bytes.
    pub(crate) pad: u32,
}

/// How far the info words lie below the context that a filter is given.
const INFO_BELOW: i16 = core::mem::size_of::<Info>() as i16;

/// A load from the EA struct or from an info word, as `BPF_LD | BPF_W | BPF_ABS` expresses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// The load is one of `struct seccomp_data`: the kernel's own check judges it.
    Data,
    /// A word of the EA struct or an info word, at this offset from the context in the cache.
    Ea(i16),
    /// Neither: misaligned, or past everything.
    Invalid,
}

/// Tells what a load at the offset `k` reads.
pub(crate) fn load(k: u32) -> Load {
    match k {
        0..DATA_SIZE => Load::Data,
        _ if k % 4 != 0 => Load::Invalid,
        // The cast cannot truncate: INFO is far below i16::MAX.
        DATA_SIZE..INFO => Load::Ea(k as i16),
        SIZE | TAIL | ERROR => Load::Ea((k - INFO) as i16 - INFO_BELOW),
        _ => Load::Invalid,
    }
}

const _: () = assert!(INFO <= i16::MAX as u32);
