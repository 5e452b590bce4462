/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.c - see machine.h: every call of the kernel that blkdrv makes
 *
 * Always true:  a ring or pool frame is mapped into our own address space by the capability in its CAP_RINGS
 * slot (init did it), and into the device's IoSpace by a copy of that; what a vmm got is a copy too, so that
 * revoking the CAP_RINGS slot takes both away and leaves our own mapping.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "blkdrv.h"
#include "caps_blkdrv.h"
#include "serve.h"

#define DEVICE_STEP 0x100000u
#define IOSPACE_TABLE_PAGES 4u

_Static_assert(CAP_RINGS_COUNT == CLIENTS_MAX * BLK_FRAMES_PER_CLIENT,
               "system/bulkhead.toml: rings of blkdrv");

static struct {
    slot_t irq_signal, fault_signal;
    slot_t pool[CLIENTS_MAX][BLK_POOL_PAGES]; /* copies for the IoSpace; 0: no slot yet */
    slot_t doorbell[CLIENTS_MAX];             /* what a vmm rings; 0: not made yet */
} machine;

void machine_log(const char *format, ...)
{
    char line[LOG_LINE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    bh_log("%s", line);
}

uint64_t machine_now(void)
{
    return bh_now();
}

uint64_t machine_after_ms(uint64_t ms)
{
    return bh_after_ms(ms);
}

uint64_t machine_wait_events(uint64_t deadline)
{
    uint64_t bits;

    return bh_notification_wait(SLOT_EVENTS, deadline, &bits) == OK ? bits : 0;
}

/* Outer shareable: the device is a master outside of the CPUs' inner domain. */
void machine_dma_barrier(void)
{
    __asm__ volatile("dmb osh" ::: "memory");
}

uint8_t *machine_persistent(void)
{
    return (uint8_t *)(uintptr_t)PERSIST_IPA;
}

/* ---- the device ---------------------------------------------------------------------------------- */

bool machine_has_device(void)
{
    uint64_t address, size_bits;

    return bh_frame_address(CAP_DEVICE0, &address, &size_bits) == OK;
}

const uint8_t *machine_pci_config(void)
{
    return (const uint8_t *)(uintptr_t)DEVICE_IPA;
}

volatile uint8_t *machine_bar(uint32_t index)
{
    uint64_t address, size_bits;

    if (index + 1u >= CAP_DEVICE_COUNT ||
        bh_frame_address(CAP_DEVICE0 + 1u + index, &address, &size_bits) != OK)
        return NULL;
    return (volatile uint8_t *)(uintptr_t)(DEVICE_IPA + (index + 1u) * DEVICE_STEP);
}

uint32_t machine_stream(void)
{
    return DOMAIN_STREAM;
}

static enum status iospace_map(slot_t frame, uint64_t iova, uint32_t rights)
{
    enum status status = bh_iospace_map(CAP_IOSPACE0, frame, iova, rights);

    if (status != ERR_MEM)
        return status;
    status = bh_iospace_donate(CAP_IOSPACE0, SLOT_UNTYPED, IOSPACE_TABLE_PAGES);
    return status == OK ? bh_iospace_map(CAP_IOSPACE0, frame, iova, rights) : status;
}

/* One Frame of ours for the device too, through a copy of its capability: one capability is one mapping. */
static enum status frame_share(slot_t frame, slot_t *copy, uint64_t iova, uint32_t rights)
{
    if (*copy == 0)
        *copy = bh_slot_alloc();
    if (*copy == 0)
        return ERR_FULL;
    enum status status = bh_cspace_copy(SLOT_CSPACE, frame, SLOT_CSPACE, *copy, rights);
    return status == OK ? iospace_map(*copy, iova, rights) : status;
}

static enum status events_mint(slot_t *slot, uint64_t badge)
{
    *slot = bh_slot_alloc();
    if (*slot == 0)
        return ERR_FULL;
    return bh_cspace_mint(SLOT_CSPACE, SLOT_EVENTS, SLOT_CSPACE, *slot, RIGHT_WRITE, badge);
}

static enum status signals_bind(void)
{
    enum status status = events_mint(&machine.irq_signal, EV_IRQ);

    if (status == OK)
        status = events_mint(&machine.fault_signal, EV_FAULT);
    if (status == OK)
        status = bh_iospace_notify(CAP_IOSPACE0, machine.fault_signal);
    if (status == OK)
        status = bh_irq_bind(CAP_IRQ0, machine.irq_signal);
    return status == OK ? bh_irq_ack(CAP_IRQ0) : status;
}

enum status machine_device_start(uint32_t read_only, uint8_t **queue)
{
    uint64_t ipa = bh_ipa_alloc(QUEUE_PAGES);
    enum status status;
    slot_t first;

    status = bh_map_new_row(ipa, QUEUE_PAGES, RIGHT_READ | RIGHT_WRITE, &first);
    for (uint32_t i = 0; i < QUEUE_PAGES && status == OK; i++) {
        uint32_t rights = i < read_only ? RIGHT_READ : RIGHT_READ | RIGHT_WRITE;
        slot_t copy = 0;

        status = frame_share(first + i, &copy, IOVA_QUEUE + (uint64_t)i * BLK_PAGE_BYTES, rights);
    }
    *queue = (uint8_t *)(uintptr_t)ipa;
    return status == OK ? signals_bind() : status;
}

void machine_irq_ack(void)
{
    if (bh_irq_ack(CAP_IRQ0) != OK)
        bh_panic("the disk's interrupt is not ours any more");
}

struct dma_fault machine_dma_fault(void)
{
    struct dma_fault fault = {0};

    if (bh_iospace_fault(CAP_IOSPACE0, &fault.count, &fault.address, &fault.reason) != OK)
        return (struct dma_fault){0};
    return fault;
}

void machine_dma_faults_again(void)
{
    if (bh_iospace_notify(CAP_IOSPACE0, machine.fault_signal) != OK)
        bh_panic("the disk's IoSpace is not ours any more");
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
        status = frame_share(machine_client_frame(client, 1u + i), &machine.pool[client][i],
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

    if (*doorbell == 0 && events_mint(doorbell, EV_CLIENT(client)) != OK) {
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
