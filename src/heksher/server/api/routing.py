"""What every group of routes is built with."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, Path
from fastapi.params import Depends as Dependency
from pydantic import BeforeValidator
from starlette.requests import Request

from heksher.server.api.body import StrictRoute
from heksher.server.asgi.caller import MAX_ACTOR_CHARACTERS, get_caller
from heksher.server.services import Services
from heksher.server.storage.base import Origin, Storage
from heksher.wire import ACTOR_HEADER

# Dependencies are coroutines, though they await nothing: FastAPI would start a thread for a plain function.


async def _get_services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDependency = Annotated[Services, Depends(_get_services)]


async def _get_storage(services: ServicesDependency) -> Storage:
    return services.storage


# Only described here: the step in front of all routes has read it, and has refused what is malformed.
_ActorHeader = Annotated[
    str | None,
    Header(
        alias=ACTOR_HEADER,
        description=f"who acts, for the change log: a name of at most {MAX_ACTOR_CHARACTERS} characters, as"
        " percent-encoded UTF-8. Nobody has to prove it; a malformed one is answered 400.",
        examples=["Ada%20Lovelace"],
        json_schema_extra={"pattern": "^([!-$&-~]|%[0-9A-Fa-f]{2})*$"},
    ),
]


async def _get_origin(request: Request, _actor: _ActorHeader = None) -> Origin:
    return get_caller(request.scope).make_origin()


def _read_rule_id(text: object) -> object:
    # int() takes more than digits ("1_0", " 7"), and pydantic all that.
    if not (isinstance(text, str) and text.isascii() and text.isdecimal()):
        raise ValueError("a rule's id is a whole number")
    return text


StorageDependency = Annotated[Storage, Depends(_get_storage)]
# Who asks for a write: what the change log says about it.
OriginDependency = Annotated[Origin, Depends(_get_origin)]
# A name in a path may be anything: what cannot be a name is not found.
NameInPath = Annotated[str, Path(examples=["cache_ttl"])]
RuleIdInPath = Annotated[int, BeforeValidator(_read_rule_id), Path(ge=0, examples=[7])]


def make_router(tag: str, dependencies: Sequence[Dependency] | None = None) -> APIRouter:
    """Return a router for one group of routes, whose requests are read strictly.

    Args:
        tag: what the group is called in the documentation.
        dependencies: what is checked before anything else in each of them; ``None``: nothing is.
    """
    # Existing clients send JSON without a Content-Type.
    return APIRouter(tags=[tag], route_class=StrictRoute, strict_content_type=False, dependencies=dependencies)


def provide_services(api: FastAPI, services: Services) -> None:
    """Give the routes of an application what they are to work with."""
    api.state.services = services
