/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * persist.c - which session is what, in pages that survive our restart (lib/bh/copies.h)
 */
#include <string.h>

#include "netdrv.h"

#define PERSIST_MAGIC 0x5354454eu /* "NETS" */
#define PERSIST_VERSION 2u
#define COPY_BYTES (PERSIST_SESSION_BYTES / 2u)

struct record {
    uint32_t generation;
    uint32_t count;
    struct persist_session sessions[PORTS_MAX]; /* the first `count` */
};
_Static_assert(sizeof(struct copy) + sizeof(struct record) <= COPY_BYTES, "two copies fit their pages");

static uint32_t record_bytes(const struct record *record)
{
    return (uint32_t)(offsetof(struct record, sessions) + record->count * sizeof(record->sessions[0]));
}

void persist_save(struct netdrv *drv)
{
    struct record *record = copies_begin(&drv->copies);

    record->generation = drv->generation;
    record->count = 0;
    for (uint32_t i = 0; i < PORTS_MAX; i++) {
        const struct port *port = &drv->ports[i];
        struct persist_session *saved = &record->sessions[record->count];

        if (!port->open)
            continue;
        saved->port = (uint8_t)i;
        saved->block = (uint8_t)port->block;
        memcpy(&saved->config, &port->config, sizeof(saved->config));
        saved->learned = port->guard.learned;
        saved->learned_until_ms = port->guard.learned_until_ms;
        record->count++;
    }
    copies_end(&drv->copies, record_bytes(record));
}

/* What decides memory safety is judged again, here and in session_recover(): the page was ours alone, but we
 * died. */
static void session_tame(struct persist_session *saved)
{
    struct port_config *config = &saved->config;

    config->name[PORT_NAME_BYTES - 1u] = '\0';
    if (config->ipv4_count > sizeof(config->ipv4) / sizeof(config->ipv4[0]))
        config->ipv4_count = 0;
    if (config->ipv6_count > sizeof(config->ipv6) / sizeof(config->ipv6[0]))
        config->ipv6_count = 0;
}

uint32_t persist_load(struct netdrv *drv, struct persist_session *sessions, uint32_t *generation)
{
    const struct record *record;
    uint32_t bytes;

    drv->copies = (struct copies){.at = machine_persistent(),
                                  .copy_bytes = COPY_BYTES,
                                  .magic = PERSIST_MAGIC,
                                  .version = PERSIST_VERSION};
    record = copies_load(&drv->copies, &bytes);
    *generation = 0;
    if (!record || record->count > PORTS_MAX || bytes != record_bytes(record))
        return 0;
    *generation = record->generation;
    memcpy(sessions, record->sessions, record->count * sizeof(*sessions));
    for (uint32_t i = 0; i < record->count; i++)
        session_tame(&sessions[i]);
    return record->count;
}
