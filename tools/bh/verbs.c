/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verbs.c - all that `bh` can be told, in the order in which help lists it
 */
#include "verbs.h"

#include <string.h>

const struct verb *const verbs[] = {
    /* machines */
    &verb_run,
    &verb_machines,
    &verb_info,
    &verb_images,
    &verb_domains,
    &verb_dmesg,
    &verb_metrics,
    /* VMs */
    &verb_list,
    &verb_create,
    &verb_start,
    &verb_console,
    &verb_pause,
    &verb_unpause,
    &verb_shutdown,
    &verb_reboot,
    &verb_destroy,
    &verb_rename,
    &verb_dominfo,
    &verb_domid,
    &verb_domname,
    &verb_domuuid,
    &verb_domstate,
    &verb_uptime,
    &verb_top,
    &verb_config_update,
    /* processors, memory, devices */
    &verb_vcpu_list,
    &verb_vcpu_pin,
    &verb_sched,
    &verb_mem_set,
    &verb_block_list,
    &verb_block_attach,
    &verb_block_detach,
    &verb_network_list,
    &verb_network_attach,
    &verb_network_detach,
    /* the tool */
    &verb_help,
    &verb_completion,
    NULL,
};

/* Whether `words`, with blanks between, has `word`. */
static bool words_have(const char *words, const char *word)
{
    size_t length = strlen(word);

    while (words && *words) {
        size_t next = strcspn(words, " ");

        if (next == length && !strncmp(words, word, length))
            return true;
        words += next + strspn(words + next, " ");
    }
    return false;
}

const struct verb *verb_find(const char *word)
{
    for (const struct verb *const *v = verbs; *v; v++)
        if (!strcmp((*v)->name, word) || words_have((*v)->aliases, word))
            return *v;
    return NULL;
}
