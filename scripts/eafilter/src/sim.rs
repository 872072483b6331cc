// SPDX-License-Identifier: GPL-2.0

//! Says what a filter answers to calls.

use crate::{call::Call, cbpf::Insn, machine, problem::Problem, source};
use std::path::Path;

/// The verdicts on calls, and on those in the lines of a file, of a filter that the module takes.
pub(crate) fn sim(
    program: &[Insn],
    calls: &[String],
    file: Option<&Path>,
) -> Result<String, Problem> {
    let mut lines = String::new();
    let mut simulate = |line: &str| -> Result<(), Problem> {
        let call = Call::parse(line)?;
        let action = machine::run(program, |k| call.word(k));
        let words: Vec<&str> = line.split_whitespace().collect();
        lines.push_str(&format!("{}: {action}\n", words.join(" ")));
        Ok(())
    };
    for call in calls {
        simulate(call).map_err(|problem| problem.of_file(format!("call {call:?}")))?;
    }
    if let Some(file) = file {
        for (index, line) in source::text(file)?.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                simulate(line)
                    .map_err(|problem| problem.at_line(index + 1).of_file(source::name(file)))?;
            }
        }
    }
    Ok(lines)
}
