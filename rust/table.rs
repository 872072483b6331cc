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
    /// Every ABI, in the order of the indices that [`Call::nr`] and [`Functions::entry`] use.
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

/// Where a system call is told the size of its struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// In the argument with this index, as a `size_t`.
    Argument(usize),
    /// In the struct itself, in the 32-bit word at this offset in bytes, which the call reads before
    /// it copies the struct. A word of zero means a struct of `zero` bytes.
    Field { offset: usize, zero: u64 },
}

/// The functions of the kernel in which a system call copies its struct.
pub(crate) struct Functions {
    /// Those that the system call table of each ABI names, indexed by [`Abi`].
    pub(crate) entry: [&'static CStr; Abi::ALL.len()],
    /// Those below the entries that may hold the copy, depending on what the compiler inlined.
    pub(crate) inner: &'static [&'static CStr],
}

/// The [`Functions`] of a system call: those that `SYSCALL_DEFINEx()` makes of its name
/// (`arch/x86/include/asm/syscall_wrapper.h`), and others that are named.
macro_rules! functions {
    ($call:literal $(, $inner:literal)*) => {
        Functions {
            entry: [
                c_str(concat!("__x64_sys_", $call, "\0")),
                c_str(concat!("__ia32_sys_", $call, "\0")),
            ],
            inner: &[
                c_str(concat!("__se_sys_", $call, "\0")),
                c_str(concat!("__do_sys_", $call, "\0")),
                $(c_str(concat!($inner, "\0"))),*
            ],
        }
    };
}

const fn c_str(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("a name without a zero at its end"),
    }
}

/// One EA system call.
pub(crate) struct Call {
    /// The name, for people.
    pub(crate) name: &'static str,
    /// The name of the struct, for people.
    pub(crate) structure: &'static str,
    /// The number on each ABI, indexed by [`Abi`].
    pub(crate) nr: [u32; Abi::ALL.len()],
    /// The index of the argument that points to the struct.
    pub(crate) pointer: usize,
    /// Where the size of the struct is.
    pub(crate) size: Size,
    /// The size in bytes of the first published version of the struct. The call refuses less before
    /// it copies anything.
    pub(crate) smallest: u64,
    /// Where the struct is copied.
    pub(crate) functions: Functions,
    /// Whether the same functions also copy something else than the struct from user memory: an
    /// array that a field of the struct points to. Such a copy does not start at the struct and is
    /// none of ours.
    pub(crate) copies_array: bool,
}

