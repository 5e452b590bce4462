/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_toolstack_disks.c - services/toolstack/disks.c: volumes put into drives and taken out, while the VM is
 * there
 *
 * mem and blkdrv are faked as what they keep; each call of them, of init and of the persistent page can be
 * the last one before the toolstack dies.
 *
 * links: services/toolstack/disks.c services/toolstack/vmm_slots.c lib/bh/status.c
 * flags: -Iservices/toolstack
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bh.h"
#include "blk_rpc.h"
#include "build.h"
#include "mem_rpc.h"
#include "mem_session.h"
#include "ram_volume.h"
#include "vdev.h"
#include "vmm_events.h"

#define ID 16u
#define SESSION 77u /* the slot of a session at mem */

static struct toolstack ts;
static struct vm *const vm = &ts.vms[0];
static char error[ERROR_BYTES];

static char in_drive[DRIVES_MAX][40]; /* what blkdrv has open */
static bool promised[DRIVES_MAX];     /* what mem has open */
static bool in_device;                /* requests of a session that is closed are */
static uint64_t told;                 /* what the vmm was signalled */
static struct vm saved;               /* what a toolstack that starts again finds */
static enum status open_answers, mem_answers, tell_answers;
static enum status close_fails; /* so many times */
static uint32_t close_failures;
static uint32_t calls, dies_at; /* 0: it does not */
static jmp_buf death;

static void call(void)
{
    if (++calls == dies_at)
        longjmp(death, 1);
}

/* ---- the fakes */

void toolstack_save(const struct toolstack *t)
{
    bh_VmConfig config = saved.config;

    call();
    saved = t->vms[0];
    saved.config = config;
}

void toolstack_save_config(const struct toolstack *t, const struct vm *of)
{
    (void)t;
    call();
    saved.config = of->config;
}

void toolstack_pause(struct toolstack *t, uint32_t ms)
{
    (void)t, (void)ms;
}

enum status judge(enum status asked, uint32_t answered, const char *text, const char *what, char *words)
{
    enum status status = asked == OK ? (enum status)answered : asked;

    if (status != OK)
        snprintf(words, ERROR_BYTES, "%s: %s", what, text);
    return status;
}

void step_begin(struct toolstack *t, struct vm *of, uint32_t step)
{
    of->steps |= step;
    toolstack_save(t);
}

void undo(struct toolstack *t, struct vm *of, uint32_t step, uint32_t argument,
          enum status (*once)(const struct vm *of, uint32_t argument, char *words))
{
    char words[ERROR_BYTES];

    if (!(of->steps & step))
        return;
    enum status status = once(of, argument, words);

    if (status == OK || status == ERR_EXIST)
        of->steps &= ~step;
    toolstack_save(t);
}

enum status memory_session_mint(uint64_t badge, slot_t *session)
{
    (void)badge;
    *session = SESSION;
    return OK;
}

enum status vmm_tell(const struct vm *of, uint64_t events, char *words)
{
    (void)of;
    call();
    snprintf(words, ERROR_BYTES, "init: no");
    if (tell_answers == OK)
        told |= events;
    return tell_answers;
}

enum status mem_rpc_open(slot_t at, const bh_MemOpenRequest *request, bh_MemStatus *reply,
                         struct rpc_caps *caps, uint64_t deadline)
{
    uint32_t place = request->vm_id / 0x100 - 1;

    (void)at, (void)caps, (void)deadline;
    call();
    assert_int_equal(request->vm_id, RAM_VOLUME_SESSION(ID, place));
    *reply = (bh_MemStatus){.status = promised[place] ? ERR_STATE : mem_answers, .error = "no memory"};
    promised[place] |= reply->status == OK;
    return OK;
}

enum status memory_close(uint32_t session, const char *what, char *words)
{
    uint32_t place = session / 0x100 - 1;
    enum status status = promised[place] ? OK : ERR_EXIST;

    call();
    assert_false(ram_volume_is(in_drive[place])); /* blkdrv would fault */
    promised[place] = false;
    return judge(OK, (uint32_t)status, "none", what, words);
}

enum status vm_open_block(struct toolstack *t, struct vm *of, uint32_t step, uint32_t session,
                          const char *what, char *words)
{
    (void)what, (void)words;
    assert_int_equal(session, BLK_BLOCK_SESSION(ID));
    step_begin(t, of, step);
    return OK;
}

void undo_blocks(struct toolstack *t, struct vm *of)
{
    (void)t, (void)of;
}

