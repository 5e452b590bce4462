#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""gen_xl_cfg.py - the tables of docs/xl-cfg.md, from the one in tools/bh/xlkeys.c

  tools/gen_xl_cfg.py [FILE]     rewrites what stands between the marks of FILE (docs/xl-cfg.md)

tests/system/test_xl_cfg.py fails when the page is not what this makes of it.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple, Optional

TOP = Path(__file__).resolve().parents[1]
SOURCE = TOP / "tools/bh/xlkeys.c"
PAGE = TOP / "docs/xl-cfg.md"


class Key(NamedTuple):
    name: str
    kind: str  # HERE, ONLY or NOWHERE
    values: Optional[list]
    text: str


def c_strings(text, macros):
    """What adjacent string literals and macros of such make together."""
    pieces = re.findall(r'"((?:[^"\\]|\\.)*)"|(\w+)', text)
    return "".join(macros[word] if word else literal.replace('\\"', '"') for literal, word in pieces)


def keys(source=None):
    """The rows of keys[], in their order."""
    text = (source or SOURCE).read_text(encoding="utf-8")
    macros = {}
    for name, value in re.findall(r"^#define (\w+)[ \t]+((?:.*\\\n)*.*)$", text, re.MULTILINE):
        macros[name] = c_strings(value.replace("\\\n", " "), macros) if '"' in value else value
    table = re.search(r"keys\[\] = \{\n(.*?)\n\};", text, re.DOTALL).group(1)
    table = re.sub(r"/\*.*?\*/", "", table, flags=re.DOTALL)
    rows = re.findall(r'\{"(\w+)", (HERE|ONLY|NOWHERE),\s*(NULL|"[^"]*"),\s*((?:"(?:[^"\\]|\\.)*"|[A-Z0-9_]+|\s)+)\}', table)
    assert len(rows) == table.count("{"), "a row is not understood"
    return [Key(name, kind, None if values == "NULL" else values.strip('"').split("|"), c_strings(why, macros))
            for name, kind, values, why in rows]


def rows_here(table):
    yield "| key | what it does |\n|---|---|"
    for key in table:
        if key.kind == "HERE":
            yield f"| `{key.name}` | {key.text} |"


def rows_only(table):
    yield "| key | accepted | why nothing else |\n|---|---|---|"
    for key in table:
        if key.kind == "ONLY":
            yield f"| `{key.name}` | {', '.join(f'`{v}`' for v in key.values)} | {key.text} |"


def rows_nowhere(table):
    """Keys with one reason share a row."""
    reasons = {}
    for key in table:
        if key.kind == "NOWHERE":
            reasons.setdefault(key.text, []).append(key.name)
    yield "| keys | why not |\n|---|---|"
    for why, names in reasons.items():
        yield f"| {', '.join(f'`{n}`' for n in names)} | {why} |"


def page(text, table):
    """The page with its tables as they have to be."""
    for mark, rows in (("here", rows_here), ("only", rows_only), ("nowhere", rows_nowhere)):
        made = "\n".join(rows(table))
        text, count = re.subn(rf"(<!-- keys {mark} -->\n).*?(\n<!-- end -->)", lambda m, made=made: m[1] + made + m[2],
                              text, flags=re.DOTALL)
        assert count == 1, f"no mark <!-- keys {mark} -->"
    return text


def main():
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    path.write_text(page(path.read_text(encoding="utf-8"), keys()), encoding="utf-8")


if __name__ == "__main__":
    main()
