/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nat_table.c - see nat_table.h
 */
#include "nat_table.h"

#define NONE 0xffffu
#define BUCKETS (NAT_FLOWS / 2)
#define SWEEP 256u

uint32_t nat_hash(uint32_t a, uint32_t b)
{
    uint64_t h = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15u;

    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9u;
    return (uint32_t)(h >> 32);
}

static uint32_t seconds(uint64_t now_ms)
{
    return (uint32_t)(now_ms / 1000);
}

static uint16_t index_of(const struct nat *n, const struct nat_flow *flow)
{
    return (uint16_t)(flow - n->flows);
}

/* ---- hash tables ------------------------------------------------------------------------------ */

static uint32_t bucket_of(const struct nat *n, const struct nat_end *end)
{
    uint32_t h = nat_hash(end->remote_ip ^ n->seed, (uint32_t)end->remote_port << 16 | end->port);

    return nat_hash(h, end->ip + end->protocol) % BUCKETS;
}

static struct nat_end inside_end(const struct nat_flow *f)
{
    return (struct nat_end){f->protocol, f->inside_ip, f->inside_port, f->remote_ip, f->remote_port};
}

static struct nat_end outside_end(const struct nat_flow *f)
{
    return (struct nat_end){f->protocol, 0, f->outside_port, f->remote_ip, f->remote_port};
}

struct nat_flow *nat_find_inside(struct nat *n, const struct nat_end *end)
{
    for (uint16_t i = n->inside_heads[bucket_of(n, end)]; i != NONE; i = n->flows[i].inside_next) {
        struct nat_flow *f = &n->flows[i];

        if (f->inside_port == end->port && f->inside_ip == end->ip && f->remote_ip == end->remote_ip &&
            f->remote_port == end->remote_port && f->protocol == end->protocol)
            return f;
    }
    return NULL;
}

struct nat_flow *nat_find_outside(struct nat *n, const struct nat_end *end)
{
    for (uint16_t i = n->outside_heads[bucket_of(n, end)]; i != NONE; i = n->flows[i].outside_next) {
        struct nat_flow *f = &n->flows[i];

        if (f->outside_port == end->port && f->remote_ip == end->remote_ip &&
            f->remote_port == end->remote_port && f->protocol == end->protocol)
            return f;
    }
    return NULL;
}

static void hash_in(struct nat *n, struct nat_flow *f)
{
    struct nat_end inside = inside_end(f), outside = outside_end(f);
    uint16_t *head = &n->inside_heads[bucket_of(n, &inside)];

    f->inside_next = *head;
    *head = index_of(n, f);
    head = &n->outside_heads[bucket_of(n, &outside)];
    f->outside_next = *head;
    *head = index_of(n, f);
}

static void hash_out(struct nat *n, struct nat_flow *f)
{
    struct nat_end inside = inside_end(f), outside = outside_end(f);
    uint16_t *link = &n->inside_heads[bucket_of(n, &inside)];

    while (*link != index_of(n, f))
        link = &n->flows[*link].inside_next;
    *link = f->inside_next;
    link = &n->outside_heads[bucket_of(n, &outside)];
    while (*link != index_of(n, f))
        link = &n->flows[*link].outside_next;
    *link = f->outside_next;
}

/* ---- owners' lists ---------------------------------------------------------------------------- */

static bool is_lasting(const struct nat_flow *f)
{
    bool both = (f->seen & (NAT_SEEN_OUT | NAT_SEEN_IN)) == (NAT_SEEN_OUT | NAT_SEEN_IN);
    bool closed =
        (f->seen & NAT_RESET) || (f->seen & (NAT_FIN_OUT | NAT_FIN_IN)) == (NAT_FIN_OUT | NAT_FIN_IN);

    return f->protocol != PROTO_ICMP && both && !closed;
}

static struct nat_list *list_of(struct nat *n, const struct nat_flow *f)
{
    return &n->owners[f->owner].lists[is_lasting(f)];
}

static void list_in(struct nat *n, struct nat_flow *f)
{
    struct nat_list *list = list_of(n, f);

    f->newer = NONE;
    f->older = list->newest;
    if (list->newest != NONE)
        n->flows[list->newest].newer = index_of(n, f);
    else
        list->oldest = index_of(n, f);
    list->newest = index_of(n, f);
}

