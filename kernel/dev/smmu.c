/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * smmu.c - the SMMUv3: which memory a device may reach (IHI 0070)
 *
 * A stream (a PCIe function) is blocked until an IO space is attached to it; then its accesses are translated
 * by that IO space's stage-1 tables.  What the SMMU refuses it records, and we tell the IO space's owner.
 *
 * The stream table has two levels; only PCI bus 0 has a second one.  An entry that nobody attached is
 * invalid, so that a first access is reported; then it becomes "abort", which is silent, so that a stray
 * device cannot keep us busy.  For the same end a context records no more than FAULTS_MAX faults, until its
 * owner asks for more (smmu_record_faults).
 *
 * Always true:  no stream bypasses translation; commands are complete when a function here returns, so the
 *               command queue is empty in between.
 * Locking:      kernel_lock.
 */
#include "dev/smmu.h"

#include "dev/mmio.h"

/* 6.1: registers */
enum {
    IDR0 = 0x0,
    IDR1 = 0x4,
    IDR5 = 0x14,
    CR0 = 0x20,
    CR0ACK = 0x24,
    CR1 = 0x28,
    CR2 = 0x2c,
    GBPA = 0x44,
    IRQ_CTRL = 0x50,
    IRQ_CTRLACK = 0x54,
    GERROR = 0x60,
    GERRORN = 0x64,
    STRTAB_BASE = 0x80,
    STRTAB_BASE_CFG = 0x88,
    CMDQ_BASE = 0x90,
    CMDQ_PROD = 0x98,
    CMDQ_CONS = 0x9c,
    EVENTQ_BASE = 0xa0,
    EVENTQ_PROD = 0x100a8,
    EVENTQ_CONS = 0x100ac,
};

#define IDR0_S1P (1u << 1)
#define IDR0_TTF_AARCH64 (2u << 2)
#define IDR0_COHACC (1u << 4)
#define IDR0_HYP (1u << 9)
#define IDR0_ST_LEVEL_2 (1u << 27)
#define IDR1_SIDSIZE 0x3fu
#define IDR1_PRESET (3u << 29)
#define IDR5_OAS 7u
#define IDR5_GRAN4K (1u << 4)
#define CR0_SMMUEN 1u
#define CR0_EVENTQEN (1u << 2)
#define CR0_CMDQEN (1u << 3)
#define CR1_CACHEABLE 0xd75u /* tables and queues: inner-shareable, write-back */
#define CR2_RECINVSID (1u << 1)
#define CR2_PTM (1u << 2) /* the CPUs' broadcast TLB maintenance is not for us */
#define GBPA_ABORT (1u << 20)
#define GBPA_UPDATE (1u << 31)
#define IRQ_GERROR 1u
#define IRQ_EVENTQ (1u << 2)
#define GERROR_CMDQ 1u
#define BASE_RA (1ull << 62)
#define QUEUE_OVERFLOW (1u << 31)

/* 3.2: stream table, two levels */
enum { STREAM_BITS = 16, STREAM_SPLIT = 8, STE_WORDS = 8 };
#define STRTAB_2LEVEL (1u << 16 | STREAM_SPLIT << 6 | STREAM_BITS)
#define STE_V 1ull
#define STE_ABORT (0ull << 1)
#define STE_S1_TRANSLATE (5ull << 1)
#define STE_1_CONTEXT_CACHEABLE (1ull << 2 | 1ull << 4 | 3ull << 6)
#define STE_1_SHCFG_INCOMING (1ull << 44)

/* 5.4: context descriptor.  39 bits, 4 KiB granule, walks write-back inner-shareable, no TTB1. */
#define CD_TRANSLATION (25ull | 1ull << 8 | 1ull << 10 | 3ull << 12 | 1ull << 30)
#define CD_V (1ull << 31)
#define CD_IPS_SHIFT 32
#define CD_AA64 (1ull << 41)
#define CD_R (1ull << 45) /* record faults */
#define CD_A (1ull << 46) /* abort what faults */
#define CD_ASET (1ull << 47)
#define CD_ASID_SHIFT 48
#define CD_MAIR 0x0444ffull /* in the order of SMMU_NORMAL_WB .. */

/* 4: commands */
enum {
    CMD_CFGI_STE = 0x03,
    CMD_CFGI_STE_RANGE = 0x04,
    CMD_CFGI_CD = 0x05,
    CMD_TLBI_NH_ASID = 0x11,
    CMD_TLBI_NH_VA = 0x12,
    CMD_TLBI_EL2_ALL = 0x20,
    CMD_TLBI_NSNH_ALL = 0x30,
    CMD_SYNC = 0x46,
};
#define CFGI_RANGE_ALL 31ull
#define CFGI_LEAF 1ull

