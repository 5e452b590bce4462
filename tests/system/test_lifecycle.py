# SPDX-License-Identifier: BSD-2-Clause
"""How VMs live and end: asked to shut down or reboot, created paused, crashed, destroyed in the middle of anything."""

import os
import re
import time

import pytest
from machine import TOP, Machine, copy_disk, vm_file
from mgmt_client import Client, Closed, Refused, pb

ECHO = TOP / "build/guests/tiny/echo.bin"
MIB = 1 << 20
DESTROY, RESTART, PRESERVE = 0, 1, 2


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mgmt.sock"


def linux(tmp_path, name="linux", **more):
    return vm_file(tmp_path / f"{name}.cfg", name=name, **more)


def echo(tmp_path, name="echo", **more):
    return vm_file(tmp_path / f"{name}.cfg", name=name, memory=8, kernel=ECHO, ramdisk=None, extra="", **more)


def machine_of(tmp_path, path, *files, arguments=(), **more):
    """A machine whose VMs `files` are known and not started."""
    later = [word for file in files for word in ("--later", file)]
    return Machine(*later, arguments=["--socket", path, *arguments], **more)


def config(name, kernel, **more):
    return {"name": name, "kernel": kernel, "memory_bytes": 8 * MIB, "vcpus": 1, "uuid": os.urandom(16), **more}


def vm_of(client, name):
    found = [vm for vm in client.list() if vm.name == name]
    return found[0] if found else None


def wait_for(true, seconds=60):
    """Ask until it is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def everything_is_back(client, before):
    now = client.machine()
    return (now.memory_free, now.memory_sessions, now.memory_promised) == (
        before.memory_free, before.memory_sessions, before.memory_promised)


def refused(client, verb, status, text, **fields):
    with pytest.raises(Refused) as refusal:
        client.call(verb, **fields)
    assert (refusal.value.status, text in refusal.value.text) == (status, True), refusal.value


# ---- asked from outside


def ask_when_heard(client, verb, name, seconds=60):
    """A driver's start is heard of a moment later."""
    end = time.monotonic() + seconds
    while True:
        try:
            return client.call(verb, vm=name)
        except Refused as refusal:
            assert "cannot hear it" in refusal.text or "being started" in refusal.text, refusal
            assert time.monotonic() < end
            time.sleep(0.1)


def test_linux_reboots_and_shuts_down_when_asked(tmp_path, path):
    with machine_of(tmp_path, path, linux(tmp_path, more="on_reboot='restart'"), echo(tmp_path)) as machine:
        prompt = machine.prompt()
        with Client(path) as client:
            before = client.machine()
            refused(client, "Shutdown", "MGMT_STATE", "linux: it is off", vm="linux")
            refused(client, "Reboot", "MGMT_NOT_FOUND", "there is no VM `nobody`", vm="nobody")
            client.call("Start", vm="echo")
            wait_for(lambda: vm_of(client, "echo").state == pb.MGMT_VM_RUNNING)
            refused(client, "Shutdown", "MGMT_STATE", "no driver (virtio_input)", vm="echo")
            assert "echo: not asked to reboot: its guest cannot hear it" in prompt.run("reboot echo")
            client.call("Destroy", vm="echo")

            client.call("Start", vm="linux")
            console = client.console("linux")
            console.expect("/ # ", 300)
            first = vm_of(client, "linux")
            ask_when_heard(client, "Reboot", "linux")
            console.expect("reboot: Restarting system")
            console.expect("/ # ", 300)
            again = vm_of(client, "linux")
            assert (again.starts, again.id, again.uuid) == (2, first.id, first.uuid)

            client.call("Pause", vm="linux")
            assert "is paused" in ask_when_heard(client, "Shutdown", "linux").text
            assert vm_of(client, "linux").letters == "--ps--"
            client.call("Unpause", vm="linux")
            console.expect("reboot: Power down")
            wait_for(lambda: vm_of(client, "linux").state == pb.MGMT_VM_OFF)
            assert everything_is_back(client, before)


def test_a_guest_that_ignores_it_goes_on_and_can_be_destroyed(tmp_path, path):
    with machine_of(tmp_path, path, linux(tmp_path)) as machine:
        machine.prompt()
        with Client(path) as client:
            before = client.machine()
            client.call("Start", vm="linux")
            console = client.console("linux")
            console.expect("/ # ", 300)
            console.type("rm /etc/acpi/PWRF/00000080; echo $((40 + 2))deaf\r")
            console.expect("42deaf")
            for _ in range(2):
                ask_when_heard(client, "Shutdown", "linux")
                vm = vm_of(client, "linux")
                assert (vm.state, vm.letters) == (pb.MGMT_VM_SHUTDOWN, "---s--")
            console.type("echo $((40 + 3))goes on\r")
            console.expect("43goes on")
            console.type("rmmod virtio_input; echo $((40 + 4))\r")
            console.expect("44")
            wait_for(lambda: refusal_of(client, "Shutdown", "linux") is not None)
            client.call("Destroy", vm="linux")
            assert everything_is_back(client, before)


