// SPDX-License-Identifier: GPL-2.0

//! Generated bindings to what the kernel crate does not cover.
//!
//! Only the files that wrap them in something safe use these: `bpf`, `cache`,
//! `counter`, `dentry`, `device`, `hooks`, `kprobe`, `livepatch`, `reference`, `symbol`, `task`, `thread`,
//! `unexported` and `user`.

#![allow(
    clippy::all,
    clippy::cast_lossless,
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

// SAFETY: All of its fields are numbers, and any bytes will do for them.
unsafe impl kernel::transmute::FromBytes for seccomp_ea_pinned {}
// SAFETY: There is no padding between its fields, nor after them: their sizes add up to its own.
unsafe impl kernel::transmute::AsBytes for seccomp_ea_pinned {}

// What the pure files say of the user's headers, they cannot take from there.
const _: () = {
    use crate::{
        layout,
        table, //
    };
    use core::mem::offset_of;

    assert!(layout::DATA_SIZE == SECCOMP_EA_BASE);
    assert!(layout::DATA_SIZE as usize == size_of::<seccomp_data>());
    assert!(layout::EA_SIZE == SECCOMP_EA_MAX);
    assert!(layout::SIZE == SECCOMP_EA_SIZE);
    assert!(layout::TAIL == SECCOMP_EA_TAIL);
    assert!(layout::ERROR == SECCOMP_EA_ERROR);
    assert!(size_of::<seccomp_ea_pinned>() == SECCOMP_EA_PINNED_SIZE_VER0 as usize);

    /// The structs of the table's rows, one after the other: the type, the first size, and the field
    /// with the size, if there is one.
    macro_rules! assert_structs {
        ($($structure:ty, $smallest:expr $(, $size:ident)?;)*) => {
            let mut row = 0;
            $(
                let call = &table::CALLS[row];
                row += 1;
                assert!(call.smallest == $smallest as u64);
                assert!(call.smallest <= size_of::<$structure>() as u64);
                $(assert!(matches!(
                    call.size,
                    table::Size::Field { offset, .. } if offset == offset_of!($structure, $size)
                ));)?
            )*
            assert!(row == table::CALLS.len());
        };
    }

    assert_structs! {
        clone_args, CLONE_ARGS_SIZE_VER0;
        open_how, OPEN_HOW_SIZE_VER0;
        mount_attr, MOUNT_ATTR_SIZE_VER0;
        mount_attr, MOUNT_ATTR_SIZE_VER0;
        // The first version had one field.
        landlock_ruleset_attr, offset_of!(landlock_ruleset_attr, handled_access_net);
        xattr_args, XATTR_ARGS_SIZE_VER0;
        xattr_args, XATTR_ARGS_SIZE_VER0;
        file_attr, FILE_ATTR_SIZE_VER0;
        sched_attr, SCHED_ATTR_SIZE_VER0, size;
        perf_event_attr, PERF_ATTR_SIZE_VER0, size;
        mnt_id_req, MNT_ID_REQ_SIZE_VER0, size;
        mnt_id_req, MNT_ID_REQ_SIZE_VER0, size;
        ns_id_req, NS_ID_REQ_SIZE_VER0, size;
    }
};
