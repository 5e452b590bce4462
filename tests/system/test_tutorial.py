# SPDX-License-Identifier: BSD-2-Clause
"""docs/tutorial.md, command by command, in two terminals: what it prints is what the page says.

In blocks ```console terminal=N: `$ COMMAND` is for the host's shell, `/ # COMMAND` for that of the VM whose console the
terminal shows, `Ctrl-]` a key; other lines are what the command prints (or, behind a `<<END`, what it reads).  `...`
within a line is any text, a line of its own any lines; blanks count as one.  The one command that is not run is `make`: the
build under test stands in for it.
"""

import os
import re
import time
from pathlib import Path

import pexpect
import pytest

from machine import TOP

PAGE = TOP / "docs/tutorial.md"
HOST = re.compile(r"<host (\d+)> ")
GUEST = re.compile(r"/ # (?:\x1b\[6n)?")
OWN = re.compile(r"bulkhead> ")
SECONDS = 180  # for a command; a host may be busy
COMMAND = re.compile(r"^(\$ |/ # |Ctrl-\]$)(.*)$")


def steps(text):
    """(terminal, prompt, command with what it reads, what it prints) of each command."""
    for number, block in re.findall(r"^```console terminal=(\d)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        found, lines = [], iter(block.splitlines())
        for line in lines:
            command = COMMAND.match(line)
            if not command:
                found[-1][2].append(line)
                continue
            typed = [command[2]]
            if "<<END" in line:
                while typed[-1] != "END":
                    typed.append(next(lines))
            found.append((command[1], typed, []))
        for prompt, typed, printed in found:
            yield int(number), prompt.strip(), typed, printed


def pattern(printed):
    """What is printed, as an expression for what comes."""
    rows = []
    for line in printed:
        if line.strip() == "...":
            rows.append(r"(?:.*\n)*")
        else:
            words = [re.escape(part).replace(r"\ ", "[ \t]+") for part in re.sub(" +", " ", line.strip()).split("...")]
            rows.append("[ \t]*" + ".*".join(words) + "[ \t]*\n")
    return re.compile("".join(rows))


def plain(text):
    """Without what only terminals see, and empty lines."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r\n", "\n")
    lines = [line.split("\r")[-1].rstrip() for line in text.splitlines()]
    return "".join(line + "\n" for line in lines if line)


class Terminal:
    """A shell of the host, and whatever runs in it."""

    def __init__(self, directory, environment):
        self.child = pexpect.spawn("bash", ["--norc", "--noprofile", "--noediting"], cwd=directory, env=environment, encoding="utf-8",
                                   codec_errors="replace", echo=False, timeout=SECONDS, dimensions=(24, 200))
        self.child.sendline("PS1='<host $?> ' PS2=")
        self.child.expect(HOST)
        self.at_host = True

    def wait(self):
        """For a prompt; what was printed before it, and the exit status if it is the host's."""
        index = self.child.expect([HOST, GUEST, OWN])
        self.at_host = index == 0
        return plain(self.child.before), int(self.child.match[1]) if self.at_host else None

    def type(self, typed):
        for line in typed:
            self.child.sendline(line)
        printed, status = self.wait()
        if printed.startswith(typed[0] + "\n"):  # a guest's terminal shows what is typed
            printed = printed[len(typed[0]) + 1:]
        return printed, status


def run(terminal, prompt, typed, printed):
    """One command; one that only looks is repeated until what it looks for is there."""
    wanted, until = pattern(printed), time.monotonic() + SECONDS
    if prompt == "Ctrl-]":
        terminal.child.send("\x1d")
        terminal.wait()
        return
    assert terminal.at_host == (prompt == "$"), f"`{typed[0]}` at the wrong prompt"
    while True:
        said, status = terminal.type(typed)
        if wanted.fullmatch(said):
            break
        assert typed[0].startswith(("./bh list", "./bh network-list", "ip ", "wget ", "ping ")) and time.monotonic() < until, \
            f"`{typed[0]}` printed\n{said}instead of\n" + "\n".join(printed)
        time.sleep(1)
    is_refusal = printed and printed[-1].startswith("bh: ")
    assert status in (None, 1 if is_refusal else 0), f"`{typed[0]}`: exit status {status}: {said}"


@pytest.fixture
def environment(tmp_path):
    (tmp_path / "run").mkdir()
    environment = {**os.environ, "URL": str(TOP), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "TERM": "dumb"}
    environment.pop("BULKHEAD_MACHINE", None)
    return environment


def test_every_command_prints_what_the_page_says(tmp_path, environment):
    terminals = {}
    try:
        for number, prompt, typed, printed in steps(PAGE.read_text(encoding="utf-8")):
            terminal = terminals.setdefault(number, None) or Terminal(tmp_path, environment)
            terminals[number] = terminal
            if typed == ["make"]:
                (tmp_path / "bulkhead/build").symlink_to(TOP / "build")
                continue
            run(terminal, prompt, typed, printed)
        while not terminals[1].at_host:  # until the machine is off
            printed, status = terminals[1].wait()
        assert status == 0, printed
    finally:
        for terminal in terminals.values():
            print(terminal.child.before)
            terminal.child.close(force=True)


def test_the_page_is_read_as_it_is_meant():
    found = list(steps("```console terminal=1\n$ cat >f <<END\na\n$ b\nEND\n$ ls\nf ...\n...\nCtrl-]\n/ # true\n```\n"))
    assert found == [(1, "$", ["cat >f <<END", "a", "$ b", "END"], []), (1, "$", ["ls"], ["f ...", "..."]), (1, "Ctrl-]", [""], []),
                     (1, "/ #", ["true"], [])]
    assert pattern(["f  1 ...", "..."]).fullmatch("f 1   2\nother\n") and pattern(["..."]).fullmatch("")
    assert not pattern(["f ..."]).fullmatch("g 1\n") and not pattern(["f"]).fullmatch("f\ng\n")
    assert len(list(steps(PAGE.read_text(encoding="utf-8")))) > 20
