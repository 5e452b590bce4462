/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vrings.c - what does a driver get that corrupts its virtqueue, field by field?  DEVICE_NEEDS_RESET, that
 * device only; and after a reset it works again
 *
 * The console at place 4 is always there; a disk at place 0 and a network card at place 5 are tried too if
 * there are.
 */
#include "tiny.h"
#include "virtio_registers.h"

const char tiny_name[] = "vrings";

#define SIZE 8u
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };
#define NEEDS_RESET 0x40u
#define INDIRECT_FEATURE (1u << 28)

struct descriptor {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags, next;
};
static volatile struct descriptor table[SIZE] __attribute__((aligned(16)));
static volatile struct descriptor indirect[SIZE] __attribute__((aligned(16)));
static volatile uint16_t avail[3 + SIZE] __attribute__((aligned(16)));
static volatile uint32_t used[2 + 2 * SIZE] __attribute__((aligned(16)));
static volatile uint8_t buffer[4096] __attribute__((aligned(4096)));

static uint64_t device;
static uint32_t queue;

static void set(uint32_t offset, uint32_t value)
{
    write32(device + offset, value);
}

static void set_address(uint32_t offset, uint64_t value)
{
    set(offset, (uint32_t)value);
    set(offset + 4, (uint32_t)(value >> 32));
}

/* Everything as an honest driver has it, up to the queue's addresses. */
static void prepare(void)
{
    for (uint32_t i = 0; i < SIZE; i++) {
        table[i].address = (uint64_t)buffer;
        table[i].bytes = 16;
        table[i].flags = 0;
        table[i].next = 0;
        indirect[i] = table[i];
    }
    for (uint32_t i = 0; i < 3 + SIZE; i++)
        avail[i] = 0;
    for (uint32_t i = 0; i < 2 + 2 * SIZE; i++)
        used[i] = 0;
    set(R_STATUS, 0);
    set(R_STATUS, 3);
    set(R_DEVICE_FEATURES_SELECT, 0);
    set(R_FEATURES_SELECT, 0);
    set(R_FEATURES, read32(device + R_DEVICE_FEATURES) & INDIRECT_FEATURE);
    set(R_FEATURES_SELECT, 1);
    set(R_FEATURES, 1);
    set(R_STATUS, 11);
    set(R_QUEUE, queue);
    set(R_SIZE, SIZE);
    set_address(R_DESC, (uint64_t)table);
    set_address(R_AVAIL, (uint64_t)avail);
    set_address(R_USED, (uint64_t)used);
}

static void go(void)
{
    set(R_READY, 1);
    set(R_STATUS, 15);
}

static uint32_t used_index(void)
{
    return used[0] >> 16;
}

/* Make descriptor 0's chain available, and kick. */
static void kick(void)
{
    avail[2 + avail[1] % SIZE] = 0;
    __asm__ volatile("dsb sy" ::: "memory");
    avail[1]++;
    __asm__ volatile("dsb sy" ::: "memory");
    set(R_NOTIFY, queue);
}

static bool breaks(void)
{
    for (uint64_t end = counter() + 5 * counter_hz(); counter() < end;)
        if ((read32(device + R_STATUS) & NEEDS_RESET) != 0)
            return true;
    return false;
}

/* A chain that the device understands: for the console text, for the disk a flush or the like (unsupported is
 * an answer too). */
static void honest_chain(void)
{
    static const char text[] = "vrings: honest\r\n";

    for (uint32_t i = 0; i < sizeof text - 1; i++)
        buffer[i] = (uint8_t)text[i];
    if (read32(device + R_ID) == 2) {
        for (uint32_t i = 0; i < 16; i++)
            buffer[i] = i == 0 ? 8 : 0; /* GET_ID */
        table[0].flags = NEXT;
        table[0].next = 1;
        table[1].address = (uint64_t)buffer + 512;
        table[1].bytes = 21;
        table[1].flags = WRITE;
    }
}

static void works(const char *claim, uint64_t detail)
{
    prepare();
    honest_chain();
    go();
    kick();
    for (uint64_t end = counter() + 5 * counter_hz(); counter() < end && used_index() == 0;)
        ;
    check(used_index() == 1, claim, detail, read32(device + R_STATUS));
}

/* Kick what was corrupted, see the device stop and say so, and see it come back. */
static void expect_broken(const char *claim, uint64_t detail)
{
    kick();
    check(breaks(), claim, detail, read32(device + R_STATUS));
    check((read32(device + R_INTERRUPT) & 2) != 0, "with a configuration interrupt", detail,
          read32(device + R_INTERRUPT));
    check(used_index() == 0, "and nothing in the used ring", detail, used_index());
    works("after a reset it works", detail);
}

static const uint64_t bad_addresses[] = {0,         0x09000000, RAM - 8,    1ul << 38,
                                         1ul << 39, 1ul << 63,  UINT64_MAX, UINT64_MAX - 15};
#define BAD_ADDRESSES (sizeof bad_addresses / sizeof bad_addresses[0])

static void bad_buffers(void)
{
    static const uint32_t bad_bytes[] = {0, 1u << 30, 1u << 31, UINT32_MAX};

    for (uint32_t i = 0; i < BAD_ADDRESSES; i++) {
        prepare();
        table[0].address = bad_addresses[i];
        go();
        expect_broken("a buffer outside memory", bad_addresses[i]);
    }
    for (uint32_t i = 0; i < sizeof bad_bytes / sizeof bad_bytes[0]; i++) {
        prepare();
        table[0].bytes = bad_bytes[i];
        go();
        expect_broken("a buffer of an impossible length", bad_bytes[i]);
    }
}

