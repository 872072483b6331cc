// SPDX-License-Identifier: GPL-2.0

//! Docker's own default profile, of which there is no copy here.

use std::fs;

const FILE: &str = "/usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json";

/// Its text.
pub fn text() -> String {
    fs::read_to_string(FILE).unwrap_or_else(|error| {
        panic!(
            "{FILE}: {error}: the build root has it from the Debian package \
             golang-github-docker-docker-dev (scripts/packages-data)"
        )
    })
}
