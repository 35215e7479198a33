#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# says.sh STATUS TEXT COMMAND...: the command ends with STATUS, and what it says holds TEXT.
set -u
want=$1 text=$2
shift 2
out=$("$@" 2>&1)
status=$?
printf '%s\n' "$out"
[ "$status" -eq "$want" ] || { echo "says.sh: exit status $status, not $want" >&2; exit 1; }
printf '%s\n' "$out" | grep -qF -- "$text" || { echo "says.sh: it does not say: $text" >&2; exit 1; }
