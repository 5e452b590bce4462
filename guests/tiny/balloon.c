/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * balloon.c - what does a guest get that lies to its memory balloon, or uses memory that it gave?  An
 * external abort, or a device that wants a reset; and what it takes back is there, and zero
 */
#include "tiny.h"
#include "virtio_registers.h"

const char tiny_name[] = "balloon";

#define MIB 0x100000ul
#define PAGE 4096u
#define BLOCK (2 * MIB)
#define BLOCK_PAGES 512u
#define GIVEN (RAM + 24 * MIB) /* the first of four blocks; the vmm keeps two of what it is given */
#define BLOCKS 4u
#define BALLOON VIRTIO(10)
#define CONSOLE VIRTIO(4)
#define SIZE 8u
#define MUST_TELL_HOST 1u
#define NEEDS_RESET 0x40u
enum { INFLATE = 0, DEFLATE = 1 };

struct descriptor {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags, next;
};
/* A queue of each kind that is used here: inflate, deflate, and one of the console. */
static struct {
    volatile struct descriptor table[SIZE] __attribute__((aligned(16)));
    volatile uint16_t avail[3 + SIZE] __attribute__((aligned(16)));
    volatile uint32_t used[2 + 2 * SIZE] __attribute__((aligned(16)));
} rings[3];
static volatile uint32_t numbers[BLOCK_PAGES];

static void set_address(uint64_t at, uint64_t value)
{
    write32(at, (uint32_t)value);
    write32(at + 4, (uint32_t)(value >> 32));
}

static void negotiate(uint64_t device, uint32_t features)
{
    write32(device + R_STATUS, 0);
    write32(device + R_STATUS, 3);
    write32(device + R_FEATURES_SELECT, 0);
    write32(device + R_FEATURES, features);
    write32(device + R_FEATURES_SELECT, 1);
    write32(device + R_FEATURES, 1);
    write32(device + R_STATUS, 11);
}

static void queue_start(uint64_t device, uint32_t queue, uint32_t ring, uint64_t table)
{
    for (uint32_t i = 0; i < 3 + SIZE; i++)
        rings[ring].avail[i] = 0;
    for (uint32_t i = 0; i < 2 + 2 * SIZE; i++)
        rings[ring].used[i] = 0;
    write32(device + R_QUEUE, queue);
    write32(device + R_SIZE, SIZE);
    set_address(device + R_DESC, table);
    set_address(device + R_AVAIL, (uint64_t)rings[ring].avail);
    set_address(device + R_USED, (uint64_t)rings[ring].used);
    write32(device + R_READY, 1);
}

static void chain_offer(uint64_t device, uint32_t queue, uint32_t ring, uint64_t address, uint32_t bytes)
{
    rings[ring].table[0].address = address;
    rings[ring].table[0].bytes = bytes;
    rings[ring].table[0].flags = 0;
    __asm__ volatile("dsb sy" ::: "memory");
    rings[ring].avail[1]++;
    __asm__ volatile("dsb sy" ::: "memory");
    write32(device + R_NOTIFY, queue);
}

/* Ask, and wait for the answer. */
static void ask(uint32_t queue, uint32_t count)
{
    uint32_t before = rings[queue].used[0] >> 16;

    chain_offer(BALLOON, queue, queue, (uint64_t)numbers, 4 * count);
    for (uint64_t end = counter() + 20 * counter_hz();
         counter() < end && rings[queue].used[0] >> 16 == before;)
        ;
    check(rings[queue].used[0] >> 16 == before + 1, "the balloon answers", queue, count);
}

static void ask_row(uint32_t queue, uint64_t address, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = (uint32_t)(address / PAGE) + i;
    ask(queue, count);
}

static bool is_gone(uint64_t address)
{
    uint64_t esr = try(load, address, 8);

    return ESR_CLASS(esr) == CLASS_DATA_ABORT && ESR_DFSC(esr) == DFSC_EXTERNAL;
}

/* The blocks that are gone; they go a moment after the answer. */
static void gone_find(uint64_t gone[2])
{
    uint32_t found = 0;

    for (uint64_t end = counter() + 20 * counter_hz(); counter() < end && found < 2;) {
        found = 0;
        for (uint32_t i = 0; i < BLOCKS && found < 2; i++)
            if (is_gone(GIVEN + i * BLOCK))
                gone[found++] = GIVEN + i * BLOCK;
    }
    check(found == 2, "two of four blocks go", found, 0);
}

