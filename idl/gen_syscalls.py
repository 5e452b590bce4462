#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""gen_syscalls.py - everything that follows from idl/syscalls.def

usage: gen_syscalls.py SYSCALLS_DEF OUTDIR ABI_MD

Writes OUTDIR/syscalls.h (numbers), sys.h and syscall_table.c (kernel), bh_syscalls.h (services), bh_hvc.h (guests),
and the manual ABI_MD.  The format of the input is described at its own beginning.

Always true: number 0 is no call; the `ipc` calls have the numbers from 1 up, so that the kernel's fast path
compares with small constants.  A file is only touched when its contents change.
"""
import os
import re
import sys

KINDS = ("untyped cspace aspace frame vcpu endpoint notification sc dispatcher irq iospace control log").split()
SLOT_ONLY = ("frame", "untyped")  # kinds whose state is in the capability itself
RIGHTS = {"r": "RIGHT_READ", "w": "RIGHT_WRITE", "x": "RIGHT_EXEC", "g": "RIGHT_GRANT"}
RIGHT_WORDS = {"r": "Read", "w": "Write", "x": "Exec", "g": "Grant"}
WIDTHS = {"u64": 64, "u32": 32, "u16": 16, "u8": 8}
ARGS_MAX = 7  # x1..x7
OUTS_MAX = 4  # x1..x4
HVC_BASE = 0xC6000000  # SMCCC: fast call, 64-bit, vendor-specific hypervisor service

SPDX = "/* SPDX-License-Identifier: BSD-2-Clause */\n"
NAME = re.compile(r"[a-z][a-z0-9_]*$")


class DefError(Exception):
    """What is wrong with the input, with its line."""


class Arg:
    """One argument: a capability (kind, rights, by slot or by object) or a plain number (width)."""

    def __init__(self, text, number):
        self.number = number  # its register: x<number>
        m = re.match(r"(slot\s+)?(\w+)\s*:\s*(\w+)(?:\[(\w*)\])?$", text)
        if not m:
            raise DefError(f"cannot read the argument `{text}`")
        self.by_slot, self.name, self.kind = bool(m.group(1)), m.group(2), m.group(3)
        self.rights = m.group(4)
        self.is_cap = self.rights is not None
        if not NAME.match(self.name) or self.name in ("self", "x", "out", "why"):
            raise DefError(f"`{self.name}` cannot be the name of an argument")
        if self.is_cap:
            self.check_cap()
        elif self.kind not in WIDTHS or self.by_slot:
            raise DefError(f"`{text}`: `{self.kind}` is neither a width nor a KIND[RIGHTS]")

    def check_cap(self):
        if self.kind not in KINDS:
            raise DefError(f"`{self.name}`: there is no kind `{self.kind}`")
        if self.kind in SLOT_ONLY and not self.by_slot:
            raise DefError(f"`{self.name}`: a {self.kind} must be taken as `slot`")
        if any(letter not in RIGHTS for letter in self.rights) or len(set(self.rights)) != len(self.rights):
            raise DefError(f"`{self.name}`: rights are letters of {' '.join(RIGHTS)}, once each")

    @property
    def handler_type(self):
        if not self.is_cap:
            return f"uint{WIDTHS[self.kind]}_t "
        return "struct slot *" if self.by_slot else f"struct {self.kind} *"

    @property
    def stub_type(self):
        return "slot_t " if self.is_cap else f"uint{WIDTHS[self.kind]}_t "

    @property
    def rights_mask(self):
        return " | ".join(RIGHTS[letter] for letter in self.rights) or "0"

    @property
    def manual(self):
        if not self.is_cap:
            return f"`{self.name}` {self.kind}"
        rights = "+".join(RIGHT_WORDS[letter] for letter in self.rights)
        return f"`{self.name}` {self.kind.capitalize()}" + (f" ({rights})" if rights else "")


class Call:
    def __init__(self, name, is_ipc, text, section):
        self.name, self.is_ipc, self.text, self.section = name, is_ipc, [text], section
        self.with_self, self.args, self.outs, self.number = False, [], [], 0


def parse_call(line, section):
    m = re.match(r"call\s+(\w+)\s*\(([^)]*)\)\s*(?:->\s*([\w\s,]*?))?\s*:\s+(.*)$", line)
    if not m:
        raise DefError("expected: call NAME ( ARG, ... ) -> OUT, ... : text")
    call = Call(m.group(1), False, m.group(4), section)
    words = [w.strip() for w in m.group(2).split(",") if w.strip()]
    if words and words[0] == "self":
        call.with_self = True
        words = words[1:]
    call.args = [Arg(word, i + 1) for i, word in enumerate(words)]
    call.outs = [w.strip() for w in (m.group(3) or "").split(",") if w.strip()]
    names = [a.name for a in call.args] + call.outs
    if len(set(names)) != len(names):
        raise DefError("two arguments or outs have the same name")
    if len(call.args) > ARGS_MAX or len(call.outs) > OUTS_MAX:
        raise DefError(f"at most {ARGS_MAX} arguments and {OUTS_MAX} outs")
    return call


def parse_ipc(line, section):
    m = re.match(r"ipc\s+(\w+)\s*:\s+(.*)$", line)
    if not m:
        raise DefError("expected: ipc NAME : text")
    if m.group(1) not in IPC_STUBS:
        raise DefError(f"`{m.group(1)}`: this generator knows no registers for it")
    return Call(m.group(1), True, m.group(2), section)


def parse_line(line, calls, section):
    """Add what one line says to `calls`; returns the section that it opens or continues."""
    if line.startswith("# ----"):
        return line.strip("#- ").strip()
    if not line or line.startswith("#"):
        return section
    if line.startswith("|"):
        if not calls:
            raise DefError("a further line before the first call")
        calls[-1].text.append(line[1:].strip())
        return section
    call = parse_call(line, section) if line.startswith("call ") else parse_ipc(line, section)
    if not NAME.match(call.name) or any(call.name == c.name for c in calls):
        raise DefError(f"`{call.name}`: not a name, or there is one already")
    calls.append(call)
    return section


def parse(path):
    calls, section = [], "calls"
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            try:
                section = parse_line(line.strip(), calls, section)
            except DefError as e:
                raise DefError(f"{path}:{number}: {e}") from None
    ordered = [c for c in calls if c.is_ipc] + [c for c in calls if not c.is_ipc]
    for number, call in enumerate(ordered, 1):
        call.number = number
    return calls, ordered


# ---- C -------------------------------------------------------------------------------------------


def banner(name, what):
    return f"{SPDX}/* {name} - {what}.  Generated by idl/gen_syscalls.py from idl/syscalls.def. */\n"


def make_numbers(ordered):
    out = [banner("syscalls.h", "the numbers of the kernel's calls")]
    out.append("#ifndef BH_SYSCALL_NUMBERS_H\n#define BH_SYSCALL_NUMBERS_H\n\nenum syscall {\n")
    out += [f"    SYS_{c.name} = {c.number},\n" for c in ordered]
    out.append("    SYS_COUNT\n};\n\n")
    ipc_last = max((c.number for c in ordered if c.is_ipc), default=0)
    out.append(f"#define SYS_IPC_LAST {ipc_last}u /* numbers 1..this are the ipc calls */\n")
    out.append(f"#define HVC_BASE {HVC_BASE:#x}u /* x0 of a guest's HVC: HVC_BASE | number */\n")
    out.append("\n#endif\n")
    return "".join(out)


def handler_args(call):
    args = ["struct vcpu *self"] if call.with_self else []
    args += [f"{a.handler_type}{a.name}" for a in call.args]
    args += ["uint64_t *out"] if call.outs else []
    return ", ".join(args) or "void"


def handler_of(call):
    """The ipc calls are decoded by hand: ipc.c's ipc_call() is endpoint_call, and so on."""
    return call.name.replace("endpoint_", "ipc_", 1) if call.is_ipc else f"decode_{call.name}"


