#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the simulator: all seeds, then each planted mistake, which must be caught.

    sim_suite.py BINARY [--all] [--seeds N] [--mistake-seeds N]

The seeds are a test for each core, each mistake is one test; a simulator is one thread, so as many
run as there are cores. The last line is `N passed, N failed`.
"""
import argparse
import concurrent.futures
import os
import subprocess
import sys
import time

SHOWN_LINES = 120
# where mistakes are at home, by how their names begin
SCENES = {"group_": "--members", "consumer_": "--consumers", "clean_": "--clean",
          "sample_": "--haunted", "window_": "--haunted", "verify_own": "--haunted",
          "replace_": "--clean", "garbage_": "--clean", "retention_": "--clean", "trim_": "--clean",
          "repair_": "--repairs"}


def run(command, timeout):
    """(exit status or None when it did not end, output)"""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, check=False)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as e:
        return None, (e.stdout or b"").decode(errors="replace") + f"\nnot finished in {timeout} s"


def timed_run(words):
    began = time.monotonic()
    return run(words, 3600), time.monotonic() - began


def ranges(last, parts):
    """1..last in so many pieces, as the command line has them."""
    ends = [last * i // parts for i in range(parts + 1)]
    return [f"{a + 1}..{b}" for a, b in zip(ends, ends[1:]) if b > a]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--all", action="store_true", help="ten times as many seeds")
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--mistake-seeds", type=int, default=3000)
    args = parser.parse_args()
    seeds = args.seeds * (10 if args.all else 1)
    status, listed = run([args.binary, "--list-mistakes"], 60)
    mistakes = [line.split()[0] for line in listed.splitlines() if line.strip()]
    if status != 0 or not mistakes:
        print(listed)
        return 1
    # what, command, wanted status: 0 nothing found, 1 something found; 2 is a wrong command line
    cores = os.cpu_count() or 1
    tests = [(f"seeds {part}", ["--seeds", part], 0) for part in ranges(seeds, cores)]
    tests += [(f"seeds {part} with members of groups", ["--members", "--seeds", part], 0)
              for part in ranges(seeds // 4, cores)]
    tests += [(f"seeds 1..{seeds // 5} with members of consumer groups, and of mixed ones",
               ["--consumers", "--seeds", f"1..{seeds // 5}"], 0)]
    tests += [(f"seeds {part} with logs that are compacted and deleted from",
               ["--clean", "--seeds", part], 0) for part in ranges(seeds // 2, cores)]
    tests += [(f"seeds {part} with journals that lose objects, and repairs",
               ["--repairs", "--seeds", part], 0) for part in ranges(seeds // 2, cores)]
    tests += [(f"the mistake {m} is caught",
               ["--mistake", m, "--seeds", f"1..{args.mistake_seeds}"] +
               next(([flag] for start, flag in SCENES.items() if m.startswith(start)), []), 1)
              for m in mistakes]
    passed = 0
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        runs = pool.map(timed_run, [[args.binary, *words] for _, words, _ in tests])
        for (what, _, wanted), ((status, out), took) in zip(tests, runs):
            passed += status == wanted
            print("ok      " if status == wanted else "FAILED  ", what, f"({took:.1f} s)", flush=True)
            if status != wanted or wanted == 0:
                print("\n".join("    " + line for line in out.splitlines()[-SHOWN_LINES:]))
    print(f"{passed} passed, {len(tests) - passed} failed")
    return 0 if passed == len(tests) else 1


if __name__ == "__main__":
    sys.exit(main())
