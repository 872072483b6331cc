// SPDX-License-Identifier: GPL-2.0

//! The structs of system calls, and their fields.

use crate::{layout, uapi};

/// A struct as the kernel's headers have it.
#[derive(Debug)]
pub(crate) struct Struct {
    pub(crate) name: &'static str,
    /// In bytes.
    pub(crate) size: u32,
    pub(crate) fields: &'static [Field],
}

/// A field; where it is and how wide it is, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) first: u32,
    pub(crate) width: u32,
}

/// The struct with this name.
pub(crate) fn structure(name: &str) -> Option<&'static Struct> {
    uapi::STRUCTS
        .iter()
        .find(|structure| structure.name == name)
}

impl Struct {
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The fields that have a part in the word at this offset in bytes.
    pub(crate) fn fields_in(&self, word: u32) -> impl Iterator<Item = &'static Field> {
        let bits = 8 * word..8 * word + 32;
        self.fields
            .iter()
            .filter(move |field| field.first < bits.end && bits.start < field.first + field.width)
    }
}

impl Field {
    /// The offset of the (low) word of the field for a filter.
    pub(crate) fn word(&self) -> u32 {
        layout::DATA_SIZE + self.first / 32 * 4
    }

    /// Whether it takes two words.
    pub(crate) fn is_wide(&self) -> bool {
        self.width > 32
    }

    /// Where it starts in its word, in bits.
    pub(crate) fn shift(&self) -> u32 {
        self.first % 32
    }

    /// The largest value.
    pub(crate) fn max(&self) -> u64 {
        u64::MAX >> (64 - self.width)
    }

    /// The bits of the (low) word that are its own.
    pub(crate) fn mask(&self) -> u32 {
        (self.max() as u32) << self.shift()
    }
}
