"""A large service, with 10,000 settings and 100,000 rules: what it takes to start it, to hold, read and change it."""

import json
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.environments import ROOT
from benchmarks.load.data import CHANGED_RULE_PATH, JSON_BODY, fill
from benchmarks.load.servers import RunningServer, running_service

SETTINGS: Final = 10_000
WRITES: Final = 100


class ScaleFigures(NamedTuple):
    """What was measured.

    Attributes:
        started_s: from the start of the process to its first answer.
        resident_kib: its memory then.
        first_full_s: a query for everything, the first one, and all that the next one has to do after a change.
        full_s: the same again, from memory.
        full_bytes: how long its answer is.
        compressed_s: the first one that is compressed.
        compressed_bytes: how long its answer is.
        write_ms: a change of one value: the median, and the worst one.
        resident_after_kib: the memory in the end.
        backup_s: a backup while the service runs.
        import_s: all of it into an empty database, from the backup.
    """

    started_s: float
    resident_kib: int
    first_full_s: float
    full_s: float
    full_bytes: int
    compressed_s: float
    compressed_bytes: int
    write_ms: tuple[float, float]
    resident_after_kib: int
    backup_s: float
    import_s: float


def measure_scale(directory: Path) -> ScaleFigures:
    """Fill a database, start a service on it, and use it."""
    database, backup, target = directory / "large.db", directory / "backup.db", directory / "target.db"
    fill(database, SETTINGS)
    with running_service(database) as service:
        resident_kib = service.resident_kib()
        first_full_s, _ = _query(service)
        full_s, full_bytes = _query(service)
        compressed_s, compressed_bytes = _query(service, "gzip")
        writes_ms = [_write(service, number) * 1000 for number in range(WRITES)]
        backup_s = _run("backup", str(backup), "--db", str(database))
        resident_after_kib = service.resident_kib()
    return ScaleFigures(
        started_s=service.started_s,
        resident_kib=resident_kib,
        first_full_s=first_full_s,
        full_s=full_s,
        full_bytes=full_bytes,
        compressed_s=compressed_s,
        compressed_bytes=compressed_bytes,
        write_ms=(statistics.median(writes_ms), max(writes_ms)),
        resident_after_kib=resident_after_kib,
        backup_s=backup_s,
        import_s=_run("restore", str(backup), "--db", str(target)),
    )


def _query(service: RunningServer, encoding: str = "identity") -> tuple[float, int]:
    request = urllib.request.Request(f"{service.url}/api/v1/query", headers={"Accept-Encoding": encoding})  # noqa: S310 - ours
    began_s = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - ours
        size_bytes = len(answer.read())
    return time.perf_counter() - began_s, size_bytes


def _write(service: RunningServer, value: int) -> float:
    body = json.dumps({"value": 1000 + value}).encode()
    request = urllib.request.Request(service.url + CHANGED_RULE_PATH, body, JSON_BODY, method="PUT")  # noqa: S310 - ours
    began_s = time.perf_counter()
    urllib.request.urlopen(request, timeout=60).close()  # noqa: S310 - ours
    return time.perf_counter() - began_s


def _run(*arguments: str) -> float:
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-m", "heksher", *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began_s
