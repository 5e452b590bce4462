/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_net_fuzz.c - whatever bytes a VM or the wire sends: nothing is read beyond a packet, and what passes
 * is true
 *
 * Good frames of every kind are damaged at random, then go the way of a packet: parser, guard, router (ARP,
 * NAT, DHCP), segments.  ASan and UBSan watch; the claims below are checked by means of their own, from the
 * raw bytes. BH_FUZZ_ROUNDS and BH_FUZZ_SEED change how long and what; the seed is printed.
 *
 * links: tests/unit/net_frames.c services/netdrv/packet.c services/netdrv/inet.c services/netdrv/offload.c
 *        services/netdrv/bucket.c services/netdrv/arp.c services/netdrv/icmp.c services/netdrv/nat.c
 *        services/netdrv/nat_table.c services/netdrv/dhcp.c services/netdrv/dhcp_message.c
 * services/netdrv/route.c services/netdrv/guard.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net_frames.h"
#include "net_router.h"
#include "services/netdrv/dhcp_message.h"
#include "services/netdrv/guard.h"
#include "services/netdrv/route.h"

#define ROUNDS 1000000u

static const uint8_t six_mine[16] = {0xfd, 0, 1, 2, [15] = 1};
static const uint8_t six_link[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x02, 0x16, 0x3e, 0xff, 0xfe, 0, 0, 0x0a};

static struct frame frame;
static struct packet packet, other;
static struct inet in;
static struct guard guard;
static struct router router;
static struct nat_flow flows[NAT_FLOWS];
static uint64_t now = 100000, seed;
static uint32_t passed, forwarded;
static uint32_t learned; /* what the guard knew before it looked: a release makes it forget */

static uint32_t random_below(uint32_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16) % limit;
}

/* ---- what is damaged -------------------------------------------------------------------------- */

static uint32_t some_ip(void)
{
    static const uint32_t ips[] = {VM, PLAIN_VM, FAR,         UPLINK_IP, GATEWAY, NAT_IP, PLAIN_IP,
                                   0,  VM + 1,   0xffffffffu, FAR,       VM,      VM,     IP(10, 0, 2, 77)};

    return ips[random_below(sizeof(ips) / sizeof(ips[0]))];
}

static uint32_t link; /* that the frame comes from */

/* Mostly what makes sense there. */
static uint32_t some_source(void)
{
    static const uint32_t likely[] = {[NAT_LINK] = VM, [PLAIN_LINK] = PLAIN_VM, [ROUTE_UPLINK] = FAR};

    return random_below(8) ? likely[link] : some_ip();
}

static uint32_t some_target(void)
{
    static const uint32_t likely[] = {[NAT_LINK] = FAR, [PLAIN_LINK] = GATEWAY, [ROUTE_UPLINK] = UPLINK_IP};

    return random_below(3) ? likely[link] : some_ip();
}

static uint16_t some_port(void)
{
    static const uint16_t ports[] = {22, 53, 67, 68, 80, 2222, 40000, 40001, 546, 547, 123, 5000};

    return ports[random_below(sizeof(ports) / sizeof(ports[0]))];
}

static const uint8_t *some_mac(void)
{
    static const uint8_t *const macs[] = {mac_a, mac_b, mac_router, mac_gateway, mac_broadcast};

    return macs[random_below(5)];
}

static void make_dhcp(void)
{
    uint8_t bootp[DHCP_OPTIONS + 20] = {(uint8_t)(1 + random_below(2)), 1, 6};
    uint8_t *option = bootp + DHCP_OPTIONS;

    put32(bootp + DHCP_XID, 7);
    put32(bootp + DHCP_CLIENT_IP, random_below(3) ? 0 : some_ip());
    put32(bootp + DHCP_YOUR_IP, some_ip());
    put32(bootp + DHCP_COOKIE, DHCP_COOKIE_VALUE);
    memcpy(bootp + DHCP_MAC, random_below(4) ? mac_a : mac_b, 6);
    memcpy(option, (uint8_t[]){DHCP_OPTION_TYPE, 1, (uint8_t)random_below(9), DHCP_OPTION_REQUESTED, 4}, 5);
    put32(option + 5, VM + random_below(4));
    memcpy(option + 9, (uint8_t[]){DHCP_OPTION_LEASE, 4, 0, 0, 0, (uint8_t)random_below(200)}, 6);
    option[15] = DHCP_OPTION_END;
    frame_ipv4(&frame, PROTO_UDP, random_below(2) ? 0 : some_ip(), random_below(2) ? 0xffffffffu : NAT_IP);
    frame_udp(&frame, bootp[0] == 1 ? 68 : 67, bootp[0] == 1 ? 67 : 68);
    frame_bytes(&frame, bootp, sizeof(bootp));
}

