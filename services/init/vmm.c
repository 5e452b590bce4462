/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm.c - one vmm domain per VM, from the template, at the toolstack's request
 *
 * A vmm is made from one block of memory that init fetches on its VM's own session at mem; revoking the block
 * ends all of the vmm, whoever does it.  mem cannot make kernel objects; init may, in what it was given
 * (untyped_allow_objects).  The vmm gets its configuration as a page, its guest's images as read-only frames
 * of the boot image, and the sessions that the toolstack grants; never a peer of init's choosing.
 *
 * Always true:  the images' frames are only copied, never given.
 */
#include <string.h>

#include "bh.h"
#include "image_names.h"
#include "init.h"
#include "mem_rpc.h"

#define MEM_MS 1000u
#define VM_CHUNK_BYTES BLOCK_BYTES
#define UPLOAD_BYTES_MAX (1ull << 30)
#define SLOTS_PER_CHUNK 3u /* the chunk, and its frame twice: in the vmm's and in the VM's address space */
#define SLOTS_BESIDES 512u
#define CSPACE_BITS_MAX 16u

struct vmm *vmm_find(uint32_t vm_id)
{
    for (uint32_t i = 0; i < VMMS_MAX; i++)
        if (init.vmms[i].state != VMM_FREE && init.vmms[i].vm_id == vm_id)
            return &init.vmms[i];
    return NULL;
}

static uint64_t block_align(uint64_t bytes)
{
    return (bytes + BLOCK_BYTES - 1) & ~(uint64_t)(BLOCK_BYTES - 1);
}

/* ---- what is asked for, judged ----------------------------------------------------------------- */

/* An image that the toolstack brings, frame by frame, after the vmm was built; or that the vmm itself reads
 * from a volume. */
static bool image_is_brought(const char *name, uint64_t bytes)
{
    if (image_is_volume(name))
        return bytes == 0;
    return image_is_upload(name) && bytes > 0 && bytes <= UPLOAD_BYTES_MAX;
}

/* *image: NULL when init has nothing to map. */
static enum status image_judge(const char *what, const char *name, uint64_t bytes, const struct image **image,
                               char *error, uint32_t error_bytes)
{
    *image = bundle_image(name);
    if (*image || image_is_brought(name, bytes))
        return OK;
    snprintf(error, error_bytes, "%s `%s` is not in the boot image", what, name);
    return ERR_EXIST;
}

static enum status pcpus_judge(const bh_CreateVmmRequest *wanted, char *error, uint32_t error_bytes)
{
    if (wanted->pcpus_count == 0 || wanted->pcpus_count > manifest_vmm.thread_max + 1) {
        snprintf(error, error_bytes, "%u vCPUs are not 1 to %u", (unsigned)wanted->pcpus_count,
                 (unsigned)manifest_vmm.thread_max + 1);
        return ERR_ARG;
    }
    for (uint32_t i = 0; i < wanted->pcpus_count; i++)
        if (wanted->pcpus[i] >= init.boot->pcpu_count) {
            snprintf(error, error_bytes, "there is no pCPU %u", (unsigned)wanted->pcpus[i]);
            return ERR_ARG;
        }
    return OK;
}

static enum status vm_judge(const bh_CreateVmmRequest *wanted, char *error, uint32_t error_bytes)
{
    if (wanted->vm_id < VM_ID_MIN || wanted->vm_id > VM_ID_MAX) {
        snprintf(error, error_bytes, "%u is not the id of a VM", (unsigned)wanted->vm_id);
        return ERR_ARG;
    }
    if (vmm_find(wanted->vm_id)) {
        snprintf(error, error_bytes, "VM %u has a vmm already", (unsigned)wanted->vm_id);
        return ERR_EXIST;
    }
    if (wanted->memory_bytes / VM_CHUNK_BYTES > (1u << CSPACE_BITS_MAX) / SLOTS_PER_CHUNK - SLOTS_BESIDES) {
        snprintf(error, error_bytes, "%llu MiB are more than a vmm can manage",
                 (unsigned long long)(wanted->memory_bytes >> 20));
        return ERR_ARG;
    }
    return OK;
}

