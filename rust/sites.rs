// SPDX-License-Identifier: GPL-2.0

//! All call sites that the module redirects: found and redirected when it is loaded, put back when
//! it is unloaded, and not touched in between.

use crate::{
    callsite::{
        self,
        CallSite,
        Kind,
        Redirection,
        Transfer, //
    },
    filter,
    hooks,
    install,
    kprobe::Probes,
    symbol::{
        self,
        Function,
        Symbols, //
    },
    table::{
        Abi,
        Call,
        CALLS, //
    },
    task, //
};
use core::ffi::CStr;
use kernel::prelude::*;

/// Whether the kernel has the i386 system calls.
const HAS_I386: bool = cfg!(CONFIG_IA32_EMULATION);

/// Where filters are installed: the system calls and what prctl(2) uses.
const INSTALL_ROOTS: &[&CStr] = match HAS_I386 {
    true => &[
        c"prctl_set_seccomp",
        c"__x64_sys_seccomp",
        c"__ia32_sys_seccomp",
    ],
    false => &[c"prctl_set_seccomp", c"__x64_sys_seccomp"],
};

/// The functions through which they are, as far as compilers keep them apart.
const INSTALL: &[&CStr] = &[
    c"__do_sys_seccomp",
    c"__se_sys_seccomp",
    c"do_seccomp",
    c"seccomp_set_mode_filter",
    c"seccomp_prepare_user_filter",
    c"seccomp_prepare_filter",
];

/// Where filters are given up: by threads and by listeners, besides those that could not be
/// installed.
const RELEASE_ROOTS: &[&CStr] = &[c"seccomp_filter_release", c"seccomp_notify_release"];

/// Where those who look at a filter of somebody else may be the last to give it up.
const DUMP_ROOTS: &[&CStr] = match cfg!(CONFIG_CHECKPOINT_RESTORE) {
    true => &[c"seccomp_get_filter", c"seccomp_get_metadata"],
    false => &[],
};

/// The functions through which they are.
const RELEASE: &[&CStr] = &[
    c"__do_sys_seccomp",
    c"__se_sys_seccomp",
    c"do_seccomp",
    c"seccomp_set_mode_filter",
    c"seccomp_attach_filter",
    c"seccomp_sync_threads",
    c"__seccomp_filter_release",
    c"__put_seccomp_filter",
    c"get_nth_filter",
    c"seccomp_filter_free",
];

/// Where threads end.
const EXIT_ROOTS: &[&CStr] = &[c"do_exit"];

/// The entries of a system call.
fn entries(call: &'static Call) -> &'static [&'static CStr] {
    match HAS_I386 {
        true => &call.entry,
        false => &call.entry[..=Abi::X86_64 as usize],
    }
}

/// Finds all functions that searches start from.
fn symbols() -> Result<Symbols> {
    let mut names = KVec::new();

    for roots in [EXIT_ROOTS, RELEASE_ROOTS, DUMP_ROOTS, INSTALL_ROOTS] {
        names.extend_from_slice(roots, GFP_KERNEL)?;
    }
    for call in &CALLS {
        names.extend_from_slice(entries(call), GFP_KERNEL)?;
    }
    Symbols::resolve(&names)
}

/// A search for calls.
struct Search {
    /// The calls to find.
    redirection: Redirection,
    /// The functions to start from.
    roots: &'static [&'static CStr],
    /// The functions to go into.
    inner: &'static [&'static CStr],
    /// How many such calls each root must lead to.
    at_least: usize,
}

