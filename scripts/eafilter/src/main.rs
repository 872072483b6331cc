// SPDX-License-Identifier: GPL-2.0

//! The program; all of it is in the library, for the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    eafilter::main()
}
