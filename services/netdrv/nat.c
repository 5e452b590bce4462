/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nat.c - see nat.h: what a packet belongs to, and its translation
 */
#include "nat.h"
#include "nat_table.h"
#include "offload.h"

#define PORT_COUNT (65536u - NAT_PORT_FIRST)
#define PORT_TRIES 32u

/* ---- changing a packet ------------------------------------------------------------------------ */

/* The transport's checksum is still to be made: its field holds the pseudo-header's sum, uncomplemented. */
static bool is_partial(const struct packet *packet, const struct inet *in)
{
    return (packet->offload.flags & NET_NEEDS_CHECKSUM) && packet->offload.csum_start == in->transport;
}

static uint8_t *checksum_field(struct packet *packet, const struct inet *in)
{
    uint8_t *transport = packet->head + in->transport;

    if (in->protocol == PROTO_TCP)
        return transport + TCP_CHECKSUM;
    return transport + UDP_CHECKSUM;
}

/* An address that TCP's or UDP's checksum covers by the pseudo-header changed. */
static void pseudo_replaced(struct packet *packet, const struct inet *in, const uint8_t *before,
                            const uint8_t *after)
{
    uint8_t *field = checksum_field(packet, in);

    if (is_partial(packet, in)) {
        put16(field, (uint16_t)~get16(field));
        checksum_replace(field, before, after, 4);
        put16(field, (uint16_t)~get16(field));
    } else if (in->protocol == PROTO_TCP || get16(field) != 0) {
        checksum_replace(field, before, after, 4);
        if (in->protocol == PROTO_UDP && get16(field) == 0)
            put16(field, 0xffff);
    }
}

static void address_set(struct packet *packet, const struct inet *in, uint32_t where, uint32_t address)
{
    uint8_t *ip = packet->head + in->net;
    uint8_t before[4];

    memcpy(before, ip + where, 4);
    put32(ip + where, address);
    checksum_replace(ip + IP4_CHECKSUM, before, ip + where, 4);
    if (in->transport != 0 && in->protocol != PROTO_ICMP)
        pseudo_replaced(packet, in, before, ip + where);
}

static void port_set(struct packet *packet, const struct inet *in, uint32_t where, uint16_t port)
{
    uint8_t *at = packet->head + in->transport + where;
    uint8_t *field = in->protocol == PROTO_ICMP ? packet->head + in->transport + ICMP_CHECKSUM
                                                : checksum_field(packet, in);
    uint8_t before[2];

    memcpy(before, at, 2);
    put16(at, port);
    if (is_partial(packet, in) || (in->protocol == PROTO_UDP && get16(field) == 0))
        return;
    checksum_replace(field, before, at, 2);
    if (in->protocol == PROTO_UDP && get16(field) == 0)
        put16(field, 0xffff);
}

static void set_from(struct packet *packet, struct inet *in, uint32_t ip, uint16_t port)
{
    address_set(packet, in, IP4_FROM, ip);
    port_set(packet, in, in->protocol == PROTO_ICMP ? ICMP_ID : UDP_FROM, port);
    in->from4 = ip;
    in->from_port = in->protocol == PROTO_ICMP ? 0 : port;
}

static void set_to(struct packet *packet, struct inet *in, uint32_t ip, uint16_t port)
{
    address_set(packet, in, IP4_TO, ip);
    port_set(packet, in, in->protocol == PROTO_ICMP ? ICMP_ID : UDP_TO, port);
    in->to4 = ip;
    in->to_port = in->protocol == PROTO_ICMP ? 0 : port;
}

static void id_set(struct packet *packet, struct inet *in, uint16_t id)
{
    uint8_t *ip = packet->head + in->net;
    uint8_t before[2];

    memcpy(before, ip + IP4_ID, 2);
    put16(ip + IP4_ID, id);
    checksum_replace(ip + IP4_CHECKSUM, before, ip + IP4_ID, 2);
    in->fragment_id = id;
}

/* ---- fragments -------------------------------------------------------------------------------- */

static enum nat_verdict following_fragment(struct nat *n, struct packet *packet, struct inet *in,
                                           uint64_t now_ms)
{
    const struct nat_fragment *g = nat_fragment_find(n, in, now_ms);

    if (!g)
        return NAT_UNSUPPORTED;
    address_set(packet, in, IP4_FROM, g->new_from);
    address_set(packet, in, IP4_TO, g->new_to);
    in->from4 = g->new_from;
    in->to4 = g->new_to;
    id_set(packet, in, g->new_id);
    return NAT_FORWARD;
}

