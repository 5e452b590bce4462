/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_net_route.c - claims about the router: between networks and the uplink, what passes, how, and who is
 * told if not
 *
 * links: tests/unit/net_frames.c services/netdrv/packet.c services/netdrv/inet.c services/netdrv/offload.c
 *        services/netdrv/bucket.c services/netdrv/arp.c services/netdrv/icmp.c services/netdrv/nat.c
 *        services/netdrv/nat_table.c services/netdrv/dhcp.c services/netdrv/dhcp_message.c
 * services/netdrv/route.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net_frames.h"
#include "net_router.h"
#include "services/netdrv/dhcp_message.h"
#include "services/netdrv/route.h"

enum { SECOND_NAT_LINK = 5 };

static const uint8_t mac_uplink[6] = {0x52, 0x54, 0, 0, 0, 1};
static const uint8_t mac_plain[6] = {0x52, 0x54, 0, 0, 0, 3};

static struct frame frame;
static struct packet packet;
static struct inet in;
static struct router router;
static struct nat_flow flows[NAT_FLOWS];
static uint64_t now;

static struct {
    uint32_t link;
    struct frame frame;
} sent[8];
static uint32_t sent_count;

static void on_send(void *context, uint32_t link, struct packet *p)
{
    assert_ptr_equal(context, &sent);
    sent[sent_count % 8].link = link;
    frame_of(&sent[sent_count % 8].frame, p);
    sent_count++;
}

static void hear_arp(uint32_t link, uint16_t operation, const uint8_t *mac, uint32_t from, uint32_t to)
{
    frame_eth(&frame, router.links[link].mac, mac, ETHERTYPE_ARP);
    frame_arp(&frame, operation, mac, from, NULL, to);
    packet_of(&packet, &frame, 0);
    inet_parse(&in, &packet);
    router_receive(&router, link, &packet, &in, 0, 0, now);
}

static void link_make(uint32_t link, uint32_t ip, const uint8_t *mac, enum route_mode mode)
{
    router.links[link] = (struct route_link){
        .used = true, .ip = ip, .prefix = 24, .mtu = 1500, .mode = mode, .proxy_arp = true};
    memcpy(router.links[link].mac, mac, 6);
}

static int set_up(void **state)
{
    struct nat_forward ssh = {PROTO_TCP, 2222, VM, 22};

    (void)state;
    now = 50000;
    memset(&router, 0, sizeof(router));
    router.send = on_send;
    router.context = &sent;
    router.gateway = GATEWAY;
    link_make(ROUTE_UPLINK, UPLINK_IP, mac_uplink, ROUTE_PLAIN);
    link_make(NAT_LINK, NAT_IP, mac_router, ROUTE_NAT);
    link_make(PLAIN_LINK, PLAIN_IP, mac_plain, ROUTE_PLAIN);
    link_make(SECOND_NAT_LINK, IP(10, 0, 4, 1), mac_b, ROUTE_NAT);
    router.links[NAT_LINK].dhcp_server = true;
    router.dhcp[NAT_LINK].server_ip = NAT_IP;
    router.dhcp[NAT_LINK].prefix = 24;
    router.dhcp[NAT_LINK].first = router.dhcp[NAT_LINK].last = VM;
    assert_int_equal(router_init(&router, flows, false, now), 0);
    assert_true(nat_add_forward(&router.nat, &ssh));
    hear_arp(NAT_LINK, 1, mac_a, VM, NAT_IP);
    hear_arp(PLAIN_LINK, 1, mac_a, PLAIN_VM, PLAIN_IP);
    hear_arp(ROUTE_UPLINK, 1, mac_gateway, GATEWAY, UPLINK_IP);
    sent_count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    packets_free();
    return 0;
}

static void receive(uint32_t link)
{
    memcpy(frame.bytes + ETH_TO, router.links[link].mac, 6);
    packet_of(&packet, &frame, 0);
    inet_parse(&in, &packet);
    router_receive(&router, link, &packet, &in, 3, 0, now);
}

