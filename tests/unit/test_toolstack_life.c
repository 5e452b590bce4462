/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_toolstack_life.c - services/toolstack: creation with undo, endings, verbs, the machine's end, a
 * restart
 *
 * The services are faked by their stubs: each request is noted as a word in `asked`, one of them can be made
 * to refuse.  The persistent page is where it is in a service.
 *
 * links: services/toolstack/start.c services/toolstack/build.c services/toolstack/life.c
 * links: services/toolstack/verbs.c services/toolstack/info.c services/toolstack/out.c
 * links: services/toolstack/persist.c services/toolstack/policy.c services/toolstack/text.c
 * links: services/toolstack/serve.c services/toolstack/vmm_slots.c services/toolstack/vms.c
 * links: lib/bh/copies.c lib/bh/crc32.c lib/bh/status.c build/gen/vm.pb.c
 * links: services/toolstack/balloon.c services/toolstack/disks.c services/toolstack/nets.c
 * flags: -Iservices/toolstack
 */
#include <pb_decode.h>
#include <pb_encode.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "bh.h"
#include "blk_rpc.h"
#include "caps_toolstack.h"
#include "console_rpc.h"
#include "init_rpc.h"
#include "mem_rpc.h"
#include "net_rpc.h"
#include "sched_rpc.h"
#include "toolstack.h"
#include "toolstack_rpc.h"
#include "vmm_events.h"

static struct toolstack ts;
static char asked[4096];   /* what was asked of services, in words */
static char shown[8192];   /* what was written, prompts as `> ` */
static const char *refuse; /* the word of the request that is refused (text: "no such luck") */
static enum status refuse_with;
static bh_VmConfig records[4];
static uint32_t record_count;
static const char *options;
static const char *typed;  /* the next line; "^D" is the end of input */
static uint32_t death_of;  /* init reports this vmm as dead, once */
static uint64_t now;       /* in ticks: microseconds here */
static uint32_t in_device; /* so often blkdrv says that it cannot close a session yet */
static uint64_t quotas[8]; /* what was asked of mem.Open */
static uint32_t quota_count;
static uint64_t target, held;                /* what mem.SetTarget brought; what a session holds */
static uint32_t mem_refusals;                /* so many mem.Open are refused */
#define RECORD_PIECE 100u                    /* init gives records in pieces of this size */
static uint8_t configured[bh_VmConfig_size]; /* what init.Configure brought, after the last CreateVmm */
static uint32_t configured_bytes;
static uint32_t minted_count; /* sessions that we hold */
#define MINTED 100000u        /* + badge: their slots */
static bh_NetOpenRequest opened[2];
static jmp_buf off; /* where the machine goes when it is off */

#define PERSIST_BYTES (DOMAIN_PERSIST * 4096u)

/* ---- the fakes */

void images_start(struct toolstack *t)
{
    (void)t;
}

void images_collect(struct toolstack *t)
{
    (void)t;
}

void images_describe(struct toolstack *t, bh_CreateVmmRequest *request)
{
    (void)t, (void)request;
}

enum status images_map(struct toolstack *t, const struct vm *vm, char *error, uint32_t error_bytes)
{
    (void)t, (void)vm, (void)error, (void)error_bytes;
    return OK;
}

void mgmt_start(struct toolstack *t)
{
    (void)t;
}

void mgmt_worked(struct toolstack *t, const char *work, const char *vm, uint64_t began)
{
    (void)t, (void)work, (void)vm, (void)began;
}

/* A VM, or 1016 for disk 0 of VM 16, 2016 for its disk 1. */
static uint32_t memory_of(uint32_t id)
{
    return id >= 0x500 ? id & 0xff : (id >> 8) * 1000 + (id & 0xff);
}

static const char *memory_word(uint32_t id)
{
    return id < 0x100 ? "mem" : id < 0x500 ? "ram" : id < 0x600 ? "netmem" : "blkmem";
}

static enum status note(const char *word, uint32_t id)
{
    size_t length = strlen(asked);

    snprintf(asked + length, sizeof asked - length, "%s:%u ", word, id);
    return refuse && strcmp(refuse, word) == 0 ? refuse_with : OK;
}

#define ANSWER(status_, text)                                                                                \
    do {                                                                                                     \
        enum status s_ = (status_);                                                                          \
        memset(rep, 0, sizeof *rep);                                                                         \
        rep->status = (uint32_t)s_;                                                                          \
        if (s_ != OK)                                                                                        \
            snprintf(rep->error, sizeof rep->error, "%s", text);                                             \
        (void)endpoint, (void)caps, (void)deadline;                                                          \
        return OK;                                                                                           \
    } while (0)
#define STUB(name, request, reply)                                                                           \
    enum status name(slot_t endpoint, const request *req, reply *rep, struct rpc_caps *caps,                 \
                     uint64_t deadline)