/* 7.3: events */
enum { EVENT_BAD_STREAMID = 0x02, EVENT_BAD_STE = 0x04 };
#define EVENT_READ (1ull << 35)

enum { COMMAND_BITS = 6, COMMANDS = 1 << COMMAND_BITS, EVENT_BITS = 7, EVENTS = 1 << EVENT_BITS };
enum { POLL_MAX = 1000000, FAULTS_MAX = 4096 };

static uint64_t stream_directory[1 << (STREAM_BITS - STREAM_SPLIT)] __attribute__((aligned(2048)));
static uint64_t streams[SMMU_STREAMS][STE_WORDS] __attribute__((aligned(16384)));
static uint64_t commands[COMMANDS][2] __attribute__((aligned(1024)));
static uint64_t events[EVENTS][4] __attribute__((aligned(4096)));
_Static_assert(sizeof streams == 16384 && sizeof stream_directory == 2048, "aligned to their size (3.3.1)");
_Static_assert(sizeof commands == 1024 && sizeof events == 4096, "aligned to their size (6.3.26, 6.3.29)");

static struct iospace *attached[SMMU_STREAMS];
static uint32_t command_at, event_at; /* free-running; the registers hold them modulo twice the size */
static uint32_t output_size;          /* IDR5.OAS */
static uint64_t error_count; /* of GERROR: a device can cause some, by faulting faster than we look */
static uint64_t stray_count; /* faults of streams that no IO space is attached to */

static uint32_t reg(uint32_t offset)
{
    return mmio_read32(SMMU_BASE + offset);
}

static void reg_write(uint32_t offset, uint32_t value)
{
    mmio_write32(SMMU_BASE + offset, value);
}

static void base_write(uint32_t offset, const void *memory, uint64_t log2size)
{
    mmio_write64(SMMU_BASE + offset, BASE_RA | (uint64_t)memory | log2size);
}

/* Write a register whose new value counts when its ACK register shows it. */
static void reg_write_acked(uint32_t offset, uint32_t ack, uint32_t value)
{
    reg_write(offset, value);
    for (unsigned i = 0; reg(ack) != value; i++)
        if (i == POLL_MAX)
            panic("smmu: register 0x%x does not take 0x%x", offset, value);
}

/* ---- commands ------------------------------------------------------------------------------------ */

/* Queued only; commands_finish() has them done. */
static void command(uint64_t low, uint64_t high)
{
    uint64_t *entry = commands[command_at++ % COMMANDS];

    entry[0] = low;
    entry[1] = high;
}

static void commands_finish(void)
{
    command(CMD_SYNC, 0);
    mmio_barrier();

    uint32_t end = command_at % (2 * COMMANDS);
    reg_write(CMDQ_PROD, end);
    for (unsigned i = 0; (reg(CMDQ_CONS) & (2 * COMMANDS - 1)) != end; i++)
        if (i == POLL_MAX || ((reg(GERROR) ^ reg(GERRORN)) & GERROR_CMDQ))
            panic("smmu: command %u refused or lost, CMDQ_CONS 0x%x", command_at - 1, reg(CMDQ_CONS));
}

static uint64_t asid_operand(const struct iospace *iospace)
{
    return (uint64_t)iospace->asid << 48; /* VMID 0 */
}

void smmu_flush_iova(const struct iospace *iospace, uint64_t iova)
{
    if (!iospace->bound)
        return;
    command(CMD_TLBI_NH_VA | asid_operand(iospace), iova & ~(PAGE_SIZE - 1));
    commands_finish();
}

void smmu_flush_iospace(const struct iospace *iospace)
{
    if (!iospace->bound)
        return;
    command(CMD_TLBI_NH_ASID | asid_operand(iospace), 0);
    commands_finish();
}

static void config_flush(uint32_t stream)
{
    command(CMD_CFGI_STE | (uint64_t)stream << 32, CFGI_LEAF);
    command(CMD_CFGI_CD | (uint64_t)stream << 32, CFGI_LEAF);
    commands_finish();
}

/* ---- streams ------------------------------------------------------------------------------------------ */

bool smmu_stream_taken(uint32_t stream)
{
    return attached[stream] != NULL;
}

/* Word 0 decides whether the others are read: it comes after them (3.21.3.1: the entry is not valid now, or
 * its other words do not matter). */
