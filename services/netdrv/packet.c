/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packet.c - a packet's head in a copy of our own, the rest where it lies
 */
#include <string.h>

#include "inet.h"
#include "packet.h"

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

bool packet_from_pieces(struct packet *packet, uint32_t length, const struct net_offload *offload,
                        const struct packet_piece *pieces, uint32_t count)
{
    uint32_t left = length;

    packet->length = length;
    packet->offload = offload ? *offload : (struct net_offload){0};
    packet->head_bytes = 0;
    packet->piece_count = 0;
    for (uint32_t i = 0; i < count && left > 0; i++) {
        uint32_t bytes = least(pieces[i].bytes, left);
        uint32_t in_head = least(bytes, PACKET_HEAD_COPIED - packet->head_bytes);

        left -= bytes;
        if (in_head > 0) {
            memcpy(packet->head + packet->head_bytes, pieces[i].at, in_head);
            packet->head_bytes += in_head;
            bytes -= in_head;
        }
        if (bytes == 0)
            continue;
        if (packet->piece_count == PACKET_PIECES_MAX)
            return false;
        packet->pieces[packet->piece_count++] = (struct packet_piece){pieces[i].at + in_head, bytes};
    }
    return left == 0;
}

void packet_copy(const struct packet *packet, uint32_t from, void *to, uint32_t bytes)
{
    uint8_t *out = to;

    if (from < packet->head_bytes) {
        uint32_t now = least(bytes, packet->head_bytes - from);

        memcpy(out, packet->head + from, now);
        out += now;
        bytes -= now;
        from = 0;
    } else {
        from -= packet->head_bytes;
    }
    for (uint32_t i = 0; i < packet->piece_count && bytes > 0; i++) {
        const struct packet_piece *piece = &packet->pieces[i];

        if (from >= piece->bytes) {
            from -= piece->bytes;
            continue;
        }
        uint32_t now = least(bytes, piece->bytes - from);

        memcpy(out, piece->at + from, now);
        out += now;
        bytes -= now;
        from = 0;
    }
}

void packet_trim(struct packet *packet, uint32_t length)
{
    uint32_t left;

    if (length >= packet->length)
        return;
    packet->length = length;
    packet->head_bytes = least(packet->head_bytes, length);
    left = length - packet->head_bytes;
    for (uint32_t i = 0; i < packet->piece_count; i++) {
        struct packet_piece *piece = &packet->pieces[i];

        if (left == 0) {
            packet->piece_count = i;
            return;
        }
        piece->bytes = least(piece->bytes, left);
        left -= piece->bytes;
    }
}

/* What the offload points at moved by `bytes`. */
static void offload_move(struct net_offload *o, int bytes)
{
    if (o->flags & NET_NEEDS_CHECKSUM)
        o->csum_start = (uint16_t)(o->csum_start + bytes);
    if (o->gso != NET_GSO_NONE)
        o->header_bytes = (uint16_t)(o->header_bytes + bytes);
}

bool packet_vlan_push(struct packet *packet, uint16_t vlan)
{
    uint8_t *type = packet->head + ETH_TYPE;

    if (packet->head_bytes < ETH_BYTES || packet->head_bytes > PACKET_HEAD_BYTES - VLAN_BYTES ||
        packet->offload.csum_start > UINT16_MAX - VLAN_BYTES)
        return false;
    memmove(type + VLAN_BYTES, type, packet->head_bytes - ETH_TYPE);
    put16(type, ETHERTYPE_VLAN);
    put16(type + 2, vlan & 0xfff);
    packet->head_bytes += VLAN_BYTES;
    packet->length += VLAN_BYTES;
    offload_move(&packet->offload, VLAN_BYTES);
    return true;
}

bool packet_vlan_pop(struct packet *packet)
{
    uint8_t *type = packet->head + ETH_TYPE;
    const struct net_offload *o = &packet->offload;

    if (packet->head_bytes < ETH_BYTES + VLAN_BYTES || get16(type) != ETHERTYPE_VLAN)
        return false;
    if (((o->flags & NET_NEEDS_CHECKSUM) && o->csum_start < ETH_BYTES + VLAN_BYTES) ||
        (o->gso != NET_GSO_NONE && o->header_bytes < ETH_BYTES + VLAN_BYTES))
        return false;
    packet->head_bytes -= VLAN_BYTES;
    memmove(type, type + VLAN_BYTES, packet->head_bytes - ETH_TYPE);
    packet->length -= VLAN_BYTES;
    offload_move(&packet->offload, -VLAN_BYTES);
    return true;
}
