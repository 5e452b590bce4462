/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_net_dhcp.c - claims about the DHCP server: one address for each MAC, the same one each time
 *
 * links: tests/unit/net_frames.c services/netdrv/packet.c services/netdrv/inet.c services/netdrv/offload.c
 *        services/netdrv/dhcp.c services/netdrv/dhcp_message.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net_frames.h"
#include "services/netdrv/dhcp.h"
#include "services/netdrv/dhcp_message.h"

#define SERVER IP(10, 0, 3, 1)
#define DNS IP(10, 0, 2, 3)
#define FIRST IP(10, 0, 3, 100)
#define LAST IP(10, 0, 3, 199)

static struct frame frame, out;
static struct packet packet, reply;
static struct inet in;
static struct dhcp dhcp;
static uint64_t now;
static uint32_t taken;

static bool is_taken(void *context, uint32_t ip)
{
    assert_ptr_equal(context, &taken);
    return ip == taken;
}

static void server_start(void)
{
    memset(&dhcp, 0, sizeof(dhcp));
    dhcp.server_ip = SERVER;
    memcpy(dhcp.server_mac, mac_router, 6);
    dhcp.prefix = 24;
    dhcp.router = SERVER;
    dhcp.dns = DNS;
    dhcp.mtu = 1500;
    dhcp.first = FIRST;
    dhcp.last = LAST;
    dhcp.lease_s = 3600;
    dhcp.is_taken = is_taken;
    dhcp.context = &taken;
    dhcp_init(&dhcp);
}

static int set_up(void **state)
{
    (void)state;
    taken = 0;
    now = 1000;
    server_start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    packets_free();
    return 0;
}

struct ask {
    uint8_t type;
    uint32_t client, requested, server;
    uint16_t flags;
};

static void message_make(const uint8_t *mac, const struct ask *a)
{
    uint8_t bootp[DHCP_OPTIONS + 16] = {1, 1, 6};
    uint8_t *option = bootp + DHCP_OPTIONS;

    put32(bootp + DHCP_XID, 0xabcd1234);
    put16(bootp + DHCP_FLAGS, a->flags);
    put32(bootp + DHCP_CLIENT_IP, a->client);
    memcpy(bootp + DHCP_MAC, mac, 6);
    put32(bootp + DHCP_COOKIE, DHCP_COOKIE_VALUE);
    memcpy(option, (uint8_t[]){DHCP_OPTION_TYPE, 1, a->type, DHCP_OPTION_REQUESTED, 4}, 5);
    put32(option + 5, a->requested);
    memcpy(option + 9, (uint8_t[]){DHCP_OPTION_SERVER, 4}, 2);
    put32(option + 11, a->server);
    option[15] = DHCP_OPTION_END;
    frame_eth(&frame, mac_broadcast, mac, ETHERTYPE_IPV4);
    frame_ipv4(&frame, PROTO_UDP, a->client, a->client ? SERVER : 0xffffffffu);
    frame_udp(&frame, 68, 67);
    frame_bytes(&frame, bootp, sizeof(bootp));
    frame_finish(&frame);
}

static bool receive(uint32_t configured)
{
    packet_of(&packet, &frame, 100);
    assert_int_equal(inet_parse(&in, &packet), INET_FINE);
    return dhcp_receive(&dhcp, &packet, &in, configured, now, &reply);
}

static bool ask(const uint8_t *mac, struct ask a, uint32_t configured)
{
    message_make(mac, &a);
    return receive(configured);
}

/* What the reply says; its frame is sound. */
static struct dhcp_message read_reply(void)
{
    struct dhcp_message m;
    struct inet reply_in;

