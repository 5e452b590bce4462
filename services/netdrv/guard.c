/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.c - see guard.h
 */
#include "guard.h"
#include "dhcp_message.h"
#include "offload.h"

enum { PORT_DHCP6_SERVER = 547 };
enum { ND_OPTION_SOURCE = 1, ND_OPTION_TARGET = 2 }; /* RFC 4861, 4.6.1 */
enum { ND_ADVERTISEMENT_BYTES = 24, ND_ROUTER_SOLICITATION_BYTES = 8 };

static const uint8_t unspecified6[16];

const char *guard_reason_text(enum guard_reason reason)
{
    static const char *const texts[GUARD_REASONS] = {
        [GUARD_PASS] = "allowed",
        [GUARD_MALFORMED] = "malformed packet",
        [GUARD_MAC] = "another MAC address",
        [GUARD_VLAN] = "VLAN tag",
        [GUARD_ETHERTYPE] = "neither ARP nor IP",
        [GUARD_ARP] = "ARP for another address",
        [GUARD_IPV4] = "another IPv4 source address",
        [GUARD_IPV6] = "another IPv6 source address",
        [GUARD_NEIGHBOR] = "neighbour discovery for another address",
        [GUARD_ROUTER] = "router's packet",
        [GUARD_DHCP_CLIENT] = "DHCP for another MAC address",
        [GUARD_DHCP_SERVER] = "DHCP server's packet",
        [GUARD_FRAGMENT] = "fragment that hides a header",
    };

    return (unsigned)reason < GUARD_REASONS ? texts[reason] : "unknown";
}

void guard_init(struct guard *g, const uint8_t mac[6])
{
    *g = (struct guard){0};
    memcpy(g->mac, mac, 6);
}

bool guard_allow_ipv4(struct guard *g, uint32_t address)
{
    if (g->ipv4_count == GUARD_IPV4_MAX)
        return false;
    g->ipv4[g->ipv4_count++] = address;
    return true;
}

bool guard_allow_ipv6(struct guard *g, const uint8_t address[16])
{
    if (g->ipv6_count == GUARD_IPV6_MAX)
        return false;
    memcpy(g->ipv6[g->ipv6_count++], address, 16);
    return true;
}

/* ---- whose address is this? ------------------------------------------------------------------- */

uint32_t guard_learned(struct guard *g, uint64_t now_ms)
{
    if (g->learned != 0 && now_ms >= g->learned_until_ms)
        g->learned = 0;
    return g->learned;
}

static bool ipv4_is_mine(struct guard *g, uint32_t address, uint64_t now_ms)
{
    if (ipv4_is_special(address))
        return false;
    if (g->any_address)
        return true;
    for (uint32_t i = 0; i < g->ipv4_count; i++) {
        if (g->ipv4[i] == address)
            return true;
    }
    return g->learn && guard_learned(g, now_ms) == address;
}

/* The lower half is made from the MAC (RFC 4291, appendix A). */
static bool ipv6_is_from_mac(const uint8_t *address, const uint8_t *mac)
{
    const uint8_t id[8] = {mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};

    return memcmp(address + 8, id, 8) == 0;
}

static bool ipv6_is_link_local(const uint8_t *address)
{
    static const uint8_t prefix[8] = {0xfe, 0x80};

    return memcmp(address, prefix, 8) == 0;
}

static bool ipv6_is_mine(const struct guard *g, const uint8_t *address)
{
    if (address[0] == 0xff || memcmp(address, unspecified6, 16) == 0)
        return false;
    if (g->any_address)
        return true;
    for (uint32_t i = 0; i < g->ipv6_count; i++) {
        if (memcmp(g->ipv6[i], address, 16) == 0)
            return true;
    }
    return ipv6_is_from_mac(address, g->mac) && (g->learn || ipv6_is_link_local(address));
}

/* ---- one function per kind of packet ---------------------------------------------------------- */

static enum guard_reason check_ethernet(const struct guard *g, const struct packet *packet,
                                        const struct inet *in)
{
    static const uint8_t bridges[5] = {0x01, 0x80, 0xc2, 0x00,
                                       0x00}; /* IEEE 802.1Q, table 8-1: ...:00 to :0f */
    const uint8_t *to = packet->head + ETH_TO, *from = packet->head + ETH_FROM;

    if (!mac_equal(from, g->mac))
        return GUARD_MAC;
    if (in->tagged || in->ethertype == ETHERTYPE_SVLAN || in->ethertype == 0x9100)
        return GUARD_VLAN;
    if (memcmp(to, bridges, 5) == 0 && to[5] < 0x10)
        return GUARD_ETHERTYPE;
    if (in->kind == INET_OTHER && !g->any_address)
        return GUARD_ETHERTYPE;
    return GUARD_PASS;
}

