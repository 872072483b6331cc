// SPDX-License-Identifier: GPL-2.0

//! What a command runs under.

#![forbid(unsafe_code)]

use std::{
    fs,
    process::{Command, Stdio},
};

/// It is this process that becomes the command, with its arguments, and with the filter.
#[test]
fn becomes_the_command() {
    let directory = tempfile::tempdir().unwrap();
    let profile = "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}";
    fs::write(directory.path().join("p.json"), profile).unwrap();
    let script =
        "echo $$ \"$@\"; grep -E '^(NoNewPrivs|Seccomp|Seccomp_filters):' /proc/$$/status; exit 7";
    let count = |status: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("Seccomp_filters:"));
        line.unwrap().trim().parse::<u32>().unwrap()
    };
    let filters = count(&fs::read_to_string("/proc/self/status").unwrap());
    let child = Command::new(env!("CARGO_BIN_EXE_eafilter"))
        .args(["run", "p.json", "--"])
        .args(["sh", "-c", script, "sh", "a b", "--with"])
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!(
            "{id} a b --with\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t{}\n",
            filters + 1
        )
    );
    assert_eq!(output.status.code(), Some(7));
}
