#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the pages of docs/ that come from tables in the code.

    gen_docs.py [--check] [--sluice PATH]      --check: complain instead of writing

docs/counters.md comes from server/base/counters.h; docs/configuration.md from
`sluice config doc --markdown`, when the program is there (a unit test compares it in any case).
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def macro_rows(path, macro):
    """The rows X(a, b, "c" "d") of `#define MACRO(X) ...`, each a list of strings."""
    text = (ROOT / path).read_text()
    body = re.search(r"#define " + macro + r"\(X\)(.*?[^\\])\n", text, re.S)[1].replace("\\\n", "\n")
    rows = []
    for row in re.finditer(r'\bX\(((?:"(?:\\.|[^"\\])*"|[^"()])*)\)', body):
        parts = re.findall(r'((?:"(?:\\.|[^"\\])*"|[^,"])+)', row[1])
        rows.append(["".join(re.findall(r'"((?:\\.|[^"\\])*)"', p)) or p.strip() for p in parts])
    return rows


def counters_page():
    lines = ["# Counters", "", "<!-- Made by tools/gen_docs.py from server/base/counters.h. -->", "",
             "Counted per thread and summed when somebody looks. A counter only grows; a gauge goes up "
             "and down.", "", "| name | kind | unit | what it counts |", "| --- | --- | --- | --- |"]
    lines += [f"| `{name}` | {kind.lower()} | {unit} | {text} |"
              for name, kind, unit, text in macro_rows("server/base/counters.h", "COUNTERS")]
    return "\n".join(lines) + "\n"


def configuration_page(sluice):
    return subprocess.run([sluice, "config", "doc", "--markdown"], capture_output=True, text=True,
                          check=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--sluice", default=str(ROOT / "build" / "sluice"))
    args = parser.parse_args()
    pages = {"counters.md": counters_page()}
    if pathlib.Path(args.sluice).exists():
        pages["configuration.md"] = configuration_page(args.sluice)
    old = 0
    for name, text in pages.items():
        path = ROOT / "docs" / name
        if path.exists() and path.read_text() == text:
            continue
        old += 1
        if args.check:
            print(f"docs/{name}:1: old; run tools/gen_docs.py")
        else:
            path.write_text(text)
            print(f"docs/{name} written")
    return 1 if args.check and old else 0


if __name__ == "__main__":
    sys.exit(main())
