/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * serve.c - the methods of net.proto
 *
 * The badge says who calls: the toolstack opens, closes, plugs and asks; a session attaches to its own port.
 */
#include "serve.h"

#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "net_rpc.h"
#include "netdrv.h"
#include "nic.h"

static void caps_drop(const struct rpc_call *call)
{
    for (uint32_t i = 0; i < call->in_count; i++)
        bh_slot_drop(call->in[i]);
}

static bool is_toolstack(const struct rpc_call *call, bh_NetStatus *reply)
{
    if (call->badge == BADGE_TOOLSTACK)
        return true;
    reply->status = ERR_RIGHT;
    snprintf(reply->error, sizeof(reply->error), "only the toolstack plugs interfaces in and out");
    return false;
}

/* ---- Open, Close, Link --------------------------------------------------------------------------- */

static struct rates rates_of(bool said, const bh_NetRate *rate)
{
    if (!said)
        return (struct rates){0};
    return (struct rates){.bytes = rate->bytes,
                          .bytes_burst = rate->bytes_burst,
                          .packets = rate->packets,
                          .packets_burst = rate->packets_burst};
}

static void config_read(const bh_NetOpenRequest *request, struct port_config *config)
{
    *config = (struct port_config){.session = request->session,
                                   .any_address = request->any_address,
                                   .learn = request->learn,
                                   .link = true,
                                   .ipv4_count = (uint8_t)request->ipv4_count,
                                   .ipv6_count = (uint8_t)request->ipv6_count,
                                   .from_vm = rates_of(request->has_from_vm, &request->from_vm),
                                   .to_vm = rates_of(request->has_to_vm, &request->to_vm)};
    snprintf(config->name, sizeof(config->name), "%s", request->name);
    memcpy(config->mac, request->mac, sizeof(config->mac));
    memcpy(config->ipv4, request->ipv4, sizeof(config->ipv4));
    memcpy(config->ipv6, request->ipv6, sizeof(config->ipv6));
}

/* False: the reply says why not. */
static bool request_take(const struct rpc_call *call, const bh_NetOpenRequest *request,
                         struct port_config *config, bh_NetStatus *reply)
{
    if (!is_toolstack(call, reply))
        return false;
    config_read(request, config);
    if (network_find(request->network, &config->network) != OK) {
        reply->status = ERR_EXIST;
        snprintf(reply->error, sizeof(reply->error), "there is no network %s", request->network);
        return false;
    }
    if (request->vlan > UINT16_MAX) {
        reply->status = ERR_ARG;
        snprintf(reply->error, sizeof(reply->error), "%u is no VLAN", (unsigned)request->vlan);
        return false;
    }
    config->vlan = (uint16_t)request->vlan;
    return true;
}

void net_on_open(struct rpc_call *call, const bh_NetOpenRequest *request, bh_NetStatus *reply)
{
    struct port_config config;
    slot_t memory = call->in_count ? call->in[0] : 0;

    if (request_take(call, request, &config, reply))
        reply->status = session_open(call->context, &config, memory, reply->error, sizeof(reply->error));
    caps_drop(call);
}

void net_on_replug(struct rpc_call *call, const bh_NetOpenRequest *request, bh_NetStatus *reply)
{
    struct port_config config;

    caps_drop(call);
    if (request_take(call, request, &config, reply))
        reply->status = session_replug(call->context, &config, reply->error, sizeof(reply->error));
}

void net_on_close(struct rpc_call *call, const bh_NetCloseRequest *request, bh_NetStatus *reply)
{
    caps_drop(call);
    if (is_toolstack(call, reply))
        reply->status = session_close(call->context, request->session, reply->error, sizeof(reply->error));
}

void net_on_link(struct rpc_call *call, const bh_NetLinkRequest *request, bh_NetStatus *reply)
{
    caps_drop(call);
    if (is_toolstack(call, reply))
        reply->status =
            session_link(call->context, request->session, request->up, reply->error, sizeof(reply->error));
}

/* ---- Attach -------------------------------------------------------------------------------------- */

static enum status attach_refuse(struct rpc_call *call, bh_NetAttachReply *reply, enum status status,
                                 const char *why)
{
    caps_drop(call);
    snprintf(reply->error, sizeof(reply->error), "%s", why);
    return status;
}

static enum status attach(struct rpc_call *call, uint64_t features, bh_NetAttachReply *reply)
{
    struct netdrv *drv = call->context;
    struct port *port = session_find(drv, call->badge);
    slot_t doorbell;
    enum status status;

    if (!port)
        return attach_refuse(call, reply, ERR_EXIST, "this session is not open");
    if (call->in_count == 0)
        return attach_refuse(call, reply, ERR_ARG, "the Notification for packets is missing");
    doorbell = machine_port_doorbell(port_number(drv, port));
    if (doorbell == 0)
        return attach_refuse(call, reply, ERR_MEM, "no doorbell can be made");
    for (uint32_t i = 1; i < call->in_count; i++)
        bh_slot_drop(call->in[i]);
    status = machine_port_notify(port_number(drv, port), call->in[0]);
    if (status == OK)
        status = session_attach(drv, port, features);
    if (status != OK)
        return status;
    memcpy(reply->mac, port->config.mac, sizeof(reply->mac));
    reply->mtu = NET_MTU;
    reply->link = port->config.link;
    call->out[call->out_count++] = machine_block_frame(port->block);
    call->out[call->out_count++] = doorbell;
    return OK;
}

