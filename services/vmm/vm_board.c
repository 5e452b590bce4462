/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_board.c - the board of this VM: its devices wired up, its images loaded, described in a device tree
 */
#include <stdio.h>
#include <string.h>

#include "board_tree.h"
#include "caps_vmm.h"
#include "image_names.h"
#include "image_volume.h"
#include "owed.h"
#include "vdev.h"
#include "vm.h"

static void line_set(void *context, bool is_asserted)
{
    const struct vm_line *line = context;

    vgic_input(line->gic, line->intid, is_asserted);
}

static bool line_pulse(void *context, bool is_urgent)
{
    const struct vm_line *line = context;

    return vgic_pulse(line->gic, line->intid, is_urgent ? line->call : line->tell);
}

/* What was to be pulsed has been before it is taken back. */
static void line_hear(void *context)
{
    const struct vm_line *line = context;
    uint64_t bits;
    enum status status;

    owed_send();
    status = bh_notification_wait(line->source, 0, &bits);
    (void)status; /* ERR_TIME: it has been acknowledged */
}

static uint64_t seconds_now(void)
{
    return bh_ticks_to_us(bh_now()) / 1000000;
}

#define FRAME_4K_BYTES 4096u

/* One page, ours to write at `ipa`, the guest's to read at `guest_ipa`. */
static enum status virtio_page_create(const struct vm *vm, uint64_t ipa, uint64_t guest_ipa)
{
    slot_t ours = 0, guests = bh_slot_alloc();
    enum status status = guests == 0 ? ERR_FULL : bh_retype(CAP_FRAME, FRAME_4K, &ours);

    if (status == OK)
        status = bh_cspace_copy(SLOT_CSPACE, ours, SLOT_CSPACE, guests, RIGHT_READ);
    if (status == OK)
        status = bh_map(ours, ipa, RIGHT_READ | RIGHT_WRITE | MAP_UNCACHED);
    if (status == OK)
        status = bh_aspace_map(vm->aspace, guests, guest_ipa, RIGHT_READ | MAP_UNCACHED);
    return status;
}

/*
 * The pages of the virtio-mmio bus, which the guest reads but cannot write: looking at a register costs it no
 * exit. Not cached, as the guest takes it for a device and reads past the caches.
 */
static void virtio_bus_create(struct vm *vm)
{
    uint64_t ipa = bh_ipa_alloc(BOARD_VIRTIO_BYTES / FRAME_4K_BYTES);
    enum status status = OK;

    for (uint32_t at = 0; at < BOARD_VIRTIO_BYTES && status == OK; at += FRAME_4K_BYTES)
        status = virtio_page_create(vm, ipa + at, BOARD_VIRTIO + at);
    if (status != OK)
        vm_refuse(vm, "the pages of the virtio bus: %s", bh_status_name(status));
    vm->virtio_bus = (volatile uint32_t *)(uintptr_t)ipa;
}

/*
 * Put a virtio device on its place of the bus.  Its kicks are exits, not doorbells: the thread that serves
 * them is on the vCPU's pCPU, so the vCPU could not go on meanwhile, and a call costs less than a signal that
 * preempts it.
 */
static void virtio_plug(struct vm *vm, uint32_t place, struct virtio_mmio *v)
{
    vm->virtio_lines[place] = (struct vm_line){.gic = &vm->gic, .intid = INTID_VIRTIO0 + place};
    v->ram = &vm->ram;
    v->shown = vm->virtio_bus + (size_t)place * VIRTIO_MMIO_BYTES / 4;
    v->interrupt = line_set;
    v->interrupt_context = &vm->virtio_lines[place];
    vm->virtio[place] = v;
}

/* The device's acknowledgements need not reach us: see struct virtio_mmio. */
static enum status pulses_create(struct vm *vm, uint32_t place)
{
    struct vm_line *line = &vm->virtio_lines[place];
    uint64_t acknowledge = BOARD_VIRTIO + (uint64_t)place * VIRTIO_MMIO_BYTES + VIRTIO_MMIO_ACKNOWLEDGE;
    enum status status = bh_retype(CAP_NOTIFICATION, 0, &line->source);

    line->tell = bh_slot_alloc();
    line->call = bh_slot_alloc();
    if (line->tell == 0 || line->call == 0)
        return ERR_FULL;
    if (status == OK)
        status = bh_cspace_mint(SLOT_CSPACE, line->source, SLOT_CSPACE, line->tell, RIGHT_WRITE, 1);
    if (status == OK)
        status =
            bh_cspace_mint(SLOT_CSPACE, line->source, SLOT_CSPACE, line->call, RIGHT_WRITE, 1 | BADGE_URGENT);
    if (status == OK)
        status = bh_aspace_doorbell(vm->aspace, acknowledge, DOORBELL_TAKES, line->source);
    return status;
}

