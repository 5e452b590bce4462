/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port.c - packets from and to the lanes of the sessions
 *
 * A packet whose one receiver has no room stays where it is, and its sender's lane with it: between VMs
 * nothing is lost that a moment's waiting saves.  But a receiver has only so much patience to spend
 * (PATIENCE_US, growing only while nobody waits): so it can keep its senders waiting for half of the time at
 * most, and one that takes nothing at all is waited for once; what it does not take then is its own loss, and
 * counted.
 *
 * Always true:  a port's taken packet is either done or put back; `waiting` of a port that is not attached is
 * empty.
 */
#include <string.h>

#include "netdrv.h"
#include "offload.h"

#define PASS_PACKETS 16u
#define PATIENCE_US 20000u
#define REST_REFUSALS 32u /* a port that rests does so until it may have so many packets refused */

/* ---- waiting for room -------------------------------------------------------------------------- */

static void patience_settle(const struct netdrv *drv, struct port *port)
{
    uint64_t passed = drv->now_us - port->patience_from;

    port->patience_from = drv->now_us;
    if (port->waiting)
        port->patience_us = port->patience_us > passed ? port->patience_us - passed : 0;
    else
        port->patience_us =
            PATIENCE_US - port->patience_us > passed ? port->patience_us + passed : PATIENCE_US;
}

void port_attached(struct netdrv *drv, struct port *port)
{
    port->attached = true;
    port->reported = false;
    port->segments_sent = 0;
    port->stalled = false;
    port->patience_us = PATIENCE_US;
    port->patience_from = drv->now_us;
    drv->again |= PORT_BIT(port_number(drv, port));
}

/* Everybody who waited for this port looks again. */
static void waiting_end(struct netdrv *drv, struct port *port)
{
    if (!port->waiting)
        return;
    patience_settle(drv, port);
    drv->again |= port->waiting;
    port->waiting = 0;
    if (port->attached)
        net_producer_awake(&port->to);
}

/* May `source` wait for room for this packet? */
static bool port_wait(struct netdrv *drv, struct port *port, uint32_t source, uint32_t length)
{
    if (source >= PORTS_MAX || port->to.broken)
        return false;
    patience_settle(drv, port);
    if (port->patience_us == 0) {
        port->stalled = true;
        port->stalled_at = port->to.done;
    } else if (port->to.done != port->stalled_at && port->patience_us >= PATIENCE_US / 2) {
        port->stalled = false; /* it takes packets again */
    }
    if (port->stalled)
        return false;
    port->waiting |= PORT_BIT(source);
    drv->timed |= PORT_BIT(port_number(drv, port));
    if (!net_producer_may_sleep(&port->to, net_pages_count(length)))
        waiting_end(drv, port); /* room came meanwhile: it is taken in the next pass */
    return true;
}

uint64_t ports_next_us(const struct netdrv *drv)
{
    uint64_t next = NEVER;

    for (ports_t left = drv->timed; left != 0; left &= left - 1u) {
        const struct port *port = &drv->ports[port_lowest(left)];
        uint64_t at = port->waiting ? port->patience_from + port->patience_us : NEVER;

        if (port->resume_ms && port->resume_ms * 1000u < at)
            at = port->resume_ms * 1000u;
        if (at < next)
            next = at;
    }
    return next;
}

void ports_clock(struct netdrv *drv)
{
    for (ports_t left = drv->timed; left != 0; left &= left - 1u) {
        ports_t bit = left & -left;
        struct port *port = &drv->ports[port_lowest(left)];

        if (port->resume_ms && port->resume_ms <= drv->now_ms) {
            port->resume_ms = 0;
            drv->again |= bit;
        }
        if (port->waiting && drv->now_us - port->patience_from >= port->patience_us)
            waiting_end(drv, port); /* they find it without patience */
        if (!port->resume_ms && !port->waiting)
            drv->timed &= ~bit;
    }
}

void port_rang(struct netdrv *drv, uint32_t number)
{
    drv->again |= PORT_BIT(number);
    waiting_end(drv, &drv->ports[number]);
}

void port_detach(struct netdrv *drv, struct port *port)
{
    ports_t bit = PORT_BIT(port_number(drv, port));

    waiting_end(drv, port);
    port->attached = false;
    port->resume_ms = 0;
    drv->again &= ~bit;
    drv->news &= ~bit;
    drv->room &= ~bit;
    drv->uplink.waiting &= ~bit;
    for (uint32_t i = 0; i < PORTS_MAX; i++)
        drv->ports[i].waiting &= ~bit;
}

/* ---- to the vmm -------------------------------------------------------------------------------- */

/* Where a packet is written: rows of pool pages that follow one another. */
struct sink {
    uint8_t *pool;
    const struct net_descriptor *descriptor;
    uint32_t next, count;
    uint8_t *at;
    uint32_t room;
};

