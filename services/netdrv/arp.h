/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arp.h - neighbours of one of our own addresses, on one link (RFC 826, timing after RFC 1122, 2.3.2)
 *
 * A packet whose next hop's MAC is not known yet waits in a pool that all links share; each next hop keeps a
 * few, each link no more than half of the pool.  Who does not answer ARP_TRIES questions is unreachable for a
 * while; the packets that waited are handed back, so that the sender can be told.
 *
 * Always true:  an entry that waits for its answer does not push out one that has it, unless that one is
 * stale.
 */
#ifndef NETDRV_ARP_H
#define NETDRV_ARP_H

#include <stdbool.h>
#include <stdint.h>

#include "inet.h"

#define ARP_ENTRIES 32u
#define ARP_WAITING 8u           /* packets in the pool */
#define ARP_WAITING_BYTES 1518u  /* larger ones do not wait */
#define ARP_WAITING_PER_HOP 2u   /* the newest stay */
#define ARP_TRIES 3u             /* one a second */
#define ARP_FRESH_MS 60000u      /* then it is asked again, with the old answer still in use */
#define ARP_STALE_MS 120000u     /* then it is forgotten */
#define ARP_UNREACHABLE_MS 5000u /* packets are refused at once */

enum arp_state { ARP_FREE = 0, ARP_ASKING, ARP_KNOWN, ARP_UNREACHABLE };

struct arp_entry {
    uint32_t ip;
    uint8_t mac[6];
    uint8_t state; /* enum arp_state */
    uint8_t tries;
    uint64_t since_ms; /* its state, or its last confirmation */
    uint64_t asked_ms; /* the last question */
    uint64_t used_ms;
};

struct arp;
struct arp_pool {
    struct {
        const struct arp *link; /* NULL: free */
        uint32_t ip;
        uint32_t length;
        uint64_t since_ms;
        struct net_offload offload;
        uint8_t bytes[ARP_WAITING_BYTES];
    } waiting[ARP_WAITING];
};

/* One link: our address there, and where packets go. */
struct arp {
    uint32_t ip;
    uint8_t mac[6];
    /* Sends a frame on this link, its Ethernet header complete. */
    void (*send)(void *context, struct packet *packet);
    /* This packet's next hop does not answer; may be NULL. */
    void (*unreachable)(void *context, struct packet *packet, uint64_t now_ms);
    /* Do we also answer for this address (proxy)?  May be NULL. */
    bool (*answers_for)(void *context, uint32_t ip);
    void *context;
    struct arp_pool *pool;
    struct arp_entry entries[ARP_ENTRIES];
    uint64_t dropped; /* for lack of room, or unreachable */
};

/* ip, mac, send, context and pool are set before; the table is empty afterwards. */
void arp_init(struct arp *a);
/* Sends an IP packet to `next_hop` on this link: fills its Ethernet header in; now, or when the MAC is known.
 */
void arp_send(struct arp *a, struct packet *packet, uint32_t next_hop, uint64_t now_ms);
/* An ARP packet that came in on this link (it parsed as INET_ARP): answers, learns. */
void arp_receive(struct arp *a, const struct packet *packet, const struct inet *in, uint64_t now_ms);
/* Tells the link our address (RFC 5227, 3): after start, or when the link comes up. */
void arp_announce(struct arp *a);
/* Once a second: asks again, ages, gives up. */
void arp_tick(struct arp *a, uint64_t now_ms);
/* False: not known now. */
bool arp_lookup(const struct arp *a, uint32_t ip, uint8_t mac[6]);

#endif
