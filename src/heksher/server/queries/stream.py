"""Streams of server-sent events: each notifies one client when the answer to its query has changed.

A stream is an open connection. The only thing it has yet to send is a number, the newest revision that affects its
query, so its memory stays the same however many changes there are and however slowly its client reads. Nothing waits
for a slow reader: a client that reads nothing for a while is disconnected.

Everything here runs on the event loop; catalogs report changes from other threads.

Source: docs/adr/0010-answers-from-memory.md; HTML Standard, section 9.2 (server-sent events).
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from starlette.types import Receive, Send

from heksher.revision_id import RevisionId
from heksher.server.access.grants import Role
from heksher.server.catalog.access_picture import AccessPicture, AnyCredential
from heksher.server.catalog.advance import Step
from heksher.server.catalog.answer import NOSNIFF
from heksher.server.catalog.catalog import Catalog, CatalogState
from heksher.server.catalog.effect import shows_any
from heksher.server.catalog.query import CatalogQuery
from heksher.server.metrics import Metrics
from heksher.server.queries.held_query import HeldQueries
from heksher.server.usage.client_fields import UNKNOWN_CLIENT, ClientFields
from heksher.server.usage.use_recorder import Followers

HEARTBEAT_S: Final = 15
# A client that reads nothing for this long is disconnected.
MAX_BLOCKED_S: Final = 10.0
# When the service ends, clients are told to reconnect after a random delay up to this.
MAX_RETURN_MS: Final = 5000
# A function in the ``extensions`` of a request's scope that aborts the connection and drops unsent data.
ABORT_EXTENSION: Final = "heksher.abort"

# The position of a catalog's state: an era and a revision.
_Position = tuple[int, RevisionId]
_NOWHERE: Final[_Position] = (-1, RevisionId(-1))

_TICK_S: Final = 1.0
_HEARTBEAT: Final = b":\n\n"
_HEADERS: Final = (
    NOSNIFF,
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    # Keeps nginx from buffering the answer.
    (b"x-accel-buffering", b"no"),
)


class Streams:
    """All streams of this process. Belongs to one event loop, except for ``end_all``.

    Args:
        catalog: reports changes.
        metrics: counts streams and events.

    Attributes:
        queries: the queries of the streams that are open.
        is_ending: whether ``end_all`` was called.
    """

    def __init__(self, catalog: Catalog, metrics: Metrics) -> None:
        self._catalog = catalog
        self._metrics = metrics
        # Streams by the key of their query, so that each change is checked once for all streams of a query.
        self._groups: defaultdict[bytes, set[_Stream]] = defaultdict(set)
        # Each tick sends the heartbeat of one of these groups.
        self._beats: list[set[_Stream]] = [set() for _ in range(HEARTBEAT_S)]
        # The event loop and the ticking task; None before the first stream.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._count = 0
        self.queries: HeldQueries = HeldQueries()
        self.is_ending: bool = False
        catalog.subscribe(self._notice)

    async def serve(
        self,
        receive: Receive,
        send: Send,
        key: bytes,
        query: CatalogQuery,
        last_revision: RevisionId | None,
        abort: Callable[[], object] | None,
        credential: AnyCredential | None = None,
        client: ClientFields = UNKNOWN_CLIENT,
    ) -> None:
        """Serve one stream until its client disconnects, its credential ends, or ``end_all`` is called.

        Args:
            receive: the ASGI callable of the connection.
            send: the ASGI callable of the connection.
            key: identifies the query.
            query: the query whose changes the stream reports.
            last_revision: the revision whose answer the client has; ``None`` if it has none.
            abort: closes the connection at once; ``None`` if the server does not support that.
            credential: by what its client is known; ``None`` if everybody may follow.
            client: who its client says it is.
        """
        stream = _Stream(
            credential,
            client,
            query,
            send,
            abort or asyncio.current_task().cancel,  # type: ignore[union-attr] # in a task
            self._metrics.count_stream_events,
        )
        # From here on changes can reach the stream at any time.
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        self._add(key, stream)
        query = stream.query
        try:
            state = self._catalog.load()
            if last_revision is None or state.has_changed(query, last_revision):
                stream.newest = max(stream.newest, state.position)
            stream.beat()
            if self.is_ending:
                stream.end()
            while (await receive())["type"] != "http.disconnect":
                pass
            await stream.leave()
        finally:
            self._remove(key, stream)
            stream.close()

    def end_all(self) -> None:
        """Notify all clients that the service ends, and end their streams. Safe in any thread and signal handler."""
        self.is_ending = True
        self._in_loop(self._end_all)

    def list_followers(self) -> list[Followers]:
        """Return who follows at this moment. May be called from any thread."""
        # Copying either is one step of the interpreter, which no other thread interrupts.
        groups = [list(group) for group in list(self._groups.values())]
        return [Followers(group[0].query.names, [stream.client for stream in group]) for group in groups if group]

    def _add(self, key: bytes, stream: "_Stream") -> None:
        if self._ticking is None:
            self._loop = asyncio.get_running_loop()
            self._ticking = self._loop.create_task(self._tick(), name="heksher streams")
        stream.query = self.queries.take(key, stream.query)
        self._groups[key].add(stream)
        min(self._beats, key=len).add(stream)
        self._count += 1
        self._metrics.set_streams(self._count)

    def _remove(self, key: bytes, stream: "_Stream") -> None:
        group = self._groups[key]
        group.discard(stream)
        if not group:
            del self._groups[key]
        self.queries.release(key)
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
            # A closed loop has no streams, and the thread that reports a change must not get the error.
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
            self._end_refused()
            for stream in self._list():
                if stream.is_blocked(loop.time()):
                    self._metrics.count_dropped_stream()
                    stream.close()
                    stream.abort()

    def _end_refused(self) -> None:
        """End the streams of those who may not follow any more: their credentials have ended or were taken back."""
        state = self._catalog.state
        if state is not None:
            for stream in self._list():
                if not stream.is_allowed(state.picture.access):
                    stream.end()

    def _end_all(self) -> None:
        for stream in self._list():
            stream.end()

    def _list(self) -> list["_Stream"]:
        return [stream for group in self._groups.values() for stream in group]


class _Stream:
    """One stream. It decides what to send only when it can send.

    Args:
        credential: by what its client is known; ``None`` if everybody may follow.
        client: see below.
        query: the query whose changes it reports.
        send: the ASGI callable of the connection.
        abort: closes the connection at once.
        count_events: is told of each event.

    Attributes:
        client: who its client says it is.
        query: see above.
        newest: the newest position to report.
        abort: see above.
    """

    __slots__ = (
        "_blocked_since_s",
        "_count_events",
        "_credential",
        "_is_beat_due",
        "_is_end_due",
        "_is_ended",
        "_is_leaving",
        "_send",
        "_told",
        "abort",
        "client",
        "newest",
        "query",
        "task",
    )

    def __init__(
        self,
        credential: AnyCredential | None,
        client: ClientFields,
        query: CatalogQuery,
        send: Send,
        abort: Callable[[], object],
        count_events: Callable[[int], object],
    ) -> None:
        self.client = client
        self.query = query
        self._credential = credential
        self.abort = abort
        self.newest = self._told = _NOWHERE
        self._send = send
        self._count_events = count_events
        self._is_beat_due = self._is_end_due = self._is_leaving = self._is_ended = False
        # Since when the client has not taken the data being sent; None when nothing is being sent.
        self._blocked_since_s: float | None = None
        # The sending task, kept here because the event loop holds it only weakly; None when there is nothing to send.
        self.task: asyncio.Task[None] | None = None

    def tell(self, position: _Position) -> None:
        """Report that the answer has changed."""
        self.newest = max(self.newest, position)
        self._wake()

    def beat(self) -> None:
        """Send what is due, or else a heartbeat."""
        self._is_beat_due = True
        self._wake()

    def end(self) -> None:
        """Notify the client that the service ends, and when to reconnect."""
        self._is_end_due = True
        self._wake()

    async def leave(self) -> None:
        """Send what is due, and end: the client sends nothing more, but may still read. Nothing is sent to one gone."""
        self._is_leaving = True
        self._wake()
        if self.task is not None:
            await asyncio.wait({self.task})

    def close(self) -> None:
        """Stop sending: the client is gone."""
        self._is_ended = True
        if self.task is not None:
            self.task.cancel()

    def is_allowed(self, access: AccessPicture) -> bool:
        """Return whether the client may still follow."""
        if self._credential is None:
            return True
        principal = self._credential.find_principal(access, time.time())
        return principal is not None and Role.READ in principal.grants.roles

    def is_blocked(self, now_s: float) -> bool:
        """Return whether the client has read nothing for too long."""
        return self._blocked_since_s is not None and now_s - self._blocked_since_s > MAX_BLOCKED_S

    def _wake(self) -> None:
        if self.task is None and not self._is_ended:
            self.task = asyncio.get_running_loop().create_task(self._deliver())

    async def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            # The end event can become due while another chunk is being sent, so check again after each.
            while not self._is_ended and ((chunk := self._take_chunk()) or self._is_leaving):
                if not chunk:
                    self._is_ended = True
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
            return b'event: change\nid: %b\ndata: {"revision":%d}\n\n' % (str(revision).encode(), revision.number)
        is_beat_due, self._is_beat_due = self._is_beat_due, False
        return _HEARTBEAT if is_beat_due else b""