static struct vmm *vmm_take(char *error, uint32_t error_bytes)
{
    uint32_t most = manifest_vmm.max < VMMS_MAX ? manifest_vmm.max : VMMS_MAX;

    for (uint32_t i = 0; i < most; i++) {
        if (init.vmms[i].state != VMM_FREE)
            continue;
        memset(&init.vmms[i], 0, sizeof(init.vmms[i]));
        return &init.vmms[i];
    }
    snprintf(error, error_bytes, "all %u places for vmms are taken", (unsigned)most);
    return NULL;
}

/* ---- build ------------------------------------------------------------------------------------- */

/* Its memory, of the VM's account. */
static enum status block_fetch(struct vmm *vmm, slot_t session, char *error, uint32_t error_bytes)
{
    bh_MemAllocRequest request = {.bytes = BLOCK_BYTES};
    bh_MemAllocReply reply;
    struct rpc_caps caps = {0};
    enum status status = mem_rpc_alloc(session, &request, &reply, &caps, bh_after_ms(MEM_MS));

    if (status == OK && reply.status != OK)
        snprintf(error, error_bytes, "memory for its vmm: %s", reply.error);
    else if (status != OK)
        snprintf(error, error_bytes, "memory for its vmm: mem: %s", bh_status_name(status));
    if (status == OK)
        status = (enum status)reply.status;
    if (status == OK && caps.out_count == 1)
        status = bh_untyped_allow_objects(caps.out[0], INIT_SLOT_CONTROL);
    if (status == OK && caps.out_count == 1) {
        vmm->domain.untyped = caps.out[0];
        return OK;
    }
    for (uint32_t i = 0; i < caps.out_count; i++)
        bh_slot_drop(caps.out[i]);
    return status == OK ? ERR_MEM : status;
}

static uint32_t cspace_bits_for(const bh_CreateVmmRequest *wanted)
{
    uint64_t slots = wanted->memory_bytes / VM_CHUNK_BYTES * SLOTS_PER_CHUNK + SLOTS_BESIDES;
    uint32_t bits = manifest_vmm.domain.cspace_bits;

    while (1ull << bits < slots)
        bits++;
    return bits;
}

void vmm_name_make(char *name, uint32_t name_bytes, const char *vm_name)
{
    snprintf(name, name_bytes, "%.26s vmm", vm_name);
}

static void vmm_describe(struct vmm *vmm, const bh_CreateVmmRequest *wanted)
{
    struct domain *domain = &vmm->domain;

    vmm->vm_id = wanted->vm_id;
    domain->manifest = &manifest_vmm.domain;
    domain->fault_badge = MANIFEST_VMM_FAULT_BADGE + wanted->vm_id;
    domain->pcpu = wanted->pcpus[0];
    domain->thread_count = wanted->pcpus_count - 1u;
    for (uint32_t i = 0; i < domain->thread_count; i++)
        domain->thread_pcpus[i] = wanted->pcpus[i + 1];
    domain->cspace_bits = cspace_bits_for(wanted);
    vmm_name_make(domain->name, sizeof(domain->name), wanted->name);
}

static enum status object_create(struct vmm *vmm, enum cap_kind kind, slot_t *slot)
{
    slot_t fresh = bh_slot_alloc();
    enum status status =
        fresh ? bh_untyped_retype(vmm->domain.untyped, kind, 0, 1, INIT_SLOT_CSPACE, fresh) : ERR_FULL;

    if (status == OK)
        *slot = fresh;
    else if (fresh)
        bh_slot_free(fresh);
    return status;
}

/* What the services have from init's memory a vmm has from its own: nothing of it is kept. */
static enum status vmm_objects(struct vmm *vmm)
{
    struct domain *domain = &vmm->domain;
    enum status status = object_create(vmm, CAP_ENDPOINT, &domain->endpoint);

    if (status == OK)
        status = object_create(vmm, CAP_NOTIFICATION, &domain->events);
    if (status == OK)
        status = object_create(vmm, CAP_SC, &domain->sc);
    if (status == OK)
        status = bh_sc_create_on(domain->sc, domain->pcpu);
    if (status != OK)
        return status;
    domain->exits = bh_slot_alloc();
    if (!domain->exits)
        return ERR_FULL;
    return bh_cspace_mint(INIT_SLOT_CSPACE, init.endpoint, INIT_SLOT_CSPACE, domain->exits, RIGHT_WRITE,
                          domain->fault_badge);
}

