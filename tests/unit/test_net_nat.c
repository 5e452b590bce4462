/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_net_nat.c - claims about address translation: replies find their way, others do not, and it survives a
 * restart
 *
 * links: tests/unit/net_frames.c services/netdrv/packet.c services/netdrv/inet.c services/netdrv/offload.c
 *        services/netdrv/nat.c services/netdrv/nat_table.c services/netdrv/icmp.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net_frames.h"
#include "services/netdrv/icmp.h"
#include "services/netdrv/nat.h"

#define OUTSIDE IP(192, 0, 2, 1)
#define VM_A IP(10, 0, 3, 100)
#define VM_B IP(10, 0, 3, 101)
#define SERVER IP(198, 51, 100, 7)
#define OTHER IP(198, 51, 100, 8)

static struct frame frame, out, before;
static struct packet packet;
static struct inet in;
static struct nat nat;
static struct nat_flow flows[NAT_FLOWS];
static uint64_t now;

static int set_up(void **state)
{
    (void)state;
    now = 100000;
    memset(flows, 0x5a, sizeof(flows));
    assert_int_equal(nat_init(&nat, OUTSIDE, flows, false, now), 0);
    return 0;
}

/* Every flow is on the lists that it should be on, and counted once. */
static void expect_table_sound(void)
{
    uint32_t used = 0, listed = 0, counted = 0;

    for (uint32_t i = 0; i < NAT_FLOWS; i++)
        used += flows[i].protocol != 0;
    for (uint32_t o = 0; o < NAT_OWNERS; o++) {
        counted += nat.owners[o].count;
        for (uint32_t k = 0; k < 2; k++) {
            for (uint16_t i = nat.owners[o].lists[k].oldest; i != 0xffff; i = flows[i].newer) {
                assert_int_equal(flows[i].owner, o);
                assert_true(++listed <= NAT_FLOWS);
            }
        }
    }
    for (uint16_t i = nat.free; i != 0xffff; i = flows[i].inside_next) {
        assert_int_equal(flows[i].protocol, 0);
        assert_true(++used <= NAT_FLOWS);
    }
    assert_int_equal(used, NAT_FLOWS);
    assert_int_equal(listed, counted);
}

static int tear_down(void **state)
{
    (void)state;
    expect_table_sound();
    packets_free();
    return 0;
}

static enum nat_verdict outbound(uint32_t owner)
{
    enum nat_verdict verdict;

    packet_of(&packet, &frame, 0);
    assert_int_equal(inet_parse(&in, &packet), INET_FINE);
    before = frame;
    verdict = nat_outbound(&nat, &packet, &in, owner, now);
    frame_of(&out, &packet);
    frame_expect_sound(&out);
    return verdict;
}

static enum nat_verdict inbound(void)
{
    enum nat_verdict verdict;

    packet_of(&packet, &frame, 0);
    assert_int_equal(inet_parse(&in, &packet), INET_FINE);
    verdict = nat_inbound(&nat, &packet, &in, now);
    frame_of(&out, &packet);
    frame_expect_sound(&out);
    if (verdict == NAT_NOT_MINE)
        assert_memory_equal(out.bytes, frame.bytes, frame.length);
    return verdict;
}

static void tcp(uint32_t from, uint16_t from_port, uint32_t to, uint16_t to_port, uint8_t flags)
{
    frame_tcp4(&frame, mac_a, from, from_port, to, to_port, flags, 77);
}

static void udp(uint32_t from, uint16_t from_port, uint32_t to, uint16_t to_port)
{
    frame_udp4(&frame, mac_a, from, from_port, to, to_port, 77);
}

static void expect_out(uint32_t from, uint16_t from_port, uint32_t to, uint16_t to_port)
{
    struct inet o = frame_expect_sound(&out);

    assert_int_equal(o.from4, from);
    assert_int_equal(o.from_port, from_port);
    assert_int_equal(o.to4, to);
    assert_int_equal(o.to_port, to_port);
    assert_int_equal(in.from4, from);
    assert_int_equal(in.to4, to);
    assert_int_equal(in.from_port, from_port);
    assert_int_equal(in.to_port, to_port);
}

