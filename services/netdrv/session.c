/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.c - who is plugged in where
 *
 * Always true:  a session's number is unique, and so is an address within its segment; the open sessions of a
 * VM, and no others, share its block.
 */
#include <stdio.h>
#include <string.h>

#include "netdrv.h"

/* What one VM may flood: broadcasts, multicasts, and what is for somebody unknown. */
#define FLOOD_RATE 1000u
#define FLOOD_BURST 500u
/* What of its packets netdrv drops for what they are, before it lets them wait. */
#define REFUSALS_RATE 1000u
#define REFUSALS_BURST 500u
#define GENERATIONS_PER_START (1u << 20)

struct port *session_find(struct netdrv *drv, uint64_t badge)
{
    for (uint32_t i = 0; i < PORTS_MAX; i++)
        if (drv->ports[i].open && drv->ports[i].config.session == badge)
            return &drv->ports[i];
    return NULL;
}

static struct port *place_find(struct netdrv *drv)
{
    for (uint32_t i = 0; i < PORTS_MAX; i++)
        if (!drv->ports[i].open)
            return &drv->ports[i];
    return NULL;
}

/* ---- blocks ------------------------------------------------------------------------------------ */

/* The block of this session's VM, while another session of it is open; else BLOCKS_MAX. */
static uint32_t block_of_vm(const struct netdrv *drv, uint32_t session)
{
    for (uint32_t i = 0; i < PORTS_MAX; i++)
        if (drv->ports[i].open && drv->ports[i].config.session >> 8 == session >> 8)
            return drv->ports[i].block;
    return BLOCKS_MAX;
}

static bool block_is_used(const struct netdrv *drv, uint32_t block)
{
    for (uint32_t i = 0; i < PORTS_MAX; i++)
        if (drv->ports[i].open && drv->ports[i].block == block)
            return true;
    return false;
}

/* There is a free one for each free port. */
static uint32_t block_find(const struct netdrv *drv)
{
    uint32_t block = 0;

    while (block < BLOCKS_MAX - 1u && block_is_used(drv, block))
        block++;
    return block;
}

static enum status block_open(struct netdrv *drv, uint32_t session, slot_t memory, uint32_t *block,
                              char *error, size_t error_bytes)
{
    char why[100];
    enum status status;

    *block = block_of_vm(drv, session);
    if (*block != BLOCKS_MAX)
        return OK;
    *block = block_find(drv);
    status = machine_block_fetch(*block, memory, why, sizeof(why));
    if (status != OK)
        snprintf(error, error_bytes, "the memory of session 0x%x: %s", (unsigned)session, why);
    return status;
}

/* ---- Open, Close ------------------------------------------------------------------------------- */

static enum status mac_check(const struct netdrv *drv, const struct port_config *config, char *error,
                             size_t error_bytes)
{
    const uint8_t *mac = config->mac;

    if (mac_is_group(mac) || mac48(mac) == 0) {
        snprintf(error, error_bytes, "%02x:%02x:%02x:%02x:%02x:%02x is no interface's address", mac[0],
                 mac[1], mac[2], mac[3], mac[4], mac[5]);
        return ERR_ARG;
    }
    if (switch_owns(drv, SEGMENT(config->network, config->vlan), mac48(mac))) {
        snprintf(error, error_bytes, "%02x:%02x:%02x:%02x:%02x:%02x is in use on network %s", mac[0], mac[1],
                 mac[2], mac[3], mac[4], mac[5], network_config(config->network)->name);
        return ERR_STATE;
    }
    return OK;
}

static enum status open_check(struct netdrv *drv, const struct port_config *config, char *error,
                              size_t error_bytes)
{
    enum status status;

    if (config->session < SESSION_LEAST) {
        snprintf(error, error_bytes, "%u cannot be the number of a session", (unsigned)config->session);
        return ERR_ARG;
    }
    if ((config->session & 0xffu) >= NET_BLOCK_INTERFACES) {
        snprintf(error, error_bytes, "session 0x%x: a VM has at most %u interfaces",
                 (unsigned)config->session, NET_BLOCK_INTERFACES);
        return ERR_ARG;
    }
    if (session_find(drv, config->session)) {
        snprintf(error, error_bytes, "session 0x%x is open already", (unsigned)config->session);
        return ERR_STATE;
    }
    status = segment_check(config->network, config->vlan, error, error_bytes);
    if (status == OK)
        status = mac_check(drv, config, error, error_bytes);
    if (status == OK && !place_find(drv)) {
        snprintf(error, error_bytes, "all %u places for interfaces are taken", PORTS_MAX);
        return ERR_FULL;
    }
    return status;
}

