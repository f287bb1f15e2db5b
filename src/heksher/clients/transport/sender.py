"""What both transports share: where requests go and within which limits, and how they and their failures are told."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from heksher.clients.conversation.exchange import Request
from heksher.clients.transport.http_library import ClientSettings
from heksher.clients.transport.receiving import STREAM_EXTENSION, ResponseTooLargeError
from heksher.exceptions import TransportError


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


class Sender:
    """The part of a transport that does not wait.

    Args:
        service_url: ``http(s)://[user:password@]host[:port][/path]``.
        http_client_args: keyword arguments for the library's client.
        limits: what each request may cost.
    """

    def __init__(self, service_url: str, http_client_args: Mapping[str, Any] | None, limits: Limits) -> None:
        self._settings = ClientSettings(service_url, http_client_args)
        self._limits = limits

    @property
    def base_url(self) -> str:
        """The service's URL without credentials."""
        return self._settings.base_url

    def _arguments(self, request: Request) -> dict[str, Any]:
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

    def _describe_failure(self, request: Request, error: Exception) -> TransportError:
        if isinstance(error, ResponseTooLargeError):
            return TransportError(f"{request} was answered by {self._settings.base_url} with {error}", error.response)
        cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return TransportError(f"{request} got no answer from {self._settings.base_url}: {cause}", error)
