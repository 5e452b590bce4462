/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_threads.c - a thread for each vCPU but the first, on that vCPU's pCPU
 *
 * An exit is then a call on one pCPU: the kernel hands the vCPU's time over to the thread and back.  That is
 * all the time a thread ever has.  init made the threads (their faults are init's to hear); for the few
 * instructions up to its first wait each borrows the SchedContext that is its vCPU's from then on.
 *
 * A thread serves exits, under vm->lock, and nothing else.  What the main thread must do for it - end the VM,
 * tell the console later - it leaves in struct vm, and knocks.
 *
 * Always true: a thread without an exit waits at its Endpoint; so a vCPU whose exit is answered and that is
 * stopped leaves no thread behind that has no time.
 */
#include "caps_vmm.h"
#include "owed.h"
#include "thread.h"
#include "vm.h"

void vm_knock(const struct vm *vm)
{
    enum status status = bh_notification_signal(vm->knock);

    (void)status; /* our own Notification */
}

/* Has this exit left work that the main thread, asleep until then, would come to too late? */
static bool main_sleeps_too_long(struct vm *vm)
{
    uint64_t until = vm_deadline(vm);

    if (until >= vm->sleeps_until)
        return false;
    vm->sleeps_until = until; /* one knock is enough */
    return true;
}

/* Returns the Notification that is to be signalled with the answer; 0: none. */
static slot_t serve_exit(struct vm *vm, struct bh_msg *m)
{
    bool must_knock;
    slot_t owed;

    bh_lock_take(&vm->lock);
    exit_serve(vm, m);
    must_knock = main_sleeps_too_long(vm);
    owed = owed_take();
    bh_lock_give(&vm->lock);
    if (must_knock)
        vm_knock(vm);
    return owed;
}

static enum status answer(struct vm_vcpu *v, slot_t owed, struct bh_msg *m)
{
    if (owed != 0) {
        enum status status = bh_endpoint_signal_reply_recv(v->exits, BH_FOREVER, owed, m);

        if (status == OK)
            return OK;
        bh_lock_take(&v->vm->lock);
        vm_signal_failed(v->vm, owed);
        bh_lock_give(&v->vm->lock);
    }
    return bh_endpoint_reply_recv(v->exits, BH_FOREVER, m);
}

/* What is no exit is the main thread that asks whether we wait: the answer says so. */
static void serve(uint64_t argument)
{
    struct vm_vcpu *v = (struct vm_vcpu *)(uintptr_t)argument;
    struct bh_msg m;
    enum status status = bh_endpoint_recv(v->exits, BH_FOREVER, &m);

    while (status == OK) {
        slot_t owed = 0;

        if ((m.info & INFO_EXIT) != 0)
            owed = serve_exit(v->vm, &m);
        else
            m.info = 0;
        status = answer(v, owed, &m);
    }
    bh_panic("receiving exits: %s", bh_status_name(status));
}

static enum status wait_until_it_waits(struct vm_vcpu *v)
{
    struct bh_msg m = {0};

    return bh_call(v->exits, bh_after_ms(BUILD_MS), &m);
}

enum status vm_thread_start(struct vm *vm, uint32_t index)
{
    struct vm_vcpu *v = &vm->vcpus[index];
    slot_t thread = CAP_THREAD0 + index - 1;
    enum status status = bh_sc_bind(v->sc, thread);

    if (status == OK)
        status = bh_thread_start(thread, THREAD_STACK_TOP_IPA(index - 1), serve, (uint64_t)(uintptr_t)v);
    if (status == OK)
        status = wait_until_it_waits(v);
    return status == OK ? bh_sc_unbind(v->sc) : status;
}
