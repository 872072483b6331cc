// SPDX-License-Identifier: GPL-2.0

//! JSON whose parts know where they are.

use crate::problem::Problem;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A document: the name of its file, its text, and where the lines of that end.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    file: &'a str,
    text: &'a str,
    ends: Vec<usize>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end).collect();
        Self { file, text, ends }
    }

    /// All of it.
    pub(crate) fn part(&'a self) -> Part<'a> {
        Part {
            document: self,
            text: self.text,
            path: String::new(),
        }
    }
}

/// A part of a document: the text of a value, and where that is.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    document: &'a Document<'a>,
    text: &'a str,
    /// The path to it, as in `syscalls[3]`; empty for the document.
    path: String,
}

/// Where a part is; this outlives the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    file: String,
    pub(crate) line: usize,
    path: String,
}

impl Place {
    /// What is wrong there.
    pub(crate) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::new(message)
            .of_file(self.file.as_str())
            .at_line(self.line)
            .in_part(self.path.as_str())
    }
}

impl<'a> Part<'a> {
    /// The member with this name, which has this value.
    pub(crate) fn member(&self, name: &str, value: &'a RawValue) -> Self {
        let separator = if self.path.is_empty() { "" } else { "." };
        Self {
            document: self.document,
            text: value.get(),
            path: format!("{}{separator}{name}", self.path),
        }
    }

    /// The elements of the array with this name.
    pub(crate) fn elements(
        &self,
        name: &str,
        values: &[&'a RawValue],
    ) -> impl Iterator<Item = Self> + use<'_, 'a> {
        let parts: Vec<Self> = values
            .iter()
            .enumerate()
            .map(|(index, value)| self.member(&format!("{name}[{index}]"), value))
            .collect();
        parts.into_iter()
    }

    /// The line it starts in, counted from one.
    pub(crate) fn line(&self) -> usize {
        let start = self.text.as_ptr() as usize - self.document.text.as_ptr() as usize;
        1 + self.document.ends.partition_point(|&end| end < start)
    }

    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        Place {
            file: self.document.file.into(),
            line: self.line(),
            path: self.path.clone(),
        }
    }

    /// What is wrong with it.
    pub(crate) fn problem(&self, message: impl Into<String>) -> Problem {
        self.place().problem(message)
    }

    /// The value.
    pub(crate) fn read<T: Deserialize<'a>>(&self) -> Result<T, Problem> {
        let mut deserializer = serde_json::Deserializer::from_str(self.text);
        let result = serde_path_to_error::deserialize(&mut deserializer);
        result
            .map_err(|error| (error.path().to_string(), error.into_inner()))
            .and_then(|value| match deserializer.end() {
                Ok(()) => Ok(value),
                Err(error) => Err((".".into(), error)),
            })
            .map_err(|(path, error)| self.refused(&path, &error))
    }

    fn refused(&self, path: &str, error: &serde_json::Error) -> Problem {
        let text = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        let path = match (self.path.as_str(), path) {
            // The whole, or a place that has no name yet.
            (outer, "." | "?") => outer.into(),
            ("", inner) => inner.into(),
            (outer, inner) => format!("{outer}.{inner}"),
        };
        let place = Place {
            file: self.document.file.into(),
            line: self.line() + error.line().saturating_sub(1),
            path,
        };
        place.problem(text.strip_suffix(&position).unwrap_or(&text))
    }
}
