/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mgmt.c - the management channel: attach, take frames, answer
 *
 * Always true:  what a frame causes here are at most one answer and credit for the uploads, and there is room
 * for both before it is taken.
 */
#include "mgmt.h"

#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "caps_toolstack.h"
#include "console_rpc.h"
#include "mgmt_wire.h"
#include "text.h"
#include "toolstack.h"

#define FRAMES_AT_ONCE 16u /* then vmms and the prompt have their turn */
#define CREDIT_BYTES                                                                                         \
    (MGMT_UP_BYTES - 2u * FRAME_BYTES_MAX) /* uploads do not keep requests out of the ring                   \
                                            */
#define CREDIT_LEAST (CREDIT_BYTES / UPLOADS_MAX / 3)
#define CREDITS_BYTES (UPLOADS_MAX * (FRAME_HEADER_BYTES + 4u))
#define ROOM_NEEDED (FRAME_BYTES_MAX + CREDITS_BYTES)

_Static_assert(ROOM_NEEDED <= MGMT_DOWN_BYTES, "an answer always fits an empty ring");

/* ---- attach ------------------------------------------------------------------------------------------ */

static enum status rings_map_some(uint64_t ipa, uint32_t *done)
{
    bh_MgmtRingRequest request = {.first = *done};
    bh_MgmtRingReply reply;
    struct rpc_caps caps = {0};
    enum status status = console_rpc_mgmt_ring(CAP_CONSOLE, &request, &reply, &caps, bh_after_ms(ASK_MS));

    if (status == OK)
        status = (enum status)reply.status;
    if (status == OK && caps.out_count == 0)
        status = ERR_PEER;
    for (uint32_t i = 0; i < caps.out_count; i++) {
        if (status == OK)
            status = bh_map(caps.out[i], ipa + *done * 4096ull, RIGHT_READ | RIGHT_WRITE);
        if (status == OK)
            ++*done;
        else
            bh_slot_drop(caps.out[i]);
    }
    return status;
}

/* Their pages stay the same, whatever restarts but us. */
static enum status rings_map(struct mgmt *mgmt)
{
    static uint64_t ipa;
    static uint32_t done;
    enum status status = OK;

    if (ipa == 0)
        ipa = bh_ipa_alloc(MGMT_RING_PAGES);
    while (status == OK && done < MGMT_RING_PAGES)
        status = rings_map_some(ipa, &done);
    if (status == OK)
        mgmt->rings = (struct mgmt_rings *)(uintptr_t)ipa;
    return status;
}

static enum status attach_ask(struct mgmt *mgmt)
{
    bh_MgmtAttachRequest request = bh_MgmtAttachRequest_init_zero;
    bh_MgmtAttachReply reply;
    struct rpc_caps caps = {0};
    enum status status;

    request.boot_id.size = BOOT_ID_BYTES;
    memcpy(request.boot_id.bytes, mgmt->boot_id, BOOT_ID_BYTES);
    snprintf(request.machine, sizeof request.machine, "%s", mgmt->machine);
    status = console_rpc_mgmt_attach(CAP_CONSOLE, &request, &reply, &caps, bh_after_ms(ASK_MS));
    if (status == OK)
        status = (enum status)reply.status;
    if (status == OK && (caps.out_count != 1 || reply.pages != MGMT_RING_PAGES))
        status = ERR_PEER;
    for (uint32_t i = status == OK ? 1 : 0; i < caps.out_count; i++)
        bh_slot_drop(caps.out[i]);
    if (status != OK)
        return status;
    bh_slot_drop(mgmt->doorbell);
    mgmt->doorbell = caps.out[0];
    mgmt->generation = reply.generation;
    return OK;
}

static void attach(struct toolstack *ts)
{
    struct mgmt *mgmt = &ts->mgmt;
    enum status status = attach_ask(mgmt);

    mgmt->is_up = false;
    images_clients_ended(ts);
    mgmt->is_absent = status == ERR_EXIST;
    if (mgmt->is_absent)
        return;
    if (status == OK && !mgmt->rings)
        status = rings_map(mgmt);
    if (status != OK) {
        bh_log("the management channel cannot be attached: %s", bh_status_name(status));
        return;
    }
    mgmt->up = byte_ring_open_consumer(&mgmt->rings->up, mgmt->rings->up_data, MGMT_UP_BYTES);
    mgmt->down = byte_ring_open_producer(&mgmt->rings->down, mgmt->rings->down_data, MGMT_DOWN_BYTES);
    mgmt->is_up = true;
    mgmt->again = true;
}

static uint8_t hex_digit(char c)
{
    return (uint8_t)(c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0);
}

void mgmt_start(struct toolstack *ts)
{
    struct mgmt *mgmt = &ts->mgmt;
    char boot[2 * BOOT_ID_BYTES + 1];

    text_option(ts->options, "machine", mgmt->machine, sizeof mgmt->machine);
    text_option(ts->options, "boot", boot, sizeof boot);
    for (uint32_t i = 0; i < BOOT_ID_BYTES && strlen(boot) == 2 * BOOT_ID_BYTES; i++)
        mgmt->boot_id[i] = (uint8_t)(hex_digit(boot[2 * i]) << 4 | hex_digit(boot[2 * i + 1]));
    attach(ts);
}

/* ---- answers ------------------------------------------------------------------------------------------- */

static void doorbell_ring(struct mgmt *mgmt)
{
    if (bh_notification_signal(mgmt->doorbell) != OK)
        mgmt->is_up = false;
}