/* The n-th frame that was sent. */
static struct inet expect_sent(uint32_t n, uint32_t link, const uint8_t *to_mac)
{
    assert_true(sent_count > n);
    assert_int_equal(sent[n].link, link);
    assert_memory_equal(sent[n].frame.bytes + ETH_TO, to_mac, 6);
    assert_memory_equal(sent[n].frame.bytes + ETH_FROM, router.links[link].mac, 6);
    return frame_expect_sound(&sent[n].frame);
}

static void expect_told(uint32_t link, uint32_t to, uint8_t type, uint8_t code)
{
    struct inet e = expect_sent(0, link, link == ROUTE_UPLINK ? mac_gateway : mac_a);

    assert_int_equal(sent_count, 1);
    assert_int_equal(e.protocol, PROTO_ICMP);
    assert_int_equal(e.icmp_type, type);
    assert_int_equal(e.icmp_code, code);
    assert_int_equal(e.to4, to);
    assert_int_equal(e.from4, router.links[link].ip);
    assert_memory_equal(sent[0].frame.bytes + 42, frame.bytes + 14, 28); /* quotes it as it was sent */
}

static uint8_t ttl_of(const struct frame *f)
{
    return f->bytes[14 + IP4_TTL];
}

static void from_nat_it_goes_out_translated_and_comes_back(void **state)
{
    struct inet s;

    (void)state;
    frame_udp4(&frame, mac_a, VM, 4000, FAR, 53, 30);
    frame_fill(&frame, 10); /* padding that must not go on */
    receive(NAT_LINK);
    s = expect_sent(0, ROUTE_UPLINK, mac_gateway);
    assert_int_equal(s.from4, UPLINK_IP);
    assert_int_equal(s.to4, FAR);
    assert_int_equal(sent[0].frame.length, 72);
    assert_int_equal(ttl_of(&sent[0].frame), 63);
    frame_udp4(&frame, mac_gateway, FAR, 53, UPLINK_IP, 4000, 30);
    receive(ROUTE_UPLINK);
    s = expect_sent(1, NAT_LINK, mac_a);
    assert_int_equal(s.to4, VM);
    assert_int_equal(router.forwarded, 2);
    assert_int_equal(router.nat.owners[3].count, 1);
}

static void from_a_plain_network_it_goes_both_ways_as_it_is(void **state)
{
    struct inet s;

    (void)state;
    frame_tcp4(&frame, mac_a, PLAIN_VM, 4000, FAR, 80, TCP_SYN, 0);
    receive(PLAIN_LINK);
    s = expect_sent(0, ROUTE_UPLINK, mac_gateway);
    assert_int_equal(s.from4, PLAIN_VM);
    frame_tcp4(&frame, mac_gateway, FAR, 80, PLAIN_VM, 4000, TCP_SYN, 0); /* unasked for, too */
    receive(ROUTE_UPLINK);
    s = expect_sent(1, PLAIN_LINK, mac_a);
    assert_int_equal(s.to4, PLAIN_VM);
    assert_int_equal(ttl_of(&sent[1].frame), 63);
}

static void a_neighbour_on_the_uplink_is_reached_directly(void **state)
{
    uint8_t mac_near[6] = {0x52, 0x54, 0, 0, 0, 99};

    (void)state;
    frame_udp4(&frame, mac_a, VM, 4000, IP(10, 0, 2, 99), 53, 30);
    receive(NAT_LINK);
    assert_int_equal(sent[0].link, ROUTE_UPLINK);
    assert_int_equal(get16(sent[0].frame.bytes + ETH_TYPE), ETHERTYPE_ARP);
    assert_int_equal(get32(sent[0].frame.bytes + 14 + ARP_TO_IP), IP(10, 0, 2, 99));
    hear_arp(ROUTE_UPLINK, 2, mac_near, IP(10, 0, 2, 99), UPLINK_IP);
    expect_sent(1, ROUTE_UPLINK, mac_near);
}

