"""Records each request, whichever step answers it: in the metrics and in the log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from starlette.types import Scope

from heksher.server import logs
from heksher.server.asgi.method import get_asked_method
from heksher.server.metrics import METRICS_PATH, Metrics

# The route under which requests without a route are counted.
UNMATCHED: Final = "unmatched"

_NO_EXTENSIONS: Final[dict[str, tuple[int, int]]] = {}
# What stands in the log for the method and the path of a request that was refused before they were known.
_NOT_KNOWN: Final = "-"
# In the extensions of a connection: status and size of the answer that its last request got from the server.
_REFUSAL: Final = "heksher.refusal"
# In a scope: when the request arrived.
_STARTED: Final = "heksher.started_s"

_ID_HEADER: Final = b"x-request-id"


class Recorder:
    """Records requests.

    Args:
        metrics: counts each request.
        is_logging: whether each request is logged as well, apart from scrapes of the metrics.
    """

    def __init__(self, metrics: Metrics, *, is_logging: bool) -> None:
        self._metrics = metrics
        self._is_logging = is_logging

    def record(self, scope: Scope, route: str, status: int, started_s: float, size_bytes: int) -> None:
        """Record an answered request.

        Args:
            scope: the scope of the request.
            route: the pattern of its path; never the path itself, because clients can make up any number of paths.
            status: the status of the answer.
            started_s: when the request arrived, by ``time.perf_counter``.
            size_bytes: the size of the answer's body.
        """
        status, size_bytes = scope.get("extensions", _NO_EXTENSIONS).get(_REFUSAL, (status, size_bytes))
        seconds = time.perf_counter() - started_s
        self._metrics.observe_request(route, status, seconds)
        # Scrapes that succeed would be most lines of the log of a quiet service, and say nothing.
        if self._is_logging and (route != METRICS_PATH or status != HTTPStatus.OK):
            client = scope.get("client")
            address = None if client is None else client[0]
            method = get_asked_method(scope)
            # Of an answer to HEAD no body is sent.
            logs.log_request(method, scope["path"], status, seconds, 0 if method == "HEAD" else size_bytes, address)

    def record_refusal(self, client: tuple[str, int] | None, status: int, seconds: float, size_bytes: int) -> None:
        """Record a request that the server has refused before it was read.

        Args:
            client: where it came from; ``None`` if unknown.
            status: the status of the answer.
            seconds: how long the request was waited for.
            size_bytes: the size of the answer's body.
        """
        scope = {"method": _NOT_KNOWN, "path": _NOT_KNOWN, "client": client}
        self.record(scope, UNMATCHED, status, time.perf_counter() - seconds, size_bytes)


def note_refusal(scope: Scope, status: int, size_bytes: int) -> None:
    """Note that the server has refused a request, the last of its connection, and drops the application's answer.

    The request is recorded with this answer in place of the application's.

    Args:
        scope: the scope of the request.
        status: the status of the server's answer.
        size_bytes: the size of its body.
    """
    # Steps may have copied the scope; but all copies have the same extensions.
    scope["extensions"][_REFUSAL] = (status, size_bytes)


def note_start(scope: Scope, started_s: float) -> None:
    """Note when a request arrived, for later steps, which get it only once its body has come.

    Args:
        scope: the scope of the request.
        started_s: when it arrived, by ``time.perf_counter``.
    """
    scope[_STARTED] = started_s


def get_start(scope: Scope) -> float:
    """Return when a request arrived, by ``time.perf_counter``: now, if no earlier step has noted it."""
    started_s: float | None = scope.get(_STARTED)
    return time.perf_counter() if started_s is None else started_s


@contextmanager
def identifying(scope: Scope) -> Iterator[tuple[bytes, bytes]]:
    """Add the id of a request to everything logged in the block; yield the header field with the id for the client."""
    request_id = logs.read_request_id(scope["headers"])
    token = logs.request_id.set(request_id)
    try:
        yield _ID_HEADER, request_id.encode()
    finally:
        logs.request_id.reset(token)
