/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bundle.c - what is in the boot image: programs, VM records, guests' images
 *
 * `bh` made it, and the kernel has mapped all of it for us.  It is judged once, so that a truncated or
 * foreign image ends in one clear line and not in a fault.
 */
#include <string.h>

#include "bh.h"
#include "init.h"

#define IMAGES_MAX 136u /* two for each of the VMs that a boot image holds, and some */

static struct image images[IMAGES_MAX];
static uint32_t image_count;

static bool name_has_prefix(const struct bundle_module *module, const char *prefix)
{
    return strncmp(module->name, prefix, strlen(prefix)) == 0;
}

static bool segment_is_sound(const struct bundle_module *module, const struct bundle_segment *segment)
{
    if (segment->ipa % PAGE_BYTES != 0 || segment->offset % PAGE_BYTES != 0)
        return false;
    if (segment->ipa < IMAGE_IPA || segment->ipa >= HEAP_IPA ||
        segment->memory_bytes > HEAP_IPA - segment->ipa)
        return false;
    if (segment->file_bytes > segment->memory_bytes)
        return false;
    return segment->offset <= module->size && segment->file_bytes <= module->size - segment->offset;
}

static bool module_is_sound(const struct bundle_module *module)
{
    if (!memchr(module->name, 0, sizeof(module->name)) || module->offset % PAGE_BYTES != 0)
        return false;
    if (module->offset > init.bundle->size || module->size > init.bundle->size - module->offset)
        return false;
    if (module->segment_count > BUNDLE_SEGMENTS_MAX)
        return false;
    for (uint32_t i = 0; i < module->segment_count; i++)
        if (!segment_is_sound(module, &module->segments[i]))
            return false;
    return true;
}

/* Nothing else lies in the 2 MiB that the image's end is in: then its last frame is a large one too. */
static bool tail_is_alone(const struct bundle_module *image, uint64_t end)
{
    if (end > ((init.boot->bundle_size + BLOCK_BYTES - 1) & ~(uint64_t)(BLOCK_BYTES - 1)))
        return false; /* the bundle's Untyped ends there */
    for (uint32_t i = 0; i < init.bundle->module_count; i++) {
        const struct bundle_module *other = &init.bundle->modules[i];

        if (other != image && other->offset >= image->offset && other->offset < end)
            return false;
    }
    return true;
}

static void image_add(const struct bundle_module *module)
{
    struct image *image = &images[image_count];
    uint64_t address = init.boot->bundle_base + module->offset;
    uint64_t rest = module->size % BLOCK_BYTES;
    enum status status = OK;

    if (image_count == IMAGES_MAX)
        bh_panic("more than %u images in the boot image", IMAGES_MAX);
    if (module->size == 0 || address % BLOCK_BYTES != 0)
        bh_panic("%s: empty or not on a 2 MiB boundary in the boot image", module->name);
    image->module = module;
    image->big_count = (uint32_t)(module->size / BLOCK_BYTES);
    if (rest > 0 && tail_is_alone(module, module->offset + (image->big_count + 1ull) * BLOCK_BYTES))
        image->big_count++;
    else
        image->small_count = (uint32_t)((rest + PAGE_BYTES - 1) / PAGE_BYTES);

    if (image->big_count > 0)
        status = pieces_frames(address, FRAME_2M, image->big_count, &image->big);
    if (status == OK && image->small_count > 0)
        status = pieces_frames(address + (uint64_t)image->big_count * BLOCK_BYTES, FRAME_4K,
                               image->small_count, &image->small);
    if (status != OK)
        bh_panic("%s: no frames of it: %s", module->name, bh_status_name(status));
    image_count++;
}

void bundle_start(void)
{
    const struct bundle *bundle = (const struct bundle *)init.boot->bundle_ipa;

    init.bundle = bundle;
    if (bundle->magic != BUNDLE_MAGIC || bundle->version != BUNDLE_VERSION ||
        bundle->module_count > BUNDLE_MODULES_MAX || bundle->size > init.boot->bundle_size)
        bh_panic("the boot image's header is damaged");
    for (uint32_t i = 0; i < bundle->module_count; i++)
        if (!module_is_sound(&bundle->modules[i]))
            bh_panic("module %u of the boot image is damaged", i);
    for (uint32_t i = 0; i < bundle->module_count; i++)
        if (name_has_prefix(&bundle->modules[i], "image/"))
            image_add(&bundle->modules[i]);
}

const struct bundle_module *bundle_find(const char *name, uint32_t kind)
{
    for (uint32_t i = 0; i < init.bundle->module_count; i++) {
        const struct bundle_module *module = &init.bundle->modules[i];

        if (module->kind == kind && strcmp(module->name, name) == 0)
            return module;
    }
    return NULL;
}

const void *bundle_bytes(const struct bundle_module *module)
{
    return (const uint8_t *)init.bundle + module->offset;
}

const struct bundle_module *bundle_vm_record(uint32_t index)
{
    for (uint32_t i = 0; i < init.bundle->module_count; i++)
        if (name_has_prefix(&init.bundle->modules[i], "vm/") && index-- == 0)
            return &init.bundle->modules[i];
    return NULL;
}

const struct image *bundle_image(const char *name)
{
    for (uint32_t i = 0; i < image_count; i++)
        if (strcmp(images[i].module->name, name) == 0)
            return &images[i];
    return NULL;
}

const struct bundle_module *bundle_image_at(uint32_t index)
{
    return index < image_count ? images[index].module : NULL;
}
