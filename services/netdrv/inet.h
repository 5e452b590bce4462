/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inet.h - what kind of packet this is, judged once
 *
 * inet_parse() reads the head of a packet and says what lies where.  Whoever works on a packet afterwards
 * uses these offsets with the accessors below; nothing is cast to a struct, so alignment and byte order do
 * not matter.
 *
 * Always true:  when `fault` is INET_FINE, every header that `struct inet` names lies wholly in the head and
 * inside `end`, and `end` is within the packet.
 */
#ifndef NETDRV_INET_H
#define NETDRV_INET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "packet.h"

/* Where fields lie, from the start of their header. */
enum { ETH_TO = 0, ETH_FROM = 6, ETH_TYPE = 12, ETH_BYTES = 14, VLAN_BYTES = 4 };
enum { /* RFC 826, for Ethernet and IPv4 */
       ARP_HARDWARE = 0,
       ARP_PROTOCOL = 2,
       ARP_HARDWARE_BYTES = 4,
       ARP_PROTOCOL_BYTES = 5,
       ARP_OPERATION = 6,
       ARP_FROM_MAC = 8,
       ARP_FROM_IP = 14,
       ARP_TO_MAC = 18,
       ARP_TO_IP = 24,
       ARP_BYTES = 28,
};
enum { /* RFC 791 */
       IP4_VERSION = 0,
       IP4_TOTAL = 2,
       IP4_ID = 4,
       IP4_FRAGMENT = 6,
       IP4_TTL = 8,
       IP4_PROTOCOL = 9,
       IP4_CHECKSUM = 10,
       IP4_FROM = 12,
       IP4_TO = 16,
       IP4_BYTES = 20,
       IP4_DONT_FRAGMENT = 0x4000,
       IP4_MORE_FRAGMENTS = 0x2000,
       IP4_OFFSET_MASK = 0x1fff,
};
enum { /* RFC 8200 */
       IP6_PAYLOAD = 4,
       IP6_NEXT = 6,
       IP6_HOPS = 7,
       IP6_FROM = 8,
       IP6_TO = 24,
       IP6_BYTES = 40,
};
enum { UDP_FROM = 0, UDP_TO = 2, UDP_LENGTH = 4, UDP_CHECKSUM = 6, UDP_BYTES = 8 };
enum { /* RFC 9293 */
       TCP_FROM = 0,
       TCP_TO = 2,
       TCP_SEQUENCE = 4,
       TCP_OFFSET = 12,
       TCP_FLAGS = 13,
       TCP_CHECKSUM = 16,
       TCP_BYTES = 20,
       TCP_FIN = 1,
       TCP_SYN = 2,
       TCP_RST = 4,
       TCP_PSH = 8,
       TCP_ACK = 16,
       TCP_CWR = 128,
};
enum { ICMP_TYPE = 0, ICMP_CODE = 1, ICMP_CHECKSUM = 2, ICMP_ID = 4, ICMP_BYTES = 8 };
enum { /* RFC 792, RFC 1191 */
       ICMP_ECHO_REPLY = 0,
       ICMP_UNREACHABLE = 3,
       ICMP_SOURCE_QUENCH = 4,
       ICMP_REDIRECT = 5,
       ICMP_ECHO = 8,
       ICMP_TIME_EXCEEDED = 11,
       ICMP_PARAMETER = 12,
};
enum { /* RFC 4861 */
       ICMP6_ROUTER_SOLICITATION = 133,
       ICMP6_ROUTER_ADVERTISEMENT = 134,
       ICMP6_NEIGHBOR_SOLICITATION = 135,
       ICMP6_NEIGHBOR_ADVERTISEMENT = 136,
       ICMP6_REDIRECT = 137,
       ND_TARGET = 8,
};
enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_ARP = 0x0806,
    ETHERTYPE_VLAN = 0x8100,  /* 802.1Q */
    ETHERTYPE_SVLAN = 0x88a8, /* 802.1ad */
    ETHERTYPE_IPV6 = 0x86dd,
};
enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58 };

static inline uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static inline bool mac_is_group(const uint8_t *mac)
{
    return mac[0] & 1;
}

static inline bool mac_equal(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, 6) == 0;
}

extern const uint8_t mac_broadcast[6];

/* The subnet's mask of a prefix length, 0..32. */
static inline uint32_t ipv4_mask(uint32_t prefix)
{
    return prefix == 0 ? 0 : prefix >= 32 ? 0xffffffffu : 0xffffffffu << (32 - prefix);
}

/* May no host have this address: 0/8, 127/8, 224/4, 240/4 with the broadcast address. */
static inline bool ipv4_is_special(uint32_t address)
{
    uint32_t top = address >> 24;

    return top == 0 || top == 127 || top >= 224;
}

enum inet_kind { INET_OTHER = 0, INET_ARP, INET_IPV4, INET_IPV6 };

enum inet_fault {
    INET_FINE = 0,
    INET_SHORT,  /* ends before a header does */
    INET_LENGTH, /* lengths contradict one another */
    INET_FIELD,  /* a field holds what it never may: version, ARP of another kind, a fragment's end */
    INET_DEEP,   /* headers go on beyond the head: nobody can say what this is */
    INET_FAULTS,
};

struct inet {
    enum inet_kind kind;
    enum inet_fault fault;
    uint16_t ethertype; /* behind one VLAN tag, if there is one */
    bool tagged;
    uint16_t vlan; /* 12 bits, if tagged */

    uint32_t net;       /* offset of the ARP, IPv4 or IPv6 header */
    uint32_t transport; /* offset of the TCP, UDP, ICMP header; 0: none here (following fragment, other
                           protocol) */
    uint32_t payload;   /* offset behind the last header that is known */
    uint32_t end;       /* where the IP packet ends; padding may follow */

    uint32_t from4, to4; /* IPv4 addresses; for ARP those of the sender and target */
    uint8_t protocol; /* of IPv4 and IPv6 (the last header's); 0 for a following IPv6 fragment whose chain is
                         unknown */
    bool options;     /* IPv4 options, or IPv6 extension headers other than the fragment header */
    bool fragment;    /* first or following */
    bool more;        /* fragments follow */
    uint32_t fragment_offset; /* bytes; 0: the first */
    uint32_t fragment_id;
    uint16_t from_port, to_port; /* TCP, UDP */
    uint8_t tcp_flags;
    uint8_t icmp_type, icmp_code; /* ICMP and ICMPv6 */
};

/* Returns in->fault.  Offsets and addresses are meaningful as far as no fault was found.  IPv4 header
 * checksums are not judged. */
enum inet_fault inet_parse(struct inet *in, const struct packet *packet);

/* IPv6 addresses of a packet that parsed as INET_IPV6. */
static inline const uint8_t *inet_from6(const struct inet *in, const struct packet *packet)
{
    return packet->head + in->net + IP6_FROM;
}

static inline const uint8_t *inet_to6(const struct inet *in, const struct packet *packet)
{
    return packet->head + in->net + IP6_TO;
}

#endif
