/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * waits.c - which requests had to wait
 */
#include "waits.h"

#include <stdio.h>

void waits_note(struct waits *waits, uint32_t taken, uint32_t held, uint64_t ms, const char *work,
                const char *vm)
{
    if (held == 0 || ms < WAITS_LEAST_MS)
        return;
    waits->up_to = taken + held;
    snprintf(waits->text, sizeof waits->text, "waited %llu ms for the %s of %s", (unsigned long long)ms, work,
             vm);
}

void waits_of(struct waits *waits, uint32_t position, char *text)
{
    if ((int32_t)(waits->up_to - position) <= 0)
        waits->text[0] = 0;
    snprintf(text, WAITS_TEXT_BYTES, "%s", waits->text);
}
