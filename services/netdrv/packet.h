/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packet.h - one packet on its way through netdrv
 *
 * The bytes lie where they came from: in a client's pool (which that client may change at any moment), in the
 * NIC's receive buffers, or in memory of our own.  Headers are copied once into `head`; every decision is
 * made from that copy, and that copy is what goes out, followed by the rest from where it lies.  So nobody
 * can change what was judged.
 */
#ifndef NETDRV_PACKET_H
#define NETDRV_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "../../lib/ring/net_ring.h"

/* Ethernet, VLAN, IPv6 with options or IPv4 with options, TCP with options; and room for a tag to be put in
 */
#define PACKET_HEAD_COPIED 256u
#define PACKET_HEAD_BYTES (PACKET_HEAD_COPIED + 8u)
#define PACKET_PIECES_MAX 20u

struct packet_piece {
    const uint8_t *at;
    uint32_t bytes;
};

struct packet {
    uint32_t length; /* head_bytes + all pieces */
    struct net_offload offload;
    uint32_t head_bytes;
    uint8_t head[PACKET_HEAD_BYTES];
    uint32_t piece_count;
    struct packet_piece pieces[PACKET_PIECES_MAX];
};

/* The packet of `length` bytes that lies in these pieces: its head is copied, the rest stays.  False: more
 * pieces than fit, or fewer bytes than `length`. */
bool packet_from_pieces(struct packet *packet, uint32_t length, const struct net_offload *offload,
                        const struct packet_piece *pieces, uint32_t count);
/* Copy bytes [from, from + bytes) of the packet. */
void packet_copy(const struct packet *packet, uint32_t from, void *to, uint32_t bytes);

#endif
