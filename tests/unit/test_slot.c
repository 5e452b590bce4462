/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_slot.c - the derivation tree: thousands of random copies, moves, deletions and revocations against a
 * model
 *
 * The model knows of each capability only who it came from.  A deleted one hands what came from it on; a
 * revoked one loses it; an object goes with its last capability, and a CSpace takes with it what it holds.
 *
 * links: tests/unit/fake/kcore.c kernel/slot.c kernel/timer.c kernel/sc.c kernel/dispatcher.c kernel/ipc.c
 *
 * links: kernel/fastpath.c kernel/notification.c kernel/vcpu.c kernel/irq.c kernel/untyped.c
 * kernel/sys_cspace.c
 *
 * flags: -Itests/unit/fake -Ikernel -include tests/unit/fake/host_cpu.h
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kcore.h"
#include "sys.h"

enum { SPACES = 6, SLOTS = 16, MODEL_MAX = SPACES * SLOTS + 8, UNTYPED_BYTES = 256 * 1024 };

/* Spaces 0 and 1 are never destroyed; the root Untyped and the first CSpace are in slots 1 and 2 of space 0.
 */
static struct cspace *spaces[64];
static unsigned space_count;

struct cap {
    struct slot *at; /* NULL: no such capability */
    int parent;      /* -1: none */
    uint8_t kind, rights;
    uint64_t badge, object;
};
static struct cap model[4096];
static int model_count;

static int find(const struct slot *slot)
{
    for (int i = 0; i < model_count; i++)
        if (model[i].at == slot)
            return i;
    return -1;
}

static int add(struct slot *slot, int parent)
{
    int i;

    for (i = 0; i < model_count && model[i].at; i++)
        ;
    if (i == model_count)
        model_count++;
    assert_true(model_count < 4096);
    model[i] = (struct cap){.at = slot,
                            .parent = parent,
                            .kind = slot->kind,
                            .rights = slot->rights,
                            .badge = slot->badge,
                            .object = slot->object};
    return i;
}

static bool has_object(uint8_t kind)
{
    return kind != CAP_FRAME && kind != CAP_UNTYPED;
}

static unsigned model_refs(uint64_t object)
{
    unsigned refs = 0;

    for (int i = 0; i < model_count; i++)
        if (model[i].at && has_object(model[i].kind) && model[i].object == object)
            refs++;
    return refs;
}

static void model_delete(int victim);

static void model_object_gone(uint8_t kind, uint64_t object)
{
    if (kind != CAP_CSPACE)
        return;
    struct cspace *space = (struct cspace *)object;

    for (uint32_t s = 0; s < space->slot_count; s++) {
        int held = find(&space->slots[s]);

        if (held >= 0)
            model_delete(held);
    }
    for (unsigned i = 0; i < space_count; i++)
        if (spaces[i] == space)
            spaces[i] = NULL;
}

static void model_delete(int victim)
{
    struct cap gone = model[victim];

    for (int i = 0; i < model_count; i++)
        if (model[i].at && model[i].parent == victim)
            model[i].parent = gone.parent;
    model[victim].at = NULL;
    if (has_object(gone.kind) && model_refs(gone.object) == 0)
        model_object_gone(gone.kind, gone.object);
}

static bool descends(int i, int from)
{
    for (i = model[i].parent; i >= 0; i = model[i].parent)
        if (i == from)
            return true;
    return false;
}

static void model_revoke(int root)
{
    const struct slot *at = model[root].at;
    bool again = true;

    while (again) {
        again = false;
        for (int i = 0; i < model_count && !again; i++)
            if (model[i].at && model[root].at == at && descends(i, root)) {
                model_delete(i);
                again = true;
            }
    }
}

/* ---- the kernel's tree is the model's */
static void check_slot(const struct slot *slot, int i)
{
    assert_int_equal(slot->kind, model[i].kind);
    assert_int_equal(slot->rights, model[i].rights);
    assert_int_equal(slot->object, model[i].object);
    if (slot->kind == CAP_ENDPOINT || slot->kind == CAP_NOTIFICATION)
        assert_int_equal(slot->badge, model[i].badge);
    assert_ptr_equal(slot->parent, model[i].parent >= 0 ? model[model[i].parent].at : NULL);
    for (const struct slot *child = slot->child, *before = NULL; child; before = child, child = child->next) {
        assert_ptr_equal(child->parent, slot);
        assert_ptr_equal(child->prev, before);
        assert_true(find(child) >= 0);
    }
    if (has_object(slot->kind))
        assert_int_equal(object_header(slot->kind, slot_object(slot))->refs, model_refs(slot->object));
}

