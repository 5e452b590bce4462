/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_blkdrv.c - claims about the disk driver, from a vmm's ring to a device and back
 *
 * links: tests/unit/blkdrv_fake.c tests/unit/gpt_image.c lib/ring/blk_ring.c services/blkdrv/gpt.c
 * links: lib/bh/copies.c lib/bh/crc32.c services/blkdrv/disk.c services/blkdrv/device.c
 * links: services/blkdrv/queue.c services/blkdrv/io.c services/blkdrv/session.c services/blkdrv/persist.c
 * links: services/blkdrv/volumes.c lib/virtio/virtio_pci.c lib/virtio/virtio_pci_find.c lib/virtio/virtq.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "blkdrv_fake.h"

#define VM1 0x1000u
#define VM2 0x1100u
#define VM3 0x1200u
#define DEBIAN1 100u /* first sector */

static struct blkdrv drv;
static char error[160];

static void driver_start(void)
{
    memset(&drv, 0, sizeof(drv));
    disk_start(&drv.disk);
    volumes_read(&drv);
    session_recover(&drv);
}

static int set_up(void **state)
{
    (void)state;
    fake_reset();
    driver_start();
    memset(fake.order, 0, sizeof(fake.order)); /* without the reads of the partition table */
    fake.reads = 0;
    return 0;
}

static enum status open_volume(uint32_t session, const char *name, bool is_writable)
{
    const struct paid_from memory = {.block = FAKE_MEMORY, .ram = FAKE_MEMORY};

    error[0] = '\0';
    return session_open(&drv, session, name, is_writable, &memory, error, sizeof(error));
}

static struct client *attach(uint32_t session, struct blk_front *front)
{
    struct client *client = session_find(&drv, session);

    assert_non_null(client);
    assert_int_equal(session_attach(&drv, client, 0), OK);
    client->news = true;
    assert_int_equal(blk_front_init(front, client->back.ring), OK);
    return client;
}

static struct client *open_and_attach(uint32_t session, const char *name, bool is_writable,
                                      struct blk_front *front)
{
    assert_int_equal(open_volume(session, name, is_writable), OK);
    return attach(session, front);
}

static enum status put(struct blk_front *front, uint8_t op, uint64_t sector, uint32_t count, uint64_t tag)
{
    struct blk_request r = {.op = op, .sector = sector, .count = count};

    for (uint32_t i = 0; i < BLK_REQUEST_PAGES; i++)
        r.pages[i] = (uint8_t)i;
    return blk_ring_put_request(front, &r, tag);
}

/* What main.c does on events. */
static void driver_run(uint64_t events)
{
    if (events & EV_IRQ)
        disk_interrupt(&drv.disk);
    if (events & EV_FAULT)
        disk_check(&drv.disk);
    io_complete(&drv);
    io_pump_again(&drv);
}

static void settle(void)
{
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        io_pump(&drv, &drv.clients[i]);
    for (uint32_t i = 0; i < 50; i++) /* far more rounds than anything needs */
        driver_run(fake_device_run());
}

static void expect(struct blk_front *front, uint64_t tag, enum status status)
{
    enum status got;
    uint64_t got_tag;

    assert_true(blk_ring_take_completion(front, &got_tag, &got));
    assert_int_equal(got_tag, tag);
    assert_int_equal(got, status);
}

static void expect_none(struct blk_front *front)
{
    enum status status;
    uint64_t tag;

    assert_false(blk_ring_take_completion(front, &tag, &status));
}

static uint8_t *pool(const struct client *client, uint32_t page)
{
    return client_page(client, 1 + page);
}

/* ---- the device's start --------------------------------------------------------------------------- */

static void disk_and_its_volumes_are_found(void **state)
{
    (void)state;
    assert_int_equal(drv.disk.state, DISK_READY);
    assert_int_equal(drv.volume_count, 2);
    assert_string_equal(drv.volumes[0].name, "debian1");
    assert_int_equal(drv.volumes[0].first, DEBIAN1);
    assert_int_equal(drv.volumes[0].sectors, 1000);
}

static void device_whose_dma_bypasses_the_smmu_is_refused(void **state)
{
    (void)state;
    fake.features = VIRTIO_F_VERSION_1 | FEATURE_BLK_FLUSH;
    fake_restart();
    driver_start();
    assert_int_equal(drv.disk.state, DISK_NONE);
    assert_non_null(strstr(drv.disk.why, "SMMU"));
}

static void without_a_disk_there_are_ram_volumes_only(void **state)
{
    (void)state;
    fake.has_device = false;
    driver_start();
    assert_int_equal(open_volume(VM1, "debian1", true), ERR_EXIST);
    assert_non_null(strstr(error, "no disk"));
    assert_int_equal(open_volume(VM1, "ram:64K", true), OK);
}

static void device_that_resets_do_not_help_is_given_up(void **state)
{
    (void)state;
    fake.stuck = true;
    driver_start();
    assert_int_equal(drv.disk.state, DISK_NONE);
}

static void disk_without_answers_has_no_volumes_and_startup_ends(void **state)
{
    (void)state;
    fake.silent = true;
    fake_restart();
    driver_start();
    assert_int_equal(drv.volume_count, 0);
    assert_int_equal(drv.disk.in_flight, 0);
}

