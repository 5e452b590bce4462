/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_netdrv.c - claims about the network driver: who hears whom, who pays for whom, and what a restart
 * leaves
 *
 * links: tests/unit/netdrv_fake.c lib/ring/net_ring.c lib/bh/copies.c lib/bh/crc32.c
 * links: services/netdrv/session.c services/netdrv/persist.c services/netdrv/port.c services/netdrv/switch.c
 * links: services/netdrv/uplink.c services/netdrv/gateway.c services/netdrv/work.c services/netdrv/networks.c
 * links: services/netdrv/stations.c services/netdrv/packet.c services/netdrv/guard.c services/netdrv/bucket.c
 * links: services/netdrv/inet.c services/netdrv/offload.c services/netdrv/dhcp_message.c
 * links: services/netdrv/arp.c services/netdrv/icmp.c services/netdrv/nat.c services/netdrv/nat_table.c
 * links: services/netdrv/dhcp.c services/netdrv/route.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "netdrv_fake.h"

#define BR0 0u
#define NAT0 1u
#define BLUE 2u
#define LAB 3u
#define TSO (FEATURE_GUEST_CHECKSUM | FEATURE_GUEST_TSO4 | FEATURE_GUEST_TSO6)
#define BROADCAST 99u /* as a receiver */
#define OUTSIDE 88u   /* 02:00:00:00:01:00, on the uplink */
#define LARGE (65535u + 14u)
#define SESSION(vm) ((16u + (vm)) << 8) /* its first interface */

static struct netdrv drv;

/* The vmm's side of each port; plugged in order, so that VM i is port i. */
struct vm {
    struct net_producer out;
    struct net_consumer in;
    uint8_t got[NET_PACKET_PAGES * NET_PAGE_BYTES];
    struct net_descriptor descriptor;
};
static struct vm vms[PORTS_MAX];
static uint8_t frame[NET_PACKET_BYTES_MAX];

static void start(void)
{
    memset(&drv, 0, sizeof(drv));
    work_clock(&drv);
    uplink_start(&drv);
    gateway_start(&drv);
    session_recover(&drv);
    fake.sent_count = 0; /* the router has said where it is */
}

static int set_up(void **state)
{
    (void)state;
    fake_reset();
    start();
    return 0;
}

static void run(void)
{
    for (uint32_t i = 0; i < 1000 && work_pass(&drv); i++)
        ;
}

static void pass_ms(uint64_t ms)
{
    fake.now_us += ms * 1000;
    run();
}

static struct port_config config_of(uint32_t vm, uint32_t network, uint16_t vlan)
{
    struct port_config config = {.session = SESSION(vm),
                                 .network = network,
                                 .vlan = vlan,
                                 .link = true,
                                 .mac = {2, 0, 0, 0, 0, (uint8_t)(16 + vm)},
                                 .ipv4_count = 1,
                                 .ipv4 = {0x0a010010 + vm}};

    snprintf(config.name, sizeof(config.name), "vm%u", vm);
    return config;
}

static enum status open_as(const struct port_config *config)
{
    char error[160] = "";
    enum status status = session_open(&drv, config, FAKE_MEMORY, error, sizeof(error));

    assert_int_equal(status != OK, error[0] != '\0');
    return status;
}

static void attach(uint32_t vm, uint64_t features)
{
    assert_int_equal(session_attach(&drv, &drv.ports[vm], features), OK);
    assert_int_equal(net_producer_init(&vms[vm].out, (void *)port_page(&drv.ports[vm], 0)), OK);
    assert_int_equal(net_consumer_init(&vms[vm].in, (void *)port_page(&drv.ports[vm], NET_PAGES_PER_LANE)),
                     OK);
    run();
}

static void plug_as(const struct port_config *config, uint64_t features)
{
    assert_int_equal(open_as(config), OK);
    attach((config->session >> 8) - 16, features);
}

static void plug(uint32_t vm, uint32_t network, uint16_t vlan)
{
    struct port_config config = config_of(vm, network, vlan);

    plug_as(&config, TSO);
}

static void mac_put(uint8_t *at, uint32_t who)
{
    const uint8_t outside[6] = {2, 0, 0, 0, 1, 0}, vm[6] = {2, 0, 0, 0, 0, (uint8_t)(16 + who)};

    if (who == BROADCAST)
        memset(at, 0xff, 6);
    else
        memcpy(at, who == OUTSIDE ? outside : vm, 6);
}

static void udp_make(uint32_t from, uint32_t to, uint32_t length)
{
    memset(frame, 0, sizeof(frame));
    mac_put(frame, to);
    mac_put(frame + 6, from);
    put16(frame + 12, ETHERTYPE_IPV4);
    frame[14] = 0x45;
    put16(frame + 16, length - 14);
    frame[22] = 64;
    frame[23] = PROTO_UDP;
    put32(frame + 26, 0x0a010010 + from);
    put32(frame + 30, 0x0a010010 + to);
    put16(frame + 34, 7000);
    put16(frame + 36, 7000);
    put16(frame + 38, length - 34);
    for (uint32_t i = 42; i < length; i++)
        frame[i] = (uint8_t)(i * 7 + i / 251);
}

