#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""gen_manifest.py - judge system/bulkhead.toml and turn it into C

usage: gen_manifest.py BULKHEAD_TOML OUTDIR

Writes OUTDIR/caps_DOMAIN.h (the slots of each service's CSpace), OUTDIR/manifest.h and manifest.c (the tables that
init boots from), OUTDIR/networks.c (netdrv's table of networks, services/netdrv/networks.h).  The keys are explained at
the beginning of bulkhead.toml.

Always true: what is generated has been judged - no unknown key, no two owners of a device or an interrupt, no
peer that does not serve, no two sessions with one badge.  A domain's number is its place in the file; init is 0.
Slots: single ones and ranges from SLOT_PEERS up; ranges that would reach SLOT_FREE begin there instead, and the first
slot that a service may use by itself (first_free) follows them.
"""
import ipaddress
import os
import re
import sys

try:
    import tomllib
except ImportError:  # Python before 3.11
    import tomli as tomllib

PAGE = 4096
SLOT_PEERS, SLOT_FREE = 16, 256  # lib/abi/abi.h
PCPUS_MAX = 16
POOL_MAX = 16  # BOOT_UNTYPED_MAX
THREADS_MAX = 15  # VCPU_INDEX_MAX - 1
PCI_REGIONS = 7  # config page and up to six BARs
RINGS_MAX = (0x18000000 - 0x11000000) // PAGE
PERSIST_MAX = (0x11000000 - 0x10100000) // PAGE
HEAP_MAX_KIB = (0x0E000000 - 0x0C000000) // 1024
DEVICE_STEP = 0x100000
DEFAULT_STACK_KIB = 32
DEFAULT_CSPACE_BITS = 10
DEFAULT_WEIGHT = 256
LOG_BADGE = 0x100  # + domain number (console.proto)
FAULT_BADGE = 0x1000
KINDS = ("NONE UNTYPED CSPACE ASPACE FRAME VCPU ENDPOINT NOTIFICATION SC DISPATCHER IRQ IOSPACE CONTROL LOG "
         "KIND_COUNT").split()  # enum cap_kind: no slot may be called that

DOMAIN_KEYS = {
    "program": str, "memory_kib": int, "heap_kib": int, "stack_kib": int, "cspace_bits": int, "weight": int,
    "pcpu": int, "serves": bool, "log": bool, "peers": dict, "signals": dict, "session": dict, "rings": int,
    "persist": int, "devices": list, "irqs": list, "pci": str, "self_map": bool, "dispatchers": bool, "pool": bool,
    "kernel_log": bool, "keep_cspace": bool, "test_hooks": bool,
}
TEMPLATE_KEYS = {
    "program": str, "memory_kib": int, "heap_kib": int, "stack_kib": int, "cspace_bits": int, "weight": int,
    "log": bool, "max": int, "slots": list, "threads": int,
}
FLAGS = ("serves", "log", "self_map", "dispatchers", "pool", "kernel_log", "keep_cspace", "test_hooks")


class ManifestError(Exception):
    """What is wrong in the manifest; the file's name is added at the end."""


class Slots:
    """Gives out the slots of one CSpace."""

    def __init__(self, where):
        self.where, self.next_single, self.next_range = where, SLOT_PEERS, SLOT_FREE
        self.names = {}  # name -> (slot, count), in order

    def take(self, name, count=1):
        if not re.match(r"[A-Z][A-Z0-9_]*$", name):
            raise ManifestError(f"{self.where}: `{name}` cannot name a slot (capitals, digits, underscores)")
        if name in KINDS:
            raise ManifestError(f"{self.where}: CAP_{name} is a kind of object: choose another name")
        if name in self.names:
            raise ManifestError(f"{self.where}: there are two slots CAP_{name}")
        if count <= SLOT_FREE - self.next_single:
            slot = self.next_single
            self.next_single += count
        elif count > 1:
            slot = self.next_range
            self.next_range += count
        else:
            raise ManifestError(f"{self.where}: no slot left below SLOT_FREE for CAP_{name}")
        self.names[name] = (slot, count)
        return slot


class Domain:
    """One [domain.NAME] or [template.NAME]: its judged values and its slots."""

    def __init__(self, name, table, number, is_template):
        self.name, self.table, self.number = name, table, number
        self.where = f"[{'template' if is_template else 'domain'}.{name}]"
        self.is_init = not is_template and name == "init"
        self.check_keys(TEMPLATE_KEYS if is_template else DOMAIN_KEYS)
        self.slots = Slots(self.where)
        self.read_sizes()
        self.flags = {flag: table.get(flag, flag == "self_map") for flag in FLAGS}
        self.flags["serves"] |= self.is_init or is_template
        self.weight = self.number_of("weight", DEFAULT_WEIGHT, 1, 65536)
        self.pcpu = self.number_of("pcpu", 0, 0, PCPUS_MAX - 1)
        self.rings = self.number_of("rings", 0, 0, RINGS_MAX)
        self.persist = self.number_of("persist", 0, 0, PERSIST_MAX)
        self.devices, self.irqs, self.pci, self.peers = [], [], None, []

    def fail(self, key, text):
        raise ManifestError(f"{self.where} {key}: {text}")

    def check_keys(self, known):
        if not isinstance(self.table, dict):
            raise ManifestError(f"{self.where}: expected a table")
        if not re.match(r"[a-z][a-z0-9_]{0,30}$", self.name):
            raise ManifestError(f"{self.where}: not a name (small letters, digits, underscores, at most 31)")
        for key, value in self.table.items():
            if key not in known:
                self.fail(key, "there is no such key")
            if type(value) is not known[key]:
                self.fail(key, f"expected {known[key].__name__}, found {type(value).__name__}")
        self.program = self.table.get("program") or self.fail("program", "missing")
        if not re.match(r"[a-z][a-z0-9_-]{0,38}$", self.program):
            self.fail("program", f"`{self.program}` cannot be the name of a program")

    def number_of(self, key, default, least, most):
        value = self.table.get(key, default)
        if value is None:
            self.fail(key, "missing")
        if not least <= value <= most:
            self.fail(key, f"{value} is not within {least}..{most}")
        return value

    def read_sizes(self):
        self.memory_kib = self.number_of("memory_kib", None, 0 if self.is_init else 64, 1 << 22)
        self.heap_kib = self.number_of("heap_kib", 0, 0, HEAP_MAX_KIB)
        self.stack_kib = self.number_of("stack_kib", DEFAULT_STACK_KIB, 4, 8192)
        self.cspace_bits = self.number_of("cspace_bits", 13 if self.is_init else DEFAULT_CSPACE_BITS, 9, 16)
        for key, value in (("memory_kib", self.memory_kib), ("heap_kib", self.heap_kib), ("stack_kib", self.stack_kib)):
            if value % 4:
                self.fail(key, f"{value} is not a multiple of 4 (a page)")
        if not self.is_init and self.heap_kib + self.stack_kib >= self.memory_kib:
            self.fail("memory_kib", f"{self.memory_kib} does not hold heap_kib and stack_kib")

    def read_peers(self, domains):
        for key, kind in (("peers", "CALL"), ("signals", "SIGNAL"), ("session", "SESSION")):
            for name, value in self.table.get(key, {}).items():
                self.read_peer(f"{key}.{name}", name, kind, value, domains)

    def read_peer(self, key, name, kind, value, domains):
        if not isinstance(value, dict) or not isinstance(value.get("domain"), str):
            self.fail(key, 'expected { domain = "NAME", ... }')
        allowed = {"domain"} if kind == "SESSION" else {"domain", "badge"}
        for extra in set(value) - allowed:
            self.fail(key, f"there is no `{extra}` here")
        peer = domains.get(value["domain"]) or self.fail(key, f"there is no domain `{value['domain']}`")
        badge = value.get("badge", 0)
        if kind != "SESSION" and (type(badge) is not int or not 0 < badge < 1 << 63):
            self.fail(key, "needs a badge above 0")
        if kind != "SIGNAL" and not peer.flags["serves"]:
            self.fail(key, f"domain {peer.name} does not serve")
        if kind == "CALL" and badge >= LOG_BADGE:
            self.fail(key, f"badges from {LOG_BADGE:#x} up are for log sessions, VMs and faults")
        if kind == "SIGNAL" and badge & (badge - 1):
            self.fail(key, f"badge {badge:#x}: a signal is one bit")
        self.peers.append((name, self.slots.take(name), peer, kind, badge))

    def read_hardware(self):
        for i, device in enumerate(self.table.get("devices", [])):
            self.read_device(f"devices[{i}]", device)
        for i, irq in enumerate(self.table.get("irqs", [])):
            if type(irq) is not int or not 32 <= irq <= 1019:
                self.fail(f"irqs[{i}]", f"{irq} is not the INTID of an SPI (32..1019)")
            self.irqs.append(irq)
        if "pci" in self.table:
            m = re.match(r"([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-7])$", self.table["pci"])
            if not m or int(m.group(2), 16) > 31:
                self.fail("pci", f'`{self.table["pci"]}` is not "BUS:DEV.FN" in hexadecimal')
            self.pci = int(m.group(1), 16) << 8 | int(m.group(2), 16) << 3 | int(m.group(3))

    def read_device(self, key, device):
        if not isinstance(device, dict) or set(device) != {"base", "size"}:
            self.fail(key, "expected { base = ..., size = ... }")
        base, size = device["base"], device["size"]
        if type(base) is not int or type(size) is not int or base < 0 or base % PAGE or size % PAGE:
            self.fail(key, "base and size must be multiples of 4 KiB")
        if not 0 < size <= DEVICE_STEP or base + size > 1 << 39:
            self.fail(key, "size must be within 4 KiB..1 MiB, below 1 << 39")
        self.devices.append((base, size))

    def place(self):
        """Give a slot to all that is not a peer, and see that the CSpace is large enough."""
        s = self.slots
        self.iospace_slot = s.take("IOSPACE0") if self.pci is not None else 0
        self.log_slot = s.take("KERNEL_LOG") if self.flags["kernel_log"] else 0
        has_pci = self.pci is not None
        irq_count = len(self.irqs) + has_pci
        self.irq_slot = s.take("IRQ0", irq_count) if irq_count else 0
        self.device_slots = len(self.devices) + (PCI_REGIONS if has_pci else 0)
        self.device_slot = s.take("DEVICE0", self.device_slots) if self.device_slots else 0
        self.dispatcher_slot = s.take("DISPATCHER0", PCPUS_MAX) if self.flags["dispatchers"] else 0
        self.pool_slot = s.take("POOL0", POOL_MAX) if self.flags["pool"] else 0
        self.rings_slot = s.take("RINGS", self.rings) if self.rings else 0
        self.first_free = s.next_range
        if self.first_free + 64 > 1 << self.cspace_bits:
            self.fail("cspace_bits", f"{self.cspace_bits}: fewer than 64 slots left from {self.first_free} up")


MEM_PIECE_KIB = 2048


class Template(Domain):
    """A domain of which init makes one for each VM; `slots` are granted by the toolstack."""

    def __init__(self, name, table):
        super().__init__(name, table, 0, True)
        self.max = self.number_of("max", 16, 1, 256)
        if self.memory_kib != MEM_PIECE_KIB:
            self.fail("memory_kib", f"a vmm is made from one piece of mem's: {MEM_PIECE_KIB}")
        self.grants = []
        for slot in table.get("slots", []):
            if not isinstance(slot, str):
                self.fail("slots", "expected names")
            self.grants.append((slot, self.slots.take(slot)))
        self.threads = self.number_of("threads", 0, 0, THREADS_MAX)
        self.thread_slot = self.slots.take("THREAD0", self.threads) if self.threads else 0


# ---- networks --------------------------------------------------------------------------------------

NETWORK_KEYS = {"mode": str, "uplink": bool, "vlan": int, "address": str, "dhcp": list, "forwards": list}
ROUTER_KEYS = {"address": str, "gateway": str, "dns": str, "vlan": int}
NETWORK_MODES = ("bridge", "nat", "route")
NETWORKS_MAX = 16
ROUTED_MAX = 8  # ROUTE_NETWORKS in services/netdrv/route.h
FORWARDS_MAX = 32  # NAT_FORWARDS in services/netdrv/nat.h, of all networks
PROTOCOLS = {"tcp": 6, "udp": 17}


class Table:
    """A table with addresses in it."""

    def __init__(self, where, table, known):
        self.where, self.table = where, table
        if not isinstance(table, dict):
            raise ManifestError(f"{where}: expected a table")
        for key, value in table.items():
            if key not in known:
                self.fail(key, "there is no such key")
            if type(value) is not known[key]:
                self.fail(key, f"expected {known[key].__name__}, found {type(value).__name__}")

    def fail(self, key, text):
        raise ManifestError(f"{self.where} {key}: {text}")

    def needed(self, key):
        return self.table.get(key) or self.fail(key, "missing")

    def read_vlan(self):
        self.vlan = self.table.get("vlan", 0)
        if "vlan" in self.table and not 1 <= self.vlan <= 4094:
            self.fail("vlan", f"{self.vlan} is not within 1..4094")

    def interface_of(self, key):
        """A host's address with its network: "10.0.3.1/24"."""
        text = self.needed(key)
        try:
            interface = ipaddress.IPv4Interface(text)
        except ValueError:
            self.fail(key, f'`{text}` is not an address with its prefix, as "10.0.3.1/24"')
        if not 8 <= interface.network.prefixlen <= 30:
            self.fail(key, f"/{interface.network.prefixlen} is not within /8../30")
        self.check_host(key, interface.ip, interface.network)
        return interface

    def address_of(self, key, text, network=None):
        try:
            address = ipaddress.IPv4Address(text)
        except ValueError:
            self.fail(key, f"`{text}` is not an IPv4 address")
        if network:
            self.check_host(key, address, network)
        return address

    def check_host(self, key, address, network):
        if address not in network or address in (network.network_address, network.broadcast_address):
            self.fail(key, f"{address} is no host's address in {network}")


class Router(Table):
    """[router]: where networks of mode nat and route meet the outside."""

    def __init__(self, table):
        super().__init__("[router]", table, ROUTER_KEYS)
        self.address = self.interface_of("address")
        self.gateway = self.address_of("gateway", self.needed("gateway"), self.address.network)
        if self.gateway == self.address.ip:
            self.fail("gateway", f"{self.gateway} is the router's own address")
        self.dns = self.address_of("dns", table["dns"]) if "dns" in table else None
        self.read_vlan()


class Network(Table):
    """One [network.NAME], judged."""

    def __init__(self, name, table):
        super().__init__(f"[network.{name}]", table, NETWORK_KEYS)
        if not re.match(r"[a-z][a-z0-9_-]{0,11}$", name):  # bh.Vif.bridge in idl/vm.options
            raise ManifestError(f"{self.where}: not a name (small letters, digits, `_`, `-`, at most 12)")
        self.name, self.mode = name, self.needed("mode")
        if self.mode not in NETWORK_MODES:
            self.fail("mode", f"`{self.mode}` is not one of {', '.join(NETWORK_MODES)}")
        self.uplink = table.get("uplink", False)
        self.address = self.dhcp = None
        self.forwards = []
        self.read_vlan()
        for key in ("address", "dhcp", "forwards") if self.mode == "bridge" else ("uplink", "vlan"):
            if key in table:
                self.fail(key, f"a network of mode {self.mode} has none")
        if self.vlan and not self.uplink:
            self.fail("vlan", "it is a VLAN of the uplink, which this network does not have")
        if self.mode != "bridge":
            self.read_addresses()

    def read_addresses(self):
        self.address = self.interface_of("address")
        if "dhcp" in self.table:
            self.read_dhcp(self.address.network)
        if "forwards" in self.table and self.mode != "nat":
            self.fail("forwards", "only a network of mode nat forwards ports")
        for i, forward in enumerate(self.table.get("forwards", [])):
            self.read_forward(f"forwards[{i}]", forward, self.address.network)

    def read_dhcp(self, inside):
        value = self.table["dhcp"]
        if len(value) != 2:
            self.fail("dhcp", "expected [FIRST, LAST]")
        first, last = (self.address_of("dhcp", text, inside) for text in value)
        if first > last:
            self.fail("dhcp", f"{first} is above {last}")
        if first <= self.address.ip <= last:
            self.fail("dhcp", f"{self.address.ip} is the network's own address")
        self.dhcp = (first, last)

    def read_forward(self, key, forward, inside):
        if not isinstance(forward, dict) or not {"proto", "port", "to"} <= set(forward) <= {"proto", "port", "to", "to_port"}:
            self.fail(key, 'expected { proto = "tcp" or "udp", port = N, to = "ADDRESS", to_port = N }')
        proto = PROTOCOLS.get(forward["proto"]) or self.fail(key, f"proto `{forward['proto']}` is not tcp or udp")
        ports = forward["port"], forward.get("to_port", forward["port"])
        for port in ports:
            if type(port) is not int or not 0 < port < 65536:
                self.fail(key, f"port {port} is not within 1..65535")
        to = self.address_of(key, forward["to"], inside)
        if to == self.address.ip:
            self.fail(key, f"{to} is the network's own address")
        self.forwards.append((proto, ports[0], to, ports[1]))


def check_bridges(networks):
    bridges = {}
    for n in networks:
        if n.uplink and bridges.setdefault(n.vlan, n) is not n:
            what = f"VLAN {n.vlan} of the uplink" if n.vlan else "the uplink's untagged traffic"
            n.fail("vlan", f"{what} belongs to {bridges[n.vlan].where} already")


def check_addresses(networks, router):
    """No two subnets overlap, outside included."""
    seen = [(router.where, router.address)] if router else []
    for n in (n for n in networks if n.address):
        for where, address in seen:
            if address.network.overlaps(n.address.network):
                n.fail("address", f"{n.address.network} overlaps that of {where}")
        seen.append((n.where, n.address))


def check_forwards(networks, router):
    owners = {}
    for n in networks:
        if n.forwards and not router:
            n.fail("forwards", "there is no [router]: nothing comes in from outside")
        for forward in n.forwards:
            if forward[:2] in owners:
                n.fail("forwards", f"port {forward[1]} is forwarded already, by {owners[forward[:2]]}")
            owners[forward[:2]] = n.where
    if len(owners) > FORWARDS_MAX:
        raise ManifestError(f"at most {FORWARDS_MAX} forwards")


def check_networks(networks, router):
    """No two networks share what only one can have."""
    if len(networks) > NETWORKS_MAX:
        raise ManifestError(f"at most {NETWORKS_MAX} networks")
    if sum(n.mode != "bridge" for n in networks) > ROUTED_MAX:
        raise ManifestError(f"at most {ROUTED_MAX} networks of mode nat or route")
    check_bridges(networks)
    check_addresses(networks, router)
    check_forwards(networks, router)


# ---- judgement of the whole -----------------------------------------------------------------------


def check_owners(domains):
    """No device page, interrupt, PCI function or unique duty has two owners."""
    irqs, pci, duties, pages = {}, {}, {}, []
    for d in domains:
        for irq in d.irqs:
            other = irqs.setdefault(irq, d)
            if other is not d or d.irqs.count(irq) > 1:
                d.fail("irqs", f"{irq} belongs to {other.name} already")
        if d.pci is not None and pci.setdefault(d.pci, d) is not d:
            d.fail("pci", f"{d.table['pci']} belongs to {pci[d.pci].name} already")
        for duty in ("dispatchers", "pool", "kernel_log"):
            if d.flags[duty] and duties.setdefault(duty, d) is not d:
                d.fail(duty, f"domain {duties[duty].name} has that already")
        for base, size in d.devices:
            for other, b, s in pages:
                if base < b + s and b < base + size:
                    d.fail("devices", f"{base:#x} belongs to {other.name} already")
            pages.append((d, base, size))


def check_sessions(domains):
    """A badge says who calls: two callers of one domain never have the same."""
    seen = {}
    for d in domains:
        for name, _, peer, kind, badge in d.peers:
            if kind == "SESSION":
                continue
            other = seen.setdefault((peer.name, kind, badge), d)
            if other is not d:
                d.fail(name, f"badge {badge:#x} at {peer.name} is that of {other.name} already")


def load(path):
    with open(path, "rb") as f:
        tree = tomllib.load(f)
    for key in tree:
        if key not in ("domain", "template", "network", "router"):
            raise ManifestError(f"[{key}]: expected [domain.NAME], [template.NAME], [network.NAME] and [router] only")
    tables = tree.get("domain", {})
    if next(iter(tables), None) != "init":
        raise ManifestError("[domain.init] must come first")
    if set(tree.get("template", {})) != {"vmm"}:
        raise ManifestError("expected exactly one template: [template.vmm]")
    domains = {name: Domain(name, table, i, False) for i, (name, table) in enumerate(tables.items())}
    if len(domains) > 64:
        raise ManifestError("at most 64 domains")
    if any(d.flags["log"] for d in domains.values()) and "console" not in domains:
        raise ManifestError("log = true needs a [domain.console]")
    for d in domains.values():
        d.read_peers(domains)
        d.read_hardware()
        d.place()
    vmm = Template("vmm", tree["template"]["vmm"])
    vmm.place()
    check_owners(domains.values())
    check_sessions(domains.values())
    networks = [Network(name, table) for name, table in tree.get("network", {}).items()]
    router = Router(tree["router"]) if "router" in tree else None
    check_networks(networks, router)
    return list(domains.values()), vmm, networks, router


# ---- C ---------------------------------------------------------------------------------------------

SPDX = "/* SPDX-License-Identifier: BSD-2-Clause */\n"
MADE = "Generated by tools/gen_manifest.py from system/bulkhead.toml."


def make_caps(d):
    guard = f"CAPS_{d.name.upper()}_H"
    out = [f"{SPDX}/* caps_{d.name}.h - the slots of {d.name}'s CSpace.  {MADE} */\n"]
    out.append(f'#ifndef {guard}\n#define {guard}\n\n#include "abi.h"\n\n')
    for name, (slot, count) in d.slots.names.items():
        note = f" /* .. {slot + count - 1} */" if count > 1 else ""
        out.append(f"#define CAP_{name} {slot}u{note}\n")
    for name in ("RINGS", "IRQ0", "DEVICE0", "DISPATCHER0", "POOL0", "THREAD0"):
        if name in d.slots.names:
            out.append(f"#define CAP_{name.rstrip('0')}_COUNT {d.slots.names[name][1]}u\n")
    out.append(f"#define CAP_FIRST_FREE {d.first_free}u /* the service's own slots, to the end of its CSpace */\n")
    out.append(f"#define CAP_CSPACE_BITS {d.cspace_bits}u\n")
    out.append(f"#define DOMAIN_HEAP_BYTES {d.heap_kib * 1024}u\n#define DOMAIN_RINGS {d.rings}u\n")
    out.append(f"#define DOMAIN_MEMORY_BYTES {d.memory_kib * 1024}u\n")
    out.append(f"#define DOMAIN_PERSIST {d.persist}u\n#define DOMAIN_TEST_HOOKS {int(d.flags['test_hooks'])}\n")
    if d.pci is not None:
        out.append(f"#define DOMAIN_STREAM {d.pci:#x}u /* its DMA, as the SMMU counts */\n")
        out.append(f"#define DOMAIN_PCI_DEVICE {len(d.devices)}u /* its config page is CAP_DEVICE0 + this; the BARs follow */\n")
        out.append(f"#define DOMAIN_PCI_IRQ {len(d.irqs)}u /* its INTx is CAP_IRQ0 + this */\n")
    mistaken = [k for name, k in (("IOSPACE0", "CAP_IOSPACE"), ("KERNEL_LOG", "CAP_LOG")) if name in d.slots.names]
    if mistaken:
        out.append(f"\n/* Those are kinds of object (abi.h); the slot is called otherwise. */\n#pragma GCC poison {' '.join(mistaken)}\n")
    return "".join(out) + "\n#endif\n"


HEADER = """#ifndef BH_MANIFEST_H
#define BH_MANIFEST_H

#include <stdbool.h>

#include "abi.h"

enum manifest_peer_kind {{
    PEER_CALL,    /* an Endpoint capability of `domain`, RIGHT_WRITE | RIGHT_GRANT, with this badge */
    PEER_SIGNAL,  /* RIGHT_WRITE on the events Notification of `domain`, with this badge */
    PEER_SESSION, /* as PEER_CALL without a badge: the holder mints sessions from it */
}};
struct manifest_peer {{
    const char *name; /* of its CAP_ constant */
    slot_t slot;
    uint32_t domain; /* index into manifest_domains */
    enum manifest_peer_kind kind;
    uint64_t badge;
}};
struct manifest_device {{
    uint64_t base;
    uint32_t pages; /* mapped at DEVICE_IPA + 1 MiB * index */
}};
#define MANIFEST_NO_PCI UINT32_MAX

/* Slot members are 0 where the domain has nothing of the kind. */
struct manifest_domain {{
    const char *name;
    const char *program;
    uint64_t memory_bytes; /* the Untyped that all of the domain is made from; init: 0 */
    uint64_t heap_bytes;   /* mapped at HEAP_IPA */
    uint64_t stack_bytes;  /* mapped below STACK_TOP_IPA */
    uint32_t cspace_bits;
    slot_t first_free; /* the first slot that the service uses by itself */
    uint32_t weight;
    uint32_t pcpu;
    bool serves;      /* SLOT_CONTROL: RIGHT_READ on its Endpoint */
    bool log;         /* SLOT_LOG: console session, badge MANIFEST_LOG_BADGE + domain number */
    bool self_map;    /* SLOT_ASPACE */
    bool dispatchers; /* dispatcher_slot + pCPU */
    bool pool;        /* pool_slot ..: what is left of RAM, without RIGHT_GRANT */
    bool kernel_log;  /* log_slot */
    bool keep_cspace; /* its CSpace outlives a restart */
    bool test_hooks;  /* it may misbehave when a test asks for it */
    uint32_t rings;   /* frames at RINGS_IPA, rw, capabilities from rings_slot on */
    uint32_t persist; /* frames at PERSIST_IPA, rw, kept over a restart */
    uint32_t pci;     /* bus << 8 | device << 3 | function = stream id, or MANIFEST_NO_PCI */
    uint32_t device_count;
    const struct manifest_device *devices;
    uint32_t irq_count;
    const uint32_t *irqs;
    uint32_t peer_count;
    const struct manifest_peer *peers;
    slot_t rings_slot;
    slot_t device_slot;    /* + i = device i; then PCI: the config page, then each memory BAR (its first Frame) */
    uint32_t device_slots; /* how many are reserved from device_slot on */
    slot_t irq_slot;       /* + i; then PCI: its INTx */
    slot_t iospace_slot;
    slot_t dispatcher_slot; /* MANIFEST_PCPUS_MAX of them */
    slot_t pool_slot;       /* MANIFEST_POOL_MAX of them */
    slot_t log_slot;
}};
struct manifest_grant {{
    const char *name;
    slot_t slot;
}};
/* What one domain is made for each VM of. */
struct manifest_template {{
    struct manifest_domain domain;
    uint32_t max; /* how many there can be at once */
    uint32_t grant_count;
    const struct manifest_grant *grants; /* slots that the toolstack fills */
    uint32_t thread_max; /* threads besides the first, one for each further vCPU of its VM */
    slot_t thread_slot;  /* + i: the i-th of them */
}};

#define MANIFEST_PCPUS_MAX {pcpus}u
#define MANIFEST_POOL_MAX {pool}u
#define MANIFEST_LOG_BADGE {log:#x}u    /* + domain number, at the console */
#define MANIFEST_FAULT_BADGE {fault:#x}u /* + domain number, at init */
#define MANIFEST_VMM_FAULT_BADGE {vmm_fault:#x}u /* + vm_id, at init */

"""


def make_header(domains):
    out = [f"{SPDX}/*\n * manifest.h - who exists, with what: the tables that init boots from\n *\n * {MADE}\n */\n"]
    out.append(HEADER.format(pcpus=PCPUS_MAX, pool=POOL_MAX, log=LOG_BADGE, fault=FAULT_BADGE, vmm_fault=2 * FAULT_BADGE))
    out.append("/* Domain numbers: indices into manifest_domains. */\nenum {\n")
    out += [f"    DOMAIN_{d.name.upper()} = {d.number},\n" for d in domains]
    out.append("    DOMAIN_COUNT\n};\n/* Their names, for whoever is not linked with the tables: the console. */\n")
    out.append("#define MANIFEST_DOMAIN_NAMES " + ", ".join(f'"{d.name}"' for d in domains) + "\n\n")
    out.append("extern const struct manifest_domain manifest_domains[DOMAIN_COUNT];\n")
    out.append("extern const struct manifest_template manifest_vmm;\n\n#endif\n")
    return "".join(out)


def array(kind, name, rows):
    if not rows:
        return "", "NULL"
    body = "".join(f"    {row},\n" for row in rows)
    return f"static const {kind} {name}[] = {{\n{body}}};\n", name


def make_arrays(d):
    """The arrays of one domain: their text, and the initialisers that refer to them."""
    devices, device_ref = array("struct manifest_device", f"{d.name}_devices",
                                [f"{{{base:#x}u, {size // PAGE}u}}" for base, size in d.devices])
    irqs, irq_ref = array("uint32_t", f"{d.name}_irqs", [f"{irq}u" for irq in d.irqs])
    peers, peer_ref = array("struct manifest_peer", f"{d.name}_peers",
                            [f'{{"{name}", {slot}u, DOMAIN_{peer.name.upper()}, PEER_{kind}, {badge:#x}u}}'
                             for name, slot, peer, kind, badge in d.peers])
    refs = [("device_count", len(d.devices)), ("devices", device_ref), ("irq_count", len(d.irqs)), ("irqs", irq_ref),
            ("peer_count", len(d.peers)), ("peers", peer_ref)]
    return devices + irqs + peers, refs


def make_fields(d, refs):
    fields = [("name", f'"{d.name}"'), ("program", f'"{d.program}"'), ("memory_bytes", d.memory_kib * 1024),
              ("heap_bytes", d.heap_kib * 1024), ("stack_bytes", d.stack_kib * 1024), ("cspace_bits", d.cspace_bits),
              ("first_free", d.first_free), ("weight", d.weight), ("pcpu", d.pcpu)]
    fields += [(flag, str(d.flags[flag]).lower()) for flag in FLAGS]
    fields += [("rings", d.rings), ("persist", d.persist),
               ("pci", "MANIFEST_NO_PCI" if d.pci is None else f"{d.pci:#x}")] + refs
    fields += [(key, getattr(d, key)) for key in ("rings_slot", "device_slot", "device_slots", "irq_slot", "iospace_slot",
                                                  "dispatcher_slot", "pool_slot", "log_slot")]
    return fields


def initialiser(fields, indent):
    return "".join(f"{indent}.{key} = {value}{'u' if type(value) is int else ''},\n" for key, value in fields)


def make_source(domains, vmm):
    out = [f"{SPDX}/* manifest.c - {MADE} */\n#include <stddef.h>\n\n#include \"manifest.h\"\n\n"]
    tables = []
    for d in domains:
        text, refs = make_arrays(d)
        out.append(text)
        tables.append(f"    [DOMAIN_{d.name.upper()}] =\n        {{\n{initialiser(make_fields(d, refs), ' ' * 12)}        }},\n")
    text, refs = make_arrays(vmm)
    grants, grant_ref = array("struct manifest_grant", "vmm_grants", [f'{{"{n}", {s}u}}' for n, s in vmm.grants])
    out.append(text + grants)
    out.append("\nconst struct manifest_domain manifest_domains[DOMAIN_COUNT] = {\n" + "".join(tables) + "};\n")
    out.append(f"\nconst struct manifest_template manifest_vmm = {{\n    .domain =\n        {{\n"
               f"{initialiser(make_fields(vmm, refs), ' ' * 12)}        }},\n"
               f"    .max = {vmm.max}u,\n    .grant_count = {len(vmm.grants)}u,\n    .grants = {grant_ref},\n"
               f"    .thread_max = {vmm.threads}u,\n    .thread_slot = {vmm.thread_slot}u,\n}};\n")
    return "".join(out)


def host(address):
    return f"{int(address):#x}u"


def make_network(n):
    fields = [("name", f'"{n.name}"'), ("mode", f"NETWORK_{n.mode.upper()}"), ("uplink", str(n.uplink).lower()),
              ("vlan", n.vlan)]
    if n.address:
        fields += [("address", host(n.address.ip)), ("prefix", n.address.network.prefixlen)]
    if n.dhcp:
        fields += [("dhcp_first", host(n.dhcp[0])), ("dhcp_last", host(n.dhcp[1]))]
    return f"    {{\n{initialiser(fields, ' ' * 8)}    }},\n"


def make_networks(networks, router):
    forwards = [f"{{{proto}, {port}, {host(to)}, {to_port}}}" for n in networks for proto, port, to, to_port in n.forwards]
    out = [f"{SPDX}/* networks.c - {MADE} */\n#include <stddef.h>\n\n#include \"services/netdrv/networks.h\"\n\n"]
    forwards_text, forwards_ref = array("struct network_forward", "forwards", forwards)
    if networks:
        rows = "".join(make_network(n) for n in networks)
        out.append(f"static const struct network_config networks[] = {{\n{rows}}};\n")
    fields = [("network_count", len(networks)), ("networks", "networks" if networks else "NULL"),
              ("forward_count", len(forwards)), ("forwards", forwards_ref)]
    if router:
        fields += [("address", host(router.address.ip)), ("prefix", router.address.network.prefixlen),
                   ("gateway", host(router.gateway)), ("dns", host(router.dns or 0)), ("vlan", router.vlan)]
    out.append(forwards_text + f"\nconst struct networks_config networks_config = {{\n{initialiser(fields, ' ' * 4)}}};\n")
    return "".join(out)


def write_if_changed(path, text):
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main(argv):
    if len(argv) != 3:
        sys.exit(__doc__.split("\n\n")[1])
    _, source, outdir = argv
    try:
        domains, vmm, networks, router = load(source)
    except (ManifestError, tomllib.TOMLDecodeError, OSError) as e:
        sys.exit(f"gen_manifest.py: {source}: {e}")
    os.makedirs(outdir, exist_ok=True)
    for d in domains[1:] + [vmm]:
        write_if_changed(os.path.join(outdir, f"caps_{d.name}.h"), make_caps(d))
    write_if_changed(os.path.join(outdir, "manifest.h"), make_header(domains))
    write_if_changed(os.path.join(outdir, "manifest.c"), make_source(domains, vmm))
    write_if_changed(os.path.join(outdir, "networks.c"), make_networks(networks, router))


if __name__ == "__main__":
    main(sys.argv)
