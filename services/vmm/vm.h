/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm.h - all state of this vmm, which serves one VM
 *
 * One struct, sizes fixed at start.  Each part below is a file; what they share is struct vm.
 *
 * The main thread builds the VM, then serves vCPU 0's exits and all events; a thread for each further vCPU
 * serves that one's exits (vm_threads.c).
 *
 * Locking: from the first exit on whoever touches struct vm or a device holds vm->lock, but for what is fixed
 * when the VM is built.  It is never held while another domain is asked something.
 *
 * Always true: a guest's vCPU that waits for us is answered before its thread waits for anything but
 * vm->lock, and what we ask of other domains has a deadline.
 */
#ifndef VMM_VM_H
#define VMM_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "bh.h"
#include "board.h"
#include "loader.h"
#include "lock.h"
#include "toolstack.pb.h"
#include "vballoon.h"
#include "vblk.h"
#include "vconsole.h"
#include "vgic.h"
#include "vinput.h"
#include "virtio_mmio.h"
#include "vm.pb.h"
#include "vmm_events.h"
#include "vnet.h"
#include "vrtc.h"
#include "vuart.h"
#include "vwatchdog.h"
#include "wire_ring.h"

#define SERVICE_MS 2000u /* deadline of requests to services */
#define BUILD_MS 10000u  /* of those that may zero or move much memory */

/* Bits of our Notification.  One is a completion of each disk, one what each network lane brings. */
#define EVENT_BLK0 8u
#define EVENT_NET0 12u
#define EVENT_CONSOLE 16u
#define EVENT_KNOCK 17u /* a thread of ours left something to do */

struct vm;

struct vm_vcpu {
    struct vm *vm;
    slot_t vcpu;
    slot_t sc;
    slot_t exits; /* the Endpoint where its thread serves its exits */
    uint32_t pcpu;
    bool is_on; /* it was started and was not told yet that it is off (psci.h) */
};

/* An interrupt input of the virtual GIC, as a device sees it. */
struct vm_line {
    struct vgic *gic;
    uint32_t intid;
    slot_t source;     /* of one that may be pulsed: the Notification bound to it, */
    slot_t tell, call; /* ... and capabilities to signal it with: without haste, urgently */
};

/* One of the guest's memory, from mem. */
struct vm_block {
    uint32_t chunk; /* its number at mem */
    slot_t untyped;
    slot_t frames; /* two: mapped for us, and for the guest */
};
#define VM_NO_BLOCK UINT32_MAX

struct vm {
    struct bh_lock lock;
    slot_t knock; /* our Notification, with EVENT_KNOCK */
    bh_VmConfig config;
    struct guest_ram ram;
    struct vm_block *blocks; /* of the guest's memory; the main thread's */
    slot_t aspace;
    slot_t cspace; /* the guest's: empty */
    uint32_t vcpu_count;
    struct vm_vcpu vcpus[VCPU_INDEX_MAX];
    struct layout layout;

    struct vgic gic;
    struct wire wire;
    struct vuart uart;
    struct vrtc rtc;
    struct vwatchdog watchdog;
    uint64_t watchdog_rests; /* it is not looked at before */
    struct vblk disks[BOARD_DISKS_MAX];
    uint32_t net_count;
    struct vnet nets[BOARD_NETS_MAX];
    struct vconsole console;
    struct vinput input;
    bool told_heard;     /* what the toolstack knows of the input device ... */
    uint64_t tell_heard; /* ... and when it is told more; BH_FOREVER: it knows */
    struct vballoon balloon;
    uint32_t leaving;      /* a block that mem may have back or not; or VM_NO_BLOCK */
    bool ask_target;       /* the target is another, or was never asked for */
    uint64_t tell_balloon; /* when the toolstack is told more of it, or BH_FOREVER */
    uint32_t told_pages;   /* what it knows ... */
    bool told_driver;      /* ... of the balloon */
    struct virtio_mmio *virtio[BOARD_VIRTIO_COUNT]; /* by place on the bus; NULL: a hole */
    volatile uint32_t *virtio_bus;                  /* their registers as the guest reads them */
    uint64_t next_look;                             /* deadline of vm_look_around() */
    uint64_t sleeps_until;                          /* the main thread, if nothing comes */
    bool is_ending;                                 /* the main thread is to end the VM ... */
    bh_VmEventKind ending;                          /* ... and to say this */
    struct vm_line uart_line, rtc_line, watchdog_line, virtio_lines[BOARD_VIRTIO_COUNT];
};

