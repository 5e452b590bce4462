/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verb_devices.c - disks and network interfaces of VMs: block-list, -attach, -detach; network-list, -attach,
 * -detach
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "list.h"
#include "mgmt_json.h"
#include "print.h"
#include "results.h"
#include "vdev.h"
#include "verbs.h"
#include "vmfile.h"
#include "vms.h"

#define INDEX_MAX 255

/* ---- block-list -----------------------------------------------------------------------------------------
 */

static void blocks_print(const void *reply)
{
    const bh_MgmtBlockList *list = reply;

    for (unsigned i = 0; i < list->blocks_count; i++) {
        const bh_MgmtBlock *b = &list->blocks[i];

        printf("%-24s %5u %-5s %-24s %-4s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %7" PRIu64 " %6" PRIu64
               "%s%s\n",
               list->name, (unsigned)list->id, b->vdev, b->volume, b->writable ? "w" : "r", b->sectors,
               b->reads, b->writes, b->flushes, b->errors, *b->text ? " " : "", b->text);
    }
}

static void blocks_json(struct json *json, const void *reply)
{
    mgmt_json_block_list(json, NULL, reply);
}

static int block_list(const struct args *args)
{
    static const struct vm_list list = {
        "Name                        ID Vdev  Volume                   Mode    Sectors      Reads     Writes "
        "Flushes Errors",
        MGMT_METHOD_BLOCK_LIST, blocks_print, blocks_json};

    return vm_list_say(args, &list);
}

const struct verb verb_block_list = {
    .name = "block-list",
    .aliases = "domblklist",
    .group = GROUP_DEVICES,
    .arguments = "[VM...]",
    .summary = "the disks of VMs, and what they did",
    .most = WORDS_ANY,
    .asks = true,
    .run = block_list,
};

/* ---- network-list
 * ------------------------------------------------------------------------------------------- */

static uint64_t dropped(const bh_MgmtNetCounters *c)
{
    return c->dropped_rate + c->dropped_full + c->dropped_spoofed + c->dropped_malformed + c->dropped_flood;
}

static void network_print(const bh_MgmtNetworkList *list, const bh_MgmtNetwork *n)
{
    static const uint8_t no_mac[6];
    char mac[MAC_TEXT_BYTES], address[INET_ADDRSTRLEN], vlan[8] = "-";

    mac_print(mac, n->mac.size == sizeof(no_mac) ? n->mac.bytes : no_mac);
    if (n->vlan)
        snprintf(vlan, sizeof(vlan), "%u", (unsigned)(n->vlan & 0xfff));
    printf("%-24s %5u %3u %s %-12s %4s %-5s %10" PRIu64 " %10" PRIu64 " %8" PRIu64, list->name,
           (unsigned)list->id, (unsigned)n->index, mac, n->network, vlan,
           !n->attached ? "none"
           : n->link    ? "up"
                        : "down",
           n->from_vm.packets, n->to_vm.packets, dropped(&n->from_vm) + dropped(&n->to_vm));
    for (unsigned i = 0; i < n->ipv4_count; i++) {
        struct in_addr in = {.s_addr = htonl(n->ipv4[i])};

        printf("%s%s", i ? "," : " ", inet_ntop(AF_INET, &in, address, sizeof(address)));
    }
    putchar('\n');
}

static void networks_print(const void *reply)
{
    const bh_MgmtNetworkList *list = reply;

    for (unsigned i = 0; i < list->interfaces_count; i++)
        network_print(list, &list->interfaces[i]);
}

static void networks_json(struct json *json, const void *reply)
{
    mgmt_json_network_list(json, NULL, reply);
}

static int network_list(const struct args *args)
{
    static const struct vm_list list = {
        "Name                        ID Idx MAC               Network      VLAN Link        Sent   Received "
        " Dropped Addresses",
        MGMT_METHOD_NETWORK_LIST, networks_print, networks_json};

    return vm_list_say(args, &list);
}

const struct verb verb_network_list = {
    .name = "network-list",
    .aliases = "domiflist domifaddr domifstat",
    .group = GROUP_DEVICES,
    .arguments = "[VM...]",
    .summary = "the network interfaces of VMs, their addresses and counters",
    .text = "Sent and Received are packets, as the VM sees it.",
    .most = WORDS_ANY,
    .asks = true,
    .run = network_list,
};

/* ---- attach and detach
 * ---------------------------------------------------------------------------------------- */

/* What words say, as if KEY = ['WORDS'] stood in the file of a VM. */
static struct vm vm_of_entry(const char *key, char **words, unsigned count)
{
    char name[] = "name=x", memory[] = "memory=8", kernel[] = "kernel=image:x";
    char *assignments[] = {name, memory, kernel, NULL}, *entry = must_print("%s", "");

    for (unsigned i = 0; i < count; i++)
        entry = must_print("%s%s%s", entry, i ? "," : "", words[i]);
    if (strpbrk(entry, "'\n\\"))
        fail_usage("%s: '%s': there is no such value", key, entry);
    assignments[3] = must_print("%s=['%s']", key, entry);
    return vm_read_with(NULL, assignments, 4);
}

