// SPDX-License-Identifier: GPL-2.0

//! What `explain` says of filters of other shapes than those on the page.

#![forbid(unsafe_code)]

use std::{fs, process::Command};

/// What it says of clone3.
fn explain(name: &str, bytes: &[u8]) -> String {
    explain_call("clone3", name, bytes)
}

fn explain_call(call: &str, name: &str, bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(name), bytes).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_eafilter"))
        .args(["explain", name, call])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

/// The same for a profile that has these rules for clone3: an action and a condition.
fn explain_rules(rules: &[(&str, String)]) -> String {
    let rule = |(action, condition): &(&str, String)| {
        format!(
            "{{\"names\": [\"clone3\"], \"action\": \"SCMP_ACT_{action}\", \"args\": [{condition}]}}"
        )
    };
    let rules: Vec<String> = rules.iter().map(rule).collect();
    let profile = format!(
        "{{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{}]}}",
        rules.join(", ")
    );
    explain("p.json", profile.as_bytes())
}

fn field(name: &str, operator: &str, value: u64) -> String {
    format!(
        "{{\"field\": \"clone_args.{name}\", \"op\": \"SCMP_CMP_{operator}\", \"value\": {value}}}"
    )
}

/// What has tests on both sides is a block, and what follows the block is not in it.
#[test]
fn blocks() {
    let said = explain_rules(&[
        ("LOG", field("flags", "EQ", 0x1_0000_0001)),
        ("ERRNO", "{\"tail\": \"zero\"}".into()),
    ]);
    assert_eq!(
        said,
        "clone3 (x86-64)\n  \
           if clone_args.flags & 0xffffffff00000000 == 0x100000000\n    \
             LOG if clone_args.flags & 0xffffffff == 1\n    \
             ALLOW if ea.tail >= 89\n    \
             ERRNO(EPERM)\n  \
           ALLOW if ea.tail >= 89\n  \
           ERRNO(EPERM)\n\n\
         clone3 (i386, x32)\n  \
           KILL_THREAD\n\n"
    );
}

/// Code, jt, jf and k.
type Insn = (u16, u8, u8, u32);

const LD: u16 = 0x20;
const JA: u16 = 0x05;
const JEQ: u16 = 0x15;
const JSET: u16 = 0x45;
const ALLOW: Insn = (0x06, 0, 0, 0x7fff_0000);
const KILL: Insn = (0x06, 0, 0, 0);

/// The same for a filter that does this where clone3 is called, and else allows.
fn explain_filter(body: &[Insn]) -> String {
    let head = [
        (LD, 0, 0, 4),
        (JEQ, 1, 0, 0xc000_003e),
        ALLOW,
        (LD, 0, 0, 0),
        (JEQ, 1, 0, 435),
        ALLOW,
    ];
    let insns = head.iter().chain(body);
    let bytes: Vec<u8> = insns
        .flat_map(|&(code, jt, jf, k)| {
            [&code.to_ne_bytes()[..], &[jt, jf], &k.to_ne_bytes()[..]].concat()
        })
        .collect();
    explain("f", &bytes)
}

/// What has been asked already is not told once more.
#[test]
fn known_answers() {
    let said = explain_filter(&[
        (LD, 0, 0, 64),
        (JEQ, 0, 3, 5),
        (LD, 0, 0, 64),
        (JEQ, 0, 1, 6),
        KILL,
        ALLOW,
    ]);
    assert_eq!(
        said, "clone3 (x86-64, i386, x32)\n  ALLOW\n\n",
        "nothing is 5 and 6"
    );
}

/// A test of which only one side is an action is a line, whichever side that is.
#[test]
fn one_sided_tests() {
    let said = explain_filter(&[
        (LD, 0, 0, 64),
        (JEQ, 0, 3, 5),
        (LD, 0, 0, 72),
        (JSET, 0, 1, 0x100),
        ALLOW,
        KILL,
    ]);
    assert!(
        said.starts_with(
            "clone3 (x86-64)\n  \
               KILL_THREAD if clone_args.flags & 0xffffffff != 5\n  \
               ALLOW if clone_args.pidfd & 0x100 != 0\n  \
               KILL_THREAD\n"
        ),
        "{said}"
    );
}

/// The end of what is too long is left out, and that is said.
#[test]
fn long_answers() {
    let actions = ["LOG", "ERRNO"];
    let rules: Vec<(&str, String)> = (0..300)
        .map(|index| (actions[index % 2], field("cgroup", "EQ", index as u64)))
        .collect();
    let said = explain_rules(&rules);
    let lines: Vec<&str> = said.lines().collect();
    let end = lines.iter().position(|line| line.is_empty()).unwrap();
    assert_eq!(lines[0], "clone3 (x86-64)");
    assert_eq!((end, lines[end - 1]), (202, "  and more: see disasm"));
}

/// Where ways part and meet again and again, the ways through are more than anybody could write.
#[test]
fn ways_that_meet() {
    let mut body = Vec::new();
    for bit in 0..31 {
        body.extend([
            (LD, 0, 0, 64),
            (JSET, 0, 2, 1 << bit),
            (LD, 0, 0, 72),
            (JSET, 3, 2, 1 << bit),
            (LD, 0, 0, 80),
            (JSET, 1, 0, 1 << bit),
            (JA, 0, 0, 1),
            KILL,
        ]);
    }
    body.push(ALLOW);
    let said = explain_filter(&body);
    assert!(said.contains("  and more: see disasm\n"));
    assert!(said.len() < 1 << 16, "{}", said.len());
}

/// A part of a field is not the field, though it begins where that does.
#[test]
fn parts_of_fields() {
    let said = |value: u32, two: u32| {
        let profile = format!(
            "{{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{{\"names\": [\"perf_event_open\"], \
             \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{{\"field\": \"perf_event_attr.precise_ip\", \
             \"op\": \"SCMP_CMP_MASKED_EQ\", \"value\": {value}, \"valueTwo\": {two}}}]}}]}}"
        );
        explain_call("perf_event_open", "p.json", profile.as_bytes())
    };
    assert!(said(1, 1).contains("ALLOW if perf_event_attr.precise_ip & 0x1 != 0\n"));
    assert!(said(3, 3).contains("ALLOW if perf_event_attr.precise_ip == 3\n"));
}
