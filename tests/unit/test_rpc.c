/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_rpc.c - a request and its reply, from typed stub to typed handler and back
 *
 * Client and server are both here; the faked bh_call() is the kernel between them.  mem.proto is the example.
 *
 * links: lib/rpc/rpc.c build/gen/mem_rpc.c build/gen/mem.pb.c
 * flags: -Wno-conversion
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem_rpc.h"

static struct ipc_buffer buffer;
struct ipc_buffer *const bh_ipcbuf = &buffer;

/* What the fakes were told, and what they are to do. */
static struct {
    uint64_t badge;
    uint32_t arriving;   /* capabilities that come with the next message, in slots 100.. */
    uint32_t in_transit; /* arrived, and not yet taken */
    uint32_t dropped, dropped_after;
    enum status refuse;                    /* bh_call's own status */
    void (*spoil)(struct bh_msg *m);       /* what the peer does to the request */
    void (*spoil_reply)(struct bh_msg *m); /* .. or to the reply */
    struct rpc_call seen;
    bh_MemOpenRequest seen_open;
} fake;

enum status bh_call(slot_t endpoint, uint64_t deadline, struct bh_msg *m)
{
    (void)endpoint;
    (void)deadline;
    if (fake.refuse != OK)
        return fake.refuse;
    if (fake.spoil)
        fake.spoil(m);
    m->badge = fake.badge;
    fake.in_transit = INFO_CAPS(m->info);
    mem_serve(m, &fake);
    fake.in_transit = INFO_CAPS(m->info) + fake.arriving;
    if (fake.spoil_reply)
        fake.spoil_reply(m);
    return OK;
}

uint32_t bh_caps_take(slot_t slots[IPC_CAPS_MAX])
{
    uint32_t count = fake.in_transit;

    for (uint32_t i = 0; i < count; i++)
        slots[i] = 100 + i;
    fake.in_transit = 0;
    return count;
}

void bh_slot_drop(slot_t slot)
{
    assert_in_range(slot, 100, 103);
    fake.dropped++;
}

void bh_drop_after_reply(slot_t slot)
{
    assert_int_equal(slot, 55);
    fake.dropped_after++;
}

_Noreturn void bh_panic(const char *format, ...)
{
    fail_msg("panic: %s", format);
    abort();
}

void mem_on_open(struct rpc_call *call, const bh_MemOpenRequest *request, bh_MemStatus *reply)
{
    assert_ptr_equal(call->context, &fake);
    fake.seen = *call;
    fake.seen_open = *request;
    reply->status = ERR_MEM;
    reply->bytes = request->quota_bytes + 1;
    strcpy(reply->error, "quota of 5 GiB: 3 GiB are free");
}

void mem_on_close(struct rpc_call *call, const bh_MemCloseRequest *request, bh_MemStatus *reply)
{
    (void)call;
    (void)request;
    (void)reply;
}

void mem_on_alloc(struct rpc_call *call, const bh_MemAllocRequest *request, bh_MemAllocReply *reply)
{
    reply->bytes_count = 2;
    reply->bytes[0] = request->bytes;
    reply->bytes[1] = UINT64_MAX;
    call->out_count = 1;
    call->out[0] = 55;
    call->give_out = true;
}

void mem_on_info(struct rpc_call *call, const bh_MemInfoRequest *request, bh_MemInfoReply *reply)
{
    (void)call;
    (void)request;
    reply->sessions = 7;
}

void mem_on_release(struct rpc_call *call, const bh_MemReleaseRequest *request, bh_MemStatus *reply)
{
    (void)call;
    (void)request;
    (void)reply;
}

void mem_on_set_target(struct rpc_call *call, const bh_MemSetTargetRequest *request, bh_MemStatus *reply)
{
    (void)call;
    (void)request;
    (void)reply;
}

void mem_on_session(struct rpc_call *call, const bh_MemSessionRequest *request, bh_MemSessionReply *reply)
{
    (void)call;
    (void)request;
    (void)reply;
}

static int reset(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(&buffer, 0, sizeof(buffer));
    fake.badge = 17;
    return 0;
}

static void a_request_and_its_reply_arrive_whole(void **state)
{
    bh_MemOpenRequest request = {.vm_id = 16, .quota_bytes = 1ull << 40};
    bh_MemStatus reply;

    (void)state;
    assert_int_equal(mem_rpc_open(20, &request, &reply, NULL, BH_FOREVER), OK);
    assert_int_equal(fake.seen.badge, 17);
    assert_int_equal(fake.seen_open.vm_id, 16);
    assert_int_equal(fake.seen_open.quota_bytes, 1ull << 40);
    assert_int_equal(reply.status, ERR_MEM);
    assert_int_equal(reply.bytes, (1ull << 40) + 1);
    assert_string_equal(reply.error, "quota of 5 GiB: 3 GiB are free");
}

static void capabilities_travel_both_ways(void **state)
{
    bh_MemAllocRequest request = {.bytes = 2u << 20};
    bh_MemAllocReply reply;
    struct rpc_caps caps = {.in_count = 2, .in = {31, 32}};

    (void)state;
    assert_int_equal(mem_rpc_alloc(20, &request, &reply, &caps, BH_FOREVER), OK);
    assert_int_equal(reply.bytes_count, 2);
    assert_int_equal(reply.bytes[0], 2u << 20);
    assert_int_equal(reply.bytes[1], UINT64_MAX);
    assert_int_equal(buffer.caps[0], 55); /* the server's, last */
    assert_int_equal(buffer.caps[1], 32); /* the client's */
    assert_int_equal(caps.out_count, 1);
    assert_int_equal(caps.out[0], 100);
    assert_int_equal(fake.dropped, 0);
    assert_int_equal(fake.dropped_after, 1);
}