static void make_icmp(void)
{
    static const uint8_t types[] = {ICMP_ECHO,          ICMP_ECHO_REPLY, ICMP_UNREACHABLE,
                                    ICMP_TIME_EXCEEDED, ICMP_REDIRECT,   13};

    frame_ipv4(&frame, PROTO_ICMP, some_source(), some_target());
    frame_icmp(&frame, types[random_below(sizeof(types))], 0, some_port());
    if (random_below(2)) { /* quotes a packet */
        uint8_t quote[28] = {0x45, 0, 0, 60, 0, 1, 0, 0, 64, (uint8_t)(random_below(2) ? 17 : 6)};

        put32(quote + IP4_FROM, some_ip());
        put32(quote + IP4_TO, some_ip());
        put16(quote + 20, some_port());
        put16(quote + 22, some_port());
        frame_bytes(&frame, quote, sizeof(quote));
    }
    frame_fill(&frame, random_below(60));
}

static void make_ipv4(void)
{
    switch (random_below(4)) {
    case 0:
        frame_ipv4(&frame, PROTO_TCP, some_source(), some_target());
        frame_tcp(&frame, some_port(), some_port(), (uint8_t)random_below(64));
        frame_fill(&frame, random_below(4000));
        break;
    case 1:
        make_dhcp();
        break;
    case 2:
        make_icmp();
        break;
    default:
        frame_ipv4(&frame, PROTO_UDP, some_source(), some_target());
        frame_udp(&frame, some_port(), some_port());
        frame_fill(&frame, random_below(400));
    }
    if (random_below(8) == 0)
        put16(frame.bytes + frame.net + IP4_FRAGMENT,
              random_below(2) ? IP4_MORE_FRAGMENTS : random_below(0x2000));
    frame_finish(&frame);
}

static void make_ipv6(void)
{
    static const uint8_t nexts[] = {PROTO_TCP, PROTO_UDP, PROTO_ICMP6, PROTO_ICMP6, PROTO_ICMP6,
                                    0,         43,        44,          60,          51};
    uint8_t next = nexts[random_below(sizeof(nexts))];

    frame_ipv6(&frame, next, random_below(2) ? six_mine : six_link, six_mine);
    if (next == PROTO_ICMP6) {
        uint8_t option[8] = {(uint8_t)(1 + random_below(2)), 1};

        frame_icmp(&frame, (uint8_t)(133 + random_below(6)), 0, 0);
        frame_bytes(&frame, six_mine, 16);
        memcpy(option + 2, mac_a, 6);
        frame_bytes(&frame, option, 8);
    } else if (next == PROTO_TCP) {
        frame_tcp(&frame, 1, 2, TCP_ACK);
        frame_fill(&frame, random_below(4000));
    } else {
        uint8_t header[8] = {nexts[random_below(sizeof(nexts))], (uint8_t)random_below(3)};

        frame_bytes(&frame, header, 8);
        frame_fill(&frame, random_below(300));
    }
    frame_finish(&frame);
}

static void make_frame(void)
{
    static const uint16_t types[] = {ETHERTYPE_IPV4, ETHERTYPE_IPV4, ETHERTYPE_IPV4, ETHERTYPE_IPV6,
                                     ETHERTYPE_ARP};
    uint16_t type = types[random_below(5)];

    frame_eth(&frame, some_mac(), random_below(8) ? mac_a : some_mac(), type);
    if (random_below(16) == 0)
        frame_vlan(&frame, (uint16_t)random_below(65536));
    if (type == ETHERTYPE_ARP)
        frame_arp(&frame, (uint16_t)(1 + random_below(2)), random_below(8) ? mac_a : some_mac(), some_ip(),
                  mac_b, some_ip());
    else if (type == ETHERTYPE_IPV4)
        make_ipv4();
    else
        make_ipv6();
}

static void damage(void)
{
    static const uint8_t values[] = {0, 1, 4, 5, 6, 0x0f, 0x3f, 0x40, 0x7f, 0x80, 0xff};
    uint32_t near = frame.length < 120 ? frame.length : 120;

    if (random_below(2))
        return;
    for (uint32_t i = random_below(4); i > 0; i--) {
        uint32_t at = random_below(random_below(4) ? near : frame.length);

        frame.bytes[at] = random_below(2) ? values[random_below(sizeof(values))] : (uint8_t)random_below(256);
    }
    if (random_below(8) == 0)
        frame.length = random_below(frame.length + 1);
    if (random_below(16) == 0)
        frame_fill(&frame, random_below(100));
    /* A right header sum takes the damage further in. */
    if (random_below(4) && frame.length >= 34 && (frame.bytes[14] & 15) * 4u + 14 <= frame.length)
        checksum_ipv4_header(frame.bytes + 14);
}

