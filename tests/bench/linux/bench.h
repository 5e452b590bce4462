/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - what the parts of /bench share
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

/* CNTVCT_EL0 in nanoseconds: under QEMU's -icount shift=0 one is one instruction, as long as nobody idles. */
uint64_t now_ns(void);

/* net.c, by what bench= says (bench.c) */
void tcp_loopback(const char *unused);
void tcp_serve(const char *address);
void tcp_measure(const char *addresses);
void tcp_obey(const char *addresses);

#endif
