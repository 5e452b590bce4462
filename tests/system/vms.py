# SPDX-License-Identifier: BSD-2-Clause
"""Several VMs of one machine, each with a console of its own over the management channel.

    with VMs(tmp_path, [file, ...]) as vms:
        a, b = vms.shells("a", "b")      # Linux guests: started, and at their shells
        assert a.run("nproc") == "1"
        assert vms.interface("a").from_vm.packets > 0
"""

import time

from machine import BOOT_SECONDS, COMMAND_SECONDS, Machine, clean
from mgmt_client import Client


class VMs:
    """A machine with the VMs of these files, none of them started."""

    def __init__(self, directory, files, *, arguments=(), **more):
        self.socket = directory / "mgmt.sock"
        later = [word for file in files for word in ("--later", file)]
        self.machine = Machine(*later, arguments=["--socket", self.socket, *arguments], **more)
        self.client = None

    def __enter__(self):
        self.machine.__enter__()
        try:
            self.client = Client(self.socket)
        except BaseException as failed:
            self.machine.__exit__(type(failed), failed, None)
            raise
        return self

    def __exit__(self, *raised):
        self.client.close()
        self.machine.__exit__(*raised)

    def start(self, name):
        """Start a VM; returns its console."""
        self.client.call("Start", vm=name)
        return self.client.console(name)

    def shells(self, *names):
        """Start these Linux guests side by side; returns their shells."""
        consoles = [self.start(name) for name in names]
        return [RemoteShell(console) for console in consoles]

    def interface(self, name, index=0):
        """What network-list says of a VM's interface."""
        return self.client.call("NetworkList", vm=name).interfaces[index]


class RemoteShell:
    """A shell in a Linux guest, as machine.Shell is one, on a console of the management channel."""

    def __init__(self, console, timeout=BOOT_SECONDS):
        self.console, self.count = console, 0
        self.wait_for_prompt(timeout)
        console.type("stty -echo; bind 'set enable-bracketed-paste off' 2>/dev/null; PS1=; PS2=; export TERM=dumb; dmesg -n 1\n")
        self.run("true")

    def wait_for_prompt(self, timeout):
        deadline = time.monotonic() + timeout
        while not clean(self.console.text).endswith(("/ # ", "~ # ", ":~# ")):
            assert time.monotonic() < deadline and not self.console.ended, f"no shell: {self.console.text[-2000:]}"
            try:
                self.console.take(1)
            except TimeoutError:
                pass
        self.console.text = ""

    def run(self, command, timeout=COMMAND_SECONDS):
        """Run a command that must succeed; returns its output without the last newline."""
        output, status = self.try_run(command, timeout)
        assert status == 0, f"{command}: status {status}: {output}"
        return output

    def begin(self, command):
        """Start a command; end() waits for it."""
        self.count += 1
        # The mark is put together in the guest, so that an echo of the line is not taken for it.
        self.console.type(f"{command}; printf '\\n%s%s:%d:\\n' MARK {self.count} $?\n")

    def end(self, timeout=COMMAND_SECONDS):
        """The output and the status of what begin() started."""
        output = self.console.expect(f"\nMARK{self.count}:", timeout).rpartition("MARK")[0]
        status = self.console.expect(":", timeout)[:-1]
        self.console.expect("\n", timeout)
        return clean(output), int(status)

    def try_run(self, command, timeout=COMMAND_SECONDS):
        """Run a command; returns its output and its status."""
        self.begin(command)
        return self.end(timeout)
