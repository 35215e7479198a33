#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""End-to-end tests: real brokers, real clients, raw frames. See README.md.

    run.py [--all] [--only REGEX] [--broker sluice|kafka] [--store file|versitygw|radosgw] [--list]
           [--keep] [--jobs N]

The last line is `N passed, N failed, N skipped`; the exit status is 0 when nothing failed.
"""
import argparse
import collections
import contextlib
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

from brokers import HERE, NotAvailable, set_lane, stop_all  # noqa: E402
from harness import TESTS, Env, Shared, set_patience  # noqa: E402
from lanes import results  # noqa: E402


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
    parser.add_argument("--jobs", type=int, default=1, help="tests beside each other (not on S3)")
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
    """(problem, what else to say): a problem is None when the test passed, a NotAvailable when it was
    skipped, else the text of the failure."""
    env = Env(test.name, args.broker, shared, home / test.name, args.all)
    env.dir.mkdir(parents=True)
    problem, met = None, ""
    timeout = test.timeout * (1 if args.store == "file" else 2)
    signal.alarm(timeout)
    try:
        test.run(env)
        met = env.expect_faults_met()
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
    return problem, met and f"    {test.name} met: {met}\n"


def report(test, args, shared, home):
    """Runs one test: (what it counts as, the lines that say so)."""
    began = time.monotonic()
    problem, more = run_one(test, args, shared, home)
    took = f"({time.monotonic() - began:.1f} s)"
    if problem is None:
        return "passed", f"{more}ok       {test.name} {took}"
    if isinstance(problem, NotAvailable):
        return "skipped", f"skipped  {test.name} - {problem}"
    problem = problem.replace("\n", "\n    ")
    return "failed", f"FAILED   {test.name} {took}\n    {problem}"


def in_order(tests, args, home):
    """Yields what report() says of each test, in the order of their names."""
    @contextlib.contextmanager
    def lane(number, lanes):
        set_lane(number, lanes)
        directory = home / f"lane-{number}"
        directory.mkdir()
        shared = Shared(args.broker, directory, args.store)
        try:
            yield lambda index: report(tests[index], args, shared, home)
        finally:
            stop_all()
            shared.stores.stop()

    if args.jobs > 1 and args.store == "file":  # s99 wants to know what all brokers met
        yield from results([t.together for t in tests], args.jobs, lane)
        return
    with lane(0, 1) as run:
        for index in range(len(tests)):
            yield run(index)


def main():
    args = arguments()
    tests = chosen(args)
    if args.list:
        print("\n".join(t.name + ("  (--all)" if t.all_only else "") for t in tests))
        return 0
    set_patience(1 if args.store == "file" else 3)
    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and what was started is stopped
    # Whoever starts this in the background may have SIGINT ignored, and what is started here would
    # ignore it, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    home = pathlib.Path(tempfile.mkdtemp(prefix="sluice-e2e-"))
    count = collections.Counter()
    with contextlib.closing(in_order(tests, args, home)) as found:
        for test, result in zip(tests, found):
            kind, text = result or ("failed", f"FAILED   {test.name} - its process died")
            count[kind] += 1
            print(text, flush=True)
    if count["failed"] or args.keep:
        print("data and logs are in", home)
    else:
        shutil.rmtree(home, ignore_errors=True)
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
