# SPDX-License-Identifier: BSD-2-Clause
"""The management channel of a running machine: versions, hostile clients, uploads, consoles, several clients at once."""

import os
import random
import re
import struct
import threading
import time

import pytest

from machine import TOP, Machine, vm_file
from mgmt_client import CREDIT, DATA, END, REQUEST, Client, Closed, Refused, failure, pb

ECHO = TOP / "build/guests/tiny/echo.bin"
MIB = 1 << 20
RESTART = 1


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mgmt.sock"


class Managed(Machine):
    """A machine whose only VM, `known`, is not started."""

    def __init__(self, tmp_path, path, *arguments):
        known = vm_file(tmp_path / "known.cfg", name="known", memory=8, kernel=ECHO, ramdisk=None, extra="")
        super().__init__("--later", known, timeout=300, arguments=["--socket", path, *arguments])


def config(name, kernel, **more):
    return pb.MgmtCreateRequest(config={"name": name, "kernel": kernel, "memory_bytes": 8 * MIB, "vcpus": 1,
                                        "uuid": os.urandom(16), **more})


def vm_of(client, name):
    found = [vm for vm in client.list() if vm.name == name]
    return found[0] if found else None


def test_socket_is_the_users_alone_and_goes_with_the_machine(tmp_path, path):
    with Managed(tmp_path, path) as machine:
        with Client(path) as client:
            assert client.hello.product.startswith("bulkhead")
            assert path.stat().st_mode & 0o777 == 0o600
            info = client.machine()
            assert info.boot_id == client.hello.boot_id and len(info.boot_id) == 16
            assert info.pcpus == 4 and info.vms == 1 and info.vms_running == 0
            client.call("MachineOff")
        assert machine.wait() == 0
    assert not path.exists()


def test_two_machines_do_not_share_a_socket(tmp_path, path):
    with Managed(tmp_path, path):
        with Client(path):
            other = Managed(tmp_path, path)
            other.expect("another machine listens there")
            assert other.wait() == 1
        with Client(path) as client:
            assert client.list()


def test_client_of_another_version_is_told_both(tmp_path, path):
    with Managed(tmp_path, path):
        for version, lowest in ((7, 5), (0, 0)):
            client = Client(path, hello=False)
            hello = client.greet(version, lowest)
            assert hello.version == 1
            with pytest.raises(Closed) as closed:
                client.wait(lambda *_: False)
            status, text = closed.value.reason
            assert status == "MGMT_VERSION"
            assert f"versions {lowest} to {version}" in text and "1 to 1" in text
        with Client(path, version=7, lowest=1) as client:
            assert client.list()


def test_malformed_frames_end_that_client_only(tmp_path, path):
    bad = [
        b"\xff" * 64,
        struct.pack("<IHBBI", 16385, 0, REQUEST, 0, 1),
        struct.pack("<IHBBI", 4, 0, 99, 0, 1) + bytes(4),
        struct.pack("<IHBBI", 4, 0, REQUEST, 1, 1) + bytes(4),
        struct.pack("<IHBBI", 4, 3, REQUEST, 0, 1) + bytes(4),
        struct.pack("<IHBBI", 0, 0, 2, 0, 0),  # OPEN is the broker's
        struct.pack("<IHBBI", 4, 0, 5, 0, 1) + bytes(4),  # REPLY is the machine's
        struct.pack("<IHBBI", 4, 0, REQUEST, 0, 0) + bytes(4),  # no id
    ]
    with Managed(tmp_path, path):
        with Client(path) as good:
            for data in bad:
                client = Client(path)
                client.send_bytes(data)
                with pytest.raises(Closed) as closed:
                    client.wait(lambda *_: False)
                assert closed.value.reason[0] == "MGMT_PROTOCOL"
            rude = Client(path, hello=False)  # no HELLO
            rude.send(REQUEST, 1, bytes(4))
            with pytest.raises(Closed) as closed:
                rude.wait(lambda *_: False)
            assert closed.value.reason[0] == "MGMT_PROTOCOL"
            assert vm_of(good, "known")


def test_random_bytes_from_many_clients_disturb_nobody(tmp_path, path):
    random.seed(5)
    with Managed(tmp_path, path):
        with Client(path) as good:
            for _ in range(200):
                client = Client(path, hello=random.random() < 0.8)
                kinds = [random.randrange(10) for _ in range(5)]
                for kind in kinds:
                    payload = random.randbytes(random.randrange(40))
                    try:
                        client.send(kind, random.randrange(3), payload)
                    except OSError:
                        break
                client.close()
            assert vm_of(good, "known").name == "known"


