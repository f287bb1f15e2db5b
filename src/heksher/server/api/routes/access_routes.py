"""Routes of tokens and people, for admins, and the one that tells who asks."""

from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Response
from starlette.requests import Request

from heksher.server.access.grants import Role
from heksher.server.api.access_models import (
    CreatedToken,
    Me,
    NewPassword,
    NewPerson,
    NewToken,
    People,
    PersonGrants,
    Tokens,
    TokenUpdate,
)
from heksher.server.api.paging import PageDependency
from heksher.server.api.responses import (
    BAD_ACTOR,
    DETAILED_READ_FAILURES,
    DETAILED_WRITE_FAILURES,
    JSONAnswer,
    Responses,
    answer_written,
    details,
    document,
    empty,
    model,
    tell_revision,
)
from heksher.server.api.routing import OriginDependency, StorageDependency, make_router
from heksher.server.asgi.access import reads, writes
from heksher.server.asgi.caller import get_caller
from heksher.server.operations import people, tokens
from heksher.server.operations.tokens import LIFETIME, TokenChange

router: APIRouter = make_router("access", has_problem_details=True)

TOKENS_PATH: Final = "/api/v1/tokens"
PEOPLE_PATH: Final = "/api/v1/people"
TOKEN_PATH: Final = f"{TOKENS_PATH}/{{name}}"
PERSON_PATH: Final = f"{PEOPLE_PATH}/{{name}}"

# What only who asks may know, and no cache may keep.
_SECRET: Final = {"Cache-Control": "no-store"}

TokenInPath = Annotated[str, Path(examples=["checkout"])]
PersonInPath = Annotated[str, Path(examples=["Ada Lovelace"])]

_NO_TOKEN: Final[Responses] = details(404, "There is no such token.")
_NO_PERSON: Final[Responses] = details(404, "There is no such person.")
_TAKEN: Final[Responses] = details(409, "The name is taken.")
_LAST_ADMIN: Final[Responses] = details(409, "There would be no admin any more.")
_DONE: Final[Responses] = empty(204, "It is done.")


@router.get(
    "/api/v1/me",
    summary="Tell who asks, and what they may do",
    responses=document(model(200, Me, "The token or the person."), DETAILED_READ_FAILURES),
)
@reads(role=Role.EVALUATE)
async def tell_caller(request: Request) -> Response:
    """Where access is not controlled, that is `nobody`, who may do everything."""
    principal = get_caller(request.scope).principal
    content = {"kind": principal.kind, "name": principal.name, "grants": principal.grants.texts()}
    return JSONAnswer(content, headers=_SECRET)


@router.get(
    TOKENS_PATH,
    summary="List the tokens, sorted by name",
    responses=document(model(200, Tokens, "A page of the list."), DETAILED_READ_FAILURES),
)
@reads(role=Role.ADMIN)
def list_tokens(storage: StorageDependency, page: PageDependency) -> Response:
    """Those that have ended are among them. What they are is not stored."""
    items, cursor = page.cut(tokens.list_all(storage), lambda token: str(token["name"]))
    return JSONAnswer({"tokens": items, "next_cursor": cursor}, headers=_SECRET)


@router.post(
    TOKENS_PATH,
    status_code=201,
    summary="Create a token",
    responses=document(model(201, CreatedToken, "The token."), _TAKEN, DETAILED_WRITE_FAILURES),
)
@writes(role=Role.ADMIN)
def create_token(body: NewToken, storage: StorageDependency, origin: OriginDependency) -> Response:
    """The answer is the only time that the token is told."""
    is_usual = "expires_at" not in body.model_fields_set
    expires_at = datetime.now(UTC) + LIFETIME if is_usual else body.expires_at
    written = tokens.create(storage, body.name, body.grants, expires_at, origin)
    token = written.result
    content = {"name": body.name, "token": token.secret, "grants": token.record.grants, "expires_at": token.expires_at}
    headers = {"Location": f"{TOKENS_PATH}/{quote(body.name, safe='')}", **_SECRET, **tell_revision(written)}
    return JSONAnswer(content, 201, headers)
