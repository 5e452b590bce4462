/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.c - see start.h
 */
#define _GNU_SOURCE
#include "start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fail.h"
#include "print.h"

#define WAIT_SECONDS 60
#define LOOK_MS 20

uint64_t log_end(struct client *client)
{
    bh_MgmtDmesgRequest request = {.position = UINT64_MAX};
    bh_MgmtDmesg reply;

    client_ask(client, MGMT_METHOD_DMESG, &request, &reply);
    return reply.next;
}

/* The log from there on. */
static char *log_text(struct client *client, uint64_t position)
{
    bh_MgmtDmesgRequest request = {.position = position};
    bh_MgmtDmesg reply;
    char *text = must_print("%s", "");

    do {
        client_ask(client, MGMT_METHOD_DMESG, &request, &reply);
        char *longer = must_print("%s%s", text, reply.text);

        free(text);
        text = longer;
        request.position = reply.next;
    } while (reply.text[0]);
    return text;
}

/* Why it could not start; NULL: the log does not say that it could not. */
static char *refusal_of(struct client *client, const char *name, uint64_t log)
{
    char *text = log_text(client, log), *words = must_print(": %s: cannot start ", name);
    char *found = strstr(text, words);
    char *why =
        found ? must_print("%.*s", (int)strcspn(found + strlen(words), "\n"), found + strlen(words)) : NULL;

    free(words);
    free(text);
    return why;
}

/* False: it is not known, or off: it has ended, or never started. */
static bool is_there(struct client *client, const bh_MgmtVmReply *vm, bool *is_starting)
{
    bh_MgmtVmRequest request = bh_MgmtVmRequest_init_zero;
    bh_MgmtVmInfo info;
    char error[WIRE_ERROR_BYTES];

    snprintf(request.vm, sizeof(request.vm), "%u", (unsigned)vm->id);
    if (client_request(client, MGMT_METHOD_VM_INFO, &request, &info, error) != bh_MgmtStatus_MGMT_OK ||
        strcmp(info.vm.name, vm->name) != 0)
        return false;
    *is_starting =
        info.vm.state == bh_MgmtVmState_MGMT_VM_BUILDING || info.vm.state == bh_MgmtVmState_MGMT_VM_STARTING;
    return info.vm.state != bh_MgmtVmState_MGMT_VM_OFF;
}

void start_await(struct client *client, const struct args *args, const bh_MgmtVmReply *vm, uint64_t log)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000l};
    time_t deadline = time(NULL) + (time_t)client_patience(args, WAIT_SECONDS);
    bool is_starting = true, exists;
    char *why;

    for (;;) {
        exists = is_there(client, vm, &is_starting);
        if (!exists || !is_starting || time(NULL) >= deadline)
            break;
        nanosleep(&pause, NULL);
    }
    why = exists ? NULL : refusal_of(client, vm->name, log);
    if (why)
        fail_as(EXIT_REFUSED, "refused", "%s: cannot start: %s", vm->name, why);
}
