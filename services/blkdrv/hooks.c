/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hooks.c - whether volumes exist that misbehave on purpose: as the manifest says
 *
 * A file of its own, so that a test links another one (tests/disk/hooks.c) into the same driver.
 */
#include "caps_blkdrv.h"
#include "machine.h"

bool machine_test_hooks(void)
{
    return DOMAIN_TEST_HOOKS != 0;
}
