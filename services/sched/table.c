/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.c - who has been admitted, where, and with what weight
 */
#include "table.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static bool entry_is_sound(const struct entry *entry, uint32_t pcpu_count)
{
    return entry->used == 1 && entry->is_service <= 1 && entry->pcpu < pcpu_count && entry->weight >= 1 &&
           entry->weight <= WEIGHT_MAX && memchr(entry->name, 0, sizeof(entry->name)) != NULL;
}

static uint32_t pcpu_entry_count(const struct table *table, uint32_t pcpu)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < ENTRIES_MAX; i++)
        count += table->entries[i].used && table->entries[i].pcpu == pcpu;
    return count;
}

static enum status table_check(const struct table *table, uint32_t pcpu_count)
{
    for (uint32_t i = 0; i < ENTRIES_MAX; i++)
        if (table->entries[i].used && !entry_is_sound(&table->entries[i], pcpu_count))
            return ERR_STATE;
    for (uint32_t pcpu = 0; pcpu < pcpu_count; pcpu++)
        if (pcpu_entry_count(table, pcpu) > PLAN_ENTRIES_MAX)
            return ERR_STATE;
    for (uint32_t i = 0; i < PLACES_MAX; i++) {
        const struct place *place = &table->places[i];

        if (place->vm_id == 0)
            continue;
        if (place->vcpus > PCPUS_MAX)
            return ERR_STATE;
        for (uint32_t v = 0; v < place->vcpus; v++)
            if (place->pcpus[v] >= pcpu_count)
                return ERR_STATE;
    }
    return OK;
}

enum status table_open(struct table *table, uint32_t pcpu_count)
{
    if (table->magic == TABLE_MAGIC)
        return table_check(table, pcpu_count);
    memset(table, 0, sizeof(*table));
    table->magic = TABLE_MAGIC;
    return OK;
}

enum status table_judge(const struct table *table, uint32_t pcpu_count, const struct entry *wanted,
                        char *error)
{
    if (wanted->weight < 1 || wanted->weight > WEIGHT_MAX) {
        snprintf(error, TABLE_ERROR_BYTES, "%s: weight %u is not within 1..%u", wanted->name, wanted->weight,
                 WEIGHT_MAX);
        return ERR_ARG;
    }
    if (wanted->pcpu >= pcpu_count) {
        snprintf(error, TABLE_ERROR_BYTES, "%s: there is no pCPU %u, only 0..%u", wanted->name, wanted->pcpu,
                 pcpu_count - 1);
        return ERR_ARG;
    }
    if (table_find(table, wanted) < ENTRIES_MAX) {
        snprintf(error, TABLE_ERROR_BYTES, "%s: has been admitted already", wanted->name);
        return ERR_EXIST;
    }
    if (table_find_free(table) == ENTRIES_MAX) {
        snprintf(error, TABLE_ERROR_BYTES, "%s: all %u places of the table are taken", wanted->name,
                 ENTRIES_MAX);
        return ERR_FULL;
    }
    if (pcpu_entry_count(table, wanted->pcpu) >= PLAN_ENTRIES_MAX) {
        snprintf(error, TABLE_ERROR_BYTES, "%s: the plan of pCPU %u has %u entries already", wanted->name,
                 wanted->pcpu, PLAN_ENTRIES_MAX);
        return ERR_FULL;
    }
    return OK;
}

uint32_t table_find(const struct table *table, const struct entry *wanted)
{
    for (uint32_t i = 0; i < ENTRIES_MAX; i++) {
        const struct entry *entry = &table->entries[i];

        if (entry->used && entry->vm_id == wanted->vm_id && entry->is_service == wanted->is_service &&
            entry->index == wanted->index &&
            (!entry->is_service || strncmp(entry->name, wanted->name, sizeof(entry->name)) == 0))
            return i;
    }
    return ENTRIES_MAX;
}

uint32_t table_find_free(const struct table *table)
{
    for (uint32_t i = 0; i < ENTRIES_MAX; i++)
        if (!table->entries[i].used)
            return i;
    return ENTRIES_MAX;
}

void table_put(struct table *table, uint32_t at, const struct entry *entry)
{
    table->entries[at] = *entry;
    __atomic_signal_fence(__ATOMIC_RELEASE);
    *(volatile uint8_t *)&table->entries[at].used = 1;
}

void table_remove(struct table *table, uint32_t at)
{
    *(volatile uint8_t *)&table->entries[at].used = 0;
}

/* ---- where ---------------------------------------------------------------------------------------- */

static const struct place *place_of(const struct table *table, uint32_t vm_id)
{
    for (uint32_t i = 0; i < PLACES_MAX; i++)
        if (table->places[i].vm_id == vm_id)
            return &table->places[i];
    return NULL;
}

/*
 * What guests want of each pCPU.  A VM that has its place but has not admitted its vCPUs yet counts with the
 * usual weight.  Services mostly sleep: they only decide between pCPUs that are equal otherwise.
 */
static void pcpu_loads(const struct table *table, uint64_t load[PCPUS_MAX])
{
    for (uint32_t i = 0; i < PLACES_MAX; i++) {
        const struct place *place = &table->places[i];

        for (uint32_t v = 0; place->vm_id != 0 && v < place->vcpus; v++) {
            struct entry wanted = {.vm_id = place->vm_id, .index = v};
            uint32_t at = table_find(table, &wanted);
            uint32_t weight = at < ENTRIES_MAX ? table->entries[at].weight : WEIGHT_USUAL;

            load[place->pcpus[v]] += (uint64_t)weight << 32;
        }
    }
    for (uint32_t i = 0; i < ENTRIES_MAX; i++)
        if (table->entries[i].used && table->entries[i].is_service)
            load[table->entries[i].pcpu] += table->entries[i].weight;
}

