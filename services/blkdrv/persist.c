/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * persist.c - which session is what, in a page that survives our restart (lib/bh/copies.h)
 */
#include <string.h>

#include "blkdrv.h"

#define PERSIST_MAGIC 0x534b4c42u /* "BLKS" */
#define PERSIST_VERSION 2u
#define COPY_BYTES 2048u

struct record {
    uint32_t generation;
    uint32_t count;
    struct persist_session sessions[CLIENTS_MAX];
};
_Static_assert(sizeof(struct copy) + sizeof(struct record) <= COPY_BYTES, "two copies fit one page");

void persist_save(struct blkdrv *drv)
{
    struct record *record = copies_begin(&drv->copies);

    memset(record, 0, sizeof(*record));
    record->generation = drv->generation;
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct client *client = &drv->clients[i];
        struct persist_session *saved = &record->sessions[record->count];

        if (client->state == CLIENT_FREE || (client->state == CLIENT_CLOSING && !client->lent))
            continue;
        saved->session = client->session;
        saved->client = (uint8_t)i;
        saved->writable = client->limits.writable;
        saved->lent = client->state != CLIENT_OPEN;
        memcpy(saved->volume, client->volume.name, sizeof(saved->volume));
        record->count++;
    }
    copies_end(&drv->copies, sizeof(*record));
}

uint32_t persist_load(struct blkdrv *drv, struct persist_session *sessions, uint32_t *generation)
{
    const struct record *record;
    uint32_t bytes;

    drv->copies = (struct copies){.at = machine_persistent(),
                                  .copy_bytes = COPY_BYTES,
                                  .magic = PERSIST_MAGIC,
                                  .version = PERSIST_VERSION};
    record = copies_load(&drv->copies, &bytes);
    *generation = 0;
    if (bytes != sizeof(*record) || record->count > CLIENTS_MAX)
        return 0;
    *generation = record->generation;
    memcpy(sessions, record->sessions, record->count * sizeof(*sessions));
    for (uint32_t i = 0; i < record->count; i++)
        sessions[i].volume[VOLUME_NAME_BYTES - 1u] = '\0';
    return record->count;
}
