/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dhcp.h - addresses for the VMs of a network of ours (RFC 2131, 2132)
 *
 * A MAC gets the address that its session is configured with, or else one from the pool that is a function of
 * the MAC, so that it is the same after a restart without a lease file.  Only if two MACs meet at one address
 * (or the client declines it) does the order matter.
 */
#ifndef NETDRV_DHCP_H
#define NETDRV_DHCP_H

#include <stdbool.h>
#include <stdint.h>

#include "inet.h"

#define DHCP_LEASES 64u
#define DHCP_REPLY_BYTES                                                                                     \
    342u /* Ethernet, IPv4, UDP, 300 bytes of BOOTP: what the oldest clients want at least */
#define DHCP_DECLINED_MS 600000u

struct dhcp_lease {
    uint8_t mac[6];
    bool declined;
    uint32_t ip; /* 0: free */
    uint64_t until_ms;
};

struct dhcp {
    /* set by the owner before dhcp_init */
    uint32_t server_ip; /* ours, inside the subnet */
    uint8_t server_mac[6];
    uint8_t prefix;
    uint32_t router; /* 0: the option is left out; likewise the next ones */
    uint32_t dns;
    uint16_t mtu;
    uint32_t first, last; /* the pool, inside the subnet */
    uint32_t lease_s;     /* 60 at least */
    /* Is an address of the pool somebody's by configuration?  May be NULL: none is. */
    bool (*is_taken)(void *context, uint32_t ip);
    void *context;

    struct dhcp_lease leases[DHCP_LEASES];
    uint8_t reply[DHCP_REPLY_BYTES];
    uint64_t offers, acks, naks, full;
};

void dhcp_init(struct dhcp *d);
/*
 * A packet from a VM, UDP to port 67 (INET_FINE, passed its guard).  `configured`: the address of the
 * session, or 0.  True: `reply` is the frame to send back to that port (it uses d->reply until the next
 * call).
 */
bool dhcp_receive(struct dhcp *d, const struct packet *packet, const struct inet *in, uint32_t configured,
                  uint64_t now_ms, struct packet *reply);

#endif
