/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listen.h - where a machine's management channel is to be found
 */
#ifndef BH_LISTEN_H
#define BH_LISTEN_H

#include <stdbool.h>

/* The directory of machines' sockets: $XDG_RUNTIME_DIR/bulkhead, or /tmp/bulkhead-UID. */
char *socket_directory(void);
/* Whether it is there, and nobody else's: another's sockets could be anything. */
bool socket_directory_is_own(void);
/* "DIRECTORY/NAME.sock" */
char *socket_path(const char *name);

/*
 * Listen on a Unix socket with mode 0600, which is removed at exit.  A socket that nobody listens on any more
 * is replaced.  `must` false: -1 when another machine has it; else that ends the tool.
 */
int listen_unix(const char *path, bool must);
/* The one that listen_unix() made; NULL: none. */
const char *listen_path(void);
/* Remove it now: before anybody hears that the machine is off. */
void listen_remove(void);
/* The default directory is made, with mode 0700, and must be the user's own. */
void socket_directory_make(void);

/* Listen on 127.0.0.1. */
int listen_tcp(unsigned port);

#endif