/* vm_end.c: this VM cannot start, or goes on no longer.  Tells the toolstack, then waits to be destroyed. */
_Noreturn void vm_refuse(struct vm *vm, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void vm_end(struct vm *vm, bh_VmEventKind kind, const char *text);
/* Any thread: the main one is to end the VM; the first word counts. */
void vm_end_ask(struct vm *vm, bh_VmEventKind kind);
enum status vm_tell(bh_VmEventKind kind, const char *text) BH_NODISCARD;
/* The same of a VM that goes on: one short try. */
enum status vm_tell_once(bh_VmEventKind kind) BH_NODISCARD;

/* Our Notification with one bit as its badge, for somebody to signal. */
slot_t vm_event_mint(uint32_t bit);

void vm_memory_create(struct vm *vm); /* vm_memory.c */
/* Give a block back to mem, or have one again, zeroed; the main thread, without vm->lock.  A release that was
 * refused or not answered is to be asked again. */
enum status vm_memory_release(struct vm *vm, uint32_t block) BH_NODISCARD;
enum status vm_memory_fetch(struct vm *vm, uint32_t block) BH_NODISCARD;

/* vm_balloon.c.  create: false: this VM is too large for one. */
bool vm_balloon_create(struct vm *vm);
void vm_balloon_run(struct vm *vm);  /* what the balloon wants of the main thread */
void vm_balloon_look(struct vm *vm); /* at times: the target, what failed, what the toolstack is told */
void vm_balloon_target_changed(struct vm *vm);
/* vm_disks.c: blkdrv has another volume for this drive, or none; see whether it does. */
void vm_disk_changed(struct vm *vm, struct vblk *disk);
void vm_disk_look(struct vm *vm, struct vblk *disk);
void vm_vcpus_create(struct vm *vm); /* vm_vcpus.c */
void vm_vcpu_reset(struct vm *vm, uint32_t index, uint64_t entry, uint64_t argument);
void vm_vcpus_suspend(struct vm *vm);
/* vm_threads.c: start the thread of a vCPU from 1 up, on the vCPU's SchedContext, which is bound to nobody
 * before and after. */
enum status vm_thread_start(struct vm *vm, uint32_t index) BH_NODISCARD;
void vm_knock(const struct vm *vm);  /* wake the main thread */
void vm_board_create(struct vm *vm); /* vm_board.c: devices, images, device tree */

/* vm_events.c: what our Notification brought; what to look at when nothing did for a while. */
void vm_events(struct vm *vm, uint64_t bits);
void vm_look_around(struct vm *vm);
/* The driver of the input device came or went. */
void vm_input_changed(void *context);
/* The guest set its watchdog. */
void vm_watchdog_changed(struct vm *vm);
/* What somebody was owed a signal of is gone: look at it. */
void vm_signal_failed(struct vm *vm, slot_t notification);
/* Let go of vm->lock to ask somebody something. */
void vm_unlock(struct vm *vm);
/* main.c: when the main thread has something to do though nothing came. */
uint64_t vm_deadline(const struct vm *vm);
/* The next vm_look_around() is not later than that. */
void vm_look_at(struct vm *vm, uint64_t when);
/* A disk may be busy from now on: look around before BLK_RESTART_CHECK_MS are over. */
void vm_look_soon(struct vm *vm);
/* The guest's console input goes on. */
void vm_console_pump(struct vm *vm);

/* exits.c: answer one exit; the message becomes the reply.  vm->lock is held. */
void exit_serve(struct vm *vm, struct bh_msg *m);

#endif
