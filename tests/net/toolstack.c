/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * toolstack.c - a toolstack that makes no VMs: it plugs interfaces into netdrv and plays their vmms
 *
 * In place of services/toolstack, for tests of netdrv without a guest (tests/system/test_netdrv.py).  Four
 * clients: 0, 1 and 2 on the bridge br0, 3 on the network nat0.  The words of the first VM file's `extra` say
 * what is done; the report is one line: "tried WORD=...; WORD=...".
 *
 *     plain      (first) the guests take neither large packets nor ones without checksum
 *     exchange   1000 packets each way between 0 and 1, of many lengths, each compared
 *     large      64 KiB TCP packets from 0 to 1, whole where the guest takes them, in segments where not
 *     spoof      what 0 must not send, with one good packet after it
 *     stall      0 sends to 2, which takes nothing, and to 1, which does
 *     networks   0 shouts: 3 must hear nothing
 *     dhcp       3 asks for an address on nat0
 *     load:SEC   exchange for so many seconds
 *     reflect    0 sends TCP packets back to where they came from, until there are none for 5 s
 *     speed      16 MiB in 64 KiB packets from 0 to 1
 */
#include <pb_decode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bh.h"
#include "caps_toolstack.h"
#include "console_rpc.h"
#include "init_rpc.h"
#include "mem_rpc.h"
#include "mem_session.h"
#include "net_ring.h"
#include "net_rpc.h"
#include "tests/say.h"
#include "vm.pb.h"

#define CLIENTS 4u
#define VM(i) (0x10u + (i))
#define SESSION(i) (VM(i) << 8)
#define PATIENCE_MS 3000u
#define HEADERS_UDP 42u
#define HEADERS_TCP 54u

struct client {
    uint32_t index;
    slot_t session, events, doorbell;
    struct net_ring *rings[2]; /* to netdrv, to us */
    uint8_t *pools[2];
    struct net_producer out;
    struct net_consumer in;
    uint32_t attached; /* how often */
};

static struct client clients[CLIENTS];
static uint64_t features = 1u << 1 | 1u << 7;
static char report[220];
static uint8_t frame[NET_PACKET_BYTES_MAX], got[NET_PACKET_BYTES_MAX];
static struct net_descriptor got_descriptor;

#define say(...) say_into(report, sizeof(report), __VA_ARGS__)

static _Noreturn void end(void)
{
    static bh_WriteRequest request;
    bh_ConsoleStatus reply;
    uint64_t bits;

    /* Not as a line of log: those of a toolstack are not shown to the person. */
    snprintf(request.text, sizeof(request.text), "tried%s.\n", report);
    while (console_rpc_write(CAP_CONSOLE, &request, &reply, NULL, bh_after_ms(PATIENCE_MS)) != OK)
        ;
    while (bh_notification_wait(SLOT_EVENTS, BH_FOREVER, &bits) == OK)
        ;
    bh_panic("waiting for the end");
}

static void must(const char *what, enum status status)
{
    if (status == OK)
        return;
    say(" %s: %s", what, bh_status_name(status));
    end();
}

/* ---- sessions --------------------------------------------------------------------------------- */

static void mac_of(uint32_t index, uint8_t mac[6])
{
    memcpy(mac, (const uint8_t[6]){2, 0, 0, 0, 0, (uint8_t)(16 + index)}, 6);
}

/* A session at mem for the block of this client. */
static slot_t memory_session(uint32_t index)
{
    bh_MemOpenRequest request = {.vm_id = NET_BLOCK_SESSION(VM(index)), .quota_bytes = NET_BLOCK_BYTES};
    bh_MemStatus reply;
    slot_t session = bh_slot_alloc();

    must("memory", mem_rpc_open(CAP_MEM, &request, &reply, NULL, bh_after_ms(PATIENCE_MS)));
    must("memory", (enum status)reply.status);
    must("memory", bh_cspace_mint(SLOT_CSPACE, CAP_MEM_SESSION, SLOT_CSPACE, session,
                                  RIGHT_WRITE | RIGHT_GRANT, request.vm_id));
    return session;
}

