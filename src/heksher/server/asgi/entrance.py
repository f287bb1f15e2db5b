"""The step that decides who may talk to the service at all: by the host that was named, and the page that asks.

It comes before the answers from memory, so that what it refuses is refused on every path. What it is told by browsers
and trusted proxies proves nothing: it protects the service from web pages in the browsers of people who may reach it,
and not from programs, which can send any header.
"""

from collections.abc import Awaitable, Sequence
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from heksher.server.asgi.access import find_access
from heksher.server.asgi.header_fields import ORIGIN, HeaderFields, put_fields
from heksher.server.asgi.host_check import HostCheck
from heksher.server.asgi.page_check import PageCheck
from heksher.server.asgi.recorder import Recorder
from heksher.server.asgi.refusal import refuse
from heksher.server.asgi.request_log import RequestLog
from heksher.server.asgi.trusted_proxies import TrustedProxies
from heksher.server.config import Config
from heksher.server.web_address import read_web_origin

# Methods by which nothing is written (RFC 9110, section 9.2.1): no route may do so, and there is a test.
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ASKED_METHOD: Final = b"access-control-request-method"


class Entrance:
    """Applies what trusted proxies say; refuses requests for other hosts, and writes of other pages.

    Args:
        app: the next step.
        recorder: records the requests that are refused here.
        config: has the names, origins and proxies.
        routes: say whether they write.
    """

    def __init__(self, app: ASGIApp, recorder: Recorder, config: Config, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._recorder = recorder
        self._routes = routes
        self._proxies = TrustedProxies(config.trusted_proxies) if config.trusted_proxies else None
        self._hosts = HostCheck(config)
        self._pages = PageCheck(config)
        self._cors_origins = frozenset(config.cors_origins)
        self._cors = CORSMiddleware(
            app, allow_origins=config.cors_origins, allow_methods=("*",), allow_headers=("*",), expose_headers=("*",)
        )
        # What a browser asks beforehand is answered there, and recorded nowhere else.
        self._preflight = RequestLog(self._cors, recorder)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if self._proxies is not None:
            self._proxies.apply(scope)
        try:
            fields = put_fields(scope)
        except ValueError as error:
            return refuse(scope, send, self._recorder, 400, str(error))
        fault = self._hosts.find_fault(scope, fields)
        if fault is not None:
            return refuse(scope, send, self._recorder, 421, fault)
        if self._cors_origins and self._is_open(scope, fields):
            return (self._preflight if scope["method"] == "OPTIONS" else self._cors)(scope, receive, send)
        if scope["method"] not in _SAFE_METHODS:
            fault = self._pages.find_fault(scope, fields)
            if fault is not None and find_access(self._routes, scope).is_write:
                return refuse(scope, send, self._recorder, 403, fault)
        return self._app(scope, receive, send)

    def _is_open(self, scope: Scope, fields: HeaderFields) -> bool:
        """Return whether a page of a configured origin makes the request, or asks whether it may, on an open route."""
        origin = fields.get(ORIGIN)
        if origin is None or read_web_origin(origin.decode("latin-1")) not in self._cors_origins:
            return False
        method = scope["method"]
        if method == "OPTIONS":
            method = fields.get(_ASKED_METHOD, b"").decode("latin-1")
        return find_access(self._routes, {**scope, "method": method}).is_open_to_origins
