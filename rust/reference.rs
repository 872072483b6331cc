// SPDX-License-Identifier: GPL-2.0

//! What keeps the module from being unloaded.

use crate::bindings;
use kernel::prelude::*;

/// A reference on the module.
///
/// # Invariants
///
/// Owns one reference that `try_module_get()` took.
pub(crate) struct ModuleReference(());

impl ModuleReference {
    /// Fails with [`ENODEV`] while the module is being unloaded.
    pub(crate) fn take() -> Result<ModuleReference> {
        // SAFETY: Any context.
        if unsafe { bindings::seccomp_ea_module_get() } {
            // INVARIANT: It was taken just now.
            Ok(ModuleReference(()))
        } else {
            Err(ENODEV)
        }
    }
}

impl Drop for ModuleReference {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::seccomp_ea_module_put() };
    }
}
