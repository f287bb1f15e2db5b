"""The API with a description (OpenAPI) that says by which credential each route is used, and which role it needs.

Where it is not checked who may do what, no route needs any, and the description says nothing of credentials.
"""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from heksher.server.access.cookie import make_cookie_form
from heksher.server.access.credential import API_KEY, API_TOKEN
from heksher.server.access.grants import Role
from heksher.server.asgi.access import UNKNOWN_ACCESS, read_access
from heksher.server.config import Config
from heksher.server.metrics import METRICS_PATH

# OpenAPI's own form, as the framework makes it.
_Document = dict[str, Any]

_WHAT_IT_IS: Final = "a token that `heksher access token create` makes, or an admin by `POST /api/v1/tokens`"


class DescribedAPI(FastAPI):
    """An application whose description has the credentials.

    Args:
        config: says whether there are any, and how cookies look.
        options: those of the framework.
    """

    def __init__(self, config: Config, **options: Any) -> None:
        super().__init__(**options)
        self._config = config

    def openapi(self) -> _Document:
        """Return the description of the API, which is made once."""
        is_made = self.openapi_schema is not None
        document = super().openapi()
        if self._config.has_access and not is_made:
            schemes = _list_schemes(make_cookie_form(self._config.public_url).session)
            document.setdefault("components", {})["securitySchemes"] = schemes
            for route in self.routes:
                if isinstance(route, APIRoute) and route.include_in_schema:
                    self._describe_security(route, document["paths"][route.path_format], schemes)
        return document

    def _describe_security(self, route: APIRoute, operations: _Document, schemes: _Document) -> None:
        role = self._find_role(route)
        if role is None:
            return
        for method in route.methods or ():
            # Of a role, as such a list may have for any scheme (OpenAPI 3.1.0, Security Requirement Object).
            operations[method.lower()]["security"] = [{scheme: [role]} for scheme in schemes]

    def _find_role(self, route: APIRoute) -> Role | None:
        """Return the role that a route needs; ``None`` if anybody may use it."""
        if route.path == METRICS_PATH and self._config.has_metrics_access:
            return Role.READ
        return (read_access(route) or UNKNOWN_ACCESS).role


def _list_schemes(cookie: str) -> _Document:
    """Return the ways to send a credential, by names."""
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": _WHAT_IT_IS},
        "api_key": {"type": "apiKey", "in": "header", "name": API_KEY.decode(), "description": _WHAT_IT_IS},
        "api_token": {
            "type": "apiKey",
            "in": "header",
            "name": API_TOKEN.decode(),
            "description": f"{_WHAT_IT_IS}, as existing programs send it",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie,
            "description": "what `/sign-in` gives a browser; it counts for the service's own pages",
        },
    }
