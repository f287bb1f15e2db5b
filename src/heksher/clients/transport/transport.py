"""Sending a session's requests with an HTTP library: each within its limits, and only as long as the client is open.

The limits are a number of bytes (``receiving``) and a time for the request as a whole. On an event loop asyncio keeps
the time, and ends requests by cancelling them; in threads ``network`` does both.

Whatever goes wrong with a request becomes its outcome, a ``TransportError``. It is raised to the program, if at all, as
an error of the HTTP library, too (``http_errors``).
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import aclosing, closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from heksher.clients.conversation.exchange import Flow, Outcome, Request, Response
from heksher.clients.transport.http_errors import raised_as_http_errors
from heksher.clients.transport.http_library import check_redirect, check_request
from heksher.clients.transport.in_flight import RequestsInFlight, TasksInFlight, active_guard
from heksher.clients.transport.network import count_connections, forget_connections, protect, protect_async
from heksher.clients.transport.receiving import is_event_stream, receive, receive_async
from heksher.clients.transport.sender import DEFAULT_LIMITS, Limits, Sender, StreamTimeouts
from heksher.exceptions import TransportError

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

# How many requests of one flow are under way at once: enough that 500 declarations take few round trips, few enough
# that a fleet that starts does not overrun a service.
MAX_CONCURRENT_REQUESTS: Final = 16

# Answers from this size on are read by a worker thread, so that the event loop goes on meanwhile. Smaller ones take
# about as long as handing them over does.
MIN_BYTES_FOR_THREAD: Final = 50_000

# How long closing waits for the requests that it has interrupted. They need far less, unless code of the program's own
# (a hook, a transport) is in the way.
CLOSE_TIMEOUT_S: Final = 1.0


class _End(NamedTuple, Generic[T]):
    """The end of a flow: what it returned."""

    result: T


class AsyncTransport(Sender):
    """Runs flows on the event loop. Arguments as for ``Sender``."""

    def __init__(
        self, service_url: str, http_client_args: Mapping[str, Any] | None, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        super().__init__(service_url, http_client_args, limits)
        # Made here, so that wrong arguments are the constructor's error. Until the first request it has no connection.
        self._client = self._make_client()

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and give its result; raise what it raises, as an error of the HTTP library, too."""
        # One client for all of it: a flow that outlives close() or reset() must not open connections again.
        client = self._client
        slots = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS)
        received_bytes = 0
        with raised_as_http_errors():
            step = _advance(flow, None)
            while not isinstance(step, _End):
                outcomes = tuple(await asyncio.gather(*(self._send(client, slots, request) for request in step)))
                # In all: a flow may ask for something else before it reads a large answer.
                received_bytes += sum(map(_count_bytes, outcomes))
                if received_bytes < MIN_BYTES_FOR_THREAD:
                    step = _advance(flow, outcomes)
                else:
                    step = await asyncio.to_thread(_advance, flow, outcomes)
            result: T = step.result
            return result

    async def follow(
        self, request: Request, receive: Callable[[bytes], bool], timeouts: StreamTimeouts
    ) -> Response | TransportError | None:
        """Read a stream of events to its end.

        Args:
            request: what to send.
            receive: is given what comes in, and tells whether it is a sign of life. The stream ends if it raises.
            timeouts: how long to wait.

        Returns:
            What came in place of a stream, or ended it; ``None`` if the service did.
        """
        client = self._client
        try:
            async with client.requests.request(min(timeouts.opening_s, self._limits.request_timeout_s)) as guard:
                prepared = self._build_stream_request(client.native, request, timeouts)
                async with aclosing(await client.native.send(prepared, stream=True)) as native:
                    if not is_event_stream(native):
                        return _translate(native)
                    async for chunk in native.aiter_raw():
                        if receive(chunk):
                            guard.extend(timeouts.silence_s)
        except Exception as error:  # noqa: BLE001 - as in _send
            return self._describe_failure(request, error)
        return None

    def has_room_for_stream(self) -> bool:
        """Return whether a stream leaves connections for requests."""
        return count_connections(self._client.native) > 1

    async def close(self) -> None:
        """Interrupt all requests and close all connections, for good."""
        await self._client.close()

    async def reset(self) -> None:
        """Interrupt all requests and close all connections, as ``close`` does; later flows open new ones."""
        old, self._client = self._client, self._make_client()
        await old.close()

    def reset_after_fork(self) -> None:
        """Leave all connections to the parent process; to be called in a forked child."""
        old, self._client = self._client, self._make_client()
        forget_connections(self._client.native, old)

    def _make_client(self) -> "_AsyncClient":
        receive_response = partial(_receive_async, self._settings.is_following, self._limits.max_response_bytes)
        return _AsyncClient(self._settings.make_client("AsyncClient", _check_request_async, receive_response))

    async def _send(self, client: "_AsyncClient", slots: asyncio.Semaphore, request: Request) -> Outcome:
        try:
            async with slots, client.requests.request(self._limits.request_timeout_s):
                native = await client.native.request(**self._arguments(request))
        # Whatever goes wrong with one request must cost this request only; what it means, the session decides.
        except Exception as error:  # noqa: BLE001 - see above
            return self._describe_failure(request, error)
        return _translate(native)


