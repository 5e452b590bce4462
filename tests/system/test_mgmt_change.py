# SPDX-License-Identifier: BSD-2-Clause
"""What a client changes of VMs that are there: their time, their interfaces and disks, their configuration."""

import random
import subprocess
import time

import pytest

from machine import TOP, Machine, vm_file
from mgmt_client import Client, Refused, pb
from test_mgmt import Managed, config, wait_for

ECHO = "image/0-echo.bin"
RESTART = 1


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mgmt.sock"


def refused(client, name, status, text, **fields):
    with pytest.raises(Refused) as refusal:
        client.call(name, **fields)
    assert refusal.value.status == status
    assert text in refusal.value.text


def create(client, name, **more):
    client.call("Create", config(name, ECHO, on_reboot=RESTART, **more))
    console = client.console(name)
    console.expect("echo is up")
    return console


def busy(client, name, **more):
    console = create(client, name, **more)
    console.type("B")
    console.expect("B")
    return console


def run_us(client, *names):
    found = {vm.name: sum(vcpu.run_us for vcpu in vm.vcpus) for vm in client.pages("Stats", "vms")}
    return [found[name] for name in names] + [client.call("Stats", first=0).uptime_us]


def used(client, *names, ms=200):
    """How much of a pCPU each had, while the machine's clock went on by so much."""
    start = run_us(client, *names)
    wait_for(lambda: run_us(client, *names)[-1] - start[-1] > ms * 1000, 60)
    end = run_us(client, *names)
    return [(b - a) / (end[-1] - start[-1]) for a, b in zip(start[:-1], end[:-1])]


def test_weights_and_caps_are_felt_at_once(tmp_path, path):
    # On a loaded host a slice of wall time is as long as the host pleases: so time is counted in instructions.
    with Managed(tmp_path, path, "--cpus", "1", "--icount"):
        with Client(path) as client:
            busy(client, "one")
            busy(client, "two")
            one, two = used(client, "one", "two")
            assert 0.8 < one / two < 1.25
            assert not client.call("SchedSet", vm="one", weight=768).unchanged
            assert client.call("SchedSet", vm="one", weight=768, has_cap=True, cap=0).unchanged
            one, two = used(client, "one", "two")
            assert 2.2 < one / two < 4
            assert client.call("VcpuList", vm="one").vcpus[0].weight == 768
            client.call("SchedSet", vm="one", has_cap=True, cap=20)
            one, two = used(client, "one", "two")
            assert 0.1 < one < 0.23 and two > 0.5
            rows = {vm.name: (vm.weight, vm.cap) for vm in client.pages("SchedList", "vms")}
            assert rows == {"one": (768, 20), "two": (256, 0)}
            refused(client, "SchedSet", "MGMT_BAD_REQUEST", "cap 101 is not within 0 to 100", vm="one", has_cap=True, cap=101)
            refused(client, "SchedSet", "MGMT_BAD_REQUEST", "weight 65536", vm="one", weight=65536)
            refused(client, "SchedSet", "MGMT_NOT_FOUND", "nobody", vm="nobody", weight=1)


def test_caps_survive_a_restart_of_sched(tmp_path, path):
    with Managed(tmp_path, path, "--append-options", "crash=sched:9000") as machine:
        with Client(path) as client:
            busy(client, "capped", cap=20, pins=b"\3")
            create(client, "other", pins=b"\3")
            machine.expect("sched faulted", timeout=60)
            client.call("SchedSet", vm="other", weight=512)  # makes the plan of that pCPU anew
            # In wall time: a host that stops the pCPU in the middle of a slice makes it longer; not always.
            wait_for(lambda: used(client, "capped", ms=500)[0] < 0.4, 60)
            assert [(vm.weight, vm.cap) for vm in client.pages("SchedList", "vms")] == [(256, 20), (512, 0)]
            client.call("SchedSet", vm="capped", has_cap=True, cap=0)
            wait_for(lambda: used(client, "capped", ms=1000)[0] > 0.5, 60)


