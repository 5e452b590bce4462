/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * persist.c - which session is what, in a page that survives our restart
 *
 * Two copies, written in turn, each with a checksum: whenever we die, one of them is whole.
 */
#include <string.h>

#include "blkdrv.h"
#include "crc32.h"

#define PERSIST_MAGIC 0x534b4c42u /* "BLKS" */
#define PERSIST_VERSION 1u
#define COPY_BYTES 2048u

struct persist_copy {
    uint32_t crc; /* of the rest */
    uint32_t magic;
    uint32_t version;
    uint32_t sequence;
    uint32_t generation;
    uint32_t count;
    struct persist_session sessions[CLIENTS_MAX];
};
_Static_assert(sizeof(struct persist_copy) <= COPY_BYTES, "two copies fit one page");

static struct persist_copy *copy_at(uint32_t sequence)
{
    return (struct persist_copy *)(machine_persistent() + (size_t)(sequence % 2) * COPY_BYTES);
}

static uint32_t copy_crc(const struct persist_copy *copy)
{
    return crc32_add(0, &copy->magic, sizeof(*copy) - offsetof(struct persist_copy, magic));
}

static bool copy_is_good(const struct persist_copy *copy)
{
    return copy->magic == PERSIST_MAGIC && copy->version == PERSIST_VERSION && copy->count <= CLIENTS_MAX &&
           copy->crc == copy_crc(copy);
}

void persist_save(struct blkdrv *drv)
{
    struct persist_copy *copy = copy_at(++drv->sequence);

    memset(copy, 0, sizeof(*copy));
    copy->magic = PERSIST_MAGIC;
    copy->version = PERSIST_VERSION;
    copy->sequence = drv->sequence;
    copy->generation = drv->generation;
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct client *client = &drv->clients[i];
        struct persist_session *saved = &copy->sessions[copy->count];

        if (client->state != CLIENT_OPEN)
            continue;
        saved->session = client->session;
        saved->client = (uint8_t)i;
        saved->writable = client->limits.writable;
        memcpy(saved->volume, client->volume.name, sizeof(saved->volume));
        copy->count++;
    }
    copy->crc = copy_crc(copy);
}

uint32_t persist_load(struct blkdrv *drv, struct persist_session *sessions, uint32_t *generation)
{
    const struct persist_copy *best = NULL;

    for (uint32_t i = 0; i < 2; i++) {
        const struct persist_copy *copy = copy_at(i);

        if (copy_is_good(copy) && (!best || (int32_t)(copy->sequence - best->sequence) > 0))
            best = copy;
    }
    *generation = best ? best->generation : 0;
    drv->sequence = best ? best->sequence : 0;
    if (!best)
        return 0;
    memcpy(sessions, best->sessions, best->count * sizeof(*sessions));
    for (uint32_t i = 0; i < best->count; i++)
        sessions[i].volume[VOLUME_NAME_BYTES - 1u] = '\0';
    return best->count;
}
