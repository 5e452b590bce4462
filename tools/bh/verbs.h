/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verbs.h - the verbs, as their files define them, and what they share
 */
#ifndef BH_VERBS_H
#define BH_VERBS_H

#include "mgmt.pb.h"
#include "verb.h"

#define GROUP_MACHINES "Machines"
#define GROUP_VMS "VMs"
#define GROUP_DEVICES "Processors, memory, devices"
#define GROUP_TOOL "This tool"

extern const struct verb verb_run, verb_machines, verb_info, verb_images, verb_domains, verb_dmesg;
extern const struct verb verb_list, verb_create, verb_start, verb_console, verb_pause, verb_unpause,
    verb_shutdown, verb_reboot, verb_destroy, verb_rename, verb_dominfo, verb_domid, verb_domname,
    verb_domuuid, verb_domstate, verb_uptime, verb_config_update;
extern const struct verb verb_vcpu_list, verb_vcpu_pin, verb_sched, verb_mem_set, verb_block_list,
    verb_block_attach, verb_block_detach, verb_network_list, verb_network_attach, verb_network_detach;
extern const struct verb verb_top, verb_metrics;
extern const struct verb verb_help, verb_completion;

/* `bh run`, in main.c's hands: it is where everything comes together. */
int run_machine(const struct args *args);
/* What `info VM` says. */
void info_vm_print(const bh_MgmtVmInfo *info);

#endif
