"""The API's documentation: pages and their assets, all served from files of this package."""

import gzip
from functools import cache
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Header
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from heksher.server.asgi.access import public
from heksher.server.catalog.answer import choose_encoding

router: APIRouter = APIRouter(include_in_schema=False)

_DIRECTORY: Final = Path(__file__).parents[2] / "static"
_MEDIA_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}
_COMPRESSED: Final = ".gz"
# Only these are served, so no path from a client reaches the file system.
ASSETS: Final = {
    path.name.removesuffix(_COMPRESSED): path
    for path in _DIRECTORY.iterdir()
    if Path(path.name.removesuffix(_COMPRESSED)).suffix in _MEDIA_TYPES
}

# Redoc loads its logo from its vendor's server unless the page forbids it; it works without. Both pages use inline
# styles, and Redoc's search runs in a worker that it creates from a blob.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)

# Handlers are coroutines although they await nothing: the threads of other routes may all wait for the database.


@router.get("/docs")
@public
async def show_docs() -> Response:
    """Show the API with Swagger UI, where requests can be tried."""
    return _show_page("docs.html")


@router.get("/redoc")
@public
async def show_redoc() -> Response:
    """Show the API with Redoc, to be read."""
    return _show_page("redoc.html")


@router.get("/docs/assets/{name}")
@public
async def get_asset(name: str, accept_encoding: Annotated[str, Header()] = "") -> Response:
    """Send a script or style sheet of the two pages, compressed to whoever takes that."""
    path = ASSETS.get(name)
    if path is None:
        raise HTTPException(404)
    # Vendored assets have their version in their names; the others change only with the service.
    headers = {"Cache-Control": "max-age=3600"}
    if path.suffix == _COMPRESSED:
        headers["Vary"] = "Accept-Encoding"
        if choose_encoding(accept_encoding, ("gzip",)):
            headers["Content-Encoding"] = "gzip"
    content = _read(path, is_plain="Content-Encoding" not in headers)
    return Response(content, media_type=_MEDIA_TYPES[Path(name).suffix], headers=headers)


@cache
def _read(path: Path, *, is_plain: bool) -> bytes:
    """Return what is in a file, decompressed if it is to be plain."""
    content = path.read_bytes()
    return gzip.decompress(content) if is_plain and path.suffix == _COMPRESSED else content


def _show_page(name: str) -> Response:
    headers = {"Content-Security-Policy": _POLICY}
    return Response(_read(_DIRECTORY / name, is_plain=True), media_type="text/html", headers=headers)