def make_sys(ordered):
    out = [banner("sys.h", "what a handler of each call looks like; ipc_*() decode x0..x30 themselves")]
    out.append('#ifndef BH_SYS_H\n#define BH_SYS_H\n\n#include "abi.h"\n#include "syscalls.h"\n\nstruct slot;\n')
    out += [f"struct {kind};\n" for kind in KINDS if kind not in SLOT_ONLY]
    out.append("\n")
    for call in ordered:
        if call.is_ipc:
            out.append(f"enum status {handler_of(call)}(struct vcpu *self, uint64_t *x) BH_NODISCARD;\n")
            continue
        if call.outs:
            out.append("/* out: " + ", ".join(call.outs) + " */\n")
        out.append(f"enum status sys_{call.name}({handler_args(call)}) BH_NODISCARD;\n")
    out.append("\nextern enum status (*const syscall_table[SYS_COUNT])(struct vcpu *self, uint64_t *x);\n")
    out.append("extern const char *const syscall_names[SYS_COUNT];\n\n#endif\n")
    return "".join(out)


def decode_arg(call, arg):
    """The lines that judge one argument, and the expression that the handler gets."""
    n, number = arg.number, f"SYS_{call.name}"
    if not arg.is_cap:
        width = WIDTHS[arg.kind]
        if width == 64:
            return "", f"x[{n}]"
        lines = f"    if (x[{n}] > UINT{width}_MAX)\n        return refused(self, {number}, {n}, ERR_ARG);\n"
        return lines, f"(uint{width}_t)x[{n}]"
    slot = arg.name + "_slot"
    lines = f"    struct slot *{slot} = cap_lookup(self, x[{n}], CAP_{arg.kind.upper()}, {arg.rights_mask}, &why);\n"
    lines += f"    if (!{slot})\n        return refused(self, {number}, {n}, why);\n"
    return lines, slot if arg.by_slot else f"(struct {arg.kind} *)slot_object({slot})"


