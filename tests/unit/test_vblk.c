/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_vblk.c - claims about the virtio block device: a driver on one side, blkdrv's end of the ring on the
 * other
 *
 * links: services/vmm/vblk.c lib/virtio/vring.c lib/virtio/virtio_mmio.c lib/ring/blk_ring.c
 * flags: -Iservices/vmm
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vblk.h"
#include "virtio_mmio_driver.h"

#define SECTORS 1024u
#define HEADER BUFFERS
#define DATA (BUFFERS + 0x1000)
#define STATUS (BUFFERS + 0x800)

static struct vblk disk;
static union {
    struct blk_ring ring;
    uint8_t page[BLK_PAGE_BYTES];
} shared __attribute__((aligned(4096)));
static uint8_t pool[BLK_POOL_PAGES * BLK_PAGE_BYTES] __attribute__((aligned(4096)));
static struct blk_back back;
static volatile uint32_t shown[VIRTIO_MMIO_BYTES / 4];

static void drive(uint32_t features)
{
    driver_negotiate(features);
    driver_queue(0, DESCRIPTORS, AVAIL, USED);
    driver_ok();
}

#define F_FLUSH (1u << 9)

/* As disk_link.c does it when there is a session. */
static void session_make(void)
{
    memset(&shared, 0, sizeof shared);
    memset(pool, 0, sizeof pool);
    blk_ring_create(&shared.ring);
    blk_back_start(&back, &shared.ring, 1);
    assert_int_equal(blk_front_init(&disk.front, &shared.ring), OK);
    disk.pool = pool;
}

/* Ring and pool of a closed session are not mapped: whoever touches them faults. */
static void session_end(void)
{
    disk.front.ring = NULL;
    disk.pool = NULL;
}

static int set_up(void **state)
{
    (void)state;
    memset(&disk, 0, sizeof disk);
    session_make();
    disk.link = (struct vblk_link){NULL, ring_doorbell};
    disk.has_volume = true;
    disk.volume = (struct vblk_volume){.sectors = SECTORS, .writable = true, .id = "debian1"};
    disk.virtio.ram = &ram;
    disk.virtio.shown = shown;
    disk.virtio.interrupt = interrupt;
    driven = &disk.virtio;
    vblk_init(&disk, false);
    interrupts = doorbells = 0;
    drive(F_FLUSH);
    return 0;
}

/* One request in descriptors 0, 1, 2. */
static void ask(uint32_t type, uint64_t sector, uint32_t data_bytes, bool device_writes)
{
    uint32_t header[4] = {type, 0, (uint32_t)sector, (uint32_t)(sector >> 32)};

    memcpy(at(HEADER), header, sizeof header);
    *at(STATUS) = 0xee;
    descriptor(0, HEADER, 16, VRING_NEXT, data_bytes ? 1 : 2);
    descriptor(1, DATA, data_bytes, VRING_NEXT | (device_writes ? VRING_WRITE : 0), 2);
    descriptor(2, STATUS, 1, VRING_WRITE, 0);
    make_available(0);
    mmio(0x50, 0);
}

static struct blk_request at_blkdrv(uint32_t *position)
{
    struct blk_request r;

    assert_true(blk_ring_take_request(&back, &r, position));
    return r;
}

static void nothing_at_blkdrv(void)
{
    struct blk_request r;
    uint32_t position;

    assert_false(blk_ring_take_request(&back, &r, &position));
}

static void answer(uint32_t position, enum status status)
{
    blk_ring_put_completion(&back, position, status);
    vblk_pump(&disk);
}

static void expect_given(uint16_t count, uint8_t status)
{
    assert_int_equal(get16(USED + 2), count);
    assert_int_equal(*at(STATUS), status);
}

/* Is every word that the driver may look at as it would be answered? */
static void expect_shown(void)
{
    for (uint32_t offset = 0; offset < VIRTIO_MMIO_BYTES; offset += 4)
        assert_int_equal(shown[offset / 4], mmio_read(offset));
}

