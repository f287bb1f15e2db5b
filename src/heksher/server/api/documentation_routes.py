"""The API's documentation: pages from files of this package (nothing is loaded from elsewhere), and what they show."""

from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from heksher.wire import QUERY_PATH, STREAM_PATH

router: APIRouter = APIRouter(include_in_schema=False)

_DIRECTORY: Final = Path(__file__).parent.parent / "static"
_MEDIA_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}
# Only these are served, so no path that a client makes up reaches the file system.
ASSETS: Final = frozenset(path.name for path in _DIRECTORY.iterdir() if path.suffix in _MEDIA_TYPES)

# Redoc's logo comes from its maker's server, unless the page forbids it (then the page does without). Both pages style
# themselves with inline styles, and Redoc searches in a worker that it makes from a blob.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)


_LAST_EVENT_ID: Final = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "schema": {"type": "integer", "minimum": 0},
    "description": "the revision of the answer that the client has; without it the first event comes at once",
}


@router.get("/docs")
def show_docs() -> Response:
    """Show the API with Swagger UI, where requests can be tried."""
    return _show_page("docs.html")


@router.get("/redoc")
def show_redoc() -> Response:
    """Show the API with Redoc, to be read."""
    return _show_page("redoc.html")


@router.get("/docs/assets/{name}")
def get_asset(name: str) -> Response:
    """Send a script or style sheet of the two pages."""
    if name not in ASSETS:
        raise HTTPException(404)
    # The vendored ones carry their version in their names, the others change only with the service.
    return _send_file(name, _MEDIA_TYPES[Path(name).suffix], {"Cache-Control": "max-age=3600"})


def describe_streams(api: FastAPI) -> None:
    """Have an application's OpenAPI document describe streams, which the framework does not know: as their queries."""
    make_document = api.openapi

    def openapi() -> dict[str, Any]:
        document = make_document()
        queries = document["paths"][QUERY_PATH]
        document["paths"][STREAM_PATH] = {method: _describe_stream(query) for method, query in queries.items()}
        return document

    # The framework's own way to change the document.
    api.openapi = openapi  # type: ignore[method-assign]


def _describe_stream(query: dict[str, Any]) -> dict[str, Any]:
    stream = deepcopy(query)
    stream["summary"] = "Be told when the answer to a query has changed"
    stream["description"] = (
        "Server-sent events. `event: change` with `id` and `data.revision` says that the answer is another one since"
        " that revision; comments are heartbeats; `event: end` with `retry` says that the service ends."
    )
    stream["operationId"] = query["operationId"].replace("query", "stream")
    stream["responses"].pop("304")
    stream["responses"]["200"] = {"description": "The events.", "content": {"text/event-stream": {}}}
    others = [parameter for parameter in query["parameters"] if parameter["name"].lower() != "if-none-match"]
    stream["parameters"] = [*others, _LAST_EVENT_ID]
    return stream


def _show_page(name: str) -> Response:
    return _send_file(name, "text/html", {"Content-Security-Policy": _POLICY})


def _send_file(name: str, media_type: str, headers: dict[str, str]) -> Response:
    return Response((_DIRECTORY / name).read_bytes(), media_type=media_type, headers=headers)