STUB(sched_rpc_place, bh_PlaceRequest, bh_PlaceReply)
{
    enum status status = note("place", req->vm_id);

    (void)endpoint, (void)caps, (void)deadline;
    memset(rep, 0, sizeof *rep);
    rep->status = (uint32_t)status;
    snprintf(rep->error, sizeof rep->error, "%s", status == OK ? "" : "no such luck");
    rep->pcpus_count = (pb_size_t)req->vcpus;
    rep->pcpus[0] = 1;
    return OK;
}
STUB(sched_rpc_remove, bh_RemoveRequest, bh_SchedStatus)
{
    ANSWER(note("remove", req->vm_id), "no such luck");
}
STUB(sched_rpc_pause, bh_PauseRequest, bh_SchedStatus)
{
    ANSWER(note(req->paused ? "pause" : "unpause", req->vm_id), "no such luck");
}
STUB(sched_rpc_info, bh_SchedInfoRequest, bh_SchedInfoReply)
{
    (void)endpoint, (void)caps, (void)deadline;
    memset(rep, 0, sizeof *rep);
    rep->status = req->index < 2 ? OK : ERR_EXIST;
    rep->vm_id = req->index == 0 ? 0 : 16;
    rep->ticks = 2500000;
    return OK;
}
STUB(mem_rpc_open, bh_MemOpenRequest, bh_MemStatus)
{
    assert_int_equal(req->quota_bytes % 0x200000, 0);
    quotas[quota_count++ % 8] = req->quota_bytes;
    enum status status = note(memory_word(req->vm_id), memory_of(req->vm_id));

    if (status == OK && mem_refusals > 0) {
        mem_refusals--;
        status = ERR_MEM;
    }
    ANSWER(status, "no such luck");
}
STUB(mem_rpc_close, bh_MemCloseRequest, bh_MemStatus)
{
    char word[16];

    snprintf(word, sizeof word, "un%s", memory_word(req->vm_id));
    ANSWER(note(word, memory_of(req->vm_id)), "no such luck");
}
STUB(mem_rpc_info, bh_MemInfoRequest, bh_MemInfoReply)
{
    (void)endpoint, (void)caps, (void)deadline, (void)req;
    memset(rep, 0, sizeof *rep);
    rep->free_bytes = 8192;
    return OK;
}
STUB(mem_rpc_set_target, bh_MemSetTargetRequest, bh_MemStatus)
{
    target = req->bytes;
    ANSWER(note("target", req->vm_id), "2 MiB more asked for, 0 MiB of 8 MiB are free");
}
STUB(mem_rpc_session, bh_MemSessionRequest, bh_MemSessionReply)
{
    (void)endpoint, (void)caps, (void)deadline, (void)req;
    memset(rep, 0, sizeof *rep);
    rep->held_bytes = held;
    return OK;
}
STUB(blk_rpc_open, bh_BlkOpenRequest, bh_BlkStatus)
{
    const bh_Disk *disk = &records[(req->session >> 8) - 16].disks[req->session & 0xff];

    /* Memory for the block of the VM's disks, and for a ram volume that of this very disk. */
    assert_int_equal(caps->in[0], MINTED + ((req->session >> 8) | 0x600));
    if (strncmp(disk->volume, "ram:", 4) == 0 && disk->volume[4] != '?') {
        assert_int_equal(caps->in_count, 2);
        assert_int_equal(caps->in[1], MINTED + ((req->session >> 8) | 0x100 * ((req->session & 0xff) + 1)));
    } else {
        assert_int_equal(caps->in_count, 1);
    }
    ANSWER(note(req->session & 0xff ? "blk1" : "blk0", req->session >> 8), "no such luck");
}
STUB(blk_rpc_close, bh_BlkCloseRequest, bh_BlkStatus)
{
    if (in_device > 0) {
        in_device--;
        ANSWER(ERR_STATE, "requests are still in the device");
    }
    ANSWER(note(req->session & 0xff ? "unblk1" : "unblk0", req->session >> 8), "no such luck");
}
STUB(blk_rpc_info, bh_BlkInfoRequest, bh_BlkInfoReply)
{
    (void)endpoint, (void)caps, (void)deadline, (void)req;
    memset(rep, 0, sizeof *rep);
    rep->status = ERR_EXIST;
    return OK;
}
STUB(net_rpc_open, bh_NetOpenRequest, bh_NetStatus)
{
    opened[req->session & 1] = *req;
    ANSWER(note(req->session & 0xff ? "net1" : "net0", req->session >> 8), "there is no network");
}
STUB(net_rpc_link, bh_NetLinkRequest, bh_NetStatus)
{
    ANSWER(note(req->up ? "plug" : "unplug", req->session), "no such luck");
}
STUB(net_rpc_replug, bh_NetOpenRequest, bh_NetStatus)
{
    ANSWER(note("replug", req->session), "no such luck");
}
STUB(net_rpc_close, bh_NetCloseRequest, bh_NetStatus)
{
    ANSWER(note(req->session & 0xff ? "unnet1" : "unnet0", req->session >> 8), "no such luck");
}
STUB(net_rpc_info, bh_NetInfoRequest, bh_NetInfoReply)
{
    (void)endpoint, (void)caps, (void)deadline, (void)req;
    memset(rep, 0, sizeof *rep);
    rep->status = ERR_EXIST;
    return OK;
}
STUB(net_rpc_network, bh_NetNetworkRequest, bh_NetNetworkReply)
{
    (void)endpoint, (void)caps, (void)deadline, (void)req;
    memset(rep, 0, sizeof *rep);
    snprintf(rep->name, sizeof rep->name, "br0");
    return OK;
}
STUB(console_rpc_open, bh_ConsoleOpenRequest, bh_ConsoleStatus)
{
    ANSWER(note("con", req->vm_id), "no such luck");
}
STUB(console_rpc_close, bh_ConsoleCloseRequest, bh_ConsoleStatus)
{
    ANSWER(note(req->keep_focus ? "keepcon" : "uncon", req->vm_id), "no such luck");
}
STUB(console_rpc_focus, bh_FocusRequest, bh_ConsoleStatus)
{
    ANSWER(note("focus", req->vm_id), "no such luck");
}
STUB(console_rpc_write, bh_WriteRequest, bh_ConsoleStatus)
{
    enum status status = refuse && strcmp(refuse, "write") == 0 ? refuse_with : OK;

    assert_true(strlen(req->text) < 900);
    if (status == OK) {
        strncat(shown, req->text, sizeof shown - 1 - strlen(shown));
        if (req->prompt)
            strncat(shown, "> ", sizeof shown - 1 - strlen(shown));
    }
    ANSWER(status, "slow");
}
STUB(console_rpc_next_line, bh_LineRequest, bh_LineReply)
{
    (void)endpoint, (void)caps, (void)deadline, (void)req;
    memset(rep, 0, sizeof *rep);
    rep->found = typed != NULL;
    if (typed && strcmp(typed, "^D") == 0)
        rep->eof = true;
    else if (typed)
        snprintf(rep->line, sizeof rep->line, "%s", typed);
    typed = NULL;
    return OK;
}
STUB(console_rpc_dmesg, bh_DmesgRequest, bh_DmesgReply)
{
    (void)endpoint, (void)caps, (void)deadline;
    memset(rep, 0, sizeof *rep);
    rep->next = req->position + 1;
    if (req->position < 3)
        snprintf(rep->text, sizeof rep->text, "line %u\n", (unsigned)req->position);
    return OK;
}
STUB(init_rpc_create_vmm, bh_CreateVmmRequest, bh_CreateVmmReply)
{
    const bh_VmConfig *config = &records[req->vm_id - 16];

    assert_string_equal(req->name, config->name);
    assert_string_equal(req->kernel, config->kernel);
    assert_true(req->memory_bytes <= config->memory_bytes);
    assert_int_equal(req->pcpus_count, config->vcpus);
    assert_int_equal(req->pcpus[0], 1);
    configured_bytes = 0;
    memset(rep, 0, sizeof *rep);
    (void)endpoint, (void)caps, (void)deadline;
    rep->status = note("make", req->vm_id);
    snprintf(rep->error, sizeof rep->error, "%s", rep->status == OK ? "" : "no such luck");
    rep->kernel_bytes = 4096;
    return OK;
}
STUB(init_rpc_configure, bh_ConfigureRequest, bh_InitStatus)
{
    assert_int_equal(req->offset, configured_bytes);
    assert_true(configured_bytes + req->piece.size <= sizeof configured);
    memcpy(configured + configured_bytes, req->piece.bytes, req->piece.size);
    configured_bytes += req->piece.size;
    ANSWER(refuse && strcmp(refuse, "configure") == 0 ? refuse_with : OK, "no such luck");
}
STUB(init_rpc_start_vmm, bh_VmmRequest, bh_InitStatus)
{
    ANSWER(note("start", req->vm_id), "no such luck");
}
STUB(init_rpc_destroy_vmm, bh_VmmRequest, bh_InitStatus)
{
    ANSWER(note("unmake", req->vm_id), "no such luck");
}
STUB(init_rpc_tell_vmm, bh_TellVmmRequest, bh_InitStatus)
{
    static const char *const words[] = {
        [VMM_EVENT_POWER] = "power", [VMM_EVENT_REBOOT] = "cad", [VMM_EVENT_MEMORY] = "balloon"};
    int event = __builtin_ctzll(req->events);

    assert_true(req->events == 1ull << event && (1ull << event & VMM_EVENTS_TOLD) != 0);
    ANSWER(note(words[event], req->vm_id), "no such luck");
}
STUB(init_rpc_next_death, bh_DeathsRequest, bh_DeathsReply)
{
    (void)endpoint, (void)caps, (void)deadline, (void)req;
    memset(rep, 0, sizeof *rep);
    rep->found = death_of != 0;
    rep->vm_id = death_of;
    snprintf(rep->text, sizeof rep->text, "its vmm faulted");
    death_of = 0;
    return OK;
}
STUB(init_rpc_machine_off, bh_OffRequest, bh_InitStatus)
{
    (void)endpoint, (void)req, (void)rep, (void)caps, (void)deadline;
    longjmp(off, 1);
}
STUB(init_rpc_vm_record, bh_ModuleRequest, bh_ModuleReply)
{
    (void)endpoint, (void)caps, (void)deadline;
    memset(rep, 0, sizeof *rep);
    rep->status = req->index < record_count ? OK : ERR_EXIST;
    if (req->index < record_count) {
        uint8_t bytes[bh_VmConfig_size];
        pb_ostream_t stream = pb_ostream_from_buffer(bytes, sizeof bytes);
        uint32_t left;

        assert_true(pb_encode(&stream, bh_VmConfig_fields, &records[req->index]));
        rep->bytes = (uint32_t)stream.bytes_written;
        left = rep->bytes - req->offset;
        rep->piece.size = (pb_size_t)(left < RECORD_PIECE ? left : RECORD_PIECE);
        memcpy(rep->piece.bytes, bytes + req->offset, rep->piece.size);
    }
    return OK;
}
STUB(init_rpc_init_info, bh_InitInfoRequest, bh_InitInfoReply)
{
    (void)endpoint, (void)caps, (void)deadline, (void)req;
    memset(rep, 0, sizeof *rep);
    snprintf(rep->options, sizeof rep->options, "%s", options);
    rep->pcpus = 4;
    return OK;
}

