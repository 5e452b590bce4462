/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_vnet.c - claims about the virtio network device: a driver on one side, netdrv's ends of the lanes on
 * the other
 *
 * links: services/vmm/vnet.c lib/virtio/vring.c lib/virtio/virtio_mmio.c lib/ring/net_ring.c
 * flags: -Iservices/vmm
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "virtio_mmio_driver.h"
#include "virtio_net.h"
#include "vnet.h"

/* The receive queue is where vring_driver.h has its one; the transmit queue lies behind it. */
#define TX_DESCRIPTORS (RAM_BASE + 0x4000)
#define TX_AVAIL (RAM_BASE + 0x5000)
#define TX_USED (RAM_BASE + 0x6000)
#define PACKET (BUFFERS + 0x8000)
#define HEADER_BYTES 12u
#define ALL                                                                                                  \
    ((uint32_t)(FEATURE_NET_CSUM | FEATURE_NET_GUEST_CSUM | FEATURE_NET_GUEST_TSO4 |                         \
                FEATURE_NET_GUEST_TSO6 | FEATURE_NET_HOST_TSO4 | FEATURE_NET_HOST_TSO6 |                     \
                FEATURE_NET_MRG_RXBUF | FEATURE_NET_STATUS | FEATURE_NET_MAC))

static struct vnet net;
static union {
    struct net_ring ring;
    uint8_t page[NET_PAGE_BYTES];
} to_ring __attribute__((aligned(4096))), from_ring __attribute__((aligned(4096)));
static uint8_t to_pool[NET_LANE_PAGES * NET_PAGE_BYTES], from_pool[NET_LANE_PAGES * NET_PAGE_BYTES];
static struct net_consumer netdrv_takes;
static struct net_producer netdrv_puts;
static uint32_t attaches, agains, releases, generation;
static uint16_t tx_avail;

static void want_attach(void *context)
{
    (void)context;
    attaches++;
}

static void come_again(void *context)
{
    (void)context;
    agains++;
}

static void release_soon(void *context)
{
    (void)context;
    releases++;
}

/* What Net.Attach does, seen from both sides. */
static void attach(bool is_up)
{
    struct net_producer to;
    struct net_consumer from;

    generation++;
    net_ring_create(&to_ring.ring, generation);
    net_ring_create(&from_ring.ring, generation);
    assert_int_equal(net_consumer_init(&netdrv_takes, &to_ring.ring), OK);
    assert_int_equal(net_producer_init(&netdrv_puts, &from_ring.ring), OK);
    assert_int_equal(net_producer_init(&to, &to_ring.ring), OK);
    assert_int_equal(net_consumer_init(&from, &from_ring.ring), OK);
    vnet_attached(&net, &to, &from, is_up);
}

static void drive(uint32_t features)
{
    driver_negotiate(features);
    tx_avail = 0;
    driver_queue(0, DESCRIPTORS, AVAIL, USED);
    driver_queue(1, TX_DESCRIPTORS, TX_AVAIL, TX_USED);
    driver_ok();
}

static void set_up_with(uint32_t features)
{
    memset(&net, 0, sizeof net);
    interrupts = doorbells = attaches = agains = releases = 0;
    net.to_pool = to_pool;
    net.from_pool = from_pool;
    net.link = (struct vnet_link){NULL, ring_doorbell, want_attach, come_again, release_soon};
    memcpy(net.mac, "\2\0\0\0\0\7", 6);
    net.is_up = true;
    net.virtio.ram = &ram;
    net.virtio.interrupt = interrupt;
    driven = &net.virtio;
    vnet_init(&net);
    drive(features);
    attach(true);
}

static int set_up(void **state)
{
    (void)state;
    set_up_with(ALL);
    return 0;
}

/* ---- the guest ---------------------------------------------------------------------------------- */

static void tx_descriptor(uint32_t index, uint64_t address, uint32_t bytes, uint16_t flags, uint16_t next)
{
    struct vring_descriptor d = {address, bytes, flags, next};

    memcpy(at(TX_DESCRIPTORS + 16ull * index), &d, sizeof d);
}

