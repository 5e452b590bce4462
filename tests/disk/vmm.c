/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm.c - a vmm that has no VM: it tries its disks, says what it found, and is ended
 *
 * In place of services/vmm, for tests of blkdrv without a guest (tests/system/test_blkdrv.py).  The words of
 * the VM file's `extra` say what is done with each disk, in turn:
 *
 *     verify     64 KiB writes (some FUA), a flush, and everything read back and compared
 *     random     4 KiB reads, 16 at a time
 *     load:SEC   write and read back 64 KiB at random places for so many seconds
 *     beyond     a read that ends behind the volume
 *
 * The report goes to the toolstack as the reason why the VM cannot start: "tried DISK:
 * WORD=errors/wrong/requests
 * ...".
 */
#include <pb_decode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bh.h"
#include "blk_ring.h"
#include "blk_rpc.h"
#include "caps_vmm.h"
#include "tests/say.h"
#include "toolstack_rpc.h"
#include "vm.pb.h"

#define CHUNK_BYTES (BLK_POOL_PAGES * BLK_PAGE_BYTES)
#define PATIENCE_MS 30000u
#define VERIFY_SECTORS 2048u

struct disk {
    slot_t session;
    slot_t events;
    slot_t doorbell;
    struct blk_front front;
    uint8_t *pool;
    uint64_t sectors;
    bool writable;
    bool must_attach;
    uint32_t place;
    uint32_t attached; /* how often */
};

struct tally {
    uint32_t errors, wrong, requests;
};

static bh_VmConfig config;
static char report[sizeof((bh_VmEventRequest *)0)->text];
static uint32_t random_state = 1;

#define say(...) say_into(report, sizeof(report), __VA_ARGS__)

static _Noreturn void end(void)
{
    bh_VmEventRequest request = {.kind = bh_VmEventKind_REFUSED};
    bh_ToolstackStatus reply;
    uint64_t bits;

    memcpy(request.text, report, sizeof(request.text));
    while (toolstack_rpc_vm_event(CAP_TOOLSTACK, &request, &reply, NULL, bh_after_ms(5000)) != OK)
        ;
    while (bh_notification_wait(SLOT_EVENTS, BH_FOREVER, &bits) == OK)
        ;
    bh_panic("waiting for the end");
}

static _Noreturn void give_up(const char *what, enum status status)
{
    say("%s: %s", what, bh_status_name(status));
    end();
}

static void must(const char *what, enum status status)
{
    if (status != OK)
        give_up(what, status);
}

/* ---- the session ----------------------------------------------------------------------------------- */

static enum status attach(struct disk *disk, slot_t *ring)
{
    bh_BlkAttachRequest request = bh_BlkAttachRequest_init_zero;
    bh_BlkAttachReply reply;
    struct rpc_caps caps = {.in_count = 1, .in = {disk->events}};
    enum status status = blk_rpc_attach(disk->session, &request, &reply, &caps, bh_after_ms(2000));

    if (status == OK)
        status = (enum status)reply.status;
    if (status != OK)
        return status;
    bh_slot_drop(disk->doorbell);
    disk->doorbell = caps.out[1];
    disk->sectors = reply.sectors;
    disk->writable = reply.writable;
    disk->place = reply.place;
    disk->attached++;
    disk->must_attach = false;
    *ring = caps.out[0];
    return OK;
}

static void pool_map(struct disk *disk, uint64_t ipa)
{
    for (uint32_t first = 0; first < BLK_POOL_PAGES;) {
        bh_BlkPoolRequest request = {.first = first, .place = disk->place};
        bh_BlkPoolReply reply;
        struct rpc_caps caps = {0};

        must("pool", blk_rpc_pool(disk->session, &request, &reply, &caps, bh_after_ms(2000)));
        must("pool", (enum status)reply.status);
        for (uint32_t i = 0; i < caps.out_count; i++)
            must("pool page",
                 bh_map(caps.out[i], ipa + (uint64_t)(first + i) * BLK_PAGE_BYTES, RIGHT_READ | RIGHT_WRITE));
        first += caps.out_count;
    }
    disk->pool = (uint8_t *)(uintptr_t)ipa;
}

