/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.h - who has been admitted, where, and with what weight
 *
 * Policy only: no capability is touched here, so all of it runs as host tests.  The table lies in sched's
 * persist pages; its index says in which slot of sched's CSpace the SchedContext is.
 *
 * Always true:  the entries of one pCPU fit one plan.
 *               an entry is counted once its name and numbers are complete (`used` is written last).
 */
#ifndef SCHED_TABLE_H
#define SCHED_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "vm_id.h"

#define ENTRIES_MAX 512u
#define PLACES_MAX 64u
#define PCPUS_MAX 16u
#define WEIGHT_MAX 65535u
#define WEIGHT_USUAL 256u
#define PIN_NONE 0xffu
#define CAP_MAX(vcpus) (100u * (vcpus))
#define TABLE_MAGIC 0x48435342u /* "BSCH" */
#define TABLE_ERROR_BYTES 120u

#define EPOCH_US 10000u
#define SLICE_MIN_US 50u

struct entry {
    uint8_t used;
    uint8_t is_service; /* ahead of every guest in its plan: it preempts them when it wakes */
    uint16_t pcpu;
    uint32_t vm_id; /* 0: one of the machine's own services */
    uint32_t index; /* of the vCPU */
    uint32_t place; /* of its VM, in `places`; PLACES_MAX: it has none */
    uint32_t weight;
    char name[32];
};

/* Where the vCPUs of a VM are meant to be, from Place until Remove. */
struct place {
    uint32_t vm_id; /* 0: unused */
    uint32_t vcpus;
    uint8_t pcpus[PCPUS_MAX];
    uint32_t is_paused; /* its vCPUs are in no plan; its vmm is */
    uint32_t weight;    /* of each vCPU, as the toolstack said */
    uint32_t cap;       /* percent of one pCPU that all its vCPUs together have at most; 0: no limit */
    uint64_t resumed;   /* when it was unpaused last, system counter; 0: never */
};

/* The persist pages. */
struct table {
    uint32_t magic;
    uint32_t high; /* from here on no entry was ever used */
    struct entry entries[ENTRIES_MAX];
    struct place places[PLACES_MAX];
};
#define TABLE_PAGES 8u
_Static_assert(sizeof(struct table) <= TABLE_PAGES * 4096, "the table fits its persist pages");

/* A fresh table is initialised; one left by an earlier sched is judged (ERR_STATE: damaged). */
enum status table_open(struct table *table, uint32_t pcpu_count);

/* May this be admitted?  `error` (TABLE_ERROR_BYTES) says in words why not. */
enum status table_judge(const struct table *table, uint32_t pcpu_count, const struct entry *wanted,
                        char *error);
/* The entry for (vm_id, index, is_service, and for services the name), or ENTRIES_MAX. */
uint32_t table_find(const struct table *table, const struct entry *wanted);
uint32_t table_find_free(const struct table *table);
void table_put(struct table *table, uint32_t at, const struct entry *entry);
void table_remove(struct table *table, uint32_t at);

/* A pCPU for each of the VM's vCPUs: the one chosen before, or the least loaded ones, distinct as far as
 * there are enough.  NULL and `error` when refused. */
const struct place *table_place(struct table *table, uint32_t pcpu_count, uint32_t vm_id, uint32_t vcpus,
                                char *error);
/* The same, its vCPUs where `pins` say (the first pin_count of them; PIN_NONE: as above). */
const struct place *table_place_pinned(struct table *table, uint32_t pcpu_count, uint32_t vm_id,
                                       uint32_t vcpus, const uint8_t *pins, uint32_t pin_count, char *error);
/* A vmm admits the vCPUs that its VM has a place for, where they were placed: refused otherwise.  Their
 * weight is the toolstack's word, not the vmm's. */
enum status table_judge_vcpu(const struct table *table, struct entry *wanted, char *error) BH_NODISCARD;
/* The weight of a VM's vCPUs, and its cap.  Refused when it has no place or they are out of range. */
enum status table_set(struct table *table, uint32_t vm_id, uint32_t weight, uint32_t cap,
                      char *error) BH_NODISCARD;
/* Of a VM; 0: none. */
uint32_t table_cap(const struct table *table, uint32_t vm_id);
/* False: it has no place. */
bool table_pause(struct table *table, uint32_t vm_id, bool is_paused, uint64_t now) BH_NODISCARD;
bool table_is_paused(const struct table *table, uint32_t vm_id);
uint64_t table_resumed(const struct table *table, uint32_t vm_id);
void table_unplace(struct table *table, uint32_t vm_id);

/* The plan of a pCPU; entry i of the table is the SchedContext in slot slot0 + i. */
void table_plan(const struct table *table, uint32_t pcpu, slot_t slot0, struct plan *plan);

#endif