enum status vm_grant(struct vm *vm, char *error, uint32_t size)
{
    enum status status = note("grant", vm_id(vm));

    snprintf(error, size, "%s", status == OK ? "" : "domain: no such luck");
    return status;
}

enum status memory_session_mint(uint64_t badge, slot_t *session)
{
    *session = 0;
    if (refuse && strcmp(refuse, "mint") == 0)
        return ERR_FULL;
    *session = (slot_t)(MINTED + badge);
    minted_count++;
    return OK;
}

uint64_t bh_now(void)
{
    return now;
}
uint64_t bh_after_ms(uint64_t ms)
{
    return now + ms * 1000;
}
uint64_t bh_ticks_to_us(uint64_t ticks)
{
    return ticks;
}
enum status bh_notification_wait(slot_t notification, uint64_t deadline, uint64_t *bits)
{
    (void)notification, (void)bits;
    now = deadline;
    return ERR_TIME;
}
enum status bh_retype(enum cap_kind kind, uint64_t size, slot_t *out)
{
    assert_int_equal(kind, CAP_NOTIFICATION);
    (void)size;
    *out = 300;
    return OK;
}
void reports_serve(struct toolstack *t)
{
    (void)t;
}
void bh_slot_drop(slot_t slot)
{
    minted_count -= slot >= MINTED;
}
void bh_log(const char *format, ...)
{
    (void)format;
}
void bh_panic(const char *format, ...)
{
    fail_msg("panic: %s", format);
    __builtin_unreachable();
}

/* ---- the scene */

static void record(const char *name, bool autostart, uint32_t disks)
{
    bh_VmConfig *config = &records[record_count++];

    memset(config, 0, sizeof *config);
    snprintf(config->name, sizeof config->name, "%s", name);
    config->memory_bytes = 257ull << 20;
    config->vcpus = 2;
    config->autostart = autostart;
    config->on_reboot = bh_OnEvent_RESTART;
    config->disks_count = (pb_size_t)disks;
    for (uint32_t i = 0; i < disks; i++) {
        snprintf(config->disks[i].volume, sizeof config->disks[i].volume, "root%u", i);
        snprintf(config->disks[i].vdev, sizeof config->disks[i].vdev, "vd%c", (char)('a' + i));
    }
}

static int scene(void **state)
{
    (void)state;
    memset((void *)(uintptr_t)PERSIST_IPA, 0, PERSIST_BYTES);
    memset(&ts, 0, sizeof ts);
    record_count = 0;
    options = "";
    typed = NULL;
    refuse = NULL;
    refuse_with = ERR_MEM;
    death_of = 0;
    quota_count = minted_count = mem_refusals = 0;
    target = held = 0;
    now = 1000000;
    asked[0] = shown[0] = 0;
    return 0;
}

static void forget(void)
{
    asked[0] = shown[0] = 0;
}

/* True: the machine went off meanwhile. */
static bool start(void)
{
    if (setjmp(off))
        return true;
    toolstack_start(&ts);
    return false;
}

