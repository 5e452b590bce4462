/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_net_guard.c - claims about what a VM may send: itself, and nobody else
 *
 * links: tests/unit/net_frames.c services/netdrv/packet.c services/netdrv/inet.c services/netdrv/offload.c
 *        services/netdrv/guard.c services/netdrv/dhcp_message.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net_frames.h"
#include "services/netdrv/dhcp_message.h"
#include "services/netdrv/guard.h"

#define MINE IP(10, 0, 0, 1)
#define OTHERS IP(10, 0, 0, 2)

static struct frame frame;
static struct packet packet;
static struct inet in;
static struct guard guard;
static uint64_t now = 1000;

static const uint8_t six_mine[16] = {0xfd, 0, 1, 2, [15] = 1};
static const uint8_t six_others[16] = {0xfd, 0, 1, 2, [15] = 2};
static const uint8_t six_nobody[16];
static const uint8_t six_all[16] = {0xff, 2, [15] = 1};
/* from mac_a: 00:16:3e:00:00:0a */
static const uint8_t six_link_mine[16] = {0xfe, 0x80, 0,    0,    0,    0, 0, 0,
                                          0x02, 0x16, 0x3e, 0xff, 0xfe, 0, 0, 0x0a};
static const uint8_t six_link_others[16] = {0xfe, 0x80, 0,    0,    0,    0, 0, 0,
                                            0x02, 0x16, 0x3e, 0xff, 0xfe, 0, 0, 0x0b};
static const uint8_t six_slaac_mine[16] = {0x20, 1,    0xd,  0xb8, 0,    0, 0, 0,
                                           0x02, 0x16, 0x3e, 0xff, 0xfe, 0, 0, 0x0a};

static int set_up(void **state)
{
    (void)state;
    guard_init(&guard, mac_a);
    assert_true(guard_allow_ipv4(&guard, MINE));
    assert_true(guard_allow_ipv6(&guard, six_mine));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    packets_free();
    return 0;
}

static enum guard_reason check(void)
{
    packet_of(&packet, &frame, 0);
    inet_parse(&in, &packet);
    return guard_check(&guard, &packet, &in, now);
}

static void its_own_packets_pass(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, MINE, 1, OTHERS, 2, 100);
    assert_int_equal(check(), GUARD_PASS);
    frame_tcp4(&frame, mac_a, MINE, 1, OTHERS, 2, TCP_SYN, 0);
    assert_int_equal(check(), GUARD_PASS);
    frame_eth(&frame, mac_broadcast, mac_a, ETHERTYPE_ARP);
    frame_arp(&frame, 1, mac_a, MINE, NULL, OTHERS);
    assert_int_equal(check(), GUARD_PASS);
}

static void another_mac_is_refused_and_counted(void **state)
{
    uint8_t group[6] = {0x01, 0, 0x5e, 0, 0, 1};

    (void)state;
    frame_udp4(&frame, mac_b, MINE, 1, OTHERS, 2, 100);
    assert_int_equal(check(), GUARD_MAC);
    frame_udp4(&frame, group, MINE, 1, OTHERS, 2, 100);
    assert_int_equal(check(), GUARD_MAC);
    assert_int_equal(guard.refused[GUARD_MAC], 2);
    assert_int_equal(guard.refused[GUARD_PASS], 0);
}

static void another_ipv4_source_is_refused(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, OTHERS, 1, MINE, 2, 100);
    assert_int_equal(check(), GUARD_IPV4);
    frame_udp4(&frame, mac_a, 0, 1, OTHERS, 2, 100);
    assert_int_equal(check(), GUARD_IPV4);
    guard.any_address = true;
    frame_udp4(&frame, mac_a, OTHERS, 1, MINE, 2, 100);
    assert_int_equal(check(), GUARD_PASS);
    frame_udp4(&frame, mac_a, 0xffffffffu, 1, MINE, 2, 100);
    assert_int_equal(check(), GUARD_IPV4);
    frame_udp4(&frame, mac_a, IP(127, 0, 0, 1), 1, MINE, 2, 100);
    assert_int_equal(check(), GUARD_IPV4);
}

