/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * boot.c - init's domain, and all memory as Untypeds
 *
 * The bundle stands behind the kernel's image; what init needs is taken from the first free RAM behind that
 * and stays the kernel's (boot_info.kernel_bytes).  Everything else becomes capabilities in init's CSpace.
 * init's own pages have no capabilities: nothing takes them away.
 */
#include "boot.h"

#include "dispatcher.h"
#include "report.h"
#include "stage2.h"
#include "table.h"

enum { INIT_STACK_PAGES = 16, INIT_HEAP_PAGES = 64, INIT_TABLE_PAGES = 24, BOOT_SLICE_US = 5000 };

static const struct {
    uint64_t base, size;
} device_ranges[] = {
    /* The reference board: what is neither here nor RAM has no capability at all.  Not the GIC and the SMMU,
     * which are the kernel's; not fw_cfg and virtio-mmio, whose DMA no SMMU judges. */
    {0x09000000, 0x1000},       /* PL011 */
    {0x09010000, 0x1000},       /* PL031 */
    {0x10000000, 0x2eff0000},   /* PCIe memory window */
    {0x4010000000, 0x10000000}, /* PCIe configuration space */
};

static struct {
    uint64_t next, end;
    struct cspace *cspace;
    struct aspace *aspace;
    struct boot_info *info;
} boot;

