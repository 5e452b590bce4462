# SPDX-License-Identifier: BSD-2-Clause
"""What VMs use, as the management channel tells it: time, exits, disks."""

import pytest

from machine import Machine, vm_file
from mgmt_client import Client, pb
from test_mgmt import Managed, config, wait_for

EXIT = {name: number for name, number in pb.MgmtExit.items()}
RAM = "ram:1M"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mgmt.sock"


def stats(client):
    return {vm.name: vm for vm in client.pages("Stats", "vms")}


def exits(vm, reason):
    return vm.vcpus[0].exits[EXIT["MGMT_EXIT_" + reason]]


def test_time_and_exits_are_those_of_what_the_guest_does(tmp_path, path):
    with Managed(tmp_path, path, "--cpus", "1"):
        with Client(path) as client:
            assert stats(client) == {}
            image = "image/0-echo.bin"
            consoles = {}
            for name in ("one", "two"):
                client.call("Create", config(name, image))
                consoles[name] = client.console(name)
                consoles[name].expect("echo is up")
            before = stats(client)
            consoles["one"].type("hello")
            consoles["one"].expect("hello")
            after = stats(client)
            # Five letters: as many stores to the UART, loads of what was typed, and an end of its sleep each time.
            assert exits(after["one"], "WRITE") >= exits(before["one"], "WRITE") + 5
            assert exits(after["one"], "READ") >= exits(before["one"], "READ") + 5
            assert exits(after["one"], "WFI") > exits(before["one"], "WFI")
            assert exits(after["two"], "WRITE") == exits(before["two"], "WRITE")
            for vm in after.values():
                vcpu = vm.vcpus[0]
                assert vcpu.pcpu == 0 and vm.vmm_us > 0
                assert vcpu.run_us + vcpu.steal_us + vcpu.blocked_us == pytest.approx(vm.uptime_us, abs=10)
            # Two busy ones share the pCPU: each waits for the other.
            for console in consoles.values():
                console.type("B")
                console.expect("B")
            start = stats(client)

            def shared():
                return all(vm.vcpus[0].steal_us > start[name].vcpus[0].steal_us + 200_000
                           and vm.vcpus[0].run_us > start[name].vcpus[0].run_us + 200_000
                           for name, vm in stats(client).items())

            wait_for(shared, 60)
            # A paused one does neither.
            client.call("Pause", vm="two")
            start = stats(client)["two"].vcpus[0]
            wait_for(lambda: stats(client)["two"].vcpus[0].blocked_us > start.blocked_us + 100_000)
            then = stats(client)["two"].vcpus[0]
            assert (then.run_us, then.exits) == (start.run_us, start.exits)
            assert then.steal_us - start.steal_us < 1000


def test_all_vms_are_told_in_pieces_and_anew_after_a_start(tmp_path, path):
    with Managed(tmp_path, path):
        with Client(path) as client:
            image = "image/0-echo.bin"
            names = [f"vm{i}" for i in range(6)]
            for name in names:
                client.call("Create", config(name, image, on_reboot=1))
            assert sorted(stats(client)) == names
            first = client.call("Stats", first=0)
            assert len(first.vms) == 4 and first.next != 0 and first.uptime_us > 0
            console = client.console("vm0")
            console.expect("echo is up")
            console.type("x" * 100)
            console.expect("x" * 100)
            many = exits(stats(client)["vm0"], "WRITE")
            console.type("r")
            console.expect("echo is up")
            assert exits(stats(client)["vm0"], "WRITE") < many


def test_disks_count_requests_and_bytes(tmp_path, path):
    file = vm_file(tmp_path / "vm1.cfg", disk=[f"format=raw, vdev=vda, access=rw, target={RAM}"])
    with Machine("--socket", path, file, timeout=300) as machine:
        machine.leave_console()
        with Client(path) as client:
            console = client.console("vm1")
            console.expect("# ", 120)

            def disk():
                return stats(client)["vm1"].disks[0]

            before = disk()
            console.type("dd if=/dev/zero of=/dev/vda bs=64k count=8 oflag=direct; dd if=/dev/vda of=/dev/null bs=64k count=4 iflag=direct; "
                         "echo do''ne\n")
            console.expect("done", 60)
            after = disk()
            assert after.vdev == "vda"
            assert after.written_bytes - before.written_bytes == 8 * 65536
            assert after.read_bytes - before.read_bytes == 4 * 65536
            assert after.writes > before.writes and after.reads > before.reads and after.errors == 0
