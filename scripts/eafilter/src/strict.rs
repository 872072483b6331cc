// SPDX-License-Identifier: GPL-2.0

//! Values in JSON in the one form that profiles have for them. By itself serde takes an array for an
//! object too, and an object for a name.

use serde::{
    de::{
        value::{MapAccessDeserializer, StrDeserializer},
        Error, MapAccess, Visitor,
    },
    Deserialize, Deserializer,
};
use std::{fmt, marker::PhantomData};

/// An object.
pub(crate) struct Object<T>(pub(crate) T);

/// A string that stands for one of a few values.
#[derive(Clone, Copy)]
pub(crate) struct Word<T>(pub(crate) T);

/// A whole number up to `MAX`.
#[derive(Clone, Copy)]
pub(crate) struct Number<const MAX: u64>(pub(crate) u64);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer
            .deserialize_map(Members(PhantomData))
            .map(Object)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Text<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
                T::deserialize(StrDeserializer::new(text))
            }
        }

        deserializer.deserialize_str(Text(PhantomData)).map(Word)
    }
}

impl<'de, const MAX: u64> Deserialize<'de> for Number<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole<const MAX: u64>;

        impl<const MAX: u64> Visitor<'_> for Whole<MAX> {
            type Value = u64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 0 to {MAX}")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
                match number <= MAX {
                    true => Ok(number),
                    false => Err(E::invalid_value(
                        serde::de::Unexpected::Unsigned(number),
                        &self,
                    )),
                }
            }
        }

        deserializer.deserialize_u64(Whole::<MAX>).map(Number)
    }
}
