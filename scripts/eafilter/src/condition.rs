// SPDX-License-Identifier: GPL-2.0

//! What a rule asks of a call.

use crate::{
    architecture::Architecture,
    decision::{Graph, Id, Test},
    field::{Field, Struct},
    layout,
};
use serde::Deserialize;

/// How two values are compared, as numbers without a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Operator {
    #[serde(rename = "SCMP_CMP_NE")]
    NotEqual,
    #[serde(rename = "SCMP_CMP_LT")]
    Less,
    #[serde(rename = "SCMP_CMP_LE")]
    LessOrEqual,
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    #[serde(rename = "SCMP_CMP_GE")]
    GreaterOrEqual,
    #[serde(rename = "SCMP_CMP_GT")]
    Greater,
    /// The value under a mask.
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEqual,
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject {
    /// The argument with this index.
    Argument(usize),
    Field(&'static Field),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Condition {
    Compare {
        subject: Subject,
        operator: Operator,
        /// With [`Operator::MaskedEqual`] the mask, and else what is compared with.
        value: u64,
        /// With [`Operator::MaskedEqual`] what is compared with.
        masked: u64,
    },
    /// All behind what the headers have of the struct is zero.
    ZeroTail(&'static Struct),
    /// An argument of i386, by the bits that count.
    Part { index: usize, mask: u32, value: u32 },
}

/// A value in words of a filter's data.
struct Words {
    high: Option<u32>,
    low: u32,
    /// The bits of the low word that are its own, and how far they are shifted.
    mask: u32,
    shift: u32,
}

/// The offset of the low word of an argument in `struct seccomp_data`.
fn argument(index: usize) -> u32 {
    16 + 8 * index as u32
}

impl Condition {
    /// Whether it looks at the struct.
    pub(crate) fn is_about_struct(&self) -> bool {
        match self {
            Condition::Compare { subject, .. } => matches!(subject, Subject::Field(_)),
            Condition::ZeroTail(_) => true,
            Condition::Part { .. } => false,
        }
    }

    /// The offset of what it asks for.
    pub(crate) fn place(&self) -> u32 {
        match *self {
            Condition::Compare {
                subject: Subject::Argument(index),
                ..
            }
            | Condition::Part { index, .. } => argument(index),
            Condition::Compare {
                subject: Subject::Field(field),
                ..
            } => field.word(),
            Condition::ZeroTail(_) => layout::TAIL,
        }
    }

    /// A decision that goes on to `yes` if the condition holds, or else to `no`.
    pub(crate) fn decide(
        &self,
        graph: &mut Graph,
        architecture: Architecture,
        yes: Id,
        no: Id,
    ) -> Id {
        match *self {
            Condition::Compare {
                subject,
                operator,
                value,
                masked,
            } => {
                let words = subject.words(architecture);
                words.decide(graph, operator, value, masked, yes, no)
            }
            Condition::ZeroTail(structure) => {
                let tail = Test::at_least(layout::TAIL, u32::MAX, structure.size + 1);
                graph.test(tail, no, yes)
            }
            Condition::Part { index, mask, value } => {
                graph.test(Test::equal(argument(index), mask, value), yes, no)
            }
        }
    }
}

impl Subject {
    fn words(self, architecture: Architecture) -> Words {
        match self {
            Subject::Argument(index) => Words {
                high: architecture.is_wide().then_some(argument(index) + 4),
                low: argument(index),
                mask: u32::MAX,
                shift: 0,
            },
            Subject::Field(field) => Words {
                high: field.is_wide().then_some(field.word() + 4),
                low: field.word(),
                mask: field.mask(),
                shift: field.shift(),
            },
        }
    }
}

impl Words {
    fn decide(
        &self,
        graph: &mut Graph,
        operator: Operator,
        value: u64,
        masked: u64,
        yes: Id,
        no: Id,
    ) -> Id {
        let low = |value: u64| (value as u32) << self.shift;
        let high = |value: u64| (value >> 32) as u32;
        let at_least = |value| Test::at_least(self.low, self.mask, low(value));
        match operator {
            Operator::NotEqual => self.decide(graph, Operator::Equal, value, 0, no, yes),
            Operator::Less => self.decide(graph, Operator::GreaterOrEqual, value, 0, no, yes),
            Operator::LessOrEqual => self.decide(graph, Operator::Greater, value, 0, no, yes),
            Operator::Equal => self.decide(graph, Operator::MaskedEqual, u64::MAX, value, yes, no),
            Operator::MaskedEqual => {
                let equal = Test::equal(self.low, self.mask & low(value), low(masked));
                let equal = graph.test(equal, yes, no);
                match self.high {
                    Some(word) => {
                        let test = Test::equal(word, high(value), high(masked));
                        graph.test(test, equal, no)
                    }
                    None => equal,
                }
            }
            Operator::Greater | Operator::GreaterOrEqual => {
                // One more than the value is more than the word can hold, if it is its largest.
                let lowest = match operator {
                    Operator::Greater if value as u32 == self.mask >> self.shift => None,
                    Operator::Greater => Some(at_least(value + 1)),
                    _ => Some(at_least(value)),
                };
                let same = match lowest {
                    Some(test) => graph.test(test, yes, no),
                    None => no,
                };
                let Some(word) = self.high else {
                    return same;
                };
                let same = graph.test(Test::equal(word, u32::MAX, high(value)), same, no);
                match high(value).checked_add(1) {
                    Some(above) => graph.test(Test::at_least(word, u32::MAX, above), yes, same),
                    None => same,
                }
            }
        }
    }
}
