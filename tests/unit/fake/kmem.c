/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmem.c - a faked machine around the kernel's address spaces (kmem.h)
 */
#include "kmem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned tlb_ipa_flushes, tlb_vmid_flushes, tlb_all_flushes, publishes, signals, lines;
uint64_t signalled_bits, vttbr_register;
bool preempt_now;
void (*on_tlb_flush)(struct aspace *, uint64_t at);
void (*on_flush_all)(void);
char last_line[256];
struct cpu cpus[CPU_MAX];
uint32_t cpu_count;

/* ---- report.c */
static jmp_buf panic_exit;
static bool panic_expected;

void kprintf(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(last_line, sizeof last_line, format, args);
    va_end(args);
    lines++;
}

_Noreturn void panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(last_line, sizeof last_line, format, args);
    va_end(args);
    if (panic_expected)
        longjmp(panic_exit, 1);
    fprintf(stderr, "panic: %s\n", last_line);
    abort();
}

bool panics(void (*function)(void *), void *argument)
{
    bool did = true;

    panic_expected = true;
    if (setjmp(panic_exit) == 0) {
        function(argument);
        did = false;
    }
    panic_expected = false;
    return did;
}

/* ---- aarch64/ */
void memory_zero(uint64_t at, uint64_t bytes)
{
    memset((void *)at, 0, bytes);
}

void tlb_publish(void)
{
    publishes++;
}

void tlb_flush_ipa(struct aspace *aspace, uint64_t at, uint64_t bytes)
{
    (void)bytes;
    tlb_ipa_flushes++;
    if (on_tlb_flush)
        on_tlb_flush(aspace, at);
}

void tlb_flush_vmid(struct aspace *aspace)
{
    (void)aspace;
    tlb_vmid_flushes++;
}

void tlb_flush_all_guests(void)
{
    tlb_all_flushes++;
    if (on_flush_all)
        on_flush_all();
}

void vttbr_unload(uint64_t vttbr)
{
    if (vttbr_register == vttbr)
        vttbr_register = aspace_vttbr_none();
}

bool preempt_wanted(void)
{
    return preempt_now;
}

/* ---- the objects that are not part of this */
enum status vcpu_destroy(struct vcpu *vcpu)
{
    (void)vcpu;
    return OK;
}
enum status endpoint_destroy(struct endpoint *endpoint)
{
    (void)endpoint;
    return OK;
}
void notification_destroy(struct notification *notification)
{
    notification->bits = ~0ull;
}
void sc_destroy(struct sc *sc)
{
    (void)sc;
}
void irq_destroy(struct irq *irq)
{
    (void)irq;
}

void notification_signal(struct notification *notification, uint64_t bits)
{
    (void)notification;
    signals++;
    signalled_bits |= bits;
}

enum status embedded_gone(struct slot *slot)
{
    switch ((enum embed_role)slot->role) {
    case EMBED_DOORBELL:
        doorbell_gone(slot);
        return OK;
    case EMBED_ASPACE_DONATION:
        return aspace_donation_gone(slot);
    case EMBED_IOSPACE_DONATION:
        return iospace_donation_gone(slot);
    default:
        return OK;
    }
}

/* ---- memory */
enum { AREAS_MAX = 4096 };
static void *areas[AREAS_MAX];
static unsigned area_count;

void *memory_get(uint64_t bytes)
{
    void *area = aligned_alloc(bytes, bytes);

    if (!area || area_count == AREAS_MAX)
        abort();
    memset(area, 0, bytes);
    areas[area_count++] = area;
    return area;
}

void memory_release(void)
{
    while (area_count)
        free(areas[--area_count]);
}

struct slot untyped_of(uint64_t bytes)
{
    uint64_t size = PAGE_SIZE;

    while (size < bytes)
        size *= 2;
    void *memory = memory_get(size);
    memset(memory, 0xa5, size);
    return (struct slot){
        .kind = CAP_UNTYPED, .rights = RIGHT_ALL, .object = (uint64_t)memory, .bytes = bytes};
}

struct slot frame_of(unsigned size_bits, uint8_t rights, uint64_t address)
{
    return (struct slot){
        .kind = CAP_FRAME, .rights = rights, .size_bits = (uint8_t)size_bits, .object = address};
}

void kmem_reset(void)
{
    memory_release();
    tlb_ipa_flushes = tlb_vmid_flushes = tlb_all_flushes = publishes = signals = lines = 0;
    signalled_bits = 0;
    preempt_now = false;
    on_tlb_flush = NULL;
    on_flush_all = NULL;
    last_line[0] = 0;
    memset(cpus, 0, sizeof cpus);
    cpu_count = 4;
}
