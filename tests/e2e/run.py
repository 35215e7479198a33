#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""End-to-end tests: real brokers, real clients, raw frames. See README.md.

    run.py [--all] [--only REGEX] [--broker sluice|kafka] [--store file|versitygw|radosgw] [--list]
           [--keep]

The last line is `N passed, N failed, N skipped`; the exit status is 0 when nothing failed.
"""
import argparse
import importlib
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from brokers import HERE, NotAvailable, stop_all  # noqa: E402
from harness import TESTS, Env, Shared  # noqa: E402


class Overdue(Exception):
    """A test took longer than it may."""


def on_alarm(_signum, _frame):
    raise Overdue()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="also the slow suites and all clients")
    parser.add_argument("--only", default="", help="only tests whose name matches")
    parser.add_argument("--broker", choices=("sluice", "kafka"), default="sluice")
    parser.add_argument("--store", choices=("file", "versitygw", "radosgw"), default="file",
                        help="a store: the tests that can run on S3, through a fault proxy")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep data directories and logs")
    return parser.parse_args()


def chosen(args):
    for path in sorted(HERE.glob("suite_*.py")):
        importlib.import_module(path.stem)
    return [TESTS[name] for name in sorted(TESTS)
            if re.search(args.only, name) and args.broker in TESTS[name].brokers
            and ("file" if args.store == "file" else "s3") in TESTS[name].stores
            and (args.all or not TESTS[name].all_only)]


def run_one(test, args, shared, home):
    """None when passed, a NotAvailable when skipped, else the text of the failure."""
    env = Env(test.name, args.broker, shared, home / test.name, args.all)
    env.dir.mkdir(parents=True)
    problem = None
    timeout = test.timeout * (1 if args.store == "file" else 2)
    signal.alarm(timeout)
    try:
        test.run(env)
        met = env.expect_faults_met()
        if met:
            print(f"    {test.name} met: {met}", flush=True)
    except NotAvailable as e:
        problem = e
    except Overdue:
        problem = f"not finished in {timeout} s\n{traceback.format_exc()}"
    except Exception:  # pylint: disable=broad-except
        problem = traceback.format_exc()
    finally:
        signal.alarm(0)
    if shared.died():
        problem = f"the shared broker died\n{problem or ''}"
    if isinstance(problem, str):
        problem += env.logs()
    env.close()
    if problem is None and not args.keep:
        shutil.rmtree(env.dir, ignore_errors=True)
    return problem


def main():
    args = arguments()
    tests = chosen(args)
    if args.list:
        print("\n".join(t.name + ("  (--all)" if t.all_only else "") for t in tests))
        return 0
    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and what was started is stopped
    home = pathlib.Path(tempfile.mkdtemp(prefix="sluice-e2e-"))
    shared = Shared(args.broker, home, args.store)
    passed = failed = skipped = 0
    try:
        for test in tests:
            began = time.monotonic()
            problem = run_one(test, args, shared, home)
            took = f"({time.monotonic() - began:.1f} s)"
            if problem is None:
                passed += 1
                print("ok      ", test.name, took, flush=True)
            elif isinstance(problem, NotAvailable):
                skipped += 1
                print("skipped ", test.name, "-", str(problem), flush=True)
            else:
                failed += 1
                print("FAILED  ", test.name, took, flush=True)
                print("    " + problem.replace("\n", "\n    "), flush=True)
    finally:
        stop_all()
        shared.stores.stop()
    if failed or args.keep:
        print("data and logs are in", home)
    else:
        shutil.rmtree(home, ignore_errors=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
