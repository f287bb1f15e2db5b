"""What all groups of routes are built with."""

import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial, wraps
from inspect import Parameter, iscoroutinefunction
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query
from fastapi.dependencies.models import Dependant
from fastapi.params import Depends as Dependency
from pydantic import BeforeValidator
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from heksher.server.access.grants import Role
from heksher.server.api.body import StrictRoute, refuse_unknown_parameters
from heksher.server.api.dry_run import DryRunInQuery, document_dry_run, require_storage, try_write
from heksher.server.api.if_match import read_if_match
from heksher.server.api.open_proposals import PreferHeader, tell_open_proposals, wants_open_proposals
from heksher.server.api.responses import (
    FOREIGN_HOST,
    NO_CREDENTIAL,
    NOT_PERMITTED,
    OUTDATED,
    Responses,
    add_problem_details,
    document,
)
from heksher.server.asgi.access import UNKNOWN_ACCESS, Access, get_access
from heksher.server.asgi.caller import MAX_ACTOR_CHARACTERS, MAX_REASON_CHARACTERS, get_caller
from heksher.server.asgi.gate import make_standing
from heksher.server.asgi.header_fields import IF_MATCH, get_fields
from heksher.server.asgi.late_look import Standing
from heksher.server.catalog.catalog import Catalog
from heksher.server.config import Config
from heksher.server.errors import BadHeaderError
from heksher.server.operations.deletion_protection import DeletionProtection
from heksher.server.operations.expecting_storage import ExpectingStorage
from heksher.server.services import Services
from heksher.server.storage.base import Origin, Storage
from heksher.server.storage.watched_storage import WatchedStorage
from heksher.server.usage.client_fields import read_client_fields
from heksher.wire import ACTOR_HEADER, REASON_HEADER

# Notes that the client which sends the request needs settings with these names.
NoteUse = Callable[[tuple[str, ...]], None]

# Dependencies are coroutines although they await nothing: FastAPI would run a plain function in a thread.


async def _get_services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDependency = Annotated[Services, Depends(_get_services)]


# Only described here, as those of the origin.
_IfMatchHeader = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="of a write of a setting, a rule or the list of context features: the tag that it must have, of the"
        " answer in which it was read; else 412, with what it is now. A malformed one is answered 400.",
        examples=['"17-0123456789ab"'],
    ),
]


async def _get_storage(request: Request, services: ServicesDependency) -> Storage:
    if IF_MATCH in get_fields(request.scope) and request.scope["route"].access.is_write:
        raise BadHeaderError(
            "If-Match is for writes of a setting, a rule or the list of context features, which have tags: leave it out"
        )
    return services.storage


async def _get_expecting_storage(
    request: Request, services: ServicesDependency, _if_match: _IfMatchHeader = None
) -> Storage:
    if_match = get_fields(request.scope).get(IF_MATCH)
    if if_match is None:
        return services.storage
    expected = read_if_match(if_match.decode("latin-1"), request.scope["route"].path, request.path_params)
    return ExpectingStorage(services.storage, expected)


async def _get_config(services: ServicesDependency) -> Config:
    return services.config


async def _get_max_value_bytes(services: ServicesDependency) -> int:
    return services.config.max_value_bytes


_PERCENT_ENCODED: Final = {"pattern": "^([!-$&-~]|%[0-9A-Fa-f]{2})*$"}

# Only described here: the step in front of all routes has read them, and has refused what is malformed.
_ActorHeader = Annotated[
    str | None,
    Header(
        alias=ACTOR_HEADER,
        description=f"who acts, for the change log: a name of at most {MAX_ACTOR_CHARACTERS} characters, as"
        " percent-encoded UTF-8. Nobody has to prove it; a malformed one is answered 400.",
        examples=["Ada%20Lovelace"],
        json_schema_extra=_PERCENT_ENCODED,
    ),
]
_ReasonHeader = Annotated[
    str | None,
    Header(
        alias=REASON_HEADER,
        description=f"why, for the change log: at most {MAX_REASON_CHARACTERS} characters, as percent-encoded UTF-8. A"
        " malformed one is answered 400.",
        examples=["incident%204711"],
        json_schema_extra=_PERCENT_ENCODED,
    ),
]


