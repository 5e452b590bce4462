# SPDX-License-Identifier: BSD-2-Clause
"""A kernel and a ramdisk that are volumes of the machine's disk: read by the VM's own vmm, over blkdrv's deaths."""

import re
import subprocess
import time

import pytest
from machine import TOP, Machine, vm_file
from mgmt_client import Client, Refused

KERNEL = TOP / "build/guests/vmlinuz"
RAMDISK = TOP / "build/guests/initrd.gz"
SECTOR = 512
FIRST = 2048


@pytest.fixture
def disk(tmp_path):
    """An image with the volumes kernel, ramdisk, junk and empty."""
    path = tmp_path / "disk.img"
    volumes = (("kernel", KERNEL.read_bytes()), ("ramdisk", RAMDISK.read_bytes()), ("junk", b"\x1f\x8b" + bytes(1022)))
    arguments, at = [], FIRST
    with open(path, "wb") as f:
        for number, (label, content) in enumerate(volumes, 1):
            sectors = -(-len(content) // (1 << 20)) * 2048
            f.seek(at * SECTOR)
            f.write(content)
            arguments += ["-n", f"{number}:{at}:{at + sectors - 1}", "-c", f"{number}:{label}"]
            at += sectors
        f.truncate((at + 2048) * SECTOR)
    subprocess.run(["sgdisk", *arguments, path], check=True, stdout=subprocess.DEVNULL)
    return path


def volumes(client):
    return {image.name: image for image in client.pages("ImageList", "images") if image.name.startswith("volume/")}


def wait_for(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_linux_from_volumes_and_again(tmp_path, disk):
    """It boots, reboots, and while it runs nobody reads its images any more."""
    file = vm_file(tmp_path / "vm.cfg", kernel="volume:kernel", ramdisk="volume:ramdisk")
    with Machine(file, disk=disk, arguments=["--socket", tmp_path / "socket"]) as machine:
        machine.shell().send("reboot -f")
        shell = machine.shell()
        assert "Linux" in shell.run("uname -a")
        with Client(tmp_path / "socket") as client:
            wait_for(lambda: volumes(client)["volume/kernel"].file == "volume, 0 readers")
            listed = volumes(client)
            assert listed["volume/ramdisk"].file == "volume, 0 readers" and listed["volume/ramdisk"].users == 1
            assert listed["volume/kernel"].bytes >= KERNEL.stat().st_size and listed["volume/junk"].users == 0
        shell.send("poweroff -f")
        machine.expect("powered off")


def test_blkdrv_dies_while_they_are_read(tmp_path, disk):
    """The vmm attaches again and reads on.  Tried until a death came just then."""
    file = vm_file(tmp_path / "vm.cfg", kernel="volume:kernel", ramdisk="volume:ramdisk")
    arguments = ["--append-options", "crash=blkdrv:2500:1000:2500", "--socket", tmp_path / "socket"]
    with Machine("--later", file, disk=disk, arguments=arguments) as machine, Client(tmp_path / "socket") as client:
        machine.prompt()
        end = time.monotonic() + 240
        while time.monotonic() < end:
            try:
                client.call("Start", vm="vm1")
            except Refused as refusal:  # blkdrv was down just then
                assert "ERR_" in refusal.text, refusal
                time.sleep(0.1)
                continue
            stream = client.console("vm1")
            stream.give(1 << 20)
            stream.expect("# ", 120)
            client.call("Destroy", vm="vm1")
            if re.search(r"session 0x100[45] on \w+ goes on", client.dmesg()):
                return
        raise AssertionError("blkdrv never died while an image was read")


def test_what_is_no_kernel_is_refused_by_name(tmp_path, disk):
    """The vmm says what is wrong, and everything of the VM is given back."""
    file = vm_file(tmp_path / "vm.cfg", kernel="volume:junk", ramdisk=None)
    with Machine("--later", file, disk=disk, arguments=["--socket", tmp_path / "socket"]) as machine:
        machine.prompt().send("create vm1")
        machine.expect("vm1: cannot start: kernel volume/junk: it is gzip-compressed")
        with Client(tmp_path / "socket") as client:
            wait_for(lambda: client.machine().memory_free == client.machine().memory_total)
            assert volumes(client)["volume/junk"].file == "volume, 0 readers"


def test_volume_that_is_not_there_is_refused_before_boot(tmp_path, disk):
    file = vm_file(tmp_path / "vm.cfg", kernel="volume:nothing", ramdisk=None)
    result = subprocess.run([TOP / "build/bh", "run", file, "--disk", disk], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert f"{file}:2: kernel: there is no volume 'nothing'" in result.stderr
