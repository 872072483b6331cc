// SPDX-License-Identifier: GPL-2.0

//! What a profile means for each system call.
//!
//! The conditions of a call's rules are asked in the order of the rules; the first that holds decides.
//! What is left gets the action of the rule without conditions, or else the default. Container
//! runtimes leave rules of the default action out, and libseccomp forgets conditions where a rule
//! has none. A profile that would mean something else to them is refused, unless a struct is looked
//! at: then they cannot use it anyway.

use crate::{
    action::Action,
    architecture::Architecture,
    assemble,
    condition::{Condition, Subject},
    decision::{Graph, Id},
    problem::Problem,
    profile::{Profile, Rule},
    simplify::{simplify, Memory},
    syscall,
};
use std::collections::BTreeMap;

/// What rules about structs become where the module is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// The filter looks at structs, and is refused by a kernel without the module.
    Refuse,
    /// The answer to a call whose struct would have to be looked at.
    Answer(Action),
}

impl Fallback {
    /// The answer, if structs cannot be looked at on this ABI.
    fn answer(self, architecture: Architecture) -> Option<Action> {
        match (self, architecture.abi()) {
            (Fallback::Answer(action), _) => Some(action),
            (Fallback::Refuse, Some(_)) => None,
            // x32 has no structs that the module looks into.
            (Fallback::Refuse, None) => Some(Action::errno(ENOSYS)),
        }
    }
}

const ENOSYS: u16 = 38;

/// What is asked of a call, and the answer if all of it holds.
#[derive(Clone, Debug)]
struct Clause<'a> {
    conditions: Vec<Condition>,
    action: Action,
    rule: &'a Rule,
}

/// All clauses for a call, in their order.
type Clauses<'a> = Vec<Clause<'a>>;

/// A decision about each call of an ABI, by the number that a filter sees. They share what they can
/// with those in `found`, and are added there.
pub(crate) fn decisions(
    graph: &mut Graph,
    profile: &Profile,
    architecture: Architecture,
    fallback: Fallback,
    found: &mut Vec<Id>,
) -> Result<BTreeMap<u32, Id>, Problem> {
    let mut calls: BTreeMap<u32, Clauses<'_>> = BTreeMap::new();
    for rule in &profile.rules {
        for name in &rule.names {
            if let Some(nr) = syscall::nr(architecture, name) {
                calls.entry(nr).or_default().push(Clause {
                    conditions: rule.conditions.clone(),
                    action: rule.action,
                    rule,
                });
            }
        }
    }
    for clauses in calls.values() {
        check(profile.default, clauses)?;
    }
    if architecture == Architecture::I386 {
        add_parts(profile, &mut calls)?;
    }
    let mut decisions = BTreeMap::new();
    for (nr, clauses) in calls {
        let answer = fallback.answer(architecture);
        let candidates = candidates(graph, architecture, answer, profile.default, &clauses);
        let with = |id: &Id| {
            found.push(*id);
            let length = assemble::length(graph, found);
            found.pop();
            length
        };
        if let Some(id) = candidates.into_iter().min_by_key(with) {
            decisions.insert(nr, id);
            if graph.is_test(id) && !found.contains(&id) {
                found.push(id);
            }
        }
    }
    Ok(decisions)
}

/// The calls by which programs for i386 can also make others.
const MULTIPLEXERS: [&str; 2] = ["socketcall", "ipc"];

/// The rule that decides one of these whatever others say of the calls made by it. Runtimes leave
/// out rules that have the default action.
fn deciding<'a>(profile: &'a Profile, call: &str) -> Option<&'a Rule> {
    profile.rules.iter().find(|rule| {
        rule.conditions.is_empty()
            && rule.action != profile.default
            && rule.names.iter().any(|name| name == call)
    })
}

/// Warns of rules that say nothing of what is made by these, as a rule for these decides.
pub(crate) fn warnings(profile: &Profile) -> Vec<Problem> {
    let mut warnings = Vec::new();
    if !profile.has(Architecture::I386) {
        return warnings;
    }
    for call in MULTIPLEXERS {
        let Some(deciding) = deciding(profile, call) else {
            continue;
        };
        for rule in &profile.rules {
            let is_part =
                |name: &&String| syscall::multiplexed(name).is_some_and(|part| part.call == call);
            if let Some(name) = rule.names.iter().find(is_part) {
                if rule.action != deciding.action {
                    warnings.push(rule.place.problem(format!(
                        "programs for i386 can make the call {name} by {call} too, which a rule without \
                         conditions decides"
                    )));
                }
            }
        }
    }
    warnings
}

/// Adds what the rules say of calls that programs for i386 can also make by `socketcall` or `ipc`,
/// as libseccomp does it: unless a rule without conditions decides these.
fn add_parts<'a>(
    profile: &'a Profile,
    calls: &mut BTreeMap<u32, Clauses<'a>>,
) -> Result<(), Problem> {
    for call in MULTIPLEXERS {
        let Some(nr) = syscall::nr(Architecture::I386, call) else {
            continue;
        };
        if deciding(profile, call).is_some() {
            continue;
        }
        let mut clauses = Clauses::new();
        for rule in &profile.rules {
            if rule.action == profile.default {
                continue;
            }
            for name in &rule.names {
                if name == call {
                    clauses.push(Clause {
                        conditions: rule.conditions.clone(),
                        action: rule.action,
                        rule,
                    });
                }
                let Some(part) = syscall::multiplexed(name).filter(|part| part.call == call) else {
                    continue;
                };
                let first = |condition: &Condition| {
                    matches!(
                        condition,
                        Condition::Compare {
                            subject: Subject::Argument(0),
                            ..
                        }
                    )
                };
                // socketcall's other arguments are in memory, and those of ipc in other places.
                if !rule.conditions.iter().all(first) {
                    return Err(rule.place.problem(format!(
                        "programs for i386 can make the call {name} by {call} too, where a filter \
                         cannot see these arguments: leave out SCMP_ARCH_X86, or say what becomes \
                         of {call}"
                    )));
                }
                clauses.push(Clause {
                    conditions: vec![Condition::Part {
                        index: 0,
                        mask: part.mask,
                        value: part.value,
                    }],
                    action: rule.action,
                    rule,
                });
            }
        }
        if !clauses.is_empty() {
            check(profile.default, &clauses)?;
            calls.insert(nr, clauses);
        }
    }
    Ok(())
}

