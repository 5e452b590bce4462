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

extern const struct verb verb_run, verb_machines, verb_info;
extern const struct verb verb_list, verb_domid, verb_domname, verb_domuuid, verb_domstate, verb_uptime,
    verb_dominfo;
extern const struct verb verb_help;

/* `bh run`, in main.c's hands: it is where everything comes together. */
int run_machine(const struct args *args);
/* What `info VM` says. */
void info_vm_print(const bh_MgmtVmInfo *info);

#endif