static enum guard_reason check_arp_frame(uint16_t operation, const uint8_t *from_mac, uint32_t from,
                                         uint32_t to)
{
    frame_eth(&frame, mac_broadcast, mac_a, ETHERTYPE_ARP);
    frame_arp(&frame, operation, from_mac, from, mac_b, to);
    return check();
}

static void arp_tells_only_of_itself(void **state)
{
    (void)state;
    assert_int_equal(check_arp_frame(1, mac_a, MINE, OTHERS), GUARD_PASS);
    assert_int_equal(check_arp_frame(2, mac_a, MINE, OTHERS), GUARD_PASS);
    assert_int_equal(check_arp_frame(1, mac_a, MINE, MINE), GUARD_PASS); /* gratuitous */
    assert_int_equal(check_arp_frame(1, mac_a, 0, OTHERS), GUARD_PASS);  /* probe */
    assert_int_equal(check_arp_frame(2, mac_a, 0, OTHERS), GUARD_ARP);
    assert_int_equal(check_arp_frame(2, mac_a, OTHERS, MINE), GUARD_ARP);
    assert_int_equal(check_arp_frame(1, mac_a, OTHERS, OTHERS), GUARD_ARP);
    assert_int_equal(check_arp_frame(1, mac_b, MINE, OTHERS), GUARD_ARP);
    assert_int_equal(check_arp_frame(3, mac_a, MINE, OTHERS), GUARD_ARP);
    guard.any_address = true;
    assert_int_equal(check_arp_frame(2, mac_a, OTHERS, MINE), GUARD_PASS);
    assert_int_equal(check_arp_frame(2, mac_b, OTHERS, MINE), GUARD_ARP);
}

static void tags_and_frames_for_switches_are_refused(void **state)
{
    const uint8_t bpdu[6] = {0x01, 0x80, 0xc2, 0, 0, 0};
    const uint16_t others[] = {ETHERTYPE_SVLAN, 0x9100};

    (void)state;
    guard.any_address = true;
    frame_eth(&frame, mac_b, mac_a, ETHERTYPE_IPV4);
    frame_vlan(&frame, 5);
    frame_ipv4(&frame, PROTO_UDP, MINE, OTHERS);
    frame_udp(&frame, 1, 2);
    frame_finish(&frame);
    assert_int_equal(check(), GUARD_VLAN);
    frame_eth(&frame, mac_b, mac_a, ETHERTYPE_IPV4);
    frame_vlan(&frame, 0); /* priority only is a tag, too */
    frame_fill(&frame, 60);
    assert_int_not_equal(check(), GUARD_PASS);
    for (uint32_t i = 0; i < 2; i++) {
        frame_eth(&frame, mac_b, mac_a, others[i]);
        frame_fill(&frame, 60);
        assert_int_equal(check(), GUARD_VLAN);
    }
    frame_eth(&frame, bpdu, mac_a, 38);
    frame_fill(&frame, 46);
    assert_int_equal(check(), GUARD_ETHERTYPE);
    frame_eth(&frame, mac_b, mac_a, 0x88b5);
    assert_int_equal(check(), GUARD_PASS);
    guard.any_address = false;
    assert_int_equal(check(), GUARD_ETHERTYPE);
}

static void a_runt_and_a_lying_offload_are_malformed(void **state)
{
    (void)state;
    frame_eth(&frame, mac_b, mac_a, ETHERTYPE_IPV4);
    frame.length = 13;
    assert_int_equal(check(), GUARD_MALFORMED);
    frame_udp4(&frame, mac_a, MINE, 1, OTHERS, 2, 100);
    packet_of(&packet, &frame, 0);
    packet.offload = (struct net_offload){.flags = NET_NEEDS_CHECKSUM, .csum_start = 22, .csum_offset = 4};
    inet_parse(&in, &packet);
    assert_int_equal(guard_check(&guard, &packet, &in, now), GUARD_MALFORMED);
}

