/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * program.h - a service's ELF file, digested for the machine (which has no ELF parser)
 */
#ifndef BH_PROGRAM_H
#define BH_PROGRAM_H

#include <stdint.h>

#include "bundle.h"
#include "file.h"

/* Fill `module`'s kind, entry and segments (offsets from the module's start) and return the module's bytes,
 * of module->size, page-aligned; ends the tool when the file is not a static AArch64 program as
 * lib/bh/service.ld makes. */
uint8_t *program_digest(const struct file *elf, struct bundle_module *module);

#endif
