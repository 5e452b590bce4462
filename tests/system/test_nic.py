# SPDX-License-Identifier: BSD-2-Clause
"""netdrv on a real (emulated) network card, without a guest: the router's address outside answers ARP and pings.

The cable leads to this program, a frame per datagram, or to a tap interface of this host and its Linux.
"""

import fcntl
import json
import os
import socket
import struct
import subprocess
import time

import pytest

from machine import TOP, Machine, services_of_a_test, vm_file
from wire import checksum

ROUTER = bytes([10, 0, 2, 200])  # system/bulkhead.toml
OURS = bytes([10, 0, 2, 2])
OUR_MAC = bytes.fromhex("5254000000aa")
EVERYBODY = b"\xff" * 6
MAC = "52:54:00:12:34:56"
CARDS = ["virtio", "e1000e"]
HOLE = 0x1000000000 + 60 * 4096  # tests/nic/hole.c


def arp(operation, target_mac):
    return (EVERYBODY if operation == 1 else target_mac) + OUR_MAC + b"\x08\x06" + struct.pack(
        "!HHBBH", 1, 0x800, 6, 4, operation) + OUR_MAC + OURS + (bytes(6) if operation == 1 else target_mac) + ROUTER


def echo(sequence, payload):
    head = struct.pack("!BBHHH", 8, 0, 0, 77, sequence)
    icmp = struct.pack("!BBHHH", 8, 0, checksum(head + payload), 77, sequence) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), sequence, 0, 64, 1, 0, OURS, ROUTER)
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + icmp


def payload_of(sequence, length):
    return bytes((sequence * 31 + i * 7) & 255 for i in range(length))


class Wire:
    """The other end of the machine's cable."""

    def __init__(self, directory):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.host, self.card = str(directory / "host"), str(directory / "card")
        self.socket.bind(self.host)
        self.router = None

    @property
    def arguments(self):
        return ["--net", f"dgram:local.type=unix,local.path={self.card},remote.type=unix,remote.path={self.host}", "--mac", MAC]

    def send(self, frame):
        try:
            self.socket.sendto(frame, self.card)
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.1)  # QEMU is not there yet

    def receive(self, wanted, seconds):
        """The first frame that `wanted` is true of, or None; who asks for our address is told."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                frame = self.socket.recv(70000)
            except TimeoutError:
                return None
            if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == OURS:
                self.send(arp(2, frame[6:12]))
            if wanted(frame):
                return frame
        return None

    def find_router(self, seconds=60):
        """Ask until it answers; what came before that is dropped."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.send(arp(1, None))
            answer = self.receive(lambda f: f[12:14] == b"\x08\x06" and f[20:22] == b"\0\2" and f[:6] == OUR_MAC, 1)
            if answer:
                self.router = answer[6:12]
                return
        raise AssertionError("the router does not answer")

    def ping(self, sequence, length, seconds=10):
        """The bytes that come back, or None."""
        self.send(self.router + OUR_MAC + b"\x08\x00" + echo(sequence, payload_of(sequence, length)))
        reply = self.receive(lambda f: f[12:14] == b"\x08\x00" and f[23] == 1 and f[34] == 0 and
                             f[38:42] == struct.pack("!HH", 77, sequence), seconds)
        return reply[42:42 + length] if reply else None

    def must_ping(self, sequences, lengths):
        for sequence in sequences:
            length = lengths[sequence % len(lengths)]
            assert self.ping(sequence, length) == payload_of(sequence, length), (sequence, length)


def idle_machine(tmp_path, *arguments):
    """A machine at its prompt."""
    vm = vm_file(tmp_path / "vm1.cfg", memory=64)
    return Machine("--later", vm, timeout=180, arguments=["--cpus", "1", *arguments])


def quiet(machine):
    """All that the machine has said so far."""
    machine.leave_console().run("help")
    return machine.log


