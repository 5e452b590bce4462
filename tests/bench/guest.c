/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest.c - the guests of guest.S, and the vmm that answers them
 *
 * The guest's address space has our own image at the same addresses, so its code is a function of ours.
 */
#include <string.h>

#include "micro.h"

enum {
    SPACE = FIRST + 100,
    VCPU_A = FIRST + 101,
    VCPU_B = FIRST + 102,
    SC_A = FIRST + 103,
    SC_B = FIRST + 104,
    EXITS = FIRST + 105,
    PAGE = FIRST + 106,
    CSPACE_GUEST = FIRST + 107,
    BELL = FIRST + 108,
    BELL_BADGED = FIRST + 109,
    SIGNAL_A = FIRST + 110, /* rings A */
    SIGNAL_B = FIRST + 111, /* rings B */
    PAGE_COPY = FIRST + 112,
    DONE_EP = FIRST + 113,
    IMAGE = FIRST + 200, /* its pages */
};
#define PAGE_HERE ((volatile uint64_t *)(DYNAMIC_IPA + 0xa00000))
#define PAGE_GUEST 0x40000000ull
#define MMIO 0x0a000000ull
#define DONE 0x0a001000ull

extern uint8_t bh_image_end[];
void guest_hypercall(void), guest_mmio(void), guest_doorbell(void), guest_sgi(void), guest_timer(void),
    guest_notify_self(void), guest_ping(void), guest_pong(void), guest_cross_ping(void),
    guest_cross_pong(void), guest_cross_sleeper(void);

/* A copy of our image, mapped in `space` where it is linked. */
static void give_image(slot_t space, slot_t first, uint32_t rights)
{
    const uint64_t scratch = DYNAMIC_IPA + 0xb00000;
    uint64_t end = (uint64_t)bh_image_end;
    slot_t slot = first;

    EXPECT(bh_aspace_donate(space, POOL, 8), OK);
    for (uint64_t at = IMAGE_IPA; at < end; at += 4096, slot++) {
        EXPECT(kt_make(CAP_FRAME, FRAME_4K, slot), OK);
        EXPECT(bh_aspace_map(INIT_SLOT_ASPACE, slot, scratch, RIGHT_READ | RIGHT_WRITE), OK);
        memcpy((void *)scratch, (const void *)at, 4096);
        EXPECT(bh_aspace_unmap(slot), OK);
        EXPECT(bh_aspace_map(space, slot, at, rights), OK);
    }
}

void thread_in_own_space(struct kt_thread *thread, slot_t first, void (*entry)(uint64_t), uint64_t argument)
{
    enum { RIGHTS = RIGHT_READ | RIGHT_WRITE };
    slot_t space = first + 8, image = first + 32;

    thread->vcpu = first;
    thread->sc = first + 1;
    EXPECT(kt_make(CAP_VCPU, 0, first), OK);
    EXPECT(kt_make(CAP_SC, 0, first + 1), OK);
    EXPECT(kt_make(CAP_ASPACE, 0, space), OK);
    EXPECT(kt_make(CAP_ENDPOINT, 0, first + 7), OK);
    give_image(space, image, RIGHTS | RIGHT_EXEC);
    for (slot_t i = 0; i < 4; i++) { /* stack, IPC buffer, the page at DYNAMIC_IPA + 0x9000 */
        static const uint64_t at[] = {DYNAMIC_IPA, DYNAMIC_IPA + 4096, IPCBUF_IPA, DYNAMIC_IPA + 0x9000};

        EXPECT(kt_make(CAP_FRAME, FRAME_4K, first + 10 + i), OK);
        EXPECT(bh_aspace_map(space, first + 10 + i, at[i], RIGHTS), OK);
    }
    if (first == FIRST) { /* we see the first thread's page only */
        EXPECT(bh_cspace_copy(INIT_SLOT_CSPACE, first + 13, INIT_SLOT_CSPACE, first + 14, RIGHT_ALL), OK);
        EXPECT(bh_aspace_map(INIT_SLOT_ASPACE, first + 14, DYNAMIC_IPA + 0x9000, RIGHTS), OK);
    }
    EXPECT(bh_vcpu_configure(first, VCPU_SERVICE, 0, 0, INIT_SLOT_CSPACE, space, first + 7), OK);
    EXPECT(bh_vcpu_set_ipcbuf(first, first + 12), OK);
    EXPECT(bh_vcpu_write(first, REG_PC, (uint64_t)entry), OK);
    EXPECT(bh_vcpu_write(first, REG_X0, argument), OK);
    EXPECT(bh_vcpu_write(first, REG_SP_EL0, DYNAMIC_IPA + 8192), OK);
    EXPECT(bh_sc_create_on(first + 1, 0), OK);
    EXPECT(bh_sc_bind(first + 1, first), OK);
    EXPECT(bh_vcpu_resume(first), OK);
}

