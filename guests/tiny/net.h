/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.h - a network card for bare payloads: virtio-net over virtio-mmio (Virtio 1.1, 5.1), one buffer a frame
 *
 * A frame in memory has the device's header of NET_HEADER bytes before it.  Payloads have no MMU, so all
 * memory is Device: words must be aligned.
 */
#ifndef TINY_NET_H
#define TINY_NET_H

#include "tiny.h"

#define NET_PLACE 5u /* the VM file's first interface */
#define NET_SLOTS 64u
#define NET_HEADER 12u
#define NET_BUFFER 2048u

struct net_buffer {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags, next;
};

struct net_queue {
    volatile struct net_buffer buffers[NET_SLOTS] __attribute__((aligned(16)));
    volatile uint16_t avail[4 + NET_SLOTS] __attribute__((aligned(16)));
    volatile uint32_t used[2 + 2 * NET_SLOTS] __attribute__((aligned(16)));
    uint32_t put, done; /* free-running */
};

struct net_card {
    uint64_t device;
    uint8_t mac[6];
    struct net_queue receive, transmit;
    void (*before_start)(
        struct net_card *card); /* if set, has the last word on its queues when it is opened */
    uint8_t frames[NET_SLOTS][NET_BUFFER] __attribute__((aligned(16))); /* that come in */
};

/* virtio_net_hdr (5.1.6); little-endian, as we are. */
struct net_header {
    uint8_t flags, gso_type;
    uint16_t header_bytes, gso_bytes, checksum_start, checksum_offset, buffers;
};
enum { NET_NEEDS_CHECKSUM = 1 };
enum { NET_GSO_TCP4 = 1, NET_GSO_UDP = 3, NET_GSO_TCP6 = 4 };
#define NET_FEATURE_CHECKSUM (1u << 0)
#define NET_FEATURE_TSO4 (1u << 11)
#define NET_FEATURE_TSO6 (1u << 12)

/* Start the card with these features (bits 0 to 31; those that it does not offer are left out); frames may
 * come from now on.  Its interrupt is enabled. */
void net_open(struct net_card *card, uint64_t features);
/* Is there room for one more to send? */
bool net_has_room(struct net_card *card);
/* Give a frame to the card: header and frame, which stay untouched until it is sent.  The card hears of it at
 * net_kick(). */
void net_put(struct net_card *card, const void *header_and_frame, uint32_t bytes);
/* Tell the card, unless it looks by itself. */
void net_kick(struct net_card *card);
/* Put, kick, and wait until it is sent; false: it was not within some seconds. */
bool net_send(struct net_card *card, const void *header_and_frame, uint32_t bytes);
/* The next frame that came, or NULL; its bytes without the header.  It is ours until net_give_back(). */
const uint8_t *net_take(struct net_card *card, uint32_t *bytes);
void net_give_back(struct net_card *card);
/* Sleep until the card has something to say, or until counter() is at `until`. */
void net_wait(struct net_card *card, uint64_t until);
/* Sleep until there is room to send. */
void net_wait_sent(struct net_card *card);

/* ---- frames: bytes as they are on the wire ---------------------------------------------------------- */
void put_bytes(uint8_t *to, const void *from, uint32_t count);
void put16(uint8_t *to, uint32_t value);
void put32(uint8_t *to, uint32_t value);
uint32_t get16(const uint8_t *from);
uint32_t get32(const uint8_t *from);
bool same_bytes(const uint8_t *a, const uint8_t *b, uint32_t count);
/* Sum for the Internet's checksum (RFC 1071) over an even number of bytes; at the end ~checksum_fold(sum). */
uint32_t checksum_add(uint32_t sum, const uint8_t *from, uint32_t count);
uint32_t checksum_fold(uint32_t sum);
/* An Ethernet header at `frame`; returns what follows it. */
uint8_t *put_ethernet(uint8_t *frame, const uint8_t *to, const uint8_t *from, uint32_t type);
/* An IPv4 header with a UDP one, for `bytes` of payload which the caller puts where this points; no UDP
 * checksum. */
uint8_t *put_udp4(uint8_t *ip, uint32_t from, uint32_t to, uint32_t from_port, uint32_t to_port,
                  uint32_t bytes);
extern const uint8_t net_everybody[6];

#endif