static void stream_write(uint32_t stream, uint64_t word0, uint64_t word1)
{
    streams[stream][1] = word1;
    mmio_barrier();
    __atomic_store_n(&streams[stream][0], word0, __ATOMIC_RELAXED);
    config_flush(stream);
}

static void context_fill(struct iospace *iospace)
{
    uint64_t *context = iospace->context;

    context[1] = (uint64_t)iospace->root;
    context[2] = 0;
    context[3] = CD_MAIR;
    context[0] = CD_TRANSLATION | CD_V | (uint64_t)output_size << CD_IPS_SHIFT | CD_AA64 | CD_R | CD_A |
                 CD_ASET | (uint64_t)iospace->asid << CD_ASID_SHIFT;
}

/* A stream has one IO space at most, so its number within the bus serves as ASID. */
void smmu_attach(struct iospace *iospace, uint32_t stream)
{
    iospace->bound = true;
    iospace->stream = stream;
    iospace->asid = stream;
    attached[stream] = iospace;
    context_fill(iospace);
    iospace->fault_limit = iospace->fault_count + FAULTS_MAX;
    smmu_flush_iospace(iospace);
    stream_write(stream, STE_V | STE_S1_TRANSLATE | (uint64_t)iospace->context,
                 STE_1_CONTEXT_CACHEABLE | STE_1_SHCFG_INCOMING);
}

void smmu_detach(struct iospace *iospace)
{
    if (!iospace->bound)
        return;
    stream_write(iospace->stream, 0, streams[iospace->stream][1]);
    smmu_flush_iospace(iospace);
    attached[iospace->stream] = NULL;
    iospace->bound = false;
}

/* ---- faults -------------------------------------------------------------------------------------------- */

static const char *event_name(uint32_t code)
{
    static const char *const names[] = {
        [0x01] = "unsupported access", [EVENT_BAD_STREAMID] = "no such stream",
        [0x03] = "stream table fetch", [EVENT_BAD_STE] = "stream not attached",
        [0x06] = "stream disabled",    [0x07] = "translation forbidden",
        [0x08] = "bad substream",      [0x09] = "context fetch",
        [0x0a] = "bad context",        [0x0b] = "table walk abort",
        [0x10] = "translation",        [0x11] = "address size",
        [0x12] = "access flag",        [0x13] = "permission",
        [0x20] = "TLB conflict",       [0x21] = "configuration conflict",
    };

    return code < sizeof names / sizeof names[0] && names[code] ? names[code] : "unknown event";
}

/* The 1st, 2nd, 4th, 8th ... of a kind is worth a line. */
static void fault_report(uint64_t count, uint32_t stream, uint32_t code, uint64_t flags, uint64_t address)
{
    if (count & (count - 1))
        return;
    kprintf("smmu: stream 0x%x refused: %s at 0x%lx (%s, fault %lu)\n", stream, event_name(code), address,
            flags & EVENT_READ ? "read" : "write", count);
}

static void fault_attached(struct iospace *iospace, uint32_t code, uint64_t flags, uint64_t address)
{
    iospace->fault_count++;
    iospace->fault_address = address;
    iospace->fault_reason = code;
    fault_report(iospace->fault_count, iospace->stream, code, flags, address);
    if (iospace->fault_count == iospace->fault_limit) {
        iospace->context[0] &= ~CD_R;
        config_flush(iospace->stream);
        kprintf("smmu: stream 0x%x: further faults are not recorded\n", iospace->stream);
    }
    if (iospace->notify_cap.kind == CAP_NOTIFICATION)
        notification_signal(slot_object(&iospace->notify_cap), iospace->notify_cap.badge);
}

void smmu_record_faults(struct iospace *iospace)
{
    iospace->fault_limit = iospace->fault_count + FAULTS_MAX;
    if (!iospace->bound || iospace->context[0] & CD_R)
        return;
    iospace->context[0] |= CD_R;
    config_flush(iospace->stream);
}

static void fault_stray(uint32_t stream, uint32_t code, uint64_t flags, uint64_t address)
{
    fault_report(++stray_count, stream, code, flags, address);
    if (code == EVENT_BAD_STE && stream < SMMU_STREAMS)
        stream_write(stream, STE_V | STE_ABORT, 0); /* once is enough */
}

static void event_handle(const uint64_t event[4])
{
    uint32_t code = (uint32_t)event[0] & 0xff;
    uint32_t stream = (uint32_t)(event[0] >> 32);
    struct iospace *iospace = stream < SMMU_STREAMS ? attached[stream] : NULL;

    if (iospace)
        fault_attached(iospace, code, event[1], event[2]);
    else
        fault_stray(stream, code, event[1], event[2]);
}