static struct net_offload tcp_make(uint32_t from, uint32_t to, uint32_t length)
{
    udp_make(from, to, length);
    frame[23] = PROTO_TCP;
    put32(frame + 38, 1);
    put32(frame + 42, 0);
    put16(frame + 46, 0x5010);
    put32(frame + 50, 0);
    return (struct net_offload){.flags = NET_NEEDS_CHECKSUM,
                                .gso = NET_GSO_TCP4,
                                .header_bytes = 54,
                                .segment_bytes = 1460,
                                .csum_start = 34,
                                .csum_offset = 16};
}

/* False: no room in its lane. */
static bool put(uint32_t vm, uint32_t length, const struct net_offload *offload)
{
    uint8_t *pool = port_page(&drv.ports[vm], 1);
    struct net_descriptor d;

    if (net_ring_prepare(&vms[vm].out, length, &d) != OK)
        return false;
    if (offload)
        d.offload = *offload;
    for (uint32_t i = 0; i < net_pages_count(length); i++) {
        uint32_t left = length - i * NET_PAGE_BYTES;

        memcpy(pool + d.pages[i] * NET_PAGE_BYTES, frame + i * NET_PAGE_BYTES,
               left < NET_PAGE_BYTES ? left : NET_PAGE_BYTES);
    }
    net_ring_put(&vms[vm].out, &d);
    work_events(&drv, EV_BELL(vm));
    return true;
}

static void send_frame(uint32_t vm, uint32_t length)
{
    assert_true(put(vm, length, NULL));
    run();
}

static void send_udp(uint32_t from, uint32_t to)
{
    udp_make(from, to, 200);
    send_frame(from, 200);
}

static bool hears(uint32_t vm)
{
    const uint8_t *pool = port_page(&drv.ports[vm], NET_PAGES_PER_LANE + 1);
    struct vm *v = &vms[vm];
    uint32_t bad = 0;

    if (!net_ring_take(&v->in, &v->descriptor, &bad))
        return false;
    assert_int_equal(bad, 0);
    for (uint32_t i = 0; i < net_pages_count(v->descriptor.length); i++)
        memcpy(v->got + i * NET_PAGE_BYTES, pool + v->descriptor.pages[i] * NET_PAGE_BYTES, NET_PAGE_BYTES);
    net_ring_done(&v->in);
    return true;
}

static void hears_frame(uint32_t vm, uint32_t length)
{
    assert_true(hears(vm));
    assert_int_equal(vms[vm].descriptor.length, length);
    assert_memory_equal(vms[vm].got, frame, length);
    assert_false(hears(vm));
}

static uint32_t hears_count(uint32_t vm)
{
    uint32_t count = 0;

    while (hears(vm))
        count++;
    return count;
}

static const struct counters *from_vm(uint32_t vm)
{
    return &drv.ports[vm].from_vm;
}

static void arrive(uint32_t from, uint32_t to, uint16_t tag)
{
    uint32_t length = 200;

    udp_make(from, to, length);
    if (tag) {
        memmove(frame + 16, frame + 12, length - 12);
        put16(frame + 12, ETHERTYPE_VLAN);
        put16(frame + 14, tag);
        length += 4;
    }
    fake_arrive(frame, length);
    run();
    udp_make(from, to, 200);
}

/* ---- who hears whom --------------------------------------------------------------------------------- */

static void packet_reaches_its_receiver_only(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    plug(2, BR0, 0);
    send_udp(0, 1);
    hears_frame(1, 200);
    assert_false(hears(0) || hears(2));
    assert_int_equal(fake.sent_count, 0);
    assert_int_equal(from_vm(0)->packets, 1);
    assert_int_equal(drv.ports[1].to_vm.bytes, 200);
}

static void broadcast_reaches_all_of_its_network_and_the_uplink_once(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    plug(2, BR0, 0);
    send_udp(0, BROADCAST);
    hears_frame(1, 200);
    hears_frame(2, 200);
    assert_false(hears(0));
    assert_int_equal(fake.sent_count, 1);
    assert_memory_equal(fake.sent[0].bytes, frame, 200);
}

static void networks_do_not_hear_each_other(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, LAB, 0);
    plug(2, BLUE, 0);
    plug(3, NAT0, 0);
    plug(4, BR0, 7);
    for (uint32_t to = 1; to < 5; to++)
        send_udp(0, to);
    send_udp(0, BROADCAST);
    send_udp(1, BROADCAST);
    for (uint32_t vm = 0; vm < 5; vm++)
        assert_false(hears(vm));
}

static void network_without_uplink_stays_inside(void **state)
{
    (void)state;
    plug(0, LAB, 0);
    plug(1, LAB, 0);
    send_udp(0, BROADCAST);
    send_udp(0, OUTSIDE);
    assert_int_equal(fake.sent_count, 0);
    assert_int_equal(hears_count(1), 1);
}

static void unknown_receiver_is_looked_for_outside_only(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    send_udp(0, OUTSIDE);
    assert_int_equal(fake.sent_count, 1);
    assert_false(hears(1));
}

static void frame_from_outside_reaches_its_receiver(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    arrive(OUTSIDE, 1, 0);
    hears_frame(1, 200);
    arrive(OUTSIDE, 7, 0); /* nobody's */
    assert_false(hears(0) || hears(1));
    assert_int_equal(fake.sent_count, 0);
}

