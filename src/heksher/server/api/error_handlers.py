"""Maps errors to answers. Nothing else in the API chooses a status for an error.

Bodies are ``{"detail": ...}``, except where the contract says otherwise: no body if a rule or context feature is not
found, plain text if a setting is not found or the contract specifies the text.

Source: docs/reference/compatibility.md.
"""

import logging
from collections.abc import Mapping
from functools import singledispatch
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
from heksher.server.api.responses import JSONAnswer, ProblemAnswer, answer_text
from heksher.server.errors import (
    ConflictError,
    DuplicateError,
    FullError,
    InUseError,
    InvalidInputError,
    MissingKind,
    NotAcceptableError,
    NotFoundError,
    NotPermittedError,
    OperationError,
)
from heksher.server.limits import MAX_REPORTED_ERRORS
from heksher.server.problem import NEW_STATUSES
from heksher.server.storage.storage_errors import (
    ContractError,
    ExpectationError,
    Reason,
    SchemaChangedError,
    StorageError,
    StorageUnavailableError,
)
from heksher.value_type import shorten

logger: logging.Logger = logging.getLogger(__name__)

_BODILESS: frozenset[MissingKind] = frozenset({"rule", "context feature"})
_PLAIN: frozenset[MissingKind] = frozenset({"setting", "configurable feature of a new setting"})
_RETRY_AFTER_S = 1
_UNAVAILABLE_DETAILS: Mapping[Reason, str] = {
    "database down": "the service cannot reach its database; try again later",
    "busy": "too many writes wait for each other; try again later",
}
_OTHER_DETAIL = "the service cannot use its database now ({}); its log says what to do"
# Messages that replace the framework's two-word ones.
_TEACHING = {
    404: "there is nothing at this path; /docs lists what there is",
    405: "this path does not take this method; /docs lists what there is",
}


@singledispatch
def answer_error(error: Exception) -> Response:
    """Return the answer to an error of a request."""
    raise error


@answer_error.register
def _(error: RequestValidationError) -> Response:
    # The invalid input is never sent back: it can be anything, and it can be large.
    parts = [
        {
            "loc": [shorten(part) if isinstance(part, str) else part for part in fault["loc"]],
            "msg": _tell_fault(fault["msg"], fault.get("ctx", {}).get("error")),
            "type": fault["type"],
        }
        for fault in error.errors()[:MAX_REPORTED_ERRORS]
    ]
    return JSONAnswer({"detail": parts}, 422)


@answer_error.register
def _(error: HTTPException) -> Response:
    return JSONAnswer({"detail": _TEACHING.get(error.status_code, error.detail)}, error.status_code, error.headers)


@answer_error.register
def _(error: InvalidInputError) -> Response:
    part = {"loc": ["body", *error.location], "msg": str(error), "type": "value_error"}
    return JSONAnswer({"detail": [part]}, 422)


@answer_error.register
def _(error: NotPermittedError) -> Response:
    return ProblemAnswer(HTTPStatus.FORBIDDEN, str(error))


@answer_error.register
def _(error: NotAcceptableError) -> Response:
    return JSONAnswer({"detail": str(error)}, 400)


@answer_error.register
def _(error: NotFoundError) -> Response:
    if error.kind in _BODILESS:
        return Response(status_code=404)
    if error.kind in _PLAIN:
        return answer_text(str(error), 404)
    return JSONAnswer({"detail": str(error)}, 404)


@answer_error.register
def _(error: FullError) -> Response:
    return ProblemAnswer(HTTPStatus.INSUFFICIENT_STORAGE, str(error))


@answer_error.register
def _(error: ConflictError) -> Response:
    if error.conflicts:
        return JSONAnswer({"conflicts": list(error.conflicts)}, 409)
    return JSONAnswer({"detail": str(error)}, 409)


@answer_error.register(DuplicateError)
@answer_error.register(InUseError)
def _(error: ConflictError) -> Response:
    return answer_text(str(error), 409)


@answer_error.register
def _(error: StorageUnavailableError) -> Response:
    logger.warning("a request found the storage unavailable: %s", error)
    status = HTTPStatus.INSUFFICIENT_STORAGE if error.reason == "disk full" else HTTPStatus.SERVICE_UNAVAILABLE
    return _ask_to_retry(_UNAVAILABLE_DETAILS.get(error.reason, _OTHER_DETAIL.format(error.reason)), status)


@answer_error.register
def _(error: StorageError) -> Response:
    # The database is sick in a way that nobody foresaw. What is a fault of this program, not of it, is raised again.
    if isinstance(error, ContractError | ExpectationError):
        raise error
    logger.error("a request failed in the storage: %s", error)
    return _ask_to_retry("the service's database failed; the service's log says why", HTTPStatus.SERVICE_UNAVAILABLE)


def _ask_to_retry(detail: str, status: HTTPStatus) -> Response:
    headers = {"Retry-After": str(_RETRY_AFTER_S)}
    if status in NEW_STATUSES:
        return ProblemAnswer(status, detail, headers)
    return JSONAnswer({"detail": detail}, status, headers)


@answer_error.register
def _(error: SchemaChangedError) -> Response:
    logger.error("a write was refused: %s", error)
    detail = (
        "another version of heksher has migrated the database, so this process writes no more: replace it by one of"
        " that version; reads go on"
    )
    return JSONAnswer({"detail": detail}, 503, {"Retry-After": str(_RETRY_AFTER_S)})


def _tell_fault(message: str, cause: object) -> str:
    # If pydantic quotes an exception of ours, its message is complete; if the JSON parser failed, the cause has the
    # message.
    if isinstance(cause, str):
        return f"{message}: {cause}"
    return message.removeprefix("Value error, ")


async def _handle(request: Request, error: Exception) -> Response:
    answer = answer_error(error)
    if isinstance(error, HTTPException) and answer.status_code == HTTPStatus.NOT_FOUND:
        return _find_redirect(request.scope) or answer
    if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The router lists only the methods of the first route with this path, but each method has its own route.
        methods = _find_methods(request.scope)
        # No route has HEAD of its own, see heksher.server.asgi.method.
        answer.headers["Allow"] = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
    return answer


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
    for error_class in (RequestValidationError, HTTPException, OperationError, StorageError):
        app.add_exception_handler(error_class, _handle)
    app.add_middleware(LastResort)


class LastResort:
    """Answers requests that fail with an unexpected error. Logs it once, with an id that the answer carries.

    If a mounted application has already started its own answer, the error is only logged. This step cannot fail itself
    (known fault 45): it does not inspect the error or the request, and everything but the id is constant.
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
                answer = JSONAnswer({"detail": "the service failed; its log says why", "request_id": request_id}, 500)
                await answer(scope, receive, send)
