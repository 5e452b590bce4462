# SPDX-License-Identifier: BSD-2-Clause
"""Many VMs at once: as many as a machine of 2 GiB is to hold, each of them alive, and nothing left of them."""

import os
import random
import re
import struct
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
    return {name: getattr(machine, name) for name in (
        "memory_free", "memory_promised", "memory_sessions", "vmms", "vms", "init_slots_free", "mem_slots_free",
        "toolstack_slots_free")}


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


def test_64_interfaces_and_64_disks_are_there_at_once_and_leave_nothing(tmp_path):
    """Four of each in 16 VMs; the next VM is refused, says which of them there are no more of, and leaves nothing."""
    with machine_with_echo(tmp_path, "--memory", "1G"), Client(tmp_path / "sock") as client:
        before = accounts(client)
        for i in range(16):
            request = config(f"vm{i}", memory=8 * MIB)
            for k in range(4):
                request.config.vifs.add(mac=bytes([2, 0, 0, 0, i, k]), ipv4=[0x0a000000 | i << 8 | k])
                request.config.disks.add(volume="ram:64K", vdev=f"vd{'abcd'[k]}", writable=True)
            client.call("Create", request)
        for i in range(16):
            answers(client, f"vm{i}", f"I am vm{i}.")
        full = accounts(client)
        one_more = config("more", memory=8 * MIB)
        one_more.config.vifs.add(mac=bytes([2, 0, 0, 0, 16, 0]))
        with pytest.raises(Refused, match="vif 0: all 64 places for interfaces are taken"):
            client.call("Create", one_more)
        del one_more.config.vifs[:]
        one_more.config.disks.add(volume="ram:64K", vdev="vda")
        with pytest.raises(Refused, match="disk vda: all 64 places for sessions are taken"):
            client.call("Create", one_more)
        assert accounts(client) == full
        for i in range(16):
            client.call("Destroy", vm=f"vm{i}")
        assert accounts(client) == before


# ---- four clients at once -------------------------------------------------------------------------------
MINGLE = TOP / "build/guests/tiny/mingle.bin"
SEGMENTS = [("br0", 0), ("br0", 10), ("br0", 20), ("nat0", 0)]
VMS_EACH = 5  # of which the last has a disk in memory, too


class Churn(threading.Thread):
    """A client that makes and destroys its five VMs in random order, until all clients together have done enough."""

    def __init__(self, index, path, is_over):
        super().__init__()
        self.index, self.path, self.is_over = index, path, is_over
        self.random = random.Random(index)
        self.made, self.hears, self.serial, self.error = 0, 0, 0, None

    def run(self):
        try:
            with Client(self.path, timeout=120) as client:
                alive = {}
                while not self.is_over():
                    which = self.random.randrange(VMS_EACH)
                    if which in alive:
                        self.destroy(client, alive.pop(which))
                    else:
                        alive[which] = self.create(client, which)
                for name in alive.values():
                    self.destroy(client, name)
        except Exception as error:  # pylint: disable=broad-except
            self.error = f"client {self.index}: {error!r}"

    def create(self, client, which):
        """A VM of a MAC that none had before, in the segment of its number."""
        self.serial += 1
        self.made += 1
        name = f"vm-{self.index}-{which}-{self.serial}"
        image = client.upload(MINGLE.read_bytes(), MINGLE.name, digest=MINGLE.name.ljust(32).encode())
        segment = which % len(SEGMENTS)
        bridge, vlan = SEGMENTS[segment]
        address = 0x0a000000 | (100 + self.index) << 16 | self.serial
        fields = {"name": name, "kernel": image, "memory_bytes": 8 * MIB, "vcpus": 1, "uuid": os.urandom(16),
                  "extra": f"segment={segment} ip={address}",
                  "vifs": [{"mac": struct.pack(">BBHH", 2, self.index, which, self.serial), "bridge": bridge, "vlan": vlan,
                            "ipv4": [address]}]}
        if which == VMS_EACH - 1:
            fields["disks"] = [{"volume": "ram:2M", "vdev": "vda", "writable": True}]
        client.call("Create", pb.MgmtCreateRequest(config=fields))
        return name

    def destroy(self, client, name):
        """Nothing that it heard was wrong."""
        console = client.console(name)
        console.expect("mingles")
        client.call("Destroy", vm=name)
        console.wait_end()
        assert "not so" not in console.text, f"{name}: {console.text}"
        self.hears += "hears" in console.text


def churn(tmp_path, is_over):
    """Four clients; returns how many VMs they made."""
    with machine_with_echo(tmp_path, timeout=1500) as machine, Client(tmp_path / "sock", timeout=120) as client:
        for _ in range(2):  # what is made at the first use and kept is there then
            name = config("first", memory=8 * MIB)
            client.call("Create", name)
            client.call("Destroy", vm="first")
        before = accounts(client)
        clients = [Churn(i, tmp_path / "sock", lambda: is_over(clients)) for i in range(4)]
        for one in clients:
            one.start()
        for one in clients:
            one.join()
        assert [one.error for one in clients if one.error] == []
        wait_until(lambda: accounts(client) == before, lambda: (before, accounts(client)))
        assert sum(one.hears for one in clients) > 0
        dmesg = client.dmesg()
        for word in ("not undone", "faulted", "restart"):
            assert word not in dmesg, dmesg
        assert "known" in machine.prompt().run("list")
        return sum(one.made for one in clients)


def wait_until(true, text, seconds=30):
    """The last client's end may still be on its way."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, text()
        time.sleep(0.05)


def test_four_clients_make_and_destroy_60_vms(tmp_path):
    assert churn(tmp_path, lambda clients: sum(one.made for one in clients) >= 60) >= 60


@pytest.mark.long
def test_four_clients_make_and_destroy_vms_for_ten_minutes(tmp_path):
    end = time.monotonic() + 600
    print(churn(tmp_path, lambda clients: time.monotonic() > end or any(one.error for one in clients)), "VMs")
