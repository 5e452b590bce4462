/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_frames.h - frames with a pattern, and what is asked of both NICs alike
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

/* ---- a card's life ---- */

static inline int start_with(enum fake_card card)
{
    fake_nic_reset(card);
    nic_start();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    fake_nic_free();
    return 0;
}

static inline void second_passes(void)
{
    fake_nic.now += 1000;
    nic_check();
}

static inline void expect_ready(const char *kind, uint32_t offloads)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};

    assert_int_equal(nic_info()->state, NIC_READY);
    assert_string_equal(nic_info()->kind, kind);
    assert_memory_equal(nic_info()->mac, mac, 6);
    assert_true(nic_info()->link);
    assert_int_equal(nic_info()->offloads, offloads);
    assert_int_equal(fake_nic.fault.count, 0);
}

/* ---- sending ---- */

static inline void expect_sent_as_given(const uint32_t *lengths, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_true(send_one(i, lengths[i]));
        settle();
        expect_sent(i, i, lengths[i]);
    }
    assert_int_equal(fake_nic.fault.count, 0);
}

/* The card sends nothing until `room` packets are in it, then all of them. */
static inline void expect_full_at(uint32_t room, bool keeps_order)
{
    uint32_t sent = 0;

    fake_nic.silent = true;
    while (send_one(sent, 60))
        sent++;
    assert_int_equal(sent, room);
    assert_false(send_one(0, 60));
    assert_false(fake_nic_run());
    fake_nic.silent = false;
    fake_nic.keeps_order = keeps_order;
    assert_true(fake_nic_run());
    assert_int_equal(fake_nic.interrupts, 1);
    nic_interrupt();
    for (uint32_t i = 0; i < sent; i++)
        expect_sent(i, i, 60);
}

static inline void expect_sent_without_interrupts(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_true(send_one(i, 1514));
        nic_kick();
        assert_false(fake_nic_run());
    }
    assert_int_equal(fake_nic.interrupts, 0);
    assert_int_equal(fake_nic.sent_count, count);
    expect_sent(count - 1, count - 1, 1514);
}

/* ---- receiving ---- */

static inline void arrives_and_is_taken(uint32_t seed, uint32_t bytes)
{
    struct packet packet;

    assert_true(fake_nic_arrive(frame(seed, bytes), bytes, NULL));
    expect_received(seed, bytes, &packet);
    nic_receive_done();
}

static inline void expect_burst_held(uint32_t room)
{
    struct packet packet;
    uint32_t count = 0;

    while (fake_nic_arrive(frame(count, 100), 100, NULL))
        count++;
    assert_int_equal(count, room);
    for (uint32_t i = 0; i < count; i++) {
        expect_received(i, 100, &packet);
        nic_receive_done();
    }
    assert_false(nic_receive(&packet));
}

/* Each of the card's buffers holds an old packet; then the DMA of a new one is blocked. */
static inline void expect_blocked_never_seen(uint32_t buffers)
{
    struct packet packet;

    for (uint32_t i = 0; i < buffers; i++)
        arrives_and_is_taken(i, 100);
    fake_nic.misses = true;
    assert_true(fake_nic_arrive(frame(99, 100), 100, NULL));
    fake_nic.misses = false;
    assert_false(nic_receive(&packet));
    nic_fault();
}

static inline void expect_reset(uint32_t resets, const char *words)
{
    assert_int_equal(nic_info()->resets, resets);
    assert_int_equal(nic_info()->state, NIC_READY);
    assert_non_null(strstr(fake_nic.last_log, words));
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
