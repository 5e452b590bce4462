/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel.h - the kernel's objects and what may be done with them
 *
 * One header, so that every file sees the same nouns; each section names the file that owns it.
 * All RAM and the devices are mapped at their physical address at EL2, so pointers to objects are their
 * physical addresses.
 *
 * Locking.  `kernel_lock` (one spin lock) guards every object but the following; all handlers hold it
 * unless they say otherwise.
 *   struct virqs        its own lock (vcpu->virqs.lock): other pCPUs make interrupts pending
 *   struct cpu          its own pCPU only, but `kick` (atomic)
 *   vCPU registers      the pCPU that runs it; others only when it is not running anywhere
 * Order: kernel_lock, then a virqs.lock.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "bundle.h"
#include "syscalls.h"

#define PAGE_SIZE 4096ull
#define CPU_MAX 16u

/* Internal outcomes: the call was interrupted in the middle and the vCPU executes it again; the vCPU
 * blocked, and whoever wakes it writes the result. */
#define RESTART ((enum status)255)
#define BLOCKED ((enum status)254)

typedef struct {
    uint64_t v;
} pa_t;
typedef struct {
    uint64_t v;
} ipa_t;

static inline pa_t pa(uint64_t v)
{
    return (pa_t){v};
}
static inline ipa_t ipa(uint64_t v)
{
    return (ipa_t){v};
}

struct cpu;
struct vcpu;
struct sc;
struct aspace;
struct notification;
struct endpoint;

