# SPDX-License-Identifier: BSD-2-Clause
"""VM files as people of Xen write them: each key of xl.cfg(5) is honoured, or refused by its name and line.

The list of keys is read from Xen's own manual pages (Debian's xen-utils-common: installed, or unpacked below build/ by
tools/fetch-xen-doc), so that a key we forgot fails.  Only the last test starts a machine.
"""

import gzip
import importlib.util
import json
import os
import re
import struct
import subprocess
import time
import uuid
from pathlib import Path

import pytest

import mgmt_client
from machine import TOP, Machine

vm_pb2 = mgmt_client.pb.vm__pb2
BH = TOP / "build/bh"
KERNEL = TOP / "build/guests/vmlinuz"
XEN = [TOP / "build/xen-doc", Path("/")]


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load(TOP / "tools/gen_xl_cfg.py")
KEYS = {key.name: key for key in GENERATOR.keys()}


def bh(*arguments, **environment):
    done = subprocess.run([BH, "run", *map(str, arguments)], env={**os.environ, "PATH": "/nonexistent", **environment},
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def vm_file(tmp_path, more, *, memory="memory = 256", name="vm1"):
    """A file that is fine, with these lines from the fourth on."""
    path = tmp_path / f"{name}.cfg"
    path.write_text(f"name = '{name}'\nkernel = '{KERNEL}'\n{memory}\n{more}\n")
    return path


def judge(tmp_path, more, **others):
    """What is said about a file: nothing if it is accepted."""
    path = vm_file(tmp_path, more, **others)
    status, lines = bh(path, "--write-image", tmp_path / "image")
    assert status == (1 if lines else 0)
    assert all(line.startswith(f"bh: {path}") for line in lines), lines
    return [line[len(f"bh: {path}:"):] for line in lines]


def configs(tmp_path, *arguments, **environment):
    """The VmConfig of each VM in the boot image that bh makes."""
    status, lines = bh(*arguments, "--write-image", tmp_path / "image", **environment)
    assert (status, lines) == (0, [])
    bundle = (tmp_path / "image").read_bytes()[0x200000:]
    count = struct.unpack_from("<I", bundle, 36)[0]
    for entry in (bundle[552 + 152 * i:][:152] for i in range(count)):
        name = entry[:40].split(b"\0")[0].decode()
        if name.startswith("vm/"):
            offset, size = struct.unpack_from("<QQ", entry, 48)
            yield vm_pb2.VmConfig.FromString(bundle[offset:offset + size])


# ---- the manual page


def xen_file(path):
    for top in XEN:
        if (top / path).exists():
            return top / path
    return pytest.skip(f"there is no {path}: Debian's xen-utils-common is neither installed nor fetched")


def man_items(page):
    """(depth, section, term) of each item of a list in a manual page."""
    depth, section = 0, ""
    with gzip.open(xen_file(f"usr/share/man/man5/{page}.5.gz"), "rt", encoding="utf-8") as text:
        for line in text:
            depth += line.startswith(".RS") - line.startswith(".RE")
            if line.startswith((".SH", ".SS")):
                section = line[4:].strip().strip('"')
                yield -1, section, section
            term = re.match(r'(?:\.ie n )?\.IP "(.*)" 4$', line)
            if term:
                term = re.sub(r"\\f[A-Z]|\\s[-+]?\d|\\\||\\&", "", term.group(1))
                yield depth, section, term.replace('""', '"').replace("\\-", "-")


def test_every_key_of_the_manual_page_is_in_our_table():
    keys = set()
    for depth, section, term in man_items("xl.cfg"):
        if depth == 0 and section not in ("SYNTAX", "SEE ALSO"):
            keys.update(re.findall(r"^(\w+)=", term) or [term])
    assert len(keys) > 130
    assert keys - set(KEYS) == set()


def page_rows(heading):
    text = (TOP / "docs/xl-cfg.md").read_text(encoding="utf-8")
    rows = re.search(rf"^### {re.escape(heading)}\n(.*?)^##", text, re.MULTILINE | re.DOTALL).group(1)
    cells = "".join(re.findall(r"^\|([^|]*)\|", rows, re.MULTILINE))
    return set(re.findall(r"`([\w-]+)", cells))


def test_every_parameter_of_a_disk_is_on_our_page():
    parameters = set()
    for depth, _, term in man_items("xl-disk-configuration"):
        if depth == 0 and not term.startswith("deprecated-prefix"):
            parameters.update(word.split("=")[0].lower() for word in term.split(" / "))
    assert {"target", "vdev", "backend", "colo-port"} <= parameters
    assert parameters - page_rows("Entries of `disk`") == set()


def test_every_key_of_an_interface_is_on_our_page():
    keys = set()
    for depth, section, _ in man_items("xl-network-configuration"):
        if depth == -1 and section.lower() == section:
            keys.update(section.split(" / "))
    assert {"mac", "rate", "untrusted"} <= keys
    assert keys - page_rows("Entries of `vif`") == set()


def test_the_page_is_made_from_the_table():
    text = GENERATOR.PAGE.read_text(encoding="utf-8")
    assert GENERATOR.page(text, GENERATOR.keys()) == text, "run tools/gen_xl_cfg.py"


# ---- each key


def kinds(kind):
    return [key for key in KEYS.values() if key.kind == kind]


def test_what_is_not_here_is_refused_by_name_line_and_reason(tmp_path):
    keys = kinds("NOWHERE")
    for first in range(0, len(keys), 40):
        some = keys[first:first + 40]
        wrong = judge(tmp_path, "\n".join(f"{key.name} = 'something'" for key in some))
        assert wrong == [f"{4 + i}: {key.name}: {key.text}" for i, key in enumerate(some)]


def test_other_values_are_refused_with_those_that_are_not(tmp_path):
    keys = kinds("ONLY")
    wrong = judge(tmp_path, "\n".join(f"{key.name} = ['something', 'else']" for key in keys))
    assert wrong == [f"{4 + i}: {key.name}: 'something': only {' or '.join(key.values)}: {key.text}"
                     for i, key in enumerate(keys)]


@pytest.mark.parametrize("form", ["{} = '{}'", "{} = ['{}']"])
def test_what_is_so_anyway_is_accepted(tmp_path, form):
    for index in range(max(len(key.values) for key in kinds("ONLY"))):
        lines = [form.format(key.name, key.values[index]) for key in kinds("ONLY") if index < len(key.values)]
        assert judge(tmp_path, "\n".join(lines)) == []


@pytest.mark.parametrize("nothing", ["''", "[]"])
def test_nothing_can_always_be_asked_for(tmp_path, nothing):
    lines = [f"{key.name} = {nothing}" for key in KEYS.values() if key.kind != "HERE"]
    assert judge(tmp_path, "\n".join(lines)) == []


def test_lists_in_lists_are_refused_like_others(tmp_path):
    assert judge(tmp_path, "vnuma = [['pnode=0', 'size=256', 'vcpus=0', 'vdistances=10']]") == \
        ["4: vnuma: machines have one NUMA node"]


def test_all_that_is_refused_is_one_answer_in_json(tmp_path):
    path = vm_file(tmp_path, "vnc = 1\npci = ['01:00.0']")
    status, lines = bh(path, "--json")
    text = json.loads("\n".join(lines))["error"]["text"]
    assert status == 1
    assert [line.split(": ")[1] for line in text.split("\n")] == ["vnc", "pci"]


# ---- what is honoured


@pytest.mark.parametrize("lines", [
    "memory = '512'", "vcpus = 4\nmaxvcpus = 4", "maxvcpus = 1", "cpu_weight = 512", "maxmem = 256",
    "on_poweroff = 'preserve'\non_reboot = 'destroy'", "on_crash = 'restart'\non_watchdog = 'restart'", "on_watchdog = 'destroy'",
    "root = '/dev/vda ro'\nextra = 'quiet'", "vif = ['']", "vif = ['mac=00:16:3e:01:02:03,bridge=br0,rate=10Mb/s@50ms,mtu=1500']",
    "vif = ['rate=1MB/s,rate_in=2MB/s,pps=100000,pps_in=5']", "vif = ['type=vif,model=virtio-net,trusted,ip=10.0.3.7']", "disk = ['ram:1M,vda,w']", "disk = ['ram:1M,raw,vda,rw']",
    "disk = ['format=raw, vdev=vdb, access=ro, backend=blkdrv, backendtype=phy, specification=virtio, target=ram:1M']",
    "disk = ['ram:1M,,vda,,direct-io-safe,no-discard,trusted']",
])
def test_it_is_accepted(tmp_path, lines):
    assert judge(tmp_path, lines) == []


@pytest.mark.parametrize("lines, wrong", [
    ("maxmem = 512", "4: maxmem: a VM has all its memory at its start: it must be what memory is, which is 256"),
    ("vcpus = 2\nmaxvcpus = 4", "5: maxvcpus: vCPUs are not plugged in later"),
    ("cpus = '0-3,^0-3'", "4: cpus: '0-3,^0-3': no pCPU is left"),
    ("cpus = 'all,^1'", "all stands alone"),
    ("cpus = 'nodes:0'", "a machine has one NUMA node"),
    ("vcpus = 2\ncpus = ['1', '2', '3']", "5: cpus: 3 entries for 2 vCPUs"),
    ("vcpus = 2\ncpus = ['1', ['2']]", "5: cpus: entry 2 is not a text"),
    ("vcpus = 2\ncpus = '3-5'", "5: cpus: vCPU 1 is to be on pCPU 4: of --cpus 4 the last is 3"),
    ("on_watchdog = 'restart'", "4: on_watchdog: a watchdog that runs out is a crash here"),
    ("on_crash = 'rename-restart'", "4: on_crash: 'rename-restart': a VM keeps its name"),
    ("on_crash = 'coredump-restart'", "4: on_crash: 'coredump-restart': no memory of a VM is written out"),
    ("on_poweroff = 'soft-reset'", "4: on_poweroff: 'soft-reset': guests have no interfaces of Xen's"),
    ("uuid = '1234'", "4: uuid: '1234': 4 hexadecimal digits, 32 are needed"),
    ("uuid = 'XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX'", "4: uuid: 'XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX': 32 hexadecimal"),
    ("uuid = '" + "0" * 32 + "'", "this UUID is nobody's"),
    ("uuid = '" + "1" * 33 + "'", "32 hexadecimal digits"),
    ("rtc_timeoffset = 'soon'", "4: rtc_timeoffset: 'soon' is not a number of seconds"),
    ("localtime = 2", "4: localtime: '2' is not a number from 0 to 1"),
    ("disk = ['/dev/vg/root,raw,vda,w']", "4: disk: '/dev/vg/root,raw,vda,w': volumes are partitions"),
    ("disk = ['phy:root,xvda,w']", "disks are virtio's"),
    ("disk = ['/a.iso,,hdc,cdrom']", "4: disk: '/a.iso,,hdc,cdrom': volumes"),
    ("disk = ['root,raw,vda,devtype=cdrom']", "devtype: there are no CD drives"),
    ("disk = ['root,qcow2,vda,w']", "format: only raw disks"),
    ("disk = ['script=block-x,vdev=vda,target=root']", "script: nothing runs scripts"),
    ("disk = ['iscsi:root,vda,w']", "script: nothing runs scripts"),
    ("disk = ['backend=dom7,vdev=vda,target=root']", "backend: the only back end is blkdrv"),
    ("disk = ['backendtype=qdisk,vdev=vda,target=root']", "backendtype: only phy"),
    ("disk = ['specification=xen,vdev=vda,target=root']", "specification: only virtio"),
    ("disk = ['discard,vdev=vda,target=root']", "discard: disks have no discard"),
    ("disk = ['untrusted,vdev=vda,target=root']", "untrusted: a virtio driver"),
    ("disk = ['colo,vdev=vda,target=root']", "colo: Bulkhead has no COLO"),
    ("disk = ['phy:root,vda,w', 'root,raw,vdb,w,frob=1']", "'root,raw,vdb,w,frob=1': unknown parameter"),
    ("vif = ['pps=0']", "packets a second are a number from 1"), ("vif = ['pps_in=4294967296']", "packets a second are a number"),
    ("vif = ['rate_in=fast']", "a rate is as 10Mb/s"), ("vif = ['vlan=4095']", "a VLAN is a number from 1 to 4094"),
    ("vif = ['mtu=9000']", "the MTU of all networks is 1500"),
    ("vif = ['untrusted']", "a virtio driver cannot be told so"),
    ("vif = ['vifname=v0']", "an interface is known as"),
    ("vif = ['gatewaydev=eth0']", "routes are the network's"),
    ("vif = ['devid=3']", "interfaces are numbered"),
    ("memoryy = 3", "4: memoryy: this key means nothing to Bulkhead, nor to xl"),
])
def test_it_is_refused(tmp_path, lines, wrong):
    said = judge(tmp_path, lines)
    assert len(said) == 1 and wrong in said[0], said


def test_maxmem_alone_is_the_memory(tmp_path):
    path = vm_file(tmp_path, "", memory="maxmem = 64")
    assert next(configs(tmp_path, path)).memory_bytes == 64 << 20


@pytest.mark.parametrize("lines, pins", [
    ("", []), ("cpus = ''", [255] * 3), ("cpus = 'all'", [255] * 3), ("cpus = '2'", [2] * 3), ("cpus = 2", [2] * 3), ("cpus = []", []),
    ("cpus = '1-3,^2'", [1, 3, 1]), ("cpus = ['3', 'all', '0-1']", [3, 255, 0])])
def test_vcpus_are_on_the_pcpus_that_the_file_names(tmp_path, lines, pins):
    assert list(next(configs(tmp_path, vm_file(tmp_path, f"vcpus = 3\n{lines}"))).pins) == pins


def test_a_uuid_is_the_files_or_stays_the_same_for_the_file(tmp_path):
    said = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
    for form in (said, said.upper(), said.replace("-", "")):
        assert next(configs(tmp_path, vm_file(tmp_path, f"uuid = '{form}'"))).uuid == uuid.UUID(said).bytes
    files = [vm_file(tmp_path, "", name=name) for name in ("vm1", "vm2")]
    first, second = (config.uuid for config in configs(tmp_path, *files))
    assert [config.uuid for config in configs(tmp_path, *files)] == [first, second]
    assert first != second
    assert uuid.UUID(bytes=first).version == 8 and uuid.UUID(bytes=first).variant == uuid.RFC_4122
    (tmp_path / "elsewhere").mkdir()
    assert next(configs(tmp_path, vm_file(tmp_path / "elsewhere", ""))).uuid != first


def test_the_clock_starts_where_the_file_says(tmp_path):
    def ahead(lines):
        files = [vm_file(tmp_path, "", name="plain"), vm_file(tmp_path, lines)]
        plain, other = (config.epoch_seconds for config in configs(tmp_path, *files, TZ="Etc/GMT-2"))
        return round((other - plain) / 10) * 10

    assert ahead("rtc_timeoffset = 3600") == 3600
    assert ahead("rtc_timeoffset = '-3600'") == -3600
    assert ahead("localtime = 1") == 7200
    assert ahead("localtime = 0") == 0
    assert ahead("localtime = 1\nrtc_timeoffset = 60") == 7260


# ---- whole files


@pytest.mark.parametrize("name, refused", [
    ("xlexample.pvhlinux", ["disk"]), ("xlexample.pvlinux", ["disk"]), ("xlexample.hvm", ["type", "sdl"])])
def test_xens_examples_parse_and_what_we_lack_is_named(name, refused):
    path = xen_file(f"etc/xen/{name}")
    status, lines = bh(path)
    assert status == 1
    found = []
    for line in lines:
        number, key = re.match(rf"bh: {re.escape(str(path))}:(\d+): (\w+): ", line).groups()
        assert re.match(rf"{key}\s*=", path.read_text(encoding="utf-8").splitlines()[int(number) - 1])
        found.append(key)
    assert found == refused


def test_xens_example_starts_with_a_volume_of_ours(tmp_path):
    text = xen_file("etc/xen/xlexample.pvhlinux").read_text(encoding="utf-8")
    text = re.sub(r"'/dev/zvol[^']*'", "'ram:8M,vda,w'", text).replace("/boot/vmlinuz", str(KERNEL))
    (tmp_path / "a.cfg").write_text(text)
    assert next(configs(tmp_path, tmp_path / "a.cfg")).memory_bytes == 512 << 20


# In the manner of what people write for Arm boards: a plain guest, one that starts U-Boot, one with devices.
PLAIN = """# a guest on the server
builder = "generic"
name    = "guest-1";  type = 'pvh'
memory  = "512"
maxmem  = 512
vcpus   = 2
cpus    = "all"
kernel  = "{kernel}"
extra   = 'console=hvc0 root=/dev/vda rw'
disk    = [
    'ram:4M,vda,w',       # root
    'ram:4M,vdb,r' ]
vif     = [ 'mac=00:16:3e:4c:00:01,bridge=br0' , ]
vfb = []
gic_version = "v3"
serial = 'pty'
nographic = 1
acpi = 0
on_poweroff = "destroy"
on_reboot   = "restart"
on_crash    = "preserve"
"""

DEVICES = """name = "passthrough"
kernel = "{kernel}"
memory = 1024
vcpus = 2
cpus = ["2", "3"]
device_tree = "/root/passthrough.dtb"
dtdev = [ "/amba/ethernet@ff0e0000" ]
iomem = [ "0xff0e0,1" ]
irqs = [ 95 ]
passthrough = "enabled"
tee = "optee"
vpmu = 1
vuart = "sbsa_uart"
usbctrl = ['version=2,ports=4']
virtio = ["backend=Domain-0,type=virtio,device,transport=mmio"]
"""


def test_a_file_in_others_manner_is_accepted(tmp_path):
    (tmp_path / "a.cfg").write_text(PLAIN.format(kernel=KERNEL))
    config = next(configs(tmp_path, tmp_path / "a.cfg"))
    assert config.name == "guest-1" and config.memory_bytes == 512 << 20


def test_each_key_that_we_lack_is_named_with_its_line(tmp_path):
    path = tmp_path / "a.cfg"
    path.write_text(DEVICES.format(kernel=KERNEL))
    status, lines = bh(path)
    assert status == 1
    assert [re.match(r"bh: [^:]*:(\d+): (\w+): ", line).groups() for line in lines] == [
        ("6", "device_tree"), ("7", "dtdev"), ("8", "iomem"), ("9", "irqs"), ("10", "passthrough"), ("11", "tee"),
        ("12", "vpmu"), ("14", "usbctrl"), ("15", "virtio")]


# ---- a machine


def test_the_machine_has_it_as_the_file_says(tmp_path):
    path = tmp_path / "echo.cfg"
    path.write_text(f"name = 'echo'\nkernel = '{TOP / 'build/guests/tiny/echo.bin'}'\nmaxmem = 8\nvcpus = 2\n"
                    "cpus = ['3', '1']\ncpu_weight = 512\nuuid = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'\n")
    with Machine("--later", path, timeout=120) as machine:
        prompt = machine.prompt()
        prompt.run("create echo")
        while "echo.1 on" not in (said := prompt.run("info echo")):  # its vmm is still at it
            time.sleep(0.1)
        assert re.search(r"echo\.0 on pCPU 3, weight 512", said) and re.search(r"echo\.1 on pCPU 1, weight 512", said)
        assert re.search(r"memory +: 8 MiB", said)
