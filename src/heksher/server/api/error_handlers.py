"""Maps errors to answers, which have two forms.

Those of the routes of v1 have the body ``{"detail": ...}``, except where the contract says otherwise: no body if a rule
or context feature is not found, plain text if a setting is not found or the contract specifies the text. Those of all
other routes (``make_router(..., has_problem_details=True)``), and those that the contract does not know, are problem
details.

Source: docs/reference/compatibility.md.
"""

import logging
from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heksher.server import logs
from heksher.server.api.error_description import describe_error
from heksher.server.api.responses import JSONAnswer, ProblemAnswer, answer_text
from heksher.server.api.routing import ProblemRoute
from heksher.server.errors import (
    BadHeaderError,
    DuplicateError,
    InUseError,
    MissingKind,
    NotFoundError,
    OperationError,
    UnknownCallerError,
)
from heksher.server.problem import NEW_STATUSES
from heksher.server.storage.storage_errors import StorageError

logger: logging.Logger = logging.getLogger(__name__)

_BODILESS: frozenset[MissingKind] = frozenset({"rule", "context feature"})
_PLAIN: frozenset[MissingKind] = frozenset({"setting", "configurable feature of a new setting"})


def answer_error(error: Exception) -> Response:
    """Return the answer to an error of a request to a route of v1; raise it if it is none of a request's own."""
    description = describe_error(error)
    if description.status in NEW_STATUSES or isinstance(error, BadHeaderError):
        return ProblemAnswer(description.status, description.detail, description.headers, **description.more)
    match error:
        case NotFoundError() if error.kind in _BODILESS:
            return Response(status_code=description.status)
        case NotFoundError() if error.kind in _PLAIN:
            return answer_text(description.detail, description.status)
        case DuplicateError() | InUseError():
            return answer_text(description.detail, description.status)
    if "conflicts" in description.more:
        return JSONAnswer(description.more, description.status)
    # Of what breaks the rules the contract has a list in the place of words.
    detail = description.more.get("errors", description.detail)
    return JSONAnswer({"detail": detail}, description.status, description.headers)


def answer_problem(error: Exception) -> Response:
    """Return the answer to an error of a request to any other route; raise it if it is none of a request's own."""
    description = describe_error(error)
    return ProblemAnswer(description.status, description.detail, description.headers, **description.more)


async def _handle(request: Request, error: Exception) -> Response:
    answer = answer_problem(error) if _has_problem_details(request.scope) else answer_error(error)
    _let_go(error)
    if isinstance(error, HTTPException) and answer.status_code == HTTPStatus.NOT_FOUND:
        return _find_redirect(request.scope) or answer
    if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The router lists only the methods of the first route with this path, but each method has its own route.
        methods = _find_methods(request.scope)
        # No route has HEAD of its own, see heksher.server.asgi.method.
        answer.headers["Allow"] = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
    return answer


def _let_go(error: Exception) -> None:
    """Have an error, and those that led to it, forget where they were raised.

    The calls there have the body of the request, and hold the error that holds them: the memory of a large body would
    stay until the garbage collector looks for such circles, which it does the less often the more there is.
    """
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__


def _has_problem_details(scope: Scope) -> bool:
    return isinstance(scope.get("route"), ProblemRoute)


def _find_redirect(scope: Scope) -> Response | None:
    """Return the way to the path without the slash at its end; ``None`` if there is no route for that either."""
    path: str = scope["path"]
    if not path.endswith("/") or not _find_methods({**scope, "path": path[:-1]}):
        return None
    # Relative, so that it holds behind a proxy that puts something in front of the path.
    location = f"../{quote(path[:-1].rpartition('/')[2])}"
    query = scope["query_string"].decode("latin-1")
    return RedirectResponse(f"{location}?{query}" if query else location, 307)


def _find_methods(scope: Scope) -> set[str]:
    # A route for another method is a partial match.
    found = [route for route in scope["app"].routes if route.matches(scope)[0] is not Match.NONE]
    return {method for route in found if isinstance(route, Route) for method in route.methods or ()}


def install_error_handlers(app: FastAPI) -> None:
    """Make an application answer errors as this module defines."""
    for error_class in (RequestValidationError, HTTPException, OperationError, UnknownCallerError, StorageError):
        app.add_exception_handler(error_class, _handle)
    app.add_middleware(LastResort)


class LastResort:
    """Answers requests that fail with an unexpected error. Logs it once, with an id that the answer carries.

    If a mounted application has already started its own answer, the error is only logged. This step cannot fail itself
    (known fault 45): it does not inspect the error, and of the request only its route; everything but the id is
    constant.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_started = is_complete = False

        async def send_noting(message: Message) -> None:
            nonlocal is_started, is_complete
            is_started = True
            is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception:
            if scope["type"] != "http" or (is_started and not is_complete):
                raise  # no answer can be sent any more; the server logs the error and closes the connection
            request_id = logs.request_id.get()
            logger.exception("request %s failed: an error of the service, not of its client", request_id)
            if not is_started:
                await _answer_fault(scope, request_id)(scope, receive, send)


def _answer_fault(scope: Scope, request_id: str | None) -> Response:
    detail = "the service failed; its log says why"
    if _has_problem_details(scope):
        return ProblemAnswer(500, detail, request_id=request_id)
    return JSONAnswer({"detail": detail, "request_id": request_id}, 500)
