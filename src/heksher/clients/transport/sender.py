"""What both transports share: where requests go, within which limits, over whose connections, and how flows advance.

A forked child must never send over a connection of its parent: each would read the other's answers. So after a fork a
transport has no client of the HTTP library until it has made one of its own. It tries that at once, and if it fails
with each request again: until then requests fail, and the client's status says so.
"""

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol, TypeVar

from heksher.clients.conversation.exchange import Flow, Outcome, Request, Response
from heksher.clients.transport.http_errors import find_request
from heksher.clients.transport.http_library import ClientSettings
from heksher.clients.transport.identity import Identity
from heksher.clients.transport.network import find_unreached
from heksher.clients.transport.private_part import has_pool, renew_pool
from heksher.clients.transport.program_code import ProgramCodeError
from heksher.clients.transport.receiving import STREAM_EXTENSION, ResponseTooLargeError
from heksher.exceptions import InvalidOptionError, TransportError

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

# How many requests of one flow are in flight at once: enough that 500 declarations take few round trips, few enough
# that a fleet that starts does not overrun a service.
MAX_CONCURRENT_REQUESTS: Final = 16

# How long closing waits for the requests that it has interrupted. They need far less, unless code of the program's own
# (a hook, a transport) is in the way.
CLOSE_TIMEOUT_S: Final = 1.0

# The headers by which a service is shown a credential, and how long one is at least that is masked in an answer.
_CREDENTIAL_HEADERS: Final = ("Authorization", "api_token", "X-API-Key")
_MIN_MASKED_BYTES: Final = 8

# How the HTTP library says that a connection was closed before anything of an answer came.
_CLOSED: Final = "Server disconnected"

# What a forked child has of its parent's clients, kept for good: see ``renew_pool``.
_inherited: list[object] = []


class StreamTimeouts(NamedTuple):
    """How long a stream of events may keep its client waiting.

    Attributes:
        opening_s: seconds from the request to the first sign of life.
        silence_s: seconds from one sign of life to the next.
    """

    opening_s: float
    silence_s: float


class Limits(NamedTuple):
    """What a single request may cost.

    Attributes:
        max_response_bytes: how long the body of an answer may be, after decompression.
        request_timeout_s: how many seconds a request may take from its beginning to the last byte of the answer, also
            while something comes in all the time. The time limits of the HTTP library hold, too.
    """

    max_response_bytes: int = 256 * 2**20
    request_timeout_s: float = 60.0


DEFAULT_LIMITS: Final = Limits()


class OwnClient(Protocol):
    """A client of the HTTP library, and the requests that are sent with it."""

    def leave_to_parent(self) -> None:
        """Let go, in a forked child, of what it shares with its parent. Waits for no lock."""


C = TypeVar("C", bound=OwnClient)