static void random_offload(void)
{
    packet.offload = (struct net_offload){0};
    if (random_below(4))
        return;
    packet.offload = (struct net_offload){.flags = (uint8_t)random_below(4),
                                          .gso = (uint8_t)random_below(4),
                                          .header_bytes = (uint16_t)random_below(80),
                                          .segment_bytes = (uint16_t)random_below(2000),
                                          .csum_start = (uint16_t)(random_below(2) ? 34 : random_below(300)),
                                          .csum_offset = (uint16_t)(random_below(2) ? 16 : random_below(30))};
}

/* ---- what must be true ------------------------------------------------------------------------ */

static void expect_packet_whole(const struct packet *p)
{
    uint32_t bytes = p->head_bytes;

    assert_true(p->head_bytes <= PACKET_HEAD_BYTES && p->piece_count <= PACKET_PIECES_MAX);
    for (uint32_t i = 0; i < p->piece_count; i++)
        bytes += p->pieces[i].bytes;
    assert_int_equal(bytes, p->length);
}

static void expect_parse_bounded(void)
{
    if (in.fault != INET_FINE)
        return;
    assert_true(in.end <= packet.length && in.payload <= in.end && in.payload <= packet.head_bytes);
    assert_true(in.transport == 0 || (in.transport >= in.net && in.transport < in.payload));
    assert_true(in.net >= ETH_BYTES && in.net <= in.payload);
}

/* From the raw bytes: a packet that passed its guard says nothing false of its sender. */
static void expect_honest(const struct packet *p)
{
    uint16_t type = get16(p->head + ETH_TYPE);
    const uint8_t *net = p->head + ETH_BYTES;

    assert_memory_equal(p->head + ETH_FROM, mac_a, 6);
    if (type == ETHERTYPE_IPV4) {
        uint32_t from = get32(net + IP4_FROM);

        assert_true(from == VM || from == PLAIN_VM || from == 0 || from == learned);
        if (from == 0)
            assert_true(net[IP4_PROTOCOL] == PROTO_UDP && get32(net + IP4_TO) == 0xffffffffu);
    } else if (type == ETHERTYPE_ARP) {
        assert_memory_equal(net + ARP_FROM_MAC, mac_a, 6);
        assert_true(get32(net + ARP_FROM_IP) == VM || get32(net + ARP_FROM_IP) == PLAIN_VM ||
                    get32(net + ARP_FROM_IP) == 0 || get32(net + ARP_FROM_IP) == learned);
    } else {
        assert_int_equal(type, ETHERTYPE_IPV6);
        assert_true(memcmp(net + IP6_FROM, six_mine, 16) == 0 ||
                    memcmp(net + IP6_FROM + 8, six_link + 8, 8) == 0 || net[IP6_FROM] == 0);
        if (net[IP6_NEXT] == PROTO_ICMP6)
            assert_true(net[IP6_BYTES] != 134 && net[IP6_BYTES] != 137);
    }
}

static void expect_routed(uint32_t to, const struct inet *s)
{
    uint32_t subnet = router.links[to].ip & 0xffffff00u;

    if (to == ROUTE_UPLINK)
        assert_true(s->from4 == UPLINK_IP || (s->from4 & 0xffffff00u) == (PLAIN_IP & 0xffffff00u));
    else
        assert_true(s->to4 == 0xffffffffu || (s->to4 & 0xffffff00u) == subnet);
}

static void on_send(void *context, uint32_t to, struct packet *p)
{
    struct inet s;

    (void)context;
    expect_packet_whole(p);
    assert_int_equal(inet_parse(&s, p), INET_FINE);
    assert_memory_equal(p->head + ETH_FROM, router.links[to].mac, 6);
    assert_true(offload_check(p, &s));
    forwarded++;
    if (s.kind != INET_IPV4)
        return;
    assert_int_equal(sum_fold(sum_add(0, p->head + s.net, (uint32_t)(p->head[s.net] & 15) * 4)), 0xffff);
    expect_routed(to, &s);
}

