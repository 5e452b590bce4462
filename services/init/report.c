/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.c - what init has to say
 *
 * init speaks before there is a console, and about a console that has just died.  So lines are queued, and
 * sent when the main loop comes round; a line that the console did not take stays.
 */
#include <string.h>

#include "bh.h"
#include "console_rpc.h"
#include "init.h"

#define LINES_MAX 32u
#define SEND_MS 500u
#define RETRY_MS 1000u

static struct {
    char lines[LINES_MAX][LOG_LINE_MAX];
    uint32_t first, count;
    uint32_t lost;
    uint64_t retry_at;
} queue;

/* bh_log() and bh_panic() come here. */
void bh_log_line(const char *line)
{
    if (queue.count == LINES_MAX) { /* the oldest says least about what is wrong now */
        queue.first = (queue.first + 1) % LINES_MAX;
        queue.count--;
        queue.lost++;
    }
    strncpy(queue.lines[(queue.first + queue.count) % LINES_MAX], line, LOG_LINE_MAX - 1);
    queue.count++;
}

static bool console_is_there(void)
{
    return init.log_session != 0 && init.domains[DOMAIN_CONSOLE].is_running;
}

/* When there is something to do here: never, if nothing is to be said or there will be nobody to say it to.
 */
uint64_t report_due(void)
{
    return queue.count > 0 && console_is_there() ? queue.retry_at : BH_FOREVER;
}

void report_flush(void)
{
    if (bh_now() < queue.retry_at || !console_is_there())
        return;
    while (queue.count > 0) {
        bh_LogRequest request = bh_LogRequest_init_zero;
        bh_ConsoleStatus reply = bh_ConsoleStatus_init_zero;

        strncpy(request.text, queue.lines[queue.first], sizeof(request.text) - 1);
        if (console_rpc_log(init.log_session, &request, &reply, NULL, bh_after_ms(SEND_MS)) != OK) {
            queue.retry_at = bh_after_ms(RETRY_MS);
            return;
        }
        queue.first = (queue.first + 1) % LINES_MAX;
        queue.count--;
    }
    if (queue.lost > 0) {
        uint32_t lost = queue.lost;

        queue.lost = 0;
        bh_log("%u older lines were dropped", (unsigned)lost);
    }
}
