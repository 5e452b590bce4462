/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vif.c - see vif.h
 *
 * A key of xl's is honoured, or refused with what stands here in its place; none is ignored.
 */
#define _GNU_SOURCE
#include "vif.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"

#define VLAN_MAX 4094
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct entry {
    XLU_Config *xlu;
    bh_Vif *vif;
};

/* ---- values ------------------------------------------------------------------------------------- */

static const char *read_mac(struct entry *e, const char *value)
{
    unsigned b[6];
    int end = 0;

    if (sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end) != 6 ||
        value[end] || end != 17)
        return "a MAC is six bytes, as 02:00:00:00:00:01";
    if ((b[0] & 1) || !(b[0] | b[1] | b[2] | b[3] | b[4] | b[5]))
        return "this MAC is no interface's";
    for (unsigned i = 0; i < 6; i++)
        e->vif->mac[i] = (uint8_t)b[i];
    return NULL;
}

static const char *read_bridge(struct entry *e, const char *value)
{
    if (!*value || strlen(value) >= sizeof(e->vif->bridge))
        return "a network's name has 1 to 12 characters";
    snprintf(e->vif->bridge, sizeof(e->vif->bridge), "%s", value);
    return NULL;
}

static const char *read_address(bh_Vif *vif, const char *word)
{
    struct in_addr v4;

    if (inet_pton(AF_INET, word, &v4) == 1) {
        if (vif->ipv4_count == COUNT_OF(vif->ipv4))
            return "more than 2 IPv4 addresses";
        vif->ipv4[vif->ipv4_count++] = ntohl(v4.s_addr);
        return NULL;
    }
    if (inet_pton(AF_INET6, word, vif->ipv6.bytes) != 1)
        return "addresses are as 10.0.3.5 or fd00::5, several with blanks between; or dhcp; or any";
    if (vif->ipv6.size)
        return "more than one IPv6 address";
    vif->ipv6.size = sizeof(vif->ipv6.bytes);
    return NULL;
}

static const char *read_ip(struct entry *e, const char *value)
{
    const char *wrong = *value ? NULL : "an address is missing";
    char *copy, *rest, *word;

    if (!strcmp(value, "dhcp"))
        return NULL; /* what it is when nothing is said, too */
    if (!strcmp(value, "any")) {
        e->vif->any_address = true;
        return NULL;
    }
    copy = rest = strdup(value);
    while (!wrong && (word = strsep(&rest, " \t")))
        if (*word)
            wrong = read_address(e->vif, word);
    free(copy);
    return wrong;
}

/* libxlutil says bytes per interval; thousands of them a second are what goes to the machine. */
static const char *rate_parse(const struct entry *e, const char *value, uint32_t *to)
{
    libxl_device_nic nic;
    uint64_t rate;
    int error;

    libxl_device_nic_init(&nic);
    error = xlu_vif_parse_rate(e->xlu, value, &nic);
    rate = error || !nic.rate_interval_usecs ? 0
           : nic.rate_bytes_per_interval > UINT64_MAX / 1000
               ? UINT64_MAX
               : nic.rate_bytes_per_interval * 1000 / nic.rate_interval_usecs;
    libxl_device_nic_dispose(&nic);
    if (error)
        return "a rate is as 10Mb/s or 250KB/s";
    if (rate == 0 || rate > UINT32_MAX)
        return "a rate is between 1KB/s and 4294GB/s";
    *to = (uint32_t)rate;
    return NULL;
}

static const char *read_rate(struct entry *e, const char *value)
{
    return rate_parse(e, value, &e->vif->rate);
}

static const char *read_rate_in(struct entry *e, const char *value)
{
    return rate_parse(e, value, &e->vif->rate_in);
}

/* False: not digits alone, or above `max`. */
static bool number_parse(const char *value, unsigned long max, unsigned long *number)
{
    char *end;

    errno = 0;
    *number = strtoul(value, &end, 10);
    return *value && !value[strspn(value, "0123456789")] && !errno && *number <= max;
}

static const char *packets_parse(const char *value, uint32_t *to)
{
    unsigned long packets;

    if (!number_parse(value, UINT32_MAX, &packets) || packets == 0)
        return "packets a second are a number from 1 to 4294967295";
    *to = (uint32_t)packets;
    return NULL;
}

static const char *read_pps(struct entry *e, const char *value)
{
    return packets_parse(value, &e->vif->pps);
}

