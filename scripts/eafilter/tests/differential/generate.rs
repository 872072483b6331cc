// SPDX-License-Identifier: GPL-2.0

//! Random profiles, and calls that they may have something to say about.

use crate::contract::{self, Memory, ARCHS, PAGE, X32};
use proptest::{prelude::*, sample};
use serde_json::{json, Value};
use std::fmt;

/// A system call: its name, and its numbers on x86-64, i386 and x32.
pub struct Known {
    pub name: &'static str,
    pub numbers: [Option<u32>; 3],
    /// The name of its struct, its size, and fields: their names, and where they are, in bits.
    pub structure: Option<&'static Struct>,
}

pub struct Struct {
    pub name: &'static str,
    pub size: u32,
    pub fields: &'static [(&'static str, u32, u32)],
}

const CLONE_ARGS: Struct = Struct {
    name: "clone_args",
    size: 88,
    fields: &[
        ("flags", 0, 64),
        ("exit_signal", 256, 64),
        ("cgroup", 640, 64),
    ],
};
const OPEN_HOW: Struct = Struct {
    name: "open_how",
    size: 24,
    fields: &[("flags", 0, 64), ("mode", 64, 64), ("resolve", 128, 64)],
};
const SCHED_ATTR: Struct = Struct {
    name: "sched_attr",
    size: 56,
    fields: &[
        ("sched_policy", 32, 32),
        ("sched_nice", 128, 32),
        ("sched_runtime", 192, 64),
    ],
};
const PERF_EVENT_ATTR: Struct = Struct {
    name: "perf_event_attr",
    size: 144,
    fields: &[
        ("type", 0, 32),
        ("disabled", 320, 1),
        ("precise_ip", 335, 2),
        ("cgroup", 352, 1),
        ("sample_max_stack", 864, 16),
        ("config4", 1088, 64),
    ],
};
const MNT_ID_REQ: Struct = Struct {
    name: "mnt_id_req",
    size: 32,
    fields: &[("mnt_fd", 32, 32), ("mnt_id", 64, 64)],
};

const fn known(
    name: &'static str,
    numbers: [Option<u32>; 3],
    structure: Option<&'static Struct>,
) -> Known {
    Known {
        name,
        numbers,
        structure,
    }
}

const fn everywhere(number: u32) -> [Option<u32>; 3] {
    [Some(number), Some(number), Some(number)]
}

pub static KNOWN: &[Known] = &[
    known("clone3", everywhere(435), Some(&CLONE_ARGS)),
    known("openat2", everywhere(437), Some(&OPEN_HOW)),
    known(
        "sched_setattr",
        [Some(314), Some(351), Some(314)],
        Some(&SCHED_ATTR),
    ),
    known(
        "perf_event_open",
        [Some(298), Some(336), Some(298)],
        Some(&PERF_EVENT_ATTR),
    ),
    known("statmount", everywhere(457), Some(&MNT_ID_REQ)),
    known("listmount", everywhere(458), Some(&MNT_ID_REQ)),
    known("read", [Some(0), Some(3), Some(0)], None),
    known("write", [Some(1), Some(4), Some(1)], None),
    known("clone", [Some(56), Some(120), Some(56)], None),
    known("personality", [Some(135), Some(136), Some(135)], None),
    known("ioctl", [Some(16), Some(54), Some(514)], None),
    known("rt_sigaction", [Some(13), Some(174), Some(512)], None),
    known("close_range", everywhere(436), None),
    known("mmap2", [None, Some(192), None], None),
    known("socket", [Some(41), Some(359), Some(41)], None),
    known("bind", [Some(49), Some(361), Some(49)], None),
    known("semop", [Some(65), None, Some(65)], None),
    known("socketcall", [None, Some(102), None], None),
    known("ipc", [None, Some(117), None], None),
];

/// What i386 has one call for, and the value of its first argument.
pub const PARTS: [(&str, &str, u32); 3] = [
    ("socket", "socketcall", 1),
    ("bind", "socketcall", 2),
    ("semop", "ipc", 1),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    Refuse,
    Allow,
    Errno,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Argument(usize),
    /// An index into the fields of the struct.
    Field(usize),
    Tail,
}

