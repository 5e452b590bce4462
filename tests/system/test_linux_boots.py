# SPDX-License-Identifier: BSD-2-Clause
"""An unmodified Debian kernel on one to four vCPUs and 128 MiB to 1 GiB sees the board that its VM file describes."""

import re

import pytest
from machine import Machine, vm_file


SHORT = [(1, 256), (4, 512)]


@pytest.mark.parametrize("vcpus, memory", [
    pytest.param(vcpus, memory, marks=[] if (vcpus, memory) in SHORT else pytest.mark.long)
    for vcpus in (1, 2, 3, 4) for memory in (128, 256, 512, 1024)
])
def test_linux_sees_its_vcpus_and_memory(tmp_path, vcpus, memory):
    with Machine(vm_file(tmp_path / "vm.cfg", vcpus=vcpus, memory=memory)) as machine:
        shell = machine.shell()
        assert shell.run("nproc") == str(vcpus)
        total_kib = int(shell.run("awk '/^MemTotal/ {print $2}' /proc/meminfo"))
        assert memory * 1024 * 0.7 < total_kib < memory * 1024
        assert re.fullmatch(r"Linux \(none\) 6\.1\.\S+-cloud-arm64 #1 SMP Debian .* aarch64 .*", shell.run("uname -a"))
        assert "devtmpfs on /dev type devtmpfs (rw," in shell.run("mount")
        interrupts = shell.run("cat /proc/interrupts")
        for device in ("arch_timer", "uart-pl011"):
            assert device in interrupts
        ticks = next(line for line in interrupts.splitlines() if "arch_timer" in line).split()[1:1 + vcpus]
        assert all(int(count) > 0 for count in ticks), "a vCPU without a timer interrupt"
        shell.send("poweroff")
        machine.prompt()


def test_console_alone_ends_with_its_vm(tmp_path):
    """--console NAME: only that VM's bytes on the wire, exit status 0 when it powers off."""
    with Machine(vm_file(tmp_path / "vm.cfg"), arguments=["--console", "vm1"]) as machine:
        shell = machine.shell()
        assert shell.run("echo $((6 * 7))") == "42"
        shell.send("poweroff")
        assert machine.wait() == 0
        assert "bulkhead>" not in machine.log
        assert "bh;exit" not in machine.log


def test_reboot_boots_again(tmp_path):
    with Machine(vm_file(tmp_path / "vm.cfg")) as machine:
        shell = machine.shell()
        shell.run("touch /tmp/before")
        shell.send("reboot")
        shell = machine.shell()
        assert shell.try_run("ls /tmp/before")[1] != 0
