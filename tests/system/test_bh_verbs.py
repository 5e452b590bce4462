# SPDX-License-Identifier: BSD-2-Clause
"""The verbs of `bh` on a machine that runs."""

from bh_client import Managed


def test_list_and_info_say_what_the_machine_knows(tmp_path):
    with Managed(tmp_path) as machine:
        host = machine.host
        row = host.bh("list").splitlines()[1].split()
        assert row[:5] == ["known", "-", "8", "1", "------"]
        vm = host.json("list")["vms"][0]
        assert vm["name"] == "known" and vm["state"] == "off" and vm["memory_bytes"] == 8 << 20
        assert host.bh("list", "--name") == "known\n"
        assert host.bh("domuuid", "known").strip() == host.bh("list", "--uuid").strip() == vm["uuid"]
        assert host.bh("domid", "known").strip() == str(vm["id"])
        assert host.bh("domname", vm["id"]) == host.bh("domname", vm["uuid"].replace("-", "")) == "known\n"
        assert host.bh("domstate", "known") == "off\n"
        info = host.json("info")
        assert info["pcpus"] == 4 and info["vms"] == 1 and info["memory_free"] == info["memory_total"]
        assert f"free_memory            : {info['memory_free'] >> 20}\n" in host.bh("info")
        config = host.json("dominfo", "known")["config"]
        assert config["on_reboot"] == "restart" and "seed" not in config
        assert host.bh("dominfo", "known") == host.bh("info", "known") == host.bh("list", "-l", "known")
        assert host.bh("uptime").splitlines()[1:] == []
        assert host.refused("info", "nobody") == ("not_found", "there is no VM `nobody`")