/// Operators in the order of [`OPERATORS`].
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    pub subject: Subject,
    pub operator: usize,
    pub value: u64,
    pub masked: u64,
}

pub const OPERATORS: [&str; 7] = [
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
];

/// The index of `SCMP_CMP_EQ`.
const EQUAL: usize = 3;

/// Actions, and what they are for the kernel.
pub const ACTIONS: [(&str, Option<u32>, u32); 6] = [
    ("SCMP_ACT_ALLOW", None, 0x7fff_0000),
    ("SCMP_ACT_ERRNO", None, 0x0005_0001),
    ("SCMP_ACT_ERRNO", Some(38), 0x0005_0026),
    ("SCMP_ACT_KILL_PROCESS", None, 0x8000_0000),
    ("SCMP_ACT_LOG", None, 0x7ffc_0000),
    ("SCMP_ACT_TRACE", Some(7), 0x7ff0_0007),
];

/// A rule, for calls at these indices of [`KNOWN`].
#[derive(Clone, Debug)]
pub struct Rule {
    pub calls: Vec<usize>,
    pub action: usize,
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
pub struct Profile {
    pub default: usize,
    pub i386: bool,
    pub x32: bool,
    pub rules: Vec<Rule>,
}

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => sample::select(vec![
            0, 1, 2, 3, 0x20, 0x40, 0xffff, 0x1000_0000, 0x1000_0001, 0x7e02_0080, 0x8000_0000,
            0xffff_ffff, 1 << 32, 1 << 37, 0x20_7e02_0080, 0x8000_0000_0000_0000, u64::MAX,
        ]),
        2 => 0..16u64,
        1 => 0..64u64,
        1 => (0..64u32).prop_map(|bit| 1 << bit),
    ]
}

fn condition(call: usize) -> impl Strategy<Value = Condition> {
    let fields = KNOWN[call]
        .structure
        .map_or(0, |structure| structure.fields.len());
    let subject = prop_oneof![
        2 => (0..3usize).prop_map(Subject::Argument),
        4 => (0..fields.max(1)).prop_map(move |index| match fields {
            0 => Subject::Argument(index),
            _ => Subject::Field(index),
        }),
        1 => Just(if fields == 0 { Subject::Argument(0) } else { Subject::Tail }),
    ];
    // Masks have the most to go wrong.
    let operator = prop_oneof![2 => 0..OPERATORS.len(), 1 => Just(OPERATORS.len() - 1)];
    (subject, operator, value(), value()).prop_map(move |(subject, operator, value, masked)| {
        let value = match subject {
            Subject::Field(index) => {
                let width = KNOWN[call].structure.unwrap().fields[index].2;
                value & (u64::MAX >> (64 - width))
            }
            _ => value,
        };
        Condition {
            subject,
            operator,
            value,
            masked: masked & value,
        }
    })
}

/// A rule for one call, or also for others if it says nothing of structs.
fn rule(with_structs: bool) -> impl Strategy<Value = Rule> {
    (0..KNOWN.len())
        .prop_flat_map(|call| {
            let others = prop::collection::vec(0..KNOWN.len(), 0..3);
            let conditions = prop::collection::vec(condition(call), 0..4);
            (Just(call), others, 0..ACTIONS.len(), conditions)
        })
        .prop_map(move |(call, mut calls, action, mut conditions)| {
            if !with_structs {
                conditions.retain(|condition| matches!(condition.subject, Subject::Argument(_)));
            }
            let arguments: Vec<usize> = conditions.iter().filter_map(Condition::argument).collect();
            if arguments.len() < conditions.len() {
                // Then no argument may be asked for twice.
                let mut seen = [false; 6];
                conditions.retain(|condition| match condition.argument() {
                    Some(index) => !std::mem::replace(&mut seen[index], true),
                    None => true,
                });
                calls.clear();
            }
            // What can be made by another call as well is asked for its first argument only.
            if calls.iter().chain([&call]).any(|&call| is_part(call)) {
                conditions.retain(|condition| condition.argument() == Some(0));
            }
            calls.push(call);
            calls.sort_unstable();
            calls.dedup();
            Rule {
                calls,
                action,
                conditions,
            }
        })
}