static void the_forwarded_port_leads_to_its_vm(void **state)
{
    struct inet s;

    (void)state;
    frame_tcp4(&frame, mac_gateway, FAR, 5000, UPLINK_IP, 2222, TCP_SYN, 0);
    receive(ROUTE_UPLINK);
    s = expect_sent(0, NAT_LINK, mac_a);
    assert_int_equal(s.to4, VM);
    assert_int_equal(s.to_port, 22);
    frame_tcp4(&frame, mac_gateway, FAR, 5000, UPLINK_IP, 2223, TCP_SYN, 0);
    receive(ROUTE_UPLINK);
    assert_int_equal(sent_count, 1); /* not even a reset */
    assert_int_equal(router.dropped[ROUTE_DROP_NO_FLOW], 1);
}

static void time_exceeded_is_told_to_the_sender(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, VM, 4000, FAR, 53, 30);
    frame.bytes[14 + IP4_TTL] = 1;
    frame_finish(&frame);
    receive(NAT_LINK);
    expect_told(NAT_LINK, VM, ICMP_TIME_EXCEEDED, 0);
    assert_int_equal(router.dropped[ROUTE_DROP_TTL], 1);
    sent_count = 0;
    frame_udp4(&frame, mac_gateway, FAR, 53, PLAIN_VM, 4000, 30);
    frame.bytes[14 + IP4_TTL] = 0;
    frame_finish(&frame);
    receive(ROUTE_UPLINK);
    expect_told(ROUTE_UPLINK, FAR, ICMP_TIME_EXCEEDED, 0);
}

static void too_big_is_told_if_it_must_not_be_cut(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, VM, 4000, FAR, 53, 1480);
    put16(frame.bytes + 14 + IP4_FRAGMENT, IP4_DONT_FRAGMENT);
    frame_finish(&frame);
    receive(NAT_LINK);
    expect_told(NAT_LINK, VM, ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED);
    assert_int_equal(get16(sent[0].frame.bytes + 34 + 6), 1500);
    frame_udp4(&frame, mac_a, VM, 4000, FAR, 53, 1480);
    receive(NAT_LINK);
    assert_int_equal(sent_count, 1);
    assert_int_equal(router.dropped[ROUTE_DROP_TOO_BIG], 2);
    frame_udp4(&frame, mac_a, VM, 4000, FAR, 53, 1472);
    receive(NAT_LINK);
    assert_int_equal(sent_count, 2);
}

static void a_large_packet_counts_by_its_segments(void **state)
{
    (void)state;
    for (uint16_t mss = 1460; mss <= 1461; mss++) {
        frame_tcp4(&frame, mac_a, VM, 4000, FAR, 80, TCP_ACK, 20000);
        memcpy(frame.bytes + ETH_TO, mac_router, 6);
        packet_of(&packet, &frame, 4096);
        inet_parse(&in, &packet);
        packet.offload = (struct net_offload){NET_NEEDS_CHECKSUM, NET_GSO_TCP4, 54, mss, 34, 16};
        put16(packet.head + 34 + TCP_CHECKSUM, sum_fold(sum_pseudo(&packet, &in, PROTO_TCP, 20020)));
        router_receive(&router, NAT_LINK, &packet, &in, 0, 0, now);
        assert_int_equal(router.forwarded, 1);
        assert_int_equal(router.dropped[ROUTE_DROP_TOO_BIG], mss - 1460);
    }
}

static void networks_do_not_reach_each_other(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, VM, 4000, PLAIN_VM, 53, 30);
    receive(NAT_LINK);
    expect_told(NAT_LINK, VM, ICMP_UNREACHABLE, ICMP_PROHIBITED);
    sent_count = 0;
    frame_udp4(&frame, mac_a, VM, 4000, IP(10, 0, 4, 1), 53, 30); /* nor the router's other address */
    receive(NAT_LINK);
    assert_int_equal(router.dropped[ROUTE_DROP_ISOLATED], 2);
    frame_udp4(&frame, mac_gateway, FAR, 4000, VM, 53, 30); /* nor anybody from outside a NAT network's */
    receive(ROUTE_UPLINK);
    assert_int_equal(router.dropped[ROUTE_DROP_NOT_OURS], 1);
    sent_count = 0;
    frame_tcp4(&frame, mac_a, VM, 4000, UPLINK_IP, 2222, TCP_SYN, 0); /* but through a forward */
    receive(NAT_LINK);
    assert_int_equal(expect_sent(0, NAT_LINK, mac_a).to_port, 22);
}

