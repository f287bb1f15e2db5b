"""The network as a blocking HTTP library sees it, with requests that end when they must (see ``in_flight``).

Theory
------
The time limits of an HTTP library hold for single operations: a peer that sends a byte now and then can keep a request
for ever. And nothing in it ends the requests of other threads: closing a socket does not wake a thread that waits for
it. Shutting it down does.

Both are mended where the library meets the network, in its *network backend*, which ``protect`` replaces. Each
operation that may block (looking a name up, connecting, the handshake, sending, receiving) observes the guard of the
request that it is for. A connection serves many requests, one after the other, so the guard is not found by the
connection, but by the running code.

Looking up a name is the one thing that cannot be interrupted. It is left to a thread of its own, which is abandoned if
the request ends first, and ends when the system's resolver gives up.

On an event loop cancelling a task is enough, with two exceptions: a task that is cancelled during the handshake of TLS,
or while it closes connections that the service has closed, leaves connections that nothing closes. That is mended in
the same way, by ``protect_async``.

The backend stands where the libraries promise nothing (``private_part``). Where it is not found, as in a transport of
the program's own, nothing is replaced; then there are the library's time limits, and the guard is asked between two
pieces of a body. What a later version of a library may want more of its network is left to the library's own.
"""

import queue
import socket
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Any, Final

from heksher.clients.transport.in_flight import Guard, active_guard
from heksher.clients.transport.private_part import find_pools, find_stream_class, replace_backend
from heksher.clients.wake import Wake

_NO_DELAY: Final = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


# Where an error keeps the address that could not be connected to.
_UNREACHED: Final = "heksher_unreached"


def find_unreached(error: BaseException | None) -> str | None:
    """Return the ``host:port`` that could not be connected to, if that is why a request failed, else ``None``.

    With a proxy that is the proxy's. It is not known of a transport of the program's own.
    """
    while error is not None:
        unreached: str | None = vars(error).get(_UNREACHED)
        if unreached is not None:
            return unreached
        error = error.__cause__
    return None


def protect(client: Any) -> None:
    """Have the requests of a library's blocking client observe their guards.

    It can be done more than once, and does not matter to other clients that share a transport with this one.
    """
    for pool in find_pools(client):
        replace_backend(pool, partial(_guard_backend, import_module(type(pool).__module__.partition(".")[0])))


def protect_async(client: Any) -> "list[AsyncBackend]":
    """Note all connections of a library's client for event loops, so that they can be closed. Can be repeated, too.

    Returns:
        Where they are noted.
    """
    backends: list[AsyncBackend] = []

    def note_connections(backend: Any) -> AsyncBackend:
        backends.append(backend if isinstance(backend, AsyncBackend) else AsyncBackend(backend))
        return backends[-1]

    for pool in find_pools(client):
        replace_backend(pool, note_connections)
    return backends


def _guard_backend(core: Any, backend: Any) -> Any:
    # Another one is the program's own, or there already.
    if type(backend) is not getattr(core, "SyncBackend", None):
        return backend
    stream_class = find_stream_class(core)
    return backend if stream_class is None else _Backend(core, backend, stream_class)


class _Backend:
    """A library's network backend whose operations observe the guard of the request that they are for.

    Args:
        core: the package that the HTTP library stands on, for its errors.
        inner: the backend to stand in for.
        stream_class: makes the library's stream of a connected socket.
    """

    def __init__(self, core: Any, inner: Any, stream_class: Callable[[socket.socket], Any]) -> None:
        self._core = core
        self._inner = inner
        self._stream_class = stream_class

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
        **others: Any,
    ) -> "_GuardedStream":
        guard = active_guard()
        if others:
            options = {"local_address": local_address, "socket_options": socket_options, **others}
            with (
                _connecting_to(host, port),
                _raised_as(self._core, "Connect"),
                guard.blocking(timeout, None) as timeout_s,
            ):
                return _GuardedStream(self._core, self._inner.connect_tcp(host, port, timeout_s, **options))
        with _connecting_to(host, port), _raised_as(self._core, "Connect"):
            connected = _connect(guard, host, port, timeout, local_address)
            try:
                for option in [*(socket_options or ()), _NO_DELAY]:
                    connected.setsockopt(*option)
            except BaseException:
                connected.close()
                raise
        return _GuardedStream(self._core, self._stream_class(connected))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> "_GuardedStream":
        with _raised_as(self._core, "Connect"), active_guard().blocking(timeout, None) as timeout_s:
            return _GuardedStream(self._core, self._inner.connect_unix_socket(path, timeout_s, socket_options))

    def sleep(self, seconds: float) -> None:
        interrupted = Wake()
        with _raised_as(self._core, "Connect"), active_guard().blocking(seconds, interrupted.set) as timeout_s:
            interrupted.wait(timeout_s)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _GuardedStream:
    """A library's network stream, as ``_Backend`` is for its backend."""

    def __init__(self, core: Any, inner: Any) -> None:
        self._core = core
        self._inner = inner
        self._socket: socket.socket = inner.get_extra_info("socket")
        active_guard().note(self._socket)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _raised_as(self._core, "Read"), self._blocking(timeout) as timeout_s:
            data: bytes = self._inner.read(max_bytes, timeout_s)
            return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _raised_as(self._core, "Write"), self._blocking(timeout) as timeout_s:
            self._inner.write(buffer, timeout_s)

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None, **others: Any
    ) -> "_GuardedStream":
        # The handshake is done by a new object that takes over the descriptor, so it is interrupted by a duplicate.
        try:
            with (
                _raised_as(self._core, "Connect"),
                socket.fromfd(self._socket.fileno(), self._socket.family, self._socket.type) as duplicate,
                active_guard().blocking(timeout, partial(_shut_down, duplicate)) as timeout_s,
            ):
                secure = self._inner.start_tls(ssl_context, server_hostname, timeout_s, **others)
                return _GuardedStream(self._core, secure)
        except BaseException:
            # Where the handshake did not even begin, nothing else closes the connection.
            self._inner.close()
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _blocking(self, timeout_s: float | None) -> Any:
        return active_guard().blocking(timeout_s, partial(_shut_down, self._socket))