static void check_all(void)
{
    for (unsigned c = 0; c < space_count; c++) {
        for (uint32_t s = 0; spaces[c] && s < spaces[c]->slot_count; s++) {
            const struct slot *slot = &spaces[c]->slots[s];
            int i = find(slot);

            if (i < 0)
                assert_int_equal(slot->kind, CAP_NONE);
            else
                check_slot(slot, i);
        }
    }
    /* Each child is in its parent's list. */
    for (int i = 0; i < model_count; i++) {
        bool listed = model[i].parent < 0;

        if (!model[i].at)
            continue;
        for (const struct slot *s = listed ? NULL : model[model[i].parent].at->child; s && !listed;
             s = s->next)
            listed = s == model[i].at;
        assert_true(listed);
    }
}

/* ---- the machine */
static struct cspace *make_space(unsigned bits)
{
    struct cspace *space = kcore_memory(sizeof(struct cspace) + (sizeof(struct slot) << bits));

    space->object.kind = CAP_CSPACE;
    space->slot_count = 1u << bits;
    spaces[space_count++] = space;
    return space;
}

static void put(struct slot *slot, struct slot what)
{
    *slot = what;
    slot_insert(slot, NULL);
    add(slot, -1);
}

static int setup(void **state)
{
    (void)state;
    kcore_reset();
    space_count = 0;
    model_count = 0;
    memset(model, 0, sizeof model);
    for (unsigned i = 0; i < 2; i++) {
        make_space(4);
        put(&spaces[0]->slots[2 + i],
            (struct slot){.kind = CAP_CSPACE, .rights = RIGHT_ALL, .object = (uint64_t)spaces[i]});
    }
    put(&spaces[0]->slots[1], (struct slot){.kind = CAP_UNTYPED,
                                            .rights = RIGHT_ALL,
                                            .object = (uint64_t)kcore_memory(UNTYPED_BYTES),
                                            .bytes = UNTYPED_BYTES});
    return 0;
}

#define RESTARTED(call)                                                                                      \
    ({                                                                                                       \
        enum status status_;                                                                                 \
        do                                                                                                   \
            status_ = (call);                                                                                \
        while (status_ == RESTART);                                                                          \
        status_;                                                                                             \
    })

static struct cspace *any_space(void)
{
    struct cspace *space;

    do
        space = spaces[random_below(space_count)];
    while (!space);
    return space;
}

/* Slots 1 to 3 of the first space are the test's own: nothing is taken from or put into them at random. */
static uint32_t any_slot(const struct cspace *space)
{
    uint32_t low = space == spaces[0] ? 4 : 1;

    return low + random_below(space->slot_count - low);
}

static void retype(void)
{
    static const struct {
        enum cap_kind kind;
        uint64_t size;
    } kinds[] = {{CAP_ENDPOINT, 0}, {CAP_NOTIFICATION, 0}, {CAP_SC, 0},         {CAP_VCPU, 0},
                 {CAP_ASPACE, 0},   {CAP_FRAME, FRAME_4K}, {CAP_UNTYPED, 8192}, {CAP_CSPACE, 4},
                 {CAP_CSPACE, 4},   {CAP_UNTYPED, 32768}};
    unsigned k = random_below(sizeof kinds / sizeof kinds[0]);
    struct cspace *dest = any_space();
    uint32_t first = any_slot(dest), count = 1 + random_below(2);
    struct slot *untyped = &spaces[0]->slots[1];

    if (kinds[k].kind == CAP_CSPACE && space_count == 64)
        return;
    if (random_below(2)) { /* another Untyped, if we find one */
        struct cspace *space = any_space();
        struct slot *slot = &space->slots[any_slot(space)];

        if (slot->kind == CAP_UNTYPED)
            untyped = slot;
    }
    int parent = find(untyped);
    if (kinds[k].kind == CAP_CSPACE)
        count = 1;
    if (RESTARTED(sys_untyped_retype(untyped, kinds[k].kind, kinds[k].size, count, dest, first)) != OK)
        return;
    for (uint32_t i = 0; i < count; i++) {
        add(&dest->slots[first + i], parent);
        if (kinds[k].kind == CAP_CSPACE)
            spaces[space_count++] = slot_object(&dest->slots[first + i]);
    }
}

