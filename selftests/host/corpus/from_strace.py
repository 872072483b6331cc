#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Prints the filters in the output of `strace -f -v -X raw -e trace=seccomp,prctl`.

Filters that differ from one before in nothing but constants are left out.
"""
import re
import sys

INSN = re.compile(r"BPF_(STMT|JUMP)\(([^()]*)\)")
names, seen = {}, set()


def number(text):
    """strace gives codes as their parts, such as 0x5|0|0x10."""
    return sum(int(part, 0) for part in text.split("|"))


for line in open(sys.argv[1], encoding="utf-8", errors="replace"):
    pid = line.split()[0]
    if name := re.search(r'prctl\(0xf, "([^"]*)"', line):
        names[pid] = name[1]
    insns = []
    for kind, operands in INSN.findall(line):
        code, k, *jumps = (number(operand) for operand in operands.split(", "))
        jt, jf = jumps if kind == "JUMP" else (0, 0)
        insns.append((code, jt, jf, k))
    shape = tuple(insn[:3] for insn in insns)
    if insns and shape not in seen:
        seen.add(shape)
        print(f"# {names.get(pid)}: {len(insns)} instructions")
        for insn in insns:
            print("0x%02x %u %u 0x%x" % insn)