/* Table pages for the images: one of level 2 for each GiB reached into, one of level 3 for each image's small
 * tail. */
static uint32_t image_tables(const bh_CreateVmmReply *images)
{
    return (uint32_t)((images->kernel_bytes + images->ramdisk_bytes) >> 30) + 4;
}

static enum status frames_map(struct vmm *vmm, slot_t from, uint32_t count, uint32_t size_bits, uint64_t ipa)
{
    enum status status = OK;

    for (uint32_t i = 0; status == OK && i < count; i++) {
        slot_t copy = vmm->images + vmm->image_count;

        status = bh_cspace_copy(INIT_SLOT_CSPACE, from + i, INIT_SLOT_CSPACE, copy, RIGHT_READ);
        if (status != OK)
            return status;
        vmm->image_count++;
        status = bh_aspace_map(vmm->domain.aspace, copy, ipa + ((uint64_t)i << size_bits), RIGHT_READ);
    }
    return status;
}

static enum status image_map(struct vmm *vmm, const struct image *image, uint64_t ipa)
{
    enum status status = frames_map(vmm, image->big, image->big_count, FRAME_2M, ipa);

    if (status != OK)
        return status;
    return frames_map(vmm, image->small, image->small_count, FRAME_4K,
                      ipa + (uint64_t)image->big_count * BLOCK_BYTES);
}

/* Frames of an image; those that are brought are all large. */
static uint32_t image_frames(const struct image *image, uint64_t bytes)
{
    return image ? image->big_count + image->small_count : (uint32_t)(block_align(bytes) / BLOCK_BYTES);
}

static enum status images_map(struct vmm *vmm, const struct image *kernel, const struct image *ramdisk,
                              const bh_CreateVmmReply *sizes)
{
    uint32_t count = image_frames(kernel, sizes->kernel_bytes) + image_frames(ramdisk, sizes->ramdisk_bytes);
    enum status status = OK;

    if (count == 0)
        return OK;
    vmm->images = bh_slots_alloc(count);
    if (!vmm->images)
        return ERR_FULL;
    vmm->image_slots = count;
    if (kernel)
        status = image_map(vmm, kernel, BUNDLE_IPA);
    if (status == OK && ramdisk)
        status = image_map(vmm, ramdisk, sizes->ramdisk_ipa);
    return status;
}

enum status vmm_image_frames(struct vmm *vmm, bool is_ramdisk, uint64_t offset, slot_t *frames,
                             uint32_t count)
{
    uint64_t base = is_ramdisk ? vmm->ramdisk_ipa : BUNDLE_IPA;
    enum status status = OK;

    for (uint32_t i = 0; status == OK && i < count; i++, offset += BLOCK_BYTES) {
        slot_t place = vmm->images + vmm->image_count;

        if (vmm->image_count == vmm->image_slots || offset % BLOCK_BYTES != 0 || offset >= UPLOAD_BYTES_MAX)
            return ERR_ARG;
        status = bh_cspace_move(INIT_SLOT_CSPACE, frames[i], INIT_SLOT_CSPACE, place);
        if (status != OK)
            return status;
        bh_slot_free(frames[i]);
        frames[i] = 0;
        vmm->image_count++;
        status = bh_aspace_map(vmm->domain.aspace, place, base + offset, RIGHT_READ);
    }
    return status;
}

/* The page: u32 length, then the VmConfig, which is nothing to us. */
enum status vmm_configure(struct vmm *vmm, uint32_t offset, const uint8_t *bytes, uint32_t count)
{
    uint8_t *window;

    if (offset != vmm->config_bytes || count > PAGE_BYTES - sizeof(uint32_t) - offset)
        return ERR_ARG;
    window = domain_page_window(vmm->config);
    memcpy(window + sizeof(uint32_t) + offset, bytes, count);
    vmm->config_bytes = offset + count;
    memcpy(window, &vmm->config_bytes, sizeof(uint32_t));
    domain_window_close(vmm->config);
    return OK;
}

