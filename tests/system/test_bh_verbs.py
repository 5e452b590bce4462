# SPDX-License-Identifier: BSD-2-Clause
"""The verbs of `bh` on a machine that runs."""

import json
import socket
import struct
import threading
import time

import pexpect

from bh_client import ANY, ECHO, Host, Managed
from machine import vm_file
from mgmt_client import REQUEST, SERVICE

CREATE = SERVICE.methods_by_name["Create"].index + 1  # as a request names it


def test_list_and_info_say_what_the_machine_knows(tmp_path):
    with Managed(tmp_path) as machine:
        host = machine.host
        row = host.bh("list").splitlines()[1].split()
        assert row[:5] == ["known", "-", "8", "1", "------"]
        vm = host.json("list")["vms"][0]
        assert vm["name"] == "known" and vm["state"] == "off" and vm["memory_bytes"] == 8 << 20
        assert host.bh("list", "--name") == "known\n"
        assert host.bh("domuuid", "known").strip() == host.bh("list", "--uuid").strip() == vm["uuid"]
        assert host.bh("domid", "known").strip() == str(vm["id"])
        assert host.bh("domname", vm["id"]) == host.bh("domname", vm["uuid"].replace("-", "")) == "known\n"
        assert host.bh("domstate", "known") == "off\n"
        info = host.json("info")
        assert info["pcpus"] == 4 and info["vms"] == 1 and info["memory_free"] == info["memory_total"]
        assert f"free_memory            : {info['memory_free'] >> 20}\n" in host.bh("info")
        config = host.json("dominfo", "known")["config"]
        assert config["on_reboot"] == "restart" and "seed" not in config
        assert host.bh("dominfo", "known") == host.bh("info", "known") == host.bh("list", "-l", "known")
        assert host.bh("uptime").splitlines()[1:] == []
        assert host.refused("info", "nobody") == ("not_found", "there is no VM `nobody`")


def guest_file(path, name="guest", **more):
    return vm_file(path / f"{name}.cfg", name=name, memory=8, kernel=ECHO, ramdisk=None, extra="", **more)


def wait_for(true, otherwise=lambda: "it is not so", seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.05)


def test_create_uploads_once_and_destroy_leaves_nothing(tmp_path):
    with Managed(tmp_path) as machine:
        host = machine.host
        before = host.json("info")
        images = host.json("images")["images"]
        assert [image["uploaded"] for image in images] == [False]
        file = guest_file(tmp_path)
        assert host.bh("create", file).startswith("guest: created, its id is ")
        assert host.json("create", file, "name=second", "memory=10")["name"] == "second"
        vms = {vm["name"]: vm for vm in host.json("list")["vms"]}
        assert vms["second"]["memory_bytes"] == 10 << 20 and vms["guest"]["memory_bytes"] == 8 << 20
        assert vms["second"]["uuid"] != vms["guest"]["uuid"]
        uploads = [image for image in host.json("images")["images"] if image["uploaded"]]
        assert [(image["file"], image["users"], image["bytes"]) for image in uploads] == [
            ("echo.bin", 2, ECHO.stat().st_size)]
        assert host.refused("create", file)[0] == "exists"
        assert host.bh("destroy", "guest", "second") == "guest: destroyed\nsecond: destroyed\n"
        assert host.refused("destroy", "guest")[0] == "not_found"
        after = host.json("info")
        assert (after["memory_free"], after["vms"]) == (before["memory_free"], before["vms"])


def test_create_takes_images_of_the_machine_and_words_alone(tmp_path):
    with Managed(tmp_path) as machine:
        host = machine.host
        name = host.json("images")["images"][0]["name"]
        host.bh("create", "name=one", "memory=8", f"kernel=image:{name}")
        host.bh("create", "name='two'", "memory=8; vcpus=1", f"kernel=image:{name.removeprefix('image/')}", "-q")
        wait_for(lambda: host.bh("domstate", "one") == host.bh("domstate", "two") == "running\n")
        assert not any(image["uploaded"] for image in host.json("images")["images"])
        status, text = host.refused("create", "name=three", "memory=8", "kernel=image:9-nothing")
        assert status == "refused" and "9-nothing" in text


def test_create_refuses_before_anything_is_asked(tmp_path):
    host = Host(tmp_path)  # no machine runs
    file = guest_file(tmp_path)
    for words, text in [
        (["name=x", "memory=7", "kernel=image:y"], "command line: memory: 7: an even number of MiB is needed"),
        ([file, "frobnicate=1"], "command line: frobnicate: this key means nothing to Bulkhead"),
        ([file, "memory=banana"], "command line: memory: 'banana' is not a number"),
        ([file, f"kernel={file}"], f"command line: kernel: {file} is not an arm64 Image"),
        ([file, "kernel=no-such"], "command line: kernel: cannot read no-such: No such file"),
        ([tmp_path / "no.cfg"], "cannot read"),
    ]:
        status, said = host.refused("create", *words)
        assert status == "refused" and text in said, said
    assert host.refused("create", status=2)[0] == "usage"
    assert host.json("create", "-n", file, "memory=64")["memory_bytes"] == 64 << 20


