/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - the boot options, "key=value key=value"
 */
#ifndef INIT_OPTIONS_H
#define INIT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Copy the value of `key` to `value`; false when it is not there or does not fit. */
bool option_find(const char *options, const char *key, char *value, uint32_t value_bytes);

#define CRASH_EVERY_MS 200u

/* crash=NAME[,NAME...][/THREAD][:MILLISECONDS[:TIMES[:EVERY]]]: a test wants this service, or the vmm of this
 * VM, to fault that long after boot, once or more often, every EVERY (CRASH_EVERY_MS) milliseconds; of
 * several, each in its turn.  With THREAD that thread of the vmm, the next time it runs. */
struct crash_hook {
    char names[96];  /* with commas between; "": none */
    uint32_t next;   /* in names: whose turn it is */
    uint32_t thread; /* 0: the main one */
    uint64_t after_ms;
    uint64_t every_ms;
    uint32_t times; /* left */
    uint64_t at;    /* when next, in ticks */
};
bool crash_hook_parse(struct crash_hook *hook, const char *options);
/* Whose turn it is; the next one's after this.  `name` holds sizeof hook->names bytes. */
void crash_hook_turn(struct crash_hook *hook, char *name);

#endif
