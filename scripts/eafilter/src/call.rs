// SPDX-License-Identifier: GPL-2.0

//! A system call as a line of text, and what a filter sees of it.
//!
//! ```text
//! clone3 flags=0x10000000
//! i386:openat2 flags=0o100|2 args[3]=24
//! x32:16 args[1]=0x5412
//! ```

use crate::{
    architecture::Architecture,
    cbpf,
    field::{self, Struct},
    layout,
    problem::Problem,
    syscall,
    table::{self, Size},
};

/// Where a struct is, if nothing else is said.
const POINTER: u64 = 0x7ffe_0000_0000;

const EFAULT: u32 = 14;
const E2BIG: u32 = 7;

/// A system call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    data: layout::Data,
    info: layout::Info,
    /// What can be seen of the struct.
    bytes: Vec<u8>,
}

/// What a line has said so far.
struct Draft {
    call: Option<&'static table::Call>,
    args: [Option<u64>; 6],
    bytes: Vec<u8>,
    fails: bool,
}

impl Call {
    pub(crate) fn parse(text: &str) -> Result<Call, Problem> {
        let mut words = text.split_whitespace();
        let name = words.next().ok_or_else(|| Problem::new("names no call"))?;
        let (architecture, nr) = number(name)?;
        let mut draft = Draft::new(architecture, nr);
        let mut places = Vec::new();
        for word in words {
            let place = word.split('=').next().unwrap_or_default();
            if places.contains(&place) {
                return Err(Problem::new("this place has a value already").in_part(word));
            }
            places.push(place);
            draft.set(word).map_err(|problem| problem.in_part(word))?;
        }
        Ok(draft.finish(architecture, nr))
    }

    /// The word at an offset, for a filter that the module accepts.
    pub(crate) fn word(&self, k: u32) -> u32 {
        let half = |value: u64| (value >> (k % 8 * 8)) as u32;
        match k {
            cbpf::DATA_NR => self.data.nr,
            cbpf::DATA_ARCH => self.data.arch,
            8 | 12 => half(self.data.instruction_pointer),
            16..layout::DATA_SIZE => half(self.data.args[(k as usize - 16) / 8]),
            layout::SIZE => self.info.size,
            layout::TAIL => self.info.tail,
            layout::ERROR => self.info.error,
            _ => {
                let mut word = [0; 4];
                let start = (k - layout::DATA_SIZE) as usize;
                let seen = self.bytes.get(start..).unwrap_or_default();
                for (to, from) in word.iter_mut().zip(seen) {
                    *to = *from;
                }
                u32::from_ne_bytes(word)
            }
        }
    }
}

/// The ABI and number of `[ABI:]NAME` or `[ABI:]NUMBER`.
fn number(text: &str) -> Result<(Architecture, u32), Problem> {
    let (architecture, name) = match text.split_once(':') {
        None => (Architecture::X86_64, text),
        Some((abi, name)) => (
            Architecture::ALL
                .into_iter()
                .find(|architecture| architecture.to_string() == abi)
                .ok_or_else(|| {
                    Problem::new(format!("{abi:?} is none of x86-64, i386 and x32")).in_part(text)
                })?,
            name,
        ),
    };
    if let Some(nr) = syscall::nr(architecture, name) {
        return Ok((architecture, nr));
    }
    match value(name).map(u32::try_from) {
        Ok(Ok(number)) => Ok((architecture, architecture.nr(number))),
        _ => Err(Problem::new(format!("{architecture} has no system call {name:?}")).in_part(text)),
    }
}

/// Numbers in the manner of Rust and C, parted by `|`.
fn value(text: &str) -> Result<u64, Problem> {
    let one = |text: &str| {
        // Rust would take a sign behind these, and a plus in front of a number.
        let signed = text.contains('+') || text.rfind('-').is_some_and(|last| last != 0);
        let digits = |prefix, radix| {
            let digits = text.strip_prefix(prefix)?;
            Some(u64::from_str_radix(digits, radix).ok())
        };
        if text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(Problem::new(format!(
                "{text}: octal numbers are written 0o{}",
                text.trim_start_matches('0')
            )));
        }
        let parsed = digits("0x", 16)
            .or_else(|| digits("0o", 8))
            .or_else(|| digits("0b", 2))
            .unwrap_or_else(|| match text.starts_with('-') {
                true => text.parse().map(|number: i64| number as u64).ok(),
                false => text.parse().ok(),
            });
        parsed
            .filter(|_| !signed)
            .ok_or_else(|| Problem::new(format!("{text:?} is no number of 64 bits")))
    };
    text.split('|')
        .try_fold(0, |sum, text| Ok(sum | one(text)?))
}