static void tx_available(uint16_t head)
{
    put16(TX_AVAIL + 4 + 2ull * (tx_avail % QUEUE_SIZE), head);
    put16(TX_AVAIL + 2, ++tx_avail);
}

/* What the guest has back, now, and when the device's patience is over. */
static uint16_t tx_given_yet(void)
{
    return get16(TX_USED + 2);
}

static uint16_t tx_given(void)
{
    vnet_release(&net);
    return tx_given_yet();
}

/* Header and packet in one buffer at PACKET; kicked. */
static void send(const struct virtio_net_header *h, uint32_t bytes)
{
    memcpy(at(PACKET), h, HEADER_BYTES);
    for (uint32_t i = 0; i < bytes; i++)
        *at(PACKET + HEADER_BYTES + i) = (uint8_t)(i * 7 + i / 251);
    tx_descriptor(0, PACKET, HEADER_BYTES + bytes, 0, 0);
    tx_available(0);
    mmio(0x50, 1);
}

/* A receive buffer for descriptor `index`. */
static void offer(uint16_t index, uint32_t bytes)
{
    descriptor(index, BUFFERS + 0x1000ull * index, bytes, VRING_WRITE, 0);
    make_available(index);
}

static struct virtio_net_header received_header(uint16_t index)
{
    struct virtio_net_header h;

    memcpy(&h, at(BUFFERS + 0x1000ull * index), sizeof h);
    return h;
}

/* ---- netdrv ------------------------------------------------------------------------------------- */

static bool netdrv_take(struct net_descriptor *d)
{
    uint32_t bad = 0;
    bool found = net_ring_take(&netdrv_takes, d, &bad);

    assert_int_equal(bad, 0); /* whatever a guest says, its vmm never says nonsense */
    return found;
}

static void netdrv_put_with(uint32_t bytes, struct net_offload offload)
{
    struct net_descriptor d;

    assert_int_equal(net_ring_prepare(&netdrv_puts, bytes, &d), OK);
    for (uint32_t i = 0; i < bytes; i++)
        from_pool[d.pages[i / NET_PAGE_BYTES] * NET_PAGE_BYTES + i % NET_PAGE_BYTES] = (uint8_t)(i * 3 + 1);
    d.offload = offload;
    net_ring_put(&netdrv_puts, &d);
}

static void netdrv_put(uint32_t bytes)
{
    netdrv_put_with(bytes, (struct net_offload){0});
}

static uint16_t given(void)
{
    return get16(USED + 2);
}

/* The n-th used element says `bytes` in buffer `index`. */
static void expect_used(uint32_t n, uint32_t index, uint32_t bytes)
{
    assert_int_equal(get32(USED + 4 + 8ull * n), index);
    assert_int_equal(get32(USED + 8 + 8ull * n), bytes);
}

static void expect_broken(void)
{
    assert_true(mmio_read(0x70) & VIRTIO_NEEDS_RESET);
}

/* ---- claims: to netdrv -------------------------------------------------------------------------- */

static const struct virtio_net_header plain;

static void a_packet_of_any_length_arrives_whole(void **state)
{
    static const uint32_t lengths[] = {14, 60, 1514, 4096, 4097, 8192, 65535, 65549, NET_PACKET_BYTES_MAX};
    struct net_descriptor d;

    (void)state;
    for (uint32_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        send(&plain, lengths[i]);
        assert_true(netdrv_take(&d));
        assert_int_equal(d.length, lengths[i]);
        for (uint32_t j = 0; j < lengths[i]; j++)
            assert_int_equal(to_pool[d.pages[j / NET_PAGE_BYTES] * NET_PAGE_BYTES + j % NET_PAGE_BYTES],
                             *at(PACKET + HEADER_BYTES + j));
        net_ring_done(&netdrv_takes);
        assert_int_equal(tx_given(), i + 1);
    }
    assert_int_equal(net.dropped, 0);
}

