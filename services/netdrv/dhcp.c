/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dhcp.c - see dhcp.h
 *
 * Always true:  no two leases have the same address, and a MAC has one lease and at most one declined
 * address.
 */
#include "dhcp.h"
#include "dhcp_message.h"
#include "offload.h"

#define OFFER_MS 60000u
#define LEASE_S_MIN 60u
#define PROBES_MAX 256u

enum { AT_IP = ETH_BYTES, AT_UDP = AT_IP + IP4_BYTES, AT_BOOTP = AT_UDP + UDP_BYTES };

void dhcp_init(struct dhcp *d)
{
    memset(d->leases, 0, sizeof(d->leases));
    d->offers = d->acks = d->naks = d->full = 0;
    if (d->lease_s < LEASE_S_MIN)
        d->lease_s = LEASE_S_MIN;
}

/* ---- leases ----------------------------------------------------------------------------------- */

static struct dhcp_lease *lease_of_mac(struct dhcp *d, const uint8_t *mac, bool declined)
{
    for (uint32_t i = 0; i < DHCP_LEASES; i++) {
        struct dhcp_lease *l = &d->leases[i];

        if (l->ip != 0 && l->declined == declined && mac_equal(l->mac, mac))
            return l;
    }
    return NULL;
}

static struct dhcp_lease *lease_of_ip(struct dhcp *d, uint32_t ip)
{
    for (uint32_t i = 0; i < DHCP_LEASES; i++) {
        if (d->leases[i].ip == ip)
            return &d->leases[i];
    }
    return NULL;
}

/* A free lease, or else the one that ran out first; NULL: all run. */
static struct dhcp_lease *lease_place(struct dhcp *d, uint64_t now_ms)
{
    struct dhcp_lease *best = NULL;

    for (uint32_t i = 0; i < DHCP_LEASES; i++) {
        struct dhcp_lease *l = &d->leases[i];

        if (l->ip == 0)
            return l;
        if (l->until_ms <= now_ms && (!best || l->until_ms < best->until_ms))
            best = l;
    }
    return best;
}

/* May this MAC have an address of the pool? */
static bool may_have(struct dhcp *d, const uint8_t *mac, uint32_t ip, uint64_t now_ms)
{
    const struct dhcp_lease *l;

    if (ip < d->first || ip > d->last || ip == d->server_ip || ip == d->router)
        return false;
    if (d->is_taken && d->is_taken(d->context, ip))
        return false;
    l = lease_of_ip(d, ip);
    return !l || l->until_ms <= now_ms || (!l->declined && mac_equal(l->mac, mac));
}

static uint32_t mac_hash(const uint8_t *mac)
{
    uint64_t h = (uint64_t)get32(mac) << 16 | get16(mac + 4);

    h *= 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return (uint32_t)(h >> 32);
}

/* 0: none is free. */
static uint32_t choose(struct dhcp *d, const struct dhcp_message *m, uint32_t configured, uint64_t now_ms)
{
    const struct dhcp_lease *l = lease_of_mac(d, m->mac, false);
    uint32_t size = d->last >= d->first && d->first != 0 ? d->last - d->first + 1 : 0;
    uint32_t start;

    if (configured != 0)
        return configured;
    if (l && may_have(d, m->mac, l->ip, now_ms))
        return l->ip;
    if (size == 0)
        return 0;
    start = mac_hash(m->mac) % size;
    for (uint32_t i = 0; i < size && i < PROBES_MAX; i++) {
        uint32_t ip = d->first + (uint32_t)(((uint64_t)start + i) % size);

        if (may_have(d, m->mac, ip, now_ms))
            return ip;
    }
    return 0;
}

/* The MAC's lease becomes this one.  False: the table is full. */
static bool lease_set(struct dhcp *d, const uint8_t *mac, uint32_t ip, uint64_t until_ms, uint64_t now_ms)
{
    struct dhcp_lease *mine = lease_of_mac(d, mac, false), *there = lease_of_ip(d, ip);

    if (there && there != mine)
        there->ip = 0; /* run out (may_have), or by configuration this MAC's */
    if (!mine)
        mine = lease_place(d, now_ms);
    if (!mine) {
        d->full++;
        return false;
    }
    *mine = (struct dhcp_lease){.ip = ip, .until_ms = until_ms};
    memcpy(mine->mac, mac, 6);
    return true;
}

