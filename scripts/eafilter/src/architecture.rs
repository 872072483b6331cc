// SPDX-License-Identifier: GPL-2.0

//! The system call ABIs that a filter of an x86-64 kernel tells apart.

use crate::table::Abi;
use std::fmt;

/// `__X32_SYSCALL_BIT`, which is set in the numbers of x32.
pub(crate) const X32_BIT: u32 = 1 << 30;

/// An ABI, in the order of the numbers in [`crate::uapi::SYSCALLS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Architecture {
    X86_64,
    I386,
    X32,
}

impl Architecture {
    pub(crate) const ALL: [Architecture; 3] =
        [Architecture::X86_64, Architecture::I386, Architecture::X32];

    /// The ABI of the module's table, whose calls have structs that filters can look into.
    pub(crate) fn abi(self) -> Option<Abi> {
        match self {
            Architecture::X86_64 => Some(Abi::X86_64),
            Architecture::I386 => Some(Abi::I386),
            Architecture::X32 => None,
        }
    }

    /// The value of `seccomp_data::arch`.
    pub(crate) fn arch(self) -> u32 {
        self.abi().unwrap_or(Abi::X86_64).arch()
    }

    /// The value of `seccomp_data::nr` for the call that has this number in the kernel's table.
    pub(crate) fn nr(self, number: u32) -> u32 {
        match self {
            Architecture::X32 => number | X32_BIT,
            _ => number,
        }
    }

    /// Whether the registers that pass arguments have 64 bits.
    pub(crate) fn is_wide(self) -> bool {
        self != Architecture::I386
    }

    /// The ABI of a call that a filter sees with these values.
    pub(crate) fn of(arch: u32, nr: u32) -> Option<Architecture> {
        match Abi::from_arch(arch)? {
            Abi::I386 => Some(Architecture::I386),
            Abi::X86_64 if nr >> 30 == 1 => Some(Architecture::X32),
            Abi::X86_64 => Some(Architecture::X86_64),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Architecture::X86_64 => "x86-64",
            Architecture::I386 => "i386",
            Architecture::X32 => "x32",
        })
    }
}