static void chains_of_any_shape_are_one_packet(void **state)
{
    struct net_descriptor d;

    (void)state;
    memset(at(PACKET), 0, HEADER_BYTES);
    memcpy(at(PACKET + HEADER_BYTES), "abcdefghijklmnopqrstuvwxyz", 26);
    tx_descriptor(3, PACKET, 5, VRING_NEXT, 1); /* the header itself lies in three buffers */
    tx_descriptor(1, PACKET + 5, 1, VRING_NEXT, 4);
    tx_descriptor(4, PACKET + 6, 7, VRING_NEXT, 0);
    tx_descriptor(0, PACKET + 13, 25, 0, 0);
    tx_available(3);
    mmio(0x50, 1);
    assert_true(netdrv_take(&d));
    assert_int_equal(d.length, 26);
    assert_int_equal(tx_given(), 1);
    assert_memory_equal(to_pool + d.pages[0] * NET_PAGE_BYTES, "abcdefghijklmnopqrstuvwxyz", 26);
    assert_int_equal(get32(TX_USED + 4), 3);
}

static void offloads_are_said_as_the_lane_has_them(void **state)
{
    struct virtio_net_header h = {.flags = NET_HDR_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};
    struct net_descriptor d;

    (void)state;
    send(&h, 100);
    assert_true(netdrv_take(&d));
    assert_int_equal(d.offload.flags, NET_NEEDS_CHECKSUM);
    assert_int_equal(d.offload.csum_start, 34);
    assert_int_equal(d.offload.csum_offset, 16);
    h.gso_type = NET_HDR_GSO_TCPV6;
    h.hdr_len = 74;
    h.gso_size = 1440;
    send(&h, 30000);
    assert_true(netdrv_take(&d));
    assert_int_equal(d.offload.gso, NET_GSO_TCP6);
    assert_int_equal(d.offload.header_bytes, 74);
    assert_int_equal(d.offload.segment_bytes, 1440);
}

static void expect_dropped(const struct virtio_net_header *h, uint32_t bytes)
{
    uint64_t before = net.dropped;
    uint16_t gone = tx_given();
    struct net_descriptor d;

    send(h, bytes);
    assert_false(netdrv_take(&d));
    assert_int_equal(net.dropped, before + 1);
    assert_int_equal(tx_given(), (uint16_t)(gone + 1));
    assert_int_equal(mmio_read(0x70), 15);
}

static void headers_that_lie_cost_their_packet(void **state)
{
    struct virtio_net_header h = {.flags = NET_HDR_NEEDS_CSUM, .csum_start = 99};

    (void)state;
    expect_dropped(&h, 100); /* its checksum would lie behind the end */
    h = (struct virtio_net_header){.flags = NET_HDR_NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 0xffff};
    expect_dropped(&h, 65535);
    h = (struct virtio_net_header){.gso_type = NET_HDR_GSO_TCPV4, .hdr_len = 54, .gso_size = 1000};
    expect_dropped(&h, 5000); /* segments need checksums */
    h.flags = NET_HDR_NEEDS_CSUM;
    h.csum_start = 34;
    h.gso_size = 0;
    expect_dropped(&h, 5000);
    h.gso_size = 1000;
    h.hdr_len = 5001;
    expect_dropped(&h, 5000);
    h.hdr_len = 0;
    expect_dropped(&h, 5000);
    h.hdr_len = 54;
    h.gso_type = 3; /* UDP: not offered */
    expect_dropped(&h, 5000);
    h.gso_type = NET_HDR_GSO_TCPV4 | NET_HDR_GSO_ECN;
    expect_dropped(&h, 5000);
    expect_dropped(&plain, 13);
    expect_dropped(&plain, 0);
    expect_dropped(&plain, NET_PACKET_BYTES_MAX + 1);
}

static void what_was_not_negotiated_is_not_done(void **state)
{
    struct virtio_net_header h = {.flags = NET_HDR_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};

    (void)state;
    set_up_with(0);
    expect_dropped(&h, 100);
    set_up_with((uint32_t)FEATURE_NET_CSUM);
    h = (struct virtio_net_header){.flags = NET_HDR_NEEDS_CSUM,
                                   .gso_type = NET_HDR_GSO_TCPV4,
                                   .hdr_len = 54,
                                   .gso_size = 9,
                                   .csum_start = 34};
    expect_dropped(&h, 100);
}

