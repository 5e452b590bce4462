/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libtiny.c - words, claims, exceptions, interrupts and vCPUs for bare payloads
 */
#include "tiny.h"

#define LINES_MAX 20u
#define SECONDS_MAX 20u

enum { UARTDR = 0x00, UARTFR = 0x18, FR_TXFF = 0x20 };

static uint32_t claims, false_claims;
volatile uint64_t loaded;
volatile uint32_t irq_counts[8][96];
void (*irq_hook)(uint32_t intid);
void (*tiny_at_end)(void);

/* The compiler may call it for a copy of a struct; the empty asm keeps it from doing so for this loop. */
void *memcpy(void *to, const void *from, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    for (size_t i = 0; i < bytes; i++) {
        t[i] = f[i];
        __asm__ volatile("" ::: "memory");
    }
    return to;
}

static void put_char(char c)
{
    while ((read32(UART + UARTFR) & FR_TXFF) != 0)
        ;
    write32(UART + UARTDR, (uint8_t)c);
}

void put_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            put_char('\r');
        put_char(*text);
    }
}

void put_hex(uint64_t value)
{
    put_text("0x");
    for (int shift = 60; shift >= 0; shift -= 4)
        if (shift == 0 || value >> shift != 0)
            put_char("0123456789abcdef"[value >> shift & 15]);
}

void check(bool is_true, const char *claim, uint64_t detail, uint64_t detail2)
{
    claims++;
    if (is_true)
        return;
    if (false_claims++ >= LINES_MAX)
        return;
    put_text("not so: ");
    put_text(claim);
    put_text(" ");
    put_hex(detail);
    put_text(" ");
    put_hex(detail2);
    put_text("\n");
}

void tiny_main(uint64_t dtb)
{
    tiny_dtb = dtb;
    tiny_run();
    put_text(false_claims == 0 && claims != 0 ? "PASS " : "FAIL ");
    put_text(tiny_name);
    put_text(" ");
    put_hex(false_claims == 0 ? claims : false_claims);
    put_text("\n");
    if (tiny_at_end)
        tiny_at_end();
}

/* ---- exceptions ----------------------------------------------------------------------------------- */

void on_sync(void)
{
    uint64_t esr = read_register(esr_el1);

    if (try_sp != 0)
        try_return(esr);
    put_text("unexpected exception: ESR ");
    put_hex(esr);
    put_text(" ELR ");
    put_hex(read_register(elr_el1));
    put_text(" FAR ");
    put_hex(read_register(far_el1));
    put_text("\n");
    unexpected();
}

_Noreturn void unexpected(void)
{
    put_text("FAIL ");
    put_text(tiny_name);
    put_text(" unexpected exception\n");
    for (;;)
        (void)hvc(0x84000008, 0, 0, 0);
}

void on_irq(void)
{
    uint32_t intid = (uint32_t)read_register(S3_0_C12_C12_0); /* ICC_IAR1_EL1 */

    if (intid >= 96)
        return; /* spurious */
    irq_counts[vcpu_index() & 7][intid]++;
    if (irq_hook)
        irq_hook(intid);
    write_register(S3_0_C12_C12_1, intid); /* ICC_EOIR1_EL1 */
}

void on_fiq(void)
{
    unexpected();
}

