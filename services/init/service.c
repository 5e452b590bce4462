/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.c - the domains of the manifest: what is kept of them, how one is built, how one comes back
 */
#include "bh.h"
#include "init.h"

/* ---- what is kept ------------------------------------------------------------------------------ */

static slot_t mint(slot_t from, uint32_t rights, uint64_t badge)
{
    slot_t slot = bh_slot_alloc();

    if (!slot || bh_cspace_mint(INIT_SLOT_CSPACE, from, INIT_SLOT_CSPACE, slot, rights, badge) != OK)
        bh_panic("no session with badge 0x%llx", (unsigned long long)badge);
    return slot;
}

static void devices_create(struct domain *domain)
{
    const struct manifest_domain *manifest = domain->manifest;

    for (uint32_t i = 0; i < manifest->device_count; i++) {
        const struct manifest_device *device = &manifest->devices[i];
        enum status status = i < sizeof(domain->devices) / sizeof(domain->devices[0])
                                 ? pieces_frames(device->base, FRAME_4K, device->pages, &domain->devices[i])
                                 : ERR_FULL;

        if (status != OK)
            bh_panic("%s: no device at 0x%llx: %s", domain->name, (unsigned long long)device->base,
                     bh_status_name(status));
    }
    if (manifest->irq_count == 0)
        return;
    domain->irqs = bh_slots_alloc(manifest->irq_count);
    for (uint32_t i = 0; i < manifest->irq_count; i++)
        if (bh_irq_claim(INIT_SLOT_CONTROL, manifest->irqs[i], INIT_SLOT_CSPACE, domain->irqs + i) != OK)
            bh_panic("%s: interrupt %u cannot be claimed", domain->name, manifest->irqs[i]);
}

static void service_create(struct domain *domain)
{
    const struct manifest_domain *manifest = domain->manifest;

    domain->untyped = ram_row(CAP_UNTYPED, manifest->memory_bytes, 1);
    domain->exits = mint(init.endpoint, RIGHT_WRITE, domain->fault_badge);
    domain->sc = ram_row(CAP_SC, 0, 1);
    if (bh_sc_create_on(domain->sc, domain->pcpu) != OK)
        bh_panic("%s: there is no pCPU %u", domain->name, domain->pcpu);
    if (manifest->keep_cspace)
        domain->cspace = ram_row(CAP_CSPACE, manifest->cspace_bits, 1);
    if (manifest->rings)
        domain->rings = ram_row(CAP_FRAME, FRAME_4K, manifest->rings);
    if (manifest->persist)
        domain->persist = ram_row(CAP_FRAME, FRAME_4K, manifest->persist);
    devices_create(domain);
    pci_create(domain);
}

static void domain_describe(uint32_t number)
{
    struct domain *domain = &init.domains[number];

    domain->manifest = &manifest_domains[number];
    snprintf(domain->name, sizeof(domain->name), "%s", domain->manifest->name);
    domain->fault_badge = MANIFEST_FAULT_BADGE + number;
    domain->pcpu = domain->manifest->pcpu < init.boot->pcpu_count ? domain->manifest->pcpu : 0;
    domain->cspace_bits = domain->manifest->cspace_bits;
    if (domain->manifest->serves)
        domain->endpoint = ram_row(CAP_ENDPOINT, 0, 1);
    domain->events = ram_row(CAP_NOTIFICATION, 0, 1);
}

void services_create(void)
{
    for (uint32_t i = 0; i < DOMAIN_COUNT; i++)
        domain_describe(i);
    init.domains[DOMAIN_INIT].sc = INIT_SLOT_SC;
    init.endpoint = init.domains[DOMAIN_INIT].endpoint;
    init.log_session =
        mint(init.domains[DOMAIN_CONSOLE].endpoint, RIGHT_WRITE, MANIFEST_LOG_BADGE + DOMAIN_INIT);
    init.sched_session =
        mint(init.domains[DOMAIN_SCHED].endpoint, RIGHT_WRITE | RIGHT_GRANT, INIT_SCHED_BADGE);
    init.death_signal = mint(init.domains[DOMAIN_TOOLSTACK].events, RIGHT_WRITE, INIT_DEATH_SIGNAL);
    for (uint32_t i = 1; i < DOMAIN_COUNT; i++)
        service_create(&init.domains[i]);
}

/* ---- build ------------------------------------------------------------------------------------- */

static enum status give_row(struct domain *domain, slot_t to, slot_t from, uint32_t count, uint32_t rights)
{
    enum status status = OK;

    for (uint32_t i = 0; status == OK && i < count; i++)
        status = domain_give(domain, to + i, from + i, rights);
    return status;
}

static enum status kept_map(struct domain *domain)
{
    const struct manifest_domain *manifest = domain->manifest;
    enum status status;