def test_weight_cap_and_pins_are_those_of_the_next_start_too(tmp_path, path):
    with Managed(tmp_path, path, "--append-options", "crash=toolstack:9000") as machine:
        with Client(path) as client:
            console = create(client, "vm", vcpus=2, cap=150, weight=100)
            client.call("SchedSet", vm="vm", has_cap=True, cap=70)
            pcpus = [vcpu.pcpu for vcpu in client.call("VcpuList", vm="vm").vcpus]
            assert len(set(pcpus)) == 2
            other = next(pcpu for pcpu in range(4) if pcpu not in pcpus)
            assert client.call("VcpuPin", vm="vm", vcpu=1, pcpu=pcpus[1]).unchanged
            assert "from its next start" in client.call("VcpuPin", vm="vm", all=True, pcpu=other).text
            refused(client, "VcpuPin", "MGMT_BAD_REQUEST", "no vCPU 2, only 0 to 1", vm="vm", vcpu=2, pcpu=0)
            refused(client, "VcpuPin", "MGMT_BAD_REQUEST", "no pCPU 4, only 0 to 3", vm="vm", pcpu=4)
            assert [vcpu.pcpu for vcpu in client.call("VcpuList", vm="vm").vcpus] == pcpus
            machine.expect("toolstack faulted", timeout=60)
            console.type("r")
            console.expect("echo is up")
            vcpus = client.call("VcpuList", vm="vm").vcpus
            assert [(vcpu.pcpu, vcpu.weight) for vcpu in vcpus] == [(other, 100)] * 2
            assert client.pages("SchedList", "vms")[0].cap == 70
            # Of a VM that is off, too.
            assert client.call("VcpuPin", vm="known", pcpu=2).text == ""
            client.call("SchedSet", vm="known", weight=99)
            client.call("Start", vm="known")
            client.console("known").expect("echo is up")
            vcpu = client.call("VcpuList", vm="known").vcpus[0]
            assert (vcpu.pcpu, vcpu.weight) == (2, 99)
            bad = pb.MgmtCreateRequest(config={"name": "far", "kernel": ECHO, "memory_bytes": 8 << 20, "vcpus": 1, "pins": b"\7"})
            with pytest.raises(Refused) as refusal:
                client.call("Create", bad)
            assert "vCPU 0 is pinned to pCPU 7" in refusal.value.text


def disk_of(path, *volumes):
    """An image with these volumes of 8 MiB."""
    with open(path, "wb") as file:
        file.truncate((8 * len(volumes) + 4) << 20)
    words = [word for i, name in enumerate(volumes) for word in ("-n", f"{i + 1}:0:+8M", "-c", f"{i + 1}:{name}")]
    subprocess.run(["sgdisk", *words, path], check=True, stdout=subprocess.DEVNULL)
    return path


def eventually(call, *arguments, **fields):
    """While a service is restarting a client is told so: it says it again."""
    for _ in range(20):
        try:
            return call(*arguments, **fields)
        except Refused as refusal:
            assert refusal.status == "MGMT_LOST" or "ERR_PEER" in refusal.text or "ERR_TIME" in refusal.text, refusal
            time.sleep(0.5)
    raise AssertionError(arguments)


