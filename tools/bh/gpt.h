/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gpt.h - the labels in a disk image's partition table
 *
 * The machine's blkdrv decides what is a volume; this look from outside only lets a mistyped label fail
 * before boot.
 */
#ifndef BH_GPT_H
#define BH_GPT_H

#include <stdbool.h>
#include <stdint.h>

#define GPT_LABELS_MAX 128u
#define GPT_LABEL_BYTES 40u

struct gpt {
    uint32_t count;
    char labels[GPT_LABELS_MAX][GPT_LABEL_BYTES]; /* ASCII; other characters are '?' */
};

/* Read them; ends the tool when the image cannot be read or has no GPT. */
void gpt_read(struct gpt *gpt, const char *path);

bool gpt_has(const struct gpt *gpt, const char *label);

/* "debian1, debian2", or "none". */
char *gpt_list(const struct gpt *gpt);

#endif