static bool say(const char *line)
{
    forget();
    typed = line;
    if (setjmp(off))
        return true;
    out_begin(&ts);
    verbs_serve(&ts);
    return false;
}

/* A vmm reports; then the main loop comes round. */
static bool report(uint64_t id, bh_VmEventKind kind, const char *text)
{
    bh_VmEventRequest request = {.kind = kind};
    bh_ToolstackStatus reply;
    struct rpc_call call = {.badge = id, .context = &ts};

    forget();
    snprintf(request.text, sizeof request.text, "%s", text);
    toolstack_on_vm_event(&call, &request, &reply);
    if (setjmp(off))
        return true;
    life_go_on(&ts);
    return false;
}

/* ---- making and undoing */

static void a_vm_is_made_step_by_step(void **state)
{
    (void)state;
    record("a", false, 2);
    assert_false(start());
    assert_false(say("create a"));
    assert_string_equal(asked, "place:16 mem:16 blkmem:16 blk0:16 blk1:16 con:16 make:16 grant:16 start:16 ");
    assert_int_equal(ts.vms[0].state, VM_STARTING);
    assert_false(report(16, bh_VmEventKind_READY, ""));
    assert_int_equal(ts.vms[0].state, VM_RUNNING);
    assert_false(say("create a"));
    assert_string_equal(asked, "");
    assert_string_equal(shown, "a: it exists already: see `list`\n> ");
}

static void each_refusal_undoes_the_steps_before_it(void **state)
{
    static const struct {
        const char *word, *undone;
    } cases[] = {
        {"place", "uncon:16 remove:16 "},
        {"mem", "uncon:16 remove:16 unmem:16 "},
        {"blk0", "unblk0:16 uncon:16 remove:16 unblkmem:16 unmem:16 "},
        {"blk1", "unblk0:16 unblk1:16 uncon:16 remove:16 unblkmem:16 unmem:16 "},
        {"con", "unblk0:16 unblk1:16 uncon:16 remove:16 unblkmem:16 unmem:16 "},
        {"make", "unblk0:16 unblk1:16 uncon:16 remove:16 unmake:16 unblkmem:16 unmem:16 "},
        {"grant", "unblk0:16 unblk1:16 uncon:16 remove:16 unmake:16 unblkmem:16 unmem:16 "},
        {"start", "unblk0:16 unblk1:16 uncon:16 remove:16 unmake:16 unblkmem:16 unmem:16 "},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char last[32];

        (void)scene(state);
        record("a", false, 2);
        assert_false(start());
        refuse = cases[i].word;
        assert_false(say("create a"));
        snprintf(last, sizeof last, "%s:16 ", refuse);
        assert_non_null(strstr(asked, last));
        assert_string_equal(strstr(asked, last) + strlen(last), cases[i].undone);
        assert_non_null(strstr(shown, "a: cannot start: "));
        assert_non_null(strstr(shown, ": no such luck\n> "));
        assert_int_equal(ts.vms[0].state, VM_OFF);
        assert_int_equal(ts.vms[0].steps, 0);
    }
}

static void a_vmm_is_told_what_the_file_said(void **state)
{
    bh_VmConfig told = bh_VmConfig_init_zero;
    pb_istream_t stream;

    (void)state;
    record("a", true, 2);
    memset(records[0].extra, 'x', sizeof records[0].extra - 1); /* longer than one piece of a record */
    strcpy(records[0].kernel, "image/0-Image");
    assert_false(start());
    stream = pb_istream_from_buffer(configured, configured_bytes);
    assert_true(pb_decode(&stream, bh_VmConfig_fields, &told));
    assert_int_equal(told.vm_id, 16);
    assert_string_equal(told.extra, records[0].extra);
    assert_int_equal(told.disks_count, 2);
    assert_int_equal(told.kernel_bytes, 4096);
    assert_int_equal(told.ramdisk_ipa, 0);
    assert_false(say("destroy a"));
    refuse = "configure";
    assert_false(say("create a"));
    assert_string_equal(shown, "a: cannot start: domain: no such luck\n> ");
    assert_int_equal(ts.vms[0].steps, 0);
}

static void interfaces_are_opened_as_the_file_says_and_closed_after_the_domain(void **state)
{
    (void)state;
    record("a", false, 1);
    records[0].vifs_count = 2;
    strcpy(records[0].vifs[1].bridge, "nat0");
    records[0].vifs[1].ipv4_count = 1;
    records[0].vifs[1].rate = 1250;
    records[0].vifs[1].pps = 7;
    records[0].vifs[1].rate_in = 3;
    records[0].vifs[1].pps_in = 9;
    assert_false(start());
    assert_false(say("create a"));
    assert_string_equal(
        asked,
        "place:16 mem:16 blkmem:16 blk0:16 netmem:16 net0:16 net1:16 con:16 make:16 grant:16 start:16 ");
    assert_string_equal(opened[0].network, "br0"); /* the first one, as the file said nothing */
    assert_true(opened[0].learn);
    assert_string_equal(opened[1].name, "a.1");
    assert_string_equal(opened[1].network, "nat0");
    assert_false(opened[1].learn);
    assert_int_equal(opened[1].from_vm.bytes, 1250000);
    assert_int_equal(opened[1].from_vm.packets, 7);
    assert_int_equal(opened[1].to_vm.bytes, 3000);
    assert_int_equal(opened[1].to_vm.packets, 9);
    assert_false(say("destroy a"));
    assert_string_equal(
        asked,
        "unblk0:16 uncon:16 remove:16 unmake:16 unnet0:16 unnet1:16 unnetmem:16 unblkmem:16 unmem:16 ");
    refuse = "net1";
    assert_false(say("create a"));
    assert_string_equal(shown, "a: cannot start: vif 1: there is no network\n> ");
    assert_int_equal(ts.vms[0].steps, 0);
}

/* A VM with a memory volume of 64 MiB and a page, and one on the disk. */
static void record_with_ram(void)
{
    record("a", false, 2);
    snprintf(records[0].disks[0].volume, sizeof records[0].disks[0].volume, "ram:65540K");
}

static void a_memory_volume_has_a_session_of_its_own_at_mem(void **state)
{
    (void)state;
    record_with_ram();
    assert_false(start());
    assert_false(say("create a"));
    assert_string_equal(
        asked, "place:16 mem:16 ram:1016 blkmem:16 blk0:16 blk1:16 con:16 make:16 grant:16 start:16 ");
    assert_int_equal(quotas[1], 66ull << 20);
    assert_int_equal(minted_count, 0);
    assert_false(say("destroy a"));
    assert_string_equal(asked,
                        "unblk0:16 unram:1016 unblk1:16 uncon:16 remove:16 unmake:16 unblkmem:16 unmem:16 ");
    assert_int_equal(ts.vms[0].steps, 0);
}

