# SPDX-License-Identifier: BSD-2-Clause
"""What only the running machine can refuse, without a terminal: one line that names the resource, and exit status 1."""

import re
import subprocess

import pytest
from machine import BH, TOP, vm_file

TINY = TOP / "build/guests/tiny"


def bare(path, **more):
    return vm_file(path, ramdisk=None, extra="", kernel=TINY / "hypercalls.bin", **more)


def run(*arguments, words=""):
    """`bh run` with these words typed through a pipe; returns its exit status, what the machine and what bh said."""
    done = subprocess.run([BH, "run", *map(str, arguments), "--timeout", "120"], input=words, capture_output=True, text=True,
                          errors="replace", check=False)
    return done.returncode, done.stdout.replace("\r", "").splitlines(), done.stderr


@pytest.mark.parametrize("more", [[], ["--console", "vm1"]], ids=["machine", "console"])
def test_a_vm_that_cannot_start_is_status_1(tmp_path, more):
    status, _, words = run(bare(tmp_path / "a.cfg", memory=32, disk=["ram:4G,vda,w"]), *more)
    assert status == 1
    assert re.fullmatch(r"bh: vm1: cannot start: disk vda: ram:4G: memory of 4096 MiB asked for, \d+ MiB of \d+ MiB are free\n",
                        words)


def test_memory_that_others_have_is_refused_at_create(tmp_path):
    first = bare(tmp_path / "first.cfg", name="first", memory=1024, more="on_poweroff = 'preserve'")
    second = bare(tmp_path / "second.cfg", name="second", memory=1024)
    _, lines, _ = run(first, "--later", second, words="\x1dcreate second\nlist\npoweroff\n")
    assert any(re.search(r"second: cannot start: memory: memory of 1026 MiB asked for, \d+ MiB of \d+ MiB are free", line)
               for line in lines), lines
    assert any(re.match(r"second +- ", line) for line in lines), lines
