/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_frames.h - frames with a pattern, for the tests of both NICs
 */
#ifndef TESTS_NIC_FRAMES_H
#define TESTS_NIC_FRAMES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nic_fake.h"

static uint8_t frame_bytes[FAKE_FRAME_MAX];

static inline const uint8_t *frame(uint32_t seed, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        frame_bytes[i] = (uint8_t)(seed * 31u + i * 7u + (i >> 8));
    return frame_bytes;
}

/* A packet whose bytes lie in one piece. */
static inline struct packet packet_of(uint32_t seed, uint32_t bytes)
{
    struct packet packet;
    const struct packet_piece piece = {frame(seed, bytes), bytes};

    assert_true(packet_from_pieces(&packet, bytes, &(struct net_offload){0}, &piece, 1));
    return packet;
}

static inline void expect_received(uint32_t seed, uint32_t bytes, struct packet *packet)
{
    static uint8_t got[FAKE_FRAME_MAX];

    assert_true(nic_receive(packet));
    assert_int_equal(packet->length, bytes);
    packet_copy(packet, 0, got, bytes);
    assert_memory_equal(got, frame(seed, bytes), bytes);
}

static inline void expect_sent(uint32_t index, uint32_t seed, uint32_t bytes)
{
    assert_true(index < fake_nic.sent_count);
    assert_int_equal(fake_nic.sent[index].bytes, bytes);
    assert_memory_equal(fake_nic.sent[index].data, frame(seed, bytes), bytes);
}

static inline bool send_one(uint32_t seed, uint32_t bytes)
{
    struct packet packet = packet_of(seed, bytes);

    return nic_send(&packet);
}

/* What the main loop does when the line is up. */
static inline void settle(void)
{
    nic_kick();
    for (uint32_t i = 0; i < 8 && fake_nic_run(); i++)
        nic_interrupt();
}

static inline void receive_and_drop_all(uint32_t expected)
{
    struct packet packet;
    uint32_t count = 0;

    while (nic_receive(&packet)) {
        nic_receive_done();
        count++;
    }
    assert_int_equal(count, expected);
}

#endif
