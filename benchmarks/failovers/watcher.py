"""The program whose client is watched: it prints each value that it reads, and when.

``python watcher.py URL UPDATES INTERVAL``, where ``UPDATES`` is the client's option of that name, or ``existing`` for a
client that has no such option. A line is a moment of the monotonic clock, a space and a value. It ends with its
standard input.

It imports nothing of this folder, so it runs on any version of the library, the published one among them.
"""

import logging
import os
import sys
import threading
import time
from typing import Any

import heksher

SETTING = "watched"
FEATURE = "user"
USER = "guest"
_LOOK_S = 0.005


def main(url: str, updates: str, interval_s: str) -> None:
    """Print the values until the end of the standard input."""
    # Clients say a good deal about a service without its database; what counts is what they read.
    logging.disable()
    setting = heksher.Setting(SETTING, type=int, configurable_features=[FEATURE], default_value=0)
    options: dict[str, Any] = {} if updates == "existing" else {"updates": updates}
    client = heksher.ThreadHeksherClient(url, float(interval_s), [FEATURE], **options)
    client.track_contexts(**{FEATURE: heksher.TRACK_ALL})
    client.set_as_main()
    threading.Thread(target=end_with_input, daemon=True).start()
    value = None
    while True:
        read = setting.get(**{FEATURE: USER})
        if read != value:
            value = read
            print(time.monotonic(), value, flush=True)
        time.sleep(_LOOK_S)


def end_with_input() -> None:
    """End the process when there is nothing more to be read."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
