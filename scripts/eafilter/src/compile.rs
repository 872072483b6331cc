// SPDX-License-Identifier: GPL-2.0

//! Makes a filter of a profile.

use crate::{
    action::Action,
    architecture::{Architecture, X32_BIT},
    assemble::{self, assemble},
    cbpf::{self, Insn},
    decision::{Graph, Id, Test},
    policy::{self, Fallback},
    problem::Problem,
    profile::Profile,
    tree,
};

/// A call of an ABI that the profile does not name kills the thread, as with libseccomp.
const FOREIGN: Action = Action::KILL_THREAD;

pub(crate) fn compile(profile: &Profile, fallback: Fallback) -> Result<Vec<Insn>, Problem> {
    let mut graph = Graph::default();
    let mut entry = graph.action(FOREIGN);
    let mut found = Vec::new();
    // What is decided last is asked first.
    for arch in [Architecture::I386, Architecture::X86_64] {
        if profile.has(arch) {
            let calls = calls(&mut graph, profile, arch, fallback, &mut found)?;
            let rest = graph.action(profile.default);
            let found = tree::search(&mut graph, calls, rest);
            let test = Test::equal(cbpf::DATA_ARCH, u32::MAX, arch.arch());
            entry = graph.test(test, found, entry);
        }
    }

    assemble(&graph, entry).ok_or_else(|| {
        Problem::new(format!(
            "makes a filter of more than {} instructions, which no kernel takes",
            assemble::MAX
        ))
    })
}

/// Decisions about ranges of numbers, for a value of `arch`: that of x86-64 is x32's as well.
fn calls(
    graph: &mut Graph,
    profile: &Profile,
    arch: Architecture,
    fallback: Fallback,
    found: &mut Vec<Id>,
) -> Result<Vec<(u32, u32, Id)>, Problem> {
    let mut calls = policy::decisions(graph, profile, arch, fallback, found)?;
    let x32 = arch == Architecture::X86_64;
    if x32 && profile.has(Architecture::X32) {
        let architecture = Architecture::X32;
        calls.extend(policy::decisions(
            graph,
            profile,
            architecture,
            fallback,
            found,
        )?);
    }
    let mut ranges: Vec<_> = calls.into_iter().map(|(nr, id)| (nr, nr, id)).collect();
    if x32 && !profile.has(Architecture::X32) {
        // Not -1, by which a tracer has a call skipped.
        ranges.push((X32_BIT, u32::MAX - 1, graph.action(FOREIGN)));
    }
    Ok(ranges)
}
