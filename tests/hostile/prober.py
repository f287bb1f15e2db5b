"""A client that asks a service again and again, and says in the end how long it waited: ``PORT``, until a line comes.

Each question is asked on a connection of its own, as by somebody who comes new.
"""

import http.client
import json
import select
import sys
import time
from collections import Counter
from typing import Final

_PAUSE_S: Final = 0.05
_TIMEOUT_S: Final = 10.0
_QUERY: Final = "/api/v1/query?settings="


def ask(port: int, path: str, known: str = "") -> tuple[int, str]:
    """Ask once; return the status and the entity tag.

    Raises:
        OSError: there is no answer.
        HTTPException: there is none either.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers={"If-None-Match": known} if known else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("etag", "")
    finally:
        connection.close()


def main(port: int) -> None:
    """Ask until a line comes, and print what was seen."""
    _, known = ask(port, _QUERY)
    print(flush=True)
    longest_s = {"live_s": 0.0, "known_s": 0.0}
    asked = 0
    failures: Counter[str] = Counter()
    is_ending = False
    while not is_ending:
        # Once more after the attack.
        is_ending = bool(select.select([sys.stdin], [], [], _PAUSE_S)[0])
        for name, path, tag, expected in (("live_s", "/healthz/live", "", "200"), ("known_s", _QUERY, known, "304")):
            started_s = time.monotonic()
            try:
                outcome = str(ask(port, path, tag)[0])
            except (OSError, http.client.HTTPException) as error:
                outcome = type(error).__name__
            longest_s[name] = max(longest_s[name], time.monotonic() - started_s)
            asked += 1
            if outcome != expected:
                failures[outcome] += 1
    print(json.dumps({**longest_s, "asked": asked, "failures": failures}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