class Qmp:
    """QEMU's own monitor."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.socket.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        self.stream = self.socket.makefile("rw")
        self.stream.readline()
        self.run("qmp_capabilities")

    def run(self, command, **arguments):
        json.dump({"execute": command, "arguments": arguments}, self.stream)
        self.stream.flush()
        while "return" not in (answer := json.loads(self.stream.readline())):
            assert "error" not in answer, answer


@pytest.mark.parametrize("card", CARDS)
def test_frames_of_all_lengths_go_both_ways(tmp_path, card):
    wire = Wire(tmp_path)
    with idle_machine(tmp_path, "--nic", card, *wire.arguments):
        wire.find_router()
        assert wire.router == bytes.fromhex(MAC.replace(":", ""))
        wire.must_ping(range(1473), range(1473))


@pytest.mark.parametrize("card", CARDS)
def test_a_burst_that_the_card_cannot_hold_costs_its_own_frames_only(tmp_path, card):
    wire = Wire(tmp_path)
    with idle_machine(tmp_path, "--nic", card, *wire.arguments) as machine:
        wire.find_router()
        for i in range(1000):
            wire.send(wire.router + OUR_MAC + b"\x08\x00" + echo(i, payload_of(i, 1000)))
        wire.find_router()  # until the card is through with them: it may drop what comes before
        wire.must_ping(range(2000, 2050), [56, 1472])
        assert "nic:" not in quiet(machine)


@pytest.mark.parametrize("card", CARDS)
def test_a_pulled_cable_can_be_plugged_again(tmp_path, card):
    wire = Wire(tmp_path)
    with idle_machine(tmp_path, "--nic", card, *wire.arguments, "--qemu-arg=-qmp",
                      f"--qemu-arg=unix:{tmp_path}/qmp,server=on,wait=off") as machine:
        wire.find_router()
        qmp = Qmp(tmp_path / "qmp")
        qmp.run("set_link", name="n", up=False)
        for i in range(5):
            assert wire.ping(i, 100, seconds=0.2) is None
        qmp.run("set_link", name="n", up=True)
        wire.find_router()
        wire.must_ping(range(100, 120), [100])
        assert "nic:" not in quiet(machine)


@pytest.mark.parametrize("card", CARDS)
def test_the_card_works_again_after_a_restart_of_netdrv(tmp_path, card):
    wire = Wire(tmp_path)
    with idle_machine(tmp_path, "--nic", card, *wire.arguments, "--append-options", "crash=netdrv:4000") as machine:
        wire.find_router()
        machine.expect("netdrv was started again")
        wire.find_router()
        wire.must_ping(range(100, 400), [1472])


@pytest.mark.parametrize("card", CARDS)
def test_dma_that_the_smmu_blocks_is_reported_and_over_with_a_reset(tmp_path, card):
    directory = services_of_a_test(tmp_path, TOP / "build/tests/nic/netdrv.elf")
    wire = Wire(tmp_path)
    with idle_machine(tmp_path, "--nic", card, *wire.arguments, "--directory", directory) as machine:
        wire.find_router()
        lost = [i for i in range(100) if wire.ping(i, 1000, seconds=3) != payload_of(i, 1000)]
        assert 1 <= len(lost) <= 3, lost
        machine.expect(r"netdrv: nic: the SMMU blocked \d+ accesses of stream 0x18, the last at address 0x(\w+) .*: reset 1;")
        assert HOLE <= int(machine.child.match[1], 16) < HOLE + 4096
        wire.must_ping(range(200, 400), [1472])
        assert quiet(machine).count("nic:") == 1


class TapWire(Wire):
    """The other end is a tap interface of this host; what its Linux says there is none of ours."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.socket.bind((name, 3))  # ETH_P_ALL
        self.name, self.router = name, None

    @property
    def arguments(self):
        return ["--net", f"tap:{self.name}", "--mac", MAC]

    def send(self, frame):
        self.socket.send(frame)


