"""Sending a session's requests with an HTTP library, and the only module that knows which.

The library is httpx2. Existing programs may hand over objects of its predecessor httpx (a transport, an ``Auth``, a
``Limits``), which httpx2 does not take; then httpx is used. And they catch ``httpx.HTTPError``: an error is given the
class of the same name of either library as a further base when it is raised to the program.

The libraries are imported when the first client is created, as they take longer to import than the rest of the package.
"""

import asyncio
import json
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from heksher.clients.exchange import Flow, Outcome, Request, Response
from heksher.exceptions import InvalidOptionError, InvalidResponseError, ServiceError, StatusError, TransportError

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

# How many requests of one flow are under way at once: enough that 500 declarations take few round trips, few enough
# that a fleet that starts does not overrun a service.
MAX_CONCURRENT_REQUESTS: Final = 16

# Answers from this size on are read by a worker thread, so that the event loop goes on meanwhile. Smaller ones take
# about as long as handing them over does.
MIN_BYTES_FOR_THREAD: Final = 50_000

_LIBRARIES: Final = ("httpx2", "httpx")
# The classes of errors that are also errors of HTTP libraries, made when they are first needed.
_mixed: dict[tuple[type[ServiceError], tuple[type[Exception], ...]], type[ServiceError]] = {}


class _End(NamedTuple, Generic[T]):
    """The end of a flow: what it returned."""

    result: T