void caps_drop(const struct rpc_caps *caps)
{
    for (uint32_t i = 0; i < caps->in_count; i++)
        assert_true(caps->in[i] == 0 || caps->in[i] == SESSION);
}

enum status blk_rpc_open(slot_t at, const bh_BlkOpenRequest *request, bh_BlkStatus *reply,
                         struct rpc_caps *caps, uint64_t deadline)
{
    uint32_t place = request->session & 0xff;

    (void)at, (void)deadline;
    call();
    assert_int_equal(request->session >> 8, ID);
    assert_int_equal(caps->in_count, 1 + ram_volume_is(request->volume));
    *reply = (bh_BlkStatus){.status = in_drive[place][0] ? ERR_STATE : open_answers, .error = "in use"};
    if (open_answers == ERR_PEER) /* it died, but had written down that it is open */
        reply->status = OK;
    if (reply->status == OK)
        snprintf(in_drive[place], sizeof in_drive[place], "%s", request->volume);
    return open_answers == ERR_PEER ? ERR_PEER : OK;
}

enum status blk_rpc_close(slot_t at, const bh_BlkCloseRequest *request, bh_BlkStatus *reply,
                          struct rpc_caps *caps, uint64_t deadline)
{
    uint32_t place = request->session & 0xff;

    (void)at, (void)caps, (void)deadline;
    call();
    if (close_failures > 0) {
        close_failures--;
        return close_fails;
    }
    *reply = (bh_BlkStatus){.status = !in_drive[place][0] ? ERR_EXIST : in_device ? ERR_STATE : OK};
    in_drive[place][0] = '\0';
    return OK;
}

uint64_t bh_after_ms(uint64_t ms)
{
    return ms;
}

void bh_slot_drop(slot_t slot)
{
    assert_true(slot == 0 || slot == SESSION);
}

void bh_log(const char *format, ...)
{
    (void)format;
}

/* ---- the scene: a VM that runs, with a volume in vda and one, read-only, in vdc */

static bh_Disk disk_of(const char *volume, const char *vdev, bool writable)
{
    bh_Disk disk = {.writable = writable};

    snprintf(disk.volume, sizeof disk.volume, "%s", volume);
    snprintf(disk.vdev, sizeof disk.vdev, "%s", vdev);
    return disk;
}

static int scene(void **state)
{
    (void)state;
    memset(&ts, 0, sizeof ts);
    memset(in_drive, 0, sizeof in_drive);
    memset(promised, 0, sizeof promised);
    open_answers = mem_answers = tell_answers = OK;
    close_failures = dies_at = 0;
    in_device = false;
    ts.vm_count = 1;
    vm->config.vm_id = ID;
    vm->config.disks_count = 2;
    vm->config.disks[0] = disk_of("root", "vda", true);
    vm->config.disks[1] = disk_of("data", "vdc", false);
    vm->state = VM_RUNNING;
    assert_int_equal(vm_open_disks(&ts, vm, error), OK);
    toolstack_save_config(&ts, vm);
    told = calls = 0;
    return 0;
}

static enum status insert(const char *volume, const char *vdev)
{
    const bh_Disk disk = disk_of(volume, vdev, true);

    error[0] = '\0';
    return vm_disk_insert(&ts, vm, &disk, error);
}

/* What the configuration says, and what is saved of it. */
static void expect_disks(const char *words)
{
    char said[200] = "";

    for (uint32_t i = 0; i < vm->config.disks_count; i++)
        snprintf(said + strlen(said), sizeof said - strlen(said), "%s=%s ", vm->config.disks[i].vdev,
                 vm->config.disks[i].volume);
    assert_string_equal(said, words);
    assert_memory_equal(&saved.config, &vm->config, sizeof vm->config);
    assert_int_equal(vm->changing, 0);
    assert_int_equal(saved.changing, 0);
    assert_int_equal(saved.steps, vm->steps);
}

static void a_volume_is_put_in_known_and_told(void **state)
{
    (void)state;
    assert_int_equal(vm->read_only_drives, 1u << 2);
    assert_int_equal(insert("scratch", "vdb"), OK);
    assert_string_equal(in_drive[1], "scratch");
    assert_int_equal(told, 1ull << (VMM_EVENT_DISK0 + 1));
    expect_disks("vda=root vdb=scratch vdc=data ");
    assert_int_equal(insert("ram:64M", "vdd"), OK);
    assert_true(promised[3]);
    expect_disks("vda=root vdb=scratch vdc=data vdd=ram:64M ");
}

