/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * offload.h - what a NIC would do: checksums and TCP segmentation in software
 *
 * A large TCP packet becomes segments one after another; each is a packet with its own head whose pieces
 * point into the large one, so payload is not copied here.
 */
#ifndef NETDRV_OFFLOAD_H
#define NETDRV_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "inet.h"

/* ---- the Internet checksum (RFC 1071) --------------------------------------------------------- */

/* Adds bytes to a sum, as big-endian 16-bit words; an odd last byte is the high half of a word.  Start with
 * 0. */
uint64_t sum_add(uint64_t sum, const void *bytes, uint32_t count);
uint16_t sum_fold(uint64_t sum); /* 16 bits with end-around carry, not complemented */
/* Of bytes [from, to) of the packet. */
uint64_t sum_packet(const struct packet *packet, uint32_t from, uint32_t to);
/* Of the pseudo-header of this IPv4 or IPv6 packet, for `length` bytes of transport. */
uint64_t sum_pseudo(const struct packet *packet, const struct inet *in, uint8_t protocol, uint32_t length);

/* The checksum field after `bytes` (even count) that it covers changed from `before` to `after` (RFC 1624).
 */
void checksum_replace(uint8_t *field, const uint8_t *before, const uint8_t *after, uint32_t bytes);
void checksum_ipv4_header(uint8_t *ip); /* made anew */

/* ---- offloads of a packet --------------------------------------------------------------------- */

/*
 * Does what the packet asks for fit what it is?  NET_NEEDS_CHECKSUM for the checksum field of its own TCP,
 * UDP or ICMPv6 header or of something that it carries in UDP or another protocol; segmentation for TCP of
 * its IP version, headers in the head.  False: the packet lies, and whoever believed it would write or cut in
 * the wrong place; drop it.  Sets offload.header_bytes right, which for many senders is only a hint
 * (virtio 1.1, 5.1.6.2).
 */
bool offload_check(struct packet *packet, const struct inet *in);

/* Completes NET_NEEDS_CHECKSUM (not for gso) and clears it.  False: the field is not in the head; drop it. */
bool offload_checksum(struct packet *packet);

struct segments {
    const struct packet *packet; /* stays as it is until the last segment was taken */
    struct inet inet;
    uint32_t at; /* of the next segment's payload, from the packet's start */
    uint32_t count;
};

/*
 * For a packet that passed offload_check and has gso set.  The segments have the same headers, but their own
 * lengths, IPv4 IDs (counting up from the packet's) and sequence numbers; FIN and PSH are on the last one
 * only, CWR on the first only.  Each has NET_NEEDS_CHECKSUM set, with the pseudo-header's sum in its place,
 * so a NIC may complete it, or offload_checksum.
 */
void segments_start(struct segments *s, const struct packet *packet, const struct inet *in);
bool segments_next(struct segments *s, struct packet *segment); /* false: that was all */
/* How many packets on a wire this is: 1 without gso. */
uint32_t offload_packets(const struct packet *packet);

#endif
