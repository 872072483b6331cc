// SPDX-License-Identifier: GPL-2.0

//! Runs the compiler, as people do.

use crate::{
    contract::{self, Op},
    generate::{Fallback, Profile},
    subject::Classic,
};
use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

/// What comes of a profile.
pub enum Compiled {
    Filter(Vec<Op>),
    /// It was refused for its rules.
    Contradiction,
}

/// Compiles a profile that is well written.
pub fn compile(json: &str, fallback: Fallback) -> Compiled {
    compile_for(json, fallback, &[])
}

/// The same with overlays, which have the rules of these.
pub fn compile_with(json: &str, overlays: &[Profile], fallback: Fallback) -> Compiled {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Vec::new();
    for (index, overlay) in overlays.iter().enumerate() {
        let file = directory.path().join(index.to_string());
        fs::write(&file, overlay.overlay()).unwrap();
        options.extend(["--with".to_owned(), file.to_str().unwrap().to_owned()]);
    }
    compile_for(json, fallback, &options)
}

/// The same with more options.
pub fn compile_for(json: &str, fallback: Fallback, options: &[String]) -> Compiled {
    let fallback = match fallback {
        Fallback::Refuse => "refuse",
        Fallback::Allow => "allow",
        Fallback::Errno => "errno=EXDEV",
    };
    let mut child = Command::new(env!("CARGO_BIN_EXE_eafilter"))
        .args(["compile", "--fallback", fallback, "-"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(json.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return Compiled::Filter(parse(&output.stdout));
    }
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("contradicts the rule"), "{message}{json}");
    Compiled::Contradiction
}

/// Reads a filter that the kernel and the module take.
pub fn parse(bytes: &[u8]) -> Vec<Op> {
    let insns: Vec<Classic> = bytes
        .chunks(8)
        .map(|bytes| Classic {
            code: u16::from_ne_bytes([bytes[0], bytes[1]]),
            jt: bytes[2],
            jf: bytes[3],
            k: u32::from_ne_bytes(bytes[4..8].try_into().unwrap()),
        })
        .collect();
    contract::parse(&insns).expect("the kernel takes it")
}