static void what_is_shown_is_what_is_answered(void **state)
{
    uint32_t position;

    (void)state;
    expect_shown();
    for (uint32_t offset = 0; offset < VIRTIO_MMIO_BYTES; offset += 4)
        if (offset != 0x50) {
            mmio(offset, offset == 0x14 || offset == 0x24 || offset == 0x30);
            expect_shown();
        }
    drive(F_FLUSH);
    expect_shown();
    ask(0, 3, 512, true);
    (void)at_blkdrv(&position);
    answer(position, OK);
    assert_int_equal(shown[0x60 / 4], 1);
    expect_shown();
    mmio(0x64, 1);
    assert_int_equal(shown[0x60 / 4], 0);
    descriptor(0, 0, 16, 0, 0); /* outside memory: the device needs a reset */
    make_available(0);
    mmio(0x50, 0);
    assert_int_equal(shown[0x70 / 4], 15 | 64);
    expect_shown();
    mmio(0x70, 0);
    expect_shown();
}

static void capacity_and_identity_are_told(void **state)
{
    (void)state;
    assert_int_equal(virtio_mmio_read(&disk.virtio, 0x100, 8), SECTORS);
    assert_int_equal(mmio_read(0x08), 2);
    ask(8, 0, 20, true);
    expect_given(1, 0);
    assert_string_equal((char *)at(DATA), "debian1");
}

static void a_read_brings_the_pools_bytes(void **state)
{
    (void)state;
    uint32_t position;

    ask(0, 7, 8192, true);
    assert_int_equal(doorbells, 1);
    struct blk_request r = at_blkdrv(&position);
    assert_int_equal(r.op, BLK_READ);
    assert_int_equal(r.sector, 7);
    assert_int_equal(r.count, 16);
    memset(pool + r.pages[0] * BLK_PAGE_BYTES, 'a', BLK_PAGE_BYTES);
    memset(pool + r.pages[1] * BLK_PAGE_BYTES, 'b', BLK_PAGE_BYTES);
    assert_int_equal(get16(USED + 2), 0);
    answer(position, OK);
    expect_given(1, 0);
    assert_int_equal(get32(USED + 8), 8193);
    assert_int_equal(interrupts, 1);
    assert_int_equal(*at(DATA + 4095), 'a');
    assert_int_equal(*at(DATA + 4096), 'b');
}

static void a_write_takes_the_guests_bytes(void **state)
{
    (void)state;
    uint32_t position;

    memset(at(DATA), 'x', 512);
    ask(1, SECTORS - 1, 512, false);
    struct blk_request r = at_blkdrv(&position);
    assert_int_equal(r.op, BLK_WRITE);
    assert_int_equal(pool[r.pages[0] * BLK_PAGE_BYTES + 511], 'x');
    answer(position, OK);
    expect_given(1, 0);
    assert_int_equal(get32(USED + 8), 1);
}

static void without_flush_writes_are_stable(void **state)
{
    (void)state;
    uint32_t position;

    drive(0);
    ask(1, 0, 512, false);
    assert_int_equal(at_blkdrv(&position).op, BLK_WRITE_FUA);
}

static void a_flush_waits_for_blkdrvs_flush(void **state)
{
    (void)state;
    uint32_t position;

    ask(4, 0, 0, false);
    assert_int_equal(at_blkdrv(&position).op, BLK_FLUSH);
    expect_given(0, 0xee);
    answer(position, OK);
    expect_given(1, 0);
}

static void an_error_of_the_disk_is_the_guests(void **state)
{
    (void)state;
    uint32_t position;

    ask(4, 0, 0, false);
    (void)at_blkdrv(&position);
    answer(position, ERR_IO);
    expect_given(1, 1);
}

