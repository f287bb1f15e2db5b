"""Routes of tokens and people, for admins, and the one that tells who asks."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Response
from starlette.requests import Request

from heksher.server.access.grants import Role
from heksher.server.api.access_models import (
    AddedPerson,
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
from heksher.server.api.paging import PageDependency, PageRequest
from heksher.server.api.responses import (
    DETAILED_CALL_FAILURES,
    DETAILED_READ_FAILURES,
    DETAILED_WRITE_FAILURES,
    JSONAnswer,
    Responses,
    answer_written,
    document,
    model,
    problem_details,
    tell_revision,
)
from heksher.server.api.routing import OriginDependency, ServicesDependency, StorageDependency, make_router
from heksher.server.asgi.access import reads, writes
from heksher.server.asgi.gate import get_principal
from heksher.server.errors import NotPermittedError
from heksher.server.json_form import JSONObject
from heksher.server.operations import people, tokens
from heksher.server.operations.access_form import person_to_json, token_to_json
from heksher.server.operations.last_admin import WaysIn
from heksher.server.operations.tokens import LIFETIME, TokenChange
from heksher.server.storage.base import Written

T = TypeVar("T")


async def _require_access(services: ServicesDependency) -> None:
    # Anybody could make tokens that are still valid once it is checked who may do what.
    if not services.config.has_access:
        raise NotPermittedError(
            "this service was started without --access, so it does not know who may manage tokens and people: use"
            " 'heksher access' on the machine of the database"
        )


async def _get_ways_in(services: ServicesDependency) -> WaysIn:
    return services.sign_in.ways_in


_GUARDED: Final = [Depends(_require_access)]
# How people can sign in, so that one who can do so is left to be an admin.
_WaysInDependency = Annotated[WaysIn, Depends(_get_ways_in)]

router: APIRouter = make_router("access", has_problem_details=True)

TOKENS_PATH: Final = "/api/v1/tokens"
PEOPLE_PATH: Final = "/api/v1/people"
TOKEN_PATH: Final = f"{TOKENS_PATH}/{{name}}"
PERSON_PATH: Final = f"{PEOPLE_PATH}/{{name}}"

# For whoever asks alone, and no cache may keep it.
_UNKEPT: Final = {"Cache-Control": "no-store"}

TokenInPath = Annotated[str, Path(examples=["checkout"])]
PersonInPath = Annotated[str, Path(examples=["Ada Lovelace"])]

_NO_TOKEN: Final[Responses] = problem_details(404, "There is no such token.")
_NO_PERSON: Final[Responses] = problem_details(404, "There is no such person.")
_TAKEN: Final[Responses] = problem_details(409, "The name is taken.")
_LAST_ADMIN: Final[Responses] = problem_details(409, "There would be no admin any more.")


@router.get(
    "/api/v1/me",
    summary="Tell who asks, and what they may do",
    responses=document(model(200, Me, "The token or the person."), DETAILED_READ_FAILURES),
)
@reads(role=Role.EVALUATE)
async def tell_caller(request: Request) -> Response:
    """Where it is not checked who may do what, that is `nobody`, who may do everything."""
    principal = get_principal(request.scope)
    content = {"kind": principal.kind, "name": principal.name, "grants": principal.grants.texts()}
    return JSONAnswer(content, headers=_UNKEPT)


@router.get(
    TOKENS_PATH,
    dependencies=_GUARDED,
    summary="List the tokens, sorted by name",
    responses=document(model(200, Tokens, "A page of the list."), DETAILED_READ_FAILURES),
)
@reads(role=Role.ADMIN)
def list_tokens(storage: StorageDependency, page: PageDependency) -> Response:
    """Those that have ended are among them. Nobody can be told what they are, as that is not stored."""
    return _answer_page("tokens", map(token_to_json, tokens.list_all(storage)), page)


@router.post(
    TOKENS_PATH,
    dependencies=_GUARDED,
    status_code=201,
    summary="Create a token",
    responses=document(
        model(201, CreatedToken, "The token: this is the only time that it is told."), _TAKEN, DETAILED_WRITE_FAILURES
    ),
)
@writes(Role.ADMIN)
def create_token(body: NewToken, storage: StorageDependency, origin: OriginDependency) -> Response:
    """It is valid for a year, unless the request says otherwise."""
    has_end = "expires_at" in body.model_fields_set
    expires_at = body.expires_at if has_end else datetime.now(UTC) + LIFETIME
    written = tokens.create(storage, body.name, body.grants, expires_at, origin)
    return _answer_created(TOKENS_PATH, {"name": body.name, "token": written.result}, written)


@router.patch(
    TOKEN_PATH,
    dependencies=_GUARDED,
    status_code=204,
    summary="Change what a token allows, or when it ends",
    responses=document(_NO_TOKEN, _LAST_ADMIN, DETAILED_WRITE_FAILURES),
)
@writes(Role.ADMIN)
def change_token(
    name: TokenInPath,
    body: TokenUpdate,
    storage: StorageDependency,
    origin: OriginDependency,
    ways_in: _WaysInDependency,
) -> Response:
    """Whoever has it need not be told: it stays the same token."""
    changes: TokenChange = {}
    if "grants" in body.model_fields_set:
        changes["grants"] = body.grants
    if "expires_at" in body.model_fields_set:
        changes["expires_at"] = body.expires_at
    return answer_written(tokens.change(storage, name, changes, origin, ways_in=ways_in))


@router.delete(
    TOKEN_PATH,
    dependencies=_GUARDED,
    status_code=204,
    summary="Revoke a token",
    responses=document(_NO_TOKEN, _LAST_ADMIN, DETAILED_CALL_FAILURES),
)
@writes(Role.ADMIN)
def revoke_token(
    name: TokenInPath, storage: StorageDependency, origin: OriginDependency, ways_in: _WaysInDependency
) -> Response:
    """It is refused from now on, and its streams end: on this process at once, on all others within a second."""
    return answer_written(tokens.revoke(storage, name, origin, ways_in=ways_in))


@router.get(
    PEOPLE_PATH,
    dependencies=_GUARDED,
    summary="List the people, sorted by name",
    responses=document(model(200, People, "A page of the list."), DETAILED_READ_FAILURES),
)
@reads(role=Role.ADMIN)
def list_people(storage: StorageDependency, page: PageDependency) -> Response:
    """Those who sign in with a password, and those who do so elsewhere."""
    return _answer_page("people", map(person_to_json, people.list_all(storage)), page)


@router.post(
    PEOPLE_PATH,
    dependencies=_GUARDED,
    status_code=201,
    summary="Add a person",
    responses=document(model(201, AddedPerson, "The person."), _TAKEN, DETAILED_WRITE_FAILURES),
)
@writes(Role.ADMIN)
def add_person(body: NewPerson, storage: StorageDependency, origin: OriginDependency) -> Response:
    """With a password to sign in with, or without one for somebody who signs in elsewhere."""
    password = None if body.password is None else body.password.get_secret_value()
    written = people.add(storage, body.name, body.grants, password, origin)
    return _answer_created(PEOPLE_PATH, {"name": body.name}, written)


@router.patch(
    PERSON_PATH,
    dependencies=_GUARDED,
    status_code=204,
    summary="Change what a person may do",
    responses=document(_NO_PERSON, _LAST_ADMIN, DETAILED_WRITE_FAILURES),
)
@writes(Role.ADMIN)
def set_grants(
    name: PersonInPath,
    body: PersonGrants,
    storage: StorageDependency,
    origin: OriginDependency,
    ways_in: _WaysInDependency,
) -> Response:
    """It holds at once, also where the person is signed in."""
    return answer_written(people.set_grants(storage, name, body.grants, origin, ways_in=ways_in))


@router.delete(
    PERSON_PATH,
    dependencies=_GUARDED,
    status_code=204,
    summary="Remove a person",
    responses=document(_NO_PERSON, _LAST_ADMIN, DETAILED_CALL_FAILURES),
)
@writes(Role.ADMIN)
def remove_person(
    name: PersonInPath, storage: StorageDependency, origin: OriginDependency, ways_in: _WaysInDependency
) -> Response:
    """Wherever the person is signed in, that ends."""
    return answer_written(people.remove(storage, name, origin, ways_in=ways_in))


@router.post(
    PERSON_PATH + "/password",
    dependencies=_GUARDED,
    status_code=204,
    summary="Give a person another password",
    responses=document(_NO_PERSON, DETAILED_WRITE_FAILURES),
)
@writes(Role.ADMIN)
def set_password(
    name: PersonInPath, body: NewPassword, storage: StorageDependency, origin: OriginDependency
) -> Response:
    """The person has to sign in again everywhere."""
    return answer_written(people.set_password(storage, name, body.password.get_secret_value(), origin))


@router.post(
    PERSON_PATH + "/sign-out",
    dependencies=_GUARDED,
    status_code=204,
    summary="Sign a person out everywhere",
    responses=document(_NO_PERSON, DETAILED_CALL_FAILURES),
)
@writes(Role.ADMIN)
def sign_out(name: PersonInPath, storage: StorageDependency, origin: OriginDependency) -> Response:
    """The person can sign in again with the same password."""
    return answer_written(people.sign_out(storage, name, origin))


def _answer_page(key: str, items: Iterable[JSONObject], page: PageRequest) -> Response:
    shown, cursor = page.cut(items, lambda item: str(item["name"]))
    return JSONAnswer({key: shown, "next_cursor": cursor}, headers=_UNKEPT)


def _answer_created(path: str, content: JSONObject, written: Written[T]) -> Response:
    headers = {"Location": f"{path}/{quote(str(content['name']), safe='')}", **_UNKEPT, **tell_revision(written)}
    return JSONAnswer(content, 201, headers)
