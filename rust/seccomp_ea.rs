// SPDX-License-Identifier: GPL-2.0

//! seccomp filters that see the structs of extensible-argument (EA) system calls.
//!
//! A filter that loads past `struct seccomp_data` becomes an *extended program*. Its prologue has
//! the struct of the system call copied from user memory once, into a per-thread *cache*; all
//! filters of the thread judge that copy, and by the *hand-off* the system call executes on it.
//! `Documentation/design.rst` tells how; the files of the crate, in the order in which to read them:
//!
//! - policy: [`table`], [`layout`], [`verify`], [`program`], [`pass`], [`serve`] know nothing of the
//!   kernel and are tested on the host as well; [`install`], [`inspect`], [`fetch`], [`handoff`] put
//!   them to work.
//! - mechanism: [`hooks`] is what the kernel calls, [`sites`] how it comes to do so, by way of
//!   [`callsite`], [`symbol`] and [`kprobe`]. [`cache`], [`filter`] and [`bpf`] own what lives
//!   longer than a call. [`livepatch`] keeps out what would undo them. [`gate`], [`mod@reference`], [`task`], [`unexported`] and [`user`] wrap what is left.
//! - what can be seen of it: [`counter`], and [`report`] with [`dentry`]; for supervisors [`device`]
//!   with [`thread`], and [`change`]. [`suspend`] is about tracers.

mod bindings;
mod bpf;
mod cache;
mod callsite;
mod cbpf;
mod change;
mod counter;
mod dentry;
mod device;
mod ebpf;
mod fetch;
mod filter;
mod gate;
mod handoff;
mod hooks;
mod inspect;
mod install;
mod kprobe;
mod layout;
mod livepatch;
mod pass;
mod program;
mod reference;
mod report;
mod serve;
mod sites;
mod suspend;
mod symbol;
mod table;
mod task;
mod thread;
mod unexported;
mod user;
mod verify;

use kernel::prelude::*;

module! {
    type: SeccompEa,
    name: "seccomp_ea",
    authors: ["The seccomp_ea authors"],
    description: "seccomp filters for the structs of extensible-argument system calls",
    license: "GPL",
    params: {
        on_change: u32 {
            default: 0,
            description: "Structs that change after their filters saw them: 0 ignore, 1 count, 2 and log, 3 and kill",
        },
    },
}

/// The loaded module. The fields are dropped in their order.
struct SeccompEa {
    _device: device::Device,
    _report: report::Report,
    _sites: sites::Sites,
    _livepatches: livepatch::Refusal,
    _caches: cache::Caches,
}

impl kernel::Module for SeccompEa {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        change::react_by(module_parameters::on_change.value())?;

        // SAFETY: This function is called once, and nothing leads to the module yet.
        unsafe { filter::init() };
        // SAFETY: As above. The caches are dropped after the sites, without which there are none.
        let caches = unsafe { cache::Caches::new()? };
        let livepatches = livepatch::Refusal::begin()?;
        let (sites, coverage) = sites::Sites::redirect()?;
        let available = coverage.rows();
        let report = report::Report::new(coverage)?;
        let device = device::Device::new()?;

        // Nothing can fail any more.
        install::open(available);
        for (row, call) in table::CALLS.iter().enumerate() {
            if !available.contains(row) {
                pr_info!("this kernel has no {}\n", call.name);
            }
        }
        pr_info!("filters can inspect {} system calls\n", available.len());
        Ok(SeccompEa {
            _device: device,
            _report: report,
            _sites: sites,
            _livepatches: livepatches,
            _caches: caches,
        })
    }
}
