/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vms.h - a machine's VMs, as verbs go through them
 */
#ifndef BH_VMS_H
#define BH_VMS_H

#include "client.h"
#include "verb.h"

/* All VMs; *count of them. */
bh_MgmtVm *vms_list(struct client *client, unsigned *count);
/* Those that the command line names, in its order; all when it names none. */
bh_MgmtVm *vms_asked(struct client *client, const struct args *args, unsigned *count);
/* One, by its name, id or UUID; the tool ends if there is none. */
void vm_info(struct client *client, const char *vm, bh_MgmtVmInfo *info);
/* Put what names it into a request's `vm`, as large in each; the tool ends if that is no name. */
#define VM_WORD_BYTES sizeof(((bh_MgmtVmRequest *)0)->vm)
void vm_word(char to[VM_WORD_BYTES], const char *vm);
/* It exists now. */
bool vm_exists(const bh_MgmtVm *vm);
/* Its id in text, or "-" if it does not exist; stays until the next call. */
const char *vm_id_text(const bh_MgmtVm *vm);

#endif
