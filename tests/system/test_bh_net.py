# SPDX-License-Identifier: BSD-2-Clause
"""The machine's network card, on the host's side: what `bh run --net` gives to QEMU, and what it refuses.

A QEMU that only says what it was asked for stands in for the real one.
"""

import os
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BH = TOP / "build/bh"
KTEST = TOP / "build/tests/kernel/ktest.elf"


def bh(tmp_path, *arguments):
    """`bh run` with a QEMU that writes its arguments, one per line."""
    (tmp_path / "qemu-system-aarch64").write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "${0%/*}/asked"\n')
    (tmp_path / "qemu-system-aarch64").chmod(0o755)
    environment = dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}")
    return subprocess.run([BH, "run", "--init", KTEST, *map(str, arguments)], env=environment, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False)


def asked(tmp_path, *arguments):
    """QEMU's netdev and network card."""
    (tmp_path / "asked").unlink(missing_ok=True)
    done = bh(tmp_path, *arguments)
    lines = (tmp_path / "asked").read_text().splitlines()
    pairs = list(zip(lines, lines[1:]))
    netdevs = [value for key, value in pairs if key == "-netdev"]
    cards = [value for key, value in pairs if key == "-device" and "netdev=" in value]
    assert len(netdevs) == len(cards) <= 1, done.stderr
    return (netdevs + cards) or None


def mac(card):
    return dict(pair.split("=", 1) for pair in card.split(",")[1:])["mac"]


def test_there_is_no_card_unless_asked_for(tmp_path):
    assert asked(tmp_path) is None
    assert asked(tmp_path, "--net", "none") is None


@pytest.mark.parametrize("said, netdev", [
    ("user", "user,id=n"),
    ("user,hostfwd=tcp::2222-:22,hostfwd=udp:127.0.0.1:5353-10.0.2.200:53",
     "user,id=n,hostfwd=tcp::2222-:22,hostfwd=udp:127.0.0.1:5353-10.0.2.200:53"),
    ("socket:listen=127.0.0.1:4000", "socket,id=n,listen=127.0.0.1:4000"),
    ("stream:server=off,addr.type=unix,addr.path=/tmp/x", "stream,id=n,server=off,addr.type=unix,addr.path=/tmp/x"),
    ("dgram:local.type=unix,local.path=a,remote.type=unix,remote.path=b",
     "dgram,id=n,local.type=unix,local.path=a,remote.type=unix,remote.path=b"),
])
def test_the_cable_leads_where_it_was_said(tmp_path, said, netdev):
    assert asked(tmp_path, "--net", said)[0] == netdev


def test_the_card_is_behind_the_smmu(tmp_path):
    card = asked(tmp_path, "--net", "user")[1]
    assert card.startswith("virtio-net-pci,netdev=n,addr=0x3,mac=52:54:00:")
    assert card.endswith(",romfile=,iommu_platform=on,disable-legacy=on")
    assert asked(tmp_path, "--net", "user", "--nic", "e1000e")[1].startswith("e1000e,netdev=n,addr=0x3,mac=52:54:00:")


def test_a_machine_keeps_its_address_and_shares_it_with_no_other(tmp_path):
    for name in ("one.img", "two.img"):
        subprocess.run(["truncate", "-s", "4M", tmp_path / name], check=True)
        subprocess.run(["sgdisk", "-n", "1:0:0", "-c", "1:data", tmp_path / name], check=True, capture_output=True)
    macs = [mac(asked(tmp_path, "--net", "user", "--disk", tmp_path / name)[1]) for name in ("one.img", "two.img", "one.img")]
    assert macs[0] == macs[2] != macs[1]
    assert mac(asked(tmp_path, "--net", "user", "--mac", "52:54:00:AB:cd:01")[1]) == "52:54:00:AB:cd:01"


@pytest.mark.parametrize("arguments, words", [
    (["--net", "wlan0"], "--net wlan0: none of none, user, tap:INTERFACE"),
    (["--net", "user,smb=/"], "--net user,smb=/: 'smb' is no key of user"),
    (["--net", "user,hostfwd=tcp:2222-:22"], "hostfwd is (tcp|udp):[ADDRESS]:PORT-[ADDRESS]:PORT"),
    (["--net", "user,hostfwd=tcp::99999-:22"], "hostfwd is (tcp|udp):[ADDRESS]:PORT-[ADDRESS]:PORT"),
    (["--net", "user,restrict"], "restrict needs a value"),
    (["--net", "socket"], "one of these keys is needed: listen connect mcast udp"),
    (["--net", "dgram:fd=3"], "'fd' is no key of dgram"),
    (["--net", "tap:"], "tap:INTERFACE is needed"),
    (["--net", "user", "--nic", "ne2000"], "--nic ne2000: virtio or e1000e is needed"),
    (["--nic", "e1000e"], "--nic means nothing without --net"),
    (["--net", "user", "--mac", "52:54:00:12:34"], "six bytes are needed"),
    (["--net", "user", "--mac", "33:33:00:12:34:56"], "that is a group's address"),
])
def test_what_has_no_sense_is_refused_in_a_line(tmp_path, arguments, words):
    done = bh(tmp_path, *arguments)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[0]
    assert not (tmp_path / "asked").exists()


def test_a_tap_interface_that_is_not_there_is_named(tmp_path):
    done = bh(tmp_path, "--net", "tap:bh-not-there")
    assert done.returncode == 1
    assert done.stderr.startswith("bh: --net tap:bh-not-there: there is no tap interface bh-not-there (ip tuntap add ")
