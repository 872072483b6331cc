// SPDX-License-Identifier: GPL-2.0

//! Overlays: what they replace, and where problems with them are said to be.

#![forbid(unsafe_code)]

use std::{fs, path::Path, process::Command};
use tempfile::TempDir;

/// A directory with a profile, which has these rules, and overlays that have the others.
fn directory(profile: &[&str], overlays: &[(&str, &[&str])]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, start: &str, rules: &[&str]| {
        let text = format!("{{{start}\"syscalls\": [\n{}\n]}}\n", rules.join(",\n"));
        fs::write(directory.path().join(name), text).unwrap();
    };
    write("p.json", "\"defaultAction\": \"SCMP_ACT_ALLOW\", ", profile);
    for (name, rules) in overlays {
        write(name, "", rules);
    }
    directory
}

/// A rule for calls, whose names are parted by spaces, with these further members.
fn rule(names: &str, action: &str, more: &str) -> String {
    let names: Vec<&str> = names.split(' ').collect();
    format!("{{\"names\": {names:?}, \"action\": \"SCMP_ACT_{action}\"{more}}}")
}

/// The exit status, and what is printed.
fn run(directory: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_eafilter"))
        .args(args)
        .current_dir(directory)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The verdicts on calls, without the calls.
fn verdicts(directory: &Path, options: &[&str], calls: &[&str]) -> Vec<String> {
    let args: Vec<&str> = ["sim", "p.json"]
        .iter()
        .chain(options)
        .chain(calls)
        .copied()
        .collect();
    let (status, output, errors) = run(directory, &args);
    assert_eq!((status, errors.as_str()), (Some(0), ""));
    let verdict = |line: &str| line.rsplit_once(": ").unwrap().1.to_owned();
    output.lines().map(verdict).collect()
}

const IS_ONE: &str = ", \"args\": [{\"index\": 0, \"op\": \"SCMP_CMP_EQ\", \"value\": 1}]";
const IS_TWO: &str = ", \"args\": [{\"index\": 0, \"op\": \"SCMP_CMP_EQ\", \"value\": 2}]";

/// Calls that the overlay names lose all their rules, and others none.
#[test]
fn rules_are_replaced() {
    let directory = directory(
        &[
            &rule("read write", "ERRNO", ""),
            &rule("close", "LOG", IS_ONE),
        ],
        &[(
            "o.json",
            &[&rule("read close", "TRAP", IS_TWO), &rule("dup", "LOG", "")],
        )],
    );
    let calls = [
        "read",
        "read args[0]=2",
        "write",
        "close args[0]=1",
        "close args[0]=2",
        "dup",
    ];
    assert_eq!(
        verdicts(directory.path(), &[], &calls),
        [
            "ERRNO(EPERM)",
            "ERRNO(EPERM)",
            "ERRNO(EPERM)",
            "LOG",
            "ALLOW",
            "ALLOW"
        ]
    );
    assert_eq!(
        verdicts(directory.path(), &["--with", "o.json"], &calls),
        ["ALLOW", "TRAP", "ERRNO(EPERM)", "ALLOW", "TRAP", "LOG"]
    );
}

/// The rules of one overlay add up; those of a later one replace them.
#[test]
fn later_overlays_replace_earlier_ones() {
    let directory = directory(
        &[],
        &[
            (
                "a.json",
                &[
                    &rule("read write", "LOG", IS_ONE),
                    &rule("read write", "LOG", IS_TWO),
                ],
            ),
            ("b.json", &[&rule("read", "ERRNO", IS_ONE)]),
        ],
    );
    let calls = [
        "read args[0]=1",
        "read args[0]=2",
        "write args[0]=1",
        "write args[0]=2",
    ];
    let both = |first, second| {
        verdicts(
            directory.path(),
            &["--with", first, "--with", second],
            &calls,
        )
    };
    assert_eq!(
        both("a.json", "b.json"),
        ["ERRNO(EPERM)", "ALLOW", "LOG", "LOG"]
    );
    assert_eq!(both("b.json", "a.json"), ["LOG", "LOG", "LOG", "LOG"]);
}

/// A rule that does not apply to the container replaces nothing.
#[test]
fn rules_for_other_containers() {
    let only = ", \"includes\": {\"caps\": [\"CAP_KILL\"]}";
    let directory = directory(
        &[&rule("kill", "ERRNO", "")],
        &[("o.json", &[&rule("kill", "LOG", only)])],
    );
    let with = ["--with", "o.json"];
    assert_eq!(
        verdicts(directory.path(), &with, &["kill"]),
        ["ERRNO(EPERM)"]
    );
    let with = ["--with", "o.json", "--cap", "CAP_KILL"];
    assert_eq!(verdicts(directory.path(), &with, &["kill"]), ["LOG"]);
}

/// What a profile says of a call that is replaced cannot contradict anything any more.
#[test]
fn contradictions_can_be_replaced() {
    let directory = directory(
        &[&rule("read", "LOG", ""), &rule("read", "ERRNO", "")],
        &[("o.json", &[&rule("read", "TRAP", "")])],
    );
    let (status, _, errors) = run(directory.path(), &["check", "p.json"]);
    assert!(errors.starts_with("eafilter: p.json:3: syscalls[1]: contradicts"));
    assert_eq!(status, Some(2));
    let with = ["--with", "o.json"];
    assert_eq!(verdicts(directory.path(), &with, &["read"]), ["TRAP"]);
}

#[test]
fn all_commands_take_overlays() {
    let directory = directory(
        &[],
        &[("o.json", &[&rule("clone3", "ERRNO", ", \"errnoRet\": 38")])],
    );
    let enosys = 0x0005_0026u32;
    for (args, expected) in [
        (&["check", "p.json"][..], "p.json: accepted"),
        (&["disasm", "p.json"], "ERRNO(ENOSYS)"),
        (&["explain", "p.json", "clone3"], "ERRNO(ENOSYS)"),
        (&["compile", "-o", "f", "p.json"], ""),
        (&["sim", "f", "clone3"], "ERRNO(ENOSYS)"),
    ] {
        let with = match args[1] {
            "f" => &[][..],
            _ => &["--with", "o.json"],
        };
        let args: Vec<&str> = args.iter().chain(with).copied().collect();
        let (status, output, errors) = run(directory.path(), &args);
        assert_eq!((status, errors.as_str()), (Some(0), ""), "{args:?}");
        assert!(output.contains(expected), "{args:?}: {output}");
    }
    let filter = fs::read(directory.path().join("f")).unwrap();
    assert!(filter
        .chunks(8)
        .any(|insn| insn[4..] == enosys.to_ne_bytes()));
}

#[test]
fn problems_name_the_file() {
    let profile = [rule("read", "LOG", IS_ONE)];
    let cases: Vec<(String, &str)> = vec![
        ("{}".into(), "o.json:1: missing field `syscalls`"),
        (
            "{\n\"syscalls\": null}".into(),
            "o.json:2: syscalls: invalid type: null",
        ),
        (
            "{\n\"defaultAction\": \"SCMP_ACT_LOG\", \"syscalls\": []}".into(),
            "o.json:2: defaultAction: unknown field `defaultAction`, expected `syscalls`",
        ),
        (
            format!("{{\"syscalls\": [\n{}]}}", rule("read", "DENY", "")),
            "o.json:2: syscalls[0].action: unknown variant `SCMP_ACT_DENY`",
        ),
        (
            format!(
                "{{\"syscalls\": [\n{},\n{}]}}",
                rule("read", "LOG", ""),
                rule("write read", "ERRNO", "")
            ),
            "o.json:3: syscalls[1]: contradicts the rule in line 2 about the same call",
        ),
        (
            format!("{{\"syscalls\": [\n{}]}}", rule("bind", "LOG", IS_BOUND)),
            "o.json:2: syscalls[0]: programs for i386 can make the call bind by socketcall too",
        ),
    ];
    let rules: Vec<&str> = profile.iter().map(String::as_str).collect();
    let directory = directory(&rules, &[]);
    let path = directory.path();
    let text = fs::read_to_string(path.join("p.json")).unwrap();
    let text = text.replace(
        "\"syscalls\"",
        "\"architectures\": [\"SCMP_ARCH_X86\"], \"syscalls\"",
    );
    fs::write(path.join("p.json"), &text).unwrap();
    let said = |args: &[&str]| {
        let (status, output, errors) = run(path, args);
        assert_eq!((status, output.as_str()), (Some(2), ""), "{errors}");
        errors
    };
    for (overlay, message) in cases {
        fs::write(path.join("o.json"), overlay).unwrap();
        for command in ["compile", "check", "disasm", "sim", "explain"] {
            let call = &["read"][usize::from(command != "sim")..];
            let errors = said(&[&[command, "--with", "o.json", "p.json"], call].concat());
            assert!(
                errors.starts_with(&format!("eafilter: {message}")),
                "{errors}instead of {message}"
            );
        }
        let errors = said(&["run", "--with", "o.json", "p.json", "--", "true"]);
        assert!(errors.starts_with(&format!("eafilter: {message}")));
    }
    let errors = said(&["check", "--with", "none", "p.json"]);
    assert_eq!(
        errors,
        "eafilter: none: No such file or directory (os error 2)\n"
    );
    // A profile that is wrong is still said to be.
    fs::write(path.join("o.json"), "{\"syscalls\": []}").unwrap();
    fs::write(path.join("p.json"), text.replace("SCMP_ACT_LOG", "LOG")).unwrap();
    let errors = said(&["check", "--with", "o.json", "p.json"]);
    assert!(errors.starts_with("eafilter: p.json:2: syscalls[0].action: unknown variant `LOG`"));
    fs::write(path.join("f"), [6, 0, 0, 0, 0, 0, 0xff, 0x7f]).unwrap();
    let errors = said(&["check", "--with", "o.json", "f"]);
    assert_eq!(
        errors,
        "eafilter: f: is a compiled filter: --with, --fallback, --cap and --kernel are for profiles\n"
    );
}

/// The second argument is not seen in socketcall.
const IS_BOUND: &str = ", \"args\": [{\"index\": 1, \"op\": \"SCMP_CMP_EQ\", \"value\": 1}]";

#[test]
fn warnings_name_the_file() {
    let directory = directory(
        &[&rule("clone33", "LOG", "")],
        &[("o.json", &[&rule("clone34", "LOG", "")])],
    );
    let (status, _, errors) = run(directory.path(), &["check", "--with", "o.json", "p.json"]);
    assert_eq!(status, Some(0));
    let about = |file, name| {
        format!(
            "eafilter: warning: {file}:2: syscalls[0].names[0]: \"{name}\" is no system call of Linux \
             7.3: the filter says nothing about it\n"
        )
    };
    assert_eq!(
        errors,
        about("p.json", "clone33") + &about("o.json", "clone34")
    );
}

/// Has the profile in a directory allow programs for i386.
fn allow_i386(directory: &Path) {
    let file = directory.join("p.json");
    let text = fs::read_to_string(&file).unwrap();
    let with_i386 = "\"architectures\": [\"SCMP_ARCH_X86\"], \"syscalls\"";
    fs::write(&file, text.replace("\"syscalls\"", with_i386)).unwrap();
}

/// Where two calls are one, an overlay does not replace the rule for the other.
#[test]
fn one_call_by_two_names() {
    let directory = directory(
        &[&rule("socketcall", "LOG", IS_ONE)],
        &[("o.json", &[&rule("socket bind", "ERRNO", "")])],
    );
    allow_i386(directory.path());
    let (status, _, errors) = run(directory.path(), &["check", "--with", "o.json", "p.json"]);
    assert_eq!(status, Some(2));
    assert!(errors.starts_with("eafilter: o.json:2: syscalls[0]: contradicts the rule in line 2"));
}

/// What is refused here is allowed there.
#[test]
fn warnings_of_calls_by_two_names() {
    let directory = directory(
        &[&rule("socketcall bind", "LOG", "")],
        &[("o.json", &[&rule("socket bind", "ERRNO", "")])],
    );
    let said = || run(directory.path(), &["check", "--with", "o.json", "p.json"]);
    assert_eq!(said().2, "");
    allow_i386(directory.path());
    assert_eq!(
        said().2,
        "eafilter: warning: o.json:2: syscalls[0]: programs for i386 can make the call socket by \
         socketcall too, which a rule without conditions decides\n"
    );
}
