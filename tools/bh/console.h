/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * console.h - a VM's console on this terminal
 */
#ifndef BH_CONSOLE_H
#define BH_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "client.h"

struct console {
    struct client *client;
    const char *vm;
    bool watch_only;
    bool no_backlog; /* only what it writes from now on */
    bool json;       /* what it writes as lines of JSON */
    uint32_t stream;
};

/* Attach; the tool ends if there is no such VM. */
void console_attach(struct console *console);
/* Carry bytes until the VM has ended (0), Ctrl-] was typed (0), or a signal came (128 + its number). */
int console_serve(struct console *console);

#endif
