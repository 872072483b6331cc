/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's harness, which gives a test 30 seconds. Most of those here are
 * spent waiting for a turn where the machine is busy, or the kernel checks itself.
 */
#include_next <kselftest_harness.h>

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300
