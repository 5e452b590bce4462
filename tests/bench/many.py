#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""many.py - what making and ending a VM costs, the first and the 50th, and how many fit.

VMs of 32 MiB whose kernel is guests/tiny/echo.c, made over the management channel from an image of the boot image.  Costs
are under --icount on one pCPU, so the machine's microseconds are thousands of instructions.  A VM's start is from the
toolstack's first step to the last before its guest's first instruction (`start_us`); its end is until all of it is
undone, as the toolstack says in dmesg.  Prints `bench NAME VALUE`.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "system"))

from machine import TOP as TOP_PATH  # noqa: E402
from machine import Machine, vm_file  # noqa: E402
from mgmt_client import Client, Refused, pb  # noqa: E402

MIB = 1 << 20
ECHO = TOP_PATH / "build/guests/tiny/echo.bin"


def machine(directory, *arguments):
    known = vm_file(directory / "known.cfg", name="known", memory=8, kernel=ECHO, ramdisk=None, extra="")
    return Machine("--later", known, timeout=900, arguments=["--socket", directory / "sock", *arguments])


def create(client, name):
    """Returns how long its start took, in microseconds."""
    client.call("Create", pb.MgmtCreateRequest(config={
        "name": name, "kernel": "image/0-echo.bin", "memory_bytes": 32 * MIB, "vcpus": 1, "uuid": os.urandom(16)}))
    console = client.console(name)
    console.expect("echo is up")
    console.end()
    return client.call("VmInfo", vm=name).vm.start_us


def destroy(client, name):
    client.call("Destroy", vm=name)
    return int(re.findall(rf"{name}: undone within (\d+) us", client.dmesg())[-1])


def costs(directory):
    with machine(directory, "--icount", "--cpus", "1"), Client(directory / "sock") as client:
        starts = [create(client, f"vm{i}") for i in range(1, 51)]
        print(f"bench vm_create {starts[0] * 1000}")
        print(f"bench vm_create_50th {starts[49] * 1000}")
        print(f"bench vm_destroy {destroy(client, 'vm50') * 1000}")


def count(directory):
    with machine(directory, "--memory", "2G"), Client(directory / "sock") as client:
        made = 0
        try:
            while True:
                create(client, f"vm{made + 1}")
                made += 1
        except Refused as refusal:
            print(f"the next one is refused: {refusal.text}")
        print(f"bench vms_in_2g {made}")


def main():
    with tempfile.TemporaryDirectory() as directory:
        costs(Path(directory))
        count(Path(directory))


if __name__ == "__main__":
    main()
