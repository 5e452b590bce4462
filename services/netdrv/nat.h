/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nat.h - many private addresses behind one (NAPT, after RFC 3022, 4787, 5382, 5508)
 *
 * TCP, UDP, ICMP echo, and the ICMP errors about them.  A flow is (protocol, inside address and port, outside
 * port, remote address and port).  Replies come in only for flows that exist; new flows come in only through
 * a port forward.
 *
 * The outside port is a function of the inside address and port, but for the rare case that another VM
 * already talks to the same remote address and port from the same one.  So after a restart of netdrv the
 * first packet from inside makes the same flow again (TCP is picked up in its middle); and if the flow table
 * itself was kept (`keep`), packets from outside find theirs too.
 *
 * Bounds: when the table is full, a new flow takes the place of one of the owner who has most (its least
 * recently used; half-open ones first).  So an owner with fewer than NAT_FLOWS / owners flows loses none to
 * others.
 *
 * Checksums change by what changed (RFC 1624), so packets that NET_NEEDS_CHECKSUM and large ones stay what
 * they are.
 */
#ifndef NETDRV_NAT_H
#define NETDRV_NAT_H

#include <stdbool.h>
#include <stdint.h>

#include "inet.h"

#define NAT_FLOWS 2048u
#define NAT_OWNERS 64u /* 0..62: the VMs' ports; the last: whoever comes in through a port forward */
#define NAT_OWNER_OUTSIDE (NAT_OWNERS - 1u)
#define NAT_FORWARDS 32u
#define NAT_FRAGMENTS 32u
#define NAT_PORT_FIRST 1024u

/* Idle times (seconds): RFC 5382 REQ-5, RFC 4787 REQ-5, RFC 5508 REQ-2; DNS by RFC 4787 REQ-5 c. */
#define NAT_TCP_OPEN_S 7440u
#define NAT_TCP_TRANSITORY_S 240u
#define NAT_UDP_S 300u
#define NAT_UDP_ONE_WAY_S 120u
#define NAT_UDP_DNS_S 30u
#define NAT_ICMP_S 60u
#define NAT_FRAGMENT_S 30u

enum nat_seen {
    NAT_SEEN_OUT = 1, /* a packet from inside; TCP: not a reset */
    NAT_SEEN_IN = 2,
    NAT_FIN_OUT = 4,
    NAT_FIN_IN = 8,
    NAT_RESET = 16,
};

/* 32 bytes, and no pointers: the table may lie in memory that outlives this process. */
struct nat_flow {
    uint32_t inside_ip, remote_ip;
    uint16_t inside_port, remote_port,
        outside_port; /* ICMP echo: the identifier, 0, the identifier outside */
    uint8_t protocol; /* 0: free */
    uint8_t owner;
    uint32_t expires_s;
    uint16_t check; /* of the fields above but expires_s: a half-written flow is not adopted */
    uint8_t seen;   /* enum nat_seen */
    uint8_t spare;
    uint16_t inside_next, outside_next; /* hash chains */
    uint16_t newer, older;              /* the owner's list */
};
_Static_assert(sizeof(struct nat_flow) == 32, "no holes");

struct nat_forward {
    uint8_t protocol; /* PROTO_TCP or PROTO_UDP */
    uint16_t outside_port;
    uint32_t inside_ip;
    uint16_t inside_port;
};

enum nat_verdict {
    NAT_FORWARD = 0, /* translated: goes out, or to in->... (nat_inbound: to the address now in it) */
    NAT_HAIRPIN,     /* nat_outbound: translated twice, goes back inside */
    NAT_NOT_MINE,    /* nat_inbound: no flow; the packet is unchanged */
    NAT_NO_PORT,     /* every port is in use */
    NAT_UNSUPPORTED, /* another protocol, a following fragment without its first */
    NAT_BAD,         /* lengths or embedded headers make no sense */
    NAT_VERDICTS,
};

struct nat_list {
    uint16_t newest, oldest;
};
struct nat_owner {
    uint32_t count;
    struct nat_list lists[2]; /* transitory, lasting */
};
struct nat_fragment {
    uint32_t from, to; /* as they come */
    uint16_t id;
    uint8_t protocol; /* 0: free */
    uint8_t owner;
    uint32_t new_from, new_to;
    uint16_t new_id;
    uint32_t expires_s;
};

struct nat {
    uint32_t outside_ip;
    struct nat_flow *flows; /* NAT_FLOWS of them */
    struct nat_forward forwards[NAT_FORWARDS];
    uint32_t forward_count;
    struct nat_owner owners[NAT_OWNERS];
    struct nat_fragment fragments[NAT_FRAGMENTS];
    uint16_t inside_heads[NAT_FLOWS / 2], outside_heads[NAT_FLOWS / 2];
    uint16_t free;
    uint16_t sweep; /* next flow that nat_tick looks at */
    uint16_t fragment_id;
    uint32_t seed; /* of the hash chains; another one after each start */
    uint64_t evicted;
};

/* `flows`: memory for NAT_FLOWS.  With `keep` it holds what an earlier nat left there: each flow is judged,
 * and adopted if it is whole and not expired; returns how many.  Without: all are free. */
uint32_t nat_init(struct nat *n, uint32_t outside_ip, struct nat_flow *flows, bool keep, uint64_t now_ms);
/* False: no place, or that outside port is forwarded already. */
bool nat_add_forward(struct nat *n, const struct nat_forward *forward);

/* An IPv4 packet (INET_FINE) from an inside address to elsewhere: makes it one from outside_ip.  `owner` as
 * above. */
enum nat_verdict nat_outbound(struct nat *n, struct packet *packet, struct inet *in, uint32_t owner,
                              uint64_t now_ms);
/* An IPv4 packet (INET_FINE) to outside_ip: makes it one for an inside address (then in->to4). */
enum nat_verdict nat_inbound(struct nat *n, struct packet *packet, struct inet *in, uint64_t now_ms);

/* Its port is gone: its flows are free. */
void nat_forget(struct nat *n, uint32_t owner);
/* About once a second: frees what expired, a part of the table each time. */
void nat_tick(struct nat *n, uint64_t now_ms);

#endif
