/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nets.c - the interfaces of a VM: ports of netdrv's, with the VM, and plugged in and out while it is there
 */
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "build.h"
#include "caps_toolstack.h"
#include "mem_session.h"
#include "net_rpc.h"
#include "vmm_slots.h"

_Static_assert(sizeof(((bh_VmConfig *)0)->vifs) / sizeof(bh_Vif) == VMM_NETS_MAX, "a slot per interface");

static uint32_t step_net(uint32_t index)
{
    return (uint32_t)STEP_NET0 << index;
}

/* The file did not say which network: the first one of the manifest. */
static enum status network_choose(const bh_Vif *vif, bh_NetOpenRequest *request, const char *what,
                                  char *error)
{
    static const bh_NetNetworkRequest first = bh_NetNetworkRequest_init_zero;
    bh_NetNetworkReply reply;
    enum status status = OK;

    snprintf(request->network, sizeof request->network, "%s", vif->bridge);
    if (vif->bridge[0] != 0)
        return OK;
    status = net_rpc_network(CAP_NET, &first, &reply, NULL, bh_after_ms(ASK_MS));
    status = judge(status, reply.status, "there is no network", what, error);
    if (status == OK)
        snprintf(request->network, sizeof request->network, "%s", reply.name);
    return status;
}

/* What netdrv is told of an interface. */
static enum status net_describe(const struct vm *vm, uint32_t index, const bh_Vif *vif,
                                bh_NetOpenRequest *request, const char *what, char *error)
{
    *request = (bh_NetOpenRequest)bh_NetOpenRequest_init_zero;
    enum status status = network_choose(vif, request, what, error);

    if (status != OK)
        return status;
    request->session = vm_id(vm) << 8 | index;
    snprintf(request->name, sizeof request->name, "%s.%u", vm->config.name, (unsigned)index);
    memcpy(request->mac, vif->mac, sizeof request->mac);
    request->ipv4_count = vif->ipv4_count;
    memcpy(request->ipv4, vif->ipv4, sizeof vif->ipv4);
    request->ipv6_count = vif->ipv6.size == sizeof request->ipv6[0];
    memcpy(request->ipv6[0], vif->ipv6.bytes, sizeof request->ipv6[0]);
    request->any_address = vif->any_address;
    request->learn = !vif->any_address && vif->ipv4_count == 0 && vif->ipv6.size == 0;
    request->vlan = vif->vlan;
    request->has_from_vm = request->has_to_vm = true;
    request->from_vm.bytes = (uint64_t)vif->rate * 1000;
    request->from_vm.packets = vif->pps;
    request->to_vm.bytes = (uint64_t)vif->rate_in * 1000;
    request->to_vm.packets = vif->pps_in;
    return OK;
}

static enum status vm_open_net(struct toolstack *ts, struct vm *vm, uint32_t index, char *error)
{
    bh_NetOpenRequest request;
    bh_NetStatus reply;
    struct rpc_caps caps = {.in_count = 1};
    char what[32];

    snprintf(what, sizeof what, "vif %u", (unsigned)index);
    enum status status = net_describe(vm, index, &vm->config.vifs[index], &request, what, error);

    if (status == OK)
        status = vm_open_block(ts, vm, STEP_NET_BLOCK, NET_BLOCK_SESSION(vm_id(vm)), "vifs: memory", error);
    if (status == OK)
        status = judge(memory_session_mint(NET_BLOCK_SESSION(vm_id(vm)), &caps.in[0]), OK, "", what, error);
    if (status != OK)
        return status;
    step_begin(ts, vm, step_net(index));
    status = net_rpc_open(CAP_NET, &request, &reply, &caps, bh_after_ms(BUILD_MS));
    caps_drop(&caps);
    status = judge(status, reply.status, reply.error, what, error);
    if (status == OK && vm->config.vifs[index].detached)
        status = vm_net_unplug(vm, index, error);
    return status;
}

enum status vm_net_unplug(const struct vm *vm, uint32_t index, char error[ERROR_BYTES])
{
    bh_NetLinkRequest request = {.session = vm_id(vm) << 8 | index, .up = false};
    bh_NetStatus reply;
    enum status status = net_rpc_link(CAP_NET, &request, &reply, NULL, bh_after_ms(ASK_MS));

    return judge(status, reply.status, reply.error, "vif", error);
}

enum status vm_net_replug(const struct vm *vm, uint32_t index, const bh_Vif *vif, char error[ERROR_BYTES])
{
    bh_NetOpenRequest request;
    bh_NetStatus reply;
    enum status status = net_describe(vm, index, vif, &request, "vif", error);

    if (status != OK)
        return status;
    status = net_rpc_replug(CAP_NET, &request, &reply, NULL, bh_after_ms(ASK_MS));
    return judge(status, reply.status, reply.error, "vif", error);
}

enum status vm_open_nets(struct toolstack *ts, struct vm *vm, char *error)
{
    enum status status = OK;

    for (uint32_t i = 0; status == OK && i < vm->config.vifs_count; i++)
        status = vm_open_net(ts, vm, i, error);
    return status;
}

static enum status undo_net(const struct vm *vm, uint32_t index, char *error)
{
    bh_NetCloseRequest request = {.session = vm_id(vm) << 8 | index};
    bh_NetStatus reply;
    enum status status = net_rpc_close(CAP_NET, &request, &reply, NULL, bh_after_ms(ASK_MS));

    return judge(status, reply.status, reply.error, "vif", error);
}

void vm_close_nets(struct toolstack *ts, struct vm *vm)
{
    for (uint32_t i = 0; i < VMM_NETS_MAX; i++)
        undo(ts, vm, step_net(i), i, undo_net);
}
