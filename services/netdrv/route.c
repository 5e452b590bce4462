/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route.c - see route.h
 */
#include "route.h"
#include "offload.h"

#define ERRORS_PER_SECOND 50u /* ICMP errors on each link (RFC 1812, 4.3.2.8) */

enum { ICMP_PROTOCOL_UNREACHABLE = 2, ICMP_PORT_UNREACHABLE = 3 };

const char *route_drop_text(enum route_drop reason)
{
    static const char *const texts[ROUTE_DROPS] = {
        [ROUTE_DROP_MALFORMED] = "malformed",
        [ROUTE_DROP_NOT_OURS] = "to nobody here",
        [ROUTE_DROP_SOURCE] = "source address of another link",
        [ROUTE_DROP_TTL] = "time to live",
        [ROUTE_DROP_TOO_BIG] = "too big",
        [ROUTE_DROP_ISOLATED] = "to another network",
        [ROUTE_DROP_NO_FLOW] = "unasked for",
        [ROUTE_DROP_NO_PORT] = "no port left",
        [ROUTE_DROP_UNSUPPORTED] = "protocol or option that is not forwarded",
    };

    return (unsigned)reason < ROUTE_DROPS ? texts[reason] : "unknown";
}

static void drop(struct router *r, enum route_drop reason)
{
    r->dropped[reason]++;
}

static struct route_link *uplink_of(struct router *r)
{
    return &r->links[ROUTE_UPLINK];
}

static uint32_t number_of(const struct route_link *l)
{
    return (uint32_t)(l - l->router->links);
}

static bool is_in_subnet(const struct route_link *l, uint32_t ip)
{
    return l->used && ((ip ^ l->ip) & ipv4_mask(l->prefix)) == 0;
}

/* A single host's address there: neither the subnet's own nor its broadcast address. */
static bool is_host_of(const struct route_link *l, uint32_t ip)
{
    uint32_t host = ~ipv4_mask(l->prefix);

    return is_in_subnet(l, ip) && (l->prefix >= 31 || ((ip & host) != 0 && (ip & host) != host));
}

/* The network that this address is inside of, or NULL. */
static struct route_link *network_of(struct router *r, uint32_t ip)
{
    for (uint32_t i = 0; i < ROUTE_NETWORKS; i++) {
        if (is_in_subnet(&r->links[i], ip))
            return &r->links[i];
    }
    return NULL;
}

/* Where a packet to `to` goes next on the uplink; 0: nowhere. */
static uint32_t next_hop(struct router *r, uint32_t to)
{
    return is_in_subnet(uplink_of(r), to) ? to : r->gateway;
}

static void send_on(struct route_link *l, struct packet *packet, uint32_t to, uint64_t now_ms)
{
    uint32_t hop = l == uplink_of(l->router) ? next_hop(l->router, to) : to;

    if (l->used && hop != 0)
        arp_send(&l->arp, packet, hop, now_ms);
}

/* Tells the sender, who is on `l`, at a bounded rate. */
static void tell(struct route_link *l, const struct packet *packet, const struct inet *in, uint8_t type,
                 uint8_t code, uint16_t mtu, uint64_t now_ms)
{
    struct packet error;

    if (icmp_error(&error, packet, in, l->ip, type, code, mtu) && bucket_take(&l->errors, 1, now_ms))
        send_on(l, &error, in->from4, now_ms);
}

/* ---- a next hop that does not answer ---------------------------------------------------------- */

/* The packet left with our own address: through NAT, the error finds whose it was. */
static void tell_translated(struct router *r, const struct packet *packet, const struct inet *in,
                            uint64_t now_ms)
{
    struct packet error;
    struct inet about;
    struct route_link *l;

    if (!icmp_error(&error, packet, in, r->nat.outside_ip, ICMP_UNREACHABLE, ICMP_HOST_UNREACHABLE, 0) ||
        inet_parse(&about, &error) != INET_FINE ||
        nat_inbound(&r->nat, &error, &about, now_ms) != NAT_FORWARD)
        return;
    l = network_of(r, about.to4);
    if (l && bucket_take(&l->errors, 1, now_ms))
        send_on(l, &error, about.to4, now_ms);
}

