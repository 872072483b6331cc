# SPDX-License-Identifier: GPL-2.0
"""Says what a Python program can do under a filter, in a line for each thing."""

import ctypes
import os
import struct
import subprocess
import sys
import tempfile
import threading

SYS_CLONE3 = 435
SYS_OPENAT2 = 437
CLONE_NEWUTS = 0x04000000
AT_FDCWD = -100
SIGCHLD = 17

LIBC = ctypes.CDLL(None, use_errno=True)


def outcome(result):
    return "done" if result >= 0 else os.strerror(ctypes.get_errno())


def clone3(flags):
    """A process by clone3, with a struct of the first version."""
    args = ctypes.create_string_buffer(struct.pack("8Q", flags, 0, 0, 0, SIGCHLD, 0, 0, 0))
    pid = LIBC.syscall(SYS_CLONE3, args, ctypes.c_size_t(64))
    if pid == 0:
        os._exit(0)
    if pid > 0:
        os.waitpid(pid, 0)
    return outcome(pid)


def openat2(path, mode):
    """A new file by openat2."""
    how = ctypes.create_string_buffer(struct.pack("3Q", os.O_CREAT | os.O_RDWR, mode, 0))
    return outcome(
        LIBC.syscall(SYS_OPENAT2, AT_FDCWD, path.encode(), how, ctypes.c_size_t(24))
    )


def threads():
    done = []
    try:
        started = [threading.Thread(target=done.append, args=(i,)) for i in range(4)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
    except RuntimeError as error:
        return str(error)
    return f"{len(done)} done"


def change_mode(path):
    try:
        os.chmod(path, 0o4755)
    except OSError as error:
        return error.strerror
    return "done"


def files():
    with tempfile.TemporaryDirectory() as directory:
        print("python, openat2 of a file:", openat2(f"{directory}/plain", 0o644))
        print("python, openat2 of a set-user-ID file:", openat2(f"{directory}/suid", 0o4755))
        with open(f"{directory}/other", "w"):
            print("python, chmod to set-user-ID:", change_mode(f"{directory}/other"))


if sys.argv[1:] == ["files"]:
    files()
else:
    print("python, threads:", threads())
    print("python, a process by clone3:", clone3(0))
    print("python, a namespace by clone3:", clone3(CLONE_NEWUTS))
    print("python, a command:", subprocess.check_output(["echo", "done"], text=True).strip())
