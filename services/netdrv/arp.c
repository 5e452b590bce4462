/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arp.c - see arp.h
 *
 * An address's entry is looked for from the place that its last bits name, so a small network's neighbours
 * are found at the first look.
 */
#include "arp.h"

#define ARP_ASK_MS 1000u

enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

void arp_init(struct arp *a)
{
    memset(a->entries, 0, sizeof(a->entries));
    a->dropped = 0;
}

static struct arp_entry *entry_find(struct arp *a, uint32_t ip)
{
    for (uint32_t i = 0; i < ARP_ENTRIES; i++) {
        struct arp_entry *e = &a->entries[(ip + i) % ARP_ENTRIES];

        if (e->ip == ip && e->state != ARP_FREE)
            return e;
    }
    return NULL;
}

bool arp_lookup(const struct arp *a, uint32_t ip, uint8_t mac[6])
{
    for (uint32_t i = 0; i < ARP_ENTRIES; i++) {
        const struct arp_entry *e = &a->entries[(ip + i) % ARP_ENTRIES];

        if (e->ip == ip && e->state == ARP_KNOWN) {
            memcpy(mac, e->mac, 6);
            return true;
        }
    }
    return false;
}

/* ---- frames of our own ------------------------------------------------------------------------ */

static void arp_transmit(struct arp *a, uint16_t operation, const uint8_t *to_mac, uint32_t from, uint32_t to)
{
    struct packet packet = {.length = ETH_BYTES + ARP_BYTES, .head_bytes = ETH_BYTES + ARP_BYTES};
    uint8_t *arp = packet.head + ETH_BYTES;

    memcpy(packet.head + ETH_TO, to_mac ? to_mac : mac_broadcast, 6);
    memcpy(packet.head + ETH_FROM, a->mac, 6);
    put16(packet.head + ETH_TYPE, ETHERTYPE_ARP);
    put16(arp + ARP_HARDWARE, 1);
    put16(arp + ARP_PROTOCOL, ETHERTYPE_IPV4);
    arp[ARP_HARDWARE_BYTES] = 6;
    arp[ARP_PROTOCOL_BYTES] = 4;
    put16(arp + ARP_OPERATION, operation);
    memcpy(arp + ARP_FROM_MAC, a->mac, 6);
    put32(arp + ARP_FROM_IP, from);
    if (to_mac)
        memcpy(arp + ARP_TO_MAC, to_mac, 6);
    put32(arp + ARP_TO_IP, to);
    a->send(a->context, &packet);
}

static void ask(struct arp *a, struct arp_entry *e, uint64_t now_ms)
{
    e->asked_ms = now_ms;
    e->tries++;
    arp_transmit(a, ARP_REQUEST, e->state == ARP_KNOWN ? e->mac : NULL, a->ip, e->ip);
}

void arp_announce(struct arp *a)
{
    arp_transmit(a, ARP_REQUEST, NULL, a->ip, a->ip);
}

/* ---- packets that wait ------------------------------------------------------------------------ */

/* The place for one more packet to `ip`: its oldest if it has enough, or a free one unless the link has
 * enough. */
static uint32_t waiting_place(const struct arp *a, uint32_t ip)
{
    uint32_t free = ARP_WAITING, oldest = ARP_WAITING, of_link = 0, of_hop = 0;

    for (uint32_t i = 0; i < ARP_WAITING; i++) {
        if (a->pool->waiting[i].link == NULL) {
            free = i;
            continue;
        }
        if (a->pool->waiting[i].link != a)
            continue;
        of_link++;
        if (a->pool->waiting[i].ip != ip)
            continue;
        of_hop++;
        if (oldest == ARP_WAITING || a->pool->waiting[i].since_ms < a->pool->waiting[oldest].since_ms)
            oldest = i;
    }
    if (of_hop >= ARP_WAITING_PER_HOP)
        return oldest;
    return of_link >= ARP_WAITING / 2 ? ARP_WAITING : free;
}

static void wait_for(struct arp *a, const struct packet *packet, uint32_t ip, uint64_t now_ms)
{
    uint32_t place = waiting_place(a, ip);

    if (place == ARP_WAITING || packet->length > ARP_WAITING_BYTES) {
        a->dropped++;
        return;
    }
    if (a->pool->waiting[place].link != NULL)
        a->dropped++;
    a->pool->waiting[place].link = a;
    a->pool->waiting[place].ip = ip;
    a->pool->waiting[place].since_ms = now_ms;
    a->pool->waiting[place].length = packet->length;
    a->pool->waiting[place].offload = packet->offload;
    packet_copy(packet, 0, a->pool->waiting[place].bytes, packet->length);
}

/* The next packet that waits for `ip`, taken out; its bytes stay where they are until another one waits. */
static bool take_waiting(struct arp *a, uint32_t ip, struct packet *packet)
{
    for (uint32_t i = 0; i < ARP_WAITING; i++) {
        struct packet_piece piece = {a->pool->waiting[i].bytes, a->pool->waiting[i].length};

        if (a->pool->waiting[i].link != a || a->pool->waiting[i].ip != ip)
            continue;
        a->pool->waiting[i].link = NULL;
        return packet_from_pieces(packet, piece.bytes, &a->pool->waiting[i].offload, &piece, 1);
    }
    return false;
}

static void transmit(struct arp *a, struct packet *packet, const uint8_t *mac)
{
    memcpy(packet->head + ETH_TO, mac, 6);
    memcpy(packet->head + ETH_FROM, a->mac, 6);
    a->send(a->context, packet);
}

