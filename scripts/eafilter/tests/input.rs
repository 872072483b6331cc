// SPDX-License-Identifier: GPL-2.0

//! Bad input: the message, the exit status, and that nothing is written. And what `check` says.

#![forbid(unsafe_code)]

use std::{
    fs::{self, File},
    os::unix::fs::{symlink, FileTypeExt},
    path::Path,
    process::{Command, Output, Stdio},
    thread,
};

/// Runs the program in a directory that has this file, which is its standard input as well.
fn run(directory: &Path, file: (&str, &[u8]), args: &[&str]) -> Output {
    fs::write(directory.join(file.0), file.1).unwrap();
    Command::new(env!("CARGO_BIN_EXE_eafilter"))
        .args(args)
        .current_dir(directory)
        .stdin(File::open(directory.join(file.0)).unwrap())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A profile with these lines as its only rule.
fn rule(lines: &str) -> String {
    format!("{{\n\"defaultAction\": \"SCMP_ACT_ALLOW\",\n\"syscalls\": [{{\n{lines}\n}}]}}\n")
}

/// A profile in which the only rule is for clone3, with these lines as its only condition.
fn condition(lines: &str) -> String {
    rule(&format!(
        "\"names\": [\"clone3\"], \"action\": \"SCMP_ACT_ERRNO\",\n\"args\": [{{\n{lines}\n}}]"
    ))
}

#[test]
fn bad_profiles() {
    let field = |field: &str, rest: &str| {
        condition(&format!(
            "\"field\": \"{field}\",\n\"op\": \"SCMP_CMP_EQ\", {rest}"
        ))
    };
    let is = "\"names\": [\"clone3\"]";
    let names = |names: &str| {
        rule(&format!(
            "\"action\": \"SCMP_ACT_ERRNO\",\n\"names\": {names}"
        ))
    };
    let cases: Vec<(String, &str)> = vec![
        ("{".into(), "p.json:1: EOF while parsing an object"),
        ("{\n}".into(), "p.json:2: missing field `defaultAction`"),
        ("{\n\"x\": 1}".into(), "p.json:2: x: unknown field `x`"),
        (
            "{\n\"defaultAction\": \"ALLOW\"}".into(),
            "p.json:2: defaultAction: unknown variant `ALLOW`",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}\n}".into(),
            "p.json:2: trailing characters",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ALLOW\",\n\"defaultErrnoRet\": 1}".into(),
            "p.json:1: defaultAction: this action has no error",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\"defaultErrnoRet\": 4096}".into(),
            "p.json:1: defaultAction: its error is 4096, and the largest one is 4095",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ALLOW\",\n\"architectures\": [\"SCMP_ARCH_Z80\"]}".into(),
            "p.json:2: architectures[0]: unknown variant `SCMP_ARCH_Z80`",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ALLOW\",\n\"architectures\": [\"SCMP_ARCH_X86\"],\n\
             \"archMap\": [{\"architecture\": \"SCMP_ARCH_X86_64\"}]}"
                .into(),
            "p.json:1: has both \"architectures\" and \"archMap\"",
        ),
        (rule(is), "p.json:5: syscalls[0]: missing field `action`"),
        (
            rule(&format!("{is},\n\"action\": \"DENY\"")),
            "p.json:5: syscalls[0].action: unknown variant `DENY`",
        ),
        (names("[]"), "p.json:3: syscalls[0]: names no system call"),
        (names("[\"read\",\n1]"), "p.json:6: syscalls[0].names[1]: invalid type: integer `1`"),
        (names("\"read\""), "p.json:5: syscalls[0].names: invalid type: string"),
        (
            rule(&format!("{is}, \"action\": \"SCMP_ACT_ALLOW\",\n\"arg\": []")),
            "p.json:5: syscalls[0].arg: unknown field `arg`",
        ),
        (
            rule(&format!(
                "{is}, \"action\": \"SCMP_ACT_LOG\",\n\"includes\": {{\"minKernel\": \"7\"}}"
            )),
            "p.json:5: syscalls[0].includes.minKernel: \"7\" is not a version",
        ),
        (
            condition(""),
            "p.json:5: syscalls[0].args[0]: has to have one of",
        ),
        (
            condition("\"index\": 0, \"field\": \"clone_args.flags\""),
            "p.json:5: syscalls[0].args[0]: has to have one of",
        ),
        (
            condition("\"index\": 6, \"value\": 1, \"op\": \"SCMP_CMP_EQ\""),
            "p.json:6: syscalls[0].args[0].index: invalid value: integer `6`, expected a whole number from 0 to 5",
        ),
        (condition("\"index\": 0"), "p.json:5: syscalls[0].args[0]: has no \"op\""),
        (
            condition("\"index\": 0, \"op\": \"SCMP_CMP_EQ\""),
            "p.json:5: syscalls[0].args[0]: has no \"value\"",
        ),
        (
            condition("\"index\": 0, \"value\": 1,\n\"op\": \"==\""),
            "p.json:7: syscalls[0].args[0].op: unknown variant `==`",
        ),
        (
            condition("\"index\": 0,\n\"value\": -1, \"op\": \"SCMP_CMP_EQ\""),
            "p.json:7: syscalls[0].args[0].value: invalid type: integer `-1`, expected a whole number from 0 to",
        ),
        (
            condition(
                "\"index\": 0, \"value\": 1, \"valueTwo\": 2, \"op\": \"SCMP_CMP_MASKED_EQ\"",
            ),
            "p.json:5: syscalls[0].args[0]: valueTwo: 0x2 has bits that the mask, value 0x1, has not",
        ),
        (
            field("flags", "\"value\": 1"),
            "p.json:5: syscalls[0].args[0]: field: \"flags\" is not like \"clone_args.flags\"",
        ),
        (
            field("clone.flags", "\"value\": 1"),
            "p.json:5: syscalls[0].args[0]: field: there is no struct \"clone\"",
        ),
        (
            field("clone_args.flag", "\"value\": 1"),
            "p.json:5: syscalls[0].args[0]: field: struct clone_args has no \"flag\", but flags,",
        ),
        (
            field("open_how.flags", "\"value\": 1"),
            "p.json:5: syscalls[0].args[0]: field: clone3 has no struct open_how",
        ),
        (
            condition("\"tail\": \"any\""),
            "p.json:6: syscalls[0].args[0].tail: unknown variant `any`",
        ),
        (
            condition("\"tail\": \"zero\", \"value\": 1"),
            "p.json:5: syscalls[0].args[0]: a tail is not compared",
        ),
        (
            rule(
                "\"names\": [\"read\"], \"action\": \"SCMP_ACT_LOG\",\n\"args\": [{\"tail\": \"zero\"}]",
            ),
            "p.json:5: syscalls[0].args[0]: tail: filters cannot look at a struct of read",
        ),
        (
            rule(
                "\"names\": [\"clone3\", \"openat2\"], \"action\": \"SCMP_ACT_LOG\",\n\
                 \"args\": [{\"tail\": \"zero\"}]",
            ),
            "p.json:5: syscalls[0].args[0]: tail: the calls have different structs",
        ),
        (
            rule(
                "\"names\": [\"sched_setattr\"], \"action\": \"SCMP_ACT_LOG\",\n\"args\": [\n\
                 {\"field\": \"sched_attr.sched_policy\", \"op\": \"SCMP_CMP_EQ\", \"value\": 4294967296}]",
            ),
            "p.json:6: syscalls[0].args[0]: value: 0x100000000 is more than the 32 bits of sched_policy",
        ),
        (
            rule(
                "\"names\": [\"clone3\"], \"action\": \"SCMP_ACT_LOG\", \"args\": [{\"tail\": \"zero\"},\n\
                 {\"index\": 1, \"op\": \"SCMP_CMP_GT\", \"value\": 1},\n\
                 {\"index\": 1, \"op\": \"SCMP_CMP_LT\", \"value\": 9}]",
            ),
            "p.json:3: syscalls[0]: asks for an argument twice",
        ),
        // What serde takes by itself, and nobody else.
        (
            "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [\n\
             [[\"read\"], \"SCMP_ACT_LOG\", null, null, null, null, null]]}"
                .into(),
            "p.json:2: syscalls[0]: invalid type: sequence, expected an object",
        ),
        (
            "{\"defaultAction\": {\"SCMP_ACT_ALLOW\": null}}".into(),
            "p.json:1: defaultAction: invalid type: map, expected a string",
        ),
        (
            rule(&format!("{is}, \"action\": \"SCMP_ACT_LOG\",\n\"includes\": [[\"CAP_KILL\"], null, null]")),
            "p.json:5: syscalls[0].includes: invalid type: sequence, expected an object",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ALLOW\",\n\"archMap\": [[\"SCMP_ARCH_X86_64\", null]]}".into(),
            "p.json:2: archMap[0]: invalid type: sequence, expected an object",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ALLOW\",\n\"defaultAction\": \"SCMP_ACT_LOG\"}".into(),
            "p.json:2: duplicate field `defaultAction`",
        ),
        (
            rule(&format!("{is}, \"action\": \"SCMP_ACT_LOG\",\n\"action\": \"SCMP_ACT_LOG\"")),
            "p.json:5: syscalls[0]: duplicate field `action`",
        ),
        (
            names("[\"read\", \"openat2 \"]"),
            "p.json:5: syscalls[0].names[1]: \"openat2 \" cannot be the name of a system call",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\"defaultErrnoRet\": 65536}".into(),
            "p.json:2: defaultErrnoRet: invalid value: integer `65536`, expected a whole number from 0 to 65535",
        ),
        (
            condition("\"index\": 0, \"op\": \"SCMP_CMP_EQ\",\n\"value\": 18446744073709551616"),
            "p.json:7: syscalls[0].args[0].value: invalid type: floating point `1.8446744073709552e+19`",
        ),
        (
            condition("\"index\": 0, \"op\": \"SCMP_CMP_EQ\",\n\"value\": \"1\""),
            "p.json:7: syscalls[0].args[0].value: invalid type: string \"1\", expected a whole number",
        ),
        (
            condition("\"index\": 0, \"op\": \"SCMP_CMP_EQ\", \"value\": 1, \"valueTwo\": 1"),
            "p.json:5: syscalls[0].args[0]: valueTwo: only SCMP_CMP_MASKED_EQ compares with it",
        ),
        (
            rule(&format!(
                "{is}, \"action\": \"SCMP_ACT_LOG\",\n\"excludes\": {{\"minKernel\": \"+4.8\"}}"
            )),
            "p.json:5: syscalls[0].excludes.minKernel: \"+4.8\" is not a version",
        ),
        (
            format!("{{\"defaultAction\": \"SCMP_ACT_LOG\", \"syscalls\": {}", "[".repeat(1 << 17)),
            "p.json:1: syscalls",
        ),
        // Nothing of it reaches the terminal as it is.
        (
            "{\n\"\\u001b[31m\": 1}".into(),
            "p.json:2: \\u{1b}[31m: unknown field `\\u{1b}[31m`",
        ),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (profile, message) in cases {
        for command in ["compile", "check", "disasm", "sim", "explain"] {
            let call = &["read"][usize::from(command != "sim")..];
            let output = run(
                directory.path(),
                ("p.json", profile.as_bytes()),
                &[&[command, "p.json"], call].concat(),
            );
            let said = text(&output.stderr);
            let expected = format!("eafilter: {message}");
            assert!(
                said.starts_with(&expected),
                "{command}: {said}instead of {expected}"
            );
            assert_eq!(output.status.code(), Some(2));
            assert!(output.stdout.is_empty());
        }
    }
}

