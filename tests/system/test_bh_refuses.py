# SPDX-License-Identifier: BSD-2-Clause
"""What `bh run` refuses before it boots anything: one line that names file, line and resource, exit status 1 (usage 2).

Nothing here starts QEMU: a PATH without it proves that.
"""

import os
import struct
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BH = TOP / "build/bh"
VMLINUZ = TOP / "build/guests/vmlinuz"
DISK = TOP / "build/guests/disk.img"


def config(path, *, name="vm1", kernel=VMLINUZ, more=""):
    path.write_text(f"name = '{name}'\nkernel = '{kernel}'\nmemory = 256\n{more}\n")
    return path


def bh(*arguments, cwd=None):
    environment = dict(os.environ, PATH="/nonexistent")
    return subprocess.run([BH, "run", *map(str, arguments)], env=environment, cwd=cwd, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False)


def refused(*arguments, status=1, cwd=None):
    done = bh(*arguments, cwd=cwd)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    if status == 1:
        assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize("more, line, words", [
    ("vif = 'bridge=br0'", 4, "vif: a list is needed"),
    ("vif = ['bridge=a-name-too-long']", 4, "1 to 12 characters"),
    ("vif = ['mac=01:00:00:00:00:01']", 4, "'mac=01:00:00:00:00:01': this MAC is no interface's"),
    ("vif = ['mac=02:00:00:00:00']", 4, "a MAC is six bytes"),
    ("vif = ['mac=02:00:00:00:00:01', 'mac=02:00:00:00:00:01']", 4, "interface 0 has this MAC already"),
    ("vif = ['ip=10.0.3']", 4, "addresses are as"),
    ("vif = ['ip=10.0.3.1 10.0.3.2 10.0.3.3']", 4, "more than 2 IPv4 addresses"),
    ("vif = ['rate=fast']", 4, "a rate is as 10Mb/s"),
    ("vif = ['vlan=4095']", 4, "a VLAN is a number from 1 to 4094"),
    ("vif = ['type=ioemu']", 4, "no card is emulated"),
    ("vif = ['model=e1000']", 4, "the only model is virtio-net"),
    ("vif = ['script=vif-bridge']", 4, "nothing runs scripts in the machine"),
    ("vif = ['bridge=br0', 'mtus=9000']", 4, "not a key that Bulkhead knows"),
    ("vif = ['bridge']", 4, "a value is missing"),
    ("vif = ['bridge=br0', '', '', '', '']", 4, "more than 4 interfaces"),
    ("\n\nmaxmemory = 512", 6, "maxmemory: this key means nothing"),
    ("vcpus = 17", 4, "vcpus: '17' is not a number from 1 to 16"),
    ("vcpus = 'two'", 4, "vcpus: 'two' is not a number"),
    ("vcpus =", 4, "syntax error"),
    ("vcpus = 2 2", 4, "syntax error"),
    ("memory = 255", 4, "memory: 255: an even number"),
    ("on_crash = 'explode'", 4, "on_crash: 'explode' is none of destroy, restart, preserve"),
    ("disk = 'phy:debian1,vda,w'", 4, "disk: a list is needed"),
    ("disk = ['phy:debian1,hda,w']", 4, "the device must be one of vda to vdd"),
    ("disk = ['phy:debian1,vda,sometimes']", 4, "unknown value for access"),
    ("disk = ['ram:lots,vda,w']", 4, "ram: needs a size"),
    ("disk = ['ram:1M,vda,w', 'ram:1M,vda,w']", 4, "two disks are vda"),
    ("extra = '" + "x" * 300 + "'", 4, "longer than 255"),
    ("cmdline = 'a'\nextra = 'b'", 4, "cmdline"),
    ("ramdisk = 'no-such-file'", 4, "ramdisk: cannot read"),
])
def test_a_bad_line_is_named(tmp_path, more, line, words):
    path = config(tmp_path / "a.cfg", more=more)
    text = refused(path)
    assert text.startswith(f"bh: {path}:{line}: "), text
    assert words in text


def test_a_missing_file_is_named(tmp_path):
    assert f"cannot read {tmp_path}/no.cfg: No such file" in refused(tmp_path / "no.cfg")


def test_a_missing_kernel_is_named_with_file_and_line(tmp_path):
    path = config(tmp_path / "a.cfg", kernel="images/nothing")
    assert refused(path) == f"bh: {path}:2: kernel: cannot read {tmp_path}/images/nothing: No such file or directory"


def test_a_truncated_kernel_is_named_with_both_sizes(tmp_path):
    whole = VMLINUZ.read_bytes()
    (tmp_path / "short").write_bytes(whole[:-512 - 4096])
    text = refused(config(tmp_path / "a.cfg", kernel="short"))
    assert f"a.cfg:2: kernel: {tmp_path}/short is truncated: {len(whole) - 4608} bytes of " in text


