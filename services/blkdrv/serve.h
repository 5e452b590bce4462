/* SPDX-License-Identifier: BSD-2-Clause */
/* serve.h - the capabilities that serve.c hands to a vmm; made in machine.c */
#ifndef BLKDRV_SERVE_H
#define BLKDRV_SERVE_H

#include "abi.h"

/* The Frame of a block: ours, to send a copy of. */
slot_t machine_block_frame(uint32_t block);
/* What the client rings when it has put requests; 0: it cannot be had. */
slot_t machine_client_doorbell(uint32_t client);
/* From now on this is the client's Notification; `slot` is empty afterwards, and free. */
enum status machine_client_notify(uint32_t client, slot_t slot) BH_NODISCARD;

#endif
