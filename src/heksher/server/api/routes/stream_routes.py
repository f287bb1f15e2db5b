"""The stream routes: they check a query as the query routes do, then open a stream.

Source: docs/adr/0010-answers-from-memory.md.
"""

from collections.abc import Iterable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from pydantic import WithJsonSchema
from starlette.types import Receive, Scope, Send

from heksher.revision_id import REVISION_ID_PATTERN, RevisionId, parse_revision_id
from heksher.server.api.query_parameters import (
    MinRevisionHeader,
    PostedQueryDependency,
    QueryDependency,
    check_preferences,
)
from heksher.server.api.responses import NO_SETTING, READ_FAILURES, WRITE_FAILURES, Responses, document, problem
from heksher.server.api.routing import ServicesDependency, make_router
from heksher.server.asgi.access import reads
from heksher.server.asgi.header_fields import get_fields
from heksher.server.asgi.streaming import OpenedStream, send_stream
from heksher.server.catalog.query import CatalogQuery
from heksher.server.queries.query_service import make_key
from heksher.server.services import Services
from heksher.wire import STREAM_PATH

_LAST_EVENT_ID: Final = b"last-event-id"
_EVENTS: Responses = {200: {"description": "The events."}}
_RESPONSES = document(_EVENTS, problem(400, "A context feature has more than one filter."), NO_SETTING)


async def _refuse_while_ending(services: ServicesDependency) -> None:
    if services.streams.is_ending:
        raise HTTPException(503, "the service is about to end; come back in a moment", {"Retry-After": "1"})


# Checked first: a process that is about to end says so to every request.
router: APIRouter = make_router("query", dependencies=[Depends(_refuse_while_ending)])


class _StreamResponse(Response):
    """The answer that opens a stream."""

    media_type = "text/event-stream"

    def __init__(self, stream: OpenedStream) -> None:
        super().__init__()
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send_stream(send, self._stream)


async def _get_last_revision(
    request: Request,
    last_event_id: Annotated[
        Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^{REVISION_ID_PATTERN}$"})] | None,
        Header(
            description="the revision of the answer that the client has; without it the first event comes at once",
        ),
    ] = None,
    heksher_min_revision: MinRevisionHeader = None,
) -> RevisionId | None:
    del last_event_id, heksher_min_revision  # for the documentation
    return _read_last_event_id(request.scope["headers"])


LastRevisionDependency = Annotated[RevisionId | None, Depends(_get_last_revision)]


@router.get(
    STREAM_PATH,
    response_class=_StreamResponse,
    status_code=200,
    summary="Be told when the answer to a query has changed",
    responses=document(_RESPONSES, READ_FAILURES),
)
@reads
async def open_stream(
    request: Request, services: ServicesDependency, last_revision: LastRevisionDependency, query: QueryDependency
) -> Response:
    """Server-sent events.

    `event: change` with `id` and `data.revision` says that the answer is another one since that revision, whose stamp
    is in the `id` as well; comments are heartbeats; `event: end` with `retry` says that the service ends.
    """
    return await _open(services, request.scope, make_key(request.scope), query, last_revision)


@router.post(
    STREAM_PATH,
    response_class=_StreamResponse,
    status_code=200,
    summary="Be told when the answer to a query has changed, with the parameters in the body",
    responses=document(_RESPONSES, WRITE_FAILURES),
)
@reads
async def open_stream_by_post(
    request: Request, services: ServicesDependency, last_revision: LastRevisionDependency, query: PostedQueryDependency
) -> Response:
    """For more names than a URL can have. The events are those of the same stream with `GET`."""
    key = make_key(request.scope, await request.body())
    return await _open(services, request.scope, key, query, last_revision)


async def _open(
    services: Services, scope: Scope, key: bytes, query: CatalogQuery, last_revision: RevisionId | None
) -> Response:
    preferences = services.query_service.read_preferences(get_fields(scope))
    check_preferences(preferences)
    await services.query_service.look_for(last_revision)
    await services.query_service.check(query, preferences)
    if not services.streams.queries.has_room(key, query):
        raise HTTPException(503, "the queries of open streams take as much memory as they may", {"Retry-After": "60"})
    services.uses.note(key, query.names, preferences.client)
    return _StreamResponse(OpenedStream(key, query, last_revision, preferences.client))


def _read_last_event_id(headers: Iterable[tuple[bytes, bytes]]) -> RevisionId | None:
    # Ignore an id that the service cannot have sent.
    ids = [value for name, value in headers if name == _LAST_EVENT_ID]
    return parse_revision_id(ids[-1]) if ids else None
