#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""gen_json.py - the replies of a service as JSON, for `bh --json`

usage: gen_json.py FILE.proto OUTDIR
       gen_json.py --docs FILE.proto       rows of the table "Types" in docs/json.md

Writes OUTDIR/FILE_json.h and FILE_json.c: SERVICE_json_MESSAGE() for each message that a reply of the service can hold
(tools/bh/json.h), and FILE_ENUM_word() for each enum.  Member names are the field's; every field is always there.  So
what is stable in the .proto (fields are only added) is stable in JSON.

    uuid, mac, ipv4, ipv6   as people write them         other bytes     hexadecimal digits
    enums                   in lower case, without their common prefix: MGMT_VM_RUNNING is "running"
    a message that is not there    null                  OMITTED fields  are not shown: they mean nothing outside
"""
import os
import re
import sys

from gen_rpc import ProtoError, load, snake, write, SPDX

OMITTED = {"VmConfig.seed", "VmConfig.vm_id", "VmConfig.ramdisk_ipa"}
PREFIX = "Mgmt"


def word_of(message):
    """MgmtVmInfo -> vm_info"""
    return snake(message.removeprefix(PREFIX))


class Schema:
    """The messages and enums of the .proto and of those that it imports."""

    def __init__(self, path):
        self.messages, self.enums, self.fixed = {}, {}, set()
        self.add(path)
        self.proto = load(path)

    def add(self, path):
        proto = load(path)
        self.messages.update({m.name: m for m in proto.message_type})
        self.enums.update({e.name: e for e in proto.enum_type})
        options = path.removesuffix(".proto") + ".options"
        with open(options, encoding="utf-8") as f:
            self.fixed.update(re.findall(r"^bh\.(\w+\.\w+) .*fixed_length:true", f.read(), re.MULTILINE))
        for name in proto.dependency:
            self.add(os.path.join(os.path.dirname(path), name))

    def reached(self):
        """Messages of replies and all that they hold, each behind what it holds."""
        found = []

        def visit(name):
            if name in found:
                return
            for field in self.messages[name].field:
                if field.type == field.TYPE_MESSAGE:
                    visit(type_of(field))
            found.append(name)

        for service in self.proto.service:
            for method in service.method:
                visit(method.output_type.rsplit(".", 1)[-1])
        return found


def type_of(field):
    return field.type_name.rsplit(".", 1)[-1]


def enum_words(enum):
    """[(C name, word)]: in lower case, without what all begin with."""
    names = [v.name for v in enum.value]
    prefix = os.path.commonprefix(names)
    prefix = prefix[: prefix.rfind("_") + 1]
    return [(f"bh_{enum.name}_{name}", name[len(prefix):].lower()) for name in names]


def emit(schema, message, field, key, at):
    """The C statement that says one value."""
    if field.type == field.TYPE_MESSAGE:
        return f"mgmt_json_{word_of(type_of(field))}(json, {key}, &{at});"
    if field.type == field.TYPE_ENUM:
        return f"json_text(json, {key}, {snake(type_of(field))}_word({at}));"
    if field.type == field.TYPE_STRING:
        return f"json_text(json, {key}, {at});"
    if field.type == field.TYPE_BOOL:
        return f"json_bool(json, {key}, {at});"
    if field.type == field.TYPE_BYTES:
        is_fixed = f"{message}.{field.name}" in schema.fixed
        value = f"{at}, sizeof({at})" if is_fixed else f"{at}.bytes, {at}.size"
        if field.name in ("uuid", "mac", "ipv6"):
            return f"json_{field.name}(json, {key}, {value});"
        return f"json_hex(json, {key}, {value}, 0, 0);"
    if field.name == "ipv4":
        return f"json_ipv4(json, {key}, {at});"
    return f"json_number(json, {key}, {at});"


def make_field(schema, message, field):
    key, at = f'"{field.name}"', f"m->{field.name}"
    if field.label == field.LABEL_REPEATED:
        one = emit(schema, message, field, "NULL", f"{at}[i]")
        return (f"    json_array(json, {key});\n    for (size_t i = 0; i < {at}_count; i++)\n        {one}\n"
                "    json_array_end(json);\n")
    one = emit(schema, message, field, key, at)
    if field.type == field.TYPE_MESSAGE:
        return f"    if (m->has_{field.name})\n        {one}\n    else\n        json_null(json, {key});\n"
    return f"    {one}\n"


def signature(message):
    return f"void mgmt_json_{word_of(message)}(struct json *json, const char *key, const bh_{message} *m)"


def make_message(schema, message):
    fields = [f for f in schema.messages[message].field if f"{message}.{f.name}" not in OMITTED]
    body = "".join(make_field(schema, message, field) for field in fields)
    unused = "" if fields else "    (void)m;\n"
    return f"{signature(message)}\n{{\n{unused}    json_object(json, key);\n{body}    json_object_end(json);\n}}\n\n"


def make_enum(enum):
    cases = "".join(f'    case {name}:\n        return "{word}";\n' for name, word in enum_words(enum))
    return (f"const char *{snake(enum.name)}_word(bh_{enum.name} value)\n{{\n    switch (value) {{\n{cases}    }}\n"
            '    return "unknown";\n}\n\n')


def make_header(schema, base):
    out = [f"{SPDX}/* {base}_json.h - replies as JSON.  Generated by idl/gen_json.py from idl/{base}.proto. */\n"]
    out.append(f"#ifndef {base.upper()}_JSON_H\n#define {base.upper()}_JSON_H\n\n")
    out.append(f'#include "{base}.pb.h"\n#include "tools/bh/json.h"\n\n')
    for enum in schema.enums.values():
        out.append(f"const char *{snake(enum.name)}_word(bh_{enum.name} value);\n")
    out.append("\n/* As an object. */\n")
    for message in schema.reached():
        out.append(f"{signature(message)};\n")
    return "".join(out) + "\n#endif\n"


def make_source(schema, base):
    out = [f"{SPDX}/* {base}_json.c - replies as JSON.  Generated by idl/gen_json.py from idl/{base}.proto. */\n"]
    out.append(f'#include "{base}_json.h"\n\n')
    out += [make_enum(enum) for enum in schema.enums.values()]
    out += [make_message(schema, message) for message in schema.reached()]
    return "".join(out)


def type_in_words(message, field):
    """What docs/json.md calls a field's type."""
    if field.type == field.TYPE_MESSAGE:
        word = type_of(field).removeprefix(PREFIX)
        return f"[{word}]" if field.label == field.LABEL_REPEATED else f"{word} or null"
    if field.type == field.TYPE_BOOL:
        word = "bool"
    elif field.name == "ipv6":
        word = "text or null"
    elif field.type in (field.TYPE_STRING, field.TYPE_BYTES, field.TYPE_ENUM) or field.name == "ipv4":
        word = "text"
    else:
        word = "number"
    return f"[{word}]" if field.label == field.LABEL_REPEATED else word