static void a_neighbour_is_reached_through_the_router_too(void **state)
{
    (void)state;
    hear_arp(NAT_LINK, 1, mac_b, VM + 1, NAT_IP);
    sent_count = 0;
    frame_udp4(&frame, mac_a, VM, 4000, VM + 1, 53, 30);
    receive(NAT_LINK);
    assert_int_equal(expect_sent(0, NAT_LINK, mac_b).from4, VM);
    frame_udp4(&frame, mac_a, VM, 4000, IP(10, 0, 3, 255), 53, 30);
    receive(NAT_LINK);
    assert_int_equal(router.dropped[ROUTE_DROP_NOT_OURS], 1);
}

static void sources_of_other_links_are_refused(void **state)
{
    static const struct {
        uint32_t link, from;
    } cases[] = {
        {NAT_LINK, FAR},
        {NAT_LINK, PLAIN_VM},
        {NAT_LINK, NAT_IP},
        {NAT_LINK, IP(10, 0, 3, 255)},
        {NAT_LINK, IP(10, 0, 3, 0)},
        {NAT_LINK, 0},
        {ROUTE_UPLINK, VM},
        {ROUTE_UPLINK, PLAIN_VM},
        {ROUTE_UPLINK, UPLINK_IP},
        {ROUTE_UPLINK, IP(127, 0, 0, 1)},
        {ROUTE_UPLINK, IP(224, 0, 0, 1)},
    };
    uint32_t count = sizeof(cases) / sizeof(cases[0]);

    (void)state;
    for (uint32_t i = 0; i < count; i++) {
        frame_udp4(&frame, mac_a, cases[i].from, 4000, cases[i].link == ROUTE_UPLINK ? PLAIN_VM : FAR, 53,
                   30);
        receive(cases[i].link);
    }
    assert_int_equal(router.dropped[ROUTE_DROP_SOURCE], count);
    assert_int_equal(sent_count, 0);
}

static void echo(uint32_t from, uint32_t to)
{
    frame_eth(&frame, mac_router, mac_a, ETHERTYPE_IPV4);
    frame_ipv4(&frame, PROTO_ICMP, from, to);
    frame_icmp(&frame, ICMP_ECHO, 0, 77);
    frame_fill(&frame, 57);
    frame_finish(&frame);
}

static void it_answers_pings_to_its_addresses(void **state)
{
    static const struct {
        uint32_t link, from, to;
    } cases[] = {
        {NAT_LINK, VM, NAT_IP},           {NAT_LINK, VM, UPLINK_IP},
        {PLAIN_LINK, PLAIN_VM, PLAIN_IP}, {ROUTE_UPLINK, GATEWAY, UPLINK_IP},
        {ROUTE_UPLINK, FAR, PLAIN_IP},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct inet s;

        sent_count = 0;
        echo(cases[i].from, cases[i].to);
        receive(cases[i].link);
        s = expect_sent(0, cases[i].link, cases[i].link == ROUTE_UPLINK ? mac_gateway : mac_a);
        assert_int_equal(s.icmp_type, ICMP_ECHO_REPLY);
        assert_int_equal(s.from4, cases[i].to);
        assert_int_equal(s.to4, cases[i].from);
        assert_memory_equal(sent[0].frame.bytes + 42, frame.bytes + 42, 57);
    }
}

static void a_closed_port_of_ours_says_so_inside_only(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, VM, 4000, NAT_IP, 53, 30);
    receive(NAT_LINK);
    expect_told(NAT_LINK, VM, ICMP_UNREACHABLE, 3);
    frame_udp4(&frame, mac_gateway, FAR, 4000, UPLINK_IP, 53, 30);
    receive(ROUTE_UPLINK);
    assert_int_equal(sent_count, 1);
}

