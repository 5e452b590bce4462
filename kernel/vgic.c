/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vgic.c - virtual interrupts: from what is pending to what the list registers show
 *
 * The vmm says what is enabled and with which priority; sources set pending bits and lines, from any pCPU.
 * Only the pCPU whose el1_owner the vCPU is touches its list registers, right before it enters the guest:
 * others leave bits behind (pending, look, drop_*), set `dirty`, and kick it if it runs.  So a list register
 * is never changed: it is taken back into the bitmaps and placed anew.
 *
 * A level-sensitive interrupt asks for a maintenance interrupt at the guest's end of interrupt, but only
 * while its line is asserted: usually the line has dropped by then and nothing more is to be done.
 *
 * More pending than list registers: the highest priorities are in them, and a maintenance interrupt says when
 * none of those is pending any more.  Active ones stay in theirs, unless all of them are active; then the
 * lowest goes, and the GIC counts the guest's ends of interrupt that miss it.
 *
 * Always true:  an interrupt's active state, and the pending state of an edge-triggered one, is in the
 *               bitmaps or in exactly one list register (in_lr, lr_used, intid in lr[]), never in both but by
 *               a later event.
 * Locking:      virqs.lock for every field; kernel_lock besides, where a vCPU may be woken.
 */
#include "vgic.h"

#include "aarch64/cntv.h"
#include "aarch64/ich.h"

#define NO_VIRQ UINT32_MAX

static uint32_t lr_count; /* of every pCPU; set by the first, at boot */

static inline bool test_bit(const uint64_t *words, uint32_t intid)
{
    return words[intid >> 6] >> (intid & 63u) & 1u;
}

static inline void set_bit(uint64_t *words, uint32_t intid)
{
    words[intid >> 6] |= 1ull << (intid & 63u);
}

static inline void clear_bit(uint64_t *words, uint32_t intid)
{
    words[intid >> 6] &= ~(1ull << (intid & 63u));
}

static inline void put_bit(uint64_t *words, uint32_t intid, bool value)
{
    if (value)
        set_bit(words, intid);
    else
        clear_bit(words, intid);
}

/* Its list registers are loaded on the pCPU that asks. */
static inline bool is_live_here(const struct vcpu *vcpu)
{
    return vcpu->cpu == this_cpu() && vcpu->cpu->el1_owner == vcpu;
}

/* The timers' interrupts are levels, whatever the guest says. */
static inline bool is_timer(uint32_t intid)
{
    return intid == PPI_VTIMER || intid == PPI_PTIMER;
}

/* ---- list registers back into the bitmaps ------------------------------------------------------- */

static inline void lr_forget(struct virqs *q, uint32_t i)
{
    clear_bit(q->in_lr, (uint32_t)(q->lr[i] & LR_INTID));
    q->lr_used &= (uint16_t) ~(1u << i);
    q->lr_latch &= (uint16_t) ~(1u << i);
}

/* The guest has ended what was in these list registers. */
static inline void retire(struct vcpu *vcpu)
{
    struct virqs *q = &vcpu->virqs;
    uint32_t done = q->lr_used & (uint32_t)(ich_elrsr() | ich_eisr());

    while (done) {
        uint32_t i = (uint32_t)__builtin_ctz(done);

        done &= done - 1;
        lr_forget(q, i);
        if (q->lr[i] & LR_HW) {
            clear_bit(q->line,
                      PPI_VTIMER); /* the GIC deactivated the physical one, it fires again if need be */
            vcpu->vtimer_active = false;
        } else if (q->lr[i] & LR_EOI) {
            ich_lr_write(i, 0); /* the maintenance interrupt is done with */
        }
    }
}

static int lr_find(const struct virqs *q, uint32_t intid)
{
    for (uint32_t used = q->lr_used; used; used &= used - 1) {
        int i = __builtin_ctz(used);

        if ((q->lr[i] & LR_INTID) == intid)
            return i;
    }
    return -1;
}

