// SPDX-License-Identifier: GPL-2.0

//! What a filter answers.

use crate::uapi;
use std::fmt;

/// The value that a filter returns: `SECCOMP_RET_*`, `include/uapi/linux/seccomp.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Action(pub(crate) u32);

const ERRNO: u32 = 0x0005_0000;
const TRACE: u32 = 0x7ff0_0000;
const USER_NOTIF: u32 = 0x7fc0_0000;

/// All but what has data.
const NAMES: [(u32, &str); 8] = [
    (0x8000_0000, "KILL_PROCESS"),
    (0x0000_0000, "KILL_THREAD"),
    (0x0003_0000, "TRAP"),
    (ERRNO, "ERRNO"),
    (USER_NOTIF, "USER_NOTIF"),
    (TRACE, "TRACE"),
    (0x7ffc_0000, "LOG"),
    (0x7fff_0000, "ALLOW"),
];

impl Action {
    pub(crate) const KILL_PROCESS: Action = Action(0x8000_0000);
    pub(crate) const KILL_THREAD: Action = Action(0);
    pub(crate) const TRAP: Action = Action(0x0003_0000);
    pub(crate) const USER_NOTIF: Action = Action(USER_NOTIF);
    pub(crate) const LOG: Action = Action(0x7ffc_0000);
    pub(crate) const ALLOW: Action = Action(0x7fff_0000);

    pub(crate) const fn errno(errno: u16) -> Action {
        Action(ERRNO | errno as u32)
    }

    pub(crate) const fn trace(data: u16) -> Action {
        Action(TRACE | data as u32)
    }

    /// Who decides in place of the filter.
    pub(crate) fn receiver(self) -> Option<&'static str> {
        match self.0 & 0xffff_0000 {
            USER_NOTIF => Some("supervisor"),
            TRACE => Some("tracer"),
            _ => None,
        }
    }
}

/// The number of an error, by its name.
pub(crate) fn errno(name: &str) -> Option<u16> {
    uapi::ERRNOS
        .iter()
        .find(|(other, _)| *other == name)
        .map(|&(_, number)| number as u16)
}

/// Both halves by name, as far as they have one.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (action, data) = (self.0 & 0xffff_0000, self.0 & 0xffff);
        let Some((_, name)) = NAMES.iter().find(|&&(other, _)| other == action) else {
            // The kernel takes what it does not know for SECCOMP_RET_KILL_PROCESS.
            return write!(f, "KILL_PROCESS({:#010x})", self.0);
        };
        let errno = uapi::ERRNOS.iter().find(|&&(_, number)| number == data);
        match (action, errno) {
            (ERRNO, Some((errno, _))) => write!(f, "{name}({errno})"),
            (ERRNO | TRACE, _) => write!(f, "{name}({data})"),
            _ if data == 0 => f.write_str(name),
            _ => write!(f, "{name}({data})"),
        }
    }
}