static void frame_from_outside_with_an_address_of_ours_is_dropped(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    arrive(0, 1, 0);
    arrive(0, BROADCAST, 0);
    assert_false(hears(1));
    assert_int_equal(drv.uplink.in.dropped_spoofed, 2);
}

static void frame_for_switches_goes_nowhere(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    udp_make(OUTSIDE, 1, 200);
    memcpy(frame, (const uint8_t[6]){1, 0x80, 0xc2, 0, 0, 0}, 6);
    fake_arrive(frame, 200);
    run();
    udp_make(0, 1, 200);
    memcpy(frame, (const uint8_t[6]){1, 0x80, 0xc2, 0, 0, 0}, 6);
    send_frame(0, 200);
    assert_false(hears(1));
    assert_int_equal(fake.sent_count, 0);
}

/* ---- VLANs ------------------------------------------------------------------------------------------ */

static void access_port_is_tagged_outside_and_untagged_inside(void **state)
{
    (void)state;
    plug(0, BR0, 7);
    plug(1, BR0, 7);
    send_udp(0, OUTSIDE);
    assert_int_equal(fake.sent[0].length, 204);
    assert_int_equal(get16(fake.sent[0].bytes + 12), ETHERTYPE_VLAN);
    assert_int_equal(get16(fake.sent[0].bytes + 14), 7);
    assert_memory_equal(fake.sent[0].bytes + 16, frame + 12, 188);
    arrive(OUTSIDE, 0, 7);
    hears_frame(0, 200);
    send_udp(0, 1);
    hears_frame(1, 200);
}

static void frames_of_another_vlan_do_not_come_in(void **state)
{
    (void)state;
    plug(0, BR0, 7);
    plug(1, BR0, 0);
    plug(2, BLUE, 0);
    arrive(OUTSIDE, 0, 0);
    arrive(OUTSIDE, 0, 8);
    arrive(OUTSIDE, 1, 7);
    arrive(OUTSIDE, 1, 5);
    arrive(OUTSIDE, 2, 0);
    assert_false(hears(0) || hears(1) || hears(2));
    arrive(OUTSIDE, 2, 5);
    hears_frame(2, 200);
}

static void tagged_frame_from_a_vm_is_dropped_and_counted(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 7);
    udp_make(0, BROADCAST, 200);
    memmove(frame + 16, frame + 12, 188);
    put16(frame + 12, ETHERTYPE_VLAN);
    put16(frame + 14, 7);
    send_frame(0, 204);
    put16(frame + 12, ETHERTYPE_SVLAN);
    send_frame(0, 204);
    assert_false(hears(1));
    assert_int_equal(fake.sent_count, 0);
    assert_int_equal(from_vm(0)->dropped_spoofed, 2);
}

static void tag_moves_the_places_of_an_offload(void **state)
{
    struct net_offload offload;

    (void)state;
    fake.nic.offloads = NIC_CHECKSUM | NIC_GSO_TCP4;
    plug(0, BR0, 7);
    offload = tcp_make(0, OUTSIDE, 9000);
    assert_true(put(0, 9000, &offload));
    run();
    assert_int_equal(fake.sent[0].length, 9004);
    assert_int_equal(fake.sent[0].offload.csum_start, 38);
    assert_int_equal(fake.sent[0].offload.header_bytes, 58);
}

/* ---- who may say what -------------------------------------------------------------------------------- */

static void foreign_addresses_are_dropped_and_counted(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    udp_make(0, 1, 200);
    mac_put(frame + 6, 2);
    send_frame(0, 200);
    udp_make(0, 1, 200);
    put32(frame + 26, 0x0a010099);
    send_frame(0, 200);
    assert_false(hears(1));
    assert_int_equal(from_vm(0)->dropped_spoofed, 2);
    assert_int_equal(from_vm(0)->packets, 0);
    send_udp(0, 1);
    hears_frame(1, 200);
}

static void any_address_means_any_but_that_of_the_card(void **state)
{
    struct port_config config = config_of(0, BR0, 0);

    (void)state;
    config.any_address = true;
    plug_as(&config, TSO);
    plug(1, BR0, 0);
    udp_make(0, 1, 200);
    put32(frame + 26, 0x0a010099);
    send_frame(0, 200);
    hears_frame(1, 200);
    mac_put(frame + 6, 2);
    send_frame(0, 200);
    assert_false(hears(1));
}

static void oversize_and_runts_are_dropped_and_counted(void **state)
{
    struct net_ring *ring;

    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    udp_make(0, 1, 1515);
    send_frame(0, 1515);
    assert_int_equal(from_vm(0)->dropped_malformed, 1);
    udp_make(0, 1, 1514);
    assert_true(put(0, 1514, NULL));
    ring = vms[0].out.ring;
    ring->packets[1].length = 13;
    run();
    assert_int_equal(from_vm(0)->dropped_malformed, 2);
    assert_false(hears(1));
    send_frame(0, 1514);
    hears_frame(1, 1514);
}

