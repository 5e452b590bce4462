/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hypercalls.c - what do calls of the firmware and of the kernel answer that nobody should make?
 */
#include "syscalls.h"
#include "tiny.h"

const char tiny_name[] = "hypercalls";

#define NOT_SUPPORTED ((uint64_t)-1)

static void hvc_immediate(uint64_t unused, uint64_t unused2)
{
    (void)unused, (void)unused2;
    __asm__ volatile("mov x0, #0\n\thvc #0x1234" ::: "x0", "x1", "x2", "x3", "memory");
}

static void smc(uint64_t function, uint64_t unused)
{
    register uint64_t x0 __asm__("x0") = function;

    (void)unused;
    __asm__ volatile("smc #0" : "+r"(x0)::"x1", "x2", "x3", "memory");
}

/* Ranges of SMCCC (DEN 0028, table 2-1) in which this board has nothing. */
static void unknown_functions(void)
{
    static const uint32_t bases[] = {0x00000000, 0x80000010, 0x81000000, 0x82000000, 0x83000000, 0x84000020,
                                     0x85000000, 0x86000000, 0x87000000, 0xb0000000, 0xbf000000, 0xc1000000,
                                     0xc2000000, 0xc3000000, 0xc4000020, 0xc5000000, 0xf2000000, 0xff000000};

    for (uint32_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        for (uint32_t n = 0; n < 32; n++) {
            struct hvc_result r = hvc(bases[i] + n, 11, 22, 33);

            check(r.x[0] == NOT_SUPPORTED, "an unknown function is not supported", bases[i] + n, r.x[0]);
            check(r.x[1] == 11 && r.x[2] == 22 && r.x[3] == 33, "and its arguments stay", bases[i] + n,
                  r.x[1]);
        }
    }
}

static void psci_arguments(void)
{
    struct hvc_result r = hvc(0x84000000, 0, 0, 0);

    check(r.x[0] == 0x10001, "PSCI is 1.1", r.x[0], 0);
    r = hvc(0xc4000003, 0, RAM, 0);
    check((int64_t)r.x[0] == -4, "the calling vCPU is on", r.x[0], 0);
    r = hvc(0xc4000003, 99, RAM, 0);
    check((int64_t)r.x[0] == -2, "there is no vCPU 99", r.x[0], 0);
    r = hvc(0xc4000003, UINT64_MAX, RAM, 0);
    check((int64_t)r.x[0] == -2, "nor one with all bits", r.x[0], 0);
    r = hvc(0xc4000004, 0, 77, 0);
    check((int64_t)r.x[0] == -2, "there are no 77 affinity levels", r.x[0], 0);
    r = hvc(0x84000001, UINT64_MAX, UINT64_MAX, UINT64_MAX);
    check((int64_t)r.x[0] <= 0, "CPU_SUSPEND comes back", r.x[0], 0);
    r = hvc(0x8400000a, 0x84000008, 0, 0);
    check(r.x[0] == 0, "SYSTEM_OFF is a feature", r.x[0], 0);
}

/* The kernel's own calls, on a CSpace that is empty: none of them does anything. */
static void kernel_calls(void)
{
    static const uint64_t arguments[] = {0, 1, 2, 3, 15, 16, 4095, 1ul << 31, 1ul << 32, UINT64_MAX};

    for (uint32_t n = 0; n < SYS_COUNT + 32; n++) {
        if (n == SYS_endpoint_reply_recv || n == SYS_endpoint_recv)
            continue; /* below, with a deadline */
        for (uint32_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++) {
            struct hvc_result r =
                hvc(HVC_BASE | n, arguments[i], arguments[(i + 1) % 10], arguments[(i + 3) % 10]);

            check(r.x[0] != 0, "a kernel's call without a capability is refused", n, arguments[i]);
        }
    }
    for (uint32_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++)
        check(hvc(HVC_BASE | SYS_endpoint_recv, arguments[i], 0, 0).x[0] != 0,
              "receiving from nothing is refused", i, 0);
}

void tiny_run(void)
{
    psci_arguments();
    unknown_functions();
    kernel_calls();
    check(try(hvc_immediate, 0, 0) == 0, "HVC with another immediate comes back", 0, 0);
    for (uint64_t f = 0x84000000; f < 0x84000010; f++)
        check(ESR_CLASS(try(smc, f, 0)) == CLASS_UNKNOWN && try(smc, f, 0) != 0, "SMC is undefined", f, 0);
}
