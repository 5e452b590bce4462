/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * work.c - one pass over all that has something to do, each a bounded share, in turn
 */
#include "netdrv.h"
#include "nic.h"

#define TICK_MS 1000u

void work_clock(struct netdrv *drv)
{
    drv->now_us = machine_now_us();
    drv->now_ms = drv->now_us / 1000u;
}

/* Two ports have one bell: who did not ring it is looked at in vain. */
void work_events(struct netdrv *drv, uint64_t events)
{
    uint32_t bells;

    if (events & EV_IRQ)
        nic_interrupt();
    if (events & EV_FAULT)
        nic_fault();
    if (events & (EV_IRQ | EV_FAULT))
        uplink_event(drv);
    bells = (uint32_t)(events / EV_BELL(0));
    for (ports_t left = bells | (ports_t)bells << PORT_BELLS; left != 0; left &= left - 1u)
        port_rang(drv, port_lowest(left));
}

/* Is it one of those, and asleep?  A vmm that sleeps for packets only does not want to hear of room. */
static bool must_signal(const struct netdrv *drv, uint32_t number)
{
    const struct port *port = &drv->ports[number];

    return port->attached && ((drv->news >> number & 1u && net_producer_must_signal(&port->to)) ||
                              (drv->room >> number & 1u && net_consumer_must_signal(&port->from)));
}

static void vmms_signal(struct netdrv *drv)
{
    for (ports_t left = drv->news | drv->room; left != 0; left &= left - 1u) {
        uint32_t number = port_lowest(left);

        if (must_signal(drv, number))
            machine_port_signal(number);
    }
    drv->news = 0;
    drv->room = 0;
}

static void pump(struct netdrv *drv, ports_t ports)
{
    for (; ports != 0; ports &= ports - 1u)
        port_pump(drv, &drv->ports[port_lowest(ports)]);
}

/* From `turn` on, around. */
static void ports_pump(struct netdrv *drv)
{
    ports_t todo = drv->again, first = todo & -PORT_BIT(drv->turn);

    pump(drv, first);
    pump(drv, todo & ~first);
    drv->turn = (drv->turn + 1u) % PORTS_MAX;
}

static void tick(struct netdrv *drv)
{
    drv->next_tick_ms = drv->now_ms + TICK_MS;
    if (nic_info()->state == NIC_READY) {
        nic_check();
        uplink_event(drv);
    }
    gateway_tick(drv);
}

bool work_pass(struct netdrv *drv)
{
    bool more;

    work_clock(drv);
    if (drv->now_ms >= drv->next_tick_ms)
        tick(drv);
    ports_clock(drv);
    more = uplink_receive(drv);
    ports_pump(drv);
    if (drv->uplink.kick) {
        drv->uplink.kick = false;
        nic_kick();
    }
    vmms_signal(drv);
    return more || drv->again != 0;
}

uint64_t work_next_us(const struct netdrv *drv)
{
    uint64_t next = ports_next_us(drv), tick_us = drv->next_tick_ms * 1000u;

    if ((drv->router_used || nic_info()->state == NIC_READY) && tick_us < next)
        return tick_us;
    return next;
}
