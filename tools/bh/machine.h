/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.h - QEMU with the boot image, its serial line on stdin and stdout
 */
#ifndef BH_MACHINE_H
#define BH_MACHINE_H

#include "options.h"

/* Run the machine to its end; returns the tool's exit status. */
int machine_run(const struct options *options, int image_fd);

#endif
