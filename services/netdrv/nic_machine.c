/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_machine.c - see nic_machine.h: every call of the kernel for the NIC
 */
#include "nic_machine.h"

#include "bh.h"
#include "caps_netdrv.h"
#include "device.h"
#include "machine.h"

static struct device device = {
    .regions = CAP_DEVICE0, .region_count = CAP_DEVICE_COUNT, .iospace = CAP_IOSPACE0, .irq = CAP_IRQ0};

volatile uint8_t *machine_bar(uint32_t index)
{
    return device_bar(&device, index);
}

bool machine_has_device(void)
{
    return device_is_there(&device);
}

const uint8_t *machine_pci_config(void)
{
    return device_config(&device);
}

enum status machine_device_start(uint32_t pages, uint32_t read_only, uint8_t **memory)
{
    enum status status = device_memory(&device, pages, read_only, IOVA_NIC, memory);

    return status == OK ? device_events(&device, EV_IRQ, EV_FAULT) : status;
}

void machine_irq_ack(void)
{
    device_irq_ack(&device);
}

struct dma_fault machine_dma_fault(void)
{
    return device_fault(&device);
}

void machine_dma_faults_again(void)
{
    device_faults_again(&device);
}

uint32_t machine_stream(void)
{
    return DOMAIN_STREAM;
}
