# SPDX-License-Identifier: BSD-2-Clause
"""The tests that ask the kernel on target: one machine runs them all, each counts by its own name.

build/tests/kernel/ktest.elf runs in init's place and prints "ok NAME" or "FAIL NAME".  A second machine, whose time is
counted in instructions, runs those whose claims are about time.  It has one pCPU: with more QEMU takes turns, and
a pCPU's slice goes by while another one's instructions are counted.
"""

import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SECONDS = 240
EXACT = ("sc_", "dispatcher_", "long_zeroing", "long_revoke", "long_chain", "long_cspace")


def names():
    found = []
    for source in sorted((TOP / "tests/kernel").glob("test_*.c")):
        for thing, claim in re.findall(r"^TEST\((\w+), (\w+)\)", source.read_text(), re.M):
            found.append(f"{thing}_{claim}")
    return found


def run_machine(cpus, *arguments):
    command = [TOP / "build/bh", "run", "--init", TOP / "build/tests/kernel/ktest.elf", "--cpus", str(cpus),
               "--timeout", str(SECONDS), *arguments]
    done = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="replace", timeout=SECONDS + 30, check=False)
    said = {}
    lines = []
    for line in done.stdout.splitlines():
        match = re.match(r"(ok|FAIL) (\w+)", line)
        lines.append(line)
        if match:
            said[match[2]] = (match[1], "\n".join(lines))
            lines = []
    return said, f"status {done.returncode}:\n" + "\n".join([*lines[-40:], done.stderr])


@pytest.fixture(scope="module")
def machine():
    return run_machine(4)


@pytest.fixture(scope="module")
def exact_machines():
    return {prefix: run_machine(1, "--icount", "--append-options", "exact=1", "--append-options", f"only={prefix}")
            for prefix in EXACT}


def check(results, name):
    said, end = results
    if name not in said:
        pytest.fail(f"{name} said nothing; the machine's end: {end}")
    verdict, lines = said[name]
    assert verdict == "ok", lines


@pytest.mark.parametrize("name", names())
def test_kernel(machine, name):
    check(machine, name)


@pytest.mark.parametrize("name", [name for name in names() if name.startswith(EXACT)])
def test_kernel_in_exact_time(exact_machines, name):
    check(next(results for prefix, results in exact_machines.items() if name.startswith(prefix)), name)