static void a_chain_without_a_header_costs_the_device(void **state)
{
    (void)state;
    tx_descriptor(0, PACKET, HEADER_BYTES - 1, 0, 0);
    tx_available(0);
    mmio(0x50, 1);
    expect_broken();
    assert_int_equal(tx_given(), 0);
    drive(ALL); /* and works again after a reset */
    attach(true);
    send(&plain, 60);
    assert_int_equal(tx_given(), 1);
}

static void queues_that_make_no_sense_cost_the_device(void **state)
{
    (void)state;
    put16(TX_AVAIL + 2, QUEUE_SIZE + 1);
    mmio(0x50, 1);
    expect_broken();
    set_up(state);
    tx_descriptor(0, PACKET, 100, VRING_NEXT, 0); /* a loop */
    tx_available(0);
    mmio(0x50, 1);
    expect_broken();
    set_up(state);
    descriptor(0, RAM_BASE + RAM_BYTES - 8, 100, VRING_WRITE, 0); /* outside memory */
    make_available(0);
    netdrv_put(60);
    vnet_pump(&net);
    expect_broken();
    set_up(state);
    offer(0, HEADER_BYTES - 1);
    netdrv_put(60);
    vnet_pump(&net);
    expect_broken();
}

static void a_full_lane_makes_the_guest_wait_and_loses_nothing(void **state)
{
    struct net_descriptor d;
    uint32_t seen = 0;

    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        send(&plain, 60000); /* 15 pages each of 63 */
    assert_int_equal(tx_given(), 4);
    assert_true(netdrv_take(&d));
    net_ring_done(&netdrv_takes);
    assert_true(net_consumer_must_signal(&netdrv_takes));
    vnet_pump(&net);
    assert_int_equal(tx_given(), 5);
    while (netdrv_take(&d))
        seen++;
    assert_int_equal(seen, 4);
}

static void the_doorbell_rings_only_for_a_sleeper(void **state)
{
    struct net_descriptor d;

    (void)state;
    doorbells = 0;
    send(&plain, 60);
    assert_int_equal(doorbells, 1);
    net_consumer_awake(&netdrv_takes);
    send(&plain, 60);
    assert_int_equal(doorbells, 1);
    while (netdrv_take(&d))
        ;
    assert_true(net_consumer_may_sleep(&netdrv_takes));
    send(&plain, 60);
    assert_int_equal(doorbells, 2);
}

static void without_a_cable_packets_go_nowhere(void **state)
{
    struct net_descriptor d;

    (void)state;
    interrupts = 0;
    attach(false);
    assert_int_equal(virtio_mmio_read(&net.virtio, 0x106, 2), 0);
    assert_int_equal(interrupts, 1); /* the configuration changed */
    for (uint32_t i = 0; i < 100; i++)
        send(&plain, 60000);
    assert_int_equal(tx_given(), 100);
    assert_false(netdrv_take(&d));
    attach(true);
    assert_int_equal(virtio_mmio_read(&net.virtio, 0x106, 2), NET_STATUS_LINK_UP);
    send(&plain, 60);
    assert_true(netdrv_take(&d));
}

/* ---- claims: to the guest ----------------------------------------------------------------------- */

static void a_small_packet_takes_one_buffer(void **state)
{
    (void)state;
    offer(0, 2048);
    offer(1, 2048);
    netdrv_put_with(100, (struct net_offload){.flags = NET_CHECKSUM_GOOD});
    interrupts = 0;
    vnet_pump(&net);
    assert_int_equal(given(), 1);
    expect_used(0, 0, 112);
    assert_int_equal(received_header(0).num_buffers, 1);
    assert_int_equal(received_header(0).flags, NET_HDR_DATA_VALID);
    assert_int_equal(*at(BUFFERS + HEADER_BYTES + 99), (uint8_t)(99 * 3 + 1));
    assert_int_equal(interrupts, 1);
}

