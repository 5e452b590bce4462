/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_nic_virtio.c - claims about the NIC that is a virtio-net, and about when any NIC is reset
 *
 * links: tests/unit/nic_fake.c tests/unit/nic_fake_virtio.c tests/unit/nic_fake_e1000e.c
 * links: services/netdrv/nic.c services/netdrv/nic_virtio.c services/netdrv/nic_e1000e.c
 * links: services/netdrv/packet.c lib/virtio/virtio_pci.c lib/virtio/virtio_pci_find.c lib/virtio/virtq.c
 */
#include "nic_frames.h"

#include "lib/virtio/virtio.h"
#include "lib/virtio/virtio_net.h"

#define BIG 60000u

static int set_up(void **state)
{
    (void)state;
    return start_with(FAKE_VIRTIO);
}

/* ---- start ---------------------------------------------------------------------------------------- */

static void card_is_found_with_its_address_and_offloads(void **state)
{
    (void)state;
    expect_ready("virtio-net", NIC_CHECKSUM | NIC_GSO_TCP4 | NIC_GSO_TCP6);
}

static void machine_without_a_card_has_no_nic(void **state)
{
    struct packet packet;

    (void)state;
    fake_nic_reset(FAKE_NO_CARD);
    nic_start();
    assert_int_equal(nic_info()->state, NIC_NONE);
    assert_false(send_one(1, 60));
    assert_false(nic_receive(&packet));
    nic_interrupt();
    nic_fault();
    nic_check();
    assert_int_equal(fake_nic.logs, 0);
}

static void card_that_we_have_no_driver_for_is_named_as_such(void **state)
{
    (void)state;
    fake_nic_reset(FAKE_OTHER_CARD);
    nic_start();
    assert_int_equal(nic_info()->state, NIC_NONE);
    assert_non_null(strstr(nic_info()->why, "neither"));
}

static void card_whose_dma_bypasses_the_smmu_is_refused(void **state)
{
    (void)state;
    fake_nic_reset(FAKE_VIRTIO);
    fake_nic.features = VIRTIO_F_VERSION_1 | FEATURE_NET_MAC | FEATURE_NET_STATUS | FEATURE_NET_MRG_RXBUF;
    nic_start();
    assert_int_equal(nic_info()->state, NIC_NONE);
    assert_non_null(strstr(nic_info()->why, "SMMU"));
    assert_non_null(strstr(fake_nic.last_log, "no network card (its DMA"));
}

static void card_without_mergeable_buffers_gets_no_large_packets(void **state)
{
    struct packet packet;

    (void)state;
    fake_nic_reset(FAKE_VIRTIO);
    fake_nic.features &= ~FEATURE_NET_MRG_RXBUF;
    nic_start();
    assert_int_equal(nic_info()->state, NIC_READY);
    /* num_buffers means nothing then */
    fake_virtio_lie_about_buffers(7);
    assert_true(fake_nic_arrive(frame(1, 1500), 1500, NULL));
    expect_received(1, 1500, &packet);
}

static void card_that_needs_a_reset_after_each_one_is_refused(void **state)
{
    (void)state;
    fake_nic_reset(FAKE_VIRTIO);
    fake_nic.relapses = true;
    nic_start();
    assert_int_equal(nic_info()->state, NIC_NONE);
    assert_non_null(strstr(nic_info()->why, "reset"));
}

/* ---- sending -------------------------------------------------------------------------------------- */

static void packets_go_out_as_they_were_given(void **state)
{
    static const uint32_t lengths[] = {14, 60, 1514, 4083, 4084, 4085, 8180, BIG, NET_PACKET_BYTES_MAX};

    (void)state;
    expect_sent_as_given(lengths, sizeof(lengths) / sizeof(lengths[0]));
    assert_int_equal(nic_info()->sent, sizeof(lengths) / sizeof(lengths[0]));
}