static enum guard_reason check_arp(struct guard *g, const struct packet *packet, const struct inet *in,
                                   uint64_t now_ms)
{
    const uint8_t *arp = packet->head + in->net;
    uint32_t operation = get16(arp + ARP_OPERATION);

    if ((operation != 1 && operation != 2) || !mac_equal(arp + ARP_FROM_MAC, g->mac))
        return GUARD_ARP;
    if (in->from4 == 0 && operation == 1)
        return GUARD_PASS; /* a probe (RFC 5227) tells nobody anything */
    return ipv4_is_mine(g, in->from4, now_ms) ? GUARD_PASS : GUARD_ARP;
}

/* A client without an address yet asks for one. */
static bool is_dhcp_request(const struct inet *in)
{
    return in->protocol == PROTO_UDP && in->transport != 0 && !in->fragment && in->from_port == 68 &&
           in->to_port == 67;
}

/*
 * What goes on is what was judged: the whole message becomes a copy, for most of it lies beyond the head.
 * There is one buffer, since a packet is done with before the next one is looked at.
 */
static bool take_copy(struct packet *packet)
{
    static uint8_t rest[1514 - PACKET_HEAD_COPIED];
    uint32_t bytes = packet->length - packet->head_bytes;

    if (bytes > sizeof(rest))
        return false;
    packet_copy(packet, packet->head_bytes, rest, bytes);
    packet->pieces[0] = (struct packet_piece){rest, bytes};
    packet->piece_count = bytes > 0;
    return true;
}

static enum guard_reason check_dhcp(struct guard *g, struct packet *packet, const struct inet *in)
{
    struct dhcp_message m;

    if (!take_copy(packet) || !dhcp_message_read(&m, packet, in))
        return GUARD_MALFORMED;
    if (m.op != DHCP_OP_REQUEST || !mac_equal(m.mac, g->mac))
        return GUARD_DHCP_CLIENT;
    if (m.type == DHCP_RELEASE || m.type == DHCP_DECLINE)
        g->learned = 0; /* the server may give it to somebody else now */
    g->dhcp_xid = m.xid;
    g->dhcp_asked = true;
    return GUARD_PASS;
}

/* The transport header of a first fragment is whole (inet_parse saw it); a following one may not reach into
 * it. */
static enum guard_reason check_fragment(const struct inet *in)
{
    uint32_t header = in->protocol == PROTO_TCP ? 60 : 8;

    if (!in->fragment)
        return GUARD_PASS;
    if (in->fragment_offset != 0 && in->fragment_offset < header)
        return GUARD_FRAGMENT;
    if (in->transport != 0 && in->protocol == PROTO_UDP && (in->from_port == 67 || in->from_port == 68))
        return GUARD_FRAGMENT;
    return GUARD_PASS;
}

/* Loose and strict source route (RFC 791, 3.1): let the packet's way be chosen by its sender. */
static bool has_source_route(const struct packet *packet, const struct inet *in)
{
    const uint8_t *ip = packet->head + in->net;
    uint32_t at = IP4_BYTES, end = (uint32_t)(ip[IP4_VERSION] & 15) * 4;

    while (at < end && ip[at] != 0) {
        if (ip[at] == 131 || ip[at] == 137)
            return true;
        if (ip[at] == 1) {
            at++;
            continue;
        }
        if (end - at < 2 || ip[at + 1] < 2)
            return true; /* nobody can say what a broken one is taken for */
        at += ip[at + 1];
    }
    return false;
}

static enum guard_reason check_ipv4(struct guard *g, struct packet *packet, const struct inet *in,
                                    uint64_t now_ms)
{
    if (in->options && has_source_route(packet, in))
        return GUARD_ROUTER;
    if (in->protocol == PROTO_UDP && in->transport != 0 && in->from_port == 67)
        return GUARD_DHCP_SERVER;
    if (in->protocol == PROTO_ICMP && in->transport != 0 && in->icmp_type == ICMP_REDIRECT)
        return GUARD_ROUTER;
    if (is_dhcp_request(in) && in->from4 == 0 && in->to4 == 0xffffffffu)
        return check_dhcp(g, packet, in);
    if (!ipv4_is_mine(g, in->from4, now_ms))
        return GUARD_IPV4;
    if (is_dhcp_request(in))
        return check_dhcp(g, packet, in);
    return check_fragment(in);
}

/* Options of neighbour discovery may name this port's MAC only. */
static enum guard_reason check_nd_options(const struct guard *g, const struct packet *packet,
                                          const struct inet *in, uint32_t at)
{
    while (at < in->end) {
        const uint8_t *option = packet->head + at;
        uint32_t bytes;

        if (in->end - at < 8 || packet->head_bytes < at + 8)
            return GUARD_NEIGHBOR;
        bytes = option[1] * 8u;
        if (bytes == 0 || bytes > in->end - at)
            return GUARD_NEIGHBOR;
        if ((option[0] == ND_OPTION_SOURCE || option[0] == ND_OPTION_TARGET) &&
            (bytes != 8 || !mac_equal(option + 2, g->mac)))
            return GUARD_NEIGHBOR;
        at += bytes;
    }
    return GUARD_PASS;
}