static void open_session(uint32_t index)
{
    struct rpc_caps caps = {.in_count = 1, .in = {memory_session(index)}};
    bh_NetOpenRequest request = {.session = SESSION(index), .ipv4_count = 1, .ipv4 = {0x0a010010u + index}};
    bh_NetStatus reply;

    snprintf(request.name, sizeof(request.name), "client%u", (unsigned)index);
    snprintf(request.network, sizeof(request.network), index == 3 ? "nat0" : "br0");
    mac_of(index, request.mac);
    if (index == 3) {
        request.ipv4_count = 0;
        request.learn = true;
    }
    must("open", net_rpc_open(CAP_NET, &request, &reply, &caps, bh_after_ms(PATIENCE_MS)));
    bh_slot_drop(caps.in[0]);
    if (reply.status != OK)
        say(" open %s", reply.error);
    must("open", (enum status)reply.status);
}

static enum status attach(struct client *c, slot_t *block)
{
    bh_NetAttachRequest request = {.features = features};
    bh_NetAttachReply reply;
    struct rpc_caps caps = {.in_count = 1, .in = {c->events}};
    enum status status = net_rpc_attach(c->session, &request, &reply, &caps, bh_after_ms(PATIENCE_MS));

    if (status == OK)
        status = (enum status)reply.status;
    if (status != OK)
        return status;
    *block = caps.out[0];
    bh_slot_drop(c->doorbell);
    c->doorbell = caps.out[1];
    c->attached++;
    return OK;
}

static void lanes_start(struct client *c)
{
    must("lane", net_producer_init(&c->out, c->rings[0]));
    must("lane", net_consumer_init(&c->in, c->rings[1]));
}

/* Its first quarter is interface 0's, the only one: ring, pool, ring, pool. */
static void block_map(struct client *c, slot_t block)
{
    uint64_t at = bh_ipa_alloc_2m(1);

    must("block", bh_map(block, at, RIGHT_READ | RIGHT_WRITE));
    for (uint32_t lane = 0; lane < 2; lane++, at += NET_PAGES_PER_LANE * NET_PAGE_BYTES) {
        c->rings[lane] = (struct net_ring *)(uintptr_t)at;
        c->pools[lane] = (uint8_t *)(uintptr_t)(at + NET_PAGE_BYTES);
    }
}

static void client_start(uint32_t index)
{
    struct client *c = &clients[index];
    slot_t block;

    c->index = index;
    c->session = bh_slot_alloc();
    c->events = bh_slot_alloc();
    open_session(index);
    must("session", bh_cspace_mint(SLOT_CSPACE, CAP_NET_SESSION, SLOT_CSPACE, c->session,
                                   RIGHT_WRITE | RIGHT_GRANT, SESSION(index)));
    must("events",
         bh_cspace_mint(SLOT_CSPACE, SLOT_EVENTS, SLOT_CSPACE, c->events, RIGHT_WRITE, 1u << index));
    must("attach", attach(c, &block));
    block_map(c, block);
    lanes_start(c);
}

/* netdrv was restarted: our lanes are not used any more. */
static void look_around(struct client *c)
{
    slot_t block;

    if (!net_ring_restarted(c->rings[0], c->out.generation) || attach(c, &block) != OK)
        return;
    bh_slot_drop(block);
    lanes_start(c);
}

/* Until this client has packets or room, or for a while. */
static void pause(struct client *c, uint32_t ms)
{
    uint64_t bits;

    if (net_consumer_may_sleep(&c->in) &&
        bh_notification_wait(SLOT_EVENTS, bh_after_ms(ms), &bits) == ERR_CAP)
        say(" events");
    for (uint32_t i = 0; i < CLIENTS; i++)
        look_around(&clients[i]);
}

