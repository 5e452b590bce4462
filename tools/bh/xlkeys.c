/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xlkeys.c - see xlkeys.h
 *
 * An empty string or list asks for nothing, so it is accepted for every key.
 */
#define _GNU_SOURCE
#include "xlkeys.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

enum xlkey_kind {
    HERE,   /* vmfile.c reads it; `text` says what it does */
    ONLY,   /* these values ask for what is so anyway; `text` says why no other is accepted */
    NOWHERE /* `text` says why not */
};

struct xlkey {
    const char *name;
    enum xlkey_kind kind;
    const char *values; /* of ONLY: a|b|c */
    const char *text;
};

#define X86 "it is for x86 machines, this is AArch64"
#define SHIM "PV guests are for x86 machines: there is no shim"
#define NO_MODEL "no device model runs here: a VM's devices are its own vmm's"
#define NO_STUB "no device model runs here, so there is no stub domain for one"
#define NO_SCREEN "VMs have no screen; their consoles are PL011 and virtio (`bh console`)"
#define NO_SPICE "VMs have no screen, so there is no SPICE server"
#define NO_SOUND "VMs have no sound device"
#define NO_INPUT "VMs have no keyboard or pointer; they are typed to at their consoles"
#define NO_USB "VMs have no USB"
#define NO_PASSTHROUGH "devices are not passed through to VMs; drivers are services of Bulkhead's own"
#define WHOLE_MEMORY "a VM has all its memory at its start, mem-set lowers it then"
#define NO_HOTPLUG "vCPUs are not plugged in later: say how many in `vcpus`"
#define NO_GRANTS "guests have no grant tables: their devices are virtio's"
#define NO_XSM "there is no XSM; who may reach what is said by capabilities (system/bulkhead.toml)"
#define NO_FIRMWARE                                                                                          \
    "no firmware is brought along: `kernel` is started, which may be a boot loader (U-Boot's Image)"
#define NO_LOADER "nothing looks into a VM's disk for its kernel: `kernel` is a file, or volume:LABEL"
#define NO_NUMA "machines have one NUMA node"
#define NO_XEND "it was an option of xend's"