@pytest.mark.parametrize("content, words", [
    (b"", "is truncated: 0 bytes"),
    (b"\x1f\x8b" + bytes(100), "is compressed"),
    (bytes(4096), "is not an arm64 Image"),
    (b"MZ\0\0zimg" + bytes(100), "is an EFI zboot image"),
], ids=["empty", "gzip", "zeros", "zboot"])
def test_what_is_not_a_kernel_is_refused(tmp_path, content, words):
    (tmp_path / "kernel").write_bytes(content)
    assert words in refused(config(tmp_path / "a.cfg", kernel="kernel"))


def test_a_kernel_larger_than_the_memory_is_refused(tmp_path):
    header = bytearray(4096)
    struct.pack_into("<QQ", header, 8, 0, 300 << 20)
    header[0x38:0x3c] = b"ARM\x64"
    (tmp_path / "kernel").write_bytes(header)
    assert "needs 300 MiB of memory, the VM has 256" in refused(config(tmp_path / "a.cfg", kernel="kernel"))


def test_a_volume_that_is_not_on_the_disk_is_named_with_those_there_are(tmp_path):
    path = config(tmp_path / "a.cfg", more="disk = ['phy:nowhere,vda,w']")
    assert refused(path, "--disk", DISK) == \
        f"bh: {path}:4: disk: there is no volume 'nowhere' on {DISK} (there are: debian1, debian2, scratch)"


def test_a_volume_needs_a_disk(tmp_path):
    assert "the machine has no disk" in refused(config(tmp_path / "a.cfg", more="disk = ['phy:debian1,vda,w']"))


def test_a_disk_needs_a_partition_table(tmp_path):
    (tmp_path / "blank").write_bytes(bytes(1 << 20))
    assert "there is no GPT on it" in refused(config(tmp_path / "a.cfg"), "--disk", tmp_path / "blank")


def test_two_writers_of_one_volume_are_refused(tmp_path):
    first = config(tmp_path / "a.cfg", more="disk = ['phy:debian1,vda,w']")
    second = config(tmp_path / "b.cfg", name="vm2", more="\ndisk = ['phy:debian1,vda,r']")
    assert refused(first, second, "--disk", DISK) == \
        f"bh: {second}:5: disk: volume 'debian1' is used by vm1 ({first}:4) too, and one of them writes"


def test_two_readers_of_one_volume_are_not(tmp_path):
    files = [config(tmp_path / f"{n}.cfg", name=n, more="disk = ['phy:debian1,vda,r']") for n in ("a", "b")]
    done = bh(*files, "--disk", DISK, "--write-image", tmp_path / "image")
    assert (done.returncode, done.stderr) == (0, "")


def test_two_vms_of_one_name_are_refused(tmp_path):
    first, second = config(tmp_path / "a.cfg"), config(tmp_path / "b.cfg")
    assert refused(first, second) == f"bh: {second}:1: name: 'vm1' is the name of the VM in {first} too"


def test_memory_over_the_machines_is_refused(tmp_path):
    files = [config(tmp_path / f"{n}.cfg", name=f"vm{n}") for n in (1, 2, 3)]
    text = refused(*files, "--memory", "640M")
    assert text.startswith(f"bh: {files[2]}:3: memory: 258 MiB for vm3: of --memory 640 MiB only ")


def test_a_console_of_nobody_is_refused(tmp_path):
    assert "--console other" in refused(config(tmp_path / "a.cfg"), "--console", "other")


@pytest.mark.parametrize("arguments", [["--cpus", "0", "x"], ["--memory", "1T", "x"], ["--timeout", "soon", "x"],
                                       ["--frobnicate", "x"], ["--append-options", "no-value", "x"]])
def test_usage_is_status_2(arguments):
    refused(*arguments, status=2)


def test_paths_count_from_the_file_and_images_are_in_the_bundle_once(tmp_path):
    below = tmp_path / "below"
    below.mkdir()
    (tmp_path / "kernel").symlink_to(VMLINUZ)
    config(below / "a.cfg", kernel="../kernel")
    config(below / "b.cfg", name="vm2", kernel=VMLINUZ)
    done = bh("below/a.cfg", "below/b.cfg", "--write-image", "image", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    names = module_names((tmp_path / "image").read_bytes())
    assert names[0] == "init"
    assert [n for n in names if n.startswith("image/")] == ["image/0-kernel"]
    assert [n for n in names if n.startswith("vm/")] == ["vm/vm1", "vm/vm2"]


def module_names(image):
    """The names in the bundle's table (lib/abi/bundle.h)."""
    bundle = image[0x200000:]
    magic, count = struct.unpack_from("<I32xI", bundle)
    assert magic == 0x4c444e42
    return [bundle[552 + 152 * i:][:40].split(b"\0")[0].decode() for i in range(count)]
