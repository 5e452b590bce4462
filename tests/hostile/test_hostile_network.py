# SPDX-License-Identifier: BSD-2-Clause
"""Bare guests that lie and flood on the network: nobody hears the lies, and a neighbour's traffic goes on.

What a guest sends is in guests/tiny/NAME.c; guests/tiny/sniff.c listens to all that its card gets.
"""

import re

import pytest

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


# ---- floods: on one pCPU, a nanosecond per instruction, so that what others get can be counted


STREAM, SINK, STORM, FOURTH = "52:54:00:00:00:02", "52:54:00:00:00:03", "52:54:00:00:00:09", "52:54:00:00:00:0a"
ROUND_MS = 200


def delivered(directory, words, fourth=None, **vifs):
    """What gets from one guest to another in ROUND_MS beside a third with these words: (frames, others, the third's counters).

    vifs: what else their files say of `stream`, `sink` and `storm`; fourth: payload and words of a guest that is there too.
    """
    directory.mkdir()
    guests = {"sink": ("sink", f"bridge=br0,mac={SINK},ip=10.0.0.3{vifs.get('sink', '')}", f"from={STREAM} ms={ROUND_MS}"),
              "stream": ("stream", f"bridge=br0,mac={STREAM},ip=10.0.0.2{vifs.get('stream', '')}", f"to={SINK}"),
              "storm": ("storm", f"bridge=br0,mac={STORM},ip=10.0.0.9{vifs.get('storm', '')}", words)}
    if fourth:
        guests["fourth"] = (fourth[0], f"bridge=br0,mac={FOURTH},ip=10.0.0.10", fourth[1])
    with Guests(directory, guests, ["--icount", "--cpus", "1"]) as vms:
        if fourth:
            vms.start("fourth").expect("listening" if fourth[0] == "sink" else "storming", SECONDS)
        vms.start("storm").expect("storming", SECONDS)
        sink = vms.start("sink")
        sink.expect("listening", SECONDS)
        vms.start("stream")
        said = sink.expect("PASS sink", SECONDS)
        return number_of(said, "frames"), number_of(said, "others"), vms.interface("storm").from_vm


@pytest.fixture(scope="module")
def beside_a_spinner(tmp_path_factory):
    """Frames that two guests exchange while a third only uses its time."""
    return delivered(tmp_path_factory.mktemp("flood") / "spin", "spin")[0]


@pytest.mark.parametrize("words, reason", [("broadcast", "dropped_flood"), ("spoof", "dropped_spoofed"),
                                           ("flood", "dropped_flood")])
def test_a_flood_costs_others_less_than_a_tenth(tmp_path, beside_a_spinner, words, reason):
    """Broadcasts, spoofed frames, frames for nobody, as fast as they can be sent: they wait at the sender."""
    frames, others, sent = delivered(tmp_path / words, words)
    assert frames >= 0.9 * beside_a_spinner
    assert getattr(sent, reason) > 0
    # What is allowed of a flood: 1000 a second after the first 500 (services/netdrv/session.c).
    assert others <= (500 + ROUND_MS * 2 if words == "broadcast" else 0)


def test_a_flood_for_one_who_takes_it_is_bounded_by_its_packet_rate(tmp_path):
    """50,000 packets a second that it may send: two others have what they have beside two guests that only use their time."""
    spinners, _, _ = delivered(tmp_path / "spin", "spin", ("storm", "spin"))
    frames, _, sent = delivered(tmp_path / "flood", f"to={FOURTH}", ("sink", f"from={STORM} ms=60000"), storm=",pps=50000")
    assert sent.packets > 50_000 / 10
    assert frames >= 0.9 * spinners


@pytest.mark.parametrize("who, key, frames_a_second", [
    ("stream", "rate=4000KB/s", 4_000_000 / 1514), ("stream", "pps=5000", 5000), ("sink", "rate_in=4000KB/s", 4_000_000 / 1514),
    ("sink", "pps_in=5000", 5000)])
def test_a_rate_holds(tmp_path, who, key, frames_a_second):
    """After a tenth of a second's worth at once (services/netdrv/bucket.c); what is sent waits, what is got is dropped."""
    frames, _, _ = delivered(tmp_path / "rate", "spin", **{who: "," + key})
    allowed = frames_a_second * (ROUND_MS + 100) / 1000
    assert 0.9 * allowed <= frames <= 1.02 * allowed


def test_receive_rings_that_make_no_sense_hurt_their_own_card_only(tmp_path):
    guests = {"ear": ("sniff", f"bridge=br0,mac={SINK},ip=10.0.0.3"),
              "storm": ("storm", f"bridge=br0,mac={STORM},ip=10.0.0.9", "broadcast"),
              "rxrings": ("rxrings", "bridge=br0,ip=10.0.0.4")}
    with Guests(tmp_path, guests) as vms:
        ear = vms.start("ear")
        vms.start("storm")
        ear.expect("saw", SECONDS)
        said = vms.start("rxrings").expect("PASS rxrings", SECONDS)
        assert "not so" not in said
        before = vms.interface("ear").to_vm.packets
        while vms.interface("ear").to_vm.packets < before + 1000:  # others go on
            pass