class AsyncBackend:
    """A library's network backend for event loops, all of whose connections are closed in the end."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._streams: weakref.WeakSet[_AsyncGuardedStream] = weakref.WeakSet()

    async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> "_AsyncGuardedStream":
        with _connecting_to(host, port):
            return _AsyncGuardedStream(await self._inner.connect_tcp(host, port, *args, **options), self._streams)

    async def connect_unix_socket(self, *args: Any, **options: Any) -> "_AsyncGuardedStream":
        return _AsyncGuardedStream(await self._inner.connect_unix_socket(*args, **options), self._streams)

    def leave_to_parent(self) -> None:
        """Forget the connections, in a forked child: they belong to the loop of the parent."""
        self._streams = weakref.WeakSet()

    async def close_connections(self) -> None:
        """Close the connections that are left after the library has closed its own."""
        for stream in list(self._streams):
            await stream.aclose()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _AsyncGuardedStream:
    """As ``AsyncBackend``, for a stream, which is noted among ``streams``."""

    def __init__(self, inner: Any, streams: "weakref.WeakSet[_AsyncGuardedStream]") -> None:
        self._inner = inner
        self._streams = streams
        streams.add(self)

    async def start_tls(self, *args: Any, **options: Any) -> "_AsyncGuardedStream":
        try:
            return _AsyncGuardedStream(await self._inner.start_tls(*args, **options), self._streams)
        except BaseException:
            await self._inner.aclose()
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@contextmanager
def _connecting_to(host: str, port: int) -> Iterator[None]:
    try:
        yield
    # Also a cancellation, by which a time limit ends it.
    except BaseException as error:
        vars(error)[_UNREACHED] = f"{host}:{port}"
        raise


@contextmanager
def _raised_as(core: Any, operation: str) -> Iterator[None]:
    """Raise the system's errors as the library does: ``operation`` is ``Connect``, ``Read`` or ``Write``."""
    try:
        yield
    except TimeoutError as error:
        raise getattr(core, f"{operation}Timeout")(str(error)) from error
    except OSError as error:
        raise getattr(core, f"{operation}Error")(str(error)) from error


def _connect(guard: Guard, host: str, port: int, timeout_s: float | None, local_address: str | None) -> socket.socket:
    """Connect to the first address of a host that accepts a connection."""
    failure = OSError(f"{host} has no address")
    for *kind, _, address in _look_up(guard, host, port):
        try:
            return _attempt(guard, kind, address, timeout_s, local_address)
        except OSError as error:
            failure = error
    raise failure


def _attempt(
    guard: Guard, kind: list[int], address: Any, timeout_s: float | None, local_address: str | None
) -> socket.socket:
    attempt = socket.socket(*kind)
    try:
        if local_address is not None:
            attempt.bind((local_address, 0))
        guard.note(attempt)
        with guard.blocking(timeout_s, partial(_shut_down, attempt)) as left_s:
            attempt.settimeout(left_s)
            attempt.connect(address)
    except BaseException:
        attempt.close()
        raise
    return attempt


def _look_up(guard: Guard, host: str, port: int) -> list[Any]:
    with suppress(socket.gaierror):
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    found: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        # Whatever it is, the waiting thread raises it.
        except Exception as error:  # noqa: BLE001 - see above
            found.put(error)

    with guard.blocking(None, lambda: found.put(guard.break_off())) as timeout_s:
        try:
            threading.Thread(target=look_up, name="heksher-lookup", daemon=True).start()
        except RuntimeError:
            # No more threads can be started, as when the interpreter is about to end.
            look_up()
        try:
            outcome = found.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError(f"the address of {host} could not be found in time") from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _shut_down(connection: socket.socket) -> None:
    # The socket's own method, not that of a socket with TLS: what still came in would be taken for plain text.
    own = [vars(base)["shutdown"] for base in type(connection).__mro__ if "shutdown" in vars(base)]
    with suppress(OSError):
        if own:
            own[-1](connection, socket.SHUT_RDWR)
        else:
            # The class of eventlet's sockets has no such method, each of them has its own.
            connection.shutdown(socket.SHUT_RDWR)
