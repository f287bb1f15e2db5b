"""What an error says of an answer that has another status than the request allows."""

import json
import re
from collections.abc import Mapping
from typing import Final

from heksher.clients.conversation.exchange import Response
from heksher.value_type import shorten

_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403

_SECRETS_PATTERN: Final = r"(?s:(?<=//)[^/?#]*@|[?#].*)"
# How much of an answer an error shows, in characters, and how much of it is looked at for that.
_MAX_SHOWN: Final = 300
_MAX_SHOWN_BYTES: Final = 4 * _MAX_SHOWN + 1000
# A longer answer is none of our service's, and is not parsed.
_MAX_PARSED_BYTES: Final = 2**16


def describe_unexpected(response: Response) -> str:
    """Say what is to be said of an answer beside its status: what it says, or where it redirects to."""
    location = response.headers.get("location")
    if 300 <= response.status < 400 and location is not None:  # noqa: PLR2004 - HTTP's own
        # Its text would show the location as it is.
        return f", a redirect to {_show_location(location)}, which only follow_redirects in http_client_args allows"
    return describe_refused_credential(response) or f": {_read_text(response)}"


def describe_refused_credential(response: Response) -> str:
    """Say why a credential was not accepted (401), or does not suffice (403); empty for any other status."""
    if response.status == _UNAUTHORIZED:
        return (
            f": {_read_detail(response)}; the service does not accept the credential of this client, or wants one:"
            " pass token="
        )
    return f": {_read_detail(response)}" if response.status == _FORBIDDEN else ""


def _read_detail(response: Response) -> str:
    """Return the detail of an answer of our service, the text of any other."""
    try:
        answer = json.loads(response.body[:_MAX_PARSED_BYTES])
    except (ValueError, RecursionError):
        answer = None
    detail = answer.get("detail") if isinstance(answer, Mapping) else None
    return shorten(detail, _MAX_SHOWN) if isinstance(detail, str) and detail else _read_text(response)


def _read_text(response: Response) -> str:
    text = shorten(response.body[:_MAX_SHOWN_BYTES].decode(errors="replace").strip(), _MAX_SHOWN)
    return text or "(no text)"


def _show_location(location: str) -> str:
    """Show where a redirect goes, without what may be secret: credentials, and the query."""
    return repr(shorten(re.sub(_SECRETS_PATTERN, "", location), _MAX_SHOWN))