static void nothing_is_rung_for_before_the_kick(void **state)
{
    volatile uint16_t *doorbell = (volatile uint16_t *)(fake_nic_bar() + 0x3000);

    (void)state;
    *doorbell = 77;
    assert_true(send_one(1, 60));
    assert_int_equal(*doorbell, 77);
    nic_kick();
    assert_int_equal(*doorbell, NET_QUEUE_TRANSMIT);
}

static void offloads_are_said_in_the_header(void **state)
{
    struct packet packet = packet_of(1, 20000);
    struct virtio_net_header header;

    (void)state;
    packet.offload = (struct net_offload){.flags = NET_NEEDS_CHECKSUM,
                                          .gso = NET_GSO_TCP6,
                                          .header_bytes = 74,
                                          .segment_bytes = 1440,
                                          .csum_start = 54,
                                          .csum_offset = 16};
    assert_true(nic_send(&packet));
    packet.offload = (struct net_offload){.flags = NET_CHECKSUM_GOOD};
    assert_true(nic_send(&packet));
    settle();
    memcpy(&header, fake_nic.sent[0].header, sizeof(header));
    assert_int_equal(header.flags, NET_HDR_NEEDS_CSUM);
    assert_int_equal(header.gso_type, NET_HDR_GSO_TCPV6);
    assert_int_equal(header.hdr_len, 74);
    assert_int_equal(header.gso_size, 1440);
    assert_int_equal(header.csum_start, 54);
    assert_int_equal(header.csum_offset, 16);
    memcpy(&header, fake_nic.sent[1].header, sizeof(header));
    assert_int_equal(header.flags, 0);
    assert_int_equal(header.gso_type, 0);
}

static void full_queue_refuses_and_an_interrupt_says_when_there_is_room(void **state)
{
    (void)state;
    expect_full_at(40, false);
    assert_true(send_one(99, BIG));
    assert_true(send_one(98, BIG));
    settle();
    expect_sent(40, 99, BIG);
    expect_sent(41, 98, BIG);
}

static void sending_with_room_raises_no_interrupts(void **state)
{
    (void)state;
    expect_sent_without_interrupts(300);
}

/* ---- receiving ------------------------------------------------------------------------------------ */

static void packets_come_in_as_they_arrived(void **state)
{
    static const uint32_t lengths[] = {14, 60, 1514, 4083, 4084, 4085, 8180, BIG, NET_PACKET_BYTES_MAX};
    struct packet packet;

    (void)state;
    for (uint32_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        assert_true(fake_nic_arrive(frame(i, lengths[i]), lengths[i], NULL));
        assert_true(fake_nic_run());
        nic_interrupt();
        expect_received(i, lengths[i], &packet);
        assert_int_equal(packet.offload.flags, 0);
        nic_receive_done();
        assert_false(nic_receive(&packet));
    }
}

static void buffers_never_run_out_over_time(void **state)
{
    struct packet packet;

    (void)state;
    for (uint32_t i = 0; i < 2000; i++) {
        arrives_and_is_taken(i, 60 + i * 37 % 65000);
        if (i % 3 == 0)
            assert_false(nic_receive(&packet));
    }
    assert_int_equal(nic_info()->received, 2000);
    assert_int_equal(nic_info()->lost, 0);
}

static void burst_is_held_until_it_is_taken(void **state)
{
    (void)state;
    expect_burst_held(64);
    assert_true(fake_nic_arrive(frame(1, 100), 100, NULL));
}

static void while_packets_keep_coming_there_is_one_interrupt(void **state)
{
    struct packet packet;

    (void)state;
    assert_true(fake_nic_arrive(frame(0, 100), 100, NULL));
    assert_int_equal(fake_nic.interrupts, 1);
    for (uint32_t i = 0; i < 100; i++) {
        expect_received(i, 100, &packet);
        nic_receive_done();
        assert_true(fake_nic_arrive(frame(i + 1, 100), 100, NULL));
    }
    assert_int_equal(fake_nic.interrupts, 1);
    receive_and_drop_all(1);
    assert_true(fake_nic_arrive(frame(0, 100), 100, NULL));
    assert_int_equal(fake_nic.interrupts, 2);
}