    status = domain_map_row(domain, domain->rings, manifest->rings, RINGS_IPA, RIGHT_READ | RIGHT_WRITE);
    if (status == OK)
        status =
            domain_map_row(domain, domain->persist, manifest->persist, PERSIST_IPA, RIGHT_READ | RIGHT_WRITE);
    for (uint32_t i = 0; status == OK && i < manifest->device_count; i++)
        status = domain_map_row(domain, domain->devices[i], manifest->devices[i].pages,
                                DEVICE_IPA + i * 0x100000ull, RIGHT_READ | RIGHT_WRITE);
    return status;
}

/* Once into a CSpace that is kept: what clients hold of the rings then stays derived from the driver's own
 * capabilities, so that it can revoke what was given out before a restart. */
static enum status rings_give(struct domain *domain)
{
    const struct manifest_domain *manifest = domain->manifest;
    enum status status;

    if (domain->rings_given)
        return OK;
    status = give_row(domain, manifest->rings_slot, domain->rings, manifest->rings, RIGHT_READ | RIGHT_WRITE);
    domain->rings_given = status == OK && manifest->keep_cspace;
    return status;
}

static enum status kept_give(struct domain *domain)
{
    const struct manifest_domain *manifest = domain->manifest;
    enum status status = rings_give(domain);

    for (uint32_t i = 0; status == OK && i < manifest->device_count; i++)
        status = domain_give(domain, manifest->device_slot + i, domain->devices[i], RIGHT_READ | RIGHT_WRITE);
    if (status == OK)
        status =
            give_row(domain, manifest->irq_slot, domain->irqs, manifest->irq_count, RIGHT_READ | RIGHT_WRITE);
    if (status == OK && manifest->kernel_log)
        status = domain_give(domain, manifest->log_slot, INIT_SLOT_LOG, RIGHT_READ | RIGHT_WRITE);
    return status;
}

static enum status peers_give(struct domain *domain)
{
    const struct manifest_domain *manifest = domain->manifest;
    enum status status = OK;

    for (uint32_t i = 0; status == OK && i < manifest->peer_count; i++) {
        const struct manifest_peer *peer = &manifest->peers[i];
        const struct domain *to = &init.domains[peer->domain];

        if (peer->kind == PEER_SIGNAL)
            status = domain_give_badged(domain, peer->slot, to->events, RIGHT_WRITE, peer->badge);
        else if (peer->kind == PEER_CALL)
            status =
                domain_give_badged(domain, peer->slot, to->endpoint, RIGHT_WRITE | RIGHT_GRANT, peer->badge);
        else
            status = domain_give(domain, peer->slot, to->endpoint, RIGHT_WRITE | RIGHT_GRANT);
    }
    if (status == OK && manifest->log)
        status = domain_give_badged(domain, SLOT_LOG, init.domains[DOMAIN_CONSOLE].endpoint, RIGHT_WRITE,
                                    MANIFEST_LOG_BADGE + (uint32_t)(domain - init.domains));
    return status;
}

static enum status service_build(struct domain *domain)
{
    enum status status = domain_build(domain, 0);

    if (status == OK)
        status = kept_map(domain);
    if (status == OK)
        status = domain_give_standard(domain, RIGHT_READ);
    if (status == OK)
        status = kept_give(domain);
    if (status == OK)
        status = peers_give(domain);
    if (status == OK)
        status = pci_give(domain);
    if (status == OK)
        status = domain_give_untyped(domain);
    return status;
}

/* init gives the Dispatchers away for good: they stay in a CSpace that is kept. */
static void dispatchers_give(struct domain *domain)
{
    for (uint32_t i = 0; domain->manifest->dispatchers && i < init.boot->pcpu_count; i++)
        if (domain_give(domain, domain->manifest->dispatcher_slot + i, INIT_SLOT_DISPATCHER0 + i,
                        RIGHT_READ | RIGHT_WRITE) != OK)
            bh_panic("%s: the Dispatcher of pCPU %u cannot be given", domain->name, i);
}

void services_build(void)
{
    for (uint32_t i = 1; i < DOMAIN_COUNT; i++) {
        struct domain *domain = &init.domains[i];
        enum status status = service_build(domain);

        if (status != OK)
            bh_panic("%s cannot be built: %s%s", domain->name, bh_status_name(status),
                     status == ERR_EXIST ? " (its program is not in the boot image)" : "");
        dispatchers_give(domain);
    }
}

void services_start(void)
{
    for (uint32_t i = 1; i < DOMAIN_COUNT; i++) {
        struct domain *domain = &init.domains[i];

        if (domain_start(domain) != OK)
            bh_panic("%s cannot be started", domain->name);
        domain->is_running = true;
    }
}

/* ---- restart ----------------------------------------------------------------------------------- */

/* Its SchedContext is in sched's plans already and only gets another vCPU. */
enum status service_restart(struct domain *domain)
{
    enum status status;

    domain->is_running = false;
    pci_quiesce(domain);
    domain_end(domain);
    status = service_build(domain);
    if (status == OK)
        status = domain_start(domain);
    if (status == OK)
        domain->is_running = true;
    else
        domain_end(domain);
    return status;
}
