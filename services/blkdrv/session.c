/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.c - who may use which volume: one writer, or several readers
 *
 * Always true:  two open sessions of one disk volume are both read-only; a session's number is unique among
 * the open ones; a place is given away again only when nothing of it is in the device.  The sessions of a VM,
 * and no others, share its block; a vmm uses the ring of a session only after it attached to that one.
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

/* Also one that is closing. */
static struct client *session_find_any(struct blkdrv *drv, uint32_t session)
{
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        if (drv->clients[i].state != CLIENT_FREE && drv->clients[i].session == session)
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

/* ---- blocks ------------------------------------------------------------------------------------ */

/* mem took it back with the VM that had it: nobody had to tell us. */
static bool block_is_there(const struct blkdrv *drv, uint32_t block)
{
    return drv->block_vms[block] != 0 && machine_block_exists(block);
}

/* A VM keeps its block while its drives are empty: its vmm still has it mapped.  BLOCKS_MAX: it has none. */
static uint32_t block_of_vm(const struct blkdrv *drv, uint32_t session)
{
    uint32_t block = 0;

    while (block < BLOCKS_MAX && !(drv->block_vms[block] == session >> 8 && block_is_there(drv, block)))
        block++;
    return block;
}

/* BLOCKS_MAX: all are in use. */
static uint32_t block_find(const struct blkdrv *drv)
{
    uint32_t block = 0;

    while (block < BLOCKS_MAX && block_is_there(drv, block))
        block++;
    return block;
}

static void block_claim(struct blkdrv *drv, uint32_t block, uint32_t vm)
{
    drv->block_vms[block] = (uint8_t)vm;
    persist_save(drv);
}

static enum status block_open(struct blkdrv *drv, uint32_t session, slot_t memory, uint32_t *block,
                              char *error, size_t error_bytes)
{
    char why[100] = "all places for them are taken";
    enum status status = ERR_FULL;

    *block = block_of_vm(drv, session);
    if (*block != BLOCKS_MAX)
        return OK;
    *block = block_find(drv);
    if (*block != BLOCKS_MAX) {
        block_claim(drv, *block, session >> 8); /* whose it is stands there before it is, should we die */
        status = machine_block_fetch(*block, memory, why, sizeof(why));
        if (status != OK)
            block_claim(drv, *block, 0);
    }
    if (status != OK)
        snprintf(error, error_bytes, "the buffers of session 0x%x: %s", session, why);
    return status;
}

static uint8_t *session_memory(uint32_t session, uint32_t block)
{
    return machine_block(block) + (session & 0xffu) * BLK_DISK_BYTES;
}

/* ---- Open, Close ------------------------------------------------------------------------------- */

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
    const struct client *other = conflict_find(drv, name, writable), *client = session_find_any(drv, session);