def test_console_is_attached_by_several_and_left(tmp_path):
    with Managed(tmp_path) as machine:
        host = machine.host
        child = host.terminal("create", "-c", guest_file(tmp_path))
        child.expect("Ctrl-] leaves it")
        child.expect("echo is up")
        watcher = host.terminal("console", "--watch-only", "guest")
        watcher.expect("echo is up")  # what was written before
        child.send("hello")
        child.expect("hello")
        watcher.expect("hello")
        watcher.send("xyz\x1d")
        watcher.expect(pexpect.EOF)
        watcher.close()
        assert watcher.exitstatus == 0 and "xyz" not in watcher.before
        child.send("\x1d")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0 and "xyz" not in child.before
        piped = host.try_bh("console", "guest", stdin=file_of(tmp_path, "again q"))
        assert piped.status == 0 and "again" in piped.out and "guest: " in piped.err
        assert host.refused("console", "guest") == ("not_found", "there is no VM `guest`")


def test_console_says_its_bytes_as_json(tmp_path):
    with Managed(tmp_path) as machine:
        host = machine.host
        host.bh("start", "known")
        lines = host.bh("console", "known", "--json", stdin=file_of(tmp_path, "abcq")).splitlines()
        said = [json.loads(line) for line in lines]
        assert "abc" in "".join(line.get("data", "") for line in said)
        assert [list(line) for line in said[-1:]] == [["end"]]


def file_of(tmp_path, text):
    (tmp_path / "keys").write_text(text)
    return (tmp_path / "keys").open("rb")


def test_vms_are_started_paused_and_ended_as_with_xl(tmp_path):
    with Managed(tmp_path) as machine:
        host = machine.host
        assert host.bh("start", "known") == "known: started\n"
        assert host.refused("start", "known")[0] == "exists"
        wait_for(lambda: host.bh("domstate", "known") == "running\n")
        assert host.bh("pause", "known") == "known: paused\n"
        assert host.bh("suspend", "known") == "known: paused already\n"
        assert host.json("pause", "known")["vms"][0]["unchanged"] is True
        assert host.bh("list").splitlines()[1].split()[4] == "--p---"
        assert host.bh("resume", "known") == "known: running\n"
        assert host.bh("unpause", "known") == "known: running already\n"
        assert host.bh("uptime").splitlines()[1].split()[0] == "known"
        assert [row.split()[2] for row in host.bh("vcpu-list").splitlines()[1:]] == ["0", "vmm"]
        result = host.try_bh("pause", "nobody", "known")  # one refusal does not keep it from the others
        assert result.status == 1 and result.out == "known: paused\n" and "there is no VM `nobody`" in result.err
        assert host.bh("destroy", "known") == "known: destroyed\n"
        assert host.refused("destroy", "known")[0] == "state"
        assert host.bh("block-list", "known").count("\n") == host.bh("network-list", "known").count("\n") == 1


def test_rename_and_what_the_machine_cannot_do_is_said(tmp_path):
    with Managed(tmp_path) as machine:
        host = machine.host
        host.bh("create", guest_file(tmp_path))
        uuid = host.bh("domuuid", "guest").strip()
        host.bh("rename", "guest", "other")
        assert host.bh("domname", uuid) == "other\n"
        assert host.refused("rename", "other", "17")[0] == "bad_request"
        wait_for(lambda: host.bh("domstate", "other") == "running\n")
        assert host.refused("mem-set", "other", "15m")[0] == "bad_request"
        assert host.refused("mem-set", "other", "16q", status=2)[0] == "usage"
        assert host.refused("vcpu-pin", "other", "0", "0-3")[0] == "refused"
        assert host.refused("vcpu-pin", "other", "x", "0", status=2)[0] == "usage"
        assert host.refused("block-attach", "other", "phy:a,sda,w")[1].startswith("command line: disk: ")
        assert host.bh("block-attach", "other", "phy:ram:2M", "vdb", "w") == "other: disk attached\n"
        assert host.refused("block-attach", "other", "ram:4M,vdb,w") == ("state", "other: vdb has ram:2M in it: detach it first")
        assert [(b["vdev"], b["volume"]) for b in host.json("block-list", "other")["vms"][0]["blocks"]] == [("vdb", "ram:2M")]
        assert [disk["vdev"] for disk in host.json("dominfo", "other")["config"]["disks"]] == ["vdb"]
        assert host.json("block-detach", "other", "vdb")["vms"][0]["unchanged"] is False
        assert host.refused("block-detach", "other", "vdb") == ("not_found", "other: there is no volume in vdb")
        assert host.refused("block-detach", "other", "sdb")[1] == "block-detach: 'sdb' is no drive of a VM's: vda to vdd are"
        assert host.refused("network-attach", "other", "bridge=br0", "vlan=5000")[1].startswith("command line: vif: ")
        assert host.refused("network-detach", "other", "02:00:00:00:00:01")[0] == "not_found"