static void virtio_pulse(struct vm *vm, uint32_t place, struct virtio_mmio *v)
{
    enum status status = pulses_create(vm, place);

    if (status != OK)
        vm_refuse(vm, "the interrupt of virtio device %u: %s", (unsigned)place, bh_status_name(status));
    vgic_source_set(&vm->gic, INTID_VIRTIO0 + place, vm->virtio_lines[place].source);
    v->pulse = line_pulse;
    v->hear = line_hear;
}

/* What its file says of a drive; NULL: it is empty. */
static const bh_Disk *disk_of(const struct vm *vm, uint32_t place)
{
    for (uint32_t i = 0; i < vm->config.disks_count; i++)
        if (vdev_place(vm->config.disks[i].vdev) == place)
            return &vm->config.disks[i];
    return NULL;
}

/* A volume that is not there any more was detached since the toolstack opened it. */
static void disk_fill(struct vm *vm, struct vblk *disk, const bh_Disk *config)
{
    char error[LOADER_ERROR_MAX];
    enum status status = disk_link_open(disk, error, sizeof error);

    if (status != OK && status != ERR_EXIST)
        vm_refuse(vm, "%s (%s)", error, config->volume);
}

static void disks_create(struct vm *vm)
{
    for (uint32_t i = 0; i < BOARD_DISKS_MAX; i++) {
        struct vblk *disk = &vm->disks[i];
        const bh_Disk *config = disk_of(vm, i);

        disk_link_init(disk, i, vm_event_mint(EVENT_BLK0 + i));
        if (config)
            disk_fill(vm, disk, config);
        virtio_plug(vm, i, &disk->virtio);
        virtio_pulse(vm, i, &disk->virtio);
        vblk_init(disk, config && !config->writable);
    }
}

static void nets_create(struct vm *vm)
{
    char error[LOADER_ERROR_MAX];

    vm->net_count = vm->config.vifs_count;
    for (uint32_t i = 0; i < vm->net_count; i++) {
        struct vnet *net = &vm->nets[i];

        if (net_link_open(net, i, vm_event_mint(EVENT_NET0 + i), error, sizeof error) != OK)
            vm_refuse(vm, "%s (%s)", error, vm->config.vifs[i].bridge);
        virtio_plug(vm, BOARD_VIRTIO_NET0 + i, &net->virtio);
        virtio_pulse(vm, BOARD_VIRTIO_NET0 + i, &net->virtio);
        vnet_init(net);
    }
}

/* What is typed goes to the console that the guest was told to use. */
static void consoles_create(struct vm *vm)
{
    char error[LOADER_ERROR_MAX];
    bool is_virtio = strstr(vm->config.extra, "console=hvc") != NULL;

    if (wire_open(&vm->wire, vm_event_mint(EVENT_CONSOLE), error, sizeof error) != OK)
        vm_refuse(vm, "%s", error);
    vm->uart_line = (struct vm_line){.gic = &vm->gic, .intid = INTID_UART};
    vm->uart = (struct vuart){.wire = &vm->wire,
                              .interrupt = line_set,
                              .interrupt_context = &vm->uart_line,
                              .takes_input = !is_virtio};
    vuart_init(&vm->uart);

    vm->console.wire = &vm->wire;
    vm->console.takes_input = is_virtio;
    virtio_plug(vm, BOARD_VIRTIO_CONSOLE, &vm->console.virtio);
    vconsole_init(&vm->console);
}

static void input_create(struct vm *vm)
{
    vm->input.changed = vm_input_changed;
    vm->input.changed_context = vm;
    vm->tell_heard = BH_FOREVER;
    virtio_plug(vm, BOARD_VIRTIO_INPUT, &vm->input.virtio);
    vinput_init(&vm->input);
}

static void balloon_create(struct vm *vm)
{
    if (!vm_balloon_create(vm))
        return;
    virtio_plug(vm, BOARD_VIRTIO_BALLOON, &vm->balloon.virtio);
    vballoon_init(&vm->balloon);
}

static struct image image_of(const char *name, uint64_t ipa, uint64_t bytes)
{
    return (struct image){name, (const uint8_t *)(uintptr_t)ipa, bytes};
}

static uint64_t volume_open(struct vm *vm, enum image_volume which, const char *name)
{
    char error[LOADER_ERROR_MAX];
    uint64_t bytes;

    if (image_volume_open(which, &bytes, error, sizeof error) != OK)
        vm_refuse(vm, "%s: %s", name, error);
    return bytes;
}

static void volume_read(struct vm *vm, enum image_volume which, const char *name, uint8_t *to, uint64_t bytes)
{
    char error[LOADER_ERROR_MAX];

    if (image_volume_read(which, to, bytes, error, sizeof error) != OK)
        vm_refuse(vm, "%s: %s", name, error);
}

static uint64_t whole_sectors(uint64_t bytes)
{
    return (bytes + BLK_SECTOR_BYTES - 1) / BLK_SECTOR_BYTES * BLK_SECTOR_BYTES;
}