static void a_connection_goes_out_and_its_replies_come_in(void **state)
{
    (void)state;
    tcp(VM_A, 40000, SERVER, 80, TCP_SYN);
    assert_int_equal(outbound(1), NAT_FORWARD);
    expect_out(OUTSIDE, 40000, SERVER, 80);
    tcp(SERVER, 80, OUTSIDE, 40000, TCP_SYN | TCP_ACK);
    assert_int_equal(inbound(), NAT_FORWARD);
    expect_out(SERVER, 80, VM_A, 40000);
    assert_memory_equal(out.bytes + 54, frame.bytes + 54, 77);
    udp(VM_A, 40000, SERVER, 53); /* the same ports, another protocol */
    assert_int_equal(outbound(1), NAT_FORWARD);
    expect_out(OUTSIDE, 40000, SERVER, 53);
}

static void what_nobody_asked_for_does_not_come_in(void **state)
{
    (void)state;
    tcp(VM_A, 40000, SERVER, 80, TCP_SYN);
    assert_int_equal(outbound(1), NAT_FORWARD);
    tcp(SERVER, 81, OUTSIDE, 40000, TCP_ACK);
    assert_int_equal(inbound(), NAT_NOT_MINE);
    tcp(OTHER, 80, OUTSIDE, 40000, TCP_ACK);
    assert_int_equal(inbound(), NAT_NOT_MINE);
    tcp(SERVER, 80, OUTSIDE, 40001, TCP_ACK);
    assert_int_equal(inbound(), NAT_NOT_MINE);
    udp(SERVER, 80, OUTSIDE, 40000);
    assert_int_equal(inbound(), NAT_NOT_MINE);
}

static void two_vms_with_the_same_ports_are_kept_apart(void **state)
{
    uint16_t port_b;

    (void)state;
    tcp(VM_A, 40000, SERVER, 80, TCP_SYN);
    assert_int_equal(outbound(1), NAT_FORWARD);
    tcp(VM_B, 40000, SERVER, 80, TCP_SYN);
    assert_int_equal(outbound(2), NAT_FORWARD);
    port_b = in.from_port;
    assert_int_not_equal(port_b, 40000);
    assert_true(port_b >= NAT_PORT_FIRST);
    tcp(SERVER, 80, OUTSIDE, port_b, TCP_ACK);
    assert_int_equal(inbound(), NAT_FORWARD);
    expect_out(SERVER, 80, VM_B, 40000);
    tcp(VM_B, 40000, OTHER, 80, TCP_SYN); /* elsewhere the port is free */
    assert_int_equal(outbound(2), NAT_FORWARD);
    assert_int_equal(in.from_port, 40000);
}

static void privileged_ports_become_others_and_the_same_each_time(void **state)
{
    uint16_t port;

    (void)state;
    udp(VM_A, 123, SERVER, 123);
    assert_int_equal(outbound(1), NAT_FORWARD);
    port = in.from_port;
    assert_true(port >= NAT_PORT_FIRST);
    now += 999;
    assert_int_equal(nat_init(&nat, OUTSIDE, flows, false, now), 0);
    udp(VM_A, 123, OTHER, 123);
    assert_int_equal(outbound(1), NAT_FORWARD);
    assert_int_equal(in.from_port, port);
}

/* ---- restart ---------------------------------------------------------------------------------- */

static void an_open_connection_goes_on_after_a_restart_by_its_next_packet(void **state)
{
    (void)state;
    tcp(VM_A, 40000, SERVER, 80, TCP_SYN);
    assert_int_equal(outbound(1), NAT_FORWARD);
    now += 5;
    nat_init(&nat, OUTSIDE, flows, false, now);
    tcp(SERVER, 80, OUTSIDE, 40000, TCP_ACK);
    assert_int_equal(inbound(), NAT_NOT_MINE); /* nobody knows whose: nothing is answered either */
    tcp(VM_A, 40000, SERVER, 80, TCP_ACK);     /* the middle of it */
    assert_int_equal(outbound(1), NAT_FORWARD);
    expect_out(OUTSIDE, 40000, SERVER, 80);
    tcp(SERVER, 80, OUTSIDE, 40000, TCP_ACK);
    assert_int_equal(inbound(), NAT_FORWARD);
}