static void large_packet_says_what_is_left_to_do(void **state)
{
    struct virtio_net_header header = {.flags = NET_HDR_NEEDS_CSUM,
                                       .gso_type = NET_HDR_GSO_TCPV4 | NET_HDR_GSO_ECN,
                                       .hdr_len = 9999, /* a hint */
                                       .gso_size = 1448,
                                       .csum_start = 34,
                                       .csum_offset = 16};
    uint8_t *bytes = (uint8_t *)(uintptr_t)frame(3, BIG);
    struct packet packet;

    (void)state;
    bytes[34 + 12] = 0x80; /* TCP header of 32 bytes */
    assert_true(fake_nic_arrive(bytes, BIG, &header));
    assert_true(nic_receive(&packet));
    assert_int_equal(packet.offload.flags, NET_NEEDS_CHECKSUM);
    assert_int_equal(packet.offload.gso, NET_GSO_TCP4);
    assert_int_equal(packet.offload.header_bytes, 34 + 32);
    assert_int_equal(packet.offload.segment_bytes, 1448);
    assert_int_equal(packet.offload.csum_start, 34);
}

static void checked_packet_is_said_to_be_good(void **state)
{
    const struct virtio_net_header header = {.flags = NET_HDR_DATA_VALID};
    struct packet packet;

    (void)state;
    assert_true(fake_nic_arrive(frame(1, 100), 100, &header));
    expect_received(1, 100, &packet);
    assert_int_equal(packet.offload.flags, NET_CHECKSUM_GOOD);
}

static void headers_that_lie_cost_their_packet_only(void **state)
{
    static const struct virtio_net_header lies[] = {
        {.flags = NET_HDR_NEEDS_CSUM, .csum_start = 90, .csum_offset = 9},
        {.flags = NET_HDR_NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 0xffff},
        {.gso_type = NET_HDR_GSO_TCPV4, .gso_size = 1000}, /* no checksum to make */
        {.flags = NET_HDR_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16, .gso_type = NET_HDR_GSO_TCPV4},
        {.flags = NET_HDR_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16, .gso_type = 3, .gso_size = 9},
        {.flags = NET_HDR_NEEDS_CSUM, .csum_start = 90, .csum_offset = 2, .gso_type = 1, .gso_size = 9},
    };
    struct packet packet;

    (void)state;
    for (uint32_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        assert_true(fake_nic_arrive(frame(i, 100), 100, &lies[i]));
        assert_true(fake_nic_arrive(frame(50 + i, 100), 100, NULL));
        expect_received(50 + i, 100, &packet);
        nic_receive_done();
        assert_false(nic_receive(&packet));
        assert_int_equal(nic_info()->lost, i + 1);
    }
    assert_int_equal(nic_info()->resets, 0);
}

/* ---- going wrong ---------------------------------------------------------------------------------- */

static void expect_reset_and_working(uint32_t resets, const char *words)
{
    uint32_t before = fake_nic.sent_count;

    expect_reset(resets, words);
    assert_true(send_one(7, 1000));
    settle();
    expect_sent(before, 7, 1000);
    arrives_and_is_taken(8, 9000);
}

static void buffers_that_cannot_be_lead_to_a_reset(void **state)
{
    struct packet packet;

    for (uint32_t i = 0; i < 5; i++) {
        set_up(state);
        switch (i) {
        case 0: /* not in the queue's range */
            fake_virtio_use(NET_QUEUE_RECEIVE, 256, 100);
            break;
        case 1: /* longer than it is */
            fake_virtio_use(NET_QUEUE_RECEIVE, 0, 4097);
            break;
        case 2: /* no room for the header */
            fake_virtio_use(NET_QUEUE_RECEIVE, 0, 11);
            break;
        case 3:
            fake_virtio_run_ahead(NET_QUEUE_RECEIVE);
            break;
        case 4:
            fake_virtio_use(NET_QUEUE_TRANSMIT, 3, 0);
            break;
        }
        assert_false(nic_receive(&packet));
        second_passes();
        expect_reset_and_working(1, i == 2 ? "impossible number of buffers" : "nonsense into its");
    }
}

