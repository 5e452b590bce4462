# SPDX-License-Identifier: BSD-2-Clause
"""test_generators.py - what the generators refuse, and that what they make decodes as declared

The decode test compiles the kernel's table for the host, with a faked cap_lookup(), and runs it.
"""
import os
import re
import subprocess
import sys

import pytest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ABI = os.path.join(TOP, "lib", "abi")


def run(script, *args):
    return subprocess.run([sys.executable, os.path.join(TOP, script), *map(str, args)], capture_output=True, text=True,
                          check=False)


# ---- idl/gen_syscalls.py --------------------------------------------------------------------------

DEF = """
# ---- things
call thing_do(cspace:cspace[rw], slot frame:frame[], small:u8, wide:u64) -> one, two : Do it.
| A further line.
call thing_wait(self, sc:sc[]) : Wait.
ipc endpoint_call : Call.
ipc endpoint_reply : Reply.
"""

HARNESS = r"""
#include <stdio.h>
#include <string.h>
#include "sys.h"
#include "kernel.h"
static unsigned lookups; static uint32_t rights_seen[4]; static int fail_at;
struct slot *cap_lookup(struct vcpu *self, uint64_t index, enum cap_kind kind, uint32_t rights, enum status *why)
{
    (void)self; (void)index; (void)kind;
    rights_seen[lookups++] = rights;
    if (fail_at && (int)lookups == fail_at) { *why = ERR_RIGHT; return NULL; }
    return (struct slot *)(index + 1000);
}
void *slot_object(const struct slot *s) { return (char *)s + 5; }
static unsigned refused_arg;
enum status refused(struct vcpu *self, unsigned call, unsigned argument, enum status why)
{ (void)self; (void)call; refused_arg = argument; return why; }
enum status sys_thing_do(struct cspace *c, struct slot *f, uint8_t small, uint64_t wide, uint64_t *out)
{
    if ((char *)c - (char *)0 != 1006 || (char *)f - (char *)0 != 1002 || wide != UINT64_MAX) return ERR_IO;
    out[0] = small; out[1] = 77;
    return small == 9 ? ERR_STATE : OK;
}
enum status sys_thing_wait(struct vcpu *self, struct sc *sc) { (void)sc; return self ? ERR_TIME : ERR_IO; }
enum status ipc_call(struct vcpu *self, uint64_t *x) { (void)self; (void)x; return OK; }
enum status ipc_reply(struct vcpu *self, uint64_t *x) { (void)self; (void)x; return OK; }
static void show(unsigned number, uint64_t small, int fail)
{
    uint64_t x[31] = {number, 1, 2, small, UINT64_MAX};
    lookups = 0; fail_at = fail; refused_arg = 0;
    enum status s = syscall_table[number]((struct vcpu *)8, x);
    printf("%d %u %llu %llu %u\n", s, refused_arg, (unsigned long long)x[1], (unsigned long long)x[2], lookups);
}
int main(void)
{
    show(SYS_thing_do, 255, 0);
    printf("rights %u %u\n", rights_seen[0], rights_seen[1]);
    show(SYS_thing_do, 256, 0);
    show(SYS_thing_do, 9, 0);
    show(SYS_thing_do, 1, 1);
    show(SYS_thing_do, 1, 2);
    show(SYS_thing_wait, 1, 0);
    printf("%d %d %d %d %s\n", SYS_endpoint_call, SYS_endpoint_reply, SYS_thing_do, SYS_COUNT,
           syscall_names[SYS_thing_wait]);
    printf("%d\n", syscall_table[0] == NULL && syscall_table[SYS_endpoint_call] == ipc_call &&
           syscall_table[SYS_endpoint_reply] == ipc_reply);
    return 0;
}
"""

FAKE_KERNEL = """
#include <stddef.h>
#include "abi.h"
struct slot; struct vcpu;
struct slot *cap_lookup(struct vcpu *self, uint64_t index, enum cap_kind kind, uint32_t rights, enum status *why);
void *slot_object(const struct slot *s);
enum status refused(struct vcpu *self, unsigned call, unsigned argument, enum status why);
"""


def generate_calls(tmp_path, text):
    source = tmp_path / "calls.def"
    source.write_text(text)
    return run("idl/gen_syscalls.py", source, tmp_path, tmp_path / "abi.md")


