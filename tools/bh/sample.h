/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sample.h - what VMs and Bulkhead's own domains have used so far, asked at one time: for `top` and `metrics`
 */
#ifndef BH_SAMPLE_H
#define BH_SAMPLE_H

#include "client.h"

struct sample {
    bh_MgmtMachine machine;
    uint64_t uptime_us; /* of the machine; of a difference: how long it was */
    bh_MgmtVmStats *vms;
    unsigned vm_count;
    bh_MgmtDomain *domains;
    unsigned domain_count;
};

/* Ends the tool when the machine does not answer. */
void sample_take(struct client *client, struct sample *sample);
void sample_free(struct sample *sample);
/* What was used between two samples, of the VMs and domains of the later one.  What has started anew since
 * counts from there. */
void sample_difference(struct sample *between, const struct sample *before, const struct sample *now);

#endif
