/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.c - the boot options, "key=value key=value"
 */
#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "abi.h"

bool option_find(const char *options, const char *key, char *value, uint32_t value_bytes)
{
    size_t key_bytes = strlen(key);

    for (const char *at = options; *at; at += strcspn(at, " ")) {
        size_t bytes;

        at += strspn(at, " ");
        if (strncmp(at, key, key_bytes) != 0 || at[key_bytes] != '=')
            continue;
        at += key_bytes + 1;
        bytes = strcspn(at, " ");
        if (bytes >= value_bytes)
            return false;
        memcpy(value, at, bytes);
        value[bytes] = 0;
        return true;
    }
    return false;
}

/* MARK and a number at *at, which then points behind them; `number` stays as it is when there is none. */
static bool number_take(const char **at, char mark, uint64_t *number)
{
    char *end;

    if (**at == 0 || (mark == '/' && **at != '/'))
        return true;
    if (**at != mark || (*at)[1] < '0' || (*at)[1] > '9')
        return false;
    *number = strtoul(*at + 1, &end, 10);
    *at = end;
    return true;
}

bool crash_hook_parse(struct crash_hook *hook, const char *options)
{
    char value[sizeof(hook->names) + 32];
    const char *at;
    size_t bytes;
    uint64_t thread = 0, after_ms = 0, times = 1, every_ms = CRASH_EVERY_MS;

    memset(hook, 0, sizeof(*hook));
    if (!option_find(options, "crash", value, sizeof(value)))
        return false;
    bytes = strcspn(value, "/:");
    at = value + bytes;
    if (bytes == 0 || bytes >= sizeof(hook->names))
        return false;
    if (!number_take(&at, '/', &thread) || !number_take(&at, ':', &after_ms) ||
        !number_take(&at, ':', &times) || !number_take(&at, ':', &every_ms) || *at || times > 1000 ||
        thread > VCPU_INDEX_MAX)
        return false;
    memcpy(hook->names, value, bytes);
    hook->thread = (uint32_t)thread;
    hook->after_ms = after_ms;
    hook->times = (uint32_t)times;
    hook->every_ms = every_ms;
    return true;
}

void crash_hook_turn(struct crash_hook *hook, char *name)
{
    size_t bytes = strcspn(hook->names + hook->next, ",");

    memcpy(name, hook->names + hook->next, bytes);
    name[bytes] = 0;
    hook->next += (uint32_t)bytes;
    hook->next = hook->names[hook->next] ? hook->next + 1 : 0;
}
