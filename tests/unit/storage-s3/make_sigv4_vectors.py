#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes sigv4_vectors.h from AWS's Signature Version 4 test suite.

    pip download --no-deps --no-binary :all: botocore && tar xzf botocore-*.tar.gz
    make_sigv4_vectors.py botocore-*/tests/unit/auth/aws4_testsuite > sigv4_vectors.h
"""
import os
import re
import sys
from urllib.parse import unquote


NAMES = """
get-vanilla
get-vanilla-query
get-vanilla-query-order-key
get-vanilla-query-order-key-case
get-vanilla-query-order-value
get-vanilla-query-unreserved
get-vanilla-empty-query-key
get-vanilla-utf8-query
get-vanilla-query-order-encoded
get-utf8
get-unreserved
get-header-key-duplicate
get-header-value-order
get-header-value-trim
post-header-key-case
post-header-key-sort
post-header-value-case
post-vanilla
post-vanilla-query
post-vanilla-empty-query-value
post-x-www-form-urlencoded
post-x-www-form-urlencoded-parameters
normalize-path/get-space
post-sts-token/post-sts-header-before
""".split()

TOP = """/* Part of AWS's Signature Version 4 test suite (Apache-2.0), as botocore has it; made by
 * make_sigv4_vectors.py. */
#ifndef SLUICE_TESTS_SIGV4_VECTORS_H
#define SLUICE_TESTS_SIGV4_VECTORS_H

#include "storage-s3/sigv4.h"

/* clang-format off */
static const struct sigv4_vector {
    const char *name, *method, *path;
    size_t query_count;
    struct s3_pair query[8];
    size_t header_count;
    struct s3_pair headers[8];
    const char *payload_hash, *canonical, *to_sign, *authorization;
} sigv4_vectors[] = {"""


def quoted(text):
    """A C string literal."""
    out, was_hex = "", False
    for byte in text.encode():
        char = chr(byte)
        if was_hex and char in "0123456789abcdefABCDEF":
            out += '""'
        was_hex = not 32 <= byte < 127 and char != "\n"
        out += ("\\" + char if char in '"\\' else "\\n" if char == "\n"
                else char if not was_hex else f"\\x{byte:02x}")
    return f'"{out}"'


def pairs(items):
    return "{" + (", ".join(f"{{{quoted(a)}, {quoted(b)}}}" for a, b in items) or "{0}") + "}"


def vector(root, name):
    base = os.path.join(root, name, os.path.basename(name))

    def read(extension):
        with open(base + extension, encoding="utf-8") as f:
            return f.read().replace("\r\n", "\n")

    lines = read(".req").partition("\n\n")[0].split("\n")
    method, uri = re.match(r"(\S+) (.*) HTTP/1.1$", lines[0]).groups()
    path, _, raw = uri.partition("?")
    query = [tuple(map(unquote, kv.partition("=")[::2])) for kv in raw.split("&") if raw]
    headers = [(k.lower(), v) for k, _, v in (line.partition(":") for line in lines[1:] if line)]
    canonical = read(".creq")
    texts = (canonical.rsplit("\n", 1)[1], canonical, read(".sts"), read(".authz"))
    return (f"    {{{quoted(name)}, {quoted(method)}, {quoted(unquote(path))},\n"
            f"     {len(query)}, {pairs(query)},\n     {len(headers)}, {pairs(headers)},\n     "
            + ",\n     ".join(map(quoted, texts)) + "},")


def main():
    print(TOP)
    for name in NAMES:
        print(vector(sys.argv[1], name))
    print("};\n/* clang-format on */\n\n#endif")


if __name__ == "__main__":
    main()
