"""One program that reads a setting: says when a new value is what ``get`` answers. A process of ``propagation``.

``python -m benchmarks.load.reader URL INTERVAL_S``; a line for each new value: the value, and the system's monotonic
clock in seconds. Ends when its standard input does.
"""

import sys
import time
from typing import Any

import heksher
from benchmarks.load.data import FEATURES, PAGE

CONTEXT = {"environment": "any", "user": "user_0", "theme": "dark"}


def main(url: str, interval_s: float) -> None:
    """Read until the end of the input."""
    setting = heksher.Setting(PAGE[0], int, FEATURES, 0)

    def say(_change: Any) -> None:
        value = setting.get(**CONTEXT)
        print(value, time.monotonic(), flush=True)

    setting.on_change(say)
    with heksher.ThreadHeksherClient(url, interval_s, FEATURES, on_start_failure="raise"):
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
