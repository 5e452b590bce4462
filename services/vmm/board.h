/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * board.h - where things are on the virtual board
 *
 * QEMU's `virt` machine with a GICv3, as far as it exists here.  What is not named here is a hole: an access
 * to it ends in an external abort.
 */
#ifndef VMM_BOARD_H
#define VMM_BOARD_H

#include <stdint.h>

#include "vdev.h"

#define BOARD_GICD 0x08000000u
#define BOARD_GICD_BYTES 0x10000u
#define BOARD_GICR 0x080a0000u
#define BOARD_GICR_BYTES 0x20000u /* per vCPU: the RD frame, then the SGI frame */
#define BOARD_UART 0x09000000u
#define BOARD_UART_BYTES 0x1000u
#define BOARD_RTC 0x09010000u
#define BOARD_RTC_BYTES 0x1000u
#define BOARD_WATCHDOG_CONTROL 0x09200000u /* QEMU's `virt` has none; nothing of it is here */
#define BOARD_WATCHDOG_REFRESH 0x09210000u
#define BOARD_WATCHDOG_BYTES 0x1000u /* of each frame */
#define BOARD_VIRTIO 0x0a000000u     /* + VIRTIO_MMIO_BYTES * index */
#define BOARD_VIRTIO_BYTES 0x2000u
#define BOARD_RAM 0x40000000ull

/* INTIDs */
enum {
    INTID_PPI0 = 16,
    INTID_TIMER_HYP = 26,
    INTID_TIMER_VIRTUAL = 27,
    INTID_TIMER_SECURE = 29,
    INTID_TIMER_PHYSICAL = 30,
    INTID_SPI0 = 32,
    INTID_UART = 33,
    INTID_RTC = 34,
    INTID_WATCHDOG = 42,
    INTID_VIRTIO0 = 48,
};

/* Where on the virtio-mmio bus each device sits: vda to vdd, with a volume in them or empty, the console,
 * network interfaces in the order of the file, the power key, the balloon. */
#define BOARD_DISKS_MAX DRIVES_MAX
#define BOARD_NETS_MAX 4u
#define BOARD_VIRTIO_CONSOLE BOARD_DISKS_MAX
#define BOARD_VIRTIO_NET0 (BOARD_VIRTIO_CONSOLE + 1u)
#define BOARD_VIRTIO_INPUT (BOARD_VIRTIO_NET0 + BOARD_NETS_MAX)
#define BOARD_VIRTIO_BALLOON (BOARD_VIRTIO_INPUT + 1u)
#define BOARD_VIRTIO_COUNT (BOARD_VIRTIO_BALLOON + 1u)

/* The vmm's own address space */
#define GUEST_WINDOW_IPA 0x200000000ull /* the guest's RAM, in one piece */

#endif