static void with_its_table_kept_it_goes_on_from_either_side(void **state)
{
    (void)state;
    tcp(VM_A, 40000, SERVER, 80, TCP_SYN);
    assert_int_equal(outbound(1), NAT_FORWARD);
    tcp(VM_B, 40000, SERVER, 80, TCP_SYN);
    assert_int_equal(outbound(2), NAT_FORWARD);
    udp(VM_B, 5000, SERVER, 53);
    assert_int_equal(outbound(2), NAT_FORWARD);
    now += 31000; /* the DNS question is forgotten */
    assert_int_equal(nat_init(&nat, OUTSIDE, flows, true, now), 2);
    tcp(SERVER, 80, OUTSIDE, 40000, TCP_SYN | TCP_ACK);
    assert_int_equal(inbound(), NAT_FORWARD);
    expect_out(SERVER, 80, VM_A, 40000);
    nat_forget(&nat, 1);
    assert_int_equal(nat.owners[1].count, 0);
    assert_int_equal(nat.owners[2].count, 1);
}

static void what_is_damaged_or_doubled_is_not_adopted(void **state)
{
    struct nat_flow good;
    uint32_t kept;

    (void)state;
    tcp(VM_A, 40000, SERVER, 80, TCP_SYN);
    assert_int_equal(outbound(1), NAT_FORWARD);
    for (uint32_t i = 0; i < NAT_FLOWS; i++) {
        if (flows[i].protocol != 0)
            good = flows[i];
    }
    for (uint32_t byte = 0; byte < 24; byte++) {
        memset(flows, 0, sizeof(flows));
        flows[7] = good;
        ((uint8_t *)&flows[7])[byte] ^= 0x81;
        kept = nat_init(&nat, OUTSIDE, flows, true, now);
        /* The time, what was seen and the spare byte are not in the check. */
        if (kept != 0)
            assert_true(byte >= 16);
        expect_table_sound();
    }
    flows[3] = flows[9] = flows[2000] = good;
    assert_int_equal(nat_init(&nat, OUTSIDE, flows, true, now), 1);
    for (uint32_t i = 0; i < sizeof(flows); i++)
        ((uint8_t *)flows)[i] = (uint8_t)rand();
    (void)nat_init(&nat, OUTSIDE, flows, true, now);
}

/* ---- port forwards ---------------------------------------------------------------------------- */

static void forward_add(uint16_t outside, uint32_t ip, uint16_t inside)
{
    struct nat_forward forward = {PROTO_TCP, outside, ip, inside};

    assert_true(nat_add_forward(&nat, &forward));
    assert_false(nat_add_forward(&nat, &forward));
}

static void a_forwarded_port_leads_inside_and_its_answers_out(void **state)
{
    (void)state;
    forward_add(2222, VM_A, 22);
    tcp(SERVER, 50000, OUTSIDE, 2222, TCP_SYN);
    assert_int_equal(inbound(), NAT_FORWARD);
    expect_out(SERVER, 50000, VM_A, 22);
    tcp(VM_A, 22, SERVER, 50000, TCP_SYN | TCP_ACK);
    assert_int_equal(outbound(1), NAT_FORWARD);
    expect_out(OUTSIDE, 2222, SERVER, 50000);
    nat_init(&nat, OUTSIDE, flows, false, now); /* a restart, and the server speaks first */
    forward_add(2222, VM_A, 22);
    tcp(VM_A, 22, SERVER, 50000, TCP_ACK);
    assert_int_equal(outbound(1), NAT_FORWARD);
    expect_out(OUTSIDE, 2222, SERVER, 50000);
}

static void a_forwarded_port_is_nobody_elses(void **state)
{
    (void)state;
    forward_add(40000, VM_A, 22);
    tcp(VM_B, 40000, SERVER, 80, TCP_SYN);
    assert_int_equal(outbound(2), NAT_FORWARD);
    assert_int_not_equal(in.from_port, 40000);
    tcp(SERVER, 1, OUTSIDE, 40000, TCP_RST);
    assert_int_equal(inbound(), NAT_NOT_MINE); /* a reset begins nothing */
}