class _AsyncClient:
    """A library's client and the requests that it has under way.

    Attributes:
        native: the library's client.
        requests: those that are sent with it.
    """

    def __init__(self, native: "httpx2.AsyncClient") -> None:
        self.native = native
        self.requests = TasksInFlight()
        protect_async(native)

    async def close(self) -> None:
        """Interrupt all requests and close all connections."""
        try:
            await self.requests.close(CLOSE_TIMEOUT_S)
        finally:
            # Connections of a loop that has ended cannot be closed in another one.
            with suppress(RuntimeError):
                await self.native.aclose()


class ThreadTransport(Sender):
    """Runs flows on the calling thread, and requests that go side by side on short-lived ones. Arguments as above."""

    def __init__(
        self, service_url: str, http_client_args: Mapping[str, Any] | None, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        super().__init__(service_url, http_client_args, limits)
        # As in AsyncTransport.
        self._client = self._make_client()

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and give its result; raise what it raises, as an error of the HTTP library, too."""
        # As in AsyncTransport.
        client = self._client
        with raised_as_http_errors():
            step = _advance(flow, None)
            while not isinstance(step, _End):
                step = _advance(flow, self._send_all(client, step))
            result: T = step.result
            return result

    def follow(
        self, request: Request, receive: Callable[[bytes], bool], timeouts: StreamTimeouts, owner: object = None
    ) -> Response | TransportError | None:
        """Do what ``AsyncTransport.follow`` does, until ``abort(owner)`` at the latest."""
        client = self._client
        opening_s = min(timeouts.opening_s, self._limits.request_timeout_s)
        try:
            with client.requests.request(opening_s, owner) as guard:
                prepared = self._build_stream_request(client.native, request, timeouts)
                with closing(client.native.send(prepared, stream=True)) as native:
                    if not is_event_stream(native):
                        return _translate(native)
                    for chunk in native.iter_raw():
                        guard.check()
                        if receive(chunk):
                            guard.extend(timeouts.silence_s)
        except Exception as error:  # noqa: BLE001 - as in AsyncTransport
            return self._describe_failure(request, error)
        return None

    def abort(self, owner: object) -> None:
        """Interrupt what is under way for an owner."""
        self._client.requests.abort(owner)

    def has_room_for_stream(self) -> bool:
        """Return whether a stream leaves connections for requests."""
        return count_connections(self._client.native) > 1

    def close(self) -> None:
        """Interrupt all requests and close all connections, for good."""
        self._client.close()

    def reset(self) -> None:
        """Interrupt all requests and close all connections, as ``close`` does; later flows open new ones."""
        old, self._client = self._client, self._make_client()
        old.close()

    def reset_after_fork(self) -> None:
        """Leave all connections to the parent process; to be called in a forked child.

        The parent, and the service, notice nothing; no lock is waited for that a thread of the parent may have held.
        """
        old, self._client = self._client, self._make_client()
        old.requests.close_sockets()
        forget_connections(self._client.native, old)

    def _make_client(self) -> "_ThreadClient":
        receive_response = partial(_receive, self._settings.is_following, self._limits.max_response_bytes)
        client = self._settings.make_client("Client", check_request, receive_response)
        return _ThreadClient(client, self._settings.library, self._limits)

    def _send(self, client: "_ThreadClient", owner: object, request: Request) -> Outcome:
        try:
            with client.requests.request(self._limits.request_timeout_s, owner):
                native = client.native.request(**self._arguments(request))
        except Exception as error:  # noqa: BLE001 - as in AsyncTransport
            return self._describe_failure(request, error)
        return _translate(native)

    def _send_all(self, client: "_ThreadClient", requests: tuple[Request, ...]) -> tuple[Outcome, ...]:
        """Send requests side by side; return their outcomes in the same order."""
        owner = object()
        if len(requests) == 1:
            return (self._send(client, owner, requests[0]),)
        outcomes: dict[int, Outcome] = {}
        waiting = queue.SimpleQueue[int]()
        for number in range(len(requests)):
            waiting.put(number)

        def work() -> None:
            with suppress(queue.Empty):
                while True:
                    number = waiting.get_nowait()
                    outcomes[number] = self._send(client, owner, requests[number])

        try:
            _run_side_by_side(work, min(len(requests), MAX_CONCURRENT_REQUESTS))
        except BaseException:
            # Such as KeyboardInterrupt, which comes in the calling thread: nothing may go on behind its back.
            _drain(waiting)
            client.requests.abort(owner)
            raise
        return tuple(outcomes[number] for number in range(len(requests)))


class _ThreadClient:
    """As ``_AsyncClient``, for threads.

    Args:
        native: the library's client.
        library: that library.
        limits: what each request may cost.
    """

    def __init__(self, native: "httpx2.Client", library: Any, limits: Limits) -> None:
        self.native = native
        self.requests = RequestsInFlight()
        protect(native)
        # Waiting for one of the connections that the program allows is no operation on a socket.
        timeout = native.timeout
        pool_s = min(limits.request_timeout_s, threading.TIMEOUT_MAX if timeout.pool is None else timeout.pool)
        native.timeout = library.Timeout(connect=timeout.connect, read=timeout.read, write=timeout.write, pool=pool_s)

    def close(self) -> None:
        """Interrupt all requests and close all connections."""
        self.requests.close(CLOSE_TIMEOUT_S)
        self.native.close()


# What the library's clients call for each request and response. Not methods: a transport and its client would keep one
# another from being collected as soon as they are dropped.


def _receive(is_following: bool, max_bytes: int, native: "httpx2.Response") -> None:
    check_redirect(native, is_followed=is_following)
    if is_event_stream(native):
        return
    receive(native, max_bytes, active_guard().check)


async def _receive_async(is_following: bool, max_bytes: int, native: "httpx2.Response") -> None:
    check_redirect(native, is_followed=is_following)
    if is_event_stream(native):
        return
    await receive_async(native, max_bytes)


async def _check_request_async(request: "httpx2.Request") -> None:
    check_request(request)


def _advance(flow: Flow[T], outcomes: tuple[Outcome, ...] | None) -> tuple[Request, ...] | _End[T]:
    """Run a flow up to its next requests, or its end; ``None`` begins it."""
    # Its end cannot be left to StopIteration, which no coroutine may pass on.
    try:
        return next(flow) if outcomes is None else flow.send(outcomes)
    except StopIteration as end:
        return _End(end.value)


def _count_bytes(outcome: Outcome) -> int:
    return len(outcome.body) if isinstance(outcome, Response) else 0


def _run_side_by_side(work: Callable[[], None], count: int) -> None:
    # Daemons, unlike the threads of an executor: a service that does not answer must not keep a program from ending.
    threads = [threading.Thread(target=work, name="heksher-request", daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _drain(waiting: "queue.SimpleQueue[int]") -> None:
    with suppress(queue.Empty):
        while True:
            waiting.get_nowait()


def _translate(native: "httpx2.Response") -> Response:
    headers = {name.lower(): value for name, value in native.headers.items()}
    return Response(native.status_code, headers, native.content, native)
