/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.c - the kernel's log
 *
 * Lines go into a ring that the console domain reads; until it has taken over (log_bind) they go to the UART
 * as well, and again when the kernel panics, as there is nobody left to do it.
 *
 * Locking: its own; any pCPU, any time.
 */
#include "report.h"

#include <stdarg.h>

#include "sys.h"

enum { LOG_BYTES = 16384 };
static char ring[LOG_BYTES];
static uint64_t written; /* bytes since power-on */
static bool uart_is_ours = true;
static uint32_t report_lock;
static struct log log_object;
bool log_news;
bool report_refusals;

struct log *log_get(void)
{
    return &log_object;
}

static void put(char c)
{
    ring[written++ % LOG_BYTES] = c;
    if (uart_is_ours)
        uart_put(c);
}

static void put_string(const char *s)
{
    while (*s)
        put(*s++);
}

static void put_number(uint64_t value, unsigned base, unsigned width, char pad)
{
    char digits[24];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (width > n) {
        put(pad);
        width--;
    }
    while (n)
        put(digits[--n]);
}

static void vprint(const char *f, va_list args)
{
    for (; *f; f++) {
        char pad = ' ';
        unsigned width = 0;
        bool wide = false;

        if (*f != '%') {
            put(*f);
            continue;
        }
        f++;
        if (*f == '0')
            pad = *f++;
        while (*f >= '0' && *f <= '9')
            width = width * 10 + (unsigned)(*f++ - '0');
        while (*f == 'l') {
            wide = true;
            f++;
        }
        if (*f == 's') {
            put_string(va_arg(args, const char *));
        } else if (*f == 'c') {
            put((char)va_arg(args, int));
        } else if (*f == 'p') {
            put_string("0x");
            put_number((uint64_t)va_arg(args, void *), 16, width, '0');
        } else if (*f == 'd') {
            int64_t v = wide ? va_arg(args, int64_t) : va_arg(args, int);

            if (v < 0)
                put('-');
            put_number(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, width, pad);
        } else if (*f == 'u' || *f == 'x') {
            uint64_t v = wide ? va_arg(args, uint64_t) : va_arg(args, uint32_t);

            put_number(v, *f == 'x' ? 16 : 10, width, pad);
        } else {
            put(*f);
        }
    }
}

static void lock(void)
{
    while (__atomic_exchange_n(&report_lock, 1, __ATOMIC_ACQUIRE))
        ;
}

static void unlock(void)
{
    __atomic_store_n(&report_lock, 0, __ATOMIC_RELEASE);
}

void kprintf(const char *format, ...)
{
    va_list args;

    lock();
    va_start(args, format);
    vprint(format, args);
    va_end(args);
    unlock();
    log_news = true; /* dispatch signals the reader: a line may be written with any lock held */
    this_cpu()->resched = true;
}

void log_notify(void)
{
    log_news = false;
    if (log_object.notify_cap.kind == CAP_NOTIFICATION)
        notification_signal(slot_object(&log_object.notify_cap), log_object.notify_cap.badge);
}

void panic(const char *format, ...)
{
    va_list args;

    uart_is_ours = true;
    put_string("\nbulkhead: kernel panic: ");
    va_start(args, format);
    vprint(format, args);
    va_end(args);
    put_string("\n");
    /* The status that `bh` looks for: 70, an internal error. */
    put_string("\033]bh;exit=70;kernel panic\007");
    machine_off(0);
}

/* log_bind(log, notification): the UART is the console's from now on. */
enum status sys_log_bind(struct log *log, struct slot *notification)
{
    if (log->notify_cap.kind != CAP_NONE) {
        enum status status = slot_delete(&log->notify_cap);

        if (status != OK)
            return status;
    }
    slot_embed(&log->notify_cap, notification, EMBED_NOTIFY, 0);
    uart_is_ours = false;
    return OK;
}

enum status sys_log_read(struct vcpu *self, struct log *log, uint64_t position, uint64_t *out)
{
    (void)log;
    if (!self->ipcbuf)
        return ERR_STATE;
    lock();
    if (position > written)
        position = written;
    if (written - position > LOG_BYTES)
        position = written - LOG_BYTES;
    uint64_t bytes = written - position;
    if (bytes > IPC_BYTES_MAX)
        bytes = IPC_BYTES_MAX;
    for (uint64_t i = 0; i < bytes; i++)
        self->ipcbuf->data[i] = (uint8_t)ring[(position + i) % LOG_BYTES];
    unlock();
    out[0] = position + bytes;
    out[1] = bytes;
    return OK;
}

enum status sys_control_off(struct control *control, uint32_t reason)
{
    (void)control;
    if (reason > 1)
        return ERR_ARG;
    machine_off(reason);
}
