/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iospace.h - what sys_iospace.c asks of an IO space
 */
#ifndef KERNEL_IOSPACE_H
#define KERNEL_IOSPACE_H

#include "kernel.h"

/* `attributes` (RIGHT_READ, RIGHT_WRITE, MAP_UNCACHED) have been judged.  ERR_FULL, ERR_MEM: nothing changed.
 */
enum status iospace_map(struct iospace *iospace, struct slot *frame, uint64_t iova, uint32_t attributes);

#endif
