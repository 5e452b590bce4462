/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel.c - the management channel's frames: what comes from the port, what comes from the toolstack
 *
 * Always true:  a frame from the port is dealt with only when there is room for what it may cause, else it
 * stays in the reader and nothing more is read; so no answer is ever dropped, and nothing grows.
 */
#include "channel.h"

#include <stdio.h>
#include <string.h>

#include "lib/mgmt/wire.h"
#include "mgmt.pb.h"

#include <pb_decode.h>
#include <pb_encode.h>

_Static_assert(sizeof(((bh_MgmtHello *)0)->boot_id.bytes) == BOOT_ID_BYTES, "idl/mgmt.options");
_Static_assert(sizeof(((bh_MgmtHello *)0)->machine) == sizeof(((struct channel *)0)->machine), "the same");
_Static_assert(bh_MgmtHello_size <= MGMT_HELLO_PAYLOAD_MAX, "a HELLO is short");
_Static_assert(CHANNEL_OUT_BYTES >= FRAME_BYTES_MAX + CHANNEL_OUT_RESERVE, "any frame can go out");

#define UP_RESERVE 1024u /* of the ring to the toolstack, for the clients' ends */
_Static_assert(UP_RESERVE >= CHANNEL_CLIENTS_MAX * (FRAME_HEADER_BYTES + 4), "all can end at once");

void channel_init(struct channel *ch, struct console *console, struct mgmt_rings *rings)
{
    memset(ch, 0, sizeof *ch);
    ch->console = console;
    ch->rings = rings;
    ch->out = fifo_make(ch->out_bytes, CHANNEL_OUT_BYTES);
    frame_reader_start(&ch->reader, READER_LOST);
    __atomic_store_n(&rings->generation, console->generation, __ATOMIC_RELEASE);
}

/* ---- out to the port --------------------------------------------------------------------------- */

bool channel_out(struct channel *ch, uint16_t client, enum frame_kind kind, uint32_t id,
                 const uint8_t *payload, uint32_t count)
{
    uint8_t header[FRAME_HEADER_BYTES];

    if (fifo_room(&ch->out) < FRAME_HEADER_BYTES + count)
        return false;
    frame_header_write(header, count, client, kind, id);
    (void)fifo_put(&ch->out, header, sizeof header);
    (void)fifo_put(&ch->out, payload, count);
    return true;
}

bool channel_out_failure(struct channel *ch, uint16_t client, enum frame_kind kind, uint32_t id,
                         uint32_t status, const char *text)
{
    static uint8_t payload[FRAME_PAYLOAD_MAX];

    return channel_out(ch, client, kind, id, payload, wire_failure(payload, status, text));
}

static void hello_send(struct channel *ch)
{
    bh_MgmtHello hello = bh_MgmtHello_init_zero;
    uint8_t payload[bh_MgmtHello_size];
    pb_ostream_t stream = pb_ostream_from_buffer(payload, sizeof payload);

    if (!ch->hello_due || !ch->toolstack_is_up)
        return;
    snprintf(hello.product, sizeof hello.product, "%s", MGMT_PRODUCT);
    snprintf(hello.machine, sizeof hello.machine, "%s", ch->machine);
    hello.version = MGMT_VERSION;
    hello.lowest = MGMT_LOWEST;
    hello.boot_id.size = BOOT_ID_BYTES;
    memcpy(hello.boot_id.bytes, ch->boot_id, BOOT_ID_BYTES);
    hello.answer = ch->hello_answers;
    if (pb_encode(&stream, bh_MgmtHello_fields, &hello) &&
        channel_out(ch, 0, FRAME_HELLO, MGMT_HELLO_ID, payload, (uint32_t)stream.bytes_written))
        ch->hello_due = false;
}

/* ---- up to the toolstack ------------------------------------------------------------------------- */

static bool up_put(struct channel *ch, uint16_t client, enum frame_kind kind, uint32_t id,
                   const uint8_t *payload, uint32_t count)
{
    frame_header_write(ch->scratch, count, client, kind, id);
    memcpy(ch->scratch + FRAME_HEADER_BYTES, payload, count);
    if (!mgmt_ring_put(&ch->up, ch->scratch, FRAME_HEADER_BYTES + count))
        return false;
    ch->signal_toolstack |= byte_ring_must_signal(&ch->up);
    return true;
}

/* Tell the toolstack who is gone; false: some wait for room, and nothing else may go before them. */
static bool gone_tell(struct channel *ch)
{
    static const uint8_t nothing[4];
    bool all = true;

    for (uint32_t i = 0; i < CHANNEL_CLIENTS_MAX; i++) {
        struct channel_client *client = &ch->clients[i];

        if (client->state != CLIENT_GONE)
            continue;
        if (ch->toolstack_is_up && ch->up.status == OK &&
            !up_put(ch, client->number, FRAME_CLOSE, 0, nothing, sizeof nothing))
            all = false;
        else
            memset(client, 0, sizeof *client);
    }
    return all;
}

