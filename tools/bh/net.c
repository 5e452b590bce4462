/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.c - see net.h
 *
 * --net KIND[:WHERE][,KEY=VALUE...] becomes QEMU's -netdev.  What QEMU would refuse with a word of its own,
 * or, worse, take and do nothing with, is refused here; keys that would run programs or touch files of the
 * host are not passed on.
 */
#define _GNU_SOURCE
#include "net.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"

/* The keys of each kind, with a blank before and behind. */
static const struct net_kind {
    const char *name, *keys, *needs; /* needs: one of these keys; NULL: none */
} kinds[] = {
    {"user", " hostfwd restrict net host dns dhcpstart ipv6 ", NULL},
    {"socket", " listen connect mcast udp localaddr ", " listen connect mcast udp "},
    {"stream", " server reconnect addr.type addr.host addr.port addr.path addr.abstract ", " addr.type "},
    {"dgram",
     " local.type local.host local.port local.path local.abstract remote.type remote.host remote.port"
     " remote.path remote.abstract ",
     " local.type remote.type "},
};

static const struct net_kind *kind_find(const char *text)
{
    size_t length = strcspn(text, ":,");

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strlen(kinds[i].name) == length && memcmp(kinds[i].name, text, length) == 0)
            return &kinds[i];
    return NULL;
}

static bool is_among(const char *words, const char *word, size_t length)
{
    char *padded = must_print(" %.*s ", (int)length, word);
    bool found = length != 0 && !memchr(word, ' ', length) && strstr(words, padded) != NULL;

    free(padded);
    return found;
}

/* ---- port forwards: (tcp|udp):[ADDRESS]:PORT-[ADDRESS]:PORT ------------------------------------------ */

static bool port_skip(const char **at)
{
    char *end;
    unsigned long port;

    if (**at < '0' || **at > '9')
        return false;
    port = strtoul(*at, &end, 10);
    *at = end;
    return port > 0 && port < 65536;
}

static bool address_skip(const char **at)
{
    *at += strspn(*at, "0123456789.");
    return *(*at)++ == ':';
}

static bool forward_is_good(const char *at, const char *end)
{
    if (strncmp(at, "tcp:", 4) != 0 && strncmp(at, "udp:", 4) != 0)
        return false;
    at += 4;
    return address_skip(&at) && port_skip(&at) && *at++ == '-' && address_skip(&at) && port_skip(&at) &&
           at == end;
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

static void pair_check(const char *net, const struct net_kind *kind, const char *pair, size_t length)
{
    const char *equals = memchr(pair, '=', length);
    size_t key = equals ? (size_t)(equals - pair) : length;

    if (!is_among(kind->keys, pair, key))
        fail_usage("--net %s: '%.*s' is no key of %s; there are:%s", net, (int)key, pair, kind->name,
                   kind->keys);
    if (!equals || key + 1 == length)
        fail_usage("--net %s: %.*s needs a value", net, (int)key, pair);
    if (is_among(" hostfwd ", pair, key) && !forward_is_good(equals + 1, pair + length))
        fail_usage("--net %s: hostfwd is (tcp|udp):[ADDRESS]:PORT-[ADDRESS]:PORT", net);
}

static void pairs_check(const char *net, const struct net_kind *kind)
{
    const char *at = net + strlen(kind->name);
    bool has_needed = kind->needs == NULL;

    while (*at) {
        size_t length = strcspn(++at, ",");

        pair_check(net, kind, at, length);
        has_needed = has_needed || is_among(kind->needs, at, strcspn(at, "="));
        at += length;
    }
    if (!has_needed)
        fail_usage("--net %s: one of these keys is needed:%s", net, kind->needs);
}

static bool is_tap(const char *net)
{
    return strncmp(net, "tap:", 4) == 0;
}

static void tap_check(const char *net)
{
    const char *name = net + strlen("tap:");
    char *path;

    if (!*name || strlen(name) > 15 || strpbrk(name, "/,=: "))
        fail_usage("--net %s: tap:INTERFACE is needed", net);
    path = must_print("/sys/class/net/%s/tun_flags", name);
    if (access(path, F_OK) != 0)
        fail("--net %s: there is no tap interface %s (ip tuntap add %s mode tap user $USER)", net, name,
             name);
    free(path);
    if (access("/dev/net/tun", R_OK | W_OK) != 0)
        fail("--net %s: /dev/net/tun cannot be opened", net);
}

static void net_kind_check(const char *net)
{
    const struct net_kind *kind = kind_find(net);

    if (is_tap(net)) {
        tap_check(net);
        return;
    }
    if (!kind)
        fail_usage("--net %s: none of none, user, tap:INTERFACE, socket:..., stream:..., dgram:...", net);
    pairs_check(net, kind);
}

/* ---- the address --------------------------------------------------------------------------------------- */

static const char *mac_of(const char *identity)
{
    char host[HOST_NAME_MAX + 1] = "", path[PATH_MAX] = "";
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    char *text;

    gethostname(host, HOST_NAME_MAX);
    if (identity && !realpath(identity, path))
        path[0] = '\0';
    text = must_print("%s:%s", host, path);
    for (const char *c = text; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
    free(text);
    return must_print("52:54:00:%02x:%02x:%02x", (unsigned)(hash >> 56), (unsigned)(hash >> 48 & 255),
                      (unsigned)(hash >> 40 & 255));
}

static void mac_check(const char *mac)
{
    unsigned byte[6];
    int end = 0;

    if (sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5],
               &end) != 6 ||
        mac[end] || end != 17)
        fail_usage("--mac %s: six bytes are needed, as in 52:54:00:12:34:56", mac);
    if (byte[0] & 1)
        fail_usage("--mac %s: that is a group's address, not a card's", mac);
}

void net_check(struct net_options *net, const char *identity)
{
    if (net->net && strcmp(net->net, "none") == 0)
        net->net = NULL;
    if (!net->net && (net->nic || net->mac))
        fail_usage("--%s means nothing without --net", net->nic ? "nic" : "mac");
    if (!net->net)
        return;
    net_kind_check(net->net);
    if (!net->nic)
        net->nic = "virtio";
    if (strcmp(net->nic, "virtio") != 0 && strcmp(net->nic, "e1000e") != 0)
        fail_usage("--nic %s: virtio or e1000e is needed", net->nic);
    if (net->mac)
        mac_check(net->mac);
    else
        net->mac = mac_of(identity);
}

/* ---- QEMU ---------------------------------------------------------------------------------------------- */

static char *netdev(const char *net)
{
    size_t kind = strcspn(net, ":,");

    if (is_tap(net))
        return must_print("tap,id=n,ifname=%s,script=no,downscript=no,vhost=off", net + kind + 1);
    return must_print("%.*s,id=n%s%s", (int)kind, net, net[kind] ? "," : "", net[kind] ? net + kind + 1 : "");
}

/* At PCI 00:03.0, behind the SMMU. */
uint32_t net_arguments(const struct net_options *net, char **argv, uint32_t count)
{
    bool is_virtio = net->nic && strcmp(net->nic, "virtio") == 0;

    if (!net->net)
        return count;
    argv[count++] = "-netdev";
    argv[count++] = netdev(net->net);
    argv[count++] = "-device";
    argv[count++] =
        must_print("%s,netdev=n,addr=0x3,mac=%s,romfile=%s", is_virtio ? "virtio-net-pci" : "e1000e",
                   net->mac, is_virtio ? ",iommu_platform=on,disable-legacy=on" : "");
    return count;
}