static void capabilities_that_lead_astray_are_refused(void **state)
{
    static const struct {
        uint32_t offset;
        uint8_t value;
    } damages[] = {
        {0x50 + 4, 1},     /* common in a BAR that we do not hold */
        {0x50 + 4, 7},     /* no such BAR */
        {0x50 + 8, 0x02},  /* misaligned */
        {0x50 + 11, 0xff}, /* beyond the BAR */
        {0x50 + 13, 0x00}, /* too short */
        {0x34, 0x00},      /* no list */
        {0x06, 0x00},      /* no list */
        {0x41, 0x40},      /* a loop */
        {0x8d, 0xfc},      /* goes on at the end of the page */
        {0x00, 0x00},      /* another vendor */
    };
    uint8_t *config = (uint8_t *)(uintptr_t)machine_pci_config();

    (void)state;
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        fake_reset();
        config[damages[i].offset] = damages[i].value;
        driver_start();
        if (damages[i].offset != 0x8d) /* that one comes after all that is needed */
            assert_int_equal(drv.disk.state, DISK_NONE);
    }
}

/* ---- sessions ------------------------------------------------------------------------------------- */

static void two_writers_of_one_volume_are_refused(void **state)
{
    (void)state;
    assert_int_equal(open_volume(VM1, "debian1", true), OK);
    assert_int_equal(open_volume(VM2, "debian1", true), ERR_STATE);
    assert_non_null(strstr(error, "volume debian1 is in use for writing by VM 16"));
    assert_int_equal(open_volume(VM2, "debian1", false), ERR_STATE);
    assert_int_equal(open_volume(VM2, "debian2", true), OK);
}

static void readers_share_a_volume_and_keep_writers_out(void **state)
{
    (void)state;
    assert_int_equal(open_volume(VM1, "debian1", false), OK);
    assert_int_equal(open_volume(VM2, "debian1", false), OK);
    assert_int_equal(open_volume(VM3, "debian1", true), ERR_STATE);
    assert_non_null(strstr(error, "in use for reading"));
}

static void missing_volume_is_named_with_what_there_is(void **state)
{
    (void)state;
    assert_int_equal(open_volume(VM1, "debian9", true), ERR_EXIST);
    assert_string_equal(error, "no volume debian9; the disk has debian1, debian2");
}

static void read_only_disk_has_no_writers(void **state)
{
    (void)state;
    fake.features |= FEATURE_BLK_RO;
    fake_restart();
    driver_start();
    assert_int_equal(open_volume(VM1, "debian1", true), ERR_RIGHT);
    assert_int_equal(open_volume(VM1, "debian1", false), OK);
}

static void session_is_opened_once_and_closed_once(void **state)
{
    (void)state;
    assert_int_equal(open_volume(VM1, "debian1", true), OK);
    assert_int_equal(open_volume(VM1, "debian2", true), ERR_STATE);
    assert_int_equal(session_close(&drv, VM1, error, sizeof(error)), OK);
    assert_null(session_find(&drv, VM1));
    assert_int_equal(session_close(&drv, VM1, error, sizeof(error)), ERR_EXIST);
    assert_int_equal(open_volume(BADGE_TOOLSTACK, "debian1", true), ERR_ARG);
}

static void places_run_out_and_come_back(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        assert_int_equal(open_volume(VM1 + (i << 8), "debian1", false), OK);
    assert_int_equal(open_volume(VM1 + (CLIENTS_MAX << 8), "debian1", false), ERR_FULL);
    fake.block_exists[session_find(&drv, VM3)->block] = false; /* it ends: mem takes its memory back, too */
    assert_int_equal(session_close(&drv, VM3, error, sizeof(error)), OK);
    assert_int_equal(open_volume(VM1 + (CLIENTS_MAX << 8), "debian1", false), OK);
}

static void new_session_sees_nothing_of_the_last_one(void **state)
{
    struct blk_front front;
    struct client *client;

    (void)state;
    client = open_and_attach(VM1, "debian1", true, &front);
    memset(pool(client, 0), 0x77, BLK_PAGE_BYTES);
    assert_int_equal(session_close(&drv, VM1, error, sizeof(error)), OK);
    client = open_and_attach(VM2, "debian2", true, &front);
    assert_int_equal(pool(client, 0)[0], 0);
    assert_int_equal(front.put, 0);
}

/* ---- requests ------------------------------------------------------------------------------------- */

static void writes_land_in_the_partition_and_are_read_back(void **state)
{
    struct blk_front front;
    struct client *client = open_and_attach(VM1, "debian1", true, &front);

    (void)state;
    for (uint32_t i = 0; i < BLK_REQUEST_PAGES; i++)
        memset(pool(client, i), (int)(0x40 + i), BLK_PAGE_BYTES);
    assert_int_equal(put(&front, BLK_WRITE, 10, BLK_MAX_SECTORS, 1), OK);
    settle();
    expect(&front, 1, OK);
    for (uint32_t s = 0; s < BLK_MAX_SECTORS; s++)
        assert_int_equal(fake.disk[(DEBIAN1 + 10 + s) * 512], 0x40 + s / 8);
    assert_int_equal(fake.disk[(DEBIAN1 + 9) * 512], 0);
    assert_int_equal(fake.disk[(DEBIAN1 + 10 + BLK_MAX_SECTORS) * 512], 0);

    memset(pool(client, 0), 0, BLK_REQUEST_PAGES * BLK_PAGE_BYTES);
    assert_int_equal(put(&front, BLK_READ, 11, 9, 2), OK); /* ends in the second page */
    settle();
    expect(&front, 2, OK);
    assert_int_equal(pool(client, 0)[0], 0x40);
    assert_int_equal(pool(client, 0)[7 * 512], 0x41);
    assert_int_equal(pool(client, 1)[0], 0x41);
    assert_int_equal(pool(client, 1)[512], 0);
    assert_true(fake.signals[client_number(&drv, client)] >= 2);
    assert_int_equal(fake.fault.count, 0);
}

