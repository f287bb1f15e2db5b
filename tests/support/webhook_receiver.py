"""A receiver of webhooks that can be bad in each way that a receiver can, and checks what it gets as all of them do."""

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

# What a receiver does with a request: a status that it answers, or one of these.
HANG = "hang"
# Answers byte by byte, as slowly as a receiver drips.
DRIP = "drip"
# Closes the connection, or resets it.
BREAK = "break"
RESET = "reset"
# Answers 200, late.
SLOW = "slow"
# An answer whose head has no end, one that never comes after its hints (103), and a 200 whose body has no end.
ENDLESS_HEAD = "endless head"
ENDLESS_HINTS = "endless hints"
ENDLESS_BODY = "endless body"
Behaviour = int | str

# What the sender of a message has to take for success.
ACCEPTING: frozenset[Behaviour] = frozenset({200, 204, SLOW, ENDLESS_BODY})

_CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
# How each of them goes on, after what it begins with.
_ENDLESS = {
    ENDLESS_HEAD: (b"HTTP/1.1 200 OK\r\nX-Padding: ", b"x" * 0x10000),
    ENDLESS_HINTS: (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000),
    ENDLESS_BODY: (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", _CHUNK),
}


@dataclass(frozen=True)
class Received:
    """A request.

    Attributes:
        headers: in lower case.
        behaviour: what the receiver did with it.
        at_s: when it came, by ``time.monotonic``.
    """

    path: str
    headers: dict[str, str]
    body: bytes
    behaviour: Behaviour
    at_s: float

    @property
    def is_accepted(self) -> bool:
        return self.behaviour in ACCEPTING

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def content(self) -> Any:
        return json.loads(self.body)


class WebhookReceiver:
    """A receiver on a thread of this process. A context manager.

    Args:
        address: that it listens on.
        trust: what it shows to be the one that it is called; ``None`` without TLS.

    Attributes:
        url: where it receives messages.
        secret: of the webhook; while it is empty, nothing is verified.
        behaviours: what it does with the next requests; then it answers 200.
        requests: all that it got.
        forged: the errors of those whose signature was wrong.
        drip_pause_s: how much time it lets pass after each byte of an answer that drips.
        slow_s: after how much time it gives a slow answer.
    """

    drip_pause_s: float = 0.05
    slow_s: float = 0.2

    def __init__(self, address: str = "127.0.0.1", trust: ssl.SSLContext | None = None) -> None:
        self._server = (_Server6 if ":" in address else _Server)((address, 0), _Handler)
        self._server.receiver = self
        if trust is not None:
            self._server.socket = trust.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if trust is None else "https"
        self.port: int = self._server.server_port
        host = f"[{address}]" if ":" in address else address
        self.url = f"{scheme}://{host}:{self.port}/in/T0p-s3cret"
        self.secret = ""
        self.behaviours: list[Behaviour] = []
        self.requests: list[Received] = []
        self.forged: list[str] = []
        self.ended = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def list_accepted(self) -> list[Received]:
        """Return the first request of each message that was answered with success, in order."""
        accepted = [request for request in self.requests if request.is_accepted]
        return list({request.message_id: request for request in reversed(accepted)}.values())[::-1]

    def take(self, path: str, headers: Iterable[tuple[str, str]], body: bytes) -> Behaviour:
        """Note a request, and say what is to be done with it."""
        named = {name.lower(): value for name, value in headers}
        with self._lock:
            behaviour = self.behaviours.pop(0) if self.behaviours else 200
            if self.secret:
                try:
                    Webhook(self.secret).verify(body, named)
                except WebhookVerificationError as error:
                    self.forged.append(str(error))
            self.requests.append(Received(path, named, body, behaviour, time.monotonic()))
        return behaviour


class _Server(ThreadingHTTPServer):
    # Requests that hang are not waited for.
    daemon_threads = True
    block_on_close = False
    receiver: WebhookReceiver

    def handle_error(self, *_: object) -> None:
        """Do nothing: senders may go away."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        behaviour = self.server.receiver.take(self.path, self.headers.items(), body)
        if behaviour in _ENDLESS:
            self._go_on(*_ENDLESS[str(behaviour)])
        elif isinstance(behaviour, int):
            self._answer(behaviour)
        else:
            acts = {HANG: self._hang, DRIP: self._drip, BREAK: self._break, RESET: self._reset, SLOW: self._answer_late}
            acts[behaviour]()

    def _hang(self) -> None:
        self.server.receiver.ended.wait(60)

    def _break(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)

    def _answer_late(self) -> None:
        time.sleep(self.server.receiver.slow_s)
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        if status in {429, 503}:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def _drip(self) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 10_000:
            if self.server.receiver.ended.wait(self.server.receiver.drip_pause_s):
                return
            self.wfile.write(bytes([byte]))

    def _reset(self) -> None:
        # Without time to linger, the kernel closes with RST.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _go_on(self, begin: bytes, more: bytes) -> None:
        self.wfile.write(begin)
        while not self.server.receiver.ended.is_set():
            self.wfile.write(more)

    def log_message(self, *_: object) -> None:
        pass