static int block_attach(const struct args *args)
{
    bh_MgmtBlockAttachRequest request = {.has_disk = true};
    struct vm vm = vm_of_entry("disk", args->words + 1, args->count - 1);

    vm_word(request.vm, args->words[0]);
    request.disk = vm.config.disks[0];
    return result_of(args, "disk attached", MGMT_METHOD_BLOCK_ATTACH, &request);
}

const struct verb verb_block_attach = {
    .name = "block-attach",
    .group = GROUP_DEVICES,
    .arguments = "VM phy:VOLUME VDEV MODE",
    .summary = "put a volume into a drive",
    .text =
        "Or the last three in one word, with commas, as in a VM's file: phy:data,vdb,w or ram:64M,vdb,w. "
        "Every VM has the drives vda to vdd; the one that is named must be empty. It is in force at once, "
        "and from the VM's next start on.",
    .least = 2,
    .most = 4,
    .asks = true,
    .run = block_attach,
};

static int block_detach(const struct args *args)
{
    bh_MgmtBlockDetachRequest request = bh_MgmtBlockDetachRequest_init_zero;

    vm_word(request.vm, args->words[0]);
    if (vdev_place(args->words[1]) == DRIVES_MAX)
        fail("block-detach: '%s' is no drive of a VM's: " DRIVES_WORDS " are", args->words[1]);
    snprintf(request.vdev, sizeof(request.vdev), "%s", args->words[1]);
    return result_of(args, "disk detached", MGMT_METHOD_BLOCK_DETACH, &request);
}

const struct verb verb_block_detach = {
    .name = "block-detach",
    .group = GROUP_DEVICES,
    .arguments = "VM VDEV",
    .summary = "take the volume out of a drive",
    .text = "What the guest asks of it then fails; the volume is free for other VMs at once. It is in force "
            "from the VM's next start on, too.",
    .least = 2,
    .most = 2,
    .asks = true,
    .run = block_detach,
};

static bool is_said(char **words, unsigned count, const char *key)
{
    for (unsigned i = 0; i < count; i++)
        if (strstr(words[i], key))
            return true;
    return false;
}

static int network_attach(const struct args *args)
{
    bh_MgmtNetworkAttachRequest request = {.has_vif = true};
    struct vm vm = vm_of_entry("vif", args->words + 1, args->count - 1);

    vm_word(request.vm, args->words[0]);
    request.vif = vm.config.vifs[0];
    if (!is_said(args->words + 1, args->count - 1, "mac="))
        memset(request.vif.mac, 0, sizeof(request.vif.mac));
    return result_of(args, "interface attached", MGMT_METHOD_NETWORK_ATTACH, &request);
}

const struct verb verb_network_attach = {
    .name = "network-attach",
    .group = GROUP_DEVICES,
    .arguments = "VM [KEY=VALUE...]",
    .summary = "plug a network interface in",
    .text =
        "The keys are those of `vif` in a VM's file: bridge, mac, ip, rate, rate_in, pps, pps_in, vlan. "
        "An interface that was detached is meant: the one with this mac, else the first. Without other keys "
        "it is as it was; with some it is as they say, on the same network unless bridge names another.",
    .least = 1,
    .most = WORDS_ANY,
    .asks = true,
    .run = network_attach,
};

/* xl takes an interface's number or its MAC. */
static uint32_t interface_index(const struct args *args, const char *vm, const char *word)
{
    bh_MgmtVmRequest request = bh_MgmtVmRequest_init_zero;
    bh_MgmtNetworkList list;
    struct client *client;

    if (!strchr(word, ':'))
        return (uint32_t)args_number("network-detach: interface", word, 0, INDEX_MAX);
    client = client_open(args);
    vm_word(request.vm, vm);
    client_ask(client, MGMT_METHOD_NETWORK_LIST, &request, &list);
    client_close(client);
    for (unsigned i = 0; i < list.interfaces_count; i++) {
        char mac[MAC_TEXT_BYTES];

        if (list.interfaces[i].mac.size != 6)
            continue;
        mac_print(mac, list.interfaces[i].mac.bytes);
        if (!strcasecmp(mac, word))
            return list.interfaces[i].index;
    }
    fail_as(EXIT_REFUSED, "not_found", "%s has no interface with the MAC %s", vm, word);
}

static int network_detach(const struct args *args)
{
    bh_MgmtNetworkDetachRequest request = bh_MgmtNetworkDetachRequest_init_zero;

    vm_word(request.vm, args->words[0]);
    request.index = interface_index(args, args->words[0], args->words[1]);
    return result_of(args, "interface detached", MGMT_METHOD_NETWORK_DETACH, &request);
}

const struct verb verb_network_detach = {
    .name = "network-detach",
    .group = GROUP_DEVICES,
    .arguments = "VM INDEX|MAC",
    .summary = "pull a network interface out",
    .least = 2,
    .most = 2,
    .asks = true,
    .run = network_detach,
};
