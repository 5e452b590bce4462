/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verbs.c - what a person can say at Bulkhead's prompt: the verbs of `bh` and `xl`
 *
 * Always true:  whatever was typed is answered, and then the prompt comes again.
 */
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "caps_toolstack.h"
#include "console_rpc.h"
#include "text.h"
#include "toolstack.h"

#define DMESG_PIECES_MAX 200u /* a log that grows as fast as we read does not keep us */

struct verb {
    const char *name;
    const char *argument; /* "": none; "NAME": one; "[NAME]": one or none */
    const char *help;
    void (*serve)(struct toolstack *ts, struct vm *vm); /* vm: what NAME names; NULL without one */
};

static void verb_list(struct toolstack *ts, struct vm *vm)
{
    (void)vm;
    info_list(ts);
}

static void verb_info(struct toolstack *ts, struct vm *vm)
{
    if (vm)
        info_vm(ts, vm);
    else
        info_machine(ts);
}

static void verb_create(struct toolstack *ts, struct vm *vm)
{
    if (vm->state != VM_OFF) {
        out_printf(ts, "%s: it exists already: see `list`\n", vm->config.name);
        return;
    }
    vm_start(ts, vm);
    if (vm->state != VM_OFF)
        out_printf(ts, "%s: started, id %u; `console %s` shows its console\n", vm->config.name, vm_id(vm),
                   vm->config.name);
}

static void verb_destroy(struct toolstack *ts, struct vm *vm)
{
    if (vm->state == VM_OFF) {
        out_printf(ts, "%s: it does not run\n", vm->config.name);
        return;
    }
    vm_destroy(ts, vm, false);
    out_printf(ts, "%s: destroyed\n", vm->config.name);
}

/* As `xl`: asked for twice it is done once, and both is well. */
static void pause_or_go_on(struct toolstack *ts, struct vm *vm, bool paused)
{
    char error[ERROR_BYTES];

    if (vm->state != VM_RUNNING && vm->state != VM_STARTING)
        out_printf(ts, "%s: it does not run\n", vm->config.name);
    else if (vm_pause(ts, vm, paused, error) != OK)
        out_printf(ts, "%s: not %spaused: %s\n", vm->config.name, paused ? "" : "un", error);
    else
        out_printf(ts, "%s: %spaused\n", vm->config.name, paused ? "" : "un");
}

static void verb_pause(struct toolstack *ts, struct vm *vm)
{
    pause_or_go_on(ts, vm, true);
}

static void verb_unpause(struct toolstack *ts, struct vm *vm)
{
    pause_or_go_on(ts, vm, false);
}

static void wish_tell(struct toolstack *ts, struct vm *vm, enum vm_wish wish)
{
    const char *verb = wish == WISH_SHUTDOWN ? "shut down" : "reboot";
    char error[ERROR_BYTES];

    if (vm->state != VM_RUNNING)
        out_printf(ts, "%s: it does not run\n", vm->config.name);
    else if (vm_ask(ts, vm, wish, error) != OK)
        out_printf(ts, "%s: not asked to %s: %s\n", vm->config.name, verb, error);
    else
        out_printf(ts, "%s: asked to %s%s\n", vm->config.name, verb,
                   vm->is_paused ? "; it hears that when it is unpaused" : "");
}

static void verb_shutdown(struct toolstack *ts, struct vm *vm)
{
    wish_tell(ts, vm, WISH_SHUTDOWN);
}

static void verb_reboot(struct toolstack *ts, struct vm *vm)
{
    wish_tell(ts, vm, WISH_REBOOT);
}

static void verb_console(struct toolstack *ts, struct vm *vm)
{
    if (vm->state == VM_OFF) {
        out_printf(ts, "%s: it does not run: `create %s` starts it\n", vm->config.name, vm->config.name);
        return;
    }
    out_printf(ts, "%s: its console; Ctrl-] leads back here\n", vm->config.name);
    console_give(ts, vm_id(vm));
}