class Sender(ABC, Generic[C]):
    """The part of a transport that does not wait.

    Args:
        service_url: ``http(s)://[user:password@]host[:port][/path]``.
        http_client_args: keyword arguments for the library's client.
        limits: what each request may cost.
        identity: who the client says it is; ``None`` for nobody in particular.
    """

    def __init__(
        self,
        service_url: str,
        http_client_args: Mapping[str, Any] | None,
        limits: Limits = DEFAULT_LIMITS,
        identity: Identity | None = None,
    ) -> None:
        self._settings = ClientSettings(service_url, http_client_args, identity)
        self._limits = limits
        # Guards that of several threads one makes the client in a forked child. A handler of a signal may, within that.
        self._making_lock = threading.RLock()
        self._is_closed = False
        # Made here, so that wrong arguments are the constructor's error. Until the first request it has no connection.
        # None in a forked child as long as none could be made there.
        self._client: C | None = self._make_client()

    @property
    def base_url(self) -> str:
        """The service's URL without credentials."""
        return self._settings.base_url

    def reset_after_fork(self) -> None:
        """Leave all connections to the parent process; to be called in a forked child.

        The parent, and the service, notice nothing; no lock is waited for that a thread of the parent may have held.

        Raises:
            TransportError: the child cannot have connections of its own. Each request tries again.
        """
        self._making_lock = threading.RLock()
        inherited, self._client = self._client, None
        _inherited.append(inherited)
        if inherited is not None:
            inherited.leave_to_parent()
        self._require_client()

    @abstractmethod
    def _make_client(self) -> C:
        """Make a client of the library that has no connections yet."""

    def _require_client(self) -> C:
        """Return the client of this process.

        Raises:
            TransportError: this is a forked process, and it cannot have one.
        """
        client = self._client
        return self._make_client_after_fork() if client is None else client

    def _make_client_after_fork(self) -> C:
        with self._making_lock:
            if self._is_closed:
                raise TransportError("the client is closed")
            if self._client is None:
                try:
                    self._renew_pools()
                    made = self._make_client()
                except Exception as error:
                    raise TransportError(f"no connections in this forked process: {error}", error) from error
                if self._client is None:
                    self._client = made
            return self._client

    def _renew_pools(self) -> None:
        """Have what the program gave, and this process shares with its parent, begin anew."""
        transports = self._settings.list_transports()
        _inherited.extend(renew_pool(transport) for transport in transports if has_pool(transport))

    def _replace_client(self) -> C | None:
        """Make a new client for later flows; return the former one, or ``None`` if there is nothing to replace."""
        former = self._client
        if former is not None:
            self._client = self._make_client()
        return former

    def _arguments(self, request: Request) -> dict[str, Any]:
        if self._settings.url_problem is not None:
            raise InvalidOptionError(self._settings.url_problem)
        headers = dict(request.headers)
        content = None
        if request.body is not None:
            content = json.dumps(request.body, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        return {
            "method": request.method,
            "url": self._settings.base_url + request.path,
            "params": request.params,
            "headers": headers,
            "content": content,
        }

    def _build_stream_request(self, native: Any, request: Request, timeouts: StreamTimeouts) -> Any:
        """Make the library's request for a stream, which the library itself must not give up between heartbeats."""
        limits = native.timeout
        timeout = self._settings.library.Timeout(
            connect=limits.connect, read=timeouts.silence_s, write=limits.write, pool=limits.pool
        )
        extensions = {STREAM_EXTENSION: True}
        return native.build_request(**self._arguments(request), timeout=timeout, extensions=extensions)

    def _was_closed_before(self, request: Request, error: Exception) -> bool:
        """Return whether a connection was closed while a request was on its way, which then may be sent once more.

        So it is with one that was kept, when a service is restarted. Source: RFC 9112, section 9.3.1.
        """
        is_closed = isinstance(error, self._settings.library.RemoteProtocolError) and str(error).startswith(_CLOSED)
        return is_closed and request.method == "GET"

    def _describe_failure(self, request: Request, error: Exception) -> TransportError:
        if isinstance(error, ResponseTooLargeError):
            return TransportError(f"{request} was answered by {self._settings.base_url} with {error}", error.response)
        if isinstance(error, ProgramCodeError):
            return TransportError(f"{request} failed in the program's own code: {error}", error.error)
        cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        proxy = self._find_unreached_proxy(error)
        if proxy is not None:
            cause = f"the proxy {proxy} cannot be reached: {cause}"
        return TransportError(f"{request} got no answer from {self._settings.base_url}: {cause}", error)

    def _find_unreached_proxy(self, error: Exception) -> str | None:
        """Return the ``host:port`` of the proxy, if that is what could not be connected to, else ``None``."""
        unreached, request = find_unreached(error), find_request(error)
        # Where redirects are followed, only the request says where it went.
        if unreached is None or (request is None and self._settings.is_following):
            return None
        url = self._settings.library.URL(self._settings.base_url) if request is None else request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        return None if unreached == f"{url.raw_host.decode('ascii')}:{port}" else unreached


class End(NamedTuple, Generic[T]):
    """The end of a flow: what it returned."""

    result: T


def advance(flow: Flow[T], outcomes: tuple[Outcome, ...] | None) -> tuple[Request, ...] | End[T]:
    """Run a flow up to its next requests, or its end; ``None`` begins it."""
    # Its end cannot be left to StopIteration, which no coroutine may pass on.
    try:
        return next(flow) if outcomes is None else flow.send(outcomes)
    except StopIteration as end:
        return End(end.value)


def translate(native: "httpx2.Response") -> Response:
    """Make a session's response of the library's."""
    headers = {name.lower(): value for name, value in native.headers.items()}
    return Response(native.status_code, headers, _mask_credentials(native), native)


def _mask_credentials(native: "httpx2.Response") -> bytes:
    """Return the body of an answer, without the credentials that it was asked with if it is none of the service's.

    Errors and the log show what such an answer says, and what is reached in place of a service, by mistake, may say
    what it was asked.
    """
    body = native.content
    if native.is_success and body.startswith(b"{"):
        return body
    for name in _CREDENTIAL_HEADERS:
        secret = native.request.headers.get(name, "").rpartition(" ")[2].encode()
        if len(secret) >= _MIN_MASKED_BYTES:
            body = body.replace(secret, b"[secure]")
    return body
