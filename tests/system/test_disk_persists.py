# SPDX-License-Identifier: BSD-2-Clause
"""What a guest writes and syncs is there after its reboot, and on the host in the disk image."""

import subprocess

import pytest
from machine import GUESTS, TOP, Machine, copy_disk, vm_file

ROOT_OFFSET = 1 << 20  # of the volume debian1 in the image (guests/linux/make-disk)


def test_a_synced_file_survives_reboot_and_is_in_the_image(tmp_path):
    disk = copy_disk(tmp_path / "disk.img")
    with Machine(GUESTS / "debian1.cfg", disk=disk) as machine:
        shell = machine.shell()
        assert "/dev/vda on / type ext4" in shell.run("mount")
        assert shell.run("nproc") == "2"
        assert "virtio0" in shell.run("cat /proc/interrupts")
        assert "Debian" in shell.run("cat /etc/os-release")
        shell.run("echo written in the guest > /root/proof; sync")
        shell.send("reboot")
        shell = machine.shell()
        assert shell.run("cat /root/proof") == "written in the guest"
        shell.send("poweroff")
        machine.prompt().send("poweroff")
        assert machine.wait() == 0
    done = subprocess.run(["debugfs", "-R", "cat /root/proof", f"{disk}?offset={ROOT_OFFSET}"], capture_output=True,
                          text=True, check=True)
    assert done.stdout == "written in the guest\n"


def test_a_vm_leaves_no_memory_behind(tmp_path):
    """`info` shows the same free memory, to the page, before and after a VM."""
    check_memory_comes_back(tmp_path, rounds=1)


@pytest.mark.long
def test_ten_vms_in_a_row_leave_no_memory_behind(tmp_path):
    check_memory_comes_back(tmp_path, rounds=10)


def check_memory_comes_back(tmp_path, rounds):
    disk = copy_disk(tmp_path / "disk.img")
    with Machine("--later", GUESTS / "debian1.cfg", GUESTS / "initrd.cfg", disk=disk, timeout=3000) as machine:
        machine.shell().send("poweroff")
        prompt = machine.prompt()
        free = free_pages(prompt)
        assert free > 0
        for _ in range(rounds):
            prompt.send("create debian1")
            prompt.send("console debian1")
            machine.shell().send("poweroff")
            prompt = machine.prompt()
            assert free_pages(prompt) == free


def test_ten_bare_guests_in_a_row_leave_no_memory_behind(tmp_path):
    guest = vm_file(tmp_path / "guest.cfg", name="guest", memory=64, vcpus=2, ramdisk=None, extra="",
                    kernel=TOP / "build/guests/tiny/hypercalls.bin", disk=["ram:4M,vda,w"])
    with Machine("--later", guest, timeout=300) as machine:
        prompt = machine.prompt()
        free = free_pages(prompt)
        assert free > 0
        for _ in range(10):
            prompt.run("create guest")
            machine.expect("guest: powered off")
            prompt = machine.prompt()
            assert free_pages(prompt) == free
        assert "vmms             : 0 of" in prompt.run("info")


def free_pages(prompt):
    line = next(line for line in prompt.run("info").splitlines() if line.startswith("memory_free"))
    return int(line.split("(")[1].split()[0])
