/* SPDX-License-Identifier: BSD-2-Clause */
/* serve.h - the capabilities that serve.c hands to a vmm; made in machine.c */
#ifndef BLKDRV_SERVE_H
#define BLKDRV_SERVE_H

#include "abi.h"

/* The ring (page 0) or a pool page of a client: ours, to send a copy of. */
slot_t machine_client_frame(uint32_t client, uint32_t page);
/* What the client rings when it has put requests; 0: no slot left. */
slot_t machine_client_doorbell(uint32_t client);

#endif
