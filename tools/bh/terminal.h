/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * terminal.h - the person's terminal, raw while its keys go to a machine
 */
#ifndef BH_TERMINAL_H
#define BH_TERMINAL_H

#include <stddef.h>

#define KEY_LEAVE '\x1d' /* Ctrl-] */

/* Each key comes as it is typed, until terminal_restore() or the tool's end; nothing if stdin is no terminal.
 */
void terminal_make_raw(void);
void terminal_restore(void);

/* SIGINT, SIGTERM and SIGHUP are noted instead of ending the tool, so that the terminal can be restored. */
void signals_catch(void);
/* The one that came; 0: none. */
int signal_caught(void);

/* Write all, whatever it takes; what nobody reads any more is dropped, and so is the rest when a signal
 * comes. */
void output_write(const char *bytes, size_t count);

#endif