static void each_refusal_gives_back_a_memory_volume(void **state)
{
    static const struct {
        const char *word, *undone;
    } cases[] = {
        {"ram:1016 ", "unram:1016 uncon:16 remove:16 unmem:16 "},
        {"blk0:16 ", "unblk0:16 unram:1016 uncon:16 remove:16 unblkmem:16 unmem:16 "},
        {"blk1:16 ", "unblk0:16 unram:1016 unblk1:16 uncon:16 remove:16 unblkmem:16 unmem:16 "},
        {"start:16 ", "unblk0:16 unram:1016 unblk1:16 uncon:16 remove:16 unmake:16 unblkmem:16 unmem:16 "},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char word[16];

        (void)scene(state);
        record_with_ram();
        assert_false(start());
        snprintf(word, sizeof word, "%.*s", (int)strcspn(cases[i].word, ":"), cases[i].word);
        refuse = word;
        assert_false(say("create a"));
        assert_non_null(strstr(asked, cases[i].word));
        assert_string_equal(strstr(asked, cases[i].word) + strlen(cases[i].word), cases[i].undone);
        assert_int_equal(ts.vms[0].steps, 0);
        assert_int_equal(minted_count, 0);
    }
}

static void memory_that_is_short_for_a_volume_names_volume_and_vm(void **state)
{
    (void)state;
    record_with_ram();
    assert_false(start());
    refuse = "ram";
    assert_false(say("create a"));
    assert_string_equal(shown, "a: cannot start: disk vda: ram:65540K: no such luck\n> ");
    refuse = "mint";
    assert_false(say("create a"));
    assert_string_equal(shown, "a: cannot start: disk vda: ram:65540K: ERR_FULL\n> ");
    assert_string_equal(asked, "place:16 mem:16 ram:1016 unram:1016 uncon:16 remove:16 unmem:16 ");
}

/* blkdrv may still serve from it: taking it away would make blkdrv fault, for all its clients. */
static void memory_of_a_disk_that_is_not_closed_is_not_taken_away(void **state)
{
    (void)state;
    record_with_ram();
    assert_false(start());
    assert_false(say("create a"));
    refuse = "unblk0";
    refuse_with = ERR_TIME;
    assert_false(say("destroy a"));
    assert_null(strstr(asked, "unram"));
    refuse = NULL;
    assert_false(say("create a")); /* tried again; then all of it goes */
    vm_destroy(&ts, &ts.vms[0], false);
    assert_non_null(strstr(asked, "unblk0:16 unram:1016 "));
    assert_int_equal(ts.vms[0].steps, 0);
}

static void the_refused_resource_is_named(void **state)
{
    (void)state;
    record("a", false, 2);
    assert_false(start());
    refuse = "blk1";
    assert_false(say("create a"));
    assert_string_equal(shown, "a: cannot start: disk vdb: no such luck\n> ");
}

static void requests_in_the_device_are_waited_for_before_their_memory_goes(void **state)
{
    (void)state;
    record("a", false, 2);
    assert_false(start());
    assert_false(say("create a"));
    in_device = 100;
    assert_false(say("destroy a"));
    assert_int_equal(in_device, 0);
    assert_string_equal(asked, "unblk0:16 unblk1:16 uncon:16 remove:16 unmake:16 unblkmem:16 unmem:16 ");
    assert_int_equal(ts.vms[0].steps, 0);
    assert_false(say("create a"));
    assert_int_equal(ts.vms[0].state, VM_STARTING);
}

static void undoing_is_tried_again_and_then_said(void **state)
{
    const char *again = "uncon:16 remove:16 unmake:16 unmem:16 unmem:16 unmem:16 ";

    (void)state;
    record("a", false, 0);
    assert_false(start());
    assert_false(say("create a"));
    refuse = "unmem";
    refuse_with = ERR_STATE;
    assert_false(say("destroy a"));
    assert_int_equal(strncmp(asked, again, strlen(again)), 0);
    assert_string_equal(shown, "a: not undone: memory: no such luck\na: destroyed\n> ");
    refuse_with = ERR_EXIST; /* there is none: as good as undone */
    ts.vms[0].steps = 2;
    forget();
    vm_destroy(&ts, &ts.vms[0], false);
    assert_string_equal(asked, "unmem:16 ");
}

/* ---- endings */

static void a_vm_that_powers_off_is_destroyed_and_bulkheads_prompt_stays(void **state)
{
    (void)state;
    record("a", true, 1);
    assert_false(start());
    assert_non_null(strstr(asked, "start:16 focus:16 "));
    now += 60000000;
    assert_false(report(16, bh_VmEventKind_POWEROFF, ""));
    assert_string_equal(asked, "unblk0:16 uncon:16 remove:16 unmake:16 unblkmem:16 unmem:16 ");
    assert_string_equal(shown, "a: powered off\n");
    assert_int_equal(ts.vms[0].state, VM_OFF);
}

/* ---- memory of a VM that runs */

static struct vm *ballooned(void)
{
    record("a", true, 0);
    records[0].memory_bytes = 256ull << 20;
    assert_false(start());
    assert_false(report(16, bh_VmEventKind_READY, ""));
    forget();
    return &ts.vms[0];
}

static void memory_is_promised_before_the_guest_is_told(void **state)
{
    char error[ERROR_BYTES];
    struct vm *vm = ballooned();

    (void)state;
    assert_int_equal(vm_set_memory(&ts, vm, 128ull << 20, error), OK);
    assert_string_equal(asked, "target:16 balloon:16 ");
    assert_int_equal(target, (128ull << 20) + vmm_memory());
    forget();
    refuse = "target";
    assert_int_equal(vm_set_memory(&ts, vm, 256ull << 20, error), ERR_MEM);
    assert_string_equal(asked, "target:16 ");
    assert_string_equal(error, "memory: 2 MiB more asked for, 0 MiB of 8 MiB are free");
    assert_int_equal(vm->target, 128ull << 20);
}

