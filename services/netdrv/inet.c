/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inet.c - see inet.h
 *
 * A cursor `at` walks over headers; before a header is read, `need` says whether it lies in the head and in
 * the packet.
 */
#include "inet.h"

const uint8_t mac_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

enum { /* IPv6 extension headers (RFC 8200, RFC 4302) */
       NEXT_HOP_OPTIONS = 0,
       NEXT_ROUTING = 43,
       NEXT_FRAGMENT = 44,
       NEXT_AUTHENTICATION = 51,
       NEXT_DESTINATION = 60,
};

/* Whether [at, at + bytes) is there to be read. */
static enum inet_fault need(const struct inet *in, const struct packet *packet, uint32_t at, uint32_t bytes)
{
    if (at > in->end || bytes > in->end - at)
        return INET_SHORT;
    if (at > packet->head_bytes || bytes > packet->head_bytes - at)
        return INET_DEEP;
    return INET_FINE;
}

static enum inet_fault parse_tcp(struct inet *in, const struct packet *packet)
{
    const uint8_t *tcp = packet->head + in->transport;
    enum inet_fault fault = need(in, packet, in->transport, TCP_BYTES);
    uint32_t bytes;

    if (fault != INET_FINE)
        return fault;
    bytes = (uint32_t)(tcp[TCP_OFFSET] >> 4) * 4;
    if (bytes < TCP_BYTES)
        return INET_FIELD;
    in->from_port = get16(tcp + TCP_FROM);
    in->to_port = get16(tcp + TCP_TO);
    in->tcp_flags = tcp[TCP_FLAGS];
    in->payload = in->transport + bytes;
    return need(in, packet, in->transport, bytes);
}

static enum inet_fault parse_udp(struct inet *in, const struct packet *packet)
{
    const uint8_t *udp = packet->head + in->transport;
    enum inet_fault fault = need(in, packet, in->transport, UDP_BYTES);
    uint32_t length;

    if (fault != INET_FINE)
        return fault;
    in->from_port = get16(udp + UDP_FROM);
    in->to_port = get16(udp + UDP_TO);
    in->payload = in->transport + UDP_BYTES;
    length = get16(udp + UDP_LENGTH);
    if (length < UDP_BYTES || (!in->more && length > in->end - in->transport))
        return INET_LENGTH;
    return INET_FINE;
}

static enum inet_fault parse_icmp(struct inet *in, const struct packet *packet)
{
    const uint8_t *icmp = packet->head + in->transport;
    enum inet_fault fault = need(in, packet, in->transport, ICMP_BYTES);

    if (fault != INET_FINE)
        return fault;
    in->icmp_type = icmp[ICMP_TYPE];
    in->icmp_code = icmp[ICMP_CODE];
    in->payload = in->transport + ICMP_BYTES;
    return INET_FINE;
}

/* The header at in->payload, of in->protocol. */
static enum inet_fault parse_transport(struct inet *in, const struct packet *packet, uint8_t icmp_protocol)
{
    if (in->fragment && in->fragment_offset != 0)
        return INET_FINE;
    in->transport = in->payload;
    if (in->protocol == PROTO_TCP)
        return parse_tcp(in, packet);
    if (in->protocol == PROTO_UDP)
        return parse_udp(in, packet);
    if (in->protocol == icmp_protocol)
        return parse_icmp(in, packet);
    in->transport = 0;
    return INET_FINE;
}

static enum inet_fault fragment_check(const struct inet *in)
{
    uint32_t bytes = in->end - in->payload;

    if (bytes == 0 || (in->more && bytes % 8 != 0))
        return INET_FIELD;
    if (bytes > 65535u - in->fragment_offset) /* the "ping of death" */
        return INET_LENGTH;
    return INET_FINE;
}

static enum inet_fault parse_ipv4(struct inet *in, const struct packet *packet)
{
    const uint8_t *ip = packet->head + in->net;
    enum inet_fault fault = need(in, packet, in->net, IP4_BYTES);
    uint32_t header, total, fragment;

    if (fault != INET_FINE)
        return fault;
    header = (uint32_t)(ip[IP4_VERSION] & 15) * 4;
    total = get16(ip + IP4_TOTAL);
    if (ip[IP4_VERSION] >> 4 != 4 || header < IP4_BYTES)
        return INET_FIELD;
    if (total < header || total > in->end - in->net)
        return INET_LENGTH;
    in->end = in->net + total;
    fault = need(in, packet, in->net, header);
    if (fault != INET_FINE)
        return fault;

    fragment = get16(ip + IP4_FRAGMENT);
    in->more = fragment & IP4_MORE_FRAGMENTS;
    in->fragment_offset = (fragment & IP4_OFFSET_MASK) * 8;
    in->fragment = in->more || in->fragment_offset != 0;
    in->fragment_id = get16(ip + IP4_ID);
    in->options = header > IP4_BYTES;
    in->protocol = ip[IP4_PROTOCOL];
    in->from4 = get32(ip + IP4_FROM);
    in->to4 = get32(ip + IP4_TO);
    in->payload = in->net + header;
    if (in->fragment && (fault = fragment_check(in)) != INET_FINE)
        return fault;
    return parse_transport(in, packet, PROTO_ICMP);
}

