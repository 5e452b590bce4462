/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * icmp.c - see icmp.h
 */
#include "icmp.h"
#include "offload.h"

#define QUOTED_BYTES 128u /* of the packet in question: its headers and more */
#define ERROR_TTL 64u
#define PRECEDENCE_INTERNETWORK 0xc0 /* RFC 1812, 4.3.2.5 */

/* An error about an error could go round in circles. */
static bool is_icmp_error(const struct inet *in)
{
    if (in->protocol != PROTO_ICMP)
        return false;
    return in->transport == 0 || (in->icmp_type != ICMP_ECHO && in->icmp_type != ICMP_ECHO_REPLY &&
                                  !(in->icmp_type >= 13 && in->icmp_type <= 18));
}

static bool may_be_answered(const struct packet *packet, const struct inet *in)
{
    return in->fault == INET_FINE && in->kind == INET_IPV4 && !is_icmp_error(in) &&
           !(in->fragment && in->fragment_offset != 0) && !ipv4_is_special(in->from4) &&
           in->to4 >> 28 < 0xe && !mac_is_group(packet->head + ETH_TO);
}

static void ipv4_header(uint8_t *ip, uint32_t total, uint32_t from, uint32_t to)
{
    memset(ip, 0, IP4_BYTES);
    ip[IP4_VERSION] = 0x45;
    ip[1] = PRECEDENCE_INTERNETWORK;
    put16(ip + IP4_TOTAL, total);
    ip[IP4_TTL] = ERROR_TTL;
    ip[IP4_PROTOCOL] = PROTO_ICMP;
    put32(ip + IP4_FROM, from);
    put32(ip + IP4_TO, to);
    checksum_ipv4_header(ip);
}

bool icmp_error(struct packet *error, const struct packet *packet, const struct inet *in, uint32_t our_ip,
                uint8_t type, uint8_t code, uint16_t mtu)
{
    uint8_t *ip = error->head + ETH_BYTES, *icmp = ip + IP4_BYTES;
    uint32_t quoted;

    if (!may_be_answered(packet, in))
        return false;
    quoted = in->end - in->net < QUOTED_BYTES ? in->end - in->net : QUOTED_BYTES;
    error->head_bytes = ETH_BYTES + IP4_BYTES + ICMP_BYTES + quoted;
    error->length = error->head_bytes;
    error->piece_count = 0;
    error->offload = (struct net_offload){0};
    memset(error->head, 0, ETH_BYTES);
    put16(error->head + ETH_TYPE, ETHERTYPE_IPV4);
    ipv4_header(ip, IP4_BYTES + ICMP_BYTES + quoted, our_ip, in->from4);
    memset(icmp, 0, ICMP_BYTES);
    icmp[ICMP_TYPE] = type;
    icmp[ICMP_CODE] = code;
    put16(icmp + 6, mtu); /* RFC 1191, 4; 0 in the others */
    packet_copy(packet, in->net, icmp + ICMP_BYTES, quoted);
    put16(icmp + ICMP_CHECKSUM, (uint16_t)~sum_fold(sum_add(0, icmp, ICMP_BYTES + quoted)));
    return true;
}

bool icmp_echo_reply(struct packet *packet, const struct inet *in)
{
    uint8_t *ip = packet->head + in->net, *icmp = packet->head + in->transport;
    uint8_t before[2] = {ICMP_ECHO, icmp[ICMP_CODE]}, after[2] = {ICMP_ECHO_REPLY, icmp[ICMP_CODE]};
    uint8_t ttl[2];

    if (in->kind != INET_IPV4 || in->protocol != PROTO_ICMP || in->transport == 0 || in->fragment ||
        in->options || in->icmp_type != ICMP_ECHO || ipv4_is_special(in->from4))
        return false;
    icmp[ICMP_TYPE] = ICMP_ECHO_REPLY;
    checksum_replace(icmp + ICMP_CHECKSUM, before, after, 2);
    put32(ip + IP4_FROM, in->to4); /* the same two addresses: the header's sum stays */
    put32(ip + IP4_TO, in->from4);
    memcpy(ttl, ip + IP4_TTL, 2);
    ip[IP4_TTL] = ERROR_TTL;
    checksum_replace(ip + IP4_CHECKSUM, ttl, ip + IP4_TTL, 2);
    packet_trim(packet, in->end);
    return true;
}
