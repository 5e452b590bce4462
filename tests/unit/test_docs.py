# SPDX-License-Identifier: BSD-2-Clause
"""The documents name files, functions, options, keys and verbs; this fails when one of them is gone.

Conventions of docs/tour.md and docs/journeys.md, checked here:

  `kernel/slot.c`     a path from the top: it must be there (below build/ it is generated, and is not looked for)
  `slot_revoke()`     a function: it must be defined in the file named last before it, in the same list item, table row
                      or paragraph, or in the file that the heading above names.  Assembly: a label or macro.
                      idl/*.def: a call.  idl/*.proto: an rpc.
  `VCPU_WFI`          an identifier: it must occur in the sources
  anything else       (with blanks, operators, ...) is prose

In the other documents paths are checked, and links everywhere.
"""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
WALKS = ["docs/tour.md", "docs/journeys.md"]
# design.md and style.md also speak of what is to come, and of examples.
PLANS = {"docs/design.md", "docs/style.md"}
SOURCE_DIRECTORIES = ["kernel", "services", "lib", "idl", "tools", "system", "guests", "mk"]
SOURCE_SUFFIXES = {".c", ".h", ".S", ".py", ".def", ".proto", ".options", ".toml", ".ld", ".mk", ".cfg"}

SPAN = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|c|h|S|py|toml|def|proto)|Makefile")
FUNCTION = re.compile(r"([A-Za-z_]\w*)\(\)")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def read(path):
    return (TOP / path).read_text(encoding="utf-8")


def documents():
    found = [TOP / "README.md", *(TOP / "docs").glob("**/*.md"), *(TOP / "services").glob("*/README.md")]
    return sorted(str(path.relative_to(TOP)) for path in found)


def own_documents():
    return [d for d in documents() if d not in PLANS]


def without_fences(text):
    """The text with code blocks emptied; line numbers stay."""
    return FENCE.sub(lambda m: "\n" * m.group().count("\n"), text)


def blocks(text):
    """Headings, paragraphs, list items and table rows: (line number, text)."""
    current, start = [], 1
    for number, line in enumerate(without_fences(text).splitlines(), 1):
        begins = not line.strip() or re.match(r"\s*(\d+\.|[-*])\s|\||#", line)
        if current and (begins or current[0].startswith("#")):
            yield start, "\n".join(current)
            current = []
        if line.strip():
            if not current:
                start = number
            current.append(line)
    if current:
        yield start, "\n".join(current)


# ---- what is defined where


def defines(path, name):
    """Is function `name` defined in this file?"""
    text = read(path)
    word = re.escape(name)
    suffix = Path(path).suffix
    if suffix == ".S":
        return re.search(rf"^(?:{word}:|\s*\.macro\s+{word}\b)", text, re.MULTILINE) is not None
    if suffix == ".py":
        return re.search(rf"^\s*def {word}\(", text, re.MULTILINE) is not None
    if suffix == ".def":
        return re.search(rf"^(?:call|ipc) {word}\b", text, re.MULTILINE) is not None
    if suffix == ".proto":
        return re.search(rf"^\s*rpc {word}\s*\(", text, re.MULTILINE) is not None
    # C: it begins at the left margin, and a body follows the parameters.
    text = re.sub(r"__attribute__\(\([^()]*(?:\([^()]*\))?[^()]*\)\)", "", text)
    definition = rf"^(?!\s|#|typedef\b)[^;{{}}()=]*?\b{word}\s*\([^;{{}}]*?\)\s*\{{"
    return re.search(definition, text, re.MULTILINE) is not None


_words = set()


def occurs(identifier):
    """Does the word stand anywhere in the sources?"""
    if not _words:
        for directory in SOURCE_DIRECTORIES:
            for path in (TOP / directory).glob("**/*"):
                if path.suffix in SOURCE_SUFFIXES and path.is_file():
                    _words.update(re.findall(r"[A-Za-z_]\w*", path.read_text(encoding="utf-8", errors="replace")))
    return identifier in _words


def is_generated(path):
    return path == "build" or path.startswith("build/")


def path_problem(path):
    if is_generated(path) or (TOP / path).exists():
        return None
    return f"there is no {path}"


# ---- the judges: a list of what is wrong