static void a_vm_reaches_another_through_the_outside_address(void **state)
{
    uint16_t port;

    (void)state;
    forward_add(2222, VM_A, 22);
    tcp(VM_B, 40000, OUTSIDE, 2222, TCP_SYN);
    assert_int_equal(outbound(2), NAT_HAIRPIN);
    port = in.from_port;
    expect_out(OUTSIDE, port, VM_A, 22);
    tcp(VM_A, 22, OUTSIDE, port, TCP_SYN | TCP_ACK);
    assert_int_equal(outbound(1), NAT_HAIRPIN);
    expect_out(OUTSIDE, 2222, VM_B, 40000);
    tcp(VM_B, 40000, OUTSIDE, 9999, TCP_SYN);
    assert_int_equal(outbound(2), NAT_NOT_MINE);
}

static void two_vms_punch_a_hole_to_each_other(void **state)
{
    (void)state;
    udp(VM_A, 4000, OUTSIDE, 5000);
    assert_int_equal(outbound(1), NAT_NOT_MINE);
    udp(VM_B, 5000, OUTSIDE, 4000);
    assert_int_equal(outbound(2), NAT_HAIRPIN);
    expect_out(OUTSIDE, 5000, VM_A, 4000);
    udp(VM_A, 4000, OUTSIDE, 5000);
    assert_int_equal(outbound(1), NAT_HAIRPIN);
    expect_out(OUTSIDE, 4000, VM_B, 5000);
}

/* ---- ICMP ------------------------------------------------------------------------------------- */

static void echo(uint32_t from, uint32_t to, uint8_t type, uint16_t id)
{
    frame_eth(&frame, mac_router, mac_a, ETHERTYPE_IPV4);
    frame_ipv4(&frame, PROTO_ICMP, from, to);
    frame_icmp(&frame, type, 0, id);
    frame_fill(&frame, 57);
    frame_finish(&frame);
}

static uint16_t echo_id(void)
{
    return get16(out.bytes + 34 + ICMP_ID);
}

static void pings_of_two_vms_are_kept_apart(void **state)
{
    uint16_t id_b;

    (void)state;
    echo(VM_A, SERVER, ICMP_ECHO, 5000);
    assert_int_equal(outbound(1), NAT_FORWARD);
    assert_int_equal(echo_id(), 5000);
    echo(VM_B, SERVER, ICMP_ECHO, 5000);
    assert_int_equal(outbound(2), NAT_FORWARD);
    id_b = echo_id();
    assert_int_not_equal(id_b, 5000);
    echo(SERVER, OUTSIDE, ICMP_ECHO_REPLY, id_b);
    assert_int_equal(inbound(), NAT_FORWARD);
    assert_int_equal(in.to4, VM_B);
    assert_int_equal(echo_id(), 5000);
    echo(SERVER, OUTSIDE, ICMP_ECHO, 5000); /* a question is for us, not for who asked the same */
    assert_int_equal(inbound(), NAT_NOT_MINE);
    echo(VM_A, SERVER, ICMP_ECHO_REPLY, 7);
    assert_int_equal(outbound(1), NAT_NOT_MINE);
    echo(VM_A, SERVER, 13, 7);
    assert_int_equal(outbound(1), NAT_UNSUPPORTED);
}

/* `out` becomes `frame`: an error from `router` about what is in `out` now. */
static void error_about_out(uint32_t router, uint32_t quoted_bytes)
{
    struct packet about, error;
    struct inet about_in;

    packet_of(&about, &out, 0);
    inet_parse(&about_in, &about);
    assert_true(icmp_error(&error, &about, &about_in, router, ICMP_UNREACHABLE, 1, 0));
    frame_of(&frame, &error);
    if (frame.length > 42 + quoted_bytes)
        frame.length = 42 + quoted_bytes;
    frame.net = 14;
    frame.transport = 34;
    frame_finish(&frame);
}

