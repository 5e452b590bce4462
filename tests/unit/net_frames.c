/* SPDX-License-Identifier: BSD-2-Clause */
/* net_frames.c - see net_frames.h.  Sums here are the slow, obvious kind: nothing of offload.c is used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net_frames.h"

const uint8_t mac_a[6] = {0x00, 0x16, 0x3e, 0, 0, 0x0a};
const uint8_t mac_b[6] = {0x00, 0x16, 0x3e, 0, 0, 0x0b};
const uint8_t mac_router[6] = {0x00, 0x16, 0x3e, 0, 0, 0xfe};

#define BLOCKS_MAX 4096u
static uint8_t *blocks[BLOCKS_MAX];
static uint32_t block_count;

static uint16_t slow_sum(uint32_t sum, const uint8_t *at, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

void frame_bytes(struct frame *f, const void *bytes, uint32_t count)
{
    assert_true(count <= sizeof(f->bytes) - f->length);
    memcpy(f->bytes + f->length, bytes, count);
    f->length += count;
}

void frame_fill(struct frame *f, uint32_t count)
{
    assert_true(count <= sizeof(f->bytes) - f->length);
    for (uint32_t i = 0; i < count; i++)
        f->bytes[f->length++] = (uint8_t)(i * 7 + i / 256);
}

static uint8_t *frame_header(struct frame *f, uint32_t bytes)
{
    assert_true(bytes <= sizeof(f->bytes) - f->length);
    memset(f->bytes + f->length, 0, bytes);
    f->length += bytes;
    return f->bytes + f->length - bytes;
}

void frame_eth(struct frame *f, const uint8_t *to, const uint8_t *from, uint16_t type)
{
    f->length = f->net = f->transport = 0;
    frame_bytes(f, to, 6);
    frame_bytes(f, from, 6);
    put16(frame_header(f, 2), type);
    f->net = f->length;
}

void frame_vlan(struct frame *f, uint16_t vlan)
{
    uint16_t type = get16(f->bytes + ETH_TYPE);

    put16(f->bytes + ETH_TYPE, ETHERTYPE_VLAN);
    put16(frame_header(f, 2), vlan);
    put16(frame_header(f, 2), type);
    f->net = f->length;
}

void frame_arp(struct frame *f, uint16_t operation, const uint8_t *from_mac, uint32_t from,
               const uint8_t *to_mac, uint32_t to)
{
    uint8_t *arp = frame_header(f, ARP_BYTES);

    put16(arp + ARP_HARDWARE, 1);
    put16(arp + ARP_PROTOCOL, ETHERTYPE_IPV4);
    arp[ARP_HARDWARE_BYTES] = 6;
    arp[ARP_PROTOCOL_BYTES] = 4;
    put16(arp + ARP_OPERATION, operation);
    memcpy(arp + ARP_FROM_MAC, from_mac, 6);
    put32(arp + ARP_FROM_IP, from);
    if (to_mac)
        memcpy(arp + ARP_TO_MAC, to_mac, 6);
    put32(arp + ARP_TO_IP, to);
}

void frame_ipv4(struct frame *f, uint8_t protocol, uint32_t from, uint32_t to)
{
    uint8_t *ip = frame_header(f, IP4_BYTES);

    ip[0] = 0x45;
    put16(ip + IP4_ID, 0x1234);
    ip[IP4_TTL] = 64;
    ip[IP4_PROTOCOL] = protocol;
    put32(ip + IP4_FROM, from);
    put32(ip + IP4_TO, to);
    f->transport = f->length;
}

void frame_ipv6(struct frame *f, uint8_t next, const uint8_t *from, const uint8_t *to)
{
    uint8_t *ip = frame_header(f, IP6_BYTES);

    ip[0] = 0x60;
    ip[IP6_NEXT] = next;
    ip[IP6_HOPS] = 64;
    memcpy(ip + IP6_FROM, from, 16);
    memcpy(ip + IP6_TO, to, 16);
    f->transport = f->length;
}

void frame_tcp(struct frame *f, uint16_t from, uint16_t to, uint8_t flags)
{
    uint8_t *tcp = frame_header(f, TCP_BYTES);

    put16(tcp + TCP_FROM, from);
    put16(tcp + TCP_TO, to);
    put32(tcp + TCP_SEQUENCE, 0xfffffff0u);
    tcp[TCP_OFFSET] = 5 << 4;
    tcp[TCP_FLAGS] = flags;
}

void frame_udp(struct frame *f, uint16_t from, uint16_t to)
{
    uint8_t *udp = frame_header(f, UDP_BYTES);

    put16(udp + UDP_FROM, from);
    put16(udp + UDP_TO, to);
}

void frame_icmp(struct frame *f, uint8_t type, uint8_t code, uint16_t id)
{
    uint8_t *icmp = frame_header(f, ICMP_BYTES);

    icmp[ICMP_TYPE] = type;
    icmp[ICMP_CODE] = code;
    put16(icmp + ICMP_ID, id);
}

static uint16_t pseudo_sum(const struct frame *f, uint8_t protocol, uint32_t length)
{
    const uint8_t *ip = f->bytes + f->net;

    return ip[0] >> 4 == 4 ? slow_sum(protocol + length, ip + IP4_FROM, 8)
                           : slow_sum(protocol + length, ip + IP6_FROM, 32);
}

static uint32_t checksum_at(uint8_t protocol)
{
    switch (protocol) {
    case PROTO_TCP:
        return TCP_CHECKSUM;
    case PROTO_UDP:
        return UDP_CHECKSUM;
    default:
        return ICMP_CHECKSUM;
    }
}

void frame_finish(struct frame *f)
{
    uint8_t *ip = f->bytes + f->net, *header = f->bytes + f->transport;
    uint32_t length = f->length - f->transport;
    uint8_t protocol = ip[0] >> 4 == 4 ? ip[IP4_PROTOCOL] : ip[IP6_NEXT];
    uint32_t start = 0;

    if (ip[0] >> 4 == 4) {
        put16(ip + IP4_TOTAL, f->length - f->net);
        put16(ip + IP4_CHECKSUM, 0);
        put16(ip + IP4_CHECKSUM, (uint16_t)~slow_sum(0, ip, (uint32_t)(ip[0] & 15) * 4));
    } else {
        put16(ip + IP6_PAYLOAD, f->length - f->net - IP6_BYTES);
    }
    if (protocol != PROTO_TCP && protocol != PROTO_UDP && protocol != PROTO_ICMP && protocol != PROTO_ICMP6)
        return;
    if (protocol == PROTO_UDP)
        put16(header + UDP_LENGTH, length);
    if (protocol != PROTO_ICMP)
        start = pseudo_sum(f, protocol, length);
    put16(header + checksum_at(protocol), 0);
    put16(header + checksum_at(protocol), (uint16_t)~slow_sum(start, header, length));
}

void frame_udp4(struct frame *f, const uint8_t *from_mac, uint32_t from, uint16_t from_port, uint32_t to,
                uint16_t to_port, uint32_t payload)
{
    frame_eth(f, mac_router, from_mac, ETHERTYPE_IPV4);
    frame_ipv4(f, PROTO_UDP, from, to);
    frame_udp(f, from_port, to_port);
    frame_fill(f, payload);
    frame_finish(f);
}

void frame_tcp4(struct frame *f, const uint8_t *from_mac, uint32_t from, uint16_t from_port, uint32_t to,
                uint16_t to_port, uint8_t flags, uint32_t payload)
{
    frame_eth(f, mac_router, from_mac, ETHERTYPE_IPV4);
    frame_ipv4(f, PROTO_TCP, from, to);
    frame_tcp(f, from_port, to_port, flags);
    frame_fill(f, payload);
    frame_finish(f);
}

void packet_of(struct packet *packet, const struct frame *f, uint32_t piece_bytes)
{
    struct packet_piece pieces[PACKET_PIECES_MAX];
    uint32_t count = 0;

    if (piece_bytes == 0)
        piece_bytes = f->length ? f->length : 1;
    for (uint32_t at = 0; at < f->length; at += piece_bytes) {
        uint32_t bytes = f->length - at < piece_bytes ? f->length - at : piece_bytes;

        assert_true(count < PACKET_PIECES_MAX && block_count < BLOCKS_MAX);
        blocks[block_count] = malloc(bytes);
        memcpy(blocks[block_count], f->bytes + at, bytes);
        pieces[count++] = (struct packet_piece){blocks[block_count++], bytes};
    }
    memset(packet, 0xa5, sizeof(*packet));
    assert_true(packet_from_pieces(packet, f->length, NULL, pieces, count));
}

void packets_free(void)
{
    while (block_count > 0)
        free(blocks[--block_count]);
}

void frame_of(struct frame *f, const struct packet *packet)
{
    f->length = packet->length;
    assert_true(packet->length <= sizeof(f->bytes));
    packet_copy(packet, 0, f->bytes, packet->length);
}

struct inet frame_expect_sound(const struct frame *f)
{
    static struct frame copy;
    struct packet packet;
    struct inet in;
    uint8_t protocol;
    const uint8_t *header;

    packet_of(&packet, f, 0);
    assert_int_equal(inet_parse(&in, &packet), INET_FINE);
    memcpy(copy.bytes, f->bytes, f->length);
    copy.length = in.end;
    copy.net = in.net;
    copy.transport = in.transport ? in.transport : in.payload;
    protocol = in.protocol;
    header = copy.bytes + copy.transport;
    if (in.kind == INET_IPV4)
        assert_int_equal(slow_sum(0, copy.bytes + in.net, (uint32_t)(copy.bytes[in.net] & 15) * 4), 0xffff);
    if (in.fragment || in.transport == 0)
        return in;
    if (protocol == PROTO_ICMP)
        assert_int_equal(slow_sum(0, header, in.end - in.transport), 0xffff);
    else if (protocol != PROTO_UDP || get16(header + UDP_CHECKSUM) != 0)
        assert_int_equal(
            slow_sum(pseudo_sum(&copy, protocol, in.end - in.transport), header, in.end - in.transport),
            0xffff);
    return in;
}
