"""A table that somebody else has locked, while many write and read: how long each of them waits."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httpx2
import psycopg

from tests.support.processes import DEADLINE_S
from tests.support.service import ServiceProcess

PATHS: Final = ("/api/v1/query", "/api/v1/settings", "/api/v1/settings/s", "/api/health", "/metrics", "/docs")
# More than there are threads for all routes.
WRITES: Final = 60
# Of each path.
READERS: Final = 2
# Between two requests of a reader, so that the machine has time for the service.
_PAUSE_S: Final = 0.02


@dataclass
class Waited:
    """What came of it.

    Attributes:
        longest_s: of each path, the longest time until an answer.
        statuses: of the answers at each path.
        writes: the statuses of the writes.
    """

    longest_s: dict[str, float]
    statuses: dict[str, set[int]]
    writes: set[int]


@contextmanager
def serving(url: str) -> Iterator[ServiceProcess]:
    """Run a service with one setting."""
    with ServiceProcess(url, "--context-features", "user") as service:
        body = {"name": "s", "configurable_features": ["user"], "type": "int", "default_value": 0}
        declare = f"{service.url}/api/v1/settings/declare"
        httpx2.post(declare, json=body, timeout=DEADLINE_S).raise_for_status()
        yield service


def lock_table(url: str, service: ServiceProcess, table: str, lock_s: float) -> Waited:
    """Lock a table for some seconds while a service is asked to write, and asked for everything else all the time."""
    with ThreadPoolExecutor(WRITES + READERS * len(PATHS)) as pool, psycopg.connect(url) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        writes = [pool.submit(_write, service, f"{table}_{number}") for number in range(WRITES)]
        until_s = time.monotonic() + lock_s
        readers = [pool.submit(time_answers, service, until_s, (path,)) for path in PATHS * READERS]
        time.sleep(max(0, until_s - time.monotonic()))
        other.rollback()
        answers = [reader.result() for reader in readers]
        statuses = {path: set().union(*(each.statuses.get(path, ()) for each in answers)) for path in PATHS}
        longest_s = {path: max(each.longest_s.get(path, 0.0) for each in answers) for path in PATHS}
        return Waited(longest_s, statuses, {write.result() for write in writes})


def time_answers(service: ServiceProcess, until_s: float, paths: Sequence[str] = PATHS) -> Waited:
    """Ask for some paths again and again, at least once."""
    statuses: defaultdict[str, set[int]] = defaultdict(set)
    longest_s: defaultdict[str, float] = defaultdict(float)
    with httpx2.Client(base_url=service.url, timeout=DEADLINE_S) as client:
        while True:
            for path in paths:
                start_s = time.monotonic()
                statuses[path].add(client.get(path).status_code)
                longest_s[path] = max(longest_s[path], time.monotonic() - start_s)
            if time.monotonic() > until_s:
                return Waited(longest_s, statuses, set())
            time.sleep(_PAUSE_S)


def _write(service: ServiceProcess, user: str) -> int:
    body = {"setting": "s", "feature_values": {"user": user}, "value": 1}
    return httpx2.post(f"{service.url}/api/v1/rules", json=body, timeout=DEADLINE_S).status_code