static void memory_that_makes_no_sense_is_asked_of_nobody(void **state)
{
    static const uint64_t mib[] = {258, 129, 30, 0, UINT64_MAX >> 20};
    char error[ERROR_BYTES];
    struct vm *vm = ballooned();

    (void)state;
    for (size_t i = 0; i < sizeof mib / sizeof mib[0]; i++)
        assert_int_equal(vm_set_memory(&ts, vm, mib[i] << 20, error), ERR_ARG);
    assert_string_equal(asked, "");
}

static void a_reboot_keeps_the_target_and_an_end_forgets_it(void **state)
{
    char error[ERROR_BYTES];
    struct vm *vm = ballooned();

    (void)state;
    assert_int_equal(vm_set_memory(&ts, vm, 128ull << 20, error), OK);
    now += 60000000;
    assert_false(report(16, bh_VmEventKind_REBOOT, ""));
    assert_int_equal(quotas[1], (256ull << 20) + vmm_memory());
    assert_false(report(16, bh_VmEventKind_READY, ""));
    assert_string_equal(asked, "target:16 balloon:16 ");
    assert_false(say("destroy a"));
    assert_false(say("create a"));
    assert_false(report(16, bh_VmEventKind_READY, ""));
    assert_string_equal(asked, "");
}

static void a_reboot_whose_memory_others_have_goes_on_with_its_target(void **state)
{
    bh_VmConfig told = bh_VmConfig_init_zero;
    pb_istream_t stream;
    char error[ERROR_BYTES];
    struct vm *vm = ballooned();

    (void)state;
    assert_int_equal(vm_set_memory(&ts, vm, 128ull << 20, error), OK);
    now += 60000000;
    mem_refusals = 1;
    assert_false(report(16, bh_VmEventKind_REBOOT, ""));
    assert_int_equal(quotas[2], (128ull << 20) + vmm_memory());
    stream = pb_istream_from_buffer(configured, configured_bytes);
    assert_true(pb_decode(&stream, bh_VmConfig_fields, &told));
    assert_int_equal(told.memory_bytes, 128ull << 20);
    assert_int_equal(vm->config.memory_bytes, 256ull << 20);
    assert_int_equal(vm_set_memory(&ts, vm, 256ull << 20, error), ERR_ARG);
    assert_string_equal(error, "memory: 256 MiB are more than the 128 MiB that it started with");
}

static void info_says_what_came_back(void **state)
{
    char error[ERROR_BYTES];
    struct vm *vm = ballooned();
    bh_VmEventRequest request = {
        .kind = bh_VmEventKind_BALLOON, .balloon_driver = true, .balloon_bytes = 100ull << 20};
    bh_ToolstackStatus reply;
    struct rpc_call call = {.badge = 16, .context = &ts};

    (void)state;
    assert_int_equal(vm_set_memory(&ts, vm, 128ull << 20, error), OK);
    toolstack_on_vm_event(&call, &request, &reply);
    assert_int_equal(reply.status, OK);
    held = (160ull << 20) + vmm_memory();
    assert_false(say("info a"));
    assert_non_null(strstr(shown, "memory target    : 128 MiB, its guest gave 102400 KiB, it has 160 MiB\n"));
    request.balloon_bytes = UINT64_MAX; /* a vmm that lies */
    toolstack_on_vm_event(&call, &request, &reply);
    assert_int_equal(vm->given, 256ull << 20);
}

static void a_reboot_makes_it_again_and_the_console_stays(void **state)
{
    (void)state;
    record("a", true, 0);
    assert_false(start());
    now += 60000000;
    assert_false(report(16, bh_VmEventKind_REBOOT, ""));
    assert_string_equal(
        asked, "keepcon:16 remove:16 unmake:16 unmem:16 place:16 mem:16 con:16 make:16 grant:16 start:16 ");
}

static void a_reboot_storm_ends(void **state)
{
    (void)state;
    record("a", true, 0);
    assert_false(start());
    assert_false(report(16, bh_VmEventKind_REBOOT, ""));
    assert_false(report(16, bh_VmEventKind_REBOOT, ""));
    assert_int_equal(ts.vms[0].state, VM_STARTING);
    assert_false(report(16, bh_VmEventKind_REBOOT, ""));
    assert_int_equal(ts.vms[0].state, VM_OFF);
    assert_non_null(strstr(shown, "not started again"));
}

static void a_dead_vmm_is_a_crash(void **state)
{
    (void)state;
    record("a", true, 0);
    record("b", true, 0);
    assert_false(start());
    forget();
    death_of = 17;
    life_collect_deaths(&ts);
    life_go_on(&ts);
    assert_string_equal(shown, "b: crashed: its vmm faulted\n");
    assert_int_equal(ts.vms[0].state, VM_STARTING);
    assert_int_equal(ts.vms[1].state, VM_OFF);
    assert_int_equal(ts.exit_status, 3);
}

static void a_preserved_vm_stays_until_destroyed(void **state)
{
    (void)state;
    record("a", true, 0);
    records[0].on_crash = bh_OnEvent_PRESERVE;
    assert_false(start());
    assert_false(report(16, bh_VmEventKind_CRASH, "\033[31mpanic"));
    assert_string_equal(asked, "");
    assert_non_null(strstr(shown, "a: crashed: ?[31mpanic\n"));
    assert_false(report(16, bh_VmEventKind_POWEROFF, "")); /* it is dead: it says nothing any more */
    assert_int_equal(ts.vms[0].state, VM_PRESERVED);
    assert_false(say("list"));
    assert_non_null(strstr(shown, "----c-"));
    assert_false(say("destroy a"));
    assert_int_equal(ts.vms[0].state, VM_OFF);
}

static void a_paused_vm_is_a_running_one_without_time(void **state)
{
    (void)state;
    record("a", true, 0);
    assert_false(start());
    assert_false(report(16, bh_VmEventKind_READY, ""));
    assert_string_equal(asked, "");
    for (int i = 0; i < 2; i++) {
        assert_false(say("pause a"));
        assert_string_equal(asked, "pause:16 ");
        assert_non_null(strstr(shown, "a: paused\n"));
    }
    assert_false(say("list"));
    assert_non_null(strstr(shown, "--p---"));
    forget();
    refuse = "unpause";
    assert_false(say("unpause a"));
    assert_non_null(strstr(shown, "a: not unpaused: sched: no such luck\n"));
    assert_true(ts.vms[0].is_paused);
    refuse = NULL;
    assert_false(say("unpause a"));
    assert_false(ts.vms[0].is_paused);
    assert_false(say("pause a"));
    assert_false(say("destroy a"));
    assert_false(ts.vms[0].is_paused);
}