static void send_waiting(struct arp *a, const struct arp_entry *e)
{
    struct packet packet;
    uint8_t mac[6];
    uint32_t ip = e->ip;

    memcpy(mac, e->mac, 6);
    for (uint32_t i = 0; i < ARP_WAITING && take_waiting(a, ip, &packet); i++)
        transmit(a, &packet, mac);
}

static void give_up(struct arp *a, uint32_t ip, uint64_t now_ms)
{
    struct packet packet;

    for (uint32_t i = 0; i < ARP_WAITING && take_waiting(a, ip, &packet); i++) {
        a->dropped++;
        if (a->unreachable)
            a->unreachable(a->context, &packet, now_ms);
    }
}

/* ---- the table -------------------------------------------------------------------------------- */

/* How willingly an entry gives its place up; 0: not at all. */
static uint32_t entry_worth_taking(const struct arp_entry *e, uint64_t now_ms)
{
    if (e->state == ARP_FREE)
        return 4;
    if (e->state == ARP_UNREACHABLE)
        return 3;
    if (e->state == ARP_KNOWN && now_ms - e->since_ms >= ARP_FRESH_MS && now_ms - e->used_ms >= ARP_FRESH_MS)
        return 2;
    return 0;
}

static struct arp_entry *entry_make(struct arp *a, uint32_t ip, enum arp_state state, uint64_t now_ms)
{
    struct arp_entry *best = NULL;
    uint32_t best_worth = 0;

    for (uint32_t i = 0; i < ARP_ENTRIES && best_worth < 4; i++) {
        struct arp_entry *e = &a->entries[(ip + i) % ARP_ENTRIES];
        uint32_t worth = entry_worth_taking(e, now_ms);

        if (worth > best_worth) {
            best = e;
            best_worth = worth;
        }
    }
    if (best)
        *best = (struct arp_entry){.ip = ip, .state = (uint8_t)state, .since_ms = now_ms, .used_ms = now_ms};
    return best;
}

static void send_known(struct arp *a, struct packet *packet, struct arp_entry *e, uint64_t now_ms)
{
    e->used_ms = now_ms;
    if (now_ms - e->since_ms >= ARP_FRESH_MS && now_ms - e->asked_ms >= ARP_ASK_MS)
        ask(a, e, now_ms);
    transmit(a, packet, e->mac);
}

void arp_send(struct arp *a, struct packet *packet, uint32_t next_hop, uint64_t now_ms)
{
    struct arp_entry *e = entry_find(a, next_hop);

    if (packet->head_bytes < ETH_BYTES)
        return;
    if (e && e->state == ARP_KNOWN) {
        send_known(a, packet, e, now_ms);
        return;
    }
    if (e && e->state == ARP_UNREACHABLE) {
        a->dropped++;
        if (a->unreachable)
            a->unreachable(a->context, packet, now_ms);
        return;
    }
    if (!e) {
        e = entry_make(a, next_hop, ARP_ASKING, now_ms);
        if (!e) {
            a->dropped++;
            return;
        }
        ask(a, e, now_ms);
        e = entry_find(a, next_hop); /* whoever got the question may have answered already */
        if (e && e->state == ARP_KNOWN) {
            send_known(a, packet, e, now_ms);
            return;
        }
    }
    wait_for(a, packet, next_hop, now_ms);
}

static void learn(struct arp *a, uint32_t ip, const uint8_t *mac, bool make, uint64_t now_ms)
{
    struct arp_entry *e = entry_find(a, ip);

    if (!e && make)
        e = entry_make(a, ip, ARP_KNOWN, now_ms);
    if (!e)
        return;
    memcpy(e->mac, mac, 6);
    e->state = ARP_KNOWN;
    e->tries = 0;
    e->since_ms = now_ms;
    send_waiting(a, e);
}

void arp_receive(struct arp *a, const struct packet *packet, const struct inet *in, uint64_t now_ms)
{
    const uint8_t *arp = packet->head + in->net, *from_mac = arp + ARP_FROM_MAC;
    uint32_t operation = get16(arp + ARP_OPERATION);
    bool for_us;

    if ((operation != ARP_REQUEST && operation != ARP_REPLY) || mac_is_group(from_mac) ||
        mac_equal(from_mac, a->mac))
        return;
    for_us = in->to4 == a->ip;
    /* Whoever claims our own address changes nothing here. */
    if (in->from4 != a->ip && !ipv4_is_special(in->from4))
        learn(a, in->from4, from_mac, for_us && operation == ARP_REQUEST, now_ms);
    if (operation != ARP_REQUEST || (in->from4 == in->to4 && !for_us))
        return;
    if (for_us || (a->answers_for && a->answers_for(a->context, in->to4)))
        arp_transmit(a, ARP_REPLY, from_mac, in->to4, in->from4);
}

static void entry_tick(struct arp *a, struct arp_entry *e, uint64_t now_ms)
{
    if (e->state == ARP_ASKING && now_ms - e->asked_ms >= ARP_ASK_MS) {
        if (e->tries < ARP_TRIES) {
            ask(a, e, now_ms);
            return;
        }
        e->state = ARP_UNREACHABLE;
        e->since_ms = now_ms;
        give_up(a, e->ip, now_ms);
    } else if ((e->state == ARP_UNREACHABLE && now_ms - e->since_ms >= ARP_UNREACHABLE_MS) ||
               (e->state == ARP_KNOWN && now_ms - e->since_ms >= ARP_STALE_MS)) {
        e->state = ARP_FREE;
    }
}

void arp_tick(struct arp *a, uint64_t now_ms)
{
    for (uint32_t i = 0; i < ARP_ENTRIES; i++)
        entry_tick(a, &a->entries[i], now_ms);
}
