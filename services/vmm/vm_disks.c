/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_disks.c - what is in the VM's drives: blkdrv's restarts, and volumes that come and go
 *
 * The toolstack opens and closes sessions at blkdrv, and tells us; what is in a drive is asked of blkdrv
 * alone, so being told twice, late or never does no harm.  All of it is the main thread's.
 *
 * Always true:  a drive is empty, for the guest and for the other threads, from before blkdrv begins the ring
 * of the next session until we have started on it.
 */
#include "vm.h"

/* What came of it: in the drive, or asked for again. */
static void volume_change(struct vm *vm, struct vblk *disk, struct disk_news *news)
{
    enum status status;

    if (disk->has_volume)
        vblk_eject(disk);
    vm_unlock(vm);
    status = disk_link_change(disk, news);
    bh_lock_take(&vm->lock);
    disk->must_attach = status != OK;
    if (status == OK && news->is_open)
        vblk_insert(disk, &news->volume);
}

void vm_disk_changed(struct vm *vm, struct vblk *disk)
{
    struct disk_news news;
    enum status status;

    vm_unlock(vm);
    status = disk_link_ask(disk, &news);
    bh_lock_take(&vm->lock);
    if (status != OK)
        disk->must_attach = true;
    else if (disk_link_is_same(disk, &news))
        disk_link_go_on(disk, &news);
    else
        volume_change(vm, disk, &news);
    if (disk->must_attach)
        vm_look_soon(vm);
}

void vm_disk_look(struct vm *vm, struct vblk *disk)
{
    bool is_busy = vblk_is_busy(disk);

    if (disk->must_attach || (is_busy && disk_link_is_lost(disk)))
        vm_disk_changed(vm, disk);
    if (is_busy)
        vblk_pump(disk);
}