def test_requests_that_make_no_sense_are_refused_in_words(tmp_path, path):
    with Managed(tmp_path, path):
        with Client(path) as client:
            def refused(name, status, text, request=None, **fields):
                with pytest.raises(Refused) as refusal:
                    client.call(name, request, **fields)
                assert refusal.value.status == status
                assert text in refusal.value.text

            refused("VmInfo", "MGMT_NOT_FOUND", "there is no VM `nobody`", vm="nobody")
            refused("Destroy", "MGMT_STATE", "known: it is off", vm="known")
            refused("Console", "MGMT_STATE", "known: it is off", vm="known")
            refused("Pause", "MGMT_STATE", "known: it is off", vm="known")
            refused("Shutdown", "MGMT_STATE", "known: it is off", vm="known")
            refused("MemSet", "MGMT_STATE", "known: it is off", vm="known")
            refused("MemSet", "MGMT_NOT_FOUND", "there is no VM `nobody`", vm="nobody")
            refused("Create", "MGMT_BAD_REQUEST", "no configuration")
            refused("Create", "MGMT_EXISTS", "known", config("known", "image/0-echo.bin"))
            refused("Create", "MGMT_BAD_REQUEST", "name `a b`", config("a b", "image/0-echo.bin"))
            refused("Create", "MGMT_BAD_REQUEST", "name `17`", config("17", "image/0-echo.bin"))
            refused("Create", "MGMT_NOT_FOUND", "upload/99", config("x", "upload/99"))
            refused("Create", "MGMT_REFUSED", "is not in the boot image", config("x", "image/9-nothing"))
            refused("Create", "MGMT_BAD_REQUEST", "memory", config("x", "image/0-echo.bin", memory_bytes=3 * MIB))
            refused("Create", "MGMT_REFUSED", "memory of", config("x", "image/0-echo.bin", memory_bytes=64 << 30))
            refused("Upload", "MGMT_BAD_REQUEST", "1 byte to 1 GiB", bytes=2 << 30, file="huge")
            client.send(REQUEST, 77, struct.pack("<I", 999))
            status, text = failure(client.wait(lambda kind, number: number == 77)[2])
            assert status == "MGMT_NOT_SUPPORTED" and "999" in text
            assert [vm.name for vm in client.list()] == ["known"]


def test_vm_from_uploads_starts_again_and_leaves_nothing(tmp_path, path):
    with Managed(tmp_path, path):
        with Client(path) as client, Client(path) as other:
            before = client.machine()
            data = ECHO.read_bytes()
            image = client.upload(data, "echo.bin", digest=bytes(32))
            assert other.upload_begin(data, "echo.bin", digest=bytes(32)) == (None, image)
            request = config("guest", image, on_reboot=RESTART, epoch_seconds=1_700_000_000)
            wait_for(lambda: client.machine().uptime_us > 2_000_000)
            up = client.machine().uptime_us // 1_000_000
            made = client.call("Create", request)
            assert made.name == "guest"
            with pytest.raises(Refused) as refusal:
                other.call("Create", request)
            assert refusal.value.status == "MGMT_EXISTS"
            client.close()  # the VM and its image are nobody's client's
            console = other.console("guest")
            console.expect("echo is up")
            for name in ("guest", str(made.id), request.config.uuid.hex()):
                info = other.call("VmInfo", vm=name)
                assert info.vm.id == made.id and info.config.uuid == request.config.uuid
            # What it was at the machine's start: the VM's clock counts from there.
            assert up <= 1_700_000_000 - info.config.epoch_seconds <= other.machine().uptime_us // 1_000_000
            console.type("hello")
            console.expect("hello")
            console.type("r")
            console.expect("echo is up")
            assert vm_of(other, "guest").starts == 2 and vm_of(other, "guest").uuid == request.config.uuid
            console.type("q")
            assert console.wait_end()[0] == "MGMT_ENDED"
            assert vm_of(other, "guest") is None
            # It was told that the image is there, and might still use it.
            assert [image.name for image in other.pages("ImageList", "images") if image.uploaded] == [image]
        with Client(path) as last:
            wait_for(lambda: not [image for image in last.pages("ImageList", "images") if image.uploaded])
            after = last.machine()
            assert (after.memory_free, after.memory_sessions) == (before.memory_free, before.memory_sessions)


def test_upload_that_ends_at_any_byte_leaves_nothing(tmp_path, path):
    data = random.Random(3).randbytes(5 * MIB)
    with Managed(tmp_path, path):
        with Client(path) as watcher:
            before = watcher.machine().memory_free
            for sent in (0, 1, 4095, 2 * MIB, 2 * MIB + 1, 5 * MIB - 1, 5 * MIB):
                client = Client(path)
                stream, _ = client.upload_begin(data)
                client.upload_send(stream, data[:sent])
                client.close()
                wait_for(lambda: watcher.machine().memory_free == before)
            with Client(path) as client:  # given up by END, by too much data, and by Closed
                stream, _ = client.upload_begin(data)
                client.upload_send(stream, data[:MIB])
                client.send(END, stream, bytes(4))
                wait_for(lambda: watcher.machine().memory_free == before)
                stream, _ = client.upload_begin(data, size=1000)
                client.wait(lambda kind, number: kind == CREDIT and number == stream)
                client.send(DATA, stream, bytes(1001))
                status, text = failure(client.wait(lambda kind, number: kind == END and number == stream)[2])
                assert status == "MGMT_PROTOCOL" and "credit" in text
                wait_for(lambda: watcher.machine().memory_free == before)
                streams = [client.upload_begin(data)[0] for _ in range(4)]
                assert all(streams)
                with pytest.raises(Refused) as refusal:
                    client.upload_begin(data)
                assert refusal.value.status == "MGMT_FULL"
            wait_for(lambda: watcher.machine().memory_free == before)


