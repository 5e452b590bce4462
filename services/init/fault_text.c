/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault_text.c - a fault in words
 *
 * ESR_ELx: Arm ARM D17.2.37; the fault status codes are those of ISS encodings for aborts there.
 */
#include "fault_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

static const char *exception_class(uint32_t ec)
{
    switch (ec) {
    case 0x00:
        return "undefined instruction";
    case 0x07:
        return "FP or SIMD access";
    case 0x0e:
        return "illegal execution state";
    case 0x11:
    case 0x15:
        return "SVC";
    case 0x16:
        return "HVC";
    case 0x17:
        return "SMC";
    case 0x18:
        return "system register access";
    case 0x20:
    case 0x21:
        return "instruction abort";
    case 0x22:
        return "misaligned pc";
    case 0x24:
    case 0x25:
        return "data abort";
    case 0x26:
        return "misaligned stack";
    case 0x2f:
        return "SError";
    case 0x3c:
        return "brk: it gave up by itself";
    default:
        return "exception";
    }
}

static const char *fault_status(uint32_t fsc)
{
    switch (fsc >> 2) {
    case 0:
        return ", address size";
    case 1:
        return ", translation";
    case 2:
        return ", access flag";
    case 3:
        return ", permission";
    case 4:
        return ", external abort";
    case 8:
        return fsc == 0x21 ? ", alignment" : "";
    default:
        return "";
    }
}

void fault_text(char *text, uint32_t text_bytes, const char *name, const struct bh_msg *msg)
{
    uint64_t esr = msg->w[0], far = msg->w[1], pc = msg->w[3];
    uint32_t ec = (uint32_t)(esr >> 26) & 0x3f;
    bool is_abort = ec == 0x20 || ec == 0x21 || ec == 0x24 || ec == 0x25;
    int n;

    if (INFO_LABEL(msg->info) != EXIT_FAULT) {
        snprintf(text, text_bytes, "%s ended: exit %" PRIu32 ", words 0x%" PRIx64 " 0x%" PRIx64, name,
                 INFO_LABEL(msg->info), msg->w[0], msg->w[1]);
        return;
    }
    n = snprintf(text, text_bytes, "%s faulted: ESR 0x%" PRIx64 " (%s%s) at pc 0x%" PRIx64, name, esr,
                 exception_class(ec), is_abort ? fault_status((uint32_t)esr & 0x3f) : "", pc);
    if (is_abort && n > 0 && (uint32_t)n < text_bytes)
        snprintf(text + n, text_bytes - (uint32_t)n, ", address 0x%" PRIx64, far);
}
