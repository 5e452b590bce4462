/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netdrv_fake.h - a machine for netdrv in a test: clock, frames, signals, and a NIC that keeps what is sent
 */
#ifndef TESTS_NETDRV_FAKE_H
#define TESTS_NETDRV_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "services/netdrv/netdrv.h"
#include "services/netdrv/nic.h"

#define FAKE_MEMORY 77u /* the session at mem that has memory */
#define FAKE_WIRE 2048u
#define FAKE_FRAME_BYTES 2000u

struct fake_frame {
    uint32_t length; /* of the packet; `bytes` holds its beginning */
    struct net_offload offload;
    uint8_t bytes[FAKE_FRAME_BYTES];
};
struct fake {
    uint64_t now_us;
    uint32_t signals[PORTS_MAX];
    uint32_t fetched; /* blocks */
    bool blocks_gone; /* what a restart finds of them */
    uint32_t logs;
    struct nic_info nic;
    uint32_t nic_room; /* nic_send fails when it is 0 */
    struct fake_frame sent[FAKE_WIRE];
    uint32_t sent_count;
    struct fake_frame arriving[FAKE_WIRE];
    uint32_t arriving_count, arrived;
    uint8_t persistent[PERSIST_SESSION_BYTES];
    uint8_t flows[PERSIST_FLOW_BYTES] __attribute__((aligned(8)));
};
extern struct fake fake;

void fake_reset(void);
/* A frame comes in from the wire. */
void fake_arrive(const void *frame, uint32_t length);

#endif