static enum inet_fault parse_fragment_header(struct inet *in, const struct packet *packet, uint8_t *next)
{
    const uint8_t *header = packet->head + in->payload;
    enum inet_fault fault = need(in, packet, in->payload, 8);
    uint32_t field;

    if (fault != INET_FINE)
        return fault;
    if (in->fragment)
        return INET_FIELD;
    field = get16(header + 2);
    in->fragment_offset = field & 0xfff8u;
    in->more = field & 1;
    in->fragment = in->more || in->fragment_offset != 0; /* else "atomic", RFC 6946: a whole packet */
    in->fragment_id = get32(header + 4);
    *next = header[0];
    in->payload += 8;
    return in->fragment ? fragment_check(in) : INET_FINE;
}

static enum inet_fault parse_extension(struct inet *in, const struct packet *packet, uint8_t *next)
{
    const uint8_t *header = packet->head + in->payload;
    enum inet_fault fault = need(in, packet, in->payload, 8);
    uint32_t bytes;

    if (fault != INET_FINE)
        return fault;
    bytes = *next == NEXT_AUTHENTICATION ? (header[1] + 2u) * 4 : (header[1] + 1u) * 8;
    if ((fault = need(in, packet, in->payload, bytes)) != INET_FINE)
        return fault;
    in->options = true;
    *next = header[0];
    in->payload += bytes;
    return INET_FINE;
}

static bool is_extension(uint8_t next)
{
    return next == NEXT_HOP_OPTIONS || next == NEXT_ROUTING || next == NEXT_FRAGMENT ||
           next == NEXT_AUTHENTICATION || next == NEXT_DESTINATION;
}

static enum inet_fault parse_ipv6(struct inet *in, const struct packet *packet)
{
    const uint8_t *ip = packet->head + in->net;
    enum inet_fault fault = need(in, packet, in->net, IP6_BYTES);
    uint32_t length;
    uint8_t next;

    if (fault != INET_FINE)
        return fault;
    if (ip[0] >> 4 != 6)
        return INET_FIELD;
    length = get16(ip + IP6_PAYLOAD);
    if (length > in->end - in->net - IP6_BYTES)
        return INET_LENGTH;
    in->end = in->net + IP6_BYTES + length;
    in->payload = in->net + IP6_BYTES;
    next = ip[IP6_NEXT];
    /* Each turn goes on by at least 8 bytes, and the head ends. */
    while (is_extension(next)) {
        fault = next == NEXT_FRAGMENT ? parse_fragment_header(in, packet, &next)
                                      : parse_extension(in, packet, &next);
        if (fault != INET_FINE)
            return fault;
        if (in->fragment && in->fragment_offset != 0)
            break; /* what follows is the middle of something */
    }
    in->protocol = next;
    return parse_transport(in, packet, PROTO_ICMP6);
}

static enum inet_fault parse_arp(struct inet *in, const struct packet *packet)
{
    const uint8_t *arp = packet->head + in->net;
    enum inet_fault fault = need(in, packet, in->net, ARP_BYTES);

    if (fault != INET_FINE)
        return fault;
    if (get16(arp + ARP_HARDWARE) != 1 || get16(arp + ARP_PROTOCOL) != ETHERTYPE_IPV4 ||
        arp[ARP_HARDWARE_BYTES] != 6 || arp[ARP_PROTOCOL_BYTES] != 4)
        return INET_FIELD;
    in->from4 = get32(arp + ARP_FROM_IP);
    in->to4 = get32(arp + ARP_TO_IP);
    in->payload = in->net + ARP_BYTES;
    in->end = in->payload;
    return INET_FINE;
}

static enum inet_fault parse_ethernet(struct inet *in, const struct packet *packet)
{
    enum inet_fault fault = need(in, packet, 0, ETH_BYTES);

    if (fault != INET_FINE)
        return fault;
    in->ethertype = get16(packet->head + ETH_TYPE);
    in->net = ETH_BYTES;
    if (in->ethertype == ETHERTYPE_VLAN) {
        if ((fault = need(in, packet, ETH_BYTES, VLAN_BYTES)) != INET_FINE)
            return fault;
        in->tagged = true;
        in->vlan = get16(packet->head + ETH_BYTES) & 0xfff;
        in->ethertype = get16(packet->head + ETH_BYTES + 2);
        in->net += VLAN_BYTES;
    }
    in->payload = in->net;
    return INET_FINE;
}

enum inet_fault inet_parse(struct inet *in, const struct packet *packet)
{
    *in = (struct inet){.end = packet->length};
    in->fault = parse_ethernet(in, packet);
    if (in->fault != INET_FINE)
        return in->fault;
    if (in->ethertype == ETHERTYPE_ARP) {
        in->kind = INET_ARP;
        in->fault = parse_arp(in, packet);
    } else if (in->ethertype == ETHERTYPE_IPV4) {
        in->kind = INET_IPV4;
        in->fault = parse_ipv4(in, packet);
    } else if (in->ethertype == ETHERTYPE_IPV6) {
        in->kind = INET_IPV6;
        in->fault = parse_ipv6(in, packet);
    }
    return in->fault;
}