static void word_of_a_vm_for_a_checksum_is_not_passed_on(void **state)
{
    struct net_offload offload = {.flags = NET_CHECKSUM_GOOD};

    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    udp_make(0, 1, 200);
    assert_true(put(0, 200, &offload));
    run();
    assert_true(hears(1));
    assert_int_equal(vms[1].descriptor.offload.flags, 0);
}

/* ---- large packets ----------------------------------------------------------------------------------- */

static void large_packet_stays_large_between_vms(void **state)
{
    struct net_offload offload;

    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    offload = tcp_make(0, 1, LARGE);
    assert_true(put(0, LARGE, &offload));
    run();
    hears_frame(1, LARGE);
    assert_memory_equal(&vms[1].descriptor.offload, &offload, sizeof(offload));
}

static void large_packet_is_cut_for_a_guest_that_takes_none(void **state)
{
    struct port_config config = config_of(1, BR0, 0);
    struct net_offload offload;

    (void)state;
    plug(0, BR0, 0);
    plug_as(&config, 0);
    offload = tcp_make(0, 1, 54 + 4000);
    assert_true(put(0, 54 + 4000, &offload));
    run();
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(hears(1));
        assert_int_equal(vms[1].descriptor.length, i < 2 ? 54 + 1460 : 54 + 1080);
        assert_int_equal(vms[1].descriptor.offload.flags, 0);
        assert_memory_equal(vms[1].got + 54, frame + 54 + i * 1460, i < 2 ? 1460 : 1080);
        assert_int_not_equal(get16(vms[1].got + 50), 0);
    }
    assert_false(hears(1));
}

static void segments_that_find_no_room_wait_for_it(void **state)
{
    struct port_config config = config_of(1, BR0, 0);
    struct net_offload offload;
    uint32_t heard = 0, bytes = 0;

    (void)state;
    plug(0, BR0, 0);
    plug_as(&config, 0);
    offload = tcp_make(0, 1, LARGE);
    assert_true(put(0, LARGE, &offload));
    run();
    while (hears(1)) {
        assert_int_equal(get32(vms[1].got + 38), 1 + bytes); /* none twice, none missing */
        bytes += vms[1].descriptor.length - 54;
        if (++heard == NET_LANE_SLOTS) {
            work_events(&drv, EV_BELL(1));
            run();
        }
    }
    assert_int_equal(heard, 45);
    assert_int_equal(bytes, LARGE - 54);
    fake.nic_room = 20;
    offload = tcp_make(0, OUTSIDE, LARGE);
    assert_true(put(0, LARGE, &offload));
    run();
    assert_int_equal(fake.sent_count, 20);
    fake.nic_room = 100;
    work_events(&drv, EV_IRQ);
    run();
    assert_int_equal(fake.sent_count, 45);
    assert_int_equal(get32(fake.sent[44].bytes + 38), 1 + 44 * 1460);
}

static void large_packet_goes_out_whole_only_if_the_nic_cuts(void **state)
{
    struct net_offload offload;

    (void)state;
    plug(0, BR0, 0);
    offload = tcp_make(0, OUTSIDE, 54 + 4000);
    assert_true(put(0, 54 + 4000, &offload));
    run();
    assert_int_equal(fake.sent_count, 3);
    assert_int_equal(fake.sent[0].offload.flags, 0);
    fake.nic.offloads = NIC_CHECKSUM | NIC_GSO_TCP4;
    assert_true(put(0, 54 + 4000, &offload));
    run();
    assert_int_equal(fake.sent_count, 4);
    assert_int_equal(fake.sent[3].offload.gso, NET_GSO_TCP4);
}

/* ---- who pays ------------------------------------------------------------------------------------------ */

static void flood_of_one_vm_is_bounded_and_counted(void **state)
{
    uint32_t heard = 0;

    (void)state;
    plug(0, LAB, 0);
    plug(1, LAB, 0);
    plug(2, LAB, 0);
    for (uint32_t i = 0; i < 1000; i++) {
        send_udp(0, BROADCAST);
        heard += hears_count(1);
        (void)hears_count(2);
    }
    assert_int_equal(heard, 500);
    assert_int_equal(from_vm(0)->dropped_flood, 500);
    send_udp(2, BROADCAST); /* another's share is its own */
    assert_int_equal(hears_count(1), 1);
    send_udp(0, 1); /* and what is for somebody is no flood */
    assert_int_equal(hears_count(1), 1);
    pass_ms(1000);
    send_udp(0, BROADCAST);
    assert_int_equal(hears_count(1), 1);
}

static void vm_that_is_refused_too_often_rests(void **state)
{
    (void)state;
    plug(0, LAB, 0);
    plug(1, LAB, 0);
    plug(2, LAB, 0);
    for (uint32_t i = 0; i < 501; i++) {
        udp_make(0, 1, 200);
        mac_put(frame + 6, 2);
        send_frame(0, 200);
    }
    assert_int_equal(from_vm(0)->dropped_spoofed, 501);
    for (uint32_t i = 0; i < 10; i++)
        send_udp(0, 1);
    assert_false(hears(1)); /* they are not looked at */
    send_udp(2, 1);
    assert_int_equal(hears_count(1), 1); /* and nobody else waits */
    pass_ms(31);
    assert_false(hears(1));
    pass_ms(1);
    assert_int_equal(hears_count(1), 10);
    assert_int_equal(from_vm(0)->packets, 10);
    assert_int_equal(from_vm(0)->dropped_spoofed, 501);
}

