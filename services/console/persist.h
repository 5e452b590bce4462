/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * persist.h - what the console must still know after it died
 */
#ifndef CONSOLE_PERSIST_H
#define CONSOLE_PERSIST_H

#include "console.h"

/* Copies of the state, then of each session: lib/bh/copies.h. */
#define PERSIST_COPY_BYTES 64u
#define PERSIST_BYTES (2u * PERSIST_COPY_BYTES * (VM_CONSOLES_MAX + 1u))

/* Initialise `c` from the pages.  True: a run before this one left its state there, and it goes on. */
bool persist_load(void *pages, struct console *c, struct byte_ring_page *rings);

/* Into the pages that persist_load() had: what has changed. */
void persist_save(const struct console *c);

#endif