static void routers_and_servers_are_not_played(void **state)
{
    (void)state;
    guard.any_address = true;
    frame_udp4(&frame, mac_a, MINE, 67, OTHERS, 68, 300);
    assert_int_equal(check(), GUARD_DHCP_SERVER);
    frame_eth(&frame, mac_b, mac_a, ETHERTYPE_IPV4);
    frame_ipv4(&frame, PROTO_ICMP, MINE, OTHERS);
    frame_icmp(&frame, ICMP_REDIRECT, 1, 0);
    frame_finish(&frame);
    assert_int_equal(check(), GUARD_ROUTER);
    frame_eth(&frame, mac_b, mac_a, ETHERTYPE_IPV6);
    frame_ipv6(&frame, PROTO_UDP, six_link_mine, six_all);
    frame_udp(&frame, 547, 546);
    frame_finish(&frame);
    assert_int_equal(check(), GUARD_DHCP_SERVER);
}

static void source_routes_are_refused_and_other_options_pass(void **state)
{
    static const struct {
        uint8_t option[8];
        enum guard_reason reason;
    } cases[] = {
        {{131, 7, 4, 10, 0, 0, 9, 0}, GUARD_ROUTER},
        {{1, 1, 137, 3, 4, 0, 0, 0}, GUARD_ROUTER},
        {{148, 4, 0, 0, 0, 0, 0, 0}, GUARD_PASS}, /* router alert */
        {{148, 0, 131, 0, 0, 0, 0, 0}, GUARD_ROUTER},
        {{1, 1, 1, 1, 1, 1, 1, 148}, GUARD_ROUTER}, /* ends in its middle */
        {{0, 131, 131, 131, 131, 131, 131, 131}, GUARD_PASS},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        frame_eth(&frame, mac_b, mac_a, ETHERTYPE_IPV4);
        frame_ipv4(&frame, PROTO_UDP, MINE, OTHERS);
        frame.bytes[14] = 0x47;
        frame_bytes(&frame, cases[i].option, 8);
        frame.transport = frame.length;
        frame_udp(&frame, 1, 2);
        frame_finish(&frame);
        assert_int_equal(check(), cases[i].reason);
    }
}

static void fragments_that_hide_headers_are_refused(void **state)
{
    (void)state;
    frame_tcp4(&frame, mac_a, MINE, 1, OTHERS, 2, TCP_SYN, 100);
    put16(frame.bytes + 14 + IP4_FRAGMENT, 1); /* rewrites flags of the first */
    assert_int_equal(check(), GUARD_FRAGMENT);
    put16(frame.bytes + 14 + IP4_FRAGMENT, 185);
    assert_int_equal(check(), GUARD_PASS);
    frame.length = 14 + 20 + 16; /* a first one without the whole TCP header */
    put16(frame.bytes + 14 + IP4_TOTAL, 36);
    put16(frame.bytes + 14 + IP4_FRAGMENT, IP4_MORE_FRAGMENTS);
    assert_int_equal(check(), GUARD_MALFORMED);
}

/* ---- IPv6 ------------------------------------------------------------------------------------- */

static enum guard_reason check_udp6(const uint8_t *from)
{
    frame_eth(&frame, mac_b, mac_a, ETHERTYPE_IPV6);
    frame_ipv6(&frame, PROTO_UDP, from, six_others);
    frame_udp(&frame, 1, 2);
    frame_finish(&frame);
    return check();
}

static void ipv6_sources_are_its_own(void **state)
{
    (void)state;
    assert_int_equal(check_udp6(six_mine), GUARD_PASS);
    assert_int_equal(check_udp6(six_link_mine), GUARD_PASS);
    assert_int_equal(check_udp6(six_others), GUARD_IPV6);
    assert_int_equal(check_udp6(six_link_others), GUARD_IPV6);
    assert_int_equal(check_udp6(six_nobody), GUARD_IPV6);
    assert_int_equal(check_udp6(six_all), GUARD_IPV6);
    assert_int_equal(check_udp6(six_slaac_mine), GUARD_IPV6);
    guard.learn = true;
    assert_int_equal(check_udp6(six_slaac_mine), GUARD_PASS);
    guard.any_address = true;
    assert_int_equal(check_udp6(six_others), GUARD_PASS);
    assert_int_equal(check_udp6(six_all), GUARD_IPV6);
}