static void scattered_pages_are_filled_in_order(void **state)
{
    struct blk_front front;
    struct client *client = open_and_attach(VM1, "debian1", true, &front);
    struct blk_request r = {.op = BLK_READ, .sector = 0, .count = 24, .pages = {9, 3, 4}};

    (void)state;
    for (uint32_t s = 0; s < 24; s++)
        memset(fake.disk + (DEBIAN1 + s) * 512, (int)(1 + s), 512);
    assert_int_equal(blk_ring_put_request(&front, &r, 5), OK);
    settle();
    expect(&front, 5, OK);
    assert_int_equal(pool(client, 9)[0], 1);
    assert_int_equal(pool(client, 3)[0], 9);
    assert_int_equal(pool(client, 4)[4095], 24);
    assert_int_equal(pool(client, 0)[0], 0);
}

static void write_beyond_the_partition_never_reaches_the_device(void **state)
{
    struct blk_front front;

    (void)state;
    (void)open_and_attach(VM1, "debian1", true, &front);
    assert_int_equal(put(&front, BLK_WRITE, 993, 8, 1), OK);
    assert_int_equal(put(&front, BLK_WRITE, UINT64_MAX - 99, 8, 2),
                     OK); /* would wrap to sector 0 of the disk */
    settle();
    expect(&front, 1, ERR_ARG);
    expect(&front, 2, ERR_ARG);
    assert_int_equal(fake.writes, 0);
}

static void reader_cannot_write(void **state)
{
    struct blk_front front;

    (void)state;
    (void)open_and_attach(VM1, "debian1", false, &front);
    assert_int_equal(put(&front, BLK_WRITE, 0, 8, 1), OK);
    settle();
    expect(&front, 1, ERR_ARG);
    assert_int_equal(fake.writes, 0);
}

static void fua_is_a_write_and_then_a_flush(void **state)
{
    struct blk_front front;

    (void)state;
    (void)open_and_attach(VM1, "debian1", true, &front);
    assert_int_equal(put(&front, BLK_WRITE_FUA, 0, 8, 1), OK);
    io_pump(&drv, &drv.clients[0]);
    driver_run(fake_device_run());
    expect_none(&front); /* the write is done, but not yet stable */
    driver_run(fake_device_run());
    expect(&front, 1, OK);
    assert_string_equal(fake.order, "wf");
}

static void failed_fua_write_is_not_flushed_away(void **state)
{
    struct blk_front front;

    (void)state;
    (void)open_and_attach(VM1, "debian1", true, &front);
    fake.fails = true;
    assert_int_equal(put(&front, BLK_WRITE_FUA, 0, 8, 1), OK);
    settle();
    expect(&front, 1, ERR_IO);
    assert_string_equal(fake.order, "w");
}

static void flush_reaches_the_device(void **state)
{
    struct blk_front front;

    (void)state;
    (void)open_and_attach(VM1, "debian1", true, &front);
    assert_int_equal(put(&front, BLK_WRITE, 0, 8, 1), OK);
    settle();
    expect(&front, 1, OK);
    assert_int_equal(put(&front, BLK_FLUSH, 0, 0, 2), OK);
    settle();
    expect(&front, 2, OK);
    assert_string_equal(fake.order, "wf");
}

static void device_without_a_cache_needs_no_flush(void **state)
{
    struct blk_front front;

    (void)state;
    fake.features &= ~FEATURE_BLK_FLUSH;
    fake_restart();
    driver_start();
    (void)open_and_attach(VM1, "debian1", true, &front);
    assert_int_equal(put(&front, BLK_FLUSH, 0, 0, 1), OK);
    assert_int_equal(put(&front, BLK_WRITE_FUA, 0, 8, 2), OK);
    settle();
    expect(&front, 1, OK);
    expect(&front, 2, OK);
    assert_int_equal(fake.flushes, 0);
}

static void device_error_reaches_the_client(void **state)
{
    struct blk_front front;
    struct client *client = open_and_attach(VM1, "debian1", true, &front);

    (void)state;
    fake.fails = true;
    assert_int_equal(put(&front, BLK_READ, 0, 8, 1), OK);
    settle();
    expect(&front, 1, ERR_IO);
    assert_int_equal(client->errors, 1);
    fake.fails = false;
    assert_int_equal(put(&front, BLK_READ, 0, 8, 2), OK);
    settle();
    expect(&front, 2, OK);
    assert_int_equal(drv.disk.resets, 0);
}

/* More than the device holds at once: everything is answered in the end, exactly once. */
static void requests_beyond_the_devices_room_wait_their_turn(void **state)
{
    static struct blk_front fronts[CLIENTS_MAX];
    uint32_t answered = 0;

    (void)state;
    for (uint32_t c = 0; c < CLIENTS_MAX; c++) {
        (void)open_and_attach(VM1 + (c << 8), "debian1", false, &fronts[c]);
        for (uint64_t i = 0; i < BLK_RING_SLOTS; i++)
            assert_int_equal(put(&fronts[c], BLK_READ, i, 8, i), OK);
    }
    fake.holds = true;
    settle();
    assert_true(drv.starved != 0);
    assert_int_equal(drv.again, 0); /* nobody polls for room */
    assert_true(drv.disk.queue.free_count < DISK_DESCS_MAX || drv.disk.in_flight == DISK_OPS);
    fake.holds = false;
    settle();
    for (uint32_t c = 0; c < CLIENTS_MAX; c++)
        for (uint64_t i = 0; i < BLK_RING_SLOTS; i++, answered++)
            expect(&fronts[c], i, OK);
    assert_int_equal(fake.reads, answered);
    assert_int_equal(drv.disk.in_flight, 0);
    assert_int_equal(drv.disk.queue.free_count, drv.disk.queue.size);
}

