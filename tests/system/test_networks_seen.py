# SPDX-License-Identifier: BSD-2-Clause
"""The machine's networks as Linux guests and hosts outside see them: bridge, VLANs, NAT with forwards, routes.

Outside are hosts that the test plays (wire.py), or, behind QEMU's user network, this host's own programs.
"""

import functools
import http.server
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from machine import TOP, copy_disk, vm_file
from vms import VMs
from wire import Wire

NETWORKS = TOP / "build/tests/networks"
ROUTER, HOST = "10.0.2.200", "10.0.2.2"
SET_UP = "ip addr flush dev {0}; ip addr add {1}/24 dev {0}; ip link set {0} up"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """As build/, but netdrv has the networks of tests/net/networks.toml."""
    path = tmp_path_factory.mktemp("networks")
    (path / "services").mkdir()
    (path / "kernel").symlink_to(TOP / "build/kernel")
    for program in (TOP / "build/services").glob("*.elf"):
        own = NETWORKS / program.name
        (path / "services" / program.name).symlink_to(own if own.exists() else program)
    return path


def guest(path, name, *vifs, extra="console=hvc0 quiet", **more):
    return vm_file(path / f"{name}.cfg", name=name, memory=128, extra=extra, more=f"vif = {list(vifs)!r}",
                   ramdisk=NETWORKS / "initrd.gz", **more)


class Net:
    """The machine, its two guests, the wire; addresses end in .50 and .51 on each network."""

    def __init__(self, vms, wire):
        self.vms, self.wire = vms, wire
        self.a, self.b = vms.shells("a", "b")
        for shell, last in ((self.a, 50), (self.b, 51)):
            shell.run(SET_UP.format("eth0", f"10.0.2.{last}"))
            shell.run(SET_UP.format("eth1", f"10.0.12.{last}"))
            shell.run("ip route replace default via 10.0.3.1 dev eth2")


@pytest.fixture(scope="module", name="net")
def two_guests(tmp_path_factory, directory):
    path = tmp_path_factory.mktemp("two")
    files = [guest(path, name, f"bridge=br0,ip=10.0.2.{last}", f"bridge=br0,vlan={vlan},ip=10.0.12.{last}",
                   f"bridge=nat0,ip=10.0.3.{last}", f"bridge=route0,ip=10.0.4.{last}")
             for name, last, vlan in (("a", 50, 12), ("b", 51, 13))]
    with Wire(path) as wire, VMs(path, files, timeout=900, arguments=["--directory", directory, *wire.arguments]) as vms:
        wire.add_host(HOST)
        wire.add_host("10.0.12.2", tag=12)
        wire.add_host("10.0.12.2", tag=13)
        yield Net(vms, wire)


def pings(shell, address, interface):
    """All of three answers came."""
    return " 0% packet loss" in shell.try_run(f"ping -c 3 -i 0.2 -W 5 -I {interface} {address}")[0]


def pings_nobody(shell, address, interface):
    return "100% packet loss" in shell.try_run(f"ping -c 2 -i 0.2 -W 1 -I {interface} {address}")[0]


def test_ping_on_a_bridge_between_guests_and_the_host_both_ways(net):
    assert pings(net.a, "10.0.2.51", "eth0")
    assert pings(net.b, "10.0.2.50", "eth0")
    assert pings(net.a, HOST, "eth0")
    assert net.wire.ping(HOST, "10.0.2.50") == 3
    assert net.wire.ping(HOST, "10.0.2.51") == 3
    # A guest is itself on the wire: its own MAC, no tag.
    echoes = net.wire.heard(lambda f: f.icmp and f.source == "10.0.2.50")
    assert {(f.origin, f.tag) for f in echoes} == {(bytes(net.vms.interface("a").mac), 0)}


def test_ping_through_nat_and_of_the_routers_address(net):
    assert pings(net.a, "10.0.3.51", "eth2")
    assert pings(net.a, HOST, "eth2")
    assert pings(net.b, HOST, "eth2")
    assert net.wire.ping(HOST, ROUTER) == 3
    assert not net.wire.heard(lambda f: f.source and f.source.startswith("10.0.3."))  # the addresses inside stay there


def test_nobody_outside_reaches_an_address_behind_nat(net):
    assert net.wire.ping(HOST, "10.0.3.50", count=1, via=ROUTER, timeout=2) == 0


