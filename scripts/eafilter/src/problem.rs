// SPDX-License-Identifier: GPL-2.0

//! What is wrong with the input.

use std::fmt;

/// A place in the input, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The name of the file, if it is known.
    file: Option<String>,
    /// Counted from one.
    line: Option<usize>,
    /// The part of the line, as in `syscalls[3].args[0].op`; may be empty.
    part: String,
    message: String,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            file: None,
            line: None,
            part: String::new(),
            message: message.into(),
        }
    }

    /// Names the file, unless it is known already.
    pub(crate) fn of_file(self, file: impl Into<String>) -> Self {
        Self {
            file: self.file.or_else(|| Some(file.into())),
            ..self
        }
    }

    pub(crate) fn at_line(self, line: usize) -> Self {
        Self {
            line: Some(line),
            ..self
        }
    }

    pub(crate) fn in_part(self, part: impl Into<String>) -> Self {
        Self {
            part: part.into(),
            ..self
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", visible(file))?;
        }
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if self.file.is_some() || self.line.is_some() {
            write!(f, " ")?;
        }
        if !self.part.is_empty() {
            write!(f, "{}: ", visible(&self.part))?;
        }
        f.write_str(&visible(&self.message))
    }
}

/// The text without control characters, which the input may have put there for the terminal.
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => visible.extend(character.escape_default()),
            false => visible.push(character),
        }
    }
    visible
}
