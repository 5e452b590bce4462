/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * serve.c - the methods of blk.proto
 *
 * The badge says who calls: the toolstack opens, closes and asks; a session attaches to its own volume.
 */
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "blk_rpc.h"
#include "blkdrv.h"
#include "serve.h"

#define POOL_AT_ONCE IPC_CAPS_MAX

static void caps_drop(const struct rpc_call *call)
{
    for (uint32_t i = 0; i < call->in_count; i++)
        bh_slot_drop(call->in[i]);
}

void blk_on_open(struct rpc_call *call, const bh_BlkOpenRequest *request, bh_BlkStatus *reply)
{
    slot_t memory = call->in_count ? call->in[0] : 0;

    reply->status = ERR_RIGHT;
    if (call->badge != BADGE_TOOLSTACK)
        snprintf(reply->error, sizeof(reply->error), "only the toolstack opens volumes");
    else
        reply->status = session_open(call->context, request->session, request->volume, request->writable,
                                     memory, reply->error, sizeof(reply->error));
    caps_drop(call);
}

void blk_on_close(struct rpc_call *call, const bh_BlkCloseRequest *request, bh_BlkStatus *reply)
{
    caps_drop(call);
    reply->status = ERR_RIGHT;
    if (call->badge != BADGE_TOOLSTACK)
        snprintf(reply->error, sizeof(reply->error), "only the toolstack closes volumes");
    else
        reply->status = session_close(call->context, request->session, request->vmm_stays, reply->error,
                                      sizeof(reply->error));
}

/* The vmm's Notification (again, after a restart of ours); anything else it sent is dropped. */
static void signal_take(struct client *client, const struct rpc_call *call)
{
    bh_slot_drop(client->signal);
    client->signal = call->in[0];
    for (uint32_t i = 1; i < call->in_count; i++)
        bh_slot_drop(call->in[i]);
}

void blk_on_attach(struct rpc_call *call, const bh_BlkAttachRequest *request, bh_BlkAttachReply *reply)
{
    struct blkdrv *drv = call->context;
    struct client *client = session_find(drv, call->badge);
    slot_t doorbell = client ? machine_client_doorbell(client_number(drv, client)) : 0;

    (void)request;
    if (!client || call->in_count == 0 || doorbell == 0) {
        caps_drop(call);
        reply->status = !client ? ERR_EXIST : call->in_count == 0 ? ERR_ARG : ERR_MEM;
        snprintf(reply->error, sizeof(reply->error), "%s",
                 !client               ? "this session is not open"
                 : call->in_count == 0 ? "the Notification for completions is missing"
                                       : "no slot left for a doorbell");
        return;
    }
    signal_take(client, call);
    client->lent = true;
    reply->status = OK;
    reply->sectors = client->limits.sectors;
    reply->writable = client->limits.writable;
    reply->pool_pages = BLK_POOL_PAGES;
    reply->block_bytes = client->limits.align_sectors * BLK_SECTOR_BYTES;
    reply->place = client_number(drv, client);
    memcpy(reply->volume, client->volume.name, sizeof(reply->volume));
    call->out[call->out_count++] = machine_client_frame(client_number(drv, client), 0);
    call->out[call->out_count++] = doorbell;

    /* After a restart there may be requests in the ring, and completions that nobody was told of. */
    client->news = true;
    drv->again |= 1u << client_number(drv, client);
}

void blk_on_pool(struct rpc_call *call, const bh_BlkPoolRequest *request, bh_BlkPoolReply *reply)
{
    struct blkdrv *drv = call->context;
    struct client *client = session_find(drv, call->badge);

    caps_drop(call);
    if (!client || client_number(drv, client) != request->place)
        reply->status = ERR_EXIST; /* it was closed, and perhaps another one opened, since Attach */
    else
        reply->status = request->first >= BLK_POOL_PAGES ? ERR_ARG : OK;
    if (reply->status != OK)
        return;
    for (uint32_t page = request->first; page < BLK_POOL_PAGES && call->out_count < POOL_AT_ONCE; page++)
        call->out[call->out_count++] = machine_client_frame(client_number(drv, client), 1u + page);
    reply->count = call->out_count;
}

void blk_on_detach(struct rpc_call *call, const bh_BlkDetachRequest *request, bh_BlkStatus *reply)
{
    (void)request;
    caps_drop(call);
    session_let_go(call->context, call->badge);
    reply->status = OK;
}

/* ---- Info: first the disk's volumes, then the sessions ------------------------------------------ */

static void volume_describe(struct blkdrv *drv, const struct volume *volume, bh_BlkInfoReply *reply)
{
    uint32_t readers = 0, writer = 0;

    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct client *client = &drv->clients[i];

        if (client->state != CLIENT_OPEN || strcmp(client->volume.name, volume->name) != 0)
            continue;
        if (client->limits.writable)
            writer = client->session;
        else
            readers++;
    }
    memcpy(reply->volume, volume->name, sizeof(reply->volume));
    reply->sectors = volume->sectors;
    reply->writable = !drv->disk.read_only;
    if (writer)
        snprintf(reply->text, sizeof(reply->text), "volume, written by VM %u", writer >> 8);
    else
        snprintf(reply->text, sizeof(reply->text), "volume, %u readers", readers);
}

static void session_describe(const struct client *client, bh_BlkInfoReply *reply)
{
    static const char *const kinds[] = {[VOLUME_DISK] = "on the disk",
                                        [VOLUME_RAM] = "in memory",
                                        [VOLUME_FAULT] = "test hook",
                                        [VOLUME_LOST] = "lost: its requests fail"};

    memcpy(reply->volume, client->volume.name, sizeof(reply->volume));
    reply->sectors = client->limits.sectors;
    reply->session = client->session;
    reply->writable = client->limits.writable;
    reply->reads = client->reads;
    reply->writes = client->writes;
    reply->flushes = client->flushes;
    reply->errors = client->errors;
    reply->read_bytes = client->read_bytes;
    reply->written_bytes = client->written_bytes;
    snprintf(reply->text, sizeof(reply->text), "session, %s%s", kinds[client->volume.kind],
             client->state == CLIENT_CLOSING ? ", closing"
             : client->back.broken           ? ", stopped: its ring makes no sense"
                                             : "");
}

void blk_on_info(struct rpc_call *call, const bh_BlkInfoRequest *request, bh_BlkInfoReply *reply)
{
    struct blkdrv *drv = call->context;
    uint32_t left = request->index - drv->volume_count; /* sessions to pass over, if not a volume */

    caps_drop(call);
    reply->status = call->badge == BADGE_TOOLSTACK ? ERR_EXIST : ERR_RIGHT;
    if (reply->status == ERR_RIGHT)
        return;
    if (request->index < drv->volume_count) {
        volume_describe(drv, &drv->volumes[request->index], reply);
        reply->status = OK;
        return;
    }
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        if (drv->clients[i].state == CLIENT_FREE || drv->clients[i].state == CLIENT_LENT || left-- != 0)
            continue;
        session_describe(&drv->clients[i], reply);
        reply->status = OK;
        return;
    }
}
