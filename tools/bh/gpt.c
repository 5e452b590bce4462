/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gpt.c - the labels in a disk image's partition table
 *
 * UEFI 2.10, 5.3.2 (header at LBA 1) and 5.3.3 (entries).  512-byte sectors, as blkdrv's disk has.
 */
#define _GNU_SOURCE
#include "gpt.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"

#define SECTOR 512u

struct gpt_header {
    char signature[8];
    uint32_t revision, header_bytes, header_crc, reserved;
    uint64_t my_lba, other_lba, first_usable, last_usable;
    uint8_t guid[16];
    uint64_t entries_lba;
    uint32_t entry_count, entry_bytes, entries_crc;
} __attribute__((packed));
_Static_assert(sizeof(struct gpt_header) == 92, "UEFI 2.10 table 5-5");

struct gpt_entry {
    uint8_t type[16], guid[16];
    uint64_t first, last, flags;
    uint16_t label[36];
} __attribute__((packed));
_Static_assert(sizeof(struct gpt_entry) == 128, "UEFI 2.10 table 5-6");

static void label_copy(char *out, const struct gpt_entry *entry)
{
    uint32_t i;

    for (i = 0; i < 36; i++) {
        uint16_t c;

        memcpy(&c, (const uint8_t *)entry + 56 + 2 * i, sizeof(c));
        c = le16toh(c);
        if (!c)
            break;
        out[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    out[i] = '\0';
}

static bool entry_is_used(const struct gpt_entry *entry)
{
    static const uint8_t unused[16];

    return memcmp(entry->type, unused, sizeof(unused)) != 0;
}

static void read_entries(struct gpt *gpt, int fd, const struct gpt_header *header, const char *path)
{
    uint32_t count = le32toh(header->entry_count), bytes = le32toh(header->entry_bytes);
    uint64_t at = le64toh(header->entries_lba);

    if (bytes < sizeof(struct gpt_entry) || bytes > 4096 || at > INT64_MAX / SECTOR / 2)
        fail("%s: its GPT has entries of %u bytes at sector %llu", path, bytes, (unsigned long long)at);
    for (uint32_t i = 0; i < count && gpt->count < GPT_LABELS_MAX; i++) {
        struct gpt_entry entry;

        if (pread(fd, &entry, sizeof(entry), (off_t)(at * SECTOR + (uint64_t)i * bytes)) != sizeof(entry))
            fail("%s: its GPT is cut off at entry %u", path, i);
        if (entry_is_used(&entry))
            label_copy(gpt->labels[gpt->count++], &entry);
    }
}

void gpt_read(struct gpt *gpt, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct gpt_header header;

    gpt->count = 0;
    if (fd < 0)
        fail("--disk %s: %s", path, strerror(errno));
    if (pread(fd, &header, sizeof(header), SECTOR) != sizeof(header) ||
        memcmp(header.signature, "EFI PART", 8))
        fail("--disk %s: there is no GPT on it", path);
    read_entries(gpt, fd, &header, path);
    close(fd);
}

bool gpt_has(const struct gpt *gpt, const char *label)
{
    for (uint32_t i = 0; i < gpt->count; i++)
        if (!strcmp(gpt->labels[i], label))
            return true;
    return false;
}

char *gpt_list(const struct gpt *gpt)
{
    char *list = must_print("%s", gpt->count ? gpt->labels[0] : "none");

    for (uint32_t i = 1; i < gpt->count; i++) {
        char *longer = must_print("%s, %s", list, gpt->labels[i]);

        free(list);
        list = longer;
    }
    return list;
}
