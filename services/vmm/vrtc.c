/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vrtc.c - the PL031's registers
 */
#include "vrtc.h"

enum { /* Arm DDI 0224, 3.2 */
       RTCDR = 0x00,
       RTCMR = 0x04,
       RTCLR = 0x08,
       RTCCR = 0x0c,
       RTCIMSC = 0x10,
       RTCRIS = 0x14,
       RTCMIS = 0x18,
       RTCICR = 0x1c,
       RTC_ID = 0xfe0,
};

static uint32_t now(const struct vrtc *rtc)
{
    return (uint32_t)rtc->seconds() + rtc->offset;
}

static void interrupt_update(struct vrtc *rtc)
{
    bool is_asserted = (rtc->raw & rtc->mask) != 0;

    if (is_asserted == rtc->is_asserted)
        return;
    rtc->is_asserted = is_asserted;
    rtc->interrupt(rtc->interrupt_context, is_asserted);
}

/* The alarm goes off when the count passes the match value; the count wraps, so it is a distance that counts.
 */
static void alarm_compare(struct vrtc *rtc)
{
    uint32_t count = now(rtc);

    if (count != rtc->last_seen && rtc->match - rtc->last_seen - 1 < count - rtc->last_seen)
        rtc->raw = 1;
    rtc->last_seen = count;
    interrupt_update(rtc);
}

void vrtc_init(struct vrtc *rtc, uint32_t epoch_seconds)
{
    rtc->offset = epoch_seconds;
    rtc->load = epoch_seconds;
    rtc->match = rtc->mask = rtc->raw = 0;
    rtc->is_asserted = false;
    rtc->last_seen = now(rtc);
}

void vrtc_tick(struct vrtc *rtc)
{
    if (rtc->mask != 0)
        alarm_compare(rtc);
}

static uint32_t id_read(uint64_t offset)
{
    static const uint8_t ids[] = {0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    return ids[(offset - RTC_ID) / 4];
}

uint64_t vrtc_read(struct vrtc *rtc, uint64_t offset, uint32_t size_bytes)
{
    (void)size_bytes;
    if (offset >= RTC_ID)
        return id_read(offset);
    alarm_compare(rtc);
    switch (offset) {
    case RTCDR:
        return now(rtc);
    case RTCMR:
        return rtc->match;
    case RTCLR:
        return rtc->load;
    case RTCCR:
        return 1; /* it cannot be stopped */
    case RTCIMSC:
        return rtc->mask;
    case RTCRIS:
        return rtc->raw;
    case RTCMIS:
        return rtc->raw & rtc->mask;
    default:
        return 0;
    }
}

void vrtc_write(struct vrtc *rtc, uint64_t offset, uint32_t size_bytes, uint64_t value)
{
    (void)size_bytes;
    alarm_compare(rtc);
    switch (offset) {
    case RTCMR:
        rtc->match = (uint32_t)value;
        break;
    case RTCLR:
        rtc->load = (uint32_t)value;
        rtc->offset = rtc->load - (uint32_t)rtc->seconds();
        rtc->last_seen = rtc->load;
        break;
    case RTCIMSC:
        rtc->mask = value & 1;
        break;
    case RTCICR:
        if ((value & 1) != 0)
            rtc->raw = 0;
        break;
    default:
        break;
    }
    interrupt_update(rtc);
}