/* Others of this packet follow, and they have no ports: note down what the first (as it `came`) became. */
static void first_fragment(struct nat *n, struct packet *packet, struct inet *in, const struct inet *came,
                           uint32_t owner, uint64_t now_ms)
{
    struct nat_fragment *g;

    if (!in->fragment)
        return;
    g = nat_fragment_make(n, came, owner, now_ms);
    g->new_from = in->from4;
    g->new_to = in->to4;
    id_set(packet, in, g->new_id);
}

/* ---- errors about packets of ours ------------------------------------------------------------- */

/* The packet that an ICMP error quotes. */
struct quoted {
    struct inet in; /* offsets in the head of the error */
    uint16_t id;    /* of an echo */
    bool echo;
};

static bool is_error(const struct inet *in)
{
    return in->protocol == PROTO_ICMP &&
           (in->icmp_type == ICMP_UNREACHABLE || in->icmp_type == ICMP_SOURCE_QUENCH ||
            in->icmp_type == ICMP_TIME_EXCEEDED || in->icmp_type == ICMP_PARAMETER);
}

static bool quoted_parse(const struct packet *packet, const struct inet *in, struct quoted *q)
{
    const uint8_t *ip = packet->head + in->payload, *transport;
    uint32_t end = in->end < packet->head_bytes ? in->end : packet->head_bytes;
    uint32_t header;

    *q = (struct quoted){.in = {.kind = INET_IPV4, .net = in->payload, .end = end}};
    if (end < in->payload || end - in->payload < IP4_BYTES + 8)
        return false;
    header = (uint32_t)(ip[IP4_VERSION] & 15) * 4;
    if (ip[IP4_VERSION] >> 4 != 4 || header < IP4_BYTES || end - in->payload - 8 < header ||
        (get16(ip + IP4_FRAGMENT) & IP4_OFFSET_MASK) != 0)
        return false;
    transport = ip + header;
    q->in.transport = in->payload + header;
    q->in.protocol = ip[IP4_PROTOCOL];
    q->in.from4 = get32(ip + IP4_FROM);
    q->in.to4 = get32(ip + IP4_TO);
    if (q->in.protocol == PROTO_ICMP) {
        q->echo = transport[ICMP_TYPE] == ICMP_ECHO || transport[ICMP_TYPE] == ICMP_ECHO_REPLY;
        q->id = get16(transport + ICMP_ID);
        return q->echo;
    }
    q->in.from_port = get16(transport + UDP_FROM);
    q->in.to_port = get16(transport + UDP_TO);
    return q->in.protocol == PROTO_TCP || q->in.protocol == PROTO_UDP;
}

/* Only the first 8 bytes of a transport header are sure to be quoted; TCP's checksum is beyond. */
static void quoted_set(struct packet *packet, const struct quoted *q, bool from, uint32_t address,
                       uint16_t port)
{
    struct packet *p = packet;
    struct inet in = q->in;
    bool has_checksum = in.protocol != PROTO_TCP || in.end - in.transport >= TCP_CHECKSUM + 2;
    uint32_t where = in.protocol == PROTO_ICMP ? ICMP_ID : from ? UDP_FROM : UDP_TO;

    if (has_checksum) {
        address_set(p, &in, from ? IP4_FROM : IP4_TO, address);
        port_set(p, &in, where, port);
        return;
    }
    put16(p->head + in.transport + where, port);
    in.transport = 0;
    address_set(p, &in, from ? IP4_FROM : IP4_TO, address);
}

/* `from`: the quoted packet's source is what changes; the error's own checksum follows what it covers. */
static void error_translate(struct packet *packet, const struct inet *in, const struct quoted *q, bool from,
                            uint32_t address, uint16_t port)
{
    uint8_t before[60 + TCP_BYTES];
    uint8_t *quote = packet->head + in->payload;
    uint32_t bytes = q->in.end - in->payload;
    struct net_offload offload = packet->offload;

    if (bytes > sizeof(before))
        bytes = sizeof(before);
    bytes &= ~1u; /* what changes ends at an even place: 18 of TCP's header at most */
    memcpy(before, quote, bytes);
    packet->offload = (struct net_offload){0}; /* nothing of it is about the quoted packet */
    quoted_set(packet, q, from, address, port);
    packet->offload = offload;
    checksum_replace(packet->head + in->transport + ICMP_CHECKSUM, before, quote, bytes);
}