static void bad_chains(void)
{
    static const uint16_t bad_next[] = {SIZE, 255, 32768, 65535};

    for (uint32_t i = 0; i < 4; i++) {
        prepare();
        table[0].flags = NEXT;
        table[0].next = bad_next[i];
        go();
        expect_broken("a next past the table", bad_next[i]);
    }
    prepare();
    table[0].flags = NEXT;
    table[0].next = 1;
    table[1].flags = NEXT;
    go();
    expect_broken("a loop", 0);
    prepare();
    table[0].flags = NEXT;
    go();
    expect_broken("a loop of one", 0);
    prepare();
    table[0].flags = WRITE | NEXT;
    table[0].next = 1;
    go();
    expect_broken("readable after writable", 0);
    for (uint32_t head = SIZE; head <= 65535; head = head * 2 + 1) {
        prepare();
        for (uint32_t i = 0; i < SIZE; i++)
            avail[2 + i] = (uint16_t)head;
        go();
        avail[1] = 1;
        __asm__ volatile("dsb sy" ::: "memory");
        set(R_NOTIFY, queue);
        check(breaks(), "a head past the table", head, read32(device + R_STATUS));
    }
    prepare();
    go();
    avail[1] = SIZE; /* kick() makes it one more than the ring holds */
    expect_broken("more available than the ring holds", SIZE + 1);
    prepare();
    go();
    avail[1] = 0x8000;
    expect_broken("an available index from far away", 0x8001);
}

static void bad_indirect(void)
{
    static const uint32_t bad_bytes[] = {0, 8, 15, 17, 16 * 257, UINT32_MAX};

    for (uint32_t i = 0; i < sizeof bad_bytes / sizeof bad_bytes[0]; i++) {
        prepare();
        table[0].address = (uint64_t)indirect;
        table[0].bytes = bad_bytes[i];
        table[0].flags = INDIRECT;
        go();
        expect_broken("an indirect table of an impossible length", bad_bytes[i]);
    }
    for (uint32_t i = 0; i < BAD_ADDRESSES; i++) {
        prepare();
        table[0].address = bad_addresses[i];
        table[0].bytes = 16;
        table[0].flags = INDIRECT;
        go();
        expect_broken("an indirect table outside memory", bad_addresses[i]);
    }
    for (uint32_t how = 0; how < 4; how++) {
        prepare();
        table[0].address = (uint64_t)indirect;
        table[0].bytes = 16 * SIZE;
        table[0].flags = (uint16_t)(INDIRECT | (how == 0 ? NEXT : 0));
        indirect[0].flags = how == 1 ? INDIRECT : how == 2 ? NEXT : 0;
        indirect[0].next = 0;
        if (how == 3)
            indirect[0].address = 0;
        go();
        expect_broken("a malformed indirect table", how);
    }
}

/* Addresses and sizes of the queue itself: refused when it is made ready. */
static void bad_set_up(void)
{
    static const uint32_t registers[] = {R_DESC, R_AVAIL, R_USED};
    static const uint32_t bad_sizes[] = {0, 3, 6, 1024, 32768, UINT32_MAX};

    for (uint32_t r = 0; r < 3; r++) {
        for (uint32_t i = 0; i < BAD_ADDRESSES; i++) {
            prepare();
            set_address(registers[r], bad_addresses[i]);
            set(R_READY, 1);
            check((read32(device + R_STATUS) & NEEDS_RESET) != 0 && read32(device + R_READY) == 0,
                  "a queue outside memory is refused", registers[r], bad_addresses[i]);
        }
    }
    for (uint32_t i = 0; i < sizeof bad_sizes / sizeof bad_sizes[0]; i++) {
        prepare();
        set(R_SIZE, bad_sizes[i]);
        set(R_READY, 1);
        check((read32(device + R_STATUS) & NEEDS_RESET) != 0, "a queue of an impossible size is refused",
              bad_sizes[i], 0);
    }
    works("after all that a reset helps", 0);
}

/* Every register of the transport with odd values, in every width. */
static void odd_registers(void)
{
    for (uint64_t bytes = 1; bytes <= 8; bytes *= 2) {
        for (uint64_t offset = 0; offset < 0x200; offset += bytes) {
            uint64_t esr = try(store, device + offset, bytes);

            check(esr == 0, "a store to the transport is taken", offset, esr);
            esr = try(load, device + offset, bytes);
            check(esr == 0, "a load from the transport is answered", offset, esr);
        }
    }
    works("after odd stores a reset helps", 0);
}

static void try_device(uint32_t place, uint32_t which_queue)
{
    device = VIRTIO(place);
    queue = which_queue;
    works("an honest driver is served", place);
    bad_buffers();
    bad_chains();
    bad_indirect();
    bad_set_up();
    odd_registers();
    set(R_STATUS, 0);
}

void tiny_run(void)
{
    try_device(4, 1);
    if (read32(VIRTIO(0) + R_ID) != 0)
        try_device(0, 0);
    if (read32(VIRTIO(5) + R_ID) != 0)
        try_device(5, 1);
}