static void disk_open(struct disk *disk, uint32_t index)
{
    uint64_t ipa = bh_ipa_alloc(BLK_FRAMES_PER_CLIENT);
    slot_t ring;

    *disk = (struct disk){.session = CAP_BLK0 + index, .events = bh_slot_alloc()};
    must("events", bh_cspace_mint(SLOT_CSPACE, SLOT_EVENTS, SLOT_CSPACE, disk->events, RIGHT_WRITE, 1));
    must("attach", attach(disk, &ring));
    must("ring", bh_map(ring, ipa, RIGHT_READ | RIGHT_WRITE));
    pool_map(disk, ipa + BLK_PAGE_BYTES);
    must("ring", blk_front_init(&disk->front, (struct blk_ring *)(uintptr_t)ipa));
}

/* ---- requests -------------------------------------------------------------------------------------- */

/* blkdrv may have been restarted: it lost our Notification, and perhaps our last ring of its doorbell. */
static void look_around(struct disk *disk)
{
    slot_t ring;

    if (blk_front_restarted(&disk->front))
        disk->must_attach = true;
    if (!disk->must_attach || attach(disk, &ring) != OK)
        return;
    bh_slot_drop(ring);
    disk->must_attach = bh_notification_signal(disk->doorbell) != OK;
}

static enum status take(struct disk *disk, uint64_t *tag)
{
    uint64_t deadline = bh_after_ms(PATIENCE_MS), bits;
    enum status status;

    while (!blk_ring_take_completion(&disk->front, tag, &status)) {
        if (!blk_front_may_sleep(&disk->front))
            continue;
        if (bh_notification_wait(SLOT_EVENTS, bh_after_ms(BLK_RESTART_CHECK_MS), &bits) != OK)
            look_around(disk);
        if (bh_now() > deadline)
            give_up("no answer", ERR_TIME);
        blk_front_awake(&disk->front);
    }
    return status;
}

/* False: an older request is still in the slot. */
static bool put(struct disk *disk, const struct blk_request *request, uint64_t tag)
{
    if (blk_ring_put_request(&disk->front, request, tag) != OK)
        return false;
    if (blk_front_must_signal(&disk->front) && bh_notification_signal(disk->doorbell) != OK)
        disk->must_attach = true;
    return true;
}

static enum status request(struct disk *disk, uint8_t op, uint64_t sector, uint32_t count)
{
    struct blk_request r = {.op = op, .sector = sector, .count = count};
    uint64_t tag;

    for (uint32_t i = 0; i < BLK_POOL_PAGES; i++)
        r.pages[i] = (uint8_t)i;
    if (!put(disk, &r, 0))
        give_up("put", ERR_FULL);
    return take(disk, &tag);
}

static void count(struct tally *tally, enum status status)
{
    tally->requests++;
    tally->errors += status != OK;
}

static uint32_t random_below(uint64_t limit)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)((random_state >> 8) % limit);
}

static void pattern_fill(struct disk *disk, uint32_t seed)
{
    uint32_t *words = (uint32_t *)(void *)disk->pool;

    for (uint32_t i = 0; i < CHUNK_BYTES / sizeof(*words); i++)
        words[i] = i * 2654435761u + seed;
}

static bool pattern_is(const struct disk *disk, uint32_t seed)
{
    const uint32_t *words = (const uint32_t *)(const void *)disk->pool;

    for (uint32_t i = 0; i < CHUNK_BYTES / sizeof(*words); i++)
        if (words[i] != i * 2654435761u + seed)
            return false;
    return true;
}

/* ---- the words ------------------------------------------------------------------------------------- */

