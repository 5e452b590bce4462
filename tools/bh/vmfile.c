/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmfile.c - a VM as its xl.cfg file says it
 */
#define _GNU_SOURCE
#include "vmfile.h"

#include <libxlutil.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "image_names.h"
#include "keys.h"
#include "options.h"
#include "vif.h"

#define MIB (1ull << 20)
#define VCPUS_MAX 16
#define WEIGHT_USUAL 256
#define WEIGHT_MAX 65535

/* A file while it is read; libxlutil's own words go to `report`. */
struct reader {
    struct vm *vm;
    struct file text;
    XLU_Config *xlu;
    FILE *report;
    char *report_text;
    size_t report_bytes;
};

static const char *const known_keys[] = {
    "name",  "kernel", "ramdisk",     "extra",     "root",     "cmdline",    "memory",
    "vcpus", "disk",   "on_poweroff", "on_reboot", "on_crash", "cpu_weight", "vif",
};

static uint32_t line_of(const struct reader *r, const char *key)
{
    return keys_line((const char *)r->text.bytes, key);
}

const char *vm_where(const struct vm *vm, uint32_t line)
{
    return line > vm->file_lines ? "command line" : must_print("%s:%u", vm->path, line);
}

#define fail_at(r, key, format, ...)                                                                         \
    fail("%s: %s: " format, vm_where((r)->vm, line_of(r, key)), key __VA_OPT__(, ) __VA_ARGS__)

/* What libxlutil reported: "PATH:LINE: text".  Where it trips over a line's end it has not counted that line
 * yet. */
static _Noreturn void fail_reported(struct reader *r)
{
    size_t path_bytes = strlen(r->vm->path);
    unsigned long line;
    char *rest;

    fflush(r->report);
    r->report_text[strcspn(r->report_text, "\n")] = '\0';
    if (strncmp(r->report_text, r->vm->path, path_bytes) || r->report_text[path_bytes] != ':')
        fail("%s", r->report_text);
    line = strtoul(r->report_text + path_bytes + 1, &rest, 10);
    if (strstr(rest, "near <newline>"))
        line++;
    fail("%s%s", vm_where(r->vm, (uint32_t)line), rest);
}

/* Behind `text`; `text` may move. */
static void text_append(struct file *text, const char *more)
{
    size_t bytes = strlen(more);

    text->bytes = realloc(text->bytes, text->size_bytes + bytes + 1);
    if (!text->bytes)
        fail("out of memory");
    memcpy(text->bytes + text->size_bytes, more, bytes + 1);
    text->size_bytes += bytes;
}

/* Whether xl's grammar takes a value as it is: quoted, a list, a number (behind which more may follow). */
static bool is_literal(const char *value)
{
    const char *behind = value + strspn(value, "0123456789");

    return strchr("'\"[", *value) || (behind > value && (!*behind || strchr("; ", *behind)));
}

/* KEY=VALUE as a line of a file. */
static void assignment_append(struct file *text, const char *assignment)
{
    size_t key_bytes = strcspn(assignment, "=");
    const char *value = assignment + key_bytes + 1;
    char *line;

    if (!assignment[key_bytes] || !key_bytes || !*value)
        fail_usage("'%s': KEY=VALUE is needed", assignment);
    if (strpbrk(assignment, "\n") || (!is_literal(value) && strpbrk(value, "'\"\\")))
        fail_usage("'%s': a value with quotes or line ends in it has to stand in quotes itself", assignment);
    if (is_literal(value))
        line = must_print("%s\n", assignment);
    else
        line = must_print("%.*s=\"%s\"\n", (int)key_bytes, assignment, value);
    text_append(text, line);
    free(line);
}

static uint32_t line_count(const struct file *text)
{
    uint32_t lines = 0;

    for (uint64_t i = 0; i < text->size_bytes; i++)
        lines += text->bytes[i] == '\n';
    return lines;
}

static void reader_open(struct reader *r, const char *path, char *const *assignments, unsigned count)
{
    if (path)
        r->text = file_read(NULL, path);
    if (path && memchr(r->text.bytes, '\0', r->text.size_bytes))
        fail("%s: this is not a text file", path);
    text_append(&r->text, "\n");
    r->vm->file_lines = path ? line_count(&r->text) : 0;
    for (unsigned i = 0; i < count; i++)
        assignment_append(&r->text, assignments[i]);
    r->report = open_memstream(&r->report_text, &r->report_bytes);
    r->xlu = r->report ? xlu_cfg_init(r->report, r->vm->path) : NULL;
    if (!r->xlu)
        fail("out of memory");
    if (r->text.size_bytes > INT_MAX)
        fail("%s: this is not a text file", r->vm->path);
    if (xlu_cfg_readdata(r->xlu, (const char *)r->text.bytes, (int)r->text.size_bytes))
        fail_reported(r);
}

