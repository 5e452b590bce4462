/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gpt.h - a GUID partition table, judged (UEFI 2.10, chapter 5)
 *
 * The disk's contents are hostile: whatever they say, every partition that gpt_read returns lies inside the
 * disk's usable blocks, overlaps no other and has a label that no other has.
 */
#ifndef BLKDRV_GPT_H
#define BLKDRV_GPT_H

#include <stddef.h>
#include <stdint.h>

#include "../../lib/abi/status.h"

#define GPT_LABEL_BYTES 37u /* 36 characters and the end */
#define GPT_BLOCK_MAX 4096u

struct gpt_partition {
    char label[GPT_LABEL_BYTES]; /* printable ASCII; other characters became '?'; "partN" if there was none */
    uint64_t first;              /* logical block */
    uint64_t blocks;
};

struct gpt {
    /* Reads one logical block. */
    enum status (*read)(void *context, uint64_t block, void *buffer);
    void *context;
    uint32_t block_bytes; /* 512..GPT_BLOCK_MAX, a power of two */
    uint64_t blocks;      /* of the disk */

    struct gpt_partition *partitions; /* the result */
    uint32_t partitions_max;
    uint32_t count;
    uint32_t ignored; /* partitions that were out of bounds, overlapped or did not fit */
    char why[120];    /* what was wrong with the tables, or empty */
    uint8_t block[GPT_BLOCK_MAX];
};

/* Primary table, or else the backup at the disk's end.  ERR_IO: no block could be read.  ERR_ARG: no good
 * table. */
enum status gpt_read(struct gpt *gpt) BH_NODISCARD;

#endif