fn is_part(call: usize) -> bool {
    PARTS.iter().any(|(name, ..)| *name == KNOWN[call].name)
}

impl Condition {
    pub fn argument(&self) -> Option<usize> {
        match self.subject {
            Subject::Argument(index) => Some(index),
            _ => None,
        }
    }
}

pub fn profile(with_structs: bool) -> impl Strategy<Value = Profile> {
    (
        0..ACTIONS.len(),
        any::<bool>(),
        any::<bool>(),
        prop::collection::vec(rule(with_structs), 0..8),
    )
        .prop_map(|(default, i386, x32, mut rules)| {
            // Two rules without conditions would contradict each other.
            let mut decided = vec![None; KNOWN.len()];
            for rule in &mut rules {
                if rule.conditions.is_empty() {
                    for &call in &rule.calls {
                        rule.action = *decided[call].get_or_insert(rule.action);
                    }
                }
            }
            Profile {
                default,
                i386,
                x32,
                rules,
            }
        })
}

/// Profiles of so many rules that jumps get too far for eight bits.
pub fn long_profile() -> impl Strategy<Value = Profile> {
    let rules = prop::collection::vec(rule(true), 100..200);
    (profile(true), 0..ACTIONS.len(), rules).prop_map(|(profile, action, mut rules)| {
        // Of one action, for others would contradict each other somewhere.
        rules.retain(|rule| !rule.conditions.is_empty());
        for (index, rule) in rules.iter_mut().enumerate() {
            rule.action = action;
            // Most of it would be the same, were it not for these.
            for condition in &mut rule.conditions {
                condition.operator = EQUAL;
                if condition.argument().is_some() {
                    condition.value ^= index as u64 & 3;
                }
            }
        }
        Profile { rules, ..profile }
    })
}

pub fn fallback() -> impl Strategy<Value = Fallback> {
    sample::select(vec![Fallback::Allow, Fallback::Errno])
}

impl Profile {
    pub fn json(&self) -> String {
        let action = |index: usize, errno: &str, object: &mut Value| {
            if let Some(data) = ACTIONS[index].1 {
                object[errno] = json!(data);
            }
        };
        let mut profile = json!({"defaultAction": ACTIONS[self.default].0, "syscalls": []});
        action(self.default, "defaultErrnoRet", &mut profile);
        let mut architectures = Vec::new();
        if self.i386 {
            architectures.push("SCMP_ARCH_X86");
        }
        if self.x32 {
            architectures.push("SCMP_ARCH_X32");
        }
        profile["architectures"] = json!(architectures);
        for rule in &self.rules {
            let names: Vec<&str> = rule.calls.iter().map(|&call| KNOWN[call].name).collect();
            let mut object = json!({"names": names, "action": ACTIONS[rule.action].0, "args": []});
            action(rule.action, "errnoRet", &mut object);
            for condition in &rule.conditions {
                let mut args =
                    json!({"op": OPERATORS[condition.operator], "value": condition.value});
                if OPERATORS[condition.operator] == "SCMP_CMP_MASKED_EQ" {
                    args["valueTwo"] = json!(condition.masked);
                }
                match condition.subject {
                    Subject::Argument(index) => args["index"] = json!(index),
                    Subject::Field(index) => {
                        let structure = KNOWN[rule.calls[0]].structure.unwrap();
                        let name = structure.fields[index].0;
                        args["field"] = json!(format!("{}.{name}", structure.name));
                    }
                    Subject::Tail => args = json!({"tail": "zero"}),
                }
                object["args"].as_array_mut().unwrap().push(args);
            }
            profile["syscalls"].as_array_mut().unwrap().push(object);
        }
        serde_json::to_string_pretty(&profile).unwrap()
    }

    /// Its rules alone, as an overlay.
    pub fn overlay(&self) -> String {
        let profile: Value = serde_json::from_str(&self.json()).unwrap();
        json!({"syscalls": profile["syscalls"]}).to_string()
    }

    /// The calls that it has rules for.
    pub fn calls(&self) -> Vec<usize> {
        self.rules
            .iter()
            .flat_map(|rule| rule.calls.clone())
            .collect()
    }
}

