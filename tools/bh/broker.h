/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * broker.h - several clients on a machine's one management port (docs/management.md)
 *
 * Part of `bh run`: it listens on a Unix socket (and on TCP, on request), judges the frames of its clients,
 * and puts their numbers on them.  It never waits: a client that does not read loses its connection, one that
 * says too much is not read.
 */
#ifndef BH_BROKER_H
#define BH_BROKER_H

#include <poll.h>
#include <stdbool.h>

#include "options.h"

#define BROKER_CLIENTS_MAX 32u
#define BROKER_POLL_MAX (BROKER_CLIENTS_MAX + 3u)

struct broker;

/* Listen; ends the tool when that cannot be.  `port`: our end of what QEMU has as the machine's port.  The
 * socket is removed at exit. */
struct broker *broker_open(const struct options *options, int port);

/* What to wait for; returns how many of `fds` (BROKER_POLL_MAX) are used. */
unsigned broker_wants(struct broker *broker, struct pollfd *fds);
/* What came of it. */
void broker_serve(struct broker *broker, const struct pollfd *fds, unsigned count);

/* The machine has ended: every client is told. */
void broker_end(struct broker *broker);

/* The machine's management channel answers. */
bool broker_is_up(const struct broker *broker);

#endif
