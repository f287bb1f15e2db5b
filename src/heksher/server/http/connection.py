"""One connection: reads requests one by one, has each answered, and ends when it takes too much."""

import asyncio

import httptools
from starlette.types import ASGIApp, Scope

from heksher.server.http.answer_text import write_refusal
from heksher.server.http.base_scope import make_base_scope, read_socket_address
from heksher.server.http.ended import Reason
from heksher.server.http.inflow import Inflow
from heksher.server.http.linger import Linger
from heksher.server.http.places import Phase, Places
from heksher.server.http.request_reader import RefusedHeadError, RequestReader
from heksher.server.http.served_request import ServedRequest
from heksher.server.http.write_gate import WriteGate


class Connection(asyncio.Protocol):
    """The service's side of a connection.

    Args:
        app: answers the requests.
        places: all connections.
        loop: the event loop.
        address: where it comes from, as the socket says.

    What it has for its place in there, ``Placed`` says.
    """

    __slots__ = (
        "_app", "_client", "_gate", "_inflow", "_is_closing", "_is_dropped", "_is_ending", "_is_half_closed",
        "_lingering", "_loop", "_places", "_reader", "_request", "_transport", "_unread_bytes", "held_bytes",
        "phase", "since_s", "turn", "unread_since_s",
    )  # fmt: skip

    def __init__(
        self, app: ASGIApp, places: "Places[Connection]", loop: asyncio.AbstractEventLoop, address: object
    ) -> None:
        self._app = app
        self._places = places
        self._loop = loop
        self._client = read_socket_address(address)
        self.phase: Phase = Phase.HEAD
        self.since_s: float = loop.time()
        self.turn: int = 0
        self.unread_since_s: float = 0.0
        self.held_bytes: int = 0
        # None before the connection is made; the reader, too, when nothing more is to be read.
        self._transport: asyncio.Transport | None = None
        self._reader: RequestReader | None = None
        # The request that is being read or answered; None without one.
        self._request: ServedRequest | None = None
        self._inflow = Inflow()
        self._gate = WriteGate(loop)
        self._unread_bytes = 0  # what waited to be sent when the client was last seen to read
        self._is_closing = False
        self._is_half_closed = False  # whether its client sends nothing more, and may still read
        self._is_ending = False  # whether its next answer is the last
        self._is_dropped = False  # whether it was ended before it was made
        # Closes it when its client may still be sending; None before that.
        self._lingering: Linger | None = None
        places.add(self)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of a TCP connection
        self._transport = transport
        if self._is_dropped:
            transport.abort()
            return
        self._reader = RequestReader(self, make_base_scope(transport, self._client), self._places.limits.max_head_bytes)

    def connection_lost(self, _reason: Exception | None) -> None:
        self._places.remove(self)
        self._stop_reading()
        self._is_closing = True
        self._gate.let_through()
        if self._request is not None:
            self._request.disconnect()
        self._request = None
        if self._lingering is not None:
            self._lingering.cancel()

    def data_received(self, data: bytes) -> None:
        if self._lingering is not None:
            self._lingering.drop(len(data))
        if self._reader is None:
            return
        if self._inflow.rest:
            rest, start = self._inflow.take()
            data = rest[start:] + data
        self._read(data, 0)

    def eof_received(self) -> bool:
        # What has come completely is answered, and what its application has begun; whatever has not is never completed.
        self._is_half_closed = True
        self._settle()
        return not self._is_closing and self._lingering is None

    def pause_writing(self) -> None:
        self._gate.is_shut = True
        self._watch_reader()

    def resume_writing(self) -> None:
        self._gate.is_shut = False
        # A connection that is being closed ends only when the client has taken the last byte.
        if not self._is_closing and self._lingering is None:
            self._places.unread.pop(self, None)
            self._settle()
        self._gate.let_through()

    # What the reader calls.

    def begin_request(self, scope: Scope, *, is_kept: bool, expects_continue: bool) -> None:
        """Answer a request, after those that came before it."""
        # Started when all is read that has arrived: what is malformed so far is refused, and never performed.
        is_last = self._is_ending or not is_kept
        self._request = ServedRequest(self, scope, is_kept=not is_last, expects_continue=expects_continue)

    def add_body(self, data: bytes) -> None:
        """Give a part of the body to the request."""
        if self._request is not None:
            self._inflow.waiting_bytes = self._request.add_body(data)

    def end_request(self) -> None:
        """Tell the request that it is complete."""
        if self._request is not None:
            self._request.complete()
            if self._request.is_answered:
                self._request = None

    # What the request calls.

    def write(self, data: bytes) -> None:
        """Send bytes, now or as soon as the client takes them."""
        if self._transport is not None and not self._is_closing:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has taken most of what was sent, or is gone."""
        if self._gate.is_shut:
            await self._gate.wait()

    def get_date_line(self) -> bytes:
        """Return the header field with the time."""
        return self._places.date_line

    def note_taken(self) -> None:
        """Note that the application has taken what has arrived of the body."""
        self._inflow.waiting_bytes = 0
        self._adjust_reading()

    def note_started(self) -> None:
        """Note that the application has begun to answer a request that has a body."""
        self._settle()

    def finish(self, request: ServedRequest) -> None:
        """Go on after an answer that is complete."""
        if self._is_closing:
            return
        if not request.is_kept:
            if request.is_complete and self._inflow.is_reading and not self._inflow.rest:
                self.close()
            else:
                self._linger()
        elif request.is_complete:
            self._go_on()
        else:
            # The rest of the body is read, so that the next request can be, and dropped.
            self.note_taken()

    def abort(self) -> None:
        """Close the connection at once."""
        self._is_closing = True
        if self._lingering is not None:
            self._lingering.cancel()
        if self._transport is None:
            self._is_dropped = True
        else:
            self._transport.abort()

    # What those call who know all connections.

    def close(self) -> None:
        """Close the connection as soon as the client has taken what was sent."""
        self._stop_reading()
        if self._transport is None:
            self.abort()
        elif not self._is_closing:
            self._is_closing = True
            self._transport.close()
            self._watch_reader()

    def announce_end(self) -> None:
        """Have the next answer, or the one that is under way, be the last."""
        self._is_ending = True
        if self._request is not None:
            self._request.is_kept = False

    def shut_down(self) -> None:
        """Close the connection after the answer that is under way."""
        if self._lingering is not None:
            return
        if self._request is None:
            self.close()
        elif self._request.is_answered:
            # The rest of its body is still to come, or other requests have.
            self._linger()
        else:
            self.announce_end()

    def end(self, reason: Reason) -> None:
        """Close the connection at once, and count it."""
        self._places.ended.note(reason)
        self._places.remove(self)
        self.abort()

    def refuse(self, status: int, detail: str, reason: Reason) -> None:
        """Close the connection after an answer, also one that was given already; at once if one is under way.

        Args:
            status: the status of the answer.
            detail: what is wrong.
            reason: what it is counted as.
        """
        request = self._request
        if self._lingering is not None or (request is not None and request.is_cut_off):
            return
        self._places.ended.note(reason)
        if request is not None and request.is_answered and not self._is_closing:
            self._linger()
        elif self._transport is None or self._is_closing or (request is not None and request.is_started):
            self.abort()
        elif request is None or request.task is None or request.has_asked:
            self._send_refusal(status, detail)
        else:
            # It may be performed without its body, and then its own answer says so.
            self._stop_reading()
            request.cut_off(lambda: self._send_refusal(status, detail))
            self._settle()

    def _send_refusal(self, status: int, detail: str) -> None:
        if self._transport is None or self._is_closing:
            return
        answer, size = write_refusal(status, self._places.date_line, detail)
        if self._request is not None and self._request.task is not None:
            self._request.refuse(status, size)
        else:
            self._request = None
            waited_s = self._loop.time() - self.since_s if self.phase is Phase.HEAD else 0.0
            self._places.ended.record_refusal(self._client, status, waited_s, size)
        self._transport.write(answer)
        self._linger()

    def check_time(self, now_s: float) -> None:
        """End a connection whose request takes too long to arrive."""
        limits = self._places.limits
        if self.phase is Phase.HEAD:
            if now_s - self.since_s < limits.head_s:
                return
            if self.held_bytes:
                self.refuse(408, f"the head of the request took longer than {limits.head_s:g} s", "slow_head")
            else:
                self.end("slow_head")
        elif self._gate.is_shut and self._request is not None and self._request.is_started:
            # Who is still reading the answer may send the rest of the body after that.
            self.since_s = now_s
            self._inflow.mark(now_s, self._count_body())
        elif now_s - self.since_s >= limits.body_s or not self._inflow.is_steady(now_s, self._count_body(), limits):
            self.refuse(408, f"the body took longer than {limits.body_s:g} s, or came too slowly", "slow_body")

    def check_unread(self, now_s: float) -> None:
        """End a connection whose client takes nothing of what was sent."""
        if self._transport is None:
            return
        size = self._transport.get_write_buffer_size()
        if size < self._unread_bytes:
            self._unread_bytes = size
            self.unread_since_s = now_s
            self._places.unread.move_to_end(self)
        elif now_s - self.unread_since_s >= self._places.limits.unread_s and (size or self._lingering is None):
            self.end("unread")

    def _read(self, data: bytes, start: int) -> None:
        """Read requests until one must be answered first, or has many chunks; keep what is left."""
        reader, is_cut = self._reader, False
        try:
            while start < len(data) and reader is not None and not (self._is_read() or is_cut):
                start = reader.read(data, start)
                is_cut = reader.is_cut
        except RefusedHeadError as error:
            self.refuse(error.status, error.detail, error.reason)
        except httptools.HttpParserError:
            self.refuse(400, "this is not HTTP/1.1 as RFC 9112 has it", "malformed")
        else:
            if start < len(data):
                self._inflow.keep(data, start)
                if is_cut and self._inflow.defer():
                    self._places.deferred.add(self._read_on, self._loop)
            if self._request is not None and self._request.task is None:
                self._request.start(self._app, self._places.running, self._places.context, self._loop)
            self._settle()

    def _is_read(self) -> bool:
        """Return whether a request has come completely, which is to be answered before the next one is read."""
        return self._request is not None and self._request.is_complete

    def _read_on(self) -> None:
        """Go on with a body in many chunks."""
        self._inflow.is_deferred = False
        if self._inflow.rest and not self._is_read():
            self._read(*self._inflow.take())
        else:
            self._settle()

    def _go_on(self) -> None:
        """Go on with the next request, once the application is done with the one before it, and has recorded it."""
        if self._inflow.rest:
            self._loop.call_soon(self._begin_next)
        else:
            self._request = None
            self._settle()

    def _begin_next(self) -> None:
        if not self._is_closing and self._lingering is None:
            self._request = None
            self._read(*self._inflow.take())

    def _settle(self) -> None:
        """Take the place that belongs to what the connection does now, and note what it holds."""
        if self._is_closing or self._lingering is not None:
            return
        request, reader, inflow = self._request, self._reader, self._inflow
        if self._is_half_closed and request is not None and not inflow.is_deferred:
            request.half_close(is_last=not inflow.rest)
        held_bytes = len(inflow.rest)
        if request is not None:
            is_busy = request.is_complete or (self._is_half_closed and not request.is_answered)
            phase = Phase.BUSY if is_busy else Phase.BODY
            # An application that answers has made of the body what it needs; a stream goes on for long after that.
            held_bytes += 0 if request.is_started else request.body_bytes
        else:
            head_bytes = reader.head_bytes if reader is not None and reader.has_begun else 0
            # An answer that its client is still reading is not done.
            phase = Phase.HEAD if head_bytes else Phase.BUSY if self._gate.is_shut else Phase.IDLE
            held_bytes += head_bytes
        if self._is_half_closed and phase is not Phase.BUSY:
            self.close()
            return
        if phase is not self.phase:
            if phase is not Phase.BUSY:
                self.since_s = self._loop.time()
                inflow.mark(self.since_s, 0)
            self._places.move(self, phase)
        if inflow.rest or inflow.waiting_bytes or not inflow.is_reading:
            self._adjust_reading()
        if held_bytes != self.held_bytes:
            self._places.hold(self, held_bytes)

    def _adjust_reading(self) -> None:
        if self._transport is not None and not self._is_closing:
            self._inflow.adjust(self._transport, self._loop.time(), self._count_body())

    def _count_body(self) -> int:
        return 0 if self._request is None else self._request.body_bytes

    def _stop_reading(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self._inflow.rest = b""
        self._places.hold(self, 0)

    def _linger(self) -> None:
        """Close the connection in a moment; what comes until then is dropped."""
        if self._is_half_closed:
            self.close()
            return
        self._stop_reading()
        if self._transport is not None and self._lingering is None:
            self.note_taken()
            self._places.move(self, Phase.BUSY)
            self._lingering = Linger(
                self._transport, self._loop, self._places.limits, self._note_last_taken, self.abort
            )
            self._watch_reader()

    def _note_last_taken(self) -> None:
        self._places.unread.pop(self, None)
        self.since_s = self._loop.time()
        self._places.move(self, Phase.ENDING)

    def _watch_reader(self) -> None:
        """Watch whether the client takes what waits to be sent."""
        if self._transport is not None and self not in self._places.unread:
            self._unread_bytes = self._transport.get_write_buffer_size()
            self.unread_since_s = self._loop.time()
            self._places.unread[self] = None