/* A VM complains about a packet that came to it. */
static enum nat_verdict error_outbound(struct nat *n, struct packet *packet, struct inet *in, uint64_t now_ms)
{
    struct nat_flow *f;
    struct quoted q;
    struct nat_end end;

    (void)now_ms;
    if (!quoted_parse(packet, in, &q))
        return NAT_BAD;
    end = (struct nat_end){q.in.protocol, q.in.to4, q.echo ? q.id : q.in.to_port, q.in.from4,
                           q.echo ? 0 : q.in.from_port};
    f = nat_find_inside(n, &end);
    if (!f || f->inside_ip != in->from4)
        return NAT_NOT_MINE;
    error_translate(packet, in, &q, false, n->outside_ip, f->outside_port);
    address_set(packet, in, IP4_FROM, n->outside_ip);
    in->from4 = n->outside_ip;
    return NAT_FORWARD;
}

/* Somebody outside complains about a packet of a VM's. */
static enum nat_verdict error_inbound(struct nat *n, struct packet *packet, struct inet *in)
{
    struct nat_flow *f;
    struct quoted q;
    struct nat_end end;

    if (!quoted_parse(packet, in, &q))
        return NAT_BAD;
    end = (struct nat_end){q.in.protocol, 0, q.echo ? q.id : q.in.from_port, q.in.to4,
                           q.echo ? 0 : q.in.to_port};
    f = q.in.from4 == n->outside_ip ? nat_find_outside(n, &end) : NULL;
    if (!f)
        return NAT_NOT_MINE;
    error_translate(packet, in, &q, true, f->inside_ip, f->inside_port);
    address_set(packet, in, IP4_TO, f->inside_ip);
    in->to4 = f->inside_ip;
    return NAT_FORWARD;
}

/* ---- new flows -------------------------------------------------------------------------------- */

static const struct nat_forward *forward_find(const struct nat *n, uint8_t protocol, uint16_t outside_port)
{
    for (uint32_t i = 0; i < n->forward_count; i++) {
        if (n->forwards[i].protocol == protocol && n->forwards[i].outside_port == outside_port)
            return &n->forwards[i];
    }
    return NULL;
}

/* The forward whose target this is: what it sends comes from the forwarded port. */
static const struct nat_forward *forward_of(const struct nat *n, const struct nat_end *inside)
{
    for (uint32_t i = 0; i < n->forward_count; i++) {
        const struct nat_forward *w = &n->forwards[i];

        if (w->protocol == inside->protocol && w->inside_ip == inside->ip && w->inside_port == inside->port)
            return w;
    }
    return NULL;
}

static bool outside_port_is_free(struct nat *n, const struct nat_end *inside, uint16_t port)
{
    struct nat_end outside = {inside->protocol, 0, port, inside->remote_ip, inside->remote_port};

    return nat_find_outside(n, &outside) == NULL;
}

/*
 * The port itself, so that what a VM says of its port is true outside as well; a privileged one, and one that
 * is taken, by hashes of address and port.  0: none is free.
 */
static uint16_t choose_port(struct nat *n, const struct nat_end *inside)
{
    const struct nat_forward *w = forward_of(n, inside);
    uint32_t h = nat_hash(inside->ip, (uint32_t)inside->protocol << 16 | inside->port);
    uint32_t step = h % PORT_COUNT | 1;
    uint32_t at = inside->port >= NAT_PORT_FIRST ? inside->port - NAT_PORT_FIRST : h % PORT_COUNT;

    if (w && outside_port_is_free(n, inside, w->outside_port))
        return w->outside_port;
    for (uint32_t i = 0; i < PORT_TRIES; i++, at = (at + step) % PORT_COUNT) {
        uint16_t port = (uint16_t)(NAT_PORT_FIRST + at);

        if (!forward_find(n, inside->protocol, port) && outside_port_is_free(n, inside, port))
            return port;
    }
    return 0;
}

/* Who may begin a flow: not a reset, nor an echo's reply. */
static bool may_begin(const struct inet *in)
{
    if (in->protocol == PROTO_TCP)
        return !(in->tcp_flags & TCP_RST);
    return in->protocol == PROTO_UDP || (in->protocol == PROTO_ICMP && in->icmp_type == ICMP_ECHO);
}

static bool is_translatable(const struct inet *in)
{
    return in->transport != 0 &&
           (in->protocol == PROTO_TCP || in->protocol == PROTO_UDP ||
            (in->protocol == PROTO_ICMP && (in->icmp_type == ICMP_ECHO || in->icmp_type == ICMP_ECHO_REPLY)));
}

