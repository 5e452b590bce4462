/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread.c - more vCPUs for tests that need somebody on the other side
 */
#include "ktest.h"

#define THREAD_IPA DYNAMIC_IPA /* 64 KiB a thread: stack pages, then the IPC buffer */
enum { STACK_PAGES = 4, SLOTS_EACH = 32, PLAN_SCS_MAX = 32 };

struct kt_thread kt_threads[THREADS_MAX];
static struct {
    slot_t scs[PLAN_SCS_MAX];
    uint32_t count;
} plans[16];

void kt_plan(uint32_t pcpu, const slot_t *scs, uint32_t count)
{
    struct plan *plan = (struct plan *)(IPCBUF_IPA + PLAN_OFFSET);
    uint32_t n = 0;

    plan->epoch_us = 10000;
    plan->flags = PLAN_ELASTIC;
    plan->spare = 0;
    if (pcpu == 0)
        plan->entries[n++] = (struct plan_entry){.sc = INIT_SLOT_SC, .slice_us = 2000};
    for (uint32_t i = 0; i < count; i++)
        plan->entries[n++] = (struct plan_entry){.sc = scs[i], .slice_us = 2000};
    plan->count = n;
    EXPECT(bh_dispatcher_commit(INIT_SLOT_DISPATCHER0 + pcpu), OK);
}

void kt_plans_reset(void)
{
    for (uint32_t i = 0; i < kt_boot->pcpu_count; i++) {
        plans[i].count = 0;
        kt_plan(i, NULL, 0);
    }
}

void kt_plan_add(uint32_t pcpu, slot_t sc)
{
    if (plans[pcpu].count == PLAN_SCS_MAX)
        __builtin_trap();
    plans[pcpu].scs[plans[pcpu].count++] = sc;
    kt_plan(pcpu, plans[pcpu].scs, plans[pcpu].count);
}

struct kt_thread *kt_prepare(unsigned n, uint32_t pcpu, void (*entry)(uint64_t), uint64_t argument)
{
    struct kt_thread *thread = &kt_threads[n];
    slot_t first = FIRST + SLOTS_EACH * n;
    uint64_t at = THREAD_IPA + n * 0x10000ull;
    slot_t stack = first + 8;

    *thread = (struct kt_thread){.vcpu = first,
                                 .sc = first + 1,
                                 .ipcbuf_frame = first + 2,
                                 .faults = first + 3,
                                 .pcpu = pcpu,
                                 .ipcbuf = (struct ipc_buffer *)(at + 0x8000)};
    EXPECT(kt_make(CAP_VCPU, 0, thread->vcpu), OK);
    EXPECT(kt_make(CAP_SC, 0, thread->sc), OK);
    EXPECT(kt_make(CAP_FRAME, FRAME_4K, thread->ipcbuf_frame), OK);
    EXPECT(kt_make(CAP_ENDPOINT, 0, thread->faults), OK);
    EXPECT(bh_untyped_retype(POOL, CAP_FRAME, FRAME_4K, STACK_PAGES, CSPACE, stack), OK);
    EXPECT(bh_aspace_map(ASPACE, thread->ipcbuf_frame, at + 0x8000, RW), OK);
    for (slot_t i = 0; i < STACK_PAGES; i++)
        EXPECT(bh_aspace_map(ASPACE, stack + i, at + 4096 * i, RW), OK);
    EXPECT(bh_vcpu_configure(thread->vcpu, VCPU_SERVICE, 0, pcpu, CSPACE, ASPACE, thread->faults), OK);
    EXPECT(bh_vcpu_set_ipcbuf(thread->vcpu, thread->ipcbuf_frame), OK);
    EXPECT(bh_vcpu_write(thread->vcpu, REG_PC, (uint64_t)entry), OK);
    EXPECT(bh_vcpu_write(thread->vcpu, REG_X0, argument), OK);
    EXPECT(bh_vcpu_write(thread->vcpu, REG_SP_EL0, at + STACK_PAGES * 4096), OK);
    EXPECT(bh_sc_create_on(thread->sc, pcpu), OK);
    EXPECT(bh_sc_bind(thread->sc, thread->vcpu), OK);
    return thread;
}

struct kt_thread *kt_spawn(unsigned n, uint32_t pcpu, void (*entry)(uint64_t), uint64_t argument)
{
    struct kt_thread *thread = kt_prepare(n, pcpu, entry, argument);

    EXPECT(bh_vcpu_resume(thread->vcpu), OK);
    kt_plan_add(pcpu, thread->sc);
    return thread;
}

_Noreturn void kt_stop(unsigned n)
{
    (void)!bh_vcpu_suspend(kt_threads[n].vcpu);
    __builtin_trap();
}

_Noreturn void kt_counter(uint64_t argument)
{
    volatile uint64_t *count = (volatile uint64_t *)argument;

    for (;;)
        ++*count;
}

bool kt_rests(const volatile uint64_t *count)
{
    uint64_t end = bh_after_ms(2000), last;
    unsigned same = 0;

    do {
        last = *count;
        kt_sleep_ms(3);
        same = *count == last ? same + 1 : 0;
    } while (same < 4 && bh_now() < end);
    return same == 4;
}
