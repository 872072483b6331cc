# SPDX-License-Identifier: GPL-2.0
#
# For people; kbuild reads Kbuild. Every target sets up first what it needs.

define HELP
  make             build seccomp_ea.ko for the kernel that is chosen below
  make run         boot that kernel, show what filters can do without the module and with it
  make test        all tests, T="NAME..." for some: $(TESTS)
  make debug-test  the same with KASAN, lockdep and more, and a search for leaks, in a kernel that
                   it builds with clang first (15 minutes, 4 GB)
  make kcsan-test  the same in another one that finds data races
  make matrix      the same as make test on the two newest packaged series, amd64 and cloud, and
                   on a kernel by clang; KERNELS="7.3-cloud clang" for some (two hours, 15 GB)
  make stress      the tests stress and stress_text, ten minutes for each thing that they do to
                   filtered threads (STRESS_SECONDS=600)
  make bench       what calls cost with the module and without it, into
                   Documentation/performance (6 minutes)
  make install-test  install the module's package on an ordinary Debian machine in QEMU, load
                   the module, use it, unload it, remove the package (20 minutes, 5 GB)
  make shell       a shell in the guest, with the module loaded
  make install     the module, for the kernel that runs or the one that is chosen below, and its
                   header into DESTDIR= (none), PREFIX= (/usr/local); signed if SIGN_KEY= and
                   SIGN_CERT= are given. make uninstall removes the module, and the header with
                   the last one.
  make deb         a package of the source, for DKMS
  make mutants     remove guards of the module, one at a time, and see which test goes red;
                   MUTANT="NAME..." for some (selftests/mutants)
  make check       formatting, warnings, style, spelling, host tests
  make patches     each commit that is not published yet (RANGE=A..B for others), as a patch
                   that is mailed: does it apply, does it build
  make rustdoc     the documentation of the crate's insides, for browsers
  make rust-analyzer  rust-project.json, for editors that speak to rust-analyzer
  make fuzz        random filters against a reference of the contract, for FUZZ_SECONDS=60, or
                   FUZZ_RUNS=N; FUZZ_KEEP=y puts what is found into the corpus of the host tests
  make eafilter    build/eafilter: write, check and try filters (Documentation/eafilter.rst)
  make reference   Documentation/calls.rst and eafilter's tables anew, after a change of the table
  make vars        where the module, kernel, kernel tree and build root are
  make update      look for a newer kernel package
  make clean       remove what was built here (not what was downloaded, see below)

The kernel is the newest in Debian's trixie-backports that is built with Rust.
  KVER=7.2.12+deb13-amd64   another packaged version, as its headers package is called
  KVER=cloud                the newest of another flavour; KVER=7.3 of a series, KVER=7.3-cloud of both
  KDIR=DIR                  your own prepared kernel tree, built with your own tools (CC=, LLVM=
                            and RUSTC= reach its make); run and test boot its bzImage, with QEMU
                            and the tests from the build root
  DEBUG_KERNEL=y            the kernel of debug-test, for other commands; kcsan is that of kcsan-test
  TEST_LIMIT=900            seconds after which a test in the guest is killed

Downloads and the build root (about 3 GB) are kept in $${XDG_CACHE_HOME:-~/.cache}/seccomp-ea,
which can be removed at any time. Only what is missing there needs the network.
endef

# What is given on the command line reaches the scripts through the environment.
export KVER KDIR DEBUG_KERNEL T TEST_LIMIT DESTDIR PREFIX SIGN_KEY SIGN_CERT

TESTS = host $(shell $(MAKE) -s --no-print-directory -C selftests list) thunks bench

TEST_PARTS = module $(if $(filter sandboxes,$(or $(T),sandboxes)),eafilter) selftests

all:
	@scripts/build module

run shell:
	@scripts/build module selftests
	@qemu/boot $@

test:
	@[ "$(T)" = host ] && scripts/build || scripts/build $(TEST_PARTS)
	@qemu/boot test

# The same on kernels of our own that find more mistakes: see qemu/*.config.
debug-test: export DEBUG_KERNEL = y
kcsan-test: export DEBUG_KERNEL = kcsan
debug-test kcsan-test: export TEST_LIMIT := $(or $(TEST_LIMIT),1800)

# Otherwise these two do everything for some seconds only.
stress: export T = stress stress_text
stress: export STRESS_SECONDS := $(or $(STRESS_SECONDS),600)
stress: export TEST_LIMIT := $(or $(TEST_LIMIT),7200)

debug-test kcsan-test stress:
	@scripts/build $(TEST_PARTS)
	@qemu/boot test

bench:
	@scripts/build module selftests
	@qemu/boot bench
	@scripts/bench

matrix:
	@scripts/matrix $(KERNELS)

install uninstall: export KVER := $(or $(KVER),$(if $(KDIR),,$(shell uname -r)))

install:
	@scripts/install

uninstall:
	@scripts/install remove

deb:
	@scripts/deb

install-test:
	@qemu/install

mutants:
	@scripts/mutate $(MUTANT)

check:
	@scripts/check

patches:
	@scripts/patches $(RANGE)

rustdoc:
	@scripts/build module rustdoc

rust-analyzer:
	@scripts/rust-analyzer

fuzz:
	@scripts/fuzz

eafilter:
	@scripts/build eafilter

reference:
	@scripts/reference

vars:
	@scripts/build module >&2
	@scripts/vars

update:
	@rm -f "$${XDG_CACHE_HOME:-$$HOME/.cache}/seccomp-ea/resolved/$(or $(KVER),newest)-"*
	@scripts/setup

clean:
	@rm -rf build seccomp_ea.ko rust-project.json

help:
	$(info $(HELP))@:

.PHONY: all run shell test debug-test kcsan-test matrix stress bench install uninstall deb \
	install-test mutants check patches rustdoc rust-analyzer fuzz eafilter reference vars update clean help
