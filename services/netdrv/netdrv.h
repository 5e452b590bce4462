/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netdrv.h - the network driver's state: networks, the ports that VMs have on them, the uplink, the router
 *
 * A session (its number is the badge that the toolstack minted) is one interface of a VM; it has one of
 * PORTS_MAX places and is a port of one network.  Its two lanes (net_ring.h) are a quarter of its VM's block,
 * 2 MiB of memory that the VM pays for.  Ports that reach each other on layer 2 have the same segment: a
 * network, and within a bridge an access VLAN.
 */
#ifndef NETDRV_NETDRV_H
#define NETDRV_NETDRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../lib/bh/copies.h"
#include "bucket.h"
#include "guard.h"
#include "inet.h"
#include "machine.h"
#include "networks.h"
#include "packet.h"
#include "route.h"
#include "stations.h"

#define PORTS_MAX 64u
#define BLOCKS_MAX PORTS_MAX    /* of so many VMs */
#define SOURCE_UPLINK PORTS_MAX /* as the source of a packet */
#define SOURCE_ROUTER (PORTS_MAX + 1u)
#define PORT_NAME_BYTES 40u
#define BADGE_TOOLSTACK 1u
#define SESSION_LEAST 0x1000u /* vm_id << 8 | interface, vm_id from 16 up */
#define NET_MTU 1500u
#define NEVER UINT64_MAX

/* A set of ports: a bit each. */
typedef uint64_t ports_t;
#define PORT_BIT(number) (UINT64_C(1) << (number))
_Static_assert(PORTS_MAX <= 8 * sizeof(ports_t), "a bit for each port");

/* Network number << 12 | access VLAN. */
typedef uint16_t segment_t;
#define SEGMENT_NONE 0xffffu
#define SEGMENT(network, vlan) ((segment_t)((network) << 12 | (vlan)))

/* Bits of virtio 1.1, 5.1.3: what a guest's driver takes. */
enum {
    FEATURE_GUEST_CHECKSUM = 1u << 1,
    FEATURE_GUEST_TSO4 = 1u << 7,
    FEATURE_GUEST_TSO6 = 1u << 8,
};

struct counters {
    uint64_t packets, bytes;
    uint64_t dropped_rate;
    uint64_t dropped_full; /* the receiver had no room, or was not there */
    uint64_t dropped_spoofed;
    uint64_t dropped_malformed;
    uint64_t dropped_flood;
};

struct rates {
    uint64_t bytes, bytes_burst, packets, packets_burst; /* 0: no limit */
};

/* What the toolstack says of a session; kept over a restart. */
struct port_config {
    uint32_t session;
    char name[PORT_NAME_BYTES];
    uint32_t network;
    uint16_t vlan;
    bool any_address, learn, link;
    uint8_t mac[6];
    uint8_t ipv4_count, ipv6_count;
    uint32_t ipv4[4];
    uint8_t ipv6[4][16];
    struct rates from_vm, to_vm;
};

struct port {
    bool open;
    struct port_config config;
    uint32_t block;  /* its VM's */
    uint8_t *memory; /* its quarter of that */
    segment_t segment;
    uint64_t mac48;
    struct guard guard;
    struct rate_limit from_limit, to_limit;
    struct bucket flood;
    struct bucket refusals; /* packets of its own that netdrv may spend time on to drop them */
    struct counters from_vm, to_vm;

    bool attached;
    bool reported; /* its broken ring has been logged */
    uint64_t features;
    struct net_consumer from;
    struct net_producer to;

    uint64_t resume_ms;     /* its next packet is looked at then, by its rate or its refusals; 0: now */
    uint32_t segments_sent; /* of its packet that waits, when it is cut for its receiver */
    /* How long others have waited for room in `to`: see port_wait(). */
    ports_t waiting;        /* those whose next packet waits */
    bool stalled;           /* nobody waits for it until it takes packets again */
    uint32_t stalled_at;    /* its lane's position then */
    uint64_t patience_us;   /* what is left */
    uint64_t patience_from; /* since when: it grows while nobody waits, shrinks while somebody does */
};

