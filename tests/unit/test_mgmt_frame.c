/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mgmt_frame.c - lib/mgmt: frames out of any bytes, requests out of any payload
 *
 * links: lib/mgmt/frame.c lib/mgmt/wire.c build/gen/mgmt.pb.c build/gen/vm.pb.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mgmt/frame.h"
#include "lib/mgmt/wire.h"
#include "mgmt.pb.h"

static struct frame_reader reader;

static uint32_t put(uint8_t *out, uint16_t client, enum frame_kind kind, uint32_t id, const char *payload,
                    uint32_t count)
{
    frame_header_write(out, count, client, kind, id);
    if (count)
        memcpy(out + FRAME_HEADER_BYTES, payload, count);
    return FRAME_HEADER_BYTES + count;
}

/* Feed everything in pieces of `step`; returns the kinds of the frames that came, as letters from 'a'. */
static const char *feed(const uint8_t *bytes, uint32_t count, uint32_t step)
{
    static char kinds[256];
    uint32_t found = 0;

    for (uint32_t at = 0; at < count;) {
        uint32_t piece = count - at < step ? count - at : step;
        struct frame frame;
        uint32_t taken = frame_reader_take(&reader, bytes + at, piece, &frame);

        assert_true(taken <= piece);
        assert_true(taken > 0 || frame.payload);
        at += taken;
        if (frame.payload) {
            kinds[found++] = (char)('a' + frame.kind);
            frame_reader_next(&reader);
        }
    }
    kinds[found] = 0;
    return kinds;
}

static void frames_come_whole_however_the_bytes_come(void **state)
{
    uint8_t bytes[256];
    uint32_t count = 0;

    (void)state;
    count += put(bytes + count, 3, FRAME_REQUEST, 7, "\1\0\0\0abc", 7);
    count += put(bytes + count, 3, FRAME_OPEN, 0, "", 0);
    count += put(bytes + count, 4, FRAME_DATA, 9, "x", 1);
    for (uint32_t step = 1; step <= count; step++) {
        frame_reader_start(&reader, READER_WITHIN);
        assert_string_equal(feed(bytes, count, step), "ecg");
        assert_int_equal(reader.count, 0);
    }
}

static void a_frame_says_what_was_written(void **state)
{
    uint8_t bytes[64];
    uint32_t count = put(bytes, 0x1234, FRAME_DATA, 0xfedcba98u, "hello", 5);
    struct frame frame;

    (void)state;
    frame_reader_start(&reader, READER_WITHIN);
    assert_int_equal(frame_reader_take(&reader, bytes, count, &frame), count);
    assert_int_equal(frame.client, 0x1234);
    assert_int_equal(frame.kind, FRAME_DATA);
    assert_int_equal(frame.id, 0xfedcba98u);
    assert_int_equal(frame.length, 5);
    assert_memory_equal(frame.payload, "hello", 5);
}

static void a_header_is_refused_before_its_payload_comes(void **state)
{
    static const struct {
        uint32_t length;
        uint16_t client;
        uint8_t kind, zero;
        uint32_t id;
    } bad[] = {
        {FRAME_PAYLOAD_MAX + 1, 1, FRAME_DATA, 0, 1},
        {UINT32_MAX, 1, FRAME_DATA, 0, 1},
        {4, 1, 0, 0, 1},
        {4, 1, FRAME_CREDIT + 1, 0, 1},
        {4, 1, FRAME_REQUEST, 1, 1},
        {3, 1, FRAME_REQUEST, 0, 1},
        {0, 1, FRAME_DATA, 0, 1},
        {5, 1, FRAME_CREDIT, 0, 1},
        {3, 1, FRAME_CREDIT, 0, 1},
        {1, 1, FRAME_OPEN, 0, 0},
        {10, 0, FRAME_HELLO, 0, 1},
        {10, 1, FRAME_HELLO, 0, MGMT_HELLO_ID},
        {MGMT_HELLO_PAYLOAD_MAX + 1, 0, FRAME_HELLO, 0, MGMT_HELLO_ID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t bytes[FRAME_HEADER_BYTES];
        struct frame frame;

        frame_header_write(bytes, bad[i].length, bad[i].client, (enum frame_kind)bad[i].kind, bad[i].id);
        bytes[7] = bad[i].zero;
        frame_reader_start(&reader, READER_WITHIN);
        frame_reader_take(&reader, bytes, sizeof(bytes), &frame);
        assert_null(frame.payload);
        assert_int_equal(reader.state, READER_LOST);
    }
}

static void a_hello_is_found_behind_garbage(void **state)
{
    uint8_t bytes[1024];

    (void)state;
    for (unsigned seed = 0; seed < 500; seed++) {
        uint32_t count = (uint32_t)(seed % 97);

        srand(seed);
        for (uint32_t i = 0; i < count; i++)
            bytes[i] = (uint8_t)(seed % 3 ? rand() : 0); /* zeros look like the beginning of a HELLO */
        count += put(bytes + count, 0, FRAME_HELLO, MGMT_HELLO_ID, "xy", 2);
        count += put(bytes + count, 1, FRAME_OPEN, 0, "", 0);
        frame_reader_start(&reader, READER_LOST);
        assert_string_equal(feed(bytes, count, 1 + seed % 13), "bc");
    }
}

static void garbage_in_the_middle_costs_what_follows_up_to_the_next_hello(void **state)
{
    uint8_t bytes[256];

    (void)state;
    for (uint32_t garbage = 1; garbage < 30; garbage++) {
        uint32_t count = put(bytes, 0, FRAME_HELLO, MGMT_HELLO_ID, "", 0);

        count += put(bytes + count, 1, FRAME_OPEN, 0, "", 0);
        memset(bytes + count, 0xff, garbage);
        count += garbage;
        if (garbage % 2)
            count += put(bytes + count, 2, FRAME_OPEN, 0, "", 0);
        count += put(bytes + count, 0, FRAME_HELLO, MGMT_HELLO_ID, "", 0);
        count += put(bytes + count, 3, FRAME_DATA, 1, "x", 1);
        frame_reader_start(&reader, READER_LOST);
        assert_string_equal(feed(bytes, count, 5), "bcbg");
    }
}

static void random_bytes_never_leave_the_reader_full(void **state)
{
    uint8_t bytes[4096];

    (void)state;
    srand(1);
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)(rand() % 3 ? 0 : rand() % 10);
        frame_reader_start(&reader, round % 2 ? READER_LOST : READER_WITHIN);
        feed(bytes, sizeof(bytes), 1 + (uint32_t)rand() % 300);
        assert_true(reader.count <= FRAME_BYTES_MAX);
    }
}

