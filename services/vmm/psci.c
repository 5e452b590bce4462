/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * psci.c - what each PSCI function means for this VM
 *
 * Section numbers are of Arm DEN 0022D.  vCPUs have affinity 0.0.0.index; there is one power domain per vCPU.
 */
#include "psci.h"

#include <stddef.h>

enum { /* 5.1 Function prototypes; bit 30 says that arguments are 64 bits wide */
       PSCI_VERSION = 0x84000000,
       PSCI_CPU_SUSPEND = 0x84000001,
       PSCI_CPU_OFF = 0x84000002,
       PSCI_CPU_ON = 0x84000003,
       PSCI_AFFINITY_INFO = 0x84000004,
       PSCI_MIGRATE_INFO_TYPE = 0x84000006,
       PSCI_SYSTEM_OFF = 0x84000008,
       PSCI_SYSTEM_RESET = 0x84000009,
       PSCI_FEATURES = 0x8400000a,
       SMCCC_VERSION = 0x80000000,
       SMCCC_ARCH_FEATURES = 0x80000001,
};

#define CALL_64 0x40000000u
#define AFFINITY_BITS 0xff00ffffffull
enum { AFFINITY_ON = 0, AFFINITY_OFF = 1 };
enum { MIGRATE_NOT_NEEDED = 2 };

struct call {
    const struct psci_machine *machine;
    uint64_t x[4];
    int64_t result;
};

static enum psci_outcome on_version(struct call *call)
{
    call->result = 0x10001;
    return PSCI_RETURN;
}

static enum psci_outcome on_smccc_version(struct call *call)
{
    call->result = 0x10001;
    return PSCI_RETURN;
}

/* 5.4: a standby state may wake at once, and a power-down state may be treated as one (5.4.3). */
static enum psci_outcome on_cpu_suspend(struct call *call)
{
    call->result = PSCI_SUCCESS;
    return PSCI_RETURN;
}

static enum psci_outcome on_cpu_off(struct call *call)
{
    (void)call;
    return PSCI_CALLER_OFF;
}

static enum psci_outcome on_cpu_on(struct call *call)
{
    const struct psci_machine *m = call->machine;
    uint64_t target = call->x[1];

    if (target >= m->vcpu_count)
        call->result = PSCI_INVALID_PARAMETERS;
    else if (m->vcpu_is_on(m->context, (uint32_t)target))
        call->result = PSCI_ALREADY_ON;
    else if (!m->vcpu_start(m->context, (uint32_t)target, call->x[2], call->x[3]))
        call->result = PSCI_INVALID_ADDRESS;
    else
        call->result = PSCI_SUCCESS;
    return PSCI_RETURN;
}

/* 5.7: an affinity instance is on if one of its vCPUs is. */
static enum psci_outcome on_affinity_info(struct call *call)
{
    const struct psci_machine *m = call->machine;
    uint64_t level = call->x[2];
    uint64_t mask = level == 0   ? AFFINITY_BITS
                    : level <= 3 ? AFFINITY_BITS & ~((1ull << (8 * level)) - 1)
                                 : 0;

    call->result = PSCI_INVALID_PARAMETERS;
    if (level > 3 || (call->x[1] & ~AFFINITY_BITS) != 0)
        return PSCI_RETURN;
    for (uint32_t i = 0; i < m->vcpu_count; i++) {
        if (((call->x[1] ^ i) & mask) != 0)
            continue;
        call->result = AFFINITY_OFF;
        if (m->vcpu_is_on(m->context, i)) {
            call->result = AFFINITY_ON;
            break;
        }
    }
    return PSCI_RETURN;
}

static enum psci_outcome on_migrate_info_type(struct call *call)
{
    call->result = MIGRATE_NOT_NEEDED;
    return PSCI_RETURN;
}

static enum psci_outcome on_system_off(struct call *call)
{
    (void)call;
    return PSCI_OFF;
}

static enum psci_outcome on_system_reset(struct call *call)
{
    (void)call;
    return PSCI_RESET;
}

static enum psci_outcome on_features(struct call *call);

static const struct function {
    uint32_t id;
    bool has_64; /* also as a 64-bit call */
    enum psci_outcome (*on)(struct call *call);
} functions[] = {
    {PSCI_VERSION, false, on_version},
    {PSCI_CPU_SUSPEND, true, on_cpu_suspend},
    {PSCI_CPU_OFF, false, on_cpu_off},
    {PSCI_CPU_ON, true, on_cpu_on},
    {PSCI_AFFINITY_INFO, true, on_affinity_info},
    {PSCI_MIGRATE_INFO_TYPE, false, on_migrate_info_type},
    {PSCI_SYSTEM_OFF, false, on_system_off},
    {PSCI_SYSTEM_RESET, false, on_system_reset},
    {PSCI_FEATURES, false, on_features},
    {SMCCC_VERSION, false, on_smccc_version},
    {SMCCC_ARCH_FEATURES, false, on_features},
};

static const struct function *function_find(uint32_t id)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        const struct function *f = &functions[i];

        if (id == f->id || (f->has_64 && id == (f->id | CALL_64)))
            return f;
    }
    return NULL;
}

/* PSCI_FEATURES and SMCCC_ARCH_FEATURES: no function of ours has flags to tell. */
static enum psci_outcome on_features(struct call *call)
{
    call->result = function_find((uint32_t)call->x[1]) ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
    return PSCI_RETURN;
}

enum psci_outcome psci_call(const struct psci_machine *machine, const uint64_t x[4], int64_t *result)
{
    struct call call = {machine, {x[0], x[1], x[2], x[3]}, PSCI_NOT_SUPPORTED};
    const struct function *f = function_find((uint32_t)x[0]);
    enum psci_outcome outcome;

    *result = PSCI_NOT_SUPPORTED;
    if (!f)
        return PSCI_RETURN;
    if ((x[0] & CALL_64) == 0) { /* SMCCC 3.1: the upper halves mean nothing then */
        for (int i = 1; i < 4; i++)
            call.x[i] &= 0xffffffffu;
    }
    outcome = f->on(&call);
    *result = call.result;
    return outcome;
}