static void reader_close(struct reader *r)
{
    xlu_cfg_destroy(r->xlu);
    fclose(r->report);
    free(r->report_text);
    free(r->text.bytes);
    free(r->text.path);
}

static void refuse_unknown_keys(const struct reader *r)
{
    const char *at = (const char *)r->text.bytes;
    uint32_t line = 1;
    struct key key;

    while (keys_next(&at, &line, &key)) {
        size_t i = 0;

        while (i < sizeof(known_keys) / sizeof(known_keys[0]) && strcmp(known_keys[i], key.name))
            i++;
        if (i == sizeof(known_keys) / sizeof(known_keys[0]))
            fail("%s: %s: this key means nothing to Bulkhead", vm_where(r->vm, key.line), key.name);
    }
}

/* NULL when the key is not there. */
static const char *read_string(struct reader *r, const char *key)
{
    const char *value;
    int error = xlu_cfg_get_string(r->xlu, key, &value, 1);

    if (error == EINVAL)
        fail_at(r, key, "a single value is needed, not a list");
    return error ? NULL : value;
}

static void read_text(struct reader *r, const char *key, char *out, size_t bytes)
{
    const char *value = read_string(r, key);

    if (value && strlen(value) >= bytes)
        fail_at(r, key, "longer than %zu characters", bytes - 1);
    snprintf(out, bytes, "%s", value ? value : "");
}

static uint64_t read_number(struct reader *r, const char *key, uint64_t min, uint64_t max, uint64_t otherwise)
{
    const char *text = read_string(r, key);
    uint64_t value;

    if (!text)
        return otherwise;
    /* Plain numbers only: xl.cfg has no unit letters. */
    if (text[strspn(text, "0123456789")] || !size_parse(text, &value) || value < min || value > max)
        fail_at(r, key, "'%s' is not a number from %llu to %llu", text, (unsigned long long)min,
                (unsigned long long)max);
    return value;
}

static bh_OnEvent read_event(struct reader *r, const char *key, bh_OnEvent otherwise)
{
    const char *text = read_string(r, key);

    if (!text)
        return otherwise;
    if (!strcmp(text, "destroy"))
        return bh_OnEvent_DESTROY;
    if (!strcmp(text, "restart"))
        return bh_OnEvent_RESTART;
    if (!strcmp(text, "preserve"))
        return bh_OnEvent_PRESERVE;
    fail_at(r, key, "'%s' is none of destroy, restart, preserve", text);
}

static void read_name(struct reader *r)
{
    bh_VmConfig *config = &r->vm->config;
    const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    r->vm->name_line = line_of(r, "name");
    read_text(r, "name", config->name, sizeof(config->name));
    if (!config->name[0])
        fail("%s: name: a VM needs a name", r->vm->path);
    if (config->name[strspn(config->name, allowed)])
        fail_at(r, "name", "'%s': only letters, digits, '.', '_' and '-'", config->name);
}

/* Relative paths count from the file's own directory. */
static char *read_path(struct reader *r, const char *key)
{
    const char *value = read_string(r, key);
    const char *slash = line_of(r, key) > r->vm->file_lines ? NULL : strrchr(r->vm->path, '/');

    if (!value)
        return NULL;
    if (!*value)
        fail_at(r, key, "the path is empty");
    if (*value == '/' || !slash)
        return must_print("%s", value);
    return must_print("%.*s/%s", (int)(slash - r->vm->path), r->vm->path, value);
}

/* `image:NAME`, which a machine that runs has already: as `bh images` lists it, or without its "image/". */
static bool read_image_name(struct reader *r, const char *key, const char *value, char *name,
                            size_t name_bytes)
{
    static const char prefix[] = "image:";

    if (strncmp(value, prefix, sizeof(prefix) - 1))
        return false;
    value += sizeof(prefix) - 1;
    if (!*value)
        fail_at(r, key, "image: needs the name of an image, as `bh images` lists it");
    if ((size_t)snprintf(name, name_bytes, "%s%s", strchr(value, '/') ? "" : IMAGE_FILE_PREFIX, value) >=
        name_bytes)
        fail_at(r, key, "'%s': longer than the name of an image can be", value);
    return true;
}

