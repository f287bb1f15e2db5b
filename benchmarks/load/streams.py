"""Thousands of open streams on one process: their memory, how soon the last one knows of a change, and the end."""

import asyncio
import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load.data import CHANGED_RULE_PATH, PAGE_QUERY, PAGE_SETTINGS, fill
from benchmarks.load.servers import RunningServer, running_service

CHANGES: Final = 20
# Connections are opened some at a time: what is measured is not how quickly they can be opened.
_BATCH: Final = 100
# The longest time after which the service asks its clients to come back.
MAX_RETURN_S: Final = 5.0
_DEADLINE_S: Final = 60.0
# The context features, the fill and the change that warms up have one revision each.
_FIRST_REVISION: Final = 3

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class StreamFigures(NamedTuple):
    """What was measured.

    Attributes:
        streams: how many were open.
        each_kib: memory of the service for one.
        last_knows_ms: for each change, from the moment at which it was asked for until the last stream had the event.
        acknowledged_ms: for each change, from that moment until it was acknowledged.
        end_s: from SIGTERM until the process was gone.
        ended: how many streams were told that the service ends.
        return_ms: when they were told to come back, each.
    """

    streams: int
    each_kib: float
    last_knows_ms: Sequence[float]
    acknowledged_ms: Sequence[float]
    end_s: float
    ended: int
    return_ms: Sequence[int]


def measure_streams(directory: Path, count: int) -> StreamFigures:
    """Open streams, change a setting some times, then end the service while all of them are open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    database = directory / f"streams-{count}.db"
    fill(database, PAGE_SETTINGS)
    with running_service(database) as service:
        return asyncio.run(_measure(service, count))


async def _measure(service: RunningServer, count: int) -> StreamFigures:
    host, port = service.url.removeprefix("http://").split(":")
    changer = await asyncio.open_connection(host, int(port))
    # The service's own first-time work is done with the first request, the first stream, and the first change.
    await _change(changer, 0)
    warm = [_Stream(await asyncio.open_connection(host, int(port))) for _ in range(_BATCH)]
    await asyncio.gather(*(stream.open() for stream in warm))
    before_kib = service.resident_kib()
    streams: list[_Stream] = []
    while len(streams) < count:
        connections = await asyncio.gather(*(asyncio.open_connection(host, int(port)) for _ in range(_BATCH)))
        batch = [_Stream(connection) for connection in connections]
        await asyncio.gather(*(stream.open() for stream in batch))
        streams += batch
    each_kib = (service.resident_kib() - before_kib) / len(streams)
    times = [await _time_change(changer, streams, value) for value in range(1, CHANGES + 1)]
    began_s = time.perf_counter()
    service.process.terminate()
    return_ms = await asyncio.gather(*(stream.read_end() for stream in streams))
    await asyncio.to_thread(service.process.wait, _DEADLINE_S)
    end_s = time.perf_counter() - began_s
    told = [moment for moment in return_ms if moment is not None]
    last_knows_ms, acknowledged_ms = zip(*times, strict=True)
    return StreamFigures(len(streams), each_kib, last_knows_ms, acknowledged_ms, end_s, len(told), told)


class _Stream:
    """A client's side of one stream."""

    def __init__(self, connection: _Connection) -> None:
        self._reader, self._writer = connection
        self._text = b""

    async def open(self) -> None:
        path = f"/api/v1/stream?{PAGE_QUERY}"
        self._writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {_FIRST_REVISION}\r\n\r\n".encode()
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise AssertionError(f"a stream was answered with {head!r}")
        await self._reader.readuntil(b":\n\n")

    async def read_change(self, revision: int) -> float:
        """Wait for the event with a revision; return the moment at which it came."""
        wanted = b"id: %d-" % revision
        while wanted not in self._text:
            self._text += await asyncio.wait_for(self._reader.read(65536), _DEADLINE_S)
        self._text = b""
        return time.perf_counter()

    async def read_end(self) -> int | None:
        """Read to the end; return the time after which to come back, ``None`` if there is none."""
        text = self._text + await asyncio.wait_for(self._reader.read(), _DEADLINE_S)
        self._writer.close()
        _, _, told = text.partition(b"retry: ")
        return int(told.split(b"\n")[0]) if told else None


async def _time_change(changer: _Connection, streams: Sequence[_Stream], value: int) -> tuple[float, float]:
    began_s = time.perf_counter()
    change = asyncio.create_task(_change(changer, value))
    moments_s = await asyncio.gather(*(stream.read_change(_FIRST_REVISION + value) for stream in streams))
    return (max(moments_s) - began_s) * 1000, (await change - began_s) * 1000


async def _change(connection: _Connection, value: int) -> float:
    """Change a rule; return the moment at which that was acknowledged."""
    reader, writer = connection
    body = json.dumps({"value": 1000 + value}).encode()
    head = f"PUT {CHANGED_RULE_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    if not answer.startswith(b"HTTP/1.1 204"):
        raise AssertionError(f"a change was answered with {answer!r}")
    return time.perf_counter()