static void who_does_not_answer_is_told_of_to_who_asked(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, VM, 123, IP(10, 0, 2, 50), 53, 30); /* its port changes on the way */
    receive(NAT_LINK);
    for (uint32_t i = 0; i < ARP_TRIES; i++) {
        now += 1000;
        sent_count = 0;
        router_tick(&router, now);
    }
    assert_int_equal(expect_sent(0, NAT_LINK, mac_a).to4, VM);
    assert_int_equal(sent[0].frame.bytes[34], ICMP_UNREACHABLE);
    assert_int_equal(sent[0].frame.bytes[35], ICMP_HOST_UNREACHABLE);
    assert_int_equal(get32(sent[0].frame.bytes + 42 + IP4_FROM), VM);
    assert_int_equal(get16(sent[0].frame.bytes + 62 + UDP_FROM), 123);
    /* And from outside about a VM that is not there. */
    frame_udp4(&frame, mac_gateway, FAR, 53, IP(172, 16, 0, 77), 4000, 30);
    receive(ROUTE_UPLINK);
    for (uint32_t i = 0; i < ARP_TRIES; i++) {
        now += 1000;
        sent_count = 0;
        router_tick(&router, now);
    }
    assert_int_equal(expect_sent(0, ROUTE_UPLINK, mac_gateway).to4, FAR);
}

static void errors_are_bounded(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        frame_udp4(&frame, mac_a, VM, 4000, NAT_IP, 53, 30);
        receive(NAT_LINK);
        packets_free();
    }
    assert_int_equal(sent_count, 50);
    now += 100;
    receive(NAT_LINK);
    assert_int_equal(sent_count, 51);
}

static void without_an_uplink_nothing_is_reachable_outside(void **state)
{
    (void)state;
    router.links[ROUTE_UPLINK].used = false;
    frame_udp4(&frame, mac_a, VM, 4000, FAR, 53, 30);
    receive(NAT_LINK);
    expect_told(NAT_LINK, VM, ICMP_UNREACHABLE, ICMP_NET_UNREACHABLE);
    router.links[ROUTE_UPLINK].used = true;
    router.gateway = 0;
    sent_count = 0;
    receive(NAT_LINK);
    expect_told(NAT_LINK, VM, ICMP_UNREACHABLE, ICMP_NET_UNREACHABLE);
}

static void what_cannot_be_translated_is_told(void **state)
{
    (void)state;
    frame_eth(&frame, mac_router, mac_a, ETHERTYPE_IPV4);
    frame_ipv4(&frame, 47, VM, FAR);
    frame_fill(&frame, 30);
    frame_finish(&frame);
    receive(NAT_LINK);
    expect_told(NAT_LINK, VM, ICMP_UNREACHABLE, 2);
    assert_int_equal(router.dropped[ROUTE_DROP_UNSUPPORTED], 1);
}

static void broken_headers_options_and_groups_are_not_forwarded(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, VM, 4000, FAR, 53, 30);
    frame.bytes[14 + IP4_CHECKSUM]++;
    receive(NAT_LINK);
    frame_udp4(&frame, mac_a, VM, 4000, FAR, 53, 30);
    put16(frame.bytes + 14 + IP4_TOTAL, 2000);
    receive(NAT_LINK);
    assert_int_equal(router.dropped[ROUTE_DROP_MALFORMED], 2);
    frame_udp4(&frame, mac_a, VM, 4000, IP(224, 0, 0, 5), 53, 30);
    receive(NAT_LINK);
    frame_udp4(&frame, mac_a, VM, 4000, IP(10, 0, 2, 255), 53, 30);
    receive(NAT_LINK);
    frame_udp4(&frame, mac_gateway, FAR, 4000, IP(172, 16, 0, 255), 53, 30);
    receive(ROUTE_UPLINK);
    assert_int_equal(router.dropped[ROUTE_DROP_NOT_OURS], 3);
    assert_int_equal(sent_count, 0);
    frame_udp4(&frame, mac_a, VM, 4000, FAR, 53, 30);
    packet_of(&packet, &frame, 0);
    inet_parse(&in, &packet);
    memcpy(packet.head + ETH_TO, mac_broadcast, 6);
    router_receive(&router, NAT_LINK, &packet, &in, 0, 0, now);
    memcpy(packet.head + ETH_TO, mac_gateway, 6); /* a frame for another MAC */
    router_receive(&router, NAT_LINK, &packet, &in, 0, 0, now);
    router_receive(&router, ROUTE_UPLINK + 1, &packet, &in, 0, 0, now);
    router_receive(&router, 3, &packet, &in, 0, 0, now); /* a link that is not used */
    assert_int_equal(sent_count, 0);
}

