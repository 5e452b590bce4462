/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread.c - a second thread, and who is the first
 *
 * Threads are told apart by TPIDR_EL0: each has its own errno below it (crt0.S), at the top of its stack.
 */
#include "thread.h"

#include "bh.h"
#include "internal.h"

#define TLS_BELOW 1024u /* as in crt0.S */
#define TLS_ABOVE 256u

static uint64_t main_tls;

static uint64_t tls(void)
{
    uint64_t value;

    __asm__("mrs %0, tpidr_el0" : "=r"(value));
    return value;
}

void bh_main_is_me(void)
{
    main_tls = tls();
}

bool bh_is_main(void)
{
    return tls() == main_tls;
}

void bh_main_only(void)
{
    if (!bh_is_main())
        bh_fault();
}

enum status bh_thread_start(slot_t vcpu, uint64_t stack_top, void (*entry)(uint64_t), uint64_t argument)
{
    enum status status = bh_vcpu_write(vcpu, REG_PC, (uint64_t)(uintptr_t)entry);

    if (status == OK)
        status = bh_vcpu_write(vcpu, REG_X0, argument);
    if (status == OK)
        status = bh_vcpu_write(vcpu, REG_TPIDR_EL0, stack_top - TLS_ABOVE);
    if (status == OK)
        status = bh_vcpu_write(vcpu, REG_SP_EL0, stack_top - TLS_ABOVE - TLS_BELOW);
    if (status == OK)
        status = bh_vcpu_resume(vcpu);
    return status;
}
