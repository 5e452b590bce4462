/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci.c - the one PCI function of a driver domain
 *
 * There is no firmware: init gives the function its addresses, and its driver only what is that function's.
 * The driver reads its configuration page but cannot write it, so it can neither move its registers nor
 * master the bus by itself; what its device reaches is what the driver maps into its IoSpace.
 *
 * A function that is absent leaves the driver's slots empty.
 */
#include "pci_bars.h"

#include "bh.h"
#include "init.h"

/* The board: docs/internals.md. */
#define ECAM_BASE 0x4010000000u
#define MMIO_FIRST 0x10000000u
#define MMIO_END 0x3eff0000u
#define INTX_FIRST 35u

#define CONFIG_WINDOW_IPA (DYNAMIC_IPA + 0x10000u)
#define DEVICE_STEP 0x100000u

static uint64_t mmio_next = MMIO_FIRST;
static uint32_t config_windows;

static uint32_t config_read(void *context, uint32_t at)
{
    return ((volatile uint32_t *)context)[at / 4];
}

static void config_write(void *context, uint32_t at, uint32_t value)
{
    ((volatile uint32_t *)context)[at / 4] = value;
}

static struct pci_access access_of(struct pci_function *pci)
{
    return (struct pci_access){config_read, config_write, (void *)(uintptr_t)pci->config};
}

static void config_map(struct domain *domain)
{
    struct pci_function *pci = &domain->pci;
    uint64_t ipa = CONFIG_WINDOW_IPA + PAGE_BYTES * (uint64_t)config_windows++;

    if (pieces_frames(ECAM_BASE + (uint64_t)domain->manifest->pci * PAGE_BYTES, FRAME_4K, 1,
                      &pci->config_frame) != OK)
        bh_panic("%s: its PCI configuration page cannot be had", domain->name);
    if (bh_aspace_map(INIT_SLOT_ASPACE, pci->config_frame, ipa, RIGHT_READ | RIGHT_WRITE) != OK)
        bh_panic("%s: its PCI configuration page cannot be mapped", domain->name);
    pci->config = (volatile uint32_t *)(uintptr_t)ipa;
    pci->config_copy = bh_slot_alloc();
    if (bh_cspace_copy(INIT_SLOT_CSPACE, pci->config_frame, INIT_SLOT_CSPACE, pci->config_copy, RIGHT_READ) !=
        OK)
        bh_panic("%s: its PCI configuration page cannot be copied", domain->name);
}

/* The registers of one BAR; more than fits between two is not mapped. */
static void bar_take(struct domain *domain, const struct pci_bar *bar)
{
    struct pci_function *pci = &domain->pci;
    uint64_t bytes = bar->size < DEVICE_STEP ? bar->size : DEVICE_STEP;
    uint32_t pages = (uint32_t)((bytes + PAGE_BYTES - 1) / PAGE_BYTES);

    if (pieces_frames(bar->address, FRAME_4K, pages, &pci->bars[pci->bar_count].first) != OK)
        bh_panic("%s: BAR %u at 0x%llx cannot be had", domain->name, bar->index,
                 (unsigned long long)bar->address);
    pci->bars[pci->bar_count++].pages = pages;
}

static void intx_claim(struct domain *domain, const struct pci_access *access)
{
    uint32_t pin = access->read(access->context, PCI_INTERRUPT) >> 8 & 0xff;
    uint32_t device = domain->manifest->pci >> 3 & 31;

    if (pin < 1 || pin > 4)
        return;
    domain->pci.intx = bh_slot_alloc();
    if (bh_irq_claim(INIT_SLOT_CONTROL, INTX_FIRST + (device + pin - 1) % 4, INIT_SLOT_CSPACE,
                     domain->pci.intx) != OK)
        bh_panic("%s: its INTx cannot be claimed", domain->name);
}

void pci_create(struct domain *domain)
{
    struct pci_function *pci = &domain->pci;
    uint32_t bdf = domain->manifest->pci, count;
    struct pci_bar bars[PCI_BARS];
    struct pci_access access;
    enum status status;

    if (bdf == MANIFEST_NO_PCI)
        return;
    config_map(domain);
    access = access_of(pci);
    if (access.read(access.context, PCI_ID) == UINT32_MAX) {
        bh_log("%s: there is no device at PCI %02x:%02x.%x", domain->name, bdf >> 8, bdf >> 3 & 31, bdf & 7);
        return;
    }
    status = pci_bars_assign(&access, &mmio_next, MMIO_END, bars, &count);
    if (status != OK) {
        bh_log("%s: PCI %02x:%02x.%x cannot be set up: %s", domain->name, bdf >> 8, bdf >> 3 & 31, bdf & 7,
               bh_status_name(status));
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        bar_take(domain, &bars[i]);
    intx_claim(domain, &access);
    pci->found = true;
}

static enum status registers_give(struct domain *domain)
{
    struct pci_function *pci = &domain->pci;
    uint32_t first = domain->manifest->device_count; /* its other devices come before */
    slot_t slot = domain->manifest->device_slot + first;
    uint64_t ipa = DEVICE_IPA + (uint64_t)first * DEVICE_STEP;
    enum status status;

    status = domain_map_row(domain, pci->config_copy, 1, ipa, RIGHT_READ);
    if (status == OK)
        status = domain_give(domain, slot, pci->config_copy, RIGHT_READ);
    for (uint32_t i = 0; status == OK && i < pci->bar_count; i++) {
        status = domain_map_row(domain, pci->bars[i].first, pci->bars[i].pages,
                                ipa + (i + 1ull) * DEVICE_STEP, RIGHT_READ | RIGHT_WRITE);
        if (status == OK)
            status = domain_give(domain, slot + 1 + i, pci->bars[i].first, RIGHT_READ | RIGHT_WRITE);
    }
    return status;
}

static enum status iospace_give(struct domain *domain)
{
    slot_t slot = bh_slot_alloc();
    enum status status;

    if (!slot)
        return ERR_FULL;
    status = bh_untyped_retype(domain->untyped, CAP_IOSPACE, 0, 1, INIT_SLOT_CSPACE, slot);
    if (status != OK) {
        bh_slot_free(slot);
        return status;
    }
    domain->iospace = slot;
    status = bh_iospace_bind(slot, INIT_SLOT_CONTROL, domain->manifest->pci);
    if (status != OK)
        return status;
    return domain_give(domain, domain->manifest->iospace_slot, slot, RIGHT_READ | RIGHT_WRITE);
}

enum status pci_give(struct domain *domain)
{
    struct pci_access access = access_of(&domain->pci);
    enum status status;

    if (!domain->pci.found)
        return OK;
    status = registers_give(domain);
    if (status == OK)
        status = iospace_give(domain);
    if (status == OK && domain->pci.intx)
        status = domain_give(domain, domain->manifest->irq_slot + domain->manifest->irq_count,
                             domain->pci.intx, RIGHT_READ | RIGHT_WRITE);
    if (status == OK)
        pci_command_set(&access, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    return status;
}

void pci_quiesce(struct domain *domain)
{
    struct pci_access access = access_of(&domain->pci);

    if (domain->pci.found)
        pci_command_set(&access, 0);
}
