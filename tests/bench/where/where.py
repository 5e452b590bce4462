#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""where.py rate|round-trip [FUNCTIONS] - where the instructions of TCP between two VMs go.

Runs what `make bench` measures as tcp_vm_vm_mbps or tcp_rtt with a QEMU plugin that counts, and prints how many instructions
the guests, the kernel and each service took for 64 KiB or for a round trip, and which functions of ours took the most.
"""

import bisect
import collections
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import run  # noqa: E402

# As in tests/bench/linux/net.c: the mark before, and how many units follow until the mark behind.
MEASURED = {"rate": (0x50, 128 * 16, "64 KiB"), "round-trip": (0x52, 2000, "round trip")}
MARK_END = 0x51
GUEST_KERNEL = 1 << 63
IMAGE = 0x400000  # IMAGE_IPA: where every service's program begins


class Program:
    """One of our ELF files: its code and the names in it."""

    def __init__(self, path, whole):
        symbols = subprocess.run(["aarch64-linux-gnu-nm", "--defined-only", path], stdout=subprocess.PIPE, check=True, text=True)
        found = re.findall(r"^([0-9a-f]+) [tTwW] ([^$\s]\S*)$", symbols.stdout, re.M)
        self.names = sorted((int(address, 16), name) for address, name in found)
        self.text = b""
        if not whole:
            section = path + ".text"
            subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", "-j", ".text", path, section], check=True)
            with open(section, "rb") as file:
                self.text = file.read()
            os.unlink(section)

    def has(self, address, code):
        """Services have the same addresses: which one it is, the bytes there say."""
        place = address - IMAGE
        return 0 <= place and self.text[place:place + len(code)] == code

    def covers(self, address):
        return self.names[0][0] <= address <= self.names[-1][0] + 4096

    def name(self, address):
        return self.names[bisect.bisect_right(self.names, (address, "~")) - 1][1]


def whose(address, code, kernel, services):
    if address >= GUEST_KERNEL:
        return "guests' kernels", ""
    if kernel.covers(address):
        return "kernel", kernel.name(address)
    for name, service in services.items():
        if service.has(address, code):
            return name, service.name(address)
    return "guests' programs", ""


def count(path):
    """Instructions of each domain, and of each function in it."""
    services = sorted(name[:-4] for name in os.listdir(f"{run.BUILD}/services") if name.endswith(".elf"))
    programs = {name: Program(f"{run.BUILD}/services/{name}.elf", False) for name in services}
    kernel = Program(f"{run.BUILD}/kernel/kernel.elf", True)
    domains, functions = collections.Counter(), collections.Counter()
    with open(path, encoding="ascii") as file:
        for line in file:
            address, _, runs, *words = line.split()
            code = b"".join(int(word, 16).to_bytes(4, "little") for word in words)
            domain, function = whose(int(address, 16), code, kernel, programs)
            domains[domain] += int(runs) * len(words)
            if function:
                functions[domain, function] += int(runs) * len(words)
    return domains, functions


def main():
    mark, units, unit = MEASURED[sys.argv[1]]
    plugin, out = os.path.join(run.BUILD, "where_plugin.so"), os.path.join(run.BUILD, "where.out")
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", plugin,
                    os.path.join(HERE, "plugin.c")], check=True)
    run.tcp_two_vms("--qemu-arg", "-plugin", "--qemu-arg", f"{plugin},from={mark},to={MARK_END},out={out}")
    domains, functions = count(out)
    print(f"instructions for one {unit}: {sum(domains.values()) / units:,.0f}")
    for domain, value in domains.most_common():
        if value >= units:
            print(f"{value / units:10,.0f}  {domain}")
    print()
    for (domain, function), value in functions.most_common(int(sys.argv[2]) if len(sys.argv) > 2 else 20):
        print(f"{value / units:10,.0f}  {domain}: {function}")


if __name__ == "__main__":
    main()
