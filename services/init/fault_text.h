/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault_text.h - a fault in words
 */
#ifndef INIT_FAULT_TEXT_H
#define INIT_FAULT_TEXT_H

#include <stdint.h>

#include "abi.h"

/* "NAME faulted: ESR 0x... (data abort, translation) at pc 0x..., address 0x..." from an exit message. */
void fault_text(char *text, uint32_t text_bytes, const char *name, const struct bh_msg *msg);

#endif
