#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what a compiler does not: the direction of includes, who may name what, banned calls, sizes,
and the subject of the last commit.

    check_layers.py [--notes] [FILE...]     --notes: also what is merely worth a question

Each complaint is `path:line: rule: sentence`. tools/layers_allow.txt holds exceptions, one
`rule path` a line; one that is not needed any more is a complaint, and so is a new one: it only
shrinks.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALLOW = ROOT / "tools" / "layers_allow.txt"

# What each folder of server/ may include directly; what those include, it may as well.
BELOW = {
    "base": [],
    "wire": ["base"],
    "store": ["base"],
    "journal": ["store"],
    "state": ["base"],
    "segment": ["wire"],
    "partition": ["journal", "segment", "state", "store", "wire"],
    "reader": ["partition"],
    "group": ["partition"],
    "admin": ["partition"],
    "repair": ["admin", "reader"],
    "api": ["admin", "group", "partition", "wire"],
    "net": ["api"],
    "plugin": ["store"],
    "lua": [],
    "proxy": ["wire"],
    "process": ["store"],
    "config": ["base"],
    "cli": ["net", "config", "plugin", "proxy", "process", "reader", "repair"],
    "broker": ["net", "reader", "config", "plugin", "lua", "proxy", "process"],
}
SDK_USERS = {"store", "plugin", "config", "lua", "broker", "main.c"}
# Reached through tables of function pointers; only what wires them together names them.
THROUGH_TABLES = {"plugin", "lua", "proxy", "process"}

BANNED = {
    "strcpy": "use span_to_cstr or snprintf",
    "strcat": "use struct bytes or snprintf",
    "sprintf": "use snprintf",
    "vsprintf": "use vsnprintf",
    "strtok": "use strcspn or strsep",
    "atoi": "use strtoll and check the end",
    "atol": "use strtoll and check the end",
    "atoll": "use strtoll and check the end",
    "gmtime": "use gmtime_r",
    "localtime": "use localtime_r",
    "ctime": "use strftime",
    "rand": "use sched_random",
    "srand": "use sched_random",
    "gets": "use fgets",
    "alloca": "use an arena",
}
ALLOCATORS = ("malloc", "calloc", "realloc", "free", "strdup", "strndup", "aligned_alloc",
              "posix_memalign")
SOCKET_HEADERS = {"sys/socket.h", "netdb.h", "netinet/in.h", "netinet/tcp.h", "arpa/inet.h",
                  "sys/un.h"}
LIMITS = {  # (worth a question, fail)
    "file-size": (800, 1200),
    "function-size": (60, 100),
    "complexity": (15, 25),
}
PREFIXES = set(BELOW) | {"sdk", "plugins", "tests", "sim", "e2e", "fuzz", "bench",
                         "docs", "tools", "dev", "build", "ci", "readme", "main", "lint", "all",
                         "examples", "server"}
PREFIXES |= {p.name for p in (ROOT / "plugins").iterdir() if p.is_dir()}


def closure():
    def down(folder):
        reached = {folder}
        for below in BELOW[folder]:
            reached |= down(below)
        return reached
    return {folder: down(folder) for folder in BELOW}


