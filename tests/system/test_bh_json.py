# SPDX-License-Identifier: BSD-2-Clause
"""docs/json.md is a contract: what `bh --json` says has exactly these members, of these types."""

import json
import os
import re
import subprocess

import pytest

from bh_client import ECHO, Host, Managed
from machine import BH, TOP, vm_file

PAGE = (TOP / "docs/json.md").read_text()
VERBS = {name: [json.loads(shape) for shape in re.findall(r"`([\[{\"].*?)`", shapes)]
         for name, shapes in re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", PAGE.partition("## Types")[0], re.MULTILINE)}
TYPES = {name: dict(member.split(": ") for member in members.split(", "))
         for name, members in re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.partition("## Types")[2], re.MULTILINE)}
WORDS = {name: words.split(", ") for name, words in re.findall(r"^\| a `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)}
PLAIN = {"text": str, "number": int, "bool": bool}


def judge(shape, value, where):
    """A list of what is not as the page says."""
    if isinstance(shape, dict):
        if not isinstance(value, dict) or list(shape) != list(value):
            return [f"{where}: members {list(shape)} on the page, said: {value}"]
        return [wrong for name in shape for wrong in judge(shape[name], value[name], f"{where}.{name}")]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where}: not a list: {value}"]
        return [wrong for i, one in enumerate(value) for wrong in judge(shape[0], one, f"{where}[{i}]")]
    if shape.endswith(" or null"):
        return [] if value is None else judge(shape.removesuffix(" or null"), value, where)
    if shape.startswith("["):
        return judge([shape[1:-1]], value, where)
    if shape in PLAIN:
        return [] if type(value) is PLAIN[shape] else [f"{where}: not a {shape}: {value}"]
    return judge(TYPES[shape], value, where)


def check(verb, value, which=0):
    assert judge(VERBS[verb][which], value, verb) == []


def test_the_page_has_every_verb_and_every_type():
    verbs = Host(TOP).json("help")["verbs"]
    check("help", {"verbs": verbs})
    assert [verb["name"] for verb in verbs] == list(VERBS)
    made = subprocess.run([TOP / "idl/gen_json.py", "--docs", TOP / "idl/mgmt.proto"], check=True, capture_output=True, text=True)
    assert PAGE.endswith("|---|---|\n" + made.stdout), "the table is what idl/gen_json.py --docs idl/mgmt.proto writes"


@pytest.mark.parametrize("shape, value", [
    ({"a": "number"}, {"a": "1"}), ({"a": "number"}, {"a": True}), ({"a": "number"}, {}), ({"a": "number"}, {"a": 1, "b": 2}),
    (["text"], ["a", 1]), ("Vm", {}), ("Machine", None), ("[text]", "x"),
])
def test_the_judge_sees_what_is_wrong(shape, value):
    assert judge(shape, value, "")


def test_verbs_say_what_the_page_says(tmp_path):
    file = vm_file(tmp_path / "guest.cfg", name="guest", memory=8, kernel=ECHO, ramdisk=None, extra="",
                   disk=["ram:2M,vda,w"], more="vif = ['bridge=nat0,ip=10.0.3.77']")
    with Managed(tmp_path) as machine:
        host = machine.host
        check("create", host.json("create", "-n", file), 1)
        check("create", host.json("create", file))
        for verb in ("info", "images", "domains", "dmesg", "list", "uptime", "vcpu-list", "sched", "block-list", "network-list"):
            check(verb, host.json(verb))
        for verb in ("domid", "domname", "domuuid", "domstate", "dominfo"):
            check(verb, host.json(verb, "guest"))
        check("info", host.json("info", "guest"), 1)
        check("top", host.json("top", "-n", "1", "-d", "1"))
        check("list", host.json("list", "-l"), 1)
        check("sched", host.json("sched", "guest", "-w", "300"), 1)
        blocks = host.json("block-list", "guest")["vms"][0]["blocks"]
        assert [(block["vdev"], block["writable"], block["sectors"]) for block in blocks] == [("vda", True, 4096)]
        assert host.json("dominfo", "guest")["config"]["vifs"][0]["ipv4"] == ["10.0.3.77"]
        assert host.json("domstate", "guest")["state"] in WORDS["vm_state"]
        for verb in ("pause", "unpause", "destroy"):
            check(verb, host.json(verb, "guest"))
        check("start", host.json("start", "known"))
        check("rename", host.json("rename", "known", "other"))
        assert host.refused("domid", "nobody")[0] in WORDS["status"]
        check("shutdown", host.json("shutdown", "--machine", "--force", "--timeout", "1"), 1)
        assert machine.wait() == 0


def test_run_in_the_background_and_machines_say_what_the_page_says(tmp_path):
    host = Host(tmp_path)
    started = host.json("run", "-d", "--name", "lab", "--memory", "256M", "--timeout", "120")
    try:
        check("run", started)
        machines = host.json("machines")
        check("machines", machines)
        assert [machine["name"] for machine in machines["machines"]] == ["lab"]
        assert host.json("info", "--machine", "lab")["machine"] == "lab"
    finally:
        host.bh("shutdown", "--machine", "lab")
    assert not os.path.exists(started["socket"]) and os.path.exists(started["log"])
    check("machines", host.json("machines"))


def test_errors_are_one_line_of_json():
    done = subprocess.run([BH, "list", "--json", "--machine", "/no/such.sock"], capture_output=True, text=True, check=False)
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert list(json.loads(done.stderr)) == ["error"] and list(json.loads(done.stderr)["error"]) == ["status", "text"]
