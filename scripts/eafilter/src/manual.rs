// SPDX-License-Identifier: GPL-2.0

//! The man pages.

use crate::{output, problem::Problem};
use clap::Command;
use std::path::Path;

/// Writes a page for the program, and one for each of its commands.
pub(crate) fn write(mut command: Command, directory: &Path) -> Result<(), Problem> {
    command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = vec![("eafilter".to_owned(), command.clone())];
    for subcommand in command.get_subcommands() {
        let name = format!("eafilter-{}", subcommand.get_name());
        pages.push((name, subcommand.clone()));
    }
    let mut files = Vec::new();
    for (name, command) in pages {
        let file = directory.join(format!("{name}.1"));
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| Problem::new(error.to_string()).of_file(file.display().to_string()))?;
        files.push((file, page));
    }
    output::write_all(&files)
}
