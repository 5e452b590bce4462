/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gpt_image.c - see gpt_image.h
 */
#include <string.h>

#include "gpt_image.h"

void put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

void put64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

/* Bit by bit, as the polynomial is written: not the driver's way. */
static uint32_t crc_of(const uint8_t *bytes, uint64_t size)
{
    uint32_t crc = UINT32_MAX;

    for (uint64_t i = 0; i < size * 8; i++) {
        uint32_t in = (uint32_t)bytes[i / 8] >> i % 8 & 1u;

        crc = (crc ^ in) & 1u ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

static uint64_t table_blocks(const struct gpt_image *image)
{
    return GPT_IMAGE_ENTRIES * GPT_IMAGE_ENTRY_BYTES / image->block_bytes;
}

static uint64_t entries_block(const struct gpt_image *image, int backup)
{
    return backup ? image->blocks - 1 - table_blocks(image) : 2;
}

uint8_t *gpt_image_header(struct gpt_image *image, int backup)
{
    return image->bytes + (backup ? image->blocks - 1 : 1) * image->block_bytes;
}

uint8_t *gpt_image_entry(struct gpt_image *image, int backup, uint32_t number)
{
    return image->bytes + entries_block(image, backup) * image->block_bytes + number * GPT_IMAGE_ENTRY_BYTES;
}

void gpt_image_seal(struct gpt_image *image)
{
    for (int backup = 0; backup < 2; backup++) {
        uint8_t *header = gpt_image_header(image, backup);
        uint64_t size =
            (uint64_t)get32(header + GPT_HEADER_ENTRY_COUNT) * get32(header + GPT_HEADER_ENTRY_BYTES);

        if (size <= GPT_IMAGE_ENTRIES * GPT_IMAGE_ENTRY_BYTES)
            put32(header + GPT_HEADER_ENTRIES_CRC, crc_of(gpt_image_entry(image, backup, 0), size));
        put32(header + GPT_HEADER_CRC, 0);
        put32(header + GPT_HEADER_CRC, crc_of(header, 92));
    }
}

void gpt_image_make(struct gpt_image *image, uint8_t *bytes, uint64_t blocks, uint32_t block_bytes)
{
    *image = (struct gpt_image){.bytes = bytes, .blocks = blocks, .block_bytes = block_bytes};
    memset(bytes, 0, blocks * block_bytes);
    for (int backup = 0; backup < 2; backup++) {
        uint8_t *header = gpt_image_header(image, backup);

        memcpy(header, "EFI PART", 8);
        put32(header + 8, 0x10000);
        put32(header + 12, 92);
        put64(header + GPT_HEADER_MY_BLOCK, backup ? blocks - 1 : 1);
        put64(header + 32, backup ? 1 : blocks - 1);
        put64(header + GPT_HEADER_FIRST_USABLE, 2 + table_blocks(image));
        put64(header + GPT_HEADER_LAST_USABLE, blocks - 2 - table_blocks(image));
        put64(header + GPT_HEADER_ENTRIES_BLOCK, entries_block(image, backup));
        put32(header + GPT_HEADER_ENTRY_COUNT, GPT_IMAGE_ENTRIES);
        put32(header + GPT_HEADER_ENTRY_BYTES, GPT_IMAGE_ENTRY_BYTES);
    }
    gpt_image_seal(image);
}

void gpt_image_partition(struct gpt_image *image, uint32_t number, const char *label, uint64_t first,
                         uint64_t last)
{
    for (int backup = 0; backup < 2; backup++) {
        uint8_t *entry = gpt_image_entry(image, backup, number);

        memset(entry, 0, GPT_IMAGE_ENTRY_BYTES);
        memset(entry, 0xa5, 16); /* some type */
        put64(entry + GPT_ENTRY_FIRST, first);
        put64(entry + GPT_ENTRY_LAST, last);
        for (uint32_t i = 0; label[i] != '\0' && i < 36; i++)
            entry[GPT_ENTRY_NAME + 2 * i] = (uint8_t)label[i];
    }
    gpt_image_seal(image);
}
