/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * offload.c - see offload.h
 *
 * Sums are added up in 64 bits, 8 bytes at a time in the machine's byte order; the end-around carry makes the
 * order of bytes a matter of one swap at the end (RFC 1071, 2 B).  A sum that travels between functions is
 * big-endian.
 */
#include "offload.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "sum_add swaps");

static uint64_t add_carry(uint64_t a, uint64_t b)
{
    uint64_t sum = a + b;

    return sum + (sum < b);
}

static uint64_t load64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, 8);
    return value;
}

uint16_t sum_fold(uint64_t sum)
{
    sum = (sum >> 32) + (sum & 0xffffffffu);
    sum = (sum >> 16) + (sum & 0xffffu);
    sum = (sum >> 16) + (sum & 0xffffu);
    sum = (sum >> 16) + (sum & 0xffffu);
    return (uint16_t)sum;
}

uint64_t sum_add(uint64_t sum, const void *bytes, uint32_t count)
{
    const uint8_t *at = bytes;
    uint64_t native = 0, last = 0;

    for (; count >= 32; count -= 32, at += 32) {
        native = add_carry(native, load64(at));
        native = add_carry(native, load64(at + 8));
        native = add_carry(native, load64(at + 16));
        native = add_carry(native, load64(at + 24));
    }
    for (; count >= 8; count -= 8, at += 8)
        native = add_carry(native, load64(at));
    memcpy(&last, at, count);
    native = add_carry(native, last);
    return add_carry(sum, __builtin_bswap16(sum_fold(native)));
}

/* Of a run of bytes that starts at an odd place of what is summed: each byte is the other half of its word.
 */
