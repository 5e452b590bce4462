/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * liar.c - what becomes of a network frame that is not this card's to send, or that is no frame at all?
 *
 * Sends each lie, says how many there were of each sort, then a true last word: a UDP broadcast to the
 * discard port (9).  The VM's file must give it 10.0.0.2.  It stays, so that its counters do.
 */
#include "net.h"

const char tiny_name[] = "liar";

#define MINE 0x0a000002u   /* 10.0.0.2 */
#define OTHERS 0x0a000063u /* 10.0.0.99 */
#define ALL 0xffffffffu
#define FRAME_MAX 65600u
enum { TYPE_IPV4 = 0x0800, TYPE_ARP = 0x0806, TYPE_IPV6 = 0x86dd, TYPE_VLAN = 0x8100, TYPE_SVLAN = 0x88a8 };
enum { DHCP_SERVER = 67, DHCP_CLIENT = 68, DISCARD = 9 };

static struct net_card card;
static struct {
    struct net_header header;
    uint8_t frame[FRAME_MAX];
} out __attribute__((aligned(16)));
static uint8_t *const frame = out.frame;
static uint32_t spoofed, malformed, taken;
static const uint8_t others_mac[6] = {0x02, 0, 0, 0, 0, 0x99};

static void header_clear(void)
{
    out.header = (struct net_header){0};
}

static bool out_send(uint32_t bytes)
{
    bool is_sent = net_send(&card, &out, NET_HEADER + bytes);

    check(is_sent, "the card takes it", bytes, taken);
    taken++;
    header_clear();
    return is_sent;
}

/* An address or a role that is another's. */
static void spoof(uint32_t bytes)
{
    spoofed += out_send(bytes);
}

/* Lengths that are not so. */
static void malform(uint32_t bytes)
{
    malformed += out_send(bytes);
}

static uint8_t *ethernet(uint32_t type)
{
    return put_ethernet(frame, net_everybody, card.mac, type);
}

/* A whole UDP packet from this address, with 18 bytes to say; returns the frame's bytes. */
static uint32_t udp(uint32_t from, uint32_t from_port, uint32_t to_port)
{
    uint8_t *text = put_udp4(ethernet(TYPE_IPV4), from, ALL, from_port, to_port, 18);

    put_bytes(text, "bulkhead liar says", 18);
    return 60;
}

/* ---- addresses -------------------------------------------------------------------------------------- */

static void spoof_macs(void)
{
    static const uint8_t zero[6], group[6] = {1, 0, 0x5e, 0, 0, 1};
    static const uint8_t *const macs[] = {others_mac, zero, group, net_everybody};

    for (uint32_t i = 0; i < 4; i++) {
        uint32_t bytes = udp(MINE, 1000, DISCARD);

        put_bytes(frame + 6, macs[i], 6);
        spoof(bytes);
    }
}

static void arp(uint32_t operation, const uint8_t *mac, uint32_t from, uint32_t to)
{
    static const uint8_t begin[6] = {0, 1, 8, 0, 6, 4};
    uint8_t *body = ethernet(TYPE_ARP);

    put_bytes(body, begin, 6);
    put16(body + 6, operation);
    put_bytes(body + 8, mac, 6);
    put32(body + 14, from);
    put_bytes(body + 18, net_everybody, 6);
    put32(body + 24, to);
}

static void spoof_arp(void)
{
    for (uint32_t operation = 1; operation <= 2; operation++) {
        arp(operation, card.mac, OTHERS, MINE);
        spoof(42);
        arp(operation, card.mac, OTHERS, OTHERS); /* gratuitous */
        spoof(42);
        arp(operation, others_mac, MINE, OTHERS);
        spoof(42);
    }
    arp(8, card.mac, MINE, OTHERS);
    spoof(42);
    arp(2, card.mac, 0, OTHERS);
    spoof(42);
}

static void spoof_ipv4(void)
{
    static const uint32_t from[] = {OTHERS, 0, ALL, 0x7f000001, 0xe0000001, 0x0a0000ff, MINE + 1};

    for (uint32_t i = 0; i < sizeof from / sizeof from[0]; i++)
        spoof(udp(from[i], 1000, DISCARD));
}

/* IPv6 with ICMPv6 of this type, which claims `claim`; from an address that is made of our MAC, or fe80::99.
 */
