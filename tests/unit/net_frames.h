/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_frames.h - frames for the tests of netdrv's packet logic, written field by field
 *
 * A frame is a byte buffer that grows; finish() puts the lengths and checksums in, packet_of() makes it a
 * packet whose pieces are heap blocks of exactly their size, so that a read beyond them is seen.
 */
#ifndef NET_FRAMES_H
#define NET_FRAMES_H

#include <stdint.h>

#include "services/netdrv/inet.h"
#include "services/netdrv/offload.h"

struct frame {
    uint8_t bytes[70000];
    uint32_t length;
    uint32_t net, transport;
};

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

extern const uint8_t mac_a[6], mac_b[6], mac_router[6];

void frame_eth(struct frame *f, const uint8_t *to, const uint8_t *from, uint16_t type);
void frame_vlan(struct frame *f, uint16_t vlan); /* after frame_eth: its type becomes the tag's */
void frame_arp(struct frame *f, uint16_t operation, const uint8_t *from_mac, uint32_t from,
               const uint8_t *to_mac, uint32_t to);
void frame_ipv4(struct frame *f, uint8_t protocol, uint32_t from, uint32_t to);
void frame_ipv6(struct frame *f, uint8_t next, const uint8_t *from, const uint8_t *to);
void frame_tcp(struct frame *f, uint16_t from, uint16_t to, uint8_t flags);
void frame_udp(struct frame *f, uint16_t from, uint16_t to);
void frame_icmp(struct frame *f, uint8_t type, uint8_t code, uint16_t id);
void frame_bytes(struct frame *f, const void *bytes, uint32_t count);
void frame_fill(struct frame *f, uint32_t count); /* a pattern */
/* Lengths of IP and UDP, checksums of IPv4, TCP, UDP, ICMP. */
void frame_finish(struct frame *f);

/* Shorthands, finished. */
void frame_udp4(struct frame *f, const uint8_t *from_mac, uint32_t from, uint16_t from_port, uint32_t to,
                uint16_t to_port, uint32_t payload);
void frame_tcp4(struct frame *f, const uint8_t *from_mac, uint32_t from, uint16_t from_port, uint32_t to,
                uint16_t to_port, uint8_t flags, uint32_t payload);

/* `piece_bytes`: how large pieces are; 0: one.  Pieces are freed by packets_free(). */
void packet_of(struct packet *packet, const struct frame *f, uint32_t piece_bytes);
void packets_free(void);
/* The bytes of a packet as they would go out. */
void frame_of(struct frame *f, const struct packet *packet);
/* Asserts that all lengths and checksums of an IP frame are right; returns what it is. */
struct inet frame_expect_sound(const struct frame *f);

#endif