def make_decode(call):
    judged = [decode_arg(call, arg) for arg in call.args]
    values = (["self"] if call.with_self else []) + [v for _, v in judged] + (["out"] if call.outs else [])
    out = [f"\nstatic enum status decode_{call.name}(struct vcpu *self, uint64_t *x)\n{{\n"]
    if any(a.is_cap for a in call.args) or call.outs:
        out.append("    enum status why = ERR_CAP;\n")
    if call.outs:
        out.append(f"    uint64_t out[{len(call.outs)}] = {{0}};\n")
    out += [lines for lines, _ in judged]
    if not call.args and not call.with_self:
        out.append("    (void)self;\n    (void)x;\n")
    if not call.outs:
        out.append(f"    return sys_{call.name}({', '.join(values)});\n}}\n")
        return "".join(out)
    out.append(f"    why = sys_{call.name}({', '.join(values)});\n    if (why == OK) {{\n")
    out += [f"        x[{i + 1}] = out[{i}];\n" for i in range(len(call.outs))]
    out.append("    }\n    return why;\n}\n")
    return "".join(out)


TABLE_HEAD = """/*
 * Each decode_NAME() looks the capabilities up with the kind and the rights that syscalls.def declares, judges the
 * widths of the plain arguments, and calls sys_NAME().  x points at the caller's saved x0..x30; outs are
 * written only when the call succeeded.
 */
#include "kernel.h"

#include "sys.h"
"""


def make_table(ordered):
    calls = [c for c in ordered if not c.is_ipc]
    out = [banner("syscall_table.c", "look-up and judgement before each handler"), TABLE_HEAD]
    out += [make_decode(c) for c in calls]
    out.append("\nenum status (*const syscall_table[SYS_COUNT])(struct vcpu *self, uint64_t *x) = {\n")
    out += [f"    [SYS_{c.name}] = {handler_of(c)},\n" for c in ordered]
    out.append("};\n\nconst char *const syscall_names[SYS_COUNT] = {\n    [0] = \"none\",\n")
    out += [f'    [SYS_{c.name}] = "{c.name}",\n' for c in ordered]
    out.append("};\n")
    return "".join(out)


# What each ipc stub passes and takes: the C parameters; does it send, receive, name an endpoint and a deadline.
IPC_STUBS = {
    "endpoint_call": ("slot_t endpoint, uint64_t deadline, struct bh_msg *m", True, True, True),
    "endpoint_send": ("slot_t endpoint, uint64_t deadline, const struct bh_msg *m", True, False, True),
    "endpoint_recv": ("slot_t endpoint, uint64_t deadline, struct bh_msg *m", False, True, True),
    "endpoint_reply_recv": ("slot_t endpoint, uint64_t deadline, struct bh_msg *m", True, True, True),
    "endpoint_reply": ("const struct bh_msg *m", True, False, False),
    "endpoint_signal_reply_recv": ("slot_t endpoint, uint64_t deadline, slot_t notification, struct bh_msg *m", True, True, True),
}


def reg(n, value):
    return f'    register uint64_t x{n} __asm__("x{n}") = {value};\n'


def reg_empty(n):
    return f'    register uint64_t x{n} __asm__("x{n}");\n'


def asm_block(instruction, outputs, in_outs, inputs):
    outs = [f'"=r"(x{n})' for n in outputs]
    both = [f'"+r"(x{n})' for n in in_outs]
    ins = [f'"r"(x{n})' for n in inputs]
    return (f'    __asm__ volatile("{instruction} #0"\n                     : {", ".join(both + outs)}\n'
            f'                     : {", ".join(ins)}\n                     : "memory");\n')


