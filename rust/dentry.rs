// SPDX-License-Identifier: GPL-2.0

//! Files of debugfs, as far as others have them open.

use crate::bindings;
use core::{
    ffi::CStr,
    ptr::NonNull, //
};
use kernel::str::CStrExt as _;

/// A file of debugfs.
///
/// # Invariants
///
/// Owns a reference on the dentry that it points to.
pub(crate) struct Dentry(NonNull<kernel::bindings::dentry>);

impl Dentry {
    /// Finds a file in a directory at the root of debugfs. May sleep.
    pub(crate) fn find(directory: &CStr, name: &CStr) -> Option<Dentry> {
        // SAFETY: Both are C strings.
        let found = unsafe {
            bindings::seccomp_ea_debugfs_file(directory.as_char_ptr(), name.as_char_ptr())
        };

        // INVARIANT: It is a reference, or NULL.
        NonNull::new(found).map(Dentry)
    }

    /// Whether this is not the last reference on a file that was removed: it is still open, or about
    /// to be looked at.
    pub(crate) fn is_in_use(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::seccomp_ea_dentry_references(self.0.as_ptr()) > 1 }
    }
}

impl Drop for Dentry {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { kernel::bindings::dput(self.0.as_ptr()) };
    }
}
