/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_net_inet.c - claims about what a packet is taken for, whatever its lengths and headers say
 *
 * links: tests/unit/net_frames.c services/netdrv/packet.c services/netdrv/inet.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net_frames.h"

static struct frame frame, out;
static struct packet packet;
static struct inet in;

static const uint8_t six_a[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
static const uint8_t six_b[16] = {0x20, 1, 0xd, 0xb8, [15] = 2};

static int tear_down(void **state)
{
    (void)state;
    packets_free();
    return 0;
}

static enum inet_fault parse(void)
{
    packet_of(&packet, &frame, 0);
    return inet_parse(&in, &packet);
}

static void a_udp_packet_is_found_with_addresses_and_ports(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, IP(10, 0, 0, 1), 1000, IP(10, 0, 0, 2), 53, 20);
    frame_fill(&frame, 6); /* padding */
    assert_int_equal(parse(), INET_FINE);
    assert_int_equal(in.kind, INET_IPV4);
    assert_int_equal(in.protocol, PROTO_UDP);
    assert_int_equal(in.from4, IP(10, 0, 0, 1));
    assert_int_equal(in.to4, IP(10, 0, 0, 2));
    assert_int_equal(in.from_port, 1000);
    assert_int_equal(in.to_port, 53);
    assert_int_equal(in.transport, 34);
    assert_int_equal(in.payload, 42);
    assert_int_equal(in.end, 62);
    assert_false(in.fragment || in.tagged || in.options);
}

static void a_tag_is_seen_and_what_is_behind_it(void **state)
{
    (void)state;
    frame_eth(&frame, mac_b, mac_a, ETHERTYPE_IPV4);
    frame_vlan(&frame, 0xe123);
    frame_ipv4(&frame, PROTO_TCP, IP(10, 0, 0, 1), IP(10, 0, 0, 2));
    frame_tcp(&frame, 1, 2, TCP_SYN);
    frame_finish(&frame);
    assert_int_equal(parse(), INET_FINE);
    assert_true(in.tagged);
    assert_int_equal(in.vlan, 0x123);
    assert_int_equal(in.net, 18);
    assert_int_equal(in.to_port, 2);
}

/* Whatever is cut off, the parser says so or finds everything inside what is left. */
static void expect_cut_is_seen(uint32_t needed)
{
    uint32_t whole = frame.length;

    for (frame.length = 0; frame.length < whole; frame.length++) {
        if (parse() == INET_FINE && frame.length >= ETH_BYTES && in.kind != INET_OTHER)
            fail_msg("cut to %u of %u and taken as whole", frame.length, whole);
        if (frame.length < needed)
            assert_int_not_equal(in.fault, INET_FINE);
        packets_free();
    }
}

static void a_truncated_packet_is_never_taken_as_whole(void **state)
{
    (void)state;
    frame_tcp4(&frame, mac_a, IP(10, 0, 0, 1), 1, IP(10, 0, 0, 2), 2, TCP_ACK, 30);
    expect_cut_is_seen(84);
    frame_udp4(&frame, mac_a, IP(10, 0, 0, 1), 1, IP(10, 0, 0, 2), 2, 300);
    expect_cut_is_seen(342);
    frame_eth(&frame, mac_b, mac_a, ETHERTYPE_ARP);
    frame_arp(&frame, 1, mac_a, IP(10, 0, 0, 1), NULL, IP(10, 0, 0, 2));
    expect_cut_is_seen(42);
    frame_eth(&frame, mac_b, mac_a, ETHERTYPE_IPV6);
    frame_vlan(&frame, 5);
    frame_ipv6(&frame, PROTO_ICMP6, six_a, six_b);
    frame_icmp(&frame, ICMP6_NEIGHBOR_SOLICITATION, 0, 0);
    frame_fill(&frame, 24);
    frame_finish(&frame);
    expect_cut_is_seen(90);
}

static void lengths_that_lie_are_found(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, IP(10, 0, 0, 1), 1, IP(10, 0, 0, 2), 2, 10);
    put16(frame.bytes + 14 + IP4_TOTAL, 39); /* one more than there is */
    assert_int_equal(parse(), INET_LENGTH);
    put16(frame.bytes + 14 + IP4_TOTAL, 19);
    assert_int_equal(parse(), INET_LENGTH);
    put16(frame.bytes + 14 + IP4_TOTAL, 27); /* shorter than a UDP header */
    assert_int_equal(parse(), INET_SHORT);
    put16(frame.bytes + 14 + IP4_TOTAL, 38);
    put16(frame.bytes + 34 + UDP_LENGTH, 19);
    assert_int_equal(parse(), INET_LENGTH);
    put16(frame.bytes + 34 + UDP_LENGTH, 7);
    assert_int_equal(parse(), INET_LENGTH);
    put16(frame.bytes + 34 + UDP_LENGTH, 18);
    assert_int_equal(parse(), INET_FINE);
}

