"""The routes of applications that are mounted beside the API."""

from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import Receive, Scope, Send


class _Recorded(BaseRoute):
    """A route that its requests are recorded under."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        if match is Match.FULL:
            child_scope["route"] = self
        return match, child_scope


class MountedRoute(_Recorded, Mount):
    """A mounted application, which its requests are recorded under where it has no route for them."""


class SlashRoute(_Recorded, Route):
    """The path of a mounted application without its slash."""


class AddSlash:
    """Answers the path of a mounted application without its slash: it goes on at the path with it."""

    def __init__(self, path: str) -> None:
        # Relative, so that it holds behind a proxy that puts something in front of the path.
        self._location = f"{path.rpartition('/')[2]}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode("latin-1")
        location = f"{self._location}?{query}" if query else self._location
        await RedirectResponse(location, 307)(scope, receive, send)
