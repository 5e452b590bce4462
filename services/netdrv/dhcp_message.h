/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dhcp_message.h - one DHCP message, read into a struct (RFC 2131, figure 1; RFC 2132)
 */
#ifndef NETDRV_DHCP_MESSAGE_H
#define NETDRV_DHCP_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "inet.h"

enum { /* from the start of the UDP payload */
       DHCP_OP = 0,
       DHCP_HARDWARE = 1,
       DHCP_HARDWARE_BYTES = 2,
       DHCP_XID = 4,
       DHCP_FLAGS = 10,
       DHCP_CLIENT_IP = 12,
       DHCP_YOUR_IP = 16,
       DHCP_SERVER_IP = 20,
       DHCP_GATEWAY_IP = 24,
       DHCP_MAC = 28,
       DHCP_COOKIE = 236,
       DHCP_OPTIONS = 240,
       DHCP_BROADCAST = 0x8000,
       DHCP_OP_REQUEST = 1,
       DHCP_OP_REPLY = 2,
};
#define DHCP_COOKIE_VALUE 0x63825363u

enum dhcp_type {
    DHCP_NONE = 0, /* BOOTP */
    DHCP_DISCOVER,
    DHCP_OFFER,
    DHCP_REQUEST,
    DHCP_DECLINE,
    DHCP_ACK,
    DHCP_NAK,
    DHCP_RELEASE,
    DHCP_INFORM,
};

enum { /* options (RFC 2132) */
       DHCP_OPTION_PAD = 0,
       DHCP_OPTION_MASK = 1,
       DHCP_OPTION_ROUTER = 3,
       DHCP_OPTION_DNS = 6,
       DHCP_OPTION_MTU = 26,
       DHCP_OPTION_BROADCAST = 28,
       DHCP_OPTION_REQUESTED = 50,
       DHCP_OPTION_LEASE = 51,
       DHCP_OPTION_TYPE = 53,
       DHCP_OPTION_SERVER = 54,
       DHCP_OPTION_RENEW = 58,
       DHCP_OPTION_REBIND = 59,
       DHCP_OPTION_END = 255,
};

struct dhcp_message {
    uint8_t op;
    uint8_t type; /* enum dhcp_type */
    uint32_t xid;
    uint16_t flags;
    uint32_t client, yours, gateway;
    uint8_t mac[6];
    uint32_t requested, server, lease_s; /* options; 0: not there */
};

/* Reads the payload of a UDP packet (INET_FINE, no fragment).  False: it is no DHCP message for Ethernet.
 * Options in `file` and `sname` (option 52) are not read. */
bool dhcp_message_read(struct dhcp_message *m, const struct packet *packet, const struct inet *in);

#endif
