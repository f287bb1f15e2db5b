"""The URLs of webhooks: which there can be, and what may be told of them."""

from urllib.parse import urlsplit

from heksher.server.limits import MAX_WEBHOOK_URL_CHARACTERS
from heksher.server.web_address import make_web_origin


def find_url_fault(url: str) -> str | None:
    """Say why no message can be sent to a URL, without anything of it, which may be a secret; ``None`` if one can."""
    if len(url) > MAX_WEBHOOK_URL_CHARACTERS:
        return f"it has {len(url)} characters, and {MAX_WEBHOOK_URL_CHARACTERS} are allowed"
    if not (url.isascii() and url.isprintable()) or " " in url:
        return "it has characters that a URL has only in an encoded form"
    if "#" in url:
        return "it has a fragment (#), which is never sent"
    if "@" in find_host(url):
        return "it has a user or a password: the signature of a message shows who has sent it"
    return None if find_origin(url) else "it is not like https://example.com/path"


def find_origin(url: str) -> str:
    """Return scheme, host and port of a URL: all that may be told of it; empty if it is none of the web."""
    return make_web_origin(url.partition(":")[0], find_host(url)) or ""


def find_host(url: str) -> str:
    """Return the host of a URL, with its port if it names one; empty if it has none."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        # Brackets that do not match.
        return ""
