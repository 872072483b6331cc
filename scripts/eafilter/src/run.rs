// SPDX-License-Identifier: GPL-2.0

//! Runs a command under a filter.

use crate::{cbpf::Insn, check, problem::Problem};
use seccompiler::sock_filter;
use std::{
    convert::Infallible, ffi::OsString, io, os::unix::process::CommandExt, path::Path,
    process::Command,
};

/// The module's device, which is there as long as the module is.
const DEVICE: &str = "/dev/seccomp_ea";

/// Installs a filter for this process, without more privileges by executing a file from then on, and
/// becomes the command. Returns only if that fails.
pub(crate) fn run(
    file: &str,
    program: &[Insn],
    command: &[OsString],
) -> Result<Infallible, Problem> {
    let instructions: Vec<sock_filter> = program
        .iter()
        .map(|&Insn { code, jt, jf, k }| sock_filter { code, jt, jf, k })
        .collect();
    seccompiler::apply_filter(&instructions).map_err(|error| {
        let error = match error {
            seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => error,
            other => return Problem::new(other.to_string()).of_file(file),
        };
        Problem::new(refusal(program, &error)).of_file(file)
    })?;
    let (name, arguments) = command
        .split_first()
        .ok_or_else(|| Problem::new("there is no command to run"))?;
    let error = Command::new(name).args(arguments).exec();
    Err(Problem::new(error.to_string()).of_file(format!("command {name:?}")))
}

/// Why the kernel may have refused.
fn refusal(program: &[Insn], error: &io::Error) -> String {
    let refused = format!("the kernel refuses the filter: {error}");
    match check::check(program, &[]) {
        Err(reason) => format!("{refused}; {reason}"),
        Ok(accepted) if !accepted.is_extended() => refused,
        Ok(_) if Path::new(DEVICE).exists() => format!("{refused}; the kernel log says why"),
        Ok(_) => format!("{refused}; it looks at structs, and the module seccomp_ea is not loaded"),
    }
}