/* Its vmm needs the vCPUs' time to start: so the pause begins when it is ready, before it hears our answer.
 */
static void a_vm_that_is_paused_while_it_starts_never_runs(void **state)
{
    char error[ERROR_BYTES];

    (void)state;
    record("a", true, 0);
    record("b", false, 0);
    assert_false(start());
    assert_false(say("pause a"));
    assert_string_equal(asked, "");
    assert_non_null(strstr(shown, "a: paused\n"));
    assert_false(report(16, bh_VmEventKind_READY, ""));
    assert_string_equal(asked, "pause:16 ");
    assert_int_equal(ts.vms[0].state, VM_RUNNING);

    assert_int_equal(vm_create(&ts, &ts.vms[1], true, error), OK);
    refuse = "pause";
    assert_false(report(17, bh_VmEventKind_READY, "")); /* sched does not pause it: it must not run */
    assert_int_equal(ts.vms[1].state, VM_OFF);
    assert_non_null(strstr(shown, "b: cannot start: sched: no such luck\n"));
}

static void a_guest_is_asked_when_it_can_hear(void **state)
{
    (void)state;
    record("a", true, 0);
    assert_false(start());
    assert_false(say("shutdown a"));
    assert_string_equal(shown, "a: it does not run\n> ");
    assert_false(report(16, bh_VmEventKind_READY, ""));
    assert_false(say("shutdown a"));
    assert_string_equal(asked, "");
    assert_non_null(strstr(shown, "a: not asked to shut down: its guest cannot hear it"));
    assert_false(report(16, bh_VmEventKind_HEARD, ""));
    assert_false(say("reboot a"));
    assert_string_equal(asked, "cad:16 ");
    assert_false(ts.vms[0].is_stopping);
    for (int i = 0; i < 2; i++) {
        assert_false(say("shutdown a"));
        assert_string_equal(asked, "power:16 ");
    }
    assert_string_equal(shown, "a: asked to shut down\n> ");
    assert_false(say("list"));
    assert_non_null(strstr(shown, "---s--"));

    memset(&ts, 0, sizeof ts); /* the toolstack dies: it still knows */
    assert_false(start());
    assert_true(ts.vms[0].is_stopping);
    assert_false(say("shutdown a"));
    assert_string_equal(asked, "power:16 ");
    refuse = "power";
    assert_false(say("shutdown a"));
    assert_non_null(strstr(shown, "a: not asked to shut down: no such luck\n"));
    assert_false(report(16, bh_VmEventKind_UNHEARD, ""));
    assert_false(ts.vms[0].is_heard);
    assert_false(report(16, bh_VmEventKind_REBOOT, ""));
    assert_false(ts.vms[0].is_stopping); /* it starts anew */
}

static void a_vmm_speaks_for_its_own_vm_only(void **state)
{
    (void)state;
    record("a", true, 0);
    assert_false(start());
    assert_false(report(17, bh_VmEventKind_POWEROFF, ""));
    assert_false(report(1, bh_VmEventKind_POWEROFF, ""));
    assert_false(report(0x10000000010ull, bh_VmEventKind_POWEROFF, ""));
    assert_int_equal(ts.vms[0].state, VM_STARTING);
}

/* ---- the machine's end */

static void console_mode_ends_with_its_vm(void **state)
{
    (void)state;
    options = "x=y console=b";
    record("a", true, 0);
    record("b", true, 0);
    assert_false(start());
    assert_ptr_equal(strstr(asked, "focus:17 "), asked); /* before anything else */
    assert_ptr_equal(strstr(shown, "\033]bh;console=b\a"), shown);
    assert_false(report(16, bh_VmEventKind_CRASH, "x"));
    assert_true(report(17, bh_VmEventKind_POWEROFF, ""));
    assert_non_null(strstr(asked, "keepcon:17 "));
    assert_non_null(strstr(shown, "\033]bh;exit=0;\a"));
}

static void console_mode_tells_how_its_vm_ended(void **state)
{
    (void)state;
    options = "console=a";
    record("a", true, 0);
    assert_false(start());
    assert_true(report(16, bh_VmEventKind_CRASH, "its kernel stopped"));
    assert_non_null(strstr(shown, "\033]bh;exit=3;a: crashed: its kernel stopped\a"));

    (void)scene(state);
    options = "console=a";
    record("a", true, 1);
    refuse = "blk0";
    assert_true(start());
    assert_non_null(strstr(shown, "\033]bh;exit=1;a: cannot start: disk vda: no such luck\a"));

    (void)scene(state);
    options = "console=zzz";
    record("a", true, 1);
    assert_true(start());
    assert_non_null(strstr(shown, "\033]bh;exit=1;console=zzz: there is no VM of that name\a"));
}

static void the_end_of_input_without_vms_switches_off(void **state)
{
    (void)state;
    record("a", false, 0);
    assert_false(start());
    assert_true(say("^D"));
    assert_non_null(strstr(shown, "\033]bh;exit=0;\a"));
}

static void the_end_of_input_with_vms_waits_for_them(void **state)
{
    (void)state;
    record("a", true, 0);
    record("b", true, 0);
    assert_false(start());
    assert_false(say("^D"));
    assert_non_null(strstr(shown, "a has ended"));
    assert_string_equal(asked, "");
    assert_false(report(16, bh_VmEventKind_POWEROFF, ""));
    assert_false(say("^D"));
    assert_string_equal(asked, "focus:17 "); /* one is left: its output is shown */
    assert_true(report(17, bh_VmEventKind_POWEROFF, ""));
}

static void a_refused_autostart_is_the_machines_exit_status(void **state)
{
    (void)state;
    record("a", true, 0);
    refuse = "mem";
    assert_false(start());
    assert_non_null(strstr(shown, "a: cannot start: memory: no such luck\n> "));
    assert_true(say("^D"));
    assert_non_null(strstr(shown, "\033]bh;exit=1;a: cannot start: memory: no such luck\a"));
}

static void poweroff_ends_all_vms_first(void **state)
{
    (void)state;
    record("a", true, 0);
    record("b", true, 0);
    assert_false(start());
    assert_true(say("poweroff"));
    assert_string_equal(asked,
                        "uncon:16 remove:16 unmake:16 unmem:16 uncon:17 remove:17 unmake:17 unmem:17 ");
}

/* ---- verbs */