def judge_walk(text):
    """Every file, function and identifier that a tour or a journey names."""
    wrong = []
    heading = None
    for line, block in blocks(text):
        is_heading = block.startswith("#")
        path = None
        heading = None if is_heading else heading
        for span in SPAN.findall(block):
            problem = None
            if PATH.fullmatch(span):
                path = span
                problem = path_problem(path)
            elif FUNCTION.fullmatch(span):
                problem = function_problem(FUNCTION.fullmatch(span).group(1), [path, heading])
            elif IDENTIFIER.fullmatch(span) and not occurs(span):
                problem = f"`{span}` is nowhere in the sources"
            if problem:
                wrong.append(f"line {line}: {problem}")
        heading = path if is_heading else heading
    return wrong


def function_problem(name, paths):
    """None if one of these files (None: there is none) defines the function."""
    files = [path for path in paths if path and (TOP / path).is_file()]
    if not files:
        return f"{name}(): no file is named before it"
    if any(defines(path, name) for path in files):
        return None
    return f"{files[0]} does not define {name}()"


def judge_paths(text):
    """Paths from the top that a document names."""
    tops = tuple(f"{d}/" for d in [*SOURCE_DIRECTORIES, "docs", "tests"])
    wrong = []
    for line, block in blocks(text):
        for span in SPAN.findall(block):
            if span.startswith(tops) and PATH.fullmatch(span) and path_problem(span):
                wrong.append(f"line {line}: {path_problem(span)}")
    return wrong


def judge_names(directory, text):
    """Files that a service's README names without a path: its own, or a library's (caps_*.h are generated)."""
    wrong = []
    for line, block in blocks(text):
        for span in SPAN.findall(block):
            if re.fullmatch(r"(?!caps_)\w+\.[chS]", span) and not (TOP / directory / span).exists() and \
                    not any((TOP / "lib").glob(f"*/{span}")):
                wrong.append(f"line {line}: there is no {span} in {directory} or lib")
    return wrong


def slug(heading):
    """The anchor of a heading, as forges make it."""
    heading = re.sub(r"[`*]", "", heading.strip().lower())
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading))


def anchors(text):
    return {slug(m) for m in re.findall(r"^#+ (.*)$", without_fences(text), re.MULTILINE)}