static void verify(struct disk *disk, struct tally *tally)
{
    uint32_t end_sector = disk->sectors < VERIFY_SECTORS ? (uint32_t)disk->sectors : VERIFY_SECTORS;

    for (uint32_t s = 0; disk->writable && s + BLK_MAX_SECTORS <= end_sector; s += BLK_MAX_SECTORS) {
        pattern_fill(disk, s);
        count(tally, request(disk, s % 512 ? BLK_WRITE : BLK_WRITE_FUA, s, BLK_MAX_SECTORS));
    }
    count(tally, request(disk, BLK_FLUSH, 0, 0));
    for (uint32_t s = 0; s + BLK_MAX_SECTORS <= end_sector; s += BLK_MAX_SECTORS) {
        memset(disk->pool, 0, CHUNK_BYTES);
        count(tally, request(disk, BLK_READ, s, BLK_MAX_SECTORS));
        tally->wrong += !pattern_is(disk, s);
    }
}

static void random_reads(struct disk *disk, struct tally *tally)
{
    uint32_t issued = 0;
    uint64_t tag;

    while (tally->requests < 500) {
        struct blk_request r = {.op = BLK_READ, .sector = random_below(disk->sectors / 8) * 8ull, .count = 8};

        if (issued < 500 && blk_pool_take(&disk->front, 1, r.pages) == OK) {
            if (put(disk, &r, r.pages[0])) {
                issued++;
                continue;
            }
            blk_pool_put(&disk->front, 1, r.pages);
        }
        count(tally, take(disk, &tag));
        blk_pool_put(&disk->front, 1, &(uint8_t){(uint8_t)tag});
    }
}

static void load(struct disk *disk, struct tally *tally, uint64_t seconds)
{
    uint64_t until = bh_after_ms(seconds * 1000);

    while (bh_now() < until) {
        uint64_t sector = random_below(disk->sectors / BLK_MAX_SECTORS) * (uint64_t)BLK_MAX_SECTORS;

        pattern_fill(disk, tally->requests);
        count(tally, request(disk, BLK_WRITE, sector, BLK_MAX_SECTORS));
        memset(disk->pool, 0, CHUNK_BYTES);
        count(tally, request(disk, BLK_READ, sector, BLK_MAX_SECTORS));
        tally->wrong += !pattern_is(disk, tally->requests - 2);
    }
}

static void word_do(struct disk *disk, const char *word)
{
    struct tally tally = {0};

    if (strcmp(word, "verify") == 0)
        verify(disk, &tally);
    else if (strcmp(word, "random") == 0)
        random_reads(disk, &tally);
    else if (strncmp(word, "load:", 5) == 0)
        load(disk, &tally, strtoul(word + 5, NULL, 10));
    else if (strcmp(word, "beyond") == 0)
        count(&tally, request(disk, BLK_READ, disk->sectors - 7, 8));
    else
        give_up(word, ERR_ARG);
    say(" %s=%u/%u/%u", word, (unsigned)tally.errors, (unsigned)tally.wrong, (unsigned)tally.requests);
}

static void disk_try(uint32_t index)
{
    static struct disk disk;
    char words[sizeof(config.extra)];
    char *rest = words;

    disk_open(&disk, index);
    say("%s%s:", index ? "; " : "tried ", config.disks[index].volume);
    memcpy(words, config.extra, sizeof(words));
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        word_do(&disk, word);
    say(" attached=%u", (unsigned)disk.attached);
}

int main(void)
{
    uint32_t bytes;

    memcpy(&bytes, (const void *)(uintptr_t)PERSIST_IPA, sizeof(bytes));
    pb_istream_t stream =
        pb_istream_from_buffer((const pb_byte_t *)(uintptr_t)(PERSIST_IPA + sizeof(bytes)), bytes);
    if (!pb_decode(&stream, bh_VmConfig_fields, &config))
        give_up("configuration", ERR_ARG);
    for (uint32_t i = 0; i < config.disks_count; i++)
        disk_try(i);
    end();
}