async def _make_standing(request: Request, services: ServicesDependency) -> Standing:
    return make_standing(request.scope, services.catalog)


_StandingDependency = Annotated[Standing, Depends(_make_standing)]


async def _get_origin(
    request: Request, standing: _StandingDependency, _actor: _ActorHeader = None, _reason: _ReasonHeader = None
) -> Origin:
    return get_caller(request.scope).make_origin(standing)


ForceInQuery = Annotated[
    bool,
    Query(
        description="as an admin: do without the second person whom a policy demands, which the change log tells;"
        " and delete settings that programs have asked for lately, or where that is what it takes to revert something"
    ),
]


async def _get_edit_origin(origin: Annotated[Origin, Depends(_get_origin)], force: ForceInQuery = False) -> Origin:
    return replace(origin, is_forced=force)


async def _has_preference(request: Request, _prefer: PreferHeader = None) -> bool:
    return wants_open_proposals(request)


async def _get_catalog(services: ServicesDependency) -> Catalog:
    return services.catalog


async def _get_use_note(request: Request, services: ServicesDependency) -> NoteUse:
    client = read_client_fields(get_fields(request.scope))
    return lambda names: services.uses.note(names, names, client)


async def _get_protection(services: ServicesDependency) -> DeletionProtection:
    return services.make_protection()


def read_digits(what: str) -> BeforeValidator:
    """Return what reads a whole number of a path or a query: nothing but digits."""

    def read(text: object) -> object:
        # int() accepts more than digits ("1_0", " 7"), and pydantic accepts the same.
        if not (isinstance(text, str) and text.isascii() and text.isdecimal()):
            raise ValueError(f"{what} is a whole number")
        return text

    return BeforeValidator(read)


async def _is_admin(standing: _StandingDependency) -> bool:
    return standing.allow(Role.ADMIN)


StorageDependency = Annotated[Storage, Depends(_get_storage)]
# For writes of objects that have tags: such a write can expect the object to be what was read.
ExpectingStorageDependency = Annotated[Storage, Depends(_get_expecting_storage)]
ConfigDependency = Annotated[Config, Depends(_get_config)]
# The most bytes that the JSON of a value may have: each route that takes values checks them.
MaxValueBytes = Annotated[int, Depends(_get_max_value_bytes)]
# The origin of a write for the change log.
OriginDependency = Annotated[Origin, Depends(_get_origin)]
# The same of a write that a policy can hold back.
EditOriginDependency = Annotated[Origin, Depends(_get_edit_origin)]
_PreferenceDependency = Annotated[bool, Depends(_has_preference)]
CatalogDependency = Annotated[Catalog, Depends(_get_catalog)]
UseNoteDependency = Annotated[NoteUse, Depends(_get_use_note)]
ProtectionDependency = Annotated[DeletionProtection, Depends(_get_protection)]
# A name in a path may be any text; a text that cannot be a name is not found.
NameInPath = Annotated[str, Path(examples=["cache_ttl"])]
RuleIdInPath = Annotated[int, read_digits("a rule's id"), Path(ge=0, examples=[7])]
RuleIdInQuery = Annotated[int, read_digits("a rule's id"), Query(ge=0, examples=[7])]
RevisionInPath = Annotated[int, read_digits("a revision"), Path(ge=0, examples=[17])]
RevisionInQuery = Annotated[int, read_digits("a revision"), Query(ge=0, examples=[17])]
# Whether who asks may know all: the log is about tokens and people, too.
IsAdmin = Annotated[bool, Depends(_is_admin)]