static void *take(uint64_t bytes)
{
    uint64_t at = (boot.next + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);

    bytes = (bytes + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    if (at > boot.end || bytes > boot.end - at)
        panic("boot: no memory for init: %lu bytes", bytes);
    boot.next = at + bytes;
    memory_zero(at, bytes);
    return (void *)at;
}

static void map_init(uint64_t where, uint64_t address, unsigned size_bits, uint32_t rights)
{
    struct slot frame = {
        .kind = CAP_FRAME, .rights = RIGHT_ALL, .size_bits = (uint8_t)size_bits, .object = address};

    if (stage2_map(boot.aspace, &frame, where, rights) != OK)
        panic("boot: cannot map 0x%lx for init", where);
    mapping_unlink(&frame); /* it stays mapped: no capability says so */
}

static void map_fresh(uint64_t where, unsigned pages, uint32_t rights)
{
    for (unsigned i = 0; i < pages; i++)
        map_init(where + i * PAGE_SIZE, (uint64_t)take(PAGE_SIZE), FRAME_4K, rights);
}

static void copy(void *to, const void *from, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++)
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

static void load_segment(const struct bundle *bundle, const struct bundle_module *module,
                         const struct bundle_segment *segment)
{
    const uint8_t *file = (const uint8_t *)bundle + module->offset + segment->offset;

    for (uint64_t done = 0; done < segment->memory_bytes; done += PAGE_SIZE) {
        void *page = take(PAGE_SIZE);

        if (done < segment->file_bytes)
            copy(page, file + done,
                 segment->file_bytes - done < PAGE_SIZE ? segment->file_bytes - done : PAGE_SIZE);
        map_init(segment->ipa + done, (uint64_t)page, FRAME_4K, segment->rights);
    }
}

static void put(uint32_t index, enum cap_kind kind, uint32_t rights, void *object)
{
    struct slot *slot = &boot.cspace->slots[index];

    *slot = (struct slot){.kind = (uint8_t)kind, .rights = (uint8_t)rights, .object = (uint64_t)object};
    object_header(kind, object)->kind = (uint8_t)kind;
    slot_insert(slot, NULL);
}

static void put_untyped(uint64_t base, uint64_t size, uint32_t kind)
{
    struct boot_info *info = boot.info;
    uint32_t i = info->untyped_count;

    if (i == BOOT_UNTYPED_MAX || size < PAGE_SIZE)
        return;
    uint32_t index = INIT_SLOT_UNTYPED0 + i;
    struct slot *slot = &boot.cspace->slots[index];

    *slot = (struct slot){
        .kind = CAP_UNTYPED,
        .rights = RIGHT_ALL,
        .flags = kind == UNTYPED_DEVICE   ? SLOT_DEVICE
                 : kind == UNTYPED_BUNDLE ? SLOT_BUNDLE
                                          : 0,
        .object = base,
        .bytes = size,
    };
    slot_insert(slot, NULL);
    info->untyped[i] = (struct boot_untyped){base, size, kind, index};
    info->untyped_count++;
}

static void make_init_vcpu(const struct bundle_module *program)
{
    struct vcpu *vcpu = take(sizeof(*vcpu));
    struct sc *sc = take(sizeof(*sc));
    struct dispatcher *d = &cpus[0].dispatcher;

    put(INIT_SLOT_VCPU, CAP_VCPU, RIGHT_ALL, vcpu);
    put(INIT_SLOT_SC, CAP_SC, RIGHT_ALL, sc);
    vcpu->kind = VCPU_SERVICE;
    vcpu->cpu = &cpus[0];
    vcpu->kernel_stack = cpus[0].stack_top;
    slot_embed(&vcpu->cspace_cap, &boot.cspace->slots[INIT_SLOT_CSPACE], EMBED_VCPU_CSPACE, 0);
    slot_embed(&vcpu->aspace_cap, &boot.cspace->slots[INIT_SLOT_ASPACE], EMBED_VCPU_ASPACE, 0);
    vcpu->cspace = boot.cspace;
    vcpu->aspace = boot.aspace;
    vcpu->ipcbuf = take(PAGE_SIZE);
    map_init(IPCBUF_IPA, (uint64_t)vcpu->ipcbuf, FRAME_4K, RIGHT_READ | RIGHT_WRITE);
    vcpu->regs.pc = program->entry;
    vcpu->regs.x[0] = INIT_HEAP_PAGES * PAGE_SIZE;
    vcpu->regs.x[1] = INIT_SLOT_FREE;
    vcpu->regs.x[2] = boot.cspace->slot_count;
    vcpu->configured = true;

    /* The first plan: init alone, until it commits one. */
    sc->cpu = &cpus[0];
    sc->vcpu = sc->runner = vcpu;
    vcpu->sc = sc;
    d->epoch = timer_hz() / 100;
    d->epoch_start = now();
    d->count = 1;
    d->flags = PLAN_ELASTIC;
    d->in_window[0] = d->in_window[1] = ~0ull;
    d->entries[0] =
        (struct plan_slot){.sc = sc, .slice = d->epoch, .left = d->epoch, .window_end = BH_FOREVER};
    d->has_slice[0] = 1;
    sc->entry = 0;
    vcpu_wake(vcpu);
}

static void put_machine(void)
{
    static struct control control;

    put(INIT_SLOT_CSPACE, CAP_CSPACE, RIGHT_ALL, boot.cspace);
    put(INIT_SLOT_ASPACE, CAP_ASPACE, RIGHT_ALL, boot.aspace);
    put(INIT_SLOT_CONTROL, CAP_CONTROL, RIGHT_ALL, &control);
    put(INIT_SLOT_LOG, CAP_LOG, RIGHT_ALL, log_get());
    for (uint32_t i = 0; i < cpu_count; i++)
        put(INIT_SLOT_DISPATCHER0 + i, CAP_DISPATCHER, RIGHT_ALL, &cpus[i].dispatcher);
}

/* "debug" or "pmu=1" as a word of the options. */
bool boot_option(const struct bundle *bundle, const char *word)
{
    const char *at = bundle->options;

    while (*at) {
        const char *w = word;

        while (*w && *at == *w)
            at++, w++;
        if (!*w && (*at == 0 || *at == ' '))
            return true;
        while (*at && *at != ' ')
            at++;
        while (*at == ' ')
            at++;
    }
    return false;
}

void boot_init_domain(const struct bundle *bundle)
{
    const struct bundle_module *program = &bundle->modules[0];
    uint64_t block = 1ull << FRAME_2M;
    uint64_t bundle_end = ((uint64_t)bundle + bundle->size + block - 1) & ~(block - 1);

    boot.next = bundle_end;
    boot.end = bundle->ram_base + bundle->ram_size;
    boot.cspace = take(sizeof(struct cspace) + (sizeof(struct slot) << INIT_CSPACE_BITS));
    boot.cspace->slot_count = 1u << INIT_CSPACE_BITS;
    boot.aspace = take(sizeof(struct aspace));
    for (unsigned i = 0; i < INIT_TABLE_PAGES; i++)
        table_free(&boot.aspace->tables, (uint64_t)take(PAGE_SIZE));
    boot.info = take(sizeof(struct boot_info));
    put_machine();
    for (uint32_t i = 0; i < program->segment_count; i++)
        load_segment(bundle, program, &program->segments[i]);
    map_fresh(STACK_TOP_IPA - INIT_STACK_PAGES * PAGE_SIZE, INIT_STACK_PAGES, RIGHT_READ | RIGHT_WRITE);
    map_fresh(HEAP_IPA, INIT_HEAP_PAGES, RIGHT_READ | RIGHT_WRITE);
    map_init(BOOTINFO_IPA, (uint64_t)boot.info, FRAME_4K, RIGHT_READ);
    for (uint64_t at = (uint64_t)bundle; at < bundle_end; at += block)
        map_init(BUNDLE_IPA + (at - (uint64_t)bundle), at, FRAME_2M, RIGHT_READ);
    make_init_vcpu(program);

    /* What is left is init's to give away. */
    uint64_t image = (uint64_t)bundle - KERNEL_IMAGE_BYTES;
    uint64_t free = (boot.next + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    struct boot_info *info = boot.info;

    info->magic = BOOT_INFO_MAGIC;
    info->pcpu_count = cpu_count;
    info->timer_hz = (uint32_t)timer_hz();
    info->bundle_ipa = BUNDLE_IPA;
    info->bundle_base = (uint64_t)bundle;
    info->bundle_size = bundle->size;
    info->kernel_bytes = KERNEL_IMAGE_BYTES + (free - bundle_end);
    info->ram_bytes = bundle->ram_size;
    copy(info->options, bundle->options, sizeof(info->options) - 1);
    put_untyped(free, boot.end - free, UNTYPED_RAM);
    put_untyped(bundle->ram_base, image - bundle->ram_base, UNTYPED_RAM);
    put_untyped((uint64_t)bundle, bundle_end - (uint64_t)bundle, UNTYPED_BUNDLE);
    for (unsigned i = 0; i < sizeof(device_ranges) / sizeof(device_ranges[0]); i++)
        put_untyped(device_ranges[i].base, device_ranges[i].size, UNTYPED_DEVICE);
}
