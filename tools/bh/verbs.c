/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verbs.c - all that `bh` can be told, in the order in which help lists it
 */
#include "verbs.h"

#include <string.h>

const struct verb *const verbs[] = {
    &verb_run,     &verb_machines, &verb_info,     /* machines */
    &verb_list,    &verb_dominfo,  &verb_domid,    /* VMs */
    &verb_domname, &verb_domuuid,  &verb_domstate, /* */
    &verb_uptime,                                  /* */
    &verb_help,    NULL,                           /* the tool */
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