def test_decode_judges_rights_and_widths_as_declared(tmp_path):
    done = generate_calls(tmp_path, DEF)
    assert done.returncode == 0, done.stderr
    (tmp_path / "kernel.h").write_text(FAKE_KERNEL)
    (tmp_path / "main.c").write_text(HARNESS)
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror", f"-I{ABI}", f"-I{tmp_path}", "-o",
                    tmp_path / "main", tmp_path / "main.c", tmp_path / "syscall_table.c"], check=True)
    lines = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines == [
        "0 0 255 77 2",  # OK: outs in x1, x2
        "rights 3 0",  # READ|WRITE, none
        "4 3 1 2 2",  # 256 in a u8: ERR_ARG, argument 3, registers untouched
        "5 0 1 2 2",  # the handler refused: no outs
        "3 1 1 2 1",  # first capability refused, the second not looked up
        "3 2 1 2 2",
        "9 0 1 2 1",  # self is passed
        "1 2 3 5 thing_wait",  # ipc calls come first
        "1",
    ]


def test_manual_tells_every_call(tmp_path):
    assert generate_calls(tmp_path, DEF).returncode == 0
    manual = (tmp_path / "abi.md").read_text()
    assert "| 3 | `thing_do` | `cspace` Cspace (Read+Write), `frame` Frame, `small` u8, `wide` u64 | `one`, `two` | Do it.<br>A further line. |" in manual
    assert "## Calls: things" in manual


def test_committed_manual_is_that_of_syscalls_def(tmp_path):
    done = run("idl/gen_syscalls.py", os.path.join(TOP, "idl/syscalls.def"), tmp_path, tmp_path / "abi.md")
    assert done.returncode == 0, done.stderr
    with open(os.path.join(TOP, "docs/abi.md"), encoding="utf-8") as f:
        assert f.read() == (tmp_path / "abi.md").read_text()


@pytest.mark.parametrize("line, complaint", [
    ("call a(x1:frame[r]) : t", "must be taken as `slot`"),
    ("call a(f:fram[r]) : t", "there is no kind `fram`"),
    ("call a(slot f:frame[q]) : t", "rights are letters"),
    ("call a(f:u33) : t", "neither a width nor"),
    ("call a(f:u8, f:u8) : t", "the same name"),
    ("call a(a:u8,b:u8,c:u8,d:u8,e:u8,f:u8,g:u8,h:u8) : t", "at most 7 arguments"),
    ("call a() -> b, c, d, e, f : t", "4 outs"),
    ("call a(f:u8)", "expected: call NAME"),
    ("ipc endpoint_shout : t", "knows no registers"),
    ("ipc endpoint_call : t\nipc endpoint_call : t", "there is one already"),
    ("nonsense", "expected: ipc NAME"),
])
def test_bad_line_is_refused_with_its_number(tmp_path, line, complaint):
    done = generate_calls(tmp_path, "# first\n" + line + "\n")
    assert done.returncode != 0
    assert complaint in done.stderr
    assert re.search(r"calls\.def:\d+: ", done.stderr)


# ---- tools/gen_manifest.py ------------------------------------------------------------------------

MANIFEST = """
[domain.init]
program = "init"
memory_kib = 0
[domain.console]
program = "console"
memory_kib = 512
serves = true
rings = 300
devices = [{ base = 0x9000000, size = 0x1000 }]
irqs = [33]
kernel_log = true
[domain.worker]
program = "worker"
memory_kib = 512
heap_kib = 64
log = true
peers.CONSOLE = { domain = "console", badge = 2 }
signals.EVENTS = { domain = "console", badge = 16 }
session.SESSION = { domain = "console" }
pci = "00:02.0"
[template.vmm]
program = "vmm"
memory_kib = 2048
threads = 3
slots = ["MEM"]
"""


def generate_manifest(tmp_path, text):
    source = tmp_path / "system.toml"
    source.write_text(text)
    return run("tools/gen_manifest.py", source, tmp_path)


