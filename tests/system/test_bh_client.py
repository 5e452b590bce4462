# SPDX-License-Identifier: BSD-2-Clause
"""The connection of `bh` to a machine: how it is found, and what is said when it is not there, ends, is silent, or
speaks another version.  The machines are played by the test."""

import os

import pytest

from bh_client import FakeMachine, Host
from mgmt_client import pb

ONE_VM = pb.MgmtVmList(vms=[pb.MgmtVm(id=16, name="one", uuid=bytes(range(16)), memory_bytes=64 << 20, vcpus=2,
                                      state=pb.MGMT_VM_RUNNING, letters="r-----", cpu_us=1_250_000)])


@pytest.fixture
def host(tmp_path):
    directory = tmp_path / "bulkhead"
    directory.mkdir(mode=0o700)
    return Host(tmp_path)


def answers(method, _request):
    return {"List": (0, ONE_VM)}.get(method)


def test_machine_is_found_by_name_path_and_environment(tmp_path, host):
    path = tmp_path / "bulkhead/lab.sock"
    with FakeMachine(path, answer=answers):
        assert host.bh("list", "--name", "--machine", "lab") == "one\n"
        assert host.bh("--machine", "lab", "list", "--name") == "one\n"
        assert host.bh("list", "--name", "--machine", path) == "one\n"
        host.environment["BULKHEAD_MACHINE"] = "lab"
        assert host.bh("list", "--name") == "one\n"
    with FakeMachine(tmp_path / "bulkhead/default.sock", answer=answers):
        del host.environment["BULKHEAD_MACHINE"]
        assert host.bh("list", "--name") == "one\n"


def test_list_has_the_columns_of_xl(tmp_path, host):
    with FakeMachine(tmp_path / "bulkhead/default.sock", answer=answers):
        head, row = host.bh("list").splitlines()
        assert head.split() == ["Name", "ID", "Mem", "VCPUs", "State", "Time(s)"]
        assert row.split() == ["one", "16", "64", "2", "r-----", "1.2"]


def test_unreachable_machine_names_what_was_looked_for_and_what_there_is(tmp_path, host):
    status, text = host.refused("list", status=69)
    assert status == "unreachable"
    assert "machine 'default'" in text and str(tmp_path / "bulkhead/default.sock") in text
    assert "none; --machine" in text and "bh run -d" in text
    with FakeMachine(tmp_path / "bulkhead/a.sock"), FakeMachine(tmp_path / "bulkhead/b.sock"):
        assert ": a, b; " in host.refused("list", "--machine", "c", status=69)[1]
    assert "nobody listens" in host.refused("list", "--machine", "a", status=69)[1]
    assert "there is no such socket" in host.refused("list", "--machine", "/no/where.sock", status=69)[1]
    plain = host.try_bh("list")
    assert plain.err.startswith("bh: machine 'default' cannot be reached") and plain.err.count("\n") == 1


def test_port_is_looked_for_when_no_machine_has_that_name(host):
    assert "127.0.0.1:1," in host.refused("list", "--machine", "1", status=69)[1]
    assert host.refused("list", "--machine", "70000", status=2)[0] == "usage"


def test_socket_in_a_directory_of_others_is_not_used(tmp_path, host):
    with FakeMachine(tmp_path / "bulkhead/default.sock", answer=answers):
        os.chmod(tmp_path / "bulkhead", 0o755)
        assert "not yours alone" in host.refused("list", status=69)[1]


@pytest.mark.parametrize("version, lowest", [(9, 7), (0, 0)])
def test_version_clash_names_both(tmp_path, host, version, lowest):
    with FakeMachine(tmp_path / "bulkhead/default.sock", version=version, lowest=lowest):
        status, text = host.refused("list", status=76)
        assert status == "version"
        assert f"(bulkhead 9) speaks versions {lowest} to {version}" in text and "1 to 1" in text


def test_newer_machine_that_still_speaks_ours_is_served(tmp_path, host):
    with FakeMachine(tmp_path / "bulkhead/default.sock", version=9, lowest=1, answer=answers):
        assert host.bh("list", "--name") == "one\n"


def test_machine_that_ends_meanwhile_is_said(tmp_path, host):
    with FakeMachine(tmp_path / "bulkhead/default.sock", answer=lambda *_: "end"):
        status, text = host.refused("list", status=69)
        assert status == "lost" and "has ended the connection" in text


def test_every_wait_has_a_deadline(tmp_path, host):
    with FakeMachine(tmp_path / "bulkhead/default.sock", greets=False):
        status, text = host.refused("list", "--timeout", "1", status=124)
        assert status == "timeout" and "greeting did not come within 1 seconds" in text
    os.unlink(tmp_path / "bulkhead/default.sock")
    with FakeMachine(tmp_path / "bulkhead/default.sock"):
        assert "the answer to list" in host.refused("list", "--timeout", "1", status=124)[1]


def test_what_is_not_the_protocol_is_said(tmp_path, host):
    with FakeMachine(tmp_path / "bulkhead/default.sock", garbage=b"SSH-2.0-OpenSSH_9.2 and more\r\n"):
        status, text = host.refused("list")
        assert status == "protocol" and "not the management protocol" in text


def test_control_characters_of_a_machine_do_not_reach_the_terminal(tmp_path, host):
    def refuses(_method, _request):
        return pb.MGMT_REFUSED, pb.MgmtFailure(text="no\x1b[2J\n at all")

    with FakeMachine(tmp_path / "bulkhead/default.sock", answer=refuses):
        result = host.try_bh("list")
        assert result.status == 1 and result.err == "bh: no?[2J  at all\n"
        assert host.refused("list") == ("refused", "no\x1b[2J\n at all")


def test_usage_is_status_2_and_json_when_asked(host):
    for line in (["frobnicate"], ["list", "--bogus"], ["domid"], ["domid", "a", "b"], ["list", "--timeout", "x"],
                 ["list", "--machine"]):
        result = host.try_bh(*line)
        assert result.status == 2 and result.err.startswith("bh: "), line
        assert host.refused(*line, status=2)[0] == "usage" if line[-1] != "--machine" else True


def test_machines_are_listed_also_those_that_do_not_answer(tmp_path, host):
    def machine(method, _request):
        return (0, pb.MgmtMachine(machine="x", pcpus=4, vms_running=3)) if method == "Machine" else None

    with FakeMachine(tmp_path / "bulkhead/good.sock", answer=machine), \
         FakeMachine(tmp_path / "bulkhead/old.sock", version=9, lowest=9):
        found = host.json("machines")["machines"]
        assert [(m["name"], m["machine"] is None) for m in found] == [("good", False), ("old", True)]
        assert found[0]["machine"]["vms_running"] == 3
        assert "does not answer" in host.bh("machines").splitlines()[2]
