"""The API's documentation: pages and their assets, all served from files of this package."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.exceptions import HTTPException

router: APIRouter = APIRouter(include_in_schema=False)

_DIRECTORY: Final = Path(__file__).parents[2] / "static"
_MEDIA_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}
# Only these are served, so no path from a client reaches the file system.
ASSETS: Final = frozenset(path.name for path in _DIRECTORY.iterdir() if path.suffix in _MEDIA_TYPES)

# Redoc loads its logo from its vendor's server unless the page forbids it; it works without. Both pages use inline
# styles, and Redoc's search runs in a worker that it creates from a blob.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)


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
    # Vendored assets have their version in their names; the others change only with the service.
    return _send_file(name, _MEDIA_TYPES[Path(name).suffix], {"Cache-Control": "max-age=3600"})


def _show_page(name: str) -> Response:
    return _send_file(name, "text/html", {"Content-Security-Policy": _POLICY})


def _send_file(name: str, media_type: str, headers: dict[str, str]) -> Response:
    return Response((_DIRECTORY / name).read_bytes(), media_type=media_type, headers=headers)
