"""How soon programs in other processes read a new value: the real client, its streams, and everything in between."""

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.environments import ROOT
from benchmarks.load.data import CHANGED_RULE_PATH, JSON_BODY, PAGE_SETTINGS, fill
from benchmarks.load.servers import running_service

CHANGES: Final = 10
# Nobody reads anything new by polling.
INTERVAL_S: Final = 600
_DEADLINE_S: Final = 120.0


def measure_propagation(directory: Path, processes: int) -> list[float]:
    """Change a setting some times; return, for each change and process, after how many seconds ``get`` answers it.

    The seconds count from the moment at which the change was acknowledged.
    """
    database = directory / "propagation.db"
    fill(database, PAGE_SETTINGS)
    with running_service(database) as service:
        return asyncio.run(_measure(service.url, processes))


async def _measure(url: str, count: int) -> list[float]:
    readers = await asyncio.gather(*(_start(url) for _ in range(count)))
    try:
        await asyncio.gather(*(_await_line(reader, "ready") for reader in readers))
        await _await_streams(url, count)
        delays_s: list[float] = []
        for value in range(1000, 1000 + CHANGES):
            acknowledged_s = await asyncio.to_thread(_change, url, value)
            seen_s = await asyncio.gather(*(_await_line(reader, f"{value} ") for reader in readers))
            delays_s += [float(line.split()[1]) - acknowledged_s for line in seen_s]
        return delays_s
    finally:
        await asyncio.gather(*(_stop(reader) for reader in readers))


async def _start(url: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "benchmarks.load.reader", url, str(INTERVAL_S)]
    return await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )


async def _stop(reader: asyncio.subprocess.Process) -> None:
    await asyncio.wait_for(reader.communicate(b""), _DEADLINE_S)


async def _await_line(reader: asyncio.subprocess.Process, beginning: str) -> str:
    if reader.stdout is None:
        raise AssertionError("it is a pipe")
    async with asyncio.timeout(_DEADLINE_S):
        while line := (await reader.stdout.readline()).decode():
            if line.startswith(beginning):
                return line
    raise AssertionError(f"a reader ended before it said {beginning!r}")


async def _await_streams(url: str, count: int) -> None:
    """Wait until all readers have opened their streams."""
    deadline_s = time.monotonic() + _DEADLINE_S
    while await asyncio.to_thread(_count_streams, url) < count:
        if time.monotonic() > deadline_s:
            raise AssertionError("not all readers have opened a stream")
        await asyncio.sleep(0.1)


def _count_streams(url: str) -> int:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:  # noqa: S310 - a server of this very program
        lines: Sequence[str] = answer.read().decode().splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith("heksher_streams "))))


def _change(url: str, value: int) -> float:
    """Change the rule that all read; return the moment at which that was acknowledged."""
    body = json.dumps({"value": value}).encode()
    request = urllib.request.Request(url + CHANGED_RULE_PATH, body, JSON_BODY, method="PUT")  # noqa: S310 - as above
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - as above
    return time.monotonic()
