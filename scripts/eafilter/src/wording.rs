// SPDX-License-Identifier: GPL-2.0

//! Words of a filter's data, and tests of them, for people.

use crate::{
    cbpf,
    decision::{Comparison, Test},
    field::Struct,
    layout,
    residue::OPAQUE,
};

/// Bits of a word, as bits of what people have a name for.
struct Named {
    name: String,
    /// How far the bits of the word are to be shifted to the left, or to the right if negative.
    shift: i32,
    /// The bits of the word that are all of it, if the word has all of it.
    whole: Option<u32>,
}

/// What the bits in `mask` of the word at an offset are, for a call that has this struct.
fn named(offset: u32, mask: u32, structure: Option<&Struct>) -> Named {
    let whole = |name: String| Named {
        name,
        shift: 0,
        whole: Some(u32::MAX),
    };
    let half = |name: String, is_high| Named {
        name,
        shift: if is_high { 32 } else { 0 },
        whole: None,
    };
    let at = offset.wrapping_sub(layout::DATA_SIZE);
    match offset {
        cbpf::DATA_NR => whole("nr".into()),
        cbpf::DATA_ARCH => whole("arch".into()),
        8 | 12 => half("instruction_pointer".into(), offset == 12),
        16..layout::DATA_SIZE => half(format!("args[{}]", (offset - 16) / 8), offset % 8 == 4),
        layout::SIZE => whole("ea.size".into()),
        layout::TAIL => whole("ea.tail".into()),
        layout::ERROR => whole("ea.error".into()),
        _ if offset >= OPAQUE => whole(format!("what instruction {} compares", offset & !OPAQUE)),
        _ => {
            let Some(structure) = structure else {
                return whole(format!("ea[{at}]"));
            };
            // All that have no other bits; the names of a union, those first that have no more.
            let mut fields: Vec<_> = structure
                .fields_in(at)
                .filter(|field| field.is_wide() || mask & !field.mask() == 0)
                .collect();
            fields.sort_by_key(|field| field.is_wide() || field.mask() != mask);
            let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
            let name = format!("{}.{}", structure.name, names.join("/"));
            match fields.first() {
                None => whole(format!("{}[{at}]", structure.name)),
                Some(field) if field.is_wide() => half(name, field.word() != offset),
                Some(field) => Named {
                    name,
                    shift: -(field.shift() as i32),
                    whole: Some(field.mask()),
                },
            }
        }
    }
}

/// The word at an offset.
pub(crate) fn word(offset: u32, structure: Option<&Struct>) -> String {
    let Named { name, shift, whole } = named(offset, u32::MAX, structure);
    match (whole, shift) {
        (Some(_), _) => name,
        (None, 0) => format!("{name}, low half"),
        (None, _) => format!("{name}, high half"),
    }
}

/// How a test comes out.
pub(crate) fn test(test: Test, outcome: bool, structure: Option<&Struct>) -> String {
    let Named { name, shift, whole } = named(test.word, test.mask, structure);
    let bits = |bits: u32| {
        let bits = u64::from(bits);
        if shift < 0 {
            bits >> -shift
        } else {
            bits << shift
        }
    };
    let number = |value: u64| match value {
        0..=255 => value.to_string(),
        _ => format!("{value:#x}"),
    };
    let mask = bits(test.mask);
    let is_all = whole == Some(test.mask);
    // Comparing the high half says all about the whole, if it is about an order.
    let is_high = shift == 32 && test.mask == u32::MAX;
    let masked = format!("{name} & {mask:#x}");
    match (test.comparison, outcome) {
        (Comparison::AnyBit, _) if is_all => {
            format!("{name} {} 0", if outcome { "!=" } else { "==" })
        }
        (Comparison::AnyBit, true) => format!("{masked} != 0"),
        (Comparison::AnyBit, false) => format!("{masked} == 0"),
        (Comparison::Equal(k), _) => {
            let name = if is_all { name } else { masked };
            let sign = if outcome { "==" } else { "!=" };
            format!("{name} {sign} {}", number(bits(k)))
        }
        (Comparison::GreaterOrEqual(k), _) => {
            let name = if is_all || is_high { name } else { masked };
            let sign = if outcome { ">=" } else { "<" };
            format!("{name} {sign} {}", number(bits(k)))
        }
    }
}
