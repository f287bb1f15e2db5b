"""A proxy on loopback in front of a service that does to requests and answers whatever it is told to, at any moment.

Each request is read as a whole, and then belongs to the *action* that is in force: it may ask the service and pass the
answer on, or change it, or say something else, or nothing. An action also says whether there is anybody to connect to,
which certificate is shown, and what becomes of the connections that there are.

The proxy runs on an event loop in a thread of its own; its public methods may be called from any thread. What it can do
wrong is in ``fault_actions``.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from enum import Enum
from typing import Any, NamedTuple, Self

import httpx2

DEADLINE_S = 10.0
MAX_HEAD_BYTES = 1 << 20
HEAD_END = b"\r\n\r\n"


class Ask(NamedTuple):
    """A request; the names of its headers in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class Answer(NamedTuple):
    """An answer; the names of its headers in lower case, its length not among them."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def encode(self, length: int | None = None) -> bytes:
        """Write it as HTTP/1.1 has it; ``length`` is a length to claim in place of the right one."""
        lines = [f"HTTP/1.1 {self.status} {httpx2.codes.get_reason_phrase(self.status)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.status not in {204, 304}:
            lines.append(f"content-length: {len(self.body) if length is None else length}")
        return "\r\n".join(lines).encode() + HEAD_END + self.body


Origin = Callable[[Ask], Awaitable[Answer]]


def answer_from(handle: Callable[[httpx2.Request], httpx2.Response]) -> Origin:
    """Make an origin of a service inside this process, such as ``FakeService.handle``."""

    async def fetch(ask: Ask) -> Answer:
        headers = {name: value for name, value in ask.headers.items() if name != "content-length"}
        request = httpx2.Request(ask.method, f"http://origin{ask.target}", headers=headers, content=ask.body)
        response = handle(request)
        kept = {name: value for name, value in response.headers.items() if name != "content-length"}
        return Answer(response.status_code, kept, response.content)

    return fetch


def forward_to(port: int) -> Origin:
    """Make an origin of a service on loopback; each request has a connection of its own."""

    async def fetch(ask: Ask) -> Answer:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=MAX_HEAD_BYTES)
        try:
            headers = "".join(f"{name}: {value}\r\n" for name, value in ask.headers.items() if name != "connection")
            writer.write(
                f"{ask.method} {ask.target} HTTP/1.1\r\n{headers}connection: close\r\n\r\n".encode() + ask.body
            )
            first, answered = await _read_head(reader)
            body = await reader.readexactly(int(answered.pop("content-length", "0")))
        finally:
            writer.close()
        answered.pop("connection", None)
        return Answer(int(first.split(" ")[1]), answered, body)

    return fetch


class Exchange:
    """One request, and what is to be done with it.

    Attributes:
        ask: the request.
        number: which one it is on its connection; 1 for the first.
        is_old: whether the connection was made before the present action was switched on.
    """

    def __init__(self, ask: Ask, number: int, link: "_Link", origin: Origin, *, is_old: bool) -> None:
        self.ask = ask
        self.number = number
        self.is_old = is_old
        self._link = link
        self._origin = origin

    async def fetch(self) -> Answer:
        """Ask the service."""
        return await self._origin(self.ask)

    async def fetch_whole(self) -> Answer:
        """Ask the service for an answer that is not *not modified*."""
        headers = {name: value for name, value in self.ask.headers.items() if name != "if-none-match"}
        return await self._origin(self.ask._replace(headers=headers))

    async def write(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            ConnectionResetError: the client has gone.
        """
        # With TLS, nothing else tells that.
        if self._link.is_closing():
            raise ConnectionResetError
        self._link.writer.write(data)
        await self._link.writer.drain()
        # Draining does not wait as long as there is room; others want to go on, too.
        await asyncio.sleep(0)

    async def send(self, answer: Answer) -> None:
        """Send an answer as it should be."""
        await self.write(answer.encode())

    async def hold(self) -> None:
        """Say nothing until the client gives up."""
        await self._link.reader.read()

    def close(self) -> None:
        """Close the connection."""
        self._link.writer.close()

    def reset(self) -> None:
        """Break the connection off (RST)."""
        self._link.reset()


async def forward(exchange: Exchange) -> None:
    """Pass the request and the answer on."""
    await exchange.send(await exchange.fetch())


class Listening(Enum):
    """What becomes of attempts to connect."""

    ACCEPTED = "accepted"
    REFUSED = "refused at once"
    IGNORED = "never answered"


class Action(NamedTuple):
    """What the proxy does.

    Attributes:
        handle: what it does with a request.
        listening: what it does with an attempt to connect.
        certificate: which of its certificates it shows, if it speaks TLS; ``None`` for no answer to the handshake.
        drops_connections: whether the connections that there are end when the action is switched on.
    """

    handle: Callable[[Exchange], Awaitable[None]] = forward
    listening: Listening = Listening.ACCEPTED
    certificate: str | None = "right"
    drops_connections: bool = False


PASS = Action()