/* ---- requests */

static uint32_t handle_list(struct wire_call *call, const void *request, void *reply)
{
    const bh_MgmtPageRequest *page = request;
    bh_MgmtVmList *list = reply;

    if (page->first == 99) {
        snprintf(call->error, sizeof(call->error), "no such page");
        return bh_MgmtStatus_MGMT_NOT_FOUND;
    }
    list->next = page->first + 1;
    return bh_MgmtStatus_MGMT_OK;
}

static const struct wire_method methods[] = {{"list", bh_MgmtPageRequest_fields, bh_MgmtVmList_fields,
                                              sizeof(bh_MgmtPageRequest), sizeof(bh_MgmtVmList)}};
static const wire_handler handlers[] = {handle_list};

static uint32_t answer(const uint8_t *in, uint32_t count, uint8_t *out)
{
    struct wire_call call = {0};
    bh_MgmtPageRequest request;
    static bh_MgmtVmList reply;

    return wire_answer(&call, methods, handlers, 1, &request, &reply, in, count, out);
}

static void a_request_is_answered_with_the_methods_reply(void **state)
{
    bh_MgmtPageRequest request = {.first = 41};
    bh_MgmtVmList list = bh_MgmtVmList_init_zero;
    static uint8_t in[FRAME_PAYLOAD_MAX], out[FRAME_PAYLOAD_MAX];
    uint32_t status = 77, count = wire_encode(in, 1, bh_MgmtPageRequest_fields, &request);

    (void)state;
    assert_true(count > 4);
    count = answer(in, count, out);
    assert_true(wire_decode(out, count, &status, bh_MgmtVmList_fields, &list));
    assert_int_equal(status, bh_MgmtStatus_MGMT_OK);
    assert_int_equal(list.next, 42);
}

static void refuses(const uint8_t *in, uint32_t in_bytes, uint32_t expected, const char *text)
{
    static uint8_t out[FRAME_PAYLOAD_MAX];
    bh_MgmtFailure failure = bh_MgmtFailure_init_zero;
    uint32_t status = 77, count = answer(in, in_bytes, out);

    assert_true(wire_decode(out, count, &status, bh_MgmtFailure_fields, &failure));
    assert_int_equal(status, expected);
    assert_non_null(strstr(failure.text, text));
}

static void a_request_that_makes_no_sense_is_refused_in_words(void **state)
{
    bh_MgmtPageRequest request = {.first = 99};
    static uint8_t in[FRAME_PAYLOAD_MAX];
    uint32_t count = wire_encode(in, 1, bh_MgmtPageRequest_fields, &request);

    (void)state;
    refuses(in, count, bh_MgmtStatus_MGMT_NOT_FOUND, "no such page");
    refuses(in, 3, bh_MgmtStatus_MGMT_BAD_REQUEST, "no method");
    frame_put_u32(in, 0);
    refuses(in, count, bh_MgmtStatus_MGMT_BAD_REQUEST, "no method");
    frame_put_u32(in, 2);
    refuses(in, count, bh_MgmtStatus_MGMT_NOT_SUPPORTED, "no method 2");
    frame_put_u32(in, 1);
    in[4] = 0xff;
    refuses(in, count, bh_MgmtStatus_MGMT_BAD_REQUEST, "list: the request does not decode");
}

static void a_long_reason_is_cut(void **state)
{
    static uint8_t out[FRAME_PAYLOAD_MAX];
    bh_MgmtFailure failure = bh_MgmtFailure_init_zero;
    char text[1000];
    uint32_t status, count;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    count = wire_failure(out, bh_MgmtStatus_MGMT_REFUSED, text);
    assert_true(wire_decode(out, count, &status, bh_MgmtFailure_fields, &failure));
    assert_int_equal(strlen(failure.text), WIRE_ERROR_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_whole_however_the_bytes_come),
        cmocka_unit_test(a_frame_says_what_was_written),
        cmocka_unit_test(a_header_is_refused_before_its_payload_comes),
        cmocka_unit_test(a_hello_is_found_behind_garbage),
        cmocka_unit_test(garbage_in_the_middle_costs_what_follows_up_to_the_next_hello),
        cmocka_unit_test(random_bytes_never_leave_the_reader_full),
        cmocka_unit_test(a_request_is_answered_with_the_methods_reply),
        cmocka_unit_test(a_request_that_makes_no_sense_is_refused_in_words),
        cmocka_unit_test(a_long_reason_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