/* Of TCP the checksum is in the quote only if the quote is long enough; before it everything must be right.
 */
static void expect_quote_is(const struct frame *was, uint32_t quoted_bytes, bool with_checksum)
{
    assert_memory_equal(out.bytes + 42, was->bytes + 14, with_checksum ? quoted_bytes : 28);
}

static void an_error_finds_the_vm_and_quotes_what_it_sent(void **state)
{
    static const uint32_t quotes[] = {28, 29, 36, 37, 38, 39, 40, 60, 85};

    (void)state;
    for (uint32_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++) {
        tcp(VM_B, 40000, SERVER, 80, TCP_SYN); /* so that A's port changes */
        assert_int_equal(outbound(2), NAT_FORWARD);
        tcp(VM_A, 40000, SERVER, 80, TCP_SYN);
        assert_int_equal(outbound(1), NAT_FORWARD);
        error_about_out(IP(203, 0, 113, 1), quotes[i]);
        assert_int_equal(inbound(), NAT_FORWARD);
        assert_int_equal(in.to4, VM_A);
        assert_int_equal(get32(out.bytes + 14 + IP4_FROM), IP(203, 0, 113, 1));
        expect_quote_is(&before, quotes[i], quotes[i] >= 38);
        udp(VM_A, 123, SERVER, 123);
        assert_int_equal(outbound(1), NAT_FORWARD);
        error_about_out(SERVER, quotes[i]);
        assert_int_equal(inbound(), NAT_FORWARD);
        expect_quote_is(&before, quotes[i], true);
        echo(VM_A, SERVER, ICMP_ECHO, 99);
        assert_int_equal(outbound(1), NAT_FORWARD);
        error_about_out(SERVER, quotes[i]);
        assert_int_equal(inbound(), NAT_FORWARD);
        expect_quote_is(&before, quotes[i], true);
    }
}

static void a_vms_error_goes_out_about_what_the_sender_sent(void **state)
{
    struct frame was;

    (void)state;
    udp(VM_A, 123, SERVER, 9);
    assert_int_equal(outbound(1), NAT_FORWARD);
    udp(SERVER, 9, OUTSIDE, in.from_port);
    was = frame;
    assert_int_equal(inbound(), NAT_FORWARD);
    error_about_out(VM_A, 60);
    assert_int_equal(outbound(1), NAT_FORWARD);
    assert_int_equal(get32(out.bytes + 14 + IP4_FROM), OUTSIDE);
    assert_int_equal(get32(out.bytes + 14 + IP4_TO), SERVER);
    expect_quote_is(&was, 60, true);
    out = was; /* somebody else's error about A's flow */
    put32(out.bytes + 14 + IP4_TO, VM_A);
    put16(out.bytes + 34 + UDP_TO, 123);
    error_about_out(VM_B, 60);
    assert_int_equal(outbound(2), NAT_NOT_MINE);
}

static void errors_about_nothing_of_ours_and_broken_quotes_stay_outside(void **state)
{
    (void)state;
    udp(OUTSIDE, 5, SERVER, 9);
    out = frame;
    error_about_out(SERVER, 60);
    assert_int_equal(inbound(), NAT_NOT_MINE);
    udp(VM_A, 5000, SERVER, 9);
    assert_int_equal(outbound(1), NAT_FORWARD);
    error_about_out(SERVER, 27);
    assert_int_equal(inbound(), NAT_BAD);
    udp(VM_A, 5000, SERVER, 9);
    assert_int_equal(outbound(1), NAT_FORWARD);
    error_about_out(SERVER, 60);
    frame.bytes[42] = 0x4f; /* a header longer than the quote */
    frame.length = 42 + 40;
    frame_finish(&frame);
    assert_int_equal(inbound(), NAT_BAD);
    frame.bytes[42] = 0x65;
    frame_finish(&frame);
    assert_int_equal(inbound(), NAT_BAD);
}

/* ---- offloads and fragments ------------------------------------------------------------------- */