@pytest.fixture
def tap_wire():
    """If we may make one.  It has no address, so that it is in nobody's way."""
    TUNSETIFF, TUNSETPERSIST, IFF_TAP_NO_PI = 0x400454ca, 0x400454cb, 0x1002
    name = f"bh{os.getpid()}"
    try:
        tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))
        fcntl.ioctl(tun, TUNSETPERSIST, 1)
        os.close(tun)
        subprocess.run(["ip", "link", "set", name, "up"], check=True, capture_output=True)
        wire = TapWire(name)
    except (OSError, subprocess.CalledProcessError) as refused:
        pytest.skip(f"no tap interface can be made here: {refused}")
    yield wire
    wire.socket.close()
    subprocess.run(["ip", "link", "delete", name], check=True)


@pytest.mark.parametrize("card", CARDS)
def test_a_tap_interface_is_a_cable_too(tmp_path, tap_wire, card):
    with idle_machine(tmp_path, "--nic", card, *tap_wire.arguments):
        tap_wire.find_router()
        tap_wire.must_ping(range(300), [1472, 0, 56])


# ---- packets larger than a frame, whole over a tap interface

CLIENT_MAC, CLIENT, PEER = bytes.fromhex("020000000010"), bytes([10, 1, 0, 16]), bytes([10, 1, 0, 99])  # tests/net/toolstack.c
VNET_HEADER = struct.Struct("<BBHHHH")  # flags, gso_type, hdr_len, gso_size, csum_start, csum_offset
NEEDS_CSUM, TCPV4 = 1, 1


def tcp_frame(sequence, payload):
    """As a driver with offloads gives it to its card: the checksum is to be made."""
    segment = struct.pack("!HHIIBBHHH", 1000, 2000, sequence, 0, 0x50, 0x18, 1000, 0, 0) + payload
    pseudo = PEER + CLIENT + struct.pack("!BBH", 0, 6, len(segment))
    segment = segment[:16] + struct.pack("!H", checksum(pseudo) ^ 0xffff) + segment[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0, PEER, CLIENT)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return VNET_HEADER.pack(NEEDS_CSUM, TCPV4, 54, 1448, 34, 16) + CLIENT_MAC + OUR_MAC + b"\x08\x00" + ip + segment


def reflected(wire, seconds):
    """The next packet that the client sent back: (sequence number, payload, is it large), or None."""
    def is_ours(frame):
        return frame[10:16] == OUR_MAC and frame[16:22] == CLIENT_MAC

    frame = wire.receive(is_ours, seconds)
    if not frame:
        return None
    flags, gso, *_ = VNET_HEADER.unpack_from(frame)
    length = struct.unpack_from("!H", frame, 10 + 16)[0] - 20
    segment = frame[10 + 34:10 + 34 + length]
    if not flags & NEEDS_CSUM:
        assert checksum(CLIENT + PEER + struct.pack("!BBH", 0, 6, length) + segment) == 0
    return struct.unpack_from("!I", segment, 4)[0], segment[20:], gso == TCPV4


@pytest.mark.parametrize("card", CARDS)
def test_large_packets_are_whole_where_the_card_can_and_nowhere_damaged(tmp_path, tap_wire, card):
    directory = services_of_a_test(tmp_path, TOP / "build/tests/net/toolstack.elf")
    words = vm_file(tmp_path / "words.cfg", name="words", memory=64, extra="reflect", ramdisk=None)
    tap_wire.socket.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR
    with Machine(words, timeout=120, arguments=["--directory", directory, "--nic", card, *tap_wire.arguments]) as machine:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:  # until the client is there
            tap_wire.send(tcp_frame(0, b"hello" * 400))
            if reflected(tap_wire, 0.5):
                break
        while reflected(tap_wire, 0.5):
            pass
        large = 0
        most = 65000 if card == "virtio" else 28000  # 20 segments: the client's lane holds 32
        for i in range(1, 31):
            payload = payload_of(i, most - i * 797)
            tap_wire.send(tcp_frame(i << 16, payload))
            back = bytearray()
            while len(back) < len(payload):
                sequence, part, is_large = reflected(tap_wire, 20)
                assert sequence == (i << 16) + len(back)
                back += part
                large += is_large
            assert back == payload
        assert large == (30 if card == "virtio" else 0)
        machine.expect(r"tried reflect=\d+/(\d+)\.", 60)
        assert int(machine.child.match[1]) >= large
