/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpulist.c - see cpulist.h
 */
#include "cpulist.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FORM "pCPUs are as 2, 0-3 or 0-3,^1; or all"

/* A number at *at, which is moved behind it; CPULIST_PCPUS_MAX when it is none, or too large. */
static uint32_t number_read(const char **at)
{
    unsigned long value;
    char *end;

    if (strspn(*at, "0123456789") == 0)
        return CPULIST_PCPUS_MAX;
    value = strtoul(*at, &end, 10);
    *at = end;
    return value < CPULIST_PCPUS_MAX ? (uint32_t)value : CPULIST_PCPUS_MAX;
}

/* "3", "0-3", "^1", "^0-1". */
static const char *range_read(const char **at, uint32_t *pcpus)
{
    bool is_out = **at == '^';
    uint32_t first, last, range;

    *at += is_out;
    if (!strncmp(*at, "node", 4))
        return "a machine has one NUMA node: name its pCPUs";
    if (!strncmp(*at, "all", 3))
        return "all stands alone: how many pCPUs a machine has is not in the file";
    first = last = number_read(at);
    if (**at == '-') {
        ++*at;
        last = number_read(at);
    }
    if (first >= CPULIST_PCPUS_MAX || last >= CPULIST_PCPUS_MAX)
        return FORM ", each from 0 to 15";
    if (last < first)
        return "a range goes up, as 0-3";
    range = (2u << last) - (1u << first);
    *pcpus = is_out ? *pcpus & ~range : *pcpus | range;
    return NULL;
}

const char *cpulist_parse(const char *text, uint32_t *pcpus)
{
    const char *at = text, *wrong;

    *pcpus = CPULIST_ANY;
    if (!*text || !strcmp(text, "all"))
        return NULL;
    *pcpus = 0;
    for (;;) {
        at += strspn(at, " \t");
        wrong = range_read(&at, pcpus);
        at += strspn(at, " \t");
        if (wrong || !*at)
            break;
        if (*at++ != ',')
            return FORM;
    }
    return wrong ? wrong : *pcpus ? NULL : "no pCPU is left";
}

uint32_t cpulist_pick(uint32_t pcpus, uint32_t index)
{
    for (index %= (uint32_t)__builtin_popcount(pcpus); index; index--)
        pcpus &= pcpus - 1;
    return (uint32_t)__builtin_ctz(pcpus);
}
