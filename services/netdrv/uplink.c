/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uplink.c - the NIC as a port of the switch, with tags on its side only
 *
 * Inside nothing is tagged: a frame loses its tag where it comes in, which says its segment, and gets that
 * of its segment where it goes out.
 */
#include <string.h>

#include "netdrv.h"
#include "nic.h"
#include "offload.h"

#define PASS_PACKETS 64u
#define FLOOD_RATE 10000u /* packets a second */
#define FLOOD_BURST 1000u
/* IEEE 802.1Q, table 8-1: for the next switch only. */
#define LINK_LOCAL_GROUPS UINT64_C(0x0180c2000000)

void uplink_start(struct netdrv *drv)
{
    nic_start();
    bucket_init(&drv->uplink.flood, FLOOD_RATE, FLOOD_BURST, drv->now_ms);
}

void uplink_event(struct netdrv *drv)
{
    drv->again |= drv->uplink.waiting;
    drv->uplink.waiting = 0;
}

/* ---- out ------------------------------------------------------------------------------------------ */

/* The packet is afterwards as it was. */
static bool send_one(struct netdrv *drv, struct packet *packet, uint16_t tag)
{
    bool sent;

    if (tag && !packet_vlan_push(packet, tag)) { /* cannot be: a head has room for it */
        drv->uplink.out.dropped_malformed++;
        return true;
    }
    sent = nic_send(packet);
    if (tag)
        (void)packet_vlan_pop(packet);
    if (!sent)
        return false;
    drv->uplink.kick = true;
    drv->uplink.out.packets++;
    drv->uplink.out.bytes += packet->length;
    return true;
}

/* No room: may this source wait for it? */
static enum fate no_room(struct netdrv *drv, uint32_t source)
{
    if (source < PORTS_MAX) {
        drv->uplink.waiting |= PORT_BIT(source);
        return FATE_WAIT;
    }
    drv->uplink.out.dropped_full++;
    return FATE_DONE;
}

static enum fate send_segments(struct netdrv *drv, uint32_t source, const struct packet *packet,
                               const struct inet *in, uint16_t tag)
{
    uint32_t none = 0, *sent = source < PORTS_MAX ? &drv->ports[source].segments_sent : &none;
    uint32_t number = 0;
    bool checksums = nic_info()->offloads & NIC_CHECKSUM;
    struct segments segments;
    struct packet segment;

    segments_start(&segments, packet, in);
    for (; segments_next(&segments, &segment); number++) {
        if (number < *sent)
            continue;
        if (!checksums && !offload_checksum(&segment))
            break;
        if (!send_one(drv, &segment, tag) && no_room(drv, source) == FATE_WAIT) {
            *sent = number;
            return FATE_WAIT;
        }
    }
    return FATE_DONE;
}

static bool nic_cuts(uint8_t gso)
{
    return nic_info()->offloads & (gso == NET_GSO_TCP4 ? NIC_GSO_TCP4 : NIC_GSO_TCP6);
}

enum fate uplink_send(struct netdrv *drv, uint32_t source, struct packet *packet, const struct inet *in,
                      uint16_t tag)
{
    const struct nic_info *nic = nic_info();

    if (nic->state != NIC_READY) {
        drv->uplink.out.dropped_full++;
        return FATE_DONE;
    }
    packet->offload.flags &= (uint8_t)~NET_CHECKSUM_GOOD;
    if (packet->offload.gso != NET_GSO_NONE && !nic_cuts(packet->offload.gso))
        return send_segments(drv, source, packet, in, tag);
    if (packet->offload.flags & NET_NEEDS_CHECKSUM && !(nic->offloads & NIC_CHECKSUM) &&
        !offload_checksum(packet)) {
        drv->uplink.out.dropped_malformed++;
        return FATE_DONE;
    }
    return send_one(drv, packet, tag) ? FATE_DONE : no_room(drv, source);
}

/* ---- in ------------------------------------------------------------------------------------------- */

/* Takes the tag off; SEGMENT_NONE: nobody here is in its VLAN, or it says nonsense. */
static segment_t segment_find(struct packet *packet)
{
    uint16_t type = get16(packet->head + ETH_TYPE), tag;

    if (type != ETHERTYPE_VLAN)
        return type == ETHERTYPE_SVLAN ? SEGMENT_NONE : segment_of_tag(0);
    tag = get16(packet->head + ETH_TYPE + 2) & 0xfffu;
    if (!packet_vlan_pop(packet))
        return SEGMENT_NONE;
    type = get16(packet->head + ETH_TYPE);
    return type == ETHERTYPE_VLAN || type == ETHERTYPE_SVLAN ? SEGMENT_NONE : segment_of_tag(tag);
}

/* What asks for nothing may be anything. */
static bool offload_is_honest(struct packet *packet, const struct inet *in)
{
    return (packet->offload.gso == NET_GSO_NONE && !(packet->offload.flags & NET_NEEDS_CHECKSUM)) ||
           offload_check(packet, in);
}

static void receive_one(struct netdrv *drv, struct packet *packet)
{
    struct counters *in_counters = &drv->uplink.in;
    segment_t segment;
    struct inet in;
    uint64_t from;

    if (packet->length < ETH_BYTES) {
        in_counters->dropped_malformed++;
        return;
    }
    segment = segment_find(packet);
    from = mac48(packet->head + ETH_FROM);
    if (segment == SEGMENT_NONE || mac_is_group(packet->head + ETH_FROM)) {
        in_counters->dropped_malformed++;
        return;
    }
    if (switch_owns(drv, segment, from)) {
        in_counters->dropped_spoofed++;
        return;
    }
    if (mac48(packet->head + ETH_TO) >> 4 == LINK_LOCAL_GROUPS >> 4)
        return;
    in_counters->packets++;
    in_counters->bytes += packet->length;
    stations_learn(&drv->stations, segment, from, drv->now_ms);
    (void)inet_parse(&in, packet);
    if (offload_is_honest(packet, &in) && !packet_is_oversize(packet))
        (void)switch_forward(drv, SOURCE_UPLINK, segment, packet, &in);
    else
        in_counters->dropped_malformed++;
}

bool uplink_receive(struct netdrv *drv)
{
    uint32_t count = 0;
    struct packet packet;

    while (count < PASS_PACKETS && nic_receive(&packet)) {
        receive_one(drv, &packet);
        nic_receive_done();
        count++;
    }
    return count == PASS_PACKETS;
}