static void unknown_receivers_outside_are_bounded_known_ones_not(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    for (uint32_t i = 0; i < 600; i++)
        send_udp(0, OUTSIDE);
    assert_int_equal(fake.sent_count, 500);
    arrive(OUTSIDE, 0, 0);
    for (uint32_t i = 0; i < 600; i++)
        send_udp(0, OUTSIDE);
    assert_int_equal(fake.sent_count, 1100);
    pass_ms(400000); /* forgotten */
    for (uint32_t i = 0; i < 600; i++)
        send_udp(0, OUTSIDE);
    assert_int_equal(fake.sent_count, 1600);
}

static void rate_from_a_vm_keeps_its_packets_waiting(void **state)
{
    struct port_config config = config_of(0, BR0, 0);
    uint32_t heard = 0;

    (void)state;
    config.from_vm = (struct rates){.packets = 10, .packets_burst = 5};
    plug_as(&config, TSO);
    plug(1, BR0, 0);
    udp_make(0, 1, 200);
    for (uint32_t i = 0; i < 20; i++)
        assert_true(put(0, 200, NULL));
    run();
    heard += hears_count(1);
    assert_int_equal(heard, 5);
    assert_true(work_next_us(&drv) <= fake.now_us + 101000);
    for (uint32_t i = 0; i < 10; i++)
        pass_ms(100);
    heard += hears_count(1);
    assert_int_equal(heard, 15);
    pass_ms(1000);
    heard += hears_count(1);
    assert_int_equal(heard, 20); /* none was lost */
}

static void rate_to_a_vm_drops_and_counts(void **state)
{
    struct port_config config = config_of(1, BR0, 0);

    (void)state;
    config.to_vm = (struct rates){.bytes = 1000, .bytes_burst = 1000};
    plug(0, BR0, 0);
    plug_as(&config, TSO);
    for (uint32_t i = 0; i < 20; i++)
        send_udp(0, 1);
    assert_int_equal(hears_count(1), 5);
    assert_int_equal(drv.ports[1].to_vm.dropped_rate, 15);
}

static void sender_waits_for_a_receiver_that_is_slow_and_loses_nothing(void **state)
{
    uint32_t heard = 0;

    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    for (uint32_t i = 0; i < 300; i++) {
        udp_make(0, 1, 200);
        while (!put(0, 200, NULL)) {
            run();
            assert_true(hears(1));
            heard++;
            work_events(&drv, EV_BELL(1));
            run();
        }
    }
    run();
    for (uint32_t n = 1; n != 0; heard += n) {
        n = hears_count(1);
        work_events(&drv, EV_BELL(1));
        run();
    }
    assert_int_equal(heard, 300);
    assert_int_equal(drv.ports[1].to_vm.dropped_full, 0);
}

static void receiver_that_takes_nothing_is_waited_for_once(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    plug(2, BR0, 0);
    for (uint32_t i = 0; i < NET_LANE_SLOTS; i++)
        send_udp(0, 1);
    send_udp(0, 1);
    send_udp(0, 2); /* behind the one that waits */
    assert_false(hears(2));
    assert_int_not_equal(work_next_us(&drv), NEVER);
    pass_ms(25);
    assert_true(hears(2));
    assert_int_equal(drv.ports[1].to_vm.dropped_full, 1);
    for (uint32_t i = 0; i < 100; i++) {
        pass_ms(25);
        send_udp(0, 1);
        send_udp(0, 2);
        assert_true(hears(2));
    }
    assert_int_equal(drv.ports[1].to_vm.dropped_full, 101);
    assert_int_equal(hears_count(1), NET_LANE_SLOTS); /* what it does not take is its own */
    send_udp(0, 1);
    assert_true(hears(1));
}

static void others_go_on_while_one_waits(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    plug(2, BR0, 0);
    for (uint32_t i = 0; i < NET_LANE_SLOTS + 1; i++)
        send_udp(0, 1);
    send_udp(2, 0);
    assert_true(hears(0));
}

static void broadcasts_wait_for_nobody(void **state)
{
    (void)state;
    plug(0, LAB, 0);
    plug(1, LAB, 0);
    plug(2, LAB, 0);
    for (uint32_t i = 0; i < NET_LANE_SLOTS + 8; i++) {
        send_udp(0, BROADCAST);
        assert_true(hears(2));
    }
    assert_int_equal(drv.ports[1].to_vm.dropped_full, 8);
}

static void nic_without_room_keeps_the_sender_waiting(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    fake.nic_room = 3;
    arrive(OUTSIDE, 0, 0);
    udp_make(0, OUTSIDE, 200);
    for (uint32_t i = 0; i < 5; i++)
        assert_true(put(0, 200, NULL));
    run();
    assert_int_equal(fake.sent_count, 3);
    fake.nic_room = 100;
    work_events(&drv, EV_IRQ);
    run();
    assert_int_equal(fake.sent_count, 5);
}

static void dead_nic_disturbs_nobody(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    fake.nic.state = NIC_DEAD;
    send_udp(0, OUTSIDE);
    send_udp(0, 1);
    assert_true(hears(1));
    assert_int_equal(drv.uplink.out.dropped_full, 1);
}

