# SPDX-License-Identifier: BSD-2-Clause
"""netdrv on a real machine, without a guest: tests/net/toolstack.c plugs four interfaces in and plays their vmms."""

import pytest

from machine import TOP, Machine, services_of_a_test, vm_file


@pytest.fixture
def directory(tmp_path):
    """As build/, but with the toolstack that tries networks."""
    return services_of_a_test(tmp_path, TOP / "build/tests/net/toolstack.elf")


def tried(tmp_path, directory, words, *arguments, timeout=120):
    """What the test toolstack reports, as {"WORD": ["1", "2"]}."""
    words_file = vm_file(tmp_path / "words.cfg", name="words", memory=64, extra=words, ramdisk=None)
    with Machine(words_file, timeout=timeout, arguments=["--directory", directory, *arguments]) as machine:
        machine.expect(r"tried ([^\r\n]*)\.\r?\n", timeout)
        report = machine.child.match.group(1)
        print(machine.log)
    return {word: values.split("/") for word, values in (part.split("=") for part in report.split())}


def test_two_interfaces_exchange_packets_of_all_lengths(tmp_path, directory):
    assert tried(tmp_path, directory, "exchange") == {"exchange": ["2000", "0"]}


def test_large_packets_stay_large_where_the_guest_takes_them(tmp_path, directory):
    assert tried(tmp_path, directory, "large")["large"] == ["10", "10", str(10 * 65495)]


def test_large_packets_come_in_segments_where_it_does_not(tmp_path, directory):
    # 45 segments of each are more than a lane holds: the sender waits in the middle.
    assert tried(tmp_path, directory, "plain large")["large"] == ["0", "450", str(10 * (65535 - 40))]


def test_spoofed_packets_do_not_arrive(tmp_path, directory):
    assert tried(tmp_path, directory, "spoof") == {"spoof": ["0", "6"]}


def test_an_interface_that_takes_nothing_loses_its_own_packets_only(tmp_path, directory):
    good, lost = map(int, tried(tmp_path, directory, "stall")["stall"])
    assert good == 200
    assert lost == 200 - 32  # its lane's slots


def test_networks_do_not_hear_each_other(tmp_path, directory):
    assert tried(tmp_path, directory, "networks") == {"networks": ["0"]}


def test_dhcp_gives_an_address_of_the_range_and_the_port_may_use_it(tmp_path, directory):
    assert tried(tmp_path, directory, "dhcp") == {"dhcp": ["a0003", "1", "1"]}


def test_packets_flow_again_after_a_restart_of_netdrv(tmp_path, directory):
    report = tried(tmp_path, directory, "load:12 dhcp", "--append-options", "crash=netdrv:5000")
    assert report["load"] == ["1", "1", "0"]
    assert int(report["attached"][0]) == 2
    assert report["dhcp"][1:] == ["1", "1"]