static void on_unreachable(void *context, struct packet *packet, uint64_t now_ms)
{
    struct route_link *l = context, *back;
    struct router *r = l->router;
    struct inet in;

    if (inet_parse(&in, packet) != INET_FINE || in.kind != INET_IPV4 || in.from4 == l->ip) {
        if (in.fault == INET_FINE && in.kind == INET_IPV4 && l == uplink_of(r))
            tell_translated(r, packet, &in, now_ms);
        return;
    }
    back = network_of(r, in.from4);
    if (!back)
        back = l->mode == ROUTE_PLAIN ? uplink_of(r) : NULL;
    if (back && back->used && back != l)
        tell(back, packet, &in, ICMP_UNREACHABLE, ICMP_HOST_UNREACHABLE, 0, now_ms);
}

/* ---- forwarding ------------------------------------------------------------------------------- */

static void decrement_ttl(struct packet *packet, const struct inet *in)
{
    uint8_t *ip = packet->head + in->net;
    uint8_t before[2];

    memcpy(before, ip + IP4_TTL, 2);
    ip[IP4_TTL]--;
    checksum_replace(ip + IP4_CHECKSUM, before, ip + IP4_TTL, 2);
}

static uint32_t largest_piece(const struct packet *packet, const struct inet *in)
{
    if (packet->offload.gso != NET_GSO_NONE)
        return in->payload - in->net + packet->offload.segment_bytes;
    return in->end - in->net;
}

/* Before anything of the packet is changed: may it be forwarded from one link to the other?  Its sender is
 * told why not. */
static bool may_forward(struct route_link *from, const struct route_link *to, const struct packet *packet,
                        const struct inet *in, uint64_t now_ms)
{
    const uint8_t *ip = packet->head + in->net;

    if (in->options) {
        drop(from->router, ROUTE_DROP_UNSUPPORTED);
        return false;
    }
    if (ip[IP4_TTL] <= 1) {
        drop(from->router, ROUTE_DROP_TTL);
        tell(from, packet, in, ICMP_TIME_EXCEEDED, 0, 0, now_ms);
        return false;
    }
    if (largest_piece(packet, in) > to->mtu) {
        drop(from->router, ROUTE_DROP_TOO_BIG);
        if (get16(ip + IP4_FRAGMENT) & IP4_DONT_FRAGMENT)
            tell(from, packet, in, ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, to->mtu, now_ms);
        return false;
    }
    return true;
}

static void forward(struct route_link *to, struct packet *packet, const struct inet *in, uint64_t now_ms)
{
    packet_trim(packet, in->end);
    decrement_ttl(packet, in);
    to->router->forwarded++;
    send_on(to, packet, in->to4, now_ms);
}

static void drop_by_verdict(struct router *r, enum nat_verdict verdict)
{
    static const enum route_drop reasons[NAT_VERDICTS] = {
        [NAT_NOT_MINE] = ROUTE_DROP_NO_FLOW,
        [NAT_NO_PORT] = ROUTE_DROP_NO_PORT,
        [NAT_UNSUPPORTED] = ROUTE_DROP_UNSUPPORTED,
        [NAT_BAD] = ROUTE_DROP_MALFORMED,
    };

    drop(r, reasons[verdict]);
}

/* After nat_inbound: to the VM whose address is in it now. */
static void forward_inside(struct router *r, struct packet *packet, const struct inet *in, uint64_t now_ms)
{
    struct route_link *l = network_of(r, in->to4);

    if (!l || !is_host_of(l, in->to4) || in->to4 == l->ip)
        drop(r, ROUTE_DROP_NOT_OURS);
    else if (largest_piece(packet, in) > l->mtu)
        drop(r, ROUTE_DROP_TOO_BIG);
    else
        forward(l, packet, in, now_ms);
}

static void forward_translated(struct route_link *from, struct packet *packet, struct inet *in,
                               uint32_t owner, uint64_t now_ms)
{
    struct router *r = from->router;
    struct inet came = *in;
    enum nat_verdict verdict = nat_outbound(&r->nat, packet, in, owner, now_ms);

    if (verdict == NAT_FORWARD) {
        forward(uplink_of(r), packet, in, now_ms);
    } else if (verdict == NAT_HAIRPIN) {
        forward_inside(r, packet, in, now_ms);
    } else {
        drop_by_verdict(r, verdict);
        if (verdict == NAT_UNSUPPORTED && !came.fragment && came.protocol != PROTO_ICMP)
            tell(from, packet, &came, ICMP_UNREACHABLE, ICMP_PROTOCOL_UNREACHABLE, 0, now_ms);
    }
}

/* ---- packets for ourselves -------------------------------------------------------------------- */

static bool is_echo_request(const struct inet *in)
{
    return in->protocol == PROTO_ICMP && in->transport != 0 && in->icmp_type == ICMP_ECHO;
}

