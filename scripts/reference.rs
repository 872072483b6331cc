// SPDX-License-Identifier: GPL-2.0

//! Prints `Documentation/calls.rst`, or the structs for scripts/eafilter. scripts/reference compiles
//! it together with the table of the module and what it has made of the kernel's headers: the structs
//! as bindgen translates them (`x86_64.rs`), and lists of their fields (`fields.rs`).

#![allow(dead_code)]

#[path = "../rust/layout.rs"]
mod layout;
#[path = "../rust/table.rs"]
mod table;

#[allow(non_camel_case_types, non_snake_case)]
mod uapi {
    include!(concat!(env!("DIR"), "/x86_64.rs"));
}

/// A field that has an address.
macro_rules! field {
    ($owner:ident, $name:ident, $kind:ty) => {
        Field {
            owner: stringify!($owner),
            name: stringify!($name),
            kind: Kind::Whole(stringify!($kind)),
            first: 8 * offset_of!($owner, $name),
            width: 8 * size_of::<$kind>(),
        }
    };
}

/// A bit field in a unit that bindgen made of it and its neighbours.
macro_rules! bits {
    ($owner:ident, $name:ident, $unit:ident, $first:expr, $width:expr) => {
        Field {
            owner: stringify!($owner),
            name: stringify!($name),
            kind: Kind::Bits,
            first: 8 * offset_of!($owner, $unit) + $first,
            width: $width,
        }
    };
}

/// A struct in a header.
macro_rules! structure {
    ($name:ident, $header:literal) => {
        Struct {
            name: stringify!($name),
            header: $header,
            size: size_of::<$name>(),
        }
    };
}

mod fields {
    use super::{uapi::*, Field, Kind, Struct};
    use std::mem::{offset_of, size_of};

    include!(concat!(env!("DIR"), "/fields.rs"));
}

use table::{Abi, Size, CALLS};

/// A struct that a system call reads.
struct Struct {
    name: &'static str,
    /// The header that has it.
    header: &'static str,
    size: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    /// With the name of its type in the bindings.
    Whole(&'static str),
    Bits,
}

/// A field of a struct or union; where it is and how wide it is, in bits.
#[derive(Clone, Copy)]
struct Field {
    owner: &'static str,
    name: &'static str,
    kind: Kind,
    first: usize,
    width: usize,
}

/// The fields of a struct, which has no room between them.
fn all_fields(structure: &Struct) -> Vec<Field> {
    let fields = fields_of(structure.name, 0);
    let end = fields.iter().fold(0, |end, field| {
        assert!(field.first <= end, "what is before {}?", field.name);
        end.max(field.first + field.width)
    });
    assert_eq!(end, 8 * structure.size, "what ends {}?", structure.name);
    fields
}

/// The fields of `owner`, which begins at the bit `start`, and of what it contains.
fn fields_of(owner: &str, start: usize) -> Vec<Field> {
    let mut found = Vec::new();
    for field in fields::FIELDS.iter().filter(|field| field.owner == owner) {
        let first = start + field.first;
        match field.kind {
            // A unit of bit fields or the alignment of one: the fields themselves follow.
            _ if field.name.starts_with("_bitfield_") => {}
            Kind::Whole(kind) if fields::FIELDS.iter().any(|other| other.owner == kind) => {
                found.extend(fields_of(kind, first));
            }
            _ => found.push(Field { first, ..*field }),
        }
    }
    found.sort_by_key(|field| field.first);
    found
}

/// What a filter needs to know of a field.
fn row(field: Field) -> Vec<String> {
    let Field { first, width, .. } = field;
    let word = first / 32 * 4;
    let load = |word: usize| (layout::DATA_SIZE as usize + word).to_string();
    let (high, mask) = match width {
        64 if first % 64 == 0 => (load(word + 4), String::new()),
        32 if first % 32 == 0 => Default::default(),
        ..=31 if first % 32 + width <= 32 => {
            let mask = ((1u32 << width) - 1) << (first % 32);
            (String::new(), format!("0x{mask:08x}"))
        }
        _ => panic!("{}: how is it loaded?", field.name),
    };
    let (kind, offset) = match field.kind {
        Kind::Whole(kind) => (kind.trim_start_matches('_').into(), first / 8),
        Kind::Bits if width == 1 => ("1 bit".into(), word),
        Kind::Bits => (format!("{width} bits"), word),
    };

    vec![
        // bindgen lets a name that is a keyword of Rust end in an underscore.
        format!("``{}``", field.name.trim_end_matches('_')),
        kind,
        offset.to_string(),
        load(word),
        high,
        mask,
    ]
}

fn title(text: &str, line: &str) {
    println!("\n{text}\n{}\n", line.repeat(text.len()));
}

/// Prints a table, without the columns that have nothing in them.
fn table(head: &[&str], rows: &[Vec<String>]) {
    let columns: Vec<(usize, usize)> = (0..head.len())
        .filter(|&column| rows.iter().any(|row| !row[column].is_empty()))
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].len());
            (column, cells.fold(head[column].len(), usize::max))
        })
        .collect();
    let line = |cell: &dyn Fn(usize, usize) -> String| {
        let cells: Vec<String> = columns
            .iter()
            .map(|&(column, width)| format!("{:width$}", cell(column, width)))
            .collect();
        println!("{}", cells.join("  ").trim_end());
    };
    let rule = |_, width| "=".repeat(width);

    line(&rule);
    line(&|column, _| head[column].into());
    line(&rule);
    for row in rows {
        line(&|column, _| row[column].clone());
    }
    line(&rule);
}