/// The EA system calls that filters may inspect.
pub(crate) static CALLS: [Call; 13] = [
    Call {
        name: "clone3",
        structure: "clone_args",
        nr: [435, 435],
        pointer: 0,
        size: Size::Argument(1),
        smallest: 64,
        functions: functions!("clone3", "copy_clone_args_from_user"),
        // `set_tid`.
        copies_array: true,
    },
    Call {
        name: "openat2",
        structure: "open_how",
        nr: [437, 437],
        pointer: 2,
        size: Size::Argument(3),
        smallest: 24,
        functions: functions!("openat2"),
        copies_array: false,
    },
    Call {
        name: "mount_setattr",
        structure: "mount_attr",
        nr: [442, 442],
        pointer: 3,
        size: Size::Argument(4),
        smallest: 32,
        functions: functions!("mount_setattr", "wants_mount_setattr"),
        copies_array: false,
    },
    Call {
        name: "open_tree_attr",
        structure: "mount_attr",
        nr: [467, 467],
        pointer: 3,
        size: Size::Argument(4),
        smallest: 32,
        functions: functions!("open_tree_attr", "wants_mount_setattr"),
        copies_array: false,
    },
    Call {
        name: "landlock_create_ruleset",
        structure: "landlock_ruleset_attr",
        nr: [444, 444],
        pointer: 0,
        size: Size::Argument(1),
        smallest: 8,
        functions: functions!("landlock_create_ruleset"),
        copies_array: false,
    },
    Call {
        name: "setxattrat",
        structure: "xattr_args",
        nr: [463, 463],
        pointer: 4,
        size: Size::Argument(5),
        smallest: 16,
        functions: functions!("setxattrat"),
        copies_array: false,
    },
    Call {
        name: "getxattrat",
        structure: "xattr_args",
        nr: [464, 464],
        pointer: 4,
        size: Size::Argument(5),
        smallest: 16,
        functions: functions!("getxattrat"),
        copies_array: false,
    },
    Call {
        name: "file_setattr",
        structure: "file_attr",
        nr: [469, 469],
        pointer: 2,
        size: Size::Argument(3),
        smallest: 24,
        functions: functions!("file_setattr"),
        copies_array: false,
    },
    Call {
        name: "sched_setattr",
        structure: "sched_attr",
        nr: [314, 351],
        pointer: 1,
        size: Size::Field {
            offset: 0,
            zero: 48,
        },
        smallest: 48,
        functions: functions!("sched_setattr", "sched_copy_attr"),
        copies_array: false,
    },
    Call {
        name: "perf_event_open",
        structure: "perf_event_attr",
        nr: [298, 336],
        pointer: 0,
        size: Size::Field {
            offset: 4,
            zero: 64,
        },
        smallest: 64,
        functions: functions!("perf_event_open", "perf_copy_attr"),
        copies_array: false,
    },
    Call {
        name: "statmount",
        structure: "mnt_id_req",
        nr: [457, 457],
        pointer: 0,
        size: Size::Field { offset: 0, zero: 0 },
        smallest: 24,
        functions: functions!("statmount", "copy_mnt_id_req"),
        copies_array: false,
    },
    Call {
        name: "listmount",
        structure: "mnt_id_req",
        nr: [458, 458],
        pointer: 0,
        size: Size::Field { offset: 0, zero: 0 },
        smallest: 24,
        functions: functions!("listmount", "copy_mnt_id_req"),
        copies_array: false,
    },
    Call {
        name: "listns",
        structure: "ns_id_req",
        nr: [470, 470],
        pointer: 0,
        size: Size::Field { offset: 0, zero: 0 },
        smallest: 32,
        functions: functions!("listns", "copy_ns_id_req"),
        copies_array: false,
    },
];

/// A set of rows of [`CALLS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows(u32);

const _: () = assert!(CALLS.len() <= u32::BITS as usize);

impl Rows {
    pub(crate) const NONE: Rows = Rows(0);

    /// The set with the members that `bits` has, as [`Rows::bits`] returned them.
    pub(crate) const fn from_bits(bits: u32) -> Rows {
        Rows(bits)
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    pub(crate) fn insert(&mut self, row: usize) {
        self.0 |= Rows::bit(row);
    }

    pub(crate) fn contains(self, row: usize) -> bool {
        self.0 & Rows::bit(row) != 0
    }

    pub(crate) fn len(self) -> u32 {
        self.0.count_ones()
    }

    fn bit(row: usize) -> u32 {
        1u32.checked_shl(row as u32).unwrap_or(0)
    }
}

/// Room for all numbers: a power of two, so that what is looked up can be cut down to an index.
const NUMBERS: usize = 512;

/// The row that a number belongs to on each ABI, if it is one of a row. No two rows have the same.
static ROWS: [[u8; NUMBERS]; Abi::ALL.len()] = {
    const NONE: u8 = u8::MAX;
    let mut rows = [[NONE; NUMBERS]; Abi::ALL.len()];
    let mut row = 0;

    while row < CALLS.len() {
        let mut abi = 0;

        while abi < Abi::ALL.len() {
            let of_number = &mut rows[abi][CALLS[row].nr[abi] as usize];

            assert!(*of_number == NONE);
            *of_number = row as u8;
            abi += 1;
        }
        row += 1;
    }
    rows
};

/// Finds the row of a system call.
///
/// `nr` is compared as the unsigned 32-bit number that a filter sees. It is the user's: no index is
/// made of it that speculation could take out of the table, as `do_syscall_x64()` sees to, too.
pub(crate) fn find(abi: Abi, nr: u32) -> Option<&'static Call> {
    let row = ROWS[abi as usize][nr as usize % NUMBERS];

    CALLS
        .get(usize::from(row))
        .filter(|call| call.nr[abi as usize] == nr)
}
