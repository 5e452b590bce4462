/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault.c - a domain has faulted
 *
 * The kernel has stopped its vCPU and calls init for it; the badge says who it was.  A service is built
 * again, a vmm is left stopped for the toolstack to judge (the VM's policy decides), and one line says what
 * happened.
 */
#include "bh.h"
#include "fault_text.h"
#include "init.h"

static uint64_t ticks_hz(void)
{
    return init.boot->timer_hz;
}

static void service_died(struct domain *domain, const char *text)
{
    enum status status;

    if (!restarts_allow(&domain->restarts, bh_now(), ticks_hz())) {
        bh_log("%s", text);
        bh_log("%s is left down: it died %u times within %u seconds", domain->name, RESTARTS_MAX + 1,
               RESTARTS_SECONDS);
        pci_quiesce(domain);
        domain_end(domain);
        domain->is_running = false;
        return;
    }
    status = service_restart(domain);
    bh_log("%s", text);
    if (status == OK)
        bh_log("%s was started again", domain->name);
    else
        bh_log("%s cannot be built again: %s", domain->name, bh_status_name(status));
}

/* The vCPU that faulted waits for an answer that must not come: suspend it, so that nobody owes one; and its
 * siblings, which would go on with what it left. */
static void vmm_died(struct vmm *vmm, const char *text)
{
    if (bh_vcpu_suspend(vmm->domain.vcpu) != OK)
        bh_log("%s cannot be stopped", vmm->domain.name);
    threads_stop(&vmm->domain);
    vmm->state = VMM_DEAD;
    snprintf(vmm->death, sizeof(vmm->death), "%s", text);
    bh_log("%s", text);
    if (bh_notification_signal(init.death_signal) != OK)
        bh_log("the toolstack cannot be told");
}

void fault_handle(const struct bh_msg *msg)
{
    uint64_t number = msg->badge - MANIFEST_FAULT_BADGE;
    char text[DEATH_TEXT_BYTES];
    struct vmm *vmm;

    if (msg->badge >= MANIFEST_VMM_FAULT_BADGE) {
        vmm = vmm_find((uint32_t)(msg->badge - MANIFEST_VMM_FAULT_BADGE));
        if (!vmm || vmm->state == VMM_DEAD)
            return;
        fault_text(text, sizeof(text), vmm->domain.name, msg);
        vmm_died(vmm, text);
    } else if (number > 0 && number < DOMAIN_COUNT && init.domains[number].is_running) {
        fault_text(text, sizeof(text), init.domains[number].name, msg);
        service_died(&init.domains[number], text);
    }
}

/* ---- the test hook ------------------------------------------------------------------------------ */

/* A service, or the vmm of the VM of that name; running, or NULL. */
static struct domain *domain_named(const char *name)
{
    char vmm_name[sizeof(init.domains[0].name)];

    for (uint32_t i = 1; i < DOMAIN_COUNT; i++)
        if (strcmp(init.domains[i].name, name) == 0)
            return init.domains[i].is_running ? &init.domains[i] : NULL;
    vmm_name_make(vmm_name, sizeof(vmm_name), name);
    for (uint32_t i = 0; i < VMMS_MAX; i++)
        if (init.vmms[i].state == VMM_RUNNING && strcmp(init.vmms[i].domain.name, vmm_name) == 0)
            return &init.vmms[i].domain;
    return NULL;
}

/* Address 0 is mapped in no service: its next instruction faults. */
void crash_hook_poll(void)
{
    char name[sizeof(init.crash.names)];
    struct domain *domain;

    if (init.crash.times == 0 || bh_now() < init.crash.at)
        return;
    init.crash.times--;
    init.crash.at = bh_after_ms(init.crash.every_ms);
    crash_hook_turn(&init.crash, name);
    domain = domain_named(name);
    if (!domain) {
        bh_log("crash=: no service and no VM %s is running", name);
        return;
    }
    if (init.crash.thread != 0) {
        bh_log("crash=: makes thread %u of %s fault, for a test", (unsigned)init.crash.thread, domain->name);
        if (thread_break(domain, init.crash.thread - 1) != OK)
            bh_log("crash=: %s has no such thread", domain->name);
        return;
    }
    bh_log("crash=: makes %s fault, for a test", domain->name);
    if (bh_vcpu_suspend(domain->vcpu) != OK || bh_vcpu_write(domain->vcpu, REG_PC, 0) != OK ||
        bh_vcpu_resume(domain->vcpu) != OK)
        bh_log("crash=: %s cannot be made to fault", domain->name);
}
