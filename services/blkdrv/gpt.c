/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gpt.c - see gpt.h
 *
 * Each block is read once into our own buffer and judged there.  Entries are parsed while their CRC is summed
 * up, and forgotten if it is wrong in the end.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "crc32.h"
#include "gpt.h"

/* UEFI 2.10, table 5.5 */
struct gpt_header {
    uint8_t signature[8];
    uint32_t revision;
    uint32_t header_bytes;
    uint32_t header_crc;
    uint32_t reserved;
    uint64_t my_block;
    uint64_t alternate_block;
    uint64_t first_usable;
    uint64_t last_usable;
    uint8_t disk_guid[16];
    uint64_t entries_block;
    uint32_t entry_count;
    uint32_t entry_bytes;
    uint32_t entries_crc;
} __attribute__((packed));
_Static_assert(sizeof(struct gpt_header) == 92, "UEFI 2.10, table 5.5");

/* UEFI 2.10, table 5.6 */
struct gpt_entry {
    uint8_t type[16];
    uint8_t guid[16];
    uint64_t first;
    uint64_t last;
    uint64_t attributes;
    uint8_t name[72]; /* UTF-16LE */
} __attribute__((packed));
_Static_assert(sizeof(struct gpt_entry) == 128, "UEFI 2.10, table 5.6");

#define GPT_ENTRIES_MAX 1024u /* bounds start-up; sgdisk writes 128 */

static enum status refuse(struct gpt *gpt, const char *which, const char *why)
{
    size_t used = strlen(gpt->why);

    snprintf(gpt->why + used, sizeof(gpt->why) - used, "%s%s table: %s", used ? "; " : "", which, why);
    return ERR_ARG;
}

static const char *header_check(struct gpt *gpt, uint64_t at, struct gpt_header *h)
{
    memcpy(h, gpt->block, sizeof(*h));
    if (memcmp(h->signature, "EFI PART", 8) != 0)
        return "no GPT signature";
    if (h->header_bytes < sizeof(*h) || h->header_bytes > gpt->block_bytes)
        return "bad header size";

    memset(gpt->block + offsetof(struct gpt_header, header_crc), 0, sizeof(h->header_crc));
    if (crc32_add(0, gpt->block, h->header_bytes) != h->header_crc)
        return "header checksum is wrong";
    if (h->my_block != at)
        return "header belongs to another block";
    if (h->first_usable > h->last_usable || h->last_usable >= gpt->blocks)
        return "usable blocks are beyond the disk";
    return NULL;
}

static uint64_t entry_blocks(const struct gpt *gpt, const struct gpt_header *h)
{
    uint64_t bytes = (uint64_t)h->entry_count * h->entry_bytes;

    return bytes / gpt->block_bytes + (bytes % gpt->block_bytes != 0);
}

static const char *array_check(const struct gpt *gpt, const struct gpt_header *h)
{
    uint32_t size = h->entry_bytes;

    if (size < sizeof(struct gpt_entry) || size > gpt->block_bytes || (size & (size - 1u)) != 0)
        return "bad entry size";
    if (h->entry_count == 0 || h->entry_count > GPT_ENTRIES_MAX)
        return "bad number of entries";
    if (h->entries_block >= gpt->blocks || entry_blocks(gpt, h) > gpt->blocks - h->entries_block)
        return "entries are beyond the disk";
    return NULL;
}

static void label_read(char *label, const struct gpt_entry *entry, uint32_t number)
{
    uint32_t length = 0;

    for (; length < GPT_LABEL_BYTES - 1u; length++) {
        const uint8_t *at = entry->name + (size_t)length * 2;
        uint32_t unit = at[0] | (uint32_t)at[1] << 8;

        if (unit == 0)
            break;
        label[length] = unit > ' ' && unit < 127 ? (char)unit : '?';
    }
    label[length] = '\0';
    if (length == 0)
        snprintf(label, GPT_LABEL_BYTES, "part%u", (unsigned)number);
}

static bool collides(const struct gpt_partition *a, const struct gpt_partition *b)
{
    bool apart = a->first >= b->first ? a->first - b->first >= b->blocks : b->first - a->first >= a->blocks;

    return !apart || strcmp(a->label, b->label) == 0;
}

static void entry_add(struct gpt *gpt, const struct gpt_header *h, const struct gpt_entry *entry,
                      uint32_t number)
{
    static const uint8_t unused[16];
    struct gpt_partition p = {.first = entry->first};

    if (memcmp(entry->type, unused, sizeof(unused)) == 0)
        return;
    gpt->ignored++;
    if (entry->first < h->first_usable || entry->last > h->last_usable || entry->first > entry->last)
        return;
    if (gpt->count == gpt->partitions_max)
        return;

    p.blocks = entry->last - entry->first + 1u;
    label_read(p.label, entry, number);
    for (uint32_t i = 0; i < gpt->count; i++)
        if (collides(&gpt->partitions[i], &p))
            return;
    gpt->partitions[gpt->count++] = p;
    gpt->ignored--;
}

static enum status entries_read(struct gpt *gpt, const char *which, const struct gpt_header *h)
{
    uint32_t per_block = gpt->block_bytes / h->entry_bytes;
    uint32_t crc = 0;

    for (uint32_t i = 0; i < h->entry_count; i++) {
        const uint8_t *at = gpt->block + (size_t)(i % per_block) * h->entry_bytes;
        struct gpt_entry entry;

        if (i % per_block == 0 && gpt->read(gpt->context, h->entries_block + i / per_block, gpt->block) != OK)
            return refuse(gpt, which, "entries cannot be read");
        crc = crc32_add(crc, at, h->entry_bytes);
        memcpy(&entry, at, sizeof(entry));
        entry_add(gpt, h, &entry, i + 1u);
    }
    return crc == h->entries_crc ? OK : refuse(gpt, which, "checksum of the entries is wrong");
}

static enum status table_read(struct gpt *gpt, const char *which, uint64_t at)
{
    struct gpt_header header;

    gpt->count = 0;
    gpt->ignored = 0;
    if (gpt->read(gpt->context, at, gpt->block) != OK) {
        (void)refuse(gpt, which, "cannot be read");
        return ERR_IO;
    }

    const char *bad = header_check(gpt, at, &header);
    if (!bad)
        bad = array_check(gpt, &header);
    return bad ? refuse(gpt, which, bad) : entries_read(gpt, which, &header);
}

enum status gpt_read(struct gpt *gpt)
{
    gpt->why[0] = '\0';
    gpt->count = 0;
    if (gpt->blocks < 3)
        return refuse(gpt, "partition", "the disk is too small for one");

    enum status primary = table_read(gpt, "primary", 1);
    if (primary == OK)
        return OK;
    enum status backup = table_read(gpt, "backup", gpt->blocks - 1u);
    if (backup != OK)
        gpt->count = 0;
    return backup == OK ? OK : primary == ERR_IO && backup == ERR_IO ? ERR_IO : ERR_ARG;
}