static void a_large_packet_takes_several_buffers_at_once(void **state)
{
    struct net_offload o = {.flags = NET_NEEDS_CHECKSUM,
                            .gso = NET_GSO_TCP4,
                            .header_bytes = 54,
                            .segment_bytes = 1448,
                            .csum_start = 34,
                            .csum_offset = 16};

    (void)state;
    for (uint16_t i = 0; i < 3; i++)
        offer(i, 4096);
    netdrv_put_with(9000, o);
    vnet_pump(&net);
    assert_int_equal(given(), 3);
    expect_used(0, 0, 4096);
    expect_used(1, 1, 4096);
    expect_used(2, 2, 9000 + 12 - 8192);
    struct virtio_net_header h = received_header(0);
    assert_int_equal(h.num_buffers, 3);
    assert_int_equal(h.flags, NET_HDR_NEEDS_CSUM);
    assert_int_equal(h.gso_type, NET_HDR_GSO_TCPV4);
    assert_int_equal(h.hdr_len, 54);
    assert_int_equal(h.gso_size, 1448);
    assert_int_equal(h.csum_start, 34);
    for (uint32_t i = 0; i < 9000; i++) /* the buffers are in a row */
        assert_int_equal(*at(BUFFERS + HEADER_BYTES + i), (uint8_t)(i * 3 + 1));
}

static void a_packet_waits_for_buffers_and_nothing_is_given_before(void **state)
{
    (void)state;
    offer(0, 4096);
    netdrv_put(9000);
    vnet_pump(&net);
    assert_int_equal(given(), 0);
    assert_false(net_producer_must_signal(&netdrv_puts)); /* the guest's kick is what it waits for */
    offer(1, 4096);
    mmio(0x50, 0);
    assert_int_equal(given(), 0);
    offer(2, 4096);
    mmio(0x50, 0);
    assert_int_equal(given(), 3);
    assert_true(net_producer_must_signal(&netdrv_puts));
}

static void a_packet_too_large_for_all_buffers_is_dropped_and_they_serve_the_next(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < QUEUE_SIZE; i++)
        offer(i, 1000);
    netdrv_put(9000);
    netdrv_put(500);
    vnet_pump(&net);
    assert_int_equal(net.dropped, 1);
    assert_int_equal(given(), 1);
    expect_used(0, 0, 512);
    assert_int_equal(mmio_read(0x70), 15);
}

static void without_merging_a_packet_needs_one_buffer(void **state)
{
    (void)state;
    set_up_with((uint32_t)FEATURE_NET_MAC);
    offer(0, 1526);
    offer(1, 1526);
    netdrv_put(1515);
    netdrv_put(1514);
    vnet_pump(&net);
    assert_int_equal(net.dropped, 1);
    assert_int_equal(given(), 1);
    expect_used(0, 0, 1526);
    assert_int_equal(received_header(0).num_buffers, 1);
}

static void what_the_driver_does_not_take_is_not_delivered(void **state)
{
    (void)state;
    set_up_with((uint32_t)FEATURE_NET_MRG_RXBUF);
    offer(0, 2000);
    netdrv_put_with(100, (struct net_offload){.flags = NET_NEEDS_CHECKSUM, .csum_start = 34});
    netdrv_put_with(60, (struct net_offload){.flags = NET_CHECKSUM_GOOD});
    vnet_pump(&net);
    assert_int_equal(given(), 1);
    expect_used(0, 0, 72);
    assert_int_equal(received_header(0).flags, 0);
}

static void an_attach_in_the_middle_of_a_packet_gives_its_buffers_to_the_next(void **state)
{
    (void)state;
    offer(0, 4096);
    netdrv_put(9000);
    vnet_pump(&net);
    attach(true);
    netdrv_put(200);
    vnet_pump(&net);
    assert_int_equal(given(), 1);
    expect_used(0, 0, 212);
}

