# SPDX-License-Identifier: BSD-2-Clause
"""A vmm has a thread for each vCPU: all of them use the VM's devices at once, and each one's fault is the vmm's."""

import re
import subprocess

import pytest
from machine import BH, TOP, Machine, vm_file

READERS = r"""for cpu in 0 1 2 3; do
    taskset $((1 << cpu)) sh -c 'for i in 1 2 3; do
        dd if=/dev/vda bs=64k iflag=direct 2>/dev/null | md5sum
        cat /proc/interrupts > /dev/console
    done' &
done; wait"""


def test_four_vcpus_read_the_disk_and_write_the_console_at_once(tmp_path):
    config = vm_file(tmp_path / "vm.cfg", vcpus=4, disk=["ram:8M,vda,w"])
    with Machine(config) as machine:
        shell = machine.shell()
        shell.run("dd if=/dev/urandom of=/dev/vda bs=64k count=128 conv=fsync 2>/dev/null", timeout=120)
        expected = shell.run("dd if=/dev/vda bs=64k 2>/dev/null | md5sum", timeout=120).split()[0]
        output = shell.run(READERS, timeout=300)
        assert re.findall(r"\b[0-9a-f]{32}\b", output) == [expected] * 12
        assert output.count("uart-pl011") == 12
        shell.send("poweroff")
        machine.prompt()


@pytest.mark.parametrize("vcpu, what", [
    (0, r"instruction abort, translation\) at pc 0x0, address 0x0"),
    (1, r"data abort, translation\) at pc 0x[0-9a-f]{6}, address 0xf103"),
    (3, r"data abort, translation\) at pc 0x[0-9a-f]{6}, address 0xf10b"),
])
def test_a_fault_of_any_thread_is_the_vmms(tmp_path, vcpu, what):
    """vCPU 0's thread jumps to 0; of the others the stack is taken away.  Tried until the VM is there."""
    name = f"vm1/{vcpu}" if vcpu else "vm1"
    command = [BH, "run", vm_file(tmp_path / "vm.cfg", vcpus=4, more="on_crash = 'destroy'"), "--console", "vm1",
               "--timeout", "240", "--append-options", f"crash={name}:1000:1000"]
    done = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    output = done.stdout.decode(errors="replace")
    assert re.search(r"vm1: crashed: vm1 vmm faulted: ESR 0x[0-9a-f]+ \(" + what, output), output[-3000:]
    assert done.returncode == 3, output[-3000:]
