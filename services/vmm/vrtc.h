/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vrtc.h - a PL031 real-time clock (Arm DDI 0224)
 *
 * Counts seconds from what VmConfig.epoch_seconds says the machine started at.  The alarm can be set and read
 * back; its raw status is right when somebody looks, and it interrupts when the vmm next looks at it
 * (vrtc_tick).
 */
#ifndef VMM_VRTC_H
#define VMM_VRTC_H

#include <stdbool.h>
#include <stdint.h>

struct vrtc {
    uint64_t (*seconds)(void); /* since the machine started */
    void (*interrupt)(void *context, bool is_asserted);
    void *interrupt_context;
    uint32_t offset; /* RTCDR - seconds() */
    uint32_t load;
    uint32_t match;
    uint32_t mask;
    uint32_t raw;
    uint32_t last_seen; /* RTCDR when the alarm was last compared */
    bool is_asserted;
};

void vrtc_init(struct vrtc *rtc, uint32_t epoch_seconds);
uint64_t vrtc_read(struct vrtc *rtc, uint64_t offset, uint32_t size_bytes);
void vrtc_write(struct vrtc *rtc, uint64_t offset, uint32_t size_bytes, uint64_t value);
/* Compare the alarm, if it can interrupt at all. */
void vrtc_tick(struct vrtc *rtc);

#endif
