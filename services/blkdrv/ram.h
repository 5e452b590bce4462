/* SPDX-License-Identifier: BSD-2-Clause */
/* ram.h - the slots of our CSpace in which ram.c keeps its Frames over a restart (machine.c) */
#ifndef BLKDRV_RAM_H
#define BLKDRV_RAM_H

#include "abi.h"

/* The first of RAM_CHUNKS_MAX. */
slot_t machine_ram_row(void);

#endif