static void a_driver_attaches_with_what_it_takes_and_finds_nothing_old(void **state)
{
    struct net_descriptor d;

    (void)state;
    assert_int_equal(attaches, 1);
    assert_int_equal(vnet_features(&net),
                     FEATURE_NET_GUEST_CSUM | FEATURE_NET_GUEST_TSO4 | FEATURE_NET_GUEST_TSO6);
    mmio(0x70, 0);
    assert_int_equal(vnet_features(&net), 0);
    netdrv_put(60);
    vnet_pump(&net);
    drive((uint32_t)FEATURE_NET_GUEST_CSUM);
    assert_int_equal(attaches, 2);
    assert_int_equal(vnet_features(&net), FEATURE_NET_GUEST_CSUM);
    offer(0, 2048);
    send(&plain, 60); /* not before the lanes are attached */
    vnet_pump(&net);
    assert_false(netdrv_take(&d));
    assert_int_equal(given(), 0);
    attach(true);
    assert_true(netdrv_take(&d));
    assert_int_equal(given(), 0);
}

static void a_pass_ends_and_comes_again(void **state)
{
    (void)state;
    attach(false);
    agains = 0;
    mmio(0x30, 1);
    mmio(0x44, 0);
    mmio(0x38, 128);
    mmio(0x44, 1);
    tx_descriptor(0, PACKET, 100, 0, 0);
    put16(TX_AVAIL + 2, 100); /* a hundred times descriptor 0 */
    mmio(0x50, 1);
    assert_int_equal(tx_given(), VNET_PASS_PACKETS);
    assert_int_equal(agains, 1);
    vnet_pump(&net);
    assert_int_equal(tx_given(), 100);
    assert_int_equal(agains, 1);
}

static void the_guest_hears_of_small_packets_together(void **state)
{
    (void)state;
    mmio(0x30, 1);
    mmio(0x44, 0);
    mmio(0x38, 128);
    mmio(0x44, 1);
    attach(false); /* where they go does not matter */
    interrupts = 0;
    tx_descriptor(0, PACKET, 100, 0, 0);
    put16(TX_AVAIL + 2, 3); /* three times descriptor 0 */
    mmio(0x50, 1);
    assert_int_equal(tx_given_yet(), 0);
    assert_int_equal(releases, 1);
    vnet_release(&net); /* soon after */
    assert_int_equal(tx_given_yet(), 3);
    assert_int_equal(interrupts, 1);
    mmio(0x64, 1);
    put16(TX_AVAIL + 2, 3 + VNET_HELD_MAX); /* or when there are some of them */
    mmio(0x50, 1);
    assert_int_equal(tx_given_yet(), 3 + VNET_HELD_MAX);
    assert_int_equal(interrupts, 2);
    mmio(0x64, 1);
    put16(TX_AVAIL + 2, 3 + VNET_HELD_MAX + 1); /* or with a large one */
    mmio(0x50, 1);
    assert_int_equal(tx_given_yet(), 3 + VNET_HELD_MAX);
    tx_descriptor(0, PACKET, VNET_HELD_BYTES + 1, 0, 0);
    put16(TX_AVAIL + 2, 3 + VNET_HELD_MAX + 2);
    mmio(0x50, 1);
    assert_int_equal(tx_given_yet(), 3 + VNET_HELD_MAX + 2);
    assert_int_equal(interrupts, 3);
}

static void a_driver_that_looks_for_itself_has_its_buffer_back_at_once(void **state)
{
    (void)state;
    put16(TX_AVAIL, VRING_AVAIL_NO_INTERRUPT);
    send(&plain, 60);
    assert_int_equal(tx_given_yet(), 1);
    assert_int_equal(releases, 0);
}

/* ---- interrupts whose acknowledgement is not heard ---- */

static uint32_t pulses, urgent_pulses;
static bool can_pulse, is_owed; /* an acknowledgement that goes no further */

static bool pulse(void *context, bool is_urgent)
{
    (void)context;
    if (!can_pulse)
        return false;
    pulses++;
    urgent_pulses += is_urgent;
    is_owed = true;
    return true;
}

