/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * abi.h - what the kernel and everything above it agree on
 *
 * Plain C and preprocessor constants only; included by the kernel, services, tiny guests and unit tests.
 * The call numbers come from idl/syscalls.def (build/gen/syscalls.h).
 */
#ifndef BH_ABI_H
#define BH_ABI_H

#include <stdint.h>

#include "status.h"

typedef uint32_t slot_t; /* index into the caller's own CSpace; slot 0 is never valid */

/* ---- kinds of object ---------------------------------------------------------------------- */
enum cap_kind {
    CAP_NONE = 0,
    CAP_UNTYPED = 1,
    CAP_CSPACE = 2,
    CAP_ASPACE = 3,
    CAP_FRAME = 4,
    CAP_VCPU = 5,
    CAP_ENDPOINT = 6,
    CAP_NOTIFICATION = 7,
    CAP_SC = 8,         /* scheduling context */
    CAP_DISPATCHER = 9, /* one per pCPU, made at boot */
    CAP_IRQ = 10,       /* one physical SPI, made by irq_claim */
    CAP_IOSPACE = 11,   /* one DMA address space, bound to one SMMU stream */
    CAP_CONTROL = 12,   /* claim interrupts and streams, power off; init's, at boot */
    CAP_LOG = 13,       /* read the kernel's log; the console's */
    CAP_KIND_COUNT
};

/* ---- rights --------------------------------------------------------------------------------- */
enum {
    RIGHT_READ = 1, /* Frame: load.  Endpoint: receive.  Notification: wait. */
    RIGHT_WRITE =
        2, /* Frame: store.  Endpoint: call, send.  Notification: signal.  Others: change the object. */
    RIGHT_EXEC = 4,  /* Frame: fetch. */
    RIGHT_GRANT = 8, /* Endpoint: messages may carry capabilities.  Untyped: may become kernel objects,
                        not only Frames and smaller Untypeds. */
    RIGHT_ALL = 15,
};

#define BH_FOREVER UINT64_MAX /* a deadline that never comes; 0 is one that has passed (poll) */

/* ---- page sizes ----------------------------------------------------------------------------- */
#define FRAME_4K 12u
#define FRAME_2M 21u
#define FRAME_1G 30u
#define ASPACE_IPA_BITS 39u /* IPAs and IOVAs are below 1 << 39 */

/* aspace_map attributes (besides RIGHT_READ/WRITE/EXEC in the low bits) */
#define MAP_UNCACHED 0x100u /* Normal non-cacheable; device memory is always Device-nGnRE */

/* ---- IPC ------------------------------------------------------------------------------------ */
/*
 * Registers of endpoint_{call,send,reply_recv}:  x0 number, x1 endpoint slot, x2 info, x3..x8 words 0..5,
 * x9 deadline (absolute CNTPCT_EL0 ticks).  endpoint_recv: x1, x9.
 * On return: x0 status, x1 badge of the sender's capability, x2 info, x3..x8 words.
 * Up to 1024 further bytes go from the sender's IPC buffer (`data`) to the receiver's; up to four
 * capabilities named in the sender's `caps` go to the empty slots named in the receiver's `recv_slots`.
 */
#define IPC_WORDS 6u
#define IPC_BYTES_MAX 1024u
#define IPC_CAPS_MAX 4u

#define INFO(label, words, bytes, caps)                                                                      \
    ((uint64_t)(words) | (uint64_t)(bytes) << 3 | (uint64_t)(caps) << 14 | (uint64_t)(label) << 32)
#define INFO_WORDS(i) ((uint32_t)((i)&7u))
#define INFO_BYTES(i) ((uint32_t)((i) >> 3 & 0x7ffu))
#define INFO_CAPS(i) ((uint32_t)((i) >> 14 & 7u))
#define INFO_LABEL(i) ((uint32_t)((i) >> 32))
#define INFO_SIGNAL (1u << 17) /* not a message: the bound Notification was signalled; word 0 = its bits */
#define INFO_EXIT (1u << 18)   /* the message is a vCPU exit or a fault, made by the kernel */

/* A message as the stubs take it and leave it. */
struct bh_msg {
    uint64_t badge, info, w[IPC_WORDS];
};

/* The IPC buffer: one 4 KiB Frame per service vCPU, mapped at IPCBUF_IPA in its own address space. */
struct ipc_buffer {
    slot_t caps[IPC_CAPS_MAX];       /* sending: slots in my CSpace to copy from */
    slot_t recv_slots[IPC_CAPS_MAX]; /* receiving: empty slots in my CSpace; 0 = I take none */
    uint32_t recv_caps;              /* set by the kernel: how many capabilities arrived */
    uint32_t spare[7];
    uint8_t data[IPC_BYTES_MAX] __attribute__((aligned(16)));
};

