/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verb_machine.c - what a machine has and says: images, domains, dmesg
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "list.h"
#include "mgmt_json.h"
#include "print.h"
#include "terminal.h"
#include "verbs.h"

#define LOOK_MS 250 /* dmesg -f: how often */

/* ---- images ------------------------------------------------------------------------------------------- */

static void image_print(const bh_MgmtImage *image)
{
    printf("%-40s %10" PRIu64 " %-8s %5u %s\n", image->name, image->bytes / 1024,
           image->uploaded ? "upload" : "machine", (unsigned)image->users, image->file);
}

static int images(const struct args *args)
{
    bh_MgmtPageRequest page = bh_MgmtPageRequest_init_zero;
    struct client *client = client_open(args);
    struct json json;

    list_start(&json, args, "images",
               "Name                                      Size(KiB) From     Users File");
    do {
        bh_MgmtImageList list;

        client_ask(client, MGMT_METHOD_IMAGE_LIST, &page, &list);
        for (unsigned i = 0; i < list.images_count; i++)
            if (args->json)
                mgmt_json_image(&json, NULL, &list.images[i]);
            else
                image_print(&list.images[i]);
        page.first = list.next;
    } while (page.first != 0);
    list_end(&json, args);
    client_close(client);
    return 0;
}

const struct verb verb_images = {
    .name = "images",
    .group = GROUP_MACHINES,
    .arguments = "",
    .summary = "kernels and ramdisks that the machine has",
    .text = "kernel=image:NAME in `create` uses one of them.",
    .asks = true,
    .run = images,
};

/* ---- domains --------------------------------------------------------------------------------------------
 */

static void domain_print(const bh_MgmtDomain *domain)
{
    printf("%-24s %10" PRIu64 " %7" PRIu64 ".%03u %5u %6u %10" PRIu64 " %8u %s\n", domain->name,
           domain->memory_bytes / 1024, domain->cpu_us / 1000000, (unsigned)(domain->cpu_us / 1000 % 1000),
           (unsigned)domain->pcpu, (unsigned)domain->weight, domain->switches, (unsigned)domain->restarts,
           domain->running ? "runs" : "down");
}

static int domains(const struct args *args)
{
    bh_MgmtPageRequest page = bh_MgmtPageRequest_init_zero;
    struct client *client = client_open(args);
    struct json json;

    list_start(&json, args, "domains",
               "Name                       Mem(KiB)     Time(s)   CPU Weight   Switches Restarts State");
    do {
        bh_MgmtDomainList list;

        client_ask(client, MGMT_METHOD_DOMAIN_LIST, &page, &list);
        for (unsigned i = 0; i < list.domains_count; i++)
            if (args->json)
                mgmt_json_domain(&json, NULL, &list.domains[i]);
            else
                domain_print(&list.domains[i]);
        page.first = list.next;
    } while (page.first != 0);
    list_end(&json, args);
    client_close(client);
    return 0;
}

const struct verb verb_domains = {
    .name = "domains",
    .group = GROUP_MACHINES,
    .arguments = "",
    .summary = "Bulkhead's own domains: drivers, services and the VMs' monitors",
    .asks = true,
    .run = domains,
};

/* ---- dmesg
 * ------------------------------------------------------------------------------------------------- */

/* Text that came and does not end a line yet waits for the rest. */
struct log {
    const struct args *args;
    struct json json; /* without -f: the array is open */
    char line[8192];
    size_t line_bytes;
};

static void line_say(struct log *log, bool follows)
{
    struct json json;

    if (!log->args->json) {
        text_print(log->line, log->line_bytes);
        putchar('\n');
    } else if (!follows) {
        json_text_bytes(&log->json, NULL, log->line, log->line_bytes);
    } else {
        json_start_line(&json, stdout);
        json_object(&json, NULL);
        json_text_bytes(&json, "line", log->line, log->line_bytes);
        json_object_end(&json);
        json_finish(&json);
    }
    log->line_bytes = 0;
}

static void text_take(struct log *log, const char *text, bool follows)
{
    for (; *text; text++) {
        if (*text == '\n' || log->line_bytes == sizeof(log->line))
            line_say(log, follows);
        if (*text != '\n' && *text != '\r')
            log->line[log->line_bytes++] = *text;
    }
}

/* All that is there from `position` on; returns the next position. */
static uint64_t log_read(struct client *client, struct log *log, uint64_t position, bool follows)
{
    bh_MgmtDmesgRequest request = {.position = position};
    bh_MgmtDmesg reply;

    do {
        client_ask(client, MGMT_METHOD_DMESG, &request, &reply);
        text_take(log, reply.text, follows);
        request.position = reply.next;
    } while (reply.text[0]);
    fflush(stdout);
    return request.position;
}

static int dmesg_follow(struct client *client, struct log *log)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000l};
    uint64_t position = 0;

    signals_catch();
    while (!signal_caught() && !ferror(stdout)) {
        position = log_read(client, log, position, true);
        nanosleep(&pause, NULL);
    }
    return signal_caught() ? 128 + signal_caught() : 0;
}

static int dmesg(const struct args *args)
{
    struct client *client = client_open(args);
    struct log log = {.args = args};

    if (args_has(args, "follow"))
        return dmesg_follow(client, &log);
    json_start(&log.json, stdout);
    if (args->json) {
        json_object(&log.json, NULL);
        json_array(&log.json, "lines");
    }
    (void)log_read(client, &log, 0, false);
    if (log.line_bytes)
        line_say(&log, false);
    if (args->json) {
        json_array_end(&log.json);
        json_object_end(&log.json);
        json_finish(&log.json);
    }
    client_close(client);
    return 0;
}

static const struct option_spec dmesg_options[] = {
    {"follow", 'f', NULL, "and what is logged from now on, until Ctrl-C", 0},
    {NULL, 0, NULL, NULL, 0},
};

const struct verb verb_dmesg = {
    .name = "dmesg",
    .group = GROUP_MACHINES,
    .arguments = "",
    .summary = "the log of the kernel and the services",
    .options = dmesg_options,
    .asks = true,
    .run = dmesg,
};
