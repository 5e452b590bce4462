/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.h - may this port send this packet?
 *
 * Every packet from a VM passes here before anybody else sees it.  A VM speaks with its own MAC and its own
 * addresses only, in Ethernet, ARP, IPv4, IPv6, DHCP and neighbour discovery, and it does not play router,
 * DHCP server or switch.  What cannot be judged (headers beyond the head, fragments of what would be judged)
 * is refused.
 */
#ifndef NETDRV_GUARD_H
#define NETDRV_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "inet.h"

#define GUARD_IPV4_MAX 8u
#define GUARD_IPV6_MAX 8u

enum guard_reason {
    GUARD_PASS = 0,
    GUARD_MALFORMED,   /* inet_parse found a fault, or offload_check a lie */
    GUARD_MAC,         /* sender's MAC is not the port's, or a group's */
    GUARD_VLAN,        /* a VLAN tag: ports are access ports */
    GUARD_ETHERTYPE,   /* neither ARP nor IP, or a frame for switches (01:80:c2:00:00:0x) */
    GUARD_ARP,         /* ARP sender is not this port's MAC and address */
    GUARD_IPV4,        /* source address is not this port's */
    GUARD_IPV6,        /* the same */
    GUARD_NEIGHBOR,    /* neighbour discovery that claims what is not this port's */
    GUARD_ROUTER,      /* router advertisement, redirect, source route */
    GUARD_DHCP_CLIENT, /* DHCP for another MAC */
    GUARD_DHCP_SERVER, /* DHCP or DHCPv6 server's packet */
    GUARD_FRAGMENT,    /* a fragment so small that it hides or rewrites a header */
    GUARD_REASONS,
};
const char *guard_reason_text(enum guard_reason reason);

struct guard {
    uint8_t mac[6];
    bool any_address; /* addresses are not checked; MAC, VLAN, router and server roles are */
    bool
        learn; /* one IPv4 address from DHCP, and IPv6 addresses formed from the MAC (RFC 4291, appendix A) */
    uint8_t ipv4_count, ipv6_count;
    uint32_t ipv4[GUARD_IPV4_MAX];
    uint8_t ipv6[GUARD_IPV6_MAX][16];

    uint32_t learned; /* 0: none */
    uint64_t learned_until_ms;
    uint32_t dhcp_xid; /* of the client's last request */
    bool dhcp_asked;
    uint64_t refused[GUARD_REASONS];
};

/* Nothing but the MAC (and its link-local IPv6 address) is allowed. */
void guard_init(struct guard *g, const uint8_t mac[6]);
/* False: no place. */
bool guard_allow_ipv4(struct guard *g, uint32_t address);
bool guard_allow_ipv6(struct guard *g, const uint8_t address[16]);

/* A packet from the port (its offload.header_bytes is set right; a DHCP
 * message's bytes become a copy that is good until the next call).  Anything but GUARD_PASS is counted in
 * refused[]. */
enum guard_reason guard_check(struct guard *g, struct packet *packet, const struct inet *in, uint64_t now_ms);
/*
 * A packet on its way to the port, from the uplink or our own DHCP server (never from another VM): learns
 * from a DHCP ACK that answers this port's last request, for the length of the lease, and forgets at a NAK.
 * Cheap for all other packets; true if the address changed.
 */
bool guard_learn(struct guard *g, const struct packet *packet, const struct inet *in, uint64_t now_ms);
/* The address that guard_learn learned, 0: none or run out. */
uint32_t guard_learned(struct guard *g, uint64_t now_ms);

#endif