static void expect_segments(void)
{
    struct segments s;
    struct packet segment;
    uint32_t count = 0, payload = 0;

    if (packet.offload.gso == NET_GSO_NONE) {
        other = packet;
        (void)offload_checksum(&other);
        return;
    }
    segments_start(&s, &packet, &in);
    while (segments_next(&s, &segment)) {
        expect_packet_whole(&segment);
        assert_true(offload_checksum(&segment));
        payload += segment.length - in.payload;
        count++;
    }
    assert_int_equal(payload, packet.length - in.payload);
    assert_int_equal(count, offload_packets(&packet));
}

static void expect_tag_is_undone(void)
{
    other = packet;
    if (!packet_vlan_push(&other, 5))
        return;
    expect_packet_whole(&other);
    if (other.offload.csum_start < 18 || other.offload.gso != NET_GSO_NONE)
        return;
    assert_true(packet_vlan_pop(&other));
    assert_memory_equal(other.head, packet.head, packet.head_bytes);
}

/* ---- a packet's way --------------------------------------------------------------------------- */

static void one_round(void)
{
    bool allowed;

    link = random_below(3) == 2 ? ROUTE_UPLINK : random_below(2);
    make_frame();
    damage();
    if (random_below(2) && frame.length >= 6)
        memcpy(frame.bytes + ETH_TO, router.links[link].mac, 6);
    packet_of(&packet, &frame, random_below(2) ? 0 : 250 + random_below(600));
    random_offload();
    (void)inet_parse(&in, &packet);
    expect_parse_bounded();
    expect_packet_whole(&packet);
    expect_tag_is_undone();
    if (link == ROUTE_UPLINK) {
        (void)guard_learn(&guard, &packet, &in, now);
        allowed = true;
    } else {
        learned = guard.learned;
        allowed = guard_check(&guard, &packet, &in, now) == GUARD_PASS;
    }
    if (allowed && link != ROUTE_UPLINK) {
        passed++;
        expect_packet_whole(&packet);
        expect_honest(&packet);
        expect_segments();
    }
    if (allowed)
        router_receive(&router, link, &packet, &in, random_below(16), 0, now);
    packets_free();
}

static void link_make(uint32_t number, uint32_t ip, enum route_mode mode)
{
    router.links[number] = (struct route_link){
        .used = true, .ip = ip, .prefix = 24, .mtu = 1500, .mode = mode, .proxy_arp = true};
    memcpy(router.links[number].mac, mac_router, 6);
    router.links[number].mac[5] = (uint8_t)(0xf0 + number);
}

static void start(void)
{
    struct nat_forward ssh = {PROTO_TCP, 2222, VM, 22};

    memset(&router, 0, sizeof(router));
    router.send = on_send;
    router.gateway = GATEWAY;
    link_make(ROUTE_UPLINK, UPLINK_IP, ROUTE_PLAIN);
    link_make(NAT_LINK, NAT_IP, ROUTE_NAT);
    link_make(PLAIN_LINK, PLAIN_IP, ROUTE_PLAIN);
    router.links[NAT_LINK].dhcp_server = true;
    router.dhcp[NAT_LINK] =
        (struct dhcp){.server_ip = NAT_IP, .prefix = 24, .first = VM, .last = VM + 50, .mtu = 1500};
    memcpy(router.dhcp[NAT_LINK].server_mac, router.links[NAT_LINK].mac, 6);
    (void)router_init(&router, flows, true, now);
    assert_true(nat_add_forward(&router.nat, &ssh));
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

static void hostile_bytes_do_no_harm(void **state)
{
    uint64_t rounds = from_environment("BH_FUZZ_ROUNDS", ROUNDS);

    (void)state;
    seed = from_environment("BH_FUZZ_SEED", 0x9e3779b97f4a7c15u);
    printf("%llu rounds from BH_FUZZ_SEED=%#llx\n", (unsigned long long)rounds, (unsigned long long)seed);
    guard_init(&guard, mac_a);
    guard.learn = true;
    assert_true(guard_allow_ipv4(&guard, VM));
    assert_true(guard_allow_ipv4(&guard, PLAIN_VM));
    assert_true(guard_allow_ipv6(&guard, six_mine));
    start();
    for (uint64_t i = 0; i < rounds; i++) {
        one_round();
        now += random_below(20);
        if (i % 100 == 0)
            router_tick(&router, now);
        if (i % 20000 == 19999)
            start(); /* as after a restart, with the flows kept */
    }
    printf("%u passed their guard, %u frames from the router\n", passed, forwarded);
    assert_true(rounds < 10000 || (passed > rounds / 50 && forwarded > rounds / 50));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hostile_bytes_do_no_harm)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
