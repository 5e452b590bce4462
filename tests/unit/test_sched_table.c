/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_sched_table.c - services/sched: admission, placement, and plans that follow from weights
 *
 * links: services/sched/table.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/sched/table.h"

#define PCPUS 4u
#define SLOT0 100u

static struct table table;
static struct plan plan;
static char error[TABLE_ERROR_BYTES];

static int fresh(void **state)
{
    (void)state;
    memset(&table, 0, sizeof(table));
    assert_int_equal(table_open(&table, PCPUS), OK);
    return 0;
}

static struct entry entry_of(uint32_t vm_id, uint32_t index, uint32_t pcpu, uint32_t weight)
{
    struct entry entry = {.pcpu = (uint16_t)pcpu, .vm_id = vm_id, .index = index, .weight = weight};

    entry.is_service = vm_id < VM_ID_MIN;
    strcpy(entry.name, "x");
    return entry;
}

static uint32_t admit(struct entry entry)
{
    uint32_t at = table_find_free(&table);

    assert_int_equal(table_judge(&table, PCPUS, &entry, error), OK);
    table_put(&table, at, &entry);
    return at;
}

static void admission_refuses_weights_out_of_range(void **state)
{
    struct entry none = entry_of(16, 0, 0, 0), much = entry_of(16, 0, 0, WEIGHT_MAX + 1);

    (void)state;
    assert_int_equal(table_judge(&table, PCPUS, &none, error), ERR_ARG);
    assert_string_equal(error, "x: weight 0 is not within 1..65535");
    assert_int_equal(table_judge(&table, PCPUS, &much, error), ERR_ARG);
}

static void admission_refuses_a_pcpu_that_is_not_there(void **state)
{
    struct entry wanted = entry_of(16, 0, PCPUS, 256);

    (void)state;
    assert_int_equal(table_judge(&table, PCPUS, &wanted, error), ERR_ARG);
    assert_string_equal(error, "x: there is no pCPU 4, only 0..3");
}

static void admission_refuses_the_same_twice(void **state)
{
    struct entry wanted = entry_of(16, 1, 2, 256);

    (void)state;
    admit(wanted);
    assert_int_equal(table_judge(&table, PCPUS, &wanted, error), ERR_EXIST);
    wanted.index = 2;
    assert_int_equal(table_judge(&table, PCPUS, &wanted, error), OK);
}

static void admission_refuses_more_than_a_plan_holds(void **state)
{
    struct entry wanted = entry_of(16, PLAN_ENTRIES_MAX, 1, 256);

    (void)state;
    for (uint32_t i = 0; i < PLAN_ENTRIES_MAX; i++)
        admit(entry_of(16, i, 1, 256));
    assert_int_equal(table_judge(&table, PCPUS, &wanted, error), ERR_FULL);
    wanted.pcpu = 2;
    assert_int_equal(table_judge(&table, PCPUS, &wanted, error), OK);
}

static void plan_has_services_first(void **state)
{
    (void)state;
    admit(entry_of(16, 0, 0, 256));
    admit(entry_of(0, 0, 0, 256));
    admit(entry_of(16, 1, 1, 256));
    table_plan(&table, 0, SLOT0, &plan);
    assert_int_equal(plan.count, 2);
    assert_int_equal(plan.entries[0].sc, SLOT0 + 1);
    assert_int_equal(plan.entries[1].sc, SLOT0);
    assert_true(plan.flags & PLAN_ELASTIC);
}

static void slices_are_proportional_to_weights(void **state)
{
    (void)state;
    admit(entry_of(16, 0, 0, 512));
    admit(entry_of(17, 0, 0, 256));
    admit(entry_of(18, 0, 0, 1));
    table_plan(&table, 0, SLOT0, &plan);
    assert_int_equal(plan.entries[0].slice_us, EPOCH_US * 512 / 769);
    assert_int_equal(plan.entries[1].slice_us, EPOCH_US * 256 / 769);
    assert_int_equal(plan.entries[2].slice_us, SLICE_MIN_US);
}

/* What the kernel judges: at most the epoch, never 0. */
static void every_plan_is_one_that_the_kernel_takes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PLAN_ENTRIES_MAX; i++)
        admit(entry_of(16, i, 3, i % 2 ? 1 : WEIGHT_MAX));
    table_plan(&table, 3, SLOT0, &plan);
    assert_int_equal(plan.count, PLAN_ENTRIES_MAX);
    for (uint32_t i = 0; i < plan.count; i++)
        assert_in_range(plan.entries[i].slice_us, 1, plan.epoch_us);
}

