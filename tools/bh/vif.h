/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vif.h - one entry of a VM file's vif list, as xl-network-configuration(5) says it
 */
#ifndef BH_VIF_H
#define BH_VIF_H

#include <stddef.h>
#include <stdint.h>

#include <libxlutil.h>

#include "vm.pb.h"

/*
 * Reads "mac=..,bridge=..,ip=..,rate=..,vlan=..".  What is not said: the MAC is made from the VM's name and
 * the entry's number (the same each time, locally administered); bridge is empty (the machine's first
 * network); addresses are those that DHCP gives.  NULL: fine; else what is wrong with it, in words.
 */
const char *vif_parse(XLU_Config *xlu, const char *text, const char *vm_name, uint32_t index, bh_Vif *out);

#endif