static void broken_ring_stops_its_session_only(void **state)
{
    struct blk_front bad, good;
    struct client *client = open_and_attach(VM1, "debian1", true, &bad);

    (void)state;
    (void)open_and_attach(VM2, "debian2", true, &good);
    client->back.ring->put = 5000;
    assert_int_equal(put(&good, BLK_READ, 0, 8, 1), OK);
    settle();
    expect(&good, 1, OK);
    assert_true(client->back.broken);
    assert_int_equal(drv.again, 0);
}

/* ---- what goes wrong ------------------------------------------------------------------------------ */

static void blocked_dma_is_an_error_for_its_client_only(void **state)
{
    struct blk_front bad, good;

    (void)state;
    fake.test_hooks = true;
    (void)open_and_attach(VM1, "fault-dma", true, &bad);
    (void)open_and_attach(VM2, "debian1", true, &good);
    memset(pool(session_find(&drv, VM2), 0), 0x5a, BLK_PAGE_BYTES);
    assert_int_equal(put(&bad, BLK_WRITE, 0, 8, 1), OK);
    assert_int_equal(put(&good, BLK_WRITE, 0, 8, 2), OK);
    settle();
    expect(&bad, 1, ERR_IO);
    expect(&good, 2, OK);
    assert_int_equal(fake.disk[DEBIAN1 * 512], 0x5a);
    assert_int_equal(fake.fault.count, 1);
    assert_int_equal(fake.fault.address, 0x40200000);
    assert_true(drv.disk.resets >= 1);

    assert_int_equal(put(&good, BLK_READ, 0, 8, 3), OK); /* life goes on */
    settle();
    expect(&good, 3, OK);
}

/* QEMU's virtio-blk copies through a buffer of its own, and does not look whether that worked. */
static void blocked_dma_that_the_device_calls_done_is_an_error_all_the_same(void **state)
{
    struct blk_front bad, good;

    (void)state;
    fake.test_hooks = true;
    fake.hides = true;
    (void)open_and_attach(VM1, "fault-dma", true, &bad);
    (void)open_and_attach(VM2, "debian1", true, &good);
    uint32_t logs = fake.logs;

    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(put(&bad, BLK_READ, 0, 8, i), OK);
        assert_int_equal(put(&good, BLK_READ, 0, 8, i), OK);
        settle();
        expect(&bad, i, ERR_IO);
        expect(&good, i, OK);
    }
    assert_int_equal(fake.logs, logs + 1); /* all in the same second */
}

/* A client that breaks the device again and again, and always has the next such request ready. */
static void client_that_never_stops_breaking_the_device_costs_others_no_errors(void **state)
{
    struct blk_front bad, good;
    enum status status;
    uint64_t tag, tried = 0, failed = 0, done = 0;

    (void)state;
    fake.test_hooks = true;
    (void)open_and_attach(VM1, "fault-dma", true, &bad);
    (void)open_and_attach(VM2, "debian1", true, &good);

    for (uint32_t round = 0; round < 200; round++) {
        while (tried < failed + 3)
            assert_int_equal(put(&bad, BLK_READ, 0, 8, tried++), OK);
        if (round % 8 == 0)
            for (uint32_t i = 0; i < 3; i++)
                assert_int_equal(put(&good, BLK_WRITE_FUA, 8 * i, 8, i), OK);
        io_pump(&drv, &drv.clients[0]);
        io_pump(&drv, &drv.clients[1]);
        driver_run(fake_device_run());
        while (blk_ring_take_completion(&bad, &tag, &status)) {
            assert_int_equal(status, ERR_IO);
            failed++;
        }
        while (blk_ring_take_completion(&good, &tag, &status)) {
            assert_int_equal(status, OK);
            done++;
        }
    }
    assert_true(failed > 50);
    assert_int_equal(done, 200 / 8 * 3);
    settle();
    assert_int_equal(drv.disk.suspects, 0);
    assert_int_equal(drv.disk.in_flight, 0);
}

static void fault_volume_does_not_exist_without_test_hooks(void **state)
{
    (void)state;
    assert_int_equal(open_volume(VM1, "fault-dma", true), ERR_EXIST);
}

static void silent_device_means_errors_not_silence(void **state)
{
    struct blk_front front;

    (void)state;
    (void)open_and_attach(VM1, "debian1", true, &front);
    fake.silent = true;
    assert_int_equal(put(&front, BLK_READ, 0, 8, 1), OK);
    settle();
    fake.now += DISK_PATIENCE_MS - 1;
    disk_check_age(&drv.disk);
    settle();
    expect_none(&front);
    fake.now += 2;
    disk_check_age(&drv.disk);
    settle();
    expect(&front, 1, ERR_IO);
    fake.silent = false;
    assert_int_equal(put(&front, BLK_READ, 0, 8, 2), OK);
    settle();
    expect(&front, 2, OK);
}

static void dead_device_fails_everything_at_once(void **state)
{
    struct blk_front front;

    (void)state;
    (void)open_and_attach(VM1, "debian1", true, &front);
    fake.silent = true;
    assert_int_equal(put(&front, BLK_READ, 0, 8, 1), OK);
    settle();
    fake.stuck = true;
    fake.now += DISK_PATIENCE_MS + 1;
    disk_check_age(&drv.disk);
    settle();
    expect(&front, 1, ERR_IO);
    assert_int_equal(drv.disk.state, DISK_DEAD);
    assert_int_equal(put(&front, BLK_FLUSH, 0, 0, 2), OK);
    settle();
    expect(&front, 2, ERR_IO);
    assert_int_equal(drv.disk.in_flight, 0);
}

