/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_ring.h - packets between a vmm (front end) and netdrv (back end)
 *
 * One network interface of a VM is two lanes, one each way, of the same form: a ring page and NET_LANE_PAGES
 * data pages ("pool").  A lane has one producer and one consumer.  The producer owns the pool: it takes free
 * pages, fills them with a packet, and puts a descriptor that names them; the consumer copies the packet out
 * and says how far it is; then the pages are the producer's again.  Packets are consumed in the order they
 * were put, so two free-running positions are all the bookkeeping.
 *
 * Always true:  each field has one writer; no side does read-modify-write on shared memory or waits for the
 * other; what a side needs to be safe it keeps in its own memory (struct net_producer, struct net_consumer);
 * a descriptor is copied once and judged once (net_ring_take).  The data pages stay writable for the producer
 * while the consumer reads: who decides by a packet's bytes copies them first and decides by the copy.
 *
 * Doorbells: the side that is about to sleep sets its `wants_signal` word and looks once more
 * (net_*_may_sleep); the other signals after new work only if that word is set (net_*_must_signal).
 *
 * Restart: packets may be lost, so nothing in a lane survives.  netdrv makes both ring pages anew, with
 * another `generation`, whenever a session is attached; a front end that sees that the generation changed
 * (netdrv signals after its restart) calls Net.Attach again and starts from empty lanes.
 */
#ifndef BH_RING_NET_RING_H
#define BH_RING_NET_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "../abi/status.h"

#define NET_PAGE_BYTES 4096u
#define NET_LANE_SLOTS 32u
#define NET_LANE_PAGES 63u /* room for three packets of the greatest size */
#define NET_PACKET_PAGES 17u
#define NET_PACKET_BYTES_MIN 14u
#define NET_PACKET_BYTES_MAX (14u + 4u + 65535u) /* Ethernet header, VLAN tag, the longest IP packet */
/* Pages of one interface: ring page and pool of the lane to netdrv ("transmit"), then those of the lane to
 * the vmm ("receive").  All interfaces of a VM share one Frame of 2 MiB, a quarter each: its block. */
#define NET_PAGES_PER_LANE (1u + NET_LANE_PAGES)
#define NET_BLOCK_BYTES 0x200000u
#define NET_BLOCK_INTERFACES 4u
#define NET_INTERFACE_BYTES (NET_BLOCK_BYTES / NET_BLOCK_INTERFACES)
_Static_assert(2u * NET_PAGES_PER_LANE * NET_PAGE_BYTES == NET_INTERFACE_BYTES, "two lanes fill a quarter");
#define NET_RING_MAGIC 0x5254454eu /* "NETR" */

enum net_flag {
    NET_NEEDS_CHECKSUM = 1, /* the 16-bit checksum at csum_start + csum_offset is still to be made, from
                               csum_start to the end */
    NET_CHECKSUM_GOOD = 2,  /* somebody trusted by the receiver's host has checked it */
};
enum net_gso { NET_GSO_NONE = 0, NET_GSO_TCP4, NET_GSO_TCP6 };

/* What virtio_net_hdr says (virtio 1.1, 5.1.6), judged: csum_start + csum_offset + 2 <= length with
 * NET_NEEDS_CHECKSUM; with gso also 0 < header_bytes <= length, segment_bytes > 0 and NET_NEEDS_CHECKSUM. */
struct net_offload {
    uint8_t flags;          /* enum net_flag */
    uint8_t gso;            /* enum net_gso */
    uint16_t header_bytes;  /* Ethernet to TCP header, with gso; else 0 */
    uint16_t segment_bytes; /* TCP payload of each segment, with gso; else 0 */
    uint16_t csum_start;
    uint16_t csum_offset;
};

/* Data fills pages[0], pages[1], ... in this order, each from its start. */
struct net_descriptor {
    uint32_t length; /* bytes, from the destination address on, without frame check sequence */
    struct net_offload offload;
    uint8_t pages[NET_PACKET_PAGES]; /* numbers of pool pages: the first ceil(length / 4096) count */
    uint8_t spare[64 - 4 - 10 - NET_PACKET_PAGES];
};
_Static_assert(sizeof(struct net_offload) == 10, "no padding");

