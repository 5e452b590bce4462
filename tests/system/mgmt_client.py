# SPDX-License-Identifier: BSD-2-Clause
"""A client of the management channel (docs/management.md), for tests.

    with Client(path) as client:
        for vm in client.list(): print(vm.name)
        image = client.upload(Path("vmlinuz"))
        client.call("Create", config=config)

Messages are those of idl/mgmt.proto, made by protoc when this module is first used.
"""

import importlib
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
HELLO, OPEN, CLOSE, REQUEST, REPLY, DATA, END, CREDIT = range(1, 9)
HELLO_ID = 0x314D4842
VERSION = 1
PAYLOAD_MAX = 16384 - 12
PIECE = 8192


def load():
    """The module that protoc makes of idl/mgmt.proto."""
    if "mgmt_pb2" not in sys.modules:
        out = tempfile.mkdtemp(prefix="mgmt-pb2-")
        subprocess.run(["protoc", "-I", str(TOP / "idl"), f"--python_out={out}", "mgmt.proto", "vm.proto"], check=True)
        sys.path.insert(0, out)
        importlib.import_module("mgmt_pb2")
    return sys.modules["mgmt_pb2"]


pb = load()
SERVICE = pb.DESCRIPTOR.services_by_name["Mgmt"]


def message_class(descriptor):
    return getattr(pb, descriptor.name)


class Refused(Exception):
    """The machine's answer was not MGMT_OK."""

    def __init__(self, status, text):
        super().__init__(f"{pb.MgmtStatus.Name(status)}: {text}")
        self.status, self.text = pb.MgmtStatus.Name(status), text


class Closed(Exception):
    """The connection has ended; `reason` is the CLOSE that came before, or None."""

    def __init__(self, reason):
        super().__init__(str(reason))
        self.reason = reason


def failure(payload):
    """(status name, text) of a CLOSE, END or refused REPLY."""
    text = pb.MgmtFailure.FromString(payload[4:]).text
    return pb.MgmtStatus.Name(struct.unpack("<I", payload[:4])[0]), text


