/* SPDX-License-Identifier: BSD-2-Clause */
#include "ktest.h"

#define EP (FREE + 0)
#define EP_BADGED (FREE + 1)

/* Answers each call with its words plus one, the badge in word 5, and the bytes turned round. */
static void adder(uint64_t endpoint)
{
    struct bh_msg m;
    enum status status = bh_endpoint_recv((slot_t)endpoint, BH_FOREVER, &m);

    for (;;) {
        if (status != OK)
            __builtin_trap();
        for (unsigned i = 0; i < 5; i++)
            m.w[i]++;
        m.w[5] = m.badge;
        m.info = INFO(INFO_LABEL(m.info) + 1, 6, INFO_BYTES(m.info), 0);
        status = bh_endpoint_reply_recv((slot_t)endpoint, BH_FOREVER, &m);
    }
}

static void start_adder(uint32_t pcpu)
{
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(bh_cspace_mint(INIT_SLOT_CSPACE, EP, INIT_SLOT_CSPACE, EP_BADGED, RIGHT_ALL, 77), OK);
    kt_spawn(0, pcpu, adder, EP);
}

static void call_and_check(uint64_t deadline)
{
    struct bh_msg m = {.info = INFO(40, 6, 0, 0), .w = {1, 2, 3, 4, 5, 6}};

    EXPECT(bh_endpoint_call(EP_BADGED, deadline, &m), OK);
    EXPECT(INFO_LABEL(m.info), 41);
    for (unsigned i = 0; i < 5; i++)
        EXPECT(m.w[i], i + 2);
    EXPECT(m.w[5], 77);
}

TEST(ipc, call_reaches_the_server_and_the_answer_comes_back)
{
    start_adder(0);
    for (unsigned i = 0; i < 100; i++)
        call_and_check(BH_FOREVER);
}

TEST(ipc, call_works_with_a_deadline)
{
    start_adder(0);
    for (unsigned i = 0; i < 100; i++)
        call_and_check(bh_after_ms(10000));
}

TEST(ipc, call_crosses_pcpus)
{
    if (kt_boot->pcpu_count < 2)
        return;
    start_adder(1);
    for (unsigned i = 0; i < 100; i++)
        call_and_check(i & 1 ? BH_FOREVER : bh_after_ms(10000));
}

TEST(ipc, call_times_out_when_nobody_receives)
{
    struct bh_msg m = {.info = INFO(1, 0, 0, 0)};

    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(bh_endpoint_call(EP, 0, &m), ERR_TIME);
    uint64_t before = bh_now();
    EXPECT(bh_endpoint_call(EP, bh_after_ms(20), &m), ERR_TIME);
    EXPECT(bh_now() - before >= kt_boot->timer_hz / 50, 1);
    EXPECT(bh_endpoint_recv(EP, 0, &m), ERR_TIME);
    EXPECT(bh_endpoint_recv(EP, bh_after_ms(5), &m), ERR_TIME);
}

TEST(ipc, refuses_what_the_capability_does_not_allow)
{
    struct bh_msg m = {.info = INFO(1, 0, 0, 0)};

    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(kt_copy(EP, FIRST, RIGHT_READ), OK);
    EXPECT(bh_endpoint_call(FIRST, 0, &m), ERR_RIGHT);
    EXPECT(bh_endpoint_send(FIRST, 0, &m), ERR_RIGHT);
    EXPECT(kt_copy(EP, FIRST + 1, RIGHT_WRITE), OK);
    EXPECT(bh_endpoint_recv(FIRST + 1, 0, &m), ERR_RIGHT);
    EXPECT(bh_endpoint_call(NO_SLOT, 0, &m), ERR_CAP);
    EXPECT(bh_endpoint_call(POOL, 0, &m), ERR_CAP);
    EXPECT(bh_endpoint_call(0xffffffff, 0, &m), ERR_CAP);
    /* Capabilities need the Grant right; sizes are judged. */
    m.info = INFO(1, 0, 0, 1);
    EXPECT(bh_endpoint_call(FIRST + 1, 0, &m), ERR_RIGHT);
    m.info = INFO(1, 0, 1025, 0);
    EXPECT(bh_endpoint_call(EP, 0, &m), ERR_ARG);
    m.info = INFO(1, 7, 0, 0);
    EXPECT(bh_endpoint_call(EP, 0, &m), ERR_ARG);
}

TEST(ipc, bytes_travel_with_the_message)
{
    struct bh_msg m = {.info = INFO(1, 0, 1000, 0)};

    start_adder(0);
    for (unsigned i = 0; i < 1000; i++)
        bh_ipcbuf->data[i] = (uint8_t)(i * 7);
    EXPECT(bh_endpoint_call(EP, BH_FOREVER, &m), OK);
    EXPECT(INFO_BYTES(m.info), 1000);
    const struct ipc_buffer *servers = kt_threads[0].ipcbuf;
    for (unsigned i = 0; i < 1000; i++)
        EXPECT(servers->data[i], (uint8_t)(i * 7));
}

TEST(ipc, server_that_ends_fails_its_callers)
{
    struct bh_msg m = {.info = INFO(1, 0, 0, 0)};

    start_adder(0);
    call_and_check(BH_FOREVER);
    EXPECT(bh_vcpu_suspend(FIRST), OK);
    EXPECT(bh_endpoint_call(EP, bh_after_ms(5), &m), ERR_TIME);
    EXPECT(bh_cspace_revoke(INIT_SLOT_CSPACE, POOL), OK);
    EXPECT(bh_endpoint_call(EP, BH_FOREVER, &m), ERR_CAP);
}
