/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * holes.c - what does an access to nothing get?  An external abort, and the machine goes on
 */
#include "tiny.h"

const char tiny_name[] = "holes";

#define KIB 1024ul
#define MIB (1024ul * KIB)
#define WATCHDOG 0x09200000ul                 /* its control frame; the refresh frame is 64 KiB further */
enum { PLACE_INPUT = 9, PLACE_BALLOON = 10 }; /* there in every VM, as is the console before them */

/* Is something of the board in this page?  (The redistributors of 16 vCPUs are skipped: how many exist is the
 * VM file's business.) */
static bool is_device(uint64_t page)
{
    return (page >= GICD && page < GICD + 64 * KIB) || (page >= GICR(0) && page < GICR(16)) || page == UART ||
           page == RTC || page == WATCHDOG || page == WATCHDOG + 0x10000ul || page == VIRTIO(0) ||
           page == VIRTIO(8);
}

static void expect_abort(uint64_t esr, uint32_t class, const char *claim, uint64_t address)
{
    check(ESR_CLASS(esr) == class && ESR_DFSC(esr) == DFSC_EXTERNAL, claim, address, esr);
}

static void probe(uint64_t address)
{
    for (uint64_t bytes = 1; bytes <= 8; bytes *= 2) {
        expect_abort(try(load, address, bytes), CLASS_DATA_ABORT, "a load from a hole aborts", address);
        check(read_register(far_el1) == address, "FAR_EL1 says where", address, read_register(far_el1));
        expect_abort(try(store, address, bytes), CLASS_DATA_ABORT, "a store to a hole aborts", address);
    }
}

/* What has no valid syndrome: pairs, and register write-back. */
static void pair(uint64_t address, uint64_t unused)
{
    uint64_t a, b;

    (void)unused;
    __asm__ volatile("ldp %0, %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(address) : "memory");
}

static void pair_store(uint64_t address, uint64_t unused)
{
    (void)unused;
    __asm__ volatile("stp xzr, xzr, [%0]" ::"r"(address) : "memory");
}

static void write_back(uint64_t address, uint64_t unused)
{
    (void)unused;
    __asm__ volatile("str xzr, [%0], #8" : "+r"(address)::"memory");
}

static void exclusive(uint64_t address, uint64_t unused)
{
    uint64_t a;

    (void)unused;
    __asm__ volatile("ldxr %0, [%1]" : "=r"(a) : "r"(address) : "memory");
}

/* A place of the virtio bus without a device: no magic number, and stores do nothing. */
static void probe_empty_place(uint64_t address)
{
    for (uint64_t bytes = 1; bytes <= 8; bytes *= 2) {
        uint64_t esr = try(store, address, bytes);

        check(esr == 0, "a store to an empty place is taken", address, esr);
    }
    check(read32(address) == 0, "an empty place reads as zero", address, read32(address));
    expect_abort(try(fetch, address, 0), CLASS_FETCH_ABORT, "a fetch from the virtio bus aborts", address);
    expect_abort(try(pair_store, address, 0), CLASS_DATA_ABORT, "a pair to the virtio bus aborts", address);
}

void tiny_run(void)
{
    for (uint64_t a = 0; a < RAM; a += MIB)
        if (!is_device(a))
            probe(a);
    for (uint64_t a = 0x08000000; a < 0x0a100000; a += 4 * KIB)
        if (!is_device(a))
            probe(a + 8);
    for (uint64_t place = 5; place < 16; place++)
        if (place != PLACE_INPUT && place != PLACE_BALLOON)
            probe_empty_place(VIRTIO(place));
    for (uint64_t bit = 33; bit < 39; bit++)
        probe(1ul << bit);
    for (uint64_t bit = 39; bit < 48; bit++) {
        /* Past what there is of physical addresses: an abort or an address size fault, whichever comes first.
         */
        uint64_t esr = try(load, 1ul << bit, 8);
        check(ESR_CLASS(esr) == CLASS_DATA_ABORT, "a load from beyond aborts", 1ul << bit, esr);
    }
    expect_abort(try(fetch, 0x00100000, 0), CLASS_FETCH_ABORT, "a fetch from a hole aborts", 0x00100000);
    expect_abort(try(fetch, 1ul << 36, 0), CLASS_FETCH_ABORT, "a fetch from a hole aborts", 1ul << 36);
    expect_abort(try(fetch, UART, 0), CLASS_FETCH_ABORT, "a fetch from a device aborts", UART);
    expect_abort(try(pair, 0x10000000, 0), CLASS_DATA_ABORT, "a pair from a hole aborts", 0x10000000);
    expect_abort(try(pair, UART, 0), CLASS_DATA_ABORT, "a pair from a device aborts", UART);
    expect_abort(try(write_back, 0x10000000, 0), CLASS_DATA_ABORT, "write-back to a hole aborts", 0x10000000);
    expect_abort(try(exclusive, 0x10000000, 0), CLASS_DATA_ABORT, "an exclusive load aborts", 0x10000000);
}