/* A kernel or ramdisk: a file, or `volume:LABEL`, which the machine has on its disk, or `image:NAME`; then
 * there is no path, and `name` becomes the machine's name for it. */
static char *read_image(struct reader *r, const char *key, char *name, size_t name_bytes)
{
    static const char prefix[] = "volume:";
    const char *value = read_string(r, key);

    if (value && read_image_name(r, key, value, name, name_bytes))
        return NULL;
    if (!value || strncmp(value, prefix, sizeof(prefix) - 1))
        return read_path(r, key);
    value += sizeof(prefix) - 1;
    if (!*value)
        fail_at(r, key, "volume: needs the label of a volume");
    if (strlen(value) >= name_bytes - strlen(IMAGE_VOLUME_PREFIX))
        fail_at(r, key, "'%s': the volume's name is longer than %zu characters", value,
                name_bytes - strlen(IMAGE_VOLUME_PREFIX) - 1);
    snprintf(name, name_bytes, IMAGE_VOLUME_PREFIX "%s", value);
    return NULL;
}

/* As xl does: `cmdline` is the whole, or else `root` and `extra` in this order. */
static void read_command_line(struct reader *r)
{
    bh_VmConfig *config = &r->vm->config;
    const char *cmdline = read_string(r, "cmdline"), *root = read_string(r, "root"),
               *extra = read_string(r, "extra");
    const char *last = cmdline ? "cmdline" : extra ? "extra" : "root";
    char *whole;

    if (cmdline && (root || extra))
        fail_at(r, "cmdline", "it is the whole command line: 'root' and 'extra' cannot be given too");
    if (cmdline)
        whole = must_print("%s", cmdline);
    else
        whole = must_print("%s%s%s%s", root ? "root=" : "", root ? root : "", root && extra ? " " : "",
                           extra ? extra : "");
    if (strlen(whole) >= sizeof(config->extra))
        fail_at(r, last, "the kernel's command line is longer than %zu characters",
                sizeof(config->extra) - 1);
    snprintf(config->extra, sizeof(config->extra), "%s", whole);
    free(whole);
}

/* `ram:SIZE` is ours; the parser takes it for a path when it comes as phy: does. */
static void read_disk(struct reader *r, const char *text, bh_Disk *out)
{
    char *spec = must_print("%s%s", strncmp(text, "ram:", 4) ? "" : "phy:", text);
    const char *specs[] = {spec};
    libxl_device_disk disk;
    uint64_t bytes;

    libxl_device_disk_init(&disk);
    if (xlu_disk_parse(r->xlu, 1, specs, &disk)) {
        fflush(r->report);
        fail_at(r, "disk", "'%s': %.*s", text, (int)strcspn(r->report_text, "\n"), r->report_text);
    }
    if (!disk.pdev_path || !disk.pdev_path[0] || !disk.vdev)
        fail_at(r, "disk", "'%s': phy:LABEL,VDEV,MODE is needed", text);
    if (disk.format != LIBXL_DISK_FORMAT_RAW || disk.is_cdrom)
        fail_at(r, "disk", "'%s': only raw disks", text);
    if (strlen(disk.pdev_path) >= sizeof(out->volume))
        fail_at(r, "disk", "'%s': the volume's name is longer than %zu characters", text,
                sizeof(out->volume) - 1);
    if (strlen(disk.vdev) != 3 || strncmp(disk.vdev, "vd", 2) || disk.vdev[2] < 'a' || disk.vdev[2] > 'd')
        fail_at(r, "disk", "'%s': the device must be one of vda to vdd", text);
    if (!strncmp(disk.pdev_path, "ram:", 4) && (!size_parse(disk.pdev_path + 4, &bytes) || bytes == 0))
        fail_at(r, "disk", "'%s': ram: needs a size, as ram:64M", text);

    snprintf(out->volume, sizeof(out->volume), "%s", disk.pdev_path);
    snprintf(out->vdev, sizeof(out->vdev), "%s", disk.vdev);
    out->writable = disk.readwrite != 0;
    libxl_device_disk_dispose(&disk);
    free(spec);
}