static void nothing_but_nonsense_leads_to_a_reset(void **state)
{
    const struct virtio_net_header lie = {.gso_type = 77};
    struct packet packet;

    (void)state;
    for (uint32_t i = 0; i < 64; i++)
        assert_true(fake_nic_arrive(frame(i, 100), 100, &lie));
    assert_false(nic_receive(&packet));
    expect_reset_and_working(1, "nothing but nonsense");
}

static void number_of_buffers_that_cannot_be_leads_to_a_reset(void **state)
{
    static const uint16_t counts[] = {18, 0xffff};
    struct packet packet;

    for (uint32_t i = 0; i < 2; i++) {
        set_up(state);
        fake_virtio_lie_about_buffers(counts[i]);
        assert_true(fake_nic_arrive(frame(1, 100), 100, NULL));
        fake_virtio_lie_about_buffers(0);
        assert_false(nic_receive(&packet));
        expect_reset_and_working(1, "impossible number of buffers");
    }
}

static void packet_in_more_buffers_than_have_come_waits_for_them(void **state)
{
    struct packet packet;

    (void)state;
    fake_virtio_lie_about_buffers(2);
    assert_true(fake_nic_arrive(frame(1, 4084), 4084, NULL));
    fake_virtio_lie_about_buffers(0);
    assert_false(nic_receive(&packet));
    assert_int_equal(nic_info()->resets, 0);
    assert_true(fake_nic_arrive(frame(2, 100), 100, NULL)); /* its 112 bytes count as the rest */
    assert_true(nic_receive(&packet));
    assert_int_equal(packet.length, 4084 + 112);
}

static void packet_whose_dma_was_blocked_is_never_seen(void **state)
{
    (void)state;
    expect_blocked_never_seen(64);
    assert_non_null(strstr(fake_nic.last_log, "blocked 1 accesses of stream 0x18, the last at address 0x0"));
    expect_reset_and_working(1, "blocked");
}

static void card_that_asks_for_a_reset_gets_one(void **state)
{
    (void)state;
    assert_true(send_one(1, 100));
    fake_nic_bar()[0x14] |= 64; /* DEVICE_NEEDS_RESET */
    fake_nic_bar()[0x1000] |= 2;
    nic_interrupt();
    assert_int_equal(nic_info()->lost, 1);
    expect_reset_and_working(1, "needs a reset");
}

static void card_that_sends_nothing_for_long_is_reset(void **state)
{
    (void)state;
    fake_nic.silent = true;
    assert_true(send_one(1, 100));
    nic_kick();
    for (uint32_t i = 0; i < 9; i++)
        second_passes();
    assert_int_equal(nic_info()->resets, 0);
    for (uint32_t i = 0; i < 3; i++)
        second_passes();
    fake_nic.silent = false;
    expect_reset_and_working(1, "sent nothing for too long");
}

static void pulled_cable_is_no_reason_for_a_reset(void **state)
{
    (void)state;
    fake_nic.silent = true;
    fake_nic.link = false;
    assert_true(send_one(1, 100));
    for (uint32_t i = 0; i < 30; i++)
        second_passes();
    assert_false(nic_info()->link);
    assert_int_equal(nic_info()->resets, 0);
}

static void link_changes_are_seen_at_once(void **state)
{
    (void)state;
    fake_nic.link = false;
    (void)fake_nic_run();
    fake_nic_bar()[0x1000] |= 2;
    nic_interrupt();
    assert_false(nic_info()->link);
    fake_nic.link = true;
    (void)fake_nic_run();
    fake_nic_bar()[0x1000] |= 2;
    nic_interrupt();
    assert_true(nic_info()->link);
}