/* 16 pages a request, 63 pages at once. */
static void a_request_larger_than_the_pool_is_cut(void **state)
{
    (void)state;
    uint32_t position[4], last;
    uint32_t bytes = 67 * BLK_PAGE_BYTES;
    struct blk_request r;

    ask(0, 0, bytes, true);
    for (uint32_t i = 0; i < 4; i++) {
        r = at_blkdrv(&position[i]);
        assert_int_equal(r.sector, 16 * 8 * i);
        assert_int_equal(r.count, i < 3 ? 16 * 8 : 15 * 8);
    }
    nothing_at_blkdrv();
    answer(position[2], OK);
    assert_int_equal(get16(USED + 2), 0);
    r = at_blkdrv(&last);
    assert_int_equal(r.sector, 63 * 8);
    assert_int_equal(r.count, 4 * 8);
    memset(pool + r.pages[3] * BLK_PAGE_BYTES, 'z', BLK_PAGE_BYTES);
    answer(position[0], OK);
    answer(position[1], OK);
    answer(last, OK);
    assert_int_equal(get16(USED + 2), 0);
    answer(position[3], OK);
    expect_given(1, 0);
    assert_int_equal(*at(DATA + bytes - 1), 'z');
    assert_int_equal(get32(USED + 8), bytes + 1);
}

static void requests_outside_the_disk_fail(void **state)
{
    (void)state;
    const struct {
        uint32_t type;
        uint64_t sector;
        uint32_t bytes;
    } bad[] = {{0, SECTORS, 512},
               {0, SECTORS - 1, 1024},
               {0, UINT64_MAX, 512},
               {1, UINT64_MAX, 1024},
               {0, 0, 511},
               {1, 0, 513},
               {0, 0, 0},
               {0, 1ull << 55, 512}};

    for (uint16_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ask(bad[i].type, bad[i].sector, bad[i].bytes, bad[i].type == 0);
        expect_given((uint16_t)(i + 1), 1);
        nothing_at_blkdrv();
    }
}

static void a_read_only_disk_refuses_writes(void **state)
{
    (void)state;
    disk.volume.writable = false;
    ask(1, 0, 512, false);
    expect_given(1, 1);
    nothing_at_blkdrv();
}

static void unknown_types_are_unsupported(void **state)
{
    (void)state;
    ask(11, 0, 512, false);
    expect_given(1, 2);
}

static void a_chain_without_a_status_needs_reset(void **state)
{
    (void)state;
    descriptor(0, HEADER, 16, 0, 0);
    make_available(0);
    mmio(0x50, 0);
    assert_int_equal(mmio_read(0x70) & VIRTIO_NEEDS_RESET, VIRTIO_NEEDS_RESET);
    assert_int_equal(mmio_read(0x60), 2);
    assert_int_equal(interrupts, 1);
    ask(4, 0, 0, false);
    nothing_at_blkdrv(); /* silence until it is reset */
    drive(F_FLUSH);
    assert_int_equal(mmio_read(0x60), 0);
    ask(8, 0, 20, true);
    expect_given(1, 0);
}

static void after_a_reset_old_answers_touch_nothing(void **state)
{
    (void)state;
    uint32_t position;

    ask(0, 0, 4096, true);
    struct blk_request r = at_blkdrv(&position);
    memset(pool + r.pages[0] * BLK_PAGE_BYTES, 'a', BLK_PAGE_BYTES);
    drive(F_FLUSH);
    answer(position, OK);
    assert_int_equal(*at(DATA), 0);
    assert_int_equal(get16(USED + 2), 0);
    assert_false(vblk_is_busy(&disk));
    assert_int_equal(__builtin_popcountll(disk.front.pool_free), BLK_POOL_PAGES);
}

static void a_restarted_blkdrv_finds_the_request(void **state)
{
    (void)state;
    uint32_t position;

    ask(0, 5, 4096, true);
    (void)at_blkdrv(&position);
    blk_back_start(&back, &shared.ring, 2); /* it died with the request */
    assert_true(blk_front_restarted(&disk.front));
    assert_int_equal(at_blkdrv(&position).sector, 5);
    answer(position, OK);
    expect_given(1, 0);
}

static uint64_t capacity(void)
{
    return virtio_mmio_read(&disk.virtio, 0x100, 8);
}

