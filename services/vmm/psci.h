/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * psci.h - the guest's firmware: PSCI 1.1 (Arm DEN 0022) and the SMC Calling Convention's own calls (DEN
 * 0028)
 *
 * Decides; what is decided is done by struct psci_ops, so that it can be tried without a machine.
 */
#ifndef VMM_PSCI_H
#define VMM_PSCI_H

#include <stdbool.h>
#include <stdint.h>

enum psci_result { /* 5.2.2 Return error codes */
                   PSCI_SUCCESS = 0,
                   PSCI_NOT_SUPPORTED = -1,
                   PSCI_INVALID_PARAMETERS = -2,
                   PSCI_DENIED = -3,
                   PSCI_ALREADY_ON = -4,
                   PSCI_INVALID_ADDRESS = -9,
};

/* How the calling vCPU goes on. */
enum psci_outcome {
    PSCI_RETURN,     /* with *result in x0 */
    PSCI_CALLER_OFF, /* it is off until somebody turns it on */
    PSCI_OFF,        /* the VM is to end */
    PSCI_RESET,
};

struct psci_machine {
    void *context;
    uint32_t vcpu_count;
    bool (*vcpu_is_on)(void *context, uint32_t vcpu);
    /* Start a vCPU that is off; false: its entry point is no memory of the guest's. */
    bool (*vcpu_start)(void *context, uint32_t vcpu, uint64_t entry, uint64_t argument);
};

/* x: the call's x0..x3. */
enum psci_outcome psci_call(const struct psci_machine *machine, const uint64_t x[4], int64_t *result);

#endif
