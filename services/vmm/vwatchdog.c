/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vwatchdog.c - registers and stages of the generic watchdog (Arm DEN 0094, A.2)
 */
#include "vwatchdog.h"

enum {
    WRR = 0x000, /* refresh frame: a write refreshes */
    WCS = 0x000, /* control frame: control and status */
    WOR_LOW = 0x008,
    WOR_HIGH = 0x00c,
    WCV_LOW = 0x010,
    WCV_HIGH = 0x014,
    W_IIDR = 0xfcc,
};
enum { WCS_ON = 1, WCS_WS0 = 2, WCS_WS1 = 4 };
#define IIDR (1u << 16 | 0x43bu) /* revision 1: WOR has 48 bits; JEP106 code of Arm */
#define OFFSET_HIGH_MASK 0xffffu

static void ws0_set(struct vwatchdog *w, bool is_set)
{
    if (w->ws0 == is_set)
        return;
    w->ws0 = is_set;
    w->interrupt(w->interrupt_context, is_set);
}

static void refresh(struct vwatchdog *w, uint64_t when)
{
    if (w->ws1)
        return;
    w->refreshed = when;
    w->compare = when + w->offset;
    ws0_set(w, false);
}

void vwatchdog_init(struct vwatchdog *w)
{
    w->is_on = w->ws0 = w->ws1 = false;
    w->offset = w->compare = w->refreshed = 0;
}

/* 32-bit registers; pairs may be accessed as 64 bits. */
static uint32_t control_register(const struct vwatchdog *w, uint64_t offset)
{
    switch (offset) {
    case WCS:
        return (w->is_on ? WCS_ON : 0u) | (w->ws0 ? WCS_WS0 : 0u) | (w->ws1 ? WCS_WS1 : 0u);
    case WOR_LOW:
        return (uint32_t)w->offset;
    case WOR_HIGH:
        return (uint32_t)(w->offset >> 32);
    case WCV_LOW:
        return (uint32_t)w->compare;
    case WCV_HIGH:
        return (uint32_t)(w->compare >> 32);
    case W_IIDR:
        return IIDR;
    default:
        return 0;
    }
}

static uint64_t word_set(uint64_t old, bool is_high, uint32_t value)
{
    return is_high ? (old & 0xffffffffu) | (uint64_t)value << 32 : (old & ~0xffffffffull) | value;
}

/* Writes to WCS and WOR refresh, too (A.2.2); one to WCV says when. */
static void control_register_set(struct vwatchdog *w, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case WCS:
        w->is_on = (value & WCS_ON) != 0;
        refresh(w, w->now());
        break;
    case WOR_LOW:
        w->offset = word_set(w->offset, false, value);
        refresh(w, w->now());
        break;
    case WOR_HIGH:
        w->offset = word_set(w->offset, true, value & OFFSET_HIGH_MASK);
        refresh(w, w->now());
        break;
    case WCV_LOW:
    case WCV_HIGH:
        w->compare = word_set(w->compare, offset == WCV_HIGH, value);
        break;
    default:
        break;
    }
}

uint64_t vwatchdog_refresh_read(struct vwatchdog *w, uint64_t offset, uint32_t size_bytes)
{
    (void)w;
    return size_bytes == 4 && offset == W_IIDR ? IIDR : 0;
}

void vwatchdog_refresh_write(struct vwatchdog *w, uint64_t offset, uint32_t size_bytes, uint64_t value)
{
    (void)value;
    if (size_bytes == 4 && offset == WRR)
        refresh(w, w->now());
}

uint64_t vwatchdog_control_read(struct vwatchdog *w, uint64_t offset, uint32_t size_bytes)
{
    if (size_bytes == 8)
        return control_register(w, offset) | (uint64_t)control_register(w, offset + 4) << 32;
    return size_bytes == 4 ? control_register(w, offset) : 0;
}

void vwatchdog_control_write(struct vwatchdog *w, uint64_t offset, uint32_t size_bytes, uint64_t value)
{
    if (size_bytes != 4 && size_bytes != 8)
        return;
    control_register_set(w, offset, (uint32_t)value);
    if (size_bytes == 8)
        control_register_set(w, offset + 4, (uint32_t)(value >> 32));
}

uint64_t vwatchdog_deadline(const struct vwatchdog *w)
{
    return w->is_on && !w->ws1 ? w->compare : UINT64_MAX;
}

bool vwatchdog_expire(struct vwatchdog *w, uint64_t runs_since)
{
    if (w->ws1)
        return true;
    if (runs_since > w->refreshed)
        refresh(w, runs_since);
    if (w->now() < vwatchdog_deadline(w))
        return false;
    if (w->ws0) {
        w->ws1 = true;
        return true;
    }
    w->compare = w->now() + w->offset;
    ws0_set(w, true);
    return false;
}