def test_interface_and_volumes_are_detached_and_plugged_in_elsewhere(tmp_path, path):
    mac = bytes([0, 0x16, 0x3E, 1, 2, 3])
    file = vm_file(tmp_path / "vm1.cfg", more="vif = ['mac=00:16:3e:01:02:03,bridge=nat0']", disk=["phy:one,vda,w"])
    crash = "crash=netdrv,toolstack,blkdrv:20000:3:5000"
    with Machine("--socket", path, "--append-options", crash, file, timeout=300, disk=disk_of(tmp_path / "disk.img", "one", "two")) as machine:
        machine.leave_console()
        with Client(path) as client:
            console = client.console("vm1")
            console.expect("# ", 120)
            count = 0

            def carrier(wanted):
                nonlocal count
                count += 1
                console.type(f"until [ \"$(cat /sys/class/net/eth0/carrier)\" = {wanted} ]; do :; done; echo seen''{count}\n")
                console.expect(f"seen{count}", 60)

            def interface():
                return client.call("NetworkList", vm="vm1").interfaces[0]

            def is_still_detached():
                try:
                    return interface().network == "nat0" and not interface().link
                except Refused as refusal:  # the toolstack is just restarting
                    assert refusal.status == "MGMT_LOST"
                    return False

            def in_guest(command):
                """A command that succeeds sooner or later."""
                nonlocal count
                count += 1
                console.type(f"until {command}; do sleep 0.1; done; echo seen''{count}\n")
                console.expect(f"seen{count}", 60)

            def volume(vdev):
                return {b.vdev: b.volume for b in eventually(client.call, "BlockList", vm="vm1").blocks}.get(vdev)

            in_guest("dmesg -n 1; echo one first > /dev/vda && sync")
            client.call("BlockDetach", vm="vm1", vdev="vda")
            client.call("BlockAttach", vm="vm1", disk={"vdev": "vdb", "volume": "one", "writable": True})
            client.call("BlockAttach", vm="vm1", disk={"vdev": "vda", "volume": "two", "writable": True})
            in_guest("head -c 9 /dev/vdb | grep -qx 'one first'")
            in_guest("dd if=/dev/zero of=/dev/vda bs=64k count=1 conv=fsync 2> /dev/null")
            console.type("ip link set eth0 up\n")
            carrier(1)
            refused(client, "NetworkAttach", "MGMT_NOT_SUPPORTED", "has no detached interface: only those of its file", vm="vm1")
            refused(client, "NetworkAttach", "MGMT_STATE", "interface 0 is plugged in", vm="vm1", vif={"mac": mac})
            refused(client, "NetworkDetach", "MGMT_NOT_FOUND", "no interface 1", vm="vm1", index=1)
            assert not client.call("NetworkDetach", vm="vm1", index=0).unchanged
            assert client.call("NetworkDetach", vm="vm1", index=0).unchanged
            carrier(0)
            assert not interface().link
            machine.expect("netdrv faulted", timeout=90)
            machine.expect("toolstack faulted", timeout=90)
            wait_for(is_still_detached)
            refused(client, "NetworkAttach", "MGMT_REFUSED", "there is no network nowhere", vm="vm1", vif={"mac": bytes(6), "bridge": "nowhere"})
            # The toolstack that restarted knows what is where, and the blkdrv that did goes on; both go on with changes.
            assert volume("vdb") == "one" and volume("vda") == "two"
            eventually(client.call, "BlockDetach", vm="vm1", vdev="vda")
            machine.expect("blkdrv faulted", timeout=90)
            in_guest("echo 3 > /proc/sys/vm/drop_caches; head -c 9 /dev/vdb | grep -qx 'one first'")
            eventually(client.call, "BlockDetach", vm="vm1", vdev="vdb")
            eventually(client.call, "BlockAttach", vm="vm1", disk={"vdev": "vdd", "volume": "one"})
            in_guest("head -c 9 /dev/vdd | grep -qx 'one first'")
            assert volume("vdd") == "one" and volume("vda") is None and volume("vdb") is None
            client.call("NetworkAttach", vm="vm1", vif={"mac": bytes(6), "bridge": "br0"})
            carrier(1)
            assert interface().link and interface().network == "br0" and interface().mac == mac
            # Detached at its next start, too; plugged in as it was.
            client.call("NetworkDetach", vm="vm1", index=0)
            client.call("Destroy", vm="vm1")
            client.call("Start", vm="vm1")
            wait_for(lambda: interface().network == "br0" and interface().attached)
            assert not interface().link
            client.call("NetworkAttach", vm="vm1", vif={"mac": mac})
            assert interface().link and interface().network == "br0"
            assert volume("vdd") == "one"
            client.call("Destroy", vm="vm1")
            assert client.machine().memory_free == client.machine().memory_total
            assert client.machine().memory_sessions == 0


READERS = ("dmesg -n 1; (while :; do for d in a b c d; do dd if=/dev/vd$d of=/dev/null bs=64k iflag=direct; "
           "dd if=/dev/zero of=/dev/vd$d bs=64k count=2 oflag=direct; done; done) > /dev/null 2>&1 & echo be''gun\n")


@pytest.mark.long
@pytest.mark.parametrize("services", ["blkdrv", "toolstack", "mem,blkdrv,toolstack"])
def test_volumes_come_and_go_all_the_time_while_services_die(tmp_path, path, services):
    """As fast as they can be asked for, under a guest that uses all its drives: it goes on, and nothing is left of it."""
    file = vm_file(tmp_path / "vm1.cfg", disk=["phy:one,vda,w"])
    crash = f"crash={services}:9000:10:2600"
    with Machine("--socket", path, "--append-options", crash, file, timeout=300, disk=disk_of(tmp_path / "disk.img", "one", "two")) as machine:
        machine.leave_console()
        with Client(path) as client:
            console = client.console("vm1")
            console.expect("# ", 120)
            console.type(READERS)
            console.expect("begun")
            random.seed(services)
            done = 0
            end = time.monotonic() + 40
            while time.monotonic() < end:
                vdev = "vd" + random.choice("abcd")
                try:
                    if random.random() < .5:
                        client.call("BlockDetach", vm="vm1", vdev=vdev)
                    else:
                        volume = random.choice(["one", "two", "ram:2M", "ram:6M"])
                        client.call("BlockAttach", vm="vm1", disk={"vdev": vdev, "volume": volume, "writable": True})
                    done += 1
                except Refused:
                    pass
            assert done > 100
            console.type("kill $!; echo al''ive\n")
            console.expect("alive", 60)
            eventually(client.call, "Destroy", vm="vm1")
            assert client.machine().memory_free == client.machine().memory_total
            assert client.machine().memory_sessions == 0


