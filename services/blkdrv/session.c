/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.c - who may use which volume: one writer, or several readers
 *
 * Always true:  two open sessions of one disk volume are both read-only; a session's number is unique among
 * the open ones; a place is given away again only when nothing of it is in the device, or with a vmm that
 * goes on.
 */
#include <stdio.h>
#include <string.h>

#include "blkdrv.h"
#include "ram_volume.h"

uint32_t client_number(const struct blkdrv *drv, const struct client *client)
{
    return (uint32_t)(client - drv->clients);
}

struct client *session_find(struct blkdrv *drv, uint64_t badge)
{
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        if (drv->clients[i].state == CLIENT_OPEN && drv->clients[i].session == badge)
            return &drv->clients[i];
    return NULL;
}

static struct client *place_find(struct blkdrv *drv)
{
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        if (drv->clients[i].state == CLIENT_FREE)
            return &drv->clients[i];
    return NULL;
}

/* The session that stands in the way of using a volume like this, or NULL. */
static const struct client *conflict_find(const struct blkdrv *drv, const char *name, bool writable)
{
    if (ram_volume_is(name)) /* each has its own */
        return NULL;
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct client *other = &drv->clients[i];

        if (other->state == CLIENT_OPEN && strcmp(other->volume.name, name) == 0 &&
            (writable || other->limits.writable))
            return other;
    }
    return NULL;
}

static struct blk_limits limits_of(const struct blkdrv *drv, const struct volume *volume, bool writable)
{
    bool in_memory = volume->kind == VOLUME_RAM;

    return (struct blk_limits){.sectors = volume->sectors,
                               .align_sectors = in_memory || drv->disk.block_bytes < BLK_SECTOR_BYTES
                                                    ? 1
                                                    : drv->disk.block_bytes / BLK_SECTOR_BYTES,
                               .writable = writable};
}

static enum status open_check(struct blkdrv *drv, uint32_t session, const char *name, bool writable,
                              char *error, size_t error_bytes)
{
    const struct client *other = conflict_find(drv, name, writable);

    if (session < SESSION_LEAST) {
        snprintf(error, error_bytes, "%u cannot be the number of a session", session);
        return ERR_ARG;
    }
    if (session_find(drv, session)) {
        snprintf(error, error_bytes, "session 0x%x is open already", session);
        return ERR_STATE;
    }
    if (other) {
        snprintf(error, error_bytes, "volume %s is in use for %s by VM %u (session 0x%x)", name,
                 other->limits.writable ? "writing" : "reading", other->session >> 8, other->session);
        return ERR_STATE;
    }
    if (!place_find(drv)) {
        snprintf(error, error_bytes, "all %u places for sessions are taken", CLIENTS_MAX);
        return ERR_FULL;
    }
    return OK;
}

enum status session_open(struct blkdrv *drv, uint32_t session, const char *name, bool writable, slot_t memory,
                         char *error, size_t error_bytes)
{
    enum status status = open_check(drv, session, name, writable, error, error_bytes);
    struct volume volume;

    if (status == OK)
        status = volume_find(drv, name, &volume, error, error_bytes);
    if (status != OK)
        return status;
    if (writable && volume.kind == VOLUME_DISK && drv->disk.read_only) {
        snprintf(error, error_bytes, "volume %s cannot be written: the disk is read-only", name);
        return ERR_RIGHT;
    }

    struct client *client = place_find(drv);
    uint32_t number = client_number(drv, client);
    status = machine_client_prepare(number, volume.kind != VOLUME_RAM);
    if (status != OK) {
        snprintf(error, error_bytes, "no memory to map the buffers of session 0x%x", session);
        return status;
    }
    status = volume_fill(&volume, memory, error, error_bytes);
    if (status != OK)
        return status;
    *client = (struct client){.state = CLIENT_OPEN,
                              .session = session,
                              .volume = volume,
                              .limits = limits_of(drv, &volume, writable)};
    struct blk_ring *ring = (struct blk_ring *)machine_client_page(number, 0);
    blk_ring_create(ring);
    blk_back_start(&client->back, ring, drv->generation);
    persist_save(drv);
    return OK;
}