struct uplink {
    bool kick;       /* nic_send was used: nic_kick */
    ports_t waiting; /* those whose next packet waits for room in the NIC's queue */
    struct bucket flood;
    struct counters in, out;
};

struct netdrv {
    struct port ports[PORTS_MAX];
    ports_t members[NETWORKS_MAX]; /* the open ports of each network */
    struct stations stations;      /* who was heard on the uplink */
    struct uplink uplink;
    struct router router;
    bool router_used;
    segment_t
        router_segments[ROUTE_NETWORKS + 1]; /* by the router's link number; SEGMENT_NONE: no such link */
    uint64_t router_macs[ROUTE_NETWORKS + 1];
    uint32_t router_links[NETWORKS_MAX]; /* network number: the router's link */

    uint32_t generation;  /* of the lanes made last, over all restarts */
    struct copies copies; /* of the sessions, in the persistent pages */
    ports_t again;        /* they may have packets for us now */
    ports_t news;         /* there are new packets in their lanes */
    ports_t room;         /* there is new room in their vmms' lanes */
    ports_t timed;        /* somebody waits for them, or they for the clock; perhaps no longer */
    uint32_t turn;        /* the port that is served first next time */
    uint64_t now_us, now_ms;
    uint64_t waits_us, waits_until; /* main.c: a work_next_us(), and the deadline that was made of it */
    uint64_t next_tick_ms;
};

/* What became of a packet at its receiver. */
enum fate {
    FATE_DONE, /* taken, or dropped and counted */
    FATE_WAIT, /* no room just now: the same packet again later; the source is noted down for that */
};

static inline uint64_t mac48(const uint8_t *mac)
{
    return (uint64_t)get32(mac) << 16 | get16(mac + 4);
}

/* Longer than a wire takes, and nobody is asked to cut it; or into pieces that are.  After offload_check. */
static inline bool packet_is_oversize(const struct packet *packet)
{
    return packet->offload.gso == NET_GSO_NONE
               ? packet->length > ETH_BYTES + NET_MTU
               : (uint32_t)packet->offload.header_bytes + packet->offload.segment_bytes > ETH_BYTES + NET_MTU;
}

/* ---- networks.c ---- */
const struct network_config *network_config(uint32_t network);
enum status network_find(const char *name, uint32_t *network) BH_NODISCARD; /* ERR_EXIST */
/* The tag that a segment has on the uplink, 0: none; false: it has no uplink. */
bool segment_uplink(segment_t segment, uint16_t *tag);
/* Where a frame from the uplink with this tag (0: none) belongs. */
segment_t segment_of_tag(uint16_t tag);
/* May a port of this network be in this VLAN?  Refused: `error` says why. */
enum status segment_check(uint32_t network, uint32_t vlan, char *error, size_t error_bytes) BH_NODISCARD;

/* ---- session.c: who is plugged in where ---- */
/* `memory`: the session at mem for the block of its VM's interfaces, needed only during the call. */
enum status session_open(struct netdrv *drv, const struct port_config *config, slot_t memory, char *error,
                         size_t error_bytes) BH_NODISCARD;
enum status session_close(struct netdrv *drv, uint32_t session, char *error, size_t error_bytes) BH_NODISCARD;
/* A session whose link is down becomes another port, on whichever network, with the same MAC; its link goes
 * up. */
enum status session_replug(struct netdrv *drv, const struct port_config *config, char *error,
                           size_t error_bytes);
enum status session_link(struct netdrv *drv, uint32_t session, bool up, char *error,
                         size_t error_bytes) BH_NODISCARD;