/* ---- packets ---------------------------------------------------------------------------------- */

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static void pattern_fill(uint8_t *at, uint32_t bytes, uint32_t seed)
{
    for (uint32_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(seed + i * 7u + (i >> 8));
}

static void ethernet_make(uint32_t from, const uint8_t *to_mac, uint16_t type)
{
    memcpy(frame, to_mac, 6);
    mac_of(from, frame + 6);
    put16(frame + 12, type);
}

static void ipv4_make(uint32_t from_ip, uint32_t to_ip, uint8_t protocol, uint32_t length)
{
    uint32_t sum = 0;

    memset(frame + 14, 0, 20);
    frame[14] = 0x45;
    put16(frame + 16, length - 14);
    frame[22] = 64;
    frame[23] = protocol;
    put32(frame + 26, from_ip);
    put32(frame + 30, to_ip);
    for (uint32_t i = 14; i < 34; i += 2)
        sum += (uint32_t)frame[i] << 8 | frame[i + 1];
    put16(frame + 24, ~((sum & 0xffff) + (sum >> 16)));
}

static void udp_make(uint32_t from, uint32_t to, uint32_t length, uint32_t seed)
{
    uint8_t mac[6];

    mac_of(to, mac);
    ethernet_make(from, mac, 0x0800);
    ipv4_make(0x0a010010u + from, 0x0a010010u + to, 17, length);
    memset(frame + 34, 0, 8);
    put16(frame + 34, 7000);
    put16(frame + 36, 7000);
    put16(frame + 38, length - 34);
    pattern_fill(frame + HEADERS_UDP, length - HEADERS_UDP, seed);
}

static struct net_offload tcp_make(uint32_t from, uint32_t to, uint32_t length, uint32_t seed)
{
    uint8_t mac[6];

    mac_of(to, mac);
    ethernet_make(from, mac, 0x0800);
    ipv4_make(0x0a010010u + from, 0x0a010010u + to, 6, length);
    memset(frame + 34, 0, 20);
    put16(frame + 34, 7000);
    put16(frame + 36, 7000);
    frame[46] = 0x50;
    frame[47] = 0x10;
    pattern_fill(frame + HEADERS_TCP, length - HEADERS_TCP, seed);
    return (struct net_offload){.flags = NET_NEEDS_CHECKSUM,
                                .gso = NET_GSO_TCP4,
                                .header_bytes = HEADERS_TCP,
                                .segment_bytes = 1460,
                                .csum_start = 34,
                                .csum_offset = 16};
}

/* False: no room. */
static bool send(struct client *c, uint32_t length, const struct net_offload *offload)
{
    struct net_descriptor d;

    if (net_ring_prepare(&c->out, length, &d) != OK)
        return false;
    if (offload)
        d.offload = *offload;
    for (uint32_t i = 0; i < net_pages_count(length); i++) {
        uint32_t left = length - i * NET_PAGE_BYTES;

        memcpy(c->pools[0] + d.pages[i] * NET_PAGE_BYTES, frame + i * NET_PAGE_BYTES,
               left < NET_PAGE_BYTES ? left : NET_PAGE_BYTES);
    }
    net_ring_put(&c->out, &d);
    if (net_producer_must_signal(&c->out) && bh_notification_signal(c->doorbell) != OK)
        say(" doorbell");
    return true;
}

static void send_surely(struct client *c, uint32_t length, const struct net_offload *offload)
{
    uint64_t deadline = bh_after_ms(PATIENCE_MS);

    while (!send(c, length, offload)) {
        if (bh_now() > deadline) {
            say(" no room in lane %u", (unsigned)c->index);
            end();
        }
        if (net_producer_may_sleep(&c->out, net_pages_count(length)))
            pause(c, 10);
        net_producer_awake(&c->out);
    }
}

static bool receive(struct client *c)
{
    uint32_t bad = 0;

    net_consumer_awake(&c->in);
    if (!net_ring_take(&c->in, &got_descriptor, &bad)) {
        if (bad)
            say(" %u bad", (unsigned)bad);
        return false;
    }
    for (uint32_t i = 0; i < net_pages_count(got_descriptor.length); i++) {
        uint32_t left = got_descriptor.length - i * NET_PAGE_BYTES;

        memcpy(got + i * NET_PAGE_BYTES, c->pools[1] + got_descriptor.pages[i] * NET_PAGE_BYTES,
               left < NET_PAGE_BYTES ? left : NET_PAGE_BYTES);
    }
    net_ring_done(&c->in);
    if (net_consumer_must_signal(&c->in) && bh_notification_signal(c->doorbell) != OK)
        say(" doorbell");
    return true;
}

static bool receive_within(struct client *c, uint32_t ms)
{
    uint64_t deadline = bh_after_ms(ms);

    while (!receive(c)) {
        if (bh_now() > deadline)
            return false;
        pause(c, 10);
    }
    return true;
}

static bool receive_soon(struct client *c)
{
    return receive_within(c, 1000);
}

static bool got_is_frame(uint32_t length)
{
    return got_descriptor.length == length && memcmp(got, frame, length) == 0;
}

static bh_NetInfoReply info_of(uint32_t index)
{
    bh_NetInfoRequest request = {.index = index};
    bh_NetInfoReply reply;

    must("info", net_rpc_info(CAP_NET, &request, &reply, NULL, bh_after_ms(PATIENCE_MS)));
    must("info", (enum status)reply.status);
    return reply;
}

/* ---- the words ---------------------------------------------------------------------------------- */

static void exchange(void)
{
    uint32_t good = 0, lost = 0;

    for (uint32_t i = 0; i < 2000; i++) {
        uint32_t from = i & 1, length = 60 + i * 37 % 1455;

        udp_make(from, !from, length, i);
        send_surely(&clients[from], length, NULL);
        if (!receive_soon(&clients[!from]))
            lost++;
        else if (got_is_frame(length))
            good++;
    }
    say(" exchange=%u/%u", (unsigned)good, (unsigned)lost);
}

static void large(void)
{
    uint32_t whole = 0, segments = 0, bytes = 0;

    for (uint32_t i = 0; i < 10; i++) {
        struct net_offload offload = tcp_make(0, 1, 65535 + 14, i);

        send_surely(&clients[0], 65535 + 14, &offload);
        while (receive_soon(&clients[1])) {
            whole += got_is_frame(65535 + 14) && got_descriptor.offload.gso == NET_GSO_TCP4;
            bytes += got_descriptor.length - HEADERS_TCP;
            segments++;
            if (bytes >= (i + 1) * (65535u - 40u))
                break;
        }
    }
    say(" large=%u/%u/%u", (unsigned)whole, (unsigned)segments, (unsigned)bytes);
}

static void bad_send(uint32_t kind)
{
    uint8_t nobody[6] = {2, 9, 9, 9, 9, 9};

    udp_make(0, 1, 100, kind);
    switch (kind) {
    case 0: /* another's MAC */
        mac_of(1, frame + 6);
        break;
    case 1: /* another's address */
        put32(frame + 26, 0x0a010011);
        break;
    case 2: /* a tag */
        put16(frame + 12, 0x8100);
        break;
    case 3: /* a frame for switches */
        memcpy(frame, (const uint8_t[6]){1, 0x80, 0xc2, 0, 0, 0}, 6);
        break;
    case 4: /* an ARP answer for another's address */
        memset(frame + 14, 0, 28);
        put16(frame + 12, 0x0806);
        memcpy(frame + 14, (const uint8_t[8]){0, 1, 8, 0, 6, 4, 0, 2}, 8);
        mac_of(0, frame + 22);
        put32(frame + 28, 0x0a010012);
        break;
    default: /* as if from a group */
        memcpy(frame + 6, nobody, 6);
        frame[6] |= 1;
    }
    send_surely(&clients[0], 100, NULL);
}

static void spoof(void)
{
    uint64_t before = info_of(0).from_vm.dropped_spoofed;
    uint32_t wrong = 0;

    for (uint32_t kind = 0; kind < 6; kind++)
        bad_send(kind);
    udp_make(0, 1, 100, 99);
    send_surely(&clients[0], 100, NULL);
    while (receive_soon(&clients[1]) && !got_is_frame(100))
        wrong++; /* the good one comes last */
    say(" spoof=%u/%u", (unsigned)wrong, (unsigned)(info_of(0).from_vm.dropped_spoofed - before));
}

static void stall(void)
{
    uint32_t good = 0;

    for (uint32_t i = 0; i < 200; i++) {
        udp_make(0, 2, 1000, i);
        send_surely(&clients[0], 1000, NULL);
        udp_make(0, 1, 1000, i);
        send_surely(&clients[0], 1000, NULL);
        good += receive_soon(&clients[1]) && got_is_frame(1000);
    }
    say(" stall=%u/%u", (unsigned)good, (unsigned)info_of(2).to_vm.dropped_full);
    while (receive(&clients[2]))
        ;
}

static void networks(void)
{
    uint32_t heard = 0;

    for (uint32_t i = 0; i < 50; i++) {
        udp_make(0, 3, 100, i);
        if (i & 1)
            memset(frame, 0xff, 6);
        send_surely(&clients[0], 100, NULL);
    }
    while (receive_within(&clients[3], 100))
        heard++;
    say(" networks=%u", (unsigned)heard);
    for (uint32_t i = 1; i < 3; i++)
        while (receive(&clients[i]))
            ;
}

/* RFC 2131: a DISCOVER (1) or REQUEST (3) of client 3, 300 bytes of BOOTP. */
static void dhcp_send(uint8_t kind, uint32_t wanted)
{
    const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
    uint32_t length = HEADERS_UDP + 300;
    uint8_t *bootp = frame + HEADERS_UDP;

    ethernet_make(3, all, 0x0800);
    ipv4_make(0, 0xffffffff, 17, length);
    memset(frame + 34, 0, 308);
    put16(frame + 34, 68);
    put16(frame + 36, 67);
    put16(frame + 38, length - 34);
    memcpy(bootp, (const uint8_t[4]){1, 1, 6, 0}, 4);
    put32(bootp + 4, 0x12345678);
    mac_of(3, bootp + 28);
    memcpy(bootp + 236, (const uint8_t[7]){0x63, 0x82, 0x53, 0x63, 53, 1, kind}, 7);
    bootp[243] = 255;
    if (kind == 3) {
        memcpy(bootp + 243, (const uint8_t[2]){50, 4}, 2);
        put32(bootp + 245, wanted);
        memcpy(bootp + 249, (const uint8_t[6]){54, 4, 10, 0, 3, 1}, 6);
        bootp[255] = 255;
    }
    send_surely(&clients[3], length, NULL);
}

static uint32_t dhcp_offered(void)
{
    const uint8_t *at = got + HEADERS_UDP + 16;

    return receive_soon(&clients[3]) && got[35] == 67
               ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]
               : 0;
}