def refusal_of(client, verb, name):
    try:
        client.call(verb, vm=name)
        return None
    except Refused as refusal:
        return refusal.text


def attach(client, volume, vdev, writable=True):
    return client.call("BlockAttach", vm="debian1", disk={"volume": volume, "vdev": vdev, "writable": writable})


def blocks(client):
    return {b.vdev: (b.volume, b.writable, b.sectors > 0) for b in client.call("BlockList", vm="debian1").blocks}


def in_the_drive(shell, vdev, is_there=True):
    """Wait until the guest's kernel says so: drives that are empty are not among its partitions."""
    shell.run(f"{'until' if is_there else 'while'} grep -q {vdev} /proc/partitions; do sleep 0.1; done")


def volumes_are_refused_by_their_names(client):
    for status, text, volume, vdev in [
        ("MGMT_STATE", "vda has debian1 in it: detach it first", "scratch", "vda"),
        ("MGMT_BAD_REQUEST", "a VM's drives are vda to vdd", "debian2", "sda"),
        ("MGMT_REFUSED", "disk vdc: volume scratch is in use for writing by VM 16", "scratch", "vdc"),
        ("MGMT_REFUSED", "disk vdc: no volume nowhere; the disk has debian1", "nowhere", "vdc"),
        ("MGMT_REFUSED", "disk vdc: ram:64G: memory of 65536 MiB asked for", "ram:64G", "vdc"),
        ("MGMT_REFUSED", "ram:9: expected ram:SIZE", "ram:9", "vdc"),
    ]:
        refused(client, "BlockAttach", status, text, vm="debian1", disk={"volume": volume, "vdev": vdev, "writable": True})
    refused(client, "BlockDetach", "MGMT_NOT_FOUND", "there is no volume in vdc", vm="debian1", vdev="vdc")


def a_volume_goes_from_one_to_another_and_comes_back(client, shell):
    attach(client, "scratch", "vdb")
    volumes_are_refused_by_their_names(client)
    in_the_drive(shell, "vdb")
    shell.run("dmesg | grep -q 'vdb. new size: 524288'")
    shell.run("mkfs.ext4 -q /dev/vdb && mount /dev/vdb /mnt && echo kept > /mnt/file && sync")
    shell.run("(dd if=/dev/zero of=/mnt/big bs=256k oflag=direct; echo dd $? > /root/dd) > /dev/null 2>&1 & :")
    shell.run("while [ ! -e /mnt/big ]; do :; done")
    client.call("BlockDetach", vm="debian1", vdev="vdb")
    other = config("other", client.call("VmInfo", vm="debian1").config.kernel, memory_bytes=64 * MIB,
                   disks=[{"volume": "scratch", "vdev": "vdb", "writable": True}])
    client.call("Create", config=other, paused=True)  # the volume is free at once
    assert blocks(client) == {"vda": ("debian1", True, True)}
    shell.run("while [ ! -e /root/dd ]; do sleep 0.1; done; grep -x 'dd 1' /root/dd")
    in_the_drive(shell, "vdb", False)
    assert shell.try_run("dd if=/dev/vdb of=/dev/null count=1 iflag=direct 2>&1 | grep '^1+'")[1] != 0
    shell.run("umount /mnt")
    refused(client, "BlockAttach", "MGMT_REFUSED", "volume scratch is in use for writing by VM", vm="debian1",
            disk={"volume": "scratch", "vdev": "vdb", "writable": True})
    client.call("Destroy", vm="other")
    attach(client, "scratch", "vdb")
    in_the_drive(shell, "vdb")
    shell.run("mount /dev/vdb /mnt && grep -x kept /mnt/file && umount /mnt")


