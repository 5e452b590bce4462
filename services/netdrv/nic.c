/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic.c - see nic.h: which card it is, when it is reset, when it is given up
 *
 * A card that needs more than STRIKES_MAX resets within STRIKES_MS is dead.  The log is bounded, whatever the
 * card does: the time between two lines about resets doubles, up to QUIET_MS_MAX.
 */
#include "nic.h"

#include <stdio.h>
#include <string.h>

#include "machine.h"
#include "nic_driver.h"

#define STRIKES_MAX 8u
#define STRIKES_MS 10000u
#define QUIET_MS_MIN 1000u
#define QUIET_MS_MAX 600000u
#define CAUSELESS_MAX 1000u /* interrupts in a row */

static struct {
    struct nic_info info;
    const struct nic_driver *driver;
    const char *wrong; /* what the driver saw; NULL */
    uint64_t faults_seen;
    uint32_t strikes;
    uint64_t strikes_until;
    uint64_t quiet_until, quiet_ms;
    uint32_t causeless;
} nic;

static const struct nic_driver *const drivers[] = {&nic_virtio, &nic_e1000e};

const struct nic_info *nic_info(void)
{
    return &nic.info;
}

bool nic_is_trusted(void)
{
    return machine_dma_fault().count == nic.faults_seen;
}

void nic_distrust(const char *why)
{
    if (!nic.wrong)
        nic.wrong = why;
}

void nic_lost(uint32_t count)
{
    nic.info.lost += count;
}

const char *nic_watch_check(struct nic_watch *watch, uint64_t sent, uint64_t done, bool link)
{
    if (sent == done || done != watch->done || !link || watch->deadline == 0) {
        watch->done = done;
        watch->deadline = machine_after_ms(NIC_PATIENCE_MS);
        return NULL;
    }
    return machine_now() > watch->deadline ? "it has sent nothing for too long" : NULL;
}

/* ---- start ------------------------------------------------------------------------------------ */

static const struct nic_driver *driver_find(void)
{
    for (uint32_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
        if (drivers[i]->is(machine_pci_config()))
            return drivers[i];
    return NULL;
}

static const char *device_find(void)
{
    const char *bad;
    uint8_t *memory;

    if (!machine_has_device())
        return "this machine has none";
    nic.driver = driver_find();
    if (!nic.driver)
        return "the card is neither a modern virtio-net (disable-legacy=on) nor an 82574L";
    nic.info.kind = nic.driver->kind;
    bad = nic.driver->find(machine_pci_config());
    if (bad)
        return bad;
    if (machine_device_start(nic.driver->pages, nic.driver->read_only, &memory) != OK)
        return "netdrv's memory_kib does not hold its buffers";
    nic.driver->place(memory);
    return NULL;
}

static const char *device_start(void)
{
    const char *bad = nic.driver->start(&nic.info);

    nic.wrong = NULL;
    nic.causeless = 0;
    /* What was refused until the reset was over is dealt with. */
    nic.faults_seen = machine_dma_fault().count;
    return bad;
}

void nic_start(void)
{
    const char *bad;

    memset(&nic, 0, sizeof(nic));
    nic.info.kind = "none";
    nic.quiet_ms = QUIET_MS_MIN;
    bad = device_find();
    if (!bad)
        bad = device_start();
    if (!bad) {
        nic.info.state = NIC_READY;
        return;
    }
    snprintf(nic.info.why, sizeof(nic.info.why), "%s", bad);
    if (machine_has_device())
        machine_log("no network card (%s)", bad);
}

/* ---- going wrong ------------------------------------------------------------------------------ */

static bool is_hopeless(void)
{
    if (nic.strikes == 0 || machine_now() > nic.strikes_until) {
        nic.strikes = 0;
        nic.strikes_until = machine_after_ms(STRIKES_MS);
    }
    return ++nic.strikes > STRIKES_MAX;
}

static void give_up(const char *why)
{
    nic.driver->stop();
    nic.info.state = NIC_DEAD;
    nic.info.link = false;
    snprintf(nic.info.why, sizeof(nic.info.why), "%s", why);
}

static void recovery_log(const char *reason)
{
    bool is_dead = nic.info.state == NIC_DEAD;

    if (!is_dead && machine_now() < nic.quiet_until)
        return;
    nic.quiet_until = machine_after_ms(nic.quiet_ms);
    nic.quiet_ms = nic.quiet_ms * 2 < QUIET_MS_MAX ? nic.quiet_ms * 2 : QUIET_MS_MAX;
    machine_log("nic: %s: reset %lu%s%s; %lu packets lost so far", reason, (unsigned long)nic.info.resets,
                is_dead ? ", given up: " : "", is_dead ? nic.info.why : "", (unsigned long)nic.info.lost);
}

static void recover(const char *reason)
{
    const char *bad = device_start();

    nic.info.resets++;
    if (!bad && is_hopeless())
        bad = "it went wrong too often";
    if (bad)
        give_up(bad);
    recovery_log(reason);
}

static void fault_recover(const struct dma_fault *fault)
{
    char reason[128];

    snprintf(reason, sizeof(reason),
             "the SMMU blocked %lu accesses of stream 0x%x, the last at address 0x%lx (reason 0x%lx)",
             (unsigned long)(fault->count - nic.faults_seen), (unsigned)machine_stream(),
             (unsigned long)fault->address, (unsigned long)fault->reason);
    machine_dma_faults_again();
    recover(reason);
}

void nic_fault(void)
{
    struct dma_fault fault;

    if (nic.info.state != NIC_READY)
        return;
    fault = machine_dma_fault();
    if (fault.count != nic.faults_seen)
        fault_recover(&fault);
}

void nic_check(void)
{
    const char *bad;

    nic_fault();
    if (nic.info.state != NIC_READY)
        return;
    bad = nic.driver->check(&nic.info);
    if (!bad)
        bad = nic.wrong;
    if (bad)
        recover(bad);
}

/* A dead card's interrupt is not acknowledged any more: it fires once at most. */
void nic_interrupt(void)
{
    bool has_cause;

    if (nic.info.state != NIC_READY)
        return;
    has_cause = nic.driver->interrupt(&nic.info);
    machine_irq_ack();
    nic.causeless = has_cause ? 0 : nic.causeless + 1;
    if (nic.causeless > CAUSELESS_MAX)
        nic_distrust("it interrupts for no cause");
    if (nic.wrong)
        nic_check();
}

/* ---- packets ---------------------------------------------------------------------------------- */

bool nic_send(const struct packet *packet)
{
    if (nic.info.state != NIC_READY || !nic.driver->send(packet))
        return false;
    nic.info.sent++;
    return true;
}

void nic_kick(void)
{
    if (nic.info.state == NIC_READY)
        nic.driver->kick();
}

bool nic_receive(struct packet *packet)
{
    if (nic.info.state != NIC_READY)
        return false;
    if (nic.driver->receive(packet)) {
        nic.info.received++;
        return true;
    }
    if (nic.wrong)
        nic_check();
    return false;
}

void nic_receive_done(void)
{
    if (nic.info.state == NIC_READY)
        nic.driver->receive_done();
}
