// SPDX-License-Identifier: GPL-2.0

//! `/dev/seccomp_ea`: what the filters of a thread judged, for those who supervise it.
//!
//! `include/uapi/linux/seccomp_ea.h` is the contract.

use crate::{
    bindings::{
        self,
        seccomp_ea_pinned, //
    },
    cache,
    layout::EA_SIZE,
    reference::ModuleReference,
    task,
    thread::Thread,
    user, //
};
use kernel::{
    fs::File,
    ioctl::_IOC_SIZE,
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    prelude::*,
    sync::atomic::{
        ordering::{
            Acquire,
            Relaxed,
            Release, //
        },
        Atomic, //
    },
    uaccess::UserPtr,
    uapi, //
};

/// The registered device.
///
/// Dropping it takes the device away, and waits until nobody has it open, which the module's references
/// are for, but not when unloading is forced.
pub(crate) struct Device(Option<Pin<KBox<MiscDeviceRegistration<Open>>>>);

impl Device {
    /// The errors of `misc_register()`. May sleep.
    pub(crate) fn new() -> Result<Device> {
        let options = MiscDeviceOptions {
            name: c"seccomp_ea",
        };

        Ok(Device(Some(KBox::pin_init(
            MiscDeviceRegistration::register(options),
            GFP_KERNEL,
        )?)))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.0 = None;
        task::wait(|| USERS.load(Acquire) == 0, "nobody has its device open");
    }
}

/// How often the device is open.
static USERS: Atomic<usize> = Atomic::new(0);

/// The device when it is open.
///
/// The kernel crate's devices have an owner since 7.3 only. What runs of the module after the reference
/// was given up is over before the module's memory is freed: unloading waits for that, see
/// `callsite::synchronize()`.
struct Open {
    _module: ModuleReference,
}

#[vtable]
impl MiscDevice for Open {
    type Ptr = KBox<Open>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Open>) -> Result<KBox<Open>> {
        let module = ModuleReference::take()?;

        USERS.fetch_add(1, Relaxed);
        // Should there be no memory, dropping it counts it out.
        Ok(KBox::new(Open { _module: module }, GFP_KERNEL_ACCOUNT)?)
    }

    fn ioctl(_open: &Open, _file: &File, command: u32, argument: usize) -> Result<isize> {
        let size = _IOC_SIZE(command);

        match command & !SIZE_BITS {
            READ_PINNED => read_pinned(UserPtr::from_addr(argument), size).map(|()| 0),
            _ => Err(ENOTTY),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        USERS.fetch_sub(1, Release);
    }
}

/// Where the size of the argument is in the number of an ioctl.
const SIZE_BITS: u32 = uapi::_IOC_SIZEMASK << uapi::_IOC_SIZESHIFT;

/// The number of the ioctl, for arguments of any size.
const READ_PINNED: u32 = bindings::SECCOMP_EA_READ_PINNED & !SIZE_BITS;

/// Answers `SECCOMP_EA_IOCTL_READ_PINNED` with an argument of `size` bytes. May sleep.
fn read_pinned(argument: UserPtr, size: usize) -> Result {
    if size < bindings::SECCOMP_EA_PINNED_SIZE_VER0 as usize {
        return Err(EINVAL);
    }

    let request: seccomp_ea_pinned = user::read_struct(argument, size)?;
    if request.flags != 0 || request.buffer_size > EA_SIZE {
        return Err(EINVAL);
    }
    let length = request.buffer_size as usize;
    let mut buffer = KVec::from_elem(0u8, length, GFP_KERNEL_ACCOUNT)?;

    let thread = Thread::find(request.pid).ok_or(ESRCH)?;
    let memory = thread.memory()?;
    let answer = cache::with_pinned(thread.task(), |pinned| {
        buffer.copy_from_slice(&pinned.page[..length]);
        seccomp_ea_pinned {
            nr: pinned.data.nr,
            arch: pinned.data.arch,
            size: pinned.info.size,
            tail: pinned.info.tail,
            error: pinned.info.error,
            ..request
        }
    })
    .ok_or(ENOENT)?;

    // The permission was for this memory, and not for what the thread may have executed since.
    if !thread.uses(&memory) {
        return Err(ENOENT);
    }
    drop(memory);
    user::write(UserPtr::from_addr(request.buffer as usize), &buffer)?;
    user::write_struct(argument, size, &answer)
}