class FaultProxy:
    """The proxy. A context manager, and also usable with ``start`` and ``stop``.

    Args:
        origin: the service.
        certificates: the contexts for TLS by name, with one that is called ``"right"``; ``None`` for plain HTTP.

    Attributes:
        port: where it listens on 127.0.0.1.
        visits: how often each path was asked for.
    """

    def __init__(self, origin: Origin, certificates: Mapping[str, ssl.SSLContext] | None = None) -> None:
        self.visits: Counter[str] = Counter()
        self._origin = origin
        self._certificates = certificates
        self._action = PASS
        # Counts actions, so that a connection can tell whether it is older than the present one.
        self._epoch = 0
        self._links: dict[_Link, asyncio.Task[None]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        # Keeps the port while nobody listens there.
        self._place = _bind(0)
        self.port: int = self._place.getsockname()[1]
        # What listens; with a queue that is full, also what fills it. Empty while connections are refused.
        self._listeners: list[socket.socket | asyncio.Server] = []

    def start(self) -> Self:
        """Start listening."""
        self._thread.start()
        self._run(self._listen(Listening.ACCEPTED))
        return self

    def stop(self) -> None:
        """End everything."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)
        self._loop.close()
        self._place.close()

    def switch(self, action: Action) -> None:
        """Do something else from now on; when this returns, it is in force."""
        self._run(self._switch(action))

    def count_connections(self) -> int:
        """Count the connections that clients have at present."""
        return len(self._links)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)

    async def _switch(self, action: Action) -> None:
        previous, self._action = self._action, action
        self._epoch += 1
        if action.listening is not previous.listening:
            self._stop_listening()
            await self._listen(action.listening)
        if action.drops_connections:
            for link in self._links:
                link.reset()

    async def _listen(self, listening: Listening) -> None:
        if listening is Listening.REFUSED:
            return
        listener = _bind(self.port)
        if listening is Listening.ACCEPTED:
            self._listeners.append(await asyncio.start_server(self._serve, sock=listener, limit=MAX_HEAD_BYTES))
        else:
            self._listeners += [listener, *_fill(listener)]

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    async def _end(self) -> None:
        self._stop_listening()
        tasks = list(self._links.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link, task = _Link(reader, writer, self._epoch), asyncio.current_task()
        assert task is not None
        self._links[link] = task
        # Whatever the client does with its connection is no matter here; nor is it one if the service is stopped.
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            if await self._shake_hands(link):
                await self._talk(link)
        del self._links[link]
        link.reset()

    async def _shake_hands(self, link: "_Link") -> bool:
        if self._certificates is None:
            return True
        if self._action.certificate is None:
            await link.reader.read()
            return False
        await link.start_tls(self._certificates[self._action.certificate])
        return True

    async def _talk(self, link: "_Link") -> None:
        number = 0
        while not link.is_closing():
            ask = await _read_ask(link.reader)
            self.visits[ask.path] += 1
            number += 1
            await self._action.handle(Exchange(ask, number, link, self._origin, is_old=link.epoch < self._epoch))


class _Link:
    """A connection that a client has made, during one of the proxy's actions.

    Attributes:
        reader: what the client sends, decrypted.
        writer: likewise, what it is sent.
        epoch: the number of that action.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, epoch: int) -> None:
        self.reader = reader
        self.writer = writer
        self.epoch = epoch
        # With TLS, what is below it.
        self._wire = writer

    def is_closing(self) -> bool:
        """Return whether the connection is at its end, or will be."""
        return self._wire.is_closing() or self.writer.is_closing()

    def reset(self) -> None:
        """Break it off; one that is closing already has its end as it is."""
        if not self.is_closing():
            connection = self._wire.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._wire.transport.abort()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        # Not the writer's own method, which does not stand a client that goes in the middle of the handshake.
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(MAX_HEAD_BYTES)
        protocol = _TlsProtocol(reader)
        transport = await loop.start_tls(self._wire.transport, protocol, context, server_side=True)
        if transport is None:
            raise ConnectionResetError
        reader.set_transport(transport)
        self.reader, self.writer = reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class _TlsProtocol(asyncio.StreamReaderProtocol):
    """Feeds a reader with what was decrypted."""

    def eof_received(self) -> bool:
        """Note the end of what the client sends; with TLS, it is the end of the connection as well."""
        super().eof_received()
        return False


async def _read_ask(reader: asyncio.StreamReader) -> Ask:
    first, headers = await _read_head(reader)
    method, target, _ = first.split(" ")
    return Ask(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    head = await reader.readuntil(HEAD_END)
    first, *lines = head.removesuffix(HEAD_END).decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return first, headers


def _bind(port: int) -> socket.socket:
    bound = socket.socket()
    # Also lets two sockets have the port as long as one of them does not listen.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _fill(listener: socket.socket) -> list[socket.socket]:
    """Fill the queue of connections to be accepted, so that the kernel does not answer any further ones."""
    listener.listen(0)
    fillers = [socket.socket() for _ in range(2)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    return fillers
