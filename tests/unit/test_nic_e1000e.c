/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_nic_e1000e.c - claims about the NIC that is an Intel 82574L
 *
 * links: tests/unit/nic_fake.c tests/unit/nic_fake_virtio.c tests/unit/nic_fake_e1000e.c
 * links: services/netdrv/nic.c services/netdrv/nic_virtio.c services/netdrv/nic_e1000e.c
 * links: services/netdrv/packet.c lib/virtio/virtio_pci.c lib/virtio/virtio_pci_find.c lib/virtio/virtq.c
 */
#include "nic_frames.h"

#include "services/netdrv/e1000e.h"

static int set_up(void **state)
{
    (void)state;
    return start_with(FAKE_E1000E);
}

static uint32_t reg(uint32_t offset)
{
    return *(volatile uint32_t *)(fake_nic_bar() + offset);
}

static void card_is_found_reset_and_set_up(void **state)
{
    (void)state;
    expect_ready("e1000e", 0);
    assert_int_equal(fake_nic.resets, 1);
    assert_int_equal(reg(REG_RCTL) & (RCTL_EN | RCTL_UPE | RCTL_MPE), RCTL_EN | RCTL_UPE | RCTL_MPE);
    assert_int_equal(reg(REG_CTRL) & CTRL_MASTER_DISABLE, 0);
}

static void card_that_stays_in_reset_is_refused(void **state)
{
    (void)state;
    fake_nic_reset(FAKE_E1000E);
    fake_nic.stuck = true;
    nic_start();
    assert_int_equal(nic_info()->state, NIC_NONE);
    assert_non_null(strstr(nic_info()->why, "does not come out of a reset"));
}

static void packets_go_out_as_they_were_given(void **state)
{
    static const uint32_t lengths[] = {14, 60, 255, 256, 257, 1514, 1518};

    (void)state;
    expect_sent_as_given(lengths, sizeof(lengths) / sizeof(lengths[0]));
}

static void packet_longer_than_a_frame_is_lost_and_blocks_nothing(void **state)
{
    (void)state;
    assert_true(send_one(1, 1523));
    assert_true(send_one(2, 1522));
    settle();
    assert_int_equal(fake_nic.sent_count, 1);
    expect_sent(0, 2, 1522);
    assert_int_equal(nic_info()->lost, 1);
}

static void full_ring_refuses_and_an_interrupt_says_when_there_is_room(void **state)
{
    (void)state;
    expect_full_at(79, true);
    assert_true(send_one(99, 100));
    settle();
    expect_sent(79, 99, 100);
    assert_int_equal(fake_nic.interrupts, 1);
}

static void sending_with_room_raises_no_interrupts(void **state)
{
    (void)state;
    expect_sent_without_interrupts(500);
}

static void packets_come_in_as_they_arrived(void **state)
{
    struct packet packet;

    (void)state;
    for (uint32_t i = 0; i < 2000; i++) {
        uint32_t bytes = 60 + i * 37 % 1459;

        assert_true(fake_nic_arrive(frame(i, bytes), bytes, NULL));
        assert_true(fake_nic_run());
        nic_interrupt();
        expect_received(i, bytes, &packet);
        assert_int_equal(packet.offload.flags, NET_CHECKSUM_GOOD);
        nic_receive_done();
        if (i % 3 == 0)
            assert_false(nic_receive(&packet));
    }
    assert_int_equal(nic_info()->lost, 0);
}

static void burst_is_held_until_it_is_taken(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 3; round++)
        expect_burst_held(127);
}

static void frames_that_are_not_whole_and_good_are_dropped(void **state)
{
    static const struct {
        uint16_t length;
        uint8_t status, errors;
    } lies[] = {
        {13, RXD_DONE | RXD_END, 0},
        {0, RXD_DONE | RXD_END, 0},
        {2049, RXD_DONE | RXD_END, 0},
        {0xffff, RXD_DONE | RXD_END, 0},
        {100, RXD_DONE | RXD_END, 0x01 /*CE*/},
        {100, RXD_DONE | RXD_END, 0x80 /*RXE*/},
    };
    struct packet packet;

    (void)state;
    for (uint32_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        fake_e1000e_lie(lies[i].length, lies[i].status, lies[i].errors);
        assert_true(fake_nic_arrive(frame(i, 100), 100, NULL));
        assert_true(fake_nic_arrive(frame(50 + i, 100), 100, NULL));
        expect_received(50 + i, 100, &packet);
        nic_receive_done();
        assert_false(nic_receive(&packet));
        assert_int_equal(nic_info()->lost, i + 1);
    }
}