static void fields_that_nothing_may_hold_are_found(void **state)
{
    (void)state;
    frame_tcp4(&frame, mac_a, IP(10, 0, 0, 1), 1, IP(10, 0, 0, 2), 2, TCP_ACK, 10);
    frame.bytes[14] = 0x65; /* version */
    assert_int_equal(parse(), INET_FIELD);
    frame.bytes[14] = 0x44; /* header of 16 bytes */
    assert_int_equal(parse(), INET_FIELD);
    frame.bytes[14] = 0x45;
    frame.bytes[34 + TCP_OFFSET] = 4 << 4;
    assert_int_equal(parse(), INET_FIELD);
    frame.bytes[34 + TCP_OFFSET] = 15 << 4; /* 60 bytes, and there are 30 */
    assert_int_equal(parse(), INET_SHORT);
    frame_eth(&frame, mac_b, mac_a, ETHERTYPE_ARP);
    frame_arp(&frame, 1, mac_a, 0, NULL, 0);
    frame.bytes[14 + ARP_HARDWARE_BYTES] = 8;
    assert_int_equal(parse(), INET_FIELD);
}

static void ipv4_options_move_the_transport_header(void **state)
{
    (void)state;
    frame_eth(&frame, mac_b, mac_a, ETHERTYPE_IPV4);
    frame_ipv4(&frame, PROTO_UDP, IP(10, 0, 0, 1), IP(10, 0, 0, 2));
    frame.bytes[14] = 0x4f;
    memset(frame.bytes + frame.length, 1, 40);
    frame.length += 40;
    frame.transport = frame.length;
    frame_udp(&frame, 7, 8);
    frame_finish(&frame);
    assert_int_equal(parse(), INET_FINE);
    assert_true(in.options);
    assert_int_equal(in.transport, 74);
    assert_int_equal(in.to_port, 8);
}

static void fragments_are_told_apart(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, IP(10, 0, 0, 1), 1, IP(10, 0, 0, 2), 2, 16);
    put16(frame.bytes + 14 + IP4_FRAGMENT, IP4_MORE_FRAGMENTS);
    put16(frame.bytes + 34 + UDP_LENGTH, 3000); /* of the whole datagram */
    assert_int_equal(parse(), INET_FINE);
    assert_true(in.fragment && in.more && in.transport == 34 && in.fragment_offset == 0);
    put16(frame.bytes + 14 + IP4_FRAGMENT, 185);
    assert_int_equal(parse(), INET_FINE);
    assert_true(in.fragment && !in.more && in.transport == 0 && in.fragment_offset == 1480);
    put16(frame.bytes + 14 + IP4_FRAGMENT, IP4_OFFSET_MASK); /* would end beyond 65535 */
    assert_int_equal(parse(), INET_LENGTH);
    put16(frame.bytes + 14 + IP4_FRAGMENT, IP4_MORE_FRAGMENTS | 8);
    put16(frame.bytes + 14 + IP4_TOTAL, 43); /* 23 bytes, not a multiple of 8, and more to come */
    assert_int_equal(parse(), INET_FIELD);
}

/* An IPv6 packet with `count` headers of `kind` before a UDP one. */
static void chain_make(uint8_t kind, uint32_t count)
{
    frame_eth(&frame, mac_b, mac_a, ETHERTYPE_IPV6);
    frame_ipv6(&frame, count ? kind : PROTO_UDP, six_a, six_b);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t header[8] = {i + 1 < count ? kind : PROTO_UDP, 0};

        frame_bytes(&frame, header, 8);
    }
    frame_udp(&frame, 546, 547);
    put16(frame.bytes + frame.length - UDP_BYTES + UDP_LENGTH, UDP_BYTES);
    put16(frame.bytes + 14 + IP6_PAYLOAD, frame.length - 54);
}

static void ipv6_extension_headers_are_walked_as_far_as_the_head_goes(void **state)
{
    (void)state;
    chain_make(60, 3);
    assert_int_equal(parse(), INET_FINE);
    assert_true(in.options);
    assert_int_equal(in.protocol, PROTO_UDP);
    assert_int_equal(in.to_port, 547);
    assert_int_equal(in.transport, 54 + 24);
    chain_make(0, (PACKET_HEAD_COPIED - 54) / 8 + 1);
    assert_int_equal(parse(), INET_DEEP);
    chain_make(43, 1);
    frame.bytes[55] = 200; /* a length beyond the packet */
    assert_int_equal(parse(), INET_SHORT);
    chain_make(44, 2); /* two fragment headers: the first says "whole" */
    assert_int_equal(parse(), INET_FINE);
    put16(frame.bytes + 56, 1); /* now a fragment */
    assert_int_equal(parse(), INET_FIELD);
}