static void guard_configure(struct guard *guard, const struct port_config *config)
{
    guard_init(guard, config->mac);
    guard->any_address = config->any_address;
    guard->learn = config->learn;
    /* There is a place for each: GUARD_IPV4_MAX is above what a session can name. */
    for (uint32_t i = 0; i < config->ipv4_count; i++)
        (void)guard_allow_ipv4(guard, config->ipv4[i]);
    for (uint32_t i = 0; i < config->ipv6_count; i++)
        (void)guard_allow_ipv6(guard, config->ipv6[i]);
}

static void limit_configure(struct rate_limit *limit, const struct rates *rates, uint64_t now_ms)
{
    rate_limit_init(limit, rates->bytes, rates->bytes_burst, rates->packets, rates->packets_burst, now_ms);
}

static void port_configure(struct netdrv *drv, struct port *port, const struct port_config *config,
                           uint32_t block)
{
    memset(port, 0, sizeof(*port));
    port->open = true;
    port->config = *config;
    port->block = block;
    port->memory = machine_block(block) + (config->session & 0xffu) * NET_INTERFACE_BYTES;
    port->segment = SEGMENT(config->network, config->vlan);
    port->mac48 = mac48(config->mac);
    guard_configure(&port->guard, config);
    limit_configure(&port->from_limit, &config->from_vm, drv->now_ms);
    limit_configure(&port->to_limit, &config->to_vm, drv->now_ms);
    bucket_init(&port->flood, FLOOD_RATE, FLOOD_BURST, drv->now_ms);
    bucket_init(&port->refusals, REFUSALS_RATE, REFUSALS_BURST, drv->now_ms);
    drv->members[config->network] |= PORT_BIT(port_number(drv, port));
}

enum status session_open(struct netdrv *drv, const struct port_config *config, slot_t memory, char *error,
                         size_t error_bytes)
{
    enum status status = open_check(drv, config, error, error_bytes);
    struct port *port = place_find(drv);
    uint32_t block;

    if (status == OK)
        status = block_open(drv, config->session, memory, &block, error, error_bytes);
    if (status != OK)
        return status;
    port_configure(drv, port, config, block);
    persist_save(drv);
    return OK;
}

enum status session_close(struct netdrv *drv, uint32_t session, char *error, size_t error_bytes)
{
    struct port *port = session_find(drv, session);

    if (!port) {
        snprintf(error, error_bytes, "there is no session 0x%x", (unsigned)session);
        return ERR_EXIST;
    }
    uint32_t number = port_number(drv, port);

    port_detach(drv, port);
    drv->members[port->config.network] &= ~PORT_BIT(number);
    port->open = false;
    machine_port_forget(number);
    gateway_port_closed(drv, number);
    persist_save(drv);
    return OK;
}

/* ---- lanes ------------------------------------------------------------------------------------- */

static struct net_ring *lane_ring(const struct port *port, uint32_t lane)
{
    return (struct net_ring *)(void *)port_page(port, lane * NET_PAGES_PER_LANE);
}

/* The vmm finds another generation in its lanes, and attaches again. */
static void lanes_end(struct netdrv *drv, struct port *port)
{
    drv->generation++;
    for (uint32_t lane = 0; lane < 2; lane++)
        __atomic_store_n(&lane_ring(port, lane)->generation, drv->generation, __ATOMIC_RELEASE);
    machine_port_signal(port_number(drv, port));
}

enum status session_attach(struct netdrv *drv, struct port *port, uint64_t features)
{
    struct net_ring *from = lane_ring(port, 0), *to = lane_ring(port, 1);
    enum status status;

    port_detach(drv, port);
    drv->generation++;
    net_ring_create(from, drv->generation);
    net_ring_create(to, drv->generation);
    port->features = features;
    status = net_consumer_init(&port->from, from);
    if (status == OK)
        status = net_producer_init(&port->to, to);
    if (status == OK)
        port_attached(drv, port);
    return status;
}

