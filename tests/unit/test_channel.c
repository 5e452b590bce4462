/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_channel.c - services/console: the management channel between a host, a toolstack and VM consoles
 *
 * The host is bytes that the test writes and reads; the toolstack is the other side of the rings.
 *
 * links: services/console/channel.c services/console/clients.c services/console/attach.c
 * links: services/console/console.c services/console/vm_console.c services/console/line.c
 * links: services/console/dmesg.c lib/mgmt/frame.c lib/mgmt/wire.c build/gen/mgmt.pb.c build/gen/vm.pb.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "services/console/channel.h"

#define VM 16u
#define STREAM 9u

static struct byte_ring_page pages[VM_CONSOLES_MAX];
static struct mgmt_rings rings;
static struct console console;
static struct channel channel;
static struct byte_ring up, down; /* the toolstack's ends */
static uint8_t bytes[FRAME_BYTES_MAX];
static char said[65536]; /* frames to the host: "kind:client:id:length " */

static void toolstack_attaches(void)
{
    static const uint8_t boot[BOOT_ID_BYTES] = {1};

    channel_toolstack(&channel, boot, "m");
    up = byte_ring_open_consumer(&rings.up, rings.up_data, MGMT_UP_BYTES);
    down = byte_ring_open_producer(&rings.down, rings.down_data, MGMT_DOWN_BYTES);
}

static uint32_t host_says(uint16_t client, enum frame_kind kind, uint32_t id, const void *payload,
                          uint32_t count)
{
    frame_header_write(bytes, count, client, kind, id);
    if (count)
        memcpy(bytes + FRAME_HEADER_BYTES, payload, count);
    return channel_receive(&channel, bytes, FRAME_HEADER_BYTES + count);
}

static const char *host_hears(void)
{
    static struct frame_reader reader;
    struct frame frame;

    said[0] = 0;
    frame_reader_start(&reader, READER_WITHIN);
    do {
        channel_pump(&channel);
        while (fifo_used(&channel.out) > 0) {
            uint8_t byte = fifo_front(&channel.out);

            fifo_drop(&channel.out, 1);
            frame_reader_take(&reader, &byte, 1, &frame);
            if (!frame.payload)
                continue;
            snprintf(said + strlen(said), sizeof said - strlen(said), "%u:%u:%u ", frame.kind, frame.client,
                     frame.kind == FRAME_HELLO ? 0 : frame.id);
            if (frame.kind == FRAME_DATA)
                snprintf(said + strlen(said), sizeof said - strlen(said), "[%.*s] ", (int)frame.length,
                         (const char *)frame.payload);
            frame_reader_next(&reader);
        }
    } while (channel.again);
    return said;
}

static const char *toolstack_hears(void)
{
    static char text[4096];
    struct frame frame;

    text[0] = 0;
    while (mgmt_ring_peek(&up, bytes, &frame)) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%u:%u:%u ", frame.kind, frame.client,
                 frame.id);
        mgmt_ring_drop(&up, &frame);
    }
    return text;
}

static void toolstack_says(uint16_t client, enum frame_kind kind, uint32_t id)
{
    frame_header_write(bytes, 4, client, kind, id);
    memset(bytes + FRAME_HEADER_BYTES, 0, 4);
    assert_true(mgmt_ring_put(&down, bytes, FRAME_HEADER_BYTES + 4));
}

/* "version = 1, lowest = 1", and "answer" or not. */
static void host_greets(bool answers)
{
    static const uint8_t hello[] = {0x10, 1, 0x18, 1, 0x28, 1};

    host_says(0, FRAME_HELLO, MGMT_HELLO_ID, hello, answers ? 6 : 4);
}

static int fresh(void **state)
{
    (void)state;
    console_init(&console, pages, 1);
    channel_init(&channel, &console, &rings);
    channel_port_starts(&channel);
    assert_string_equal(host_hears(), ""); /* not before the toolstack is there */
    toolstack_attaches();
    assert_string_equal(host_hears(), "1:0:0 ");
    host_greets(true);
    host_says(1, FRAME_OPEN, 0, NULL, 0);
    assert_string_equal(host_hears(), "");
    return 0;
}

static void guest_writes(const char *text)
{
    struct byte_ring out = byte_ring_out_producer(&pages[0]);

    assert_int_equal(byte_ring_put(&out, (const uint8_t *)text, (uint32_t)strlen(text)), strlen(text));
    if (byte_ring_must_signal(&out))
        console_rung(&console, 0);
    console_pump(&console);
}

static void watch(bool may_type)
{
    if (!console_find(&console, VM))
        assert_int_equal(console_open(&console, VM, "vm"), OK);
    assert_int_equal(channel_watch(&channel, 1, STREAM, VM, may_type, true), OK);
}

static void credit(uint32_t count)
{
    uint8_t payload[4];

    frame_put_u32(payload, count);
    host_says(1, FRAME_CREDIT, STREAM, payload, 4);
}