static void a_volume_that_goes_fails_what_was_asked_and_what_follows(void **state)
{
    uint32_t generation = mmio_read(0xfc), position;

    (void)state;
    ask(0, 0, 20 * BLK_PAGE_BYTES, true); /* more than the pool: one part is with blkdrv, one waits */
    (void)at_blkdrv(&position);
    mmio(0x64, 3);
    interrupts = 0;
    vblk_eject(&disk);
    session_end();
    expect_given(1, 1);
    assert_int_equal(capacity(), 0);
    assert_int_equal(mmio_read(0x60), 3); /* used buffers, configuration */
    assert_int_equal(interrupts, 2);
    assert_int_not_equal(mmio_read(0xfc), generation);
    expect_shown();
    assert_false(vblk_is_busy(&disk));
    ask(0, 0, 512, true);
    expect_given(2, 1);
    ask(1, 0, 512, false);
    expect_given(3, 1);
    ask(4, 0, 0, false);
    expect_given(4, 1);
    *at(DATA) = 'x';
    ask(8, 0, 20, true);
    expect_given(5, 0);
    assert_int_equal(*at(DATA), 0);
    vblk_pump(&disk); /* a completion that was signalled before */
    assert_int_equal(doorbells, 1);
}

static void another_volume_is_told_and_serves_at_once(void **state)
{
    const struct vblk_volume volume = {.sectors = 3 * SECTORS, .writable = true, .id = "scratch"};
    uint32_t position;

    (void)state;
    ask(0, 0, 4096, true);
    vblk_eject(&disk);
    session_end();
    mmio(0x64, 3);
    session_make();
    vblk_insert(&disk, &volume);
    assert_int_equal(capacity(), 3 * SECTORS);
    assert_int_equal(mmio_read(0x60), 2);
    expect_shown();
    ask(0, 2 * SECTORS, 16 * BLK_PAGE_BYTES, true); /* all of the pool, and its slots, are there again */
    struct blk_request r = at_blkdrv(&position);
    assert_int_equal(r.sector, 2 * SECTORS);
    assert_int_equal(r.count, 16 * 8);
    answer(position, OK);
    expect_given(2, 0);
}

static void a_read_only_volume_in_a_writable_drive_refuses_writes(void **state)
{
    const struct vblk_volume volume = {.sectors = SECTORS};
    uint32_t position;

    (void)state;
    vblk_eject(&disk);
    vblk_insert(&disk, &volume);
    assert_int_equal(mmio_read(0x10) & 1u << 5, 0); /* what the driver was offered stays */
    ask(1, 0, 512, false);
    expect_given(1, 1);
    ask(0, 0, 512, true);
    answer((at_blkdrv(&position), position), OK);
    expect_given(2, 0);
}

static void volumes_change_without_a_driver_too(void **state)
{
    const struct vblk_volume volume = {.sectors = 7, .writable = true};

    (void)state;
    mmio(0x70, 0);
    interrupts = 0;
    vblk_eject(&disk);
    assert_int_equal(capacity(), 0);
    vblk_insert(&disk, &volume);
    assert_int_equal(capacity(), 7);
    assert_int_equal(interrupts, 0);
    drive(F_FLUSH);
    ask(8, 0, 20, true);
    expect_given(1, 0);
}

static void a_driver_that_broke_its_queue_hears_nothing_of_it(void **state)
{
    uint32_t position;

    (void)state;
    ask(0, 0, 4096, true);
    (void)at_blkdrv(&position);
    descriptor(0, 0, 16, 0, 0);
    make_available(0);
    mmio(0x50, 0);
    mmio(0x64, 3);
    interrupts = 0;
    vblk_eject(&disk);
    session_end();
    assert_int_equal(interrupts, 0);
    assert_int_equal(mmio_read(0x70) & VIRTIO_NEEDS_RESET, VIRTIO_NEEDS_RESET);
    drive(F_FLUSH);
    ask(0, 0, 512, true);
    expect_given(1, 1);
}

