// SPDX-License-Identifier: GPL-2.0

//! Warnings about calls that are handed to somebody who cannot see the copy of their structs.

#![forbid(unsafe_code)]

use std::{fs, process::Command};

/// What `check` warns of, for a profile with these rules, one a line.
fn warnings(start: &str, rules: &[&str], options: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("{{{start},\n\"syscalls\": [\n{}\n]}}", rules.join(",\n"));
    fs::write(directory.path().join("p.json"), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_eafilter"))
        .args(["check", "p.json"])
        .args(options)
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(!output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

fn rule(names: &str, action: &str, args: &str) -> String {
    format!("{{\"names\": [{names}], \"action\": \"SCMP_ACT_{action}\", \"args\": [{args}]}}")
}

/// The warning about calls that a part of the profile hands over.
fn warning(part: &str, calls: &str, receiver: &str) -> String {
    format!(
        "eafilter: warning: p.json:{part}: hands {calls} to a {receiver} without looking at the struct, so \
         that /dev/seccomp_ea has no copy of it for this filter, and a {receiver} that reads memory and \
         lets the call continue can be deceived by another thread\n"
    )
}

const ALLOW: &str = "\"defaultAction\": \"SCMP_ACT_ALLOW\"";
const TAIL: &str = "{\"tail\": \"zero\"}";
const SIZE: &str = "{\"index\": 1, \"op\": \"SCMP_CMP_GT\", \"value\": 88}";

#[test]
fn rules_that_do_not_look() {
    let blind = rule("\"openat\", \"openat2\", \"clone3\"", "NOTIFY", "");
    assert_eq!(
        warnings(ALLOW, &[&blind], &[]),
        warning(
            "3: syscalls[0]",
            "clone3 (x86-64), openat2 (x86-64)",
            "supervisor"
        )
    );
    // A condition on the size, or on an argument, is none on the struct.
    let traced = rule("\"clone3\"", "TRACE", SIZE);
    let with_i386 = format!("{ALLOW}, \"architectures\": [\"SCMP_ARCH_X86\"]");
    assert_eq!(
        warnings(&with_i386, &[&rule("\"read\"", "LOG", ""), &traced], &[]),
        warning("4: syscalls[1]", "clone3 (x86-64, i386)", "tracer")
    );
    // One that always holds does not look either.
    let always = "{\"field\": \"clone_args.flags\", \"op\": \"SCMP_CMP_GE\", \"value\": 0}";
    assert_eq!(
        warnings(ALLOW, &[&rule("\"clone3\"", "NOTIFY", always)], &[]),
        warning("3: syscalls[0]", "clone3 (x86-64)", "supervisor")
    );
}

#[test]
fn rules_that_look() {
    let looks = rule("\"clone3\"", "NOTIFY", TAIL);
    assert_eq!(warnings(ALLOW, &[&looks], &[]), "");
    // Any rule for the call will do.
    let refuses = rule("\"clone3\"", "ERRNO", TAIL);
    let blind = rule("\"clone3\"", "NOTIFY", "");
    assert_eq!(warnings(ALLOW, &[&refuses, &blind], &[]), "");
    // What has no struct, or is not handed over, needs no copy.
    assert_eq!(warnings(ALLOW, &[&rule("\"open\"", "NOTIFY", "")], &[]), "");
    assert_eq!(
        warnings(ALLOW, &[&rule("\"clone3\"", "LOG", SIZE)], &[]),
        ""
    );
}

/// It is the filter that counts: without the module it does not look, nor on x32.
#[test]
fn filters_that_cannot_look() {
    let looks = rule("\"clone3\"", "NOTIFY", TAIL);
    let blind = rule("\"clone3\"", "NOTIFY", "");
    let refuses = format!(
        "{{\"names\": [\"clone3\"], \"action\": \"SCMP_ACT_ERRNO\", \"args\": [{SIZE}, {TAIL}]}}"
    );
    let plain = ["--fallback", "errno=ENOSYS"];
    // The answer of the fallback takes the place of all actions of such rules.
    assert_eq!(warnings(ALLOW, &[&looks], &plain), "");
    assert_eq!(
        warnings(ALLOW, &[&refuses, &blind], &plain),
        warning("4: syscalls[1]", "clone3 (x86-64)", "supervisor")
    );
    let with_x32 = format!("{ALLOW}, \"architectures\": [\"SCMP_ARCH_X32\"]");
    assert_eq!(
        warnings(&with_x32, &[&refuses, &blind], &[]),
        warning("4: syscalls[1]", "clone3 (x32)", "supervisor")
    );
}

#[test]
fn defaults_that_do_not_look() {
    let start = "\n\"defaultAction\": \"SCMP_ACT_NOTIFY\"";
    let said = warnings(start, &[&rule("\"clone3\"", "ALLOW", "")], &[]);
    let expected = "eafilter: warning: p.json:2: defaultAction: hands openat2 (x86-64), ";
    assert!(said.starts_with(expected), "{said}");
    assert!(!said.contains("clone3"), "{said}");
    assert_eq!(said.lines().count(), 1);
}
