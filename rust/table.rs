// SPDX-License-Identifier: GPL-2.0

//! The table of extensible-argument (EA) system calls.
//!
//! This is the one place to add a system call: give it a row in [`CALLS`]. Everything else in the
//! module, the verification of filters, the prologue of extended programs, the fetch and the search
//! for copy sites, is driven by this table.

use core::ffi::CStr;

/// The system call ABIs of an x86-64 kernel.
///
/// x32 is not among them: it shares its `arch` value with x86-64 and is told apart by bit 30 of
/// the number, so that its calls are simply numbers which this table does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abi {
    X86_64 = 0,
    I386 = 1,
}

impl Abi {
    /// Every ABI, in the order of the indices that [`Call::nr`] and [`Call::entry`] use.
    pub(crate) const ALL: [Abi; 2] = [Abi::X86_64, Abi::I386];

    /// The value of `seccomp_data::arch` (`AUDIT_ARCH_*`, `include/uapi/linux/audit.h`).
    pub(crate) const fn arch(self) -> u32 {
        match self {
            Abi::X86_64 => 0xc000_003e,
            Abi::I386 => 0x4000_0003,
        }
    }

    /// The ABI that `seccomp_data::arch` names, if it is one that an x86-64 kernel has.
    pub(crate) fn from_arch(arch: u32) -> Option<Abi> {
        Abi::ALL.into_iter().find(|abi| abi.arch() == arch)
    }

    /// Cuts a system call argument to the width of the ABI's registers.
    ///
    /// `int $0x80` from 64-bit code leaves the upper halves in `seccomp_data::args`, but the system
    /// call itself sees `unsigned int` (`SC_IA32_REGS_TO_ARGS()` in
    /// `arch/x86/include/asm/syscall_wrapper.h`).
    pub(crate) const fn argument(self, value: u64) -> u64 {
        match self {
            Abi::X86_64 => value,
            Abi::I386 => value & 0xffff_ffff,
        }
    }
}

/// One EA system call.
pub(crate) struct Call {
    /// The name, for the log.
    pub(crate) name: &'static str,
    /// The number on each ABI, indexed by [`Abi`].
    pub(crate) nr: [u32; 2],
    /// The index of the argument that points to the struct.
    pub(crate) pointer: usize,
    /// The index of the argument that holds the size of the struct in bytes.
    pub(crate) size: usize,
    /// The size in bytes of the first published version of the struct. The call refuses less before
    /// it copies anything.
    pub(crate) smallest: u64,
    /// The function that the system call table of each ABI names, indexed by [`Abi`].
    pub(crate) entry: [&'static CStr; 2],
    /// The functions below the entries that may hold the copy, depending on what the compiler
    /// inlined.
    pub(crate) inner: &'static [&'static CStr],
    /// Whether the same functions also copy something else than the struct from user memory: an
    /// array that a field of the struct points to. Such a copy does not start at the struct and is
    /// none of ours.
    pub(crate) copies_array: bool,
}

/// The EA system calls that filters may inspect.
pub(crate) static CALLS: [Call; 2] = [
    Call {
        name: "clone3",
        nr: [435, 435],
        pointer: 0,
        size: 1,
        smallest: 64,
        entry: [c"__x64_sys_clone3", c"__ia32_sys_clone3"],
        inner: &[
            c"__do_sys_clone3",
            c"__se_sys_clone3",
            c"copy_clone_args_from_user",
        ],
        // `set_tid`.
        copies_array: true,
    },
    Call {
        name: "openat2",
        nr: [437, 437],
        pointer: 2,
        size: 3,
        smallest: 24,
        entry: [c"__x64_sys_openat2", c"__ia32_sys_openat2"],
        inner: &[c"__do_sys_openat2", c"__se_sys_openat2"],
        copies_array: false,
    },
];

/// Finds the row of a system call.
///
/// `nr` is compared as the unsigned 32-bit number that a filter sees.
pub(crate) fn find(abi: Abi, nr: u32) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.nr[abi as usize] == nr)
}