/* The vmm: answers reads with 0; a store to DONE is passed on to us, and the guest stays stopped. */
static void vmm(uint64_t unused)
{
    struct bh_msg m;
    enum status status = bh_endpoint_recv(EXITS, BH_FOREVER, &m);

    (void)unused;
    while (status == OK) {
        uint32_t label = REPLY_DONE;

        if (INFO_LABEL(m.info) != EXIT_MMIO_READ &&
            !(INFO_LABEL(m.info) == EXIT_MMIO_WRITE && m.w[0] == MMIO)) {
            struct bh_msg done = {.info = INFO(1, 6, 0, 0)};

            memcpy(done.w, m.w, sizeof(m.w));
            done.w[5] = m.info;
            label = REPLY_STOP;
            if (bh_endpoint_send(DONE_EP, BH_FOREVER, &done) != OK)
                break;
        }
        m.info = INFO(label, 1, 0, 0);
        m.w[0] = 0;
        status = bh_endpoint_reply_recv(EXITS, BH_FOREVER, &m);
    }
    __builtin_trap();
}

static void ringer(uint64_t notification)
{
    volatile uint64_t *at = (volatile uint64_t *)(DYNAMIC_IPA + 0x9000);
    uint64_t bits;

    while (bh_notification_wait((slot_t)notification, BH_FOREVER, &bits) == OK)
        at[8] = cycles();
    __builtin_trap();
}

static void make_vcpu(slot_t vcpu, slot_t sc, uint32_t index, uint32_t pcpu, void (*entry)(void))
{
    EXPECT(kt_make(CAP_VCPU, 0, vcpu), OK);
    EXPECT(kt_make(CAP_SC, 0, sc), OK);
    EXPECT(bh_vcpu_configure(vcpu, VCPU_GUEST, index, pcpu, CSPACE_GUEST, SPACE, EXITS), OK);
    EXPECT(bh_vcpu_write(vcpu, REG_PC, (uint64_t)entry), OK);
    EXPECT(bh_vcpu_write(vcpu, REG_X0, PAGE_GUEST), OK);
    EXPECT(bh_vcpu_write(vcpu, REG_PSTATE, 0x3c5), OK);
    EXPECT(bh_sc_create_on(sc, pcpu), OK);
    EXPECT(bh_sc_bind(sc, vcpu), OK);
}

/* `page`: the shared page's Frame; made here unless a ringer has it already. */
static void make_vm(void (*entry)(void))
{
    EXPECT(kt_make(CAP_ASPACE, 0, SPACE), OK);
    EXPECT(kt_make(CAP_CSPACE, 4, CSPACE_GUEST), OK);
    EXPECT(kt_make(CAP_ENDPOINT, 0, EXITS), OK);
    EXPECT(kt_make(CAP_ENDPOINT, 0, DONE_EP), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, BELL), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, SIGNAL_A), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, SIGNAL_B), OK);
    EXPECT(bh_cspace_mint(INIT_SLOT_CSPACE, BELL, INIT_SLOT_CSPACE, BELL_BADGED, RIGHT_ALL, 1), OK);
    give_image(SPACE, IMAGE, RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC);
    make_vcpu(VCPU_A, SC_A, 0, 0, entry);
}

static void share_page(slot_t frame)
{
    EXPECT(bh_cspace_copy(INIT_SLOT_CSPACE, frame, INIT_SLOT_CSPACE, PAGE, RIGHT_ALL), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE, PAGE_GUEST, RIGHT_READ | RIGHT_WRITE), OK);
    EXPECT(bh_cspace_copy(INIT_SLOT_CSPACE, frame, INIT_SLOT_CSPACE, PAGE_COPY, RIGHT_ALL), OK);
    EXPECT(bh_aspace_map(INIT_SLOT_ASPACE, PAGE_COPY, (uint64_t)PAGE_HERE, RIGHT_READ | RIGHT_WRITE), OK);
    PAGE_HERE[0] = BH_FOREVER;
    PAGE_HERE[9] = 0;
    PAGE_HERE[10] = HVC_BASE | SYS_notification_signal;
}

/* What the guest measured, when it says that it is done. */
static uint64_t run_guest_for(const char *name)
{
    struct bh_msg m;

    EXPECT(bh_vcpu_resume(VCPU_A), OK);
    EXPECT(bh_endpoint_recv(DONE_EP, BH_FOREVER, &m), OK);
    if (m.w[0] != DONE)
        kt_print("  %s: guest ended with exit 0x%llx: 0x%llx 0x%llx 0x%llx 0x%llx\n", name,
                 (unsigned long long)m.w[5], (unsigned long long)m.w[0], (unsigned long long)m.w[1],
                 (unsigned long long)m.w[2], (unsigned long long)m.w[3]);
    EXPECT(m.w[0], DONE);
    uint64_t least = PAGE_HERE[0];

    kt_plan(0, NULL, 0);
    EXPECT(bh_cspace_revoke(INIT_SLOT_CSPACE, POOL), OK);
    return least;
}

static void run_guest(const char *name)
{
    report(name, run_guest_for(name));
}

