"""Streams of server-sent events: each tells one client when the answer to its query has changed.

A stream is a connection that waits. What it has yet to tell is one number, the newest revision that matters to it, so
it takes the same memory however much happens, and however slowly its client reads. Nothing waits for a slow reader: one
that takes nothing for a while is disconnected.

All of this is done on the event loop; catalogs tell of changes in other threads.

Source: docs/adr/0010-answers-from-memory.md; HTML Standard, section 9.2 (server-sent events).
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from starlette.types import Receive, Send

from heksher.server.catalog.advance import Step
from heksher.server.catalog.catalog import Catalog, CatalogState
from heksher.server.catalog.effect import shows_any
from heksher.server.catalog.query import CatalogQuery
from heksher.server.metrics import Metrics

HEARTBEAT_S: Final = 15
# A client that has taken nothing of what it was sent for this time is disconnected.
MAX_BLOCKED_S: Final = 10.0
# Those that are told that the service ends come back at random moments of this time.
MAX_RETURN_MS: Final = 5000
# In the ``extensions`` of a request's scope: a function that cuts off its connection. What waits to be sent is dropped.
ABORT_EXTENSION: Final = "heksher.abort"

# What a catalog's state has: an era and a revision.
_Position = tuple[int, int]
_NOWHERE: Final[_Position] = (-1, -1)

_TICK_S: Final = 1.0
_HEARTBEAT: Final = b":\n\n"
_HEADERS: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    # What nginx calls not to collect the answer before it passes it on.
    (b"x-accel-buffering", b"no"),
)


class Streams:
    """All streams of this process. Belongs to one event loop, but for ``end_all``.

    Args:
        catalog: tells of changes.
        metrics: are told of streams.
    """

    def __init__(self, catalog: Catalog, metrics: Metrics) -> None:
        self._catalog = catalog
        self._metrics = metrics
        # By the key of their query: what a change shows in is found out once for all that ask the same.
        self._groups: defaultdict[bytes, set[_Stream]] = defaultdict(set)
        # Each tick, one of these groups gets its heartbeat.
        self._beats: list[set[_Stream]] = [set() for _ in range(HEARTBEAT_S)]
        # The loop, and the task that ticks; None before the first stream.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._count = 0
        self.is_ending: bool = False
        catalog.subscribe(self._notice)

    async def serve(
        self,
        receive: Receive,
        send: Send,
        key: bytes,
        query: CatalogQuery,
        last_revision: int | None,
        abort: Callable[[], object] | None,
    ) -> None:
        """Serve one stream until its client goes, or ``end_all`` is called.

        Args:
            receive: of the connection.
            send: of the connection.
            key: what the query is known by.
            query: whose answer the stream is about.
            last_revision: the one that the client knows the answer of; ``None`` if it knows none.
            abort: closes the connection at once; ``None`` where the server has no such thing.
        """
        stream = _Stream(
            query,
            send,
            abort or asyncio.current_task().cancel,  # type: ignore[union-attr] # in a task
            self._metrics.count_stream_events,
        )
        # Once the stream is among the others, it can be told something at any time.
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        self._add(key, stream)
        try:
            state = self._catalog.load()
            if last_revision is None or state.has_changed(query, last_revision):
                stream.newest = max(stream.newest, state.position)
            stream.beat()
            if self.is_ending:
                stream.end()
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self._remove(key, stream)
            stream.close()

    def end_all(self) -> None:
        """Tell all clients that the service ends, and end their streams. May be called from any thread, or a signal."""
        self.is_ending = True
        self._in_loop(self._end_all)

    def _add(self, key: bytes, stream: "_Stream") -> None:
        if self._ticking is None:
            self._loop = asyncio.get_running_loop()
            self._ticking = self._loop.create_task(self._tick(), name="heksher streams")
        self._groups[key].add(stream)
        min(self._beats, key=len).add(stream)
        self._count += 1
        self._metrics.set_streams(self._count)

    def _remove(self, key: bytes, stream: "_Stream") -> None:
        group = self._groups[key]
        group.discard(stream)
        if not group:
            del self._groups[key]
        for beat in self._beats:
            beat.discard(stream)
        self._count -= 1
        self._metrics.set_streams(self._count)
        if not self._groups and self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    def _notice(self, state: CatalogState, steps: Sequence[Step]) -> None:
        self._in_loop(lambda: self._tell(state.position, steps))

    def _in_loop(self, action: Callable[[], object]) -> None:
        if self._loop is not None:
            # One that is closed has no streams; and whoever has just written is not to hear of it.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(action)

    def _tell(self, position: _Position, steps: Sequence[Step]) -> None:
        effects = [effect for step in steps for effect in step.effects]
        for group in self._groups.values():
            if shows_any(effects, next(iter(group)).query):
                for stream in group:
                    stream.tell(position)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        number = 0
        while True:
            await asyncio.sleep(_TICK_S)
            number = (number + 1) % HEARTBEAT_S
            for stream in list(self._beats[number]):
                stream.beat()
            for stream in self._list():
                if stream.is_blocked(loop.time()):
                    self._metrics.count_dropped_stream()
                    stream.abort()

    def _end_all(self) -> None:
        for stream in self._list():
            stream.end()

    def _list(self) -> list["_Stream"]:
        return [stream for group in self._groups.values() for stream in group]


class _Stream:
    """One stream. What is to be sent is decided when it can be sent.

    Attributes:
        query: whose answer it is about.
        newest: the newest position to tell of.
        abort: closes the connection at once.
    """

    __slots__ = (
        "_blocked_since_s",
        "_count_events",
        "_is_beat_due",
        "_is_end_due",
        "_is_ended",
        "_send",
        "_told",
        "abort",
        "newest",
        "query",
        "task",
    )

    def __init__(
        self, query: CatalogQuery, send: Send, abort: Callable[[], object], count_events: Callable[[int], object]
    ) -> None:
        self.query = query
        self.abort = abort
        self.newest = self._told = _NOWHERE
        self._send = send
        self._count_events = count_events
        self._is_beat_due = self._is_end_due = self._is_ended = False
        # Since when what is being sent is not taken; None when nothing is being sent.
        self._blocked_since_s: float | None = None
        # The task that sends, which the event loop holds weakly; None when there is nothing to send.
        self.task: asyncio.Task[None] | None = None

    def tell(self, position: _Position) -> None:
        """Tell that the answer has changed."""
        self.newest = max(self.newest, position)
        self._wake()

    def beat(self) -> None:
        """Send whatever is due, at least a heartbeat."""
        self._is_beat_due = True
        self._wake()

    def end(self) -> None:
        """Tell the client that the service ends, and when to come back."""
        self._is_end_due = True
        self._wake()

    def close(self) -> None:
        """Send nothing any more: there is nobody to take it."""
        self._is_ended = True
        if self.task is not None:
            self.task.cancel()

    def is_blocked(self, now_s: float) -> bool:
        """Return whether the client takes nothing for too long."""
        return self._blocked_since_s is not None and now_s - self._blocked_since_s > MAX_BLOCKED_S

    def _wake(self) -> None:
        if self.task is None and not self._is_ended:
            self.task = asyncio.get_running_loop().create_task(self._deliver())

    async def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            # The end can become due while something else is being sent: then it is still to be said.
            while not self._is_ended and (chunk := self._take_chunk()):
                self._blocked_since_s = loop.time()
                await self._send({"type": "http.response.body", "body": chunk, "more_body": not self._is_ended})
        finally:
            self._blocked_since_s = self.task = None

    def _take_chunk(self) -> bytes:
        if self._is_end_due:
            self._is_ended = True
            return b"event: end\nretry: %d\ndata: {}\n\n" % random.randrange(MAX_RETURN_MS)  # noqa: S311 - spreads load
        if self.newest > self._told:
            self._told, self._is_beat_due = self.newest, False
            self._count_events(1)
            _, revision = self._told
            return b'event: change\nid: %d\ndata: {"revision":%d}\n\n' % (revision, revision)
        is_beat_due, self._is_beat_due = self._is_beat_due, False
        return _HEARTBEAT if is_beat_due else b""
