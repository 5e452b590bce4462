/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * domain.c - build one domain from its Untyped, start it, end it
 *
 * What follows is the same for a service of the manifest and for the vmm of a VM; service.c and vmm.c add
 * what differs.
 *
 * Always true:  every object made here is a child of domain->untyped (a kept CSpace excepted): domain_end()
 * needs to know no list of them, only which of init's slots are empty afterwards.
 */
#include <string.h>

#include "bh.h"
#include "init.h"

#define WINDOW_IPA DYNAMIC_IPA /* one page of init's: pages are filled through it */

static enum status domain_retype(struct domain *domain, enum cap_kind kind, uint64_t size, uint32_t count,
                                 slot_t *first)
{
    slot_t row = bh_slots_alloc(count);
    enum status status;

    if (!row)
        return ERR_FULL;
    status = row_retype(domain->untyped, kind, size, count, row);
    if (status != OK) {
        bh_slots_free(row, count);
        return status;
    }
    *first = row;
    return OK;
}

/* ---- private pages ---------------------------------------------------------------------------- */

static uint32_t pages_of(uint64_t bytes)
{
    return (uint32_t)((bytes + PAGE_BYTES - 1) / PAGE_BYTES);
}

static uint32_t page_count_of(const struct domain *domain, const struct bundle_module *program)
{
    uint32_t count = pages_of(domain->manifest->stack_bytes) + pages_of(domain->manifest->heap_bytes) +
                     threads_page_count(domain) +
                     2; /* the IPC buffer, and one for who builds it (a vmm's configuration) */

    for (uint32_t i = 0; i < program->segment_count; i++)
        count += pages_of(program->segments[i].memory_bytes);
    return count;
}

slot_t domain_page(struct domain *domain)
{
    return domain->page_next < domain->page_count ? domain->pages + domain->page_next++ : 0;
}

void *domain_page_window(slot_t page)
{
    if (bh_aspace_map(INIT_SLOT_ASPACE, page, WINDOW_IPA, RIGHT_READ | RIGHT_WRITE) != OK)
        bh_panic("init's window cannot be mapped");
    return (void *)(uintptr_t)WINDOW_IPA;
}

void domain_window_close(slot_t page)
{
    if (bh_aspace_unmap(page) != OK)
        bh_panic("init's window cannot be unmapped");
}

static enum status map_pages(struct domain *domain, uint64_t ipa, uint64_t bytes, uint32_t rights)
{
    enum status status = OK;

    for (uint32_t i = 0; status == OK && i < pages_of(bytes); i++)
        status = bh_aspace_map(domain->aspace, domain_page(domain), ipa + (uint64_t)i * PAGE_BYTES, rights);
    return status;
}

/* ---- the program ------------------------------------------------------------------------------- */

static void page_fill(slot_t page, const uint8_t *from, uint32_t bytes)
{
    void *window = domain_page_window(page);

    memcpy(window, from, bytes < PAGE_BYTES ? bytes : PAGE_BYTES);
    domain_window_close(page);
}

static enum status segment_load(struct domain *domain, const struct bundle_module *program,
                                const struct bundle_segment *segment)
{
    const uint8_t *file = (const uint8_t *)bundle_bytes(program) + segment->offset;
    enum status status = OK;

    for (uint32_t at = 0; status == OK && at < segment->memory_bytes; at += PAGE_BYTES) {
        slot_t page = domain_page(domain);

        if (at < segment->file_bytes)
            page_fill(page, file + at, segment->file_bytes - at);
        status = bh_aspace_map(domain->aspace, page, segment->ipa + at,
                               segment->rights & (RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC));
    }
    return status;
}

static enum status program_load(struct domain *domain, const struct bundle_module *program)
{
    enum status status = OK;

    for (uint32_t i = 0; status == OK && i < program->segment_count; i++)
        status = segment_load(domain, program, &program->segments[i]);
    return status;
}

/* ---- build ------------------------------------------------------------------------------------- */

/* Table pages of an address space: one of level 2 for the first GiB; of level 3 one for each 2 MiB that a
 * region reaches into. */
