# SPDX-License-Identifier: BSD-2-Clause
"""What EL2 may reach: the translation tables of a running kernel, read from outside through QEMU."""

import json
import socket
import struct
import subprocess

from machine import TOP, Machine, vm_file

KERNEL = TOP / "build/kernel/kernel.elf"
RAM, RAM_BYTES, PCPUS = 0x40000000, 512 << 20, 3
IMAGE_BYTES = 2 << 20
TABLES_BYTES = 16 * 4096


def symbols():
    lines = subprocess.run(["aarch64-linux-gnu-nm", KERNEL], capture_output=True, text=True, check=True).stdout.splitlines()
    return {name: int(value, 16) for value, _, name in (line.split() for line in lines if len(line.split()) == 3)}


class Qmp:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            assert "error" not in answer, answer
            if "return" in answer:
                return answer["return"]


def leaves(memory, base):
    """(from, to, what) for each leaf; what: MEM or DEV, R or RW, X if it can be executed."""

    def walk(table, shift, address):
        for i, entry in enumerate(struct.unpack_from("<512Q", memory, table - base)):
            at = address + (i << shift)
            if not entry & 1:
                continue
            if shift > 12 and entry & 2:
                yield from walk(entry & 0xFFFFFFFFF000, shift - 9, at)
                continue
            assert entry & 0xFFFFFFFFF000 == at, "EL2 sees memory at its own address"
            what = "DEV" if entry >> 2 & 7 else "MEM"
            what += " R" if entry >> 7 & 1 else " RW"
            yield at, at + (1 << shift), what + ("" if entry >> 54 & 1 else "X")

    return walk(base, 30, 0)


def ranges(memory, base):
    joined = []
    for start, end, what in leaves(memory, base):
        if joined and joined[-1][1:] == (start, what):
            start = joined.pop()[0]
        joined.append((start, end, what))
    return joined


def test_el2_maps_nothing_wider_than_needed(tmp_path):
    """Text cannot be written, nothing but text can be executed, and what nobody needs is not there."""
    at = symbols()
    arguments = ["--cpus", PCPUS, "--memory", "512M", "--qemu-arg", "-qmp", "--qemu-arg",
                 f"unix:{tmp_path}/qmp,server=on,wait=off"]
    with Machine(vm_file(tmp_path / "vm.cfg", memory=128), arguments=arguments) as machine:
        machine.expect(f"bulkhead: {PCPUS} pCPUs, 512 MiB")
        Qmp(tmp_path / "qmp").ask("pmemsave", val=at["tables"], size=TABLES_BYTES, filename=f"{tmp_path}/tables")

    assert ranges((tmp_path / "tables").read_bytes(), at["tables"]) == [
        (0x08000000, 0x08010000, "DEV RW"),  # GIC distributor
        (0x080A0000, 0x080A0000 + PCPUS * 0x20000, "DEV RW"),  # redistributors
        (0x09000000, 0x09001000, "DEV RW"),  # UART
        (0x09050000, 0x09070000, "DEV RW"),  # SMMU
        (RAM, at["__text_start"], "MEM RW"),
        (at["__text_start"], at["__text_end"], "MEM RX"),
        (at["__rodata_start"], at["__rodata_end"], "MEM R"),
        (at["__data_start"], at["__image_end"], "MEM RW"),
        (at["__text_start"] + IMAGE_BYTES, RAM + RAM_BYTES, "MEM RW"),
    ]
