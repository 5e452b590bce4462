/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * networks.h - the networks of this machine, as system/bulkhead.toml says (tools/gen_manifest.py makes and
 * judges the table)
 */
#ifndef NETDRV_NETWORKS_H
#define NETDRV_NETWORKS_H

#include <stdbool.h>
#include <stdint.h>

#define NETWORKS_MAX 16u

enum network_mode { NETWORK_BRIDGE, NETWORK_NAT, NETWORK_ROUTE };

/* IPv4 addresses: the first byte is the highest. */
struct network_config {
    const char *name;
    enum network_mode mode;
    bool uplink;                    /* bridge: the NIC is a port of it */
    uint16_t vlan;                  /* ... with this tag; 0: untagged */
    uint32_t address, prefix;       /* nat, route: the router's, inside */
    uint32_t dhcp_first, dhcp_last; /* 0: no DHCP */
};

struct network_forward {
    uint8_t protocol; /* 6 or 17 */
    uint16_t port;    /* of the router's address outside */
    uint32_t to;
    uint16_t to_port;
};

struct networks_config {
    uint32_t network_count;
    const struct network_config *networks;
    uint32_t forward_count;
    const struct network_forward *forwards;
    /* the router, outside; address 0: it has no outside */
    uint32_t address, prefix, gateway, dns;
    uint16_t vlan;
};
extern const struct networks_config networks_config;

#endif
