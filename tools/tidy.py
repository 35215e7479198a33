#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy on the sources of a build directory, on every core, and remembers what was clean.

    tidy.py BUILD_DIR [PATH-PART...]

A file is looked at again only when its preprocessed text, its command or .clang-tidy changed; the
memory is BUILD_DIR/tidy/. Tests are left out: cmocka's macros are not ours.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def commands(build):
    """{source: compiler command} of our own sources."""
    found = {}
    for row in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(row["file"])
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in ("server", "plugins"):
            found.setdefault(path, row["command"])
    return found


def preprocessed(command, build):
    words = shlex.split(command)
    if "-o" in words:
        at = words.index("-o")
        del words[at:at + 2]
    words = [w for w in words if w not in ("-c", "-MD")] + ["-E", "-P"]
    done = subprocess.run(words, cwd=build, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else os.urandom(16)


def look_at(path, command, build, memory):
    key = hashlib.sha256((ROOT / ".clang-tidy").read_bytes() + command.encode() +
                         preprocessed(command, build) + path.read_bytes()).hexdigest()
    stamp = memory / key
    if stamp.exists():
        return ""
    done = subprocess.run(["clang-tidy", "--quiet", "-p", str(build), str(path)], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    if done.returncode == 0 and "warning:" not in done.stdout and "error:" not in done.stdout:
        stamp.touch()
        return ""
    return done.stdout or done.stderr


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    memory = build / "tidy"
    memory.mkdir(exist_ok=True)
    wanted = {p: c for p, c in commands(build).items()
              if not sys.argv[2:] or any(part in str(p) for part in sys.argv[2:])}
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = [pool.submit(look_at, p, c, build, memory) for p, c in sorted(wanted.items())]
        for job in jobs:
            if job.result():
                bad += 1
                print(job.result().strip())
    print(f"tidy: {len(wanted)} files, {bad} with complaints")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
