#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the output of `ctest -V`, prints what failed with its output, and counts.

A cmocka program counts with each of its test functions, any other program as one test. The last
line is `N passed, N failed` (and `, N skipped`).
"""
import re
import sys

SHOWN_LINES = 80


class Program:
    def __init__(self):
        self.lines, self.is_ended, self.is_good, self.name, self.verdict = [], False, False, "", ""

    def tally(self):
        """(passed, failed, skipped)"""
        text = "\n".join(self.lines)
        passed = len(re.findall(r"^\[\s+OK \]", text, re.M))
        skipped = len(re.findall(r"^\[  SKIPPED \] (?!.*listed below|\d+ test)", text, re.M))
        failed = sum(int(n) for n in re.findall(r"^\[  FAILED  \] .*?(\d+) test\(s\), listed",
                                                text, re.M))
        if not self.is_good and failed == 0:
            failed = 1
        if self.is_good and passed + skipped == 0:
            passed = 1
        return passed, failed, skipped


def parse(lines):
    programs = {}
    for line in lines:
        line = line.rstrip("\n")
        said = re.match(r"(\d+): ?(.*)", line)
        ended = re.match(r"\s*\d+/\d+ Test\s+#(\d+): (\S+) \.*\s*(.*?)\s+[\d.]+ sec", line)
        if said:
            programs.setdefault(int(said[1]), Program()).lines.append(said[2])
        elif ended:
            program = programs.setdefault(int(ended[1]), Program())
            program.name, program.verdict = ended[2], ended[3].strip("* ")
            program.is_ended, program.is_good = True, program.verdict == "Passed"
    return programs


def main():
    passed = failed = skipped = 0
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        programs = parse(log)
    for number in sorted(programs):
        program = programs[number]
        p, f, s = program.tally()
        passed, failed, skipped = passed + p, failed + f, skipped + s
        if f:
            print(f"FAILED   {program.name or number}: {program.verdict or 'never ended'}")
            print("\n".join("    " + line for line in program.lines[-SHOWN_LINES:]))
        else:
            print(f"ok       {program.name} ({p})")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not programs else 0


if __name__ == "__main__":
    sys.exit(main())