class ServiceRoute(StrictRoute):
    """A route that parses its requests strictly, and whose writes wait for each other without keeping threads.

    Its documentation has what is answered before it is reached.

    Attributes:
        access: what the route says about itself.
        write: what handles a request, as it was written; ``None`` for a read.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **arguments: Any) -> None:
        access = get_access(endpoint) or UNKNOWN_ACCESS
        refusals = FOREIGN_HOST if access.role is None else document(FOREIGN_HOST, NO_CREDENTIAL, NOT_PERMITTED)
        if can_expect(endpoint):
            refusals = document(refusals, OUTDATED)
        responses: Responses = document(arguments.get("responses") or {}, refusals)
        arguments["responses"] = add_problem_details(responses, 400, "A header field is malformed.")
        self.access: Access = access
        self.write: Callable[..., object] | None = None
        if access.is_write and not iscoroutinefunction(endpoint):
            require_storage(endpoint)
            self.write = endpoint
            endpoint = _take_turns(endpoint, access.role)
            arguments["responses"] = document_dry_run(arguments["responses"])
        super().__init__(path, endpoint, **arguments)


def can_expect(endpoint: Callable[..., object]) -> bool:
    """Return whether a write can expect the object that it is about to be what was read."""
    parameter = inspect.signature(endpoint).parameters.get("storage")
    return parameter is not None and parameter.annotation == ExpectingStorageDependency


class ProblemRoute(ServiceRoute):
    """A route that v1 does not have: its errors are answered with problem details, and it ignores no parameter.

    A misspelt ``dry_run`` would take something back, and a misspelt filter would let everything through. v1 passes over
    parameters that it does not know, so its own routes do.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[object, object, Response]]:
        handle = super().get_route_handler()
        known = frozenset(_list_query_parameters(self.dependant))

        async def handle_known(request: Request) -> Response:
            refuse_unknown_parameters(request, known)
            return await handle(request)

        return handle_known


def _list_query_parameters(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _list_query_parameters(inner)


def _take_turns(write: Callable[..., object], role: Role | None) -> Callable[..., Coroutine[object, object, object]]:
    """Return a handler for the framework that does what another one does, when it is its turn, or only tries it.

    Args:
        write: the other one.
        role: what the caller must still have then; ``None`` for nothing.
    """

    @wraps(write)
    async def handle(
        services: Services, standing: Standing, dry_run: bool, has_preference: bool, **arguments: Any
    ) -> object:
        if dry_run:
            make = partial(try_write, write, arguments, services, has_open_proposals=has_preference)
        else:
            make = partial(_write_and_tell if has_preference else _write, write, arguments)

        def begin() -> object:
            if role is not None:
                standing.require(role)
            return make()

        if not dry_run:
            return await services.write_turns.run(begin)
        async with services.workshop.trying:
            return await run_in_threadpool(begin)

    # The framework gives a handler what its signature asks for, and follows ``__wrapped__`` to find out what it is.
    del handle.__wrapped__
    signature = inspect.signature(write)
    added = (
        Parameter("services", Parameter.KEYWORD_ONLY, annotation=ServicesDependency),
        Parameter("standing", Parameter.KEYWORD_ONLY, annotation=_StandingDependency),
        Parameter("dry_run", Parameter.KEYWORD_ONLY, default=False, annotation=DryRunInQuery),
        Parameter("has_preference", Parameter.KEYWORD_ONLY, annotation=_PreferenceDependency),
    )
    handle.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]  # functions have none of their own
    return handle


def _write(write: Callable[..., object], arguments: Mapping[str, Any]) -> object:
    return write(**arguments)


def _write_and_tell(write: Callable[..., object], arguments: Mapping[str, Any]) -> object:
    """Make a write, and say in the answer which open proposals are about the same."""
    watched = WatchedStorage(arguments["storage"])
    answer = write(**{**arguments, "storage": watched})
    tell_open_proposals(answer, watched.changes, watched)
    return answer


def make_router(
    tag: str, dependencies: Sequence[Dependency] | None = None, *, has_problem_details: bool = False
) -> APIRouter:
    """Return a router for one group of routes that parses requests strictly.

    Args:
        tag: the name of the group in the documentation.
        dependencies: checked first for each request of the group; ``None`` for none.
        has_problem_details: whether errors are answered with problem details, as on all routes that v1 does not have.
    """
    route_class = ProblemRoute if has_problem_details else ServiceRoute
    # Existing clients send JSON without a Content-Type.
    return APIRouter(tags=[tag], route_class=route_class, strict_content_type=False, dependencies=dependencies)


def provide_services(api: FastAPI, services: Services) -> None:
    """Make the services available to the routes of an application."""
    api.state.services = services
