/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list.c - see list.h
 */
#include "list.h"

#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "vms.h"

void list_start(struct json *json, const struct args *args, const char *member, const char *heading)
{
    if (!args->json) {
        puts(heading);
        return;
    }
    json_start(json, stdout);
    json_object(json, NULL);
    json_array(json, member);
}

void list_end(struct json *json, const struct args *args)
{
    if (!args->json)
        return;
    json_array_end(json);
    json_object_end(json);
    json_finish(json);
}

int vm_list_say(const struct args *args, const struct vm_list *list)
{
    struct client *client = client_open(args);
    struct json json;
    unsigned count;
    bh_MgmtVm *vms = vms_asked(client, args, &count);
    union {
        bh_MgmtVcpuList vcpus;
        bh_MgmtBlockList blocks;
        bh_MgmtNetworkList networks;
    } reply;

    list_start(&json, args, "vms", list->heading);
    for (unsigned i = 0; i < count; i++) {
        bh_MgmtVmRequest request = bh_MgmtVmRequest_init_zero;

        vm_word(request.vm, vms[i].name);
        client_ask(client, list->method, &request, &reply);
        if (args->json)
            list->json(&json, &reply);
        else
            list->print(&reply);
    }
    list_end(&json, args);
    free(vms);
    client_close(client);
    return 0;
}