/* Both lanes are made anew; `features` of the guest. */
enum status session_attach(struct netdrv *drv, struct port *port, uint64_t features) BH_NODISCARD;
/* The open session of this badge, or NULL. */
struct port *session_find(struct netdrv *drv, uint64_t badge);
void session_recover(struct netdrv *drv);
static inline uint32_t port_number(const struct netdrv *drv, const struct port *port)
{
    return (uint32_t)(port - drv->ports);
}
/* Of a set that is not empty. */
static inline uint32_t port_lowest(ports_t ports)
{
    return (uint32_t)__builtin_ctzll(ports);
}
/* Page 0 .. NET_INTERFACE_BYTES / NET_PAGE_BYTES - 1 of its lanes, as net_ring.h orders them. */
static inline uint8_t *port_page(const struct port *port, uint32_t page)
{
    return port->memory + (size_t)page * NET_PAGE_BYTES;
}

/* ---- persist.c: sessions, over a restart of ours ---- */
struct persist_session {
    uint8_t port, block;
    struct port_config config;
    uint32_t learned; /* guard.h */
    uint64_t learned_until_ms;
};
void persist_save(struct netdrv *drv);
/* What the latest good copy says: sessions (at most PORTS_MAX) and the generation; 0 and 0 at the first
 * start. */
uint32_t persist_load(struct netdrv *drv, struct persist_session *sessions, uint32_t *generation);

/* ---- port.c: from and to the lanes ---- */
/* Take what this port's vmm has put, a bounded number of packets. */
void port_pump(struct netdrv *drv, struct port *port);
/* Put a packet into its lane; `source`: a port that may wait for room, or SOURCE_*, which cannot. */
enum fate port_deliver(struct netdrv *drv, struct port *port, uint32_t source, struct packet *packet,
                       const struct inet *in);
/* A packet of its own was dropped for what it is: too many, and the port rests. */
void port_refused(struct netdrv *drv, struct port *port);
/* Its lanes are new. */
void port_attached(struct netdrv *drv, struct port *port);
/* Nothing of this port is under way any more, and nobody waits for it. */
void port_detach(struct netdrv *drv, struct port *port);
/* When something is due by the clock at some port, in microseconds; NEVER. */
uint64_t ports_next_us(const struct netdrv *drv);
/* Ports whose rate allows the next packet, or whose waiting has lasted long enough, try again. */
void ports_clock(struct netdrv *drv);
/* A port's vmm has signalled. */
void port_rang(struct netdrv *drv, uint32_t number);

/* ---- switch.c: who gets it ---- */
enum fate switch_forward(struct netdrv *drv, uint32_t source, segment_t segment, struct packet *packet,
                         struct inet *in);
/* One of our own has this address in this segment: a port or the router. */
bool switch_owns(const struct netdrv *drv, segment_t segment, uint64_t mac);

/* ---- uplink.c: the NIC ---- */
void uplink_start(struct netdrv *drv);
/* Distribute what the NIC has received, a bounded number; true: there may be more. */
bool uplink_receive(struct netdrv *drv);
enum fate uplink_send(struct netdrv *drv, uint32_t source, struct packet *packet, const struct inet *in,
                      uint16_t tag);
void uplink_event(struct netdrv *drv); /* it may have room again */

/* ---- gateway.c: the router's links as ports of the switch ---- */
void gateway_start(struct netdrv *drv);
bool gateway_owns(const struct netdrv *drv, segment_t segment, uint64_t mac);
/* A frame for the router's MAC or a group, if the router is in this segment. */
void gateway_receive(struct netdrv *drv, uint32_t source, segment_t segment, struct packet *packet,
                     struct inet *in);
void gateway_port_closed(struct netdrv *drv, uint32_t number);
void gateway_tick(struct netdrv *drv);

/* ---- work.c: one pass ---- */
void work_clock(struct netdrv *drv); /* read the clock */
void work_events(struct netdrv *drv, uint64_t events);
/* All that can be done now, bounded; true: there is more. */
bool work_pass(struct netdrv *drv);
uint64_t work_next_us(const struct netdrv *drv); /* when the clock has something to do; NEVER */

#endif