/* ---- report.c: log, assertions ---------------------------------------------------------------- */
void kprintf(const char *format, ...)
    __attribute__((format(printf, 1, 2))); /* %d %u %x %s %c %p, l and ll, 0-padding */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define assert(claim) ((claim) ? (void)0 : panic("%s:%d: %s", __FILE__, __LINE__, #claim))
extern bool report_refusals; /* option `debug=1`: say in one line why an invocation was refused */
enum status refused(struct vcpu *self, unsigned call, unsigned argument, enum status why);

/* ---- slot.c: capabilities and their derivation tree -------------------------------------------- */
/* Added to the kind: the last capability to an object whose destruction was interrupted; nobody finds it. */
#define CAP_DYING 0x80u
enum { SLOT_DEVICE = 1, SLOT_BUNDLE = 2, SLOT_MAPPED_AS = 4, SLOT_MAPPED_IO = 8, SLOT_EMBEDDED = 16 };

/* Which capability inside another object a SLOT_EMBEDDED slot is. */
enum embed_role {
    EMBED_VCPU_CSPACE = 1,
    EMBED_VCPU_ASPACE,
    EMBED_VCPU_EXITS,
    EMBED_VCPU_IPCBUF,
    EMBED_NOTIFY,           /* of a dispatcher, log, irq or iospace: nothing else to do when it goes */
    EMBED_DOORBELL,         /* index in aspace->doorbells */
    EMBED_ASPACE_DONATION,  /* index in aspace->tables.donations */
    EMBED_IOSPACE_DONATION, /* index in iospace->tables.donations */
};

struct slot {
    uint8_t kind; /* enum cap_kind */
    uint8_t rights;
    uint8_t size_bits; /* Frame: 12, 21 or 30 */
    uint8_t flags;     /* SLOT_* */
    union {
        struct {
            uint16_t role;  /* SLOT_EMBEDDED: enum embed_role, which field of which object this is */
            uint16_t index; /* SLOT_EMBEDDED: index among equals */
        };
        uint32_t map_epoch; /* mapped Frame: tables.epoch of its space then; another one: the tables went */
    };
    uint64_t object; /* the object's address; Frame, Untyped: the memory's */
    union {
        uint64_t badge;     /* Endpoint, Notification */
        uint64_t mapped_at; /* Frame: IPA or IOVA */
        uint64_t bytes;     /* Untyped */
    };
    struct slot *parent, *child, *next, *prev; /* derivation tree; siblings are a list */
    union {
        struct {             /* Frame: where it is mapped, and the list of that space's mappings */
            void *mapped_in; /* struct aspace or struct iospace, by flags */
            struct slot *map_next, *map_prev;
        };
        struct {                /* Untyped */
            uint64_t used;      /* bytes given out */
            uint64_t zeroed;    /* progress of an interrupted retype, bytes from `zero_from` */
            uint64_t zero_from; /* an address; it has not been given out since */
        };
    };
};

/* Every object but Frame and Untyped has this; object_header() knows where. */
struct object {
    uint32_t refs; /* capabilities to it, in CSpaces and embedded ones */
    uint8_t kind;
};

struct cspace {
    struct object object;
    uint32_t slot_count;
    bool dying;
    uint32_t reap_at; /* dying: next slot to empty */
    struct cspace *reap_next;
    struct slot slots[];
};

static inline bool slot_is_usable(const struct slot *s)
{
    return s->kind != CAP_NONE && s->kind < CAP_KIND_COUNT;
}
static inline void *slot_object(const struct slot *s)
{
    return (void *)s->object;
}
/* An object's header: at its start, but for vCPUs, which start with what vectors.S saves. */
struct object *object_header(enum cap_kind kind, void *object);
struct slot *cspace_slot(struct cspace *cspace, uint64_t index); /* NULL when out of range */
void slot_insert(struct slot *slot,
                 struct slot *parent); /* filled-in slot enters the tree and counts a reference */
void slot_copy(struct slot *dest, struct slot *src, uint32_t rights, uint64_t badge); /* as a child of src */
void slot_move(struct slot *dest, struct slot *src);
enum status slot_delete(struct slot *slot); /* OK or RESTART */
enum status slot_revoke(struct slot *slot); /* OK or RESTART */
enum status reap(void);                     /* finish dying CSpaces; OK or RESTART */
/* A capability inside another object: a child of `src`, emptied when src's object goes (embedded_gone). */
void slot_embed(struct slot *dest, struct slot *src, enum embed_role role, unsigned index);
bool preempt_wanted(void); /* an interrupt is pending: leave with RESTART at the next consistent point */

/* What slot.c calls when the last capability of a kind goes: the objects' files define them. May return
 * RESTART. */
enum status aspace_destroy(struct aspace *aspace);
enum status vcpu_destroy(struct vcpu *vcpu);
enum status endpoint_destroy(struct endpoint *endpoint);
void notification_destroy(struct notification *notification);
void sc_destroy(struct sc *sc);
struct irq;
void irq_destroy(struct irq *irq);
struct iospace;
enum status iospace_destroy(struct iospace *iospace);
/*
 * slot.c (embed.c) calls this before it empties an embedded capability.  OK or RESTART.
 * Donations and doorbells are handed on to aspace.c and iospace.c.
 */
enum status embedded_gone(struct slot *slot);
enum status
aspace_donation_gone(struct slot *donation); /* everything of the space is unmapped, all donations dropped */
enum status iospace_donation_gone(struct slot *donation);
void doorbell_gone(struct slot *notification_cap);

/* ---- heap.c: an intrusive pairing heap of times ------------------------------------------------ */
struct timer {
    uint64_t when;                     /* CNTPCT ticks */
    struct timer *child, *next, *prev; /* prev: the parent for a first child */
    bool queued;
    uint8_t role; /* enum timer_role */
};
enum timer_role { TIMER_WAIT, TIMER_PTIMER, TIMER_VTIMER }; /* which of its vCPU's */

/* ---- sc.c, dispatcher.c: processor time --------------------------------------------------------- */
struct sc {
    struct object object;
    struct cpu *cpu;     /* NULL until sc_create_on */
    struct vcpu *vcpu;   /* bound */
    struct vcpu *runner; /* whom it runs now: `vcpu`, or the server it is lent to */
    int entry;           /* index in the pCPU's plan, -1: not in it */
    bool awake;          /* its bit in `runnable` */
    bool marked;         /* dispatcher_commit: seen in this plan */
    uint64_t ticks;      /* used, in all */
    uint64_t switches;
    uint64_t wanted; /* ticks that it was awake in all, less the time at which it awoke last */
};

/* ---- vgic.c: virtual interrupts of one vCPU ------------------------------------------------------ */
#define VIRQ_WORDS ((VIRQ_MAX + 63u) / 64u)
#define LR_MAX 16u
struct virqs {
    uint32_t lock;
    bool dirty;        /* something changed that the list registers do not show yet (or an exception waits) */
    uint16_t lr_used;  /* list registers that hold an interrupt, as far as we have looked */
    uint16_t lr_latch; /* of those: level-sensitive, and pending by itself and not only by its line */
    uint64_t enabled[VIRQ_WORDS];
    uint64_t group1[VIRQ_WORDS];
    uint64_t level[VIRQ_WORDS];   /* configured level-sensitive */
    uint64_t pending[VIRQ_WORDS]; /* latched (edge, or written by the guest), not in a list register */
    uint64_t line[VIRQ_WORDS];    /* level-sensitive inputs */
    uint64_t active[VIRQ_WORDS];  /* active and not in a list register */
    uint64_t in_lr[VIRQ_WORDS];   /* has a list register */
    uint64_t look[VIRQ_WORDS];    /* of those: take it back and place it anew */
    uint64_t drop_pending[VIRQ_WORDS], drop_active[VIRQ_WORDS]; /* of those: without this state */
    uint8_t priority[VIRQ_MAX];
    uint64_t lr[LR_MAX]; /* as last written or saved; the registers are live while the vCPU is el1_owner */
    uint64_t vmcr, ap0r0, ap1r0, hcr;
};

/* ---- vcpu.c ------------------------------------------------------------------------------------------ */
struct regs { /* first in struct vcpu; vectors.S knows the layout */
    uint64_t x[31];
    uint64_t sp_el0;
    uint64_t pc;
    uint64_t pstate;
};

struct el1_regs {
    uint64_t sp_el1, elr, spsr, sctlr, ttbr0, ttbr1, tcr, mair, amair, vbar, esr, far, afsr0, afsr1, par,
        contextidr, tpidr_el1, tpidrro, cpacr, cntkctl, csselr, mdscr, actlr;
    uint64_t cntv_ctl, cntv_cval, cntvoff;
    uint64_t cntp_ctl, cntp_cval; /* emulated */
};

struct fp_state {
    uint64_t q[64] __attribute__((aligned(16)));
    uint32_t fpcr, fpsr;
};

enum vcpu_state {
    VCPU_SUSPENDED = 0, /* not configured, not resumed, or stopped */
    VCPU_RUNNABLE,
    VCPU_SENDING,   /* in an endpoint's queue with a message (call, send, exit) */
    VCPU_RECEIVING, /* in an endpoint's queue */
    VCPU_REPLY,     /* called; the server has it */
    VCPU_WAITING,   /* on a notification */
    VCPU_WFI,       /* guest, until a virtual interrupt is pending */
};

struct vcpu {
    struct regs regs;
    uint64_t kernel_stack; /* of its pCPU; vectors.S */
    struct cpu *cpu;       /* its pCPU, fixed by vcpu_configure */
    struct object object;
    uint8_t kind;  /* enum vcpu_kind */
    uint8_t state; /* enum vcpu_state */
    uint8_t index; /* Aff0 of a guest's vCPU */
    bool configured;
    bool in_exit; /* its SENDING/REPLY is an exit made by the kernel */
    bool waits_reply;
    struct cspace *cspace; /* = cspace_cap's object, or NULL */
    struct aspace *aspace;
    struct ipc_buffer *ipcbuf;
    uint64_t tpidr_el0;

    /* IPC */
    struct endpoint *endpoint; /* SENDING, RECEIVING: the queue it is in */
    struct vcpu *queue_next, *queue_prev;
    struct vcpu *caller; /* whom I must answer */
    struct vcpu *callee; /* REPLY: who must answer me */
    uint64_t send_badge; /* SENDING */
    uint64_t send_info;
    uint64_t send_words[IPC_WORDS];
    uint64_t deadline;          /* of what it waits for; its timer may be an earlier one's (wait_until) */
    struct timer timer;         /* the deadline of what it waits for; a guest's WFI: its virtual timer */
    struct notification *bound; /* delivered at endpoint_recv */
    struct notification *waits_on;
    struct notification *virq_sources; /* guests: notifications bound to my interrupts */

    /* time */
    struct sc *sc;      /* bound */
    struct sc *lent;    /* a caller's, while I serve it */
    struct sc *lending; /* REPLY: the one I lent to my callee */

    /* exits being decoded: what to do with the reply */
    uint8_t exit_label, exit_register, exit_size;
    bool exit_sign, exit_64;
    uint8_t inject; /* guests: exception to take before the next instruction (aarch64/guest.h) */
    uint64_t exit_esr, exit_far;
    uint64_t exits[EXIT_KINDS]; /* how many, by label - 1 */

    /* embedded capabilities */
    struct slot cspace_cap, aspace_cap, exits_cap, ipcbuf_cap;

    struct fp_state fp;

    /* guests */
    struct el1_regs el1;
    struct virqs virqs;
    struct timer ptimer; /* CNTP emulation */
    struct timer vtimer; /* CNTV while it is not el1_owner */
    bool vtimer_active;  /* PPI 27 has been taken and the guest has not deactivated it */
};

/* NULL and *why when the index is out of range, the kind differs or a right is missing. */
static inline struct slot *cap_lookup(struct vcpu *self, uint64_t index, enum cap_kind kind, uint32_t rights,
                                      enum status *why)
{
    struct cspace *cspace = self->cspace;

    *why = ERR_CAP;
    if (!cspace || index >= cspace->slot_count)
        return NULL;
    struct slot *slot = &cspace->slots[index]; /* slot 0 is always empty */
    if (slot->kind != kind)
        return NULL;
    *why = ERR_RIGHT;
    return (slot->rights & rights) == rights ? slot : NULL;
}

/* For whoever wants to know what guests do (sc_exits). */
static inline void vcpu_count_exit(struct vcpu *vcpu, uint32_t label)
{
    vcpu->exits[label - 1]++;
}

/* ---- cpu.c -------------------------------------------------------------------------------------------- */
struct plan_slot {
    struct sc *sc;
    uint64_t slice, left;              /* ticks */
    uint64_t window_start, window_end; /* ticks from the epoch's start */
};

struct dispatcher {
    struct object object;
    struct cpu *cpu;
    struct slot notify_cap;
    uint64_t epoch, epoch_start; /* ticks */
    uint32_t count, flags;
    uint64_t runnable[2], has_slice[2], in_window[2], capped[2]; /* bit = entry */
    bool windows;                                                /* some entry has one */
    bool fixed;         /* a slice's end matters even to who is alone: not elastic, capped entries, windows */
    uint64_t turns[2];  /* bit = entry: it has PLAN_TURNS */
    int called;         /* the entry that goes first of those, or -1 */
    uint64_t next_edge; /* when the epoch ends, or a window begins or ends; ticks */
    struct plan_slot entries[PLAN_ENTRIES_MAX];
};

struct cpu {
    uint64_t stack_top;     /* first: start.S */
    bool evict;             /* another pCPU wants to touch a vCPU whose registers are live here */
    bool resched;           /* something changed that the dispatcher must look at */
    struct vcpu *current;   /* whom it runs, or ran when it came into the kernel; NULL when idle */
    struct vcpu *loaded;    /* whose TPIDR_EL0, HCR_EL2 and VTTBR_EL2 are in the registers */
    struct sc *sc;          /* being charged */
    struct vcpu *el1_owner; /* guest whose EL1 registers, timers and list registers are loaded */
    bool el1_shielded;      /* its CNTKCTL_EL1 is saved, a service's is loaded (guest_shield) */
    struct vcpu *fp_owner;
    struct aspace *aspace_loaded;
    uint64_t since;       /* when the current charge began */
    struct timer *timers; /* pairing heap */
    uint64_t timer_armed;
    uint32_t index;
    uint32_t kick; /* set by others (atomic), with an IPI: look at your vCPU again */
    uint64_t mpidr;
    volatile uint64_t *gicr; /* RD_base of its redistributor */
    bool online;
    struct dispatcher dispatcher;
};
extern struct cpu cpus[CPU_MAX];
extern uint32_t cpu_count;
static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;
    __asm__("mrs %0, tpidr_el2" : "=r"(cpu));
    return cpu;
}

void kernel_lock(void);
void kernel_unlock(void);
/* IPI: it comes into the kernel and looks at `resched` and `evict`, and at what its vCPU has pending. */
void cpu_kick(struct cpu *cpu);

void timer_queue(struct cpu *cpu, struct timer *timer,
                 uint64_t when); /* moves it if queued; the pCPU's own, or with kernel_lock and a kick */
void timer_cancel(struct cpu *cpu, struct timer *timer);

/* Make it runnable / blocked on its SchedContexts; kicks the pCPU if it is another one. kernel_lock. */
void vcpu_wake(struct vcpu *vcpu);
void vcpu_block(struct vcpu *vcpu, enum vcpu_state state);
void vcpu_abort_wait(struct vcpu *vcpu,
                     enum status why); /* leaves any queue; a service's call ends with `why` */
/* The kernel calls the exit endpoint for a vCPU.  words: exit_label's. Blocks it until the reply. */
void vcpu_exit(struct vcpu *vcpu, enum exit_label label, const uint64_t words[IPC_WORDS]);
/* True when it may be touched: not running anywhere. Else its pCPU is kicked and the caller returns RESTART.
 */
bool vcpu_is_off_cpu(struct vcpu *vcpu);
/* A system call of `vcpu` (registers in vcpu->regs, PC past the svc or hvc); kernel_lock held. */
void syscall(struct vcpu *vcpu, uint64_t number);

/* ---- notification.c --------------------------------------------------------------------------------- */
#define NOTIFICATION_WAITERS_MAX 64u
struct notification {
    struct object object;
    uint64_t bits; /* bound to a virtual interrupt: signalled, and not taken back by a doorbell */
    struct vcpu *waiter_first, *waiter_last; /* WAITING */
    uint32_t waiter_count;                   /* at most NOTIFICATION_WAITERS_MAX: they are woken at once */
    struct vcpu *bound;                      /* vcpu_bind_notification */
    struct vcpu *virq_vcpu;                  /* notification_bind_virq */
    uint32_t virq;
    struct notification *virq_next, *virq_prev; /* of virq_vcpu's sources */
};
void notification_signal(struct notification *notification, uint64_t bits); /* kernel_lock */

struct endpoint {
    struct object object;
    struct vcpu *first, *last; /* all SENDING or all RECEIVING */
};

/* ---- stage2.c, aspace.c: address spaces -------------------------------------------------------------- */
#define ASPACE_DONATIONS_MAX 8u
#define ASPACE_DOORBELLS_MAX 32u
struct doorbell {
    uint64_t ipa;
    uint64_t value;
    struct slot notification_cap; /* CAP_NONE: unused */
};
struct table_pool { /* pages for translation tables, from donated Untypeds */
    struct slot donations[ASPACE_DONATIONS_MAX];
    uint64_t free;       /* list of pages that were tables, all zero but the link in their first word */
    uint32_t free_count; /* those, and pages of the donations that were never used */
    uint32_t epoch;      /* counts how often the tables went as a whole */
};
struct aspace {
    struct object object;
    uint16_t vmid;
    bool dying; /* aspace_destroy has begun: nothing is mapped, only Frame capabilities are left to forget */
    uint64_t vmid_generation;
    uint64_t vttbr;        /* root | vmid, when the generation is current */
    struct slot *mappings; /* Frame capabilities mapped here */
    struct table_pool tables;
    uint32_t doorbell_count; /* those in use are below */
    struct doorbell doorbells[ASPACE_DOORBELLS_MAX];
    struct vcpu *vcpus[VCPU_INDEX_MAX]; /* guests' vCPUs by index, for SGIs */
    uint8_t last_guest[CPU_MAX];        /* index + 1 of the vCPU last loaded on a pCPU; 0: none */
    uint64_t root[512] __attribute__((aligned(4096))); /* level 1: 512 entries of 1 GiB */
};
/* VTTBR_EL2 for this address space, with a VMID of the current generation (recycles when they run out); it
 * becomes cpu->aspace_loaded, and the pCPU must write the register next.  Takes no lock but its own. */
uint64_t aspace_load(struct cpu *cpu, struct aspace *aspace);
static inline uint64_t aspace_vttbr(struct aspace *aspace)
{
    return aspace_load(this_cpu(), aspace);
}
extern uint64_t vmid_generation;
uint64_t aspace_vttbr_none(void); /* VMID 0, nothing mapped: for a pCPU whose cpu->aspace_loaded is NULL */
/* The doorbell that a store rings, or NULL.  Called without kernel_lock held?  No: with it. */
struct doorbell *aspace_doorbell_find(struct aspace *aspace, uint64_t ipa, uint64_t value);
void aspace_unmap_slot(struct slot *frame); /* Frame capability with SLOT_MAPPED_AS: unmap, TLB invalidated */

struct iospace {
    struct object object;
    bool bound;
    bool dying; /* as in struct aspace */
    uint32_t stream;
    uint32_t asid;
    struct slot *mappings;
    struct table_pool tables;
    struct slot notify_cap;
    uint64_t fault_count, fault_address, fault_reason;
    uint64_t fault_limit;                             /* recording stops at this count */
    uint64_t context[8] __attribute__((aligned(64))); /* the SMMU's context descriptor */
    uint64_t root[512] __attribute__((aligned(4096)));
};
void iospace_unmap_slot(struct slot *frame); /* Frame capability with SLOT_MAPPED_IO */
void smmu_init(void);
void smmu_handle_events(void); /* the SMMU's event and error interrupts: read fault records; kernel_lock */
#define SMMU_BASE 0x09050000ull
/* Both are edge-triggered: GICD_ICFGR must say so, or they are lost. */
#define SMMU_IRQ_EVENT 106u
#define SMMU_IRQ_ERROR 109u

/* Table pages and the tree that they make: kernel/table.h. */

void memory_zero(uint64_t at, uint64_t bytes); /* aarch64/memory.S; 64-byte aligned */

/* ---- untyped.c ------------------------------------------------------------------------------------------
 */
struct control {
    struct object object;
};
struct log {
    struct object object;
    struct slot notify_cap;
};

/* ---- aarch64/guest.c, vgic.c, vtimer.c: the guest side (one owner)
 * ------------------------------------------ */
void guest_init(struct vcpu *vcpu); /* vcpu_configure of kind guest: reset values */
void guest_load(struct vcpu *vcpu); /* it becomes cpu->el1_owner (the old one is saved): EL1 registers,
                                       timers, list registers */
void guest_unload(struct cpu *cpu); /* save cpu->el1_owner's state and leave safe EL1 state for services;
                                       el1_owner = NULL */
/* guest_enter(), guest_shield(), guest_unshield(), guest_kicked(), HCR_GUEST: aarch64/guest.h */
/* The saved copy of a register from REG_SP_EL1 on, of an unloaded guest; NULL: there is no such register. */
uint64_t *guest_reg(struct vcpu *vcpu, uint32_t reg);
/* A synchronous exception from a guest (esr = ESR_EL2), kernel_lock NOT held; takes it when it needs it. */
void guest_sync(struct vcpu *vcpu, uint64_t esr);
/* The reply of an exit: write registers, step, inject.  kernel_lock held, vCPU off CPU or this pCPU's. */
void guest_exit_reply(struct vcpu *vcpu, uint32_t label, const uint64_t words[IPC_WORDS]);
void guest_inject_undef(struct vcpu *vcpu);
void guest_inject_abort(struct vcpu *vcpu, uint64_t esr, uint64_t far);
uint64_t *guest_reg(struct vcpu *vcpu,
                    uint32_t reg); /* saved copy of an EL1 register (REG_SP_EL1..), NULL: none such */
void guest_cpu_init(void);     /* per pCPU, after gic_cpu_init: all EL2 registers that guests are held by but
                                  HCR, VTTBR, VTCR, CPTR; list registers, timers, PPIs 25 and 27 */
extern bool guest_pmu_allowed; /* set before guest_cpu_init: guests may use the PMU (bench) */
void vgic_set(
    struct vcpu *vcpu, uint32_t intid,
    bool level); /* a source fires (edge) or its line changes; any pCPU, kernel_lock held: wakes it */
bool vgic_pending(struct vcpu *vcpu);   /* el1_owner: an interrupt would be taken, WFI falls through */
void vgic_maintenance(struct cpu *cpu); /* PPI 25; kernel_lock not needed */
void vtimer_fired(struct cpu *cpu);     /* physical PPI 27, of cpu->el1_owner; priority drop only, no
                                           deactivation. kernel_lock NOT held: taken to wake from WFI */
void guest_timer_expired(struct vcpu *vcpu,
                         struct timer *timer); /* ptimer or vtimer of the heap; kernel_lock held */

/* ---- aarch64/, dev/gic.c
 * ---------------------------------------------------------------------------------------- */
enum { PPI_MAINTENANCE = 25, PPI_HYP_TIMER = 26, PPI_VTIMER = 27, SGI_KICK = 0 };
void gic_init(void);
void gic_cpu_init(void);
void gic_enable(uint32_t intid); /* this pCPU's PPI, or an SPI to pCPU 0 */
void gic_disable(uint32_t intid);
void gic_set_active(uint32_t intid, bool active); /* this pCPU's PPI: GICR_ISACTIVER0/ICACTIVER0 */
/* irq.c: handle an acknowledged interrupt and every further one that is pending; kernel_lock held */
void irq_handle(uint32_t intid);
/* Acknowledge one; true: it was the guest's timer, and is handled.  kernel_lock NOT held. */
bool irq_take_vtimer(uint32_t *intid);
void gic_send_sgi(struct cpu *target, uint32_t sgi);
void mmu_init(void); /* EL2 stage 1 from the boot page tables: kernel text RX, rodata R, the rest RW XN */
void mmu_cpu_init(void);
void tlb_flush_ipa(struct aspace *aspace, uint64_t ipa, uint64_t bytes); /* stage 2 of its VMID, all pCPUs */
void tlb_flush_vmid(struct aspace *aspace);
void tlb_flush_all_guests(void);   /* VMIDs are recycled */
void tlb_publish(void);            /* table entries written so far are seen by every walker */
void vttbr_unload(uint64_t vttbr); /* this pCPU's VTTBR_EL2, if it is that one, becomes aspace_vttbr_none() */

static inline uint64_t now(void)
{
    uint64_t t;
    __asm__ volatile("isb\n\tmrs %0, cntpct_el0" : "=r"(t));
    return t;
}
#define read_sysreg(name)                                                                                    \
    ({                                                                                                       \
        uint64_t value_;                                                                                     \
        __asm__ volatile("mrs %0, " #name : "=r"(value_));                                                   \
        value_;                                                                                              \
    })
#define write_sysreg(name, value) __asm__ volatile("msr " #name ", %0" ::"r"((uint64_t)(value)))
#define isb() __asm__ volatile("isb" ::: "memory")
#define dsb(kind) __asm__ volatile("dsb " #kind ::: "memory")

#endif