static uint32_t pcpu_least_loaded(const uint64_t load[PCPUS_MAX], uint32_t pcpu_count, uint32_t taken)
{
    uint32_t best = PCPUS_MAX;

    for (uint32_t pcpu = 0; pcpu < pcpu_count; pcpu++)
        if (!(taken >> pcpu & 1) && (best == PCPUS_MAX || load[pcpu] < load[best]))
            best = pcpu;
    return best;
}

static void place_fill(const struct table *table, struct place *place, uint32_t pcpu_count)
{
    uint64_t load[PCPUS_MAX] = {0};
    uint32_t taken = 0;

    pcpu_loads(table, load);
    for (uint32_t v = 0; v < place->vcpus; v++) {
        uint32_t pcpu = pcpu_least_loaded(load, pcpu_count, taken);

        if (pcpu == PCPUS_MAX) { /* each pCPU has one of them: begin again */
            taken = 0;
            pcpu = pcpu_least_loaded(load, pcpu_count, taken);
        }
        place->pcpus[v] = (uint8_t)pcpu;
        taken |= 1u << pcpu;
        load[pcpu] += (uint64_t)WEIGHT_USUAL << 32;
    }
}

const struct place *table_place(struct table *table, uint32_t pcpu_count, uint32_t vm_id, uint32_t vcpus,
                                char *error)
{
    const struct place *old = vm_id ? place_of(table, vm_id) : NULL;

    if (vm_id < VM_ID_MIN) {
        snprintf(error, TABLE_ERROR_BYTES, "%u is not the id of a VM", vm_id);
        return NULL;
    }
    if (vcpus < 1 || vcpus > PCPUS_MAX) {
        snprintf(error, TABLE_ERROR_BYTES, "%u vCPUs are not within 1..%u", vcpus, PCPUS_MAX);
        return NULL;
    }
    if (old && old->vcpus == vcpus)
        return old;
    if (old) {
        snprintf(error, TABLE_ERROR_BYTES, "VM %u has a place for %u vCPUs already", vm_id, old->vcpus);
        return NULL;
    }
    for (uint32_t i = 0; i < PLACES_MAX; i++) {
        struct place place = {.vcpus = vcpus};

        if (table->places[i].vm_id != 0)
            continue;
        place_fill(table, &place, pcpu_count);
        table->places[i] = place;
        __atomic_signal_fence(__ATOMIC_RELEASE);
        table->places[i].vm_id = vm_id;
        return &table->places[i];
    }
    snprintf(error, TABLE_ERROR_BYTES, "%u VMs have a place already", PLACES_MAX);
    return NULL;
}

bool table_pause(struct table *table, uint32_t vm_id, bool is_paused)
{
    for (uint32_t i = 0; vm_id != 0 && i < PLACES_MAX; i++) {
        if (table->places[i].vm_id != vm_id)
            continue;
        table->places[i].is_paused = is_paused;
        return true;
    }
    return false;
}

bool table_is_paused(const struct table *table, uint32_t vm_id)
{
    const struct place *place = vm_id ? place_of(table, vm_id) : NULL;

    return place && place->is_paused;
}

void table_unplace(struct table *table, uint32_t vm_id)
{
    for (uint32_t i = 0; i < PLACES_MAX; i++)
        if (table->places[i].vm_id == vm_id)
            table->places[i].vm_id = 0;
}

/* ---- plans ---------------------------------------------------------------------------------------- */

static void plan_add(struct plan *plan, const struct entry *entry, slot_t slot, uint64_t weight_sum)
{
    uint64_t slice_us = (uint64_t)EPOCH_US * entry->weight / weight_sum;
    struct plan_entry *to = &plan->entries[plan->count++];

    *to = (struct plan_entry){.sc = slot, .slice_us = SLICE_MIN_US};
    if (slice_us > SLICE_MIN_US)
        to->slice_us = (uint32_t)slice_us;
}

static bool is_in_plan(const struct table *table, const struct entry *entry, uint32_t pcpu)
{
    return entry->used && entry->pcpu == pcpu && (entry->is_service || !table_is_paused(table, entry->vm_id));
}

/* Slices are proportional to weights, and the plan is elastic: time that nobody wants is shared in the same
 * ratio. */
void table_plan(const struct table *table, uint32_t pcpu, slot_t slot0, struct plan *plan)
{
    uint64_t weight_sum = 0;

    *plan = (struct plan){.epoch_us = EPOCH_US, .flags = PLAN_ELASTIC};
    for (uint32_t i = 0; i < ENTRIES_MAX; i++)
        if (is_in_plan(table, &table->entries[i], pcpu))
            weight_sum += table->entries[i].weight;
    for (uint32_t is_service = 2; is_service-- > 0;)
        for (uint32_t i = 0; i < ENTRIES_MAX; i++) {
            const struct entry *entry = &table->entries[i];

            if (is_in_plan(table, entry, pcpu) && entry->is_service == is_service)
                plan_add(plan, entry, slot0 + i, weight_sum);
        }
}
