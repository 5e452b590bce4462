/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_router.h - who is where in the tests of the router: a NAT network, a routed one, the world outside
 */
#ifndef NET_ROUTER_H
#define NET_ROUTER_H

#include "net_frames.h"

enum { NAT_LINK = 0, PLAIN_LINK = 1 };

#define UPLINK_IP IP(10, 0, 2, 15)
#define GATEWAY IP(10, 0, 2, 2)
#define NAT_IP IP(10, 0, 3, 1)
#define PLAIN_IP IP(172, 16, 0, 1)
#define VM IP(10, 0, 3, 100)
#define PLAIN_VM IP(172, 16, 0, 9)
#define FAR IP(198, 51, 100, 7)

static const uint8_t mac_gateway[6] = {0x52, 0x54, 0, 0, 0, 2};

#endif
