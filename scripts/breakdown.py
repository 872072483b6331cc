# SPDX-License-Identifier: GPL-2.0
"""Counts what the emulator has written down, function by function."""

import bisect
import collections
import re

EXECUTED = re.compile(r"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/")
# What was to be executed when an interrupt came in between is written down again.
STOPPED = "Stopped execution"
KERNEL_HALF = 1 << 63
PROGRAM = "(program)"
# What the kernel makes of filters has no name, and is far from all that has one.
FILTER = "(filters)"
LONGEST_FUNCTION = 1 << 14
# rustc tells crates of one name apart.
CRATE_HASH = re.compile(r"\[[0-9a-f]{8,}\]")


class Symbols:
    """Which function an address belongs to: lines of an address and a name."""

    def __init__(self, lines):
        names = {}
        for line in lines:
            address, name = line.strip().split(maxsplit=1)
            # Before each function there is room for a call; it is never executed.
            if not name.startswith("__pfx_"):
                names.setdefault(int(address, 16), CRATE_HASH.sub("", name))
        self.addresses = sorted(names)
        self.names = [names[address] for address in self.addresses]

    def address_of(self, name):
        """Where something begins."""
        return self.addresses[self.names.index(name)]

    def find(self, address):
        """The name of the function at an address."""
        if address < KERNEL_HALF:
            return PROGRAM
        index = bisect.bisect_right(self.addresses, address) - 1
        if address - self.addresses[index] > LONGEST_FUNCTION:
            return FILTER
        return self.names[index]


def calls_of(path, begin, end):
    """The addresses that were executed, for each of the calls between two marks."""
    calls, current = [], None
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = EXECUTED.match(line)
            if match:
                address = int(match[1], 16)
                if address == begin:
                    current = []
                elif address == end and current is not None:
                    calls.append(current)
                    current = None
                if current is not None:
                    current.append(address)
            elif line.startswith(STOPPED) and current:
                current.pop()
    return calls


def breakdown(symbols, path):
    """How many instructions each function executes in a call; the median one counts.

    Each iteration of an instruction that is repeated (rep movsb) is one.
    """
    begin, end = symbols.address_of("trace_begins"), symbols.address_of("trace_ends")
    calls = sorted(calls_of(path, begin, end), key=len)
    return collections.Counter(map(symbols.find, calls[len(calls) // 2]))