static void verb_dmesg(struct toolstack *ts, struct vm *vm)
{
    bh_DmesgRequest request = bh_DmesgRequest_init_zero;
    static bh_DmesgReply reply;

    (void)vm;
    for (uint32_t i = 0; i < DMESG_PIECES_MAX; i++) {
        enum status status = console_rpc_dmesg(CAP_CONSOLE, &request, &reply, NULL, bh_after_ms(ASK_MS));

        if (status != OK || reply.status != OK)
            out_printf(ts, "the log cannot be read: %s\n", bh_status_name(status));
        if (status != OK || reply.status != OK || reply.text[0] == 0)
            return;
        out_printf(ts, "%s", reply.text);
        request.position = reply.next;
    }
}

static void verb_poweroff(struct toolstack *ts, struct vm *vm)
{
    (void)vm;
    life_machine_off(ts);
}

static void verb_help(struct toolstack *ts, struct vm *vm);

static const struct verb verbs[] = {
    {"help", "", "these lines", verb_help},
    {"list", "", "the VMs: id, memory, vCPUs, state, CPU time", verb_list},
    {"create", "NAME", "start a VM of those that came with the machine", verb_create},
    {"shutdown", "NAME", "ask a VM's guest to shut down, as its power key does", verb_shutdown},
    {"reboot", "NAME", "ask a VM's guest to reboot, as Ctrl-Alt-Del does", verb_reboot},
    {"destroy", "NAME", "end a VM at once, as if its power were cut", verb_destroy},
    {"pause", "NAME", "give a VM's vCPUs no more time", verb_pause},
    {"unpause", "NAME", "let a paused VM go on", verb_unpause},
    {"console", "NAME", "this terminal becomes the VM's console; Ctrl-] leads back", verb_console},
    {"info", "[NAME]", "the machine, or one VM", verb_info},
    {"dmesg", "", "the log of the kernel and the services", verb_dmesg},
    {"poweroff", "", "end all VMs and switch the machine off", verb_poweroff},
};
#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static void verb_help(struct toolstack *ts, struct vm *vm)
{
    (void)vm;
    for (size_t i = 0; i < VERB_COUNT; i++)
        out_printf(ts, "%-8s %-7s %s\n", verbs[i].name, verbs[i].argument, verbs[i].help);
}

static const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* The words of a line: one verb, and the arguments that it takes. */
static void line_serve(struct toolstack *ts, char *line)
{
    char *words[WORDS_MAX];
    uint32_t count = text_words(line, words);

    if (count == 0)
        return;
    const struct verb *verb = verb_find(words[0]);

    if (!verb) {
        out_printf(ts, "%s: there is no such command: try `help`\n", words[0]);
        return;
    }
    bool takes = verb->argument[0] != 0, needs = verb->argument[0] == 'N';

    if (count > (takes ? 2u : 1u) || (needs && count < 2)) {
        out_printf(ts, "usage: %s %s\n", verb->name, verb->argument);
        return;
    }
    struct vm *vm = count == 2 ? vm_find(ts, words[1]) : NULL;

    if (count == 2 && !vm)
        out_printf(ts, "%s: there is no VM `%s`: see `list`\n", verb->name, words[1]);
    else
        verb->serve(ts, vm);
}

/*
 * The machine goes off with its last VM; until then it runs on.  Nothing more will be typed here, so a single
 * VM gets the wire: its output is worth more than a prompt.
 */
static void input_ended(struct toolstack *ts)
{
    struct vm *alive = NULL;
    uint32_t count = 0;

    ts->input_ended = true;
    toolstack_save(ts);
    for (uint32_t i = 0; i < ts->vm_count; i++) {
        if (!vm_is_alive(&ts->vms[i]))
            continue;
        alive = &ts->vms[i];
        count++;
        out_printf(ts, "end of input: the machine goes off when %s has ended\n", alive->config.name);
    }
    if (count == 1)
        console_give(ts, vm_id(alive));
}

void verbs_serve(struct toolstack *ts)
{
    static const bh_LineRequest request = bh_LineRequest_init_zero;
    bh_LineReply reply;
    enum status status = console_rpc_next_line(CAP_CONSOLE, &request, &reply, NULL, bh_after_ms(ASK_MS));

    if (status != OK || reply.status != OK || !reply.found)
        return;
    if (reply.eof)
        input_ended(ts);
    else
        line_serve(ts, reply.line);
    life_go_on(ts); /* an end of input without a VM ends here */
    out_prompt(ts);
}