/* Where it will stay, in the guest's memory: its header says where that is. */
static struct image kernel_read(struct vm *vm)
{
    static uint8_t head[LOADER_HEAD_BYTES];
    struct image kernel = {vm->config.kernel, head, volume_open(vm, IMAGE_KERNEL, vm->config.kernel)};
    uint64_t place;
    char error[LOADER_ERROR_MAX];

    volume_read(vm, IMAGE_KERNEL, kernel.name, head, sizeof head);
    if (loader_kernel_place(&kernel, BOARD_RAM, vm->ram.size, &place, error) != OK)
        vm_refuse(vm, "%s", error);

    uint64_t bytes = whole_sectors(kernel.size);
    uint8_t *to = guest_ram_at(&vm->ram, place, bytes);

    if (!to)
        vm_refuse(vm, "%s does not fit its memory", kernel.name);
    volume_read(vm, IMAGE_KERNEL, kernel.name, to, bytes);
    kernel.bytes = to;
    return kernel;
}

static void ramdisk_read(struct vm *vm, struct image *ramdisk)
{
    uint8_t *to = guest_ram_at(&vm->ram, vm->layout.ramdisk, ramdisk->size);

    if (!to)
        vm_refuse(vm, "%s does not fit its memory", ramdisk->name);
    volume_read(vm, IMAGE_RAMDISK, ramdisk->name, to, ramdisk->size);
    ramdisk->bytes = to;
}

static void images_load(struct vm *vm)
{
    char error[LOADER_ERROR_MAX];
    bool ramdisk_is_volume = image_is_volume(vm->config.ramdisk);
    struct image kernel = image_is_volume(vm->config.kernel)
                              ? kernel_read(vm)
                              : image_of(vm->config.kernel, BUNDLE_IPA, vm->config.kernel_bytes);
    struct image ramdisk = image_of(vm->config.ramdisk, vm->config.ramdisk_ipa, vm->config.ramdisk_bytes);

    if (ramdisk_is_volume)
        ramdisk.size = volume_open(vm, IMAGE_RAMDISK, ramdisk.name);
    if (loader_plan(&kernel, &ramdisk, BOARD_RAM, vm->ram.size, &vm->layout, error) != OK)
        vm_refuse(vm, "%s", error);
    if (ramdisk_is_volume)
        ramdisk_read(vm, &ramdisk);
    loader_copy(&vm->layout, &kernel, &ramdisk, &vm->ram);
}

/* The record's seed and the moment: a VM that starts again does not start from the same numbers. */
static void seed_make(const struct vm *vm, uint64_t seed[4])
{
    uint64_t state = bh_now();

    memcpy(seed, vm->config.seed, sizeof vm->config.seed);
    for (unsigned i = 0; i < 4; i++) { /* splitmix64 */
        uint64_t z = state += 0x9e3779b97f4a7c15u;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        seed[i] ^= z ^ z >> 31;
    }
}

static void tree_load(struct vm *vm)
{
    uint64_t seed[4];
    struct board_facts facts = {
        .vcpu_count = vm->vcpu_count,
        .ram_size = vm->ram.size,
        .command_line = vm->config.extra,
        .ramdisk = vm->layout.ramdisk,
        .ramdisk_bytes = vm->layout.ramdisk_bytes,
        .seed = seed,
        .seed_bytes = sizeof seed,
    };
    void *at = guest_ram_at(&vm->ram, vm->layout.dtb, LOADER_DTB_BYTES);

    _Static_assert(sizeof seed == sizeof vm->config.seed, "seed_make mixes all of it");
    seed_make(vm, seed);
    for (uint32_t i = 0; i < BOARD_VIRTIO_COUNT; i++)
        facts.virtio_present |= vm->virtio[i] ? 1u << i : 0;
    if (!at || board_tree_make(&facts, at, LOADER_DTB_BYTES) != OK)
        vm_refuse(vm, "the device tree does not fit");
}

void vm_board_create(struct vm *vm)
{
    vm->gic.vcpu_count = vm->vcpu_count;
    for (uint32_t i = 0; i < vm->vcpu_count; i++)
        vm->gic.vcpus[i] = vm->vcpus[i].vcpu;
    vgic_init(&vm->gic);

    vm->rtc_line = (struct vm_line){.gic = &vm->gic, .intid = INTID_RTC};
    vm->rtc =
        (struct vrtc){.seconds = seconds_now, .interrupt = line_set, .interrupt_context = &vm->rtc_line};
    vrtc_init(&vm->rtc, (uint32_t)vm->config.epoch_seconds);

    vm->watchdog_line = (struct vm_line){.gic = &vm->gic, .intid = INTID_WATCHDOG};
    vm->watchdog =
        (struct vwatchdog){.now = bh_now, .interrupt = line_set, .interrupt_context = &vm->watchdog_line};
    vwatchdog_init(&vm->watchdog);

    virtio_bus_create(vm);
    consoles_create(vm);
    disks_create(vm);
    nets_create(vm);
    input_create(vm);
    balloon_create(vm);
    images_load(vm);
    tree_load(vm);
}
