// SPDX-License-Identifier: GPL-2.0

//! Runs the commands in `Documentation/eafilter.rst`, and compares what they say.

#![forbid(unsafe_code)]

mod docker;

use std::{env, fs, path::Path, process::Command};

const PAGE: &str = include_str!("../../../Documentation/eafilter.rst");
const PROFILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../selftests/profiles");

/// A command, and what the page says that it prints.
struct Example {
    command: String,
    output: String,
}

/// What begins with `$` in blocks of the page.
fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in PAGE.lines() {
        let text = line.strip_prefix("  ");
        match (text, text.and_then(|text| text.strip_prefix("$ "))) {
            (_, Some(command)) => {
                inside = true;
                examples.push(Example {
                    command: command.into(),
                    output: String::new(),
                });
            }
            (Some(text), None) if inside => {
                let output = &mut examples.last_mut().unwrap().output;
                *output += text;
                *output += "\n";
            }
            // An empty line may be a part of the output.
            (None, _) if inside && line.is_empty() => examples.last_mut().unwrap().output += "\n",
            _ => inside = false,
        }
    }
    for example in &mut examples {
        let end = example.output.trim_end().len();
        example.output.truncate(end);
    }
    examples
}

#[test]
fn page_is_true() {
    let directory = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(PROFILES).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, directory.path().join(path.file_name().unwrap())).unwrap();
    }
    fs::write(directory.path().join("default.json"), docker::text()).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_eafilter")).parent().unwrap();
    let path = format!("{}:{}", program.display(), env::var("PATH").unwrap());
    let examples = examples();
    assert!(examples.len() > 5);
    for Example { command, output } in examples {
        // A file that is shown, and is none of the profiles that are there.
        if let Some(file) = command.strip_prefix("cat ") {
            let file = directory.path().join(file);
            if !file.exists() {
                fs::write(file, &output).unwrap();
            }
        }
        let said = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(&directory)
            .env("PATH", &path)
            .output()
            .unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        // What the kernel says depends on the module.
        if command.contains(" run ") && Path::new("/dev/seccomp_ea").exists() {
            continue;
        }
        assert_eq!(said.trim_end(), output, "{command}");
    }
}
