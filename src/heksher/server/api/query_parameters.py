"""Reads the parameters of a query, from the query string or from a body.

Source: docs/reference/compatibility.md, *Query*.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, NoReturn

from fastapi import Depends, Header, HTTPException, Query
from fastapi.exceptions import RequestValidationError
from pydantic import JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from heksher.context_value import EVERY_VALUE, find_listed_fault
from heksher.server.api.models import QueryBody, read_value_text
from heksher.server.catalog.query import CatalogQuery
from heksher.server.limits import MAX_QUERY_FILTERS, MAX_QUERY_SETTINGS
from heksher.server.queries.query_service import ResponsePreferences
from heksher.wire import (
    MIN_REVISION_HEADER,
    FeatureFilter,
    RepeatedFilterError,
    describe_value_fault,
    parse_context_filters,
    parse_revision,
)

# How error messages name the parameters of the two kinds of query.
_QUERY: Final = "query"
_BODY: Final = "body"

# Checking this many values, or reading a text of this many characters, takes a millisecond or two; more would block the
# event loop for everyone.
_MAX_VALUES_ON_EVENT_LOOP: Final = 1_000

# The query service reads these headers, also for answers from memory; routes declare them only for the documentation.
MinRevisionHeader = Annotated[
    int | None, Header(alias=MIN_REVISION_HEADER, ge=0, description="the oldest revision to be answered with")
]


async def _read_query(
    settings: Annotated[
        str | None,
        Query(description="comma-separated names; absent: all settings; empty: none", examples=["cache_ttl"]),
    ] = None,
    context_filters: Annotated[
        str,
        Query(
            description="`*`: every rule; else comma-separated `feature:*` or `feature:(value,...)`; a value can be a"
            " JSON string",
            examples=["environment:(dev),user:*", 'user:(guest,"alice@example.com")'],
        ),
    ] = "*",
    include_metadata: Annotated[bool, Query(description="add its metadata to each rule")] = False,
    include_aliases: Annotated[
        bool, Query(description="say which canonical names the aliases among the names stand for")
    ] = False,
) -> CatalogQuery:
    return CatalogQuery(
        _read_names(settings, _QUERY), _read_filters(context_filters, _QUERY), include_metadata, include_aliases
    )


async def _read_posted_query(body: QueryBody) -> CatalogQuery:
    if _count_values(body) > _MAX_VALUES_ON_EVENT_LOOP:
        return await run_in_threadpool(_convert_body, body)
    return _convert_body(body)


def _convert_body(body: QueryBody) -> CatalogQuery:
    return CatalogQuery(
        _read_names(body.settings, _BODY),
        _read_filters(body.context_filters, _BODY),
        body.include_metadata,
        body.include_aliases,
    )


QueryDependency = Annotated[CatalogQuery, Depends(_read_query)]
PostedQueryDependency = Annotated[CatalogQuery, Depends(_read_posted_query)]


def check_preferences(preferences: ResponsePreferences) -> None:
    """Check that the client's minimum revision is well-formed.

    Raises:
        RequestValidationError: it is malformed.
    """
    if not preferences.is_valid():
        _refuse_revision()


async def _read_demanded(request: Request, heksher_min_revision: MinRevisionHeader = None) -> int:
    del heksher_min_revision  # as int() reads it, which accepts more
    demanded = parse_revision(request.headers.get(MIN_REVISION_HEADER, "0"))
    if demanded is None:
        _refuse_revision()
    return demanded


# The lowest revision that an answer from memory may be of, for routes that may answer from memory; 0 for any.
DemandedRevisionDependency = Annotated[int, Depends(_read_demanded)]


def _refuse_revision() -> NoReturn:
    _refuse("header", MIN_REVISION_HEADER, "a revision is a whole number of at most 18 digits")


def _count_values(body: QueryBody) -> int:
    if isinstance(body.context_filters, str):
        return len(body.context_filters)
    return sum(map(len, body.context_filters.values()))


def _read_names(settings: str | list[str] | None, place: str) -> tuple[str, ...] | None:
    if settings is None:
        return None
    names = settings if isinstance(settings, list) else settings.split(",") if settings else []
    if len(names) > MAX_QUERY_SETTINGS:
        message = f"a query names at most {MAX_QUERY_SETTINGS} settings; leave the parameter out to get all"
        _refuse(place, "settings", message)
    return tuple(dict.fromkeys(names))


def _read_filters(filters: str | Mapping[str, str | list[JsonValue]], place: str) -> Mapping[str, FeatureFilter] | None:
    if filters == "*":
        return None
    read = _parse_filters(filters, place) if isinstance(filters, str) else _convert_filters(filters, place)
    if len(read) > MAX_QUERY_FILTERS:
        _refuse(place, "context_filters", f"a query has filters for at most {MAX_QUERY_FILTERS} context features")
    return read


def _parse_filters(text: str, place: str) -> dict[str, FeatureFilter]:
    try:
        return parse_context_filters(text)
    except RepeatedFilterError as error:
        raise HTTPException(400, str(error)) from None
    except ValueError as error:
        _refuse(place, "context_filters", str(error))


def _convert_filters(filters: Mapping[str, str | list[JsonValue]], place: str) -> dict[str, FeatureFilter]:
    converted: dict[str, FeatureFilter] = {}
    for feature, values in filters.items():
        if isinstance(values, str) and values != EVERY_VALUE:
            _refuse(place, "context_filters", f"the filter for {feature!r} must be a list of values, or *")
        converted[feature] = None if isinstance(values, str) else _read_listed(feature, values, place)
    return converted


def _read_listed(feature: str, values: Iterable[object], place: str) -> frozenset[str]:
    try:
        texts = frozenset(map(read_value_text, values))
    except ValueError as error:
        _refuse(place, "context_filters", f"the filter for {feature!r} has something else: {error}")
    for text in texts:
        if fault := find_listed_fault(text):
            _refuse(place, "context_filters", describe_value_fault(feature, text, fault))
    return texts


def _refuse(place: str, parameter: str, message: str) -> NoReturn:
    raise RequestValidationError([{"loc": (place, parameter), "msg": message, "type": "value_error"}])
