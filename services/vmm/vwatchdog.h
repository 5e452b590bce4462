/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vwatchdog.h - the generic watchdog of Arm's Base System Architecture (DEN 0094, A; Linux: sbsa_gwdt)
 *
 * It counts the system counter.  When it was not refreshed for the guest's offset it raises its interrupt
 * (WS0), after the same time again it resets the system (WS1): here, the VM has crashed.
 *
 * Always true:  it is off until the guest turns it on, and once WS1 is set nothing clears it.
 */
#ifndef VMM_VWATCHDOG_H
#define VMM_VWATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

struct vwatchdog {
    uint64_t (*now)(void);                              /* the guest's system counter */
    void (*interrupt)(void *context, bool is_asserted); /* WS0 */
    void *interrupt_context;
    bool is_on, ws0, ws1;
    uint64_t offset;    /* WOR, 48 bits */
    uint64_t compare;   /* WCV: when the next stage comes */
    uint64_t refreshed; /* when it was last refreshed */
};

/* now and interrupt* are set; make the rest as after power-on. */
void vwatchdog_init(struct vwatchdog *w);
/* The frames' registers: offsets in each. */
uint64_t vwatchdog_refresh_read(struct vwatchdog *w, uint64_t offset, uint32_t size_bytes);
void vwatchdog_refresh_write(struct vwatchdog *w, uint64_t offset, uint32_t size_bytes, uint64_t value);
uint64_t vwatchdog_control_read(struct vwatchdog *w, uint64_t offset, uint32_t size_bytes);
void vwatchdog_control_write(struct vwatchdog *w, uint64_t offset, uint32_t size_bytes, uint64_t value);

/* When it has to be looked at; UINT64_MAX: never. */
uint64_t vwatchdog_deadline(const struct vwatchdog *w);
/* The deadline may have passed.  runs_since: the VM has not been paused since then; what it could not refresh
 * before does not count against it.  True: it has had its time, the VM is to end. */
bool vwatchdog_expire(struct vwatchdog *w, uint64_t runs_since);

#endif
