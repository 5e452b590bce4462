/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_bh_slots.c - lib/bh: slots, and the capabilities that messages bring
 *
 * The IPC buffer is where it is in a service: a page mapped at IPCBUF_IPA.
 *
 * links: lib/bh/slots.c lib/bh/msg.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "bh.h"
#include "thread.h"

#define FIRST 100u
#define COUNT 300u

static struct {
    uint32_t deletes;
    slot_t deleted[64];
    enum status delete_status;
    struct bh_msg next; /* what arrives */
} fake;

void bh_main_only(void)
{
}

enum status bh_cspace_delete(slot_t cspace, uint32_t slot)
{
    assert_int_equal(cspace, SLOT_CSPACE);
    fake.deleted[fake.deletes++ % 64] = slot;
    return fake.delete_status;
}

enum status bh_endpoint_recv(slot_t endpoint, uint64_t deadline, struct bh_msg *m)
{
    (void)endpoint;
    (void)deadline;
    *m = fake.next;
    return OK;
}

enum status bh_endpoint_call(slot_t endpoint, uint64_t deadline, struct bh_msg *m)
{
    return bh_endpoint_recv(endpoint, deadline, m);
}

enum status bh_endpoint_reply_recv(slot_t endpoint, uint64_t deadline, struct bh_msg *m)
{
    return bh_endpoint_recv(endpoint, deadline, m);
}

enum status bh_endpoint_signal_reply_recv(slot_t endpoint, uint64_t deadline, slot_t notification,
                                          struct bh_msg *m)
{
    (void)notification;
    return bh_endpoint_recv(endpoint, deadline, m);
}

enum status bh_endpoint_reply(const struct bh_msg *m)
{
    (void)m;
    return OK;
}

enum status bh_endpoint_send(slot_t endpoint, uint64_t deadline, const struct bh_msg *m)
{
    (void)endpoint;
    (void)deadline;
    (void)m;
    return OK;
}

