#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# crash.sh SLUICE BROKEN.so: a broker dies in its storage plugin, and the report names it.
set -u
work=$(mktemp -d /tmp/sluice-crash-XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
ulimit -c 0
timeout 60 "$1" serve --set listener.plain.address=127.0.0.1:0 --set storage.plugin=bad \
    --set plugin.bad.path="$2" --set plugin.bad.how=crashes >out 2>&1
status=$?
cat out
fail() {
    echo "crash.sh: $*" >&2
    exit 1
}
[ "$status" -eq 139 ] || fail "exit status $status, not that of SIGSEGV"
grep -q '^sluice .* crashed: SIGSEGV at address 0x8' out || fail "no report"
grep -q "^  plugin org.example.broken@1.0 ($2)  <- crashed in its code" out || fail "no blame"
