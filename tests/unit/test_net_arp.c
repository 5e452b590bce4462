/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_net_arp.c - claims about neighbours: asked, answered, remembered, forgotten, and packets that wait
 * meanwhile
 *
 * links: tests/unit/net_frames.c services/netdrv/packet.c services/netdrv/inet.c services/netdrv/offload.c
 *        services/netdrv/arp.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net_frames.h"
#include "services/netdrv/arp.h"

#define US IP(10, 0, 0, 254)
#define THEM IP(10, 0, 0, 1)

static struct frame frame, sent;
static struct packet packet;
static struct arp arp;
static struct arp_pool pool;
static uint32_t sent_count, returned_count;
static uint64_t now;

static void on_send(void *context, struct packet *p)
{
    assert_ptr_equal(context, &arp);
    frame_of(&sent, p);
    sent_count++;
}

static void on_unreachable(void *context, struct packet *p, uint64_t now_ms)
{
    (void)context;
    assert_int_equal(now_ms, now);
    assert_int_equal(get16(p->head + ETH_TYPE), ETHERTYPE_IPV4);
    returned_count++;
}

static bool answers_for(void *context, uint32_t ip)
{
    (void)context;
    return ip == IP(10, 9, 9, 9);
}

static int set_up(void **state)
{
    (void)state;
    memset(&pool, 0, sizeof(pool));
    arp = (struct arp){
        .ip = US, .send = on_send, .unreachable = on_unreachable, .context = &arp, .pool = &pool};
    memcpy(arp.mac, mac_router, 6);
    arp_init(&arp);
    sent_count = returned_count = 0;
    now = 1000;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    packets_free();
    return 0;
}

static void send_to(uint32_t ip, uint32_t payload)
{
    frame_udp4(&frame, mac_b, IP(1, 2, 3, 4), 1, IP(8, 8, 8, 8), 2, payload);
    packet_of(&packet, &frame, 0);
    arp_send(&arp, &packet, ip, now);
}

static void hear(uint16_t operation, const uint8_t *from_mac, uint32_t from, uint32_t to)
{
    struct inet in;

    frame_eth(&frame, mac_router, from_mac, ETHERTYPE_ARP);
    frame_arp(&frame, operation, from_mac, from, NULL, to);
    packet_of(&packet, &frame, 0);
    assert_int_equal(inet_parse(&in, &packet), INET_FINE);
    arp_receive(&arp, &packet, &in, now);
}

static void expect_arp(uint16_t operation, const uint8_t *to_mac, uint32_t from, uint32_t to)
{
    assert_int_equal(sent.length, 42);
    assert_int_equal(get16(sent.bytes + ETH_TYPE), ETHERTYPE_ARP);
    assert_memory_equal(sent.bytes + ETH_TO, to_mac, 6);
    assert_memory_equal(sent.bytes + ETH_FROM, mac_router, 6);
    assert_int_equal(get16(sent.bytes + 14 + ARP_OPERATION), operation);
    assert_memory_equal(sent.bytes + 14 + ARP_FROM_MAC, mac_router, 6);
    assert_int_equal(get32(sent.bytes + 14 + ARP_FROM_IP), from);
    assert_int_equal(get32(sent.bytes + 14 + ARP_TO_IP), to);
}

static void an_unknown_neighbour_is_asked_and_the_packet_waits(void **state)
{
    struct frame was;

    (void)state;
    send_to(THEM, 700);
    was = frame;
    assert_int_equal(sent_count, 1);
    expect_arp(1, mac_broadcast, US, THEM);
    hear(2, mac_a, THEM, US);
    assert_int_equal(sent_count, 2);
    assert_memory_equal(sent.bytes + ETH_TO, mac_a, 6);
    assert_memory_equal(sent.bytes + ETH_FROM, mac_router, 6);
    assert_int_equal(sent.length, was.length);
    assert_memory_equal(sent.bytes + 12, was.bytes + 12, was.length - 12);
    send_to(THEM, 10);
    assert_int_equal(sent_count, 3); /* at once now, and no question */
    assert_int_equal(get16(sent.bytes + ETH_TYPE), ETHERTYPE_IPV4);
}

static void a_question_for_us_is_answered_and_its_sender_known(void **state)
{
    uint8_t mac[6];

    (void)state;
    hear(1, mac_a, THEM, US);
    expect_arp(2, mac_a, US, THEM);
    assert_true(arp_lookup(&arp, THEM, mac));
    assert_memory_equal(mac, mac_a, 6);
    hear(1, mac_b, IP(10, 0, 0, 2), IP(10, 0, 0, 3)); /* somebody else's business */
    assert_int_equal(sent_count, 1);
    assert_false(arp_lookup(&arp, IP(10, 0, 0, 2), mac));
    hear(1, mac_b, 0, US); /* a probe: we defend our address */
    expect_arp(2, mac_b, US, 0);
}

static void an_answer_that_nobody_asked_for_makes_no_entry(void **state)
{
    uint8_t mac[6];

    (void)state;
    hear(2, mac_a, THEM, US);
    assert_false(arp_lookup(&arp, THEM, mac));
    hear(1, mac_a, THEM, US);
    hear(2, mac_b, THEM, THEM); /* but an entry that is there follows its owner */
    assert_true(arp_lookup(&arp, THEM, mac));
    assert_memory_equal(mac, mac_b, 6);
}

