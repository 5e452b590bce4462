# SPDX-License-Identifier: BSD-2-Clause
"""Memory that a running VM gives back: mem-set, the guest's balloon, and what others get of it."""

import os
import time

import pytest
from machine import TOP, Machine, vm_file
from mgmt_client import Client, Refused, pb

ECHO = TOP / "build/guests/tiny/echo.bin"
MIB = 1 << 20
FULL, SMALL = 256, 128  # MiB
# Pages of blocks that the guest gave in part do not come back.
SCATTERED = 24 * MIB


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mgmt.sock"


def machine_of(tmp_path, path, *, options=""):
    linux = vm_file(tmp_path / "linux.cfg", name="linux", memory=FULL, more="on_reboot='restart'")
    arguments = ["--socket", path, *(["--append-options", options] if options else [])]
    return Machine("--later", linux, arguments=arguments)


class Guest:
    """The shell of the VM `linux`, over the management channel."""

    def __init__(self, client):
        self.client, self.count = client, 0
        client.call("Start", vm="linux")
        self.console = client.console("linux")
        self.console.expect("/ # ", 300)
        wait_for(lambda: self.info().balloon_driver)

    def info(self):
        return self.client.call("VmInfo", vm="linux")

    def number(self, command):
        """What it prints, a number."""
        self.count += 1
        self.console.type(f"echo $((40 + 2))n{self.count}=$({command}).\r")
        self.console.expect(f"42n{self.count}=")
        return int(self.console.expect(".\r").split(".")[0])

    def memory(self):
        """Bytes, as its /proc/meminfo says."""
        return 1024 * self.number("grep MemTotal: /proc/meminfo | tr -dc 0-9")

    def reboot(self):
        self.console.type("reboot -f\r")
        self.console.expect("reboot: Restarting system")
        self.console.expect("/ # ", 300)

    def set(self, mib):
        return self.client.call("MemSet", vm="linux", bytes=mib * MIB)


