// SPDX-License-Identifier: GPL-2.0

//! User memory.

use crate::{
    bindings,
    task::FilterContext, //
};
use core::mem::{
    size_of,
    MaybeUninit, //
};
use kernel::{
    error::to_result,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// Copies from user memory into `to`, and tells whether all of it could be read.
///
/// A user decides how long a page fault takes (userfaultfd, FUSE). So pages that are there are
/// read first, and only where that fails the task goes to sleep, as one that may be migrated.
pub(crate) fn read(context: &mut FilterContext, from: u64, to: &mut [u8]) -> bool {
    if to.is_empty() {
        return true;
    }

    read_present(from, to) || read_absent(context, from, to)
}

/// The same where a page fault is due.
#[cold]
fn read_absent(context: &mut FilterContext, from: u64, to: &mut [u8]) -> bool {
    context.sleep(|| {
        UserSlice::new(UserPtr::from_addr(from as usize), to.len())
            .reader()
            .read_slice(to)
            .is_ok()
    })
}

/// How much is looked at in one go.
const CHUNK: usize = 64;

/// Splits a range into parts of [`CHUNK`] bytes at most, none of which lies in more than one page: calls
/// `f` with their addresses, offsets and lengths as long as that returns true, and tells whether it
/// always did.
fn all_chunks(from: u64, length: usize, mut f: impl FnMut(u64, usize, usize) -> bool) -> bool {
    let mut offset = 0;

    while offset < length {
        let address = from.wrapping_add(offset as u64);
        let chunk = (CHUNK - address as usize % CHUNK).min(length - offset);

        if !f(address, offset, chunk) {
            return false;
        }
        offset += chunk;
    }
    true
}

/// Copies from user memory as far as it is there, without a page fault. Process context, which
/// may be atomic.
fn read_present(from: u64, to: &mut [u8]) -> bool {
    // SAFETY: `to` is valid for writes of its length. Any address may be read from.
    unsafe {
        bindings::seccomp_ea_read_present(to.as_mut_ptr().cast(), from as *const c_void, to.len())
    }
}

/// Whether user memory is there, all of it, without a page fault. Process context, which
/// may be atomic.
pub(crate) fn is_present(from: u64, length: usize) -> bool {
    let mut bytes = [0; CHUNK];

    all_chunks(from, length, |address, _, chunk| {
        read_present(address, &mut bytes[..chunk])
    })
}

/// Whether user memory, as far as it is there without a page fault, is not `expected`.
/// Process context, which may be atomic.
pub(crate) fn differs(from: u64, expected: &[u8]) -> bool {
    let mut bytes = [0; CHUNK];

    !all_chunks(from, expected.len(), |address, offset, chunk| {
        let bytes = &mut bytes[..chunk];

        !read_present(address, bytes) || *bytes == expected[offset..offset + chunk]
    })
}

/// Reads a struct of which the caller knows `size` bytes (`copy_struct_from_user()` in
/// `include/linux/uaccess.h`). May sleep.
///
/// [`E2BIG`] if those are more, and not zero there; [`EFAULT`].
pub(crate) fn read_struct<T: FromBytes>(from: UserPtr, size: usize) -> Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();

    // SAFETY: There is room for a `T`.
    to_result(unsafe {
        bindings::seccomp_ea_copy_struct_from_user(
            value.as_mut_ptr().cast(),
            size_of::<T>(),
            from.as_const_ptr(),
            size,
        )
    })?;
    // SAFETY: All bytes are initialised, and `T` takes any.
    Ok(unsafe { value.assume_init() })
}

/// Writes as much of a struct as the caller knows, which is `size` bytes. May sleep.
pub(crate) fn write_struct<T: AsBytes>(to: UserPtr, size: usize, value: &T) -> Result {
    let bytes = value.as_bytes();

    write(to, &bytes[..size.min(bytes.len())])
}

/// Writes to user memory. May sleep. [`EFAULT`].
pub(crate) fn write(to: UserPtr, bytes: &[u8]) -> Result {
    UserSlice::new(to, bytes.len()).writer().write_slice(bytes)
}

/// Whether all of a range lies where user memory can be (`access_ok()`).
pub(crate) fn is_user_range(from: u64, length: usize) -> bool {
    // SAFETY: Only looks at the numbers.
    unsafe { bindings::seccomp_ea_access_ok(from as *const c_void, length) }
}