def test_ping_through_the_router_both_ways(net):
    net.a.run(f"ip route replace {HOST} via 10.0.4.1 dev eth3; ip route del 10.0.2.0/24 dev eth0")
    assert pings(net.a, HOST, "eth3")
    assert net.wire.ping(HOST, "10.0.4.50", via=ROUTER) == 3
    assert net.wire.heard(lambda f: f.icmp and f.source == "10.0.4.50")
    net.a.run(f"ip route del {HOST}; ip route add 10.0.2.0/24 dev eth0")


def test_vlans_do_not_hear_each_other_and_the_trunk_has_their_tags(net):
    assert net.wire.ping("10.0.12.2", "10.0.12.50", tag=12) == 3
    assert net.wire.ping("10.0.12.2", "10.0.12.51", tag=13) == 3
    assert net.wire.ping("10.0.12.2", "10.0.12.51", count=1, tag=12, timeout=2) == 0
    assert pings(net.a, "10.0.12.2", "eth1")
    assert pings_nobody(net.a, "10.0.12.51", "eth1")
    assert pings_nobody(net.b, "10.0.12.50", "eth1")
    tags = {(f.source, f.tag) for f in net.wire.heard(lambda f: f.source and f.source.startswith("10.0.12.5"))}
    assert tags == {("10.0.12.50", 12), ("10.0.12.51", 13)}


def iperf3(shell, arguments, timeout=120):
    """Run a client to its end; returns what it wrote."""
    output = shell.run("iperf3 " + arguments, timeout=timeout)
    assert "iperf Done." in output
    return output


def iperf3_for_a_minute(shell, arguments):
    """Every five seconds some bytes came."""
    output = iperf3(shell, f"-t 60 -i 5 -f k {arguments}", timeout=200)
    rates = [float(rate) for rate in re.findall(r"([\d.]+) Kbits/sec", output)]
    assert len(rates) >= 12 and min(rates) > 0, output


def iperf3_listens(shell):
    """It does not at once, nor between two tests."""
    shell.run("until grep -q ':1451 .* 0A ' /proc/net/tcp6 /proc/net/tcp; do sleep 0.1; done")