/* Somebody else has it: not again for a while.  A MAC that declines everything keeps one address out of use.
 */
static void lease_decline(struct dhcp *d, const struct dhcp_message *m, uint64_t now_ms)
{
    struct dhcp_lease *l = lease_of_mac(d, m->mac, false), *before = lease_of_mac(d, m->mac, true);

    if (!l || l->ip != m->requested)
        return;
    if (before)
        before->ip = 0;
    l->declined = true;
    l->until_ms = now_ms + DHCP_DECLINED_MS;
}

static void lease_release(struct dhcp *d, const struct dhcp_message *m)
{
    struct dhcp_lease *l = lease_of_mac(d, m->mac, false);

    if (l && l->ip == m->client)
        l->ip = 0;
}

/* ---- the reply -------------------------------------------------------------------------------- */

static uint8_t *option32(uint8_t *at, uint8_t code, uint32_t value)
{
    at[0] = code;
    at[1] = 4;
    put32(at + 2, value);
    return at + 6;
}

static uint8_t *lease_options(const struct dhcp *d, uint8_t *at)
{
    at = option32(at, DHCP_OPTION_LEASE, d->lease_s);
    at = option32(at, DHCP_OPTION_RENEW, d->lease_s / 2);
    return option32(at, DHCP_OPTION_REBIND, d->lease_s / 8 * 7);
}

static uint8_t *network_options(const struct dhcp *d, uint8_t *at)
{
    uint32_t mask = ipv4_mask(d->prefix);

    at = option32(at, DHCP_OPTION_MASK, mask);
    at = option32(at, DHCP_OPTION_BROADCAST, d->server_ip | ~mask);
    if (d->router != 0)
        at = option32(at, DHCP_OPTION_ROUTER, d->router);
    if (d->dns != 0)
        at = option32(at, DHCP_OPTION_DNS, d->dns);
    if (d->mtu != 0) {
        at[0] = DHCP_OPTION_MTU;
        at[1] = 2;
        put16(at + 2, d->mtu);
        at += 4;
    }
    return at;
}

static void write_bootp(struct dhcp *d, const struct dhcp_message *m, uint8_t type, uint32_t yours)
{
    uint8_t *bootp = d->reply + AT_BOOTP, *at = bootp + DHCP_OPTIONS;

    bootp[DHCP_OP] = DHCP_OP_REPLY;
    bootp[DHCP_HARDWARE] = 1;
    bootp[DHCP_HARDWARE_BYTES] = 6;
    put32(bootp + DHCP_XID, m->xid);
    put16(bootp + DHCP_FLAGS, m->flags);
    put32(bootp + DHCP_CLIENT_IP, type == DHCP_ACK ? m->client : 0);
    put32(bootp + DHCP_YOUR_IP, yours);
    put32(bootp + DHCP_SERVER_IP, type == DHCP_NAK ? 0 : d->server_ip);
    memcpy(bootp + DHCP_MAC, m->mac, 6);
    put32(bootp + DHCP_COOKIE, DHCP_COOKIE_VALUE);
    at[0] = DHCP_OPTION_TYPE;
    at[1] = 1;
    at[2] = type;
    at = option32(at + 3, DHCP_OPTION_SERVER, d->server_ip);
    if (yours != 0)
        at = lease_options(d, at);
    if (type != DHCP_NAK)
        at = network_options(d, at);
    *at = DHCP_OPTION_END;
}

/* RFC 2131, 4.1: to the address that the client has or gets, unless it cannot take that yet. */
static uint32_t reply_to(const struct dhcp_message *m, uint8_t type, uint32_t yours)
{
    if (type == DHCP_NAK)
        return 0xffffffffu;
    if (m->client != 0 && (yours == 0 || m->client == yours))
        return m->client;
    return m->flags & DHCP_BROADCAST ? 0xffffffffu : yours;
}

static bool make_reply(struct dhcp *d, const struct dhcp_message *m, uint8_t type, uint32_t yours,
                       struct packet *reply)
{
    struct packet_piece piece = {d->reply, DHCP_REPLY_BYTES};
    uint32_t to = reply_to(m, type, yours);
    uint8_t *ip = d->reply + AT_IP, *udp = d->reply + AT_UDP;
    struct inet in;