def test_dmesg_follows(tmp_path):
    with Managed(tmp_path) as machine:
        host = machine.host
        child = host.terminal("dmesg", "-f")
        child.expect("netdrv")
        host.bh("create", guest_file(tmp_path, "loud"))
        host.bh("destroy", "loud")
        child.expect("loud: destroyed")
        child.send("\x03")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 130
        assert any("loud: destroyed" in line for line in host.json("dmesg")["lines"])


def test_domains_are_listed(tmp_path):
    with Managed(tmp_path) as machine:
        names = {domain["name"] for domain in machine.host.json("domains")["domains"]}
        assert {"console", "toolstack", "mem", "blkdrv"} <= names


class Cutter:
    """Between bh and the machine's socket: after `limit` bytes from bh it passes no more, and tells."""

    def __init__(self, path, machine_path, limit):
        self.machine_path, self.limit, self.passed = machine_path, limit, bytearray()
        self.reached = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        near, _ = self.listener.accept()
        far = socket.socket(socket.AF_UNIX)
        far.connect(str(self.machine_path))
        threading.Thread(target=self.back, args=(far, near), daemon=True).start()
        while self.limit > 0:
            data = near.recv(min(65536, self.limit))
            if not data:
                break
            far.sendall(data)
            self.passed += data
            self.limit -= len(data)
        self.reached.set()
        self.drop(near)
        far.shutdown(socket.SHUT_RDWR)  # the other thread reads it: closing would not end it

    @staticmethod
    def drop(near):
        """Until bh has gone: which a killed one may be with a reset."""
        try:
            while near.recv(65536):
                pass
        except ConnectionError:
            pass

    @staticmethod
    def back(far, near):
        try:
            while data := far.recv(65536):
                near.sendall(data)
        except OSError:
            pass


def test_client_killed_at_any_byte_leaves_the_whole_vm_or_nothing(tmp_path):
    (tmp_path / "ramdisk").write_bytes(b"ramdisk!" * (3 << 17))
    file = vm_file(tmp_path / "big.cfg", name="big", memory=32, kernel=ECHO, ramdisk=tmp_path / "ramdisk", extra="")
    with Managed(tmp_path) as machine:
        host = machine.host
        before = host.json("info")["memory_free"]
        whole = upload_bytes(tmp_path, host, machine, file)
        host.bh("destroy", "big")
        wait_for(lambda: host.json("info")["memory_free"] == before)
        assert whole > 3 << 20
        upload = whole - 1000
        for limit in [0, 1, 40, 200, 4096, 65536, 2 << 20, (2 << 20) + 77, upload, *range(whole - 160, whole, 13), whole]:
            cut(tmp_path, host, machine, file, limit)
            made = [vm for vm in host.json("list")["vms"] if vm["name"] == "big"]
            if made:
                assert limit == whole and made[0]["state"] in ("building", "starting", "running")
                host.bh("destroy", "big")
            wait_for(lambda: host.json("info")["memory_free"] == before,
                     lambda: f"cut after {limit} of {whole} bytes: {host.bh('list')}{host.bh('images')}")
        assert not [image for image in host.json("images")["images"] if image["uploaded"]]
        assert host.json("info")["vms"] == 1


def test_what_a_vmm_refuses_is_what_create_says(tmp_path):
    (tmp_path / "ramdisk").write_bytes(b"ramdisk!" * (3 << 17))
    (tmp_path / "text").write_text("this is no kernel\n" * 100)
    with Managed(tmp_path) as machine:
        for kernel, ramdisk, why in ((ECHO, tmp_path / "ramdisk", "(3072 KiB) does not fit into 8 MiB of memory"),
                                     (tmp_path / "text", None, "text is not an arm64 Image")):
            file = vm_file(tmp_path / "no.cfg", name="no", memory=8, kernel=kernel, ramdisk=ramdisk, extra="")
            word, text = machine.host.refused("create", "-q", file)
            assert word == "refused" and why in text
            assert [vm["name"] for vm in machine.host.json("list")["vms"]] == ["known"]


