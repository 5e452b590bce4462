# SPDX-License-Identifier: BSD-2-Clause
"""Guests on the machine's networks: stock Linux with its own virtio driver, an address by DHCP, packets from VM to VM."""

import re
import time

from machine import Machine, vm_file

ADDRESS = "ip -4 addr show eth0 | sed -n 's,.*inet \\([0-9.]*\\)/.*,\\1,p'"
COUNTERS = r"vif +: 0 is ([0-9a-f:]{17}) on nat0, link up, ([0-9.]+), (\d+) packets \((\d+) bytes\) sent, (\d+) dropped, " \
           r"(\d+) packets \((\d+) bytes\) received, (\d+) dropped"


class Guests:
    """Two guests on network nat0, each with a shell; only one has the wire at a time."""

    def __init__(self, machine):
        self.machine = machine
        self.prompt = machine.prompt()
        self.shells = {}
        self.at = None

    def __getitem__(self, name):
        """The shell of a guest, which has the wire from now on."""
        if self.at != name:
            self.leave()
            self.prompt.send(f"console {name}")
            if name in self.shells:
                self.machine.expect("its console;.*\n")
            else:
                self.shells[name] = self.machine.shell()
                self.shells[name].run("dmesg -n 1")
            self.at = name
        return self.shells[name]

    def leave(self):
        if self.at:
            self.prompt = self.machine.leave_console()
        self.at = None

    def address(self, name):
        found = self[name].run(f"while [ -z \"$({ADDRESS})\" ]; do sleep 1; done; {ADDRESS}")
        assert re.fullmatch(r"10\.0\.3\.1\d\d", found)
        return found

    def counters(self, name):
        """Of a guest's interface: MAC, address, then packets, bytes, drops out and in."""
        self.leave()
        found = re.search(COUNTERS, self.prompt.run(f"info {name}"))
        return [found[1], found[2], *(int(found[i]) for i in range(3, 9))]


def two_guests(tmp_path, **more):
    files = [vm_file(tmp_path / f"{name}.cfg", name=name, memory=128, more="vif = ['bridge=nat0']") for name in ("a", "b")]
    return Machine(*files, timeout=600, **more)


def test_packets_from_vm_to_vm(tmp_path):
    with two_guests(tmp_path) as machine:
        guests = Guests(machine)
        a, b = guests.address("a"), guests.address("b")
        assert a != b
        assert " 0% packet loss" in guests["b"].run(f"ping -c 3 {a}")
        assert " 0% packet loss" in guests["b"].run("ping -c 2 10.0.3.1")

        # Large segments both ways, merged buffers (Virtio 1.1, 5.1.3); four MiB arrive as they were sent.
        features = guests["b"].run("cat /sys/class/net/eth0/device/features")
        assert [features[bit] for bit in (7, 8, 11, 12, 15)] == ["1"] * 5
        guests["a"].run("tail -f /dev/null | nc -l -p 7 >/tmp/got & sleep 1")
        before = guests.counters("b")
        sent = guests["b"].run(f"dd if=/dev/urandom of=/tmp/sent bs=64k count=64 2>/dev/null; sha256sum </tmp/sent; nc {a} 7 </tmp/sent", timeout=120)
        after = guests.counters("b")
        assert guests["a"].run(f"until [ $(stat -c %s /tmp/got) -ge {4 << 20} ]; do sleep 1; done; sha256sum </tmp/got").endswith(sent)
        assert (after[3] - before[3]) > 4 << 20

        # An address that is another's goes nowhere.
        output, status = guests["b"].try_run(f"ip addr add 10.0.3.77/24 dev eth0; ping -c 2 -W 1 -I 10.0.3.77 {a}")
        assert status != 0 and "100% packet loss" in output
        assert guests.counters("b")[4] > after[4]
        assert " 0% packet loss" in guests["b"].run(f"ping -c 3 {a}")


def test_guests_notice_nothing_of_netdrvs_restart_but_lost_packets(tmp_path):
    with two_guests(tmp_path, arguments=["--append-options", "crash=netdrv:15000"]) as machine:
        guests = Guests(machine)
        a, _ = guests.address("a"), guests.address("b")
        guests.leave()
        while "netdrv faulted" not in guests.prompt.run("dmesg"):
            time.sleep(2)
        guests["b"].run(f"until ping -c 1 -W 1 {a}; do :; done >/dev/null", timeout=60)
        assert " 0% packet loss" in guests["b"].run(f"ping -c 3 {a}")
        assert "eth0" not in guests["b"].run("dmesg | tail -n +100 | grep -i -E 'timed out|reset' || true")