static void vcpus_of_a_vm_are_on_distinct_pcpus(void **state)
{
    const struct place *place = table_place(&table, PCPUS, 16, 4, error);
    uint32_t seen = 0;

    (void)state;
    assert_non_null(place);
    for (uint32_t v = 0; v < 4; v++)
        seen |= 1u << place->pcpus[v];
    assert_int_equal(seen, 15);
}

/* Even when one pCPU has less to do than all others with two of them. */
static void vcpus_of_a_vm_stay_apart_on_a_loaded_machine(void **state)
{
    const struct place *place;

    (void)state;
    place = table_place(&table, PCPUS, 16, 3, error);
    for (uint32_t v = 0; v < 3; v++)
        admit(entry_of(16, v, place->pcpus[v], 5000));
    place = table_place(&table, PCPUS, 17, 2, error);
    assert_int_not_equal(place->pcpus[0], place->pcpus[1]);
}

static void more_vcpus_than_pcpus_are_spread_evenly(void **state)
{
    const struct place *place = table_place(&table, PCPUS, 16, 8, error);
    uint32_t count[PCPUS] = {0};

    (void)state;
    assert_non_null(place);
    for (uint32_t v = 0; v < 8; v++)
        count[place->pcpus[v]]++;
    for (uint32_t pcpu = 0; pcpu < PCPUS; pcpu++)
        assert_int_equal(count[pcpu], 2);
}

static void two_vms_share_no_pcpu_when_there_are_enough(void **state)
{
    uint32_t seen = 0;

    (void)state;
    admit(entry_of(0, 0, 0, 512)); /* the services' pCPU comes last */
    for (uint32_t vm_id = 16; vm_id < 18; vm_id++) {
        const struct place *place = table_place(&table, PCPUS, vm_id, 2, error);

        for (uint32_t v = 0; v < 2; v++) {
            assert_false(seen >> place->pcpus[v] & 1);
            seen |= 1u << place->pcpus[v];
        }
        if (vm_id == 16)
            assert_false(seen & 1);
    }
}

static void place_goes_to_the_least_loaded(void **state)
{
    (void)state;
    table_place(&table, PCPUS, 16, 4, error);
    for (uint32_t i = 0; i < 4; i++) { /* admitted: one of them heavier, one lighter */
        struct entry entry = entry_of(16, i, table.places[0].pcpus[i], 256);

        entry.weight = i == 2 ? 100 : 1000;
        admit(entry);
    }
    assert_int_equal(table_place(&table, PCPUS, 17, 1, error)->pcpus[0], table.places[0].pcpus[2]);
}

static void place_answers_the_same_again(void **state)
{
    struct place first = *table_place(&table, PCPUS, 16, 3, error);

    (void)state;
    table_place(&table, PCPUS, 17, 3, error);
    assert_memory_equal(table_place(&table, PCPUS, 16, 3, error), &first, sizeof(first));
    assert_null(table_place(&table, PCPUS, 16, 2, error));
    assert_string_equal(error, "VM 16 has a place for 3 vCPUs already");
    table_unplace(&table, 16);
    assert_non_null(table_place(&table, PCPUS, 16, 2, error));
}

static void place_refuses_in_words(void **state)
{
    (void)state;
    assert_null(table_place(&table, PCPUS, 16, 0, error));
    assert_null(table_place(&table, PCPUS, 16, 17, error));
    assert_string_equal(error, "17 vCPUs are not within 1..16");
    assert_null(table_place(&table, PCPUS, 2, 1, error));
    for (uint32_t i = 0; i < PLACES_MAX; i++)
        assert_non_null(table_place(&table, PCPUS, 16 + i, 1, error));
    assert_null(table_place(&table, PCPUS, 99, 1, error));
}