static void sink_advance(struct sink *sink)
{
    uint32_t row = net_pages_row(sink->descriptor, sink->next, sink->count);

    sink->at = sink->pool + (size_t)sink->descriptor->pages[sink->next] * NET_PAGE_BYTES;
    sink->room = row * NET_PAGE_BYTES;
    sink->next += row;
}

static void sink_write(struct sink *sink, const uint8_t *from, uint32_t bytes)
{
    while (bytes > 0) {
        if (sink->room == 0)
            sink_advance(sink);
        uint32_t now = bytes < sink->room ? bytes : sink->room;

        memcpy(sink->at, from, now);
        sink->at += now;
        sink->room -= now;
        from += now;
        bytes -= now;
    }
}

static void pages_fill(uint8_t *pool, const struct net_descriptor *descriptor, const struct packet *packet)
{
    struct sink sink = {.pool = pool, .descriptor = descriptor, .count = net_pages_count(packet->length)};

    sink_write(&sink, packet->head, packet->head_bytes);
    for (uint32_t i = 0; i < packet->piece_count; i++)
        sink_write(&sink, packet->pieces[i].at, packet->pieces[i].bytes);
}

static bool rate_allows(struct netdrv *drv, struct port *port, const struct packet *packet)
{
    return rate_limit_is_off(&port->to_limit) ||
           rate_limit_take(&port->to_limit, packet->length, offload_packets(packet), drv->now_ms);
}

/* One packet that the guest can take as it is. */
static enum fate put(struct netdrv *drv, struct port *port, uint32_t source, const struct packet *packet)
{
    uint32_t number = port_number(drv, port);
    struct net_descriptor descriptor;

    if (net_ring_prepare(&port->to, packet->length, &descriptor) != OK) {
        if (port_wait(drv, port, source, packet->length))
            return FATE_WAIT;
        port->to_vm.dropped_full++;
        return FATE_DONE;
    }
    if (!rate_allows(drv, port, packet)) {
        net_ring_cancel(&port->to, &descriptor);
        port->to_vm.dropped_rate++;
        return FATE_DONE;
    }
    descriptor.offload = packet->offload;
    if (!(port->features & FEATURE_GUEST_CHECKSUM))
        descriptor.offload.flags = 0;
    pages_fill(port_page(port, NET_PAGES_PER_LANE + 1u), &descriptor, packet);
    net_ring_put(&port->to, &descriptor);
    port->to_vm.packets++;
    port->to_vm.bytes += packet->length;
    drv->news |= PORT_BIT(number);
    return FATE_DONE;
}

static bool takes_gso(const struct port *port, uint8_t gso)
{
    uint32_t needed = gso == NET_GSO_TCP4 ? FEATURE_GUEST_TSO4 : FEATURE_GUEST_TSO6;

    return gso == NET_GSO_NONE || ((port->features & needed) && (port->features & FEATURE_GUEST_CHECKSUM));
}

static enum fate put_segments(struct netdrv *drv, struct port *port, uint32_t source,
                              const struct packet *packet, const struct inet *in)
{
    uint32_t none = 0, *sent = source < PORTS_MAX ? &drv->ports[source].segments_sent : &none;
    uint32_t number = 0;
    struct segments segments;
    struct packet segment;

    segments_start(&segments, packet, in);
    for (; segments_next(&segments, &segment); number++) {
        if (number < *sent)
            continue;
        if (!(port->features & FEATURE_GUEST_CHECKSUM) && !offload_checksum(&segment))
            break;
        if (put(drv, port, source, &segment) == FATE_WAIT) {
            *sent = number;
            return FATE_WAIT;
        }
    }
    return FATE_DONE;
}

enum fate port_deliver(struct netdrv *drv, struct port *port, uint32_t source, struct packet *packet,
                       const struct inet *in)
{
    if (!port->attached || !port->config.link) {
        port->to_vm.dropped_full++;
        return FATE_DONE;
    }
    /* Not what another VM says: only who sits outside, or our own server, gives addresses. */
    if (port->guard.learn && source >= PORTS_MAX && guard_learn(&port->guard, packet, in, drv->now_ms))
        persist_save(drv);
    if (!takes_gso(port, packet->offload.gso))
        return put_segments(drv, port, source, packet, in);
    if (packet->offload.flags & NET_NEEDS_CHECKSUM && !(port->features & FEATURE_GUEST_CHECKSUM) &&
        !offload_checksum(packet)) {
        port->to_vm.dropped_malformed++;
        return FATE_DONE;
    }
    return put(drv, port, source, packet);
}

/* ---- from the vmm ------------------------------------------------------------------------------- */

/* Pages that follow one another are one piece. */
static bool packet_read(const struct port *port, const struct net_descriptor *d, struct packet *packet)
{
    const uint8_t *pool = port_page(port, 1);
    struct packet_piece pieces[NET_PACKET_PAGES];
    uint32_t count = 0, pages = net_pages_count(d->length);

    for (uint32_t i = 0, row; i < pages; i += row) {
        row = net_pages_row(d, i, pages);
        pieces[count++] =
            (struct packet_piece){pool + (size_t)d->pages[i] * NET_PAGE_BYTES, row * NET_PAGE_BYTES};
    }
    return packet_from_pieces(packet, d->length, &d->offload, pieces, count);
}