/* Take an interrupt out of its list register, but for the states that somebody dropped meanwhile. */
static void take_back(struct vcpu *vcpu, uint32_t intid)
{
    struct virqs *q = &vcpu->virqs;
    int found = lr_find(q, intid);

    clear_bit(q->look, intid);
    if (found >= 0) {
        uint32_t i = (uint32_t)found;
        uint64_t value = ich_lr(i);
        bool latch = !test_bit(q->level, intid) || ((uint32_t)q->lr_latch >> i & 1u);

        if ((value & LR_PENDING) && latch && !(value & LR_HW) && !test_bit(q->drop_pending, intid))
            set_bit(q->pending, intid);
        if (value & LR_ACTIVE && !test_bit(q->drop_active, intid))
            set_bit(q->active, intid);
        lr_forget(q, i);
        ich_lr_write(i, 0);
    }
    clear_bit(q->drop_pending, intid);
    clear_bit(q->drop_active, intid);
}

static void take_back_changed(struct vcpu *vcpu)
{
    struct virqs *q = &vcpu->virqs;

    for (uint32_t w = 0; w < VIRQ_WORDS; w++)
        while (q->look[w])
            take_back(vcpu, w * 64u + (uint32_t)__builtin_ctzll(q->look[w]));
}

/* The most urgent of a set; NO_VIRQ if it is empty. */
static inline uint32_t most_urgent(const struct virqs *q, const uint64_t *set)
{
    uint32_t best = NO_VIRQ;
    uint32_t best_priority = UINT32_MAX;

    for (uint32_t w = 0; w < VIRQ_WORDS; w++) {
        for (uint64_t bits = set[w]; bits; bits &= bits - 1) {
            uint32_t intid = w * 64u + (uint32_t)__builtin_ctzll(bits);

            if (q->priority[intid] < best_priority) {
                best = intid;
                best_priority = q->priority[intid];
            }
        }
    }
    return best;
}

/*
 * Ends of interrupt that found no list register: they belong to the active ones without.  The guest ends
 * what it took last first, and that is the most urgent one.
 */
static void count_missed_ends(struct virqs *q)
{
    for (uint64_t missed = ich_hcr() >> ICH_HCR_EOICOUNT_SHIFT & 31u; missed; missed--) {
        uint32_t intid = most_urgent(q, q->active);

        if (intid == NO_VIRQ)
            break;
        clear_bit(q->active, intid);
    }
    q->hcr = 0; /* differs from what is needed: it will be written, and the count with it */
}

/* ---- the bitmaps into list registers ---------------------------------------------------------------- */

static inline bool wants_lr(const struct virqs *q, uint32_t intid)
{
    if (test_bit(q->active, intid))
        return true;
    return test_bit(q->enabled, intid) &&
           (test_bit(q->pending, intid) || (test_bit(q->line, intid) && test_bit(q->level, intid)));
}

static void lr_put(struct vcpu *vcpu, uint32_t i, uint32_t intid)
{
    struct virqs *q = &vcpu->virqs;
    const uint32_t w = intid >> 6;
    const uint64_t bit = 1ull << (intid & 63u);
    bool active = q->active[w] & bit;
    bool latch = q->enabled[w] & q->pending[w] & bit;
    bool line = q->enabled[w] & q->line[w] & q->level[w] & bit;
    uint64_t value = intid | (uint64_t)q->priority[intid] << LR_PRIORITY_SHIFT;

    if (q->group1[w] & bit)
        value |= LR_GROUP1;
    if (active)
        value |= LR_ACTIVE;
    if (intid == PPI_VTIMER && vcpu->vtimer_active) {
        /* Its end deactivates the physical one.  Pending and active together is not allowed with HW. */
        value |= LR_HW | (uint64_t)PPI_VTIMER << LR_PINTID_SHIFT;
        if (!active)
            value |= LR_PENDING;
    } else {
        if (latch || (line && !active))
            value |= LR_PENDING;
        if (line)
            value |= LR_EOI;
    }
    q->active[w] &= ~bit;
    if (latch) {
        q->pending[w] &= ~bit;
        q->lr_latch |= (uint16_t)(1u << i);
    }
    q->in_lr[w] |= bit;
    q->lr_used |= (uint16_t)(1u << i);
    q->lr[i] = value;
    ich_lr_write(i, value);
}

/*
 * All list registers are taken: which one gives way to an interrupt of this priority?  The least urgent
 * pending one, if it is less urgent; when none is pending, the least urgent active one, because a pending one
 * must be in sight of the guest.  -1: none.
 */
