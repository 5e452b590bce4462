/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * results.h - what became of each VM of a verb that takes several: one refusal does not keep it from the
 * others
 */
#ifndef BH_RESULTS_H
#define BH_RESULTS_H

#include "client.h"
#include "json.h"
#include "verb.h"

struct results {
    const struct args *args;
    const char *done; /* "paused": what is said of a VM; NULL: nothing */
    struct json json;
    int status; /* the exit status so far */
};

void results_start(struct results *results, const struct args *args, const char *done);
/* One VM's: the MgmtStatus, the reply, the text of a refusal. */
void results_take(struct results *results, uint32_t status, const bh_MgmtVmReply *reply, const char *error);
/* Returns the exit status. */
int results_end(struct results *results);

/* A verb that asks one thing of one VM: ask, say what became of it, end; returns the exit status. */
int result_of(const struct args *args, const char *done, uint32_t method, const void *request);

#endif
