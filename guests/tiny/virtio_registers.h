/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_registers.h - offsets of virtio-mmio's registers (Virtio 1.1, 4.2.2), for bare payloads
 */
#ifndef TINY_VIRTIO_REGISTERS_H
#define TINY_VIRTIO_REGISTERS_H

enum {
    R_ID = 0x08,
    R_DEVICE_FEATURES = 0x10,
    R_DEVICE_FEATURES_SELECT = 0x14,
    R_FEATURES = 0x20,
    R_FEATURES_SELECT = 0x24,
    R_QUEUE = 0x30,
    R_SIZE = 0x38,
    R_READY = 0x44,
    R_NOTIFY = 0x50,
    R_INTERRUPT = 0x60,
    R_ACK = 0x64,
    R_STATUS = 0x70,
    R_DESC = 0x80,
    R_AVAIL = 0x90,
    R_USED = 0xa0,
    R_CONFIG = 0x100,
};

#endif