static void card_that_does_not_come_back_is_given_up_and_said_once(void **state)
{
    struct packet packet;

    (void)state;
    fake_nic.relapses = true;
    fake_nic_bar()[0x14] |= 64;
    nic_check();
    assert_int_equal(nic_info()->state, NIC_DEAD);
    assert_non_null(strstr(fake_nic.last_log, "given up: it needs a reset right after one"));
    assert_int_equal(fake_nic.logs, 1);
    for (uint32_t i = 0; i < 100; i++) {
        second_passes();
        nic_interrupt();
        nic_fault();
        assert_false(nic_receive(&packet));
        assert_false(send_one(1, 60));
    }
    assert_int_equal(fake_nic.logs, 1);
    assert_int_equal(fake_nic.irq_acks, 0);
}

static void card_that_relapses_again_and_again_is_given_up(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        fake_nic_bar()[0x14] |= 64;
        nic_check();
    }
    assert_int_equal(nic_info()->state, NIC_DEAD);
    assert_int_equal(nic_info()->resets, 9);
    assert_non_null(strstr(fake_nic.last_log, "too often"));
}

static void card_that_stumbles_for_days_fills_no_log(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100000; i++) {
        fake_nic.now += 2000;
        fake_nic_bar()[0x14] |= 64;
        nic_check();
    }
    assert_int_equal(nic_info()->state, NIC_READY);
    assert_int_equal(nic_info()->resets, 100000);
    assert_true(fake_nic.logs < 400);
}

static void card_that_interrupts_for_no_cause_is_reset(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1001; i++)
        nic_interrupt();
    assert_int_equal(nic_info()->resets, 1);
    assert_non_null(strstr(fake_nic.last_log, "no cause"));
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CLAIM(card_is_found_with_its_address_and_offloads),
        CLAIM(machine_without_a_card_has_no_nic),
        CLAIM(card_that_we_have_no_driver_for_is_named_as_such),
        CLAIM(card_whose_dma_bypasses_the_smmu_is_refused),
        CLAIM(card_without_mergeable_buffers_gets_no_large_packets),
        CLAIM(card_that_needs_a_reset_after_each_one_is_refused),
        CLAIM(packets_go_out_as_they_were_given),
        CLAIM(nothing_is_rung_for_before_the_kick),
        CLAIM(offloads_are_said_in_the_header),
        CLAIM(full_queue_refuses_and_an_interrupt_says_when_there_is_room),
        CLAIM(sending_with_room_raises_no_interrupts),
        CLAIM(packets_come_in_as_they_arrived),
        CLAIM(buffers_never_run_out_over_time),
        CLAIM(burst_is_held_until_it_is_taken),
        CLAIM(while_packets_keep_coming_there_is_one_interrupt),
        CLAIM(large_packet_says_what_is_left_to_do),
        CLAIM(checked_packet_is_said_to_be_good),
        CLAIM(headers_that_lie_cost_their_packet_only),
        CLAIM(buffers_that_cannot_be_lead_to_a_reset),
        CLAIM(nothing_but_nonsense_leads_to_a_reset),
        CLAIM(number_of_buffers_that_cannot_be_leads_to_a_reset),
        CLAIM(packet_in_more_buffers_than_have_come_waits_for_them),
        CLAIM(packet_whose_dma_was_blocked_is_never_seen),
        CLAIM(card_that_asks_for_a_reset_gets_one),
        CLAIM(card_that_sends_nothing_for_long_is_reset),
        CLAIM(pulled_cable_is_no_reason_for_a_reset),
        CLAIM(link_changes_are_seen_at_once),
        CLAIM(card_that_does_not_come_back_is_given_up_and_said_once),
        CLAIM(card_that_relapses_again_and_again_is_given_up),
        CLAIM(card_that_stumbles_for_days_fills_no_log),
        CLAIM(card_that_interrupts_for_no_cause_is_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
