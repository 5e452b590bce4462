/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.h - the log's ends inside the kernel
 */
#ifndef REPORT_H
#define REPORT_H

#include "kernel.h"

struct log *log_get(void);
extern bool log_news;  /* written to since the reader was told */
void log_notify(void); /* tell the reader of news; kernel_lock */
void uart_init(void);
void uart_put(char c);
_Noreturn void machine_off(uint32_t reason); /* PSCI: 0 off, 1 reset */

#endif
