"""One request and its answer, as the application sees them.

Source: ASGI 3.0, HTTP connection scope, specification version 2.3.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextvars import Context
from http import HTTPStatus
from typing import Final, Protocol

from starlette.types import ASGIApp, Message, Scope

from heksher.server.asgi.recorder import note_refusal
from heksher.server.catalog.answer import NOSNIFF, HeaderField
from heksher.server.http.answer_text import CHUNKED_LINE, CLOSE_LINE, write_fields, write_head

logger: logging.Logger = logging.getLogger(__name__)

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_DISCONNECT: Final[Message] = {"type": "http.disconnect"}
_BODILESS_STATUSES: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Wire(Protocol):
    """The connection of an request."""

    def write(self, data: bytes) -> None:
        """Send bytes, now or as soon as the client takes them."""

    async def drain(self) -> None:
        """Wait until the client has taken most of what was sent, or is gone."""

    def get_date_line(self) -> bytes:
        """Return the header field with the time."""

    def note_taken(self) -> None:
        """Note that the application has taken what has arrived of the body."""

    def note_started(self) -> None:
        """Note that the application has begun to answer a request that has a body."""

    def finish(self, request: "ServedRequest") -> None:
        """Go on after an answer that is complete."""

    def abort(self) -> None:
        """Close the connection at once."""


class ServedRequest:
    """A request and its answer.

    Args:
        wire: the connection.
        scope: of the request.
        is_kept: whether the connection stays open after the answer.
        expects_continue: whether the client waits to be told before it sends a body.

    Attributes:
        is_complete: whether all of the request has arrived.
        is_answered: whether the answer is complete.
        body_bytes: how much has arrived of the body.
        is_started: whether the answer has begun.
        is_disconnected: whether the client is gone, or counts as gone.
        has_asked: whether the application has asked for the body.
        is_cut_off: whether the rest of the body never comes, though the client is still there.
        task: runs the application; None before the request is started.
    """

    __slots__ = (
        "_body",
        "_expects_continue",
        "_is_chunked",
        "_is_end_told",
        "_is_half_closed",
        "_left_bytes",
        "_refusal",
        "_refuse_now",
        "_waiter",
        "_wire",
        "body_bytes",
        "has_asked",
        "is_answered",
        "is_complete",
        "is_cut_off",
        "is_disconnected",
        "is_kept",
        "is_started",
        "scope",
        "task",
    )

    def __init__(self, wire: Wire, scope: Scope, *, is_kept: bool, expects_continue: bool) -> None:
        self._wire = wire
        self.scope: Scope = scope
        self.is_kept: bool = is_kept
        self._expects_continue = expects_continue
        self.body_bytes: int = 0
        self.is_complete: bool = False
        self.is_started: bool = False
        self.is_answered: bool = False
        self.is_disconnected: bool = False
        # Status and size of the answer that the connection has given; None while it has not.
        self._refusal: tuple[int, int] | None = None
        self.has_asked: bool = False
        self.is_cut_off: bool = False
        # Has the connection answer, once the application asks for a body that never comes; None if it may come.
        self._refuse_now: Callable[[], None] | None = None
        self.task: asyncio.Task[None] | None = None
        # What has arrived of the body and was not taken.
        self._body = bytearray()
        # Whether the application has taken the last part of the body.
        self._is_end_told = False
        # Whether the client sends nothing more, but may still read.
        self._is_half_closed = False
        # What the application waits on in receive; None while it does not.
        self._waiter: asyncio.Future[None] | None = None
        self._is_chunked = False
        # What is still to be sent of a body whose length was announced.
        self._left_bytes = 0

    def add_body(self, data: bytes) -> int:
        """Take a part of the body; return how much waits for the application."""
        # What is dropped counts as well: the client sends it.
        self.body_bytes += len(data)
        if self.is_answered or self.is_disconnected:
            return 0
        self._body += data
        self._wake()
        return len(self._body)

    def complete(self) -> None:
        """Note that all of the request has arrived."""
        self.is_complete = True
        self._wake()

    def disconnect(self) -> None:
        """Note that the client is gone."""
        self.is_disconnected = True
        self._wake()

    def half_close(self, *, is_last: bool) -> None:
        """Note that the client sends nothing more.

        The request is still answered; one that is not complete only if its application has begun, and so may have done
        it. But who waits for the client to go, as streams do, is told that it has: most clients of which nothing more
        can come are gone, and nothing else would tell so before much was sent.

        Args:
            is_last: whether no other request waits.
        """
        self._is_half_closed = True
        if is_last:
            self.is_kept = False
        self._wake()

    def cut_off(self, refuse_now: Callable[[], None]) -> None:
        """Note that the rest of the body never comes, and that the connection ends.

        An application that never asks for it does not need it: what it answers is sent.

        Args:
            refuse_now: called when the application asks for it; has the connection answer.
        """
        self.is_cut_off = True
        self.is_kept = False
        self._expects_continue = False
        self._refuse_now = refuse_now
        self._body = bytearray()
        self.body_bytes = 0

    def refuse(self, status: int, size_bytes: int) -> None:
        """Note that the connection has answered, and ends: what the application answers is dropped.

        Args:
            status: the status of the answer.
            size_bytes: the size of the answer's body.
        """
        self._refusal = (status, size_bytes)
        self.disconnect()

    def start(
        self, app: ASGIApp, running: "set[ServedRequest]", context: Context, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Have the application begin with the request.

        Args:
            app: the application.
            running: has the request in it as long as the application takes.
            context: what the application runs in.
            loop: the event loop.
        """
        running.add(self)
        self.task = context.run(loop.create_task, self._run(app, running.discard))

    async def _run(self, app: ASGIApp, when_done: "Callable[[ServedRequest], object]") -> None:
        try:
            # What never becomes complete is not begun.
            if self.is_complete or not self._is_half_closed:
                await app(self.scope, self.receive, self.send)
        except Exception:
            logger.exception("a request has failed")
        finally:
            try:
                self._end()
            finally:
                when_done(self)

    def _end(self) -> None:
        """Answer for an application that did not."""
        if self.is_answered or self.is_disconnected:
            return
        self.is_kept = False
        if self._is_half_closed and (self.is_started or not self.is_complete):
            # The application was told that nothing more comes; the client may still read what was sent.
            self._wire.finish(self)
            return
        if self.is_started:
            self._wire.abort()
            return
        self._start(500, [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"21"), NOSNIFF])
        self._send_body(b"Internal Server Error", is_last=True)

    async def receive(self) -> Message:
        """Return the next part of the body, or that the client is gone."""
        if self._expects_continue and not (self.is_disconnected or self._is_half_closed):
            self._expects_continue = False
            self._wire.write(_CONTINUE)
        while True:
            self._note_asked()
            if self.is_disconnected or self.is_answered or self.is_cut_off:
                return _DISCONNECT
            if self._body or (self.is_complete and not self._is_end_told):
                body = bytes(self._body)
                self._body = bytearray()
                self._is_end_told = self.is_complete
                self._wire.note_taken()
                return {"type": "http.request", "body": body, "more_body": not self.is_complete}
            if self._is_half_closed:
                return _DISCONNECT
            if self._waiter is None:
                self._waiter = asyncio.get_running_loop().create_future()
            # Shielded, because several tasks of an application may wait.
            await asyncio.shield(self._waiter)

    def _note_asked(self) -> None:
        self.has_asked = True
        refuse_now, self._refuse_now = self._refuse_now, None
        if refuse_now is not None and not self.is_started:
            refuse_now()

    async def send(self, message: Message) -> None:
        """Send a part of the answer, once the client has taken what was sent before."""
        if not self.is_disconnected:
            await self._wire.drain()
        if self.is_disconnected:
            if self._refusal is not None:
                # Not before: the requests that came before this one may still be being recorded.
                note_refusal(self.scope, *self._refusal)
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.is_started:
            self._start(message["status"], message.get("headers", ()))
        elif kind == "http.response.body" and self.is_started and not self.is_answered:
            self._send_body(message.get("body", b""), is_last=not message.get("more_body", False))
        else:
            raise RuntimeError(f"{kind} is not the next part of an answer")

    def _start(self, status: int, headers: Iterable[HeaderField]) -> None:
        fields = write_fields(headers)
        if fields.says_close:
            self.is_kept = False
        framing = b""
        if self.scope["method"] == "HEAD" or status in _BODILESS_STATUSES:
            self._left_bytes = 0
        elif fields.length_bytes is not None:
            self._left_bytes = fields.length_bytes
        else:
            framing = self._announce_open_end()
        if self._expects_continue and not self.is_complete:
            # The client may leave out its body now, and then nobody knows where the next request begins.
            self.is_kept = False
        end = b"" if self.is_kept or fields.says_close else CLOSE_LINE
        head = write_head(status, self._wire.get_date_line(), fields.text, framing, end)
        self.is_started = True
        self._expects_continue = False
        self._wire.write(head)
        if self.body_bytes:
            self._wire.note_started()

    def _announce_open_end(self) -> bytes:
        """Have the body end when its application says so; return the header field for that, if it takes one."""
        if self.scope["http_version"] < "1.1":
            # It ends with the connection.
            self._left_bytes = -1
            self.is_kept = False
            return b""
        self._is_chunked = True
        return CHUNKED_LINE

    def _send_body(self, data: bytes, *, is_last: bool) -> None:
        if self.scope["method"] == "HEAD":
            data = b""
        if self._is_chunked:
            self._wire.write(_write_chunk(data, is_last=is_last))
        elif data:
            self._count(len(data))
            self._wire.write(data)
        if is_last:
            if self._left_bytes > 0:
                raise RuntimeError("the answer is shorter than it says")
            self.is_answered = True
            self._wake()
            self._wire.finish(self)

    def _count(self, size: int) -> None:
        if self._left_bytes < 0:
            return
        if size > self._left_bytes:
            raise RuntimeError("the answer is longer than it says")
        self._left_bytes -= size

    def _wake(self) -> None:
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
            self._waiter = None


def _write_chunk(data: bytes, *, is_last: bool) -> bytes:
    text = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    return text + b"0\r\n\r\n" if is_last else text