static void list_out(struct nat *n, struct nat_flow *f)
{
    struct nat_list *list = list_of(n, f);

    if (f->newer != NONE)
        n->flows[f->newer].older = f->older;
    else
        list->newest = f->older;
    if (f->older != NONE)
        n->flows[f->older].newer = f->newer;
    else
        list->oldest = f->newer;
}

/* ---- flows ------------------------------------------------------------------------------------ */

static uint32_t idle_seconds(const struct nat_flow *f)
{
    switch (f->protocol) {
    case PROTO_TCP:
        return is_lasting(f) ? NAT_TCP_OPEN_S : NAT_TCP_TRANSITORY_S;
    case PROTO_UDP:
        if (f->remote_port == 53)
            return NAT_UDP_DNS_S;
        return is_lasting(f) ? NAT_UDP_S : NAT_UDP_ONE_WAY_S;
    default:
        return NAT_ICMP_S;
    }
}

static uint16_t flow_check(const struct nat_flow *f)
{
    uint32_t h = nat_hash(f->inside_ip, f->remote_ip);

    h = nat_hash(h, (uint32_t)f->inside_port << 16 | f->remote_port);
    return (uint16_t)nat_hash(h, (uint32_t)f->outside_port << 16 | (uint32_t)f->protocol << 8 | f->owner);
}

static void flow_in(struct nat *n, struct nat_flow *f)
{
    hash_in(n, f);
    list_in(n, f);
    n->owners[f->owner].count++;
}

static void put_free(struct nat *n, struct nat_flow *f)
{
    f->protocol = 0;
    f->inside_next = n->free;
    n->free = index_of(n, f);
}

void nat_free(struct nat *n, struct nat_flow *f)
{
    hash_out(n, f);
    list_out(n, f);
    n->owners[f->owner].count--;
    put_free(n, f);
}

/* Of the owner who has most; `owner` itself if nobody has more. */
static void evict(struct nat *n, uint32_t owner)
{
    uint32_t most = owner;
    uint16_t victim;

    for (uint32_t i = 0; i < NAT_OWNERS; i++) {
        if (n->owners[i].count > n->owners[most].count)
            most = i;
    }
    victim = n->owners[most].lists[0].oldest;
    if (victim == NONE)
        victim = n->owners[most].lists[1].oldest;
    nat_free(n, &n->flows[victim]);
    n->evicted++;
}

struct nat_flow *nat_make(struct nat *n, const struct nat_end *inside, uint16_t outside_port, uint32_t owner,
                          uint64_t now_ms)
{
    struct nat_flow *f;

    if (n->free == NONE)
        evict(n, owner);
    f = &n->flows[n->free];
    n->free = f->inside_next;
    f->inside_ip = inside->ip;
    f->inside_port = inside->port;
    f->outside_port = outside_port;
    f->remote_ip = inside->remote_ip;
    f->remote_port = inside->remote_port;
    f->owner = (uint8_t)owner;
    f->seen = 0;
    f->spare = 0;
    f->protocol = inside->protocol;
    f->expires_s = seconds(now_ms) + idle_seconds(f);
    f->check = flow_check(f);
    flow_in(n, f);
    return f;
}

