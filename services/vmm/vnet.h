/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnet.h - one virtio network device (Virtio 1.1, 5.1) in front of one session at netdrv
 *
 * A packet is copied once each way: from the guest's buffers into the pool of the lane to netdrv
 * (lib/ring/net_ring.h), or from the pool of the other lane into as many of the guest's buffers as it takes.
 *
 * Always true:
 * - lanes and queues are only touched while the driver is ready and the lanes are attached with the features
 *   that it chose; else packets stay where they are;
 * - what the guest says about a packet reaches netdrv only if it is as struct net_offload says and the guest
 *   negotiated it; a packet that is not is dropped and counted; a queue that makes no sense costs the device
 *   (DEVICE_NEEDS_RESET);
 * - a buffer of the guest's is given back once, with the packet that lies in it complete.
 */
#ifndef VMM_VNET_H
#define VMM_VNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "net_ring.h"
#include "virtio_mmio.h"

#define VNET_QUEUE_MAX 256u
#define VNET_PASS_PACKETS 64u /* each way, before others have their turn */
/* The guest is not interrupted for each small packet that is sent: it hears of several together, or soon
 * after, or finds out when it sends a large one. */
#define VNET_HELD_MAX 8u
#define VNET_HELD_BYTES 4096u
/* A packet up to that size, which a wire carries as one frame, is taken for a message that somebody waits
 * for: its interrupt is urgent.  Larger ones are part of a stream, and a stream is cheaper in batches. */
#define VNET_URGENT_BYTES 1518u

/* How to reach netdrv and the main thread; a seam for tests. */
struct vnet_link {
    void *context;
    void (*ring_doorbell)(void *context);
    void (*want_attach)(void *context);  /* the lanes are to be attached, with vnet_features() */
    void (*come_again)(void *context);   /* there is more to do than one pass does: call vnet_pump() */
    void (*release_soon)(void *context); /* call vnet_release() in a moment, if not before */
};

struct vnet {
    struct virtio_mmio virtio;
    struct net_producer to;   /* the lane to netdrv */
    struct net_consumer from; /* the lane from netdrv */
    uint8_t *to_pool;         /* NET_LANE_PAGES in a row */
    uint8_t *from_pool;
    struct vnet_link link;
    uint8_t mac[6];
    bool is_attached;     /* the lanes are good, with the features that the driver chose */
    bool is_up;           /* the cable is plugged in */
    uint32_t ready_count; /* how often a driver came; an Attach asked for before the last one is void */
    uint64_t dropped;     /* the guest's packets that made no sense, and those that its buffers cannot hold */

    bool must_look;  /* into the transmit queue, without a kick */
    bool is_sending; /* `sending` waits for room in the lane */
    struct vring_chain sending;
    uint32_t held_count; /* buffers that are sent, and not given back yet */
    struct vring_used_element held[VNET_HELD_MAX];

    bool is_receiving;            /* `packet` is being put into the guest's buffers: */
    struct net_descriptor packet; /* ... of it ... */
    uint32_t received;            /* ... so many bytes are ... */
    uint32_t given_count;         /* ... in so many buffers, of which the first is `first`. */
    struct vring_used_element given[VNET_QUEUE_MAX];
    struct vring_chain first, next;

    /* net_link.c */
    uint32_t index;
    slot_t session;
    slot_t events;       /* our Notification, as netdrv gets it */
    slot_t driver;       /* netdrv's Notification */
    bool must_attach;    /* netdrv does not know us, or not what our driver takes */
    uint64_t release_at; /* the tick when vnet_release() is due, while buffers are held */
};

/* link, mac, is_up are set (and of virtio: ram, shown, interrupt*). */
void vnet_init(struct vnet *net);
/* What the driver can take, as Net.Attach wants it; 0 while there is none. */
uint64_t vnet_features(const struct vnet *net);
/* The lanes are empty and belong to an Attach with vnet_features(); is the cable plugged in? */
void vnet_attached(struct vnet *net, const struct net_producer *to, const struct net_consumer *from,
                   bool is_up);
/* Carry packets both ways, as far as a pass goes. */
void vnet_pump(struct vnet *net);
/* Give back the buffers that are held. */
void vnet_release(struct vnet *net);

/* net_link.c: attach to the session in slot CAP_NET0 + index; `events` is signalled by netdrv.  `error` says
 * what is wrong. */
enum status net_link_open(struct vnet *net, uint32_t index, slot_t events, char *error,
                          size_t error_bytes) BH_NODISCARD;
/*
 * The lanes must be attached (again): netdrv was restarted, the cable was plugged or pulled, or a driver
 * came. net_link_begin() under vm->lock, net_link_ask() without, net_link_go_on() with it again.
 */
struct net_news {
    uint64_t features;
    uint32_t ready_count;
    bool is_up;
    slot_t driver;
};
bool net_link_is_lost(struct vnet *net);
struct net_news net_link_begin(struct vnet *net);
enum status net_link_ask(const struct vnet *net, struct net_news *news) BH_NODISCARD;
void net_link_go_on(struct vnet *net, const struct net_news *news);

#endif
