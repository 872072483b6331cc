// SPDX-License-Identifier: GPL-2.0

//! Reads of user memory.

use crate::{
    bindings,
    task::FilterContext, //
};
use kernel::{
    ffi::c_void,
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

    let from = UserPtr::from_addr(from as usize);
    // SAFETY: `to` is valid for writes of its length. Any address may be read from, in any context.
    let missing = unsafe {
        kernel::bindings::copy_from_user_nofault(
            to.as_mut_ptr().cast(),
            from.as_const_ptr(),
            to.len(),
        )
    };

    missing == 0
        || context.sleep(|| {
            UserSlice::new(from, to.len())
                .reader()
                .read_slice(to)
                .is_ok()
        })
}

/// Whether all of a range lies where user memory can be (`access_ok()`).
pub(crate) fn is_user_range(from: u64, length: usize) -> bool {
    // SAFETY: Only looks at the numbers.
    unsafe { bindings::seccomp_ea_access_ok(from as *const c_void, length) }
}