static void frame_in_several_buffers_is_dropped_to_its_end(void **state)
{
    struct packet packet;

    (void)state;
    fake_e1000e_lie(2048, RXD_DONE, 0);
    assert_true(fake_nic_arrive(frame(1, 1000), 1000, NULL));
    fake_e1000e_lie(2048, RXD_DONE, 0);
    assert_true(fake_nic_arrive(frame(2, 1000), 1000, NULL));
    assert_true(fake_nic_arrive(frame(3, 1000), 1000, NULL)); /* the end of it */
    assert_true(fake_nic_arrive(frame(4, 1000), 1000, NULL));
    expect_received(4, 1000, &packet);
    assert_int_equal(nic_info()->lost, 3);
}

static void checksum_is_good_only_if_the_card_found_it_so(void **state)
{
    static const struct {
        uint8_t status, errors, flags;
    } cases[] = {
        {RXD_TCP_SUM, 0, NET_CHECKSUM_GOOD},  {0, 0, 0},
        {RXD_TCP_SUM | RXD_IGNORE_SUM, 0, 0}, {RXD_TCP_SUM, 0x20 /*TCPE*/, 0},
        {RXD_TCP_SUM, 0x40 /*IPE*/, 0},
    };
    struct packet packet;

    (void)state;
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_e1000e_lie(100, (uint8_t)(RXD_DONE | RXD_END | cases[i].status), cases[i].errors);
        assert_true(fake_nic_arrive(frame(i, 100), 100, NULL));
        expect_received(i, 100, &packet);
        assert_int_equal(packet.offload.flags, cases[i].flags);
        nic_receive_done();
    }
}

static void expect_reset_and_working(const char *words)
{
    uint32_t before = fake_nic.sent_count;

    expect_reset(1, words);
    for (uint32_t i = 0; i < 200; i++) {
        assert_true(send_one(i, 1000));
        settle();
        expect_sent(before + i, i, 1000);
        arrives_and_is_taken(i, 900);
    }
}

static void nothing_but_nonsense_leads_to_a_reset(void **state)
{
    struct packet packet;

    (void)state;
    for (uint32_t i = 0; i < 127; i++) {
        fake_e1000e_lie(5, RXD_DONE | RXD_END, 0);
        assert_true(fake_nic_arrive(frame(i, 100), 100, NULL));
    }
    assert_false(nic_receive(&packet));
    expect_reset_and_working("nothing but nonsense");
}

static void packet_whose_dma_was_blocked_is_never_seen(void **state)
{
    (void)state;
    expect_blocked_never_seen(128);
    expect_reset_and_working("blocked 1 accesses of stream 0x18, the last at address 0x0");
}

static void card_that_sends_nothing_for_long_is_reset(void **state)
{
    (void)state;
    fake_nic.silent = true;
    for (uint32_t i = 0; i < 5; i++)
        assert_true(send_one(i, 100));
    nic_kick();
    for (uint32_t i = 0; i < 12; i++)
        second_passes();
    assert_int_equal(nic_info()->lost, 5);
    fake_nic.silent = false;
    expect_reset_and_working("sent nothing for too long");
}

static void link_changes_are_seen_at_once(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        fake_nic.link = i % 2;
        (void)fake_nic_run();
        *(volatile uint32_t *)(fake_nic_bar() + REG_ICR) = CAUSE_LSC;
        nic_interrupt();
        assert_int_equal(nic_info()->link, i % 2);
    }
}

static void card_that_is_pulled_out_is_given_up(void **state)
{
    (void)state;
    memset((void *)(uintptr_t)fake_nic_bar(), 0xff, REG_END);
    fake_nic.stuck = true;
    second_passes();
    assert_int_equal(nic_info()->state, NIC_DEAD);
    assert_non_null(strstr(fake_nic.last_log, "its registers are gone"));
    assert_int_equal(fake_nic.logs, 1);
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CLAIM(card_is_found_reset_and_set_up),
        CLAIM(card_that_stays_in_reset_is_refused),
        CLAIM(packets_go_out_as_they_were_given),
        CLAIM(packet_longer_than_a_frame_is_lost_and_blocks_nothing),
        CLAIM(full_ring_refuses_and_an_interrupt_says_when_there_is_room),
        CLAIM(sending_with_room_raises_no_interrupts),
        CLAIM(packets_come_in_as_they_arrived),
        CLAIM(burst_is_held_until_it_is_taken),
        CLAIM(frames_that_are_not_whole_and_good_are_dropped),
        CLAIM(frame_in_several_buffers_is_dropped_to_its_end),
        CLAIM(checksum_is_good_only_if_the_card_found_it_so),
        CLAIM(nothing_but_nonsense_leads_to_a_reset),
        CLAIM(packet_whose_dma_was_blocked_is_never_seen),
        CLAIM(card_that_sends_nothing_for_long_is_reset),
        CLAIM(link_changes_are_seen_at_once),
        CLAIM(card_that_is_pulled_out_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
