/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire_ring.c - the wire, over the byte rings that this VM shares with the console domain
 *
 * A console that writes nonsense into the page loses this VM its console, and nothing else: the rings then
 * take as empty and put as full.
 */
#include "wire_ring.h"

#include <stdio.h>

#include "caps_vmm.h"
#include "console_rpc.h"

#define ATTACH_MS 2000u
#define PATIENCE_MS 4u

/* Ask for the ring page and the console's Notification. */
static enum status attach(const struct wire *wire, slot_t *page, slot_t *console, char *error,
                          size_t error_bytes)
{
    bh_ConsoleAttachRequest request = bh_ConsoleAttachRequest_init_zero;
    bh_ConsoleAttachReply reply;
    struct rpc_caps caps = {.in_count = 1, .in = {wire->events}};
    enum status status = console_rpc_attach(wire->session, &request, &reply, &caps, bh_after_ms(ATTACH_MS));

    if (status == OK && (enum status)reply.status != OK) {
        status = (enum status)reply.status;
        snprintf(error, error_bytes, "console: %s", reply.error);
    } else if (status == OK && caps.out_count != 2) {
        status = ERR_PEER;
        snprintf(error, error_bytes, "console: Attach brought %u capabilities", (unsigned)caps.out_count);
    } else if (status != OK) {
        snprintf(error, error_bytes, "console: Attach: %s", bh_status_name(status));
    }
    if (status != OK) {
        for (uint32_t i = 0; i < caps.out_count; i++)
            bh_slot_drop(caps.out[i]);
        return status;
    }
    *page = caps.out[0];
    *console = caps.out[1];
    return OK;
}

enum status wire_open(struct wire *wire, slot_t events, char *error, size_t error_bytes)
{
    slot_t frame = 0;
    enum status status;
    uint64_t ipa = bh_ipa_alloc(1);

    wire->session = CAP_CONSOLE;
    wire->events = events;
    status = attach(wire, &frame, &wire->console, error, error_bytes);
    if (status != OK)
        return status;
    status = bh_map(frame, ipa, RIGHT_READ | RIGHT_WRITE);
    if (status != OK) {
        snprintf(error, error_bytes, "console: mapping its ring: %s", bh_status_name(status));
        return status;
    }
    wire->page = (struct byte_ring_page *)(uintptr_t)ipa;
    wire->out = byte_ring_out_producer(wire->page);
    wire->in = byte_ring_in_consumer(wire->page);
    wire->generation = byte_ring_generation(wire->page);
    wire->tell_at = BH_FOREVER;
    wire->patience = bh_after_ms(PATIENCE_MS) - bh_now();
    return OK;
}

static void tell_console(struct wire *wire)
{
    wire->tell_at = BH_FOREVER;
    if (bh_notification_signal(wire->console) != OK)
        wire->generation = 0; /* it is lost: we attach again */
}

bool wire_is_lost(const struct wire *wire)
{
    return byte_ring_generation(wire->page) != wire->generation;
}

/* The frame is the same as before, and still mapped: only the Notification is new. */
enum status wire_ask(const struct wire *wire, struct wire_news *news)
{
    slot_t frame = 0;
    char error[8];
    enum status status;

    news->generation = byte_ring_generation(wire->page);
    status = attach(wire, &frame, &news->console, error, sizeof error);

    if (status == OK)
        bh_slot_drop(frame);
    return status;
}

/* If it is gone again already, the next look finds out. */
void wire_go_on(struct wire *wire, const struct wire_news *news)
{
    slot_t old = wire->console;

    wire->generation = news->generation;
    wire->console = news->console;
    bh_slot_drop(old);
    tell_console(wire);
}

void wire_tell(struct wire *wire, uint64_t now)
{
    if (now >= wire->tell_at)
        tell_console(wire);
}

uint32_t wire_put(struct wire *wire, const uint8_t *bytes, uint32_t count)
{
    uint32_t done = byte_ring_put(&wire->out, bytes, count);

    if (done == count)
        byte_ring_want_nothing(&wire->out);
    else if (byte_ring_want_space(&wire->out))
        done += byte_ring_put(&wire->out, bytes + done, count - done);
    if (wire->tell_at == BH_FOREVER && done != 0 && byte_ring_must_signal(&wire->out))
        wire->tell_at = bh_now() + wire->patience;
    if (wire->tell_at != BH_FOREVER && (done < count || bh_now() >= wire->tell_at))
        tell_console(wire);
    return done;
}

uint32_t wire_take(struct wire *wire, uint8_t *bytes, uint32_t count)
{
    uint32_t done = byte_ring_take(&wire->in, bytes, count);

    if (done == 0 && byte_ring_want_data(&wire->in))
        done = byte_ring_take(&wire->in, bytes, count);
    if (done != 0 && byte_ring_must_signal(&wire->in))
        tell_console(wire);
    return done;
}
