/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic.h - a physical network card, whichever it is
 *
 * nic.c finds out what the PCI function is and hands over to its driver: nic_virtio.c (virtio-net,
 * virtio 1.1, 5.1) or nic_e1000e.c (Intel 82574L).  Buffers are the driver's own: what is sent is copied into
 * them before nic_send returns, and what was received stays until nic_receive_done.  The device reaches these
 * buffers and its queues only (IOVA_* in machine.h).
 *
 * A device that goes wrong (faults at the SMMU, nonsense in a queue, silence) is reset; packets in it are
 * lost; one that does not come back is dead: nothing is sent or received, `why` says it, and nothing else is
 * disturbed.
 */
#ifndef NETDRV_NIC_H
#define NETDRV_NIC_H

#include <stdbool.h>
#include <stdint.h>

#include "packet.h"

enum nic_state { NIC_NONE = 0, NIC_READY, NIC_DEAD };
enum nic_offload {                   /* what the device itself can do */
                   NIC_CHECKSUM = 1, /* NET_NEEDS_CHECKSUM packets go out as they are */
                   NIC_GSO_TCP4 = 2,
                   NIC_GSO_TCP6 = 4,
};

struct nic_info {
    enum nic_state state;
    char why[100];    /* why it is not ready */
    const char *kind; /* "virtio-net", "e1000e" */
    uint8_t mac[6];
    bool link;
    uint32_t offloads;                     /* enum nic_offload */
    uint64_t sent, received, resets, lost; /* packets; lost: by resets, or for lack of buffers */
};

/* Never fails: without a usable device the state says so. */
void nic_start(void);
const struct nic_info *nic_info(void);

/* False: no room in the queue now (room comes with an event), or not ready.  The packet's offload is within
 * nic_info()->offloads (offload.h makes it so). */
bool nic_send(const struct packet *packet);
void nic_kick(void); /* after one or more nic_send */

/* The next received packet; it points into the driver's buffers until nic_receive_done. */
bool nic_receive(struct packet *packet);
void nic_receive_done(void);

/* Events: its interrupt; a refused access; once a second while NIC_READY. */
void nic_interrupt(void);
void nic_fault(void);
void nic_check(void);

#endif
