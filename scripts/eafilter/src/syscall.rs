// SPDX-License-Identifier: GPL-2.0

//! Names and numbers of system calls.

use crate::{
    architecture::{Architecture, X32_BIT},
    problem::Problem,
    table::{self, Call},
    uapi,
};

/// The numbers that a name has on each [`Architecture`]; [`None`] if none of them has it.
fn numbers(name: &str) -> Option<&'static [Option<u32>; 3]> {
    let index = uapi::SYSCALLS
        .binary_search_by_key(&name, |&(name, _)| name)
        .ok()?;
    Some(&uapi::SYSCALLS[index].1)
}

/// What a filter sees in `seccomp_data::nr`.
pub(crate) fn nr(architecture: Architecture, name: &str) -> Option<u32> {
    numbers(name)?[architecture as usize].map(|number| architecture.nr(number))
}

/// The name of the call that a filter sees as `nr`.
pub(crate) fn name(architecture: Architecture, nr: u32) -> Option<&'static str> {
    let number = match architecture {
        Architecture::X32 => nr ^ X32_BIT,
        _ => nr,
    };
    uapi::SYSCALLS
        .iter()
        .find(|(_, numbers)| numbers[architecture as usize] == Some(number))
        .map(|&(name, _)| name)
}

/// Whether any architecture of Linux has a call with this name, also one that is a part of another
/// call.
pub(crate) fn exists(name: &str) -> bool {
    numbers(name).is_some() || multiplexed(name).is_some() || uapi::FOREIGN.contains(&name)
}

/// The call of i386 that this one is a part of, and what its first argument is then.
pub(crate) fn multiplexed(name: &str) -> Option<Multiplexed> {
    let part = |call, mask, table: &[(&str, u32)]| {
        table
            .iter()
            .find(|(part, _)| *part == name)
            .map(|&(_, value)| Multiplexed { call, mask, value })
    };
    part("socketcall", u32::MAX, uapi::SOCKETCALL)
        // The upper half is a version (`ksys_ipc()` in `ipc/syscall.c`).
        .or_else(|| part("ipc", 0xffff, uapi::IPC))
}

/// A part of one of i386's system calls for everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Multiplexed {
    /// The name of that call.
    pub(crate) call: &'static str,
    /// The bits of its first argument that count.
    pub(crate) mask: u32,
    /// What they are for this part.
    pub(crate) value: u32,
}

/// The row of the module's table for a name.
pub(crate) fn with_struct(name: &str) -> Option<&'static Call> {
    table::CALLS.iter().find(|call| call.name == name)
}

/// Whether all of these are calls in the module's table.
pub(crate) fn check_with_struct(names: &[String]) -> Result<(), Problem> {
    let Some(name) = names.iter().find(|name| with_struct(name).is_none()) else {
        return Ok(());
    };
    let known: Vec<&str> = table::CALLS.iter().map(|call| call.name).collect();
    Err(Problem::new(format!(
        "{name:?} is none of the calls with structs: {}",
        known.join(", ")
    )))
}
