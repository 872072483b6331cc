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
    kprobe::Probes,
    symbol::{
        Function,
        Symbols, //
    },
    table::{
        Abi,
        Call,
        Rows,
        Size,
        CALLS, //
    },
    task,
    unexported, //
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

/// Where tracers set options: of a thread that they have, and of one that they seize.
const TRACE_ROOTS: &[&CStr] = match (cfg!(CONFIG_CHECKPOINT_RESTORE), HAS_I386) {
    (true, true) => &[
        c"ptrace_request",
        c"__x64_sys_ptrace",
        c"__ia32_compat_sys_ptrace",
    ],
    (true, false) => &[c"ptrace_request", c"__x64_sys_ptrace"],
    // Nobody can suspend seccomp.
    (false, _) => &[],
};

/// The functions through which they do.
const TRACE: &[&CStr] = &[
    c"__do_sys_ptrace",
    c"__se_sys_ptrace",
    c"__do_compat_sys_ptrace",
    c"__se_compat_sys_ptrace",
    c"ptrace_attach",
    c"ptrace_setoptions",
    c"check_ptrace_options",
];

/// Where threads end.
const EXIT_ROOTS: &[&CStr] = &[c"do_exit"];

/// The function of a system call that no kernel has.
const NO_CALL: &CStr = c"__x64_sys_ni_syscall";

/// The entries of a system call.
fn entries(call: &'static Call) -> &'static [&'static CStr] {
    match HAS_I386 {
        true => &call.functions.entry,
        false => &call.functions.entry[..=Abi::X86_64 as usize],
    }
}

/// Finds all functions that searches start from, and those that the module calls itself.
fn symbols() -> Result<Symbols> {
    let mut names = KVec::from_elem(NO_CALL, 1, GFP_KERNEL)?;

    for roots in [
        EXIT_ROOTS,
        RELEASE_ROOTS,
        DUMP_ROOTS,
        INSTALL_ROOTS,
        TRACE_ROOTS,
        unexported::NAMES,
    ] {
        names.extend_from_slice(roots, GFP_KERNEL)?;
    }
    for call in &CALLS {
        names.extend_from_slice(entries(call), GFP_KERNEL)?;
    }
    Symbols::resolve(&names)
}

/// Whether the kernel lacks a system call: it was not there yet, or was configured away, and then
/// `COND_SYSCALL()` (`arch/x86/include/asm/syscall_wrapper.h`) leaves what [`NO_CALL`] is.
///
/// [`ENOENT`] if it is there on one ABI only.
fn is_absent(symbols: &Symbols, call: &'static Call) -> Result<bool> {
    let no_call = symbols.get(NO_CALL)?;
    let mut absent = 0;

    for &entry in entries(call) {
        absent += usize::from(match symbols.find(entry) {
            Some(function) => function.fails_like(&no_call)?,
            None => true,
        });
    }
    match absent {
        0 => Ok(false),
        all if all == entries(call).len() => Ok(true),
        _ => {
            pr_err!("{} is there on one ABI, but not on the other\n", call.name);
            Err(ENOENT)
        }
    }
}

/// A call to look for.
struct Wanted {
    redirection: Redirection,
    /// How many of it each root must lead to.
    at_least: usize,
}

/// The call sites that were found, each once.
type Calls = KVec<(usize, Redirection)>;

/// A search for calls.
struct Search {
    /// The calls to find.
    wanted: KVec<Wanted>,
    /// The functions to start from.
    roots: &'static [&'static CStr],
    /// The functions to go into.
    inner: &'static [&'static CStr],
}

