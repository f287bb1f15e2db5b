"""Sending a session's requests on an event loop: each within its limits, and only as long as the client is open.

The limits are a number of bytes (``receiving``) and a time for the request as a whole, which asyncio keeps: a request
ends by being cancelled.

Whatever goes wrong with a request becomes its outcome, a ``TransportError``. It is raised to the program, if at all, as
an error of the HTTP library, too (``http_errors``).
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from heksher.clients.conversation.exchange import Flow, Outcome, Request, Response
from heksher.clients.transport.http_errors import raised_as_http_errors
from heksher.clients.transport.http_library import check_redirect, check_request
from heksher.clients.transport.identity import Identity
from heksher.clients.transport.in_flight import TasksInFlight
from heksher.clients.transport.network import protect_async
from heksher.clients.transport.private_part import count_connections
from heksher.clients.transport.receiving import is_event_stream, receive_async
from heksher.clients.transport.sender import (
    CLOSE_TIMEOUT_S,
    DEFAULT_LIMITS,
    MAX_CONCURRENT_REQUESTS,
    End,
    Limits,
    Sender,
    StreamTimeouts,
    advance,
    translate,
)
from heksher.exceptions import ClientStateError, TransportError

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

# Answers from this size on are read by a worker thread, so that the event loop goes on meanwhile. Smaller ones take
# about as long as handing them over does.
MIN_BYTES_FOR_THREAD: Final = 50_000


class AsyncTransport(Sender["_AsyncClient"]):
    """Runs flows on the event loop. Arguments as for ``Sender``."""

    def __init__(
        self,
        service_url: str,
        http_client_args: Mapping[str, Any] | None,
        limits: Limits = DEFAULT_LIMITS,
        identity: Identity | None = None,
    ) -> None:
        super().__init__(service_url, http_client_args, limits, identity)
        # The clients of the flows that run apart.
        self._apart: set[_AsyncClient] = set()

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return its result; raise what it raises, as an error of the HTTP library, too."""
        with raised_as_http_errors():
            # One client for all of it: a flow that outlives close() or reset() must not open connections again.
            return await self._run_with(self._require_client(), flow)

    async def run_apart(self, flow: Flow[T]) -> T:
        """Run a flow with connections of its own, which are closed at its end.

        To be used as long as there is no loop that connections could be kept in: each call may come from another one.
        """
        with raised_as_http_errors():
            self._require_client()
            client = self._make_client()
            self._apart.add(client)
            try:
                return await self._run_with(client, flow)
            finally:
                self._apart.discard(client)
                await client.close()

    async def _run_with(self, client: "_AsyncClient", flow: Flow[T]) -> T:
        received_bytes = 0
        slots = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS)
        step = advance(flow, None)
        while not isinstance(step, End):
            outcomes = tuple(await asyncio.gather(*(self._send(client, slots, request) for request in step)))
            # In all: a flow may ask for something else before it reads a large answer.
            received_bytes += sum(map(_count_bytes, outcomes))
            if received_bytes < MIN_BYTES_FOR_THREAD:
                step = advance(flow, outcomes)
            else:
                step = await run_aside(advance, flow, outcomes)
        result: T = step.result
        return result

    async def follow(
        self, request: Request, receive: Callable[[bytes], bool], timeouts: StreamTimeouts
    ) -> Response | TransportError | None:
        """Read a stream of events to its end.

        Args:
            request: what to send.
            receive: is given what comes in, and returns whether it is a sign of life. The stream ends if it raises.
            timeouts: how long to wait.

        Returns:
            What came in place of a stream, or ended it; ``None`` if the service did.
        """
        try:
            client = self._require_client()
            async with client.requests.request(min(timeouts.opening_s, self._limits.request_timeout_s)) as guard:
                prepared = self._build_stream_request(client.native, request, timeouts)
                async with aclosing(await client.native.send(prepared, stream=True)) as native:
                    if not is_event_stream(native):
                        return translate(native)
                    async for chunk in native.aiter_raw():
                        if receive(chunk):
                            guard.extend(timeouts.silence_s)
        except Exception as error:  # noqa: BLE001 - as in _send
            return self._describe_failure(request, error)
        return None

    def has_room_for_stream(self) -> bool:
        """Return whether a stream leaves connections for requests."""
        client = self._client
        return client is None or count_connections(client.native) > 1

    async def close(self) -> None:
        """Interrupt all requests and close all connections, for good."""
        self._is_closed = True
        for client in (self._client, *self._apart):
            if client is not None:
                await client.close()

    def is_sending_in(self, task: "asyncio.Task[Any]") -> bool:
        """Return whether a task sends one of the requests that are in flight."""
        client = self._client
        return client is not None and client.requests.has_task(task)

    async def reset(self) -> None:
        """Interrupt all requests and close all connections, as ``close`` does; later flows open new ones."""
        former = self._replace_client()
        if former is not None:
            await former.close()

    def _make_client(self) -> "_AsyncClient":
        receive_response = partial(_receive, self._settings.is_following, self._limits.max_response_bytes)
        return _AsyncClient(self._settings.make_client("AsyncClient", _check_request, receive_response))

    async def _send(self, client: "_AsyncClient", slots: asyncio.Semaphore, request: Request) -> Outcome:
        try:
            async with slots, client.requests.request(self._limits.request_timeout_s):
                native = await self._request(client.native, request)
        # Whatever goes wrong with one request must cost this request only; what it means, the session decides.
        except Exception as error:  # noqa: BLE001 - see above
            return self._describe_failure(request, error)
        return translate(native)

    async def _request(self, native: "httpx2.AsyncClient", request: Request) -> "httpx2.Response":
        arguments = self._arguments(request)
        try:
            return await native.request(**arguments)
        except Exception as error:
            if not self._was_closed_before(request, error):
                raise
            return await native.request(**arguments)


class _AsyncClient:
    """A library's client and the requests that it has in flight.

    Attributes:
        native: the library's client.
        requests: those that are sent with it.
    """

    def __init__(self, native: "httpx2.AsyncClient") -> None:
        self.native = native
        self.requests = TasksInFlight()
        self._backends = protect_async(native)

    async def close(self) -> None:
        """Interrupt all requests and close all connections."""
        try:
            await self.requests.close(CLOSE_TIMEOUT_S)
        finally:
            # Connections of a loop that has ended cannot be closed in another one.
            with suppress(RuntimeError):
                await self.native.aclose()
                for backend in self._backends:
                    await backend.close_connections()

    def leave_to_parent(self) -> None:
        """Forget the connections, also those that a transport of the program's own goes on with."""
        for backend in self._backends:
            backend.leave_to_parent()


# What the library's client calls for each request and response. Not methods: a transport and its client would keep one
# another from being collected as soon as they are dropped.


async def _check_request(request: "httpx2.Request") -> None:
    check_request(request)


async def _receive(is_following: bool, max_bytes: int, native: "httpx2.Response") -> None:
    check_redirect(native, is_followed=is_following)
    if not is_event_stream(native):
        await receive_async(native, max_bytes)


async def run_aside(function: Callable[..., T], *args: Any) -> T:
    """Run something that takes long in a worker thread, so that the event loop goes on meanwhile.

    Raises:
        ClientStateError: the process can have no more threads, or is about to end.
    """
    call = partial(copy_context().run, function, *args)
    try:
        future = asyncio.get_running_loop().run_in_executor(None, call)
    except RuntimeError as error:
        raise ClientStateError(f"there can be no thread that this is done in: {error}") from error
    return await future


def _count_bytes(outcome: Outcome) -> int:
    return len(outcome.body) if isinstance(outcome, Response) else 0