def test_slots_do_not_overlap(tmp_path):
    done = generate_manifest(tmp_path, MANIFEST)
    assert done.returncode == 0, done.stderr
    for domain in ("console", "worker", "vmm"):
        text = (tmp_path / f"caps_{domain}.h").read_text()
        used = []
        for name, first, last in re.findall(r"#define CAP_(\w+) (\d+)u(?: /\* \.\. (\d+) \*/)?$", text, re.M):
            if not name.endswith("_COUNT") and name != "CSPACE_BITS":
                used += range(int(first), int(last or first) + 1)
        free = int(re.search(r"CAP_FIRST_FREE (\d+)u", text).group(1))
        assert len(used) == len(set(used)) and min(used) >= 16 and max(used) < free, domain
    assert "#define CAP_RINGS 256u /* .. 555 */" in (tmp_path / "caps_console.h").read_text()
    assert "#define CAP_FIRST_FREE 556u" in (tmp_path / "caps_console.h").read_text()


def test_tables_say_what_the_file_says(tmp_path):
    assert generate_manifest(tmp_path, MANIFEST).returncode == 0
    (tmp_path / "main.c").write_text(r"""
#include <stdio.h>
#include "manifest.h"
int main(void)
{
    const struct manifest_domain *c = &manifest_domains[DOMAIN_CONSOLE], *w = &manifest_domains[DOMAIN_WORKER];
    printf("%s %u %u %u %llx %u %u\n", c->name, c->rings, c->rings_slot, c->irqs[0],
           (unsigned long long)c->devices[0].base, c->devices[0].pages, c->pci == MANIFEST_NO_PCI);
    printf("%u %x %u %u %d\n", DOMAIN_COUNT, w->pci, w->peer_count, w->device_slots, w->log && !w->serves);
    for (unsigned i = 0; i < w->peer_count; i++)
        printf("%s %d %u %llu\n", w->peers[i].name, w->peers[i].kind, w->peers[i].domain,
               (unsigned long long)w->peers[i].badge);
    printf("%s %u %u\n", manifest_vmm.grants[0].name, manifest_vmm.grants[0].slot, manifest_vmm.max);
    printf("%u %u\n", manifest_vmm.thread_max, manifest_vmm.thread_slot);
    return 0;
}
""")
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{ABI}", f"-I{tmp_path}", "-o", tmp_path / "main",
                    tmp_path / "main.c", tmp_path / "manifest.c"], check=True)
    lines = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines == ["console 300 256 33 9000000 1 1", "3 10 3 7 1", "CONSOLE 0 1 2", "EVENTS 1 1 16", "SESSION 2 1 0",
                     "MEM 16 16", "3 17"]