static uint32_t table_pages(const struct domain *domain, const struct bundle_module *program)
{
    const struct manifest_domain *manifest = domain->manifest;
    uint64_t image_bytes = 0;
    uint32_t pages = 1;

    for (uint32_t i = 0; i < program->segment_count; i++)
        image_bytes = program->segments[i].ipa + program->segments[i].memory_bytes - IMAGE_IPA;
    pages += (uint32_t)(image_bytes / BLOCK_BYTES) + 1;
    pages += (uint32_t)(manifest->heap_bytes / BLOCK_BYTES) + 1;
    pages += (uint32_t)(manifest->stack_bytes / BLOCK_BYTES) + 1;
    pages +=
        (uint32_t)(((uint64_t)manifest->persist * PAGE_BYTES) / BLOCK_BYTES) + 2; /* and the IPC buffer */
    pages += (uint32_t)(((uint64_t)manifest->rings * PAGE_BYTES) / BLOCK_BYTES) + 1;
    pages += manifest->device_slots / 2 + 1; /* 1 MiB apart */
    pages += domain->thread_count != 0;      /* their stacks */
    return pages;
}

static enum status objects_create(struct domain *domain, uint32_t tables)
{
    enum status status = OK;

    if (!domain->cspace)
        status = domain_retype(domain, CAP_CSPACE, domain->cspace_bits, 1, &domain->cspace);
    if (status == OK)
        status = domain_retype(domain, CAP_ASPACE, 0, 1, &domain->aspace);
    if (status == OK)
        status = domain_retype(domain, CAP_VCPU, 0, 1, &domain->vcpu);
    if (status == OK)
        status = bh_aspace_donate(domain->aspace, domain->untyped, tables);
    if (status == OK)
        status = bh_vcpu_configure(domain->vcpu, VCPU_SERVICE, 0, domain->pcpu, domain->cspace,
                                   domain->aspace, domain->exits);
    return status;
}

static enum status pages_create(struct domain *domain, uint32_t count)
{
    enum status status = domain_retype(domain, CAP_FRAME, FRAME_4K, count, &domain->pages);

    domain->page_count = status == OK ? count : 0;
    domain->page_next = 0;
    return status;
}

static enum status stack_heap_ipcbuf_map(struct domain *domain)
{
    const struct manifest_domain *manifest = domain->manifest;
    enum status status;
    slot_t ipcbuf;

    status = map_pages(domain, STACK_TOP_IPA - manifest->stack_bytes, manifest->stack_bytes,
                       RIGHT_READ | RIGHT_WRITE);
    if (status == OK)
        status = map_pages(domain, HEAP_IPA, manifest->heap_bytes, RIGHT_READ | RIGHT_WRITE);
    if (status != OK)
        return status;
    ipcbuf = domain_page(domain);
    status = bh_aspace_map(domain->aspace, ipcbuf, IPCBUF_IPA, RIGHT_READ | RIGHT_WRITE);
    if (status != OK)
        return status;
    return bh_vcpu_set_ipcbuf(domain->vcpu, ipcbuf);
}

static enum status entry_set(struct domain *domain, const struct bundle_module *program)
{
    const struct manifest_domain *manifest = domain->manifest;
    enum status status = bh_vcpu_write(domain->vcpu, REG_PC, program->entry);

    if (status == OK)
        status = bh_vcpu_write(domain->vcpu, REG_X0, manifest->heap_bytes);
    if (status == OK)
        status = bh_vcpu_write(domain->vcpu, REG_X0 + 1, manifest->first_free);
    if (status == OK)
        status = bh_vcpu_write(domain->vcpu, REG_X0 + 2, 1ull << domain->cspace_bits);
    return status;
}

enum status domain_build(struct domain *domain, uint32_t more_table_pages)
{
    const struct bundle_module *program = bundle_find(domain->manifest->program, MODULE_PROGRAM);
    enum status status;

    if (!program)
        return ERR_EXIST;
    status = objects_create(domain, table_pages(domain, program) + more_table_pages);
    if (status == OK)
        status = pages_create(domain, page_count_of(domain, program));
    if (status == OK)
        status = program_load(domain, program);
    if (status == OK)
        status = stack_heap_ipcbuf_map(domain);
    if (status == OK)
        status = threads_create(domain);
    if (status == OK)
        status = entry_set(domain, program);
    return status;
}

/* Map a row of frames that are kept; the mapping goes with the address space. */
enum status domain_map_row(struct domain *domain, slot_t first, uint32_t count, uint64_t ipa,
                           uint32_t attributes)
{
    enum status status = OK;

    for (uint32_t i = 0; status == OK && i < count; i++)
        status = bh_aspace_map(domain->aspace, first + i, ipa + (uint64_t)i * PAGE_BYTES, attributes);
    return status;
}