static void who_claims_our_address_changes_nothing(void **state)
{
    uint8_t mac[6], group[6] = {1, 2, 3, 4, 5, 6};

    (void)state;
    hear(2, mac_a, US, US);
    assert_false(arp_lookup(&arp, US, mac));
    hear(1, mac_a, US, US);
    expect_arp(2, mac_a, US, US);
    assert_false(arp_lookup(&arp, US, mac));
    hear(1, group, THEM, US);
    hear(1, mac_router, THEM, US);
    assert_false(arp_lookup(&arp, THEM, mac));
}

static void a_silent_neighbour_is_given_up_and_its_packets_come_back(void **state)
{
    (void)state;
    send_to(THEM, 10);
    send_to(THEM, 20);
    for (uint32_t i = 0; i < ARP_TRIES; i++) {
        assert_int_equal(sent_count, 1 + i);
        now += 1000;
        arp_tick(&arp, now);
    }
    assert_int_equal(sent_count, ARP_TRIES);
    assert_int_equal(returned_count, 2);
    send_to(THEM, 10);
    assert_int_equal(returned_count, 3); /* at once */
    now += ARP_UNREACHABLE_MS;
    arp_tick(&arp, now);
    send_to(THEM, 10);
    assert_int_equal(sent_count, ARP_TRIES + 1); /* asked again */
}

static void the_newest_packets_wait_and_not_too_many(void **state)
{
    uint32_t waiting = 0;

    (void)state;
    for (uint32_t i = 0; i < 10; i++, now++)
        send_to(THEM, i);
    assert_int_equal(arp.dropped, 10 - ARP_WAITING_PER_HOP);
    sent_count = 0;
    hear(2, mac_a, THEM, US);
    assert_int_equal(sent_count, ARP_WAITING_PER_HOP);
    for (uint32_t i = 0; i < 10; i++)
        send_to(IP(10, 0, 1, i), i);
    for (uint32_t i = 0; i < ARP_WAITING; i++)
        waiting += pool.waiting[i].link == &arp;
    assert_int_equal(waiting, ARP_WAITING / 2); /* the rest is for other links */
    send_to(IP(10, 0, 1, 1), 5000);
    assert_true(pool.waiting[0].length <= ARP_WAITING_BYTES);
}

static void a_scan_does_not_push_out_who_is_known(void **state)
{
    uint8_t mac[6];

    (void)state;
    hear(1, mac_a, THEM, US);
    for (uint32_t i = 2; i < 200; i++)
        send_to(IP(10, 0, 0, 0) + i, 10);
    assert_true(arp_lookup(&arp, THEM, mac));
    for (uint32_t i = 0; i < 10; i++) {
        now += 1000;
        arp_tick(&arp, now);
    }
    assert_true(arp_lookup(&arp, THEM, mac));
    send_to(IP(10, 0, 0, 201), 10); /* and there is room again */
    hear(2, mac_b, IP(10, 0, 0, 201), US);
    assert_true(arp_lookup(&arp, IP(10, 0, 0, 201), mac));
}

static void an_old_answer_is_confirmed_while_in_use_and_forgotten_otherwise(void **state)
{
    uint8_t mac[6];

    (void)state;
    hear(1, mac_a, THEM, US);
    sent_count = 0;
    now += ARP_FRESH_MS;
    send_to(THEM, 1);
    assert_int_equal(sent_count, 2); /* the question (to the neighbour itself), and the packet */
    send_to(THEM, 1);
    assert_int_equal(sent_count, 3);
    hear(2, mac_a, THEM, US);
    now += ARP_STALE_MS - 1;
    arp_tick(&arp, now);
    assert_true(arp_lookup(&arp, THEM, mac));
    now++;
    arp_tick(&arp, now);
    assert_false(arp_lookup(&arp, THEM, mac));
}

static void it_answers_for_others_if_told_to(void **state)
{
    (void)state;
    hear(1, mac_a, THEM, IP(10, 9, 9, 9));
    assert_int_equal(sent_count, 0);
    arp.answers_for = answers_for;
    hear(1, mac_a, THEM, IP(10, 9, 9, 9));
    expect_arp(2, mac_a, IP(10, 9, 9, 9), THEM);
    sent_count = 0;
    hear(1, mac_a, IP(10, 9, 9, 9), IP(10, 9, 9, 9)); /* an announcement is no question */
    hear(1, mac_a, THEM, IP(10, 9, 9, 8));
    assert_int_equal(sent_count, 0);
}

static void it_announces_itself(void **state)
{
    (void)state;
    arp_announce(&arp);
    expect_arp(1, mac_broadcast, US, US);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_unknown_neighbour_is_asked_and_the_packet_waits),
        T(a_question_for_us_is_answered_and_its_sender_known),
        T(an_answer_that_nobody_asked_for_makes_no_entry),
        T(who_claims_our_address_changes_nothing),
        T(a_silent_neighbour_is_given_up_and_its_packets_come_back),
        T(the_newest_packets_wait_and_not_too_many),
        T(a_scan_does_not_push_out_who_is_known),
        T(an_old_answer_is_confirmed_while_in_use_and_forgotten_otherwise),
        T(it_answers_for_others_if_told_to),
        T(it_announces_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
