/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci_bars.h - give addresses to the memory BARs of one PCI function
 */
#ifndef INIT_PCI_BARS_H
#define INIT_PCI_BARS_H

#include <stdint.h>

#include "status.h"

#define PCI_BARS 6u

/* Configuration space, 32 bits at a time; `at` is a byte offset. */
struct pci_access {
    uint32_t (*read)(void *context, uint32_t at);
    void (*write)(void *context, uint32_t at, uint32_t value);
    void *context;
};

/* PCI Local Bus Specification 3.0, 6.1 */
enum {
    PCI_ID = 0x00,
    PCI_COMMAND = 0x04, /* low half: command; high half: status, write one to clear */
    PCI_HEADER = 0x0c,  /* bits 16..22: header type */
    PCI_BAR0 = 0x10,
    PCI_INTERRUPT = 0x3c, /* bits 8..15: pin, 1 = INTA */
    PCI_COMMAND_IO = 1,
    PCI_COMMAND_MEMORY = 2,
    PCI_COMMAND_MASTER = 4,
    PCI_COMMAND_NO_INTX = 0x400,
};

struct pci_bar {
    uint32_t index; /* of its register */
    uint64_t address, size;
};

/*
 * Size each memory BAR, give it the next free naturally aligned address (at least a page) of *next..end-1.
 * I/O BARs are left at 0.  Decoding is off afterwards.  `count` and `bars`: what was found, in the order of
 * the registers. ERR_MEM: the window is too small.  ERR_ARG: not a type 0 function, or a BAR of impossible
 * size.
 */
enum status pci_bars_assign(const struct pci_access *access, uint64_t *next, uint64_t end,
                            struct pci_bar *bars, uint32_t *count);
void pci_command_set(const struct pci_access *access, uint32_t command);

#endif