/* ---- lanes that lie ---------------------------------------------------------------------------------------
 */

static void lane_that_makes_no_sense_stops_alone(void **state)
{
    struct net_ring *ring;

    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    plug(2, BR0, 0);
    ring = vms[0].out.ring;
    ring->put = 1000;
    work_events(&drv, EV_BELL(0));
    run();
    vms[1].in.ring->taken = 77;
    for (uint32_t i = 0; i < 40; i++)
        send_udp(2, 1);
    assert_int_equal(fake.logs, 1);
    assert_true(drv.ports[0].from.broken);
    assert_true(drv.ports[1].to.broken);
    send_udp(1, 2);
    assert_true(hears(2));
    attach(0, TSO); /* and starts anew when it attaches again */
    send_udp(0, 2);
    assert_true(hears(2));
}

static void garbage_in_all_rings_ends_in_counters(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    for (uint32_t round = 0; round < 300; round++) {
        uint8_t *page = port_page(&drv.ports[0], round % 2 * NET_PAGES_PER_LANE);

        for (uint32_t i = 8; i < NET_PAGE_BYTES; i++)
            page[i] = (uint8_t)(i * 31 + round * 17 + i / 7 * round);
        ((struct net_ring *)(void *)page)->put = drv.ports[0].from.take + round % 33;
        work_events(&drv, EV_BELL(0));
        run();
        if (drv.ports[0].from.broken)
            attach(0, TSO);
    }
    send_udp(1, OUTSIDE);
    assert_int_equal(from_vm(1)->packets, 1);
}

/* ---- sessions
 * ------------------------------------------------------------------------------------------------ */

static void sessions_that_cannot_be_are_refused(void **state)
{
    struct port_config config = config_of(0, BR0, 0);

    (void)state;
    config.session = 0xfff;
    assert_int_equal(open_as(&config), ERR_ARG);
    config = config_of(0, NAT0, 3);
    assert_int_equal(open_as(&config), ERR_ARG);
    config = config_of(0, BLUE, 3);
    assert_int_equal(open_as(&config), ERR_ARG);
    config = config_of(0, BR0, 5); /* that is blue */
    assert_int_equal(open_as(&config), ERR_ARG);
    config = config_of(0, BR0, 4095);
    assert_int_equal(open_as(&config), ERR_ARG);
    config = config_of(0, BR0, 0);
    config.mac[0] |= 1;
    assert_int_equal(open_as(&config), ERR_ARG);
    memset(config.mac, 0, 6);
    assert_int_equal(open_as(&config), ERR_ARG);
    memcpy(config.mac, fake.nic.mac, 6); /* the router's, outside */
    assert_int_equal(open_as(&config), ERR_STATE);
}

static void session_and_address_are_there_once(void **state)
{
    struct port_config config = config_of(0, BR0, 0);

    (void)state;
    assert_int_equal(open_as(&config), OK);
    assert_int_equal(open_as(&config), ERR_STATE);
    config.session = SESSION(40);
    assert_int_equal(open_as(&config), ERR_STATE);
    config.network = LAB;
    assert_int_equal(open_as(&config), OK);
}

static void as_many_sessions_as_places_and_no_more(void **state)
{
    char error[160];

    (void)state;
    for (uint32_t i = 0; i < PORTS_MAX; i++) {
        struct port_config config = config_of(i, BR0, 0);

        assert_int_equal(open_as(&config), OK);
    }
    struct port_config more = config_of(PORTS_MAX, BR0, 0);

    assert_int_equal(open_as(&more), ERR_FULL);
    assert_int_equal(session_close(&drv, SESSION(3), error, sizeof(error)), OK);
    assert_int_equal(session_close(&drv, SESSION(3), error, sizeof(error)), ERR_EXIST);
    assert_int_equal(open_as(&more), OK);
}

static void interfaces_of_a_vm_share_a_block_and_those_of_others_do_not(void **state)
{
    struct port_config first = config_of(0, BR0, 0), second = config_of(1, BR0, 0),
                       other = config_of(2, BR0, 0);
    char error[160];

    (void)state;
    assert_int_equal(open_as(&other), OK);
    second.session = SESSION(0) + 3;
    assert_int_equal(open_as(&first), OK);
    assert_int_equal(open_as(&second), OK);
    assert_int_equal(fake.fetched, 2);
    assert_int_equal(drv.ports[1].block, drv.ports[2].block);
    assert_int_not_equal(drv.ports[0].block, drv.ports[1].block);
    assert_ptr_equal(drv.ports[2].memory, drv.ports[1].memory + 3 * NET_INTERFACE_BYTES);
    assert_int_equal(session_close(&drv, SESSION(0), error, sizeof(error)), OK);
    assert_int_equal(open_as(&first), OK); /* the other one has kept it */
    assert_int_equal(fake.fetched, 2);
    assert_int_equal(session_close(&drv, SESSION(0), error, sizeof(error)), OK);
    assert_int_equal(session_close(&drv, SESSION(0) + 3, error, sizeof(error)), OK);
    assert_int_equal(open_as(&first), OK);
    assert_int_equal(fake.fetched, 3);
}