static void hear(void *context)
{
    (void)context;
    is_owed = false;
}

static void acknowledge(uint32_t bits)
{
    if (is_owed)
        is_owed = false;
    else
        mmio(0x64, bits);
}

static void set_up_pulses(void)
{
    net.virtio.pulse = pulse;
    net.virtio.hear = hear;
    can_pulse = true;
    is_owed = false;
    interrupts = pulses = urgent_pulses = 0;
    for (uint16_t i = 0; i < 6; i++)
        offer(i, 4096);
}

static void a_driver_that_acknowledges_once_is_not_heard(void **state)
{
    (void)state;
    set_up_pulses();
    for (uint32_t i = 1; i < 4; i++) {
        netdrv_put(100);
        vnet_pump(&net);
        assert_int_equal(pulses, i);
        assert_int_equal(mmio_read(0x60), 1);
        acknowledge(1);
        assert_int_equal(mmio_read(0x60), 1); /* for all we know */
    }
    acknowledge(1);
    assert_int_equal(mmio_read(0x60), 0);
    netdrv_put(100);
    vnet_pump(&net);
    assert_int_equal(pulses, 4);
    assert_int_equal(mmio_read(0x60), 1);
    assert_int_equal(interrupts, 0);
}

static void a_changed_configuration_is_acknowledged_to_us(void **state)
{
    (void)state;
    set_up_pulses();
    netdrv_put(100);
    vnet_pump(&net);
    attach(false); /* the cable is pulled before the driver has looked */
    assert_int_equal(interrupts, 1);
    assert_int_equal(mmio_read(0x60), 3);
    netdrv_put(100);
    vnet_pump(&net);
    assert_int_equal(pulses, 1); /* it has to acknowledge this to us anyway */
    assert_int_equal(interrupts, 2);
    acknowledge(3);
    assert_int_equal(mmio_read(0x60), 0);
    netdrv_put(100);
    vnet_pump(&net);
    assert_int_equal(pulses, 2);
    assert_int_equal(mmio_read(0x60), 1);
}

/* Another thread took the pulse with its completion and gave the lock; it signals when it gets to it. */
static bool pulse_later(void *context, bool is_urgent)
{
    (void)context, (void)is_urgent;
    pulses++;
    return true;
}

static void a_pulse_on_its_way_does_not_silence_a_changed_configuration(void **state)
{
    (void)state;
    set_up_pulses();
    net.virtio.pulse = pulse_later;
    netdrv_put(100);
    vnet_pump(&net);
    attach(false);
    is_owed = true; /* now it arrives: what the driver acknowledges does not reach us */
    acknowledge(3);
    assert_int_equal(mmio_read(0x60), 3);
    interrupts = pulses = 0;
    netdrv_put(100);
    vnet_pump(&net);
    assert_int_equal(interrupts + pulses, 1);
    attach(true);
    assert_int_equal(interrupts + pulses, 2);
    acknowledge(3);
    assert_int_equal(mmio_read(0x60), 0);
}

static void what_cannot_be_pulsed_is_an_interrupt(void **state)
{
    (void)state;
    set_up_pulses();
    netdrv_put(100);
    vnet_pump(&net);
    acknowledge(1);
    can_pulse = false; /* the guest has made it level-sensitive */
    netdrv_put(100);
    vnet_pump(&net);
    assert_int_equal(interrupts, 1);
    netdrv_put(100);
    vnet_pump(&net); /* for all we know it was acknowledged */
    assert_int_equal(interrupts, 2);
    acknowledge(1);
    assert_int_equal(mmio_read(0x60), 0);
    netdrv_put(100);
    vnet_pump(&net);
    assert_int_equal(interrupts, 3);
    assert_int_equal(pulses, 1);
}

