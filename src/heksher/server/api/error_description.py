"""What each error is answered with, in whichever form. Nothing else in the API chooses a status for an error.

Source: docs/reference/compatibility.md.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatch
from http import HTTPStatus
from typing import Any, NamedTuple, cast

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from heksher.server.api.if_match import write_tag
from heksher.server.api.write_call import RefusingAnswerError, UnreadableWriteError
from heksher.server.asgi.late_look import CHALLENGE_AGAIN
from heksher.server.errors import (
    ConflictError,
    FullError,
    HeldBackError,
    InvalidInputError,
    NotAcceptableError,
    NotFoundError,
    NotPermittedError,
    OutdatedError,
    PrunedError,
    RevertConflictError,
    StepError,
    UnknownCallerError,
)
from heksher.server.json_form import JSONObject
from heksher.server.limits import MAX_REPORTED_ERRORS
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


@dataclass(frozen=True, slots=True)
class ErrorDescription:
    """What an error is answered with.

    Attributes:
        detail: what is wrong, in words.
        headers: of the answer.
        more: what a program may want to know: ``errors``, the parts of the request that break the rules, or
            ``conflicts``, the individual reasons where there can be several.
    """

    status: int
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    more: JSONObject = field(default_factory=dict)


class _BadPart(NamedTuple):
    """A part of a request that breaks the rules, as answers tell it."""

    loc: list[str | int]
    msg: str
    type: str


@singledispatch
def describe_error(error: Exception) -> ErrorDescription:
    """Return what an error of a request is answered with; raise it if it is none of a request's own."""
    raise error


@describe_error.register
def _(error: RequestValidationError) -> ErrorDescription:
    # The invalid input is never sent back: it can be anything, and it can be large.
    return _describe_parts(
        *(
            _BadPart(
                [shorten(part) if isinstance(part, str) else part for part in fault["loc"]],
                _tell_fault(fault["msg"], fault.get("ctx", {}).get("error")),
                fault["type"],
            )
            for fault in error.errors()[:MAX_REPORTED_ERRORS]
        )
    )


@describe_error.register
def _(error: HTTPException) -> ErrorDescription:
    return ErrorDescription(error.status_code, _TEACHING.get(error.status_code, error.detail), error.headers or {})


@describe_error.register
def _(error: InvalidInputError) -> ErrorDescription:
    return _describe_parts(_BadPart(["body", *error.location], str(error), "value_error"))


@describe_error.register
def _(error: NotPermittedError) -> ErrorDescription:
    return ErrorDescription(HTTPStatus.FORBIDDEN, str(error))


@describe_error.register
def _(error: HeldBackError) -> ErrorDescription:
    return ErrorDescription(HTTPStatus.FORBIDDEN, str(error), more={"policies": list(error.prefixes)})


@describe_error.register
def _(error: UnknownCallerError) -> ErrorDescription:
    return ErrorDescription(HTTPStatus.UNAUTHORIZED, str(error), {"WWW-Authenticate": CHALLENGE_AGAIN})


@describe_error.register
def _(error: NotAcceptableError) -> ErrorDescription:
    return ErrorDescription(400, str(error))


@describe_error.register
def _(error: NotFoundError) -> ErrorDescription:
    return ErrorDescription(404, str(error))


@describe_error.register
def _(error: PrunedError) -> ErrorDescription:
    return ErrorDescription(HTTPStatus.GONE, str(error))


@describe_error.register
def _(error: OutdatedError) -> ErrorDescription:
    tag = None if error.tag is None else write_tag(error.tag)
    current = None if error.current is None else dict(error.current)
    last_change = None if error.last_change is None else dict(error.last_change)
    more: JSONObject = {"current": current, "etag": tag, "last_change": last_change}
    return ErrorDescription(HTTPStatus.PRECONDITION_FAILED, str(error), {} if tag is None else {"ETag": tag}, more)


@describe_error.register
def _(error: FullError) -> ErrorDescription:
    return ErrorDescription(HTTPStatus.INSUFFICIENT_STORAGE, str(error))


@describe_error.register
def _(error: UnreadableWriteError) -> ErrorDescription:
    return describe_error(RequestValidationError(error.faults))


@describe_error.register
def _(error: RefusingAnswerError) -> ErrorDescription:
    return ErrorDescription(error.status, str(error), more={"answer": error.body})


@describe_error.register
def _(error: StepError) -> ErrorDescription:
    cause = describe_error(error.cause)
    more = {**cause.more, "operation": error.number}
    if "errors" in more:
        parts = cast("list[Any]", more["errors"])
        more["errors"] = [{**part, "loc": ["body", "operations", error.number, *part["loc"]]} for part in parts]
    return replace(cause, detail=f"operation {error.number}: {cause.detail}", more=more)


@describe_error.register
def _(error: ConflictError) -> ErrorDescription:
    return ErrorDescription(409, str(error), more={"conflicts": list(error.conflicts)} if error.conflicts else {})


@describe_error.register
def _(error: RevertConflictError) -> ErrorDescription:
    more: JSONObject = {"conflicts": list(error.conflicts), "changes": [dict(change) for change in error.changes]}
    return ErrorDescription(HTTPStatus.CONFLICT, f"{error}: {'; '.join(error.conflicts)}", more=more)


@describe_error.register
def _(error: StorageUnavailableError) -> ErrorDescription:
    logger.warning("a request found the storage unavailable: %s", error)
    status = HTTPStatus.INSUFFICIENT_STORAGE if error.reason == "disk full" else HTTPStatus.SERVICE_UNAVAILABLE
    return _ask_to_retry(_UNAVAILABLE_DETAILS.get(error.reason, _OTHER_DETAIL.format(error.reason)), status)


@describe_error.register
def _(error: StorageError) -> ErrorDescription:
    # The database is sick in a way that nobody foresaw. What is a fault of this program, not of it, is raised again.
    if isinstance(error, ContractError | ExpectationError):
        raise error
    logger.error("a request failed in the storage: %s", error)
    return _ask_to_retry("the service's database failed; the service's log says why")


@describe_error.register
def _(error: SchemaChangedError) -> ErrorDescription:
    logger.error("a write was refused: %s", error)
    return _ask_to_retry(
        "another version of heksher has migrated the database, so this process writes no more: replace it by one of"
        " that version; reads go on"
    )


def _ask_to_retry(detail: str, status: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE) -> ErrorDescription:
    return ErrorDescription(status, detail, {"Retry-After": str(_RETRY_AFTER_S)})


def _describe_parts(*parts: _BadPart) -> ErrorDescription:
    words = "; ".join(f"{'.'.join(map(str, part.loc))}: {part.msg}" for part in parts)
    return ErrorDescription(422, words, more={"errors": [part._asdict() for part in parts]})


def _tell_fault(message: str, cause: object) -> str:
    # If pydantic quotes an exception of ours, its message is complete; if the JSON parser failed, the cause has the
    # message.
    if isinstance(cause, str):
        return f"{message}: {cause}"
    return message.removeprefix("Value error, ")
