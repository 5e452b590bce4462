# SPDX-License-Identifier: BSD-2-Clause
"""Help, the manual page and completion say what the table of verbs says."""

import json
import subprocess

import pytest

from bh_client import FakeMachine, Host
from machine import BH, TOP
from mgmt_client import pb

VERBS = json.loads(subprocess.run([BH, "help", "--json"], check=True, capture_output=True, text=True).stdout)["verbs"]
# What issue 3 asks for, as xl and virsh call it.
NAMES = """create list info dominfo console pause unpause shutdown reboot destroy rename domid domname vcpu-list vcpu-pin mem-set
network-list network-attach network-detach block-list block-attach block-detach sched uptime dmesg config-update
suspend resume start domstate domuuid domblklist domiflist domifaddr vcpuinfo vcpupin setmem nodeinfo schedinfo
sched-credit sched-credit2 domrename run machines images help completion""".split()


@pytest.fixture
def host(tmp_path):
    (tmp_path / "bulkhead").mkdir(mode=0o700)
    return Host(tmp_path)


def test_names_are_there_once_each(host):
    known = [name for verb in VERBS for name in [verb["name"], *verb["aliases"]]]
    assert len(known) == len(set(known)) and set(NAMES) <= set(known)
    for name in NAMES:
        assert host.bh("help", name).startswith("usage: bh ")
    assert host.refused("help", "frobnicate", status=2)[0] == "usage"


def test_help_lists_each_verb_and_its_options(host):
    text = host.bh("help")
    assert text == host.bh("--help") == host.bh("-h")
    for verb in VERBS:
        assert f"\n  {verb['name']} " in text
        own = host.bh(verb["name"], "--help")
        assert own == host.bh("help", verb["name"]) and verb["summary"] in own.replace("\n", " ")
        for option in verb["options"]:
            assert f"--{option['name']}" in own
            assert not option["letter"] or f"-{option['letter']}, " in own
    assert max(map(len, text.splitlines())) <= 100
    assert host.bh("--version").startswith("bulkhead ")


def test_letters_and_names_of_options_are_clear():
    for verb in VERBS:
        names = [option["name"] for option in verb["options"]]
        letters = [option["letter"] for option in verb["options"] if option["letter"]]
        assert len(names) == len(set(names)) and len(letters) == len(set(letters)), verb["name"]


def test_the_manual_page_is_that_of_this_bh():
    made = subprocess.run([TOP / "tools/gen_man.py", BH], check=True, capture_output=True, text=True).stdout
    assert made == (TOP / "docs/bh.1").read_text(), "tools/gen_man.py build/bh > docs/bh.1"
    for verb in VERBS:
        assert "\\fB" + verb["name"].replace("-", "\\-") + "\\fR" in made


def test_the_manual_page_renders_without_a_warning():
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", TOP / "docs/bh.1"], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def completed(host, *words):
    """What bash offers for the last of these words."""
    line = " ".join(f"'{word}'" for word in words)
    script = (f'. <({BH} completion bash); COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _bh; printf "%s\\n" "${{COMPREPLY[@]}}"')
    done = subprocess.run(["bash", "-c", script], env=host.environment, capture_output=True, text=True, check=True, cwd=TOP)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_verbs_options_and_names(tmp_path, host):
    def answer(method, _request):
        vms = [pb.MgmtVm(id=16, name="web"), pb.MgmtVm(id=17, name="wiki"), pb.MgmtVm(id=18, name="db")]
        return (0, pb.MgmtVmList(vms=vms)) if method == "List" else None

    assert completed(host, BH, "vcpu-") == ["vcpu-list", "vcpu-pin"]
    assert completed(host, BH, "help", "net") == ["network-list", "network-attach", "network-detach"]
    assert completed(host, BH, "console", "--w") == ["--watch-only"]
    assert completed(host, BH, "destroy", "w") == []  # no machine: nothing, and no error
    with FakeMachine(tmp_path / "bulkhead/lab.sock", answer=answer):
        assert completed(host, BH, "destroy", "--machine", "lab", "w") == ["web", "wiki"]
        assert completed(host, BH, "suspend", "--machine", "lab", "d") == ["db"]
        assert completed(host, BH, "list", "--machine", "") == ["lab"]
        assert completed(host, BH, "--machine", "l") == ["lab"]
        assert completed(host, BH, "--machine", "lab", "domn") == ["domname"]
    assert completed(host, BH, "create", "READ") == ["README.md"]
    assert completed(host, BH, "run", "--disk", "READ") == ["README.md"]
    assert completed(host, BH, "completion", "") == ["bash", "zsh"]
    assert "bashcompinit" in host.bh("completion", "zsh")
