/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vconsole.c - queues of a virtio console: 0 receives for the guest, 1 transmits (Virtio 1.1, 5.3.2)
 *
 * A buffer that the wire had no room for is kept, with how far it went; nothing of it is sent twice or lost.
 */
#include "vconsole.h"

enum { QUEUE_RECEIVE = 0, QUEUE_TRANSMIT = 1 };
#define PIECE 256u

/* Put what is left of the buffer on the wire; true: all of it went. */
static bool send_rest(struct vconsole *console)
{
    uint8_t piece[PIECE];

    while (console->sent < console->sending.readable_bytes) {
        uint32_t left = console->sending.readable_bytes - console->sent;
        uint32_t part = left < PIECE ? left : PIECE;
        uint32_t done;

        vring_copy_from(&console->sending, console->sent, piece, part);
        done = wire_put(console->wire, piece, part);
        console->sent += done;
        if (done < part)
            return false;
    }
    return true;
}

static void transmit(struct vconsole *console)
{
    struct vring *queue = &console->virtio.queues[QUEUE_TRANSMIT];

    while (virtio_mmio_is_live(&console->virtio)) {
        bool found = false;

        if (!console->is_sending) {
            if (vring_take(queue, &console->sending, &found) != OK)
                virtio_mmio_break(&console->virtio);
            else if (!found && vring_want_kick(queue))
                continue;
            if (!found)
                break;
            console->is_sending = true;
            console->sent = 0;
        }
        if (!send_rest(console))
            break;
        console->is_sending = false;
        vring_give(queue, console->sending.head, 0);
    }
    virtio_mmio_used(&console->virtio, QUEUE_TRANSMIT);
}

/* Have a buffer of the guest's for what is typed. */
static bool receive_buffer(struct vconsole *console)
{
    struct vring *queue = &console->virtio.queues[QUEUE_RECEIVE];
    bool found = false;

    if (console->is_receiving)
        return true;
    do {
        if (vring_take(queue, &console->receiving, &found) != OK ||
            (found && console->receiving.writable_bytes == 0)) {
            virtio_mmio_break(&console->virtio);
            return false;
        }
    } while (!found && vring_want_kick(queue));
    console->is_receiving = found;
    return found;
}

static void receive(struct vconsole *console)
{
    uint8_t piece[PIECE];

    while (console->takes_input && virtio_mmio_is_live(&console->virtio) && receive_buffer(console)) {
        uint32_t room = console->receiving.writable_bytes;
        uint32_t done = wire_take(console->wire, piece, room < PIECE ? room : PIECE);

        if (done == 0)
            break;
        vring_copy_to(&console->receiving, 0, piece, done);
        vring_give(&console->virtio.queues[QUEUE_RECEIVE], console->receiving.head, done);
        console->is_receiving = false;
    }
    virtio_mmio_used(&console->virtio, QUEUE_RECEIVE);
}

void vconsole_pump(struct vconsole *console)
{
    if (!virtio_mmio_is_live(&console->virtio))
        return;
    transmit(console);
    receive(console);
}

static void on_ready(struct virtio_mmio *v)
{
    (void)v;
}

static void on_kick(struct virtio_mmio *v, uint32_t queue)
{
    (void)queue;
    vconsole_pump(v->device);
}

static void on_reset(struct virtio_mmio *v)
{
    struct vconsole *console = v->device;

    console->is_sending = false;
    console->is_receiving = false;
}

static const struct virtio_kind vconsole_kind = {
    .id = VIRTIO_ID_CONSOLE,
    .queue_count = 2,
    .queue_size_max = VCONSOLE_QUEUE_MAX,
    .ready = on_ready,
    .kick = on_kick,
    .reset = on_reset,
};

void vconsole_init(struct vconsole *console)
{
    struct virtio_mmio *v = &console->virtio;

    v->kind = &vconsole_kind;
    v->device = console;
    v->features = VIRTIO_F_INDIRECT_DESC;
    v->config_bytes = 12; /* 5.3.4: cols, rows, max_nr_ports, emerg_wr; none of them offered */
    on_reset(v);
    virtio_mmio_init(v);
}
