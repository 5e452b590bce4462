/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_id.h - the numbers of VMs: badges of their sessions at every service, below which are services' own */
#ifndef BH_VM_ID_H
#define BH_VM_ID_H

#define VM_ID_MIN 16u

#endif
