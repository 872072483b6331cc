// SPDX-License-Identifier: GPL-2.0

//! The sample profiles in `selftests/profiles` do what they say.

#![forbid(unsafe_code)]

mod docker;

use std::{fs, path::PathBuf, process::Command};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../selftests/profiles")
}

/// What the program prints, without the newline at the end.
fn eafilter(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_eafilter"))
        .args(args)
        .current_dir(directory())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}{message}");
    assert_eq!(message, "");
    said.trim_end().into()
}

/// Compares verdicts on calls.
fn verdicts(profile: &str, options: &[&str], expected: &[(&str, &str)]) {
    for (call, verdict) in expected {
        let args: Vec<&str> = ["sim", profile, call]
            .iter()
            .chain(options)
            .copied()
            .collect();
        assert_eq!(eafilter(&args), format!("{call}: {verdict}"), "{profile}");
    }
}

const EPERM: &str = "ERRNO(EPERM)";
const ENOSYS: &str = "ERRNO(ENOSYS)";
const ALLOW: &str = "ALLOW";

/// Not a profile by itself.
const OVERLAY: &str = "clone3.json";

#[test]
fn all_are_accepted() {
    let mut count = 0;
    for entry in fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".json") && name != OVERLAY {
            eafilter(&["check", &name]);
            let plain = eafilter(&["check", &name, "--fallback", "errno=ENOSYS"]);
            assert!(plain.contains("also without the module"));
            count += 1;
        }
    }
    assert!(count >= 4);
}

#[test]
fn docker_clone3() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), docker::text()).unwrap();
    let profile = file.path().to_str().unwrap();
    verdicts(
        profile,
        &["--with", OVERLAY],
        &[
            ("clone3 flags=0x3d0f00", ALLOW),
            ("clone3 exit_signal=17", ALLOW),
            ("clone3 flags=0x10000000", EPERM),
            ("clone3 flags=0x80", EPERM),
            ("clone3 flags=0x2000000000", EPERM),
            ("clone3 flags=0x100000000", ALLOW),
            ("clone3 at[88]=1 args[1]=96", EPERM),
            ("i386:clone3 flags=0x10000000", EPERM),
            ("i386:clone3 flags=0x3d0f00", ALLOW),
            ("x32:clone3", ENOSYS),
            ("clone args[0]=0x10000000", EPERM),
            ("clone args[0]=17", ALLOW),
            ("unshare", EPERM),
            ("read", ALLOW),
            ("600", EPERM),
        ],
    );
    let root = ["--with", OVERLAY, "--cap", "CAP_SYS_ADMIN"];
    verdicts(
        profile,
        &root,
        &[("clone3 flags=0x10000000", ALLOW), ("unshare", ALLOW)],
    );
    let plain = ["--with", OVERLAY, "--fallback", "errno=ENOSYS"];
    verdicts(profile, &plain, &[("clone3", ENOSYS), ("read", ALLOW)]);
    // Nothing else is changed.
    verdicts(
        profile,
        &[],
        &[
            ("clone3", ENOSYS),
            ("clone args[0]=17", ALLOW),
            ("600", EPERM),
        ],
    );
}

#[test]
fn systemd_restrict_namespaces() {
    verdicts(
        "systemd-restrict-namespaces.json",
        &[],
        &[
            ("clone3 flags=0x3d0f00", ALLOW),
            ("clone3 flags=0x20000", EPERM),
            ("clone3 flags=0x80", EPERM),
            ("clone3 flags=0x2000000000", EPERM),
            ("clone3 at[88]=1 args[1]=96", EPERM),
            ("clone args[0]=0x80", ALLOW),
            ("clone args[0]=0x100000", ALLOW),
            ("clone args[0]=0x40000000", EPERM),
            ("i386:clone args[0]=0x40000011", EPERM),
            ("x32:clone args[0]=0x40000011", EPERM),
            ("x32:clone3", ENOSYS),
            ("unshare args[0]=0x80", EPERM),
            ("unshare args[0]=0x400", ALLOW),
            ("unshare args[0]=0x100000", EPERM),
            ("i386:unshare args[0]=0x100000", EPERM),
            ("x32:unshare args[0]=0x100000", EPERM),
            ("open_tree args[2]=1", ALLOW),
            ("open_tree args[2]=3", EPERM),
            ("open_tree_attr args[2]=2", EPERM),
            ("fsmount args[1]=1", ALLOW),
            ("fsmount args[1]=2", EPERM),
            ("setns args[1]=0", EPERM),
        ],
    );
}