static void session_without_memory_is_refused_and_nothing_stays(void **state)
{
    struct port_config config = config_of(0, BR0, 0);
    char error[160] = "";

    (void)state;
    assert_int_equal(session_open(&drv, &config, 0, error, sizeof(error)), ERR_CAP);
    assert_string_equal(error, "the memory of session 0x1000: no session");
    assert_null(session_find(&drv, SESSION(0)));
    assert_int_equal(open_as(&config), OK);
}

static void fifth_interface_of_a_vm_is_refused(void **state)
{
    struct port_config config = config_of(0, BR0, 0);

    (void)state;
    config.session = SESSION(0) + 4;
    assert_int_equal(open_as(&config), ERR_ARG);
}

static void sessions_whose_memory_is_gone_end_with_a_restart(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    fake.blocks_gone = true;
    start();
    assert_null(session_find(&drv, SESSION(0)));
    fake.blocks_gone = false;
    plug(0, BR0, 0);
}

/* Ports 1 and 33 have one bell. */
static void bell_that_two_ports_share_is_heard_by_both(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 34; i++)
        plug(i, BR0, 0);
    udp_make(33, 1, 200);
    assert_true(put(33, 200, NULL));
    run();
    assert_false(hears(1)); /* nobody has rung */
    work_events(&drv, EV_BELL(1));
    run();
    assert_true(hears(1));
}

static void closed_session_hears_and_says_nothing(void **state)
{
    char error[160];

    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    udp_make(1, 0, 200);
    assert_true(put(1, 200, NULL));
    assert_int_equal(session_close(&drv, SESSION(1), error, sizeof(error)), OK);
    run();
    assert_false(hears(0));
    send_udp(0, 1);
    assert_false(hears(1));
}

static void pulled_cable_is_told_and_felt(void **state)
{
    char error[160];

    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    fake.signals[1] = 0;
    assert_int_equal(session_link(&drv, SESSION(1), false, error, sizeof(error)), OK);
    assert_int_equal(fake.signals[1], 1);
    assert_true(net_ring_restarted(vms[1].in.ring, vms[1].in.generation));
    attach(1, TSO);
    send_udp(0, 1);
    send_udp(1, 0);
    assert_false(hears(0) || hears(1));
    assert_int_equal(session_link(&drv, SESSION(1), true, error, sizeof(error)), OK);
    attach(1, TSO);
    send_udp(0, 1);
    assert_true(hears(1));
}

static void replugged_port_is_on_its_new_network_alone(void **state)
{
    struct port_config config = config_of(1, BR0, 0);
    char error[160];

    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    plug(2, BR0, 7);
    config.vlan = 7;
    assert_int_equal(session_replug(&drv, &config, error, sizeof(error)), ERR_STATE);
    assert_int_equal(session_link(&drv, SESSION(1), false, error, sizeof(error)), OK);
    config.mac[5] ^= 1;
    assert_int_equal(session_replug(&drv, &config, error, sizeof(error)), ERR_ARG);
    config.mac[5] ^= 1;
    assert_int_equal(session_replug(&drv, &config, error, sizeof(error)), OK);
    assert_true(net_ring_restarted(vms[1].in.ring, vms[1].in.generation));
    attach(1, TSO);
    send_udp(0, 1);
    assert_false(hears(1));
    send_udp(2, 1);
    assert_true(hears(1));
    assert_int_equal(session_link(&drv, SESSION(1), false, error, sizeof(error)), OK);
    assert_int_equal(session_replug(&drv, &config, error, sizeof(error)), OK); /* on the same one */
    config.session = SESSION(5);
    assert_int_equal(session_replug(&drv, &config, error, sizeof(error)), ERR_EXIST);
}

static void vmm_is_signalled_only_when_it_sleeps(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    net_consumer_awake(&vms[1].in);
    fake.signals[1] = 0;
    send_udp(0, 1);
    assert_int_equal(fake.signals[1], 0);
    assert_false(net_consumer_may_sleep(&vms[1].in));
    assert_true(hears(1));
    assert_true(net_consumer_may_sleep(&vms[1].in));
    send_udp(0, 1);
    assert_int_equal(fake.signals[1], 1);
}

/* ---- restart
 * --------------------------------------------------------------------------------------------------- */

static void ports_come_back_after_a_restart(void **state)
{
    char error[160];

    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 7);
    plug(2, BR0, 0);
    assert_int_equal(session_close(&drv, SESSION(1), error, sizeof(error)), OK);
    memset(fake.signals, 0, sizeof(fake.signals));
    start();
    assert_int_equal(fake.signals[0], 1);
    assert_int_equal(fake.signals[1], 0);
    assert_null(session_find(&drv, SESSION(1)));
    assert_true(net_ring_restarted(vms[0].out.ring, vms[0].out.generation));
    assert_true(net_ring_restarted(vms[2].in.ring, vms[2].in.generation));
    attach(0, TSO);
    attach(2, TSO);
    send_udp(0, 2);
    hears_frame(2, 200);
    udp_make(0, 2, 200);
    put32(frame + 26, 0x0a010099); /* its guard, too */
    send_frame(0, 200);
    assert_false(hears(2));
}