def drives_take_memory_and_what_can_only_be_read(client, shell):
    attach(client, "ram:64M", "vdd")
    in_the_drive(shell, "vdd")
    shell.run("mkfs.ext4 -q /dev/vdd && mount /dev/vdd /mnt && head -c 20M /dev/urandom > /mnt/x && sha256sum /mnt/x > /sum && umount /mnt")
    shell.run("echo 3 > /proc/sys/vm/drop_caches; mount /dev/vdd /mnt && sha256sum -c /sum && umount /mnt")
    assert "what its guest writes there fails" in attach(client, "debian2", "vdc", False).text
    in_the_drive(shell, "vdc")
    shell.run("mount -o ro,noload /dev/vdc /mnt && test -d /mnt/etc && umount /mnt")
    assert shell.try_run("dd if=/dev/zero of=/dev/vdc bs=4k count=1 oflag=direct")[1] == 1
    client.call("BlockDetach", vm="debian1", vdev="vdc")
    for _ in range(20):  # more than blkdrv has places
        attach(client, "ram:2M", "vdc")
        client.call("BlockDetach", vm="debian1", vdev="vdc")
    in_the_drive(shell, "vdc", False)


def test_debian_shuts_down_and_reboots_when_asked(tmp_path, path):
    disk = copy_disk(tmp_path / "disk.img")
    debian = vm_file(tmp_path / "debian1.cfg", name="debian1", memory=512, extra="console=ttyAMA0 root=/dev/vda rw",
                     disk=["phy:debian1,vda,w"], more="on_reboot='restart'")
    with Machine(debian, disk=disk, arguments=["--socket", path]) as machine:
        shell = machine.shell()
        if shell.try_run("test -x /usr/sbin/acpid")[1] != 0:
            pytest.skip("build/guests/disk.img was made before acpid came into guests/linux/make-rootfs: delete it")
        shell.run("touch /was-here; sync")
        with Client(path) as client:
            shell.run("dmesg -n 1")
            a_volume_goes_from_one_to_another_and_comes_back(client, shell)
            drives_take_memory_and_what_can_only_be_read(client, shell)
            ask_when_heard(client, "Reboot", "debian1")
            shell = machine.shell()
            shell.run("test -e /was-here && pidof acpid")
            # What is in its drives is lasting.
            assert blocks(client) == {"vda": ("debian1", True, True), "vdb": ("scratch", True, True), "vdd": ("ram:64M", True, True)}
            shell.run("mount /dev/vdb /mnt && grep -x kept /mnt/file && umount /mnt")
            client.call("BlockDetach", vm="debian1", vdev="vdb")
            in_the_drive(shell, "vdb", False)
            ask_when_heard(client, "Shutdown", "debian1")
            wait_for(lambda: vm_of(client, "debian1").state == pb.MGMT_VM_OFF)
            assert client.machine().memory_free == client.machine().memory_total
            assert client.machine().memory_sessions == 0


# ---- created paused


@pytest.mark.parametrize("vcpus", [1, 3])
def test_created_paused_it_never_ran_before_unpause(tmp_path, path, vcpus):
    with machine_of(tmp_path, path, echo(tmp_path)) as machine:
        machine.prompt()
        with Client(path) as client:
            before = client.machine()
            kernel = "image/0-echo.bin"
            client.call("Create", config=config("p", kernel, vcpus=vcpus, on_reboot=RESTART), paused=True)
            console = client.console("p")
            wait_for(lambda: vm_of(client, "p").state == pb.MGMT_VM_PAUSED)
            assert vm_of(client, "p").letters == "--p---"
            vcpu = client.call("VcpuList", vm="p").vcpus[0]
            time.sleep(1)
            assert client.call("VcpuList", vm="p").vcpus[0].cpu_us == vcpu.cpu_us == 0
            assert console.text == ""
            assert client.call("Pause", vm="p").unchanged
            client.call("Unpause", vm="p")
            console.expect("echo is up")
            console.type("r")  # only the first start is paused
            console.expect("echo is up")
            # Paused and destroyed before it ever ran; the pause that comes while it starts.
            client.call("Destroy", vm="p")
            client.call("Create", config=config("p", kernel, vcpus=vcpus), paused=True)
            client.call("Destroy", vm="p")
            client.call("Create", config=config("q", kernel, vcpus=vcpus))
            client.call("Pause", vm="q")
            wait_for(lambda: vm_of(client, "q").state == pb.MGMT_VM_PAUSED)
            client.call("Unpause", vm="q")
            client.console("q").expect("echo is up")
            client.call("Destroy", vm="q")
            assert everything_is_back(client, before)


# ---- crashed


