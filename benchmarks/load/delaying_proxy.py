"""A proxy in front of PostgreSQL that counts what a service asks of it, and delays that as a network does.

A *round trip* is counted whenever a client sends something after the server has sent something: then it has waited.
Statements are counted by the protocol's messages: a query, or the execution of a prepared one.
Source: PostgreSQL's documentation, *Frontend/Backend Protocol*, *Message Formats*.
"""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from sqlalchemy import URL, make_url

_SOCKET: Final = ".s.PGSQL.5432"
_START_TIMEOUT_S: Final = 10.0
_CHUNK_BYTES: Final = 2**16
# The messages that run a statement, and those that have its text.
_RUN: Final = b"QE"
_TEXT: Final = b"QP"
# A message is a byte for its kind, four for the length of the rest, these included, and the rest.
_HEAD_BYTES: Final = 5


class Traffic(NamedTuple):
    """What went through a proxy.

    Attributes:
        transactions: those that were begun explicitly.
        statements: all that were run; beginning and ending a transaction counts, too.
        round_trips: how often a client waited for the server.
    """

    transactions: int = 0
    statements: int = 0
    round_trips: int = 0

    def since(self, earlier: "Traffic") -> "Traffic":
        """Return what has been added since."""
        return Traffic(*(now - before for now, before in zip(self, earlier, strict=True)))


class DelayingProxy:
    """A context manager: the proxy runs on an event loop in a thread of its own.

    Args:
        database: the URL of a PostgreSQL database.
        round_trip_s: what a round trip takes at least.

    Attributes:
        url: that of the database, through the proxy.
    """

    def __init__(self, database: str, round_trip_s: float = 0.0) -> None:
        self._server = make_url(database)
        self._one_way_s = round_trip_s / 2
        self._directory = Path(tempfile.mkdtemp(prefix="heksher-proxy-"))
        through = self._server.set(host=None, port=None).update_query_dict({"host": str(self._directory)})
        self.url: str = through.render_as_string(hide_password=False)
        self._traffic = Traffic()
        self._loop = asyncio.new_event_loop()
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    @property
    def traffic(self) -> Traffic:
        """What has gone through so far."""
        return self._traffic

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._is_ready.wait(_START_TIMEOUT_S):
            raise RuntimeError("the proxy did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    async def _serve(self) -> None:
        self._is_over = asyncio.Event()
        server = await asyncio.start_unix_server(self._connect, self._directory / _SOCKET)
        # The server's processes are often those of another user.
        self._directory.chmod(0o755)
        self._is_ready.set()
        await self._is_over.wait()
        server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        # What they have closed is closed by the loop's next turn.
        await asyncio.sleep(0)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await _open(self._server)
        except OSError:
            # Without the server, there is nobody here either.
            writer.close()
            return
        meter = _Meter()
        try:
            # Cancelled at the end of the proxy, or broken off by either side: that is no error here.
            with suppress(asyncio.CancelledError, OSError):
                await asyncio.gather(
                    self._pass_on(reader, server_writer, lambda data: self._count(meter, data)),
                    self._pass_on(server_reader, writer, meter.note_answer),
                )
        finally:
            writer.close()
            server_writer.close()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[bytes], None]
    ) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            note(data)
            self._loop.call_later(self._one_way_s, writer.write, data)
        self._loop.call_later(self._one_way_s, writer.close)

    def _count(self, meter: "_Meter", data: bytes) -> None:
        added = meter.read_request(data)
        self._traffic = Traffic(*(total + more for total, more in zip(self._traffic, added, strict=True)))


class _Meter:
    """Reads the messages of one connection."""

    def __init__(self) -> None:
        self._unread = b""
        self._has_begun = False
        self._is_answered = False

    def note_answer(self, data: bytes) -> None:
        self._is_answered = bool(data)

    def read_request(self, data: bytes) -> Traffic:
        """Return what is asked by what a client sends."""
        round_trips, self._is_answered = int(self._is_answered), False
        self._unread += data
        if not self._has_begun:
            # The first message has no kind.
            self._has_begun = True
            self._unread = b" " + self._unread
        transactions = statements = 0
        for kind, content in self._take_messages():
            statements += kind in _RUN
            transactions += kind in _TEXT and content.removeprefix(b"\0").startswith(b"BEGIN")
        return Traffic(transactions, statements, round_trips)

    def _take_messages(self) -> "list[tuple[int, bytes]]":
        messages = []
        while len(self._unread) >= _HEAD_BYTES:
            end = 1 + int.from_bytes(self._unread[1:_HEAD_BYTES])
            if len(self._unread) < end:
                break
            messages.append((self._unread[0], self._unread[_HEAD_BYTES:end]))
            self._unread = self._unread[end:]
        return messages


async def _open(server: URL) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host = server.host or str(server.query.get("host", "localhost"))
    port = server.port or 5432
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)