static void paused_vm_keeps_its_vmm_and_its_place(void **state)
{
    struct entry vmm = entry_of(16, 0, 0, 512);

    (void)state;
    vmm.is_service = 1;
    strcpy(vmm.name, "vmm");
    assert_false(table_pause(&table, 16, true, 7)); /* no place yet */
    assert_non_null(table_place(&table, PCPUS, 16, 1, error));
    uint32_t at_vmm = admit(vmm);
    uint32_t at_vcpu = admit(entry_of(16, 0, 0, 256));
    uint32_t at_other = admit(entry_of(17, 0, 0, 256));

    table_plan(&table, 0, SLOT0, &plan);
    assert_int_equal(plan.count, 3);
    assert_true(table_pause(&table, 16, true, 7));
    table_plan(&table, 0, SLOT0, &plan);
    assert_int_equal(plan.count, 2);
    assert_int_equal(plan.entries[0].sc, SLOT0 + at_vmm);
    assert_int_equal(plan.entries[1].sc, SLOT0 + at_other);
    assert_int_equal(table_resumed(&table, 16), 0);
    assert_true(table_pause(&table, 16, false, 8));
    assert_true(table_pause(&table, 16, false, 9)); /* it runs already */
    assert_int_equal(table_resumed(&table, 16), 8);
    table_plan(&table, 0, SLOT0, &plan);
    assert_int_equal(plan.count, 3);
    assert_int_equal(plan.entries[1].sc, SLOT0 + at_vcpu);

    assert_true(table_pause(&table, 16, true, 7)); /* who comes next with this id is not paused */
    table_unplace(&table, 16);
    assert_non_null(table_place(&table, PCPUS, 16, 1, error));
    assert_false(table_is_paused(&table, 16));
    assert_int_equal(table_resumed(&table, 16), 0);
}

static void pinned_vcpus_are_where_they_are_pinned(void **state)
{
    static const uint8_t pins[3] = {2, PIN_NONE, 2}, wrong[1] = {PCPUS};
    const struct place *place = table_place_pinned(&table, PCPUS, 16, 4, pins, 3, error);

    (void)state;
    assert_int_equal(place->pcpus[0], 2);
    assert_int_not_equal(place->pcpus[1], 2); /* the others keep away from it */
    assert_int_equal(place->pcpus[2], 2);
    assert_int_not_equal(place->pcpus[3], 2);
    assert_null(table_place_pinned(&table, PCPUS, 17, 1, wrong, 1, error));
    assert_string_equal(error, "vCPU 0 is pinned to pCPU 4, and there are only 0..3");
}

static void vmm_admits_only_what_its_vm_has_a_place_for(void **state)
{
    struct entry vcpu = entry_of(16, 0, 0, 65000);

    (void)state;
    assert_int_equal(table_judge_vcpu(&table, &vcpu, error), ERR_RIGHT); /* no place */
    vcpu.pcpu = table_place(&table, PCPUS, 16, 2, error)->pcpus[0];
    assert_int_equal(table_set(&table, 16, 77, 0, error), OK);
    assert_int_equal(table_judge_vcpu(&table, &vcpu, error), OK);
    assert_int_equal(vcpu.weight, 77); /* whatever the vmm said */
    vcpu.pcpu = (uint16_t)(vcpu.pcpu + 1);
    assert_int_equal(table_judge_vcpu(&table, &vcpu, error), ERR_RIGHT);
    vcpu.index = 2;
    assert_int_equal(table_judge_vcpu(&table, &vcpu, error), ERR_RIGHT);
    assert_string_equal(error, "x: there is no place for vCPU 2 of VM 16 on pCPU 1");
}

static uint32_t admit_placed(uint32_t vm_id, uint32_t pcpu, uint32_t weight, uint32_t cap)
{
    uint8_t pins[1] = {(uint8_t)pcpu};

    assert_non_null(table_place_pinned(&table, PCPUS, vm_id, 1, pins, 1, error));
    uint32_t at = admit(entry_of(vm_id, 0, pcpu, 1));
    assert_int_equal(table_set(&table, vm_id, weight, cap, error), OK);
    return at;
}

static void weights_and_caps_are_set_while_it_runs(void **state)
{
    uint32_t at = admit_placed(16, 0, 512, 30);

    (void)state;
    assert_int_equal(table.entries[at].weight, 512);
    assert_int_equal(table_cap(&table, 16), 30);
    assert_int_equal(table_cap(&table, 17), 0);
    assert_int_equal(table_set(&table, 17, 1, 0, error), ERR_EXIST);
    assert_int_equal(table_set(&table, 16, 0, 0, error), ERR_ARG);
    assert_int_equal(table_set(&table, 16, WEIGHT_MAX + 1, 0, error), ERR_ARG);
    assert_int_equal(table_set(&table, 16, 1, 101, error), ERR_ARG);
    assert_string_equal(error, "cap 101 is not within 0..100 (100 for each vCPU)");
    assert_int_equal(table.entries[at].weight, 512);
}