/* A closed ring takes everything: nobody hears it, and the toolstack attaches again. */
static bool forward(struct channel *ch, const struct frame *frame)
{
    if (!ch->toolstack_is_up || !gone_tell(ch))
        return false;
    if (ch->up.status == OK && byte_ring_room(&ch->up) < FRAME_HEADER_BYTES + frame->length + UP_RESERVE)
        return ch->up.status != OK;
    (void)up_put(ch, frame->client, (enum frame_kind)frame->kind, frame->id, frame->payload, frame->length);
    return true;
}

/* ---- in from the port ------------------------------------------------------------------------------ */

static void clients_forget(struct channel *ch)
{
    for (uint32_t i = 0; i < CHANNEL_CLIENTS_MAX; i++)
        if (ch->clients[i].state == CLIENT_OPEN)
            client_forget(ch, &ch->clients[i]);
}

/* Everybody goes, and we begin again with HELLO. */
static void begin_again(struct channel *ch)
{
    clients_forget(ch);
    ch->is_up = false;
    ch->hello_due = true;
    ch->hello_answers = false;
}

/* A frame came that the protocol does not allow. */
static void resync(struct channel *ch)
{
    begin_again(ch);
    frame_reader_start(&ch->reader, READER_LOST);
}

void channel_port_starts(struct channel *ch)
{
    fifo_clear(&ch->out);
    ch->parked = false;
    resync(ch);
}

static void hello_take(struct channel *ch, const struct frame *frame)
{
    bh_MgmtHello hello = bh_MgmtHello_init_zero;
    pb_istream_t stream = pb_istream_from_buffer(frame->payload, frame->length);

    if (!pb_decode(&stream, bh_MgmtHello_fields, &hello))
        return resync(ch);
    if (!hello.answer) {
        clients_forget(ch);
        ch->hello_due = ch->hello_answers = true;
    }
    ch->is_up = hello.version >= MGMT_LOWEST && hello.lowest <= MGMT_VERSION;
}

static void client_open(struct channel *ch, const struct frame *frame)
{
    struct channel_client *free = NULL;

    for (uint32_t i = 0; i < CHANNEL_CLIENTS_MAX; i++)
        if (ch->clients[i].state == CLIENT_FREE)
            free = &ch->clients[i];
    if (frame->client == 0 || client_find(ch, frame->client))
        return resync(ch);
    if (!free) {
        (void)channel_out_failure(ch, frame->client, FRAME_CLOSE, 0, bh_MgmtStatus_MGMT_FULL,
                                  "the machine has as many clients as it takes");
        return;
    }
    *free = (struct channel_client){.state = CLIENT_OPEN, .number = frame->client};
}

/* The client broke the rules: it goes, nobody else notices. */
static void client_refuse(struct channel *ch, struct channel_client *client, const char *text)
{
    (void)channel_out_failure(ch, client->number, FRAME_CLOSE, 0, bh_MgmtStatus_MGMT_PROTOCOL, text);
    client_forget(ch, client);
}

/* A client's frame.  False: it waits for room. */
static bool client_frame(struct channel *ch, struct channel_client *client, const struct frame *frame)
{
    struct attached *a = attached_find(ch, client->number, frame->id);

    if (frame->kind == FRAME_CLOSE) {
        client_forget(ch, client);
        return true;
    }
    if (frame->id == 0) {
        client_refuse(ch, client, "id 0 is no request's");
        return true;
    }
    if (frame->kind == FRAME_REQUEST && (client->asks || a)) {
        client_refuse(ch, client, "one request at a time, each with an id of its own");
        return true;
    }
    if (a) {
        if (!attached_frame(ch, a, frame))
            client_refuse(ch, client, "more was typed than the machine gave credit for");
        return true;
    }
    if (!forward(ch, frame))
        return false;
    if (frame->kind == FRAME_REQUEST) {
        client->asks = true;
        client->request = frame->id;
    } else if (frame->kind == FRAME_END) {
        stream_remove(client, frame->id);
    }
    return true;
}

/* False: it waits for room. */
static bool frame_serve(struct channel *ch, const struct frame *frame)
{
    struct channel_client *client = client_find(ch, frame->client);

    if (fifo_room(&ch->out) < CHANNEL_OUT_RESERVE || !gone_tell(ch))
        return false;
    if (frame->kind == FRAME_HELLO) {
        hello_take(ch, frame);
        return true;
    }
    if (!ch->is_up)
        return true;
    if (frame->kind == FRAME_REPLY) {
        resync(ch);
        return true;
    }
    if (frame->kind == FRAME_OPEN) {
        client_open(ch, frame);
        return true;
    }
    return !client || client_frame(ch, client, frame); /* of a client that is gone: it crossed our CLOSE */
}

/* The frame in the reader; false: it stays there. */
static bool parked_serve(struct channel *ch)
{
    if (!ch->parked)
        return true;
    if (!frame_serve(ch, &ch->frame))
        return false;
    ch->parked = false;
    frame_reader_next(&ch->reader);
    return true;
}