static void ipv6_fragments_are_told_apart(void **state)
{
    (void)state;
    chain_make(44, 1);
    put16(frame.bytes + 56, 8 << 3);
    assert_int_equal(parse(), INET_FINE);
    assert_true(in.fragment && in.transport == 0 && in.fragment_offset == 64);
    put16(frame.bytes + 56, 0xfff8); /* ends beyond 65535 */
    assert_int_equal(parse(), INET_LENGTH);
    put16(frame.bytes + 56, 1);
    assert_int_equal(parse(), INET_FINE);
    assert_true(in.fragment && in.more && in.transport == 62);
}

static void a_tag_put_in_and_taken_out_leaves_the_packet_as_it_was(void **state)
{
    (void)state;
    frame_tcp4(&frame, mac_a, IP(10, 0, 0, 1), 1, IP(10, 0, 0, 2), 2, TCP_ACK, 1000);
    packet_of(&packet, &frame, 100);
    packet.offload = (struct net_offload){NET_NEEDS_CHECKSUM, NET_GSO_TCP4, 54, 100, 34, 16};
    assert_true(packet_vlan_push(&packet, 77));
    assert_int_equal(inet_parse(&in, &packet), INET_FINE);
    assert_true(in.tagged && in.vlan == 77 && in.payload == 58);
    assert_int_equal(packet.offload.csum_start, 38);
    assert_int_equal(packet.offload.header_bytes, 58);
    assert_true(packet_vlan_pop(&packet));
    assert_int_equal(packet.offload.csum_start, 34);
    frame_of(&out, &packet);
    assert_int_equal(out.length, frame.length);
    assert_memory_equal(out.bytes, frame.bytes, frame.length);
    assert_false(packet_vlan_pop(&packet));
}

static void no_tag_comes_out_of_offloads_that_start_before_it(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, 1, 1, 2, 2, 8);
    packet_of(&packet, &frame, 0);
    assert_true(packet_vlan_push(&packet, 1));
    packet.offload = (struct net_offload){.flags = NET_NEEDS_CHECKSUM, .csum_start = 2, .csum_offset = 4};
    assert_false(packet_vlan_pop(&packet));
    packet.offload = (struct net_offload){0};
    packet.head_bytes = packet.length = 16;
    assert_false(packet_vlan_pop(&packet));
    packet.head_bytes = packet.length = 8;
    assert_false(packet_vlan_push(&packet, 1));
}

static void trimming_cuts_pieces_and_head(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, 1, 1, 2, 2, 1000);
    for (uint32_t length = frame.length + 1; length > 0; length -= length > 37 ? 37 : length) {
        packet_of(&packet, &frame, 60);
        packet_trim(&packet, length);
        assert_int_equal(packet.length, length < frame.length ? length : frame.length);
        frame_of(&out, &packet);
        assert_memory_equal(out.bytes, frame.bytes, packet.length);
        uint32_t bytes = packet.head_bytes;
        for (uint32_t i = 0; i < packet.piece_count; i++)
            bytes += packet.pieces[i].bytes;
        assert_int_equal(bytes, packet.length);
        packets_free();
    }
}

static void pieces_that_hold_too_little_are_refused(void **state)
{
    uint8_t bytes[100] = {0};
    struct packet_piece pieces[2] = {{bytes, 60}, {bytes + 60, 40}};

    (void)state;
    assert_true(packet_from_pieces(&packet, 100, NULL, pieces, 2));
    assert_false(packet_from_pieces(&packet, 101, NULL, pieces, 2));
    assert_true(packet_from_pieces(&packet, 30, NULL, pieces, 2));
    assert_int_equal(packet.head_bytes, 30);
    assert_int_equal(packet.piece_count, 0);
}

#define T(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_udp_packet_is_found_with_addresses_and_ports),
        T(a_tag_is_seen_and_what_is_behind_it),
        T(a_truncated_packet_is_never_taken_as_whole),
        T(lengths_that_lie_are_found),
        T(fields_that_nothing_may_hold_are_found),
        T(ipv4_options_move_the_transport_header),
        T(fragments_are_told_apart),
        T(ipv6_extension_headers_are_walked_as_far_as_the_head_goes),
        T(ipv6_fragments_are_told_apart),
        T(a_tag_put_in_and_taken_out_leaves_the_packet_as_it_was),
        T(no_tag_comes_out_of_offloads_that_start_before_it),
        T(trimming_cuts_pieces_and_head),
        T(pieces_that_hold_too_little_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
