#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""gen_man.py - the manual page of bh, from its own table of verbs

usage: gen_man.py BH > docs/bh.1

tests/system/test_bh_help.py compares docs/bh.1 with what this writes.
"""

import json
import subprocess
import sys

HEAD = r""".\" SPDX-License-Identifier: BSD-2-Clause
.\" Made by tools/gen_man.py of what `bh help --json` says.
.TH BH 1 "" "Bulkhead" "Bulkhead"
.SH NAME
bh \- run machines with the Bulkhead hypervisor, and manage their VMs
.SH SYNOPSIS
.B bh
.I VERB
.RI [ OPTION ...]
.RI [ ARGUMENT ...]
.br
.B bh help
.RI [ VERB ]
.br
.B bh \-\-version
.SH DESCRIPTION
.B bh run
boots a machine: QEMU with Bulkhead, and the VMs of the xl.cfg files that it is given.
The other verbs talk to a machine that runs, over its management channel.
Verbs and options are those of
.BR xl (1)
where it has them; some of
.BR virsh (1)
are aliases.
.PP
A VM is named by its name, its id, or its UUID.
Options may also stand in front of the verb.
"""

TAIL = r"""
.SH EXIT STATUS
.TP
.B 0
Done.
.TP
.B 1
Refused: by the machine, or because a file is not as it has to be.
.TP
.B 2
Usage.
.TP
.B 69
There is no such machine, or it ended meanwhile.
.TP
.B 76
The machine speaks another version of the protocol.
.TP
.B 124
No answer, or not done, in time.
.TP
.B 128 + N
Signal N came.
.PP
Those of
.B bh run
are in docs/manual.md.
.SH JSON
With
.B \-\-json
each verb says one JSON value on stdout (verbs that go on, as
.BR "dmesg \-f" ,
one a line), and errors as {"error":{"status":WORD,"text":TEXT}} on stderr.
docs/json.md has the members.
.SH ENVIRONMENT
.TP
.B BULKHEAD_MACHINE
The machine that is meant when
.B \-\-machine
is not given.
.TP
.B XDG_RUNTIME_DIR
Sockets of machines are in its directory
.IR bulkhead ;
without it in
.IR /tmp/bulkhead\-UID .
.SH SEE ALSO
.BR xl (1),
.BR xl.cfg (5),
.BR qemu-system-aarch64 (1);
docs/manual.md, docs/management.md, docs/json.md.
"""


def escape(text):
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return r"\&" + text if text[:1] in ".'" else text


def option_lines(option):
    letter = rf"\fB\-{option['letter']}\fR, " if option["letter"] else ""
    argument = rf" \fI{escape(option['argument'])}\fR" if option["argument"] else ""
    return [".TP", rf"{letter}\fB{escape('--' + option['name'])}\fR{argument}", escape(option["help"])]


def verb_lines(verb, common):
    arguments = f" {escape(verb['arguments'])}" if verb["arguments"] else ""
    lines = [".SS " + rf"""\fB{escape(verb['name'])}\fR{arguments}""", escape(verb["summary"][0].upper() + verb["summary"][1:] + ".")]
    if verb["aliases"]:
        lines += [".PP", "Also known as: " + ", ".join(rf"\fB{escape(a)}\fR" for a in verb["aliases"]) + "."]
    if verb["text"]:
        lines += [".PP", escape(verb["text"])]
    for option in verb["options"]:
        if option["name"] not in common:
            lines += option_lines(option)
    return lines


def common_options(verbs):
    """Those that every verb has, and those that all verbs have that talk to a machine."""
    of_all = [o for o in verbs[0]["options"] if all(o in v["options"] for v in verbs)]
    machine = [o for v in verbs if v["name"] == "list" for o in v["options"] if o["name"] in ("machine", "timeout")]
    return of_all, machine


def main(argv):
    if len(argv) != 2:
        sys.exit(__doc__.split("\n\n")[1])
    verbs = json.loads(subprocess.run([argv[1], "help", "--json"], check=True, capture_output=True, text=True).stdout)["verbs"]
    of_all, machine = common_options(verbs)
    lines = [".SH OPTIONS", "Every verb has:"]
    for option in of_all:
        lines += option_lines(option)
    lines += [".PP", "Verbs that talk to a machine have:"]
    for option in machine:
        lines += option_lines(option)
    group = None
    for verb in verbs:
        if verb["group"] != group:
            group = verb["group"]
            lines.append(f'.SH "{escape(group.upper())}"')
        has_machine = all(o in verb["options"] for o in machine)
        lines += verb_lines(verb, {o["name"] for o in of_all + (machine if has_machine else [])})
    print(HEAD + "\n".join(lines) + TAIL.rstrip())


if __name__ == "__main__":
    main(sys.argv)
