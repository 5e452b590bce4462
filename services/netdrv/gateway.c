/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gateway.c - the router (route.h) as it sits in the switch: one link in each network of mode nat or route,
 * one outside
 *
 * Its link outside is a station of the uplink's segment, next to the VMs of the bridge that has that segment,
 * if there is one; it has the NIC's own address there.
 */
#include <string.h>

#include "netdrv.h"
#include "nic.h"

#define LEASE_S 86400u

/* Locally administered, seen by this network's VMs only. */
static void inside_mac(uint8_t mac[6], uint32_t link)
{
    memcpy(mac, (const uint8_t[6]){0x02, 0x42, 0x48, 0x00, 0x00, (uint8_t)link}, 6);
}

static void link_place(struct netdrv *drv, uint32_t link, segment_t segment)
{
    drv->router_segments[link] = segment;
    drv->router_macs[link] = mac48(drv->router.links[link].mac);
}

/* Addresses that the sessions' files say are not given to others. */
static bool address_is_configured(void *context, uint32_t ip)
{
    const struct netdrv *drv = context;

    for (uint32_t i = 0; i < PORTS_MAX; i++)
        for (uint32_t k = 0; drv->ports[i].open && k < drv->ports[i].config.ipv4_count; k++)
            if (drv->ports[i].config.ipv4[k] == ip)
                return true;
    return false;
}

static void dhcp_configure(struct netdrv *drv, uint32_t link, const struct network_config *config)
{
    struct dhcp *dhcp = &drv->router.dhcp[link];

    dhcp->server_ip = config->address;
    inside_mac(dhcp->server_mac, link);
    dhcp->prefix = (uint8_t)config->prefix;
    dhcp->router = config->address;
    dhcp->dns = networks_config.dns;
    dhcp->mtu = NET_MTU;
    dhcp->first = config->dhcp_first;
    dhcp->last = config->dhcp_last;
    dhcp->lease_s = LEASE_S;
    dhcp->is_taken = address_is_configured;
    dhcp->context = drv;
}

static void inside_add(struct netdrv *drv, uint32_t network, uint32_t link)
{
    const struct network_config *config = network_config(network);
    struct route_link *to = &drv->router.links[link];

    *to = (struct route_link){.used = true,
                              .ip = config->address,
                              .prefix = (uint8_t)config->prefix,
                              .mtu = NET_MTU,
                              .mode = config->mode == NETWORK_NAT ? ROUTE_NAT : ROUTE_PLAIN,
                              .proxy_arp = true,
                              .dhcp_server = config->dhcp_first != 0};
    inside_mac(to->mac, link);
    if (to->dhcp_server)
        dhcp_configure(drv, link, config);
    drv->router_links[network] = link;
    link_place(drv, link, SEGMENT(network, 0));
}

static void outside_add(struct netdrv *drv)
{
    const struct nic_info *nic = nic_info();
    struct route_link *to = &drv->router.links[ROUTE_UPLINK];

    *to = (struct route_link){.used = true,
                              .ip = networks_config.address,
                              .prefix = (uint8_t)networks_config.prefix,
                              .mtu = NET_MTU};
    if (nic->state == NIC_READY)
        memcpy(to->mac, nic->mac, sizeof(to->mac));
    else
        inside_mac(to->mac, ROUTE_UPLINK);
    drv->router.gateway = networks_config.gateway;
    link_place(drv, ROUTE_UPLINK, segment_of_tag(networks_config.vlan));
}

/* The router sends: out of one of its links. */
static void gateway_send(void *context, uint32_t link, struct packet *packet)
{
    struct netdrv *drv = context;
    struct inet in;

    (void)inet_parse(&in, packet);
    (void)switch_forward(drv, SOURCE_ROUTER, drv->router_segments[link], packet, &in);
}

static void forwards_add(struct netdrv *drv)
{
    for (uint32_t i = 0; i < networks_config.forward_count; i++) {
        const struct network_forward *from = &networks_config.forwards[i];
        struct nat_forward forward = {from->protocol, from->port, from->to, from->to_port};

        if (!nat_add_forward(&drv->router.nat, &forward))
            machine_log("port %u cannot be forwarded", from->port);
    }
}

void gateway_start(struct netdrv *drv)
{
    uint32_t link = 0;

    for (uint32_t i = 0; i <= ROUTE_NETWORKS; i++)
        drv->router_segments[i] = SEGMENT_NONE;
    for (uint32_t i = 0; i < networks_config.network_count && link < ROUTE_NETWORKS; i++)
        if (network_config(i)->mode != NETWORK_BRIDGE)
            inside_add(drv, i, link++);
    if (link == 0)
        return;
    if (networks_config.address)
        outside_add(drv);
    drv->router.send = gateway_send;
    drv->router.context = drv;
    drv->router_used = true;
    /* What an earlier life left there is judged flow by flow. */
    (void)router_init(&drv->router, (struct nat_flow *)(void *)machine_flows(), true, drv->now_ms);
    forwards_add(drv);
    router_announce(&drv->router);
}

bool gateway_owns(const struct netdrv *drv, segment_t segment, uint64_t mac)
{
    for (uint32_t i = 0; i <= ROUTE_NETWORKS; i++)
        if (drv->router_segments[i] == segment && drv->router_macs[i] == mac)
            return true;
    return false;
}

/* The address that DHCP gives to this port, if its session says one. */
static uint32_t configured_address(const struct netdrv *drv, uint32_t source)
{
    return drv->ports[source].config.ipv4_count ? drv->ports[source].config.ipv4[0] : 0;
}

void gateway_receive(struct netdrv *drv, uint32_t source, segment_t segment, struct packet *packet,
                     struct inet *in)
{
    uint32_t link = 0;

    while (link <= ROUTE_NETWORKS && drv->router_segments[link] != segment)
        link++;
    if (link > ROUTE_NETWORKS || in->fault != INET_FINE)
        return;
    if (link == ROUTE_UPLINK || source >= PORTS_MAX)
        router_receive(&drv->router, link, packet, in, 0, 0, drv->now_ms);
    else
        router_receive(&drv->router, link, packet, in, source, configured_address(drv, source), drv->now_ms);
}

void gateway_port_closed(struct netdrv *drv, uint32_t number)
{
    if (drv->router_used)
        nat_forget(&drv->router.nat, number);
}

void gateway_tick(struct netdrv *drv)
{
    if (drv->router_used)
        router_tick(&drv->router, drv->now_ms);
}