def test_mistaking_a_kind_for_a_slot_does_not_compile(tmp_path):
    assert generate_manifest(tmp_path, MANIFEST).returncode == 0
    (tmp_path / "main.c").write_text('#include "caps_worker.h"\nint slot = CAP_IOSPACE;\n')
    done = subprocess.run(["gcc", "-c", f"-I{ABI}", f"-I{tmp_path}", "-o", tmp_path / "main.o", tmp_path / "main.c"],
                          capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "poisoned" in done.stderr


@pytest.mark.parametrize("old, new, complaint", [
    ("heap_kib = 64", "heap_kb = 64", "[domain.worker] heap_kb: there is no such key"),
    ("heap_kib = 64", 'heap_kib = "64"', "expected int, found str"),
    ("heap_kib = 64", "heap_kib = 63", "63 is not a multiple of 4"),
    ("heap_kib = 64", "heap_kib = 512", "does not hold heap_kib and stack_kib"),
    ("irqs = [33]", "irqs = [33, 33]", "33 belongs to console already"),
    ("irqs = [33]", "irqs = [31]", "not the INTID of an SPI"),
    ("size = 0x1000", "size = 0x1001", "multiples of 4 KiB"),
    ('session.SESSION = { domain = "console" }', 'session.SESSION = { domain = "worker" }', "worker does not serve"),
    ('domain = "console", badge = 2', 'domain = "consol", badge = 2', "there is no domain `consol`"),
    ('domain = "console", badge = 2', 'domain = "console"', "needs a badge above 0"),
    ('domain = "console", badge = 2', 'domain = "console", badge = 0x100', "are for log sessions"),
    ("badge = 16", "badge = 17", "a signal is one bit"),
    ("peers.CONSOLE", "peers.UNTYPED", "is a kind of object"),
    ("peers.CONSOLE", "peers.console", "cannot name a slot"),
    ("peers.CONSOLE", "peers.IRQ0", "two slots CAP_IRQ0"),
    ('pci = "00:02.0"', 'pci = "00:02.8"', "BUS:DEV.FN"),
    ("rings = 300", "rings = 1000", "fewer than 64 slots left"),
    ("kernel_log = true", "kernel_log = true\nself_map = 1", "expected bool, found int"),
    ('[template.vmm]', '[template.qemu]', "exactly one template"),
    ('memory_kib = 2048\nthreads', 'memory_kib = 1024\nthreads', "[template.vmm] memory_kib: a vmm is made from one piece of mem's: 2048"),
    ("[domain.init]", "[domain.first]", "must come first"),
    ("[domain.init]", "[[[", "system.toml"),
    ("heap_kib = 64\nlog = true", "kernel_log = true", "domain console has that already"),
])
def test_bad_manifest_is_refused_by_name(tmp_path, old, new, complaint):
    assert old in MANIFEST
    done = generate_manifest(tmp_path, MANIFEST.replace(old, new))
    assert done.returncode != 0
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


NETWORKS = """
[network.br0]
mode = "bridge"
uplink = true
[network.blue]
mode = "bridge"
uplink = true
vlan = 5
[network.nat0]
mode = "nat"
address = "10.0.3.1/24"
dhcp = ["10.0.3.100", "10.0.3.199"]
forwards = [{ proto = "tcp", port = 2222, to = "10.0.3.100", to_port = 22 }, { proto = "udp", port = 53, to = "10.0.3.7" }]
[network.lan]
mode = "route"
address = "192.168.7.1/26"
[router]
address = "10.0.2.200/24"
gateway = "10.0.2.2"
vlan = 5
"""


def test_table_of_networks_says_what_the_file_says(tmp_path):
    assert generate_manifest(tmp_path, MANIFEST + NETWORKS).returncode == 0
    (tmp_path / "main.c").write_text(r"""
#include <stdio.h>
#include "services/netdrv/networks.h"
int main(void)
{
    const struct networks_config *c = &networks_config;
    for (unsigned i = 0; i < c->network_count; i++)
        printf("%s %d %d %u %x %u %x %x\n", c->networks[i].name, c->networks[i].mode, c->networks[i].uplink,
               c->networks[i].vlan, c->networks[i].address, c->networks[i].prefix, c->networks[i].dhcp_first,
               c->networks[i].dhcp_last);
    for (unsigned i = 0; i < c->forward_count; i++)
        printf("%u %u %x %u\n", c->forwards[i].protocol, c->forwards[i].port, c->forwards[i].to, c->forwards[i].to_port);
    printf("%x %u %x %x %u\n", c->address, c->prefix, c->gateway, c->dns, c->vlan);
    return 0;
}
""")
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{TOP}", "-o", tmp_path / "main", tmp_path / "main.c",
                    tmp_path / "networks.c"], check=True)
    lines = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines == ["br0 0 1 0 0 0 0 0", "blue 0 1 5 0 0 0 0", "nat0 1 0 0 a000301 24 a000364 a0003c7",
                     "lan 2 0 0 c0a80701 26 0 0", "6 2222 a000364 22", "17 53 a000307 53", "a0002c8 24 a000202 0 5"]


def test_manifest_without_networks_is_one(tmp_path):
    assert generate_manifest(tmp_path, MANIFEST).returncode == 0
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{TOP}", "-c", "-o", tmp_path / "networks.o",
                    tmp_path / "networks.c"], check=True)


