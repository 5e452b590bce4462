/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * persist.h - what the console must still know after it died
 */
#ifndef CONSOLE_PERSIST_H
#define CONSOLE_PERSIST_H

#include "console.h"

#define PERSIST_BYTES 4096u

struct persist_session {
    uint32_t vm_id; /* 0: none; the index is that of its ring page */
    char name[VM_NAME_BYTES];
};
struct persist_state {
    uint32_t magic;
    uint32_t check;    /* over all that follows */
    uint32_t sequence; /* the newer of the two good copies counts */
    uint32_t generation;
    uint32_t focus;
    uint32_t own_state; /* enum own_state */
    struct persist_session sessions[VM_CONSOLES_MAX];
};
_Static_assert(sizeof(struct persist_state) <= PERSIST_BYTES / 2, "two copies in one page");

/* Initialise `c` from the page.  True: a run before this one left its state there, and it goes on. */
bool persist_load(void *page, struct console *c, struct byte_ring_page *rings);

void persist_save(void *page, const struct console *c);

#endif