enum status session_link(struct netdrv *drv, uint32_t session, bool up, char *error, size_t error_bytes)
{
    struct port *port = session_find(drv, session);

    if (!port) {
        snprintf(error, error_bytes, "there is no session 0x%x", (unsigned)session);
        return ERR_EXIST;
    }
    if (port->config.link == up)
        return OK;
    port->config.link = up;
    persist_save(drv);
    port_detach(drv, port);
    lanes_end(drv, port); /* the vmm is told the link's state when it attaches */
    return OK;
}

static enum status replug_check(struct netdrv *drv, struct port *port, const struct port_config *config,
                                char *error, size_t error_bytes)
{
    ports_t member = PORT_BIT(port_number(drv, port));
    enum status status;

    if (port->config.link) {
        snprintf(error, error_bytes, "session 0x%x is plugged in", (unsigned)config->session);
        return ERR_STATE;
    }
    if (mac48(config->mac) != port->mac48) {
        snprintf(error, error_bytes, "the address of session 0x%x cannot change", (unsigned)config->session);
        return ERR_ARG;
    }
    status = segment_check(config->network, config->vlan, error, error_bytes);
    drv->members[port->config.network] &= ~member; /* its own address is not in its way */
    if (status == OK)
        status = mac_check(drv, config, error, error_bytes);
    drv->members[port->config.network] |= member;
    return status;
}

enum status session_replug(struct netdrv *drv, const struct port_config *config, char *error,
                           size_t error_bytes)
{
    struct port *port = session_find(drv, config->session);

    if (!port) {
        snprintf(error, error_bytes, "there is no session 0x%x", (unsigned)config->session);
        return ERR_EXIST;
    }
    enum status status = replug_check(drv, port, config, error, error_bytes);
    struct counters from_vm = port->from_vm, to_vm = port->to_vm;
    uint32_t number = port_number(drv, port);

    if (status != OK)
        return status;
    port_detach(drv, port);
    drv->members[port->config.network] &= ~PORT_BIT(number);
    gateway_port_closed(drv, number);
    port_configure(drv, port, config, port->block);
    port->from_vm = from_vm;
    port->to_vm = to_vm;
    persist_save(drv);
    lanes_end(drv, port);
    return OK;
}

/* ---- after a restart of ours ------------------------------------------------------------------- */

/* What decides memory safety is judged again: the page was ours alone, but we died. */
static bool recover_check(const struct netdrv *drv, const struct persist_session *saved)
{
    uint32_t session = saved->config.session;

    for (uint32_t i = 0; i < PORTS_MAX; i++)
        if (drv->ports[i].open &&
            (drv->ports[i].config.session == session ||
             (drv->ports[i].block == saved->block) != (drv->ports[i].config.session >> 8 == session >> 8)))
            return false;
    return saved->port < PORTS_MAX && !drv->ports[saved->port].open && saved->block < BLOCKS_MAX &&
           session >= SESSION_LEAST && (session & 0xffu) < NET_BLOCK_INTERFACES &&
           saved->config.network < networks_config.network_count;
}

static void port_recover(struct netdrv *drv, const struct persist_session *saved)
{
    struct port *port = &drv->ports[saved->port];

    if (!block_is_used(drv, saved->block) && machine_block_resume(saved->block) != OK) {
        machine_log("session 0x%x (%s) ends: its memory is gone", (unsigned)saved->config.session,
                    saved->config.name);
        return;
    }
    port_configure(drv, port, &saved->config, saved->block);
    port->guard.learned = saved->learned;
    port->guard.learned_until_ms = saved->learned_until_ms;
    lanes_end(drv, port);
    machine_log("session 0x%x (%s) on %s goes on", (unsigned)port->config.session, port->config.name,
                network_config(port->config.network)->name);
}

void session_recover(struct netdrv *drv)
{
    static struct persist_session saved[PORTS_MAX]; /* too much for a stack */
    uint32_t count = persist_load(drv, saved, &drv->generation);

    drv->generation = (drv->generation / GENERATIONS_PER_START + 1u) * GENERATIONS_PER_START;
    for (uint32_t i = 0; i < count; i++)
        if (recover_check(drv, &saved[i]))
            port_recover(drv, &saved[i]);
    for (uint32_t i = 0; i < PORTS_MAX; i++)
        if (!drv->ports[i].open)
            machine_port_forget(i);
    persist_save(drv);
}