impl Search {
    /// Adds the addresses of the calls, with what to call instead, to `calls`, each once.
    ///
    /// [`ENOENT`] if a root leads to too few, [`EBUSY`] if a kprobe is on one, [`ENOEXEC`] if there
    /// is a jump instead of a call, which is not supported.
    fn run(&self, symbols: &Symbols, calls: &mut KVec<(usize, Redirection)>) -> Result {
        for &root in self.roots {
            let mut functions = KVec::from_elem(symbols.get(root)?, 1, GFP_KERNEL)?;
            let mut count = 0;
            let mut next = 0;

            while let Some(&function) = functions.get(next) {
                next += 1;
                for (address, transfer) in transfers(&function)? {
                    if transfer.leads_to(self.redirection.original) {
                        match transfer.kind {
                            Kind::Call => count += 1,
                            Kind::Breakpoint => return Err(refuse_probe(address)),
                            Kind::Jump => {
                                pr_err!(
                                    "{} jumps to {}, which is not supported\n",
                                    function.name(),
                                    self.redirection.name,
                                );
                                return Err(ENOEXEC);
                            }
                        }
                        if calls.iter().all(|&(known, _)| known != address) {
                            calls.push((address, self.redirection), GFP_KERNEL)?;
                        }
                    } else if let Some(inner) = self.enter(&function, transfer.target) {
                        if functions.iter().all(|known| known.start != inner.start) {
                            functions.push(inner, GFP_KERNEL)?;
                        }
                    }
                }
            }
            if count < self.at_least {
                pr_err!(
                    "{} calls {} {} times, not {}: this kernel is not supported\n",
                    root,
                    self.redirection.name,
                    count,
                    self.at_least,
                );
                return Err(ENOENT);
            }
        }
        Ok(())
    }

    /// The function to go on with at `target`: one of those to go into, or a part of `from` itself.
    fn enter(&self, from: &Function, target: usize) -> Option<Function> {
        Function::at(target).filter(|function| {
            self.inner.iter().any(|name| function.is(name)) || function.is_part_of(from)
        })
    }
}

/// Finds all direct calls and jumps that lead out of a function.
///
/// Instructions are not decoded one after the other: every byte may be the start of one. What does
/// not exist leads nowhere, and on what is taken for a call a kprobe must be possible as well.
fn transfers(function: &Function) -> Result<KVec<(usize, Transfer)>> {
    let text = function.text()?;
    let mut transfers = KVec::new();

    for offset in 0..text.len() {
        let address = function.start + offset;
        let Some(transfer) = Transfer::decode(&text[offset..], address) else {
            continue;
        };

        if !(function.start..function.start + function.size).contains(&transfer.target) {
            transfers.push((address, transfer), GFP_KERNEL)?;
        }
    }
    Ok(transfers)
}

/// The searches for what has to be in place before a filter is installed.
fn searches(symbols: &Symbols) -> Result<KVec<Search>> {
    let release = symbols.get(c"seccomp_filter_release")?;
    let mut searches = KVec::new();

    for (redirection, roots, inner) in [
        (hooks::filter_release(release.start)?, EXIT_ROOTS, &[][..]),
        (hooks::destroy_program(), RELEASE_ROOTS, RELEASE),
        (hooks::destroy_program(), DUMP_ROOTS, RELEASE),
        (hooks::destroy_program(), INSTALL_ROOTS, RELEASE),
        (hooks::siglock(), INSTALL_ROOTS, INSTALL),
    ] {
        searches.push(
            Search {
                redirection,
                roots,
                inner,
                at_least: 1,
            },
            GFP_KERNEL,
        )?;
    }
    for call in &CALLS {
        for (redirection, at_least) in [
            // The array's copy alone must not pass for the struct's.
            (hooks::copy_from_user(), 1 + usize::from(call.copies_array)),
            (hooks::check_zeroed_user(), 1),
        ] {
            searches.push(
                Search {
                    redirection,
                    roots: entries(call),
                    inner: call.inner,
                    at_least,
                },
                GFP_KERNEL,
            )?;
        }
    }
    Ok(searches)
}

