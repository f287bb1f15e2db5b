"""The query route, with its entity tags.

The tag is a hash of all that the answer says, the feature order in its header included: a client that holds the tag
would learn nothing from the answer (traps 21 and 36).

Source: spec/http-api.md, *Query*; RFC 9110, sections 8.8.3 and 13.1.2.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, NoReturn

from fastapi import APIRouter, Header, HTTPException, Query, Response
from fastapi.exceptions import RequestValidationError

from heksher.server.api.answers import (
    NO_SETTING,
    READ_FAILURES,
    JSONAnswer,
    QueryAnswer,
    document,
    empty,
    model,
    problem,
    tell_revision,
)
from heksher.server.api.routing import StorageDependency, make_router
from heksher.server.limits import MAX_QUERY_FILTERS, MAX_QUERY_SETTINGS
from heksher.server.operations.query import query
from heksher.wire import FEATURE_ORDER_HEADER, QUERY_PATH, FeatureFilter, RepeatedFilterError, parse_context_filters

router: APIRouter = make_router("query")

_OPAQUE_TAG = re.compile(r'(?:W/)?("[^"]*")')


@router.get(
    QUERY_PATH,
    summary="Query settings and their rules: the call that every client repeats",
    responses=document(
        model(200, QueryAnswer, "The settings, with the rules that the filters let through."),
        empty(304, "The client has this answer already."),
        problem(400, "A context feature has more than one filter."),
        NO_SETTING,
        READ_FAILURES,
    ),
)
def query_settings(
    storage: StorageDependency,
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
    if_none_match: Annotated[list[str] | None, Header(description="tags of answers that the client has")] = None,
) -> Response:
    """A rule is returned when each of its conditions is let through by the filter for its feature.

    Keys are canonical names, rules come in ascending id, conditions in the service's feature order.
    """
    result = query(storage, _parse_names(settings), _parse_filters(context_filters), include_metadata=include_metadata)
    answer = JSONAnswer({"settings": result.settings})
    order = ",".join(result.feature_order)
    tag = _make_tag(answer.body, order)
    headers = {"ETag": tag, FEATURE_ORDER_HEADER: order, "Cache-Control": "no-cache", **tell_revision(result.revision)}
    if has_tag(",".join(if_none_match or ()), tag):
        return Response(status_code=304, headers=headers)
    answer.headers.update(headers)
    return answer


def has_tag(if_none_match: str, tag: str) -> bool:
    """Tell whether an ``If-None-Match`` names a tag: weakly compared, as RFC 9110 has it for this header."""
    return if_none_match.strip() == "*" or tag in _OPAQUE_TAG.findall(if_none_match)


def _make_tag(body: bytes | memoryview, order: str) -> str:
    digest = hashlib.sha256(order.encode())
    digest.update(b"\n")
    digest.update(body)
    return f'"{digest.hexdigest()[:40]}"'


def _parse_names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = text.split(",") if text else []
    if len(names) > MAX_QUERY_SETTINGS:
        _refuse("settings", f"a query names at most {MAX_QUERY_SETTINGS} settings; leave the parameter out to get all")
    return names


def _parse_filters(text: str) -> Mapping[str, FeatureFilter] | None:
    if text == "*":
        return None
    try:
        filters = parse_context_filters(text)
    except RepeatedFilterError as error:
        raise HTTPException(400, str(error)) from None
    except ValueError as error:
        _refuse("context_filters", str(error))
    if len(filters) > MAX_QUERY_FILTERS:
        _refuse("context_filters", f"a query has filters for at most {MAX_QUERY_FILTERS} context features")
    return filters


def _refuse(parameter: str, message: str) -> NoReturn:
    raise RequestValidationError([{"loc": ("query", parameter), "msg": message, "type": "value_error"}])