static int lr_victim(uint32_t priority)
{
    int pending = -1, active = -1;
    uint32_t pending_priority = 0, active_priority = 0;

    for (uint32_t i = 0; i < lr_count; i++) {
        uint64_t value = ich_lr(i);
        uint32_t p = (uint32_t)(value >> LR_PRIORITY_SHIFT & 0xffu);

        if ((value & LR_STATE) == LR_PENDING) {
            if (pending < 0 || p > pending_priority) {
                pending = (int)i;
                pending_priority = p;
            }
        } else if (!(value & LR_HW) && (active < 0 || p > active_priority)) {
            active = (int)i;
            active_priority = p;
        }
    }
    if (pending >= 0)
        return pending_priority > priority ? pending : -1;
    return active;
}

/* Make room; `waiting` gets back what was pending.  -1: it has to wait. */
static int lr_make_room(struct vcpu *vcpu, uint32_t intid, uint64_t *waiting)
{
    struct virqs *q = &vcpu->virqs;
    int i = lr_victim(q->priority[intid]);

    if (i < 0)
        return -1;
    uint32_t out = (uint32_t)(q->lr[i] & LR_INTID);

    take_back(vcpu, out);
    if (!test_bit(q->active, out) && wants_lr(q, out))
        set_bit(waiting, out);
    return i;
}

/* Returns whether something that is pending found no place. */
static bool place(struct vcpu *vcpu)
{
    struct virqs *q = &vcpu->virqs;
    uint64_t waiting[VIRQ_WORDS];
    uint32_t intid;
    bool left = false;

    for (uint32_t w = 0; w < VIRQ_WORDS; w++)
        waiting[w] =
            (((q->pending[w] | (q->line[w] & q->level[w])) & q->enabled[w]) | q->active[w]) & ~q->in_lr[w];

    while ((intid = most_urgent(q, waiting)) != NO_VIRQ) {
        uint32_t free = ~(uint32_t)q->lr_used & ((1u << lr_count) - 1u);
        int i;

        clear_bit(waiting, intid);
        if (intid == PPI_VTIMER && vcpu->vtimer_active && !test_bit(q->active, intid) && !cntv_asserted()) {
            vtimer_forget(vcpu);
            if (!wants_lr(q, intid))
                continue;
        }
        i = free ? __builtin_ctz(free) : lr_make_room(vcpu, intid, waiting);
        if (i >= 0)
            lr_put(vcpu, (uint32_t)i, intid);
        else
            left |= !test_bit(q->active, intid);
    }
    return left;
}

static bool any_active(const struct virqs *q)
{
    uint64_t any = 0;

    for (uint32_t w = 0; w < VIRQ_WORDS; w++)
        any |= q->active[w];
    return any;
}

/* virqs.lock held */
static void refresh(struct vcpu *vcpu)
{
    struct virqs *q = &vcpu->virqs;
    uint64_t hcr = ICH_HCR_EN;

    q->dirty = false;
    if (q->hcr & ICH_HCR_LRENPIE)
        count_missed_ends(q);
    if (q->lr_used) {
        retire(vcpu);
        take_back_changed(vcpu);
    }
    if (place(vcpu))
        hcr |= ICH_HCR_NPIE;
    if (any_active(q))
        hcr |= ICH_HCR_LRENPIE | ICH_HCR_TDIR;
    if (hcr != q->hcr) {
        q->hcr = hcr;
        ich_hcr_write(hcr);
    }
}

void vgic_refresh(struct vcpu *vcpu)
{
    virqs_lock(&vcpu->virqs);
    refresh(vcpu);
    virqs_unlock(&vcpu->virqs);
}

/* ---- sources ------------------------------------------------------------------------------------------ */

/* virqs.lock held */
static inline void post(struct virqs *q, uint32_t intid, bool level)
{
    uint32_t w = intid >> 6;
    uint64_t bit = 1ull << (intid & 63u);

    if (q->level[w] & bit) {
        if (!(q->line[w] & bit) == !level)
            return;
        q->line[w] ^= bit;
    } else if (level) {
        q->pending[w] |= bit;
    } else {
        q->pending[w] &= ~bit;
        q->drop_pending[w] |= q->in_lr[w] & bit;
    }
    q->look[w] |= q->in_lr[w] & bit;
    q->dirty = true;
}

