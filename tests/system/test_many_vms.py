# SPDX-License-Identifier: BSD-2-Clause
"""Many VMs at once: as many as a machine of 2 GiB is to hold, each of them alive, and nothing left of them."""

import os
import random
import re
import threading
import time

import pytest

from machine import TOP, Machine, vm_file
from mgmt_client import Client, Refused, pb

ECHO = TOP / "build/guests/tiny/echo.bin"
MIB = 1 << 20


def config(name, kernel="image/0-echo.bin", memory=32 * MIB):
    return pb.MgmtCreateRequest(config={"name": name, "kernel": kernel, "memory_bytes": memory, "vcpus": 1,
                                        "uuid": os.urandom(16)})


def machine_with_echo(tmp_path, *arguments, timeout=300):
    known = vm_file(tmp_path / "known.cfg", name="known", memory=8, kernel=ECHO, ramdisk=None, extra="")
    return Machine("--later", known, timeout=timeout, arguments=["--socket", tmp_path / "sock", *arguments])


def accounts(client):
    """What must come back exactly."""
    machine = client.machine()
    return {"memory_free": machine.memory_free, "memory_promised": machine.memory_promised,
            "memory_sessions": machine.memory_sessions, "vmms": machine.vmms, "vms": machine.vms}


def answers(client, name, text):
    console = client.console(name)
    console.type(text)
    console.expect(text)
    console.end()


def test_58_vms_of_32_mib_in_2_gib_all_answer_and_leave_nothing(tmp_path):
    with machine_with_echo(tmp_path, "--memory", "2G"), Client(tmp_path / "sock") as client:
        before = accounts(client)
        names = [f"vm{i}" for i in range(58)]
        for name in names:
            client.call("Create", config(name))
        for name in names:
            answers(client, name, f"I am {name}.")
        running = [vm.name for vm in client.list() if vm.state == pb.MGMT_VM_RUNNING]
        assert running == names
        assert client.machine().vmms == 58
        random.Random(1).shuffle(names)
        for i, name in enumerate(names):
            client.call("Destroy", vm=name)
            if i + 1 < len(names):
                answers(client, names[-1], f"{i} gone.")
        assert accounts(client) == before


def test_58_vms_of_the_boot_image_share_one_kernel(tmp_path):
    files = [vm_file(tmp_path / f"vm{i}.cfg", name=f"vm{i}", memory=32, kernel=ECHO, ramdisk=None, extra="")
             for i in range(58)]
    with Machine(*files, timeout=300, arguments=["--socket", tmp_path / "sock"]) as machine:
        with Client(tmp_path / "sock") as client:
            assert [image.name for image in client.pages("ImageList", "images")] == ["image/0-echo.bin"]
            for i in (0, 29, 57):
                answers(client, f"vm{i}", f"I am {i}.")
            prompt = machine.prompt()
            assert len(re.findall(r"^vm\d+ .* 32 +1 ", prompt.run("list"), re.M)) == 58
            client.call("MachineOff", force=True)
            machine.wait()
