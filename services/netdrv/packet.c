/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packet.c - a packet's head in a copy of our own, the rest where it lies
 */
#include "packet.h"

#include <string.h>

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

bool packet_from_pieces(struct packet *packet, uint32_t length, const struct net_offload *offload,
                        const struct packet_piece *pieces, uint32_t count)
{
    uint32_t left = length;

    packet->length = length;
    packet->offload = *offload;
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
