/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * boot.h - from power-on to init
 */
#ifndef BOOT_H
#define BOOT_H

#include "kernel.h"

void boot_init_domain(const struct bundle *bundle);
bool boot_option(const struct bundle *bundle, const char *word); /* is this word among the boot options? */

#endif