static void nothing_is_taken_from_old_lanes_after_a_restart(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    start();
    udp_make(0, 1, 200);
    assert_true(put(0, 200, NULL));
    run();
    assert_int_equal(from_vm(0)->packets, 0);
    assert_int_equal(from_vm(0)->dropped_malformed, 0);
}

static void generation_is_another_each_time(void **state)
{
    uint32_t before;

    (void)state;
    plug(0, BR0, 0);
    before = vms[0].out.generation;
    for (uint32_t i = 0; i < 3; i++) {
        start();
        attach(0, TSO);
        assert_int_not_equal(vms[0].out.generation, before);
        assert_int_not_equal(vms[0].out.generation, 0);
        before = vms[0].out.generation;
    }
}

static void damaged_copy_of_the_sessions_is_not_used(void **state)
{
    (void)state;
    plug(0, BR0, 0);
    plug(1, BR0, 0);
    fake.persistent[drv.copies.sequence % 2 * PERSIST_SESSION_BYTES / 2 + 60] ^= 1;
    start();
    assert_non_null(session_find(&drv, SESSION(0))); /* the copy before */
    assert_null(session_find(&drv, SESSION(1)));
}

/* ---- the router
 * -------------------------------------------------------------------------------------------------- */

static void router_answers_for_its_address_inside(void **state)
{
    struct port_config config = config_of(0, NAT0, 0);

    (void)state;
    config.ipv4[0] = 0x0a000364;
    plug_as(&config, TSO);
    memset(frame, 0, 60);
    mac_put(frame, BROADCAST);
    mac_put(frame + 6, 0);
    put16(frame + 12, ETHERTYPE_ARP);
    memcpy(frame + 14, (const uint8_t[8]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
    mac_put(frame + 22, 0);
    put32(frame + 28, 0x0a000364);
    put32(frame + 38, 0x0a000301);
    send_frame(0, 60);
    assert_true(hears(0));
    assert_int_equal(get16(vms[0].got + 20), 2);
    assert_int_equal(get32(vms[0].got + 28), 0x0a000301);
}

#define CASE(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(packet_reaches_its_receiver_only),
        CASE(broadcast_reaches_all_of_its_network_and_the_uplink_once),
        CASE(networks_do_not_hear_each_other),
        CASE(network_without_uplink_stays_inside),
        CASE(unknown_receiver_is_looked_for_outside_only),
        CASE(frame_from_outside_reaches_its_receiver),
        CASE(frame_from_outside_with_an_address_of_ours_is_dropped),
        CASE(frame_for_switches_goes_nowhere),
        CASE(access_port_is_tagged_outside_and_untagged_inside),
        CASE(frames_of_another_vlan_do_not_come_in),
        CASE(tagged_frame_from_a_vm_is_dropped_and_counted),
        CASE(tag_moves_the_places_of_an_offload),
        CASE(foreign_addresses_are_dropped_and_counted),
        CASE(any_address_means_any_but_that_of_the_card),
        CASE(oversize_and_runts_are_dropped_and_counted),
        CASE(word_of_a_vm_for_a_checksum_is_not_passed_on),
        CASE(large_packet_stays_large_between_vms),
        CASE(large_packet_is_cut_for_a_guest_that_takes_none),
        CASE(segments_that_find_no_room_wait_for_it),
        CASE(large_packet_goes_out_whole_only_if_the_nic_cuts),
        CASE(flood_of_one_vm_is_bounded_and_counted),
        CASE(vm_that_is_refused_too_often_rests),
        CASE(unknown_receivers_outside_are_bounded_known_ones_not),
        CASE(rate_from_a_vm_keeps_its_packets_waiting),
        CASE(rate_to_a_vm_drops_and_counts),
        CASE(sender_waits_for_a_receiver_that_is_slow_and_loses_nothing),
        CASE(receiver_that_takes_nothing_is_waited_for_once),
        CASE(others_go_on_while_one_waits),
        CASE(broadcasts_wait_for_nobody),
        CASE(nic_without_room_keeps_the_sender_waiting),
        CASE(dead_nic_disturbs_nobody),
        CASE(lane_that_makes_no_sense_stops_alone),
        CASE(garbage_in_all_rings_ends_in_counters),
        CASE(sessions_that_cannot_be_are_refused),
        CASE(session_and_address_are_there_once),
        CASE(as_many_sessions_as_places_and_no_more),
        CASE(interfaces_of_a_vm_share_a_block_and_those_of_others_do_not),
        CASE(session_without_memory_is_refused_and_nothing_stays),
        CASE(fifth_interface_of_a_vm_is_refused),
        CASE(sessions_whose_memory_is_gone_end_with_a_restart),
        CASE(bell_that_two_ports_share_is_heard_by_both),
        CASE(closed_session_hears_and_says_nothing),
        CASE(pulled_cable_is_told_and_felt),
        CASE(replugged_port_is_on_its_new_network_alone),
        CASE(vmm_is_signalled_only_when_it_sleeps),
        CASE(ports_come_back_after_a_restart),
        CASE(nothing_is_taken_from_old_lanes_after_a_restart),
        CASE(generation_is_another_each_time),
        CASE(damaged_copy_of_the_sessions_is_not_used),
        CASE(router_answers_for_its_address_inside),
    };

    return cmocka_run_group_tests_name("netdrv", tests, NULL, NULL);
}
