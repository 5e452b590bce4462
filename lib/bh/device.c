/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.c - see device.h
 */
#include "device.h"

#include "../virtio/driver.h"

#define IOSPACE_TABLE_PAGES 4u

_Static_assert(MACHINE_BAR_BYTES == DEVICE_BAR_BYTES, "lib/virtio's registers lie in what init maps");

/* Regions are DEVICE_BAR_BYTES apart in a domain's addresses. */
static volatile uint8_t *page_at(const struct device *device, uint32_t region)
{
    return (volatile uint8_t *)(uintptr_t)(DEVICE_IPA +
                                           (uint64_t)(device->first + region) * DEVICE_BAR_BYTES);
}

bool device_is_there(const struct device *device)
{
    uint64_t address, size_bits;

    return bh_frame_address(device->regions, &address, &size_bits) == OK;
}

const uint8_t *device_config(const struct device *device)
{
    return (const uint8_t *)page_at(device, 0);
}

volatile uint8_t *device_bar(const struct device *device, uint32_t index)
{
    uint64_t address, size_bits;

    if (index + 1u >= device->region_count ||
        bh_frame_address(device->regions + 1u + index, &address, &size_bits) != OK)
        return NULL;
    return page_at(device, index + 1u);
}

static enum status iospace_map(slot_t iospace, slot_t frame, uint64_t iova, uint32_t rights)
{
    enum status status = bh_iospace_map(iospace, frame, iova, rights);

    if (status != ERR_MEM)
        return status;
    status = bh_iospace_donate(iospace, SLOT_UNTYPED, IOSPACE_TABLE_PAGES);
    return status == OK ? bh_iospace_map(iospace, frame, iova, rights) : status;
}

enum status device_share(struct device *device, slot_t frame, slot_t *copy, uint64_t iova, uint32_t rights)
{
    if (*copy == 0)
        *copy = bh_slot_alloc();
    if (*copy == 0)
        return ERR_FULL;
    enum status status = bh_cspace_copy(SLOT_CSPACE, frame, SLOT_CSPACE, *copy, rights);
    return status == OK ? iospace_map(device->iospace, *copy, iova, rights) : status;
}

enum status device_memory(struct device *device, uint32_t pages, uint32_t read_only, uint64_t iova,
                          uint8_t **memory)
{
    uint64_t ipa = bh_ipa_alloc(pages);
    enum status status;
    slot_t first;

    status = bh_map_new_row(ipa, pages, RIGHT_READ | RIGHT_WRITE, &first);
    for (uint32_t i = 0; i < pages && status == OK; i++) {
        uint32_t rights = i < read_only ? RIGHT_READ : RIGHT_READ | RIGHT_WRITE;
        slot_t copy = 0;

        status = device_share(device, first + i, &copy, iova + (uint64_t)i * 4096u, rights);
    }
    *memory = (uint8_t *)(uintptr_t)ipa;
    return status;
}

enum status device_event_mint(slot_t *slot, uint64_t badge)
{
    *slot = bh_slot_alloc();
    if (*slot == 0)
        return ERR_FULL;
    return bh_cspace_mint(SLOT_CSPACE, SLOT_EVENTS, SLOT_CSPACE, *slot, RIGHT_WRITE, badge);
}

enum status device_events(struct device *device, uint64_t irq_badge, uint64_t fault_badge)
{
    enum status status = device_event_mint(&device->irq_signal, irq_badge);

    if (status == OK)
        status = device_event_mint(&device->fault_signal, fault_badge);
    if (status == OK)
        status = bh_iospace_notify(device->iospace, device->fault_signal);
    if (status == OK)
        status = bh_irq_bind(device->irq, device->irq_signal);
    return status == OK ? bh_irq_ack(device->irq) : status;
}

void device_irq_ack(const struct device *device)
{
    if (bh_irq_ack(device->irq) != OK)
        bh_panic("the device's interrupt is not ours any more");
}

struct dma_fault device_fault(const struct device *device)
{
    struct dma_fault fault = {0};

    if (bh_iospace_fault(device->iospace, &fault.count, &fault.address, &fault.reason) != OK)
        return (struct dma_fault){0};
    return fault;
}

void device_faults_again(const struct device *device)
{
    if (bh_iospace_notify(device->iospace, device->fault_signal) != OK)
        bh_panic("the device's IoSpace is not ours any more");
}
