"""Sending a session's requests from threads: each within its limits, and only as long as the client is open.

The limits are a number of bytes (``receiving``) and a time for the request as a whole, which ``network`` keeps: what
blocks has to end by itself.

Failures become outcomes, as in ``async_transport``.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from heksher.clients.conversation.exchange import Flow, Outcome, Request, Response
from heksher.clients.transport.http_errors import raised_as_http_errors
from heksher.clients.transport.http_library import check_redirect, check_request
from heksher.clients.transport.in_flight import RequestsInFlight, active_guard
from heksher.clients.transport.network import protect
from heksher.clients.transport.private_part import count_connections
from heksher.clients.transport.receiving import is_event_stream, receive
from heksher.clients.transport.sender import (
    CLOSE_TIMEOUT_S,
    MAX_CONCURRENT_REQUESTS,
    End,
    Limits,
    Sender,
    StreamTimeouts,
    advance,
    translate,
)
from heksher.exceptions import TransportError

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")


class ThreadTransport(Sender["_ThreadClient"]):
    """Runs flows on the calling thread, and requests that go side by side on short-lived ones. Arguments as above."""

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return its result; raise what it raises, as an error of the HTTP library, too."""
        with raised_as_http_errors():
            # One for all of it, as in AsyncTransport.
            client = self._require_client()
            step = advance(flow, None)
            while not isinstance(step, End):
                step = advance(flow, self._send_all(client, step))
            result: T = step.result
            return result

    def follow(
        self, request: Request, receive: Callable[[bytes], bool], timeouts: StreamTimeouts, owner: object = None
    ) -> Response | TransportError | None:
        """Do what ``AsyncTransport.follow`` does, until ``abort(owner)`` at the latest."""
        opening_s = min(timeouts.opening_s, self._limits.request_timeout_s)
        try:
            client = self._require_client()
            with client.requests.request(opening_s, owner) as guard:
                prepared = self._build_stream_request(client.native, request, timeouts)
                with closing(client.native.send(prepared, stream=True)) as native:
                    if not is_event_stream(native):
                        return translate(native)
                    for chunk in native.iter_raw():
                        guard.check()
                        if receive(chunk):
                            guard.extend(timeouts.silence_s)
        except Exception as error:  # noqa: BLE001 - as in _send
            return self._describe_failure(request, error)
        return None

    def abort(self, owner: object) -> None:
        """Interrupt an owner's requests that are in flight."""
        client = self._client
        if client is not None:
            client.requests.abort(owner)

    def has_room_for_stream(self) -> bool:
        """Return whether a stream leaves connections for requests."""
        client = self._client
        return client is None or count_connections(client.native) > 1

    def close(self) -> None:
        """Interrupt all requests and close all connections, for good."""
        self._is_closed = True
        if self._client is not None:
            _run_aside(self._client.close)

    def reset(self) -> None:
        """Interrupt all requests and close all connections, as ``close`` does; later flows open new ones."""
        former = self._replace_client()
        if former is not None:
            _run_aside(former.close)

    def is_sending_here(self) -> bool:
        """Return whether what runs here is part of a request that is in flight: a hook of the program's."""
        client = self._client
        return client is not None and client.requests.is_within_one()

    def _make_client(self) -> "_ThreadClient":
        receive_response = partial(_receive, self._settings.is_following, self._limits.max_response_bytes)
        client = self._settings.make_client("Client", check_request, receive_response)
        return _ThreadClient(client, self._settings.library, self._limits)

    def _send(self, client: "_ThreadClient", owner: object, request: Request) -> Outcome:
        try:
            with client.requests.request(self._limits.request_timeout_s, owner):
                native = self._request(client.native, request)
        # Whatever goes wrong with one request must cost this request only; what it means, the session decides.
        except Exception as error:  # noqa: BLE001 - see above
            return self._describe_failure(request, error)
        return translate(native)

    def _request(self, native: "httpx2.Client", request: Request) -> "httpx2.Response":
        arguments = self._arguments(request)
        try:
            return native.request(**arguments)
        except Exception as error:
            if not self._was_closed_before(request, error):
                raise
            return native.request(**arguments)

    def _send_all(self, client: "_ThreadClient", requests: tuple[Request, ...]) -> tuple[Outcome, ...]:
        """Send requests side by side; return their outcomes in the same order."""
        owner = object()
        if len(requests) == 1 and not _handles_signals():
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
    """A library's client and the requests that it has in flight.

    Args:
        native: the library's client.
        library: that library.
        limits: what each request may cost.

    Attributes:
        requests: those that are sent with it.
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

    def leave_to_parent(self) -> None:
        """Close the child's descriptors of the connections."""
        self.requests.close_sockets()


# What the library's client calls for each response. Not a method, as in async_transport.


def _receive(is_following: bool, max_bytes: int, native: "httpx2.Response") -> None:
    check_redirect(native, is_followed=is_following)
    if not is_event_stream(native):
        receive(native, max_bytes, active_guard().check)


def _handles_signals() -> bool:
    """Return whether signals are handled in this thread.

    It must not run what belongs to the HTTP library: that has locks, and a handler that calls the client may have
    interrupted the very code that holds one.
    """
    return threading.current_thread() is threading.main_thread()


def _run_aside(action: Callable[[], None]) -> None:
    if not _handles_signals():
        action()
        return
    errors: list[Exception] = []

    def run() -> None:
        try:
            action()
        # Whatever it is, it is the caller's.
        except Exception as error:  # noqa: BLE001 - see above
            errors.append(error)

    _run_side_by_side(run, 1)
    if errors:
        raise errors[0]


def _run_side_by_side(work: Callable[[], None], count: int) -> None:
    # Daemons, unlike the threads of an executor: a service that does not answer must not keep a program from ending.
    threads: list[threading.Thread] = []
    try:
        for _ in range(count):
            # With the context of the call, which the program's hooks may look at.
            target = partial(copy_context().run, work)
            thread = threading.Thread(target=target, name="heksher-request", daemon=True)
            thread.start()
            threads.append(thread)
    except RuntimeError:
        # No more threads can be started, as when the interpreter is about to end: those that there are do all of it.
        if not threads:
            work()
    for thread in threads:
        thread.join()


def _drain(waiting: "queue.SimpleQueue[int]") -> None:
    with suppress(queue.Empty):
        while True:
            waiting.get_nowait()
