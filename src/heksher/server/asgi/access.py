"""What each route says about requests of web pages that are not the service's own: whether it writes.

A web page can have a browser send requests to any address that the browser reaches, such as a service on the same
machine. It cannot read the answers, but a write needs no reader. So what is no read is refused to such pages, and a
route that does not say which it is counts as one that writes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

T = TypeVar("T", bound=Callable[..., object])

# Endpoints carry what they say under this name.
_ATTRIBUTE: Final = "heksher_access"


@dataclass(frozen=True, slots=True)
class Access:
    """What a route says about itself.

    Attributes:
        is_write: whether a request changes what is stored.
        is_open_to_origins: whether pages of the configured origins may call the route and read its answer.
    """

    is_write: bool
    is_open_to_origins: bool = False


UNKNOWN_ACCESS: Final = Access(is_write=True)


def reads(endpoint: T) -> T:
    """Mark an endpoint as one that stores nothing."""
    return mark_access(endpoint, Access(is_write=False))


def writes(endpoint: T) -> T:
    """Mark an endpoint as one that changes what is stored."""
    return mark_access(endpoint, Access(is_write=True))


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
    """Return what the route of a request says; if it says nothing, or there is no route, it counts as a write."""
    for route in routes:
        if route.matches(scope)[0] is Match.FULL:
            return read_access(route) or UNKNOWN_ACCESS
    return UNKNOWN_ACCESS
