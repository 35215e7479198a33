#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the simulator: all seeds, then each planted mistake, which must be caught.

    sim_suite.py BINARY [--all] [--seeds N] [--mistake-seeds N]

The seeds are one test, each mistake is one test. The last line is `N passed, N failed`.
"""
import argparse
import subprocess
import sys
import time

SHOWN_LINES = 120


def run(command, timeout):
    """(exit status or None when it did not end, output)"""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, check=False)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as e:
        return None, (e.stdout or b"").decode(errors="replace") + f"\nnot finished in {timeout} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--all", action="store_true", help="ten times as many seeds")
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--mistake-seeds", type=int, default=2000)
    args = parser.parse_args()
    seeds = args.seeds * (10 if args.all else 1)
    status, listed = run([args.binary, "--list-mistakes"], 60)
    mistakes = [line.split()[0] for line in listed.splitlines() if line.strip()]
    if status != 0 or not mistakes:
        print(listed)
        return 1
    # what, command, wanted status: 0 nothing found, 1 something found; 2 is a wrong command line
    tests = [(f"seeds 1..{seeds}", ["--seeds", f"1..{seeds}"], 0)]
    tests += [(f"seeds 1..{seeds // 4} with members of groups",
               ["--members", "--seeds", f"1..{seeds // 4}"], 0)]
    tests += [(f"the mistake {m} is caught",
               ["--mistake", m, "--seeds", f"1..{args.mistake_seeds}"] +
               (["--members"] if m.startswith("group_") else []), 1) for m in mistakes]
    passed = 0
    for what, words, wanted in tests:
        began = time.monotonic()
        status, out = run([args.binary, *words], 3600)
        passed += status == wanted
        print("ok      " if status == wanted else "FAILED  ", what,
              f"({time.monotonic() - began:.1f} s)", flush=True)
        if status != wanted or wanted == 0:
            print("\n".join("    " + line for line in out.splitlines()[-SHOWN_LINES:]))
    print(f"{passed} passed, {len(tests) - passed} failed")
    return 0 if passed == len(tests) else 1


if __name__ == "__main__":
    sys.exit(main())
