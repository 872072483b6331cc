// SPDX-License-Identifier: GPL-2.0

//! Filters as files: an array of `struct sock_filter`, in the byte order of the machine.

use crate::{cbpf::Insn, problem::Problem};

/// The size of an instruction in bytes.
const SIZE: usize = size_of::<Insn>();

pub(crate) fn to_bytes(program: &[Insn]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SIZE * program.len());
    for &Insn { code, jt, jf, k } in program {
        bytes.extend(code.to_ne_bytes());
        bytes.extend([jt, jf]);
        bytes.extend(k.to_ne_bytes());
    }
    bytes
}

pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Vec<Insn>, Problem> {
    if bytes.is_empty() {
        return Err(Problem::new("is empty, and so no filter"));
    }
    if bytes.len() % SIZE != 0 {
        return Err(Problem::new(format!(
            "is no profile, for it does not start with {{, and no filter: its {} bytes are no whole \
             number of instructions of {SIZE} bytes",
            bytes.len()
        )));
    }
    let insns = bytes.chunks_exact(SIZE).map(|bytes| Insn {
        code: u16::from_ne_bytes([bytes[0], bytes[1]]),
        jt: bytes[2],
        jf: bytes[3],
        k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    });
    Ok(insns.collect())
}
