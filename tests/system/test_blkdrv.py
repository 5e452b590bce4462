# SPDX-License-Identifier: BSD-2-Clause
"""blkdrv on its real (emulated) disk, without a guest: tests/disk/vmm.c puts requests into the rings and reports."""

import re
import struct
import subprocess

import pytest

from machine import TOP, Machine, services_of_a_test, vm_file

SCRATCH_FIRST = 20480  # sectors


@pytest.fixture
def disk(tmp_path):
    """An image with the volumes fault-dma and scratch."""
    path = tmp_path / "disk.img"
    with open(path, "wb") as f:
        f.truncate(64 << 20)
    subprocess.run(["sgdisk", "-n", "1:2048:+8M", "-c", "1:fault-dma", "-n", f"2:{SCRATCH_FIRST}:+32M", "-c", "2:scratch",
                    path], check=True, stdout=subprocess.DEVNULL)
    return path


@pytest.fixture
def directory(tmp_path):
    """As build/, but with the vmm that tries disks and the blkdrv that has its test hook."""
    return services_of_a_test(tmp_path, TOP / "build/tests/disk/vmm.elf", TOP / "build/tests/disk/blkdrv.elf")


def try_disks(tmp_path, name, volumes, words):
    """A VM file whose disks are tried."""
    return vm_file(tmp_path / f"{name}.cfg", name=name, memory=64, extra=words, ramdisk=None,
                   disk=[f"phy:{volume},vd{chr(97 + i)},w" for i, volume in enumerate(volumes)])


def report(machine, name, timeout=120):
    """What the VM's vmm said in the end, as {"VOLUME": {"WORD": (errors, wrong, requests), "attached": n}}."""
    said = re.compile(rf"\n{name}: cannot start: tried (.*?)\r?\n")
    while not said.search(machine.log):  # two VMs may end in any order
        machine.expect(r"cannot start: tried .*?\n", timeout)
    result = {}
    for part in said.search(machine.log).group(1).split("; "):
        volume, words = part.rsplit(": ", 1)
        result[volume] = {}
        for word in words.split():
            key, value = word.split("=")
            numbers = tuple(map(int, value.split("/")))
            result[volume][key] = numbers if len(numbers) > 1 else numbers[0]
    return result


def written(s):
    """What `verify` writes at sector s of its volume, in 64 KiB chunks: (word number) * 2654435761 + first sector."""
    first = s - s % 128
    return b"".join(struct.pack("<I", ((s - first) * 128 + i) * 2654435761 + first & 0xffffffff) for i in range(128))


def test_requests_end_up_in_the_partition_and_come_back(tmp_path, disk, directory):
    vm = try_disks(tmp_path, "vm1", ["scratch"], "verify random beyond")
    with Machine(vm, disk=disk, timeout=120, arguments=["--directory", directory]) as machine:
        assert report(machine, "vm1") == {"scratch": {"verify": (0, 0, 33), "random": (0, 0, 500), "beyond": (1, 0, 1),
                                                      "attached": 1}}
    with open(disk, "rb") as f:
        for sector in (0, 1, 127, 128, 2047):
            f.seek((SCRATCH_FIRST + sector) * 512)
            assert f.read(512) == written(sector)
        f.seek((SCRATCH_FIRST - 1) * 512)
        assert f.read(512) == bytes(512)
        f.seek((SCRATCH_FIRST + 2048) * 512)
        assert f.read(512) == bytes(512)


def test_requests_survive_a_restart_of_blkdrv(tmp_path, disk, directory):
    vm = try_disks(tmp_path, "vm1", ["scratch"], "load:25")
    with Machine(vm, disk=disk, timeout=180,
                 arguments=["--directory", directory, "--append-options", "crash=blkdrv:12000"]) as machine:
        result = report(machine, "vm1")["scratch"]
        errors, wrong, requests = result["load:25"]
        assert (errors, wrong) == (0, 0)
        assert requests > 20
        assert result["attached"] >= 2  # it really was restarted


def test_dma_that_the_smmu_blocks_is_an_error_of_its_client_alone(tmp_path, disk, directory):
    bad = try_disks(tmp_path, "bad", ["fault-dma"], "verify")
    good = try_disks(tmp_path, "good", ["scratch"], "load:15")
    with Machine(bad, good, disk=disk, timeout=180, arguments=["--directory", directory]) as machine:
        errors, _, requests = report(machine, "bad")["fault-dma"]["verify"]
        assert errors == requests == 33
        errors, wrong, requests = report(machine, "good")["scratch"]["load:15"]
        assert (errors, wrong) == (0, 0)
        assert requests > 20
        assert re.search(r"blkdrv: disk: the SMMU blocked \d+ accesses of stream 0x10, the last at address 0x40200",
                         machine.log)


def test_volumes_in_memory_need_no_disk(tmp_path, directory):
    vm = try_disks(tmp_path, "vm1", ["ram:256K", "ram:5M"], "verify random beyond")
    with Machine(vm, timeout=120, arguments=["--directory", directory]) as machine:
        assert report(machine, "vm1") == {
            "ram:256K": {"verify": (0, 0, 9), "random": (0, 0, 500), "beyond": (1, 0, 1), "attached": 1},
            "ram:5M": {"verify": (0, 0, 33), "random": (0, 0, 500), "beyond": (1, 0, 1), "attached": 1},
        }


def test_volume_in_memory_that_does_not_fit_says_the_limit(tmp_path, directory):
    vm = try_disks(tmp_path, "vm1", ["ram:4G"], "verify")
    with Machine(vm, timeout=60, arguments=["--directory", directory]) as machine:
        machine.expect(r"disk vda: ram:4G: memory of 4096 MiB asked for, \d+ MiB of \d+ MiB are free")


def test_second_writer_is_told_who_writes(tmp_path, disk, directory):
    first = try_disks(tmp_path, "first", ["scratch"], "load:600")
    second = try_disks(tmp_path, "second", ["scratch"], "verify")
    with Machine(first, "--later", second, disk=disk, timeout=60, arguments=["--directory", directory]) as machine:
        machine.expect("first: its console")
        prompt = machine.leave_console()
        assert re.search(r"disk vda: volume scratch is in use for writing by VM \d+ \(session 0x", prompt.run("create second"))
        prompt.run("destroy first")
        prompt.run("create second")
        assert report(machine, "second")["scratch"]["verify"] == (0, 0, 33)
