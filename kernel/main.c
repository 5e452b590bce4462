/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - power-on, in order
 */
#include "aarch64/guest.h"
#include "boot.h"
#include "psci.h"
#include "report.h"

extern const uint8_t __image_start[];
extern uint8_t stacks[];
enum { STACK_BYTES = 8192 }; /* start.S */

struct vcpu *kernel_main(void);
struct vcpu *secondary_main(void);
struct vcpu *cpu_start(void);

static const struct bundle *bundle_find(void)
{
    const struct bundle *bundle = (const struct bundle *)(__image_start + KERNEL_IMAGE_BYTES);

    if (bundle->magic != BUNDLE_MAGIC || bundle->version != BUNDLE_VERSION)
        panic("no bundle behind the kernel at %p: start it with `bh run`", (const void *)bundle);
    if (bundle->pcpu_count == 0 || bundle->pcpu_count > CPU_MAX)
        panic("the bundle says %u pCPUs; this kernel takes 1 to %u", bundle->pcpu_count, CPU_MAX);
    return bundle;
}

static void cpu_setup(uint32_t index)
{
    struct cpu *cpu = &cpus[index];

    cpu->index = index;
    cpu->stack_top = (uint64_t)stacks + (index + 1ull) * STACK_BYTES;
    cpu->timer_armed = BH_FOREVER;
    cpu->dispatcher.cpu = cpu;
    cpu->dispatcher.object.kind = CAP_DISPATCHER;
    cpu->dispatcher.epoch = BH_FOREVER;
    cpu->dispatcher.in_window[0] = cpu->dispatcher.in_window[1] = ~0ull;
}

/* The other pCPUs come up one after the other; each waits in its dispatcher for a plan. */
static void start_secondaries(void)
{
    for (uint32_t i = 1; i < cpu_count; i++) {
        int64_t result = psci_cpu_on(i, &cpus[i]);

        if (result != 0)
            panic("psci: pCPU %u does not start: %ld", i, result);
    }
}

struct vcpu *kernel_main(void)
{
    uart_init();
    const struct bundle *bundle = bundle_find();

    cpu_count = bundle->pcpu_count;
    report_refusals = boot_option(bundle, "debug=1");
    guest_pmu_allowed = boot_option(bundle, "pmu=1");
    for (uint32_t i = 0; i < cpu_count; i++)
        cpu_setup(i);
    mmu_init();
    cpu_registers_init(boot_option(bundle, "pmu=1"));
    gic_init();
    gic_cpu_init();
    guest_cpu_init();
    smmu_init();
    gic_enable(SMMU_IRQ_EVENT);
    gic_enable(SMMU_IRQ_ERROR);
    boot_init_domain(bundle);
    kprintf("bulkhead: %u pCPUs, %lu MiB, bundle %lu KiB\n", cpu_count, bundle->ram_size >> 20,
            bundle->size >> 10);
    start_secondaries();
    return cpu_start();
}

struct vcpu *secondary_main(void)
{
    const struct bundle *bundle = (const struct bundle *)(__image_start + KERNEL_IMAGE_BYTES);

    mmu_cpu_init();
    cpu_registers_init(boot_option(bundle, "pmu=1"));
    gic_cpu_init();
    guest_cpu_init();
    return cpu_start();
}
