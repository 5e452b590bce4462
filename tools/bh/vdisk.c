/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vdisk.c - see vdisk.h
 *
 * Xen's own parser splits the entry.  A parameter of xl's is honoured, asks for what is so anyway, or is
 * refused by its name; none is ignored.
 */
#define _GNU_SOURCE
#include "vdisk.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "options.h"
#include "vdev.h"

#define RAM "ram:"

static const char *place_refused(const libxl_device_disk *disk)
{
    if (!disk->pdev_path || !disk->pdev_path[0] || !disk->vdev)
        return "phy:LABEL,VDEV,MODE is needed";
    if (disk->pdev_path[0] == '/')
        return "volumes are partitions of the machine's disk, by label, not paths: phy:LABEL,VDEV,MODE";
    if (vdev_place(disk->vdev) == DRIVES_MAX)
        return "the device must be one of " DRIVES_WORDS ": disks are virtio's, and so the guest calls them";
    return NULL;
}

static const char *kind_refused(const libxl_device_disk *disk)
{
    if (disk->is_cdrom || disk->removable)
        return "devtype: there are no CD drives";
    if (disk->format != LIBXL_DISK_FORMAT_RAW)
        return "format: only raw disks";
    if (disk->script)
        return "script: nothing runs scripts in the machine";
    if (disk->backend_domname && strcmp(disk->backend_domname, "blkdrv") != 0)
        return "backend: the only back end is blkdrv";
    if (disk->backend != LIBXL_DISK_BACKEND_UNKNOWN && disk->backend != LIBXL_DISK_BACKEND_PHY)
        return "backendtype: only phy";
    if (disk->specification == LIBXL_DISK_SPECIFICATION_XEN)
        return "specification: only virtio";
    return NULL;
}

/* direct-io-safe needs no word: blkdrv caches nothing. */
static const char *manner_refused(const libxl_device_disk *disk)
{
    if (!libxl_defbool_is_default(disk->discard_enable) && libxl_defbool_val(disk->discard_enable))
        return "discard: disks have no discard";
    if (!libxl_defbool_is_default(disk->colo_enable) ||
        !libxl_defbool_is_default(disk->colo_restore_enable) || disk->colo_host || disk->colo_port ||
        disk->colo_export || disk->active_disk || disk->hidden_disk)
        return "colo: Bulkhead has no COLO";
    return NULL;
}

static char *volume_take(const char *path, bh_Disk *out)
{
    uint64_t bytes;

    if (!strncmp(path, RAM, strlen(RAM)) && (!size_parse(path + strlen(RAM), &bytes) || bytes == 0))
        return must_print("ram: needs a size, as ram:64M");
    if ((size_t)snprintf(out->volume, sizeof(out->volume), "%s", path) >= sizeof(out->volume))
        return must_print("the volume's name is longer than %zu characters", sizeof(out->volume) - 1);
    return NULL;
}

static char *disk_take(const libxl_device_disk *disk, bh_Disk *out)
{
    const char *wrong = place_refused(disk);

    if (!wrong)
        wrong = kind_refused(disk);
    if (!wrong)
        wrong = manner_refused(disk);
    if (wrong)
        return must_print("%s", wrong);
    snprintf(out->vdev, sizeof(out->vdev), "%s", disk->vdev);
    out->writable = disk->readwrite != 0;
    return volume_take(disk->pdev_path, out);
}

/* What the parser wrote from `before` on, without the file's name. */
static char *words_of(const char *report)
{
    static const char lead[] = "in disk specification: ";
    const char *words = strstr(report, lead);

    words = words ? words + strlen(lead) : report;
    return must_print("%.*s", (int)strcspn(words, "\n"), words);
}

static char *spec_parse(XLU_Config *xlu, const char *spec, FILE *report, char *const *report_text,
                        bh_Disk *out)
{
    libxl_device_disk disk;
    char *wrong;
    long before;

    fflush(report);
    before = ftell(report);
    libxl_device_disk_init(&disk);
    if (xlu_disk_parse(xlu, 1, &spec, &disk)) {
        fflush(report);
        wrong = words_of(*report_text + before);
    } else {
        wrong = disk_take(&disk, out);
    }
    libxl_device_disk_dispose(&disk);
    return wrong;
}

/* The parser of Xen 4.17 does not know this flag, which its manual page has; what follows target= is all
 * target. */
static char *flag_cut(const char *text, const char *flag, bool *found)
{
    char *rest = must_print("%s", text), *copy = rest, *word, *kept = must_print("%s", "");
    bool is_target = false;

    *found = false;
    while ((word = strsep(&rest, ","))) {
        const char *bare = word + strspn(word, " \t");

        is_target |= !strncmp(bare, "target=", strlen("target="));
        if (!is_target && !strcmp(bare, flag))
            *found = true;
        else
            kept = must_print("%s%s%s", kept, *kept ? "," : "", word);
    }
    free(copy);
    return kept;
}

char *vdisk_parse(XLU_Config *xlu, const char *text, FILE *report, char *const *report_text, bh_Disk *out)
{
    bool is_untrusted, is_trusted, is_ram = !strncmp(text, RAM, strlen(RAM));
    char *spec = flag_cut(text, "untrusted", &is_untrusted), *wrong;

    if (is_untrusted)
        return must_print("untrusted: a virtio driver cannot be told so");
    spec = flag_cut(spec, "trusted", &is_trusted);
    /* `ram:SIZE` is ours; in the old syntax the parser takes it for a path when it comes as phy: does. */
    wrong = spec_parse(xlu, must_print("%s%s", is_ram ? "phy:" : "", spec), report, report_text, out);
    if (wrong && is_ram && !spec_parse(xlu, spec, report, report_text, out))
        return NULL;
    return wrong;
}
