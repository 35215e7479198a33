#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# caught.sh SLUICE PLUGIN.so HOW TEST RULE: the kit's TEST fails on a plugin with the fault HOW, names
# the RULE (a part of its sentence), the seed, and the command that repeats it.
set -u
out=$("$1" plugin test "$2" --set "plugin.broken.path=$2" --set "plugin.broken.how=$3" \
    --only "$4" --seed 7 --deadline 200 2>&1)
status=$?
printf '%s\n' "$out"
fail() {
    echo "caught.sh: $*" >&2
    exit 1
}
[ "$status" -eq 1 ] || fail "exit status $status, not 1: it was not caught"
printf '%s\n' "$out" | grep -q "^not ok .* - $4\$" || fail "$4 did not fail"
printf '%s\n' "$out" | grep -qF -- "$5" || fail "the rule is not named: $5"
printf '%s\n' "$out" | grep -q '^  seed: 7$' || fail "the seed is not told"
printf '%s\n' "$out" | grep -q "^  again: sluice plugin test .* --only $4 --seed 7 --in-process" ||
    fail "the command that repeats it is not told"
