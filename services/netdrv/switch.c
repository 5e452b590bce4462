/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * switch.c - who gets a packet
 *
 * Always true:  a packet stays in its segment; its source does not get it; an address that one of our own has
 * leads there and nowhere else.  What has one receiver may wait for room there; what is flooded does not.
 */
#include "netdrv.h"

static ports_t segment_members(const struct netdrv *drv, segment_t segment)
{
    uint32_t network = segment >> 12;

    return network < NETWORKS_MAX ? drv->members[network] : 0;
}

/* The port with this address in this segment, or NULL. */
static struct port *port_of(struct netdrv *drv, segment_t segment, uint64_t mac)
{
    for (ports_t left = segment_members(drv, segment); left != 0; left &= left - 1u) {
        struct port *port = &drv->ports[port_lowest(left)];

        if (port->mac48 == mac && port->segment == segment)
            return port;
    }
    return NULL;
}

bool switch_owns(const struct netdrv *drv, segment_t segment, uint64_t mac)
{
    for (ports_t left = segment_members(drv, segment); left != 0; left &= left - 1u) {
        const struct port *port = &drv->ports[port_lowest(left)];

        if (port->mac48 == mac && port->segment == segment)
            return true;
    }
    return gateway_owns(drv, segment, mac);
}

/* May this source flood one more?  Counted if not. */
static bool flood_allowed(struct netdrv *drv, uint32_t source)
{
    struct bucket *bucket;
    struct counters *counters;

    if (source == SOURCE_ROUTER)
        return true; /* what it floods answers to what passed here already */
    bucket = source == SOURCE_UPLINK ? &drv->uplink.flood : &drv->ports[source].flood;
    counters = source == SOURCE_UPLINK ? &drv->uplink.in : &drv->ports[source].from_vm;
    if (bucket_take(bucket, 1, drv->now_ms))
        return true;
    counters->dropped_flood++;
    if (source < PORTS_MAX)
        port_refused(drv, &drv->ports[source]);
    return false;
}

/* The uplink comes after the ports, the router last: each may change the packet in its own way. */
static void flood(struct netdrv *drv, uint32_t source, segment_t segment, struct packet *packet,
                  struct inet *in)
{
    uint16_t tag;

    for (ports_t left = segment_members(drv, segment); left != 0; left &= left - 1u) {
        struct port *port = &drv->ports[port_lowest(left)];

        if (port->segment == segment && port_number(drv, port) != source)
            (void)port_deliver(drv, port, SOURCE_ROUTER, packet, in);
    }
    if (source != SOURCE_UPLINK && segment_uplink(segment, &tag))
        (void)uplink_send(drv, SOURCE_ROUTER, packet, in, tag);
    if (source != SOURCE_ROUTER)
        gateway_receive(drv, source, segment, packet, in);
}

static enum fate forward_out(struct netdrv *drv, uint32_t source, segment_t segment, struct packet *packet,
                             const struct inet *in)
{
    uint16_t tag;

    if (source == SOURCE_UPLINK || !segment_uplink(segment, &tag))
        return FATE_DONE; /* nobody here has that address */
    if (!stations_know(&drv->stations, segment, mac48(packet->head + ETH_TO), drv->now_ms) &&
        !flood_allowed(drv, source))
        return FATE_DONE;
    return uplink_send(drv, source, packet, in, tag);
}

enum fate switch_forward(struct netdrv *drv, uint32_t source, segment_t segment, struct packet *packet,
                         struct inet *in)
{
    const uint8_t *to = packet->head + ETH_TO;
    struct port *port;

    if (mac_is_group(to)) {
        if (flood_allowed(drv, source))
            flood(drv, source, segment, packet, in);
        return FATE_DONE;
    }
    port = port_of(drv, segment, mac48(to));
    if (port)
        return port_number(drv, port) == source ? FATE_DONE : port_deliver(drv, port, source, packet, in);
    if (gateway_owns(drv, segment, mac48(to))) {
        if (source != SOURCE_ROUTER)
            gateway_receive(drv, source, segment, packet, in);
        return FATE_DONE;
    }
    return forward_out(drv, source, segment, packet, in);
}