MAY = closure()
CALL = re.compile(r"(?<![\w.>])(\w+)\s*\(")
PRIVATE = re.compile(r"\b([a-z]+)__[a-z]\w*")
DEEP = re.compile(r" {16,}(if|for|while|switch|do)\b.*[{;]$")  # a fourth level, as clang-format indents
INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([^">]+)[">]')


class Checker:
    def __init__(self, allowed):
        self.complaints, self.notes, self.allowed, self.used = [], [], allowed, set()

    def complain(self, rule, path, line, sentence):
        key = (rule, str(path))
        if key in self.allowed:
            self.used.add(key)
            return
        self.complaints.append(f"{path}:{line}: {rule}: {sentence}")

    def measure(self, rule, path, line, size, what):
        ask, fail = LIMITS[rule]
        if size > fail:
            self.complain(rule, path, line, f"{what} {size}, at most {fail}")
        elif size > ask:
            self.notes.append(f"{path}:{line}: {rule}: {what} {size}; why more than {ask}?")


def without_comments_and_strings(text):
    """The same lines, with comments and the inside of literals blanked."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        s = match[0]
        return re.sub(r"[^\n]", " ", s) if s[0] == "/" else s[0] + " " * (len(s) - 2) + s[-1]
    return pattern.sub(blank, text)


def folder_of(path):
    """("server", "journal"), ("plugins", "storage-fs"), ("tests", "unit"), ("sdk", "include")"""
    return path.parts[0], path.parts[1] if len(path.parts) > 1 else ""


def check_include(checker, path, number, quote, name):
    area, folder = folder_of(path)
    if area == "tests":
        return
    if name.startswith("sluice/"):
        if area == "server" and folder not in SDK_USERS:
            checker.complain("sdk-include", path, number,
                             f"{folder}/ may not include {name}; only store, plugin, config")
        return
    if name in SOCKET_HEADERS and area == "server" and folder not in ("base", "net"):
        checker.complain("raw-socket", path, number, f"{name}: sockets belong to net/")
    if quote == "<":
        return
    target = name.split("/")[0]
    if area in ("plugins", "sdk"):
        if "/" in name and target != folder:
            checker.complain("include", path, number,
                             f"a plugin includes sluice/ headers and its own, not {name}")
        return
    if name.endswith("_int.h") and target != folder:
        checker.complain("private-include", path, number, f"{name} is private to {target}/")
    if folder == "main.c" or target not in BELOW:
        if "/" not in name:
            checker.complain("include", path, number, f'write "{folder}/{name}"')
        return
    if target in THROUGH_TABLES and folder not in (target, "cli", "broker"):
        checker.complain("include", path, number,
                         f"{target}/ is reached through tables, not included")
    elif folder in MAY and target not in MAY[folder]:
        checker.complain("include", path, number,
                         f"{folder}/ may not include {name}: the arrow points back")


def check_call(checker, path, number, name):
    area, folder = folder_of(path)
    if name in BANNED:
        checker.complain("banned-call", path, number, f"{name}: {BANNED[name]}")
    if area != "server":
        return
    if name in ALLOCATORS and folder not in ("base", "net"):
        checker.complain("raw-malloc", path, number,
                         f"{name}: use sl_alloc, sl_free, an arena or a buf")


def check_lines(checker, path, raw):
    area, folder = folder_of(path)
    code = without_comments_and_strings(raw)
    for number, (line, bare) in enumerate(zip(raw.split("\n"), code.split("\n")), 1):
        include = INCLUDE.match(line)
        if include:
            check_include(checker, path, number, include[1], include[2])
            continue
        if area in ("server", "plugins", "sdk") and DEEP.match(bare):
            checker.complain("nesting", path, number, "a fourth level; make it a function")
        for call in CALL.finditer(bare):
            check_call(checker, path, number, call[1])
        for private in PRIVATE.finditer(bare):
            owner = private[1]
            if owner in BELOW and area == "server" and owner != folder:
                checker.complain("private-name", path, number,
                                 f"{private[0]} is private to {owner}/")


def check_sizes(checker, paths):
    for path in paths:
        lines = len((ROOT / path).read_text(errors="replace").splitlines())
        checker.measure("file-size", path, 1, lines, "lines of file:")
    if shutil.which("pmccabe") is None:
        checker.notes.append("pmccabe is not installed: sizes of functions were not checked")
        return
    sources = [str(p) for p in paths if p.suffix == ".c"]
    out = subprocess.run(["pmccabe", *sources], cwd=ROOT, capture_output=True, text=True,
                         check=False).stdout
    for row in out.splitlines():
        m = re.match(r"(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\S+?)\(\d+\): (\S+)", row)
        if m:
            complexity, line, size, path, name = int(m[1]), m[4], int(m[5]), m[6], m[7]
            checker.measure("complexity", path, line, complexity, f"complexity of {name}:")
            checker.measure("function-size", path, line, size, f"lines of {name}:")


def git(*args):
    done = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def check_commit(checker):
    subject = git("log", "-1", "--no-merges", "--format=%s")
    if not subject:
        return
    subject = subject.rstrip("\n")
    prefix = re.match(r"([a-z0-9-]+(?:, ?[a-z0-9-]+)*): \S", subject)
    if not prefix or not set(re.split(r", ?", prefix[1])) <= PREFIXES:
        checker.complain("commit", "HEAD", 0, f"\"{subject}\" must begin with a folder and a colon")
    if len(subject) > 72:
        checker.complain("commit", "HEAD", 0, f"the subject has {len(subject)} characters, not 72")


def read_allowed(text):
    rows = [line.split("#")[0].split() for line in text.splitlines()]
    return {(row[0], row[1]) for row in rows if len(row) == 2}


def check_allow_list(checker):
    for rule, path in sorted(checker.allowed - checker.used):
        checker.complaints.append(f"tools/layers_allow.txt:1: allow: {rule} {path} is not needed "
                                  "any more; take it out")
    before = git("show", "HEAD~1:tools/layers_allow.txt")
    if before is not None:
        for rule, path in sorted(checker.allowed - read_allowed(before)):
            checker.complaints.append(f"tools/layers_allow.txt:1: allow: {rule} {path} is new; "
                                      "the list only shrinks")


def sources():
    found = []
    for top in ("server", "sdk", "plugins", "tests"):
        for path in (ROOT / top).rglob("*.[ch]"):
            if "node_modules" not in path.parts:
                found.append(path.relative_to(ROOT))
    return sorted(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", action="store_true")
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    checker = Checker(read_allowed(ALLOW.read_text()) if ALLOW.exists() else set())
    paths = [pathlib.Path(f).resolve().relative_to(ROOT) for f in args.files] or sources()
    for path in paths:
        check_lines(checker, path, (ROOT / path).read_text(errors="replace"))
    check_sizes(checker, paths)
    if not args.files:
        check_commit(checker)
        check_allow_list(checker)
    if args.notes:
        print("\n".join(checker.notes))
    print("\n".join(checker.complaints) if checker.complaints else
          f"check_layers: {len(paths)} files, ok")
    return 1 if checker.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