/* The capped one comes last and has its cap as slice; the other has its share of the whole epoch. */
static void one_cap_is_what_the_others_leave_up_to_it(void **state)
{
    uint32_t capped = admit_placed(16, 0, 256, 80), other = admit_placed(17, 0, 256, 0);

    (void)state;
    admit(entry_of(1, 0, 0, 512));
    table_plan(&table, 0, SLOT0, &plan);
    assert_int_equal(plan.count, 3);
    assert_int_equal(plan.entries[1].sc, SLOT0 + other);
    assert_int_equal(plan.entries[1].slice_us, EPOCH_US / 2);
    assert_int_equal(plan.entries[0].flags, 0);
    assert_int_equal(plan.entries[1].flags, PLAN_TURNS);
    assert_int_equal(plan.entries[2].sc, SLOT0 + capped);
    assert_int_equal(plan.entries[2].slice_us, EPOCH_US * 80 / 100);
    assert_int_equal(plan.entries[2].flags, PLAN_CAPPED);
}

static void several_caps_that_do_not_fit_are_shares(void **state)
{
    (void)state;
    admit_placed(16, 0, 256, 80);
    admit_placed(17, 0, 768, 90);
    table_plan(&table, 0, SLOT0, &plan);
    assert_int_equal(plan.entries[0].slice_us, EPOCH_US / 4);
    assert_int_equal(plan.entries[1].slice_us, EPOCH_US * 3 / 4);
    assert_int_equal(table_set(&table, 17, 768, 20, error), OK); /* now both fit */
    table_plan(&table, 0, SLOT0, &plan);
    assert_int_equal(plan.entries[0].slice_us, EPOCH_US * 80 / 100);
    assert_int_equal(plan.entries[1].slice_us, EPOCH_US * 20 / 100);
    assert_int_equal(table_set(&table, 16, 256, 100, error), OK); /* no cap at all */
    table_plan(&table, 0, SLOT0, &plan);
    assert_int_equal(plan.entries[0].flags, PLAN_TURNS);
    assert_int_equal(plan.entries[1].slice_us, EPOCH_US * 20 / 100);
}

static void damaged_table_is_refused(void **state)
{
    (void)state;
    admit(entry_of(16, 0, 3, 256));
    assert_int_equal(table_open(&table, PCPUS), OK);
    assert_int_equal(table_open(&table, 3), ERR_STATE); /* its pCPU is not there */
    table.entries[0].weight = 0;
    assert_int_equal(table_open(&table, PCPUS), ERR_STATE);
    table.entries[0].weight = 1;
    memset(table.entries[0].name, 'a', sizeof(table.entries[0].name));
    assert_int_equal(table_open(&table, PCPUS), ERR_STATE);
    table_remove(&table, 0);
    assert_int_equal(table_open(&table, PCPUS), OK);
    table.places[0] = (struct place){.vm_id = 16, .vcpus = 1, .pcpus = {9}};
    assert_int_equal(table_open(&table, PCPUS), ERR_STATE);
    table.places[0] = (struct place){.vm_id = 16, .vcpus = 1, .cap = 101};
    assert_int_equal(table_open(&table, PCPUS), ERR_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(admission_refuses_weights_out_of_range, fresh),
        cmocka_unit_test_setup(admission_refuses_a_pcpu_that_is_not_there, fresh),
        cmocka_unit_test_setup(admission_refuses_the_same_twice, fresh),
        cmocka_unit_test_setup(admission_refuses_more_than_a_plan_holds, fresh),
        cmocka_unit_test_setup(plan_has_services_first, fresh),
        cmocka_unit_test_setup(slices_are_proportional_to_weights, fresh),
        cmocka_unit_test_setup(every_plan_is_one_that_the_kernel_takes, fresh),
        cmocka_unit_test_setup(vcpus_of_a_vm_are_on_distinct_pcpus, fresh),
        cmocka_unit_test_setup(vcpus_of_a_vm_stay_apart_on_a_loaded_machine, fresh),
        cmocka_unit_test_setup(more_vcpus_than_pcpus_are_spread_evenly, fresh),
        cmocka_unit_test_setup(two_vms_share_no_pcpu_when_there_are_enough, fresh),
        cmocka_unit_test_setup(place_goes_to_the_least_loaded, fresh),
        cmocka_unit_test_setup(place_answers_the_same_again, fresh),
        cmocka_unit_test_setup(place_refuses_in_words, fresh),
        cmocka_unit_test_setup(paused_vm_keeps_its_vmm_and_its_place, fresh),
        cmocka_unit_test_setup(pinned_vcpus_are_where_they_are_pinned, fresh),
        cmocka_unit_test_setup(vmm_admits_only_what_its_vm_has_a_place_for, fresh),
        cmocka_unit_test_setup(weights_and_caps_are_set_while_it_runs, fresh),
        cmocka_unit_test_setup(one_cap_is_what_the_others_leave_up_to_it, fresh),
        cmocka_unit_test_setup(several_caps_that_do_not_fit_are_shares, fresh),
        cmocka_unit_test_setup(damaged_table_is_refused, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
