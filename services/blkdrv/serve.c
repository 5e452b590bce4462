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

static void caps_drop(const struct rpc_call *call)
{
    for (uint32_t i = 0; i < call->in_count; i++)
        bh_slot_drop(call->in[i]);
}

void blk_on_open(struct rpc_call *call, const bh_BlkOpenRequest *request, bh_BlkStatus *reply)
{
    struct paid_from memory = {.block = call->in_count > 0 ? call->in[0] : 0,
                               .ram = call->in_count > 1 ? call->in[1] : 0};

    reply->status = ERR_RIGHT;
    if (call->badge != BADGE_TOOLSTACK)
        snprintf(reply->error, sizeof(reply->error), "only the toolstack opens volumes");
    else
        reply->status = session_open(call->context, request->session, request->volume, request->writable,
                                     &memory, reply->error, sizeof(reply->error));
    caps_drop(call);
}

void blk_on_close(struct rpc_call *call, const bh_BlkCloseRequest *request, bh_BlkStatus *reply)
{
    caps_drop(call);
    reply->status = ERR_RIGHT;
    if (call->badge != BADGE_TOOLSTACK)
        snprintf(reply->error, sizeof(reply->error), "only the toolstack closes volumes");
    else
        reply->status = session_close(call->context, request->session, reply->error, sizeof(reply->error));
}

static enum status attach_refuse(struct rpc_call *call, bh_BlkAttachReply *reply, enum status status,
                                 const char *why)
{
    caps_drop(call);
    snprintf(reply->error, sizeof(reply->error), "%s", why);
    return status;
}

static enum status attach(struct rpc_call *call, uint32_t serial, bh_BlkAttachReply *reply)
{
    struct blkdrv *drv = call->context;
    struct client *client = session_find(drv, call->badge);
    slot_t doorbell;
    enum status status;

    if (!client)
        return attach_refuse(call, reply, ERR_EXIST, "this session is not open");
    if (call->in_count == 0)
        return attach_refuse(call, reply, ERR_ARG, "the Notification for completions is missing");
    status = session_attach(drv, client, serial);
    if (status != OK)
        return attach_refuse(call, reply, status, "another session is open here");
    doorbell = machine_client_doorbell(client_number(drv, client));
    if (doorbell == 0)
        return attach_refuse(call, reply, ERR_MEM, "no doorbell can be made");
    for (uint32_t i = 1; i < call->in_count; i++)
        bh_slot_drop(call->in[i]);
    status = machine_client_notify(client_number(drv, client), call->in[0]);
    if (status != OK)
        return status;
    reply->sectors = client->limits.sectors;
    reply->writable = client->limits.writable;
    reply->pool_pages = BLK_POOL_PAGES;
    reply->block_bytes = client->limits.align_sectors * BLK_SECTOR_BYTES;
    reply->serial = client->serial;
    memcpy(reply->volume, client->volume.name, sizeof(reply->volume));
    call->out[call->out_count++] = machine_block_frame(client->block);
    call->out[call->out_count++] = doorbell;

    /* After a restart there may be requests in the ring, and completions that nobody was told of. */
    client->news = true;
    drv->again |= CLIENT_BIT(client_number(drv, client));
    return OK;
}

void blk_on_attach(struct rpc_call *call, const bh_BlkAttachRequest *request, bh_BlkAttachReply *reply)
{
    reply->status = attach(call, request->serial, reply);
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

static void volume_or_session_describe(struct blkdrv *drv, uint32_t index, bh_BlkInfoReply *reply)
{
    uint32_t left = index - drv->volume_count; /* sessions to pass over, if not a volume */

    reply->status = OK;
    if (index < drv->volume_count) {
        volume_describe(drv, &drv->volumes[index], reply);
        return;
    }
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        if (drv->clients[i].state == CLIENT_FREE || left-- != 0)
            continue;
        session_describe(&drv->clients[i], reply);
        return;
    }
    reply->status = ERR_EXIST;
}

void blk_on_info(struct rpc_call *call, const bh_BlkInfoRequest *request, bh_BlkInfoReply *reply)
{
    struct blkdrv *drv = call->context;
    const struct client *client = request->session ? session_find(drv, request->session) : NULL;

    caps_drop(call);
    reply->status = call->badge != BADGE_TOOLSTACK ? ERR_RIGHT : request->session && !client ? ERR_EXIST : OK;
    if (reply->status != OK)
        return;
    if (client)
        session_describe(client, reply);
    else
        volume_or_session_describe(drv, request->index, reply);
}
