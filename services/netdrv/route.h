/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route.h - the router between networks of mode "nat" and "route" and the uplink (IPv4)
 *
 * It is a host on each such network (the VMs' gateway and DHCP server) and one on the uplink.  The switch
 * hands it frames for its MAC and broadcasts; it hands frames back through `send`.  From network "nat"
 * packets go out with the uplink's address, from network "route" with their own; networks do not reach each
 * other but through port forwards.
 *
 * Calls of `send` happen inside the calls below; the packet is the callee's to change, and gone when it
 * returns.
 */
#ifndef NETDRV_ROUTE_H
#define NETDRV_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "arp.h"
#include "bucket.h"
#include "dhcp.h"
#include "icmp.h"
#include "nat.h"

#define ROUTE_NETWORKS 8u
#define ROUTE_UPLINK ROUTE_NETWORKS /* as a link's number */

enum route_mode { ROUTE_NAT = 0, ROUTE_PLAIN };

enum route_drop {
    ROUTE_DROP_MALFORMED = 0, /* header checksum, options, lengths; NAT_BAD */
    ROUTE_DROP_NOT_OURS,      /* neither for us nor for somebody behind us */
    ROUTE_DROP_SOURCE,        /* its source does not belong to the link it came from */
    ROUTE_DROP_TTL,
    ROUTE_DROP_TOO_BIG,
    ROUTE_DROP_ISOLATED, /* from one network to another */
    ROUTE_DROP_NO_FLOW,  /* from outside, and nobody inside asked */
    ROUTE_DROP_NO_PORT,  /* NAT_NO_PORT */
    ROUTE_DROP_UNSUPPORTED,
    ROUTE_DROPS,
};
const char *route_drop_text(enum route_drop reason);

struct router;
struct route_link {
    /* configuration */
    bool used;
    uint32_t ip; /* ours on this link */
    uint8_t prefix;
    uint8_t mac[6];
    uint16_t mtu; /* of IP packets */
    enum route_mode mode;
    bool proxy_arp;   /* ROUTE_PLAIN: answer on the uplink for this network's addresses */
    bool dhcp_server; /* then `dhcp` is configured too */

    struct router *router;
    struct arp arp;
    struct bucket errors; /* ICMP errors sent on this link */
};

struct router {
    /* Set before router_init.  `link`: a network's number, or ROUTE_UPLINK. */
    void (*send)(void *context, uint32_t link, struct packet *packet);
    void *context;
    uint32_t gateway; /* on the uplink; 0: none */

    struct route_link links[ROUTE_NETWORKS + 1];
    struct dhcp dhcp[ROUTE_NETWORKS];
    struct nat nat;
    struct arp_pool pool;
    uint64_t forwarded;
    uint64_t dropped[ROUTE_DROPS];
};

/*
 * `send`, `context`, `gateway` and each link's configuration (and its dhcp's) are set, the rest is zero.
 * NAT's flows, and what is returned, as in nat_init; port forwards follow with nat_add_forward(&router->nat,
 * ...).
 */
uint32_t router_init(struct router *r, struct nat_flow *flows, bool keep_flows, uint64_t now_ms);

/*
 * A frame on link `link` whose destination is our MAC there or a group (others are ignored).  From a VM:
 * after its guard, untagged, `owner` as nat.h says and `configured` as dhcp.h says; from the uplink both 0.
 * The packet may be changed.
 */
void router_receive(struct router *r, uint32_t link, struct packet *packet, struct inet *in, uint32_t owner,
                    uint32_t configured, uint64_t now_ms);
/* Once a second. */
void router_tick(struct router *r, uint64_t now_ms);
/* The uplink came up. */
void router_announce(struct router *r);

#endif
