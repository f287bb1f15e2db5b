"""What each route says about who may use it: which role it needs, and whether it writes.

A web page can have a browser send requests to any address that the browser reaches, such as a service on the same
machine. It cannot read the answers, but a write needs no reader. So what is no read is refused to such pages. A route
that does not say what it needs counts as one that writes, for admins alone.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar, overload

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from heksher.server.access.grants import Role

T = TypeVar("T", bound=Callable[..., object])

# Endpoints carry what they say under this name.
_ATTRIBUTE: Final = "heksher_access"


@dataclass(frozen=True, slots=True)
class Access:
    """What a route says about itself.

    Attributes:
        is_write: whether a request changes what is stored.
        role: what a caller must have, for some settings at least; operations check for which. ``None`` if anybody may
            use the route, also without a credential.
        is_open_to_origins: whether pages of the configured origins may call the route and read its answer.
    """

    is_write: bool
    role: Role | None
    is_open_to_origins: bool = False


UNKNOWN_ACCESS: Final = Access(is_write=True, role=Role.ADMIN)
# Where there is no route: whoever may anything is told so.
_NO_ROUTE: Final = Access(is_write=True, role=Role.EVALUATE)


@overload
def reads(endpoint: T) -> T: ...
@overload
def reads(*, role: Role, is_open_to_origins: bool = False) -> Callable[[T], T]: ...
def reads(
    endpoint: T | None = None, *, role: Role = Role.READ, is_open_to_origins: bool = False
) -> T | Callable[[T], T]:
    """Mark an endpoint as one that stores nothing."""
    access = Access(is_write=False, role=role, is_open_to_origins=is_open_to_origins)
    return partial(mark_access, access=access) if endpoint is None else mark_access(endpoint, access)


def writes(role: Role) -> Callable[[T], T]:
    """Mark an endpoint as one that changes what is stored."""
    return partial(mark_access, access=Access(is_write=True, role=role))


def public(endpoint: T) -> T:
    """Mark an endpoint as one that stores nothing and answers anybody."""
    return mark_access(endpoint, Access(is_write=False, role=None))


def public_writes(endpoint: T) -> T:
    """Mark an endpoint as one that changes what is stored, and finds out by itself who asks and whether they may."""
    return mark_access(endpoint, Access(is_write=True, role=None))


def mark_access(endpoint: T, access: Access) -> T:
    """Put on an endpoint what it says about itself."""
    setattr(endpoint, _ATTRIBUTE, access)
    return endpoint


def get_access(endpoint: object) -> Access | None:
    """Return what an endpoint says about itself; ``None`` if it says nothing."""
    return getattr(endpoint, _ATTRIBUTE, None)


def read_access(route: BaseRoute) -> Access | None:
    """Return what a route says about itself; ``None`` if it says nothing."""
    return get_access(getattr(route, "endpoint", None))


def find_access(routes: Iterable[BaseRoute], scope: Scope) -> Access:
    """Return what the route of a request says, or what holds where it says nothing, or where there is no route."""
    for route in routes:
        if route.matches(scope)[0] is Match.FULL:
            return read_access(route) or UNKNOWN_ACCESS
    return _NO_ROUTE