    frame_of(&out, &reply);
    reply_in = frame_expect_sound(&out);
    assert_int_equal(reply_in.from_port, 67);
    assert_int_equal(reply_in.to_port, 68);
    assert_int_equal(reply_in.from4, SERVER);
    assert_int_equal(out.length, DHCP_REPLY_BYTES);
    assert_int_not_equal(get16(out.bytes + 34 + UDP_CHECKSUM), 0);
    assert_true(dhcp_message_read(&m, &reply, &reply_in));
    assert_int_equal(m.op, DHCP_OP_REPLY);
    assert_int_equal(m.xid, 0xabcd1234);
    assert_int_equal(m.server, SERVER);
    return m;
}

static uint32_t offered(const uint8_t *mac)
{
    struct dhcp_message m;

    assert_true(ask(mac, (struct ask){.type = DHCP_DISCOVER}, 0));
    m = read_reply();
    assert_int_equal(m.type, DHCP_OFFER);
    return m.yours;
}

static uint8_t request(const uint8_t *mac, uint32_t wanted)
{
    assert_true(ask(mac, (struct ask){.type = DHCP_REQUEST, .requested = wanted, .server = SERVER}, 0));
    return read_reply().type;
}

static uint32_t option_at(uint8_t code)
{
    const uint8_t *at = out.bytes + 42 + DHCP_OPTIONS;

    while (*at != DHCP_OPTION_END) {
        if (*at == code)
            return at[1] == 2 ? get16(at + 2) : get32(at + 2);
        at += 2 + at[1];
    }
    return 0;
}

static void a_client_gets_an_address_and_all_it_needs(void **state)
{
    uint32_t ip = offered(mac_a);

    (void)state;
    assert_true(ip >= FIRST && ip <= LAST);
    assert_memory_equal(out.bytes + ETH_TO, mac_a, 6);
    assert_int_equal(request(mac_a, ip), DHCP_ACK);
    assert_int_equal(get32(out.bytes + 42 + DHCP_YOUR_IP), ip);
    assert_int_equal(option_at(DHCP_OPTION_MASK), 0xffffff00u);
    assert_int_equal(option_at(DHCP_OPTION_ROUTER), SERVER);
    assert_int_equal(option_at(DHCP_OPTION_DNS), DNS);
    assert_int_equal(option_at(DHCP_OPTION_MTU), 1500);
    assert_int_equal(option_at(DHCP_OPTION_BROADCAST), IP(10, 0, 3, 255));
    assert_int_equal(option_at(DHCP_OPTION_LEASE), 3600);
    assert_int_equal(option_at(DHCP_OPTION_RENEW), 1800);
    assert_int_equal(option_at(DHCP_OPTION_REBIND), 3150);
    dhcp.router = dhcp.dns = 0;
    dhcp.mtu = 0;
    assert_int_equal(request(mac_a, ip), DHCP_ACK);
    assert_int_equal(option_at(DHCP_OPTION_ROUTER) + option_at(DHCP_OPTION_DNS) + option_at(DHCP_OPTION_MTU),
                     0);
}

static void the_address_is_the_same_after_a_restart(void **state)
{
    uint32_t a = offered(mac_a), b = offered(mac_b);

    (void)state;
    assert_int_not_equal(a, b);
    assert_int_equal(offered(mac_a), a);
    server_start();
    assert_int_equal(request(mac_b, b), DHCP_ACK); /* what it has is still its own */
    assert_int_equal(offered(mac_a), a);
}

static void a_configured_address_is_the_only_one(void **state)
{
    uint32_t fixed = IP(10, 0, 3, 7);

    (void)state;
    assert_true(ask(mac_a, (struct ask){.type = DHCP_DISCOVER, .requested = FIRST}, fixed));
    assert_int_equal(read_reply().yours, fixed);
    assert_true(ask(mac_a, (struct ask){.type = DHCP_REQUEST, .requested = fixed, .server = SERVER}, fixed));
    assert_int_equal(read_reply().type, DHCP_ACK);
    assert_true(ask(mac_a, (struct ask){.type = DHCP_REQUEST, .requested = FIRST}, fixed));
    assert_int_equal(read_reply().type, DHCP_NAK);
}

