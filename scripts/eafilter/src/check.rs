// SPDX-License-Identifier: GPL-2.0

//! Whether a kernel with the module takes a filter.

use crate::{
    architecture::Architecture,
    cbpf::Insn,
    table::{Rows, CALLS},
    verify::{self, Inspected, Scratch},
    wellformed,
};
use std::fmt;

/// What is known of a filter that is taken.
#[derive(Debug)]
pub(crate) struct Accepted {
    length: usize,
    inspected: Inspected,
}

/// Why a filter is refused, and at which instruction.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) index: usize,
    pub(crate) reason: String,
    /// Whether the kernel itself says so, and not the module.
    by_kernel: bool,
}

impl Accepted {
    /// Whether it looks at structs, and so is only taken by the module.
    pub(crate) fn is_extended(&self) -> bool {
        !self.inspected.is_empty()
    }

    /// Whether it looks at the struct of the call in this row of the module's table.
    pub(crate) fn looks_at(&self, architecture: Architecture, row: usize) -> bool {
        let abi = architecture.abi();
        abi.is_some_and(|abi| self.inspected.contains(abi, row))
    }
}

/// Judges a filter for a kernel that has none of the calls named in `absent`.
pub(crate) fn check(program: &[Insn], absent: &[String]) -> Result<Accepted, Refused> {
    wellformed::check(program).map_err(|(index, fault)| Refused {
        index,
        reason: fault.to_string(),
        by_kernel: true,
    })?;
    let mut available = Rows::NONE;
    for (row, call) in CALLS.iter().enumerate() {
        if !absent.iter().any(|name| name == call.name) {
            available.insert(row);
        }
    }
    let mut scratch = vec![Scratch::UNREACHED; program.len()];
    match verify::verify(program, available, &mut scratch) {
        Ok(inspected) => Ok(Accepted {
            length: program.len(),
            inspected,
        }),
        Err(refusal) => Err(Refused {
            index: refusal.index,
            reason: refusal.reason.to_string(),
            by_kernel: false,
        }),
    }
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.length;
        if !self.is_extended() {
            return write!(
                f,
                "accepted, also without the module: {length} instructions, and no struct is looked at"
            );
        }
        let mut calls = Vec::new();
        for (row, call) in CALLS.iter().enumerate() {
            let abis = Architecture::ALL.into_iter();
            let abis = abis.filter(|&architecture| self.looks_at(architecture, row));
            let abis: Vec<String> = abis.map(|abi| abi.to_string()).collect();
            if !abis.is_empty() {
                calls.push(format!("{} ({})", call.name, abis.join(", ")));
            }
        }
        write!(
            f,
            "accepted, with the module: {length} instructions, which look at the structs of {}",
            calls.join(", ")
        )
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.by_kernel {
            "by any kernel"
        } else {
            "by the module"
        };
        let Refused { index, reason, .. } = self;
        write!(f, "refused {who}, at instruction {index}: {reason}")
    }
}
