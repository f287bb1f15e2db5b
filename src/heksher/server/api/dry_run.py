"""Writes that are only tried, and answered with what they would do."""

import inspect
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Query
from fastapi.responses import Response
from pydantic import BaseModel, Field, JsonValue

from heksher.server.api.history_models import Part
from heksher.server.api.open_proposals import tell_open_proposals
from heksher.server.api.responses import JSONAnswer, Responses, document, model
from heksher.server.catalog.trial import TrialStorage
from heksher.server.operations.expecting_storage import ExpectingStorage
from heksher.server.queries.trial_answer import tell_trial
from heksher.server.services import Services

DryRunInQuery = Annotated[
    bool, Query(description="change nothing, and tell what would be changed, and which settings would get other values")
]

# What the handler of a write calls the storage that it writes to.
_STORAGE: Final = "storage"
_ORIGIN: Final = "origin"


class TriedPart(Part):
    """A change that would be made; the key of a new rule is not known yet."""

    key: str | None  # type: ignore[assignment]  # of the same object, before it is there


class Side(BaseModel):
    """The value of a setting, and what it comes from; of a new rule, the id is not known yet."""

    value: JsonValue
    source: str
    rule_id: int | None


class ValueEffect(BaseModel):
    """Contexts in which a setting would get another value: where all conditions hold, and no exception."""

    setting: str
    conditions: dict[str, str]
    exceptions: list[dict[str, str]] = Field(alias="except")
    has_more_except: bool
    before: Side | None
    after: Side | None
    examples: list[dict[str, str]]
    has_more_examples: bool


class DryRunAnswer(BaseModel):
    """What a write would change, and which settings would get other values."""

    revision: int
    size: int
    changes: list[TriedPart]
    effects: list[ValueEffect]
    has_more_effects: bool


def document_dry_run(responses: Responses) -> Responses:
    """Describe the answer to a dry run of a write, besides what the write itself is answered."""
    described: dict[str, Any] = responses.get(HTTPStatus.OK, {})
    told = "What a dry run tells."
    if "model" not in described:
        return document(responses, model(HTTPStatus.OK, DryRunAnswer, told))
    return document(
        responses, model(HTTPStatus.OK, described["model"] | DryRunAnswer, f"{described['description']} {told}")
    )


def require_storage(write: Callable[..., object]) -> None:
    """Check that a write can be tried: that it writes to a storage which it is given.

    Raises:
        TypeError: it does not say so.
    """
    if not {_STORAGE, _ORIGIN} <= inspect.signature(write).parameters.keys():
        raise TypeError(f"a dry run of {write.__name__} would not be one: it does not take {_STORAGE} and {_ORIGIN}")


def try_write(
    write: Callable[..., object], arguments: Mapping[str, Any], services: Services, *, has_open_proposals: bool = False
) -> object:
    """Make a write on the catalog's picture, and return the answer to a dry run, or what the write is refused with.

    Args:
        write: handles the request; has passed ``require_storage``.
        arguments: what it takes.
        services: have the catalog.
        has_open_proposals: whether to say which open proposals are about the same.

    Raises:
        OperationError: it is refused.
        StorageUnavailableError: the catalog was not loaded yet, or what is needed of the database cannot be had.
    """
    picture = services.catalog.load().picture
    storage = TrialStorage(picture, services.storage, arguments[_ORIGIN])
    given = arguments[_STORAGE]
    tried = given.expect_of(storage) if isinstance(given, ExpectingStorage) else storage
    answer = write(**{**arguments, _STORAGE: tried})
    if isinstance(answer, Response) and answer.status_code >= HTTPStatus.BAD_REQUEST:
        return answer
    told = JSONAnswer(tell_trial(picture, storage))
    if has_open_proposals:
        tell_open_proposals(told, storage.finish().entry.changes, services.storage)
    return told
