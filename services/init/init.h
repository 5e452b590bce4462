/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * init.h - what init keeps of every domain, and what its files do for each other
 *
 * Always true:  all that a domain is made of comes from its `untyped`, but what is named "kept" below; so
 * revoking `untyped` ends the domain without a trace, and what clients hold of it (its Endpoint, its events)
 *               goes on to mean the same.
 */
#ifndef INIT_H
#define INIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "abi.h"
#include "bundle.h"
#include "init.pb.h"
#include "manifest.h"
#include "options.h"
#include "restarts.h"
#include "vm_id.h"

#define PAGE_BYTES 4096u
#define BLOCK_BYTES 0x200000u
#define INIT_TOOLSTACK_BADGE 1u
#define INIT_DEATH_SIGNAL 0x20u /* at the toolstack's events: NextDeath has one */
#define INIT_SCHED_BADGE 2u     /* init's session at sched */
#define VM_ID_MAX 0xfffu
#define VMMS_MAX 64u
#define DEATH_TEXT_BYTES 200u
#define PCI_BARS_MAX 6u

/* The PCI function of a driver, as set up. */
struct pci_function {
    bool found;
    volatile uint32_t *config; /* its config page in init's address space */
    slot_t config_frame;       /* kept; the driver's read-only mapping is of a copy */
    slot_t config_copy;
    slot_t intx;
    uint32_t bar_count;
    struct {
        slot_t first; /* kept: row of 4 KiB frames */
        uint32_t pages;
    } bars[PCI_BARS_MAX];
};

struct domain {
    const struct manifest_domain *manifest;
    char name[40];
    uint64_t fault_badge;
    uint32_t pcpu;
    uint32_t cspace_bits;

    /* Kept over a restart. */
    slot_t untyped;  /* what the rest is made from */
    slot_t endpoint; /* what it serves */
    slot_t events;   /* its Notification */
    slot_t exits;    /* init's Endpoint with fault_badge */
    slot_t sc;
    slot_t cspace;    /* kept if the manifest says so, else made anew */
    slot_t rings;     /* rows of frames */
    bool rings_given; /* into a kept CSpace, for good */
    slot_t persist;
    slot_t devices[8]; /* rows, one for each of the manifest's devices */
    slot_t irqs;       /* row */
    struct pci_function pci;
    struct restarts restarts;

    /* Made anew at each build. */
    slot_t aspace, vcpu, iospace;
    slot_t pages; /* row of all private frames */
    uint32_t page_count, page_next;
    slot_t threads; /* row of its further vCPUs; vmms only */
    uint32_t thread_count;
    uint8_t thread_pcpus[VCPU_INDEX_MAX];
    slot_t thread_stacks[VCPU_INDEX_MAX]; /* the top page of each one's stack */
    bool is_running;
};

enum vmm_state { VMM_FREE = 0, VMM_BUILT, VMM_RUNNING, VMM_DEAD };
struct vmm {
    enum vmm_state state;
    uint32_t vm_id;
    struct domain domain;
    slot_t config; /* the page of its configuration; the vmm sees it from its start on */
    uint32_t config_bytes;
    slot_t images; /* row of copies of the images' frames, mapped in the vmm */
    uint32_t image_slots, image_count;
    uint64_t ramdisk_ipa;
    bool death_told;
    char death[DEATH_TEXT_BYTES];
};

struct init {
    const struct boot_info *boot;
    const struct bundle *bundle;
    struct domain domains[DOMAIN_COUNT];
    slot_t endpoint;    /* where everything arrives */
    slot_t log_session; /* at the console */
    slot_t sched_session;
    slot_t death_signal;
    struct vmm vmms[VMMS_MAX];
    uint64_t pool_bytes;
    struct crash_hook crash;
};
extern struct init init;

/* ---- memory.c: RAM, the pool for mem ------------------------------------------------------------ */
void memory_start(void);
/* `count` objects in fresh consecutive slots from whichever RAM Untyped holds them; ends in bh_panic. */
enum status row_retype(slot_t untyped, enum cap_kind kind, uint64_t size, uint32_t count, slot_t first);
slot_t ram_row(enum cap_kind kind, uint64_t size, uint32_t count);
void pool_give(void);
uint64_t memory_services_bytes(void); /* RAM that neither kernel, bundle nor pool is */

/* ---- pieces.c: device and bundle memory, by address ------------------------------------------- */
void pieces_start(void);
/* A row of frames at a physical address; ERR_EXIST: no Untyped (any more) has it. */
enum status pieces_frames(uint64_t address, uint32_t size_bits, uint32_t count, slot_t *first);
void pieces_drop(void); /* delete what is left */