/// The struct with this name.
fn find(name: &str) -> &'static Struct {
    fields::STRUCTS
        .iter()
        .find(|structure| structure.name == name)
        .unwrap_or_else(|| panic!("{name}: no header has it"))
}

fn calls() {
    let rows: Vec<Vec<String>> = CALLS
        .iter()
        .map(|call| {
            let [x86_64, i386] = Abi::ALL.map(|abi| call.nr[abi as usize].to_string());
            let (size, zero) = match call.size {
                Size::Argument(index) => (format!("args[{index}]"), String::new()),
                Size::Field { offset, zero } => (format!("at {offset}"), zero.to_string()),
            };
            vec![
                call.name.into(),
                x86_64,
                i386,
                format!("`{}`_", call.structure),
                format!("args[{}]", call.pointer),
                size,
                zero,
                call.smallest.to_string(),
                find(call.structure).size.to_string(),
            ]
        })
        .collect();
    let head = [
        "Call", "x86-64", "i386", "Struct", "Pointer", "Size", "If 0", "First", "Now",
    ];
    table(&head, &rows);
}

fn structures() {
    for (index, call) in CALLS.iter().enumerate() {
        let name = call.structure;
        if CALLS[..index].iter().any(|other| other.structure == name) {
            continue;
        }
        let readers: Vec<&str> = CALLS
            .iter()
            .filter(|call| call.structure == name)
            .map(|call| call.name)
            .collect();
        let rows: Vec<Vec<String>> = all_fields(find(name)).into_iter().map(row).collect();

        title(name, "-");
        println!(
            "``<{}>``, read by {}.\n",
            find(name).header,
            readers.join(" and ")
        );
        table(&["Field", "Type", "Offset", "Word", "High", "Mask"], &rows);
    }
}

/// Prints `Documentation/calls.rst`.
fn page(version: &str) {
    println!(
        "\
.. SPDX-License-Identifier: GPL-2.0
.. Made by scripts/reference from rust/table.rs and the headers of Linux {version}. Do not edit.

==================================
The system calls and their structs
==================================

These are the system calls that filters can look into, and the offsets of all that they can load
there. ``filters.rst`` says what the words hold and when a filter may load them. The structs are
those of Linux {version}; newer kernels may have longer ones."
    );

    title("The system calls", "=");
    calls();
    println!(
        "
\"Pointer\" and \"Size\" are places in ``struct seccomp_data``, or the offset in the struct itself
of a 32-bit word; if that is 0, the struct has the size under \"If 0\". \"First\" is the size of the
first version of the struct, the least that the call accepts, and \"Now\" the size that Linux
{version} knows."
    );

    title("The structs", "=");
    println!(
        "\
A filter loads a field of 32 bits from the offset under \"Word\". Of a field of 64 bits, this is
the low half (``SECCOMP_EA_LO()``), and the high half is under \"High\" (``SECCOMP_EA_HI()``). A
smaller field is a part of its word, the bits in the mask. Fields at the same \"Offset\", which is
the one in the struct, are a union. All this is the same for 32-bit programs."
    );
    structures();
}

/// Prints the beginning of `scripts/eafilter/src/uapi.rs`.
fn tables(version: &str) {
    println!(
        "\
// SPDX-License-Identifier: GPL-2.0
// Made by scripts/reference from rust/table.rs, the headers and the tables of Linux {version}.
// Do not edit.

//! What user space sees of the kernel.

use crate::field::{{Field, Struct}};

/// The version of the kernel that all of this is from.
pub(crate) const KERNEL: (u32, u32) = ({}, {});

const fn field(name: &'static str, first: u32, width: u32) -> Field {{
    Field {{ name, first, width }}
}}

/// The structs of the module's calls.
pub(crate) static STRUCTS: &[Struct] = &[",
        uapi::LINUX_VERSION_MAJOR,
        uapi::LINUX_VERSION_PATCHLEVEL
    );
    for structure in fields::STRUCTS {
        let Struct { name, size, .. } = structure;
        println!("Struct {{ name: {name:?}, size: {size}, fields: &[");
        for field in all_fields(structure) {
            let name = field.name.trim_end_matches('_');
            println!("field({name:?}, {}, {}),", field.first, field.width);
        }
        println!("] }},");
    }
    println!("];");
}

fn main() {
    let version = format!(
        "{}.{}",
        uapi::LINUX_VERSION_MAJOR,
        uapi::LINUX_VERSION_PATCHLEVEL
    );

    match std::env::args().nth(1).as_deref() {
        Some("page") => page(&version),
        Some("tables") => tables(&version),
        _ => panic!("page or tables?"),
    }
}