void session_end_if_idle(struct blkdrv *drv, struct client *client)
{
    if (client->state != CLIENT_CLOSING || client->in_flight != 0)
        return;
    client->state = client->lent ? CLIENT_LENT : CLIENT_FREE;
    drv->closing_count--;
    volume_empty(&client->volume);
    client->volume = (struct volume){.kind = VOLUME_LOST};
    /* A session that was opened meanwhile may have been kept waiting for the last write of this one. */
    drv->again = CLIENTS_ALL;
}

/* What was lent is back.  Was anything? */
static bool lent_back(struct blkdrv *drv, uint64_t badge)
{
    bool any = false;

    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &drv->clients[i];

        if (client->state == CLIENT_FREE || client->session != badge)
            continue;
        any |= client->lent;
        client->lent = false;
        if (client->state == CLIENT_LENT)
            client->state = CLIENT_FREE;
    }
    return any;
}

void session_let_go(struct blkdrv *drv, uint64_t badge)
{
    if (lent_back(drv, badge))
        persist_save(drv);
}

/* A vmm that goes on sees by the ring's generation that it has to ask again, if nobody tells it. */
static void client_end(struct blkdrv *drv, struct client *client, bool vmm_stays)
{
    client->state = CLIENT_CLOSING;
    client->lent = client->lent && vmm_stays;
    drv->closing_count++;
    if (client->signal)
        machine_drop(client->signal);
    client->signal = 0;
    if (client->lent)
        blk_back_end(&client->back);
}

enum status session_close(struct blkdrv *drv, uint32_t session, bool vmm_stays, char *error,
                          size_t error_bytes)
{
    struct client *client = session_find(drv, session);
    bool any = !vmm_stays && lent_back(drv, session);

    if (!client && !any) {
        snprintf(error, error_bytes, "there is no session 0x%x", session);
        return ERR_EXIST;
    }
    if (client)
        client_end(drv, client, vmm_stays);
    persist_save(drv);
    if (client)
        session_end_if_idle(drv, client);
    return OK;
}

/* ---- after a restart of ours ------------------------------------------------------------------- */

/* The same volume as before; what was in memory is lost, and says so by failing rather than by reading as
 * zeros. */
static void volume_recover(struct blkdrv *drv, const char *name, struct volume *volume)
{
    char why[120];

    if (!ram_volume_is(name) && volume_find(drv, name, volume, why, sizeof(why)) == OK)
        return;
    *volume = (struct volume){.kind = VOLUME_LOST};
    snprintf(volume->name, sizeof(volume->name), "%s", name);
}

static void client_recover(struct blkdrv *drv, const struct persist_session *saved)
{
    struct client *client = &drv->clients[saved->client];
    struct blk_ring *ring = (struct blk_ring *)machine_client_page(saved->client, 0);

    *client = (struct client){.state = CLIENT_OPEN, .session = saved->session, .lent = true};
    if (saved->lent) {
        client->state = CLIENT_LENT;
        client->volume.kind = VOLUME_LOST;
        return;
    }
    volume_recover(drv, saved->volume, &client->volume);
    client->limits = limits_of(drv, &client->volume, saved->writable != 0);
    if (client->volume.kind != VOLUME_LOST && machine_client_resume(saved->client) != OK)
        client->volume.kind = VOLUME_LOST;
    blk_back_start(&client->back, ring, drv->generation);
    drv->again |= 1u << saved->client;
    machine_log("session 0x%x on %s goes on%s", client->session, client->volume.name,
                client->volume.kind == VOLUME_LOST ? ", but its volume is lost: its requests fail" : "");
}

void session_recover(struct blkdrv *drv)
{
    struct persist_session saved[CLIENTS_MAX];
    uint32_t count = persist_load(drv, saved, &drv->generation);

    drv->generation++;
    for (uint32_t i = 0; i < count; i++)
        if (saved[i].client < CLIENTS_MAX && drv->clients[saved[i].client].state == CLIENT_FREE)
            client_recover(drv, &saved[i]);
    persist_save(drv);
}
