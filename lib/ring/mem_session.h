/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mem_session.h - the numbers (badges) of sessions at mem
 *
 * A VM's own memory is the session with its id, which is below 0x100.  What others keep for a VM is apart
 * from that, so that a driver that is lent such a session reaches nothing else of the VM's.
 */
#ifndef BH_MEM_SESSION_H
#define BH_MEM_SESSION_H

/* The memory of a ram volume, disk below 4: blkdrv has it. */
#define RAM_VOLUME_SESSION(vm_id, disk) ((vm_id) | 0x100u * ((disk) + 1u))
/* The block that a VM's interfaces share with netdrv (net_ring.h). */
#define NET_BLOCK_SESSION(vm_id) ((vm_id) | 0x500u)
/* The block that a VM's disks share with blkdrv (blk_ring.h). */
#define BLK_BLOCK_SESSION(vm_id) ((vm_id) | 0x600u)
/* Beyond those: images that came over the management channel, counted by the toolstack. */
#define IMAGE_SESSION(index) (0x10000u + (index))

#endif