static void nonsense_in_the_used_ring_leads_to_a_reset(void **state)
{
    struct blk_front front;

    (void)state;
    (void)open_and_attach(VM1, "debian1", true, &front);
    fake.lies = true;
    assert_int_equal(put(&front, BLK_READ, 0, 8, 1), OK);
    io_pump(&drv, &drv.clients[0]);
    driver_run(fake_device_run());
    assert_int_equal(drv.disk.resets, 1);
    expect_none(&front);
    fake.lies = false;
    settle();
    expect(&front, 1, OK); /* went in again */

    fake.lies = true;
    assert_int_equal(put(&front, BLK_READ, 0, 8, 2), OK);
    settle();
    expect(&front, 2, ERR_IO); /* not for ever */
}

/* ---- closing -------------------------------------------------------------------------------------- */

static void close_keeps_place_and_memory_while_the_device_has_requests(void **state)
{
    struct blk_front front, next;
    struct client *client = open_and_attach(VM1, "debian1", true, &front);

    (void)state;
    fake.holds = true;
    assert_int_equal(put(&front, BLK_WRITE, 0, 8, 1), OK);
    settle();
    assert_int_equal(session_close(&drv, VM1, error, sizeof(error)), ERR_STATE);
    assert_string_equal(error, "1 requests of session 0x1000 are still in the device");
    assert_int_equal(client->state, CLIENT_CLOSING);
    assert_int_equal(session_close(&drv, VM1, error, sizeof(error)), ERR_STATE);
    assert_int_equal(open_volume(VM1, "debian2", true), ERR_STATE); /* it has that memory still */

    /* The next writer gets another place, and waits for the last write of the one before. */
    assert_true(open_and_attach(VM2, "debian1", true, &next) != client);
    assert_int_equal(put(&next, BLK_READ, 0, 8, 2), OK);
    settle();
    assert_int_equal(drv.disk.in_flight, 1);
    fake.holds = false;
    settle();
    assert_int_equal(client->state, CLIENT_FREE);
    assert_int_equal(session_close(&drv, VM1, error, sizeof(error)), ERR_EXIST);
    expect(&next, 2, OK);
    assert_string_equal(fake.order, "wr");
}

/* ---- restart -------------------------------------------------------------------------------------- */

static void restart_goes_on_where_it_was(void **state)
{
    struct blk_front front;
    struct client *client = open_and_attach(VM1, "debian1", true, &front);

    (void)state;
    assert_int_equal(open_volume(VM2, "debian2", false), OK);
    memset(pool(client, 0), 0x33, BLK_PAGE_BYTES);
    assert_int_equal(put(&front, BLK_WRITE, 0, 8, 1), OK);
    settle();
    expect(&front, 1, OK);
    fake.holds = true;
    memset(pool(client, 0), 0x44, BLK_PAGE_BYTES);
    assert_int_equal(put(&front, BLK_WRITE, 8, 8, 2), OK);
    settle();
    fake.holds = false;
    fake.writes = 0;

    fake_restart();
    driver_start();
    assert_int_equal(fake.fetched, 2); /* the blocks from before */
    assert_true(blk_front_restarted(&front));
    settle();
    expect(&front, 2, OK);
    assert_int_equal(fake.writes, 1); /* the first was not written again */
    assert_int_equal(fake.disk[(DEBIAN1 + 8) * 512], 0x44);

    assert_int_equal(session_find(&drv, VM1)->limits.writable, true);
    assert_int_equal(session_find(&drv, VM2)->limits.writable, false);
    assert_int_equal(open_volume(VM3, "debian1", true), ERR_STATE);
}

static void completions_from_before_are_signalled_without_an_attach(void **state)
{
    struct blk_front front;

    (void)state;
    (void)open_and_attach(VM1, "debian1", true, &front);
    assert_int_equal(put(&front, BLK_READ, 0, 8, 1), OK);
    fake_restart();
    driver_start();
    memset(fake.signals, 0, sizeof(fake.signals));
    settle();
    assert_true(fake.signals[client_number(&drv, session_find(&drv, VM1))] > 0);
}

static void damaged_persistent_copy_leaves_the_one_before(void **state)
{
    (void)state;
    assert_int_equal(open_volume(VM1, "debian1", true), OK);
    assert_int_equal(open_volume(VM2, "debian2", true), OK);
    fake.persistent[(drv.copies.sequence % 2) * 4096 + 100] ^= 1; /* died while writing the last one */
    driver_start();
    assert_non_null(session_find(&drv, VM1));
    assert_null(session_find(&drv, VM2));
}

static void garbage_in_the_persistent_page_is_a_first_start(void **state)
{
    (void)state;
    assert_int_equal(open_volume(VM1, "debian1", true), OK);
    memset(fake.persistent, 0xa5, sizeof(fake.persistent));
    driver_start();
    assert_null(session_find(&drv, VM1));
    assert_int_equal(open_volume(VM1, "debian1", true), OK);
}

static void volume_that_is_gone_fails_instead_of_hanging(void **state)
{
    struct blk_front front;

    (void)state;
    (void)open_and_attach(VM1, "ram:64K", true, &front);
    assert_int_equal(put(&front, BLK_READ, 0, 8, 1), OK);
    fake_restart();
    memset(fake.ram_mapped, 0, sizeof(fake.ram_mapped)); /* mem took it back */
    driver_start();
    settle();
    expect(&front, 1, ERR_IO);
    assert_int_equal(put(&front, BLK_READ, 0, 8, 2), OK);
    settle();
    expect(&front, 2, ERR_IO);
}