static int map_buffer(void **state)
{
    void *page = mmap((void *)(uintptr_t)IPCBUF_IPA, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    (void)state;
    return page == (void *)(uintptr_t)IPCBUF_IPA ? 0 : -1;
}

static int reset(void **state)
{
    slot_t none[IPC_CAPS_MAX];

    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(bh_ipcbuf, 0, sizeof(*bh_ipcbuf));
    bh_caps_take(none);
    bh_slots_init(FIRST, COUNT);
    return 0;
}

static void every_slot_is_given_once(void **state)
{
    static uint8_t given[COUNT];
    slot_t slot;

    (void)state;
    memset(given, 0, sizeof(given));
    for (unsigned i = 0; i < IPC_CAPS_MAX; i++)
        given[bh_ipcbuf->recv_slots[i]]++;
    while ((slot = bh_slot_alloc()) != 0) {
        assert_in_range(slot, FIRST, COUNT - 1);
        given[slot]++;
    }
    for (slot = FIRST; slot < COUNT; slot++)
        assert_int_equal(given[slot], 1);
    assert_int_equal(bh_slots_left(), 0);
    bh_slot_free(177);
    assert_int_equal(bh_slot_alloc(), 177);
}

static void a_row_is_consecutive_or_refused(void **state)
{
    uint32_t left = bh_slots_left();
    slot_t first = bh_slots_alloc(left - 10);
    slot_t second;

    (void)state;
    assert_int_not_equal(first, 0);
    assert_int_equal(bh_slots_alloc(11), 0);
    assert_int_equal(bh_slots_left(), 10);
    bh_slots_free(first + 20, 70); /* a hole across words of the bitmap */
    assert_int_equal(bh_slots_alloc(71), 0);
    second = bh_slots_alloc(70);
    assert_int_equal(second, first + 20);
    assert_int_equal(bh_slots_alloc(0), 0);
    assert_int_equal(bh_slots_alloc(UINT32_MAX), 0);
}

static void a_slot_that_cannot_be_emptied_is_not_given_again(void **state)
{
    slot_t slot = bh_slot_alloc();
    uint32_t left = bh_slots_left();

    (void)state;
    fake.delete_status = ERR_RIGHT;
    bh_slot_drop(slot);
    assert_int_equal(bh_slots_left(), left);
    fake.delete_status = OK;
    bh_slot_drop(slot);
    assert_int_equal(bh_slots_left(), left + 1);
    bh_slot_drop(0);
    assert_int_equal(fake.deletes, 2);
}

static void a_message_finds_empty_slots_again_and_again(void **state)
{
    uint32_t left = bh_slots_left();
    struct bh_msg m;
    slot_t mine[IPC_CAPS_MAX];

    (void)state;
    fake.next.info = INFO(1, 0, 0, 3);
    for (unsigned i = 0; i < 1000; i++) {
        slot_t named[3];

        memcpy(named, bh_ipcbuf->recv_slots, sizeof(named));
        assert_int_equal(bh_recv(SLOT_CONTROL, BH_FOREVER, &m), OK);
        for (unsigned j = 0; j < IPC_CAPS_MAX; j++)
            assert_int_not_equal(bh_ipcbuf->recv_slots[j], 0);
        assert_int_equal(bh_caps_take(mine), 3);
        assert_memory_equal(mine, named, sizeof(named));
        assert_int_equal(bh_caps_take(mine), 0);
        for (unsigned j = 0; j < 3; j++)
            bh_slot_drop(named[j]);
    }
    assert_int_equal(bh_slots_left(), left);
}

static void what_nobody_took_is_dropped(void **state)
{
    uint32_t left = bh_slots_left();
    struct bh_msg m;

    (void)state;
    fake.next.info = INFO(1, 0, 0, 4);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(bh_recv(SLOT_CONTROL, BH_FOREVER, &m), OK);
    assert_int_equal(bh_slots_left(), left - 4);
    fake.next.info = INFO_SIGNAL;
    assert_int_equal(bh_reply_recv(SLOT_CONTROL, BH_FOREVER, &m), OK);
    assert_int_equal(bh_slots_left(), left);
}

static void without_slots_nothing_is_taken(void **state)
{
    struct bh_msg m;
    slot_t mine[IPC_CAPS_MAX];

    (void)state;
    while (bh_slot_alloc())
        ;
    fake.next.info = INFO(1, 0, 0, 4);
    assert_int_equal(bh_recv(SLOT_CONTROL, BH_FOREVER, &m), OK);
    assert_int_equal(bh_caps_take(mine), 4);
    assert_int_equal(bh_ipcbuf->recv_slots[0], 0);
    assert_int_equal(bh_recv(SLOT_CONTROL, BH_FOREVER, &m), OK); /* the kernel would not have delivered any */
    assert_int_equal(bh_caps_take(mine), 0);
}

static void what_a_reply_carried_is_dropped_after_it(void **state)
{
    uint32_t left = bh_slots_left();
    slot_t slot = bh_slot_alloc();
    struct bh_msg m = {0};

    (void)state;
    bh_drop_after_reply(slot);
    assert_int_equal(fake.deletes, 0);
    assert_int_equal(bh_reply(&m), OK);
    assert_int_equal(fake.deletes, 1);
    assert_int_equal(fake.deleted[0], slot);
    assert_int_equal(bh_slots_left(), left);
    assert_int_equal(bh_reply(&m), OK);
    assert_int_equal(fake.deletes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_slot_is_given_once, reset),
        cmocka_unit_test_setup(a_row_is_consecutive_or_refused, reset),
        cmocka_unit_test_setup(a_slot_that_cannot_be_emptied_is_not_given_again, reset),
        cmocka_unit_test_setup(a_message_finds_empty_slots_again_and_again, reset),
        cmocka_unit_test_setup(what_nobody_took_is_dropped, reset),
        cmocka_unit_test_setup(without_slots_nothing_is_taken, reset),
        cmocka_unit_test_setup(what_a_reply_carried_is_dropped_after_it, reset),
    };

    return cmocka_run_group_tests(tests, map_buffer, NULL);
}
