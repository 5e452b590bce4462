/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exits.c - why a guest's vCPU stopped, and how it goes on
 *
 * What hardware would do: devices answer, holes abort, what the CPU lacks is undefined.  Nothing a guest does
 * here can cost more than its own devices.
 */
#include "psci.h"
#include "vm.h"

/* ESR_EL2 */
#define ESR_CLASS(esr) ((uint32_t)((esr) >> 26) & 0x3f)
#define CLASS_INSTRUCTION_ABORT 0x20u
#define CLASS_DATA_ABORT 0x24u
#define ESR_CACHE_MAINTENANCE 0x100u /* ISS.CM: the access was a DC or IC instruction */

struct access {
    uint64_t offset; /* within the device */
    uint32_t size_bytes;
    bool is_write;
    uint64_t value;
};

static void gicd_access(struct vm *vm, struct access *a)
{
    if (a->is_write)
        vgicd_write(&vm->gic, a->offset, a->size_bytes, a->value);
    else
        a->value = vgicd_read(&vm->gic, a->offset, a->size_bytes);
}

static void gicr_access(struct vm *vm, struct access *a)
{
    if (a->is_write)
        vgicr_write(&vm->gic, a->offset, a->size_bytes, a->value);
    else
        a->value = vgicr_read(&vm->gic, a->offset, a->size_bytes);
}

static void uart_access(struct vm *vm, struct access *a)
{
    if (a->is_write)
        vuart_write(&vm->uart, a->offset, a->size_bytes, a->value);
    else
        a->value = vuart_read(&vm->uart, a->offset, a->size_bytes);
}

static void rtc_access(struct vm *vm, struct access *a)
{
    if (a->is_write)
        vrtc_write(&vm->rtc, a->offset, a->size_bytes, a->value);
    else
        a->value = vrtc_read(&vm->rtc, a->offset, a->size_bytes);
}

static void watchdog_control_access(struct vm *vm, struct access *a)
{
    if (!a->is_write) {
        a->value = vwatchdog_control_read(&vm->watchdog, a->offset, a->size_bytes);
        return;
    }
    vwatchdog_control_write(&vm->watchdog, a->offset, a->size_bytes, a->value);
    vm_watchdog_changed(vm);
}

static void watchdog_refresh_access(struct vm *vm, struct access *a)
{
    if (a->is_write)
        vwatchdog_refresh_write(&vm->watchdog, a->offset, a->size_bytes, a->value);
    else
        a->value = vwatchdog_refresh_read(&vm->watchdog, a->offset, a->size_bytes);
}

/* Stores only: loads find a page (vm_board.c).  A place on the bus without a device takes them and does
 * nothing. */
static void virtio_access(struct vm *vm, struct access *a)
{
    uint64_t place = a->offset / VIRTIO_MMIO_BYTES;

    if (place >= BOARD_VIRTIO_COUNT || !vm->virtio[place] || !a->is_write)
        return;
    uint64_t offset = a->offset % VIRTIO_MMIO_BYTES;

    virtio_mmio_write(vm->virtio[place], offset, a->size_bytes, a->value);
    if (offset == VIRTIO_MMIO_NOTIFY && place < BOARD_DISKS_MAX)
        vm_look_soon(vm);
}

/* Is the access wholly inside a device?  Then a->offset becomes the place in it. */
static bool is_in(struct access *a, uint64_t ipa, uint64_t base, uint64_t bytes)
{
    if (ipa < base || ipa - base > bytes - a->size_bytes)
        return false;
    a->offset = ipa - base;
    return true;
}

/* The device at an address does the access; false: there is none. */
static bool device_access(struct vm *vm, uint64_t ipa, struct access *a)
{
    uint64_t gicr_bytes = (uint64_t)vm->vcpu_count * BOARD_GICR_BYTES;

    if (is_in(a, ipa, BOARD_VIRTIO, BOARD_VIRTIO_BYTES))
        virtio_access(vm, a);
    else if (is_in(a, ipa, BOARD_UART, BOARD_UART_BYTES))
        uart_access(vm, a);
    else if (is_in(a, ipa, BOARD_GICD, BOARD_GICD_BYTES))
        gicd_access(vm, a);
    else if (is_in(a, ipa, BOARD_GICR, gicr_bytes))
        gicr_access(vm, a);
    else if (is_in(a, ipa, BOARD_RTC, BOARD_RTC_BYTES))
        rtc_access(vm, a);
    else if (is_in(a, ipa, BOARD_WATCHDOG_REFRESH, BOARD_WATCHDOG_BYTES))
        watchdog_refresh_access(vm, a);
    else if (is_in(a, ipa, BOARD_WATCHDOG_CONTROL, BOARD_WATCHDOG_BYTES))
        watchdog_control_access(vm, a);
    else
        return false;
    return true;
}