def test_several_watch_and_type_and_one_who_does_not_read_loses_his_own(tmp_path, path):
    with Managed(tmp_path, path):
        with Client(path) as first, Client(path) as second, Client(path) as slow:
            first.call("Start", vm="known")
            lazy = slow.console("known")
            lazy.client.send(CREDIT, lazy.stream, struct.pack("<I", 0))
            one, two = first.console("known"), second.console("known", watch_only=True)
            one.expect("echo is up")
            two.expect("echo is up")  # also what was written before it came
            one.type("abc")
            two.expect("abc")
            assert not second.call("Pause", vm="known").unchanged
            assert first.call("Pause", vm="known").unchanged
            assert vm_of(first, "known").state == pb.MGMT_VM_PAUSED
            one.type("later")
            assert not first.call("Unpause", vm="known").unchanged
            two.expect("late")
            two.client.send(DATA, two.stream, b"x")  # it said that it only watches
            with pytest.raises(Closed) as closed:
                two.expect("x")
            assert closed.value.reason[0] == "MGMT_PROTOCOL"
            # A client that takes nothing: the flood goes by, and it is told what it missed.
            with Client(path) as stuck:
                stream = stuck.ask("Console", vm="known", no_backlog=True)
                stuck.answer("Console", stream)
                one.type("f")
                one.expect("that was the flood")
                stuck.send(CREDIT, stream, struct.pack("<I", 65536))
                text = ""
                while "that was the flood" not in text:
                    text += stuck.wait(lambda kind, number: kind == DATA and number == stream)[2].decode()
                lost = int(re.search(r"\[(\d+) bytes of the console are lost\]", text).group(1))
                assert lost > 10000
            first.call("Destroy", vm="known")
            assert one.wait_end()[0] == "MGMT_ENDED"


def test_four_clients_make_and_end_vms_at_once(tmp_path, path):
    errors = []

    def work(index):
        try:
            with Client(path) as client:
                for turn in range(4):
                    name = f"vm-{index}-{turn}"
                    image = client.upload(ECHO.read_bytes() + bytes([index, turn]), "echo.bin")
                    client.call("Create", config(name, image))
                    console = client.console(name)
                    console.expect("echo is up")
                    if turn % 2:
                        console.type("q")
                    else:
                        client.call("Destroy", vm=name)
                    console.wait_end()
        except Exception as error:  # pylint: disable=broad-except
            errors.append(f"{index}: {error!r}")

    with Managed(tmp_path, path):
        with Client(path) as client:
            before = client.machine()
            threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert errors == []
            after = client.machine()
            assert (after.memory_free, after.memory_sessions, after.vms) == (
                before.memory_free, before.memory_sessions, before.vms)


@pytest.mark.parametrize("service", ["toolstack", "console"])
def test_services_restart_under_the_channel(tmp_path, path, service):
    with Managed(tmp_path, path, "--append-options", f"crash={service}:9000") as machine:
        client = Client(path)
        client.call("Start", vm="known")
        console = client.console("known")
        console.expect("echo is up")
        client.call("Create", config("made", client.upload(ECHO.read_bytes(), "echo.bin"), on_reboot=RESTART))
        client.console("made").expect("echo is up")
        stream, _ = client.upload_begin(bytes(MIB))
        machine.expect(rf"{service} faulted", timeout=60)
        if service == "toolstack":
            status, _ = failure(client.wait(lambda kind, number: kind == END and number == stream)[2])
            assert status == "MGMT_LOST"
            console.type("it goes on")
            console.expect("it goes on")
        else:
            with pytest.raises(Closed) as closed:
                client.wait(lambda *_: False)
            assert closed.value.reason[0] == "MGMT_LOST"
        with Client(path) as again:
            wait_for(lambda: vm_of(again, "known").state == pb.MGMT_VM_RUNNING)
            console = again.console("known")
            console.type("hello again")
            console.expect("hello again")
            restarts = {domain.name: domain.restarts for domain in again.pages("DomainList", "domains")}
            assert restarts[service] == 1
            made = again.console("made")
            made.type("r")  # it starts again: its kernel, an upload, is there still
            wait_for(lambda: vm_of(again, "made").starts == 2 and vm_of(again, "made").state == pb.MGMT_VM_RUNNING)
            made.type("I am back")
            made.expect("I am back")
            for name in ("known", "made"):
                again.call("Destroy", vm=name)
            wait_for(lambda: again.machine().memory_free == again.machine().memory_total)


def test_machine_without_the_device_works_as_before(tmp_path):
    with Managed(tmp_path, "none") as machine:
        assert "known" in machine.prompt().run("list")


def wait_for(true, seconds=20):
    """Ask until it is so: the machine learns of a client's end a moment after it."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
