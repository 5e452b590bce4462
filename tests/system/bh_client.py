# SPDX-License-Identifier: BSD-2-Clause
"""`bh VERB` for tests: run it, on a real machine or on one that a test plays itself."""

import json
import os
import re
import socket
import struct
import subprocess
import threading

import pexpect

from machine import BH, TOP, Machine, vm_file
from mgmt_client import CLOSE, HELLO, HELLO_ID, REPLY, REQUEST, SERVICE, message_class, pb

ECHO = TOP / "build/guests/tiny/echo.bin"
VERB_SECONDS = 60
ANY = None  # exit status
# What the machine adds when other work came first: on a slow host it may, anywhere.
WAITED = re.compile(r" \(it waited \d+ ms for the \w+ of \S+\)$")


class Result:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def error(self):
        """The error that --json said."""
        return json.loads(self.err)["error"]


class Host:
    """A person's shell: `bh` with an environment and a machine of its own."""

    def __init__(self, tmp_path, machine=None):
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
        self.environment.pop("BULKHEAD_MACHINE", None)
        if machine:
            self.environment["BULKHEAD_MACHINE"] = str(machine)

    def try_bh(self, *arguments, timeout=VERB_SECONDS, stdin=subprocess.DEVNULL):
        done = subprocess.run([BH, *map(str, arguments)], env=self.environment, stdin=stdin, capture_output=True,
                              text=True, timeout=timeout, check=False)
        return Result(done)

    def bh(self, *arguments, **more):
        """A verb that must succeed; returns what it printed."""
        result = self.try_bh(*arguments, **more)
        assert result.status == 0, f"bh {arguments}: status {result.status}: {result.err}"
        return result.out

    def json(self, *arguments, **more):
        return json.loads(self.bh(*arguments, "--json", **more))

    def refused(self, *arguments, status=1, **more):
        """A verb that must fail with this exit status; returns the word and the text of its error."""
        result = self.try_bh(*arguments, "--json", **more)
        assert result.status == status or (status is ANY and result.status), f"bh {arguments}: status {result.status}: {result.out}{result.err}"
        return result.error["status"], WAITED.sub("", result.error["text"])

    def terminal(self, *arguments):
        """A verb on a terminal of its own."""
        return pexpect.spawn(str(BH), list(map(str, arguments)), env=self.environment, encoding="utf-8", echo=False,
                             timeout=VERB_SECONDS, dimensions=(24, 200))

    def start(self, *arguments, **more):
        """A verb that goes on in the background."""
        return subprocess.Popen([BH, *map(str, arguments)], env=self.environment, **more)


class Managed(Machine):
    """A machine whose only VM, `known`, is not started, and a shell that talks to it."""

    def __init__(self, tmp_path, *arguments, **more):
        self.socket = tmp_path / "mgmt.sock"
        self.host = Host(tmp_path, self.socket)
        known = vm_file(tmp_path / "known.cfg", name="known", memory=8, kernel=ECHO, ramdisk=None, extra="")
        super().__init__("--later", known, timeout=300, arguments=["--socket", self.socket, *arguments], **more)

    def __enter__(self):
        self.prompt()  # it is up
        return self


class FakeMachine:
    """Plays a machine's side: greets as told, then answers each request with what `answer(method, request)` returns,
    (status, message); None: it says nothing."""

    def __init__(self, path, version=1, lowest=1, greets=True, answer=None, garbage=None):
        self.version, self.lowest, self.greets, self.answer, self.garbage = version, lowest, greets, answer, garbage
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.connections = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()
        self.thread.join()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            try:
                self.serve_client(connection)
            except OSError:
                pass

    def serve_client(self, connection):
        if self.garbage:
            connection.sendall(self.garbage)
        while True:
            header = self.receive(connection, 12)
            if not header:
                return
            length, _, kind, _, number = struct.unpack("<IHBBI", header)
            payload = self.receive(connection, length)
            if kind == HELLO and self.greets:
                self.hello(connection)
            if kind == REQUEST and not self.reply(connection, number, payload):
                return

    def hello(self, connection):
        hello = pb.MgmtHello(product="bulkhead 9", version=self.version, lowest=self.lowest, answer=True)
        send(connection, HELLO, HELLO_ID, hello.SerializeToString())
        if self.lowest > 1:
            failure = pb.MgmtFailure(text="another version").SerializeToString()
            send(connection, CLOSE, 0, struct.pack("<I", pb.MGMT_VERSION) + failure)

    def reply(self, connection, number, payload):
        """False: this connection ends."""
        method = SERVICE.methods[struct.unpack("<I", payload[:4])[0] - 1]
        request = message_class(method.input_type).FromString(payload[4:])
        answer = self.answer(method.name, request) if self.answer else None
        if answer == "end":
            connection.close()
            return False
        if answer:
            send(connection, REPLY, number, struct.pack("<I", answer[0]) + answer[1].SerializeToString())
        return True

    @staticmethod
    def receive(connection, count):
        data = b""
        while len(data) < count:
            piece = connection.recv(count - len(data))
            if not piece:
                return b""
            data += piece
        return data


def send(connection, kind, number, payload):
    connection.sendall(struct.pack("<IHBBI", len(payload), 0, kind, 0, number) + payload)