class _Sender:
    """What both transports share: where requests go, and how they and their answers are translated.

    Args:
        service_url: ``http(s)://[user:password@]host[:port][/path]``.
        http_client_args: keyword arguments for the library's client.
    """

    def __init__(self, service_url: str, http_client_args: Mapping[str, Any] | None) -> None:
        self._client_args = dict(http_client_args or {})
        self._library: Any = import_module(_choose_library(self._client_args))
        url = _parse_service_url(self._library, service_url)
        # The library logs the URL of each request, so the password must not stand in it (trap 28).
        self._base_url = str(url.copy_with(userinfo=b"")).rstrip("/")
        if url.userinfo and self._client_args.get("auth") is None:
            self._client_args["auth"] = (url.username, url.password)

    def _arguments(self, request: Request) -> dict[str, Any]:
        headers = dict(request.headers)
        content = None
        if request.body is not None:
            content = json.dumps(request.body, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        return {
            "method": request.method,
            "url": self._base_url + request.path,
            "params": request.params,
            "headers": headers,
            "content": content,
        }

    def _describe_failure(self, request: Request, error: Exception) -> TransportError:
        cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return TransportError(f"{request} got no answer from {self._base_url}: {cause}", error)


class AsyncTransport(_Sender):
    """Runs flows on the event loop. Arguments as for ``_Sender``."""

    def __init__(self, service_url: str, http_client_args: Mapping[str, Any] | None) -> None:
        super().__init__(service_url, http_client_args)
        # Made here, so that wrong arguments are the constructor's error. Until the first request it has no connection.
        self._client: httpx2.AsyncClient = self._library.AsyncClient(**self._client_args)

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and give its result; raise what it raises, as an error of the HTTP library, too."""
        # One client for all of it: a flow that outlives close() or reset() must not open connections again.
        client = self._client
        slots = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS)
        with _raised_as_http_errors():
            step = _advance(flow, None)
            while not isinstance(step, _End):
                outcomes = tuple(await asyncio.gather(*(self._send(client, slots, request) for request in step)))
                if sum(map(_count_bytes, outcomes)) < MIN_BYTES_FOR_THREAD:
                    step = _advance(flow, outcomes)
                else:
                    step = await asyncio.to_thread(_advance, flow, outcomes)
            result: T = step.result
            return result

    async def close(self) -> None:
        """Close all connections, for good: flows that are under way fail."""
        await self._client.aclose()

    async def reset(self) -> None:
        """Close all connections, as ``close`` does; later flows open new ones."""
        client, self._client = self._client, self._library.AsyncClient(**self._client_args)
        await client.aclose()

    async def _send(self, client: "httpx2.AsyncClient", slots: asyncio.Semaphore, request: Request) -> Outcome:
        try:
            async with slots:
                native = await client.request(**self._arguments(request))
        # Whatever goes wrong with one request must cost this request only; what it means, the session decides.
        except Exception as error:  # noqa: BLE001 - see above
            return self._describe_failure(request, error)
        return _translate(native)


class ThreadTransport(_Sender):
    """Runs flows on the calling thread, and requests that go side by side on short-lived ones. Arguments as above."""

    def __init__(self, service_url: str, http_client_args: Mapping[str, Any] | None) -> None:
        super().__init__(service_url, http_client_args)
        # As in AsyncTransport.
        self._client: httpx2.Client = self._library.Client(**self._client_args)

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and give its result; raise what it raises, as an error of the HTTP library, too."""
        # As in AsyncTransport.
        send = self._make_send(self._client)
        with _raised_as_http_errors():
            step = _advance(flow, None)
            while not isinstance(step, _End):
                step = _advance(flow, _send_all(send, step))
            result: T = step.result
            return result

    def close(self) -> None:
        """Close all connections, for good: flows that are under way fail with their next request."""
        self._client.close()

    def reset(self) -> None:
        """Close all connections, as ``close`` does; later flows open new ones."""
        client, self._client = self._client, self._library.Client(**self._client_args)
        client.close()

    def _make_send(self, client: "httpx2.Client") -> Callable[[Request], Outcome]:
        def send(request: Request) -> Outcome:
            try:
                native = client.request(**self._arguments(request))
            except Exception as error:  # noqa: BLE001 - as in AsyncTransport
                return self._describe_failure(request, error)
            return _translate(native)

        return send


def _advance(flow: Flow[T], outcomes: tuple[Outcome, ...] | None) -> tuple[Request, ...] | _End[T]:
    """Run a flow up to its next requests, or its end; ``None`` begins it."""
    # Its end cannot be left to StopIteration, which no coroutine may pass on.
    try:
        return next(flow) if outcomes is None else flow.send(outcomes)
    except StopIteration as end:
        return _End(end.value)


def _count_bytes(outcome: Outcome) -> int:
    return len(outcome.body) if isinstance(outcome, Response) else 0


def _send_all(send: Callable[[Request], Outcome], requests: tuple[Request, ...]) -> tuple[Outcome, ...]:
    """Send requests side by side; give their outcomes in the same order."""
    if len(requests) == 1:
        return (send(requests[0]),)
    outcomes: dict[int, Outcome] = {}
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(requests)):
        waiting.put(number)

    def work() -> None:
        with suppress(queue.Empty):
            while True:
                number = waiting.get_nowait()
                outcomes[number] = send(requests[number])

    # Daemons, unlike the threads of an executor: a service that does not answer must not keep a program from ending.
    count = min(len(requests), MAX_CONCURRENT_REQUESTS)
    threads = [threading.Thread(target=work, name="heksher-request", daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tuple(outcomes[number] for number in range(len(requests)))


def as_http_error(error: ServiceError) -> ServiceError:
    """Give an error that is an instance of the HTTP libraries' matching class, too, of those that are imported."""
    bases = tuple(_find_http_classes(error))
    adapted = _mix(type(error), bases)(*error.args)
    adapted.__dict__.update(error.__dict__)
    native = error.native
    # Where the library's own errors keep these.
    adapted.__dict__["_request"] = getattr(native, "_request", None)
    if isinstance(error, StatusError):
        adapted.__dict__["response"] = native
    return adapted


@contextmanager
def _raised_as_http_errors() -> Iterator[None]:
    try:
        yield
    except ServiceError as error:
        raise as_http_error(error) from (error.native if isinstance(error.native, BaseException) else None)


def _find_http_classes(error: ServiceError) -> Iterator[type[Exception]]:
    name = _name_http_class(error)
    for library in map(sys.modules.get, _LIBRARIES):
        base = getattr(library, "HTTPError", None)
        if base is not None:
            found = getattr(library, name, None)
            if isinstance(found, type) and issubclass(found, base):
                yield found
            else:
                yield getattr(library, "TransportError", base)


def _name_http_class(error: ServiceError) -> str:
    if isinstance(error, StatusError):
        return "HTTPStatusError"
    if isinstance(error, InvalidResponseError):
        return "DecodingError"
    return "TimeoutException" if isinstance(error.native, TimeoutError) else type(error.native).__name__


def _mix(kind: type[ServiceError], bases: tuple[type[Exception], ...]) -> type[ServiceError]:
    if (kind, bases) not in _mixed:
        # Pickled (by multiprocessing, by Celery), the error becomes the plain one: the mixed class is of this process.
        namespace = {
            "__module__": kind.__module__,
            "__doc__": kind.__doc__,
            "__reduce__": lambda self: (kind, self.args),
        }
        _mixed[kind, bases] = type(kind.__name__, (kind, *bases), namespace)
    return _mixed[kind, bases]


def _translate(native: "httpx2.Response") -> Response:
    headers = {name.lower(): value for name, value in native.headers.items()}
    return Response(native.status_code, headers, native.content, native)


def _parse_service_url(library: Any, service_url: str) -> "httpx2.URL":
    try:
        url: httpx2.URL = library.URL(str(service_url))
    except library.InvalidURL as error:
        raise InvalidOptionError(f"service_url is no URL: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        shown = str(url.copy_with(userinfo=b""))
        raise InvalidOptionError(f"service_url must be http(s)://host, with or without a path, not {shown!r}")
    return url


def _choose_library(client_args: Mapping[str, Any]) -> str:
    values = list(client_args.values())
    values += [nested for value in values if isinstance(value, Mapping) for nested in value.values()]
    return "httpx" if any(map(_is_of_httpx, values)) else "httpx2"


def _is_of_httpx(value: object) -> bool:
    return any(kind.__module__.partition(".")[0] == "httpx" for kind in type(value).__mro__)