#[test]
fn contradictions() {
    let rules = |rules: &[&str]| {
        format!(
            "{{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_X86\"], \
             \"syscalls\": [\n{}\n]}}",
            rules.join(",\n")
        )
    };
    let with = |name: &str, action: &str, args: &str| {
        format!(
            "{{\"names\": [\"{name}\"], \"action\": \"SCMP_ACT_{action}\", \"args\": [{args}]}}"
        )
    };
    let equal = |index: usize, value: u32| {
        format!("{{\"index\": {index}, \"op\": \"SCMP_CMP_EQ\", \"value\": {value}}}")
    };
    let directory = tempfile::tempdir().unwrap();
    let said = |profile: String| {
        let output = run(
            directory.path(),
            ("p.json", profile.as_bytes()),
            &["check", "p.json"],
        );
        (output.status.code(), text(&output.stderr).to_owned())
    };
    let refused = |first: String, second: String, why: &str| {
        let (status, message) = said(rules(&[&first, &second]));
        let expected = "eafilter: p.json:3: syscalls[1]: contradicts the rule in line 2 about the \
                        same call: ";
        assert_eq!(status, Some(2));
        assert!(
            message.starts_with(&format!("{expected}{why}")),
            "{message}"
        );
    };
    let accepted = |first: String, second: String| {
        let (status, message) = said(rules(&[&first, &second]));
        assert_eq!((status, message.as_str()), (Some(0), ""));
    };

    refused(
        with("read", "LOG", ""),
        with("read", "ERRNO", ""),
        "neither has conditions",
    );
    refused(
        with("clone3", "LOG", ""),
        with("clone3", "ERRNO", ""),
        "neither has conditions",
    );
    accepted(with("read", "LOG", ""), with("read", "LOG", ""));
    refused(
        with("read", "LOG", &equal(0, 1)),
        with("read", "ERRNO", ""),
        "runtimes forget the conditions",
    );
    refused(
        with("read", "LOG", ""),
        with("read", "ERRNO", &equal(0, 1)),
        "runtimes forget the conditions",
    );
    refused(
        with("read", "ALLOW", &equal(0, 1)),
        with("read", "ERRNO", &equal(1, 1)),
        "runtimes leave out the first",
    );
    accepted(
        with("read", "ERRNO", &equal(1, 1)),
        with("read", "ALLOW", &equal(0, 1)),
    );
    refused(
        with("read", "LOG", &equal(0, 1)),
        with("read", "ERRNO", &equal(1, 1)),
        "runtimes do not say which decides",
    );
    accepted(
        with("read", "LOG", &equal(0, 1)),
        with("read", "ERRNO", &equal(0, 2)),
    );
    // Runtimes cannot use these anyway.
    accepted(
        with("clone3", "ALLOW", "{\"tail\": \"zero\"}"),
        with("clone3", "ERRNO", ""),
    );

    let (status, message) = said(rules(&[&with("bind", "ERRNO", &equal(1, 1))]));
    assert_eq!(status, Some(2));
    assert!(message.contains("p.json:2: syscalls[0]: programs for i386 can make the call bind by"));
    let (status, _) = said(rules(&[&with("socket", "ERRNO", &equal(0, 1))]));
    assert_eq!(status, Some(0));
    // Each is clear by itself, and both are the same part of socketcall.
    refused(
        with("socket", "LOG", &equal(0, 1)),
        with("socket", "ERRNO", &equal(0, 2)),
        "runtimes do not say which decides",
    );
}

