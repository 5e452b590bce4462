/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copies.c - see copies.h
 */
#include "copies.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "crc32.h"

static struct copy *copy_at(const struct copies *copies, uint32_t sequence)
{
    return (struct copy *)(void *)(copies->at + (size_t)(sequence % 2) * copies->copy_bytes);
}

static uint32_t copy_crc(const struct copy *copy)
{
    return crc32_add(0, &copy->magic, sizeof *copy - offsetof(struct copy, magic) + copy->bytes);
}

static bool copy_is_good(const struct copies *copies, const struct copy *copy)
{
    return copy->magic == copies->magic && copy->version == copies->version &&
           copy->bytes <= copies->copy_bytes - sizeof *copy && copy->crc == copy_crc(copy);
}

const void *copies_load(struct copies *copies, uint32_t *bytes)
{
    const struct copy *best = NULL;

    for (uint32_t i = 0; i < 2; i++) {
        const struct copy *copy = copy_at(copies, i);

        if (copy_is_good(copies, copy) && (!best || (int32_t)(copy->sequence - best->sequence) > 0))
            best = copy;
    }
    copies->sequence = best ? best->sequence : 0;
    *bytes = best ? best->bytes : 0;
    return best ? best + 1 : NULL;
}

void *copies_begin(struct copies *copies)
{
    struct copy *copy = copy_at(copies, ++copies->sequence);

    copy->magic = 0; /* not whole */
    return copy + 1;
}

void copies_end(struct copies *copies, uint32_t bytes)
{
    struct copy *copy = copy_at(copies, copies->sequence);

    *copy = (struct copy){
        .magic = copies->magic, .version = copies->version, .sequence = copies->sequence, .bytes = bytes};
    copy->crc = copy_crc(copy);
}

void copies_get(struct copies *copies, void *last, uint32_t bytes)
{
    uint32_t found;
    const void *record = copies_load(copies, &found);

    memset(last, 0, bytes);
    if (record && found == bytes)
        memcpy(last, record, bytes);
}

void copies_put(struct copies *copies, void *last, const void *now, uint32_t bytes)
{
    if (memcmp(last, now, bytes) == 0)
        return;
    memcpy(copies_begin(copies), now, bytes);
    copies_end(copies, bytes);
    memcpy(last, now, bytes);
}
