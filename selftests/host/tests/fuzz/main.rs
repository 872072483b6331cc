// SPDX-License-Identifier: GPL-2.0

//! The module's pure parts against a reference of the contract, on inputs that were found by
//! coverage. `make fuzz` goes on looking for more; here those that are kept are run once more.

#![cfg_attr(not(test), no_main)]

use seccomp_ea_host_tests::subject;

mod check;
mod contract;
mod input;
mod judge;
mod machine;

/// One input of the fuzzer.
///
/// # Safety
///
/// `bytes` must be valid for reads of `length` bytes.
#[cfg(not(test))]
#[no_mangle]
unsafe extern "C" fn LLVMFuzzerTestOneInput(bytes: *const u8, length: usize) -> i32 {
    // SAFETY: By the safety requirement.
    check::check(unsafe { std::slice::from_raw_parts(bytes, length) });
    0
}

#[cfg(test)]
mod tests {
    use super::{check, contract, subject};

    /// Shown when a test panics.
    struct Input<'a>(&'a str);

    impl Drop for Input<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                println!("The input is {}", self.0);
            }
        }
    }

    /// Runs the inputs of a file, one a line.
    fn run(corpus: &str) {
        let mut count = 0;
        for line in corpus.lines().filter(|line| !line.starts_with('#')) {
            let input = Input(line);
            let digits = line.as_bytes().chunks(2);
            let byte = |digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16);
            let bytes: Vec<u8> = digits.map(|digits| byte(digits).unwrap()).collect();
            check::check(&bytes);
            drop(input);
            count += 1;
        }
        assert!(count > 0);
    }

    /// The fewest inputs that cover all that is known to be covered.
    #[test]
    fn corpus() {
        run(include_str!("../../corpus/fuzz.txt"));
    }

    /// Inputs that mistakes were found with, which were made on purpose.
    #[test]
    fn mutants() {
        run(include_str!("../../corpus/fuzz-mutants.txt"));
    }

    /// The rows are the same here and there, and in the same order.
    #[test]
    fn rows() {
        assert_eq!(contract::CALLS.len(), subject::ROWS);
        for (row, call) in contract::CALLS.iter().enumerate() {
            for (arch, number) in contract::ARCHS.into_iter().zip(call.numbers) {
                assert_eq!(subject::find(arch, number).unwrap().row, row);
            }
        }
    }
}
