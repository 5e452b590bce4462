/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * detach.h - a machine in the background: `bh run -d`
 */
#ifndef BH_DETACH_H
#define BH_DETACH_H

#include "options.h"

/*
 * Fork.  In the child, which becomes the machine's: returns the descriptor for detach_ready().  In the
 * parent: waits until the machine is up or has ended, says which, and exits.
 */
int detach_fork(const struct options *options);

/* --log, or beside its socket: NAME.sock has NAME.log. */
char *detach_log_path(const struct options *options, const char *socket);

/* In the child: open the machine's log, and let stdin and stdout be no terminal's any more; returns its
 * descriptor. */
int detach_log_open(const struct options *options, const char *socket);

/* The machine is up: tell the parent, and let go of its terminal.  False: nobody waits any more. */
bool detach_ready(int ready, int log, const struct options *options, const char *socket);

#endif
