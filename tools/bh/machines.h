/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machines.h - which machines there are, and how one is named
 */
#ifndef BH_MACHINES_H
#define BH_MACHINES_H

#include <stdbool.h>

struct machine_name {
    char *name; /* of the socket, without .sock */
    char *path;
};

/* Those whose socket somebody listens on, by name; ends with a NULL name. */
struct machine_name *machines_list(void);

/*
 * Connect to the machine that --machine (or $BULKHEAD_MACHINE) names: "default" if NULL; a path if there is a
 * slash in it; a machine's name; else, if it is a number, a port of 127.0.0.1.  *where is then what it is
 * called in messages.  Ends the tool when it cannot be reached, with what was looked for and what there is.
 */
int machine_connect(const char *machine, char **where);
/* Connect to a socket; -1: nobody is there. */
int machine_connect_path(const char *path);

#endif
