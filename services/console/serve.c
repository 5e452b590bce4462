/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * serve.c - what others ask of the console, one function per `rpc` line of idl/console.proto
 *
 * Each first asks whether this session may ask that: the badge says who it is, the message never does.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "caps_console.h"
#include "console_rpc.h"
#include "manifest.h"
#include "service.h"

#define BADGE_TOOLSTACK 1u
#define BADGE_VM_FIRST 16u

_Static_assert(sizeof(((bh_LineReply *)0)->line) == LINE_BYTES, "a line fits its reply");
_Static_assert(sizeof(((bh_ConsoleOpenRequest *)0)->name) == VM_NAME_BYTES, "a VM's name");

static const char *const domain_names[DOMAIN_COUNT] = {MANIFEST_DOMAIN_NAMES};

static struct service *service_of(const struct rpc_call *call)
{
    return call->context;
}

/* Capabilities that came where none belong. */
static void caps_drop(struct rpc_call *call)
{
    for (uint32_t i = 0; i < call->in_count; i++)
        bh_slot_drop(call->in[i]);
    call->in_count = 0;
}

static void answer(bh_ConsoleStatus *rep, const struct console *c, enum status status, const char *error)
{
    rep->status = (uint32_t)status;
    rep->pending = console_pending(c);
    snprintf(rep->error, sizeof rep->error, "%s", status == OK ? "" : error);
}

static bool is_toolstack(struct rpc_call *call)
{
    caps_drop(call);
    return call->badge == BADGE_TOOLSTACK;
}

/* Whose line it is: a domain, or a VM that has lines left.  NULL: nobody's who may log. */
static const char *log_name(struct console *c, uint64_t badge)
{
    if (badge >= MANIFEST_LOG_BADGE && badge - MANIFEST_LOG_BADGE < DOMAIN_COUNT)
        return domain_names[badge - MANIFEST_LOG_BADGE];
    if (badge < BADGE_VM_FIRST || badge >= MANIFEST_LOG_BADGE)
        return NULL;
    struct vm_console *vm = console_find(c, (uint32_t)badge);

    if (!vm || vm->log_lines_left == 0)
        return NULL;
    vm->log_lines_left--;
    return vm->name;
}

void console_on_log(struct rpc_call *call, const bh_LogRequest *req, bh_ConsoleStatus *rep)
{
    struct console *c = &service_of(call)->console;
    const char *name = log_name(c, call->badge);

    caps_drop(call);
    if (name)
        console_log(c, name, req->text, call->badge == MANIFEST_LOG_BADGE + DOMAIN_TOOLSTACK);
    answer(rep, c, name ? OK : ERR_RIGHT, "no log session");
}

void console_on_open(struct rpc_call *call, const bh_ConsoleOpenRequest *req, bh_ConsoleStatus *rep)
{
    struct console *c = &service_of(call)->console;

    if (!is_toolstack(call) || req->vm_id < BADGE_VM_FIRST || req->vm_id >= MANIFEST_LOG_BADGE)
        return answer(rep, c, ERR_RIGHT, "only the toolstack opens consoles, for VMs");
    enum status status = console_open(c, req->vm_id, req->name);

    answer(rep, c, status,
           status == ERR_EXIST  ? "this VM has a console already"
           : status == ERR_FULL ? "all VM consoles are in use"
                                : "a console needs a name");
}

void console_on_close(struct rpc_call *call, const bh_ConsoleCloseRequest *req, bh_ConsoleStatus *rep)
{
    struct service *s = service_of(call);
    struct console *c = &s->console;

    if (!is_toolstack(call))
        return answer(rep, c, ERR_RIGHT, "only the toolstack closes consoles");
    struct vm_console *vm = console_find(c, req->vm_id);

    if (vm)
        service_detach(s, console_index(c, vm));
    if (!req->keep_focus)
        attached_vm_ends(&s->channel, req->vm_id);
    answer(rep, c, console_close(c, req->vm_id, req->keep_focus), "this VM has no console");
}

/* Give a vmm its ring page and the way to ring us; take the way to ring it.  Any number of times: the last
 * counts. */
void console_on_attach(struct rpc_call *call, const bh_ConsoleAttachRequest *req, bh_ConsoleAttachReply *rep)
{
    struct service *s = service_of(call);
    struct vm_console *vm =
        call->badge < MANIFEST_LOG_BADGE ? console_find(&s->console, (uint32_t)call->badge) : NULL;

    (void)req;
    if (!vm || call->in_count != 1) {
        caps_drop(call);
        rep->status = vm ? ERR_ARG : ERR_RIGHT;
        snprintf(rep->error, sizeof rep->error, "%s",
                 vm ? "exactly one capability is expected: a Notification" : "this VM has no console");
        return;
    }
    uint32_t index = console_index(&s->console, vm);

    service_detach(s, index);
    s->vm_notify[index] = call->in[0];
    call->in_count = 0;
    if (s->vm_events[index] == 0)
        s->vm_events[index] = service_events_mint(EVENT_VM(index));
    call->out[0] = CAP_RINGS + index;
    call->out[1] = s->vm_events[index];
    call->out_count = 2;
    s->console.signal_vms |= 1ull << index; /* input may be there already */
    console_rung(&s->console, index);
    rep->status = OK;
}

