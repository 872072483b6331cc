// SPDX-License-Identifier: GPL-2.0

//! The same profiles through libseccomp: `selftests/profiles/libseccomp.py` does what runc does. The
//! build root has it.

use crate::{
    contract::{self, Op, ARCHS},
    evaluate,
    generate::{self, Condition, Fallback, Profile, Seen, KNOWN, OPERATORS},
    program::{self, Compiled},
    CALLS,
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{json, Value};
use std::{
    io::Write,
    process::{Command, Stdio},
    thread,
};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../selftests/profiles/libseccomp.py"
);

/// The filters that libseccomp makes; [`None`] for a profile that it refuses.
fn libseccomp(requests: impl Iterator<Item = Value>) -> Vec<Option<Vec<Op>>> {
    let requests: Vec<String> = requests.map(|request| request.to_string()).collect();
    let requests = requests.join("\n") + "\n";
    let mut child = Command::new("python3")
        .arg(SCRIPT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 is to be in the build root (scripts/packages)");
    let mut input = child.stdin.take().unwrap();
    let writer = thread::spawn(move || input.write_all(requests.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "libseccomp.so.2 is to be in the build root (package libseccomp-dev, scripts/packages), and to \
         take all requests:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    writer.join().unwrap().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let digits = |line: &str| -> Vec<u8> {
        let pairs = line.as_bytes().chunks(2);
        let pairs = pairs.map(|pair| std::str::from_utf8(pair).unwrap());
        pairs
            .map(|pair| u8::from_str_radix(pair, 16).unwrap())
            .collect()
    };
    let filter = |line: &str| match line.starts_with("error:") {
        true => None,
        false => Some(program::parse(&digits(line))),
    };
    answers.lines().map(filter).collect()
}

/// Compares verdicts and lengths for random profiles.
pub fn agrees(count: usize) {
    let mut runner = TestRunner::deterministic();
    let profiles: Vec<Profile> = (0..count)
        .map(|_| {
            generate::profile(false)
                .new_tree(&mut runner)
                .unwrap()
                .current()
        })
        .collect();
    let requests = profiles.iter().map(|profile| {
        let profile: Value = serde_json::from_str(&profile.json()).unwrap();
        json!({"profile": profile, "caps": [], "kernel": [7, 3]})
    });
    let theirs = libseccomp(requests);
    assert_eq!(theirs.len(), count);
    let (mut compared, mut wrong) = (0, 0);
    for (profile, theirs) in profiles.iter().zip(theirs) {
        let json = profile.json();
        let (Compiled::Filter(ours), Some(theirs)) =
            (program::compile(&json, Fallback::Refuse), theirs)
        else {
            continue;
        };
        let seen: Vec<Seen> = (0..CALLS)
            .map(|_| {
                let call = generate::call().new_tree(&mut runner).unwrap().current();
                call.seen(&profile.calls())
            })
            .filter(|seen| !is_seen_otherwise(profile, seen))
            .collect();
        let differs = |seen: &&Seen| {
            let run = |ops| contract::run(ops, |k| seen.word(k));
            run(&ours) != run(&theirs)
        };
        let loads = |ops: &[Op]| ops.iter().filter(|&&op| op == Op::Load(0)).count();
        compared += 1;
        if loads(&theirs) < loads(&ours) {
            // It has left out a load of `nr`.
            wrong += 1;
        } else if let Some(seen) = seen.iter().find(differs) {
            // libseccomp 2.6 makes mistakes. If this is none, it is ours.
            let ours = contract::run(&ours, |k| seen.word(k));
            let wanted = evaluate::verdict(profile, Fallback::Refuse, seen);
            assert_eq!(ours, wanted, "{seen:?} under {json}");
            wrong += 1;
        } else if !asks_less(profile) && !mixes_orders(profile) {
            let (length, limit) = (ours.len(), theirs.len());
            assert!(
                length <= limit,
                "{length} instructions, not {limit}: {json}"
            );
        }
    }
    eprintln!("{compared} profiles, of which libseccomp has {wrong} wrong");
    assert!(compared > count / 3 && wrong < compared / 10);
}

/// Whether libseccomp asks for less: it takes arguments of x32 for ones of 32 bits, and i386's `ipc`
/// for a call without a version.
fn asks_less(profile: &Profile) -> bool {
    let semop = KNOWN.iter().position(|known| known.name == "semop");
    let mut calls = profile.rules.iter().flat_map(|rule| &rule.calls);
    let ipc = profile.i386 && calls.any(|&call| Some(call) == semop);
    profile.x32 && values(profile).any(|value| value >> 32 != 0) || ipc
}

/// It is known to be mistaken: "at least 0x207e020080" or "less than 3" holds for 0xfffe there.
fn mixes_orders(profile: &Profile) -> bool {
    let asks_order = |condition: &Condition| {
        let operator = OPERATORS[condition.operator];
        !matches!(
            operator,
            "SCMP_CMP_EQ" | "SCMP_CMP_NE" | "SCMP_CMP_MASKED_EQ"
        )
    };
    (0..KNOWN.len()).any(|call| {
        let rules = profile.rules.iter();
        let rules = rules.filter(|rule| rule.calls.contains(&call));
        let conditions: Vec<&Condition> = rules.flat_map(|rule| &rule.conditions).collect();
        (0..6).any(|index| {
            let of_it = conditions.iter();
            let of_it = of_it.filter(|condition| condition.argument() == Some(index));
            of_it.clone().count() > 1 && of_it.clone().any(|condition| asks_order(condition))
        })
    })
}

fn values(profile: &Profile) -> impl Iterator<Item = u64> + '_ {
    let conditions = profile.rules.iter().flat_map(|rule| &rule.conditions);
    conditions.map(|condition| condition.value)
}

/// Whether this is such a call.
fn is_seen_otherwise(profile: &Profile, seen: &Seen) -> bool {
    let is_x32 = seen.arch == ARCHS[0] && seen.nr >> 30 == 1;
    let is_ipc = seen.arch == ARCHS[1] && seen.nr == 117;
    let mut values = values(profile).chain(seen.args);
    is_x32 && values.any(|value| value >> 32 != 0) || is_ipc && seen.args[0] as u32 >> 16 != 0
}

/// Compares what becomes of Docker's profile in different containers. Returns how many instructions
/// libseccomp needs for one without capabilities.
pub fn agrees_on(text: &str) -> usize {
    let profile: Value = serde_json::from_str(text).unwrap();
    let containers = [
        (vec![], "7.3"),
        (vec!["CAP_SYS_ADMIN"], "7.3"),
        (
            vec!["CAP_SYS_CHROOT", "CAP_SYSLOG", "CAP_SYS_PTRACE"],
            "4.7",
        ),
        (vec!["CAP_BPF", "CAP_PERFMON"], "4.8"),
    ];
    let requests = containers.iter().map(|(caps, kernel)| {
        let kernel: Vec<u32> = kernel
            .split('.')
            .map(|part| part.parse().unwrap())
            .collect();
        json!({"profile": profile, "caps": caps, "kernel": kernel})
    });
    let theirs = libseccomp(requests);
    assert_eq!(theirs.len(), containers.len());
    let mut lengths = Vec::new();
    for ((caps, kernel), theirs) in containers.iter().zip(theirs) {
        let mut options = vec!["--kernel".to_owned(), (*kernel).to_owned()];
        if !caps.is_empty() {
            options.extend(["--cap".to_owned(), caps.join(",")]);
        }
        let Compiled::Filter(ours) = program::compile_for(text, Fallback::Refuse, &options) else {
            panic!("it contradicts itself");
        };
        let theirs = theirs.unwrap();
        eprintln!(
            "{caps:?}: {} instructions, and {} of libseccomp",
            ours.len(),
            theirs.len()
        );
        assert!(ours.len() <= theirs.len());
        lengths.push(theirs.len());
        for nr in (0..600).chain(0x4000_0000..0x4000_0258).chain([u32::MAX]) {
            for arch in [ARCHS[0], ARCHS[1], 0xc000_00b7] {
                for arg in [0, 8, 38, 39, 40, 41, 0x1000_0000, 0x2_0000, u32::MAX] {
                    let load = |k: u32| match k {
                        0 => nr,
                        4 => arch,
                        _ if k % 8 == 0 => arg,
                        _ => 0,
                    };
                    assert_eq!(
                        contract::run(&ours, load),
                        contract::run(&theirs, load),
                        "{nr} of {arch:#x} with {arg:#x} in {caps:?}"
                    );
                }
            }
        }
    }
    lengths[0]
}