static enum guard_reason check_nd(uint8_t type, const uint8_t *from, const uint8_t *target, uint8_t option,
                                  const uint8_t *option_mac)
{
    frame_eth(&frame, mac_b, mac_a, ETHERTYPE_IPV6);
    frame_ipv6(&frame, PROTO_ICMP6, from, six_all);
    frame_icmp(&frame, type, 0, 0);
    if (target)
        frame_bytes(&frame, target, 16);
    if (option) {
        uint8_t head[2] = {option, 1};

        frame_bytes(&frame, head, 2);
        frame_bytes(&frame, option_mac, 6);
    }
    frame_finish(&frame);
    return check();
}

static void neighbour_discovery_tells_only_of_itself(void **state)
{
    enum { NS = ICMP6_NEIGHBOR_SOLICITATION, NA = ICMP6_NEIGHBOR_ADVERTISEMENT };

    (void)state;
    assert_int_equal(check_nd(NS, six_mine, six_others, 1, mac_a), GUARD_PASS);
    assert_int_equal(check_nd(NS, six_mine, six_others, 1, mac_b), GUARD_NEIGHBOR);
    assert_int_equal(check_nd(NS, six_nobody, six_mine, 0, NULL), GUARD_PASS); /* is it taken? */
    assert_int_equal(check_nd(NS, six_nobody, six_others, 0, NULL), GUARD_NEIGHBOR);
    assert_int_equal(check_nd(NA, six_mine, six_mine, 2, mac_a), GUARD_PASS);
    assert_int_equal(check_nd(NA, six_mine, six_others, 2, mac_a), GUARD_NEIGHBOR);
    assert_int_equal(check_nd(NA, six_mine, six_mine, 2, mac_b), GUARD_NEIGHBOR);
    assert_int_equal(check_nd(ICMP6_ROUTER_SOLICITATION, six_link_mine, NULL, 1, mac_a), GUARD_PASS);
    assert_int_equal(check_nd(ICMP6_ROUTER_SOLICITATION, six_link_mine, NULL, 1, mac_b), GUARD_NEIGHBOR);
    assert_int_equal(check_nd(ICMP6_ROUTER_ADVERTISEMENT, six_link_mine, NULL, 0, NULL), GUARD_ROUTER);
    assert_int_equal(check_nd(ICMP6_REDIRECT, six_link_mine, six_others, 0, NULL), GUARD_ROUTER);
    assert_int_equal(check_nd(NA, six_mine, NULL, 0, NULL), GUARD_NEIGHBOR); /* cut short */
    check_nd(NA, six_mine, six_mine, 2, mac_a);
    frame.bytes[14 + 40 + 24 + 1] = 0; /* an option without length */
    assert_int_equal(check(), GUARD_NEIGHBOR);
    frame.bytes[14 + 40 + 24 + 1] = 9; /* beyond the end */
    assert_int_equal(check(), GUARD_NEIGHBOR);
}

static void router_advertisements_do_not_hide_behind_headers(void **state)
{
    uint8_t options[8] = {PROTO_ICMP6, 0};
    uint8_t fragment[8] = {PROTO_ICMP6, 0, 0, 1};

    (void)state;
    frame_eth(&frame, six_all, mac_a, ETHERTYPE_IPV6);
    frame_ipv6(&frame, 60, six_link_mine, six_all);
    frame_bytes(&frame, options, 8);
    frame_icmp(&frame, ICMP6_ROUTER_ADVERTISEMENT, 0, 0);
    frame_fill(&frame, 8);
    put16(frame.bytes + 14 + IP6_PAYLOAD, 24);
    assert_int_equal(check(), GUARD_ROUTER);
    frame.bytes[14 + IP6_NEXT] = 44;
    memcpy(frame.bytes + 54, fragment, 8);
    assert_int_equal(check(), GUARD_ROUTER);
    frame.bytes[62] = ICMP6_NEIGHBOR_ADVERTISEMENT;
    assert_int_equal(check(), GUARD_NEIGHBOR);
    frame.bytes[54] = 60; /* the chain goes on in the next fragment */
    frame.bytes[63] = 100;
    assert_int_equal(check(), GUARD_MALFORMED);
}