void console_on_next_line(struct rpc_call *call, const bh_LineRequest *req, bh_LineReply *rep)
{
    struct service *s = service_of(call);
    bool eof = false;

    (void)req;
    if (!is_toolstack(call)) {
        rep->status = ERR_RIGHT;
        return;
    }
    rep->status = OK;
    rep->found = console_take_line(&s->console, rep->line, &eof);
    rep->eof = eof;
}

void console_on_write(struct rpc_call *call, const bh_WriteRequest *req, bh_ConsoleStatus *rep)
{
    struct console *c = &service_of(call)->console;

    if (!is_toolstack(call))
        return answer(rep, c, ERR_RIGHT, "only the toolstack writes here");
    answer(rep, c, req->raw ? console_write_raw(c, req->text) : console_write(c, req->text, req->prompt),
           "the wire is slow: try later");
}

void console_on_focus(struct rpc_call *call, const bh_FocusRequest *req, bh_ConsoleStatus *rep)
{
    struct console *c = &service_of(call)->console;

    if (!is_toolstack(call) || (req->vm_id != FOCUS_OWN && req->vm_id < BADGE_VM_FIRST))
        return answer(rep, c, ERR_RIGHT, "only the toolstack moves the focus, to VMs");
    console_focus(c, req->vm_id);
    answer(rep, c, OK, "");
}

/* As many whole lines as fit. */
void console_on_dmesg(struct rpc_call *call, const bh_DmesgRequest *req, bh_DmesgReply *rep)
{
    const struct dmesg *log = &service_of(call)->console.log;
    uint64_t position = req->position;
    size_t used = 0;

    if (!is_toolstack(call)) {
        rep->status = ERR_RIGHT;
        return;
    }
    for (uint32_t count = 1; count > 0 && sizeof rep->text - 1 - used >= DMESG_LINE_BYTES; used += count)
        count = dmesg_next(log, &position, rep->text + used);
    rep->text[used] = 0;
    rep->next = position;
    rep->status = OK;
}

/* ---- the management channel ----------------------------------------------------------------------- */

void console_on_mgmt_attach(struct rpc_call *call, const bh_MgmtAttachRequest *req, bh_MgmtAttachReply *rep)
{
    struct service *s = service_of(call);

    if (!is_toolstack(call)) {
        rep->status = ERR_RIGHT;
        return;
    }
    if (s->port.state == PORT_NONE || req->boot_id.size != BOOT_ID_BYTES) {
        rep->status = s->port.state == PORT_NONE ? ERR_EXIST : ERR_ARG;
        return;
    }
    if (s->mgmt_events == 0)
        s->mgmt_events = service_events_mint(EVENT_MGMT);
    channel_toolstack(&s->channel, req->boot_id.bytes, req->machine);
    call->out[0] = s->mgmt_events;
    call->out_count = 1;
    rep->pages = MGMT_RING_PAGES;
    rep->generation = s->console.generation;
    rep->status = OK;
}

void console_on_mgmt_ring(struct rpc_call *call, const bh_MgmtRingRequest *req, bh_MgmtRingReply *rep)
{
    if (!is_toolstack(call) || req->first >= MGMT_RING_PAGES) {
        rep->status = call->badge == BADGE_TOOLSTACK ? ERR_ARG : ERR_RIGHT;
        return;
    }
    while (call->out_count < IPC_CAPS_MAX && req->first + call->out_count < MGMT_RING_PAGES) {
        call->out[call->out_count] = CAP_RINGS + VM_CONSOLES_MAX + req->first + call->out_count;
        call->out_count++;
    }
    rep->count = call->out_count;
    rep->status = OK;
}

void console_on_watch(struct rpc_call *call, const bh_WatchRequest *req, bh_ConsoleStatus *rep)
{
    struct service *s = service_of(call);
    enum status status;

    if (!is_toolstack(call) || req->client > UINT16_MAX)
        return answer(rep, &s->console, ERR_RIGHT, "only the toolstack attaches clients");
    status = channel_watch(&s->channel, (uint16_t)req->client, req->stream, req->vm_id, req->may_type,
                           req->with_backlog);
    answer(rep, &s->console, status,
           status == ERR_FULL    ? "as many are at consoles as the machine takes"
           : status == ERR_STATE ? "this stream is open already"
                                 : "no such client, or the VM has no console");
}