static void dhcp(void)
{
    uint32_t offered, given;

    dhcp_send(1, 0);
    offered = dhcp_offered();
    dhcp_send(3, offered);
    given = dhcp_offered();
    say(" dhcp=%x/%d/%d", (unsigned)(given >> 8), given == offered, info_of(3).ipv4[0] == given);
}

static void load(uint64_t seconds)
{
    uint64_t until = bh_after_ms(seconds * 1000);
    uint32_t good = 0, lost = 0, wrong = 0;

    for (uint32_t i = 0; bh_now() < until; i++) {
        udp_make(0, 1, 1000, i);
        send_surely(&clients[0], 1000, NULL);
        if (!receive_soon(&clients[1]))
            lost++;
        else if (got_is_frame(1000))
            good++;
        else
            wrong++;
    }
    say(" load=%d/%d/%u attached=%u", good > 100, lost < 5, (unsigned)wrong, (unsigned)clients[1].attached);
}

/* We are sender and receiver in one, so what is measured holds three copies a packet, as with two vmms. */
static void speed(void)
{
    const uint32_t packets = 256, length = 65535 + 14;
    struct net_offload offload = tcp_make(0, 1, length, 1);
    uint32_t sent = 0, taken = 0;
    uint64_t from = bh_now();

    while (taken < packets) {
        while (sent < packets && send(&clients[0], length, &offload))
            sent++;
        if (receive_soon(&clients[1]))
            taken++;
        else
            break;
    }
    uint64_t us = bh_ticks_to_us(bh_now() - from);
    say(" speed=%u/%u", (unsigned)taken, (unsigned)((uint64_t)taken * length * 8 / (us + 1)));
}