impl Search {
    /// A search for calls of one function, at least one from each root.
    fn one(
        redirection: Redirection,
        roots: &'static [&'static CStr],
        inner: &'static [&'static CStr],
    ) -> Result<Search> {
        let mut wanted = KVec::new();

        wanted.push(
            Wanted {
                redirection,
                at_least: 1,
            },
            GFP_KERNEL,
        )?;
        Ok(Search {
            wanted,
            roots,
            inner,
        })
    }

    /// A search for what copies the struct of a system call.
    fn hand_off(call: &'static Call) -> Result<Search> {
        let mut wanted = KVec::new();

        for (redirection, at_least) in [
            // The array's copy alone must not pass for the struct's.
            (hooks::copy_from_user(), 1 + usize::from(call.copies_array)),
            (hooks::check_zeroed_user(), 1),
            (
                hooks::get_user_4(),
                usize::from(matches!(call.size, Size::Field { .. })),
            ),
        ] {
            if at_least != 0 {
                wanted.push(
                    Wanted {
                        redirection,
                        at_least,
                    },
                    GFP_KERNEL,
                )?;
            }
        }
        Ok(Search {
            wanted,
            roots: entries(call),
            inner: call.functions.inner,
        })
    }

    /// Adds what is found to `calls`, and returns all addresses.
    ///
    /// [`ENOENT`] if a root leads to too few, [`EBUSY`] if a kprobe is on one, [`ENOEXEC`] if there
    /// is a jump instead of a call, which is not supported.
    fn run(&self, symbols: &Symbols, calls: &mut Calls) -> Result<KVec<usize>> {
        let mut addresses = KVec::new();

        for &root in self.roots {
            let found = self.run_from(symbols.get(root)?)?;

            for wanted in &self.wanted {
                let name = wanted.redirection.name;
                let count = found.iter().filter(|(_, call)| call.name == name).count();

                if count < wanted.at_least {
                    pr_err!(
                        "{} calls {} {} times, not {}: this kernel is not supported\n",
                        root,
                        name,
                        count,
                        wanted.at_least,
                    );
                    return Err(ENOENT);
                }
            }
            for &(address, redirection) in &found {
                if !addresses.contains(&address) {
                    addresses.push(address, GFP_KERNEL)?;
                }
                if calls.iter().all(|&(known, _)| known != address) {
                    calls.push((address, redirection), GFP_KERNEL)?;
                }
            }
        }
        Ok(addresses)
    }

    /// Finds the calls that a function leads to.
    fn run_from(&self, root: Function) -> Result<Calls> {
        let mut functions = KVec::from_elem(root, 1, GFP_KERNEL)?;
        let mut found = KVec::new();
        let mut next = 0;

        while let Some(&function) = functions.get(next) {
            next += 1;
            for (address, transfer) in transfers(&function)? {
                if let Some(redirection) = self.wants(&transfer) {
                    match transfer.kind {
                        Kind::Call => found.push((address, redirection), GFP_KERNEL)?,
                        Kind::Breakpoint => return Err(refuse_probe(address)),
                        Kind::Jump => {
                            pr_err!(
                                "{} jumps to {}, which is not supported\n",
                                function.name(),
                                redirection.name,
                            );
                            return Err(ENOEXEC);
                        }
                    }
                } else if let Some(inner) = self.enter(&function, transfer.target) {
                    if functions.iter().all(|known| known.start != inner.start) {
                        functions.push(inner, GFP_KERNEL)?;
                    }
                }
            }
        }
        Ok(found)
    }

    /// What is to become of a call, if it is one to find.
    fn wants(&self, transfer: &Transfer) -> Option<Redirection> {
        self.wanted
            .iter()
            .map(|wanted| wanted.redirection)
            .find(|redirection| transfer.leads_to(redirection.original))
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

        for transfer in Transfer::candidates(&text[offset..], address) {
            if !(function.start..function.start + function.size).contains(&transfer.target) {
                transfers.push((address, transfer), GFP_KERNEL)?;
            }
        }
    }
    Ok(transfers)
}

/// The searches for what has to be in place before a filter is installed, besides the hand-off.
fn searches(symbols: &Symbols) -> Result<[Search; 6]> {
    let release = symbols.get(c"seccomp_filter_release")?;

    Ok([
        Search::one(hooks::filter_release(release.start)?, EXIT_ROOTS, &[])?,
        Search::one(hooks::destroy_program(), RELEASE_ROOTS, RELEASE)?,
        Search::one(hooks::destroy_program(), DUMP_ROOTS, RELEASE)?,
        Search::one(hooks::destroy_program(), INSTALL_ROOTS, RELEASE)?,
        Search::one(hooks::siglock(), INSTALL_ROOTS, INSTALL)?,
        Search::one(hooks::capable(), TRACE_ROOTS, TRACE)?,
    ])
}

/// Where each system call of the table copies its struct; [`None`] for those that the kernel lacks.
pub(crate) struct Coverage([Option<KVec<usize>>; CALLS.len()]);

impl Coverage {
    /// The system calls that the kernel has.
    pub(crate) fn rows(&self) -> Rows {
        let mut rows = Rows::NONE;

        for (row, sites) in self.0.iter().enumerate() {
            if sites.is_some() {
                rows.insert(row);
            }
        }
        rows
    }

    /// All system calls of the table, with the addresses of their sites.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Call, Option<&KVec<usize>>)> {
        CALLS.iter().zip(self.0.iter().map(Option::as_ref))
    }
}

/// Finds the sites of all system calls that the kernel has.
fn cover(symbols: &Symbols, calls: &mut Calls) -> Result<Coverage> {
    let mut coverage = [const { None }; CALLS.len()];

    for (sites, call) in coverage.iter_mut().zip(&CALLS) {
        if is_absent(symbols, call)? {
            continue;
        }
        let search = Search::hand_off(call)?;

        *sites = Some(search.run(symbols, calls).inspect_err(|_| {
            pr_err!(
                "cannot find all copies of {}'s {}\n",
                call.name,
                call.structure
            );
        })?);
    }
    Ok(Coverage(coverage))
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
    /// Finds and redirects all sites, and tells those that copy structs. May sleep.
    ///
    /// If that fails, the log tells why, and no site is redirected any more. There is no filter
    /// then that needs them: these are installed only once all is done.
    pub(crate) fn redirect() -> Result<(Sites, Coverage)> {
        let symbols = symbols()?;
        // SAFETY: Nothing leads to the module yet.
        unsafe { unexported::link(&symbols)? };
        let mut calls = KVec::new();
        for search in &searches(&symbols)? {
            search.run(&symbols, &mut calls)?;
        }
        let coverage = cover(&symbols, &mut calls)?;
        let others = calls.len();
        Search::one(hooks::create_program(), INSTALL_ROOTS, INSTALL)?.run(&symbols, &mut calls)?;

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
        Ok((sites, coverage))
    }

    /// Waits until there is no probe of others on any site. It would keep calling the module.
    fn wait_for_probes(&self) {
        task::wait(
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
        task::wait(hooks::is_none_installing, "no filter is being installed");

        // The module's references are the rule, this is for a forced unload.
        task::wait(
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