    memset(d->reply, 0, sizeof(d->reply));
    memcpy(d->reply + ETH_TO, to == 0xffffffffu ? mac_broadcast : m->mac, 6);
    memcpy(d->reply + ETH_FROM, d->server_mac, 6);
    put16(d->reply + ETH_TYPE, ETHERTYPE_IPV4);
    ip[IP4_VERSION] = 0x45;
    put16(ip + IP4_TOTAL, DHCP_REPLY_BYTES - AT_IP);
    ip[IP4_TTL] = 64;
    ip[IP4_PROTOCOL] = PROTO_UDP;
    put32(ip + IP4_FROM, d->server_ip);
    put32(ip + IP4_TO, to);
    checksum_ipv4_header(ip);
    put16(udp + UDP_FROM, 67);
    put16(udp + UDP_TO, 68);
    put16(udp + UDP_LENGTH, DHCP_REPLY_BYTES - AT_UDP);
    write_bootp(d, m, type, yours);
    if (!packet_from_pieces(reply, DHCP_REPLY_BYTES, NULL, &piece, 1) || inet_parse(&in, reply) != INET_FINE)
        return false;
    put16(reply->head + AT_UDP + UDP_CHECKSUM,
          sum_fold(sum_pseudo(reply, &in, PROTO_UDP, DHCP_REPLY_BYTES - AT_UDP)));
    reply->offload =
        (struct net_offload){.flags = NET_NEEDS_CHECKSUM, .csum_start = AT_UDP, .csum_offset = UDP_CHECKSUM};
    return offload_checksum(reply);
}

/* ---- messages --------------------------------------------------------------------------------- */

static bool discover(struct dhcp *d, const struct dhcp_message *m, uint32_t configured, uint64_t now_ms,
                     struct packet *reply)
{
    uint32_t ip = choose(d, m, configured, now_ms);
    const struct dhcp_lease *l = lease_of_mac(d, m->mac, false);
    uint64_t until = now_ms + OFFER_MS;

    if (ip == 0) {
        d->full++;
        return false;
    }
    if (l && l->ip == ip && l->until_ms > until)
        until = l->until_ms;
    if (!lease_set(d, m->mac, ip, until, now_ms))
        return false;
    d->offers++;
    return make_reply(d, m, DHCP_OFFER, ip, reply);
}

static bool request(struct dhcp *d, const struct dhcp_message *m, uint32_t configured, uint64_t now_ms,
                    struct packet *reply)
{
    uint32_t wanted = m->requested != 0 ? m->requested : m->client;
    bool good = configured != 0 ? wanted == configured : may_have(d, m->mac, wanted, now_ms);

    if (m->server != 0 && m->server != d->server_ip)
        return false; /* it took somebody else's offer */
    if (!good || !lease_set(d, m->mac, wanted, now_ms + d->lease_s * 1000ull, now_ms)) {
        d->naks++;
        return make_reply(d, m, DHCP_NAK, 0, reply);
    }
    d->acks++;
    return make_reply(d, m, DHCP_ACK, wanted, reply);
}

bool dhcp_receive(struct dhcp *d, const struct packet *packet, const struct inet *in, uint32_t configured,
                  uint64_t now_ms, struct packet *reply)
{
    struct dhcp_message m;

    if (in->transport == 0 || in->fragment || !dhcp_message_read(&m, packet, in) || m.op != DHCP_OP_REQUEST ||
        m.gateway != 0 || mac_is_group(m.mac))
        return false;
    if (m.client != 0 && ((m.client ^ d->server_ip) & ipv4_mask(d->prefix)) != 0 && m.type != DHCP_REQUEST)
        return false;
    switch (m.type) {
    case DHCP_DISCOVER:
        return discover(d, &m, configured, now_ms, reply);
    case DHCP_REQUEST:
        return request(d, &m, configured, now_ms, reply);
    case DHCP_DECLINE:
        lease_decline(d, &m, now_ms);
        return false;
    case DHCP_RELEASE:
        lease_release(d, &m);
        return false;
    case DHCP_INFORM:
        return m.client != 0 && make_reply(d, &m, DHCP_ACK, 0, reply);
    default:
        return false;
    }
}
