/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.c - see machine.h: every call of the kernel that blkdrv makes
 *
 * What outlives us is lib/rpc/kept.h's affair.  The device sees a block through a copy of its Frame that is
 * made anew in each life, for so is its IoSpace.
 */
#include <stdarg.h>

#include "bh.h"
#include "blkdrv.h"
#include "caps_blkdrv.h"
#include "device.h"
#include "kept.h"
#include "ram.h"
#include "serve.h"

_Static_assert(BLK_BLOCK_BYTES == BLOCK_BYTES && BLOCKS_MAX == CLIENTS_MAX, "kept.h has as many of both");

static struct {
    struct device device;
    struct kept kept;
    slot_t shared[BLOCKS_MAX]; /* copies for the IoSpace; 0: the device does not see it */
} machine = {
    .device = {
        .regions = CAP_DEVICE0, .region_count = CAP_DEVICE_COUNT, .iospace = CAP_IOSPACE0, .irq = CAP_IRQ0}};

void machine_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    bh_log_args(format, args);
    va_end(args);
}

uint64_t machine_wait_events(uint64_t deadline)
{
    uint64_t bits;

    return bh_notification_wait(SLOT_EVENTS, deadline, &bits) == OK ? bits : 0;
}

uint8_t *machine_persistent(void)
{
    return (uint8_t *)(uintptr_t)PERSIST_IPA;
}

/* ---- the device ---------------------------------------------------------------------------------- */

bool machine_has_device(void)
{
    return device_is_there(&machine.device);
}

const uint8_t *machine_pci_config(void)
{
    return device_config(&machine.device);
}

volatile uint8_t *machine_bar(uint32_t index)
{
    return device_bar(&machine.device, index);
}

uint32_t machine_stream(void)
{
    return DOMAIN_STREAM;
}

enum status machine_device_start(uint32_t read_only, uint8_t **queue)
{
    enum status status = device_memory(&machine.device, QUEUE_PAGES, read_only, IOVA_QUEUE, queue);

    return status == OK ? device_events(&machine.device, EV_IRQ, EV_FAULT) : status;
}

void machine_irq_ack(void)
{
    device_irq_ack(&machine.device);
}

struct dma_fault machine_dma_fault(void)
{
    return device_fault(&machine.device);
}

void machine_dma_faults_again(void)
{
    device_faults_again(&machine.device);
}

/* ---- blocks and clients: see kept.h ------------------------------------------------------------------ */

void machine_tidy(void)
{
    kept_start(&machine.kept, CAP_FIRST_FREE, 1u << CAP_CSPACE_BITS, CLIENTS_MAX, RAM_CHUNKS_MAX);
}

slot_t machine_ram_row(void)
{
    return machine.kept.row;
}

uint8_t *machine_block(uint32_t block)
{
    return kept_block(&machine.kept, block);
}

slot_t machine_block_frame(uint32_t block)
{
    return kept_frame(&machine.kept, block);
}

enum status machine_block_fetch(uint32_t block, slot_t memory, char *error, size_t error_bytes)
{
    bh_slot_drop(machine.shared[block]);
    machine.shared[block] = 0;
    return kept_block_fetch(&machine.kept, block, memory, error, error_bytes);
}

enum status machine_block_resume(uint32_t block)
{
    return kept_block_resume(&machine.kept, block);
}

bool machine_block_exists(uint32_t block)
{
    return kept_frame_exists(kept_frame(&machine.kept, block));
}

enum status machine_block_share(uint32_t block)
{
    enum status status;

    if (machine.shared[block] != 0)
        return OK;
    status = device_share(&machine.device, machine_block_frame(block), &machine.shared[block],
                          IOVA_BLOCKS + (uint64_t)block * BLK_BLOCK_BYTES, RIGHT_READ | RIGHT_WRITE);
    if (status != OK) {
        bh_slot_drop(machine.shared[block]);
        machine.shared[block] = 0;
    }
    return status;
}

slot_t machine_client_doorbell(uint32_t client)
{
    return kept_doorbell(&machine.kept, client, EV_BELL(client % CLIENT_BELLS));
}

enum status machine_client_notify(uint32_t client, slot_t slot)
{
    return kept_notify(&machine.kept, client, slot);
}

void machine_client_signal(uint32_t client)
{
    kept_signal(&machine.kept, client);
}

void machine_client_forget(uint32_t client)
{
    kept_forget(&machine.kept, client);
}
