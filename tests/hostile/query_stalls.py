"""Single requests that take a service long: how long others wait meanwhile for a process that is alive to say so.

As a command, on a service of one's own::

    python -m tests.hostile.query_stalls http://127.0.0.1:8000
"""

import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

TIMEOUT_S = 60.0
POSTED_BYTES = 3_900_000
QUERY = "/api/v1/query"
DECLARE = "/api/v1/settings/declare"
RULES = "/api/v1/rules"


class Attack(NamedTuple):
    """One request."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = MappingProxyType({})


class Outcome(NamedTuple):
    """What an attack was answered, and the longest that anybody else waited, in seconds."""

    status: int
    longest_s: float


def make_attacks() -> dict[str, Attack]:
    """Return the attacks by what they are."""
    declaration = {"name": "a", "configurable_features": ["user"], "type": "int", "default_value": 1}
    many = [f"u{number}" for number in range(POSTED_BYTES // 11)]
    keys = many[: POSTED_BYTES // 17]
    return {
        "a filter text": _post(QUERY, {"context_filters": f"user:({','.join(many)})"}),
        "a filter text of one quoted value": _post(QUERY, {"context_filters": f'user:("{"n" * POSTED_BYTES}")'}),
        "a filter text of escapes": _post(QUERY, {"context_filters": 'user:("' + "\\n" * (POSTED_BYTES // 3) + '")'}),
        "a filter text that is not too long": _post(QUERY, {"context_filters": f"user:({','.join(many[:100_000])})"}),
        "a list of values that is not too long": _post(QUERY, {"context_filters": {"user": many[:100_000]}}),
        "a list of values": _post(QUERY, {"context_filters": {"user": many}}),
        "many features": _post(QUERY, {"context_filters": dict.fromkeys(keys, "*")}),
        "many wrong features": _post(QUERY, {"context_filters": dict.fromkeys(keys, 1)}),
        "a text of features": _post(QUERY, {"context_filters": ",".join(f"{name}:*" for name in many)}),
        "many names": _post(QUERY, {"settings": many}),
        "many wrong names": _post(QUERY, {"settings": list(range(len(many)))}),
        "a text of names": _post(QUERY, {"settings": ",".join(many)}),
        "a declaration with many features": _post(DECLARE, declaration | {"configurable_features": many}),
        "a declaration with much metadata": _post(DECLARE, declaration | {"metadata": dict.fromkeys(keys, 1)}),
        "a declaration with a large default": _post(DECLARE, declaration | {"default_value": many}),
        "many wrong declarations": _post(f"{DECLARE}-many", [{} for _ in range(POSTED_BYTES // 4)]),
        "a rule with many conditions": _post(
            RULES, {"setting": "a", "value": 1, "feature_values": dict.fromkeys(keys, "x")}
        ),
        "a rule with much metadata": _post(
            RULES, {"setting": "a", "value": 1, "feature_values": {"user": "x"}, "metadata": dict.fromkeys(keys, 1)}
        ),
        "many empty objects": _post(QUERY, [{} for _ in range(POSTED_BYTES // 4)]),
        "a body of brackets": Attack("POST", QUERY, b"[" * POSTED_BYTES),
        "a long URL": Attack("GET", f"{QUERY}?context_filters=user:({','.join(many[:8000])})"),
        "a long URL of names": Attack("GET", f"{QUERY}?settings={','.join(many[:8000])}"),
        "a long URL of parameters": Attack("GET", f"{QUERY}?{'&'.join(many[:7000])}"),
        "a list of tags": Attack(
            "GET", QUERY, headers={"If-None-Match": ",".join(f'"{name}"' for name in many[:6000])}
        ),
        "a list of encodings": Attack("GET", QUERY, headers={"Accept-Encoding": ",".join(many[:7000])}),
    }


def run(url: str, attack: Attack) -> Outcome:
    """Send an attack; return what it was answered, and how long the longest of many quick requests waited."""
    with _watching(url) as longest, _connect(url) as connection:
        connection.request(attack.method, attack.path, attack.body, dict(attack.headers))
        response = connection.getresponse()
        response.read()
    return Outcome(response.status, max(longest))


def _post(path: str, body: object) -> Attack:
    return Attack("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _connect(url: str) -> closing[http.client.HTTPConnection]:
    parts = urlsplit(url)
    return closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S))


@contextmanager
def _watching(url: str) -> Iterator[list[float]]:
    """Ask whether the process is alive, again and again; yield the list of the times that the answers took."""
    taken_s: list[float] = []
    is_done = threading.Event()

    def watch() -> None:
        with _connect(url) as connection:
            while not is_done.is_set():
                started_s = time.perf_counter()
                connection.request("GET", "/healthz/live")
                connection.getresponse().read()
                taken_s.append(time.perf_counter() - started_s)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield taken_s
    finally:
        is_done.set()
        watcher.join()


def main(url: str) -> None:
    """Send each attack once, and print a line for each."""
    for name, attack in make_attacks().items():
        status, longest_s = run(url, attack)
        print(f"{longest_s * 1000:6.0f} ms  {status}  {name}")


if __name__ == "__main__":
    main(sys.argv[1])
