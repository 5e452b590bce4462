/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm_events.h - what the toolstack tells a vmm, through init (Init.TellVmm): bits of the vmm's Notification
 */
#ifndef RING_VMM_EVENTS_H
#define RING_VMM_EVENTS_H

#define VMM_EVENT_POWER 18u  /* press the VM's power key */
#define VMM_EVENT_REBOOT 19u /* press Ctrl-Alt-Del */
#define VMM_EVENT_MEMORY 20u /* its target at mem (Mem.Session) is another: the balloon follows */
#define VMM_EVENT_DISK0 21u  /* + place: another volume is in that drive, or none (Blk.Attach) */
#define VMM_EVENT_DISKS 4u
#define VMM_EVENTS_TOLD                                                                                      \
    (1ull << VMM_EVENT_POWER | 1ull << VMM_EVENT_REBOOT | 1ull << VMM_EVENT_MEMORY |                         \
     ((1ull << VMM_EVENT_DISKS) - 1) << VMM_EVENT_DISK0)

#endif
