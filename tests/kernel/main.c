/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - run every test, print one line each, end the machine
 *
 * Option `only=PREFIX` runs those whose name starts so.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ktest.h"

#define UART ((volatile uint32_t *)DEVICE_IPA)
enum { SLOT_UART = 90, SLOT_COPIED = 95, SLOT_NEVER = 96 };

extern const struct ktest __start_ktests[], __stop_ktests[];
const struct boot_info *const kt_boot = (const struct boot_info *)BOOTINFO_IPA;
bool kt_exact;
static unsigned failures;
static slot_t ram_slot;

/* ---- saying what is ----------------------------------------------------------------------------- */

static void put(const char *s)
{
    for (; *s; s++) {
        while (UART[6] & 32)
            ;
        UART[0] = (uint8_t)*s;
    }
}

void kt_print(const char *format, ...)
{
    char line[256];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    put(line);
}

void kt_fail(const char *file, int line, const char *what, uint64_t got, uint64_t wanted)
{
    if (failures++ < 20)
        kt_print("  %s:%d: %s is %llu (0x%llx), not %llu\n", file, line, what, (unsigned long long)got,
                 (unsigned long long)got, (unsigned long long)wanted);
}

/* ---- what tests use ------------------------------------------------------------------------------ */

enum status kt_make(enum cap_kind kind, uint64_t size, slot_t slot)
{
    return bh_untyped_retype(POOL, kind, size, 1, CSPACE, slot);
}

enum status kt_copy(slot_t from, slot_t to, uint32_t rights)
{
    return bh_cspace_copy(CSPACE, from, CSPACE, to, rights);
}

enum status kt_mint(slot_t from, slot_t to, uint32_t rights, uint64_t badge)
{
    return bh_cspace_mint(CSPACE, from, CSPACE, to, rights, badge);
}

enum status kt_delete(slot_t slot)
{
    return bh_cspace_delete(CSPACE, slot);
}

enum status kt_revoke(slot_t slot)
{
    return bh_cspace_revoke(CSPACE, slot);
}

uint64_t kt_used(slot_t untyped)
{
    uint64_t base, size, used;

    EXPECT(bh_untyped_info(untyped, &base, &size, &used), OK);
    return used;
}

void kt_sleep_ms(uint64_t ms)
{
    /* In naps: the host may stop this pCPU until after a deadline, and then the others here had no time. */
    for (uint64_t i = 0; i < ms; i++) {
        uint64_t bits;

        EXPECT(bh_notification_wait(SLOT_NEVER, bh_after_ms(1), &bits), ERR_TIME);
    }
}

uint64_t kt_raw(uint64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                uint64_t a7)
{
    register uint64_t x0 __asm__("x0") = number;
    register uint64_t x1 __asm__("x1") = a1;
    register uint64_t x2 __asm__("x2") = a2;
    register uint64_t x3 __asm__("x3") = a3;
    register uint64_t x4 __asm__("x4") = a4;
    register uint64_t x5 __asm__("x5") = a5;
    register uint64_t x6 __asm__("x6") = a6;
    register uint64_t x7 __asm__("x7") = a7;

    __asm__ volatile("svc #0"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4)
                     : "r"(x5), "r"(x6), "r"(x7)
                     : "memory");
    return x0;
}

slot_t kt_device(uint64_t base)
{
    for (uint32_t i = 0; i < kt_boot->untyped_count; i++)
        if (kt_boot->untyped[i].base == base && kt_boot->untyped[i].kind == UNTYPED_DEVICE)
            return kt_boot->untyped[i].slot;
    return 0;
}

/* ---- around each test ------------------------------------------------------------------------------ */

static void map_uart(void)
{
    if (bh_untyped_retype(kt_device(0x09000000), CAP_FRAME, FRAME_4K, 1, CSPACE, SLOT_UART) != OK ||
        bh_aspace_map(ASPACE, SLOT_UART, DEVICE_IPA, RW) != OK)
        __builtin_trap();
}

static void make_pool(void)
{
    for (uint32_t i = 0; i < kt_boot->untyped_count; i++)
        if (kt_boot->untyped[i].kind == UNTYPED_RAM && kt_boot->untyped[i].size > POOL_BYTES * 2 && !ram_slot)
            ram_slot = kt_boot->untyped[i].slot;
    if (bh_untyped_retype(ram_slot, CAP_UNTYPED, POOL_BYTES, 1, CSPACE, POOL) != OK ||
        bh_untyped_retype(ram_slot, CAP_NOTIFICATION, 0, 1, CSPACE, SLOT_NEVER) != OK)
        __builtin_trap();
}

static bool empty(slot_t slot)
{
    /* Copying from an empty slot says ERR_CAP whatever else. */
    return kt_copy(slot, SLOT_COPIED, RIGHT_ALL) == ERR_CAP;
}

static void clean_up(void)
{
    kt_plans_reset();
    EXPECT(kt_revoke(POOL), OK);
    EXPECT(kt_used(POOL), 0);
    for (slot_t s = FIRST; s < FIRST + 1000; s++)
        if (!empty(s)) {
            kt_fail("slot left behind by the test", (int)s, "slot", s, 0);
            EXPECT(kt_delete(s), OK);
            EXPECT(kt_delete(SLOT_COPIED), OK);
        }
}

/* "only=PREFIX" among the boot options. */
static const char *only(void)
{
    const char *at = strstr(kt_boot->options, "only=");

    return at ? at + 5 : "";
}

static bool wanted(const char *name)
{
    const char *prefix = only();
    size_t n = strcspn(prefix, " ");

    return strncmp(name, prefix, n) == 0;
}

int main(void)
{
    unsigned passed = 0, failed = 0;

    kt_exact = strstr(kt_boot->options, "exact=1") != NULL;
    map_uart();
    make_pool();
    for (const struct ktest *t = __start_ktests; t < __stop_ktests; t++) {
        if (!wanted(t->name))
            continue;
        uint64_t began = bh_now();

        failures = 0;
        t->run();
        clean_up();
        uint64_t ms = bh_ticks_to_us(bh_now() - began) / 1000;
        kt_print("%s %s", failures ? "FAIL" : "ok", t->name);
        if (ms >= 100)
            kt_print(" (%llu ms)", (unsigned long long)ms);
        kt_print("\n");
        if (failures)
            failed++;
        else
            passed++;
    }
    kt_print("%u passed, %u failed\n", passed, failed);
    kt_print("\033]bh;exit=%d;\007", failed ? 1 : 0);
    EXPECT(bh_control_off(INIT_SLOT_CONTROL, 0), OK);
    return 0;
}
