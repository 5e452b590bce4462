/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci_bars.c - give addresses to the memory BARs of one PCI function
 *
 * PCI Local Bus Specification 3.0, 6.2.5.1: with decoding off, write all ones; the bits that read back as
 * ones are the address bits, so the lowest of them is the size.
 */
#include "pci_bars.h"

#include <stdbool.h>

#define BAR_IS_IO 1u
#define BAR_TYPE 6u
#define BAR_TYPE_64 4u
#define PAGE_BYTES 4096u

/* The status half is write-one-to-clear: zeros leave it alone. */
void pci_command_set(const struct pci_access *access, uint32_t command)
{
    access->write(access->context, PCI_COMMAND, command & 0xffff);
}

static uint32_t bar_register(uint32_t index)
{
    return PCI_BAR0 + 4 * index;
}

/* 0: there is none. */
static uint64_t bar_size(const struct pci_access *access, uint32_t index, bool is_64)
{
    uint64_t mask;

    access->write(access->context, bar_register(index), UINT32_MAX);
    mask = access->read(access->context, bar_register(index)) & ~15u;
    if (is_64) {
        access->write(access->context, bar_register(index + 1), UINT32_MAX);
        mask |= (uint64_t)access->read(access->context, bar_register(index + 1)) << 32;
    } else if (mask != 0) {
        mask |= 0xffffffff00000000u;
    }
    return mask & -mask;
}

static void bar_write(const struct pci_access *access, uint32_t index, bool is_64, uint64_t address)
{
    access->write(access->context, bar_register(index), (uint32_t)address);
    if (is_64)
        access->write(access->context, bar_register(index + 1), (uint32_t)(address >> 32));
}

static enum status bar_place(uint64_t size, uint64_t *next, uint64_t end, uint64_t *address)
{
    uint64_t bytes = size < PAGE_BYTES ? PAGE_BYTES : size;
    uint64_t rest = *next & (bytes - 1);
    uint64_t skip = rest ? bytes - rest : 0;

    if (skip > end - *next || bytes > end - *next - skip)
        return ERR_MEM;
    *address = *next + skip;
    *next = *address + bytes;
    return OK;
}

enum status pci_bars_assign(const struct pci_access *access, uint64_t *next, uint64_t end,
                            struct pci_bar *bars, uint32_t *count)
{
    *count = 0;
    if ((access->read(access->context, PCI_HEADER) >> 16 & 0x7f) != 0)
        return ERR_ARG;
    pci_command_set(access, 0);
    for (uint32_t i = 0; i < PCI_BARS; i++) {
        uint32_t old = access->read(access->context, bar_register(i));
        bool is_64 = !(old & BAR_IS_IO) && (old & BAR_TYPE) == BAR_TYPE_64;
        struct pci_bar *bar = &bars[*count];
        enum status status;

        if (old & BAR_IS_IO)
            continue;
        if (is_64 && i == PCI_BARS - 1)
            return ERR_ARG;
        *bar = (struct pci_bar){.index = i, .size = bar_size(access, i, is_64)};
        if (bar->size != 0) {
            status = bar_place(bar->size, next, end, &bar->address);
            bar_write(access, i, is_64, bar->address);
            if (status != OK)
                return status;
            ++*count;
        }
        i += is_64;
    }
    return OK;
}
