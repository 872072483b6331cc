// SPDX-License-Identifier: GPL-2.0

//! What a profile says of a call, as the documentation has it: no graph, no words, no tree.

use crate::{
    contract::{ARCHS, X32},
    generate::{Condition, Fallback, Profile, Rule, Seen, Subject, ACTIONS, KNOWN, PARTS},
};

const KILL_THREAD: u32 = 0;
const ENOSYS: u32 = 0x0005_0026;

/// A profile whose rules for the calls that the overlay has rules for are replaced by these.
pub fn replace(mut profile: Profile, overlay: &Profile) -> Profile {
    let replaced = overlay.calls();
    for rule in &mut profile.rules {
        rule.calls.retain(|call| !replaced.contains(call));
    }
    profile.rules.extend(overlay.rules.iter().cloned());
    profile
}

pub fn verdict(profile: &Profile, fallback: Fallback, seen: &Seen) -> u32 {
    let default = ACTIONS[profile.default].2;
    let abi = match seen.arch {
        arch if arch == ARCHS[1] && profile.i386 => 1,
        arch if arch != ARCHS[0] => return KILL_THREAD,
        _ if seen.nr == u32::MAX => return default,
        _ if seen.nr < X32 => 0,
        _ if profile.x32 => 2,
        _ => return KILL_THREAD,
    };
    let number = seen.nr & !if abi == 2 { X32 } else { 0 };
    if abi == 2 && seen.nr >> 30 != 1 {
        return default;
    }
    let named = KNOWN
        .iter()
        .position(|known| known.numbers[abi] == Some(number));
    let Some(call) = named else {
        return default;
    };
    let own = profile
        .rules
        .iter()
        .filter(|rule| rule.calls.contains(&call));
    let always = own.clone().find(|rule| rule.conditions.is_empty());
    let is_default = |rule: &Rule| ACTIONS[rule.action].2 == default;

    let parts: Vec<u32> = PARTS
        .iter()
        .filter(|(_, whole, _)| *whole == KNOWN[call].name)
        .map(|(.., value)| *value)
        .collect();
    for rule in &profile.rules {
        // Runtimes leave out what has the default action.
        if !parts.is_empty() && is_default(rule) {
            continue;
        }
        if rule.calls.contains(&call) && !rule.conditions.is_empty() {
            if let Some(action) = answer(rule, call, abi, fallback, seen) {
                return action;
            }
        }
        if !parts.is_empty() && always.is_none_or(is_default) {
            let is_made = |part: &(&str, &str, u32)| {
                let asked = match part.1 {
                    "ipc" => seen.args[0] & 0xffff,
                    _ => seen.args[0] & 0xffff_ffff,
                };
                part.1 == KNOWN[call].name && asked == u64::from(part.2)
            };
            let names = |name| rule.calls.iter().any(|&call| KNOWN[call].name == name);
            if PARTS.iter().any(|part| is_made(part) && names(part.0)) {
                return ACTIONS[rule.action].2;
            }
        }
    }
    always.map_or(default, |rule| ACTIONS[rule.action].2)
}

/// What a rule with conditions answers, if it applies.
fn answer(rule: &Rule, call: usize, abi: usize, fallback: Fallback, seen: &Seen) -> Option<u32> {
    let twice = (0..6).any(|index| {
        let asks = |condition: &&Condition| condition.argument() == Some(index);
        rule.conditions.iter().filter(asks).count() > 1
    });
    let holds = |condition: &Condition| holds(condition, call, abi, seen);
    if twice {
        return rule
            .conditions
            .iter()
            .any(holds)
            .then_some(ACTIONS[rule.action].2);
    }
    let is_plain = |condition: &&Condition| condition.argument().is_some();
    if !rule.conditions.iter().filter(is_plain).all(holds) {
        return None;
    }
    let asks_struct = rule
        .conditions
        .iter()
        .any(|condition| !is_plain(&condition));
    match (asks_struct, fallback) {
        (true, Fallback::Allow) => return Some(0x7fff_0000),
        (true, Fallback::Errno) => return Some(0x0005_0012),
        (true, Fallback::Refuse) if abi == 2 => return Some(ENOSYS),
        _ => {}
    }
    rule.conditions
        .iter()
        .all(holds)
        .then_some(ACTIONS[rule.action].2)
}

fn holds(condition: &Condition, call: usize, abi: usize, seen: &Seen) -> bool {
    let (mut value, mut masked) = (condition.value, condition.masked);
    let asked = match condition.subject {
        Subject::Argument(index) if abi == 1 => {
            value &= 0xffff_ffff;
            masked &= 0xffff_ffff;
            seen.args[index] & 0xffff_ffff
        }
        Subject::Argument(index) => seen.args[index],
        Subject::Field(index) => {
            let (_, first, width) = KNOWN[call].structure.unwrap().fields[index];
            let view = seen.view().unwrap();
            (0..width).fold(0, |sum, bit| {
                let at = (first + bit) as usize;
                let byte = view.bytes.get(at / 8).copied().unwrap_or(0);
                sum | (u64::from((byte >> (at % 8)) & 1) << bit)
            })
        }
        Subject::Tail => {
            let known = KNOWN[call].structure.unwrap().size as usize;
            let view = seen.view().unwrap();
            return view.bytes.iter().skip(known).all(|&byte| byte == 0);
        }
    };
    match condition.operator {
        0 => asked != value,
        1 => asked < value,
        2 => asked <= value,
        3 => asked == value,
        4 => asked >= value,
        5 => asked > value,
        _ => asked & value == masked,
    }
}
