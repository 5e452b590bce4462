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

/* The packet of `length` bytes that lies in these pieces: its first PACKET_HEAD_COPIED bytes are copied, the
 * rest stays.  `offload` may be NULL: none.  False: more pieces than fit, or fewer bytes than `length`. */
bool packet_from_pieces(struct packet *packet, uint32_t length, const struct net_offload *offload,
                        const struct packet_piece *pieces, uint32_t count);
/* Copy bytes [from, from + bytes) of the packet; what is beyond its end is not written. */
void packet_copy(const struct packet *packet, uint32_t from, void *to, uint32_t bytes);

/* Cut off what is beyond `length` bytes (Ethernet padding); no effect if it is not longer. */
void packet_trim(struct packet *packet, uint32_t length);

/* Put in an 802.1Q tag after the addresses, or take it out.  False: no room in the head, no tag there; then
 * nothing changed.  `vlan` is the 12-bit number.  What inet_parse said is void afterwards. */
bool packet_vlan_push(struct packet *packet, uint16_t vlan);
bool packet_vlan_pop(struct packet *packet);

#endif