static void session_whose_buffers_are_gone_ends_with_a_restart(void **state)
{
    (void)state;
    assert_int_equal(open_volume(VM1, "debian1", true), OK);
    fake_restart();
    memset(fake.block_exists, 0, sizeof(fake.block_exists));
    driver_start();
    assert_null(session_find(&drv, VM1));
    assert_int_equal(open_volume(VM1, "debian1", true), OK);
}

static void disks_of_a_vm_share_a_block_and_those_of_others_do_not(void **state)
{
    const struct client *a, *b, *c;

    (void)state;
    assert_int_equal(open_volume(VM1, "debian1", false), OK);
    assert_int_equal(open_volume(VM1 + 5, "debian2", false), OK);
    assert_int_equal(open_volume(VM2, "debian1", false), OK);
    assert_int_equal(fake.fetched, 2);
    a = session_find(&drv, VM1);
    b = session_find(&drv, VM1 + 5);
    c = session_find(&drv, VM2);
    assert_int_equal(a->block, b->block);
    assert_int_not_equal(a->block, c->block);
    assert_ptr_equal(b->memory, a->memory + 5 * BLK_DISK_BYTES);
    assert_int_equal(open_volume(VM1 + 8, "debian1", false), ERR_ARG);
}

static void vms_block_stays_while_its_drives_are_empty(void **state)
{
    struct blk_front front;
    struct client *client = open_and_attach(VM1, "debian1", true, &front);
    uint32_t block = client->block;

    (void)state;
    assert_int_equal(session_close(&drv, VM1, error, sizeof(error)), OK);
    assert_true(blk_front_restarted(&front)); /* its vmm sees that it has to ask */
    assert_int_equal(open_volume(VM2, "debian1", true), OK);
    assert_int_not_equal(session_find(&drv, VM2)->block, block);
    fake_restart();
    driver_start();
    assert_int_equal(open_volume(VM1, "debian2", true), OK);
    assert_int_equal(session_find(&drv, VM1)->block, block);
    assert_int_equal(fake.fetched, 2);
    /* mem took it back with the VM: the next one of that number has another. */
    assert_int_equal(session_close(&drv, VM1, error, sizeof(error)), OK);
    fake.block_exists[block] = false;
    assert_int_equal(open_volume(VM1, "debian2", true), OK);
    assert_int_equal(fake.fetched, 3);
}

/* It dies when it has fetched a block and nobody has heard of the session yet. */
static void block_is_its_vms_whenever_the_driver_dies(void **state)
{
    uint32_t block;

    (void)state;
    assert_int_equal(open_volume(VM1, "debian1", true), OK);
    block = session_find(&drv, VM1)->block;
    assert_int_equal(session_close(&drv, VM1, error, sizeof(error)), OK);
    fake.block_exists[block] = false; /* VM1 ends */
    fake.dies_after_fetch = true;
    if (setjmp(fake.death) == 0)
        (void)open_volume(VM2, "debian1", true);
    fake.dies_after_fetch = false;
    fake_restart();
    driver_start();
    assert_int_equal(open_volume(VM1, "debian1", true), OK);
    assert_int_not_equal(session_find(&drv, VM1)->block, block);
    assert_int_equal(open_volume(VM2, "debian2", true), OK);
    assert_int_equal(session_find(&drv, VM2)->block, block); /* what it paid for */
    assert_int_equal(fake.fetched, 3);
}

/* The vmm has not heard yet that another volume is in its drive: what it asks of the old one must not be done
 * with the new one. */
static void ring_begins_only_when_its_vmm_uses_no_other(void **state)
{
    struct blk_front front, next;
    uint32_t serial = open_and_attach(VM1, "debian1", true, &front)->serial;
    struct client *client;

    (void)state;
    assert_int_equal(session_close(&drv, VM1, error, sizeof(error)), OK);
    assert_int_equal(open_volume(VM1, "debian2", true), OK);
    client = session_find(&drv, VM1);
    assert_int_not_equal(client->serial, serial);
    assert_int_equal(put(&front, BLK_WRITE, 0, 8, 1), OK);
    settle();
    expect_none(&front);
    assert_int_equal(session_attach(&drv, client, serial), ERR_EXIST);
    settle();
    fake_restart();
    driver_start(); /* nor after a restart */
    settle();
    assert_int_equal(fake.writes, 0);
    client = attach(VM1, &next);
    assert_int_equal(put(&next, BLK_WRITE, 0, 8, 2), OK);
    settle();
    expect(&next, 2, OK);
    assert_int_equal(fake.writes, 1);
    assert_int_equal(session_attach(&drv, client, client->serial), OK); /* again: it goes on */
    assert_int_equal(put(&next, BLK_READ, 0, 8, 3), OK);
    settle();
    expect(&next, 3, OK);
}

static void session_without_buffers_is_refused_and_nothing_stays(void **state)
{
    const struct paid_from none = {0};

    (void)state;
    assert_int_equal(session_open(&drv, VM1, "debian1", true, &none, error, sizeof(error)), ERR_CAP);
    assert_string_equal(error, "the buffers of session 0x1000: no session");
    assert_null(session_find(&drv, VM1));
    assert_int_equal(open_volume(VM1, "debian1", true), OK);
}

/* ---- memory volumes ------------------------------------------------------------------------------- */

