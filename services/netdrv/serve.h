/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * serve.h - capabilities that serve.c hands to vmms, and takes from them (machine.c)
 */
#ifndef NETDRV_SERVE_H
#define NETDRV_SERVE_H

#include "machine.h"

/* The capability of a block's Frame: it stays ours. */
slot_t machine_block_frame(uint32_t block);
/* A session on our events that signals the port's EV_BELL; 0: it cannot be had. */
slot_t machine_port_doorbell(uint32_t port);
/* From now on this is the Notification of the port's vmm; `slot` is empty afterwards, and free. */
enum status machine_port_notify(uint32_t port, slot_t slot) BH_NODISCARD;
/* Empty our CSpace of what an earlier life left in it, but for what it kept on purpose. */
void machine_tidy(void);

#endif