#[test]
fn systemd_restrict_suid_sgid() {
    verdicts(
        "systemd-restrict-suid-sgid.json",
        &[],
        &[
            ("openat2 flags=0o100 mode=0o755", ALLOW),
            ("openat2 flags=0o100 mode=0o4755", EPERM),
            ("openat2 flags=0o100 mode=0o2755", EPERM),
            ("openat2 mode=0o4755", ALLOW),
            ("openat2 flags=0o20200002 mode=0o4755", EPERM),
            ("openat2 flags=0o20000000 mode=0o4755", ALLOW),
            ("i386:openat2 flags=0o100 mode=0o4755", EPERM),
            ("x32:openat2", ENOSYS),
            ("openat args[2]=0o100 args[3]=0o4755", EPERM),
            ("openat args[3]=0o4755", ALLOW),
            ("open args[1]=0o20200002 args[2]=0o2755", EPERM),
            ("chmod args[1]=0o4755", EPERM),
            ("chmod args[1]=0o1755", ALLOW),
            ("fchmodat2 args[2]=0o2000", EPERM),
            ("mkdirat args[2]=0o2000", EPERM),
            ("io_uring_setup", EPERM),
        ],
    );
}

/// socketcall has a say of its own only if its rule has no conditions.
#[test]
fn parts_of_calls_of_i386() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.json");
    let file = file.to_str().unwrap();
    let write = |socketcall: &str| {
        let profile = format!(
            "{{\"defaultAction\": \"SCMP_ACT_KILL\", \"architectures\": [\"SCMP_ARCH_X86\"], \"syscalls\": [\
             {socketcall}\
             {{\"names\": [\"socket\", \"semop\"], \"action\": \"SCMP_ACT_ERRNO\"}},\
             {{\"names\": [\"recv\"], \"action\": \"SCMP_ACT_LOG\"}}]}}"
        );
        fs::write(file, profile).unwrap();
    };
    write("");
    verdicts(
        file,
        &[],
        &[
            ("i386:socketcall args[0]=1", EPERM),
            ("i386:socketcall args[0]=0x100000001", EPERM),
            ("i386:socketcall args[0]=2", "KILL_THREAD"),
            ("i386:socketcall args[0]=10", "LOG"),
            ("i386:ipc args[0]=1", EPERM),
            ("i386:ipc args[0]=0x10001", EPERM),
            ("i386:ipc args[0]=2", "KILL_THREAD"),
            ("i386:socket", EPERM),
            ("socket", EPERM),
        ],
    );
    // Runtimes leave this one out.
    write("{\"names\": [\"socketcall\"], \"action\": \"SCMP_ACT_KILL\"},");
    verdicts(file, &[], &[("i386:socketcall args[0]=1", EPERM)]);
    // What it decides is said of the parts in vain, and so a warning comes with it.
    write("{\"names\": [\"socketcall\"], \"action\": \"SCMP_ACT_ALLOW\"},");
    let output = Command::new(env!("CARGO_BIN_EXE_eafilter"))
        .args(["sim", file, "i386:socketcall args[0]=1", "i386:socket"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        said,
        "i386:socketcall args[0]=1: ALLOW\ni386:socket: ERRNO(EPERM)\n"
    );
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        message
            .matches("which a rule without conditions decides")
            .count(),
        2
    );
}

#[test]
fn openat2_beneath() {
    verdicts(
        "openat2-beneath.json",
        &[],
        &[
            ("openat2 resolve=8", ALLOW),
            ("openat2 resolve=12 flags=2", ALLOW),
            ("openat2 resolve=4", EPERM),
            ("openat2 resolve=8 flags=0o100", EPERM),
            ("openat2 resolve=8 flags=0o20200002", EPERM),
            ("openat2 resolve=8 at[24]=1 args[3]=32", EPERM),
            ("openat2 resolve=8 args[3]=32", ALLOW),
            // The call fails by itself.
            ("openat2 resolve=8 error=EFAULT", EPERM),
            ("openat", EPERM),
            ("mknodat args[2]=0o100644", EPERM),
            ("io_uring_setup", EPERM),
        ],
    );
}
