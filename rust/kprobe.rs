// SPDX-License-Identifier: GPL-2.0

//! Kprobes that are never armed.
//!
//! The module uses them for two things: to learn the address of a function that is not exported,
//! and to learn of probes of others on an instruction that it is going to patch.

use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// A set of disabled kprobes.
///
/// # Invariants
///
/// Every element is registered and does not move.
pub(crate) struct Probes(KVec<KBox<Opaque<bindings::kprobe>>>);

// SAFETY: Kprobes may be used and unregistered on any thread.
unsafe impl Send for Probes {}
// SAFETY: `&self` methods only read what `kprobe_mutex` and RCU keep valid.
unsafe impl Sync for Probes {}

impl Probes {
    /// An empty set.
    pub(crate) fn none() -> Self {
        Self(KVec::new())
    }

    /// Registers a probe at the start of a function and returns the address.
    ///
    /// Fails with [`ENOENT`] if there is no such function. May sleep.
    pub(crate) fn add_named(&mut self, name: &'static CStr) -> Result<usize> {
        self.register(bindings::kprobe {
            symbol_name: name.as_char_ptr(),
            ..Default::default()
        })
    }

    /// Registers a probe on each instruction.
    ///
    /// Fails with [`EILSEQ`] where no instruction starts (`arch_prepare_kprobe()`), and with
    /// [`EINVAL`] where the kernel allows no probe. May sleep.
    pub(crate) fn at(addresses: impl Iterator<Item = usize>) -> Result<Self> {
        let mut probes = Self::none();

        for address in addresses {
            probes
                .register(bindings::kprobe {
                    addr: address as *mut bindings::kprobe_opcode_t,
                    ..Default::default()
                })
                .inspect_err(|error| pr_err!("no call at {:#x}: {:?}\n", address, error))?;
        }
        Ok(probes)
    }

    /// Registers a probe and returns the address of its instruction.
    fn register(&mut self, mut probe: bindings::kprobe) -> Result<usize> {
        probe.flags = bindings::KPROBE_FLAG_DISABLED;

        let probe = KBox::new(Opaque::new(probe), GFP_KERNEL)?;

        self.0.reserve(1, GFP_KERNEL)?;
        // SAFETY: The probe is initialised, and stays where it is until it is unregistered, as it is
        // owned by the box that goes into `self`.
        to_result(unsafe { bindings::register_kprobe(probe.get()) })?;
        // SAFETY: The probe is registered; `addr` does not change until it is unregistered.
        let address = unsafe { (*probe.get()).addr as usize };
        // INVARIANT: The probe was registered just now. There is room for it.
        self.0.push(probe, GFP_KERNEL)?;
        Ok(address)
    }

    /// Returns the address of an instruction on which there are probes of others, too.
    ///
    /// A probe that shares its instruction is on the list of an aggregate
    /// (`register_aggr_kprobe()` in `kernel/kprobes.c`). Once the others are gone it may still
    /// be there, but alone: then both neighbours are the head of the list.
    pub(crate) fn shared(&self) -> Option<usize> {
        self.0.iter().find_map(|probe| {
            let probe = probe.get();
            // SAFETY: By the type invariant the probe is registered. Its list pointers are read as
            // RCU readers do; the neighbours are not followed.
            let (next, prev) = unsafe {
                (
                    (&raw const (*probe).list.next).read_volatile(),
                    (&raw const (*probe).list.prev).read_volatile(),
                )
            };

            // SAFETY: As above.
            (next != prev).then(|| unsafe { (*probe).addr } as usize)
        })
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        let mut probes = KVec::new();

        for probe in &self.0 {
            if probes.push(probe.get(), GFP_KERNEL).is_err() {
                // SAFETY: By the type invariant the probe is registered. Those without a place in
                // `probes` are unregistered one by one, which takes a grace period each.
                unsafe { bindings::unregister_kprobe(probe.get()) };
            }
        }
        // SAFETY: `probes` holds registered probes that were not unregistered above.
        unsafe { bindings::unregister_kprobes(probes.as_mut_ptr(), probes.len() as c_int) };
    }
}