static void reply(struct bh_msg *m, enum exit_reply how, uint32_t words)
{
    m->info = INFO(how, words, 0, 0);
}

static void mmio_serve(struct vm *vm, struct bh_msg *m, bool is_write)
{
    uint64_t ipa = m->w[0];
    uint64_t size = m->w[1];
    struct access a = {.is_write = is_write, .value = is_write ? m->w[2] : 0};

    /* Registers are accessed whole: what straddles two is no access that a device answers. */
    if ((size != 1 && size != 2 && size != 4 && size != 8) || ipa % size != 0) {
        reply(m, REPLY_ABORT, 0);
        return;
    }
    a.size_bytes = (uint32_t)size;
    if (!device_access(vm, ipa, &a)) {
        reply(m, REPLY_ABORT, 0);
        return;
    }
    m->w[0] = a.value;
    reply(m, REPLY_DONE, is_write ? 0 : 1);
}

/* The answer that stops a vCPU may still be on its way there on another pCPU; until then it is on. */
static bool vcpu_is_on(void *context, uint32_t index)
{
    const struct vm_vcpu *v = &((const struct vm *)context)->vcpus[index];
    uint64_t pc;

    return v->is_on || bh_vcpu_read(v->vcpu, REG_PC, &pc) != OK;
}

static bool vcpu_start(void *context, uint32_t index, uint64_t entry, uint64_t argument)
{
    struct vm *vm = context;

    if (entry % 4 != 0 || !guest_ram_at(&vm->ram, entry, 4))
        return false;
    vm_vcpu_reset(vm, index, entry, argument);
    return true;
}

static __attribute__((noinline)) void hvc_serve(struct vm *vm, struct bh_msg *m)
{
    uint32_t vcpu = (uint32_t)m->badge - 1;
    const struct psci_machine machine = {vm, vm->vcpu_count, vcpu_is_on, vcpu_start};
    int64_t result = PSCI_NOT_SUPPORTED;
    enum psci_outcome outcome = PSCI_RETURN;

    if (m->w[4] == 0) /* SMCCC 2.9: any other immediate is reserved */
        outcome = psci_call(&machine, m->w, &result);
    switch (outcome) {
    case PSCI_RETURN:
        m->w[0] = (uint64_t)result;
        reply(m, REPLY_DONE, 4);
        break;
    case PSCI_CALLER_OFF:
        vm->vcpus[vcpu].is_on = false;
        reply(m, REPLY_STOP, 0);
        break;
    case PSCI_OFF:
        vm_end_ask(vm, bh_VmEventKind_POWEROFF);
        reply(m, REPLY_STOP, 0);
        break;
    case PSCI_RESET:
        vm_end_ask(vm, bh_VmEventKind_REBOOT);
        reply(m, REPLY_STOP, 0);
        break;
    }
}

/* An access that the kernel could not describe as MMIO: a hole, or an instruction that has no business with
 * devices.  Cache maintenance of an address that has no cache does nothing. */
static void fault_serve(struct bh_msg *m)
{
    uint64_t esr = m->w[0];

    if (ESR_CLASS(esr) == CLASS_DATA_ABORT && (esr & ESR_CACHE_MAINTENANCE) != 0)
        reply(m, REPLY_DONE, 0);
    else if (ESR_CLASS(esr) == CLASS_DATA_ABORT || ESR_CLASS(esr) == CLASS_INSTRUCTION_ABORT)
        reply(m, REPLY_ABORT, 0);
    else
        reply(m, REPLY_UNDEF, 0);
}

void exit_serve(struct vm *vm, struct bh_msg *m)
{
    switch (INFO_LABEL(m->info)) {
    case EXIT_MMIO_READ:
        mmio_serve(vm, m, false);
        break;
    case EXIT_MMIO_WRITE:
        mmio_serve(vm, m, true);
        break;
    case EXIT_HVC:
        hvc_serve(vm, m);
        break;
    case EXIT_SMC:
        reply(m, REPLY_UNDEF, 0); /* this board has no EL3 */
        break;
    default:
        fault_serve(m);
        break;
    }
}