static uint16_t echo_id(const struct packet *packet, const struct inet *in)
{
    return get16(packet->head + in->transport + ICMP_ID);
}

/* ---- both ways -------------------------------------------------------------------------------- */

static enum nat_verdict translate_out(struct nat *n, struct packet *packet, struct inet *in, uint32_t owner,
                                      uint64_t now_ms)
{
    bool icmp = in->protocol == PROTO_ICMP;
    struct nat_end end = {in->protocol, in->from4, icmp ? echo_id(packet, in) : in->from_port, in->to4,
                          icmp ? 0 : in->to_port};
    struct nat_flow *f = nat_find_inside(n, &end);
    struct inet came = *in;
    uint16_t port;

    if (!f) {
        if (!may_begin(in))
            return NAT_NOT_MINE;
        port = choose_port(n, &end);
        if (port == 0)
            return NAT_NO_PORT;
        f = nat_make(n, &end, port, owner, now_ms);
    }
    nat_use(n, f, true, in->tcp_flags, now_ms);
    set_from(packet, in, n->outside_ip, f->outside_port);
    first_fragment(n, packet, in, &came, f->owner, now_ms);
    return NAT_FORWARD;
}

/* A new flow through a port forward, or NULL. */
static struct nat_flow *begin_inbound(struct nat *n, const struct inet *in, uint64_t now_ms)
{
    const struct nat_forward *w = forward_find(n, in->protocol, in->to_port);
    struct nat_end inside;
    struct nat_flow *old;

    if (!w || in->protocol == PROTO_ICMP || !may_begin(in))
        return NULL;
    inside = (struct nat_end){in->protocol, w->inside_ip, w->inside_port, in->from4, in->from_port};
    old = nat_find_inside(n, &inside);
    if (old) /* began inside, with another port */
        nat_free(n, old);
    return nat_make(n, &inside, w->outside_port, NAT_OWNER_OUTSIDE, now_ms);
}

enum nat_verdict nat_inbound(struct nat *n, struct packet *packet, struct inet *in, uint64_t now_ms)
{
    bool icmp = in->protocol == PROTO_ICMP;
    struct inet came = *in;
    struct nat_end end;
    struct nat_flow *f;

    if (in->fragment && in->fragment_offset != 0)
        return following_fragment(n, packet, in, now_ms);
    if (in->transport != 0 && is_error(in))
        return in->fragment ? NAT_UNSUPPORTED : error_inbound(n, packet, in);
    if (!is_translatable(in))
        return NAT_UNSUPPORTED;
    if (icmp && in->icmp_type != ICMP_ECHO_REPLY)
        return NAT_NOT_MINE;
    end = (struct nat_end){in->protocol, 0, icmp ? echo_id(packet, in) : in->to_port, in->from4,
                           icmp ? 0 : in->from_port};
    f = nat_find_outside(n, &end);
    if (!f)
        f = begin_inbound(n, in, now_ms);
    if (!f)
        return NAT_NOT_MINE;
    nat_use(n, f, false, in->tcp_flags, now_ms);
    set_to(packet, in, f->inside_ip, f->inside_port);
    first_fragment(n, packet, in, &came, f->owner, now_ms);
    return NAT_FORWARD;
}

enum nat_verdict nat_outbound(struct nat *n, struct packet *packet, struct inet *in, uint32_t owner,
                              uint64_t now_ms)
{
    enum nat_verdict verdict;

    if (in->fragment && in->fragment_offset != 0)
        verdict = following_fragment(n, packet, in, now_ms);
    else if (in->transport != 0 && is_error(in))
        verdict = in->fragment ? NAT_UNSUPPORTED : error_outbound(n, packet, in, now_ms);
    else if (is_translatable(in))
        verdict = translate_out(n, packet, in, owner < NAT_OWNERS ? owner : NAT_OWNER_OUTSIDE, now_ms);
    else
        verdict = NAT_UNSUPPORTED;
    if (verdict != NAT_FORWARD || in->to4 != n->outside_ip)
        return verdict;
    verdict = nat_inbound(n, packet, in, now_ms);
    return verdict == NAT_FORWARD ? NAT_HAIRPIN : verdict;
}

bool nat_add_forward(struct nat *n, const struct nat_forward *forward)
{
    if (n->forward_count == NAT_FORWARDS || forward_find(n, forward->protocol, forward->outside_port) ||
        (forward->protocol != PROTO_TCP && forward->protocol != PROTO_UDP))
        return false;
    n->forwards[n->forward_count++] = *forward;
    return true;
}
