/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * networks.c - networks by name, and segments as the uplink's VLANs
 *
 * Always true:  a VLAN of the uplink belongs to one segment (gen_manifest.py lets one bridge have it, and
 * segment_check keeps access ports of the untagged bridge out of another's VLAN), so what is tagged on the
 * way out is what comes back in.
 */
#include <stdio.h>
#include <string.h>

#include "netdrv.h"

#define VLAN_LAST 4094u

const struct network_config *network_config(uint32_t network)
{
    return &networks_config.networks[network];
}

enum status network_find(const char *name, uint32_t *network)
{
    for (uint32_t i = 0; i < networks_config.network_count; i++) {
        if (strcmp(network_config(i)->name, name) != 0)
            continue;
        *network = i;
        return OK;
    }
    return ERR_EXIST;
}

/* The bridge that has this VLAN of the uplink (0: untagged) for itself; or network_count. */
static uint32_t bridge_of(uint16_t vlan)
{
    uint32_t i = 0;

    while (i < networks_config.network_count &&
           !(network_config(i)->uplink && network_config(i)->vlan == vlan))
        i++;
    return i;
}

bool segment_uplink(segment_t segment, uint16_t *tag)
{
    const struct network_config *config;

    if (segment >> 12 >= networks_config.network_count) { /* the router's, where no bridge is */
        *tag = segment & 0xfffu;
        return true;
    }
    config = network_config(segment >> 12);
    *tag = config->vlan ? config->vlan : segment & 0xfffu;
    return config->uplink;
}

segment_t segment_of_tag(uint16_t tag)
{
    uint32_t network = bridge_of(tag);

    if (network < networks_config.network_count)
        return SEGMENT(network, 0);
    network = tag ? bridge_of(0) : network;
    if (network < networks_config.network_count)
        return SEGMENT(network, tag);
    return networks_config.address && tag == networks_config.vlan ? SEGMENT(network, tag) : SEGMENT_NONE;
}

enum status segment_check(uint32_t network, uint32_t vlan, char *error, size_t error_bytes)
{
    const struct network_config *config = network_config(network);

    if (vlan == 0)
        return OK;
    if (vlan > VLAN_LAST) {
        snprintf(error, error_bytes, "VLAN %u: the highest is %u", (unsigned)vlan, VLAN_LAST);
        return ERR_ARG;
    }
    if (config->mode != NETWORK_BRIDGE || config->vlan) {
        snprintf(error, error_bytes, "VLAN %u: network %s %s", (unsigned)vlan, config->name,
                 config->vlan ? "is a VLAN itself" : "is no bridge");
        return ERR_ARG;
    }
    uint32_t other = bridge_of((uint16_t)vlan);
    if (config->uplink && other < networks_config.network_count) {
        snprintf(error, error_bytes, "VLAN %u of the uplink is network %s", (unsigned)vlan,
                 network_config(other)->name);
        return ERR_ARG;
    }
    return OK;
}