static void it_serves_dhcp_where_told_to(void **state)
{
    uint8_t bootp[DHCP_OPTIONS + 4] = {1, 1, 6};

    (void)state;
    put32(bootp + DHCP_COOKIE, DHCP_COOKIE_VALUE);
    memcpy(bootp + DHCP_MAC, mac_a, 6);
    memcpy(bootp + DHCP_OPTIONS, (uint8_t[]){DHCP_OPTION_TYPE, 1, DHCP_DISCOVER, DHCP_OPTION_END}, 4);
    for (uint32_t link = 0; link < 2; link++) {
        frame_eth(&frame, mac_broadcast, mac_a, ETHERTYPE_IPV4);
        frame_ipv4(&frame, PROTO_UDP, 0, 0xffffffffu);
        frame_udp(&frame, 68, 67);
        frame_bytes(&frame, bootp, sizeof(bootp));
        frame_finish(&frame);
        packet_of(&packet, &frame, 0);
        inet_parse(&in, &packet);
        router_receive(&router, link, &packet, &in, 0, 0, now);
    }
    assert_int_equal(sent_count, 1);
    assert_int_equal(sent[0].link, NAT_LINK);
    assert_int_equal(get32(sent[0].frame.bytes + 42 + DHCP_YOUR_IP), VM);
}

static void it_answers_on_the_uplink_for_plain_networks(void **state)
{
    (void)state;
    hear_arp(ROUTE_UPLINK, 1, mac_gateway, GATEWAY, PLAIN_VM);
    assert_int_equal(sent_count, 1);
    assert_int_equal(get16(sent[0].frame.bytes + 14 + ARP_OPERATION), 2);
    hear_arp(ROUTE_UPLINK, 1, mac_gateway, GATEWAY, VM);
    hear_arp(NAT_LINK, 1, mac_a, VM, PLAIN_VM);
    hear_arp(ROUTE_UPLINK, 1, mac_gateway, FAR, UPLINK_IP); /* from somebody who cannot be there */
    assert_int_equal(sent_count, 1);
    router_announce(&router);
    assert_int_equal(sent[1].link, ROUTE_UPLINK);
}

static void reasons_have_names(void **state)
{
    (void)state;
    for (enum route_drop i = 0; i < ROUTE_DROPS; i++)
        assert_non_null(route_drop_text(i));
    assert_string_equal(route_drop_text(ROUTE_DROPS), "unknown");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(from_nat_it_goes_out_translated_and_comes_back),
        T(from_a_plain_network_it_goes_both_ways_as_it_is),
        T(a_neighbour_on_the_uplink_is_reached_directly),
        T(the_forwarded_port_leads_to_its_vm),
        T(time_exceeded_is_told_to_the_sender),
        T(too_big_is_told_if_it_must_not_be_cut),
        T(a_large_packet_counts_by_its_segments),
        T(networks_do_not_reach_each_other),
        T(a_neighbour_is_reached_through_the_router_too),
        T(sources_of_other_links_are_refused),
        T(it_answers_pings_to_its_addresses),
        T(a_closed_port_of_ours_says_so_inside_only),
        T(who_does_not_answer_is_told_of_to_who_asked),
        T(errors_are_bounded),
        T(without_an_uplink_nothing_is_reachable_outside),
        T(what_cannot_be_translated_is_told),
        T(broken_headers_options_and_groups_are_not_forwarded),
        T(it_serves_dhcp_where_told_to),
        T(it_answers_on_the_uplink_for_plain_networks),
        T(reasons_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
