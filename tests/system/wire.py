# SPDX-License-Identifier: BSD-2-Clause
"""The other end of the machine's network cable: a host that a test plays, in frames.

    with Wire(tmp_path) as wire, Machine(..., arguments=wire.arguments) as machine:
        wire.add_host("10.0.2.2")                       # answers ARP and ping there
        assert wire.ping("10.0.2.200", count=3) == 3    # answers that came
        assert wire.heard(lambda frame: frame.source == "10.0.2.200")

The cable is a pair of Unix datagram sockets, one frame each.  Needs no privileges.  A thread answers and keeps what came.
"""

import ipaddress
import socket
import struct
import threading
import time
from dataclasses import dataclass

BROADCAST = b"\xff" * 6
ARP, IPV4, IPV6, VLAN = 0x0806, 0x0800, 0x86dd, 0x8100
FRAMES_KEPT = 20000


def checksum(data):
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def mac_text(mac):
    return mac.hex(":")


@dataclass
class Frame:
    """A frame that came, as far as it is understood."""

    to: bytes
    origin: bytes
    tag: int  # 0: none
    kind: int
    body: bytes

    @classmethod
    def read(cls, data):
        to, origin, kind = data[:6], data[6:12], int.from_bytes(data[12:14], "big")
        tag, body = 0, data[14:]
        if kind == VLAN:
            tag, kind, body = int.from_bytes(body[:2], "big") & 0xfff, int.from_bytes(body[2:4], "big"), body[4:]
        return cls(to, origin, tag, kind, body)

    @property
    def source(self):
        """The sender's IPv4 address: of an ARP packet, or the packet's."""
        at = {ARP: 14, IPV4: 12}.get(self.kind)
        return str(ipaddress.IPv4Address(self.body[at:at + 4])) if at and len(self.body) >= at + 4 else None

    @property
    def target(self):
        at = {ARP: 24, IPV4: 16}.get(self.kind)
        return str(ipaddress.IPv4Address(self.body[at:at + 4])) if at and len(self.body) >= at + 4 else None

    @property
    def icmp(self):
        """(type, identifier, sequence) of an ICMP echo, or None."""
        if self.kind != IPV4 or self.body[9] != 1:
            return None
        return struct.unpack(">BxxxHH", self.body[20:28])


class Wire:
    mac = bytes.fromhex("525400000001")

    def __init__(self, directory):
        self.ours, self.machines = directory / "wire.host", directory / "wire.machine"
        self.arguments = ["--net", f"dgram:local.type=unix,local.path={self.machines},"
                                   f"remote.type=unix,remote.path={self.ours}"]
        self.hosts = set()  # (address, tag)
        self.frames = []
        self.changed = threading.Condition()
        self.identifier = 0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.ours))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.settimeout(0.5)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.is_open = True

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_open = False
        self.thread.join()
        self.socket.close()

    # ---- frames

    def serve(self):
        while self.is_open:
            try:
                data = self.socket.recv(1 << 17)
            except TimeoutError:
                continue
            frame = Frame.read(data)
            with self.changed:
                self.frames.append(frame)
                del self.frames[:-FRAMES_KEPT]
                self.changed.notify_all()
            self.answer(frame)

    def send(self, to, kind, body, tag=0):
        """A frame of ours; what cannot be sent is lost, as on any wire."""
        head = to + self.mac + (struct.pack(">HH", VLAN, tag) if tag else b"") + kind.to_bytes(2, "big")
        self.send_bytes((head + body).ljust(60, b"\0"))

    def send_bytes(self, data):
        try:
            self.socket.sendto(data, str(self.machines))
        except OSError:
            pass

    def heard(self, wanted):
        """The frames so far for which wanted(frame) holds."""
        with self.changed:
            return [frame for frame in self.frames if wanted(frame)]

    def wait(self, wanted, timeout=60):
        """The first frame, so far or from now on, for which wanted(frame) holds, or None."""
        deadline = time.monotonic() + timeout
        with self.changed:
            seen = 0
            while True:
                for frame in self.frames[seen:]:
                    if wanted(frame):
                        return frame
                seen = len(self.frames)
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self.changed.wait(left)

    # ---- hosts

    def add_host(self, address, tag=0):
        """Somebody on the wire who has this address, in this VLAN."""
        self.hosts.add((address, tag))

    def answer(self, frame):
        if (frame.target, frame.tag) not in self.hosts:
            return
        if frame.kind == ARP and frame.body[7] == 1:
            self.arp(2, frame.target, frame.origin, frame.source, frame.tag)
        elif frame.icmp and frame.icmp[0] == 8:
            self.ip4(frame.origin, frame.target, frame.source, 1, icmp(0, frame.body[24:]), frame.tag)

    def arp(self, operation, source, to, target, tag=0):
        body = struct.pack(">HHBBH", 1, IPV4, 6, 4, operation) + self.mac + packed(source) + to + packed(target)
        self.send(to if operation == 2 else BROADCAST, ARP, body, tag)

    def ip4(self, to, source, target, protocol, payload, tag=0):
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, packed(source), packed(target))
        head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
        self.send(to, IPV4, head + payload, tag)

    def find(self, source, target, tag=0, timeout=60):
        """The MAC address of `target`, asked for as `source`; None: nobody answers."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.arp(1, source, BROADCAST, target, tag)
            answer = self.wait(lambda f: f.kind == ARP and f.source == target and f.tag == tag and f.body[7] == 2, 2)
            if answer:
                return answer.origin
        return None

    def ping(self, source, target, count=3, tag=0, via=None, timeout=60):
        """Ping `target` as `source`, through the router `via` if given; returns how many answers came."""
        mac = self.find(source, via or target, tag, timeout)
        if mac is None:
            return 0
        self.identifier += 1
        came = 0
        for number in range(count):
            self.ip4(mac, source, target, 1, icmp(8, struct.pack(">HH", self.identifier, number) + b"bulkhead" * 7), tag)
            wanted = (0, self.identifier, number)
            came += self.wait(lambda f: f.icmp == wanted and f.source == target and f.tag == tag, timeout) is not None  # pylint: disable=cell-var-from-loop
        return came


def packed(address):
    return ipaddress.IPv4Address(address).packed


def icmp(kind, rest):
    body = struct.pack(">BBH", kind, 0, 0) + rest
    return body[:2] + checksum(body).to_bytes(2, "big") + body[4:]
