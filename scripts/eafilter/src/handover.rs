// SPDX-License-Identifier: GPL-2.0

//! Calls that a filter hands to a supervisor or a tracer while it does not look at their structs.
//!
//! A struct is copied where a filter loads from it. Without that the device of the module has nothing
//! to show, and what is read from memory can be changed before the call reads it.

use crate::{
    action::Action,
    architecture::Architecture,
    cbpf::Insn,
    check,
    decision::Decision,
    json::Place,
    problem::Problem,
    profile::Profile,
    residue::residue,
    syscall,
    table::{self, CALLS},
};

/// Warnings about such calls in the filter that was made of a profile, one for each rule.
pub(crate) fn warnings(profile: &Profile, program: &[Insn]) -> Vec<Problem> {
    // Of a filter that is refused there is worse to say.
    let Ok(accepted) = check::check(program, &[]) else {
        return Vec::new();
    };
    let mut found: Vec<(&Place, &str, Vec<String>)> = Vec::new();
    for (row, call) in CALLS.iter().enumerate() {
        let is_blind = |architecture: &Architecture| {
            !accepted.looks_at(*architecture, row) && is_handed_over(program, *architecture, call)
        };
        let abis = Architecture::ALL.into_iter().filter(is_blind);
        let abis: Vec<String> = abis.map(|abi| abi.to_string()).collect();
        let Some((place, receiver)) = origin(profile, call).filter(|_| !abis.is_empty()) else {
            continue;
        };
        let call = format!("{} ({})", call.name, abis.join(", "));
        match found.iter_mut().find(|(other, ..)| *other == place) {
            Some((.., calls)) => calls.push(call),
            None => found.push((place, receiver, vec![call])),
        }
    }
    let warning = |(place, receiver, calls): &(&Place, &str, Vec<String>)| {
        place.problem(format!(
            "hands {} to a {receiver} without looking at the struct, so that /dev/seccomp_ea has no \
             copy of it for this filter, and a {receiver} that reads memory and lets the call \
             continue can be deceived by another thread",
            calls.join(", ")
        ))
    };
    found.iter().map(warning).collect()
}

fn is_handed_over(program: &[Insn], architecture: Architecture, call: &table::Call) -> bool {
    let Some(nr) = syscall::nr(architecture, call.name) else {
        return false;
    };
    let residue = residue(program, architecture.arch(), nr);
    let graph = &residue.graph;
    // What is too much to follow may be handed over.
    residue.entry.is_none_or(|entry| {
        let reachable = graph.reachable(entry, usize::MAX);
        reachable.iter().any(|&id| match graph.get(id) {
            Decision::Action(action) => action.receiver().is_some(),
            Decision::Test { .. } => false,
        })
    })
}

/// The rule that hands the call over, or the default, and to whom.
fn origin<'a>(profile: &'a Profile, call: &table::Call) -> Option<(&'a Place, &'static str)> {
    let of_call = |names: &[String]| names.iter().any(|name| name == call.name);
    let rules = profile.rules.iter().filter(|rule| of_call(&rule.names));
    let rules = rules.map(|rule| (&rule.place, rule.action));
    let receiver = |(place, action): (&'a Place, Action)| Some((place, action.receiver()?));
    rules
        .chain([(&profile.default_place, profile.default)])
        .find_map(receiver)
}
