/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.c - the boot options, "key=value key=value"
 */
#include "options.h"

#include <stdlib.h>
#include <string.h>

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

bool crash_hook_parse(struct crash_hook *hook, const char *options)
{
    char value[sizeof(hook->name) + 16];
    char *colon;

    memset(hook, 0, sizeof(*hook));
    if (!option_find(options, "crash", value, sizeof(value)))
        return false;
    colon = strchr(value, ':');
    if (colon) {
        char *end;

        *colon = 0;
        hook->after_ms = strtoul(colon + 1, &end, 10);
        if (end == colon + 1 || *end)
            return false;
    }
    if (strlen(value) == 0 || strlen(value) >= sizeof(hook->name))
        return false;
    strcpy(hook->name, value);
    return true;
}