/// The lower bits of a value, if nothing else is lost than the sign of a negative one.
fn cut(value: u64, text: &str, width: u32) -> Result<u64, Problem> {
    let largest = u64::MAX >> (64 - width);
    let fits = match text.starts_with('-') {
        true => value | (largest >> 1) == u64::MAX,
        false => value <= largest,
    };
    match fits {
        true => Ok(value & largest),
        false => Err(Problem::new(format!("the field has {width} bits"))),
    }
}

/// The number in `name[...]`.
fn index(place: &str, name: &str) -> Option<Result<u64, Problem>> {
    let digits = place.strip_prefix(name)?.strip_prefix('[')?;
    Some(value(digits.strip_suffix(']')?))
}

impl Draft {
    fn new(architecture: Architecture, nr: u32) -> Draft {
        let mut draft = Draft {
            call: architecture.abi().and_then(|abi| table::find(abi, nr)),
            args: [None; 6],
            bytes: Vec::new(),
            fails: false,
        };
        if let (Some(call), Some(structure)) = (draft.call, draft.structure()) {
            draft.bytes.resize(layout::EA_SIZE as usize, 0);
            if let Size::Field { offset, .. } = call.size {
                let word = &mut draft.bytes[offset..offset + 4];
                word.copy_from_slice(&structure.size.to_ne_bytes());
            }
        }
        draft
    }

    fn structure(&self) -> Option<&'static Struct> {
        field::structure(self.call?.structure)
    }

    fn set(&mut self, word: &str) -> Result<(), Problem> {
        let (place, text) = word
            .split_once('=')
            .ok_or_else(|| Problem::new("is not like flags=1, args[0]=1 or at[8]=1"))?;
        if place == "error" {
            self.fails = self.call.is_some() && text == "EFAULT";
            return if self.fails {
                Ok(())
            } else {
                Err(Problem::new(
                    "only the error EFAULT can be had, for a struct",
                ))
            };
        }
        let value = value(text)?;
        if let Some(index) = index(place, "args") {
            let index = usize::try_from(index?).unwrap_or(usize::MAX);
            let argument = self.args.get_mut(index);
            *argument.ok_or_else(|| Problem::new("there are args[0] to args[5]"))? = Some(value);
            return Ok(());
        }
        let Some(structure) = self.structure() else {
            return Err(Problem::new("the call has no struct that filters see"));
        };
        if let Some(offset) = index(place, "at") {
            let offset = usize::try_from(offset?).unwrap_or(usize::MAX);
            let word = self
                .bytes
                .get_mut(offset..)
                .and_then(|rest| rest.get_mut(..4))
                .filter(|_| offset % 4 == 0)
                .ok_or_else(|| Problem::new("there is no such word of 32 bits in a page"))?;
            word.copy_from_slice(&(cut(value, text, 32)? as u32).to_ne_bytes());
            return Ok(());
        }
        let field = structure.field(place).ok_or_else(|| {
            Problem::new(format!("struct {} has no field {place:?}", structure.name))
        })?;
        let cut = cut(value, text, field.width)?;
        let start = (field.first / 64 * 8) as usize;
        let shift = field.first % 64;
        let mut unit = [0; 8];
        unit.copy_from_slice(&self.bytes[start..start + 8]);
        let others = u64::from_ne_bytes(unit) & !(field.max() << shift);
        self.bytes[start..start + 8].copy_from_slice(&(others | (cut << shift)).to_ne_bytes());
        Ok(())
    }

    /// What the module makes of it (`Documentation/filters.rst`).
    fn finish(mut self, architecture: Architecture, nr: u32) -> Call {
        let mut info = layout::Info::default();
        if let (Some(call), Some(structure)) = (self.call, self.structure()) {
            self.args[call.pointer].get_or_insert(POINTER);
            let size = match call.size {
                Size::Argument(index) => {
                    let size = *self.args[index].get_or_insert(structure.size.into());
                    architecture.abi().map_or(size, |abi| abi.argument(size))
                }
                Size::Field { .. } if self.fails => 0,
                Size::Field { offset, zero } => {
                    let mut word = [0; 4];
                    word.copy_from_slice(&self.bytes[offset..offset + 4]);
                    match u32::from_ne_bytes(word) {
                        0 => zero,
                        size => size.into(),
                    }
                }
            };
            info.size = size.try_into().unwrap_or(u32::MAX);
            info.error = match size {
                _ if size > layout::EA_SIZE.into() => E2BIG,
                _ if self.fails => EFAULT,
                _ => 0,
            };
            self.bytes
                .truncate(if info.error == 0 { size as usize } else { 0 });
            let last = self.bytes.iter().rposition(|&byte| byte != 0);
            info.tail = last.map_or(0, |last| last as u32 + 1);
        }
        Call {
            data: layout::Data {
                nr,
                arch: architecture.arch(),
                instruction_pointer: 0,
                args: self.args.map(Option::unwrap_or_default),
            },
            info,
            bytes: self.bytes,
        }
    }
}