/* ---- DHCP ------------------------------------------------------------------------------------- */

static void dhcp_make(bool request, const uint8_t *mac, uint32_t xid, uint8_t type, uint32_t from,
                      uint32_t yours, uint32_t lease_s)
{
    uint8_t bootp[DHCP_OPTIONS + 10] = {request ? 1 : 2, 1, 6};
    uint8_t *option = bootp + DHCP_OPTIONS;

    put32(bootp + DHCP_XID, xid);
    put32(bootp + DHCP_YOUR_IP, yours);
    memcpy(bootp + DHCP_MAC, mac, 6);
    put32(bootp + DHCP_COOKIE, DHCP_COOKIE_VALUE);
    memcpy(option, (uint8_t[]){DHCP_OPTION_TYPE, 1, type, DHCP_OPTION_LEASE, 4}, 5);
    put32(option + 5, lease_s);
    option[9] = DHCP_OPTION_END;
    frame_eth(&frame, mac_broadcast, request ? mac_a : mac_router, ETHERTYPE_IPV4);
    frame_ipv4(&frame, PROTO_UDP, from, 0xffffffffu);
    frame_udp(&frame, request ? 68 : 67, request ? 67 : 68);
    frame_bytes(&frame, bootp, sizeof(bootp));
    frame_finish(&frame);
}

static void a_client_asks_for_itself_only(void **state)
{
    (void)state;
    dhcp_make(true, mac_a, 7, DHCP_DISCOVER, 0, 0, 0);
    assert_int_equal(check(), GUARD_PASS);
    dhcp_make(true, mac_b, 7, DHCP_DISCOVER, 0, 0, 0);
    assert_int_equal(check(), GUARD_DHCP_CLIENT);
    dhcp_make(true, mac_a, 7, DHCP_REQUEST, OTHERS, 0, 0);
    assert_int_equal(check(), GUARD_IPV4);
    dhcp_make(true, mac_a, 7, DHCP_REQUEST, 0, 0, 0);
    put32(frame.bytes + 14 + IP4_TO, OTHERS); /* from nobody, to somebody */
    assert_int_equal(check(), GUARD_IPV4);
    dhcp_make(true, mac_a, 7, DHCP_DISCOVER, 0, 0, 0);
    frame.bytes[42] = 2; /* says it is a reply */
    assert_int_equal(check(), GUARD_DHCP_CLIENT);
    dhcp_make(true, mac_a, 7, DHCP_DISCOVER, 0, 0, 0);
    frame.length = 60;
    put16(frame.bytes + 14 + IP4_TOTAL, 46);
    put16(frame.bytes + 34 + UDP_LENGTH, 26);
    assert_int_equal(check(), GUARD_MALFORMED);
}

static void what_was_judged_is_what_goes_on(void **state)
{
    const uint8_t *shared;

    (void)state;
    dhcp_make(true, mac_a, 7, DHCP_DISCOVER, 0, 0, 0);
    packet_of(&packet, &frame, 0);
    inet_parse(&in, &packet);
    assert_int_equal(packet.piece_count, 1);
    shared = packet.pieces[0].at; /* the VM can still write there */
    assert_int_equal(guard_check(&guard, &packet, &in, now), GUARD_PASS);
    assert_int_equal(packet.piece_count, 1);
    assert_ptr_not_equal(packet.pieces[0].at, shared);
    assert_memory_equal(packet.pieces[0].at, shared, packet.pieces[0].bytes);
}

static bool learn(const uint8_t *mac, uint32_t xid, uint8_t type, uint32_t yours, uint32_t lease_s)
{
    dhcp_make(false, mac, xid, type, IP(10, 0, 0, 254), yours, lease_s);
    packet_of(&packet, &frame, 0);
    assert_int_equal(inet_parse(&in, &packet), INET_FINE);
    return guard_learn(&guard, &packet, &in, now);
}