/* In the order of the manual page; keys that are not in it (4.17) come last. */
static const struct xlkey keys[] = {
    /* which VM */
    {"name", HERE, NULL, "The VM's name: letters, digits, `.`, `_`, `-`; at most 31. Unique in the machine."},
    {"type", ONLY, "pvh|pv",
     "there are no HVM guests: nothing emulates a PC (xl on Arm starts `pv` as `pvh` too)"},
    {"builder", ONLY, "generic|linux", "there are no HVM guests: nothing emulates a PC"},
    /* processors */
    {"pool", ONLY, "Pool-0", "there is one pool with all pCPUs"},
    {"vcpus", HERE, NULL, "1 to 16; 1 if not given."},
    {"maxvcpus", HERE, NULL, "What `vcpus` is, if given: " NO_HOTPLUG "."},
    {"cpus", HERE, NULL,
     "The pCPUs that its vCPUs may be on, as `2`, `0-3,^1` or `all`; or a list with an entry for each vCPU. "
     "A vCPU stays on one "
     "of them: they take those they may have in turn."},
    {"cpus_soft", ONLY, "all", "vCPUs have no preferences: each stays on one pCPU"},
    {"cpu_weight", HERE, NULL,
     "1 to 65535; 256 if not given. Time is shared in this ratio when it is short."},
    {"cap", HERE, NULL,
     "Percent of one pCPU that all its vCPUs together may have, evenly; 0, if not given: no limit."},
    /* memory */
    {"memory", HERE, NULL, "MiB, even, from 8 up."},
    {"maxmem", HERE, NULL, "What `memory` is, or alone in its place: " WHOLE_MEMORY "."},
    {"vnuma", NOWHERE, NULL, NO_NUMA},
    /* events */
    {"on_poweroff", HERE, NULL, "`destroy` (if not given), `restart` or `preserve`."},
    {"on_reboot", HERE, NULL, "The same; `restart` if not given."},
    {"on_watchdog", HERE, NULL, "What `on_crash` is: a watchdog that runs out is a crash of the VM."},
    {"on_crash", HERE, NULL, "The same as `on_poweroff`; `destroy` if not given."},
    {"on_soft_reset", ONLY, "soft-reset|destroy|restart|preserve",
     "a guest that starts another kernel by itself (kexec) goes on; nobody is told, so nothing else can be "
     "done"},
    /* what is started */
    {"kernel", HERE, NULL,
     "An uncompressed arm64 `Image` (Linux, or anything with that header), or `volume:LABEL`: that volume of "
     "the "
     "machine's disk."},
    {"ramdisk", HERE, NULL, "An initramfs, as large as the memory at most; or `volume:LABEL`."},
    {"cmdline", HERE, NULL, "The whole command line; then neither `root` nor `extra`."},
    {"root", HERE, NULL, "Becomes `root=...` at the start of the command line."},
    {"extra", HERE, NULL,
     "The kernel's command line; with `root`, behind it. At most 255 characters in all."},
    {"firmware", NOWHERE, NULL, NO_FIRMWARE},
    {"pvshim", ONLY, "0", SHIM},
    {"pvshim_path", NOWHERE, NULL, SHIM},
    {"pvshim_cmdline", NOWHERE, NULL, SHIM},
    {"pvshim_extra", NOWHERE, NULL, SHIM},
    /* others */
    {"uuid", HERE, NULL,
     "32 hexadecimal digits, with dashes or without. If not given: made from the file's path and the "
     "VM's name, so that it stays the same."},
    {"seclabel", NOWHERE, NULL, NO_XSM},
    {"init_seclabel", NOWHERE, NULL, NO_XSM},
    {"max_grant_frames", NOWHERE, NULL, NO_GRANTS},
    {"max_maptrack_frames", NOWHERE, NULL, NO_GRANTS},
    {"max_grant_version", NOWHERE, NULL, NO_GRANTS},
    {"nomigrate", ONLY, "0|1", "VMs do not migrate"},
    {"driver_domain", ONLY, "0", "driver domains are Bulkhead's own (blkdrv, netdrv), not VMs"},
    {"device_tree", NOWHERE, NULL, NO_PASSTHROUGH ", and a VM's device tree says what its vmm has"},
    {"passthrough", ONLY, "disabled|default", NO_PASSTHROUGH},
    {"xend_suspend_evtchn_compat", ONLY, "0", "there is no xenstore"},
    {"vmtrace_buf_kb", ONLY, "0", "VMs are not traced"},
    {"vpmu", ONLY, "0",
     "guests have no PMU; `--append-options pmu=1` lets all VMs of a machine count instructions"},
    /* devices */
    {"disk", HERE, NULL, "Up to 4 disks, as xl-disk-configuration(5) writes them: below."},
    {"vif", HERE, NULL, "Up to 4 network interfaces, as xl-network-configuration(5) writes them: below."},
    {"vtpm", NOWHERE, NULL, "VMs have no TPM"},
    {"p9", NOWHERE, NULL, "no directories are shared with VMs"},
    {"pvcalls", NOWHERE, NULL, "a VM's sockets are its own kernel's; it reaches networks through `vif`"},
    {"vfb", NOWHERE, NULL, NO_SCREEN},
    {"channel", NOWHERE, NULL, "a VM's only channel to the outside is its console"},
    {"rdm", NOWHERE, NULL, X86},
    {"usbctrl", NOWHERE, NULL, NO_USB},
    {"usbdev", NOWHERE, NULL, NO_USB},
    {"pci", NOWHERE, NULL, NO_PASSTHROUGH},
    {"pci_permissive", ONLY, "0", NO_PASSTHROUGH},
    {"pci_msitranslate", ONLY, "0", NO_PASSTHROUGH},
    {"pci_seize", ONLY, "0", NO_PASSTHROUGH},
    {"pci_power_mgmt", ONLY, "0", NO_PASSTHROUGH},
    {"gfx_passthru", ONLY, "0", NO_PASSTHROUGH},
    {"rdm_mem_boundary", NOWHERE, NULL, X86},
    {"dtdev", NOWHERE, NULL, NO_PASSTHROUGH},
    {"ioports", NOWHERE, NULL, X86},
    {"iomem", NOWHERE, NULL, NO_PASSTHROUGH},
    {"irqs", NOWHERE, NULL, NO_PASSTHROUGH},
    {"max_event_channels", NOWHERE, NULL, "guests have no event channels: their devices are virtio's"},
    {"vdispl", NOWHERE, NULL, NO_SCREEN},
    {"dm_restrict", ONLY, "0", NO_MODEL},
    {"device_model_user", NOWHERE, NULL, NO_MODEL},
    {"vsnd", NOWHERE, NULL, NO_SOUND},
    {"vkb", NOWHERE, NULL, NO_INPUT},
    {"tee", ONLY, "none", "there is no trusted execution environment below Bulkhead"},
    /* PV and PVH */
    {"bootloader", NOWHERE, NULL, NO_LOADER},
    {"bootloader_args", NOWHERE, NULL, NO_LOADER},
    {"e820_host", ONLY, "0", X86},
    {"timer_mode", NOWHERE, NULL, X86},
    {"nestedhvm", ONLY, "0", "VMs have no EL2: nothing is nested"},
    {"hap", ONLY, "1", "a VM's memory always has a second stage of translation"},
    {"oos", NOWHERE, NULL, X86 " (shadow page tables)"},
    {"shadow_memory", ONLY, "0", "a VM's page tables come from its vmm's own memory, which is always enough"},
    /* HVM */
    {"boot", NOWHERE, NULL, NO_LOADER},
    {"hdtype", NOWHERE, NULL, "no disk controller is emulated: disks are virtio's"},
    {"bios", NOWHERE, NULL, NO_FIRMWARE},
    {"bios_path_override", NOWHERE, NULL, NO_FIRMWARE},
    {"pae", NOWHERE, NULL, X86},
    {"acpi", ONLY, "0", "a VM's board is described by a device tree, as QEMU's `virt` is"},
    {"acpi_s3", ONLY, "0", "a VM's board has no ACPI"},
    {"acpi_s4", ONLY, "0", "a VM's board has no ACPI"},
    {"acpi_laptop_slate", ONLY, "0", "a VM's board has no ACPI"},
    {"apic", NOWHERE, NULL, X86},
    {"nx", NOWHERE, NULL, X86},
    {"hpet", ONLY, "0", X86},
    {"altp2m", ONLY, "disabled", X86},
    {"altp2mhvm", ONLY, "0", X86},
    {"cpuid", NOWHERE, NULL, X86},
    {"acpi_firmware", NOWHERE, NULL, "a VM's board has no ACPI"},
    {"smbios_firmware", NOWHERE, NULL, NO_FIRMWARE},
    {"ms_vm_genid", ONLY, "none", X86},
    {"tsc_mode", ONLY, "default", X86},
    {"localtime", HERE, NULL, "1: the VM's clock (PL031) starts at the host's local time, not at UTC."},
    {"rtc_timeoffset", HERE, NULL, "Seconds that its clock starts ahead of that, or behind (with a `-`)."},
    {"vpt_align", NOWHERE, NULL, X86},
    {"mmio_hole", NOWHERE, NULL, X86},
    {"xen_platform_pci", ONLY, "0", "VMs have no PCI, and nothing of Xen's"},
    {"viridian", ONLY, "0", X86},
    {"videoram", NOWHERE, NULL, NO_SCREEN},
    {"stdvga", ONLY, "0", NO_SCREEN},
    {"vga", ONLY, "none", NO_SCREEN},
    {"vnc", ONLY, "0", NO_SCREEN},
    {"vnclisten", NOWHERE, NULL, NO_SCREEN},
    {"vncdisplay", NOWHERE, NULL, NO_SCREEN},
    {"vncunused", NOWHERE, NULL, NO_SCREEN},
    {"vncpasswd", NOWHERE, NULL, NO_SCREEN},
    {"keymap", NOWHERE, NULL, NO_INPUT},
    {"sdl", ONLY, "0", NO_SCREEN},
    {"opengl", ONLY, "0", NO_SCREEN},
    {"nographic", ONLY, "1|0", NO_SCREEN},
    {"spice", ONLY, "0", NO_SPICE},
    {"spicehost", NOWHERE, NULL, NO_SPICE},
    {"spiceport", NOWHERE, NULL, NO_SPICE},
    {"spicetls_port", NOWHERE, NULL, NO_SPICE},
    {"spicedisable_ticketing", ONLY, "0", NO_SPICE},
    {"spicepasswd", NOWHERE, NULL, NO_SPICE},
    {"spiceagent_mouse", ONLY, "0", NO_SPICE},
    {"spicevdagent", ONLY, "0", NO_SPICE},
    {"spice_clipboard_sharing", ONLY, "0", NO_SPICE},
    {"spiceusbredirection", ONLY, "0", NO_SPICE},
    {"spice_image_compression", NOWHERE, NULL, NO_SPICE},
    {"spice_streaming_video", NOWHERE, NULL, NO_SPICE},
    {"serial", ONLY, "pty", "a VM has one serial line (PL011), which leads to its console"},
    {"soundhw", NOWHERE, NULL, NO_SOUND},
    {"vkb_device", ONLY, "0", NO_INPUT},
    {"usb", ONLY, "0", NO_USB},
    {"usbversion", NOWHERE, NULL, NO_USB},
    {"usbdevice", NOWHERE, NULL, NO_USB},
    {"vendor_device", ONLY, "none", X86},
    /* the device model */
    {"device_model_version", NOWHERE, NULL, NO_MODEL},
    {"device_model_override", NOWHERE, NULL, NO_MODEL},
    {"stubdomain_kernel", NOWHERE, NULL, NO_STUB},
    {"stubdomain_cmdline", NOWHERE, NULL, NO_STUB},
    {"stubdomain_ramdisk", NOWHERE, NULL, NO_STUB},
    {"stubdomain_memory", NOWHERE, NULL, NO_STUB},
    {"device_model_stubdomain_override", ONLY, "0", NO_STUB},
    {"device_model_stubdomain_seclabel", NOWHERE, NULL, NO_STUB},
    {"device_model_args", NOWHERE, NULL, NO_MODEL},
    {"device_model_args_pv", NOWHERE, NULL, NO_MODEL},
    {"device_model_args_hvm", NOWHERE, NULL, NO_MODEL},
    /* Arm's and x86's own */
    {"gic_version", ONLY, "v3|default", "every VM has a GICv3"},
    {"vuart", ONLY, "sbsa_uart", "every VM has a PL011 (ttyAMA0), of which the SBSA UART is a part"},
    {"mca_caps", NOWHERE, NULL, X86},
    {"msr_relaxed", ONLY, "0", X86},
    /* not in the manual page of 4.17: later ones, and older files */
    {"llc_colors", NOWHERE, NULL, "caches are not divided between VMs"},
    {"nr_spis", NOWHERE, NULL, "a VM has the interrupts of its board, up to INTID 95"},
    {"sve", ONLY, "disabled", "guests have no SVE"},
    {"trap_unmapped_accesses", ONLY, "1", "an access to what is not there always is an abort in the guest"},
    {"virtio", NOWHERE, NULL,
     "disks and interfaces are virtio's already; there are no other virtio devices to add"},
    {"nics", NOWHERE, NULL, NO_XEND ": `vif` has an entry for each"},
    {"vcpu_avail", NOWHERE, NULL, NO_XEND ": " NO_HOTPLUG},
    {"on_xend_start", NOWHERE, NULL,
     NO_XEND ": `bh run FILE` starts it with the machine, `--later FILE` does not"},
    {"on_xend_stop", NOWHERE, NULL, NO_XEND ": VMs end with their machine"},
    {"autostart", NOWHERE, NULL,
     "no key of xl's: `bh run FILE` starts a VM with the machine (as a link in /etc/xen/auto does), `--later "
     "FILE` "
     "does not"},
};

