/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nat_table.h - NAT's flows and fragments, found, made, aged and taken away
 *
 * Always true:  no two flows are alike from inside (protocol, inside address and port, remote address and
 * port) nor from outside (protocol, outside port, remote address and port); each is in both hash tables and
 * in one of its owner's lists, which are ordered by last use.
 */
#ifndef NETDRV_NAT_TABLE_H
#define NETDRV_NAT_TABLE_H

#include "nat.h"

struct nat_end { /* who talks to whom, as one side sees it */
    uint8_t protocol;
    uint32_t ip;   /* inside; not used when the port is an outside one */
    uint16_t port; /* inside, or outside */
    uint32_t remote_ip;
    uint16_t remote_port;
};

struct nat_flow *nat_find_inside(struct nat *n, const struct nat_end *end);
struct nat_flow *nat_find_outside(struct nat *n, const struct nat_end *end);
/* Makes a flow (one that takes a place from another, if need be).  The keys are not in use. */
struct nat_flow *nat_make(struct nat *n, const struct nat_end *inside, uint16_t outside_port, uint32_t owner,
                          uint64_t now_ms);
void nat_free(struct nat *n, struct nat_flow *flow);
/* A packet went through it. */
void nat_use(struct nat *n, struct nat_flow *flow, bool outbound, uint8_t tcp_flags, uint64_t now_ms);
/* Numbers whose order looks random, the same in every life. */
uint32_t nat_hash(uint32_t a, uint32_t b);

/* The entry of a fragmented packet, or NULL. */
struct nat_fragment *nat_fragment_find(struct nat *n, const struct inet *in, uint64_t now_ms);
/* For its first fragment, as it came; an owner with most entries gives one up if need be. */
struct nat_fragment *nat_fragment_make(struct nat *n, const struct inet *in, uint32_t owner, uint64_t now_ms);

#endif