void load(uint64_t address, uint64_t bytes)
{
    uint64_t value = 0;

    if (bytes == 1)
        __asm__ volatile("ldrb %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    else if (bytes == 2)
        __asm__ volatile("ldrh %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    else if (bytes == 4)
        __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    else
        __asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(address) : "memory");
    loaded = value;
    __asm__ volatile("dsb sy" ::: "memory");
}

void store(uint64_t address, uint64_t bytes)
{
    uint64_t value = UINT64_MAX;

    if (bytes == 1)
        __asm__ volatile("strb %w0, [%1]" ::"r"(value), "r"(address) : "memory");
    else if (bytes == 2)
        __asm__ volatile("strh %w0, [%1]" ::"r"(value), "r"(address) : "memory");
    else if (bytes == 4)
        __asm__ volatile("str %w0, [%1]" ::"r"(value), "r"(address) : "memory");
    else
        __asm__ volatile("str %0, [%1]" ::"r"(value), "r"(address) : "memory");
    __asm__ volatile("dsb sy" ::: "memory");
}

void fetch(uint64_t address, uint64_t unused)
{
    (void)unused;
    ((void (*)(void))address)();
}

/* ---- interrupts ----------------------------------------------------------------------------------- */

uint32_t vcpu_index(void)
{
    return (uint32_t)read_register(mpidr_el1) & 0xff;
}

void gic_start(void)
{
    uint32_t vcpu = vcpu_index();

    write32(GICR(vcpu) + 0x14, 0); /* GICR_WAKER */
    while ((read32(GICR(vcpu) + 0x14) & 4) != 0)
        ;
    write32(GICR_SGI(vcpu) + 0x80, 0xffffffff); /* group 1 */
    for (uint32_t i = 0; i < 32; i += 4)
        write32(GICR_SGI(vcpu) + 0x400 + i, 0xa0a0a0a0);
    if (vcpu == 0) {
        write32(GICD, 0x12); /* ARE, group 1 */
        for (uint32_t i = 32; i < 96; i += 32)
            write32(GICD + 0x80 + i / 8, 0xffffffff);
        for (uint32_t i = 32; i < 96; i += 4)
            write32(GICD + 0x400 + i, 0xa0a0a0a0);
    }
    write_register(S3_0_C12_C12_5, 7);  /* ICC_SRE_EL1 */
    write_register(S3_0_C4_C6_0, 0xf0); /* ICC_PMR_EL1 */
    write_register(S3_0_C12_C12_7, 1);  /* ICC_IGRPEN1_EL1 */
}

static uint64_t enable_register(uint32_t intid)
{
    return intid < 32 ? GICR_SGI(vcpu_index()) + 0x100 : GICD + 0x100 + intid / 32 * 4;
}

void gic_enable(uint32_t intid)
{
    write32(enable_register(intid), 1u << intid % 32);
}

void gic_disable(uint32_t intid)
{
    write32(enable_register(intid) + 0x80, 1u << intid % 32);
}

void irq_unmask(void)
{
    __asm__ volatile("msr daifclr, #2\n\tisb" ::: "memory");
}

void irq_mask(void)
{
    __asm__ volatile("msr daifset, #2\n\tisb" ::: "memory");
}

void wait_for_interrupt(void)
{
    __asm__ volatile("dsb sy\n\twfi" ::: "memory");
}

uint64_t counter_hz(void)
{
    return read_register(cntfrq_el0);
}

uint64_t counter(void)
{
    return read_register(cntvct_el0);
}

bool wait_until(volatile uint32_t *word, uint32_t value)
{
    uint64_t end = counter() + SECONDS_MAX * counter_hz();

    while (*word < value)
        if (counter() > end)
            return false;
    return true;
}

void send_sgi(uint32_t intid, uint32_t target_list)
{
    __asm__ volatile("dsb sy" ::: "memory");
    write_register(S3_0_C12_C11_5, (uint64_t)intid << 24 | target_list); /* ICC_SGI1R_EL1 */
}

/* ---- firmware ------------------------------------------------------------------------------------- */

struct hvc_result hvc(uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3)
{
    register uint64_t r0 __asm__("x0") = x0;
    register uint64_t r1 __asm__("x1") = x1;
    register uint64_t r2 __asm__("x2") = x2;
    register uint64_t r3 __asm__("x3") = x3;

    __asm__ volatile("hvc #0"
                     : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3)
                     :
                     : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
                       "x17", "memory");
    return (struct hvc_result){{r0, r1, r2, r3}};
}

int64_t cpu_start(uint32_t index, void (*f)(uint64_t index))
{
    return (int64_t)hvc(0xc4000003, index, (uint64_t)secondary_start, (uint64_t)f).x[0];
}

bool cpu_wait_off(uint32_t index)
{
    uint64_t end = counter() + SECONDS_MAX * counter_hz();

    while (hvc(0xc4000004, index, 0, 0).x[0] != 1)
        if (counter() > end)
            return false;
    return true;
}