static void error_handle(void)
{
    uint32_t error = reg(GERROR);
    uint32_t active = error ^ reg(GERRORN);

    if (!active)
        return;
    reg_write(GERRORN, error);
    if (active & GERROR_CMDQ) /* only our own bug can cause it: commands are never made from others' words */
        panic("smmu: command refused, CMDQ_CONS 0x%x", reg(CMDQ_CONS));
    error_count++;
    if (!(error_count & (error_count - 1))) /* as in fault_report */
        kprintf("smmu: error 0x%x (%lu): fault records may have been lost\n", active, error_count);
}

/* The queue is emptied whole: the interrupt comes when it stops being empty. */
void smmu_handle_events(void)
{
    error_handle();
    for (;;) {
        uint32_t prod = reg(EVENTQ_PROD);

        if (((prod ^ event_at) & (2 * EVENTS - 1)) == 0)
            return;
        mmio_barrier();
        event_handle(events[event_at % EVENTS]);
        event_at++;
        /* Acknowledges an overflow too: what was lost then is lost. */
        reg_write(EVENTQ_CONS, (event_at & (2 * EVENTS - 1)) | (prod & QUEUE_OVERFLOW));
    }
}

/* ---- start: 6.3.9.6, and 3.11 for the reset state
 * ---------------------------------------------------------- */

static void features_check(void)
{
    uint32_t idr0 = reg(IDR0);
    uint32_t idr1 = reg(IDR1);
    uint32_t need = IDR0_S1P | IDR0_TTF_AARCH64 | IDR0_COHACC | IDR0_ST_LEVEL_2;

    if ((idr0 & need) != need)
        panic("smmu: IDR0 0x%x lacks stage 1, AArch64 tables, coherent access or 2-level stream tables",
              idr0);
    if ((idr1 & IDR1_SIDSIZE) < STREAM_BITS || (idr1 >> 21 & 31) < COMMAND_BITS ||
        (idr1 >> 16 & 31) < EVENT_BITS || (idr1 & IDR1_PRESET))
        panic("smmu: IDR1 0x%x: too few streams or queue entries, or fixed tables", idr1);
    if (!(reg(IDR5) & IDR5_GRAN4K))
        panic("smmu: no 4 KiB granule");
    output_size = reg(IDR5) & IDR5_OAS;
    if (output_size > 5)
        output_size = 5; /* 48 bits, as EL2 itself */
}

/* While it is disabled, everything is aborted. */
static void disable(void)
{
    reg_write(GBPA, GBPA_UPDATE | GBPA_ABORT);
    for (unsigned i = 0; reg(GBPA) & GBPA_UPDATE; i++)
        if (i == POLL_MAX)
            panic("smmu: GBPA is not updated");
    reg_write_acked(CR0, CR0ACK, 0);
    reg_write_acked(IRQ_CTRL, IRQ_CTRLACK, 0);
}

static void caches_flush(void)
{
    command(CMD_CFGI_STE_RANGE, CFGI_RANGE_ALL);
    if (reg(IDR0) & IDR0_HYP)
        command(CMD_TLBI_EL2_ALL, 0);
    command(CMD_TLBI_NSNH_ALL, 0);
    commands_finish();
}

void smmu_init(void)
{
    features_check();
    disable();
    command_at = event_at = 0;
    stream_directory[0] = (uint64_t)streams | (STREAM_SPLIT + 1);
    reg_write(CR1, CR1_CACHEABLE);
    reg_write(CR2, CR2_RECINVSID | CR2_PTM);
    base_write(STRTAB_BASE, stream_directory, 0);
    reg_write(STRTAB_BASE_CFG, STRTAB_2LEVEL);

    base_write(CMDQ_BASE, commands, COMMAND_BITS);
    reg_write(CMDQ_PROD, 0);
    reg_write(CMDQ_CONS, 0);
    mmio_barrier();
    reg_write_acked(CR0, CR0ACK, CR0_CMDQEN);
    caches_flush();

    base_write(EVENTQ_BASE, events, EVENT_BITS);
    reg_write(EVENTQ_PROD, 0);
    reg_write(EVENTQ_CONS, 0);
    reg_write_acked(CR0, CR0ACK, CR0_CMDQEN | CR0_EVENTQEN);
    reg_write(GERRORN, reg(GERROR));
    reg_write_acked(IRQ_CTRL, IRQ_CTRLACK, IRQ_GERROR | IRQ_EVENTQ);
    reg_write_acked(CR0, CR0ACK, CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN);
}