/* It is not looked at before that. */
static void port_rest(struct netdrv *drv, struct port *port, uint64_t wait_ms)
{
    port->resume_ms = drv->now_ms + wait_ms;
    drv->timed |= PORT_BIT(port_number(drv, port));
}

void port_refused(struct netdrv *drv, struct port *port)
{
    if (!bucket_take(&port->refusals, 1, drv->now_ms))
        port_rest(drv, port, bucket_wait_ms(&port->refusals, REST_REFUSALS, drv->now_ms));
}

/* The reason is counted; true: it may pass. */
static bool packet_allowed(struct netdrv *drv, struct port *port, struct packet *packet, struct inet *in)
{
    enum guard_reason reason;

    (void)inet_parse(in, packet);
    reason = guard_check(&port->guard, packet, in, drv->now_ms);
    if (reason == GUARD_PASS && packet_is_oversize(packet))
        reason = GUARD_MALFORMED;
    if (reason == GUARD_PASS)
        return true;
    if (reason == GUARD_MALFORMED)
        port->from_vm.dropped_malformed++;
    else
        port->from_vm.dropped_spoofed++;
    port_refused(drv, port);
    return false;
}

/* False: its rate does not allow the packet yet. */
static bool rate_reached(struct netdrv *drv, struct port *port, const struct packet *packet)
{
    uint64_t wait_ms;

    if (rate_limit_is_off(&port->from_limit))
        return true;
    wait_ms = rate_limit_wait_ms(&port->from_limit, packet->length, offload_packets(packet), drv->now_ms);
    if (wait_ms == 0)
        return true;
    port_rest(drv, port, wait_ms);
    return false;
}

static void sent_count(struct netdrv *drv, struct port *port, uint32_t length, uint32_t packets)
{
    if (!rate_limit_is_off(&port->from_limit))
        (void)rate_limit_take(&port->from_limit, length, packets, drv->now_ms);
    port->from_vm.packets++;
    port->from_vm.bytes += length;
}

/* False: it stays in the lane. */
static bool packet_handle(struct netdrv *drv, struct port *port, const struct net_descriptor *descriptor)
{
    uint32_t packets, length = descriptor->length;
    struct packet packet;
    struct inet in;

    if (!packet_read(port, descriptor, &packet)) {
        port->from_vm.dropped_malformed++;
        port_refused(drv, port);
        return true;
    }
    packet.offload.flags &= (uint8_t)~NET_CHECKSUM_GOOD; /* a VM's word for it is worth nothing */
    if (!port->config.link) {
        port->from_vm.dropped_full++;
        return true;
    }
    if (!packet_allowed(drv, port, &packet, &in))
        return true;
    if (!rate_reached(drv, port, &packet))
        return false;
    packets = rate_limit_is_off(&port->from_limit) ? 1 : offload_packets(&packet);
    if (switch_forward(drv, port_number(drv, port), port->segment, &packet, &in) == FATE_WAIT)
        return false;
    port->segments_sent = 0;
    sent_count(drv, port, length, packets);
    return true;
}

static void broken_report(struct port *port)
{
    if (port->reported || !(port->from.broken || port->to.broken))
        return;
    port->reported = true;
    machine_log("session 0x%x (%s): its ring makes no sense, nothing more is taken from it",
                (unsigned)port->config.session, port->config.name);
}

/* True: this port has no more to do until something happens. */
static bool lane_drain(struct netdrv *drv, struct port *port)
{
    struct net_descriptor descriptor;
    uint32_t bad = 0, done = 0;
    bool stays = false;

    net_consumer_awake(&port->from);
    while (!stays && !port->resume_ms && done < PASS_PACKETS &&
           net_ring_take(&port->from, &descriptor, &bad)) {
        stays = !packet_handle(drv, port, &descriptor);
        if (stays)
            net_ring_put_back(&port->from);
        else
            done++;
    }
    port->from_vm.dropped_malformed += bad;
    for (uint32_t i = 0; i < bad && !port->resume_ms; i++)
        port_refused(drv, port);
    net_ring_done(&port->from);
    if (done + bad > 0)
        drv->room |= PORT_BIT(port_number(drv, port));
    return stays || port->resume_ms || (done < PASS_PACKETS && net_consumer_may_sleep(&port->from));
}

void port_pump(struct netdrv *drv, struct port *port)
{
    ports_t bit = PORT_BIT(port_number(drv, port));

    if (!port->attached || port->resume_ms) {
        drv->again &= ~bit;
        return;
    }
    drv->again &= ~bit; /* handling a packet may set it again: whoever it waited for had room after all */
    if (!lane_drain(drv, port))
        drv->again |= bit;
    broken_report(port);
}