/// Whether the clauses of a call say one thing only.
fn check(default: Action, clauses: &[Clause<'_>]) -> Result<(), Problem> {
    if clauses
        .iter()
        .all(|clause| clause.action == clauses[0].action)
    {
        return Ok(());
    }
    let about_struct = clauses
        .iter()
        .flat_map(|clause| &clause.conditions)
        .any(Condition::is_about_struct);
    for (index, clause) in clauses.iter().enumerate() {
        for earlier in &clauses[..index] {
            if earlier.action == clause.action {
                continue;
            }
            let always = |clause: &Clause<'_>| clause.conditions.is_empty();
            let line = earlier.rule.place.line;
            let conflict = match (always(earlier), always(clause)) {
                (true, true) => "neither has conditions",
                _ if about_struct => continue,
                (true, false) | (false, true) => {
                    "runtimes forget the conditions of the one, because the other has none"
                }
                (false, false) if earlier.action == default => {
                    "runtimes leave out the first, because its action is the default"
                }
                (false, false) if clause.action == default => continue,
                (false, false) if are_disjoint(earlier, clause) => continue,
                (false, false) => "runtimes do not say which decides where both apply",
            };
            return Err(clause.rule.place.problem(format!(
                "contradicts the rule in line {line} about the same call: {conflict}"
            )));
        }
    }
    Ok(())
}

/// Whether no call meets the conditions of both, for all that is seen at once.
fn are_disjoint(a: &Clause<'_>, b: &Clause<'_>) -> bool {
    let mut graph = Graph::default();
    let (yes, no) = (graph.action(Action::ALLOW), graph.action(Action(0)));
    let both = a.conditions.iter().chain(&b.conditions);
    let both = both.fold(yes, |id, condition| {
        condition.decide(&mut graph, Architecture::X86_64, id, no)
    });
    simplify(&mut graph, both, Memory::Long) == Some(no)
}

/// What is asked of a call, about its registers first, and the answer if all of it holds.
#[derive(Clone)]
struct Question<'a> {
    conditions: Vec<&'a Condition>,
    action: Action,
}

/// Decisions about a call that come to the same.
fn candidates(
    graph: &mut Graph,
    architecture: Architecture,
    answer: Option<Action>,
    default: Action,
    clauses: &[Clause<'_>],
) -> Vec<Id> {
    let rest = clauses
        .iter()
        .find(|clause| clause.conditions.is_empty())
        .map_or(default, |clause| clause.action);
    let rest = graph.action(rest);
    let given: Vec<Question<'_>> = clauses
        .iter()
        .filter(|clause| !clause.conditions.is_empty())
        .map(|clause| question(clause, answer))
        .collect();
    let orders = [Order::Rising, Order::Falling].map(|order| sorted(&given, order));
    let mut candidates = Vec::new();
    for questions in orders.into_iter().chain([given]) {
        let id = questions.iter().rev().fold(rest, |no, question| {
            let yes = graph.action(question.action);
            let conditions = question.conditions.iter().rev();
            conditions.fold(yes, |yes, condition| {
                condition.decide(graph, architecture, yes, no)
            })
        });
        for memory in [Memory::Long, Memory::Short] {
            candidates.extend(simplify(graph, id, memory));
        }
        candidates.push(id);
    }
    candidates.sort_unstable();
    candidates.dedup();
    candidates
}

/// What a clause asks where structs can be looked at, or else get this answer.
fn question<'a>(clause: &'a Clause<'_>, answer: Option<Action>) -> Question<'a> {
    let (about_struct, mut conditions): (Vec<&Condition>, Vec<&Condition>) = clause
        .conditions
        .iter()
        .partition(|condition| condition.is_about_struct());
    match answer {
        Some(action) if !about_struct.is_empty() => Question { conditions, action },
        _ => {
            conditions.extend(about_struct);
            Question {
                conditions,
                action: clause.action,
            }
        }
    }
}

/// The order of the places that are asked for.
#[derive(Clone, Copy)]
enum Order {
    Rising,
    Falling,
}

/// The same in an order in which neighbours ask for the same values. It does not matter in which
/// conditions are asked, nor rules that have the same action.
fn sorted<'a>(questions: &[Question<'a>], order: Order) -> Vec<Question<'a>> {
    let place = |condition: &&Condition| match order {
        Order::Rising => condition.place(),
        Order::Falling => !condition.place(),
    };
    let mut sorted = questions.to_vec();
    for question in &mut sorted {
        question.conditions.sort_by_key(place);
    }
    for group in sorted.chunk_by_mut(|a, b| a.action == b.action) {
        group.sort_by_cached_key(|question| {
            question.conditions.iter().map(place).collect::<Vec<u32>>()
        });
    }
    sorted
}