def judge_links(document, text):
    """Links to files of the tree and to headings."""
    wrong = []
    for target in LINK.findall(without_fences(text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (TOP / document).parent / name if name else TOP / document
        if not path.exists():
            wrong.append(f"{target}: there is no such file")
        elif anchor and anchor not in anchors(path.read_text(encoding="utf-8") if name else text):
            wrong.append(f"{target}: there is no such heading")
    return wrong


# ---- the documents


@pytest.mark.parametrize("document", WALKS)
def test_what_it_names_exists(document):
    assert judge_walk(read(document)) == []


@pytest.mark.parametrize("document", own_documents())
def test_paths_it_names_exist(document):
    assert judge_paths(read(document)) == []


@pytest.mark.parametrize("document", [d for d in documents() if d.startswith("services/")])
def test_files_it_names_are_the_services_own(document):
    assert judge_names(str(Path(document).parent), read(document)) == []


@pytest.mark.parametrize("document", documents())
def test_its_links_lead_somewhere(document):
    assert judge_links(document, read(document)) == []


def test_the_tour_has_twelve_stops_with_a_file_each():
    stops = re.findall(r"^## (\d+)\. `([^`]+)`", read("docs/tour.md"), re.MULTILINE)
    assert [int(number) for number, _ in stops] == list(range(1, 13))
    assert len({path for _, path in stops}) == 12
    assert [path for _, path in stops if not (TOP / path).is_file()] == []


def test_each_step_of_a_journey_names_a_function():
    for part in re.split(r"^## ", read("docs/journeys.md"), flags=re.MULTILINE)[1:]:
        title = part.splitlines()[0]
        steps = [block for _, block in blocks(part) if re.match(r"\s*\d+\.\s", block)]
        assert len(steps) >= 4, title
        assert [step for step in steps if not re.search(r"`\w+\(\)`", step)] == [], title


@pytest.mark.parametrize("words", [["disk write"], ["packet"], ["timer tick"], ["revoke"], ["mmio exit"], ["service restart"],
                                   ["vm", "file to end"], ["doorbell"]])
def test_the_journeys_are_there(words):
    titles = re.findall(r"^## (.*)$", read("docs/journeys.md").lower(), re.MULTILINE)
    assert any(all(word in title for word in words) for title in titles), titles


# ---- the manual and the programs say the same


def manual_names(pattern):
    return set(re.findall(pattern, read("docs/manual.md"), re.MULTILINE))


def test_the_manual_has_the_options_of_bh():
    of_all = re.search(r"options_of_all\[\] = \{(.*?)\n\};", read("tools/bh/args.c"), re.DOTALL).group(1)
    options = set(re.findall(r'^    \{"([a-z-]+)", ', read("tools/bh/options.c") + of_all, re.MULTILINE))
    assert options and manual_names(r"^\| `--([a-z-]+)[^`]*`(?:, `-\w`)? \|") == options


def test_the_manual_has_the_keys_of_vm_files():
    keys = set(re.findall(r'^    \{"(\w+)", HERE,', read("tools/bh/xlkeys.c"), re.MULTILINE))
    assert keys and manual_names(r"^\| `([a-z_]+)` \| (?:text|number|path|list|event)") == keys


def test_the_manual_has_the_verbs_of_the_prompt():
    table = re.search(r"verbs\[\] = \{(.*?)\n\};", read("services/toolstack/verbs.c"), re.DOTALL).group(1)
    verbs = set(re.findall(r'^    \{"(\w+)", ', table, re.MULTILINE))
    assert verbs and manual_names(r"^\| `(\w+)(?: [^`]*)?` \| verb:") == verbs


def test_the_manual_has_the_exit_statuses_of_bh():
    statuses = {int(n) for n in re.findall(r"EXIT_\w+ = (\d+)", read("tools/bh/fail.h"))}
    policy = {int(n) for n in re.findall(r"^        return (\d+);", read("services/toolstack/policy.c"), re.MULTILINE)}
    assert statuses and policy and statuses | policy <= {int(n) for n in manual_names(r"^\| (\d+) \|")}


def test_decisions_are_numbered_without_holes():
    numbers = sorted(int(path.name[:4]) for path in (TOP / "docs/decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
    for path in (TOP / "docs/decisions").glob("*.md"):
        assert re.match(rf"# {path.name[:4]} ", path.read_text(encoding="utf-8")), path.name


# ---- the judges see what they are for


@pytest.mark.parametrize("text, problem", [
    ("1. `kernel/no_such.c` does it", "there is no kernel/no_such.c"),
    ("1. `kernel/slot.c` `no_such_function()` does it", "kernel/slot.c does not define no_such_function()"),
    ("1. `kernel/slot.c` `aspace_destroy()`: only called there", "kernel/slot.c does not define aspace_destroy()"),
    ("1. `kernel/kernel.h` `slot_move()`: only declared there", "kernel/kernel.h does not define slot_move()"),
    ("1. `slot_move()` of nowhere", "no file is named before it"),
    ("- `kernel/slot.c` here\n- `slot_move()` in another item", "no file is named before it"),
    ("## 1. `kernel/slot.c`\n`slot_move()` of it\n## 2. Another\n`slot_move()`", "line 4: slot_move(): no file"),
    ("1. `kernel/aarch64/vectors.S` `trap_sync()`: only branched to", "does not define trap_sync()"),
    ("1. `idl/blk.proto` `Attache()`", "does not define Attache()"),
    ("1. `idl/syscalls.def` `cspace_frobnicate()`", "does not define cspace_frobnicate()"),
    ("the state `VCPU_DREAMING`", "`VCPU_DREAMING` is nowhere in the sources"),
])
def test_a_walk_into_nothing_is_seen(text, problem):
    assert any(problem in wrong for wrong in judge_walk(text)), judge_walk(text)


def test_a_walk_that_is_right_is_let_pass():
    assert judge_walk("1. `kernel/slot.c` `slot_revoke()`, then `slot_delete()`; `kernel/kernel.h` `cap_lookup()`;\n"
                      "   `kernel/aarch64/vectors.S` `lower_sync()`; `idl/blk.proto` `Attach()`; `CAP_DYING`") == []


@pytest.mark.parametrize("text", ["[x](no-such-file.md)", "[x](manual.md#no-such-heading)", "[x](#nowhere)"])
def test_a_broken_link_is_seen(text):
    assert len(judge_links("docs/known.md", text)) == 1


def test_a_name_of_nothing_is_seen():
    assert judge_names("services/mem", "`ledger.c` and `rpc.h`, not `lost.c`") == ["line 1: there is no lost.c in services/mem or lib"]


def test_a_path_into_nothing_is_seen():
    assert judge_paths("see `docs/no-such.md`") == ["line 1: there is no docs/no-such.md"]
