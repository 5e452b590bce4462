/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tiny.h - what bare EL1 payloads share: words on the PL011, claims, caught exceptions, the GIC, PSCI
 *
 * A payload's tiny_main() makes claims with check(); libtiny.c writes each that is false, and at the end one
 * line: "PASS name n" or "FAIL name n of m".  Then the VM powers off.
 */
#ifndef TINY_H
#define TINY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each payload: its name, and what it asks. */
extern const char tiny_name[];
void tiny_run(void);
/* Called after the verdict, if set; it need not return. */
extern void (*tiny_at_end)(void);

void tiny_main(uint64_t dtb);
void put_text(const char *text);
void put_hex(uint64_t value);
/* What the VM's file says to the payload as `extra`, words with blanks between: where the word that begins so
 * goes on (NULL: there is none), the decimal number there, the MAC address there (else `mac` stays as it is).
 */
extern uint64_t tiny_dtb;
const char *word_after(const char *key);
uint64_t word_number(const char *key, uint64_t otherwise);
void word_mac(const char *key, uint8_t mac[6]);
/* A claim; when it is false the text and two numbers are written (at most 20 such lines). */
void check(bool is_true, const char *claim, uint64_t detail, uint64_t detail2);

/* ---- exceptions ----------------------------------------------------------------------------------- */
/* Run f(a, b); the ESR_EL1 of the synchronous exception that ended it, or 0.  After one, interrupts stay
 * masked. */
uint64_t try(void (*f)(uint64_t a, uint64_t b), uint64_t a, uint64_t b);
void on_sync(void);
void on_irq(void);
void on_fiq(void);
_Noreturn void unexpected(void);
extern uint64_t try_sp;
_Noreturn void try_return(uint64_t esr);

#define ESR_CLASS(esr) ((uint32_t)((esr) >> 26) & 0x3f)
#define ESR_DFSC(esr) ((uint32_t)(esr)&0x3f)
enum { CLASS_UNKNOWN = 0x00, CLASS_FETCH_ABORT = 0x21, CLASS_DATA_ABORT = 0x25 };
enum { DFSC_EXTERNAL = 0x10 };

/* One access each; the value of the last load. */
extern volatile uint64_t loaded;
void load(uint64_t address, uint64_t bytes);
void store(uint64_t address, uint64_t bytes);
void fetch(uint64_t address, uint64_t unused);

/* Device registers.  One plain instruction each: pairs and write-back, which a compiler may choose for a
 * volatile access, have no syndrome, and a device that is emulated answers none of them. */
static inline uint32_t read32(uint64_t address)
{
    uint32_t value;

    __asm__ volatile("ldr %w0, [%1]\n\tdsb sy" : "=r"(value) : "r"(address) : "memory");
    return value;
}
static inline void write8(uint64_t address, uint8_t value)
{
    __asm__ volatile("dsb sy\n\tstrb %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}
static inline void write32(uint64_t address, uint32_t value)
{
    __asm__ volatile("dsb sy\n\tstr %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}
static inline void write64(uint64_t address, uint64_t value)
{
    __asm__ volatile("dsb sy\n\tstr %0, [%1]" ::"r"(value), "r"(address) : "memory");
}

#define read_register(name)                                                                                  \
    __extension__({                                                                                          \
        uint64_t value_;                                                                                     \
        __asm__ volatile("isb\n\tmrs %0, " #name : "=r"(value_)::"memory");                                  \
        value_;                                                                                              \
    })
#define write_register(name, value)                                                                          \
    __asm__ volatile("msr " #name ", %0\n\tisb" ::"r"((uint64_t)(value)) : "memory")

/* ---- the board ------------------------------------------------------------------------------------ */
#define GICD 0x08000000ul
#define GICR(vcpu) (0x080a0000ul + 0x20000ul * (vcpu))
#define GICR_SGI(vcpu) (GICR(vcpu) + 0x10000ul)
#define UART 0x09000000ul
#define RTC 0x09010000ul
#define VIRTIO(place) (0x0a000000ul + 0x200ul * (place))
#define RAM 0x40000000ul
enum { INTID_UART = 33, INTID_VIRTIO0 = 48, PPI_VIRTUAL = 27, PPI_PHYSICAL = 30 };

uint32_t vcpu_index(void);
/* Distributor and this vCPU's redistributor and CPU interface on; each vCPU calls it. */
void gic_start(void);
void gic_enable(uint32_t intid);
void gic_disable(uint32_t intid);
void irq_unmask(void);
void irq_mask(void);
void wait_for_interrupt(void);
/* Interrupts taken, by vCPU and INTID; what to do at each before its end. */
extern volatile uint32_t irq_counts[8][96];
extern void (*irq_hook)(uint32_t intid);
/* Wait (at most a few seconds) until *word is at least `value`. */
bool wait_until(volatile uint32_t *word, uint32_t value);
uint64_t counter_hz(void);
uint64_t counter(void);
void send_sgi(uint32_t intid, uint32_t target_list);

/* ---- firmware ------------------------------------------------------------------------------------- */
struct hvc_result {
    uint64_t x[4];
};
struct hvc_result hvc(uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3);
/* Start a vCPU in f(index); when f returns, it is off. */
int64_t cpu_start(uint32_t index, void (*f)(uint64_t index));
bool cpu_wait_off(uint32_t index);
void secondary_start(void);

#endif
