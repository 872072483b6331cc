// SPDX-License-Identifier: GPL-2.0

//! Says what a Rust program can do under a filter, in a line for each thing.

use std::{
    ffi::{c_int, c_long, c_void},
    io, process, ptr, thread,
};

const SYS_CLONE3: c_long = 435;
const CLONE_NEWUTS: u64 = 0x0400_0000;
const SIGCHLD: u64 = 17;

extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn _exit(status: c_int) -> !;
}

/// A process by clone3, with a struct of the first version.
fn clone3(flags: u64) -> String {
    let args: [u64; 8] = [flags, 0, 0, 0, SIGCHLD, 0, 0, 0];
    // SAFETY: There is one thread, so the child may do anything, and `args` lives as long as the call.
    let pid = unsafe {
        syscall(
            SYS_CLONE3,
            args.as_ptr().cast::<c_void>(),
            size_of_val(&args),
        )
    };
    match pid {
        // SAFETY: That is for a child to do.
        0 => unsafe { _exit(0) },
        -1 => {
            let error = io::Error::last_os_error().to_string();
            error.split(" (os").next().unwrap_or_default().into()
        }
        pid => {
            // SAFETY: No status is asked for.
            unsafe { waitpid(pid as c_int, ptr::null_mut(), 0) };
            "done".into()
        }
    }
}

fn threads() -> io::Result<usize> {
    let started: Vec<_> = (0..4)
        .map(|_| thread::Builder::new().spawn(|| ()))
        .collect::<io::Result<_>>()?;
    Ok(started
        .into_iter()
        .filter_map(|thread| thread.join().ok())
        .count())
}

fn main() {
    println!("rust, a process by clone3: {}", clone3(0));
    println!("rust, a namespace by clone3: {}", clone3(CLONE_NEWUTS));
    match threads() {
        Ok(count) => println!("rust, threads: {count} done"),
        Err(error) => println!("rust, threads: {error}"),
    }
    let done = process::Command::new("echo")
        .arg("rust, a command: done")
        .status();
    process::exit(i32::from(!done.is_ok_and(|status| status.success())));
}
