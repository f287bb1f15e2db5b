"""What every group of routes is built with."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BeforeValidator
from starlette.requests import Request

from heksher.server.api.body import StrictRoute
from heksher.server.storage.base import Storage


async def _get_storage(request: Request) -> Storage:
    # A coroutine, though it awaits nothing: FastAPI would start a thread for a plain function.
    storage: Storage = request.app.state.storage
    return storage


def _read_rule_id(text: object) -> object:
    # int() takes more than digits ("1_0", " 7"), and pydantic all that.
    if not (isinstance(text, str) and text.isascii() and text.isdecimal()):
        raise ValueError("a rule's id is a whole number")
    return text


StorageDependency = Annotated[Storage, Depends(_get_storage)]
# A name in a path may be anything: what cannot be a name is not found.
NameInPath = Annotated[str, Path(examples=["cache_ttl"])]
RuleIdInPath = Annotated[int, BeforeValidator(_read_rule_id), Path(ge=0, examples=[7])]


def make_router(tag: str) -> APIRouter:
    """Make a router for one group of routes, whose requests are read strictly."""
    # Existing clients send JSON without a Content-Type.
    return APIRouter(tags=[tag], route_class=StrictRoute, strict_content_type=False)