static void ram_volume_starts_zero_and_keeps_what_was_written(void **state)
{
    struct blk_front front;
    struct client *client = open_and_attach(VM1, "ram:64K", true, &front);

    (void)state;
    assert_int_equal(client->limits.sectors, 128);
    memset(pool(client, 0), 0xff, BLK_PAGE_BYTES);
    assert_int_equal(put(&front, BLK_READ, 120, 8, 1), OK);
    settle();
    expect(&front, 1, OK);
    assert_int_equal(pool(client, 0)[0], 0);
    memset(pool(client, 0), 0x11, BLK_PAGE_BYTES);
    assert_int_equal(put(&front, BLK_WRITE_FUA, 120, 8, 2), OK);
    assert_int_equal(put(&front, BLK_READ, 121, 8, 3), OK); /* one sector too far */
    settle();
    expect(&front, 2, OK);
    expect(&front, 3, ERR_ARG);
    assert_int_equal(volume_ram(&client->volume)[120 * 512], 0x11);
    assert_int_equal(fake.writes, 0); /* no device in it */
    assert_false(fake.block_shared[client->block]);
}

static uint32_t chunks_mapped(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < FAKE_RAM_CHUNKS; i++)
        count += fake.ram_mapped[i];
    return count;
}

static void ram_volumes_do_not_overlap_and_give_back_their_memory(void **state)
{
    const struct client *a, *b, *c;

    (void)state;
    assert_int_equal(open_volume(VM1, "ram:2052K", true), OK); /* a page more than a chunk: two chunks */
    assert_int_equal(chunks_mapped(), 2);
    assert_int_equal(open_volume(VM2, "ram:64K", true), OK);
    a = session_find(&drv, VM1);
    b = session_find(&drv, VM2);
    assert_int_equal(a->limits.sectors, 4104);
    assert_ptr_equal(volume_ram(&b->volume), volume_ram(&a->volume) + 2 * RAM_VOLUME_CHUNK);
    assert_int_equal(session_close(&drv, VM1, error, sizeof(error)), OK);
    assert_int_equal(chunks_mapped(), 1);
    assert_int_equal(open_volume(VM3, "ram:32K", true), OK);
    c = session_find(&drv, VM3);
    assert_int_equal(c->volume.first, 0);
    assert_int_equal(session_close(&drv, VM2, error, sizeof(error)), OK);
    assert_int_equal(session_close(&drv, VM3, error, sizeof(error)), OK);
    assert_int_equal(chunks_mapped(), 0);
    assert_false(fake.ram_wrong);
}

static void ram_volume_without_memory_is_refused_and_nothing_stays(void **state)
{
    const struct paid_from no_ram = {.block = FAKE_MEMORY};

    (void)state;
    assert_int_equal(session_open(&drv, VM1, "ram:64K", true, &no_ram, error, sizeof(error)), ERR_ARG);
    assert_non_null(strstr(error, "the session at mem"));
    fake.ram_refused = true;
    assert_int_equal(open_volume(VM1, "ram:2M", true), ERR_MEM);
    assert_string_equal(error, "ram:2M: disk 0 of VM 16 asked for too much");
    assert_null(session_find(&drv, VM1));
    assert_int_equal(chunks_mapped(), 0);
    fake.ram_refused = false;
    assert_int_equal(open_volume(VM1, "ram:8M", true), OK);
    assert_false(fake.ram_wrong);
}

static void ram_volume_beyond_the_addresses_says_the_limit(void **state)
{
    (void)state;
    assert_int_equal(open_volume(VM1, "ram:1026M", true), ERR_MEM);
    assert_string_equal(error, "ram:1026M is too big: blkdrv has addresses for 1024 MiB of memory in all");
    assert_int_equal(open_volume(VM1, "ram:2M", true), OK);
    assert_int_equal(open_volume(VM2, "ram:1G", true), ERR_MEM);
    assert_non_null(strstr(error, "addresses"));
}

static void ram_volume_keeps_its_contents_over_a_restart(void **state)
{
    struct blk_front front;
    struct client *client;

    (void)state;
    assert_int_equal(open_volume(VM2, "ram:2M", true), OK); /* so that the other one is not at 0 */
    client = open_and_attach(VM1, "ram:4M", true, &front);
    memset(pool(client, 0), 0x5a, BLK_PAGE_BYTES);
    assert_int_equal(put(&front, BLK_WRITE, 4096, 8, 1), OK);
    settle();
    expect(&front, 1, OK);
    fake_restart();
    driver_start();
    client = session_find(&drv, VM1);
    assert_int_equal(client->limits.sectors, 8192);
    memset(pool(client, 0), 0, BLK_PAGE_BYTES);
    assert_int_equal(put(&front, BLK_READ, 4096, 8, 2), OK);
    settle();
    expect(&front, 2, OK);
    assert_int_equal(pool(client, 0)[0], 0x5a);
    assert_int_equal(chunks_mapped(), 3);
    assert_int_equal(session_close(&drv, VM1, error, sizeof(error)), OK);
    assert_int_equal(chunks_mapped(), 1);
}

/* It died between fetching the memory and writing down the session. */
static void memory_of_no_volume_is_let_go_of_after_a_restart(void **state)
{
    (void)state;
    assert_int_equal(open_volume(VM1, "ram:2M", true), OK);
    fake.ram_mapped[2] = true;
    fake_restart();
    driver_start();
    assert_true(fake.ram_mapped[0]);
    assert_int_equal(chunks_mapped(), 1);
}

/* Closing the session touches nothing that is not there. */
static void ram_volume_lost_in_a_restart_is_closed_without_a_trace(void **state)
{
    (void)state;
    assert_int_equal(open_volume(VM1, "ram:4M", true), OK);
    fake_restart();
    fake.ram_mapped[1] = false;
    driver_start();
    assert_int_equal(session_find(&drv, VM1)->volume.kind, VOLUME_LOST);
    assert_int_equal(session_close(&drv, VM1, error, sizeof(error)), OK);
    assert_int_equal(open_volume(VM1, "ram:8M", true), OK);
    assert_false(fake.ram_wrong);
}