@pytest.mark.parametrize("policy", ["destroy", "restart", "preserve"])
def test_linux_that_stops_feeding_its_watchdog_has_crashed(tmp_path, path, policy):
    with machine_of(tmp_path, path, linux(tmp_path, more=f"on_crash='{policy}'")) as machine:
        machine.prompt()
        with Client(path) as client:
            before = client.machine()
            client.call("Start", vm="linux")
            console = client.console("linux")
            console.expect("/ # ", 300)
            # busybox' daemon: the watchdog waits for 6 s, and is fed twice a second
            console.type("watchdog -T 6 -t 500ms /dev/watchdog; cat /sys/class/watchdog/watchdog0/identity\r")
            console.expect("SBSA Generic Watchdog")
            if policy == "destroy":  # a pause that is longer than it waits
                client.call("Pause", vm="linux")
                end = client.machine().uptime_us + 8000000
                wait_for(lambda: client.machine().uptime_us > end)
                assert vm_of(client, "linux").state == pb.MGMT_VM_PAUSED
                client.call("Unpause", vm="linux")
                console.type("echo $((40 + 2))alive\r")
                console.expect("42alive")
            console.type("killall -STOP watchdog\r")
            if policy == "restart":
                console.expect("/ # ", 300)
                wait_for(lambda: vm_of(client, "linux").starts == 2)
                client.call("Destroy", vm="linux")
            elif policy == "preserve":
                wait_for(lambda: vm_of(client, "linux").state == pb.MGMT_VM_PRESERVED)
                assert vm_of(client, "linux").letters == "----c-"
                assert "its watchdog was not refreshed" in client.call("VmInfo", vm="linux").text
                client.call("Destroy", vm="linux")
            else:
                wait_for(lambda: vm_of(client, "linux").state == pb.MGMT_VM_OFF)
            assert everything_is_back(client, before)
            assert "linux: crashed its watchdog was not refreshed for" in client.dmesg()


# ---- destroyed in the middle of anything


# The second one is told so, and also what it waited for, if that took a while.
GONE = r"there is no VM `v`( \(it waited \d+ ms for the (start|destruction) of v\))?"


def test_destroy_while_it_starts_is_paused_or_is_destroyed_already(tmp_path, path):
    """Two clients at once; a VM that is being loaded, that runs, that is paused, that ends by itself just then."""
    kernel = "image/0-echo.bin"
    with machine_of(tmp_path, path, echo(tmp_path)) as machine:
        machine.prompt()
        with Client(path) as client, Client(path) as other:
            before = client.machine()
            for turn in range(12):
                client.call("Create", config=config("v", kernel, vcpus=1 + turn % 4, on_reboot=RESTART),
                            paused=turn % 3 == 2)
                if turn % 2:
                    console = client.console("v")
                    if turn % 3 != 2:
                        console.expect("echo is up")
                        console.type("qr"[turn // 2 % 2])
                asked = [(who, who.ask("Destroy", vm="v")) for who in (client, other)]
                answers = [answer_of(who, "Destroy", number) for who, number in asked]
                assert all(text is None or re.fullmatch(GONE, text) for text in answers), answers
                assert vm_of(client, "v") is None
                assert everything_is_back(client, before)


@pytest.mark.parametrize("service", ["blkdrv", "netdrv", "console", "mem", "sched", "toolstack"])
def test_destroy_while_a_service_restarts_leaves_nothing(tmp_path, path, service):
    """The service dies every two seconds while VMs with a disk and an interface come and go."""
    more = "vif = ['bridge=nat0']"
    file = echo(tmp_path, disk=["ram:2M,vda,w"], more=more)
    with machine_of(tmp_path, path, file, arguments=["--append-options", f"crash={service}:6000:3:2500"]) as machine:
        client = Client(path)
        before = client.machine()
        restarts = 0
        end = time.monotonic() + 120
        while restarts < 3:
            assert time.monotonic() < end
            try:
                if vm_of(client, "echo").state == pb.MGMT_VM_OFF:
                    client.call("Start", vm="echo")
                client.call("Destroy", vm="echo")
            except Refused:
                pass  # the service is away just now: said, and tried again
            except (Closed, TimeoutError, OSError):
                client.close()
                client = Client(path)
            try:
                restarts = {d.name: d.restarts for d in client.pages("DomainList", "domains")}[service]
            except (Closed, TimeoutError, OSError, Refused):
                client.close()
                client = Client(path)
        wait_for(lambda: gone(client, "echo"), 60)
        assert everything_is_back(client, before), (client.machine(), client.dmesg()[-2000:])
        client.close()


def gone(client, name):
    """Destroyed, whatever is left to undo; True when there is nothing of it."""
    try:
        client.call("Destroy", vm=name)
    except Refused as refusal:
        return "it is off" in refusal.text
    return vm_of(client, name).state == pb.MGMT_VM_OFF


def answer_of(client, verb, number):
    """None: done; else why not."""
    try:
        client.answer(verb, number)
        return None
    except Refused as refusal:
        return refusal.text
