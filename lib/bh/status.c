/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.c - a status's name, for log lines
 */
#include "bh.h"

const char *bh_status_name(enum status status)
{
    static const char *const names[] = {
        [OK] = "OK",
        [ERR_CALL] = "ERR_CALL",
        [ERR_CAP] = "ERR_CAP",
        [ERR_RIGHT] = "ERR_RIGHT",
        [ERR_ARG] = "ERR_ARG",
        [ERR_STATE] = "ERR_STATE",
        [ERR_FULL] = "ERR_FULL",
        [ERR_MEM] = "ERR_MEM",
        [ERR_PEER] = "ERR_PEER",
        [ERR_TIME] = "ERR_TIME",
        [ERR_IO] = "ERR_IO",
        [ERR_EXIST] = "ERR_EXIST",
    };

    return (unsigned)status < sizeof(names) / sizeof(names[0]) ? names[status] : "unknown status";
}