static void a_checksum_still_to_be_made_comes_out_right(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        if (i == 0)
            tcp(VM_A, 700, SERVER, 80, TCP_ACK);
        else
            udp(VM_A, 700, SERVER, 80);
        packet_of(&packet, &frame, 0);
        assert_int_equal(inet_parse(&in, &packet), INET_FINE);
        packet.offload = (struct net_offload){.flags = NET_NEEDS_CHECKSUM,
                                              .csum_start = 34,
                                              .csum_offset = i == 0 ? TCP_CHECKSUM : UDP_CHECKSUM};
        put16(packet.head + 34 + packet.offload.csum_offset,
              sum_fold(sum_pseudo(&packet, &in, in.protocol, in.end - in.transport)));
        assert_int_equal(nat_outbound(&nat, &packet, &in, 1, now), NAT_FORWARD);
        assert_true(packet.offload.flags & NET_NEEDS_CHECKSUM);
        assert_int_equal(get16(packet.head + 34 + packet.offload.csum_offset),
                         sum_fold(sum_pseudo(&packet, &in, in.protocol, in.end - in.transport)));
        assert_true(offload_checksum(&packet));
        frame_of(&out, &packet);
        frame_expect_sound(&out);
    }
}

static void udp_without_checksum_stays_without(void **state)
{
    (void)state;
    udp(VM_A, 700, SERVER, 80);
    put16(frame.bytes + 34 + UDP_CHECKSUM, 0);
    assert_int_equal(outbound(1), NAT_FORWARD);
    assert_int_equal(get16(out.bytes + 34 + UDP_CHECKSUM), 0);
}

static void a_udp_checksum_never_becomes_none(void **state)
{
    (void)state;
    /* Whatever the payload, each translation leaves a checksum there and a sound packet. */
    for (uint32_t i = 0; i < 65536; i += 13) {
        udp(VM_A, 700, SERVER, 80);
        put16(frame.bytes + 42, i);
        frame_finish(&frame);
        if (get16(frame.bytes + 34 + UDP_CHECKSUM) == 0)
            put16(frame.bytes + 34 + UDP_CHECKSUM, 0xffff);
        assert_int_equal(outbound(1), NAT_FORWARD);
        assert_int_not_equal(get16(out.bytes + 34 + UDP_CHECKSUM), 0);
        packets_free();
    }
}

static void fragment_make(uint32_t from, uint32_t to, uint16_t id, uint16_t field)
{
    udp(from, 700, to, 80);
    if ((field & IP4_OFFSET_MASK) == 0)
        put16(frame.bytes + 34 + UDP_LENGTH, 3000);
    frame.length = 14 + 20 + 80;
    put16(frame.bytes + 14 + IP4_TOTAL, 100);
    put16(frame.bytes + 14 + IP4_ID, id);
    put16(frame.bytes + 14 + IP4_FRAGMENT, field);
    put16(frame.bytes + 14 + IP4_CHECKSUM, 0);
    checksum_ipv4_header(frame.bytes + 14);
}

static void fragments_follow_their_first(void **state)
{
    uint16_t id_a, id_b, port;

    (void)state;
    fragment_make(VM_A, SERVER, 77, 185);
    assert_int_equal(outbound(1), NAT_UNSUPPORTED); /* before its first */
    fragment_make(VM_A, SERVER, 77, IP4_MORE_FRAGMENTS);
    assert_int_equal(outbound(1), NAT_FORWARD);
    id_a = get16(out.bytes + 14 + IP4_ID);
    port = get16(out.bytes + 34 + UDP_FROM);
    fragment_make(VM_B, SERVER, 77, IP4_MORE_FRAGMENTS);
    assert_int_equal(outbound(2), NAT_FORWARD);
    id_b = get16(out.bytes + 14 + IP4_ID);
    assert_int_not_equal(id_a, id_b); /* outside both are the same sender */
    fragment_make(VM_A, SERVER, 77, 185);
    assert_int_equal(outbound(1), NAT_FORWARD);
    assert_int_equal(in.from4, OUTSIDE);
    assert_int_equal(get16(out.bytes + 14 + IP4_ID), id_a);
    assert_memory_equal(out.bytes + 34, frame.bytes + 34, 80);
    fragment_make(SERVER, OUTSIDE, 5, IP4_MORE_FRAGMENTS);
    put16(frame.bytes + 34, 80);
    put16(frame.bytes + 36, port);
    assert_int_equal(inbound(), NAT_FORWARD);
    assert_int_equal(in.to4, VM_A);
    fragment_make(SERVER, OUTSIDE, 5, 100);
    assert_int_equal(inbound(), NAT_FORWARD);
    assert_int_equal(in.to4, VM_A);
    now += NAT_FRAGMENT_S * 1000;
    assert_int_equal(inbound(), NAT_UNSUPPORTED);
}