static enum status vmm_build(struct vmm *vmm, const struct image *kernel, const struct image *ramdisk,
                             const bh_CreateVmmReply *sizes)
{
    enum status status = vmm_objects(vmm);

    vmm->ramdisk_ipa = sizes->ramdisk_ipa;
    if (status == OK)
        status = domain_build(&vmm->domain, image_tables(sizes));
    if (status == OK)
        vmm->config = domain_page(&vmm->domain);
    if (status == OK)
        status = images_map(vmm, kernel, ramdisk, sizes);
    if (status == OK)
        status = domain_give_standard(&vmm->domain, RIGHT_READ | RIGHT_WRITE | RIGHT_GRANT);
    if (status == OK)
        status = threads_give(&vmm->domain);
    if (status == OK)
        status = domain_give_untyped(&vmm->domain);
    return status;
}

/* How large its images are, and where the vmm will see them. */
static void images_place(const bh_CreateVmmRequest *wanted, const struct image *kernel,
                         const struct image *ramdisk, bh_CreateVmmReply *reply)
{
    reply->kernel_bytes = kernel ? kernel->module->size : wanted->kernel_bytes;
    if (wanted->ramdisk[0])
        reply->ramdisk_bytes = ramdisk ? ramdisk->module->size : wanted->ramdisk_bytes;
    if (reply->ramdisk_bytes > 0)
        reply->ramdisk_ipa = BUNDLE_IPA + block_align(reply->kernel_bytes);
}

enum status vmm_create(const bh_CreateVmmRequest *wanted, slot_t session, bh_CreateVmmReply *reply)
{
    const struct image *kernel, *ramdisk = NULL;
    char *error = reply->error;
    const uint32_t error_bytes = sizeof(reply->error);
    enum status status = vm_judge(wanted, error, error_bytes);
    struct vmm *vmm;

    if (status == OK)
        status = pcpus_judge(wanted, error, error_bytes);
    if (status == OK)
        status = image_judge("kernel", wanted->kernel, wanted->kernel_bytes, &kernel, error, error_bytes);
    if (status == OK && wanted->ramdisk[0])
        status = image_judge("ramdisk", wanted->ramdisk, wanted->ramdisk_bytes, &ramdisk, error, error_bytes);
    if (status != OK)
        return status;
    vmm = vmm_take(error, error_bytes);
    if (!vmm)
        return ERR_MEM;
    status = block_fetch(vmm, session, error, error_bytes);
    if (status != OK)
        return status;

    images_place(wanted, kernel, ramdisk, reply);
    vmm_describe(vmm, wanted);
    vmm->state = VMM_BUILT;
    status = vmm_build(vmm, kernel, ramdisk, reply);
    if (status != OK)
        snprintf(error, error_bytes, "its vmm cannot be built from %u KiB: %s", BLOCK_BYTES / 1024,
                 bh_status_name(status));
    else
        status = plan_admit(&vmm->domain, wanted->vm_id, error, error_bytes);
    if (status != OK)
        vmm_destroy(vmm);
    return status;
}

enum status vmm_start(struct vmm *vmm)
{
    enum status status = bh_aspace_map(vmm->domain.aspace, vmm->config, PERSIST_IPA, RIGHT_READ);

    if (status == OK)
        status = domain_start(&vmm->domain);
    if (status == OK)
        vmm->state = VMM_RUNNING;
    return status;
}

/* ---- destroy ----------------------------------------------------------------------------------- */

/* The objects that are made from the block are gone with it; copies of what is init's are not.  (Of images
 * that were brought mem may have taken the frames back already: deleting an empty slot is OK.) */
void vmm_destroy(struct vmm *vmm)
{
    struct domain *domain = &vmm->domain;
    slot_t made[] = {domain->endpoint, domain->events, domain->sc};

    domain_end(domain);
    for (uint32_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
        if (made[i])
            bh_slot_free(made[i]);
    bh_slot_drop(domain->exits);
    for (uint32_t i = 0; i < vmm->image_count; i++)
        if (bh_cspace_delete(INIT_SLOT_CSPACE, vmm->images + i) != OK)
            bh_panic("a copy of an image's frame cannot be deleted");
    if (vmm->image_slots)
        bh_slots_free(vmm->images, vmm->image_slots);
    bh_slot_drop(domain->untyped);
    vmm->state = VMM_FREE;
}