static uint8_t seen_after(const struct nat_flow *f, bool outbound, uint8_t tcp_flags)
{
    uint8_t seen = f->seen;

    if (f->protocol == PROTO_TCP && (tcp_flags & TCP_RST))
        return seen | NAT_RESET;
    /* A new connection with old ports; or a reset that the ends did not believe. */
    if (f->protocol == PROTO_TCP && (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
        seen = 0;
    else if (outbound)
        seen = (uint8_t)(seen & ~NAT_RESET);
    seen |= outbound ? NAT_SEEN_OUT : NAT_SEEN_IN;
    if (f->protocol == PROTO_TCP && (tcp_flags & TCP_FIN))
        seen |= outbound ? NAT_FIN_OUT : NAT_FIN_IN;
    return seen;
}

void nat_use(struct nat *n, struct nat_flow *f, bool outbound, uint8_t tcp_flags, uint64_t now_ms)
{
    uint8_t seen = seen_after(f, outbound, tcp_flags);
    uint32_t expires_s;

    if (seen == f->seen && f->expires_s == seconds(now_ms) + idle_seconds(f))
        return;
    list_out(n, f);
    f->seen = seen;
    expires_s = seconds(now_ms) + idle_seconds(f);
    f->expires_s = expires_s;
    list_in(n, f);
}

void nat_forget(struct nat *n, uint32_t owner)
{
    if (owner >= NAT_OWNERS)
        return;
    for (uint32_t i = 0; i < 2; i++) {
        while (n->owners[owner].lists[i].oldest != NONE)
            nat_free(n, &n->flows[n->owners[owner].lists[i].oldest]);
    }
}

void nat_tick(struct nat *n, uint64_t now_ms)
{
    for (uint32_t i = 0; i < SWEEP; i++) {
        struct nat_flow *f = &n->flows[n->sweep];

        n->sweep = (uint16_t)((n->sweep + 1u) % NAT_FLOWS);
        if (f->protocol != 0 && f->expires_s <= seconds(now_ms))
            nat_free(n, f);
    }
}

/* ---- start ------------------------------------------------------------------------------------ */

static bool flow_is_good(struct nat *n, const struct nat_flow *f, uint64_t now_ms)
{
    struct nat_end inside = inside_end(f), outside = outside_end(f);

    return (f->protocol == PROTO_TCP || f->protocol == PROTO_UDP || f->protocol == PROTO_ICMP) &&
           f->owner < NAT_OWNERS && f->check == flow_check(f) && f->expires_s > seconds(now_ms) &&
           f->expires_s - seconds(now_ms) <= NAT_TCP_OPEN_S && nat_find_inside(n, &inside) == NULL &&
           nat_find_outside(n, &outside) == NULL;
}

uint32_t nat_init(struct nat *n, uint32_t outside_ip, struct nat_flow *flows, bool keep, uint64_t now_ms)
{
    uint32_t kept = 0;

    *n = (struct nat){.outside_ip = outside_ip,
                      .flows = flows,
                      .free = NONE,
                      .seed = nat_hash((uint32_t)now_ms, (uint32_t)(now_ms >> 32))};
    for (uint32_t i = 0; i < BUCKETS; i++)
        n->inside_heads[i] = n->outside_heads[i] = NONE;
    for (uint32_t i = 0; i < NAT_OWNERS; i++)
        n->owners[i].lists[0] = n->owners[i].lists[1] = (struct nat_list){NONE, NONE};
    for (uint32_t i = NAT_FLOWS; i-- > 0;) {
        if (keep && flow_is_good(n, &flows[i], now_ms)) {
            flow_in(n, &flows[i]);
            kept++;
        } else {
            put_free(n, &flows[i]);
        }
    }
    return kept;
}

/* ---- fragments -------------------------------------------------------------------------------- */

struct nat_fragment *nat_fragment_find(struct nat *n, const struct inet *in, uint64_t now_ms)
{
    for (uint32_t i = 0; i < NAT_FRAGMENTS; i++) {
        struct nat_fragment *g = &n->fragments[i];

        if (g->protocol == in->protocol && g->from == in->from4 && g->to == in->to4 &&
            g->id == in->fragment_id && g->protocol != 0 && g->expires_s > seconds(now_ms))
            return g;
    }
    return NULL;
}

static uint32_t fragments_of(const struct nat *n, uint8_t owner)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < NAT_FRAGMENTS; i++)
        count += n->fragments[i].protocol != 0 && n->fragments[i].owner == owner;
    return count;
}

/* A free or expired entry; or else the oldest of an owner who has most. */
static struct nat_fragment *fragment_place(struct nat *n, uint64_t now_ms)
{
    struct nat_fragment *best = NULL;
    uint32_t most = 0;

    for (uint32_t i = 0; i < NAT_FRAGMENTS; i++) {
        struct nat_fragment *g = &n->fragments[i];
        uint32_t count;

        if (g->protocol == 0 || g->expires_s <= seconds(now_ms))
            return g;
        count = fragments_of(n, g->owner);
        if (!best || count > most || (count == most && g->expires_s < best->expires_s)) {
            best = g;
            most = count;
        }
    }
    return best;
}

struct nat_fragment *nat_fragment_make(struct nat *n, const struct inet *in, uint32_t owner, uint64_t now_ms)
{
    struct nat_fragment *g = nat_fragment_find(n, in, now_ms);
    uint16_t id = g ? g->new_id : ++n->fragment_id;

    if (!g)
        g = fragment_place(n, now_ms);
    *g = (struct nat_fragment){.from = in->from4,
                               .to = in->to4,
                               .id = (uint16_t)in->fragment_id,
                               .protocol = in->protocol,
                               .owner = (uint8_t)owner,
                               .new_id = id,
                               .expires_s = seconds(now_ms) + NAT_FRAGMENT_S};
    return g;
}