static enum guard_reason check_nd(const struct guard *g, const struct packet *packet, const struct inet *in)
{
    const uint8_t *icmp = packet->head + in->transport;
    const uint8_t *from = inet_from6(in, packet);
    bool advertises = in->icmp_type == ICMP6_NEIGHBOR_ADVERTISEMENT;
    bool claims =
        advertises || memcmp(from, unspecified6, 16) == 0; /* from nobody: asks whether it may have it */

    if (in->fragment) /* RFC 6980 */
        return GUARD_NEIGHBOR;
    if (in->icmp_type == ICMP6_ROUTER_SOLICITATION)
        return check_nd_options(g, packet, in, in->transport + ND_ROUTER_SOLICITATION_BYTES);
    if (in->end - in->transport < ND_ADVERTISEMENT_BYTES ||
        packet->head_bytes < in->transport + ND_ADVERTISEMENT_BYTES)
        return GUARD_NEIGHBOR;
    if (claims && !ipv6_is_mine(g, icmp + ND_TARGET))
        return GUARD_NEIGHBOR;
    return check_nd_options(g, packet, in, in->transport + ND_ADVERTISEMENT_BYTES);
}

/* What hosts without an address may send: duplicate address detection, router solicitation, MLD reports. */
static bool may_come_from_nobody(const struct inet *in)
{
    return in->protocol == PROTO_ICMP6 && in->transport != 0 &&
           (in->icmp_type == ICMP6_NEIGHBOR_SOLICITATION || in->icmp_type == ICMP6_ROUTER_SOLICITATION ||
            in->icmp_type == 131 || in->icmp_type == 132 || in->icmp_type == 143);
}

static enum guard_reason check_icmp6(const struct guard *g, const struct packet *packet,
                                     const struct inet *in)
{
    if (in->icmp_type == ICMP6_ROUTER_ADVERTISEMENT || in->icmp_type == ICMP6_REDIRECT)
        return GUARD_ROUTER;
    if (in->icmp_type >= ICMP6_ROUTER_SOLICITATION && in->icmp_type <= ICMP6_NEIGHBOR_ADVERTISEMENT)
        return check_nd(g, packet, in);
    return GUARD_PASS;
}

static enum guard_reason check_ipv6(const struct guard *g, const struct packet *packet, const struct inet *in)
{
    const uint8_t *from = inet_from6(in, packet);
    enum guard_reason reason = GUARD_PASS;

    if (in->protocol == PROTO_UDP && in->transport != 0 && in->from_port == PORT_DHCP6_SERVER)
        return GUARD_DHCP_SERVER;
    if (in->protocol == PROTO_ICMP6 && in->transport != 0)
        reason = check_icmp6(g, packet, in);
    if (reason != GUARD_PASS)
        return reason;
    if (memcmp(from, unspecified6, 16) == 0 ? !may_come_from_nobody(in) : !ipv6_is_mine(g, from))
        return GUARD_IPV6;
    return check_fragment(in);
}

static enum guard_reason judge(struct guard *g, struct packet *packet, const struct inet *in, uint64_t now_ms)
{
    enum guard_reason reason;

    if (!offload_check(packet, in))
        return GUARD_MALFORMED;
    reason = check_ethernet(g, packet, in);
    if (reason != GUARD_PASS)
        return reason;
    if (in->kind == INET_ARP)
        return check_arp(g, packet, in, now_ms);
    if (in->kind == INET_IPV4)
        return check_ipv4(g, packet, in, now_ms);
    if (in->kind == INET_IPV6)
        return check_ipv6(g, packet, in);
    return GUARD_PASS;
}

enum guard_reason guard_check(struct guard *g, struct packet *packet, const struct inet *in, uint64_t now_ms)
{
    enum guard_reason reason = judge(g, packet, in, now_ms);

    if (reason != GUARD_PASS)
        g->refused[reason]++;
    return reason;
}

/* ---- learning --------------------------------------------------------------------------------- */

bool guard_learn(struct guard *g, const struct packet *packet, const struct inet *in, uint64_t now_ms)
{
    struct dhcp_message m;

    if (!g->learn || !g->dhcp_asked || in->kind != INET_IPV4 || in->protocol != PROTO_UDP ||
        in->transport == 0 || in->fragment || in->from_port != 67 || in->to_port != 68)
        return false;
    if (!dhcp_message_read(&m, packet, in) || m.op != DHCP_OP_REPLY || m.xid != g->dhcp_xid ||
        !mac_equal(m.mac, g->mac))
        return false;
    if (m.type == DHCP_NAK) {
        g->learned = 0;
        return true;
    }
    if (m.type != DHCP_ACK || m.yours == 0 || m.lease_s == 0) /* an answer to INFORM gives nothing */
        return false;
    g->learned = m.yours;
    g->learned_until_ms = now_ms + (uint64_t)m.lease_s * 1000;
    return true;
}