@pytest.mark.parametrize("old, new, complaint", [
    ('mode = "nat"', 'mode = "bridged"', "[network.nat0] mode: `bridged` is not one of bridge, nat, route"),
    ('mode = "nat"', "mode = 1", "expected str, found int"),
    ('mode = "nat"\n', "", "[network.nat0] mode: missing"),
    ('mode = "nat"', 'mode = "nat"\nuplink = true', "a network of mode nat has none"),
    ("[network.blue]", "[network.Blue]", "not a name"),
    ("uplink = true\nvlan = 5", "vlan = 5", "VLAN of the uplink, which this network does not have"),
    ("uplink = true\nvlan = 5", "uplink = true\nvlan = 4095", "4095 is not within 1..4094"),
    ("uplink = true\nvlan = 5", "uplink = true", "the uplink's untagged traffic belongs to [network.br0] already"),
    ("uplink = true\nvlan = 5", 'uplink = true\naddress = "10.0.9.1/24"', "a network of mode bridge has none"),
    ('address = "192.168.7.1/26"\n', "", "[network.lan] address: missing"),
    ("192.168.7.1/26", "192.168.7.1", "/32 is not within /8../30"),
    ("192.168.7.1/26", "192.168.7.0/26", "192.168.7.0 is no host's address"),
    ("192.168.7.1/26", "192.168.7/26", "is not an address with its prefix"),
    ("192.168.7.1/26", "10.0.3.250/26", "overlaps that of [network.nat0]"),
    ("192.168.7.1/26", "10.0.2.1/26", "overlaps that of [router]"),
    ('["10.0.3.100", "10.0.3.199"]', '["10.0.3.100"]', "expected [FIRST, LAST]"),
    ('["10.0.3.100", "10.0.3.199"]', '["10.0.3.100", "10.0.4.1"]', "10.0.4.1 is no host's address in 10.0.3.0/24"),
    ('["10.0.3.100", "10.0.3.199"]', '["10.0.3.100", "10.0.3.9"]', "10.0.3.100 is above 10.0.3.9"),
    ('["10.0.3.100", "10.0.3.199"]', '["10.0.3.1", "10.0.3.9"]', "10.0.3.1 is the network's own address"),
    ('proto = "udp", port = 53', 'proto = "tcp", port = 2222', "port 2222 is forwarded already"),
    ('proto = "udp"', 'proto = "icmp"', "proto `icmp` is not tcp or udp"),
    ("port = 53", "port = 65536", "port 65536 is not within 1..65535"),
    ('to = "10.0.3.7"', 'to = "10.0.9.7"', "10.0.9.7 is no host's address"),
    ('gateway = "10.0.2.2"', 'gateway = "10.0.3.2"', "[router] gateway: 10.0.3.2 is no host's address"),
    ('gateway = "10.0.2.2"\n', "", "[router] gateway: missing"),
    ('[router]\naddress = "10.0.2.200/24"\ngateway = "10.0.2.2"\nvlan = 5\n', "", "there is no [router]"),
])
def test_bad_network_is_refused_by_name(tmp_path, old, new, complaint):
    assert old in NETWORKS
    done = generate_manifest(tmp_path, MANIFEST + NETWORKS.replace(old, new))
    assert done.returncode != 0
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_two_callers_with_one_badge_are_refused(tmp_path):
    extra = '[domain.other]\nprogram = "o"\nmemory_kib = 512\npeers.CONSOLE = { domain = "console", badge = 2 }\n'
    done = generate_manifest(tmp_path, MANIFEST.replace("[template.vmm]", extra + "[template.vmm]"))
    assert done.returncode != 0 and "badge 0x2 at console is that of worker already" in done.stderr


# ---- idl/gen_rpc.py ---------------------------------------------------------------------------------


def generate_rpc(tmp_path, text):
    (tmp_path / "x.proto").write_text('syntax = "proto3";\npackage bh;\n' + text)
    return run("idl/gen_rpc.py", tmp_path / "x.proto", tmp_path)


def test_methods_are_numbered_in_order_and_documented(tmp_path):
    done = generate_rpc(tmp_path, "message A {}\nservice DiskThing {\n rpc NextLine (A) returns (A); // the next one\n"
                                  " rpc IOWait (A) returns (A);\n}\n")
    assert done.returncode == 0, done.stderr
    header = (tmp_path / "x_rpc.h").read_text()
    assert "DISK_THING_RPC_NEXT_LINE = 1,\n    DISK_THING_RPC_IO_WAIT = 2," in header
    assert "/* the next one */\nenum status disk_thing_rpc_next_line(slot_t endpoint, const bh_A *request" in header
    assert "void disk_thing_on_io_wait(struct rpc_call *call, const bh_A *request, bh_A *reply);" in header


@pytest.mark.parametrize("text, complaint", [
    ("message A {}\n", "there is no service"),
    ("message A {}\nservice S { rpc M (stream A) returns (A); }\n", "streams are not supported"),
    ("message A {}\nservice S {}\n", "has no methods"),
    ("message A {\n", "x.proto"),
    ("service S { rpc M (B) returns (B); }\n", '"B" is not defined'),
])
def test_bad_proto_is_refused(tmp_path, text, complaint):
    done = generate_rpc(tmp_path, text)
    assert done.returncode != 0
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
