/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - scheduling policy: weights, as plans
 *
 * sched is asked seldom (a VM comes or goes) and never runs in between: the kernel goes on with the last plan
 * that was committed, even when sched is dead.
 */
#include "bh.h"
#include "sched.h"
#include "sched_rpc.h"

int main(void)
{
    static struct sched sched;

    sched_recover(&sched);
    bh_serve(sched_serve, &sched);
}