static void answer_echo(struct route_link *l, struct packet *packet, const struct inet *in, uint64_t now_ms)
{
    if (icmp_echo_reply(packet, in))
        send_on(l, packet, in->from4, now_ms);
}

static void for_us_inside(struct route_link *l, struct packet *packet, const struct inet *in, uint64_t now_ms)
{
    if (is_echo_request(in)) {
        answer_echo(l, packet, in, now_ms);
        return;
    }
    drop(l->router, ROUTE_DROP_NOT_OURS);
    if (in->transport != 0 && (in->protocol == PROTO_UDP || in->protocol == PROTO_TCP))
        tell(l, packet, in, ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE, 0, now_ms);
}

static void serve_dhcp(struct route_link *l, const struct packet *packet, const struct inet *in,
                       uint32_t configured, uint64_t now_ms)
{
    struct router *r = l->router;
    struct packet reply;

    if (dhcp_receive(&r->dhcp[number_of(l)], packet, in, configured, now_ms, &reply))
        r->send(r->context, number_of(l), &reply);
}

static bool is_for_dhcp(const struct route_link *l, const struct inet *in)
{
    return l->dhcp_server && in->protocol == PROTO_UDP && in->transport != 0 && !in->fragment &&
           in->to_port == 67 && in->from_port == 68 && (in->to4 == 0xffffffffu || in->to4 == l->ip);
}

/* ---- from a network of VMs -------------------------------------------------------------------- */

/* An address of this link's subnet that no host has: its own, or its broadcast. */
static bool is_no_host_of(const struct route_link *l, uint32_t address)
{
    return is_in_subnet(l, address) && !is_host_of(l, address);
}

static void from_inside(struct route_link *l, struct packet *packet, struct inet *in, uint32_t owner,
                        uint64_t now_ms)
{
    struct router *r = l->router;
    struct route_link *uplink = uplink_of(r), *other = network_of(r, in->to4);

    if (!is_host_of(l, in->from4) || in->from4 == l->ip) {
        drop(r, ROUTE_DROP_SOURCE);
    } else if (in->to4 == l->ip || (uplink->used && in->to4 == uplink->ip && is_echo_request(in))) {
        for_us_inside(l, packet, in, now_ms);
    } else if (ipv4_is_special(in->to4) || (other == l && !is_host_of(l, in->to4)) ||
               is_no_host_of(uplink, in->to4)) {
        drop(r, ROUTE_DROP_NOT_OURS);
    } else if (other == l) { /* it does not know that it could reach it directly */
        if (may_forward(l, l, packet, in, now_ms))
            forward(l, packet, in, now_ms);
    } else if (other || (l->mode == ROUTE_PLAIN && in->to4 == uplink->ip)) {
        drop(r, ROUTE_DROP_ISOLATED);
        tell(l, packet, in, ICMP_UNREACHABLE, ICMP_PROHIBITED, 0, now_ms);
    } else if (!uplink->used || next_hop(r, in->to4) == 0) {
        drop(r, ROUTE_DROP_NOT_OURS);
        tell(l, packet, in, ICMP_UNREACHABLE, ICMP_NET_UNREACHABLE, 0, now_ms);
    } else if (may_forward(l, uplink, packet, in, now_ms)) {
        if (l->mode == ROUTE_NAT)
            forward_translated(l, packet, in, owner, now_ms);
        else
            forward(uplink, packet, in, now_ms);
    }
}

/* ---- from outside ----------------------------------------------------------------------------- */

static void to_our_address(struct route_link *uplink, struct packet *packet, struct inet *in, uint64_t now_ms)
{
    struct router *r = uplink->router;
    enum nat_verdict verdict;

    if (is_echo_request(in)) {
        answer_echo(uplink, packet, in, now_ms);
        return;
    }
    if (!may_forward(uplink, uplink, packet, in, now_ms))
        return;
    verdict = nat_inbound(&r->nat, packet, in, now_ms);
    if (verdict == NAT_FORWARD)
        forward_inside(r, packet, in, now_ms);
    else
        drop_by_verdict(r, verdict); /* and not a word: after our restart it may be an open connection's */
}

static void from_outside(struct route_link *uplink, struct packet *packet, struct inet *in, uint64_t now_ms)
{
    struct router *r = uplink->router;
    struct route_link *to = network_of(r, in->to4);

    if (ipv4_is_special(in->from4) || in->from4 == uplink->ip || network_of(r, in->from4))
        drop(r, ROUTE_DROP_SOURCE);
    else if (in->to4 == uplink->ip)
        to_our_address(uplink, packet, in, now_ms);
    else if (to && to->mode == ROUTE_PLAIN && in->to4 == to->ip && is_echo_request(in))
        answer_echo(uplink, packet, in, now_ms);
    else if (!to || to->mode != ROUTE_PLAIN || !is_host_of(to, in->to4) || in->to4 == to->ip)
        drop(r, ROUTE_DROP_NOT_OURS);
    else if (may_forward(uplink, to, packet, in, now_ms))
        forward(to, packet, in, now_ms);
}