static uint64_t sum_add_at(uint64_t sum, uint32_t place, const uint8_t *bytes, uint32_t count)
{
    uint16_t run;

    if (place % 2 == 0)
        return sum_add(sum, bytes, count);
    run = sum_fold(sum_add(0, bytes, count));
    return add_carry(sum, __builtin_bswap16(run));
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint64_t sum_packet(const struct packet *packet, uint32_t from, uint32_t to)
{
    uint64_t sum = 0;
    uint32_t place = 0, skip = from, left = to > from ? to - from : 0;
    uint32_t bytes;

    if (skip < packet->head_bytes) {
        bytes = least(left, packet->head_bytes - skip);
        sum = sum_add(sum, packet->head + skip, bytes);
        place = bytes;
        left -= bytes;
        skip = 0;
    } else {
        skip -= packet->head_bytes;
    }
    for (uint32_t i = 0; i < packet->piece_count && left > 0; i++) {
        const struct packet_piece *piece = &packet->pieces[i];

        if (skip >= piece->bytes) {
            skip -= piece->bytes;
            continue;
        }
        bytes = least(left, piece->bytes - skip);
        sum = sum_add_at(sum, place, piece->at + skip, bytes);
        place += bytes;
        left -= bytes;
        skip = 0;
    }
    return sum;
}

uint64_t sum_pseudo(const struct packet *packet, const struct inet *in, uint8_t protocol, uint32_t length)
{
    const uint8_t *ip = packet->head + in->net;
    uint64_t sum = (uint64_t)protocol + length;

    return in->kind == INET_IPV6 ? sum_add(sum, ip + IP6_FROM, 32) : sum_add(sum, ip + IP4_FROM, 8);
}

void checksum_replace(uint8_t *field, const uint8_t *before, const uint8_t *after, uint32_t bytes)
{
    /* RFC 1624, equation 3: HC' = ~(~HC + ~m + m') */
    uint64_t sum = (uint16_t)~get16(field);

    sum += (uint16_t)~sum_fold(sum_add(0, before, bytes));
    sum = sum_add(sum, after, bytes);
    put16(field, (uint16_t)~sum_fold(sum));
}

void checksum_ipv4_header(uint8_t *ip)
{
    put16(ip + IP4_CHECKSUM, 0);
    put16(ip + IP4_CHECKSUM, (uint16_t)~sum_fold(sum_add(0, ip, (uint32_t)(ip[IP4_VERSION] & 15) * 4)));
}

/* ---- offloads of a packet --------------------------------------------------------------------- */

/* The offset of the checksum in this packet's own transport header; 0: it has none that anybody makes later.
 */
static uint32_t own_checksum(const struct inet *in)
{
    if (in->transport == 0)
        return 0;
    if (in->protocol == PROTO_TCP)
        return TCP_CHECKSUM;
    if (in->protocol == PROTO_UDP)
        return UDP_CHECKSUM;
    return in->protocol == PROTO_ICMP6 && in->kind == INET_IPV6 ? ICMP_CHECKSUM : 0;
}

static bool is_dhcp(const struct inet *in)
{
    return in->protocol == PROTO_UDP && in->to_port <= 547 &&
           (in->to_port == 67 || in->to_port == 68 || in->to_port >= 546);
}

/* A checksum inside what this packet carries (a tunnel's inner TCP): behind all that is judged by others. */
static bool carried_checksum(const struct packet *packet, const struct inet *in)
{
    return in->kind != INET_ARP && in->kind != INET_OTHER && in->protocol != PROTO_TCP &&
           in->protocol != PROTO_ICMP && in->protocol != PROTO_ICMP6 && !is_dhcp(in) &&
           packet->offload.csum_start >= in->payload;
}

static bool checksum_check(const struct packet *packet, const struct inet *in)
{
    const struct net_offload *o = &packet->offload;
    uint32_t offset = own_checksum(in);

    if (in->fragment || (uint32_t)o->csum_start + o->csum_offset + 2 > in->end)
        return false;
    return (offset != 0 && o->csum_start == in->transport && o->csum_offset == offset) ||
           carried_checksum(packet, in);
}

static bool gso_check(const struct packet *packet, const struct inet *in)
{
    const struct net_offload *o = &packet->offload;
    enum inet_kind kind = o->gso == NET_GSO_TCP4 ? INET_IPV4 : INET_IPV6;

    return (o->gso == NET_GSO_TCP4 || o->gso == NET_GSO_TCP6) && in->kind == kind &&
           in->protocol == PROTO_TCP && in->transport != 0 && (o->flags & NET_NEEDS_CHECKSUM) &&
           o->segment_bytes != 0 && in->end > in->payload && in->end == packet->length &&
           packet->piece_count < PACKET_PIECES_MAX && !(in->tcp_flags & (TCP_SYN | TCP_RST));
}

bool offload_check(struct packet *packet, const struct inet *in)
{
    struct net_offload *o = &packet->offload;

    if (in->fault != INET_FINE)
        return false;
    if ((o->flags & NET_NEEDS_CHECKSUM) && !checksum_check(packet, in))
        return false;
    if (o->gso == NET_GSO_NONE)
        return true;
    o->header_bytes = (uint16_t)in->payload;
    return gso_check(packet, in);
}

bool offload_checksum(struct packet *packet)
{
    struct net_offload *o = &packet->offload;
    uint32_t at = (uint32_t)o->csum_start + o->csum_offset;
    uint16_t sum;

    if (!(o->flags & NET_NEEDS_CHECKSUM))
        return true;
    if (at + 2 > packet->head_bytes)
        return false;
    /* The field holds the pseudo-header's sum, and is summed with the rest. */
    sum = (uint16_t)~sum_fold(sum_packet(packet, o->csum_start, packet->length));
    /* RFC 768: 0 in a UDP header means no checksum; for the others both forms of 0 are the same. */
    put16(packet->head + at, sum == 0 ? 0xffff : sum);
    o->flags = (uint8_t)(o->flags & ~NET_NEEDS_CHECKSUM);
    o->csum_start = 0;
    o->csum_offset = 0;
    return true;
}

/* ---- segments --------------------------------------------------------------------------------- */

void segments_start(struct segments *s, const struct packet *packet, const struct inet *in)
{
    *s = (struct segments){.packet = packet, .inet = *in, .at = in->payload};
}

uint32_t offload_packets(const struct packet *packet)
{
    const struct net_offload *o = &packet->offload;

    if (o->gso == NET_GSO_NONE || o->segment_bytes == 0 || packet->length <= o->header_bytes)
        return 1;
    return (packet->length - o->header_bytes + o->segment_bytes - 1) / o->segment_bytes;
}

/* The payload [from, from + bytes) of the large packet becomes the segment's, by pointing at it. */
static void segment_payload(struct packet *segment, const struct packet *large, uint32_t from, uint32_t bytes)
{
    uint32_t skip = from, part;

    segment->piece_count = 0;
    if (skip < large->head_bytes) {
        part = least(bytes, large->head_bytes - skip);
        segment->pieces[segment->piece_count++] = (struct packet_piece){large->head + skip, part};
        bytes -= part;
        skip = 0;
    } else {
        skip -= large->head_bytes;
    }
    for (uint32_t i = 0; i < large->piece_count && bytes > 0; i++) {
        const struct packet_piece *piece = &large->pieces[i];

        if (skip >= piece->bytes) {
            skip -= piece->bytes;
            continue;
        }
        if (segment->piece_count == PACKET_PIECES_MAX)
            return; /* cannot be: gso_check left a place for the head */
        part = least(bytes, piece->bytes - skip);
        segment->pieces[segment->piece_count++] = (struct packet_piece){piece->at + skip, part};
        bytes -= part;
        skip = 0;
    }
}

static void segment_headers(const struct segments *s, struct packet *segment, uint32_t bytes, bool last)
{
    const struct inet *in = &s->inet;
    uint8_t *ip = segment->head + in->net, *tcp = segment->head + in->transport;
    uint32_t tcp_bytes = in->payload - in->transport + bytes;

    if (in->kind == INET_IPV4) {
        put16(ip + IP4_TOTAL, in->payload - in->net + bytes);
        put16(ip + IP4_ID, get16(ip + IP4_ID) + s->count);
        checksum_ipv4_header(ip);
    } else {
        put16(ip + IP6_PAYLOAD, in->payload - in->net - IP6_BYTES + bytes);
    }
    put32(tcp + TCP_SEQUENCE, get32(tcp + TCP_SEQUENCE) + (s->at - in->payload));
    if (!last)
        tcp[TCP_FLAGS] = (uint8_t)(tcp[TCP_FLAGS] & ~(TCP_FIN | TCP_PSH));
    if (s->count > 0)
        tcp[TCP_FLAGS] = (uint8_t)(tcp[TCP_FLAGS] & ~TCP_CWR);
    put16(tcp + TCP_CHECKSUM, sum_fold(sum_pseudo(segment, in, PROTO_TCP, tcp_bytes)));
}

bool segments_next(struct segments *s, struct packet *segment)
{
    const struct packet *large = s->packet;
    uint32_t bytes;

    if (s->at >= large->length)
        return false;
    bytes = least(large->offload.segment_bytes, large->length - s->at);
    memcpy(segment->head, large->head, s->inet.payload);
    segment->head_bytes = s->inet.payload;
    segment->length = s->inet.payload + bytes;
    segment->offload = (struct net_offload){.flags = NET_NEEDS_CHECKSUM,
                                            .csum_start = large->offload.csum_start,
                                            .csum_offset = large->offload.csum_offset};
    segment_payload(segment, large, s->at, bytes);
    segment_headers(s, segment, bytes, s->at + bytes == large->length);
    s->at += bytes;
    s->count++;
    return true;
}