static void one_vms_fragments_do_not_push_out_anothers(void **state)
{
    (void)state;
    fragment_make(VM_B, SERVER, 5, IP4_MORE_FRAGMENTS);
    assert_int_equal(outbound(2), NAT_FORWARD);
    for (uint16_t id = 0; id < 500; id++) {
        fragment_make(VM_A, SERVER, id, IP4_MORE_FRAGMENTS);
        assert_int_equal(outbound(1), NAT_FORWARD);
    }
    fragment_make(VM_B, SERVER, 5, 185);
    assert_int_equal(outbound(2), NAT_FORWARD);
}

/* ---- bounds and time -------------------------------------------------------------------------- */

static void one_vm_cannot_take_anothers_flows(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 100; i++) {
        udp(VM_B, (uint16_t)(2000 + i), SERVER, 80);
        assert_int_equal(outbound(2), NAT_FORWARD);
        packets_free();
    }
    for (uint32_t i = 0; i < 3 * NAT_FLOWS; i++) {
        udp(VM_A, (uint16_t)(1024 + i), SERVER + i / 60000, 80);
        assert_int_equal(outbound(1), NAT_FORWARD);
        packets_free();
    }
    assert_int_equal(nat.owners[2].count, 100);
    assert_int_equal(nat.owners[1].count, NAT_FLOWS - 100);
    for (uint16_t i = 0; i < 1500; i++) { /* and what the other one asks for now, it gets */
        udp(VM_B, (uint16_t)(10000 + i), SERVER, 80);
        assert_int_equal(outbound(2), NAT_FORWARD);
        packets_free();
    }
    assert_int_equal(nat.owners[2].count, NAT_FLOWS / 2);
}

static void half_open_flows_go_before_open_ones(void **state)
{
    (void)state;
    tcp(VM_A, 40000, SERVER, 80, TCP_SYN);
    assert_int_equal(outbound(1), NAT_FORWARD);
    tcp(SERVER, 80, OUTSIDE, 40000, TCP_SYN | TCP_ACK);
    assert_int_equal(inbound(), NAT_FORWARD);
    for (uint32_t i = 0; i < 2 * NAT_FLOWS; i++) {
        tcp(VM_A, (uint16_t)(1024 + i), OTHER, 80, TCP_SYN);
        assert_int_equal(outbound(1), NAT_FORWARD);
        packets_free();
    }
    tcp(SERVER, 80, OUTSIDE, 40000, TCP_ACK);
    assert_int_equal(inbound(), NAT_FORWARD);
}

static void tick_all(void)
{
    for (uint32_t i = 0; i < 8; i++)
        nat_tick(&nat, now);
}

static bool tcp_comes_in(void)
{
    tcp(SERVER, 80, OUTSIDE, 40000, TCP_ACK);
    return inbound() == NAT_FORWARD;
}

static void open_connections_stay_for_hours_and_half_open_ones_for_minutes(void **state)
{
    (void)state;
    tcp(VM_A, 40000, SERVER, 80, TCP_SYN);
    outbound(1);
    now += NAT_TCP_TRANSITORY_S * 1000 - 1000;
    tick_all();
    assert_int_equal(nat.owners[1].count, 1);
    now += 1000;
    tick_all();
    assert_int_equal(nat.owners[1].count, 0);
    assert_false(tcp_comes_in());
    tcp(VM_A, 40000, SERVER, 80, TCP_SYN);
    outbound(1);
    assert_true(tcp_comes_in());
    now += NAT_TCP_OPEN_S * 1000 - 1000;
    tick_all();
    assert_true(tcp_comes_in());
    now += NAT_TCP_OPEN_S * 1000;
    tick_all();
    assert_false(tcp_comes_in());
}

