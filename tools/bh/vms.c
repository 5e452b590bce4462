/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vms.c - a machine's VMs, as verbs go through them
 */
#include "vms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

bh_MgmtVm *vms_list(struct client *client, unsigned *count)
{
    bh_MgmtPageRequest page = bh_MgmtPageRequest_init_zero;
    bh_MgmtVm *vms = NULL;

    *count = 0;
    do {
        bh_MgmtVmList list;
        unsigned long bytes;

        client_ask(client, MGMT_METHOD_LIST, &page, &list);
        bytes = (*count + list.vms_count) * sizeof(*vms);
        vms = realloc(vms, bytes ? bytes : 1);
        if (!vms)
            fail("out of memory (%lu bytes)", bytes);
        memcpy(vms + *count, list.vms, list.vms_count * sizeof(*vms));
        *count += list.vms_count;
        page.first = list.next;
    } while (page.first != 0);
    return vms;
}

void vm_info(struct client *client, const char *vm, bh_MgmtVmInfo *info)
{
    bh_MgmtVmRequest request = bh_MgmtVmRequest_init_zero;

    vm_word(request.vm, vm);
    client_ask(client, MGMT_METHOD_VM_INFO, &request, info);
}

void vm_word(char to[VM_WORD_BYTES], const char *vm)
{
    if (!*vm || strlen(vm) >= VM_WORD_BYTES)
        fail_as(EXIT_REFUSED, "not_found", "there is no VM `%s`: a VM's name, id or UUID is needed", vm);
    snprintf(to, VM_WORD_BYTES, "%s", vm);
}

bh_MgmtVm *vms_asked(struct client *client, const struct args *args, unsigned *count)
{
    bh_MgmtVm *vms;

    if (args->count == 0)
        return vms_list(client, count);
    vms = must_alloc(args->count * sizeof(*vms));
    for (*count = 0; *count < args->count; ++*count) {
        bh_MgmtVmInfo info;

        vm_info(client, args->words[*count], &info);
        vms[*count] = info.vm;
    }
    return vms;
}

bool vm_exists(const bh_MgmtVm *vm)
{
    return vm->state != bh_MgmtVmState_MGMT_VM_OFF;
}

const char *vm_id_text(const bh_MgmtVm *vm)
{
    static char text[16];

    snprintf(text, sizeof(text), "%u", (unsigned)vm->id);
    return vm_exists(vm) ? text : "-";
}