    if (session < SESSION_LEAST || session >> 8 > UINT8_MAX) {
        snprintf(error, error_bytes, "%u cannot be the number of a session", session);
        return ERR_ARG;
    }
    if ((session & 0xffu) >= BLK_BLOCK_DISKS) {
        snprintf(error, error_bytes, "session 0x%x: a VM has at most %u disks", session, BLK_BLOCK_DISKS);
        return ERR_ARG;
    }
    if (client && client->state == CLIENT_CLOSING) {
        snprintf(error, error_bytes, "%u requests of session 0x%x are still in the device", client->in_flight,
                 session);
        return ERR_STATE;
    }
    if (client) {
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

/* The memory of a session that may be opened: its block, seen by the device if need be, and a ram volume's.
 */
static enum status memory_open(struct blkdrv *drv, uint32_t session, const struct volume *volume,
                               const struct paid_from *memory, uint32_t *block, char *error,
                               size_t error_bytes)
{
    enum status status = block_open(drv, session, memory->block, block, error, error_bytes);

    if (status != OK)
        return status;
    if (volume->kind == VOLUME_RAM)
        return volume_fill(volume, memory->ram, error, error_bytes);
    status = machine_block_share(*block);
    if (status != OK)
        snprintf(error, error_bytes, "the buffers of session 0x%x cannot be shown to the device: %s", session,
                 status == ERR_FULL ? "no slot is left" : "no memory for its tables");
    return status;
}

enum status session_open(struct blkdrv *drv, uint32_t session, const char *name, bool writable,
                         const struct paid_from *memory, char *error, size_t error_bytes)
{
    enum status status = open_check(drv, session, name, writable, error, error_bytes);
    struct client *client = place_find(drv);
    struct volume volume;
    uint32_t block;

    if (status == OK)
        status = volume_find(drv, name, &volume, error, error_bytes);
    if (status != OK)
        return status;
    if (writable && volume.kind == VOLUME_DISK && drv->disk.read_only) {
        snprintf(error, error_bytes, "volume %s cannot be written: the disk is read-only", name);
        return ERR_RIGHT;
    }
    status = memory_open(drv, session, &volume, memory, &block, error, error_bytes);
    if (status != OK)
        return status;
    *client = (struct client){.state = CLIENT_OPEN,
                              .session = session,
                              .serial = ++drv->serial,
                              .block = block,
                              .memory = session_memory(session, block),
                              .volume = volume,
                              .limits = limits_of(drv, &volume, writable)};
    persist_save(drv);
    return OK;
}

static struct blk_ring *client_ring(const struct client *client)
{
    return (struct blk_ring *)(void *)client_page(client, 0);
}

enum status session_attach(struct blkdrv *drv, struct client *client, uint32_t serial)
{
    if (serial != 0 && serial != client->serial)
        return ERR_EXIST;
    if (client->attached)
        return OK;
    blk_ring_create(client_ring(client));
    blk_back_start(&client->back, client_ring(client), drv->generation);
    client->attached = true;
    persist_save(drv);
    return OK;
}

void session_end_if_idle(struct blkdrv *drv, struct client *client)
{
    if (client->state != CLIENT_CLOSING || client->in_flight != 0)
        return;
    client->state = CLIENT_FREE;
    drv->closing_count--;
    volume_empty(&client->volume);
    /* A session that was opened meanwhile may have been kept waiting for the last write of this one. */
    drv->again = CLIENTS_ALL;
}

/* A vmm that goes on sees by the ring's generation that it has to ask again, if nobody tells it. */
static void client_end(struct blkdrv *drv, struct client *client)
{
    client->state = CLIENT_CLOSING;
    drv->closing_count++;
    machine_client_forget(client_number(drv, client));
    if (client->attached)
        blk_back_end(&client->back);
    persist_save(drv);
    session_end_if_idle(drv, client);
}

enum status session_close(struct blkdrv *drv, uint32_t session, char *error, size_t error_bytes)
{
    struct client *client = session_find_any(drv, session);

    if (!client) {
        snprintf(error, error_bytes, "there is no session 0x%x", session);
        return ERR_EXIST;
    }
    if (client->state == CLIENT_OPEN)
        client_end(drv, client);
    if (client->state == CLIENT_FREE)
        return OK;
    snprintf(error, error_bytes, "%u requests of session 0x%x are still in the device", client->in_flight,
             session);
    return ERR_STATE;
}

/* ---- after a restart of ours ------------------------------------------------------------------- */

/* The same volume as before; what is not there any more says so by failing rather than by reading as zeros.
 */
static void volume_recover(struct blkdrv *drv, const struct persist_session *saved, struct volume *volume)
{
    char why[120];
    enum status status;

    *volume = (struct volume){.first = saved->first};
    snprintf(volume->name, sizeof(volume->name), "%s", saved->volume);
    status = ram_volume_is(saved->volume) ? volume_resume(volume)
                                          : volume_find(drv, saved->volume, volume, why, sizeof(why));
    if (status != OK)
        volume->kind = VOLUME_LOST;
}

static bool has_dma(const struct client *client)
{
    return client->volume.kind == VOLUME_DISK || client->volume.kind == VOLUME_FAULT;
}

/* What decides memory safety is judged again: the page was ours alone, but we died. */
static bool recover_check(const struct blkdrv *drv, const struct persist_session *saved)
{
    return saved->client < CLIENTS_MAX && drv->clients[saved->client].state == CLIENT_FREE &&
           saved->block < BLOCKS_MAX && drv->block_vms[saved->block] == saved->session >> 8 &&
           (saved->session & 0xffu) < BLK_BLOCK_DISKS;
}

static void blocks_recover(struct blkdrv *drv)
{
    for (uint32_t i = 0; i < BLOCKS_MAX; i++)
        if (drv->block_vms[i] != 0 && machine_block_resume(i) != OK)
            drv->block_vms[i] = 0;
}

static void client_recover(struct blkdrv *drv, const struct persist_session *saved)
{
    struct client *client = &drv->clients[saved->client];

    *client = (struct client){.state = CLIENT_OPEN,
                              .session = saved->session,
                              .serial = saved->serial,
                              .attached = saved->attached != 0,
                              .block = saved->block,
                              .memory = session_memory(saved->session, saved->block)};
    volume_recover(drv, saved, &client->volume);
    client->limits = limits_of(drv, &client->volume, saved->writable != 0);
    if (has_dma(client) && machine_block_share(client->block) != OK)
        client->volume.kind = VOLUME_LOST;
    if (client->attached)
        blk_back_start(&client->back, client_ring(client), drv->generation);
    client->news = client->attached; /* there may be completions that nobody was told of */
    drv->again |= CLIENT_BIT(saved->client);
    machine_log("session 0x%x on %s goes on%s", client->session, client->volume.name,
                client->volume.kind == VOLUME_LOST ? ", but its volume is lost: its requests fail" : "");
}

void session_recover(struct blkdrv *drv)
{
    static struct persist_session saved[CLIENTS_MAX]; /* too much for a stack */
    uint32_t count = persist_load(drv, saved);

    drv->generation++;
    blocks_recover(drv);
    for (uint32_t i = 0; i < count; i++)
        if (recover_check(drv, &saved[i]))
            client_recover(drv, &saved[i]);
        else
            machine_log("session 0x%x on %s ends: its buffers are gone", saved[i].session, saved[i].volume);
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        if (drv->clients[i].state == CLIENT_FREE)
            machine_client_forget(i);
    volumes_tidy(drv);
    persist_save(drv);
}
