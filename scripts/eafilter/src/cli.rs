// SPDX-License-Identifier: GPL-2.0

//! The command line.

use crate::{
    check, disasm, explain, filter, manual, output,
    problem::Problem,
    run, sim,
    source::{self, Options, Source},
    syscall,
};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use std::{
    ffi::OsString,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Writes, checks and tries seccomp filters that look at the structs of system calls.
///
/// A FILTER is a compiled filter, as `compile` and seccomp_export_bpf(3) write it, or a profile, which
/// is compiled first; "-" is the standard input. Bad input ends each command with the exit status 2.
#[derive(Parser)]
#[command(name = "eafilter", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a filter of a profile
    ///
    /// The filter is an array of struct sock_filter, as bwrap --seccomp and minijail0
    /// --seccomp-bpf-binary take it.
    Compile {
        /// The profile: OCI's seccomp JSON, or Docker's
        #[arg(value_name = "PROFILE")]
        file: PathBuf,
        /// Where the filter goes, in place of the standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        options: Options,
    },
    /// Say whether a kernel with the module takes a filter, and if not, why
    ///
    /// The exit status is 1 if it does not.
    Check {
        #[command(flatten)]
        filter: Source,
        /// A call that the kernel does not have
        #[arg(long, value_name = "CALL", value_delimiter = ',')]
        absent: Vec<String>,
    },
    /// Show the instructions of a filter
    Disasm {
        #[command(flatten)]
        filter: Source,
    },
    /// Say what a filter answers to calls
    ///
    /// A call is a line of text: [ABI:]NAME [PLACE=VALUE]... The ABI is x86-64, i386 or x32. A place
    /// is a field of the struct, args[N], or at[N] for the word at an offset in the struct; error=EFAULT
    /// stands for a struct that cannot be read. What is not named is zero, but for the size and the
    /// address of the struct.
    Sim {
        #[command(flatten)]
        filter: Source,
        /// Calls, such as "clone3 flags=0x10000000"
        #[arg(value_name = "CALL", required_unless_present = "calls_from")]
        calls: Vec<String>,
        /// A file with a call in each line; # starts a remark
        #[arg(long, value_name = "FILE")]
        calls_from: Option<PathBuf>,
    },
    /// Say what a filter does with each call that has a struct
    Explain {
        #[command(flatten)]
        filter: Source,
        /// Only these calls
        #[arg(value_name = "CALL")]
        calls: Vec<String>,
    },
    /// Run a command under a filter
    ///
    /// The command cannot get more privileges by executing a file.
    Run {
        #[command(flatten)]
        filter: Source,
        /// The command and its arguments
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Write a completion script for a shell
    Completion { shell: Shell },
    /// Write the man pages into a directory
    Man {
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

fn compile(file: &Path, output: Option<&Path>, options: &Options) -> Result<(), Problem> {
    let program = options.compile(file)?;
    let bytes = filter::to_bytes(&program);
    match output.filter(|output| *output != Path::new("-")) {
        Some(output) => output::write(output, &bytes),
        None if io::stdout().is_terminal() => Err(Problem::new(
            "a filter is no text for a terminal: give --output, or look at it by disasm",
        )),
        None => output::print_bytes(&bytes),
    }
}

/// Prints the verdict; returns whether the filter is accepted.
fn check(filter: &Source, absent: &[String]) -> Result<bool, Problem> {
    syscall::check_with_struct(absent)?;
    let program = filter.read()?;
    let (is_accepted, verdict) = match check::check(&program, absent) {
        Ok(accepted) => (true, accepted.to_string()),
        Err(refused) => (false, refused.to_string()),
    };
    output::print(&format!("{}: {verdict}\n", source::name(&filter.file)))?;
    Ok(is_accepted)
}

fn execute(command: &Command) -> Result<ExitCode, Problem> {
    match command {
        Command::Compile {
            file,
            output,
            options,
        } => compile(file, output.as_deref(), options)?,
        Command::Check { filter, absent } => {
            return check(filter, absent).map(|accepted| ExitCode::from(u8::from(!accepted)));
        }
        Command::Disasm { filter } => {
            let program = filter.read()?;
            output::print(&disasm::disasm(&program))?;
        }
        Command::Sim {
            filter,
            calls,
            calls_from,
        } => {
            let program = filter.read_accepted()?;
            output::print(&sim::sim(&program, calls, calls_from.as_deref())?)?;
        }
        Command::Explain { filter, calls } => {
            syscall::check_with_struct(calls)?;
            output::print(&explain::explain(&filter.read_accepted()?, calls))?;
        }
        Command::Run { filter, command } => {
            let program = filter.read()?;
            match run::run(&source::name(&filter.file), &program, command)? {}
        }
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "eafilter", &mut script);
            output::print_bytes(&script)?;
        }
        Command::Man { directory } => manual::write(Cli::command(), directory)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    execute(&cli.command).unwrap_or_else(|problem| {
        output::say(problem);
        ExitCode::from(2)
    })
}