uint32_t channel_receive(struct channel *ch, const uint8_t *bytes, uint32_t count)
{
    uint32_t taken = 0;

    while (parked_serve(ch) && taken < count) {
        enum reader_state before = ch->reader.state;

        taken += frame_reader_take(&ch->reader, bytes + taken, count - taken, &ch->frame);
        ch->parked = ch->frame.payload != NULL;
        if (before == READER_WITHIN && ch->reader.state == READER_LOST)
            begin_again(ch);
    }
    return taken;
}

/* ---- down from the toolstack ------------------------------------------------------------------------- */

void channel_toolstack(struct channel *ch, const uint8_t boot_id[BOOT_ID_BYTES], const char *machine)
{
    struct mgmt_rings *rings = ch->rings;

    memset(&rings->up, 0, sizeof rings->up);
    memset(&rings->down, 0, sizeof rings->down);
    ch->up = byte_ring_open_producer(&rings->up, rings->up_data, MGMT_UP_BYTES);
    ch->down = byte_ring_open_consumer(&rings->down, rings->down_data, MGMT_DOWN_BYTES);
    memcpy(ch->boot_id, boot_id, BOOT_ID_BYTES);
    snprintf(ch->machine, sizeof ch->machine, "%s", machine);
    ch->toolstack_is_up = true;
    for (uint32_t i = 0; i < CHANNEL_CLIENTS_MAX; i++)
        ch->clients[i].lost = ch->clients[i].state == CLIENT_OPEN;
}

/* Answer what died with the toolstack; false: not all of it could be said yet. */
static bool lost_tell(struct channel *ch, struct channel_client *client)
{
    static const char text[] = "the toolstack has restarted: whether it was done is not known";

    if (client->asks &&
        !channel_out_failure(ch, client->number, FRAME_REPLY, client->request, bh_MgmtStatus_MGMT_LOST, text))
        return false;
    client->asks = false;
    for (uint32_t i = 0; i < CHANNEL_STREAMS_MAX; i++) {
        if (client->streams[i] != 0 && !channel_out_failure(ch, client->number, FRAME_END, client->streams[i],
                                                            bh_MgmtStatus_MGMT_LOST, text))
            return false;
        client->streams[i] = 0;
    }
    client->lost = false;
    return true;
}

/* What the toolstack says counts as far as it makes sense. */
static void down_note(struct channel_client *client, const struct frame *frame)
{
    if (frame->kind == FRAME_REPLY && client->asks && client->request == frame->id)
        client->asks = false;
    if (frame->kind == FRAME_CREDIT)
        stream_add(client, frame->id);
    if (frame->kind == FRAME_END)
        stream_remove(client, frame->id);
}

/* The next frame of the toolstack's; false: there is none, or no room for it. */
static bool down_take(struct channel *ch)
{
    struct channel_client *client;
    struct frame frame;

    if (!ch->toolstack_is_up || !mgmt_ring_peek(&ch->down, ch->scratch, &frame))
        return false;
    client = client_find(ch, frame.client);
    if (client && frame.kind >= FRAME_REPLY) {
        if (fifo_room(&ch->out) < FRAME_HEADER_BYTES + frame.length + CHANNEL_OUT_RESERVE)
            return false;
        (void)channel_out(ch, frame.client, (enum frame_kind)frame.kind, frame.id, frame.payload,
                          frame.length);
        down_note(client, &frame);
    }
    mgmt_ring_drop(&ch->down, &frame);
    ch->signal_toolstack |= byte_ring_must_signal(&ch->down);
    return true;
}

/* Ask to be woken for what could not move for want of room or of frames. */
static void wants(struct channel *ch)
{
    if (!ch->toolstack_is_up)
        return;
    if (ch->parked && fifo_room(&ch->out) >= CHANNEL_OUT_RESERVE) {
        (void)byte_ring_want_space(&ch->up); /* there is always some: the question is how much */
        ch->again = byte_ring_room(&ch->up) >= FRAME_BYTES_MAX + UP_RESERVE;
    }
    if (fifo_room(&ch->out) >= FRAME_BYTES_MAX + CHANNEL_OUT_RESERVE && byte_ring_want_data(&ch->down))
        ch->again = true;
}

void channel_pump(struct channel *ch)
{
    ch->again = false;
    if (ch->toolstack_is_up) {
        byte_ring_want_nothing(&ch->up);
        byte_ring_want_nothing(&ch->down);
    }
    hello_send(ch);
    (void)gone_tell(ch);
    for (uint32_t i = 0; i < CHANNEL_CLIENTS_MAX; i++)
        if (ch->clients[i].lost && !lost_tell(ch, &ch->clients[i]))
            return;
    attached_pump(ch);
    while (down_take(ch))
        ;
    (void)channel_receive(ch, NULL, 0); /* a parked frame may fit now */
    wants(ch);
}
