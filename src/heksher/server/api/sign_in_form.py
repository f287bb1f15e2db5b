"""What people send from the pages of signing in, read strictly: forms, and paths to go on at."""

from typing import Final
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

_MAX_FORM_BYTES: Final = 16 * 1024
_MAX_FIELDS: Final = 10
_MAX_PATH_CHARACTERS: Final = 2000
_TYPE: Final = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form by name.

    Raises:
        HTTPException: it is none, too large, or ambiguous.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise HTTPException(415, f"A form is sent as {_TYPE}.")
    try:
        text = (await _read_body(request)).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise HTTPException(400, "The form is malformed.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise HTTPException(400, "A field of the form stands more than once.")
    return fields


async def _read_body(request: Request) -> bytes:
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > _MAX_FORM_BYTES:
                raise HTTPException(413, f"A form has at most {_MAX_FORM_BYTES} bytes.")
    except ClientDisconnect:
        raise HTTPException(400, "The form has not come.") from None
    return body


def read_path(*texts: str) -> str | None:
    """Return the path of this service that a text is; ``None`` if it is none, or there is not exactly one.

    Anything else could lead people to a page that looks like this service's, right after they have signed in here.
    """
    if len(texts) != 1 or not 0 < len(texts[0]) <= _MAX_PATH_CHARACTERS:
        return None
    (text,) = texts
    # Browsers take // for the beginning of a host, a backslash for a slash, and leave out what cannot be seen.
    is_path = text.startswith("/") and not text.startswith("//") and "\\" not in text and " " not in text
    return text if is_path and text.isascii() and text.isprintable() else None