static void swap(uint8_t *a, uint8_t *b, uint32_t bytes)
{
    uint8_t kept[6];

    memcpy(kept, a, bytes);
    memcpy(a, b, bytes);
    memcpy(b, kept, bytes);
}

/* Whatever is left to do to the packet, its checksum among it, is the same the other way. */
static void reflect(void)
{
    uint32_t packets = 0, large_ones = 0;

    while (receive_within(&clients[0], packets ? 5000 : 30000)) {
        if (got_descriptor.length < HEADERS_TCP || got[23] != 6)
            continue;
        memcpy(frame, got, got_descriptor.length);
        swap(frame, frame + 6, 6);
        swap(frame + 26, frame + 30, 4);
        swap(frame + 34, frame + 36, 2);
        got_descriptor.offload.flags &= (uint8_t)~NET_CHECKSUM_GOOD;
        send_surely(&clients[0], got_descriptor.length, &got_descriptor.offload);
        packets++;
        large_ones += got_descriptor.offload.gso != NET_GSO_NONE;
    }
    say(" reflect=%u/%u", (unsigned)packets, (unsigned)large_ones);
}

static void word_do(const char *word)
{
    if (strcmp(word, "exchange") == 0)
        exchange();
    else if (strcmp(word, "large") == 0)
        large();
    else if (strcmp(word, "spoof") == 0)
        spoof();
    else if (strcmp(word, "stall") == 0)
        stall();
    else if (strcmp(word, "networks") == 0)
        networks();
    else if (strcmp(word, "dhcp") == 0)
        dhcp();
    else if (strncmp(word, "load:", 5) == 0)
        load(strtoul(word + 5, NULL, 10));
    else if (strcmp(word, "reflect") == 0)
        reflect();
    else if (strcmp(word, "speed") == 0)
        speed();
    else if (strcmp(word, "plain") != 0)
        say(" %s?", word);
}

int main(void)
{
    static bh_ModuleReply record;
    static bh_VmConfig config;
    pb_istream_t stream;
    bh_ModuleRequest request = {.index = 0};
    char *rest = NULL;

    must("record", init_rpc_vm_record(CAP_INIT, &request, &record, NULL, bh_after_ms(PATIENCE_MS)));
    stream = pb_istream_from_buffer(record.piece.bytes, record.piece.size);
    if (record.bytes != record.piece.size || !pb_decode(&stream, bh_VmConfig_fields, &config))
        bh_panic("the record of %u bytes is no VM's", (unsigned)record.bytes);
    if (strncmp(config.extra, "plain ", 6) == 0)
        features = 0;
    for (uint32_t i = 0; i < CLIENTS; i++)
        client_start(i);
    for (char *word = strtok_r(config.extra, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        word_do(word);
    end();
}
