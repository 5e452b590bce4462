# SPDX-License-Identifier: BSD-2-Clause
"""A whole machine for a test: `bh run` on a pseudo terminal, its guests' shells, Bulkhead's own prompt.

    with Machine("guests/initrd.cfg") as machine:
        shell = machine.shell()
        assert shell.run("nproc") == "1"
        shell.send("poweroff")
        assert "initrd" not in machine.prompt().run("list")

What the machine wrote is in machine.log; a failure prints its end.
"""

import re
import subprocess
import time
from pathlib import Path

import pexpect

TOP = Path(__file__).resolve().parents[2]
BH = TOP / "build/bh"
GUESTS = TOP / "guests"
DISK = TOP / "build/guests/disk.img"
PROMPT = "bulkhead> "
BOOT_SECONDS = 300
COMMAND_SECONDS = 60


def vm_file(path, *, name="vm1", memory=256, vcpus=1, extra="console=ttyAMA0", disk=None, more="",
            kernel=TOP / "build/guests/vmlinuz", ramdisk=TOP / "build/guests/initrd.gz"):
    """Write an xl.cfg and return its path."""
    lines = [f"name = '{name}'", f"kernel = '{kernel}'", f"memory = {memory}", f"vcpus = {vcpus}", f"extra = '{extra}'"]
    if ramdisk:
        lines.append(f"ramdisk = '{ramdisk}'")
    if disk:
        lines.append(f"disk = {disk!r}")
    path.write_text("\n".join([*lines, more, ""]))
    return path


def copy_disk(path):
    """The guests' disk for this test alone."""
    subprocess.run(["cp", "--sparse=always", DISK, path], check=True)
    return path


def services_of_a_test(tmp_path, *programs):
    """A directory as build/, but with these programs of tests in place of the usual ones."""
    assert all(program.exists() for program in programs)
    (tmp_path / "services").mkdir()
    (tmp_path / "kernel").symlink_to(TOP / "build/kernel")
    own = {program.name: program for program in programs}
    for program in (TOP / "build/services").glob("*.elf"):
        (tmp_path / "services" / program.name).symlink_to(own.get(program.name, program))
    return tmp_path


class Machine:
    """A running `bh run`; leaving the `with` block ends it."""

    def __init__(self, *files, disk=None, timeout=600, arguments=()):
        command = ["run", *map(str, files), "--timeout", str(timeout), *map(str, arguments)]
        if disk:
            command += ["--disk", str(disk)]
        self.log = ""
        self.child = pexpect.spawn(str(BH), command, cwd=str(TOP), encoding="utf-8", codec_errors="replace", echo=False,
                                   timeout=COMMAND_SECONDS, dimensions=(24, 200))
        self.child.logfile_read = self

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.child.close(force=True)
        if kind:
            print("---- the end of what the machine wrote\n" + self.log[-4000:])

    def write(self, text):
        """For pexpect: what was read."""
        self.log += text

    def flush(self):
        """For pexpect."""

    def send(self, line):
        self.child.send(line + "\r")

    def expect(self, pattern, timeout=COMMAND_SECONDS):
        """Wait for a regular expression; returns what came before it."""
        self.child.expect(pattern, timeout=timeout)
        return self.child.before

    def shell(self, timeout=BOOT_SECONDS):
        """Wait for a guest's shell on the wire."""
        self.expect(r"(/|~) # |root@\w+:~# ", timeout)
        return Shell(self)

    def prompt(self, timeout=COMMAND_SECONDS):
        """Wait for Bulkhead's own prompt."""
        self.expect(re.escape(PROMPT), timeout)
        return Prompt(self)

    def leave_console(self):
        """Ctrl-], to Bulkhead's own prompt."""
        self.child.send("\x1d")
        return self.prompt()

    def wait(self, timeout=COMMAND_SECONDS):
        """Wait for the end; returns bh's exit status."""
        self.child.expect(pexpect.EOF, timeout=timeout)
        self.child.close()
        return self.child.exitstatus


class Shell:
    """A shell in a guest, without echo and with a prompt that no output looks like."""

    def __init__(self, machine):
        self.machine = machine
        self.count = 0
        machine.send("stty -echo; bind 'set enable-bracketed-paste off' 2>/dev/null; PS1=; PS2=; export TERM=dumb")
        time.sleep(0.5)
        self.run("true")

    def send(self, line):
        self.machine.send(line)

    def run(self, command, timeout=COMMAND_SECONDS):
        """Run a command that must succeed; returns its output without the last newline."""
        output, status = self.try_run(command, timeout)
        assert status == 0, f"{command}: status {status}: {output}"
        return output

    def try_run(self, command, timeout=COMMAND_SECONDS):
        """Run a command; returns its output and its status."""
        self.count += 1
        mark = f"MARK{self.count}"
        # The mark is put together in the guest, so that an echo of the line is not taken for it.
        self.send(f"{command}; printf '\\n%s%s:%d:\\n' MARK {self.count} $?")
        before = self.machine.expect(rf"\r?\n{mark}:(\d+):\r?\n", timeout)
        return clean(before), int(self.machine.child.match.group(1))


class Prompt:
    """Bulkhead's own prompt."""

    def __init__(self, machine):
        self.machine = machine

    def send(self, line):
        self.machine.send(line)

    def run(self, command, timeout=COMMAND_SECONDS):
        """Run a verb; returns what it printed."""
        self.send(command)
        text = clean(self.machine.expect(r"(?:^|\n)" + re.escape(PROMPT), timeout))
        return text.split("\n", 1)[1] if "\n" in text else ""


def clean(text):
    """Without carriage returns and terminal escapes."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "").strip("\n")
