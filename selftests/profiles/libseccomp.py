# SPDX-License-Identifier: GPL-2.0
"""Compiles profiles with libseccomp, as runc does it.

Reads one request a line, in JSON: {"profile": ..., "caps": [...], "kernel": [7, 3]}. Writes the
filter for each in hexadecimal digits, the shorter one of libseccomp's two, or why there is none.
"""

import ctypes
import json
import os
import sys
import tempfile

LIBRARY = ctypes.CDLL("libseccomp.so.2", use_errno=True)
LIBRARY.seccomp_init.restype = ctypes.c_void_p

ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
OPERATORS = [
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
]
ARCHITECTURES = {"SCMP_ARCH_X86": 0x40000003, "SCMP_ARCH_X32": 0x4000003E}
CTL_OPTIMIZE = 8


class Comparison(ctypes.Structure):
    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    ]


def action(name, errno):
    value = ACTIONS[name]
    if name in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        value |= 1 if errno is None else errno
    return value


def applies(rule, request):
    """Whether Docker keeps the rule."""

    def new(scope):
        return request["kernel"] >= [int(part) for part in scope["minKernel"].split(".")]

    out = rule.get("excludes") or {}
    if "amd64" in (out.get("arches") or []) or set(out.get("caps") or []) & set(request["caps"]):
        return False
    if "minKernel" in out and new(out):
        return False
    into = rule.get("includes") or {}
    if into.get("arches") and "amd64" not in into["arches"]:
        return False
    if set(into.get("caps") or []) - set(request["caps"]):
        return False
    return "minKernel" not in into or new(into)


def comparison(arg):
    operator = 1 + OPERATORS.index(arg["op"])
    return Comparison(arg["index"], operator, arg["value"], arg.get("valueTwo", 0))


def must(result):
    if result < 0:
        raise OSError(-result, os.strerror(-result))


def add_rule(context, rule, default):
    value = action(rule["action"], rule.get("errnoRet"))
    args = rule.get("args") or []
    groups = [args]
    if len({arg["index"] for arg in args}) < len(args):
        groups = [[arg] for arg in args]
    for name in rule["names"]:
        number = LIBRARY.seccomp_syscall_resolve_name(name.encode())
        if value == default or number == -1:
            continue
        for group in groups:
            array = (Comparison * len(group))(*map(comparison, group))
            must(
                LIBRARY.seccomp_rule_add_array(
                    ctypes.c_void_p(context), ctypes.c_uint32(value), number, len(group), array
                )
            )


def export(request, optimize):
    profile = request["profile"]
    default = action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    names = list(profile.get("architectures") or [])
    for entry in profile.get("archMap") or []:
        if entry["architecture"] == "SCMP_ARCH_X86_64":
            names += entry["subArchitectures"]
    context = LIBRARY.seccomp_init(ctypes.c_uint32(default))
    try:
        for name in names:
            if name in ARCHITECTURES:
                token = ctypes.c_uint32(ARCHITECTURES[name])
                must(LIBRARY.seccomp_arch_add(ctypes.c_void_p(context), token))
        must(LIBRARY.seccomp_attr_set(ctypes.c_void_p(context), CTL_OPTIMIZE, optimize))
        for rule in profile.get("syscalls") or []:
            if applies(rule, request):
                add_rule(context, rule, default)
        with tempfile.TemporaryFile() as file:
            must(LIBRARY.seccomp_export_bpf(ctypes.c_void_p(context), file.fileno()))
            file.seek(0)
            return file.read()
    finally:
        LIBRARY.seccomp_release(ctypes.c_void_p(context))


for line in sys.stdin:
    try:
        filters = [export(json.loads(line), optimize) for optimize in (1, 2)]
        print(min(filters, key=len).hex())
    except OSError as error:
        print("error:", error.strerror)