static void ram_sizes_are_judged(void **state)
{
    static const char *const bad[] = {"ram:",    "ram:0K",  "ram:1",   "ram:64",          "ram:2K",
                                      "ram:64k", "ram:-1M", "ram:1MB", "ram:99999999999G"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(open_volume(VM1, bad[i], true), ERR_ARG);
    assert_int_equal(open_volume(VM1, "ram:9999999999G", true), ERR_MEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(disk_and_its_volumes_are_found, set_up),
        cmocka_unit_test_setup(device_whose_dma_bypasses_the_smmu_is_refused, set_up),
        cmocka_unit_test_setup(without_a_disk_there_are_ram_volumes_only, set_up),
        cmocka_unit_test_setup(device_that_resets_do_not_help_is_given_up, set_up),
        cmocka_unit_test_setup(disk_without_answers_has_no_volumes_and_startup_ends, set_up),
        cmocka_unit_test_setup(capabilities_that_lead_astray_are_refused, set_up),
        cmocka_unit_test_setup(two_writers_of_one_volume_are_refused, set_up),
        cmocka_unit_test_setup(readers_share_a_volume_and_keep_writers_out, set_up),
        cmocka_unit_test_setup(missing_volume_is_named_with_what_there_is, set_up),
        cmocka_unit_test_setup(read_only_disk_has_no_writers, set_up),
        cmocka_unit_test_setup(session_is_opened_once_and_closed_once, set_up),
        cmocka_unit_test_setup(places_run_out_and_come_back, set_up),
        cmocka_unit_test_setup(new_session_sees_nothing_of_the_last_one, set_up),
        cmocka_unit_test_setup(writes_land_in_the_partition_and_are_read_back, set_up),
        cmocka_unit_test_setup(scattered_pages_are_filled_in_order, set_up),
        cmocka_unit_test_setup(write_beyond_the_partition_never_reaches_the_device, set_up),
        cmocka_unit_test_setup(reader_cannot_write, set_up),
        cmocka_unit_test_setup(fua_is_a_write_and_then_a_flush, set_up),
        cmocka_unit_test_setup(failed_fua_write_is_not_flushed_away, set_up),
        cmocka_unit_test_setup(flush_reaches_the_device, set_up),
        cmocka_unit_test_setup(device_without_a_cache_needs_no_flush, set_up),
        cmocka_unit_test_setup(device_error_reaches_the_client, set_up),
        cmocka_unit_test_setup(requests_beyond_the_devices_room_wait_their_turn, set_up),
        cmocka_unit_test_setup(broken_ring_stops_its_session_only, set_up),
        cmocka_unit_test_setup(blocked_dma_is_an_error_for_its_client_only, set_up),
        cmocka_unit_test_setup(blocked_dma_that_the_device_calls_done_is_an_error_all_the_same, set_up),
        cmocka_unit_test_setup(client_that_never_stops_breaking_the_device_costs_others_no_errors, set_up),
        cmocka_unit_test_setup(fault_volume_does_not_exist_without_test_hooks, set_up),
        cmocka_unit_test_setup(silent_device_means_errors_not_silence, set_up),
        cmocka_unit_test_setup(dead_device_fails_everything_at_once, set_up),
        cmocka_unit_test_setup(nonsense_in_the_used_ring_leads_to_a_reset, set_up),
        cmocka_unit_test_setup(close_keeps_place_and_memory_while_the_device_has_requests, set_up),
        cmocka_unit_test_setup(restart_goes_on_where_it_was, set_up),
        cmocka_unit_test_setup(completions_from_before_are_signalled_without_an_attach, set_up),
        cmocka_unit_test_setup(damaged_persistent_copy_leaves_the_one_before, set_up),
        cmocka_unit_test_setup(garbage_in_the_persistent_page_is_a_first_start, set_up),
        cmocka_unit_test_setup(volume_that_is_gone_fails_instead_of_hanging, set_up),
        cmocka_unit_test_setup(ram_volume_starts_zero_and_keeps_what_was_written, set_up),
        cmocka_unit_test_setup(ram_volumes_do_not_overlap_and_give_back_their_memory, set_up),
        cmocka_unit_test_setup(ram_volume_without_memory_is_refused_and_nothing_stays, set_up),
        cmocka_unit_test_setup(ram_volume_beyond_the_addresses_says_the_limit, set_up),
        cmocka_unit_test_setup(ram_volume_keeps_its_contents_over_a_restart, set_up),
        cmocka_unit_test_setup(memory_of_no_volume_is_let_go_of_after_a_restart, set_up),
        cmocka_unit_test_setup(disks_of_a_vm_share_a_block_and_those_of_others_do_not, set_up),
        cmocka_unit_test_setup(vms_block_stays_while_its_drives_are_empty, set_up),
        cmocka_unit_test_setup(block_is_its_vms_whenever_the_driver_dies, set_up),
        cmocka_unit_test_setup(ring_begins_only_when_its_vmm_uses_no_other, set_up),
        cmocka_unit_test_setup(session_without_buffers_is_refused_and_nothing_stays, set_up),
        cmocka_unit_test_setup(session_whose_buffers_are_gone_ends_with_a_restart, set_up),
        cmocka_unit_test_setup(ram_volume_lost_in_a_restart_is_closed_without_a_trace, set_up),
        cmocka_unit_test_setup(ram_sizes_are_judged, set_up),
    };

    return cmocka_run_group_tests_name("blkdrv", tests, NULL, NULL);
}
