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
    return entry->used == 1 && entry->is_service <= 1 && entry->pcpu < pcpu_count &&
           entry->place <= PLACES_MAX && entry->weight >= 1 && entry->weight <= WEIGHT_MAX &&
           memchr(entry->name, 0, sizeof(entry->name)) != NULL;
}

static uint32_t pcpu_entry_count(const struct table *table, uint32_t pcpu)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < table->high; i++)
        count += table->entries[i].used && table->entries[i].pcpu == pcpu;
    return count;
}

static enum status table_check(const struct table *table, uint32_t pcpu_count)
{
    if (table->high > ENTRIES_MAX)
        return ERR_STATE;
    for (uint32_t i = 0; i < table->high; i++)
        if (table->entries[i].used && !entry_is_sound(&table->entries[i], pcpu_count))
            return ERR_STATE;
    for (uint32_t pcpu = 0; pcpu < pcpu_count; pcpu++)
        if (pcpu_entry_count(table, pcpu) > PLAN_ENTRIES_MAX)
            return ERR_STATE;
    for (uint32_t i = 0; i < PLACES_MAX; i++) {
        const struct place *place = &table->places[i];

        if (place->vm_id == 0)
            continue;
        if (place->vcpus > PCPUS_MAX || place->weight > WEIGHT_MAX || place->cap > CAP_MAX(place->vcpus))
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
    for (uint32_t i = 0; i < table->high; i++) {
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
    for (uint32_t i = 0; i < table->high; i++)
        if (!table->entries[i].used)
            return i;
    return table->high;
}

/* NULL: it has none; nobody (vm_id 0) has. */
static const struct place *place_of(const struct table *table, uint32_t vm_id)
{
    for (uint32_t i = 0; vm_id != 0 && i < PLACES_MAX; i++)
        if (table->places[i].vm_id == vm_id)
            return &table->places[i];
    return NULL;
}

void table_put(struct table *table, uint32_t at, const struct entry *entry)
{
    const struct place *place = place_of(table, entry->vm_id);

    table->entries[at] = *entry;
    table->entries[at].place = place ? (uint32_t)(place - table->places) : PLACES_MAX;
    if (table->high <= at)
        table->high = at + 1;
    __atomic_signal_fence(__ATOMIC_RELEASE);
    *(volatile uint8_t *)&table->entries[at].used = 1;
}

void table_remove(struct table *table, uint32_t at)
{
    *(volatile uint8_t *)&table->entries[at].used = 0;
}

/* ---- where ---------------------------------------------------------------------------------------- */

/*
 * What guests want of each pCPU.  A VM that has its place but has not admitted its vCPUs yet counts with the
 * usual weight.  Services mostly sleep: they only decide between pCPUs that are equal otherwise.
 */
static void pcpu_loads(const struct table *table, uint64_t load[PCPUS_MAX])
{
    uint32_t admitted[PLACES_MAX + 1] = {0}; /* vCPUs of each place, as bits */

    for (uint32_t i = 0; i < table->high; i++) {
        const struct entry *entry = &table->entries[i];

        if (!entry->used)
            continue;
        load[entry->pcpu] += (uint64_t)entry->weight << (entry->is_service ? 0 : 32);
        if (!entry->is_service && entry->index < PCPUS_MAX)
            admitted[entry->place] |= 1u << entry->index;
    }
    for (uint32_t i = 0; i < PLACES_MAX; i++) {
        const struct place *place = &table->places[i];

        for (uint32_t v = 0; place->vm_id != 0 && v < place->vcpus; v++)
            if (!(admitted[i] >> v & 1))
                load[place->pcpus[v]] += (uint64_t)WEIGHT_USUAL << 32;
    }
}

static uint32_t pcpu_least_loaded(const uint64_t load[PCPUS_MAX], uint32_t pcpu_count, uint32_t taken)
{
    uint32_t best = PCPUS_MAX;

    for (uint32_t pcpu = 0; pcpu < pcpu_count; pcpu++)
        if (!(taken >> pcpu & 1) && (best == PCPUS_MAX || load[pcpu] < load[best]))
            best = pcpu;
    return best;
}

static void place_fill(const struct table *table, struct place *place, uint32_t pcpu_count,
                       const uint8_t *pins, uint32_t pin_count)
{
    uint64_t load[PCPUS_MAX] = {0};
    uint32_t taken = 0;

    pcpu_loads(table, load);
    for (uint32_t v = 0; v < place->vcpus; v++) {
        bool is_pinned = v < pin_count && pins[v] != PIN_NONE;
        uint32_t pcpu = is_pinned ? pins[v] : pcpu_least_loaded(load, pcpu_count, taken);

        if (pcpu == PCPUS_MAX) { /* each pCPU has one of them: begin again */
            taken = 0;
            pcpu = pcpu_least_loaded(load, pcpu_count, taken);
        }
        place->pcpus[v] = (uint8_t)pcpu;
        taken |= 1u << pcpu;
        load[pcpu] += (uint64_t)WEIGHT_USUAL << 32;
    }
}

static bool pins_are_good(const uint8_t *pins, uint32_t pin_count, uint32_t pcpu_count, char *error)
{
    for (uint32_t v = 0; v < pin_count; v++) {
        if (pins[v] == PIN_NONE || pins[v] < pcpu_count)
            continue;
        snprintf(error, TABLE_ERROR_BYTES, "vCPU %u is pinned to pCPU %u, and there are only 0..%u", v,
                 pins[v], pcpu_count - 1);
        return false;
    }
    return true;
}

const struct place *table_place(struct table *table, uint32_t pcpu_count, uint32_t vm_id, uint32_t vcpus,
                                char *error)
{
    return table_place_pinned(table, pcpu_count, vm_id, vcpus, NULL, 0, error);
}

const struct place *table_place_pinned(struct table *table, uint32_t pcpu_count, uint32_t vm_id,
                                       uint32_t vcpus, const uint8_t *pins, uint32_t pin_count, char *error)
{
    const struct place *old = place_of(table, vm_id);

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
    if (!pins_are_good(pins, pin_count, pcpu_count, error))
        return NULL;
    for (uint32_t i = 0; i < PLACES_MAX; i++) {
        struct place place = {.vcpus = vcpus};

        if (table->places[i].vm_id != 0)
            continue;
        place_fill(table, &place, pcpu_count, pins, pin_count);
        table->places[i] = place;
        __atomic_signal_fence(__ATOMIC_RELEASE);
        table->places[i].vm_id = vm_id;
        return &table->places[i];
    }
    snprintf(error, TABLE_ERROR_BYTES, "%u VMs have a place already", PLACES_MAX);
    return NULL;
}

enum status table_judge_vcpu(const struct table *table, struct entry *wanted, char *error)
{
    const struct place *place = place_of(table, wanted->vm_id);

    if (!place || wanted->index >= place->vcpus || place->pcpus[wanted->index] != wanted->pcpu) {
        snprintf(error, TABLE_ERROR_BYTES, "%s: there is no place for vCPU %u of VM %u on pCPU %u",
                 wanted->name, wanted->index, wanted->vm_id, wanted->pcpu);
        return ERR_RIGHT;
    }
    wanted->weight = place->weight ? place->weight : WEIGHT_USUAL;
    return OK;
}

enum status table_set(struct table *table, uint32_t vm_id, uint32_t weight, uint32_t cap, char *error)
{
    struct place *place = NULL;

    for (uint32_t i = 0; vm_id != 0 && i < PLACES_MAX && !place; i++)
        if (table->places[i].vm_id == vm_id)
            place = &table->places[i];
    if (!place) {
        snprintf(error, TABLE_ERROR_BYTES, "VM %u has no place", vm_id);
        return ERR_EXIST;
    }
    if (weight < 1 || weight > WEIGHT_MAX) {
        snprintf(error, TABLE_ERROR_BYTES, "weight %u is not within 1..%u", weight, WEIGHT_MAX);
        return ERR_ARG;
    }
    if (cap > CAP_MAX(place->vcpus)) {
        snprintf(error, TABLE_ERROR_BYTES, "cap %u is not within 0..%u (100 for each vCPU)", cap,
                 CAP_MAX(place->vcpus));
        return ERR_ARG;
    }
    place->weight = weight;
    place->cap = cap;
    for (uint32_t i = 0; i < table->high; i++)
        if (table->entries[i].used && !table->entries[i].is_service && table->entries[i].vm_id == vm_id)
            table->entries[i].weight = weight;
    return OK;
}

uint32_t table_cap(const struct table *table, uint32_t vm_id)
{
    const struct place *place = place_of(table, vm_id);

    return place ? place->cap : 0;
}

bool table_pause(struct table *table, uint32_t vm_id, bool is_paused, uint64_t now)
{
    for (uint32_t i = 0; vm_id != 0 && i < PLACES_MAX; i++) {
        if (table->places[i].vm_id != vm_id)
            continue;
        if (table->places[i].is_paused && !is_paused)
            table->places[i].resumed = now;
        table->places[i].is_paused = is_paused;
        return true;
    }
    return false;
}

bool table_is_paused(const struct table *table, uint32_t vm_id)
{
    const struct place *place = place_of(table, vm_id);

    return place && place->is_paused;
}

uint64_t table_resumed(const struct table *table, uint32_t vm_id)
{
    const struct place *place = vm_id ? place_of(table, vm_id) : NULL;

    return place ? place->resumed : 0;
}

void table_unplace(struct table *table, uint32_t vm_id)
{
    for (uint32_t i = 0; i < PLACES_MAX; i++)
        if (table->places[i].vm_id == vm_id)
            table->places[i].vm_id = 0;
}

/* ---- plans ---------------------------------------------------------------------------------------- */

static bool is_in_plan(const struct table *table, const struct entry *entry, uint32_t pcpu)
{
    if (!entry->used || entry->pcpu != pcpu)
        return false;
    return entry->is_service || entry->place == PLACES_MAX || !table->places[entry->place].is_paused;
}

/* What each vCPU of a capped VM has at most in an epoch; 0: as much as there is. */
static uint32_t cap_us(const struct table *table, const struct entry *entry)
{
    const struct place *place =
        entry->is_service || entry->place == PLACES_MAX ? NULL : &table->places[entry->place];

    if (!place || place->cap == 0 || place->cap == CAP_MAX(place->vcpus))
        return 0;
    return EPOCH_US * place->cap / CAP_MAX(place->vcpus);
}

/* What stands in the plan of a pCPU, before it is known how much each gets. */
struct demand {
    uint64_t weight_sum;   /* of all */
    uint64_t guest_sum;    /* of guests */
    uint64_t uncapped_sum; /* of guests without a cap */
    uint32_t capped_count;
    uint64_t caps_us;
};

static struct demand demand_of(const struct table *table, uint32_t pcpu)
{
    struct demand demand = {0};

    for (uint32_t i = 0; i < table->high; i++) {
        const struct entry *entry = &table->entries[i];

        if (!is_in_plan(table, entry, pcpu))
            continue;
        uint32_t cap = cap_us(table, entry);

        demand.weight_sum += entry->weight;
        demand.guest_sum += entry->is_service ? 0 : entry->weight;
        demand.uncapped_sum += entry->is_service || cap ? 0 : entry->weight;
        demand.capped_count += cap != 0;
        demand.caps_us += cap;
    }
    return demand;
}

/*
 * Slices are proportional to weights.  With capped guests in the plan those of guests are shares of the whole
 * epoch, and capped ones come last, with their cap as slice: so they get what the others leave of the epoch,
 * up to the cap.  Several whose caps are more than that get their share at most, or the first would have it
 * all.
 */
static uint32_t slice_us(const struct demand *demand, const struct entry *entry, uint32_t cap)
{
    bool by_guests = demand->capped_count > 0 && !entry->is_service;
    uint64_t share =
        (uint64_t)EPOCH_US * entry->weight / (by_guests ? demand->guest_sum : demand->weight_sum);

    if (cap != 0 && (share > cap || demand->capped_count == 1 ||
                     demand->caps_us + EPOCH_US * demand->uncapped_sum / demand->guest_sum <= EPOCH_US))
        share = cap;
    return share > SLICE_MIN_US ? (uint32_t)share : SLICE_MIN_US;
}

/* Services ahead of guests, guests without a cap ahead of the others. */
static uint32_t rank(const struct entry *entry, uint32_t cap)
{
    return entry->is_service ? 0 : cap == 0 ? 1 : 2;
}

/* Guests without a cap take turns; the others get what those leave. */
static uint32_t flags_of(const struct entry *entry, uint32_t cap)
{
    return cap ? PLAN_CAPPED : entry->is_service ? 0 : PLAN_TURNS;
}

/* The plan is elastic: time that nobody wants is shared in the same ratio, but for what caps forbid. */
void table_plan(const struct table *table, uint32_t pcpu, slot_t slot0, struct plan *plan)
{
    struct demand demand = demand_of(table, pcpu);

    *plan = (struct plan){.epoch_us = EPOCH_US, .flags = PLAN_ELASTIC};
    for (uint32_t wanted = 0; wanted <= 2; wanted++)
        for (uint32_t i = 0; i < table->high; i++) {
            const struct entry *entry = &table->entries[i];

            if (!is_in_plan(table, entry, pcpu))
                continue;
            uint32_t cap = cap_us(table, entry);

            if (rank(entry, cap) == wanted)
                plan->entries[plan->count++] = (struct plan_entry){.sc = slot0 + i,
                                                                   .slice_us = slice_us(&demand, entry, cap),
                                                                   .flags = flags_of(entry, cap)};
        }
}
