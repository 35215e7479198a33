#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# unused.sh SLUICE BROKEN.so: a section [plugin NAME] that nothing refers to is checked and not
# started, and one line says so.
set -u
work=$(mktemp -d /tmp/sluice-unused-XXXXXX)
cd "$work" || exit 1
# leaks_fd opens a file when it is started, and never otherwise.
timeout 60 "$1" serve --set listener.plain.address=127.0.0.1:0 --set plugin.idle.path="$2" \
    --set plugin.idle.how=leaks_fd >out 2>&1 &
broker=$!
trap 'kill $broker 2>/dev/null; rm -rf "$work"' EXIT
fail() {
    cat out
    echo "unused.sh: $*" >&2
    exit 1
}
until grep -q broker.ready out; do
    kill -0 $broker 2>/dev/null || fail "it did not start"
    sleep 0.05
done
[ "$(grep -c 'plugin.unused name=idle' out)" -eq 1 ] || fail "not one line about the plugin idle"
kill $broker
wait $broker || fail "it did not stop well"
"$1" check --set plugin.idle.path="$2" --set plugin.idle.hwo=nothing >out 2>&1 &&
    fail "an error in its section was not noticed"
grep -q "no key hwo in .plugin idle." out || fail "its section was not checked"