/* Something changed for a vCPU that may sleep or run elsewhere.  kernel_lock held. */
static void notice(struct vcpu *vcpu, bool wakes)
{
    struct cpu *cpu = vcpu->cpu;

    if (vcpu->state == VCPU_WFI) {
        if (wakes)
            vcpu_wake(vcpu);
    } else if (cpu != this_cpu() && cpu->current == vcpu) {
        cpu_kick(cpu);
    }
}

void vgic_set(struct vcpu *vcpu, uint32_t intid, bool level)
{
    struct virqs *q = &vcpu->virqs;

    virqs_lock(q);
    post(q, intid, level);
    bool wakes = level && test_bit(q->enabled, intid);
    virqs_unlock(q);
    notice(vcpu, wakes);
}

void vgic_set_self(struct vcpu *vcpu, uint32_t intid)
{
    virqs_lock(&vcpu->virqs);
    post(&vcpu->virqs, intid, true);
    virqs_unlock(&vcpu->virqs);
}

bool vgic_set_vtimer(struct vcpu *vcpu)
{
    struct virqs *q = &vcpu->virqs;

    virqs_lock(q);
    if (q->lr_used)
        retire(vcpu); /* it fires anew, so the guest has ended the one before */
    vcpu->vtimer_active = true;
    set_bit(q->line, PPI_VTIMER);
    if (test_bit(q->in_lr, PPI_VTIMER))
        set_bit(q->look, PPI_VTIMER);
    q->dirty = true;
    bool wakes = test_bit(q->enabled, PPI_VTIMER);
    virqs_unlock(q);
    return wakes;
}

/* Any list register pending that the guest's priority mask and group enables let through? */
bool vgic_pending(struct vcpu *vcpu)
{
    struct virqs *q = &vcpu->virqs;

    if (q->dirty)
        vgic_refresh(vcpu);
    uint64_t vmcr = ich_vmcr();

    for (uint32_t used = q->lr_used; used; used &= used - 1) {
        uint64_t value = ich_lr((uint32_t)__builtin_ctz(used));
        uint64_t group = value & LR_GROUP1 ? ICH_VMCR_ENG1 : ICH_VMCR_ENG0;

        if ((value & LR_STATE) == LR_PENDING && (vmcr & group) &&
            (value >> LR_PRIORITY_SHIFT & 0xffu) < ICH_VMCR_VPMR(vmcr))
            return true;
    }
    return false;
}

/* The interrupt stays asserted while its reason lasts, so the reason goes here and not at the next entry. */
void vgic_maintenance(struct cpu *cpu)
{
    if (cpu->el1_owner)
        vgic_refresh(cpu->el1_owner);
}

void vgic_deactivate(struct vcpu *vcpu, uint32_t intid)
{
    struct virqs *q = &vcpu->virqs;

    if (intid >= VIRQ_MAX)
        return;
    virqs_lock(q);
    if (test_bit(q->in_lr, intid)) {
        set_bit(q->look, intid);
        set_bit(q->drop_active, intid);
    } else {
        clear_bit(q->active, intid);
    }
    q->dirty = true;
    virqs_unlock(q);
}

/* ---- what the vmm sets and sees ----------------------------------------------------------------------- */

void vgic_configure(struct vcpu *vcpu, uint32_t intid, uint32_t flags, uint8_t priority)
{
    struct virqs *q = &vcpu->virqs;

    virqs_lock(q);
    put_bit(q->enabled, intid, flags & VIRQ_ENABLED);
    put_bit(q->group1, intid, flags & VIRQ_GROUP1);
    put_bit(q->level, intid, flags & VIRQ_LEVEL || is_timer(intid));
    q->priority[intid] = priority;
    if (test_bit(q->in_lr, intid))
        set_bit(q->look, intid);
    bool wakes = wants_lr(q, intid);
    bool matters = wakes || test_bit(q->in_lr, intid);
    q->dirty |= matters;
    virqs_unlock(q);
    if (matters)
        notice(vcpu, wakes);
}