/* ---- what it holds ----------------------------------------------------------------------------- */

/* In a CSpace that was kept the slot still holds what the last one had. */
static enum status slot_empty(struct domain *domain, slot_t slot)
{
    return domain->manifest->keep_cspace ? bh_cspace_delete(domain->cspace, slot) : OK;
}

enum status domain_give(struct domain *domain, slot_t slot, slot_t from, uint32_t rights)
{
    enum status status = slot_empty(domain, slot);

    return status == OK ? bh_cspace_copy(INIT_SLOT_CSPACE, from, domain->cspace, slot, rights) : status;
}

enum status domain_give_badged(struct domain *domain, slot_t slot, slot_t from, uint32_t rights,
                               uint64_t badge)
{
    enum status status = slot_empty(domain, slot);

    return status == OK ? bh_cspace_mint(INIT_SLOT_CSPACE, from, domain->cspace, slot, rights, badge)
                        : status;
}

enum status domain_give_standard(struct domain *domain, uint32_t control_rights)
{
    enum status status = domain_give(domain, SLOT_CSPACE, domain->cspace, RIGHT_READ | RIGHT_WRITE);

    if (status == OK && domain->manifest->self_map)
        status = domain_give(domain, SLOT_ASPACE, domain->aspace, RIGHT_READ | RIGHT_WRITE);
    if (status == OK)
        status = domain_give(domain, SLOT_VCPU, domain->vcpu, RIGHT_READ | RIGHT_WRITE);
    if (status == OK)
        status = domain_give(domain, SLOT_SC, domain->sc, RIGHT_READ);
    if (status == OK && domain->endpoint)
        status = domain_give(domain, SLOT_CONTROL, domain->endpoint, control_rights);
    if (status == OK)
        status = domain_give(domain, SLOT_EVENTS, domain->events, RIGHT_READ | RIGHT_WRITE);
    if (status == OK)
        status = bh_vcpu_bind_notification(domain->vcpu, domain->events);
    return status;
}

/* The last step: all that is left becomes the domain's own. */
/* The kernel aligns an Untyped of 2 MiB or more to 2 MiB: give what lies behind such a boundary, or as much
 * as comes without one, whichever is more. */
static uint64_t rest_bytes(uint64_t begin, uint64_t end)
{
    const uint64_t large = BLOCK_BYTES;
    uint64_t aligned = (begin + large - 1) & ~(large - 1);
    uint64_t behind = aligned < end ? end - aligned : 0;

    if (end - begin < large)
        return end - begin;
    return behind >= large ? behind : large - PAGE_BYTES;
}

enum status domain_give_untyped(struct domain *domain)
{
    uint64_t base, size, used;
    enum status status = bh_untyped_info(domain->untyped, &base, &size, &used);

    if (status == OK)
        status = slot_empty(domain, SLOT_UNTYPED);
    if (status != OK)
        return status;
    used = (used + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
    if (used >= size)
        return ERR_MEM;
    return bh_untyped_retype(domain->untyped, CAP_UNTYPED, rest_bytes(base + used, base + size), 1,
                             domain->cspace, SLOT_UNTYPED);
}

/* ---- start, end -------------------------------------------------------------------------------- */

enum status domain_start(struct domain *domain)
{
    enum status status = bh_sc_bind(domain->sc, domain->vcpu);

    return status == OK ? bh_vcpu_resume(domain->vcpu) : status;
}

static void slot_forget(slot_t *slot)
{
    if (*slot)
        bh_slot_free(*slot);
    *slot = 0;
}

/* Everything made at the last build goes; what is kept stays.  Also after a build that stopped half-way. */
void domain_end(struct domain *domain)
{
    enum status status = bh_cspace_revoke(INIT_SLOT_CSPACE, domain->untyped);

    if (status != OK && status != ERR_CAP) /* ERR_CAP: mem has taken a vmm's memory back already */
        bh_panic("%s cannot be revoked: %s", domain->name, bh_status_name(status));
    if (!domain->manifest->keep_cspace)
        slot_forget(&domain->cspace);
    slot_forget(&domain->aspace);
    slot_forget(&domain->vcpu);
    slot_forget(&domain->iospace);
    threads_forget(domain);
    if (domain->page_count)
        bh_slots_free(domain->pages, domain->page_count);
    domain->pages = 0;
    domain->page_count = domain->page_next = 0;
}