static void more_requests_than_slots_all_finish(void **state)
{
    (void)state;
    /* Eight chains at a time, each a read of five pages: more than the pool holds. */
    for (uint32_t round = 0; round < 20; round++) {
        uint32_t header[4] = {0, 0, 0, 0};

        memcpy(at(HEADER), header, sizeof header);
        descriptor(0, HEADER, 16, VRING_NEXT, 1);
        descriptor(1, DATA, 5 * BLK_PAGE_BYTES, VRING_NEXT | VRING_WRITE, 2);
        descriptor(2, STATUS, 1, VRING_WRITE, 0);
        for (uint32_t i = 0; i < QUEUE_SIZE; i++)
            make_available(0);
        mmio(0x50, 0);
        struct blk_request r;
        uint32_t position;
        while (blk_ring_take_request(&back, &r, &position))
            answer(position, OK);
        assert_int_equal(get16(USED + 2), (round + 1) * QUEUE_SIZE);
    }
}

static void features_that_were_not_offered_are_refused(void **state)
{
    (void)state;
    mmio(0x70, 0);
    mmio(0x70, 3);
    mmio(0x24, 0);
    mmio(0x20, 1u << 13);
    mmio(0x24, 1);
    mmio(0x20, 1);
    mmio(0x70, 11);
    assert_int_equal(mmio_read(0x70), 3);
    mmio(0x70, 15); /* without FEATURES_OK there is no DRIVER_OK */
    assert_int_equal(mmio_read(0x70) & VIRTIO_DRIVER_OK, 0);
}

static void every_register_and_width_is_safe(void **state)
{
    (void)state;
    const uint64_t values[] = {0, 1, 0xffffffff, 0x40001000, 256, 3};

    for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
        for (uint32_t size = 1; size <= 8; size *= 2) {
            for (uint32_t offset = 0; offset < VIRTIO_MMIO_BYTES; offset += size) {
                virtio_mmio_write(&disk.virtio, offset, size, values[v]);
                (void)virtio_mmio_read(&disk.virtio, offset, size);
            }
        }
    }
    drive(F_FLUSH);
    ask(8, 0, 20, true);
    expect_given(1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_shown_is_what_is_answered, set_up),
        cmocka_unit_test_setup(capacity_and_identity_are_told, set_up),
        cmocka_unit_test_setup(a_read_brings_the_pools_bytes, set_up),
        cmocka_unit_test_setup(a_write_takes_the_guests_bytes, set_up),
        cmocka_unit_test_setup(without_flush_writes_are_stable, set_up),
        cmocka_unit_test_setup(a_flush_waits_for_blkdrvs_flush, set_up),
        cmocka_unit_test_setup(an_error_of_the_disk_is_the_guests, set_up),
        cmocka_unit_test_setup(a_request_larger_than_the_pool_is_cut, set_up),
        cmocka_unit_test_setup(requests_outside_the_disk_fail, set_up),
        cmocka_unit_test_setup(a_read_only_disk_refuses_writes, set_up),
        cmocka_unit_test_setup(unknown_types_are_unsupported, set_up),
        cmocka_unit_test_setup(a_chain_without_a_status_needs_reset, set_up),
        cmocka_unit_test_setup(after_a_reset_old_answers_touch_nothing, set_up),
        cmocka_unit_test_setup(a_restarted_blkdrv_finds_the_request, set_up),
        cmocka_unit_test_setup(a_volume_that_goes_fails_what_was_asked_and_what_follows, set_up),
        cmocka_unit_test_setup(another_volume_is_told_and_serves_at_once, set_up),
        cmocka_unit_test_setup(a_read_only_volume_in_a_writable_drive_refuses_writes, set_up),
        cmocka_unit_test_setup(volumes_change_without_a_driver_too, set_up),
        cmocka_unit_test_setup(a_driver_that_broke_its_queue_hears_nothing_of_it, set_up),
        cmocka_unit_test_setup(more_requests_than_slots_all_finish, set_up),
        cmocka_unit_test_setup(features_that_were_not_offered_are_refused, set_up),
        cmocka_unit_test_setup(every_register_and_width_is_safe, set_up),
    };

    return cmocka_run_group_tests_name("vblk", tests, NULL, NULL);
}
