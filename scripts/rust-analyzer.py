# SPDX-License-Identifier: GPL-2.0
"""rust-analyzer.py PROJECT CRATE BINDINGS ROOT: completes what the kernel's target makes.

The kernel's generator takes a file for a crate if a Kbuild beside it names it, and ours is
named by the one at the top of the checkout. It does not know of the bindings either.
The compiler's own crates are below ROOT. Fails if there is no file where one is named."""

import json
import os
import sys

project_file, crate_file, bindings, root = sys.argv[1:]

with open(project_file, encoding="utf-8") as file:
    project = json.load(file)
crates = project["crates"]
prefix = project["sysroot"].rstrip("/") + "/"


def outside(path):
    """A path of the build root, as it is outside."""
    return root + path if path.startswith(prefix + "lib/") else path


for crate in crates:
    crate["root_module"] = outside(crate["root_module"])
    # The kernel is there to be read, not to be judged.
    crate["is_workspace_member"] = False
project["sysroot"] = root + project["sysroot"]

# As scripts/Makefile.build has every module compiled.
EXTERN = ("core", "kernel", "pin_init", "zerocopy", "zerocopy_derive")
names = [crate["display_name"] for crate in crates]
kernel = crates[names.index("kernel")]
crates.append({
    "display_name": os.path.splitext(os.path.basename(crate_file))[0],
    "root_module": crate_file,
    "is_workspace_member": True,
    "deps": [{"crate": names.index(name), "name": name} for name in EXTERN if name in names],
    "cfg": kernel["cfg"] + ["MODULE"],
    "edition": "2021",
    "env": {**kernel["env"], "SECCOMP_EA_BINDINGS": bindings},
    "source": {
        "include_dirs": [os.path.dirname(crate_file), os.path.dirname(bindings)],
        "exclude_dirs": [],
    },
})

for crate in crates:
    for path in (crate["root_module"], crate.get("proc_macro_dylib_path"),
                 crate["env"].get("SECCOMP_EA_BINDINGS")):
        if path and not os.path.exists(path):
            sys.exit(f"{crate['display_name']}: there is no {path}")

json.dump(project, sys.stdout, sort_keys=True, indent=4)