void net_on_attach(struct rpc_call *call, const bh_NetAttachRequest *request, bh_NetAttachReply *reply)
{
    reply->status = attach(call, request->features, reply);
}

/* ---- Info, Network -------------------------------------------------------------------------------- */

static void counters_tell(const struct counters *from, bool *said, bh_NetCounters *to)
{
    *said = true;
    *to = (bh_NetCounters){.packets = from->packets,
                           .bytes = from->bytes,
                           .dropped_rate = from->dropped_rate,
                           .dropped_full = from->dropped_full,
                           .dropped_spoofed = from->dropped_spoofed,
                           .dropped_malformed = from->dropped_malformed,
                           .dropped_flood = from->dropped_flood};
}

static void addresses_tell(struct netdrv *drv, struct port *port, bh_NetInfoReply *reply)
{
    uint32_t learned = guard_learned(&port->guard, drv->now_ms);
    uint32_t most = sizeof(reply->ipv4) / sizeof(reply->ipv4[0]);

    for (uint32_t i = 0; i < port->config.ipv4_count && reply->ipv4_count < most; i++)
        reply->ipv4[reply->ipv4_count++] = port->config.ipv4[i];
    if (learned && reply->ipv4_count < most)
        reply->ipv4[reply->ipv4_count++] = learned;
}

static void port_tell(struct netdrv *drv, struct port *port, bh_NetInfoReply *reply)
{
    reply->status = OK;
    reply->session = port->config.session;
    memcpy(reply->name, port->config.name, sizeof(reply->name));
    snprintf(reply->network, sizeof(reply->network), "%s", network_config(port->config.network)->name);
    memcpy(reply->mac, port->config.mac, sizeof(reply->mac));
    reply->vlan = port->config.vlan;
    reply->link = port->config.link;
    reply->attached = port->attached;
    counters_tell(&port->from_vm, &reply->has_from_vm, &reply->from_vm);
    counters_tell(&port->to_vm, &reply->has_to_vm, &reply->to_vm);
    addresses_tell(drv, port, reply);
}

void net_on_info(struct rpc_call *call, const bh_NetInfoRequest *request, bh_NetInfoReply *reply)
{
    struct netdrv *drv = call->context;
    struct port *port = request->session ? session_find(drv, request->session) : NULL;
    uint32_t left = request->index;

    caps_drop(call);
    for (uint32_t i = 0; i < PORTS_MAX && !request->session && !port; i++)
        if (drv->ports[i].open && left-- == 0)
            port = &drv->ports[i];
    reply->status = call->badge != BADGE_TOOLSTACK ? ERR_RIGHT : port ? OK : ERR_EXIST;
    if (reply->status == OK)
        port_tell(drv, port, reply);
}

static void bridge_tell(const struct netdrv *drv, const struct network_config *config,
                        bh_NetNetworkReply *reply)
{
    const struct nic_info *nic = nic_info();

    if (!config->uplink)
        return;
    if (nic->state == NIC_READY)
        snprintf(reply->text, sizeof(reply->text), "uplink %s, link %s, VLAN %u", nic->kind,
                 nic->link ? "up" : "down", config->vlan);
    else
        snprintf(reply->text, sizeof(reply->text), "no uplink: %.90s", nic->why);
    counters_tell(&drv->uplink.in, &reply->has_uplink_in, &reply->uplink_in);
    counters_tell(&drv->uplink.out, &reply->has_uplink_out, &reply->uplink_out);
}

static void routed_tell(const struct network_config *config, bh_NetNetworkReply *reply)
{
    const uint32_t a = config->address;

    snprintf(reply->text, sizeof(reply->text), "%u.%u.%u.%u/%u%s", (unsigned)(a >> 24),
             (unsigned)(a >> 16 & 255), (unsigned)(a >> 8 & 255), (unsigned)(a & 255),
             (unsigned)config->prefix, config->dhcp_first ? ", DHCP" : "");
}

void net_on_network(struct rpc_call *call, const bh_NetNetworkRequest *request, bh_NetNetworkReply *reply)
{
    static const char *const modes[] = {
        [NETWORK_BRIDGE] = "bridge", [NETWORK_NAT] = "nat", [NETWORK_ROUTE] = "route"};
    struct netdrv *drv = call->context;
    const struct network_config *config;

    caps_drop(call);
    reply->status = call->badge != BADGE_TOOLSTACK                    ? ERR_RIGHT
                    : request->index >= networks_config.network_count ? ERR_EXIST
                                                                      : OK;
    if (reply->status != OK)
        return;
    config = network_config(request->index);
    snprintf(reply->name, sizeof(reply->name), "%s", config->name);
    snprintf(reply->mode, sizeof(reply->mode), "%s", modes[config->mode]);
    reply->ports = (uint32_t)__builtin_popcountll(drv->members[request->index]);
    if (config->mode == NETWORK_BRIDGE)
        bridge_tell(drv, config, reply);
    else
        routed_tell(config, reply);
}
