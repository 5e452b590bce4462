/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.c - see machine.h: every call of the kernel that blkdrv makes
 *
 * Always true:  a ring or pool frame is mapped into our own address space by the capability in its CAP_RINGS
 * slot (init did it), and into the device's IoSpace by a copy of that; what a vmm got is a copy too, so that
 * revoking the CAP_RINGS slot takes both away and leaves our own mapping.
 */
#include <stdarg.h>
#include <string.h>

#include "bh.h"
#include "blkdrv.h"
#include "caps_blkdrv.h"
#include "device.h"
#include "serve.h"

_Static_assert(CAP_RINGS_COUNT == CLIENTS_MAX * BLK_FRAMES_PER_CLIENT,
               "system/bulkhead.toml: rings of blkdrv");

static struct {
    struct device device;
    slot_t pool[CLIENTS_MAX][BLK_POOL_PAGES]; /* copies for the IoSpace; 0: no slot yet */
    slot_t doorbell[CLIENTS_MAX];             /* what a vmm rings; 0: not made yet */
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

/* ---- clients --------------------------------------------------------------------------------------- */

uint8_t *machine_client_page(uint32_t client, uint32_t page)
{
    return (uint8_t *)(uintptr_t)(RINGS_IPA +
                                  ((uint64_t)client * BLK_FRAMES_PER_CLIENT + page) * BLK_PAGE_BYTES);
}

slot_t machine_client_frame(uint32_t client, uint32_t page)
{
    return CAP_RINGS + client * BLK_FRAMES_PER_CLIENT + page;
}

enum status machine_client_resume(uint32_t client)
{
    enum status status = OK;

    for (uint32_t i = 0; i < BLK_POOL_PAGES && status == OK; i++)
        status = device_share(&machine.device, machine_client_frame(client, 1u + i), &machine.pool[client][i],
                              IOVA_POOLS + ((uint64_t)client * BLK_POOL_PAGES + i) * BLK_PAGE_BYTES,
                              RIGHT_READ | RIGHT_WRITE);
    return status;
}

enum status machine_client_prepare(uint32_t client, bool has_dma)
{
    enum status status = OK;

    /* Whoever had this place before us keeps nothing of it. */
    for (uint32_t i = 0; i < BLK_FRAMES_PER_CLIENT && status == OK; i++)
        status = bh_cspace_revoke(SLOT_CSPACE, machine_client_frame(client, i));
    if (status == OK && machine.doorbell[client] != 0)
        status = bh_cspace_revoke(SLOT_CSPACE, machine.doorbell[client]);
    if (status != OK)
        return status;
    memset(machine_client_page(client, 0), 0, (size_t)BLK_FRAMES_PER_CLIENT * BLK_PAGE_BYTES);
    return has_dma ? machine_client_resume(client) : OK;
}

slot_t machine_client_doorbell(uint32_t client)
{
    slot_t *doorbell = &machine.doorbell[client];

    if (*doorbell == 0 && device_event_mint(doorbell, EV_CLIENT(client)) != OK) {
        bh_slot_drop(*doorbell);
        *doorbell = 0;
    }
    return *doorbell;
}

/* A vmm that is gone cannot be signalled, and needs not be. */
void machine_signal(slot_t notification)
{
    enum status status = bh_notification_signal(notification);

    (void)status;
}

void machine_drop(slot_t slot)
{
    bh_slot_drop(slot);
}
