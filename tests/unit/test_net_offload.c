/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_net_offload.c - claims about checksums and segments: as a receiver that knows no offloads sees them
 *
 * links: tests/unit/net_frames.c services/netdrv/packet.c services/netdrv/inet.c services/netdrv/offload.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net_frames.h"

static struct frame frame, out, joined;
static struct packet packet, segment;
static struct inet in;

static const uint8_t six_a[16] = {0xfd, 0, 1, 2, [15] = 1};
static const uint8_t six_b[16] = {0xfd, 0, 1, 2, [15] = 2};

static int tear_down(void **state)
{
    (void)state;
    packets_free();
    return 0;
}

static uint16_t slow_sum(const uint8_t *at, uint32_t count)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static void sums_are_those_of_the_definition(void **state)
{
    uint8_t bytes[300];

    (void)state;
    for (uint32_t round = 0; round < 2000; round++) {
        uint32_t count = (uint32_t)rand() % sizeof(bytes);

        for (uint32_t i = 0; i < count; i++)
            bytes[i] = (uint8_t)(round % 3 ? rand() : 0xff);
        assert_int_equal(sum_fold(sum_add(0, bytes, count)) % 0xffff, slow_sum(bytes, count) % 0xffff);
    }
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(sum_fold(sum_add(0, bytes, sizeof(bytes))), 0);
    /* RFC 1071, 3 */
    assert_int_equal(sum_fold(sum_add(0, "\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 8)), 0xddf2);
}

static void a_sum_does_not_depend_on_how_the_packet_lies(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, IP(10, 0, 0, 1), 1, IP(10, 0, 0, 2), 2, 901);
    for (uint32_t piece = 47; piece < 400; piece += 11) {
        packet_of(&packet, &frame, piece + 6);
        for (uint32_t from = 0; from < frame.length; from += 83) {
            for (uint32_t to = from; to <= frame.length; to += 89)
                assert_int_equal(sum_fold(sum_packet(&packet, from, to)) % 0xffff,
                                 slow_sum(frame.bytes + from, to - from) % 0xffff);
        }
        packets_free();
    }
}

static void replacing_is_summing_anew(void **state)
{
    uint8_t bytes[22], before[6];

    (void)state;
    for (uint32_t round = 0; round < 5000; round++) {
        for (uint32_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)rand();
        put16(bytes, 0);
        put16(bytes, (uint16_t)~slow_sum(bytes, 22));
        memcpy(before, bytes + 8, 6);
        for (uint32_t i = 8; i < 14; i++)
            bytes[i] = (uint8_t)(round % 5 ? rand() : 0xff * (rand() & 1));
        checksum_replace(bytes, before, bytes + 8, 6);
        assert_int_equal(slow_sum(bytes, 22), 0xffff);
    }
}

/* As a guest leaves it: the pseudo-header's sum in the field. */
static void leave_to_offload(uint32_t csum_offset)
{
    inet_parse(&in, &packet);
    put16(packet.head + in.transport + csum_offset,
          sum_fold(sum_pseudo(&packet, &in, in.protocol, in.end - in.transport)));
    packet.offload.flags = NET_NEEDS_CHECKSUM;
    packet.offload.csum_start = (uint16_t)in.transport;
    packet.offload.csum_offset = (uint16_t)csum_offset;
}

static void a_checksum_left_to_us_is_completed(void **state)
{
    (void)state;
    for (uint32_t payload = 0; payload < 1400; payload += 61) {
        frame_udp4(&frame, mac_a, IP(10, 0, 0, 1), 1, IP(10, 0, 0, 2), 2, payload);
        packet_of(&packet, &frame, 111);
        leave_to_offload(UDP_CHECKSUM);
        assert_true(offload_check(&packet, &in));
        assert_true(offload_checksum(&packet));
        assert_int_equal(packet.offload.flags, 0);
        frame_of(&out, &packet);
        frame_expect_sound(&out);
        packets_free();
    }
}

static void a_udp_checksum_of_zero_is_sent_as_ones(void **state)
{
    uint16_t sum;

    (void)state;
    frame_udp4(&frame, mac_a, IP(10, 0, 0, 1), 1, IP(10, 0, 0, 2), 2, 2);
    /* Payload that makes the checksum 0: what it is now, added. */
    sum = get16(frame.bytes + 34 + UDP_CHECKSUM);
    put16(frame.bytes + 42, sum_fold((uint64_t)get16(frame.bytes + 42) + sum));
    packet_of(&packet, &frame, 0);
    leave_to_offload(UDP_CHECKSUM);
    assert_true(offload_checksum(&packet));
    assert_int_equal(get16(packet.head + 34 + UDP_CHECKSUM), 0xffff);
}

static void offloads_that_lie_are_refused(void **state)
{
    const struct net_offload good = {NET_NEEDS_CHECKSUM, NET_GSO_TCP4, 54, 500, 34, 16};
    struct net_offload bad;

    (void)state;
    frame_tcp4(&frame, mac_a, IP(10, 0, 0, 1), 1, IP(10, 0, 0, 2), 2, TCP_ACK, 2000);
    packet_of(&packet, &frame, 0);
    inet_parse(&in, &packet);
    packet.offload = good;
    assert_true(offload_check(&packet, &in));
    packet.offload.header_bytes = 1000; /* only a hint */
    assert_true(offload_check(&packet, &in));
    assert_int_equal(packet.offload.header_bytes, 54);
#define REFUSED(field, value)                                                                                \
    bad = good;                                                                                              \
    bad.field = value;                                                                                       \
    packet.offload = bad;                                                                                    \
    assert_false(offload_check(&packet, &in))
    REFUSED(gso, NET_GSO_TCP6);
    REFUSED(gso, 77);
    REFUSED(flags, 0);
    REFUSED(segment_bytes, 0);
    REFUSED(csum_start, 26); /* would write the source address after it was judged */
    REFUSED(csum_start, 0);
    REFUSED(csum_start, 65535);
    REFUSED(csum_offset, 14);
    REFUSED(csum_offset, 65535);
    packet.offload = good;
    in.fragment = true;
    assert_false(offload_check(&packet, &in));
    inet_parse(&in, &packet);
    in.fault = INET_LENGTH;
    assert_false(offload_check(&packet, &in));
}

static void a_tunnels_inner_checksum_is_left_to_us_but_not_in_dhcp(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, IP(10, 0, 0, 1), 4789, IP(10, 0, 0, 2), 4789, 400);
    packet_of(&packet, &frame, 0);
    inet_parse(&in, &packet);
    packet.offload = (struct net_offload){.flags = NET_NEEDS_CHECKSUM, .csum_start = 84, .csum_offset = 16};
    assert_true(offload_check(&packet, &in));
    packet.offload.csum_start = 40; /* inside the UDP header */
    assert_false(offload_check(&packet, &in));
    packet.offload.csum_start = 440;
    packet.offload.csum_offset = 1; /* its second byte would be beyond the end */
    assert_false(offload_check(&packet, &in));
    packet.offload.csum_offset = 0;
    assert_true(offload_check(&packet, &in));
    assert_false(offload_checksum(&packet)); /* not in the head */
    in.to_port = 67;
    packet.offload.csum_start = 84;
    assert_false(offload_check(&packet, &in));
}

/* ---- segments --------------------------------------------------------------------------------- */

static void large_make(bool six, uint32_t payload)
{
    frame_eth(&frame, mac_b, mac_a, six ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
    if (six)
        frame_ipv6(&frame, PROTO_TCP, six_a, six_b);
    else
        frame_ipv4(&frame, PROTO_TCP, IP(10, 0, 0, 1), IP(10, 0, 0, 2));
    frame_tcp(&frame, 5001, 80, TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR);
    frame.bytes[frame.transport + TCP_OFFSET] = 8
                                                << 4; /* 12 bytes of options, like everybody's time stamps */
    frame_fill(&frame, 12);
    frame_fill(&frame, payload);
    frame_finish(&frame);
}

static void expect_segment_flags(const struct inet *segment_in, bool first, bool last)
{
    assert_int_equal(!!(segment_in->tcp_flags & TCP_CWR), first);
    assert_int_equal(!!(segment_in->tcp_flags & TCP_PSH), last);
    assert_int_equal(!!(segment_in->tcp_flags & TCP_FIN), last);
    assert_true(segment_in->tcp_flags & TCP_ACK);
}

static void cut_and_join(bool six, uint32_t payload, uint16_t mss, uint32_t piece)
{
    struct segments s;
    uint32_t count = 0, headers;

    large_make(six, payload);
    packet_of(&packet, &frame, piece);
    leave_to_offload(TCP_CHECKSUM);
    packet.offload.gso = six ? NET_GSO_TCP6 : NET_GSO_TCP4;
    packet.offload.segment_bytes = mss;
    assert_true(offload_check(&packet, &in));
    headers = in.payload;
    joined.length = 0;
    segments_start(&s, &packet, &in);
    while (segments_next(&s, &segment)) {
        struct inet got;

        assert_true(offload_checksum(&segment));
        frame_of(&out, &segment);
        got = frame_expect_sound(&out);
        assert_int_equal(got.end, out.length);
        assert_true(out.length - headers <= mss);
        assert_int_equal(get32(out.bytes + got.transport + TCP_SEQUENCE), 0xfffffff0u + joined.length);
        if (!six)
            assert_int_equal(get16(out.bytes + got.net + IP4_ID), 0x1234 + count);
        frame_bytes(&joined, out.bytes + headers, out.length - headers);
        expect_segment_flags(&got, count == 0, joined.length == payload);
        count++;
    }
    assert_int_equal(count, offload_packets(&packet));
    assert_int_equal(joined.length, payload);
    assert_memory_equal(joined.bytes, frame.bytes + headers, payload);
    packets_free();
}

static void segments_joined_are_the_large_packet(void **state)
{
    (void)state;
    cut_and_join(false, 65000, 1448, 4096);
    cut_and_join(true, 65000, 1428, 4096);
    cut_and_join(false, 1448 * 3, 1448, 4096);
    cut_and_join(false, 1, 1448, 4096);
    cut_and_join(true, 100, 1, 4096);
    cut_and_join(false, 5001, 65535, 300);
    cut_and_join(false, 5001, 499, 301);
    cut_and_join(true, 200, 33, 4096); /* all of it in the head */
}

static void a_packet_without_gso_counts_once(void **state)
{
    (void)state;
    frame_udp4(&frame, mac_a, IP(10, 0, 0, 1), 1, IP(10, 0, 0, 2), 2, 1);
    packet_of(&packet, &frame, 0);
    assert_int_equal(offload_packets(&packet), 1);
    packet.offload.gso = NET_GSO_TCP4; /* never judged, segment_bytes is 0 */
    assert_int_equal(offload_packets(&packet), 1);
}

#define T(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(sums_are_those_of_the_definition),
        T(a_sum_does_not_depend_on_how_the_packet_lies),
        T(replacing_is_summing_anew),
        T(a_checksum_left_to_us_is_completed),
        T(a_udp_checksum_of_zero_is_sent_as_ones),
        T(offloads_that_lie_are_refused),
        T(a_tunnels_inner_checksum_is_left_to_us_but_not_in_dhcp),
        T(segments_joined_are_the_large_packet),
        T(a_packet_without_gso_counts_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