static void closed_connections_go_soon_and_their_ports_can_be_used_again(void **state)
{
    (void)state;
    tcp(VM_A, 40000, SERVER, 80, TCP_SYN);
    outbound(1);
    assert_true(tcp_comes_in());
    tcp(VM_A, 40000, SERVER, 80, TCP_FIN | TCP_ACK);
    outbound(1);
    tcp(SERVER, 80, OUTSIDE, 40000, TCP_FIN | TCP_ACK);
    assert_int_equal(inbound(), NAT_FORWARD);
    tcp(VM_A, 40000, SERVER, 80, TCP_ACK); /* the last one still passes */
    assert_int_equal(outbound(1), NAT_FORWARD);
    tcp(VM_A, 40000, SERVER, 80, TCP_SYN);
    assert_int_equal(outbound(1), NAT_FORWARD);
    assert_true(tcp_comes_in());
    now += NAT_TCP_TRANSITORY_S * 2000;
    tick_all();
    assert_true(tcp_comes_in()); /* open again */
    tcp(SERVER, 80, OUTSIDE, 40000, TCP_RST);
    assert_int_equal(inbound(), NAT_FORWARD);
    now += NAT_TCP_TRANSITORY_S * 1000;
    tick_all();
    assert_false(tcp_comes_in());
}

static void many_with_the_same_port_to_the_same_server_each_get_one(void **state)
{
    enum nat_verdict verdict = NAT_FORWARD;

    (void)state;
    for (uint32_t i = 0; i < 2000 && verdict == NAT_FORWARD; i++) {
        udp(VM_A + i, 40000, SERVER, 80);
        verdict = outbound(1);
        packets_free();
    }
    assert_int_equal(verdict, NAT_FORWARD);
}

static void other_protocols_are_not_translated(void **state)
{
    (void)state;
    frame_eth(&frame, mac_router, mac_a, ETHERTYPE_IPV4);
    frame_ipv4(&frame, 47, VM_A, SERVER);
    frame_fill(&frame, 30);
    frame_finish(&frame);
    assert_int_equal(outbound(1), NAT_UNSUPPORTED);
    put32(frame.bytes + 14 + IP4_TO, OUTSIDE);
    frame_finish(&frame);
    assert_int_equal(inbound(), NAT_UNSUPPORTED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_connection_goes_out_and_its_replies_come_in),
        T(what_nobody_asked_for_does_not_come_in),
        T(two_vms_with_the_same_ports_are_kept_apart),
        T(privileged_ports_become_others_and_the_same_each_time),
        T(an_open_connection_goes_on_after_a_restart_by_its_next_packet),
        T(with_its_table_kept_it_goes_on_from_either_side),
        T(what_is_damaged_or_doubled_is_not_adopted),
        T(a_forwarded_port_leads_inside_and_its_answers_out),
        T(a_forwarded_port_is_nobody_elses),
        T(a_vm_reaches_another_through_the_outside_address),
        T(two_vms_punch_a_hole_to_each_other),
        T(pings_of_two_vms_are_kept_apart),
        T(an_error_finds_the_vm_and_quotes_what_it_sent),
        T(a_vms_error_goes_out_about_what_the_sender_sent),
        T(errors_about_nothing_of_ours_and_broken_quotes_stay_outside),
        T(a_checksum_still_to_be_made_comes_out_right),
        T(udp_without_checksum_stays_without),
        T(a_udp_checksum_never_becomes_none),
        T(fragments_follow_their_first),
        T(one_vms_fragments_do_not_push_out_anothers),
        T(one_vm_cannot_take_anothers_flows),
        T(half_open_flows_go_before_open_ones),
        T(open_connections_stay_for_hours_and_half_open_ones_for_minutes),
        T(closed_connections_go_soon_and_their_ports_can_be_used_again),
        T(many_with_the_same_port_to_the_same_server_each_get_one),
        T(other_protocols_are_not_translated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