static void expect_gone(uint64_t block)
{
    for (uint64_t at = block; at < block + BLOCK; at += 37 * PAGE) {
        uint64_t esr = try(store, at, 4);

        check(is_gone(at), "a load from what was given aborts", at, 0);
        check(ESR_CLASS(esr) == CLASS_DATA_ABORT && ESR_DFSC(esr) == DFSC_EXTERNAL, "so does a store", at,
              esr);
    }
    check(ESR_CLASS(try(fetch, block, 0)) == CLASS_FETCH_ABORT, "so does a fetch", block, 0);
}

static void expect_there(uint64_t block)
{
    for (uint64_t at = block; at < block + BLOCK; at += PAGE) {
        uint64_t esr = try(load, at, 8);

        check(esr == 0 && loaded == 0, "what came back is there, and zero", at, esr);
        *(volatile uint64_t *)at = ~at;
    }
    for (uint64_t at = block; at < block + BLOCK; at += PAGE)
        check(*(volatile uint64_t *)at == ~at, "and memory", at, *(volatile uint64_t *)at);
}

static void start(void)
{
    check(read32(BALLOON + R_ID) == 5, "there is a balloon", read32(BALLOON + R_ID), 0);
    negotiate(BALLOON, MUST_TELL_HOST);
    queue_start(BALLOON, INFLATE, INFLATE, (uint64_t)rings[INFLATE].table);
    queue_start(BALLOON, DEFLATE, DEFLATE, (uint64_t)rings[DEFLATE].table);
    write32(BALLOON + R_STATUS, 15);
}

static void lie(void)
{
    static const uint32_t others[] = {0, 1, 0x09000, 0x3ffff, 0x7ffff, 0x80000, UINT32_MAX, UINT32_MAX - 511};

    for (uint32_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ask_row(INFLATE, (uint64_t)others[i] * PAGE, BLOCK_PAGES / 2);
        ask_row(DEFLATE, (uint64_t)others[i] * PAGE, BLOCK_PAGES / 2);
    }
    ask_row(INFLATE, GIVEN, BLOCK_PAGES - 1);
    ask_row(INFLATE, GIVEN, BLOCK_PAGES - 1); /* twice */
    ask_row(DEFLATE, GIVEN + BLOCK, BLOCK_PAGES);
    check(read32(BALLOON + R_STATUS) == 15, "the balloon goes on", read32(BALLOON + R_STATUS), 0);
    check(!is_gone(GIVEN), "a block that was not given whole is there", GIVEN, 0);
}

/* Another device is pointed at memory that is not there. */
static void point_at(uint64_t gone)
{
    negotiate(CONSOLE, 0);
    queue_start(CONSOLE, 1, 2, gone);
    check((read32(CONSOLE + R_STATUS) & NEEDS_RESET) != 0, "a ring that is gone breaks its device", gone,
          read32(CONSOLE + R_STATUS));
    negotiate(CONSOLE, 0);
    queue_start(CONSOLE, 1, 2, (uint64_t)rings[2].table);
    write32(CONSOLE + R_STATUS, 15);
    chain_offer(CONSOLE, 1, 2, gone, 16);
    for (uint64_t end = counter() + 5 * counter_hz();
         counter() < end && (read32(CONSOLE + R_STATUS) & NEEDS_RESET) == 0;)
        ;
    check((read32(CONSOLE + R_STATUS) & NEEDS_RESET) != 0, "so does a buffer", gone,
          read32(CONSOLE + R_STATUS));
    write32(CONSOLE + R_STATUS, 0);
}

void tiny_run(void)
{
    start();
    lie();
    for (uint32_t round = 0; round < 3; round++) {
        uint64_t gone[2] = {GIVEN, GIVEN};

        for (uint32_t i = 0; i < BLOCKS; i++)
            ask_row(INFLATE, GIVEN + i * BLOCK, BLOCK_PAGES);
        gone_find(gone);
        expect_gone(gone[0]);
        expect_gone(gone[1]);
        check(!is_gone(GIVEN - 8), "the memory before them is there", GIVEN - 8, 0);
        point_at(gone[0] + 64);
        ask_row(DEFLATE, gone[0] + 7 * PAGE, 1);
        expect_there(gone[0]);
        check(is_gone(gone[1]), "the other block stays away", gone[1], 0);
        ask_row(DEFLATE, gone[1], BLOCK_PAGES);
        expect_there(gone[1]);
        for (uint32_t i = 0; i < BLOCKS; i++)
            ask_row(DEFLATE, GIVEN + i * BLOCK, BLOCK_PAGES);
    }
    check(read32(BALLOON + R_STATUS) == 15, "the balloon goes on", read32(BALLOON + R_STATUS), 0);
}
