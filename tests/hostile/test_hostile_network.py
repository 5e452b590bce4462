# SPDX-License-Identifier: BSD-2-Clause
"""Bare guests that lie and flood on the network: nobody hears the lies, and a neighbour's traffic goes on.

What a guest sends is in guests/tiny/NAME.c; guests/tiny/sniff.c listens to all that its card gets.
"""

import re

from machine import TOP, Machine
from mgmt_client import Client
from wire import Wire

TINY = TOP / "build/guests/tiny"
SECONDS = 240
ROUTER = "10.0.2.200"


def guest(directory, name, payload, vif, extra=""):
    """Write the xl.cfg of a bare guest with one interface and return its path."""
    path = directory / f"{name}.cfg"
    path.write_text(f"name = '{name}'\nkernel = '{TINY / payload}.bin'\nmemory = 32\nvif = ['{vif}']\nextra = '{extra}'\n")
    return path


class Guests:
    """A machine with these guests (name: payload, vif, extra), none of them started."""

    def __init__(self, tmp_path, guests, arguments=()):
        files = []
        for name, (payload, vif, *extra) in guests.items():
            files += ["--later", guest(tmp_path, name, payload, vif, *extra)]
        self.socket = tmp_path / "mgmt.sock"
        self.machine = Machine(*files, timeout=600, arguments=["--socket", self.socket, *arguments])
        self.client = None

    def __enter__(self):
        self.machine.__enter__()
        self.client = Client(self.socket)
        return self

    def __exit__(self, *raised):
        self.client.close()
        self.machine.__exit__(*raised)

    def start(self, name):
        self.client.call("Start", vm=name)
        return self.client.console(name)

    def interface(self, name):
        return self.client.call("NetworkList", vm=name).interfaces[0]


def number_of(text, word):
    return int(re.search(rf"{word} 0x([0-9a-f]+)\r?\n", text)[1], 16)


def test_lies_do_not_leave_the_port(tmp_path):
    """Spoofed addresses and roles, tags, runts, jumbos, headers that lie: neighbour, another VLAN and the outside hear none."""
    mac, other = "52:54:00:00:00:02", "52:54:00:00:00:03"
    guests = {"liar": ("liar", f"bridge=br0,mac={mac},ip=10.0.0.2"),
              "ear": ("sniff", f"bridge=br0,mac={other},ip=10.0.0.3"),
              "far": ("sniff", "bridge=br0,vlan=12")}
    with Wire(tmp_path) as wire, Guests(tmp_path, guests, wire.arguments) as vms:
        ear, far = vms.start("ear"), vms.start("far")
        ear.expect("listening")
        far.expect("listening")
        liar = vms.start("liar")
        said = liar.expect("PASS liar", SECONDS)
        heard = ear.expect("PASS sniff", SECONDS)

        assert "not so" not in said + heard
        last_word = f"{mac} > ff:ff:ff:ff:ff:ff 0800 0a000002"
        assert re.findall(r"heard (.*) 0x", heard) == [last_word]
        honest = number_of(heard, f"heard {last_word}")
        assert honest == 1
        assert wire.wait(lambda frame: frame.source == "10.0.0.2")
        outside = {(frame.origin.hex(":"), frame.source, frame.tag) for frame in wire.heard(lambda _: True)}
        assert {(origin, *rest) for origin, *rest in outside if rest[0] != ROUTER} == {(mac, "10.0.0.2", 0)}
        assert "saw" not in far.text

        sent = vms.interface("liar").from_vm
        assert sent.packets == honest
        assert sent.dropped_spoofed == number_of(said, "told spoofed")
        assert 0 < sent.dropped_malformed <= number_of(said, "told malformed")