static uint32_t icmp6(bool is_mine, uint32_t type, bool claims_ours)
{
    uint8_t *ip = ethernet(TYPE_IPV6), *icmp = ip + 40;
    const uint8_t mine[16] = {0xfe, 0x80, [8] = card.mac[0] ^ 2, card.mac[1], card.mac[2],
                              0xff, 0xfe, card.mac[3],           card.mac[4], card.mac[5]};
    static const uint8_t others[16] = {0xfe, 0x80, [15] = 0x99}, all[16] = {0xff, 2, [15] = 1};
    static const uint8_t begin[8] = {0x60, 0, 0, 0, 0, 24, 58, 255};

    put_bytes(frame, (const uint8_t[]){0x33, 0x33, 0, 0, 0, 1}, 6);
    put_bytes(ip, begin, 8);
    put_bytes(ip + 8, is_mine ? mine : others, 16);
    put_bytes(ip + 24, all, 16);
    put32(icmp, type << 24);
    put32(icmp + 4, 0x20000000);
    put_bytes(icmp + 8, claims_ours ? mine : others, 16);
    put16(icmp + 2, ~checksum_fold(checksum_add(58 + 24, ip + 8, 32 + 24)));
    return 14 + 40 + 24;
}

static void spoof_ipv6(void)
{
    spoof(icmp6(false, 136, false)); /* neighbour advertisement */
    spoof(icmp6(true, 136, false));
    spoof(icmp6(false, 128, true)); /* echo */
    spoof(icmp6(true, 134, true));  /* router advertisement */
    spoof(icmp6(true, 137, true));  /* redirect */
}

/* ---- other VLANs ------------------------------------------------------------------------------------ */

static void spoof_tag(uint32_t type, uint32_t tag, uint32_t inner)
{
    uint8_t *at = put_ethernet(frame, net_everybody, card.mac, type);

    put16(at, tag);
    at += 2;
    if (inner != 0) {
        put16(at, TYPE_VLAN);
        put16(at + 2, inner);
        at += 4;
    }
    put16(at, TYPE_IPV4);
    (void)put_udp4(at + 2, MINE, ALL, 1000, DISCARD, 18);
    spoof((uint32_t)(at - frame) + 2 + 46);
}

static void hop_vlans(void)
{
    static const uint32_t tags[] = {0, 1, 12, 4095};

    for (uint32_t i = 0; i < 4; i++) {
        spoof_tag(TYPE_VLAN, tags[i], 0);
        spoof_tag(TYPE_VLAN, tags[i], 12);
        spoof_tag(TYPE_SVLAN, tags[i], 12);
    }
    spoof_tag(0x9100, 12, 12);
}

/* ---- roles ------------------------------------------------------------------------------------------ */

/* A DHCP message: fixed part, cookie, option 53. */
static uint32_t dhcp(uint32_t operation, const uint8_t *mac, uint32_t type, uint32_t from, uint32_t from_port,
                     uint32_t to_port)
{
    uint8_t *m = put_udp4(ethernet(TYPE_IPV4), from, ALL, from_port, to_port, 244);

    for (uint32_t i = 0; i < 244; i++)
        m[i] = 0;
    put32(m, operation << 24 | 0x010600);
    put32(m + 4, 0x12345678);
    put32(m + 16, OTHERS);
    put_bytes(m + 28, mac, 6);
    put32(m + 236, 0x63825363);
    put32(m + 240, 53u << 24 | 1u << 16 | type << 8 | 255);
    return 42 + 244;
}

static void play_servers(void)
{
    static const uint8_t bridges[6] = {0x01, 0x80, 0xc2, 0, 0, 0};
    uint32_t bytes;

    spoof(dhcp(2, others_mac, 2, MINE, DHCP_SERVER, DHCP_CLIENT)); /* offer */
    spoof(dhcp(2, others_mac, 5, MINE, DHCP_SERVER, DHCP_CLIENT)); /* ack */
    spoof(dhcp(2, card.mac, 5, OTHERS, DHCP_SERVER, DHCP_CLIENT));
    spoof(dhcp(1, others_mac, 1, 0, DHCP_CLIENT, DHCP_SERVER)); /* asks as somebody else */
    bytes = udp(MINE, 1000, DISCARD);
    put_bytes(frame, bridges, 6);
    spoof(bytes);
    (void)ethernet(0x88b5); /* neither ARP nor IP */
    spoof(60);
}

/* ---- lengths ---------------------------------------------------------------------------------------- */

static void runts_and_jumbos(void)
{
    static const uint32_t jumbos[] = {1515, 1518, 4096, 9014, 16384, 65535, 65536, 65549};

    for (uint32_t bytes = 0; bytes <= 13; bytes++) {
        (void)udp(MINE, 1000, DISCARD);
        malform(bytes);
    }
    for (uint32_t bytes = 14; bytes < 60 - 18; bytes++) {
        (void)udp(MINE, 1000, DISCARD);
        malform(bytes);
    }
    for (uint32_t i = 0; i < sizeof jumbos / sizeof jumbos[0]; i++) {
        uint32_t bytes = jumbos[i] > 65535 ? 65535 : jumbos[i];

        (void)put_udp4(ethernet(TYPE_IPV4), MINE, ALL, 1000, DISCARD, bytes - 42);
        malform(jumbos[i]);
    }
}

