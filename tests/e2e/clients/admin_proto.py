# SPDX-License-Identifier: Apache-2.0
"""What the admin programs share: a command per line in, an answer per line out, both JSON."""
import json
import sys


def serve(commands):
    """commands: {name: function of keyword arguments}. What a library throws becomes {"error": text}."""
    for line in sys.stdin:
        name, args = json.loads(line)
        try:
            answer = commands[name](**args)
        except Exception as e:  # pylint: disable=broad-except
            answer = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer, sort_keys=True), flush=True)
