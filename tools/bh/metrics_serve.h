/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics_serve.h - metrics over HTTP
 */
#ifndef BH_METRICS_SERVE_H
#define BH_METRICS_SERVE_H

#include <stdio.h>

#include "verb.h"

/* Serve what `render` writes at [ADDRESS:]PORT, on /metrics.  Where it cannot listen the tool ends. */
_Noreturn void metrics_serve(const struct args *args, const char *where,
                             void (*render)(const struct args *args, FILE *out));

#endif
