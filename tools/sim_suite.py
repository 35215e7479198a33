#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the simulator: seeds on every core, then each planted mistake, which must be caught.

    sim_suite.py BINARY [--all] [--seeds N] [--mistake-seeds N]

A block of seeds is one test, a mistake is one test. The last line is `N passed, N failed`.
"""
import argparse
import concurrent.futures
import os
import subprocess
import sys

BLOCK = 250


def run(command, timeout):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, check=False)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as e:
        return None, (e.stdout or b"").decode(errors="replace") + f"\nnot finished in {timeout} s"


def seed_block(binary, first, last):
    status, out = run([binary, "--seeds", f"{first}..{last}"], 900)
    return f"seeds {first}..{last}", status == 0, out


def mistake(binary, name, seeds):
    """Caught: the simulator ends by itself with a failure. A crash by a signal is no catch."""
    status, out = run([binary, "--seeds", f"1..{seeds}", "--mistake", name], 900)
    is_caught = status is not None and status > 0
    return f"mistake {name} is caught", is_caught, out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--all", action="store_true", help="ten times as many seeds")
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--mistake-seeds", type=int, default=2000)
    args = parser.parse_args()
    seeds = args.seeds * (10 if args.all else 1)
    listed = subprocess.run([args.binary, "--list-mistakes"], capture_output=True, text=True,
                            check=True).stdout
    mistakes = [line.split()[0] for line in listed.splitlines() if line.strip()]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = [pool.submit(seed_block, args.binary, first, min(first + BLOCK - 1, seeds))
                for first in range(1, seeds + 1, BLOCK)]
        jobs += [pool.submit(mistake, args.binary, m, args.mistake_seeds) for m in mistakes]
        for job in jobs:
            name, is_good, out = job.result()
            passed, failed = passed + is_good, failed + (not is_good)
            print("ok      " if is_good else "FAILED  ", name, flush=True)
            if not is_good or name.startswith("seeds"):
                print("\n".join("    " + line for line in out.splitlines()[-40:]))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
