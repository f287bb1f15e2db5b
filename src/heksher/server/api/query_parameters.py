"""Reads the parameters of a query, from the query string or from a body.

Source: docs/reference/compatibility.md, *Query*.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, NoReturn

from fastapi import Depends, Header, HTTPException, Query
from fastapi.exceptions import RequestValidationError
from pydantic import JsonValue, WithJsonSchema
from starlette.requests import Request

from heksher.context_value import EVERY_VALUE, find_listed_fault
from heksher.revision_id import MAX_REVISION_DIGITS, REVISION_ID_PATTERN, RevisionId, parse_revision_id
from heksher.server.api.models import QueryBody, read_value_text
from heksher.server.api.routing import ServicesDependency
from heksher.server.asgi.header_fields import get_fields
from heksher.server.catalog.query import CatalogQuery
from heksher.server.limits import MAX_QUERY_FILTERS, MAX_QUERY_SETTINGS, MAX_QUERY_VALUES
from heksher.server.queries.query_service import ResponsePreferences, read_demand
from heksher.wire import (
    MIN_REVISION_HEADER,
    FeatureFilter,
    RepeatedFilterError,
    check_counts,
    describe_value_fault,
    parse_context_filters,
)

# How error messages name the parameters of the two kinds of query.
IN_QUERY: Final = "query"
IN_BODY: Final = "body"

_REVISION_RULE: Final = (
    f"a revision is a whole number of at most {MAX_REVISION_DIGITS} digits, alone or with a hyphen and its stamp of 12"
    " hexadecimal digits"
)

# Checking this many values, or reading texts of this many characters, takes a millisecond or two; more would block the
# event loop for everyone.
_MAX_VALUES_ON_EVENT_LOOP: Final = 1_000
_MAX_CHARACTERS_ON_EVENT_LOOP: Final = 4_000

# The query service reads these headers, also for answers from memory; routes declare them only for the documentation.
MinRevisionHeader = Annotated[
    Annotated[
        str,
        WithJsonSchema({"type": "string", "pattern": f"^{REVISION_ID_PATTERN}$"}),
    ]
    | None,
    Header(
        alias=MIN_REVISION_HEADER,
        description="the oldest revision to be answered with, as a number or as `Heksher-Revision-Id` told it",
        examples=["17", "17-0123456789ab"],
    ),
]


async def _read_query(
    services: ServicesDependency,
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
    def read() -> CatalogQuery:
        names, filters = read_names(settings, IN_QUERY), _read_filters(context_filters, IN_QUERY)
        return CatalogQuery(names, filters, include_metadata, include_aliases)

    if len(settings or "") + len(context_filters) > _MAX_CHARACTERS_ON_EVENT_LOOP:
        return await services.workshop.run(read)
    return read()


async def _read_posted_query(services: ServicesDependency, body: QueryBody) -> CatalogQuery:
    if _is_large(body):
        return await services.workshop.run(lambda: _convert_body(body))
    return _convert_body(body)


def _convert_body(body: QueryBody) -> CatalogQuery:
    return CatalogQuery(
        read_names(body.settings, IN_BODY),
        _read_filters(body.context_filters, IN_BODY),
        body.include_metadata,
        body.include_aliases,
    )


QueryDependency = Annotated[CatalogQuery, Depends(_read_query)]
PostedQueryDependency = Annotated[CatalogQuery, Depends(_read_posted_query)]


def check_preferences(preferences: ResponsePreferences) -> None:
    """Check that the revision which the client demands is well-formed.

    Raises:
        RequestValidationError: it is malformed.
    """
    if not preferences.is_valid():
        _refuse_revision()


async def _read_demanded(request: Request, heksher_min_revision: MinRevisionHeader = None) -> RevisionId | None:
    del heksher_min_revision  # declared for the documentation; as text of the request it is read strictly
    sent = read_demand(get_fields(request.scope))
    demanded = None if sent is None else parse_revision_id(sent)
    if demanded is None and sent is not None:
        _refuse_revision()
    return demanded


# The revision that an answer from memory must have, for routes that may answer from memory; None for any.
DemandedRevisionDependency = Annotated[RevisionId | None, Depends(_read_demanded)]


def _refuse_revision() -> NoReturn:
    refuse_part("header", MIN_REVISION_HEADER, _REVISION_RULE)


def _is_large(body: QueryBody) -> bool:
    names, filters = body.settings or "", body.context_filters
    texts = [text for text in (names, filters) if isinstance(text, str)]
    values = 0 if isinstance(filters, str) else sum(map(len, filters.values()))
    return sum(map(len, texts)) > _MAX_CHARACTERS_ON_EVENT_LOOP or values > _MAX_VALUES_ON_EVENT_LOOP


def read_names(settings: str | list[str] | None, place: str) -> tuple[str, ...] | None:
    """Return the names that a request is about, each once; ``None`` for all settings.

    Args:
        settings: a list, or a text with commas.
        place: where that stands, for the error.

    Raises:
        RequestValidationError: there are too many.
    """
    if settings is None:
        return None
    # Of a text with too many, some are enough.
    names = settings if isinstance(settings, list) else settings.split(",", MAX_QUERY_SETTINGS) if settings else []
    if len(names) > MAX_QUERY_SETTINGS:
        message = f"a query names at most {MAX_QUERY_SETTINGS} settings; leave the parameter out to get all"
        refuse_part(place, "settings", message)
    return tuple(dict.fromkeys(names))


def _read_filters(filters: str | Mapping[str, str | list[JsonValue]], place: str) -> Mapping[str, FeatureFilter] | None:
    if filters == "*":
        return None
    return _parse_filters(filters, place) if isinstance(filters, str) else _convert_filters(filters, place)


def _parse_filters(text: str, place: str) -> dict[str, FeatureFilter]:
    try:
        return parse_context_filters(text, max_filters=MAX_QUERY_FILTERS, max_values=MAX_QUERY_VALUES)
    except RepeatedFilterError as error:
        raise HTTPException(400, str(error)) from None
    except ValueError as error:
        refuse_part(place, "context_filters", str(error))


def _convert_filters(filters: Mapping[str, str | list[JsonValue]], place: str) -> dict[str, FeatureFilter]:
    count = sum(len(values) for values in filters.values() if isinstance(values, list))
    try:
        check_counts(len(filters), MAX_QUERY_FILTERS, count, MAX_QUERY_VALUES)
    except ValueError as error:
        refuse_part(place, "context_filters", str(error))
    converted: dict[str, FeatureFilter] = {}
    for feature, values in filters.items():
        if isinstance(values, str) and values != EVERY_VALUE:
            refuse_part(place, "context_filters", f"the filter for {feature!r} must be a list of values, or *")
        converted[feature] = None if isinstance(values, str) else _read_listed(feature, values, place)
    return converted


def _read_listed(feature: str, values: Iterable[object], place: str) -> frozenset[str]:
    try:
        texts = frozenset(map(read_value_text, values))
    except ValueError as error:
        refuse_part(place, "context_filters", f"the filter for {feature!r} has something else: {error}")
    for text in texts:
        if fault := find_listed_fault(text):
            refuse_part(place, "context_filters", describe_value_fault(feature, text, fault))
    return texts


def refuse_part(place: str, parameter: str, message: str) -> NoReturn:
    """Refuse a request for one of its parameters.

    Raises:
        RequestValidationError: always.
    """
    raise RequestValidationError([{"loc": (place, parameter), "msg": message, "type": "value_error"}])
