/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gpt_image.h - a disk image in memory with a GUID partition table, for tests to damage
 *
 * Offsets are from UEFI 2.10, tables 5.5 and 5.6; written apart from services/blkdrv/gpt.c on purpose.
 */
#ifndef TESTS_GPT_IMAGE_H
#define TESTS_GPT_IMAGE_H

#include <stdint.h>

enum {
    GPT_IMAGE_ENTRIES = 128,
    GPT_IMAGE_ENTRY_BYTES = 128,
    GPT_HEADER_CRC = 16,
    GPT_HEADER_MY_BLOCK = 24,
    GPT_HEADER_FIRST_USABLE = 40,
    GPT_HEADER_LAST_USABLE = 48,
    GPT_HEADER_ENTRIES_BLOCK = 72,
    GPT_HEADER_ENTRY_COUNT = 80,
    GPT_HEADER_ENTRY_BYTES = 84,
    GPT_HEADER_ENTRIES_CRC = 88,
    GPT_ENTRY_FIRST = 32,
    GPT_ENTRY_LAST = 40,
    GPT_ENTRY_NAME = 56,
};

struct gpt_image {
    uint8_t *bytes;
    uint64_t blocks;
    uint32_t block_bytes;
};

/* Empty tables, primary and backup. */
void gpt_image_make(struct gpt_image *image, uint8_t *bytes, uint64_t blocks, uint32_t block_bytes);
/* In both tables; blocks first..last. */
void gpt_image_partition(struct gpt_image *image, uint32_t number, const char *label, uint64_t first,
                         uint64_t last);
/* Checksums of both tables, after changes. */
void gpt_image_seal(struct gpt_image *image);
/* Where things are: backup 0 or 1. */
uint8_t *gpt_image_header(struct gpt_image *image, int backup);
uint8_t *gpt_image_entry(struct gpt_image *image, int backup, uint32_t number);
void put32(uint8_t *at, uint32_t value);
void put64(uint8_t *at, uint64_t value);

#endif
