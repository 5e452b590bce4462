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

extern const struct ktest __start_ktests[], __stop_ktests[];
const struct boot_info *const kt_boot = (const struct boot_info *)BOOTINFO_IPA;
static unsigned failures;
static slot_t ram_slot;

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
    failures++;
    kt_print("  %s:%d: %s is %llu (0x%llx), not %llu\n", file, line, what, (unsigned long long)got,
             (unsigned long long)got, (unsigned long long)wanted);
}

enum status kt_make(enum cap_kind kind, uint64_t size, slot_t slot)
{
    return bh_untyped_retype(POOL, kind, size, 1, INIT_SLOT_CSPACE, slot);
}

static void map_uart(void)
{
    for (uint32_t i = 0; i < kt_boot->untyped_count; i++) {
        const struct boot_untyped *u = &kt_boot->untyped[i];

        if (u->kind == UNTYPED_RAM && u->size > POOL_BYTES * 2 && !ram_slot)
            ram_slot = u->slot;
        if (u->base != 0x09000000)
            continue;
        if (bh_untyped_retype(u->slot, CAP_FRAME, FRAME_4K, 1, INIT_SLOT_CSPACE, 90) != OK ||
            bh_aspace_map(INIT_SLOT_ASPACE, 90, DEVICE_IPA, RIGHT_READ | RIGHT_WRITE) != OK)
            __builtin_trap();
    }
}

static bool empty(slot_t slot)
{
    /* Copying from an empty slot says ERR_CAP whatever else. */
    return bh_cspace_copy(INIT_SLOT_CSPACE, slot, INIT_SLOT_CSPACE, 95, RIGHT_ALL) == ERR_CAP;
}

static void clean_up(void)
{
    static const slot_t init_only[] = {INIT_SLOT_SC};

    kt_plan(0, init_only, 0);
    for (uint32_t i = 1; i < kt_boot->pcpu_count; i++)
        kt_plan(i, NULL, 0);
    EXPECT(bh_cspace_revoke(INIT_SLOT_CSPACE, POOL), OK);
    for (slot_t s = FIRST; s < FIRST + 1000; s++)
        if (!empty(s)) {
            kt_fail("slot left behind by the test", (int)s, "slot", s, 0);
            EXPECT(bh_cspace_delete(INIT_SLOT_CSPACE, s), OK);
            EXPECT(bh_cspace_delete(INIT_SLOT_CSPACE, 95), OK);
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

    map_uart();
    if (bh_untyped_retype(ram_slot, CAP_UNTYPED, POOL_BYTES, 1, INIT_SLOT_CSPACE, POOL) != OK)
        __builtin_trap();
    for (const struct ktest *t = __start_ktests; t < __stop_ktests; t++) {
        if (!wanted(t->name))
            continue;
        failures = 0;
        t->run();
        clean_up();
        kt_print("%s %s\n", failures ? "FAIL" : "ok", t->name);
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
