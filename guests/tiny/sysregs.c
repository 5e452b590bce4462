/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sysregs.c - what does every system register encoding get?  A value or an Undefined Instruction exception
 *
 * Reads go through all of op0 2 and 3; writes through those that EL1 has no business with (op1 4 to 7), where
 * each must be undefined.
 */
#include "tiny.h"

const char tiny_name[] = "sysregs";

static uint32_t code[16] __attribute__((aligned(64)));

/* Make `code` one instruction and a return. */
static void code_write(uint32_t instruction)
{
    volatile uint32_t *c = code;

    c[0] = instruction;
    c[1] = 0xd65f03c0; /* ret */
    __asm__ volatile("dc cvau, %0\n\tdsb sy\n\tic iallu\n\tdsb sy\n\tisb" ::"r"(code) : "memory");
}

static void code_run(uint64_t a, uint64_t b)
{
    register uint64_t x0 __asm__("x0") = a;
    register uint64_t x30 __asm__("x30");

    (void)b;
    __asm__ volatile("blr %2" : "+r"(x0), "=r"(x30) : "r"(code) : "memory");
}

/* op0 2 or 3; the field is 19 bits from op0's low bit down to op2, as in the instruction. */
static uint64_t access(uint32_t encoding, bool is_read)
{
    code_write((is_read ? 0xd5300000u : 0xd5100000u) | encoding << 5);
    return try(code_run, 0, 0);
}

static void expect_value_or_undefined(uint32_t encoding, uint64_t esr)
{
    check(esr == 0 || ESR_CLASS(esr) == CLASS_UNKNOWN, "a register read is a value or undefined", encoding,
          esr);
}

void tiny_run(void)
{
    write_register(cpacr_el1, 3u << 20); /* FPCR and FPSR would trap to EL1, as they should */
    uint64_t sctlr = read_register(sctlr_el1);
    uint64_t vbar = read_register(vbar_el1);

    for (uint32_t encoding = 0; encoding < 1u << 15; encoding++)
        expect_value_or_undefined(encoding, access(encoding, true));

    for (uint32_t encoding = 0; encoding < 1u << 15; encoding++) {
        uint32_t op0 = 2 + (encoding >> 14);
        uint32_t op1 = encoding >> 11 & 7;

        if (op0 == 3 && op1 >= 4) {
            uint64_t esr = access(encoding, false);

            check(esr != 0 && ESR_CLASS(esr) == CLASS_UNKNOWN, "a write to EL2 or EL3 is undefined", encoding,
                  esr);
        }
    }
    check(read_register(sctlr_el1) == sctlr, "SCTLR_EL1 is as before", read_register(sctlr_el1), sctlr);
    check(read_register(vbar_el1) == vbar, "VBAR_EL1 is as before", read_register(vbar_el1), vbar);
    check(read_register(CurrentEL) == 4, "this is EL1", read_register(CurrentEL), 0);
}
