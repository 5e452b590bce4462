/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * aspace.c - address spaces: their VMIDs, their doorbells, their end
 *
 * There are more address spaces than VMIDs (8 bits on Cortex-A57), so a VMID is lent for a generation: when
 * they run out a new generation begins, every TLB is emptied, and whoever runs asks again.  What a pCPU has
 * loaded keeps its VMID, because that pCPU will not ask.
 *
 * Always true:  of the address spaces of the current generation no two have the same VMID; VMID 0 translates
 *               nothing; what a pCPU runs in is of the current generation.
 * Locking:      kernel_lock; but VMIDs, their generation and aspace_load: vmid_lock (innermost of all).
 */
#include "aspace.h"

#include "stage2.h"
#include "table.h"

enum { VMID_COUNT = 256, VMID_WORDS = VMID_COUNT / 64, VTTBR_VMID_SHIFT = 48, FORGET_EVERY = 32 };

/* ---- VMIDs ------------------------------------------------------------------------------------------ */

uint64_t vmid_generation = 1;                                /* 0: an address space that never had one */
static uint64_t vmid_taken[VMID_WORDS] = {1};                /* of this generation; VMID 0 always is */
static uint64_t nothing[512] __attribute__((aligned(4096))); /* the tables of VMID 0 */
static bool vmid_locked;

static void vmid_lock(void)
{
    while (__atomic_exchange_n(&vmid_locked, true, __ATOMIC_ACQUIRE))
        ;
}

static void vmid_unlock(void)
{
    __atomic_store_n(&vmid_locked, false, __ATOMIC_RELEASE);
}

static void vmid_take(unsigned vmid)
{
    vmid_taken[vmid / 64] |= 1ull << vmid % 64;
}

/* A VMID that nobody has in this generation, or 0. */
static unsigned vmid_free(void)
{
    for (unsigned i = 0; i < VMID_WORDS; i++)
        if (~vmid_taken[i])
            return i * 64 + (unsigned)__builtin_ctzll(~vmid_taken[i]);
    return 0;
}

/*
 * A pCPU in aspace_load names what it loads first and reads the generation then; here it is the other way
 * round.  So either we see it and let it keep its VMID, or it sees the new generation and asks for a new one.
 */
static void vmid_begin_generation(void)
{
    uint64_t old = vmid_generation;

    __atomic_store_n(&vmid_generation, old + 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < VMID_WORDS; i++)
        vmid_taken[i] = 0;
    vmid_take(0);
    for (uint32_t i = 0; i < cpu_count; i++) {
        struct aspace *loaded = __atomic_load_n(&cpus[i].aspace_loaded, __ATOMIC_SEQ_CST);

        if (loaded && loaded->vmid_generation >= old) { /* > old: another pCPU has loaded it too */
            __atomic_store_n(&loaded->vmid_generation, old + 1, __ATOMIC_SEQ_CST);
            vmid_take(loaded->vmid);
        }
    }
    tlb_flush_all_guests();
}

static void vmid_assign(struct aspace *aspace)
{
    unsigned vmid = vmid_free();

    if (vmid == 0) {
        vmid_begin_generation();
        vmid = vmid_free();
    }
    assert(vmid != 0);
    vmid_take(vmid);
    aspace->vmid = (uint16_t)vmid;
    aspace->vttbr = (uint64_t)aspace->root | (uint64_t)vmid << VTTBR_VMID_SHIFT;
    __atomic_store_n(&aspace->vmid_generation, vmid_generation, __ATOMIC_SEQ_CST);
}

uint64_t aspace_load(struct cpu *cpu, struct aspace *aspace)
{
    __atomic_store_n(&cpu->aspace_loaded, aspace, __ATOMIC_SEQ_CST);
    if (aspace_has_vmid(aspace))
        return aspace->vttbr;

    vmid_lock();
    if (!aspace_has_vmid(aspace)) /* another pCPU may have been first */
        vmid_assign(aspace);
    vmid_unlock();
    return aspace->vttbr;
}

uint64_t aspace_vttbr_none(void)
{
    return (uint64_t)nothing;
}

bool aspace_has_vmid(const struct aspace *aspace)
{
    return __atomic_load_n(&aspace->vmid_generation, __ATOMIC_SEQ_CST) ==
           __atomic_load_n(&vmid_generation, __ATOMIC_SEQ_CST);
}

/*
 * It is about to be something else.  Another pCPU that had it loaded runs nothing of it; its root is empty,
 * and its VMID is not lent again before all TLBs are emptied.
 */