def wait_for(true, seconds=120):
    """Ask until it is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def refused(client, verb, status, text, **fields):
    with pytest.raises(Refused) as refusal:
        client.call(verb, **fields)
    assert (refusal.value.status, text in refusal.value.text) == (status, True), refusal.value


def gave(guest, mib):
    """It has given just so much."""
    return guest.info().memory_given == mib * MIB


def neighbour(client, image, bytes_):
    return {"config": {"name": "neighbour", "kernel": image, "memory_bytes": bytes_, "vcpus": 1, "uuid": os.urandom(16)}}


def unpromised(client):
    machine = client.machine()
    return machine.memory_total - machine.memory_promised


def counts(client):
    machine = client.machine()
    return machine.memory_free, machine.memory_promised, machine.memory_sessions


def test_what_a_guest_gives_another_vm_gets(tmp_path, path):
    with machine_of(tmp_path, path) as machine:
        machine.prompt()
        with Client(path) as client:
            nothing = counts(client)
            image = client.upload(ECHO.read_bytes())
            guest = Guest(client)
            full, total, free = guest.info(), guest.memory(), client.machine().memory_free
            assert (full.memory_max, full.memory_target, full.memory_given, full.memory_held) == (
                FULL * MIB, FULL * MIB, 0, FULL * MIB)
            wanted = unpromised(client) + 64 * MIB
            refused(client, "Create", "MGMT_REFUSED", "memory: memory of", **neighbour(client, image, wanted))

            assert guest.set(SMALL).text == ""
            wait_for(lambda: gave(guest, FULL - SMALL))
            assert total - guest.memory() == (FULL - SMALL) * MIB
            small = guest.info()
            assert small.memory_target == SMALL * MIB
            wait_for(lambda: SMALL * MIB <= guest.info().memory_held <= SMALL * MIB + SCATTERED)
            assert client.machine().memory_free - free >= (FULL - SMALL) * MIB - SCATTERED

            assert guest.number("echo 1 >/proc/sys/vm/compact_memory && echo 7") == 7
            everything = unpromised(client) - 2 * MIB  # its vmm's
            assert everything >= wanted
            client.call("Create", **neighbour(client, image, everything))
            wait_for(lambda: client.call("VmInfo", vm="neighbour").vm.state == pb.MGMT_VM_RUNNING)
            refused(client, "MemSet", "MGMT_REFUSED", " MiB more asked for, ", vm="linux", bytes=FULL * MIB)
            assert guest.info().memory_target == SMALL * MIB
            assert guest.number("echo 1 >/proc/sys/vm/compact_memory && echo 7") == 7
            client.call("Destroy", vm="neighbour")

            guest.set(FULL)
            wait_for(lambda: gave(guest, 0))
            assert guest.memory() == total
            assert guest.info().memory_held == FULL * MIB
            # What came back is memory: all of it is written and read.
            assert guest.number("mount -t tmpfs -o size=90% none /tmp; dd if=/dev/zero of=/tmp/big bs=1M count=150 2>/dev/null; "
                                "wc -c </tmp/big; umount /tmp") == 150 * MIB
            client.call("Destroy", vm="linux")
            assert counts(client) == nothing


def test_reboot_keeps_the_target(tmp_path, path):
    with machine_of(tmp_path, path) as machine:
        machine.prompt()
        with Client(path) as client:
            guest = Guest(client)
            guest.set(SMALL)
            wait_for(lambda: gave(guest, FULL - SMALL))
            guest.reboot()
            assert guest.info().vm.starts == 2
            wait_for(lambda: gave(guest, FULL - SMALL), 300)
            assert (guest.info().memory_max, guest.info().memory_target) == (FULL * MIB, SMALL * MIB)

            # Others have what it gave: it starts with what it has.
            image = client.upload(ECHO.read_bytes())
            client.call("Create", **neighbour(client, image, unpromised(client) - 4 * MIB))
            guest.reboot()
            assert guest.info().memory_max == SMALL * MIB
            assert guest.memory() <= SMALL * MIB
            refused(client, "MemSet", "MGMT_BAD_REQUEST", "256 MiB are more than the 128 MiB that it started with",
                    vm="linux", bytes=FULL * MIB)


def test_what_makes_no_sense_is_refused(tmp_path, path):
    with machine_of(tmp_path, path) as machine:
        machine.prompt()
        with Client(path) as client:
            image = client.upload(ECHO.read_bytes())
            refused(client, "MemSet", "MGMT_STATE", "linux: it is off", vm="linux", bytes=64 * MIB)
            refused(client, "MemSet", "MGMT_NOT_FOUND", "there is no VM `nobody`", vm="nobody", bytes=64 * MIB)
            client.call("Create", **neighbour(client, image, 64 * MIB))
            wait_for(lambda: client.call("VmInfo", vm="neighbour").vm.state == pb.MGMT_VM_RUNNING)
            refused(client, "MemSet", "MGMT_BAD_REQUEST", "neighbour: memory: 66 MiB are more than the 64 MiB",
                    vm="neighbour", bytes=66 * MIB)
            refused(client, "MemSet", "MGMT_BAD_REQUEST", "an even number of MiB", vm="neighbour", bytes=33 * MIB)
            refused(client, "MemSet", "MGMT_BAD_REQUEST", "a guest is left 32 MiB at least", vm="neighbour", bytes=30 * MIB)
            before = counts(client)
            answer = client.call("MemSet", vm="neighbour", bytes=32 * MIB)
            assert "its guest has no driver for the balloon" in answer.text
            assert counts(client) == before
            assert client.call("MemSet", vm="neighbour", bytes=32 * MIB).unchanged
            client.call("MemSet", vm="neighbour", bytes=64 * MIB)


def test_services_die_while_memory_goes_and_comes(tmp_path, path):
    """mem dies every three seconds: nothing is lost, and the guest goes on."""
    with machine_of(tmp_path, path, options="crash=mem:20000:10:3000") as machine:
        machine.prompt()
        with Client(path) as client:
            nothing = counts(client)
            guest = Guest(client)
            total, deaths = guest.memory(), 0
            end = time.monotonic() + 300
            while deaths < 10 or guest.info().memory_target != FULL * MIB:
                assert time.monotonic() < end
                try:
                    guest.set(SMALL if guest.info().memory_target == FULL * MIB else FULL)
                except Refused as refusal:
                    assert "mem: " in refusal.text
                time.sleep(1)
                deaths = client.dmesg().count("mem faulted")
            wait_for(lambda: gave(guest, 0))
            wait_for(lambda: guest.info().memory_held == FULL * MIB)
            assert guest.memory() == total
            guest.set(SMALL)
            client.call("Destroy", vm="linux")  # in the middle of it
            wait_for(lambda: counts(client) == nothing)
