/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread.c - more vCPUs for tests that need somebody on the other side
 */
#include "ktest.h"

#define THREAD_IPA DYNAMIC_IPA /* 64 KiB a thread, by its first slot: stack pages, then the IPC buffer */

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

void kt_thread_start(struct kt_thread *thread, slot_t first, uint32_t pcpu, void (*entry)(uint64_t), uint64_t argument)
{
    uint64_t at = THREAD_IPA + (uint64_t)(first - FIRST) / 32 * 0x10000;

    thread->vcpu = first;
    thread->sc = first + 1;
    thread->ipcbuf_frame = first + 2;
    thread->pcpu = pcpu;
    thread->ipcbuf = (struct ipc_buffer *)(at + 0x8000);
    EXPECT(kt_make(CAP_VCPU, 0, thread->vcpu), OK);
    EXPECT(kt_make(CAP_SC, 0, thread->sc), OK);
    EXPECT(bh_untyped_retype(POOL, CAP_FRAME, FRAME_4K, 5, INIT_SLOT_CSPACE, thread->ipcbuf_frame), OK);
    EXPECT(kt_make(CAP_ENDPOINT, 0, first + 7), OK);
    EXPECT(bh_aspace_map(INIT_SLOT_ASPACE, thread->ipcbuf_frame, at + 0x8000, RIGHT_READ | RIGHT_WRITE), OK);
    for (slot_t i = 0; i < 4; i++)
        EXPECT(bh_aspace_map(INIT_SLOT_ASPACE, first + 3 + i, at + 4096 * i, RIGHT_READ | RIGHT_WRITE), OK);
    EXPECT(bh_vcpu_configure(thread->vcpu, VCPU_SERVICE, 0, pcpu, INIT_SLOT_CSPACE, INIT_SLOT_ASPACE, first + 7), OK);
    EXPECT(bh_vcpu_set_ipcbuf(thread->vcpu, thread->ipcbuf_frame), OK);
    EXPECT(bh_vcpu_write(thread->vcpu, REG_PC, (uint64_t)entry), OK);
    EXPECT(bh_vcpu_write(thread->vcpu, REG_X0, argument), OK);
    EXPECT(bh_vcpu_write(thread->vcpu, REG_SP_EL0, at + 0x4000), OK);
    EXPECT(bh_sc_create_on(thread->sc, pcpu), OK);
    EXPECT(bh_sc_bind(thread->sc, thread->vcpu), OK);
    EXPECT(bh_vcpu_resume(thread->vcpu), OK);
}