static void aspace_unload(struct aspace *aspace)
{
    vmid_lock();
    for (uint32_t i = 0; i < cpu_count; i++) {
        struct aspace *loaded = aspace; /* that pCPU may be loading another one, which must stay named */

        __atomic_compare_exchange_n(&cpus[i].aspace_loaded, &loaded, NULL, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
    }
    vmid_unlock();
    vttbr_unload(aspace->vttbr);
}

/* ---- mappings ------------------------------------------------------------------------------------------ */

void aspace_unmap_slot(struct slot *frame)
{
    struct aspace *aspace = frame->mapped_in;

    if (mapping_stands(frame))
        stage2_unmap(aspace, frame);
    mapping_unlink(frame);
}

enum status aspace_donation_gone(struct slot *donation)
{
    struct slot *first = donation - donation->index;

    stage2_clear((struct aspace *)((char *)first - offsetof(struct aspace, tables.donations)));
    return OK;
}

/* ---- doorbells ------------------------------------------------------------------------------------------
 */

#define NO_DOORBELL UINT64_MAX /* no IPA */

struct doorbell *aspace_doorbell_find(struct aspace *aspace, uint64_t ipa, uint64_t value)
{
    for (uint32_t i = 0; i < aspace->doorbell_count; i++) {
        struct doorbell *doorbell = &aspace->doorbells[i];

        if (doorbell->ipa == ipa && (doorbell->value == value || doorbell->value >= DOORBELL_TAKES))
            return doorbell;
    }
    return NULL;
}

struct doorbell *aspace_doorbell_at(struct aspace *aspace, uint64_t ipa, uint64_t value)
{
    for (uint32_t i = 0; i < aspace->doorbell_count; i++)
        if (aspace->doorbells[i].ipa == ipa && aspace->doorbells[i].value == value)
            return &aspace->doorbells[i];
    return NULL;
}

bool aspace_doorbell_clashes(struct aspace *aspace, uint64_t ipa, uint64_t value)
{
    for (uint32_t i = 0; i < aspace->doorbell_count; i++) {
        const struct doorbell *doorbell = &aspace->doorbells[i];

        if (doorbell->ipa == ipa &&
            (doorbell->value == value || doorbell->value >= DOORBELL_TAKES || value >= DOORBELL_TAKES))
            return true;
    }
    return false;
}

struct doorbell *aspace_doorbell_unused(struct aspace *aspace)
{
    for (uint32_t i = 0; i < aspace->doorbell_count; i++)
        if (aspace->doorbells[i].ipa == NO_DOORBELL)
            return &aspace->doorbells[i];
    if (aspace->doorbell_count == ASPACE_DOORBELLS_MAX)
        return NULL;
    return &aspace->doorbells[aspace->doorbell_count];
}

void aspace_doorbell_set(struct aspace *aspace, struct doorbell *doorbell, uint64_t ipa, uint64_t value,
                         struct slot *notification)
{
    uint32_t index = (uint32_t)(doorbell - aspace->doorbells);

    slot_embed(&doorbell->notification_cap, notification, EMBED_DOORBELL, index);
    doorbell->ipa = ipa;
    doorbell->value = value;
    if (index == aspace->doorbell_count)
        aspace->doorbell_count++;
}

/* It rings no more.  The high-water mark sinks, so that a guest's stores are compared with few. */
static void doorbell_silence(struct aspace *aspace, struct doorbell *doorbell)
{
    doorbell->ipa = NO_DOORBELL;
    while (aspace->doorbell_count && aspace->doorbells[aspace->doorbell_count - 1].ipa == NO_DOORBELL)
        aspace->doorbell_count--;
}

void doorbell_gone(struct slot *notification_cap)
{
    struct doorbell *first =
        (struct doorbell *)((char *)notification_cap - offsetof(struct doorbell, notification_cap)) -
        notification_cap->index;

    doorbell_silence((struct aspace *)((char *)first - offsetof(struct aspace, doorbells)),
                     first + notification_cap->index);
}

void aspace_doorbell_clear(struct doorbell *doorbell)
{
    /* slot_delete calls doorbell_gone; a Notification goes without a preemption point. */
    enum status status = slot_delete(&doorbell->notification_cap);

    assert(status == OK);
}

/* ---- the end ----------------------------------------------------------------------------------------------
 */

/*
 * First nothing can be reached through it any more, and what it held goes back, in bounded time.  Then the
 * Frame capabilities that were mapped here forget it, however many there are, in steps.
 */
enum status aspace_destroy(struct aspace *aspace)
{
    unsigned steps = 0;

    if (!aspace->dying) {
        aspace->dying = true;
        stage2_clear(aspace);
        aspace_unload(aspace);
        while (aspace->doorbell_count)
            aspace_doorbell_clear(&aspace->doorbells[aspace->doorbell_count - 1]);
    }
    while (aspace->mappings) {
        mapping_unlink(aspace->mappings);
        if (++steps % FORGET_EVERY == 0 && aspace->mappings && preempt_wanted())
            return RESTART;
    }
    return OK;
}