static const struct xlkey *xlkey_find(const char *name)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (!strcmp(keys[i].name, name))
            return &keys[i];
    return NULL;
}

/* Is it one of a|b|c? */
static bool is_among(const char *value, const char *values)
{
    size_t length = strlen(value);

    for (const char *at = values; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (!strncmp(at, value, length) && (at[length] == '|' || at[length] == '\0'))
            return true;
    return false;
}

static bool is_accepted(const struct xlkey *key, const char *value)
{
    return value && (!*value || (key->values && is_among(value, key->values)));
}

/* The value that is not accepted, or NULL; of what is neither a word nor a list of words: "[...]". */
static const char *value_refused(XLU_Config *xlu, const struct xlkey *key)
{
    XLU_ConfigList *list;
    const char *value;
    int count;

    if (!xlu_cfg_get_string(xlu, key->name, &value, 1))
        return is_accepted(key, value) ? NULL : value;
    if (xlu_cfg_get_list(xlu, key->name, &list, &count, 1))
        return "[...]";
    for (int i = 0; i < count; i++) {
        value = xlu_cfg_get_listitem(list, i);
        if (!is_accepted(key, value))
            return value ? value : "[...]";
    }
    return NULL;
}

/* "a or b" from "a|b". */
static char *values_text(const char *values)
{
    const char *bar = strchr(values, '|');
    char *rest, *text;

    if (!bar)
        return must_print("%s", values);
    rest = values_text(bar + 1);
    text = must_print("%.*s or %s", (int)(bar - values), values, rest);
    free(rest);
    return text;
}

static char *only_text(const struct xlkey *key, const char *value)
{
    char *values = values_text(key->values);
    char *text = must_print("'%s': only %s: %s", value, values, key->text);

    free(values);
    return text;
}

char *xlkey_judge(XLU_Config *xlu, const char *name)
{
    const struct xlkey *key = xlkey_find(name);
    const char *value;

    if (!key)
        return must_print("this key means nothing to Bulkhead, nor to xl");
    if (key->kind == HERE)
        return NULL;
    value = value_refused(xlu, key);
    if (!value)
        return NULL;
    return key->kind == ONLY ? only_text(key, value) : must_print("%s", key->text);
}