static void what_the_server_got_is_in_its_call(void **state)
{
    bh_MemOpenRequest request = {0};
    bh_MemStatus reply;
    struct rpc_caps caps = {.in_count = 2, .in = {31, 32}};

    (void)state;
    assert_int_equal(mem_rpc_open(20, &request, &reply, &caps, BH_FOREVER), OK);
    assert_int_equal(fake.seen.in_count, 2);
    assert_int_equal(fake.seen.in[1], 101);
    assert_int_equal(caps.out_count, 0);
}

static void a_client_that_takes_no_capabilities_drops_them(void **state)
{
    bh_MemInfoRequest request = {0};
    bh_MemInfoReply reply;

    (void)state;
    fake.arriving = 3;
    assert_int_equal(mem_rpc_info(20, &request, &reply, NULL, BH_FOREVER), OK);
    assert_int_equal(reply.sessions, 7);
    assert_int_equal(fake.dropped, 3);
}

static void spoil_label(struct bh_msg *m)
{
    m->info = INFO(100, 0, INFO_BYTES(m->info), INFO_CAPS(m->info));
}

static void spoil_label_zero(struct bh_msg *m)
{
    m->info = INFO(0, 0, INFO_BYTES(m->info), INFO_CAPS(m->info));
}

static void spoil_bytes(struct bh_msg *m)
{
    m->info = INFO(INFO_LABEL(m->info), 0, IPC_BYTES_MAX, INFO_CAPS(m->info));
    memset(buffer.data, 0xff, sizeof(buffer.data));
}

static void spoil_length(struct bh_msg *m)
{
    m->info |= INFO(0, 0, 0x7ff, 0);
}

/* Each request that cannot be judged is refused by a status, its capabilities dropped, no handler called. */
static void check_refused(void (*spoil)(struct bh_msg *m), enum status expected)
{
    bh_MemOpenRequest request = {.vm_id = 16};
    bh_MemStatus reply;
    struct rpc_caps caps = {.in_count = 2, .in = {31, 32}};

    reset(NULL);
    memset(&reply, 0xff, sizeof(reply));
    fake.spoil = spoil;
    assert_int_equal(mem_rpc_open(20, &request, &reply, &caps, BH_FOREVER), expected);
    assert_int_equal(fake.seen.badge, 0);
    assert_int_equal(fake.dropped, 2);
    assert_int_equal(caps.out_count, 0);
    assert_int_equal(reply.status, 0);
    assert_int_equal(reply.error[0], 0);
}

static void a_request_that_cannot_be_judged_is_refused(void **state)
{
    (void)state;
    check_refused(spoil_label, ERR_CALL);
    check_refused(spoil_label_zero, ERR_CALL);
    check_refused(spoil_bytes, ERR_ARG);
    check_refused(spoil_length, ERR_ARG);
}

static void spoil_reply_label(struct bh_msg *m)
{
    m->info = INFO(4000, 0, 0, 0);
}

static void check_reply_refused(void (*spoil)(struct bh_msg *m))
{
    bh_MemOpenRequest request = {.vm_id = 16};
    bh_MemStatus reply;

    reset(NULL);
    fake.spoil_reply = spoil;
    assert_int_equal(mem_rpc_open(20, &request, &reply, NULL, BH_FOREVER), ERR_PEER);
    assert_int_equal(reply.bytes, 0);
}

static void a_reply_that_is_none_is_the_peers_fault(void **state)
{
    (void)state;
    check_reply_refused(spoil_reply_label);
    check_reply_refused(spoil_bytes);
    check_reply_refused(spoil_length);
}

static void the_kernels_refusal_comes_through(void **state)
{
    bh_MemInfoRequest request = {0};
    bh_MemInfoReply reply;

    (void)state;
    fake.refuse = ERR_TIME;
    assert_int_equal(mem_rpc_info(20, &request, &reply, NULL, 0), ERR_TIME);
}

static void strings_of_a_hostile_peer_are_bounded(void **state)
{
    struct bh_msg m = {0};

    (void)state;
    /* MemStatus.error is 120 bytes; field 3, length-delimited, 200 bytes: the decoder must refuse. */
    buffer.data[0] = 3 << 3 | 2;
    buffer.data[1] = 200;
    buffer.data[2] = 1;
    memset(buffer.data + 3, 'x', 200);
    m.info = INFO(MEM_RPC_OPEN, 0, 203, 0);
    mem_serve(&m, &fake); /* an unknown field of MemOpenRequest: skipped */
    assert_int_equal(INFO_LABEL(m.info), 0);
    fake.spoil_reply = NULL;
    m = (struct bh_msg){.info = INFO(MEM_RPC_OPEN, 0, 100, 0)};
    buffer.data[0] = 3 << 3 | 2;
    mem_serve(&m, &fake); /* ... but not when it says it is longer than the message */
    assert_int_equal(INFO_LABEL(m.info), ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_request_and_its_reply_arrive_whole, reset),
        cmocka_unit_test_setup(capabilities_travel_both_ways, reset),
        cmocka_unit_test_setup(what_the_server_got_is_in_its_call, reset),
        cmocka_unit_test_setup(a_client_that_takes_no_capabilities_drops_them, reset),
        cmocka_unit_test_setup(a_request_that_cannot_be_judged_is_refused, reset),
        cmocka_unit_test_setup(a_reply_that_is_none_is_the_peers_fault, reset),
        cmocka_unit_test_setup(the_kernels_refusal_comes_through, reset),
        cmocka_unit_test_setup(strings_of_a_hostile_peer_are_bounded, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