/* ---- every frame ------------------------------------------------------------------------------ */

static void receive_arp(struct route_link *l, const struct packet *packet, const struct inet *in,
                        uint64_t now_ms)
{
    if (in->from4 == 0 || is_host_of(l, in->from4))
        arp_receive(&l->arp, packet, in, now_ms);
}

static bool header_sum_is_right(const struct packet *packet, const struct inet *in)
{
    const uint8_t *ip = packet->head + in->net;

    return sum_fold(sum_add(0, ip, (uint32_t)(ip[IP4_VERSION] & 15) * 4)) == 0xffff;
}

static void receive_ipv4(struct route_link *l, struct packet *packet, struct inet *in, uint32_t owner,
                         uint32_t configured, uint64_t now_ms)
{
    if (!offload_check(packet, in) || !header_sum_is_right(packet, in))
        drop(l->router, ROUTE_DROP_MALFORMED);
    else if (is_for_dhcp(l, in))
        serve_dhcp(l, packet, in, configured, now_ms);
    else if (mac_is_group(packet->head + ETH_TO))
        return; /* what everybody gets is not forwarded */
    else if (l == uplink_of(l->router))
        from_outside(l, packet, in, now_ms);
    else
        from_inside(l, packet, in, owner, now_ms);
}

void router_receive(struct router *r, uint32_t link, struct packet *packet, struct inet *in, uint32_t owner,
                    uint32_t configured, uint64_t now_ms)
{
    struct route_link *l = link <= ROUTE_UPLINK ? &r->links[link] : NULL;

    if (!l || !l->used || packet->head_bytes < ETH_BYTES || in->tagged ||
        (!mac_equal(packet->head + ETH_TO, l->mac) && !mac_is_group(packet->head + ETH_TO)))
        return;
    if (in->fault != INET_FINE)
        drop(r, ROUTE_DROP_MALFORMED);
    else if (in->kind == INET_ARP)
        receive_arp(l, packet, in, now_ms);
    else if (in->kind == INET_IPV4)
        receive_ipv4(l, packet, in, owner, configured, now_ms);
}

/* ---- start and time --------------------------------------------------------------------------- */

static void on_send(void *context, struct packet *packet)
{
    struct route_link *l = context;

    l->router->send(l->router->context, number_of(l), packet);
}

static bool answers_for(void *context, uint32_t ip)
{
    struct route_link *uplink = context;
    const struct route_link *l = network_of(uplink->router, ip);

    return l && l->mode == ROUTE_PLAIN && l->proxy_arp && is_host_of(l, ip);
}

static void link_init(struct router *r, struct route_link *l, uint64_t now_ms)
{
    l->router = r;
    l->arp = (struct arp){.ip = l->ip,
                          .send = on_send,
                          .unreachable = on_unreachable,
                          .answers_for = l == uplink_of(r) ? answers_for : NULL,
                          .context = l,
                          .pool = &r->pool};
    memcpy(l->arp.mac, l->mac, 6);
    arp_init(&l->arp);
    bucket_init(&l->errors, ERRORS_PER_SECOND, ERRORS_PER_SECOND, now_ms);
}

uint32_t router_init(struct router *r, struct nat_flow *flows, bool keep_flows, uint64_t now_ms)
{
    for (uint32_t i = 0; i <= ROUTE_UPLINK; i++)
        link_init(r, &r->links[i], now_ms);
    for (uint32_t i = 0; i < ROUTE_NETWORKS; i++)
        dhcp_init(&r->dhcp[i]);
    return nat_init(&r->nat, uplink_of(r)->used ? uplink_of(r)->ip : 0, flows, keep_flows, now_ms);
}

void router_tick(struct router *r, uint64_t now_ms)
{
    for (uint32_t i = 0; i <= ROUTE_UPLINK; i++) {
        if (r->links[i].used)
            arp_tick(&r->links[i].arp, now_ms);
    }
    nat_tick(&r->nat, now_ms);
}

void router_announce(struct router *r)
{
    if (uplink_of(r)->used)
        arp_announce(&uplink_of(r)->arp);
}
