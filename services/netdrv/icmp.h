/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * icmp.h - what a router says about a packet that it cannot forward (RFC 792, 1812), and echo
 */
#ifndef NETDRV_ICMP_H
#define NETDRV_ICMP_H

#include <stdbool.h>
#include <stdint.h>

#include "inet.h"

enum {
    ICMP_NET_UNREACHABLE = 0,
    ICMP_HOST_UNREACHABLE = 1,
    ICMP_FRAGMENTATION_NEEDED = 4,
    ICMP_PROHIBITED = 13
};

/*
 * Makes `error` an ICMP error from `our_ip` about `packet` (INET_FINE, IPv4), to its sender; its Ethernet
 * addresses are left to arp_send.  `mtu` is for ICMP_FRAGMENTATION_NEEDED.  False: no error may be sent about
 * it (RFC 1812, 4.3.2.7: about an error, a following fragment, a group, a special address).
 */
bool icmp_error(struct packet *error, const struct packet *packet, const struct inet *in, uint32_t our_ip,
                uint8_t type, uint8_t code, uint16_t mtu);

/* Makes an echo request to us its reply, in place; Ethernet addresses are left to arp_send.  False: it is
 * none. */
bool icmp_echo_reply(struct packet *packet, const struct inet *in);

#endif