/* ---- vCPU exits: INFO_EXIT messages on the vCPU's exit endpoint ------------------------------ */
enum exit_label {
    EXIT_MMIO_READ = 1,  /* w0 IPA, w1 size in bytes.             reply w0: the value loaded */
    EXIT_MMIO_WRITE = 2, /* w0 IPA, w1 size in bytes, w2 value. */
    EXIT_HVC = 3,        /* w0..w3 = x0..x3, w4 imm16, w5 PC.     reply w0..w3 go to x0..x3 */
    EXIT_SMC = 4,        /* as EXIT_HVC */
    EXIT_FAULT = 5,      /* w0 ESR_EL2, w1 FAR_EL2, w2 IPA, w3 PC.  Services: any fault.  Guests: what is
                            neither MMIO with a valid syndrome nor handled by the kernel */
};
/* What the kernel handles by itself is no message, but counted with the others (sc_exits). */
enum exit_unsaid {
    EXIT_SYSREG = 6,
    EXIT_WFI = 7,
    EXIT_IRQ = 8,
};
#define EXIT_KINDS 8u
/* The label of the reply says how the vCPU goes on. */
enum exit_reply {
    REPLY_DONE = 0,  /* write the result registers, step over the instruction */
    REPLY_UNDEF = 1, /* take an Undefined Instruction exception at EL1 */
    REPLY_ABORT = 2, /* take a synchronous external abort at EL1 */
    REPLY_STOP = 3,  /* suspend until vcpu_resume (PC untouched) */
    REPLY_RETRY = 4, /* execute the same instruction again */
};

/* ---- vCPUs ---------------------------------------------------------------------------------- */
enum vcpu_kind {
    VCPU_SERVICE = 0, /* EL0, stage 1 off */
    VCPU_GUEST = 1,   /* EL1 and EL0 */
};
/* Registers for vcpu_read / vcpu_write; the vCPU must be suspended. */
enum vcpu_reg {
    REG_X0 = 0, /* .. REG_X0 + 30 */
    REG_SP_EL0 = 31,
    REG_PC = 32,
    REG_PSTATE = 33,
    REG_TPIDR_EL0 = 34,
    REG_SP_EL1 = 35, /* from here on guests only */
    REG_ELR_EL1 = 36,
    REG_SPSR_EL1 = 37,
    REG_SCTLR_EL1 = 38,
    REG_TTBR0_EL1 = 39,
    REG_TTBR1_EL1 = 40,
    REG_TCR_EL1 = 41,
    REG_MAIR_EL1 = 42,
    REG_AMAIR_EL1 = 43,
    REG_VBAR_EL1 = 44,
    REG_ESR_EL1 = 45,
    REG_FAR_EL1 = 46,
    REG_AFSR0_EL1 = 47,
    REG_AFSR1_EL1 = 48,
    REG_PAR_EL1 = 49,
    REG_CONTEXTIDR_EL1 = 50,
    REG_TPIDR_EL1 = 51,
    REG_TPIDRRO_EL0 = 52,
    REG_CPACR_EL1 = 53,
    REG_CNTKCTL_EL1 = 54,
    REG_CNTV_CTL_EL0 = 55,
    REG_CNTV_CVAL_EL0 = 56,
    REG_CNTP_CTL_EL0 = 57,
    REG_CNTP_CVAL_EL0 = 58,
    REG_CNTVOFF_EL2 = 59,
    REG_COUNT
};
#define VCPU_INDEX_MAX 16u /* vCPUs of one address space; index = Aff0 of MPIDR_EL1 */

/* vcpu_virq_config flags and vcpu_virq_read results */
#define VIRQ_MAX 96u /* INTIDs 0..95: SGIs, PPIs, SPIs 0..63 */
enum {
    VIRQ_ENABLED = 1,
    VIRQ_LEVEL = 2, /* level-sensitive (else edge) */
    VIRQ_PENDING = 4,
    VIRQ_ACTIVE = 8,
    VIRQ_LINE = 16, /* the level-sensitive input is asserted */
    VIRQ_GROUP1 = 32,
};

/* aspace_doorbell: any stored value rings */
#define DOORBELL_ANY UINT64_MAX
/* aspace_doorbell: any stored value takes the Notification's bits back; if it has none it is no doorbell */
#define DOORBELL_TAKES (UINT64_MAX - 1)
/* Badge of a Notification that is bound to a virtual interrupt: its vCPU has its turn now (PLAN_TURNS) */
#define BADGE_URGENT (1ull << 63)

/* ---- the plan of a Dispatcher --------------------------------------------------------------- */
/* Written to ipc_buffer.data is too small for it: dispatcher_commit reads it at offset 1088 of the
 * caller's IPC buffer page (IPCBUF_IPA + PLAN_OFFSET). */