struct net_ring {
    /* written by netdrv only, whichever lane it is */
    uint32_t magic;
    uint32_t generation; /* changes with each Attach */
    uint32_t spare0[14];
    /* written by the consumer */
    uint32_t taken; /* position of the first packet whose pages the consumer still needs */
    uint32_t consumer_wants_signal;
    uint32_t spare1[14];
    /* written by the producer */
    uint32_t put; /* position of the next packet */
    uint32_t producer_wants_signal;
    uint32_t spare2[14];
    struct net_descriptor packets[NET_LANE_SLOTS];
};
_Static_assert(sizeof(struct net_descriptor) == 64, "one cache line each");
_Static_assert(sizeof(struct net_ring) <= NET_PAGE_BYTES, "the ring is one page");

static inline uint32_t net_pages_count(uint32_t bytes)
{
    return (bytes + NET_PAGE_BYTES - 1u) / NET_PAGE_BYTES;
}

/* How many pages from pages[first] on, of `count`, lie behind one another in the pool. */
static inline uint32_t net_pages_row(const struct net_descriptor *descriptor, uint32_t first, uint32_t count)
{
    uint32_t row = 1;

    while (first + row < count && descriptor->pages[first + row] == descriptor->pages[first] + row)
        row++;
    return row;
}

/* ---- making and starting ---------------------------------------------------------------------- */

/* netdrv, at Attach, for each lane: empty, with this generation (never 0). */
void net_ring_create(struct net_ring *ring, uint32_t generation);

struct net_producer {
    struct net_ring *ring;
    uint32_t put;
    uint32_t done; /* the consumer's position as last judged: done..put is under way */
    uint32_t generation;
    uint64_t pool_free;                  /* bit per pool page */
    uint64_t slot_pages[NET_LANE_SLOTS]; /* the pages of the packet in each slot */
    bool broken;                         /* the consumer's position made no sense: nothing more goes */
};
struct net_consumer {
    struct net_ring *ring;
    uint32_t take;
    uint32_t generation;
    bool broken;
};

/* On an empty ring (after Attach).  ERR_ARG: the page is no packet ring. */
enum status net_producer_init(struct net_producer *p, struct net_ring *ring) BH_NODISCARD;
enum status net_consumer_init(struct net_consumer *c, struct net_ring *ring) BH_NODISCARD;
/* netdrv attached this lane anew (or was restarted) since net_*_init: Attach again. */
bool net_ring_restarted(const struct net_ring *ring, uint32_t generation);

/* ---- the producer ----------------------------------------------------------------------------- */

/*
 * Takes the pages for a packet of `length` bytes into descriptor->pages.  ERR_FULL: no slot or not so many
 * pages are free now (what the consumer is done with was collected first); ERR_ARG: length.  They stay taken
 * until net_ring_put (exactly one follows, or net_ring_cancel).
 */
enum status net_ring_prepare(struct net_producer *p, uint32_t length,
                             struct net_descriptor *descriptor) BH_NODISCARD;
void net_ring_cancel(struct net_producer *p, const struct net_descriptor *descriptor);
/* The pages are filled, `offload` is set: the consumer may see it. */
void net_ring_put(struct net_producer *p, const struct net_descriptor *descriptor);
bool net_producer_must_signal(const struct net_producer *p); /* after puts: does the consumer sleep? */
/* Before sleeping for room; true if there is still none of what was missing (a slot, `pages` pages). */
void net_producer_awake(struct net_producer *p);
bool net_producer_may_sleep(struct net_producer *p, uint32_t pages);

/* ---- the consumer ----------------------------------------------------------------------------- */

/*
 * The next packet's descriptor, copied once and judged: length and pages in bounds, no page twice, offload as
 * struct net_offload says.  One that is not is skipped and counted in *bad.  Its pages may be read until
 * net_ring_done.
 */
bool net_ring_take(struct net_consumer *c, struct net_descriptor *descriptor, uint32_t *bad);
/* The packet taken last (once) is taken again next time, and judged again. */
void net_ring_put_back(struct net_consumer *c);
/* All packets taken so far have been copied: their pages go back. */
void net_ring_done(struct net_consumer *c);
bool net_consumer_must_signal(
    const struct net_consumer *c); /* after net_ring_done: does the producer wait for room? */
void net_consumer_awake(struct net_consumer *c);
bool net_consumer_may_sleep(struct net_consumer *c); /* true: nothing is there; a put will signal */

#endif
