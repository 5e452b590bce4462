/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kcore.c - a faked machine around the kernel's capabilities, messages and time (kcore.h)
 */
#include "kcore.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "dispatcher.h"
#include "report.h"

struct cpu cpus[CPU_MAX];
uint32_t cpu_count;
unsigned here, arms, kicks[CPU_MAX], preempt_percent, virqs_set, exits_answered, aspace_steps;
uint64_t clock_now, armed[CPU_MAX], preempt_at, preempt_looks;
bool report_refusals, log_news;

/* ---- numbers at random: xorshift64* */
static uint64_t random_state;

void random_seed(uint64_t seed)
{
    random_state = seed * 0x9e3779b97f4a7c15u + 1;
}

uint32_t random_below(uint32_t n)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545f4914f6cdd1du) >> 33) % n;
}

/* ---- aarch64/ */
struct cpu *this_cpu(void)
{
    return &cpus[here];
}

uint64_t now(void)
{
    return clock_now;
}

bool preempt_wanted(void)
{
    preempt_looks++;
    if (preempt_at && --preempt_at == 0)
        return true;
    return preempt_percent && random_below(100) < preempt_percent;
}

void cpu_kick(struct cpu *cpu)
{
    kicks[cpu - cpus]++;
}

void kernel_lock(void)
{
}

void kernel_unlock(void)
{
}

void hyp_timer_arm(uint64_t when)
{
    armed[here] = when;
    arms++;
}

uint64_t timer_hz(void)
{
    return 1000000;
}

void memory_zero(uint64_t at, uint64_t bytes)
{
    memset((void *)at, 0, bytes);
}

void cpu_save(struct cpu *cpu, struct vcpu *vcpu)
{
    if (cpu == this_cpu() && cpu->loaded == vcpu)
        cpu->loaded = NULL;
}

void cpu_forget(struct cpu *cpu, struct vcpu *vcpu)
{
    if (cpu->current == vcpu) {
        cpu->current = NULL;
        cpu->resched = true;
    }
    if (cpu->loaded == vcpu)
        cpu->loaded = NULL;
}

/* ---- report.c */
void kprintf(const char *format, ...)
{
    (void)format;
}

_Noreturn void panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

void log_notify(void)
{
}

enum status refused(struct vcpu *self, unsigned call, unsigned argument, enum status why)
{
    (void)self;
    (void)call;
    (void)argument;
    return why;
}

/* ---- guests */
void guest_init(struct vcpu *vcpu)
{
    vcpu->regs.pstate = 5;
}

uint64_t *guest_reg(struct vcpu *vcpu, uint32_t reg)
{
    return reg == REG_SP_EL1 ? &vcpu->el1.sp_el1 : NULL;
}

void guest_inject_pending(struct vcpu *vcpu)
{
    vcpu->inject = 0;
}

void guest_enter_changed(struct vcpu *vcpu)
{
    (void)vcpu;
}

void guest_exit_reply(struct vcpu *vcpu, uint32_t label, const uint64_t words[IPC_WORDS])
{
    vcpu->regs.x[0] = label;
    vcpu->regs.x[1] = words[0];
    exits_answered++;
}

void guest_timer_expired(struct vcpu *vcpu, struct timer *timer)
{
    (void)timer;
    vcpu->vtimer_active = true;
}

void vgic_set(struct vcpu *vcpu, uint32_t intid, bool level)
{
    (void)vcpu;
    (void)intid;
    (void)level;
    virqs_set++;
}

void vgic_maintenance(struct cpu *cpu)
{
    (void)cpu;
}

void vtimer_fired(struct cpu *cpu)
{
    (void)cpu;
}

/* ---- dev/ */
void gic_enable(uint32_t intid)
{
    (void)intid;
}

void gic_disable(uint32_t intid)
{
    (void)intid;
}

uint32_t gic_acknowledge(void)
{
    return 1023;
}

void smmu_handle_events(void)
{
}

/* ---- address spaces, without tables */
enum status aspace_destroy(struct aspace *aspace)
{
    aspace->dying = true;
    while (aspace->doorbell_count < aspace_steps) { /* how far it is; nothing else uses it here */
        aspace->doorbell_count++;
        if (preempt_wanted())
            return RESTART;
    }
    return OK;
}

void aspace_unmap_slot(struct slot *frame)
{
    frame->flags &= (uint8_t)~SLOT_MAPPED_AS;
}

void iospace_unmap_slot(struct slot *frame)
{
    frame->flags &= (uint8_t)~SLOT_MAPPED_IO;
}

enum status iospace_destroy(struct iospace *iospace)
{
    iospace->dying = true;
    return OK;
}

enum status aspace_donation_gone(struct slot *donation)
{
    donation->flags &= (uint8_t)~SLOT_EMBEDDED;
    return slot_delete(donation);
}

enum status iospace_donation_gone(struct slot *donation)
{
    return aspace_donation_gone(donation);
}

void doorbell_gone(struct slot *notification_cap)
{
    (void)notification_cap;
}

/* ---- memory */
enum { AREAS_MAX = 65536 };
static void *areas[AREAS_MAX];
static unsigned area_count;

void *kcore_memory(uint64_t bytes)
{
    uint64_t size = (bytes + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
    void *area = aligned_alloc(PAGE_SIZE, size);

    if (!area || area_count == AREAS_MAX)
        abort();
    memset(area, 0, size);
    areas[area_count++] = area;
    return area;
}

void kcore_reset(void)
{
    while (area_count)
        free(areas[--area_count]);
    memset(cpus, 0, sizeof cpus);
    memset(kicks, 0, sizeof kicks);
    cpu_count = 4;
    here = 0;
    arms = 0;
    clock_now = 1000;
    preempt_at = preempt_looks = 0;
    preempt_percent = virqs_set = exits_answered = aspace_steps = 0;
    for (uint32_t i = 0; i < CPU_MAX; i++) {
        struct dispatcher *d = &cpus[i].dispatcher;

        cpus[i].index = i;
        cpus[i].online = true;
        cpus[i].timer_armed = armed[i] = BH_FOREVER;
        d->cpu = &cpus[i];
        d->epoch = BH_FOREVER;
        d->in_window[0] = d->in_window[1] = ~0ull;
    }
}
