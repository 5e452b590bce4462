/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xlkeys.h - every key of a VM file: what Bulkhead does with it
 *
 * All keys of xl.cfg(5), and some that other versions of xl know, are in one table, so that none is ignored
 * in silence and none is refused without a reason.  docs/xl-cfg.md is made from it (tools/gen_xl_cfg.py).
 */
#ifndef BH_XLKEYS_H
#define BH_XLKEYS_H

#include <libxlutil.h>

/* NULL: this key's value is read by vmfile.c, or asks for what is so anyway.  Else why it is refused, in
 * words that are the caller's to free. */
char *xlkey_judge(XLU_Config *xlu, const char *key);

#endif