#[test]
fn warnings() {
    let profile =
        "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"flags\": [\"SECCOMP_FILTER_FLAG_LOG\"],\n\
                   \"syscalls\": [{\"action\": \"SCMP_ACT_ERRNO\",\n\"names\": [\"clone33\",\n\
                   \"s390_guarded_storage\", \"recv\"], \"excludes\": {\"caps\": [\"CAP_NONE\"]}}]}";
    let directory = tempfile::tempdir().unwrap();
    let output = run(
        directory.path(),
        ("p.json", profile.as_bytes()),
        &["check", "p.json"],
    );
    assert_eq!(
        text(&output.stderr),
        "eafilter: warning: p.json: flags: not a part of the filter: for whoever installs it\n\
         eafilter: warning: p.json:2: syscalls[0]: excludes: Linux has no capability \"CAP_NONE\", and no \
         container has it\n\
         eafilter: warning: p.json:3: syscalls[0].names[0]: \"clone33\" is no system call of Linux 7.3: \
         the filter says nothing about it\n"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn bad_arguments() {
    let profile = "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}";
    let calls =
        "read\n# nothing\nclone3 flags=1 # and more\n i386:openat2  mode=0x1ffffffffffffffff\n";
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("calls"), calls).unwrap();
    fs::write(directory.path().join("latin1"), b"{\xe4}").unwrap();
    for (args, message) in [
        (vec!["check", "none"], "eafilter: none: No such file or directory"),
        (vec!["check", "."], "eafilter: .: Is a directory"),
        (vec!["check", "/dev/zero"], "eafilter: /dev/zero: has more than 64 MiB"),
        (vec!["compile", "calls"], "eafilter: calls: is no profile: that starts with {"),
        (vec!["check", "--with", "calls", "p.json"], "eafilter: calls: is no profile: that starts with {"),
        (vec!["check", "latin1"], "eafilter: latin1: is no text in UTF-8"),
        (
            vec!["sim", "--calls-from", "-", "-"],
            "eafilter: standard input: has been read already: \"-\" can be given once",
        ),
        (
            vec!["check", "--with", "-", "-"],
            "eafilter: standard input: has been read already: \"-\" can be given once",
        ),
        (vec!["sim", "p.json"], "error: the following required arguments were not provided:\n  <CALL>..."),
        (vec!["sim", "p.json", ""], "eafilter: call \"\": names no call"),
        (
            vec!["sim", "p.json", "arm:read"],
            "eafilter: call \"arm:read\": arm:read: \"arm\" is none of x86-64, i386 and x32",
        ),
        (
            vec!["sim", "p.json", "read", "reed"],
            "eafilter: call \"reed\": reed: x86-64 has no system call \"reed\"",
        ),
        (
            vec!["sim", "p.json", "read flags=1"],
            "eafilter: call \"read flags=1\": flags=1: the call has no struct that filters see",
        ),
        (
            vec!["sim", "p.json", "clone3 flags"],
            "eafilter: call \"clone3 flags\": flags: is not like flags=1, args[0]=1 or at[8]=1",
        ),
        (
            vec!["sim", "p.json", "clone3 args[6]=1"],
            "eafilter: call \"clone3 args[6]=1\": args[6]=1: there are args[0] to args[5]",
        ),
        (
            vec!["sim", "p.json", "clone3 at[4096]=1"],
            "eafilter: call \"clone3 at[4096]=1\": at[4096]=1: there is no such word of 32 bits",
        ),
        (
            vec!["sim", "p.json", "clone3 error=EPERM"],
            "eafilter: call \"clone3 error=EPERM\": error=EPERM: only the error EFAULT",
        ),
        (
            vec!["sim", "p.json", "clone3 at[2]=1"],
            "eafilter: call \"clone3 at[2]=1\": at[2]=1: there is no such word of 32 bits",
        ),
        (
            vec!["sim", "p.json", "clone3 at[0]=0x100000000"],
            "eafilter: call \"clone3 at[0]=0x100000000\": at[0]=0x100000000: the field has 32 bits",
        ),
        (
            vec!["sim", "p.json", "sched_setattr sched_nice=-2147483649"],
            "eafilter: call \"sched_setattr sched_nice=-2147483649\": sched_nice=-2147483649: the field has 32",
        ),
        (
            vec!["sim", "p.json", "read args[0]=-9223372036854775809"],
            "eafilter: call \"read args[0]=-9223372036854775809\": args[0]=-9223372036854775809: \"-92",
        ),
        (
            vec!["sim", "p.json", "read args[0]=0x+1"],
            "eafilter: call \"read args[0]=0x+1\": args[0]=0x+1: \"0x+1\" is no number of 64 bits",
        ),
        (
            vec!["sim", "p.json", "read args[0]=+1"],
            "eafilter: call \"read args[0]=+1\": args[0]=+1: \"+1\" is no number of 64 bits",
        ),
        (
            vec!["sim", "p.json", "read args[0]=010"],
            "eafilter: call \"read args[0]=010\": args[0]=010: 010: octal numbers are written 0o10",
        ),
        (
            vec!["sim", "p.json", "clone3 flags=1 flags=2"],
            "eafilter: call \"clone3 flags=1 flags=2\": flags=2: this place has a value already",
        ),
        (
            vec!["sim", "p.json", "openat2 exit_signal=1"],
            "eafilter: call \"openat2 exit_signal=1\": exit_signal=1: struct open_how has no field",
        ),
        (
            vec!["sim", "p.json", "read error=EFAULT"],
            "eafilter: call \"read error=EFAULT\": error=EFAULT: only the error EFAULT can be had",
        ),
        (
            vec!["sim", "p.json", "4294967296"],
            "eafilter: call \"4294967296\": 4294967296: x86-64 has no system call",
        ),
        (vec!["sim", "p.json", "--calls-from", "none"], "eafilter: none: No such file"),
        (vec!["sim", "p.json", "--calls-from", "latin1"], "eafilter: latin1: is no text in UTF-8"),
        (
            vec!["sim", "p.json", "perf_event_open precise_ip=4"],
            "eafilter: call \"perf_event_open precise_ip=4\": precise_ip=4: the field has 2 bits",
        ),
        (
            vec!["sim", "p.json", "--calls-from", "calls"],
            "eafilter: calls:4: mode=0x1ffffffffffffffff: \"0x1ffffffffffffffff\" is no number of 64",
        ),
        (
            vec!["explain", "p.json", "read"],
            "eafilter: \"read\" is none of the calls with structs: clone3,",
        ),
        (
            vec!["check", "p.json", "--absent", "read"],
            "eafilter: \"read\" is none of the calls with structs: clone3,",
        ),
        (vec!["run", "p.json", "--", "/none"], "eafilter: command \"/none\": No such file or directory"),
        (vec!["run", "p.json", "--", ""], "eafilter: command \"\": No such file or directory"),
        (vec!["run", "p.json"], "error: the following required arguments were not provided:\n  <COMMAND>..."),
        (vec!["completion", "tcsh"], "error: invalid value 'tcsh'"),
        (vec!["man", "p.json"], "eafilter: p.json/eafilter.1: Not a directory"),
        (vec!["man", "none"], "eafilter: none/eafilter.1: No such file or directory (os error 2)\n"),
        (
            vec!["compile", "--fallback", "errno=NONE", "p.json"],
            "error: invalid value 'errno=NONE' for '--fallback <refuse|allow|errno=NAME>': there is no error",
        ),
        (
            vec!["compile", "--cap", "CAP_NONE", "p.json"],
            "error: invalid value 'CAP_NONE' for '--cap <CAP_NAME>': Linux has no capability",
        ),
        (
            vec!["compile", "--kernel", "7", "p.json"],
            "error: invalid value '7' for '--kernel <VERSION>': \"7\" is not a version",
        ),
        (
            vec!["compile", "--kernel", "7.+3", "p.json"],
            "error: invalid value '7.+3' for '--kernel <VERSION>'",
        ),
        (vec!["compiler"], "error: unrecognized subcommand 'compiler'"),
    ] {
        let output = run(directory.path(), ("p.json", profile.as_bytes()), &args);
        let said = text(&output.stderr);
        assert!(said.starts_with(message), "{said}instead of {message}");
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

/// Code, jt, jf and k.
type Insn = (u16, u8, u8, u32);

/// Instructions as bytes.
fn filter(insns: &[Insn]) -> Vec<u8> {
    let bytes = |&(code, jt, jf, k): &Insn| {
        let mut bytes = code.to_ne_bytes().to_vec();
        bytes.extend([jt, jf]);
        bytes.extend(k.to_ne_bytes());
        bytes
    };
    insns.iter().flat_map(bytes).collect()
}

const LD: u16 = 0x20;
const JEQ: u16 = 0x15;
const RET: u16 = 0x06;
const ALLOW: Insn = (RET, 0, 0, 0x7fff_0000);

#[test]
fn bad_filters() {
    let directory = tempfile::tempdir().unwrap();
    for (bytes, message) in [
        (vec![], "eafilter: f: is empty, and so no filter"),
        (
            vec![0; 9],
            "eafilter: f: is no profile, for it does not start with {, and no filter: its 9 bytes are no whole number of instructions of 8 bytes",
        ),
    ] {
        for args in [
            &["check", "f"][..],
            &["disasm", "f"],
            &["sim", "f", "read"],
            &["explain", "f"],
        ] {
            let output = run(directory.path(), ("f", &bytes), args);
            assert_eq!(text(&output.stderr).trim_end(), message);
            assert_eq!(output.status.code(), Some(2));
        }
        let output = run(directory.path(), ("f", &bytes), &["run", "f", "--", "true"]);
        assert_eq!(text(&output.stderr).trim_end(), message);
    }
    let output = run(
        directory.path(),
        ("f", &filter(&[ALLOW])),
        &["check", "f", "--kernel", "6.1"],
    );
    assert_eq!(
        text(&output.stderr),
        "eafilter: f: is a compiled filter: --with, --fallback, --cap and --kernel are for profiles\n"
    );
    // It can be looked at, whatever it is: a jump out of it, no return, and no such slot.
    for insns in [
        &[(JEQ, 9, 9, 0), ALLOW][..],
        &[(LD, 0, 0, 0)],
        &[(0x60, 0, 0, 16), ALLOW],
        &[(LD, 0, 0, 0); 5000],
    ] {
        let output = run(directory.path(), ("f", &filter(insns)), &["disasm", "f"]);
        assert_eq!(text(&output.stdout).lines().count(), insns.len());
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        let output = run(
            directory.path(),
            ("f", &filter(insns)),
            &["run", "f", "--", "true"],
        );
        let said = text(&output.stderr);
        let expected =
            "eafilter: f: the kernel refuses the filter: Invalid argument (os error 22); \
                        refused by any kernel, at instruction ";
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
    // A filter that is refused is not run either.
    let refused = filter(&[(LD, 0, 0, 64), ALLOW]);
    for args in [&["sim", "f", "read"][..], &["explain", "f"]] {
        let output = run(directory.path(), ("f", &refused), args);
        let said = text(&output.stderr);
        assert!(
            said.starts_with(
                "eafilter: f: instruction 0: would be refused: the load of the struct can"
            ),
            "{said}"
        );
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn verdicts_of_check() {
    let nr = (LD, 0, 0, 0);
    let is = |number, jf| (JEQ, 0, jf, number);
    let st = |slot| (0x02, 0, 0, slot);
    let load = |k| (LD, 0, 0, k);
    let long = [(RET, 0, 0, 0); 4097];
    let by_module = "f: refused by the module, at instruction";
    let by_kernel = "f: refused by any kernel, at instruction";
    let cases: Vec<(Vec<Insn>, String)> = vec![
        (
            vec![ALLOW],
            "f: accepted, also without the module: 1 instructions, and no struct is looked at".into(),
        ),
        (
            vec![nr, is(435, 1), load(64), ALLOW],
            "f: accepted, with the module: 4 instructions, which look at the structs of clone3 (x86-64, \
             i386)"
                .into(),
        ),
        (
            vec![nr, is(436, 1), load(64), ALLOW],
            format!(
                "{by_module} 2: the load of the struct can be reached with a system call that has none \
                 (x86-64 number 436)"
            ),
        ),
        (
            vec![nr, is(435, 1), load(66), ALLOW],
            format!("{by_module} 2: the offset 66 is not a multiple of 4"),
        ),
        (
            vec![nr, is(435, 1), load(4172), ALLOW],
            format!("{by_module} 2: the offset 4172 is past the last word of a filter's data"),
        ),
        (
            vec![nr, is(470, 1), load(64), ALLOW],
            format!(
                "{by_module} 2: the load of the struct can be reached with listns, which this kernel \
                 does not have"
            ),
        ),
        (
            vec![(0x28, 0, 0, 0), ALLOW],
            format!("{by_kernel} 0: seccomp has no instruction with the code 0x28"),
        ),
        (
            vec![load(2), ALLOW],
            format!("{by_kernel} 0: the offset 2 is not a multiple of 4"),
        ),
        (
            vec![(0x05, 0, 0, 1), ALLOW],
            format!("{by_kernel} 0: the jump leads to 2, behind the filter"),
        ),
        (
            vec![(JEQ, 0, 255, 0), ALLOW],
            format!("{by_kernel} 0: the jump leads to 256, behind the filter"),
        ),
        (vec![(0x34, 0, 0, 0), ALLOW], format!("{by_kernel} 0: the division is by zero")),
        (vec![(0x64, 0, 0, 32), ALLOW], format!("{by_kernel} 0: the shift is by 32 bits, of 32")),
        (
            vec![st(16), ALLOW],
            format!("{by_kernel} 0: scratch memory has slots 0 to 15, and not 16"),
        ),
        (
            vec![nr, (JEQ, 1, 0, 0), st(3), (0x60, 0, 0, 3), ALLOW],
            format!(
                "{by_kernel} 3: the slot 3 of scratch memory is read, and not written on each way there"
            ),
        ),
        (vec![ALLOW, nr], format!("{by_kernel} 1: the last instruction is no return")),
        (
            long.to_vec(),
            format!("{by_kernel} 4096: the filter has 4097 instructions, more than 4096"),
        ),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (insns, message) in cases {
        let args = ["check", "f", "--absent", "listns,listmount"];
        let output = run(directory.path(), ("f", &filter(&insns)), &args);
        assert_eq!(text(&output.stdout).trim_end(), message);
        assert_eq!(text(&output.stderr), "");
        let accepted = message.contains("accepted");
        assert_eq!(output.status.code(), Some(i32::from(!accepted)));
    }
}

#[test]
fn nothing_half_written() {
    let directory = tempfile::tempdir().unwrap();
    let old = directory.path().join("old");
    fs::write(&old, "precious").unwrap();
    for output in ["old", "new"] {
        let args = ["compile", "-o", output, "p.json"];
        let profile = "{\"defaultAction\": \"SCMP_ACT_NONE\"}".as_bytes();
        let said = run(directory.path(), ("p.json", profile), &args);
        assert_eq!(said.status.code(), Some(2));
    }
    assert_eq!(fs::read_to_string(&old).unwrap(), "precious");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);

    let profile = "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}".as_bytes();
    let said = run(
        directory.path(),
        ("p.json", profile),
        &["compile", "-o", "old", "p.json"],
    );
    assert!(said.status.success() && said.stdout.is_empty());
    let said = run(
        directory.path(),
        ("p.json", profile),
        &["compile", "p.json"],
    );
    assert_eq!(fs::read(&old).unwrap(), said.stdout);
    let said = run(
        directory.path(),
        ("p.json", profile),
        &["compile", "-o", "no/new", "p.json"],
    );
    assert_eq!(
        text(&said.stderr),
        "eafilter: no/new: No such file or directory (os error 2)\n"
    );
}

/// What is no regular file keeps its nature, and links lead where they did.
#[test]
fn special_outputs() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let profile = "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}".as_bytes();
    let compile = |output: &str| {
        run(
            directory.path(),
            ("p.json", profile),
            &["compile", "-o", output, "p.json"],
        )
    };
    let filter = run(
        directory.path(),
        ("p.json", profile),
        &["compile", "p.json"],
    )
    .stdout;
    fs::write(path("old"), "old").unwrap();
    symlink("old", path("link")).unwrap();
    assert!(compile("link").status.success());
    assert!(fs::symlink_metadata(path("link")).unwrap().is_symlink());
    assert_eq!(fs::read(path("old")).unwrap(), filter);

    // As /dev/null, but nobody misses it.
    assert!(Command::new("mkfifo")
        .arg(path("pipe"))
        .status()
        .unwrap()
        .success());
    let pipe = path("pipe");
    let reader = thread::spawn(move || fs::read(pipe).unwrap());
    assert!(compile("pipe").status.success());
    let kind = fs::metadata(path("pipe")).unwrap().file_type();
    assert!(kind.is_fifo());
    assert_eq!(reader.join().unwrap(), filter);

    fs::create_dir(path("directory")).unwrap();
    let said = compile("directory");
    assert_eq!(text(&said.stderr), "eafilter: directory: is a directory\n");
    assert_eq!(said.status.code(), Some(2));
    symlink("nothing", path("dangling")).unwrap();
    assert_eq!(compile("dangling").status.code(), Some(2));
    assert!(fs::symlink_metadata(path("dangling")).unwrap().is_symlink());
    assert_eq!(compile("-").stdout, filter);
    // Nothing temporary is left.
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 6);
}

/// One page that cannot be written keeps all from being written.
#[test]
fn no_half_manual() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("eafilter-run.1")).unwrap();
    let said = run(directory.path(), ("p", b""), &["man", "."]);
    assert_eq!(
        text(&said.stderr),
        "eafilter: ./eafilter-run.1: is a directory\n"
    );
    assert_eq!(said.status.code(), Some(2));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

/// An error stream that takes nothing is no reason to end in another way.
#[test]
fn messages_that_nobody_gets() {
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    let status = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_eafilter"))
            .args(args)
            .stdout(Stdio::null())
            .stderr(full())
            .status()
            .unwrap()
            .code()
    };
    assert_eq!(status(&["check", "/none"]), Some(2));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.json");
    let profile = "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"flags\": [\"x\"]}";
    fs::write(&file, profile).unwrap();
    assert_eq!(status(&["check", file.to_str().unwrap()]), Some(0));
    let output = Command::new(env!("CARGO_BIN_EXE_eafilter"))
        .arg("disasm")
        .arg(&file)
        .stdout(full())
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("eafilter: standard output: No space left on device"));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn manual_and_completion() {
    let directory = tempfile::tempdir().unwrap();
    let said = run(directory.path(), ("p", b""), &["man", "."]);
    assert_eq!((said.status.code(), text(&said.stderr)), (Some(0), ""));
    let page = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    assert!(page("eafilter.1").contains("eafilter\\-compile(1)"));
    for command in [
        "compile",
        "check",
        "disasm",
        "sim",
        "explain",
        "run",
        "completion",
        "man",
    ] {
        assert!(page(&format!("eafilter-{command}.1")).contains(&format!("eafilter\\-{command}")));
    }
    assert!(page("eafilter-compile.1").contains("errno=NAME"));
    // There is no page on help, nor on anything else.
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1 + 1 + 8);
    for shell in ["bash", "zsh", "fish"] {
        let said = run(directory.path(), ("p", b""), &["completion", shell]);
        assert!(said.status.success() && text(&said.stdout).contains("fallback"));
    }
}

/// A filter that counts in scratch memory has as many ways as there are sums.
#[test]
fn too_many_ways() {
    let mut insns = vec![(0x00, 0, 0, 0), (0x02, 0, 0, 0)];
    for bit in 0..31 {
        let add = [(0x60, 0, 0, 0), (0x04, 0, 0, 1 << bit), (0x02, 0, 0, 0)];
        insns.extend([(LD, 0, 0, 16), (0x45, 0, 3, 1 << bit)]);
        insns.extend(add);
    }
    insns.extend([(0x60, 0, 0, 0), (JEQ, 0, 1, 5), ALLOW, ALLOW]);
    let directory = tempfile::tempdir().unwrap();
    let said = run(
        directory.path(),
        ("f", &filter(&insns)),
        &["explain", "f", "clone3"],
    );
    assert_eq!(text(&said.stdout).matches("too much to tell").count(), 1);
    let said = run(directory.path(), ("f", &filter(&insns)), &["disasm", "f"]);
    assert_eq!(text(&said.stdout).lines().count(), insns.len());
}

/// A profile with far too many rules ends in a message, not in a crash.
#[test]
fn too_long() {
    let directory = tempfile::tempdir().unwrap();
    let rule = |value: usize| {
        format!(
            "{{\"names\": [\"ioctl\"], \"action\": \"SCMP_ACT_ERRNO\", \"args\": [{{\"index\": 1, \
             \"op\": \"SCMP_CMP_EQ\", \"value\": {}}}]}}",
            value * 3
        )
    };
    for (count, code) in [(1000, 0), (3900, 0), (4096, 2), (50_000, 2)] {
        let rules: Vec<String> = (0..count).map(rule).collect();
        let profile = format!(
            "{{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{}]}}",
            rules.join(",")
        );
        let args = ["compile", "-o", "out", "p.json"];
        let said = run(directory.path(), ("p.json", profile.as_bytes()), &args);
        assert_eq!(
            said.status.code(),
            Some(code),
            "{count}: {}",
            text(&said.stderr)
        );
        if code == 2 {
            assert_eq!(
                text(&said.stderr),
                "eafilter: p.json: makes a filter of more than 4096 instructions, which no kernel takes\n"
            );
        }
    }
}
