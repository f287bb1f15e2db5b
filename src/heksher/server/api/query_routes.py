"""The query routes. Where the answer is in memory already, ``front`` sends it, and none of this is run.

Source: docs/reference/compatibility.md, *Query*; docs/adr/0010-answers-from-memory.md.
"""

from collections.abc import Mapping
from typing import Annotated, NoReturn

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError

from heksher.server.api.models import QueryBody
from heksher.server.api.query_service import QueryService, Reply, ResponsePreferences, make_key
from heksher.server.api.responses import (
    NO_SETTING,
    READ_FAILURES,
    WRITE_FAILURES,
    QueryResponse,
    document,
    empty,
    model,
    problem,
)
from heksher.server.api.routing import make_router
from heksher.server.catalog import query as catalog
from heksher.server.limits import MAX_QUERY_FILTERS, MAX_QUERY_SETTINGS
from heksher.wire import MIN_REVISION_HEADER, QUERY_PATH, FeatureFilter, RepeatedFilterError, parse_context_filters

router: APIRouter = make_router("query")

# What the parameter names of the two routes are called in complaints.
_QUERY = "query"
_BODY = "body"

_RESPONSES = document(
    model(200, QueryResponse, "The settings, with the rules that the filters let through."),
    empty(304, "The client has this answer already."),
    problem(400, "A context feature has more than one filter."),
    NO_SETTING,
)


async def _read_preferences(
    request: Request,
    if_none_match: Annotated[list[str] | None, Header(description="tags of answers that the client has")] = None,
    heksher_min_revision: Annotated[
        int | None, Header(alias=MIN_REVISION_HEADER, ge=0, description="the oldest revision to be answered with")
    ] = None,
) -> ResponsePreferences:
    # Described for the documentation; read as the front reads them.
    del if_none_match, heksher_min_revision
    query_service: QueryService = request.app.state.query_service
    preferences = query_service.read_preferences(request.scope["headers"])
    if not preferences.is_valid():
        _refuse("header", MIN_REVISION_HEADER, "a revision is a whole number of at most 18 digits")
    return preferences


PreferencesDependency = Annotated[ResponsePreferences, Depends(_read_preferences)]


@router.get(
    QUERY_PATH,
    summary="Query settings and their rules: the call that every client repeats",
    responses=document(_RESPONSES, READ_FAILURES),
)
async def query_settings(
    request: Request,
    preferences: PreferencesDependency,
    settings: Annotated[
        str | None,
        Query(description="comma-separated names; absent: all settings; empty: none", examples=["cache_ttl"]),
    ] = None,
    context_filters: Annotated[
        str,
        Query(
            description="`*`: every rule; else comma-separated `feature:*` or `feature:(value,...)`",
            examples=["environment:(dev),user:*"],
        ),
    ] = "*",
    include_metadata: Annotated[bool, Query(description="add its metadata to each rule")] = False,
    include_aliases: Annotated[
        bool, Query(description="say which canonical names the aliases among the names stand for")
    ] = False,
) -> Response:
    """A rule is returned when each of its conditions is let through by the filter for its feature.

    Keys are canonical names, rules come in ascending id, conditions in the service's feature order.
    """
    query = catalog.CatalogQuery(
        _read_names(settings, _QUERY), _read_filters(context_filters, _QUERY), include_metadata, include_aliases
    )
    return await _answer(request, make_key(request.scope), query, preferences)


@router.post(
    QUERY_PATH,
    summary="Query settings and their rules, with the parameters in the body",
    responses=document(_RESPONSES, WRITE_FAILURES),
)
async def query_settings_by_post(request: Request, preferences: PreferencesDependency, body: QueryBody) -> Response:
    """For more names than a URL can have. The answer, its tag included, is that of the same query with `GET`."""
    query = catalog.CatalogQuery(
        _read_names(body.settings, _BODY),
        _read_filters(body.context_filters, _BODY),
        body.include_metadata,
        body.include_aliases,
    )
    return await _answer(request, make_key(request.scope, await request.body()), query, preferences)


async def _answer(
    request: Request, key: bytes, query: catalog.CatalogQuery, preferences: ResponsePreferences
) -> Response:
    # For the front, which opens a stream of this query.
    request.scope["heksher.query"] = query
    query_service: QueryService = request.app.state.query_service
    return _make_response(await query_service.reply(key, query, preferences))


def _make_response(reply: Reply) -> Response:
    response = Response(reply.body, reply.status)
    response.raw_headers = reply.headers
    return response


def _read_names(settings: str | list[str] | None, place: str) -> tuple[str, ...] | None:
    if settings is None:
        return None
    names = settings if isinstance(settings, list) else settings.split(",") if settings else []
    if len(names) > MAX_QUERY_SETTINGS:
        message = f"a query names at most {MAX_QUERY_SETTINGS} settings; leave the parameter out to get all"
        _refuse(place, "settings", message)
    return tuple(dict.fromkeys(names))


def _read_filters(filters: str | dict[str, str | list[str]], place: str) -> Mapping[str, FeatureFilter] | None:
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


def _convert_filters(filters: Mapping[str, str | list[str]], place: str) -> dict[str, FeatureFilter]:
    converted: dict[str, FeatureFilter] = {}
    for feature, values in filters.items():
        if isinstance(values, str) and values != "*":
            _refuse(place, "context_filters", f"the filter for {feature!r} must be a list of values, or *")
        converted[feature] = None if isinstance(values, str) else frozenset(values)
    return converted


def _refuse(place: str, parameter: str, message: str) -> NoReturn:
    raise RequestValidationError([{"loc": (place, parameter), "msg": message, "type": "value_error"}])