uint32_t vgic_read(struct vcpu *vcpu, uint32_t intid)
{
    struct virqs *q = &vcpu->virqs;

    virqs_lock(q);
    int i = test_bit(q->in_lr, intid) ? lr_find(q, intid) : -1;
    uint64_t value = i < 0 ? 0 : is_live_here(vcpu) ? ich_lr((uint32_t)i) : q->lr[i];
    bool line = test_bit(q->line, intid) && test_bit(q->level, intid);
    bool latch = !test_bit(q->level, intid) || (i >= 0 && (q->lr_latch >> i & 1));
    uint32_t flags = 0;

    if (test_bit(q->enabled, intid))
        flags |= VIRQ_ENABLED;
    if (test_bit(q->group1, intid))
        flags |= VIRQ_GROUP1;
    if (test_bit(q->level, intid))
        flags |= VIRQ_LEVEL;
    if (line)
        flags |= VIRQ_LINE;
    if (line || test_bit(q->pending, intid) ||
        ((value & LR_PENDING) && latch && !test_bit(q->drop_pending, intid)))
        flags |= VIRQ_PENDING;
    if (test_bit(q->active, intid) || ((value & LR_ACTIVE) && !test_bit(q->drop_active, intid)))
        flags |= VIRQ_ACTIVE;
    virqs_unlock(q);
    return flags;
}

void vgic_write(struct vcpu *vcpu, uint32_t intid, uint32_t mask, uint32_t flags)
{
    struct virqs *q = &vcpu->virqs;

    virqs_lock(q);
    if (mask & VIRQ_PENDING) {
        put_bit(q->pending, intid, flags & VIRQ_PENDING);
        if (test_bit(q->in_lr, intid) && !(flags & VIRQ_PENDING))
            set_bit(q->drop_pending, intid);
    }
    if (mask & VIRQ_ACTIVE) {
        put_bit(q->active, intid, flags & VIRQ_ACTIVE);
        if (test_bit(q->in_lr, intid) && !(flags & VIRQ_ACTIVE))
            set_bit(q->drop_active, intid);
    }
    if (test_bit(q->in_lr, intid))
        set_bit(q->look, intid);
    q->dirty = true;
    bool wakes = wants_lr(q, intid);
    virqs_unlock(q);
    notice(vcpu, wakes);
}

/* ---- load and save ------------------------------------------------------------------------------------ */

void vgic_load(struct vcpu *vcpu)
{
    struct virqs *q = &vcpu->virqs;

    ich_vmcr_write(q->vmcr);
    ich_ap0r0_write(q->ap0r0);
    ich_ap1r0_write(q->ap1r0);
    for (uint32_t i = 0; i < lr_count; i++)
        ich_lr_write(i, q->lr_used >> i & 1 ? q->lr[i] : 0);
    ich_hcr_write(q->hcr);
}

void vgic_save(struct vcpu *vcpu)
{
    struct virqs *q = &vcpu->virqs;

    virqs_lock(q);
    if (q->hcr & ICH_HCR_LRENPIE) {
        count_missed_ends(q);
        q->dirty = true;
    }
    if (q->lr_used)
        retire(vcpu);
    for (uint32_t used = q->lr_used; used; used &= used - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(used);

        q->lr[i] = ich_lr(i);
    }
    q->vmcr = ich_vmcr();
    q->ap0r0 = ich_ap0r0();
    q->ap1r0 = ich_ap1r0();
    ich_hcr_write(0);
    virqs_unlock(q);
}

void vgic_reset(struct vcpu *vcpu)
{
    struct virqs *q = &vcpu->virqs;

    *q = (struct virqs){.hcr = ICH_HCR_EN, .vmcr = ICH_VMCR_FIQEN};
    for (uint32_t w = 0; w < VIRQ_WORDS; w++)
        q->group1[w] = ~0ull;
    q->level[0] = 0xffff0000u; /* PPIs */
}

void vgic_init(void)
{
    ich_enable_system_registers();
    uint64_t vtr = ich_vtr();

    lr_count = ICH_VTR_LIST_REGISTERS(vtr);
    /* One of them may hold the timer's, which is never evicted; and we save one active-priorities register.
     */
    assert(lr_count >= 2 && lr_count <= LR_MAX && ICH_VTR_PREBITS(vtr) <= 5);
    ich_hcr_write(0);
}