static void what_makes_no_sense_is_answered_in_one_line(void **state)
{
    (void)state;
    record("a", false, 0);
    assert_false(start());
    assert_false(say("frobnicate"));
    assert_string_equal(shown, "frobnicate: there is no such command: try `help`\n> ");
    assert_false(say("create b"));
    assert_string_equal(shown, "create: there is no VM `b`: see `list`\n> ");
    assert_false(say("create"));
    assert_string_equal(shown, "usage: create NAME\n> ");
    assert_false(say("list a"));
    assert_string_equal(shown, "usage: list \n> ");
    assert_false(say("destroy a"));
    assert_string_equal(shown, "a: it does not run\n> ");
    assert_false(say("console a"));
    assert_string_equal(shown, "a: it does not run: `create a` starts it\n> ");
    assert_false(say("   "));
    assert_string_equal(shown, "> ");
}

static void list_and_info_show_what_there_is(void **state)
{
    (void)state;
    record("a", true, 1);
    record("b", false, 0);
    assert_false(start());
    assert_false(say("list"));
    assert_non_null(strstr(shown, "a                                   16   257     2 -b----       2.5\n"));
    assert_non_null(strstr(shown, "b                                    -   257     2 ------       0.0\n"));
    assert_false(say("info"));
    assert_non_null(strstr(shown, "pcpus            : 4\n"));
    assert_non_null(strstr(shown, "memory_free      : 8 KiB (2 pages)\n"));
    assert_false(say("info a"));
    assert_non_null(strstr(shown, "disk             : vda is root0, read-only\n"));
    assert_false(say("dmesg"));
    assert_string_equal(shown, "line 0\nline 1\nline 2\n> ");
}

static void a_wire_that_takes_nothing_does_not_keep_us(void **state)
{
    uint64_t before;

    (void)state;
    assert_false(start());
    refuse = "write";
    refuse_with = ERR_FULL;
    before = now;
    assert_false(say("help"));
    assert_true(now - before < 20000000);
}

/* ---- restart */

static void a_restarted_toolstack_finds_its_vms(void **state)
{
    (void)state;
    record("a", true, 0);
    record("b", true, 0);
    assert_false(start());
    assert_false(report(16, bh_VmEventKind_READY, ""));
    ts.vms[1].state = VM_BUILDING; /* it died while it made b */
    toolstack_save(&ts);
    memset(&ts, 0, sizeof ts);
    forget();
    assert_false(start());
    assert_string_equal(asked, "uncon:17 remove:17 unmake:17 unmem:17 ");
    assert_int_equal(ts.vms[0].state, VM_RUNNING);
    assert_int_equal(ts.vms[1].state, VM_OFF);
    assert_non_null(strstr(shown, "> "));
}

/* It died while it wrote that b runs. */
static void a_torn_save_leaves_the_one_before(void **state)
{
    static uint8_t before[PERSIST_BYTES];
    uint8_t *pages = (uint8_t *)(uintptr_t)PERSIST_IPA;
    uint32_t changed = 0;

    (void)state;
    record("a", true, 0);
    record("b", true, 0);
    assert_false(start());
    assert_false(report(16, bh_VmEventKind_READY, ""));
    memcpy(before, pages, sizeof before);
    assert_false(report(17, bh_VmEventKind_READY, ""));
    for (uint32_t i = 0; i < sizeof before; i++) {
        if (pages[i] == before[i])
            continue;
        changed++;
        pages[i] ^= 0x55;
        memset(&ts, 0, sizeof ts);
        ts.vm_count = ts.record_count = record_count;
        ts.vms[0].is_record = ts.vms[1].is_record = true;
        assert_true(toolstack_load(&ts));
        assert_int_equal(ts.vms[0].state, VM_RUNNING);
        assert_int_equal(ts.vms[1].state, VM_STARTING);
        pages[i] ^= 0x55;
    }
    assert_in_range(changed, 3, 60); /* one record, not all */
}

static int persist_page(void **state)
{
    void *page = mmap((void *)(uintptr_t)PERSIST_IPA, PERSIST_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    (void)state;
    return page == (void *)(uintptr_t)PERSIST_IPA ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup(name, scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_vm_is_made_step_by_step),
        TEST(each_refusal_undoes_the_steps_before_it),
        TEST(a_vmm_is_told_what_the_file_said),
        TEST(interfaces_are_opened_as_the_file_says_and_closed_after_the_domain),
        TEST(the_refused_resource_is_named),
        TEST(a_memory_volume_has_a_session_of_its_own_at_mem),
        TEST(each_refusal_gives_back_a_memory_volume),
        TEST(memory_that_is_short_for_a_volume_names_volume_and_vm),
        TEST(memory_of_a_disk_that_is_not_closed_is_not_taken_away),
        TEST(requests_in_the_device_are_waited_for_before_their_memory_goes),
        TEST(undoing_is_tried_again_and_then_said),
        TEST(a_vm_that_powers_off_is_destroyed_and_bulkheads_prompt_stays),
        TEST(memory_is_promised_before_the_guest_is_told),
        TEST(memory_that_makes_no_sense_is_asked_of_nobody),
        TEST(a_reboot_keeps_the_target_and_an_end_forgets_it),
        TEST(a_reboot_whose_memory_others_have_goes_on_with_its_target),
        TEST(info_says_what_came_back),
        TEST(a_reboot_makes_it_again_and_the_console_stays),
        TEST(a_reboot_storm_ends),
        TEST(a_dead_vmm_is_a_crash),
        TEST(a_preserved_vm_stays_until_destroyed),
        TEST(a_paused_vm_is_a_running_one_without_time),
        TEST(a_vm_that_is_paused_while_it_starts_never_runs),
        TEST(a_guest_is_asked_when_it_can_hear),
        TEST(a_vmm_speaks_for_its_own_vm_only),
        TEST(console_mode_ends_with_its_vm),
        TEST(console_mode_tells_how_its_vm_ended),
        TEST(the_end_of_input_without_vms_switches_off),
        TEST(the_end_of_input_with_vms_waits_for_them),
        TEST(a_refused_autostart_is_the_machines_exit_status),
        TEST(poweroff_ends_all_vms_first),
        TEST(what_makes_no_sense_is_answered_in_one_line),
        TEST(list_and_info_show_what_there_is),
        TEST(a_wire_that_takes_nothing_does_not_keep_us),
        TEST(a_restarted_toolstack_finds_its_vms),
        TEST(a_torn_save_leaves_the_one_before),
    };

    return cmocka_run_group_tests_name("toolstack_life", tests, persist_page, NULL);
}