def make_docs(schema):
    rows = []
    for message in schema.reached():
        fields = [f for f in schema.messages[message].field if f"{message}.{f.name}" not in OMITTED]
        if any(f.name == "next" for f in fields) or message == "MgmtUploadReply":
            continue  # pieces of lists, and what no verb says
        members = ", ".join(f"{f.name}: {type_in_words(message, f)}" for f in fields)
        if members:
            rows.append(f"| `{message.removeprefix(PREFIX)}` | {members} |\n")
    for enum in schema.enums.values():
        rows.append(f"| a `{snake(enum.name.removeprefix(PREFIX))}` | " + ", ".join(w for _, w in enum_words(enum)) + " |\n")
    return "".join(rows)


def main(argv):
    if len(argv) == 3 and argv[1] == "--docs":
        sys.stdout.write(make_docs(Schema(argv[2])))
        return
    if len(argv) != 3:
        sys.exit(__doc__.split("\n\n")[1])
    _, source, outdir = argv
    base = os.path.splitext(os.path.basename(source))[0]
    try:
        schema = Schema(source)
    except (ProtoError, OSError) as e:
        sys.exit(f"gen_json.py: {e}")
    write(os.path.join(outdir, base + "_json.h"), make_header(schema, base))
    write(os.path.join(outdir, base + "_json.c"), make_source(schema, base))


if __name__ == "__main__":
    main(sys.argv)