static void plan(const slot_t *scs, uint32_t count)
{
    struct plan *p = (struct plan *)(IPCBUF_IPA + PLAN_OFFSET);

    *p = (struct plan){.epoch_us = 10000, .flags = PLAN_ELASTIC};
    for (uint32_t i = 0; i < count; i++)
        p->entries[p->count++] = (struct plan_entry){.sc = scs[i], .slice_us = 1000};
    p->entries[p->count++] = (struct plan_entry){.sc = INIT_SLOT_SC, .slice_us = 1000};
    EXPECT(bh_dispatcher_commit(INIT_SLOT_DISPATCHER0), OK);
}

static void one_guest(const char *name, void (*entry)(void))
{
    struct kt_thread server;

    make_vm(entry);
    thread_in_own_space(&server, FIRST, vmm, 0);
    share_page(FIRST + 13);
    EXPECT(bh_vcpu_virq_config(VCPU_A, 0, VIRQ_ENABLED | VIRQ_GROUP1, 0xa0), OK);
    EXPECT(bh_vcpu_virq_config(VCPU_A, 27, VIRQ_ENABLED | VIRQ_GROUP1 | VIRQ_LEVEL, 0xa0), OK);
    EXPECT(bh_vcpu_virq_config(VCPU_A, 48, VIRQ_ENABLED | VIRQ_GROUP1, 0xa0), OK);
    EXPECT(bh_notification_bind_virq(SIGNAL_A, VCPU_A, 48), OK);
    EXPECT(bh_cspace_copy(INIT_SLOT_CSPACE, SIGNAL_A, CSPACE_GUEST, 1, RIGHT_WRITE), OK);
    plan((slot_t[]){server.sc, SC_A}, 2);
    run_guest(name);
}

static void doorbell_guest(void)
{
    struct kt_thread server, woken;

    make_vm(guest_doorbell);
    thread_in_own_space(&server, FIRST, vmm, 0);
    thread_in_own_space(&woken, FIRST + 300, ringer, BELL);
    share_page(FIRST + 313);
    EXPECT(bh_aspace_doorbell(SPACE, MMIO + 0x50, DOORBELL_ANY, BELL_BADGED), OK);
    plan((slot_t[]){woken.sc, server.sc, SC_A}, 3);
    run_guest("doorbell_wake");
}

static void two_guests(void)
{
    struct kt_thread server;

    make_vm(guest_ping);
    make_vcpu(VCPU_B, SC_B, 1, 0, guest_pong);
    thread_in_own_space(&server, FIRST, vmm, 0);
    share_page(FIRST + 13);
    EXPECT(bh_vcpu_virq_config(VCPU_A, 48, VIRQ_ENABLED | VIRQ_GROUP1, 0xa0), OK);
    EXPECT(bh_vcpu_virq_config(VCPU_B, 48, VIRQ_ENABLED | VIRQ_GROUP1, 0xa0), OK);
    EXPECT(bh_notification_bind_virq(SIGNAL_A, VCPU_A, 48), OK);
    EXPECT(bh_notification_bind_virq(SIGNAL_B, VCPU_B, 48), OK);
    EXPECT(bh_cspace_copy(INIT_SLOT_CSPACE, SIGNAL_B, CSPACE_GUEST, 1, RIGHT_WRITE), OK);
    EXPECT(bh_cspace_copy(INIT_SLOT_CSPACE, SIGNAL_A, CSPACE_GUEST, 2, RIGHT_WRITE), OK);
    plan((slot_t[]){server.sc, SC_B, SC_A}, 3);
    EXPECT(bh_vcpu_resume(VCPU_B), OK);
    run_guest("notify_guest_guest");
}

/* An SGI from pCPU 0 to a vCPU that runs `entry` on pCPU 1, and one back to us, who run. */
static uint64_t there_and_back(const char *name, void (*entry)(void))
{
    struct kt_thread server;

    make_vm(guest_cross_ping);
    make_vcpu(VCPU_B, SC_B, 1, 1, entry);
    thread_in_own_space(&server, FIRST, vmm, 0);
    share_page(FIRST + 13);
    EXPECT(bh_vcpu_virq_config(VCPU_A, 0, VIRQ_ENABLED | VIRQ_GROUP1, 0xa0), OK);
    EXPECT(bh_vcpu_virq_config(VCPU_B, 0, VIRQ_ENABLED | VIRQ_GROUP1, 0xa0), OK);
    kt_plan(1, (slot_t[]){SC_B}, 1);
    plan((slot_t[]){server.sc, SC_A}, 2);
    EXPECT(bh_vcpu_resume(VCPU_B), OK);
    return run_guest_for(name) - overhead;
}

void bench_cross(void)
{
    uint64_t to_running = there_and_back("sgi_cross", guest_cross_pong) / 2;
    uint64_t to_sleeping = there_and_back("sgi_cross_wfi", guest_cross_sleeper) - to_running;

    report("sgi_cross", to_running + overhead);
    report("sgi_cross_wfi", to_sleeping + overhead);
}

void bench_guest(void)
{
    one_guest("hypercall_null", guest_hypercall);
    one_guest("mmio_exit_vmm", guest_mmio);
    one_guest("sgi_self", guest_sgi);
    one_guest("vtimer_fire", guest_timer);
    one_guest("notify_irq", guest_notify_self);
    doorbell_guest();
    two_guests();
}
