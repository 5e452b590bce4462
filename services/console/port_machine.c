/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port_machine.c - what the management port asks of the kernel (port.h, lib/virtio/driver.h)
 *
 * Always true:  the device reaches nothing but the pages of struct port_memory, and cannot write the first of
 * them.
 */
#include <stddef.h>

#include "caps_console.h"
#include "device.h"
#include "driver.h"
#include "port.h"
#include "service.h"

static struct device device = {
    .first = DOMAIN_PCI_DEVICE,
    .regions = CAP_DEVICE0 + DOMAIN_PCI_DEVICE,
    .region_count = CAP_DEVICE_COUNT - DOMAIN_PCI_DEVICE,
    .iospace = CAP_IOSPACE0,
    .irq = CAP_IRQ0 + DOMAIN_PCI_IRQ,
};

volatile uint8_t *machine_bar(uint32_t index)
{
    return device_bar(&device, index);
}

bool port_device_is_there(void)
{
    return device_is_there(&device);
}

const uint8_t *port_pci_config(void)
{
    return device_config(&device);
}

struct port_memory *port_memory_make(void)
{
    uint8_t *memory;
    enum status status = device_memory(&device, PORT_PAGES, PORT_PAGES_READ_ONLY, PORT_IOVA, &memory);

    if (status == OK)
        status = device_events(&device, EVENT_PORT, EVENT_PORT_FAULT);
    return status == OK ? (struct port_memory *)(void *)memory : NULL;
}

void port_irq_ack(void)
{
    device_irq_ack(&device);
}

uint64_t port_faults(uint64_t *address)
{
    struct dma_fault fault = device_fault(&device);

    *address = fault.address;
    return fault.count;
}
