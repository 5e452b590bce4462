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

/* crash=NAME[/THREAD][:MILLISECONDS[:TIMES]]: a test wants this service, or the vmm of this VM, to fault that
 * long after boot, once or more often; with THREAD that thread of the vmm, the next time it runs. */
struct crash_hook {
    char name[32];   /* "": none */
    uint32_t thread; /* 0: the main one */
    uint64_t after_ms;
    uint32_t times; /* left */
    uint64_t at;    /* when next, in ticks */
};
bool crash_hook_parse(struct crash_hook *hook, const char *options);

#endif