static void nobody_gets_what_is_anothers(void **state)
{
    uint32_t a = offered(mac_a);

    (void)state;
    assert_int_equal(request(mac_a, a), DHCP_ACK);
    assert_int_equal(request(mac_b, a), DHCP_NAK);
    assert_int_equal(get32(out.bytes + 14 + IP4_TO), 0xffffffffu);
    assert_int_equal(request(mac_b, SERVER), DHCP_NAK);
    assert_int_equal(request(mac_b, IP(10, 0, 3, 99)), DHCP_NAK);
    assert_int_equal(request(mac_b, IP(192, 168, 0, 100)), DHCP_NAK);
    assert_int_equal(request(mac_b, 0), DHCP_NAK);
    taken = FIRST + 50;
    assert_int_equal(request(mac_b, taken), DHCP_NAK);
    now += 3600 * 1000 - 1;
    assert_int_equal(request(mac_b, a), DHCP_NAK);
    now += 1; /* a's lease ran out */
    assert_int_equal(request(mac_b, a), DHCP_ACK);
    assert_int_equal(request(mac_a, a), DHCP_NAK);
    assert_int_not_equal(offered(mac_a), a);
}

static void a_renewal_goes_to_the_client_itself(void **state)
{
    uint32_t a = offered(mac_a);

    (void)state;
    assert_int_equal(request(mac_a, a), DHCP_ACK);
    assert_true(ask(mac_a, (struct ask){.type = DHCP_REQUEST, .client = a}, 0));
    assert_int_equal(read_reply().type, DHCP_ACK);
    assert_int_equal(get32(out.bytes + 14 + IP4_TO), a);
    assert_true(ask(mac_a, (struct ask){.type = DHCP_REQUEST, .requested = a, .flags = DHCP_BROADCAST}, 0));
    assert_int_equal(get32(reply.head + 14 + IP4_TO), 0xffffffffu);
    assert_memory_equal(reply.head, mac_broadcast, 6);
}

static void a_released_address_is_free_and_a_declined_one_is_not(void **state)
{
    uint32_t a = offered(mac_a);

    (void)state;
    assert_int_equal(request(mac_a, a), DHCP_ACK);
    assert_false(ask(mac_b, (struct ask){.type = DHCP_RELEASE, .client = a}, 0)); /* not its own */
    assert_int_equal(request(mac_b, a), DHCP_NAK);
    assert_false(ask(mac_a, (struct ask){.type = DHCP_RELEASE, .client = a}, 0));
    assert_int_equal(request(mac_b, a), DHCP_ACK);
    assert_false(ask(mac_b, (struct ask){.type = DHCP_DECLINE, .requested = a}, 0));
    assert_int_equal(request(mac_b, a), DHCP_NAK);
    assert_int_not_equal(offered(mac_b), a);
    now += DHCP_DECLINED_MS;
    assert_int_equal(request(mac_a, a), DHCP_ACK);
}

static void who_declines_everything_keeps_one_address_out_of_use(void **state)
{
    uint32_t used = 0;

    (void)state;
    for (uint32_t i = 0; i < 500; i++) {
        uint32_t ip = offered(mac_a);

        assert_false(ask(mac_a, (struct ask){.type = DHCP_DECLINE, .requested = ip}, 0));
    }
    for (uint32_t i = 0; i < DHCP_LEASES; i++)
        used += dhcp.leases[i].ip != 0;
    assert_int_equal(used, 1);
}

static void an_inform_gets_options_and_no_address(void **state)
{
    (void)state;
    assert_true(ask(mac_a, (struct ask){.type = DHCP_INFORM, .client = IP(10, 0, 3, 9)}, 0));
    assert_int_equal(read_reply().type, DHCP_ACK);
    assert_int_equal(read_reply().yours, 0);
    assert_int_equal(option_at(DHCP_OPTION_LEASE), 0);
    assert_int_equal(option_at(DHCP_OPTION_DNS), DNS);
    assert_int_equal(get32(out.bytes + 14 + IP4_TO), IP(10, 0, 3, 9));
}

