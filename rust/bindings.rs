// SPDX-License-Identifier: GPL-2.0

//! Generated bindings to what the kernel crate does not cover.
//!
//! Only the files that wrap them in something safe use these: `bpf`, `cache`,
//! `filter`, `hooks`, `kprobe`, `symbol`, `task` and `user`.

#![allow(
    clippy::all,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_imports
)]

use kernel::{
    bindings::*,
    ffi, //
};

include!(env!("SECCOMP_EA_BINDINGS"));

// What the pure files say of the user's headers, they cannot take from there.
const _: () = {
    use crate::{
        layout,
        table, //
    };

    assert!(layout::DATA_SIZE == SECCOMP_EA_BASE);
    assert!(layout::DATA_SIZE as usize == size_of::<seccomp_data>());
    assert!(layout::EA_SIZE == SECCOMP_EA_MAX);
    assert!(layout::SIZE == SECCOMP_EA_SIZE);
    assert!(layout::TAIL == SECCOMP_EA_TAIL);
    assert!(layout::ERROR == SECCOMP_EA_ERROR);

    let [clone3, openat2] = &table::CALLS;
    assert!(clone3.smallest == CLONE_ARGS_SIZE_VER0 as u64);
    assert!(clone3.smallest <= size_of::<clone_args>() as u64);
    assert!(openat2.smallest == OPEN_HOW_SIZE_VER0 as u64);
    assert!(openat2.smallest <= size_of::<open_how>() as u64);
};
