# SPDX-License-Identifier: BSD-2-Clause
"""Bare guests that try what no kernel does; each gets what hardware would give it, and disturbs nobody.

The claims are in guests/tiny/NAME.c, which says PASS or FAIL on its console and powers off.
"""

import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BH = TOP / "build/bh"
TINY = TOP / "build/guests/tiny"
SECONDS = 240


def vm_file(path, name, vcpus=1, disk=None, vif=None):
    """Write the xl.cfg of a bare guest and return its path."""
    lines = [f"name = '{name}'", f"kernel = '{TINY / name}.bin'", "memory = 32", f"vcpus = {vcpus}"]
    if disk:
        lines.append(f"disk = {disk!r}")
    if vif:
        lines.append(f"vif = {vif!r}")
    path.write_text("\n".join([*lines, ""]))
    return path


def run(files, console, *arguments):
    """Boot these VMs, one of them on the wire, until it powers off; returns what it wrote and bh's exit status."""
    command = [BH, "run", *map(str, files), "--console", console, "--timeout", str(SECONDS), *map(str, arguments)]
    done = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    return done.stdout.decode(errors="replace"), done.returncode


def expect_pass(output, status, name):
    """Its claims hold, it made some, and the machine ended in order."""
    assert "not so" not in output and "unexpected" not in output, output[-4000:]
    assert re.search(rf"PASS {name} 0x[1-9a-f][0-9a-f]*", output), output[-4000:]
    assert status == 0, output[-4000:]


@pytest.mark.parametrize("name, vcpus", [("holes", 1), ("sysregs", 1), ("hypercalls", 1), ("timer", 1), ("sgi", 2),
                                         ("spi", 2), ("vrings", 1), ("balloon", 1)])
def test_guest_gets_what_hardware_gives(tmp_path, name, vcpus):
    expect_pass(*run([vm_file(tmp_path / "vm.cfg", name, vcpus)], name), name)


@pytest.mark.parametrize("pcpus", [4, 2, 1])
def test_four_vcpus_hammer_devices_at_once(tmp_path, pcpus):
    output, status = run([vm_file(tmp_path / "vm.cfg", "hammer", 4)], "hammer", "--cpus", pcpus)
    expect_pass(output, status, "hammer")
    assert [output.count(mark) for mark in "!#%&"] == [200] * 4, output[-4000:]


@pytest.mark.parametrize("device", [{"disk": ["ram:1M,vda,w"]}, {"vif": ["bridge=nat0"]}])
def test_a_disks_and_a_cards_vrings_too(tmp_path, device):
    output, status = run([vm_file(tmp_path / "vm.cfg", "vrings", **device)], "vrings")
    expect_pass(output, status, "vrings")


def test_the_neighbour_of_a_guest_that_corrupts_its_vrings_is_undisturbed(tmp_path):
    cheat = vm_file(tmp_path / "cheat.cfg", "vrings")
    neighbour = vm_file(tmp_path / "neighbour.cfg", "timer")
    expect_pass(*run([cheat, neighbour], "timer"), "timer")
