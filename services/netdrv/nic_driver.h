/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_driver.h - what nic.c and the driver of one kind of card ask of each other
 *
 * A driver keeps its own state and judges what its device writes; nic.c decides when it is reset.
 */
#ifndef NETDRV_NIC_DRIVER_H
#define NETDRV_NIC_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "nic.h"
#include "nic_machine.h"

/* In the device for longer than this, with the link up: it is stuck. */
#define NIC_PATIENCE_MS 10000u

struct nic_driver {
    const char *kind;
    uint32_t pages;     /* of memory shared with the device */
    uint32_t read_only; /* the first so many of them are only read by it */
    bool (*is)(const uint8_t *pci);
    /* Those that return text: NULL, or what is wrong. */
    const char *(*find)(const uint8_t *pci); /* where its registers are */
    void (*place)(uint8_t *memory);
    /* Reset, set up, run; also again later: what was in it counts as lost.  Fills mac, link and offloads. */
    const char *(*start)(struct nic_info *info);
    void (*stop)(void); /* as far as it obeys, it interrupts and transfers nothing more */
    bool (*send)(const struct packet *packet);
    void (*kick)(void);
    bool (*receive)(struct packet *packet);
    void (*receive_done)(void);
    bool (*interrupt)(
        struct nic_info *info); /* read the cause, which lowers the line; false: there is none */
    const char *(*check)(struct nic_info *info); /* after an interrupt, and once a second */
};

extern const struct nic_driver nic_virtio, nic_e1000e;

/* Has the SMMU refused the device nothing since its start?  If it has, what the device says now does not
 * count: a buffer that it calls filled may hold an older packet.  A driver asks between seeing that something
 * was received and believing it. */
bool nic_is_trusted(void);
/* The device wrote what cannot be true: it is reset soon. */
void nic_distrust(const char *why);
/* Received, but no packet that anybody can use; or given up in a reset. */
void nic_lost(uint32_t count);

/* Is what was sent getting out?  Fed with the numbers of packets sent and done so far.  NULL, or what is
 * wrong. */
struct nic_watch {
    uint64_t done;
    uint64_t deadline;
};
const char *nic_watch_check(struct nic_watch *watch, uint64_t sent, uint64_t done, bool link);

#endif