static void a_message_is_urgent_and_a_stream_is_not(void **state)
{
    (void)state;
    set_up_pulses();
    netdrv_put(VNET_URGENT_BYTES);
    vnet_pump(&net);
    assert_int_equal(pulses, 1);
    assert_int_equal(urgent_pulses, 1);
    netdrv_put(VNET_URGENT_BYTES + 1);
    vnet_pump(&net);
    assert_int_equal(pulses, 2);
    assert_int_equal(urgent_pulses, 1);
    send(&plain, 60); /* what is sent is not either */
    vnet_release(&net);
    assert_int_equal(pulses, 3);
    assert_int_equal(urgent_pulses, 1);
}

/* Random queues, headers and descriptors: nothing outside is touched (ASan), nothing nonsensical reaches
 * netdrv (netdrv_take). */
static void random_guests_harm_nobody(void **state)
{
    struct net_descriptor d;

    srand(1);
    for (uint32_t round = 0; round < 3000; round++) {
        if (round % 50 == 0)
            set_up(state);
        for (uint32_t i = 0; i < 64; i++)
            *at(DESCRIPTORS + (uint32_t)rand() % 0x6000) = (uint8_t)rand();
        for (uint32_t i = 0; i < QUEUE_SIZE; i++) {
            tx_descriptor(i, PACKET + (uint32_t)rand() % 4096, (uint32_t)rand() % 70000, rand() % 3 == 0,
                          (uint16_t)(rand() % 10));
            descriptor(i, BUFFERS + (uint32_t)rand() % 4096, (uint32_t)rand() % 5000, VRING_WRITE, 0);
        }
        for (uint32_t i = 0; i < HEADER_BYTES; i++)
            *at(PACKET + i) = (uint8_t)(rand() % 40);
        tx_available((uint16_t)(rand() % 8));
        make_available((uint16_t)(rand() % 8));
        if (net_ring_prepare(&netdrv_puts, 14 + (uint32_t)rand() % 9000, &d) == OK)
            net_ring_put(&netdrv_puts, &d);
        mmio(0x50, (uint32_t)rand() % 3);
        vnet_pump(&net);
        while (netdrv_take(&d))
            net_ring_done(&netdrv_takes);
        if (mmio_read(0x70) & VIRTIO_NEEDS_RESET) {
            drive(ALL);
            attach(rand() % 8 != 0);
        }
    }
}

#define CLAIM(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_packet_of_any_length_arrives_whole),
        CLAIM(chains_of_any_shape_are_one_packet),
        CLAIM(offloads_are_said_as_the_lane_has_them),
        CLAIM(headers_that_lie_cost_their_packet),
        CLAIM(what_was_not_negotiated_is_not_done),
        CLAIM(a_chain_without_a_header_costs_the_device),
        CLAIM(queues_that_make_no_sense_cost_the_device),
        CLAIM(a_full_lane_makes_the_guest_wait_and_loses_nothing),
        CLAIM(the_doorbell_rings_only_for_a_sleeper),
        CLAIM(without_a_cable_packets_go_nowhere),
        CLAIM(a_small_packet_takes_one_buffer),
        CLAIM(a_large_packet_takes_several_buffers_at_once),
        CLAIM(a_packet_waits_for_buffers_and_nothing_is_given_before),
        CLAIM(a_packet_too_large_for_all_buffers_is_dropped_and_they_serve_the_next),
        CLAIM(without_merging_a_packet_needs_one_buffer),
        CLAIM(what_the_driver_does_not_take_is_not_delivered),
        CLAIM(an_attach_in_the_middle_of_a_packet_gives_its_buffers_to_the_next),
        CLAIM(a_driver_attaches_with_what_it_takes_and_finds_nothing_old),
        CLAIM(a_pass_ends_and_comes_again),
        CLAIM(the_guest_hears_of_small_packets_together),
        CLAIM(a_driver_that_looks_for_itself_has_its_buffer_back_at_once),
        CLAIM(a_driver_that_acknowledges_once_is_not_heard),
        CLAIM(a_changed_configuration_is_acknowledged_to_us),
        CLAIM(a_pulse_on_its_way_does_not_silence_a_changed_configuration),
        CLAIM(what_cannot_be_pulsed_is_an_interrupt),
        CLAIM(a_message_is_urgent_and_a_stream_is_not),
        CLAIM(random_guests_harm_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
