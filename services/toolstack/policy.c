/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy.c - what happens when a VM ends: on_poweroff, on_reboot and on_crash of its file
 *
 * Always true:  a VM that could not start, or that a person destroyed, is never started again by itself.
 */
#include "policy.h"

static enum action action_of(bh_OnEvent event)
{
    switch (event) {
    case bh_OnEvent_RESTART:
        return ACTION_RESTART;
    case bh_OnEvent_PRESERVE:
        return ACTION_PRESERVE;
    default:
        return ACTION_DESTROY;
    }
}

static enum action action_configured(const bh_VmConfig *config, enum vm_ending ending)
{
    switch (ending) {
    case END_POWEROFF:
        return action_of(config->on_poweroff);
    case END_REBOOT:
        return action_of(config->on_reboot);
    case END_CRASH:
        return action_of(config->on_crash);
    default:
        return ACTION_DESTROY;
    }
}

enum action policy_decide(struct vm *vm, enum vm_ending ending, uint64_t lived_seconds)
{
    enum action action = action_configured(&vm->config, ending);

    vm->quick_ends = lived_seconds < QUICK_SECONDS ? vm->quick_ends + 1 : 0;
    if (action == ACTION_RESTART && vm->quick_ends >= QUICK_ENDS_MAX)
        return ACTION_DESTROY;
    return action;
}

uint32_t policy_exit_status(enum vm_ending ending)
{
    switch (ending) {
    case END_REFUSED:
        return 1;
    case END_CRASH:
        return 3;
    default:
        return 0;
    }
}

const char *policy_ending_name(enum vm_ending ending)
{
    switch (ending) {
    case END_POWEROFF:
        return "powered off";
    case END_REBOOT:
        return "rebooting";
    case END_CRASH:
        return "crashed";
    case END_REFUSED:
        return "cannot start";
    case END_DESTROYED:
        return "destroyed";
    default:
        return "ended";
    }
}