/// The redirected call sites, and what they need.
///
/// Dropping it puts the sites back. That waits, if it has to, for all filters that inspect structs
/// to go: without the hand-off they would be blind.
pub(crate) struct Sites {
    /// Where filters are made: redirected last and put back first.
    install: KVec<CallSite>,
    others: KVec<CallSite>,
    /// Probes on all sites, for news of probes of others.
    probes: Option<Probes>,
}

impl Sites {
    /// Finds and redirects all sites. May sleep.
    ///
    /// If that fails, the log tells why, and no site is redirected any more. There is no filter
    /// then that needs them: these are installed only once all is done.
    pub(crate) fn redirect() -> Result<Sites> {
        if symbol::is_livepatched() {
            pr_err!("the kernel is livepatched, its functions may not be what they seem\n");
            return Err(EBUSY);
        }

        let symbols = symbols()?;
        let mut calls = KVec::new();
        for search in &searches(&symbols)? {
            search.run(&symbols, &mut calls)?;
        }
        let others = calls.len();
        let install = Search {
            redirection: hooks::create_program(),
            roots: INSTALL_ROOTS,
            inner: INSTALL,
            at_least: 1,
        };
        install.run(&symbols, &mut calls)?;

        // A probe that was on a site before the module keeps the call that it saw then.
        let probes = Probes::at(calls.iter().map(|&(address, _)| address))?;
        refuse_shared(&probes)?;

        let mut sites = Sites {
            install: KVec::with_capacity(calls.len() - others, GFP_KERNEL)?,
            others: KVec::with_capacity(others, GFP_KERNEL)?,
            probes: None,
        };
        for (index, &(address, redirection)) in calls.iter().enumerate() {
            let site = CallSite::redirect(address, redirection).inspect_err(|_| {
                pr_err!("could not redirect the call to {}\n", redirection.name);
            })?;

            match index < others {
                true => sites.others.push(site, GFP_KERNEL)?,
                false => sites.install.push(site, GFP_KERNEL)?,
            }
        }

        // So do the module's own probes, and whoever joins them gets what they have.
        refuse_shared(&probes)?;
        drop(probes);
        sites.probes = Some(Probes::at(calls.iter().map(|&(address, _)| address))?);
        // Nothing can fail any more.
        install::open();
        Ok(sites)
    }

    /// Waits until there is no probe of others on any site. It would keep calling the module.
    fn wait_for_probes(&self) {
        wait(
            || {
                let shared = self
                    .probes
                    .as_ref()
                    .is_some_and(|probes| probes.shared().is_some());

                !shared
            },
            "the kprobes on its call sites are removed",
        );
    }
}

impl Drop for Sites {
    fn drop(&mut self) {
        self.wait_for_probes();
        self.install.clear();
        // A thread may have got to the installation without being counted yet. From there on it may
        // sleep, and what it still runs after it was counted out ends with the others below.
        callsite::synchronize();
        wait(hooks::is_none_installing, "no filter is being installed");

        // The module's references are the rule, this is for a forced unload.
        wait(
            filter::is_none_left,
            "the last filter that inspects structs is gone",
        );
        self.others.clear();
        self.wait_for_probes();
        self.probes = None;
        callsite::synchronize();
    }
}

/// Fails with [`EBUSY`] if there are probes of others.
fn refuse_shared(probes: &Probes) -> Result {
    probes
        .shared()
        .map_or(Ok(()), |address| Err(refuse_probe(address)))
}

/// Tells which call has a kprobe on it.
fn refuse_probe(address: usize) -> Error {
    match Function::at(address) {
        Some(function) => pr_err!(
            "there is a kprobe at {}+{:#x}, remove it and load the module again\n",
            function.name(),
            address - function.start,
        ),
        None => pr_err!("there is a kprobe at {:#x}\n", address),
    }
    EBUSY
}

/// Waits until something is so, and says what for if it is not so at once.
fn wait(is_so: impl Fn() -> bool, what: &str) {
    if is_so() {
        return;
    }
    pr_warn!("waiting until {}\n", what);
    while !is_so() {
        task::sleep();
    }
}