static void copy_or_mint(void)
{
    struct cspace *from = any_space(), *to = any_space();
    uint32_t f = any_slot(from), t = any_slot(to), rights = random_below(16);
    int parent = find(&from->slots[f]);
    bool mint = random_below(2);
    uint64_t badge = random_below(5);
    enum status status =
        mint ? sys_cspace_mint(from, f, to, t, rights, badge) : sys_cspace_copy(from, f, to, t, rights);

    if (status != OK)
        return;
    assert_true(parent >= 0);
    assert_int_equal(to->slots[t].rights, model[parent].rights & rights);
    if (mint && model[parent].kind != CAP_UNTYPED) {
        assert_int_equal(model[parent].badge, 0);
        assert_int_equal(to->slots[t].badge, badge);
    }
    add(&to->slots[t], parent);
}

static void move(void)
{
    struct cspace *from = any_space(), *to = any_space();
    uint32_t f = any_slot(from), t = any_slot(to);
    int i = find(&from->slots[f]);

    if (sys_cspace_move(from, f, to, t) == OK)
        model[i].at = &to->slots[t];
}

/* A model that was deleted as a whole has no more to say about spaces that are gone; then revoke the root. */
static void forget_spaces(void)
{
    while (space_count > 2 && !spaces[space_count - 1])
        space_count--;
}

static void delete_or_revoke(bool revoke)
{
    struct cspace *space = any_space();
    uint32_t s = any_slot(space);
    int i = find(&space->slots[s]);

    if (revoke) {
        enum status status = RESTARTED(sys_cspace_revoke(space, s));

        assert_int_equal(status, i >= 0 ? OK : ERR_CAP);
        if (i >= 0)
            model_revoke(i);
    } else {
        assert_int_equal(RESTARTED(sys_cspace_delete(space, s)), OK);
        if (i >= 0)
            model_delete(i);
    }
    forget_spaces();
}

/* Everything back: the root Untyped is revoked, and unused again. */
static void revoke_root(void)
{
    assert_int_equal(RESTARTED(sys_cspace_revoke(spaces[0], 1)), OK);
    model_revoke(find(&spaces[0]->slots[1]));
    forget_spaces();
    check_all();
    assert_int_equal(spaces[0]->slots[1].used, 0);
    assert_int_equal(space_count, 2);
    assert_null(spaces[0]->slots[1].child);
}

static void random_walk(unsigned seed, unsigned steps, unsigned preempt)
{
    random_seed(seed);
    preempt_percent = preempt;
    aspace_steps = 3;
    for (unsigned step = 0; step < steps; step++) {
        switch (random_below(12)) {
        case 0:
        case 1:
        case 2:
        case 3:
            retype();
            break;
        case 4:
        case 5:
        case 6:
        case 7:
            copy_or_mint();
            break;
        case 8:
            move();
            break;
        case 9:
        case 10:
            delete_or_revoke(false);
            break;
        default:
            if (random_below(4) == 0)
                delete_or_revoke(true);
            break;
        }
        check_all();
        if (space_count > 50 || random_below(300) == 0)
            revoke_root();
    }
    revoke_root();
}

static void tree_is_what_the_model_says(void **state)
{
    for (unsigned seed = 0; seed < 12; seed++) {
        setup(state);
        random_walk(seed, 1200, 0);
    }
}

static void tree_is_what_the_model_says_when_everything_is_interrupted(void **state)
{
    for (unsigned seed = 100; seed < 112; seed++) {
        setup(state);
        random_walk(seed, 1200, 50);
    }
}

/* ---- interruptions, one by one */

