"""Queries that are all different: each asks the service to keep an answer that nobody will ask for again.

As a command, on a service of one's own (only its process id tells what it costs)::

    python -m tests.hostile.query_memory http://127.0.0.1:8000 PID
"""

import http.client
import json
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

MIB = 1024 * 1024
PATH = "/api/v1/query"
POSTED_BYTES = 3_900_000
URL_CHARACTERS = 59_000
TIMEOUT_S = 60.0


def read_resident_mib(pid: int, field: str = "VmRSS") -> float:
    """Return the resident memory of a process; ``VmHWM`` is the highest since its start."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def post_large_queries(url: str, count: int, value_characters: int = 8) -> list[int]:
    """Post queries whose filters list other values each; return the statuses of the answers."""
    with _connect(url) as connection:
        return [_post(connection, _make_body(number, value_characters)) for number in range(count)]


def get_long_urls(url: str, count: int) -> list[int]:
    """Get queries with URLs that are other ones each; return the statuses of the answers."""
    with _connect(url) as connection:
        return [_get(connection, f"{PATH}?context_filters={_make_filter(number)}") for number in range(count)]


def _connect(url: str) -> closing[http.client.HTTPConnection]:
    parts = urlsplit(url)
    return closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S))


def _make_body(number: int, value_characters: int) -> str:
    values = [f"{number}{place:0{value_characters - 2}}" for place in range(POSTED_BYTES // (value_characters + 4))]
    return json.dumps({"context_filters": {"user": values}})


def _make_filter(number: int) -> str:
    text = ",".join(f"{number}_{place}" for place in range(URL_CHARACTERS // 7))
    return f"user:({text[: URL_CHARACTERS - 40].rpartition(',')[0]})"


def _post(connection: http.client.HTTPConnection, body: str) -> int:
    connection.request("POST", PATH, body, {"Content-Type": "application/json"})
    return _read_status(connection)


def _get(connection: http.client.HTTPConnection, target: str) -> int:
    connection.request("GET", target)
    return _read_status(connection)


def _read_status(connection: http.client.HTTPConnection) -> int:
    response = connection.getresponse()
    response.read()
    return response.status


def main(url: str, pid: int) -> None:
    """Attack a service in both ways, and print what it costs."""
    print(f"before: {read_resident_mib(pid):.0f} MiB")
    statuses = post_large_queries(url, 11)
    print(f"after 11 large queries ({set(statuses)}): {read_resident_mib(pid):.0f} MiB")
    statuses = get_long_urls(url, 900)
    print(f"after 900 long URLs ({set(statuses)}): {read_resident_mib(pid):.0f} MiB")
    print(f"highest: {read_resident_mib(pid, 'VmHWM'):.0f} MiB")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