def cut(tmp_path, host, machine, file, limit):
    """Run `bh create`, and kill it when the machine has so many bytes from it."""
    path = tmp_path / f"cut-{limit}.sock"
    cutter = Cutter(path, machine.socket, limit)
    child = host.start("create", "-q", file, "--machine", path)
    assert cutter.reached.wait(60)
    child.kill()
    child.wait()
    if limit and child.returncode == 0:
        return
    wait_for(lambda: not any(vm["state"] == "building" for vm in host.json("list")["vms"]))


def upload_bytes(tmp_path, host, machine, file):
    """How many bytes bh sends until the machine makes this VM; then it asks whether it runs."""
    cutter = Cutter(tmp_path / "count.sock", machine.socket, 1 << 40)
    host.bh("create", "-q", file, "--machine", tmp_path / "count.sock")
    wait_for(cutter.reached.is_set)
    at = 0
    while at < len(cutter.passed):
        length, _, kind, _, _ = struct.unpack_from("<IHBBI", cutter.passed, at)
        at += 12 + length
        if kind == REQUEST and struct.unpack_from("<I", cutter.passed, at - length)[0] == CREATE:
            return at
    raise AssertionError("bh did not ask to create it")


def test_upload_shows_its_progress_on_a_terminal(tmp_path):
    (tmp_path / "ramdisk").write_bytes(b"ramdisk!" * (3 << 17))
    with Managed(tmp_path) as machine:
        child = machine.host.terminal("create", "name=big", "memory=32", f"kernel={ECHO}",
                                      f"ramdisk={tmp_path / 'ramdisk'}")
        child.expect(r"ramdisk ramdisk \[#{30}\] 100 % of 3.0 MiB, \d+ KiB/s")
        child.expect("big: created")
        child.expect(pexpect.EOF)


def test_shutdown_of_the_machine_names_what_does_not_end(tmp_path):
    with Managed(tmp_path) as machine:
        host = machine.host
        assert host.refused("shutdown", status=2)[0] == "usage"
        host.bh("start", "known")
        status, text = host.refused("shutdown", "--machine", machine.socket, "--timeout", "1", status=ANY)
        assert status in ("state", "timeout") and "stays on" in text and "known" in text and "--force" in text
        assert host.json("shutdown", "--machine", "--force", "--timeout", "1")["off"] is True
        assert machine.wait() == 0
        assert host.refused("list", status=69)[0] == "unreachable"


def test_machine_in_the_background_lives_on_without_vms_until_it_is_told(tmp_path):
    host = Host(tmp_path)
    said = host.bh("run", "-d", "--memory", "256M", "--timeout", "120").splitlines()
    assert said[1:] == [f"socket: {tmp_path}/bulkhead/default.sock", f"log: {tmp_path}/bulkhead/default.log"]
    try:
        assert host.bh("machines", "--name") == "default\n"
        assert host.bh("list").count("\n") == 1
        host.bh("create", guest_file(tmp_path), "-q")
        wait_for(lambda: host.bh("domstate", "guest") == "running\n")
        host.bh("destroy", "guest")
        assert host.bh("list").count("\n") == 1
        second = host.json("run", "-d", "--memory", "256M", "--timeout", "120")  # `default` is taken
        assert second["socket"].endswith(f"/{second['process']}.sock")
        assert host.bh("shutdown", "--machine", second["process"]) == f"machine '{second['process']}' is off\n"
        assert host.refused("run", "-d", "--name", "default")[1].endswith("default.sock: another machine listens there")
    finally:
        assert host.bh("shutdown", "--machine") == "machine 'default' is off\n"
    assert "bulkhead: 4 pCPUs, 256 MiB" in (tmp_path / "bulkhead/default.log").read_text()
    assert host.bh("machines", "--name") == ""


def test_machine_in_the_background_is_refused_in_the_foreground(tmp_path):
    host = Host(tmp_path)
    assert "no-such.img" in host.refused("run", "-d", "--disk", tmp_path / "no-such.img")[1]
    assert "no-such" in host.refused("run", "-d", "--log", tmp_path / "no-such/log")[1]
    assert host.refused("run", "-d", "--socket", "none", status=2)[0] == "usage"
    assert host.refused("run", "--log", "x", status=2)[0] == "usage"
    status, text = host.refused("run", "-d", "--memory", "256M", "--qemu-arg=-no-such-option", status=125)
    assert status == "ended" and f"QEMU ended with status 1 (its words: {tmp_path}/bulkhead/default.log)" in text
    assert "no-such-option" in (tmp_path / "bulkhead/default.log").read_text()
    assert host.bh("machines", "--name") == ""


def test_machine_without_a_vm_ends_with_its_input(tmp_path):
    assert "bulkhead> " in Host(tmp_path).bh("run", "--memory", "256M", "--timeout", "60")
