/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * persist.c - which session is what, in pages that survive our restart
 *
 * Two copies, written in turn, each with a checksum: whenever we die, one of them is whole.
 */
#include <string.h>

#include "crc32.h"
#include "netdrv.h"

#define PERSIST_MAGIC 0x5354454eu /* "NETS" */
#define PERSIST_VERSION 1u
#define COPY_BYTES (PERSIST_SESSION_BYTES / 2u)

struct persist_copy {
    uint32_t crc; /* of the rest, as far as `count` goes */
    uint32_t magic;
    uint32_t version;
    uint32_t sequence;
    uint32_t generation;
    uint32_t count;
    struct persist_session sessions[PORTS_MAX];
};
_Static_assert(sizeof(struct persist_copy) <= COPY_BYTES, "two copies fit their pages");

static struct persist_copy *copy_at(uint32_t sequence)
{
    return (struct persist_copy *)(void *)(machine_persistent() + (size_t)(sequence % 2) * COPY_BYTES);
}

static uint32_t copy_crc(const struct persist_copy *copy)
{
    size_t bytes = offsetof(struct persist_copy, sessions) + copy->count * sizeof(copy->sessions[0]);

    return crc32_add(0, &copy->magic, bytes - offsetof(struct persist_copy, magic));
}

static bool copy_is_good(const struct persist_copy *copy)
{
    return copy->magic == PERSIST_MAGIC && copy->version == PERSIST_VERSION && copy->count <= PORTS_MAX &&
           copy->crc == copy_crc(copy);
}

void persist_save(struct netdrv *drv)
{
    struct persist_copy *copy = copy_at(++drv->sequence);

    copy->magic = 0; /* not whole */
    copy->version = PERSIST_VERSION;
    copy->sequence = drv->sequence;
    copy->generation = drv->generation;
    copy->count = 0;
    for (uint32_t i = 0; i < PORTS_MAX; i++) {
        const struct port *port = &drv->ports[i];
        struct persist_session *saved = &copy->sessions[copy->count];

        if (!port->open)
            continue;
        saved->port = (uint8_t)i;
        memcpy(&saved->config, &port->config, sizeof(saved->config));
        saved->learned = port->guard.learned;
        saved->learned_until_ms = port->guard.learned_until_ms;
        copy->count++;
    }
    copy->magic = PERSIST_MAGIC;
    copy->crc = copy_crc(copy);
}

/* What decides memory safety is judged again: the page was ours alone, but we died. */
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
        session_tame(&sessions[i]);
    return best->count;
}
