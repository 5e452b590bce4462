/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * grants.c - the sessions of a new vmm: minted here, put into its CSpace by init, not kept
 *
 * Badges (docs/internals.md): the VM's id at mem, sched, console and toolstack; id << 8 | drive at blkdrv,
 * for empty drives too: a session that is not open there can do nothing; id << 8 | interface index at netdrv;
 * those of lib/ring/mem_session.h at mem for memory that a driver keeps for it, which it gets for one call.
 *
 * Always true:  no session of a vmm outlives vm_grant() in our own CSpace.
 */
#include <stdio.h>

#include "bh.h"
#include "caps_toolstack.h"
#include "image_names.h"
#include "init_rpc.h"
#include "toolstack.h"
#include "vmm_slots.h"

struct grant {
    slot_t from; /* a session of ours without a badge */
    slot_t to;   /* the vmm's slot */
    uint32_t rights;
    uint64_t badge;
};

/* Put up to IPC_CAPS_MAX sessions into the vmm's CSpace. */
static enum status grants_send(uint32_t id, const slot_t minted[], const struct grant *grants, uint32_t count,
                               char *error, uint32_t size)
{
    bh_GrantVmmRequest request = bh_GrantVmmRequest_init_zero;
    bh_InitStatus reply;
    struct rpc_caps caps = {.in_count = count};

    request.vm_id = id;
    request.slots_count = (pb_size_t)count;
    for (uint32_t i = 0; i < count; i++) {
        request.slots[i] = grants[i].to;
        caps.in[i] = minted[i];
    }
    enum status status = init_rpc_grant_vmm(CAP_INIT, &request, &reply, &caps, bh_after_ms(ASK_MS));

    for (uint32_t i = 0; i < caps.out_count; i++)
        bh_slot_drop(caps.out[i]);
    if (status == OK)
        status = (enum status)reply.status;
    if (status != OK)
        snprintf(error, size, "domain: sessions: %s", reply.error[0] ? reply.error : bh_status_name(status));
    return status;
}

static enum status grants_give(uint32_t id, const struct grant *grants, uint32_t count, char *error,
                               uint32_t size)
{
    slot_t minted[IPC_CAPS_MAX];
    uint32_t made = 0;
    enum status status = OK;

    for (; made < count && status == OK; made++) {
        minted[made] = bh_slot_alloc();
        status = minted[made] == 0 ? ERR_FULL
                                   : bh_cspace_mint(SLOT_CSPACE, grants[made].from, SLOT_CSPACE, minted[made],
                                                    grants[made].rights, grants[made].badge);
    }
    if (status != OK)
        snprintf(error, size, "domain: cannot mint a session: %s", bh_status_name(status));
    else
        status = grants_send(id, minted, grants, count, error, size);
    for (uint32_t i = 0; i < made; i++)
        bh_slot_drop(minted[i]);
    return status;
}

enum status memory_session_mint(uint64_t badge, slot_t *session)
{
    enum status status = ERR_FULL;

    *session = bh_slot_alloc();
    if (*session != 0)
        status = bh_cspace_mint(SLOT_CSPACE, CAP_MEM_SESSION, SLOT_CSPACE, *session,
                                RIGHT_WRITE | RIGHT_GRANT, badge);
    if (status == OK)
        return OK;
    bh_slot_drop(*session);
    *session = 0;
    return status;
}

enum status vm_grant(struct vm *vm, char *error, uint32_t size)
{
    uint32_t id = vm_id(vm), rw = RIGHT_WRITE | RIGHT_GRANT;
    uint32_t nets = vm->config.vifs_count;
    const struct grant services[] = {
        {CAP_MEM_SESSION, vmm_slots.mem, rw, id},
        {CAP_SCHED_SESSION, vmm_slots.sched, rw, id},
        {CAP_CONSOLE_SESSION, vmm_slots.console, rw, id},
        {CAP_TOOLSTACK_SESSION, vmm_slots.toolstack, RIGHT_WRITE, id},
    };
    struct grant volumes[VMM_DISKS_MAX], interfaces[VMM_NETS_MAX];
    enum status status = grants_give(id, services, 4, error, size);

    for (uint32_t i = 0; i < VMM_DISKS_MAX; i++)
        volumes[i] = (struct grant){CAP_BLK_SESSION, vmm_slots.disk[i], rw, (uint64_t)id << 8 | i};
    for (uint32_t i = 0; i < nets; i++)
        interfaces[i] = (struct grant){CAP_NET_SESSION, vmm_slots.net[i], rw, (uint64_t)id << 8 | i};
    if (status == OK)
        status = grants_give(id, volumes, VMM_DISKS_MAX, error, size);
    for (uint32_t i = 0; status == OK && i < VMM_IMAGES_MAX; i++) {
        const struct grant image = {CAP_BLK_SESSION, vmm_slots.image_volume[i], rw,
                                    (uint64_t)id << 8 | (IMAGE_DISK_FIRST + i)};

        if (vm_image_volume(vm, i))
            status = grants_give(id, &image, 1, error, size);
    }
    if (status == OK && nets > 0)
        status = grants_give(id, interfaces, nets, error, size);
    return status;
}