class Client:
    def __init__(self, path, timeout=60, hello=True, version=VERSION, lowest=VERSION):
        self.timeout = timeout
        self.socket = connect(path, timeout)
        self.received = b""
        self.frames = []  # that came while others were waited for
        self.next_id = 0
        self.hello = self.greet(version, lowest) if hello else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # ---- frames

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, kind, number, payload=b"", client=0):
        self.send_bytes(struct.pack("<IHBBI", len(payload), client, kind, 0, number) + payload)

    def read_frame(self, timeout=None):
        """The next frame from the socket: (kind, id, payload).  TimeoutError; Closed."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            if len(self.received) >= 12:
                length, client, kind, zero, number = struct.unpack("<IHBBI", self.received[:12])
                assert client == 0 and zero == 0 and length <= PAYLOAD_MAX and HELLO <= kind <= CREDIT
                if len(self.received) >= 12 + length:
                    payload, self.received = self.received[12:12 + length], self.received[12 + length:]
                    return kind, number, payload
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                raise Closed(None)
            self.received += data

    def wait(self, wanted, timeout=None):
        """The first frame for which wanted(kind, id) holds; others are kept for later."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        for i, (kind, number, _) in enumerate(self.frames):
            if wanted(kind, number):
                return self.frames.pop(i)
        while True:
            frame = self.read_frame(deadline - time.monotonic())
            if frame[0] == CLOSE:
                raise Closed(failure(frame[2]))
            if wanted(frame[0], frame[1]):
                return frame
            self.frames.append(frame)

    def greet(self, version=VERSION, lowest=VERSION):
        hello = pb.MgmtHello(product="test", version=version, lowest=lowest)
        self.send(HELLO, HELLO_ID, hello.SerializeToString())
        return pb.MgmtHello.FromString(self.wait(lambda kind, _: kind == HELLO)[2])

    # ---- requests

    def new_id(self):
        self.next_id += 1
        return self.next_id

    def ask(self, name, request=None, **fields):
        """Send a request; returns its id."""
        method = SERVICE.methods_by_name[name]
        request = request or message_class(method.input_type)(**fields)
        number = self.new_id()
        self.send(REQUEST, number, struct.pack("<I", method.index + 1) + request.SerializeToString())
        return number

    def answer(self, name, number, timeout=None):
        payload = self.wait(lambda kind, i: kind == REPLY and i == number, timeout)[2]
        status = struct.unpack("<I", payload[:4])[0]
        if status != 0:
            raise Refused(status, pb.MgmtFailure.FromString(payload[4:]).text)
        return message_class(SERVICE.methods_by_name[name].output_type).FromString(payload[4:])

    def call(self, name, request=None, **fields):
        return self.answer(name, self.ask(name, request, **fields))

    def pages(self, name, field):
        found, first = [], 0
        while True:
            reply = self.call(name, first=first)
            found += getattr(reply, field)
            first = reply.next
            if first == 0:
                return found

    def list(self):
        return self.pages("List", "vms")

    def machine(self):
        return self.call("Machine")

    def dmesg(self):
        text, position = "", 0
        while True:
            reply = self.call("Dmesg", position=position)
            if not reply.text:
                return text
            text, position = text + reply.text, reply.next

    # ---- streams

    def upload_begin(self, data, name="test", digest=b"", size=None):
        """Returns (stream or None if the machine has it, image name)."""
        number = self.ask("Upload", file=name, bytes=len(data) if size is None else size, digest=digest)
        reply = self.answer("Upload", number)
        return (None if reply.present else number), reply.image

    def upload_send(self, stream, data):
        """Send as credit allows; returns when all is sent."""
        credit, at = 0, 0
        while at < len(data):
            while credit == 0:
                kind, _, payload = self.wait(lambda kind, i: i == stream and kind in (CREDIT, END))
                if kind == END:
                    raise Refused(struct.unpack("<I", payload[:4])[0], failure(payload)[1])
                credit += struct.unpack("<I", payload)[0]
            piece = data[at:at + min(credit, PIECE)]
            self.send(DATA, stream, piece)
            at, credit = at + len(piece), credit - len(piece)

    def upload(self, data, name="test", digest=b""):
        """Returns the image's name."""
        stream, image = self.upload_begin(data, name, digest)
        if stream is not None:
            self.upload_send(stream, data)
            status, text = failure(self.wait(lambda kind, i: i == stream and kind == END)[2])
            assert status == "MGMT_OK", text
        return image

    def console(self, vm, **fields):
        number = self.ask("Console", vm=vm, **fields)
        self.answer("Console", number)
        return Console(self, number)


class Console:
    """One VM's console on a client's connection."""

    def __init__(self, client, stream):
        self.client, self.stream = client, stream
        self.credit = 0  # that the machine gave us
        self.text = ""
        self.ended = None
        self.give(65536)

    def give(self, count):
        self.client.send(CREDIT, self.stream, struct.pack("<I", count))

    def take(self, timeout=None):
        """The next frame of the stream."""
        kind, _, payload = self.client.wait(lambda kind, i: i == self.stream and kind in (DATA, CREDIT, END), timeout)
        if kind == CREDIT:
            self.credit += struct.unpack("<I", payload)[0]
        elif kind == DATA:
            self.text += payload.decode("utf-8", "replace")
            self.give(len(payload))
        else:
            self.ended = failure(payload)

    def expect(self, text, timeout=60):
        """Wait until the VM has written it; returns all that it wrote so far, which is then forgotten."""
        deadline = time.monotonic() + timeout
        while text not in self.text:
            assert self.ended is None, f"the console has ended: {self.ended}; {self.text[-2000:]}"
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"`{text}` did not come: {self.text[-2000:]}")
            try:
                self.take(left)
            except TimeoutError:
                pass
        before, _, self.text = self.text.partition(text)
        return before + text

    def type(self, text):
        data = text.encode()
        while data:
            while self.credit == 0:
                self.take()
            piece = data[:self.credit]
            self.client.send(DATA, self.stream, piece)
            self.credit -= len(piece)
            data = data[len(piece):]

    def end(self):
        """Detach."""
        self.client.send(END, self.stream, bytes(4))

    def wait_end(self, timeout=60):
        while self.ended is None:
            self.take(timeout)
        return self.ended


def connect(path, timeout):
    """Connect, also to a machine that is just being started."""
    deadline = time.monotonic() + timeout
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
            return connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