def make_ipc_stub(call, prefix, instruction, base):
    params, sends, receives, waits = IPC_STUBS[call.name]
    out = [f"/* {call.text[0]} */\n", f"BH_NODISCARD static inline enum status {prefix}_{call.name}({params})\n{{\n"]
    out.append(reg(0, f"{base}SYS_{call.name}"))
    inputs = []
    if waits:
        out.append(reg(1, "endpoint"))
        inputs.append(1)
    elif receives:
        out.append(reg_empty(1))
    if sends:
        out.append(reg(2, "m->info"))
        out += [reg(3 + i, f"m->w[{i}]") for i in range(6)]
        inputs += range(2, 9)
    elif receives:
        out += [reg_empty(n) for n in range(2, 9)]
    if waits:
        out.append(reg(9, "deadline"))
        inputs.append(9)
    if "notification" in params:
        out.append(reg(10, "notification"))
        inputs.append(10)
    results = list(range(1, 9)) if receives else []
    out.append("\n")
    out.append(asm_block(instruction, [n for n in results if n not in inputs],
                         [0] + [n for n in results if n in inputs], [n for n in inputs if n not in results]))
    if receives:
        out.append("    m->badge = x1;\n    m->info = x2;\n")
        out += [f"    m->w[{i}] = x{3 + i};\n" for i in range(6)]
    out.append("    return (enum status)x0;\n}\n\n")
    return "".join(out)


def make_stub(call, prefix, instruction, base):
    params = [f"{a.stub_type}{a.name}" for a in call.args] + [f"uint64_t *{o}" for o in call.outs]
    out = [f"/* {call.text[0]} */\n"]
    out.append(f"BH_NODISCARD static inline enum status {prefix}_{call.name}({', '.join(params) or 'void'})\n{{\n")
    out.append(reg(0, f"{base}SYS_{call.name}"))
    out += [reg(a.number, a.name) for a in call.args]
    arg_regs, out_regs = [a.number for a in call.args], list(range(1, len(call.outs) + 1))
    out += [reg_empty(n) for n in out_regs if n not in arg_regs]
    out.append("\n")
    out.append(asm_block(instruction, [n for n in out_regs if n not in arg_regs],
                         [0] + [n for n in out_regs if n in arg_regs], [n for n in arg_regs if n not in out_regs]))
    out += [f"    *{name} = x0 == OK ? x{i + 1} : 0;\n" for i, name in enumerate(call.outs)]
    out.append("    return (enum status)x0;\n}\n\n")
    return "".join(out)


STUB_NOTE = """/*
 * The kernel keeps every register of the caller but x0 and those that carry results, so nothing else is
 * named as clobbered.  Outs may not be NULL; they are 0 when the call is refused.
 */
"""


def make_prototype(call, prefix):
    if call.is_ipc:
        params = IPC_STUBS[call.name][0]
    else:
        params = ", ".join([f"{a.stub_type}{a.name}" for a in call.args] + [f"uint64_t *{o}" for o in call.outs])
    return f"BH_NODISCARD enum status {prefix}_{call.name}({params or 'void'});\n"


def make_stubs(ordered, name, prefix, instruction, base, whom):
    guard = name.upper().replace(".", "_")
    out = [banner(name, f"the kernel's calls, for {whom}"), STUB_NOTE]
    out.append(f'#ifndef {guard}\n#define {guard}\n\n#include "abi.h"\n#include "syscalls.h"\n\n#ifdef __aarch64__\n\n')
    for call in ordered:
        make = make_ipc_stub if call.is_ipc else make_stub
        out.append(make(call, prefix, instruction, base))
    out.append("#else /* unit tests on the host write the ones that they need */\n\n")
    out += [make_prototype(call, prefix) for call in ordered]
    out.append("\n#endif\n#endif\n")
    return "".join(out)


# ---- the manual ----------------------------------------------------------------------------------


def enum_rows(header, marker):
    """(name, value, comment) of each constant in the enum of `header` whose text contains `marker`."""
    for body in re.findall(r"enum\s*\w*\s*\{(.*?)\};", header, re.S):
        if not re.search(rf"\b{marker}\b", body):
            continue
        rows = re.findall(r"(\w+)\s*=\s*(\d+)\s*,?\s*(?:/\*(.*?)\*/)?", body, re.S)
        return [(n, v, " ".join(c.split())) for n, v, c in rows]
    raise DefError(f"the ABI headers have no enum with {marker}")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |" for row in rows]
    return "\n".join(lines) + "\n\n"


MANUAL_HEAD = """# The kernel's interface

*Generated by idl/gen_syscalls.py from idl/syscalls.def and lib/abi/*.h: change those, not this page.*

A service (EL0) asks the kernel with `svc #0`, x0 holding the call's number; the typed stubs `bh_NAME()` are in
`build/gen/bh_syscalls.h`. A guest (EL1) asks the same with `hvc #0` and x0 = `0xC6000000 | number` (`hvc_NAME()` in
`build/gen/bh_hvc.h`); its CSpace is usually empty, and every other HVC goes to its vmm. Arguments are in x1 to x7 in
the order given here; a capability is named by its slot in the caller's CSpace. x0 returns the status, x1 to x4 what the
table calls *out*; the kernel keeps all other registers, the vector registers included. A call that is refused has
changed nothing, and a plain argument with more bits than its width is ERR_ARG.

"""

