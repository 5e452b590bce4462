/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmfile.c - a VM as its xl.cfg file says it
 */
#define _GNU_SOURCE
#include "vmfile.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpulist.h"
#include "image_names.h"
#include "vdisk.h"
#include "vif.h"
#include "vmtext.h"

#define MIB (1ull << 20)
#define VCPUS_MAX 16
#define WEIGHT_USUAL 256
#define WEIGHT_MAX 65535
#define MEMORY_MIB_MAX 65536
#define CLOCK_MAX (10L * 366 * 86400)

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
    if (!strcmp(text, "rename-restart"))
        fail_at(r, key, "'%s': a VM keeps its name; there are destroy, restart, preserve", text);
    if (!strncmp(text, "coredump-", strlen("coredump-")))
        fail_at(r, key, "'%s': no memory of a VM is written out; there are destroy, restart, preserve", text);
    if (!strcmp(text, "soft-reset"))
        fail_at(r, key,
                "'%s': guests have no interfaces of Xen's to reset; there are destroy, restart, preserve",
                text);
    fail_at(r, key, "'%s' is none of destroy, restart, preserve", text);
}

/* A watchdog that runs out is a crash, so the file may say nothing else about it. */
static void read_events(struct reader *r)
{
    bh_VmConfig *config = &r->vm->config;

    config->on_poweroff = read_event(r, "on_poweroff", bh_OnEvent_DESTROY);
    config->on_reboot = read_event(r, "on_reboot", bh_OnEvent_RESTART);
    config->on_crash = read_event(r, "on_crash", bh_OnEvent_DESTROY);
    if (read_event(r, "on_watchdog", config->on_crash) != config->on_crash)
        fail_at(r, "on_watchdog", "a watchdog that runs out is a crash here: it must be what on_crash is");
}

static void read_vcpus(struct reader *r)
{
    uint32_t vcpus = (uint32_t)read_number(r, "vcpus", 1, VCPUS_MAX, 1);

    if (read_number(r, "maxvcpus", 1, VCPUS_MAX, vcpus) != vcpus)
        fail_at(r, "maxvcpus", "vCPUs are not plugged in later: it must be what vcpus is, which is %u",
                vcpus);
    r->vm->config.vcpus = vcpus;
}

static void pin(struct reader *r, uint32_t vcpu, const char *text)
{
    uint32_t pcpus;
    const char *wrong = cpulist_parse(text, &pcpus);

    if (wrong)
        fail_at(r, "cpus", "'%s': %s", text, wrong);
    r->vm->config.pins.bytes[vcpu] = pcpus == CPULIST_ANY ? PIN_NONE : (uint8_t)cpulist_pick(pcpus, vcpu);
}

