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
        seconds = time.perf_counter() - started_s
        self._metrics.observe_request(route, status, seconds)
        # Scrapes that succeed would be most lines of the log of a quiet service, and say nothing.
        if self._is_logging and (route != METRICS_PATH or status != HTTPStatus.OK):
            client = scope.get("client")
            address = None if client is None else client[0]
            method = get_asked_method(scope)
            # Of an answer to HEAD no body is sent.
            logs.log_request(method, scope["path"], status, seconds, 0 if method == "HEAD" else size_bytes, address)


@contextmanager
def identifying(scope: Scope) -> Iterator[tuple[bytes, bytes]]:
    """Add the id of a request to everything logged in the block; yield the header field with the id for the client."""
    request_id = logs.read_request_id(scope["headers"])
    token = logs.request_id.set(request_id)
    try:
        yield _ID_HEADER, request_id.encode()
    finally:
        logs.request_id.reset(token)
