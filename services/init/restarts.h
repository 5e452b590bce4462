/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * restarts.h - how often a service may die
 *
 * A service that faults at once after each start would keep the machine busy for ever: after RESTARTS_MAX
 * within RESTARTS_SECONDS it is left down.
 */
#ifndef INIT_RESTARTS_H
#define INIT_RESTARTS_H

#include <stdbool.h>
#include <stdint.h>

#define RESTARTS_MAX 5u
#define RESTARTS_SECONDS 10u

struct restarts {
    uint64_t at[RESTARTS_MAX]; /* ticks; a ring, the oldest is at[count % RESTARTS_MAX] */
    uint32_t count;
};

/* It died at `now` (ticks): may it start again?  Counts the restart if so. */
static inline bool restarts_allow(struct restarts *restarts, uint64_t now, uint64_t hz)
{
    uint64_t *oldest = &restarts->at[restarts->count % RESTARTS_MAX];

    if (restarts->count >= RESTARTS_MAX && now - *oldest < RESTARTS_SECONDS * hz)
        return false;
    *oldest = now;
    restarts->count++;
    return true;
}

#endif