/// A call, but for its number.
#[derive(Clone, Debug)]
pub struct Call {
    abi: usize,
    which: sample::Index,
    known: bool,
    beside: i32,
    args: [u64; 6],
    words: Vec<(u64, u64)>,
    size: sample::Index,
    mapped: bool,
}

pub fn call() -> impl Strategy<Value = Call> {
    let near = |value: u64| {
        prop_oneof![
            5 => Just(value),
            1 => Just(value.wrapping_add(1)),
            1 => Just(value.wrapping_sub(1)),
            1 => Just(value & 0xffff_ffff),
        ]
    };
    let value = move || (value(), value()).prop_flat_map(move |(a, b)| near(a | b));
    (
        0..4usize,
        any::<sample::Index>(),
        prop::bool::weighted(0.9),
        prop_oneof![8 => Just(0), 1 => Just(1), 1 => Just(-1)],
        [value(), value(), value(), value(), value(), value()],
        prop::collection::vec((0..20u64, value()), 0..8),
        any::<sample::Index>(),
        prop::bool::weighted(0.95),
    )
        .prop_map(
            |(abi, which, known, beside, args, words, size, mapped)| Call {
                abi,
                which,
                known,
                beside,
                args,
                words,
                size,
                mapped,
            },
        )
}

/// Where structs are.
const BASE: u64 = 0x7fff_0000;

/// A call as a filter sees it.
pub struct Seen {
    pub nr: u32,
    pub arch: u32,
    pub args: [u64; 6],
    memory: Memory,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { nr, arch, args, .. } = self;
        let words: Vec<u32> = (0..24).map(|index| self.word(64 + 4 * index)).collect();
        write!(f, "{nr} of {arch:#x} with {args:x?} and {words:x?}")
    }
}

impl Call {
    /// The call that is meant, if `calls` are of interest.
    pub fn seen(&self, calls: &[usize]) -> Seen {
        let i386 = self.abi == 1;
        let known = match calls {
            [] => None,
            _ if !self.known => None,
            _ => KNOWN[calls[self.which.index(calls.len())]].numbers[self.abi.min(2)],
        };
        let number = known.unwrap_or(self.which.index(600) as u32);
        let nr = number.wrapping_add_signed(self.beside) | if self.abi == 2 { X32 } else { 0 };
        let mut args = self.args;
        let mut bytes = Box::new([0; 2 * PAGE]);
        for &(place, word) in &self.words {
            let start = 8 * place as usize;
            bytes[start..start + 8].copy_from_slice(&word.to_ne_bytes());
        }
        if let Some(row) = contract::find(i386, nr) {
            let call = &contract::CALLS[row];
            let sizes = [
                0,
                8,
                call.first,
                call.first + 8,
                88,
                144,
                152,
                200,
                4096,
                4097,
                1 << 32,
            ];
            let size = sizes[self.size.index(sizes.len())];
            args[call.pointer] = BASE;
            match call.size {
                contract::Size::Argument(index) => args[index] = size,
                contract::Size::Field { offset, .. } => {
                    let word = &mut bytes[offset as usize..offset as usize + 4];
                    word.copy_from_slice(&(size as u32).to_ne_bytes());
                }
            }
        }
        Seen {
            nr,
            arch: match self.abi {
                0 | 2 => ARCHS[0],
                1 => ARCHS[1],
                _ => 0xc000_00b7,
            },
            args,
            memory: Memory {
                base: BASE,
                mapped: [self.mapped; 2],
                bytes,
                limit: 1 << 47,
            },
        }
    }
}

impl Seen {
    pub fn word(&self, k: u32) -> u32 {
        match k {
            0 => self.nr,
            4 => self.arch,
            8 | 12 => 0,
            16..64 => (self.args[(k as usize - 16) / 8] >> (k % 8 * 8)) as u32,
            _ => self.view().map_or(0, |view| view.word(k)),
        }
    }

    /// What is seen of the struct, if there is one.
    pub fn view(&self) -> Option<contract::View<'_>> {
        let i386 = self.arch == ARCHS[1];
        let row = contract::find(i386, self.nr)?;
        Some(contract::view(
            &contract::CALLS[row],
            i386,
            &self.args,
            &self.memory,
        ))
    }
}
