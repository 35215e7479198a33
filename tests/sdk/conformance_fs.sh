#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# conformance_fs.sh SLUICE: the built-in file store passes the conformance kit.
set -u
work=$(mktemp -d /tmp/sluice-conformance-XXXXXX)
trap 'rm -rf "$work"' EXIT
printf '[storage]\npath = %s/data\nvolume.size = 4MiB\n' "$work" >"$work/t.conf"
"$1" plugin test builtin:fs --config "$work/t.conf"
