// SPDX-License-Identifier: GPL-2.0

//! Functions of the kernel, by name and by address.
//!
//! `kallsyms_lookup_name()` is not exported. A disabled kprobe turns a name into an address, and
//! `sprint_symbol()` an address into a name and the size of the function.

use crate::{
    bindings,
    kprobe::Probes, //
};
use core::{
    ffi::CStr,
    str, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// What a compiler or `CONFIG_CALL_PADDING` puts in front of a function gets a symbol of its own
/// with this prefix (`scripts/kallsyms`, objtool).
const PADDING_PREFIX: &str = "__pfx_";

/// The longest name that is kept. No function that the module looks for has a longer one.
const NAME_LENGTH: usize = 64;

/// The length of what a function may begin with that the kernel patches: its endbr64, which goes
/// where no pointer leads to the function (`apply_seal_endbr()` in `arch/x86/kernel/alternative.c`),
/// and a call for the tracer.
const ENTRY_LENGTH: usize = 4 + 5;

/// The length of the opcode of `mov $imm32, %rax`.
const MOV_LENGTH: usize = 3;

/// A function of the kernel, or a part that the compiler split off one.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    pub(crate) start: usize,
    /// In bytes.
    pub(crate) size: usize,
    name: [u8; NAME_LENGTH],
    name_length: usize,
}

impl Function {
    /// Finds the function that an address lies in. The padding in front of a function, where call
    /// depth tracking has its thunks, counts as the function (`arch/x86/kernel/callthunks.c`).
    pub(crate) fn at(address: usize) -> Option<Function> {
        let function = Self::lookup(address)?;

        if function.name().starts_with(PADDING_PREFIX) {
            return Self::lookup(function.start.checked_add(function.size)?);
        }
        Some(function)
    }

    fn lookup(address: usize) -> Option<Function> {
        let mut buffer = [0u8; bindings::SECCOMP_EA_SYMBOL_LEN];
        // SAFETY: The buffer has the size that `sprint_symbol()` asks for.
        let length = unsafe { kernel::bindings::sprint_symbol(buffer.as_mut_ptr(), address) };
        let text = str::from_utf8(buffer.get(..usize::try_from(length).ok()?)?).ok()?;

        // "name+0xoffset/0xsize", and perhaps " [module]" after it. An address that belongs to
        // nothing is printed as a number.
        let (name, rest) = text.split_once("+0x")?;
        let (offset, rest) = rest.split_once("/0x")?;
        let size = rest.split(' ').next()?;
        let mut function = Function {
            start: address.checked_sub(usize::from_str_radix(offset, 16).ok()?)?,
            size: usize::from_str_radix(size, 16).ok()?,
            name: [0; NAME_LENGTH],
            name_length: name.len().min(NAME_LENGTH),
        };

        for (to, from) in function.name.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        Some(function)
    }

    /// The name, suffixes of the compiler included.
    pub(crate) fn name(&self) -> &str {
        str::from_utf8(&self.name[..self.name_length]).unwrap_or_default()
    }

    /// Whether this is the function `name`, or a part or clone that a compiler made of it:
    /// `name.cold`, `name.part.0`, `name.isra.0`, `name.constprop.0`.
    pub(crate) fn is(&self, name: &CStr) -> bool {
        self.base().as_bytes() == name.to_bytes()
    }

    /// Whether a compiler made this and `other` of the same function.
    pub(crate) fn is_part_of(&self, other: &Function) -> bool {
        self.base() == other.base()
    }

    fn base(&self) -> &str {
        self.name().split('.').next().unwrap_or_default()
    }

    /// Whether this function sets its result to `-ENOSYS` by the same instructions as `other`, and does
    /// nothing before. Where the symbol's size says that it ends tells nothing.
    pub(crate) fn fails_like(&self, other: &Function) -> Result<bool> {
        let result = (-(kernel::bindings::ENOSYS as i32)).to_le_bytes();
        let (text, other) = (self.text()?, other.text()?);
        let Some(start) = other
            .windows(result.len())
            .position(|bytes| bytes == result)
        else {
            return Ok(false);
        };
        let compared = ENTRY_LENGTH.min(start.saturating_sub(MOV_LENGTH))..start + result.len();

        Ok(text.get(compared.clone()) == other.get(compared))
    }

    /// Reads the instructions, as they are now.
    pub(crate) fn text(&self) -> Result<KVVec<u8>> {
        let mut text = KVVec::from_elem(0u8, self.size, GFP_KERNEL)?;

        read_text(self.start, &mut text)?;
        Ok(text)
    }
}

/// Functions that are known by their exact names.
pub(crate) struct Symbols(KVec<(&'static CStr, Function)>);

impl Symbols {
    /// Finds those of the functions that exist, all at once, as each time takes a grace period. May
    /// sleep.
    pub(crate) fn resolve(names: &[&'static CStr]) -> Result<Symbols> {
        let mut probes = Probes::none();
        let mut functions = KVec::with_capacity(names.len(), GFP_KERNEL)?;

        for &name in names {
            match probes.add_named(name) {
                Ok(address) => {
                    let function = Function::at(address).ok_or(ENOENT)?;

                    functions.push((name, function), GFP_KERNEL)?;
                }
                Err(ENOENT) => {}
                Err(error) => {
                    pr_err!("cannot find {}: {:?}\n", name, error);
                    return Err(error);
                }
            }
        }
        Ok(Symbols(functions))
    }

    /// The function of this name, if it exists and is one of those that were asked for.
    pub(crate) fn find(&self, name: &CStr) -> Option<Function> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|&(_, function)| function)
    }

    /// The same for a function that has to exist, or else [`ENOENT`].
    pub(crate) fn get(&self, name: &CStr) -> Result<Function> {
        self.find(name).ok_or_else(|| {
            pr_err!("there is no {}: this kernel is not supported\n", name);
            ENOENT
        })
    }
}

/// Reads kernel text. Fails with [`EFAULT`] if there is none.
pub(crate) fn read_text(address: usize, to: &mut [u8]) -> Result {
    // SAFETY: `to` is valid for writes of its length. The source may be any address.
    to_result(unsafe {
        kernel::bindings::copy_from_kernel_nofault(
            to.as_mut_ptr().cast(),
            address as *const c_void,
            to.len(),
        )
    } as c_int)
}