static void read_disks(struct reader *r)
{
    bh_VmConfig *config = &r->vm->config;
    XLU_ConfigList *list;
    int count, error = xlu_cfg_get_list(r->xlu, "disk", &list, &count, 1);

    r->vm->disk_line = line_of(r, "disk");
    if (error == ESRCH)
        return;
    if (error)
        fail_at(r, "disk", "a list is needed, as ['phy:debian1,vda,w']");
    if (count > (int)(sizeof(config->disks) / sizeof(config->disks[0])))
        fail_at(r, "disk", "more than %zu disks", sizeof(config->disks) / sizeof(config->disks[0]));

    for (int i = 0; i < count; i++) {
        const char *text = xlu_cfg_get_listitem(list, i);

        if (!text)
            fail_at(r, "disk", "entry %d is not a string", i + 1);
        read_disk(r, text, &config->disks[i]);
        for (int j = 0; j < i; j++)
            if (!strcmp(config->disks[j].vdev, config->disks[i].vdev))
                fail_at(r, "disk", "two disks are %s", config->disks[i].vdev);
        config->disks_count++;
    }
}

static void read_vif(struct reader *r, const char *text, uint32_t index)
{
    bh_VmConfig *config = &r->vm->config;
    bh_Vif *vif = &config->vifs[index];
    const char *wrong = vif_parse(r->xlu, text, config->name, index, vif);

    if (wrong)
        fail_at(r, "vif", "'%s': %s", text, wrong);
    for (uint32_t i = 0; i < index; i++)
        if (!memcmp(config->vifs[i].mac, vif->mac, sizeof(vif->mac)))
            fail_at(r, "vif", "'%s': interface %u has this MAC already", text, i);
    config->vifs_count++;
}

static void read_vifs(struct reader *r)
{
    const size_t most = sizeof(r->vm->config.vifs) / sizeof(r->vm->config.vifs[0]);
    XLU_ConfigList *list;
    int count, error = xlu_cfg_get_list(r->xlu, "vif", &list, &count, 1);

    if (error == ESRCH)
        return;
    if (error)
        fail_at(r, "vif", "a list is needed, as ['bridge=br0']");
    if (count > (int)most)
        fail_at(r, "vif", "more than %zu interfaces", most);
    for (int i = 0; i < count; i++) {
        const char *text = xlu_cfg_get_listitem(list, i);

        if (!text)
            fail_at(r, "vif", "entry %d is not a string", i + 1);
        read_vif(r, text, (uint32_t)i);
    }
}

static void read_memory(struct reader *r)
{
    uint64_t mib = read_number(r, "memory", 1, 65536, 0);

    r->vm->memory_line = line_of(r, "memory");
    if (!mib)
        fail("%s: memory: a VM needs memory (in MiB)", r->vm->path);
    if (mib % 2)
        fail_at(r, "memory", "%llu: an even number of MiB is needed", (unsigned long long)mib);
    r->vm->config.memory_bytes = mib * MIB;
}

struct vm vm_read(const char *path)
{
    return vm_read_with(path, NULL, 0);
}

struct vm vm_read_with(const char *path, char *const *assignments, unsigned count)
{
    struct vm vm = {.path = path ? path : "command line", .config = bh_VmConfig_init_zero};
    struct reader r = {.vm = &vm};

    reader_open(&r, path, assignments, count);
    refuse_unknown_keys(&r);
    read_name(&r);
    read_memory(&r);
    vm.config.vcpus = (uint32_t)read_number(&r, "vcpus", 1, VCPUS_MAX, 1);
    vm.config.weight = (uint32_t)read_number(&r, "cpu_weight", 1, WEIGHT_MAX, WEIGHT_USUAL);
    vm.kernel = read_image(&r, "kernel", vm.config.kernel, sizeof(vm.config.kernel));
    vm.ramdisk = read_image(&r, "ramdisk", vm.config.ramdisk, sizeof(vm.config.ramdisk));
    if (!vm.kernel && !vm.config.kernel[0])
        fail("%s: kernel: a VM needs a kernel", vm.path);
    vm.kernel_line = line_of(&r, "kernel");
    vm.ramdisk_line = line_of(&r, "ramdisk");
    read_command_line(&r);
    read_disks(&r);
    read_vifs(&r);
    vm.config.on_poweroff = read_event(&r, "on_poweroff", bh_OnEvent_DESTROY);
    vm.config.on_reboot = read_event(&r, "on_reboot", bh_OnEvent_RESTART);
    vm.config.on_crash = read_event(&r, "on_crash", bh_OnEvent_DESTROY);
    reader_close(&r);
    return vm;
}
