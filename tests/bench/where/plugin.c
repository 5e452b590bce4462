/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plugin.c - for QEMU: how often each translation block runs between two marks (where.py)
 *
 * A mark is an instruction that does nothing, HINT #number: the arguments are from=NUMBER, to=NUMBER and
 * out=FILE.  At QEMU's end the file has a line for each block that ran: its address, where QEMU has its bytes
 * (the same for the same memory of the machine), how often it ran, and its instructions.
 *
 * Debian has no header for plugins, so what is used of QEMU's interface (version 1) is declared here.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned cpu, void *data),
                                          enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                            void (*cb)(unsigned cpu, void *data),
                                            enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t id, void *data),
                                    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);
extern int qemu_plugin_version;
int qemu_plugin_version = 1;

#define HINT(number) (0xd503201fu + ((number) << 5))

struct block {
    struct block *next;
    uint64_t address, runs;
    void *bytes;
    size_t count;
    uint32_t code[];
};

static struct block *blocks;
static uint32_t from, to;
static const char *out;
static bool between;

static void on_from(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    between = true;
}

static void on_to(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    between = false;
}

static void on_run(unsigned cpu, void *data)
{
    (void)cpu;
    ((struct block *)data)->runs += between;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t count = qemu_plugin_tb_n_insns(tb);
    struct block *block = calloc(1, sizeof *block + count * sizeof block->code[0]);

    (void)id;
    if (!block)
        abort();
    block->count = count;
    block->address = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
    block->bytes = qemu_plugin_insn_haddr(qemu_plugin_tb_get_insn(tb, 0));
    block->next = blocks;
    blocks = block;
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

        memcpy(&block->code[i], qemu_plugin_insn_data(insn), sizeof block->code[i]);
        if (block->code[i] == HINT(from))
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_from, QEMU_PLUGIN_CB_NO_REGS, NULL);
        if (block->code[i] == HINT(to))
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_to, QEMU_PLUGIN_CB_NO_REGS, NULL);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_run, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void on_end(qemu_plugin_id_t id, void *data)
{
    FILE *file = fopen(out, "w");

    (void)id, (void)data;
    for (struct block *b = blocks; file && b; b = b->next) {
        if (b->runs == 0)
            continue;
        fprintf(file, "%" PRIx64 " %" PRIxPTR " %" PRIu64, b->address, (uintptr_t)b->bytes, b->runs);
        for (size_t i = 0; i < b->count; i++)
            fprintf(file, " %08x", b->code[i]);
        fputc('\n', file);
    }
    if (file)
        fclose(file);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "from=", 5) == 0)
            from = (uint32_t)strtoul(argv[i] + 5, NULL, 0);
        else if (strncmp(argv[i], "to=", 3) == 0)
            to = (uint32_t)strtoul(argv[i] + 3, NULL, 0);
        else if (strncmp(argv[i], "out=", 4) == 0)
            out = strdup(argv[i] + 4);
    }
    if (!from || !to || !out)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
