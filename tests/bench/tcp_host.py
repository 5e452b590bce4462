#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tcp_host.py NET [nat] - TCP between a VM and this program, on the host's side of the machine's card (`bh run --net NET`):
the VM's network is the bridge br0, or behind the router (nat0).

What the host computes takes no instructions, but the VM waits for it meanwhile, and how QEMU's clock passes then says
nothing.  So what counts is the time that our domains ran, which `info` shows: the VM with its vmm, and netdrv.  Where all of
them wait, another VM could run.  Prints `bench NAME VALUE`, and where the time went.
"""

import os
import re
import socket
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "system"))

from machine import Machine  # noqa: E402

HOST, PORT = "10.0.2.2", 5001  # as QEMU's user network has it
ADDRESSES = {"br0": "10.0.2.15", "nat0": "10.0.3.115"}
MIB = 1 << 20
WARM_MIB, RATE_MIB, ROUNDS = 8, 250, 20  # rounds of 100
CONFIG = """name = "bench"
kernel = "guests/vmlinuz"
ramdisk = "tests/bench/initrd.gz"
extra = "console=ttyAMA0 rdinit=/bench bench=tcpobey:{address}/{host}/{port}"
memory = 256
vcpus = 1
vif = ['bridge={network},ip={address}']
"""


class Peer:
    """The guest at the other end of the connection does what it is told (tests/bench/linux/net.c)."""

    def __init__(self, connection):
        self.connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, what, number):
        self.connection.sendall(what + bytes([number]))

    def take(self, count):
        while count > 0:
            got = len(self.connection.recv(min(count, MIB)))
            if got == 0:
                raise EOFError("the guest has closed the connection")
            count -= got

    def fetch(self, mib):
        self.ask(b"g", mib)
        self.take(mib * MIB)

    def send(self, mib):
        self.ask(b"s", mib)
        self.connection.sendall(bytes(mib * MIB))
        self.take(1)

    def round_trips(self, hundreds):
        self.ask(b"e", hundreds)
        for _ in range(hundreds * 100):
            self.connection.sendall(b"x")
            self.take(1)


def times_ms(prompt):
    """How long each domain has run; the VM's vCPU and its vmm are one."""
    text = prompt.run("info") + "\n" + prompt.run("info bench")
    return {name: int(ms) for name, ms in re.findall(r"^(?:service|cpu) +: (\S+) on .* (\d+) ms", text, re.M)}


def ran_ms(prompt, what, function, number):
    before = times_ms(prompt)
    function(number)
    after = times_ms(prompt)
    ran = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    print(f"{what}: {ran} ms")
    return sum(ran.values())


def measure(prompt, peer):
    for function in (peer.fetch, peer.send):
        function(WARM_MIB)
    peer.round_trips(ROUNDS)
    megabits = RATE_MIB * MIB * 8 / 1e6
    print("bench to_host_mbps", round(megabits / ran_ms(prompt, "to host", peer.fetch, RATE_MIB) * 1000))
    print("bench from_host_mbps", round(megabits / ran_ms(prompt, "from host", peer.send, RATE_MIB) * 1000))
    trips_ms = ran_ms(prompt, "round trips", peer.round_trips, ROUNDS)
    print("bench host_rtt", round(trips_ms * 1e6 / ROUNDS / 100))
    peer.ask(b"q", 0)


def listen(net):
    """The user network has a port of the loopback interface; a tap interface has the address itself."""
    server = socket.create_server((HOST if net.startswith("tap") else "127.0.0.1", PORT))
    server.settimeout(300)
    return server


def main():
    net, network = sys.argv[1], "nat0" if "nat" in sys.argv[2:] else "br0"
    path = os.path.join(TOP, "build", "bench-tcp.cfg")
    with open(path, "w", encoding="ascii") as file:
        file.write(CONFIG.format(network=network, address=ADDRESSES[network], host=HOST, port=PORT))
    with listen(net) as server, Machine("--later", path, timeout=900, arguments=["--cpus", "1", "--net", net, "--icount"]) as machine:
        prompt = machine.prompt(300)
        prompt.run("create bench")
        measure(prompt, Peer(server.accept()[0]))


if __name__ == "__main__":
    main()