static void ask(uint32_t xid, uint8_t type, uint32_t from)
{
    dhcp_make(true, mac_a, xid, type, from, 0, 0);
    assert_int_equal(check(), GUARD_PASS);
}

static void an_address_is_learned_for_its_lease(void **state)
{
    uint32_t given = IP(10, 0, 0, 77);

    (void)state;
    guard.learn = true;
    assert_false(learn(mac_a, 7, DHCP_ACK, given, 60)); /* it never asked */
    ask(7, DHCP_REQUEST, 0);
    assert_false(learn(mac_a, 8, DHCP_ACK, given, 60));
    assert_false(learn(mac_b, 7, DHCP_ACK, given, 60));
    assert_false(learn(mac_a, 7, DHCP_OFFER, given, 60));
    frame_udp4(&frame, mac_a, given, 1, OTHERS, 2, 100);
    assert_int_equal(check(), GUARD_IPV4);
    assert_true(learn(mac_a, 7, DHCP_ACK, given, 60));
    frame_udp4(&frame, mac_a, given, 1, OTHERS, 2, 100);
    assert_int_equal(check(), GUARD_PASS);
    now += 59999;
    assert_int_equal(check(), GUARD_PASS);
    now += 1;
    assert_int_equal(check(), GUARD_IPV4);
    assert_int_equal(guard_learned(&guard, now), 0);
}

static void an_address_given_back_is_forgotten(void **state)
{
    uint32_t given = IP(10, 0, 0, 77);

    (void)state;
    guard.learn = true;
    ask(7, DHCP_REQUEST, 0);
    assert_true(learn(mac_a, 7, DHCP_ACK, given, 0xffffffffu));
    ask(8, DHCP_RELEASE, given);
    assert_int_equal(guard_learned(&guard, now), 0);
    ask(9, DHCP_REQUEST, 0);
    assert_true(learn(mac_a, 9, DHCP_ACK, given, 60));
    assert_true(learn(mac_a, 9, DHCP_NAK, 0, 0));
    assert_int_equal(guard_learned(&guard, now), 0);
}

static void without_learning_an_ack_changes_nothing(void **state)
{
    (void)state;
    ask(7, DHCP_REQUEST, 0);
    assert_false(learn(mac_a, 7, DHCP_ACK, OTHERS, 60));
    frame_udp4(&frame, mac_a, OTHERS, 1, MINE, 2, 100);
    assert_int_equal(check(), GUARD_IPV4);
}

static void lists_are_bounded_and_reasons_have_names(void **state)
{
    (void)state;
    for (uint32_t i = 1; i < GUARD_IPV4_MAX; i++)
        assert_true(guard_allow_ipv4(&guard, MINE + i));
    assert_false(guard_allow_ipv4(&guard, MINE));
    for (uint32_t i = 1; i < GUARD_IPV6_MAX; i++)
        assert_true(guard_allow_ipv6(&guard, six_mine));
    assert_false(guard_allow_ipv6(&guard, six_mine));
    for (enum guard_reason i = 0; i < GUARD_REASONS; i++)
        assert_non_null(guard_reason_text(i));
    assert_string_equal(guard_reason_text(GUARD_REASONS), "unknown");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(its_own_packets_pass),
        T(another_mac_is_refused_and_counted),
        T(another_ipv4_source_is_refused),
        T(arp_tells_only_of_itself),
        T(tags_and_frames_for_switches_are_refused),
        T(a_runt_and_a_lying_offload_are_malformed),
        T(routers_and_servers_are_not_played),
        T(source_routes_are_refused_and_other_options_pass),
        T(fragments_that_hide_headers_are_refused),
        T(ipv6_sources_are_its_own),
        T(neighbour_discovery_tells_only_of_itself),
        T(router_advertisements_do_not_hide_behind_headers),
        T(a_client_asks_for_itself_only),
        T(what_was_judged_is_what_goes_on),
        T(an_address_is_learned_for_its_lease),
        T(an_address_given_back_is_forgotten),
        T(without_learning_an_ack_changes_nothing),
        T(lists_are_bounded_and_reasons_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
