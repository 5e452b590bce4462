/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * panic.c - the end of a service by its own fault
 *
 * Everything ends in one brk: the kernel turns it into a fault message to init, which reports and restarts.
 * Also here: the names that compiled libraries call when something is broken beyond repair.
 */
#include <stdarg.h>
#include <stdio.h>

#include "bh.h"
#include "internal.h"
#include "thread.h"

uintptr_t __stack_chk_guard =
    0x00000aff0a0d5bad; /* a NUL, newlines: bytes that string overruns cannot write */

_Noreturn void __stack_chk_fail(void);
_Noreturn void __assert_fail(const char *claim, const char *file, int line, const char *function);
_Noreturn void abort(void);

_Noreturn void bh_fault(void)
{
    for (;;)
        __asm__ volatile("brk #1");
}

_Noreturn void bh_panic(const char *format, ...)
{
    static bool panicking;
    char line[LOG_LINE_MAX];
    va_list args;

    if (panicking || !bh_is_main())
        bh_fault(); /* logging is what broke, or is not this thread's */
    panicking = true;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    bh_log_line(line);
    bh_fault();
}

_Noreturn void __stack_chk_fail(void)
{
    bh_panic("stack overrun at %p", __builtin_return_address(0));
}

_Noreturn void __assert_fail(const char *claim, const char *file, int line, const char *function)
{
    bh_panic("%s:%d: %s: %s", file, line, function, claim);
}

_Noreturn void abort(void)
{
    bh_panic("abort at %p", __builtin_return_address(0));
}
