# SPDX-License-Identifier: BSD-2-Clause
"""A service that faults, again and again, is named with pc and address, comes back, and the rest of the machine runs on.

The boot option crash= makes it fault every few seconds of the machine's time.  So what is typed may reach a console or a
toolstack that dies just then: as a person would, the tests here say it again (eventually()).
"""

import re
import subprocess

import pexpect
import pytest
from machine import TOP, Machine, vm_file

EVERY_MS = 4000
FAULT = r"faulted: ESR 0x82000006 \(instruction abort, translation\) at pc 0x0, address 0x0"
# Write a MiB, forget it, read it back; what is wrong is written down.
LOAD = r"""cat > /load.sh <<'EOF'
n=0
while [ ! -e /stop ]; do
    n=$(((n + 1) % 16))
    head -c 1048576 /dev/urandom > /file
    dd if=/file of=/dev/vda bs=1M seek=$n conv=fsync || echo write >> /wrong
    echo 3 > /proc/sys/vm/drop_caches
    dd if=/dev/vda bs=1M skip=$n count=1 | cmp - /file || echo read >> /wrong
    echo $n >> /rounds
done
echo done > /done
EOF
:"""


@pytest.fixture
def disk(tmp_path):
    """An image with the volume `work`."""
    path = tmp_path / "disk.img"
    with open(path, "wb") as f:
        f.truncate(32 << 20)
    subprocess.run(["sgdisk", "-n", "1:2048:+20M", "-c", "1:work", path], check=True, stdout=subprocess.DEVNULL)
    return path


def linux(tmp_path):
    return vm_file(tmp_path / "linux.cfg", name="linux", disk=["phy:work,vda,w"])


def eventually(machine, say, pattern, tries=10):
    """Say it until it is answered; returns the answer."""
    for _ in range(tries):
        try:
            say()
            machine.expect(pattern, 15)
            match = machine.child.match
            return "" if match is pexpect.EOF else match.group(0)
        except pexpect.TIMEOUT:
            pass
    raise AssertionError(f"no {pattern!r} after {tries} tries")


def ask(machine, verb, pattern):
    """A verb at Bulkhead's prompt, and all of its answer."""
    return eventually(machine, lambda: machine.send(verb), pattern + r"[^\0]*?\r\nbulkhead> ")


def to_prompt(machine):
    eventually(machine, lambda: machine.child.send("\x1d\x1d\r"), "bulkhead> ")


def in_guest(machine, command, pattern):
    """A command in the Linux guest that may be given twice."""
    return eventually(machine, lambda: machine.send(command), pattern)


def rounds(machine, count):
    """`count` more rounds of the guest's load were done, and nothing was ever wrong."""
    done = in_guest(machine, r"echo rounds: $(cat /rounds | wc -l) wrong: $(cat /wrong 2>/dev/null | wc -l)\;",
                    r"rounds: \d+ wrong: \d+;")
    have, wrong = map(int, re.findall(r"\d+", done))
    assert wrong == 0
    in_guest(machine, f"while [ $(cat /rounds | wc -l) -lt {have + count} ]; do sleep 0.2; done; echo more$((1 + 1))",
             "more2")


def run_a_second_vm(machine):
    """Made, run to its own end and gone: by its words."""
    to_prompt(machine)
    for _ in range(5):
        answer = ask(machine, "create second", r"second: (started|it exists already|cannot start)")
        if "cannot start" not in answer:
            break
    ask(machine, "list", r"second +- ")


ALL = ["sched", "mem", "console", "toolstack", "blkdrv", "netdrv"]


@pytest.mark.parametrize("services", [ALL, *(pytest.param([service], marks=pytest.mark.long) for service in ALL)],
                         ids="+".join)
def test_the_machine_runs_on(tmp_path, disk, services):
    second = vm_file(tmp_path / "second.cfg", name="second", memory=32, ramdisk=None, extra="",
                     kernel=TOP / "build/guests/tiny/timer.bin")
    every = EVERY_MS // min(2, len(services))
    options = ["--append-options", f"crash={','.join(services)}:{EVERY_MS}:1000:{every}"]
    with Machine(linux(tmp_path), "--later", second, disk=disk, timeout=900, arguments=options) as machine:
        machine.shell()
        in_guest(machine, "dmesg -n 1; echo quiet$((1 + 1))", "quiet2")
        in_guest(machine, LOAD + "; ls -l /load.sh", r"\d /load.sh")
        in_guest(machine, "[ -e /started ] || { touch /started /rounds; sh /load.sh > /dev/null 2>&1 & }; echo go$((1 + 1))",
                 "go2")
        rounds(machine, 1)
        to_prompt(machine)
        for service in services:
            machine.expect(rf"init: {service} {FAULT}", 120)
            machine.expect(f"init: {service} was started again", 60)
        run_a_second_vm(machine)
        eventually(machine, lambda: machine.send("console linux"), "linux: its console.*\n")
        rounds(machine, 3)
        in_guest(machine, "touch /stop; while [ ! -e /done ]; do sleep 0.2; done; echo stop$((1 + 1))", "stop2")
        assert "wrong: 0" in in_guest(machine, r"echo wrong: $(cat /wrong 2>/dev/null | wc -l)\;", r"wrong: \d+;")
        eventually(machine, lambda: machine.send("poweroff"), "Power down")
        to_prompt(machine)
        ask(machine, "info", r"vmms +: 0 of \d+, \d+ KiB each\r\nmemory_total +: (\d+) KiB\r\n"
                             r"memory_free +: \1 KiB .*\r\nmemory_promised +: 0 KiB in 0 sessions")
        eventually(machine, lambda: machine.send("poweroff"), pexpect.EOF)


def test_a_vmm_that_faults_takes_nobody_but_its_vm_along(tmp_path, disk):
    other = vm_file(tmp_path / "other.cfg", name="other", more="on_crash = 'destroy'")
    options = ["--append-options", f"crash=other:{EVERY_MS}"]
    with Machine(linux(tmp_path), other, disk=disk, timeout=900, arguments=options) as machine:
        machine.expect(rf"other: crashed: other vmm {FAULT}", 120)
        prompt = machine.prompt()
        assert re.search(r"other +- ", prompt.run("list"))
        prompt.send("console linux")
        shell = machine.shell()
        shell.run("dmesg -n 1")
        shell.run("dd if=/init of=/dev/vda conv=fsync; echo 3 > /proc/sys/vm/drop_caches")
        assert shell.run("head -c $(wc -c < /init) /dev/vda | cmp - /init; echo $?").endswith("0")
        shell.send("poweroff")
        prompt = machine.prompt()
        assert re.search(r"memory_total +: (\d+) KiB\nmemory_free +: \1 KiB", prompt.run("info"))
        prompt.send("create other")
        prompt.send("console other")
        machine.shell().send("poweroff")
        machine.prompt().send("poweroff")
        assert machine.wait() == 3  # a VM that started by itself crashed
