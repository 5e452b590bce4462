/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * out.c - words for the person, in pieces that fit a message
 *
 * The console refuses what its queues cannot take (ERR_FULL).  We try again for a while and then throw away:
 * a wire that nobody reads must not stop VMs from being served.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "caps_toolstack.h"
#include "console_rpc.h"
#include "toolstack.h"

#define PATIENCE_MS 3000u
#define RETRY_MS 10u

_Static_assert(sizeof(((bh_WriteRequest *)0)->text) == OUT_BYTES, "a full buffer is one request");

void toolstack_pause(struct toolstack *ts, uint32_t ms)
{
    uint64_t bits;

    if (bh_notification_wait(ts->pause, bh_after_ms(ms), &bits) == OK)
        bh_log("somebody signalled the toolstack's pause");
}

void out_begin(struct toolstack *ts)
{
    ts->out.gave_up = false;
}

/* Write, and again while it is worth trying.  `pending`: what is not on the wire yet. */
static enum status console_ask_write(struct toolstack *ts, const bh_WriteRequest *request, uint32_t *pending)
{
    uint64_t patience = ts->out.gave_up ? 0 : bh_after_ms(PATIENCE_MS);

    for (;;) {
        bh_ConsoleStatus reply = bh_ConsoleStatus_init_zero;
        enum status status = console_rpc_write(CAP_CONSOLE, request, &reply, NULL, bh_after_ms(ASK_MS));

        if (status == OK)
            status = (enum status)reply.status;
        *pending = reply.pending;
        if (status == OK)
            return OK;
        if (bh_now() > patience) {
            ts->out.gave_up = true;
            return status;
        }
        toolstack_pause(ts, RETRY_MS);
    }
}

static void out_send(struct toolstack *ts, bool prompt)
{
    static bh_WriteRequest request;
    uint32_t pending;

    memcpy(request.text, ts->out.text, ts->out.count);
    request.text[ts->out.count] = 0;
    request.prompt = prompt;
    request.raw = false;
    ts->out.count = 0;
    (void)console_ask_write(ts, &request, &pending); /* what was thrown away has nobody to be told to */
}

void out_flush(struct toolstack *ts)
{
    if (ts->out.count > 0)
        out_send(ts, false);
}

void out_prompt(struct toolstack *ts)
{
    out_begin(ts); /* without a prompt nothing can be typed any more */
    out_send(ts, true);
}

void out_printf(struct toolstack *ts, const char *format, ...)
{
    char piece[OUT_BYTES];
    va_list args;

    va_start(args, format);
    int length = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    if (length < 0)
        return;
    uint32_t count = (uint32_t)length < sizeof piece ? (uint32_t)length : sizeof piece - 1;

    if (count > OUT_BYTES - 1 - ts->out.count)
        out_send(ts, false);
    memcpy(ts->out.text + ts->out.count, piece, count);
    ts->out.count += count;
}

void out_raw(struct toolstack *ts, const char *text)
{
    static bh_WriteRequest request;
    uint32_t pending;

    out_flush(ts);
    snprintf(request.text, sizeof request.text, "%s", text);
    request.prompt = false;
    request.raw = true;
    (void)console_ask_write(ts, &request, &pending);
}

void out_drain(struct toolstack *ts)
{
    static const bh_WriteRequest nothing = bh_WriteRequest_init_zero;
    uint64_t deadline = bh_after_ms(PATIENCE_MS);
    uint32_t pending;

    out_flush(ts);
    while (bh_now() < deadline) {
        if (console_ask_write(ts, &nothing, &pending) == OK && pending == 0)
            return;
        toolstack_pause(ts, RETRY_MS);
    }
}
