#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# installed.sh BUILD SLUICE SOURCE: installs the SDK from BUILD alone into an empty
# place, builds SOURCE (a directory) out of tree against nothing but that, with CMake and, for a
# single C file, with pkg-config. The result exports one symbol, resolves none of the server, and
# passes the conformance kit.
set -eu
build=$1 sluice=$2 source=$3
work=$(mktemp -d /tmp/sluice-sdk-XXXXXX)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --component sdk --prefix "$work/prefix" >"$work/install.log"
cp -R "$source" "$work/source" # nothing beside it can be included by accident
cmake -S "$work/source" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF >"$work/configure.log"
cmake --build "$work/build" >"$work/build.log"
so=$(find "$work/build" -maxdepth 1 -name '*.so')

check() {
    exported=$(nm -D --defined-only "$1" | awk '{print $3}')
    [ "$exported" = sluice_plugin_open ] || { echo "$1 exports: $exported" >&2; exit 1; }
    if nm -D --undefined-only "$1" | awk '{print $2}' | grep -E '^(sluice|sl|plugin|op|buf|diag)_'; then
        echo "$1 resolves what looks like the server's" >&2
        exit 1
    fi
    "$sluice" plugin inspect "$1"
    "$sluice" plugin test "$1" --seed 11
}
check "$so"

for c in "$source"/*.c; do
    [ -e "$c" ] || break
    pc=$(find "$work/prefix" -name sluice.pc)
    export PKG_CONFIG_PATH="${pc%/*}"
    # shellcheck disable=SC2046
    cc -std=c17 $(pkg-config --cflags sluice) "$c" \
        $(pkg-config --libs sluice) -o "$work/by-pkg-config.so"
    check "$work/by-pkg-config.so"
done
echo "installed.sh: ok"