def host_listens(port):
    """A server that has just been started does not at once."""
    deadline = time.monotonic() + 60
    while not re.search(rf":{port:04X} \S+ 0A ", Path("/proc/net/tcp").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_iperf3_between_guests_on_each_network(net):
    net.a.run("iperf3 -s -D")
    for network in ("10.0.2", "10.0.3", "10.0.4"):
        for way in ("", "-R"):
            iperf3_listens(net.a)
            iperf3(net.b, f"-c {network}.50 -n 4M {way}")
    net.a.run("killall iperf3")


@pytest.mark.long
@pytest.mark.parametrize("way", ["", "-R"])
def test_iperf3_between_guests_for_a_minute(net, way):
    net.a.run("iperf3 -s -D")
    iperf3_listens(net.a)
    iperf3_for_a_minute(net.b, f"-c 10.0.3.50 {way}")
    net.a.run("killall iperf3")


@pytest.mark.long
def test_iperf3_beside_a_guest_that_floods(tmp_path, directory):
    """Broadcasts and spoofed frames on the same network, as fast as two bare guests can; and a bridge that is a VLAN outside."""
    files = [guest(tmp_path, name, f"bridge=inside,ip=10.0.5.{last}", f"bridge=br20,ip=10.0.20.{last}")
             for name, last in (("a", 50), ("b", 51))]
    for name, last in (("broadcast", 9), ("spoof", 10)):
        files.append(vm_file(tmp_path / f"{name}.cfg", name=name, memory=32, extra=name, ramdisk=None,
                             kernel=TOP / "build/guests/tiny/storm.bin", more=f"vif = ['bridge=inside,ip=10.0.0.{last}']"))
    with Wire(tmp_path) as wire, VMs(tmp_path, files, timeout=900, arguments=["--directory", directory, *wire.arguments]) as vms:
        a, b = vms.shells("a", "b")
        for shell, last in ((a, 50), (b, 51)):
            shell.run(SET_UP.format("eth0", f"10.0.5.{last}"))
            shell.run(SET_UP.format("eth1", f"10.0.20.{last}"))
        vms.start("broadcast").expect("storming")
        vms.start("spoof").expect("storming")
        a.run("iperf3 -s -D")
        iperf3_listens(a)
        iperf3_for_a_minute(b, "-c 10.0.5.50")
        assert vms.interface("broadcast").from_vm.dropped_flood > 10000
        assert vms.interface("spoof").from_vm.dropped_spoofed > 10000
        assert wire.ping("10.0.20.2", "10.0.20.50", tag=20) == 3
        assert not wire.heard(lambda frame: frame.source == "10.0.0.9")  # that network has no outside


# ---- this host's programs: iperf3 and a web server, at 10.0.2.2 for who is inside


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Process:
    """A program of this host, ended at the end of the `with` block."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()


@pytest.fixture(scope="module", name="host")
def guests_and_host(tmp_path_factory, directory):
    """(Debian on the bridge, a guest behind NAT, the port of this host that is forwarded to its iperf3); card: e1000e."""
    path = tmp_path_factory.mktemp("host")
    disk, port = copy_disk(path / "disk.img"), free_port()
    files = [guest(path, "debian", "bridge=br0", disk=["debian1,raw,vda,rw"], extra="console=hvc0 quiet root=/dev/vda"),
             guest(path, "nat", "bridge=nat0,ip=10.0.3.50")]
    arguments = ["--directory", directory, "--net", f"user,hostfwd=tcp:127.0.0.1:{port}-{ROUTER}:8201", "--nic", "e1000e"]
    with VMs(path, files, timeout=900, disk=disk, arguments=arguments) as vms:
        yield *vms.shells("debian", "nat"), port


def web_server(directory):
    """Serves the directory on a port of this host; returns the server."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=directory)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def package_repository(path):
    """A repository with one package, whose program says what it was configured with."""
    tree = path / "hello"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text("Package: bulkhead-hello\nVersion: 1.0\nArchitecture: all\nMaintainer: test <test@localhost>\n"
                                         "Description: says hello\n")
    (tree / "DEBIAN/postinst").write_text("#!/bin/sh\necho configured >/etc/bulkhead-hello\n")
    (tree / "DEBIAN/postinst").chmod(0o755)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/bulkhead-hello").write_text("#!/bin/sh\necho hello, $(cat /etc/bulkhead-hello)\n")
    (tree / "usr/bin/bulkhead-hello").chmod(0o755)
    site = path / "site"
    site.mkdir()
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, site], check=True, capture_output=True)
    index = subprocess.run(["dpkg-scanpackages", "."], cwd=site, check=True, capture_output=True).stdout
    (site / "Packages").write_bytes(index)
    return site


def test_debian_installs_a_package_from_this_hosts_web_server(host, tmp_path):
    debian, _, _ = host
    server = web_server(package_repository(tmp_path))
    source = f"deb [trusted=yes] http://{HOST}:{server.server_port} ./"
    debian.run(f"echo '{source}' >/etc/apt/sources.list && apt-get -q update", timeout=200)
    debian.run("DEBIAN_FRONTEND=noninteractive apt-get -q -y install bulkhead-hello", timeout=200)
    server.shutdown()
    assert debian.run("bulkhead-hello") == "hello, configured"
    assert "ii  bulkhead-hello" in debian.run("dpkg -l bulkhead-hello | cat")


def test_iperf3_between_guest_and_host_both_ways_through_nat(host):
    _, nat, _ = host
    port = free_port()
    with Process("iperf3", "-s", "-B", "127.0.0.1", "-p", str(port)):
        host_listens(port)
        iperf3(nat, f"-c {HOST} -p {port} -n 4M")
        iperf3(nat, f"-c {HOST} -p {port} -n 4M -R")


@pytest.mark.long
@pytest.mark.parametrize("way", ["", "-R"])
def test_iperf3_between_guest_and_host_for_a_minute(host, way):
    _, nat, _ = host
    port = free_port()
    with Process("iperf3", "-s", "-B", "127.0.0.1", "-p", str(port)):
        host_listens(port)
        iperf3_for_a_minute(nat, f"-c {HOST} -p {port} {way}")


def test_a_forwarded_port_leads_from_the_host_to_the_guests_service(host):
    _, nat, port = host
    nat.run("iperf3 -s -D")
    for way in ([], ["-R"]):
        iperf3_listens(nat)
        with Process("iperf3", "-c", "127.0.0.1", "-p", str(port), "-n", "4M", *way) as client:
            output = client.communicate(timeout=120)[0]
            assert client.returncode == 0 and "iperf Done." in output, output
    nat.run("killall iperf3")