static void a_volume_is_taken_out_with_its_memory(void **state)
{
    (void)state;
    assert_int_equal(insert("ram:64M", "vdb"), OK);
    told = 0;
    assert_int_equal(vm_disk_eject(&ts, vm, 1, error), OK);
    assert_false(promised[1]);
    assert_string_equal(in_drive[1], "");
    assert_int_equal(told, 1ull << (VMM_EVENT_DISK0 + 1));
    expect_disks("vda=root vdc=data ");
    assert_int_equal(vm_disk_eject(&ts, vm, 1, error), ERR_EXIST);
    assert_int_equal(vm_disk_eject(&ts, vm, 0, error), OK);
    expect_disks("vdc=data ");
    assert_int_equal(insert("other", "vda"), OK);
    expect_disks("vda=other vdc=data ");
    assert_int_equal(vm_disk_eject(&ts, vm, 3, error), ERR_EXIST); /* it never had one */
}

static void a_refusal_leaves_all_as_it_was(void **state)
{
    (void)state;
    open_answers = ERR_STATE;
    assert_int_equal(insert("scratch", "vdb"), ERR_STATE);
    assert_string_equal(error, "disk vdb: in use");
    expect_disks("vda=root vdc=data ");
    assert_int_equal(insert("ram:64M", "vdb"), ERR_STATE);
    assert_false(promised[1]);
    mem_answers = ERR_MEM;
    assert_int_equal(insert("ram:64M", "vdb"), ERR_MEM);
    assert_string_equal(error, "disk vdb: ram:64M: no memory");
    open_answers = mem_answers = OK;
    tell_answers = ERR_STATE;
    assert_int_equal(insert("ram:64M", "vdb"), ERR_STATE);
    assert_string_equal(in_drive[1], "");
    assert_false(promised[1]);
    assert_int_equal(told, 0);
    expect_disks("vda=root vdc=data ");
}

static void a_blkdrv_that_dies_with_the_request_keeps_nothing_open(void **state)
{
    (void)state;
    open_answers = close_fails = ERR_PEER;
    close_failures = 2;
    assert_int_equal(insert("ram:64M", "vdb"), ERR_PEER);
    assert_string_equal(in_drive[1], "");
    assert_false(promised[1]);
    close_failures = 3;
    assert_int_equal(vm_disk_eject(&ts, vm, 0, error), ERR_PEER); /* away for longer: all stays */
    assert_string_equal(in_drive[0], "root");
    expect_disks("vda=root vdc=data ");
}

static void a_vmm_that_cannot_be_told_loses_its_volume_all_the_same(void **state)
{
    (void)state;
    tell_answers = ERR_STATE;
    assert_int_equal(vm_disk_eject(&ts, vm, 0, error), OK);
    assert_string_equal(in_drive[0], "");
    expect_disks("vdc=data ");
}

static void requests_in_the_device_keep_nobody_waiting(void **state)
{
    (void)state;
    in_device = true;
    assert_int_equal(vm_disk_eject(&ts, vm, 0, error), OK);
    assert_string_equal(in_drive[0], "");
    expect_disks("vdc=data ");
    assert_true(vm->steps & STEP_DISK0); /* asked about again when the VM ends */
}

static void of_a_vm_that_is_off_only_the_configuration_changes(void **state)
{
    (void)state;
    assert_int_equal(insert("ram:64M", "vdb"), OK);
    assert_int_equal(vm_disk_eject(&ts, vm, 1, error), OK);
    vm_close_disks(&ts, vm);
    assert_int_equal(vm->steps, STEP_BLK_BLOCK); /* build.c takes that back */
    toolstack_save(&ts);
    vm->state = VM_OFF;
    told = 0;
    assert_int_equal(insert("scratch", "vdb"), OK);
    assert_string_equal(in_drive[1], "");
    expect_disks("vda=root vdb=scratch vdc=data ");
    assert_int_equal(vm_disk_eject(&ts, vm, 1, error), OK);
    assert_int_equal(vm_disk_eject(&ts, vm, 1, error), ERR_EXIST);
    assert_int_equal(told, 0);
    expect_disks("vda=root vdc=data ");
}

/* A configuration that waited has come in the place of the one that is in force: a toolstack that restarts
 * takes it for that. */