static void another_servers_client_is_left_alone(void **state)
{
    (void)state;
    assert_false(ask(mac_a, (struct ask){.type = DHCP_REQUEST, .requested = FIRST, .server = SERVER + 1}, 0));
    assert_false(ask(mac_a, (struct ask){.type = DHCP_OFFER}, 0));
    assert_false(ask(mac_a, (struct ask){.type = 0}, 0));
    assert_false(ask(mac_a, (struct ask){.type = 200}, 0));
}

static void a_full_pool_says_nothing_and_recovers(void **state)
{
    uint8_t mac[6] = {2, 0, 0, 0, 0, 0};
    uint8_t seen[4] = {0};

    (void)state;
    dhcp.last = FIRST + 3;
    for (uint8_t i = 0; i < 4; i++) {
        mac[5] = i;
        seen[offered(mac) - FIRST]++;
    }
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(seen[i], 1);
    mac[5] = 4;
    assert_false(ask(mac, (struct ask){.type = DHCP_DISCOVER}, 0));
    assert_int_equal(dhcp.full, 1);
    now += 61000; /* offers nobody took */
    assert_true(ask(mac, (struct ask){.type = DHCP_DISCOVER}, 0));
}

static void a_full_table_says_nothing(void **state)
{
    uint8_t mac[6] = {2, 0, 0, 0, 0, 0};

    (void)state;
    for (uint8_t i = 0; i < DHCP_LEASES; i++) {
        mac[5] = i;
        assert_int_equal(request(mac, FIRST + i), DHCP_ACK);
    }
    mac[5] = DHCP_LEASES;
    assert_false(ask(mac, (struct ask){.type = DHCP_DISCOVER}, 0));
    assert_int_equal(request(mac, LAST), DHCP_NAK);
    now += 3600 * 1000;
    assert_int_equal(request(mac, LAST), DHCP_ACK);
}

static void a_cut_or_foreign_message_is_ignored(void **state)
{
    struct ask discover = {.type = DHCP_DISCOVER};
    uint32_t whole;

    (void)state;
    message_make(mac_a, &discover);
    whole = frame.length;
    for (uint32_t length = 42; length < whole - 12; length++) {
        frame.length = length;
        frame_finish(&frame);
        if (receive(0)) /* the type is the first option */
            assert_true(length >= 42 + DHCP_OPTIONS + 3);
        packets_free();
    }
    message_make(mac_a, &discover);
    frame.bytes[42 + DHCP_COOKIE]++;
    assert_false(receive(0));
    message_make(mac_a, &discover);
    frame.bytes[42 + DHCP_HARDWARE_BYTES] = 16;
    assert_false(receive(0));
    message_make(mac_a, &discover);
    frame.bytes[42] = 2;
    assert_false(receive(0));
    message_make(mac_a, &discover);
    frame.bytes[42 + DHCP_GATEWAY_IP] = 10; /* through a relay, that we do not serve */
    assert_false(receive(0));
    message_make(mac_a, &discover);
    frame.bytes[42 + DHCP_OPTIONS + 1] = 255; /* an option beyond the end */
    assert_false(receive(0));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_client_gets_an_address_and_all_it_needs),
        T(the_address_is_the_same_after_a_restart),
        T(a_configured_address_is_the_only_one),
        T(nobody_gets_what_is_anothers),
        T(a_renewal_goes_to_the_client_itself),
        T(a_released_address_is_free_and_a_declined_one_is_not),
        T(who_declines_everything_keeps_one_address_out_of_use),
        T(an_inform_gets_options_and_no_address),
        T(another_servers_client_is_left_alone),
        T(a_full_pool_says_nothing_and_recovers),
        T(a_full_table_says_nothing),
        T(a_cut_or_foreign_message_is_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