def test_configuration_is_the_new_one_from_the_next_start_on(tmp_path, path):
    with Managed(tmp_path, path, "--append-options", "crash=toolstack:15000") as machine:
        with Client(path) as client:
            console = create(client, "vm")
            before = client.call("VmInfo", vm="vm").config
            with Client(path) as other:  # its upload is the VM's when it has gone
                image = other.upload((TOP / "build/guests/tiny/echo.bin").read_bytes())
                changed = before.FromString(before.SerializeToString())
                changed.memory_bytes, changed.vcpus, changed.weight, changed.kernel = 12 << 20, 2, 99, image
                other.call("ConfigUpdate", config=changed)
                changed.vcpus = 17
                refused(other, "ConfigUpdate", "MGMT_BAD_REQUEST", "vcpus: 1 to 16", config=changed)
                changed.name = "nobody"
                refused(other, "ConfigUpdate", "MGMT_NOT_FOUND", "there is no VM `nobody`", config=changed)
            assert client.call("VmInfo", vm="vm").config == before
            console.type("r")
            console.expect("echo is up")
            now = client.call("VmInfo", vm="vm").config
            assert (now.memory_bytes, now.vcpus, now.weight, now.kernel) == (12 << 20, 2, 99, image)
            assert (now.uuid, now.vm_id, now.name) == (before.uuid, before.vm_id, "vm")
            assert len(client.call("VcpuList", vm="vm").vcpus) == 2
            # Of a VM that is off, at once; and it survives the toolstack.
            known = client.call("VmInfo", vm="known").config
            known.memory_bytes = 16 << 20
            client.call("ConfigUpdate", config=known)
            console.type("q")  # a change that waits is forgotten with its VM
            console.wait_end()
            assert not [image for image in client.pages("ImageList", "images") if image.uploaded]
            machine.expect("toolstack faulted", timeout=60)

            def known_is_larger():
                try:
                    return client.call("VmInfo", vm="known").config.memory_bytes == 16 << 20
                except Refused as refusal:  # the toolstack is just restarting
                    assert refusal.status == "MGMT_LOST"
                    return False

            wait_for(known_is_larger)
            client.call("Start", vm="known")
            client.console("known").expect("echo is up")


def test_drives_of_a_vm_that_is_off_are_those_of_its_next_start(tmp_path, path):
    with Managed(tmp_path, path):
        with Client(path) as client:
            def blocks():
                return [(b.vdev, b.volume, b.writable, b.sectors) for b in client.call("BlockList", vm="known").blocks]

            before = client.machine()
            refused(client, "BlockDetach", "MGMT_NOT_FOUND", "known: there is no volume in vda", vm="known", vdev="vda")
            refused(client, "BlockAttach", "MGMT_BAD_REQUEST", "known: disk `vde`: a VM's drives are vda to vdd", vm="known", disk={"vdev": "vde", "volume": "ram:2M"})
            refused(client, "BlockAttach", "MGMT_NOT_FOUND", "nobody", vm="nobody", disk={"vdev": "vdb"})
            client.call("BlockAttach", vm="known", disk={"vdev": "vdb", "volume": "ram:2M"})
            refused(client, "BlockAttach", "MGMT_STATE", "vdb has ram:2M in it", vm="known", disk={"vdev": "vdb", "volume": "ram:4M"})
            assert blocks() == [("vdb", "ram:2M", False, 0)]
            client.call("Start", vm="known")
            client.console("known").expect("echo is up")
            assert blocks() == [("vdb", "ram:2M", False, 4096)]
            # What its guest's driver was told at its start stays: read-only.
            client.call("BlockDetach", vm="known", vdev="vdb")
            refused(client, "BlockAttach", "MGMT_STATE", "took vdb for read-only at its start", vm="known", disk={"vdev": "vdb", "volume": "ram:4M", "writable": True})
            assert client.call("BlockAttach", vm="known", disk={"vdev": "vdb", "volume": "ram:4M"}).text == ""
            client.call("BlockAttach", vm="known", disk={"vdev": "vda", "volume": "ram:6M", "writable": True})
            assert blocks() == [("vda", "ram:6M", True, 12288), ("vdb", "ram:4M", False, 8192)]
            client.call("Destroy", vm="known")
            client.call("BlockDetach", vm="known", vdev="vdb")
            assert blocks() == [("vda", "ram:6M", True, 0)]
            now = client.machine()
            assert (now.memory_free, now.memory_sessions) == (before.memory_free, before.memory_sessions)
            bad = pb.MgmtCreateRequest(config={"name": "far", "kernel": ECHO, "memory_bytes": 8 << 20, "vcpus": 1, "disks": [{"vdev": "vda", "volume": "ram:2M"}] * 2})
            with pytest.raises(Refused) as refusal:
                client.call("Create", bad)
            assert (refusal.value.status, refusal.value.text) == ("MGMT_BAD_REQUEST", "disk vda: it is there twice")
