"""The query routes. If the answer is in memory, the fast path sends it and this code does not run.

Source: docs/reference/compatibility.md, *Query*; docs/adr/0010-answers-from-memory.md.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from heksher.server.api.query_parameters import (
    MinRevisionHeader,
    PostedQueryDependency,
    QueryDependency,
    check_preferences,
)
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
from heksher.server.api.routing import ServicesDependency, make_router
from heksher.server.asgi.access import reads
from heksher.server.asgi.fast_path import get_asked_query
from heksher.server.queries.query_service import AskedQuery, Reply
from heksher.wire import QUERY_PATH

router: APIRouter = make_router("query")

_RESPONSES = document(
    model(200, QueryResponse, "The settings, with the rules that the filters let through."),
    empty(304, "The client has this answer already."),
    problem(400, "A context feature has more than one filter."),
    NO_SETTING,
)


async def _get_asked(
    request: Request,
    if_none_match: Annotated[list[str] | None, Header(description="tags of answers that the client has")] = None,
    heksher_min_revision: MinRevisionHeader = None,
) -> AskedQuery:
    del if_none_match, heksher_min_revision  # the fast path has read them
    asked = get_asked_query(request.scope)
    check_preferences(asked.preferences)
    return asked


AskedDependency = Annotated[AskedQuery, Depends(_get_asked)]


@router.get(
    QUERY_PATH,
    summary="Query settings and their rules: the call that every client repeats",
    responses=document(_RESPONSES, READ_FAILURES),
)
@reads
async def query_settings(services: ServicesDependency, asked: AskedDependency, query: QueryDependency) -> Response:
    """A rule is returned when each of its conditions is let through by the filter for its feature.

    Keys are canonical names, rules come in ascending id, conditions in the service's feature order.
    """
    return _make_response(await services.query_service.reply(asked.key, query, asked.preferences))


@router.post(
    QUERY_PATH,
    summary="Query settings and their rules, with the parameters in the body",
    responses=document(_RESPONSES, WRITE_FAILURES),
)
@reads
async def query_settings_by_post(
    services: ServicesDependency, asked: AskedDependency, query: PostedQueryDependency
) -> Response:
    """For more names than a URL can have. The answer, its tag included, is that of the same query with `GET`."""
    return _make_response(await services.query_service.reply(asked.key, query, asked.preferences))


def _make_response(reply: Reply) -> Response:
    response = Response(reply.body, reply.status)
    response.raw_headers = reply.headers
    return response
