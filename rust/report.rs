// SPDX-License-Identifier: GPL-2.0

//! What can be seen of the module in debugfs: `seccomp_ea/calls` and `seccomp_ea/counters`.
//!
//! Reading them takes no lock that a system call needs.

use crate::{
    counter::Counter,
    dentry::Dentry,
    sites::Coverage,
    symbol::Function,
    table::Abi,
    task, //
};
use core::ffi::CStr;
use kernel::{
    debugfs::Scope,
    fmt,
    prelude::*, //
};

const DIRECTORY: &CStr = c"seccomp_ea";
const CALLS: &CStr = c"calls";
const COUNTERS: &CStr = c"counters";

/// The directory with its files.
///
/// Dropping it removes them, and waits until nobody has one open, the process that unloads the module
/// included.
pub(crate) struct Report(Option<Pin<KBox<Scope<Coverage>>>>);

impl Report {
    /// [`ENOMEM`] if there is no memory for what the files show. Where debugfs does not make them, they
    /// are missing, and nothing else. May sleep.
    pub(crate) fn new(coverage: Coverage) -> Result<Report> {
        let scope = Scope::dir(coverage, DIRECTORY, |coverage, dir| {
            dir.read_callback_file(CALLS, coverage, &write_calls);
            dir.read_callback_file(COUNTERS, coverage, &write_counters);
        });

        Ok(Report(Some(KBox::pin_init(scope, GFP_KERNEL)?)))
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        // The kernel crate's files have no owner: one that is open does not keep the module, but
        // closing it looks at what is in the module's memory.
        let files = [CALLS, COUNTERS].map(|name| Dentry::find(DIRECTORY, name));

        self.0 = None;
        task::wait(
            || !files.iter().flatten().any(Dentry::is_in_use),
            "nobody has its files in debugfs open",
        );
    }
}

/// A line for each system call of the table: its name, its struct, its numbers, and the sites of the
/// hand-off.
fn write_calls(coverage: &Coverage, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (call, sites) in coverage.iter() {
        write!(f, "{} {}", call.name, call.structure)?;
        for abi in Abi::ALL {
            write!(f, " {}", call.nr[abi as usize])?;
        }
        match sites {
            None => write!(f, " absent")?,
            Some(sites) => {
                for &address in sites {
                    if let Some(function) = Function::at(address) {
                        let offset = address.wrapping_sub(function.start);

                        write!(f, " {}+{offset:#x}", function.name())?;
                    }
                }
            }
        }
        writeln!(f)?;
    }
    Ok(())
}

fn write_counters(_: &Coverage, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for counter in Counter::ALL {
        writeln!(f, "{counter}")?;
    }
    Ok(())
}