/* Lengths within the packet that are not those of the frame. */
static void inner_lengths(void)
{
    static const uint32_t ip_bytes[] = {0, 19, 27, 61 - 14 + 1, 1500, 65535};

    for (uint32_t i = 0; i < sizeof ip_bytes / sizeof ip_bytes[0]; i++) {
        uint32_t bytes = udp(MINE, 1000, DISCARD);

        put16(frame + 16, ip_bytes[i]);
        put16(frame + 24, 0);
        put16(frame + 24, ~checksum_fold(checksum_add(0, frame + 14, 20)));
        malform(bytes);
    }
    for (uint32_t version = 0; version < 256; version += 0x11) {
        if (version == 0x44)
            continue;
        (void)udp(MINE, 1000, DISCARD);
        frame[14] = (uint8_t)version;
        malform(60);
    }
}

/* ---- what the header says of the packet --------------------------------------------------------------- */

static uint32_t tcp(uint32_t bytes)
{
    uint8_t *ip = ethernet(TYPE_IPV4);

    (void)put_udp4(ip, MINE, OTHERS, 1000, DISCARD, bytes - 28);
    ip[9] = 6;
    put16(ip + 10, 0);
    put16(ip + 10, ~checksum_fold(checksum_add(0, ip, 20)));
    for (uint32_t i = 20; i < 40; i++)
        ip[i] = i == 32 ? 0x50 : 0;
    return 14 + bytes;
}

static void lie_once(struct net_header header, uint32_t bytes)
{
    out.header = header;
    malform(bytes);
}

static void lie_about_segments(void)
{
    static const uint16_t odd[] = {0, 1, 13, 53, 55, 1515, 4000, 4015, 32768, 65535};
    const struct net_header honest = {NET_NEEDS_CHECKSUM, NET_GSO_TCP4, 54, 1000, 34, 16, 0};

    for (uint32_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct net_header h = honest;

        h.checksum_start = odd[i];
        lie_once(h, tcp(4000));
        h = honest;
        h.checksum_offset = odd[i];
        lie_once(h, tcp(4000));
        h = honest;
        h.gso_bytes = odd[i] < 1461 && odd[i] != 0 ? 1500 : odd[i];
        lie_once(h, tcp(4000));
    }
    for (uint32_t type = 2; type < 256; type += 7) {
        struct net_header h = honest;

        h.gso_type = (uint8_t)type;
        lie_once(h, tcp(4000));
    }
    lie_once((struct net_header){0, NET_GSO_TCP4, 54, 1000, 0, 0, 0},
             tcp(4000)); /* and nobody makes a checksum */
    lie_once((struct net_header){NET_NEEDS_CHECKSUM, NET_GSO_TCP6, 74, 1000, 34, 16, 0}, tcp(4000));
    lie_once(honest, udp(MINE, 1000, DISCARD));
    (void)tcp(4000);
    frame[46] = 0xf0; /* a TCP header of 60 bytes in a frame of 54 */
    lie_once(honest, 54);
}

/* A checksum that would be written where what was judged stands. */
static void lie_about_checksums(void)
{
    for (uint16_t at = 0; at < 34; at++)
        lie_once((struct net_header){NET_NEEDS_CHECKSUM, 0, 0, 0, at, 0, 0}, udp(MINE, 1000, DISCARD));
    lie_once((struct net_header){NET_NEEDS_CHECKSUM, 0, 0, 0, 65535, 65535, 0}, udp(MINE, 1000, DISCARD));
    lie_once((struct net_header){NET_NEEDS_CHECKSUM, 0, 0, 0, 0, 65535, 0}, udp(MINE, 1000, DISCARD));
    lie_once((struct net_header){NET_NEEDS_CHECKSUM, 0, 0, 0, 34, 25, 0}, udp(MINE, 1000, DISCARD));
}

static void put_count(const char *what, uint32_t count)
{
    put_text("told ");
    put_text(what);
    put_text(" ");
    put_hex(count);
    put_text("\n");
}

static void stay(void)
{
    for (;;)
        wait_for_interrupt();
}

void tiny_run(void)
{
    net_open(&card, NET_FEATURE_CHECKSUM | NET_FEATURE_TSO4 | NET_FEATURE_TSO6);
    header_clear();
    spoof_macs();
    spoof_arp();
    spoof_ipv4();
    spoof_ipv6();
    hop_vlans();
    play_servers();
    runts_and_jumbos();
    inner_lengths();
    lie_about_segments();
    lie_about_checksums();
    put_count("spoofed", spoofed);
    put_count("malformed", malformed);
    out_send(udp(MINE, 1000, DISCARD));
    tiny_at_end = stay;
}
