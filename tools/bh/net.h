/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.h - the machine's network card, and what its cable leads to
 */
#ifndef BH_NET_H
#define BH_NET_H

#include <stdbool.h>
#include <stdint.h>

#define NET_ARGUMENTS_MAX 4u /* that net_arguments adds */

struct net_options {
    const char *net; /* --net; NULL: no card */
    const char *nic; /* --nic; NULL: virtio */
    const char *mac; /* --mac; NULL: made from what the machine is */
};

/*
 * Judge them, before anything is started; ends the tool with a line that says what is wrong.  The card of a
 * machine has the same address each time: made from `identity`, the path of its disk or, without one, of its
 * first VM file (NULL: none), and from the host's name.
 */
void net_check(struct net_options *net, const char *identity);

/* Appends QEMU's arguments for the card; returns the new count. */
uint32_t net_arguments(const struct net_options *net, char **argv, uint32_t count);

#endif
