/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * disk.c - see disk.h
 *
 * Always true:  an operation in state DISK_OP_IN_DEVICE has its descriptors in the queue, all others have
 * none; in_flight counts the operations that are not free; while `alone`, one operation is in the device.
 */
#include <stdio.h>
#include <string.h>

#include "disk.h"

_Static_assert(DISK_OPS < VIRTQ_NOBODY, "operations own chains");

#define START_PATIENCE_MS 5000u
#define LOG_QUIET_MS 1000u

void disk_start(struct disk *disk)
{
    const char *bad;
    uint8_t *memory;

    disk->state = DISK_NONE;
    if (!machine_has_device()) {
        snprintf(disk->why, sizeof(disk->why), "this machine has none");
        return;
    }
    bad = device_find(disk);
    if (!bad && machine_device_start(QUEUE_PAGES_READ_ONLY, &memory) != OK)
        bad = "blkdrv's memory_kib does not hold its queue";
    if (!bad) {
        disk->faults_seen = machine_dma_fault().count;
        queue_layout(disk, memory);
        bad = device_start(disk);
    }
    if (bad)
        snprintf(disk->why, sizeof(disk->why), "%s", bad);
    else
        disk->state = DISK_READY;
}

bool disk_has_room(const struct disk *disk)
{
    if (disk->in_flight == DISK_OPS)
        return false;
    return disk->state != DISK_READY || (!disk->alone && disk->queue.free_count >= DISK_DESCS_MAX);
}

static void op_fail(struct disk *disk, struct disk_op *op)
{
    op->state = DISK_OP_FAILED;
    disk->failed++;
}

void disk_submit(struct disk *disk, const struct disk_work *work)
{
    uint32_t index = 0;

    while (disk->ops[index].state != DISK_OP_FREE)
        index++;
    struct disk_op *op = &disk->ops[index];
    *op = (struct disk_op){.state = DISK_OP_IN_DEVICE,
                           .work = *work,
                           .deadline = machine_after_ms(DISK_PATIENCE_MS),
                           .flush_next = work->op == BLK_WRITE_FUA && disk->has_flush};
    disk->in_flight++;
    if (disk->state == DISK_READY)
        queue_put(disk, index);
    else
        op_fail(disk, op);
}

void disk_kick(struct disk *disk)
{
    virtq_kick(&disk->queue);
}

/* ---- coming back ------------------------------------------------------------------------------ */

static void op_finish(struct disk *disk, struct disk_op *op, enum status status, struct disk_done *done)
{
    *done = (struct disk_done){.owner = op->work.owner, .position = op->work.position, .status = status};
    op->state = DISK_OP_FREE;
    disk->in_flight--;
}

static bool failed_take(struct disk *disk, struct disk_done *done)
{
    for (uint32_t i = 0; disk->failed != 0 && i < DISK_OPS; i++) {
        if (disk->ops[i].state != DISK_OP_FAILED)
            continue;
        disk->failed--;
        op_finish(disk, &disk->ops[i], ERR_IO, done);
        return true;
    }
    return false;
}

/* Suspects go in one at a time: who is alone at the next reset is its cause, and nobody else pays for it. */
static void suspect_put(struct disk *disk)
{
    uint32_t index = 0;

    if (disk->in_flight != disk->suspects + disk->failed)
        return; /* the device has something */
    disk->alone = disk->suspects != 0;
    if (!disk->alone)
        return;
    while (disk->ops[index].state != DISK_OP_SUSPECT)
        index++;
    disk->suspects--;
    disk->ops[index].state = DISK_OP_IN_DEVICE;
    queue_put(disk, index);
    disk_kick(disk);
}

bool disk_take_completion(struct disk *disk, struct disk_done *done)
{
    enum status status;
    uint32_t index;

    if (failed_take(disk, done))
        return true;
    if (disk->state != DISK_READY)
        return false;
    while (queue_take(disk, &index, &status)) {
        struct disk_op *op = &disk->ops[index];

        if (!op->flush_next || status != OK) {
            op_finish(disk, op, status, done);
            suspect_put(disk);
            return true;
        }
        op->flush_next = false; /* its descriptors were just freed, so the flush finds room */
        op->work.op = BLK_FLUSH;
        op->deadline = machine_after_ms(DISK_PATIENCE_MS);
        queue_put(disk, index);
        disk_kick(disk);
    }
    return false;
}

/* ---- going wrong ------------------------------------------------------------------------------ */

static bool op_reaches(const struct disk_op *op, uint64_t address)
{
    const uint64_t page_mask = ~(uint64_t)(BLK_PAGE_BYTES - 1u);

    for (uint32_t i = 0; i < op->work.segment_count; i++) {
        uint64_t first = op->work.segments[i].iova & page_mask;
        uint64_t last = (op->work.segments[i].iova + op->work.segments[i].bytes - 1u) & page_mask;

        if ((address & page_mask) >= first && (address & page_mask) <= last)
            return true;
    }
    return false;
}

static bool op_is_old(const struct disk_op *op)
{
    return machine_now() > op->deadline;
}

/* The device is in reset.  What may be the cause fails: it reached `fault`, was too slow, or came along too
 * often. */