static void a_request_goes_up_and_its_answer_down(void **state)
{
    (void)state;
    host_says(1, FRAME_REQUEST, 7, "\1\0\0\0", 4);
    assert_string_equal(toolstack_hears(), "4:1:7 ");
    toolstack_says(1, FRAME_REPLY, 7);
    toolstack_says(2, FRAME_REPLY, 7); /* nobody */
    assert_string_equal(host_hears(), "5:1:7 ");
}

static void a_second_request_before_the_answer_ends_that_client(void **state)
{
    (void)state;
    host_says(1, FRAME_REQUEST, 7, "\1\0\0\0", 4);
    host_says(1, FRAME_REQUEST, 8, "\1\0\0\0", 4);
    assert_string_equal(host_hears(), "3:1:0 ");
    assert_string_equal(toolstack_hears(), "4:1:7 3:1:0 ");
}

static void output_goes_as_far_as_credit(void **state)
{
    (void)state;
    watch(false);
    guest_writes("hello");
    assert_string_equal(host_hears(), "");
    credit(2);
    assert_string_equal(host_hears(), "6:1:9 [he] ");
    credit(100);
    assert_string_equal(host_hears(), "6:1:9 [llo] ");
}

static void who_is_slow_is_told_what_is_lost(void **state)
{
    char chunk[1001];

    (void)state;
    watch(false);
    memset(chunk, 'x', 1000);
    chunk[1000] = 0;
    for (int i = 0; i < 5; i++)
        guest_writes(chunk);
    credit(50);
    assert_string_equal(host_hears(),
                        "6:1:9 [\r\n[904 bytes of the console are lost]\r\n] 6:1:9 [xxxxxxxxxxx] ");
}

static void typing_goes_as_far_as_credit(void **state)
{
    static const uint8_t too_much[TYPED_BYTES + 1];
    struct byte_ring in;
    uint8_t got[8];

    (void)state;
    watch(true);
    assert_string_equal(host_hears(), "8:1:9 ");
    host_says(1, FRAME_DATA, STREAM, "hi", 2);
    host_hears();
    in = byte_ring_in_consumer(&pages[0]);
    assert_int_equal(byte_ring_take(&in, got, sizeof got), 2);
    host_says(1, FRAME_DATA, STREAM, too_much, sizeof too_much);
    assert_string_equal(host_hears(), "3:1:0 ");
}

static void an_ended_vm_ends_its_streams_after_its_last_words(void **state)
{
    (void)state;
    watch(false);
    guest_writes("bye");
    attached_vm_ends(&channel, VM);
    assert_int_equal(console_close(&console, VM, false), OK);
    assert_string_equal(host_hears(), "");
    credit(100);
    assert_string_equal(host_hears(), "6:1:9 [bye] 7:1:9 ");
}

static void garbage_ends_all_and_begins_again(void **state)
{
    uint8_t garbage[64];

    (void)state;
    memset(garbage, 0xff, sizeof garbage);
    channel_receive(&channel, garbage, sizeof garbage);
    assert_string_equal(host_hears(), "1:0:0 ");
    assert_string_equal(toolstack_hears(), "3:1:0 ");
    host_says(1, FRAME_REQUEST, 7, "\1\0\0\0", 4);
    assert_string_equal(toolstack_hears(), "");
    host_greets(false);
    assert_string_equal(host_hears(), "1:0:0 ");
    host_says(2, FRAME_OPEN, 0, NULL, 0);
    host_says(2, FRAME_REQUEST, 7, "\1\0\0\0", 4);
    assert_string_equal(toolstack_hears(), "4:2:7 ");
}

static void what_died_with_the_toolstack_is_answered(void **state)
{
    (void)state;
    host_says(1, FRAME_REQUEST, 7, "\1\0\0\0", 4);
    toolstack_says(1, FRAME_CREDIT, 5); /* an upload */
    host_hears();
    toolstack_attaches();
    assert_string_equal(host_hears(), "5:1:7 7:1:5 ");
}

static void a_toolstack_that_takes_nothing_stops_requests_and_loses_none(void **state)
{
    static uint8_t payload[FRAME_PAYLOAD_MAX] = {1};
    uint32_t frames = 0, taken = 0;
    struct frame frame;

    (void)state;
    while (!channel.parked)
        frames += host_says(1, FRAME_DATA, 5, payload, sizeof payload) > 0;
    assert_int_equal(channel_receive(&channel, bytes, 12), 0);
    for (int i = 0; i < 20; i++) {
        for (; mgmt_ring_peek(&up, bytes, &frame); taken++)
            mgmt_ring_drop(&up, &frame);
        channel_pump(&channel);
    }
    assert_int_equal(taken, frames);
    assert_false(channel.parked);
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_goes_up_and_its_answer_down),
        TEST(a_second_request_before_the_answer_ends_that_client),
        TEST(output_goes_as_far_as_credit),
        TEST(who_is_slow_is_told_what_is_lost),
        TEST(typing_goes_as_far_as_credit),
        TEST(an_ended_vm_ends_its_streams_after_its_last_words),
        TEST(garbage_ends_all_and_begins_again),
        TEST(what_died_with_the_toolstack_is_answered),
        TEST(a_toolstack_that_takes_nothing_stops_requests_and_loses_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