/* The payload stands in mgmt->out, behind the header's place. */
static void answer_send(struct mgmt *mgmt, uint16_t client, enum frame_kind kind, uint32_t id, uint32_t count)
{
    frame_header_write(mgmt->out, count, client, kind, id);
    if (!mgmt_ring_put(&mgmt->down, mgmt->out, FRAME_HEADER_BYTES + count))
        bh_log("an answer finds no room"); /* the console broke the ring */
    else if (byte_ring_must_signal(&mgmt->down))
        doorbell_ring(mgmt);
}

static void end_send(struct mgmt *mgmt, uint16_t client, uint32_t id, uint32_t status, const char *text)
{
    answer_send(mgmt, client, FRAME_END, id, wire_failure(mgmt->out + FRAME_HEADER_BYTES, status, text));
}

static uint32_t smaller(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

/* What this upload may send more: all share CREDIT_BYTES, which fit the ring. */
static uint32_t credit_due(const struct toolstack *ts, const struct image *image)
{
    uint32_t coming = 0, granted = 0, share;

    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        coming += ts->images[i].state == IMAGE_COMING;
        granted += ts->images[i].granted;
    }
    share = smaller(CREDIT_BYTES / coming, image->bytes - image->received);
    if (image->granted >= share || granted >= CREDIT_BYTES)
        return 0;
    return smaller(share - image->granted, CREDIT_BYTES - granted);
}

/* Credit goes out in pieces worth a frame, and at once to who has none. */
static void credits_send(struct toolstack *ts)
{
    struct mgmt *mgmt = &ts->mgmt;

    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        struct image *image = &ts->images[i];
        uint32_t due = image->state == IMAGE_COMING ? credit_due(ts, image) : 0;

        if (due == 0 || (due < CREDIT_LEAST && image->granted > 0))
            continue;
        frame_put_u32(mgmt->out + FRAME_HEADER_BYTES, due);
        answer_send(mgmt, image->client, FRAME_CREDIT, image->stream, 4);
        image->granted += due;
    }
}

/* ---- frames ----------------------------------------------------------------------------------------------
 */

static void request_serve(struct toolstack *ts, const struct frame *frame)
{
    struct wire_call call = {.context = ts, .client = frame->client, .id = frame->id};
    uint32_t count = mgmt_serve(&call, frame->payload, frame->length, ts->mgmt.out + FRAME_HEADER_BYTES);

    answer_send(&ts->mgmt, frame->client, FRAME_REPLY, frame->id, count);
    vms_forget(ts); /* before the next request asks for them */
    images_collect(ts);
}

static void data_serve(struct toolstack *ts, const struct frame *frame)
{
    struct image *image = image_of_stream(ts, frame->client, frame->id);
    char error[WIRE_ERROR_BYTES] = "";
    uint32_t status;

    if (!image)
        return; /* it crossed our END */
    status = image_data(ts, image, frame->payload, frame->length, error, sizeof error);
    if (status != bh_MgmtStatus_MGMT_OK || image->state == IMAGE_READY)
        end_send(&ts->mgmt, frame->client, frame->id, status, error);
}

static void end_serve(struct toolstack *ts, const struct frame *frame)
{
    struct image *image = image_of_stream(ts, frame->client, frame->id);

    if (image)
        image_drop(ts, image);
}

static void frame_serve(struct toolstack *ts, const struct frame *frame)
{
    switch (frame->kind) {
    case FRAME_REQUEST:
        request_serve(ts, frame);
        break;
    case FRAME_DATA:
        data_serve(ts, frame);
        break;
    case FRAME_END:
        end_serve(ts, frame);
        break;
    case FRAME_CLOSE:
        images_client_ended(ts, frame->client);
        break;
    default: /* credit for a stream that we send nothing on */
        break;
    }
}

void mgmt_worked(struct toolstack *ts, const char *work, const char *vm, uint64_t began)
{
    struct mgmt *mgmt = &ts->mgmt;

    if (mgmt->is_up)
        waits_note(&mgmt->waits, mgmt->up.index, byte_ring_room(&mgmt->up),
                   bh_ticks_to_us(bh_now() - began) / 1000, work, vm);
}

/* The next frame, if its answer has room. */
static bool frame_take(struct mgmt *mgmt, struct frame *frame)
{
    if (byte_ring_room(&mgmt->down) < ROOM_NEEDED) {
        (void)byte_ring_want_space(&mgmt->down); /* there is always some: the question is how much */
        mgmt->again = byte_ring_room(&mgmt->down) >= ROOM_NEEDED;
        return false;
    }
    byte_ring_want_nothing(&mgmt->down);
    if (!mgmt_ring_peek(&mgmt->up, mgmt->in, frame)) {
        mgmt->again = byte_ring_want_data(&mgmt->up);
        return false;
    }
    byte_ring_want_nothing(&mgmt->up);
    waits_of(&mgmt->waits, mgmt->up.index, mgmt->waited);
    mgmt_ring_drop(&mgmt->up, frame);
    if (byte_ring_must_signal(&mgmt->up))
        doorbell_ring(mgmt);
    return true;
}

void mgmt_run(struct toolstack *ts, bool is_told)
{
    struct mgmt *mgmt = &ts->mgmt;
    struct frame frame;

    if (mgmt->is_absent && !is_told)
        return;
    if (!mgmt->is_up || mgmt_rings_generation(mgmt->rings) != mgmt->generation || mgmt->up.status != OK ||
        mgmt->down.status != OK)
        attach(ts);
    mgmt->again = false;
    for (uint32_t i = 0; mgmt->is_up; i++) {
        if (i == FRAMES_AT_ONCE) {
            mgmt->again = true;
            return;
        }
        if (!frame_take(mgmt, &frame))
            return;
        frame_serve(ts, &frame);
        credits_send(ts);
        reports_serve(ts);
    }
}
