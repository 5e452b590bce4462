/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * results.c - what became of each VM of a verb
 */
#include "results.h"

#include <stdio.h>

#include "fail.h"
#include "mgmt_json.h"

void results_start(struct results *r, const struct args *args, const char *done)
{
    *r = (struct results){.args = args, .done = done};
    json_start(&r->json, stdout);
    if (args->json) {
        json_object(&r->json, NULL);
        json_array(&r->json, "vms");
    }
}

void results_take(struct results *r, uint32_t status, const bh_MgmtVmReply *reply, const char *error)
{
    if (status != bh_MgmtStatus_MGMT_OK) {
        complain_as(mgmt_status_word((bh_MgmtStatus)status), "%s", error);
        r->status = EXIT_REFUSED;
        return;
    }
    if (r->args->json)
        mgmt_json_vm_reply(&r->json, NULL, reply);
    else if (reply->text[0])
        printf("%s: %s\n", reply->name, reply->text);
    else if (r->done)
        printf("%s: %s%s\n", reply->name, r->done, reply->unchanged ? " already" : "");
    fflush(stdout);
}

int results_end(struct results *r)
{
    if (r->args->json) {
        json_array_end(&r->json);
        json_object_end(&r->json);
        json_finish(&r->json);
    }
    return r->status;
}

int result_of(const struct args *args, const char *done, uint32_t method, const void *request)
{
    struct client *client = client_open(args);
    char error[WIRE_ERROR_BYTES];
    struct results results;
    bh_MgmtVmReply reply;
    uint32_t status;

    results_start(&results, args, done);
    status = client_request(client, method, request, &reply, error);
    results_take(&results, status, &reply, error);
    client_close(client);
    return results_end(&results);
}
