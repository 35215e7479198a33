#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds pages that were written by hand to what the code says. Exits with 1 if something differs.

docs/protocol.md    its table against server/api/dispatch.c (keys, versions) and server/wire/apis.c (names,
                    first flexible version)
docs/operations.md  its table of log events against the SL_INFO, SL_WARN and SL_ERROR of server/
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def served():
    """{key: (name, "min-max", first flexible version, first version that is not refused)}"""
    keys = {n: int(v) for n, v in re.findall(r"\b(API_\w+) = (\d+)",
                                             (ROOT / "server/wire/frame.h").read_text())}
    info = {n: (name, flexible) for n, name, flexible in re.findall(
        r'\{(API_\w+), "(\w+)", \d+, \d+, (\w+),', (ROOT / "server/wire/apis.c").read_text())}
    table = re.search(r"api_row table\[\] = \{(.*?)\n\};", (ROOT / "server/api/dispatch.c").read_text(),
                      re.S)[1]
    rows = re.findall(r"\{(API_\w+), (\d+), (\d+), (\d+),", table)
    if len(rows) != table.count("{API_") or not rows:
        sys.exit("check_docs: the table in server/api/dispatch.c is written in another way now")
    return {keys[n]: (info[n][0], f"{low}-{high}", info[n][1].replace("WIRE_NEVER", "never"), int(since))
            for n, low, high, since in rows}


def documented():
    """{key: (name, versions, first flexible version)}, and the note of each."""
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (\d+-\d+) \| (\w+) \| (.*)\|$",
                      (ROOT / "docs/protocol.md").read_text(), re.M)
    return {int(r[0]): r[1:4] for r in rows}, {int(r[0]): r[4] for r in rows}


def protocol():
    code, (docs, notes) = served(), documented()
    for key in sorted(code.keys() | docs.keys()):
        want = code[key][:3] if key in code else None
        if want != docs.get(key):
            yield f"docs/protocol.md:1: key {key}: served is {want}, the page says {docs.get(key)}"
        elif code[key][3] != int(want[1].split("-")[0]) and "refused" not in notes[key]:
            yield f"docs/protocol.md:1: key {key}: versions below {code[key][3]} are refused, unsaid"
    if list(docs) != sorted(docs):
        yield "docs/protocol.md:1: the keys do not ascend"


def events():
    logged = set()
    for path in (ROOT / "server").rglob("*.c"):
        logged |= set(re.findall(r'\bSL_(?:INFO|WARN|ERROR)\(\s*[^"]*?"([a-z_.]+)"', path.read_text()))
        logged |= set(re.findall(r'\bSL_LOG\([^"]*?"([a-z_.]+)"', path.read_text()))
    page = (ROOT / "docs/operations.md").read_text()
    told = set(re.findall(r"^\| `([a-z_.]+)` \| (?:INFO|WARN|ERROR|any) \|", page, re.M))
    for event in sorted(logged - told):
        yield f"docs/operations.md:1: log event {event} is not in the table"
    for event in sorted(told - logged):
        yield f"docs/operations.md:1: log event {event} is not logged by anything"


def main():
    wrong = [*protocol(), *events()]
    print("\n".join(wrong) if wrong else "docs: ok")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