static const char *read_pps_in(struct entry *e, const char *value)
{
    return packets_parse(value, &e->vif->pps_in);
}

static const char *read_vlan(struct entry *e, const char *value)
{
    unsigned long vlan;

    if (!number_parse(value, VLAN_MAX, &vlan) || vlan < 1)
        return "a VLAN is a number from 1 to 4094";
    e->vif->vlan = (uint16_t)vlan;
    return NULL;
}

static const char *read_type(struct entry *e, const char *value)
{
    (void)e;
    return strcmp(value, "vif") ? "the only type is vif: no card is emulated, the VM sees a virtio device"
                                : NULL;
}

static const char *read_model(struct entry *e, const char *value)
{
    (void)e;
    return strcmp(value, "virtio-net") && strcmp(value, "virtio")
               ? "the only model is virtio-net: no card is emulated"
               : NULL;
}

static const char *read_mtu(struct entry *e, const char *value)
{
    (void)e;
    return strcmp(value, "1500") ? "the MTU of all networks is 1500" : NULL;
}

static const char *read_backend(struct entry *e, const char *value)
{
    (void)e;
    return strcmp(value, "netdrv") ? "the only back end is netdrv" : NULL;
}

/* ---- keys --------------------------------------------------------------------------------------- */

#define NO_SCRIPTS "nothing runs scripts in the machine; its networks are in system/bulkhead.toml"
#define NO_GATEWAY "routes are the network's (mode nat or route in system/bulkhead.toml)"
#define NO_COLO "Bulkhead has no COLO"

static const struct key_of_vif {
    const char *name;
    const char *(*read)(struct entry *e, const char *value); /* NULL: refused, `why` */
    const char *why;
} keys_of_vif[] = {
    {"mac", read_mac, NULL},
    {"bridge", read_bridge, NULL},
    {"ip", read_ip, NULL},
    {"rate", read_rate, NULL},
    {"rate_in", read_rate_in, NULL},
    {"pps", read_pps, NULL},
    {"pps_in", read_pps_in, NULL},
    {"vlan", read_vlan, NULL},
    {"type", read_type, NULL},
    {"model", read_model, NULL},
    {"backend", read_backend, NULL},
    {"mtu", read_mtu, NULL},
    {"script", NULL, NO_SCRIPTS},
    {"vifname", NULL, "an interface is known as the VM's name and its place: debian1.0"},
    {"gatewaydev", NULL, NO_GATEWAY},
    {"netdev", NULL, NO_GATEWAY},
    {"devid", NULL, "interfaces are numbered as they stand in the list"},
    {"accel", NULL, "there is nothing to accelerate it with"},
    {"untrusted", NULL, "a virtio driver cannot be told so"},
    {"forwarddev", NULL, NO_COLO},
};

static const char *entry_read(struct entry *e, char *pair)
{
    char *value = strchr(pair, '=');

    if (!strcmp(pair, "trusted")) /* what it is anyway */
        return NULL;
    if (value)
        *value++ = '\0';
    for (size_t i = 0; i < COUNT_OF(keys_of_vif); i++) {
        const struct key_of_vif *key = &keys_of_vif[i];

        if (strcmp(key->name, pair))
            continue;
        if (!key->read)
            return key->why;
        return value ? key->read(e, value) : "a value is missing: KEY=VALUE";
    }
    return "not a key that Bulkhead knows (mac, bridge, ip, rate, rate_in, pps, pps_in, vlan, "
           "type, model, backend, mtu)";
}

static void mac_make(const char *vm_name, uint32_t index, bh_Vif *vif)
{
    uint64_t hash = hash_byte(hash_text(hash_start(0), vm_name), (uint8_t)index);

    vif->mac[0] = 0x02; /* unicast, locally administered */
    for (unsigned i = 1; i < 6; i++)
        vif->mac[i] = (uint8_t)(hash >> (8 * i));
}

const char *vif_parse(XLU_Config *xlu, const char *text, const char *vm_name, uint32_t index, bh_Vif *out)
{
    struct entry e = {xlu, out};
    const char *wrong = NULL;
    char *copy = strdup(text), *rest = copy, *pair;

    *out = (bh_Vif)bh_Vif_init_zero;
    mac_make(vm_name, index, out);
    while (copy && !wrong && (pair = strsep(&rest, ","))) {
        pair += strspn(pair, " \t");
        if (*pair)
            wrong = entry_read(&e, pair);
    }
    free(copy);
    return copy ? wrong : "out of memory";
}