#define PLAN_OFFSET 1088u
#define PLAN_ENTRIES_MAX 124u
enum {
    PLAN_ELASTIC = 1, /* header: refill as soon as no runnable entry has slice left */
    PLAN_NOTIFY = 2,  /* header: signal the bound Notification at each epoch end */
    PLAN_CAPPED = 1,  /* entry: waits for the epoch's true end */
    PLAN_TURNS = 2,   /* entry: of those with it the one called last (BADGE_URGENT) goes first */
};
struct plan_entry {
    slot_t sc; /* SchedContext in the caller's CSpace, on this Dispatcher's pCPU */
    uint32_t slice_us;
    uint32_t window_offset_us;
    uint32_t window_length_us; /* 0: the whole epoch */
    uint32_t flags;
    uint32_t spare;
};
struct plan {
    uint32_t epoch_us;
    uint32_t count;
    uint32_t flags;
    uint32_t spare;
    struct plan_entry entries[PLAN_ENTRIES_MAX];
};
_Static_assert(PLAN_OFFSET + sizeof(struct plan) <= 4096, "a plan fits the page of the IPC buffer");

/* ---- what init finds at power-on ------------------------------------------------------------ */
/* Slots of init's CSpace (4096 slots). */
enum {
    INIT_SLOT_CSPACE = 1,
    INIT_SLOT_ASPACE = 2,
    INIT_SLOT_VCPU = 3,
    INIT_SLOT_SC = 4,
    INIT_SLOT_CONTROL = 5,
    INIT_SLOT_LOG = 6,
    INIT_SLOT_DISPATCHER0 = 16, /* + pCPU, up to 16 */
    INIT_SLOT_UNTYPED0 = 32,    /* + index into boot_info.untyped */
    INIT_SLOT_FREE = 64,        /* the first empty one */
};
#define INIT_CSPACE_BITS 14u

enum {
    UNTYPED_RAM = 0,
    UNTYPED_DEVICE = 1, /* Frames only, never zeroed, mapped Device-nGnRE */
    UNTYPED_BUNDLE = 2, /* the boot bundle: Frames only, never zeroed (it holds the images) */
};
struct boot_untyped {
    uint64_t base;
    uint64_t size; /* bytes, multiple of 4 KiB */
    uint32_t kind; /* UNTYPED_* */
    uint32_t slot;
};
#define BOOT_UNTYPED_MAX 16u
/* One page, read-only in init's address space at BOOTINFO_IPA. */
struct boot_info {
    uint32_t magic; /* BOOT_INFO_MAGIC */
    uint32_t pcpu_count;
    uint32_t untyped_count;
    uint32_t timer_hz;
    uint64_t bundle_ipa;  /* the whole bundle, read-only in init's address space */
    uint64_t bundle_base; /* its physical address = base of its Untyped */
    uint64_t bundle_size;
    uint64_t kernel_bytes; /* RAM that the kernel itself keeps */
    uint64_t ram_bytes;
    struct boot_untyped untyped[BOOT_UNTYPED_MAX];
    char options[512]; /* "key=value ..." from `bh run`, e.g. "console=debian1" */
};
#define BOOT_INFO_MAGIC 0x30484242u

/* ---- addresses in every service's address space (IPA) ---------------------------------------- */
#define IMAGE_IPA 0x00400000u         /* program image: text, rodata, data, bss */
#define HEAP_IPA 0x0c000000u          /* heap_kib of the manifest; x0 at the entry point = its bytes */
#define STACK_TOP_IPA 0x0f000000u     /* stack grows down from here; the page below it is unmapped */
#define THREAD_STACKS_IPA 0x0f100000u /* vmm: its threads' stacks, THREAD_STACK_STEP apart */
#define IPCBUF_IPA 0x10000000u
#define BOOTINFO_IPA 0x10001000u /* init: struct boot_info */
#define PERSIST_IPA 0x10100000u  /* pages that survive a restart of the service, if declared */
#define RINGS_IPA 0x11000000u    /* ring pages of the console */
#define DEVICE_IPA 0x18000000u   /* device registers, if declared, in the order declared, 1 MiB apart */
#define DYNAMIC_IPA 0x20000000u  /* what the service maps by itself, from here up to 4 GiB */
#define BUNDLE_IPA 0x100000000u  /* init: the bundle; toolstack and vmm: image frames given to them */

/* The stack of a vmm's i-th thread ends where that of the next may begin; the pages between are unmapped. */
#define THREAD_STACK_STEP 0x4000u
#define THREAD_STACK_BYTES 0x2000u
#define THREAD_STACK_TOP_IPA(i) (THREAD_STACKS_IPA + ((i) + 1u) * THREAD_STACK_STEP)

/* Slots of every service's CSpace. Peers and the rest are numbered from SLOT_PEERS by the manifest
 * (build/gen/caps_<domain>.h); what the service makes by itself starts at SLOT_FREE. */
enum {
    SLOT_CSPACE = 1, /* its own CSpace */
    SLOT_ASPACE = 2, /* its own address space (mem has none) */
    SLOT_VCPU = 3,
    SLOT_UNTYPED = 4, /* its own memory */
    SLOT_CONTROL = 5, /* the Endpoint it serves (RIGHT_READ) */
    SLOT_EVENTS = 6,  /* its Notification, bound to its vCPU */
    SLOT_LOG = 7,     /* console: log session */
    SLOT_SC = 8,
    SLOT_PEERS = 16,
    SLOT_FREE = 256,
};

#endif
