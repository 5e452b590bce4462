# SPDX-License-Identifier: BSD-2-Clause
"""`bh top` and `bh metrics`: what VMs use, for people and for Prometheus."""

import json
import re
import subprocess
import time
import urllib.error
import urllib.request

import pexpect

from bh_client import Managed
from machine import BH, TOP, vm_file
from mgmt_client import Client

SECONDS = 60
KINDS = {"counter", "gauge"}
# What libvirt-exporter's dashboards ask for.
LIBVIRT = {
    "libvirt_up": "gauge",
    "libvirt_domain_info_maximum_memory_bytes": "gauge",
    "libvirt_domain_info_memory_usage_bytes": "gauge",
    "libvirt_domain_info_virtual_cpus": "gauge",
    "libvirt_domain_info_cpu_time_seconds_total": "counter",
    "libvirt_domain_info_vstate": "gauge",
    "libvirt_domain_vcpu_time_seconds_total": "counter",
    "libvirt_domain_vcpu_delay_seconds_total": "counter",
    "libvirt_domain_vcpu_wait_seconds_total": "counter",
    "libvirt_domain_block_stats_read_bytes_total": "counter",
    "libvirt_domain_block_stats_read_requests_total": "counter",
    "libvirt_domain_block_stats_write_bytes_total": "counter",
    "libvirt_domain_block_stats_write_requests_total": "counter",
    "libvirt_domain_block_stats_flush_requests_total": "counter",
    "libvirt_domain_interface_stats_receive_bytes_total": "counter",
    "libvirt_domain_interface_stats_receive_packets_total": "counter",
    "libvirt_domain_interface_stats_receive_drops_total": "counter",
    "libvirt_domain_interface_stats_transmit_bytes_total": "counter",
    "libvirt_domain_interface_stats_transmit_packets_total": "counter",
    "libvirt_domain_interface_stats_transmit_drops_total": "counter",
}


def parse(text):
    """Prometheus text as (types, {name: {labels: value}}); what is none fails."""
    types, values = {}, {}
    for line in text.splitlines():
        comment = re.fullmatch(r"# (HELP|TYPE) ([a-z_]+) (.+)", line)
        if comment:
            if comment[1] == "TYPE":
                assert comment[2] not in types and comment[3] in KINDS
                types[comment[2]] = comment[3]
            continue
        sample = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? ([0-9.]+)', line)
        assert sample, line
        assert sample[1] in types, f"{sample[1]} has no type"
        rows = values.setdefault(sample[1], {})
        assert sample[2] not in rows, f"twice: {line}"
        rows[sample[2]] = float(sample[3])
    for name, kind in types.items():
        assert kind == "gauge" or name.endswith("_total"), name
    return types, values


def start(client, name="known"):
    client.call("Start", vm=name)
    console = client.console(name)
    console.expect("echo is up")
    return console


def work(console):
    console.type("f")
    console.expect("that was the flood")


def test_metrics_have_names_types_and_grow_when_a_guest_works(tmp_path):
    with Managed(tmp_path) as machine:
        with Client(machine.socket) as client:
            types, values = parse(machine.host.bh("metrics"))
            assert LIBVIRT.items() <= types.items()
            documented = set(re.findall(r"^\| `([a-z_]+)`", (TOP / "docs/metrics.md").read_text(), re.MULTILINE))
            assert documented == set(types)
            assert values["libvirt_up"] == {None: 1} and "libvirt_domain_info_vstate" not in values
            console = start(client)
            before = parse(machine.host.bh("metrics"))[1]
            work(console)
            after = parse(machine.host.bh("metrics"))[1]
            assert after["libvirt_domain_info_vstate"] == {'domain="known"': 1}
            assert after["libvirt_domain_info_memory_usage_bytes"] == {'domain="known"': 8 << 20}
            for name, labels in (("libvirt_domain_info_cpu_time_seconds_total", 'domain="known"'),
                                 ("libvirt_domain_vcpu_time_seconds_total", 'domain="known",vcpu="0"'),
                                 ("bulkhead_service_cpu_seconds_total", 'service="console"')):
                assert after[name][labels] > before[name][labels]
            writes = 'domain="known",vcpu="0",reason="write"'
            exits = "bulkhead_vm_vcpu_exits_total"
            assert after[exits][writes] > before[exits][writes] + 2000
            assert machine.host.refused("metrics", status=2)[0] == "usage"  # Prometheus text is no JSON


def get(url, timeout=40):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def test_metrics_are_served_also_while_services_restart(tmp_path):
    crash = ["--append-options", "crash=toolstack,console,sched:9000:3:3000"]
    with Managed(tmp_path, *crash) as machine:
        with Client(machine.socket) as client:
            start(client)
        server = machine.host.start("metrics", "--listen", "0", stdout=subprocess.PIPE, text=True)
        try:
            url = server.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", url)
            end, restarts = time.monotonic() + 120, {}
            while any(restarts.get(f'service="{name}"', 0) < 1 for name in ("toolstack", "console", "sched")):
                assert time.monotonic() < end, restarts
                kind, text = get(url)
                assert kind.startswith("text/plain; version=0.0.4")
                _, values = parse(text)
                assert values["libvirt_up"] == {None: 1}
                assert values["libvirt_domain_info_vstate"] == {'domain="known"': 1}
                restarts = values["bulkhead_service_restarts_total"]
            try:
                get(url.replace("/metrics", "/"))
                raise AssertionError("there is nothing at /")
            except urllib.error.HTTPError as error:
                assert error.code == 404
            with Client(machine.socket) as client:
                client.call("MachineOff", force=True)
            machine.wait()
            assert parse(get(url)[1])[1] == {"libvirt_up": {None: 0}}
        finally:
            server.terminate()
            server.wait(SECONDS)


def test_top_is_plain_text_json_or_live(tmp_path):
    with Managed(tmp_path) as machine:
        with Client(machine.socket) as client:
            console = start(client)
            console.type("B")
            console.expect("B")
            plain = machine.host.bh("top", "-b", "-n", "2", "-d", "1", "-v")
            assert plain.count("Bulkhead's own") == 2 and "\x1b" not in plain
            row = re.search(r"^ +\d+ known +running +(\d+\.\d) +(\d+\.\d) +(\d+\.\d)", plain, re.MULTILINE)
            assert float(row[1]) > 20
            assert re.search(r"^ +vCPU 0 +on pCPU \d", plain, re.MULTILINE)
            assert re.search(r"^ +blkdrv +running +\d+\.\d", plain, re.MULTILINE)
            lines = machine.host.bh("top", "--json", "-n", "2", "-d", "1").splitlines()
            assert len(lines) == 2
            sample = json.loads(lines[1])
            vm = sample["vms"][0]
            assert vm["name"] == "known" and vm["state"] == "running"
            assert 0 < vm["vcpus"][0]["run_us"] <= sample["interval_us"] + 100_000
            assert {"toolstack", "blkdrv", "netdrv", "sched"} <= {domain["name"] for domain in sample["domains"]}
            live = pexpect.spawn(str(BH), ["top", "-d", "1"], env=machine.host.environment, encoding="utf-8",
                                 dimensions=(40, 160), timeout=SECONDS)
            for _ in range(2):
                live.expect(r"\x1b\[H")
                live.expect("known +running")
                live.expect(r"\x1b\[J")
            live.sendintr()
            live.expect(pexpect.EOF)
            live.close()
