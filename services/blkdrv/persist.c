/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * persist.c - which session is what, in pages that survive our restart (lib/bh/copies.h)
 */
#include <string.h>

#include "blkdrv.h"

#define PERSIST_MAGIC 0x534b4c42u /* "BLKS" */
#define PERSIST_VERSION 2u
#define COPY_BYTES 4096u

struct record {
    uint32_t generation;
    uint32_t serial;
    uint32_t count;
    uint8_t block_vms[BLOCKS_MAX];
    struct persist_session sessions[CLIENTS_MAX];
};
_Static_assert(sizeof(struct copy) + sizeof(struct record) <= COPY_BYTES, "two copies fit two pages");

void persist_save(struct blkdrv *drv)
{
    struct record *record = copies_begin(&drv->copies);

    memset(record, 0, sizeof(*record));
    record->generation = drv->generation;
    record->serial = drv->serial;
    memcpy(record->block_vms, drv->block_vms, sizeof(record->block_vms));
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct client *client = &drv->clients[i];
        struct persist_session *saved = &record->sessions[record->count];

        if (client->state != CLIENT_OPEN)
            continue;
        saved->session = client->session;
        saved->client = (uint8_t)i;
        saved->writable = client->limits.writable;
        saved->block = (uint8_t)client->block;
        saved->serial = client->serial;
        saved->attached = client->attached;
        saved->first = client->volume.kind == VOLUME_RAM ? (uint32_t)client->volume.first : 0;
        memcpy(saved->volume, client->volume.name, sizeof(saved->volume));
        record->count++;
    }
    copies_end(&drv->copies, sizeof(*record));
}

uint32_t persist_load(struct blkdrv *drv, struct persist_session *sessions)
{
    const struct record *record;
    uint32_t bytes;

    drv->copies = (struct copies){.at = machine_persistent(),
                                  .copy_bytes = COPY_BYTES,
                                  .magic = PERSIST_MAGIC,
                                  .version = PERSIST_VERSION};
    record = copies_load(&drv->copies, &bytes);
    drv->generation = drv->serial = 0;
    memset(drv->block_vms, 0, sizeof(drv->block_vms));
    if (bytes != sizeof(*record) || record->count > CLIENTS_MAX)
        return 0;
    drv->generation = record->generation;
    drv->serial = record->serial;
    memcpy(drv->block_vms, record->block_vms, sizeof(drv->block_vms));
    memcpy(sessions, record->sessions, record->count * sizeof(*sessions));
    for (uint32_t i = 0; i < record->count; i++)
        sessions[i].volume[VOLUME_NAME_BYTES - 1u] = '\0';
    return record->count;
}
