// SPDX-License-Identifier: GPL-2.0

//! Where filters come from: files, and profiles that are compiled.

use crate::{
    action::{self, Action},
    cbpf::Insn,
    check,
    compile::compile,
    filter, handover, output,
    policy::{self, Fallback},
    problem::Problem,
    profile::{Container, Profile, Version},
    uapi,
};
use clap::Args;
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// A filter that is named on the command line.
#[derive(Args)]
pub(crate) struct Source {
    /// A compiled filter or a profile
    #[arg(value_name = "FILTER")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    options: Options,
}

/// How a profile is compiled.
#[derive(Args)]
pub(crate) struct Options {
    /// An overlay: for each call that it names, its rules take the place of all others
    ///
    /// It is a profile that has "syscalls" only. Of several overlays later ones replace rules of earlier ones
    /// as well.
    #[arg(long, value_name = "FILE", help_heading = "Profiles")]
    with: Vec<PathBuf>,
    /// What struct rules become where the module is absent
    ///
    /// refuse: the filter looks at structs, and a kernel without the module refuses to install it.
    /// allow, errno=NAME: the filter is one for kernels without the module, and answers so to a call whose
    /// struct it would have to look at.
    #[arg(
        long,
        value_name = "refuse|allow|errno=NAME",
        value_parser = fallback,
        help_heading = "Profiles"
    )]
    fallback: Option<Fallback>,
    /// Capabilities of the container, which "includes" and "excludes" ask for [default: none]
    #[arg(
        long,
        value_name = "CAP_NAME",
        value_delimiter = ',',
        value_parser = capability,
        help_heading = "Profiles"
    )]
    cap: Vec<String>,
    /// The version of the kernel, which they ask for as well [default: that of the tables here]
    #[arg(long, value_name = "VERSION", help_heading = "Profiles")]
    kernel: Option<Version>,
}

fn fallback(text: &str) -> Result<Fallback, String> {
    match (text, text.strip_prefix("errno=")) {
        ("refuse", _) => Ok(Fallback::Refuse),
        ("allow", _) => Ok(Fallback::Answer(Action::ALLOW)),
        (_, Some(name)) => action::errno(name)
            .map(|errno| Fallback::Answer(Action::errno(errno)))
            .ok_or_else(|| format!("there is no error {name:?}")),
        _ => Err("it is none of refuse, allow and errno=NAME".into()),
    }
}

fn capability(name: &str) -> Result<String, String> {
    match uapi::CAPABILITIES.contains(&name) {
        true => Ok(name.into()),
        false => Err(format!("Linux has no capability {name:?}")),
    }
}

impl Options {
    fn are_given(&self) -> bool {
        self.fallback.is_some()
            || self.kernel.is_some()
            || !self.cap.is_empty()
            || !self.with.is_empty()
    }

    /// Compiles the profile in a file; warnings go to the standard error.
    pub(crate) fn compile(&self, file: &Path) -> Result<Vec<Insn>, Problem> {
        self.compile_text(&name(file), &profile(read(file)?, file)?)
    }

    fn compile_text(&self, name: &str, text: &str) -> Result<Vec<Insn>, Problem> {
        let container = Container {
            capabilities: self.cap.clone(),
            kernel: self
                .kernel
                .unwrap_or(Version(uapi::KERNEL.0, uapi::KERNEL.1)),
        };
        let mut profile = Profile::parse(name, text, &container)?;
        for file in &self.with {
            profile.overlay(
                &self::name(file),
                &self::profile(read(file)?, file)?,
                &container,
            )?;
        }
        let warn = |warnings: &[Problem]| {
            for warning in warnings {
                output::say(format_args!("warning: {warning}"));
            }
        };
        warn(&profile.warnings);
        warn(&policy::warnings(&profile));
        let program = compile(&profile, self.fallback.unwrap_or(Fallback::Refuse))
            .map_err(|problem| problem.of_file(name))?;
        warn(&handover::warnings(&profile, &program));
        Ok(program)
    }
}

/// How a file is called in messages.
pub(crate) fn name(file: &Path) -> String {
    match file.to_str() {
        Some("-") => "standard input".into(),
        _ => file.display().to_string(),
    }
}

/// More bytes than this are not read: a device may have no end.
const LARGEST: u64 = 64 << 20;

/// Whether the standard input was read, which can be done once.
static STDIN_IS_READ: AtomicBool = AtomicBool::new(false);

fn read(file: &Path) -> Result<Vec<u8>, Problem> {
    let problem = |message: String| Problem::new(message).of_file(name(file));
    let mut bytes = Vec::new();
    let result = match file.to_str() {
        Some("-") if STDIN_IS_READ.swap(true, Ordering::Relaxed) => {
            return Err(problem(
                "has been read already: \"-\" can be given once".into(),
            ))
        }
        Some("-") => io::stdin().take(LARGEST + 1).read_to_end(&mut bytes),
        _ => File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)),
    };
    match result {
        Ok(_) if bytes.len() as u64 > LARGEST => {
            Err(problem(format!("has more than {} MiB", LARGEST >> 20)))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(problem(error.to_string())),
    }
}

fn utf8(bytes: Vec<u8>, file: &Path) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|_| Problem::new("is no text in UTF-8").of_file(name(file)))
}

pub(crate) fn text(file: &Path) -> Result<String, Problem> {
    utf8(read(file)?, file)
}

/// No instruction has the code of a brace, nor a space where codes have a zero.
fn is_profile(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{")
}

/// The text of what has to be a profile or an overlay.
fn profile(bytes: Vec<u8>, file: &Path) -> Result<String, Problem> {
    if !is_profile(&bytes) {
        return Err(Problem::new("is no profile: that starts with {").of_file(name(file)));
    }
    utf8(bytes, file)
}

impl Source {
    pub(crate) fn read(&self) -> Result<Vec<Insn>, Problem> {
        let bytes = read(&self.file)?;
        let name = name(&self.file);
        if is_profile(&bytes) {
            return self.options.compile_text(&name, &utf8(bytes, &self.file)?);
        }
        let program = filter::from_bytes(&bytes).map_err(|problem| problem.of_file(&name))?;
        match self.options.are_given() {
            true => Err(Problem::new(
                "is a compiled filter: --with, --fallback, --cap and --kernel are for profiles",
            )
            .of_file(name)),
            false => Ok(program),
        }
    }

    /// A filter that a kernel with the module takes.
    pub(crate) fn read_accepted(&self) -> Result<Vec<Insn>, Problem> {
        let program = self.read()?;
        match check::check(&program, &[]) {
            Ok(_) => Ok(program),
            Err(refused) => Err(Problem::new(format!(
                "would be refused: {} (see check)",
                refused.reason
            ))
            .in_part(format!("instruction {}", refused.index))
            .of_file(name(&self.file))),
        }
    }
}