MANUAL_IPC = """## Messages

`endpoint_call`, `endpoint_send`, `endpoint_reply_recv`: x1 endpoint, x2 info, x3 to x8 words 0 to 5, x9 deadline.
`endpoint_recv`: x1 endpoint, x9 deadline. `endpoint_reply`: x2 info, x3 to x8 words. `endpoint_signal_reply_recv`: as
`endpoint_reply_recv`, and x10 the Notification (right W); if either capability is refused nothing has been done. What waits returns x1 the badge of the sender's
capability, x2 info, x3 to x8 words. A deadline is a CNTVCT value; all ones never comes, 0 only polls.

info: bits 0-2 words, 3-13 bytes, 14-16 capabilities, 17 signal (word 0 = the bits of the bound Notification), 18 exit (made by
the kernel for a vCPU), 32-63 label. The bytes (at most 1024) go from one IPC buffer's `data` to the other's, the capabilities
named in the sender's `caps` (at most 4) to the slots in the receiver's `recv_slots`; that needs Grant on the Endpoint.

"""


def call_row(call):
    if call.is_ipc:
        args = "registers above"
    else:
        args = ", ".join(a.manual for a in call.args) or "none"
    return (call.number, f"`{call.name}`", args, ", ".join(f"`{o}`" for o in call.outs) or "", "<br>".join(call.text))


def make_manual(calls, headers):
    out = [MANUAL_HEAD]
    out.append("## Statuses\n\n")
    out.append(table(("", "name", "meaning"), [(v, f"`{n}`", c) for n, v, c in enum_rows(headers, "ERR_CAP")]))
    out.append("## Kinds of object\n\n")
    kinds = [(v, f"`{n}`", c) for n, v, c in enum_rows(headers, "CAP_UNTYPED") if n != "CAP_NONE"]
    out.append(table(("", "name", ""), kinds))
    out.append("## Rights\n\n")
    out.append(table(("", "name", "allows"), [(v, f"`{n}`", c) for n, v, c in enum_rows(headers, "RIGHT_READ")]))
    out.append(MANUAL_IPC)
    out.append("## vCPU exits\n\nMessages (label, words) on the vCPU's exit Endpoint, and what the label of the reply does:\n\n")
    out.append(table(("label", "name", "words"), [(v, f"`{n}`", c) for n, v, c in enum_rows(headers, "EXIT_FAULT")]))
    out.append(table(("reply", "name", "effect"), [(v, f"`{n}`", c) for n, v, c in enum_rows(headers, "REPLY_DONE")]))
    for section in dict.fromkeys(c.section for c in calls):
        out.append(f"## Calls: {section}\n\n")
        rows = [call_row(c) for c in calls if c.section == section]
        out.append(table(("", "call", "arguments (rights needed)", "out", ""), rows))
    return "".join(out).rstrip() + "\n"


# ---- files ---------------------------------------------------------------------------------------


def write_if_changed(path, text):
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def read_headers():
    abi = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "abi")
    text = ""
    for name in ("status.h", "abi.h"):
        with open(os.path.join(abi, name), encoding="utf-8") as f:
            text += f.read()
    return text


def main(argv):
    if len(argv) != 4:
        sys.exit(__doc__.split("\n\n")[1])
    _, source, outdir, manual = argv
    try:
        calls, ordered = parse(source)
        texts = {
            os.path.join(outdir, "syscalls.h"): make_numbers(ordered),
            os.path.join(outdir, "sys.h"): make_sys(ordered),
            os.path.join(outdir, "syscall_table.c"): make_table(ordered),
            os.path.join(outdir, "bh_syscalls.h"): make_stubs(ordered, "bh_syscalls.h", "bh", "svc", "", "services"),
            os.path.join(outdir, "bh_hvc.h"): make_stubs(ordered, "bh_hvc.h", "hvc", "hvc", "HVC_BASE | ", "guests"),
            manual: make_manual(calls, read_headers()),
        }
    except (DefError, OSError) as e:
        sys.exit(f"gen_syscalls.py: {e}")
    os.makedirs(outdir, exist_ok=True)
    for path, text in texts.items():
        write_if_changed(path, text)


if __name__ == "__main__":
    main(sys.argv)