static void memory_that_the_configuration_does_not_know_stays(void **state)
{
    (void)state;
    assert_int_equal(insert("ram:64M", "vdb"), OK);
    vm->config.disks[1] = vm->config.disks[2];
    vm->config.disks_count = 2;
    assert_int_equal(insert("ram:32M", "vdb"), ERR_STATE);
    assert_true(promised[1]);
    assert_string_equal(in_drive[1], "ram:64M");
    assert_int_equal(vm_disk_eject(&ts, vm, 1, error), OK);
    assert_false(promised[1]);
    assert_int_equal(insert("ram:32M", "vdb"), OK);
}

static enum status insertion(void)
{
    return insert("ram:64M", "vdb");
}

static enum status ejection(void)
{
    return vm_disk_eject(&ts, vm, 0, error);
}

/* False: it died, and what starts again has taken over. */
static bool survives(enum status (*change)(void))
{
    if (!setjmp(death)) {
        assert_int_equal(change(), OK);
        return true;
    }
    dies_at = 0;
    ts.vms[0] = saved;
    vm_disks_adopt(&ts, vm);
    return false;
}

/* As it was, or empty, and nothing else; whoever asks again is served. */
static void expect_as_it_was_or_empty(uint32_t place)
{
    const bh_Disk *disk = vm_disk(vm, place);

    assert_string_equal(in_drive[place], disk ? disk->volume : "");
    assert_int_equal(promised[place], disk && ram_volume_is(disk->volume));
    assert_int_equal(vm->changing, 0);
    assert_string_equal(in_drive[2], "data");
    if (disk)
        assert_int_equal(vm_disk_eject(&ts, vm, place, error), OK);
    assert_int_equal(insert("scratch", place ? "vdb" : "vda"), OK);
}

/* Whatever was its last call. */
static void dies_anywhere_in(void **state, enum status (*change)(void), uint32_t place)
{
    uint32_t at = 1;

    for (;; at++) {
        (void)scene(state);
        dies_at = at;
        if (survives(change))
            break;
        expect_as_it_was_or_empty(place);
    }
    assert_true(at > 5);
}

static void a_toolstack_that_dies_putting_in_leaves_an_empty_drive(void **state)
{
    dies_anywhere_in(state, insertion, 1);
}

static void a_toolstack_that_dies_taking_out_leaves_it_in_or_empty(void **state)
{
    dies_anywhere_in(state, ejection, 0);
}

static void drives_are_named_once_and_by_their_names(void **state)
{
    (void)state;
    assert_int_equal(vdev_place("vda"), 0);
    assert_int_equal(vdev_place("vdd"), 3);
    assert_int_equal(vdev_place("vde"), DRIVES_MAX);
    assert_int_equal(vdev_place("vd"), DRIVES_MAX);
    assert_int_equal(vdev_place(""), DRIVES_MAX);
    assert_int_equal(vdev_place("vda1"), DRIVES_MAX);
    assert_true(vm_disks_are_good(&vm->config, error, sizeof error));
    vm->config.disks[1] = vm->config.disks[0];
    assert_false(vm_disks_are_good(&vm->config, error, sizeof error));
    assert_string_equal(error, "disk vda: it is there twice");
    vm->config.disks[1].vdev[1] = 'x';
    assert_false(vm_disks_are_good(&vm->config, error, sizeof error));
    assert_string_equal(error, "disk vxa: a VM's drives are vda to vdd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_volume_is_put_in_known_and_told, scene),
        cmocka_unit_test_setup(a_volume_is_taken_out_with_its_memory, scene),
        cmocka_unit_test_setup(a_refusal_leaves_all_as_it_was, scene),
        cmocka_unit_test_setup(a_blkdrv_that_dies_with_the_request_keeps_nothing_open, scene),
        cmocka_unit_test_setup(a_vmm_that_cannot_be_told_loses_its_volume_all_the_same, scene),
        cmocka_unit_test_setup(of_a_vm_that_is_off_only_the_configuration_changes, scene),
        cmocka_unit_test_setup(requests_in_the_device_keep_nobody_waiting, scene),
        cmocka_unit_test_setup(memory_that_the_configuration_does_not_know_stays, scene),
        cmocka_unit_test_setup(a_toolstack_that_dies_putting_in_leaves_an_empty_drive, scene),
        cmocka_unit_test_setup(a_toolstack_that_dies_taking_out_leaves_it_in_or_empty, scene),
        cmocka_unit_test_setup(drives_are_named_once_and_by_their_names, scene),
    };

    return cmocka_run_group_tests_name("toolstack_disks", tests, NULL, NULL);
}