/* ---- bundle.c: programs and images ------------------------------------------------------------- */
void bundle_start(void);
const struct bundle_module *bundle_find(const char *name, uint32_t kind);
const void *bundle_bytes(const struct bundle_module *module);
const struct bundle_module *bundle_vm_record(uint32_t index);
/* How many frames the image is; its frames' row in init's CSpace, 2 MiB ones first. */
struct image {
    const struct bundle_module *module;
    slot_t big, small; /* rows */
    uint32_t big_count, small_count;
};
const struct image *bundle_image(const char *name);
const struct bundle_module *bundle_image_at(uint32_t index); /* NULL past the last */

/* ---- domain.c: build and end one domain ---------------------------------------------------------- */
/* `table_pages`: for its address space, besides what its standard regions need. */
enum status domain_build(struct domain *domain, uint32_t table_pages);
/* Map a row of 4 KiB frames that are kept; the mapping goes with the address space. */
enum status domain_map_row(struct domain *domain, slot_t first, uint32_t count, uint64_t ipa,
                           uint32_t attributes);
slot_t domain_page(struct domain *domain); /* the next of its private pages; 0: none left */
void *
domain_page_window(slot_t page); /* see it in init's address space, before it is mapped in the domain's */
void domain_window_close(slot_t page);
enum status domain_start(struct domain *domain);
void domain_end(struct domain *domain);
/* Copy or mint a capability of init's into a slot of the domain (emptied first, when its CSpace was kept). */
enum status domain_give(struct domain *domain, slot_t slot, slot_t from, uint32_t rights);
enum status domain_give_badged(struct domain *domain, slot_t slot, slot_t from, uint32_t rights,
                               uint64_t badge);
/* SLOT_CSPACE .. SLOT_SC; `control_rights`: a service only receives on its Endpoint, a vmm mints from its
 * own. */
enum status domain_give_standard(struct domain *domain, uint32_t control_rights);
enum status domain_give_untyped(struct domain *domain);

/* ---- threads.c: a vmm's further vCPUs, as thread_count and thread_pcpus say ----------------------- */
uint32_t threads_page_count(const struct domain *domain); /* private pages that their stacks take */
enum status threads_create(struct domain *domain);
enum status threads_give(struct domain *domain); /* to the vmm: CAP_THREAD0 .. */
void threads_stop(struct domain *domain);
void threads_forget(struct domain *domain); /* domain_end(): they are gone */
/* Take a thread's stack away, so that it faults at its next step; for tests. */
enum status thread_break(struct domain *domain, uint32_t thread);

/* ---- service.c: the domains of the manifest -------------------------------------------------------- */
void services_create(void); /* what is kept */
void services_build(void);
void services_start(void);
enum status service_restart(struct domain *domain);

/* ---- pci.c ------------------------------------------------------------------------------------------ */
void pci_create(struct domain *domain);
enum status pci_give(struct domain *domain);
void pci_quiesce(struct domain *domain); /* no DMA until it is built again */

/* ---- plan.c ----------------------------------------------------------------------------------------- */
void plans_commit(void);
void services_admit(void);
enum status plan_admit(const struct domain *domain, uint32_t vm_id, char *error, uint32_t error_bytes);

/* ---- vmm.c -------------------------------------------------------------------------------------------- */
/* session: the VM's at mem.  Refused: reply->error says what and why. */
enum status vmm_create(const bh_CreateVmmRequest *wanted, slot_t session, bh_CreateVmmReply *reply);
/* The next bytes of its VmConfig; ERR_ARG: they are not the next, or too many. */
enum status vmm_configure(struct vmm *vmm, uint32_t offset, const uint8_t *bytes, uint32_t count);
struct vmm *vmm_find(uint32_t vm_id);
void vmm_name_make(char *name, uint32_t name_bytes, const char *vm_name); /* "debian1 vmm" */
/* Frames of an image that is not in the boot image, from its byte `offset` on; those taken over become 0. */
enum status vmm_image_frames(struct vmm *vmm, bool is_ramdisk, uint64_t offset, slot_t *frames,
                             uint32_t count);
enum status vmm_start(struct vmm *vmm);
void vmm_destroy(struct vmm *vmm);

/* ---- fault.c ------------------------------------------------------------------------------------------ */
void fault_handle(const struct bh_msg *msg);
void crash_hook_poll(void); /* the test hook: make a service fault */

/* ---- report.c ------------------------------------------------------------------------------------------ */
void report_flush(void);
uint64_t report_due(void); /* when report_flush has something to do, in ticks */

#endif