static void op_recover(struct disk *disk, struct disk_op *op, const struct dma_fault *fault)
{
    if (disk->state != DISK_READY || op->resets == DISK_TRIES_MAX || op_is_old(op) ||
        (fault && op_reaches(op, fault->address))) {
        op_fail(disk, op);
        return;
    }
    op->state = DISK_OP_SUSPECT; /* a neighbour's bad luck is not an I/O error */
    op->resets++;
    op->deadline = machine_after_ms(DISK_PATIENCE_MS); /* for all suspects together */
    disk->suspects++;
}

/* One that has waited for its turn since an earlier reset. */
static void suspect_recover(struct disk *disk, struct disk_op *op)
{
    if (disk->state == DISK_READY && !op_is_old(op))
        return;
    disk->suspects--;
    op_fail(disk, op);
}

/* A device that stumbles again and again fills no log. */
static void recovery_log(struct disk *disk, const char *reason)
{
    bool dead = disk->state == DISK_DEAD;

    if (!dead && machine_now() < disk->quiet_until)
        return;
    disk->quiet_until = machine_after_ms(LOG_QUIET_MS);
    machine_log("disk: %s: reset %u%s%s; %u requests fail, %u go in again", reason, disk->resets,
                dead ? ", given up: " : "", dead ? disk->why : "", disk->failed, disk->suspects);
}

static void disk_recover(struct disk *disk, const char *reason, const struct dma_fault *fault)
{
    const char *bad = device_start(disk);

    disk->queue.broken = false;
    disk->resets++;
    if (bad) {
        disk->state = DISK_DEAD;
        snprintf(disk->why, sizeof(disk->why), "%s", bad);
    }
    /* What was refused until the reset was over is dealt with. */
    disk->faults_seen = machine_dma_fault().count;
    for (uint32_t i = 0; i < DISK_OPS; i++) {
        if (disk->ops[i].state == DISK_OP_SUSPECT)
            suspect_recover(disk, &disk->ops[i]);
        else if (disk->ops[i].state == DISK_OP_IN_DEVICE)
            op_recover(disk, &disk->ops[i], fault);
    }
    recovery_log(disk, reason);
    suspect_put(disk);
}

static void fault_recover(struct disk *disk, const struct dma_fault *fault)
{
    char reason[128];

    snprintf(reason, sizeof(reason),
             "the SMMU blocked %lu accesses of stream 0x%x, the last at address 0x%lx (reason 0x%lx)",
             (unsigned long)(fault->count - disk->faults_seen), (unsigned)machine_stream(),
             (unsigned long)fault->address, (unsigned long)fault->reason);
    machine_dma_faults_again();
    disk_recover(disk, reason, fault);
}

void disk_check(struct disk *disk)
{
    struct dma_fault fault;

    if (disk->state != DISK_READY)
        return;
    fault = machine_dma_fault();
    if (fault.count != disk->faults_seen)
        fault_recover(disk, &fault);
    else if ((virtio_pci_status(&disk->pci) & VIRTIO_NEEDS_RESET) != 0)
        disk_recover(disk, "the device needs a reset", NULL);
    else if (disk->queue.broken)
        disk_recover(disk, "the device wrote nonsense", NULL);
}

void disk_interrupt(struct disk *disk)
{
    if (!disk->pci.isr)
        return;
    uint8_t isr =
        virtio_pci_isr(&disk->pci); /* reading lowers the line, so that irq_ack does not fire again */
    machine_irq_ack();

    if ((isr & ISR_CONFIG) != 0)
        disk_check(disk);
}

void disk_check_age(struct disk *disk)
{
    disk_check(disk);
    for (uint32_t i = 0; i < DISK_OPS && disk->state == DISK_READY; i++)
        if (disk->ops[i].state == DISK_OP_IN_DEVICE && op_is_old(&disk->ops[i])) {
            disk_recover(disk, "no answer for too long", NULL);
            break;
        }
}

/* ---- start-up --------------------------------------------------------------------------------- */

enum status disk_read_block(struct disk *disk, uint64_t block, void *buffer)
{
    uint32_t sectors = disk->block_bytes / BLK_SECTOR_BYTES;
    struct disk_work work = {.op = BLK_READ, .sector = block * sectors, .segment_count = 1};
    uint64_t deadline = machine_after_ms(START_PATIENCE_MS);
    struct disk_done done;

    if (disk->state != DISK_READY || block >= disk->sectors / sectors)
        return ERR_IO;
    work.segments[0] =
        (struct disk_segment){.iova = queue_iova(disk, disk->buffer), .bytes = disk->block_bytes};
    disk_submit(disk, &work);
    disk_kick(disk);

    while (!disk_take_completion(disk, &done)) {
        uint64_t events = disk->queue.broken ? EV_FAULT : machine_wait_events(deadline);

        if (events & EV_IRQ)
            disk_interrupt(disk);
        if (events & EV_FAULT)
            disk_check(disk);
        if (machine_now() > deadline) { /* the request must not stay behind in the device */
            disk->ops[0].resets = DISK_TRIES_MAX;
            disk_recover(disk, "no answer at start-up", NULL);
        }
    }
    if (done.status == OK)
        memcpy(buffer, disk->buffer, disk->block_bytes);
    return done.status;
}
