// SPDX-License-Identifier: GPL-2.0

//! Livepatches, which replace functions of the kernel.
//!
//! A function that replaces one with call sites of the module would copy structs on its own,
//! unserved. So there are none while the module is loaded. Root can unload it first.

use crate::bindings;
use kernel::{
    bindings::{
        module,
        notifier_block,
        TAINT_LIVEPATCH, //
    },
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// Keeps livepatches out.
///
/// # Invariants
///
/// The notifier block is registered and does not move.
pub(crate) struct Refusal(KBox<Opaque<notifier_block>>);

// SAFETY: A notifier may be unregistered on any thread.
unsafe impl Send for Refusal {}
// SAFETY: There are no `&self` methods.
unsafe impl Sync for Refusal {}

impl Refusal {
    /// Refuses all livepatches from now on. May sleep.
    ///
    /// Fails with [`EBUSY`] if there was one since the kernel was booted: it may be gone, and it may
    /// have been refused, but the kernel keeps no more than this mark.
    pub(crate) fn begin() -> Result<Refusal> {
        let block = KBox::new(
            Opaque::new(notifier_block {
                notifier_call: Some(refuse_livepatch),
                ..Default::default()
            }),
            GFP_KERNEL,
        )?;

        // SAFETY: The block is initialised, and stays where it is until it is unregistered.
        to_result(unsafe { kernel::bindings::register_module_notifier(block.get()) })?;
        // INVARIANT: It was registered just now.
        let refusal = Refusal(block);

        // SAFETY: Any context.
        if unsafe { kernel::bindings::test_taint(TAINT_LIVEPATCH) } != 0 {
            pr_err!("the kernel is livepatched, its functions may not be what they seem\n");
            return Err(EBUSY);
        }
        Ok(refusal)
    }
}

impl Drop for Refusal {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { kernel::bindings::unregister_module_notifier(self.0.get()) };
    }
}

/// Is called for each module that is loaded, before any of its code runs
/// (`prepare_coming_module()` in `kernel/module/main.c`). Process context, may sleep.
///
/// # Safety
///
/// `loaded` must be a module.
unsafe extern "C" fn refuse_livepatch(
    _block: *mut notifier_block,
    action: c_ulong,
    loaded: *mut c_void,
) -> c_int {
    let loaded = loaded.cast::<module>();
    // SAFETY: By the safety requirement. The field was written before the notifiers are called, and
    // is only added to.
    let taints = unsafe { (&raw const (*loaded).taints).read_volatile() };
    let is_livepatch = taints & (1 << TAINT_LIVEPATCH) != 0;

    if action != kernel::bindings::module_state_MODULE_STATE_COMING as c_ulong || !is_livepatch {
        return kernel::bindings::NOTIFY_DONE as c_int;
    }
    // SAFETY: The name is terminated (`setup_load_info()`) and does not change.
    let name = unsafe { CStr::from_char_ptr((&raw const (*loaded).name).cast()) };
    pr_err!(
        "{} is a livepatch, refused while this module is loaded\n",
        name
    );
    // SAFETY: Any context.
    unsafe { bindings::seccomp_ea_notifier_from_errno(EBUSY.to_errno()) }
}