/* One text for all vCPUs, or a list with one for each. */
static void read_pins(struct reader *r)
{
    const uint32_t vcpus = r->vm->config.vcpus;
    XLU_ConfigList *list = NULL;
    const char *text;
    int count = 0;

    r->vm->cpus_line = line_of(r, "cpus");
    if (!r->vm->cpus_line)
        return;
    if (xlu_cfg_get_string(r->xlu, "cpus", &text, 1)) {
        if (xlu_cfg_get_list(r->xlu, "cpus", &list, &count, 1))
            fail_at(r, "cpus", "a list of pCPUs is needed, as '0-3', or ['2', '3']");
        if (count && count != (int)vcpus)
            fail_at(r, "cpus", "%d entries for %u vCPUs: one text for all, or an entry for each", count,
                    vcpus);
        if (!count)
            return;
    }
    r->vm->config.pins.size = (pb_size_t)vcpus;
    for (uint32_t v = 0; v < vcpus; v++) {
        const char *entry = list ? xlu_cfg_get_listitem(list, (int)v) : text;

        if (!entry)
            fail_at(r, "cpus", "entry %u is not a text", v + 1);
        pin(r, v, entry);
    }
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Without one it stays empty: vm_identify() makes it. */
static void read_uuid(struct reader *r)
{
    static const uint8_t none[sizeof(r->vm->config.uuid)];
    uint8_t *uuid = r->vm->config.uuid;
    const char *text = read_string(r, "uuid");
    uint32_t digits = 0;

    if (!text || !*text)
        return;
    for (const char *at = text; *at; at++) {
        if (*at == '-' && at != text && digits % 4 == 0)
            continue;
        if (hex_digit(*at) < 0 || digits == 32)
            fail_at(r, "uuid", "'%s': 32 hexadecimal digits, as 6ba7b810-9dad-41d1-80b4-00c04fd430c8", text);
        uuid[digits / 2] = (uint8_t)(uuid[digits / 2] << 4 | hex_digit(*at));
        digits++;
    }
    if (digits != 32)
        fail_at(r, "uuid", "'%s': %u hexadecimal digits, 32 are needed", text, digits);
    if (!memcmp(uuid, none, sizeof(none)))
        fail_at(r, "uuid", "'%s': this UUID is nobody's", text);
}

/* How far the VM's clock starts ahead of UTC. */
static void read_clock(struct reader *r)
{
    const char *text = read_string(r, "rtc_timeoffset");
    char *end = "";
    time_t now = time(NULL);
    struct tm here;

    if (read_number(r, "localtime", 0, 1, 0) && localtime_r(&now, &here))
        r->vm->clock_ahead = here.tm_gmtoff;
    if (!text)
        return;
    errno = 0;
    r->vm->clock_ahead += strtol(text, &end, 10);
    if (!*text || *end || errno || r->vm->clock_ahead > CLOCK_MAX || r->vm->clock_ahead < -CLOCK_MAX)
        fail_at(r, "rtc_timeoffset", "'%s' is not a number of seconds, within 10 years", text);
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

static void read_disk(struct reader *r, const char *text, bh_Disk *out)
{
    char *wrong = vdisk_parse(r->xlu, text, r->report, &r->report_text, out);

    if (wrong)
        fail_at(r, "disk", "'%s': %s", text, wrong);
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
    uint64_t most = read_number(r, "maxmem", 1, MEMORY_MIB_MAX, 0);
    uint64_t mib = read_number(r, "memory", 1, MEMORY_MIB_MAX, most);

    r->vm->memory_line = line_of(r, line_of(r, "memory") ? "memory" : "maxmem");
    if (!mib)
        fail("%s: memory: a VM needs memory (in MiB)", r->vm->path);
    if (mib % 2)
        fail_at(r, "memory", "%llu: an even number of MiB is needed", (unsigned long long)mib);
    if (most && most != mib)
        fail_at(r, "maxmem", "a VM has all its memory at its start: it must be what memory is, which is %llu",
                (unsigned long long)mib);
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
    reader_judge_keys(&r);
    read_name(&r);
    read_memory(&r);
    read_uuid(&r);
    read_vcpus(&r);
    read_pins(&r);
    vm.config.weight = (uint32_t)read_number(&r, "cpu_weight", 1, WEIGHT_MAX, WEIGHT_USUAL);
    vm.config.cap = (uint32_t)read_number(&r, "cap", 0, 100ul * vm.config.vcpus, 0);
    vm.kernel = read_image(&r, "kernel", vm.config.kernel, sizeof(vm.config.kernel));
    vm.ramdisk = read_image(&r, "ramdisk", vm.config.ramdisk, sizeof(vm.config.ramdisk));
    if (!vm.kernel && !vm.config.kernel[0])
        fail("%s: kernel: a VM needs a kernel", vm.path);
    vm.kernel_line = line_of(&r, "kernel");
    vm.ramdisk_line = line_of(&r, "ramdisk");
    read_command_line(&r);
    read_disks(&r);
    read_vifs(&r);
    read_events(&r);
    read_clock(&r);
    reader_close(&r);
    return vm;
}