/* A domain's worth: objects of each kind, copies of copies, an address space, a CSpace that holds some. */
static void build_domain(void)
{
    struct slot *untyped = &spaces[0]->slots[1];
    struct cspace *space = spaces[1];

    aspace_steps = 3;
    assert_int_equal(sys_untyped_retype(untyped, CAP_CSPACE, 6, 1, spaces[0], 5), OK);
    struct cspace *own = slot_object(&spaces[0]->slots[5]);
    assert_int_equal(sys_untyped_retype(untyped, CAP_ENDPOINT, 0, 1, space, 1), OK);
    assert_int_equal(sys_untyped_retype(untyped, CAP_ASPACE, 0, 1, space, 2), OK);
    assert_int_equal(sys_untyped_retype(untyped, CAP_VCPU, 0, 1, space, 3), OK);
    assert_int_equal(sys_vcpu_configure(slot_object(&space->slots[3]), VCPU_SERVICE, 0, 0,
                                        &spaces[0]->slots[5], &space->slots[2], &space->slots[1]),
                     OK);
    assert_int_equal(sys_cspace_copy(space, 1, own, 1, RIGHT_ALL), OK);
    for (uint32_t i = 2; i < 60; i++)
        assert_int_equal(sys_cspace_copy(own, i - 1, own, i, RIGHT_ALL), OK);
    assert_int_equal(sys_cspace_copy(spaces[0], 5, own, 60, RIGHT_ALL), OK);
    assert_int_equal(sys_cspace_move(space, 2, own, 61), OK);
    assert_int_equal(sys_untyped_retype(untyped, CAP_FRAME, FRAME_4K, 3, space, 5), OK);
}

static void revoke_finishes_wherever_it_is_interrupted(void **state)
{
    uint64_t looks;

    setup(state);
    build_domain();
    preempt_looks = 0;
    assert_int_equal(sys_cspace_revoke(spaces[0], 1), OK);
    looks = preempt_looks;
    assert_true(looks > 4);
    for (uint64_t at = 1; at <= looks; at++) {
        setup(state);
        build_domain();
        preempt_at = at;
        enum status status = sys_cspace_revoke(spaces[0], 1);
        assert_int_equal(status, RESTART);
        assert_int_equal(RESTARTED(sys_cspace_revoke(spaces[0], 1)), OK);
        assert_int_equal(spaces[0]->slots[1].used, 0);
        assert_null(spaces[0]->slots[1].child);
        for (uint32_t i = 1; i < 16; i++)
            assert_int_equal(spaces[1]->slots[i].kind, CAP_NONE);
    }
}

static void interrupted_deletion_leaves_no_way_to_the_object(void **state)
{
    struct cspace *space;
    struct vcpu self;
    enum status why;

    setup(state);
    space = spaces[1];
    aspace_steps = 3;
    assert_int_equal(sys_untyped_retype(&spaces[0]->slots[1], CAP_ASPACE, 0, 1, space, 2), OK);
    memset(&self, 0, sizeof self);
    self.cspace = space;
    assert_non_null(cap_lookup(&self, 2, CAP_ASPACE, RIGHT_WRITE, &why));
    preempt_at = 1;
    assert_int_equal(sys_cspace_delete(space, 2), RESTART);
    assert_null(cap_lookup(&self, 2, CAP_ASPACE, RIGHT_WRITE, &why));
    assert_int_equal(why, ERR_CAP);
    assert_int_equal(sys_cspace_copy(space, 2, space, 3, RIGHT_ALL), ERR_CAP);
    assert_int_equal(sys_cspace_move(space, 2, space, 3), ERR_CAP);
    assert_int_equal(sys_untyped_retype(&spaces[0]->slots[1], CAP_ENDPOINT, 0, 1, space, 2), ERR_FULL);
    assert_int_equal(RESTARTED(sys_cspace_delete(space, 2)), OK);
    assert_int_equal(space->slots[2].kind, CAP_NONE);
}

/* However it is derived, nobody looks at more than a few capabilities between two looks for an interrupt. */
static void chain_is_revoked_in_short_steps(void **state)
{
    struct cspace *space;

    setup(state);
    space = make_space(13);
    assert_int_equal(sys_untyped_retype(&spaces[0]->slots[1], CAP_ENDPOINT, 0, 1, space, 1), OK);
    for (uint32_t i = 2; i < space->slot_count; i++)
        slot_copy(&space->slots[i], &space->slots[i - 1], RIGHT_ALL, 0);
    preempt_looks = 0;
    assert_int_equal(slot_revoke(&space->slots[1]), OK);
    assert_true(preempt_looks >= (space->slot_count - 2) / 64);
    assert_int_equal(((struct endpoint *)slot_object(&space->slots[1]))->object.refs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_is_what_the_model_says),
        cmocka_unit_test(tree_is_what_the_model_says_when_everything_is_interrupted),
        cmocka_unit_test(revoke_finishes_wherever_it_is_interrupted),
        cmocka_unit_test(interrupted_deletion_leaves_no_way_to_the_object),
        cmocka_unit_test(chain_is_revoked_in_short_steps),
    };

    return cmocka_run_group_tests_name("slot", tests, NULL, NULL);
}
