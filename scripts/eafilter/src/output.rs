// SPDX-License-Identifier: GPL-2.0

//! Where results go: all of them or nothing.

use crate::problem::Problem;
use std::{
    fmt::Display,
    fs::{self, Metadata, OpenOptions, Permissions},
    io::{self, ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Writes or replaces a file.
pub(crate) fn write(file: &Path, bytes: &[u8]) -> Result<(), Problem> {
    write_all(&[(file.into(), bytes.into())])
}

/// Writes or replaces files: none of them, unless there is room for all.
pub(crate) fn write_all(files: &[(PathBuf, Vec<u8>)]) -> Result<(), Problem> {
    let mut new = Vec::new();
    for (file, bytes) in files {
        new.push(prepare(file, bytes).map_err(|error| problem(file, &error))?);
    }
    for (prepared, (file, bytes)) in new.into_iter().zip(files) {
        let result = match prepared {
            Prepared::Replacement(new, target) => {
                new.persist(target).map(drop).map_err(io::Error::from)
            }
            Prepared::Special => OpenOptions::new()
                .write(true)
                .open(file)
                .and_then(|mut special| special.write_all(bytes)),
        };
        result.map_err(|error| problem(file, &error))?;
    }
    Ok(())
}

/// What is to be done to a file.
enum Prepared {
    /// The new file is there, and is to be called like this.
    Replacement(NamedTempFile, PathBuf),
    /// A device or a pipe, which stays what it is.
    Special,
}

fn prepare(file: &Path, bytes: &[u8]) -> io::Result<Prepared> {
    // It is not a link that is replaced, but the file that it leads to.
    let target = match fs::metadata(file).as_ref().map(Metadata::file_type) {
        Ok(found) if found.is_file() => fs::canonicalize(file)?,
        Ok(found) if found.is_dir() => return Err(ErrorKind::IsADirectory.into()),
        Ok(_) => return Ok(Prepared::Special),
        Err(_) if file.is_symlink() => return Err(ErrorKind::NotFound.into()),
        Err(_) => file.into(),
    };
    let directory = match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut new = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory)?;
    new.write_all(bytes)?;
    Ok(Prepared::Replacement(new, target))
}

fn problem(file: &Path, error: &io::Error) -> Problem {
    // The name of the temporary file says nothing to anybody.
    let message = error.to_string();
    let message = message.split(" at path \"").next().unwrap_or_default();
    Problem::new(message).of_file(file.display().to_string())
}

/// Writes a message to the standard error; if that takes none, nobody can be told.
pub(crate) fn say(message: impl Display) {
    let _ = writeln!(io::stderr(), "eafilter: {message}");
}

/// Writes to the standard output.
pub(crate) fn print(text: &str) -> Result<(), Problem> {
    print_bytes(text.as_bytes())
}

/// The same for what is no text.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Problem> {
    let mut output = io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Problem::new(error.to_string()).of_file("standard output"))
        }
        _ => Ok(()),
    }
}
